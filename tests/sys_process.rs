//! The system space in a process of its own, for descriptors 0 and 1, signals and the ways to die
//! belong to a process.
//!
//! The child is this test binary again, with only the test `child` to run. The test harness writes
//! to stdout too, so the child gets its true stdout as stderr and moves it into place.

use std::error::Error;
use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use highwater::cli;
use highwater::sys::{Files, RealSystem, WriteMode, die_by};
use highwater::system::{Interest, Ready, Signal, System, Transfer};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal as Kill, kill_process};

/// Where the child writes what it has to say.
const NOTES: &str = "HWM_TEST_NOTES";
/// What the child does.
const ROLE: &str = "HWM_TEST_ROLE";
/// The child's FILE arguments, separated by colons; none: stdin.
const FILES: &str = "HWM_TEST_FILES";

#[test]
#[ignore = "the child's side of the other tests"]
fn child() {
    let Some(role) = std::env::var_os(ROLE) else {
        return;
    };
    let mut notes = File::create(std::env::var_os(NOTES).unwrap()).unwrap();
    if role != "check" {
        let null = File::options().write(true).open("/dev/null").unwrap();
        rustix::stdio::dup2_stdout(rustix::stdio::stderr()).unwrap();
        rustix::stdio::dup2_stderr(null).unwrap();
    }
    let files = std::env::var(FILES).unwrap_or("-".to_owned());
    let words = ["hwm"].into_iter().chain(files.split(':'));
    let config = cli::parse(words.map(Into::into), false).unwrap();
    let mut give_up = |error: &dyn Error| -> ! {
        write!(notes, "{error}").unwrap();
        std::process::exit(1)
    };
    let files = Files::of(&config).unwrap_or_else(|error| give_up(&error));
    let system = RealSystem::new(
        config.sources,
        &config.transfer,
        1 << 20,
        WriteMode::Inline,
        None,
        &files,
        None,
    );
    let mut system = system.unwrap_or_else(|error| give_up(&error));
    match role.to_str().unwrap() {
        "relay" => relay(&mut system),
        "close" => close(&mut system, &mut notes),
        "read-and-exit" => assert!(matches!(system.read(&mut [0; 9]), Transfer::WouldBlock)),
        "check" => {}
        other => panic!("no such role: {other}"),
    }
    write!(notes, "{}", system.now().as_millis()).unwrap();
    std::process::exit(0)
}

/// Moves bytes until the end, holding one read at most, and heeds signals.
fn relay(system: &mut RealSystem) {
    let mut space = vec![0; 10_000];
    let mut held = 0..0;
    let mut ended = false;
    while !ended || !held.is_empty() {
        while let Some(signal) = system.take_signal() {
            match signal {
                Signal::Terminate(number) => die_by(number),
                Signal::Suspend => system.suspend(),
                Signal::Report => {}
            }
        }
        let interest = Interest {
            input: held.is_empty(),
            output: !held.is_empty(),
            demand: false,
        };
        let ready = system.wait(interest, None);
        if ready.output_gone {
            die_by(13);
        }
        if ready.input {
            match system.read(&mut space) {
                Transfer::Moved(n) => held = 0..n,
                Transfer::WouldBlock => {}
                Transfer::End => ended = true,
                other => panic!("{other:?}"),
            }
        }
        if ready.output {
            match system.write(&[IoSlice::new(&space[held.clone()])]) {
                Transfer::Moved(n) => held.start += n,
                Transfer::WouldBlock | Transfer::InFlight(_) => {}
                Transfer::Gone => die_by(13),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Closes each side when told so by SIGUSR1, and ends at the third.
fn close(system: &mut RealSystem, notes: &mut File) {
    let acts: [fn(&mut RealSystem); 3] = [
        |_| {},
        RealSystem::close_input,
        |system| system.close_output().unwrap(),
    ];
    for act in acts {
        act(system);
        writeln!(notes, "next").unwrap();
        while system.take_signal() != Some(Signal::Report) {
            let ready = system.wait(Interest::default(), None);
            assert_eq!(ready, Ready::default());
        }
    }
}

/// A child, killed when dropped.
struct Run {
    child: Child,
    notes: tempfile::NamedTempFile,
}

impl Run {
    fn start(role: &str, stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Run {
        Run::start_with(role, stdin, stdout, |_| {})
    }

    fn start_with(
        role: &str,
        stdin: impl Into<Stdio>,
        stdout: impl Into<Stdio>,
        more: impl FnOnce(&mut Command),
    ) -> Run {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.stdout(Stdio::null()).stderr(stdout).stdin(stdin);
        more(&mut command);
        Run::launch(command, role)
    }

    /// Through a shell, which can close descriptors and ignore signals. `script` ends in
    /// `exec "$@"`, with redirections.
    fn start_by_shell(role: &str, script: &str, stdin: Stdio, stdout: Stdio) -> Run {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .arg(std::env::current_exe().unwrap());
        command.stdout(Stdio::null()).stderr(stdout).stdin(stdin);
        Run::launch(command, role)
    }

    fn launch(mut command: Command, role: &str) -> Run {
        let notes = tempfile::NamedTempFile::new().unwrap();
        command.args(["--exact", "child", "--ignored", "--nocapture"]);
        command.env(ROLE, role).env(NOTES, notes.path());
        let child = command.spawn().unwrap();
        Run { child, notes }
    }

    fn signal(&self, signal: Kill) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn notes(&self) -> String {
        std::fs::read_to_string(self.notes.path()).unwrap()
    }

    fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.notes())
    }

    /// Waits until the child sleeps (`S`) or is stopped (`T`).
    fn reach(&self, state: &str) {
        let path = format!("/proc/{}/stat", self.child.id());
        eventually(|| {
            let stat = std::fs::read_to_string(&path).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with(state)
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A pipe that no child inherits by accident: a copy of a writing end would hide its end.
fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC)
}

/// A pseudoterminal: the master's side and the user's.
fn pty() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let user = ioctl_tiocgptpeer(&master, flags).unwrap();
    (master, user)
}

fn is_non_blocking(fd: impl AsFd) -> bool {
    let flags = rustix::fs::fcntl_getfl(fd).unwrap();
    flags.contains(OFlags::NONBLOCK)
}

/// Writes a byte and reads it back, so that the child is known to be relaying.
fn exchange(writer: &OwnedFd, reader: &OwnedFd) {
    let mut byte = [0];
    rustix::io::write(writer, b"x").unwrap();
    assert_eq!(rustix::io::read(reader, &mut byte), Ok(1));
    assert_eq!(&byte, b"x");
}

fn complaint(role_script: &str) -> String {
    let run = Run::start_by_shell("check", role_script, Stdio::null(), Stdio::null());
    let (status, notes) = run.end();
    assert_eq!(status.code(), Some(1), "{role_script}: {notes}");
    notes
}

#[test]
fn what_is_closed_at_the_start_is_noticed() {
    assert_eq!(
        complaint(r#"exec "$@" <&-"#),
        "stdin is closed; redirect it (<), or name a FILE"
    );
    assert_eq!(
        complaint(r#"exec "$@" >&-"#),
        "stdout is closed; redirect it (>), or use -o or -X"
    );
}

#[test]
fn a_stdin_that_is_not_used_may_be_closed() {
    let script = format!(r#"{FILES}=/dev/null; export {FILES}; exec "$@" <&-"#);
    let run = Run::start_by_shell("check", &script, Stdio::null(), Stdio::null());
    let (status, notes) = run.end();
    assert!(status.success(), "{notes}");
}

#[test]
fn descriptors_that_cannot_serve_are_refused() {
    assert_eq!(
        complaint(r#"exec "$@" </"#),
        "stdin is a directory; name the files in it"
    );
    assert_eq!(
        complaint(r#"exec "$@" 1</dev/null"#),
        "stdout is not open for writing; redirect it (>), or use -o or -X"
    );
    assert_eq!(
        complaint(r#"exec "$@" 0>/dev/null"#),
        "stdin is not open for reading; redirect it (<), or name a FILE"
    );
}

#[test]
fn output_onto_the_input_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let message = "input and output are the same file; write to another one";
    assert_eq!(
        complaint(&format!(r#"exec "$@" <{path} >>{path}"#)),
        format!("stdin: {message}")
    );
    assert_eq!(
        complaint(&format!(
            r#"{FILES}={path}; export {FILES}; exec "$@" >>{path}"#
        )),
        format!("{path}: {message}")
    );
}

#[test]
fn bytes_pass_unchanged_and_pipes_keep_their_flags() {
    let (stdin, mut writer) = pipe().map(|(r, w)| (r, File::from(w))).unwrap();
    let (mut reader, stdout) = pipe().map(|(r, w)| (File::from(r), w)).unwrap();
    let witnesses = [stdin.try_clone().unwrap(), stdout.try_clone().unwrap()];
    let run = Run::start("relay", stdin, stdout);
    let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let expected = bytes.clone();
    let producer = std::thread::spawn(move || writer.write_all(&bytes));
    let mut came = vec![0; expected.len()];
    reader.read_exact(&mut came).unwrap();
    producer.join().unwrap().unwrap();
    let (status, _) = run.end();
    assert!(status.success());
    assert!(came == expected, "the bytes differ");
    assert!(witnesses.iter().all(|fd| !is_non_blocking(fd)));
}

#[test]
fn nothing_is_left_changed_by_a_kill_in_mid_flow() {
    let (stdin, writer) = pipe().unwrap();
    let (reader, stdout) = pipe().unwrap();
    let witnesses = [stdin.try_clone().unwrap(), stdout.try_clone().unwrap()];
    let run = Run::start("relay", stdin, stdout);
    exchange(&writer, &reader);
    assert!(witnesses.iter().all(|fd| !is_non_blocking(fd)));
    run.signal(Kill::KILL);
    let (status, _) = run.end();
    assert_eq!(status.signal(), Some(9));
    assert!(witnesses.iter().all(|fd| !is_non_blocking(fd)));
}

#[test]
fn a_consumer_that_leaves_is_noticed_while_the_producer_is_silent() {
    let (stdin, writer) = pipe().unwrap();
    let (reader, stdout) = pipe().unwrap();
    let run = Run::start("relay", stdin, stdout);
    exchange(&writer, &reader);
    drop(reader);
    let (status, _) = run.end();
    assert_eq!(status.signal(), Some(13));
    drop(writer);
}

#[test]
fn a_socket_that_is_both_sides_dies_when_both_directions_do() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let run = Run::start("relay", theirs.try_clone().unwrap(), theirs);
    let ours = OwnedFd::from(ours);
    exchange(&ours, &ours);
    drop(ours);
    let (status, _) = run.end();
    assert_eq!(status.signal(), Some(13));
}

#[test]
fn a_peer_that_is_done_sending_gets_everything_back() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let run = Run::start("relay", theirs.try_clone().unwrap(), theirs);
    (&ours).write_all(b"echo").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    (&ours).read_to_string(&mut text).unwrap();
    assert_eq!(text, "echo");
    let (status, _) = run.end();
    assert!(status.success());
}

#[test]
fn what_only_knows_blocking_calls_is_ferried_and_does_not_hold_up_the_end() {
    // The master sides: they block, and opened again they would be other terminals.
    let (stdin, producer) = pty();
    let (stdout, consumer) = pty();
    let run = Run::start("relay", stdin, stdout);
    rustix::io::write(&producer, b"one line\n").unwrap();
    let mut line = [0; 9];
    assert_eq!(rustix::io::read(&consumer, &mut line), Ok(9));
    assert_eq!(&line, b"one line\n");
    assert!(!is_non_blocking(&producer) && !is_non_blocking(&consumer));
    run.reach("S");
    run.signal(Kill::TERM);
    let (status, _) = run.end();
    assert_eq!(status.signal(), Some(15));
}

#[test]
fn a_ferry_that_waits_does_not_hold_up_a_normal_exit() {
    let (stdin, _producer) = pty();
    let (_reader, stdout) = pipe().unwrap();
    let (status, _) = Run::start("read-and-exit", stdin, stdout).end();
    assert!(status.success());
}

#[test]
fn terminals_are_relayed_and_keep_their_flags() {
    let (keyboard, stdin) = pty();
    let (screen, stdout) = pty();
    let witnesses = [stdin.try_clone().unwrap(), stdout.try_clone().unwrap()];
    let run = Run::start("relay", stdin, stdout);
    rustix::io::write(&keyboard, b"one line\n").unwrap();
    let mut line = [0; 8];
    assert_eq!(rustix::io::read(&screen, &mut line), Ok(8));
    assert_eq!(&line, b"one line");
    assert!(witnesses.iter().all(|fd| !is_non_blocking(fd)));
    rustix::io::write(&keyboard, &[4]).unwrap();
    let (status, _) = run.end();
    assert!(status.success());
}

#[test]
fn a_terminating_signal_is_heard_and_died_by() {
    for (signal, number) in [(Kill::TERM, 15), (Kill::INT, 2), (Kill::HUP, 1)] {
        let (stdin, writer) = pipe().unwrap();
        let (reader, stdout) = pipe().unwrap();
        let run = Run::start("relay", stdin, stdout);
        exchange(&writer, &reader);
        run.signal(signal);
        let (status, _) = run.end();
        assert_eq!(status.signal(), Some(number));
    }
}

#[test]
fn a_signal_ignored_at_the_start_stays_ignored() {
    let (stdin, writer) = pipe().unwrap();
    let (reader, stdout) = pipe().unwrap();
    let script = r#"trap "" HUP; exec "$@""#;
    let run = Run::start_by_shell("relay", script, stdin.into(), stdout.into());
    exchange(&writer, &reader);
    run.signal(Kill::HUP);
    exchange(&writer, &reader);
    drop(writer);
    let (status, _) = run.end();
    assert!(status.success());
}

#[test]
fn a_stop_is_a_stop_and_its_time_does_not_count() {
    let (stdin, writer) = pipe().unwrap();
    let (reader, stdout) = pipe().unwrap();
    let begin = Instant::now();
    let run = Run::start("relay", stdin, stdout);
    exchange(&writer, &reader);
    run.signal(Kill::TSTP);
    run.reach("T");
    let stopped = Instant::now();
    std::thread::sleep(Duration::from_millis(200));
    let pause = stopped.elapsed();
    run.signal(Kill::CONT);
    exchange(&writer, &reader);
    drop(writer);
    let (status, notes) = run.end();
    assert!(status.success());
    let counted = Duration::from_millis(notes.parse().unwrap());
    assert!(counted + pause <= begin.elapsed(), "counted {counted:?}");
}

#[test]
fn both_sides_can_be_closed_before_the_end() {
    let (stdin, writer) = pipe().unwrap();
    let (reader, stdout) = pipe().unwrap();
    let run = Run::start("close", stdin, stdout);
    let acted = |times| eventually(|| run.notes().lines().count() == times);
    acted(1);
    rustix::io::write(&writer, b"x").unwrap();
    run.signal(Kill::USR1);
    acted(2);
    assert_eq!(
        rustix::io::write(&writer, b"x"),
        Err(rustix::io::Errno::PIPE)
    );
    run.signal(Kill::USR1);
    acted(3);
    assert_eq!(rustix::io::read(&reader, &mut [0; 9]), Ok(0));
    run.signal(Kill::USR1);
    let (status, _) = run.end();
    assert!(status.success());
}

#[test]
fn a_fifo_is_waited_for_by_one_that_hears_signals() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    make_fifo(&fifo);
    let (reader, stdout) = pipe().unwrap();
    let start = || {
        let stdout = stdout.try_clone().unwrap();
        Run::start_with("relay", Stdio::null(), stdout, |command| {
            command.env(FILES, &fifo);
        })
    };
    let run = start();
    // The open for writing waits for the child's open for reading.
    let mut writer = File::options().write(true).open(&fifo).unwrap();
    writer.write_all(b"x").unwrap();
    let mut byte = [0];
    assert_eq!(rustix::io::read(&reader, &mut byte), Ok(1));
    drop(writer);
    let (status, _) = run.end();
    assert!(status.success());

    let run = start();
    run.reach("S");
    eventually(|| hears(&run, 15));
    run.signal(Kill::TERM);
    let (status, _) = run.end();
    assert_eq!(status.signal(), Some(15));
}

/// Whether the child has a handler for `signal`.
fn hears(run: &Run, signal: u32) -> bool {
    let path = format!("/proc/{}/status", run.child.id());
    let status = std::fs::read_to_string(path).unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
