//! A rate limit with a burst that no timer could pace.

mod common;

use std::io::{Read, Write};

use common::{finish, hwm};

#[test]
fn a_tiny_burst_does_not_wake_up_for_each_ten_bytes() {
    let mut child = hwm(&["-q", "-L", "200000", "--burst", "10"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(&[b'x'; 60_000]).unwrap();
    stdout.read_exact(&mut [0; 50_000]).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let waits: u64 = line.expect("a count").trim().parse().unwrap();
    // Each 5 ms or so, which is a thousand bytes.
    assert!(waits < 50_000 / 250, "{waits} waits for 50,000 bytes");
    drop(stdin);
    assert_eq!(finish(child, b"").expect(0).code(), 0);
}
