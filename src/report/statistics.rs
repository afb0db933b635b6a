//! `-v`: least, mean, greatest and deviation of the output rate, and pv's line for them.

/// What is known of a series of rates, in bytes a second or in records.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Statistics {
    in_records: bool,
    count: u64,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of squared distances from the mean, kept by Welford's method: the textbook difference
    /// of squares loses all digits when the rates are large and steady.
    spread: f64,
}

impl Statistics {
    /// Of no rates yet; they will be of records or of bytes.
    pub fn new(in_records: bool) -> Statistics {
        Statistics {
            in_records,
            ..Statistics::default()
        }
    }

    /// Takes one more rate into account; one that is no number is none.
    pub fn add(&mut self, rate: f64) {
        if !rate.is_finite() {
            return;
        }
        (self.min, self.max) = match self.count {
            0 => (rate, rate),
            _ => (self.min.min(rate), self.max.max(rate)),
        };
        self.count += 1;
        let distance = rate - self.mean;
        self.mean += distance / self.count as f64;
        self.spread += distance * (rate - self.mean);
    }

    /// Whether no rate was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Least, mean, greatest and standard deviation (of the whole series, as in pv).
    pub fn figures(&self) -> Option<[f64; 4]> {
        let deviation = (self.spread / self.count as f64).sqrt();
        (!self.is_empty()).then_some([self.min, self.mean, self.max, deviation])
    }

    /// The line that pv's users know, without a prefix because pv has none; bytes a second may be told
    /// in `bits`.
    pub fn line(&self, bits: bool) -> String {
        let (unit, factor) = match (self.in_records, bits) {
            (true, _) => ("records/s", 1.0),
            (false, true) => ("b/s", 8.0),
            (false, false) => ("B/s", 1.0),
        };
        match self.figures() {
            Some(figures) => {
                let [min, mean, max, deviation] = figures.map(|figure| figure * factor);
                format!("rate min/avg/max/mdev = {min:.3}/{mean:.3}/{max:.3}/{deviation:.3} {unit}")
            }
            None => "rate not measured".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rates: &[f64]) -> Statistics {
        let mut statistics = Statistics::default();
        for rate in rates {
            statistics.add(*rate);
        }
        statistics
    }

    #[test]
    fn the_line_has_pvs_form() {
        let line = of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).line(false);
        assert_eq!(line, "rate min/avg/max/mdev = 2.000/5.000/9.000/2.000 B/s");
        let line = of(&[2.0]).line(true);
        assert_eq!(
            line,
            "rate min/avg/max/mdev = 16.000/16.000/16.000/0.000 b/s"
        );
    }

    #[test]
    fn records_are_not_called_bytes_and_have_no_bits() {
        let mut statistics = Statistics::new(true);
        statistics.add(2.0);
        let line = statistics.line(true);
        assert!(
            line.ends_with(" = 2.000/2.000/2.000/0.000 records/s"),
            "{line}"
        );
    }

    #[test]
    fn no_rate_is_no_figure() {
        assert_eq!(of(&[]).line(false), "rate not measured");
        assert_eq!(of(&[f64::NAN, f64::INFINITY]).figures(), None);
    }

    #[test]
    fn large_steady_rates_keep_their_deviation() {
        let [.., deviation] = of(&[1e12 + 1.0, 1e12 - 1.0]).figures().unwrap();
        assert!((deviation - 1.0).abs() < 1e-3, "{deviation}");
    }
}
