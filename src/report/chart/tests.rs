//! Whole pictures: of runs of each kind, as text. With HWM_CHARTS=DIR they are left there to be looked at.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr as _;

use super::{History, draw};
use crate::config::ReportConfig;
use crate::core::account::{Reason, Tally};
use crate::core::ending::Ending;
use crate::core::snapshot::{Bottleneck, Snapshot};
use crate::report::testing::{config, quiet};

const MIB: u64 = 1 << 20;

/// A run in steps of time that is told all that passed in one.
struct Course {
    at: Snapshot,
    history: History,
    config: ReportConfig,
}

impl Course {
    fn new(policy: &'static str, capacity: u64) -> Course {
        let mut at = quiet();
        at.policy = policy;
        at.capacity = capacity;
        at.high_water = capacity;
        at.low_water = capacity / 4 * 3;
        at.counts_records = policy != "block";
        Course {
            at,
            history: History::new(),
            config: config(),
        }
    }

    /// The rates are in bytes a second; what is waited for is 0 input, 1 the output, 2 the rate limit, 3 nothing.
    fn goes(&mut self, time: Duration, (came, went): (u64, u64), waits: usize) {
        let step = Duration::from_millis(1).max(time / 20_000);
        let end = self.at.elapsed + time;
        while self.at.elapsed < end {
            self.at.elapsed += step;
            let amount = |rate: u64| (rate as f64 * step.as_secs_f64()) as u64;
            self.moves(amount(came), amount(went));
            let at = &mut self.at;
            let times = [
                &mut at.wait_input,
                &mut at.wait_output,
                &mut at.wait_rate,
                &mut at.busy,
            ];
            for (number, time) in times.into_iter().enumerate() {
                let share = if number == waits {
                    9
                } else {
                    u32::from(number == 3)
                };
                let share = if waits == 3 && number == 3 { 10 } else { share };
                *time += step * share / 10;
            }
            if self.at.elapsed >= self.history.next() {
                self.history.note(&self.at);
            }
        }
    }

    /// What is held takes what comes; what has no space is lost, or does not come.
    fn moves(&mut self, came: u64, went: u64) {
        let at = &mut self.at;
        let lossy = at.policy != "block";
        let went = went.min(at.held.bytes + came);
        let space = at.capacity - at.held.bytes + went;
        let came = if lossy { came } else { came.min(space) };
        let lost = came.saturating_sub(space);
        at.input.bytes += came;
        at.output.bytes += went;
        at.held.bytes = at.held.bytes + came - went - lost;
        at.peak_held = at.peak_held.max(at.held.bytes);
        let records = |bytes| bytes / 8;
        at.input.records += records(came);
        at.output.records += records(went);
        at.lost[Reason::QueueFull] = Tally {
            bytes: at.lost[Reason::QueueFull].bytes + lost,
            records: at.lost[Reason::QueueFull].records + records(lost),
        };
    }

    fn picture(mut self, name: &str) -> String {
        let waits = [self.at.wait_input, self.at.wait_output, self.at.wait_rate];
        let sides = [
            Bottleneck::Producer,
            Bottleneck::Consumer,
            Bottleneck::RateLimit,
        ];
        let longest = (0..3).max_by_key(|side| waits[*side]).unwrap();
        if waits[longest] > self.at.elapsed / 20 {
            self.at.bottleneck = sides[longest];
        }
        self.at.exit = Some(0);
        self.at.ending = Some(Ending::EndOfInput);
        self.history.end(&self.at);
        let text = draw(&self.history, &self.at, &self.config).unwrap();
        if let Some(folder) = std::env::var_os("HWM_CHARTS") {
            let path = Path::new(&folder).join(format!("{name}.svg"));
            fs::write(path, &text).unwrap();
        }
        text
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// As README's first example.
fn stalled() -> String {
    let mut course = Course::new("drop-oldest", MIB);
    course.goes(seconds(0.01), (80 * MIB, 6 * MIB), 3);
    course.goes(seconds(0.5), (320 * MIB, 0), 3);
    course.goes(seconds(2.5), (0, 0), 1);
    course.goes(seconds(0.02), (0, 80 * MIB), 3);
    course.picture("stalled")
}

fn slow_consumer() -> String {
    let mut course = Course::new("block", 4 * MIB);
    course.goes(seconds(0.01), (2000 * MIB, 0), 3);
    for _ in 0..8 {
        course.goes(seconds(1.0), (22 * MIB, 20 * MIB), 1);
        course.goes(seconds(0.3), (60 * MIB, 12 * MIB), 1);
        course.goes(seconds(0.4), (0, 25 * MIB), 0);
    }
    course.picture("slow_consumer")
}

fn limited() -> String {
    let mut course = Course::new("block", 4 * MIB);
    course.goes(seconds(6.0), (20 * MIB, 20 * MIB), 2);
    course.goes(seconds(2.0), (9 * MIB, 9 * MIB), 0);
    course.goes(seconds(4.0), (21 * MIB, 20 * MIB), 2);
    course.picture("limited")
}

fn an_hour() -> String {
    let mut course = Course::new("drop-newest", 64 * MIB);
    course.at.high_water = 51 * MIB;
    course.at.low_water = 32 * MIB;
    course.config.name = Some("web access log".to_owned());
    for round in 0..30 {
        let busy = if [7, 8, 20, 26].contains(&round) {
            3
        } else {
            1
        };
        let rate = 2 * MIB + round % 5 * 100_000;
        course.goes(
            seconds(60.0),
            (rate * busy, 3 * MIB),
            if busy > 1 { 1 } else { 0 },
        );
        course.goes(seconds(60.0), (rate, 3 * MIB), 0);
    }
    course.picture("an_hour")
}

fn all_through() -> String {
    let mut course = Course::new("sample", 16 * MIB);
    course.config.records = true;
    course.goes(seconds(20.0), (30 * MIB, 4 * MIB), 1);
    course.picture("all_through")
}

fn tiny() -> String {
    let mut course = Course::new("block", 4 * MIB);
    course.goes(seconds(0.004), (100 * MIB, 100 * MIB), 3);
    course.picture("tiny")
}

fn nothing() -> String {
    Course::new("block", 4 * MIB).picture("nothing")
}

fn no_data() -> String {
    let mut course = Course::new("block", 4 * MIB);
    course.goes(seconds(2.0), (0, 0), 0);
    course.picture("no_data")
}

/// Each column is another one.
fn restless() -> String {
    let mut course = Course::new("block", MIB);
    course.at.high_water = MIB / 2;
    course.at.low_water = 0;
    let mut state = 1u64;
    while course.at.elapsed < seconds(9.9) {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let rate = |shift: u32| (state >> shift) % (40 * MIB);
        let step = Duration::from_millis(5 + (state >> 60));
        course.goes(step, (rate(8), rate(24)), (state >> 40) as usize % 4);
    }
    course.picture("restless")
}

/// Losses that have no space beside each other.
fn many_losses() -> String {
    let mut course = Course::new("drop-newest", MIB);
    course.config.name = Some("<\u{ffff}&\"\u{7}\u{65e5}\u{672c}".to_owned());
    for number in 0..40 {
        course.goes(seconds(0.3), (8 * MIB + number * MIB, 4 * MIB), 1);
        course.goes(seconds(0.9), (0, 4 * MIB), 0);
    }
    course.picture("many_losses")
}

fn all() -> [String; 10] {
    [
        restless(),
        many_losses(),
        stalled(),
        slow_consumer(),
        limited(),
        an_hour(),
        all_through(),
        tiny(),
        nothing(),
        no_data(),
    ]
}

#[test]
fn charts_are_small_and_the_same_each_time() {
    for (one, other) in all().into_iter().zip(all()) {
        assert!(one.len() < 60_000, "{}", one.len());
        assert_eq!(one, other);
    }
}

#[test]
fn charts_are_xml_and_nothing_in_them_is_outside() {
    for picture in all() {
        let document = roxmltree::Document::parse(&picture).expect("XML");
        let root = document.root_element();
        assert_eq!(root.attribute("viewBox"), Some("0 0 960 540"));
        let inside = |x: f64, y: f64| (0.0..=960.0).contains(&x) && (0.0..=540.0).contains(&y);
        for node in root.children().filter(|node| node.is_element()) {
            let number = |name| {
                node.attribute(name)
                    .map_or(0.0, |text| text.parse().unwrap())
            };
            let (x, y) = (
                number("x") + number("width"),
                number("y") + number("height"),
            );
            assert!(inside(number("x"), number("y")) && inside(x, y), "{node:?}");
            for point in node
                .attribute("points")
                .unwrap_or_default()
                .split_whitespace()
            {
                let (x, y) = point.split_once(',').unwrap();
                assert!(inside(x.parse().unwrap(), y.parse().unwrap()), "{node:?}");
            }
        }
    }
}

/// Texts as boxes, with space to spare for fonts that are wider than most.
fn boxes(picture: &str) -> Vec<(String, [f64; 4])> {
    let document = roxmltree::Document::parse(picture).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    let boxed = texts.map(|node| {
        let number = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
        let text = node.text().unwrap().trim().to_owned();
        let (x, y, size) = (number("x"), number("y"), number("font-size"));
        let width = text.width() as f64 * size * 0.58;
        let from = match node.attribute("text-anchor") {
            Some("start") => x,
            Some("middle") => x - width / 2.0,
            _ => x - width,
        };
        (text, [from, from + width, y - size / 2.0, y + size / 2.0])
    });
    boxed.collect()
}

#[test]
fn what_is_lost_at_the_end_is_shown_inside_the_panels() {
    let mut course = Course::new("drop-newest", MIB);
    course.goes(seconds(100.0), (4 * MIB, 4 * MIB), 3);
    course.goes(seconds(0.01), (900 * MIB, 4 * MIB), 1);
    let picture = course.picture("lost_at_the_end");
    let document = roxmltree::Document::parse(&picture).unwrap();
    let red = |node: &roxmltree::Node| node.attribute("fill") == Some("#FACDD0");
    let edges = document.descendants().filter(red).map(|node| {
        let number = |name| node.attribute(name).unwrap().parse::<i32>().unwrap();
        number("x") + number("width")
    });
    // The panels end there.
    assert_eq!(edges.max(), Some(828), "{picture}");
}

#[test]
fn no_text_stands_on_another_or_beyond_the_edge() {
    for picture in all() {
        let boxes = boxes(&picture);
        for (number, (text, [from, to, top, bottom])) in boxes.iter().enumerate() {
            assert!(*from >= 0.0 && *to <= 960.0, "{text}");
            for (other, [other_from, other_to, other_top, other_bottom]) in &boxes[number + 1..] {
                let apart = to <= other_from || other_to <= from;
                assert!(
                    apart || bottom <= other_top || other_bottom <= top,
                    "{text} and {other}"
                );
            }
        }
    }
}

#[test]
fn a_chart_is_the_one_that_was_looked_at() {
    let text = stalled();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/chart/stalled.svg");
    if std::env::var_os("HWM_REGENERATE").is_some_and(|value| value == "1") {
        return fs::write(path, text).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        text == committed,
        "it changed; HWM_REGENERATE=1 writes src/report/chart/stalled.svg: look at it"
    );
}

/// Any number, often an extreme one.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..3u64, 0..1_000_000u64, any::<u64>(), Just(u64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_run_was_like_it_is_drawn(
        moments in prop::collection::vec(prop::array::uniform8(number()), 0..40),
        capacity in number(),
        records in any::<bool>(),
    ) {
        let mut course = Course::new("drop-newest", capacity.max(1));
        course.at.low_water = capacity / 2;
        course.config.records = records;
        let mut last = Duration::ZERO;
        for [time, came, went, held, lost, left, wait, kind] in moments {
            let time = match kind % 3 {
                0 => Duration::from_nanos(time),
                1 => Duration::from_millis(time),
                _ => Duration::from_secs(time),
            };
            last = last.max(time);
            let at = &mut course.at;
            at.elapsed = last;
            at.wait_output = last.min(Duration::from_nanos(wait));
            let more = |tally: Tally, bytes: u64, records: u64| Tally {
                bytes: tally.bytes.max(bytes),
                records: tally.records.max(records),
            };
            at.input = more(at.input, came, went);
            at.output = more(at.output, went, came);
            at.held.bytes = held;
            at.peak_held = at.peak_held.max(held);
            at.lost[Reason::QueueFull] = more(at.lost[Reason::QueueFull], lost / 2, left / 2);
            at.lost[Reason::Shutdown] = more(at.lost[Reason::Shutdown], left / 2, lost / 2);
            course.history.note(at);
        }
        course.history.end(&course.at);
        let text = draw(&course.history, &course.at, &course.config).unwrap();
        prop_assert!(roxmltree::Document::parse(&text).is_ok());
        prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
