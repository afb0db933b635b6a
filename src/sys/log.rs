//! A file that lines or records are appended to, while others rename it, remove it or fill its disk.
//!
//! Before each line or record its name is looked at: where that leads to another file, or to none, it is
//! opened anew, so that `mv` is all that rotation needs. Where a write fails halfway, what was written
//! of the line or record is taken back. And where the file ends in half of one, because whoever
//! wrote it was killed, that is ended first, so that the next one stands alone.
//!
//! What is no file with a name, such as a pipe or a descriptor that the shell opened, is written to as
//! it is. Refuses to be used by the relay's thread: a disk may be slow.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, SeekFrom, Stat};

use super::error_channel::ErrorChannel;
use super::report_output::Descriptor;
use crate::delimiters::Delimiters;
use crate::sys::path::reopen;
use crate::sys::{Files, Role, is_local};
use crate::units::reason;

/// See the module's header.
pub struct Log {
    path: PathBuf,
    role: Role,
    files: Files,
    place: Place,
    way: Way,
    /// What a line or record ends in: one of these.
    ends: Delimiters,
    /// Where to tell of a file that could not be opened anew.
    error_channel: ErrorChannel,
    has_complained: bool,
}

/// How a [`Log`] is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In whole lines, each of which waits for space as long as it takes.
    Lines,
    /// As far as there is space, so that it is known how much went. Records end in one of these.
    Records(Delimiters),
}

/// What is open now.
struct Place {
    out: Descriptor,
    /// Which file it is, where it is one that we opened by its name.
    file: Option<Id>,
    /// Nothing was written to it so far.
    is_new: bool,
    /// Bytes written since the last end of a line or record.
    torn: u64,
}

type Id = (u64, u64);

fn id_of(stat: &Stat) -> Id {
    (stat.st_dev, stat.st_ino)
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

impl Log {
    /// Opens `path` for appending, and creates it where there is none. A FIFO that nobody reads is an
    /// error (ENXIO), not a wait.
    ///
    /// # Errors
    ///
    /// The system's, and where it is another of the run's `files`.
    pub fn open(
        path: &Path,
        role: Role,
        way: Way,
        files: &Files,
        error_channel: ErrorChannel,
    ) -> io::Result<Log> {
        Ok(Log {
            place: Place::open(path, role, way, files)?,
            path: path.to_owned(),
            role,
            files: files.clone(),
            way,
            ends: match way {
                // A live line that is forced on a file ends in a return.
                Way::Lines => Delimiters::Two(b'\n', b'\r'),
                Way::Records(delimiters) => delimiters,
            },
            error_channel,
            has_complained: false,
        })
    }

    /// What it writes to now.
    pub fn descriptor(&self) -> &Descriptor {
        &self.place.out
    }

    /// Whether writing waits for nobody: not where the file is served, and the server may be gone.
    pub fn is_local_file(&self) -> bool {
        let is_file = rustix::fs::fstat(&self.place.out).is_ok_and(|stat| is_file(&stat));
        is_file && is_local(self.place.out.as_fd())
    }

    /// Opens it anew where its name leads elsewhere by now.
    fn follow(&mut self) -> io::Result<()> {
        let Some(file) = self.place.file else {
            return Ok(());
        };
        if rustix::fs::stat(&self.path).is_ok_and(|stat| id_of(&stat) == file) {
            return Ok(());
        }
        match Place::open(&self.path, self.role, self.way, &self.files) {
            Ok(place) => {
                self.place = place;
                Ok(())
            }
            Err(error) => self.stay(error),
        }
    }

    /// Goes on with the old file, unless nobody can ever read that.
    fn stay(&mut self, error: io::Error) -> io::Result<()> {
        if rustix::fs::fstat(&self.place.out)?.st_nlink == 0 {
            return Err(error);
        }
        if !std::mem::replace(&mut self.has_complained, true) {
            self.error_channel.say(format!(
                "cannot open {} again: {}; writing on to the file that was there",
                self.path.display(),
                reason(&error)
            ));
        }
        Ok(())
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.place.torn == 0 {
            self.follow()?;
        }
        self.place.begin(self.ends)?;
        match self.place.out.write(text) {
            Ok(count) => {
                self.place.note(&text[..count], self.ends);
                Ok(count)
            }
            Err(error) => {
                self.place.take_back();
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Place {
    fn open(path: &Path, role: Role, way: Way, files: &Files) -> io::Result<Place> {
        let (out, is_named) = match way {
            Way::Lines => Descriptor::open(path)?,
            Way::Records(_) => Descriptor::open_non_blocking(path)?,
        };
        files.opened(role, &out)?;
        let stat = rustix::fs::fstat(&out)?;
        Ok(Place {
            out,
            file: (is_named && is_file(&stat)).then(|| id_of(&stat)),
            is_new: true,
            torn: 0,
        })
    }

    /// Before the first write: ends the half of a line or record that somebody left.
    fn begin(&mut self, ends: Delimiters) -> io::Result<()> {
        if self.is_new
            && let Some(last) = last_byte(&self.out)
            && !ends.contains(last)
        {
            self.out.write_all(&[ends.terminator()])?;
        }
        self.is_new = false;
        Ok(())
    }

    fn note(&mut self, written: &[u8], ends: Delimiters) {
        let count = written.len();
        self.torn = match ends.rfind(written) {
            Some(at) => (count - at - 1) as u64,
            None => self.torn + count as u64,
        };
    }

    /// Takes back what was written of a line or record that cannot be completed. What others appended
    /// behind it stays, and so does it then.
    fn take_back(&mut self) {
        let torn = std::mem::take(&mut self.torn);
        let (Ok(stat), Ok(end)) = (rustix::fs::fstat(&self.out), rustix::fs::tell(&self.out))
        else {
            return;
        };
        let is_last = is_file(&stat) && u64::try_from(stat.st_size) == Ok(end) && torn <= end;
        if torn > 0 && is_last && rustix::fs::ftruncate(&self.out, end - torn).is_ok() {
            // Where it was opened by others, not for appending, the next write goes there.
            let _ = rustix::fs::seek(&self.out, SeekFrom::Start(end - torn));
        }
    }
}

/// The last byte of a file that is not empty, where it can be read.
fn last_byte(file: &Descriptor) -> Option<u8> {
    let stat = rustix::fs::fstat(file).ok()?;
    let last = u64::try_from(stat.st_size).ok()?.checked_sub(1)?;
    if !is_file(&stat) {
        return None;
    }
    let reader = reopen(file.as_fd(), OFlags::RDONLY).ok()?;
    let mut byte = [0];
    let count = rustix::io::pread(&reader, &mut byte, last).ok()?;
    (count == 1).then_some(byte[0])
}
