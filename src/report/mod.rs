//! (under construction)

mod bar;
mod json;
mod plain;
mod statistics;
mod summary;
#[cfg(test)]
mod testing;
mod units;

use crate::config::ReportConfig;
use statistics::Statistics;

/// What only the reporter knows at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Closing {
    /// The output rates of the intervals.
    statistics: Statistics,
    /// Reports that could not be said because the thread was stuck.
    dropped: u64,
}

/// The name of `-N`, fit for a line: a control character in it would end or repaint the line.
fn name(config: &ReportConfig) -> Option<String> {
    let name = config.name.as_deref()?;
    Some(name.replace(char::is_control, "?"))
}

/// What stands in front of every line but the errors and pv's statistics.
fn prefix(config: &ReportConfig) -> String {
    name(config).unwrap_or_else(|| "hwm".to_owned()) + ": "
}
