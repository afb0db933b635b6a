//! What came in: judged record by record where the policy must see each, in bulk where the
//! outcome is the same.
//!
//! The rule is stated for single bytes, so that no outcome depends on how reads are cut. An
//! arriving byte takes a place; where there is none, the policy makes room or the arriving record is
//! doomed: what was held of it leaves, the rest is passed over. When a record's delimiter has a
//! place, the policy may judge it. Every shortcut below says why it gives the same.

use std::time::Duration;

use super::{Change, Relay};
use crate::config::{Amount, RelayConfig};
use crate::core::account::{Reason, Tally};
use crate::core::policy::{OnFull, Verdict, View};
use crate::core::queue::CHUNK;
use crate::core::reservoir::{Former, NoMemory};
use crate::core::snapshot::State;

impl Relay {
    /// Room for the next read of at most `most` bytes (>= 1) and at most a chunk; [`Relay::received`]
    /// must follow. Empty when the system has no memory left.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        let most = most.min(CHUNK);
        let room = self.config.capacity - self.held();
        let loses_arrivals = self.sheds() && self.on_full() == OnFull::LoseArrival;
        let loses_most = self.judges_by_class();
        let for_loss = loses_most || (loses_arrivals && room < most as u64 / 2);
        self.queue.landing(most, for_loss)
    }

    /// The first `count` (>= 1) bytes of the room were filled.
    pub fn received(&mut self, count: usize, now: Duration) {
        self.idle_since = now;
        self.came.1 += count as u64;
        self.queue.land(count);
        let is_last = self.cut_landed();
        if self.doomed.is_some() {
            self.pass_over_doomed(now);
        }
        if self.sheds() {
            self.judge_landed(now);
        } else if !self.queue.landed().is_empty() {
            self.keep_landed(now);
        }
        self.note_age(now);
        if is_last {
            self.input_ended(now);
        }
    }

    /// What is whole now has come by now.
    fn note_age(&mut self, now: Duration) {
        if let Some(ages) = &mut self.ages {
            ages.came(self.queue.tail() - self.queue.arriving(), now);
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
        self.admit(self.queue.landed().len());
        self.grew(self.held(), now);
    }

    /// Admits the first `count` bytes that landed.
    fn admit(&mut self, count: usize) {
        let (delimiters, unended) = self.survey(&self.queue.landed()[..count]);
        self.meter.input += Tally {
            bytes: count as u64,
            records: delimiters,
        };
        self.queue.keep(count, delimiters, unended);
    }

    /// How many delimiters there are, and how many bytes follow the last of them.
    fn survey(&self, bytes: &[u8]) -> (u64, u64) {
        if !self.counts_records {
            return (0, bytes.len() as u64);
        }
        let (delimiters, end) = self.delimiters_and_end(bytes);
        (delimiters, bytes.len() as u64 - end)
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
        if self.config.capacity_records.is_some() && !self.fit_as_records() {
            return self.on_full() == OnFull::LoseArrival && self.lose_in_bulk(now);
        }
        if after <= self.config.capacity {
            self.keep_landed(now);
            return true;
        }
        match self.on_full() {
            OnFull::EvictOldest => self.evict_in_bulk(after - self.config.capacity, now),
            OnFull::LoseArrival => self.lose_in_bulk(now),
            OnFull::EvictAll => self.fill_in_bulk(now),
            OnFull::EvictLowest => false,
        }
    }

    /// Whether what landed exceeds no bound of records.
    fn fit_as_records(&self) -> bool {
        let (delimiters, unended) = self.survey(self.queue.landed());
        let records = delimiters + u64::from(unended > 0);
        self.records_left().is_none_or(|left| records <= left)
    }

    /// Room for the next byte that comes: none for a new record where there are too many.
    fn room_for_next(&self) -> u64 {
        match self.records_left() {
            Some(0) if !self.is_amid_record() => 0,
            _ => self.config.capacity - self.held(),
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
        self.admit(self.queue.landed().len());
        self.evict(leaving, Reason::QueueFull, now);
        true
    }

    /// `EvictAll`: nobody is judged and nothing leaves before the queue is full, so what fits is
    /// admitted at once.
    fn fill_in_bulk(&mut self, now: Duration) -> bool {
        let room = (self.config.capacity - self.held()) as usize;
        if room > 0 {
            self.admit(room);
            self.grew(self.config.capacity, now);
        }
        room > 0
    }

    /// `LoseArrival` with little room: the records that come next and do not fit are lost together.
    /// Byte by byte each would take up the room, find no more and leave it; that is the same but for
    /// the watermarks, so it must neither reach the upper nor fall to the lower one.
    fn lose_in_bulk(&mut self, now: Duration) -> bool {
        let room = self.room_for_next();
        if self.is_amid_record() || (room > 0 && !self.stays_pressured()) {
            return false;
        }
        let lost = self.next_that_do_not_fit(room);
        if lost.records == 0 {
            return false;
        }
        // Where there are too many records, they took up no room.
        let takes_room = self.records_left() != Some(0);
        self.meter.input += lost;
        self.spill_landed(lost.bytes as usize);
        self.queue.discard(lost.bytes as usize);
        if takes_room {
            self.grew(self.config.capacity, now);
        }
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

    /// Whether the next byte that comes belongs to a record of which some came before.
    fn is_amid_record(&self) -> bool {
        self.queue.arriving() > 0 || self.arrival_is_begun()
    }

    /// Whether a record that comes and is lost again changes no state.
    fn stays_pressured(&self) -> bool {
        self.pressure.is_pressured() && self.held() > self.config.low_water
    }

    /// Judges records that landed whole and fit before they are kept, up to the first that does not
    /// stay: that one need not be taken back. False where that is not the next thing to do.
    fn judge_in_place(&mut self, now: Duration) -> bool {
        if self.is_amid_record() {
            return false;
        }
        let found = self.held();
        let most = self.records_left().unwrap_or(u64::MAX);
        let mut view = View { now, ..self.view() };
        let by_class = self.sheds() && self.on_full() == OnFull::EvictLowest;
        let Some(overflow) = &mut self.overflow else {
            return false;
        };
        let mut stay = Tally::default();
        let mut other = None;
        for end in memchr::memchr_iter(self.config.delimiter, self.queue.landed()) {
            let length = end as u64 + 1 - stay.bytes;
            view.found = found + stay.bytes;
            view.held = view.found + length;
            view.length = length;
            if view.held > self.config.capacity || stay.records == most {
                break;
            }
            if view.held >= self.config.high_water {
                view.state = State::Pressured;
            }
            let judges = overflow.judges(view.state);
            let record = &self.queue.landed()[stay.bytes as usize..=end];
            view.is_lowest = judges && by_class && is_lowest(&self.config, record);
            let verdict = match judges {
                true => overflow.judge(&view),
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
            self.queue.keep(stay.bytes as usize, stay.records, 0);
            self.grew(self.held(), now);
        }
        if let Some((verdict, length)) = other {
            self.take_out_landed(verdict, length, now);
        }
        stay.records > 0 || other.is_some()
    }

    /// The next so many bytes that landed are a record that had a place and does not stay.
    fn take_out_landed(&mut self, verdict: Verdict, bytes: u64, now: Duration) {
        let record = Tally { bytes, records: 1 };
        // First, as a picture of this moment has the account before it.
        self.grew(self.held() + bytes, now);
        self.meter.input += record;
        match verdict {
            Verdict::Stay => self.queue.keep(bytes as usize, 1, 0),
            Verdict::Lose(reason) => {
                self.spill_landed(bytes as usize);
                self.queue.discard(bytes as usize);
                self.lost_at_tail(reason, record, now);
                self.shrank(now);
            }
            Verdict::SetAside { instead_of, until } => {
                let bytes = bytes as usize;
                let landed = &self.queue.landed()[..bytes];
                let left = self.aside.put(landed, instead_of, until);
                if left.is_err() {
                    self.spill_landed(bytes);
                }
                self.queue.discard(bytes);
                self.put_aside(record, left, now);
            }
        }
    }

    /// The whole arriving record does not stay.
    fn take_out_arriving(&mut self, verdict: Verdict, now: Duration) {
        match verdict {
            Verdict::Stay => {}
            Verdict::Lose(reason) => self.lose_whole_arriving(reason, now),
            Verdict::SetAside { instead_of, until } => {
                let arriving = self.queue.arriving_bytes().ok_or(NoMemory);
                let left = arriving.and_then(|record| self.aside.put(&record, instead_of, until));
                if left.is_err() {
                    self.spill_arriving();
                }
                let bytes = self.queue.retract();
                self.put_aside(Tally { bytes, records: 1 }, left, now);
            }
        }
    }

    /// A record was set aside: it may have taken another's place, or found no memory. Else as much is held
    /// as before.
    fn put_aside(&mut self, record: Tally, left: Result<Former, NoMemory>, now: Duration) {
        match left {
            Ok(None) => {}
            Ok(Some(former)) => {
                self.spill_record(&former);
                let bytes = former.len() as u64;
                self.lost_at_tail(Reason::Sampled, Tally { bytes, records: 1 }, now);
                self.shrank(now);
            }
            Err(NoMemory) => {
                self.lost_at_tail(Reason::QueueFull, record, now);
                self.shrank(now);
            }
        }
    }

    /// What was set aside comes into the queue, and the next record begins another window.
    pub(super) fn end_window(&mut self, now: Duration) {
        if let Some(overflow) = &mut self.overflow {
            overflow.window_ended();
        }
        if self.aside.until().is_some() {
            self.queue.append(self.aside.take());
            self.note_age(now);
        }
    }

    /// The next piece that landed of one record, up to its end if that landed.
    fn judge_fragment(&mut self, now: Duration) {
        let landed = self.queue.landed();
        let end = memchr::memchr(self.config.delimiter, landed);
        let fragment = end.map_or(landed.len(), |at| at + 1);
        let fits = (fragment as u64).min(self.room_for_next()) as usize;
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
        let leaving = match self.on_full() {
            OnFull::LoseArrival => None,
            OnFull::EvictOldest => self.queue.eviction_of(1),
            OnFull::EvictAll => self.queue.eviction_of_all(),
            OnFull::EvictLowest => return self.evict_lowest(now),
        };
        match leaving {
            Some(bytes) => self.evict(bytes, Reason::QueueFull, now),
            None => self.doom(now),
        }
    }

    fn evict_lowest(&mut self, now: Duration) {
        self.queue.set_begun_aside();
        // As in an eviction from the head.
        self.gaps.passed(self.queue.head());
        let (spill, delimiter) = (&mut self.spill, self.config.delimiter);
        let keep = |record: &[u8]| {
            if let Some(spill) = spill {
                spill.add(record);
                spill.add(&[delimiter]);
                spill.end();
            }
        };
        match self.queue.evict_lowest(&self.config.classes, keep) {
            Some(hole) => {
                self.meter.lost[Reason::Priority] += hole.lost;
                let is_new = self.gaps.lost_between(hole.from, hole.to, hole.lost);
                self.count_episode(is_new, now);
                self.shrank(now);
            }
            None => self.doom(now),
        }
    }

    /// Where only the newest waits, the other whole records that a write left behind leave.
    pub(super) fn leave_newest(&mut self, now: Duration) {
        let overflow = self.overflow.as_ref();
        if overflow.is_some_and(|o| o.only_newest_waits())
            && self.sheds()
            && (self.is_blocked || !self.write_wish(now))
            && let Some(bytes) = self.queue.eviction_of_all_but_newest()
        {
            self.evict(bytes, Reason::QueueFull, now);
        }
    }

    /// The oldest records leave, so many bytes.
    pub(super) fn evict(&mut self, bytes: u64, reason: Reason, now: Duration) {
        let from = self.queue.head();
        // A gap before a begun record that was set aside is history.
        self.gaps.passed(from);
        self.spill_head(bytes);
        let lost = self.queue.evict(bytes);
        self.meter.lost[reason] += lost;
        let is_new = self.gaps.lost_at_head(from, self.queue.head(), lost);
        self.count_episode(is_new, now);
        self.shrank(now);
    }

    /// The arriving record is lost; its bytes to come will be passed over.
    fn doom(&mut self, now: Duration) {
        self.doom_arriving();
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
        self.doom_landed(count);
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
        self.spill_doomed();
        let so_far = self.reason_so_far(bytes);
        let reason = match so_far {
            Reason::Oversize => so_far,
            // What came of it is gone, and so its class is not known.
            _ => match self.judgement(bytes, false, false, now) {
                Verdict::Lose(reason) => reason,
                _ => so_far,
            },
        };
        self.meter.input.records += 1;
        self.meter.lost[so_far].bytes -= bytes;
        let lost = Tally { bytes, records: 1 };
        self.lost_at_tail(reason, lost, now);
    }

    /// The arriving record is complete and has a place.
    fn judge_record(&mut self, now: Duration) {
        self.meter.input.records += 1;
        let verdict = match self.arrival_is_begun() {
            true => Verdict::Stay,
            false => self.judgement_of_arriving(now),
        };
        match verdict {
            Verdict::Stay => {
                self.queue.complete_arriving();
                self.one_more_stays(now);
            }
            other => self.take_out_arriving(other, now),
        }
    }

    /// A record is whole and held; with a bound in records it may have been the last that fits.
    fn one_more_stays(&mut self, now: Duration) {
        if self.records_left() == Some(0) {
            self.grew(self.held(), now);
        }
    }

    fn lose_whole_arriving(&mut self, reason: Reason, now: Duration) {
        self.spill_arriving();
        let bytes = self.queue.retract();
        let lost = Tally { bytes, records: 1 };
        self.lost_at_tail(reason, lost, now);
        self.shrank(now);
    }

    /// The input ended: whatever has come of the last record is all of it.
    pub(super) fn complete_tail(&mut self, now: Duration) {
        self.close_doomed(now);
        if self.sheds() && !self.arrival_is_begun() && self.queue.arriving() > 0 {
            self.meter.input.records += 1;
            match self.judgement_of_arriving(now) {
                Verdict::Stay => {
                    self.queue.complete_tail();
                }
                other => self.take_out_arriving(other, now),
            }
        } else if self.queue.complete_tail() {
            self.meter.input.records += 1;
        }
        self.settle();
        self.one_more_stays(now);
        self.note_age(now);
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
    pub(super) fn judges(&self) -> bool {
        let state = self.pressure.state();
        self.overflow.as_ref().is_some_and(|o| o.judges(state))
    }

    fn judges_pressured(&self) -> bool {
        let state = State::Pressured;
        self.overflow.as_ref().is_some_and(|o| o.judges(state))
    }

    /// Whether the class of a record that completes now decides.
    fn judges_by_class(&self) -> bool {
        self.sheds() && self.on_full() == OnFull::EvictLowest && self.judges()
    }

    /// The judgement on the record that is arriving, now whole. Where there is no memory to look at it,
    /// it is not taken for one of the lowest class.
    fn judgement_of_arriving(&mut self, now: Duration) -> Verdict {
        let is_lowest = self.judges_by_class()
            && self
                .queue
                .arriving_bytes()
                .is_some_and(|record| is_lowest(&self.config, &record));
        self.judgement(self.queue.arriving(), true, is_lowest, now)
    }

    /// The judgement on a record of so many bytes, which are held if it has a place.
    fn judgement(
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
        let sheds = self.sheds();
        match &mut self.overflow {
            Some(overflow) if sheds && overflow.judges(view.state) => overflow.judge(&view),
            _ => Verdict::Stay,
        }
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

/// Whether a whole record is in the lowest class.
fn is_lowest(config: &RelayConfig, record: &[u8]) -> bool {
    let content = record.strip_suffix(&[config.delimiter]);
    let class = config.classes.of(content.unwrap_or(record));
    class == config.classes.lowest()
}
