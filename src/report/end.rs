//! A thread beside the relay's, and its end.
//!
//! Refuses to wait for ever: a thread that is stuck ends with the process. Refuses to start where memory
//! is short.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::guard::{Defect, guarded};
use crate::memory;
use crate::sys::report_output::{self as output, Descriptor, say_if_room};
use crate::units::error_line;

/// Formatting a line takes a few frames; address space may be limited.
const STACK: usize = 512 * 1024;

/// How long the end of the run waits for the last word. A slow terminal over a network takes some
/// tenths of a second; a stuck one would take for ever, and the data is through already.
pub const LAST_WORD: Duration = Duration::from_millis(500);

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

/// Says on stderr why the process ends without a run. Waits for space, as where a run ends, but not for
/// ever: the exit status says the rest.
pub fn say_and_end(text: String) {
    say_within(Descriptor::Stderr, text, LAST_WORD);
}

/// Writes a text before the process ends, and waits for space no longer than `timeout`: the thread that
/// is stuck then ends with the process.
fn say_within(mut out: Descriptor, text: String, timeout: Duration) {
    if out.write_at_once(text.as_bytes()) {
        return;
    }
    let (mut same, again) = (out.clone(), text.clone());
    let work = move || {
        let _ = out.write_all(text.as_bytes());
    };
    match End::of("last word", work) {
        Ok(end) => end.wait(Instant::now() + timeout),
        // Where not even a thread can be had, only if nobody has to be waited for.
        Err(_) => say_if_room(&mut same, &again),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_last_word_waits_for_room_and_not_for_ever() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let pipe = Descriptor::Own(Arc::new(writer));
        crate::sys::testing::fill(&pipe);
        say_within(pipe.clone(), "never\n".to_owned(), Duration::ZERO);

        let (reader2, writer) = rustix::pipe::pipe().unwrap();
        let pipe = Descriptor::Own(Arc::new(writer));
        crate::sys::testing::fill(&pipe);
        let listener = std::thread::spawn(move || {
            let mut came = Vec::new();
            let mut file = std::fs::File::from(reader2);
            io::Read::read_to_end(&mut file, &mut came).unwrap();
            came
        });
        say_within(pipe, "late\n".to_owned(), Duration::from_secs(60));
        assert!(listener.join().unwrap().ends_with(b"late\n"));
        drop(reader);
    }
}
