//! The descriptor from which the consumer's grants come, a line each, read without blocking.
//!
//! Refuses to know what a line means: that is parsed by a function that it is given.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::core::allowance::demand::Grant;
use crate::system::Granted;
use crate::units::reason;

use super::files::{Files, Role};
use super::input::Input;
use super::path;
use super::sources::{input_over, open_file};

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
    /// Of a FIFO, so that it does not end when who wrote into it does.
    _writer: Option<OwnedFd>,
    parse: fn(&str) -> Result<Grant, String>,
    unread: Vec<u8>,
    lines: u64,
    has_ended: bool,
}

impl Demand {
    /// Opens it. Where consumers follow one another a FIFO is not over with one of them.
    ///
    /// # Errors
    ///
    /// The system's, and where the data comes from there or goes there as well.
    pub(super) fn open(
        source: &DemandSource,
        consumers_follow: bool,
        files: &Files,
    ) -> io::Result<Demand> {
        let opened = open_file(&source.path)?;
        files.opened(Role::Demand, &opened.fd)?;
        let writer = if consumers_follow && opened.is_own && is_fifo(&opened.fd)? {
            Some(path::open(&source.path, OFlags::WRONLY, Mode::empty())?.fd)
        } else {
            None
        };
        Ok(Demand {
            input: input_over(opened)?,
            _writer: writer,
            parse: source.parse,
            unread: Vec::new(),
            lines: 0,
            has_ended: false,
        })
    }

    /// As [`crate::system::System::take_grant`].
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
            let mut space = [0; 4096];
            match self.input.read(&mut space) {
                Ok(0) => self.has_ended = true,
                Ok(count) => self.unread.extend_from_slice(&space[..count]),
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

fn is_fifo(fd: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(FileType::from_raw_mode(stat.st_mode).is_fifo())
}
