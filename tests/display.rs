//! The display of pv's form and hwm's own, seen from outside: what is counted, and when it is shown.

mod common;

use std::io::{Read, Write};
use std::process::{Child, ChildStderr};

use common::{Account, command, finish, hwm, run, wait, wait_until};

/// Reads stderr until `text` is in it, and returns all of it.
#[track_caller]
fn read_until(stderr: &mut ChildStderr, text: &str) -> String {
    let mut said = String::new();
    let mut space = [0; 4096];
    while !said.contains(text) {
        let count = stderr.read(&mut space).unwrap();
        assert!(count > 0, "it ended without {text:?}: {said:?}");
        said += &String::from_utf8_lossy(&space[..count]);
    }
    said
}

/// hwm with `args`, which was given `input` and waits for more.
fn running(args: &[&str], input: &[u8]) -> (Child, ChildStderr) {
    let mut child = hwm(args).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(input).unwrap();
    let stderr = child.stderr.take().unwrap();
    (child, stderr)
}

#[test]
fn what_lies_in_the_consumers_pipe_is_not_shown_as_transferred() {
    let (mut child, mut stderr) = running(&["-fb", "-i", "0.05"], &[b'x'; 40_000]);
    let begin = read_until(&mut stderr, "\r");
    // On a busy machine there may be several already.
    let mut lines = begin.split_terminator('\r');
    assert!(lines.all(|line| line == "0.00  B"), "{begin:?}");
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 30_000]).unwrap();
    read_until(&mut stderr, "29.3KiB\r");
    stdout.read_exact(&mut [0; 10_000]).unwrap();
    read_until(&mut stderr, "39.1KiB\r");
    drop(child.stdin.take());
    assert!(wait(&mut child).success());
}

#[test]
fn reports_tell_what_is_unread_apart() {
    let (mut child, mut stderr) = running(&["--report", "json", "-i", "0.05"], &[b'x'; 40_000]);
    let first = read_until(&mut stderr, "\"unread_bytes\":40000");
    let line = first.lines().last().unwrap();
    assert_eq!(
        Account(serde_json::from_str(line).unwrap()).count("out_bytes"),
        40_000
    );
    drop(child.stdin.take());
    let mut taken = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut taken)
        .unwrap();
    assert_eq!(taken.len(), 40_000);
    wait(&mut child);
}

#[test]
fn nothing_is_drawn_before_the_first_byte_or_the_delay() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    let options = [
        "-fbW",
        "-i",
        "0.01",
        "--metrics-file",
        metrics.to_str().unwrap(),
    ];
    let (mut child, mut stderr) = running(&options, b"");
    wait_until("a second", || {
        let text = std::fs::read_to_string(&metrics).unwrap_or_default();
        text.contains("hwm_elapsed_seconds_total 1.")
    });
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let said = read_until(&mut stderr, "1.00  B\r");
    // Of a hundred beats before, none was shown.
    assert!(said.matches('\r').count() < 80, "{said:?}");
    drop(child.stdin.take());
    wait(&mut child);

    let child = hwm(&["-fb", "-D", "1h", "-i", "0.01"]).spawn().unwrap();
    assert_eq!(finish(child, b"x").expect(0).stderr, "");
    let child = hwm(&["-nb", "-D", "0.05", "-i", "0.02"]).spawn().unwrap();
    let mut child = child;
    let mut stderr = child.stderr.take().unwrap();
    read_until(&mut stderr, "0\n0\n");
    drop(child.stdin.take());
    wait(&mut child);
}

#[test]
fn with_wait_nothing_is_drawn_before_the_consumer_took_its_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    let beats = |least: f64| {
        wait_until("beats", || {
            let text = std::fs::read_to_string(&metrics).unwrap_or_default();
            let elapsed = text.lines().find_map(|line| {
                let line = line.strip_prefix("hwm_elapsed_seconds_total ")?;
                line.parse::<f64>().ok()
            });
            elapsed.is_some_and(|elapsed| elapsed >= least)
        });
    };
    let to = metrics.to_str().unwrap();
    for display in ["-fbtW", "-fW"] {
        let args = [display, "-i", "0.02", "--metrics-file", to];
        // The pipe takes it all at once; that is no consumer.
        let (mut child, mut stderr) = running(&args, &[b'x'; 4000]);
        beats(1.0);
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 1000]).unwrap();
        let own = display == "-fW";
        let said = read_until(
            &mut stderr,
            if own {
                "1000 B 0:00:0"
            } else {
                "1000  B 0:00:0"
            },
        );
        let shown: Vec<&str> = said.split('\r').collect();
        assert!(shown.len() < 30, "it was drawn before: {said:?}");
        // Nor did its time begin before.
        let first = shown.iter().find(|line| line.contains(" B ")).unwrap();
        assert!(first.contains(" 0:00:00"), "{said:?}");
        drop(child.stdin.take());
        drop(stdout);
        wait(&mut child);
        std::fs::remove_file(&metrics).unwrap();
    }
}

#[test]
fn a_display_of_pvs_form_shows_a_loss_while_it_goes_on() {
    let lossy = ["--when-full", "drop-oldest", "-B", "10k", "-i", "0.05"];
    let line = format!("{:099}\n", 0);
    for display in ["-fb", "-f"] {
        let args = [&lossy[..], &[display]].concat();
        // More than the pipe and the buffer take, and nobody reads.
        let (mut child, mut stderr) = running(&args, line.repeat(30_000).as_bytes());
        let said = read_until(&mut stderr, "k records (");
        assert!(said.contains("  LOST "), "{said:?}");
        // The line says it, and no line above it.
        assert!(!said.contains("hwm: "), "{said:?}");
        drop(child.stdin.take());
        drop(child.stdout.take());
        wait(&mut child);
    }
}

#[test]
fn where_nobody_looks_a_loss_that_goes_on_is_reported_ever_more_rarely() {
    let lossy = ["--when-full", "drop-oldest", "-B", "10k"];
    let line = format!("{:099}\n", 0);
    let (mut child, mut stderr) = running(&lossy, line.repeat(30_000).as_bytes());
    let mut said = read_until(&mut stderr, "hwm: LOST ");
    let begun = std::time::Instant::now();
    let mut stdin = child.stdin.take().unwrap();
    while begun.elapsed() < std::time::Duration::from_secs(4) {
        stdin.write_all(line.repeat(10).as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(stdin);
    drop(child.stdout.take());
    stderr.read_to_string(&mut said).unwrap();
    wait(&mut child);
    let lines = said
        .lines()
        .filter(|line| line.contains(" so far: buffer full"));
    let count = lines.clone().count();
    // At once, after a second, and after three.
    assert!((2..=3).contains(&count), "{said}");
    assert!(
        lines
            .clone()
            .all(|line| line.len() <= 80 && !line.contains("producer")),
        "{said}"
    );
}

#[test]
fn programs_hear_of_events_once_an_interval_with_their_number() {
    for mode in ["json", "plain"] {
        // Full and drained again with each burst of the rate limit.
        let args = ["--report", mode, "-i", "0.2", "-B", "4k", "-L", "1M"];
        let done = run(&args, &vec![b'x'; 2 << 20]).expect(0);
        let count_of = |line: &str, key: &str| {
            let number = line.split_once(key).unwrap().1;
            let end = number.find(|c: char| !c.is_ascii_digit()).unwrap();
            number[..end].parse::<u64>().unwrap()
        };
        let (name, key) = match mode {
            "json" => ("\"event\":\"pressured\"", "\"count\":"),
            _ => ("event=pressured", "count="),
        };
        let told: Vec<&str> = done
            .stderr
            .lines()
            .filter(|line| line.contains(name))
            .collect();
        let all: u64 = told.iter().map(|line| count_of(line, key)).sum();
        // Two seconds are ten intervals, and some more on a busy machine.
        let intervals = done
            .stderr
            .lines()
            .filter(|line| !line.contains(key))
            .count();
        assert!(told.len() <= intervals + 2, "{} in {intervals}", told.len());
        assert!(all > 100, "{all}: {}", done.stderr);
        if mode == "json" {
            assert_eq!(all, done.summary().count("pressure_episodes"));
        }
    }
}

#[test]
fn a_display_of_pvs_form_is_silent_where_pv_is_unless_records_are_lost() {
    let silent = ["-p", "-pterb", "-F%b"];
    for option in silent {
        let done = finish(hwm(&[option]).spawn().unwrap(), b"text\n").expect(0);
        assert_eq!(done.stderr, "", "{option}");
    }
    let lossy = ["--when-full", "drop-newest", "-B", "10"];
    let input = b"a record that is too long\n";
    for (option, begin) in [("-p", "hwm: "), ("-nb", "0\nhwm: ")] {
        let child = hwm(&[&lossy[..], &[option]].concat()).spawn().unwrap();
        let done = finish(child, input).expect(0);
        assert!(done.stderr.starts_with(begin), "{}", done.stderr);
        let last = done.stderr.lines().last();
        assert_eq!(last, Some("hwm: LOST 1 record (26 B): too long"));
    }
}

#[test]
fn the_last_bytes_and_the_last_line_follow_the_output() {
    for options in [&[][..], &["--when-full", "drop-oldest"]] {
        let format = ["-f", "-i", "0.02", "-F", "%6A|%9L|"];
        let (mut child, mut stderr) = running(&[options, &format].concat(), b"one\ntwo\nth");
        read_until(
            &mut stderr,
            if options.is_empty() {
                "two.th|two      |\r"
            } else {
                "e.two.|two      |\r"
            },
        );
        child.stdin.as_mut().unwrap().write_all(b"ree\n").unwrap();
        read_until(&mut stderr, "three.|three    |\r");
        drop(child.stdin.take());
        wait(&mut child);
    }
}

#[test]
fn colours_are_for_terminals_unless_forced() {
    let run = |no_color: &str| {
        let child = hwm(&["-f", "-F", "%{sgr:red}%b"])
            .env("NO_COLOR", no_color)
            .spawn()
            .unwrap();
        finish(child, b"").expect(0).stderr
    };
    assert_eq!(run(""), "\u{1b}[31m0.00  B\u{1b}[m\r\n");
    assert_eq!(run("1"), "0.00  B\r\n");
}

#[test]
fn a_plain_line_of_a_change_has_the_state_after_it() {
    // What the limit lets out at once is more than the buffer, which is full again in the same turn.
    let args = ["--report", "plain", "-i", "1h", "-L", "100M"];
    let text = run(&args, &vec![b'x'; 120 << 20]).expect(0).stderr;
    let mut changes = 0;
    for state in ["flowing", "pressured"] {
        let event = format!("event={state} ");
        for line in text.lines().filter(|line| line.contains(&event)) {
            assert!(line.contains(&format!("state={state} ")), "{line}");
            changes += 1;
        }
    }
    assert!(changes > 2, "{text}");
}

#[test]
fn a_time_zone_without_an_end_is_not_read() {
    let zones = [":/dev/zero", "/dev/zero", ":../../../../dev/zero"];
    for zone in zones {
        // What is more than a little too much is enough to see it.
        let mut command = command(&["prlimit", "--as=1000000000"]);
        command.arg(env!("CARGO_BIN_EXE_hwm"));
        command.args(["-fI", "-i", "0.01", "-D", "0", "-s", "1000"]);
        let mut child = command.env("TZ", zone).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&[b'x'; 500]).unwrap();
        let mut stderr = child.stderr.take().unwrap();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0; 500])
            .unwrap();
        let said = read_until(&mut stderr, "FIN ");
        assert!(!said.contains("hwm: "), "{said:?}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = peak.and_then(|line| line.split_whitespace().nth(1));
        let kilobytes: u64 = kilobytes.expect("a peak").parse().unwrap();
        assert!(kilobytes < 100_000, "{zone}: {kilobytes} kB");
        stdin.write_all(b"more").unwrap();
        drop(stdin);
        assert!(wait(&mut child).success(), "{zone}");
    }
}
