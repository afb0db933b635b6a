//! `DUR`: humantime's durations, `250ms`, `5s`, `1m 30s`; and the interval, where a bare number
//! is seconds as in pv.
//!
//! Refuses humantime's `M`, which is months: who types `5M` means minutes or mebibytes. Refuses
//! what is longer than a century, so that no sum of times can overflow.

use std::borrow::Cow;
use std::time::Duration;

use humantime::{DurationError, parse_duration};

use super::decimal::Decimal;

/// Nothing that ends after it can matter; far from where sums overflow.
const CENTURY: Duration = Duration::from_secs(36_525 * 24 * 3600);

/// The shortest interval: reports more often than this are of no use to people, and cost CPU.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Reads a duration; `0` needs no unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    parse_with_unit(text, "a duration such as 250ms, 5s or 1m 30s")
}

/// `expected` is what to say of a text that is something else.
fn parse_with_unit(text: &str, expected: &str) -> Result<Duration, String> {
    if text.starts_with('-') {
        return Err("a duration cannot be negative".into());
    }
    let duration =
        parse_duration(&with_zeros(text)).map_err(|error| explain(text, &error, expected))?;
    if has_unit(text, "M") {
        return Err("'M' stands for months; write 5m for minutes, 5months for months".into());
    }
    no_longer_than_a_century(duration)
}

/// humantime wants a digit before a point.
fn with_zeros(text: &str) -> Cow<'_, str> {
    if !text.contains('.') {
        return text.into();
    }
    let mut with_zeros = String::new();
    for character in text.chars() {
        let before = with_zeros.trim_end().chars().next_back();
        if character == '.' && !before.is_some_and(|last| last.is_ascii_digit() || last == '.') {
            with_zeros.push('0');
        }
        with_zeros.push(character);
    }
    with_zeros.into()
}

/// Reads a duration that is not zero.
pub(super) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("it must be longer than 0".into()),
        duration => Ok(duration),
    }
}

/// Reads an interval: a duration, or a number of seconds, of at least 10 ms.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_seconds(text)?;
    if interval < SHORTEST_INTERVAL {
        return Err("the shortest interval is 0.01 (10ms)".into());
    }
    Ok(interval)
}

/// Reads a duration, or a number of seconds. As in pv, blanks around it do no harm.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    match Decimal::split(text.trim()) {
        Some((seconds, "")) => {
            let nanos = seconds.times(1_000_000_000).ok_or(TOO_LONG)?;
            no_longer_than_a_century(Duration::from_nanos(nanos))
        }
        _ => parse_with_unit(text, "seconds such as 0.5, or a duration such as 250ms"),
    }
}

const TOO_LONG: &str = "longer than 100 years";

fn no_longer_than_a_century(duration: Duration) -> Result<Duration, String> {
    if duration > CENTURY {
        return Err(TOO_LONG.into());
    }
    Ok(duration)
}

fn has_unit(text: &str, unit: &str) -> bool {
    text.split(|c: char| !c.is_alphabetic())
        .any(|word| word == unit)
}

/// humantime's own words count bytes; these name the unit to write.
fn explain(text: &str, error: &DurationError, expected: &str) -> String {
    match error {
        DurationError::Empty => format!("it is empty: expected {expected}"),
        // humantime says the same of both.
        DurationError::NumberOverflow if text.contains('.') => {
            "longer than 100 years, or too fine a fraction: write it in a smaller unit".into()
        }
        DurationError::NumberOverflow => TOO_LONG.into(),
        DurationError::UnknownUnit { unit, .. } if unit.is_empty() => {
            format!("a duration needs a unit, such as {}s", text.trim())
        }
        DurationError::UnknownUnit { unit, .. } => {
            format!("unknown unit '{unit}'; the common ones are ms, s, m, h and days")
        }
        DurationError::InvalidCharacter(_) | DurationError::NumberExpected(_) => {
            format!("expected {expected}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_those_of_humantime() {
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("1m 30s", 90_000),
            ("1m30s", 90_000),
            (".5s", 500),
            ("1m .5s", 60_500),
            ("1 .5s", 1_500),
            ("2h", 7_200_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert!(parse("1month").is_ok());
    }

    #[test]
    fn bad_durations_say_what_is_wrong() {
        let example = "expected a duration such as 250ms, 5s or 1m 30s";
        let fine = "longer than 100 years, or too fine a fraction: write it in a smaller unit";
        for (text, error) in [
            (
                "",
                "it is empty: expected a duration such as 250ms, 5s or 1m 30s",
            ),
            ("5", "a duration needs a unit, such as 5s"),
            (
                "5M",
                "'M' stands for months; write 5m for minutes, 5months for months",
            ),
            (
                "5x",
                "unknown unit 'x'; the common ones are ms, s, m, h and days",
            ),
            ("-5s", "a duration cannot be negative"),
            ("soon", example),
            ("inf", example),
            ("nan", example),
            ("5s!", example),
            (".s", example),
            ("..5s", example),
            ("101years", "longer than 100 years"),
            ("99999999999999999999s", "longer than 100 years"),
            ("0.5ns", fine),
            ("0.0001h", fine),
        ] {
            assert_eq!(parse(text), Err(error.into()), "{text:?}");
        }
        for text in ["0", "0s", "0ms"] {
            assert_eq!(parse_positive(text), Err("it must be longer than 0".into()));
        }
    }

    #[test]
    fn an_interval_may_be_bare_seconds() {
        for (text, millis) in [
            ("1", 1000),
            ("0.5", 500),
            ("0.01", 10),
            (".5", 500),
            (" .5", 500),
            ("1.", 1000),
            (".5s", 500),
            ("600", 600_000),
            (" 2 ", 2000),
            ("250ms", 250),
            ("1m 30s", 90_000),
        ] {
            assert_eq!(
                parse_interval(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_intervals_say_what_is_wrong() {
        let short = "the shortest interval is 0.01 (10ms)";
        for (text, error) in [
            ("0", short),
            ("0.009999999", short),
            ("9ms", short),
            ("-1", "a duration cannot be negative"),
            (
                "1e3",
                "unknown unit 'e'; the common ones are ms, s, m, h and days",
            ),
            ("9999999999", "longer than 100 years"),
            ("99999999999999999999", "longer than 100 years"),
            (
                "",
                "it is empty: expected seconds such as 0.5, or a duration such as 250ms",
            ),
            (
                "soon",
                "expected seconds such as 0.5, or a duration such as 250ms",
            ),
            (
                "1,5",
                "expected seconds such as 0.5, or a duration such as 250ms",
            ),
        ] {
            assert_eq!(parse_interval(text), Err(error.into()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_humantime_prints_is_read_back(millis in 0..CENTURY.as_millis() as u64) {
            let duration = Duration::from_millis(millis);
            let text = humantime::format_duration(duration).to_string();
            prop_assert_eq!(parse(&text), Ok(duration));
        }

        #[test]
        fn bare_seconds_are_seconds(seconds in 1..1_000_000u64) {
            prop_assert_eq!(
                parse_interval(&seconds.to_string()),
                parse(&format!("{seconds}s"))
            );
        }

        #[test]
        fn any_text_is_a_duration_or_a_one_line_error(text in "\\PC*") {
            for result in [parse(&text), parse_interval(&text)] {
                if let Err(error) = result {
                    prop_assert!(!error.contains('\n'));
                }
            }
        }
    }
}
