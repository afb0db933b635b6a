//! One call of poll, with its descriptors named by position.
//!
//! Refuses to interpret what it finds: that depends on the kind of descriptor, and its owner knows.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io;

/// The descriptors that one wait watches.
pub(super) struct PollSet<'a> {
    fds: Vec<PollFd<'a>>,
}

/// A place in a [`PollSet`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(usize);

impl<'a> PollSet<'a> {
    /// An empty set.
    pub(super) fn new() -> PollSet<'a> {
        // Signals, a timer, input, output, and the helper of one of them.
        PollSet {
            fds: Vec::with_capacity(5),
        }
    }

    /// Watches `fd` for `events`, and for ERR and HUP, which poll always reports.
    pub(super) fn add(&mut self, fd: BorrowedFd<'a>, events: PollFlags) -> Place {
        self.fds.push(PollFd::from_borrowed_fd(fd, events));
        Place(self.fds.len() - 1)
    }

    /// Waits for an event, at most `limit` (`None`: without end). A limit of zero looks and
    /// returns.
    ///
    /// # Errors
    ///
    /// The system's; `INTR` when a signal handler ran.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> io::Result<usize> {
        // A limit beyond what a Timespec can hold is as good as none.
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        rustix::event::poll(&mut self.fds, limit.as_ref())
    }

    /// What the last wait found; nothing for something that was not watched.
    pub(super) fn found(&self, place: Option<Place>) -> PollFlags {
        place.map_or(PollFlags::empty(), |Place(at)| self.fds[at].revents())
    }
}

/// Looks at one descriptor without waiting. Finds nothing if poll fails.
pub(super) fn look(fd: BorrowedFd<'_>, events: PollFlags) -> PollFlags {
    let mut set = PollSet::new();
    let place = set.add(fd, events);
    match set.wait(Some(Duration::ZERO)) {
        Ok(_) => set.found(Some(place)),
        Err(_) => PollFlags::empty(),
    }
}
