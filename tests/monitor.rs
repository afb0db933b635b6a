//! A command that hwm runs before its output or behind its input (`-M`): what goes through, what it is told, and
//! whose status counts. Real processes and real signals.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use common::{command, finish, hwm, log, run, session, signal, terminal, wait, wait_until};

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// More than all pipes and the buffer take when nobody reads.
const FLOOD: usize = 8 << 20;

fn shell<'a>(side: &'a str, script: &'a str) -> [&'a str; 7] {
    ["-q", "-M", side, "--", "sh", "-c", script]
}

/// Reads so many bytes of what the run writes.
fn hear(child: &mut Child, text: &str) {
    let mut heard = vec![0; text.len()];
    let stdout = child.stdout.as_mut().unwrap();
    stdout.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), text);
}

/// What a run, whose command says that it is ready, writes from there on when it gets a signal and ends by it.
fn ended_by(number: i32, args: &[&str]) -> String {
    let mut child = hwm(args).spawn().unwrap();
    hear(&mut child, "ready\n");
    signal(&child, number);
    let done = finish(child, b"").expect(128 + number);
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_command_reads_what_hwm_relays_and_writes_where_hwm_would() {
    let input = log(200_000);
    let options: [&[&str]; 3] = [&[], &["-l"], &["--when-full", "drop-oldest", "-B", "64M"]];
    for options in options {
        let args = [options, &["-q", "-M", "in", "--", "cat"]].concat();
        assert!(run(&args, &input).expect(0).stdout == input, "{options:?}");
    }
}

#[test]
fn a_command_writes_what_hwm_relays_and_reads_what_hwm_would() {
    let input = log(200_000);
    let done = run(&["-q", "-M", "out", "--", "cat"], &input).expect(0);
    assert!(done.stdout == input);
    // Also without the dashes, as in pv, and with the account.
    let done = run(&["--report", "json", "-M", "out", "cat"], &input).expect(0);
    assert_eq!(done.summary().count("in_bytes"), input.len() as u64);
}

#[test]
fn the_status_is_the_commands_where_hwm_has_none() {
    for (side, script, status) in [
        ("in", "cat >/dev/null; exit 7", 7),
        ("out", "cat >/dev/null; exit 7", 7),
        ("in", "cat >/dev/null; kill -KILL $$", 137),
        ("out", "kill -TERM $$", 143),
    ] {
        run(&shell(side, script), b"data\n").expect(status);
    }
}

#[test]
fn an_ending_of_hwms_own_counts_more_than_the_commands_status() {
    let long = [b'x'; 100];
    let lossy = ["-B", "10", "--when-full", "drop-newest", "--fail-on-loss"];
    for script in ["cat >/dev/null", "cat >/dev/null; exit 9"] {
        run(&[&lossy[..], &shell("in", script)].concat(), &long).expect(3);
    }
}

#[test]
fn a_command_that_ends_early_is_a_consumer_that_is_gone() {
    let input = vec![b'\n'; FLOOD];
    let with = |broken_pipe: &str, script: &str| {
        let args = [&["--broken-pipe", broken_pipe][..], &shell("in", script)].concat();
        finish(hwm(&args).spawn().unwrap(), &input)
    };
    with("signal", "exit 0").expect(141);
    with("ok", "exit 0").expect(0);
    with("drain", "exit 0").expect(0);
    for way in ["signal", "ok", "drain"] {
        with(way, "exit 9").expect(9);
    }
}

#[test]
fn a_status_of_the_command_is_no_verdict_about_losses() {
    let args = [
        "--broken-pipe",
        "drain",
        "-M",
        "in",
        "--",
        "sh",
        "-c",
        "exit 3",
    ];
    let done = finish(hwm(&args).spawn().unwrap(), &vec![b'\n'; FLOOD]).expect(3);
    assert!(
        done.stderr.contains("LOST") && !done.stderr.contains("allowed"),
        "{}",
        done.stderr
    );
}

#[test]
fn what_a_command_did_not_read_is_in_the_account() {
    let script = "head -c 3 >/dev/null";
    let args = [
        "--report",
        "json",
        "-l",
        "--broken-pipe",
        "drain",
        "-M",
        "in",
        "--",
        "sh",
        "-c",
        script,
    ];
    let input = log(100_000);
    let account = run(&args, &input).summary();
    account.assert_balanced();
    assert_eq!(account.count("in_bytes"), input.len() as u64);
    assert_eq!(
        account.count("out_records"),
        account.count("in_records") - account.lost_in_all("lost_records")
    );
    assert!(account.lost_in_all("lost_records") > 0);
}

#[test]
fn a_branch_that_dies_never_stops_the_others() {
    let folder = tempfile::tempdir().unwrap();
    // As in the README: one that reads a line and ends, one that reads nothing, one that cannot be run.
    for dies in ["head -n 1", "sleep 1", "/no/such"] {
        let branch = "$HWM -q --when-full drop-oldest --broken-pipe drain -B 64M -M in --";
        let script = format!("tee -p >({branch} {dies} >/dev/null 2>&1) | {branch} cat");
        let mut line = command(&["bash", "-c", &script]);
        line.current_dir(folder.path());
        let input = log(200_000);
        let done = finish(line.spawn().unwrap(), &input).expect(0);
        assert!(done.stdout == input, "{dies}: the other branch lacks some");
    }
}

#[test]
fn a_command_that_cannot_be_run_is_one_line_and_status_1() {
    for side in ["in", "out"] {
        let done = run(&["-M", side, "--", "/no/such"], b"").expect(1);
        let expected = "hwm: cannot run /no/such (-M): No such file or directory\n";
        assert_eq!(done.stderr, expected);
    }
}

#[test]
fn a_command_that_ends_with_its_input_hears_of_no_signal() {
    let script = "trap 'echo told' TERM; echo ready; cat; echo over";
    let mut child = hwm(&shell("in", script)).spawn().unwrap();
    hear(&mut child, "ready\n");
    child.stdin.as_mut().unwrap().write_all(b"data\n").unwrap();
    hear(&mut child, "data\n");
    signal(&child, SIGTERM);
    let done = finish(child, b"").expect(143);
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "over\n");
}

#[test]
fn a_command_that_goes_on_behind_its_input_is_told_of_the_signal() {
    let script =
        "trap 'echo told; exit' TERM INT; echo ready; cat >/dev/null; while :; do sleep 0.01; done";
    for number in [SIGTERM, SIGINT] {
        let args = [&["--drain-timeout", "100ms"][..], &shell("in", script)].concat();
        assert_eq!(ended_by(number, &args), "told\n");
    }
}

#[test]
fn a_producer_is_told_at_once_and_its_last_words_come() {
    let script = "trap 'echo last words; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    assert_eq!(ended_by(SIGTERM, &shell("out", script)), "last words\n");
}

#[test]
fn a_second_signal_ends_hwm_before_a_command_that_will_not() {
    let script = "trap '' TERM; echo $$; cat >/dev/null; exec sleep 600";
    let mut child = hwm(&shell("in", script)).spawn().unwrap();
    let mut number = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut number).unwrap();
    drop(child.stdin.take());
    // It has read to the end, and hwm waits for it.
    let comm = format!("/proc/{}/comm", number.trim());
    wait_until("the command sleeps", || {
        std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n")
    });
    signal(&child, SIGTERM);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    signal(&child, SIGTERM);
    let status = wait(&mut child);
    Command::new("kill")
        .args(["-KILL", number.trim()])
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(SIGTERM));
}

#[test]
fn a_second_signal_is_passed_on_while_the_first_is_still_heeded() {
    // It reads nothing, and hwm would drain for an hour.
    let script = "trap 'echo told; exit' TERM; echo ready; while :; do sleep 0.01; done";
    let args = [&["--drain-timeout", "1h"][..], &shell("in", script)].concat();
    let mut child = hwm(&args).spawn().unwrap();
    hear(&mut child, "ready\n");
    signal(&child, SIGTERM);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(child.try_wait().unwrap().is_none(), "it drains");
    signal(&child, SIGTERM);
    assert_eq!(wait(&mut child).signal(), Some(SIGTERM));
    hear(&mut child, "told\n");
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    // As from timeout(1).
    let script = "trap '' TERM; echo ready; cat >/dev/null; sleep 0.5; echo over";
    for side in ["in", "out"] {
        let mut child = hwm(&shell(side, script)).spawn().unwrap();
        hear(&mut child, "ready\n");
        let twice = format!("kill -TERM {0}; kill -TERM {0}", child.id());
        Command::new("sh").args(["-c", &twice]).status().unwrap();
        let done = finish(child, b"").expect(143);
        assert_eq!(String::from_utf8(done.stdout).unwrap(), "over\n", "{side}");
    }
}

#[test]
fn a_command_is_not_started_where_something_else_fails() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("no/such/file");
    let wrong = wrong.to_str().unwrap();
    let started = folder.path().join("started");
    let script = format!("echo >{}", started.display());
    for args in [
        [&["-P", wrong][..], &shell("in", &script)].concat(),
        [&["-P", wrong], &shell("out", &script)[..]].concat(),
        [&["-o", wrong], &shell("out", &script)[..]].concat(),
        [&["--demand", wrong], &shell("in", &script)[..]].concat(),
    ] {
        run(&args, b"").expect(1);
        assert!(!started.exists(), "{args:?}");
    }
}

#[test]
fn the_number_of_the_process_is_no_input_of_the_command() {
    let args = [&["-P", "/dev/stdout"][..], &shell("in", "sed s/^/got:/")].concat();
    let child = hwm(&args).spawn().unwrap();
    let number = child.id();
    let done = finish(child, b"data\n").expect(0);
    let expected = format!("{number}\ngot:data\n");
    assert_eq!(String::from_utf8(done.stdout).unwrap(), expected);
}

#[test]
fn what_is_reported_is_the_status_that_a_shell_sees() {
    for side in ["in", "out"] {
        let args = [
            "--report",
            "json",
            "-M",
            side,
            "--",
            "sh",
            "-c",
            "cat >/dev/null; exit 7",
        ];
        assert_eq!(run(&args, b"data\n").expect(7).summary().count("exit"), 7);
    }
}

#[test]
fn with_both_sides_one_hwm_stands_before_the_command_and_one_behind_it() {
    let input = log(100_000);
    for options in [&["-q"][..], &["-q", "-l"], &["-q", "-B", "1M", "-o", "-"]] {
        let args = [options, &["-M", "both", "--", "cat"]].concat();
        assert!(run(&args, &input).expect(0).stdout == input, "{options:?}");
    }
    run(&["-q", "-M", "both", "sh"], b"exit 7").expect(7);
}

#[test]
fn each_side_has_its_account_and_its_name() {
    let input = log(1000);
    for (names, expected) in [
        (&[][..], ["in", "out"]),
        (&["-N", "a"], ["a", "a"]),
        (&["-N", "a", "-N", "b"], ["a", "b"]),
    ] {
        let command = ["-M", "both", "--", "head", "-c", "1000"];
        let args = [
            &["--report", "json", "--broken-pipe", "ok", "-i", "1h"],
            names,
            &command,
        ]
        .concat();
        let done = run(&args, &input).expect(0);
        let stderr = done.stderr;
        let lines = stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<serde_json::Value> = lines.collect();
        let of = |name: &str, at: usize| {
            let mut of = lines.iter().filter(|line| line["name"] == name);
            of.nth(at).unwrap()["out_bytes"].as_u64().unwrap()
        };
        // The one behind ends first.
        let [before, behind] = expected;
        assert_eq!(of(behind, 0), 1000, "{names:?}");
        let last = usize::from(before == behind);
        assert!(of(before, last) >= 1000, "{names:?}");
    }
}

#[test]
fn behind_the_command_the_ratio_of_both_sides_is_shown() {
    let input = log(1000);
    let half = (input.len() / 2).to_string();
    let script = "head -c $0; cat >/dev/null";
    let command = ["-M", "both", "--", "sh", "-c", script, &half];
    let format = ["-f", "-F", "before", "-F", "%b %{ratio}"];
    let done = run(&[&format[..], &command].concat(), &input).expect(0);
    let shown = done.stderr;
    assert!(
        shown.contains(" 2:1") && shown.contains("before"),
        "{shown}"
    );
    // In the default display it stands last; and a pipe of the one is no parent of the other's.
    let done = run(&[&["-f", "-b"][..], &command].concat(), &input).expect(0);
    let shown = done.stderr;
    assert!(shown.contains("B 2:1"), "{shown}");
    let done = run(&["-f", "-F", "%{ratio}", "-M", "in", "--", "cat"], &input).expect(0);
    let shown = done.stderr;
    assert!(shown.contains("-:-"), "{shown}");
}

#[test]
fn the_file_of_the_output_is_the_second_ones_and_that_of_the_number_the_first_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, number) = (path("output"), path("number"));
    let mut line = hwm(&["-q", "-P"]);
    line.arg(&number).arg("-o").arg(&file);
    line.args(["-M", "both", "--", "cat"]);
    let child = line.spawn().unwrap();
    wait_until("the number is there", || {
        let text = std::fs::read_to_string(&number).unwrap_or_default();
        text.trim_end() == child.id().to_string()
    });
    finish(child, b"data").expect(0);
    assert_eq!(std::fs::read(&file).unwrap(), b"data");
    assert!(!number.exists());
}

#[test]
fn a_signal_ends_both_sides_and_the_command() {
    let script = "trap 'exit 9' TERM; echo ready; while sleep 0.01; do :; done";
    let args = [
        "-q",
        "--drain-timeout",
        "10ms",
        "-M",
        "both",
        "--",
        "sh",
        "-c",
        script,
    ];
    let ready = ended_by(SIGTERM, &args);
    assert_eq!(ready, "");
}

#[test]
fn what_only_the_command_uses_may_be_closed() {
    for (closed, side) in [("<&-", "out"), (">&-", "in")] {
        let line = format!("exec \"$HWM\" -q -M {side} -- sh -c 'exit 7' {closed}");
        finish(command(&["sh", "-c", &line]).spawn().unwrap(), b"").expect(7);
    }
}

#[test]
fn a_command_that_gets_no_keys_is_told_of_them() {
    let (master, user) = terminal();
    let (folder, fifo) = session::folder_with_fifo();
    let script = "trap 'echo told >>told; exit' INT; echo >ready; while :; do sleep 0.01; done";
    let line = format!("$HWM -q -M in -- setsid sh -c \"{script}\" < in; echo $? >status");
    let mut shell = session::session(&user, &line, folder.path());
    let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    wait_until("the command is ready", || !file("ready").is_empty());
    rustix::io::write(&master, b"\x03").unwrap();
    wait(&mut shell);
    drop(fifo);
    assert_eq!(file("told"), "told\n");
}

#[test]
fn a_key_at_the_terminal_is_not_doubled() {
    let (master, user) = terminal();
    let (folder, fifo) = session::folder_with_fifo();
    // Counts how often it is interrupted, for a while behind the first.
    let script = "trap 'echo told >>told' INT; echo >ready; cat >/dev/null; sleep 0.3; sleep 0.3";
    let line = format!("$HWM -q -M in -- sh -c \"{script}\" < in; echo $? >status");
    let mut shell = session::session(&user, &line, folder.path());
    let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    wait_until("the command is ready", || !file("ready").is_empty());
    rustix::io::write(&master, b"\x03").unwrap();
    wait(&mut shell);
    drop(fifo);
    assert_eq!(file("told"), "told\n");
}

#[test]
fn a_command_that_has_ended_is_no_zombie_while_hwm_goes_on() {
    let args = ["-q", "--broken-pipe", "drain", "-M", "in", "--", "true"];
    let mut child = hwm(&args).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    child.stdin.as_mut().unwrap().write_all(b"data\n").unwrap();
    wait_until("it is reaped", || {
        std::fs::read_to_string(&children).is_ok_and(|list| list.is_empty())
    });
    assert!(child.try_wait().unwrap().is_none(), "hwm goes on");
    finish(child, b"").expect(0);
}

#[test]
fn children_are_reaped_where_the_signal_for_that_is_ignored() {
    let mut line = command(&["env", "--ignore-signal=CHLD"]);
    line.arg(env!("CARGO_BIN_EXE_hwm"));
    line.args(shell("in", "cat >/dev/null; exit 5"));
    finish(line.spawn().unwrap(), b"data").expect(5);
}

#[test]
fn a_command_has_the_signals_that_hwm_was_started_with() {
    // A regular file puts a watchdog beside the loop, under which signals are blocked.
    let script = "grep -E 'SigBlk|SigIgn' /proc/self/status";
    let mut plain = Command::new("sh");
    let expected = plain.args(["-c", script]).output().unwrap().stdout;
    let file = tempfile::tempfile().unwrap();
    let mut line = Command::new(env!("CARGO_BIN_EXE_hwm"));
    line.args(shell("in", script))
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped());
    let got = line.output().unwrap().stdout;
    assert_eq!(
        String::from_utf8(got).unwrap(),
        String::from_utf8(expected).unwrap()
    );
}

#[test]
fn wrong_usage_says_what_to_type() {
    for (args, expected) in [
        (
            &["-M", "in"][..],
            "-M in needs a command, as in -M in -- gzip -9; try 'hwm --help'",
        ),
        (
            &["-M", "out"],
            "-M out needs a command, as in -M out -- gzip -9; try 'hwm --help'",
        ),
        (
            &["-M", "in", "-o", "file", "--", "cat"],
            "with -M in all output goes to the command: drop -o and -X, or let the command write the file; \
             try 'hwm --help'",
        ),
        (
            &["-M", "both"],
            "-M both needs a command, as in -M both -- gzip -9; try 'hwm --help'",
        ),
        (
            &["-M", "both", "cat", "-q"],
            "-M both needs '--' before the command, behind all options; try 'hwm --help'",
        ),
        (
            &["-M", "both", "--lost-to", "file", "--", "cat"],
            "--lost-to is for one side, and -M both has two: write 'hwm | COMMAND | hwm', or watch one side, in or out; \
             try 'hwm --help'",
        ),
    ] {
        let done = run(args, b"").expect(2);
        assert_eq!(done.stderr, format!("hwm: {expected}\n"));
    }
}
