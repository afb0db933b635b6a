//! What must be true of every round: the harness counts for itself, from the bytes that went in and
//! came out, and hwm's account must say the same.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use super::common::Account;
use super::play::Outcome;
use super::records::{content_of, number_of, split};
use super::round::{Round, Stream, Who};

/// A number of records and their bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    records: u64,
    bytes: u64,
}

impl Tally {
    fn of<'a>(records: impl IntoIterator<Item = &'a &'a [u8]>) -> Self {
        records
            .into_iter()
            .fold(Self::default(), |sum, record| Self {
                records: sum.records + 1,
                bytes: sum.bytes + record.len() as u64,
            })
    }
}

/// What the output tells, compared with the records that came in.
#[derive(Debug, Default)]
struct Seen {
    /// Whole records.
    out: Tally,
    /// Marks, the bytes of a cut one included.
    marks: Tally,
    /// Bytes of a last record that is not whole.
    cut_bytes: u64,
    /// What is missing behind the last record.
    missing_at_end: Tally,
    /// The mark behind the last record.
    marked_at_end: Option<Tally>,
}

/// Fails unless everything about the round is explained.
pub fn check(round: &Round, source: &[u8], outcome: &Outcome) {
    let account = check_reports(outcome);
    let told = check_events(outcome);
    assert!(
        is_explained(round, outcome),
        "{:?}: {account:?}",
        outcome.status
    );
    // Who is killed behind its last word has said it of another ending.
    let account = account.filter(|_| outcome.signal() != Some(Signal::KILL));
    let Some(account) = account else {
        assert!(may_be_silent(round, outcome), "no summary");
        check_output(round, source, source, &outcome.output);
        return;
    };
    assert_eq!(account.count("exit"), u64::from(code(outcome)));
    assert!(account.count("peak_held_bytes") <= account.count("capacity_bytes"));
    assert_eq!(account.count("held_bytes"), 0);
    let came = account.count("in_bytes");
    let (least, most) = outcome.written;
    assert!(came <= most, "{came} came in, {most} were written");
    if has_ended_well(round, outcome) && round.input != Stream::Terminal {
        assert!(least <= came, "{came} of {least} bytes came in");
    }
    let came = &source[..came as usize];
    let seen = check_output(round, source, came, &outcome.output);
    if round.loses_consumer() {
        check_taken(round, outcome, &account);
    } else {
        check_sums(round, outcome, &account, came, &seen);
    }
    check_reasons(round, outcome, &account, came);
    if round.tells_events {
        let untold = account.0["events_missed"].as_u64().unwrap_or(0);
        let least = account.count("pressure_episodes") + account.count("loss_episodes");
        assert!(told + untold >= least, "{told} of {least}: {}", account.0);
    }
    if round.keeps_lost {
        check_lost(round, outcome, &account, came);
    }
    if round.policy == "priority" && has_ended_well(round, outcome) && !round.loses_consumer() {
        check_most_valuable(round, &account, came, &outcome.output);
    }
}

/// What the consumer took before it went is what the account says: to the byte, where that met it and a pipe tells
/// it. A killed one may have read more than it noted.
fn check_taken(round: &Round, outcome: &Outcome, account: &Account) {
    let taken = account.count("out_bytes") + account.count("mark_bytes");
    let read = outcome.output.len() as u64;
    let context = || format!("{read} read, {}", account.0);
    match is_taken_known(round, outcome, account) {
        true => assert_eq!(taken, read, "{}", context()),
        false => assert!(read <= taken, "{}", context()),
    }
}

fn is_taken_known(round: &Round, outcome: &Outcome, account: &Account) -> bool {
    let lost = |reason: &str| account.0["lost_bytes"][reason].as_u64().unwrap();
    let left = lost("broken_pipe") + lost("unread");
    let was_met = left > 0 || outcome.signal() == Some(Signal::PIPE);
    let tells = matches!(round.output, Stream::Pipe | Stream::Fifo);
    was_met && tells && !round.sends(Who::Consumer, Signal::KILL)
}

/// Of the most valuable class, each tenth record, none gives its place to another class. Where there is no space for
/// all of them, one gives it to another of its own.
fn check_most_valuable(round: &Round, account: &Account, came: &[u8], output: &[u8]) {
    let is_one = |record: &&[u8]| record[0] != b'#' && record.get(7..9) == Some(b"0 ");
    let count = |bytes| {
        split(bytes, round.delimiters)
            .into_iter()
            .filter(is_one)
            .count() as u64
    };
    let of_all = split(came, round.delimiters).into_iter().filter(is_one);
    let space_for_all = of_all.map(|record| record.len() as u64).sum::<u64>();
    if space_for_all > account.count("capacity_bytes") || round.has("--buffer-records") {
        return;
    }
    let missing = count(came) - count(output);
    let lost = |reason| account.lost(reason).1;
    let most = lost("queue_full") + lost("oversize") + lost("expired");
    assert!(missing <= most, "{missing} missing: {}", account.0);
}

/// The summary, if there is one. Each line is an account, and each account must balance.
fn check_reports(outcome: &Outcome) -> Option<Account> {
    let mut summary = None;
    for line in outcome.report.lines() {
        let killed = outcome.signal() == Some(Signal::KILL);
        let Ok(object) = serde_json::from_str::<Value>(line) else {
            assert!(killed, "no JSON: {line}");
            continue;
        };
        assert!(summary.is_none(), "something behind the summary: {line}");
        let account = Account(object);
        check_balance(&account);
        summary = (account.0["event"] == "summary").then_some(account);
    }
    summary
}

fn check_balance(account: &Account) {
    let bytes = account.count("out_bytes")
        + account.lost_in_all("lost_bytes")
        + account.count("held_bytes");
    assert_eq!(account.count("in_bytes"), bytes, "{}", account.0);
    if !account.0["in_records"].is_null() {
        account.assert_balanced();
    }
}

/// How many events were told, or told to be missed. Each line is an account.
fn check_events(outcome: &Outcome) -> u64 {
    let mut told = 0;
    for line in outcome.events.lines() {
        let Ok(object) = serde_json::from_str::<Value>(line) else {
            assert_eq!(outcome.signal(), Some(Signal::KILL), "no JSON: {line}");
            continue;
        };
        let event = Account(object);
        told += match event.0["event"].as_str() {
            Some("missed") => event.count("count"),
            Some("pressured" | "flowing" | "loss" | "opened" | "closed") => 1,
            _ => panic!("no event: {line}"),
        };
        check_balance(&event);
    }
    told
}

/// As a shell shows it.
fn code(outcome: &Outcome) -> u8 {
    let signal = outcome.signal().map(|signal| 128 + signal.as_raw());
    let code = outcome.status.code().or(signal).unwrap();
    code.try_into().unwrap()
}

/// Whether the exit status is one that this round may have.
fn is_explained(round: &Round, outcome: &Outcome) -> bool {
    match (outcome.signal(), outcome.status.code()) {
        (Some(Signal::PIPE), _) => round.loses_consumer() && !round.has("--broken-pipe"),
        (Some(signal), _) => round.sends(Who::Hwm, signal),
        (_, Some(0)) => true,
        (_, Some(3)) => round.has("--fail-on-loss"),
        (_, Some(4)) => round.policy == "fail",
        (_, Some(5)) => round.has("--block-timeout"),
        (_, Some(6)) => round.has("--idle-timeout"),
        _ => false,
    }
}

/// Whether this may be an ending without an account: killed, unheard, or before hwm could hear.
fn may_be_silent(round: &Round, outcome: &Outcome) -> bool {
    let is_unheard = outcome.signal().is_some() && outcome.output.is_empty();
    outcome.signal() == Some(Signal::KILL) || round.deaf || is_unheard
}

/// Whether hwm saw the end of the input, and wrote everything it wanted to.
fn has_ended_well(round: &Round, outcome: &Outcome) -> bool {
    let is_broken = round.has("--broken-pipe") && round.loses_consumer();
    matches!(outcome.status.code(), Some(0 | 3)) && !is_broken
}

/// Checks that `output` is what the contract allows to become of the records in `came`, the part of
/// `source` that was accepted, or all of it where that is unknown.
fn check_output(round: &Round, source: &[u8], came: &[u8], output: &[u8]) -> Seen {
    if !round.is_lossy() {
        assert!(source.starts_with(output), "other bytes came out");
        assert!(output.len() <= came.len(), "more came out than in");
    }
    let records = &split(came, round.delimiters);
    let mut seen = Seen::default();
    let mut next = 0;
    let mut marked = None;
    for piece in split(output, round.delimiters) {
        let is_whole = content_of(piece, round.delimiters).is_some();
        if round.mark && piece.starts_with(b"#") {
            seen.marks.bytes += piece.len() as u64;
            if is_whole {
                seen.marks.records += 1;
                assert_eq!(marked, None, "two marks for one gap");
                marked = Some(parse_mark(piece));
            }
            continue;
        }
        // What a killed producer left of its last record is a record too, however short.
        // Where nothing is lost it can only be the next: a consumer that was killed may have the same
        // few bytes of another record.
        let may_be_tail = round.is_lossy() || next + 1 == records.len();
        let is_tail = !is_whole && may_be_tail && records.last() == Some(&piece);
        let at = match is_whole {
            _ if is_tail => records.len() - 1,
            true => number_of(piece, round.delimiters).expect("a torn record") as usize,
            false => number_of_part(piece, next) as usize,
        };
        assert!(at >= next, "record {at} behind {next}");
        // What a part of a record says of its number may itself be a part.
        if is_whole || is_tail || piece.len() > 8 {
            check_gap(round, &records[next..at], marked.take());
        }
        match records.get(at) {
            Some(record) if *record == piece => {
                seen.out.records += 1;
                seen.out.bytes += piece.len() as u64;
            }
            Some(record) if !is_whole && record.starts_with(piece) => {
                seen.cut_bytes = piece.len() as u64;
            }
            other => panic!("record {at} was {other:?}, is {piece:?}"),
        }
        next = at + 1;
    }
    seen.missing_at_end = Tally::of(&records[next.min(records.len())..]);
    seen.marked_at_end = marked;
    seen
}

/// The number of a record that is not whole; where not even that is, it may be the `next`.
fn number_of_part(piece: &[u8], next: usize) -> u64 {
    let digits = piece
        .get(..8)
        .and_then(|head| std::str::from_utf8(head).ok());
    digits.map_or(next as u64, |digits| digits.parse().expect("a number"))
}

fn parse_mark(mark: &[u8]) -> Tally {
    let text = std::str::from_utf8(&mark[1..mark.len() - 2]).expect("a mark");
    let (records, bytes) = text.split_once(' ').expect("two numbers");
    Tally {
        records: records.parse().expect("a number"),
        bytes: bytes.parse().expect("a number"),
    }
}

/// Where records are missing there is a mark that says how much; elsewhere there is none.
fn check_gap(round: &Round, missing: &[&[u8]], marked: Option<Tally>) {
    assert!(missing.is_empty() || round.is_lossy(), "lost: {missing:?}");
    if round.mark {
        let expected = (!missing.is_empty()).then(|| Tally::of(missing));
        assert_eq!(marked, expected, "a mark's numbers");
    }
}

/// The account's sums against what was counted, where the consumer took everything.
fn check_sums(round: &Round, outcome: &Outcome, account: &Account, came: &[u8], seen: &Seen) {
    let output = outcome.output.len() as u64;
    let context = || format!("{seen:?} {}", account.0);
    assert_eq!(
        account.count("mark_bytes"),
        seen.marks.bytes,
        "{}",
        context()
    );
    assert_eq!(
        account.count("out_bytes"),
        output - seen.marks.bytes,
        "{}",
        context()
    );
    if round.counts_records {
        let records = split(came, round.delimiters).len() as u64;
        assert_eq!(account.count("in_records"), records, "{}", context());
        assert_eq!(
            account.count("out_records"),
            seen.out.records,
            "{}",
            context()
        );
    }
    if has_ended_well(round, outcome) || outcome.status.code() == Some(6) {
        assert_eq!(seen.cut_bytes, 0, "{}", context());
        if round.mark {
            assert_eq!(account.count("marks"), seen.marks.records, "{}", context());
            let missing = Some(seen.missing_at_end).filter(|tally| tally.records > 0);
            assert_eq!(seen.marked_at_end, missing, "{}", context());
        }
    }
}

/// What was kept of what was lost: records of the input, each once and whole, and none that came out;
/// the rest is owned up to.
fn check_lost(round: &Round, outcome: &Outcome, account: &Account, came: &[u8]) {
    let came = split(came, round.delimiters);
    let kept = split(&outcome.lost, round.delimiters);
    let mut numbers = BTreeSet::new();
    let mut cut = None;
    for record in &kept {
        // One that was cut right before its end looks whole with the end that it gets.
        let number = number_of(record, round.delimiters)
            .filter(|number| came.get(*number as usize) == Some(record));
        match number {
            Some(number) => {
                assert!(numbers.insert(number), "record {number} is lost twice");
            }
            None => assert_eq!(cut.replace(record), None, "a torn record"),
        }
    }
    if let Some(cut) = cut {
        // The last that came has no end, but gets one.
        let begin = content_of(cut, round.delimiters).expect("an end");
        assert_eq!(came.last(), Some(&begin), "a torn record");
    }
    if has_ended_well(round, outcome) || is_taken_known(round, outcome, account) {
        let out = split(&outcome.output, round.delimiters);
        let out = out
            .iter()
            .filter_map(|record| number_of(record, round.delimiters));
        let mut both = out.filter(|number| numbers.contains(number));
        assert_eq!(both.next(), None, "a record is lost and is not");
    }
    for (unit, kept) in [
        ("records", kept.len()),
        ("bytes", outcome.lost.len() - usize::from(cut.is_some())),
    ] {
        let written = account.count(&format!("spilled_{unit}"));
        let all = written + account.count(&format!("unspilled_{unit}"));
        // What was read of a record of which the rest was lost is there too, and is no loss.
        let read = kept as u64 - written;
        let most = match unit {
            "bytes" => round.largest_record + 30,
            _ => 0,
        };
        assert!(read <= most, "{unit}: {}", account.0);
        assert_eq!(all, account.lost_in_all(&format!("lost_{unit}")), "{unit}");
    }
}

/// Nothing is lost for a reason that cannot be.
fn check_reasons(round: &Round, outcome: &Outcome, account: &Account, came: &[u8]) {
    let lost = |reason: &str| account.0["lost_bytes"][reason].as_u64().unwrap();
    let all = account.lost_in_all("lost_bytes");
    let ended_well = has_ended_well(round, outcome);
    let left = lost("broken_pipe") + lost("unread");
    let abrupt = lost("shutdown") + left;
    let context = || account.0.to_string();
    assert!(abrupt == all || round.is_lossy(), "{}", context());
    for (reason, policy) in [
        ("sampled", "sample"),
        ("early", "red"),
        ("priority", "priority"),
    ] {
        let may_be = round.args.iter().any(|arg| arg == policy);
        assert!(lost(reason) == 0 || may_be, "{}", context());
    }
    assert!(left == 0 || round.loses_consumer(), "{}", context());
    if ended_well || matches!(outcome.status.code(), Some(4 | 6)) {
        // Who had received everything may have gone right before the end.
        let may_break = round.has("--broken-pipe");
        let abrupt = lost("shutdown") + lost("broken_pipe");
        // A record that was cut is not sent in part.
        let is_cut = !ended_well && round.counts_records && account.lost("shutdown").1 <= 1;
        assert!(abrupt == 0 || may_break || is_cut, "{}", context());
    }
    assert!(
        lost("expired") == 0 || round.has("--max-age"),
        "{}",
        context()
    );
    // While it blocks, a record of any length goes through.
    if ended_well && round.is_lossy() && !round.has("--then") {
        let capacity = account.count("capacity_bytes");
        let records = split(came, round.delimiters);
        let oversize = Tally::of(
            records
                .iter()
                .filter(|record| record.len() as u64 > capacity),
        );
        let (bytes, records) = account.lost("oversize");
        assert_eq!(Tally { records, bytes }, oversize, "{}", context());
    }
    if ended_well && round.has("--fail-on-loss") {
        let is_loss = round.counts_records && account.lost_in_all("lost_records") > 0;
        assert_eq!(code(outcome) == 3, is_loss, "{}", context());
    }
}
