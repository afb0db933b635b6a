//! Reports: a snapshot of the account becomes a live line, plain lines, JSON objects or a summary.
//!
//! Refuses to hold up data. The relay's thread only hands copies over, through a bounded inbox
//! that it never waits for; one thread of our own writes, and where it gets stuck (a stopped
//! terminal, a full pipe) reports are dropped and counted. Only the end of a run waits for
//! it, and not for long. Nothing here can fail a run once it began: a stderr that is closed, full
//! or dead is a reason to be silent.
//!
//! ```text
//! statistics             the rates of a run
//! fields                 the account's fields, for all that programs read
//! json, plain            one line each, for programs
//! summary                the last words, for people
//! display                the live line: hwm's own, or as pv's switches ask for it
//! words                  what they say, for people
//! live                   the live line on a terminal
//! painter                the same by indicatif
//! metrics                a Prometheus text file
//! chart                  the run as a picture
//! reports                where the reports go, and what went wrong there
//! whole                  a file that is replaced as a whole
//! threaded               the relay's end, which only hands over
//! thread                 the other end, which writes
//! throttle                 how often
//! closing, errors        what only the end knows; what cannot be told
//! end                    a thread, its end, and the last words
//! guard                  panics, which never end the relay
//! rendered               all of their texts, for tests
//! observers               the others who are told, each by a thread of its own
//! ```

mod chart;
mod closing;
pub(crate) mod display;
#[cfg(test)]
#[path = "../../tests/common/emulator.rs"]
#[allow(dead_code, reason = "the tests of whole processes use the rest")]
pub(crate) mod emulator;
mod end;
mod errors;
mod fields;
mod guard;
mod json;
mod live;
mod metrics;
mod observers;
pub(crate) mod painter;
mod plain;
#[cfg(test)]
mod properties;
#[doc(hidden)]
pub mod rendered;
mod reports;
#[cfg(test)]
mod screens;
mod statistics;
mod summary;
#[cfg(test)]
mod summary_tests;
#[cfg(test)]
mod testing;
mod thread;
mod threaded;
mod throttle;
mod whole;
pub(crate) mod words;

pub use end::say_and_end;
pub use errors::StartError;
pub use guard::install as tell_panics;
pub use observers::{Reporters, start};
pub use threaded::ThreadedReporter;
