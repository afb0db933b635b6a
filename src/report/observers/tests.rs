//! Threads that are stuck, and the one bound for all of them at the end.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::*;
use crate::config::{Observers, ReportConfig, ReportMode};
use crate::report::testing::{config, lossy};

/// Far above any bound here: only a hang takes so long.
const HANG: Duration = Duration::from_secs(60);

fn quiet() -> ReportConfig {
    ReportConfig {
        mode: ReportMode::None,
        ..config()
    }
}

fn reporters(events: Option<Events>, asked: &Observers) -> Reporters {
    let report = start_report(&quiet(), &Files::default()).unwrap();
    let error_channel = ErrorChannel::default();
    Reporters {
        report,
        events,
        commands: hooks(asked)
            .into_iter()
            .filter_map(|hooks| Commands::start(hooks, &quiet(), error_channel.clone()).unwrap())
            .collect(),
        lost: None,
        error_channel,
        traces: false,
    }
}

fn events(out: impl io::Write + Send + 'static) -> Option<Events> {
    Events::onto(out, "x".to_owned(), quiet(), ErrorChannel::default()).ok()
}

#[test]
fn a_reader_and_a_command_that_are_stuck_hold_up_the_end_no_longer_than_one() {
    let (reader, writer) = io::pipe().unwrap();
    let (gate, open) = io::pipe().unwrap();
    let asked = Observers {
        // It ends when the test does.
        on_flow: Some(format!(
            "read word </proc/{}/fd/{}",
            std::process::id(),
            std::os::fd::AsRawFd::as_raw_fd(&gate)
        )),
        ..Observers::default()
    };
    let mut reporters = reporters(events(writer), &asked);
    for _ in 0..10 * super::events::INBOX {
        reporters.report(Event::Flowing, &lossy());
    }
    let begin = Instant::now();
    reporters.finish(&lossy());
    let waited = begin.elapsed();
    assert!(waited >= LAST_WORD, "{waited:?}: nothing was stuck");
    assert!(waited < HANG);
    drop((reader, open));
}

#[test]
fn what_was_missed_is_reported_before_the_next_or_at_the_end() {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut reporters = reporters(events(writer), &Observers::default());
    reporters.missed(3, &lossy());
    reporters.report(Event::Opened, &lossy());
    reporters.report(Event::Interval, &lossy());
    reporters.report(Event::Closed, &lossy());
    reporters.missed(1, &lossy());
    reporters.missed(1, &lossy());
    reporters.finish(&lossy());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let objects: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<(&str, Option<u64>)> = objects
        .iter()
        .map(|object| (object["event"].as_str().unwrap(), object["count"].as_u64()))
        .collect();
    let expected = [
        ("missed", Some(3)),
        ("opened", None),
        ("closed", None),
        ("missed", Some(2)),
    ];
    assert_eq!(told, expected);
    assert!(objects.iter().all(|object| object["open_s"] == 2.25));
}

#[test]
fn only_what_is_reported_is_asked_for() {
    let wants = |reporters: &Reporters| {
        [
            Event::Pressured,
            Event::Loss,
            Event::Closed,
            Event::Interval,
        ]
        .map(|event| reporters.wants(event, Duration::ZERO))
    };
    let none = reporters(None, &Observers::default());
    assert_eq!(wants(&none), [false; 4]);
    assert!(!none.wants_each_loss());
    let lines = reporters(events(io::sink()), &Observers::default());
    assert_eq!(wants(&lines), [true, true, true, false]);
    assert!(lines.wants_each_loss());
    let on_pressure = Some("true".to_owned());
    let commands = Observers {
        on_pressure,
        ..Observers::default()
    };
    let commands = reporters(None, &commands);
    assert_eq!(wants(&commands), [true, false, false, false]);
}

#[test]
fn a_state_reached_by_an_unreported_change_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let asked = Observers {
        on_pressure: Some(format!("echo $HWM_EVENT >>'{}'", log.display())),
        on_flow: Some(format!("echo $HWM_EVENT >>'{}'", log.display())),
        ..Observers::default()
    };
    let flowing = crate::report::testing::quiet();
    let mut reporters = reporters(None, &asked);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let wait_for = |text: &str| {
        let begin = Instant::now();
        while said() != text {
            assert!(begin.elapsed() < HANG, "{:?}", said());
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    // It began so.
    reporters.missed(2, &flowing);
    reporters.missed(1, &lossy());
    wait_for("pressured\n");
    reporters.missed(2, &lossy());
    reporters.report(Event::Flowing, &flowing);
    wait_for("pressured\nflowing\n");
    reporters.finish(&flowing);
    assert_eq!(said(), "pressured\nflowing\n");
}
