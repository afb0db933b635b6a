//! Moving bytes from the input into pipes of our own, out of them to the output, and straight past them,
//! without bringing them into memory.
//!
//! Refuses sockets and terminals, for which splice(2) promises nothing, and to decide how much is moved
//! where.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use rustix::io::{self, Errno};

use crate::system::Transfer;

use super::descriptor::is_refusal;
use super::input::Input;
use super::output::Output;
use super::splice::{BouncePipe, splice};

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
    bounce_pipe: &Rc<BouncePipe>,
) -> io::Result<Option<usize>> {
    let Some(from) = input.splices(bounce_pipe)? else {
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
    bounce_pipe: &Rc<BouncePipe>,
) -> Transfer {
    let Ok(Some(from)) = input.splices(bounce_pipe) else {
        return Transfer::Unable;
    };
    match splice(from, output, most) {
        Ok(0) if input.tells_its_end() => Transfer::End,
        Ok(0) => Transfer::Unable,
        Ok(n) => Transfer::Moved(n),
        Err(Errno::PIPE) => Transfer::Gone,
        Err(Errno::AGAIN) => Transfer::WouldBlock,
        _ => Transfer::Unable,
    }
}

/// From a pipe of ours, which has something, to the output.
fn into_output(pipe: BorrowedFd<'_>, output: BorrowedFd<'_>, most: usize) -> io::Result<Transfer> {
    match splice(pipe, output, most) {
        // A device that takes nothing and calls it success would be asked for ever.
        Ok(0) => Ok(Transfer::Failed(Errno::IO.into())),
        Ok(n) => Ok(Transfer::Moved(n)),
        Err(Errno::AGAIN) => Ok(Transfer::WouldBlock),
        Err(Errno::PIPE) => Ok(Transfer::Gone),
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
        bounce_pipe: &Rc<BouncePipe>,
    ) -> Transfer {
        if output.can_be_spliced_to() {
            match into_output(pipe, output.splice_target(bounce_pipe), most) {
                Ok(answer) => return answer,
                Err(errno) if is_refusal(errno) => output.do_without_splice(),
                Err(errno) => return Transfer::Failed(errno.into()),
            }
        }
        self.copy(pipe, output, most)
            .unwrap_or_else(|errno| Transfer::Failed(errno.into()))
    }

    fn copy(
        &mut self,
        pipe: BorrowedFd<'_>,
        output: &mut Output,
        most: usize,
    ) -> io::Result<Transfer> {
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
            Transfer::Moved(count) => {
                self.taken += count;
                Transfer::Moved(count)
            }
            // Which of the two it was the next call tells.
            Transfer::InFlight(_) => Transfer::WouldBlock,
            nothing => nothing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_a_pipe_holds_is_copied_to_what_is_not_spliced_to() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        File::from(writer).write_all(b"0123456789").unwrap();
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let mut output = Output::over(ours.into()).unwrap();
        assert!(!output.can_be_spliced_to(), "a socket");
        let bounce_pipe = Rc::new(BouncePipe::new().unwrap());
        let mut drain = Drain::default();
        for (most, moved) in [(4, 4), (100, 6)] {
            let answer = drain.empty(reader.as_fd(), &mut output, most, &bounce_pipe);
            assert!(
                matches!(answer, Transfer::Moved(count) if count == moved),
                "{answer:?}"
            );
        }
        // The loop asks only while it knows of something there.
        let answer = drain.empty(reader.as_fd(), &mut output, 1, &bounce_pipe);
        assert!(matches!(answer, Transfer::Failed(_)), "{answer:?}");
        drop(output);
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "0123456789");
    }
}
