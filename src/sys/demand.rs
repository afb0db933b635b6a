//! The descriptor from which the consumer's grants come, a line each, read without blocking.
//!
//! Refuses to know what a line means: that is parsed by a function that it is given.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use rustix::event::PollFlags;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::config::Sink;
use crate::core::demand::Grant;
use crate::engine::Granted;
use crate::units::reason;

use super::input::Input;
use super::sources::open_file;

/// No grant is longer, in bytes.
const LONGEST: usize = 64;

/// Where grants come from, and what a line means.
#[derive(Debug)]
pub struct DemandSource {
    /// A FIFO, a file, or `/dev/fd/N`.
    pub path: PathBuf,
    /// From a line to a grant, or to what was expected instead.
    pub parse: fn(&str) -> Result<Grant, String>,
}

#[derive(Debug)]
pub(super) struct Demand {
    input: Input,
    parse: fn(&str) -> Result<Grant, String>,
    unread: Vec<u8>,
    lines: u64,
    has_ended: bool,
}

impl Demand {
    /// Opens it, in a run that reads stdin or not, and writes to `sink`.
    ///
    /// # Errors
    ///
    /// The system's; and where it is what the data comes from or goes to.
    pub(super) fn open(
        source: &DemandSource,
        reads_stdin: bool,
        sink: &Sink,
    ) -> io::Result<Demand> {
        // Before it is opened: the open of a FIFO could wait for somebody else.
        let own = rustix::fs::stat(&source.path)?;
        let is_same = |other: rustix::io::Result<Stat>| {
            other.is_ok_and(|other| (other.st_dev, other.st_ino) == (own.st_dev, own.st_ino))
        };
        if reads_stdin && is_same(rustix::fs::fstat(rustix::stdio::stdin())) {
            return Err(io::Error::other("it is also the input"));
        }
        let output = match sink {
            Sink::Stdout => rustix::fs::fstat(rustix::stdio::stdout()),
            Sink::File(path) => rustix::fs::stat(path),
            Sink::Nowhere => Err(Errno::NOENT),
        };
        // A terminal may well show the data and be where more is asked for.
        let is_device = FileType::from_raw_mode(own.st_mode).is_char_device();
        if !is_device && is_same(output) {
            return Err(io::Error::other("it is also the output"));
        }
        Ok(Demand {
            input: Input::over_own(open_file(&source.path)?)?,
            parse: source.parse,
            unread: Vec::new(),
            lines: 0,
            has_ended: false,
        })
    }

    /// As [`crate::engine::System::take_grant`].
    pub(super) fn take(&mut self) -> Granted {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.unread) {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return self.read_line(&line[..end]);
            }
            if self.unread.len() > LONGEST {
                let line = std::mem::take(&mut self.unread);
                return self.read_line(&line);
            }
            if self.has_ended {
                let line = std::mem::take(&mut self.unread);
                return match line.is_empty() {
                    true => Granted::End,
                    false => self.read_line(&line),
                };
            }
            let mut room = [0; 4096];
            match self.input.read(&mut room) {
                Ok(0) => self.has_ended = true,
                Ok(count) => self.unread.extend_from_slice(&room[..count]),
                Err(Errno::AGAIN) => return Granted::WouldBlock,
                Err(errno) => return Granted::Failed(reason(&errno.into())),
            }
        }
    }

    fn read_line(&mut self, line: &[u8]) -> Granted {
        self.lines += 1;
        let text = String::from_utf8_lossy(line);
        let number = self.lines;
        match (self.parse)(&text) {
            Ok(grant) => Granted::Grant(grant, number),
            Err(why) => {
                let shown: String = text.chars().take(LONGEST).collect();
                Granted::Failed(format!("line {number}, '{shown}': {why}"))
            }
        }
    }

    /// What to poll, and for which events; None when a read makes sense at once.
    pub(super) fn watched(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.input.watched()
    }
}
