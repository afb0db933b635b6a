//! `latest`: at most one whole record waits, and a newer one replaces it. For who wants to know how
//! things are, not how they came to be so.
//!
//! A record waits when a write left it behind, so a consumer that keeps up gets every record. What
//! arrives between two writes is replaced at the turn's end; should the capacity be reached before,
//! the oldest leave first, which loses the same records.

use super::overflow::{OnFull, Overflow};

/// See the module's header.
pub struct Latest;

impl Overflow for Latest {
    fn on_full(&self) -> OnFull {
        OnFull::EvictOldest
    }

    fn only_newest_waits(&self) -> bool {
        true
    }
}
