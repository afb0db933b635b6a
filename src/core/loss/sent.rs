//! What was sent last, as far as it may still lie unread in the consumer's pipe: where marks lie in it,
//! and, where they are needed, the bytes themselves, from the beginning of the record that the oldest
//! of them belongs to.
//!
//! Positions count all bytes that went out, marks included; each call says how many that are by now.
//! Bounded by being told what was read meanwhile ([`Sent::is_long`], [`Sent::forget_read`]). Refuses to
//! keep more of a record that was read in part than `MOST_READ` bytes.

use std::collections::VecDeque;
use std::ops::Range;

use crate::core::account::Tally;
use crate::core::framing::Framing;

/// Of one record the part that was read is kept up to this length: no more waits to be written to the
/// file of lost records either.
const MOST_READ: u64 = 4 << 20;

/// So many marks are kept before anybody is asked what was read.
const LEAST_MARKS: usize = 64;

/// See the module's header.
pub struct Sent {
    framing: Framing,
    /// Oldest first.
    marks: VecDeque<MarkSpan>,
    most_marks: usize,
    /// None where the bytes are of no use.
    text: Option<Text>,
    /// So many bytes are kept before anybody is asked what was read.
    least_text: usize,
}

/// Bytes of one mark that lie next to each other.
struct MarkSpan {
    span: Range<u64>,
    /// Its last byte is among them.
    ends: bool,
}

/// The last bytes that were sent.
struct Text {
    bytes: Vec<u8>,
    most: usize,
    /// The first of them does not begin a record.
    is_cut: bool,
}

/// What lay in the output, unread, when its reader had gone.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// So many bytes at least.
    pub bytes: u64,
    /// Those bytes, in the order in which they were sent, where the system gave them back.
    pub text: Option<Vec<u8>>,
}

/// What of the last bytes was not read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// Bytes of records, and the records that ended in them.
    pub records: Tally,
    /// Bytes of marks, and the marks that ended in them.
    pub marks: Tally,
}

/// Records that were not read, or not wholly.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LostText {
    /// One behind the other, without marks; the last one may be sent in part only.
    pub bytes: Vec<u8>,
    /// So many of these bytes, from the front, were read: they belong to the first record.
    pub read: u64,
    /// The beginning of the first record is not known any more.
    pub is_cut: bool,
}

impl Sent {
    /// Nothing was sent. `least` bytes (>= 1) are kept before anybody is asked what was read.
    pub fn new(framing: Framing, least: usize) -> Self {
        Self {
            framing,
            marks: VecDeque::new(),
            most_marks: LEAST_MARKS,
            text: None,
            least_text: least,
        }
    }

    /// Keeps the bytes as well, from now on, before any was sent.
    pub fn keep_text(&mut self) {
        self.text.get_or_insert(Text {
            bytes: Vec::new(),
            most: self.least_text,
            is_cut: false,
        });
    }

    /// Whether the bytes are wanted.
    pub fn keeps_text(&self) -> bool {
        self.text.is_some()
    }

    /// These bytes were sent next.
    pub fn add(&mut self, bytes: &[u8]) {
        let Some(text) = &mut self.text else {
            return;
        };
        if text.bytes.try_reserve(bytes.len()).is_ok() {
            text.bytes.extend_from_slice(bytes);
        } else {
            text.bytes = Vec::new();
            text.is_cut = true;
        }
    }

    /// The next bytes that were sent are of a mark, the last of them at its end or not; they end at the
    /// position `total`.
    pub fn add_mark(&mut self, bytes: &[u8], ends: bool, total: u64) {
        self.add(bytes);
        let span = total - bytes.len() as u64..total;
        match self.marks.back_mut() {
            Some(last) if last.span.end == span.start && !last.ends => {
                last.span.end = total;
                last.ends = ends;
            }
            _ => self.marks.push_back(MarkSpan { span, ends }),
        }
    }

    /// Whether so much is kept that it is time to find out what was read.
    pub fn is_long(&self) -> bool {
        let is_long = |text: &Text| text.bytes.len() > text.most;
        self.marks.len() > self.most_marks || self.text.as_ref().is_some_and(is_long)
    }

    /// Of the `total` bytes that were sent all but the last `unread` were read. Twice what is left may come
    /// before it is asked again, so that keeping costs no more than a second copy.
    pub fn forget_read(&mut self, unread: u64, total: u64) {
        // The last record stays in any case: what has no pipe cannot say how much is unread.
        let from = total - unread.clamp(total.min(1), total);
        while self.marks.front().is_some_and(|mark| mark.span.end <= from) {
            self.marks.pop_front();
        }
        self.most_marks = LEAST_MARKS.max(2 * self.marks.len());
        let Some(text) = &mut self.text else {
            return;
        };
        let start = total - text.bytes.len() as u64;
        let read = from.saturating_sub(start) as usize;
        let mut goes = self.framing.last_end(&text.bytes[..read]).unwrap_or(0);
        text.is_cut &= goes == 0;
        if (read - goes) as u64 > MOST_READ {
            goes = read;
            text.is_cut = true;
        }
        text.bytes.drain(..goes);
        text.most = self.least_text.max(2 * text.bytes.len());
    }

    /// What the last `unread` of the `total` bytes that were sent are. Where the bytes are not kept,
    /// `given_back` are the last of them, as many as are known.
    pub fn unread(&self, unread: u64, total: u64, given_back: Option<&[u8]>) -> Unread {
        let from = total - unread;
        let mut found = Unread::default();
        for MarkSpan { span, ends } in &self.marks {
            if span.end > from {
                found.marks.bytes += span.end - span.start.max(from);
                found.marks.records += u64::from(*ends);
            }
        }
        found.records.bytes = unread - found.marks.bytes;
        let known = self.last(unread).or(given_back).unwrap_or_default();
        let of_records = self.without_marks(known, total);
        found.records.records = self.framing.count(&of_records);
        found
    }

    /// The records of which the last `unread` of the `total` bytes are, each from its beginning. As for
    /// [`Sent::unread`].
    pub fn lost_text(&self, unread: u64, total: u64, given_back: Option<&[u8]>) -> LostText {
        let Some(text) = self.text.as_ref().filter(|text| text.covers(unread)) else {
            let bytes = given_back.unwrap_or_default();
            return LostText {
                bytes: self.without_marks(bytes, total),
                read: 0,
                is_cut: bytes.len() as u64 != total,
            };
        };
        let read = text.bytes.len() - unread as usize;
        let end_before = self.framing.last_end(&text.bytes[..read]);
        let begin = match end_before {
            Some(end) => end,
            None if text.is_cut => read,
            None => 0,
        };
        let of_records = self.without_marks(&text.bytes[begin..read], total - unread);
        LostText {
            bytes: self.without_marks(&text.bytes[begin..], total),
            read: of_records.len() as u64,
            is_cut: text.is_cut && end_before.is_none(),
        }
    }

    /// The part of the last record that was sent, if it is known from its beginning: nothing where the last
    /// byte ended one.
    pub fn open_record(&self, total: u64) -> Option<Vec<u8>> {
        let text = self.text.as_ref()?;
        let begin = self.framing.last_end(&text.bytes).unwrap_or(0);
        let is_known = begin > 0 || !text.is_cut;
        is_known.then(|| self.without_marks(&text.bytes[begin..], total))
    }

    /// The last bytes, if so many are kept.
    fn last(&self, count: u64) -> Option<&[u8]> {
        let text = self.text.as_ref().filter(|text| text.covers(count))?;
        Some(&text.bytes[text.bytes.len() - count as usize..])
    }

    /// These bytes, which end at the position `end`, without those of marks.
    fn without_marks(&self, bytes: &[u8], end: u64) -> Vec<u8> {
        let start = end - bytes.len() as u64;
        let mut left = Vec::with_capacity(bytes.len());
        let mut at = start;
        let part = |from: u64, to: u64| &bytes[(from - start) as usize..(to - start) as usize];
        for MarkSpan { span, .. } in &self.marks {
            let (from, to) = (span.start.clamp(at, end), span.end.clamp(at, end));
            left.extend_from_slice(part(at, from));
            at = to;
        }
        left.extend_from_slice(part(at, end));
        left
    }
}

impl Text {
    /// Whether the last so many bytes are kept.
    fn covers(&self, count: u64) -> bool {
        count <= self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was sent, piece by piece: those that begin with a tilde are of marks.
    fn sent(pieces: &[&str], keeps_text: bool) -> (Sent, u64) {
        let mut sent = Sent::new(Framing::delimited(b'\n'), 10);
        if keeps_text {
            sent.keep_text();
        }
        let mut total = 0;
        for piece in pieces {
            total += piece.len() as u64;
            match piece.starts_with('~') {
                true => sent.add_mark(piece.as_bytes(), piece.ends_with('\n'), total),
                false => sent.add(piece.as_bytes()),
            }
        }
        (sent, total)
    }

    fn tally(bytes: u64, records: u64) -> Tally {
        Tally { bytes, records }
    }

    fn text(lost: &LostText) -> (&str, u64) {
        (std::str::from_utf8(&lost.bytes).unwrap(), lost.read)
    }

    const PIECES: [&str; 5] = ["one\ntw", "o\n", "~1\n", "thr", "ee\nfo"];

    #[test]
    fn the_last_bytes_are_counted_whether_they_are_kept_or_given_back() {
        let all = PIECES.concat();
        for unread in 0..=all.len() {
            let (read, last) = all.split_at(all.len() - unread);
            let marks: usize = (8..11).filter(|at| *at >= read.len()).count();
            let ends = last.matches('\n').count() as u64 - u64::from(marks > 0);
            let expected = Unread {
                records: tally((unread - marks) as u64, ends),
                marks: tally(marks as u64, u64::from(marks > 0)),
            };
            let unread = unread as u64;
            let (kept, total) = sent(&PIECES, true);
            assert_eq!(kept.unread(unread, total, None), expected);
            let (bare, total) = sent(&PIECES, false);
            let given_back = Some(last.as_bytes());
            assert_eq!(bare.unread(unread, total, given_back), expected);
        }
    }

    #[test]
    fn the_records_are_whole_and_without_marks() {
        let (sent, total) = sent(&PIECES, true);
        for (unread, expected) in [
            (1, ("fo", 1)),
            (2, ("fo", 0)),
            (3, ("three\nfo", 5)),
            (8, ("three\nfo", 0)),
            (9, ("three\nfo", 0)),
            (11, ("three\nfo", 0)),
            (12, ("two\nthree\nfo", 3)),
            (19, ("one\ntwo\nthree\nfo", 0)),
        ] {
            let lost = sent.lost_text(unread, total, None);
            assert_eq!(text(&lost), expected, "{unread}");
            assert!(!lost.is_cut);
        }
        assert_eq!(sent.open_record(total).as_deref(), Some(&b"fo"[..]));
    }

    #[test]
    fn given_back_bytes_have_no_beginning() {
        let (sent, total) = sent(&PIECES, false);
        let lost = sent.lost_text(9, total, Some(b"\nthree\nfo"));
        assert_eq!((text(&lost), lost.is_cut), (("three\nfo", 0), true));
        let lost = sent.lost_text(total, total, Some(PIECES.concat().as_bytes()));
        assert_eq!(text(&lost), ("one\ntwo\nthree\nfo", 0));
        assert!(!lost.is_cut);
        assert_eq!(sent.open_record(total), None);
    }

    #[test]
    fn what_was_read_is_forgotten_but_for_the_record_that_is_read_now() {
        let (mut sent, mut total) = sent(&PIECES, true);
        assert!(sent.is_long());
        sent.forget_read(3, total);
        assert!(!sent.is_long());
        assert_eq!(text(&sent.lost_text(3, total, None)), ("three\nfo", 5));
        assert!(sent.marks.is_empty());
        // All was read: the last record stays, for what cannot tell.
        sent.add(b"ur\n");
        total += 3;
        sent.forget_read(0, total);
        assert_eq!(text(&sent.lost_text(1, total, None)), ("four\n", 4));
        assert_eq!(sent.open_record(total).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn of_a_record_without_end_the_beginning_is_given_up() {
        let (mut sent, _) = sent(&[], true);
        sent.add(b"one\n");
        let many = vec![b'x'; MOST_READ as usize];
        sent.add(&many);
        sent.forget_read(1, MOST_READ + 4);
        assert!(
            !sent.lost_text(1, MOST_READ + 4, None).is_cut,
            "so much is kept"
        );
        sent.add(b"yyy");
        let total = MOST_READ + 7;
        sent.forget_read(2, total);
        let lost = sent.lost_text(2, total, None);
        assert_eq!((text(&lost), lost.is_cut), (("yy", 0), true));
        assert_eq!(sent.open_record(total), None);
        sent.add(b"\nnext\n");
        sent.forget_read(2, total + 6);
        let lost = sent.lost_text(2, total + 6, None);
        assert_eq!((text(&lost), lost.is_cut), (("next\n", 3), false));
    }

    #[test]
    fn a_mark_behind_a_tail_without_end_is_no_part_of_it() {
        let (mut sent, total) = sent(&["one\nta", "il"], true);
        let total = total + 4;
        sent.add_mark(b"\n~1\n", true, total);
        let lost = sent.lost_text(5, total, None);
        assert_eq!(text(&lost), ("tail", 3));
        assert_eq!(sent.unread(5, total, None).records, tally(1, 0));
        let last = Unread {
            records: tally(0, 0),
            marks: tally(2, 1),
        };
        assert_eq!(sent.unread(2, total, None), last);
    }
}
