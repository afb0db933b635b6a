//! What was read and is kept as pages besides, until the turn's end.

use std::ops::Range;

/// What the system keeps a second time, and can write without copying.
pub(super) struct TeeBuffer {
    /// Where in the admitted stream it is, if all of it was admitted.
    pub(super) span: Range<u64>,
    pub(super) bytes: u64,
}
