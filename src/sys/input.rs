//! One input: reading it without blocking, whatever it is.
//!
//! | what it is | how it is read |
//! | --- | --- |
//! | pipe | `RWF_NOWAIT` per call; on kernels without, or once spliced, a private description; then a pipe of our own, or the ferry |
//! | socket | `MSG_DONTWAIT` per call |
//! | file, block or memory device | plainly: it waits for nobody |
//! | terminal | through a private description; then the ferry |
//! | anything else | the ferry |
//!
//! Refuses to know in which order inputs come (`sources`), and to touch a shared flag.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::{self, Errno, ReadWriteFlags};
use rustix::net::RecvFlags;

use super::descriptor::{Kind, Twin, reopen};
use super::ferry::ReadFerry;
use super::poll::look;
use super::splice::{PACKET, Scratch};

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
    /// How to read a pipe that was spliced from.
    way_back: Option<Rc<Scratch>>,
    twin: Twin,
}

#[derive(Debug)]
enum Way {
    NoWait,
    Socket,
    Plain,
    /// Through a pipe of our own.
    Scratch(Rc<Scratch>),
    Ferry(ReadFerry),
}

impl Input {
    /// An input over a description that others share.
    ///
    /// # Errors
    ///
    /// The system's; `ISDIR` for a directory.
    pub(super) fn over(fd: OwnedFd) -> io::Result<Input> {
        let kind = Kind::of(fd.as_fd())?;
        let way = match kind {
            Kind::Directory => return Err(Errno::ISDIR),
            Kind::Pipe => Way::NoWait,
            Kind::Socket => Way::Socket,
            Kind::File => Way::Plain,
            Kind::Terminal => return Input::over_blocking(fd, kind),
            Kind::Other => Way::Ferry(ReadFerry::start(fd.as_fd())?),
        };
        Ok(Input::new(fd, kind, way))
    }

    fn new(fd: OwnedFd, kind: Kind, way: Way) -> Input {
        Input {
            fd,
            kind,
            way,
            shared: None,
            awaits_writer: false,
            is_unspliceable: false,
            way_back: None,
            twin: Twin::default(),
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
            Kind::Other => Way::Ferry(ReadFerry::start(fd.as_fd())?),
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

    /// Reads at most `room.len()` bytes; 0 is the end.
    ///
    /// # Errors
    ///
    /// `AGAIN` when there is nothing now, else the system's.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if !self.has_writer() {
            return Err(Errno::AGAIN);
        }
        match self.read_by_way(room) {
            // Other kernels, and other moments, call the same an end.
            Err(Errno::IO) if self.has_hung_up() => Ok(0),
            result => result,
        }
    }

    /// Whether this is a terminal whose other side is gone.
    fn has_hung_up(&self) -> bool {
        self.kind == Kind::Terminal && look(self.fd.as_fd(), PollFlags::IN).contains(PollFlags::HUP)
    }

    fn read_by_way(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let fd = &self.fd;
        // A read takes the whole of a packet from a pipe in packet mode, and a splice leaves its rest.
        if let Some(scratch) = &self.way_back
            && self.kind == Kind::Pipe
            && room.len() < PACKET
        {
            return scratch.read(fd.as_fd(), room);
        }
        match &mut self.way {
            Way::NoWait => match read_no_wait(fd, room) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.do_without_no_wait()?;
                    self.read(room)
                }
                result => result,
            },
            Way::Socket => io::retry_on_intr(|| {
                rustix::net::recv(fd, &mut *room, RecvFlags::DONTWAIT).map(|(n, _)| n)
            }),
            Way::Plain => io::retry_on_intr(|| io::read(fd, &mut *room)),
            Way::Scratch(scratch) => scratch.read(fd.as_fd(), room),
            Way::Ferry(ferry) => ferry.read(room),
        }
    }

    /// The best way that is left: a private description takes one call for what a pipe of ours takes two.
    fn do_without_no_wait(&mut self) -> io::Result<()> {
        match (reopen(self.fd.as_fd(), OFlags::RDONLY), &self.way_back) {
            (Ok(private), _) => {
                self.shared = Some(std::mem::replace(&mut self.fd, private));
                self.way = Way::Plain;
            }
            (Err(_), Some(scratch)) => self.way = Way::Scratch(Rc::clone(scratch)),
            (Err(_), None) => self.way = Way::Ferry(ReadFerry::start(self.fd.as_fd())?),
        }
        Ok(())
    }

    /// What to splice from; `AGAIN` when there is nothing now, `None` when it is to be read. Once it
    /// was spliced from, a pipe knows `RWF_NOWAIT` no more, so `scratch` is kept as a way to read it.
    pub(super) fn splices(&mut self, scratch: &Rc<Scratch>) -> io::Result<Option<BorrowedFd<'_>>> {
        let may = !self.is_unspliceable
            && matches!(self.kind, Kind::Pipe | Kind::File)
            && matches!(self.way, Way::NoWait | Way::Plain | Way::Scratch(_));
        if may && self.way_back.is_none() {
            self.way_back = Some(Rc::clone(scratch));
        }
        if may && !self.has_writer() {
            return Err(Errno::AGAIN);
        }
        Ok(may.then(|| self.fd.as_fd()))
    }

    /// A description of our own of a pipe, to splice from while it is read by the other; `AGAIN` when
    /// there is nothing now, `None` when there is none.
    pub(super) fn twin(&mut self) -> io::Result<Option<BorrowedFd<'_>>> {
        if self.kind != Kind::Pipe {
            return Ok(None);
        }
        if !self.has_writer() {
            return Err(Errno::AGAIN);
        }
        Ok(match self.way {
            Way::NoWait => self.twin.of(self.fd.as_fd(), OFlags::RDONLY),
            Way::Plain => Some(self.fd.as_fd()),
            _ => None,
        })
    }

    /// The kernel refuses to splice from it.
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
            Way::Ferry(ferry) if ferry.is_away() => Some((ferry.bell(), PollFlags::IN)),
            Way::Ferry(_) => None,
            // Poll answers for a file that it is always ready.
            _ => Some((
                self.shared.as_ref().unwrap_or(&self.fd).as_fd(),
                PollFlags::IN,
            )),
        }
    }

    /// Whether at least one byte could be read now. Where nobody can say, a reader that waits for
    /// bytes already knows that there are none, and otherwise they are assumed.
    pub(super) fn pending(&self) -> bool {
        match &self.way {
            Way::Ferry(ferry) if !ferry.rest().is_empty() => true,
            Way::Ferry(ferry) if ferry.is_away() => !look(ferry.bell(), PollFlags::IN).is_empty(),
            _ if self.kind == Kind::File => self.file_goes_on(),
            _ => io::ioctl_fionread(&self.fd).map_or(true, |n| n > 0),
        }
    }

    /// How many bytes of a pipe wait to be read; 0 where that cannot be told.
    pub(super) fn unread(&self) -> u64 {
        match self.kind {
            Kind::Pipe => io::ioctl_fionread(&self.fd).unwrap_or(0),
            _ => 0,
        }
    }

    /// FIONREAD counts in 32 bits, too few for a file. Devices have no size and never end.
    fn file_goes_on(&self) -> bool {
        match (rustix::fs::fstat(&self.fd), rustix::fs::tell(&self.fd)) {
            (Ok(stat), Ok(position)) if stat.st_size > 0 => position < stat.st_size as u64,
            (Ok(stat), _) => !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file(),
            _ => true,
        }
    }

    /// Whether the input can only be at its end when no byte is pending.
    pub(super) fn ends_when_not_pending(&self) -> bool {
        self.kind == Kind::File
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

fn read_no_wait(fd: &OwnedFd, room: &mut [u8]) -> io::Result<usize> {
    // An offset of -1 stands for "the current position", the only one that a pipe has.
    const HERE: u64 = u64::MAX;
    io::retry_on_intr(|| {
        io::preadv2(
            fd,
            &mut [IoSliceMut::new(room)],
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
    use std::io::{Seek, SeekFrom, Write as _};
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

    /// The same story for every way of reading something with two ends.
    fn tells_empty_from_ended(mut input: Input, writer: OwnedFd) {
        let mut room = [0; 10];
        assert_eq!(input.read(&mut room), Err(Errno::AGAIN));
        assert!(!is_ready(&input));
        assert!(!input.pending());
        io::write(&writer, b"abc").unwrap();
        assert_eq!(wait_and_read(&mut input, &mut room[..2]), Ok(2));
        assert!(input.pending());
        assert_eq!(wait_and_read(&mut input, &mut room[2..]), Ok(1));
        assert_eq!(&room[..3], b"abc");
        drop(writer);
        assert_eq!(wait_and_read(&mut input, &mut room), Ok(0));
    }

    fn wait_and_read(input: &mut Input, room: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((fd, _)) = input.watched() {
                readable(fd);
            }
            match input.read(room) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
    }

    #[test]
    fn a_pipe_is_read_without_waiting_and_without_flags() {
        let (reader, writer) = pipe().unwrap();
        let witness = reader.try_clone().unwrap();
        let input = Input::over(reader).unwrap();
        assert!(matches!(input.way, Way::NoWait));
        tells_empty_from_ended(input, writer);
        assert!(!is_non_blocking(&witness));
    }

    #[test]
    fn a_pipe_is_read_on_kernels_without_nowait() {
        let (reader, writer) = pipe().unwrap();
        let witness = reader.try_clone().unwrap();
        let mut input = Input::over(reader).unwrap();
        input.do_without_no_wait().unwrap();
        assert!(matches!(input.way, Way::Plain));
        tells_empty_from_ended(input, writer);
        assert!(!is_non_blocking(&witness));
    }

    #[test]
    fn a_socket_is_read_without_waiting_and_without_flags() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let witness = reader.try_clone().unwrap();
        let input = Input::over(reader.into()).unwrap();
        assert!(matches!(input.way, Way::Socket));
        tells_empty_from_ended(input, writer.into());
        assert!(!is_non_blocking(&witness));
    }

    #[test]
    fn a_ferried_input_is_read_without_waiting() {
        let (reader, writer) = pipe().unwrap();
        let ferry = ReadFerry::start(reader.as_fd()).unwrap();
        let input = Input::new(reader, Kind::Other, Way::Ferry(ferry));
        // The first read fetches up to ten bytes, so the second is served from what is left.
        tells_empty_from_ended(input, writer);
    }

    #[test]
    fn a_terminal_is_read_through_a_private_description() {
        let (master, user) = pty();
        let witness = user.try_clone().unwrap();
        let mut input = Input::over(user).unwrap();
        assert!(matches!(input.way, Way::Plain));
        let mut room = [0; 10];
        assert_eq!(input.read(&mut room), Err(Errno::AGAIN));
        assert!(!is_ready(&input));
        io::write(&master, b"hi\n").unwrap();
        assert_eq!(wait_and_read(&mut input, &mut room), Ok(3));
        // Ctrl-D at the start of a line is the end.
        io::write(&master, &[4]).unwrap();
        assert_eq!(wait_and_read(&mut input, &mut room), Ok(0));
        assert!(!is_non_blocking(&witness));
    }

    #[test]
    fn a_fifo_without_a_writer_has_not_ended() {
        let fifo = Fifo::new();
        let mut input = Input::over_own(fifo.open_for_reading()).unwrap();
        let mut room = [0; 10];
        assert_eq!(input.read(&mut room), Err(Errno::AGAIN));
        assert!(!is_ready(&input));
        let mut writer = fifo.open_for_writing();
        assert_eq!(input.read(&mut room), Err(Errno::AGAIN));
        writer.write_all(b"x").unwrap();
        assert_eq!(wait_and_read(&mut input, &mut room), Ok(1));
        drop(writer);
        assert_eq!(wait_and_read(&mut input, &mut room), Ok(0));
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
        let input = Input::over(file.try_clone().unwrap().into()).unwrap();
        assert!(input.pending());
        file.seek(SeekFrom::End(0)).unwrap();
        assert!(!input.pending());
        assert!(is_ready(&input), "the end of a file is no reason to wait");
    }

    #[test]
    fn memory_devices_are_read_plainly() {
        let open = |path| Input::over(std::fs::File::open(path).unwrap().into()).unwrap();
        let mut zero = open("/dev/zero");
        assert!(matches!(zero.way, Way::Plain));
        assert!(zero.pending());
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
