//! `RATE`: a SIZE, `/s` allowed, of at least one unit a second; 0 stands for no limit, as in pv.
//!
//! Refuses what is less than one unit a second and yet not 0: nothing would ever go out.

use super::size;

/// Reads how much a second: bytes, or records with `-l`; 0 for no limit.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    parse_by(size::parse, text)
}

/// The same with `k K m M g G t T` in 1000.
pub(super) fn parse_decimal(text: &str) -> Result<u64, String> {
    parse_by(size::parse_decimal, text)
}

fn parse_by(size: fn(&str) -> Result<u64, String>, text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = size(number)?;
    if rate == 0 && number.contains(|digit| ('1'..='9').contains(&digit)) {
        return Err("at less than 1 a second nothing would go out; 0 stands for no limit".into());
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_a_size_with_or_without_a_second() {
        assert_eq!(parse("10M"), Ok(10 << 20));
        assert_eq!(parse("10M/s"), Ok(10 << 20));
        assert_eq!(parse("1.5kB/s"), Ok(1500));
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("0.0k/s"), Ok(0));
    }

    #[test]
    fn bad_rates_say_what_is_wrong() {
        let too_little = "at less than 1 a second nothing would go out; 0 stands for no limit";
        let empty = "it is empty: expected a size such as 64k or 1.5M";
        for (text, error) in [
            ("0.5", too_little),
            ("0.5/s", too_little),
            ("", empty),
            ("/s", empty),
            ("-1", "a size cannot be negative"),
            ("fast", "expected a number first, as in 64k or 1.5M"),
            ("18446744073709551616/s", "too large for 64 bits"),
            (
                "10M/h",
                "unknown suffix 'M/h'; the suffixes are k K m M g G t T KiB MiB GiB TiB (1024) and kB MB GB TB (1000)",
            ),
        ] {
            assert_eq!(parse(text), Err(error.into()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_rate_a_second_is_the_same_rate(text in "[0-9]{1,25}(\\.[0-9]{1,5})?[kMGx]?") {
            prop_assert_eq!(parse(&text), parse(&format!("{text}/s")));
        }
    }
}
