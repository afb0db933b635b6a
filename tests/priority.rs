//! `priority`: who leaves, record by record in the core, and what a log with few errors comes to
//! through real pipes.

mod common;

use std::io::{IoSlice, Read, Write};
use std::time::Duration;

use common::{Account, assert_subsequence, hwm, lines, slurp, summary_of, wait};
use highwater::classes::Classes;
use highwater::config::{Mark, MarkPiece, Policy, RelayConfig};
use highwater::core::account::Reason;
use highwater::core::relay::Relay;

const NOW: Duration = Duration::ZERO;

/// A relay with errors before warnings before all else; `high_water` as well as the capacity in
/// records of three bytes, and a mark that tells how many are missing.
fn relay(high_water: u64, capacity: u64) -> Relay {
    Relay::new(RelayConfig {
        high_water: 3 * high_water,
        low_water: 0,
        classes: Classes::new(&["^e", "^w"]).unwrap(),
        mark: Some(Mark(vec![MarkPiece::Text("#".into()), MarkPiece::Records])),
        ..RelayConfig::new(Policy::Priority, 3 * capacity)
    })
}

/// Feeds records, given without their ends.
fn feed(relay: &mut Relay, records: &str) {
    for record in records.split(' ') {
        let bytes = format!("{record}\n");
        relay.space(bytes.len()).copy_from_slice(bytes.as_bytes());
        relay.received(bytes.len(), NOW);
    }
}

fn lost(relay: &mut Relay, reason: Reason) -> u64 {
    relay.event_snapshot(NOW).lost[reason].records
}

/// Writes `most` bytes or what there is.
fn take(relay: &mut Relay, most: usize) -> String {
    let mut text = String::new();
    while text.len() < most && relay.write_wish(NOW) {
        let mut parts = [IoSlice::new(&[]); 8];
        let used = relay.offer(NOW, &mut parts);
        let offered: Vec<u8> = parts[..used]
            .iter()
            .flat_map(|part| part.to_vec())
            .collect();
        let count = offered.len().min(most - text.len());
        text.push_str(std::str::from_utf8(&offered[..count]).unwrap());
        relay.sent(count, NOW);
    }
    text.replace('\n', " ")
}

/// The input ends, and everything goes out.
fn finish(mut relay: Relay) -> String {
    relay.input_ended(NOW);
    take(&mut relay, usize::MAX)
}

#[test]
fn the_oldest_of_the_lowest_class_leaves_first() {
    let mut relay = relay(4, 4);
    feed(&mut relay, "i1 e1 w1 i2 e2 w2 e3");
    // i1 for e2, i2 for w2, w1 for e3.
    assert_eq!(lost(&mut relay, Reason::Priority), 3);
    assert_eq!(finish(relay), "#1 e1 #2 e2 w2 e3 ");
}

#[test]
fn while_pressured_the_lowest_class_does_not_get_in() {
    let mut relay = relay(2, 4);
    feed(&mut relay, "i1 e1 i2 w1 i3 i4");
    assert_eq!(lost(&mut relay, Reason::Priority), 3, "i2, i3, i4");
    assert_eq!(finish(relay), "i1 e1 #1 w1 #2 ");
}

#[test]
fn flowing_again_it_gets_in_again() {
    let mut relay = relay(2, 4);
    feed(&mut relay, "i1 e1 i2");
    assert_eq!(take(&mut relay, usize::MAX), "i1 e1 ");
    feed(&mut relay, "i3");
    assert_eq!(finish(relay), "#1 i3 ");
}

#[test]
fn an_arrival_takes_no_place_of_what_is_worth_more() {
    let mut relay = relay(3, 3);
    feed(&mut relay, "e1 e2 e3 w1 i1");
    assert_eq!(lost(&mut relay, Reason::Priority), 2);
    // Of its own class the oldest leaves.
    feed(&mut relay, "e4");
    assert_eq!(lost(&mut relay, Reason::Priority), 3);
    assert_eq!(finish(relay), "#1 e2 e3 #2 e4 ");
}

#[test]
fn what_would_be_lost_anyway_takes_no_place() {
    let mut relay = relay(4, 4);
    feed(&mut relay, "w1 w2 e1 w3");
    feed(&mut relay, "iiiiiiiiiii");
    feed(&mut relay, "eeeeeeeeeeeee");
    assert_eq!(lost(&mut relay, Reason::Priority), 1);
    assert_eq!(lost(&mut relay, Reason::Oversize), 1);
    assert_eq!(finish(relay), "w1 w2 e1 w3 #2 ");
}

#[test]
fn a_record_that_came_in_part_may_be_of_any_class() {
    let mut relay = relay(3, 3);
    feed(&mut relay, "e1 w1 w2");
    for byte in b"i3\n" {
        relay.space(1).copy_from_slice(&[*byte]);
        relay.received(1, NOW);
    }
    // w1 made space for its first byte.
    assert_eq!(lost(&mut relay, Reason::Priority), 2);
    assert_eq!(finish(relay), "e1 #1 w2 #1 ");
}

#[test]
fn a_record_of_which_a_byte_went_out_stays() {
    let mut relay = relay(3, 3);
    feed(&mut relay, "i1 e1 i2");
    assert_eq!(take(&mut relay, 1), "i");
    // i1 has space for one byte; the others of e2 need that of i2, and e3 finds errors only.
    feed(&mut relay, "e2 e3");
    assert_eq!(lost(&mut relay, Reason::Priority), 2);
    assert_eq!(finish(relay), "1 #2 e2 e3 ");
}

#[test]
fn losses_that_meet_share_a_mark() {
    let mut relay = relay(4, 4);
    feed(&mut relay, "e1 w1 i1 w2");
    feed(&mut relay, "e2 e3 e4");
    // i1 leaves between the warnings, then one on either side.
    let snapshot = relay.event_snapshot(NOW);
    assert_eq!(snapshot.loss_episodes, 1);
    assert_eq!(finish(relay), "e1 #3 e2 e3 e4 ");
}

/// A log of which each hundredth line is an error.
fn log(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        let level = if number % 100 == 7 { "ERROR" } else { "INFO" };
        let path = "x".repeat(20 + number * 37 % 101);
        bytes.extend(format!("{number:08} {level} request for {path}\n").bytes());
    }
    bytes
}

fn errors(bytes: &[u8]) -> Vec<&[u8]> {
    let mut errors = lines(bytes);
    errors.retain(|line| line[8..].starts_with(b" ERROR "));
    errors
}

const ARGS: [&str; 8] = [
    "-B",
    "64k",
    "--when-full",
    "priority",
    "--priority",
    " ERROR ",
    "--report",
    "json",
];

/// What holds of every run in which the errors had space.
fn check(input: &[u8], output: &[u8], report: Vec<u8>) {
    let account = Account(summary_of(&String::from_utf8(report).unwrap()));
    account.assert_balanced();
    let missing = assert_subsequence(input, output) as u64;
    assert!(missing > 0, "nothing was lost");
    assert_eq!(account.lost("priority").1, missing, "{}", account.0);
    assert_eq!(account.lost_in_all("lost_records"), missing);
    assert!(errors(input) == errors(output), "an error was lost");
}

#[test]
fn no_error_is_lost_with_a_consumer_at_a_tenth_of_the_input_rate() {
    const INPUT: usize = 20_000;
    let input = log(40_000);
    let mut child = hwm(&ARGS).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut output = Vec::new();
    for piece in input.chunks(INPUT) {
        stdin
            .write_all(piece)
            .expect("the producer is never held up");
        let mut some = [0; INPUT / 10];
        stdout.read_exact(&mut some[..piece.len() / 10]).unwrap();
        output.extend_from_slice(&some[..piece.len() / 10]);
    }
    drop(stdin);
    output.extend(slurp(stdout));
    let report = slurp(child.stderr.take().unwrap());
    assert_eq!(wait(&mut child).code(), Some(0));
    check(&input, &output, report);
    // What came out is what the consumer took, not the errors alone.
    assert!(output.len() > input.len() / 10);
}

#[test]
fn no_error_is_lost_while_nobody_reads_and_they_fit() {
    let input = log(40_000);
    let mut child = hwm(&ARGS).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(&input)
        .expect("the producer is never held up");
    drop(stdin);
    let output = slurp(child.stdout.take().unwrap());
    let report = slurp(child.stderr.take().unwrap());
    assert_eq!(wait(&mut child).code(), Some(0));
    check(&input, &output, report);
}
