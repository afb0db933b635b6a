//! How far a transfer is and how fast, from one report to the next, by pv's rules.

use std::collections::VecDeque;

/// Below this no rate is measured (seconds); what came meanwhile counts in the next.
const LEAST_SPAN: f64 = 0.01;

/// A window of at least so many seconds is looked at every [`STEP`] seconds, a shorter one every second.
const WIDE: u64 = 20;
const STEP: u64 = 5;

/// What is known after a report.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Seconds since the start.
    pub elapsed: f64,
    /// Bytes or records.
    pub transferred: u64,
    /// A second, since the last report, or over the whole run at its end.
    pub rate: f64,
    /// A second, over the window, or over the whole run at its end.
    pub average: f64,
    /// The same over the window also at the end: what the time left is told from.
    pub window: f64,
    /// The highest rate so far.
    pub highest: f64,
    /// Share done, 0 to 100; without a known size 0 to 199, a little more with each report.
    pub percentage: f64,
}

/// The memory that the figures need.
#[derive(Debug)]
pub struct Progress {
    figures: Figures,
    before: f64,
    before_at: f64,
    carried: f64,
    last_rate: f64,
    /// Moments and amounts within the window.
    past: VecDeque<(f64, f64)>,
    most: usize,
    step: f64,
}

impl Progress {
    /// Averages look back on `window` (>= 1) seconds.
    pub fn new(window: u64) -> Progress {
        let (most, step) = match window {
            WIDE.. => (window / STEP + 1, STEP),
            _ => (window + 1, 1),
        };
        Progress {
            figures: Figures::default(),
            before: 0.0,
            before_at: 0.0,
            carried: 0.0,
            last_rate: 0.0,
            past: VecDeque::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            step: step as f64,
        }
    }

    /// A report after `elapsed` seconds: so much is `transferred`, and so much of what is expected
    /// is `done` if it is known what is. `last` is the end of the run.
    pub fn update(
        &mut self,
        elapsed: f64,
        transferred: u64,
        share: Option<f64>,
        last: bool,
    ) -> Figures {
        let amount = transferred as f64;
        let (came, span) = (amount - self.before, elapsed - self.before_at);
        self.before = amount;
        if span <= LEAST_SPAN {
            self.carried += came;
        } else {
            self.last_rate = ((came + self.carried) / span).max(0.0);
            self.before_at = elapsed;
            self.carried = 0.0;
            self.figures.highest = self.figures.highest.max(self.last_rate);
        }
        self.remember(elapsed, amount);
        let overall = amount / elapsed.max(1e-6);
        let figures = &mut self.figures;
        if last && figures.highest == 0.0 {
            // A run too short for a measurement is its only one.
            figures.highest = overall;
        }
        figures.elapsed = elapsed;
        figures.transferred = transferred;
        (figures.rate, figures.average) = match last {
            true => (overall, overall),
            false => (self.last_rate, figures.window),
        };
        figures.percentage = match share {
            Some(share) => share.clamp(0.0, 100_000.0),
            None if figures.rate > 0.0 && figures.percentage < 198.0 => figures.percentage + 2.0,
            None if figures.rate > 0.0 => 0.0,
            None => figures.percentage,
        };
        *figures
    }

    fn remember(&mut self, elapsed: f64, amount: f64) {
        if self
            .past
            .back()
            .is_some_and(|(at, _)| elapsed < at + self.step)
        {
            return;
        }
        if self.past.len() == self.most {
            self.past.pop_front();
        }
        self.past.push_back((elapsed, amount));
        self.figures.window = match (self.past.front(), self.past.back()) {
            (Some(first), Some(last)) if last.0 > first.0 => {
                ((last.1 - first.1) / (last.0 - first.0)).max(0.0)
            }
            _ => self.last_rate,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_since_the_last_report_and_at_the_end_that_of_the_run() {
        let mut progress = Progress::new(30);
        assert_eq!(progress.update(1.0, 100, None, false).rate, 100.0);
        assert_eq!(progress.update(2.0, 400, None, false).rate, 300.0);
        // Too short to be measured, and not lost.
        assert_eq!(progress.update(2.005, 500, None, false).rate, 300.0);
        let figures = progress.update(3.0, 600, None, false);
        assert_eq!((figures.rate, figures.highest), (200.0, 300.0));
        let end = progress.update(4.0, 600, None, true);
        assert_eq!((end.rate, end.average), (150.0, 150.0));
    }

    #[test]
    fn a_run_too_short_to_be_measured_has_a_highest_rate_at_its_end() {
        let mut progress = Progress::new(30);
        assert_eq!(progress.update(0.002, 100, None, true).highest, 50_000.0);
    }

    #[test]
    fn the_average_forgets_what_is_older_than_its_window() {
        let mut progress = Progress::new(2);
        let mut average = |at: u64, amount| progress.update(at as f64, amount, None, false).average;
        assert_eq!(average(1, 1000), 1000.0);
        assert_eq!(average(2, 1000), 0.0);
        assert_eq!(average(3, 1100), 50.0);
        assert_eq!(average(4, 1100), 50.0);
        assert_eq!(average(5, 1100), 0.0);
    }

    #[test]
    fn without_a_size_the_percentage_goes_round_while_data_moves() {
        let mut progress = Progress::new(30);
        let mut seen = Vec::new();
        for at in 1..=200_u64 {
            seen.push(progress.update(at as f64, at, None, false).percentage);
        }
        assert_eq!(seen[..3], [2.0, 4.0, 6.0]);
        assert_eq!(seen[97..101], [196.0, 198.0, 0.0, 2.0]);
        let standing = progress.update(201.0, 200, None, false).percentage;
        assert_eq!(standing, seen[199]);
    }
}
