//! splice(2), and a pipe of our own by which a spliced pipe is still read and written.
//!
//! `SPLICE_F_NONBLOCK` keeps the call from waiting for either pipe, and touches no flag. Knows neither inputs
//! nor outputs: what is moved between them is for `zero_copy`.

use std::cell::Cell;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{self, Errno};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with};

use super::pipes::spare_pipe;

/// The largest packet of a pipe in packet mode (`O_DIRECT` in pipe(2)).
pub(super) const PACKET: usize = 4096;

/// Moves at most `most` bytes; 0 is the end.
///
/// # Errors
///
/// `AGAIN` when there is nothing or no space now, else the system's.
pub(super) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    io::retry_on_intr(|| rustix::pipe::splice(from, None, to, None, most, flags))
}

/// Whether the kernel splices into a device like this: not every one takes it, and none that was opened
/// for appending. Asked with an empty pipe, so that nothing moves.
pub(super) fn is_taken_by(output: BorrowedFd<'_>) -> bool {
    pipe_with(PipeFlags::CLOEXEC).is_ok_and(|(reader, _writer)| {
        matches!(splice(reader.as_fd(), output, 1), Err(Errno::AGAIN))
    })
}

/// A pipe of our own by which another can still be read and written once it was spliced: it has lost
/// `RWF_NOWAIT` by that (`pipe_clear_nowait` in Linux), and to open it anew takes /proc and the same
/// user. It takes two calls for one. Empty between two calls, so it serves both sides, and holds nothing that would count.
#[derive(Debug)]
pub(super) struct BouncePipe {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Something could not be read from it, and would come as something else: it must not be used any more.
    is_stuck: Cell<bool>,
    /// So many bytes of the input are among that, and nobody was told yet.
    lost: Cell<u64>,
}

impl BouncePipe {
    /// Made before anything is spliced, so that the fallback is there when it is needed. None where
    /// it cannot be had: too many descriptors.
    pub(super) fn new() -> Option<BouncePipe> {
        let (reader, writer) = spare_pipe(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Some(BouncePipe {
            reader,
            writer,
            is_stuck: Cell::new(false),
            lost: Cell::new(0),
        })
    }

    /// Reads from a pipe, without waiting; 0 is the end.
    ///
    /// # Errors
    ///
    /// `AGAIN` when there is nothing now, else the system's.
    pub(super) fn read(&self, from: BorrowedFd<'_>, space: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let count = splice(from, self.writer.as_fd(), space.len())?;
        let taken = self.take(&mut space[..count]);
        taken.inspect_err(|_| self.lost.set(count as u64))?;
        Ok(count)
    }

    /// Writes to a pipe, without waiting.
    ///
    /// # Errors
    ///
    /// `AGAIN` when there is no space now, else the system's.
    pub(super) fn write(&self, to: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.check()?;
        let count = io::retry_on_intr(|| io::writev(&self.writer, parts))?;
        let moved = splice(self.reader.as_fd(), to, count);
        let left = count - moved.unwrap_or(0);
        // They are where they came from, too. What went out did, whatever becomes of them.
        match self.take(&mut vec![0; left]) {
            Err(errno) if moved.is_err() => Err(errno),
            _ => moved,
        }
    }

    /// How many bytes of input were lost in it since this was last asked.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.take()
    }

    fn check(&self) -> io::Result<()> {
        match self.is_stuck.get() {
            true => Err(Errno::IO),
            false => Ok(()),
        }
    }

    fn take(&self, mut space: &mut [u8]) -> io::Result<()> {
        while !space.is_empty() {
            let read = io::retry_on_intr(|| io::read(&self.reader, &mut *space));
            let count = read.inspect_err(|_| self.is_stuck.set(true))?;
            space = &mut space[count..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;

    /// One that cannot be read from, and the end that could.
    fn broken() -> (BouncePipe, OwnedFd) {
        let mut bounce_pipe = BouncePipe::new().unwrap();
        let no_reader = bounce_pipe.writer.try_clone().unwrap();
        let reader = std::mem::replace(&mut bounce_pipe.reader, no_reader);
        (bounce_pipe, reader)
    }

    #[test]
    fn what_was_taken_and_cannot_be_read_is_reported_once_and_comes_as_nothing_else() {
        let (reader, writer) = pipe().unwrap();
        io::write(&writer, b"abcde").unwrap();
        let (bounce_pipe, _reader) = broken();
        assert!(bounce_pipe.read(reader.as_fd(), &mut [0; 3]).is_err());
        assert_eq!((bounce_pipe.take_lost(), bounce_pipe.take_lost()), (3, 0));
        assert_eq!(
            bounce_pipe.read(reader.as_fd(), &mut [0; 3]),
            Err(Errno::IO)
        );
        assert_eq!(bounce_pipe.take_lost(), 0, "nothing more is taken");
        assert_eq!(io::ioctl_fionread(&reader), Ok(2));
        let parts = [IoSlice::new(b"x")];
        assert_eq!(bounce_pipe.write(writer.as_fd(), &parts), Err(Errno::IO));
    }
}
