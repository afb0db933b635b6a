//! Our own pipes, in which bytes wait that nobody needs to see.
//!
//! ```text
//!   input -> [pipe][pipe][pipe] -> output           pages move by reference
//!   input -> [pipe] memory [pipe][full] -> output   what finds no slot goes to memory
//! ```
//!
//! A pipe has slots of one page, so it may be full with few bytes in it, and only a refusal tells.
//! A refusal does not say which side it came from, so it counts as the pipe's only when the pipe
//! holds something. What waits in memory goes out in its turn: each pipe knows how much of that stream
//! comes before it.
//!
//! Knows how much is in which pipe; the system, which has the pipes, knows them by number. Refuses to
//! know how many bytes may be held.

use std::collections::VecDeque;

/// The size of one pipe, the largest that the kernel gives to everybody.
pub const PIPE: u64 = 1 << 20;

/// The most pipes: with the two grown at stdin and stdout, a ninth of what the kernel gives one user
/// (64 MiB) before it makes every further pipe of his tiny.
const MOST: u64 = 5;

struct Pipe {
    number: usize,
    /// Never 0.
    bytes: u64,
    /// Where in the stream through memory it stands: what is before that goes out before it.
    position: u64,
}

/// See the module's header.
pub struct OwnPipes {
    /// Oldest first.
    in_use: VecDeque<Pipe>,
    /// The last to become free is the first to be used again: its memory is at hand.
    free: Vec<usize>,
    size: u64,
    /// The newest refused more.
    is_full: bool,
    held: u64,
}

/// How many pipes of `size` bytes there may be for `capacity` bytes. One more than they fill: while the
/// oldest is partly empty, its slots are of no use yet.
pub fn most(capacity: u64, size: u64) -> usize {
    (capacity.div_ceil(size) + 1).min(MOST) as usize
}

impl OwnPipes {
    /// Pipes of `size` (>= 1) bytes for `capacity` bytes, or for a part of them.
    pub fn new(capacity: u64, size: u64) -> Self {
        let most = most(capacity, size);
        Self {
            in_use: VecDeque::with_capacity(most),
            free: (0..most).rev().collect(),
            size,
            is_full: false,
            held: 0,
        }
    }

    /// What one of them holds at most.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes in all of them.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The newest pipe, if more can follow in it when `position` bytes have gone to memory.
    fn newest_open(&mut self, position: u64) -> Option<&mut Pipe> {
        let (is_full, size) = (self.is_full, self.size);
        let newest = self.in_use.back_mut();
        newest.filter(|pipe| !is_full && pipe.bytes < size && pipe.position == position)
    }

    /// The pipe to be filled when `position` bytes have gone to memory; None when all are full.
    pub fn to_fill(&mut self, position: u64) -> Option<usize> {
        match self.newest_open(position) {
            Some(pipe) => Some(pipe.number),
            None => self.free.last().copied(),
        }
    }

    /// So many bytes (>= 1) went into [`OwnPipes::to_fill`].
    pub fn filled(&mut self, bytes: u64, position: u64) {
        self.held += bytes;
        if let Some(pipe) = self.newest_open(position) {
            pipe.bytes += bytes;
        } else if let Some(number) = self.free.pop() {
            self.is_full = false;
            self.in_use.push_back(Pipe {
                number,
                bytes,
                position,
            });
        }
    }

    /// Nothing went into [`OwnPipes::to_fill`], now. Returns whether that is because nothing came.
    pub fn refused(&mut self, position: u64) -> bool {
        // An empty pipe refuses nothing; so it is not known that the one before it is full.
        let was_empty = self.newest_open(position).is_none();
        self.is_full = !was_empty;
        was_empty
    }

    /// Nothing came, in whatever way: no refusal meant anything.
    pub fn nothing_came(&mut self) {
        self.is_full = false;
    }

    /// The pipe to be emptied when `position` bytes have left memory, and how much is in it.
    pub fn to_empty(&self, position: u64) -> Option<(usize, u64)> {
        let oldest = self.in_use.front()?;
        (oldest.position <= position).then_some((oldest.number, oldest.bytes))
    }

    /// Up to where memory may go out before the next pipe must.
    pub fn next_position(&self) -> Option<u64> {
        self.in_use.front().map(|pipe| pipe.position)
    }

    /// So many bytes (>= 1) left [`OwnPipes::to_empty`].
    pub fn emptied(&mut self, bytes: u64) {
        self.held -= bytes;
        if self.in_use.len() == 1 {
            self.is_full = false;
        }
        if let Some(oldest) = self.in_use.front_mut() {
            oldest.bytes -= bytes;
            if oldest.bytes == 0 {
                self.free.push(oldest.number);
                self.in_use.pop_front();
            }
        }
    }

    /// Everything leaves. Returns how much it was.
    pub fn clear(&mut self) -> u64 {
        self.in_use.clear();
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills as much as is asked for; returns which pipe it went into.
    fn fill(pipes: &mut OwnPipes, bytes: u64, position: u64) -> Option<usize> {
        let pipe = pipes.to_fill(position)?;
        pipes.filled(bytes, position);
        Some(pipe)
    }

    #[test]
    fn pipes_are_filled_and_emptied_in_turn() {
        let mut pipes = OwnPipes::new(100, 100);
        assert_eq!(pipes.to_empty(0), None);
        assert_eq!(fill(&mut pipes, 10, 0), Some(0));
        assert_eq!(fill(&mut pipes, 1, 0), Some(0));
        assert!(!pipes.refused(0));
        assert_eq!(fill(&mut pipes, 5, 0), Some(1));
        assert!(!pipes.refused(0));
        assert_eq!(pipes.to_fill(0), None, "what is left goes to memory");
        pipes.emptied(4);
        assert_eq!(pipes.to_empty(0), Some((0, 7)));
        pipes.emptied(7);
        assert_eq!(pipes.to_empty(0), Some((1, 5)));
        assert_eq!(fill(&mut pipes, 2, 0), Some(0), "it is free again");
        assert_eq!(pipes.held(), 7);
        pipes.emptied(5);
        pipes.emptied(2);
        assert_eq!((pipes.held(), pipes.to_empty(0)), (0, None));
        assert_eq!(pipes.to_fill(0), Some(0), "the last that was used");
    }

    #[test]
    fn an_empty_pipe_that_takes_nothing_means_that_nothing_came() {
        let mut pipes = OwnPipes::new(200, 100);
        assert!(pipes.refused(0));
        fill(&mut pipes, 1, 0);
        assert!(!pipes.refused(0));
        assert!(pipes.refused(0), "the next one is empty");
        assert_eq!(pipes.to_fill(0), Some(0), "so the first may not be full");
        assert!(!pipes.refused(0));
        pipes.nothing_came();
        assert_eq!(pipes.to_fill(0), Some(0), "nor now");
    }

    #[test]
    fn a_pipe_that_has_its_size_is_not_asked_to_take_more() {
        let mut pipes = OwnPipes::new(100, 100);
        assert_eq!(fill(&mut pipes, 100, 0), Some(0));
        assert_eq!(pipes.to_fill(0), Some(1));
        assert!(pipes.refused(0), "nothing came");
        assert_eq!(fill(&mut pipes, 100, 0), Some(1));
        assert_eq!(pipes.to_fill(0), None);
        pipes.emptied(100);
        assert_eq!(pipes.to_fill(0), Some(0));
        pipes.emptied(1);
        assert_eq!(pipes.to_fill(0), Some(1), "as it may have space again");
    }

    #[test]
    fn a_pipe_that_was_full_takes_more_when_some_has_left() {
        let mut pipes = OwnPipes::new(100, 100);
        fill(&mut pipes, 3, 0);
        pipes.refused(0);
        fill(&mut pipes, 3, 0);
        pipes.refused(0);
        assert_eq!(pipes.to_fill(0), None);
        pipes.emptied(3);
        pipes.emptied(1);
        assert_eq!(pipes.to_fill(0), Some(1));
        assert_eq!(pipes.clear(), 2);
        assert_eq!(pipes.to_empty(0), None);
    }

    #[test]
    fn what_is_in_memory_keeps_its_place() {
        let mut pipes = OwnPipes::new(200, 100);
        fill(&mut pipes, 10, 0);
        // 7 bytes go to memory, and with more space again the next ones to a pipe.
        assert_eq!(fill(&mut pipes, 20, 7), Some(1), "not into the first");
        assert_eq!(fill(&mut pipes, 1, 7), Some(1));
        assert_eq!(pipes.next_position(), Some(0));
        pipes.emptied(10);
        assert_eq!((pipes.to_empty(6), pipes.next_position()), (None, Some(7)));
        assert_eq!(pipes.to_empty(7), Some((1, 21)));
    }

    #[test]
    fn no_more_pipes_are_taken_than_the_capacity_needs() {
        let most = |capacity| {
            let mut pipes = OwnPipes::new(capacity, PIPE);
            std::iter::from_fn(|| fill(&mut pipes, 1, 0).inspect(|_| _ = pipes.refused(0))).count()
        };
        assert_eq!([most(1), most(PIPE), most(PIPE + 1)], [2, 2, 3]);
        assert_eq!(most(u64::MAX), MOST as usize);
    }
}
