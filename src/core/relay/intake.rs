//! What came in: judged record by record where the policy must see each, in bulk where the
//! outcome is the same.
//!
//! The rule is stated for single bytes, so that no outcome depends on how reads are cut. An
//! arriving byte takes a place; where there is none, the policy makes space or the arriving record is
//! discarded: what was held of it leaves, the rest is passed over. When a record's delimiter has a
//! place, the policy may judge it. Every shortcut below says why it gives the same.

use std::time::Duration;

use super::Relay;
use super::losing::Victim;
use crate::config::Amount;
use crate::core::account::{Reason, Tally};
use crate::core::admission::{OnFull, Verdict, View};
use crate::core::buffer::queue::CHUNK;
use crate::core::snapshot::State;

impl Relay {
    /// Space for the next read of at most `most` bytes (>= 1) and at most a chunk; [`Relay::received`]
    /// must follow. Empty when the system has no memory left.
    pub fn space(&mut self, most: usize) -> &mut [u8] {
        let most = most.min(CHUNK);
        let space = self.config.capacity - self.held();
        let loses_arrivals =
            self.admission.sheds() && self.admission.on_full() == OnFull::LoseArrival;
        let loses_most = self.judges_by_class();
        let for_loss = loses_most || (loses_arrivals && space < most as u64 / 2);
        self.buffer.queue.read_buffer(most, for_loss)
    }

    /// The first `count` (>= 1) bytes of the space were filled. Returns how many of them lie behind the end
    /// of the input, and are no part of it.
    pub fn received(&mut self, count: usize, now: Duration) -> usize {
        self.idle_since = now;
        self.came.1 += count as u64;
        self.buffer.queue.stage(count);
        let is_last = self.cut_staged();
        let surplus = count - self.buffer.queue.staged().len();
        if self.loss.discarding.is_some() {
            self.pass_over_discarded(now);
        }
        if self.sink.is_some() {
            self.sink_staged(now);
        } else if self.admission.sheds() {
            self.judge_staged(now);
        } else if !self.buffer.queue.staged().is_empty() {
            self.keep_staged(now);
        }
        self.note_age(now);
        if is_last {
            self.input_ended(now);
        }
        surplus
    }

    /// What is whole now has come by now.
    pub(super) fn note_age(&mut self, now: Duration) {
        if let Some(ages) = &mut self.ages {
            ages.came(
                self.buffer.queue.tail() - self.buffer.queue.incomplete(),
                now,
            );
        }
    }

    /// Cuts what is staged where the input shall end: with `-S`, or with the record that is arriving. Returns
    /// whether it ends here.
    fn cut_staged(&mut self) -> bool {
        let ends = self.cut_at_stop();
        let staged = self.buffer.queue.staged();
        let end = self
            .framing
            .first_end(staged)
            .filter(|_| self.lifecycle.ends_with_record);
        if let Some(end) = end {
            self.buffer.queue.stage(end);
        }
        ends || end.is_some()
    }

    fn cut_at_stop(&mut self) -> bool {
        let staged = self.buffer.queue.staged();
        match self.config.stop_after {
            None => false,
            Some(Amount::Bytes(end)) => self.meter.input.bytes + staged.len() as u64 >= end,
            Some(Amount::Records(end)) => {
                let missing = end - self.meter.input.records;
                let last = self
                    .framing
                    .ends(staged)
                    .nth(missing.saturating_sub(1) as usize);
                if let Some(last) = last {
                    self.buffer.queue.stage(last);
                }
                last.is_some()
            }
        }
    }

    /// Admits everything that is staged.
    fn keep_staged(&mut self, now: Duration) {
        self.admit(self.buffer.queue.staged().len());
        self.grew(self.held(), now);
    }

    /// Admits the first `count` staged bytes.
    fn admit(&mut self, count: usize) {
        let (delimiters, unended) = self.survey(&self.buffer.queue.staged()[..count]);
        self.meter.input += Tally {
            bytes: count as u64,
            records: delimiters,
        };
        self.buffer.queue.admit(count, delimiters, unended);
    }

    /// How many delimiters there are, and how many bytes follow the last of them.
    pub(super) fn survey(&self, bytes: &[u8]) -> (u64, u64) {
        let (delimiters, end) = self.framing.survey(bytes);
        (delimiters, bytes.len() as u64 - end)
    }

    /// Lossy policies: decides on everything that is staged.
    fn judge_staged(&mut self, now: Duration) {
        while !self.buffer.queue.staged().is_empty() {
            if self.loss.discarding.is_some() {
                self.pass_over_discarded(now);
            } else if !self.judge_in_bulk(now)
                && !self.judge_in_place(now)
                && !self.judge_by_class(now)
            {
                self.judge_fragment(now);
            }
        }
    }

    /// Shortcuts that decide on all that is staged at once; false where none applies.
    fn judge_in_bulk(&mut self, now: Duration) -> bool {
        let count = self.buffer.queue.staged().len() as u64;
        let after = self.held() + count;
        // Not a byte reaches H, so no record is judged in the pressured state.
        let stays_flowing = !self.pressure.is_pressured() && after < self.config.high_water;
        let judges = self.judges() || (!stays_flowing && self.admission.judges(State::Pressured));
        if judges {
            return false;
        }
        if self.config.capacity_records.is_some() && !self.fit_as_records() {
            return self.admission.on_full() == OnFull::LoseArrival && self.lose_in_bulk(now);
        }
        if after <= self.config.capacity {
            self.keep_staged(now);
            return true;
        }
        match self.admission.on_full() {
            OnFull::EvictOldest => self.evict_in_bulk(after - self.config.capacity, now),
            OnFull::LoseArrival => self.lose_in_bulk(now),
            OnFull::EvictAll => self.fill_in_bulk(now),
            OnFull::EvictLowest => false,
        }
    }

    /// Whether what is staged exceeds no bound of records.
    fn fit_as_records(&self) -> bool {
        let (delimiters, unended) = self.survey(self.buffer.queue.staged());
        let records = delimiters + u64::from(unended > 0);
        self.records_left().is_none_or(|left| records <= left)
    }

    /// Space for the next byte that comes: none for a new record where there are too many.
    fn space_for_next(&self) -> u64 {
        if self.is_full_of_records() && !self.is_amid_record() {
            0
        } else {
            self.config.capacity - self.held()
        }
    }

    /// `EvictOldest`: admits all that is staged and evicts what is too much from the head.
    fn evict_in_bulk(&mut self, excess: u64, now: Duration) -> bool {
        let Some(leaving) = self.buffer.queue.eviction_of(excess) else {
            return false;
        };
        // Byte by byte the oldest records leave one after the other, each when the queue is
        // full, until the same bytes are gone. What could differ is excluded: a single eviction
        // large enough to make the state flowing in between. (Had the arriving
        // record run out of victims, `eviction_of` would have found none.)
        if leaving >= self.config.capacity - self.config.low_water {
            return false;
        }
        self.grew(self.config.capacity, now);
        self.admit(self.buffer.queue.staged().len());
        let reason = self.admission.reason();
        self.lose(Victim::Oldest(leaving), reason, now);
        true
    }

    /// `EvictAll`: nobody is judged and nothing leaves before the queue is full, so what fits is
    /// admitted at once.
    fn fill_in_bulk(&mut self, now: Duration) -> bool {
        let space = (self.config.capacity - self.held()) as usize;
        if space > 0 {
            self.admit(space);
            self.grew(self.config.capacity, now);
        }
        space > 0
    }

    /// `LoseArrival` with little space: the records that come next and do not fit are lost together.
    /// Byte by byte each would take up the space, find no more and leave it; that is the same but for
    /// the watermarks, so it must neither reach the upper nor fall to the lower one.
    fn lose_in_bulk(&mut self, now: Duration) -> bool {
        let space = self.space_for_next();
        if self.is_amid_record() || (space > 0 && !self.stays_pressured()) {
            return false;
        }
        let lost = self.next_that_do_not_fit(space);
        if lost.records == 0 {
            return false;
        }
        // Where there are too many records, they took up no space.
        if !self.is_full_of_records() {
            self.grew(self.config.capacity, now);
        }
        self.lose(Victim::Staged(lost), Reason::QueueFull, now)
    }

    /// The records at the front of what is staged that are longer than the space and not than C.
    fn next_that_do_not_fit(&self, space: u64) -> Tally {
        let staged = self.buffer.queue.staged();
        let mut lost = Tally::default();
        if space == 0 && staged.len() as u64 <= self.config.capacity {
            (lost.records, lost.bytes) = self.framing.survey(staged);
            return lost;
        }
        for end in self.framing.ends(staged) {
            let length = end as u64 - lost.bytes;
            if length <= space || length > self.config.capacity {
                break;
            }
            lost.bytes += length;
            lost.records += 1;
        }
        lost
    }

    /// Whether the next byte that comes belongs to a record of which some came before.
    pub(super) fn is_amid_record(&self) -> bool {
        self.buffer.queue.incomplete() > 0 || self.arrival_is_partial()
    }

    /// Whether a record that comes and is lost again changes no state.
    fn stays_pressured(&self) -> bool {
        self.pressure.is_pressured() && self.held() > self.config.low_water
    }

    /// Judges records that are staged whole and fit before they are kept, up to the first that does not
    /// stay: that one need not be taken back. False where that is not the next thing to do.
    fn judge_in_place(&mut self, now: Duration) -> bool {
        if self.is_amid_record() {
            return false;
        }
        let found = self.held();
        let most = self.records_left().unwrap_or(u64::MAX);
        let mut view = View { now, ..self.view() };
        let by_class = self.admission.sheds_by_class();
        let mut stay = Tally::default();
        let mut other = None;
        for end in self.framing.ends(self.buffer.queue.staged()) {
            let length = end as u64 - stay.bytes;
            view.found = found + stay.bytes;
            view.held = view.found + length;
            view.length = length;
            if view.held > self.config.capacity || stay.records == most {
                break;
            }
            if view.held >= self.config.high_water {
                view.state = State::Pressured;
            }
            let judges = self.admission.judges(view.state);
            let record = &self.buffer.queue.staged()[stay.bytes as usize..end];
            view.is_lowest =
                judges && by_class && self.admission.is_lowest(self.framing.content(record));
            let verdict = match judges {
                true => self.admission.judge(&view),
                false => Verdict::Stay,
            };
            if verdict != Verdict::Stay {
                other = Some((verdict, length));
                break;
            }
            stay += Tally {
                bytes: length,
                records: 1,
            };
        }
        if stay.records > 0 {
            self.meter.input += stay;
            self.buffer
                .queue
                .admit(stay.bytes as usize, stay.records, 0);
            self.grew(self.held(), now);
        }
        if let Some((verdict, length)) = other {
            self.take_out_judged(verdict, length, now);
        }
        stay.records > 0 || other.is_some()
    }

    /// `EvictLowest`: a record that is staged whole and does not fit. Its class is known, so none that is worth
    /// more has to leave for it; this outcome alone may depend on how reads are cut. False
    /// where that is not the next thing to do.
    fn judge_by_class(&mut self, now: Duration) -> bool {
        if !self.admission.sheds_by_class() || self.is_amid_record() {
            return false;
        }
        let staged = self.buffer.queue.staged();
        let Some(count) = self.framing.first_end(staged) else {
            return false;
        };
        let content = self.framing.content(&staged[..count]);
        let Some(ranking) = self.admission.ranking() else {
            return false;
        };
        let class = ranking.of(content);
        let is_lowest = class == ranking.lowest();
        let reason = self.admission.reason();
        let length = count as u64;
        let record = Tally {
            bytes: length,
            records: 1,
        };
        if !self.is_full_of_records() {
            self.grew(self.config.capacity, now);
        }
        if length > self.config.capacity {
            return self.lose(Victim::Staged(record), Reason::Oversize, now);
        }
        while length > self.space_for_next() {
            if is_lowest || !self.lose(Victim::Lowest(class), reason, now) {
                return self.lose(Victim::Staged(record), reason, now);
            }
        }
        self.meter.input += record;
        self.buffer.queue.admit(count, 1, 0);
        self.grew(self.held(), now);
        true
    }

    /// The next staged piece of one record, up to its end if that is staged.
    fn judge_fragment(&mut self, now: Duration) {
        let staged = self.buffer.queue.staged();
        let end = self.framing.first_end(staged);
        let fragment = end.unwrap_or(staged.len());
        let fits = (fragment as u64).min(self.space_for_next()) as usize;
        if fits > 0 {
            // The delimiter is counted when the record has passed the judgement.
            self.buffer.queue.admit(fits, 0, fits as u64);
            self.meter.input.bytes += fits as u64;
            self.grew(self.held(), now);
        }
        if fits < fragment {
            self.make_space(now);
        } else if end.is_some() {
            self.judge_record(now);
        }
    }

    /// The arriving record is complete and has a place.
    fn judge_record(&mut self, now: Duration) {
        self.meter.input.records += 1;
        let verdict = match self.arrival_is_partial() {
            true => Verdict::Stay,
            false => self.judgement_of_incomplete(now),
        };
        match verdict {
            Verdict::Stay => {
                self.buffer.queue.complete_incomplete();
                self.one_more_stays(now);
            }
            other => self.take_out_completed(other, now),
        }
    }

    /// A record is whole and held; with a bound in records it may have been the last that fits.
    fn one_more_stays(&mut self, now: Duration) {
        if self.is_full_of_records() {
            self.grew(self.held(), now);
        }
    }

    /// The input ended: whatever has come of the last record is all of it.
    pub(super) fn complete_tail(&mut self, now: Duration) {
        self.end_discarded(now);
        if self.complete_sunk() {
            return;
        }
        if self.admission.sheds()
            && !self.arrival_is_partial()
            && self.buffer.queue.incomplete() > 0
        {
            self.meter.input.records += 1;
            match self.judgement_of_incomplete(now) {
                Verdict::Stay => {
                    self.buffer.queue.complete_tail();
                }
                other => self.take_out_completed(other, now),
            }
        } else if self.buffer.queue.complete_tail() {
            self.meter.input.records += 1;
            if self.buffer.queue.is_empty() {
                self.close_unread_tail();
            }
        }
        self.sync_records();
        self.one_more_stays(now);
        self.note_age(now);
    }

    // ---- the policy's answers ---------------------------------------------------------------

    /// Whether the policy would judge a record that completes now.
    pub(super) fn judges(&self) -> bool {
        self.admission.judges(self.pressure.state())
    }

    /// Whether the class of a record that completes now decides.
    fn judges_by_class(&self) -> bool {
        self.admission.sheds_by_class() && self.judges()
    }

    /// The judgement on the record that is arriving, now whole. Where there is no memory to look at it,
    /// it is not taken for one of the lowest class.
    pub(super) fn judgement_of_incomplete(&mut self, now: Duration) -> Verdict {
        let is_lowest = self.judges_by_class()
            && self
                .buffer
                .queue
                .incomplete_bytes()
                .is_some_and(|record| self.admission.is_lowest(self.framing.content(&record)));
        self.judgement(self.buffer.queue.incomplete(), true, is_lowest, now)
    }

    /// The judgement on a record of so many bytes, which are held if it has a place.
    pub(super) fn judgement(
        &mut self,
        length: u64,
        has_place: bool,
        is_lowest: bool,
        now: Duration,
    ) -> Verdict {
        let own = if has_place { length } else { 0 };
        let view = View {
            is_lowest,
            now,
            length,
            found: self.held() - own,
            has_place,
            ..self.view()
        };
        self.admission.judge(&view)
    }
}
