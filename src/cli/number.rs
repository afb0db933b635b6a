//! `N`: how many records, written like a `SIZE`, whose suffixes it shares.
//!
//! Refuses to speak of sizes: who counts records is told of records.

use super::size;

/// Reads a number of at least one record; a fraction of a record is rounded down.
pub(super) fn parse_positive(text: &str) -> Result<u64, String> {
    match size::parse(text) {
        Ok(number) => size::positive(number),
        Err(error) if error == size::TOO_LARGE => Err(error),
        Err(_) => Err("expected a whole number of records, as in 1000 or 10k (10240)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_reported_in_records() {
        for (text, number) in [("1", 1), ("1000", 1000), ("10k", 10_240), ("1.5k", 1536)] {
            assert_eq!(parse_positive(text), Ok(number), "{text}");
        }
        let expected = "expected a whole number of records, as in 1000 or 10k (10240)";
        for text in ["", "x", "-1", "1B", "k"] {
            assert_eq!(parse_positive(text), Err(expected.into()), "{text}");
        }
        let zero = "it comes to 0, and must be at least 1";
        assert_eq!(parse_positive("0"), Err(zero.into()));
        let large = "18446744073709551616";
        assert_eq!(parse_positive(large), Err(size::TOO_LARGE.into()));
    }
}
