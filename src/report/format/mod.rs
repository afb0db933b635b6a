//! pv's display: a format filled in from a snapshot, with pv's fields in pv's form and a few of
//! hwm's own.
//!
//! Refuses to draw (`live` does) and to know the command line. What pv shows of its transfer buffer
//! is here what hwm holds.
//!
//! ```text
//! amount     a number with its prefix and unit
//! progress   rates, averages, shares
//! bar        bars
//! parts      one field each
//! zone       the user's time zone
//! ```

mod amount;
mod bar;
mod parts;
mod progress;
mod zone;

use std::time::{Duration, SystemTime};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::config::display::{BarStyle, Display, Part, Piece};
use crate::config::{Amount, ReportConfig};
use crate::core::snapshot::Snapshot;
use progress::{Figures, Progress};

/// What a terminal can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Characters beyond ASCII.
    pub utf8: bool,
    /// Colours.
    pub colour: bool,
}

/// A display and what it remembers from one report to the next.
#[derive(Debug)]
pub struct Format {
    display: Display,
    progress: Progress,
    abilities: Abilities,
}

/// Everything that a part may show.
struct View<'a> {
    display: &'a Display,
    config: &'a ReportConfig,
    snapshot: &'a Snapshot,
    figures: Figures,
    abilities: Abilities,
    /// How much is expected, in the unit of the display.
    expected: Option<u64>,
    /// What is dealt with, whether it went out or was lost.
    done: u64,
    last: bool,
    now: SystemTime,
}

impl Format {
    /// Nothing was shown yet.
    pub fn new(display: Display, abilities: Abilities) -> Format {
        Format {
            progress: Progress::new(display.window),
            display,
            abilities,
        }
    }

    /// The line for `snapshot`, which is the `last` one of the run or not, for `width` columns.
    pub fn line(
        &mut self,
        snapshot: &Snapshot,
        config: &ReportConfig,
        width: usize,
        last: bool,
        now: SystemTime,
    ) -> String {
        let transferred = transferred(snapshot, config, last);
        let expected = config.expected.and_then(|amount| match amount {
            Amount::Bytes(bytes) => (!config.records).then_some(bytes),
            Amount::Records(records) => config.records.then_some(records),
        });
        let expected = expected.filter(|expected| *expected > 0);
        let done = transferred.saturating_add(lost(snapshot, config));
        let share = expected.map(|expected| done as f64 * 100.0 / expected as f64);
        let elapsed = elapsed(snapshot, config).as_secs_f64();
        let figures = self.progress.update(elapsed, transferred, share, last);
        let view = View {
            display: &self.display,
            config,
            snapshot,
            figures,
            abilities: self.abilities,
            expected,
            done,
            last,
            now,
        };
        compose(&view, width)
    }
}

/// With `-W` the time begins with the first byte that went out.
fn elapsed(snapshot: &Snapshot, config: &ReportConfig) -> Duration {
    match snapshot.seen.first_output {
        Some(first) if config.screen.awaits_output => snapshot.elapsed.saturating_sub(first),
        _ => snapshot.elapsed,
    }
}

/// What the consumer has. At the end it is what went out: hwm does not wait for the consumer.
fn transferred(snapshot: &Snapshot, config: &ReportConfig, last: bool) -> u64 {
    match (last, config.records) {
        (false, records) => taken(snapshot, records),
        (true, true) => snapshot.output.records,
        (true, false) => snapshot.output.bytes,
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

fn lost(snapshot: &Snapshot, config: &ReportConfig) -> u64 {
    let lost = snapshot.lost.total();
    if config.records {
        lost.records
    } else {
        lost.bytes
    }
}

/// A plain bar of `width` columns, full to `share` percent.
pub fn drawn_share(width: usize, share: f64) -> String {
    bar::filled(BarStyle::Plain, false, width, share)
}

/// First the parts whose width is known, then those that share what is left.
fn compose(view: &View<'_>, width: usize) -> String {
    let pieces = &view.display.pieces;
    let mut texts: Vec<Option<String>> = pieces.iter().map(|piece| fixed(view, piece)).collect();
    let used: usize = texts.iter().flatten().map(|text| visible(text)).sum();
    let stretching = texts.iter().filter(|text| text.is_none()).count();
    let share = width.saturating_sub(used) / stretching.max(1);
    for (text, piece) in texts.iter_mut().zip(pieces) {
        if let (None, Piece::Part { part, .. }) = (&text, piece) {
            *text = Some(parts::text(view, part, 0, share));
        }
    }
    let mut line: String = texts.into_iter().flatten().collect();
    if view.leaves_colours_on() {
        line += "\x1b[m";
    }
    line
}

/// The text of a piece that does not stretch.
fn fixed(view: &View<'_>, piece: &Piece) -> Option<String> {
    match piece {
        Piece::Text(text) => Some(text.clone()),
        Piece::Part { part, width: 0 } if part.stretches() => None,
        Piece::Part { part, width } => Some(parts::text(view, part, *width, *width)),
    }
}

/// The columns of a text: SGR codes take none.
pub fn visible(text: &str) -> usize {
    let mut columns = 0;
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        columns += rest[..at].width();
        let code = &rest[at + 2..];
        rest = code.find('m').map_or("", |end| &code[end + 1..]);
    }
    columns + rest.width()
}

/// The beginning of a text, of at most so many columns, with all its SGR codes.
pub fn clipped(text: &str, columns: usize) -> String {
    let mut room = columns;
    let mut line = String::new();
    let mut is_code = false;
    for character in text.chars() {
        is_code |= character == '\x1b';
        let width = if is_code {
            0
        } else {
            character.width().unwrap_or(1)
        };
        if width <= room {
            line.push(character);
            room -= width;
        } else {
            room = 0;
        }
        is_code &= character != 'm';
    }
    line
}

impl View<'_> {
    fn leaves_colours_on(&self) -> bool {
        let mut codes = self.display.pieces.iter().filter_map(|piece| match piece {
            Piece::Part {
                part: Part::Sgr(codes),
                ..
            } => codes.last(),
            _ => None,
        });
        self.abilities.colour && codes.next_back().is_some_and(|code| *code != 0)
    }
}

#[cfg(test)]
mod tests;
