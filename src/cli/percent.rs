//! Percentages from 0 to 100, as chances and limits.

use super::decimal::Decimal;

/// Reads the number in front of a `%` that is already cut off.
pub(super) fn parse(number: &str) -> Result<f64, String> {
    let percent = match Decimal::split(number) {
        Some((_, "")) => number.parse::<f64>().ok(),
        _ => None,
    };
    percent
        .filter(|percent| *percent <= 100.0)
        .ok_or_else(|| "a percentage goes from 0% to 100%".into())
}
