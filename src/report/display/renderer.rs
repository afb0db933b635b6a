//! Composes the live line, in hwm's own form or in pv's.

use std::time::{Duration, SystemTime};

use super::own::{self, Memory};
use super::parts::{Line, clipped, fit};
use super::progress::Progress;
use super::view::{Abilities, View, taken};
use crate::config::display::{BarStyle, Display};
use crate::config::{Amount, ReportConfig, ReportMode, Side};
use crate::core::snapshot::Snapshot;
use crate::pv;
use crate::report::words::Unit;
use crate::sys::other_side::OtherSide;

/// The seconds that hwm's own time left looks back on.
const WINDOW: u64 = 15;

/// Composes the live line, and remembers what it needs from one report to the next.
#[derive(Debug)]
pub struct Renderer {
    /// None for pv's form.
    own: Option<Memory>,
    display: Display,
    progress: Progress,
    abilities: Abilities,
    /// When the transfer began: with `-W` not at the start.
    begin: Duration,
    other_side: Option<OtherSide>,
}

impl Renderer {
    /// The one that `config` asks for, which showed nothing yet; None where there is no live line.
    pub fn of(config: &ReportConfig, abilities: Abilities) -> Option<Renderer> {
        let (own, display) = match (config.mode, &config.screen.display) {
            (ReportMode::Bar, _) => (Some(Memory::default()), of_our_own()),
            (ReportMode::Pv, Some(display)) => (None, display.clone()),
            _ => return None,
        };
        Some(Renderer {
            own,
            progress: Progress::new(display.window),
            display,
            abilities,
            begin: Duration::ZERO,
            other_side: match config.screen.side_of_pair {
                Some(Side::Out) => OtherSide::of_parent(),
                _ => None,
            },
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
            other_side: self.other_side.as_ref().and_then(OtherSide::amount),
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
            None => pv::display::line(&view, width),
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
