//! What a descriptor is, and the few things done to it before it carries data.
//!
//! Refuses to change what others share: no flag of an inherited description is ever set here. A
//! description that we need to be non-blocking is one that we opened ourselves.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, Stat, major, minor};
use rustix::io::{self, Errno};

/// No pipe is grown beyond this: a larger pipe behind us is data that no policy can reach.
pub(super) const LARGEST_PIPE: usize = 1 << 20;

/// What a descriptor refers to, as far as it decides how to read and write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A pipe or FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A file on a disk of this machine, a block device, or a memory device such as /dev/null: waits
    /// for nobody.
    File,
    /// A regular file that somebody else serves: another machine, another process, or the kernel, which
    /// makes it up as it is read. It may wait for ever, and its size need not be its length.
    ServedFile,
    /// A terminal, but not the master side of a pseudoterminal.
    Terminal,
    /// A directory.
    Directory,
    /// Anything that may block in a way we cannot foresee.
    Other,
}

impl Kind {
    /// Looks at an open descriptor.
    ///
    /// # Errors
    ///
    /// The system's, when the descriptor cannot be examined.
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<Kind> {
        let stat = rustix::fs::fstat(fd)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => Kind::Pipe,
            FileType::Socket => Kind::Socket,
            FileType::Directory => Kind::Directory,
            FileType::RegularFile if !is_local(fd) => Kind::ServedFile,
            _ if is_file(&stat) => Kind::File,
            FileType::CharacterDevice => Kind::of_device(fd, &stat),
            _ => Kind::Other,
        })
    }

    /// As [`is_file`].
    pub(super) fn is_file(self) -> bool {
        matches!(self, Kind::File | Kind::ServedFile)
    }

    fn of_device(fd: BorrowedFd<'_>, stat: &Stat) -> Kind {
        match (major(stat.st_rdev), minor(stat.st_rdev)) {
            // The multiplexer of pseudoterminals: opened again, it would be another terminal.
            (5, 2) => Kind::Other,
            // One that hung up answers every question by EIO, which no other device does.
            _ => match rustix::termios::tcgetattr(fd) {
                Ok(_) | Err(Errno::IO) => Kind::Terminal,
                Err(_) => Kind::Other,
            },
        }
    }
}

/// Whether what is there is all that comes: no producer is at the other end who could be heard out.
pub(super) fn is_file(stat: &Stat) -> bool {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::BlockDevice => true,
        // null, zero, full, random, urandom
        FileType::CharacterDevice => {
            major(stat.st_rdev) == 1 && matches!(minor(stat.st_rdev), 3 | 5 | 7 | 8 | 9)
        }
        _ => false,
    }
}

/// Something harmless to stand in for a closed standard descriptor, so that no file that is opened
/// later takes its number.
pub(super) fn open_null(access: OFlags) -> io::Result<OwnedFd> {
    rustix::fs::open("/dev/null", access | OFlags::CLOEXEC, Mode::empty())
}

/// Whether a write may have to wait for a disk.
pub(super) fn is_on_disk(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        kind.is_file() || kind.is_block_device()
    })
}

/// Whether a regular file is on a disk, or in the memory, of this machine. A file system that is not
/// known here may be served by anybody.
pub(crate) fn is_local(fd: BorrowedFd<'_>) -> bool {
    /// By `f_type` of statfs(2): ext2 to ext4, xfs, btrfs, tmpfs and devtmpfs, overlayfs, zfs, f2fs,
    /// bcachefs, ramfs, hugetlbfs, squashfs, erofs, isofs, udf, vfat, exfat, ntfs3, jfs, nilfs2, hfsplus,
    /// ubifs.
    const LOCAL: [u32; 21] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0x0102_1994,
        0x794c_7630,
        0x2fc1_2fc1,
        0xf2f5_2010,
        0xca45_1a4e,
        0x8584_58f6,
        0x9584_58f6,
        0x7371_7368,
        0xe0f5_e1e2,
        0x9660,
        0x1501_3346,
        0x4d44,
        0x2011_bab0,
        0x7366_746e,
        0x3153_464a,
        0x3434,
        0x482b,
        0x2405_1905,
    ];
    // The magic numbers have 32 bits; the field's width and sign depend on the machine.
    rustix::fs::fstatfs(fd).is_ok_and(|stat| LOCAL.contains(&(stat.f_type as u32)))
}

/// Whether the system refuses a call that it could as well allow: not built in, or forbidden by a
/// sandbox. Then the plain way is taken.
pub(super) fn is_refusal(errno: Errno) -> bool {
    const REFUSALS: [Errno; 5] = [
        Errno::NOSYS,
        Errno::PERM,
        Errno::ACCESS,
        Errno::INVAL,
        Errno::OPNOTSUPP,
    ];
    REFUSALS.contains(&errno)
}

/// Another descriptor of the same description, closed in children. It is what lets the channels
/// own what they use while 0 and 1 stay where they are.
///
/// # Errors
///
/// The system's: bad descriptor, or too many open.
pub(super) fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // From 3 on, so that no duplicate poses as a closed standard descriptor.
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
}

/// A non-blocking description of our own of what `fd` refers to. `access` is `RDONLY` or `WRONLY`.
///
/// # Errors
///
/// The system's: it belongs to another user, /proc is not mounted, or it is gone.
pub(crate) fn reopen(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::io::retry_on_intr(|| rustix::fs::open(path.as_str(), flags, Mode::empty()))
}

/// Whether [`reopen`] may be asked for a description to read from, as far as can be told without asking.
pub(super) fn may_be_read(fd: BorrowedFd<'_>) -> bool {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS).is_ok()
}

/// Another description, of our own, of a pipe: what is done to it leaves the shared one alone. Made when
/// it is first asked for; where that fails, there is none.
#[derive(Debug, Default)]
pub(super) struct Reopened(Option<Option<OwnedFd>>);

impl Reopened {
    /// That of `fd`; `access` is `RDONLY` or `WRONLY`.
    pub(super) fn of(&mut self, fd: BorrowedFd<'_>, access: OFlags) -> Option<BorrowedFd<'_>> {
        let reopened = self.0.get_or_insert_with(|| reopen(fd, access).ok());
        reopened.as_ref().map(AsFd::as_fd)
    }
}

/// The description of a file that others opened with `O_DIRECT`: it takes whole blocks only. Another of
/// our own, without that, is used in its place, and its position is kept where that one's would be,
/// since somebody may go on from there.
#[derive(Debug)]
pub(super) struct Indirect(OwnedFd);

impl Indirect {
    /// `fd` itself if it is not such a description, or nothing else can be had; else what to use instead,
    /// and `fd`.
    pub(super) fn in_place_of(fd: OwnedFd, access: OFlags) -> (OwnedFd, Option<Indirect>) {
        let flags = rustix::fs::fcntl_getfl(&fd).unwrap_or(OFlags::empty());
        if !flags.contains(OFlags::DIRECT) {
            return (fd, None);
        }
        match reopen(fd.as_fd(), access | flags & OFlags::APPEND) {
            Ok(private) => {
                move_to(private.as_fd(), fd.as_fd());
                (private, Some(Indirect(fd)))
            }
            Err(_) => (fd, None),
        }
    }

    /// `private` was used.
    pub(super) fn follow(&self, private: BorrowedFd<'_>) {
        move_to(self.0.as_fd(), private);
    }

    /// `private` is to be used, and others may have used the shared one.
    pub(super) fn lead(&self, private: BorrowedFd<'_>) {
        move_to(private, self.0.as_fd());
    }
}

/// Moves `fd` to the position of `other`.
fn move_to(fd: BorrowedFd<'_>, other: BorrowedFd<'_>) {
    if let Ok(position) = rustix::fs::tell(other) {
        let _ = rustix::fs::seek(fd, rustix::fs::SeekFrom::Start(position));
    }
}

/// Grows a pipe to at most `bound` bytes, 1 MiB and what the system allows; never shrinks it. A
/// pipe that cannot grow works as well, only slower, so nothing is said. Returns its size now.
pub(super) fn grow_pipe(fd: impl AsFd, bound: u64) -> usize {
    let bound = usize::try_from(bound).unwrap_or(usize::MAX);
    if grow_to(&fd, bound.min(LARGEST_PIPE)) == Err(Errno::PERM)
        && let Some(allowed) = pipe_max_size()
    {
        let _ = grow_to(&fd, bound.min(allowed));
    }
    rustix::pipe::fcntl_getpipe_size(&fd).unwrap_or(0)
}

/// Shrinks a pipe to `least`, or to what its content needs. Returns its size now.
pub(super) fn shrink_pipe(pipe: impl AsFd, least: usize) -> usize {
    let now = rustix::pipe::fcntl_getpipe_size(&pipe).unwrap_or(0);
    let mut size = least;
    while size < now {
        match rustix::pipe::fcntl_setpipe_size(&pipe, size) {
            Ok(_) => return rustix::pipe::fcntl_getpipe_size(&pipe).unwrap_or(size),
            Err(Errno::BUSY) => size = size.saturating_mul(2),
            Err(_) => return now,
        }
    }
    now
}

fn grow_to(fd: impl AsFd, size: usize) -> io::Result<()> {
    // The kernel rounds up to a power of two; rounding down first keeps the bound.
    let size = size.checked_ilog2().map_or(0, |log| 1 << log);
    if size > rustix::pipe::fcntl_getpipe_size(&fd)? {
        rustix::pipe::fcntl_setpipe_size(&fd, size)?;
    }
    Ok(())
}

fn pipe_max_size() -> Option<usize> {
    let text = fs::read_to_string("/proc/sys/fs/pipe-max-size").ok()?;
    Some(text.trim().parse::<usize>().ok()?.min(LARGEST_PIPE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size, pipe};
    use std::fs::File;

    fn kind_of_path(path: &str) -> Kind {
        Kind::of(File::open(path).unwrap().as_fd()).unwrap()
    }

    #[test]
    fn kinds_are_distinguished() {
        let (end, _other) = pipe().unwrap();
        assert_eq!(Kind::of(end.as_fd()).unwrap(), Kind::Pipe);
        let (end, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(Kind::of(end.as_fd()).unwrap(), Kind::Socket);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Kind::of(file.as_fd()).unwrap(), Kind::File);
        assert_eq!(kind_of_path("/dev/null"), Kind::File);
        assert_eq!(kind_of_path("/dev/zero"), Kind::File);
        assert_eq!(kind_of_path("/"), Kind::Directory);
        assert_eq!(kind_of_path("/proc/self/status"), Kind::ServedFile);
    }

    #[test]
    fn the_two_sides_of_a_pseudoterminal_differ() {
        let (master, user) = crate::sys::testing::pty();
        assert_eq!(Kind::of(user.as_fd()).unwrap(), Kind::Terminal);
        assert_eq!(Kind::of(master.as_fd()).unwrap(), Kind::Other);
    }

    #[test]
    fn a_pipe_grows_to_a_power_of_two_within_the_bound() {
        let (_reader, writer) = pipe().unwrap();
        grow_pipe(&writer, 300_000);
        assert_eq!(fcntl_getpipe_size(&writer).unwrap(), 262_144);
        grow_pipe(&writer, u64::MAX);
        assert!(fcntl_getpipe_size(&writer).unwrap() <= LARGEST_PIPE);
    }

    #[test]
    fn a_pipe_never_shrinks() {
        let (_reader, writer) = pipe().unwrap();
        let large = fcntl_setpipe_size(&writer, 256 * 1024).unwrap();
        for bound in [0, 1, 4096, 100_000] {
            grow_pipe(&writer, bound);
            assert_eq!(fcntl_getpipe_size(&writer).unwrap(), large, "bound {bound}");
        }
    }

    #[test]
    fn a_pipe_has_one_twin() {
        let (reader, _writer) = pipe().unwrap();
        let mut reopened = Reopened::default();
        let mut number = || {
            let reopened = reopened.of(reader.as_fd(), OFlags::RDONLY)?;
            (reopened.as_raw_fd() != reader.as_raw_fd()).then(|| reopened.as_raw_fd())
        };
        let first = number();
        assert!(first.is_some());
        assert_eq!(number(), first);
    }

    #[test]
    fn a_reopened_pipe_is_private() {
        let (reader, _writer) = pipe().unwrap();
        let private = reopen(reader.as_fd(), OFlags::RDONLY).unwrap();
        let flags = |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd).unwrap();
        assert!(flags(&private).contains(OFlags::NONBLOCK));
        assert!(!flags(&reader).contains(OFlags::NONBLOCK));
    }
}
