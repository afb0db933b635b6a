//! Our own pipes, made when they are first named.
//!
//! They are of the usual size, and large while the stream is worth it (`share`); what is empty can be given
//! back at any time. Refuses to insist: where the kernel gives no pipe, or only a tiny one because the user's share of
//! pipe memory is used up, there is none, and nothing is said. Knows nothing of what is in them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::resource::{Resource, getrlimit};
use rustix::io::ioctl_fionread;
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};

use crate::core;

use super::descriptor::{LARGEST_PIPE, grow_pipe, shrink_pipe};

/// A pipe below the usual size is what the kernel gives to who has too many.
const USUAL: usize = 64 * 1024;

/// Descriptors left for sources to come, a helper, the report: copying needs them, and no pipe.
const LEFT: u64 = 8;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Pipes {
    /// None where one is not made, or was given back.
    pipes: Vec<Option<Pipe>>,
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
    /// Nothing is made yet. What may be held in them is `bound`, and so is the size of each.
    pub(super) fn new(bound: u64) -> Pipes {
        let most = core::buffer::own_pipes::most(bound, LARGEST_PIPE as u64);
        Pipes {
            pipes: (0..most).map(|_| None).collect(),
            bound,
            is_refused: false,
        }
    }

    /// Whether there are any.
    pub(super) fn are_made(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }

    /// Makes all of them, and large: whoever needs one will soon need the others, and finding out whether
    /// pages are left costs as much as many pipes.
    pub(super) fn grow(&mut self) {
        for place in &mut self.pipes {
            match place {
                Some(pipe) => _ = grow_pipe(pipe.writer(), self.bound),
                None => *place = make(PipeFlags::CLOEXEC, self.bound),
            }
        }
    }

    /// The end that fills the pipe of that number; of the usual size if it is made for that.
    pub(super) fn writer(&mut self, number: usize) -> Option<BorrowedFd<'_>> {
        let pipe = self.pipes.get_mut(number)?;
        if pipe.is_none() && !self.is_refused {
            *pipe = make(PipeFlags::CLOEXEC, 0);
            self.is_refused = pipe.is_none();
        }
        pipe.as_ref().map(Pipe::writer)
    }

    /// The end that empties the pipe of that number.
    pub(super) fn reader(&self, number: usize) -> Option<BorrowedFd<'_>> {
        self.pipes.get(number)?.as_ref().map(Pipe::reader)
    }

    /// Closes what is empty, and makes the rest as small as it can be. Returns whether all are closed.
    pub(super) fn give_back(&mut self) -> bool {
        for place in &mut self.pipes {
            let is_empty = |pipe: &mut Pipe| ioctl_fionread(pipe.reader()) == Ok(0);
            // What holds nothing is made anew when it is named.
            drop(place.take_if(is_empty));
            if let Some(pipe) = place {
                shrink_pipe(pipe.writer(), USUAL);
            }
        }
        self.is_refused = false;
        self.pipes.iter().all(Option::is_none)
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
