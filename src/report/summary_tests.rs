//! The last words of runs, whole.

use std::time::Duration;

use super::closing::Closing;
use super::summary::{WIDEST, lines, loss, of_losses, running};
use crate::config::ReportConfig;
use crate::core::account::{Reason, Tally};
use crate::core::ending::Ending;
use crate::core::loss::dead_letters::DeadLetterCount;
use crate::core::snapshot::{Bottleneck, Snapshot};
use crate::report::testing::{config, lossy, quiet};

const MI: u64 = 1 << 20;

fn last(snapshot: &Snapshot) -> Vec<String> {
    lines(snapshot, &config(), &Closing::default(), WIDEST)
}

/// So much went through in so long, and ended so.
fn run(bytes: u64, milliseconds: u64, ending: Ending) -> Snapshot {
    let tally = Tally { bytes, records: 0 };
    Snapshot {
        elapsed: Duration::from_millis(milliseconds),
        input: tally,
        output: tally,
        exit: Some(0),
        ending: Some(ending),
        ..quiet()
    }
}

#[test]
fn the_lines_are_those_that_were_agreed_on() {
    let mut limited = run(600 * MI, 9_900, Ending::EndOfInput);
    limited.bottleneck = Bottleneck::RateLimit;
    limited.wait_rate = Duration::from_millis(9_000);
    let mut slow = run(600 * MI, 9_900, Ending::EndOfInput);
    slow.bottleneck = Bottleneck::Consumer;
    slow.wait_output = Duration::from_millis(7_200);
    let mut stopped = run(162 * MI, 5_000, Ending::Signal(2));
    stopped.input.bytes += 232 * MI;
    stopped.lost[Reason::Shutdown].bytes = 232 * MI;
    // It was slow for most of the time, and that is no matter now.
    stopped.bottleneck = Bottleneck::Consumer;
    stopped.wait_output = Duration::from_millis(4_000);
    let mut lossy = run(22_830_000, 3_000, Ending::EndOfInput);
    lossy.counts_records = true;
    lossy.input.records = 3_000_000;
    lossy.output = Tally {
        bytes: 2_077_000,
        records: 313_124,
    };
    lossy.lost[Reason::QueueFull] = Tally {
        bytes: 20_753_000,
        records: 2_686_876,
    };
    lossy.bottleneck = Bottleneck::Consumer;
    lossy.wait_output = Duration::from_millis(2_990);
    let told: Vec<String> = [limited, slow, stopped, lossy]
        .iter()
        .flat_map(last)
        .collect();
    assert_eq!(
        told,
        [
            "hwm: 600MiB in 9.9s, 60.6MiB/s (held back by -L)",
            "hwm: 600MiB in 9.9s, 60.6MiB/s (the consumer was slow 72% of the time)",
            "hwm: interrupted after 162MiB in 5.0s; 232MiB read but not delivered",
            "hwm: 1.98 of 21.8MiB in 3.0s, 676KiB/s (the consumer was slow 99% of the time)",
            "hwm: LOST 2,686,876 of 3,000,000 records (19.8MiB): buffer full",
        ]
    );
}

#[test]
fn without_loss_there_is_one_line_and_no_word_of_a_loss() {
    let told = last(&run(300 * MI, 2_000, Ending::EndOfInput));
    assert_eq!(told, ["hwm: 300MiB in 2.0s, 150MiB/s"]);
    assert_eq!(last(&quiet()), ["hwm: 0 B in 0.0s"]);
}

#[test]
fn a_loss_has_a_line_with_its_reasons_the_worst_first() {
    let mut told = last(&lossy());
    assert_eq!(
        told.pop().unwrap(),
        "hwm: LOST 200 of 1,000 records (1.00MiB): buffer full 199, too long 1"
    );
    assert_eq!(
        told,
        ["hwm: 3.00 of 5.00MiB in 0:01:02, 49.3KiB/s (consumer slow 96% of the time)"]
    );
    let mut all = run(2048, 0, Ending::EndOfInput);
    (all.counts_records, all.input.records) = (true, 1);
    all.output = Tally::default();
    all.lost[Reason::Oversize] = all.input;
    let told = last(&all).pop();
    assert_eq!(
        told.as_deref(),
        Some("hwm: LOST 1 record (2.00KiB): too long")
    );
    all.lost_too_much = true;
    let told = last(&all).pop().unwrap();
    assert!(told.ends_with(": too long; more than allowed"), "{told}");
}

#[test]
fn losses_are_in_bytes_where_records_are_not_counted() {
    let mut drained = run(1024, 0, Ending::EndOfInput);
    drained.input.bytes = 2048;
    drained.lost[Reason::BrokenPipe].bytes = 1024;
    assert_eq!(
        last(&drained),
        [
            "hwm: 1.00 of 2.00KiB in 0.0s",
            "hwm: LOST 1.00 of 2.00KiB: reader gone"
        ]
    );
    // Where that ended the run, nothing is missing from a stream that went on.
    drained.ending = Some(Ending::BrokenPipe);
    let told = last(&drained);
    let gone = "hwm: reader gone after 1.00KiB in 0.0s; 1.00KiB read but not delivered";
    assert_eq!(told, [gone]);
}

#[test]
fn what_a_consumer_did_not_want_is_reported_and_no_loss() {
    let mut left = run(1024, 0, Ending::EndOfInput);
    left.input.bytes = 2048;
    left.lost[Reason::Unread].bytes = 1024;
    let told = last(&left);
    assert_eq!(told, ["hwm: 1.00 of 2.00KiB in 0.0s; 1.00KiB not read"]);
    let of_losses = |snapshot: &Snapshot| of_losses(snapshot, &config(), &Closing::default(), 80);
    assert_eq!(of_losses(&left), [""; 0]);
    left.lost[Reason::Oversize].bytes = 10;
    left.input.bytes += 10;
    assert_eq!(of_losses(&left).len(), 1);
}

#[test]
fn after_a_loss_the_consumer_is_named_also_where_the_producer_was_waited_for_longer() {
    let mut lossy = run(5 * MI, 10_000, Ending::EndOfInput);
    lossy.lost[Reason::QueueFull].bytes = MI;
    lossy.input.bytes += MI;
    lossy.bottleneck = Bottleneck::Producer;
    lossy.wait_input = Duration::from_secs(6);
    lossy.wait_output = Duration::from_secs(3);
    let told = last(&lossy)[0].clone();
    assert!(
        told.ends_with(" (the consumer was slow 30% of the time)"),
        "{told}"
    );
    lossy.wait_output = Duration::ZERO;
    assert!(!last(&lossy)[0].contains("slow"));
}

#[test]
fn what_a_run_that_is_being_stopped_has_not_delivered_is_no_loss_that_goes_on() {
    let mut stopping = run(5 * MI, 10_000, Ending::EndOfInput);
    stopping.ending = None;
    stopping.lost[Reason::Shutdown].bytes = MI;
    stopping.lost[Reason::Unread].bytes = MI;
    assert_eq!(loss(&stopping, &config(), WIDEST), None);
    stopping.lost[Reason::QueueFull].bytes = 5;
    let told = loss(&stopping, &config(), WIDEST).unwrap();
    assert!(told.starts_with("hwm: LOST 5 B in "), "{told}");
}

#[test]
fn a_piece_of_a_record_is_not_called_zero_records() {
    let mut snapshot = run(0, 0, Ending::EndOfInput);
    (snapshot.counts_records, snapshot.input.bytes) = (true, 100);
    snapshot.lost[Reason::Shutdown].bytes = 12;
    let told = |snapshot: &Snapshot| last(snapshot).pop().unwrap();
    assert_eq!(told(&snapshot), "hwm: LOST 12 of 100 B: stopped");
    snapshot.input.records = 1;
    snapshot.lost[Reason::Oversize] = Tally {
        bytes: 20,
        records: 1,
    };
    let both = "hwm: LOST 1 record (32 B): too long 1, stopped 12 B";
    assert_eq!(told(&snapshot), both);
}

#[test]
fn each_ending_is_said_in_few_words() {
    for (ending, words) in [
        (Ending::Overflow, "buffer full after 13 B in 5.0s"),
        (Ending::Stalled, "stalled after 13 B in 5.0s"),
        (Ending::Idle, "no more input after 13 B in 5.0s"),
        (Ending::Signal(15), "interrupted after 13 B in 5.0s"),
        (Ending::BrokenPipe, "reader gone after 13 B in 5.0s"),
        (Ending::Failed, "13 B in 5.0s, 2.6 B/s; with errors"),
    ] {
        assert_eq!(last(&run(13, 5_000, ending)), [format!("hwm: {words}")]);
    }
}

#[test]
fn with_l_records_are_counted() {
    let records = ReportConfig {
        records: true,
        ..config()
    };
    let told = lines(&lossy(), &records, &Closing::default(), WIDEST);
    assert_eq!(
        told[0],
        "hwm: 600 of 1,000 records (3.00MiB) in 0:01:02, 9.64 records/s (consumer slow)"
    );
}

#[test]
fn the_producer_is_blamed_only_where_nothing_was_lost() {
    let mut snapshot = run(MI, 10_000, Ending::EndOfInput);
    snapshot.bottleneck = Bottleneck::Producer;
    snapshot.wait_input = Duration::from_secs(9);
    let told = last(&snapshot);
    let verdict = " (the producer was slow 90% of the time)";
    assert!(told[0].ends_with(verdict), "{told:?}");
    snapshot.lost[Reason::QueueFull].bytes = 1;
    assert!(!last(&snapshot).concat().contains("producer"));
    let told = loss(&snapshot, &config(), WIDEST).unwrap();
    assert_eq!(told, "hwm: LOST 1 B in 10.0s so far: buffer full");
}

#[test]
fn a_loss_that_goes_on_says_who_is_slow() {
    assert_eq!(
        loss(&lossy(), &config(), WIDEST).as_deref(),
        Some("hwm: LOST 200 records (1.00MiB) in 0:01:02 so far: buffer full 199, too long 1")
    );
    let mut snapshot = lossy();
    snapshot.lost[Reason::Oversize] = Tally::default();
    assert_eq!(
        loss(&snapshot, &config(), WIDEST).as_deref(),
        Some("hwm: LOST 199 records (1023KiB) in 0:01:02 so far: buffer full (consumer slow)")
    );
    assert_eq!(loss(&quiet(), &config(), WIDEST), None);
}

#[test]
fn a_running_line_names_what_is_held_now() {
    assert_eq!(
        running(&lossy(), &config(), WIDEST),
        [
            "hwm: 3.00 of 5.00MiB in 0:01:02 so far, 49.3KiB/s; holds 1.00 of 2.00MiB",
            "hwm: LOST 200 records (1.00MiB) so far: buffer full 199, too long 1"
        ]
    );
}

#[test]
fn with_v_there_are_details() {
    let detailed = ReportConfig {
        statistics: true,
        ..config()
    };
    let mut snapshot = lossy();
    let tally = |bytes, records| Tally { bytes, records };
    snapshot.dead_letters = Some(DeadLetterCount {
        written: tally(50, 199),
        unwritten: tally(2048, 1),
    });
    let told = lines(&snapshot, &detailed, &Closing::default(), WIDEST);
    assert_eq!(
        told[2..],
        [
            "hwm: held at most 1.43MiB of 2.00MiB; high water 1.60MiB, low water 1.20MiB",
            "hwm: waited 2% for input, 96% for the consumer, 0% for -L; worked 0%",
            "hwm: 3 times at high water, 30.0s until low water; longest stall 12.5s",
            "hwm: 2 loss episodes; 2 marks written",
            "hwm: lost: buffer full: 199 records (1023KiB)",
            "hwm: lost: too long: 1 record (576 B)",
            "hwm: kept 199 of 200 lost records (0.05 of 2.05KiB)",
        ]
    );
}

#[test]
fn the_name_stands_in_front_and_keeps_to_the_line() {
    let mut config = config();
    config.name = Some("log\n\u{1b}[2Ja".to_owned());
    let told = lines(&quiet(), &config, &Closing::default(), WIDEST);
    assert_eq!(told, ["log??[2Ja: 0 B in 0.0s"]);
}

#[test]
fn what_was_not_said_is_owned_up_to() {
    let mut closing = Closing::default();
    (closing.dropped, closing.untold_events) = (1, 2);
    let told = lines(&quiet(), &config(), &closing, WIDEST);
    assert_eq!(
        told,
        ["hwm: 0 B in 0.0s; 1 report dropped; 2 events missed"]
    );
}

#[test]
fn behind_pvs_form_only_what_it_has_no_words_for_is_said() {
    let told = |snapshot: &Snapshot| of_losses(snapshot, &config(), &Closing::default(), WIDEST);
    assert_eq!(
        told(&run(13, 100, Ending::EndOfInput)),
        Vec::<String>::new()
    );
    assert_eq!(told(&lossy()).len(), 1);
    let mut stopped = run(13, 100, Ending::Signal(2));
    assert_eq!(told(&stopped), Vec::<String>::new());
    stopped.lost[Reason::Shutdown].bytes = 5;
    let words = "hwm: interrupted after 13 B in 0.1s; 5 B read but not delivered";
    assert_eq!(told(&stopped), [words]);
    stopped.ending = Some(Ending::BrokenPipe);
    assert_eq!(told(&stopped), Vec::<String>::new());
}

#[test]
fn on_a_narrow_terminal_the_essence_is_left() {
    let mut stopped = run(162 * MI, 5_000, Ending::Signal(2));
    stopped.lost[Reason::Shutdown].bytes = 232 * MI;
    let told = |snapshot: &Snapshot| lines(snapshot, &config(), &Closing::default(), 40);
    assert_eq!(told(&stopped), ["hwm: interrupted; 232MiB not delivered"]);
    assert_eq!(
        told(&lossy()),
        [
            "hwm: 3.00 of 5.00MiB in 0:01:02",
            "hwm: LOST 200 records: buffer full",
        ]
    );
}

#[test]
fn where_a_line_does_not_fit_it_ends_with_a_whole_word() {
    let snapshot = lossy();
    let at = |width| lines(&snapshot, &config(), &Closing::default(), width);
    assert_eq!(at(20), ["hwm: 3.00 of 5.00MiB", "hwm: LOST 200"]);
    assert_eq!(at(12), ["hwm: 3.00 of", "hwm: LOST"]);
    assert_eq!(at(3), ["", ""]);
}

#[test]
fn reasons_that_find_no_space_are_counted() {
    let mut snapshot = lossy();
    for (at, reason) in [
        Reason::QueueFull,
        Reason::Expired,
        Reason::Sampled,
        Reason::Oversize,
    ]
    .into_iter()
    .enumerate()
    {
        let records = 4000 >> at;
        let bytes = records * 100;
        snapshot.lost[reason] = Tally { bytes, records };
    }
    let at_widths: Vec<String> = (30..120)
        .filter_map(|width| loss(&snapshot, &config(), width))
        .collect();
    let has = |line: &String| line.ends_with(": buffer full and 3 other reasons");
    assert!(at_widths.iter().any(has), "{at_widths:#?}");
}
