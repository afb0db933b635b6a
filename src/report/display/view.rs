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
