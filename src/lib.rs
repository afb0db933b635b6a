//! highwater: one process between a producer and a consumer.
//!
//! `hwm` relays stdin to stdout through a bounded buffer with a high- and a low-water mark, and
//! when the consumer falls behind it does what the user chose. This is the map of the code:
//!
//! ```text
//! main.rs      parse, run, exit
//! cli/         what a user types                      -> config
//! config.rs    what the program does: plain values
//! core/        pure: no I/O, no clock, no threads; `now` comes in as an argument
//!   framing       bytes -> record ends
//!   admission/    one file for each policy: which records are lost
//!   buffer/       what is held: the queue in memory, own pipes, the sample window
//!   loss/         what is lost: tally, gaps and marks, dead letters
//!   allowance/    how much may go out now: rate limit, demand, prebuffer, space
//!   lifecycle     the stages of a run, and what ends it
//!   pressure, ages, account, meter, snapshot
//!   relay/        the state machine over these; one `Plan` a turn
//! engine/      the loop: the only layer that knows core and the system at once
//! system.rs    the interface below the loop: what it asks of the world
//! reporter.rs  the interface beside the loop: what is told to others
//! sys/         the only layer that touches descriptors, files, processes, terminals
//! report/      a core::Snapshot -> live line, plain, json, summary, metrics; events, commands, dead letters
//! pv/          what only those need who know pv
//! exit.rs      how a run ended -> exit status
//! classes.rs   what a record is worth: classes by regular expressions
//! memory.rs    whether there is any to be had, and large pieces of it
//! units.rs     numbers, times and names as text for people
//! ```
//!
//! Arrows point one way: `main -> cli, engine, exit`; `cli -> config`; `engine -> core` and the two
//! interfaces, [`system`] (implemented by `sys`, or by a simulator) and [`reporter`] (implemented by
//! `report`). `core`, `config` and `sys` import nothing above them; the interfaces, `classes`,
//! `memory` and `units` are leaves that all may use; `cli`, `report` and `pv` ask `sys` for what is in files. No two files use each other in a circle;
//! `tests/structure.rs` fails on one.
//!
//! # What is stable
//!
//! The command line, the exit status, the keys of JSON objects, plain lines and metrics, and the names in a
//! command's environment: they follow semantic versioning. The library is there for the binary, the tests, the
//! benches, and for trying the relay as a model, as below; it may change with any release.
//!
//! ```
//! use std::io::IoSlice;
//! use std::time::Duration;
//!
//! use highwater::config::{Policy, RelayConfig};
//! use highwater::core::relay::Relay;
//!
//! // Ten bytes, and the oldest records are lost when there is no space.
//! let mut relay = Relay::new(RelayConfig::new(Policy::DropOldest, 10));
//! let now = Duration::ZERO;
//! relay.turn(now);
//! for record in [b"one\n", b"two\n", b"six\n"] {
//!     relay.space(4)[..4].copy_from_slice(record);
//!     relay.received(4, now);
//! }
//! let account = relay.event_snapshot(now);
//! assert_eq!((account.input.records, account.lost.total().records), (3, 1));
//!
//! let mut parts = [IoSlice::new(&[]); 2];
//! assert!(relay.write_wish(now));
//! let used = relay.offer(now, &mut parts);
//! assert_eq!(&*parts[0], b"two\nsix\n");
//! assert_eq!(used, 1);
//! relay.sent(8, now);
//! relay.input_ended(now);
//! assert!(relay.ended().is_some());
//! ```
//!
//! # One byte
//!
//! 1. `engine/run.rs`: a turn asks the relay what it wants to read (`Relay::read_wish`), and for space for it.
//! 2. `sys/sources.rs` reads it, by `sys/input.rs`, into memory of `core/buffer/queue.rs`.
//! 3. `core/relay/intake.rs`, `Relay::received`: it is counted as `in`, and admitted, for there is space. Its record
//!    is complete when its end comes (`core/framing.rs`). `core/pressure.rs` notices when that reaches the high-water
//!    mark.
//! 4. `core/relay/outlet.rs`, `Relay::offer_within`: it is offered, as far as the rate limit and the consumer's
//!    demand allow (`core/allowance/`) and, where records are known, when its record has space in the output.
//! 5. `sys/output.rs` writes it without waiting; `Relay::sent` counts it as `out`, and its memory is free.
//!    Where the output takes nothing, `sys/poll.rs` waits for it as `Relay::plan` says, and the time is the
//!    consumer's.
//!
//! Where nobody needs to see the bytes, `engine/passage.rs` moves them by splice(2) instead (`sys/zero_copy.rs`),
//! and the core only counts them (`core/relay/passage.rs`).
//!
//! # One lost record
//!
//! 1. `core/relay/intake.rs`: it does not fit. The policy (`core/admission/`, one file each) says which record leaves.
//! 2. `core/relay/losing.rs`, `Relay::lose`: the one way out. It is copied for `--lost-to`
//!    (`core/loss/dead_letters.rs`), leaves the queue, is counted under its reason, leaves a gap (`core/loss/gaps.rs`),
//!    and may end the pressure.
//! 3. With `--mark`, `core/loss/marker.rs` writes the record that stands for it, which goes out in its place.
//! 4. The change is told with the account of that moment: `engine/run.rs` hands a snapshot to the reporter,
//!    `report/threaded.rs` to its thread, which writes it (`report/thread.rs`; what it says is `report/fields.rs`).
//!    The dead letter goes to `report/observers/lost.rs`, which appends it to the file.
//! 5. At the end `exit.rs` makes the exit status of it, and `report/summary.rs` the line for people.

pub mod classes;
pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
pub mod exit;
pub mod memory;
mod pv;
pub mod report;
pub mod reporter;
pub mod sys;
pub mod system;
pub mod units;
