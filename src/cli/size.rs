//! `SIZE`: a number, a fraction allowed, with an optional suffix. As in pv, blanks in front of either do
//! no harm: some systems' `wc -c` pads its number.
//!
//! Refuses every suffix that is not in the table, also a lone `B` and `KB`: tools disagree on what
//! they mean, and a buffer of the wrong size is found out late.

use super::decimal::Decimal;

const KI: u64 = 1 << 10;

/// What each suffix multiplies by.
const SUFFIXES: [(&str, u64); 17] = [
    ("", 1),
    ("k", KI),
    ("K", KI),
    // The small letters are typed to pv.
    ("m", KI.pow(2)),
    ("M", KI.pow(2)),
    ("g", KI.pow(3)),
    ("G", KI.pow(3)),
    ("t", KI.pow(4)),
    ("T", KI.pow(4)),
    ("KiB", KI),
    ("MiB", KI.pow(2)),
    ("GiB", KI.pow(3)),
    ("TiB", KI.pow(4)),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

const BLANKS: [char; 2] = [' ', '\t'];

/// What is wrong with a number that no counter could hold.
pub(super) const TOO_LARGE: &str = "too large for 64 bits";

/// Reads a size; a fraction of a byte is rounded down.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    parse_in(&SUFFIXES, text)
}

/// The same with `k K m M g G t T` in 1000.
pub(super) fn parse_decimal(text: &str) -> Result<u64, String> {
    let mut suffixes = SUFFIXES;
    for (name, unit) in &mut suffixes {
        *unit = match *name {
            "k" | "K" => 1000,
            "m" | "M" => 1_000_000,
            "g" | "G" => 1_000_000_000,
            "t" | "T" => 1_000_000_000_000,
            _ => *unit,
        };
    }
    parse_in(&suffixes, text)
}

fn parse_in(suffixes: &[(&str, u64)], text: &str) -> Result<u64, String> {
    let text = text.trim_start_matches(BLANKS);
    if text.is_empty() {
        return Err("it is empty: expected a size such as 64k or 1.5M".into());
    }
    if text.starts_with('-') {
        return Err("a size cannot be negative".into());
    }
    let (number, suffix) =
        Decimal::split(text).ok_or("expected a number first, as in 64k or 1.5M")?;
    let suffix = suffix.trim_start_matches(BLANKS);
    let (_, unit) = suffixes
        .iter()
        .find(|(name, _)| *name == suffix)
        .ok_or_else(|| unknown_suffix(suffix))?;
    number.times(*unit).ok_or_else(|| TOO_LARGE.into())
}

/// Reads a size of at least one byte.
pub(super) fn parse_positive(text: &str) -> Result<u64, String> {
    positive(parse(text)?)
}

/// The same with `k K m M g G t T` in 1000.
pub(super) fn parse_positive_decimal(text: &str) -> Result<u64, String> {
    positive(parse_decimal(text)?)
}

/// Refuses 0.
pub(super) fn positive(size: u64) -> Result<u64, String> {
    match size {
        0 => Err("it comes to 0, and must be at least 1".into()),
        size => Ok(size),
    }
}

fn unknown_suffix(suffix: &str) -> String {
    format!(
        "unknown suffix '{suffix}'; the suffixes are k K m M g G t T KiB MiB GiB TiB (1024) and kB MB GB TB (1000)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_suffix_has_its_factor() {
        for (text, bytes) in [
            ("0", 0),
            ("7", 7),
            ("1k", 1024),
            ("1K", 1024),
            ("1M", 1_048_576),
            ("1G", 1_073_741_824),
            ("1T", 1_099_511_627_776),
            ("1m", 1_048_576),
            ("1g", 1_073_741_824),
            ("1t", 1_099_511_627_776),
            ("1KiB", 1024),
            ("1MiB", 1_048_576),
            ("1GiB", 1_073_741_824),
            ("1TiB", 1_099_511_627_776),
            ("1kB", 1000),
            ("1MB", 1_000_000),
            ("1GB", 1_000_000_000),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn fractions_are_exact_and_rounded_down() {
        for (text, bytes) in [
            ("1.5k", 1536),
            ("0.1k", 102),
            ("0.1G", 107_374_182),
            ("0.3kB", 300),
            ("0.9", 0),
            ("0.29GB", 290_000_000),
            ("1.10T", 1_209_462_790_553),
            (".5k", 512),
            ("5.k", 5120),
            ("5.", 5),
            (" \t1.5 k", 1536),
            (" 7", 7),
            // f64 would round this up to 2 k.
            ("1.99999999999999999999999999999999999999k", 2047),
            ("16777215.999999999999T", 18_446_744_073_709_551_614),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn the_largest_size_is_the_largest_number_of_64_bits() {
        assert_eq!(parse("18446744073709551615"), Ok(u64::MAX));
        for text in ["18446744073709551616", "16777216T", &"9".repeat(60)] {
            assert_eq!(parse(text), Err("too large for 64 bits".into()), "{text}");
        }
    }

    #[test]
    fn bad_sizes_say_what_is_wrong() {
        let suffixes = |suffix: &str| unknown_suffix(suffix);
        let number = "expected a number first, as in 64k or 1.5M".to_string();
        for (text, error) in [
            (
                "",
                "it is empty: expected a size such as 64k or 1.5M".into(),
            ),
            ("-1", "a size cannot be negative".into()),
            ("nan", number.clone()),
            ("inf", number.clone()),
            ("+1", number.clone()),
            (
                " ",
                "it is empty: expected a size such as 64k or 1.5M".into(),
            ),
            ("\n1", number.clone()),
            (".", number.clone()),
            (".k", number.clone()),
            ("k", number),
            ("1..5", suffixes(".5")),
            ("1B", suffixes("B")),
            ("1KB", suffixes("KB")),
            ("1p", suffixes("p")),
            ("1mib", suffixes("mib")),
            ("1 k ", suffixes("k ")),
            ("1k 1", suffixes("k 1")),
            ("1e3", suffixes("e3")),
            ("0x10", suffixes("x10")),
            ("1,5k", suffixes(",5k")),
            ("1P", suffixes("P")),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_error_for_a_suffix_lists_them_all() {
        let error = unknown_suffix("x");
        for (name, _) in SUFFIXES {
            assert!(error.contains(name), "{name}");
        }
    }

    #[test]
    fn a_positive_size_is_not_zero() {
        let zero = Err("it comes to 0, and must be at least 1".into());
        assert_eq!(parse_positive("0"), zero);
        assert_eq!(parse_positive("0.0001k"), zero);
        assert_eq!(parse_positive("1"), Ok(1));
    }

    proptest! {
        #[test]
        fn whole_numbers_are_multiplied(n in 0..u64::MAX, i in 0..SUFFIXES.len()) {
            let (suffix, unit) = SUFFIXES[i];
            prop_assert_eq!(parse(&format!("{n}{suffix}")).ok(), n.checked_mul(unit));
        }

        #[test]
        fn fractions_agree_with_integer_division(
            whole in 0..1_000_000u64, digits in "[0-9]{1,12}", i in 0..SUFFIXES.len(),
        ) {
            let (suffix, unit) = SUFFIXES[i];
            let scale = 10u128.pow(digits.len() as u32);
            let scaled = u128::from(whole) * scale + digits.parse::<u128>().unwrap();
            let expected = (scaled * u128::from(unit) / scale) as u64;
            prop_assert_eq!(parse(&format!("{whole}.{digits}{suffix}")), Ok(expected));
        }

        #[test]
        fn what_hwm_prints_of_1_kib_and_more_is_read_back(bytes in 1024..(1000 * KI.pow(4))) {
            let read = parse(&crate::units::size(bytes)).unwrap();
            // Three significant digits are shown.
            prop_assert!(read.abs_diff(bytes) <= bytes / 200 + 1, "{} for {}", read, bytes);
        }

        #[test]
        fn any_text_is_a_size_or_a_one_line_error(text in "\\PC*") {
            if let Err(error) = parse(&text) {
                prop_assert!(!error.contains('\n'));
            }
        }
    }
}
