//! The ledger of `-c`: a small file with a line for each row of a terminal, shared by whoever draws there.
//!
//! Refuses to be any other file, and to wait for ever for its turn.

use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::report_output::Descriptor;
use super::{Files, Role, pause};

/// No ledger of ours is larger.
const LARGEST: u64 = 1 << 20;

/// How long to wait for another process to be done with the ledger. It has it for no longer than it
/// takes to draw, unless it was stopped meanwhile.
const TIMEOUT: Duration = Duration::from_millis(250);

/// The same once that was in vain.
const LITTLE_TIMEOUT: Duration = Duration::from_millis(10);

/// A line of the ledger.
#[derive(Debug, Clone)]
pub struct Entry {
    pub number: u32,
    pub state: State,
    pub text: String,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A row.
    Runs,
    /// The place of last words to come.
    Leaves,
    /// Last words.
    Ended,
}

impl State {
    const ALL: [State; 3] = [State::Runs, State::Leaves, State::Ended];

    /// In the ledger.
    fn name(self) -> &'static str {
        match self {
            State::Runs => "runs",
            State::Leaves => "leaves",
            State::Ended => "ended",
        }
    }
}

impl Entry {
    /// Whether these are last words.
    pub fn is_word(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether it is the place of process `number`.
    pub fn is_of(&self, number: u32) -> bool {
        self.number == number && !self.is_word()
    }

    /// Whether it is the place of a process that still runs.
    pub fn is_alive(&self) -> bool {
        !self.is_word() && Path::new("/proc").join(self.number.to_string()).exists()
    }

    fn in_line(line: &str) -> Option<Entry> {
        let mut parts = line.splitn(3, ' ');
        let number = parts.next()?.parse().ok()?;
        let name = parts.next()?;
        Some(Entry {
            number,
            state: State::ALL.into_iter().find(|state| state.name() == name)?,
            text: parts.next()?.to_owned(),
        })
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.number, self.state.name(), self.text)
    }
}

/// One ledger for each terminal and job: what another job left has nothing to do with our rows.
pub fn ledger_of(terminal: &Descriptor) -> Option<PathBuf> {
    let stat = rustix::fs::fstat(terminal).ok()?;
    let group = rustix::process::getpgrp().as_raw_nonzero();
    let user = rustix::process::geteuid().as_raw();
    let folder = ["XDG_RUNTIME_DIR", "TMPDIR"]
        .iter()
        .filter_map(|variable| env::var_os(variable).map(PathBuf::from))
        .find(|folder| folder.is_absolute() && folder.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"));
    Some(folder.join(format!("hwm-{user}-{}-{group}.rows", stat.st_rdev)))
}

/// The file, and the lock on it.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    files: Files,
    timeout: Duration,
}

/// What this process is called there.
pub fn own_number() -> u32 {
    std::process::id()
}

impl Ledger {
    /// Nobody draws on that terminal any more.
    pub fn remove(path: &Path) {
        let _ = std::fs::remove_file(path);
    }

    /// Whatever somebody laid there in a folder that all may write to, a link to another file of ours
    /// above all, is left as it is.
    pub fn open(path: &Path, files: &Files) -> io::Result<Ledger> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file: OwnedFd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?;
        let stat = rustix::fs::fstat(&file)?;
        let is_ours = stat.st_uid == rustix::process::geteuid().as_raw();
        // None, where the last of the others has just taken it away.
        let is_only_here = stat.st_nlink <= 1;
        if !is_ours || !is_only_here || !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        files.opened(Role::Rows, &file)?;
        Ok(Ledger {
            file: file.into(),
            files: files.clone(),
            timeout: TIMEOUT,
        })
    }

    /// Waits for the others to close it, though not for ever, and reads it. Where the last of them took
    /// it away, a new one is begun.
    pub fn turn(&mut self, path: &Path) -> io::Result<Vec<Entry>> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if rustix::fs::fstat(&self.file)?.st_nlink > 0 => break,
                Ok(()) => *self = Ledger::open(path, &self.files)?,
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    pause(Duration::from_millis(1));
                }
                Err(error) => {
                    self.timeout = LITTLE_TIMEOUT;
                    return Err(error.into());
                }
            }
        }
        self.timeout = TIMEOUT;
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0))?;
        Read::by_ref(&mut self.file)
            .take(LARGEST)
            .read_to_string(&mut text)?;
        Ok(text.lines().filter_map(Entry::in_line).collect())
    }

    /// Puts the page back, and lets the others have it.
    pub fn close(&mut self, page: &[Entry]) {
        let text: String = page.iter().map(Entry::line).collect();
        let _ = self.file.set_len(0);
        let _ = self.file.seek(SeekFrom::Start(0));
        let _ = self.file.write_all(text.as_bytes());
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_is_something_else_as_well_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink(at("target"), at("link")).unwrap();
        std::fs::write(at("mine"), "text").unwrap();
        std::fs::hard_link(at("mine"), at("hard link")).unwrap();
        let fifo = crate::sys::testing::Fifo::new();
        for path in [&at("link"), &at("hard link"), fifo.path()] {
            let ledger = Ledger::open(path, &Files::default());
            assert!(ledger.is_err(), "{}", path.display());
        }
        assert_eq!(std::fs::read_to_string(at("mine")).unwrap(), "text");
        // Nor is one that is also read or written by this run.
        std::fs::write(at("input"), "text").unwrap();
        let files = Files::default();
        let input = File::open(at("input")).unwrap();
        files.opened(Role::Input, &input).unwrap();
        assert!(Ledger::open(&at("input"), &files).is_err());
        assert!(Ledger::open(&at("other"), &files).is_ok());
    }
}
