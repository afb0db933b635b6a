//! One input: reading it without blocking, whatever it is.
//!
//! | what it is | how it is read |
//! | --- | --- |
//! | pipe | `RWF_NOWAIT` per call; on kernels without, or once spliced, a private description; then a pipe of our own, or the worker |
//! | socket | `MSG_DONTWAIT` per call |
//! | file on a disk, block or memory device | plainly: it waits for nobody |
//! | file that somebody else serves | the worker |
//! | terminal | through a private description; then the worker |
//! | anything else | the worker |
//!
//! Refuses to know in which order inputs come (`sources`), and to touch a shared flag.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::event::PollFlags;
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::{self, Errno, ReadWriteFlags};
use rustix::net::RecvFlags;

use super::descriptor::{Indirect, Kind, Reopened, is_refusal, reopen};
use super::io_worker::ReadWorker;
use super::poll::look;
use super::splice::{BouncePipe, PACKET};

/// What poll says of something readable, ended or broken.
const NEWS: PollFlags = PollFlags::IN.union(PollFlags::HUP).union(PollFlags::ERR);

/// An open input.
#[derive(Debug)]
pub(super) struct Input {
    fd: OwnedFd,
    kind: Kind,
    way: Way,
    /// The shared description, where `fd` is a private one: poll on a FIFO that was opened after its
    /// last writer had gone says nothing for ever, though a read would say that it has ended.
    shared: Option<OwnedFd>,
    /// A FIFO that we opened reads as ended until its first writer comes; that is not its end.
    awaits_writer: bool,
    is_unspliceable: bool,
    /// `fd` is read in the place of one with `O_DIRECT`.
    indirect: Option<Indirect>,
    /// How to read a pipe that was spliced from.
    fallback: Option<Rc<BouncePipe>>,
    reopened: Reopened,
}

/// What is known of an input without taking anything from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ahead {
    /// At least one byte.
    Bytes,
    /// Nothing now; a read tells more.
    Nothing,
    /// Its end.
    End,
}

#[derive(Debug)]
enum Way {
    NoWait,
    Socket,
    Plain,
    /// Through a pipe of our own.
    BouncePipe(Rc<BouncePipe>),
    Worker(ReadWorker),
}

impl Input {
    /// An input over a description that others share.
    ///
    /// # Errors
    ///
    /// The system's; `ISDIR` for a directory.
    pub(super) fn over(fd: OwnedFd) -> io::Result<Input> {
        let kind = Kind::of(fd.as_fd())?;
        let (fd, indirect) = match kind {
            Kind::File | Kind::ServedFile => Indirect::in_place_of(fd, OFlags::RDONLY),
            _ => (fd, None),
        };
        let way = match kind {
            Kind::Directory => return Err(Errno::ISDIR),
            Kind::Pipe => Way::NoWait,
            Kind::Socket => Way::Socket,
            Kind::File => Way::Plain,
            Kind::Terminal => return Input::over_blocking(fd, kind),
            Kind::ServedFile | Kind::Other => Way::Worker(ReadWorker::start(fd.as_fd())?),
        };
        Ok(Input {
            // A splice would leave the other description's position behind.
            is_unspliceable: indirect.is_some(),
            indirect,
            ..Input::new(fd, kind, way)
        })
    }

    fn new(fd: OwnedFd, kind: Kind, way: Way) -> Input {
        Input {
            fd,
            kind,
            way,
            shared: None,
            awaits_writer: false,
            is_unspliceable: false,
            indirect: None,
            fallback: None,
            reopened: Reopened::default(),
        }
    }

    /// An input over a description of our own that was opened with `O_NONBLOCK`.
    ///
    /// # Errors
    ///
    /// The system's; `ISDIR` for a directory.
    pub(super) fn over_own(fd: OwnedFd) -> io::Result<Input> {
        let kind = Kind::of(fd.as_fd())?;
        let way = match kind {
            Kind::Directory => return Err(Errno::ISDIR),
            // Whether a strange device honours the flag, and has a poll to go with it, is unknown.
            Kind::ServedFile | Kind::Other => Way::Worker(ReadWorker::start(fd.as_fd())?),
            _ => Way::Plain,
        };
        Ok(Input {
            awaits_writer: kind == Kind::Pipe,
            ..Input::new(fd, kind, way)
        })
    }

    /// An input over a shared description that knows no non-blocking call.
    fn over_blocking(fd: OwnedFd, kind: Kind) -> io::Result<Input> {
        let mut input = Input::new(fd, kind, Way::NoWait);
        input.do_without_no_wait()?;
        Ok(input)
    }

    /// Reads at most `space.len()` bytes; 0 is the end.
    ///
    /// # Errors
    ///
    /// `AGAIN` when there is nothing now, else the system's.
    pub(super) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if !self.has_writer() {
            return Err(Errno::AGAIN);
        }
        match self.read_by_way(space) {
            // Other kernels, and other moments, call the same an end.
            Err(Errno::IO) if self.has_hung_up() => Ok(0),
            Ok(count) => {
                if let Some(indirect) = &self.indirect {
                    indirect.follow(self.fd.as_fd());
                }
                Ok(count)
            }
            error => error,
        }
    }

    /// Whether this is a terminal whose other side is gone.
    fn has_hung_up(&self) -> bool {
        self.kind == Kind::Terminal && look(self.fd.as_fd(), PollFlags::IN).contains(PollFlags::HUP)
    }

    fn read_by_way(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let fd = &self.fd;
        // A read takes the whole of a packet from a pipe in packet mode, and a splice leaves its rest.
        if let Some(bounce_pipe) = &self.fallback
            && self.kind == Kind::Pipe
            && space.len() < PACKET
        {
            match bounce_pipe.read(fd.as_fd(), space) {
                Err(errno) if is_refusal(errno) => {}
                result => return result,
            }
        }
        match &mut self.way {
            Way::NoWait => match read_no_wait(fd, space) {
                Err(errno) if is_refusal(errno) => {
                    self.do_without_no_wait()?;
                    self.read_by_way(space)
                }
                result => result,
            },
            Way::Socket => io::retry_on_intr(|| {
                rustix::net::recv(fd, &mut *space, RecvFlags::DONTWAIT).map(|(n, _)| n)
            }),
            Way::Plain => io::retry_on_intr(|| io::read(fd, &mut *space)),
            Way::BouncePipe(bounce_pipe) => match bounce_pipe.read(fd.as_fd(), space) {
                Err(errno) if is_refusal(errno) => {
                    self.way = Way::Worker(ReadWorker::start(fd.as_fd())?);
                    self.read_by_way(space)
                }
                result => result,
            },
            Way::Worker(io_worker) => io_worker.read(space),
        }
    }

    /// The best way that is left: a private description takes one call for what a pipe of ours takes two.
    fn do_without_no_wait(&mut self) -> io::Result<()> {
        match (reopen(self.fd.as_fd(), OFlags::RDONLY), &self.fallback) {
            (Ok(private), _) => {
                self.shared = Some(std::mem::replace(&mut self.fd, private));
                self.way = Way::Plain;
            }
            (Err(_), Some(bounce_pipe)) => self.way = Way::BouncePipe(Rc::clone(bounce_pipe)),
            (Err(_), None) => self.way = Way::Worker(ReadWorker::start(self.fd.as_fd())?),
        }
        Ok(())
    }

    /// What to splice from; `AGAIN` when there is nothing now, `None` when it is to be read. Once it
    /// was spliced from, a pipe knows `RWF_NOWAIT` no more, so `bounce_pipe` is kept as a fallback to read it.
    pub(super) fn splices(
        &mut self,
        bounce_pipe: &Rc<BouncePipe>,
    ) -> io::Result<Option<BorrowedFd<'_>>> {
        let may = !self.is_unspliceable
            && matches!(self.kind, Kind::Pipe | Kind::File)
            && matches!(self.way, Way::NoWait | Way::Plain | Way::BouncePipe(_));
        if may && self.fallback.is_none() {
            self.fallback = Some(Rc::clone(bounce_pipe));
        }
        if may && !self.has_writer() {
            return Err(Errno::AGAIN);
        }
        Ok(may.then(|| self.fd.as_fd()))
    }

    /// A description of our own of a pipe, to splice from while it is read by the other; `AGAIN` when
    /// there is nothing now, `None` when there is none.
    pub(super) fn reopened(&mut self) -> io::Result<Option<BorrowedFd<'_>>> {
        if self.kind != Kind::Pipe {
            return Ok(None);
        }
        if !self.has_writer() {
            return Err(Errno::AGAIN);
        }
        Ok(match self.way {
            Way::NoWait => self.reopened.of(self.fd.as_fd(), OFlags::RDONLY),
            Way::Plain => Some(self.fd.as_fd()),
            _ => None,
        })
    }

    /// Whether a splice that brought nothing has seen the end.
    pub(super) fn tells_its_end(&self) -> bool {
        self.kind == Kind::Pipe
    }

    /// The kernel refuses to splice from it, or says that there is no more.
    pub(super) fn do_without_splice(&mut self) {
        self.is_unspliceable = true;
    }

    /// Whether a FIFO that we opened has or had a writer.
    fn has_writer(&mut self) -> bool {
        if self.awaits_writer && look(self.fd.as_fd(), PollFlags::IN).intersects(NEWS) {
            self.awaits_writer = false;
        }
        !self.awaits_writer
    }

    /// What to poll for news, and for which events; `None` when a read makes sense at once.
    pub(super) fn watched(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.way {
            Way::Worker(io_worker) if io_worker.is_away() => {
                Some((io_worker.completion(), PollFlags::IN))
            }
            Way::Worker(_) => None,
            // Poll answers for a file that it is always ready.
            _ => Some((
                self.shared.as_ref().unwrap_or(&self.fd).as_fd(),
                PollFlags::IN,
            )),
        }
    }

    /// What comes next. A helper tells only what it has read.
    pub(super) fn ahead(&mut self) -> Ahead {
        let has_bytes = match &mut self.way {
            Way::Worker(io_worker) => io_worker.has_bytes(),
            _ if self.kind == Kind::File => return self.ahead_in_file(),
            _ => match io::ioctl_fionread(&self.fd) {
                Ok(count) => count > 0,
                Err(_) => self.would_bring_bytes(),
            },
        };
        match has_bytes {
            true => Ahead::Bytes,
            false => Ahead::Nothing,
        }
    }

    /// Where nobody counts what can be read.
    fn would_bring_bytes(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match self.kind {
            Kind::Socket => rustix::net::recv(&self.fd, &mut [0], flags).is_ok_and(|(n, _)| n > 0),
            _ => look(self.fd.as_fd(), PollFlags::IN).contains(PollFlags::IN),
        }
    }

    /// How many bytes of a pipe wait to be read; 0 where that cannot be told.
    pub(super) fn unread(&self) -> u64 {
        match self.kind {
            Kind::Pipe => io::ioctl_fionread(&self.fd).unwrap_or(0),
            _ => 0,
        }
    }

    /// Asks for a byte and leaves it where it is: a file's size is not always its length.
    fn ahead_in_file(&self) -> Ahead {
        let asked = rustix::fs::tell(&self.fd).and_then(|position| {
            io::retry_on_intr(|| io::pread(&self.fd, &mut [0u8][..], position))
        });
        match asked {
            Ok(0) => Ahead::End,
            Ok(_) => Ahead::Bytes,
            Err(_) => Ahead::Nothing,
        }
    }

    /// As [`super::descriptor::is_file`].
    pub(super) fn is_file(&self) -> bool {
        self.kind.is_file()
    }

    /// The last `bytes` bytes that were read are there for the next reader of this description, where it
    /// has a place to go back to.
    pub(super) fn put_back(&mut self, bytes: usize) {
        if !self.is_file() {
            return;
        }
        let rest = match &self.way {
            // The position is the helper's while it reads, and asking for it would wait for that.
            Way::Worker(io_worker) if io_worker.is_away() => return,
            Way::Worker(io_worker) => io_worker.rest().len(),
            _ => 0,
        };
        // Refused by what has none, as a memory device.
        let back = SeekFrom::Current(-((bytes + rest) as i64));
        if rustix::fs::seek(&self.fd, back).is_err() {
            return;
        }
        if let Way::Worker(io_worker) = &mut self.way {
            io_worker.forget_rest();
        }
        if let Some(indirect) = &self.indirect {
            indirect.follow(self.fd.as_fd());
        }
    }

    /// The description that is read, for one who goes to another place in it.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The pipe to grow, if it is one.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        (self.kind == Kind::Pipe).then(|| self.fd.as_fd())
    }
}

fn read_no_wait(fd: &OwnedFd, space: &mut [u8]) -> io::Result<usize> {
    // An offset of -1 stands for "the current position", the only one that a pipe has.
    const HERE: u64 = u64::MAX;
    io::retry_on_intr(|| {
        io::preadv2(
            fd,
            &mut [IoSliceMut::new(space)],
            HERE,
            ReadWriteFlags::NOWAIT,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::{Fifo, pty, readable};
    use rustix::pipe::pipe;
    use std::io::{Seek, Write as _};
    use std::os::unix::net::UnixStream;

    fn is_non_blocking(fd: impl AsFd) -> bool {
        let flags = rustix::fs::fcntl_getfl(fd).unwrap();
        flags.contains(OFlags::NONBLOCK)
    }

    fn is_ready(input: &Input) -> bool {
        input
            .watched()
            .is_none_or(|(fd, events)| look(fd, events).intersects(NEWS))
    }

    #[test]
    fn what_a_helper_read_too_much_is_there_for_the_next_reader() {
        let mut file = std::fs::File::open("/proc/version").unwrap();
        let mut input = Input::over(file.try_clone().unwrap().into()).unwrap();
        assert_eq!(input.kind, Kind::ServedFile);
        // The helper reads ten bytes, of which it keeps six or none.
        let taken = match input.read(&mut [0; 10]) {
            Ok(taken) => taken,
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                readable(input.watched().unwrap().0);
                input.read(&mut [0; 4]).unwrap()
            }
        };
        input.put_back(1);
        let position = file.stream_position().unwrap();
        assert_eq!(position, taken as u64 - 1);
        // It forgot them, and reads them anew.
        assert_eq!(input.ahead(), Ahead::Nothing);
        file.rewind().unwrap();
        let mut begin = [0; 3];
        while input.read(&mut begin) == Err(Errno::AGAIN) {
            readable(input.watched().unwrap().0);
        }
        assert!(std::fs::read("/proc/version").unwrap().starts_with(&begin));
    }

    /// The same story for every way of reading something with two ends.
    fn tells_empty_from_ended(mut input: Input, writer: OwnedFd) {
        let mut space = [0; 10];
        assert_eq!(input.read(&mut space), Err(Errno::AGAIN));
        assert!(!is_ready(&input));
        assert_eq!(input.ahead(), Ahead::Nothing);
        io::write(&writer, b"abc").unwrap();
        assert_eq!(wait_and_read(&mut input, &mut space[..2]), Ok(2));
        assert_eq!(input.ahead(), Ahead::Bytes);
        assert_eq!(wait_and_read(&mut input, &mut space[2..]), Ok(1));
        assert_eq!(&space[..3], b"abc");
        drop(writer);
        assert_eq!(wait_and_read(&mut input, &mut space), Ok(0));
    }

    fn wait_and_read(input: &mut Input, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((fd, _)) = input.watched() {
                readable(fd);
            }
            match input.read(space) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
    }

    #[test]
    fn a_pipe_is_read_without_waiting_and_without_flags() {
        let (reader, writer) = pipe().unwrap();
        let duplicate = reader.try_clone().unwrap();
        let input = Input::over(reader).unwrap();
        assert!(matches!(input.way, Way::NoWait));
        tells_empty_from_ended(input, writer);
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_pipe_is_read_on_kernels_without_nowait() {
        let (reader, writer) = pipe().unwrap();
        let duplicate = reader.try_clone().unwrap();
        let mut input = Input::over(reader).unwrap();
        input.do_without_no_wait().unwrap();
        assert!(matches!(input.way, Way::Plain));
        tells_empty_from_ended(input, writer);
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_socket_is_read_without_waiting_and_without_flags() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let duplicate = reader.try_clone().unwrap();
        let input = Input::over(reader.into()).unwrap();
        assert!(matches!(input.way, Way::Socket));
        tells_empty_from_ended(input, writer.into());
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_ferried_input_is_read_without_waiting() {
        let (reader, writer) = pipe().unwrap();
        let io_worker = ReadWorker::start(reader.as_fd()).unwrap();
        let input = Input::new(reader, Kind::Other, Way::Worker(io_worker));
        // The first read fetches up to ten bytes, so the second is served from what is left.
        tells_empty_from_ended(input, writer);
    }

    #[test]
    fn a_terminal_is_read_through_a_private_description() {
        let (master, user) = pty();
        let duplicate = user.try_clone().unwrap();
        let mut input = Input::over(user).unwrap();
        assert!(matches!(input.way, Way::Plain));
        let mut space = [0; 10];
        assert_eq!(input.read(&mut space), Err(Errno::AGAIN));
        assert!(!is_ready(&input));
        io::write(&master, b"hi\n").unwrap();
        assert_eq!(wait_and_read(&mut input, &mut space), Ok(3));
        // Ctrl-D at the start of a line is the end.
        io::write(&master, &[4]).unwrap();
        assert_eq!(wait_and_read(&mut input, &mut space), Ok(0));
        assert!(!is_non_blocking(&duplicate));
    }

    #[test]
    fn a_fifo_without_a_writer_has_not_ended() {
        let fifo = Fifo::new();
        let mut input = Input::over_own(fifo.open_for_reading()).unwrap();
        let mut space = [0; 10];
        assert_eq!(input.read(&mut space), Err(Errno::AGAIN));
        assert!(!is_ready(&input));
        let mut writer = fifo.open_for_writing();
        assert_eq!(input.read(&mut space), Err(Errno::AGAIN));
        writer.write_all(b"x").unwrap();
        assert_eq!(wait_and_read(&mut input, &mut space), Ok(1));
        drop(writer);
        assert_eq!(wait_and_read(&mut input, &mut space), Ok(0));
    }

    #[test]
    fn a_fifo_whose_writer_said_nothing_has_ended() {
        let fifo = Fifo::new();
        let mut input = Input::over_own(fifo.open_for_reading()).unwrap();
        assert_eq!(input.read(&mut [0; 10]), Err(Errno::AGAIN));
        drop(fifo.open_for_writing());
        assert!(is_ready(&input));
        assert_eq!(input.read(&mut [0; 10]), Ok(0));
    }

    #[test]
    fn a_file_knows_how_much_is_left_beyond_32_bits() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(1 << 32).unwrap();
        let mut input = Input::over(file.try_clone().unwrap().into()).unwrap();
        assert_eq!(input.ahead(), Ahead::Bytes);
        file.seek(std::io::SeekFrom::End(0)).unwrap();
        assert_eq!(input.ahead(), Ahead::End);
        assert!(is_ready(&input), "the end of a file is no reason to wait");
    }

    #[test]
    fn the_next_input_is_named_where_bytes_are_not_counted() {
        let (reader, writer) = pipe().unwrap();
        let input = Input::over(reader).unwrap();
        assert!(!input.would_bring_bytes());
        io::write(&writer, b"x").unwrap();
        assert!(input.would_bring_bytes());
        let (ours, peer) = UnixStream::pair().unwrap();
        let input = Input::over(ours.into()).unwrap();
        assert!(!input.would_bring_bytes());
        io::write(&peer, b"x").unwrap();
        assert!(input.would_bring_bytes());
        rustix::net::recv(&input.fd, &mut [0; 9], RecvFlags::empty()).unwrap();
        drop(peer);
        assert!(!input.would_bring_bytes(), "its end is no byte");
    }

    #[test]
    fn a_helper_that_found_the_end_has_found_no_byte() {
        let (reader, writer) = pipe().unwrap();
        let io_worker = ReadWorker::start(reader.as_fd()).unwrap();
        let mut input = Input::new(reader, Kind::Other, Way::Worker(io_worker));
        assert_eq!(input.read(&mut [0]), Err(Errno::AGAIN));
        drop(writer);
        readable(input.watched().unwrap().0);
        assert_eq!(input.ahead(), Ahead::Nothing);
        assert_eq!(input.read(&mut [0]), Ok(0));
    }

    #[test]
    fn memory_devices_are_read_plainly() {
        let open = |path| Input::over(std::fs::File::open(path).unwrap().into()).unwrap();
        let mut zero = open("/dev/zero");
        assert!(matches!(zero.way, Way::Plain));
        assert_eq!(zero.ahead(), Ahead::Bytes);
        assert_eq!(zero.read(&mut [1; 10]), Ok(10));
        assert_eq!(open("/dev/null").read(&mut [1; 10]), Ok(0));
    }

    #[test]
    fn a_directory_is_refused() {
        let directory = || std::fs::File::open("/").unwrap().into();
        assert_eq!(Input::over(directory()).unwrap_err(), Errno::ISDIR);
        assert_eq!(Input::over_own(directory()).unwrap_err(), Errno::ISDIR);
    }
}
