//! Moving bytes into, out of and past our own pipes without bringing them into memory.
//!
//! `SPLICE_F_NONBLOCK` keeps the call from waiting for either pipe, and touches no flag. Refuses
//! sockets and terminals, for which it promises nothing, and to decide how much is moved where.

use std::cell::Cell;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::io::{self, Errno};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with};

use crate::system::{Splice, Write};

use super::descriptor::is_refusal;
use super::input::Input;
use super::output::Output;
use super::pipes::spare_pipe;

/// The largest packet of a pipe in packet mode (`O_DIRECT` in pipe(2)).
pub(super) const PACKET: usize = 4096;

/// Moves at most `most` bytes; 0 is the end.
///
/// # Errors
///
/// `AGAIN` when there is nothing or no room now, else the system's.
pub(super) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    io::retry_on_intr(|| rustix::pipe::splice(from, None, to, None, most, flags))
}

/// From an input into a pipe of ours; 0 is the end, `None` means that it is to be read: a read tells
/// what is wrong, and whether a file whose size is not its length is really at its end.
///
/// # Errors
///
/// `AGAIN` when there is nothing or no room now.
pub(super) fn from_input(
    input: &mut Input,
    pipe: BorrowedFd<'_>,
    most: usize,
    scratch: &Rc<Scratch>,
) -> io::Result<Option<usize>> {
    let Some(from) = input.splices(scratch)? else {
        return Ok(None);
    };
    match splice(from, pipe, most) {
        Err(Errno::AGAIN) => Err(Errno::AGAIN),
        Ok(count) if count > 0 || input.tells_its_end() => Ok(Some(count)),
        _ => {
            input.do_without_splice();
            Ok(None)
        }
    }
}

/// From an input straight to the output; the end is that of this input. What fails, or may not be the
/// end, is left to the two halves, which know whose failure it is.
pub(super) fn straight(
    input: &mut Input,
    output: BorrowedFd<'_>,
    most: usize,
    scratch: &Rc<Scratch>,
) -> Splice {
    let Ok(Some(from)) = input.splices(scratch) else {
        return Splice::Unable;
    };
    match splice(from, output, most) {
        Ok(0) if input.tells_its_end() => Splice::End,
        Ok(0) => Splice::Unable,
        Ok(n) => Splice::Moved(n as u64),
        Err(Errno::PIPE) => Splice::Gone,
        Err(Errno::AGAIN) => Splice::WouldBlock,
        _ => Splice::Unable,
    }
}

/// From a pipe of ours, which has something, to the output.
fn into_output(pipe: BorrowedFd<'_>, output: BorrowedFd<'_>, most: usize) -> io::Result<Splice> {
    match splice(pipe, output, most) {
        // A device that takes nothing and calls it success would be asked for ever.
        Ok(0) => Ok(Splice::Failed(Errno::IO.into())),
        Ok(n) => Ok(Splice::Moved(n as u64)),
        Err(Errno::AGAIN) => Ok(Splice::WouldBlock),
        Err(Errno::PIPE) => Ok(Splice::Gone),
        Err(errno) => Err(errno),
    }
}

/// Empties our own pipes into the output: by splicing, and by copying what is in them when the kernel
/// does not do that, or no longer.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// What was read from the oldest pipe; goes out before the rest of that.
    read: Vec<u8>,
    /// So much of it went out.
    taken: usize,
}

impl Drain {
    /// The most that is read at once.
    const MOST: usize = 64 * 1024;

    /// From the oldest pipe, which has something, to the output.
    pub(super) fn empty(
        &mut self,
        pipe: BorrowedFd<'_>,
        output: &mut Output,
        most: usize,
        scratch: &Rc<Scratch>,
    ) -> Splice {
        if output.can_be_spliced_to() {
            match into_output(pipe, output.splice_target(scratch), most) {
                Ok(answer) => return answer,
                Err(errno) if is_refusal(errno) => output.do_without_splice(),
                Err(errno) => return Splice::Failed(errno.into()),
            }
        }
        self.copy(pipe, output, most)
            .unwrap_or_else(|errno| Splice::Failed(errno.into()))
    }

    fn copy(
        &mut self,
        pipe: BorrowedFd<'_>,
        output: &mut Output,
        most: usize,
    ) -> io::Result<Splice> {
        if self.taken == self.read.len() {
            self.read.resize(most.min(Self::MOST), 0);
            let count = io::retry_on_intr(|| io::read(pipe, &mut self.read[..]))?;
            self.read.truncate(count);
            self.taken = 0;
            if count == 0 {
                return Err(Errno::IO);
            }
        }
        let rest = &self.read[self.taken..];
        let rest = &rest[..rest.len().min(most)];
        Ok(match output.write(&[IoSlice::new(rest)]) {
            Write::Accepted(count) => {
                self.taken += count;
                Splice::Moved(count as u64)
            }
            // Which of the two it was the next call tells.
            Write::WouldBlock | Write::UnderWay(_) => Splice::WouldBlock,
            Write::Gone => Splice::Gone,
            Write::Failed(error) => Splice::Failed(error),
        })
    }
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
pub(super) struct Scratch {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Something could not be read from it, and would come as something else: it must not be used any more.
    is_stuck: Cell<bool>,
    /// So many bytes of the input are among that, and nobody was told yet.
    lost: Cell<u64>,
}

impl Scratch {
    /// Made before anything is spliced, so that the way back is there when it is needed. None where
    /// it cannot be had: too many descriptors.
    pub(super) fn new() -> Option<Scratch> {
        let (reader, writer) = spare_pipe(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Some(Scratch {
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
    pub(super) fn read(&self, from: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let count = splice(from, self.writer.as_fd(), room.len())?;
        let taken = self.take(&mut room[..count]);
        taken.inspect_err(|_| self.lost.set(count as u64))?;
        Ok(count)
    }

    /// Writes to a pipe, without waiting.
    ///
    /// # Errors
    ///
    /// `AGAIN` when there is no room now, else the system's.
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

    fn take(&self, mut room: &mut [u8]) -> io::Result<()> {
        while !room.is_empty() {
            let read = io::retry_on_intr(|| io::read(&self.reader, &mut *room));
            let count = read.inspect_err(|_| self.is_stuck.set(true))?;
            room = &mut room[count..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;

    /// One that cannot be read from, and the end that could.
    fn broken() -> (Scratch, OwnedFd) {
        let mut scratch = Scratch::new().unwrap();
        let no_reader = scratch.writer.try_clone().unwrap();
        let reader = std::mem::replace(&mut scratch.reader, no_reader);
        (scratch, reader)
    }

    #[test]
    fn what_was_taken_and_cannot_be_read_is_told_once_and_comes_as_nothing_else() {
        let (reader, writer) = pipe().unwrap();
        io::write(&writer, b"abcde").unwrap();
        let (scratch, _reader) = broken();
        assert!(scratch.read(reader.as_fd(), &mut [0; 3]).is_err());
        assert_eq!((scratch.take_lost(), scratch.take_lost()), (3, 0));
        assert_eq!(scratch.read(reader.as_fd(), &mut [0; 3]), Err(Errno::IO));
        assert_eq!(scratch.take_lost(), 0, "nothing more is taken");
        assert_eq!(io::ioctl_fionread(&reader), Ok(2));
        let parts = [IoSlice::new(b"x")];
        assert_eq!(scratch.write(writer.as_fd(), &parts), Err(Errno::IO));
    }
}
