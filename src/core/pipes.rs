//! Our own pipes, in which bytes wait that nobody needs to see: the front part of what is held.
//!
//! ```text
//!   input -> [pipe][pipe][pipe] -> output          pages move by reference
//!   input -> [pipe][pipe][full] [ memory ] -> ...  what finds no slot waits behind them
//! ```
//!
//! A pipe has slots of one page, so it may be full with few bytes in it, and only a refusal tells.
//! A refusal does not say which side it came from, so it counts as the pipe's only when the pipe
//! holds something. Knows how much is in which pipe; the system, which has the pipes, knows them by
//! number. Refuses to know how many bytes may be held.

use std::collections::VecDeque;

/// The size of one pipe, the largest that the kernel gives to everybody.
pub const PIPE: u64 = 1 << 20;

/// The most pipes: with the two grown at stdin and stdout, a tenth of what the kernel gives one user
/// (64 MiB) before it makes every further pipe of his tiny.
const MOST: usize = 4;

/// See the module's header.
pub struct Pipes {
    /// Bytes in each pipe in use, oldest first; never 0.
    held: VecDeque<u64>,
    /// The number of the oldest pipe in use, or of the next to be used.
    first: usize,
    most: usize,
    /// The newest refused more.
    is_full: bool,
    len: u64,
}

impl Pipes {
    /// Pipes of `size` (>= 1) bytes for `capacity` bytes, or for a part of them.
    pub fn new(capacity: u64, size: u64) -> Self {
        Self {
            held: VecDeque::new(),
            first: 0,
            most: capacity.div_ceil(size).min(MOST as u64) as usize,
            is_full: false,
            len: 0,
        }
    }

    /// Bytes in all of them.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is in any of them.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pipe to be filled; None when all are full.
    pub fn to_fill(&self) -> Option<usize> {
        let in_use = self.held.len();
        if in_use > 0 && !self.is_full {
            return Some(self.number(in_use - 1));
        }
        (in_use < self.most).then(|| self.number(in_use))
    }

    fn number(&self, place: usize) -> usize {
        (self.first + place) % self.most
    }

    /// So many bytes (>= 1) went into [`Pipes::to_fill`].
    pub fn filled(&mut self, bytes: u64) {
        self.len += bytes;
        match self.held.back_mut() {
            Some(newest) if !self.is_full => *newest += bytes,
            _ => self.held.push_back(bytes),
        }
        self.is_full = false;
    }

    /// Nothing went into [`Pipes::to_fill`], now. Returns whether that is because nothing came.
    pub fn refused(&mut self) -> bool {
        let was_empty = self.is_full || self.held.is_empty();
        // An empty pipe refuses nothing; so it is not known that the one before it is full.
        self.is_full = !was_empty;
        was_empty
    }

    /// Nothing came, by whatever road: no refusal meant anything.
    pub fn nothing_came(&mut self) {
        self.is_full = false;
    }

    /// The pipe to be emptied, and how much is in it.
    pub fn to_empty(&self) -> Option<(usize, u64)> {
        self.held.front().map(|bytes| (self.first, *bytes))
    }

    /// So many bytes (>= 1) left [`Pipes::to_empty`].
    pub fn emptied(&mut self, bytes: u64) {
        let Some(oldest) = self.held.front_mut() else {
            return;
        };
        *oldest -= bytes;
        self.len -= bytes;
        let is_empty = *oldest == 0;
        if self.held.len() == 1 {
            self.is_full = false;
        }
        if is_empty {
            self.held.pop_front();
            // With all of them empty, the one just used is the one whose memory is at hand.
            if !self.held.is_empty() {
                self.first = self.number(1);
            }
        }
    }

    /// Everything leaves. Returns how much it was.
    pub fn clear(&mut self) -> u64 {
        self.held.clear();
        std::mem::take(&mut self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_filled_and_emptied_in_turn() {
        let mut pipes = Pipes::new(2, 1);
        assert_eq!(pipes.to_empty(), None);
        assert_eq!(pipes.to_fill(), Some(0));
        pipes.filled(10);
        assert_eq!(pipes.to_fill(), Some(0));
        assert!(!pipes.refused());
        assert_eq!(pipes.to_fill(), Some(1));
        pipes.filled(5);
        assert!(!pipes.refused());
        assert_eq!(pipes.to_fill(), None, "what is left goes to memory");
        pipes.emptied(4);
        assert_eq!(pipes.to_empty(), Some((0, 6)));
        assert_eq!(pipes.to_fill(), None, "behind the newest there is no pipe");
        pipes.emptied(6);
        assert_eq!(pipes.to_empty(), Some((1, 5)));
        assert_eq!(pipes.to_fill(), Some(0));
        pipes.filled(1);
        assert_eq!(pipes.len(), 6);
        pipes.emptied(5);
        pipes.emptied(1);
        assert_eq!((pipes.len(), pipes.to_empty()), (0, None));
        assert_eq!(pipes.to_fill(), Some(0));
    }

    #[test]
    fn an_empty_pipe_that_takes_nothing_means_that_nothing_came() {
        let mut pipes = Pipes::new(2, 1);
        assert!(pipes.refused());
        pipes.filled(1);
        assert!(!pipes.refused());
        assert!(pipes.refused(), "the next one is empty");
        assert_eq!(pipes.to_fill(), Some(0), "so the first may not be full");
    }

    #[test]
    fn a_pipe_that_was_full_takes_more_when_some_has_left() {
        let mut pipes = Pipes::new(1, 1);
        pipes.filled(3);
        assert!(!pipes.refused());
        assert_eq!(pipes.to_fill(), None);
        pipes.emptied(1);
        assert_eq!(pipes.to_fill(), Some(0));
        assert_eq!(pipes.clear(), 2);
        assert_eq!(pipes.to_empty(), None);
    }

    #[test]
    fn no_more_pipes_are_taken_than_the_capacity_needs() {
        let most = |capacity| {
            let mut pipes = Pipes::new(capacity, PIPE);
            (0..)
                .take_while(|_| {
                    let free = pipes.to_fill().is_some();
                    pipes.filled(1);
                    pipes.refused();
                    free
                })
                .count()
        };
        assert_eq!([most(1), most(PIPE), most(PIPE + 1)], [1, 1, 2]);
        assert_eq!(most(u64::MAX), MOST);
    }
}
