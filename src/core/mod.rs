//! The relay as a pure state machine: no I/O, no clock, no threads. Time comes in as `now`, the
//! time since the run began without the time the process was stopped.

pub mod account;
pub mod snapshot;
