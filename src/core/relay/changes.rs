//! What happened, for reports to name, and how much of it is remembered.
//!
//! Refuses to grow: what is beyond that is counted.

use std::time::Duration;

use super::Relay;
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
}

/// Changes between two calls of [`Relay::take_changes`](super::Relay::take_changes) beyond this many are not remembered: a
/// turn in which the state flaps more often is told by the account, and by their number.
const MOST_CHANGES: usize = 16;

/// The same where each loss is told with its account: as many as a reporter may be handed at once.
const MOST_TOLD: usize = 1024;

/// What happened since it was last told, for reports.
#[derive(Default)]
pub(super) struct Changes {
    list: Vec<(Change, Option<Box<Snapshot>>)>,
    /// Changes that were not remembered.
    forgotten: u64,
    /// Which of them come with the account at that moment.
    with_snapshot: WithSnapshot,
    /// Memory for those.
    memory: memory::Allowance,
}

#[derive(Clone, Copy, Default)]
struct WithSnapshot {
    states: bool,
    losses: bool,
}

impl Relay {
    /// What happened since the last call, oldest first; with the account at that moment where
    /// [`Relay::want_snapshots`] asked for it.
    pub fn take_changes(&mut self) -> Vec<(Change, Option<Box<Snapshot>>)> {
        std::mem::take(&mut self.changes.list)
    }

    /// How many changes beyond those there were.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.changes.forgotten)
    }

    /// Whether a change of state, or a loss, shall come with the account at that moment. It costs,
    /// and most reports do not tell of such changes.
    pub fn want_snapshots(&mut self, of_states: bool, of_losses: bool) {
        self.changes.with_snapshot = WithSnapshot {
            states: of_states,
            losses: of_losses,
        };
    }

    pub(super) fn changed(&mut self, change: Change, now: Duration) {
        let WithSnapshot { states, losses } = self.changes.with_snapshot;
        let most = if losses { MOST_TOLD } else { MOST_CHANGES };
        let is_wanted = match change {
            Change::Loss => losses,
            Change::Pressured | Change::Flowing | Change::Opened | Change::Closed => states,
        };
        if self.changes.list.len() >= most
            || (is_wanted && !self.changes.memory.take(size_of::<Snapshot>()))
        {
            self.changes.forgotten += 1;
            return;
        }
        let snapshot = is_wanted.then(|| Box::new(self.event_snapshot(now)));
        self.changes.list.push((change, snapshot));
    }
}
