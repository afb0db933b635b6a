//! How much input there is, from the file system.
//!
//! Refuses to take any input: where records have to be counted for a display of pv's form, the files
//! are read once before, as by pv, and not moved in. Refuses to guess: one input of unknown size
//! makes the sum unknown.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::FileType;

use crate::config::Source;
use crate::delimiters::Delimiters;

/// The sum of the sizes of the sources in bytes; None when one is not known, or all are empty
/// (as the files in /proc claim to be).
pub(crate) fn of_sources(sources: &[Source]) -> Option<u64> {
    let sizes = sources.iter().map(|source| match source {
        Source::Stdin => of_stdin(),
        Source::File(path) => of_file(path).ok().flatten(),
    });
    sum(sizes).filter(|total| *total > 0)
}

/// The records in the sources, which end with one of `delimiters` or with the last source: they are read as one
/// stream. None when one is no file, or all are empty.
pub(crate) fn records_of_sources(sources: &[Source], delimiters: Delimiters) -> Option<u64> {
    let mut count = Count {
        delimiters,
        ends: 0,
        is_open: false,
    };
    for source in sources {
        match source {
            Source::Stdin => {
                let stdin = rustix::stdio::stdin();
                count.add(stdin, rustix::fs::tell(stdin).ok()?)?;
            }
            Source::File(path) => {
                // A FIFO must not be waited for, and is no file.
                fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
                count.add(File::open(path).ok()?, 0)?;
            }
        }
    }
    Some(count.ends + u64::from(count.is_open)).filter(|total| *total > 0)
}

/// Records so far.
struct Count {
    delimiters: Delimiters,
    ends: u64,
    /// Something came behind the last delimiter.
    is_open: bool,
}

impl Count {
    /// Adds what a file has from `position` on, without moving the position, which others share. No
    /// more than its size is read: one that grows would have no end, and what claims to be empty may
    /// be a file of the kernel's, of which a byte that is read is gone.
    fn add(&mut self, file: impl AsFd, mut position: u64) -> Option<()> {
        let stat = rustix::fs::fstat(&file).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let end = u64::try_from(stat.st_size).ok()?;
        let mut space = vec![0; 256 * 1024];
        while position < end {
            let most = space.len().min(usize::try_from(end - position).ok()?);
            let read = || rustix::io::pread(&file, &mut space[..most], position);
            let taken = rustix::io::retry_on_intr(read).ok()?;
            let Some(last) = taken.checked_sub(1) else {
                break;
            };
            self.ends += self.delimiters.count(&space[..taken]);
            self.is_open = !self.delimiters.contains(space[last]);
            position += taken as u64;
        }
        Some(())
    }
}

/// None where one is not known, or 64 bits cannot hold it.
fn sum(sizes: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let mut total: u64 = 0;
    for size in sizes {
        total = total.checked_add(size?)?;
    }
    Some(total)
}

/// The size of a file, or of all files below a directory, in bytes.
pub(crate) fn of_path(path: &Path) -> io::Result<u64> {
    if fs::metadata(path)?.is_dir() {
        return of_tree(path);
    }
    of_file(path)?.ok_or_else(|| io::Error::other("it has no size; give a number, as in -s 10M"))
}

/// What is left of stdin, where it is a file.
fn of_stdin() -> Option<u64> {
    let stdin = rustix::stdio::stdin();
    let stat = rustix::fs::fstat(stdin).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let size = u64::try_from(stat.st_size).ok()?;
    Some(size.saturating_sub(rustix::fs::tell(stdin).ok()?))
}

/// The size of a regular file or block device; None for what has no size.
fn of_file(path: &Path) -> io::Result<Option<u64>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(Some(metadata.len()));
    }
    if metadata.file_type().is_block_device() {
        return File::open(path)?.seek(SeekFrom::End(0)).map(Some);
    }
    Ok(None)
}

/// Follows no symbolic link.
fn of_tree(directory: &Path) -> io::Result<u64> {
    let mut total: u64 = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            total = total.saturating_add(of_tree(&entry.path())?);
        } else if metadata.is_file() {
            total = total.saturating_add(metadata.len());
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_files_add_up_and_one_unknown_makes_all_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, size: usize| {
            let path = directory.path().join(name);
            fs::write(&path, vec![b'x'; size]).unwrap();
            Source::File(path)
        };
        let (a, b, empty) = (write("a", 3), write("b", 4), write("empty", 0));
        let gone = Source::File(directory.path().join("gone"));
        let null = Source::File("/dev/null".into());
        assert_eq!(of_sources(&[a.clone(), b.clone(), a.clone()]), Some(10));
        assert_eq!(of_sources(&[a.clone(), gone]), None);
        assert_eq!(of_sources(&[null, a.clone()]), None);
        assert_eq!(of_sources(&[empty]), None);
    }

    #[test]
    fn records_are_counted_where_all_are_files() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            Source::File(path)
        };
        let (a, b) = (write("a", "1\n2\n3"), write("b", "\0\0\n"));
        let records = |sources: &[&Source], delimiter: u8| {
            let sources: Vec<Source> = sources.iter().map(|source| (*source).clone()).collect();
            records_of_sources(&sources, Delimiters::One(delimiter))
        };
        // The last of a file without a newline goes on in the next, and is one at the end.
        assert_eq!(records(&[&a, &b], b'\n'), Some(3));
        assert_eq!(records(&[&a], b'\n'), Some(3));
        assert_eq!(records(&[&b, &a], b'\n'), Some(4));
        assert_eq!(records(&[&b], 0), Some(3));
        let empty = write("empty", "");
        assert_eq!(records(&[&a, &empty], b'\n'), Some(3));
        assert_eq!(records(&[&empty], b'\n'), None);
        let of_the_kernel = Source::File("/proc/self/status".into());
        assert_eq!(records(&[&of_the_kernel], b'\n'), None);
        let null = Source::File("/dev/null".into());
        assert_eq!(records(&[&a, &null], b'\n'), None);
        let file = File::open("Cargo.toml").unwrap();
        let mut count = Count {
            delimiters: Delimiters::NEWLINE,
            ends: 0,
            is_open: false,
        };
        count.add(&file, 0).unwrap();
        assert_eq!(rustix::fs::tell(&file), Ok(0));
    }

    #[test]
    fn a_directory_is_as_large_as_the_files_below_it() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("below");
        fs::create_dir(&below).unwrap();
        fs::write(directory.path().join("a"), "123").unwrap();
        fs::write(below.join("b"), "4567").unwrap();
        std::os::unix::fs::symlink(&below, directory.path().join("link")).unwrap();
        assert_eq!(of_path(directory.path()).unwrap(), 7);
        assert_eq!(of_path(&below.join("b")).unwrap(), 4);
        assert!(of_path(&below.join("gone")).is_err());
        assert!(of_path(Path::new("/dev/null")).is_err());
    }
}
