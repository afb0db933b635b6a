//! What time decides about records: how long they may wait (`--max-age`), how long a stall may last
//! before they are lost (`--block-timeout` with `--then`), and how long they are held back at the start
//! (`--start-fill`).

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr};

use common::{Account, assert_subsequence, hwm, lines, log, slurp, summary_of, wait};
use serde_json::Value;

/// The reports of a running hwm, as they come.
struct Reports(BufReader<ChildStderr>);

impl Reports {
    fn of(child: &mut Child) -> Reports {
        Reports(BufReader::new(child.stderr.take().unwrap()))
    }

    /// The next report of which `wanted` holds.
    fn until(&mut self, what: &str, wanted: impl Fn(&Account) -> bool) -> Account {
        loop {
            let mut line = String::new();
            let count = self.0.read_line(&mut line).unwrap();
            assert!(count > 0, "never: {what}");
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && wanted(&Account(value.clone()))
            {
                return Account(value);
            }
        }
    }
}

/// Numbered lines of 100 bytes: none is longer than a buffer here. (One that has begun to go out while it
/// blocked goes out whole, and holds the producer until it can.)
fn short_log(lines: usize) -> Vec<u8> {
    let line = |number| format!("{number:08} {}\n", "x".repeat(90));
    (0..lines).map(line).collect::<String>().into_bytes()
}

const REPORTS: [&str; 4] = ["--report", "json", "-i", "20ms"];

fn reporting(args: &[&str]) -> Child {
    hwm(&[&REPORTS[..], args].concat()).spawn().unwrap()
}

#[test]
fn what_is_too_old_is_lost_while_the_consumer_is_stopped() {
    let args = [
        "-B",
        "64k",
        "--when-full",
        "drop-newest",
        "--max-age",
        "50ms",
    ];
    let mut child = reporting(&args);
    let mut stdin = child.stdin.take().unwrap();
    let mut reports = Reports::of(&mut child);
    // As much fits into the kernel's pipe, and some is held.
    let input = short_log(1000);
    stdin.write_all(&input).unwrap();
    let account = reports.until("all expired", |account| {
        account.lost("expired").1 > 0 && account.count("held_records") <= 1
    });
    account.assert_balanced();
    drop(stdin);
    let output = slurp(child.stdout.take().unwrap());
    assert!(assert_subsequence(&input, &output) > 0);
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn what_is_not_too_old_stays() {
    let args = [
        "-B",
        "1M",
        "--when-full",
        "drop-oldest",
        "--max-age",
        "1h",
        "-q",
    ];
    let input = log(2000);
    assert!(common::run(&args, &input).expect(0).stdout == input);
}

#[test]
fn a_circuit_breaker_sheds_while_the_stall_lasts_and_blocks_again() {
    for then in ["drop-newest", "drop-oldest", "sample"] {
        let args = [
            "-B",
            "64k",
            "--block-timeout",
            "50ms",
            "--then",
            then,
            "--mark=LOST {records}",
        ];
        let mut child = reporting(&args);
        let mut stdin = child.stdin.take().unwrap();
        let mut reports = Reports::of(&mut child);
        let input = short_log(20_000);
        let (first, second) = input.split_at(input.len() / 2);
        // Far more than fits anywhere: it is taken because the breaker opens.
        stdin.write_all(first).unwrap();
        let opened = reports.until("opened", |report| report.0["event"] == "opened");
        assert!(opened.0["last_open_s"].is_null(), "{then}");
        let mut stdout = child.stdout.take().unwrap();
        let (output, stderr) = std::thread::scope(|scope| {
            let output = scope.spawn(|| {
                let mut output = Vec::new();
                stdout.read_to_end(&mut output).unwrap();
                output
            });
            let closed = reports.until("closed", |report| report.0["event"] == "closed");
            assert_eq!(closed.0["state"], "flowing", "{then}");
            let open = closed.0["last_open_s"].as_f64().unwrap();
            assert!(open > 0.0, "{then}");
            let first = closed.0["open_s"].as_f64().unwrap();
            assert!((open - first).abs() < 1e-5, "{then}: {open} of {first}");
            // From here on the consumer keeps up: nothing more is lost.
            let lost = closed.lost_in_all("lost_records");
            stdin.write_all(second).unwrap();
            drop(stdin);
            let mut rest = String::new();
            reports.0.read_to_string(&mut rest).unwrap();
            let account = Account(summary_of(&rest));
            account.assert_balanced();
            (output.join().unwrap(), (account, lost))
        });
        let (account, lost) = stderr;
        assert_eq!(wait(&mut child).code(), Some(0), "{then}");
        assert!(lost > 0, "{then}");
        let (marks, survivors): (Vec<_>, Vec<_>) = lines(&output)
            .into_iter()
            .partition(|line| line.starts_with(b"LOST "));
        let missing = assert_subsequence(&input, &survivors.concat()) as u64;
        assert_eq!(missing, account.lost_in_all("lost_records"), "{then}");
        let marked: u64 = marks
            .iter()
            .map(|mark| {
                std::str::from_utf8(&mark[5..])
                    .unwrap()
                    .trim()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum();
        assert_eq!(marked, missing, "{then}");
    }
}

#[test]
fn without_a_stall_a_circuit_breaker_is_block() {
    let args = [
        "--block-timeout",
        "50ms",
        "--then",
        "drop-oldest",
        "-B",
        "4k",
        "-q",
    ];
    let input = log(5000);
    assert!(common::run(&args, &input).expect(0).stdout == input);
}

#[test]
fn nothing_goes_out_before_so_much_is_held() {
    for policy in ["block", "drop-oldest"] {
        let args = ["-B", "64k", "--start-fill", "50%", "--when-full", policy];
        let mut child = reporting(&args);
        let mut stdin = child.stdin.take().unwrap();
        let mut reports = Reports::of(&mut child);
        let input: Vec<u8> = b"a line of sixteen".repeat(4000);
        stdin.write_all(&input[..20_000]).unwrap();
        let account = reports.until("held", |report| report.count("held_bytes") == 20_000);
        assert_eq!(account.count("out_bytes"), 0, "{policy}");
        assert_eq!(
            account.0["wait_output_s"], 0.0,
            "the consumer is not to blame"
        );
        stdin.write_all(&input[20_000..40_000]).unwrap();
        if policy == "block" {
            let mut some = [0; 40_000];
            child
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut some)
                .unwrap();
        }
        drop(stdin);
        let rest = slurp(child.stdout.take().unwrap());
        assert_eq!(rest.len(), if policy == "block" { 0 } else { 40_000 });
        assert_eq!(wait(&mut child).code(), Some(0));
    }
}

#[test]
fn a_buffer_that_may_hold_no_more_records_is_full_enough_to_begin() {
    for policy in ["block", "drop-newest", "drop-oldest"] {
        let args = ["--start-fill", "50%", "--start-timeout", "1h"];
        let few = ["--buffer-records", "4", "--when-full", policy, "-q"];
        let mut child = hwm(&[&args[..], &few[..]].concat()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"1\n2\n3\n4\n").unwrap();
        let mut got = [0; 2];
        child.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
        assert_eq!(&got, b"1\n", "{policy}");
        drop(stdin);
        assert_eq!(wait(&mut child).code(), Some(0));
    }
}

#[test]
fn a_start_that_takes_too_long_and_the_end_of_input_begin_the_output() {
    let mut child = hwm(&["--start-fill", "1M", "--start-timeout", "50ms", "-q"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"little\n").unwrap();
    let mut got = [0; 7];
    child.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
    drop(stdin);
    assert_eq!(wait(&mut child).code(), Some(0));
    let done = common::run(
        &["--start-fill", "1M", "--start-timeout", "1h", "-q"],
        b"little\n",
    );
    assert_eq!(done.expect(0).stdout, b"little\n");
}
