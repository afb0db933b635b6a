//! The live line, composed but not drawn.
//!
//! Fields that do not fit get shorter or go, in the order of their worth, so that a narrow terminal
//! still shows how much went out, what was lost, and how full the buffer is. Columns do not jump:
//! figures are padded to the width they may reach. Colour says nothing that the words do not say.

use std::collections::VecDeque;
use std::time::Duration;

use unicode_width::UnicodeWidthChar as _;

use super::format::{Abilities, drawn_share, taken};
use super::name;
use super::sparkline;
use super::trend::Trend;
use crate::config::{Amount, ReportConfig};
use crate::core::account::Tally;
use crate::core::snapshot::{Snapshot, State};
use crate::units::{byte_rate, clock, count, percent, record_rate, size};

/// Columns where the terminal does not tell.
pub const DEFAULT_WIDTH: usize = 80;

/// Cells of the fill gauge: enough to see both marks by default, few enough for 40 columns.
const GAUGE_CELLS: usize = 8;

/// The time that the sparkline shows.
const MINUTE: Duration = Duration::from_secs(60);

/// What lies between two pictures of it at least: no column of a sparkline is narrower, and short
/// intervals would pile up thousands.
const APART: Duration = Duration::from_millis(500);

/// The verdict is that of the last while, so that it follows what happens.
const VERDICT: Duration = Duration::from_secs(10);

/// A wait shorter than this share names no slow side, as in the account.
const NOTABLE: f64 = 0.05;

/// What is further away than this nobody waits for.
const FAR: f64 = 3600.0;

/// The bar of a known size has at least so many cells, or is not worth its place, and at most so many.
const BAR_CELLS: (usize, usize) = (8, 30);

/// Its rank, which no other field has.
const BAR: u8 = 8;

/// Cells of the sparkline, and the columns from which on there is room for so many.
const SPARKS: [(usize, usize); 2] = [(110, 20), (70, 10)];

/// What lines are composed from: the last minute, and what the terminal can show.
#[derive(Debug)]
pub struct Bar {
    /// Pictures of the last minute, some time apart.
    past: VecDeque<Snapshot>,
    /// When the line before was, and what the consumer had taken then.
    before: (Duration, u64),
    trend: Trend,
    abilities: Abilities,
}

/// One field. A field of the highest rank is the first to be shortened, or else to go.
struct Field {
    rank: u8,
    text: String,
    tone: Tone,
    /// What it is shortened to, and the rank it has then; the next step is the last.
    shorter: Vec<(u8, String)>,
}

/// How a field is coloured, where there is colour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    /// Of less weight.
    Quiet,
    /// To be noticed.
    Notable,
    /// To stand out.
    Alarming,
}

impl Tone {
    /// The code of ECMA-48's SGR.
    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Quiet => Some("2"),
            Tone::Notable => Some("33"),
            Tone::Alarming => Some("1;31"),
        }
    }
}

impl Bar {
    /// Nothing was shown yet.
    pub fn new(abilities: Abilities) -> Bar {
        Bar {
            past: VecDeque::new(),
            before: (Duration::ZERO, 0),
            trend: Trend::default(),
            abilities,
        }
    }

    /// The line, at most `width` columns.
    pub fn line(&mut self, now: &Snapshot, config: &ReportConfig, width: usize) -> String {
        let unit = Unit::of(now, config);
        let mut fields = vec![
            field(0, format!("{:>7}", unit.amount(unit.taken(now)))),
            field(5, clock(now.elapsed)),
            field(
                3,
                format!("[{:>9}]", unit.shown_rate(self.taken_rate(now, unit))),
            ),
            quiet(
                13,
                format!("in {:>9}", unit.shown_rate(unit.rate(now, true))),
            ),
            field(1, gauge(now, GAUGE_CELLS)),
            field(14, fill(now)),
        ];
        fields.push(state(now));
        fields.extend(losses(now, unit));
        fields.extend(self.verdict(now));
        let growth = self.trend.follow(now.elapsed, now.held.bytes);
        fields.extend(growth.and_then(|growth| prediction(now, growth)));
        fields.extend(unread(now));
        fields.extend(self.sparks(now, unit, width));
        let progress = progress(now, config);
        let share = progress.as_ref().map_or(0.0, |progress| progress.share);
        fields.extend(progress.map(Progress::fields).into_iter().flatten());
        let prefix = name(config).map_or_else(String::new, |name| format!("{name}: "));
        let mut fields = fitted(&prefix, fields, width);
        widen_bar(&prefix, &mut fields, share, width);
        self.remember(now);
        self.before = (now.elapsed, unit.taken(now));
        self.painted(&prefix, &fields, width)
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

    /// How much a second the consumer took since the line before, or since the start of the run.
    fn taken_rate(&self, now: &Snapshot, unit: Unit) -> Option<f64> {
        let (then, had) = self.before;
        let seconds = now.elapsed.saturating_sub(then).as_secs_f64();
        // How many records lie unread is an estimate, which may shrink what was taken.
        let took = unit.taken(now).saturating_sub(had);
        (seconds > 0.0).then(|| took as f64 / seconds)
    }

    /// The picture at the beginning of the last `time`, or at the start of the run.
    fn since(&self, now: &Snapshot, time: Duration) -> Option<&Snapshot> {
        let begin = now.elapsed.saturating_sub(time);
        self.past.iter().rev().find(|at| at.elapsed <= begin)
    }

    /// What held the data up for longest, and for which share of the time.
    fn verdict(&self, now: &Snapshot) -> Option<Field> {
        let then = self.since(now, VERDICT);
        let passed = |time: fn(&Snapshot) -> Duration| {
            let before = then.map_or(Duration::ZERO, time);
            time(now).saturating_sub(before).as_secs_f64()
        };
        let all = passed(|at| at.elapsed);
        let waits = [
            ("producer", " slow", passed(|at| at.wait_input)),
            ("consumer", " slow", passed(|at| at.wait_output)),
            ("rate limit", "", passed(|at| at.wait_rate)),
        ];
        let longest = waits.into_iter().max_by(|a, b| a.2.total_cmp(&b.2));
        let (who, is, waited) = longest.filter(|(_, _, waited)| *waited > all * NOTABLE)?;
        let share = percent(waited, all);
        Some(Field {
            shorter: vec![(6, format!("{who} {share}%"))],
            ..field(10, format!("{who}{is} {share}%"))
        })
    }

    fn sparks(&self, now: &Snapshot, unit: Unit, width: usize) -> Option<Field> {
        let (_, cells) = SPARKS.into_iter().find(|(least, _)| width >= *least)?;
        let points = self.past.iter().chain([now]);
        let points: Vec<_> = points.map(|at| (at.elapsed, unit.taken(at))).collect();
        let sparks = sparkline::draw(&points, MINUTE, cells, self.abilities.utf8);
        let is_blank = sparks.bytes().all(|byte| byte == b' ');
        (!is_blank).then(|| quiet(12, sparks))
    }

    fn painted(&self, prefix: &str, fields: &[Field], width: usize) -> String {
        let plain = plain(prefix, fields);
        if columns(&plain) > width {
            return cut(&plain, width);
        }
        let painted = |field: &Field| match field.tone.code().filter(|_| self.abilities.colour) {
            Some(code) => format!("\x1b[{code}m{}\x1b[m", field.text),
            None => field.text.clone(),
        };
        let fields: Vec<String> = fields.iter().map(painted).collect();
        prefix.to_owned() + &fields.join(" ")
    }
}

fn field(rank: u8, text: String) -> Field {
    Field {
        rank,
        text,
        tone: Tone::Plain,
        shorter: Vec::new(),
    }
}

fn quiet(rank: u8, text: String) -> Field {
    Field {
        tone: Tone::Quiet,
        ..field(rank, text)
    }
}

/// What the display counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Records,
}

impl Unit {
    pub(super) fn of(snapshot: &Snapshot, config: &ReportConfig) -> Unit {
        match config.records && snapshot.counts_records {
            true => Unit::Records,
            false => Unit::Bytes,
        }
    }

    /// Losses are told in records where there are any, else in `unit`.
    pub(super) fn of_losses(snapshot: &Snapshot, unit: Unit) -> Unit {
        match snapshot.counts_records && snapshot.lost.total().records > 0 {
            true => Unit::Records,
            false => unit,
        }
    }

    pub(super) fn number(self, tally: Tally) -> u64 {
        match self {
            Unit::Bytes => tally.bytes,
            Unit::Records => tally.records,
        }
    }

    /// What of the output the consumer has taken.
    fn taken(self, snapshot: &Snapshot) -> u64 {
        taken(snapshot, self == Unit::Records)
    }

    fn amount(self, amount: u64) -> String {
        match self {
            Unit::Bytes => size(amount),
            Unit::Records => count(amount),
        }
    }

    /// A loss in words, with its unit: it need not be that of the rest of the line.
    pub(super) fn lost(self, lost: Tally) -> String {
        match (self, self.number(lost)) {
            (_, 0) => "lost 0".to_owned(),
            (Unit::Bytes, _) => format!("lost {}", size(lost.bytes)),
            (Unit::Records, 1) => "lost 1 record".to_owned(),
            (Unit::Records, records) => format!("lost {} records", count(records)),
        }
    }

    fn shown_rate(self, rate: Option<f64>) -> String {
        match self {
            Unit::Bytes => byte_rate(rate),
            Unit::Records => record_rate(rate),
        }
    }

    /// How much a second came in, or went out.
    pub(super) fn rate(self, now: &Snapshot, input: bool) -> Option<f64> {
        match (self, input) {
            (Unit::Bytes, true) => now.in_rate,
            (Unit::Bytes, false) => now.out_rate,
            (Unit::Records, true) => now.in_record_rate,
            (Unit::Records, false) => now.out_record_rate,
        }
    }
}

/// How full the buffer is: `#` held, `+` held since the last report but no more, `-` room, and the marks
/// in front of these: `:` the low-water mark, `|` the high-water mark where it is below C, else the bracket.
pub(super) fn gauge(snapshot: &Snapshot, cells: usize) -> String {
    let capacity = u128::from(snapshot.capacity.max(1));
    let count = cells as u128;
    // Rounded up, so that what is held is seen, but full only when it is full.
    let cells_of = |held: u64| match u128::from(held) >= capacity {
        true => count,
        false => (u128::from(held) * count)
            .div_ceil(capacity)
            .min(count.saturating_sub(1)),
    };
    let filled = cells_of(snapshot.held.bytes);
    let touched = cells_of(snapshot.recent_peak_held);
    let place = |mark: u64| u128::from(mark) * count / capacity;
    let (high, low) = (place(snapshot.high_water), place(snapshot.low_water));
    let cells: String = (0..count)
        .map(|cell| match cell {
            _ if cell == high => '|',
            _ if cell == low => ':',
            _ if cell < filled => '#',
            _ if cell < touched => '+',
            _ => '-',
        })
        .collect();
    format!("[{cells}]")
}

fn fill(snapshot: &Snapshot) -> String {
    let share = percent(snapshot.held.bytes as f64, snapshot.capacity as f64);
    format!("{share:>3}%")
}

fn state(snapshot: &Snapshot) -> Field {
    let name = snapshot.state.name().to_owned();
    match snapshot.state {
        State::Flowing => quiet(16, name),
        State::Pressured => Field {
            tone: Tone::Notable,
            ..field(BAR + 1, name)
        },
    }
}

/// How much was lost, which share of what came that is, and why most of it was.
fn losses(snapshot: &Snapshot, unit: Unit) -> Option<Field> {
    let lost = snapshot.lost.total();
    if lost == Tally::default() {
        return None;
    }
    let unit = Unit::of_losses(snapshot, unit);
    let short = unit.lost(lost);
    let (part, all) = (unit.number(lost), unit.number(snapshot.input));
    let share = match percent(part as f64, all as f64) {
        0 => "<1".to_owned(),
        share => share.to_string(),
    };
    let reasons = snapshot.lost.by_reason();
    let reason = reasons.max_by_key(|(_, tally)| unit.number(*tally));
    let reason = reason.map_or("", |(reason, _)| reason.name());
    Some(Field {
        tone: Tone::Alarming,
        shorter: vec![(2, short.clone()), (5, format!("{short} ({share}%)"))],
        ..field(11, format!("{short} ({share}% {reason})"))
    })
}

/// What happens next if what is held goes on growing so much a second, or shrinking: no further than to
/// the watermark where the state changes, for what comes behind that is the policy's.
fn prediction(snapshot: &Snapshot, growth: f64) -> Option<Field> {
    let (capacity, high) = (snapshot.capacity, snapshot.high_water);
    let (mark, word) = match (growth > 0.0, snapshot.state) {
        (true, State::Flowing) if high < capacity => (high, "high water"),
        (true, _) => (capacity, "full"),
        (false, State::Pressured) if snapshot.low_water > 0 => (snapshot.low_water, "low water"),
        (false, _) => (0, "drained"),
    };
    let seconds = mark.abs_diff(snapshot.held.bytes) as f64 / growth.abs();
    // Less than a second ahead it is over before it is read.
    let is_told = (1.0..FAR).contains(&seconds);
    is_told.then(|| field(10, format!("{word} in {}", ahead(seconds))))
}

fn ahead(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.0}s"),
        s => format!("{:.0}m", s / 60.0),
    }
}

/// What went out and the consumer did not take yet.
fn unread(snapshot: &Snapshot) -> Option<Field> {
    let unread = snapshot.seen.unread;
    (unread > 0).then(|| quiet(15, format!("unread {}", size(unread))))
}

struct Progress {
    /// In percent; more than 100 where more came than was expected.
    share: f64,
    percents: String,
    /// Behind the percents.
    eta: String,
}

impl Progress {
    fn fields(self) -> [Field; 2] {
        let text = format!("{}{}", self.percents, self.eta);
        let percents = Field {
            shorter: vec![(2, self.percents)],
            ..field(4, text)
        };
        [field(BAR, bar(BAR_CELLS.0, self.share)), percents]
    }
}

fn bar(cells: usize, share: f64) -> String {
    format!("[{}]", drawn_share(cells, share))
}

/// The share of what is expected, and the time left at the mean rate so far. What was lost is
/// dealt with, too: otherwise a lossy run would never come to its end. What the consumer did not
/// take yet is not. What is more than was expected is told as it is, and then nobody knows the end.
fn progress(now: &Snapshot, config: &ReportConfig) -> Option<Progress> {
    let (unit, expected) = match config.expected? {
        Amount::Bytes(expected) => (Unit::Bytes, expected),
        Amount::Records(_) if !now.counts_records => return None,
        Amount::Records(expected) => (Unit::Records, expected),
    };
    if expected == 0 {
        return None;
    }
    let lost = unit.number(now.lost.total());
    let done = unit.taken(now).saturating_add(lost);
    let share = u128::from(done) * 100 / u128::from(expected);
    // So far beyond, it was no size of this.
    let percents = match share {
        1000.. => ">999%".to_owned(),
        _ => format!("{share:>3}%"),
    };
    let share = share as f64;
    if done == 0 || done > expected {
        let eta = String::new();
        return Some(Progress {
            share,
            percents,
            eta,
        });
    }
    let left = (expected - done) as f64;
    let seconds = left * now.elapsed.as_secs_f64() / done as f64;
    // What does not fit a Duration is hopeless, and a number of its digits says nothing.
    let eta = Duration::try_from_secs_f64(seconds).map_or_else(|_| "-".to_owned(), clock);
    Some(Progress {
        share,
        percents,
        eta: format!(" ETA {eta}"),
    })
}

/// The bar, if it is still there, takes what room is left.
fn widen_bar(prefix: &str, fields: &mut [Field], share: f64, width: usize) {
    let left = width.saturating_sub(columns(&plain(prefix, fields)));
    if let Some(field) = fields.iter_mut().find(|field| field.rank == BAR) {
        field.text = bar((BAR_CELLS.0 + left).min(BAR_CELLS.1), share);
    }
}

/// The fields in their order, those of the highest ranks shortened or left out until they fit.
fn fitted(prefix: &str, mut fields: Vec<Field>, width: usize) -> Vec<Field> {
    while fields.len() > 1 && columns(&plain(prefix, &fields)) > width {
        let Some(least) = (0..fields.len()).max_by_key(|&index| fields[index].rank) else {
            break;
        };
        match fields[least].shorter.pop() {
            Some((rank, text)) => {
                fields[least].rank = rank;
                fields[least].text = text;
            }
            None => drop(fields.remove(least)),
        }
    }
    fields
}

fn plain(prefix: &str, fields: &[Field]) -> String {
    let texts: Vec<&str> = fields.iter().map(|field| field.text.as_str()).collect();
    prefix.to_owned() + &texts.join(" ")
}

/// The columns that a text without codes takes.
fn columns(text: &str) -> usize {
    text.chars().map(character_columns).sum()
}

fn character_columns(character: char) -> usize {
    character.width().unwrap_or(1)
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
    use crate::core::account::Reason;
    use crate::report::testing::{config, lossy, quiet};

    /// The first line of a run, without colour.
    fn line(snapshot: &Snapshot, config: &ReportConfig, width: usize) -> String {
        Bar::new(Abilities::default()).line(snapshot, config, width)
    }

    fn at(width: usize) -> String {
        let mut config = config();
        config.expected = Some(Amount::Bytes(8 << 20));
        line(&lossy(), &config, width)
    }

    #[test]
    fn fields_get_shorter_and_go_by_rank_where_there_is_no_room() {
        // Wider ones are in screens.txt.
        for (width, text) in [
            (52, "3.00MiB [49.3KiB/s] [####:-|-] lost 200 records  50%"),
            (40, "3.00MiB [####:-|-] lost 200 records  50%"),
            (35, "3.00MiB [####:-|-] lost 200 records"),
            (18, "3.00MiB [####:-|-]"),
            (10, "3.00MiB"),
            (3, "3.0"),
        ] {
            assert_eq!(at(width), text);
        }
    }

    #[test]
    fn no_line_is_ever_wider_than_its_terminal() {
        let mut config = config();
        config.expected = Some(Amount::Records(u64::MAX));
        config.name = Some("日本".to_owned());
        let mut snapshot = lossy();
        snapshot.elapsed = Duration::from_secs(u64::MAX / 4);
        snapshot.output.bytes = u64::MAX;
        snapshot.seen.unread = 65_536;
        for width in 0..200 {
            let line = line(&snapshot, &config, width);
            assert!(columns(&line) <= width, "{width}: {line}");
            let coloured = Abilities {
                utf8: true,
                colour: true,
            };
            let line = Bar::new(coloured).line(&snapshot, &config, width);
            let seen = super::super::format::visible(&line);
            assert!(seen <= width, "{width}: {line}");
        }
    }

    #[test]
    fn the_gauge_is_full_only_when_the_buffer_is_and_its_marks_are_always_seen() {
        let mut snapshot = quiet();
        snapshot.capacity = 1000;
        snapshot.high_water = 800;
        snapshot.low_water = 600;
        for (held, text) in [
            (0, "[----:-|-]   0%"),
            (1, "[#---:-|-]   0%"),
            (500, "[####:-|-]  50%"),
            (999, "[####:#|-]  99%"),
            (1000, "[####:#|#] 100%"),
        ] {
            snapshot.held.bytes = held;
            assert_eq!(gauge(&snapshot, 8) + " " + &fill(&snapshot), text);
        }
        snapshot.held.bytes = 100;
        snapshot.recent_peak_held = 499;
        assert_eq!(gauge(&snapshot, 8), "[#+++:-|-]");
        snapshot.held.bytes = 1000;
        snapshot.high_water = 1000;
        assert_eq!(gauge(&snapshot, 8), "[####:###]");
        assert_eq!(gauge(&snapshot, 0), "[]");
    }

    #[test]
    fn with_l_amounts_and_rates_are_in_records() {
        let mut config = config();
        config.records = true;
        let shown = line(&lossy(), &config, 60);
        assert!(
            shown.starts_with("    600 0:01:02 [   9.64/s] ["),
            "{shown}"
        );
        assert_eq!(Unit::Records.rate(&lossy(), true), Some(16.064_3));
    }

    #[test]
    fn a_loss_has_its_unit_whatever_the_rest_is_told_in() {
        let mut snapshot = quiet();
        let mut told = |bytes, records, counts_records| {
            snapshot.counts_records = counts_records;
            snapshot.input.bytes = 10_000;
            snapshot.input.records = 1000;
            snapshot.lost[Reason::QueueFull] = Tally { bytes, records };
            losses(&snapshot, Unit::Bytes).map(|field| field.text)
        };
        assert_eq!(told(0, 0, true), None);
        let one = told(10, 1, true);
        assert_eq!(one.as_deref(), Some("lost 1 record (<1% queue_full)"));
        let many = told(3000, 300, true);
        assert_eq!(many.as_deref(), Some("lost 300 records (30% queue_full)"));
        // Of a record that was cut short there are only bytes.
        let piece = told(3000, 0, true);
        assert_eq!(piece.as_deref(), Some("lost 2.93KiB (30% queue_full)"));
        let bytes = told(3000, 0, false);
        assert_eq!(bytes.as_deref(), Some("lost 2.93KiB (30% queue_full)"));
    }

    #[test]
    fn more_than_was_expected_is_told_as_it_is_and_has_no_end() {
        let mut config = config();
        config.expected = Some(Amount::Bytes(100));
        let mut snapshot = quiet();
        snapshot.elapsed = Duration::from_secs(1);
        let mut end = |output| {
            snapshot.output.bytes = output;
            let line = line(&snapshot, &config, 60);
            line.rsplit_once("] ").map(|(_, end)| end.to_owned())
        };
        assert_eq!(end(99).as_deref(), Some(" 99% ETA 0:00:00"));
        assert_eq!(end(100).as_deref(), Some("100% ETA 0:00:00"));
        assert_eq!(end(101).as_deref(), Some("101%"));
        assert_eq!(end(250).as_deref(), Some("250%"));
        assert_eq!(end(999).as_deref(), Some("999%"));
        assert_eq!(end(u64::MAX).as_deref(), Some(">999%"));
    }

    #[test]
    fn the_rate_is_that_at_which_the_consumer_takes() {
        let mut bar = Bar::new(Abilities::default());
        let mut snapshot = quiet();
        let mut shown = |seconds, output, unread| {
            snapshot.elapsed = Duration::from_secs(seconds);
            snapshot.output.bytes = output;
            snapshot.seen.unread = unread;
            bar.line(&snapshot, &config(), 40)
        };
        for (seconds, output, unread, text) in [
            (1, 1000, 1000, "     0B 0:00:01 [  0.00B/s] ["),
            (2, 1000, 1000, "     0B 0:00:02 [  0.00B/s] ["),
            (4, 1500, 900, "   600B 0:00:04 [   300B/s] ["),
        ] {
            let line = shown(seconds, output, unread);
            assert!(line.starts_with(text), "{line}");
        }
    }

    #[test]
    fn records_that_lie_unread_are_not_done_either() {
        let mut config = config();
        config.records = true;
        config.expected = Some(Amount::Records(1000));
        let mut snapshot = lossy();
        snapshot.seen.unread = 1 << 20;
        // A third of the bytes is a third of the records: 400 were taken, and 200 lost.
        let shown = line(&snapshot, &config, 80);
        assert!(shown.starts_with("    400 "), "{shown}");
        assert!(shown.contains(" 60% ETA "), "{shown}");
    }

    #[test]
    fn a_run_without_records_falls_back_to_bytes() {
        let mut config = config();
        config.records = true;
        config.expected = Some(Amount::Records(10));
        let shown = line(&quiet(), &config, 80);
        assert!(shown.starts_with("     0B 0:00:00"), "{shown}");
        assert!(!shown.contains("ETA"), "{shown}");
    }

    #[test]
    fn nothing_done_has_a_share_but_no_time_left() {
        let mut config = config();
        config.expected = Some(Amount::Bytes(100));
        assert!(line(&quiet(), &config, 60).ends_with("  0%"));
        // Nothing is no size, as in pv.
        let unsized_line = line(&quiet(), &crate::report::testing::config(), 60);
        config.expected = Some(Amount::Bytes(0));
        assert_eq!(line(&quiet(), &config, 60), unsized_line);
    }

    #[test]
    fn what_the_consumer_did_not_take_is_not_done() {
        let mut config = config();
        config.expected = Some(Amount::Bytes(100));
        let mut snapshot = quiet();
        snapshot.elapsed = Duration::from_secs(1);
        snapshot.output.bytes = 60;
        snapshot.seen.unread = 10;
        let shown = line(&snapshot, &config, 150);
        assert!(shown.starts_with("    50B "), "{shown}");
        assert!(shown.contains(" unread 10B "), "{shown}");
        assert!(shown.ends_with(" 50% ETA 0:00:01"), "{shown}");
    }

    #[test]
    fn the_verdict_is_that_of_the_last_while() {
        let mut bar = Bar::new(Abilities::default());
        let mut snapshot = quiet();
        let mut verdict = |seconds: u64, input: u64, output: u64| {
            snapshot.elapsed = Duration::from_secs(seconds);
            snapshot.wait_input = Duration::from_secs(input);
            snapshot.wait_output = Duration::from_secs(output);
            let field = bar.verdict(&snapshot).map(|field| field.text);
            bar.line(&snapshot, &config(), 80);
            field
        };
        assert_eq!(verdict(10, 5, 0).as_deref(), Some("producer slow 50%"));
        assert_eq!(verdict(20, 5, 8).as_deref(), Some("consumer slow 80%"));
        assert_eq!(verdict(30, 5, 8), None);
        assert_eq!(verdict(35, 8, 8).as_deref(), Some("producer slow 20%"));
        snapshot.wait_rate = Duration::from_secs(12);
        let limited = bar.verdict(&snapshot).map(|field| field.text);
        assert_eq!(limited.as_deref(), Some("rate limit 80%"));
    }

    #[test]
    fn what_happens_next_is_told_while_it_is_near() {
        let mut snapshot = quiet();
        (snapshot.capacity, snapshot.high_water) = (1000, 1000);
        snapshot.held.bytes = 400;
        let mut next = |growth, held| {
            snapshot.held.bytes = held;
            prediction(&snapshot, growth).map(|field| field.text)
        };
        assert_eq!(next(50.0, 400).as_deref(), Some("full in 12s"));
        assert_eq!(next(-100.0, 400).as_deref(), Some("drained in 4s"));
        assert_eq!(next(1.0, 400).as_deref(), Some("full in 10m"));
        assert_eq!(next(0.1, 400), None);
        assert_eq!(next(-1e6, 400), None);
        assert_eq!(next(50.0, 1000), None);
        assert_eq!(next(-50.0, 0), None);
    }

    #[test]
    fn what_happens_next_is_a_change_of_state_where_one_comes_first() {
        let mut snapshot = quiet();
        (snapshot.capacity, snapshot.high_water) = (1000, 800);
        snapshot.low_water = 200;
        snapshot.held.bytes = 600;
        let next = |growth, state| {
            let snapshot = Snapshot {
                state,
                ..snapshot.clone()
            };
            prediction(&snapshot, growth).map(|field| field.text)
        };
        use State::{Flowing, Pressured};
        assert_eq!(next(50.0, Flowing).as_deref(), Some("high water in 4s"));
        assert_eq!(next(50.0, Pressured).as_deref(), Some("full in 8s"));
        assert_eq!(next(-50.0, Pressured).as_deref(), Some("low water in 8s"));
        assert_eq!(next(-50.0, Flowing).as_deref(), Some("drained in 12s"));
    }

    #[test]
    fn no_prediction_comes_and_goes_while_both_rates_are_about_equal() {
        let mut bar = Bar::new(Abilities::default());
        let mut now = quiet();
        now.held.bytes = 2 << 20;
        let mut told = |input: u64, output: u64| {
            now.elapsed += Duration::from_secs(1);
            now.held.bytes = now.held.bytes + input - output;
            let line = bar.line(&now, &config(), 120);
            line.contains("full in") || line.contains("drained in")
        };
        // Every second one is faster than the other, and each difference alone would fill the buffer
        // or drain it within a minute.
        for difference in [60, 90, 50, 70, 80, 60, 70] {
            assert!(!told(1000 << 10, (1000 - difference) << 10));
            assert!(!told((1000 - difference) << 10, 1000 << 10));
        }
        told(1000 << 10, 600 << 10);
        assert!(told(1000 << 10, 600 << 10), "a clear trend");
    }

    #[test]
    fn losses_stand_out_and_colour_is_left_out_where_there_is_none() {
        let coloured = Abilities {
            utf8: false,
            colour: true,
        };
        let shown = Bar::new(coloured).line(&lossy(), &config(), 40);
        assert!(
            shown.ends_with(" \x1b[1;31mlost 200 records\x1b[m"),
            "{shown:?}"
        );
        assert!(!line(&lossy(), &config(), 80).contains('\x1b'));
    }

    #[test]
    fn the_name_stands_in_front() {
        let mut config = config();
        config.name = Some("tail".to_owned());
        assert!(line(&quiet(), &config, 80).starts_with("tail:      0B 0:00:00"));
    }
}
