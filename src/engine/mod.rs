//! The loop, between the seams: [`System`](crate::system::System) below it and
//! [`Reporter`](crate::reporter::Reporter) beside it.

mod kept;
mod passage;
mod run;
mod witness;

pub use run::{Engine, run};
