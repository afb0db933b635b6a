//! What a run was like over time, in a bounded number of points.
//!
//! A point holds totals since the start, so that whatever lies between two points is exact however many
//! were merged. Refuses to look at a clock: each account brings its time.

use std::time::Duration;

use crate::core::account::{Reason, Tally};
use crate::core::snapshot::Snapshot;

/// No more points than that are kept.
pub const MOST: usize = 2000;

/// Time between two points at first: a run of a tenth of a second has a shape. When there is no space
/// for a further point, every two become one, and from then on this is twice as long.
const FIRST_SPAN: Duration = Duration::from_millis(5);

/// What hwm waited for: the output, the rate limit, input; or nothing, as it moved data.
pub const ACTIVITIES: usize = 4;

/// The account at a moment. All but `least` and `most` are totals since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// When that was.
    pub at: Duration,
    /// What came in.
    pub input: Tally,
    /// What went out.
    pub output: Tally,
    /// What was lost while the run went on.
    pub lost: Tally,
    /// The time for each of the activities, in that order.
    pub times: [Duration; ACTIVITIES],
    /// The least that was held since the point before, in bytes, where that was looked at.
    pub least: u64,
    /// The most.
    pub most: u64,
}

impl Point {
    /// What happened from `self` to `next`, as one point.
    fn joined(self, next: Point) -> Point {
        Point {
            least: self.least.min(next.least),
            most: self.most.max(next.most),
            ..next
        }
    }
}

/// See the module's header.
#[derive(Debug, Clone)]
pub struct History {
    points: Vec<Point>,
    span: Duration,
    next: Duration,
    peak: u64,
    /// What the last account that was noted had lost as only an end of a run loses.
    of_the_end: Tally,
}

impl History {
    /// Of a run that begins.
    pub fn new() -> History {
        History {
            points: Vec::new(),
            span: FIRST_SPAN,
            next: FIRST_SPAN,
            peak: 0,
            of_the_end: Tally::default(),
        }
    }

    /// When the next account is to be noted.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// The points so far, in the order of time.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Takes the account of a run that goes on.
    pub fn note(&mut self, at: &Snapshot) {
        self.of_the_end = lost_at_the_end(at);
        let point = self.point(at, Tally::default());
        self.push(point);
        let following = self.next.saturating_add(self.span);
        let from_now = at.elapsed.saturating_add(self.span);
        self.next = if following > at.elapsed {
            following
        } else {
            from_now
        };
    }

    /// Takes the last account. What a run that was stopped did not deliver is no loss of its course.
    pub fn end(&mut self, at: &Snapshot) {
        let mut left = lost_at_the_end(at);
        left.bytes -= left.bytes.min(self.of_the_end.bytes);
        left.records -= left.records.min(self.of_the_end.records);
        let point = self.point(at, left);
        let begin = self.points.last().map_or(Duration::ZERO, |last| last.at);
        match self.points.last_mut() {
            // Rates over next to no time say nothing.
            Some(last) if point.at.saturating_sub(begin) < self.span / 2 => {
                *last = last.joined(point);
            }
            _ => self.push(point),
        }
    }

    fn point(&mut self, at: &Snapshot, not_lost: Tally) -> Point {
        // A peak that rose did so since the last point.
        let rose = at.peak_held > self.peak;
        self.peak = at.peak_held;
        let mut lost = at.lost.total();
        lost.bytes -= not_lost.bytes;
        lost.records -= not_lost.records;
        Point {
            at: at.elapsed,
            input: at.input,
            output: at.output,
            lost,
            times: times(at),
            least: at.held.bytes,
            most: if rose { at.peak_held } else { at.held.bytes },
        }
    }

    fn push(&mut self, point: Point) {
        if self.points.len() >= MOST {
            self.halve();
        }
        self.points.push(point);
    }

    fn halve(&mut self) {
        let pairs = self.points.chunks(2);
        self.points = pairs.map(joined).collect();
        self.span *= 2;
    }
}

/// Neighbouring points as one. There is at least one.
pub fn joined(points: &[Point]) -> Point {
    let one = points.iter().copied().reduce(Point::joined);
    one.unwrap_or_default()
}

/// The time for each of the activities so far.
pub fn times(at: &Snapshot) -> [Duration; ACTIVITIES] {
    [at.wait_output, at.wait_rate, at.wait_input, at.busy]
}

fn lost_at_the_end(at: &Snapshot) -> Tally {
    let mut lost = Tally::default();
    let reasons = Reason::ALL
        .into_iter()
        .filter(|reason| reason.is_of_the_end());
    reasons.for_each(|reason| lost += at.lost[reason]);
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::quiet;

    const MS: Duration = Duration::from_millis(1);

    /// A run that takes 7 bytes and loses one record each millisecond of its second quarter.
    fn course(history: &mut History, end: u32) -> Snapshot {
        let mut at = quiet();
        for ms in 1..=end {
            at.elapsed = ms * MS;
            at.input.bytes += 7;
            at.input.records += 1;
            at.wait_input += MS;
            at.held.bytes = u64::from(ms % 100);
            at.peak_held = at.peak_held.max(at.held.bytes);
            if (end / 4..end / 2).contains(&ms) {
                at.lost[Reason::QueueFull].records += 1;
                at.lost[Reason::QueueFull].bytes += 7;
            }
            if at.elapsed >= history.next() {
                history.note(&at);
            }
        }
        at
    }

    #[test]
    fn points_are_bounded_and_halving_keeps_totals_and_extremes() {
        for end in [8, 1000, 9_999, 10_000, 10_005, 100_000, 3_600_000] {
            let mut history = History::new();
            let last = course(&mut history, end);
            history.end(&last);
            let points = history.points();
            assert!(points.len() <= MOST, "{}", points.len());
            assert!(points.len() >= MOST / 2 || end < 5_000, "{end}");
            let point = *points.last().unwrap();
            assert_eq!(point.at, last.elapsed);
            assert_eq!((point.input, point.lost), (last.input, last.lost.total()));
            assert_eq!(point.times[2], end * MS);
            assert!(points.windows(2).all(|two| two[0].at < two[1].at));
            assert_eq!(
                points.iter().map(|point| point.most).max(),
                Some(last.peak_held)
            );
            // The episode begins and ends where it did, but for a point.
            let span = history.span;
            let began = points.iter().find(|point| point.lost.records > 0);
            let over = points.iter().find(|point| point.lost == last.lost.total());
            for (point, truth) in [(began, end / 4), (over, end / 2)] {
                let (at, truth) = (point.unwrap().at, truth * MS);
                assert!(at <= truth + span && truth <= at + span, "{at:?} {truth:?}");
            }
        }
    }

    #[test]
    fn a_late_account_is_not_made_up_for() {
        let mut history = History::new();
        let mut at = quiet();
        at.elapsed = 7 * MS;
        history.note(&at);
        assert_eq!(history.next(), 10 * MS, "a little late: the rhythm is kept");
        at.elapsed = 103 * MS;
        history.note(&at);
        assert_eq!(history.next(), 108 * MS);
    }

    #[test]
    fn what_the_end_leaves_behind_is_no_loss_and_a_reader_that_is_gone_for_long_is() {
        let mut history = History::new();
        let mut at = quiet();
        at.elapsed = 5 * MS;
        at.lost[Reason::BrokenPipe].records = 10;
        history.note(&at);
        at.elapsed = 10 * MS;
        at.lost[Reason::BrokenPipe].records = 15;
        at.lost[Reason::Shutdown].bytes = 3;
        at.lost[Reason::QueueFull].records = 1;
        history.end(&at);
        let lost: Vec<_> = history.points().iter().map(|point| point.lost).collect();
        let records = |records| Tally { bytes: 0, records };
        assert_eq!(lost, [records(10), records(11)]);
    }

    #[test]
    fn an_end_right_behind_a_point_is_part_of_it() {
        let mut history = History::new();
        let mut at = quiet();
        at.elapsed = 5 * MS;
        history.note(&at);
        at.elapsed = 6 * MS;
        at.output.bytes = 9;
        history.end(&at);
        assert_eq!(history.points().len(), 1);
        assert_eq!(history.points()[0].output.bytes, 9);
        let mut history = History::new();
        history.end(&at);
        assert_eq!(history.points().len(), 1, "its only point");
    }
}
