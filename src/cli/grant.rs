//! A line of `--demand`: `10` records, a size such as `64K` or `100B`, or `max`.
//!
//! Refuses 0 and less: who asks for nothing has made a mistake (Reactive Streams, rule 3.9).

use super::size;
use crate::config::Amount;
use crate::core::allowance::demand::Grant;

const EXPECTED: &str = "expected a number of records, a size such as 64K or 100B, or max";

/// Reads a line without its newline.
///
/// # Errors
///
/// What was expected, for people.
pub fn parse(line: &str) -> Result<Grant, String> {
    let text = line.trim();
    if text == "max" {
        return Ok(Grant::All);
    }
    let amount = match text.strip_suffix('B').filter(|number| is_number(number)) {
        Some(bytes) => Amount::Bytes(size::parse_positive(bytes)?),
        None if is_number(text) => Amount::Records(size::parse_positive(text)?),
        // A fraction of a record is none, so it takes a suffix.
        None if !text.ends_with(|last: char| last.is_ascii_alphabetic()) => {
            return Err(EXPECTED.into());
        }
        None => Amount::Bytes(size::positive(size::parse(text).map_err(|_| EXPECTED)?)?),
    };
    Ok(Grant::More(amount))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_records_and_sizes_are_bytes() {
        let records = |count| Ok(Grant::More(Amount::Records(count)));
        let bytes = |count| Ok(Grant::More(Amount::Bytes(count)));
        for (line, grant) in [
            ("1", records(1)),
            (" 10\r", records(10)),
            ("18446744073709551615", records(u64::MAX)),
            ("100B", bytes(100)),
            ("64K", bytes(65536)),
            ("1.5kB", bytes(1500)),
            (".5K", bytes(512)),
            ("max", Ok(Grant::All)),
        ] {
            assert_eq!(parse(line), grant, "{line:?}");
        }
    }

    #[test]
    fn nothing_less_and_junk_are_refused_rule_3_9() {
        let zero = "it comes to 0, and must be at least 1";
        let junk = "expected a number of records, a size such as 64K or 100B, or max";
        for (line, error) in [
            ("0", zero),
            ("0B", zero),
            ("-1", junk),
            ("", junk),
            ("B", junk),
            ("+1", junk),
            ("1.5", junk),
            ("1.", junk),
            (".5", junk),
            ("ten", junk),
            ("MAX", junk),
            ("18446744073709551616", "too large for 64 bits"),
        ] {
            assert_eq!(parse(line), Err(error.into()), "{line:?}");
        }
    }
}
