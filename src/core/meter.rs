//! What came in and went out, and how the time was spent.
//!
//! Time is split without rest among four activities, so their sum is the elapsed time; what the
//! relay was doing follows from what it could have done, never from samples.

use std::time::Duration;

use super::account::Tally;
use super::snapshot::Bottleneck;

/// What the relay is doing or waiting for. Where several hold, the first named counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Activity {
    /// There is something to write and the output takes nothing.
    OutputBlocked,
    /// There is something to write and the rate limit forbids it.
    RateLimited,
    /// There is nothing to do but to wait for input.
    AwaitingInput,
    /// Moving data.
    #[default]
    Busy,
}

/// A wait shorter than this share of the run names no slow side.
const NOTABLE_SHARE: f64 = 0.05;

/// Rates are not measured over less than this.
const LEAST_SPAN: Duration = Duration::from_millis(5);

/// See the module's header. The default is everything zero at the time zero.
#[derive(Default)]
pub struct Meter {
    /// What came in.
    pub input: Tally,
    /// What went out.
    pub output: Tally,
    /// Marks that went out.
    pub marks: Tally,
    /// The most bytes held.
    pub peak_held: u64,
    /// The most bytes held since the last interval's end.
    pub recent_peak_held: u64,
    activity: Activity,
    since: Duration,
    times: [Duration; 4],
    longest_stall: Duration,
    stalled_since: Option<Duration>,
    last_interval: Totals,
}

/// Totals at a moment, for rates.
#[derive(Clone, Copy, Default)]
struct Totals {
    at: Duration,
    input: Tally,
    output: Tally,
}

/// Bytes and records a second, in and out; None where that cannot be told.
#[derive(Clone, Copy, Default)]
pub struct Rates {
    /// Bytes in.
    pub input: Option<f64>,
    /// Bytes out.
    pub output: Option<f64>,
    /// Records in.
    pub input_records: Option<f64>,
    /// Records out.
    pub output_records: Option<f64>,
}

impl Meter {
    /// From `now` on the relay does `activity`.
    pub fn enter(&mut self, activity: Activity, now: Duration) {
        self.times[self.activity as usize] += now.saturating_sub(self.since);
        self.activity = activity;
        self.since = now;
    }

    /// Time spent with `activity` until `now`.
    pub fn time(&self, activity: Activity, now: Duration) -> Duration {
        let current = match activity == self.activity {
            true => now.saturating_sub(self.since),
            false => Duration::ZERO,
        };
        self.times[activity as usize] + current
    }

    /// The output took nothing of what was offered.
    pub fn stalled(&mut self, now: Duration) {
        self.stalled_since.get_or_insert(now);
    }

    /// The output took something, or nothing is left to offer.
    pub fn unstalled(&mut self, now: Duration) {
        self.longest_stall = self.longest_stall(now);
        self.stalled_since = None;
    }

    /// Since when the output has taken nothing.
    pub fn stalled_since(&self) -> Option<Duration> {
        self.stalled_since
    }

    /// The longest stall, a current one included.
    pub fn longest_stall(&self, now: Duration) -> Duration {
        let current = self
            .stalled_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.longest_stall.max(current)
    }

    /// Rates over the whole run, in which so much of the output was `taken`.
    pub fn rates_overall(&self, taken: Tally, now: Duration) -> Rates {
        self.rates_since(Totals::default(), taken, now)
    }

    /// Rates since the last [`Meter::end_interval`]; None so shortly after it that a single read
    /// would look like a flood.
    pub fn rates_of_interval(&self, now: Duration) -> Rates {
        if now.saturating_sub(self.last_interval.at) < LEAST_SPAN {
            return Rates::default();
        }
        self.rates_since(self.last_interval, self.output, now)
    }

    /// The next interval's rates start from here.
    pub fn end_interval(&mut self, now: Duration) {
        self.last_interval = Totals {
            at: now,
            input: self.input,
            output: self.output,
        };
    }

    fn rates_since(&self, then: Totals, output: Tally, now: Duration) -> Rates {
        let seconds = now.saturating_sub(then.at).as_secs_f64();
        let rate = |amount: u64| (seconds > 0.0).then(|| amount as f64 / seconds);
        Rates {
            input: rate(self.input.bytes - then.input.bytes),
            output: rate(output.bytes - then.output.bytes),
            input_records: rate(self.input.records.saturating_sub(then.input.records)),
            output_records: rate(output.records.saturating_sub(then.output.records)),
        }
    }

    /// What has been waited for longest so far: alone, and for long enough to be worth a word.
    pub fn bottleneck(&self, now: Duration) -> Bottleneck {
        let input = self.time(Activity::AwaitingInput, now);
        let output = self.time(Activity::OutputBlocked, now);
        let rate = self.time(Activity::RateLimited, now);
        let notable = now.as_secs_f64() * NOTABLE_SHARE;
        let leads =
            |wait: Duration, one, other| wait > one && wait > other && wait.as_secs_f64() > notable;
        if leads(output, input, rate) {
            Bottleneck::Consumer
        } else if leads(input, output, rate) {
            Bottleneck::Producer
        } else if leads(rate, input, output) {
            Bottleneck::RateLimit
        } else {
            Bottleneck::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict of a run of a second with these waits, in milliseconds.
    fn verdict(input: u64, output: u64, rate: u64) -> Bottleneck {
        let ms = Duration::from_millis;
        let mut meter = Meter::default();
        meter.enter(Activity::AwaitingInput, Duration::ZERO);
        meter.enter(Activity::OutputBlocked, ms(input));
        meter.enter(Activity::RateLimited, ms(input + output));
        meter.enter(Activity::Busy, ms(input + output + rate));
        meter.bottleneck(ms(1000))
    }

    #[test]
    fn the_side_that_was_waited_for_longer_is_slow_if_it_is_worth_a_word() {
        assert_eq!(verdict(200, 100, 0), Bottleneck::Producer);
        assert_eq!(verdict(100, 200, 0), Bottleneck::Consumer);
        assert_eq!(verdict(200, 200, 0), Bottleneck::None);
        assert_eq!(verdict(0, 0, 0), Bottleneck::None);
        // A twentieth of the run is not worth it.
        let waits = |wait| {
            [
                verdict(wait, 0, 0),
                verdict(0, wait, 0),
                verdict(0, 0, wait),
            ]
        };
        assert_eq!(waits(50), [Bottleneck::None; 3]);
        let told = [
            Bottleneck::Producer,
            Bottleneck::Consumer,
            Bottleneck::RateLimit,
        ];
        assert_eq!(waits(51), told);
    }

    #[test]
    fn where_the_rate_limit_was_waited_for_longest_no_side_is_slow() {
        assert_eq!(verdict(200, 100, 300), Bottleneck::RateLimit);
        assert_eq!(Bottleneck::RateLimit.side(), "none");
        assert_eq!(verdict(300, 100, 200), Bottleneck::Producer);
        assert_eq!(verdict(100, 300, 200), Bottleneck::Consumer);
        assert_eq!(verdict(300, 0, 300), Bottleneck::None);
    }
}
