//! Where records are missing: positions in the admitted stream, and how much was lost there. Losses
//! next to each other are one gap, which is one loss episode and, with `--mark`, one mark.
//!
//! Bounded: when [`MOST_GAPS`] wait, a further loss joins the newest gap, so that its mark may come
//! some records early; the sum of all marks stays exact.

use std::collections::VecDeque;

use super::account::Tally;

/// 65,536 gaps of 24 bytes are 1.5 MiB, outside the capacity.
pub const MOST_GAPS: usize = 65_536;

struct Gap {
    /// Admitted bytes before it.
    position: u64,
    lost: Tally,
}

/// See the module's header.
#[derive(Default)]
pub struct Gaps(VecDeque<Gap>);

impl Gaps {
    /// Records were lost behind everything admitted so far, `position` bytes. Returns whether
    /// that is a new gap.
    pub fn lost_at_tail(&mut self, position: u64, lost: Tally) -> bool {
        let is_full = self.0.len() >= MOST_GAPS;
        match self.0.back_mut() {
            Some(gap) if gap.position == position || is_full => {
                gap.lost += lost;
                false
            }
            _ => {
                self.0.push_back(Gap { position, lost });
                true
            }
        }
    }

    /// Records were lost at the head, from position `from` to `to`, which is the head now: what was
    /// missing before and among them is missing there too. Returns whether nothing was missing
    /// right before them.
    pub fn lost_at_head(&mut self, from: u64, to: u64, mut lost: Tally) -> bool {
        let is_new = self.first() != Some(from);
        while let Some(gap) = self.0.front()
            && gap.position <= to
        {
            lost += gap.lost;
            self.0.pop_front();
        }
        self.0.push_front(Gap { position: to, lost });
        is_new
    }

    /// The head has moved to `position`: gaps before it are history.
    pub fn passed(&mut self, position: u64) {
        while self.first().is_some_and(|first| first < position) {
            self.0.pop_front();
        }
    }

    /// Position of the first gap.
    pub fn first(&self) -> Option<u64> {
        self.position(0)
    }

    /// Position of the gap number `index`, from 0.
    pub fn position(&self, index: usize) -> Option<u64> {
        self.0.get(index).map(|gap| gap.position)
    }

    /// What is missing at the first gap.
    pub fn first_lost(&self) -> Option<Tally> {
        self.0.front().map(|gap| gap.lost)
    }

    /// Takes the first gap out.
    pub fn take_first(&mut self) {
        self.0.pop_front();
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
}
