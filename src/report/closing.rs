//! What the account does not know of a run's end.

use super::statistics::Statistics;

/// What only the reporter knows at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Closing {
    /// The output rates of the intervals.
    pub statistics: Statistics,
    /// Reports that could not be said because the thread was stuck.
    pub dropped: u64,
    /// Events that `--events` was told neither one by one nor as missed.
    pub untold_events: u64,
}
