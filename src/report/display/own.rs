//! hwm's own line. Left to right: name, amount, time, rate; bar, share and time left where the size is known;
//! on a wide terminal the buffer's gauge and the last minute; and last, at most one thing that is not as it
//! should be, the worst of those there are.

use std::collections::VecDeque;
use std::time::Duration;

use super::gauge::gauge;
use super::parts::{KEPT, Part, Tone};
use super::sparkline;
use super::view::{View, eta_text, ratio, running_loss, taken};
use crate::core::account::Reason;
use crate::core::snapshot::Snapshot;
use crate::report::words::{Unit, brief, bytes, fullness, label, name};
use crate::units::{UNKNOWN, byte_rate, clock, count, record_rate};

/// The columns from which on there is space for more than what everybody looks for.
const WIDE: usize = 110;

/// The time that the sparkline shows, and its cells.
const MINUTE: Duration = Duration::from_secs(60);
const SPARKS: usize = 20;

/// Cells of the gauge: enough to see both marks by default.
const GAUGE: usize = 8;

/// What lies between two pictures of the last minute at least: no column of a sparkline is narrower, and
/// short intervals would pile up thousands.
const APART: Duration = Duration::from_millis(500);

/// What is slow is that of the last while, so that it follows what happens.
const WHILE: Duration = Duration::from_secs(10);

/// A wait shorter than this share of it is as it should be.
const NOTABLE: f64 = 0.2;

/// A consumer that took nothing for so long is stalled, and a pause of the input is worth a word.
const STALL: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(3);

/// The bar has so many cells at least, while words can get shorter, or else so few, or is not worth its
/// place.
const BAR: [usize; 2] = [12, 8];

/// What the line remembers from one report to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// Pictures of the last minute, some time apart.
    past: VecDeque<Snapshot>,
    /// The report before.
    last: Option<Snapshot>,
    /// Since when the consumer takes nothing of what is there.
    stalled: Option<Duration>,
    /// Since when hwm waits and no input comes.
    silent: Option<Duration>,
}

/// What is wrong with the consumer.
enum Consumer {
    Stalled(Duration),
    Slow,
}

impl Memory {
    /// Takes a report into account.
    fn follow(&mut self, now: &Snapshot) {
        type Of<T> = fn(&Snapshot) -> T;
        let last = self.last.as_ref();
        let grew = |time: Of<Duration>| {
            let before = last.map_or(Duration::ZERO, time);
            time(now).saturating_sub(before)
        };
        let span = grew(|at| at.elapsed);
        // Since when it waits, if nothing moved since the last report, and most of that time was a wait.
        let since = |before: Option<Duration>, moved: Of<u64>, waited: Duration| {
            let stands = last.map_or(0, moved) == moved(now);
            let waits = waited > span / 2;
            (stands && waits).then(|| before.unwrap_or(now.elapsed.saturating_sub(waited)))
        };
        // With a rate limit it may take long until the pipe is full; who leaves in it what is there is
        // waited for all the same.
        let is_left = last.is_some_and(|last| last.seen.unread > 0) && now.seen.unread > 0;
        let waited = if is_left {
            span
        } else {
            grew(|at| at.wait_output)
        };
        self.stalled = since(self.stalled, |at| taken(at, false), waited);
        self.silent = since(self.silent, |at| at.input.bytes, grew(|at| at.wait_input));
        self.remember(now);
        self.last = Some(now.clone());
    }

    fn remember(&mut self, now: &Snapshot) {
        let is_old = |at: &Snapshot| at.elapsed.saturating_add(MINUTE) < now.elapsed;
        // One older than a minute is where the minute begins.
        while self.past.get(1).is_some_and(is_old) {
            self.past.pop_front();
        }
        let last = self.past.back();
        if last.is_none_or(|last| now.elapsed >= last.elapsed.saturating_add(APART)) {
            self.past.push_back(now.clone());
        }
    }

    fn consumer(&self, now: &Snapshot) -> Option<Consumer> {
        let stalled = self.stalled.map(|since| now.elapsed.saturating_sub(since));
        match stalled.filter(|time| *time >= STALL) {
            Some(time) => Some(Consumer::Stalled(time)),
            None => self
                .is_held_up_by(now, |at| at.wait_output)
                .then_some(Consumer::Slow),
        }
    }

    fn pause(&self, now: &Snapshot) -> Option<Duration> {
        let silent = now.elapsed.saturating_sub(self.silent?);
        (silent >= PAUSE).then_some(silent)
    }

    /// Whether this was the longest wait of the last while, and worth a word.
    fn is_held_up_by(&self, now: &Snapshot, wait: fn(&Snapshot) -> Duration) -> bool {
        let begin = now.elapsed.saturating_sub(WHILE);
        let then = self.past.iter().rev().find(|at| at.elapsed <= begin);
        let passed = |time: fn(&Snapshot) -> Duration| {
            let before = then.map_or(Duration::ZERO, time);
            time(now).saturating_sub(before).as_secs_f64()
        };
        let waits: [fn(&Snapshot) -> Duration; 3] =
            [|at| at.wait_input, |at| at.wait_output, |at| at.wait_rate];
        let longest = waits.map(passed).into_iter().fold(0.0, f64::max);
        let waited = passed(wait);
        waited >= longest && waited > passed(|at| at.elapsed) * NOTABLE
    }
}

/// The parts of the line, for `width` columns. Their ranks say what gets shorter or goes first.
pub(super) fn parts(view: &View<'_>, memory: &mut Memory, width: usize) -> Vec<Part<'static>> {
    let now = view.snapshot;
    memory.follow(now);
    let consumer = memory.consumer(now);
    let mut parts = Vec::new();
    parts.extend(name(view.config).map(|name| Part::text(12, label(&name))));
    let amount = match view.unit() {
        Unit::Bytes => bytes(view.figures.transferred),
        Unit::Records => count(view.figures.transferred),
    };
    parts.push(Part::text(KEPT, format!("{amount:>7}")).apart(1));
    parts.push(Part::text(45, clock(view.elapsed)).apart(1));
    parts.push(Part::text(30, format!("[{:>9}]", rate(view))).apart(1));
    parts.extend(view.other_side.map(|other| {
        let ratio = ratio(other, view.figures.transferred);
        Part::text(40, format!("ratio {ratio}")).apart(2)
    }));
    let stands = matches!(consumer, Some(Consumer::Stalled(_))) || memory.pause(now).is_some();
    parts.extend(progress(view, stands));
    if width >= WIDE {
        let gauge = format!("buffer {}", gauge(now, GAUGE));
        parts.push(Part::text(88, gauge).apart(2).toned(Tone::Quiet));
        parts.extend(sparks(view, memory).map(|sparks| {
            let part = Part::text(90, sparks).apart(1);
            part.toned(Tone::Quiet)
        }));
    }
    parts.extend(remark(view, memory, consumer, width));
    parts
}

fn rate(view: &View<'_>) -> String {
    match view.unit() {
        // Nothing was measured yet.
        _ if view.snapshot.elapsed.is_zero() => UNKNOWN.to_owned(),
        Unit::Bytes => byte_rate(Some(view.figures.rate)),
        Unit::Records => record_rate(Some(view.figures.rate)),
    }
}

/// Bar, share and time left, for a known size. More than was expected is told as it is, and then nobody
/// knows the end; nor does anybody while nothing moves.
fn progress(view: &View<'_>, stands: bool) -> Vec<Part<'static>> {
    let Some(expected) = view.expected else {
        return Vec::new();
    };
    let share = u128::from(view.done) * 100 / u128::from(expected);
    // So far beyond, it was no size of this.
    let percents = match share {
        1000.. => ">999%".to_owned(),
        _ => format!("{share:>3}%"),
    };
    let full = view.done as f64 / expected as f64;
    let bar = Part::bar(75, BAR[0], full).or_bar(50, BAR[1], full);
    let mut parts = vec![bar.apart(1), Part::text(15, percents).apart(1)];
    let moves = view.figures.window > 0.0 && !stands;
    if moves && view.done <= expected {
        let eta = view.seconds_left().map(eta_text);
        parts.extend(eta.map(|eta| Part::text(42, eta).apart(1)));
    }
    parts
}

fn sparks(view: &View<'_>, memory: &Memory) -> Option<String> {
    let in_records = view.unit() == Unit::Records;
    let points = memory
        .past
        .iter()
        .map(|at| (at.elapsed, taken(at, in_records)));
    let points: Vec<_> = points.collect();
    let sparks = sparkline::draw(&points, MINUTE, SPARKS, view.abilities.utf8);
    let is_blank = sparks.bytes().all(|byte| byte == b' ');
    (!is_blank).then_some(sparks)
}

/// The worst of what is not as it should be, and what belongs to it.
fn remark(
    view: &View<'_>,
    memory: &Memory,
    consumer: Option<Consumer>,
    width: usize,
) -> Vec<Part<'static>> {
    let now = view.snapshot;
    let part = |rank, text| Part::text(rank, text).apart(2).toned(Tone::Notable);
    let words = consumer.map(|consumer| match consumer {
        Consumer::Stalled(time) => {
            let short = format!("stalled {}", brief(time));
            (format!("consumer {short}"), Some(short))
        }
        Consumer::Slow => ("consumer slow".to_owned(), None),
    });
    let reason = main_reason(now).filter(|_| width >= WIDE);
    if let Some(loss) = running_loss(view, reason, 8) {
        let belongs = words.map(|(words, _)| {
            let part = Part::text(60, format!(", {words}"));
            part.toned(Tone::Notable)
        });
        return [loss].into_iter().chain(belongs).collect();
    }
    if let Some((words, short)) = words {
        let consumer = match short {
            Some(short) => part(38, words).or(20, short),
            None => part(20, words),
        };
        let belongs = fullness(now).map(|[long, short]| {
            let part = Part::text(80, format!(", {long}"));
            part.or(70, format!(", {short}")).toned(Tone::Notable)
        });
        return [consumer].into_iter().chain(belongs).collect();
    }
    if let Some(pause) = memory.pause(now) {
        let pause = format!("input {}", brief(pause));
        return vec![part(40, format!("waiting for {pause}")).or(28, format!("no {pause}"))];
    }
    let is_limited = memory.is_held_up_by(now, |at| at.wait_rate);
    // No fault, but what was asked for: it stands closer, and quieter.
    let limit = || Part::text(65, "-L limit").apart(1).toned(Tone::Quiet);
    is_limited.then(limit).into_iter().collect()
}

/// Why most of what is lost was lost.
fn main_reason(now: &Snapshot) -> Option<&'static str> {
    let unit = Unit::of_losses(now, now.lost.total());
    let most = now
        .lost
        .by_reason()
        .max_by_key(|(_, lost)| unit.number(*lost));
    most.map(|(reason, _)| Reason::words(reason))
}
