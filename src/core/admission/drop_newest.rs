//! `drop-newest`: the queue keeps what it has; the arriving record is lost. For who came first.

use super::overflow::{OnFull, Overflow};

/// See the module's header.
pub struct DropNewest;

impl Overflow for DropNewest {
    fn on_full(&self) -> OnFull {
        OnFull::LoseArrival
    }
}
