//! highwater: one process between a producer and a consumer.
//!
//! `hwm` relays stdin to stdout through a bounded buffer with a high- and a low-water mark, and
//! when the consumer falls behind it does what the user chose. This is the map of the code:
//!
//! ```text
//! main.rs     parse, run, exit
//! cli/        what a user types                      -> config
//! config.rs   what the program does: plain values
//! core/       pure: no I/O, no clock, no threads; `now` comes in as an argument
//! engine/     the loop: the only layer that knows core and the system at once
//! system.rs   the seam below the loop: what it asks of the world
//! reporter.rs the seam beside the loop: who is told
//! sys/        the only layer that touches the system: descriptors, poll, signals
//! report/     a core::Snapshot -> bar, pv's form, plain, json, summary, metrics; events, commands, lost
//!             records
//! exit.rs     how a run ended -> exit status
//! classes.rs  what a record is worth: classes by regular expressions
//! job.rs      our place in the shell's job control
//! memory.rs   whether there is any to be had
//! replacing.rs   a file that is written as a whole
//! units.rs    numbers, times and names as text for people
//! ```
//!
//! Arrows point one way: `main -> cli, engine, exit`; `cli -> config`; `engine -> core` and the two
//! seams, [`system`] (implemented by `sys`, or by a simulator) and [`reporter`] (implemented by
//! `report`). `core`, `config` and `sys` import nothing above them; the seams, `classes`, `job`,
//! `memory` and `units` are leaves that all may use. No two files use each other in a circle;
//! `tests/structure.rs` fails on one.
//!
//! # One byte
//!
//! 1. `engine/run.rs`: a turn asks the relay what it wants to read (`Relay::read_wish`), and for space for it.
//! 2. `sys/sources.rs` reads it, by `sys/input.rs`, into memory of `core/queue.rs`.
//! 3. `core/relay/intake.rs`, `Relay::received`: it is counted as `in`, and kept, for there is room. Its record is
//!    complete when the delimiter comes. `core/pressure.rs` notices when that reaches the high-water mark.
//! 4. `core/relay/outlet.rs`, `Relay::offer_within`: it is offered, when a rate limit or the consumer's demand
//!    allows it and, where records are known, when its record has room in the output (`core/room.rs`).
//! 5. `sys/output.rs` writes it without waiting; `Relay::sent` counts it as `out`, and its memory is free.
//!    Where the output takes nothing, `sys/poll.rs` waits for it, and the time is the consumer's.
//!
//! Where nobody needs to see the bytes, `engine/passage.rs` moves them by splice(2) instead (`sys/zero_copy.rs`),
//! and the core only counts them (`core/relay/passage.rs`).
//!
//! # One lost record
//!
//! 1. `core/relay/intake.rs`: it does not fit. The policy (`core/policy/`, one file each) says which record leaves.
//! 2. `core/relay/losing.rs` takes that out of the queue and counts it under its reason (`core/account.rs`).
//! 3. `core/gaps.rs` remembers where it is missing; with `--mark`, `core/relay/marker.rs` writes the record that
//!    stands for it, which goes out in its place.
//! 4. With `--lost-to`, `core/loss/dead_letters.rs` copies it for `report/observers/lost.rs`, which appends it to the file.
//! 5. The change is told with the account of that moment: `engine/run.rs` hands a snapshot to the reporter,
//!    `report/threaded.rs` to its thread, which writes it (`report/thread.rs`, `report/json.rs`).
//! 6. At the end `exit.rs` makes the exit status of it, and `report/summary.rs` the line for people.

pub mod classes;
pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
pub mod exit;
pub mod job;
pub mod memory;
mod replacing;
pub mod report;
pub mod reporter;
pub mod sys;
pub mod system;
pub mod units;
