//! One line of `key=value` pairs: for logs, awk and people without a terminal.
//!
//! The keys are those of the JSON objects. A line of an interval has no `event`, so that
//! `grep -v event=` leaves a regular table.

use super::fields::{Field, Value};
use super::words::prefix;
use crate::config::ReportConfig;
use crate::core::snapshot::Snapshot;
use crate::units::{number, seconds};

/// Rates are for reading here: whole bytes and records a second.
const RATE_DECIMALS: usize = 0;

/// In the order of the contract: amounts first.
const KEYS: [&str; 15] = [
    "elapsed_s",
    "in_bytes",
    "out_bytes",
    "lost_bytes",
    "in_records",
    "out_records",
    "lost_records",
    "held_bytes",
    "unread_bytes",
    "in_bytes_per_s",
    "out_bytes_per_s",
    "in_records_per_s",
    "out_records_per_s",
    "state",
    "bottleneck",
];

/// Only with `-l`.
const RECORD_RATES: [&str; 2] = ["in_records_per_s", "out_records_per_s"];

/// The line without the newline; `event` is None for an interval, else its name, and how many of them the line
/// stands for, if there can be more than one.
pub fn line(
    event: Option<(&str, Option<u64>)>,
    snapshot: &Snapshot,
    config: &ReportConfig,
) -> String {
    let mut line = prefix(config);
    if let Some((event, count)) = event {
        line += &format!("event={event} ");
        line += &count.map_or_else(String::new, |count| format!("count={count} "));
    }
    for key in KEYS {
        let is_wanted = config.records || !RECORD_RATES.contains(&key);
        let value = (Field::of(key).value)(snapshot).in_all();
        let separator = if key == KEYS[0] { "" } else { " " };
        if let Some(value) = plain(key, value).filter(|_| is_wanted) {
            line += &format!("{separator}{key}={value}");
        }
    }
    line
}

/// None where there is nothing to say.
fn plain(key: &str, value: Value) -> Option<String> {
    Some(match value {
        Value::Count(count) => count.to_string(),
        Value::Time(time) => seconds(time),
        Value::Rate(rate) => number(Some(rate), RATE_DECIMALS)?,
        Value::State(state) => state.name().to_owned(),
        Value::Bottleneck(bottleneck) => bottleneck.name().to_owned(),
        // The columns of a table stay where they are.
        Value::Unknown if key.ends_with("_per_s") => "null".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::account::Reason;
    use crate::core::snapshot::Bottleneck;
    use crate::report::testing::{config, lossy, quiet};

    #[test]
    fn an_interval_is_one_line_of_pairs() {
        assert_eq!(
            line(None, &lossy(), &config()),
            "hwm: elapsed_s=62.25 in_bytes=5242880 out_bytes=3145728 lost_bytes=1048576 \
             in_records=1000 out_records=600 lost_records=200 held_bytes=1048576 unread_bytes=0 \
             in_bytes_per_s=84221 out_bytes_per_s=50533 state=pressured bottleneck=consumer"
        );
    }

    #[test]
    fn the_man_page_lists_the_keys_in_their_order() {
        let reports = include_str!("../../man/sections/reports.roff");
        let from = reports.find("always come in this order").unwrap();
        let to = reports.find("What was lost is the sum").unwrap();
        let words = reports[from..to].split([' ', ',', '\n']);
        let listed: Vec<&str> = words
            .filter(|word| word.contains('_') || ["state", "bottleneck"].contains(word))
            .collect();
        let mut config = config();
        config.records = true;
        let line = line(None, &lossy(), &config);
        let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        assert_eq!(listed, pairs.map(|(key, _)| key).collect::<Vec<_>>());
    }

    #[test]
    fn losses_are_in_bytes_where_records_are_not_counted() {
        assert_eq!(
            line(None, &quiet(), &config()),
            "hwm: elapsed_s=0 in_bytes=0 out_bytes=0 lost_bytes=0 held_bytes=0 \
             unread_bytes=0 in_bytes_per_s=null out_bytes_per_s=null state=flowing bottleneck=none"
        );
    }

    #[test]
    fn with_l_there_are_rates_in_records_too() {
        let mut config = config();
        config.records = true;
        let line = line(None, &lossy(), &config);
        let rates = " out_bytes_per_s=50533 in_records_per_s=16 out_records_per_s=10 state=";
        assert!(line.contains(rates), "{line}");
    }

    #[test]
    fn bytes_of_a_record_cut_short_are_not_hidden_by_a_count_of_none() {
        let mut snapshot = quiet();
        snapshot.counts_records = true;
        snapshot.lost[Reason::Shutdown].bytes = 12;
        let line = line(None, &snapshot, &config());
        assert!(line.contains(" lost_bytes=12 "), "{line}");
        assert!(line.contains(" lost_records=0 "), "{line}");
    }

    #[test]
    fn the_rate_limit_is_named_and_what_lies_unread() {
        let mut snapshot = quiet();
        snapshot.bottleneck = Bottleneck::RateLimit;
        snapshot.seen.unread = 4096;
        let line = line(None, &snapshot, &config());
        assert!(line.contains(" unread_bytes=4096 "), "{line}");
        assert!(line.ends_with(" bottleneck=rate_limit"), "{line}");
    }

    #[test]
    fn an_event_stands_first_and_the_name_before_it() {
        let mut config = config();
        config.name = Some("tail".to_owned());
        let line = line(Some(("loss", Some(3))), &quiet(), &config);
        assert!(
            line.starts_with("tail: event=loss count=3 elapsed_s=0 "),
            "{line}"
        );
    }
}
