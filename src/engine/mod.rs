//! The loop, between the seams: [`System`](crate::system::System) below it and
//! [`Reporter`](crate::reporter::Reporter) beside it.

mod output_observer;
mod output_tail;
mod passage;
mod run;
mod tee_buffer;

pub use run::{Engine, run};
