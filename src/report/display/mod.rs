//! What the live line shows: a snapshot becomes parts, in hwm's own form or in that of pv's switches, and
//! these are fitted to the width.
//!
//! Refuses to draw (`live` does) and to know the command line. What pv shows of its transfer buffer
//! is here what hwm holds.
//!
//! ```text
//! parts      parts of a line, fitted to a width
//! own        hwm's own line
//! pv         pv's fields, in pv's form, and a few of hwm's own
//! progress   rates, averages, shares
//! amount, bar          pv's numbers and bars
//! gauge, sparkline     the buffer, and the last minute
//! zone       the user's time zone
//! ```

mod amount;
mod bar;
mod gauge;
mod own;
#[cfg(test)]
mod own_tests;
pub mod parts;
mod progress;
mod pv;
mod sparkline;
#[cfg(test)]
mod tests;
mod zone;

use std::time::{Duration, SystemTime};

use crate::config::display::{BarStyle, Display};
use crate::config::{Amount, ReportConfig, ReportMode};
use crate::core::account::Tally;
use crate::core::snapshot::Snapshot;
use crate::units::{clock, count, percent};

use super::words::{Unit, bytes};
use own::Memory;
use parts::{Line, Part, Tone, clipped, fit};
use progress::{Figures, Progress};

/// Columns where the terminal does not tell.
pub const DEFAULT_WIDTH: usize = 80;

/// Beyond it (11 years) times are not told, in seconds.
const LONGEST: f64 = 360_000_000.0;

/// The seconds that hwm's own time left looks back on.
const WINDOW: u64 = 15;

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

/// Composes the live line, and remembers what it needs from one report to the next.
#[derive(Debug)]
pub struct Face {
    /// None for pv's form.
    own: Option<Memory>,
    display: Display,
    progress: Progress,
    abilities: Abilities,
    /// When the transfer began: with `-W` not at the start.
    begin: Duration,
}

/// Everything that a part may show.
struct View<'a> {
    display: &'a Display,
    config: &'a ReportConfig,
    snapshot: &'a Snapshot,
    figures: Figures,
    abilities: Abilities,
    elapsed: Duration,
    /// How much is expected, in the unit of the display; above 0.
    expected: Option<u64>,
    /// What is dealt with, whether it went out or was lost.
    done: u64,
    last: bool,
    now: SystemTime,
}

impl Face {
    /// The one that `config` asks for, which showed nothing yet; None where there is no live line.
    pub fn of(config: &ReportConfig, abilities: Abilities) -> Option<Face> {
        let (own, display) = match (config.mode, &config.screen.display) {
            (ReportMode::Bar, _) => (Some(Memory::default()), of_our_own()),
            (ReportMode::Pv, Some(display)) => (None, display.clone()),
            _ => return None,
        };
        Some(Face {
            own,
            progress: Progress::new(display.window),
            display,
            abilities,
            begin: Duration::ZERO,
        })
    }

    /// The consumer takes nothing before this time.
    pub fn begins(&mut self, at: Duration) {
        self.begin = self.begin.max(at);
    }

    /// The line for `snapshot`, which is the `last` one of the run or not, for `width` columns.
    pub fn line(
        &mut self,
        snapshot: &Snapshot,
        config: &ReportConfig,
        width: usize,
        last: bool,
        now: SystemTime,
    ) -> Line {
        let transferred = transferred(snapshot, config, last);
        let expected = config.expected.and_then(|amount| match amount {
            Amount::Bytes(bytes) => (!config.records).then_some(bytes),
            Amount::Records(records) => config.records.then_some(records),
        });
        let expected = expected.filter(|expected| *expected > 0);
        let done = transferred.saturating_add(lost_on_the_way(snapshot, config, last));
        let share = expected.map(|expected| done as f64 * 100.0 / expected as f64);
        let elapsed = snapshot.elapsed.saturating_sub(self.begin);
        let figures = self
            .progress
            .update(elapsed.as_secs_f64(), transferred, share, last);
        let view = View {
            display: &self.display,
            config,
            snapshot,
            figures,
            abilities: self.abilities,
            elapsed,
            expected,
            done,
            last,
            now,
        };
        match &mut self.own {
            Some(memory) => {
                let parts = own::parts(&view, memory, width);
                let line = fit(parts, width, self.abilities.paint);
                match line.bar {
                    None => Line::from(clipped(&line.left, width)),
                    Some(_) => line,
                }
            }
            None => pv::line(&view, width),
        }
    }
}

/// What hwm's own line has in common with pv's form.
fn of_our_own() -> Display {
    Display {
        pieces: Vec::new(),
        numeric: false,
        decimal: false,
        bits: false,
        gauge: false,
        style: BarStyle::Plain,
        window: WINDOW,
    }
}

/// What the consumer has. At the end it is what went out: hwm does not wait for the consumer.
fn transferred(snapshot: &Snapshot, config: &ReportConfig, last: bool) -> u64 {
    match last {
        false => taken(snapshot, config.records),
        true => Unit::of(config.records).number(snapshot.output),
    }
}

/// What will never come, and so is dealt with. What a run that was cut short left behind is not.
fn lost_on_the_way(snapshot: &Snapshot, config: &ReportConfig, last: bool) -> u64 {
    let reasons = snapshot.lost.by_reason();
    let counted = reasons.filter(|(reason, _)| !(last && reason.is_of_the_end()));
    let unit = Unit::of(config.records);
    counted.fold(0, |sum, (_, lost)| sum.saturating_add(unit.number(lost)))
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
fn running_loss(view: &View<'_>, reason: Option<&str>, least_rank: u8) -> Option<Part<'static>> {
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

impl View<'_> {
    /// What is counted.
    fn unit(&self) -> Unit {
        Unit::of(self.config.records)
    }

    /// Seconds left at the rate of the window; None without a known size.
    fn seconds_left(&self) -> Option<u64> {
        let left = self.expected?.saturating_sub(self.done) as f64;
        let rate = self.figures.window;
        if self.done == 0 || rate < 0.001 {
            return Some(0);
        }
        Some((left / rate).clamp(0.0, LONGEST) as u64)
    }
}

fn eta_text(seconds: u64) -> String {
    format!("ETA {}", clock(Duration::from_secs(seconds)))
}

impl From<String> for Line {
    fn from(text: String) -> Line {
        Line {
            left: text,
            ..Line::default()
        }
    }
}
