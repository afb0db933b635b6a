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
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size};

use crate::system::Transfer;

use super::descriptor::open_null;
use super::pipes::{self, Pipe};
use super::splice::{self, PACKET};

/// See the module's header.
#[derive(Debug)]
pub(super) struct TeeBuffer {
    ahead: Pipe,
    /// Bytes to be read, those in `part` among them.
    in_ahead: usize,
    /// What was read already, since there was less space than a packet may take.
    part: Vec<u8>,
    kept: Pipe,
    in_kept: usize,
    /// Of the pipe in which it is kept.
    size: u64,
    /// Where goes what is not written after all.
    null: OwnedFd,
    /// The system does not do it: nothing more is to be taken.
    is_refused: bool,
}

impl TeeBuffer {
    /// With pipes of at most `bound` bytes, and the one that keeps half as large: while one such lot is in an
    /// output of that size, there is space for the next, however the pages are filled. None where they cannot be had.
    pub(super) fn new(bound: u64) -> Option<TeeBuffer> {
        let make = |bound| pipes::make(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK, bound);
        let kept = make(bound / 2)?;
        let size = fcntl_getpipe_size(kept.writer()).ok()?;
        Some(TeeBuffer {
            ahead: make(bound)?,
            in_ahead: 0,
            part: Vec::new(),
            kept,
            in_kept: 0,
            size: size as u64,
            null: open_null(OFlags::WRONLY).ok()?,
            is_refused: false,
        })
    }

    /// Takes at most `most` bytes from a pipe; 0 is its end, `None` means that it is to be read. Without
    /// space for `front`, or for some of what came, that is not kept.
    ///
    /// # Errors
    ///
    /// `AGAIN` when there is nothing now.
    pub(super) fn take(
        &mut self,
        from: BorrowedFd<'_>,
        front: &[IoSlice<'_>],
        most: usize,
    ) -> io::Result<Option<usize>> {
        debug_assert!(self.in_ahead == 0 && self.in_kept == 0);
        if self.is_refused {
            return Ok(None);
        }
        self.in_ahead = match splice::splice(from, self.ahead.writer(), most) {
            Ok(count) => count,
            Err(Errno::AGAIN) => return Err(Errno::AGAIN),
            Err(_) => {
                self.is_refused = true;
                return Ok(None);
            }
        };
        if self.in_ahead > 0 && self.put(front) {
            let flags = SpliceFlags::NONBLOCK;
            let (from, to) = (self.ahead.reader(), self.kept.writer());
            let teed = io::retry_on_intr(|| rustix::pipe::tee(from, to, self.in_ahead, flags));
            self.is_refused = teed.is_err_and(|errno| errno != Errno::AGAIN);
            self.in_kept += teed.unwrap_or(0);
        }
        Ok(Some(self.in_ahead))
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

    /// Whether there is something to [`TeeBuffer::read`].
    pub(super) fn is_ahead(&self) -> bool {
        self.in_ahead > 0
    }

    /// How many bytes that is.
    pub(super) fn ahead(&self) -> usize {
        self.in_ahead
    }

    /// Reads what was taken; the rest of a packet (`O_DIRECT` in pipe(2)) that is read in parts is not lost.
    ///
    /// # Errors
    ///
    /// The system's; then nothing more of it can be had, and this must not be used any more.
    pub(super) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let most = space.len().min(self.in_ahead);
        let may_cut = most < self.in_ahead && most < PACKET;
        if self.part.is_empty() && may_cut {
            let mut part = [0; PACKET];
            let count = self.read_ahead(&mut part)?;
            self.part.extend_from_slice(&part[..count]);
        }
        let count = match self.part.len().min(most) {
            0 => self.read_ahead(&mut space[..most])?,
            count => {
                space[..count].copy_from_slice(&self.part[..count]);
                self.part.drain(..count);
                count
            }
        };
        self.in_ahead -= count;
        Ok(count)
    }

    fn read_ahead(&self, space: &mut [u8]) -> io::Result<usize> {
        io::retry_on_intr(|| io::read(self.ahead.reader(), &mut *space))
    }

    /// How many bytes an output must have free, in whole pages, to take whatever is kept.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are kept.
    pub(super) fn len(&self) -> usize {
        self.in_kept
    }

    /// Writes at most `most` bytes of what is kept to a pipe. What fails is left to a write from memory
    /// to tell.
    pub(super) fn write(&mut self, to: BorrowedFd<'_>, most: usize) -> Transfer {
        match splice::splice(self.kept.reader(), to, most) {
            Ok(count) if count > 0 => {
                self.in_kept -= count;
                Transfer::Moved(count)
            }
            Err(Errno::PIPE) => Transfer::Gone,
            result => {
                self.is_refused |= result != Err(Errno::AGAIN);
                Transfer::WouldBlock
            }
        }
    }

    /// Lets go of what is kept. False where that fails: then this must not be used any more.
    #[must_use]
    pub(super) fn drop_teed(&mut self) -> bool {
        while self.in_kept > 0 {
            let (from, to) = (self.kept.reader(), self.null.as_fd());
            match splice::splice(from, to, self.in_kept) {
                Ok(count) if count > 0 => self.in_kept -= count,
                _ => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;

    /// Something kept of what came behind `front`, and the end of the pipe that it came from.
    fn kept(front: &[u8], came: &[u8]) -> (TeeBuffer, OwnedFd) {
        let (reader, writer) = pipe().unwrap();
        io::write(&writer, came).unwrap();
        let mut kept = TeeBuffer::new(1 << 20).unwrap();
        let front = [IoSlice::new(front)];
        let taken = kept.take(reader.as_fd(), &front, 1 << 20);
        assert_eq!(taken, Ok(Some(came.len())));
        (kept, reader)
    }

    fn read(kept: &mut TeeBuffer) -> Vec<u8> {
        let mut bytes = Vec::new();
        while kept.is_ahead() {
            let mut space = [0; 4];
            let count = kept.read(&mut space).unwrap();
            bytes.extend_from_slice(&space[..count]);
        }
        bytes
    }

    #[test]
    fn what_was_taken_is_read_and_behind_its_front_written() {
        let (mut kept, input) = kept(b"one ", b"two three");
        assert_eq!(read(&mut kept), b"two three");
        assert_eq!(kept.len(), 13);
        let (output, writer) = pipe().unwrap();
        for most in [5, 3] {
            let wrote = kept.write(writer.as_fd(), most);
            assert!(matches!(wrote, Transfer::Moved(count) if count == most));
        }
        assert!(kept.drop_teed());
        assert_eq!(kept.len(), 0);
        // Nothing of it is left for the next.
        let more = b"more";
        let (reader, feed) = pipe().unwrap();
        io::write(&feed, more).unwrap();
        assert_eq!(kept.take(reader.as_fd(), &[], 100), Ok(Some(4)));
        assert_eq!(read(&mut kept), more);
        assert!(matches!(kept.write(writer.as_fd(), 4), Transfer::Moved(4)));
        let mut all = [0; 99];
        let count = io::read(&output, &mut all).unwrap();
        assert_eq!(&all[..count], b"one two more");
        assert_eq!(kept.take(input.as_fd(), &[], 100), Ok(Some(0)), "its end");
    }

    #[test]
    fn what_came_remains_to_be_read_where_not_all_of_it_is_kept() {
        let (reader, feed) = pipe().unwrap();
        io::write(&feed, b"x").unwrap();
        let mut kept = TeeBuffer::new(0).unwrap();
        let front = vec![b'f'; 64 * 1024];
        let taken = kept.take(reader.as_fd(), &[IoSlice::new(&front)], 100);
        assert_eq!((taken, kept.len()), (Ok(Some(1)), front.len()));
        assert_eq!(read(&mut kept), b"x");
        let too_long = [IoSlice::new(&front), IoSlice::new(b"more")];
        assert!(kept.drop_teed());
        io::write(&feed, b"y").unwrap();
        assert_eq!(kept.take(reader.as_fd(), &too_long, 100), Ok(Some(1)));
        assert_eq!((read(&mut kept), kept.len()), (b"y".to_vec(), front.len()));
    }

    #[test]
    fn a_full_pipe_is_distinguished_from_one_without_a_reader() {
        let (mut kept, _input) = kept(b"", b"abc");
        let (output, writer) = pipe().unwrap();
        io::write(&writer, &[0; 64 * 1024]).unwrap();
        assert!(matches!(
            kept.write(writer.as_fd(), 3),
            Transfer::WouldBlock
        ));
        drop(output);
        assert!(matches!(kept.write(writer.as_fd(), 3), Transfer::Gone));
        assert_eq!(kept.len(), 3);
    }

    #[test]
    fn packets_are_read_in_parts_and_none_is_cut() {
        let (reader, feed) = rustix::pipe::pipe_with(PipeFlags::DIRECT).unwrap();
        let mut all = Vec::new();
        for length in [10, 4096, 3, 100] {
            let packet = vec![b'a' + all.len() as u8 % 26; length];
            io::write(&feed, &packet).unwrap();
            all.extend_from_slice(&packet);
        }
        for size in [1, 7, 1000, 4095, 4096, 10_000] {
            let mut kept = TeeBuffer::new(0).unwrap();
            let (again, writer) = rustix::pipe::pipe().unwrap();
            let tee = rustix::pipe::tee(&reader, &writer, all.len(), SpliceFlags::empty());
            assert_eq!(tee, Ok(all.len()));
            assert_eq!(kept.take(again.as_fd(), &[], 1 << 20), Ok(Some(all.len())));
            let mut bytes = Vec::new();
            while kept.is_ahead() {
                let mut space = vec![0; size];
                let count = kept.read(&mut space).unwrap();
                bytes.extend_from_slice(&space[..count]);
            }
            assert!(bytes == all, "{size}");
        }
    }

    #[test]
    fn what_does_not_splice_is_left_alone() {
        let file = tempfile::tempfile().unwrap();
        let (mut kept, input) = kept(b"", b"abc");
        let wrote = kept.write(input.as_fd(), 3);
        assert!(matches!(wrote, Transfer::WouldBlock), "it is the wrong end");
        assert_eq!(read(&mut kept), b"abc");
        assert!(kept.drop_teed());
        assert_eq!(kept.take(file.as_fd(), &[], 100), Ok(None));
    }

    #[test]
    fn nothing_is_taken_where_nothing_came() {
        let (reader, _feed) = pipe().unwrap();
        let mut kept = TeeBuffer::new(0).unwrap();
        let taken = kept.take(reader.as_fd(), &[IoSlice::new(b"front")], 100);
        assert_eq!((taken, kept.len()), (Err(Errno::AGAIN), 0));
    }
}
