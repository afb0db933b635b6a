//! The loop, between the two interfaces: [`System`](crate::system::System) below it and
//! [`Reporter`](crate::reporter::Reporter) beside it.
//!
//! ```text
//! run               one turn after the other       passage          bytes that move without being copied
//! output_observer, output_tail    what a display wants to know of the output
//! tee_buffer        what was read and is kept as pages besides
//! ```

mod output_observer;
mod output_tail;
mod passage;
mod run;
mod tee_buffer;

pub use run::{Engine, run};
