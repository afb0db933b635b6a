//! What is checked before the first byte moves.
//!
//! Refuses to repair anything: a wrong beginning is one line and an exit.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::OFlags;

use crate::config::Source;

use super::descriptor::{FileId, Kind};

/// Which of descriptors 0 and 1 were closed when the process began, bit 0 and bit 1.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs before `main`, and before the runtime puts /dev/null in the place of what is closed. In
/// one module with the static that it fills, so that the linker keeps both or none.
#[ctor::ctor]
fn note_what_is_closed() {
    let closed = |fd: BorrowedFd<'_>, bit| match rustix::io::fcntl_getfd(fd) {
        Ok(_) => 0,
        Err(_) => bit,
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
    /// The named input is the file that stdout writes to.
    SameFile(String),
    /// The system refused what is named.
    System {
        /// What was tried, for people.
        what: &'static str,
        /// The system's word.
        error: io::Error,
    },
}

impl StartError {
    pub(super) fn system(what: &'static str) -> impl Fn(rustix::io::Errno) -> StartError {
        move |errno| StartError::System {
            what,
            error: errno.into(),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Closed(name) => write!(f, "{name} is closed"),
            StartError::WrongWay(name) => {
                let way = if *name == "stdin" {
                    "reading"
                } else {
                    "writing"
                };
                write!(f, "{name} is not open for {way}")
            }
            StartError::Directory => write!(f, "stdin is a directory"),
            StartError::SameFile(name) => write!(f, "{name}: {SAME_FILE}"),
            StartError::System { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What is wrong with an input that is also the output.
pub(super) const SAME_FILE: &str = "input and output are the same file";

/// Checks descriptors 0 and 1 and the sources. Answers which regular file the output is, if it is
/// one: sources that appear or change later are compared with it again when they are opened.
///
/// # Errors
///
/// The first fault found. A FILE that cannot be examined is none: its turn may never come.
pub(super) fn check(sources: &[Source]) -> Result<Option<FileId>, StartError> {
    let closed = CLOSED.load(Ordering::Relaxed);
    let stdin = rustix::stdio::stdin();
    if sources.contains(&Source::Stdin) {
        if closed & 1 != 0 {
            return Err(StartError::Closed("stdin"));
        }
        if Kind::of(stdin) == Ok(Kind::Directory) {
            return Err(StartError::Directory);
        }
        check_way(stdin, OFlags::WRONLY, "stdin")?;
    }
    if closed & 2 != 0 {
        return Err(StartError::Closed("stdout"));
    }
    check_way(rustix::stdio::stdout(), OFlags::RDONLY, "stdout")?;
    check_same_file(sources, stdin, rustix::stdio::stdout())
}

/// `wrong` is the one access mode that the descriptor must not have.
fn check_way(fd: BorrowedFd<'_>, wrong: OFlags, name: &'static str) -> Result<(), StartError> {
    let flags =
        rustix::fs::fcntl_getfl(fd).map_err(StartError::system("examine stdin and stdout"))?;
    if flags & OFlags::RWMODE == wrong || flags.contains(OFlags::PATH) {
        return Err(StartError::WrongWay(name));
    }
    Ok(())
}

fn check_same_file(
    sources: &[Source],
    stdin: impl AsFd,
    stdout: impl AsFd,
) -> Result<Option<FileId>, StartError> {
    let stat = rustix::fs::fstat(stdout).map_err(StartError::system("examine stdout"))?;
    let Some(output) = FileId::of(&stat) else {
        return Ok(None);
    };
    for source in sources {
        let stat = match source {
            Source::Stdin => rustix::fs::fstat(&stdin),
            Source::File(path) => rustix::fs::stat(path),
        };
        if stat.is_ok_and(|stat| FileId::of(&stat) == Some(output)) {
            return Err(StartError::SameFile(source_name(source)));
        }
    }
    Ok(Some(output))
}

/// What people call a source.
pub(super) fn source_name(source: &Source) -> String {
    match source {
        Source::Stdin => "stdin".to_owned(),
        Source::File(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn the_output_may_not_be_an_input_by_any_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let link = directory.path().join("link");
        let output = File::create(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let other = tempfile::tempfile().unwrap();
        let check = |source, stdin: &File| check_same_file(&[source], stdin, &output);
        let same = |result| matches!(result, Err(StartError::SameFile(_)));

        assert!(same(check(Source::File(link), &other)));
        assert!(same(check(Source::Stdin, &output)));
        assert!(check(Source::Stdin, &other).unwrap().is_some());
        let missing = directory.path().join("missing");
        assert!(check(Source::File(missing), &other).unwrap().is_some());
    }

    #[test]
    fn a_device_may_be_input_and_output() {
        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        let sources = [Source::Stdin, Source::File("/dev/null".into())];
        assert_eq!(check_same_file(&sources, &null, &null).unwrap(), None);
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
