//! Reading on after the consumer went (`--broken-pipe drain`): nothing is held from there on, and all that
//! comes is lost as it comes, so that the producer never notices.
//!
//! A record that was lost for another reason before, and whose end has not come, stays lost for that
//! reason.

use std::time::Duration;

use super::Relay;
use super::losing::Victim;
use crate::core::account::{Reason, Tally};
use crate::core::allowance::prebuffer::Prebuffer;
use crate::core::lifecycle::Sink;
use crate::core::loss::Place;

impl Relay {
    /// From here on everything is lost, beginning with what is held.
    pub(super) fn sink_from_here(&mut self, now: Duration) {
        if self.lifecycle.is_over() || self.sink.is_some() {
            return;
        }
        self.sync_records();
        self.meter.unstalled(now);
        self.allowance.prebuffer = Prebuffer::Over;
        self.allowance.is_blocked = false;
        self.loss.marker = None;
        self.end_window(now);
        let incomplete = self.buffer.queue.incomplete();
        if !self.buffer.queue.is_empty() {
            self.loss.tail_is_unread = false;
        }
        let lost = self.take_out_all();
        let is_amid = self.buffer.queue.forget_incomplete();
        if !is_amid {
            self.end_letter();
        }
        let amid_record = is_amid.then_some(incomplete);
        self.sink = Some(Sink { amid_record });
        if lost.bytes > 0 {
            self.loss.gaps.passed(self.buffer.queue.head());
            let place = Place::Tail(self.buffer.queue.tail());
            self.record_loss(self.reason_of_leaving(), lost, place, now);
        }
        self.end_if_drained(now);
    }

    /// All that is staged is lost.
    pub(super) fn sink_staged(&mut self, now: Duration) {
        let count = self.buffer.queue.staged().len();
        if count == 0 {
            return;
        }
        let (records, unended) = self.survey(self.buffer.queue.staged());
        self.begin_sunk();
        if let Some(sink) = self.sink.as_mut().filter(|_| self.framing.has_records()) {
            let before = sink.amid_record.filter(|_| records == 0);
            let amid_record = before.unwrap_or(0) + unended;
            sink.amid_record = (amid_record > 0).then_some(amid_record);
        }
        let bytes = count as u64;
        let lost = Tally { bytes, records };
        self.lose(Victim::Staged(lost), Reason::BrokenPipe, now);
    }

    /// Of a record that had all gone out so far, more came: it is lost with that.
    fn begin_sunk(&mut self) {
        let sink = self.sink.as_ref();
        if sink.is_some_and(|sink| sink.amid_record == Some(0)) {
            self.loss.tail_is_unread = false;
            self.keep_sent_part();
        }
    }

    /// The input ended, and with it the record that was being lost. Returns whether all is lost anyway.
    pub(super) fn complete_sunk(&mut self) -> bool {
        let Some(sink) = &mut self.sink else {
            return false;
        };
        if let Some(bytes) = sink.amid_record.take() {
            self.meter.input.records += 1;
            if bytes > 0 {
                // Its bytes were counted as they came.
                let (bytes, records) = (0, 1);
                self.loss
                    .record(Reason::BrokenPipe, Tally { bytes, records }, Place::End);
                self.end_letter();
            } else {
                self.meter.output.records += 1;
                self.close_unread_tail();
            }
        }
        true
    }
}
