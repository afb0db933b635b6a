//! The rate limit: a token bucket that fills with time and never above the burst, so an idle
//! hour buys no flood afterwards.
//!
//! Credit is counted in fractions of a unit to the nanosecond, so a low rate loses nothing to
//! rounding however often it is asked. Knows no clock: `now` comes in.

use std::time::Duration;

use crate::config::{Amount, Rate};

const NANOS: u128 = 1_000_000_000;

/// A limited output writes about so often a second, unless the burst asks for more: in smaller
/// portions it would cost a system call for a few bytes.
const WAKES_PER_SECOND: u64 = 50;

/// See the module's header.
pub struct Pacer {
    per_second: u64,
    counts_records: bool,
    burst: u64,
    /// Units times 10^9, so that a nanosecond at N units a second adds N.
    credit: u128,
    refilled: Duration,
}

impl Pacer {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        let (per_second, counts_records) = match rate.per_second {
            Amount::Bytes(n) => (n, false),
            Amount::Records(n) => (n, true),
        };
        Self {
            per_second: per_second.max(1),
            counts_records,
            burst: rate.burst.max(1),
            credit: u128::from(rate.burst.max(1)) * NANOS,
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
        let full = u128::from(self.burst) * NANOS;
        self.credit = (self.credit + passed * u128::from(self.per_second)).min(full);
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
        let worth = (self.per_second / WAKES_PER_SECOND).clamp(1, self.burst);
        let goal = u128::from(wanted.min(worth)) * NANOS;
        self.credit(now);
        let missing = goal.saturating_sub(self.credit);
        let nanos = missing.div_ceil(u128::from(self.per_second));
        self.refilled + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
