//! What came in: judged record by record where the policy must see each, in bulk where the
//! outcome is the same.
//!
//! The rule is stated for single bytes, so that no outcome depends on how reads are cut. An
//! arriving byte takes a place; where there is none, the policy makes room or the arriving record is
//! doomed: what was held of it leaves, the rest is passed over. When a record's delimiter has a
//! place, the policy may judge it. Every shortcut below says why it gives the same.

use std::time::Duration;

use super::{Change, Relay};
use crate::config::Amount;
use crate::core::account::{Reason, Tally};
use crate::core::policy::{OnFull, View};
use crate::core::queue::CHUNK;

impl Relay {
    /// Room for the next read of at most `most` bytes (>= 1) and at most a chunk; [`Relay::received`]
    /// must follow. Empty when the system has no memory left.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        let most = most.min(CHUNK);
        let room = self.config.capacity - self.held();
        let loses_arrivals = self.overflow.is_some() && self.on_full() == OnFull::LoseArrival;
        let loses_most = self.judges_by_class();
        let for_loss = loses_most || (loses_arrivals && room < most as u64 / 2);
        self.queue.landing(most, for_loss)
    }

    /// The first `count` (>= 1) bytes of the room were filled.
    pub fn received(&mut self, count: usize, now: Duration) {
        self.idle_since = now;
        self.queue.land(count);
        let is_last = self.cut_landed();
        if self.overflow.is_some() {
            self.judge_landed(now);
        } else {
            self.keep_landed(now);
        }
        if is_last {
            self.input_ended(now);
        }
    }

    /// With `-S`: cuts what landed where the input shall end. Returns whether it ends here.
    fn cut_landed(&mut self) -> bool {
        let landed = self.queue.landed();
        match self.config.stop_after {
            None => false,
            Some(Amount::Bytes(end)) => self.meter.input.bytes + landed.len() as u64 >= end,
            Some(Amount::Records(end)) => {
                let missing = end - self.meter.input.records;
                let last = memchr::memchr_iter(self.config.delimiter, landed)
                    .nth(missing.saturating_sub(1) as usize);
                if let Some(last) = last {
                    self.queue.land(last + 1);
                }
                last.is_some()
            }
        }
    }

    /// Admits everything that landed.
    fn keep_landed(&mut self, now: Duration) {
        self.admit_landed();
        self.grew(self.held(), now);
    }

    fn admit_landed(&mut self) {
        let (count, delimiters, unended) = self.survey_landed();
        self.meter.input += Tally {
            bytes: count as u64,
            records: delimiters,
        };
        self.queue.keep(count, delimiters, unended);
    }

    /// How many bytes landed, how many delimiters are among them, and how many bytes follow the
    /// last of these.
    fn survey_landed(&self) -> (usize, u64, u64) {
        let landed = self.queue.landed();
        if !self.counts_records {
            return (landed.len(), 0, landed.len() as u64);
        }
        let (delimiters, end) = self.delimiters_and_end(landed);
        (landed.len(), delimiters, landed.len() as u64 - end)
    }

    /// Lossy policies: decides on everything that landed.
    fn judge_landed(&mut self, now: Duration) {
        while !self.queue.landed().is_empty() {
            if self.doomed.is_some() {
                self.pass_over_doomed(now);
            } else if !self.judge_in_bulk(now) && !self.judge_in_place(now) {
                self.judge_fragment(now);
            }
        }
    }

    /// Shortcuts that decide on all that landed at once; false where none applies.
    fn judge_in_bulk(&mut self, now: Duration) -> bool {
        let count = self.queue.landed().len() as u64;
        let after = self.held() + count;
        // Not a byte reaches H, so no record is judged in the pressured state.
        let stays_flowing = !self.pressure.is_pressured() && after < self.config.high_water;
        let judges = self.judges() || (!stays_flowing && self.judges_pressured());
        if judges {
            return false;
        }
        if after <= self.config.capacity {
            self.keep_landed(now);
            return true;
        }
        match self.on_full() {
            OnFull::EvictOldest => self.evict_in_bulk(after - self.config.capacity, now),
            OnFull::LoseArrival => self.lose_in_bulk(now),
            OnFull::EvictLowest => false,
        }
    }

    /// `EvictOldest`: admits all that landed and evicts what is too much from the head.
    fn evict_in_bulk(&mut self, excess: u64, now: Duration) -> bool {
        let Some(leaving) = self.queue.eviction_of(excess) else {
            return false;
        };
        // Byte by byte the oldest records leave one after the other, each when the queue is
        // full, until the same bytes are gone. What could differ is excluded: a single eviction
        // large enough to make the state flowing in between. (Where an arriving record would
        // find nothing more to evict, there were not so many bytes to evict.)
        if leaving >= self.config.capacity - self.config.low_water {
            return false;
        }
        self.grew(self.config.capacity, now);
        self.admit_landed();
        self.evict(leaving, now);
        true
    }

    /// `LoseArrival` with little room: the records that come next and do not fit are lost together.
    /// Byte by byte each would take up the room, find no more and leave it; that is the same but for
    /// the watermarks, so it must neither reach the upper nor fall to the lower one.
    fn lose_in_bulk(&mut self, now: Duration) -> bool {
        let room = self.config.capacity - self.held();
        if self.queue.arriving() > 0 || (room > 0 && !self.stays_pressured()) {
            return false;
        }
        let lost = self.next_that_do_not_fit(room);
        if lost.records == 0 {
            return false;
        }
        self.meter.input += lost;
        self.queue.discard(lost.bytes as usize);
        self.grew(self.config.capacity, now);
        self.lost_at_tail(Reason::QueueFull, lost, now);
        true
    }

    /// The records at the front of what landed that are longer than the room and not than C.
    fn next_that_do_not_fit(&self, room: u64) -> Tally {
        let landed = self.queue.landed();
        let mut lost = Tally::default();
        if room == 0 && landed.len() as u64 <= self.config.capacity {
            (lost.records, lost.bytes) = self.delimiters_and_end(landed);
            return lost;
        }
        for end in memchr::memchr_iter(self.config.delimiter, landed) {
            let length = end as u64 + 1 - lost.bytes;
            if length <= room || length > self.config.capacity {
                break;
            }
            lost.bytes += length;
            lost.records += 1;
        }
        lost
    }

    /// How many delimiters there are, and how many bytes up to the last of them.
    fn delimiters_and_end(&self, bytes: &[u8]) -> (u64, u64) {
        let delimiter = self.config.delimiter;
        let delimiters = memchr::memchr_iter(delimiter, bytes).count() as u64;
        let end = memchr::memrchr(delimiter, bytes).map_or(0, |last| last + 1);
        (delimiters, end as u64)
    }

    /// Whether a record that comes and is lost again changes no state.
    fn stays_pressured(&self) -> bool {
        self.pressure.is_pressured() && self.held() > self.config.low_water
    }

    /// Judges a record that landed whole and fits before it is kept: one that is lost need not be
    /// taken back. False where that is not the next thing to do.
    fn judge_in_place(&mut self, now: Duration) -> bool {
        if self.queue.arriving() > 0 || !self.stays_pressured() {
            return false;
        }
        let end = memchr::memchr(self.config.delimiter, self.queue.landed());
        let Some(count) = end.map(|end| end + 1) else {
            return false;
        };
        let bytes = count as u64;
        let held = self.held() + bytes;
        if held > self.config.capacity {
            return false;
        }
        self.grew(held, now);
        let record = Tally { bytes, records: 1 };
        self.meter.input += record;
        let is_lowest = self.judges_by_class() && self.is_lowest(&self.queue.landed()[..count]);
        match self.judgement(bytes, is_lowest, held, now) {
            None => self.queue.keep(count, 1, 0),
            Some(reason) => {
                self.queue.discard(count);
                self.lost_at_tail(reason, record, now);
            }
        }
        true
    }

    /// The next piece that landed of one record, up to its end if that landed.
    fn judge_fragment(&mut self, now: Duration) {
        let landed = self.queue.landed();
        let end = memchr::memchr(self.config.delimiter, landed);
        let fragment = end.map_or(landed.len(), |at| at + 1);
        let room = self.config.capacity - self.held();
        let fits = (fragment as u64).min(room) as usize;
        if fits > 0 {
            // The delimiter is counted when the record has passed the judgement.
            self.queue.keep(fits, 0, fits as u64);
            self.meter.input.bytes += fits as u64;
            self.grew(self.held(), now);
        }
        if fits < fragment {
            self.make_room(now);
        } else if end.is_some() {
            self.judge_record(now);
        }
    }

    /// The arriving record needs a byte more than there is.
    fn make_room(&mut self, now: Duration) {
        match self.on_full() {
            OnFull::LoseArrival => self.doom(now),
            OnFull::EvictOldest => match self.queue.eviction_of(1) {
                Some(bytes) => self.evict(bytes, now),
                None => self.doom(now),
            },
            OnFull::EvictLowest => self.evict_lowest(now),
        }
    }

    fn evict_lowest(&mut self, now: Duration) {
        self.queue.set_begun_aside();
        // As in an eviction from the head.
        self.gaps.passed(self.queue.head());
        match self.queue.evict_lowest(&self.config.classes) {
            Some(hole) => {
                self.meter.lost[Reason::Priority] += hole.lost;
                let is_new = self.gaps.lost_between(hole.from, hole.to, hole.lost);
                self.count_episode(is_new, now);
                self.shrank(now);
            }
            None => self.doom(now),
        }
    }

    fn evict(&mut self, bytes: u64, now: Duration) {
        let from = self.queue.head();
        // A gap before a begun record that was set aside is history.
        self.gaps.passed(from);
        let lost = self.queue.evict(bytes);
        self.meter.lost[Reason::QueueFull] += lost;
        let is_new = self.gaps.lost_at_head(from, self.queue.head(), lost);
        self.count_episode(is_new, now);
        self.shrank(now);
    }

    /// The arriving record is lost; its bytes to come will be passed over.
    fn doom(&mut self, now: Duration) {
        let held = self.queue.retract();
        self.meter.lost[Reason::QueueFull].bytes += held;
        self.doomed = Some(held);
        if held > 0 {
            self.shrank(now);
        }
    }

    /// Passes over what landed of a doomed record, and settles its reason at its end.
    fn pass_over_doomed(&mut self, now: Duration) {
        let landed = self.queue.landed();
        let end = memchr::memchr(self.config.delimiter, landed);
        let count = end.map_or(landed.len(), |at| at + 1);
        self.queue.discard(count);
        self.meter.input.bytes += count as u64;
        let before = self.doomed.unwrap_or(0);
        let after = before + count as u64;
        let (was, is) = (self.reason_so_far(before), self.reason_so_far(after));
        self.meter.lost[was].bytes -= before;
        self.meter.lost[is].bytes += after;
        self.doomed = Some(after);
        if end.is_some() {
            self.close_doomed(now);
        }
    }

    /// Why a doomed record of so many bytes is lost, as far as is known before its end.
    fn reason_so_far(&self, bytes: u64) -> Reason {
        if bytes > self.config.capacity {
            Reason::Oversize
        } else {
            Reason::QueueFull
        }
    }

    /// The doomed record is complete: only now its length, and so its reason, is known.
    fn close_doomed(&mut self, now: Duration) {
        let Some(bytes) = self.doomed.take() else {
            return;
        };
        let so_far = self.reason_so_far(bytes);
        let reason = match so_far {
            Reason::Oversize => so_far,
            // What came of it is gone, and so its class is not known.
            _ => self
                .judgement(bytes, false, self.held(), now)
                .unwrap_or(so_far),
        };
        self.meter.input.records += 1;
        self.meter.lost[so_far].bytes -= bytes;
        let lost = Tally { bytes, records: 1 };
        self.lost_at_tail(reason, lost, now);
    }

    /// The arriving record is complete and has a place.
    fn judge_record(&mut self, now: Duration) {
        self.meter.input.records += 1;
        match self.judgement_of_arriving(now) {
            None => self.queue.complete_arriving(),
            Some(reason) => self.lose_whole_arriving(reason, now),
        }
    }

    fn judgement_of_arriving(&mut self, now: Duration) -> Option<Reason> {
        let is_lowest = self.judges_by_class()
            && self
                .queue
                .arriving_bytes()
                .is_some_and(|record| self.is_lowest(&record));
        self.judgement(self.queue.arriving(), is_lowest, self.held(), now)
    }

    fn lose_whole_arriving(&mut self, reason: Reason, now: Duration) {
        let bytes = self.queue.retract();
        let lost = Tally { bytes, records: 1 };
        self.lost_at_tail(reason, lost, now);
        self.shrank(now);
    }

    /// The input ended: whatever has come of the last record is all of it.
    pub(super) fn complete_tail(&mut self, now: Duration) {
        self.close_doomed(now);
        if self.overflow.is_some() && self.queue.arriving() > 0 {
            self.meter.input.records += 1;
            match self.judgement_of_arriving(now) {
                None => {
                    self.queue.complete_tail();
                }
                Some(reason) => self.lose_whole_arriving(reason, now),
            }
        } else if self.queue.complete_tail() {
            self.meter.input.records += 1;
        }
    }

    /// A record whose end will never be seen is lost.
    pub(super) fn lose_arriving(&mut self, reason: Reason, now: Duration) {
        self.close_doomed(now);
        if self.queue.arriving() > 0 {
            self.meter.input.records += 1;
            self.lose_whole_arriving(reason, now);
        }
    }

    // ---- the policy's answers ---------------------------------------------------------------

    fn on_full(&self) -> OnFull {
        match &self.overflow {
            Some(overflow) => overflow.on_full(),
            None => OnFull::LoseArrival,
        }
    }

    /// Whether the policy would judge a record that completes now.
    fn judges(&self) -> bool {
        let state = self.pressure.state();
        self.overflow.as_ref().is_some_and(|o| o.judges(state))
    }

    fn judges_pressured(&self) -> bool {
        let state = crate::core::snapshot::State::Pressured;
        self.overflow.as_ref().is_some_and(|o| o.judges(state))
    }

    /// Whether the class of a record that completes now decides.
    fn judges_by_class(&self) -> bool {
        self.on_full() == OnFull::EvictLowest && self.judges()
    }

    /// Whether a whole record is in the lowest class.
    fn is_lowest(&self, record: &[u8]) -> bool {
        let classes = &self.config.classes;
        let content = record.strip_suffix(&[self.config.delimiter]);
        classes.of(content.unwrap_or(record)) == classes.lowest()
    }

    /// The judgement on a record of so many bytes, with which so much is held.
    fn judgement(
        &mut self,
        length: u64,
        is_lowest: bool,
        held: u64,
        now: Duration,
    ) -> Option<Reason> {
        if !self.judges() {
            return None;
        }
        let view = View {
            length,
            is_lowest,
            held,
            now,
            ..self.view()
        };
        self.overflow.as_mut()?.judge(&view)
    }

    fn lost_at_tail(&mut self, reason: Reason, lost: Tally, now: Duration) {
        self.meter.lost[reason] += lost;
        let is_new = self.gaps.lost_at_tail(self.queue.tail(), lost);
        self.count_episode(is_new, now);
    }

    fn count_episode(&mut self, is_new: bool, now: Duration) {
        if is_new {
            self.meter.loss_episodes += 1;
            self.changed(Change::Loss, now);
        }
    }
}
