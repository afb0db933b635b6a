//! (under construction)

mod json;
mod statistics;
#[cfg(test)]
mod testing;
mod units;

use statistics::Statistics;

/// What only the reporter knows at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Closing {
    /// The output rates of the intervals.
    statistics: Statistics,
    /// Reports that could not be said because the thread was stuck.
    dropped: u64,
}
