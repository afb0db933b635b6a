//! How a run comes to its end: what a signal means, where the input is cut, and what may still go out.
//!
//! The stages are `lifecycle`'s. Where records are known none is cut in two: one
//! whose end has not come is lost unless it is partly written, and then its end is read first.
//! Where they are not, what is held when it is too late is lost as it stands.

use std::time::Duration;

use super::Relay;
use super::losing::Victim;
use crate::config::BrokenPipe;
use crate::core::account::Reason;
use crate::core::allowance::prebuffer::Prebuffer;
use crate::core::ending::Ending;
use crate::core::lifecycle::{Asked, EOF_GRACE, Phase};
use crate::core::loss::Place;

impl Relay {
    /// The input ended: a tail without a delimiter is a record too.
    pub fn input_ended(&mut self, now: Duration) {
        if !self.lifecycle.is_running() {
            return;
        }
        self.complete_tail(now);
        self.end_window(now);
        self.paused_in_all = Some(self.read_paused(now));
        self.lifecycle.eof_grace = None;
        self.allowance.prebuffer = Prebuffer::Over;
        self.lifecycle.ends_with_record = false;
        self.lifecycle.phase = Phase::Draining;
        self.end_if_drained(now);
    }

    /// `ReadWish::Watch` found that there is more input: than space, with `fail`, or than the
    /// consumer waited for.
    pub fn more_came(&mut self, now: Duration) {
        if self.lifecycle.eof_grace.is_some() {
            self.break_pipe(now);
        } else {
            self.lifecycle.end_as(Ending::Overflow);
            self.cut(now);
        }
    }

    /// There is no memory for more: what is held goes out, but for a record of which only the begin came,
    /// where records are lost whole.
    pub fn memory_ended(&mut self, now: Duration) {
        self.source_failed();
        self.cut_input(Reason::Shutdown, now);
        self.input_ended(now);
    }

    /// A source could not be opened or read; others may follow.
    pub fn source_failed(&mut self) {
        self.lifecycle.end_as(Ending::Failed);
    }

    /// So many bytes came in and can't be had any more. What would follow is not what comes next, so the input
    /// ends before them.
    pub fn input_lost(&mut self, bytes: u64, now: Duration) {
        self.lose(Victim::Unseen(bytes), Reason::Shutdown, now);
        self.cut_input(Reason::Shutdown, now);
        self.input_ended(now);
    }

    /// The consumer is gone. Nothing may be written any more.
    pub fn output_gone(&mut self, now: Duration) {
        if self.config.broken_pipe == BrokenPipe::Drain {
            return self.sink_from_here(now);
        }
        let owes_mark = self.owes_mark();
        let owes_nothing = self.held() == 0 && self.loss.discarding.is_none() && !owes_mark;
        let owes_nothing = owes_nothing && !self.has_output();
        if self.lifecycle.is_running() && owes_nothing {
            self.lifecycle
                .eof_grace
                .get_or_insert(now.saturating_add(EOF_GRACE));
        } else {
            self.break_pipe(now);
        }
    }

    pub(super) fn break_pipe(&mut self, now: Duration) {
        self.lifecycle.end_as(Ending::BrokenPipe);
        self.abandon(self.reason_of_leaving(), now);
    }

    /// The output failed otherwise.
    pub fn output_failed(&mut self, now: Duration) {
        self.lifecycle.end_as(Ending::Failed);
        self.abandon(Reason::Shutdown, now);
    }

    /// A terminating signal came. SIGINT stops reading; else it goes on for a while, if it `reads_on`:
    /// the producer may have got the same signal, and have something to say. A second one ends at once.
    pub fn signalled(&mut self, number: i32, reads_on: bool, now: Duration) {
        let timeout = self.config.drain_timeout;
        let Some(asked) = self.lifecycle.signalled(number, reads_on, timeout, now) else {
            return;
        };
        // Nothing is waited for any more.
        self.allowance.prebuffer = Prebuffer::Over;
        self.end_window(now);
        match asked {
            Asked::Drain => {}
            Asked::StopReading => self.stop_reading(now),
            Asked::GiveUp => self.give_up(now),
        }
    }

    /// Why what is held is lost when the consumer goes. The key that ends us may have ended the consumer
    /// first.
    pub(super) fn reason_of_leaving(&self) -> Reason {
        match self.lifecycle.is_interrupted() {
            true => Reason::Shutdown,
            false => Reason::BrokenPipe,
        }
    }

    /// Whether no record is offered whose end has not come: the input may be cut soon. Where nothing else
    /// can move, it is all the same.
    pub(super) fn holds_back(&self) -> bool {
        let is_stuck = self.pressure.is_pressured() && self.buffer.queue.complete() == 0;
        self.lifecycle.is_closing() && self.framing.has_records() && !is_stuck
    }

    /// Whether a part of the record that is arriving has gone out.
    fn arrival_went(&self) -> bool {
        self.framing.has_records() && self.buffer.queue.incomplete_is_partial()
    }

    /// Reads no more, but for the end of a record that is partly written.
    fn stop_reading(&mut self, now: Duration) {
        if self.lifecycle.is_running() && self.arrival_went() {
            self.lifecycle.ends_with_record = true;
        } else {
            self.cut(now);
        }
    }

    /// The input is cut where it stands: what has come of a record of which nothing was written is not
    /// sent.
    pub(super) fn cut(&mut self, now: Duration) {
        if self.lifecycle.is_running() && self.framing.has_records() && !self.arrival_went() {
            self.lose_incomplete(Reason::Shutdown, now);
        }
        self.input_ended(now);
    }

    /// It is too late for the present stage.
    pub(super) fn next_stage(&mut self, now: Duration) {
        match self.lifecycle.phase {
            Phase::Running => self.cut(now),
            Phase::Draining => self.give_up(now),
            Phase::Finishing => self.abandon(Reason::Shutdown, now),
            Phase::Ended => {}
        }
    }

    /// Only a record that is partly written may still go out, until `ends_at`.
    pub(super) fn give_up(&mut self, now: Duration) {
        if !self.framing.has_records() || self.lifecycle.is_finishing() {
            return self.abandon(Reason::Shutdown, now);
        }
        self.end_window(now);
        self.lose_unwritten(now);
        self.cut(now);
        if self.lifecycle.is_over() {
            return;
        }
        self.owe_no_marks();
        self.lifecycle.phase = Phase::Finishing;
        // What was refused was more.
        self.allowance.is_blocked = false;
        self.end_if_drained(now);
    }

    /// The whole records of which nothing was written are lost. It is the end of the run, and no loss
    /// episode.
    fn lose_unwritten(&mut self, now: Duration) {
        if let Some(bytes) = self.buffer.queue.eviction_of_all() {
            self.lose(Victim::Rest(bytes), Reason::Shutdown, now);
        }
    }

    /// Everything held is lost, and the run is over.
    pub(super) fn abandon(&mut self, reason: Reason, now: Duration) {
        if self.lifecycle.is_over() {
            return;
        }
        self.cut_input(reason, now);
        self.input_ended(now);
        self.sync_records();
        self.meter.unstalled(now);
        self.lifecycle.eof_grace = None;
        let lost = self.take_out_all();
        self.end_letter();
        self.record_loss(reason, lost, Place::End, now);
        self.lifecycle.phase = Phase::Ended;
    }

    /// The input is cut before its end: of an arriving record only whole bytes can go out, and a
    /// lossy policy loses it.
    fn cut_input(&mut self, reason: Reason, now: Duration) {
        if self.lifecycle.is_running() && self.admission.sheds() && !self.arrival_is_partial() {
            self.lose_incomplete(reason, now);
        }
    }

    pub(super) fn end_if_drained(&mut self, now: Duration) {
        if matches!(self.lifecycle.phase, Phase::Draining | Phase::Finishing)
            && !self.has_output()
            && self.is_read_or_too_late(now)
        {
            self.lifecycle.is_drained = true;
            self.lifecycle.phase = Phase::Ended;
        }
    }
}
