//! Where the text goes: writes that never panic, and never stop the process.
//!
//! Refuses `std::io::Stderr`: its lock, held by a thread stuck in a write, would hold up whoever
//! writes to it next, and the relay must not wait for a reporter.

use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};
use rustix::termios::{self, LocalModes};

use super::job;
use crate::sys::{is_local, path};

/// An open place to write to; clones share it.
#[derive(Debug, Clone)]
pub enum Descriptor {
    /// The process's stderr, which may be closed: then nothing is written.
    Stderr,
    /// What an option named.
    Own(Arc<OwnedFd>),
}

impl Descriptor {
    /// Opens `path` for appending, so that several runs may share a log, and creates it where
    /// there is none. A FIFO that nobody reads is an error (ENXIO), not a wait. A descriptor that it
    /// names is taken as it is. Returns also whether it was opened by its name.
    pub fn open(path: &Path) -> io::Result<(Descriptor, bool)> {
        let (file, is_own) = Descriptor::open_non_blocking(path)?;
        if is_own {
            // Only the open had to return at once.
            rustix::fs::fcntl_setfl(&file, OFlags::APPEND)?;
        }
        Ok((file, is_own))
    }

    /// The same, to be written as far as there is space: [`Write::write`] waits until there is any,
    /// and then tells how much went. A descriptor that others share may wait for more.
    pub fn open_non_blocking(path: &Path) -> io::Result<(Descriptor, bool)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NONBLOCK;
        let opened = path::open(path, flags, Mode::from_raw_mode(0o666))?;
        Ok((Descriptor::Own(Arc::new(opened.fd)), opened.is_own))
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        termios::isatty(self)
    }

    /// Writes a short text as a whole if nobody has to be waited for: to a file, /dev/null, or a pipe
    /// with space. Returns whether it is written, or lost for good.
    pub fn write_at_once(&self, text: &[u8]) -> bool {
        // An offset of -1 stands for "the current position".
        const HERE: u64 = u64::MAX;
        let stat = match rustix::fs::fstat(self) {
            Ok(stat) => stat,
            Err(errno) => return errno == Errno::BADF,
        };
        let null = rustix::fs::makedev(1, 3);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if stat.st_rdev == null => true,
            FileType::RegularFile if is_local(self.as_fd()) => {
                let _ = rustix::io::write(self, text);
                true
            }
            // So much goes in as a whole or not at all.
            FileType::Fifo if text.len() <= rustix::pipe::PIPE_BUF => {
                let parts = [IoSlice::new(text)];
                match rustix::io::pwritev2(self, &parts, HERE, ReadWriteFlags::NOWAIT) {
                    Ok(_) | Err(Errno::PIPE) => true,
                    Err(_) => false,
                }
            }
            _ => false,
        }
    }

    /// The width of the terminal, at least 1; None where it does not tell.
    pub fn columns(&self) -> Option<usize> {
        let columns = usize::from(termios::tcgetwinsize(self).ok()?.ws_col);
        (columns > 0).then_some(columns)
    }

    /// The height of the terminal, at least 1; None where it does not tell.
    pub fn rows(&self) -> Option<usize> {
        let rows = usize::from(termios::tcgetwinsize(self).ok()?.ws_row);
        (rows > 0).then_some(rows)
    }

    /// Whether we may paint on this terminal.
    pub fn is_foreground(&self) -> bool {
        job::is_foreground(self)
    }

    /// Whether a write would be answered by SIGTTOU: `stty tostop`, and we are in the background.
    /// A report is not worth a stopped relay.
    fn would_stop(&self) -> bool {
        termios::tcgetattr(self).is_ok_and(|settings| {
            settings.local_modes.contains(LocalModes::TOSTOP) && !self.is_foreground()
        })
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Stderr => rustix::stdio::stderr(),
            Descriptor::Own(file) => file.as_fd(),
        }
    }
}

impl Write for Descriptor {
    /// Blocks as long as it takes, also where others made the description non-blocking. What
    /// would stop the process counts as written.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.would_stop() {
            return Ok(text.len());
        }
        loop {
            match rustix::io::write(&*self, text) {
                Err(Errno::AGAIN) => wait_for_room(self)?,
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait_for_room(descriptor: &Descriptor) -> io::Result<()> {
    let mut waits = [PollFd::new(descriptor, PollFlags::OUT)];
    match poll(&mut waits, None) {
        Err(Errno::INTR) | Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes a line at once, so that lines of several processes mix only as wholes. Nobody is left
/// to be told of a failure.
pub fn say(out: &mut dyn Write, line: String) {
    let _ = out.write_all((line + "\n").as_bytes());
}

/// Whether a FIFO could not be opened because nobody reads it.
pub fn has_no_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
}

/// The same on stderr, by one who must not wait: only where there is space for a line.
pub fn say_now(line: String) {
    say_if_room(&mut Descriptor::Stderr, &(line + "\n"));
}

/// The same for any text.
pub fn say_if_room(out: &mut Descriptor, text: &str) {
    let at_once = Timespec::default();
    let mut space = [PollFd::new(&*out, PollFlags::OUT)];
    if poll(&mut space, Some(&at_once)) == Ok(1) {
        let _ = out.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(path: &Path, line: &str) {
        say(&mut Descriptor::open(path).unwrap().0, line.to_owned());
    }

    #[test]
    fn several_runs_share_a_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, "first");
        append(&path, "second");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "first\nsecond\n");
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_an_error_and_no_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = Descriptor::open(&path).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NXIO.raw_os_error()));
    }

    #[test]
    fn a_pipe_takes_a_line_at_once_only_if_it_has_room() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let pipe = Descriptor::Own(Arc::new(writer));
        assert!(pipe.write_at_once(b"said\n"));
        let mut line = [0; 5];
        assert_eq!(rustix::io::read(&reader, &mut line), Ok(5));
        assert_eq!(&line, b"said\n");
        crate::sys::testing::fill(&pipe);
        assert!(!pipe.write_at_once(b"not now\n"));
        drop(reader);
        assert!(pipe.write_at_once(b"lost\n"), "nobody is left to be told");
    }

    #[test]
    fn a_full_device_is_harmless() {
        append(Path::new("/dev/full"), "lost");
    }

    #[test]
    fn a_exited_pipe_is_harmless() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut out = Descriptor::Own(Arc::new(writer));
        say(&mut out, "lost".to_owned());
        assert!(out.write(b"x").is_err());
    }

    #[test]
    fn a_description_made_non_blocking_by_others_gets_whole_lines() {
        let flags = rustix::pipe::PipeFlags::NONBLOCK;
        let (reader, writer) = rustix::pipe::pipe_with(flags).unwrap();
        let space = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
        let line = "x".repeat(2 * space);
        let sent = line.clone();
        let talker = std::thread::spawn(move || {
            say(&mut Descriptor::Own(Arc::new(writer)), sent);
        });
        rustix::fs::fcntl_setfl(&reader, OFlags::empty()).unwrap();
        let mut came = String::new();
        io::Read::read_to_string(&mut std::fs::File::from(reader), &mut came).unwrap();
        talker.join().unwrap();
        assert_eq!(came.len(), line.len() + 1);
    }
}
