//! Nobody is shed without need: a burst that only fills a small buffer is no reason while the consumer takes
//! all it is offered, and it is one as soon as he does not.

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use common::{Account, assert_subsequence, finish, hwm, slurp, summary_of, wait, wait_until};
use rustix::io::ioctl_fionread;

/// Every policy that loses records before there is no space at all.
const POLICIES: [&[&str]; 8] = [
    &["priority", "--priority", "00"],
    &["red"],
    &["sample"],
    &["sample", "--sample", "1/2"],
    &["sample", "--sample", "10%"],
    &["sample", "--sample", "first=1,then=9,per=1h"],
    &["sample", "--sample", "reservoir=3/50ms"],
    &["drop-oldest"],
];

const SIZES: [&str; 5] = ["4k", "16k", "64k", "256k", "1M"];

fn numbers(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect()
}

fn command(policy: &[&str], size: &str) -> Command {
    let args = ["--report", "json", "-B", size, "--when-full"];
    hwm(&[&args[..], policy].concat())
}

#[track_caller]
fn assert_nothing_was_lost(account: &Account, records: usize) {
    account.assert_balanced();
    assert_eq!(
        account.count("out_records"),
        records as u64,
        "{}",
        account.0
    );
    assert_eq!(account.lost_in_all("lost_records"), 0, "{}", account.0);
}

#[test]
fn a_consumer_that_takes_everything_gets_everything() {
    let input = numbers(100_000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&input).unwrap();
    for policy in POLICIES {
        for size in SIZES {
            let null = || File::options().write(true).open("/dev/null").unwrap();
            let by_pipe = command(policy, size).stdout(null()).spawn().unwrap();
            let by_pipe = finish(by_pipe, &input).expect(0).summary();
            assert_nothing_was_lost(&by_pipe, 100_000);
            // A burst that only passes through is no pressure either.
            assert_eq!(by_pipe.count("pressure_episodes"), 0, "{}", by_pipe.0);

            file.seek(SeekFrom::Start(0)).unwrap();
            let stdin = file.try_clone().unwrap();
            let by_file = command(policy, size).stdin(stdin).stdout(null()).spawn();
            let by_file = finish(by_file.unwrap(), b"").expect(0).summary();
            assert_nothing_was_lost(&by_file, 100_000);
        }
    }
}

/// More is read at once than a file is given at once, which is no wait.
#[test]
fn a_file_that_takes_one_piece_after_the_other_gets_them_all() {
    let input = numbers(300_000);
    let loses_nothing = |_| {
        let file = tempfile::tempfile().unwrap();
        let child = command(&["latest"], "1M").stdout(file).spawn().unwrap();
        let account = finish(child, &input).expect(0).summary();
        account.assert_balanced();
        account.lost_in_all("lost_records") == 0
    };
    // A machine may be so busy that a write does wait.
    assert!((0..10).any(loses_nothing));
}

/// What is in both of these at most never fills the consumer's pipe, whoever sleeps.
const BURST: usize = 30_000;

#[test]
fn bursts_beyond_the_buffer_reach_a_program_that_has_space_for_them() {
    let input = numbers(40_000);
    for policy in POLICIES {
        for size in ["4k", "16k", "64k"] {
            for consumer in ["cat", "wc -l"] {
                let (stdin, mut feed) = std::io::pipe().unwrap();
                let (out, stdout) = std::io::pipe().unwrap();
                let watched = stdout.try_clone().unwrap();
                let mut reader = Command::new("sh")
                    .args(["-c", &format!("exec {consumer} >/dev/null")])
                    .stdin(out)
                    .spawn()
                    .unwrap();
                let child = command(policy, size).stdin(stdin).stdout(stdout).spawn();
                for burst in input.chunks(BURST) {
                    feed.write_all(burst).unwrap();
                    wait_until("the burst is taken", || {
                        let left = ioctl_fionread(&feed).unwrap();
                        left + ioctl_fionread(&watched).unwrap() == 0
                    });
                }
                drop((feed, watched));
                let run = finish(child.unwrap(), b"").expect(0);
                assert_nothing_was_lost(&run.summary(), 40_000);
                assert!(wait(&mut reader).success());
            }
        }
    }
}

#[test]
fn a_consumer_that_stops_is_shed_for_and_one_that_goes_on_is_not_again() {
    let input = numbers(100_000);
    let after: Vec<u8> = numbers(2_000);
    for policy in POLICIES {
        let mut child = command(policy, "64k").args(["-i", "0.1"]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut report = BufReader::new(child.stderr.take().unwrap());
        stdin
            .write_all(&input)
            .expect("the producer is never held up");
        let reader = std::thread::spawn(|| slurp(stdout));
        // A reservoir comes out at its window's end.
        loop {
            let mut line = String::new();
            assert!(report.read_line(&mut line).unwrap() > 0, "it ended");
            let account: serde_json::Value = serde_json::from_str(&line).unwrap();
            if account["in_bytes"] == input.len() && account["held_bytes"] == 0 {
                break;
            }
        }
        stdin.write_all(&after).unwrap();
        drop(stdin);
        let output = reader.join().unwrap();
        let account = Account(summary_of(&String::from_utf8(slurp(report)).unwrap()));
        assert_eq!(wait(&mut child).code(), Some(0));
        account.assert_balanced();
        assert!(output.ends_with(&after), "{policy:?}: {}", account.0);
        let all = [&input[..], &after].concat();
        let missing = assert_subsequence(&all, &output) as u64;
        assert!(missing > 0, "{policy:?}");
        assert_eq!(account.lost_in_all("lost_records"), missing, "{policy:?}");
    }
}

#[test]
fn only_a_rate_limit_that_is_reached_loses_records() {
    // Less than the pipe behind it takes, however late that is read.
    let input = numbers(10_000);
    for policy in POLICIES {
        let run = |rate: &[&str]| {
            let mut command = command(policy, "16k");
            command.args(rate).stdout(Stdio::piped());
            finish(command.spawn().unwrap(), &input).expect(0)
        };
        let free = run(&["-L", "1G"]);
        assert_nothing_was_lost(&free.summary(), 10_000);
        let limited = run(&["-L", "200k", "--burst", "1k"]);
        let lost = limited.summary().lost_in_all("lost_records");
        assert!(lost > 0, "{policy:?}");
        assert_eq!(assert_subsequence(&input, &limited.stdout) as u64, lost);
    }
}
