//! One thread wakes another out of poll: an event that is notified there and polled here.
//!
//! An eventfd, or a pipe where that is refused. Refuses to count: who is woken looks what there is.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io;
use rustix::pipe::{PipeFlags, pipe_with};

/// See the module's header.
#[derive(Debug)]
pub(super) struct Completion {
    read_end: OwnedFd,
    /// Where it is write_end, if that is not where it is read_end.
    write_end: Option<OwnedFd>,
}

impl Completion {
    /// An event that was not notified yet.
    ///
    /// # Errors
    ///
    /// The system's: no descriptor left.
    pub(super) fn new() -> io::Result<Completion> {
        match eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC) {
            Ok(read_end) => Ok(Completion {
                read_end,
                write_end: None,
            }),
            Err(_) => Completion::over_pipe(),
        }
    }

    fn over_pipe() -> io::Result<Completion> {
        let (read_end, write_end) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let write_end = Some(write_end);
        Ok(Completion {
            read_end,
            write_end,
        })
    }

    /// Notifies. A counter or pipe that is full of notifications wakes as well.
    pub(super) fn notify(&self) {
        let at = self.write_end.as_ref().unwrap_or(&self.read_end);
        let _ = io::write(at, &1u64.to_ne_bytes());
    }

    /// Clears it. A ring that comes meanwhile costs one needless wake-up, or two.
    pub(super) fn clear(&self) {
        let _ = io::read(&self.read_end, &mut [0u8; 64]);
    }

    /// Readable while it rings.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.read_end.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::look;
    use rustix::event::PollFlags;

    #[test]
    fn it_rings_until_it_is_quieted() {
        for completion in [Completion::new().unwrap(), Completion::over_pipe().unwrap()] {
            let rings = || !look(completion.fd(), PollFlags::IN).is_empty();
            assert!(!rings());
            completion.notify();
            completion.notify();
            assert!(rings());
            completion.clear();
            assert!(!rings());
        }
    }
}
