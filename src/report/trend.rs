//! Whether the buffer fills or empties, told only where that is clear.
//!
//! Where input and output are about equally fast, what is held goes up and down by chance, and the
//! difference of their rates within one interval says nothing of the next. How much the growth changes
//! from one measurement to the next is how much of it is chance: the mean of these changes gives its
//! standard deviation, and one jump among many, as where a stall begins, moves it little. A trend is
//! clear once its growths, two in a row at least, are so far from none on average that chance would
//! hardly do it. It is told until they could well be chance, or one is far from what chance would make
//! of the trend.
//!
//! Refuses to measure over short intervals, and knows nothing of what the buffer can hold.

use std::collections::VecDeque;
use std::time::Duration;

/// Between two measurements at least, so that a single write is no trend.
const APART: Duration = Duration::from_millis(500);

/// So many growths tell how much of them is chance.
const KNOWN: usize = 20;

/// A trend begins with so many growths of one sign, and is measured by so many of its last.
const LEAST: usize = 2;
const MOST: usize = 5;

/// So many standard errors from none is a clear mean. Looked at each second, as few as three would be
/// chance's doing every minute; four are it in some minutes.
const CLEAR: f64 = 4.0;

/// Up to here a mean could well be chance.
const GONE: f64 = 1.0;

/// So many standard deviations from the trend is no growth of the same trend.
const OFF: f64 = 3.0;

/// The mean change from one to the next of independent normal numbers, in standard deviations: 2 / sqrt(pi).
const CHANGE: f64 = 1.128;

/// See the module's header.
#[derive(Debug, Default)]
pub struct Trend {
    last: Option<(Duration, u64)>,
    growths: VecDeque<f64>,
    told: Option<Told>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    /// Bytes a second.
    growth: f64,
    /// The mean of how many growths that is.
    count: usize,
}

impl Trend {
    /// At `now` so much is held. Returns by how much that grows a second, or shrinks if it is negative,
    /// while there is a trend.
    pub fn follow(&mut self, now: Duration, held: u64) -> Option<f64> {
        let (then, before) = *self.last.get_or_insert((now, held));
        if now >= then.saturating_add(APART) {
            let seconds = (now - then).as_secs_f64();
            let growth = (held as f64 - before as f64) / seconds;
            self.growths.push_back(growth);
            if self.growths.len() > KNOWN {
                self.growths.pop_front();
            }
            self.last = Some((now, held));
            let goes_on = self.told.and_then(|told| self.goes_on(told, growth));
            self.told = goes_on.or_else(|| self.begins(growth));
        }
        self.told.map(|told| told.growth)
    }

    fn begins(&self, latest: f64) -> Option<Told> {
        let newest = self.growths.iter().rev();
        let run = newest.take_while(|growth| **growth * latest > 0.0).count();
        let told = self.mean_of(run.min(MOST));
        (run >= LEAST && self.errors_of(told) > CLEAR).then_some(told)
    }

    fn goes_on(&self, told: Told, latest: f64) -> Option<Told> {
        let is_of_it = (latest - told.growth).abs() <= OFF * self.chance();
        let now = self.mean_of((told.count + 1).min(MOST));
        let is_same = now.growth * told.growth > 0.0;
        (is_of_it && is_same && self.errors_of(now) > GONE).then_some(now)
    }

    fn mean_of(&self, count: usize) -> Told {
        let newest = self.growths.iter().rev().take(count);
        let growth = newest.sum::<f64>() / count as f64;
        Told { growth, count }
    }

    /// How many standard errors from none it is.
    fn errors_of(&self, told: Told) -> f64 {
        let error = self.chance() / (told.count as f64).sqrt();
        // Without chance every growth is clear.
        match error > 0.0 {
            true => told.growth.abs() / error,
            false => f64::INFINITY,
        }
    }

    /// The standard deviation of a growth.
    fn chance(&self) -> f64 {
        let pairs = self.growths.iter().zip(self.growths.iter().skip(1));
        let changes: f64 = pairs.map(|(one, next)| (next - one).abs()).sum();
        let count = self.growths.len().saturating_sub(1).max(1);
        changes / count as f64 / CHANGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told after each second in which so much comes in and goes out.
    fn told(seconds: impl IntoIterator<Item = (u64, u64)>) -> Vec<Option<f64>> {
        let mut trend = Trend::default();
        let mut held = 1 << 30;
        let mut now = Duration::ZERO;
        trend.follow(now, held);
        let mut second = |(input, output)| {
            now += Duration::from_secs(1);
            held = held + input - output;
            trend.follow(now, held)
        };
        seconds.into_iter().map(&mut second).collect()
    }

    /// Numbers around `mean`, off by up to `percents` of it, always the same.
    fn around(mean: u64, percents: u64, seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let share = (state >> 33) % 2001;
            mean + mean * percents * share / 100_000 - mean * percents / 100
        })
    }

    #[test]
    fn equal_rates_make_no_trend_however_much_they_vary() {
        for percents in [1, 10, 50] {
            let seconds = around(1_000_000, percents, 1).zip(around(1_000_000, percents, 2));
            let told = told(seconds.take(1000));
            let count = told.iter().flatten().count();
            // The difference of the rates alone has a direction each second.
            assert!(count <= 10, "{percents}%: told {count} times in 1000");
        }
    }

    #[test]
    fn bursts_that_come_and_go_make_no_trend() {
        for period in 1..=3 {
            let seconds = (0..100).map(|second| (second / period % 2 * 2_000_000, 1_000_000));
            let count = told(seconds).iter().skip(10).flatten().count();
            assert_eq!(count, 0, "{period}");
        }
    }

    #[test]
    fn a_clear_trend_is_told_without_a_break() {
        for (input, output, sign) in [(150, 100, 1.0), (100, 150, -1.0)] {
            let varied = |mean: u64, seed| around(mean * 1000, 10, seed);
            let told = told(varied(input, 3).zip(varied(output, 4)).take(300));
            assert!(
                told[10..]
                    .iter()
                    .all(|told| told.is_some_and(|told| told * sign > 35_000.0)),
                "{told:?}"
            );
        }
    }

    #[test]
    fn a_stall_is_told_after_two_measurements_and_forgotten_as_fast() {
        let even = [(100, 100); 10];
        let stalled = [(100, 0); 4];
        let told = told([&even[..], &stalled, &even[..5]].concat());
        assert_eq!(told[..11], [None; 11]);
        assert_eq!(told[11..14], [Some(100.0); 3]);
        assert_eq!(told[14..], [None; 5]);
    }

    #[test]
    fn a_trend_once_told_survives_what_would_not_have_begun_it() {
        let even = [(120, 100), (100, 120)].repeat(6);
        let clear = [(200, 100); 3];
        let weak = [(150, 100), (100, 110), (150, 100), (100, 110)];
        let unclear = told([&even[..], &weak].concat());
        assert_eq!(unclear, [None; 16]);
        let both = told([&even[..], &clear, &weak].concat());
        assert!(both[14..].iter().all(Option::is_some), "{both:?}");
    }

    #[test]
    fn short_intervals_are_one_measurement() {
        let mut trend = Trend::default();
        let held = [0_u64, 1, 2, 3, 4, 5, 6, 7, 8];
        let told = held.map(|held| trend.follow(Duration::from_millis(100 * held), held));
        assert_eq!(told, [None; 9]);
        assert_eq!(trend.follow(Duration::from_millis(1000), 10), Some(10.0));
    }
}
