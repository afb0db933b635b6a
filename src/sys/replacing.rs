//! A file that is replaced as a whole each time it is written, so that nobody reads half of it.
//!
//! Refuses to replace what is no regular file: a device, a FIFO or a link would be gone for good.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// See the module's header.
#[derive(Debug, Clone)]
pub struct Replacing {
    path: PathBuf,
    /// In the same folder, so that it can be renamed to the file, and with another ending.
    draft: PathBuf,
}

impl Replacing {
    /// A file at `path`, which need not be there yet.
    ///
    /// # Errors
    ///
    /// When what is there is no regular file.
    pub fn at(path: &Path) -> io::Result<Replacing> {
        let file = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        match fs::symlink_metadata(path) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                return Err(io::Error::other(
                    "it is no regular file, and would be replaced; name another one",
                ));
            }
            _ => {}
        }
        let mut draft = file.to_owned();
        draft.push(format!(".{}.tmp", std::process::id()));
        Ok(Replacing {
            path: path.to_owned(),
            draft: path.with_file_name(draft),
        })
    }

    /// Finds out whether it can be written, and leaves it as it is.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn try_it(&self) -> io::Result<()> {
        self.make_draft("")?;
        fs::remove_file(&self.draft)
    }

    /// Replaces the file, and returns the new one.
    ///
    /// # Errors
    ///
    /// The system's; then the file is as before.
    pub fn write(&self, text: &str) -> io::Result<File> {
        let written = self.make_draft(text).and_then(|file| {
            fs::rename(&self.draft, &self.path)?;
            Ok(file)
        });
        if written.is_err() {
            let _ = fs::remove_file(&self.draft);
        }
        written
    }

    /// Removes the file if it is still the one that was `written`: somebody else may have replaced it.
    pub fn remove(&self, written: &File) {
        let id = |at: &fs::Metadata| (at.dev(), at.ino());
        // As long as it is open, no other file is given its number.
        let is_ours = match (fs::symlink_metadata(&self.path), written.metadata()) {
            (Ok(there), Ok(ours)) => id(&there) == id(&ours),
            _ => false,
        };
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Makes the draft anew: what else might be there, such as a link, is not written to.
    fn make_draft(&self, text: &str) -> io::Result<File> {
        let _ = fs::remove_file(&self.draft);
        let mut draft = File::options()
            .write(true)
            .create_new(true)
            .open(&self.draft)?;
        draft.write_all(text.as_bytes())?;
        Ok(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = Replacing::at(&path).unwrap();
        file.try_it().unwrap();
        assert!(!path.exists());
        for text in ["a long first text", "short"] {
            Replacing::at(&path).unwrap().write(text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let written = file.write("mine").unwrap();
        let theirs = Replacing::at(&path).unwrap().write("theirs").unwrap();
        file.remove(&written);
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        file.remove(&theirs);
        assert!(!path.exists());
    }

    #[test]
    fn folders_links_and_what_else_is_no_file_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let link = folder.path().join("link");
        fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let fifo = crate::sys::testing::Fifo::new();
        for path in [folder.path(), &link, fifo.path()] {
            assert!(Replacing::at(path).is_err(), "{}", path.display());
        }
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    }
}
