//! The rate limit, naively: credit that grows with time up to the burst.

use std::time::Duration;

use highwater::config::{Amount, Rate};

/// See the module's header.
pub struct Bucket {
    rate: Rate,
    credit: u128,
    at: Duration,
}

impl Bucket {
    pub fn new(rate: Rate) -> Self {
        let mut bucket = Self {
            rate,
            credit: 0,
            at: Duration::ZERO,
        };
        bucket.credit = u128::from(bucket.burst()) * 1_000_000_000;
        bucket
    }

    /// What comes in a hundredth of a second, if that is more than was wished for.
    fn burst(&self) -> u64 {
        self.rate.burst.max(self.per_second().div_ceil(100))
    }

    fn per_second(&self) -> u64 {
        match self.rate.per_second {
            Amount::Bytes(n) | Amount::Records(n) => n,
        }
    }

    fn credit_at(&self, now: Duration) -> u128 {
        let grown = (now - self.at).as_nanos() * u128::from(self.per_second());
        let burst = u128::from(self.burst()) * 1_000_000_000;
        // A part of the next unit: what comes of it in a hundredth of a second.
        let part = (u128::from(self.per_second()) * 10_000_000).min(999_999_999);
        (self.credit + grown).min(burst + part)
    }

    pub fn spend(&mut self, bytes: u64, records: u64, now: Duration) {
        let units = match self.rate.per_second {
            Amount::Bytes(_) => bytes,
            Amount::Records(_) => records,
        };
        let credit = self.credit_at(now);
        let spent = u128::from(units) * 1_000_000_000;
        assert!(
            spent <= credit,
            "rate: {units} went out on {credit} nanocredits"
        );
        (self.credit, self.at) = (credit - spent, now);
    }

    /// Whether there is credit for something of so many bytes to go out.
    pub fn lets_out(&self, waiting: usize, now: Duration) -> bool {
        let wanted = match self.rate.per_second {
            Amount::Bytes(_) => self.enough().min(waiting as u64),
            Amount::Records(_) => 1,
        };
        self.credit_at(now) >= u128::from(wanted) * 1_000_000_000
    }

    /// Credit for a fiftieth of a second, or half of the burst if that is less: hwm may wait for so
    /// much, and not for more.
    fn enough(&self) -> u64 {
        (self.per_second() / 50).clamp(1, self.burst().div_ceil(2))
    }

    pub fn enough_at(&self, now: Duration) -> Duration {
        let enough = self.enough();
        let missing = (u128::from(enough) * 1_000_000_000).saturating_sub(self.credit_at(now));
        now + Duration::from_nanos(missing.div_ceil(u128::from(self.per_second())) as u64)
    }
}
