//! `-k`: the suffixes of the options behind it count in 1000.
//!
//! clap reads one value at a time and knows of no order; so these values are read again.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::args::{Args, Expected};
use super::{rate, size};

/// Reads the sizes and rates behind `-k` again.
///
/// # Errors
///
/// A message that names the option: the smaller unit may have made it 0.
pub(super) fn reinterpret(args: &mut Args, matches: &ArgMatches) -> Result<(), String> {
    let Some(from) = typed_at(matches, "si") else {
        return Ok(());
    };
    let behind = |id| Behind { matches, from, id };
    behind("buffer_size").read(size::parse_positive_decimal, |value| {
        args.buffer_size = Some(value);
    })?;
    behind("rate_limit").read(rate::parse_decimal, |value| args.rate_limit = Some(value))?;
    behind("burst").read(size::parse_positive_decimal, |value| {
        args.burst = Some(value)
    })?;
    behind("error_skip_block").read(size::parse_decimal, |value| {
        args.transfer.error_skip_block = Some(value);
    })?;
    if let Some(Expected::Size(_)) = args.size {
        behind("size").read(size::parse_decimal, |value| {
            args.size = Some(Expected::Size(value));
        })?;
    }
    Ok(())
}

fn typed_at(matches: &ArgMatches, id: &str) -> Option<usize> {
    let typed = matches.value_source(id) == Some(ValueSource::CommandLine);
    matches.indices_of(id).filter(|_| typed)?.next()
}

/// An option, if it was typed behind `-k`.
struct Behind<'a> {
    matches: &'a ArgMatches,
    from: usize,
    id: &'static str,
}

impl Behind<'_> {
    fn read(
        &self,
        parse: fn(&str) -> Result<u64, String>,
        take: impl FnOnce(u64),
    ) -> Result<(), String> {
        let is_behind = typed_at(self.matches, self.id).is_some_and(|at| at > self.from);
        let mut raw = self.matches.get_raw(self.id).into_iter().flatten();
        if let Some(text) = raw.next_back().and_then(|text| text.to_str())
            && is_behind
        {
            let option = self.id.replace('_', "-");
            let value = parse(text)
                .map_err(|error| format!("invalid value '{text}' for --{option}: {error}"))?;
            take(value);
        }
        Ok(())
    }
}
