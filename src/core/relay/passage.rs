//! Bytes that nobody needs to see: with `block` and `fail`, when no record is counted, they go from
//! the input to the output, or through our own pipes, without coming into memory.
//!
//! The account is the same, and so are limits, watermarks and deadlines: only the way differs. What
//! finds no space in the pipes goes to memory, and out again in its turn.
//!
//! Bytes that must be seen come into memory, but need not be copied out again: while little is held,
//! much at once may be kept besides, and goes out from there as long as it is what memory holds.

use std::io::IoSlice;
use std::ops::Range;
use std::time::Duration;

use super::Relay;
use super::plan::ReadWish;
use crate::config::Amount;

/// Less than this part of a chunk, 64 KiB, is cheaper to copy out than to keep.
const LEAST_TEED: u64 = 2;

/// The most chunks to keep, 896 KiB: what fits into a pipe of 1 MiB with what was held before.
const MOST_TEED: u64 = 7;

impl Relay {
    /// How many bytes (>= 1) may go straight from the input to the output; None when they may not,
    /// or would overtake others. With a rate limit they all go through the pipes.
    pub fn may_pass(&self) -> Option<u64> {
        // They are not held, so the capacity does not bound them.
        let most = self.buffer.pipes.as_ref()?.size();
        let may_pass = self.allowance.pacer.is_none() && self.allowance.prebuffer.is_over();
        let may_pass = may_pass && self.held() == 0 && !self.allowance.is_blocked;
        let may_pass = may_pass && self.sink.is_none();
        match self.read_wish() {
            ReadWish::UpTo(_) if may_pass => Some(match self.config.stop_after {
                Some(Amount::Bytes(end)) => most.min(end - self.meter.input.bytes),
                _ => most,
            }),
            _ => None,
        }
    }

    /// So many bytes (>= 1) went straight through.
    pub fn passed(&mut self, bytes: u64, now: Duration) {
        self.idle_since = now;
        self.meter.input.bytes += bytes;
        self.meter.output.bytes += bytes;
        self.written += bytes;
        self.end_at_stop(now);
    }

    /// The pipe that takes what is to be read next; None when it is to be read into memory.
    pub fn pipe_to_fill(&mut self) -> Option<usize> {
        let pipes = self.buffer.pipes.as_mut().filter(|_| self.sink.is_none())?;
        pipes.to_fill(self.buffer.queue.tail())
    }

    /// So many bytes (>= 1) of the input went into [`Relay::pipe_to_fill`].
    pub fn filled(&mut self, bytes: u64, now: Duration) {
        self.idle_since = now;
        self.meter.input.bytes += bytes;
        if let Some(pipes) = &mut self.buffer.pipes {
            pipes.filled(bytes, self.buffer.queue.tail());
        }
        self.grew(self.held(), now);
        self.end_at_stop(now);
    }

    /// Nothing went into [`Relay::pipe_to_fill`]. Returns whether that is because nothing came.
    pub fn refused(&mut self) -> bool {
        let position = self.buffer.queue.tail();
        let pipes = self.buffer.pipes.as_mut();
        pipes.is_none_or(|pipes| pipes.refused(position))
    }

    /// A read into memory found nothing: so it may have been for that, and not for want of space, that
    /// the last pipe refused.
    pub fn nothing_came(&mut self) {
        if let Some(pipes) = &mut self.buffer.pipes {
            pipes.nothing_came();
        }
    }

    /// The pipe whose bytes go out next, and how many may. Only after [`Relay::write_wish`] said
    /// yes.
    pub fn pipe_to_empty(&mut self, now: Duration) -> Option<(usize, u64)> {
        let (pipe, bytes) = self
            .buffer
            .pipes
            .as_ref()?
            .to_empty(self.buffer.queue.head())?;
        let credit = self.allowance.pacer.as_mut().map(|pacer| pacer.credit(now));
        Some((pipe, credit.map_or(bytes, |credit| bytes.min(credit))))
    }

    /// The output accepted so many bytes (>= 1) of [`Relay::pipe_to_empty`].
    pub fn emptied(&mut self, bytes: u64, now: Duration) {
        self.allowance.accepted();
        self.meter.unstalled(now);
        self.meter.output.bytes += bytes;
        self.written += bytes;
        if let Some(pipes) = &mut self.buffer.pipes {
            pipes.emptied(bytes);
        }
        self.allowance.spend(bytes, 0, true);
        self.shrank(now);
        self.end_if_drained(now);
    }

    /// How much to take at once and keep besides for the output (>= 1 bytes); None where that is of no
    /// use: little comes, or what comes will not go out as it came.
    pub fn may_tee(&self) -> Option<u64> {
        let least = self.chunk_size.div_ceil(LEAST_TEED);
        let is_dense = self.came.0.max(self.came.1) >= least;
        let goes_out =
            !self.allowance.is_blocked && self.allowance.pacer.is_none() && self.held() <= least;
        let goes_out = goes_out && self.sink.is_none();
        let goes_out =
            goes_out && self.allowance.demand.is_none() && self.allowance.prebuffer.is_over();
        let is_seen = self.config.splice && self.framing.has_records() && !self.judges();
        let is_seen = is_seen && self.succession.is_none();
        if !(is_dense && goes_out && is_seen) || self.owes_mark() {
            return None;
        }
        let ReadWish::UpTo(most) = self.read_wish() else {
            return None;
        };
        let counts_as_it_reads = self.config.capacity_records.is_some()
            || self.lifecycle.ends_with_record
            || matches!(self.config.stop_after, Some(Amount::Records(_)));
        if counts_as_it_reads {
            return None;
        }
        // Taken at once, so it must not go beyond H, where less might be wanted, or not all of it.
        let below_high = self.config.high_water.saturating_sub(self.held());
        let most = (most as u64)
            .min(below_high)
            .min(MOST_TEED * self.chunk_size);
        (most >= least).then_some(most)
    }

    /// Positions in the admitted stream of what is held in memory.
    pub fn span(&self) -> Range<u64> {
        self.buffer.queue.head()..self.buffer.queue.tail()
    }

    /// Fills `parts` with all that is held; None where they are too few.
    pub fn all_held<'a>(&'a self, parts: &mut [IoSlice<'a>]) -> Option<usize> {
        let used = self.buffer.queue.offer(parts, u64::MAX, true);
        let bytes: usize = parts[..used].iter().map(|part| part.len()).sum();
        (bytes as u64 == self.held()).then_some(used)
    }

    /// Fills `parts` from its front with the whole records among the first `most` bytes of what is held, where
    /// [`Relay::holds_just`] what is kept.
    pub fn offer_teed<'a>(&'a self, most: u64, parts: &mut [IoSlice<'a>]) -> usize {
        self.offer_whole(most, false, parts)
    }

    /// Whether what goes out next is what is held at these positions, and nothing before it; and a whole record
    /// is among that.
    pub fn holds_just(&self, span: &Range<u64>) -> bool {
        let is_next = self.buffer.queue.partial() == 0 && self.mark_left() == 0;
        self.span() == *span && is_next && self.buffer.queue.complete() > 0
    }

    /// With `-S`, the input ends here.
    fn end_at_stop(&mut self, now: Duration) {
        if self.config.stop_after == Some(Amount::Bytes(self.meter.input.bytes)) {
            self.input_ended(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mark, Policy, RelayConfig};

    const NOW: Duration = Duration::ZERO;

    /// A relay with a memory unit of 100 bytes that holds so many, and has met an output that takes
    /// nothing before that.
    fn holding(bytes: &[u8], capacity: u64) -> Relay {
        let config = RelayConfig {
            mark: Some(Mark(Vec::new())),
            ..RelayConfig::new(Policy::DropOldest, capacity)
        };
        let mut relay = Relay::with_chunk_size(config, 100);
        for byte in bytes {
            relay.space(1)[0] = *byte;
            relay.received(1, NOW);
        }
        relay
    }

    #[test]
    fn much_is_kept_besides_while_much_comes_and_little_is_held() {
        assert_eq!(holding(&[b'x'; 49], 1000).may_tee(), None);
        let mut relay = holding(&[b'x'; 50], 1000);
        assert_eq!(relay.may_tee(), Some(700));
        relay.waits(NOW);
        assert_eq!(relay.may_tee(), Some(700), "it came before the last wait");
        relay.waits(NOW);
        assert_eq!(relay.may_tee(), None, "and then nothing came");
        assert_eq!(holding(&[b'x'; 51], 1000).may_tee(), None, "it is much");
        assert_eq!(holding(&[b'x'; 50], 101).may_tee(), Some(50), "below H");
        assert_eq!(holding(&[b'x'; 50], 100).may_tee(), None);
        relay = holding(&[b'x'; 50], 1000);
        relay.output_blocked(NOW);
        assert_eq!(relay.may_tee(), None);
    }

    #[test]
    fn what_is_kept_is_what_is_held_until_some_of_that_is_lost() {
        let mut relay = holding(b"1\n2\n3", 6);
        assert!(relay.holds_just(&(0..5)));
        assert!(!relay.holds_just(&(0..4)));
        let mut parts = [IoSlice::new(&[]); 1];
        assert_eq!(relay.all_held(&mut parts), Some(1));
        assert_eq!(&*parts[0], b"1\n2\n3");
        relay.space(2).copy_from_slice(b"\n4");
        relay.received(2, NOW);
        assert!(!relay.holds_just(&(0..5)) && !relay.holds_just(&(0..7)));
        assert!(relay.holds_just(&(2..7)));
        assert!(relay.write_wish(NOW));
        assert!(!relay.holds_just(&(2..7)), "a mark goes out first");
        assert_eq!(relay.may_tee(), None);
    }
}
