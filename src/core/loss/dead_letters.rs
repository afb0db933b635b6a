//! The lost records themselves, gathered for somebody to take (`--lost-to`): whole ones only, in the
//! order in which they were lost, each ended by its delimiter, and no more of them than may wait.
//!
//! Refuses to grow: a record that finds no space is counted instead, and so is one of which a part is
//! gone already. Knows nothing of why a record was lost.

use crate::core::account::Tally;
use crate::core::framing::Framing;
use crate::memory::Allowance;

/// What waits is handed over in pieces of about this size, so that none of it has to be copied when
/// it grows.
const BATCH: usize = 256 * 1024;

/// What a batch costs beside its text: it bounds their number.
const COST: u64 = 64;

/// Some lost records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// One behind the other, each with its delimiter; only the last may have come in without one.
    pub text: Vec<u8>,
    /// How many they are, and how many bytes of the input.
    pub lost: Tally,
}

impl Batch {
    /// What it takes of the space for what waits, in bytes.
    pub fn cost(&self) -> u64 {
        self.text.len() as u64 + COST
    }
}

/// What became of the lost records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadLetterCount {
    /// Those that were written, or taken to be.
    pub written: Tally,
    /// Those that were not and will not be.
    pub unwritten: Tally,
}

/// See the module's header.
pub struct DeadLetters {
    framing: Framing,
    /// Bytes that may wait here.
    space: u64,
    /// What the batches that are complete take of it.
    used: u64,
    batches: Vec<Batch>,
    /// The batch in the making; behind its records may be the beginning of one that is being added.
    batch: Batch,
    adding: Adding,
    /// A record that is lost while it still arrives.
    discarded: Vec<u8>,
    discarded_as: Adding,
    dead_letters: DeadLetterCount,
    allowance: Allowance,
}

/// A record that comes in pieces: how much of it has come, and whether that is kept.
#[derive(Debug, Clone, Copy, Default)]
struct Adding {
    bytes: u64,
    is_cut: bool,
    /// So much stands before those bytes that is no loss: the consumer had read it.
    read: u64,
}

impl DeadLetters {
    /// For records that end in `delimiter`. There is no space before [`DeadLetters::set_space`].
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            space: 0,
            used: 0,
            batches: Vec::new(),
            batch: Batch::default(),
            adding: Adding::default(),
            discarded: Vec::new(),
            discarded_as: Adding::default(),
            dead_letters: DeadLetterCount::default(),
            allowance: Allowance::default(),
        }
    }

    /// So many bytes may wait here from now on. What waits already stays.
    pub fn set_space(&mut self, bytes: u64) {
        self.space = bytes;
    }

    /// Space for so many bytes of records more, until [`DeadLetters::set_space`] says otherwise.
    pub fn add_space(&mut self, bytes: u64) {
        // In batches, and with a delimiter for the last.
        let cost = COST * (bytes / BATCH as u64 + 2) + 1;
        self.space = self.space.saturating_add(bytes).saturating_add(cost);
    }

    /// What became of all that was lost so far: taken counts as written.
    pub fn dead_letters(&self) -> DeadLetterCount {
        self.dead_letters
    }

    /// Takes what waits, but for a record of which more is to be added.
    pub fn take(&mut self) -> Vec<Batch> {
        self.complete_batch();
        self.used = 0;
        std::mem::take(&mut self.batches)
    }

    /// Adds bytes of lost records: the next piece of a row of whole ones.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let may_append = !self.adding.is_cut && self.adding.read == 0;
            if may_append && self.fits(bytes.len()) {
                return self.append(bytes);
            }
            let end = self.framing.first_end(bytes);
            let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if !self.adding.is_cut && self.fits(piece.len()) {
                self.append(piece);
            } else {
                self.pass_over(piece.len() as u64, end.is_some());
            }
            bytes = rest;
        }
    }

    /// The record added last is complete, though it may have no delimiter.
    pub fn end(&mut self) {
        if self.adding.bytes == 0 {
            self.adding = Adding::default();
        } else if self.adding.is_cut || !self.fits(1) {
            self.pass_over(0, true);
        } else {
            self.batch.text.extend(self.framing.terminator());
            self.count(Tally {
                bytes: self.adding.bytes,
                records: 1,
            });
            self.adding = Adding::default();
            // So that only a batch's last delimiter may be one that did not come in.
            self.complete_batch();
        }
    }

    /// What is added next begins with the rest of a record of which a part is gone, and so many bytes of that
    /// are lost.
    pub fn add_no_more_of_the_first(&mut self, lost: u64) {
        self.adding.bytes += lost;
        self.adding.is_cut = true;
    }

    /// What is added next begins with the rest of a record that began with these bytes, which the consumer
    /// has read: they make it whole, and are no loss.
    pub fn add_read(&mut self, bytes: &[u8]) {
        // Alone in its batch, for there is more text than loss.
        self.complete_batch();
        if bytes.is_empty() || self.adding.is_cut {
            return;
        }
        if self.fits(bytes.len()) {
            self.batch.text.extend_from_slice(bytes);
            self.adding.read = bytes.len() as u64;
        } else {
            self.adding.is_cut = true;
        }
    }

    /// So many bytes are lost that nobody has seen.
    pub fn add_unseen(&mut self, bytes: u64) {
        self.dead_letters.unwritten.bytes += bytes;
    }

    /// A piece of the record that is lost while it arrives.
    pub fn add_arriving(&mut self, piece: &[u8]) {
        self.discarded_as.bytes += piece.len() as u64;
        if self.discarded_as.is_cut {
            return;
        }
        if self.fits(piece.len()) && self.discarded.try_reserve(piece.len()).is_ok() {
            self.discarded.extend_from_slice(piece);
        } else {
            self.discarded_as.is_cut = true;
            self.discarded = Vec::new();
        }
    }

    /// That record is complete.
    pub fn end_arriving(&mut self) {
        let record = std::mem::take(&mut self.discarded);
        let Adding { bytes, is_cut, .. } = std::mem::take(&mut self.discarded_as);
        if is_cut {
            self.dead_letters.unwritten += Tally { bytes, records: 1 };
        } else {
            self.add(&record);
            self.end();
        }
    }

    /// Whether so many bytes more may wait, and there is memory for them.
    fn fits(&mut self, bytes: usize) -> bool {
        let waiting = self.used + self.batch.cost() + self.discarded.len() as u64;
        let has_space = waiting.saturating_add(bytes as u64) <= self.space;
        has_space && self.allowance.take(bytes) && self.batch.text.try_reserve(bytes).is_ok()
    }

    /// Puts bytes that fit behind the others.
    fn append(&mut self, bytes: &[u8]) {
        let partial = self.adding.bytes;
        self.batch.text.extend_from_slice(bytes);
        let Some(ended) = self.framing.last_end(bytes) else {
            self.adding.bytes += bytes.len() as u64;
            return;
        };
        let ended = ended as u64;
        self.count(Tally {
            bytes: partial + ended,
            records: self.framing.count(bytes),
        });
        let was_read = std::mem::take(&mut self.adding.read) > 0;
        self.adding.bytes = bytes.len() as u64 - ended;
        if was_read || self.batch.text.len() >= BATCH {
            self.complete_batch();
        }
    }

    /// So many bytes of the record that is being added find no space; what was added of it goes.
    fn pass_over(&mut self, bytes: u64, is_end: bool) {
        let whole = self.batch.text.len() - self.partial();
        self.batch.text.truncate(whole);
        self.adding = Adding {
            bytes: self.adding.bytes + bytes,
            is_cut: true,
            read: 0,
        };
        if is_end {
            self.dead_letters.unwritten += Tally {
                bytes: self.adding.bytes,
                records: 1,
            };
            self.adding = Adding::default();
        }
    }

    /// How much text the batch in the making has of the record that is being added.
    fn partial(&self) -> usize {
        let Adding {
            bytes,
            is_cut,
            read,
        } = self.adding;
        if is_cut { 0 } else { (read + bytes) as usize }
    }

    fn count(&mut self, lost: Tally) {
        self.batch.lost += lost;
        self.dead_letters.written += lost;
    }

    /// The whole records of the batch in the making are one to take; what is added goes on.
    fn complete_batch(&mut self) {
        if self.batch.lost.records == 0 {
            return;
        }
        let whole = self.batch.text.len() - self.partial();
        let rest = self.batch.text.split_off(whole);
        let batch = std::mem::take(&mut self.batch);
        self.batch.text = rest;
        self.used += batch.cost();
        self.batches.push(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_space(space: u64) -> DeadLetters {
        let mut spill = DeadLetters::new(Framing::delimited(b'\n'));
        spill.set_space(space);
        spill
    }

    fn text(spill: &mut DeadLetters) -> String {
        let batches = spill.take().into_iter();
        let text: Vec<u8> = batches.flat_map(|batch| batch.text).collect();
        String::from_utf8(text).unwrap()
    }

    fn tally(bytes: u64, records: u64) -> Tally {
        Tally { bytes, records }
    }

    #[test]
    fn records_come_out_as_they_were_however_they_were_cut() {
        let input = b"one\ntwo\n\nthree\nfour";
        for cut in 1..input.len() {
            let mut spill = with_space(1000);
            input.chunks(cut).for_each(|piece| spill.add(piece));
            spill.end();
            assert_eq!(
                text(&mut spill),
                "one\ntwo\n\nthree\nfour\n",
                "cut at {cut}"
            );
            assert_eq!(spill.dead_letters().written, tally(19, 5));
            assert_eq!(spill.dead_letters().unwritten, tally(0, 0));
        }
    }

    #[test]
    fn a_record_that_finds_no_room_is_counted_and_the_next_may_find_some() {
        let input = b"four\neleven byte\nten\nlast one";
        for cut in 1..input.len() {
            let mut spill = with_space(COST + 10);
            input.chunks(cut).for_each(|piece| spill.add(piece));
            spill.end();
            assert_eq!(text(&mut spill), "four\nten\n", "cut at {cut}");
            assert_eq!(spill.dead_letters().written, tally(9, 2));
            assert_eq!(spill.dead_letters().unwritten, tally(20, 2));
            spill.add(b"space now\n");
            assert_eq!(text(&mut spill), "space now\n");
        }
    }

    #[test]
    fn the_rest_of_a_record_is_no_record() {
        for (input, rest, kept) in [
            ("rest\nnext\n", tally(5, 1), "next\n"),
            ("rest\n", tally(5, 1), ""),
            ("rest", tally(4, 1), ""),
            ("", tally(0, 0), ""),
        ] {
            let mut spill = with_space(1000);
            spill.add_no_more_of_the_first(0);
            spill.add(input.as_bytes());
            spill.end();
            assert_eq!(spill.dead_letters().unwritten, rest, "{input:?}");
            spill.add(b"more\n");
            assert_eq!(text(&mut spill), format!("{kept}more\n"));
        }
    }

    #[test]
    fn a_discarded_record_comes_behind_those_that_are_lost_while_it_arrives() {
        let mut spill = with_space(1000);
        spill.add_arriving(b"doo");
        spill.add(b"another\n");
        spill.add_arriving(b"med\n");
        spill.end_arriving();
        assert_eq!(text(&mut spill), "another\ndoomed\n");
        spill.add_arriving(b"no end");
        spill.end_arriving();
        assert_eq!(text(&mut spill), "no end\n");
    }

    #[test]
    fn a_discarded_record_that_is_too_long_is_counted_whole_and_leaves_its_space() {
        let mut spill = with_space(COST + 10);
        for _ in 0..3 {
            spill.add_arriving(b"four");
        }
        spill.add(b"nine byte\n");
        spill.end_arriving();
        assert_eq!(text(&mut spill), "nine byte\n");
        assert_eq!(spill.dead_letters().unwritten, tally(12, 1));
    }

    #[test]
    fn much_is_taken_in_batches_of_whole_records() {
        let mut spill = with_space(u64::MAX);
        let record = [vec![b'x'; 99_999], b"\n".to_vec()].concat();
        let all = record.repeat(20);
        all.chunks(1_000).for_each(|piece| spill.add(piece));
        let batches = spill.take();
        assert!(batches.len() >= 6);
        assert!(batches.iter().all(|batch| batch.text.ends_with(b"\n")));
        assert!(batches.iter().all(|batch| batch.text.len() < 2 * BATCH));
        assert_eq!(
            batches.iter().map(|batch| batch.lost.records).sum::<u64>(),
            20
        );
        assert!(batches.into_iter().flat_map(|batch| batch.text).eq(all));
        assert!(spill.take().is_empty());
    }
}
