//! No file is two of a run's files, whatever it is called: nothing is destroyed, nothing is read that
//! hwm writes. And what the shell gave as a descriptor is used as it is, for every PATH.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Finished, command, finish, hwm, run, slurp, wait_until};

/// A shell script in `folder`, with hwm as `$HWM`.
fn script(folder: &Path, text: &str) -> Command {
    let mut command = command(&["bash", "-c", text]);
    command.current_dir(folder);
    command
}

/// Runs `text` in a folder with a file `d`, a FIFO and many names for the file. All of them are as they
/// were when it has ended.
fn untouched(text: &str, input: &[u8]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("d"), "data\n").unwrap();
    fs::hard_link(at("d"), at("hard")).unwrap();
    symlink("d", at("soft")).unwrap();
    fs::create_dir(at("below")).unwrap();
    let names = || {
        let names = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        names
    };
    let before = names();
    let done = finish(script(folder.path(), text).spawn().unwrap(), input);
    assert_eq!(fs::read(at("d")).unwrap(), b"data\n", "{text}: {done:?}");
    assert!(at("soft").is_symlink(), "{text}: {done:?}");
    assert_eq!(names(), before, "{text}: {done:?}");
    done
}

#[test]
fn no_file_is_two_of_a_run_whatever_it_is_called() {
    let lossy = "--when-full drop-newest";
    for (options, why) in [
        // Inputs.
        ("--metrics-file d d", "it is also the input"),
        ("-P hard d", "it is also the input"),
        ("--report-to ./d hard", "it is also the input"),
        ("--events below/../d soft", "it is also the input"),
        ("--lost-to soft - <d", "it is also the input"),
        ("--metrics-file d /dev/fd/3 3<d", "it is also the input"),
        ("--lost-to new new", "it is also the input"),
        ("--demand d d", "it is also the input"),
        ("-o d hard", "input and output are the same file"),
        ("d 2>>d", "it is also the input"),
        // Outputs.
        ("-o d -P hard", "it is also the output"),
        ("-o new -P ./new", "it is also the output"),
        ("-o d --metrics-file hard", "it is also the output"),
        ("--lost-to d >>d", "it is also the output"),
        ("--report-to hard >>d", "it is also the output"),
        ("-o d --events /dev/fd/3 3>>d", "it is also the output"),
        ("-o d --demand soft", "it is also the output"),
        ("--report-to /dev/stdout", "it is also the output"),
        ("--lost-to /dev/fd/1", "it is also the output"),
        (
            "-o /dev/stdout --events /dev/stdout",
            "it is also the output",
        ),
        // Side files.
        ("--report-to d --events hard", "the report goes there too"),
        ("--report-to new --events new", "the report goes there too"),
        ("--events d --lost-to soft", "the events go there too"),
        (
            "--lost-to d --metrics-file hard",
            "the lost records go there too",
        ),
        ("--metrics-file new -P new", "the metrics go there too"),
        ("--chart soft hard", "it is also the input"),
        ("-o d --chart below/../d", "it is also the output"),
        ("--metrics-file d --chart hard", "the metrics go there too"),
        (
            "--chart new -P ./new",
            "the picture of the run goes there too",
        ),
        ("--demand d --report-to hard", "the demand comes from there"),
        (
            "--report-to /dev/fd/3 --lost-to /dev/fd/3 3>>d",
            "the report goes there too",
        ),
    ] {
        let text = format!(r#""$HWM" {lossy} {options}"#);
        // Where standard error is one of the files, it takes the line.
        let to_error = options.ends_with("2>>d");
        if to_error {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("d"), "data\n").unwrap();
            let done = finish(script(folder.path(), &text).spawn().unwrap(), b"");
            let left = fs::read_to_string(folder.path().join("d")).unwrap();
            assert_eq!((done.code(), done.stdout.len()), (1, 0));
            assert_eq!(left, format!("data\nhwm: standard error: {why}\n"));
            continue;
        }
        let done = untouched(&text, b"input\n").expect(1);
        assert!(done.stderr.contains(why), "{text}: {}", done.stderr);
        assert!(done.stderr.starts_with("hwm: "), "{text}: {}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "{text}: {}", done.stderr);
        assert!(done.stdout.is_empty(), "{text}");
    }
}

/// Every option that takes the name of a file, with what else it needs.
const PATHS: [(&str, &str); 10] = [
    ("", ""),
    ("-s @", ""),
    ("-o ", ""),
    ("--demand ", ""),
    ("--report-to ", ""),
    ("--events ", ""),
    ("--lost-to ", "--when-full drop-newest"),
    ("--metrics-file ", ""),
    ("--chart ", ""),
    ("-P ", ""),
];

/// What is only measured may be read, and may be the output, which was as large the last time.
fn may_be_one(one: &str, other: &str) -> bool {
    let measured = |it, too| it == "-s @" && matches!(too, "" | "-o " | "--demand ");
    measured(one, other) || measured(other, one)
}

#[test]
fn no_two_options_may_name_one_file() {
    for (at, (one, needs)) in PATHS.iter().enumerate() {
        for (other, needs_too) in &PATHS[at + 1..] {
            if may_be_one(one, other) {
                continue;
            }
            for (name, other_name) in [("d", "hard"), ("soft", "./d")] {
                let options = format!("{needs} {needs_too} {one}{name} {other}{other_name}");
                let text = format!(r#""$HWM" {options}"#);
                let done = untouched(&text, b"input\n").expect(1);
                let line = &done.stderr;
                assert!(line.starts_with("hwm: "), "{text}: {line}");
                assert_eq!(line.lines().count(), 1, "{text}: {line}");
                assert!(done.stdout.is_empty(), "{text}");
            }
        }
    }
}

/// An option with a file that is added to the command line, and not to the list above, is found by what
/// completes it.
#[test]
fn the_list_of_options_with_a_file_is_complete() {
    let script = fs::read_to_string("completions/_hwm").unwrap();
    let long = |line: &str| {
        let option = line.trim().trim_start_matches(['\'', '*']);
        let is_file = option.contains("_files");
        let name = option
            .strip_prefix("--")
            .and_then(|rest| rest.split(['=', '[']).next());
        name.filter(|_| is_file).map(str::to_owned)
    };
    let mut found: Vec<String> = script.lines().filter_map(long).collect();
    found.sort_unstable();
    found.dedup();
    let known = [
        "chart",
        "demand",
        "events",
        "lost-to",
        "metrics-file",
        "output",
        "pidfile",
        "report-to",
    ];
    assert_eq!(found, known);
}

#[test]
fn a_report_does_not_go_where_standard_error_goes_by_another_description() {
    let folder = tempfile::tempdir().unwrap();
    for option in ["--report-to", "--events", "--metrics-file", "--chart", "-P"] {
        let text = format!(r#""$HWM" {option} e 2>e"#);
        let done = finish(script(folder.path(), &text).spawn().unwrap(), b"x\n").expect(1);
        assert!(done.stdout.is_empty());
        let said = fs::read_to_string(folder.path().join("e")).unwrap();
        assert!(
            said.ends_with(": standard error goes there too\n"),
            "{option}: {said}"
        );
    }
}

#[test]
fn what_the_shell_made_one_and_what_nobody_can_destroy_is_let_be() {
    for options in [
        // One description for both, as in a service manager's log.
        "-q >log 2>&1",
        ">log 2>&1",
        "--report-to /dev/stderr --events /dev/stderr 2>log",
        "-q --when-full latest --lost-to /dev/stderr 2>log",
        "-q -P /dev/stderr --metrics-file /dev/fd/4 2>log 4>&1 >out",
        "--report-to /dev/fd/2 2>&1 >log",
        "--report-to /dev/null --events /dev/null --when-full latest --lost-to /dev/null",
        "--events /dev/fd/3 --report-to /dev/fd/3 3>&2",
        "/dev/null /dev/null -o /dev/null",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(r#""$HWM" {options}"#);
        finish(script(folder.path(), &text).spawn().unwrap(), b"input\n").expect(0);
    }
}

#[test]
fn a_file_that_becomes_one_that_is_written_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let lost = folder.path().join("lost");
    fs::write(&first, "x\n").unwrap();
    fs::write(&second, "never\n").unwrap();
    // The second is opened when the first, standard input, has ended.
    let args = ["-q", "--when-full", "drop-newest", "--lost-to"];
    let mut child = hwm(&args)
        .args([&lost, Path::new("-"), &second])
        .spawn()
        .unwrap();
    wait_until("it is open", || lost.exists());
    fs::rename(&second, folder.path().join("old")).unwrap();
    fs::hard_link(&lost, &second).unwrap();
    let stdin = child.stdin.take();
    drop(stdin);
    let done = finish(child, b"").expect(1);
    let line = format!(
        "hwm: cannot open {}: the lost records go there too\n",
        second.display()
    );
    assert_eq!((done.stderr, done.stdout.len()), (line, 0));
}

#[test]
fn a_side_file_on_the_input_does_not_keep_it_open_for_ever() {
    for option in ["--report-to", "--events", "--lost-to"] {
        let child = hwm(&["--when-full", "latest", option, "/dev/stdin"])
            .spawn()
            .unwrap();
        let done = finish(child, b"x\n").expect(1);
        assert!(
            done.stderr.ends_with(": it is also the input\n"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn the_end_of_a_run_leaves_the_process_number_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let start = || hwm(&["-q", "-P", path.to_str().unwrap()]).spawn().unwrap();
    let holds = |number: u32| {
        wait_until("the number", || {
            fs::read_to_string(&path).is_ok_and(|text| text == format!("{number}\n"))
        });
    };
    let first = start();
    holds(first.id());
    let second = start();
    let number = second.id();
    holds(number);
    finish(first, b"").expect(0);
    holds(number);
    finish(second, b"").expect(0);
    assert!(!path.exists());
}

#[test]
fn an_output_is_not_emptied_by_a_run_that_cannot_begin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "precious\n").unwrap();
    for options in [["-P", "/nowhere/pid"], ["--demand", "/nowhere/demand"]] {
        let mut command = hwm(&["-o", path.to_str().unwrap()]);
        finish(command.args(options).spawn().unwrap(), b"x\n").expect(1);
        assert_eq!(fs::read(&path).unwrap(), b"precious\n");
    }
}

// ---- descriptors ----------------------------------------------------------------------------

/// A socket for hwm, and what came to its other side when hwm is gone.
fn socket() -> (Stdio, UnixStream) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    (OwnedFd::from(theirs).into(), ours)
}

#[test]
fn every_path_may_be_a_socket_by_its_descriptor() {
    for (options, expected) in [
        ("--report-to /dev/stderr", "LOST 1 of 2 records"),
        ("-q --events /dev/stderr", "\"event\":\"loss\""),
        ("-q --lost-to /proc/self/fd/2", "too long\n"),
        ("-q --metrics-file /dev/fd/2", "hwm_run_finished 1\n"),
        ("-q -P /dev/stderr", "\n"),
        ("-q -o /dev/stderr", "ab\n"),
    ] {
        let (theirs, ours) = socket();
        let text = format!(r#"exec "$HWM" -B 4 --when-full drop-newest {options}"#);
        let mut command = command(&["bash", "-c", &text]);
        let child = command.stderr(theirs).spawn().unwrap();
        // Or this test would hold the other side open.
        drop(command);
        let done = finish(child, b"too long\nab\n").expect(0);
        let said = String::from_utf8(slurp(ours)).unwrap();
        assert!(said.contains(expected), "{options}: {said}");
        assert_eq!(done.stdout.is_empty(), options.contains("-o"), "{options}");
    }
}

#[test]
fn higher_descriptors_may_be_sockets_as_well() {
    let (theirs, mut ours) = socket();
    // As descriptor 5, both to be read and written.
    let text = r#"exec 5<&0 </dev/null; exec "$HWM" -B 4 --when-full drop-newest -q /dev/fd/5 --lost-to /dev/fd/5"#;
    let mut command = command(&["bash", "-c", text]);
    let child = command.stdin(theirs).spawn().unwrap();
    drop(command);
    ours.write_all(b"ab\ntoo long\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let done = finish(child, b"").expect(0);
    assert_eq!(done.stdout, b"ab\n");
    assert_eq!(slurp(ours), b"too long\n");
}

#[test]
fn where_a_descriptor_may_not_be_duplicated_it_is_opened() {
    if !common::can(&["strace", "-qq", "true"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("events"), "before\n").unwrap();
    let text = r#"exec strace -qq -o /dev/null -e inject=pidfd_getfd:error=EPERM \
        "$HWM" -q -B 1 --events /dev/fd/3 /dev/fd/4 3>>events 4< <(printf x)"#;
    let done = finish(script(folder.path(), text).spawn().unwrap(), b"").expect(0);
    assert_eq!((done.stdout, done.stderr.as_str()), (b"x".to_vec(), ""));
    let events = fs::read_to_string(folder.path().join("events")).unwrap();
    assert_eq!(events.lines().count(), 3, "{events}");
    assert!(events.starts_with("before\n"), "{events}");
}

#[test]
fn a_demand_and_an_input_may_be_sockets_by_their_descriptors() {
    let (theirs, mut ours) = socket();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in"), "one\ntwo\nthree\n").unwrap();
    let mut command = script(folder.path(), r#"exec "$HWM" -q --demand /dev/stdin in"#);
    let child = command.stdin(theirs).spawn().unwrap();
    drop(command);
    ours.write_all(b"2\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(finish(child, b"").expect(0).stdout, b"one\ntwo\n");

    let (theirs, mut ours) = socket();
    let mut command = script(folder.path(), r#"exec "$HWM" -q /dev/stdin in"#);
    let child = command.stdin(theirs).spawn().unwrap();
    drop(command);
    ours.write_all(b"zero\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let done = finish(child, b"").expect(0);
    assert_eq!(done.stdout, b"zero\none\ntwo\nthree\n");
}

#[test]
fn a_descriptor_is_neither_emptied_nor_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("out"), "before\n").unwrap();
    fs::write(at("in"), "first\nsecond\n").unwrap();
    let text = r#"(head -c 0; read -r line; "$HWM" -q -o /dev/stdout /dev/stdin) <in >>out"#;
    finish(script(folder.path(), text).spawn().unwrap(), b"").expect(0);
    assert_eq!(fs::read_to_string(at("out")).unwrap(), "before\nsecond\n");
}

#[test]
fn what_is_no_descriptor_of_the_shell_or_open_the_wrong_way_is_said_before_the_start() {
    for (redirection, why) in [
        ("", "Bad file descriptor"),
        ("7</dev/null", "it is not open for writing"),
    ] {
        for option in ["--report-to", "--events", "--metrics-file", "-P", "-o"] {
            let text = format!(r#"exec "$HWM" {option} /dev/fd/7 {redirection}"#);
            let child = command(&["bash", "-c", &text]).spawn().unwrap();
            let done = finish(child, b"x\n").expect(1);
            assert!(
                done.stderr.ends_with(&format!(": {why}\n")),
                "{option}: {}",
                done.stderr
            );
            assert!(done.stdout.is_empty());
        }
    }
    let done = run(&["/dev/fd/7"], b"").expect(1);
    assert!(
        done.stderr
            .starts_with("hwm: cannot open /dev/fd/7: Bad file descriptor\n")
    );
}

// ---- -c -------------------------------------------------------------------------------------

#[test]
fn rows_are_shared_neither_with_a_stopped_process_nor_by_a_file_that_is_something_else() {
    use rustix::fs::{FlockOperation, flock};
    for is_stopped in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("mine");
        fs::write(&mine, "precious\n").unwrap();
        let screen = common::session::Screen::with(rustix::termios::LocalModes::empty());
        // The list of rows has the terminal and the job in its name.
        let text = r#"export XDG_RUNTIME_DIR=$PWD; : | "$HWM" -c -i 0.1; ls; read -r; echo data | "$HWM" -cv -i 0.1 -N one >out; echo end"#;
        let mut child = common::session::session(&screen.terminal, text, folder.path());
        let job = rustix::fs::fstat(&screen.terminal).unwrap().st_rdev;
        let user = rustix::process::geteuid().as_raw();
        let ledger = folder
            .path()
            .join(format!("hwm-{user}-{job}-{}.rows", child.id()));
        wait_until("it reads", || screen.shown().contains("mine"));
        let peer = match is_stopped {
            true => {
                let peer = File::create(&ledger).unwrap();
                flock(&peer, FlockOperation::LockExclusive).unwrap();
                Some(peer)
            }
            false => {
                fs::hard_link(&mine, &ledger).unwrap();
                None
            }
        };
        (&screen.keyboard).write_all(b"\r").unwrap();
        assert!(common::wait(&mut child).success());
        wait_until("the end", || screen.shown().contains("end"));
        let shown = screen.shown();
        assert!(shown.contains("one: 5 B in "), "no summary: {shown}");
        assert_eq!(fs::read(&mine).unwrap(), b"precious\n");
        assert_eq!(fs::read(folder.path().join("out")).unwrap(), b"data\n");
        drop(peer);
    }
}
