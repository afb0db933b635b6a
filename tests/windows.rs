//! Samples of windows of time, by a fake clock: what passes of each, when it goes out, and that
//! nothing is forgotten when a window ends early.

use std::io::IoSlice;
use std::time::Duration;

use highwater::config::{Mark, MarkPiece, Policy, RelayConfig, Sample};
use highwater::core::account::{Reason, Tally};
use highwater::core::ending::Ending;
use highwater::core::relay::Relay;
use highwater::core::snapshot::{Snapshot, State};

const SECOND: Duration = Duration::from_secs(1);

fn milli(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Always pressured while anything is held.
fn relay(sample: Sample) -> Relay {
    Relay::new(config(sample))
}

fn config(sample: Sample) -> RelayConfig {
    RelayConfig {
        high_water: 1,
        low_water: 0,
        seed: 5,
        ..RelayConfig::new(Policy::Sample(sample), 1_000)
    }
}

fn reservoir(keep: u64) -> Sample {
    let per = SECOND;
    Sample::Reservoir { keep, per }
}

fn arrive(relay: &mut Relay, text: &str, now: Duration) {
    relay.turn(now);
    relay.space(text.len()).copy_from_slice(text.as_bytes());
    relay.received(text.len(), now);
}

/// All that may go out.
fn take(relay: &mut Relay, now: Duration) -> String {
    let mut text = Vec::new();
    while relay.write_wish(now) {
        let mut parts = [IoSlice::new(&[]); 4];
        let used = relay.offer(now, &mut parts);
        let before = text.len();
        parts[..used]
            .iter()
            .for_each(|part| text.extend_from_slice(part));
        let count = text.len() - before;
        relay.sent(count, now);
    }
    String::from_utf8(text).expect("text")
}

/// The account, which balances.
fn account(relay: &mut Relay, now: Duration) -> Snapshot {
    let snapshot = relay.event_snapshot(now);
    let mut sum = snapshot.output;
    sum += snapshot.lost.total();
    sum += snapshot.held;
    assert_eq!(snapshot.input, sum);
    snapshot
}

#[test]
fn the_first_of_each_window_pass_and_then_every_mth() {
    let sample = |then| Sample::First {
        first: 2,
        then,
        per: SECOND,
    };
    for (then, expected) in [
        (0, "0 1 7 8 "),
        (1, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 "),
        (3, "0 1 4 7 8 11 "),
    ] {
        let mut relay = relay(sample(then));
        for number in 0..14 {
            // Seven in the first second, seven in the third.
            let now = milli(100 * (number % 7)) + if number < 7 { 0 } else { 2 } * SECOND;
            arrive(&mut relay, &format!("{number}\n"), now);
        }
        assert_eq!(
            take(&mut relay, SECOND).replace('\n', " "),
            expected,
            "{then}"
        );
        account(&mut relay, 4 * SECOND);
    }
}

#[test]
fn a_sample_goes_out_at_the_end_of_its_window_and_not_before() {
    let mut relay = relay(reservoir(2));
    arrive(&mut relay, "a\nb\nc\nd\n", milli(1_300));
    assert_eq!(take(&mut relay, milli(1_300)), "");
    assert_eq!(relay.deadline(), Some(2 * SECOND));
    let before = account(&mut relay, milli(1_300));
    let (bytes, records) = (4, 2);
    assert_eq!(before.held, Tally { bytes, records });
    assert_eq!(before.lost[Reason::Sampled], Tally { bytes, records });

    relay.turn(milli(1_999));
    assert_eq!(take(&mut relay, milli(1_999)), "");
    relay.turn(2 * SECOND);
    assert_eq!(relay.deadline(), None);
    let out = take(&mut relay, 2 * SECOND);
    assert_eq!(out.len(), 4, "{out:?}");
    assert!(out[..2] < out[2..], "{out:?}");
    assert_eq!(account(&mut relay, 2 * SECOND).held, Tally::default());
}

#[test]
fn each_window_has_a_sample_of_its_own() {
    let mut relay = relay(reservoir(3));
    let mut out = String::new();
    for tick in 0..1_000 {
        let now = milli(10 * tick);
        arrive(&mut relay, &format!("{tick:03}\n"), now);
        out += &take(&mut relay, now);
    }
    relay.input_ended(10 * SECOND);
    out += &take(&mut relay, 10 * SECOND);
    let mut by_window = [0; 10];
    for line in out.lines() {
        by_window[line.parse::<usize>().expect("a number") / 100] += 1;
    }
    assert_eq!(by_window, [3; 10]);
}

#[test]
fn what_is_chosen_and_finds_no_space_is_lost_for_want_of_it() {
    let sample = reservoir(10);
    let mut relay = Relay::new(RelayConfig {
        capacity: 10,
        ..config(sample)
    });
    arrive(&mut relay, "1234\n6789\nabc\n", SECOND);
    let account = account(&mut relay, SECOND);
    assert_eq!(account.lost[Reason::QueueFull].records, 1);
    assert_eq!(account.held.bytes, 10);
    relay.turn(2 * SECOND);
    assert_eq!(take(&mut relay, 2 * SECOND), "1234\n6789\n");
}

#[test]
fn a_window_ends_when_the_state_becomes_flowing_before_what_is_arriving() {
    let mut relay = Relay::new(RelayConfig {
        high_water: 10,
        low_water: 8,
        ..config(reservoir(10))
    });
    // Below H it stays; the next one reaches H and is set aside; the last has not come whole.
    arrive(&mut relay, "abcdef\nghi\n", SECOND);
    arrive(&mut relay, "j", SECOND);
    assert_eq!(account(&mut relay, SECOND).state, State::Pressured);
    assert_eq!(take(&mut relay, SECOND), "abcdef\nghi\n");
    assert_eq!(account(&mut relay, SECOND).state, State::Flowing);
    arrive(&mut relay, "kl\nm", SECOND);
    relay.input_ended(SECOND);
    assert_eq!(take(&mut relay, SECOND), "jkl\nm");
    assert_eq!(account(&mut relay, SECOND).lost.total(), Tally::default());
}

#[test]
fn the_end_of_input_ends_the_window_and_a_bare_tail_comes_last() {
    let mut relay = relay(reservoir(10));
    arrive(&mut relay, "a\nb\ntail", SECOND);
    assert_eq!(take(&mut relay, SECOND), "");
    relay.input_ended(SECOND);
    assert_eq!(take(&mut relay, SECOND), "a\nb\ntail");
    assert_eq!(relay.ended(), Some(Ending::EndOfInput));
    assert_eq!(account(&mut relay, SECOND).output.records, 3);
}

#[test]
fn a_signal_ends_the_window_and_a_consumer_that_goes_loses_it() {
    let mut relay = relay(reservoir(10));
    arrive(&mut relay, "a\nb\nhalf", SECOND);
    relay.signalled(2, true, SECOND);
    assert_eq!(take(&mut relay, SECOND), "a\nb\n");
    let lost = account(&mut relay, SECOND).lost[Reason::Shutdown];
    assert_eq!((lost.bytes, lost.records), (4, 1));

    let mut relay = self::relay(reservoir(10));
    arrive(&mut relay, "a\nb\nhalf", SECOND);
    relay.output_gone(SECOND);
    let lost = account(&mut relay, SECOND).lost[Reason::BrokenPipe];
    assert_eq!((lost.bytes, lost.records), (8, 3));
}

#[test]
fn what_a_window_loses_shares_one_mark_before_its_sample() {
    let mark = Mark(vec![MarkPiece::Text("~".into()), MarkPiece::Records]);
    let mut relay = Relay::new(RelayConfig {
        mark: Some(mark),
        ..config(reservoir(1))
    });
    arrive(&mut relay, "a\nb\nc\nd\n", SECOND);
    relay.turn(2 * SECOND);
    let out = take(&mut relay, 2 * SECOND);
    assert!(out.starts_with("~3\n"), "{out:?}");
    assert_eq!(out.lines().count(), 2, "{out:?}");
    assert_eq!(account(&mut relay, 2 * SECOND).loss_episodes, 1);
}
