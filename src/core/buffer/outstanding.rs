//! What went out to a consumer that may be followed by another, from the first record on that it has not wholly
//! read: the next one gets it again.
//!
//! ```text
//!   read <- [ ....gone | ####written####|~~~again~~~ ] <- queue
//!                      ^ the first record not wholly read
//! ```
//!
//! 1. A record leaves when it was read to its end, and then only counts as output.
//! 2. What is here is held: it counts against C.
//! 3. What goes out again is the same bytes, marks included, before anything else.
//!
//! Refuses to know whether there is a consumer.

use std::collections::VecDeque;
use std::ops::Range;

use crate::core::account::Tally;
use crate::core::framing::Framing;

/// So much memory stays for what comes next: twice the usual pipe.
const KEPT: usize = 128 * 1024;

/// See the module's header.
pub struct Outstanding {
    framing: Framing,
    /// `gone` bytes that have left, then those that are here.
    bytes: Vec<u8>,
    gone: usize,
    /// So many of those that are here were written to the present consumer.
    written: usize,
    /// Position of the first that is here among all that ever were.
    start: u64,
    /// Where marks stand, in such positions.
    marks: VecDeque<MarkSpan>,
    /// Bytes of marks that are here.
    mark_bytes: u64,
    /// Records that end here.
    records: u64,
    /// The input ended here, in a record without a delimiter.
    tail_end: Option<u64>,
    /// Of a record whose end was not read no more is kept than that, once it was read. Of a mark all is.
    most_read: u64,
    /// The beginning of the first record left for that.
    is_cut: bool,
}

struct MarkSpan {
    span: Range<u64>,
    /// Its last byte is among them.
    ends: bool,
}

/// What left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Bytes of records, and the records that ended in them.
    pub records: Tally,
    /// The same of marks.
    pub marks: Tally,
}

/// What the next consumer would have got, and nobody will.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// What went out of the first of these records before; unknown where it was too much to keep.
    pub begun: Option<Vec<u8>>,
    /// The records behind that, without marks. The last one may be incomplete.
    pub bytes: Vec<u8>,
    /// How many that are.
    pub lost: Tally,
}

impl Outstanding {
    /// Nothing went out. Of a record that was read, and whose end has not come, at most `most_read` bytes stay.
    pub fn new(framing: Framing, most_read: u64) -> Self {
        Self {
            framing,
            bytes: Vec::new(),
            gone: 0,
            written: 0,
            start: 0,
            marks: VecDeque::new(),
            mark_bytes: 0,
            records: 0,
            tail_end: None,
            most_read,
            is_cut: false,
        }
    }

    fn here(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    /// Whole records that are here, and all bytes of records.
    pub fn held(&self) -> Tally {
        Tally {
            bytes: self.here().len() as u64 - self.mark_bytes,
            records: self.records,
        }
    }

    /// Whether nothing is here.
    pub fn is_empty(&self) -> bool {
        self.here().is_empty()
    }

    /// Memory taken, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes that were written to the present consumer, and that it may not have read.
    pub fn written(&self) -> u64 {
        self.written as u64
    }

    /// Bytes that are to be written again.
    pub fn again(&self) -> u64 {
        (self.here().len() - self.written) as u64
    }

    /// These bytes of records were written, behind all others; false where there is no memory to keep them.
    pub fn add(&mut self, bytes: &[u8]) -> bool {
        if !self.append(bytes) {
            return false;
        }
        self.records += self.framing.count(bytes);
        self.written += bytes.len();
        true
    }

    /// These bytes of a mark were written, the last of them at its end or not.
    pub fn add_mark(&mut self, bytes: &[u8], ends: bool) -> bool {
        let is_kept = self.append_mark(bytes, ends);
        self.written += if is_kept { bytes.len() } else { 0 };
        is_kept
    }

    /// The rest of a mark of which a part was written goes out with that.
    pub fn complete_mark(&mut self, bytes: &[u8]) -> bool {
        self.append_mark(bytes, true)
    }

    fn append_mark(&mut self, bytes: &[u8], ends: bool) -> bool {
        let from = self.start + self.here().len() as u64;
        let to = from + bytes.len() as u64;
        if !self.append(bytes) {
            return false;
        }
        self.mark_bytes += bytes.len() as u64;
        match self.marks.back_mut() {
            Some(last) if last.span.end == from && !last.ends => {
                last.span.end = to;
                last.ends = ends;
            }
            _ => {
                let span = from..to;
                self.marks.push_back(MarkSpan { span, ends });
            }
        }
        true
    }

    fn append(&mut self, bytes: &[u8]) -> bool {
        if self.gone >= self.here().len() {
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
        if self.bytes.try_reserve(bytes.len()).is_err() {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// The first so many of the bytes that go out again were written. Returns how many records, or marks, end in them.
    pub fn written_again(&mut self, count: usize) -> u64 {
        let from = self.written;
        self.written += count;
        let span = self.start + from as u64 + 1..=self.start + self.written as u64;
        let ends = |mark: &&MarkSpan| mark.ends && span.contains(&mark.span.end);
        let marks = self.marks.iter().filter(ends).count() as u64;
        let tail = u64::from(self.tail_end.is_some_and(|at| span.contains(&at)));
        let of_records = self.without_marks(from..self.written);
        self.framing.count(&of_records) + marks + tail
    }

    /// The input ended with the last byte that is here; false where nothing is.
    pub fn end_tail(&mut self) -> bool {
        if self.is_empty() {
            return false;
        }
        self.tail_end = Some(self.start + self.here().len() as u64);
        self.records += 1;
        true
    }

    /// All that was written was read, but for the last so many bytes. What need not go out again leaves.
    pub fn read_all_but(&mut self, unread: u64) -> Gone {
        let read = self.written - (unread as usize).min(self.written);
        let end = self.boundary_within(read);
        let position = self.start + end as u64;
        let is_mark = self.marks.iter().any(|mark| mark.span.start == position);
        let goes = if (read - end) as u64 > self.most_read && !is_mark {
            self.is_cut = self.framing.has_records();
            read
        } else {
            self.is_cut &= end == 0;
            end
        };
        self.take(goes)
    }

    /// There is no consumer any more. Returns how many records of those that it has not read were begun.
    pub fn left(&mut self) -> u64 {
        let written = self.without_marks(0..self.written);
        self.written = 0;
        if !self.framing.has_records() {
            return 0;
        }
        let (ends, end) = self.framing.survey(&written);
        ends + u64::from(end < written.len() as u64)
    }

    /// What goes out again next, at most `most` bytes and so many records. No record is cut in two but for one that
    /// is longer; one that goes on behind all this comes alone.
    pub fn offer(&self, most: u64, records: Option<u64>) -> &[u8] {
        let again = &self.here()[self.written..];
        let mut end = again.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        if let Some(records) = records {
            let within = &again[..end];
            let Some(last) = records.checked_sub(1) else {
                return &[];
            };
            end = self.framing.ends(within).nth(last as usize).unwrap_or(end);
        }
        if end < again.len() || self.is_open() {
            let boundary = self.boundary_within(self.written + end);
            let whole = boundary.saturating_sub(self.written);
            end = if whole > 0 { whole } else { end };
        }
        &again[..end]
    }

    /// Whether the last record goes on behind what is here.
    pub fn is_open(&self) -> bool {
        let end = self.here().len();
        self.framing.has_records() && self.boundary_within(end) < end
    }

    /// All that was written counts as read: nobody will ask.
    pub fn settle(&mut self) -> Gone {
        self.take(self.written)
    }

    /// All leaves that is not to go out any more: what was written counts as read.
    pub fn give_up(&mut self) -> (Gone, Rest) {
        let begun = self.boundary_within(self.written);
        let is_known = begun > 0 || !self.is_cut;
        let begun = is_known.then(|| self.without_marks(begun..self.written));
        let gone = self.settle();
        let bytes = self.without_marks(0..self.here().len());
        let lost = self.held();
        self.take(self.here().len());
        (gone, Rest { begun, bytes, lost })
    }

    /// The last end of a record, or mark, among the first `end` bytes; 0 where there is none.
    fn boundary_within(&self, end: usize) -> usize {
        if !self.framing.has_records() {
            return end;
        }
        let tail_end = self.tail_end.map(|at| (at - self.start) as usize);
        let tail_end = tail_end.filter(|at| *at <= end);
        let last_end = self.framing.last_end(&self.here()[..end]);
        let boundary = tail_end.max(last_end).unwrap_or(0);
        // A mark may begin with the end of the record before it, and is one all the same.
        let position = self.start + boundary as u64;
        let is_within = |mark: &&MarkSpan| {
            mark.span.start < position && (position < mark.span.end || !mark.ends)
        };
        let mark = self.marks.iter().find(is_within);
        mark.map_or(boundary, |mark| {
            mark.span.start.saturating_sub(self.start) as usize
        })
    }

    /// These of the bytes that are here, without those of marks.
    fn without_marks(&self, range: Range<usize>) -> Vec<u8> {
        let here = self.here();
        let mut left = Vec::with_capacity(range.len());
        let mut at = range.start;
        for MarkSpan { span, .. } in &self.marks {
            let place = |position: u64| {
                let place = position.saturating_sub(self.start) as usize;
                place.clamp(at, range.end)
            };
            let (from, to) = (place(span.start), place(span.end));
            left.extend_from_slice(&here[at..from]);
            at = to;
        }
        left.extend_from_slice(&here[at..range.end]);
        left
    }

    /// The first so many bytes leave.
    fn take(&mut self, count: usize) -> Gone {
        let mut gone = Gone::default();
        let end = self.start + count as u64;
        let of_records = self.without_marks(0..count);
        gone.records.bytes = of_records.len() as u64;
        gone.records.records = self.framing.count(&of_records);
        gone.marks.bytes = count as u64 - gone.records.bytes;
        while let Some(mark) = self.marks.front().filter(|mark| mark.span.end <= end) {
            gone.marks.records += u64::from(mark.ends);
            self.marks.pop_front();
        }
        if self.tail_end.take_if(|at| *at <= end).is_some() {
            gone.records.records += 1;
        }
        self.mark_bytes -= gone.marks.bytes;
        self.records -= gone.records.records;
        self.written -= count.min(self.written);
        self.start = end;
        self.gone += count;
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.gone = 0;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outstanding(most_read: u64, pieces: &[&str]) -> Outstanding {
        let mut outstanding = Outstanding::new(Framing::delimited(b'\n'), most_read);
        for piece in pieces {
            assert!(match piece.starts_with('~') {
                true => outstanding.add_mark(piece.as_bytes(), piece.ends_with('\n')),
                false => outstanding.add(piece.as_bytes()),
            });
        }
        outstanding
    }

    fn tally(bytes: u64, records: u64) -> Tally {
        Tally { bytes, records }
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    const PIECES: [&str; 5] = ["one\ntw", "o\n", "~1\n", "thr", "ee\nfo"];

    #[test]
    fn what_was_not_wholly_read_goes_out_again_from_the_beginning_of_a_record() {
        let all = PIECES.concat();
        for unread in 0..=all.len() {
            let mut outstanding = outstanding(u64::MAX, &PIECES);
            let read = &all[..all.len() - unread];
            let end = read.rfind('\n').map_or(0, |at| at + 1);
            let marks: usize = (8..11).filter(|at| *at < end).count();
            let gone = outstanding.read_all_but(unread as u64);
            let records = all[..end].matches('\n').count() as u64 - u64::from(marks > 0);
            assert_eq!(gone.records, tally((end - marks) as u64, records));
            assert_eq!(gone.marks, tally(marks as u64, u64::from(marks > 0)));
            assert_eq!(
                outstanding.held().bytes as usize,
                all.len() + marks - end - 3
            );
            let begun = all[end..].replace("~1\n", "").matches('\n').count() as u64 + 1;
            assert_eq!(outstanding.left(), begun);
            let mut again = text(outstanding.offer(u64::MAX, None)).to_owned();
            outstanding.written_again(again.len());
            again += text(outstanding.offer(u64::MAX, None));
            assert_eq!(again, &all[end..]);
            outstanding.left();
            assert_eq!(outstanding.again() as usize, all.len() - end);
        }
    }

    #[test]
    fn bytes_without_records_go_out_again_from_the_byte_on() {
        let mut outstanding = Outstanding::new(Framing::none(), 0);
        assert!(outstanding.add(b"one\ntwo"));
        let gone = outstanding.read_all_but(5);
        assert_eq!(gone.records, tally(2, 0));
        assert_eq!(outstanding.left(), 0);
        assert_eq!(outstanding.offer(3, None), b"e\nt");
        assert_eq!(outstanding.written_again(3), 0);
        assert_eq!(outstanding.offer(9, None), b"wo");
    }

    #[test]
    fn no_record_is_cut_in_two_that_need_not_be() {
        let mut outstanding = outstanding(u64::MAX, &PIECES);
        outstanding.left();
        for (most, records, expected) in [
            (7, None, "one\n"),
            (8, None, "one\ntwo\n"),
            (3, None, "one"),
            (99, Some(2), "one\ntwo\n"),
            (99, Some(3), "one\ntwo\n~1\n"),
            (9, Some(3), "one\ntwo\n"),
            (99, Some(9), "one\ntwo\n~1\nthree\n"),
            (99, Some(0), ""),
        ] {
            assert_eq!(text(outstanding.offer(most, records)), expected);
        }
        assert_eq!(outstanding.written_again(11), 3);
        assert_eq!(text(outstanding.offer(99, None)), "three\n");
        assert!(outstanding.is_open());
        outstanding.written_again(6);
        assert_eq!(text(outstanding.offer(99, None)), "fo");
    }

    #[test]
    fn of_a_record_without_end_what_is_too_long_is_not_kept() {
        let mut outstanding = outstanding(3, &["one\nlong"]);
        assert_eq!(outstanding.read_all_but(1).records, tally(4, 1));
        assert_eq!(outstanding.read_all_but(0).records, tally(4, 0));
        assert!(outstanding.is_empty() && outstanding.is_cut);
        outstanding.add(b"er\ntwo");
        outstanding.left();
        assert_eq!(outstanding.offer(99, None), b"er\n");
        let (gone, rest) = outstanding.give_up();
        assert_eq!(gone, Gone::default());
        assert_eq!((rest.begun, text(&rest.bytes)), (None, "er\ntwo"));
    }

    #[test]
    fn the_end_of_the_input_ends_a_record() {
        let mut outstanding = outstanding(u64::MAX, &["one\ntail"]);
        assert_eq!(outstanding.read_all_but(0).records, tally(4, 1));
        assert_eq!(outstanding.held(), tally(4, 0));
        assert!(outstanding.end_tail());
        assert_eq!(outstanding.held(), tally(4, 1));
        assert!(outstanding.add_mark(b"\n~1\n", true));
        assert_eq!(outstanding.read_all_but(3).records, tally(4, 1));
        assert_eq!(outstanding.read_all_but(1), Gone::default());
        assert_eq!(outstanding.left(), 0);
        assert_eq!(outstanding.written_again(4), 1);
        assert_eq!(outstanding.read_all_but(0).marks, tally(4, 1));
        assert!(!outstanding.end_tail(), "nothing is here");
    }

    #[test]
    fn what_nobody_will_get_is_told_with_the_beginning_of_its_first_record() {
        for (again, begun, rest, lost) in [
            (true, "", "one\ntwo\nthree\nfo", tally(16, 3)),
            (false, "fo", "", tally(0, 0)),
        ] {
            let mut outstanding = outstanding(u64::MAX, &PIECES);
            if again {
                outstanding.left();
            }
            let (gone, left) = outstanding.give_up();
            let mut all = gone.records;
            all += left.lost;
            assert_eq!(all, tally(16, 3));
            assert_eq!(text(&left.begun.unwrap()), begun);
            assert_eq!((text(&left.bytes), left.lost), (rest, lost));
            assert!(outstanding.is_empty());
            assert_eq!(outstanding.held(), tally(0, 0));
        }
        let mut outstanding = outstanding(u64::MAX, &PIECES);
        outstanding.left();
        outstanding.written_again(6);
        let (gone, left) = outstanding.give_up();
        assert_eq!(gone.records, tally(6, 1));
        assert_eq!(text(&left.begun.unwrap()), "tw");
        assert_eq!(
            (text(&left.bytes), left.lost),
            ("o\nthree\nfo", tally(10, 2))
        );
    }

    #[test]
    fn memory_follows_what_is_here() {
        let mut outstanding = outstanding(u64::MAX, &[]);
        for _ in 0..1000 {
            outstanding.add(&[b'\n'; 100]);
            outstanding.read_all_but(0);
        }
        assert!(outstanding.memory() <= 400, "{}", outstanding.memory());
    }
}
