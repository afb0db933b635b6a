//! `--linger` with real pipes: a dense stream of lines costs hwm far less than to be woken for each, and comes as it was;
//! lines that wait for each other are not held back.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::hwm;

const LINE: &[u8; 100] =
    b"a line of a service that logs what it does, each in a write of its own, as fast as it can: xxxxxxxx\n";

/// How long hwm computed, in nanoseconds, while so many lines went through it, each in a write of its own.
fn computes(arguments: &[&str], lines: usize) -> u64 {
    let mut child = hwm(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut came = vec![0; LINE.len() * lines];
        stdout.read_exact(&mut came).unwrap();
        (came, stdout)
    });
    for _ in 0..lines {
        stdin.write_all(LINE).unwrap();
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
    const LINES: usize = 300_000;
    for policy in [&["-q"][..], &["-q", "--when-full", "drop-oldest"]] {
        let lingers = computes(policy, LINES);
        let never = computes(&[policy, &["--linger", "0"]].concat(), LINES);
        assert!(
            lingers * 2 < never,
            "{policy:?}: {lingers} ns, {never} with --linger 0"
        );
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
