//! `-E`: how far to go on behind what cannot be read, by pv's rules.
//!
//! A little at first, for one bad place; then more and more, up to a sector, for a bad region. Refuses
//! to go beyond the end: what is not there is not missing.

use std::os::fd::AsFd;

use rustix::fs::SeekFrom;
use rustix::io::{self, Errno};

use crate::config::SkipErrors;

/// A region that becomes null bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Where it begins.
    pub(super) at: u64,
    /// Its length, at least 1.
    pub(super) length: u64,
}

/// The errors of one source so far.
#[derive(Debug)]
pub(super) struct Skipper {
    how: SkipErrors,
    in_a_row: u32,
    told: bool,
}

impl Skipper {
    /// No error yet.
    pub(super) fn new(how: SkipErrors) -> Skipper {
        Skipper {
            how,
            in_a_row: 0,
            told: false,
        }
    }

    /// A read brought something.
    pub(super) fn read(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether to tell of the error that was just skipped.
    pub(super) fn tells(&mut self) -> bool {
        let told = std::mem::replace(&mut self.told, true);
        !(told && self.how.tells_once)
    }

    /// Moves `fd` behind what could not be read.
    ///
    /// # Errors
    ///
    /// The system's, where nobody can go on: no place in it can be gone to, or it is the end.
    pub(super) fn skip(&mut self, fd: impl AsFd) -> io::Result<Gap> {
        let at = rustix::fs::tell(&fd)?;
        let end = end_of(&fd, at)?;
        let length = self.length(at).min(end.saturating_sub(at));
        if length == 0 {
            return Err(Errno::NXIO);
        }
        self.in_a_row += 1;
        rustix::fs::seek(&fd, SeekFrom::Start(at + length))?;
        Ok(Gap { at, length })
    }

    /// How much to skip at the position `at`: at most up to the next multiple of that.
    fn length(&self, at: u64) -> u64 {
        let step = self.how.block.unwrap_or(match self.in_a_row {
            0..5 => 1,
            5..10 => 2,
            row @ 10..20 => 1 << (row - 10),
            _ => 512,
        });
        step - at % step
    }
}

/// Where the end is; far away where that cannot be known.
fn end_of(fd: impl AsFd, at: u64) -> io::Result<u64> {
    match rustix::fs::seek(&fd, SeekFrom::End(0)) {
        Ok(end) => {
            rustix::fs::seek(&fd, SeekFrom::Start(at))?;
            Ok(end)
        }
        Err(Errno::INVAL) => Ok(u64::MAX),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipper(block: Option<u64>) -> Skipper {
        Skipper::new(SkipErrors {
            tells_once: false,
            block,
        })
    }

    #[test]
    fn it_skips_little_at_first_and_then_more() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(5000).unwrap();
        let mut skipper = skipper(None);
        let mut lengths = Vec::new();
        while let Ok(gap) = skipper.skip(&file) {
            lengths.push(gap.length);
        }
        let first = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2];
        assert_eq!(lengths[..10], first);
        assert_eq!(lengths.iter().sum::<u64>(), 5000);
        assert!(lengths.contains(&512) && !lengths.iter().any(|length| *length > 512));
        skipper.read();
        rustix::fs::seek(&file, SeekFrom::Start(0)).unwrap();
        assert_eq!(skipper.skip(&file), Ok(Gap { at: 0, length: 1 }));
    }

    #[test]
    fn a_block_ends_at_a_multiple_of_its_size_and_at_the_end() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(5000).unwrap();
        rustix::fs::seek(&file, SeekFrom::Start(100)).unwrap();
        let mut skipper = skipper(Some(4096));
        let gap = |at, length| Ok(Gap { at, length });
        assert_eq!(skipper.skip(&file), gap(100, 3996));
        assert_eq!(skipper.skip(&file), gap(4096, 904));
        assert_eq!(skipper.skip(&file), Err(Errno::NXIO));
    }

    #[test]
    fn a_pipe_cannot_be_skipped_in() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert_eq!(skipper(None).skip(&reader), Err(Errno::SPIPE));
    }
}
