//! The bounded FIFO of bytes in which records wait, in chunks of memory taken as needed.
//!
//! ```text
//!   rest        chunks                                        last chunk
//!  [======] -> [  ####|####] -> ... -> [######|##] -> [####|##|aaaa......llllllll    ]
//!   begun       ^head                                          ^arriving  ^landed
//! ```
//!
//! - `landed`: bytes just read, not judged yet; they lie in the last chunk, in place, so that what
//!   is admitted need not be copied again. Not held: each turn judges all of them.
//! - `arriving`: the admitted part of the record whose delimiter has not come.
//! - `rest`: the unwritten rest of a record of which a byte was written, moved aside only when
//!   records behind it must leave.
//!
//! Knows nothing of limits and policies, and keeps no index of records: a boundary is found by
//! looking for the delimiter, so that memory stays proportional to the bytes, however short the
//! records. Delimiters are counted once, when bytes are kept, a number for each chunk.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::account::Tally;

/// The memory unit, and so the largest single read: big enough that system calls do not show
/// (128 KiB is two default pipes), small enough to stay in the second-level cache when the queue
/// is short. Less 64 bytes, so that with the allocator's header it fills whole pages: exactly
/// 128 KiB would touch a page more, 3% of the memory for nothing.
pub const CHUNK: usize = 128 * 1024 - 64;

/// Less room than this part of a chunk at its end is left unused rather than read into: 0.8% of
/// the memory against a system call for a few bytes.
const LEAST_LANDING: usize = 128;

/// Emptied chunks kept for the next use instead of returned to the system.
const SPARE_CHUNKS: usize = 2;

struct Chunk {
    bytes: Box<[u8]>,
    /// Held bytes are `start..end`.
    start: usize,
    end: usize,
    /// Up to here delimiters have been taken out of `delimiters`; at most `start`.
    counted: usize,
    /// Delimiters in `counted..end`.
    delimiters: u64,
}

impl Chunk {
    fn new(size: usize) -> Self {
        Self {
            bytes: vec![0; size].into_boxed_slice(),
            start: 0,
            end: 0,
            counted: 0,
            delimiters: 0,
        }
    }

    fn clear(&mut self) {
        (self.start, self.end, self.counted, self.delimiters) = (0, 0, 0, 0);
    }

    fn held(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

/// See the module's header.
pub struct Queue {
    delimiter: Option<u8>,
    chunk_size: usize,
    chunks: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    /// Bytes read but not judged: `landed_start..landed_end` of the last chunk.
    landed_start: usize,
    landed_end: usize,
    /// The begun record's unwritten rest, from `rest_start`.
    rest: Vec<u8>,
    rest_start: usize,
    /// Held bytes, the rest and the arriving record included.
    len: u64,
    arriving: u64,
    /// Position in the admitted stream of the first byte in `chunks`.
    head: u64,
    /// The last byte that was written ended no record.
    begun: bool,
    /// Bytes at the front that a helper thread is writing.
    under_way: usize,
    /// The last admitted byte ended no record.
    open: bool,
    /// The input ended in a record without a delimiter, and its last byte has not gone out.
    bare_tail: bool,
    /// Records that went out and that no call has returned yet.
    owed: u64,
}

impl Queue {
    /// A queue of records that end in `delimiter`, or of plain bytes if that is None; then
    /// no record is counted and none may be evicted. Memory is taken `chunk_size` (>= 1) bytes at a
    /// time: [`CHUNK`], or less in tests, where boundaries shall be met often.
    pub fn new(delimiter: Option<u8>, chunk_size: usize) -> Self {
        Self {
            delimiter,
            chunk_size,
            chunks: VecDeque::new(),
            spare: Vec::new(),
            landed_start: 0,
            landed_end: 0,
            rest: Vec::new(),
            rest_start: 0,
            len: 0,
            arriving: 0,
            head: 0,
            begun: false,
            under_way: 0,
            open: false,
            bare_tail: false,
            owed: 0,
        }
    }

    /// Bytes held.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes held of the record that is still arriving.
    pub fn arriving(&self) -> u64 {
        self.arriving
    }

    /// Bytes held of whole records, the rest of a begun one included.
    pub fn complete(&self) -> u64 {
        self.len - self.arriving
    }

    /// Position in the admitted stream of the first byte that can still be evicted, were it
    /// not begun.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Position in the admitted stream behind the last held byte.
    pub fn tail(&self) -> u64 {
        self.head + self.len - self.rest_len() as u64
    }

    /// Bytes of a begun record that an eviction has set aside.
    pub fn begun(&self) -> u64 {
        self.rest_len() as u64
    }

    fn rest_len(&self) -> usize {
        self.rest.len() - self.rest_start
    }

    // ---- arrival: land, judge, keep or discard -------------------------------------------

    /// Room for a read of at most `most` bytes (>= 1), never empty and at most a chunk.
    /// Everything landed before must have been judged.
    pub fn landing(&mut self, most: usize) -> &mut [u8] {
        debug_assert!(self.landed().is_empty());
        if self.len == self.rest_len() as u64 {
            self.rewind();
        }
        let least = (self.chunk_size / LEAST_LANDING).max(1);
        let needs_chunk = self
            .chunks
            .back()
            .is_none_or(|chunk| self.chunk_size - chunk.end < least);
        if needs_chunk {
            let chunk = self.spare.pop();
            let chunk = chunk.unwrap_or_else(|| Chunk::new(self.chunk_size));
            self.chunks.push_back(chunk);
        }
        let chunk = self.chunks.back_mut().expect("a chunk was pushed");
        self.landed_start = chunk.end;
        self.landed_end = chunk.end;
        let end = self.chunk_size.min(chunk.end.saturating_add(most));
        &mut chunk.bytes[chunk.end..end]
    }

    /// With nothing in the chunks, the next bytes go to the front of the memory used last: it is
    /// still in the cache.
    fn rewind(&mut self) {
        while self.chunks.len() > 1 {
            self.owed += self.chunks[0].delimiters;
            self.drop_front_chunk();
        }
        if let Some(chunk) = self.chunks.front_mut() {
            self.owed += chunk.delimiters;
            chunk.clear();
        }
    }

    /// The first `count` bytes of the landing were filled by a read.
    pub fn land(&mut self, count: usize) {
        self.landed_end = self.landed_start + count;
    }

    /// The bytes not judged yet.
    pub fn landed(&self) -> &[u8] {
        match self.chunks.back() {
            Some(chunk) => &chunk.bytes[self.landed_start..self.landed_end],
            None => &[],
        }
    }

    /// Admits the next `count` landed bytes, which end `delimiters` records; after the last of
    /// these come `unended` bytes (`count` when none is ended).
    pub fn keep(&mut self, count: usize, delimiters: u64, unended: u64) {
        let chunk = self.chunks.back_mut().expect("landed bytes have a chunk");
        let from = self.landed_start;
        if from != chunk.end {
            chunk.bytes.copy_within(from..from + count, chunk.end);
        }
        chunk.end += count;
        chunk.delimiters += delimiters;
        self.landed_start += count;
        self.len += count as u64;
        self.arriving = if delimiters > 0 { 0 } else { self.arriving } + unended;
        self.open = unended > 0;
    }

    /// Passes over the next `count` landed bytes.
    pub fn discard(&mut self, count: usize) {
        self.landed_start += count;
    }

    /// Takes the arriving record back; returns its bytes held so far. Its delimiter must not have
    /// been counted by [`Queue::keep`].
    pub fn retract(&mut self) -> u64 {
        let mut left = self.arriving;
        for chunk in self.chunks.iter_mut().rev() {
            let here = left.min((chunk.end - chunk.start) as u64);
            chunk.end -= here as usize;
            left -= here;
            if left == 0 {
                break;
            }
        }
        debug_assert_eq!(left, 0);
        self.open = false;
        self.len -= self.arriving;
        std::mem::take(&mut self.arriving)
    }

    /// The arriving bytes, now with their delimiter, are a whole record.
    pub fn complete_arriving(&mut self) {
        let chunk = self
            .chunks
            .back_mut()
            .expect("an arriving record has a chunk");
        chunk.delimiters += 1;
        self.arriving = 0;
        self.open = false;
    }

    /// The input ended: what came behind the last delimiter is a whole record too. Returns whether
    /// there was any.
    pub fn complete_tail(&mut self) -> bool {
        self.arriving = 0;
        let was_open = std::mem::take(&mut self.open) && self.delimiter.is_some();
        self.bare_tail |= was_open;
        was_open
    }

    // ---- eviction: whole records leave from the head --------------------------------------

    /// Evicts the oldest whole record of which no byte was written; None when there is none.
    pub fn evict_record(&mut self) -> Option<Tally> {
        self.set_begun_aside();
        let evictable = self.evictable();
        if evictable == 0 {
            return None;
        }
        let bytes = self.boundary_at(1).unwrap_or(evictable);
        Some(self.evict(bytes))
    }

    /// How many bytes the fewest oldest whole records have that together have at least
    /// `least` (>= 1) bytes; None when no records do.
    pub fn eviction_of(&mut self, least: u64) -> Option<u64> {
        self.set_begun_aside();
        let evictable = self.evictable();
        if least > evictable {
            return None;
        }
        Some(self.boundary_at(least).unwrap_or(evictable))
    }

    /// Evicts the first `bytes` bytes behind a begun record; they must end at a boundary, as
    /// [`Queue::eviction_of`] finds it.
    pub fn evict(&mut self, bytes: u64) -> Tally {
        debug_assert!(bytes <= self.evictable());
        self.settle_front();
        let records = self.leave(bytes, Count::Now);
        self.len -= bytes;
        Tally {
            bytes,
            records: records + self.take_bare_tail(),
        }
    }

    /// Bytes of whole records in the chunks. Valid when no begun record is in them.
    fn evictable(&self) -> u64 {
        self.len - self.rest_len() as u64 - self.arriving
    }

    /// Moves the rest of a begun record out of the chunks, so that the next record is at
    /// their head.
    fn set_begun_aside(&mut self) {
        let in_chunks = self.under_way.saturating_sub(self.rest_len()) as u64;
        let is_begun = in_chunks > 0 || (self.begun && self.rest_len() == 0);
        if !is_begun || self.evictable() == 0 {
            return;
        }
        let bytes = match in_chunks {
            0 => self.boundary_at(1),
            count => self.boundary_at(count),
        }
        .unwrap_or(self.evictable());
        self.rest.drain(..self.rest_start);
        self.rest_start = 0;
        let mut left = bytes as usize;
        for chunk in &self.chunks {
            let here = left.min(chunk.end - chunk.start);
            self.rest.extend_from_slice(&chunk.held()[..here]);
            left -= here;
            if left == 0 {
                break;
            }
        }
        // Its end is counted when it is written; from here on the chunks' counts lack it.
        self.settle_front();
        self.leave(bytes, Count::Now);
    }

    /// Bytes from the chunks' head to the end of the record that has the byte number `least`
    /// (counted from 1); None when no delimiter follows.
    fn boundary_at(&self, least: u64) -> Option<u64> {
        let delimiter = self.delimiter?;
        let mut before = 0;
        for chunk in &self.chunks {
            let held = chunk.held();
            let after = before + held.len() as u64;
            if after >= least {
                let from = least.saturating_sub(before + 1) as usize;
                if let Some(found) = memchr::memchr(delimiter, &held[from..]) {
                    return Some(before + (from + found) as u64 + 1);
                }
            }
            before = after;
        }
        None
    }

    // ---- departure: offer, write, settle ---------------------------------------------------

    /// Fills `parts` from its front with the oldest bytes, at most `most`, arriving ones only
    /// if `unended`; returns how many parts.
    pub fn offer<'a>(&'a self, parts: &mut [IoSlice<'a>], most: u64, unended: bool) -> usize {
        let offered = if unended { self.len } else { self.complete() };
        let mut left = most.min(offered);
        let mut used = 0;
        let rest = &self.rest[self.rest_start..];
        for piece in std::iter::once(rest).chain(self.chunks.iter().map(Chunk::held)) {
            let here = (piece.len() as u64).min(left) as usize;
            if used == parts.len() || left == 0 {
                break;
            }
            if here > 0 {
                parts[used] = IoSlice::new(&piece[..here]);
                used += 1;
                left -= here as u64;
            }
        }
        used
    }

    /// How many of the oldest bytes hold at most `records` record ends: all when there are fewer.
    pub fn bytes_of_records(&self, records: u64) -> u64 {
        let Some(delimiter) = self.delimiter else {
            return self.len;
        };
        let mut left = records;
        let mut bytes = 0;
        let rest = &self.rest[self.rest_start..];
        for piece in std::iter::once(rest).chain(self.chunks.iter().map(Chunk::held)) {
            for found in memchr::memchr_iter(delimiter, piece) {
                if left == 1 {
                    return bytes + found as u64 + 1;
                }
                left -= 1;
            }
            bytes += piece.len() as u64;
        }
        bytes
    }

    /// The first `count` offered bytes were handed to a thread that is writing them.
    pub fn hand_over(&mut self, count: usize) {
        self.under_way = count;
    }

    /// The oldest `count` bytes went out. Returns the records known to have ended in them;
    /// others are known after [`Queue::settle`].
    pub fn advance(&mut self, count: usize) -> u64 {
        if count == 0 {
            return 0;
        }
        self.under_way = self.under_way.saturating_sub(count);
        let from_rest = count.min(self.rest_len());
        let mut records = self.advance_rest(from_rest);
        let from_chunks = (count - from_rest) as u64;
        if from_chunks > 0 {
            self.begun = !self.is_boundary(from_chunks);
            records += self.leave(from_chunks, Count::Later);
        }
        self.len -= count as u64;
        self.arriving = self.arriving.min(self.len);
        records + self.take_bare_tail()
    }

    fn advance_rest(&mut self, count: usize) -> u64 {
        if count == 0 {
            return 0;
        }
        self.rest_start += count;
        self.begun = self.rest_len() > 0;
        let ended = memchr_count(
            self.delimiter,
            &self.rest[self.rest_start - count..self.rest_start],
        );
        if !self.begun {
            self.rest = Vec::new();
            self.rest_start = 0;
        }
        ended
    }

    /// Whether the byte number `count` of the chunks ends a record.
    fn is_boundary(&self, count: u64) -> bool {
        let mut left = count as usize;
        for chunk in &self.chunks {
            let held = chunk.held();
            if left <= held.len() {
                return Some(held[left - 1]) == self.delimiter;
            }
            left -= held.len();
        }
        false
    }

    /// Counts what [`Queue::advance`] left uncounted: the records that ended in bytes that went
    /// out of the first chunk. Cheap: at most one chunk is looked at.
    pub fn settle(&mut self) -> u64 {
        self.settle_front();
        std::mem::take(&mut self.owed) + self.take_bare_tail()
    }

    fn settle_front(&mut self) {
        if let Some(chunk) = self.chunks.front_mut() {
            self.owed += settle(chunk, self.delimiter);
        }
    }

    /// Whole records held. Call [`Queue::settle`] first.
    pub fn records(&self) -> u64 {
        let rest = memchr_count(self.delimiter, &self.rest[self.rest_start..]);
        let chunks: u64 = self.chunks.iter().map(|chunk| chunk.delimiters).sum();
        rest + chunks + u64::from(self.bare_tail)
    }

    /// Everything leaves. An arriving record must have been completed or retracted before.
    pub fn clear(&mut self) -> Tally {
        self.settle_front();
        let records = self.records();
        let bytes = self.len;
        self.leave(self.len - self.rest_len() as u64, Count::Now);
        self.rest.clear();
        self.rest_start = 0;
        self.len = 0;
        self.arriving = 0;
        self.under_way = 0;
        self.bare_tail = false;
        Tally { bytes, records }
    }

    fn take_bare_tail(&mut self) -> u64 {
        let gone = self.bare_tail && self.len == 0;
        self.bare_tail &= !gone;
        u64::from(gone)
    }

    /// Moves the chunks' head; returns the records that ended in those bytes as far as `count`
    /// asks for them.
    fn leave(&mut self, bytes: u64, count: Count) -> u64 {
        self.head += bytes;
        let mut left = bytes as usize;
        let mut records = 0;
        while let Some(chunk) = self.chunks.front_mut() {
            let here = left.min(chunk.end - chunk.start);
            chunk.start += here;
            left -= here;
            if count == Count::Now {
                records += settle(chunk, self.delimiter);
            }
            let is_last = self.chunks.len() == 1;
            let chunk = self.chunks.front_mut().expect("it was there");
            if chunk.start < chunk.end || is_last {
                break;
            }
            records += chunk.delimiters;
            chunk.delimiters = 0;
            self.drop_front_chunk();
        }
        // The last chunk stays for its memory; emptied, it owes no count.
        if let Some(chunk) = self.chunks.front_mut()
            && chunk.start == chunk.end
        {
            records += std::mem::take(&mut chunk.delimiters);
            chunk.counted = chunk.start;
        }
        records
    }

    fn drop_front_chunk(&mut self) {
        if let Some(mut chunk) = self.chunks.pop_front()
            && self.spare.len() < SPARE_CHUNKS
        {
            chunk.clear();
            self.spare.push(chunk);
        }
    }
}

/// When the records in leaving bytes are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    Now,
    /// By a later settle, or for a whole chunk by its number.
    Later,
}

fn settle(chunk: &mut Chunk, delimiter: Option<u8>) -> u64 {
    let left = if chunk.start == chunk.end {
        chunk.delimiters
    } else {
        memchr_count(delimiter, &chunk.bytes[chunk.counted..chunk.start])
    };
    chunk.counted = chunk.start;
    chunk.delimiters -= left;
    left
}

fn memchr_count(delimiter: Option<u8>, bytes: &[u8]) -> u64 {
    delimiter.map_or(0, |byte| memchr::memchr_iter(byte, bytes).count() as u64)
}
