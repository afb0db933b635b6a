//! Sandboxes and old kernels: each system call that hwm can do without is refused, with every error that
//! stands for that, and nothing but the time it takes may differ.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Finished, can, command, finish, log};

/// Not built in, forbidden by a filter of one kind or another, and not for this.
const REFUSALS: [&str; 4] = ["ENOSYS", "EPERM", "EACCES", "EINVAL"];

/// Ways through hwm, and what each is for.
const PATHS: [(&str, &[&str]); 6] = [
    ("straight and by its own pipes", &[]),
    ("by its own pipes", &["-L", "100M"]),
    ("by memory, kept as pages", &["-l"]),
    ("by memory", &["-C"]),
    (
        "record by record",
        &["--when-full", "drop-oldest", "-B", "64M"],
    ),
    ("fail", &["--when-full", "fail", "-B", "64M"]),
];

/// hwm under strace, which refuses `call` as `how` says and notes the refusals in the file `notes`.
fn refusing(call: &str, how: &str, notes: &Path, arguments: &[&str]) -> Command {
    let mut command = command(&["strace", "-f", "-qq", "-o"]);
    command.arg(notes);
    command.args(["-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:{how}")]);
    command.arg(env!("CARGO_BIN_EXE_hwm")).args(arguments);
    command
}

fn refused(notes: &Path) -> usize {
    let text = fs::read_to_string(notes).unwrap();
    text.matches("(INJECTED)").count()
}

#[track_caller]
fn expect_all(done: Finished, input: &[u8], what: &str) {
    assert_eq!(done.code(), 0, "{what}: {}", done.stderr);
    assert_eq!(done.stderr, "", "{what}");
    assert!(
        done.stdout == input,
        "{what}: {} of {} bytes",
        done.stdout.len(),
        input.len()
    );
}

fn can_refuse() -> bool {
    can(&["strace", "-e", "inject=splice:error=EPERM", "true"])
}

/// Every path with pipes at both sides, once for each error; returns how many calls were refused.
fn relays_without(call: &str, when: &str) -> usize {
    let input = log(3000);
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    let mut sum = 0;
    for error in REFUSALS {
        for (path, arguments) in PATHS {
            let how = format!("error={error}{when}");
            let arguments = [arguments, &["-q"]].concat();
            let mut command = refusing(call, &how, &notes, &arguments);
            let done = finish(command.spawn().unwrap(), &input);
            expect_all(done, &input, &format!("{call} {how}, {path}"));
            sum += refused(&notes);
        }
    }
    sum
}

#[test]
fn what_moves_bytes_cheaply_may_be_refused() {
    if !can_refuse() {
        return;
    }
    for call in ["splice", "tee", "preadv2", "pwritev2"] {
        assert!(relays_without(call, "") > 0, "{call} is not used");
    }
}

#[test]
fn what_was_allowed_may_be_refused_later() {
    if !can_refuse() {
        return;
    }
    for when in [":when=2+", ":when=3+", ":when=4", ":when=6+"] {
        relays_without("splice", when);
    }
    for call in ["tee", "preadv2", "pwritev2"] {
        relays_without(call, ":when=2+");
    }
}

#[test]
fn all_of_them_may_be_refused_at_once() {
    if !can_refuse() {
        return;
    }
    let calls = "splice,tee,vmsplice,preadv2,pwritev2,eventfd2,prlimit64,fstatfs,getsockopt,statx,\
                 timerfd_create,timerfd_settime";
    assert!(relays_without(calls, "") > 0);
}

/// What the loader and Rust do before hwm begins needs these, and so does everything else.
const VITAL: [&str; 16] = [
    "access",
    "arch_prctl",
    "brk",
    "close",
    "execve",
    "exit_group",
    "mmap",
    "mprotect",
    "munmap",
    "newfstatat",
    "openat",
    "poll",
    "pread64",
    "read",
    "rt_sigaction",
    "write",
];

/// Whatever is refused, optional or not: a run that cannot be says why, and ends as one that failed.
#[test]
fn a_refused_call_neither_aborts_a_run_nor_makes_it_hang_or_report_wrongly() {
    if !can_refuse() {
        return;
    }
    let input = log(3000);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (notes, from, to) = (at("notes"), at("from"), at("to"));
    fs::write(&from, &input).unwrap();
    let by_files = ["-o", to.to_str().unwrap(), from.to_str().unwrap()];
    let ways: [&[&str]; 4] = [
        &[],
        &["-l"],
        &["--when-full", "drop-oldest", "-B", "64M"],
        &by_files,
    ];
    for way in ways {
        let traced = refusing("all", "delay_enter=0", &notes, &[&["-q"], way].concat());
        // Only what is done at all.
        let mut traced = traced;
        finish(traced.spawn().unwrap(), &input).expect(0);
        let text = fs::read_to_string(&notes).unwrap();
        let name = |line: &str| {
            Some(
                line.split_whitespace()
                    .nth(1)?
                    .split_once('(')?
                    .0
                    .to_owned(),
            )
        };
        let mut calls: Vec<String> = text.lines().filter_map(name).collect();
        calls.sort_unstable();
        calls.dedup();
        calls.retain(|call| !VITAL.contains(&call.as_str()) && !call.starts_with('<'));
        assert!(calls.len() > 15, "{calls:?}");
        for call in calls {
            for error in ["ENOSYS", "EPERM"] {
                let _ = fs::remove_file(&to);
                let arguments = [&["-q"], way].concat();
                let how = format!("error={error}");
                let mut command = refusing(&call, &how, &notes, &arguments);
                let done = finish(command.spawn().unwrap(), &input);
                let what = format!("{call} {error} {way:?}: {}", done.stderr);
                let out = match way == by_files {
                    true => fs::read(&to).unwrap_or_default(),
                    false => done.stdout.clone(),
                };
                assert!(input.starts_with(&out), "{what}");
                match done.code() {
                    0 => assert!(out == input, "{what}"),
                    code => {
                        assert_eq!(code, 1, "{what}");
                        assert!(done.stderr.starts_with("hwm: "), "{what}");
                    }
                }
            }
        }
    }
}

/// It wakes up who has grown pipes to give back.
#[test]
fn the_timer_may_be_refused() {
    if !can_refuse() {
        return;
    }
    for call in ["timerfd_create", "timerfd_settime"] {
        assert!(relays_without(call, "") > 0, "{call}");
    }
}

/// FIONREAD, and all that asks whether something is a terminal.
#[test]
fn the_count_of_unread_bytes_may_be_refused() {
    if !can_refuse() {
        return;
    }
    assert!(relays_without("ioctl", "") > 0);
}

/// Helpers wake the loop by it, for what knows only blocking calls.
#[test]
fn what_wakes_the_loop_may_be_refused() {
    if !can_refuse() {
        return;
    }
    let input = log(3000);
    let folder = tempfile::tempdir().unwrap();
    let (notes, from, to) = (
        folder.path().join("notes"),
        folder.path().join("from"),
        folder.path().join("to"),
    );
    fs::write(&from, &input).unwrap();
    for error in REFUSALS {
        for arguments in [&["-Y"][..], &["--when-full", "drop-oldest", "-B", "64M"]] {
            let mut all = arguments.to_vec();
            all.extend(["-q", "-o", to.to_str().unwrap(), from.to_str().unwrap()]);
            let how = format!("error={error}");
            let mut command = refusing("eventfd2", &how, &notes, &all);
            let done = finish(command.spawn().unwrap(), b"");
            expect_all(done, b"", &format!("{error} {arguments:?}"));
            assert!(fs::read(&to).unwrap() == input, "{error} {arguments:?}");
            assert!(refused(&notes) > 0, "{error} {arguments:?}");
        }
    }
}

/// Whatever a file is asked beside its bytes.
#[test]
fn what_examines_a_file_may_be_refused() {
    if !can_refuse() {
        return;
    }
    let input = log(3000);
    let folder = tempfile::tempdir().unwrap();
    let (notes, from) = (folder.path().join("notes"), folder.path().join("from"));
    fs::write(&from, &input).unwrap();
    let from = from.to_str().unwrap();
    for call in ["splice", "fstatfs", "fadvise64", "prlimit64", "ioctl"] {
        for error in REFUSALS {
            for (path, arguments) in PATHS {
                let arguments = [arguments, &["-q", from, from]].concat();
                let how = format!("error={error}");
                let mut command = refusing(call, &how, &notes, &arguments);
                let done = finish(command.spawn().unwrap(), b"");
                let twice = [&input[..], &input].concat();
                expect_all(done, &twice, &format!("{call} {how}, {path}"));
            }
        }
    }
}

/// fcntl is needed for one thing and can be done without for another; strace tells them apart by their
/// order only.
#[test]
fn what_sizes_a_pipe_and_asks_for_flags_may_be_refused() {
    if !can_refuse() {
        return;
    }
    let input = log(3000);
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    let traced = |how: &str| {
        // Only what the first thread calls is counted: the others have their own numbers.
        let mut command = refusing("fcntl", how, &notes, &["-q"]);
        finish(command.spawn().unwrap(), &input)
    };
    // Of no effect: it returns what it would.
    expect_all(traced("delay_enter=0"), &input, "fcntl");
    let text = fs::read_to_string(&notes).unwrap();
    let first = text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let calls = text.lines().filter(|line| line.starts_with(&first));
    let optional = calls.enumerate().filter(|(_, line)| {
        // Those of the signals' pipe are another matter: without it nothing could be heard.
        ["F_SETPIPE_SZ", "F_GETPIPE_SZ", "(0, F_GET", "(1, F_GET"]
            .iter()
            .any(|call| line.contains(call))
    });
    let optional: Vec<_> = optional
        .map(|(at, line)| (at + 1, line.to_owned()))
        .collect();
    assert!(optional.len() >= 4, "{text}");
    for (number, line) in optional {
        for error in REFUSALS {
            let done = traced(&format!("error={error}:when={number}"));
            let noted = fs::read_to_string(&notes).unwrap();
            let hit = noted.lines().find(|line| line.contains("(INJECTED)"));
            let hit = hit.unwrap_or_default();
            expect_all(
                done,
                &input,
                &format!("{error} in the place of {line}: {hit}"),
            );
        }
    }
}

/// Without that a spliced pipe can still be read and written through one of its own, and where splice is
/// refused as well, by a thread.
#[test]
fn what_opens_a_description_anew_may_be_refused() {
    if !can_refuse() {
        return;
    }
    let input = log(3000);
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    let mut command = refusing("openat", "delay_enter=0", &notes, &["-q"]);
    expect_all(finish(command.spawn().unwrap(), &input), &input, "openat");
    // The loader's own, which come first, are needed.
    let text = fs::read_to_string(&notes).unwrap();
    let lines = text.lines().collect::<Vec<_>>();
    let needed = lines.iter().rposition(|line| line.contains(".so")).unwrap();
    let mut sum = 0;
    for also in [
        "tee",
        "splice,tee",
        "preadv2,pwritev2",
        "splice,preadv2,pwritev2",
    ] {
        for error in REFUSALS {
            for (path, arguments) in PATHS {
                let how = format!("error={error}:when={}+", needed + 2);
                let arguments = [arguments, &["-q"]].concat();
                let mut command = common::command(&["strace", "-f", "-qq", "-o"]);
                command.arg(&notes);
                command.args(["-e", &format!("trace=openat,{also}")]);
                command.args(["-e", &format!("inject=openat:{how}")]);
                command.args(["-e", &format!("inject={also}:error={error}")]);
                command.arg(env!("CARGO_BIN_EXE_hwm")).args(arguments);
                let done = finish(command.spawn().unwrap(), &input);
                expect_all(done, &input, &format!("{also}, {error}, {path}"));
                sum += refused(&notes);
            }
        }
    }
    assert!(sum > 0);
}
