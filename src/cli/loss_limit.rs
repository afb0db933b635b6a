//! `--fail-on-loss[=N|P%]`: from how much loss on a run has failed.

use super::percent;
use crate::config::LossLimit;

/// Reads a number of records, or a percentage.
pub(super) fn parse(text: &str) -> Result<LossLimit, String> {
    if let Some(number) = text.strip_suffix('%') {
        return percent::parse(number).map(LossLimit::Percent);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(0) => Err("0 would fail every run; 1 fails at the first lost record".into()),
        Ok(records) if digits => Ok(LossLimit::Records(records)),
        _ => Err("expected a whole number of records or a percentage, as in 10 or 0.1%".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_limits_say_what_is_wrong() {
        let forms = "expected a whole number of records or a percentage, as in 10 or 0.1%";
        let percent = "a percentage goes from 0% to 100%";
        for (text, error) in [
            (
                "0",
                "0 would fail every run; 1 fails at the first lost record",
            ),
            ("", forms),
            ("-1", forms),
            ("+1", forms),
            ("1.5", forms),
            ("10k", forms),
            ("many", forms),
            ("18446744073709551616", forms),
            ("101%", percent),
            ("-1%", percent),
            ("nan%", percent),
            ("%", percent),
        ] {
            assert_eq!(parse(text), Err(error.into()), "{text:?}");
        }
    }

    #[test]
    fn percentages_keep_their_fraction() {
        assert_eq!(parse("0%"), Ok(LossLimit::Percent(0.0)));
        assert_eq!(parse("0.1%"), Ok(LossLimit::Percent(0.1)));
        assert_eq!(parse("100%"), Ok(LossLimit::Percent(100.0)));
    }

    proptest! {
        #[test]
        fn whole_numbers_are_records(n in 1..u64::MAX) {
            prop_assert_eq!(parse(&n.to_string()), Ok(LossLimit::Records(n)));
        }
    }
}
