//! The zero-copy road on the real system: bytes that nobody needs to see are not copied, and nothing
//! else about them differs.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{finish, hwm, run, wait_until};
use rustix::io::ioctl_fionread;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

const MIB: usize = 1 << 20;

/// Bytes that came into the process's memory by read(2) and its kin, and that left it by write(2), so
/// far.
fn copied(child: &Child) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{}/io", child.id())).expect("io");
    let number = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name).parse::<u64>().expect("a number")
    };
    (number("rchar: "), number("wchar: "))
}

/// Relays 8 MiB, of which so many are under way at a time, and says how many of them were copied into
/// memory, and out of it.
fn copied_of_8_mib(args: &[&str], at_a_time: usize) -> (u64, u64) {
    let mut child = hwm(args).spawn().expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    let mut stdout = child.stdout.take().expect("stdout");
    stdin.write_all(b"\n").expect("write");
    stdout.read_exact(&mut [0]).expect("read");
    let before = copied(&child);
    for _ in 0..8 * MIB / at_a_time {
        std::thread::scope(|scope| {
            scope.spawn(|| stdin.write_all(&vec![b'\n'; at_a_time]).expect("write"));
            stdout.read_exact(&mut vec![0; at_a_time]).expect("read");
        });
    }
    let after = copied(&child);
    drop(stdin);
    finish(child, b"").expect(0);
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn what_need_not_be_seen_is_not_copied() {
    const ALL: u64 = 8 * MIB as u64;
    let is_little = |bytes: u64| bytes < MIB as u64;
    for blind in [
        &[][..],
        &["--when-full", "fail", "-B", "64M"],
        &["-L", "1G"],
    ] {
        // No more at a time than the pipes hold, however late the consumer is: what is beyond is copied.
        let (in_memory, out_of_it) = copied_of_8_mib(blind, 2 * MIB);
        assert!(is_little(in_memory) && is_little(out_of_it), "{blind:?}");
    }
    for copies in [&["-C"][..], &["-C", "--when-full", "drop-oldest"]] {
        let (in_memory, out_of_it) = copied_of_8_mib(copies, MIB / 2);
        assert!(in_memory >= ALL && out_of_it >= ALL, "{copies:?}");
    }
}

#[test]
fn what_must_be_seen_is_not_copied_out_again_where_the_consumer_keeps_up() {
    const ALL: u64 = 8 * MIB as u64;
    for sees in [
        &["-l"][..],
        &["-l", "--when-full", "fail", "-B", "64M"],
        &["--when-full", "drop-oldest"],
        &["--when-full", "drop-newest", "--mark"],
        &["--when-full", "sample"],
    ] {
        let (in_memory, out_of_it) = copied_of_8_mib(sees, MIB / 2);
        assert!(in_memory >= ALL, "{sees:?}: {in_memory}");
        assert!(out_of_it < ALL / 2, "{sees:?}: {out_of_it}");
    }
}

/// Feeds numbered pieces of 100 bytes, each in a slot of its own, until the reader is gone or has
/// taken `most` bytes; `written` tells how far it got.
fn feed_slots(feed: &OwnedFd, most: usize, written: &AtomicUsize) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
    for number in 0..most / 100 {
        let piece = format!("{number:0100}");
        rustix::io::write(&writer, piece.as_bytes()).expect("write");
        // What was spliced is not added to by what comes behind it.
        let flags = SpliceFlags::empty();
        if splice(&reader, None, feed, None, piece.len(), flags).is_err() {
            return;
        }
        written.fetch_add(piece.len(), Ordering::Relaxed);
    }
}

#[test]
fn the_capacity_holds_exactly_where_slots_run_out() {
    for policy in ["block", "fail"] {
        let (stdin, feed) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let args = ["-B", "1M", "--report", "json", "--when-full", policy];
        let mut child = hwm(&args).stdin(stdin).spawn().expect("spawn");
        let mut stdout = child.stdout.take().expect("stdout");
        let written = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let written = &written;
            let watch = feed.try_clone().expect("clone");
            let feeder = scope.spawn(move || feed_slots(&feed, 2 * MIB, written));
            // What was written and is in neither of the kernel's pipes is held.
            wait_until("it is full", || {
                let written = written.load(Ordering::Relaxed) as u64;
                let outside = ioctl_fionread(&watch).unwrap() + ioctl_fionread(&stdout).unwrap();
                written >= MIB as u64 + outside
            });
            drop(watch);
            if policy == "fail" {
                // It has seen that there is more, and closed its input.
                wait_until("the producer learns it", || feeder.is_finished());
            }
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).expect("read");
            let code = if policy == "fail" { 4 } else { 0 };
            let summary = finish(child, b"").expect(code).summary();
            assert_eq!(summary.count("peak_held_bytes"), MIB as u64);
            assert_eq!(summary.count("out_bytes"), all.len() as u64);
            if policy == "block" {
                assert_eq!(all.len(), written.load(Ordering::Relaxed));
            }
            for (number, piece) in all.chunks(100).enumerate() {
                let expected = format!("{number:0100}");
                assert!(expected.as_bytes().starts_with(piece), "{policy}, {number}");
            }
        });
    }
}

#[test]
fn what_comes_behind_the_end_is_left_to_others() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("in");
    std::fs::write(&path, "firstsecond").expect("write");
    for road in [&["-S", "-s", "5"][..], &["-S", "-s", "5", "-C"]] {
        let mut input = File::open(&path).expect("open");
        let stdin = input.try_clone().expect("clone");
        let child = hwm(road).stdin(stdin).spawn().expect("spawn");
        let done = finish(child, b"").expect(0);
        assert_eq!(done.stdout, b"first");
        let mut rest = String::new();
        input.read_to_string(&mut rest).expect("read");
        assert_eq!(rest, "second", "{road:?}");
    }
}

#[test]
fn sources_that_splice_and_sources_that_do_not_follow_each_other() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "from a file\n").expect("write");
    let file = file.to_str().expect("text");
    let done = run(
        &[file, "/proc/sys/kernel/ostype", "-", file],
        b"from stdin\n",
    )
    .expect(0);
    let expected = "from a file\nLinux\nfrom stdin\nfrom a file\n";
    assert_eq!(String::from_utf8_lossy(&done.stdout), expected);
}

#[test]
fn what_others_write_to_the_same_file_survives() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("out");
    let input = vec![b'D'; 16 * MIB];
    for road in [&[][..], &["-C"]] {
        // The reports, and a sibling's lines, go where the data goes.
        let out = File::create(&path).expect("create");
        let clone = || out.try_clone().expect("clone");
        let report = ["--report", "plain", "-i", "0.01"];
        let child = hwm(&[road, &report].concat())
            .stdout(clone())
            .stderr(clone())
            .spawn()
            .expect("spawn");
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (over, mut sibling) = (&over, clone());
            let writer = scope.spawn(move || {
                let mut lines = 0;
                while !over.load(Ordering::Relaxed) {
                    sibling.write_all(b"#").expect("write");
                    lines += 1;
                }
                lines
            });
            finish(child, &input).expect(0);
            over.store(true, Ordering::Relaxed);
            let lines: usize = writer.join().expect("writer");
            let found = std::fs::read(&path).expect("read");
            let count = |wanted: u8| found.iter().filter(|byte| **byte == wanted).count();
            assert_eq!((count(b'D'), count(b'#')), (input.len(), lines), "{road:?}");
        });
    }
}

/// A read takes all of a packet from a pipe in packet mode, and forgets what it has no space for.
#[test]
fn a_packet_is_not_cut_where_the_buffer_has_become_full() {
    const PACKETS: usize = 4000;
    for packet in [1000, 3000, 4096] {
        let (reader, writer) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).expect("a pipe");
        let mut child = hwm(&["-B", "100000"]).stdin(reader).spawn().expect("spawn");
        let mut stdout = child.stdout.take().expect("stdout");
        let written = AtomicUsize::new(0);
        let came = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..PACKETS {
                    let count = rustix::io::write(&writer, &vec![b'x'; packet]).expect("write");
                    written.fetch_add(count, Ordering::SeqCst);
                }
                drop(writer);
            });
            // Everything is full when no more is written for a while.
            let mut before = 0;
            wait_until("nothing is written any more", || {
                std::thread::sleep(std::time::Duration::from_millis(50));
                let now = written.load(Ordering::SeqCst);
                std::mem::replace(&mut before, now) == now && now > 0
            });
            // In reads that never end within a packet.
            let (mut came, mut space) = (0, vec![0; MIB]);
            loop {
                match stdout.read(&mut space).expect("read") {
                    0 => break came,
                    count => came += count,
                }
            }
        });
        assert_eq!(came, PACKETS * packet, "packets of {packet}");
        finish(child, b"").expect(0);
    }
}
