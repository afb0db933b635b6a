//! What is held: in memory, in pipes of our own where bytes need not be seen, and set aside until a sample
//! window ends.
//!
//! ```text
//!   input -> [ own pipes | queue in memory | own pipes ... ] -> [ outstanding ] -> output       in stream order
//!                          ^ sample window: joins the queue when it ends
//! ```
//!
//! 1. `held` is the sum of the four, and only what is admitted counts.
//! 2. A byte keeps its position in the admitted stream until it leaves, whatever leaves before it.
//! 3. Memory is taken in proportion to what is held, and a few chunks.
//!
//! Refuses to know limits: how much may be held is the relay's, and which record leaves the policy's.

mod class_levels;
mod extents;
mod fifo;
pub mod outstanding;
pub mod own_pipes;
pub mod queue;
pub mod sample_window;

use super::account::Tally;
use crate::config::RelayConfig;
use crate::core::framing::Framing;
use outstanding::Outstanding;
use own_pipes::OwnPipes;
use queue::Queue;
use sample_window::SampleWindow;

/// See the module's header.
pub(super) struct Buffer {
    /// None where bytes must be seen.
    pub(super) pipes: Option<OwnPipes>,
    pub(super) queue: Queue,
    pub(super) window: SampleWindow,
    /// None where nothing that went out may have to go out again.
    pub(super) outstanding: Option<Outstanding>,
}

/// With a capacity of less than this part of a pipe, 64 KiB, bytes are copied: small pieces that are not
/// joined by that would take all the slots of the consumer's pipe.
const LEAST_PART: u64 = 16;

impl Buffer {
    /// Holds nothing. Memory is taken `chunk_size` (>= 1) bytes at a time, and a pipe holds `pipe_size`
    /// (>= 1) bytes.
    pub(super) fn new(config: &RelayConfig, chunk_size: usize, pipe_size: u64) -> Self {
        let framing = Framing::of(config);
        let mut queue = Queue::new(framing, chunk_size);
        queue.leave_memory(config.classes.memory_to_come());
        let is_worth_it = config.capacity >= pipe_size / LEAST_PART;
        let may_splice = config.splice && config.next_consumer.is_none();
        let uses_pipes = may_splice && is_worth_it && !config.needs_records();
        // Where nothing is lost, a record that is longer than the buffer must not keep the state pressured.
        let most_read = match (framing.has_records(), config.policy.is_lossy()) {
            (false, _) => 0,
            (true, false) => config.low_water.min(config.high_water.saturating_sub(1)),
            (true, true) => u64::MAX,
        };
        let outstanding = config.next_consumer.is_some();
        Self {
            outstanding: outstanding.then(|| Outstanding::new(framing, most_read)),
            pipes: uses_pipes.then(|| OwnPipes::new(config.capacity, pipe_size)),
            queue,
            window: SampleWindow::default(),
        }
    }

    /// Bytes held.
    pub(super) fn held(&self) -> u64 {
        self.waiting() + self.outstanding().bytes
    }

    /// The same but for what went out.
    pub(super) fn waiting(&self) -> u64 {
        self.piped() + self.queue.len() + self.window.held().bytes
    }

    fn outstanding(&self) -> Tally {
        let outstanding = self.outstanding.as_ref();
        outstanding.map_or_else(Tally::default, Outstanding::held)
    }

    /// Bytes that go out before all others, for the second time.
    pub(super) fn again(&self) -> u64 {
        self.outstanding.as_ref().map_or(0, Outstanding::again)
    }

    /// The same with the whole records among them.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            bytes: self.held(),
            records: self.queue.records() + self.window.held().records + self.outstanding().records,
        }
    }

    /// Bytes in our own pipes.
    pub(super) fn piped(&self) -> u64 {
        self.pipes.as_ref().map_or(0, OwnPipes::held)
    }

    /// Bytes of the queue that may go out before the next pipe must.
    pub(super) fn bytes_before_next_pipe(&self) -> u64 {
        let next = self.pipes.as_ref().and_then(OwnPipes::next_position);
        next.map_or(u64::MAX, |position| position - self.queue.head())
    }

    /// Memory taken, in bytes.
    pub(super) fn memory(&self) -> usize {
        let outstanding = self.outstanding.as_ref().map_or(0, Outstanding::memory);
        self.queue.memory() + self.window.memory() + outstanding
    }

    /// What is in our own pipes is lost. Returns how many bytes.
    pub(super) fn clear_pipes(&mut self) -> u64 {
        self.pipes.as_mut().map_or(0, OwnPipes::clear)
    }
}
