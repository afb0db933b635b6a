//! Our own pipes, made when they are first named.
//!
//! Refuses to insist: where the kernel gives no pipe, or only a tiny one because the user's share of
//! pipe memory is used up, there is none, and nothing is said. Knows nothing of what is in them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};

use super::descriptor::grow_pipe;

/// A pipe below the usual size is what the kernel gives to who has too many.
const USUAL: usize = 64 * 1024;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Pipes {
    pipes: Vec<Pipe>,
    /// The size that they are grown to, at most.
    bound: u64,
    /// No more can be had.
    is_refused: bool,
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
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
            match make(self.bound) {
                Some(pipe) => self.pipes.push(pipe),
                None => self.is_refused = true,
            }
        }
        self.pipes.get(number).map(|pipe| pipe.writer.as_fd())
    }

    /// The end that empties the pipe of that number.
    pub(super) fn reader(&self, number: usize) -> Option<BorrowedFd<'_>> {
        self.pipes.get(number).map(|pipe| pipe.reader.as_fd())
    }
}

fn make(bound: u64) -> Option<Pipe> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).ok()?;
    if fcntl_getpipe_size(&writer).ok()? < USUAL {
        return None;
    }
    grow_pipe(&writer, bound);
    Some(Pipe { reader, writer })
}
