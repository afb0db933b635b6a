//! Who goes is the policy's to say; here it goes: each way in which a record that came leaves without having
//! been written.
//!
//! Each says so to the account, to the gaps (marks, loss episodes), to what keeps lost records, and
//! to the watermarks, in that order, so that a picture of any moment balances.

use std::time::Duration;

use super::{Change, Relay};
use crate::core::account::{Reason, Tally};
use crate::core::admission::{OnFull, Verdict};
use crate::core::buffer::sample_window::{Former, NoMemory};

impl Relay {
    /// The next so many bytes that landed are a record that had a place and does not stay.
    pub(super) fn take_out_landed(&mut self, verdict: Verdict, bytes: u64, now: Duration) {
        let record = Tally { bytes, records: 1 };
        // First, as a picture of this moment has the account before it.
        self.grew(self.held() + bytes, now);
        match verdict {
            Verdict::Stay => {
                self.meter.input += record;
                self.queue.keep(bytes as usize, 1, 0);
            }
            Verdict::Lose(reason) => self.lose_landed(bytes as usize, reason, now),
            Verdict::SetAside { instead_of, until } => {
                self.meter.input += record;
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
    pub(super) fn take_out_arriving(&mut self, verdict: Verdict, now: Duration) {
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
    pub(super) fn put_aside(
        &mut self,
        record: Tally,
        left: Result<Former, NoMemory>,
        now: Duration,
    ) {
        let (reason, lost) = match left {
            Ok(None) => return,
            Ok(Some(former)) => {
                self.spill_record(&former);
                let bytes = former.len() as u64;
                (Reason::Sampled, Tally { bytes, records: 1 })
            }
            Err(NoMemory) => {
                self.lacks_memory = true;
                (Reason::QueueFull, record)
            }
        };
        self.lost_at_tail(reason, lost, now);
        self.shrank(now);
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

    /// The arriving record needs a byte more than there is.
    pub(super) fn make_room(&mut self, now: Duration) {
        let leaving = match self.on_full() {
            OnFull::LoseArrival => None,
            OnFull::EvictOldest => self.queue.eviction_of(1),
            OnFull::EvictAll => self.queue.eviction_of_all(),
            // Its class is not known yet, so it takes the place of any but the most valuable.
            OnFull::EvictLowest if self.evict_lowest(1, now) => return,
            OnFull::EvictLowest => None,
        };
        match leaving {
            Some(bytes) => self.evict(bytes, Reason::QueueFull, now),
            None => self.doom(now),
        }
    }

    /// The oldest record of the lowest class leaves, if that is `most` or below. Returns whether one did.
    pub(super) fn evict_lowest(&mut self, most: usize, now: Duration) -> bool {
        self.queue.set_begun_aside();
        // As in an eviction from the head.
        self.pass_gaps();
        let (spill, delimiter) = (&mut self.spill, self.config.delimiter);
        let keep = |record: &[u8]| {
            if let Some(spill) = spill {
                spill.add(record);
                spill.add(&[delimiter]);
                spill.end();
            }
        };
        let hole = self.queue.evict_lowest(&self.config.classes, most, keep);
        if let Some(hole) = hole {
            self.meter.lost[Reason::Priority] += hole.lost;
            let is_new = self.gaps.lost_between(hole.from, hole.to, hole.lost);
            self.count_episode(is_new, now);
            self.shrank(now);
        }
        hole.is_some()
    }

    /// The next `count` landed bytes, a whole record, are lost.
    pub(super) fn lose_landed(&mut self, count: usize, reason: Reason, now: Duration) {
        let record = Tally {
            bytes: count as u64,
            records: 1,
        };
        self.meter.input += record;
        self.spill_landed(count);
        self.queue.discard(count);
        self.lost_at_tail(reason, record, now);
        // Where there was no room at all, none of it was held for a moment.
        if self.held() < self.config.capacity {
            self.shrank(now);
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
        self.pass_gaps();
        self.spill_head(bytes);
        let lost = self.queue.evict(bytes);
        self.meter.lost[reason] += lost;
        let is_new = self.gaps.lost_at_head(from, self.queue.head(), lost);
        self.count_episode(is_new, now);
        self.shrank(now);
    }

    /// The arriving record is lost; its bytes to come will be passed over.
    pub(super) fn doom(&mut self, now: Duration) {
        self.doom_arriving();
        let held = self.queue.retract();
        self.meter.lost[Reason::QueueFull].bytes += held;
        self.doomed = Some(held);
        if held > 0 {
            self.shrank(now);
        }
    }

    /// Passes over what landed of a doomed record, and settles its reason at its end.
    pub(super) fn pass_over_doomed(&mut self, now: Duration) {
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
    pub(super) fn reason_so_far(&self, bytes: u64) -> Reason {
        if bytes > self.config.capacity {
            Reason::Oversize
        } else {
            Reason::QueueFull
        }
    }

    /// The doomed record is complete: only now its length, and so its reason, is known.
    pub(super) fn close_doomed(&mut self, now: Duration) {
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

    pub(super) fn lose_whole_arriving(&mut self, reason: Reason, now: Duration) {
        self.spill_arriving();
        let bytes = self.queue.retract();
        let lost = Tally { bytes, records: 1 };
        match self.overflow {
            Some(_) => self.lost_at_tail(reason, lost, now),
            // Where nothing else is ever lost it is the end of the run, and no loss episode.
            None => self.meter.lost[reason] += lost,
        }
        self.shrank(now);
    }

    /// A record whose end will never be seen is lost.
    pub(super) fn lose_arriving(&mut self, reason: Reason, now: Duration) {
        self.close_doomed(now);
        if self.queue.arriving() > 0 {
            self.meter.input.records += 1;
            self.lose_whole_arriving(reason, now);
        }
    }

    pub(super) fn lost_at_tail(&mut self, reason: Reason, lost: Tally, now: Duration) {
        self.meter.lost[reason] += lost;
        let is_new = self.gaps.lost_at_tail(self.queue.tail(), lost);
        self.count_episode(is_new, now);
    }

    pub(super) fn count_episode(&mut self, is_new: bool, now: Duration) {
        if is_new {
            self.meter.loss_episodes += 1;
            self.changed(Change::Loss, now);
        }
    }
}
