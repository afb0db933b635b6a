//! Bytes in a row of chunks: memory is taken a chunk at a time at the back and given back at the
//! front. Delimiters are counted once, when bytes come; when bytes leave, a chunk's number goes with
//! its last byte, or its front part is counted when somebody asks.
//!
//! Counts delimiters, but knows no records: where one begins and which may leave is the queue's.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::core::framing::Framing;
use crate::memory::{self, MAPPED, Region};

/// See the module's header.
pub(super) struct Fifo {
    framing: Framing,
    chunks: VecDeque<Chunk>,
    len: u64,
    /// The sum over the chunks: a snapshot of the account asks for it, however many they are.
    delimiters: u64,
    /// Delimiters that left and that no call has returned yet.
    deferred: u64,
}

/// A piece of memory and what is in it.
pub(super) struct Chunk {
    bytes: Region,
    /// The bytes in the fifo are `start..end`.
    start: usize,
    end: usize,
    /// Up to here delimiters have been taken out of `delimiters`; at most `start`.
    counted: usize,
    /// Delimiters in `counted..end`.
    delimiters: u64,
}

impl Chunk {
    /// None when the system has no memory left, or less than `besides` beside it.
    pub(super) fn new(size: usize, besides: usize) -> Option<Self> {
        // Tests take memory by the byte.
        if size >= MAPPED && !memory::is_there(size.saturating_add(besides)) {
            return None;
        }
        Some(Self {
            bytes: Region::new(size)?,
            start: 0,
            end: 0,
            counted: 0,
            delimiters: 0,
        })
    }

    /// A chunk that holds just these bytes.
    fn of(bytes: Vec<u8>, delimiters: u64) -> Self {
        let bytes = bytes.into_boxed_slice();
        Self {
            start: 0,
            end: bytes.len(),
            bytes: Region::of(bytes),
            counted: 0,
            delimiters,
        }
    }

    /// Memory taken, in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes in the fifo.
    pub(super) fn held(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        (self.start, self.end, self.counted, self.delimiters) = (0, 0, 0, 0);
    }

    /// Takes out the delimiters of what left the front.
    fn take_deferred(&mut self, framing: Framing) -> u64 {
        let left = if self.is_empty() {
            self.delimiters
        } else {
            framing.count(&self.bytes[self.counted..self.start])
        };
        self.counted = self.start;
        self.delimiters -= left;
        left
    }
}

impl Fifo {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            chunks: VecDeque::new(),
            len: 0,
            delimiters: 0,
            deferred: 0,
        }
    }

    /// Bytes in the fifo.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Memory taken, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.chunks.iter().map(Chunk::size).sum()
    }

    /// The bytes, oldest first.
    pub(super) fn pieces(
        &self,
    ) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator<Item = &[u8]> {
        self.chunks.iter().map(Chunk::held)
    }

    /// The `bytes` bytes behind the first `skipped`, in one piece: a copy where they lie in
    /// several chunks, or None when the system has no memory for it.
    pub(super) fn part(&self, skipped: u64, bytes: u64) -> Option<Cow<'_, [u8]>> {
        let (mut skipped, bytes) = (skipped as usize, bytes as usize);
        let mut copy = Vec::new();
        for piece in self.pieces() {
            let Some(piece) = piece.get(skipped..).filter(|rest| !rest.is_empty()) else {
                skipped -= piece.len();
                continue;
            };
            skipped = 0;
            if copy.is_empty() && piece.len() >= bytes {
                return Some(Cow::Borrowed(&piece[..bytes]));
            }
            if copy.is_empty() {
                copy.try_reserve_exact(bytes).ok()?;
            }
            copy.extend_from_slice(&piece[..piece.len().min(bytes - copy.len())]);
            if copy.len() == bytes {
                break;
            }
        }
        Some(Cow::Owned(copy))
    }

    /// Bytes up to the first delimiter, which is one of them; None when there is no delimiter.
    pub(super) fn first_record(&self) -> Option<u64> {
        let mut before = 0;
        for piece in self.pieces() {
            if let Some(end) = self.framing.first_end(piece) {
                return Some(before + end as u64);
            }
            before += piece.len() as u64;
        }
        None
    }

    // ---- the back ---------------------------------------------------------------------------

    /// Space behind the last byte.
    pub(super) fn space(&self) -> usize {
        self.chunks
            .back()
            .map_or(0, |chunk| chunk.size() - chunk.end)
    }

    /// Takes an empty chunk into use, or gives the fifo more space by it. False when there is no memory
    /// for its place in the row; then the chunk goes.
    pub(super) fn extend(&mut self, chunk: Chunk) -> bool {
        debug_assert!(chunk.is_empty());
        let has_place = self.has_places();
        if has_place {
            self.chunks.push_back(chunk);
        }
        has_place
    }

    /// Whether there are places for some chunks more: one, and those that parting others takes.
    fn has_places(&mut self) -> bool {
        const SOME: usize = 4;
        let (used, taken) = (self.chunks.len(), self.chunks.capacity());
        // It grows by as much again; little of that is no matter.
        let growth = 2 * taken.max(SOME) * size_of::<Chunk>();
        taken - used >= SOME
            || ((growth < MAPPED || memory::may_be_taken(growth))
                && self.chunks.try_reserve(SOME).is_ok())
    }

    /// The memory behind the last byte, and where it begins in its chunk. There must be a chunk.
    pub(super) fn spare(&mut self) -> (usize, &mut [u8]) {
        let chunk = self.chunks.back_mut().expect("a fifo with space");
        (chunk.end, &mut chunk.bytes[chunk.end..])
    }

    /// Part of the last chunk's memory, in the fifo or not.
    pub(super) fn memory_of_last(&self, from: usize, to: usize) -> &[u8] {
        self.chunks
            .back()
            .map_or(&[], |chunk| &chunk.bytes[from..to])
    }

    /// Puts `count` bytes that lie at `from` of the last chunk's memory behind the last byte;
    /// they hold so many delimiters.
    ///
    /// Where [`Fifo::retract`] has emptied the last chunk, they go into the space before it if they
    /// fit: else a short record between long ones that are taken back would cost a chunk each time.
    pub(super) fn keep(&mut self, from: usize, count: usize, delimiters: u64) {
        self.len += count as u64;
        self.delimiters += delimiters;
        let mut last = self.chunks.pop_back().expect("kept bytes have a chunk");
        let before = self.chunks.back_mut().filter(|before| {
            let space = before.size() - before.end;
            last.is_empty() && space >= count
        });
        if let Some(before) = before {
            let to = before.end..before.end + count;
            before.bytes[to].copy_from_slice(&last.bytes[from..from + count]);
            before.end += count;
            before.delimiters += delimiters;
        } else {
            if from != last.end {
                last.bytes.copy_within(from..from + count, last.end);
            }
            last.end += count;
            last.delimiters += delimiters;
        }
        self.chunks.push_back(last);
    }

    /// The last byte counts as a delimiter too.
    pub(super) fn count_delimiter(&mut self) {
        let mut from_back = self.chunks.iter_mut().rev();
        let chunk = from_back.find(|chunk| !chunk.is_empty());
        chunk.expect("the last byte has a chunk").delimiters += 1;
        self.delimiters += 1;
    }

    /// Takes back the last `bytes` bytes, of which none was counted as a delimiter. Emptied
    /// chunks go to `retire`, but for the last: bytes may be staged in it.
    pub(super) fn retract(&mut self, bytes: u64, mut retire: impl FnMut(Chunk)) {
        self.len -= bytes;
        let mut left = bytes;
        let mut at = self.chunks.len();
        while left > 0 {
            at -= 1;
            let is_last = at + 1 == self.chunks.len();
            let chunk = &mut self.chunks[at];
            let here = left.min((chunk.end - chunk.start) as u64);
            chunk.end -= here as usize;
            left -= here;
            if chunk.is_empty() && !is_last {
                // They left before, and nobody asked since.
                self.deferred += chunk.delimiters;
                self.delimiters -= chunk.delimiters;
                if let Some(chunk) = self.chunks.remove(at) {
                    retire(chunk);
                }
            }
        }
    }

    /// Puts `bytes` in front of the last `behind` bytes; nothing there, or in the memory behind the
    /// last byte, moves.
    pub(super) fn insert(&mut self, behind: u64, bytes: Vec<u8>) {
        let delimiters = self.framing.count(&bytes);
        // Only the first chunk is looked at for what left, and it may be another after this.
        self.settle_front();
        let at = self.part_before(behind);
        self.len += bytes.len() as u64;
        self.delimiters += delimiters;
        self.chunks.insert(at, Chunk::of(bytes, delimiters));
    }

    /// Makes a chunk begin with the last `behind` bytes, by copying what is before them in it;
    /// returns its place. For none it is the last chunk, as bytes may be staged in that.
    fn part_before(&mut self, behind: u64) -> usize {
        let mut at = self.chunks.len().saturating_sub(1);
        let mut left = behind as usize;
        while let Some(chunk) = self.chunks.get(at)
            && chunk.held().len() < left
        {
            left -= chunk.held().len();
            at -= 1;
        }
        let Some(chunk) = self.chunks.get_mut(at) else {
            return at;
        };
        let before = chunk.held().len() - left;
        if before == 0 {
            return at;
        }
        let part = chunk.held()[..before].to_vec();
        let delimiters = self.framing.count(&part);
        chunk.start += before;
        chunk.counted = chunk.start;
        chunk.delimiters -= delimiters;
        self.chunks.insert(at, Chunk::of(part, delimiters));
        at + 1
    }

    /// Puts a copy of `piece` behind the last byte, in chunks that `take` gives. False when it
    /// gives none: then a part may have been copied.
    fn append(&mut self, piece: &[u8], mut take: impl FnMut() -> Option<Chunk>) -> bool {
        let mut left = piece;
        while !left.is_empty() {
            if self.space() == 0 {
                let is_longer = take().is_some_and(|chunk| self.extend(chunk));
                if !is_longer {
                    return false;
                }
            }
            let (_, space) = self.spare();
            let (now, later) = left.split_at(left.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            self.len += now.len() as u64;
            self.chunks.back_mut().expect("a fifo with space").end += now.len();
            left = later;
        }
        true
    }

    // ---- the front --------------------------------------------------------------------------

    /// The oldest `bytes` bytes leave. What they held of delimiters is deferred until [`Fifo::take_deferred`].
    /// Emptied chunks go to `retire`, but for the
    /// last, whose memory is used again.
    pub(super) fn advance(&mut self, bytes: u64, mut retire: impl FnMut(Chunk)) {
        self.len -= bytes;
        let mut left = bytes as usize;
        while let Some(chunk) = self.chunks.front_mut() {
            let here = left.min(chunk.end - chunk.start);
            chunk.start += here;
            left -= here;
            if !chunk.is_empty() {
                break;
            }
            self.delimiters -= chunk.delimiters;
            self.deferred += std::mem::take(&mut chunk.delimiters);
            chunk.counted = chunk.start;
            if self.chunks.len() == 1 {
                break;
            }
            self.chunks.pop_front().map(&mut retire);
        }
    }

    /// The delimiters that left and were not returned before. Looks at one chunk at most.
    pub(super) fn take_deferred(&mut self) -> u64 {
        self.settle_front();
        std::mem::take(&mut self.deferred)
    }

    fn settle_front(&mut self) {
        if let Some(chunk) = self.chunks.front_mut() {
            let left = chunk.take_deferred(self.framing);
            self.delimiters -= left;
            self.deferred += left;
        }
    }

    /// So many delimiters that left are still to be returned.
    pub(super) fn defer(&mut self, delimiters: u64) {
        self.deferred += delimiters;
    }

    /// Delimiters in the fifo; [`Fifo::take_deferred`] must come first.
    pub(super) fn delimiters(&self) -> u64 {
        self.delimiters
    }

    /// With nothing in the fifo, the next bytes come to the front of the memory used last: it is
    /// still in the cache.
    pub(super) fn rewind(&mut self) {
        debug_assert_eq!(self.len, 0);
        if let Some(chunk) = self.chunks.back_mut() {
            self.deferred += chunk.delimiters;
            self.delimiters -= chunk.delimiters;
            chunk.clear();
        }
    }

    /// The first record, `bytes` bytes with its delimiter, leaves, and no call returns its
    /// delimiter later. What left must have been counted; emptied chunks go to `retire`, but for the last.
    pub(super) fn drop_record(&mut self, bytes: u64, mut retire: impl FnMut(Chunk)) {
        self.len -= bytes;
        let mut left = bytes as usize;
        while let Some(chunk) = self.chunks.front_mut() {
            let here = left.min(chunk.end - chunk.start);
            chunk.start += here;
            chunk.counted = chunk.start;
            left -= here;
            let ended = u64::from(here > 0 && left == 0);
            chunk.delimiters -= ended;
            self.delimiters -= ended;
            if !chunk.is_empty() || self.chunks.len() == 1 {
                break;
            }
            self.chunks.pop_front().map(&mut retire);
        }
    }

    /// Copies the first record, `bytes` bytes with its delimiter, to the back of `other`, in chunks
    /// that `take` gives. False when it gives none: then nothing has changed but memory.
    pub(super) fn copy_record(
        &self,
        bytes: u64,
        other: &mut Fifo,
        mut take: impl FnMut() -> Option<Chunk>,
    ) -> bool {
        if other.len == 0 {
            other.rewind();
        }
        let mut left = bytes as usize;
        for piece in self.pieces() {
            let here = left.min(piece.len());
            let before = other.len;
            if !other.append(&piece[..here], &mut take) {
                let copied = bytes - left as u64 + (other.len - before);
                other.retract(copied, drop);
                return false;
            }
            left -= here;
            if left == 0 {
                break;
            }
        }
        other.count_delimiter();
        true
    }

    /// Moves the oldest `bytes` bytes to the back of `other`: whole chunks as they are, and a
    /// copy of the part of one. What left both must have been counted.
    pub(super) fn move_front(&mut self, bytes: u64, other: &mut Fifo) {
        let mut left = bytes;
        self.len -= bytes;
        other.len += bytes;
        while left > 0 {
            // The last chunk stays, as its free end may be in use.
            let is_last = self.chunks.len() == 1;
            let Some(chunk) = self.chunks.front_mut() else {
                return;
            };
            let held = (chunk.end - chunk.start) as u64;
            if held <= left && !is_last {
                left -= held;
                self.delimiters -= chunk.delimiters;
                other.delimiters += chunk.delimiters;
                other.chunks.extend(self.chunks.pop_front());
                continue;
            }
            let part = &chunk.held()[..left as usize];
            let delimiters = self.framing.count(part);
            let part = part.to_vec();
            self.delimiters -= delimiters;
            other.delimiters += delimiters;
            other.chunks.push_back(Chunk::of(part, delimiters));
            chunk.start += left as usize;
            chunk.counted = chunk.start;
            chunk.delimiters -= delimiters;
            left = 0;
        }
    }
}
