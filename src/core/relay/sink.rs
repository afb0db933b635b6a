//! Reading on after the consumer went (`--broken-pipe drain`): nothing is held from there on, and all that
//! comes is lost as it comes, so that the producer never notices.
//!
//! A record that was lost for another reason before, and whose end has not come, stays lost for that
//! reason.

use std::time::Duration;

use super::{Discarding, Phase, Relay, Start};
use crate::core::account::{Reason, Tally};
use crate::core::buffer::own_pipes::OwnPipes;

impl Relay {
    /// From here on everything is lost, beginning with what is held.
    pub(super) fn discard_from_here(&mut self, now: Duration) {
        if self.phase == Phase::Ended || self.discarding.is_some() {
            return;
        }
        self.settle();
        self.meter.unstalled(now);
        self.start = Start::Over;
        self.is_blocked = false;
        self.marker = None;
        self.end_window(now);
        let arriving = self.queue.arriving();
        if !self.queue.is_empty() {
            self.tail_is_unread = false;
        }
        let mut lost = self.clear_queue();
        lost.bytes += self.pipes.as_mut().map_or(0, OwnPipes::clear);
        let amid_record = self.queue.forget_arriving().then_some(arriving);
        if amid_record.is_none() {
            self.end_spilled();
        }
        self.discarding = Some(Discarding { amid_record });
        if lost.bytes > 0 {
            self.gaps.passed(self.queue.head());
            self.lost_at_tail(self.reason_of_leaving(), lost, now);
        }
        self.shrank(now);
        self.end_if_drained();
    }

    /// All that landed is lost.
    pub(super) fn discard_landed(&mut self, now: Duration) {
        let count = self.queue.landed().len();
        if count == 0 {
            return;
        }
        let (records, unended) = self.survey(self.queue.landed());
        let lost = Tally {
            bytes: count as u64,
            records,
        };
        self.meter.input += lost;
        self.begin_discarded();
        self.spill_landed(count);
        self.queue.discard(count);
        if let Some(discarding) = self.discarding.as_mut().filter(|_| self.counts_records) {
            let before = discarding.amid_record.filter(|_| records == 0);
            let amid_record = before.unwrap_or(0) + unended;
            discarding.amid_record = (amid_record > 0).then_some(amid_record);
        }
        self.lost_at_tail(Reason::BrokenPipe, lost, now);
    }

    /// Of a record that had all gone out so far, more came: it is lost with that.
    fn begin_discarded(&mut self) {
        let discarding = self.discarding.as_ref();
        if discarding.is_some_and(|discarding| discarding.amid_record == Some(0)) {
            self.tail_is_unread = false;
            self.spill_sent_part();
        }
    }

    /// The input ended, and with it the record that was being lost. Returns whether all is lost anyway.
    pub(super) fn complete_discarded(&mut self) -> bool {
        let Some(discarding) = &mut self.discarding else {
            return false;
        };
        if let Some(bytes) = discarding.amid_record.take() {
            self.meter.input.records += 1;
            if bytes > 0 {
                self.meter.lost[Reason::BrokenPipe].records += 1;
                self.end_spilled();
            } else {
                self.meter.output.records += 1;
                self.close_unread_tail();
            }
        }
        true
    }
}
