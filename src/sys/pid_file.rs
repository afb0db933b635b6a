//! `-P FILE`: our process's number in a file, for as long as we run.
//!
//! Refuses to remove what is not ours any more: another process may have put its own number there.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::path;
use super::replacing::Replacing;

/// The file. Dropped, it is removed.
#[derive(Debug)]
pub struct PidFile {
    /// None where the number went to a descriptor, which is nothing that could be removed.
    place: Option<(Replacing, File)>,
}

impl PidFile {
    /// Writes the number, and a newline, to `path`.
    ///
    /// # Errors
    ///
    /// The system's, and when what is there is neither a regular file nor a descriptor of ours.
    pub fn write(path: &Path) -> io::Result<PidFile> {
        let number = format!("{}\n", std::process::id());
        if path::descriptor(path).is_some() {
            let opened = path::open(path, OFlags::WRONLY, Mode::empty())?;
            File::from(opened.fd).write_all(number.as_bytes())?;
            return Ok(PidFile { place: None });
        }
        let file = Replacing::at(path)?;
        let written = file.write(&number)?;
        Ok(PidFile {
            place: Some((file, written)),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some((file, written)) = &self.place {
            file.remove(written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_file_holds_our_number_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "old").unwrap();
        let file = PidFile::write(&path).unwrap();
        let number = std::process::id().to_string() + "\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), number);
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_is_no_place_for_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(PidFile::write(folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
