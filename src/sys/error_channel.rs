//! Where the threads of the reports say what went wrong.
//!
//! Refuses to lose a line: what the reports do not take goes to stderr itself.

use std::sync::{Arc, Mutex, PoisonError};

use super::report_output;
use crate::units::error_line;

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
            report_output::say_now(error_line(line));
        }
    }

    /// From now on nothing more goes to the reports, so that they can end.
    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
