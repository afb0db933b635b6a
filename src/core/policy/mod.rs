//! The ways to lose records, one file each: the only place that decides who goes.
//!
//! A policy answers two questions, and touches neither bytes nor counters itself:
//! 1. [`Overflow::on_full`]: the arriving record needs a byte more than the capacity has. Who goes?
//! 2. [`Overflow::judge`]: a record is complete and has a place. May it stay? Asked only in
//!    the states for which [`Overflow::judges`] says so; elsewhere records pass in bulk.
//!
//! `block` and `fail` are not here: they lose nothing and never look at a record.

mod drop_newest;
mod drop_oldest;
mod priority;
mod sample;

use std::time::Duration;

use super::account::Reason;
use super::rng::Rng;
use super::snapshot::State;
use crate::config::Policy;

/// Who leaves when the arriving record does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// The arriving record.
    LoseArrival,
    /// The oldest whole record that was not begun; the arriving one where there is none.
    EvictOldest,
    /// The oldest whole record of the lowest class present that was not begun; the arriving one where
    /// there is none but of the most valuable class.
    EvictLowest,
}

/// What a policy may know when it judges a record.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The moment.
    pub now: Duration,
    /// Bytes of the judged record, its delimiter among them.
    pub length: u64,
    /// With `priority`: it is in the lowest class. False where its bytes are not at hand.
    pub is_lowest: bool,
    /// The state, the judged record's bytes counted.
    pub state: State,
    /// Bytes held, those of the judged record included.
    pub held: u64,
    /// C.
    pub capacity: u64,
    /// H.
    pub high_water: u64,
    /// L.
    pub low_water: u64,
}

/// One way to lose records.
pub trait Overflow {
    /// Who goes when there is no room.
    fn on_full(&self) -> OnFull;

    /// Whether [`Overflow::judge`] wants to see each record that completes in `state`.
    fn judges(&self, _state: State) -> bool {
        false
    }

    /// Whether the record that just completed is lost, and why. `None` lets it stay.
    fn judge(&mut self, _view: &View) -> Option<Reason> {
        None
    }

    /// How many bytes came in and went out until `now`; called at least once a turn of the loop.
    fn observe(&mut self, _now: Duration, _input: u64, _output: u64) {}

    /// The share of records that would be admitted now, where the policy works by a share.
    fn share(&self, _view: &View) -> Option<f64> {
        None
    }
}

/// The policy's decider; None for those that never lose.
pub fn decider(policy: Policy, seed: u64) -> Option<Box<dyn Overflow>> {
    match policy {
        Policy::Block | Policy::Fail => None,
        Policy::DropNewest => Some(Box::new(drop_newest::DropNewest)),
        Policy::DropOldest => Some(Box::new(drop_oldest::DropOldest)),
        Policy::Sample(spec) => Some(Box::new(sample::Sampler::new(spec, Rng::new(seed)))),
        Policy::Priority => Some(Box::new(priority::Priority)),
    }
}
