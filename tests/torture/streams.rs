//! What hwm inherits, and witnesses that it was not changed.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::common::raw_terminal;
use super::round::Stream;

/// hwm's end, and its peer's; a file has none.
pub struct Ends {
    pub theirs: OwnedFd,
    pub ours: Option<OwnedFd>,
}

impl Ends {
    /// For hwm to read from, with a peer that writes. A file is at `path`.
    pub fn readable(stream: Stream, path: &Path) -> Self {
        let (theirs, ours) = match stream {
            Stream::Pipe => pipe_with(PipeFlags::CLOEXEC).unwrap(),
            Stream::Fifo => fifo(path),
            Stream::Socket => sockets(),
            Stream::Terminal => {
                let (master, user) = raw_terminal();
                (user, master)
            }
            Stream::File => return Self::file(File::open(path)),
        };
        Self {
            theirs,
            ours: Some(ours),
        }
    }

    /// For hwm to write to, with a peer that reads. A file is made at `path`.
    pub fn writable(stream: Stream, path: &Path) -> Self {
        let (ours, theirs) = match stream {
            Stream::Pipe => pipe_with(PipeFlags::CLOEXEC).unwrap(),
            Stream::Fifo => fifo(path),
            Stream::Socket => sockets(),
            Stream::Terminal => raw_terminal(),
            Stream::File => return Self::file(File::create(path)),
        };
        Self {
            theirs,
            ours: Some(ours),
        }
    }

    fn file(file: std::io::Result<File>) -> Self {
        Self {
            theirs: file.unwrap().into(),
            ours: None,
        }
    }
}

fn fifo(path: &Path) -> (OwnedFd, OwnedFd) {
    use rustix::fs::{CWD, FileType, mknodat, open};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let open = |flags| open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let _both = open(OFlags::RDWR);
    (open(OFlags::RDONLY), open(OFlags::WRONLY))
}

fn sockets() -> (OwnedFd, OwnedFd) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    (a.into(), b.into())
}

/// A pipe's writing end with no space left; nothing is ever read from the other.
pub fn fill(pipe: &OwnedFd) {
    let size = rustix::pipe::fcntl_setpipe_size(pipe, 4096).unwrap();
    assert_eq!(rustix::io::write(pipe, &vec![b'.'; size]), Ok(size));
}

/// Shares a description with hwm and remembers what belongs to all who share it. It keeps the
/// description open: no peer sees the end of its stream while there is a witness.
pub struct Witness {
    fd: OwnedFd,
    flags: OFlags,
    settings: Option<String>,
}

impl Witness {
    pub fn of(fd: &OwnedFd) -> Self {
        Self {
            fd: fd.try_clone().unwrap(),
            flags: rustix::fs::fcntl_getfl(fd).unwrap(),
            settings: settings(fd).ok(),
        }
    }

    pub fn sees_no_change(&self) {
        assert_eq!(rustix::fs::fcntl_getfl(&self.fd), Ok(self.flags));
        match settings(&self.fd) {
            Err(Errno::IO) => {} // A terminal that hung up has none any more.
            settings => assert_eq!(settings.ok(), self.settings),
        }
    }
}

/// Of a terminal.
fn settings(fd: impl AsFd) -> Result<String, Errno> {
    rustix::termios::tcgetattr(fd).map(|settings| format!("{settings:?}"))
}
