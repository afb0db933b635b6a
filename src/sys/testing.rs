//! Things to read and write in tests.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A pseudoterminal: the master's side and the user's.
pub(crate) fn pty() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name: CString = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let user = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
    (master, user)
}

/// A FIFO in a directory of its own.
pub(crate) struct Fifo {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Fifo {
    pub(crate) fn new() -> Fifo {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        Fifo {
            path,
            _directory: directory,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Without waiting for a writer.
    pub(crate) fn open_for_reading(&self) -> OwnedFd {
        rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap()
    }

    /// A reader must be there.
    pub(crate) fn open_for_writing(&self) -> File {
        File::options().write(true).open(&self.path).unwrap()
    }
}

/// Waits until `fd` has something to read.
pub(crate) fn readable(fd: BorrowedFd<'_>) {
    rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], None).unwrap();
}

/// Fills a pipe to the brim.
pub(crate) fn fill(pipe: impl AsFd) {
    let page = [0; 4096];
    let once = || {
        let parts = [std::io::IoSlice::new(&page)];
        rustix::io::pwritev2(&pipe, &parts, u64::MAX, ReadWriteFlags::NOWAIT)
    };
    while once() != Err(Errno::AGAIN) {}
}
