//! Stdin and stdout as everything that they can be, with the same data through each; and what hwm
//! must leave alone.

mod common;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Finished, finish, hwm, log, raw_terminal, run, slurp, wait};

/// The roads that data takes: spliced, copied, and record by record, of which each may be kept as pages
/// for the output or copied.
const ROADS: [&[&str]; 6] = [
    &["-B", "64M"],
    &["-B", "64M", "--no-splice"],
    &["-B", "64M", "--when-full", "fail"],
    &["-B", "64M", "--when-full", "drop-oldest"],
    &["-B", "64M", "--when-full", "drop-oldest", "--no-splice"],
    &["-B", "64M", "-l"],
];

fn fifo(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("fifo");
    let status = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(status.success());
    path
}

/// A pipe that no child of another test inherits: reader and writer.
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

#[test]
fn files_on_both_sides() {
    let input = log(3_000);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), &input).unwrap();
    for road in ROADS {
        let out = folder.path().join("out");
        let child = hwm(road)
            .stdin(File::open(folder.path().join("in")).unwrap())
            .stdout(File::create(&out).unwrap())
            .spawn()
            .unwrap();
        finish(child, b"").expect(0);
        assert!(std::fs::read(out).unwrap() == input, "{road:?}");
    }
}

#[test]
fn a_file_that_is_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    std::fs::write(&path, "before\n").unwrap();
    let out = OpenOptions::new().append(true).open(&path).unwrap();
    let child = hwm(&[]).stdout(out).spawn().unwrap();
    finish(child, b"after\n").expect(0);
    assert_eq!(std::fs::read(&path).unwrap(), b"before\nafter\n");
}

#[test]
fn sockets_on_both_sides() {
    let input = log(3_000);
    for road in ROADS {
        let (mut feeder, stdin) = UnixStream::pair().unwrap();
        let (stdout, reader) = UnixStream::pair().unwrap();
        let child = hwm(road)
            .stdin(OwnedFd::from(stdin))
            .stdout(OwnedFd::from(stdout))
            .spawn()
            .unwrap();
        let output = std::thread::spawn(|| slurp(reader));
        feeder.write_all(&input).unwrap();
        drop(feeder);
        finish(child, b"").expect(0);
        assert!(output.join().unwrap() == input, "{road:?}");
    }
}

#[test]
fn one_socket_as_both_sides() {
    let (mut peer, both) = UnixStream::pair().unwrap();
    let child = hwm(&[])
        .stdin(OwnedFd::from(both.try_clone().unwrap()))
        .stdout(OwnedFd::from(both))
        .spawn()
        .unwrap();
    peer.write_all(b"to and fro\n").unwrap();
    // A peer that is done sending still reads.
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(slurp(peer), b"to and fro\n");
    finish(child, b"").expect(0);
}

#[test]
fn tcp_on_both_sides() {
    let input = log(1_000);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = || {
        let out = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (out, listener.accept().unwrap().0)
    };
    let ((mut feeder, stdin), (stdout, reader)) = (connect(), connect());
    let child = hwm(&["-B", "64M"])
        .stdin(OwnedFd::from(stdin))
        .stdout(OwnedFd::from(stdout))
        .spawn()
        .unwrap();
    let output = std::thread::spawn(|| slurp(reader));
    feeder.write_all(&input).unwrap();
    drop(feeder);
    finish(child, b"").expect(0);
    assert!(output.join().unwrap() == input);
}

#[test]
fn a_fifo_as_stdin_and_as_a_file_argument() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let name = path.to_str().unwrap().to_owned();
    for as_argument in [false, true] {
        let args: &[&str] = if as_argument { &[&name] } else { &[] };
        let mut command = hwm(args);
        let mut shell = None;
        if !as_argument {
            // As a shell does it, where the open waits for a writer.
            shell = Some(
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(&path)
                    .unwrap(),
            );
            command.stdin(File::open(&path).unwrap());
        }
        let child = command.spawn().unwrap();
        // A FIFO that nobody writes to yet is not at its end.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"through the fifo\n").unwrap();
        drop((writer, shell));
        let done = finish(child, b"").expect(0);
        assert_eq!(done.stdout, b"through the fifo\n");
    }
}

#[test]
fn a_fifo_that_ended_before_it_was_first_read_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let both_ways = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let reader = File::open(&path).unwrap();
    (&both_ways).write_all(&[b'x'; 4797]).unwrap();
    drop(both_ways);
    // Small reads, so that the last one is short and the end is left to poll.
    let child = hwm(&["-B", "100"]).stdin(reader).spawn().unwrap();
    assert_eq!(finish(child, b"").expect(0).stdout, [b'x'; 4797]);
}

#[test]
fn a_fifo_nobody_writes_to_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let child = hwm(&[path.to_str().unwrap()]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    common::signal(&child, 2);
    finish(child, b"").expect(130);
}

#[test]
fn terminals_on_both_sides() {
    let (typist, stdin) = raw_terminal();
    let (screen, stdout) = raw_terminal();
    for road in ROADS {
        // Bytes, or lines.
        let size = if road.contains(&"-l") { "100" } else { "5000" };
        let child = hwm(&[road, &["-S", "-s", size]].concat())
            .stdin(stdin.try_clone().unwrap())
            .stdout(stdout.try_clone().unwrap())
            .spawn()
            .unwrap();
        let text: Vec<u8> = (0..5_000)
            .map(|n| if n % 50 == 49 { b'\n' } else { b'x' })
            .collect();
        let mut keys = File::from(typist.try_clone().unwrap());
        let typed = text.clone();
        let typing = std::thread::spawn(move || keys.write_all(&typed).unwrap());
        let mut seen = vec![0; text.len()];
        File::from(screen.try_clone().unwrap())
            .read_exact(&mut seen)
            .unwrap();
        typing.join().unwrap();
        finish(child, b"").expect(0);
        assert!(seen == text, "{road:?}");
    }
}

#[test]
fn dev_null_and_dev_zero() {
    let null = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap()
    };
    let child = hwm(&[]).stdin(null()).spawn().unwrap();
    assert_eq!(finish(child, b"").expect(0).stdout, b"");
    let child = hwm(&[]).stdout(null()).spawn().unwrap();
    finish(child, &log(1_000)).expect(0);
    let child = hwm(&["-S", "-s", "100000"])
        .stdin(File::open("/dev/zero").unwrap())
        .spawn()
        .unwrap();
    assert_eq!(finish(child, b"").expect(0).stdout, vec![0; 100_000]);
}

#[test]
fn a_kernel_made_file_is_read() {
    let child = hwm(&[])
        .stdin(File::open("/proc/self/limits").unwrap())
        .spawn()
        .unwrap();
    let done = finish(child, b"").expect(0);
    assert!(done.stdout.starts_with(b"Limit"), "{done:?}");
}

#[test]
fn file_arguments_follow_each_other_and_a_bad_one_is_reported_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("a"), "first ").unwrap();
    std::fs::write(at("b"), "last\n").unwrap();
    let done = run(&["-q", &at("a"), &at("missing"), "-", &at("b")], b"stdin ").expect(1);
    assert_eq!(done.stdout, b"first stdin last\n");
    let expected = format!(
        "hwm: cannot open {}: No such file or directory\n",
        at("missing")
    );
    assert_eq!(done.stderr, expected);
}

#[test]
fn the_same_file_on_both_sides_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, "precious\n").unwrap();
    let append = || OpenOptions::new().append(true).open(&path).unwrap();
    let as_stdin = hwm(&["-q"])
        .stdin(File::open(&path).unwrap())
        .stdout(append())
        .spawn()
        .unwrap();
    let as_file = hwm(&["-q", path.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(append())
        .spawn()
        .unwrap();
    for child in [as_stdin, as_file] {
        let done: Finished = finish(child, b"").expect(1);
        assert!(done.stderr.contains("same file"), "{}", done.stderr);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious\n");
    }
}

#[test]
fn descriptors_open_the_wrong_way_are_clear_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let write_only = || File::create(&path).unwrap();
    let child = hwm(&[]).stdin(write_only()).spawn().unwrap();
    let done = finish(child, b"").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: stdin is not open for reading; redirect it (<), or name a FILE\n"
    );
    let child = hwm(&[])
        .stdout(File::open("/dev/null").unwrap())
        .spawn()
        .unwrap();
    let done = finish(child, b"").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: stdout is not open for writing; redirect it (>), or use -o or -X\n"
    );
}

#[test]
fn inherited_flags_are_never_changed_even_by_a_killed_run() {
    let flags = |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd.as_fd()).unwrap();
    for road in ROADS {
        let (their_stdin, feed) = pipe();
        let (read, their_stdout) = pipe();
        let (err_read, their_stderr) = pipe();
        let witnesses = [&their_stdin, &their_stdout, &their_stderr];
        let before = witnesses.map(flags);
        let report = ["--report", "plain", "-i", "0.01"];
        let mut child = hwm(&[road, &report].concat())
            .stdin(their_stdin.try_clone().unwrap())
            .stdout(their_stdout.try_clone().unwrap())
            .stderr(their_stderr.try_clone().unwrap())
            .spawn()
            .unwrap();
        rustix::io::write(&feed, &[b'\n'; 4096]).unwrap();
        let mut some = [0; 4096];
        rustix::io::read(&read, &mut some).unwrap();
        rustix::io::read(&err_read, &mut some).unwrap();
        assert_eq!(witnesses.map(flags), before, "{road:?}, running");
        child.kill().unwrap();
        wait(&mut child);
        assert_eq!(witnesses.map(flags), before, "{road:?}, killed");
    }
}

#[test]
fn a_terminals_settings_are_never_changed() {
    // As a person has it: with echo and the like on, so that it shows when they are switched off.
    let (_screen, terminal) = common::terminal();
    let settings = || format!("{:?}", rustix::termios::tcgetattr(&terminal).unwrap());
    let before = settings();
    let mut child = hwm(&[])
        .stdin(terminal.try_clone().unwrap())
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal.try_clone().unwrap())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(settings(), before);
    child.kill().unwrap();
    wait(&mut child);
    assert_eq!(settings(), before);
}

#[test]
fn pipes_grow_but_never_beyond_the_capacity() {
    let size = |fd: &OwnedFd| rustix::pipe::fcntl_getpipe_size(fd).unwrap();
    for (capacity, least, most) in [("8k", 65_536, 65_536), ("256k", 65_536, 262_144)] {
        let (their_stdin, feed) = pipe();
        let (read, their_stdout) = pipe();
        let mut child = hwm(&["-B", capacity])
            .stdin(their_stdin)
            .stdout(their_stdout)
            .spawn()
            .unwrap();
        rustix::io::write(&feed, b"x").unwrap();
        rustix::io::read(&read, &mut [0; 1]).unwrap();
        for pipe in [&feed, &read] {
            assert!(
                (least..=most).contains(&size(pipe)),
                "{} for -B {capacity}",
                size(pipe)
            );
        }
        drop(feed);
        wait(&mut child);
    }
}
