//! hwm's own line as a person sees it, after some seconds of a run.

use std::time::SystemTime;

use std::time::Duration;

use crate::config::{Amount, ReportConfig, ReportMode};
use crate::core::account::Reason;
use crate::core::account::Tally;
use crate::core::snapshot::Snapshot;
use crate::report::display::parts::visible;
use crate::report::display::{Abilities, Renderer};
use crate::report::painter;
use crate::report::testing::{config, lossy, quiet};

const MI: u64 = 1 << 20;

/// A run told by its seconds, each with what it changes; the line after the last of them.
fn told(
    config: &ReportConfig,
    abilities: Abilities,
    width: usize,
    seconds: impl IntoIterator<Item = fn(&mut Snapshot)>,
) -> String {
    let config = ReportConfig {
        mode: ReportMode::Bar,
        ..config.clone()
    };
    let mut renderer = Renderer::of(&config, abilities).unwrap();
    let mut now = quiet();
    let mut text = String::new();
    for change in seconds {
        now.elapsed += Duration::from_secs(1);
        change(&mut now);
        let line = renderer.line(&now, &config, width, false, SystemTime::UNIX_EPOCH);
        text = painter::text(&line, width);
        assert!(visible(&text) <= width, "{text}");
    }
    text
}

fn plain(
    config: &ReportConfig,
    width: usize,
    seconds: impl IntoIterator<Item = fn(&mut Snapshot)>,
) -> String {
    told(config, Abilities::default(), width, seconds)
}

fn sized(amount: u64) -> ReportConfig {
    ReportConfig {
        expected: Some(Amount::Bytes(amount)),
        ..config()
    }
}

fn passes(now: &mut Snapshot, bytes: u64) {
    now.input.bytes += bytes;
    now.output.bytes += bytes;
}

const SECOND: Duration = Duration::from_secs(1);

/// A second of a rate limit.
fn limited(now: &mut Snapshot) {
    now.wait_rate += SECOND * 9 / 10;
    passes(now, 365 * MI / 6 + u64::from(now.elapsed == SECOND));
}

/// A second in which the consumer takes nothing, or little.
fn stalled(now: &mut Snapshot) {
    now.wait_output += SECOND;
    now.held.bytes = now.capacity;
    now.recent_peak_held = now.capacity;
}

fn slow(now: &mut Snapshot) {
    stalled(now);
    passes(now, 20 * MI / 6 + 1);
}

fn pauses(now: &mut Snapshot) {
    now.wait_input += SECOND;
}

fn flows(now: &mut Snapshot) {
    passes(now, MI);
}

#[test]
fn the_lines_are_those_that_were_agreed_on() {
    let limit = [limited as fn(&mut Snapshot); 6];
    assert_eq!(
        plain(&sized(600 * MI), 80, limit),
        " 365MiB 0:00:06 [60.8MiB/s] [==============>         ]  60% ETA 0:00:03 -L limit"
    );
    let stall = [slow as fn(&mut Snapshot); 6];
    let stall = stall.into_iter().chain([stalled as fn(&mut Snapshot); 3]);
    assert_eq!(
        plain(&sized(600 * MI), 80, stall),
        "20.0MiB 0:00:09 [  0.0 B/s] [>             ]   3%  consumer stalled 3s, buf full"
    );
    let raw = ReportConfig {
        name: Some("raw".to_owned()),
        ..config()
    };
    let slow_one: fn(&mut Snapshot) = |now| {
        stalled(now);
        passes(
            now,
            if now.elapsed < 4 * SECOND {
                62_285_414 / 3
            } else {
                31_562_137
            },
        );
    };
    assert_eq!(
        plain(&raw, 80, [slow_one; 4]),
        "raw: 89.5MiB 0:00:04 [30.1MiB/s]  consumer slow, buffer full"
    );
    let losing: fn(&mut Snapshot) = |now| {
        stalled(now);
        now.counts_records = true;
        passes(
            now,
            if now.elapsed < 2 * SECOND {
                3_397_386
            } else {
                3_544_186
            },
        );
        now.input.records += 22_800_000;
        now.lost[Reason::QueueFull].records += 22_650_000;
    };
    assert_eq!(
        plain(&config(), 80, [losing; 2]),
        "6.62MiB 0:00:02 [3.38MiB/s]  LOST 45.3M records (99%), consumer slow"
    );
}

#[test]
fn nothing_stands_behind_where_all_is_well() {
    assert_eq!(
        plain(&config(), 80, [flows as fn(&mut Snapshot); 3]),
        "3.00MiB 0:00:03 [1.00MiB/s]"
    );
    // The producer may be as slow as it likes.
    let slow_producer: fn(&mut Snapshot) = |now| {
        flows(now);
        pauses(now);
    };
    let line = plain(&config(), 80, [slow_producer; 9]);
    assert_eq!(line, "9.00MiB 0:00:09 [1.00MiB/s]");
}

#[test]
fn a_pause_of_the_input_is_reported_after_a_while() {
    let paused = |seconds| {
        let flow = std::iter::repeat_n(flows as fn(&mut Snapshot), 2);
        let pause = std::iter::repeat_n(pauses as fn(&mut Snapshot), seconds);
        plain(&config(), 80, flow.chain(pause))
    };
    assert_eq!(paused(2), "2.00MiB 0:00:04 [  0.0 B/s]");
    assert_eq!(
        paused(5),
        "2.00MiB 0:00:07 [  0.0 B/s]  waiting for input 5s"
    );
    assert!(paused(200).ends_with("  waiting for input 3m"));
}

#[test]
fn a_stall_lasts_as_long_as_the_consumer_had_something_to_take() {
    let flow = [flows as fn(&mut Snapshot); 2].into_iter();
    let pause = [pauses as fn(&mut Snapshot); 60];
    let stall = [stalled as fn(&mut Snapshot); 4];
    let line = plain(&config(), 80, flow.chain(pause).chain(stall));
    assert!(
        line.ends_with("  consumer stalled 4s, buffer full"),
        "{line}"
    );
    let again = [stalled as fn(&mut Snapshot); 4]
        .into_iter()
        .chain([slow as fn(&mut _)]);
    let line = plain(&config(), 80, again);
    assert!(line.ends_with("  consumer slow, buffer full"), "{line}");
}

#[test]
fn what_is_slow_is_that_of_the_last_while() {
    let slow = [slow as fn(&mut Snapshot); 60].into_iter();
    let fast = [flows as fn(&mut Snapshot); 11];
    let line = plain(&config(), 80, slow.chain(fast));
    assert!(line.ends_with("[1.00MiB/s]"), "{line}");
}

#[test]
fn parts_get_shorter_and_go_where_there_is_no_space() {
    let loses: fn(&mut Snapshot) = |now| {
        let elapsed = now.elapsed;
        *now = Snapshot { elapsed, ..lossy() };
    };
    let at = |width| plain(&sized(8 * MI), width, [loses; 2]);
    for (width, text) in [
        (
            120,
            "3.00MiB 0:00:02 [  0.0 B/s] [=======>      ]  50%  buffer [####:-|-]  LOST 200 records (20%: buffer full), consumer slow",
        ),
        (
            84,
            "3.00MiB 0:00:02 [  0.0 B/s] [=====>    ]  50%  LOST 200 records (20%), consumer slow",
        ),
        (
            80,
            "3.00MiB 0:00:02 [  0.0 B/s] [==========>          ]  50%  LOST 200 records (20%)",
        ),
        (
            60,
            "3.00MiB 0:00:02 [  0.0 B/s]  50%  LOST 200 records (20%)",
        ),
        (50, "3.00MiB [  0.0 B/s]  50%  LOST 200 records (20%)"),
        (40, "3.00MiB  50%  LOST 200 records"),
        (20, "3.00MiB  LOST 200"),
        (12, "3.00MiB"),
        (3, "3.0"),
    ] {
        assert_eq!(at(width), text);
    }
}

#[test]
fn with_l_amounts_and_rates_are_in_records() {
    let mut config = config();
    config.records = true;
    config.expected = Some(Amount::Records(10_000));
    let counts: fn(&mut Snapshot) = |now| {
        now.counts_records = true;
        let tally = Tally {
            bytes: 10_000,
            records: 1_500,
        };
        now.input += tally;
        now.output += tally;
    };
    assert_eq!(
        plain(&config, 60, [counts; 2]),
        "  3.00k 0:00:02 [  1.50k/s] [===>         ]  30% ETA 0:00:04"
    );
    // A third of the bytes is a third of the records.
    let unread: fn(&mut Snapshot) = |now| {
        now.output.records += 1_500;
        now.output.bytes += 10_000;
        now.seen.unread = 10_000;
    };
    let line = plain(&config, 60, [counts, counts, unread]);
    assert!(line.starts_with("  3.00k 0:00:03 [   0.00/s] "), "{line}");
}

#[test]
fn more_than_was_expected_is_reported_as_it_is_and_has_no_end() {
    let end = |bytes: u64| {
        let line = plain(&sized(bytes), 60, [flows as fn(&mut Snapshot)]);
        line.rsplit_once("] ").unwrap().1.to_owned()
    };
    assert_eq!(end(2 * MI), " 50% ETA 0:00:01");
    assert_eq!(end(MI), "100% ETA 0:00:00");
    assert_eq!(end(MI - 100_000), "110%");
    assert_eq!(end(1), ">999%");
    // Nothing is no size, as in pv.
    let line = plain(&sized(0), 60, [flows as fn(&mut Snapshot)]);
    assert!(line.ends_with("[1.00MiB/s]"), "{line}");
}

#[test]
fn colour_says_what_the_words_say() {
    let coloured = Abilities {
        utf8: false,
        paint: true,
        colour: true,
    };
    let line = told(&config(), coloured, 80, [slow as fn(&mut Snapshot)]);
    let words = "  \x1b[33mconsumer slow\x1b[m\x1b[33m, buffer full\x1b[m";
    assert!(line.ends_with(words), "{line:?}");
    let loses: fn(&mut Snapshot) = |now| now.lost[Reason::QueueFull].bytes = 100;
    let line = told(&config(), coloured, 80, [flows, loses]);
    assert!(
        line.ends_with("  \x1b[1;31mLOST 100 B (<1%)\x1b[m"),
        "{line:?}"
    );
    let line = told(&sized(4 * MI), coloured, 60, [flows as fn(&mut Snapshot)]);
    assert!(line.contains(" \x1b[2m[===>   "), "{line:?}");
    let plain = plain(&config(), 80, [slow as fn(&mut Snapshot), loses]);
    assert!(!plain.contains('\x1b'), "{plain:?}");
}

#[test]
fn a_long_name_leaves_room_for_the_rest() {
    let named = ReportConfig {
        name: Some("a name that is too long".to_owned()),
        ..config()
    };
    let at = |width| plain(&named, width, [flows as fn(&mut Snapshot)]);
    assert_eq!(at(80), "a name that is ~: 1.00MiB 0:00:01 [1.00MiB/s]");
    assert_eq!(at(45), "a name that is ~: 1.00MiB 0:00:01 [1.00MiB/s]");
    assert_eq!(at(30), "a name that is ~: 1.00MiB");
    assert_eq!(at(20), "1.00MiB");
}
