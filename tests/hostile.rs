//! Systems that refuse: a full disk, few descriptors, little memory, no threads, no /proc, streams of
//! another user. Each run ends well, or by one line and a status, and nothing accepted is lost.

mod common;

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Finished, can, command, finish, log, raw_terminal, wait};

const POLICIES: [&str; 3] = ["block", "fail", "drop-oldest"];

/// Nobody's processes but ours: the limit on processes counts them all.
const USER: &str = "64321";
const AS_USER: [&str; 6] = as_user(USER);

const fn as_user(user: &'static str) -> [&'static str; 6] {
    [
        "setpriv",
        "--reuid",
        user,
        "--regid",
        user,
        "--clear-groups",
    ]
}

/// One line, as the contract has it for everything that goes wrong.
#[track_caller]
fn expect_one_line(done: &Finished) {
    let is_ours = done.stderr.starts_with("hwm: ");
    assert!(
        is_ours && done.stderr.lines().count() == 1,
        "{}",
        done.stderr
    );
}

/// The run went well, or it failed by one line, and what came out is how `input` begins. Returns
/// whether it went well.
#[track_caller]
fn expect_all_or_one_line(done: &Finished, input: &[u8]) -> bool {
    match done.code() {
        0 => assert!(
            done.stdout == input && done.stderr.is_empty(),
            "{}",
            done.stderr
        ),
        1 => {
            expect_one_line(done);
            assert!(input.starts_with(&done.stdout));
        }
        other => panic!("{other}: {}", done.stderr),
    }
    done.code() == 0
}

#[test]
fn a_full_disk_is_a_write_error_that_tells_where() {
    // Not /tmp itself: hwm may lie there.
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().to_str().unwrap();
    if !can(&["unshare", "-m", "mount", "-t", "tmpfs", "none", disk]) {
        return;
    }
    let input = log(10_000);
    // What reached the disk comes back by stdout.
    let script = r#"mount -t tmpfs -o size=100k none "$0" || exit
                    "$HWM" --report json "$@" >"$0/out"; status=$?; cat "$0/out"; exit $status"#;
    for policy in POLICIES {
        let words = ["unshare", "-m", "bash", "-c", script, disk];
        let mut command = command(&words);
        command.args(["--when-full", policy, "-B", "64M"]);
        let done = finish(command.spawn().unwrap(), &input).expect(1);
        let count = done.stdout.len();
        let at = highwater::units::grouped(count as u64);
        let line = format!(
            "hwm: cannot write stdout: No space left on device (after {at} bytes of output)\n{{"
        );
        assert!(done.stderr.starts_with(&line), "{policy}: {}", done.stderr);
        assert!(count > 0 && input.starts_with(&done.stdout), "{policy}");
        let account = done.summary();
        let lost = account.lost_in_all("lost_bytes");
        assert_eq!(account.count("out_bytes"), count as u64);
        assert_eq!(account.count("in_bytes"), count as u64 + lost);
    }
}

#[test]
fn a_fifo_open_for_reading_is_no_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let (_fifo, reader) = root_fifo(folder.path());
    let child = common::hwm(&[]).stdout(reader).spawn().unwrap();
    let done = finish(child, b"data\n").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: stdout is not open for writing; redirect it (>), or use -o or -X\n"
    );
}

/// A FIFO that only its owner may open, open both ways and for reading.
fn root_fifo(folder: &Path) -> (File, File) {
    let path = folder.join("fifo");
    assert!(can(&["mkfifo", "-m", "600", path.to_str().unwrap()]));
    let both_ways = File::options().read(true).write(true).open(&path).unwrap();
    (both_ways, File::open(&path).unwrap())
}

#[test]
fn few_descriptors_are_enough_or_an_error_line() {
    let input = log(500);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("in"), &input).unwrap();
    let mut ended_well = Vec::new();
    // With none beside the standard ones no program could even be loaded.
    for limit in 4..24 {
        let limit = format!("ulimit -n {limit}; exec \"$HWM\" -q -B 1M \"$@\"");
        let run = |args: &[&str]| {
            let mut command = command(&["bash", "-c", &limit, "bash"]);
            command.args(args);
            command
        };
        let through_pipes = run(&[]).spawn().unwrap();
        let from_a_file = run(&["--when-full", "drop-oldest", &at("in")])
            .spawn()
            .unwrap();
        let to_a_file = run(&[])
            .stdout(File::create(at("out")).unwrap())
            .spawn()
            .unwrap();
        let mut to_a_file = finish(to_a_file, &input);
        to_a_file.stdout = std::fs::read(at("out")).unwrap();
        ended_well.extend([
            expect_all_or_one_line(&finish(through_pipes, &input), &input),
            expect_all_or_one_line(&finish(from_a_file, b""), &input),
            expect_all_or_one_line(&to_a_file, &input),
        ]);
    }
    assert!(ended_well.contains(&false) && ended_well.ends_with(&[true; 3]));
}

#[test]
fn little_memory_is_enough_or_an_error_line() {
    if !can(&["prlimit", "--as=100000000", "true"]) {
        return;
    }
    let input = log(20_000);
    let mut ended_well = Vec::new();
    let least = least_memory(1);
    for more in (0..4_000).step_by(100).chain([64_000]) {
        let command = &mut limited(least + more, &["-q", "-B", "1G", "--no-splice"]);
        let done = stalled(command, &input);
        ended_well.push(expect_all_or_one_line(&done, &input));
        if let Some((_, after)) = done.stderr.split_once("(after ") {
            let count = done.stdout.len();
            assert_eq!(
                after,
                format!("{count} bytes of input)\n"),
                "{}",
                done.stderr
            );
        }
    }
    assert!(ended_well.contains(&false) && ended_well.ends_with(&[true]));
}

/// hwm where it may have so many kilobytes of addresses.
fn limited(kilobytes: usize, args: &[&str]) -> Command {
    let limit = format!("--as={}", kilobytes << 10);
    let mut command = command(&["prlimit", &limit]);
    command.arg(env!("CARGO_BIN_EXE_hwm")).args(args);
    command
}

/// The fewest kilobytes with which hwm ends by a status of its own, to so many: with less the system's
/// loader ends it, or Rust's runtime.
fn least_memory(step: usize) -> usize {
    let code = |kilobytes: usize| {
        let mut command = limited(kilobytes, &["--version"]);
        command.output().unwrap().status.code()
    };
    let ends = |kilobytes: &usize| matches!(code(*kilobytes), Some(0 | 1));
    let about = (1_000..100_000).step_by(500).find(ends).unwrap();
    (about - 500..=about)
        .step_by(step.max(20))
        .find(ends)
        .unwrap_or(about)
}

/// What takes memory in proportion to the data, each by another way.
const HOLDERS: [&str; 12] = [
    "--when-full block",
    "--when-full fail",
    "--when-full drop-newest --mark",
    "--when-full drop-oldest --max-age 10ms --mark",
    "--when-full drop-buffer",
    "--when-full latest",
    "--when-full sample --high-water 0",
    "--when-full sample --sample reservoir=100000/60s --high-water 0",
    "--when-full sample --sample reservoir=1000000/1ms --high-water 0",
    "--when-full priority --priority 7 --priority [a-z]+.*9 --high-water 0",
    "--when-full red",
    "--block-timeout 10ms --then drop-oldest",
];

/// And what tells of it.
const TELLERS: [&str; 11] = [
    "-q",
    "--report plain -i 0.01",
    "--report json -i 0.01",
    "--report json --report-to D/report -i 0.01",
    "-f -i 0.01",
    "-fpterbI -i 0.01",
    "-q --events D/events",
    "-q --on-pressure : --on-flow :",
    "-q --metrics-file D/metrics -i 0.01",
    "-q --lost-to D/lost",
    "-v -f --events D/events --lost-to D/lost --metrics-file D/metrics --on-flow :",
];

/// `HWM_MEMORY_LIMITS` is how many limits each pair is tried with, instead of three.
#[test]
fn at_every_limit_of_memory_the_end_is_a_status_and_never_an_abort() {
    if !can(&["prlimit", "--as=100000000", "true"]) {
        return;
    }
    let typed = std::env::var("HWM_MEMORY_LIMITS").ok();
    let tries: usize = typed.map_or(3, |count| count.parse().expect("a number"));
    let input = log(10_000);
    let least = least_memory(20);
    let pairs: Vec<(&str, &str)> = HOLDERS
        .iter()
        .flat_map(|holder| TELLERS.iter().map(|teller| (*holder, *teller)))
        .collect();
    let codes = std::sync::Mutex::new([0; 2]);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some((holder, teller)) =
            pairs.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        {
            let pair = holder.len() * 31 + teller.len() * 17;
            for number in 0..tries {
                // Spread over 12 MB, each pair over others.
                let more = (12_000 * number / tries + pair * 37) % 12_000;
                let size = if number % 3 == 2 { "100k" } else { "1G" };
                let code = expect_status(least + more, &[holder, teller, "-C -B", size], &input);
                codes.lock().unwrap()[code as usize] += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
    let [well, failed] = codes.into_inner().unwrap();
    // Both were met, or the limits say nothing.
    assert!(
        well > pairs.len() / 4 && failed > pairs.len() / 4,
        "{well}, {failed}"
    );
}

/// Runs hwm with these words. Returns 0 or 1.
#[track_caller]
fn expect_status(kilobytes: usize, words: &[&str], input: &[u8]) -> i32 {
    let folder = tempfile::tempdir().unwrap();
    let words = words
        .join(" ")
        .replace("D/", &format!("{}/", folder.path().display()));
    let args: Vec<&str> = words.split(' ').collect();
    let done = stalled(&mut limited(kilobytes, &args), input);
    let (code, said) = (done.code(), &done.stderr);
    assert!(
        matches!(code, 0 | 1 | 4),
        "{code}: {words} with {kilobytes} kB: {said}"
    );
    // What blocks is cut at a byte, what loses records at one of them.
    let is_lossy = !["block", "fail"].iter().any(|name| words.contains(name));
    let whole = memchr::memrchr(b'\n', &done.stdout).map_or(0, |last| last + 1);
    let whole = if is_lossy { done.stdout.len() } else { whole };
    let marked = done.stdout[..whole].split_inclusive(|byte| *byte == b'\n');
    let records = marked.filter(|record| !record.starts_with(b"hwm: "));
    common::assert_subsequence(input, &records.collect::<Vec<_>>().concat());
    let errors = said.lines().filter(|line| line.starts_with("hwm: cannot "));
    let errors: Vec<_> = errors.collect();
    if code == 1 {
        assert!(!errors.is_empty(), "{words} with {kilobytes} kB: {said}");
    }
    if words.starts_with("--when-full block -q") {
        assert_eq!(
            errors.len(),
            code as usize,
            "{words} with {kilobytes} kB: {said}"
        );
    }
    code.min(1)
}

#[test]
fn a_buffer_that_the_control_group_would_not_survive_is_named_at_the_start() {
    if !can(&[
        "unshare",
        "-m",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/sys/fs/cgroup",
    ]) {
        return;
    }
    // For either version, wherever the group of the test is.
    let script = r#"mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory || exit
                    for file in memory.max memory/memory.limit_in_bytes; do
                        echo "$0" >/sys/fs/cgroup/$file || exit
                    done
                    exec "$HWM" "$@""#;
    let run = |limit: &str, args: &[&str]| {
        let mut command = command(&["unshare", "-m", "bash", "-c", script, limit]);
        command.args(args);
        let done = finish(command.spawn().unwrap(), b"data\n").expect(0);
        assert_eq!(done.stdout, b"data\n");
        done.stderr
    };
    let summary = ["--report", "summary"];
    let said = run("1000000", &[&summary[..], &["-B", "1M"]].concat());
    let warning = "hwm: the buffer may grow to 1.00MiB (-B), and the kernel kills what uses more than \
                   977KiB here (/sys/fs/cgroup/";
    assert!(said.starts_with(warning), "{said}");
    assert_eq!(said.matches("kernel").count(), 1, "{said}");
    assert!(
        said.lines().last().unwrap().starts_with("hwm: 5 B in "),
        "{said}"
    );
    // Also where nobody gave a size.
    assert!(run("1000000", &["-p"]).contains("4.00MiB (-B)"));
    for (limit, args) in [
        ("1000000", &["-q", "-B", "1M"][..]),
        ("1000000", &["-p", "-B", "900k"]),
        ("max", &["-p", "-B", "1T"]),
    ] {
        assert_eq!(run(limit, args), "", "{args:?}");
    }
}

/// Runs `command` with `input` from a file and a consumer that begins late, so that hwm holds much.
fn stalled(command: &mut Command, input: &[u8]) -> Finished {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let child = command.stdin(file).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    finish(child, b"")
}

#[test]
fn without_threads_errors_are_still_reported() {
    if !can(&[&AS_USER[..], &["true"]].concat()) {
        return;
    }
    let home = open_to_all();
    let run = |args: &[&str]| {
        let mut command = command(&[&["prlimit", "--nproc=1"], &AS_USER[..]].concat());
        command.arg(home.path().join("hwm")).args(args);
        command
    };
    // Pipes need no thread, and a summary that nobody has to be waited for needs none either.
    let done = finish(run(&[]).spawn().unwrap(), b"data\n").expect(0);
    assert_eq!(done.stdout, b"data\n");
    assert!(done.stderr.starts_with("hwm: 5 B in "), "{}", done.stderr);
    for mode in ["none", "json", "bar"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = run(&["--report", mode]).stdout(full).spawn().unwrap();
        let done = finish(child, b"data\n").expect(1);
        assert_eq!(
            done.stderr,
            "hwm: cannot write stdout: No space left on device (after 0 bytes of output)\n"
        );
    }
    // Another user's terminal cannot be opened again, and serving it takes a thread.
    let (_screen, terminal) = raw_terminal();
    let done = finish(run(&["-q"]).stdout(terminal).spawn().unwrap(), b"data\n").expect(1);
    expect_one_line(&done);
}

/// A folder that all may read, with hwm in it: a checkout may be its owner's alone.
fn open_to_all() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    copy_program(env!("CARGO_BIN_EXE_hwm").as_ref(), &home.path().join("hwm"));
    home
}

/// By another process: who starts one at the same time in this one would hand down the copy, open for
/// writing, and so it could not be run for a moment.
fn copy_program(from: &Path, to: &Path) {
    let done = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

#[test]
fn without_proc_everything_passes() {
    if !can(&["unshare", "-m", "mount", "-t", "tmpfs", "none", "/proc"]) {
        return;
    }
    let script = r#"mount -t tmpfs none /proc && exec "$HWM" "$@""#;
    everything_passes(&["unshare", "-m", "bash", "-c", script, "bash"]);
}

#[test]
fn the_streams_of_another_user_pass() {
    if !can(&[&AS_USER[..], &["true"]].concat()) {
        return;
    }
    let home = open_to_all();
    let program = home.path().join("hwm").to_str().unwrap().to_owned();
    everything_passes(&[&AS_USER[..], &[&program]].concat());
}

/// Through pipes, a FIFO and terminals that cannot be opened again, by every policy; also a stop, a
/// continuation and an end by a signal. `words` is a command that becomes hwm.
fn everything_passes(words: &[&str]) {
    let run = |args: &[&str]| {
        let mut command = command(words);
        command.args(args);
        command
    };
    let input = log(2_000);
    for policy in POLICIES {
        let args = ["-q", "--when-full", policy, "-B", "64M"];
        let done = finish(run(&args).spawn().unwrap(), &input).expect(0);
        assert!(done.stdout == input, "{policy}");
        let terminals = ["-q", "--when-full", policy, "-S", "-s", "5000"];
        let text: Vec<u8> = b"a line of ten\n"
            .iter()
            .copied()
            .cycle()
            .take(5_000)
            .collect();
        through_terminals(&mut run(&terminals), &text);
    }
    // More than the pipes of its own hold, so that bytes are both spliced and copied.
    let large = log(200_000);
    assert!(large.len() > 8 << 20);
    for road in [
        &["-q", "-B", "64M"][..],
        &["-q", "-B", "64M", "--no-splice"],
    ] {
        let done = stalled(&mut run(road), &large).expect(0);
        assert!(done.stdout == large, "{road:?}");
    }

    let folder = tempfile::tempdir().unwrap();
    let (mut fifo, reader) = root_fifo(folder.path());
    let mut child = run(&["--report", "json"]).stdin(reader).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut relays = || {
        fifo.write_all(b"data\n").unwrap();
        stdout.read_exact(&mut [0; 5]).unwrap();
    };
    relays();
    for (name, state) in [("-TSTP", "T"), ("-CONT", "S")] {
        let id = child.id();
        assert!(can(&["kill", name, &id.to_string()]));
        common::wait_until("it heeds a signal", || {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with(state)
        });
    }
    relays();
    common::signal(&child, 15);
    let account = finish(child, b"").expect(128 + 15).summary();
    assert_eq!(
        (account.count("in_bytes"), account.count("out_bytes")),
        (10, 10)
    );
}

/// Their flags and settings stay as they were.
fn through_terminals(command: &mut Command, text: &[u8]) {
    let (typist, stdin) = raw_terminal();
    let (screen, stdout) = raw_terminal();
    let state = |terminal: &OwnedFd| {
        let settings = rustix::termios::tcgetattr(terminal).unwrap();
        let flags = rustix::fs::fcntl_getfl(terminal).unwrap();
        format!("{flags:?} {settings:?}")
    };
    let before = (state(&stdin), state(&stdout));
    command.stdin(stdin.try_clone().unwrap());
    command.stdout(stdout.try_clone().unwrap());
    let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
    let mut seen = vec![0; text.len()];
    std::thread::scope(|scope| {
        scope.spawn(|| File::from(typist.try_clone().unwrap()).write_all(text));
        let mut screen = File::from(screen.try_clone().unwrap());
        screen.read_exact(&mut seen).unwrap();
    });
    assert_eq!(wait(&mut child).code(), Some(0));
    assert!(seen == text);
    assert_eq!((state(&stdin), state(&stdout)), before);
}

/// Takes all the pipe memory that the kernel gives to one user, and holds it until stdin ends.
#[test]
#[ignore = "the other side of without_pipe_memory_bytes_are_copied"]
fn hold_pipes() {
    let pipes: Vec<_> = (0..70)
        .map(|_| {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            // Refused when the limit is reached; from then on pipes are tiny.
            let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
            (reader, writer)
        })
        .collect();
    let last = rustix::pipe::fcntl_getpipe_size(&pipes[pipes.len() - 1].1).unwrap();
    writeln!(std::io::stdout(), "held; the last has {last} bytes").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn without_pipe_memory_bytes_are_copied() {
    // Another user, for this one's processes would count there.
    const AS_HOLDER: [&str; 6] = as_user("64322");
    if !can(&[&AS_HOLDER[..], &["true"]].concat()) {
        return;
    }
    let home = open_to_all();
    let holder = home.path().join("holder");
    copy_program(&std::env::current_exe().unwrap(), &holder);
    let mut holder = command(&AS_HOLDER)
        .arg(holder)
        .args(["hold_pipes", "--ignored", "--exact", "--nocapture"])
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut from_holder = holder.stdout.take().unwrap();
    while !told.contains("bytes\n") {
        let mut some = [0; 4096];
        let count = from_holder.read(&mut some).unwrap();
        assert!(count > 0, "{told}");
        told += std::str::from_utf8(&some[..count]).unwrap();
    }
    assert!(
        told.contains("has 4096 bytes") || told.contains("has 8192 bytes"),
        "{told}"
    );

    let input = log(100_000);
    let mut command = command(&AS_HOLDER);
    command
        .arg(home.path().join("hwm"))
        .args(["-B", "1M", "--report", "json"]);
    let done = stalled(&mut command, &input).expect(0);
    assert!(done.stdout == input);
    assert_eq!(done.summary().count("peak_held_bytes"), 1 << 20);
    drop((holder.stdin.take(), from_holder));
    wait(&mut holder);
}
