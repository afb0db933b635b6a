//! `--respawn` and `--broken-pipe wait`: consumers that die, and those that follow them. Nothing that was not read is lost, nothing that was
//! read comes twice but for the record that was being read. Real processes and real signals.

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Account, Finished, finish, hwm, lines, log, run, signal, wait_until};
use highwater::core::rng::Rng;
use serde_json::Value;

const SIGTERM: i32 = 15;

/// The parts that a consumer wrote, one file for each of its lives, in that order.
fn parts(folder: &Path) -> Vec<Vec<u8>> {
    (1..)
        .map_while(|life| fs::read(folder.join(life.to_string())).ok())
        .collect()
}

/// What a life does first: $life is its number.
const COUNT: &str = "life=1; while [ -e $life ]; do life=$((life + 1)); done; ";

/// hwm, whose consumer is this shell script in `folder`.
fn spawn(options: &[&str], script: &str, folder: &Path) -> Child {
    let script = format!("{COUNT}{script}");
    let always = [
        "--report",
        "json",
        "-i",
        "1h",
        "--respawn-delay",
        "1ms",
        "-M",
        "in",
    ];
    let args = [options, &always, &["--", "sh", "-c", &script]].concat();
    hwm(&args).current_dir(folder).spawn().unwrap()
}

fn play(options: &[&str], script: &str, input: &[u8], folder: &Path) -> Finished {
    finish(spawn(options, script, folder), input)
}

/// Kills the process whose number is in `pid`.
fn kill(folder: &Path) {
    let pid = fs::read_to_string(folder.join("pid")).unwrap();
    let status = Command::new("kill").args(["-KILL", pid.trim()]).status();
    assert!(status.unwrap().success());
}

/// Whole lines.
fn whole(bytes: &[u8]) -> Vec<u8> {
    let whole = lines(bytes).into_iter();
    whole
        .filter(|line| line.ends_with(b"\n"))
        .flatten()
        .copied()
        .collect()
}

#[test]
fn bytes_go_on_where_the_one_before_had_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let input = log(2000);
    let script = "[ $life -gt 4 ] && exec cat >$life; head -c 10007 >$life; exit 1";
    let done = play(&["--respawn"], script, &input, folder.path()).expect(0);
    assert!(parts(folder.path()).concat() == input);
    let account = done.summary();
    assert_eq!(account.count("restarts"), 4);
    assert!(account.0["redelivered"].is_null());
    assert_eq!(account.count("out_bytes"), input.len() as u64);
}

#[test]
fn records_begin_again_where_one_was_read_in_part() {
    for options in [
        &["-l"][..],
        &["--when-full", "drop-oldest"],
        &["--when-full", "priority", "--priority", "1"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let input = log(2000);
        let script = "[ $life -gt 4 ] && exec cat >$life; head -c 10007 >$life; exit 1";
        // Else it is the pace that decides what is lost.
        let lossless = ["-B", "64M", "--respawn"];
        let options = [options, &lossless].concat();
        let done = play(&options, script, &input, folder.path()).expect(0);
        let parts = parts(folder.path());
        let read: Vec<u8> = parts.iter().flat_map(|part| whole(part)).collect();
        assert!(read == input, "{options:?}");
        for (before, after) in parts.iter().zip(&parts[1..]) {
            let open = &before[whole(before).len()..];
            assert!(after.starts_with(open), "{options:?}");
        }
        let account = done.summary();
        account.assert_balanced();
        assert_eq!(account.count("restarts"), 4);
        assert!(account.count("redelivered") >= 4);
        assert_eq!(account.count("out_records"), 2000);
        assert_eq!(account.lost_in_all("lost_records"), 0);
    }
}

#[test]
fn what_a_consumer_asked_for_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut fifo = Command::new("mkfifo");
    fifo.arg(folder.path().join("ask"));
    assert!(fifo.status().unwrap().success());
    let script = "case $life in
        1) echo 100 >ask; head -n 3 >1; exit 1 ;;
        2) : >2.starts; until [ -e more ]; do sleep 0.01; done; echo 2 >ask; head -n 2 >2; exit 1 ;;
        *) echo max >ask; exec cat >3 ;;
    esac";
    let options = ["--respawn", "--demand", "ask"];
    let mut child = spawn(&options, script, folder.path());
    let mut stdin = child.stdin.take().unwrap();
    let input = log(200);
    let at = lines(&input)[..3].concat().len();
    stdin.write_all(&input[..at]).unwrap();
    let second = folder.path().join("2.starts");
    wait_until("the second one starts", || second.exists());
    stdin.write_all(&input[at..]).unwrap();
    File::create(folder.path().join("more")).unwrap();
    drop(stdin);
    finish(child, b"").expect(0);
    // head(1) takes what is there: more than it wants is lost to those that follow.
    assert!(parts(folder.path()).concat() == input);
}

#[test]
fn who_is_killed_when_all_was_read_leaves_no_gap_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo $$ >pid; : >$life; exec cat >>got";
    let mut child = spawn(&["-l", "--respawn"], script, folder.path());
    let mut stdin = child.stdin.take().unwrap();
    let file = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let mut expected = String::new();
    for round in 1..=4 {
        let life = folder.path().join(round.to_string());
        wait_until("the next one reads", || life.exists());
        // The open record is there as often as a consumer had read it in part.
        if round > 1 {
            expected += "and the beginning ";
        }
        let text = format!("line of round {round}\nand the beginning ");
        stdin.write_all(text.as_bytes()).unwrap();
        expected += &text;
        wait_until("it has read", || file("got") == expected);
        if round < 4 {
            kill(folder.path());
        }
    }
    drop(stdin);
    let done = finish(child, b"").expect(0);
    assert_eq!(file("got"), expected);
    assert_eq!(done.summary().count("redelivered"), 3);
    assert_eq!(done.summary().count("in_records"), 5);
    assert_eq!(done.summary().count("out_records"), 5);
}

#[test]
fn who_dies_while_hwm_is_full_or_drains_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // One that reads nothing, until the producer has long waited; one that dies when the input has ended.
    let script = "echo $$ >pid; case $life in 1) : >1; exec sleep 600;; 2) : >2; exec sleep 600;; esac; cat >3";
    let mut child = spawn(&["-l", "-B", "100k", "--respawn"], script, folder.path());
    let mut stdin = child.stdin.take().unwrap();
    let input = log(20_000);
    let text = input.clone();
    let producer = std::thread::spawn(move || stdin.write_all(&text).is_ok());
    let kill_when_it_lives = |life: &str| {
        let life = folder.path().join(life);
        wait_until("it lives", || life.exists());
        std::thread::sleep(std::time::Duration::from_millis(100));
        kill(folder.path());
    };
    kill_when_it_lives("1");
    kill_when_it_lives("2");
    assert!(producer.join().unwrap());
    let done = finish(child, b"").expect(0);
    assert!(fs::read(folder.path().join("3")).unwrap() == input);
    assert_eq!(done.summary().count("out_bytes"), input.len() as u64);
    assert!(done.summary().count("peak_held_bytes") <= 100 << 10);
}

#[test]
fn marks_that_were_not_read_come_again_and_count_once() {
    let folder = tempfile::tempdir().unwrap();
    // The first reads nothing.
    let script =
        ": >$life; case $life in 1) until [ -e go ]; do sleep 0.01; done; exit 1;; esac; cat >all";
    let args = [
        "--when-full",
        "drop-newest",
        "-B",
        "8k",
        "--mark",
        "--respawn",
    ];
    let mut child = spawn(&args, script, folder.path());
    let input = log(2000);
    child.stdin.as_mut().unwrap().write_all(&input).unwrap();
    drop(child.stdin.take());
    fs::write(folder.path().join("go"), "").unwrap();
    let done = finish(child, b"").expect(0);
    let got = fs::read(folder.path().join("all")).unwrap();
    let got = String::from_utf8_lossy(&got);
    let marks = got.lines().filter_map(|line| line.strip_prefix("hwm: "));
    let marks: Vec<u64> = marks
        .map(|mark| mark.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let account = done.summary();
    let lost = account.lost_in_all("lost_records");
    assert_eq!(marks.iter().sum::<u64>(), lost);
    assert_eq!(account.count("marks"), marks.len() as u64);
    done.summary().assert_balanced();
}

/// What came of a service that wrote numbered lines while its shippers were killed.
struct Shipped {
    account: Account,
    lines: u64,
    kills: u64,
    /// Lines that were shipped, marks not counted; and what the marks say.
    shipped: u64,
    marked: u64,
    longest_write: Duration,
}

const LINE: usize = 100;

/// A service that writes so many lines each millisecond for so long, before shippers that are this script; after each
/// of these pauses one is killed. Fails where a line is torn, comes twice, or out of order.
fn ship(
    options: &[&str],
    script: &str,
    batch: u64,
    time: Duration,
    mut pause: impl FnMut() -> Duration + Send + 'static,
) -> Shipped {
    const STEP: Duration = Duration::from_millis(1);
    let folder = tempfile::tempdir().unwrap();
    let script = format!("echo $$ >pid; : >$life; {script}");
    let mut child = spawn(options, &script, folder.path());
    let mut stdin = child.stdin.take().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let killer = std::thread::spawn({
        let (is_over, pid) = (Arc::clone(&is_over), folder.path().join("pid"));
        move || {
            let mut kills = 0;
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(pause());
                let pid = fs::read_to_string(&pid).unwrap_or_default();
                let kill = Command::new("kill").args(["-KILL", pid.trim()]).output();
                kills += u64::from(kill.unwrap().status.success());
            }
            kills
        }
    });
    let begin = Instant::now();
    let (mut number, mut longest_write) = (0_u64, Duration::ZERO);
    while begin.elapsed() < time {
        let width = LINE - 1;
        let lines: String = (number..number + batch)
            .map(|line| format!("{line:0width$}\n"))
            .collect();
        number += batch;
        let before = Instant::now();
        stdin.write_all(lines.as_bytes()).unwrap();
        longest_write = longest_write.max(before.elapsed());
        std::thread::sleep(STEP.saturating_sub(before.elapsed()));
    }
    is_over.store(true, Ordering::Relaxed);
    let kills = killer.join().unwrap();
    drop(stdin);
    let done = finish(child, b"");
    // The last one may be killed when it has everything.
    assert!(matches!(done.code(), 0 | 137), "{}", done.stderr);
    let account = done.summary();
    account.assert_balanced();
    assert_eq!(account.count("in_records"), number);
    let (mut shipped, mut marked, mut last) = (0, 0, None);
    for part in parts(folder.path()) {
        for line in lines(&part)
            .into_iter()
            .filter(|line| line.ends_with(b"\n"))
        {
            let text = std::str::from_utf8(&line[..line.len() - 1]).unwrap();
            if let Some(mark) = text.strip_prefix("hwm: ") {
                marked += mark.split(' ').next().unwrap().parse::<u64>().unwrap();
                continue;
            }
            assert_eq!(line.len(), LINE, "torn: {text}");
            let line: u64 = text.parse().unwrap();
            assert!(
                last.is_none_or(|last| line > last),
                "{line} behind {last:?}"
            );
            last = Some(line);
            shipped += 1;
        }
    }
    assert!(shipped <= account.count("out_records"));
    Shipped {
        account,
        lines: number,
        kills,
        shipped,
        marked,
        longest_write,
    }
}

/// Some 50 MB/s. For two minutes of that, with the figures: `HWM_RESPAWN_SECONDS=120 cargo test --test respawn service --
/// --nocapture`.
#[test]
fn a_service_misses_only_what_was_lost_or_in_the_memory_of_shippers_that_were_killed() {
    let seconds = std::env::var("HWM_RESPAWN_SECONDS").map_or(2, |text| text.parse().unwrap());
    let options = [
        "-B",
        "64M",
        "--when-full",
        "drop-oldest",
        "--mark",
        "--respawn",
    ];
    let time = Duration::from_secs(seconds);
    let found = ship(&options, "exec cat >$life", 500, time, || {
        Duration::from_millis(200)
    });
    let out = found.account.count("out_records");
    let lost = found.account.lost_in_all("lost_records");
    assert!(found.marked <= lost);
    println!(
        "{} lines in {seconds} s, {} kills, {} restarts, {} redelivered; longest write {:?}; lost {lost}, marked {}; in the \
         memory of shippers {}",
        found.lines,
        found.kills,
        found.account.count("restarts"),
        found.account.count("redelivered"),
        found.longest_write,
        found.marked,
        out - found.shipped,
    );
}

/// Other policies, sizes and shippers, killed at any moment; as many rounds as `HWM_RESPAWN_ROUNDS` says, from a seed
/// that each tells.
#[test]
fn whoever_is_killed_whenever_tears_no_line_and_brings_none_twice() {
    const POLICIES: [&[&str]; 8] = [
        &["-l"],
        &["-l", "-L", "3M"],
        &["--when-full", "drop-oldest", "--mark"],
        &[
            "--when-full",
            "drop-newest",
            "--mark",
            "--mark-every",
            "5ms",
        ],
        &["--when-full", "latest"],
        &["--when-full", "sample", "--sample", "1/2", "--mark"],
        &[
            "--when-full",
            "priority",
            "--priority",
            "7$",
            "--priority",
            "[0-3]$",
        ],
        &[
            "--when-full",
            "drop-oldest",
            "--max-age",
            "5ms",
            "--lost-to",
            "lost",
        ],
    ];
    const SHIPPERS: [&str; 4] = [
        "exec cat >$life",
        "exec dd bs=777 status=none of=$life",
        "exec head -c 33333 >$life",
        "exec sleep 0.01",
    ];
    let rounds = std::env::var("HWM_RESPAWN_ROUNDS").map_or(12, |text| text.parse().unwrap());
    for round in 0..rounds {
        let mut dice = Rng::new(round);
        let policy = POLICIES[dice.below(POLICIES.len() as u64) as usize];
        let capacity = ["4k", "20k", "64k", "1M", "64M"][dice.below(5) as usize];
        let endless = "[ $life -gt 8 ] && exec cat >$life; ";
        let shipper = SHIPPERS[dice.below(SHIPPERS.len() as u64) as usize];
        let most = [1, 5, 30][dice.below(3) as usize];
        println!("round {round}: {policy:?} -B {capacity}, {shipper}, killed within {most} ms");
        let options = [policy, &["-B", capacity, "--respawn"]].concat();
        let mut pauses = Rng::new(round + 1);
        let pause = move || Duration::from_micros(1 + pauses.below(most * 1000));
        let time = Duration::from_millis(100);
        let script = format!("{endless}{shipper}");
        let found = ship(&options, &script, 1 + dice.below(300), time, pause);
        let held_back = found.account.lost_in_all("lost_records");
        assert!(policy[0] != "-l" || held_back == 0, "block loses nothing");
    }
}

#[test]
fn so_many_failures_in_a_row_are_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let input = log(2000);
    let done = play(
        &["-l", "--respawn=3"],
        ": >$life; exit 4",
        &input,
        folder.path(),
    )
    .expect(7);
    assert_eq!(parts(folder.path()).len(), 3);
    let (said, _): (Vec<_>, Vec<_>) = done
        .stderr
        .lines()
        .partition(|line| line.starts_with("hwm: "));
    assert_eq!(
        said,
        [
            "hwm: sh ended with status 4; it is started again in 1ms",
            "hwm: sh ended with status 4; it is started again in 2ms",
            "hwm: sh ended with status 4; it failed too often in a row (--respawn)",
        ]
    );
    let account = done.summary();
    account.assert_balanced();
    assert_eq!(account.count("restarts"), 2);
    assert_eq!(account.lost("broken_pipe").1, account.count("in_records"));
}

#[test]
fn one_that_cannot_be_run_any_more_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("once");
    fs::write(&program, "#!/bin/sh\nrm -f \"$0\"\nexit 1\n").unwrap();
    Command::new("chmod")
        .arg("+x")
        .arg(&program)
        .status()
        .unwrap();
    let name = program.to_str().unwrap();
    let args = [
        "-q",
        "--respawn=2",
        "--respawn-delay",
        "1ms",
        "-M",
        "in",
        "--",
        name,
    ];
    let done = run(&args, &log(2000)).expect(7);
    let expected = format!(
        "hwm: {name} ended with status 1; it is started again in 1ms\n\
         hwm: cannot run {name} (-M): No such file or directory\n"
    );
    assert_eq!(done.stderr, expected);
}

#[test]
fn the_last_one_has_the_status() {
    let folder = tempfile::tempdir().unwrap();
    let script = ": >$life; [ $life = 1 ] && exit 3; cat >/dev/null; exit 5";
    play(&["--respawn"], script, &log(100), folder.path()).expect(5);
}

#[test]
fn who_ends_is_followed_though_others_have_its_input_or_it_had_closed_it() {
    for first in [
        "sleep 600 >/dev/null 2>&1 & echo $! >pid; exit 1",
        "exec <&-; sleep 0.2; : >ended; exit 1",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("[ $life = 1 ] || exec cat >got; : >1; {first}");
        let input = log(2000);
        let done = play(&["--respawn"], &script, &input, folder.path()).expect(0);
        assert!(
            fs::read(folder.path().join("got")).unwrap() == input,
            "{first}"
        );
        assert_eq!(done.summary().count("restarts"), 1);
        let file = |name| folder.path().join(name);
        match file("pid").exists() {
            true => kill(folder.path()),
            false => assert!(file("ended").exists(), "one at a time"),
        }
    }
}

#[test]
fn a_signal_ends_the_wait_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "--respawn-delay",
        "1h",
        "--drain-timeout",
        "100ms",
        "--report",
        "json",
        "-l",
    ];
    let args = [
        &args[..],
        &["--respawn", "-M", "in", "--", "sh", "-c", ": >1; exit 1"],
    ]
    .concat();
    let mut child = hwm(&args).current_dir(folder.path()).spawn().unwrap();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"one\ntwo\n")
        .unwrap();
    let status = format!("/proc/{0}/task/{0}/children", child.id());
    let life = folder.path().join("1");
    wait_until("it has ended", || {
        life.exists() && fs::read_to_string(&status).is_ok_and(|list| list.is_empty())
    });
    signal(&child, SIGTERM);
    let done = finish(child, b"").expect(143);
    assert_eq!(done.summary().lost("shutdown").1, 2);
    done.summary().assert_balanced();
}

#[test]
fn others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let script = ": >$life; [ $life -lt 3 ] && exit 1; cat >/dev/null";
    let hook = "echo $HWM_EVENT $HWM_RESTARTS >>hook";
    let args = ["--events", "events", "--on-respawn", hook, "--respawn"];
    play(&args, script, b"data\n", folder.path()).expect(0);
    let events = fs::read_to_string(folder.path().join("events")).unwrap();
    let events = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let restarts: Vec<_> = events
        .filter(|event| event["event"] == "respawn")
        .map(|event| event["restarts"].as_u64().unwrap())
        .collect();
    assert_eq!(restarts, [1, 2]);
    let hook = fs::read_to_string(folder.path().join("hook")).unwrap();
    assert!(hook.ends_with("respawn 2\n"), "{hook}");
}

// ---- a FIFO whose readers come by themselves ----------------------------------------------------

/// hwm, which writes to the FIFO in `folder`.
fn writing_to_fifo(options: &[&str], folder: &Path) -> (Child, PathBuf) {
    let fifo = folder.join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let always = [
        "--report",
        "json",
        "-i",
        "1h",
        "-o",
        "fifo",
        "--broken-pipe",
        "wait",
    ];
    let args = [&always, options].concat();
    (hwm(&args).current_dir(folder).spawn().unwrap(), fifo)
}

/// Reads so many bytes, and goes when hwm can tell what it has read; returns when hwm knows.
fn read_part(child: &Child, fifo: &Path, count: usize) -> Vec<u8> {
    let mut part = vec![0; count];
    File::open(fifo).unwrap().read_exact(&mut part).unwrap();
    let fds = format!("/proc/{}/fd", child.id());
    let leads_there = |entry: fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to == fifo);
    wait_until("hwm has let go of the FIFO", || {
        !fs::read_dir(&fds).unwrap().flatten().any(leads_there)
    });
    part
}

#[test]
fn each_reader_of_a_fifo_begins_where_the_last_one_had_stopped() {
    let input = log(2000);
    for options in [
        &[][..],
        &["-l"],
        &["--when-full", "drop-oldest", "-B", "64M"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, fifo) = writing_to_fifo(options, folder.path());
        let mut stdin = child.stdin.take().unwrap();
        let text = input.clone();
        let producer = std::thread::spawn(move || stdin.write_all(&text).unwrap());
        let mut parts: Vec<_> = (0..3).map(|_| read_part(&child, &fifo, 10_007)).collect();
        parts.push(fs::read(&fifo).unwrap());
        producer.join().unwrap();
        let account = finish(child, b"").expect(0).summary();
        assert_eq!(account.count("restarts"), 3);
        assert_eq!(account.count("out_bytes"), input.len() as u64);
        let read = match options.is_empty() {
            true => parts.concat(),
            false => parts.iter().flat_map(|part| whole(part)).collect(),
        };
        assert!(read == input, "{options:?}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _) = writing_to_fifo(&["-l", "--drain-timeout", "100ms"], folder.path());
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"one\ntwo\n")
        .unwrap();
    wait_until("it has read", || {
        rustix::io::ioctl_fionread(child.stdin.as_ref().unwrap()).unwrap() == 0
    });
    signal(&child, SIGTERM);
    let account = finish(child, b"").expect(143).summary();
    account.assert_balanced();
    assert_eq!(account.lost("shutdown").1, 2);
}

#[test]
fn only_a_fifo_can_wait_for_readers() {
    let done = run(&["--broken-pipe", "wait"], b"").expect(2);
    let expected = "hwm: --broken-pipe wait needs -o FIFO, for only a FIFO can have another reader; try 'hwm --help'\n";
    assert_eq!(done.stderr, expected);
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().to_str().unwrap();
    let done = run(&["--broken-pipe", "wait", "-o", name], b"").expect(1);
    let expected = format!(
        "hwm: cannot open {name} for writing (-o): it is no FIFO, which --broken-pipe wait needs\n"
    );
    assert_eq!(done.stderr, expected);
}

#[test]
fn wrong_usage_says_what_to_type() {
    for (line, expected) in [
        (
            "--respawn",
            "--respawn starts the command of -M in again: hwm --respawn -M in -- COMMAND",
        ),
        (
            "--respawn -M out -- cat",
            "--respawn starts the command of -M in again: hwm --respawn -M in -- COMMAND",
        ),
        (
            "--respawn --broken-pipe drain -M in -- cat",
            "with --respawn a command that ends is started again, so --broken-pipe has nothing to say: drop one of them",
        ),
        (
            "--respawn=0 -M in -- cat",
            "invalid value '0' for --respawn: 0 would never start it again; drop --respawn for that",
        ),
        (
            "--respawn --respawn-delay 0 -M in -- cat",
            "invalid value '0' for --respawn-delay: it must be longer than 0",
        ),
    ] {
        let args: Vec<_> = line.split(' ').collect();
        let done = run(&args, b"").expect(2);
        assert_eq!(done.stderr, format!("hwm: {expected}; try 'hwm --help'\n"));
    }
}
