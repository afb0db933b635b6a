//! highwater: one process between a producer and a consumer.
//!
//! `hwm` relays stdin to stdout through a bounded buffer with a high- and a low-water mark, and
//! when the consumer falls behind it does what the user chose. This is the map of the house:
//!
//! ```text
//! main.rs     parse, run, exit
//! cli/        what a user types                      -> config
//! config.rs   what the program does: plain values
//! core/       pure: no I/O, no clock, no threads; `now` comes in as an argument
//! engine/     the loop: the only room that knows core and the system at once
//! system.rs   the seam below the loop: what it asks of the world
//! reporter.rs the seam beside the loop: who is told
//! sys/        the only room that touches the system: descriptors, poll, signals
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
//! `memory` and `units` are leaves that all may use.

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
