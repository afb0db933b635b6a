//! What somebody shall be told by, and cannot be had.

use std::fmt;
use std::io;
use std::path::Path;

use crate::sys::report_output;
use crate::units::reason;

/// What somebody shall be told by cannot be had.
#[derive(Debug)]
pub struct StartError {
    /// What cannot be done, for people.
    pub(super) what: String,
    pub(super) error: io::Error,
}

impl StartError {
    /// `what` cannot be done to the `path` of `option`: it could not be opened.
    pub(super) fn path(
        what: &str,
        option: &str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> StartError {
        let what = format!("{what} to {} ({option})", path.display());
        |error| StartError { what, error }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.what)?;
        match report_output::has_no_reader(&self.error) {
            true => f.write_str("nobody reads it; start its reader first"),
            false => f.write_str(&reason(&self.error)),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
