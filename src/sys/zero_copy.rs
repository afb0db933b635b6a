//! Moving bytes from the input into pipes of our own, out of them to the output, and straight past them,
//! without bringing them into memory.
//!
//! Refuses sockets and terminals, for which splice(2) promises nothing, and to decide how much is moved
//! where.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use rustix::io::{self, Errno};

use crate::system::{Splice, Write};

use super::descriptor::is_refusal;
use super::input::Input;
use super::output::Output;
use super::splice::{Scratch, splice};

/// From an input into a pipe of ours; 0 is the end, `None` means that it is to be read: a read tells
/// what is wrong, and whether a file whose size is not its length is really at its end.
///
/// # Errors
///
/// `AGAIN` when there is nothing or no space now.
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
            Write::WouldBlock | Write::InFlight(_) => Splice::WouldBlock,
            Write::Gone => Splice::Gone,
            Write::Failed(error) => Splice::Failed(error),
        })
    }
}
