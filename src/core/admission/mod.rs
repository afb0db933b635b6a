//! The ways to lose records, one file each: the only place that selects the victims.
//!
//! What a policy is asked, and what it may answer, is in `overflow`.
//!
//! `block` and `fail` are not here: they lose nothing and never look at a record.

pub mod breaker;
mod drop_buffer;
mod drop_newest;
mod drop_oldest;
mod latest;
mod overflow;
mod priority;
mod red;
mod reservoir;
mod sample;
mod window;

use crate::config::Policy;
use crate::core::rng::Rng;
pub use overflow::{OnFull, Overflow, Verdict, View};

/// The policy's decider; None for those that never lose.
pub fn decider(policy: Policy, seed: u64) -> Option<Box<dyn Overflow>> {
    match policy {
        Policy::Block | Policy::Fail => None,
        Policy::DropNewest => Some(Box::new(drop_newest::DropNewest)),
        Policy::DropOldest => Some(Box::new(drop_oldest::DropOldest)),
        Policy::DropBuffer => Some(Box::new(drop_buffer::DropBuffer)),
        Policy::Latest => Some(Box::new(latest::Latest)),
        Policy::Red { max_p } => Some(Box::new(red::Red::new(max_p, Rng::new(seed)))),
        Policy::Sample(spec) => Some(Box::new(sample::Sampler::new(spec, Rng::new(seed)))),
        Policy::Priority => Some(Box::new(priority::Priority)),
    }
}
