//! A thread beside the relay's, and its end.
//!
//! Refuses to wait for ever: a thread that is stuck ends with the process. Refuses to start where memory
//! is short.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;
use std::time::Instant;

use super::guard::{Defect, guarded};
use super::{error_line, output};
use crate::memory;

/// Formatting a line takes a few frames; address space may be limited.
const STACK: usize = 512 * 1024;

/// The end of a thread: disconnected when it has ended, however it did.
pub struct End(Receiver<()>);

impl End {
    /// That of a new thread, which does this work.
    ///
    /// # Errors
    ///
    /// No thread can be had.
    pub fn of(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<End> {
        // Where it cannot make its own signal stack, a thread that has begun aborts.
        if !memory::is_there(2 * STACK) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let (alive, ended) = sync_channel(0);
        let thread = Builder::new().name(name.to_owned()).stack_size(STACK);
        let named = name.to_owned();
        thread.spawn(move || {
            if let Err(Defect(defect)) = guarded(&named, work) {
                output::say_now(error_line(format!(
                    "a defect ends the thread for {named}, and the data goes on: {defect}"
                )));
            }
            drop(alive);
        })?;
        Ok(End(ended))
    }

    /// Waits until it has ended, or until then.
    pub fn wait(self, deadline: Instant) {
        let _ = self
            .0
            .recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}
