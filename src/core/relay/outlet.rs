//! What may go out, and the marks that stand where records are missing.
//!
//! A mark takes its text from a gap and may still change while none of its bytes went out: losses
//! next to each other share one mark. It never splits a record, and it waits until a whole
//! record follows it or the input has ended.

use std::io::IoSlice;
use std::time::Duration;

use super::{Phase, Relay, Start};
use crate::config::{Mark, MarkPiece};
use crate::core::account::Tally;
use crate::core::demand::Demand;
use crate::core::queue::CHUNK;
use crate::units;

/// The marks of a relay.
pub(super) struct Marker {
    template: Mark,
    delimiter: u8,
    /// The mark that goes out next, from `written` on; empty when there is none.
    text: Vec<u8>,
    written: usize,
    /// A byte of `text` went out or is under way: it can't change any more, and its gap is gone.
    is_begun: bool,
}

impl Marker {
    pub(super) fn new(template: Mark, delimiter: u8) -> Self {
        Self {
            template,
            delimiter,
            text: Vec::new(),
            written: 0,
            is_begun: false,
        }
    }

    fn left(&self) -> &[u8] {
        &self.text[self.written..]
    }

    /// Writes the text for what is missing.
    fn compose(&mut self, lost: Tally) {
        self.text.clear();
        self.written = 0;
        for piece in &self.template.0 {
            match piece {
                MarkPiece::Text(text) => self.text.extend_from_slice(text.as_bytes()),
                MarkPiece::Records => self.text.extend(lost.records.to_string().bytes()),
                MarkPiece::Bytes => self.text.extend(lost.bytes.to_string().bytes()),
                MarkPiece::Size => self.text.extend(units::size(lost.bytes).bytes()),
            }
        }
        self.text.push(self.delimiter);
    }

    /// So many bytes of the begun mark went out. Returns whether it is complete.
    fn advance(&mut self, count: usize) -> bool {
        self.written += count;
        let complete = self.left().is_empty();
        if complete {
            self.text.clear();
            self.written = 0;
            self.is_begun = false;
        }
        complete
    }
}

impl Relay {
    /// Whether there is something to write and the rate limit lets enough of it out. Prepares
    /// the next [`Relay::offer`].
    pub fn write_wish(&mut self, now: Duration) -> bool {
        self.compose_mark();
        self.has_output() && self.may_go() && self.credit_at(now).is_none()
    }

    /// Whether the consumer has asked for what could go out; without `--demand` it always has.
    fn may_go(&self) -> bool {
        self.demand.as_ref().is_none_or(Demand::is_open)
    }

    /// Whether what could go out waits to be asked for: then the consumer stalls.
    pub(super) fn awaits_demand(&mut self, now: Duration) -> bool {
        let awaits = self.has_output() && !self.may_go();
        if awaits {
            self.meter.stalled(now);
        }
        awaits
    }

    /// Fills `parts` from its front with what may go out next; returns how many parts. Only after
    /// [`Relay::write_wish`] said yes.
    pub fn offer<'a>(&'a mut self, now: Duration, parts: &mut [IoSlice<'a>]) -> usize {
        let demand = self.demand.as_ref();
        let mut credit = demand.map_or(u64::MAX, Demand::bytes);
        let mut records = demand.and_then(Demand::records);
        if let Some(pacer) = &mut self.pacer {
            match pacer.credit(now) {
                units if pacer.counts_records() => {
                    records = Some(records.unwrap_or(units).min(units));
                }
                units => credit = credit.min(units),
            }
        }
        let this = &*self;
        let mark = this.marker.as_ref().map_or(&[][..], Marker::left);
        let mark = &mark[..mark
            .len()
            .min(usize::try_from(credit).unwrap_or(usize::MAX))];
        let mut most = (credit - mark.len() as u64)
            .min(this.bytes_before_next_gap())
            .min(this.bytes_before_next_pipe());
        if let Some(records) = records {
            // A mark is a record too. Not more than a chunk is looked at for the end of the last
            // record, for it is done before each write.
            let records = records - u64::from(!mark.is_empty()).min(records);
            most = match records {
                0 => 0,
                _ => this.queue.bytes_of_records(records, most.min(CHUNK as u64)),
            };
        }
        let mut used = 0;
        if !mark.is_empty() {
            parts[0] = IoSlice::new(mark);
            used = 1;
        }
        used + this
            .queue
            .offer(&mut parts[used..], most, this.offers_unended())
    }

    /// The output accepted the first `count` offered bytes.
    pub fn sent(&mut self, count: usize, now: Duration) {
        self.is_blocked = false;
        self.meter.unstalled(now);
        let before = self.meter.output.records + self.meter.marks.records;
        let of_mark = self.mark_left().min(count);
        if of_mark > 0 {
            self.begin_mark();
            self.meter.marks.bytes += of_mark as u64;
            if let Some(marker) = &mut self.marker
                && marker.advance(of_mark)
            {
                self.meter.marks.records += 1;
            }
        }
        self.meter.output.bytes += (count - of_mark) as u64;
        self.queue.advance(count - of_mark);
        self.gaps.passed(self.queue.head());
        if self.config.capacity_records.is_some() {
            self.settle();
        }
        if let Some(overflow) = &mut self.overflow
            && self.queue.complete() == 0
        {
            overflow.emptied(now);
        }
        self.spend(count, before);
        if count > of_mark {
            self.shrank(now);
        }
        self.end_if_drained();
    }

    fn spend(&mut self, bytes: usize, records_before: u64) {
        if self.pacer.is_none() && self.demand.is_none() {
            return;
        }
        self.settle();
        let records = self.meter.output.records + self.meter.marks.records - records_before;
        if let Some(pacer) = &mut self.pacer {
            pacer.spend(if pacer.counts_records() {
                records
            } else {
                bytes as u64
            });
        }
        if let Some(demand) = &mut self.demand {
            demand.spend(bytes as u64, records);
        }
    }

    /// The first `count` offered bytes can't be taken back, but are not accepted yet.
    pub fn under_way(&mut self, count: usize) {
        let of_mark = self.mark_left().min(count);
        if of_mark > 0 {
            self.begin_mark();
        }
        self.queue.hand_over(count - of_mark);
    }

    /// The output took not all of what was offered: nothing is written before
    /// [`Relay::output_ready`].
    pub fn output_blocked(&mut self, now: Duration) {
        self.is_blocked = true;
        if self.has_output() {
            self.meter.stalled(now);
        }
    }

    /// The output may take something again.
    pub fn output_ready(&mut self) {
        self.is_blocked = false;
    }

    /// Whether the output took not all of what was last offered.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// When the rate limit lets something out again; None when it holds nothing back.
    pub(super) fn credit_at(&mut self, now: Duration) -> Option<Duration> {
        if !self.has_output() || !self.may_go() {
            return None;
        }
        let waiting = self.held() + self.mark_left() as u64;
        let pacer = self.pacer.as_mut()?;
        let wanted = if pacer.counts_records() { 1 } else { waiting };
        let at = pacer.ready_at(wanted, now);
        (at > now).then_some(at)
    }

    /// Whether anything could go out, were the output ready and the rate unlimited.
    pub(super) fn has_output(&self) -> bool {
        if self.start != Start::Over {
            return false;
        }
        let offered = if self.offers_unended() {
            self.queue.len()
        } else {
            self.queue.complete()
        };
        self.piped() + offered > 0 || self.mark_left() > 0 || self.mark_is_due()
    }

    /// Brings the account's records up to date.
    pub(super) fn settle(&mut self) {
        self.meter.output.records += self.queue.settle();
    }

    /// `block` and `fail` never wait for a delimiter; a policy that loses offers whole records only, but
    /// for one that has begun to go out.
    fn offers_unended(&self) -> bool {
        !self.sheds() || self.arrival_is_begun()
    }

    pub(super) fn mark_left(&self) -> usize {
        self.marker.as_ref().map_or(0, |marker| marker.left().len())
    }

    /// Brings the text of a mark that has not begun up to date.
    fn compose_mark(&mut self) {
        let missing = self.gaps.first_lost().filter(|_| self.mark_is_due());
        match (&mut self.marker, missing) {
            (Some(marker), Some(lost)) => marker.compose(lost),
            (Some(marker), None) if !marker.is_begun => marker.text.clear(),
            _ => {}
        }
    }

    /// The mark on offer can't change any more: what is lost from here on is another gap.
    fn begin_mark(&mut self) {
        if let Some(marker) = &mut self.marker
            && !marker.is_begun
        {
            marker.is_begun = true;
            self.gaps.take_first();
            // The mark promises that a record follows; were it lost, a mark would follow the mark.
            self.queue.claim_head();
        }
    }

    /// Whether the next thing to go out is a mark that has not begun.
    fn mark_is_due(&self) -> bool {
        let Some(marker) = &self.marker else {
            return false;
        };
        let is_at_head = self.gaps.first() == Some(self.queue.head());
        let behind_begun = self.queue.begun() > 0;
        // What comes in while it blocks will go out, however much of it is missing yet.
        let record_follows = match self.sheds() {
            true => self.queue.complete() > 0,
            false => !self.queue.is_empty(),
        };
        let input_ended = self.phase != Phase::Running;
        !marker.is_begun && is_at_head && !behind_begun && (record_follows || input_ended)
    }

    /// Bytes that may go out before the next mark must.
    fn bytes_before_next_gap(&self) -> u64 {
        let Some(marker) = &self.marker else {
            return u64::MAX;
        };
        let head = self.queue.head();
        // A gap at the head that is being offered now does not count, unless a begun record must go
        // out before its mark can.
        let skips = !marker.is_begun && self.gaps.first() == Some(head) && self.queue.begun() == 0;
        match self.gaps.position(usize::from(skips)) {
            // It is asked before each write, and needs not know more than a write may take.
            Some(position) => self.queue.begun() + self.queue.bytes_before(position, CHUNK as u64),
            None => u64::MAX,
        }
    }
}
