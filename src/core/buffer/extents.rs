//! Which bytes of the admitted stream a fifo of survivors holds: extents of positions, between which
//! records were evicted.
//!
//! An extent takes a few bytes, as most lengths are short: its distance from the extent before it and its
//! own length, in groups of seven bits from the lowest, each but the last with the eighth bit set
//! (LEB128). So survivors of a byte or two do not cost many times their size. Only the ends are kept
//! as plain numbers: extents grow and begin at the back, shrink and leave at the front.

use std::collections::VecDeque;

use crate::memory;

/// Bytes that an extent takes at most.
const LONGEST_CODE: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Extent {
    start: u64,
    bytes: u64,
}

impl Extent {
    fn end(&self) -> u64 {
        self.start + self.bytes
    }
}

/// See the module's header.
#[derive(Default)]
pub(super) struct Extents {
    first: Option<Extent>,
    between: VecDeque<u8>,
    /// Where the extent before `last` ends.
    coded_to: u64,
    last: Option<Extent>,
}

impl Extents {
    /// Position of the first byte.
    pub(super) fn head(&self) -> Option<u64> {
        self.first.map(|extent| extent.start)
    }

    /// Memory taken, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.between.capacity()
    }

    /// Whether there is memory for one extent more.
    pub(super) fn has_space(&mut self) -> bool {
        let (used, taken) = (self.between.len(), self.between.capacity());
        // It grows by as much again.
        taken - used >= LONGEST_CODE
            || (memory::may_be_taken(2 * taken.max(LONGEST_CODE))
                && self.between.try_reserve(LONGEST_CODE).is_ok())
    }

    /// `bytes` (>= 1) bytes from position `start` come behind all others.
    pub(super) fn push(&mut self, start: u64, bytes: u64) {
        let back = self.last.as_mut().or(self.first.as_mut());
        match back {
            Some(back) if back.end() == start => back.bytes += bytes,
            Some(back) => {
                let end = back.end();
                if let Some(last) = self.last {
                    put(&mut self.between, last.start - self.coded_to);
                    put(&mut self.between, last.bytes);
                }
                self.coded_to = end;
                self.last = Some(Extent { start, bytes });
            }
            None => self.first = Some(Extent { start, bytes }),
        }
    }

    /// The first `bytes` bytes leave.
    pub(super) fn advance(&mut self, bytes: u64) {
        let mut left = bytes;
        while let Some(first) = &mut self.first {
            let here = left.min(first.bytes);
            first.start += here;
            first.bytes -= here;
            left -= here;
            if first.bytes > 0 {
                break;
            }
            let end = first.end();
            self.first = self.take_second(end);
        }
        // A long past needs no memory any more.
        if self.between.capacity() > 64 && self.between.len() < self.between.capacity() / 4 {
            self.between.shrink_to(2 * self.between.len());
        }
    }

    /// Takes out the extent behind the first, which ends at `end`.
    fn take_second(&mut self, end: u64) -> Option<Extent> {
        if self.between.is_empty() {
            return self.last.take();
        }
        let mut codes = self.between.iter();
        let extent = get_extent(&mut codes, end);
        let used = self.between.len() - codes.len();
        self.between.drain(..used);
        Some(extent)
    }

    /// How many bytes have a position below `position`; what is beyond `enough` may not be counted.
    pub(super) fn before(&self, position: u64, enough: u64) -> u64 {
        let mut sum = 0;
        for extent in self.iter().take_while(|extent| extent.start < position) {
            if sum >= enough {
                break;
            }
            sum += extent.bytes.min(position - extent.start);
        }
        sum
    }

    fn iter(&self) -> impl Iterator<Item = Extent> {
        let mut codes = self.between.iter();
        let mut end = self.first.map_or(0, |extent| extent.end());
        let coded = std::iter::from_fn(move || {
            if codes.len() == 0 {
                return None;
            }
            let extent = get_extent(&mut codes, end);
            end = extent.end();
            Some(extent)
        });
        self.first.into_iter().chain(coded).chain(self.last)
    }
}

fn put(codes: &mut VecDeque<u8>, number: u64) {
    let mut left = number;
    while left >= 0x80 {
        codes.push_back(left as u8 | 0x80);
        left >>= 7;
    }
    codes.push_back(left as u8);
}

/// The next coded extent, when the extent before it ends at `end`.
fn get_extent<'a>(codes: &mut impl Iterator<Item = &'a u8>, end: u64) -> Extent {
    let start = end + get(codes);
    let bytes = get(codes);
    Extent { start, bytes }
}

fn get<'a>(codes: &mut impl Iterator<Item = &'a u8>) -> u64 {
    let mut number = 0;
    for (group, code) in codes.enumerate() {
        number |= u64::from(code & 0x7f) << (7 * group);
        if code & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn what_continues_the_last_run_makes_it_longer() {
        let mut extents = Extents::default();
        extents.push(10, 5);
        extents.push(15, 5);
        extents.push(30, 1);
        extents.push(31, 1);
        let all: Vec<_> = extents
            .iter()
            .map(|extent| (extent.start, extent.bytes))
            .collect();
        assert_eq!(all, [(10, 10), (30, 2)]);
    }

    #[test]
    fn a_short_run_takes_two_bytes_and_none_when_it_left() {
        let mut extents = Extents::default();
        for number in 0..10_000 {
            extents.push(3 * number, 1);
        }
        assert_eq!(extents.between.len(), 2 * 9_998);
        extents.advance(9_999);
        assert!(extents.memory() <= 64);
        assert_eq!(extents.head(), Some(29_997));
    }

    proptest! {
        /// Against a list of all positions.
        #[test]
        fn they_are_a_list_of_positions(
            steps in vec((any::<bool>(), 0..300_u64, 1..300_u64), 0..60),
            scale in 0..40_u32,
        ) {
            let (mut extents, mut list) = (Extents::default(), VecDeque::new());
            let mut end = 0;
            for (pushes, distance, bytes) in steps {
                if pushes {
                    // A distance may be huge, a list may not.
                    let start = end + (distance.saturating_sub(100) << scale);
                    extents.push(start, bytes);
                    list.extend(start..start + bytes);
                    end = start + bytes;
                } else {
                    let count = (distance as usize).min(list.len());
                    extents.advance(count as u64);
                    list.drain(..count);
                }
                prop_assert_eq!(extents.head(), list.front().copied());
                for at in [0, list.len() / 3, list.len()] {
                    let position = list.get(at).copied().unwrap_or(end);
                    prop_assert_eq!(extents.before(position, u64::MAX), at as u64);
                    let one_more = (at + 1).min(list.len()) as u64;
                    prop_assert_eq!(extents.before(position + 1, one_more), one_more);
                    let some = extents.before(position, 7);
                    prop_assert!(some == at as u64 || (7..at as u64).contains(&some));
                }
            }
        }
    }
}
