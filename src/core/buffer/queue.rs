//! The bounded FIFO of bytes in which records wait, in chunks of memory taken as needed.
//!
//! ```text
//!  output <- [ partial ] <- [ classified ] <- [ waiting: ####|#### .. ####|iiii....ssssssss    ] <- input
//!                             ^ head                                      ^ incomplete ^ staged
//! ```
//!
//! - `staged`: bytes just read, not judged yet; they lie in the last chunk, in place, so that what
//!   is admitted need not be copied again. Not held: each turn judges all of them.
//! - `incomplete`: the admitted part of the record whose delimiter has not come.
//! - `partial`: the unwritten rest of a record of which a byte was written, or that was promised to go
//!   out next; split off only when records behind it must leave.
//! - `classified`: what an eviction by class left in place; empty unless one took place.
//!
//! 1. Bytes leave in the order in which they came, but for records that were evicted.
//! 2. An eviction takes whole records of which no byte was written and none is in flight.
//! 3. A position in the admitted stream means the same for as long as its byte is held.
//! 4. Delimiters are counted once: as what is held, or as what left (`take_deferred`), never as both.
//!
//! Knows nothing of limits and policies, and keeps no index of records: a boundary is found by
//! looking for the delimiter, so that memory stays proportional to the bytes, however short the
//! records.

use std::borrow::Cow;
use std::io::IoSlice;

use super::class_levels::{ClassLevels, Look, Memory, Unclassified};
use super::fifo::{Chunk, Fifo};
use crate::classes::Ranking;
use crate::core::account::Tally;
use crate::core::framing::Framing;
use crate::memory;

/// The memory unit, and so the largest single read: big enough that system calls do not show
/// (128 KiB is two default pipes), small enough to stay in the second-level cache when the queue
/// is short.
pub const CHUNK: usize = 128 * 1024;

/// Less space than this part of a chunk at its end is left unused rather than read into: 3% of the
/// memory against a system call for a few bytes. It is 4 KiB, so that a packet of a pipe in packet mode,
/// of which a shorter read loses the rest, is cut only where the buffer is almost full.
const LEAST_STAGED: usize = 32;

/// Emptied chunks kept for the next use instead of returned to the system: 1 MiB, what goes out of a
/// buffer of the usual size between its watermarks. A new chunk costs as much as filling it.
const SPARE_CHUNKS: usize = 8;

/// See the module's header.
pub struct Queue {
    framing: Framing,
    partial: Fifo,
    classified: ClassLevels,
    waiting: Fifo,
    spare: Spare,
    /// Bytes read but not judged: `staged_start..staged_end` of the last chunk's memory.
    staged_start: usize,
    staged_end: usize,
    incomplete: u64,
    /// Position in the admitted stream of the first byte of `waiting`.
    waiting_at: u64,
    /// The first record behind `partial` may not be evicted: a byte of it went out, or it was
    /// claimed.
    is_partial: bool,
    /// Bytes at the front that a helper thread is writing.
    in_flight: u64,
    /// The last admitted byte ended no record.
    open: bool,
    /// The input ended in a record without a delimiter, and its last byte has not gone out.
    bare_tail: bool,
    /// The last byte that went out ended no record.
    is_torn: bool,
    /// That byte was the last of a tail without a delimiter.
    tail_is_out: bool,
}

/// Shows the first `bytes` bytes of these pieces.
fn see_bytes<'a>(pieces: impl Iterator<Item = &'a [u8]>, bytes: usize, mut see: impl FnMut(&[u8])) {
    let mut left = bytes;
    for piece in pieces {
        if left == 0 {
            break;
        }
        let here = left.min(piece.len());
        see(&piece[..here]);
        left -= here;
    }
}

/// Shows the first of these pieces that is not empty; returns its length.
fn see_first<'a>(
    mut pieces: impl Iterator<Item = &'a [u8]>,
    see: &mut impl FnMut(&[u8]),
) -> Option<u64> {
    let piece = pieces.find(|piece| !piece.is_empty())?;
    see(piece);
    Some(piece.len() as u64)
}

/// Chunks without use.
struct Spare {
    size: usize,
    chunks: Vec<Chunk>,
    /// So much memory is left for others when a chunk is taken.
    besides: usize,
    /// Where no limit tells that memory is short, as in a system that promises no more than it has: given
    /// back when there is none. Never touched, so it costs address space only.
    reserve: Vec<u8>,
}

/// The size of that: a thread that tells what is wrong takes half of it.
const RESERVE: usize = 1024 * 1024;

/// Less than wanted, or nothing, is no reason not to begin.
fn reserve() -> Vec<u8> {
    let mut reserve = Vec::new();
    if memory::may_be_taken(RESERVE) {
        let _ = reserve.try_reserve_exact(RESERVE);
    }
    reserve
}

/// An evicted record that stood anywhere in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Position in the admitted stream of its first byte.
    pub from: u64,
    /// Position of the first held byte behind it, or of what will come next.
    pub to: u64,
    /// The record.
    pub lost: Tally,
}

impl Memory for Spare {
    fn take(&mut self) -> Option<Chunk> {
        let spare = self.chunks.pop();
        let chunk = spare.or_else(|| Chunk::new(self.size, self.besides));
        if chunk.is_none() {
            self.reserve = Vec::new();
        }
        chunk
    }

    fn retire(&mut self, mut chunk: Chunk) {
        if self.chunks.len() < SPARE_CHUNKS && chunk.size() == self.size {
            chunk.clear();
            self.chunks.push(chunk);
        }
    }
}

impl Queue {
    /// A queue of records, or of plain bytes; then
    /// no record is counted and none may be evicted. Memory is taken `chunk_size` (>= 1) bytes at a
    /// time: [`CHUNK`], or less in tests, where boundaries shall be met often.
    pub fn new(framing: Framing, chunk_size: usize) -> Self {
        Self {
            framing,
            partial: Fifo::new(framing),
            classified: ClassLevels::new(framing),
            waiting: Fifo::new(framing),
            spare: Spare {
                size: chunk_size,
                chunks: Vec::new(),
                besides: memory::MARGIN,
                reserve: reserve(),
            },
            staged_start: 0,
            staged_end: 0,
            incomplete: 0,
            waiting_at: 0,
            is_partial: false,
            in_flight: 0,
            open: false,
            bare_tail: false,
            is_torn: false,
            tail_is_out: false,
        }
    }

    /// Leaves so many bytes of memory to others, beside the margin of all.
    pub fn leave_memory(&mut self, bytes: usize) {
        self.spare.besides = memory::MARGIN + bytes;
    }

    /// Bytes held.
    pub fn len(&self) -> u64 {
        self.partial.len() + self.len_behind_partial()
    }

    fn len_behind_partial(&self) -> u64 {
        self.classified.len() + self.waiting.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held of the record that is still arriving.
    pub fn incomplete(&self) -> u64 {
        self.incomplete
    }

    /// Whether a byte of the record that is still arriving went out, or is under way.
    pub fn incomplete_is_partial(&self) -> bool {
        let evictable = self.evictable();
        (self.is_partial && evictable == 0) || self.in_flight_behind_partial() > evictable
    }

    /// Bytes held of whole records, the rest of a partly written one included.
    pub fn complete(&self) -> u64 {
        self.len() - self.incomplete
    }

    /// Bytes of a partly written record that an eviction has split off.
    pub fn partial(&self) -> u64 {
        self.partial.len()
    }

    /// Position in the admitted stream of the first byte that waits.
    pub fn head(&self) -> u64 {
        self.classified.head().unwrap_or(self.waiting_at)
    }

    /// Position in the admitted stream behind the last held byte.
    pub fn tail(&self) -> u64 {
        self.waiting_at + self.waiting.len()
    }

    /// How many of the bytes that wait have a position in the admitted stream below `position`
    /// (at most the tail): fewer than the positions where records between them were evicted. What is
    /// beyond `enough` may not be counted, for that takes time.
    pub fn bytes_before(&self, position: u64, enough: u64) -> u64 {
        self.classified.before(position, enough) + position.saturating_sub(self.waiting_at)
    }

    /// Memory taken for all this, in bytes.
    pub fn memory(&self) -> usize {
        let spare: usize = self.spare.chunks.iter().map(Chunk::size).sum();
        self.partial.memory() + self.classified.memory() + self.waiting.memory() + spare
    }

    // ---- arrival: stage, admit or skip -------------------------------------------

    /// Space for a read of at most `most` bytes (>= 1) and at most a chunk; empty when the system has
    /// no memory left. Everything staged before must have been judged.
    ///
    /// `for_loss` says that little of what lands will be kept: then it gets a chunk of its own, for
    /// what is left of the last one may be small, and would stay so.
    pub fn read_buffer(&mut self, most: usize, for_loss: bool) -> &mut [u8] {
        debug_assert!(self.staged().is_empty());
        if self.waiting.len() == 0 {
            self.waiting.rewind();
        }
        let least = (self.spare.size / LEAST_STAGED).max(1);
        if self.waiting.space() < if for_loss { self.spare.size } else { least } {
            let chunk = self.spare.take();
            if !chunk.is_some_and(|chunk| self.waiting.extend(chunk)) {
                return &mut [];
            }
        }
        let (start, space) = self.waiting.spare();
        (self.staged_start, self.staged_end) = (start, start);
        let end = space.len().min(most);
        &mut space[..end]
    }

    /// The first `count` bytes of the space from [`Queue::read_buffer`] were filled by a read.
    pub fn stage(&mut self, count: usize) {
        self.staged_end = self.staged_start + count;
    }

    /// The bytes not judged yet.
    pub fn staged(&self) -> &[u8] {
        self.waiting
            .memory_of_last(self.staged_start, self.staged_end)
    }

    /// Admits the next `count` staged bytes, which end `delimiters` records; after the last of
    /// these come `unended` bytes (`count` when none is ended).
    pub fn admit(&mut self, count: usize, delimiters: u64, unended: u64) {
        self.waiting.keep(self.staged_start, count, delimiters);
        self.staged_start += count;
        self.incomplete = if delimiters > 0 { 0 } else { self.incomplete } + unended;
        self.open = unended > 0;
    }

    /// Passes over the next `count` staged bytes.
    pub fn skip_staged(&mut self, count: usize) {
        self.staged_start += count;
    }

    /// Takes the arriving record back; returns its bytes held so far. Its delimiter must not have
    /// been counted by [`Queue::admit`].
    pub fn retract(&mut self) -> u64 {
        let bytes = std::mem::take(&mut self.incomplete);
        self.waiting
            .retract(bytes, |chunk| self.spare.retire(chunk));
        self.open = false;
        bytes
    }

    /// The arriving bytes, now with their delimiter, are a whole record.
    pub fn complete_incomplete(&mut self) {
        self.waiting.count_delimiter();
        self.incomplete = 0;
        self.open = false;
    }

    /// The arriving bytes, in one piece; None when the system has no memory for that.
    pub fn incomplete_bytes(&self) -> Option<Cow<'_, [u8]>> {
        let whole = self.waiting.len() - self.incomplete;
        self.waiting.part(whole, self.incomplete)
    }

    /// The input ended: what came behind the last delimiter is a whole record too. Returns whether
    /// there was any.
    pub fn complete_tail(&mut self) -> bool {
        self.incomplete = 0;
        let was_open = std::mem::take(&mut self.open) && self.framing.has_records();
        self.bare_tail |= was_open;
        was_open
    }

    /// Admits whole records that waited elsewhere: behind all others, before what arrives and what
    /// is staged. The last one may be the end of the input, without a delimiter. Where there is no memory to
    /// put them together, each is a chunk as it is.
    pub fn append(&mut self, records: impl Iterator<Item = Box<[u8]>>) {
        let size = self.spare.size;
        let mut gathered: Vec<u8> = Vec::new();
        for record in records {
            self.bare_tail |= !self.framing.ends_at(&record);
            let mut done = 0;
            while done < record.len() {
                if gathered.len() == size {
                    self.insert(std::mem::take(&mut gathered));
                }
                let here = (record.len() - done).min(size - gathered.len());
                if gathered.try_reserve(here).is_err() {
                    break;
                }
                gathered.extend_from_slice(&record[done..done + here]);
                done += here;
            }
            if done < record.len() {
                self.insert(std::mem::take(&mut gathered));
                let mut rest = record.into_vec();
                rest.drain(..done);
                self.insert(rest);
            }
        }
        self.insert(gathered);
    }

    fn insert(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.waiting.insert(self.incomplete, bytes);
        }
    }

    // ---- eviction: whole records leave from the head --------------------------------------

    /// How many bytes the fewest oldest whole records have that together have at least
    /// `least` (>= 1) bytes and of which no byte was written; None when no records do.
    pub fn eviction_of(&mut self, least: u64) -> Option<u64> {
        self.split_off_partial();
        let evictable = self.evictable();
        if least > evictable {
            return None;
        }
        Some(self.boundary_at(least).unwrap_or(evictable))
    }

    /// How many bytes those whole records have that end up to `position` of the admitted stream, where one
    /// ends, and of which no byte was written; None when there are none.
    pub fn eviction_up_to(&mut self, position: u64) -> Option<u64> {
        self.split_off_partial();
        let bytes = self.bytes_before(position, u64::MAX);
        let bytes = bytes.min(self.evictable());
        (bytes > 0).then_some(bytes)
    }

    /// How many bytes all whole records have of which no byte was written; None when there are none.
    pub fn eviction_of_all(&mut self) -> Option<u64> {
        self.split_off_partial();
        Some(self.evictable()).filter(|bytes| *bytes > 0)
    }

    /// How many bytes all whole records but the newest have of which no byte was written; None when
    /// there are none.
    pub fn eviction_of_all_but_newest(&mut self) -> Option<u64> {
        self.split_off_partial();
        self.count_behind_partial();
        if self.waiting.delimiters() + u64::from(self.bare_tail) < 2 {
            return None;
        }
        // The newest begins behind the last delimiter but its own.
        let end = self.evictable().checked_sub(1)?;
        self.boundary_before(end)
    }

    /// Evicts the first `bytes` bytes, as an `eviction_...` found them.
    pub fn evict(&mut self, bytes: u64) -> Tally {
        debug_assert!(bytes <= self.evictable());
        let records_out = self.take_deferred_behind_partial();
        self.leave(bytes);
        // The tail is the last that waits, and what was split off may still be there.
        let tail = self.bare_tail && self.len_behind_partial() == 0;
        self.bare_tail &= !tail;
        let records = self.take_deferred_behind_partial() + u64::from(tail);
        self.waiting.defer(records_out);
        Tally { bytes, records }
    }

    /// The same, where each piece is seen by `see` before its memory goes.
    pub fn evict_seen(&mut self, bytes: u64, mut see: impl FnMut(&[u8])) -> Tally {
        let mut lost = Tally::default();
        while lost.bytes < bytes {
            let left = (bytes - lost.bytes) as usize;
            let mut pieces = self.pieces_behind_partial();
            let Some(piece) = pieces.find(|piece| !piece.is_empty()) else {
                break;
            };
            let here = &piece[..piece.len().min(left)];
            see(here);
            let here = here.len() as u64;
            drop(pieces);
            lost += self.evict(here);
        }
        lost
    }

    /// Evicts the oldest whole record of the lowest class present of which no byte was written, if that is
    /// class `most` or below; None when there is nothing to evict. After [`Queue::split_off_partial`].
    /// `see` is shown the record before it leaves.
    pub fn evict_lowest(
        &mut self,
        ranking: &dyn Ranking,
        most: usize,
        see: impl FnMut(&[u8]),
    ) -> Option<Hole> {
        self.count_behind_partial();
        let unclassified = Unclassified {
            whole: self.waiting.len() - self.incomplete,
            fifo: &mut self.waiting,
            at: &mut self.waiting_at,
        };
        let look = Look { ranking, see };
        let evicted = self
            .classified
            .evict(unclassified, most, look, &mut self.spare)?;
        Some(Hole {
            from: evicted.at,
            to: evicted.next,
            lost: Tally {
                bytes: evicted.bytes,
                records: 1,
            },
        })
    }

    /// Bytes that a helper thread is writing, but for those of `partial`.
    fn in_flight_behind_partial(&self) -> u64 {
        self.in_flight.saturating_sub(self.partial.len())
    }

    /// Takes what left out of the counts of delimiters; it is returned by a later [`Queue::take_deferred`].
    fn count_behind_partial(&mut self) {
        let records_out = self.take_deferred_behind_partial();
        self.waiting.defer(records_out);
    }

    /// Delimiters that left and were not returned before, but for those of `partial`.
    fn take_deferred_behind_partial(&mut self) -> u64 {
        self.classified.take_deferred() + self.waiting.take_deferred()
    }

    /// Bytes of whole records that wait. Valid when no partly written record is among them.
    fn evictable(&self) -> u64 {
        self.len_behind_partial() - self.incomplete
    }

    /// Moves what is left of a partly written record away, so that a whole one is at the head.
    pub fn split_off_partial(&mut self) {
        let bytes = self.partial_at_head();
        if self.evictable() == 0 || bytes == 0 {
            return;
        }
        self.count_behind_partial();
        let of_classified = bytes.min(self.classified.len());
        self.classified.move_front(of_classified, &mut self.partial);
        self.waiting
            .move_front(bytes - of_classified, &mut self.partial);
        self.waiting_at += bytes - of_classified;
        self.is_partial = false;
    }

    /// How many of the bytes that wait are of partly written records.
    pub fn partial_at_head(&self) -> u64 {
        let in_flight = self.in_flight_behind_partial();
        if in_flight == 0 && !self.is_partial {
            return 0;
        }
        let end = self.boundary_at(in_flight.max(1));
        end.unwrap_or(self.evictable())
    }

    /// Bytes from the head to the end of the record that has the byte number `least` (counted
    /// from 1); None when no delimiter follows.
    fn boundary_at(&self, least: u64) -> Option<u64> {
        let mut before = 0;
        for held in self.pieces_behind_partial() {
            let after = before + held.len() as u64;
            if after >= least {
                let from = least.saturating_sub(before + 1) as usize;
                if let Some(end) = self.framing.first_end(&held[from..]) {
                    return Some(before + (from + end) as u64);
                }
            }
            before = after;
        }
        None
    }

    /// Bytes from the head to behind the last delimiter among the first `end` bytes; None when there
    /// is none.
    fn boundary_before(&self, end: u64) -> Option<u64> {
        let mut after = self.waiting.len();
        for held in self.waiting.pieces().rev() {
            let before = after - held.len() as u64;
            if before < end {
                let looked_at = &held[..(end.min(after) - before) as usize];
                if let Some(end) = self.framing.last_end(looked_at) {
                    return Some(before + end as u64);
                }
            }
            after = before;
        }
        None
    }

    // ---- departure: offer, write, count ---------------------------------------------------

    /// Shows the oldest `bytes` bytes that wait.
    pub fn first(&self, bytes: u64, see: impl FnMut(&[u8])) {
        see_bytes(self.pieces_behind_partial(), bytes as usize, see);
    }

    /// Shows the `bytes` bytes that go out next.
    pub fn front(&self, bytes: usize, see: impl FnMut(&[u8])) {
        see_bytes(self.pieces(), bytes, see);
    }

    /// Shows the admitted part of the arriving record.
    pub fn see_incomplete(&self, mut see: impl FnMut(&[u8])) {
        let bytes = self.incomplete;
        let (mut pieces, mut found) = (0, 0);
        for piece in self.waiting.pieces().rev() {
            if found >= bytes as usize {
                break;
            }
            pieces += 1;
            found += piece.len();
        }
        let mut skipped = found - bytes as usize;
        for piece in self.waiting.pieces().rev().take(pieces).rev() {
            see(&piece[skipped..]);
            skipped = 0;
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.partial.pieces().chain(self.pieces_behind_partial())
    }

    fn pieces_behind_partial(&self) -> impl Iterator<Item = &[u8]> {
        self.classified.pieces().chain(self.waiting.pieces())
    }

    /// Fills `parts` from its front with the oldest bytes, at most `most`, arriving ones only
    /// if `unended`; returns how many parts.
    pub fn offer<'a>(&'a self, parts: &mut [IoSlice<'a>], most: u64, unended: bool) -> usize {
        let mut left = most.min(if unended { self.len() } else { self.complete() });
        let mut used = 0;
        for piece in self.pieces() {
            if used == parts.len() || left == 0 {
                break;
            }
            let here = (piece.len() as u64).min(left) as usize;
            if here > 0 {
                parts[used] = IoSlice::new(&piece[..here]);
                used += 1;
                left -= here as u64;
            }
        }
        used
    }

    /// How many of the oldest `most` bytes hold at most `records` (>= 1) record ends: all of them
    /// when there are fewer.
    pub fn bytes_of_records(&self, records: u64, most: u64) -> u64 {
        if !self.framing.has_records() {
            return most;
        }
        let mut left = records;
        let mut bytes = 0;
        for piece in self.pieces() {
            let looked_at = (piece.len() as u64).min(most - bytes) as usize;
            for end in self.framing.ends(&piece[..looked_at]) {
                if left == 1 {
                    return bytes + end as u64;
                }
                left -= 1;
            }
            bytes += looked_at as u64;
        }
        bytes
    }

    /// How many of the oldest `most` bytes are of records that end among them; all of them where no record
    /// does.
    pub fn whole_within(&self, most: u64) -> u64 {
        if !self.framing.has_records() {
            return most;
        }
        let (mut before, mut whole) = (0, 0);
        for piece in self.pieces() {
            let here = (piece.len() as u64).min(most - before);
            if let Some(end) = self.framing.last_end(&piece[..here as usize]) {
                whole = before + end as u64;
            }
            before += here;
            if before == most {
                break;
            }
        }
        if whole > 0 { whole } else { most }
    }

    /// The first `count` offered bytes were handed to a thread that is writing them.
    pub fn set_in_flight(&mut self, count: usize) {
        self.in_flight = count as u64;
    }

    /// Whether a thread is writing bytes that have not gone out yet.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// The oldest record that waits may not be evicted any more, as if it were partly written.
    pub fn claim_head(&mut self) {
        self.is_partial = true;
    }

    /// The oldest `count` bytes went out. The records that ended in them are known after
    /// [`Queue::take_deferred`].
    pub fn advance(&mut self, count: usize) {
        let count = count as u64;
        if count == 0 {
            return;
        }
        self.in_flight = self.in_flight.saturating_sub(count);
        self.is_torn = !self.is_boundary(count);
        let of_partial = count.min(self.partial.len());
        self.partial
            .advance(of_partial, |chunk| self.spare.retire(chunk));
        let of_others = count - of_partial;
        if of_others > 0 {
            self.is_partial = self.is_torn;
            self.leave(of_others);
        }
        self.incomplete = self.incomplete.min(self.waiting.len());
    }

    /// Whether a part of the oldest record went out.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Whether the last byte that went out was the input's last, and no delimiter. After [`Queue::take_deferred`].
    pub fn tail_is_out(&self) -> bool {
        self.tail_is_out
    }

    /// Whether the byte number `count` ends a record.
    fn is_boundary(&self, count: u64) -> bool {
        let mut left = count as usize;
        for held in self.pieces() {
            if left <= held.len() {
                return self.framing.ends_at(&held[..left]);
            }
            left -= held.len();
        }
        false
    }

    fn leave(&mut self, bytes: u64) {
        let of_classified = bytes.min(self.classified.len());
        self.classified.advance(of_classified, &mut self.spare);
        let of_waiting = bytes - of_classified;
        self.waiting_at += of_waiting;
        self.waiting
            .advance(of_waiting, |chunk| self.spare.retire(chunk));
    }

    /// Counts what [`Queue::advance`] left uncounted: the records that ended in bytes that went
    /// out of a chunk's front. Cheap: at most two chunks are looked at.
    pub fn take_deferred(&mut self) -> u64 {
        self.partial.take_deferred() + self.take_deferred_behind_partial() + self.take_bare_tail()
    }

    /// Whole records held. Call [`Queue::take_deferred`] first.
    pub fn records(&self) -> u64 {
        let behind_partial = self.classified.delimiters() + self.waiting.delimiters();
        self.partial.delimiters() + behind_partial + u64::from(self.bare_tail)
    }

    /// The record that was arriving is nobody's any more, nor what went out of it. Returns whether there
    /// was one. For an empty queue.
    pub fn forget_incomplete(&mut self) -> bool {
        (self.is_partial, self.is_torn) = (false, false);
        std::mem::take(&mut self.open) && self.framing.has_records()
    }

    /// Everything leaves, oldest first; each piece is seen by `see` before its memory goes. What has come of
    /// an arriving record counts as no record. What went out must have been counted before.
    pub fn clear(&mut self, mut see: impl FnMut(&[u8])) -> Tally {
        let lost = Tally {
            bytes: self.len(),
            records: self.records(),
        };
        while let Some(count) = see_first(self.partial.pieces(), &mut see) {
            self.partial.advance(count, drop);
        }
        while let Some(count) = see_first(self.pieces_behind_partial(), &mut see) {
            self.leave(count);
        }
        self.partial.take_deferred();
        self.take_deferred_behind_partial();
        self.incomplete = 0;
        self.in_flight = 0;
        self.bare_tail = false;
        lost
    }

    /// A bare tail ends with the last byte that goes out.
    fn take_bare_tail(&mut self) -> u64 {
        let gone = self.bare_tail && self.is_empty();
        self.bare_tail &= !gone;
        self.tail_is_out |= gone;
        u64::from(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(queue: &mut Queue, bytes: &[u8]) {
        queue.read_buffer(bytes.len(), false).copy_from_slice(bytes);
        queue.stage(bytes.len());
        queue.admit(bytes.len(), 0, bytes.len() as u64);
    }

    #[test]
    fn an_emptied_queue_starts_over_in_the_same_memory() {
        let mut queue = Queue::new(Framing::none(), 10);
        stage(&mut queue, b"abcdef");
        let first = queue.read_buffer(10, false).as_ptr();
        queue.advance(6);
        let space = queue.read_buffer(10, false);
        assert_eq!(space.len(), 10);
        assert_eq!(space.as_ptr().wrapping_add(6), first);
        assert_eq!(queue.memory(), 10);
    }

    fn text(queue: &Queue) -> Vec<u8> {
        queue.pieces().flatten().copied().collect()
    }

    #[test]
    fn records_from_elsewhere_come_between_the_whole_ones_and_what_arrives_and_staged() {
        for size in [1, 2, 3, 5, 8, 40] {
            let mut queue = Queue::new(Framing::delimited(b'\n'), size);
            for byte in b"ab\ncd\nef" {
                stage(&mut queue, &[*byte]);
                if *byte == b'\n' {
                    queue.complete_incomplete();
                }
            }
            let space = queue.read_buffer(1, false);
            space[0] = b'g';
            queue.stage(1);
            queue.append([b"1\n".to_vec().into(), b"2345\n".to_vec().into()].into_iter());
            assert_eq!(text(&queue), b"ab\ncd\n1\n2345\nef");
            assert_eq!((queue.incomplete(), queue.staged()), (2, &b"g"[..]));
            queue.admit(1, 0, 1);
            assert!(queue.complete_tail());
            assert_eq!(text(&queue), b"ab\ncd\n1\n2345\nefg");
            assert_eq!(queue.records(), 5);
            queue.advance(5);
            assert_eq!((queue.take_deferred(), queue.records()), (1, 4));
        }
    }

    #[test]
    fn what_went_out_is_counted_when_records_come_before_its_chunk() {
        let mut queue = Queue::new(Framing::delimited(b'\n'), 10);
        stage(&mut queue, b"a\n");
        queue.complete_incomplete();
        queue.advance(2);
        queue.append([b"b".to_vec().into()].into_iter());
        assert_eq!((queue.take_deferred(), queue.records()), (1, 1));
        queue.advance(1);
        assert_eq!((queue.take_deferred(), queue.records()), (1, 0));
    }

    #[test]
    fn some_emptied_chunks_are_kept_for_the_next_use() {
        let mut queue = Queue::new(Framing::none(), 10);
        for _ in 0..20 {
            stage(&mut queue, &[b'x'; 10]);
        }
        assert_eq!(queue.memory(), 200);
        queue.advance(200);
        assert_eq!(queue.memory(), 10 * (1 + SPARE_CHUNKS));
        for _ in 0..=SPARE_CHUNKS {
            stage(&mut queue, &[b'x'; 10]);
        }
        assert_eq!(queue.memory(), 10 * (1 + SPARE_CHUNKS));
    }

    #[test]
    fn the_rest_of_a_chunk_is_read_into_unless_it_is_tiny() {
        let mut queue = Queue::new(Framing::none(), 1000);
        stage(&mut queue, &[b'x'; 969]);
        assert_eq!(queue.read_buffer(1000, false).len(), 31);
        stage(&mut queue, b"y");
        assert_eq!(queue.read_buffer(1000, false).len(), 1000);
    }

    #[test]
    fn memory_for_what_will_be_lost_is_a_whole_chunk() {
        let mut queue = Queue::new(Framing::delimited(b'\n'), 100);
        stage(&mut queue, b"abc");
        assert_eq!(queue.read_buffer(100, false).len(), 97);
        assert_eq!(queue.read_buffer(100, true).len(), 100);
        assert_eq!(queue.read_buffer(100, true).len(), 100);
        assert_eq!(queue.memory(), 200);
    }
}
