//! `drop-buffer`: every record that is not partly written leaves, then the arrival is admitted. For a backlog that
//! is worth nothing once it is too long.

use super::overflow::{OnFull, Overflow};

/// See the module's header.
pub struct DropBuffer;

impl Overflow for DropBuffer {
    fn on_full(&self) -> OnFull {
        OnFull::EvictAll
    }
}
