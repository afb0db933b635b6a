//! Who else is told: --events, --on-pressure, --on-flow and --lost-to, with real readers, commands and faults.
//! None of them may hold up the data, and what goes wrong with one is a line on stderr.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Account, command, finish, hwm, run, slurp, wait, wait_until};
use serde_json::Value;

/// One event for each byte that comes, and one for each that goes.
const FLAPPING: [&str; 3] = ["-B", "1", "--no-splice"];

fn fifo(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let status = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(status.success());
    path
}

/// A FIFO's reading end, opened before there is a writer.
fn reader_of(path: &Path) -> File {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
    let flags = flags | rustix::fs::OFlags::CLOEXEC;
    let end = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
    rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::empty()).unwrap();
    File::from(end)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn objects(lines: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
    lines.lines().map(parse).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect()
}

/// hwm, which gets a byte that it holds for as long as nobody reads, so that it is pressured.
fn pressured(args: &[&str]) -> Child {
    let mut child = hwm(&[&["-B", "64k"], args].concat()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than the pipes on both sides and the buffer take together.
    std::thread::spawn(move || stdin.write_all(&vec![b'x'; 1 << 20]));
    child
}

// ---- --events -------------------------------------------------------------------------------

#[test]
fn events_are_reported_as_they_happen_each_with_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    std::fs::write(&path, "before\n").unwrap();
    let told = || std::fs::read_to_string(&path).unwrap();
    let child = pressured(&["--events", text(&path), "-N", "x"]);
    wait_until("it is pressured", || told().contains("\"pressured\""));
    // The data flows only now.
    finish(child, b"").expect(0);
    let told = told();
    let events = objects(told.strip_prefix("before\n").expect("appended"));
    let pairs = ["pressured", "flowing"].iter().cycle();
    assert!(events.len() >= 2 && events.len().is_multiple_of(2));
    assert!(pairs.zip(&names(&events)).all(|(a, b)| a == b), "{told}");
    let mut came = 0;
    for event in events {
        assert_eq!(event["name"], "x");
        let account = Account(event);
        let lost = account.lost_in_all("lost_bytes");
        let explained = account.count("out_bytes") + lost + account.count("held_bytes");
        assert_eq!(account.count("in_bytes"), explained);
        assert!(account.count("in_bytes") >= came, "in order");
        came = account.count("in_bytes");
        match account.0["event"] == "pressured" {
            true => assert!(account.count("held_bytes") >= account.count("high_water_bytes")),
            false => assert!(account.count("held_bytes") <= account.count("low_water_bytes")),
        }
    }
}

#[test]
fn every_loss_episode_is_an_event_and_accounts_never_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let args = ["-B", "50", "--when-full", "drop-newest", "--report", "json"];
    let long = format!("{}\nshort\n", "x".repeat(100)).repeat(200);
    let done = run(
        &[&args[..], &["--events", text(&path)]].concat(),
        long.as_bytes(),
    )
    .expect(0);
    let events = objects(&std::fs::read_to_string(path).unwrap());
    let mut told = 0;
    let (mut lost, mut came) = (0, 0);
    for event in events.into_iter().map(Account) {
        told += match event.0["event"].as_str() {
            Some("missed") => event.count("count"),
            Some("loss" | "pressured" | "flowing") => 1,
            other => panic!("{other:?}"),
        };
        assert!(event.lost_in_all("lost_records") >= lost && event.count("in_bytes") >= came);
        (lost, came) = (event.lost_in_all("lost_records"), event.count("in_bytes"));
    }
    let summary = done.summary();
    let changes = 2 * summary.count("pressure_episodes") + summary.count("loss_episodes");
    assert_eq!(told, changes);
    assert!(summary.count("loss_episodes") >= 1);
}

#[test]
fn a_reader_that_is_too_slow_is_reported_how_much_it_missed_and_holds_up_nothing() {
    const BYTES: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path(), "events");
    let mut reader = reader_of(&path);
    let args = ["--report", "json", "--events", text(&path)];
    let mut child = hwm(&[&FLAPPING[..], &args].concat()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| stdin.write_all(&[b'x'; BYTES]).unwrap());
        // All of it, while nobody reads the events.
        stdout.read_exact(&mut [0; BYTES]).unwrap();
    });
    let events = std::thread::spawn(move || {
        let mut events = String::new();
        reader.read_to_string(&mut events).map(|_| events)
    });
    drop(stdin);
    let done = finish(child, b"").expect(0);
    let events = objects(&events.join().unwrap().unwrap());
    let missed: Vec<u64> = events.iter().filter_map(|e| e["count"].as_u64()).collect();
    assert!(!missed.is_empty(), "nothing was missed");
    let told = (events.len() - missed.len()) as u64;
    let changes = 2 * done.summary().count("pressure_episodes");
    assert_eq!(told + missed.iter().sum::<u64>(), changes);
    let first = names(&events).iter().position(|name| *name == "missed");
    assert!(
        first > Some(1000),
        "the inbox and the pipe take more: {first:?}"
    );
}

#[test]
fn a_descriptor_that_the_shell_opened_takes_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let script = r#""$HWM" -B 1 --events /dev/fd/3 3>"$0""#;
    let child = command(&["sh", "-c", script, text(&path)]).spawn().unwrap();
    assert_eq!(finish(child, b"x").expect(0).stdout, b"x");
    let events = objects(&std::fs::read_to_string(path).unwrap());
    assert_eq!(names(&events), ["pressured", "flowing"]);
}

#[test]
fn where_events_cannot_go_is_said_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = fifo(folder.path(), "fifo");
    let below = fifo.join("below");
    for (path, reason) in [
        (text(&fifo), "nobody reads it; start its reader first"),
        (text(folder.path()), "Is a directory"),
        (text(&below), "Not a directory"),
    ] {
        let done = run(&["--events", path], b"x").expect(1);
        let line = format!("hwm: cannot write events to {path} (--events): {reason}\n");
        assert_eq!((done.stderr, done.stdout), (line, Vec::new()));
    }
}

#[test]
fn a_place_that_may_not_be_written_to_is_said_before_the_start() {
    // Whoever runs the test: root without its rights.
    let unprivileged = ["unshare", "-U"];
    if !common::can(&[&unprivileged[..], &["true"]].concat()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    std::fs::set_permissions(&path, mode).unwrap();
    for (option, what) in [
        ("--events", "write events"),
        ("--lost-to", "append lost records"),
    ] {
        let words = [env!("CARGO_BIN_EXE_hwm"), option, text(&path)];
        let child = command(&[&unprivileged[..], &words].concat())
            .spawn()
            .unwrap();
        let done = finish(child, b"").expect(1);
        let path = text(&path);
        let line = format!("hwm: cannot {what} to {path} ({option}): Permission denied\n");
        assert_eq!(done.stderr, line);
    }
}

#[test]
fn events_that_cannot_be_written_are_one_line_and_no_harm() {
    let input = [b'x'; 3000];
    let done = run(
        &[&FLAPPING[..], &["--events", "/dev/full"]].concat(),
        &input,
    )
    .expect(0);
    assert_eq!(done.stdout, input);
    let (error, summary) = done.stderr.split_once('\n').unwrap();
    assert_eq!(
        error,
        "hwm: cannot write events to /dev/full (--events): No space left on device; no more of them are written"
    );
    assert_eq!(summary.lines().count(), 1, "{summary}");
    assert!(summary.ends_with(" events missed\n"), "{summary}");
}

#[test]
fn the_summary_counts_the_events_that_a_stuck_reader_never_got() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path(), "events");
    let mut reader = reader_of(&path);
    let args = ["--report", "json", "--events", text(&path)];
    // Far more than the pipe and the inbox take, and nobody reads before the end.
    let done = run(&[&FLAPPING[..], &args].concat(), &[b'x'; 20_000]).expect(0);
    let mut events = String::new();
    reader.read_to_string(&mut events).unwrap();
    let whole = events.rfind('\n').map_or(0, |end| end + 1);
    let summary = done.summary();
    let changes = 2 * summary.count("pressure_episodes");
    let told: u64 = objects(&events[..whole])
        .iter()
        .map(|event| event["count"].as_u64().unwrap_or(1))
        .sum();
    assert_eq!(told + summary.count("events_missed"), changes);
    assert!(summary.count("events_missed") > 0);
}

#[test]
fn events_and_reports_do_not_go_where_the_data_comes_from_or_goes_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "data\n").unwrap();
    let link = folder.path().join("link");
    std::fs::hard_link(&file, &link).unwrap();
    for (option, what) in [("--events", "write events"), ("--report-to", "report")] {
        let refused = |child: std::process::Child, why: &str| {
            let done = finish(child, b"").expect(1);
            let line = format!(
                "hwm: cannot {what} to {} ({option}): it is also the {why}\n",
                text(&link)
            );
            assert_eq!((done.stderr, done.stdout), (line, Vec::new()));
            assert_eq!(std::fs::read(&file).unwrap(), b"data\n");
        };
        let args = [option, text(&link)];
        refused(
            hwm(&[&args[..], &[text(&file)]].concat()).spawn().unwrap(),
            "input",
        );
        let mut from = hwm(&args);
        let from = from.stdin(File::open(&file).unwrap());
        refused(from.spawn().unwrap(), "input");
        let mut onto = hwm(&args);
        let onto = onto.stdout(File::options().append(true).open(&file).unwrap());
        refused(onto.spawn().unwrap(), "output");
        let with_output = [&args[..], &["-o", text(&file)]].concat();
        refused(hwm(&with_output).spawn().unwrap(), "output");
    }
    for (option, who) in [("--events", "events go"), ("--report-to", "report goes")] {
        let new = folder.path().join(option);
        let args = [option, text(&new), "--lost-to", text(&new)];
        let done = run(&args, b"").expect(1);
        let line = format!(
            "hwm: cannot append lost records to {} (--lost-to): the {who} there too\n",
            text(&new)
        );
        assert_eq!(done.stderr, line);
    }
}

#[test]
fn a_reader_of_events_that_leaves_is_one_line_and_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path(), "events");
    let reader = reader_of(&path);
    let args = [&FLAPPING[..], &["-q", "--events", text(&path)]].concat();
    let mut child = hwm(&args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut errors = child.stderr.take().unwrap();
    stdin.write_all(b"x").unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    drop(reader);
    stdin.write_all(b"x").unwrap();
    let line = format!(
        "hwm: cannot write events to {} (--events): Broken pipe; no more of them are written\n",
        text(&path)
    );
    // While the run goes on: the input has not ended.
    let mut said = vec![0; line.len()];
    errors.read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), line);
    stdin.write_all(b"x").unwrap();
    drop(stdin);
    assert_eq!(slurp(stdout), b"xx");
    assert_eq!(slurp(errors), b"");
    assert_eq!(wait(&mut child).code(), Some(0));
}

// ---- --on-pressure, --on-flow ---------------------------------------------------------------

#[test]
fn a_command_gets_the_account_in_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str| format!("env >'{0}.new' && mv '{0}.new' '{0}'", text(&at(name)));
    let args = ["--on-pressure", &write("full"), "--on-flow", &write("free")];
    let child = pressured(&[&args[..], &["--high-water", "40000", "-N", "a b"]].concat());
    wait_until("it runs", || at("full").exists());
    finish(child, b"").expect(0);
    wait_until("the other runs", || at("free").exists());
    let of = |file: &str, key: &str| {
        let all = std::fs::read_to_string(at(file)).unwrap();
        let value = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned());
        all.lines().find_map(value)
    };
    for (file, state) in [("full", "pressured"), ("free", "flowing")] {
        for (key, value) in [
            ("HWM_EVENT", state),
            ("HWM_STATE", state),
            ("HWM_POLICY", "block"),
            ("HWM_CAPACITY_BYTES", "65536"),
            ("HWM_HIGH_WATER_BYTES", "40000"),
            ("HWM_LOW_WATER_BYTES", "30000"),
            ("HWM_LOST_BYTES", "0"),
            ("HWM_LOSS_EPISODES", "0"),
            ("HWM_NAME", "a b"),
        ] {
            assert_eq!(of(file, key).as_deref(), Some(value), "{key} when {state}");
        }
        let number = |key: &str| of(file, key).unwrap().parse::<u64>().unwrap();
        let (came, went) = (number("HWM_IN_BYTES"), number("HWM_OUT_BYTES"));
        assert_eq!(came, went + number("HWM_HELD_BYTES"));
        assert!(number("HWM_PEAK_HELD_BYTES") >= 40_000 && number("HWM_PRESSURE_EPISODES") >= 1);
        for key in ["HWM_ELAPSED_S", "HWM_PRESSURED_S"] {
            of(file, key).unwrap().parse::<f64>().unwrap();
        }
        // Records are not counted.
        for key in [
            "HWM_IN_RECORDS",
            "HWM_OUT_RECORDS",
            "HWM_LOST_RECORDS",
            "HWM_HELD_RECORDS",
        ] {
            assert_eq!(of(file, key), None, "{key}");
        }
    }
}

#[test]
fn a_command_inherits_no_descriptor_and_no_disposition() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen");
    let script = format!(
        "exec >'{0}.new'; ls -l /proc/$$/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; mv '{0}.new' '{0}'",
        text(&path)
    );
    let events = folder.path().join("events");
    let lost = folder.path().join("lost");
    let args = [
        "--on-pressure",
        &script,
        "--events",
        text(&events),
        "--lost-to",
        text(&lost),
    ];
    let child = pressured(&args);
    wait_until("it runs", || path.exists());
    finish(child, b"").expect(0);
    let seen = std::fs::read_to_string(path).unwrap();
    let descriptors: Vec<(&str, &str)> = seen
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        .map(|(head, target)| (head.rsplit(' ').next().unwrap(), target))
        // What this test itself was started with goes down to everybody.
        .filter(|(number, target)| {
            let own = std::fs::read_link(format!("/proc/self/fd/{number}"));
            ["0", "1", "2"].contains(number) || own.ok() != Some(PathBuf::from(target))
        })
        .collect();
    let [(_, input), (_, output), (_, errors)] = descriptors[..] else {
        panic!("{seen}");
    };
    assert!(
        input == "/dev/null" && output.ends_with("seen.new"),
        "{seen}"
    );
    assert!(errors.starts_with("pipe:"), "hwm's own: {seen}");
    let sets: Vec<u64> = seen
        .lines()
        .filter_map(|line| line.strip_prefix("Sig")?.split_once(":\t"))
        .map(|(_, mask)| u64::from_str_radix(mask, 16).unwrap())
        .collect();
    let sigpipe = 1 << 12;
    assert_eq!(sets.len(), 2, "{seen}");
    assert_eq!(sets[0], 0, "blocked: {seen}");
    assert_eq!(sets[1] & sigpipe, 0, "ignored: {seen}");
}

/// A script that says what it is run for, and then waits for a word in the FIFO.
fn says_and_waits(log: &Path, gate: &Path) -> String {
    let (log, gate) = (text(log), text(gate));
    format!("echo $HWM_EVENT >>'{log}'; read word <'{gate}'")
}

#[test]
fn one_command_runs_at_a_time_and_only_the_newest_change_waits() {
    const BYTES: usize = 500;
    let folder = tempfile::tempdir().unwrap();
    let (log, gate) = (folder.path().join("log"), fifo(folder.path(), "gate"));
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let waits = says_and_waits(&log, &gate);
    let flows = format!("echo $HWM_EVENT $HWM_OUT_BYTES >>'{}'", text(&log));
    let events = folder.path().join("events");
    let args = [
        "--on-pressure",
        &waits,
        "--on-flow",
        &flows,
        "--events",
        text(&events),
    ];
    let mut child = hwm(&[&FLAPPING[..], &args].concat()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(&[b'x'; BYTES]).unwrap();
    // The data does not wait for the command.
    stdout.read_exact(&mut [0; BYTES]).unwrap();
    wait_until("all changes are told", || {
        let last = r#"{"event":"flowing","#;
        let told = std::fs::read_to_string(&events).unwrap();
        let last = told.lines().rfind(|line| line.starts_with(last));
        last.is_some_and(|line| line.contains(&format!("\"out_bytes\":{BYTES},")))
    });
    wait_until("it runs", || said() == "pressured\n");
    std::fs::write(&gate, "go\n").unwrap();
    let all = format!("pressured\nflowing {BYTES}\n");
    wait_until("the newest change is told", || said() == all);
    // Nothing is left of them.
    wait_until("they are reaped", || children(child.id()).is_empty());
    drop(stdin);
    finish(child, b"").expect(0);
    assert_eq!(said(), all);
}

/// The processes, dead ones included, whose parent is `id`.
fn children(id: u32) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|e| std::fs::read_to_string(e.path().join("stat")).ok());
    stats
        .filter(|stat| {
            let (_, behind) = stat.rsplit_once(')').unwrap();
            behind.split_ascii_whitespace().nth(1) == Some(&id.to_string())
        })
        .collect()
}

#[test]
fn a_change_back_while_a_command_runs_is_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (log, gate) = (folder.path().join("log"), fifo(folder.path(), "gate"));
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let args = ["--on-flow", &says_and_waits(&log, &gate)];
    let mut child = hwm(&[&FLAPPING[..], &args].concat()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    for round in 1..=2 {
        stdin.write_all(b"abc").unwrap();
        stdout.read_exact(&mut [0; 3]).unwrap();
        wait_until("it runs", || said() == "flowing\n".repeat(round));
        wait_until("three changes came", || children(child.id()).len() == 1);
        std::fs::write(&gate, "go\n").unwrap();
        wait_until("it ends", || children(child.id()).is_empty());
    }
    drop(stdin);
    finish(child, b"").expect(0);
}

#[test]
fn a_command_that_does_not_end_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (log, gate) = (folder.path().join("log"), fifo(folder.path(), "gate"));
    let script = format!(
        "{}; echo $word >>'{}'",
        says_and_waits(&log, &gate),
        text(&log)
    );
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let args = ["-q", "--on-flow", &script];
    let mut child = hwm(&[&FLAPPING[..], &args].concat());
    // Or the command would keep the test's pipe open.
    let mut child = child.stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"x").unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    wait_until("it was run", || said() == "flowing\n");
    std::fs::write(&gate, "alive\n").unwrap();
    wait_until("it goes on", || said() == "flowing\nalive\n");
}

#[test]
fn a_command_that_fails_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("count");
    for (script, how) in [
        ("exit 3", "exit status 3"),
        ("kill -9 $$", "killed by signal 9"),
    ] {
        let counting = format!("echo >>'{}'; {script}", text(&path));
        let args = [&FLAPPING[..], &["-q", "--on-flow", &counting]].concat();
        std::fs::write(&path, "").unwrap();
        let mut child = hwm(&args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for round in 1..=3 {
            stdin.write_all(b"x").unwrap();
            let runs = || std::fs::read(&path).unwrap().len();
            wait_until("it is run", || runs() == round);
            wait_until("it ends", || children(child.id()).is_empty());
        }
        drop(stdin);
        let done = finish(child, b"").expect(0);
        let line = format!("hwm: --on-flow '{counting}' failed: {how}\n");
        assert_eq!((done.stdout, done.stderr), (b"xxx".to_vec(), line));
    }
}

#[test]
fn a_command_that_cannot_be_started_is_one_line_and_no_harm() {
    let hwm = env!("CARGO_BIN_EXE_hwm");
    let words = [
        "env",
        "PATH=/nowhere",
        hwm,
        "-B",
        "1",
        "-q",
        "--on-pressure",
        "true",
    ];
    let child = command(&words).spawn().unwrap();
    let done = finish(child, b"xyz").expect(0);
    let line = "hwm: cannot run --on-pressure 'true': No such file or directory\n";
    assert_eq!((done.stdout, done.stderr.as_str()), (b"xyz".to_vec(), line));
}

// ---- --lost-to ------------------------------------------------------------------------------

/// What `--lost-to` did not keep of what was lost, by the summary.
#[track_caller]
fn unkept(account: &Account) -> (u64, u64) {
    for unit in ["records", "bytes"] {
        let kept = account.count(&format!("spilled_{unit}"));
        let unkept = account.count(&format!("unspilled_{unit}"));
        let lost = account.lost_in_all(&format!("lost_{unit}"));
        assert_eq!(kept + unkept, lost, "{unit} of {}", account.0);
    }
    account.assert_balanced();
    let of = |unit: &str| account.count(&format!("unspilled_{unit}"));
    (of("records"), of("bytes"))
}

#[test]
fn what_comes_out_and_what_is_lost_are_together_what_came_in() {
    for policy in ["drop-newest", "drop-oldest", "sample"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lost");
        std::fs::write(&path, "before\n").unwrap();
        let input = common::log(20_000);
        let args = ["-B", "64k", "--when-full", policy, "--report", "json"];
        let mut child = hwm(&[&args[..], &["--lost-to", text(&path)]].concat())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // All of it, while nobody reads; in pieces, so that what is lost has time to be written.
        for piece in input.chunks(50_000) {
            stdin.write_all(piece).unwrap();
            std::thread::yield_now();
        }
        drop(stdin);
        let done = finish(child, b"").expect(0);
        let account = done.summary();
        assert!(account.lost_in_all("lost_records") > 1_000, "{policy}");
        let kept = std::fs::read(&path).unwrap();
        let kept = kept.strip_prefix(b"before\n").expect("appended");
        common::assert_subsequence(&input, kept);
        let records = common::lines(kept).len() as u64;
        assert_eq!(records, account.count("spilled_records"), "{policy}");
        assert_eq!(
            kept.len() as u64,
            account.count("spilled_bytes"),
            "{policy}"
        );
        let (missing, _) = unkept(&account);
        let mut all: Vec<&[u8]> = [common::lines(&done.stdout), common::lines(kept)].concat();
        all.sort_unstable();
        let mut came = common::lines(&input);
        came.sort_unstable();
        assert!(missing > 0 || all == came, "{policy}: other records");
    }
}

#[test]
fn records_too_long_for_the_buffer_are_kept_whole_up_to_4_mebibytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost");
    let long = |letter: &str, length: usize| format!("{}\n", letter.repeat(length));
    let (one, two) = (long("a", 1 << 20), long("b", 5 << 20));
    let input = format!("short\n{one}{two}short\ntail {}", "c".repeat(1000));
    let args = [
        "-B",
        "500",
        "--when-full",
        "drop-newest",
        "--report",
        "json",
    ];
    let child = hwm(&[&args[..], &["--lost-to", text(&path)]].concat())
        .spawn()
        .unwrap();
    let done = finish(child, input.as_bytes()).expect(0);
    assert_eq!(done.stdout, b"short\nshort\n");
    let tail = format!("tail {}\n", "c".repeat(1000));
    assert!(std::fs::read_to_string(&path).unwrap() == one + &tail);
    assert_eq!(unkept(&done.summary()), (1, two.len() as u64));
}

#[test]
fn what_was_held_or_unread_when_the_consumer_left_is_kept_from_the_first_record_that_was_not_read_whole()
 {
    for policy in ["block", "drop-newest"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lost");
        let args = ["-B", "16M", "--when-full", policy, "--report", "json"];
        let mut child = hwm(&[&args[..], &["--lost-to", text(&path)]].concat())
            .spawn()
            .unwrap();
        let input = common::log(40_000);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&input).unwrap();
        drop(stdin);
        // hwm puts /dev/null there when it has read to the end.
        let stdin = format!("/proc/{}/fd/0", child.id());
        let null = Path::new("/dev/null");
        wait_until("all is read", || {
            std::fs::read_link(&stdin).is_ok_and(|path| path == null)
        });
        let mut stdout = child.stdout.take().unwrap();
        let mut read = [0; 12_345];
        stdout.read_exact(&mut read).unwrap();
        drop(stdout);
        let done = finish(child, b"").expect(141);
        let account = done.summary();
        let kept = std::fs::read(&path).unwrap();
        assert_eq!(unkept(&account), (0, 0), "{policy}: {}", account.0);
        assert_eq!(account.count("out_bytes"), read.len() as u64);
        let whole = read.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        assert!(kept == input[whole..], "{policy}: {}", account.0);
    }
}

#[test]
fn a_lost_tail_gets_the_delimiter_that_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost");
    let args = [
        "-0v",
        "-B",
        "4",
        "--when-full",
        "drop-newest",
        "--lost-to",
        text(&path),
    ];
    for tail in ["one tail", "another"] {
        let done = run(&args, format!("abc\0{tail}").as_bytes()).expect(0);
        assert_eq!(done.stdout, b"abc\0");
        assert!(
            done.stderr
                .contains(&format!("kept 1 of 1 lost record ({} B)\n", tail.len())),
            "{}",
            done.stderr
        );
    }
    assert_eq!(std::fs::read(path).unwrap(), b"one tail\0another\0");
}

#[test]
fn a_file_for_lost_records_that_takes_nothing_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path(), "lost");
    let mut reader = reader_of(&path);
    let input = format!("{}\n", "x".repeat(99)).repeat(200_000);
    let args = ["-B", "50", "--when-full", "drop-newest", "--report", "json"];
    let child = hwm(&[&args[..], &["--lost-to", text(&path)]].concat())
        .spawn()
        .unwrap();
    let done = finish(child, input.as_bytes()).expect(0);
    let account = done.summary();
    let (unkept, _) = unkept(&account);
    // It ended with what waited unwritten, and only what the pipe took is kept.
    let mut kept = Vec::new();
    reader.read_to_end(&mut kept).unwrap();
    assert_eq!(kept.len() as u64 / 100, account.count("spilled_records"));
    assert!(unkept >= 200_000 - 1_000, "{unkept}");
    assert!(kept.starts_with(&input.as_bytes()[..100]));
}

#[test]
fn lost_records_that_cannot_be_written_are_one_line_and_no_harm() {
    let input = format!("{}\nok\n", "x".repeat(99)).repeat(1_000);
    let args = ["-B", "50", "--when-full", "drop-newest", "--report", "json"];
    let done = run(
        &[&args[..], &["--lost-to", "/dev/full"]].concat(),
        input.as_bytes(),
    )
    .expect(0);
    assert_eq!(
        unkept(&done.summary()).0,
        done.summary().lost_in_all("lost_records")
    );
    let lines: Vec<&str> = done
        .stderr
        .lines()
        .filter(|l| l.starts_with("hwm"))
        .collect();
    assert_eq!(
        lines,
        [
            "hwm: cannot append lost records to /dev/full (--lost-to): No space left on device; no more of them are kept"
        ]
    );
}

#[test]
fn a_reader_of_lost_records_that_leaves_is_one_line_and_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path(), "lost");
    let mut reader = reader_of(&path);
    let args = [
        "-q",
        "-B",
        "4",
        "--when-full",
        "drop-newest",
        "--lost-to",
        text(&path),
    ];
    let mut child = hwm(&args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"the first\n").unwrap();
    let mut first = [0; 10];
    wait_until("it comes", || reader.read(&mut first).unwrap() == 10);
    drop(reader);
    stdin.write_all(b"too long\n").unwrap();
    let line = format!(
        "hwm: cannot append lost records to {} (--lost-to): Broken pipe; no more of them are kept\n",
        text(&path)
    );
    // While the run goes on.
    let mut said = vec![0; line.len()];
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), line);
    stdin.write_all(b"too long\nabc\n").unwrap();
    drop(stdin);
    let done = finish(child, b"").expect(0);
    assert_eq!((done.stdout, done.stderr.as_str()), (b"abc\n".to_vec(), ""));
}

#[test]
fn where_lost_records_cannot_go_is_said_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "data\n").unwrap();
    let link = folder.path().join("link");
    std::fs::hard_link(&file, &link).unwrap();
    let fifo = fifo(folder.path(), "fifo");
    for (path, reason) in [
        (text(&fifo), "nobody reads it; start its reader first"),
        (text(folder.path()), "Is a directory"),
        (text(&link), "it is also the input"),
    ] {
        let args = ["--when-full", "drop-newest", "--lost-to", path, text(&file)];
        let done = run(&args, b"").expect(1);
        let line = format!("hwm: cannot append lost records to {path} (--lost-to): {reason}\n");
        assert_eq!((done.stderr, done.stdout), (line, Vec::new()));
    }
    let args = ["--when-full", "drop-newest", "--lost-to", text(&link)];
    let mut onto = hwm(&args);
    let onto = onto.stdout(File::options().append(true).open(&file).unwrap());
    let done = finish(onto.spawn().unwrap(), b"").expect(1);
    assert!(
        done.stderr.ends_with("it is also the output\n"),
        "{}",
        done.stderr
    );
    let mut from = hwm(&args);
    let from = from.stdin(File::open(&file).unwrap());
    let done = finish(from.spawn().unwrap(), b"").expect(1);
    assert!(
        done.stderr.ends_with("it is also the input\n"),
        "{}",
        done.stderr
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"data\n");
}
