//! The ways in which bytes are moved without being copied: straight through while nothing is held,
//! else into our own pipes and out of them; or read into memory, and out of what was kept besides.
//!
//! Whatever the system cannot do this way is read and written instead, in the same turn, so that
//! nothing here needs to remember what it could not do.

use std::io::IoSlice;
use std::time::Duration;

use super::run::{Engine, PARTS};
use super::tee_buffer::TeeBuffer;
use crate::core::allowance::space::Space;
use crate::core::buffer::own_pipes::PIPE;
use crate::reporter::Reporter;
use crate::system::{Place, System, Transfer};

impl<S: System, R: Reporter> Engine<'_, S, R> {
    /// Input goes straight to the output. Returns whether that was this turn's read and write.
    pub(super) fn pass(&mut self, now: Duration) -> bool {
        let Some(most) = self.relay.may_pass().filter(|_| self.input_ready) else {
            return false;
        };
        match self.system.splice(Place::Input, Place::Output, most) {
            Transfer::Moved(count) => {
                self.input_ready = count as u64 == most;
                self.relay.passed(count as u64, now);
            }
            end @ Transfer::End => self.read_nothing(end, now),
            gone @ Transfer::Gone => self.write_nothing(gone, now),
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
            Transfer::Moved(count) => {
                self.input_ready = count as u64 == most;
                self.relay.filled(count as u64, now);
            }
            // If it was the pipe, the next one is tried in the next turn.
            Transfer::WouldBlock => self.input_ready = !self.relay.refused(),
            ended @ (Transfer::End | Transfer::SourceFailed(_)) => self.read_nothing(ended, now),
            _ => return false,
        }
        true
    }

    /// What waits in a pipe of ours goes out. Returns whether anything was accepted; None when
    /// nothing waits there.
    pub(super) fn empty_pipe(&mut self, now: Duration) -> Option<bool> {
        let (pipe, most) = self.relay.pipe_to_empty(now)?;
        match self.system.splice(Place::Pipe(pipe), Place::Output, most) {
            Transfer::Moved(count) => {
                self.relay.emptied(count as u64, now);
                if (count as u64) < most {
                    self.relay.output_blocked(now);
                }
                return Some(true);
            }
            // Nothing went into a pipe that cannot be emptied.
            Transfer::Unable => {
                let unable = std::io::ErrorKind::Unsupported.into();
                self.write_nothing(Transfer::Failed(unable), now);
            }
            nothing => self.write_nothing(nothing, now),
        }
        Some(false)
    }

    /// Much input at once is read into memory, where it must be seen, and kept besides, so that it need
    /// not be copied out again. Returns whether that was this turn's read.
    pub(super) fn tee(&mut self, now: Duration) -> bool {
        let Some(most) = self.relay.may_tee() else {
            return false;
        };
        let before = self.relay.span();
        let mut front = [IoSlice::new(&[]); PARTS];
        let Some(used) = self.relay.all_held(&mut front) else {
            return false;
        };
        let taken = match self.system.tee(&front[..used], most) {
            Transfer::Moved(count) => count as u64,
            Transfer::Unable | Transfer::Gone | Transfer::Failed(_) => return false,
            nothing => {
                self.read_nothing(nothing, now);
                return true;
            }
        };
        self.teed = Some(TeeBuffer {
            span: before.start..before.end + taken,
            bytes: self.system.teed(),
        });
        self.read_taken(taken, now);
        self.input_ready = taken == most;
        true
    }

    /// What [`System::tee`] took is read.
    fn read_taken(&mut self, taken: u64, now: Duration) {
        let mut left = taken;
        while left > 0 && self.relay.takes_input() {
            let space = self
                .relay
                .space(usize::try_from(left).unwrap_or(usize::MAX));
            if space.is_empty() {
                return self.stop_without_memory(now);
            }
            match self.system.read(space) {
                Transfer::Moved(count) => {
                    left -= count as u64;
                    self.relay.received(count, now);
                }
                other => return self.read_nothing(other, now),
            }
        }
    }

    /// How many bytes from the front of what is held are to be written as they were kept, if it is as it
    /// came and the output takes them at once. Pages may be filled anyhow, so that nobody knows what space
    /// they leave for the end of a record.
    pub(super) fn teed_to_write(&self, space: Space) -> Option<u64> {
        let teed = self.teed.as_ref()?;
        let fits = teed.bytes > 0 && teed.bytes <= space.free;
        (fits && self.relay.holds_just(&teed.span)).then_some(teed.bytes)
    }

    /// A turn is over.
    pub(super) fn drop_teed(&mut self) {
        if self.teed.take().is_some() {
            self.system.drop_teed();
        }
    }
}
