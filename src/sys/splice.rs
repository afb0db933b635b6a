//! Moving bytes into, out of and past our own pipes without bringing them into memory.
//!
//! `SPLICE_F_NONBLOCK` keeps the call from waiting for either pipe, and touches no flag. Refuses
//! sockets and terminals, for which it promises nothing, and to decide how much is moved where.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::{self, Errno};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with};

use crate::engine::Splice;

use super::input::Input;

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    io::retry_on_intr(|| rustix::pipe::splice(from, None, to, None, most, flags))
}

/// From an input into a pipe of ours; 0 is the end, `None` means that it is to be read.
///
/// # Errors
///
/// `AGAIN` when there is nothing or no room now, else the input's.
pub(super) fn from_input(
    input: &mut Input,
    pipe: BorrowedFd<'_>,
    most: usize,
) -> io::Result<Option<usize>> {
    let Some(from) = input.splices()? else {
        return Ok(None);
    };
    match splice(from, pipe, most) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            input.do_without_splice();
            Ok(None)
        }
        result => result.map(Some),
    }
}

/// From an input straight to the output; the end is that of this input. What fails is left to the
/// two halves, which know whose failure it is.
pub(super) fn straight(input: &mut Input, output: BorrowedFd<'_>, most: usize) -> Splice {
    let Ok(Some(from)) = input.splices() else {
        return Splice::Unable;
    };
    match splice(from, output, most) {
        Ok(0) => Splice::End,
        Ok(n) => Splice::Moved(n as u64),
        Err(Errno::PIPE) => Splice::Gone,
        Err(Errno::AGAIN) => Splice::WouldBlock,
        _ => Splice::Unable,
    }
}

/// From a pipe of ours, which has something, to the output.
pub(super) fn into_output(pipe: BorrowedFd<'_>, output: BorrowedFd<'_>, most: usize) -> Splice {
    match splice(pipe, output, most) {
        // A device that takes nothing and calls it success would be asked for ever.
        Ok(0) => Splice::Failed(Errno::IO.into()),
        Ok(n) => Splice::Moved(n as u64),
        Err(Errno::AGAIN) => Splice::WouldBlock,
        Err(Errno::PIPE) => Splice::Gone,
        Err(errno) => Splice::Failed(errno.into()),
    }
}

/// Whether the kernel splices into something like this: a file opened for appending takes none, nor
/// does every file system. Asked with an empty pipe, so that nothing moves.
pub(super) fn is_taken_by(output: BorrowedFd<'_>) -> bool {
    pipe_with(PipeFlags::CLOEXEC).is_ok_and(|(reader, _writer)| {
        matches!(splice(reader.as_fd(), output, 1), Err(Errno::AGAIN))
    })
}
