//! `--sample SPEC`: `1/N`, `P%`, `adaptive`, `first=N,then=M,per=DUR` or `reservoir=K/DUR`.

use super::{duration, percent};
use crate::config::Sample;

/// More would take more memory for the index than the records themselves do.
const KEEP_MOST: u64 = 1_000_000;

/// Reads a sample specification.
pub(super) fn parse(text: &str) -> Result<Sample, String> {
    if text == "adaptive" {
        return Ok(Sample::Adaptive);
    }
    if text.starts_with("first=") {
        return parse_first(text);
    }
    if let Some(rest) = text.strip_prefix("reservoir=") {
        return parse_reservoir(rest);
    }
    if let Some(number) = text.strip_suffix('%') {
        return percent::parse(number).map(|percent| Sample::Chance(percent / 100.0));
    }
    match text.strip_prefix("1/") {
        Some(every) => parse_every(every),
        None => Err(
            "expected 1/N, P%, adaptive, first=N,then=M,per=DUR or reservoir=K/DUR, \
             as in 1/10 or 5%"
                .into(),
        ),
    }
}

fn parse_every(text: &str) -> Result<Sample, String> {
    match whole(text) {
        Some(every) if every >= 1 => Ok(Sample::Every(every)),
        _ => Err("in 1/N, N is a whole number from 1 to 18446744073709551615".into()),
    }
}

fn parse_first(text: &str) -> Result<Sample, String> {
    let split = || {
        let (first, rest) = text.strip_prefix("first=")?.split_once(",then=")?;
        let (then, per) = rest.split_once(",per=")?;
        Some((first, then, per))
    };
    let Some((first, then, per)) = split() else {
        return Err("expected first=N,then=M,per=DUR, as in first=10,then=100,per=1s".into());
    };
    let number = |name: &str, text: &str| {
        let range = "is a whole number from 0 to 18446744073709551615";
        whole(text).ok_or_else(|| format!("in first=N,then=M,per=DUR, {name} {range}"))
    };
    Ok(Sample::First {
        first: number("N", first)?,
        then: number("M", then)?,
        per: duration::parse_positive(per)
            .map_err(|error| format!("in first=N,then=M,per=DUR, DUR is wrong: {error}"))?,
    })
}

fn parse_reservoir(text: &str) -> Result<Sample, String> {
    let Some((keep, per)) = text.split_once('/') else {
        return Err("expected reservoir=K/DUR, as in reservoir=100/1s".into());
    };
    let keep = whole(keep).filter(|keep| (1..=KEEP_MOST).contains(keep));
    Ok(Sample::Reservoir {
        keep: keep.ok_or("in reservoir=K/DUR, K is a whole number from 1 to 1000000")?,
        per: duration::parse_positive(per)
            .map_err(|error| format!("in reservoir=K/DUR, DUR is wrong: {error}"))?,
    })
}

/// A number of digits only; None when it has others, or more than 64 bits.
fn whole(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn bad_samples_say_what_is_wrong() {
        let forms = "expected 1/N, P%, adaptive, first=N,then=M,per=DUR or reservoir=K/DUR, as in \
                     1/10 or 5%";
        let first = "expected first=N,then=M,per=DUR, as in first=10,then=100,per=1s";
        let reservoir = "expected reservoir=K/DUR, as in reservoir=100/1s";
        let keep = "in reservoir=K/DUR, K is a whole number from 1 to 1000000";
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
            ("first=10", first),
            ("first=10,per=1s,then=100", first),
            ("first=10,then=100", first),
            ("first=10, then=100, per=1s", first),
            (
                "first=,then=100,per=1s",
                "in first=N,then=M,per=DUR, N is a whole number from 0 to 18446744073709551615",
            ),
            (
                "first=1,then=-1,per=1s",
                "in first=N,then=M,per=DUR, M is a whole number from 0 to 18446744073709551615",
            ),
            (
                "first=1,then=1,per=1",
                "in first=N,then=M,per=DUR, DUR is wrong: a duration needs a unit, such as 1s",
            ),
            (
                "first=1,then=1,per=0",
                "in first=N,then=M,per=DUR, DUR is wrong: it must be longer than 0",
            ),
            ("reservoir=10", reservoir),
            ("reservoir=", reservoir),
            ("reservoir=0/1s", keep),
            ("reservoir=1000001/1s", keep),
            ("reservoir=+1/1s", keep),
            ("reservoir=/1s", keep),
            (
                "reservoir=10/",
                "in reservoir=K/DUR, DUR is wrong: it is empty: expected a duration such as 250ms, \
                 5s or 1m 30s",
            ),
            (
                "reservoir=10/0s",
                "in reservoir=K/DUR, DUR is wrong: it must be longer than 0",
            ),
        ] {
            assert_eq!(parse(text), Err(error.into()), "{text:?}");
        }
    }

    #[test]
    fn the_forms() {
        assert_eq!(parse("adaptive"), Ok(Sample::Adaptive));
        assert_eq!(parse("12.5%"), Ok(Sample::Chance(0.125)));
        assert_eq!(parse("0%"), Ok(Sample::Chance(0.0)));
        assert_eq!(parse("100%"), Ok(Sample::Chance(1.0)));
        assert_eq!(parse("1/1"), Ok(Sample::Every(1)));
        let (first, then, per) = (10, 0, Duration::from_millis(1_500));
        assert_eq!(
            parse("first=10,then=0,per=1s 500ms"),
            Ok(Sample::First { first, then, per })
        );
        let keep = 1_000_000;
        assert_eq!(
            parse("reservoir=1000000/1500ms"),
            Ok(Sample::Reservoir { keep, per })
        );
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
