//! The rate limit: a token bucket that fills with time and never above the burst, so an idle
//! hour buys no flood afterwards.
//!
//! A bucket that fills within less than a timer's tick would never let the rate be reached: each wake-up is
//! late, and what would have come meanwhile is above the burst. So the burst is at least what comes in a
//! `TICK`, and half of a bucket is worth a wake-up: the other half is for being late. Where the burst is a
//! single record, there is no half: what comes in a tick of the next one is kept besides.
//!
//! Credit is counted in fractions of a unit to the nanosecond, so a low rate loses nothing to
//! rounding however often it is asked. Knows no clock: `now` comes in.

use std::time::Duration;

use crate::config::{Amount, Rate};

const NANOS: u128 = 1_000_000_000;

/// A limited output writes about so often a second, unless the burst asks for more: in smaller
/// portions it would cost a system call for a few bytes.
const WAKES_PER_SECOND: u64 = 50;

/// The smallest burst is what comes in this part of a second, 10 ms: about ten times what timers of a busy
/// machine are late by, and not more than 200 wake-ups a second.
const TICK: u64 = 100;

/// See the module's header.
pub struct Pacer {
    per_second: u64,
    counts_records: bool,
    burst: u64,
    /// Units times 10^9, so that a nanosecond at N units a second adds N.
    credit: u128,
    /// The most of that.
    full: u128,
    refilled: Duration,
}

impl Pacer {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        let (per_second, counts_records) = match rate.per_second {
            Amount::Bytes(n) => (n, false),
            Amount::Records(n) => (n, true),
        };
        let burst = rate.burst.max(per_second.div_ceil(TICK)).max(1);
        let of_next = (u128::from(per_second) * NANOS / u128::from(TICK)).min(NANOS - 1);
        Self {
            per_second: per_second.max(1),
            counts_records,
            burst,
            credit: u128::from(burst) * NANOS,
            full: u128::from(burst) * NANOS + of_next,
            refilled: Duration::ZERO,
        }
    }

    /// Whether a unit is a record rather than a byte.
    pub fn counts_records(&self) -> bool {
        self.counts_records
    }

    /// Whole units that may go out now.
    pub fn credit(&mut self, now: Duration) -> u64 {
        let passed = now.saturating_sub(self.refilled).as_nanos();
        self.refilled = self.refilled.max(now);
        let came = passed * u128::from(self.per_second);
        self.credit = (self.credit + came).min(self.full);
        (self.credit / NANOS) as u64
    }

    /// So many units went out; at most the credit.
    pub fn spend(&mut self, units: u64) {
        debug_assert!(u128::from(units) * NANOS <= self.credit);
        self.credit = self.credit.saturating_sub(u128::from(units) * NANOS);
    }

    /// When there is credit for `wanted` (>= 1) units, or for as many as are worth a write; not
    /// after `now` if there is already.
    pub fn ready_at(&mut self, wanted: u64, now: Duration) -> Duration {
        let goal = u128::from(wanted.min(self.worth())) * NANOS;
        self.credit(now);
        let missing = goal.saturating_sub(self.credit);
        let nanos = missing.div_ceil(u128::from(self.per_second));
        self.refilled + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How much is worth a write.
    fn worth(&self) -> u64 {
        (self.per_second / WAKES_PER_SECOND).clamp(1, self.burst.div_ceil(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rng::Rng;

    fn pacer(per_second: u64, burst: u64) -> Pacer {
        Pacer::new(Rate {
            per_second: Amount::Bytes(per_second),
            burst,
        })
    }

    /// Ten seconds of an output that takes everything, where each wake-up is late by up to so many
    /// microseconds: when went out how much.
    fn sent(pacer: &mut Pacer, late: u64) -> Vec<(Duration, u64)> {
        let mut random = Rng::new(7);
        let (mut now, mut sent) = (Duration::ZERO, Vec::new());
        while now < Duration::from_secs(10) {
            now = pacer.ready_at(u64::MAX, now) + Duration::from_micros(random.below(late));
            let units = pacer.credit(now);
            pacer.spend(units);
            sent.push((now, units));
        }
        sent
    }

    #[test]
    fn the_rate_is_reached_and_wake_ups_are_bounded_however_small_the_burst_is() {
        for (per_second, burst) in [
            (200_000, 10),
            (200_000, 1),
            (200_000, 20_000),
            (10 << 30, 1),
            (1_000, 3),
            (40, 1),
        ] {
            // What a timer is late by, and what a busy machine adds to that.
            for late in [120, 3_000] {
                let sent = sent(&mut pacer(per_second, burst), late);
                let all: u64 = sent.iter().map(|(_, units)| units).sum();
                let share = all as f64 / (10 * per_second) as f64;
                assert!(
                    (0.98..1.02).contains(&share),
                    "{per_second} {burst}: {share}"
                );
                assert!(sent.len() < 2_100, "{per_second} {burst}: {}", sent.len());
            }
        }
    }

    #[test]
    fn over_no_window_goes_out_more_than_the_rate_and_one_burst_or_tick() {
        for (per_second, burst) in [(200_000, 10), (200_000, 20_000), (1_000, 3), (40, 1)] {
            let sent = sent(&mut pacer(per_second, burst), 3_000);
            let most = burst.max(per_second / 100).max(1) as f64;
            let of_next = (per_second as f64 / 100.0).min(1.0) + 1e-6;
            for first in 0..sent.len() {
                let mut units = 0;
                for (at, more) in sent[first..].iter().take(50) {
                    units += more;
                    let window = (*at - sent[first].0).as_secs_f64();
                    let allowed = most + window * per_second as f64 + of_next;
                    assert!(units as f64 <= allowed, "{per_second} {burst}: {window} s");
                }
            }
        }
    }

    #[test]
    fn an_idle_hour_buys_no_more_than_a_burst() {
        let mut pacer = pacer(200_000, 10);
        let credit = pacer.credit(Duration::from_secs(3600));
        assert_eq!(credit, 2_000, "what comes in 10 ms");
    }
}
