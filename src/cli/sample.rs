//! `--sample SPEC`: `1/N`, `P%` or `adaptive`.

use super::percent;
use crate::config::Sample;

/// Reads a sample specification.
pub(super) fn parse(text: &str) -> Result<Sample, String> {
    if text == "adaptive" {
        return Ok(Sample::Adaptive);
    }
    if text.starts_with("first=") || text.starts_with("reservoir=") {
        let (name, _) = text.split_once('=').unwrap_or((text, ""));
        return Err(format!(
            "'{name}=' is not built yet; use 1/N, P% or adaptive"
        ));
    }
    if let Some(number) = text.strip_suffix('%') {
        return percent::parse(number).map(|percent| Sample::Chance(percent / 100.0));
    }
    match text.strip_prefix("1/") {
        Some(every) => parse_every(every),
        None => Err("expected 1/N, P% or adaptive, as in 1/10 or 5%".into()),
    }
}

fn parse_every(text: &str) -> Result<Sample, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(every) if every >= 1 && digits => Ok(Sample::Every(every)),
        _ => Err("in 1/N, N is a whole number from 1 to 18446744073709551615".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_samples_say_what_is_wrong() {
        let forms = "expected 1/N, P% or adaptive, as in 1/10 or 5%";
        let every = "in 1/N, N is a whole number from 1 to 18446744073709551615";
        let percent = "a percentage goes from 0% to 100%";
        for (text, error) in [
            ("", forms),
            ("10", forms),
            ("2/3", forms),
            ("Adaptive", forms),
            ("1/0", every),
            ("1/", every),
            ("1/x", every),
            ("1/-1", every),
            ("1/+1", every),
            ("1/1.5", every),
            ("1/18446744073709551616", every),
            ("%", percent),
            ("101%", percent),
            ("100.5%", percent),
            ("-1%", percent),
            ("nan%", percent),
            ("inf%", percent),
            ("1e1%", percent),
            (
                "first=10,then=100,per=1s",
                "'first=' is not built yet; use 1/N, P% or adaptive",
            ),
            (
                "reservoir=10/1s",
                "'reservoir=' is not built yet; use 1/N, P% or adaptive",
            ),
        ] {
            assert_eq!(parse(text), Err(error.into()), "{text:?}");
        }
    }

    #[test]
    fn the_three_forms() {
        assert_eq!(parse("adaptive"), Ok(Sample::Adaptive));
        assert_eq!(parse("12.5%"), Ok(Sample::Chance(0.125)));
        assert_eq!(parse("0%"), Ok(Sample::Chance(0.0)));
        assert_eq!(parse("100%"), Ok(Sample::Chance(1.0)));
        assert_eq!(parse("1/1"), Ok(Sample::Every(1)));
    }

    proptest! {
        #[test]
        fn every_nth(n in 1..u64::MAX) {
            prop_assert_eq!(parse(&format!("1/{n}")), Ok(Sample::Every(n)));
        }

        #[test]
        fn a_chance_is_from_0_to_1(text in "[0-9]{1,4}(\\.[0-9]{1,20})?%") {
            if let Ok(Sample::Chance(chance)) = parse(&text) {
                prop_assert!((0.0..=1.0).contains(&chance));
            }
        }
    }
}
