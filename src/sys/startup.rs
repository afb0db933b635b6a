//! What is checked before the first byte moves.
//!
//! Refuses to repair anything: a wrong beginning is one line and an exit.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{Mode, OFlags, Stat};

use crate::config::{Sink, Source};
use crate::units::reason;

use super::descriptor::{FileId, Kind, duplicate};

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
    /// The named input is the file that the output goes to.
    SameFile(String),
    /// The named output cannot be opened.
    Output(String, io::Error),
    /// The named source of `--demand` cannot be had.
    Demand(String, io::Error),
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
            StartError::SameFile(name) => write!(f, "{name}: {SAME_FILE}"),
            StartError::Output(name, error) => {
                write!(f, "cannot open {name} for writing (-o): {}", reason(error))
            }
            StartError::Demand(name, error) => {
                write!(f, "cannot open --demand {name}: {}", reason(error))
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

/// What is wrong with an input that is also the output.
pub(super) const SAME_FILE: &str = "input and output are the same file; write to another one";

/// Checks descriptors 0 and 1 as far as they are used, and the sources; opens the output. Answers with
/// it which regular file it is, if it is one: sources that appear or change later are compared with
/// it again when they are opened.
///
/// # Errors
///
/// The first fault found. A FILE that cannot be examined is none: its turn may never come.
pub(super) fn check(
    sources: &[Source],
    sink: &Sink,
) -> Result<(OwnedFd, Option<FileId>), StartError> {
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
    match sink {
        Sink::Stdout => {
            if closed & 2 != 0 {
                return Err(StartError::Closed("stdout"));
            }
            let stdout = rustix::stdio::stdout();
            check_way(stdout, OFlags::RDONLY, "stdout")?;
            let stat = rustix::fs::fstat(stdout).map_err(StartError::system("examine stdout"))?;
            let file = check_same_file(sources, stdin, &stat)?;
            let output = duplicate(stdout).map_err(StartError::system("write to stdout"))?;
            Ok((output, file))
        }
        Sink::File(path) => open_output(sources, stdin, path),
        Sink::Nowhere => {
            let null = rustix::fs::open("/dev/null", WRITING, Mode::empty());
            Ok((null.map_err(StartError::system("open /dev/null"))?, None))
        }
    }
}

const WRITING: OFlags = OFlags::WRONLY.union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// Opens `-o FILE`, as pv does for the user alone, and empties it; not one that is also an input.
fn open_output(
    sources: &[Source],
    stdin: impl AsFd,
    path: &Path,
) -> Result<(OwnedFd, Option<FileId>), StartError> {
    if let Ok(stat) = rustix::fs::stat(path) {
        check_same_file(sources, &stdin, &stat)?;
    }
    let flags = WRITING | OFlags::CREATE | OFlags::TRUNC;
    let mode = Mode::from_raw_mode(0o600);
    let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, mode));
    let failed =
        |errno: rustix::io::Errno| StartError::Output(path.display().to_string(), errno.into());
    let output = opened.map_err(failed)?;
    let stat = rustix::fs::fstat(&output).map_err(failed)?;
    Ok((output, FileId::of(&stat)))
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

/// `output` is the file written to; which regular file that is, if it is one.
fn check_same_file(
    sources: &[Source],
    stdin: impl AsFd,
    output: &Stat,
) -> Result<Option<FileId>, StartError> {
    let Some(output) = FileId::of(output) else {
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
        // Or nothing would stand there.
        Source::File(path) if path.as_os_str().is_empty() => "''".to_owned(),
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
        let check = |source, stdin: &File| {
            check_same_file(&[source], stdin, &rustix::fs::fstat(&output).unwrap())
        };
        let same = |result| matches!(result, Err(StartError::SameFile(_)));

        assert!(same(check(Source::File(link), &other)));
        assert!(same(check(Source::Stdin, &output)));
        assert!(check(Source::Stdin, &other).unwrap().is_some());
        let missing = directory.path().join("missing");
        assert!(check(Source::File(missing), &other).unwrap().is_some());
    }

    #[test]
    fn an_output_that_is_an_input_is_not_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        std::fs::write(&path, "text").unwrap();
        let stdin = tempfile::tempfile().unwrap();
        let open = |source| open_output(&[Source::File(source)], &stdin, &path);
        assert!(matches!(open(path.clone()), Err(StartError::SameFile(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
        assert!(open("/dev/null".into()).unwrap().1.is_some());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        let folder = open_output(&[], &stdin, directory.path());
        assert!(matches!(folder, Err(StartError::Output(..))));
    }

    #[test]
    fn a_device_may_be_input_and_output() {
        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        let sources = [Source::Stdin, Source::File("/dev/null".into())];
        let stat = rustix::fs::fstat(&null).unwrap();
        assert_eq!(check_same_file(&sources, &null, &stat).unwrap(), None);
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
