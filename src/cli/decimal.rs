//! Decimal numbers as people write them, `12`, `0.1` or `.1`, kept exact.
//!
//! Refuses signs, exponents, `nan`, `inf`, and floating point: `0.1G` has one right answer.

/// A number that is not negative, with any number of fraction digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    /// Saturated when it has too many digits; every product of it is then too large as well.
    whole: u128,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// Splits a number off the front of `text`: `1.5M` is 1.5 and `M`. Digits may be missing on one
    /// side of the point. None when `text` does not begin with a number.
    pub(super) fn split(text: &'a str) -> Option<(Self, &'a str)> {
        let (whole, rest) = split_digits(text);
        let (fraction, rest) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) => split_digits(rest),
        };
        let whole = match (whole, fraction) {
            ("", "") => return None,
            ("", _) => 0,
            _ => whole.parse().unwrap_or(u128::MAX),
        };
        Some((Self { whole, fraction }, rest))
    }

    /// The product, rounded down; None when it does not fit 64 bits.
    pub(super) fn times(&self, unit: u64) -> Option<u64> {
        u64::try_from(self.times_wide(unit)?).ok()
    }

    /// So many percent of `amount`, rounded down; None when it does not fit 64 bits.
    pub(super) fn percent_of(&self, amount: u64) -> Option<u64> {
        u64::try_from(self.times_wide(amount)? / 100).ok()
    }

    fn times_wide(&self, unit: u64) -> Option<u128> {
        let unit = u128::from(unit);
        // From the last digit to the first, as on paper. Rounding down at each step loses
        // nothing: floor((n + x) / 10) = floor((n + floor(x)) / 10) for a whole n.
        let part = self
            .fraction
            .bytes()
            .rev()
            .fold(0, |sum, digit| (u128::from(digit - b'0') * unit + sum) / 10);
        self.whole.checked_mul(unit)?.checked_add(part)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}
