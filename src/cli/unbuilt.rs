//! pv's options that hwm does not have yet.
//!
//! Refuses them by name, so that none is ever taken for something else. They are known to the
//! parser only, not to help, man page and completions. Names are those of pv 1.11.

use super::hints;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Letter, long name, and whether pv takes a value there. The long name is the id.
const OPTIONS: [(char, &str, bool); 7] = [
    ('K', "direct-io", false),
    ('O', "sparse", false),
    ('U', "store-and-forward", true),
    ('d', "watchfd", true),
    ('R', "remote", true),
    ('Q', "query", true),
    ('x', "extra-display", true),
];

/// Teaches the parser the options, so that it recognizes them anywhere, also in `-pKv`.
pub(super) fn teach(command: Command) -> Command {
    command.args(OPTIONS.into_iter().map(|(letter, long, takes_value)| {
        let arg = Arg::new(long).short(letter).long(long).hide(true);
        let arg = if letter == 'O' {
            arg.alias("sparse-output")
        } else {
            arg
        };
        if takes_value {
            // Without its value it is refused all the same.
            arg.num_args(0..=1)
                .default_missing_value("")
                .allow_hyphen_values(true)
                .value_parser(clap::value_parser!(std::ffi::OsString))
                .action(ArgAction::Append)
        } else {
            arg.action(ArgAction::Count)
        }
    }))
}

/// What to say about the first of them on the command line, if any is there.
pub(super) fn first_used(matches: &ArgMatches) -> Option<String> {
    let (_, letter, long) = OPTIONS
        .into_iter()
        .filter_map(|(letter, long, _)| {
            let typed = matches.value_source(long) == Some(clap::parser::ValueSource::CommandLine);
            let index = matches.indices_of(long)?.next()?;
            typed.then_some((index, letter, long))
        })
        .min()?;
    let said = format!("pv's -{letter} (--{long}) is not built yet in hwm");
    let mut values = matches.get_raw(long).into_iter().flatten();
    let hint = values.find_map(|value| hints::value(&format!("--{long}"), value.to_str()?));
    Some(match hint {
        Some(hint) => format!("{said}; {hint}"),
        None => said,
    })
}

/// Whether a long option, dashes included, is one of them: no suggestion worth making.
pub(super) fn has(option: &str) -> bool {
    let name = option.trim_start_matches('-');
    OPTIONS.iter().any(|(_, long, _)| *long == name) || name == "sparse-output"
}
