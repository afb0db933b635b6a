//! The harness: the real binary between real pipes. Every wait has a bound, and a failure prints
//! the command, its output and its account.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod emulator;
pub mod fuse;
pub mod session;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing in a test takes longer on the slowest machine, not even the start of a server on Erlang's virtual machine
/// beside busy neighbours; it bounds hangs, it measures nothing.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A command line of hwm, with all three streams piped.
pub fn hwm(args: &[&str]) -> Command {
    let mut command = command(&[env!("CARGO_BIN_EXE_hwm")]);
    command.args(args);
    command
}

/// Any command, which finds hwm as `$HWM`, with all three streams piped.
pub fn command(words: &[&str]) -> Command {
    // A test run under nohup, or in the background of a script, hands down ignored signals.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=HUP,INT,TERM,TSTP,USR1")
        .args(words)
        .env("HWM", env!("CARGO_BIN_EXE_hwm"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a finished run left.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Finished {
    /// The status as a shell shows it.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .or_else(|| self.status.signal().map(|number| 128 + number))
            .expect("ended by a status or a signal")
    }

    /// Fails with everything known unless the status is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "stderr: {}", self.stderr);
        self
    }

    /// The summary of `--report json`.
    #[track_caller]
    pub fn summary(&self) -> Account {
        Account(summary_of(&self.stderr))
    }
}

/// The last JSON object with `"event":"summary"`.
#[track_caller]
pub fn summary_of(text: &str) -> Value {
    text.lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|object| object["event"] == "summary")
        .unwrap_or_else(|| panic!("no summary in: {text}"))
}

/// A JSON object of the reports.
#[derive(Debug)]
pub struct Account(pub Value);

impl Account {
    /// The integer at `key`.
    #[track_caller]
    pub fn count(&self, key: &str) -> u64 {
        self.0[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key} in {}", self.0))
    }

    /// What was lost for `reason`: bytes and records.
    #[track_caller]
    pub fn lost(&self, reason: &str) -> (u64, u64) {
        let of = |key: &str| self.0[key][reason].as_u64();
        (
            of("lost_bytes").unwrap_or_else(|| panic!("{reason} in {}", self.0)),
            of("lost_records").unwrap_or_else(|| panic!("{reason} in {}", self.0)),
        )
    }

    /// The sum over all reasons of `lost_bytes` or `lost_records`.
    #[track_caller]
    pub fn lost_in_all(&self, key: &str) -> u64 {
        let reasons = self.0[key].as_object().expect("an object of reasons");
        reasons.values().map(|count| count.as_u64().unwrap()).sum()
    }

    /// in = out + lost + held, in bytes and in records.
    #[track_caller]
    pub fn assert_balanced(&self) {
        for unit in ["bytes", "records"] {
            assert_eq!(
                self.count(&format!("in_{unit}")),
                self.count(&format!("out_{unit}"))
                    + self.lost_in_all(&format!("lost_{unit}"))
                    + self.count(&format!("held_{unit}")),
                "{unit} of {}",
                self.0
            );
        }
    }
}

/// Waits until `child` ends; kills it and fails after [`PATIENCE`].
#[track_caller]
pub fn wait(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().expect("kill");
            panic!("did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `condition` holds; fails after [`PATIENCE`].
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Feeds `input`, reads everything, waits for the end.
pub fn run(args: &[&str], input: &[u8]) -> Finished {
    finish(hwm(args).spawn().expect("spawn hwm"), input)
}

/// The same for a child that is running already.
pub fn finish(mut child: Child, input: &[u8]) -> Finished {
    std::thread::scope(|scope| {
        if let Some(mut stdin) = child.stdin.take() {
            scope.spawn(move || {
                // A child that takes no more is no failure of the test's.
                let _ = stdin.write_all(input);
            });
        }
        let stdout = child.stdout.take().map(|pipe| scope.spawn(|| slurp(pipe)));
        let stderr = child.stderr.take().map(|pipe| scope.spawn(|| slurp(pipe)));
        let status = wait(&mut child);
        let read = |thread: Option<std::thread::ScopedJoinHandle<'_, Vec<u8>>>| {
            thread.map_or_else(Vec::new, |thread| thread.join().expect("reader"))
        };
        Finished {
            status,
            stdout: read(stdout),
            stderr: String::from_utf8(read(stderr)).expect("stderr is text"),
        }
    })
}

/// Everything until end of file.
pub fn slurp(mut from: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).expect("read");
    all
}

/// Sends the signal `number` to `child`.
pub fn signal(child: &Child, number: i32) {
    let status = Command::new("kill")
        .args([format!("-{number}"), child.id().to_string()])
        .status()
        .expect("kill(1)");
    assert!(status.success());
}

/// Numbered lines of mixed length, as a log has them: some long, some with CRLF, UTF-8 or NUL
/// bytes. Each begins with its number, so that order and wholeness show.
pub fn log(lines: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for number in 0..lines {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let length = match state % 1000 {
            0 => 100_000,
            1..=20 => 2_000 + (state >> 20) % 2_000,
            21..=100 => 0,
            _ => 20 + (state >> 20) % 180,
        } as usize;
        bytes.extend_from_slice(format!("{number:09} ").as_bytes());
        let alphabet: &[u8] = match state >> 60 {
            0 => "\u{e4}\u{2192}\u{1f600} ".as_bytes(),
            1 => b"\0null\0 ",
            _ => b"GET /index.html 200 ",
        };
        bytes.extend(alphabet.iter().cycle().take(length));
        bytes.extend_from_slice(if state >> 58 & 3 == 0 { b"\r\n" } else { b"\n" });
    }
    bytes
}

/// The lines of `bytes`, each with its newline.
pub fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').collect()
}

/// Fails unless `output` is a subsequence of `input`: the same lines, whole and in order.
/// Returns how many lines are missing.
#[track_caller]
pub fn assert_subsequence(input: &[u8], output: &[u8]) -> usize {
    let mut from = lines(input).into_iter();
    let mut missing = 0;
    for line in lines(output) {
        loop {
            let Some(candidate) = from.next() else {
                panic!(
                    "not an input line, or out of order: {:?}",
                    String::from_utf8_lossy(&line[..line.len().min(80)])
                );
            };
            if candidate == line {
                break;
            }
            missing += 1;
        }
    }
    missing + from.count()
}

/// A pseudoterminal as a person's: the master's side, and the other.
pub fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let user = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
    (master, user)
}

/// A pseudoterminal that changes nothing of what passes: the master's side, and the other.
pub fn raw_terminal() -> (OwnedFd, OwnedFd) {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let (master, user) = terminal();
    let mut settings = tcgetattr(&user).unwrap();
    settings.make_raw();
    tcsetattr(&user, OptionalActions::Now, &settings).unwrap();
    (master, user)
}

/// Whether `command` works on this machine. Where it does not, the test says that it was skipped,
/// past the capture of `cargo test`: nothing passes in silence.
pub fn can(command: &[&str]) -> bool {
    let tried = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output();
    let works = tried.is_ok_and(|done| done.status.success());
    if !works {
        skipped(&format!("cannot {}", command.join(" ")));
    }
    works
}

/// Says, past the capture of `cargo test`, that this test left out something, and why.
pub fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = std::io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes());
}
