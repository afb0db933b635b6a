//! A history as the columns of a picture, and what is to be pointed out in it.
//!
//! Refuses to draw: these are numbers.

use super::history::{ACTIVITIES, History, Point, joined};
use crate::core::account::Tally;
use crate::report::words::Unit;

/// No more columns than that are drawn: they are about three pixels wide then, and the file stays small.
pub const MOST: usize = 280;

/// A rate that is more than so many times what the rest of the run shows is cut off, or nothing else could be
/// told apart.
const OUTSTANDING: f64 = 3.0;

/// The share of the columns that may stand out.
const FEW: f64 = 0.03;

/// A part of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// Its beginning, in seconds.
    pub from: f64,
    /// Its end, later than that.
    pub to: f64,
    /// What came in a second.
    pub input: f64,
    /// What went out a second.
    pub output: f64,
    /// The least and the most that was held, in bytes.
    pub held: (f64, f64),
    /// What was lost.
    pub lost: Tally,
    /// The share of each activity in its time, 0 to 1.
    pub shares: [f64; ACTIVITIES],
}

/// The columns of a history, of records where `in_records`.
pub fn of(history: &History, in_records: bool) -> Vec<Column> {
    let points = history.points();
    let groups = points.chunks(points.len().div_ceil(MOST).max(1));
    let mut before = Point::default();
    let mut columns = Vec::new();
    for group in groups {
        let point = joined(group);
        if point.at > before.at {
            columns.push(column(before, point, in_records));
        }
        before = point;
    }
    columns
}

fn column(before: Point, point: Point, in_records: bool) -> Column {
    let seconds = (point.at - before.at).as_secs_f64();
    let rate = |before: Tally, now: Tally| {
        let more = match in_records {
            true => now.records.saturating_sub(before.records),
            false => now.bytes.saturating_sub(before.bytes),
        };
        more as f64 / seconds
    };
    let mut shares = [0.0; ACTIVITIES];
    for (share, (then, now)) in shares.iter_mut().zip(before.times.iter().zip(point.times)) {
        *share = (now.saturating_sub(*then).as_secs_f64() / seconds).min(1.0);
    }
    Column {
        from: before.at.as_secs_f64(),
        to: point.at.as_secs_f64(),
        input: rate(before.input, point.input),
        output: rate(before.output, point.output),
        held: (point.least as f64, point.most as f64),
        lost: Tally {
            bytes: point.lost.bytes.saturating_sub(before.lost.bytes),
            records: point.lost.records.saturating_sub(before.lost.records),
        },
        shares,
    }
}

/// A time in which something was lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Its beginning, in seconds.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// How much.
    pub lost: Tally,
}

impl Loss {
    /// In records where they are counted. Of a record that was cut short there are only bytes.
    pub fn amount(&self) -> (Unit, u64) {
        let unit = Unit::of(self.lost.records > 0);
        (unit, unit.number(self.lost))
    }
}

/// The losses; those that are no further apart than this share of the run are one.
pub fn losses(columns: &[Column], apart: f64) -> Vec<Loss> {
    let end = columns.last().map_or(0.0, |column| column.to);
    let mut losses: Vec<Loss> = Vec::new();
    for column in columns.iter().filter(|one| one.lost != Tally::default()) {
        match losses.last_mut() {
            Some(last) if column.from - last.to <= end * apart => {
                last.to = column.to;
                last.lost += column.lost;
            }
            _ => losses.push(Loss {
                from: column.from,
                to: column.to,
                lost: column.lost,
            }),
        }
    }
    losses
}

/// The highest rate that is shown: the highest there was, unless few columns stand out.
pub fn highest_shown(columns: &[Column]) -> f64 {
    let mut rates: Vec<f64> = columns.iter().map(Column::highest).collect();
    rates.sort_by(f64::total_cmp);
    let highest = rates.last().copied().unwrap_or(0.0);
    let few = (rates.len() as f64 * FEW) as usize;
    let usual = match few {
        0 => highest,
        few => rates[rates.len() - 1 - few],
    };
    match usual > 0.0 && highest > OUTSTANDING * usual {
        true => usual * OUTSTANDING / 2.0,
        false => highest,
    }
}

impl Column {
    /// The higher one of its rates.
    pub fn highest(&self) -> f64 {
        self.input.max(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::account::Reason;
    use crate::report::testing::quiet;
    use std::time::Duration;

    fn history(points: u32) -> History {
        let mut history = History::new();
        let mut at = quiet();
        for _ in 0..points {
            at.elapsed = history.next();
            at.input.bytes += 500;
            at.wait_output += Duration::from_millis(4);
            history.note(&at);
        }
        history
    }

    #[test]
    fn there_are_few_columns_and_they_have_all_of_the_time() {
        for points in [0, 1, 2, 280, 281, 1999, 2000, 2001, 5000] {
            let history = history(points);
            let columns = of(&history, false);
            assert!(columns.len() <= MOST, "{}", columns.len());
            assert!(columns.windows(2).all(|two| two[0].to == two[1].from));
            let end = history.points().last().map(|point| point.at.as_secs_f64());
            assert_eq!(columns.last().map(|column| column.to), end);
            let came: f64 = columns.iter().map(|at| at.input * (at.to - at.from)).sum();
            assert!((came - f64::from(500 * points)).abs() < 0.1, "{came}");
        }
    }

    #[test]
    fn losses_that_are_close_together_are_one_and_nothing_is_lost_of_them() {
        let mut history = History::new();
        let mut at = quiet();
        for point in 0..200 {
            at.elapsed = history.next();
            if (20..30).contains(&point) && point % 2 == 0 || point == 150 {
                at.lost[Reason::QueueFull].records += 10;
            }
            history.note(&at);
        }
        let losses = losses(&of(&history, false), 0.01);
        let records: Vec<u64> = losses.iter().map(|loss| loss.lost.records).collect();
        assert_eq!(records, [50, 10]);
        assert_eq!((losses[0].from, losses[0].to), (0.1, 0.145));
    }

    #[test]
    fn a_short_burst_does_not_flatten_the_rest() {
        let mut columns = of(&history(200), false);
        columns[0].input *= 50.0;
        assert_eq!(
            highest_shown(&columns),
            columns[1].input * OUTSTANDING / 2.0
        );
        columns[0].input = columns[1].input * 2.0;
        assert_eq!(highest_shown(&columns), columns[0].input);
        assert_eq!(highest_shown(&[]), 0.0);
        let mut columns = of(&history(3), false);
        columns[0].input *= 50.0;
        assert_eq!(highest_shown(&columns[..1]), columns[0].input);
    }
}
