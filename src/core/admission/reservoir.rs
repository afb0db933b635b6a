//! A uniform sample of a window whose length nobody knows: Algorithm L (Li 1994,
//! "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))"). Numbers are drawn for the
//! records that are chosen only; how many are passed over before the next one is drawn at once.

use std::time::Duration;

use super::overflow::{Verdict, View};
use super::window;
use crate::core::account::Reason;
use crate::core::rng::Rng;

/// See the module's header.
pub struct Choice {
    keep: u64,
    per: Duration,
    /// When the window ends.
    until: Duration,
    /// Records of the window.
    seen: u64,
    /// Li's W: the largest of `keep` numbers, each the smallest so far in its place.
    w: f64,
    /// The number, from 1, of the next record that is chosen, once there are `keep`.
    next: u64,
}

impl Choice {
    /// `keep` (>= 1) records of each window of `per`.
    pub fn new(keep: u64, per: Duration) -> Self {
        Self {
            keep,
            per,
            until: Duration::ZERO,
            seen: 0,
            w: 1.0,
            next: 0,
        }
    }

    /// A record that has no place is not looked at: it is none of those that could be chosen.
    pub fn judge(&mut self, view: &View, rng: &mut Rng) -> Verdict {
        if !view.has_place {
            return Verdict::Stay;
        }
        if self.seen == 0 || view.now >= self.until {
            self.begin(view.now);
        }
        self.seen += 1;
        let instead_of = if self.seen <= self.keep {
            None
        } else if self.seen == self.next {
            Some(rng.below(self.keep) as usize)
        } else {
            return Verdict::Lose(Reason::Sampled);
        };
        if self.seen >= self.keep {
            self.skip(rng);
        }
        Verdict::SetAside {
            instead_of,
            until: self.until,
        }
    }

    fn begin(&mut self, now: Duration) {
        self.until = window::end(now, self.per);
        self.seen = 0;
        self.w = 1.0;
    }

    /// Draws which record is chosen next.
    fn skip(&mut self, rng: &mut Rng) {
        self.w *= (rng.unit().ln() / self.keep as f64).exp();
        let passed_over = (rng.unit().ln() / (-self.w).ln_1p()).floor();
        // A float beyond 64 bits, infinity too, becomes the largest number: never.
        self.next = self
            .seen
            .saturating_add(1)
            .saturating_add(passed_over as u64);
    }

    /// The window ended before its time.
    pub fn end(&mut self) {
        self.seen = 0;
    }
}
