//! The thread and its inbox: what stuck, dead and slow writers may not do to the relay.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::config::ScreenConfig;
use crate::config::display::{BarStyle, Display, Piece};
use crate::core::snapshot::State;
use crate::report::testing::{config, lossy, quiet};

/// Far above any bound here and below a test runner's timeout: only a hang takes so long.
const HANG: Duration = Duration::from_secs(60);

/// A writer that waits for its gate at each write, and tells when it got there.
struct Gated {
    gate: Arc<(Mutex<bool>, Condvar)>,
    reached: Sender<()>,
    text: Arc<Mutex<Vec<u8>>>,
}

/// The other side of a [`Gated`].
struct Gate {
    gate: Arc<(Mutex<bool>, Condvar)>,
    reached: Receiver<()>,
    text: Arc<Mutex<Vec<u8>>>,
}

fn gated() -> (Gated, Gate) {
    let (gate, text) = (Arc::default(), Arc::default());
    let (reached, arrival) = channel();
    let writer = Gated {
        gate: Arc::clone(&gate),
        reached,
        text: Arc::clone(&text),
    };
    let gate = Gate {
        gate,
        reached: arrival,
        text,
    };
    (writer, gate)
}

impl Write for Gated {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let _ = self.reached.send(());
        let open = self.gate.0.lock().unwrap();
        let _open = self.gate.1.wait_while(open, |open| !*open).unwrap();
        self.text.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Gate {
    fn wait_until_reached(&self) {
        self.reached.recv_timeout(HANG).expect("nothing is written");
    }

    fn wait_until_closed(&self) {
        while self.reached.recv_timeout(HANG).is_ok() {}
    }

    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

fn mode(mode: ReportMode) -> ReportConfig {
    ReportConfig { mode, ..config() }
}

fn reporter(config: &ReportConfig, writer: impl Write + Send + 'static) -> ThreadedReporter {
    ThreadedReporter::new(config, ReportWriter::onto(config.clone(), Box::new(writer)))
}

/// A reporter whose thread gets all the time it needs: a busy machine must fail no test.
fn patient(config: &ReportConfig, writer: impl Write + Send + 'static) -> ThreadedReporter {
    let mut reporter = reporter(config, writer);
    reporter.timeout = HANG / 2;
    reporter
}

/// Runs `work` where a hang is a failure rather than the end of all tests.
fn within_timeout<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, answer) = channel();
    std::thread::spawn(move || done.send(work()));
    answer.recv_timeout(HANG).expect("it hangs")
}

/// All that a run with these steps writes, with a writer that is always ready.
fn said(config: &ReportConfig, steps: impl FnOnce(&mut ThreadedReporter)) -> String {
    let (writer, gate) = gated();
    gate.open();
    let mut reporter = patient(config, writer);
    steps(&mut reporter);
    drop(reporter);
    gate.text()
}

fn after(milliseconds: u64) -> Snapshot {
    Snapshot {
        elapsed: Duration::from_millis(milliseconds),
        ..quiet()
    }
}

#[test]
fn a_stuck_writer_holds_up_neither_reports_nor_errors_nor_the_end() {
    let (reader, writer) = io::pipe().unwrap();
    let waited = within_timeout(move || {
        let mut reporter = reporter(&mode(ReportMode::Json), writer);
        // Some hundred times what a pipe and the inbox take.
        for _ in 0..100_000 {
            reporter.report(Event::Interval, &lossy());
        }
        reporter.message("an error".to_owned());
        reporter.suspend();
        let begin = Instant::now();
        reporter.finish(&lossy());
        begin.elapsed()
    });
    assert!(waited >= LAST_WORD, "{waited:?}: the writer was not stuck");
    drop(reader);
}

#[test]
fn the_summary_comes_after_a_flood_of_intervals() {
    let (writer, gate) = gated();
    let text = within_timeout(move || {
        let mut reporter = patient(&mode(ReportMode::Json), writer);
        reporter.report(Event::Interval, &quiet());
        gate.wait_until_reached();
        for _ in 0..10 * INBOX {
            reporter.report(Event::Interval, &quiet());
        }
        gate.open();
        reporter.finish(&quiet());
        gate.text()
    });
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "summary");
    let dropped = 9 * INBOX as u64;
    assert_eq!(last["reports_dropped"], dropped, "{dropped} did not fit");
}

#[test]
fn events_and_errors_survive_the_flood_that_intervals_do_not() {
    let (writer, gate) = gated();
    let text = within_timeout(move || {
        let mut reporter = patient(&mode(ReportMode::Plain), writer);
        reporter.report(Event::Interval, &quiet());
        gate.wait_until_reached();
        reporter.report(Event::Loss, &quiet());
        for _ in 0..2 * INBOX {
            reporter.report(Event::Interval, &quiet());
        }
        reporter.message("write error".to_owned());
        gate.open();
        reporter.finish(&quiet());
        gate.text()
    });
    assert_eq!(text.matches("event=loss").count(), 1, "{text}");
    assert!(
        text.contains("\nhwm: write error\nhwm: event=summary "),
        "{text}"
    );
}

#[test]
fn a_slow_terminal_gets_the_summary_instead_of_old_intervals() {
    let (writer, gate) = gated();
    let text = within_timeout(move || {
        let mut reporter = reporter(&mode(ReportMode::Plain), writer);
        for _ in 0..100 {
            reporter.report(Event::Interval, &quiet());
        }
        gate.wait_until_reached();
        reporter.finish(&quiet());
        // The time is up, so whatever is said now is said in a hurry.
        gate.open();
        gate.wait_until_closed();
        gate.text()
    });
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.ends_with("\nhwm: 0 B in 0.0s\n"), "{text}");
}

#[test]
fn a_exited_reader_is_harmless() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    within_timeout(move || {
        // A thread that panicked or hung would keep a patient reporter waiting for ever.
        let mut reporter = patient(&mode(ReportMode::Plain), writer);
        reporter.report(Event::Interval, &quiet());
        reporter.message("an error".to_owned());
        reporter.finish(&quiet());
    });
}

#[test]
fn a_pipe_gets_the_whole_report_before_finish_returns() {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut reporter = patient(&mode(ReportMode::Summary), writer);
    reporter.finish(&quiet());
    drop(reporter);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hwm: 0 B in 0.0s\n");
}

#[test]
fn without_periodic_reports_at_most_one_line_a_second_tells_of_losses() {
    for mode in [ReportMode::Summary, ReportMode::Losses].map(mode) {
        let text = said(&mode, |reporter| {
            for milliseconds in [500, 501, 1499, 1500, 1501, 3000, 9000] {
                let now = Snapshot {
                    lost: lossy().lost,
                    ..after(milliseconds)
                };
                reporter.report(Event::Losing, &now);
                reporter.report(Event::Loss, &now);
                reporter.report(Event::Pressured, &now);
                reporter.report(Event::Interval, &now);
            }
        });
        let times = text.lines().map(|line| {
            let line = line.strip_prefix("hwm: LOST 1.00MiB in ").unwrap();
            line.split_once(" so far: ").unwrap().0
        });
        assert_eq!(times.collect::<Vec<_>>(), ["0.5s", "1.5s", "9.0s"]);
    }
}

#[test]
fn a_live_line_needs_no_line_about_a_loss_above_it() {
    for mode in [ReportMode::Bar, ReportMode::Json].map(mode) {
        let reporter = reporter(&mode, io::sink());
        assert!(!reporter.wants(Event::Losing, Duration::ZERO));
    }
}

#[test]
fn programs_hear_of_each_kind_of_event_once_an_interval_and_of_how_many() {
    for mode in [ReportMode::Json, ReportMode::Plain].map(mode) {
        let text = said(&mode, |reporter| {
            for turn in 1..=2000_u64 {
                let now = |milliseconds, state| Snapshot {
                    pressure_episodes: turn,
                    loss_episodes: 3 * turn,
                    state,
                    ..after(10 * turn + milliseconds)
                };
                reporter.report(Event::Pressured, &now(1, State::Pressured));
                reporter.report(Event::Loss, &now(1, State::Pressured));
                reporter.report(Event::Opened, &now(2, State::Pressured));
                reporter.report(Event::Flowing, &now(3, State::Flowing));
                if turn % 100 == 0 {
                    reporter.report(Event::Interval, &now(9, State::Flowing));
                }
            }
            let end = Snapshot {
                pressure_episodes: 2000,
                loss_episodes: 6000,
                ..after(20_010)
            };
            reporter.finish(&end);
        });
        let is_json = mode.mode == ReportMode::Json;
        for (event, count) in [
            ("pressured", 2000),
            ("flowing", 2000),
            ("loss", 6000),
            ("opened", 2000),
            ("closed", 0),
        ] {
            let (name, key) = match is_json {
                true => (format!("{{\"event\":\"{event}\","), "\"count\":"),
                false => (format!("hwm: event={event} "), "count="),
            };
            let lines: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with(&name))
                .collect();
            assert!(lines.len() <= 22, "{event}: {}", lines.len());
            let counts = lines.iter().map(|line| {
                let number = line.split_once(key).unwrap().1;
                let end = number.find(|c: char| !c.is_ascii_digit()).unwrap();
                number[..end].parse::<u64>().unwrap()
            });
            assert_eq!(counts.sum::<u64>(), count, "{event}");
        }
    }
}

#[test]
fn mode_none_says_errors_and_nothing_else() {
    let say_all = |reporter: &mut ThreadedReporter| {
        reporter.report(Event::Asked, &quiet());
        reporter.report(Event::Loss, &quiet());
        reporter.report(Event::Losing, &lossy());
        reporter.finish(&quiet());
    };
    assert_eq!(said(&mode(ReportMode::None), say_all), "");
    let text = said(&mode(ReportMode::None), |reporter| {
        reporter.message("read error".to_owned());
        say_all(reporter);
    });
    assert_eq!(text, "hwm: read error\n");
}

#[test]
fn mode_none_starts_no_thread_for_nothing() {
    let mut reporter = reporter(&mode(ReportMode::None), io::sink());
    reporter.report(Event::Interval, &quiet());
    assert!(matches!(reporter.thread, Thread::NotStarted(_)));
    reporter.finish(&quiet());
    assert!(matches!(
        reporter.thread,
        Thread::NotStarted(_) | Thread::Gone
    ));
}

#[test]
fn json_names_every_event_and_asked_is_an_interval() {
    let text = said(&mode(ReportMode::Json), |reporter| {
        for event in [
            Event::Interval,
            Event::Pressured,
            Event::Flowing,
            Event::Loss,
            Event::Asked,
        ] {
            reporter.report(event, &quiet());
        }
    });
    let names: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|object| object["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["interval", "pressured", "flowing", "loss", "interval"]
    );
}

#[test]
fn a_forced_bar_ends_its_line_before_the_summary() {
    let text = said(&mode(ReportMode::Bar), |reporter| {
        reporter.report(Event::Interval, &quiet());
        reporter.report(Event::Pressured, &quiet());
        reporter.finish(&quiet());
    });
    assert_eq!(text, "\r    0 B 0:00:00 [        -]\nhwm: 0 B in 0.0s\n");
}

#[test]
fn being_asked_shows_a_line_that_stays() {
    for mode in [ReportMode::Bar, ReportMode::Summary].map(mode) {
        let text = said(&mode, |reporter| reporter.report(Event::Asked, &quiet()));
        assert_eq!(text, "hwm: 0 B in 0.0s so far; holds 0.00 of 4.00MiB\n");
    }
}

#[test]
fn being_asked_shows_words_beside_pvs_display_and_numbers_where_those_are_read() {
    let display = |numeric| ReportConfig {
        screen: ScreenConfig {
            display: Some(Display {
                pieces: vec![Piece::Text("7".to_owned())],
                numeric,
                decimal: false,
                bits: false,
                gauge: false,
                style: BarStyle::Plain,
                window: 1,
            }),
            force: true,
            ..ScreenConfig::default()
        },
        ..mode(ReportMode::Pv)
    };
    let asked = |numeric| {
        said(&display(numeric), |reporter| {
            reporter.report(Event::Asked, &quiet());
        })
    };
    assert_eq!(
        asked(false),
        "hwm: 0 B in 0.0s so far; holds 0.00 of 4.00MiB\n"
    );
    assert_eq!(asked(true), "7\n");
}

#[test]
fn statistics_follow_the_summary() {
    let config = ReportConfig {
        statistics: true,
        ..mode(ReportMode::Summary)
    };
    let rated = |rate| Snapshot {
        out_rate: Some(rate),
        ..quiet()
    };
    let last_line = |text: String| text.lines().last().unwrap().to_owned();
    let text = said(&config, |reporter| {
        reporter.report(Event::Interval, &rated(1.0));
        reporter.report(Event::Losing, &rated(100.0));
        reporter.report(Event::Interval, &rated(3.0));
        reporter.finish(&rated(50.0));
    });
    assert_eq!(
        last_line(text),
        "rate min/avg/max/mdev = 1.000/2.000/3.000/1.000 B/s"
    );
    let short = said(&config, |reporter| reporter.finish(&rated(50.0)));
    assert_eq!(
        last_line(short),
        "rate min/avg/max/mdev = 50.000/50.000/50.000/0.000 B/s"
    );
}

#[test]
fn reports_elsewhere_leave_a_log_and_a_path_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut config = ReportConfig {
        to: Some(path.clone()),
        ..mode(ReportMode::Json)
    };
    for _ in 0..2 {
        start_report(&config, &Files::default())
            .unwrap()
            .finish(&quiet());
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    config.to = Some(path.join("below a file"));
    let error = start_report(&config, &Files::default())
        .err()
        .expect("it opens");
    let text = error.to_string();
    assert!(text.starts_with("cannot report to "), "{text}");
    assert!(
        text.contains("below a file (--report-to): Not a directory"),
        "{text}"
    );
}

#[test]
fn a_stop_waits_until_the_line_is_left() {
    let (writer, gate) = gated();
    gate.open();
    let mut reporter = reporter(&mode(ReportMode::Bar), writer);
    reporter.report(Event::Interval, &quiet());
    // The wait may run out on a very busy machine: then ask again, as a user would.
    let begin = Instant::now();
    while !gate.text().ends_with('\n') && begin.elapsed() < HANG {
        reporter.suspend();
    }
    assert_eq!(gate.text().matches('\n').count(), 1);
}
