//! What a policy is asked when records must be lost, and what it may answer.
//!
//! It answers two questions, and touches neither bytes nor counters itself:
//! 1. [`Overflow::on_full`]: the arriving record needs a byte more than the capacity has. Which leaves?
//! 2. [`Overflow::judge`]: a record is complete. May it stay? Asked only in the states for which
//!    [`Overflow::judges`] says so; elsewhere records pass in bulk.

use std::time::Duration;

use crate::classes::Ranking;
use crate::core::account::Reason;
use crate::core::snapshot::State;

/// Who leaves when the arriving record does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// The arriving record.
    LoseArrival,
    /// The oldest whole record that is not partly written; the arriving one where there is none.
    EvictOldest,
    /// Every whole record that is not partly written; the arriving one where there is none.
    EvictAll,
    /// The oldest whole record of the lowest class present that is not partly written; the arriving one where
    /// there is none but of the most valuable class.
    EvictLowest,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays; where it has no place it is lost for want of space.
    Stay,
    /// It is lost.
    Lose(Reason),
    /// It waits, outside the queue, until that moment or the window's earlier end. Only for what has
    /// a place.
    SetAside {
        /// Whose place it takes, of those set aside in this window, counted from 0: that one is lost
        /// as sampled.
        instead_of: Option<usize>,
        /// The end of the window.
        until: Duration,
    },
}

/// What a policy may know when it judges a record.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The moment.
    pub now: Duration,
    /// Bytes of the judged record, its end among them: none of hwm's own policies goes by that.
    pub length: u64,
    /// Bytes held that the judged record found.
    pub found: u64,
    /// Whether there was space for the judged record. One that stays has it.
    pub has_place: bool,
    /// With `priority`: it is in the lowest class. False where its bytes are not at hand.
    pub is_lowest: bool,
    /// The state, the judged record's bytes counted.
    pub state: State,
    /// Bytes held, those of the judged record included where it has a place.
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
    /// Which record leaves when there is no space.
    fn on_full(&self) -> OnFull;

    /// What records are worth, for [`OnFull::EvictLowest`].
    fn ranking(&self) -> Option<&dyn Ranking> {
        None
    }

    /// Why a record is lost that leaves for another.
    fn reason(&self) -> Reason {
        Reason::QueueFull
    }

    /// Whether [`Overflow::judge`] wants to see each record that completes in `state`.
    fn judges(&self, _state: State) -> bool {
        false
    }

    /// What becomes of the record that just completed, or came to its end while it was lost for want
    /// of space.
    fn judge(&mut self, _view: &View) -> Verdict {
        Verdict::Stay
    }

    /// What was set aside came into the queue: whoever is judged next is the first of a window.
    fn window_ended(&mut self) {}

    /// The last whole record that was held went out.
    fn emptied(&mut self, _now: Duration) {}

    /// Whether only the newest stays of the whole records that a write left behind.
    fn only_newest_waits(&self) -> bool {
        false
    }

    /// How many bytes came in and went out until `now`; called at least once a turn of the loop.
    fn observe(&mut self, _now: Duration, _input: u64, _output: u64) {}

    /// The share of records that would be admitted now, where the policy works by a share.
    fn share(&self, _view: &View) -> Option<f64> {
        None
    }
}
