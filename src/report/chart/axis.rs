//! Axes: where their ticks are, and what is written at them.
//!
//! A tick is a round number of the unit that people would choose. Refuses more than one unit on an axis.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::report::words::Unit;

/// From 0 to its end (> 0), with its ticks and what is written at them, in the order of their places.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Where it ends.
    pub end: f64,
    /// The ticks.
    pub ticks: Vec<(f64, String)>,
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (value / self.end * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            true => Vec::new(),
            false => self.ticks.iter().map(|(at, _)| *at).collect(),
        }
    }

    fn range(&self) -> Range<f64> {
        0.0..self.end
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, at: &f64) -> String {
        let tick = self.ticks.iter().find(|tick| tick.0 == *at);
        tick.map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// Round numbers of these, times a power of ten.
const ROUND: [f64; 3] = [1.0, 2.0, 5.0];

/// Round times, in seconds.
const ROUND_TIMES: [f64; 21] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 432_000.0, 864_000.0,
];

/// Up to how many ticks an axis has beside the one at 0.
const MOST_TICKS: f64 = 5.0;
const MOST_TIMES: f64 = 10.0;

/// The largest unit of its kind that is not above `most`: its size and its name.
fn largest(unit: Unit, most: f64) -> (f64, &'static str) {
    let (base, names): (f64, [&str; 7]) = match unit {
        Unit::Bytes => (1024.0, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]),
        Unit::Records => (1000.0, ["", "k", "M", "G", "T", "P", "E"]),
    };
    let mut largest = (1.0, names[0]);
    for name in &names[1..] {
        if most < largest.0 * base {
            break;
        }
        largest = (largest.0 * base, *name);
    }
    largest
}

/// The ticks of an axis from 0 to `most` (> 0), with what is written at each; `what` stands behind every
/// number but 0.
pub fn amounts(most: f64, unit: Unit, what: &str) -> Vec<(f64, String)> {
    let (size, name) = largest(unit, most);
    let step = round(most / size / MOST_TICKS);
    let decimals = decimals(step);
    let ticks = up_to(most / size, step).map(|value| {
        let text = match value == 0.0 {
            true => "0".to_owned(),
            false => format!("{value:.decimals$}{name}{what}"),
        };
        (value * size, text)
    });
    ticks.collect()
}

/// The ticks of an axis of time from 0 to `end` seconds (> 0).
pub fn times(end: f64) -> Vec<(f64, String)> {
    let wish = end / MOST_TIMES;
    let step = match wish < ROUND_TIMES[0] {
        true => round(wish),
        false => {
            let known = ROUND_TIMES.into_iter().find(|time| *time >= wish);
            known.unwrap_or_else(|| round(wish / 86_400.0) * 86_400.0)
        }
    };
    let ticks = up_to(end, step).map(|time| (time, moment(time, step, end)));
    ticks.collect()
}

/// A time on an axis: in the unit that fits the axis, the smaller ones where they are not 0.
fn moment(time: f64, step: f64, end: f64) -> String {
    if time == 0.0 {
        return "0".to_owned();
    }
    if end < 1e-3 {
        let decimals = decimals(step * 1e6);
        return format!("{:.decimals$}us", time * 1e6);
    }
    if end < 1.0 {
        let decimals = decimals(step * 1e3);
        return format!("{:.decimals$}ms", time * 1e3);
    }
    if end < 90.0 {
        let decimals = decimals(step);
        return format!("{time:.decimals$}s");
    }
    let mut rest = time.round() as u64;
    let mut text = String::new();
    for (size, name) in [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
        if rest >= size {
            text += &format!("{}{name}", rest / size);
            rest %= size;
        }
    }
    text
}

/// The least round number that is not below `wish` (> 0).
fn round(wish: f64) -> f64 {
    let power = 10f64.powi(wish.log10().floor() as i32);
    let rounds = ROUND.into_iter().map(|number| number * power);
    // Of a number that is round itself only what the arithmetic made of it is above it.
    let fits = |number: &f64| *number >= wish * (1.0 - 1e-9);
    rounds.into_iter().find(fits).unwrap_or(10.0 * power)
}

fn decimals(step: f64) -> usize {
    (-(step.log10() + 1e-9).floor()).max(0.0) as usize
}

fn up_to(end: f64, step: f64) -> impl Iterator<Item = f64> {
    let count = (end / step + 1e-9).floor() as u32;
    (0..=count).map(move |tick| f64::from(tick) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: Vec<(f64, String)>) -> String {
        let texts: Vec<String> = ticks.into_iter().map(|(_, text)| text).collect();
        texts.join(" ")
    }

    #[test]
    fn amounts_are_round_numbers_of_one_unit() {
        const MIB: f64 = 1048576.0;
        for (most, unit, expected) in [
            (1.0, Unit::Bytes, "0 0.2B/s 0.4B/s 0.6B/s 0.8B/s 1.0B/s"),
            (700.0, Unit::Bytes, "0 200B/s 400B/s 600B/s"),
            (161.3 * MIB, Unit::Bytes, "0 50MiB/s 100MiB/s 150MiB/s"),
            (
                MIB,
                Unit::Bytes,
                "0 0.2MiB/s 0.4MiB/s 0.6MiB/s 0.8MiB/s 1.0MiB/s",
            ),
            (1023.0 * MIB, Unit::Bytes, "0 500MiB/s 1000MiB/s"),
            (12_000.0, Unit::Records, "0 5k/s 10k/s"),
            (3.0, Unit::Records, "0 1/s 2/s 3/s"),
        ] {
            assert_eq!(texts(amounts(most, unit, "/s")), expected, "{most}");
        }
        let ticks = amounts(4.0 * MIB, Unit::Bytes, "");
        assert_eq!(ticks.last(), Some(&(4.0 * MIB, "4MiB".to_owned())));
    }

    #[test]
    fn times_are_round_numbers_of_the_clock() {
        for (end, expected) in [
            (0.000_35, "0 50us 100us 150us 200us 250us 300us 350us"),
            (0.033, "0 5ms 10ms 15ms 20ms 25ms 30ms"),
            (3.05, "0 0.5s 1.0s 1.5s 2.0s 2.5s 3.0s"),
            (59.0, "0 10s 20s 30s 40s 50s"),
            (150.0, "0 15s 30s 45s 1m 1m15s 1m30s 1m45s 2m 2m15s 2m30s"),
            (3600.0, "0 10m 20m 30m 40m 50m 1h"),
            (100_000.0, "0 3h 6h 9h 12h 15h 18h 21h 1d 1d3h"),
        ] {
            assert_eq!(texts(times(end)), expected, "{end}");
        }
        assert!(times(1e9).len() < 12);
    }
}
