//! Files whose size is not their length, that fail late, and that hang: a file system that misbehaves on
//! command, for network file systems are what hwm is used on.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::fuse::{Call, Fuse, Trouble, Wanted};
use common::{Finished, can, command, finish, hwm, log, run, signal, skipped, wait, wait_until};
use highwater::units::grouped;
use rustix::io::Errno;

const USR1: i32 = 10;
const TERM: i32 = 15;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// hwm with a file as its stdin or stdout: `how` is `<` or `>`. A shell opens it, not the test.
fn redirected(how: &str, path: &Path, arguments: &[&str]) -> Command {
    let script = format!(r#"exec "$HWM" "$@" {how}"$0""#);
    let mut command = command(&["sh", "-c", &script, text(path)]);
    command.args(arguments);
    command
}

/// The same by name and by stdin.
fn both_ways(arguments: &[&str], path: &Path) -> [Finished; 2] {
    let named = run(&[arguments, &[text(path)]].concat(), b"");
    let child = redirected("<", path, arguments).spawn().unwrap();
    [named, finish(child, b"")]
}

const PATHS: [&[&str]; 5] = [
    &[],
    &["-C"],
    &["-l"],
    &["-B", "1000"],
    &["--when-full", "drop-oldest", "-B", "64M"],
];

#[test]
fn a_file_is_as_long_as_it_reads() {
    let data = log(10_000);
    for size in [0, 1, 70_000, data.len() as u64 + 4096] {
        let wanted = Wanted {
            data: data.clone(),
            size: Some(size),
            ..Wanted::default()
        };
        let Some(fuse) = Fuse::mount(wanted) else {
            return;
        };
        for arguments in PATHS {
            for done in both_ways(arguments, &fuse.file()) {
                let done = done.expect(0);
                assert!(
                    done.stdout == data,
                    "{arguments:?}, told {size}: {} of {} bytes",
                    done.stdout.len(),
                    data.len()
                );
            }
        }
        let twice = run(&[text(&fuse.file()), text(&fuse.file())], b"").expect(0);
        assert!(twice.stdout == [&data[..], &data].concat(), "told {size}");
    }
}

#[test]
fn an_error_behind_a_short_read_is_reported() {
    let data = log(10_000);
    for size in [0, data.len() as u64] {
        let wanted = Wanted {
            data: data.clone(),
            size: Some(size),
            cut: Some(1000),
            trouble: Some((Call::Read, 1, Trouble::Fails(Errno::IO))),
            ..Wanted::default()
        };
        for arguments in PATHS {
            // A new one each time: it fails from its second read on.
            let Some(fuse) = Fuse::mount(wanted.clone()) else {
                return;
            };
            let name = fuse.file();
            let done = run(&[arguments, &["-q", text(&name)]].concat(), b"").expect(1);
            let line = format!(
                "hwm: cannot read {}: Input/output error (after 1,000 bytes of input)\n",
                text(&name)
            );
            assert_eq!(done.stderr, line, "{arguments:?}");
            assert!(done.stdout == data[..1000], "{arguments:?}");
        }
    }
}

/// The status of `fail` with a buffer of 50 bytes, and how much it wrote, when a consumer takes nothing
/// before that is full. Once by name, once by stdin.
fn fails(path: &Path) -> [(String, usize); 2] {
    const SCRIPT: &str = r#"{ head -c 65536 /dev/zero; eval "$1"; echo "$?" >&2; } |
        { sleep 3; tail -c +65537; }"#;
    let hwm = r#""$HWM" -q --when-full fail -B 50"#;
    [r#""$0""#, r#"<"$0""#].map(|how| {
        let mut command = command(&["sh", "-c", SCRIPT, text(path)]);
        let child = command.arg(format!("{hwm} {how}")).spawn().unwrap();
        let done = finish(child, b"").expect(0);
        (done.stderr, done.stdout.len())
    })
}

/// All of these at once, for each takes its time.
fn fail_as_expected(paths: &[(&Path, &str, usize)]) {
    std::thread::scope(|scope| {
        for (path, code, length) in paths {
            scope.spawn(move || {
                let expected = [(); 2].map(|()| (format!("{code}\n"), *length));
                assert_eq!(fails(path), expected, "{}", path.display());
            });
        }
    });
}

#[test]
fn fail_asks_for_a_byte_and_not_for_a_size() {
    let served = [(50, 0), (50, 1000), (51, 0), (51, 50)].map(|(length, size)| {
        let wanted = Wanted {
            data: vec![b'x'; length],
            size: Some(size),
            ..Wanted::default()
        };
        Fuse::mount(wanted).map(|fuse| (fuse.file(), fuse))
    });
    let Some(served) = served.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    let codes = ["0", "0", "4", "4"];
    let served: Vec<_> = served.iter().zip(codes).collect();
    let served: Vec<_> = served
        .iter()
        .map(|((path, _), code)| (&**path, *code, 50))
        .collect();
    fail_as_expected(&served);
}

#[test]
fn fail_knows_the_end_of_a_file_on_a_disk_and_of_what_the_kernel_makes_up() {
    let files = [50, 51].map(|length| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; length]).unwrap();
        file
    });
    let short = Path::new("/proc/sys/kernel/ostype");
    let all = std::fs::read(short).unwrap().len();
    let mut paths = vec![
        (files[0].path(), "0", 50),
        (files[1].path(), "4", 50),
        (Path::new("/proc/version"), "4", 50),
        (short, "0", all),
    ];
    let made_up = Path::new("/sys/fs/cgroup/memory/memory.stat");
    paths.extend(made_up.exists().then_some((made_up, "4", 50)));
    fail_as_expected(&paths);
}

/// Starts hwm with its output in the file by `>`, and by `-o`.
fn into_file(arguments: &[&str], path: &Path) -> [Child; 2] {
    let redirected = redirected(">", path, arguments).spawn().unwrap();
    let mut named = hwm(&[arguments, &["-o", text(path)]].concat());
    [redirected, named.spawn().unwrap()]
}

#[test]
fn an_error_of_close_is_a_write_error() {
    let input = log(1000);
    for (errno, why) in [
        (Errno::NOSPC, "No space left on device"),
        (Errno::DQUOT, "Disk quota exceeded"),
    ] {
        let wanted = Wanted {
            trouble: Some((Call::Flush, 0, Trouble::Fails(errno))),
            ..Wanted::default()
        };
        let Some(fuse) = Fuse::mount(wanted) else {
            return;
        };
        for policy in ["block", "fail", "drop-oldest"] {
            let arguments = ["--when-full", policy, "-B", "64M", "--report", "json"];
            let names = ["stdout", text(&fuse.file())].map(str::to_owned);
            for (child, name) in into_file(&arguments, &fuse.file()).into_iter().zip(names) {
                let done = finish(child, &input).expect(1);
                let count = input.len();
                let at = grouped(count as u64);
                let line = format!("hwm: cannot write {name}: {why} (after {at} bytes of output)");
                assert_eq!(done.stderr.lines().next(), Some(&line[..]), "{policy}");
                let summary = done.summary();
                assert_eq!(summary.count("exit"), 1);
                assert_eq!(summary.count("out_bytes"), count as u64);
                let lines = done.stderr.lines().filter(|line| line.starts_with("hwm:"));
                assert_eq!(lines.count(), 1, "{}", done.stderr);
            }
        }
    }
}

#[test]
fn a_write_error_is_reported_once_though_the_close_says_it_again() {
    let wanted = Wanted {
        trouble: Some((Call::Flush, 0, Trouble::Fails(Errno::NOSPC))),
        ..Wanted::default()
    };
    let Some(fuse) = Fuse::mount(wanted) else {
        return;
    };
    let mut command = command(&[
        "bash",
        "-c",
        "trap '' XFSZ; ulimit -f 8; exec \"$HWM\" -q >\"$0\"",
    ]);
    let child = command.arg(fuse.file()).spawn().unwrap();
    let done = finish(child, &log(1000)).expect(1);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains("File too large"), "{}", done.stderr);
}

/// Where a hang may meet hwm, and cat.
fn hangs(call: Call, after: u64, trouble: Trouble) -> Wanted {
    Wanted {
        data: log(10_000),
        cut: Some(1000),
        trouble: Some((call, after, trouble)),
        ..Wanted::default()
    }
}

/// A run that hangs in `fuse` ends by the signal.
#[track_caller]
fn ends_by_signal(mut child: Child, fuse: &Fuse, what: &str) -> Finished {
    wait_until(what, || fuse.is_in_trouble());
    // It is in the call, or about to be.
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "{what}");
    signal(&child, TERM);
    let stdin = child.stdin.take();
    let done = finish(child, b"");
    drop(stdin);
    assert_eq!(done.code(), 128 + TERM, "{what}: {}", done.stderr);
    done
}

#[test]
fn sigterm_ends_a_run_whose_input_hangs() {
    for (call, after, trouble) in [
        (Call::Lookup, 1, Trouble::Gone),
        (Call::Open, 0, Trouble::Busy),
        (Call::Open, 1, Trouble::Gone),
        (Call::Read, 1, Trouble::Gone),
        (Call::Read, 0, Trouble::Busy),
        (Call::Read, 1, Trouble::Busy),
    ] {
        let wanted = hangs(call, after, trouble);
        let cat = |path: &Path| {
            let mut cat = command(&["cat"]);
            cat.arg(path);
            cat
        };
        let hwm = |path: &Path| hwm(&["-q", text(path)]);
        let starts: [&dyn Fn(&Path) -> Command; 2] = [&cat, &hwm];
        for (start, name) in starts.into_iter().zip(["cat", "hwm"]) {
            let Some(fuse) = Fuse::mount(wanted.clone()) else {
                return;
            };
            let what = format!("{name}, {call:?} {after} {trouble:?}");
            // What only hwm does before it opens.
            if name == "cat" && call == Call::Lookup {
                continue;
            }
            let child = start(&fuse.file()).spawn().unwrap();
            let done = ends_by_signal(child, &fuse, &what);
            let is_killable = call == Call::Open;
            if name == "hwm" && is_killable && trouble == Trouble::Gone {
                let why = "a call on a file does not return";
                assert!(done.stderr.contains(why), "{what}: {}", done.stderr);
                assert_eq!(done.stderr.lines().count(), 1, "{what}: {}", done.stderr);
            }
        }
    }
}

#[test]
fn a_run_whose_report_hangs_ends_all_the_same() {
    for (call, trouble) in [(Call::Write, Trouble::Gone), (Call::Write, Trouble::Busy)] {
        for report in ["json", "summary"] {
            let Some(fuse) = Fuse::mount(hangs(call, 0, trouble)) else {
                return;
            };
            let options = ["--report", report, "-i", "0.05", "--report-to"];
            let mut command = hwm(&options);
            command.arg(fuse.file());
            let child = command.spawn().unwrap();
            let done = finish(child, &log(1000));
            assert_eq!(done.stdout, log(1000), "{report} {trouble:?}");
            assert_eq!(done.code(), 0, "{report} {trouble:?}: {}", done.stderr);
        }
    }
}

#[test]
fn what_came_before_a_hang_is_written_and_told() {
    for (after, trouble) in [(1, Trouble::Gone), (1, Trouble::Busy)] {
        let wanted = hangs(Call::Read, after, trouble);
        let data = wanted.data.clone();
        let Some(fuse) = Fuse::mount(wanted) else {
            return;
        };
        let child = hwm(&["--report", "json", text(&fuse.file())])
            .spawn()
            .unwrap();
        let done = ends_by_signal(child, &fuse, "the second read");
        assert!(done.stdout == data[..1000], "{}", done.stdout.len());
        let summary = done.summary();
        assert_eq!(summary.count("out_bytes"), 1000);
        assert_eq!(summary.count("exit"), 128 + TERM as u64);
    }
}

#[test]
fn a_hang_that_ends_is_no_end() {
    for (call, after) in [(Call::Open, 0), (Call::Read, 0), (Call::Read, 1)] {
        let wanted = hangs(call, after, Trouble::Busy);
        let data = wanted.data.clone();
        let Some(fuse) = Fuse::mount(wanted) else {
            return;
        };
        let child = hwm(&["-q", text(&fuse.file())]).spawn().unwrap();
        wait_until("hangs", || fuse.is_in_trouble());
        // An interrupted call is made again.
        signal(&child, 10);
        fuse.release();
        assert!(finish(child, b"").expect(0).stdout == data, "{call:?}");
    }
}

/// What the process has taken of a processor so far, in hundredths of a second.
fn taken(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let numbers = fields.split(' ').skip(12).take(2);
    numbers.map(|number| number.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_signal_that_a_hung_run_cannot_hear_does_not_make_it_spin() {
    let wanted = hangs(Call::Open, 0, Trouble::Busy);
    let data = wanted.data.clone();
    let Some(fuse) = Fuse::mount(wanted) else {
        return;
    };
    let child = hwm(&["-q", text(&fuse.file())]).spawn().unwrap();
    wait_until("hangs", || fuse.is_in_trouble());
    signal(&child, USR1);
    std::thread::sleep(Duration::from_millis(300));
    let (before, began) = (taken(child.id()), Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    let spent = taken(child.id()) - before;
    let lasted = began.elapsed().as_millis() / 10;
    assert!(u128::from(spent) * 10 < lasted, "{spent} of {lasted}");
    fuse.release();
    assert!(finish(child, b"").expect(0).stdout == data);
}

#[test]
fn a_served_file_is_not_read_on_either() {
    let data = log(200_000);
    let wanted = Wanted {
        data: data.clone(),
        ..Wanted::default()
    };
    let Some(fuse) = Fuse::mount(wanted) else {
        return;
    };
    let name = fuse.file();
    let arguments = ["-q", "--drain-timeout", "1h", "-B", "100000"];
    // Nor is the next one opened.
    let mut named = hwm(&arguments);
    named.args([&name, &name]);
    for mut command in [named, redirected("<", &name, &arguments)] {
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut came = vec![0; 1000];
        stdout.read_exact(&mut came).unwrap();
        signal(&child, TERM);
        stdout.read_to_end(&mut came).unwrap();
        assert_eq!(wait(&mut child).signal(), Some(TERM));
        assert!(came.len() < data.len(), "all of it came");
        assert!(data.starts_with(&came), "what was held is written");
    }
}

#[test]
fn sigterm_ends_a_run_whose_output_hangs() {
    for (call, after, trouble) in [
        (Call::Write, 1, Trouble::Gone),
        (Call::Write, 0, Trouble::Busy),
        (Call::Flush, 0, Trouble::Busy),
    ] {
        for policy in ["block", "drop-oldest"] {
            let Some(fuse) = Fuse::mount(hangs(call, after, trouble)) else {
                return;
            };
            let arguments = ["-q", "--when-full", policy];
            let mut command = redirected(">", &fuse.file(), &arguments);
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let input = log(2000);
            let what = format!("{policy}, {call:?} {after} {trouble:?}");
            let (first, rest) = (input[..1000].to_vec(), input[1000..2000].to_vec());
            stdin.write_all(&first).unwrap();
            wait_until(&what, || !fuse.written().is_empty() || fuse.is_in_trouble());
            if call == Call::Flush {
                drop(stdin);
                ends_by_signal(child, &fuse, &what);
            } else {
                let writer = std::thread::spawn(move || {
                    let _ = stdin.write_all(&rest);
                    stdin
                });
                ends_by_signal(child, &fuse, &what);
                drop(writer.join());
            }
        }
    }
}

#[test]
fn a_lossy_policy_takes_all_that_comes_while_its_file_hangs() {
    let input = log(50_000);
    for (after, trouble) in [(0, Trouble::Busy), (1, Trouble::Gone), (3, Trouble::Gone)] {
        let Some(fuse) = Fuse::mount(hangs(Call::Write, after, trouble)) else {
            return;
        };
        let arguments = [
            "--when-full",
            "drop-oldest",
            "-B",
            "100k",
            "--report",
            "json",
        ];
        let mut command = redirected(">", &fuse.file(), &arguments);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Much more than hwm and its pipes hold.
        let (done, is_done) = std::sync::mpsc::channel();
        let feed = input.clone();
        let producer = std::thread::spawn(move || {
            let written = stdin.write_all(&feed);
            let _ = done.send(written.is_ok());
            stdin
        });
        let fed = is_done.recv_timeout(common::PATIENCE);
        assert_eq!(fed, Ok(true), "{after} {trouble:?}");
        let finished = ends_by_signal(child, &fuse, "the write");
        drop(producer.join());
        let summary = finished.summary();
        summary.assert_balanced();
        assert!(summary.lost("queue_full").0 > 0);
    }
}

/// Holds a lease on the file until its stdin ends.
const LEASE: &str = r#"use Fcntl; $SIG{IO} = "IGNORE"; open(F, "+<", $ARGV[0]) or die;
    fcntl(F, 1024, F_WRLCK) or die "$!"; $| = 1; print "held\n"; <STDIN>"#;

#[test]
fn a_file_with_a_lease_is_waited_for_and_signals_are_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (first, leased) = (folder.path().join("first"), folder.path().join("leased"));
    std::fs::write(&first, "first\n").unwrap();
    std::fs::write(&leased, "leased\n").unwrap();
    if !can(&["perl", "-e", "use Fcntl"]) {
        return;
    }
    for ends in ["the lease", "the signal"] {
        let mut holder = command(&["perl", "-e", LEASE])
            .arg(&leased)
            .spawn()
            .unwrap();
        let mut told = [0; 5];
        if holder
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut told)
            .is_err()
        {
            skipped("leases are refused here");
            wait(&mut holder);
            return;
        }
        let arguments = ["--report", "json", text(&first), text(&leased)];
        let mut child = hwm(&arguments).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut begun = [0; 6];
        stdout.read_exact(&mut begun).unwrap();
        // It naps and does not spin.
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none());
        if ends == "the lease" {
            drop(holder.stdin.take());
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "leased\n");
            finish(child, b"").expect(0);
        } else {
            signal(&child, TERM);
            let account = finish(child, b"").expect(128 + TERM).summary();
            assert_eq!(account.count("out_bytes"), 6);
            drop(holder.stdin.take());
        }
        wait(&mut holder);
    }
}

#[test]
fn a_file_opened_for_direct_access_is_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let data = log(1000);
    std::fs::write(&from, &data).unwrap();
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let Ok(input) = File::options().read(true).custom_flags(direct).open(&from) else {
        skipped("no direct access to files here");
        return;
    };
    for arguments in PATHS {
        let open = File::options().read(true).custom_flags(direct).open(&from);
        let child = hwm(arguments).stdin(open.unwrap()).spawn().unwrap();
        let done = finish(child, b"").expect(0);
        assert!(done.stdout == data, "{arguments:?}");

        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        let output = options.custom_flags(direct).open(&to).unwrap();
        let child = hwm(arguments).stdout(output).spawn().unwrap();
        finish(child, &data).expect(0);
        assert!(std::fs::read(&to).unwrap() == data, "{arguments:?}");
    }
    // Who shares the description goes on where hwm stopped.
    let child = hwm(&["-S", "-s", "100"])
        .stdin(input.try_clone().unwrap())
        .spawn()
        .unwrap();
    assert!(finish(child, b"").expect(0).stdout == data[..100]);
    assert_eq!(rustix::fs::tell(&input), Ok(100));
}

#[test]
fn several_write_one_direct_description_one_behind_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let mut options = File::options();
    let opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(direct)
        .open(&to);
    let Ok(output) = opened else {
        skipped("no direct access to files here");
        return;
    };
    for text in ["one\n", "two\n"] {
        let stdout = Stdio::from(output.try_clone().unwrap());
        let child = hwm(&["-q"]).stdout(stdout).spawn().unwrap();
        finish(child, text.as_bytes()).expect(0);
    }
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "one\ntwo\n");
}

#[test]
fn commands_have_signals_as_hwm_was_given_them() {
    let folder = tempfile::tempdir().unwrap();
    let (input, seen) = (folder.path().join("input"), folder.path().join("seen"));
    std::fs::write(&input, log(1000)).unwrap();
    // The shell's own, as its child inherits them.
    let look = format!("grep SigBlk /proc/self/status >{}", text(&seen));
    let arguments = ["-q", "-B", "10k", "--on-pressure", &look, text(&input)];
    run(&arguments, b"").expect(0);
    wait_until("the command ran", || {
        std::fs::read_to_string(&seen).is_ok_and(|text| text.ends_with('\n'))
    });
    let blocked = std::fs::read_to_string(&seen).unwrap();
    assert_eq!(blocked.trim(), "SigBlk:\t0000000000000000");
}
