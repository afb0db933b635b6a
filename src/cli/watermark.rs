//! A watermark: a SIZE, or a percentage of the capacity.
//!
//! Refuses to compare it with anything: the bounds 0 <= L <= H <= C are checked in `validate`,
//! where all three are known.

use super::{decimal::Decimal, size};

/// A watermark as typed, well formed; what it comes to depends on the capacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watermark(String);

impl Watermark {
    /// The mark in bytes for this capacity, rounded down.
    pub(super) fn of(&self, capacity: u64) -> Result<u64, String> {
        read(&self.0, capacity)
    }

    /// As typed.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Accepts a size or a percentage.
pub(super) fn parse(text: &str) -> Result<Watermark, String> {
    // Any capacity will do to see whether the text is well formed.
    read(text, 0).map(|_| Watermark(text.to_owned()))
}

fn read(text: &str, capacity: u64) -> Result<u64, String> {
    let Some(number) = text.strip_suffix('%') else {
        return size::parse(text);
    };
    if number.starts_with('-') {
        return Err("a percentage cannot be negative".into());
    }
    match Decimal::split(number) {
        Some((percent, "")) => percent
            .percent_of(capacity)
            .ok_or_else(|| "too large for 64 bits".into()),
        _ => Err("expected a percentage such as 80%".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_watermark_is_a_size_or_a_share_of_the_capacity() {
        for (text, bytes) in [
            ("0", 0),
            ("3k", 3072),
            ("0%", 0),
            ("80%", 8000),
            ("12.345%", 1234),
            ("100%", 10_000),
            ("250%", 25_000),
        ] {
            assert_eq!(parse(text).unwrap().of(10_000), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn bad_watermarks_say_what_is_wrong() {
        let percentage = "expected a percentage such as 80%";
        for (text, error) in [
            ("%", percentage),
            ("x%", percentage),
            ("80%%", percentage),
            ("8k%", percentage),
            ("nan%", percentage),
            ("-1%", "a percentage cannot be negative"),
            ("-1", "a size cannot be negative"),
            ("", "it is empty: expected a size such as 64k or 1.5M"),
            ("most", "expected a number first, as in 64k or 1.5M"),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_share_of_at_most_100_percent_stays_within(
            capacity in 1..u64::MAX, percent in 0..=100u64,
        ) {
            let mark = parse(&format!("{percent}%")).unwrap().of(capacity).unwrap();
            let exact = u128::from(capacity) * u128::from(percent) / 100;
            prop_assert_eq!(u128::from(mark), exact);
        }
    }
}
