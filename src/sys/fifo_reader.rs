//! The next reader of a FIFO (`-o FIFO --broken-pipe wait`): only a blocking open(2) is told of one, so a thread
//! waits there.
//!
//! Refuses to open anything but a FIFO, and to hold it open while nobody reads: what lay in it is gone with the last
//! one that has it.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::fs::{FileType, Mode, OFlags};

use super::completion::Completion;
use super::files::{Files, Role};
use super::path;

/// See the module's header.
#[derive(Debug)]
pub(super) struct FifoReader {
    path: PathBuf,
    files: Files,
    /// None while nobody is awaited.
    answers: Option<Receiver<io::Result<OwnedFd>>>,
    completion: Arc<Completion>,
}

impl FifoReader {
    /// Begins to wait for one.
    ///
    /// # Errors
    ///
    /// The system's, and where there is no FIFO.
    pub(super) fn of(path: &Path, files: &Files) -> io::Result<FifoReader> {
        let kind = FileType::from_raw_mode(rustix::fs::stat(path)?.st_mode);
        if !kind.is_fifo() || path::descriptor(path).is_some() {
            let what = "it is no FIFO, which --broken-pipe wait needs";
            return Err(io::Error::other(what));
        }
        let mut reader = FifoReader {
            path: path.to_owned(),
            files: files.clone(),
            answers: None,
            completion: Arc::new(Completion::new()?),
        };
        reader.wait()?;
        Ok(reader)
    }

    /// Waits for the next one, when the last is gone and the FIFO is closed.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        let (answer, answers) = channel();
        let (path, completion) = (self.path.clone(), Arc::clone(&self.completion));
        let open = move || {
            // Blocks for as long as nobody reads. The process ends without it.
            let opened = path::open(&path, OFlags::WRONLY, Mode::empty());
            let _ = answer.send(opened.map(|opened| opened.fd));
            completion.notify();
        };
        let thread = thread::Builder::new().name("hwm-fifo".to_owned());
        thread.spawn(open)?;
        self.answers = Some(answers);
        Ok(())
    }

    /// Becomes readable when there is one, or none can come.
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.answers.as_ref().map(|_| self.completion.fd())
    }

    /// The FIFO, open for the reader that has come; None where none has.
    ///
    /// # Errors
    ///
    /// The system's: it is not there any more, or is something else.
    pub(super) fn take(&mut self) -> io::Result<Option<OwnedFd>> {
        let Some(answer) = self.answers.as_ref().and_then(|all| all.try_recv().ok()) else {
            return Ok(None);
        };
        self.completion.clear();
        self.answers = None;
        let fd = answer?;
        self.files.opened(Role::Output, &fd)?;
        Ok(Some(fd))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::process::Command;

    use rustix::event::PollFlags;

    use super::*;
    use crate::sys::poll::PollSet;

    #[test]
    fn readers_that_come_and_go_are_told_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let mut reader = FifoReader::of(&path, &Files::default()).unwrap();
        assert!(reader.take().unwrap().is_none());
        for _ in 0..3 {
            let mut end = File::open(&path).unwrap();
            let mut set = PollSet::new();
            set.add(reader.watched().unwrap(), PollFlags::IN);
            set.wait(None).unwrap();
            let fifo = reader.take().unwrap().expect("somebody reads");
            assert!(reader.watched().is_none());
            File::from(fifo).write_all(b"data").unwrap();
            let mut text = String::new();
            end.read_to_string(&mut text).unwrap();
            assert_eq!(text, "data");
            drop(end);
            reader.wait().unwrap();
        }
        // So that the thread ends.
        drop(File::open(&path));
    }

    #[test]
    fn only_a_fifo_has_readers_that_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let refused = FifoReader::of(folder.path(), &Files::default()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it is no FIFO, which --broken-pipe wait needs"
        );
        assert!(FifoReader::of(&folder.path().join("none"), &Files::default()).is_err());
    }
}
