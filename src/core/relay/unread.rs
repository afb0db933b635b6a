//! What the consumer never read of what went out. Once it is gone that is lost, too: its bytes, and each
//! record that it has not read to the end.
//!
//! Nothing is counted twice: a record of which the rest is still held is lost with that rest, and here only
//! the bytes of it that lay unread are. What was accepted stays what it was for all rates and bounds; only
//! the account shows it less what was not read.

use super::Relay;
use crate::core::account::Tally;
use crate::core::loss::marker::Marker;
use crate::core::loss::sent::{Leftover, LostText};

impl Relay {
    /// From now on, before anything was sent, what is sent is kept until it was read. For an output that will
    /// not give back what is unread.
    pub fn keep_sent(&mut self) {
        if self.framing.has_records() {
            self.loss.sent.keep_text();
        }
    }

    /// Whether what lay unread is wanted itself, and not only how much it was.
    pub fn wants_unread_text(&self) -> bool {
        self.framing.has_records()
    }

    /// Whether it is time to ask how much is unread: for [`Relay::forget_read`].
    pub fn remembers_much(&self) -> bool {
        self.loss.sent.is_long()
    }

    /// All that was sent was read, but for the last so many bytes.
    pub fn forget_read(&mut self, unread: u64) {
        self.loss.sent.forget_read(unread, self.output_bytes());
    }

    /// The consumer is gone, and this is what it left. Called once, before [`Relay::output_gone`], or behind the
    /// end of a run in which all was written.
    pub fn left_unread(&mut self, leftover: Leftover) {
        self.sync_records();
        let total = self.output_bytes();
        // The pipe may be another writer's as well.
        let bytes = leftover.bytes.min(total);
        let text = leftover.text.or_else(|| self.last_byte());
        let text = text.map(|mut text| text.split_off(text.len() - text.len().min(bytes as usize)));
        let text = text.as_deref();
        self.loss.unread = self.loss.sent.unread(bytes, total, text);
        // What others wrote into the pipe may stand where our marks were.
        let (marks, records) = (&mut self.loss.unread.marks, &mut self.loss.unread.records);
        marks.bytes = marks.bytes.min(self.meter.marks.bytes);
        marks.records = marks.records.min(self.meter.marks.records);
        records.bytes = records.bytes.min(self.meter.output.bytes);
        let lost = &mut self.loss.unread.records;
        if lost.bytes == 0 || !self.framing.has_records() {
            lost.records = 0;
            return;
        }
        // A tail without a delimiter is the last that went out.
        let tail_is_out = self.buffer.queue.tail_is_out();
        lost.records += u64::from(tail_is_out);
        lost.records = lost.records.min(self.meter.output.records);
        self.loss.tail_is_unread = self.buffer.queue.is_torn() && !tail_is_out;
        if self.loss.dead_letters.is_some() {
            let lost = self.loss.sent.lost_text(bytes, total, text);
            self.keep_unread(lost, tail_is_out);
        }
    }

    /// What is known of the last byte that went out: whether it ended a record, or a mark.
    fn last_byte(&self) -> Option<Vec<u8>> {
        let is_amid_mark = self.loss.marker.as_ref().is_some_and(Marker::is_amid);
        let ended = !self.buffer.queue.is_torn() && !is_amid_mark;
        ended.then(|| vec![self.config.delimiters.terminator()])
    }

    /// Keeps the records that were not read; of the last one, the end may still be held.
    fn keep_unread(&mut self, lost: LostText, tail_is_out: bool) {
        let LostText {
            bytes,
            read,
            is_cut,
        } = lost;
        let end = self.framing.last_end(&bytes).unwrap_or(0);
        let end = if tail_is_out { bytes.len() } else { end };
        let open = bytes.len() - end;
        self.loss.unread_of_open = self.loss.unread.records.bytes.min(open as u64);
        let Some(letters) = self.loss.dead_letters.as_mut().filter(|_| end > 0) else {
            return;
        };
        letters.add_space(bytes.len() as u64);
        if is_cut {
            letters.add_no_more_of_the_first(0);
        }
        letters.add_read(&bytes[..read as usize]);
        letters.add(&bytes[read as usize..end]);
        letters.end();
    }

    /// The input ended, or will not be read on: a record of which all that came went out is whole. If some of
    /// that was not read, it is lost.
    pub(super) fn close_unread_tail(&mut self) {
        if !std::mem::take(&mut self.loss.tail_is_unread) {
            return;
        }
        self.loss.unread.records.records += 1;
        self.keep_sent_part();
        if let Some(letters) = &mut self.loss.dead_letters {
            letters.end();
        }
    }

    /// What went out of the record whose rest is lost next, so that it is whole there.
    pub(super) fn keep_sent_part(&mut self) {
        let total = self.output_bytes();
        let Some(letters) = &mut self.loss.dead_letters else {
            return;
        };
        let unread = std::mem::take(&mut self.loss.unread_of_open);
        match self.loss.sent.open_record(total) {
            Some(part) => {
                letters.add_space(part.len() as u64);
                let (read, unread) = part.split_at(part.len() - unread as usize);
                letters.add_read(read);
                letters.add(unread);
            }
            None => letters.add_no_more_of_the_first(unread),
        }
    }

    /// What went out and was read, where that is known.
    pub(super) fn taken_output(&self) -> (Tally, Tally) {
        let less = |all: Tally, unread: Tally| Tally {
            bytes: all.bytes - unread.bytes,
            records: all.records - unread.records,
        };
        let (output, marks) = (self.meter.output, self.meter.marks);
        let unread = self.loss.unread;
        (less(output, unread.records), less(marks, unread.marks))
    }
}
