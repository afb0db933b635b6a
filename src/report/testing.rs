//! Snapshots and a configuration for the tests of this module's files.

use std::time::Duration;

use crate::config::{ReportConfig, ReportMode, ScreenConfig};
use crate::core::account::{Losses, Reason, Tally};
use crate::core::ending::Ending;
use crate::core::snapshot::{Bottleneck, Seen, Snapshot, State};

/// What the man page lists in a part of one of its sections, from `begin` to `end`: the terms of its
/// tagged paragraphs, without their fonts.
pub fn terms(section: &str, begin: &str, end: &str) -> Vec<String> {
    let from = section.find(begin).expect("the beginning");
    let to = from + section[from..].find(end).expect("the end");
    let mut terms = Vec::new();
    for paragraph in section[from..to].split("\n.TP").skip(1) {
        let term = paragraph.lines().nth(1).expect("a term");
        let (_, words) = term.split_once(' ').expect("a macro");
        let words = words.replace(['"', ','], " ").replace("\\-", "-");
        terms.extend(words.split_whitespace().map(str::to_owned));
    }
    terms
}

/// The same for both, whatever the order.
pub fn assert_listed(mut listed: Vec<String>, mut there: Vec<String>) {
    listed.sort();
    there.sort();
    assert_eq!(listed, there, "the man page's list, and what there is");
}

pub fn config() -> ReportConfig {
    ReportConfig {
        mode: ReportMode::Summary,
        to: None,
        interval: Duration::from_secs(1),
        name: None,
        records: false,
        expected: None,
        statistics: false,
        screen: ScreenConfig::default(),
        metrics_file: None,
        chart: None,
    }
}

/// `block`, a moment after the start: nothing happened, no record is counted.
pub fn quiet() -> Snapshot {
    Snapshot {
        elapsed: Duration::ZERO,
        counts_records: false,
        input: Tally::default(),
        output: Tally::default(),
        lost: Losses::default(),
        held: Tally::default(),
        marks: Tally::default(),
        peak_held: 0,
        recent_peak_held: 0,
        capacity: 4 << 20,
        high_water: 4 << 20,
        low_water: 3 << 20,
        state: State::Flowing,
        policy: "block",
        in_rate: None,
        out_rate: None,
        in_record_rate: None,
        out_record_rate: None,
        wait_input: Duration::ZERO,
        wait_output: Duration::ZERO,
        wait_rate: Duration::ZERO,
        busy: Duration::ZERO,
        read_paused: Duration::ZERO,
        pressured: Duration::ZERO,
        open_for: Duration::ZERO,
        last_open: None,
        pressure_episodes: 0,
        loss_episodes: 0,
        longest_stall: Duration::ZERO,
        seconds_to_full: None,
        sample_rate: None,
        bottleneck: Bottleneck::None,
        restarts: 0,
        redelivered: 0,
        dead_letters: None,
        exit: None,
        lost_too_much: false,
        ending: None,
        seen: Seen::default(),
    }
}

/// Five MiB in 1000 records after 62.25 s, of which 200 are lost and 200 held; the books balance.
pub fn lossy() -> Snapshot {
    let tally = |bytes, records| Tally { bytes, records };
    let mut lost = Losses::default();
    lost[Reason::QueueFull] = tally(1_048_000, 199);
    lost[Reason::Oversize] = tally(576, 1);
    Snapshot {
        elapsed: Duration::from_millis(62_250),
        counts_records: true,
        input: tally(5 << 20, 1000),
        output: tally(3 << 20, 600),
        lost,
        held: tally(1 << 20, 200),
        marks: tally(60, 2),
        peak_held: 1_500_000,
        recent_peak_held: 1_200_000,
        capacity: 2 << 20,
        high_water: 1_677_721,
        low_water: 1_258_290,
        state: State::Pressured,
        policy: "drop-oldest",
        in_rate: Some(84_220.562_2),
        out_rate: Some(50_533.333_3),
        in_record_rate: Some(16.064_3),
        out_record_rate: Some(9.638_6),
        wait_input: Duration::from_millis(1_500),
        wait_output: Duration::from_micros(60_000_001),
        wait_rate: Duration::from_micros(500_000),
        busy: Duration::from_micros(249_999),
        read_paused: Duration::ZERO,
        pressured: Duration::from_secs(30),
        open_for: Duration::from_millis(2_250),
        last_open: Some(Duration::from_millis(1_750)),
        pressure_episodes: 3,
        loss_episodes: 2,
        longest_stall: Duration::from_millis(12_500),
        seconds_to_full: Some(31.125),
        sample_rate: Some(0.25),
        bottleneck: Bottleneck::Consumer,
        restarts: 0,
        redelivered: 0,
        dead_letters: None,
        exit: Some(0),
        lost_too_much: false,
        ending: Some(Ending::EndOfInput),
        seen: Seen::default(),
    }
}
