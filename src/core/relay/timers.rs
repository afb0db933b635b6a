//! What time decides: one table of deadlines, and what happens when one has passed.
//!
//! A deadline is no alarm that is set and cancelled: it follows from the state each time it is asked for, so
//! none can be forgotten. It is acted on at the end of a turn, when what would have kept it off has been read and
//! written; those of the output (a sample window, a mark, a retry) at the beginning of the next.
//!
//! Knows no clock: `now` comes in.

use std::time::Duration;

use super::Relay;
use super::changes::Change;
use super::losing::Victim;
use super::plan::{ReadWish, Timer};
use crate::core::account::Reason;
use crate::core::allowance::demand::Demand;
use crate::core::allowance::prebuffer::Prebuffer;
use crate::core::ending::Ending;
use crate::core::lifecycle::Phase;

impl Relay {
    /// When the loop must turn at the latest, though nothing can be read or written, and for what.
    pub(super) fn next_timer(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        let credit = self.credit_at(now).map(|at| (at, Timer::Rate));
        let timers = self.timers().into_iter();
        let due = timers.filter_map(|(timer, at)| Some((at?, timer)));
        due.chain(credit).min_by_key(|(at, _)| *at)
    }

    /// When time decides something, unless something happens before. All but the rate limit.
    pub fn deadline(&self) -> Option<Duration> {
        let timers = self.timers().into_iter();
        timers.filter_map(|(_, at)| at).min()
    }

    fn timers(&self) -> [(Timer, Option<Duration>); 11] {
        let lifecycle = &self.lifecycle;
        [
            (
                Timer::Stage,
                lifecycle.ends_at.filter(|_| !lifecycle.is_over()),
            ),
            (Timer::EofGrace, lifecycle.eof_grace),
            (Timer::Stall, self.stall_deadline()),
            (Timer::Idle, self.idle_deadline()),
            (Timer::Age, self.age_deadline()),
            (Timer::Prebuffer, self.allowance.prebuffer.until()),
            (Timer::Window, self.buffer.window.until()),
            (Timer::Mark, self.mark_deadline()),
            (Timer::Retry, self.tail_deadline()),
            (Timer::Reading, self.reading_deadline()),
            (Timer::Respawn, self.next_consumer_at()),
        ]
    }

    fn stall_deadline(&self) -> Option<Duration> {
        let timeout = self.config.block_timeout?;
        let stalled = self.meter.stalled_since()?;
        let ends_anyway = matches!(self.lifecycle.phase, Phase::Finishing | Phase::Ended);
        let counts = self.pressure.is_pressured() && !self.admission.sheds() && !ends_anyway;
        counts.then(|| stalled.max(self.pressure.since()).saturating_add(timeout))
    }

    fn age_deadline(&self) -> Option<Duration> {
        let ages = self.ages.as_ref()?;
        let queue = &self.buffer.queue;
        let partial = queue.partial_at_head();
        ages.due_at(|position| queue.bytes_before(position, partial + 1) <= partial)
    }

    fn idle_deadline(&self) -> Option<Duration> {
        let timeout = self.config.idle_timeout?;
        let waits = matches!(self.read_wish(), ReadWish::UpTo(_));
        waits.then(|| self.idle_since.saturating_add(timeout))
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
        if is_due(self.allowance.prebuffer.until()) {
            self.allowance.prebuffer = Prebuffer::Over;
        }
        self.expire_old(now);
        if is_due(self.idle_deadline()) {
            self.lifecycle.end_as(Ending::Idle);
            self.cut(now);
        }
        if is_due(self.lifecycle.eof_grace) {
            self.break_pipe(now);
        }
        if is_due(self.lifecycle.ends_at) {
            self.next_stage(now);
        }
        if self.lifecycle.phase == Phase::Draining && self.is_starved() {
            self.abandon(Reason::Shutdown, now);
        }
        self.end_if_drained(now);
    }

    fn stalled_too_long(&mut self, now: Duration) {
        if self.admission.may_shed() {
            self.admission.breaker.open(now);
            self.idle_since = now;
            self.changed(Change::Opened, now);
        } else {
            self.lifecycle.end_as(Ending::Stalled);
            let until = now.saturating_add(self.config.drain_timeout);
            self.lifecycle.end_by(until);
            self.give_up(now);
        }
    }

    /// At a turn's end only: what was staged in it is judged by one policy.
    fn close_breaker(&mut self, now: Duration) {
        if self.admission.breaker.is_open() && !self.pressure.is_pressured() {
            // First, so that the account at the change knows how long it was open.
            self.admission.breaker.close(now);
            self.changed(Change::Closed, now);
        }
    }

    /// Whether what is held can never go out.
    fn is_starved(&self) -> bool {
        self.allowance.demand.as_ref().is_some_and(Demand::is_over) && self.has_output()
    }

    /// What has waited for too long is lost.
    fn expire_old(&mut self, now: Duration) {
        let due = self.ages.as_mut().and_then(|ages| ages.take_due(now));
        let bytes = due.and_then(|position| self.buffer.queue.eviction_up_to(position));
        if let Some(bytes) = bytes {
            self.lose(Victim::Oldest(bytes), Reason::Expired, now);
        }
    }
}
