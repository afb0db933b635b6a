//! What happened, for reports to name, and how much of it is remembered.
//!
//! Refuses to grow: what is beyond that is counted.

use crate::core::snapshot::Snapshot;
use crate::memory;

/// Something that happened and that reports may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The state became pressured.
    Pressured,
    /// The state became flowing.
    Flowing,
    /// A loss episode began.
    Loss,
    /// `--then` took over.
    Opened,
    /// It blocks again.
    Closed,
    /// A consumer followed another.
    Respawn,
}

/// Changes between two calls of [`Relay::take_changes`](super::Relay::take_changes) beyond this many are not remembered: a
/// turn in which the state flaps more often is told by the account, and by their number.
pub(super) const MOST_CHANGES: usize = 16;

/// The same where each loss is told with its account: as many as a reporter may be handed at once.
pub(super) const MOST_TOLD: usize = 1024;

/// What happened since it was last told, for reports.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) list: Vec<(Change, Option<Box<Snapshot>>)>,
    /// Changes that were not remembered.
    pub(super) forgotten: u64,
    /// Which of them come with the account at that moment.
    pub(super) with_snapshot: WithSnapshot,
    /// Memory for those.
    pub(super) memory: memory::Allowance,
}

#[derive(Clone, Copy, Default)]
pub(super) struct WithSnapshot {
    pub(super) states: bool,
    pub(super) losses: bool,
}
