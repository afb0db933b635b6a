//! A file whose text is replaced as a whole each time, for `--metrics-file` and `--chart`.
//!
//! A descriptor gets one text behind the other. Refuses to stop a run: where a file cannot be written once
//! it could be at the start, the last one stays.

use std::io::{self, Write as _};
use std::path::Path;

use crate::sys::path;
use crate::sys::replacing::Replacing;
use crate::sys::report_output::Descriptor;

/// The place of the file.
#[derive(Debug, Clone)]
pub struct Whole {
    name: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    File(Replacing),
    Descriptor(Descriptor),
}

impl Whole {
    /// A file at `path`, which need not be there yet.
    ///
    /// # Errors
    ///
    /// The system's, when no file can be made in its folder, and when what is there is none.
    pub fn at(path: &Path) -> io::Result<Whole> {
        let place = match path::descriptor(path) {
            Some(_) => Place::Descriptor(Descriptor::open(path)?.0),
            None => {
                let file = Replacing::at(path)?;
                file.try_it()?;
                Place::File(file)
            }
        };
        Ok(Whole {
            name: path.display().to_string(),
            place,
        })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Replaces its text.
    ///
    /// # Errors
    ///
    /// The system's; then the last one stays.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        match &mut self.place {
            Place::File(file) => file.write(text).map(drop),
            Place::Descriptor(out) => out.write_all(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_file_is_replaced_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        let mut file = Whole::at(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.write("long").unwrap();
        file.write("new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_where_no_file_can_be_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Whole::at(folder.path()).is_err());
        assert!(Whole::at(&folder.path().join("none/file")).is_err());
    }
}
