//! Where records are missing: positions in the admitted stream, and how much was lost there. Losses
//! next to each other are one gap, which is one loss episode and, with `--mark`, one mark.
//!
//! Bounded: when [`MOST_GAPS`] wait, a further loss joins the gap before it, so that its mark may come
//! some records early (or late, if there is none before it); the sum of all marks stays exact.

use std::collections::BTreeMap;

use crate::core::account::Tally;
use crate::memory::Allowance;

/// 65,536 gaps of 24 bytes are 1.5 MiB, and about 2 MiB in the tree, outside the capacity.
pub const MOST_GAPS: usize = 65_536;

/// What a gap takes, in bytes, with its part of the tree.
const SIZE: usize = 64;

/// See the module's header. What is missing, by the position of the first byte behind it: so many
/// bytes were admitted before, those that were evicted since among them.
#[derive(Default)]
pub struct Gaps(BTreeMap<u64, Tally>, Allowance);

impl Gaps {
    /// Records were lost behind everything admitted so far, `position` bytes. Returns whether
    /// that is a new gap.
    pub fn lost_at_tail(&mut self, position: u64, lost: Tally) -> bool {
        let is_full = self.is_full();
        match self.0.last_entry() {
            Some(mut last) if *last.key() == position || is_full => {
                *last.get_mut() += lost;
                false
            }
            _ => {
                self.0.insert(position, lost);
                true
            }
        }
    }

    /// Records were lost at the head, from position `from` to `to`, which is the head now: what was
    /// missing before and among them is missing there too. Returns whether nothing was missing
    /// right before them.
    pub fn lost_at_head(&mut self, from: u64, to: u64, mut lost: Tally) -> bool {
        let is_new = self.first() != Some(from);
        while let Some(first) = self.0.first_entry()
            && *first.key() <= to
        {
            lost += first.remove();
        }
        self.0.insert(to, lost);
        is_new
    }

    /// A record was lost between others: it began at position `from`, what is held behind it begins at
    /// `to`. What was missing right before and right behind it is missing there too. Returns
    /// whether nothing was.
    pub fn lost_between(&mut self, from: u64, to: u64, mut lost: Tally) -> bool {
        let before = self.0.remove(&from);
        let behind = self.0.remove(&to);
        let is_new = before.is_none() && behind.is_none();
        for other in [before, behind].into_iter().flatten() {
            lost += other;
        }
        if is_new
            && self.is_full()
            && let Some(nearest) = self.nearest(from)
        {
            *nearest += lost;
            return false;
        }
        self.0.insert(to, lost);
        is_new
    }

    /// Whether no gap more can be remembered: there are so many, or there is no memory.
    fn is_full(&mut self) -> bool {
        self.0.len() >= MOST_GAPS || !self.1.take(SIZE)
    }

    /// The last gap before `position`, or else the first.
    fn nearest(&mut self, position: u64) -> Option<&mut Tally> {
        let at = *self
            .0
            .range(..position)
            .next_back()
            .or(self.0.iter().next())?
            .0;
        self.0.get_mut(&at)
    }

    /// The head has moved to `position`: gaps before it are history. Returns what was missing there.
    pub fn passed(&mut self, position: u64) -> Tally {
        let mut missing = Tally::default();
        while self.first().is_some_and(|first| first < position) {
            missing += self.take_first();
        }
        missing
    }

    /// Position of the first gap.
    pub fn first(&self) -> Option<u64> {
        self.0.first_key_value().map(|(position, _)| *position)
    }

    /// Position of the gap number `index`, from 0.
    pub fn position(&self, index: usize) -> Option<u64> {
        self.0.keys().nth(index).copied()
    }

    /// What is missing at the first gap.
    pub fn first_lost(&self) -> Option<Tally> {
        self.0.first_key_value().map(|(_, lost)| *lost)
    }

    /// Takes the first gap out. Returns what is missing there.
    pub fn take_first(&mut self) -> Tally {
        self.0
            .pop_first()
            .map_or(Tally::default(), |(_, lost)| lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Tally = Tally {
        bytes: 10,
        records: 1,
    };

    #[test]
    fn what_is_lost_when_there_are_too_many_gaps_joins_the_newest() {
        let mut gaps = Gaps::default();
        for position in 0..MOST_GAPS as u64 {
            assert!(gaps.lost_at_tail(position, ONE));
        }
        assert!(!gaps.lost_at_tail(MOST_GAPS as u64, ONE), "no new gap");
        assert!(!gaps.lost_at_tail(1 << 40, ONE));
        let mut sum = Tally::default();
        while let Some(lost) = gaps.first_lost() {
            sum += lost;
            gaps.take_first();
        }
        assert_eq!(sum.records, MOST_GAPS as u64 + 2, "the sum is exact");
        assert_eq!(sum.bytes, 10 * sum.records);
    }

    #[test]
    fn a_loss_between_joins_what_is_missing_on_either_side() {
        let mut gaps = Gaps::default();
        assert!(gaps.lost_between(10, 20, ONE));
        assert!(gaps.lost_between(30, 40, ONE));
        assert!(!gaps.lost_between(20, 40, ONE), "between two gaps");
        assert_eq!((gaps.position(0), gaps.position(1)), (Some(40), None));
        assert!(!gaps.lost_between(40, 50, ONE), "right behind a gap");
        assert!(!gaps.lost_between(0, 50, ONE), "right before a gap");
        assert_eq!((gaps.position(0), gaps.position(1)), (Some(50), None));
        assert_eq!(gaps.first_lost().map(|lost| lost.records), Some(5));
    }

    #[test]
    fn what_is_lost_between_when_there_are_too_many_gaps_joins_the_one_before() {
        let mut gaps = Gaps::default();
        for number in 1..=MOST_GAPS as u64 {
            assert!(gaps.lost_at_tail(10 * number, ONE));
        }
        assert!(!gaps.lost_between(3, 4, ONE), "none is before it");
        assert!(!gaps.lost_between(25, 26, ONE));
        assert!(
            !gaps.lost_between(30, 31, ONE),
            "it still joins its neighbour"
        );
        let records: Vec<u64> = (0..4)
            .map(|_| {
                let lost = gaps.first_lost().expect("a gap");
                gaps.take_first();
                lost.records
            })
            .collect();
        assert_eq!(records, [2, 2, 2, 1]);
    }
}
