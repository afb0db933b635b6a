//! What a PATH names: `/dev/fd/N`, `/dev/stdin`, `/dev/stdout`, `/dev/stderr`, and whatever links to
//! them, are the descriptor itself, everything else is opened.
//!
//! To open `/dev/fd/N` is something else than to use descriptor N, and wrong more often than right: it
//! fails for a socket, and where the file belongs to somebody else; it begins a file anew, or empties
//! it; and it makes a reader of a pipe into one more writer, so that the pipe never ends. So the
//! descriptor is duplicated, and must be open the right way.
//!
//! Refuses to take a descriptor that hwm made itself for one that it was given.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::descriptor::duplicate;
pub(crate) use super::descriptor::reopen;

/// More links than that in a row lead nowhere, as the kernel sees it.
const MOST_LINKS: usize = 40;

/// What a PATH named, open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) fd: OwnedFd,
    /// Whether the description is ours alone: only then may its flags be changed.
    pub(crate) is_own: bool,
}

/// Opens what `path` names, for reading or for writing as `flags` say. A descriptor that it names is
/// duplicated, and nothing of `flags` happens to it.
///
/// # Errors
///
/// The system's, and a descriptor that is open the other way.
pub(crate) fn open(path: &Path, flags: OFlags, mode: Mode) -> io::Result<Opened> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
    let Some(number) = descriptor(path) else {
        let fd = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, mode))?;
        return Ok(Opened { fd, is_own: true });
    };
    let access = flags & OFlags::RWMODE;
    let shared = inherited(number)?;
    check_access(&shared, access)?;
    // Of a pipe a description of our own can be had that does what the shared one does, and that knows
    // non-blocking writes. A reader would miss that the last writer is gone already.
    let wants_own = access == OFlags::WRONLY && flags.contains(OFlags::NONBLOCK);
    let is_pipe = FileType::from_raw_mode(rustix::fs::fstat(&shared)?.st_mode).is_fifo();
    if wants_own
        && is_pipe
        && let Ok(fd) = reopen(shared.as_fd(), access)
    {
        return Ok(Opened { fd, is_own: true });
    }
    Ok(Opened {
        fd: shared,
        is_own: false,
    })
}

/// The number of the descriptor that `path` names, if it names one.
pub(crate) fn descriptor(path: &Path) -> Option<i32> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = folder_of(&path);
        let name = path.file_name()?.to_owned();
        if is_number(name.to_str()) && fs::canonicalize(&folder).ok() == own_descriptors() {
            return name.to_str()?.parse().ok();
        }
        // Most paths are no links, and this one look says so.
        path = folder.join(fs::read_link(&path).ok()?);
    }
    None
}

fn is_number(name: Option<&str>) -> bool {
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The folder that holds `path`.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The folder of our descriptors.
fn own_descriptors() -> Option<PathBuf> {
    fs::canonicalize("/proc/self/fd").ok()
}

/// A duplicate of a descriptor that the process was started with.
///
/// # Errors
///
/// The system's; `BADF` for one that is not open, or is hwm's own.
pub(super) fn inherited(number: i32) -> io::Result<OwnedFd> {
    let standard: Option<BorrowedFd<'_>> = match number {
        0 => Some(rustix::stdio::stdin()),
        1 => Some(rustix::stdio::stdout()),
        2 => Some(rustix::stdio::stderr()),
        _ => None,
    };
    if let Some(standard) = standard {
        return Ok(duplicate(standard)?);
    }
    // Whatever hwm opens is closed in children; what it was given was not.
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok();
    let flags = info.as_deref().and_then(flags_in);
    if flags.is_none_or(|flags| flags & OFlags::CLOEXEC.bits() != 0) {
        return Err(Errno::BADF.into());
    }
    let found = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|process| pidfd_getfd(process, number, PidfdGetfdFlags::empty()));
    match found {
        Ok(fd) => Ok(fd),
        // An old kernel, or a container that refuses it. What is opened anew is at least not emptied,
        // and a FIFO that nobody reads is not waited for.
        Err(_) => {
            let access = OFlags::from_bits_retain(flags.unwrap_or(0)) & OFlags::RWMODE;
            let path = format!("/proc/self/fd/{number}");
            let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY;
            let careful = OFlags::APPEND | OFlags::NONBLOCK;
            Ok(rustix::fs::open(path, flags | careful, Mode::empty())?)
        }
    }
}

/// From the text of /proc/PID/fdinfo/N.
fn flags_in(info: &str) -> Option<u32> {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(flags.trim(), 8).ok()
}

fn check_access(fd: impl AsFd, wanted: OFlags) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    let access = flags & OFlags::RWMODE;
    if !flags.contains(OFlags::PATH) && (access == OFlags::RDWR || access == wanted) {
        return Ok(());
    }
    Err(io::Error::other(match wanted {
        OFlags::RDONLY => "it is not open for reading",
        _ => "it is not open for writing",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    const WRITING: OFlags = OFlags::WRONLY.union(OFlags::APPEND);

    #[test]
    fn a_descriptor_is_known_by_all_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let (link, chain) = (folder.path().join("link"), folder.path().join("chain"));
        symlink("/dev/stderr", &link).unwrap();
        symlink("link", &chain).unwrap();
        for (path, number) in [
            ("/dev/stdin", Some(0)),
            ("/dev/stdout", Some(1)),
            ("/dev/fd/7", Some(7)),
            ("/proc/self/fd/12", Some(12)),
            ("/dev/../dev/fd/3", Some(3)),
            (link.to_str().unwrap(), Some(2)),
            (chain.to_str().unwrap(), Some(2)),
            ("/dev/null", None),
            ("/dev/fd", None),
            ("7", None),
            ("", None),
            ("/nowhere/7", None),
        ] {
            assert_eq!(descriptor(Path::new(path)), number, "{path}");
        }
        let own = format!("/proc/{}/fd/4", std::process::id());
        assert_eq!(descriptor(Path::new(&own)), Some(4));
        assert_eq!(descriptor(Path::new("/proc/1/fd/4")), None);
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        symlink(&two, &one).unwrap();
        symlink(&one, &two).unwrap();
        assert_eq!(descriptor(&one), None);
    }

    #[test]
    fn what_hwm_opened_itself_was_not_given_to_it() {
        let file = tempfile::tempfile().unwrap();
        let path = format!("/dev/fd/{}", file.as_raw_fd());
        let refused = open(Path::new(&path), WRITING, Mode::empty()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(Errno::BADF.raw_os_error()));
        let not_open = open(Path::new("/dev/fd/1000000"), WRITING, Mode::empty());
        assert!(not_open.is_err());
    }

    #[test]
    fn a_descriptor_is_taken_as_it_is() {
        // As if it had been inherited.
        let (one, two) = std::os::unix::net::UnixStream::pair().unwrap();
        let given = rustix::io::dup(&one).unwrap();
        let path = format!("/dev/fd/{}", given.as_raw_fd());
        let opened = open(Path::new(&path), WRITING, Mode::empty()).unwrap();
        assert!(!opened.is_own);
        rustix::io::write(&opened.fd, b"x").unwrap();
        assert_eq!(rustix::io::read(&two, &mut [0; 2]), Ok(1));

        let file = File::open("/dev/null").unwrap();
        let given = rustix::io::dup(&file).unwrap();
        let path = format!("/dev/fd/{}", given.as_raw_fd());
        let refused = open(Path::new(&path), WRITING, Mode::empty()).unwrap_err();
        assert_eq!(refused.to_string(), "it is not open for writing");
        let opened = open(Path::new(&path), OFlags::RDONLY, Mode::empty());
        assert!(!opened.unwrap().is_own);
    }
}
