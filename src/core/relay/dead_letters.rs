//! The lost records themselves, for `--lost-to`: what [`DeadLetters`] is fed at each place where a record is
//! lost. Each of these is called before the bytes leave the queue, and does nothing without the
//! option.

use super::Relay;
use crate::core::account::Tally;
use crate::core::loss::dead_letters::{Batch, DeadLetters};

impl Relay {
    /// Whether lost records wait to be taken, now or later.
    pub fn keeps_lost(&self) -> bool {
        self.spill.is_some()
    }

    /// So many bytes of lost records may wait here.
    pub fn may_keep_lost(&mut self, bytes: u64) {
        if let Some(spill) = &mut self.spill {
            spill.set_room(bytes);
        }
    }

    /// Takes the lost records that wait.
    pub fn take_lost(&mut self) -> Vec<Batch> {
        self.spill.as_mut().map_or_else(Vec::new, DeadLetters::take)
    }

    /// The oldest `bytes` bytes that wait are lost: whole records.
    pub(super) fn spill_head(&mut self, bytes: u64) {
        if let Some(spill) = &mut self.spill {
            self.queue.first(bytes, |piece| spill.add(piece));
            spill.end();
        }
    }

    /// The next `count` landed bytes are lost: whole records.
    pub(super) fn spill_landed(&mut self, count: usize) {
        if let Some(spill) = &mut self.spill {
            spill.add(&self.queue.landed()[..count]);
        }
    }

    /// A whole record that is not in the queue is lost.
    pub(super) fn spill_record(&mut self, record: &[u8]) {
        if let Some(spill) = &mut self.spill {
            spill.add(record);
            spill.end();
        }
    }

    /// The arriving record is lost, and whole.
    pub(super) fn spill_arriving(&mut self) {
        if let Some(spill) = &mut self.spill {
            self.queue.see_arriving(|piece| spill.add(piece));
            spill.end();
        }
    }

    /// The arriving record is lost before it is whole.
    pub(super) fn doom_arriving(&mut self) {
        if let Some(spill) = &mut self.spill {
            self.queue.see_arriving(|piece| spill.doom(piece));
        }
    }

    /// The next `count` landed bytes belong to that record.
    pub(super) fn doom_landed(&mut self, count: usize) {
        if let Some(spill) = &mut self.spill {
            spill.doom(&self.queue.landed()[..count]);
        }
    }

    /// That record has ended.
    pub(super) fn spill_doomed(&mut self) {
        if let Some(spill) = &mut self.spill {
            spill.close_doomed();
        }
    }

    /// No more comes of the record that is being lost.
    pub(super) fn end_spilled(&mut self) {
        if let Some(spill) = &mut self.spill {
            spill.end();
        }
    }

    /// The oldest `bytes` bytes that wait are lost, whole records, and may wait as they were held.
    pub(super) fn evict_and_spill(&mut self, bytes: u64) -> Tally {
        let Some(spill) = &mut self.spill else {
            return self.queue.evict(bytes);
        };
        spill.add_room(bytes);
        let lost = self.queue.evict_seen(bytes, |piece| spill.add(piece));
        spill.end();
        lost
    }

    /// Everything held is lost. It may wait as it was held: each piece of the queue's memory goes when
    /// it is copied. A record of which a part went out is whole again with that. Of the last, more may follow
    /// before [`Relay::end_spilled`].
    pub(super) fn clear_queue(&mut self) -> Tally {
        let is_torn = self.queue.is_torn() && !self.queue.is_empty();
        if is_torn {
            self.spill_sent_part();
        }
        let Some(spill) = &mut self.spill else {
            return self.queue.clear(|_| {});
        };
        spill.add_room(self.queue.len());
        self.queue.clear(|piece| spill.add(piece))
    }
}
