//! What the loop is told: what to read, whether to write, and when to turn at the latest.
//!
//! Refuses to know how that follows from the state: `reading`, `outlet` and `timers` do.

use std::time::Duration;

/// What a turn has left to do: what the loop waits for, or does in the next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What to read.
    pub read: ReadWish,
    /// There is something to write, and it may go out.
    pub write: bool,
    /// The output took not all of what was last offered: it must be ready first.
    pub is_blocked: bool,
    /// The consumer may ask for more.
    pub grants: bool,
    /// When the loop must turn at the latest, and for what; None where time decides nothing.
    pub until: Option<(Duration, Timer)>,
}

/// What the relay wants from its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadWish {
    /// Nothing; the input must not even be watched.
    Nothing,
    /// At most so many bytes (>= 1).
    UpTo(usize),
    /// Only to know whether there is more: [`Relay::more_came`](super::Relay::more_came) if so.
    Watch,
}

/// What a deadline is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The present stage of the ending.
    Stage,
    /// The end of the input after the consumer has gone with everything.
    EofGrace,
    /// A stall (`--block-timeout`).
    Stall,
    /// No input (`--idle-timeout`).
    Idle,
    /// The oldest record held (`--max-age`).
    Age,
    /// The first write (`--start-timeout`).
    Prebuffer,
    /// The records of a sample window.
    Window,
    /// The time between two marks (`--mark-every`).
    Mark,
    /// Space for a record that is incomplete.
    Retry,
    /// What the consumer has read, where only that is awaited.
    Reading,
    /// The start of the next consumer.
    Respawn,
    /// The rate limit.
    Rate,
}
