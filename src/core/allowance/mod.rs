//! How much may go out now: what the rate limit, the consumer's demand, the prebuffer and the output's own
//! state allow, one file each.
//!
//! 1. Never more than the least of them goes out, marks counted.
//! 2. What was refused is not offered again before something has changed: the output is ready, or time has
//!    passed.
//!
//! Refuses to know what there is to write.

pub mod demand;
pub mod pacer;
pub mod prebuffer;
pub mod space;

use std::time::Duration;

use crate::config::RelayConfig;
use demand::Demand;
use pacer::Pacer;
use prebuffer::Prebuffer;
use space::Backoff;

/// See the module's header.
pub(super) struct Allowance {
    pub(super) pacer: Option<Pacer>,
    pub(super) demand: Option<Demand>,
    pub(super) prebuffer: Prebuffer,
    /// The output took not all of what was last offered.
    pub(super) is_blocked: bool,
    /// How long the beginning of a record waits that had no space for its end.
    pub(super) backoff: Backoff,
    /// The rate limit let out what was held when the turn began.
    pub(super) has_credit: bool,
}

/// What may go out at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    /// None where records are not limited.
    pub(super) records: Option<u64>,
}

impl Allowance {
    /// As `config` says, before anything came.
    pub(super) fn new(config: &RelayConfig) -> Self {
        Self {
            pacer: config.rate.map(Pacer::new),
            demand: config.on_demand.then(Demand::default),
            prebuffer: Prebuffer::new(config.start),
            is_blocked: false,
            backoff: Backoff::default(),
            has_credit: true,
        }
    }

    /// Whether the consumer has asked for what could go out; without `--demand` it always has.
    pub(super) fn is_asked_for(&self) -> bool {
        self.demand.as_ref().is_none_or(Demand::is_open)
    }

    /// How much may go out; at the end, when only what is partly written still goes, at any rate.
    pub(super) fn limit(&mut self, is_paced: bool, now: Duration) -> Limit {
        let demand = self.demand.as_ref();
        let mut limit = Limit {
            bytes: demand.map_or(u64::MAX, Demand::bytes),
            records: demand.and_then(Demand::records),
        };
        if let Some(pacer) = self.pacer.as_mut().filter(|_| is_paced) {
            let credit = pacer.credit(now);
            if pacer.counts_records() {
                limit.records = Some(limit.records.unwrap_or(credit).min(credit));
            } else {
                limit.bytes = limit.bytes.min(credit);
            }
        }
        limit
    }

    /// Whether somebody must be told how much went out.
    pub(super) fn is_limited(&self) -> bool {
        self.pacer.is_some() || self.demand.is_some()
    }

    /// So much went out.
    pub(super) fn spend(&mut self, bytes: u64, records: u64, is_paced: bool) {
        if let Some(pacer) = self.pacer.as_mut().filter(|_| is_paced) {
            pacer.spend(if pacer.counts_records() {
                records
            } else {
                bytes
            });
        }
        if let Some(demand) = &mut self.demand {
            demand.spend(bytes, records);
        }
    }

    /// When the rate limit lets out what waits, `bytes` bytes; None when it does so now.
    pub(super) fn credit_at(&mut self, bytes: u64, now: Duration) -> Option<Duration> {
        let pacer = self.pacer.as_mut()?;
        let wanted = if pacer.counts_records() { 1 } else { bytes };
        let at = pacer.ready_at(wanted, now);
        (at > now).then_some(at)
    }

    /// The output took something.
    pub(super) fn accepted(&mut self) {
        self.is_blocked = false;
        self.backoff = Backoff::default();
    }
}
