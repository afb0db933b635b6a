//! Records that an eviction by class has looked at and left in place, between those that begin to
//! go out and those that nobody has looked at yet.
//!
//! ```text
//!          level 0       level 1            ...       unclassified
//!   <-   [ class 0 ] <- [ classes 0, 1 ] <- ... <- [ any class ]   <- arrivals
//!           older                                      newer
//! ```
//!
//! The record to evict is the oldest of the lowest class present. Only the unclassified can hold the
//! lowest class of all: they are swept from their front, where the first of that class leaves and
//! those before it move to the back of the level before. When none is left there, the highest level
//! is swept for its own lowest class in the same way, and so on. So each record is looked at once a
//! class at most, the order is that of the levels, and no record needs an index.
//!
//! Refuses to evict the most valuable class, and to evict at all where there is no memory to move a
//! record into: then it is not known who is lowest. What lies between survivors in the admitted stream is
//! remembered (`extents`), so that a position there means the same for as long as it is held.

use super::extents::Extents;
use super::fifo::{Chunk, Fifo};
use crate::classes::Ranking;
use crate::core::framing::Framing;

/// See the module's header.
pub(super) struct ClassLevels {
    framing: Framing,
    /// Oldest first; level k holds classes 0 to k. As many as were ever needed.
    levels: Vec<Level>,
}

struct Level {
    fifo: Fifo,
    extents: Extents,
}

/// A record that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evicted {
    /// Position of its first byte in the admitted stream.
    pub(super) at: u64,
    pub(super) bytes: u64,
    /// Position of the first held byte behind it, or of what will come next.
    pub(super) next: u64,
}

/// The records that were never looked at.
pub(super) struct Unclassified<'a> {
    pub(super) fifo: &'a mut Fifo,
    /// Position of the first byte.
    pub(super) at: &'a mut u64,
    /// Bytes of whole records.
    pub(super) whole: u64,
}

/// Where chunks come from and go to.
pub(super) trait Memory {
    /// None when the system has none left.
    fn take(&mut self) -> Option<Chunk>;
    /// Takes a chunk back.
    fn retire(&mut self, chunk: Chunk);
}

/// Which records are worth how much, and who looks at one before it leaves.
pub(super) struct Look<'a, F> {
    pub(super) ranking: &'a dyn Ranking,
    pub(super) see: F,
}

/// What became of the first record of a fifo.
enum Step {
    /// It was of the class that leaves, and had so many bytes.
    Left(u64),
    /// It moved, and had so many bytes.
    Moved(u64),
    /// There was no memory to move it.
    Stuck,
}

/// Looks at the first record of `fifo`, of which what left must have been counted: one of `class` or below leaves, another
/// moves to the back of `older`.
fn step(
    fifo: &mut Fifo,
    older: &mut Fifo,
    class: usize,
    look: &mut Look<'_, impl FnMut(&[u8])>,
    memory: &mut impl Memory,
) -> Step {
    let bytes = fifo.first_record().expect("a whole record");
    let Some(record) = fifo.part(0, bytes) else {
        return Step::Stuck;
    };
    // Without its delimiter.
    let leaves = look.ranking.of(&record[..record.len() - 1]) >= class;
    if leaves {
        (look.see)(&record);
    }
    if !leaves && !fifo.copy_record(bytes, older, || memory.take()) {
        return Step::Stuck;
    }
    fifo.drop_record(bytes, |chunk| memory.retire(chunk));
    if leaves {
        Step::Left(bytes)
    } else {
        Step::Moved(bytes)
    }
}

impl ClassLevels {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            levels: Vec::new(),
        }
    }

    // ---- what is in it ----------------------------------------------------------------------

    /// Bytes held.
    pub(super) fn len(&self) -> u64 {
        self.levels.iter().map(|level| level.fifo.len()).sum()
    }

    /// Memory taken, in bytes.
    pub(super) fn memory(&self) -> usize {
        let of = |level: &Level| level.fifo.memory() + level.extents.memory();
        self.levels.iter().map(of).sum()
    }

    /// The bytes, oldest first.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.levels.iter().flat_map(|level| level.fifo.pieces())
    }

    /// Position in the admitted stream of the first byte.
    pub(super) fn head(&self) -> Option<u64> {
        self.levels.iter().find_map(|level| level.extents.head())
    }

    /// How many bytes have a position below `position`; what is beyond `enough` may not be counted.
    pub(super) fn before(&self, position: u64, enough: u64) -> u64 {
        self.levels.iter().fold(0, |sum, level| {
            let missing = enough.saturating_sub(sum);
            sum + level.extents.before(position, missing)
        })
    }

    /// Delimiters in it; [`ClassLevels::take_deferred`] must come first.
    pub(super) fn delimiters(&self) -> u64 {
        self.levels
            .iter()
            .map(|level| level.fifo.delimiters())
            .sum()
    }

    // ---- what leaves ------------------------------------------------------------------------

    /// The delimiters that left and were not returned before.
    pub(super) fn take_deferred(&mut self) -> u64 {
        self.levels
            .iter_mut()
            .map(|level| level.fifo.take_deferred())
            .sum()
    }

    /// The oldest `bytes` bytes leave. Emptied chunks go to `memory`.
    pub(super) fn advance(&mut self, bytes: u64, memory: &mut impl Memory) {
        let mut left = bytes;
        for level in &mut self.levels {
            let here = left.min(level.fifo.len());
            level.fifo.advance(here, |chunk| memory.retire(chunk));
            level.extents.advance(here);
            left -= here;
        }
    }

    /// Moves the oldest `bytes` bytes to the back of `other`. What left both must have been counted.
    pub(super) fn move_front(&mut self, bytes: u64, other: &mut Fifo) {
        let mut left = bytes;
        for level in &mut self.levels {
            let here = left.min(level.fifo.len());
            level.fifo.move_front(here, other);
            level.extents.advance(here);
            left -= here;
        }
    }

    /// Evicts the oldest record of the lowest class present, if that is `most` or below (0 is the most
    /// valuable); None also when there is no memory to move a record. What left must have been counted, and no
    /// record be partly written.
    pub(super) fn evict(
        &mut self,
        mut unclassified: Unclassified<'_>,
        most: usize,
        mut look: Look<'_, impl FnMut(&[u8])>,
        memory: &mut impl Memory,
    ) -> Option<Evicted> {
        while self.levels.len() < look.ranking.lowest() {
            self.levels.push(Level {
                fifo: Fifo::new(self.framing),
                extents: Extents::default(),
            });
        }
        let evicted = self.evict_unclassified(&mut unclassified, &mut look, memory);
        if evicted.is_some() || unclassified.whole > 0 {
            return evicted;
        }
        // A level is swept only when those behind it are empty.
        for level in (most..self.levels.len()).rev() {
            if level == 0 {
                return self.evict_most_valuable(*unclassified.at, &mut look, memory);
            }
            let evicted = self.evict_from(level, *unclassified.at, &mut look, memory);
            let is_stuck = self.levels[level].fifo.len() > 0;
            if evicted.is_some() || is_stuck {
                return evicted;
            }
        }
        None
    }

    fn evict_unclassified(
        &mut self,
        unclassified: &mut Unclassified<'_>,
        look: &mut Look<'_, impl FnMut(&[u8])>,
        memory: &mut impl Memory,
    ) -> Option<Evicted> {
        let level = self.levels.last_mut()?;
        while unclassified.whole > 0 && level.extents.has_space() {
            let at = *unclassified.at;
            let fifo = &mut *unclassified.fifo;
            let lowest = look.ranking.lowest();
            match step(fifo, &mut level.fifo, lowest, look, memory) {
                Step::Left(bytes) => {
                    *unclassified.at += bytes;
                    let next = *unclassified.at;
                    return Some(Evicted { at, bytes, next });
                }
                Step::Moved(bytes) => {
                    *unclassified.at += bytes;
                    unclassified.whole -= bytes;
                    level.extents.push(at, bytes);
                }
                Step::Stuck => return None,
            }
        }
        None
    }

    /// Evicts the oldest record of the first level, where all are of the most valuable class.
    fn evict_most_valuable(
        &mut self,
        behind: u64,
        look: &mut Look<'_, impl FnMut(&[u8])>,
        memory: &mut impl Memory,
    ) -> Option<Evicted> {
        let first = self.levels.first_mut()?;
        let at = first.extents.head()?;
        let bytes = first.fifo.first_record()?;
        (look.see)(&first.fifo.part(0, bytes)?);
        first.fifo.drop_record(bytes, |chunk| memory.retire(chunk));
        first.extents.advance(bytes);
        let next = first.extents.head().unwrap_or(behind);
        Some(Evicted { at, bytes, next })
    }

    /// Evicts the oldest record of class `level`, the lowest there, of level `level`. At `behind`
    /// begins what is held behind this level.
    fn evict_from(
        &mut self,
        level: usize,
        behind: u64,
        look: &mut Look<'_, impl FnMut(&[u8])>,
        memory: &mut impl Memory,
    ) -> Option<Evicted> {
        let (older, newer) = self.levels.split_at_mut(level);
        let (to, from) = (older.last_mut()?, newer.first_mut()?);
        while let Some(at) = from.extents.head().filter(|_| to.extents.has_space()) {
            match step(&mut from.fifo, &mut to.fifo, level, look, memory) {
                Step::Left(bytes) => {
                    from.extents.advance(bytes);
                    let next = from.extents.head().unwrap_or(behind);
                    return Some(Evicted { at, bytes, next });
                }
                Step::Moved(bytes) => {
                    from.extents.advance(bytes);
                    to.extents.push(at, bytes);
                }
                Step::Stuck => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Classes;

    /// Chunks of four bytes, as long as there are any.
    struct Budget(usize);

    impl Memory for Budget {
        fn take(&mut self) -> Option<Chunk> {
            self.0 = self.0.checked_sub(1)?;
            Chunk::new(4, 0)
        }

        fn retire(&mut self, _chunk: Chunk) {}
    }

    /// Records without their ends, each from its position on.
    struct Case {
        classified: ClassLevels,
        fifo: Fifo,
        at: u64,
    }

    impl Case {
        fn of(records: &str) -> Self {
            let mut fifo = Fifo::new(Framing::delimited(b' '));
            let bytes = format!("{records} ").into_bytes();
            let mut chunk = Chunk::new(bytes.len(), 0).expect("memory");
            chunk.clear();
            assert!(fifo.extend(chunk));
            let (from, space) = fifo.spare();
            space.copy_from_slice(&bytes);
            let delimiters = Framing::delimited(b' ').count(&bytes);
            fifo.keep(from, bytes.len(), delimiters);
            Self {
                classified: ClassLevels::new(Framing::delimited(b' ')),
                fifo,
                at: 0,
            }
        }

        /// Where the record was that left, and what is behind it.
        fn evict(&mut self, chunks: usize) -> Option<(u64, u64)> {
            let unclassified = Unclassified {
                whole: self.fifo.len(),
                fifo: &mut self.fifo,
                at: &mut self.at,
            };
            let classes = Classes::new(&["a", "b"]).expect("expressions");
            let look = Look {
                ranking: &classes,
                see: |_: &[u8]| {},
            };
            let evicted = self
                .classified
                .evict(unclassified, 1, look, &mut Budget(chunks));
            evicted.map(|evicted| (evicted.at, evicted.next))
        }

        fn left(&self) -> String {
            let pieces = self.classified.pieces().chain(self.fifo.pieces());
            String::from_utf8(pieces.collect::<Vec<_>>().concat()).expect("text")
        }
    }

    #[test]
    fn the_lowest_leaves_from_wherever_it_stands() {
        let mut case = Case::of("a1 b1 c1 b2 a2 c2 a3 b3");
        // The last gap but one is between a1 and b2, then right before a2, then at the end.
        for (evicted, left) in [
            (Some((6, 9)), "a1 b1 b2 a2 c2 a3 b3 "),
            (Some((15, 18)), "a1 b1 b2 a2 a3 b3 "),
            (Some((3, 9)), "a1 b2 a2 a3 b3 "),
            (Some((9, 12)), "a1 a2 a3 b3 "),
            (Some((21, 24)), "a1 a2 a3 "),
            (None, "a1 a2 a3 "),
        ] {
            assert_eq!(case.evict(100), evicted, "{left}");
            assert_eq!(case.left(), left);
        }
        assert_eq!(case.classified.head(), Some(0));
        let before = [3, 12, 13, 18, 21].map(|position| case.classified.before(position, 100));
        assert_eq!(before, [3, 3, 4, 6, 9]);
        assert_eq!(case.classified.delimiters(), 3);
    }

    #[test]
    fn without_memory_no_record_is_evicted_or_lost() {
        let mut case = Case::of("abcdef bbbbbb c");
        // The first takes two chunks of four bytes, and there is one.
        for chunks in [0, 1] {
            assert_eq!(case.evict(chunks), None);
            assert_eq!(case.left(), "abcdef bbbbbb c ");
        }
        // The first moves, the second does not, and is not evicted for it.
        assert_eq!(case.evict(2), None);
        assert_eq!(case.left(), "abcdef bbbbbb c ");
        assert_eq!(case.evict(100), Some((14, 16)));
        // b's level is known, a's takes its memory.
        assert_eq!(case.evict(0), None);
        assert_eq!(case.evict(2), Some((7, 16)));
        assert_eq!(case.left(), "abcdef ");
    }
}
