//! Which records are lost: one file for each policy, the only place that selects the victims, and the breaker
//! with which `block` hands over to one of them.
//!
//! What a policy is asked, and what it may answer, is in `overflow`.
//!
//! 1. The same records with the same writes between them lose the same records: a policy sees neither the
//!    reads nor a clock, and draws its numbers from a seed.
//! 2. A record that is partly written is never lost to a policy.
//!
//! `block` and `fail` are not here: they lose nothing and never look at a record. Refuses to touch bytes and
//! counters.

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

use std::time::Duration;

use super::account::Reason;
use super::snapshot::State;
use crate::classes::Ranking;
use crate::config::{Policy, RelayConfig};
use crate::core::rng::Rng;
use breaker::Breaker;
pub use overflow::{OnFull, Overflow, Verdict, View};

/// See the module's header.
pub(super) struct Admission {
    policy: Option<Box<dyn Overflow>>,
    pub(super) breaker: Breaker,
    /// The policy has a say only while the breaker is open.
    blocks_first: bool,
}

impl Admission {
    /// With this policy instead of the one that is configured.
    pub(super) fn with(policy: Box<dyn Overflow>, config: &RelayConfig) -> Self {
        Self {
            policy: Some(policy),
            ..Self::new(config)
        }
    }

    /// The policy that `config` names, or that of `--then`.
    pub(super) fn new(config: &RelayConfig) -> Self {
        Self {
            policy: policy(config),
            breaker: Breaker::default(),
            blocks_first: config.then.is_some(),
        }
    }

    /// Whether records may be lost to a policy, now or later.
    pub(super) fn may_shed(&self) -> bool {
        self.policy.is_some()
    }

    /// Whether a record that does not fit is lost.
    pub(super) fn sheds(&self) -> bool {
        self.policy.is_some() && (!self.blocks_first || self.breaker.is_open())
    }

    /// Whether it blocks first, so that a record may be partly written before any is lost.
    pub(super) fn blocks_first(&self) -> bool {
        self.blocks_first
    }

    /// Which record leaves where there is no space.
    pub(super) fn on_full(&self) -> OnFull {
        let policy = self.policy.as_ref();
        policy.map_or(OnFull::LoseArrival, |policy| policy.on_full())
    }

    /// Whether each record that completes in `state` is judged.
    pub(super) fn judges(&self, state: State) -> bool {
        let policy = self.policy.as_ref();
        policy.is_some_and(|policy| policy.judges(state))
    }

    /// Whether the class of a record decides what is lost.
    pub(super) fn sheds_by_class(&self) -> bool {
        self.sheds() && self.on_full() == OnFull::EvictLowest
    }

    /// What records are worth, where that decides.
    pub(super) fn ranking(&self) -> Option<&dyn Ranking> {
        self.policy.as_ref()?.ranking()
    }

    /// Whether a record of this content is in the lowest class.
    pub(super) fn is_lowest(&self, content: &[u8]) -> bool {
        let ranking = self.ranking();
        ranking.is_some_and(|ranking| ranking.of(content) == ranking.lowest())
    }

    /// Why a record is lost that leaves for another.
    pub(super) fn reason(&self) -> Reason {
        let policy = self.policy.as_ref();
        policy.map_or(Reason::QueueFull, |policy| policy.reason())
    }

    /// What becomes of a record that is complete.
    pub(super) fn judge(&mut self, view: &View) -> Verdict {
        let sheds = self.sheds();
        match &mut self.policy {
            Some(policy) if sheds && policy.judges(view.state) => policy.judge(view),
            _ => Verdict::Stay,
        }
    }

    /// Whether only the newest stays of the whole records that a write left behind.
    pub(super) fn only_newest_waits(&self) -> bool {
        let policy = self.policy.as_ref().filter(|_| self.sheds());
        policy.is_some_and(|policy| policy.only_newest_waits())
    }

    /// The share of records that would be admitted now, where the policy works by a share.
    pub(super) fn share(&self, view: &View) -> Option<f64> {
        self.policy.as_ref()?.share(view)
    }

    /// So many bytes came in and went out until `now`.
    pub(super) fn observe(&mut self, now: Duration, input: u64, output: u64) {
        if let Some(policy) = &mut self.policy {
            policy.observe(now, input, output);
        }
    }

    /// The last whole record that was held went out.
    pub(super) fn emptied(&mut self, now: Duration) {
        if let Some(policy) = &mut self.policy {
            policy.emptied(now);
        }
    }

    /// What was set aside came into the queue.
    pub(super) fn window_ended(&mut self) {
        if let Some(policy) = &mut self.policy {
            policy.window_ended();
        }
    }
}

/// None for those that never lose.
fn policy(config: &RelayConfig) -> Option<Box<dyn Overflow>> {
    let seed = config.seed;
    match config.then.unwrap_or(config.policy) {
        Policy::Block | Policy::Fail => None,
        Policy::DropNewest => Some(Box::new(drop_newest::DropNewest)),
        Policy::DropOldest => Some(Box::new(drop_oldest::DropOldest)),
        Policy::DropBuffer => Some(Box::new(drop_buffer::DropBuffer)),
        Policy::Latest => Some(Box::new(latest::Latest)),
        Policy::Red { max_p } => Some(Box::new(red::Red::new(max_p, Rng::new(seed)))),
        Policy::Sample(spec) => Some(Box::new(sample::Sampler::new(spec, Rng::new(seed)))),
        Policy::Priority => Some(Box::new(priority::Priority::new(config.classes.clone()))),
    }
}
