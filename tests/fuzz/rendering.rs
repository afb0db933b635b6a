//! Reports of any account, by any options, at any width: none may panic, or each ends the report of a run
//! (and once it ended the run). Objects are JSON, and lines for people have no control characters but
//! those that hwm puts there.

use std::ffi::OsString;
use std::time::Duration;

use highwater::cli;
use highwater::config::{Config, ReportMode};
use highwater::core::account::{Losses, Reason, Tally};
use highwater::core::ending::Ending;
use highwater::core::loss::dead_letters::DeadLetterCount;
use highwater::core::snapshot::{Bottleneck, Seen, Snapshot, State};
use highwater::report::rendered;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;

use super::fuzz;

/// Sequences of a format, and what may stand between them.
const PIECES: &str = "(%[0-9]{0,7}|%\\{)(p|t|e|I|r|a|b|T|A|L|N|n|%|\\{|\\}|progress|bar-plain\\}|bar-block\\}|\
                      progress-amount-only\\}|timer\\}|eta\\}|fineta\\}|rate\\}|average-rate\\}|bytes\\}|\
                      transferred\\}|buffer-percent\\}|last-written\\}|previous-line\\}|name\\}|sgr:red,1\\}|\
                      buffer\\}|lost\\}|bottleneck\\}|rate-in\\}|rate-out\\}|state\\})|.{0,3}";

const SWITCHES: [&str; 31] = [
    "-p",
    "-t",
    "-e",
    "-I",
    "-r",
    "-a",
    "-b",
    "-T",
    "-n",
    "-8",
    "-k",
    "-g",
    "-W",
    "-c",
    "-f",
    "-q",
    "-v",
    "-l",
    "-0",
    "-A 7",
    "-A 1024",
    "-u block",
    "-u granular",
    "-u shaded",
    "-m 1",
    "-m 1000000",
    "-D 1",
    "-i 0.01",
    "-N name",
    "-s 1",
    "-s 18446744073709551615",
];

fn command_line() -> impl Strategy<Value = Vec<OsString>> {
    let switches = vec(select(&SWITCHES[..]), 0..7);
    let formats = prop_oneof![
        2 => Just(None),
        3 => vec(PIECES, 0..6).prop_map(|pieces| Some(pieces.concat())),
        1 => any::<String>().prop_map(Some),
    ];
    let widths = prop_oneof![
        2 => Just(None),
        6 => (0..300_u32).prop_map(Some),
        2 => (0..=1_000_000_u32).prop_map(Some),
        1 => select(&[65_534, 65_535, 65_536, 65_537, 1_000_000][..]).prop_map(Some),
    ];
    let names = prop_oneof![4 => Just(None), 1 => "\\PC{0,30}".prop_map(Some)];
    (
        switches,
        select(vec!["", "", "bar", "plain", "json", "summary"]),
        formats,
        widths,
        names,
    )
        .prop_map(|(switches, mode, format, width, name)| {
            let mut words: Vec<OsString> = vec!["hwm".into(), "/dev/null".into()];
            let switches = switches.iter().flat_map(|switch| switch.split(' '));
            words.extend(switches.map(OsString::from));
            if !mode.is_empty() {
                words.push(format!("--report={mode}").into());
            }
            words.extend(format.map(|format| format!("--format={format}").into()));
            words.extend(width.map(|width| format!("--width={width}").into()));
            words.extend(name.map(|name| format!("--name={name}").into()));
            words
        })
}

/// Numbers of every size, and those at the ends.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..1000_u64,
        4 => (0..64_u32, any::<u64>()).prop_map(|(bits, number)| number >> bits),
        1 => select(&[0, 1, u64::MAX, u64::MAX - 1, 1 << 63, 1 << 53][..]),
    ]
}

/// As a rate may be, and a little beyond.
fn rate() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        1 => Just(None),
        3 => number().prop_map(|number| Some(number as f64 / 7.0)),
        1 => select(&[0.0, -0.0, 1e-9, 1e300, f64::INFINITY, f64::NAN][..]).prop_map(Some),
    ]
}

fn time(number: u64, nanos: u64) -> Duration {
    Duration::new(number >> 1, (nanos % 1_000_000_000) as u32)
}

/// The books need not balance, but no sum is too large for its type.
fn snapshot() -> impl Strategy<Value = Snapshot> {
    let parts = (
        vec(number(), 60),
        vec(rate(), 6),
        any::<u32>(),
        vec(any::<u8>(), 0..40),
    );
    parts.prop_map(|(numbers, rates, bits, seen)| {
        let mut numbers = numbers.into_iter().cycle();
        let mut next = || numbers.next().expect("numbers without end");
        let bit = |at: u32| bits >> at & 1 == 1;
        let mut lost = Losses::default();
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            if bit(at as u32) {
                lost[reason] = Tally {
                    bytes: next() >> 5,
                    records: next() >> 5,
                };
            }
        }
        let mut tally = || Tally {
            bytes: next(),
            records: next(),
        };
        let (input, output, held, marks) = (tally(), tally(), tally(), tally());
        let dead_letters = DeadLetterCount {
            written: tally(),
            unwritten: tally(),
        };
        let mut time = || time(next(), next());
        let bottlenecks = [
            Bottleneck::Producer,
            Bottleneck::Consumer,
            Bottleneck::RateLimit,
            Bottleneck::None,
        ];
        let endings = [
            Ending::EndOfInput,
            Ending::Overflow,
            Ending::Stalled,
            Ending::Idle,
            Ending::Signal(15),
            Ending::BrokenPipe,
            Ending::NoConsumer,
            Ending::Failed,
        ];
        Snapshot {
            elapsed: time(),
            counts_records: bit(16),
            wait_input: time(),
            wait_output: time(),
            wait_rate: time(),
            busy: time(),
            read_paused: time(),
            pressured: time(),
            open_for: time(),
            last_open: bit(17).then(&mut time),
            longest_stall: time(),
            seen: Seen {
                first_output: bit(18).then(&mut time),
                unread: next(),
                last_written: seen.clone(),
                previous_line: seen,
            },
            input,
            output,
            lost,
            held,
            marks,
            peak_held: next(),
            recent_peak_held: next(),
            capacity: next(),
            high_water: next(),
            low_water: next(),
            state: if bit(19) {
                State::Pressured
            } else {
                State::Flowing
            },
            policy: "drop-oldest",
            in_rate: rates[0],
            out_rate: rates[1],
            in_record_rate: rates[2],
            out_record_rate: rates[3],
            pressure_episodes: next(),
            loss_episodes: next(),
            seconds_to_full: rates[4],
            sample_rate: rates[5],
            bottleneck: bottlenecks[(bits >> 20 & 3) as usize],
            restarts: next(),
            redelivered: next(),
            dead_letters: bit(22).then_some(dead_letters),
            exit: bit(23).then_some(next() as i32),
            lost_too_much: bit(27),
            ending: endings.get((bits >> 24 & 7) as usize).copied(),
        }
    })
}

fn check((words, moments, colourful): (Vec<OsString>, Vec<Snapshot>, bool)) {
    let Ok(Config { mut report, .. }) = cli::parse(words, true) else {
        return;
    };
    // Rows are for a terminal that others share.
    report.screen.rows = false;
    let said = rendered::report(&report, &moments, colourful);
    if report.mode == ReportMode::Json {
        for line in said.lines().filter(|line| !line.starts_with("hwm: ")) {
            expect_object(line);
        }
    }
    if matches!(report.mode, ReportMode::Plain | ReportMode::Summary) {
        assert!(
            !said.contains(|c: char| c.is_control() && c != '\n'),
            "{said:?}"
        );
    }
    for moment in &moments {
        let (objects, metrics) = rendered::observers(&report, moment);
        objects.lines().for_each(expect_object);
        assert!(metrics.contains("\nhwm_run_finished"), "{metrics}");
    }
}

fn expect_object(line: &str) {
    let object: serde_json::Value = serde_json::from_str(line).expect(line);
    assert!(object["event"].is_string(), "{line}");
}

#[test]
fn rendering() {
    fuzz(
        "rendering",
        (command_line(), vec(snapshot(), 1..4), any::<bool>()),
        check,
    );
}

#[test]
fn a_width_may_be_beyond_16_bits() {
    let line = "hwm -f /dev/null -w 100000 -F %L";
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let config = cli::parse(words, false).expect("a command line");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let moment = snapshot()
        .new_tree(&mut runner)
        .expect("a snapshot")
        .current();
    let said = rendered::report(&config.report, &[moment], false);
    assert!(said.lines().any(|line| line.len() >= 100_000));
}
