//! Consumers that follow one another (`--respawn`, `--broken-pipe wait`): what one has not wholly read is held, and
//! the next one gets it first. While there is none the output is blocked, and everything else goes on.
//!
//! What a consumer that lives has not read when the run ends counts as output: it will be, or nobody will ask.

use std::io::IoSlice;
use std::time::Duration;

use super::Relay;
use super::changes::Change;
use crate::core::account::{Reason, Tally};
use crate::core::allowance::Limit;
use crate::core::allowance::space::{Backoff, Space};
use crate::core::buffer::outstanding::{Gone, Outstanding};
use crate::core::buffer::queue::CHUNK;
use crate::core::ending::Ending;
use crate::core::lifecycle::Phase;
use crate::core::succession::Succession;

impl Relay {
    /// Whether a consumer that goes is followed by another.
    pub fn has_successors(&self) -> bool {
        self.succession.is_some()
    }

    /// Whether nobody reads, and it is known.
    pub fn is_left_alone(&self) -> bool {
        self.succession.as_ref().is_some_and(Succession::is_absent)
    }

    /// Whether it matters what the consumer has not read yet: for [`Relay::read_all_but`].
    pub fn awaits_reading(&self) -> bool {
        let written = |outstanding: &Outstanding| outstanding.written() > 0;
        self.buffer.outstanding.as_ref().is_some_and(written)
    }

    /// All that was written was read, but for the last so many bytes.
    pub fn read_all_but(&mut self, unread: u64, now: Duration) {
        self.sync_records();
        let Some(outstanding) = &mut self.buffer.outstanding else {
            return;
        };
        let gone = outstanding.read_all_but(unread);
        if gone != Gone::default() {
            self.reading_backoff = Backoff::default();
            self.count_as_output(gone, now);
        }
        self.end_if_drained(now);
    }

    fn count_as_output(&mut self, gone: Gone, now: Duration) {
        self.meter.output += gone.records;
        self.meter.marks += gone.marks;
        // Marks are not held.
        if gone.records.bytes > 0 {
            self.shrank(now);
        }
    }

    /// Fills `parts` from its front with what goes out again; returns how many parts.
    pub(super) fn offer_again<'a>(
        &'a self,
        limit: Limit,
        space: Space,
        parts: &mut [IoSlice<'a>],
    ) -> usize {
        let Some(outstanding) = &self.buffer.outstanding else {
            return 0;
        };
        let most = limit.bytes.min(space.whole());
        let again = outstanding.offer(most, limit.records);
        let left = most - again.len() as u64;
        parts[0] = IoSlice::new(again);
        let is_all = again.len() as u64 == outstanding.again();
        if left == 0 || !(is_all && outstanding.is_open()) {
            return 1;
        }
        // With its end, so that it is not cut in two.
        let queue = &self.buffer.queue;
        let rest = queue.bytes_of_records(1, left.min(CHUNK as u64));
        let unended = self.offers_incomplete() && self.has_space_for_end(space);
        1 + queue.offer(&mut parts[1..], rest, unended)
    }

    /// The same as [`Relay::sent`], to a consumer that may be followed by another.
    pub(super) fn sent_for_now(&mut self, count: usize, now: Duration) {
        self.written += count as u64;
        let again = (self.buffer.again() as usize).min(count);
        let outstanding = self.buffer.outstanding.as_mut();
        let mut records = outstanding.map_or(0, |outstanding| outstanding.written_again(again));
        if count > again {
            records += self.sent_first(count - again, now);
        }
        // Also where only what goes out again did: what waited may have been too old.
        if self.buffer.queue.complete() == 0 {
            self.admission.emptied(now);
        }
        self.spend(count, records);
        self.end_if_drained(now);
    }

    /// So many bytes went out for the first time. Returns how many records, or marks, ended in them.
    fn sent_first(&mut self, count: usize, now: Duration) -> u64 {
        let of_mark = self.mark_left().min(count);
        if of_mark > 0 {
            self.begin_mark(now);
        }
        let framing = self.framing;
        let Some(outstanding) = &mut self.buffer.outstanding else {
            return 0;
        };
        // What there is no memory to keep counts as read.
        let mut unkept = Gone::default();
        let mut ended = 0;
        if let Some(marker) = self.loss.marker.as_mut().filter(|_| of_mark > 0) {
            let mark = &marker.left()[..of_mark];
            let ends = of_mark == marker.left().len();
            ended += u64::from(ends);
            if !outstanding.add_mark(mark, ends) {
                unkept.marks = tally(of_mark, u64::from(ends));
            }
            marker.advance(of_mark);
        }
        self.buffer.queue.front(count - of_mark, |piece| {
            let records = framing.count(piece);
            ended += records;
            if !outstanding.add(piece) {
                unkept.records += tally(piece.len(), records);
            }
        });
        if unkept != Gone::default() {
            self.lacks_memory = true;
            for gone in [outstanding.settle(), unkept] {
                self.meter.output += gone.records;
                self.meter.marks += gone.marks;
            }
        }
        let tail_was_out = self.buffer.queue.tail_is_out();
        self.buffer.queue.advance(count - of_mark);
        self.pass_gaps();
        self.sync_records();
        ended + u64::from(self.buffer.queue.tail_is_out() && !tail_was_out)
    }

    /// Nobody reads the output any more, and the last so many bytes that were written were not read.
    pub fn consumer_left(&mut self, unread: u64, now: Duration) {
        if self.lifecycle.is_over() {
            return;
        }
        self.read_all_but(unread, now);
        self.complete_mark();
        if let (Some(outstanding), Some(succession)) =
            (&mut self.buffer.outstanding, &mut self.succession)
        {
            succession.redelivered += outstanding.left();
            succession.left();
        }
        self.output_blocked(now);
        // Who interrupts us has ended it, too.
        if self.lifecycle.is_interrupted() {
            self.abandon(Reason::Shutdown, now);
        }
        self.end_if_drained(now);
    }

    /// A mark of which the consumer may have read a part stays what it is.
    fn complete_mark(&mut self) {
        if let (Some(outstanding), Some(marker)) =
            (&mut self.buffer.outstanding, self.loss.marker.as_mut())
            && marker.is_amid()
            && outstanding.complete_mark(marker.left())
        {
            marker.advance(marker.left().len());
        }
    }

    /// The process that read the output has ended, or could not be started.
    pub fn consumer_ended(&mut self, failed: bool, now: Duration) {
        let goes_on = match &mut self.succession {
            Some(succession) => succession.ended(failed, now),
            None => true,
        };
        if !goes_on && !self.lifecycle.is_over() {
            self.lifecycle.end_as(Ending::NoConsumer);
            self.abandon(Reason::BrokenPipe, now);
        }
    }

    /// When the next one is to be started.
    pub fn next_consumer_at(&self) -> Option<Duration> {
        let at = self.succession.as_ref().and_then(Succession::starts_at);
        at.filter(|_| !self.lifecycle.is_over())
    }

    /// It is being started. It asks for itself: who went needs no more.
    pub fn consumer_starts(&mut self, now: Duration) {
        if let Some(demand) = &mut self.allowance.demand {
            demand.withdraw();
        }
        if let Some(succession) = &mut self.succession {
            succession.starting(now);
        }
    }

    /// Somebody reads the output again, or for the first time.
    pub fn consumer_came(&mut self, now: Duration) {
        self.output_ready();
        if let Some(succession) = &mut self.succession {
            let before = succession.restarts;
            succession.came();
            if succession.restarts > before {
                self.changed(Change::Respawn, now);
            }
        }
    }

    /// Only what the consumer reads changes anything, and nothing tells of that.
    fn awaits_only_reading(&self) -> bool {
        let matters = self.pressure.is_pressured() || self.lifecycle.phase == Phase::Draining;
        self.awaits_reading() && matters && !self.has_output()
    }

    /// The loop is about to wait for something, and not only to look.
    pub fn await_reading(&mut self, now: Duration) {
        if self.awaits_only_reading() && self.reading_backoff.until().is_none() {
            self.reading_backoff.begin(now);
        }
    }

    /// When it is looked again what the consumer has read.
    pub(super) fn reading_deadline(&self) -> Option<Duration> {
        let until = self.reading_backoff.until();
        until.filter(|_| self.awaits_only_reading())
    }

    /// Whether nothing that went out need be kept: all was read, or nobody waits for that. Then it counts as
    /// output.
    pub(super) fn is_read_or_too_late(&mut self, now: Duration) -> bool {
        let is_draining = self.lifecycle.phase == Phase::Draining;
        let Some(outstanding) = &mut self.buffer.outstanding else {
            return true;
        };
        if is_draining && !outstanding.is_empty() {
            return false;
        }
        let gone = outstanding.settle();
        self.count_as_output(gone, now);
        true
    }

    /// Nothing goes out again: what a consumer that lives was sent counts as output, all else is lost. More of the
    /// last record is held if `goes_on`.
    pub(super) fn take_out_outstanding(&mut self, goes_on: bool) -> Tally {
        let Some(outstanding) = &mut self.buffer.outstanding else {
            return Tally::default();
        };
        let (gone, rest) = outstanding.give_up();
        if let Some(letters) = &mut self.loss.dead_letters
            && (goes_on || !rest.bytes.is_empty())
        {
            match &rest.begun {
                Some(begun) => {
                    letters.add_space((begun.len() + rest.bytes.len()) as u64);
                    letters.add_read(begun);
                }
                None => letters.add_no_more_of_the_first(0),
            }
            letters.add(&rest.bytes);
        }
        self.meter.output += gone.records;
        self.meter.marks += gone.marks;
        rest.lost
    }
}

fn tally(bytes: usize, records: u64) -> Tally {
    let bytes = bytes as u64;
    Tally { bytes, records }
}
