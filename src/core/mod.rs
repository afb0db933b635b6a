//! The relay as a pure state machine: no I/O, no clock, no threads. Time comes in as `now`, the
//! time since the run began without the time the process was stopped. What is held lies in memory
//! (`buffer/queue`) or, where nobody
//! needs to see it, in pipes (`buffer/own_pipes`) that the core only counts.
//!
//! What always holds, after every call (the names are those of the checks in the tests):
//!
//! 1. `balance`: in = out + sum of lost by reason + held, in bytes and, where counted, in records.
//! 2. `cap`: held <= C.
//! 3. `order`: what goes out, without marks, is a subsequence of the records that came in, each
//!    unchanged and whole; with `block` and `fail`, a prefix of the same bytes, and all of them at
//!    the end.
//! 4. `exactness`: who is lost, and for which reason, depends only on the order of arriving bytes and
//!    accepted writes, never on how reads are cut.
//! 5. `marks`: the sum over all marks is the loss, but for what is lost after the last chance to
//!    write one.
//! 6. `watermarks`: the state becomes pressured when held grows to H or above, flowing when it
//!    shrinks to L or below; changes alternate.
//! 7. `times`: waits for the input, the output and the rate limit, and what else is told of time, are
//!    those that passed.
//! 8. `wake`, `spin`, `deadline`: a wait has something to wait for, and is not longer than what is
//!    due; a turn makes progress or waits; no deadline acts early, none late.
//! 9. `memory`: it is taken in proportion to what is held, and a few chunks.
//! 10. `dead letters`: the lost records that are kept are those that were lost, whole and in that order; with
//!     those counted as not kept they are the loss, but for a record whose end has not come.
//! 11. `unread`: what went out and was left unread by a consumer that is gone is lost, to the byte, with each
//!     record that was not read to its end.
//! 12. `outstanding`: what went to a consumer that another may follow is held until it was read to the end of its
//!     record; then the next one gets it, and only it, before anything else.
//! 13. `end`: at the end nothing is held, and the ending follows from the history.

pub mod account;
pub mod admission;
mod ages;
pub mod allowance;
pub mod buffer;
pub mod ending;
pub mod framing;
mod lifecycle;
pub mod loss;
pub mod meter;
pub mod moderation;
pub mod pressure;
pub mod relay;
pub mod rng;
pub mod signal_history;
pub mod snapshot;
pub mod succession;
