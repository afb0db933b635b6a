//! All that a part of the line may show.

use std::time::{Duration, SystemTime};

use super::parts::{Part, Tone};
use super::progress::Figures;
use crate::config::ReportConfig;
use crate::config::display::Display;
use crate::core::account::Tally;
use crate::core::snapshot::Snapshot;
use crate::report::words::{Unit, bytes};
use crate::units::{clock, count, percent};

/// Columns where the terminal does not tell.
pub const DEFAULT_WIDTH: usize = 80;

/// Beyond it (11 years) times are not told, in seconds.
pub(crate) const LONGEST: f64 = 360_000_000.0;

/// What a terminal can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Characters beyond ASCII.
    pub utf8: bool,
    /// Colours that the user asks for.
    pub colour: bool,
    /// Colours of our own: not in what is only forced to look like a terminal.
    pub paint: bool,
}

/// Everything that a part may show.
pub(crate) struct View<'a> {
    pub(crate) display: &'a Display,
    pub(crate) config: &'a ReportConfig,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) figures: Figures,
    pub(crate) abilities: Abilities,
    pub(crate) elapsed: Duration,
    /// How much is expected, in the unit of the display; above 0.
    pub(crate) expected: Option<u64>,
    /// What is dealt with, whether it went out or was lost.
    pub(crate) done: u64,
    pub(crate) last: bool,
    pub(crate) now: SystemTime,
    /// How much the other side of `-M both` has handed on.
    pub(crate) other_side: Option<u64>,
}

impl View<'_> {
    /// What is counted.
    pub(crate) fn unit(&self) -> Unit {
        Unit::of(self.config.records)
    }

    /// Seconds left at the rate of the window; None without a known size.
    pub(crate) fn seconds_left(&self) -> Option<u64> {
        let left = self.expected?.saturating_sub(self.done) as f64;
        let rate = self.figures.window;
        if self.done == 0 || rate < 0.001 {
            return Some(0);
        }
        Some((left / rate).clamp(0.0, LONGEST) as u64)
    }
}

/// Of two amounts how many times the one is the other, to four digits; `-:-` where there is none yet of one.
pub(crate) fn ratio(first: u64, second: u64) -> String {
    let times = |large: u64, small: u64| four_digits(large as f64 / small as f64);
    match (first, second) {
        (0, _) | (_, 0) => "-:-".to_owned(),
        _ if first > second => format!("{}:1", times(first, second)),
        _ => format!("1:{}", times(second, first)),
    }
}

/// As C's `%.4g` has a number from 1 on.
fn four_digits(number: f64) -> String {
    let scientific = format!("{number:.3e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: usize = exponent.parse().unwrap_or(0);
    let shorter = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    match exponent {
        0..=2 => shorter(&format!("{number:.*}", 3 - exponent)),
        3 => format!("{number:.0}"),
        _ => format!("{}e+{exponent:02}", shorter(digits)),
    }
}

/// What the consumer has, in bytes or in records: what lies in its pipe, unread, is not there yet. How
/// many records that are is told from their mean length.
pub fn taken(snapshot: &Snapshot, records: bool) -> u64 {
    let (output, unread) = (snapshot.output, snapshot.seen.unread);
    if !records {
        return output.bytes.saturating_sub(unread);
    }
    let unread = unread as f64 * output.records as f64 / output.bytes.max(1) as f64;
    output.records.saturating_sub(unread.ceil() as u64)
}

/// What is lost so far, or at the end what was before it, with its share of what came, and perhaps why; `least_rank` is that of its shortest form.
pub(crate) fn running_loss(
    view: &View<'_>,
    reason: Option<&str>,
    least_rank: u8,
) -> Option<Part<'static>> {
    let now = view.snapshot;
    let mut lost = Tally::default();
    let reasons = now.lost.by_reason();
    reasons
        .filter(|(reason, _)| !(view.last && reason.is_of_the_end()))
        .for_each(|(_, tally)| lost += tally);
    if lost == Tally::default() {
        return None;
    }
    let unit = Unit::of_losses(now, lost);
    let (part, all) = (unit.number(lost), unit.number(now.input));
    let least = match unit {
        Unit::Bytes => format!("LOST {}", bytes(part)),
        Unit::Records => format!("LOST {}", count(part)),
    };
    let short = format!("LOST {}", unit.short(part));
    let share = match percent(part as f64, all as f64) {
        0 => "<1%".to_owned(),
        share => format!("{share}%"),
    };
    let told = format!("{short} ({share})");
    let part = match reason {
        Some(reason) => Part::text(86, format!("{short} ({share}: {reason})")).or(36, told),
        None => Part::text(36, told),
    };
    let part = part.or(18, short).or(least_rank, least);
    Some(part.apart(2).toned(Tone::Alarming))
}

/// The time left.
pub(crate) fn eta_text(seconds: u64) -> String {
    format!("ETA {}", clock(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_four_digits() {
        for (first, second, expected) in [
            (0, 5, "-:-"),
            (5, 0, "-:-"),
            (5, 5, "1:1"),
            (10, 3, "3.333:1"),
            (3, 10, "1:3.333"),
            (5, 2, "2.5:1"),
            (100, 1, "100:1"),
            (12_345, 10, "1234:1"),
            (12_355, 10, "1236:1"),
            (99_996, 10, "1e+04:1"),
            (123_456, 1, "1.235e+05:1"),
            (1, u64::MAX, "1:1.845e+19"),
        ] {
            assert_eq!(ratio(first, second), expected);
        }
    }
}
