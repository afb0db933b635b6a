//! `--linger` with real pipes: a dense stream of lines costs hwm far less than to be woken for each, and comes as it was;
//! lines that wait for each other are not held back.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{hwm, skipped};

const LINE: &[u8; 100] =
    b"a line of a service that logs what it does, each in a write of its own, as fast as it can: xxxxxxxx\n";

/// How long hwm computed, in nanoseconds, while so many lines went through it, so many in each write.
fn computes(arguments: &[&str], lines: usize, at_once: usize) -> u64 {
    let mut child = hwm(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut came = vec![0; LINE.len() * lines];
        stdout.read_exact(&mut came).unwrap();
        (came, stdout)
    });
    let text = LINE.repeat(at_once);
    for _ in 0..lines / at_once {
        stdin.write_all(&text).unwrap();
    }
    let (came, mut stdout) = reader.join().unwrap();
    assert!(came.chunks(LINE.len()).all(|line| line == LINE));
    let schedstat = std::fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap();
    let time = schedstat.split(' ').next().unwrap().parse().unwrap();
    drop(stdin);
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
    assert!(child.wait().unwrap().success());
    time
}

#[test]
fn a_dense_stream_of_lines_is_moved_many_at_a_time() {
    const LINES: usize = 200_000;
    const TRIES: usize = 4;
    for policy in [&["-q"][..], &["-q", "--when-full", "drop-oldest"]] {
        let never = [policy, &["--linger", "0"]].concat();
        let run = || {
            (
                computes(policy, LINES, 1),
                computes(&never, LINES, 1),
                computes(&never, LINES, 500),
            )
        };
        let runs: Vec<_> = std::iter::repeat_with(run).take(TRIES).collect();
        let told = format!("{policy:?}: it, with --linger 0, 500 at once: {runs:?} ns");
        // A machine that is too busy to run hwm for each line moves many at a time by that alone.
        if runs.iter().all(|(_, never, at_once)| *never < 4 * at_once) {
            skipped(&format!("too busy: {told}"));
            continue;
        }
        let is_cheap = |(lingers, never, _): &(u64, u64, u64)| lingers * 2 < *never;
        assert!(runs.iter().any(is_cheap), "{told}");
    }
}

#[test]
fn lines_that_wait_for_each_other_are_not_held_back() {
    // However long a byte may wait for others: a line of which each waits for the one before is found out.
    let mut child = hwm(&["-q", "--linger", "1s"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..3_000 {
            stdin.write_all(LINE).unwrap();
            stdout.read_exact(&mut [0; LINE.len()]).unwrap();
        }
        drop(stdin);
        done.send(()).unwrap();
    });
    // With each held back it would be most of an hour.
    is_done
        .recv_timeout(Duration::from_secs(120))
        .expect("it is not held back");
    assert!(child.wait().unwrap().success());
}
