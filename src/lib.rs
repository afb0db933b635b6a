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
//!   admission/    which records are lost: one file for each policy that loses any, and the breaker
//!   buffer/       what is held: the queue in memory, own pipes, the sample window
//!   loss/         what is lost: tally, gaps and marks, dead letters
//!   allowance/    how much may go out now: rate limit, demand, prebuffer, space
//!   lifecycle     the stages of a run, and what ends it (`ending`)
//!   moderation    how long a dense stream may be left alone
//!   pressure, ages, account, meter, snapshot, rng
//!   relay/        the state machine over these; a `Plan` is what a turn leaves to do
//! engine/      the loop: the only layer that calls both the relay and the system
//! system.rs    the interface below the loop: what it asks of the world
//! reporter.rs  the interface beside the loop: what is told to others
//! sys/         the only layer that touches descriptors, files, processes, terminals (`memory` asks the
//!              kernel how much is left)
//! report/      a core::Snapshot -> live line, plain, json, summary, metrics; events, commands, dead letters
//! pv/          what only those need who know pv
//! exit.rs      how a run ended -> exit status
//! delimiters.rs  the bytes that end a record
//! classes.rs   what a record is worth: classes by regular expressions
//! memory.rs    whether there is any to be had, and large pieces of it
//! units.rs     numbers, times and names as text for people
//! ```
//!
//! Arrows point one way: `main` starts `cli`, `report`, `sys` and `engine`; `cli -> config`; `engine -> core`, `exit` and the two
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
//! Through memory, as where records are counted (`-l`, `--mark`, a policy that loses) or with `-C`. Where nobody needs to
//! see the bytes, as with `block` between two pipes, `engine/passage.rs` moves them by splice(2) instead
//! (`sys/zero_copy.rs`), and the core only counts them (`core/relay/passage.rs`).
//!
//! 1. `engine/run.rs`: a turn asks the relay what it wants to read (`Relay::read_wish`), and for space for it.
//! 2. `sys/sources.rs` reads it, by `sys/input.rs`, into memory of `core/buffer/queue.rs`.
//! 3. `core/relay/intake.rs`, `Relay::received`: it is counted as `in`, and admitted, for there is space. Its record
//!    is complete when its end comes (`core/framing.rs`). `core/pressure.rs` notices when that reaches the high-water
//!    mark.
//! 4. `core/relay/outlet.rs`, `Relay::offer_within`: it is offered, as far as the rate limit and the consumer's
//!    demand allow (`core/allowance/`) and, where records are known, when its record has space in the output.
//! 5. `sys/output.rs` writes it without waiting; `Relay::sent` counts it as `out`, and its memory is free. To what
//!    knows only blocking calls a thread writes it (`sys/io_worker.rs`): until it has, it is in flight, `Relay::in_flight`.
//! 6. Where the output takes nothing, `Engine::wait` waits as `Relay::plan` says (`sys/poll.rs`), and that time is counted
//!    as `wait_output`; where a stream is dense it pauses instead (`core/moderation.rs`).
//!
//! # One lost record
//!
//! 1. `core/relay/intake.rs`: it does not fit. The policy (`core/admission/`) says which record leaves: asked for many at
//!    once where the outcome is the same (`judge_in_bulk`), else byte by byte (`judge_fragment`, `make_space`).
//! 2. `core/relay/losing.rs`, `Relay::lose`: it is copied for `--lost-to`
//!    (`core/loss/dead_letters.rs`), leaves the queue, is counted under its reason, leaves a gap (`core/loss/gaps.rs`),
//!    and may end the pressure.
//! 3. With `--mark`, `core/relay/outlet.rs` says when a mark is due, `core/loss/marker.rs` writes it, and it goes out in
//!    the record's place.
//! 4. At the turn's end the dead letter goes to `report/observers/lost.rs`, which appends it to the file.
//! 5. The change is reported, with the account of that moment where somebody wants that: `engine/run.rs` hands it to
//!    `report/observers` (events, commands) and `report/threaded.rs`, whose thread writes it (`report/thread.rs`; for
//!    programs by `report/fields.rs`).
//! 6. At the end `report/summary.rs` says it to people, and with `--fail-on-loss` `exit.rs` makes a status of it.

pub mod classes;
pub mod cli;
pub mod config;
pub mod core;
pub mod delimiters;
pub mod engine;
pub mod exit;
pub mod memory;
mod pv;
pub mod report;
pub mod reporter;
pub mod sys;
pub mod system;
pub mod units;
