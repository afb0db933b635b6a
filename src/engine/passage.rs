//! The roads on which bytes are moved without being copied: straight through while nothing is held,
//! else into our own pipes and out of them.
//!
//! Whatever the system cannot do this way is read and written instead, in the same turn, so that
//! nothing here needs to remember what it could not do.

use std::time::Duration;

use super::{Engine, Place, Read, Reporter, Splice, System, Write};
use crate::core::pipes::PIPE;

impl<S: System, R: Reporter> Engine<'_, S, R> {
    /// Input goes straight to the output. Returns whether that was this turn's read and write.
    pub(super) fn pass(&mut self, now: Duration) -> bool {
        let Some(most) = self.relay.may_pass().filter(|_| self.input_ready) else {
            return false;
        };
        match self.system.splice(Place::Input, Place::Output, most) {
            Splice::Moved(count) => {
                self.input_ready = count == most;
                self.relay.passed(count, now);
            }
            Splice::End => self.relay.input_ended(now),
            Splice::Gone => self.output_gone(now),
            // One half after the other, each is told what is the matter with it.
            _ => return false,
        }
        true
    }

    /// At most `most` bytes of input go into a pipe of ours. Returns whether that was this turn's
    /// read.
    pub(super) fn fill_pipe(&mut self, most: usize, now: Duration) -> bool {
        let Some(pipe) = self.relay.pipe_to_fill() else {
            return false;
        };
        let most = PIPE.min(most as u64);
        match self.system.splice(Place::Input, Place::Pipe(pipe), most) {
            Splice::Moved(count) => {
                self.input_ready = count == most;
                self.relay.filled(count, now);
            }
            // If it was the pipe, the next one is tried in the next turn.
            Splice::WouldBlock => self.input_ready = !self.relay.refused(),
            Splice::End => self.read_nothing(Read::End, now),
            Splice::SourceFailed(problem) => self.read_nothing(Read::Failed(problem), now),
            Splice::Unable | Splice::Gone | Splice::Failed(_) => return false,
        }
        true
    }

    /// What waits in a pipe of ours goes out. Returns whether anything was accepted; None when
    /// nothing waits there.
    pub(super) fn empty_pipe(&mut self, now: Duration) -> Option<bool> {
        let (pipe, most) = self.relay.pipe_to_empty(now)?;
        let answer = match self.system.splice(Place::Pipe(pipe), Place::Output, most) {
            Splice::Moved(count) => {
                self.relay.emptied(count, now);
                if count < most {
                    self.relay.output_blocked(now);
                }
                return Some(true);
            }
            Splice::Gone => Write::Gone,
            Splice::Failed(error) => Write::Failed(error),
            Splice::WouldBlock => Write::WouldBlock,
            // Nothing went into a pipe that cannot be emptied.
            _ => Write::Failed(std::io::ErrorKind::Unsupported.into()),
        };
        self.write_nothing(answer, now);
        Some(false)
    }
}
