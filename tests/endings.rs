//! Every row of EXIT STATUS in hwm(1), with real processes and real signals.

mod common;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use common::{finish, hwm, log, raw_terminal, run, signal, slurp, wait, wait_until};

const SIGPIPE: i32 = 13;

/// More than all kernel pipes and the buffer take when nobody reads.
const FLOOD: usize = 8 << 20;

#[test]
fn end_of_input_writes_everything_and_exits_0() {
    let input = log(2_000);
    for policy in ["block", "drop-newest", "drop-oldest", "sample", "fail"] {
        let done = run(
            &["--when-full", policy, "-B", "64M", "--report", "json"],
            &input,
        )
        .expect(0);
        assert!(done.stdout == input, "{policy} changed the bytes");
    }
}

#[test]
fn empty_input_exits_0_with_empty_output() {
    let done = run(&[], b"").expect(0);
    assert_eq!(done.stdout, b"");
}

#[test]
fn a_tail_without_newline_goes_out_without_one() {
    for policy in ["block", "drop-newest", "drop-oldest", "sample", "fail"] {
        let done = run(&["--when-full", policy], b"one\ntwo").expect(0);
        assert_eq!(done.stdout, b"one\ntwo", "{policy}");
    }
}

#[test]
fn loss_exits_3_only_when_asked() {
    let oversize = [b"short\n".as_slice(), &[b'x'; 100], b"\nshort\n"].concat();
    let args = ["-B", "50", "--when-full", "drop-newest"];
    let with = |more: &[&str]| run(&[&args, more].concat(), &oversize);
    assert_eq!(with(&[]).expect(0).stdout, b"short\nshort\n");
    assert_eq!(
        with(&["--fail-on-loss"]).expect(3).stdout,
        b"short\nshort\n"
    );
    with(&["--fail-on-loss=1"]).expect(3);
    with(&["--fail-on-loss=2"]).expect(0);
    with(&["--fail-on-loss=33%"]).expect(3);
    with(&["--fail-on-loss=34%"]).expect(0);
    run(&[&args[..], &["--fail-on-loss"]].concat(), b"fits\n").expect(0);
}

#[test]
fn overflow_with_fail_writes_what_was_accepted_and_exits_4() {
    let mut child = hwm(&["-B", "4096", "--when-full", "fail", "--report", "json"])
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    let flood = vec![b'x'; FLOOD];
    let error = stdin.write_all(&flood).expect_err("the producer learns it");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    drop(stdin);
    let done = finish(child, b"").expect(4);
    let account = done.summary();
    assert_eq!(account.count("in_bytes"), done.stdout.len() as u64);
    assert_eq!(account.count("out_bytes"), done.stdout.len() as u64);
    assert!(account.count("peak_held_bytes") <= 4096);
}

#[test]
fn input_that_just_fits_is_no_overflow() {
    let input = vec![b'x'; 4096];
    let done = run(&["-B", "4096", "--when-full", "fail"], &input).expect(0);
    assert!(done.stdout == input);
}

#[test]
fn a_stall_longer_than_block_timeout_exits_5() {
    let mut child = hwm(&["-B", "64k", "--block-timeout", "200ms", "--report", "json"])
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin
        .write_all(&vec![b'x'; FLOOD])
        .expect_err("the producer learns it");
    assert_eq!(wait(&mut child).code(), Some(5));
    let stdout = slurp(child.stdout.take().expect("stdout"));
    let account = common::Account(common::summary_of(&String::from_utf8_lossy(&slurp(
        child.stderr.take().expect("stderr"),
    ))));
    assert_eq!(account.count("out_bytes"), stdout.len() as u64);
    assert_eq!(account.count("held_bytes"), 0);
    assert_eq!(account.0["lost_bytes"]["shutdown"], 64 << 10);
}

#[test]
fn a_exited_consumer_ends_it_by_sigpipe_also_while_input_is_idle() {
    for policy in ["block", "drop-oldest"] {
        let mut child = hwm(&["--when-full", policy, "--report", "none"])
            .spawn()
            .expect("spawn");
        let stdin = child.stdin.take();
        drop(child.stdout.take());
        let status = wait(&mut child);
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(SIGPIPE)
        );
        drop(stdin);
    }
}

#[test]
fn broken_pipe_ok_makes_it_0_and_counts_the_rest() {
    let mut child = hwm(&[
        "--broken-pipe",
        "ok",
        "-B",
        "1M",
        "--when-full",
        "drop-oldest",
    ])
    .args(["--report", "json"])
    .spawn()
    .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(&log(20_000)).expect("write");
    drop(child.stdout.take());
    let done = finish(child, b"").expect(0);
    let account = done.summary();
    account.assert_balanced();
    assert!(account.lost("broken_pipe").1 > 0);
    assert_eq!(account.0["exit"], 0);
    drop(stdin);
}

/// What comes while the consumer stalls is lost; then the consumer goes.
fn lose_before_the_consumer_goes(options: &[&str]) -> common::Finished {
    let mut child = hwm(&["-B", "100000", "--report", "json"])
        .args(options)
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(&log(20_000)).expect("write");
    drop(child.stdout.take());
    let done = finish(child, b"");
    drop(stdin);
    done
}

#[test]
fn where_the_consumer_may_go_only_what_was_lost_otherwise_counts() {
    let ok = ["--broken-pipe", "ok", "--fail-on-loss"];
    let lossy = ["--when-full", "drop-newest"];
    let done = lose_before_the_consumer_goes(&[&ok[..], &lossy].concat()).expect(3);
    let account = done.summary();
    account.assert_balanced();
    assert!(account.lost("queue_full").1 > 0);
    assert!(account.lost("broken_pipe").1 > 0);

    // Nothing but what its leaving cost.
    let mut child = hwm(&["--report", "json"]).args(ok).spawn().expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&log(200_000));
    });
    let mut stdout = child.stdout.take().expect("stdout");
    stdout.read_exact(&mut [0; 100]).expect("data");
    drop(stdout);
    let done = finish(child, b"").expect(0);
    feeder.join().expect("feeder");
    let account = done.summary();
    assert!(account.lost("broken_pipe").1 + account.lost("unread").1 > 0);
}

#[test]
fn with_broken_pipe_drain_the_producer_never_notices() {
    for (options, code) in [
        (&["--when-full", "block"][..], 0),
        (&["--when-full", "block", "-C"], 0),
        (&["--when-full", "block", "-l"], 0),
        (&["--when-full", "fail", "-L", "1000"], 0),
        (&["--when-full", "drop-oldest", "--mark", "-B", "1M"], 0),
        (&["--when-full", "drop-newest", "--fail-on-loss"], 3),
        (&["--fail-on-loss=1%"], 3),
        (&["--fail-on-loss=100%"], 0),
    ] {
        let mut child = hwm(&["--broken-pipe", "drain", "--report", "json"])
            .args(options)
            .spawn()
            .expect("spawn");
        let mut stdin = child.stdin.take().expect("stdin");
        let mut stdout = child.stdout.take().expect("stdout");
        stdin.write_all(b"first\n").expect("write");
        let mut taken = vec![0; 6];
        stdout.read_exact(&mut taken).expect("first");
        drop(stdout);
        let input = log(20_000);
        for piece in input.chunks(100_000) {
            stdin.write_all(piece).expect("nobody closes it");
        }
        stdin.write_all(b"tail").expect("nobody closes it");
        drop(stdin);
        let done = finish(child, b"").expect(code);
        let account = done.summary();
        let came = account.count("in_bytes");
        assert_eq!(came, input.len() as u64 + 10, "{options:?}");
        assert_eq!(account.count("out_bytes"), 6, "{options:?}");
        assert_eq!(
            account.0["lost_bytes"]["broken_pipe"],
            came - 6,
            "{options:?}"
        );
        if !account.0["in_records"].is_null() {
            account.assert_balanced();
            assert_eq!(account.count("in_records"), 20_002);
        }
    }
}

#[test]
fn with_broken_pipe_drain_a_signal_still_ends_it() {
    let mut child = hwm(&["--broken-pipe", "drain", "-q", "--drain-timeout", "0"])
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    drop(child.stdout.take());
    stdin.write_all(&log(10_000)).expect("write");
    common::signal(&child, 15);
    assert_eq!(finish(child, b"").code(), 128 + 15);
    drop(stdin);
}

#[test]
fn what_is_lost_after_the_consumer_went_is_kept_where_asked() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("lost");
    let lost = path.to_str().expect("text");
    let mut child = hwm(&["-q", "--broken-pipe", "drain", "--lost-to", lost])
        .spawn()
        .expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    drop(child.stdout.take());
    let input = log(2_000);
    for piece in input.chunks(1_013) {
        stdin.write_all(piece).expect("nobody closes it");
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    drop(stdin);
    finish(child, b"").expect(0);
    assert!(std::fs::read(&path).expect("lost") == input);
}

#[test]
fn a_write_error_is_one_line_and_exits_1() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("open");
    let child = hwm(&["--report", "none"])
        .stdout(full)
        .spawn()
        .expect("spawn");
    let done = finish(child, b"data\n").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: cannot write stdout: No space left on device (after 0 bytes of output)\n"
    );
}

#[test]
fn a_read_error_is_one_line_and_exits_1() {
    let folder = std::fs::File::open("/").expect("open");
    let child = hwm(&["--report", "none"])
        .stdin(folder)
        .spawn()
        .expect("spawn");
    let done = finish(child, b"").expect(1);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(done.stderr.starts_with("hwm: "), "{}", done.stderr);
    assert!(done.stderr.contains("directory"), "{}", done.stderr);
}

#[test]
fn closed_stdin_and_closed_stdout_are_clear_errors() {
    for (redirection, name) in [("<&-", "stdin"), (">&-", "stdout")] {
        let done = Command::new("sh")
            .args(["-c", &format!("\"$HWM\" {redirection}")])
            .env("HWM", env!("CARGO_BIN_EXE_hwm"))
            .stdin(Stdio::null())
            .output()
            .expect("sh");
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.contains(name) && stderr.contains("closed"),
            "{stderr}"
        );
    }
}

#[test]
fn closed_stderr_changes_nothing() {
    let done = Command::new("sh")
        .args(["-c", "echo data | \"$HWM\" 2>&-"])
        .env("HWM", env!("CARGO_BIN_EXE_hwm"))
        .output()
        .expect("sh");
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(done.stdout, b"data\n");
}

#[test]
fn an_error_before_the_run_ends_it_also_where_stderr_is_full_and_never_read() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    let space = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    assert_eq!(rustix::io::write(&writer, &vec![0; space]), Ok(space));
    for (args, status) in [
        (["--bogus", "-q"], 2),
        (["-s", "@/nowhere"], 2),
        (["-P", "/nowhere/pid"], 1),
        (["--events", "/nowhere/events"], 1),
    ] {
        let mut command = hwm(&args);
        command.stderr(writer.try_clone().unwrap());
        assert_eq!(finish(command.spawn().unwrap(), b"").code(), status);
    }
    assert_eq!(rustix::fs::fcntl_getfl(&writer), Ok(flags));
    drop(writer);
    assert_eq!(slurp(std::fs::File::from(reader)).len(), space);
}

#[test]
fn wrong_usage_exits_2_before_anything_is_read() {
    let mut child = hwm(&["-B", "12Q"]).spawn().expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    wait(&mut child);
    let error = stdin.write_all(b"data").expect_err("nobody reads");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    let done = finish(child, b"").expect(2);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
}

#[test]
fn a_deadline_that_passed_while_stopped_looks_at_what_came_meanwhile() {
    const SIGSTOP: i32 = 19;
    const SIGCONT: i32 = 18;
    let mut child = hwm(&["--idle-timeout", "300ms"]).spawn().expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    let mut stdout = child.stdout.take().expect("stdout");
    stdin.write_all(b"one\n").expect("write");
    stdout.read_exact(&mut [0; 4]).expect("one");
    signal(&child, SIGSTOP);
    stdin.write_all(b"two\n").expect("write");
    std::thread::sleep(std::time::Duration::from_millis(600));
    signal(&child, SIGCONT);
    stdout.read_exact(&mut [0; 4]).expect("two");
    assert_eq!(wait(&mut child).code(), Some(6));
}

#[test]
fn a_exited_consumer_is_noticed_while_input_never_pauses() {
    let zero = std::fs::File::open("/dev/zero").expect("open");
    let mut child = hwm(&["--when-full", "drop-newest", "--report", "none"])
        .stdin(zero)
        .spawn()
        .expect("spawn");
    drop(child.stdout.take());
    let status = wait(&mut child);
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(SIGPIPE)
    );
}

#[test]
fn a_terminal_that_hangs_up_is_a_consumer_that_is_gone() {
    let (master, terminal) = raw_terminal();
    let mut child = hwm(&["-q"]).stdout(terminal).spawn().expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(b"x").expect("write");
    rustix::io::read(&master, &mut [0; 1]).expect("it runs");
    drop(master);
    let status = wait(&mut child);
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(SIGPIPE)
    );
}

#[test]
fn a_terminal_that_had_hung_up_before_is_the_same() {
    for policy in ["block", "drop-oldest"] {
        let (master, terminal) = raw_terminal();
        drop(master);
        let child = hwm(&["-q", "--when-full", policy])
            .stdout(terminal)
            .spawn()
            .expect("spawn");
        let done = finish(child, b"data\n").expect(128 + SIGPIPE);
        assert_eq!(done.stderr, "");
    }
}

#[test]
fn no_memory_is_an_error_line_and_what_was_taken_goes_out() {
    let script = "ulimit -v 30000; head -c 100000000 /dev/zero | \"$HWM\" -B 1G | (sleep 0.5; wc -c); \
                  echo \"${PIPESTATUS[1]}\"";
    let done = Command::new("bash")
        .args(["-c", script])
        .env("HWM", env!("CARGO_BIN_EXE_hwm"))
        .output()
        .expect("bash");
    let stdout = String::from_utf8_lossy(&done.stdout);
    let stderr = String::from_utf8_lossy(&done.stderr);
    let mut lines = stdout.lines();
    let bytes: u64 = lines
        .next()
        .expect("a count")
        .trim()
        .parse()
        .expect("a number");
    assert_eq!(lines.next(), Some("1"), "{stdout}{stderr}");
    let bytes = highwater::units::counted(bytes, "byte");
    let line = format!(
        "hwm: cannot get more memory for the buffer; a smaller -B needs less (after {bytes} of input)\n"
    );
    assert!(stderr.starts_with(&line), "{stdout}{stderr}");
}

#[test]
fn an_empty_file_behind_a_full_buffer_is_no_overflow() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    std::fs::write(at("full"), vec![b'x'; 100]).expect("write");
    std::fs::write(at("empty"), "").expect("write");
    let args = [
        "-B",
        "100",
        "--when-full",
        "fail",
        &at("full"),
        &at("empty"),
    ];
    assert_eq!(run(&args, b"").expect(0).stdout, vec![b'x'; 100]);
}

#[test]
fn a_stopped_hwm_goes_on_and_does_not_count_the_pause() {
    const SIGTSTP: i32 = 20;
    const SIGCONT: i32 = 18;
    let mut child = hwm(&["--report", "json"]).spawn().expect("spawn");
    let mut stdin = child.stdin.take().expect("stdin");
    let mut stdout = child.stdout.take().expect("stdout");
    stdin.write_all(b"one\n").expect("write");
    stdout.read_exact(&mut [0; 4]).expect("one");
    let started = std::time::Instant::now();
    signal(&child, SIGTSTP);
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("stat");
    wait_until("it stops", || state().contains(") T "));
    let stopped = std::time::Instant::now();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let pause = stopped.elapsed();
    signal(&child, SIGCONT);
    stdin.write_all(b"two\n").expect("write");
    stdout.read_exact(&mut [0; 4]).expect("two");
    let around = started.elapsed();
    drop(stdin);
    let done = finish(child, b"").expect(0);
    let elapsed = done.summary().0["elapsed_s"].as_f64().expect("seconds");
    // What passed beside the pause is short against it, or the machine is too slow to tell.
    if around.as_secs_f64() < 2.0 * pause.as_secs_f64() {
        assert!(
            elapsed < around.as_secs_f64() - 0.5 * pause.as_secs_f64(),
            "{elapsed}"
        );
    }
}
