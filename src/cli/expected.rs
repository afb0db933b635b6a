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

/// The sum of the sizes of the sources in bytes; None when one is not known, or all are empty
/// (as the files in /proc claim to be).
pub(super) fn of_sources(sources: &[Source]) -> Option<u64> {
    let sizes = sources.iter().map(|source| match source {
        Source::Stdin => of_stdin(),
        Source::File(path) => of_file(path).ok().flatten(),
    });
    sum(sizes).filter(|total| *total > 0)
}

/// The sum of the records in the sources, which end with `delimiter`; None when one is no file.
pub(super) fn records_of_sources(sources: &[Source], delimiter: u8) -> Option<u64> {
    let counts = sources.iter().map(|source| match source {
        Source::Stdin => {
            let stdin = rustix::stdio::stdin();
            records_from(stdin, rustix::fs::tell(stdin).ok()?, delimiter)
        }
        Source::File(path) => {
            // A FIFO must not be waited for, and is no file.
            fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
            records_from(File::open(path).ok()?, 0, delimiter)
        }
    });
    sum(counts).filter(|total| *total > 0)
}

/// Counts delimiters without moving the position, which others share.
fn records_from(file: impl AsFd, mut position: u64, delimiter: u8) -> Option<u64> {
    let stat = rustix::fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut room = vec![0; 256 * 1024];
    let mut count = 0;
    loop {
        match rustix::io::retry_on_intr(|| rustix::io::pread(&file, &mut room[..], position))
            .ok()?
        {
            0 => return Some(count),
            taken => {
                count += memchr::memchr_iter(delimiter, &room[..taken]).count() as u64;
                position += taken as u64;
            }
        }
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
pub(super) fn of_path(path: &Path) -> io::Result<u64> {
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
        assert_eq!(records_of_sources(&[a.clone(), b.clone()], b'\n'), Some(3));
        assert_eq!(records_of_sources(std::slice::from_ref(&b), 0), Some(2));
        let null = Source::File("/dev/null".into());
        assert_eq!(records_of_sources(&[a, null], b'\n'), None);
        let file = File::open("Cargo.toml").unwrap();
        records_from(&file, 0, b'\n').unwrap();
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
