//! `drop-oldest`: whole records leave from the head until the arrival fits. For the latest news.

use super::overflow::{OnFull, Overflow};

/// See the module's header.
pub struct DropOldest;

impl Overflow for DropOldest {
    fn on_full(&self) -> OnFull {
        OnFull::EvictOldest
    }
}
