//! One JSON object a line, written by hand: the keys and their order are those of `fields`, on which programs rely.
//!
//! Refuses to invent: what is unknown is null, and nothing that is no number is ever printed.

use std::fmt::{Display, Write as _};

use super::closing::Closing;
use super::fields::{FIELDS, Value};
use crate::config::ReportConfig;
use crate::core::account::Reason;
use crate::core::snapshot::Snapshot;
use crate::units::{number, seconds};

/// Rates are averages over milliseconds at least: more decimals than this are noise.
const RATE_DECIMALS: usize = 3;

/// Shares and times to come, to a millionth.
const DECIMALS: usize = 6;

/// The object for one event, without the newline; with the `count` of how many it stands for, where it may
/// stand for several.
pub fn line(event: &str, count: Option<u64>, snapshot: &Snapshot, config: &ReportConfig) -> String {
    begun(event, count, snapshot, config).end()
}

/// The last object, with what only it knows.
pub fn summary(snapshot: &Snapshot, config: &ReportConfig, closing: &Closing) -> String {
    let mut object = begun("summary", None, snapshot, config);
    put_closing(&mut object, closing, config);
    object.end()
}

fn begun(event: &str, count: Option<u64>, snapshot: &Snapshot, config: &ReportConfig) -> Object {
    let mut object = Object::new();
    object.put("event", quoted(event));
    if let Some(count) = count {
        object.put("count", count);
    }
    put_account(&mut object, snapshot, config);
    object
}

fn put_account(object: &mut Object, snapshot: &Snapshot, config: &ReportConfig) {
    for field in &FIELDS {
        if let Some(value) = json((field.value)(snapshot)) {
            object.put(field.key, value);
        }
    }
    if let Some(name) = &config.name {
        object.put("name", quoted(name));
    }
}

/// None where the field is not there.
fn json(value: Value) -> Option<String> {
    Some(match value {
        Value::Count(count) => count.to_string(),
        Value::Time(time) => seconds(time),
        Value::Rate(rate) => or_null(number(Some(rate), RATE_DECIMALS)),
        Value::Number(value) => or_null(number(Some(value), DECIMALS)),
        Value::Name(name) => quoted(name),
        Value::Status(status) => status.to_string(),
        Value::State(state) => quoted(state.name()),
        // By the contract it knows of sides only; `wait_rate_s` tells of the rate limit.
        Value::Bottleneck(bottleneck) => quoted(bottleneck.side()),
        Value::Lost(..) => by_reason(&value),
        Value::Unknown => "null".to_owned(),
        Value::Absent => return None,
    })
}

fn put_closing(object: &mut Object, closing: &Closing, config: &ReportConfig) {
    if config.statistics {
        let figures = closing.statistics.figures();
        let unit = if config.records { "records" } else { "bytes" };
        for (index, key) in ["min", "avg", "max", "mdev"].into_iter().enumerate() {
            let figure = number(figures.map(|figures| figures[index]), RATE_DECIMALS);
            object.put(&format!("rate_{key}_{unit}_per_s"), or_null(figure));
        }
    }
    if closing.dropped > 0 {
        object.put("reports_dropped", closing.dropped);
    }
    if closing.untold_events > 0 {
        object.put("events_missed", closing.untold_events);
    }
}

fn by_reason(value: &Value) -> String {
    let amounts = value.by_reason();
    let mut object = Object::new();
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        let amount = amounts.map(|amounts| amounts[index].1);
        object.put(reason.name(), or_null(amount));
    }
    object.end()
}

fn or_null(value: Option<impl Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // DEL and its like are legal in JSON, but no terminal should have to swallow them.
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// An object under construction. Keys are our own and need no escaping; values are JSON already.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object("{".to_owned())
    }

    fn put(&mut self, key: &str, value: impl Display) {
        let comma = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{comma}\"{key}\":{value}");
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use std::time::Duration;

    use super::*;
    use crate::core::account::Tally;
    use crate::core::loss::dead_letters::DeadLetterCount;
    use crate::core::snapshot::Bottleneck;
    use crate::report::statistics::Statistics;
    use crate::report::testing::{assert_listed, config, lossy, quiet, terms};

    fn parsed(line: &str) -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// The keys of the outer object in the order of the text, which a parsed map forgets.
    fn keys(line: &str) -> Vec<&str> {
        let mut depth = 0;
        let mut keys = Vec::new();
        for piece in line.split_inclusive(['{', '}', ',']) {
            if depth == 1
                && let Some((key, _)) = piece.split_once(':')
            {
                keys.push(key.trim_matches('"'));
            }
            depth += piece.matches('{').count();
            depth -= piece.matches('}').count();
        }
        keys
    }

    #[test]
    fn the_man_page_lists_every_key_and_no_other() {
        let reports = include_str!("../../man/sections/reports.roff");
        let mut listed = terms(reports, "In the mode\n.B json", "The summary may have more");
        let account = include_str!("../../man/sections/account.roff");
        listed.extend(terms(
            account,
            "The summary says how many",
            ".PP\nA delimiter",
        ));
        let mut config = config();
        config.name = Some("name".to_owned());
        let mut snapshot = lossy();
        snapshot.dead_letters = Some(DeadLetterCount::default());
        let object = line("interval", None, &snapshot, &config);
        let there = keys(&object).into_iter().filter(|key| *key != "event");
        assert_listed(listed, there.map(str::to_owned).collect());
    }

    #[test]
    fn keys_come_in_the_order_of_the_contract() {
        let line = line("interval", None, &lossy(), &config());
        assert_eq!(
            keys(&line).join(", "),
            "event, elapsed_s, in_bytes, in_records, out_bytes, out_records, lost_bytes, \
             lost_records, held_bytes, held_records, peak_held_bytes, capacity_bytes, \
             high_water_bytes, low_water_bytes, state, policy, in_bytes_per_s, out_bytes_per_s, \
             wait_input_s, wait_output_s, read_paused_s, pressured_s, pressure_episodes, \
             loss_episodes, longest_stall_s, seconds_to_full, sample_rate, bottleneck, exit, \
             marks, mark_bytes, in_records_per_s, out_records_per_s, wait_rate_s, busy_s, open_s, \
             unread_bytes, recent_peak_held_bytes, last_open_s, restarts, redelivered"
        );
    }

    #[test]
    fn every_figure_stands_under_its_own_key() {
        let object = parsed(&line("summary", None, &lossy(), &config()));
        let expected = json!({
            "event": "summary", "elapsed_s": 62.25, "in_bytes": 5_242_880, "in_records": 1000,
            "out_bytes": 3_145_728, "out_records": 600,
            "lost_bytes": {"queue_full": 1_048_000, "sampled": 0, "priority": 0, "early": 0,
                           "expired": 0, "oversize": 576, "broken_pipe": 0, "shutdown": 0,
                           "unread": 0},
            "lost_records": {"queue_full": 199, "sampled": 0, "priority": 0, "early": 0,
                             "expired": 0, "oversize": 1, "broken_pipe": 0, "shutdown": 0,
                             "unread": 0},
            "held_bytes": 1_048_576, "held_records": 200, "peak_held_bytes": 1_500_000,
            "capacity_bytes": 2_097_152, "high_water_bytes": 1_677_721,
            "low_water_bytes": 1_258_290, "state": "pressured", "policy": "drop-oldest",
            "in_bytes_per_s": 84220.562, "out_bytes_per_s": 50533.333, "wait_input_s": 1.5,
            "wait_output_s": 60.000001, "read_paused_s": 0, "pressured_s": 30,
            "pressure_episodes": 3, "loss_episodes": 2, "longest_stall_s": 12.5,
            "seconds_to_full": 31.125, "sample_rate": 0.25, "bottleneck": "consumer",
            "exit": 0, "marks": 2, "mark_bytes": 60, "in_records_per_s": 16.064,
            "out_records_per_s": 9.639, "wait_rate_s": 0.5, "busy_s": 0.249999,
            "open_s": 2.25,
            "unread_bytes": 0, "recent_peak_held_bytes": 1_200_000,
            "last_open_s": 1.75, "restarts": 0, "redelivered": 0,
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn uncounted_records_and_unknown_numbers_are_null() {
        let mut snapshot = quiet();
        snapshot.seconds_to_full = Some(f64::INFINITY);
        snapshot.in_rate = Some(f64::NAN);
        let object = parsed(&line("interval", None, &snapshot, &config()));
        for key in [
            "in_records",
            "out_records",
            "held_records",
            "seconds_to_full",
            "in_bytes_per_s",
            "out_bytes_per_s",
            "in_records_per_s",
            "out_records_per_s",
            "sample_rate",
            "last_open_s",
            "exit",
        ] {
            assert_eq!(object[key], Value::Null, "{key}");
        }
        for reason in Reason::ALL {
            assert_eq!(object["lost_records"][reason.name()], Value::Null);
            assert_eq!(object["lost_bytes"][reason.name()], 0);
        }
    }

    #[test]
    fn where_the_rate_limit_held_the_data_up_no_side_is_the_slow_one() {
        let mut snapshot = lossy();
        snapshot.bottleneck = Bottleneck::RateLimit;
        let object = parsed(&line("summary", None, &snapshot, &config()));
        assert_eq!(object["bottleneck"], "none");
    }

    #[test]
    fn what_became_of_lost_records_is_reported_where_it_is_known() {
        let tally = |bytes, records| Tally { bytes, records };
        let mut snapshot = lossy();
        snapshot.dead_letters = Some(DeadLetterCount {
            written: tally(40, 3),
            unwritten: tally(20, 1),
        });
        let object = parsed(&line("summary", None, &snapshot, &config()));
        let figures = [
            "spilled_records",
            "spilled_bytes",
            "unspilled_records",
            "unspilled_bytes",
        ];
        assert_eq!(
            figures.map(|key| object[key].as_u64()),
            [3, 40, 1, 20].map(Some)
        );
    }

    #[test]
    fn the_largest_counts_stay_integers() {
        let mut snapshot = quiet();
        snapshot.input.bytes = u64::MAX;
        snapshot.elapsed = Duration::MAX;
        let object = parsed(&line("interval", None, &snapshot, &config()));
        assert_eq!(object["in_bytes"], u64::MAX);
    }

    #[test]
    fn a_name_is_escaped() {
        let mut config = config();
        config.name = Some("a\"b\\c\n\u{1b}\u{7f}é".to_owned());
        let line = line("interval", None, &quiet(), &config);
        assert!(
            line.ends_with(r#","name":"a\"b\\c\u000a\u001b\u007fé"}"#),
            "{line}"
        );
        assert_eq!(parsed(&line)["name"], "a\"b\\c\n\u{1b}\u{7f}é");
    }

    #[test]
    fn the_last_object_knows_the_statistics_and_what_was_dropped() {
        let mut statistics = Statistics::default();
        statistics.add(2.0);
        statistics.add(4.0);
        let closing = Closing {
            statistics,
            dropped: 7,
            untold_events: 5,
        };
        let mut config = config();
        let plain = parsed(&summary(&quiet(), &config, &closing));
        assert_eq!(plain["reports_dropped"], 7);
        assert_eq!(plain["events_missed"], 5);
        assert!(plain.get("rate_min_bytes_per_s").is_none());
        let quiet_one = parsed(&summary(&quiet(), &config, &Closing::default()));
        assert!(quiet_one.get("reports_dropped").is_none());
        assert!(quiet_one.get("events_missed").is_none());
        config.statistics = true;
        let full = parsed(&summary(&quiet(), &config, &closing));
        assert_eq!(full["rate_min_bytes_per_s"], 2);
        assert_eq!(full["rate_avg_bytes_per_s"], 3);
        assert_eq!(full["rate_max_bytes_per_s"], 4);
        assert_eq!(full["rate_mdev_bytes_per_s"], 1);
        config.records = true;
        let in_records = parsed(&summary(&quiet(), &config, &closing));
        assert_eq!(in_records["rate_min_records_per_s"], 2);
        assert!(in_records.get("rate_min_bytes_per_s").is_none());
    }
}
