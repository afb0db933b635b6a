//! How what is not written leaves. The policy says which record does; here it does.
//!
//! Each loss is copied for those who want it, leaves the buffer, is counted, leaves a gap, and may change the
//! state, in that order, so that a snapshot of any moment balances ([`Relay::lose`]). A record whose end has
//! not come leaves in two steps: what is held of it at once, the rest as it comes. What is held when a run ends, or the
//! consumer has gone, is taken out by `ending` and `sink`, and counted here; what was sent in vain is `unread`'s.
//!
//! Refuses to select: who asks says what leaves.

use std::time::Duration;

use super::Relay;
use super::changes::Change;
use crate::core::account::{Reason, Tally};
use crate::core::admission::{OnFull, Verdict};
use crate::core::buffer::sample_window::{Former, NoMemory};
use crate::core::loss::dead_letters::{Batch, DeadLetters};
use crate::core::loss::{Place, reason_of_length};

/// What is lost next.
pub(super) enum Victim {
    /// The oldest whole records, of so many bytes, as an `eviction_...` of the queue found them.
    Oldest(u64),
    /// The same at the end of the run.
    Rest(u64),
    /// The oldest record of the lowest class present, if that is this class or below.
    Lowest(usize),
    /// The next so many staged bytes: whole records, or what comes when nobody takes it.
    Staged(Tally),
    /// The incomplete record, of which no more comes.
    Incomplete,
    /// A record of so many bytes that were passed over as they came.
    Discarded(u64),
    /// A record that another displaced from the sample window.
    Displaced(Box<[u8]>),
    /// So many bytes that came in and that nobody has seen.
    Unseen(u64),
}

impl Relay {
    /// What is lost is lost here. Returns whether there was any.
    pub(super) fn lose(&mut self, victim: Victim, reason: Reason, now: Duration) -> bool {
        let out = self.take_out(victim);
        if let Some((lost, place)) = out {
            self.record_loss(reason, lost, place, now);
        }
        out.is_some()
    }

    /// What left the buffer so is lost.
    pub(super) fn record_loss(&mut self, reason: Reason, lost: Tally, place: Place, now: Duration) {
        if self.loss.record(reason, lost, place) {
            self.changed(Change::Loss, now);
        }
        // Where C is held still, the lost record never took up space, and what is held has not shrunk.
        if self.held() < self.config.capacity {
            self.shrank(now);
        }
    }

    /// Copies it for those who want it, and takes it out of the buffer. Returns how much it was, and where.
    fn take_out(&mut self, victim: Victim) -> Option<(Tally, Place)> {
        Some(match victim {
            Victim::Oldest(bytes) => self.take_out_oldest(bytes),
            Victim::Rest(bytes) => (self.take_out_rest(bytes), Place::End),
            Victim::Lowest(most) => self.take_out_lowest(most)?,
            Victim::Staged(lost) => {
                self.meter.input += lost;
                self.take_out_staged(lost.bytes as usize);
                (lost, Place::Tail(self.buffer.queue.tail()))
            }
            Victim::Incomplete => {
                let lost = self.take_out_incomplete();
                // Where nothing else is ever lost it is the end of the run.
                let place = match self.admission.may_shed() {
                    true => Place::Tail(self.buffer.queue.tail()),
                    false => Place::End,
                };
                (lost, place)
            }
            Victim::Discarded(bytes) => {
                if let Some(letters) = &mut self.loss.dead_letters {
                    letters.end_arriving();
                }
                self.loss.tally[reason_of_length(bytes, self.config.capacity)].bytes -= bytes;
                let lost = Tally { bytes, records: 1 };
                (lost, Place::Tail(self.buffer.queue.tail()))
            }
            Victim::Displaced(record) => {
                if let Some(letters) = &mut self.loss.dead_letters {
                    letters.add(&record);
                    letters.end();
                }
                let bytes = record.len() as u64;
                let lost = Tally { bytes, records: 1 };
                (lost, Place::Tail(self.buffer.queue.tail()))
            }
            Victim::Unseen(bytes) => {
                self.meter.input.bytes += bytes;
                if let Some(letters) = &mut self.loss.dead_letters {
                    letters.add_unseen(bytes);
                }
                (Tally { bytes, records: 0 }, Place::End)
            }
        })
    }

    fn take_out_oldest(&mut self, bytes: u64) -> (Tally, Place) {
        let from = self.buffer.queue.head();
        // A gap before a partly written record is history.
        self.pass_gaps();
        if let Some(letters) = &mut self.loss.dead_letters {
            self.buffer.queue.first(bytes, |piece| letters.add(piece));
            letters.end();
        }
        let lost = self.buffer.queue.evict(bytes);
        (lost, Place::Head(from, self.buffer.queue.head()))
    }

    /// The records may wait as they were held: each piece of memory goes when it is copied.
    fn take_out_rest(&mut self, bytes: u64) -> Tally {
        let Some(letters) = &mut self.loss.dead_letters else {
            return self.buffer.queue.evict(bytes);
        };
        letters.add_space(bytes);
        let queue = &mut self.buffer.queue;
        let lost = queue.evict_seen(bytes, |piece| letters.add(piece));
        letters.end();
        lost
    }

    fn take_out_lowest(&mut self, most: usize) -> Option<(Tally, Place)> {
        self.buffer.queue.split_off_partial();
        // As in an eviction from the head.
        self.pass_gaps();
        let letters = &mut self.loss.dead_letters;
        let keep = |record: &[u8]| {
            if let Some(letters) = letters {
                letters.add(record);
                letters.end();
            }
        };
        let ranking = self.admission.ranking()?;
        let queue = &mut self.buffer.queue;
        let hole = queue.evict_lowest(ranking, most, keep)?;
        Some((hole.lost, Place::Between(hole.from, hole.to)))
    }

    fn take_out_staged(&mut self, count: usize) {
        if let Some(letters) = &mut self.loss.dead_letters {
            letters.add(&self.buffer.queue.staged()[..count]);
        }
        self.buffer.queue.skip_staged(count);
    }

    fn take_out_incomplete(&mut self) -> Tally {
        if let Some(letters) = &mut self.loss.dead_letters {
            let queue = &self.buffer.queue;
            queue.see_incomplete(|piece| letters.add(piece));
            letters.end();
        }
        let bytes = self.buffer.queue.retract();
        Tally { bytes, records: 1 }
    }

    /// Takes everything out, for [`Relay::record_loss`]. A record that is partly written is whole again with what
    /// was sent of it. Of the last, more may follow before [`Relay::end_letter`].
    pub(super) fn take_out_all(&mut self) -> Tally {
        let is_torn = self.buffer.queue.is_torn() && !self.buffer.queue.is_empty();
        let outstanding = self.take_out_outstanding(is_torn);
        if is_torn && self.buffer.outstanding.is_none() {
            self.keep_sent_part();
        }
        let queue = &mut self.buffer.queue;
        let mut lost = match &mut self.loss.dead_letters {
            Some(letters) => {
                letters.add_space(queue.len());
                queue.clear(|piece| letters.add(piece))
            }
            None => queue.clear(|_| {}),
        };
        lost.bytes += self.buffer.clear_pipes();
        lost += outstanding;
        lost
    }

    // ---- a record of which more may come ----------------------------------------------------

    /// The incomplete record is lost; its bytes to come will be passed over.
    pub(super) fn discard_incomplete(&mut self, now: Duration) {
        if let Some(letters) = &mut self.loss.dead_letters {
            let queue = &self.buffer.queue;
            queue.see_incomplete(|piece| letters.add_arriving(piece));
        }
        let held = self.buffer.queue.retract();
        self.loss.discard_more(held, self.config.capacity);
        if held > 0 {
            self.shrank(now);
        }
    }

    /// Passes over what is staged of a discarded record, up to its end.
    pub(super) fn pass_over_discarded(&mut self, now: Duration) {
        let staged = self.buffer.queue.staged();
        let end = self.framing.first_end(staged);
        let count = end.unwrap_or(staged.len());
        if let Some(letters) = &mut self.loss.dead_letters {
            letters.add_arriving(&staged[..count]);
        }
        self.buffer.queue.skip_staged(count);
        self.meter.input.bytes += count as u64;
        self.loss.discard_more(count as u64, self.config.capacity);
        if end.is_some() {
            self.end_discarded(now);
        }
    }

    /// The discarded record is complete: only now its length, and so its reason, is known.
    pub(super) fn end_discarded(&mut self, now: Duration) {
        let Some(bytes) = self.loss.discarding.take() else {
            return;
        };
        let so_far = reason_of_length(bytes, self.config.capacity);
        let reason = match so_far {
            Reason::Oversize => so_far,
            // What came of it is gone, and so its class is not known.
            _ => match self.judgement(bytes, false, false, now) {
                Verdict::Lose(reason) => reason,
                _ => so_far,
            },
        };
        self.meter.input.records += 1;
        self.lose(Victim::Discarded(bytes), reason, now);
    }

    /// A record whose end will never be seen is lost.
    pub(super) fn lose_incomplete(&mut self, reason: Reason, now: Duration) {
        self.end_discarded(now);
        if self.buffer.queue.incomplete() > 0 {
            self.meter.input.records += 1;
            self.lose(Victim::Incomplete, reason, now);
        }
    }

    // ---- what a policy gives up -------------------------------------------------------------

    /// The next so many staged bytes are a record that had a place and does not stay.
    pub(super) fn take_out_judged(&mut self, verdict: Verdict, bytes: u64, now: Duration) {
        let record = Tally { bytes, records: 1 };
        // First, as a snapshot of this moment has the account before it.
        self.grew(self.held() + bytes, now);
        match verdict {
            Verdict::Stay => {
                self.meter.input += record;
                self.buffer.queue.admit(bytes as usize, 1, 0);
            }
            Verdict::Lose(reason) => {
                self.lose(Victim::Staged(record), reason, now);
            }
            Verdict::SetAside { instead_of, until } => {
                let staged = &self.buffer.queue.staged()[..bytes as usize];
                match self.buffer.window.put(staged, instead_of, until) {
                    Ok(former) => {
                        self.meter.input += record;
                        self.buffer.queue.skip_staged(bytes as usize);
                        self.lose_displaced(former, now);
                    }
                    Err(NoMemory) => {
                        self.lacks_memory = true;
                        self.lose(Victim::Staged(record), Reason::QueueFull, now);
                    }
                }
            }
        }
    }

    /// The incomplete record, whose end has come, does not stay.
    pub(super) fn take_out_completed(&mut self, verdict: Verdict, now: Duration) {
        match verdict {
            Verdict::Stay => {}
            Verdict::Lose(reason) => {
                self.lose(Victim::Incomplete, reason, now);
            }
            Verdict::SetAside { instead_of, until } => {
                let record = self.buffer.queue.incomplete_bytes().ok_or(NoMemory);
                let window = &mut self.buffer.window;
                match record.and_then(|record| window.put(&record, instead_of, until)) {
                    Ok(former) => {
                        self.buffer.queue.retract();
                        self.lose_displaced(former, now);
                    }
                    Err(NoMemory) => {
                        self.lacks_memory = true;
                        self.lose(Victim::Incomplete, Reason::QueueFull, now);
                    }
                }
            }
        }
    }

    /// A record was set aside, and may have taken another's place. Else as much is held as before.
    fn lose_displaced(&mut self, former: Former, now: Duration) {
        if let Some(record) = former {
            self.lose(Victim::Displaced(record), Reason::Sampled, now);
        }
    }

    /// What was set aside comes into the queue, and the next record begins another window.
    pub(super) fn end_window(&mut self, now: Duration) {
        self.admission.window_ended();
        if self.buffer.window.until().is_some() {
            self.buffer.queue.append(self.buffer.window.take());
            self.note_age(now);
        }
    }

    /// The incomplete record needs a byte more than there is.
    pub(super) fn make_space(&mut self, now: Duration) {
        let queue = &mut self.buffer.queue;
        let victim = match self.admission.on_full() {
            OnFull::LoseArrival => None,
            OnFull::EvictOldest => queue.eviction_of(1).map(Victim::Oldest),
            OnFull::EvictAll => queue.eviction_of_all().map(Victim::Oldest),
            // Its class is not known yet, so it takes the place of any but the most valuable.
            OnFull::EvictLowest => Some(Victim::Lowest(1)),
        };
        let reason = self.admission.reason();
        if !victim.is_some_and(|victim| self.lose(victim, reason, now)) {
            self.discard_incomplete(now);
        }
    }

    /// Where only the newest waits, the other whole records that a write left behind leave.
    pub(super) fn leave_newest(&mut self, now: Duration) {
        if self.admission.only_newest_waits()
            && (self.allowance.is_blocked || !self.write_wish(now))
            && let Some(bytes) = self.buffer.queue.eviction_of_all_but_newest()
        {
            let reason = self.admission.reason();
            self.lose(Victim::Oldest(bytes), reason, now);
        }
    }

    // ---- dead letters -----------------------------------------------------------------------

    /// Whether lost records wait to be taken, now or later.
    pub fn keeps_lost(&self) -> bool {
        self.loss.dead_letters.is_some()
    }

    /// So many bytes of lost records may wait here.
    pub fn may_keep_lost(&mut self, bytes: u64) {
        if let Some(letters) = &mut self.loss.dead_letters {
            letters.set_space(bytes);
        }
    }

    /// Takes the lost records that wait.
    pub fn take_lost(&mut self) -> Vec<Batch> {
        let letters = self.loss.dead_letters.as_mut();
        letters.map_or_else(Vec::new, DeadLetters::take)
    }

    /// No more comes of the record that is being lost.
    pub(super) fn end_letter(&mut self) {
        if let Some(letters) = &mut self.loss.dead_letters {
            letters.end();
        }
    }
}
