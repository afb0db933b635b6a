//! What a terminating signal does: after SIGTERM and SIGHUP the last words of a producer are heard, after
//! SIGINT nobody is waited for, and a second one ends at once.

mod common;

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Account, command, finish, hwm, log, signal, slurp, summary_of, wait, wait_until};

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// More than all kernel pipes and the buffer take when nobody reads.
const FLOOD: usize = 8 << 20;

#[test]
fn after_sigterm_and_sighup_it_reads_on_until_the_input_ends() {
    for number in [SIGHUP, SIGTERM] {
        for policy in ["block", "drop-newest", "fail"] {
            let mut child = hwm(&["--when-full", policy, "--report", "json"])
                .args(["--drain-timeout", "1h"])
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(b"first\nlast ").unwrap();
            let mut stdout = child.stdout.take().unwrap();
            stdout.read_exact(&mut [0; 6]).unwrap();
            signal(&child, number);
            // Long enough for a signal to be heard.
            std::thread::sleep(Duration::from_millis(50));
            stdin.write_all(b"words").unwrap();
            drop(stdin);
            let done = finish(child, b"").expect(128 + number);
            assert_eq!(slurp(stdout), b"last words", "{policy}");
            let account = done.summary();
            assert_eq!(account.0["exit"], 128 + number);
            assert_eq!(account.lost_in_all("lost_bytes"), 0);
        }
    }
}

#[test]
fn after_sigint_it_reads_no_more() {
    for policy in ["block", "drop-newest"] {
        let mut child = hwm(&["--when-full", policy, "--report", "json"])
            .args(["--drain-timeout", "1h"])
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"first\nhalf").unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 6]).unwrap();
        signal(&child, SIGINT);
        let done = finish(child, b"").expect(128 + SIGINT);
        let rest = slurp(stdout);
        let account = done.summary();
        if policy == "block" {
            assert_eq!(rest, b"half");
        } else {
            assert_eq!(rest, b"");
            assert_eq!(account.lost("shutdown"), (4, 1));
            account.assert_balanced();
        }
        drop(stdin);
    }
}

/// A service that gets the same SIGTERM as hwm and its shipper, and says its last words.
#[test]
fn what_a_service_says_at_its_end_arrives_when_all_get_the_same_signal() {
    let folder = tempfile::tempdir().unwrap();
    let service = r#"exec 2>/dev/null; trap 'sleep 0.2; echo "shutting down"; sleep 0.1; echo "bye"; exit 0' TERM
        echo "up"
        while :; do sleep 0.02; done"#;
    let script = r#"trap : TERM
        bash -c "$SERVICE" | "$HWM" -q --when-full drop-oldest |
            bash -c 'trap "" TERM; exec cat' >out
        echo "${PIPESTATUS[*]}" >status"#;
    let mut group = command(&["bash", "-c", script]);
    let mut group = group
        .env("SERVICE", service)
        .current_dir(folder.path())
        .process_group(0)
        .spawn()
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name));
    wait_until("it is up", || read("out").is_ok_and(|text| text == "up\n"));
    let number = format!("-{}", group.id());
    let sent = Command::new("kill").args(["-TERM", "--", &number]).status();
    assert!(sent.unwrap().success());
    wait(&mut group);
    assert_eq!(read("out").unwrap(), "up\nshutting down\nbye\n");
    assert_eq!(read("status").unwrap(), "0 143 0\n");
}

#[test]
fn a_file_is_not_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let path = path.to_str().unwrap();
    for redirected in [false, true] {
        let mut command = hwm(&["-q", "--drain-timeout", "1h", "-B", "100000"]);
        if redirected {
            command.stdin(std::fs::File::open(path).unwrap());
        } else {
            // Nor is the next one opened.
            command.args([path, path]);
        }
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 1000]).unwrap();
        signal(&child, SIGTERM);
        let read = std::thread::spawn(move || slurp(stdout).len());
        assert_eq!(wait(&mut child).signal(), Some(SIGTERM));
        read.join().unwrap();
    }
}

#[test]
fn what_cannot_be_drained_in_time_is_counted_as_shutdown() {
    let mut child = hwm(&["-B", "1M", "--when-full", "drop-oldest"])
        .args(["--drain-timeout", "100ms", "--report", "json"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(&log(20_000))
        .expect("a lossy policy never stalls");
    signal(&child, SIGTERM);
    assert_eq!(wait(&mut child).signal(), Some(SIGTERM));
    let stdout = slurp(child.stdout.take().unwrap());
    let text = slurp(child.stderr.take().unwrap());
    let account = Account(summary_of(&String::from_utf8_lossy(&text)));
    account.assert_balanced();
    assert!(account.lost("shutdown").0 > 0);
    assert_eq!(account.count("out_bytes"), stdout.len() as u64);
}

/// A consumer that kept up, so that what it got was not copied, and then stalls until the end.
#[test]
fn no_record_is_torn_when_a_stalled_consumer_is_given_up() {
    std::thread::scope(|scope| {
        for policy in [&["block", "-l"][..], &["drop-oldest"], &["drop-newest"]] {
            scope.spawn(move || {
                for length in [2100, 3000, 2100, 3000, 100].repeat(4) {
                    let got = got_of_one_that_stalls(policy, length);
                    let torn = got.len() % length;
                    assert_eq!(torn, 0, "{policy:?}: of {length} bytes");
                    assert_eq!(got.last(), Some(&b'\n'));
                }
            });
        }
    });
}

/// What a consumer gets that reads records of that length, stalls, and reads the rest after a SIGTERM.
fn got_of_one_that_stalls(policy: &[&str], length: usize) -> Vec<u8> {
    let args = ["-q", "--drain-timeout", "50ms", "--when-full"];
    let mut child = hwm(&[&args[..], policy].concat()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let mut record = vec![b'x'; length - 1];
        record.push(b'\n');
        // One write for each, so that its pages are half filled.
        while stdin.write_all(&record).is_ok() {}
    });
    let mut stdout = child.stdout.take().unwrap();
    let (mut got, mut space) = (Vec::new(), vec![0; 128 << 10]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(100) {
        let count = stdout.read(&mut space).unwrap();
        got.extend_from_slice(&space[..count]);
    }
    std::thread::sleep(Duration::from_millis(50));
    signal(&child, SIGTERM);
    assert_eq!(wait(&mut child).signal(), Some(SIGTERM));
    feeder.join().unwrap();
    got.append(&mut slurp(stdout));
    got
}

/// Floods `child`, whose stdout nobody reads, so that a drain can't end by itself, and sends the
/// first SIGTERM.
fn terminate_while_stalled(child: &mut Child) -> std::thread::JoinHandle<()> {
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&vec![b'x'; FLOOD]);
    });
    std::thread::sleep(Duration::from_millis(100));
    signal(child, SIGTERM);
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "it drains");
    assert!(!feeder.is_finished(), "it reads on");
    feeder
}

#[test]
fn a_second_signal_ends_at_once() {
    for second in [SIGTERM, SIGINT, SIGHUP] {
        let mut child = hwm(&["-B", "1M", "--drain-timeout", "1h"]).spawn().unwrap();
        let feeder = terminate_while_stalled(&mut child);
        signal(&child, second);
        // Of two the first, but a shell must learn of SIGINT.
        let expected = if second == SIGINT { SIGINT } else { SIGTERM };
        assert_eq!(wait(&mut child).signal(), Some(expected));
        feeder.join().unwrap();
    }
}

#[test]
fn a_signal_decides_over_a_missing_file() {
    let mut child = hwm(&["--drain-timeout", "1h", "-B", "1M", "/nonexistent", "-"])
        .spawn()
        .unwrap();
    let feeder = terminate_while_stalled(&mut child);
    signal(&child, SIGTERM);
    let done = finish(child, b"").expect(128 + SIGTERM);
    feeder.join().unwrap();
    assert!(done.stderr.contains("/nonexistent"), "{}", done.stderr);
}

/// timeout(1) sends its signal to the child and to the group, so the child gets it twice.
#[test]
fn timeout_leaves_time_for_what_a_service_says_at_its_end() {
    let script = r#"(trap 'sleep 0.2; echo bye; exit' TERM; echo up; while :; do sleep 0.02; done) |
        "$HWM" -q --when-full drop-oldest | (trap '' TERM; cat)"#;
    let mut child = command(&["timeout", "-s", "TERM", "0.5", "bash", "-c"]);
    let child = child.arg(format!("trap : TERM; {script}; exit"));
    let done = finish(child.spawn().unwrap(), b"");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "up\nbye\n");
    // Right behind timeout it is hwm itself that gets both.
    let script = r#"(echo up; sleep 0.8; echo bye) | timeout 0.4 "$HWM" -q | cat"#;
    let done = finish(command(&["bash", "-c", script]).spawn().unwrap(), b"");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "up\nbye\n");
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let script = format!(
        "trap '' HUP; {} & pid=$!; sleep 0.2; kill -HUP $pid; sleep 0.2; kill -TERM $pid; wait $pid",
        "\"$HWM\" --report none --drain-timeout 0 <\"$FIFO\" >/dev/null"
    );
    let folder = tempfile::tempdir().expect("folder");
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo").success());
    let keeper = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&fifo)
        .expect("open");
    let status = Command::new("sh")
        .args(["-c", &script])
        .env("HWM", env!("CARGO_BIN_EXE_hwm"))
        .env("FIFO", &fifo)
        .status()
        .expect("sh");
    drop(keeper);
    assert_eq!(status.code(), Some(128 + SIGTERM));
}

/// The consumer goes at the same moment, as when both get the same key: whoever is first, the signal is
/// told.
#[test]
fn a_consumer_hit_by_the_same_key_is_no_broken_pipe() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let script = format!(
            r#"trap : INT; "$HWM" -q /dev/zero | (head -c 1 >{round}; exec cat >/dev/null)
               exit "${{PIPESTATUS[0]}}""#
        );
        let mut group = command(&["bash", "-c", &script]);
        let mut group = group
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let begun = folder.path().join(round.to_string());
        wait_until("data", || {
            std::fs::metadata(&begun).is_ok_and(|file| file.len() > 0)
        });
        let number = format!("-{}", group.id());
        let sent = Command::new("kill").args(["-INT", "--", &number]).status();
        assert!(sent.unwrap().success());
        assert_eq!(wait(&mut group).code(), Some(128 + SIGINT));
    }
}

#[test]
fn a_rate_limit_does_not_delay_an_interrupt() {
    let mut child = hwm(&["-q", "-L", "1000", "/dev/zero"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    let begun = Instant::now();
    signal(&child, SIGINT);
    assert_eq!(wait(&mut child).signal(), Some(SIGINT));
    // It was as long as the drain timeout, 2 s.
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}
