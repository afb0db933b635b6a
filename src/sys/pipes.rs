//! Our own pipes, made when they are first named.
//!
//! Refuses to insist: where the kernel gives no pipe, or only a tiny one because the user's share of
//! pipe memory is used up, there is none, and nothing is said. Knows nothing of what is in them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::resource::{Resource, getrlimit};
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};

use super::descriptor::grow_pipe;

/// A pipe below the usual size is what the kernel gives to who has too many.
const USUAL: usize = 64 * 1024;

/// Descriptors left for sources to come, a helper, the report: copying needs them, and no pipe.
const LEFT: u64 = 8;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Pipes {
    pipes: Vec<Pipe>,
    /// The size that they are grown to, at most.
    bound: u64,
    /// No more can be had.
    is_refused: bool,
}

/// A pipe of our own.
#[derive(Debug)]
pub(super) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    /// The end that empties it.
    pub(super) fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// The end that fills it.
    pub(super) fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }
}

impl Pipes {
    /// Nothing is made yet.
    pub(super) fn new(bound: u64) -> Pipes {
        Pipes {
            pipes: Vec::new(),
            bound,
            is_refused: false,
        }
    }

    /// The end that fills the pipe of that number. Those before it were named before.
    pub(super) fn writer(&mut self, number: usize) -> Option<BorrowedFd<'_>> {
        if number == self.pipes.len() && !self.is_refused {
            match make(PipeFlags::CLOEXEC, self.bound) {
                Some(pipe) => self.pipes.push(pipe),
                None => self.is_refused = true,
            }
        }
        self.pipes.get(number).map(Pipe::writer)
    }

    /// The end that empties the pipe of that number.
    pub(super) fn reader(&self, number: usize) -> Option<BorrowedFd<'_>> {
        self.pipes.get(number).map(Pipe::reader)
    }
}

/// A new pipe, if that leaves enough descriptors for the files and streams of the run.
pub(super) fn spare_pipe(flags: PipeFlags) -> Option<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(flags).ok()?;
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    let is_last = limit.is_ok_and(|(limit, _)| (writer.as_raw_fd() as u64) + LEFT >= limit);
    (!is_last).then_some((reader, writer))
}

/// A new pipe of at most `bound` bytes, or of the usual size; None where that cannot be had.
pub(super) fn make(flags: PipeFlags, bound: u64) -> Option<Pipe> {
    let (reader, writer) = spare_pipe(flags)?;
    if fcntl_getpipe_size(&writer).ok()? < USUAL {
        return None;
    }
    grow_pipe(&writer, bound);
    Some(Pipe { reader, writer })
}
