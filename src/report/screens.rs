//! Whole screens as text, at three widths, against the text in src/report/screens.txt: what a person
//! sees while scripted runs go on, second by second. With HWM_REGENERATE=1 it is written.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::display::parts::visible;
use super::display::{Abilities, Renderer};
use super::painter;
use super::testing::{config, quiet};
use crate::config::display::{BarStyle, Display, Part, Piece};
use crate::config::{Amount, ReportConfig, ReportMode};
use crate::core::account::{Reason, Tally};
use crate::core::snapshot::{Bottleneck, Snapshot, State};

const MI: u64 = 1 << 20;

/// A run told by its seconds: what comes in and goes out in each, and what gets lost.
struct Story {
    now: Snapshot,
}

impl Story {
    fn new() -> Story {
        let mut now = quiet();
        now.high_water = 4 * MI;
        Story { now }
    }

    /// A second passes.
    fn second(&mut self, input: u64, output: u64, lost: u64) -> &mut Snapshot {
        let now = &mut self.now;
        let records = |bytes: u64| Tally {
            bytes,
            records: bytes / 1024,
        };
        now.elapsed += Duration::from_secs(1);
        now.input += records(input);
        now.output += records(output);
        now.lost[Reason::QueueFull] += records(lost);
        let held_before = now.held.bytes;
        now.held.bytes = held_before + input - output - lost;
        now.held.records = now.held.bytes / 1024;
        // What passes through is held for a moment.
        let recent = held_before.max(now.held.bytes) + output / 32;
        now.recent_peak_held = recent.min(now.capacity);
        now.peak_held = now.peak_held.max(now.held.bytes);
        now.in_rate = Some(input as f64);
        now.out_rate = Some(output as f64);
        now.in_record_rate = Some(records(input).records as f64);
        now.out_record_rate = Some(records(output).records as f64);
        let wait = if output < input {
            &mut now.wait_output
        } else {
            &mut now.wait_input
        };
        *wait += Duration::from_millis(if output == input { 120 } else { 900 });
        now.bottleneck = match now.wait_output > now.wait_input {
            true => Bottleneck::Consumer,
            false => Bottleneck::Producer,
        };
        now.state = match now.held.bytes {
            held if held >= now.high_water => State::Pressured,
            held if held <= now.low_water => State::Flowing,
            _ => now.state,
        };
        now
    }
}

/// A plain copy at a rate that goes up and down.
fn copy() -> Vec<Snapshot> {
    let mut story = Story::new();
    (1..=70_u64)
        .map(|second| {
            let rate = (10 + (second * 7 % 23)) * MI;
            story.second(rate, rate, 0).clone()
        })
        .collect()
}

/// A consumer that stops for ten seconds after five, and then takes what is held.
fn stall() -> Vec<Snapshot> {
    let mut story = Story::new();
    (1..=20_u64)
        .map(|second| {
            let now = match second {
                1..=5 => story.second(MI, MI, 0),
                6..=9 => story.second(MI, 0, 0),
                10..=15 => story.second(0, 0, 0),
                16..=18 => story.second(0, MI, 0),
                _ => story.second(MI, MI, 0),
            };
            now.seen.unread = if (6..=15).contains(&second) {
                65_536
            } else {
                0
            };
            if (10..=15).contains(&second) {
                now.wait_input -= Duration::from_millis(120);
                now.wait_output += Duration::from_secs(1);
            }
            now.clone()
        })
        .collect()
}

/// A lossy policy, and a consumer that takes half of what comes.
fn loss() -> Vec<Snapshot> {
    let mut story = Story::new();
    story.now.counts_records = true;
    story.now.policy = "drop-oldest";
    story.now.high_water = 3 * MI;
    story.now.low_water = 2 * MI;
    (1..=12_u64)
        .map(|second| match second {
            1..=4 => story.second(2 * MI, MI, 0).clone(),
            _ => story.second(2 * MI, MI, MI).clone(),
        })
        .collect()
}

/// A copy that a rate limit holds back.
fn limited() -> Vec<Snapshot> {
    let mut story = Story::new();
    (1..=70_u64)
        .map(|_| {
            let now = story.second(20 * MI, 20 * MI, 0);
            now.wait_input = Duration::ZERO;
            now.wait_rate = now.elapsed * 9 / 10;
            now.clone()
        })
        .collect()
}

/// A producer that pauses after three seconds, for seven.
fn silence() -> Vec<Snapshot> {
    let mut story = Story::new();
    (1..=12_u64)
        .map(|second| {
            let amount = if (4..=10).contains(&second) { 0 } else { MI };
            let now = story.second(amount, amount, 0);
            if amount == 0 {
                now.wait_input += Duration::from_millis(880);
            }
            now.clone()
        })
        .collect()
}

fn named(name: &str) -> ReportConfig {
    ReportConfig {
        name: Some(name.to_owned()),
        ..config()
    }
}

/// Some lines of a story, as hwm's own.
fn own(story: &[Snapshot], config: &ReportConfig, width: usize, seconds: &[usize]) -> String {
    let mut config = config.clone();
    config.mode = ReportMode::Bar;
    let lines = lines(story, &config, width);
    assert!(lines.iter().all(|line| visible(line) <= width));
    screen(&lines, seconds)
}

fn lines(story: &[Snapshot], config: &ReportConfig, width: usize) -> Vec<String> {
    let abilities = Abilities {
        utf8: true,
        ..Abilities::default()
    };
    let mut renderer = Renderer::of(config, abilities).unwrap();
    let lines = story.iter().enumerate().map(|(index, at)| {
        let last = index + 1 == story.len();
        let line = renderer.line(at, config, width, last, SystemTime::UNIX_EPOCH);
        painter::text(&line, width)
    });
    lines.collect()
}

/// Some lines of a story, in pv's form: as in pv, parts that do not fit go beyond the margin.
fn pv(story: &[Snapshot], config: &ReportConfig, width: usize, seconds: &[usize]) -> String {
    let part = |part| Piece::Part { part, width: 0 };
    let parts = [
        Part::Name,
        Part::Bytes,
        Part::Timer,
        Part::Rate,
        Part::Progress,
        Part::Eta,
    ];
    let pieces = parts.map(|one| vec![part(one)]);
    let mut config = config.clone();
    config.mode = ReportMode::Pv;
    config.screen.display = Some(Display {
        pieces: pieces.join(&Piece::Text(" ".into())),
        numeric: false,
        decimal: false,
        bits: false,
        gauge: false,
        style: BarStyle::Plain,
        window: 30,
    });
    screen(&lines(story, &config, width), seconds)
}

fn screen(lines: &[String], seconds: &[usize]) -> String {
    let mut text = String::new();
    for second in seconds {
        let line = &lines[second - 1];
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[test]
fn screens_are_as_they_were_looked_at() {
    let sized = ReportConfig {
        expected: Some(Amount::Bytes(1600 * MI)),
        ..config()
    };
    let records = ReportConfig {
        records: true,
        ..config()
    };
    let every = [1, 2, 30, 70];
    let mut text = String::new();
    for width in [40, 80, 110, 160] {
        let mut add = |title: &str, screen: String| {
            let _ = writeln!(text, "== {title}, {width} columns\n{screen}");
        };
        add("a plain copy", own(&copy(), &config(), width, &every));
        add(
            "a stalled consumer",
            own(&stall(), &config(), width, &[5, 7, 9, 10, 15, 16, 17, 20]),
        );
        add(
            "a loss episode",
            own(&loss(), &config(), width, &[3, 4, 5, 12]),
        );
        add(
            "the same in records",
            own(&loss(), &records, width, &[3, 5, 12]),
        );
        add("a known size", own(&copy(), &sized, width, &every));
        add(
            "two of a pipeline",
            own(&copy(), &named("in"), width, &[30]) + &own(&stall(), &named("out"), width, &[10]),
        );
        add("a rate limit", own(&limited(), &sized, width, &[1, 30]));
        add(
            "no input",
            own(&silence(), &config(), width, &[2, 4, 8, 12]),
        );
        add("pv's form", pv(&copy(), &config(), width, &every));
        add(
            "pv's form, a loss episode",
            pv(&loss(), &config(), width, &[3, 5, 11]),
        );
        add(
            "pv's form, a known size",
            pv(&copy(), &sized, width, &every),
        );
        add(
            "pv's form, with a name",
            pv(&copy(), &named("in"), width, &every),
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/screens.txt");
    if std::env::var_os("HWM_REGENERATE").is_some_and(|value| value == "1") {
        fs::write(&path, &text).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        before == text,
        "screens changed; look at them:\n{text}\nHWM_REGENERATE=1 writes src/report/screens.txt"
    );
}
