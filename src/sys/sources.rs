//! The inputs, one after the other: each is opened when its turn comes.
//!
//! Refuses to join the end of one with the beginning of the next in one read, and to give up
//! because one of them failed.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::config::{SkipErrors, Source};
use crate::system::{SourceError, Transfer};

use super::descriptor::{self, duplicate};
use super::files::{Files, Role, source_name};
use super::input::{Ahead, Input};
use super::path::{self, Opened};
use super::share::Lent;
use super::skip::{Gap, Skipper};
use super::splice::BouncePipe;
use super::tee::TeeBuffer;
use super::zero_copy;

/// What is still to be read.
#[derive(Debug)]
pub(super) struct Sources {
    current: Option<(Source, Input)>,
    /// The size of the current one, if it is a pipe.
    lent: Option<Lent>,
    /// Pipes may be large.
    is_generous: bool,
    /// A source that could not be opened, and nobody was told yet.
    failed: Option<SourceError>,
    rest: VecDeque<Source>,
    files: Files,
    /// The next one could not be opened yet: somebody has a lease on the file, and was told to give it
    /// up. That may take 45 s, in which we have to hear signals.
    is_leased: bool,
    pipe_bound: u64,
    skip: Option<SkipErrors>,
    /// Where errors of the current source are skipped.
    skipper: Option<Skipper>,
    /// Null bytes to be read in the place of what could not be.
    owed: u64,
    /// No regular file is opened any more.
    leaves_files: bool,
}

/// What comes behind the current source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Another source, or the error of opening it.
    Came,
    /// Another, in a while.
    Leased,
    /// None.
    None,
}

impl Sources {
    /// Nothing is opened yet. None may be one of `files` that is written; pipes may be grown to at
    /// most `pipe_bound` bytes. With `skip`, what cannot be read becomes null bytes.
    pub(super) fn new(
        sources: Vec<Source>,
        files: Files,
        pipe_bound: u64,
        skip: Option<SkipErrors>,
    ) -> Sources {
        Sources {
            current: None,
            lent: None,
            is_generous: false,
            failed: None,
            rest: sources.into(),
            files,
            is_leased: false,
            pipe_bound,
            skip,
            skipper: None,
            owed: 0,
            leaves_files: false,
        }
    }

    /// As [`crate::system::System::read`].
    pub(super) fn read(&mut self, space: &mut [u8]) -> Transfer {
        loop {
            if self.owed > 0 {
                return Transfer::Moved(self.pay(space));
            }
            match self.take_by(|input| input.read(space)) {
                // An error was skipped that nobody is to be told of.
                Transfer::WouldBlock if self.owed > 0 => {}
                answer => return answer,
            }
        }
    }

    /// Null bytes for what could not be read.
    fn pay(&mut self, space: &mut [u8]) -> usize {
        let count = usize::try_from(self.owed).unwrap_or(usize::MAX);
        let count = count.min(space.len());
        space[..count].fill(0);
        self.owed -= count as u64;
        count
    }

    /// As [`crate::system::System::splice`], into a pipe of ours.
    pub(super) fn splice(
        &mut self,
        pipe: BorrowedFd<'_>,
        most: usize,
        bounce_pipe: &Rc<BouncePipe>,
    ) -> Transfer {
        self.splice_by(|input| zero_copy::from_input(input, pipe, most, bounce_pipe))
    }

    /// As [`Sources::take_by`], where `None` means that it is to be read.
    fn splice_by(
        &mut self,
        mut take: impl FnMut(&mut Input) -> rustix::io::Result<Option<usize>>,
    ) -> Transfer {
        let mut is_to_be_read = false;
        let answer = self.take_by(|input| {
            let taken = take(input)?;
            is_to_be_read = taken.is_none();
            taken.ok_or(Errno::AGAIN)
        });
        match is_to_be_read {
            true => Transfer::Unable,
            false => answer,
        }
    }

    /// As [`crate::system::System::tee`].
    pub(super) fn tee(
        &mut self,
        kept: &mut TeeBuffer,
        front: &[IoSlice<'_>],
        most: usize,
    ) -> Transfer {
        self.splice_by(|input| match input.reopened()? {
            Some(from) => kept.take(from, front, most),
            None => Ok(None),
        })
    }

    /// Takes bytes from the current source by `take`, of which 0 is the end of that source; opens the
    /// next one where there is none.
    fn take_by(
        &mut self,
        mut take: impl FnMut(&mut Input) -> rustix::io::Result<usize>,
    ) -> Transfer {
        loop {
            if let Some(error) = self.failed.take() {
                return Transfer::SourceFailed(error);
            }
            let Some((source, input)) = &mut self.current else {
                match self.goes_on() {
                    Next::Came => continue,
                    Next::Leased => return Transfer::WouldBlock,
                    Next::None => return Transfer::End,
                }
            };
            match take(input) {
                Ok(0) => self.current = None,
                Ok(count) => {
                    if let Some(skipper) = &mut self.skipper {
                        skipper.read();
                    }
                    return Transfer::Moved(count);
                }
                Err(Errno::AGAIN) => return Transfer::WouldBlock,
                Err(errno) => {
                    if let Some(skipper) = &mut self.skipper
                        && let Ok(gap) = skipper.skip(input.descriptor())
                    {
                        self.owed = gap.length;
                        return match skipper.tells() {
                            true => Transfer::SourceFailed(skipped(source, gap, errno)),
                            false => Transfer::WouldBlock,
                        };
                    }
                    let error = SourceError {
                        taken: 0,
                        name: source_name(source),
                        verb: "read",
                        error: errno.into(),
                    };
                    self.current = None;
                    return Transfer::SourceFailed(error);
                }
            }
        }
    }

    /// As [`crate::system::System::splice`], straight to `output`. What is wrong with a source
    /// is left to [`Sources::splice`] to tell.
    pub(super) fn pass(
        &mut self,
        output: BorrowedFd<'_>,
        most: usize,
        bounce_pipe: &Rc<BouncePipe>,
    ) -> Transfer {
        while self.failed.is_none() {
            if let Some((_, input)) = &mut self.current {
                match zero_copy::straight(input, output, most, bounce_pipe) {
                    Transfer::End => self.current = None,
                    answer => return answer,
                }
            }
            match self.goes_on() {
                Next::Came => {}
                Next::Leased => return Transfer::WouldBlock,
                Next::None => return Transfer::End,
            }
        }
        Transfer::Unable
    }

    /// Opens the next source, or remembers why that failed.
    fn goes_on(&mut self) -> Next {
        let Some(source) = self.rest.pop_front() else {
            return Next::None;
        };
        if self.leaves_files && is_file(&source) {
            return Next::Came;
        }
        let opened = self.open(&source);
        let blocks = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.is_leased = opened.as_ref().is_err_and(blocks);
        match opened {
            Err(_) if self.is_leased => {
                self.rest.push_front(source);
                return Next::Leased;
            }
            Ok(input) => {
                self.current = Some((source, input));
                self.skipper = self.skip.map(Skipper::new);
            }
            Err(error) => {
                self.failed = Some(SourceError {
                    taken: 0,
                    name: source_name(&source),
                    verb: "open",
                    error,
                });
            }
        }
        Next::Came
    }

    fn open(&mut self, source: &Source) -> io::Result<Input> {
        let input = match source {
            Source::Stdin => Input::over(duplicate(rustix::stdio::stdin())?)?,
            Source::File(path) => {
                let opened = open_without_waiting(path)?;
                self.files.opened(Role::Input, &opened.fd)?;
                input_over(opened)?
            }
        };
        self.lent = input.pipe().map(Lent::of);
        if let (Some(lent), Some(pipe), true) = (&mut self.lent, input.pipe(), self.is_generous) {
            lent.grow(pipe, self.pipe_bound);
        }
        Ok(input)
    }

    /// Grows the pipe of the current input, and those of inputs to come.
    pub(super) fn grow(&mut self) {
        self.is_generous = true;
        let pipe = self.current.as_ref().and_then(|(_, input)| input.pipe());
        if let (Some(lent), Some(pipe)) = (&mut self.lent, pipe) {
            lent.grow(pipe, self.pipe_bound);
        }
    }

    /// That pipe is what it was, or what its content needs. Returns whether it is what it was.
    pub(super) fn give_back(&mut self) -> bool {
        self.is_generous = false;
        let pipe = self.current.as_ref().and_then(|(_, input)| input.pipe());
        match (&mut self.lent, pipe) {
            (Some(lent), Some(pipe)) => lent.give_back(pipe),
            _ => true,
        }
    }

    /// The input to watch; `None` when the next read opens one, or says that there is no more.
    pub(super) fn current(&self) -> Option<&Input> {
        self.current.as_ref().map(|(_, input)| input)
    }

    /// Whether the next source is to be opened after a while.
    pub(super) fn is_leased(&self) -> bool {
        self.is_leased
    }

    /// What the pipe of the current input holds; 0 for everything else.
    pub(super) fn pipe_size(&self) -> usize {
        self.lent.map_or(0, Lent::size)
    }

    /// As [`crate::system::System::input_pending`]: goes on to the next source where one is at its
    /// end. A failure on the way is told by the next read.
    pub(super) fn pending(&mut self) -> bool {
        if self.owed > 0 {
            return true;
        }
        while self.failed.is_none() {
            let ahead = self.current.as_mut().map(|(_, input)| input.ahead());
            match ahead {
                Some(Ahead::Bytes) => return true,
                Some(Ahead::Nothing) => return false,
                Some(Ahead::End) | None => self.current = None,
            }
            if self.goes_on() != Next::Came {
                return false;
            }
        }
        false
    }

    /// As [`crate::system::System::leave_files`].
    pub(super) fn leave_files(&mut self) -> bool {
        self.leaves_files = true;
        self.current().is_none_or(|input| !input.is_file())
    }

    /// As [`crate::system::System::put_back`].
    pub(super) fn put_back(&mut self, bytes: usize) {
        // Null bytes that stood for others cannot be.
        if let Some((_, input)) = self.current.as_mut().filter(|_| self.skipper.is_none()) {
            input.put_back(bytes);
        }
    }

    /// Lets go of everything.
    pub(super) fn close(&mut self) {
        self.current = None;
        self.owed = 0;
        self.is_leased = false;
        self.rest.clear();
    }
}

/// As [`descriptor::is_file`], before it is opened.
fn is_file(source: &Source) -> bool {
    let stat = match source {
        Source::Stdin => rustix::fs::fstat(rustix::stdio::stdin()),
        Source::File(path) => rustix::fs::stat(path),
    };
    stat.is_ok_and(|stat| descriptor::is_file(&stat))
}

/// What is told of a region that was skipped.
fn skipped(source: &Source, gap: Gap, errno: Errno) -> SourceError {
    let Gap { at, length } = gap;
    let bytes = if length == 1 { "byte" } else { "bytes" };
    SourceError {
        taken: 0,
        name: format!(
            "{}: {length} {bytes} at {at}, now null bytes",
            source_name(source)
        ),
        verb: "read",
        error: errno.into(),
    }
}

/// Opens a FILE. Without blocking, so that a FIFO that no one writes to yet does not keep us from
/// hearing signals; where that is refused for the moment (a lease on the file), as usual.
pub(super) fn open_file(path: &Path) -> io::Result<Opened> {
    match open_without_waiting(path) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            path::open(path, OFlags::RDONLY, Mode::empty())
        }
        result => result,
    }
}

/// The same; `WOULDBLOCK` where that is refused for the moment.
fn open_without_waiting(path: &Path) -> io::Result<Opened> {
    path::open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
}

/// An input over what was opened by [`open_file`].
pub(super) fn input_over(opened: Opened) -> io::Result<Input> {
    let over = match opened.is_own {
        true => Input::over_own,
        false => Input::over,
    };
    Ok(over(opened.fd)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::SAME_FILE;
    use crate::sys::testing::Fifo;
    use std::io::Write as _;

    fn file_with(directory: &tempfile::TempDir, name: &str, text: &str) -> Source {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        Source::File(path)
    }

    fn sources(list: Vec<Source>) -> Sources {
        Sources::new(list, Files::default(), 0, None)
    }

    /// Everything up to the end, with failures in brackets.
    fn transcript(sources: &mut Sources) -> String {
        let mut text = String::new();
        let mut space = [0; 4];
        loop {
            match sources.read(&mut space) {
                Transfer::Moved(n) => text.push_str(std::str::from_utf8(&space[..n]).unwrap()),
                Transfer::SourceFailed(e) => {
                    text.push_str(&format!("[{}: {:?}]", e.verb, e.error.kind()))
                }
                Transfer::End => return text,
                other => panic!("{other:?}; so far: {text}"),
            }
        }
    }

    #[test]
    fn sources_follow_each_other_and_a_failure_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let list = vec![
            file_with(&directory, "a", "first"),
            Source::File(directory.path().join("missing")),
            file_with(&directory, "empty", ""),
            Source::File(directory.path().to_owned()),
            file_with(&directory, "b", "last"),
        ];
        assert_eq!(
            transcript(&mut sources(list)),
            "first[open: NotFound][open: IsADirectory]last"
        );
    }

    #[test]
    fn the_end_stays_the_end() {
        let mut sources = sources(vec![]);
        assert!(matches!(sources.read(&mut [0]), Transfer::End));
        assert!(matches!(sources.read(&mut [0]), Transfer::End));
        assert!(!sources.pending());
    }

    #[test]
    fn a_source_is_opened_when_its_turn_comes() {
        let directory = tempfile::tempdir().unwrap();
        let first = file_with(&directory, "a", "x");
        let second = Source::File(directory.path().join("b"));
        let mut sources = sources(vec![first, second]);
        assert!(matches!(sources.read(&mut [0; 9]), Transfer::Moved(1)));
        file_with(&directory, "b", "made meanwhile");
        assert_eq!(transcript(&mut sources), "made meanwhile");
    }

    #[test]
    fn a_file_that_became_one_that_is_written_is_refused_at_its_turn() {
        let directory = tempfile::tempdir().unwrap();
        let source = file_with(&directory, "a", "x");
        let Source::File(path) = &source else {
            unreachable!()
        };
        for (role, why) in [
            (Role::Output, SAME_FILE),
            (Role::Lost, "the lost records go there too"),
        ] {
            let files = Files::default();
            files
                .opened(role, std::fs::File::open(path).unwrap())
                .unwrap();
            let mut sources = Sources::new(vec![source.clone()], files, 0, None);
            let Transfer::SourceFailed(error) = sources.read(&mut [0; 9]) else {
                panic!("was read")
            };
            assert_eq!(error.error.to_string(), why);
        }
    }

    #[test]
    fn pending_looks_past_the_end_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (
            file_with(&directory, "a", "x"),
            file_with(&directory, "b", "y"),
        );
        let mut sources = sources(vec![a, b]);
        assert!(sources.pending());
        assert!(matches!(sources.read(&mut [0; 9]), Transfer::Moved(1)));
        assert!(sources.pending());
        assert!(matches!(sources.read(&mut [0; 9]), Transfer::Moved(1)));
        assert!(!sources.pending());
        assert!(matches!(sources.read(&mut [0; 9]), Transfer::End));
    }

    #[test]
    fn what_cannot_be_read_becomes_null_bytes_if_that_is_wanted() {
        // Its first page is never mapped.
        let memory = Source::File("/proc/self/mem".into());
        for (tells_once, most) in [(false, 100), (true, 1)] {
            let skip = SkipErrors {
                tells_once,
                block: Some(64),
            };
            let mut sources = Sources::new(vec![memory.clone()], Files::default(), 0, Some(skip));
            let (mut bytes, mut errors) = (Vec::new(), Vec::new());
            while bytes.len() < 640 {
                let mut space = [b'x'; 50];
                match sources.read(&mut space) {
                    Transfer::Moved(count) => bytes.extend_from_slice(&space[..count]),
                    Transfer::SourceFailed(error) => errors.push(error.name),
                    Transfer::WouldBlock => std::thread::yield_now(),
                    other => panic!("{other:?}"),
                }
            }
            assert!(bytes.iter().all(|byte| *byte == 0));
            assert_eq!(errors.len(), most.min(errors.len()), "{errors:?}");
            let first = "/proc/self/mem: 64 bytes at 0, now null bytes";
            assert_eq!(errors[0], first);
            assert_eq!(errors.len() == 1, tells_once);
        }
    }

    #[test]
    fn a_fifo_without_a_writer_does_not_let_the_next_source_in() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = Fifo::new();
        let mut sources = sources(vec![
            Source::File(fifo.path().to_owned()),
            file_with(&directory, "b", "after"),
        ]);
        assert!(matches!(sources.read(&mut [0; 9]), Transfer::WouldBlock));
        assert!(!sources.pending());
        fifo.open_for_writing().write_all(b"before ").unwrap();
        assert_eq!(transcript(&mut sources), "before after");
    }
}
