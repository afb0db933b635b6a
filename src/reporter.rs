//! The interface beside the loop: who is told what happens.
//!
//! A leaf: `engine` calls it, `report` implements it. Refuses to hold anything.

use std::time::Duration;

use crate::core::loss::dead_letters::Batch;
use crate::core::snapshot::Snapshot;

/// Where reports go. No call may ever block: what cannot be said at once may be dropped, but for
/// the summary, which [`Reporter::finish`] may wait for, within a bound.
pub trait Reporter {
    /// Whether a report about `event` at the time `now` would be said: taking a snapshot for
    /// nothing costs.
    fn wants(&self, event: Event, now: Duration) -> bool;

    /// Whether each loss episode is told with the account at the moment it begins, rather than one now
    /// and then with the account at the turn's end.
    fn wants_each_loss(&self) -> bool {
        false
    }

    /// Something happened, or an interval passed.
    fn report(&mut self, event: Event, snapshot: &Snapshot);

    /// So many changes came in one turn beyond those that were reported; this is the account behind
    /// them.
    fn missed(&mut self, _changes: u64, _snapshot: &Snapshot) {}

    /// When the account is wanted next for what is told of the run's course at its end; None where nothing
    /// is. Never so often that it costs.
    fn next_sample(&self) -> Option<Duration> {
        None
    }

    /// The account when that time has come.
    fn sample(&mut self, _snapshot: &Snapshot) {}

    /// How many bytes of lost records it would take now.
    fn space_for_lost(&self) -> u64 {
        0
    }

    /// Takes lost records, in the order in which they were lost.
    fn take_lost(&mut self, _batch: Batch) {}

    /// Whether each turn's plan is told, for who looks for a fault in a live run.
    fn traces(&self) -> bool {
        false
    }

    /// One line for people, without prefix and newline, in every mode: an error.
    fn message(&mut self, line: String);

    /// The process is about to stop: leave the terminal clean.
    fn suspend(&mut self) {}

    /// The consumer is about to see the end, and may write to the same terminal: leave it to him, with the
    /// last live line if that is one that stays. Waits for that for a short, bounded time.
    fn retire(&mut self, _snapshot: &Snapshot) {}

    /// The last word. Waits for it to be written for a short, bounded time.
    fn finish(&mut self, snapshot: &Snapshot);
}

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The interval passed.
    Interval,
    /// Held reached H.
    Pressured,
    /// Held fell to L.
    Flowing,
    /// A loss episode began.
    Loss,
    /// Records were lost, whether an episode began or goes on.
    Losing,
    /// A stall lasted longer than `--block-timeout`, and the policy of `--then` took over.
    Opened,
    /// The state is flowing again, and so is `block`.
    Closed,
    /// The consumer has ended, and another was started.
    Respawn,
    /// The user asked by SIGUSR1.
    Asked,
}
