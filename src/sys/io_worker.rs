//! Blocking I/O in a worker thread, for descriptors that only know blocking calls.
//!
//! At most one call is in flight in each direction; its end wakes a poll by a [`Completion`]. A
//! worker refuses to be waited for: dropping it leaves a blocked thread behind, which ends with its
//! call or with the process.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::{self, Errno};

use super::completion::Completion;
use super::descriptor::duplicate;
use super::poll::{PollSet, pause};
use crate::memory;

/// The most that one read fetches: the size of a default pipe.
const READ_MOST: usize = 64 * 1024;

/// The most that one write takes to a terminal. How much of a blocked write went out cannot be
/// known when the run ends, so it is very little.
pub(super) const TERMINAL_WRITE_MOST: usize = 256;

/// The most that one write takes to a device. What is under way can no longer be
/// taken back, so it is as little as still hides the cost of waking a thread: about 10 us, so some
/// 400 MB/s are possible, and descriptors that need a worker are slower.
pub(super) const WRITE_MOST: usize = 4 * 1024;

/// The same for files, which are faster.
const FILE_WRITE_MOST: usize = 64 * 1024;

/// A write to a file that lasts so long waits for a disk or a server: into the cache a piece goes in
/// some 30 us. Long enough that a busy machine rarely lets a fast disk look slow, short enough that
/// the kernel's pipe holds what comes meanwhile at 50 MB/s.
const LONG: Duration = Duration::from_millis(20);

/// One that took less is as good as none, and so will the next be.
const QUICK: Duration = Duration::from_millis(1);

/// How long a thread may take to say that its write met no reader: more than any machine needs, and a bound.
const PARTING: Duration = Duration::from_millis(100);

/// Threads here hold no more than a few frames.
const STACK: usize = 128 * 1024;

/// The near end of a worker thread: requests go out, answers come back, and each is followed by a completion event.
#[derive(Debug)]
struct Helper<Request, Answer> {
    requests: Sender<Request>,
    answers: Receiver<Answer>,
    completion: Arc<Completion>,
}

impl<Request: Send + 'static, Answer: Send + 'static> Helper<Request, Answer> {
    fn start(
        name: &str,
        fd: BorrowedFd<'_>,
        mut serve: impl FnMut(BorrowedFd<'_>, Request) -> Answer + Send + 'static,
    ) -> io::Result<Self> {
        // Where it cannot make its own signal stack, a thread that has begun aborts.
        if !memory::is_there(2 * STACK) {
            return Err(Errno::NOMEM);
        }
        let fd = duplicate(fd)?;
        let completion = Arc::new(Completion::new()?);
        let (requests, their_requests) = channel();
        let (their_answers, answers) = channel();
        let their_completion = Arc::clone(&completion);
        thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK)
            .spawn(move || {
                for request in their_requests {
                    if their_answers.send(serve(fd.as_fd(), request)).is_err() {
                        return;
                    }
                    // The answer is sent before the event, so that who is woken finds it.
                    their_completion.notify();
                }
            })
            // EAGAIN, the usual cause, would read as "try again later" further up.
            .map_err(|_| Errno::NOMEM)?;
        Ok(Helper {
            requests,
            answers,
            completion,
        })
    }

    fn ask(&self, request: Request) {
        // The thread ends only after we hang up, so it is there to hear.
        let _ = self.requests.send(request);
    }

    /// The answer, if it is there. An event that comes late costs one needless wake-up.
    fn answer(&self) -> Option<Answer> {
        self.completion.clear();
        self.answers.try_recv().ok()
    }

    /// The answer, if it comes in that time.
    fn answer_within(&self, time: Duration) -> Option<Answer> {
        self.answers.recv_timeout(time).ok()
    }
}

/// Reads through a helper thread.
#[derive(Debug)]
pub(super) struct ReadWorker {
    helper: Helper<Vec<u8>, (Vec<u8>, io::Result<usize>)>,
    state: Reading,
    /// A read came back with the end of input or an error, and nobody was told yet.
    news: Option<io::Result<usize>>,
}

/// Where the one buffer is.
#[derive(Debug)]
enum Reading {
    /// Here, with what is left of the last read: `taken..filled`.
    Idle {
        buffer: Vec<u8>,
        taken: usize,
        filled: usize,
    },
    /// With the thread.
    InFlight,
}

impl ReadWorker {
    /// Starts a helper that reads `fd`; nothing is read yet.
    ///
    /// # Errors
    ///
    /// The system's: no descriptor or no thread left.
    pub(super) fn start(fd: BorrowedFd<'_>) -> io::Result<ReadWorker> {
        let serve = |fd: BorrowedFd<'_>, mut buffer: Vec<u8>| {
            let result = patiently(fd, PollFlags::IN, || rustix::io::read(fd, &mut buffer[..]));
            (buffer, result)
        };
        Ok(ReadWorker {
            helper: Helper::start("hwm-read", fd, serve)?,
            state: Reading::Idle {
                buffer: Vec::new(),
                taken: 0,
                filled: 0,
            },
            news: None,
        })
    }

    /// Hands out what a finished read brought, 0 at the end of input; otherwise sees to it that a
    /// read of at most `space.len()` bytes is under way and answers `AGAIN`.
    ///
    /// # Errors
    ///
    /// `AGAIN`, or the error of the read.
    pub(super) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.collect();
        if self.rest().is_empty() && self.news.is_none() {
            self.start_call(space.len());
            self.collect();
        }
        if let Some(news) = self.news.take() {
            return news;
        }
        if self.is_away() {
            return Err(Errno::AGAIN);
        }
        let rest = self.rest();
        let n = rest.len().min(space.len());
        space[..n].copy_from_slice(&rest[..n]);
        if let Reading::Idle { taken, .. } = &mut self.state {
            *taken += n;
        }
        Ok(n)
    }

    /// What was read and not handed out yet.
    pub(super) fn rest(&self) -> &[u8] {
        match &self.state {
            Reading::Idle {
                buffer,
                taken,
                filled,
            } => &buffer[*taken..*filled],
            Reading::InFlight => &[],
        }
    }

    /// That will be read anew.
    pub(super) fn forget_rest(&mut self) {
        if let Reading::Idle { taken, filled, .. } = &mut self.state {
            *taken = *filled;
        }
    }

    /// Whether a read is under way or its end not yet noticed.
    pub(super) fn is_away(&self) -> bool {
        matches!(self.state, Reading::InFlight)
    }

    /// Becomes readable when a read under way has ended.
    pub(super) fn completion(&self) -> BorrowedFd<'_> {
        self.helper.completion.fd()
    }

    /// Whether a byte is here that was not handed out yet.
    pub(super) fn has_bytes(&mut self) -> bool {
        self.collect();
        !self.rest().is_empty()
    }

    /// Starts a read, if none is under way.
    fn start_call(&mut self, most: usize) {
        if let Reading::Idle { buffer, .. } = &mut self.state {
            let mut buffer = std::mem::take(buffer);
            buffer.resize(most.min(READ_MOST), 0);
            self.helper.ask(buffer);
            self.state = Reading::InFlight;
        }
    }

    /// Ends a read that came back.
    fn collect(&mut self) {
        if !self.is_away() {
            return;
        }
        let Some((buffer, result)) = self.helper.answer() else {
            return;
        };
        let filled = result.unwrap_or(0);
        self.news = (filled == 0).then_some(result);
        self.state = Reading::Idle {
            buffer,
            taken: 0,
            filled,
        };
    }
}

/// Writes through a helper thread.
#[derive(Debug)]
pub(super) struct WriteWorker {
    helper: Helper<Vec<u8>, Written>,
    state: Writing,
    most: usize,
    /// How long the end of a write is waited for at once; zero for not at all.
    timeout: Duration,
    /// Whether the next write is likely to come back soon: not when it took too long to wait for, or when two in
    /// a row were slow.
    is_quick: bool,
    was_slow: bool,
}

/// How far a write came, and what ended it early.
#[derive(Debug)]
struct Written {
    buffer: Vec<u8>,
    bytes: usize,
    error: Option<Errno>,
    took: Duration,
}

#[derive(Debug)]
enum Writing {
    /// The buffer is here.
    Idle(Vec<u8>),
    /// With the thread.
    InFlight,
    /// A write failed after some bytes, which were reported; the failure is still to be.
    Failed(Errno),
}

/// How an offloaded write stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// So many bytes are under way since this call.
    Begun(usize),
    /// So many bytes that were under way have been written.
    Done(usize),
}

impl WriteWorker {
    /// Starts a helper that writes to `fd`, at most `most` bytes at a time; nothing is written yet.
    ///
    /// # Errors
    ///
    /// The system's: no descriptor or no thread left.
    pub(super) fn start(fd: BorrowedFd<'_>, most: usize) -> io::Result<WriteWorker> {
        WriteWorker::start_with(fd, most, write_all)
    }

    /// The same for a file, where a write is over in next to no time as long as it finds space in the
    /// cache. Then it is waited for: going on meanwhile takes the processor from the helper, and a
    /// policy that may lose would lose what there was time to write.
    ///
    /// # Errors
    ///
    /// The system's: no descriptor or no thread left.
    pub(super) fn start_for_file(fd: BorrowedFd<'_>) -> io::Result<WriteWorker> {
        Ok(WriteWorker {
            timeout: LONG,
            ..WriteWorker::start(fd, FILE_WRITE_MOST)?
        })
    }

    /// The same, and every write lasts until the disk has it.
    ///
    /// # Errors
    ///
    /// The system's: no descriptor or no thread left.
    pub(super) fn start_synced(fd: BorrowedFd<'_>) -> io::Result<WriteWorker> {
        WriteWorker::start_with(fd, FILE_WRITE_MOST, write_through)
    }

    fn start_with(
        fd: BorrowedFd<'_>,
        most: usize,
        write: fn(BorrowedFd<'_>, Vec<u8>) -> Written,
    ) -> io::Result<WriteWorker> {
        Ok(WriteWorker {
            helper: Helper::start("hwm-write", fd, write)?,
            state: Writing::Idle(Vec::with_capacity(most)),
            most,
            timeout: Duration::ZERO,
            is_quick: true,
            was_slow: false,
        })
    }

    /// Takes a copy from the front of `parts`, or tells how the last copy fared; both where it was soon.
    /// A copy of which only a part could be written is answered by that part, and the next call by
    /// the error.
    ///
    /// # Errors
    ///
    /// `AGAIN` while a copy is under way, or the error of the write.
    pub(super) fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<Progress> {
        match &mut self.state {
            Writing::Idle(buffer) => {
                let mut buffer = std::mem::take(buffer);
                copy_front(parts, &mut buffer, self.most);
                let n = buffer.len();
                self.helper.ask(buffer);
                self.state = Writing::InFlight;
                if self.is_quick && !self.timeout.is_zero() {
                    match self.helper.answer_within(self.timeout) {
                        Some(written) => return self.end(written),
                        None => (self.is_quick, self.was_slow) = (false, true),
                    }
                }
                Ok(Progress::Begun(n))
            }
            Writing::InFlight => {
                let written = self.helper.answer().ok_or(Errno::AGAIN)?;
                self.end(written)
            }
            Writing::Failed(error) => Err(*error),
        }
    }

    fn end(&mut self, written: Written) -> io::Result<Progress> {
        // One that took long may be one whose thread had to wait for a processor; the next one tells.
        let is_slow = written.took >= QUICK;
        self.is_quick = !(is_slow && self.was_slow);
        self.was_slow = is_slow;
        self.state = match written.error {
            Some(error) => Writing::Failed(error),
            None => Writing::Idle(written.buffer),
        };
        match written.error {
            Some(error) if written.bytes == 0 => Err(error),
            _ => Ok(Progress::Done(written.bytes)),
        }
    }

    /// Whether the last write was over at once, and so the next is likely to be.
    pub(super) fn takes_more(&self) -> bool {
        let is_idle = matches!(self.state, Writing::Idle(_));
        is_idle && self.is_quick && !self.timeout.is_zero()
    }

    /// Whether a write is under way or its end not yet noticed.
    pub(super) fn is_away(&self) -> bool {
        matches!(self.state, Writing::InFlight)
    }

    /// Becomes readable when a write under way has ended.
    pub(super) fn completion(&self) -> BorrowedFd<'_> {
        self.helper.completion.fd()
    }

    /// Waits until the write under way has ended, since its reader is gone: at once, but for the time that
    /// the thread takes to say so.
    pub(super) fn await_end(&self) {
        if self.is_away() {
            let mut set = PollSet::new();
            set.add(self.completion(), PollFlags::IN);
            let _ = set.wait(Some(PARTING));
        }
    }
}

fn copy_front(parts: &[IoSlice<'_>], buffer: &mut Vec<u8>, most: usize) {
    buffer.clear();
    for part in parts {
        let n = part.len().min(most - buffer.len());
        buffer.extend_from_slice(&part[..n]);
    }
}

fn write_all(fd: BorrowedFd<'_>, buffer: Vec<u8>) -> Written {
    let begun = Instant::now();
    let mut bytes = 0;
    let mut error = None;
    while bytes < buffer.len() && error.is_none() {
        match patiently(fd, PollFlags::OUT, || {
            rustix::io::write(fd, &buffer[bytes..])
        }) {
            Ok(0) => error = Some(Errno::IO),
            Ok(n) => bytes += n,
            Err(errno) => error = Some(errno),
        }
    }
    Written {
        buffer,
        bytes,
        error,
        took: begun.elapsed(),
    }
}

fn write_through(fd: BorrowedFd<'_>, buffer: Vec<u8>) -> Written {
    let written = write_all(fd, buffer);
    let synced = rustix::io::retry_on_intr(|| rustix::fs::fdatasync(fd));
    // Some devices have nothing to wait for.
    let failed = synced.err().filter(|errno| *errno != Errno::INVAL);
    Written {
        error: written.error.or(failed),
        ..written
    }
}

/// A blocking call, also where somebody else has made the description non-blocking.
fn patiently(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    mut call: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    let mut refused = false;
    loop {
        match rustix::io::retry_on_intr(&mut call) {
            Err(Errno::AGAIN) => {
                if refused {
                    // Poll calls it ready and the device says no: do not spin between the two.
                    pause(Duration::from_millis(10));
                }
                refused = true;
                let _ = rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, events)], None);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::{fill, readable};
    use rustix::pipe::{PipeFlags, pipe, pipe_with};

    /// Reads on, waiting by the completion event, until something other than AGAIN comes.
    fn read_through(io_worker: &mut ReadWorker, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match io_worker.read(space) {
                Err(Errno::AGAIN) => readable(io_worker.completion()),
                result => return result,
            }
        }
    }

    fn write_through(io_worker: &mut WriteWorker) -> io::Result<Progress> {
        loop {
            match io_worker.write(&[]) {
                Err(Errno::AGAIN) => readable(io_worker.completion()),
                result => return result,
            }
        }
    }

    #[test]
    fn a_read_waits_elsewhere_and_rings() {
        let (reader, writer) = pipe().unwrap();
        let mut io_worker = ReadWorker::start(reader.as_fd()).unwrap();
        let mut space = [0; 100];
        assert_eq!(io_worker.read(&mut space), Err(Errno::AGAIN));
        assert!(io_worker.is_away());
        rustix::io::write(&writer, b"hello").unwrap();
        assert_eq!(read_through(&mut io_worker, &mut space), Ok(5));
        assert_eq!(&space[..5], b"hello");
    }

    #[test]
    fn what_one_read_brought_goes_out_in_pieces() {
        let (reader, writer) = pipe().unwrap();
        let mut io_worker = ReadWorker::start(reader.as_fd()).unwrap();
        assert_eq!(io_worker.read(&mut [0; 100]), Err(Errno::AGAIN));
        rustix::io::write(&writer, b"abcde").unwrap();
        let mut space = [0; 2];
        assert_eq!(read_through(&mut io_worker, &mut space), Ok(2));
        assert_eq!(&space, b"ab");
        assert_eq!(io_worker.rest(), b"cde");
        assert_eq!(io_worker.read(&mut space), Ok(2));
        assert_eq!(io_worker.read(&mut space), Ok(1));
        assert_eq!(space[0], b'e');
        assert_eq!(io_worker.read(&mut space), Err(Errno::AGAIN));
    }

    #[test]
    fn a_read_fetches_no_more_than_there_is_room_for() {
        let (reader, writer) = pipe().unwrap();
        rustix::io::write(&writer, b"abcde").unwrap();
        let mut io_worker = ReadWorker::start(reader.as_fd()).unwrap();
        assert_eq!(read_through(&mut io_worker, &mut [0; 3]), Ok(3));
        assert!(io_worker.rest().is_empty());
        assert_eq!(rustix::io::ioctl_fionread(&reader).unwrap(), 2);
    }

    #[test]
    fn the_end_of_input_crosses() {
        let (reader, writer) = pipe().unwrap();
        drop(writer);
        let mut io_worker = ReadWorker::start(reader.as_fd()).unwrap();
        assert_eq!(read_through(&mut io_worker, &mut [0; 3]), Ok(0));
    }

    #[test]
    fn a_description_that_is_non_blocking_by_others_is_waited_for() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut io_worker = ReadWorker::start(reader.as_fd()).unwrap();
        assert_eq!(io_worker.read(&mut [0; 3]), Err(Errno::AGAIN));
        thread::sleep(Duration::from_millis(20));
        rustix::io::write(&writer, b"x").unwrap();
        assert_eq!(read_through(&mut io_worker, &mut [0; 3]), Ok(1));
    }

    #[test]
    fn a_write_to_a_full_blocking_pipe_is_under_way_until_it_drains() {
        let (reader, writer) = pipe().unwrap();
        fill(&writer);
        let mut io_worker = WriteWorker::start(writer.as_fd(), WRITE_MOST).unwrap();
        let large = vec![7; 10_000];
        let parts = [IoSlice::new(&large[..1000]), IoSlice::new(&large)];
        assert_eq!(io_worker.write(&parts), Ok(Progress::Begun(WRITE_MOST)));
        assert_eq!(io_worker.write(&parts), Err(Errno::AGAIN));
        assert!(io_worker.is_away());
        let mut sink = vec![0; 1 << 20];
        rustix::io::read(&reader, &mut sink[..]).unwrap();
        assert_eq!(
            write_through(&mut io_worker),
            Ok(Progress::Done(WRITE_MOST))
        );
        assert!(!io_worker.is_away());
    }

    #[test]
    fn a_write_tells_how_far_it_came_before_its_error() {
        let (reader, writer) = pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
        let write = thread::spawn(move || write_all(writer.as_fd(), vec![7; 10_000]));
        while rustix::io::ioctl_fionread(&reader).unwrap() < 4096 {
            thread::yield_now();
        }
        drop(reader);
        let written = write.join().unwrap();
        assert_eq!((written.bytes, written.error), (4096, Some(Errno::PIPE)));
    }

    #[test]
    fn a_file_is_waited_for_until_that_takes_long() {
        let (reader, writer) = pipe().unwrap();
        let mut io_worker = WriteWorker::start_for_file(writer.as_fd()).unwrap();
        let parts = [IoSlice::new(b"abc")];
        assert_eq!(io_worker.write(&parts), Ok(Progress::Done(3)));
        fill(&writer);
        assert_eq!(io_worker.write(&parts), Ok(Progress::Begun(3)));
        assert_eq!(io_worker.write(&parts), Err(Errno::AGAIN));
        rustix::io::read(&reader, &mut vec![0; 1 << 20][..]).unwrap();
        assert_eq!(write_through(&mut io_worker), Ok(Progress::Done(3)));
        // The next is not waited for, and was quick.
        assert_eq!(io_worker.write(&parts), Ok(Progress::Begun(3)));
        assert_eq!(write_through(&mut io_worker), Ok(Progress::Done(3)));
        assert_eq!(io_worker.write(&parts), Ok(Progress::Done(3)));
    }

    #[test]
    fn a_part_is_reported_before_the_error_that_ended_it() {
        let (_reader, writer) = pipe().unwrap();
        let fails_after_two = |_: BorrowedFd<'_>, buffer| Written {
            buffer,
            bytes: 2,
            error: Some(Errno::PIPE),
            took: Duration::ZERO,
        };
        let mut io_worker = WriteWorker {
            helper: Helper::start("test", writer.as_fd(), fails_after_two).unwrap(),
            state: Writing::Idle(Vec::new()),
            most: WRITE_MOST,
            timeout: Duration::ZERO,
            is_quick: true,
            was_slow: false,
        };
        let parts = [IoSlice::new(b"abc")];
        assert_eq!(io_worker.write(&parts), Ok(Progress::Begun(3)));
        assert_eq!(write_through(&mut io_worker), Ok(Progress::Done(2)));
        assert_eq!(io_worker.write(&parts), Err(Errno::PIPE));
        assert_eq!(io_worker.write(&parts), Err(Errno::PIPE));
    }

    #[test]
    fn only_the_second_slow_write_in_a_row_makes_the_next_go_without_being_waited_for() {
        let (_reader, writer) = pipe().unwrap();
        // As long as the first byte says, in milliseconds.
        let takes = |_: BorrowedFd<'_>, buffer: Vec<u8>| Written {
            bytes: buffer.len(),
            error: None,
            took: Duration::from_millis(buffer[0].into()),
            buffer,
        };
        let mut io_worker = WriteWorker {
            helper: Helper::start("test", writer.as_fd(), takes).unwrap(),
            state: Writing::Idle(Vec::new()),
            most: WRITE_MOST,
            timeout: Duration::from_secs(60),
            is_quick: true,
            was_slow: false,
        };
        let mut took = |milliseconds: u8| {
            let crossing = io_worker.write(&[IoSlice::new(&[milliseconds])]).unwrap();
            if crossing == Progress::Begun(1) {
                write_through(&mut io_worker).unwrap();
            }
            crossing
        };
        for milliseconds in [0, 5, 0, 5, 0, 5, 5] {
            assert_eq!(took(milliseconds), Progress::Done(1));
        }
        assert_eq!(took(5), Progress::Begun(1));
        assert_eq!(took(0), Progress::Begun(1));
        assert_eq!(took(0), Progress::Done(1));
    }
}
