//! What is checked before the first byte moves.
//!
//! Refuses to repair anything: a wrong beginning is one line and an exit.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::config::{Sink, Source, TransferConfig};
use crate::units::reason;

use super::descriptor::{Kind, duplicate, is_refusal};
use super::fifo_reader::FifoReader;
use super::files::{Files, Role};
use super::path;

/// Which of descriptors 0 and 1 were closed when the process began, bit 0 and bit 1.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs before `main`, and before the runtime puts /dev/null in the place of what is closed. In
/// one module with the static that it fills, so that the linker keeps both or none.
#[ctor::ctor]
fn note_what_is_closed() {
    let closed = |fd: BorrowedFd<'_>, bit| match rustix::io::fcntl_getfd(fd) {
        Err(Errno::BADF) => bit,
        // Any other error says that the question is refused.
        _ => 0,
    };
    CLOSED.store(
        closed(rustix::stdio::stdin(), 1) | closed(rustix::stdio::stdout(), 2),
        Ordering::Relaxed,
    );
}

/// Why a run cannot begin; its text is one line without the program's name.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// `stdin` or `stdout` was closed when the process began.
    Closed(&'static str),
    /// `stdin` is not open for reading, or `stdout` not for writing.
    WrongWay(&'static str),
    /// Stdin is a directory.
    Directory,
    /// The named output cannot be opened.
    Output(String, io::Error),
    /// The named source of `--demand` cannot be had.
    Demand(String, io::Error),
    /// The command of `-M`, by its name, cannot be started.
    Command(String, io::Error),
    /// The file for the process's number, by its name, cannot be written.
    PidFile(String, io::Error),
    /// The system refused what is named.
    System {
        /// What was tried, for people.
        what: &'static str,
        /// The system's word.
        error: io::Error,
    },
}

impl StartError {
    pub(super) fn system<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> StartError {
        move |error| StartError::System {
            what,
            error: error.into(),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Closed(name) => write!(f, "{name} is closed; {}", way_out(name)),
            StartError::WrongWay(name) => {
                let way = if *name == "stdin" {
                    "reading"
                } else {
                    "writing"
                };
                write!(f, "{name} is not open for {way}; {}", way_out(name))
            }
            StartError::Directory => write!(f, "stdin is a directory; name the files in it"),
            StartError::Output(name, error) => {
                write!(f, "cannot open {name} for writing (-o): {}", reason(error))
            }
            StartError::Demand(name, error) => {
                write!(f, "cannot open --demand {name}: {}", reason(error))
            }
            StartError::Command(name, error) => {
                write!(f, "cannot run {name} (-M): {}", reason(error))
            }
            StartError::PidFile(name, error) => {
                write!(f, "cannot write {name} (-P): {}", reason(error))
            }
            StartError::System { what, error } => write!(f, "cannot {what}: {}", reason(error)),
        }
    }
}

impl std::error::Error for StartError {}

/// What to do about a standard descriptor that cannot serve.
fn way_out(name: &str) -> &'static str {
    match name {
        "stdin" => "redirect it (<), or name a FILE",
        _ => "redirect it (>), or use -o or -X",
    }
}

/// Checks descriptor 0, if it is to be read.
///
/// # Errors
///
/// The first fault found. A FILE that cannot be examined is none: its turn may never come.
pub(super) fn check_stdin(sources: &[Source]) -> Result<(), StartError> {
    if !sources.iter().any(is_stdin) {
        return Ok(());
    }
    let stdin = rustix::stdio::stdin();
    if CLOSED.load(Ordering::Relaxed) & 1 != 0 {
        return Err(StartError::Closed("stdin"));
    }
    if Kind::of(stdin) == Ok(Kind::Directory) {
        return Err(StartError::Directory);
    }
    check_way(stdin, OFlags::WRONLY, "stdin")
}

/// Opens the output, and leaves it as it is: it is emptied when nothing can fail any more.
///
/// # Errors
///
/// It cannot be written.
pub(super) fn output(sink: &Sink, files: &Files) -> Result<OutputFile, StartError> {
    if is_stdout(sink) && CLOSED.load(Ordering::Relaxed) & 2 != 0 {
        return Err(StartError::Closed("stdout"));
    }
    match sink {
        Sink::Stdout => stdout(),
        Sink::File(path) => open_output(path, files)
            .map_err(|error| StartError::Output(path.display().to_string(), error)),
        Sink::Nowhere => {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
            let null = rustix::fs::open("/dev/null", flags, Mode::empty());
            let null = null.map_err(StartError::system("open /dev/null"))?;
            Ok(OutputFile(null, None))
        }
    }
}

/// Whoever opens the output to read it, where it waits for readers.
///
/// # Errors
///
/// It is no FIFO, or none can be waited for.
pub(super) fn fifo_reader(
    transfer: &TransferConfig,
    files: &Files,
) -> Result<Option<FifoReader>, StartError> {
    match &transfer.sink {
        Sink::File(path) if transfer.awaits_readers => FifoReader::of(path, files)
            .map(Some)
            .map_err(|error| StartError::Output(path.display().to_string(), error)),
        _ => Ok(None),
    }
}

/// What descriptor 1 is now, if it can be written.
///
/// # Errors
///
/// It cannot.
pub(super) fn stdout() -> Result<OutputFile, StartError> {
    let stdout = rustix::stdio::stdout();
    check_way(stdout, OFlags::RDONLY, "stdout")?;
    let output = duplicate(stdout).map_err(StartError::system("write to stdout"))?;
    Ok(OutputFile(output, None))
}

/// Whether it is descriptor 0, by whatever name.
pub(super) fn is_stdin(source: &Source) -> bool {
    match source {
        Source::Stdin => true,
        Source::File(path) => path::descriptor(path) == Some(0),
    }
}

/// Whether it is descriptor 1, by whatever name.
pub(super) fn is_stdout(sink: &Sink) -> bool {
    match sink {
        Sink::Stdout => true,
        Sink::File(path) => path::descriptor(path) == Some(1),
        Sink::Nowhere => false,
    }
}

/// The output, open. With its name where it is one of ours that is still to be emptied.
#[derive(Debug)]
pub(super) struct OutputFile(OwnedFd, Option<String>);

impl OutputFile {
    /// Empties it, if it is a file that `-o` named.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn empty(self) -> Result<OwnedFd, StartError> {
        let OutputFile(output, name) = self;
        if let Some(name) = name {
            rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&output, 0))
                .map_err(|errno| StartError::Output(name, errno.into()))?;
        }
        Ok(output)
    }
}

/// Opens `-o FILE`, as pv does for the user alone. What else it is than the output is looked for when it
/// is open, and before it is emptied: until then its name may be given to another file.
fn open_output(path: &Path, files: &Files) -> io::Result<OutputFile> {
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let opened = path::open(path, flags, Mode::from_raw_mode(0o600))?;
    files.opened(Role::Output, &opened.fd)?;
    let stat = rustix::fs::fstat(&opened.fd)?;
    // What the shell opened it also emptied, if it was to.
    let is_to_be_emptied = opened.is_own && FileType::from_raw_mode(stat.st_mode).is_file();
    let name = is_to_be_emptied.then(|| path.display().to_string());
    Ok(OutputFile(opened.fd, name))
}

/// `wrong` is the one access mode that the descriptor must not have.
fn check_way(fd: BorrowedFd<'_>, wrong: OFlags, name: &'static str) -> Result<(), StartError> {
    let flags = match rustix::fs::fcntl_getfl(fd) {
        // Then the first read or write tells.
        Err(errno) if is_refusal(errno) => return Ok(()),
        flags => flags.map_err(StartError::system("examine stdin and stdout"))?,
    };
    if flags & OFlags::RWMODE == wrong || flags.contains(OFlags::PATH) {
        return Err(StartError::WrongWay(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::sys::files::SAME_FILE;

    #[test]
    fn an_output_is_left_as_it_is_until_nothing_can_fail() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        std::fs::write(&path, "text").unwrap();
        let files = Files::default();
        let input = File::open(&path).unwrap();
        files.opened(Role::Input, &input).unwrap();
        let refused = open_output(&path, &files).unwrap_err();
        assert_eq!(refused.to_string(), SAME_FILE);
        let output = open_output(&path, &Files::default()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
        output.empty().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert!(open_output(directory.path(), &files).is_err());
    }

    #[test]
    fn a_descriptor_must_be_open_the_right_way() {
        let read_only = File::open("/dev/null").unwrap();
        let check = |wrong| check_way(read_only.as_fd(), wrong, "stdout");
        assert!(matches!(
            check(OFlags::RDONLY),
            Err(StartError::WrongWay("stdout"))
        ));
        assert!(check(OFlags::WRONLY).is_ok());
    }
}
