//! The words and numbers of everything for people: reasons in the reader's words, thousands separated, one
//! unit.
//!
//! Refuses to lay out: `display` does, with the shorter forms that are given here.

use std::time::Duration;

use crate::config::ReportConfig;
use crate::core::account::Tally;
use crate::core::snapshot::{Snapshot, State};
use crate::units::{count, counted, grouped, size};

/// What is short of the capacity by less than this share is full: a record that does not fit leaves some
/// space.
const NEARLY: f64 = 0.95;

/// Less than this share of the capacity is not worth a word.
const LITTLE: f64 = 0.1;

/// From this share on, what has stopped the reading is called full.
const MUCH: f64 = 0.5;

/// What the display or the account counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Records,
}

impl Unit {
    /// Records where `records`, else bytes.
    pub fn of(records: bool) -> Unit {
        match records {
            true => Unit::Records,
            false => Unit::Bytes,
        }
    }

    /// Losses are told in records where records are counted. Of a record that was cut short there are only
    /// bytes.
    pub fn of_losses(snapshot: &Snapshot, lost: Tally) -> Unit {
        Unit::of(snapshot.counts_records && lost.records > 0)
    }

    pub fn number(self, tally: Tally) -> u64 {
        match self {
            Unit::Bytes => tally.bytes,
            Unit::Records => tally.records,
        }
    }

    /// An amount with its unit, to the last record.
    pub fn exact(self, number: u64) -> String {
        match self {
            Unit::Bytes => bytes(number),
            Unit::Records => counted(number, "record"),
        }
    }

    /// The same in few columns.
    pub fn short(self, number: u64) -> String {
        match (self, number) {
            (Unit::Bytes, _) => bytes(number),
            (Unit::Records, 1) => "1 record".to_owned(),
            (Unit::Records, _) => format!("{} records", count(number)),
        }
    }

    /// `part` of `whole`, each once and with one unit; just it where it is the whole.
    pub fn share(self, part: u64, whole: u64) -> String {
        match self {
            _ if part == whole => self.exact(part),
            Unit::Records => format!("{} of {}", grouped(part), counted(whole, "record")),
            Unit::Bytes => of_bytes(part, whole),
        }
    }
}

/// The name of `-N`, fit for a line: a control character in it would end or repaint the line.
pub fn name(config: &ReportConfig) -> Option<String> {
    let name = config.name.as_deref()?;
    Some(name.replace(char::is_control, "?"))
}

/// What stands in front of every line but the errors and pv's statistics.
pub fn prefix(config: &ReportConfig) -> String {
    name(config).unwrap_or_else(|| "hwm".to_owned()) + ": "
}

/// What a run is called in front of its lines: a long name is cut, and the same in all of them.
pub fn label(name: &str) -> String {
    const LONGEST: usize = 16;
    match name.chars().count() {
        0..=LONGEST => format!("{name}:"),
        _ => format!("{}~:", name.chars().take(LONGEST - 1).collect::<String>()),
    }
}

/// A size, with a blank before a bare `B`, as in a rate.
pub fn bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} B"),
        _ => size(number),
    }
}

/// In the unit of the whole, where that says something of the part.
fn of_bytes(part: u64, whole: u64) -> String {
    let whole_text = bytes(whole);
    let unit = whole_text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let power = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = power.iter().position(|name| *name == unit);
    let value = part as f64 / 1024_f64.powi(power.map_or(0, |at| at as i32 + 1));
    let text = match (power, value) {
        (None, _) => part.to_string(),
        (_, v) if v < 0.01 && part > 0 => bytes(part),
        (_, v) if v < 9.995 => format!("{v:.2}"),
        (_, v) if v < 99.95 => format!("{v:.1}"),
        (_, v) => format!("{v:.0}"),
    };
    format!("{text} of {whole_text}")
}

/// A time in few columns, cut.
pub fn brief(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3600),
    }
}

/// How full the buffer is, where that matters, and the same in fewer columns.
pub fn fullness(snapshot: &Snapshot) -> Option<[String; 2]> {
    // `block` stops reading there, until the low-water mark, and so it is full.
    let blocks = snapshot.policy == "block";
    let space = if blocks {
        snapshot.high_water
    } else {
        snapshot.capacity
    };
    let is_stopped = blocks && snapshot.state == State::Pressured;
    let share = |held: u64| held as f64 / space.max(1) as f64;
    let now = share(snapshot.held.bytes);
    let word = match share(snapshot.recent_peak_held.max(snapshot.held.bytes)) {
        peak if peak >= NEARLY => "full".to_owned(),
        _ if is_stopped && now >= MUCH => "full".to_owned(),
        _ if now >= LITTLE => format!("{:.0}%", now * 100.0),
        _ => return None,
    };
    Some([format!("buffer {word}"), format!("buf {word}")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::quiet;

    #[test]
    fn a_share_has_one_unit() {
        const MI: u64 = 1 << 20;
        for (part, whole, text) in [
            (2 * MI - 20_000, 22_859_000, "1.98 of 21.8MiB"),
            (MI, MI, "1.00MiB"),
            (600, 1000, "600 of 1000 B"),
            (0, 5000, "0.00 of 4.88KiB"),
            (5000, 20 << 30, "4.88KiB of 20.0GiB"),
            (999 * MI, 1 << 30, "0.98 of 1.00GiB"),
        ] {
            assert_eq!(Unit::Bytes.share(part, whole), text);
        }
        let records = |part, whole| Unit::Records.share(part, whole);
        assert_eq!(records(1, 1), "1 record");
        assert_eq!(records(200_000, 200_000), "200,000 records");
        assert_eq!(records(1, 2_000), "1 of 2,000 records");
    }

    #[test]
    fn the_buffer_is_reported_where_it_matters() {
        let mut snapshot = quiet();
        (snapshot.capacity, snapshot.high_water) = (1000, 1000);
        let mut told = |held, peak| {
            (snapshot.held.bytes, snapshot.recent_peak_held) = (held, peak);
            fullness(&snapshot).map(|[long, _]| long)
        };
        assert_eq!(told(0, 90), None);
        assert_eq!(told(400, 900).as_deref(), Some("buffer 40%"));
        assert_eq!(told(400, 990).as_deref(), Some("buffer full"));
        assert_eq!(told(1000, 1000).as_deref(), Some("buffer full"));
        snapshot.state = State::Pressured;
        (snapshot.held.bytes, snapshot.recent_peak_held) = (760, 760);
        let stopped = fullness(&snapshot).map(|[_, short]| short);
        assert_eq!(stopped.as_deref(), Some("buf full"));
    }

    #[test]
    fn a_time_is_brief() {
        let brief = |seconds| super::brief(Duration::from_secs(seconds));
        assert_eq!([3, 59, 60, 7300].map(brief), ["3s", "59s", "1m", "2h"]);
    }
}
