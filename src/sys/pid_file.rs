//! `-P FILE`: our process's number in a file, for as long as we run.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file. Dropped, it is removed.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the number, and a newline, to `path`. What was there is replaced as a whole, so that
    /// nobody reads half a number.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn write(path: &Path) -> io::Result<PidFile> {
        let number = std::process::id();
        let file = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let mut draft = file.to_owned();
        draft.push(format!(".{number}.tmp"));
        let draft = path.with_file_name(draft);
        // Made anew: what else might be there, such as a link, is not written to.
        let _ = fs::remove_file(&draft);
        let written = File::options()
            .write(true)
            .create_new(true)
            .open(&draft)
            .and_then(|mut file| file.write_all(format!("{number}\n").as_bytes()))
            .and_then(|()| fs::rename(&draft, path));
        match written {
            Ok(()) => Ok(PidFile(path.to_owned())),
            Err(error) => {
                let _ = fs::remove_file(&draft);
                Err(error)
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
