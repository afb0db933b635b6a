//! The output: writing it without blocking, whatever it is, and noticing that its reader went.
//!
//! The ways are those of `input`, with `MSG_NOSIGNAL` for sockets: the reader's end comes as an
//! answer, never as SIGPIPE. Refuses to touch a shared flag.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::{self, Errno, ReadWriteFlags};
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendFlags, SocketType};

use crate::core::allowance::space::{ATOMIC, Space};
use crate::core::loss::sent::Leftover;
use crate::system::Transfer;

use super::descriptor::{Indirect, Kind, Reopened, is_on_disk, is_refusal, may_be_read, reopen};
use super::io_worker::{Progress, TERMINAL_WRITE_MOST, WRITE_MOST, WriteWorker};
use super::occupancy::Occupancy;
use super::poll::{Place, PollSet, look};
use super::share::Lent;
use super::splice::{self, BouncePipe};

/// The most parts that the system takes in one call.
const PARTS_MOST: usize = 1024;

/// The open output.
#[derive(Debug)]
pub(super) struct Output {
    fd: OwnedFd,
    kind: Kind,
    way: Way,
    /// What poll says when the reader is gone; nothing for what has no reader.
    death: PollFlags,
    /// Whether to watch for `death` while there is nothing to write. Not after poll reported an
    /// ERR or HUP that means no death: it would report it for ever.
    watches_for_hang_up: bool,
    /// How far poll is to be believed that there is space.
    poll_reliability: PollReliability,
    /// Whether the kernel splices into it; None while that was not tried.
    splices: Option<bool>,
    /// How to write a pipe that was spliced to.
    fallback: Option<Rc<BouncePipe>>,
    reopened: Reopened,
    /// A socket whose other side closed before it had read everything.
    was_reset: bool,
    /// `fd` is written in the place of one with `O_DIRECT`.
    indirect: Option<Indirect>,
    /// An error was told.
    has_failed: bool,
    /// Its size, if it is a pipe.
    lent: Option<Lent>,
    /// How full a pipe is.
    occupancy: Occupancy,
}

#[derive(Debug)]
enum Way {
    NoWait,
    Socket,
    Plain,
    /// Through a pipe of our own.
    BouncePipe(Rc<BouncePipe>),
    Worker(WriteWorker),
}

/// A terminal may have space in poll's eyes and yet refuse a character that takes two places, such
/// as a line's end (seen on Linux 6.18, on a pseudoterminal that nobody reads and that is almost
/// full). Without this, that is a busy loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PollReliability {
    Trusted,
    /// Poll found space, the write is still to come.
    OnTrial,
    /// Poll found space and the write was refused.
    Distrusted,
}

/// Where in a poll set an output stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Watch {
    fd: Option<Place>,
    completion: Option<Place>,
}

/// What a poll found out about the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// There is space, or an error to be collected by writing.
    pub(super) space: bool,
    /// The reader is gone.
    pub(super) gone: bool,
}

impl Output {
    /// An output for a relay that must not stand still: like [`Output::over`], but files and block
    /// devices are written by a helper thread. From the first write on, which may be the one that
    /// does not come back.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn offloaded(fd: OwnedFd) -> io::Result<Output> {
        Output::over_disk(fd, WriteWorker::start_for_file)
    }

    /// Like [`Output::over`], and what goes to a disk counts as written when the disk has it. A thread
    /// waits for that.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn synced(fd: OwnedFd) -> io::Result<Output> {
        Output::over_disk(fd, WriteWorker::start_synced)
    }

    /// Like [`Output::over`], and what is on a disk is written through the helper that `start` starts.
    fn over_disk(
        fd: OwnedFd,
        start: fn(BorrowedFd<'_>) -> io::Result<WriteWorker>,
    ) -> io::Result<Output> {
        if !is_on_disk(fd.as_fd()) {
            return Output::over(fd);
        }
        let (fd, indirect) = Indirect::in_place_of(fd, OFlags::WRONLY);
        let io_worker = start(fd.as_fd())?;
        let output = Output::new(fd, Kind::File, Way::Worker(io_worker));
        Ok(Output { indirect, ..output })
    }

    /// An output over a description that others share. Writing to a file on a disk waits for the disk.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn over(fd: OwnedFd) -> io::Result<Output> {
        let kind = Kind::of(fd.as_fd())?;
        let way = match kind {
            Kind::Pipe => Way::NoWait,
            Kind::Socket => Way::Socket,
            Kind::File => Way::Plain,
            Kind::ServedFile => return Output::over_disk(fd, WriteWorker::start_for_file),
            Kind::Terminal => return Output::over_blocking(fd, kind),
            Kind::Other | Kind::Directory => {
                Way::Worker(WriteWorker::start(fd.as_fd(), WRITE_MOST)?)
            }
        };
        let (fd, indirect) = match kind {
            Kind::File => Indirect::in_place_of(fd, OFlags::WRONLY),
            _ => (fd, None),
        };
        let output = Output::new(fd, kind, way);
        Ok(Output { indirect, ..output })
    }

    /// An output over a shared description that knows no non-blocking call.
    fn over_blocking(fd: OwnedFd, kind: Kind) -> io::Result<Output> {
        let mut output = Output::new(fd, kind, Way::NoWait);
        output.do_without_no_wait()?;
        Ok(output)
    }

    fn new(fd: OwnedFd, kind: Kind, way: Way) -> Output {
        let death = match kind {
            Kind::Pipe => PollFlags::ERR,
            // It hung up.
            Kind::Terminal => PollFlags::HUP,
            // HUP: both directions are shut, so it holds for a socket that is our input as well,
            // whose other side may rightly be done sending. On sockets without a connection an
            // error is a message's, not the reader's.
            Kind::Socket if is_stream(&fd) => PollFlags::HUP | PollFlags::ERR,
            _ => PollFlags::empty(),
        };
        let mut output = Output {
            lent: (kind == Kind::Pipe).then(|| Lent::of(&fd)),
            fd,
            kind,
            way,
            death,
            watches_for_hang_up: !death.is_empty(),
            poll_reliability: PollReliability::Trusted,
            splices: None,
            fallback: None,
            reopened: Reopened::default(),
            was_reset: false,
            indirect: None,
            has_failed: false,
            occupancy: Occupancy::new(),
        };
        output.learn_size();
        // Of others, before us, by who knows how many writes.
        output.took_pages(output.untaken(), u64::MAX);
        output
    }

    /// Grows the output's pipe, if it is one, to at most `bound` bytes.
    pub(super) fn grow(&mut self, bound: u64) {
        if let Some(lent) = &mut self.lent {
            lent.grow(&self.fd, bound);
        }
        self.learn_size();
    }

    /// Its pipe is what it was, or what its content needs. Returns whether it is what it was.
    pub(super) fn give_back(&mut self) -> bool {
        let lent = self.lent.as_mut();
        let is_as_it_was = lent.is_none_or(|lent| lent.give_back(&self.fd));
        self.learn_size();
        is_as_it_was
    }

    /// How many bytes wait for the reader of a pipe; 0 where that cannot be told.
    pub(super) fn untaken(&self) -> u64 {
        match self.kind {
            Kind::Pipe => io::ioctl_fionread(&self.fd).unwrap_or(0),
            _ => 0,
        }
    }

    /// What there is space for, as far as that can be known and matters up to `most` bytes.
    pub(super) fn space(&mut self, most: u64) -> Space {
        let is_pipe = self.kind == Kind::Pipe && matches!(self.way, Way::NoWait | Way::Plain);
        if !is_pipe {
            return Space::UNKNOWN;
        }
        // Each question to the pipe waits for a reader that is copying: what is known may do.
        if most > ATOMIC && self.occupancy.free() < most {
            let unread = self.untaken();
            self.occupancy.look(unread);
        }
        Space {
            free: self.occupancy.free(),
            atomic: ATOMIC,
            is_empty: self.occupancy.is_empty(),
        }
    }

    /// So many bytes were accepted at once.
    pub(super) fn wrote(&mut self, bytes: u64) {
        if self.kind == Kind::Pipe {
            self.occupancy.wrote(bytes);
        }
    }

    /// So many bytes were accepted as pages that had been in a pipe of `size` bytes.
    pub(super) fn took_pages(&mut self, bytes: u64, size: u64) {
        if self.kind == Kind::Pipe {
            self.occupancy.moved(bytes, size);
        }
    }

    fn learn_size(&mut self) {
        if self.kind == Kind::Pipe {
            let size = rustix::pipe::fcntl_getpipe_size(&self.fd).unwrap_or(0);
            self.occupancy.resize(size as u64);
        }
    }

    /// What its reader, which is gone, has left; with the bytes, if they are `wanted`.
    ///
    /// A pipe still says how much that is, and gives it back. A socket has thrown it away, and tells at most
    /// that there was something: then the last byte is what was surely not read. On TCP the reader's end comes
    /// only as an answer to what it will not read; and what its system took in its name and it did not read
    /// cannot be told from what it read.
    pub(super) fn take_unread(&mut self, wanted: bool) -> Leftover {
        let bytes = match self.kind {
            Kind::Pipe => self.untaken(),
            Kind::Socket => u64::from(self.has_left_something()),
            _ => 0,
        };
        let may_take = wanted && self.kind == Kind::Pipe;
        match may_take.then(|| take_back(self.fd.as_fd(), bytes)) {
            Some(Ok(text)) => Leftover {
                bytes: text.len() as u64,
                text: Some(text),
            },
            _ => Leftover { bytes, text: None },
        }
    }

    /// Whether [`Output::take_unread`] will give the bytes back, where more than one may be left.
    pub(super) fn gives_back(&self) -> bool {
        self.kind != Kind::Pipe || may_be_read(self.fd.as_fd())
    }

    fn has_left_something(&mut self) -> bool {
        let is_local = rustix::net::sockopt::socket_domain(&self.fd) == Ok(AddressFamily::UNIX);
        let error = rustix::net::sockopt::socket_error(&self.fd);
        self.was_reset |= error == Ok(Err(Errno::CONNRESET));
        self.was_reset || !is_local
    }

    /// Waits, for a moment, until what a helper thread is writing has met that the reader is gone.
    pub(super) fn await_end(&self) {
        if let Way::Worker(io_worker) = &self.way {
            io_worker.await_end();
        }
    }

    /// Whether it can be spliced to.
    pub(super) fn can_be_spliced_to(&mut self) -> bool {
        let fd = self.fd.as_fd();
        *self
            .splices
            .get_or_insert_with(|| match (self.kind, &self.way) {
                (Kind::Pipe, Way::NoWait | Way::Plain) => true,
                // A splice moves a file's position without the lock that a write takes: what others
                // write to the same description, our own reports among them, would be written over.
                (Kind::File, Way::Plain) => !is_on_disk(fd) && splice::is_taken_by(fd),
                _ => false,
            })
    }

    /// The kernel refuses to splice to it.
    pub(super) fn do_without_splice(&mut self) {
        self.splices = Some(false);
    }

    /// What to splice to. Once it was, a pipe knows `RWF_NOWAIT` no more, so `bounce_pipe` is kept as a way
    /// to write it.
    pub(super) fn splice_target(&mut self, bounce_pipe: &Rc<BouncePipe>) -> BorrowedFd<'_> {
        self.fallback.get_or_insert_with(|| Rc::clone(bounce_pipe));
        self.fd.as_fd()
    }

    /// A description of our own of a pipe, to splice to while it is written by the other; `None` when
    /// there is none.
    pub(super) fn reopened(&mut self) -> Option<BorrowedFd<'_>> {
        match (self.kind, &self.way) {
            (Kind::Pipe, Way::NoWait) => self.reopened.of(self.fd.as_fd(), OFlags::WRONLY),
            (Kind::Pipe, Way::Plain) => Some(self.fd.as_fd()),
            _ => None,
        }
    }

    /// Writes from the front of `parts`, as [`crate::system::System::write`] says.
    pub(super) fn write(&mut self, parts: &[IoSlice<'_>]) -> Transfer {
        let parts = &parts[..parts.len().min(PARTS_MOST)];
        let fd = &self.fd;
        if let Some(indirect) = &self.indirect
            && !matches!(&self.way, Way::Worker(io_worker) if io_worker.is_away())
        {
            indirect.lead(fd.as_fd());
        }
        let result = match &mut self.way {
            Way::NoWait => write_no_wait(fd, parts),
            Way::Socket => io::retry_on_intr(|| send(fd, parts)),
            Way::Plain => io::retry_on_intr(|| io::writev(fd, parts)),
            Way::BouncePipe(bounce_pipe) => bounce_pipe.write(fd.as_fd(), parts),
            Way::Worker(io_worker) => match io_worker.write(parts) {
                Ok(Progress::Begun(n)) => return Transfer::InFlight(n),
                Ok(Progress::Done(n)) => Ok(n),
                Err(errno) => Err(errno),
            },
        };
        if let Err(errno) = result
            && is_refusal(errno)
            && matches!(self.way, Way::NoWait | Way::BouncePipe(_))
        {
            return match self.do_without_no_wait() {
                Ok(()) => self.write(parts),
                Err(errno) => self.answer(Err(errno)),
            };
        }
        if let Some(indirect) = &self.indirect
            && result.is_ok()
        {
            indirect.follow(self.fd.as_fd());
        }
        self.poll_reliability = match (self.poll_reliability, &result) {
            (PollReliability::OnTrial, Err(Errno::AGAIN)) => PollReliability::Distrusted,
            _ => PollReliability::Trusted,
        };
        self.answer(result)
    }

    fn answer(&mut self, result: io::Result<usize>) -> Transfer {
        let answer = self.told(result);
        self.has_failed |= matches!(answer, Transfer::Failed(_));
        answer
    }

    fn told(&mut self, result: io::Result<usize>) -> Transfer {
        self.was_reset |= result == Err(Errno::CONNRESET);
        match result {
            // A device that takes nothing and calls it success would be asked for ever.
            Ok(0) => Transfer::Failed(Errno::IO.into()),
            Ok(n) => Transfer::Moved(n),
            Err(Errno::AGAIN) => Transfer::WouldBlock,
            Err(Errno::PIPE) => Transfer::Gone,
            Err(Errno::CONNRESET) if self.kind == Kind::Socket => Transfer::Gone,
            Err(Errno::IO) if self.has_hung_up() => Transfer::Gone,
            Err(errno) => Transfer::Failed(errno.into()),
        }
    }

    /// Whether this is a terminal whose other side is gone.
    fn has_hung_up(&self) -> bool {
        let found = look(self.fd.as_fd(), PollFlags::empty());
        self.kind == Kind::Terminal && found.intersects(self.death)
    }

    /// The best way that is left, as for an input.
    fn do_without_no_wait(&mut self) -> io::Result<()> {
        let fallback = self
            .fallback
            .as_ref()
            .filter(|_| !matches!(self.way, Way::BouncePipe(_)));
        match (reopen(self.fd.as_fd(), OFlags::WRONLY), fallback) {
            (Ok(private), _) => {
                self.fd = private;
                self.way = Way::Plain;
            }
            (Err(_), Some(bounce_pipe)) => self.way = Way::BouncePipe(Rc::clone(bounce_pipe)),
            (Err(_), None) => {
                let most = match self.kind {
                    Kind::Terminal => TERMINAL_WRITE_MOST,
                    _ => WRITE_MOST,
                };
                self.way = Way::Worker(WriteWorker::start(self.fd.as_fd(), most)?);
            }
        }
        Ok(())
    }

    /// Whether a write that took a part would take more at once.
    pub(super) fn takes_more(&self) -> bool {
        matches!(&self.way, Way::Worker(io_worker) if io_worker.takes_more())
    }

    /// Whether a write never came back: so may nothing else that is asked of it.
    pub(super) fn hangs(&self) -> bool {
        matches!(&self.way, Way::Worker(io_worker) if io_worker.is_away())
    }

    /// Lets go of it.
    ///
    /// # Errors
    ///
    /// The system's, of a file, if none was told before: with quotas and on some network file systems
    /// only this tells that there was no space for what was accepted.
    pub(super) fn close(self) -> io::Result<()> {
        let closed = nix::unistd::close(self.fd);
        let is_told = !self.has_failed && self.kind.is_file();
        closed
            .map_err(|errno| Errno::from_raw_os_error(errno as i32))
            .or_else(|errno| if is_told { Err(errno) } else { Ok(()) })
    }

    /// Whether a write makes sense at once, without asking poll.
    pub(super) fn ready_now(&self) -> bool {
        matches!(&self.way, Way::Worker(io_worker) if !io_worker.is_away())
    }

    /// Whether poll has just been wrong about space; ask again after a nap, not by poll.
    pub(super) fn distrusts_poll(&self) -> bool {
        self.poll_reliability == PollReliability::Distrusted
    }

    /// Puts what there is to watch into `set`: space if it is `wanted`, and the reader's end.
    pub(super) fn watch<'a>(&'a self, wanted: bool, set: &mut PollSet<'a>) -> Watch {
        let mut watch = Watch::default();
        let asks_fd = wanted && !self.distrusts_poll() && !matches!(self.way, Way::Worker(_));
        if asks_fd {
            watch.fd = Some(set.add(self.fd.as_fd(), PollFlags::OUT));
        } else if self.watches_for_hang_up {
            watch.fd = Some(set.add(self.fd.as_fd(), PollFlags::empty()));
        }
        if let Way::Worker(io_worker) = &self.way
            && wanted
            && io_worker.is_away()
        {
            watch.completion = Some(set.add(io_worker.completion(), PollFlags::IN));
        }
        watch
    }

    /// Makes sense of what poll found, given whether space was `wanted`.
    pub(super) fn judge(&mut self, wanted: bool, fd: PollFlags, completion: PollFlags) -> Found {
        let gone = fd.intersects(self.death);
        if !gone && fd.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
            self.watches_for_hang_up = false;
        }
        let offloaded = matches!(self.way, Way::Worker(_));
        let space = wanted && (!completion.is_empty() || !offloaded && !fd.is_empty());
        if space && self.kind == Kind::Terminal {
            self.poll_reliability = PollReliability::OnTrial;
        }
        Found { space, gone }
    }

    /// A nap is over: space may be assumed once more.
    pub(super) fn trust_again(&mut self) {
        self.poll_reliability = PollReliability::OnTrial;
    }
}

impl Watch {
    /// What `set` found at the output and at its helper's completion.
    pub(super) fn found(&self, set: &PollSet<'_>) -> (PollFlags, PollFlags) {
        (set.found(self.fd), set.found(self.completion))
    }
}

/// Reads so many bytes back from a pipe that has no reader; fewer where it has one again, which takes the
/// others.
fn take_back(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<Vec<u8>> {
    let reader = reopen(fd, OFlags::RDONLY)?;
    let mut text = Vec::new();
    let length = bytes as usize;
    text.try_reserve_exact(length).map_err(|_| Errno::NOMEM)?;
    text.resize(length, 0);
    let mut taken = 0;
    while taken < length {
        match io::retry_on_intr(|| io::read(&reader, &mut text[taken..])) {
            Ok(count) if count > 0 => taken += count,
            _ => break,
        }
    }
    text.truncate(taken);
    Ok(text)
}

fn is_stream(fd: impl AsFd) -> bool {
    matches!(
        rustix::net::sockopt::socket_type(fd),
        Ok(SocketType::STREAM | SocketType::SEQPACKET)
    )
}

fn write_no_wait(fd: &OwnedFd, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    // An offset of -1 stands for "the current position", the only one that a pipe has.
    const HERE: u64 = u64::MAX;
    io::retry_on_intr(|| io::pwritev2(fd, parts, HERE, ReadWriteFlags::NOWAIT))
}

fn send(fd: &OwnedFd, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::net::sendmsg(fd, parts, &mut SendAncillaryBuffer::default(), flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::{fill, pty, readable};
    use rustix::pipe::pipe;
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::time::Duration;

    fn is_non_blocking(fd: impl AsFd) -> bool {
        let flags = rustix::fs::fcntl_getfl(fd).unwrap();
        flags.contains(OFlags::NONBLOCK)
    }

    /// One look at the output, without waiting.
    fn look(output: &mut Output, wanted: bool) -> Found {
        let mut set = PollSet::new();
        let watch = output.watch(wanted, &mut set);
        set.wait(Some(Duration::ZERO)).unwrap();
        let (fd, completion) = watch.found(&set);
        output.judge(wanted, fd, completion)
    }

    const NOTHING: Found = Found {
        space: false,
        gone: false,
    };

    fn write(output: &mut Output, bytes: &[u8]) -> Transfer {
        output.write(&[IoSlice::new(bytes)])
    }

    fn write_until_full(output: &mut Output) -> usize {
        let mut sum = 0;
        loop {
            match write(output, &[b'x'; 1000]) {
                Transfer::Moved(n) => sum += n,
                Transfer::WouldBlock => return sum,
                other => panic!("after {sum} bytes: {other:?}"),
            }
        }
    }

    /// The same story for everything with a reader at the other end. Goes through all of it with
    /// nothing of interest but the reader's life.
    fn fills_up_and_dies(mut output: Output, reader: OwnedFd) {
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
        assert!(matches!(output.write(&parts), Transfer::Moved(3)));
        assert!(look(&mut output, true).space);
        assert!(write_until_full(&mut output) > 0);
        assert_eq!(look(&mut output, true), NOTHING);
        assert_eq!(look(&mut output, false), NOTHING);
        let mut start = [0; 3];
        rustix::io::read(&reader, &mut start).unwrap();
        assert_eq!(&start, b"abc");
        drop(reader);
        assert!(look(&mut output, false).gone);
        assert!(matches!(write(&mut output, b"x"), Transfer::Gone));
    }

    #[test]
    fn a_pipe_is_written_without_waiting_and_without_flags() {
        let (reader, writer) = pipe().unwrap();
        let duplicate = writer.try_clone().unwrap();
        let output = Output::over(writer).unwrap();
        assert!(matches!(output.way, Way::NoWait));
        fills_up_and_dies(output, reader);
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_pipe_is_written_on_kernels_without_nowait() {
        let (reader, writer) = pipe().unwrap();
        let duplicate = writer.try_clone().unwrap();
        let mut output = Output::over(writer).unwrap();
        output.do_without_no_wait().unwrap();
        assert!(matches!(output.way, Way::Plain));
        fills_up_and_dies(output, reader);
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_socket_is_written_without_waiting_and_without_flags() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let duplicate = writer.try_clone().unwrap();
        let output = Output::over(writer.into()).unwrap();
        assert!(matches!(output.way, Way::Socket));
        fills_up_and_dies(output, reader.into());
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_pipe_gives_back_what_was_not_read_and_leaves_the_rest_to_a_reader_that_comes() {
        let (reader, writer) = pipe().unwrap();
        let mut output = Output::over(writer).unwrap();
        assert!(output.gives_back());
        let sent: Vec<u8> = (0..5_000).map(|number| number as u8).collect();
        assert!(matches!(write(&mut output, &sent), Transfer::Moved(5_000)));
        rustix::io::read(&reader, &mut [0; 1_000]).unwrap();
        drop(reader);
        let bare = output.take_unread(false);
        assert_eq!((bare.bytes, bare.text), (4_000, None));
        let late = reopen(output.fd.as_fd(), OFlags::RDONLY).unwrap();
        rustix::io::read(&late, &mut [0; 500]).unwrap();
        let unread = output.take_unread(true);
        assert_eq!(unread.bytes, 3_500);
        assert!(unread.text.as_deref() == Some(&sent[1_500..]));
        assert_eq!(output.take_unread(true).bytes, 0);
    }

    #[test]
    fn a_unix_socket_tells_whether_something_was_left_also_when_a_write_has_met_it() {
        for (reads, writes, left) in [(3, false, 0), (2, false, 1), (2, true, 1)] {
            let (peer, ours) = UnixStream::pair().unwrap();
            let mut output = Output::over(ours.into()).unwrap();
            write(&mut output, b"abc");
            rustix::io::read(&peer, &mut vec![0; reads][..]).unwrap();
            drop(peer);
            if writes {
                assert!(matches!(write(&mut output, b"d"), Transfer::Gone));
            }
            let unread = output.take_unread(true);
            assert_eq!((unread.bytes, unread.text), (left, None));
        }
    }

    #[test]
    fn a_peer_that_is_done_sending_still_reads() {
        let (peer, ours) = UnixStream::pair().unwrap();
        let mut output = Output::over(ours.into()).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(look(&mut output, false), NOTHING);
        assert!(matches!(write(&mut output, b"x"), Transfer::Moved(1)));
    }

    #[test]
    fn the_error_of_one_message_is_no_death() {
        let (_peer, ours) = UnixDatagram::pair().unwrap();
        let output = Output::over(ours.into()).unwrap();
        assert!(output.death.is_empty());
        assert!(!output.watches_for_hang_up);
    }

    #[test]
    fn files_and_memory_devices_are_written_plainly() {
        let mut output = Output::over(tempfile::tempfile().unwrap().into()).unwrap();
        assert!(matches!(output.way, Way::Plain));
        assert!(look(&mut output, true).space);
        assert!(matches!(write(&mut output, b"abc"), Transfer::Moved(3)));

        let open = |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            Output::over(file.into()).unwrap()
        };
        assert!(matches!(
            write(&mut open("/dev/null"), b"abc"),
            Transfer::Moved(3)
        ));
        let Transfer::Failed(error) = write(&mut open("/dev/full"), b"abc") else {
            panic!("/dev/full took it")
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_ferried_output_is_under_way_until_it_is_accepted() {
        let (reader, writer) = pipe().unwrap();
        fill(&writer);
        let io_worker = WriteWorker::start(writer.as_fd(), WRITE_MOST).unwrap();
        let mut output = Output::new(writer, Kind::Other, Way::Worker(io_worker));
        assert!(output.ready_now());
        assert!(matches!(write(&mut output, b"abc"), Transfer::InFlight(3)));
        assert!(!output.ready_now());
        assert!(matches!(write(&mut output, b"abc"), Transfer::WouldBlock));
        assert_eq!(look(&mut output, true), NOTHING);
        rustix::io::read(&reader, &mut vec![0; 1 << 20][..]).unwrap();
        let Way::Worker(io_worker) = &output.way else {
            unreachable!()
        };
        readable(io_worker.completion());
        assert!(look(&mut output, true).space);
        assert!(matches!(write(&mut output, b"abc"), Transfer::Moved(3)));
        drop(reader);
    }

    #[test]
    fn a_terminal_is_written_through_a_private_description() {
        let (master, user) = pty();
        let duplicate = user.try_clone().unwrap();
        let mut output = Output::over(user).unwrap();
        assert!(matches!(output.way, Way::Plain));
        assert!(look(&mut output, true).space);
        assert!(matches!(write(&mut output, b"hi"), Transfer::Moved(2)));
        let mut start = [0; 2];
        rustix::io::read(&master, &mut start).unwrap();
        assert_eq!(&start, b"hi");
        assert!(write_until_full(&mut output) > 0);
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_terminal_that_refuses_what_poll_promised_is_not_asked_by_poll_again() {
        let (master, user) = pty();
        let mut output = Output::over(user).unwrap();
        write_until_full(&mut output);
        // Which fill makes poll promise too much depends on the kernel; so promise it here.
        let promise = |output: &mut Output| output.judge(true, PollFlags::OUT, PollFlags::empty());
        assert!(promise(&mut output).space);
        assert!(matches!(write(&mut output, b"\n"), Transfer::WouldBlock));
        assert!(output.distrusts_poll());
        output.trust_again();
        assert!(matches!(write(&mut output, b"\n"), Transfer::WouldBlock));
        assert!(output.distrusts_poll());

        rustix::io::read(&master, &mut vec![0; 1 << 20][..]).unwrap();
        output.trust_again();
        while matches!(write(&mut output, b"\n"), Transfer::WouldBlock) {
            rustix::io::read(&master, &mut vec![0; 1 << 20][..]).unwrap();
        }
        assert!(!output.distrusts_poll());
    }

    #[test]
    fn a_terminal_that_hung_up_has_lost_its_reader() {
        let (master, user) = pty();
        let mut output = Output::over(user).unwrap();
        assert_eq!(look(&mut output, false), NOTHING);
        drop(master);
        assert!(look(&mut output, false).gone);
        assert!(matches!(write(&mut output, b"x"), Transfer::Gone));
    }
}
