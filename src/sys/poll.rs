//! One call of poll, with its descriptors named by position.
//!
//! It is ppoll(2), for its limit knows less than a millisecond; where that is refused, poll(2) does, which
//! Rust needs to start at all.
//!
//! Refuses to interpret what it finds: that depends on the kind of descriptor, and its owner knows.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollTimeout};
use nix::sys::time::TimeSpec;
use rustix::event::PollFlags;
use rustix::io::{self, Errno};

use super::descriptor::is_refusal;

/// A limit beyond that is as good as none.
const LONGEST: Duration = Duration::from_secs(86_400);

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
        let events = nix::poll::PollFlags::from_bits_retain(events.bits().cast_signed());
        self.fds.push(PollFd::new(fd, events));
        Place(self.fds.len() - 1)
    }

    /// Waits for an event, at most `limit` (`None`: without end). A limit of zero looks and
    /// returns.
    ///
    /// # Errors
    ///
    /// The system's; `INTR` when a signal handler ran.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let limit = limit.filter(|limit| *limit < LONGEST);
        match nix::poll::ppoll(&mut self.fds, limit.map(TimeSpec::from_duration), None) {
            Err(errno) if is_refusal(own(errno)) => self.wait_for_milliseconds(limit),
            result => result.map(|_| ()).map_err(own),
        }
    }

    fn wait_for_milliseconds(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let timeout = match limit.map(|limit| limit.as_nanos().div_ceil(1_000_000)) {
            None => PollTimeout::NONE,
            Some(limit) => PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX),
        };
        let result = nix::poll::poll(&mut self.fds, timeout);
        result.map(|_| ()).map_err(own)
    }

    /// What the last wait found; nothing for something that was not watched.
    pub(super) fn found(&self, place: Option<Place>) -> PollFlags {
        let found = place.and_then(|Place(at)| self.fds[at].revents());
        found.map_or(PollFlags::empty(), |found| {
            PollFlags::from_bits_retain(found.bits().cast_unsigned())
        })
    }
}

fn own(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// Waits for nothing but the time. A sleep that a sandbox refuses is a defect to Rust.
pub(crate) fn pause(length: Duration) {
    let _ = PollSet::new().wait(Some(length));
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
