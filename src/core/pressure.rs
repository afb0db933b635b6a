//! The watermarks: flowing and pressured, and how long.
//!
//! ```text
//!             held grew to >= H
//!   flowing ---------------------> pressured
//!           <---------------------
//!             held shrank to <= L
//! ```
//!
//! With a bound in records there are marks for these too: pressured when they are so many, and not flowing before
//! they are few. Only a change of what is held changes the state, so H = L, and even H = 0, never flap while
//! nothing moves. Knows nothing of capacity or policies.

use std::time::Duration;

use super::snapshot::State;

/// See the module's header.
pub struct Pressure {
    high: u64,
    low: u64,
    state: State,
    since: Duration,
    /// Time of all finished episodes.
    finished: Duration,
    episodes: u64,
}

impl Pressure {
    /// Flowing, with `low` <= `high`.
    pub fn new(high: u64, low: u64) -> Self {
        Self {
            high,
            low,
            state: State::Flowing,
            since: Duration::ZERO,
            finished: Duration::ZERO,
            episodes: 0,
        }
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether held reached H and has not fallen to L since.
    pub fn is_pressured(&self) -> bool {
        self.state == State::Pressured
    }

    /// More is held, or the most records are. Returns whether the state became pressured.
    pub fn grew(&mut self, held: u64, is_full: bool, now: Duration) -> bool {
        let changes = self.state == State::Flowing && (held >= self.high || is_full);
        if changes {
            self.state = State::Pressured;
            self.since = now;
            self.episodes += 1;
        }
        changes
    }

    /// Less is held, and few records or not. Returns whether the state became flowing.
    pub fn shrank(&mut self, held: u64, are_few: bool, now: Duration) -> bool {
        let changes = self.state == State::Pressured && held <= self.low && are_few;
        if changes {
            self.finished += now.saturating_sub(self.since);
            self.state = State::Flowing;
            self.since = now;
        }
        changes
    }

    /// Since when the state has been what it is.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Time pressured so far, the current episode included.
    pub fn total(&self, now: Duration) -> Duration {
        match self.state {
            State::Flowing => self.finished,
            State::Pressured => self.finished + now.saturating_sub(self.since),
        }
    }

    /// How often the state became pressured.
    pub fn episodes(&self) -> u64 {
        self.episodes
    }
}
