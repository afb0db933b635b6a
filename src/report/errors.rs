//! What cannot be told, or not where it was to be told.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::output;
use super::words::error_line;
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
        match self.error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::NXIO.raw_os_error() => {
                f.write_str("nobody reads it; start its reader first")
            }
            _ => f.write_str(&reason(&self.error)),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Hands a line over, or gives it back.
type Post = Box<dyn Fn(String) -> Result<(), String> + Send>;

/// Where the other threads say what went wrong, as errors of the run: among the reports while these
/// go on, so that no line is painted over, and behind them on stderr itself.
#[derive(Clone, Default)]
pub struct ErrorChannel(Arc<Mutex<Option<Post>>>);

impl ErrorChannel {
    /// To whoever takes a line, while that is possible.
    pub fn to(post: impl Fn(String) -> Result<(), String> + Send + 'static) -> ErrorChannel {
        ErrorChannel(Arc::new(Mutex::new(Some(Box::new(post)))))
    }

    /// Says one line. Must not be called by the relay's thread.
    pub fn say(&self, line: String) {
        let post = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaid = match &*post {
            Some(post) => post(line).err(),
            None => Some(line),
        };
        if let Some(line) = unsaid {
            output::say_now(error_line(line));
        }
    }

    /// From now on nothing more goes to the reports, so that they can end.
    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
