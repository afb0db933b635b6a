//! `-P FILE`: our process's number in a file, for as long as we run.

use std::io;
use std::path::Path;

use crate::replacing::Replacing;

/// The file. Dropped, it is removed.
#[derive(Debug)]
pub struct PidFile(Replacing);

impl PidFile {
    /// Writes the number, and a newline, to `path`.
    ///
    /// # Errors
    ///
    /// The system's, and when what is there is no regular file.
    pub fn write(path: &Path) -> io::Result<PidFile> {
        let file = Replacing::at(path)?;
        file.write(&format!("{}\n", std::process::id()))?;
        Ok(PidFile(file))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        self.0.remove();
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
