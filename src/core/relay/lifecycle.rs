//! How a run comes to its end: what a signal means, where the input is cut, and what may still go out.
//!
//! ```text
//!           the input ends, or is cut              too late                too late again
//!   Running -------------------------> Draining ------------> Finishing ------------------> Ended
//!   reads and writes                   writes what is held    writes the rest of the record
//!                                                             that has begun to go out
//! ```
//!
//! Each stage ends at `ends_at` if it does not end by itself, and lasts for a turn at least, so that what
//! the consumer takes without waiting still goes. Where records are known none is cut in two: one
//! whose end has not come is lost unless it has begun to go out, and then its end is read first.
//! Where they are not, what is held when it is too late is lost as it stands.

use std::time::Duration;

use super::{Phase, Relay, Start, earliest};
use crate::core::account::Reason;
use crate::core::ending::{Ending, SIGINT};

/// After SIGINT: who pressed the key waits for the prompt.
const INTERRUPTED: Duration = Duration::from_millis(100);

/// The same signal within this time is the same one still: timeout(1) sends it to its child and to the
/// child's whole group, and a shell that hangs up does the like. No person is so fast.
const TWICE: Duration = Duration::from_millis(20);

impl Relay {
    /// A terminating signal came. SIGINT stops reading; else it goes on for a while, if it `reads_on`:
    /// the producer may have got the same signal, and have something to say. A second one ends at once.
    pub fn signalled(&mut self, number: i32, reads_on: bool, now: Duration) {
        let is_same = |(before, at)| before == number && now.saturating_sub(at) < TWICE;
        if self.signal.is_some_and(is_same) {
            return;
        }
        let is_second = self.signal.replace((number, now)).is_some();
        self.ending = self.ending.and(Ending::Signal(number));
        if self.phase == Phase::Ended {
            return;
        }
        // Nothing is waited for any more.
        self.start = Start::Over;
        self.end_window(now);
        let limit = match number {
            _ if is_second => Duration::ZERO,
            SIGINT => INTERRUPTED,
            _ => self.config.drain_timeout,
        };
        self.ends_at = earliest(self.ends_at, Some(now.saturating_add(limit)));
        if is_second {
            self.give_up(now);
        } else if number == SIGINT || !reads_on {
            self.stop_reading(now);
        }
    }

    /// Whether a person wants it to stop.
    fn is_interrupted(&self) -> bool {
        self.ending == Ending::Signal(SIGINT)
    }

    /// Why what is held is lost when the consumer goes. The key that ends us may have ended the consumer
    /// first.
    pub(super) fn reason_of_leaving(&self) -> Reason {
        match self.is_interrupted() {
            true => Reason::Shutdown,
            false => Reason::BrokenPipe,
        }
    }

    /// Whether no record is begun whose end has not come: the input may be cut soon. Where nothing else
    /// can move, it is all the same.
    pub(super) fn holds_back(&self) -> bool {
        let is_closing = self.phase == Phase::Running && self.signal.is_some();
        let is_stuck = self.pressure.is_pressured() && self.queue.complete() == 0;
        is_closing && self.counts_records && !is_stuck
    }

    /// Whether a part of the record that is arriving has gone out.
    fn arrival_went(&self) -> bool {
        self.counts_records && self.queue.arriving_has_begun()
    }

    /// Reads no more, but for the end of a record that has begun to go out.
    fn stop_reading(&mut self, now: Duration) {
        if self.phase == Phase::Running && self.arrival_went() {
            self.completes = true;
        } else {
            self.cut(now);
        }
    }

    /// The input is cut where it stands: what has come of a record that has not begun to go out is not
    /// sent.
    pub(super) fn cut(&mut self, now: Duration) {
        if self.phase == Phase::Running && self.counts_records && !self.arrival_went() {
            self.lose_arriving(Reason::Shutdown, now);
        }
        self.input_ended(now);
    }

    /// It is too late for the present stage.
    pub(super) fn next_stage(&mut self, now: Duration) {
        match self.phase {
            Phase::Running => self.cut(now),
            Phase::Draining => self.give_up(now),
            Phase::Finishing => self.abandon(Reason::Shutdown, now),
            Phase::Ended => {}
        }
    }

    /// Only what has begun to go out may still do so, until `ends_at`.
    pub(super) fn give_up(&mut self, now: Duration) {
        if !self.counts_records || self.phase == Phase::Finishing {
            return self.abandon(Reason::Shutdown, now);
        }
        self.end_window(now);
        self.lose_unbegun(now);
        self.cut(now);
        if self.phase == Phase::Ended {
            return;
        }
        self.owe_no_marks();
        self.phase = Phase::Finishing;
        // What was refused was more.
        self.is_blocked = false;
        self.end_if_drained();
    }

    /// The whole records that have not begun to go out are lost. It is the end of the run, and no loss
    /// episode.
    fn lose_unbegun(&mut self, now: Duration) {
        if let Some(bytes) = self.queue.eviction_of_all() {
            let lost = self.evict_and_spill(bytes);
            self.meter.lost[Reason::Shutdown] += lost;
            self.shrank(now);
        }
    }
}
