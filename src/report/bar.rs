//! The live line, composed but not drawn.
//!
//! Fields that do not fit go in the order of their worth, so that a narrow terminal still shows
//! how much went out, what was lost, and how full the buffer is. Columns do not jump: figures are
//! padded to the width they may reach.

use std::time::Duration;

use super::name;
use crate::config::{Amount, ReportConfig};
use crate::core::account::Tally;
use crate::core::snapshot::{Bottleneck, Snapshot, State};
use crate::units::{byte_rate, clock, count, percent, record_rate, size};

/// Columns where the terminal does not tell.
pub const DEFAULT_WIDTH: usize = 80;

/// Cells of the fill gauge: enough to see a mark at 80%, few enough for 40 columns.
const GAUGE_CELLS: u128 = 6;

/// One field: its text, and the rank at which it goes when the line is too long (0 stays longest).
struct Field {
    rank: u8,
    text: String,
}

/// The line, at most `width` columns. `before` is the snapshot of the previous line: record rates
/// are measured from there, and from the start of the run without one.
pub fn line(
    now: &Snapshot,
    before: Option<&Snapshot>,
    config: &ReportConfig,
    width: usize,
) -> String {
    let unit = Unit::of(now, config);
    let mut fields = vec![
        field(0, format!("{:>7}", unit.amount(now.output))),
        field(5, clock(now.elapsed)),
        field(3, format!("[{:>9}]", unit.out_rate(now, before))),
        field(10, format!("in {:>9}", unit.in_rate(now, before))),
        field(1, gauge(now)),
        field(6, fill(now)),
    ];
    fields.extend(pressure(now).map(|text| field(7, text)));
    fields.extend(losses(now, unit).map(|text| field(2, text)));
    fields.extend(slow_side(now).map(|text| field(8, text)));
    fields.extend(progress(now, config).map(|text| field(4, text)));
    let prefix = name(config).map_or_else(String::new, |name| format!("{name}: "));
    fitted(&prefix, fields, width)
}

fn field(rank: u8, text: String) -> Field {
    Field { rank, text }
}

/// What the display counts.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Records,
}

impl Unit {
    fn of(snapshot: &Snapshot, config: &ReportConfig) -> Unit {
        match config.records && snapshot.counts_records {
            true => Unit::Records,
            false => Unit::Bytes,
        }
    }

    fn amount(self, tally: Tally) -> String {
        match self {
            Unit::Bytes => size(tally.bytes),
            Unit::Records => count(tally.records),
        }
    }

    fn out_rate(self, now: &Snapshot, before: Option<&Snapshot>) -> String {
        match self {
            Unit::Bytes => byte_rate(now.out_rate),
            Unit::Records => record_rate(records_per_second(now, before, |at| at.output)),
        }
    }

    fn in_rate(self, now: &Snapshot, before: Option<&Snapshot>) -> String {
        match self {
            Unit::Bytes => byte_rate(now.in_rate),
            Unit::Records => record_rate(records_per_second(now, before, |at| at.input)),
        }
    }
}

fn records_per_second(
    now: &Snapshot,
    before: Option<&Snapshot>,
    side: impl Fn(&Snapshot) -> Tally,
) -> Option<f64> {
    let (since, then) = before.map_or((Duration::ZERO, 0), |at| (at.elapsed, side(at).records));
    let seconds = now.elapsed.saturating_sub(since).as_secs_f64();
    let records = side(now).records.saturating_sub(then);
    (seconds > 0.0).then(|| records as f64 / seconds)
}

/// How full the buffer is: `#` held, `|` the high-water mark where it is below C, `-` room.
fn gauge(snapshot: &Snapshot) -> String {
    let capacity = u128::from(snapshot.capacity.max(1));
    let held = u128::from(snapshot.held.bytes).min(capacity);
    // Rounded up, so that what is held is seen, but full only when it is full.
    let filled = match held == capacity {
        true => GAUGE_CELLS,
        false => (held * GAUGE_CELLS).div_ceil(capacity).min(GAUGE_CELLS - 1),
    };
    let mark = u128::from(snapshot.high_water) * GAUGE_CELLS / capacity;
    let cells: String = (0..GAUGE_CELLS)
        .map(|cell| match cell {
            _ if cell < filled => '#',
            _ if cell == mark => '|',
            _ => '-',
        })
        .collect();
    format!("[{cells}]")
}

fn fill(snapshot: &Snapshot) -> String {
    let share = percent(snapshot.held.bytes as f64, snapshot.capacity as f64);
    format!("{share:>3}%")
}

fn pressure(snapshot: &Snapshot) -> Option<String> {
    (snapshot.state == State::Pressured).then(|| State::Pressured.name().to_owned())
}

fn losses(snapshot: &Snapshot, unit: Unit) -> Option<String> {
    let lost = snapshot.lost.total();
    let unit = match snapshot.counts_records && lost.records > 0 {
        true => Unit::Records,
        false => unit,
    };
    (lost != Tally::default()).then(|| format!("lost {}", unit.amount(lost)))
}

fn slow_side(snapshot: &Snapshot) -> Option<String> {
    let side = snapshot.bottleneck;
    (side != Bottleneck::None).then(|| format!("slow: {}", side.name()))
}

/// The share of what is expected, and the time left at the mean rate so far. What was lost is
/// dealt with, too: otherwise a lossy run would never come to its end.
fn progress(now: &Snapshot, config: &ReportConfig) -> Option<String> {
    let (lost, output) = (now.lost.total(), now.output);
    let (done, expected) = match config.expected? {
        Amount::Bytes(expected) => (output.bytes.saturating_add(lost.bytes), expected),
        Amount::Records(_) if !now.counts_records => return None,
        Amount::Records(expected) => (output.records.saturating_add(lost.records), expected),
    };
    let share = percent(done as f64, expected as f64);
    if done == 0 || expected == 0 {
        return Some(format!("{share:>3}%"));
    }
    let left = expected.saturating_sub(done) as f64;
    let seconds = left * now.elapsed.as_secs_f64() / done as f64;
    // What does not fit a Duration is hopeless, and a number of its digits says nothing.
    let eta = Duration::try_from_secs_f64(seconds).map_or_else(|_| "-".to_owned(), clock);
    Some(format!("{share:>3}% ETA {eta}"))
}

/// The fields in their order, without those of the highest rank that do not fit.
fn fitted(prefix: &str, mut fields: Vec<Field>, width: usize) -> String {
    loop {
        let texts: Vec<&str> = fields.iter().map(|field| field.text.as_str()).collect();
        let line = prefix.to_owned() + &texts.join(" ");
        if columns(&line) <= width || fields.len() == 1 {
            return cut(&line, width);
        }
        let least = (0..fields.len()).max_by_key(|&index| fields[index].rank);
        least.map(|index| fields.remove(index));
    }
}

/// The columns a line may need. Without a table of widths every character beyond ASCII counts as
/// two: a line that is a little short does no harm, one that wraps does.
pub fn columns(line: &str) -> usize {
    line.chars().map(character_columns).sum()
}

fn character_columns(character: char) -> usize {
    if character.is_ascii() { 1 } else { 2 }
}

fn cut(line: &str, width: usize) -> String {
    let mut used = 0;
    line.chars()
        .take_while(|&character| {
            used += character_columns(character);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{config, lossy, quiet};

    fn at(width: usize) -> String {
        let mut config = config();
        config.expected = Some(Amount::Bytes(8 << 20));
        line(&lossy(), None, &config, width)
    }

    #[test]
    fn a_wide_line_has_every_field() {
        assert_eq!(
            at(120),
            "3.00MiB 0:01:02 [49.3KiB/s] in 82.2KiB/s [###-|-]  50% pressured lost 200 \
             slow: consumer  50% ETA 0:01:02"
        );
    }

    #[test]
    fn fields_go_by_rank_where_there_is_no_room() {
        assert_eq!(
            at(80),
            "3.00MiB 0:01:02 [49.3KiB/s] [###-|-]  50% pressured lost 200  50% ETA 0:01:02"
        );
        assert_eq!(at(40), "3.00MiB [49.3KiB/s] [###-|-] lost 200");
        assert_eq!(at(30), "3.00MiB [###-|-] lost 200");
        assert_eq!(at(16), "3.00MiB [###-|-]");
        assert_eq!(at(10), "3.00MiB");
        assert_eq!(at(3), "3.0");
    }

    #[test]
    fn no_line_is_ever_wider_than_its_terminal() {
        let mut config = config();
        config.expected = Some(Amount::Records(u64::MAX));
        config.name = Some("日本".to_owned());
        let mut snapshot = lossy();
        snapshot.elapsed = Duration::from_secs(u64::MAX / 4);
        snapshot.output.bytes = u64::MAX;
        for width in 0..200 {
            let line = line(&snapshot, None, &config, width);
            assert!(columns(&line) <= width, "{width}: {line}");
        }
    }

    #[test]
    fn a_quiet_run_shows_only_what_there_is() {
        assert_eq!(
            line(&quiet(), None, &config(), 80),
            "     0B 0:00:00 [        -] in         - [------]   0%"
        );
    }

    #[test]
    fn the_gauge_is_full_only_when_the_buffer_is() {
        let mut snapshot = quiet();
        snapshot.capacity = 1000;
        snapshot.high_water = 800;
        for (held, text) in [
            (0, "[----|-]   0%"),
            (1, "[#---|-]   0%"),
            (500, "[###-|-]  50%"),
            (999, "[#####-]  99%"),
            (1000, "[######] 100%"),
        ] {
            snapshot.held.bytes = held;
            assert_eq!(gauge(&snapshot) + " " + &fill(&snapshot), text);
        }
    }

    #[test]
    fn records_are_counted_and_timed_from_the_line_before() {
        let mut config = config();
        config.records = true;
        let mut before = lossy();
        before.elapsed -= Duration::from_secs(2);
        before.output.records -= 100;
        before.input.records -= 500;
        let shown = line(&lossy(), Some(&before), &config, 60);
        assert_eq!(
            shown,
            "    600 0:01:02 [   50.0/s] [###-|-]  50% pressured lost 200"
        );
        assert_eq!(
            Unit::Records.in_rate(&lossy(), Some(&before)),
            "250/s".to_owned()
        );
    }

    #[test]
    fn a_run_without_records_falls_back_to_bytes() {
        let mut config = config();
        config.records = true;
        config.expected = Some(Amount::Records(10));
        let shown = line(&quiet(), None, &config, 80);
        assert!(shown.starts_with("     0B 0:00:00"), "{shown}");
        assert!(!shown.contains("ETA"), "{shown}");
    }

    #[test]
    fn nothing_done_has_a_share_but_no_time_left() {
        let mut config = config();
        config.expected = Some(Amount::Bytes(100));
        assert!(line(&quiet(), None, &config, 80).ends_with("   0%   0%"));
        config.expected = Some(Amount::Bytes(0));
        assert!(line(&quiet(), None, &config, 80).ends_with("   0%   0%"));
    }

    #[test]
    fn the_name_stands_in_front() {
        let mut config = config();
        config.name = Some("tail".to_owned());
        assert!(line(&quiet(), None, &config, 80).starts_with("tail:      0B 0:00:00"));
    }
}
