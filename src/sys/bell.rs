//! One thread wakes another out of poll: a bell that is rung there and heard here.
//!
//! An eventfd, or a pipe where that is refused. Refuses to count: who hears it looks for himself.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io;
use rustix::pipe::{PipeFlags, pipe_with};

/// See the module's header.
#[derive(Debug)]
pub(super) struct Bell {
    heard: OwnedFd,
    /// Where it is rung, if that is not where it is heard.
    rung: Option<OwnedFd>,
}

impl Bell {
    /// A bell that was not rung yet.
    ///
    /// # Errors
    ///
    /// The system's: no descriptor left.
    pub(super) fn new() -> io::Result<Bell> {
        match eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC) {
            Ok(heard) => Ok(Bell { heard, rung: None }),
            Err(_) => Bell::over_pipe(),
        }
    }

    fn over_pipe() -> io::Result<Bell> {
        let (heard, rung) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let rung = Some(rung);
        Ok(Bell { heard, rung })
    }

    /// Rings. A counter or pipe that is full of rings is heard as well.
    pub(super) fn ring(&self) {
        let at = self.rung.as_ref().unwrap_or(&self.heard);
        let _ = io::write(at, &1u64.to_ne_bytes());
    }

    /// Was heard. A ring that comes meanwhile costs one needless wake-up, or two.
    pub(super) fn quiet(&self) {
        let _ = io::read(&self.heard, &mut [0u8; 64]);
    }

    /// Readable while it rings.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::look;
    use rustix::event::PollFlags;

    #[test]
    fn it_rings_until_it_is_quieted() {
        for bell in [Bell::new().unwrap(), Bell::over_pipe().unwrap()] {
            let rings = || !look(bell.fd(), PollFlags::IN).is_empty();
            assert!(!rings());
            bell.ring();
            bell.ring();
            assert!(rings());
            bell.quiet();
            assert!(!rings());
        }
    }
}
