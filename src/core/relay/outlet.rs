//! What may go out, and the marks that stand where records are missing.
//!
//! A mark takes its text from a gap and may still change while none of its bytes went out: losses
//! next to each other share one mark. It never splits a record, and it waits until a whole
//! record follows it or the input has ended.
//!
//! With `--mark-every` a mark rests for so long after it began to go out. Records do not wait for that: what
//! is missing between them meanwhile is summed up for the next mark, which then goes out between any
//! two records, also where none follows. At the end the rest is marked whatever the time.

use std::io::IoSlice;
use std::time::Duration;

use super::Relay;
use crate::core::account::Tally;
use crate::core::allowance::space::{ATOMIC, Space};
use crate::core::buffer::queue::CHUNK;
use crate::core::loss::gaps::Gaps;
use crate::core::loss::marker::{Due, Marker};

impl Relay {
    /// Whether there is something to write and the rate limit lets enough of it out. Prepares
    /// the next [`Relay::offer`].
    pub fn write_wish(&mut self, now: Duration) -> bool {
        self.compose_mark();
        self.has_output() && self.allowance.is_asked_for() && self.credit_at(now).is_none()
    }

    /// Whether what could go out waits to be asked for.
    pub(super) fn awaits_demand(&self) -> bool {
        self.has_output() && !self.allowance.is_asked_for()
    }

    /// While the consumer does not ask, it stalls.
    pub(super) fn note_demand_stall(&mut self, now: Duration) {
        if self.awaits_demand() {
            self.meter.stalled(now);
        }
    }

    /// For how many bytes there should be space; None where it need not be known, for no record is to be kept
    /// in one piece.
    pub fn wants_space(&self) -> Option<u64> {
        let waits = self.buffer.again() + self.buffer.queue.len() + self.mark_left() as u64;
        let end = if self.buffer.queue.incomplete() > 0 {
            ATOMIC
        } else {
            0
        };
        self.framing.has_records().then_some(waits + end)
    }

    /// Fills `parts` from its front with what may go out next; returns how many parts. Only after
    /// [`Relay::write_wish`] said yes.
    pub fn offer<'a>(&'a mut self, now: Duration, parts: &mut [IoSlice<'a>]) -> usize {
        self.offer_within(Space::UNKNOWN, now, parts)
    }

    /// The same where the output has so much space: no record that fits is cut in two, and none is offered whose
    /// end may not fit. Nothing where that is all there is: [`Relay::waits_for_space`] then.
    pub fn offer_within<'a>(
        &'a mut self,
        space: Space,
        now: Duration,
        parts: &mut [IoSlice<'a>],
    ) -> usize {
        let is_paced = !self.lifecycle.is_finishing();
        let limit = self.allowance.limit(is_paced, now);
        let this = &*self;
        if this.buffer.again() > 0 {
            return this.offer_again(limit, space, parts);
        }
        let mark = this.loss.marker.as_ref().map_or(&[][..], Marker::left);
        let mark = &mark[..mark
            .len()
            .min(usize::try_from(limit.bytes).unwrap_or(usize::MAX))];
        let mut most = (limit.bytes - mark.len() as u64)
            .min(this.bytes_before_next_gap())
            .min(this.buffer.bytes_before_next_pipe());
        if let Some(records) = limit.records {
            // A mark is a record too. Not more than a chunk is looked at for the end of the last
            // record, for it is done before each write.
            let records = records - u64::from(!mark.is_empty()).min(records);
            most = match records {
                0 => 0,
                _ => this
                    .buffer
                    .queue
                    .bytes_of_records(records, most.min(CHUNK as u64)),
            };
        }
        most = most.min(space.whole().saturating_sub(mark.len() as u64));
        let unended = this.offers_incomplete() && this.has_space_for_end(space);
        let mut used = 0;
        if !mark.is_empty() {
            parts[0] = IoSlice::new(mark);
            used = 1;
        }
        used + this.offer_whole(most, unended, &mut parts[used..])
    }

    /// Whether the end of the record that is arriving will find space behind all that waits; or it need not,
    /// for the reader has nothing else to read, or it is too long to promise anything.
    pub(super) fn has_space_for_end(&self, space: Space) -> bool {
        let waits = self.buffer.again() + self.buffer.queue.len() + self.mark_left() as u64;
        let incomplete = self.buffer.queue.incomplete();
        let is_alone = waits == incomplete && space.is_empty;
        !self.framing.has_records()
            || space.leaves_some(waits)
            || is_alone
            || incomplete > space.atomic
    }

    /// Nothing was offered, for the output lacks space.
    pub fn waits_for_space(&mut self, now: Duration) {
        self.allowance.backoff.begin(now);
        self.meter.stalled(now);
    }

    /// When it is looked again whether there is space for a record that is arriving, and for its end.
    pub(super) fn tail_deadline(&self) -> Option<Duration> {
        let may_go = self.allowance.prebuffer.is_over() && self.sink.is_none();
        let waits =
            self.buffer.queue.incomplete() > 0 && self.may_offer_incomplete() && !self.has_output();
        self.allowance.backoff.until().filter(|_| may_go && waits)
    }

    /// Fills `parts` with at most `most` bytes, `unended` ones too. Where that is not all there is, no record
    /// is cut in two but for one that is longer.
    pub(super) fn offer_whole<'a>(
        &'a self,
        most: u64,
        unended: bool,
        parts: &mut [IoSlice<'a>],
    ) -> usize {
        let used = self.buffer.queue.offer(parts, most, unended);
        let offered: u64 = parts[..used].iter().map(|part| part.len() as u64).sum();
        let is_all = match unended {
            true => offered == self.buffer.queue.len(),
            false => offered == self.buffer.queue.complete(),
        };
        if is_all || !self.framing.has_records() {
            return used;
        }
        let whole = self.buffer.queue.whole_within(offered);
        match whole < offered {
            true => self.buffer.queue.offer(parts, whole, unended),
            false => used,
        }
    }

    /// The output accepted the first `count` offered bytes.
    pub fn sent(&mut self, count: usize, now: Duration) {
        self.allowance.accepted();
        self.meter.unstalled(now);
        if self.buffer.outstanding.is_some() {
            return self.sent_for_now(count, now);
        }
        let before = self.meter.output.records + self.meter.marks.records;
        let of_mark = self.mark_left().min(count);
        if of_mark > 0 {
            self.begin_mark(now);
            self.meter.marks.bytes += of_mark as u64;
            self.written += of_mark as u64;
            let total = self.output_bytes();
            if let Some(marker) = &mut self.loss.marker {
                let ends = of_mark == marker.left().len();
                self.loss
                    .sent
                    .add_mark(&marker.left()[..of_mark], ends, total);
                marker.advance(of_mark);
                self.meter.marks.records += u64::from(ends);
            }
        }
        self.meter.output.bytes += (count - of_mark) as u64;
        self.written += (count - of_mark) as u64;
        if self.loss.sent.keeps_text() {
            let sent = &mut self.loss.sent;
            self.buffer
                .queue
                .front(count - of_mark, |piece| sent.add(piece));
        }
        self.buffer.queue.advance(count - of_mark);
        self.pass_gaps();
        if self.config.capacity_records.is_some() {
            self.sync_records();
        }
        if self.buffer.queue.complete() == 0 {
            self.admission.emptied(now);
        }
        if self.allowance.is_limited() {
            self.sync_records();
            let records = self.meter.output.records + self.meter.marks.records - before;
            self.spend(count, records);
        }
        if count > of_mark {
            self.shrank(now);
        }
        self.end_if_drained(now);
    }

    pub(super) fn spend(&mut self, bytes: usize, records: u64) {
        let is_paced = !self.lifecycle.is_finishing();
        self.allowance.spend(bytes as u64, records, is_paced);
    }

    /// The first `count` offered bytes can't be taken back, but are not accepted yet.
    pub fn in_flight(&mut self, count: usize, now: Duration) {
        let of_mark = self.mark_left().min(count);
        if of_mark > 0 {
            self.begin_mark(now);
        }
        self.buffer.queue.set_in_flight(count - of_mark);
        self.pass_gaps_among((count - of_mark) as u64);
    }

    /// The output took not all of what was offered: nothing is written before
    /// [`Relay::output_ready`].
    pub fn output_blocked(&mut self, now: Duration) {
        self.allowance.is_blocked = true;
        if self.has_output() {
            self.meter.stalled(now);
        }
    }

    /// The output may take something again.
    pub fn output_ready(&mut self) {
        self.allowance.is_blocked = false;
    }

    /// Whether the output took not all of what was last offered.
    pub fn is_blocked(&self) -> bool {
        self.allowance.is_blocked
    }

    /// When the rate limit lets something out again; None when it holds nothing back.
    pub(super) fn credit_at(&mut self, now: Duration) -> Option<Duration> {
        // The rest of a record that must be whole is too little to wait for.
        if !self.has_output() || !self.allowance.is_asked_for() || self.lifecycle.is_finishing() {
            return None;
        }
        let waiting = self.buffer.waiting() + self.buffer.again() + self.mark_left() as u64;
        self.allowance.credit_at(waiting, now)
    }

    /// Whether anything could go out, were the output ready and the rate unlimited.
    pub(super) fn has_output(&self) -> bool {
        if !self.allowance.prebuffer.is_over() || self.sink.is_some() {
            return false;
        }
        let offered = if self.offers_incomplete() {
            self.buffer.queue.len()
        } else {
            self.buffer.queue.complete()
        };
        let again = self.buffer.again();
        self.buffer.piped() + offered + again > 0 || self.mark_left() > 0 || self.mark_is_due()
    }

    /// Brings the account's records up to date.
    pub(super) fn sync_records(&mut self) {
        let queue = &mut self.buffer.queue;
        let tail_was_out = queue.tail_is_out();
        let ended = queue.take_deferred();
        match &mut self.buffer.outstanding {
            None => self.meter.output.records += ended,
            // It counts them itself, but for one that its bytes do not show.
            Some(outstanding) => {
                let tail_goes_out = queue.tail_is_out() && !tail_was_out;
                let is_read = tail_goes_out && !outstanding.end_tail();
                self.meter.output.records += u64::from(is_read);
            }
        }
    }

    /// `block` and `fail` never wait for a delimiter; a policy that loses offers whole records only, but
    /// for one that is partly written. So do the others when the input may be cut soon.
    fn may_offer_incomplete(&self) -> bool {
        if self.admission.sheds() {
            return self.arrival_is_partial();
        }
        !self.holds_back() || self.buffer.queue.incomplete_is_partial()
    }

    pub(super) fn offers_incomplete(&self) -> bool {
        self.may_offer_incomplete() && self.allowance.backoff.until().is_none()
    }

    pub(super) fn mark_left(&self) -> usize {
        self.loss
            .marker
            .as_ref()
            .map_or(0, |marker| marker.left().len())
    }

    /// Brings the text of a mark of which nothing was written up to date.
    fn compose_mark(&mut self) {
        let due = self.due_mark();
        let behind_bare_tail = self.is_last_chance() && self.buffer.queue.is_torn();
        match (&mut self.loss.marker, due) {
            (Some(marker), Some(due)) => marker.compose(due, behind_bare_tail),
            (Some(marker), None) if !marker.is_partial => marker.text.clear(),
            _ => {}
        }
    }

    /// The mark on offer can't change any more: what is lost from here on is another gap.
    pub(super) fn begin_mark(&mut self, now: Duration) {
        if let Some(marker) = &mut self.loss.marker
            && !marker.is_partial
        {
            marker.is_partial = true;
            marker.unmarked = Tally::default();
            marker.rests_until = marker.every.map(|every| now.saturating_add(every));
            if marker.is_of_gap {
                self.loss.gaps.take_first();
                // The mark promises that a record follows; were it lost, a mark would follow the mark.
                self.buffer.queue.claim_head();
            }
        }
    }

    fn mark_is_due(&self) -> bool {
        self.due_mark().is_some()
    }

    /// The mark of which nothing was written and which is the next thing to go out.
    fn due_mark(&self) -> Option<Due> {
        let marker = self.loss.marker.as_ref()?;
        let rests = marker.rests_until.is_some() && !self.is_last_chance();
        let behind_partial = self.buffer.queue.partial() > 0 || self.buffer.queue.is_in_flight();
        if marker.is_partial || rests || behind_partial {
            return None;
        }
        let mut lost = marker.unmarked;
        let gap = self.loss.gaps.first_lost().filter(|_| self.gap_is_due());
        lost += gap.unwrap_or_default();
        let fits_here = !self.buffer.queue.is_torn() || self.is_last_chance();
        let is_due = gap.is_some() || (marker.unmarked != Tally::default() && fits_here);
        let is_of_gap = gap.is_some();
        is_due.then_some(Due { lost, is_of_gap })
    }

    /// Whether records are missing right at the head, and as many as it will be.
    fn gap_is_due(&self) -> bool {
        // What comes in while it blocks will go out, however much of it is missing yet.
        let record_follows = match self.admission.sheds() || self.holds_back() {
            true => self.buffer.queue.complete() > 0,
            false => !self.buffer.queue.is_empty(),
        };
        let input_ended = !self.lifecycle.is_running();
        self.loss.gaps.first() == Some(self.buffer.queue.head()) && (record_follows || input_ended)
    }

    /// Whether nothing but a mark can go out any more.
    fn is_last_chance(&self) -> bool {
        !self.lifecycle.is_running() && self.buffer.queue.is_empty()
    }

    /// No mark goes out any more but one that is partly written.
    pub(super) fn owe_no_marks(&mut self) {
        self.loss.gaps = Gaps::default();
        if let Some(marker) = &mut self.loss.marker {
            marker.unmarked = Tally::default();
        }
        self.compose_mark();
    }

    /// Whether the consumer lacks a mark that need not wait for its time.
    pub(super) fn owes_mark(&self) -> bool {
        let unmarked = |marker: &Marker| marker.unmarked != Tally::default();
        self.loss
            .marker
            .as_ref()
            .is_some_and(|marker| self.loss.gaps.first().is_some() || unmarked(marker))
    }

    /// The time between two marks may be over.
    pub(super) fn wake_marker(&mut self, now: Duration) {
        if let Some(marker) = &mut self.loss.marker
            && marker.rests_until.is_some_and(|until| now >= until)
        {
            marker.rests_until = None;
        }
    }

    /// When a mark may go out for what was passed without one.
    pub(super) fn mark_deadline(&self) -> Option<Duration> {
        let marker = self.loss.marker.as_ref()?;
        let waits = marker.unmarked != Tally::default() && !self.lifecycle.is_over();
        marker.rests_until.filter(|_| waits)
    }

    /// The head has moved. Where marks go out at once, none is missing there.
    pub(super) fn pass_gaps(&mut self) {
        let passed = self.loss.gaps.passed(self.buffer.queue.head());
        if let Some(marker) = &mut self.loss.marker {
            marker.unmarked += passed;
        }
    }

    /// The first `bytes` bytes can't be taken back: a mark comes behind them at the soonest.
    fn pass_gaps_among(&mut self, bytes: u64) {
        let Some(marker) = &mut self.loss.marker else {
            return;
        };
        let before = |position| {
            self.buffer.queue.partial() + self.buffer.queue.bytes_before(position, bytes)
        };
        while self
            .loss
            .gaps
            .first()
            .is_some_and(|first| before(first) < bytes)
        {
            marker.unmarked += self.loss.gaps.take_first();
        }
    }

    /// Bytes that may go out before the next mark must.
    fn bytes_before_next_gap(&self) -> u64 {
        let Some(marker) = &self.loss.marker else {
            return u64::MAX;
        };
        if marker.rests_until.is_some() {
            return u64::MAX;
        }
        if marker.unmarked != Tally::default() && self.mark_left() == 0 {
            // It waits for the end of the record that is partly written.
            return self.buffer.queue.bytes_of_records(1, CHUNK as u64);
        }
        let head = self.buffer.queue.head();
        // A gap at the head that is being offered now does not count, unless a partly written record must go
        // out before its mark can.
        let skips = !marker.is_partial
            && self.loss.gaps.first() == Some(head)
            && self.buffer.queue.partial() == 0;
        match self.loss.gaps.position(usize::from(skips)) {
            // It is asked before each write, and needs not know more than a write may take.
            Some(position) => {
                self.buffer.queue.partial() + self.buffer.queue.bytes_before(position, CHUNK as u64)
            }
            None => u64::MAX,
        }
    }
}
