//! Input that was read and is kept besides, as pages: what is written of it need not be copied again.
//!
//! ```text
//!   stdin -> [ahead] -> memory, where it is looked at
//!               | tee
//!   front -> [ kept] -> stdout
//! ```
//!
//! Both pipes are empty between two turns of the loop. Splicing takes `RWF_NOWAIT` from a description
//! for ever, and what sees its bytes goes on reading and writing, so this splices from and to
//! descriptions of its own. Refuses everything but pipes on both sides: the pages of a file could
//! change after they were looked at.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::{self, Errno};
use rustix::pipe::SpliceFlags;

use crate::engine::Write;

use super::open_null;
use super::pipes::{self, Pipe};
use super::splice;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Kept {
    ahead: Pipe,
    in_ahead: usize,
    kept: Pipe,
    in_kept: usize,
    /// Where goes what is not written after all.
    null: OwnedFd,
}

impl Kept {
    /// With pipes of at most `bound` bytes. None where they cannot be had.
    pub(super) fn new(bound: u64) -> Option<Kept> {
        Some(Kept {
            ahead: pipes::make(bound)?,
            in_ahead: 0,
            kept: pipes::make(bound)?,
            in_kept: 0,
            null: open_null(OFlags::WRONLY).ok()?,
        })
    }

    /// Takes at most `most` bytes from a pipe; 0 is its end. Without room for `front`, or for some of
    /// what came, that is not kept.
    ///
    /// # Errors
    ///
    /// `AGAIN` when there is nothing now, else the system's.
    pub(super) fn take(
        &mut self,
        from: BorrowedFd<'_>,
        front: &[IoSlice<'_>],
        most: usize,
    ) -> io::Result<usize> {
        debug_assert!(self.in_ahead == 0 && self.in_kept == 0);
        self.in_ahead = splice::splice(from, self.ahead.writer(), most)?;
        if self.in_ahead > 0 && self.put(front) {
            let flags = SpliceFlags::NONBLOCK;
            let (from, to) = (self.ahead.reader(), self.kept.writer());
            let teed = io::retry_on_intr(|| rustix::pipe::tee(from, to, self.in_ahead, flags));
            self.in_kept += teed.unwrap_or(0);
        }
        Ok(self.in_ahead)
    }

    /// Whether all of it is kept. It is less than the smallest pipe takes.
    fn put(&mut self, front: &[IoSlice<'_>]) -> bool {
        let bytes: usize = front.iter().map(|part| part.len()).sum();
        if bytes > 0 {
            let put = io::retry_on_intr(|| io::writev(self.kept.writer(), front));
            self.in_kept = put.unwrap_or(0);
        }
        self.in_kept == bytes
    }

    /// Whether there is something to [`Kept::read`].
    pub(super) fn is_ahead(&self) -> bool {
        self.in_ahead > 0
    }

    /// Reads what was taken.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = room.len().min(self.in_ahead);
        let count = io::retry_on_intr(|| io::read(self.ahead.reader(), &mut room[..most]))?;
        self.in_ahead -= count;
        Ok(count)
    }

    /// Bytes that are kept.
    pub(super) fn len(&self) -> usize {
        self.in_kept
    }

    /// Writes at most `most` bytes of what is kept to a pipe.
    pub(super) fn write(&mut self, to: BorrowedFd<'_>, most: usize) -> Write {
        match splice::splice(self.kept.reader(), to, most) {
            Ok(0) => Write::Failed(Errno::IO.into()),
            Ok(count) => {
                self.in_kept -= count;
                Write::Accepted(count)
            }
            Err(Errno::AGAIN) => Write::WouldBlock,
            Err(Errno::PIPE) => Write::Gone,
            Err(errno) => Write::Failed(errno.into()),
        }
    }

    /// Lets go of what is kept.
    pub(super) fn drop_kept(&mut self) {
        while self.in_kept > 0 {
            let (from, to) = (self.kept.reader(), self.null.as_fd());
            match splice::splice(from, to, self.in_kept) {
                Ok(count) if count > 0 => self.in_kept -= count,
                _ => return,
            }
        }
    }
}
