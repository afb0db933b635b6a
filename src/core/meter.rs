//! The account and the times, and the pictures taken of them.
//!
//! Time is split without rest among four activities, so their sum is the elapsed time; what the
//! relay was doing follows from what it could have done, never from samples.

use std::time::Duration;

use super::account::{Losses, Tally};
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
    /// What was lost.
    pub lost: Losses,
    /// Marks that went out.
    pub marks: Tally,
    /// The most bytes held.
    pub peak_held: u64,
    /// The most bytes held since the last interval's end.
    pub recent_peak_held: u64,
    /// Unbroken runs of lost records.
    pub loss_episodes: u64,
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
    input: u64,
    output: u64,
}

impl Meter {
    /// From `now` on the relay does `activity`.
    pub fn enter(&mut self, activity: Activity, now: Duration) {
        self.times[self.activity as usize] += now.saturating_sub(self.since);
        self.activity = activity;
        self.since = now;
    }

    /// Time spent with `activity` so far, up to the last [`Meter::enter`].
    pub fn time(&self, activity: Activity) -> Duration {
        self.times[activity as usize]
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

    /// Bytes in and out a second over the whole run.
    pub fn rates_overall(&self, now: Duration) -> (Option<f64>, Option<f64>) {
        self.rates_since(Totals::default(), now)
    }

    /// Bytes in and out a second since the last [`Meter::end_interval`]; None so shortly after it
    /// that a single read would look like a flood.
    pub fn rates_of_interval(&self, now: Duration) -> (Option<f64>, Option<f64>) {
        if now.saturating_sub(self.last_interval.at) < LEAST_SPAN {
            return (None, None);
        }
        self.rates_since(self.last_interval, now)
    }

    /// The next interval's rates start from here.
    pub fn end_interval(&mut self, now: Duration) {
        self.last_interval = Totals {
            at: now,
            input: self.input.bytes,
            output: self.output.bytes,
        };
    }

    fn rates_since(&self, then: Totals, now: Duration) -> (Option<f64>, Option<f64>) {
        let seconds = now.saturating_sub(then.at).as_secs_f64();
        let rate = |bytes: u64| (seconds > 0.0).then(|| bytes as f64 / seconds);
        (
            rate(self.input.bytes - then.input),
            rate(self.output.bytes - then.output),
        )
    }

    /// The slow side so far.
    pub fn bottleneck(&self, now: Duration) -> Bottleneck {
        let input = self.time(Activity::AwaitingInput).as_secs_f64();
        let output = self.time(Activity::OutputBlocked).as_secs_f64();
        let notable = now.as_secs_f64() * NOTABLE_SHARE;
        if output > input && output > notable {
            Bottleneck::Consumer
        } else if input > output && input > notable {
            Bottleneck::Producer
        } else {
            Bottleneck::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict of a run of a second with these waits, in milliseconds.
    fn verdict(input: u64, output: u64) -> Bottleneck {
        let ms = Duration::from_millis;
        let mut meter = Meter::default();
        meter.enter(Activity::AwaitingInput, Duration::ZERO);
        meter.enter(Activity::OutputBlocked, ms(input));
        meter.enter(Activity::Busy, ms(input + output));
        meter.bottleneck(ms(1000))
    }

    #[test]
    fn the_side_that_was_waited_for_longer_is_slow_if_it_is_worth_a_word() {
        assert_eq!(verdict(200, 100), Bottleneck::Producer);
        assert_eq!(verdict(100, 200), Bottleneck::Consumer);
        assert_eq!(verdict(200, 200), Bottleneck::None);
        assert_eq!(verdict(0, 0), Bottleneck::None);
        // A twentieth of the run is not worth it.
        assert_eq!([verdict(50, 0), verdict(0, 50)], [Bottleneck::None; 2]);
        let told = [verdict(51, 0), verdict(0, 51)];
        assert_eq!(told, [Bottleneck::Producer, Bottleneck::Consumer]);
    }
}
