//! What time decides: when the loop must turn at the latest, and what happens when a deadline has passed.
//!
//! Knows no clock: `now` comes in. A deadline is acted on at the end of a turn, when what would have kept it
//! off has been read and written.

use std::time::Duration;

use super::{Change, Phase, ReadWish, Relay, Start, earliest};
use crate::core::account::Reason;
use crate::core::allowance::demand::Demand;
use crate::core::ending::Ending;

impl Relay {
    /// When the loop must turn at the latest, though nothing can be read or written.
    pub fn wake_at(&mut self, now: Duration) -> Option<Duration> {
        earliest(self.deadline(), self.credit_at(now))
    }

    /// When the run ends, or stops reading, or what is set aside or a mark comes out, unless something
    /// happens before.
    pub fn deadline(&self) -> Option<Duration> {
        [
            self.ends_at.filter(|_| self.phase != Phase::Ended),
            self.farewell,
            self.stall_deadline(),
            self.idle_deadline(),
            self.age_deadline(),
            self.start_deadline(),
            self.aside.until(),
            self.mark_deadline(),
            self.tail_deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    pub(super) fn stall_deadline(&self) -> Option<Duration> {
        let timeout = self.config.block_timeout.filter(|_| !self.sheds())?;
        let stalled = self.meter.stalled_since()?;
        if matches!(self.phase, Phase::Finishing | Phase::Ended) {
            return None;
        }
        self.pressure
            .is_pressured()
            .then(|| stalled.max(self.pressure.since()).saturating_add(timeout))
    }

    pub(super) fn age_deadline(&self) -> Option<Duration> {
        let ages = self.ages.as_ref()?;
        let begun = self.queue.begun_at_head();
        ages.due_at(|position| self.queue.bytes_before(position, begun + 1) <= begun)
    }

    pub(super) fn start_deadline(&self) -> Option<Duration> {
        match self.start {
            Start::Fills { until } => Some(until),
            Start::AwaitsInput | Start::Over => None,
        }
    }

    pub(super) fn idle_deadline(&self) -> Option<Duration> {
        let timeout = self.config.idle_timeout?;
        matches!(self.read_wish(), ReadWish::UpTo(_))
            .then(|| self.idle_since.saturating_add(timeout))
    }

    /// Acts on what the turn has left behind, and on deadlines that have passed. To be called when
    /// the turn has read and written what it could: after a pause of the process, what would have
    /// kept a deadline off may be waiting on either side.
    pub fn expire(&mut self, now: Duration) {
        self.leave_newest(now);
        let is_due = |deadline: Option<Duration>| deadline.is_some_and(|at| now >= at);
        if is_due(self.stall_deadline()) {
            self.stalled_too_long(now);
        }
        self.close_breaker(now);
        if is_due(self.start_deadline()) {
            self.start = Start::Over;
        }
        self.expire_old(now);
        if is_due(self.idle_deadline()) {
            self.ending = self.ending.and(Ending::Idle);
            self.cut(now);
        }
        if is_due(self.farewell) {
            self.break_pipe(now);
        }
        if is_due(self.ends_at) {
            self.next_stage(now);
        }
        if self.phase == Phase::Draining && self.is_starved() {
            self.abandon(Reason::Shutdown, now);
        }
        self.end_if_drained();
    }

    pub(super) fn stalled_too_long(&mut self, now: Duration) {
        if self.overflow.is_some() {
            self.breaker.open(now);
            self.idle_since = now;
            self.changed(Change::Opened, now);
        } else {
            self.ending = self.ending.and(Ending::Stalled);
            let until = now.saturating_add(self.config.drain_timeout);
            self.ends_at = earliest(self.ends_at, Some(until));
            self.give_up(now);
        }
    }

    /// At a turn's end only: what landed in it was judged by one policy.
    pub(super) fn close_breaker(&mut self, now: Duration) {
        if self.breaker.is_open() && !self.pressure.is_pressured() {
            // First, so that the account at the change knows how long it was open.
            self.breaker.close(now);
            self.changed(Change::Closed, now);
        }
    }

    /// Whether what is held can never go out.
    pub(super) fn is_starved(&self) -> bool {
        self.demand.as_ref().is_some_and(Demand::is_over) && self.has_output()
    }

    /// What has waited for too long is lost.
    pub(super) fn expire_old(&mut self, now: Duration) {
        let due = self.ages.as_mut().and_then(|ages| ages.take_due(now));
        let bytes = due.and_then(|position| self.queue.eviction_up_to(position));
        if let Some(bytes) = bytes {
            self.evict(bytes, Reason::Expired, now);
        }
    }
}
