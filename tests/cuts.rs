//! Where a run is cut short, and an option knows records, the consumer gets whole records only: one that
//! was begun is finished, and what is not whole is not begun.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use common::{Account, finish, hwm, run, signal, slurp, summary_of, wait, wait_until};

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Numbers, each a record of seven bytes: no size of a pipe or a block is a multiple of that.
fn numbers(count: u32, delimiter: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.extend_from_slice(format!("{number:06}").as_bytes());
        bytes.push(delimiter);
    }
    bytes
}

/// Writes `input` from a thread. That hwm takes no more of it is no failure.
fn feed(child: &mut Child, input: Vec<u8>) -> JoinHandle<()> {
    let mut stdin = child.stdin.take().expect("stdin");
    std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    })
}

#[track_caller]
fn assert_whole(output: &[u8], input: &[u8], delimiter: u8) {
    let tail = &output[output.len().saturating_sub(20)..];
    assert!(
        output.ends_with(&[delimiter]),
        "half a record: {}",
        tail.escape_ascii()
    );
    assert!(input.starts_with(output), "other bytes");
}

#[test]
fn a_stall_leaves_whole_records_though_nobody_reads_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let lost = folder.path().join("lost");
    let lost = lost.to_str().unwrap();
    for (options, delimiter) in [
        (&["-l"][..], b'\n'),
        (&["-0"], 0),
        (&["--mark"], b'\n'),
        (&["--fail-on-loss"], b'\n'),
        (&["--buffer-records", "1M"], b'\n'),
        (&["--lost-to", lost], b'\n'),
    ] {
        let input = numbers(1_000_000, delimiter);
        let mut child = hwm(&["-B", "200000", "--block-timeout", "100ms", "-q"])
            .args(options)
            .spawn()
            .unwrap();
        let feeder = feed(&mut child, input.clone());
        assert_eq!(wait(&mut child).code(), Some(5), "{options:?}");
        feeder.join().unwrap();
        let output = slurp(child.stdout.take().unwrap());
        assert!(!output.is_empty());
        assert_whole(&output, &input, delimiter);
    }
    // They are kept whole, and in order.
    let kept = std::fs::read(lost).unwrap();
    let input = numbers(1_000_000, b'\n');
    assert!(!kept.is_empty() && kept.ends_with(b"\n"));
    let first = String::from_utf8_lossy(&kept[..kept.len().min(20)]).into_owned();
    let first = first.lines().next().unwrap();
    let at = format!("\n{first}\n");
    let whole_until = kept[..kept.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap();
    let from = find(&input, at.as_bytes()).expect("an input line") + 1;
    assert!(
        input[from..].starts_with(&kept[..=whole_until]),
        "other lines"
    );
}

fn find(all: &[u8], piece: &[u8]) -> Option<usize> {
    all.windows(piece.len()).position(|window| window == piece)
}

/// Writes `input` in blocks of `size` bytes, each as soon as hwm is idle, and leaves the end open. That hwm
/// takes no more of it is no failure.
fn feed_slowly(child: &mut Child, input: Vec<u8>, size: usize) -> JoinHandle<ChildStdin> {
    let mut stdin = child.stdin.take().expect("stdin");
    std::thread::spawn(move || {
        for block in input.chunks(size) {
            if stdin.write_all(block).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        stdin
    })
}

#[test]
fn no_record_is_begun_whose_end_may_find_no_space() {
    let ends: [(&[&str], Option<i32>); 3] = [
        (&["--drain-timeout", "50ms"], Some(SIGTERM)),
        (&[], Some(SIGINT)),
        (&["--block-timeout", "50ms"], None),
    ];
    for pipe in [4096, 8192, 65_536] {
        for block in [100, 4096, 5000] {
            for (options, signalled) in ends {
                let input = numbers(30_000, b'\n');
                let (stdout, writer) = rustix::pipe::pipe().unwrap();
                rustix::pipe::fcntl_setpipe_size(&writer, pipe).unwrap();
                let mut child = hwm(&["-l", "-q", "-B", "100000"])
                    .args(options)
                    .stdout(writer)
                    .spawn()
                    .unwrap();
                let feeder = feed_slowly(&mut child, input.clone(), block);
                if let Some(number) = signalled {
                    // Of each write the last page is filled in part only.
                    let unread = || rustix::io::ioctl_fionread(&stdout).unwrap() as usize;
                    wait_until("the pipe to fill", || unread() >= pipe / 2);
                    std::thread::sleep(Duration::from_millis(30));
                    signal(&child, number);
                }
                wait(&mut child);
                let what = format!("{options:?}, blocks of {block}, pipe of {pipe}");
                let output = slurp(File::from(stdout));
                assert!(!output.is_empty(), "{what}");
                assert!(output.ends_with(b"\n"), "half a record: {what}");
                assert!(input.starts_with(&output), "other bytes: {what}");
                feeder.join().unwrap();
            }
        }
    }
}

#[test]
fn the_beginning_of_a_record_that_had_no_space_for_its_end_goes_when_the_consumer_has_read() {
    for lines in [100, 8_192, 9_300] {
        let mut child = hwm(&["-l", "-q"]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let input = [numbers(lines, b'\n'), b"password: ".to_vec()].concat();
        stdin.write_all(&input).unwrap();
        let mut output = vec![0; input.len()];
        stdout.read_exact(&mut output).unwrap();
        assert_eq!(output, input);
        drop(stdin);
        assert_eq!(wait(&mut child).code(), Some(0));
    }
}

#[test]
fn a_record_that_no_pipe_takes_at_once_is_finished_when_the_consumer_takes_it() {
    let record = [vec![b'x'; 99_999], b"\n".to_vec()].concat();
    let mut child = hwm(&["-l", "-B", "1M", "--block-timeout", "100ms"])
        .args(["--drain-timeout", "1h", "--report", "json"])
        .spawn()
        .unwrap();
    let feeder = feed(&mut child, record.repeat(100));
    // Only when the stall is over is the input closed.
    feeder.join().unwrap();
    let output = slurp(child.stdout.take().unwrap());
    assert_eq!(wait(&mut child).code(), Some(5));
    assert_eq!(output.len() % record.len(), 0, "{} bytes", output.len());
    let text = slurp(child.stderr.take().unwrap());
    let account = Account(summary_of(&String::from_utf8_lossy(&text)));
    account.assert_balanced();
    assert!(account.lost("shutdown").1 > 0);
    assert_eq!(account.count("out_records"), output.len() as u64 / 100_000);
}

#[test]
fn a_record_that_nobody_takes_is_waited_for_no_longer_than_the_drain_timeout() {
    let record = [vec![b'x'; 99_999], b"\n".to_vec()].concat();
    let mut child = hwm(&["-l", "-B", "1M", "--block-timeout", "100ms", "-q"])
        .args(["--drain-timeout", "100ms"])
        .spawn()
        .unwrap();
    let feeder = feed(&mut child, record.repeat(100));
    assert_eq!(wait(&mut child).code(), Some(5));
    feeder.join().unwrap();
}

#[test]
fn overflow_leaves_whole_records_and_counts_the_cut_one() {
    let input = numbers(1_000_000, b'\n');
    let mut child = hwm(&["-l", "-B", "4099", "--when-full", "fail"])
        .args(["--report", "json"])
        .spawn()
        .unwrap();
    let feeder = feed(&mut child, input.clone());
    feeder.join().unwrap();
    let done = finish(child, b"").expect(4);
    assert_whole(&done.stdout, &input, b'\n');
    let account = done.summary();
    account.assert_balanced();
    let (bytes, records) = account.lost("shutdown");
    assert!(records <= 1 && bytes < 7, "{}", account.0);
}

#[test]
fn an_idle_input_leaves_whole_records_where_they_are_known() {
    for (options, expected) in [
        (&["--when-full", "block"][..], &b"one\nhalf"[..]),
        (&["--when-full", "drop-oldest"], b"one\n"),
        (&["--when-full", "latest"], b"one\n"),
    ] {
        let mut child = hwm(&["--idle-timeout", "100ms", "--report", "json"])
            .args(options)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"one\nhalf").unwrap();
        let done = finish(child, b"").expect(6);
        assert_eq!(done.stdout, expected, "{options:?}");
        let lost = (8 - expected.len()) as u64;
        assert_eq!(done.summary().0["lost_bytes"]["shutdown"], lost);
        drop(stdin);
    }
}

#[test]
fn idle_ok_makes_it_0_and_still_counts_losses() {
    for (options, code) in [
        (&["--idle-ok"][..], 0),
        (&["--idle-ok", "--fail-on-loss"], 3),
        (&["--fail-on-loss"], 6),
    ] {
        let mut child = hwm(&[
            "--idle-timeout",
            "100ms",
            "--when-full",
            "drop-newest",
            "-B",
            "50",
        ])
        .args(options)
        .spawn()
        .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let oversize = [b"short\n".as_slice(), &[b'x'; 100], b"\n"].concat();
        stdin.write_all(&oversize).unwrap();
        assert_eq!(finish(child, b"").expect(code).stdout, b"short\n");
        drop(stdin);
    }
}

#[test]
fn a_record_whose_beginning_went_is_read_to_its_end_after_sigint() {
    let mut child = hwm(&["-l", "-q"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"one\ntw").unwrap();
    stdout.read_exact(&mut [0; 6]).unwrap();
    // Both at once, so that neither is late on a busy machine.
    let writer = std::thread::spawn(move || stdin.write_all(b"o\nthree\n").map(|()| stdin));
    signal(&child, SIGINT);
    assert_eq!(finish(child, b"").code(), 128 + SIGINT);
    let rest = slurp(stdout);
    assert!(
        rest.starts_with(b"o\n") && rest.ends_with(b"\n"),
        "{rest:?}"
    );
    let _ = writer.join().unwrap();
}

#[test]
fn a_producer_that_does_not_stop_is_cut_between_two_records() {
    for number in [SIGTERM, SIGHUP, SIGINT] {
        let input = numbers(1_000_000, b'\n');
        let mut child = hwm(&["-l", "-q", "--drain-timeout", "300ms"])
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = input.clone();
        let feeder = std::thread::spawn(move || {
            // In blocks that end anywhere, as with stdio.
            for block in bytes.chunks(4096) {
                if stdin.write_all(block).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let mut stdout = child.stdout.take().unwrap();
        let mut output = vec![0; 50_000];
        stdout.read_exact(&mut output).unwrap();
        signal(&child, number);
        output.extend(slurp(stdout));
        assert_eq!(finish(child, b"").code(), 128 + number);
        feeder.join().unwrap();
        assert!(output.len() < input.len());
        assert_whole(&output, &input, b'\n');
    }
}

#[test]
fn a_stalled_consumer_gets_whole_records_also_after_a_signal() {
    for (number, twice) in [(SIGTERM, false), (SIGTERM, true), (SIGINT, false)] {
        for policy in ["block", "drop-oldest", "sample"] {
            let input = numbers(1_000_000, b'\n');
            let mut child = hwm(&["-l", "-q", "-B", "200000", "--when-full", policy])
                .args(["--drain-timeout", if twice { "1h" } else { "100ms" }])
                .spawn()
                .unwrap();
            let feeder = feed(&mut child, input.clone());
            // As full as it gets, or everything is in.
            std::thread::sleep(Duration::from_millis(200));
            signal(&child, number);
            if twice {
                std::thread::sleep(Duration::from_millis(100));
                signal(&child, number);
            }
            wait(&mut child);
            feeder.join().unwrap();
            let output = slurp(child.stdout.take().unwrap());
            common::assert_subsequence(&input, &output);
            assert!(output.ends_with(b"\n"), "{number} {policy}");
        }
    }
}

#[test]
fn a_rate_limit_in_bytes_leaves_whole_records_too() {
    let input = numbers(1_000_000, b'\n');
    let mut child = hwm(&["--when-full", "drop-newest", "-q", "-L", "1000"])
        .args(["--burst", "1", "--drain-timeout", "100ms"])
        .spawn()
        .unwrap();
    let feeder = feed(&mut child, input.clone());
    let mut stdout = child.stdout.take().unwrap();
    let mut output = vec![0; 100];
    stdout.read_exact(&mut output).unwrap();
    signal(&child, SIGTERM);
    output.extend(slurp(stdout));
    wait(&mut child);
    feeder.join().unwrap();
    common::assert_subsequence(&input, &output);
    assert!(output.ends_with(b"\n"));
}

#[test]
fn with_s_a_redirected_file_is_left_where_the_input_ended() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), numbers(100, b'\n')).unwrap();
    for (first, left) in [
        ("-l -S -s 3", "000003"),
        ("-S -s 21", "000003"),
        ("-l -S -s 3 -C", "000003"),
        ("-l -S -s 3 --when-full drop-oldest", "000003"),
        ("-l -S -s 0", "0"),
        ("-q -l -S -s 1000", ""),
    ] {
        let script = format!("(\"$HWM\" -q {first} >a; cat >b) <in");
        let done = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env("HWM", env!("CARGO_BIN_EXE_hwm"))
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        let next = read("b");
        if first.ends_with("-s 0") {
            // No size is known.
            assert_eq!(next, b"", "{first}");
        } else {
            let next = String::from_utf8(next).unwrap();
            assert_eq!(next.lines().next().unwrap_or(""), left, "{first}");
        }
        assert_eq!(
            [read("a"), read("b")].concat(),
            numbers(100, b'\n'),
            "{first}"
        );
    }
}

#[test]
fn a_file_that_ends_in_half_a_record_is_no_cut() {
    let done = run(&["-l", "--when-full", "drop-oldest"], b"one\nhalf").expect(0);
    assert_eq!(done.stdout, b"one\nhalf");
}

#[test]
fn the_summary_after_a_key_does_not_blame_the_consumer() {
    let mut child = hwm(&["--report", "json", "-B", "100000"]).spawn().unwrap();
    let feeder = feed(&mut child, numbers(1_000_000, b'\n'));
    // It holds all it may, and what comes waits before it.
    let waits = |fd: u32| {
        let path = format!("/proc/{}/fd/{fd}", child.id());
        let mut open = std::fs::File::options();
        let pipe = open.read(fd == 0).write(fd == 1).open(path);
        pipe.is_ok_and(|pipe| rustix::io::ioctl_fionread(pipe).is_ok_and(|bytes| bytes > 60_000))
    };
    wait_until("it is full", || waits(0) && waits(1));
    signal(&child, SIGINT);
    drop(child.stdout.take());
    let done = finish(child, b"").expect(128 + SIGINT);
    feeder.join().unwrap();
    let account = done.summary();
    assert_eq!(account.0["lost_bytes"]["broken_pipe"], 0);
    assert!(account.0["lost_bytes"]["shutdown"].as_u64().unwrap() > 0);
}
