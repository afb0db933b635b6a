//! The interface below the loop: all that it asks of the world, and the answers.
//!
//! A leaf: `engine` calls it, `sys` implements it with real descriptors, the simulator with scripts.
//! Refuses to hold anything.

use std::io::{self, IoSlice};
use std::time::Duration;

#[cfg(doc)]
use crate::config::RelayConfig;
use crate::core::allowance::demand::Grant;
use crate::core::allowance::space::Space;
use crate::core::loss::sent::Leftover;
use crate::core::moderation::Levels;
use crate::exit::Exit;

/// All that the loop asks of the world. `sys` implements it with real descriptors; a simulator
/// implements it with scripts. No call but [`System::wait`] may block for longer than a disk
/// takes.
pub trait System {
    /// Time since the start of the run, without the time the process was stopped.
    fn now(&mut self) -> Duration;

    /// Reads at most `space.len()` (>= 1) bytes of input.
    fn read(&mut self, space: &mut [u8]) -> Transfer;

    /// Writes from the front of `parts` (not empty) to the output.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> Transfer;

    /// Moves at most `most` (>= 1) bytes from one place to another without bringing them into memory,
    /// and without waiting for either.
    fn splice(&mut self, from: Place, to: Place, most: u64) -> Transfer;

    /// The next thing that the consumer asked for, without waiting for it. Only with
    /// [`RelayConfig::on_demand`].
    fn take_grant(&mut self) -> Granted;

    /// Takes at most `most` (>= 1) bytes of input to where the next [`System::read`]s find them, and keeps
    /// them, behind `front`, which was read before, without copying: as what [`System::write_teed`]
    /// writes. Nothing may be kept yet.
    fn tee(&mut self, front: &[IoSlice<'_>], most: u64) -> Transfer;

    /// How many bytes are kept, those of `front` among them: as many as there was space for.
    fn teed(&self) -> u64;

    /// Writes at most `most` (>= 1) bytes from the front of what is kept.
    fn write_teed(&mut self, most: u64) -> Transfer;

    /// Nothing is kept any more.
    fn drop_teed(&mut self);

    /// How full the pipes at both ends are.
    fn levels(&mut self) -> Levels {
        Levels::default()
    }

    /// Waits until something of `interest` can be done, a signal came, the output's reader went
    /// away, or the time is `until`; whichever is first. May return early with nothing ready. What is
    /// under way when the reader has gone is decided before this says so.
    fn wait(&mut self, interest: Interest, until: Option<Duration>) -> Ready;

    /// Leaves input and output alone until then, or until a signal came or the output's reader went away. What is of
    /// `interest` counts as ready afterwards: it is not asked for.
    fn pause(&mut self, interest: Interest, until: Duration) -> Ready {
        Ready {
            input: interest.input,
            output: interest.output,
            ..self.wait(Interest::default(), Some(until))
        }
    }

    /// The next signal that came, if any. Cheap when none came.
    fn take_signal(&mut self) -> Option<Signal>;

    /// Whether a read would deliver at least one byte, without taking it. End of input is no byte.
    fn input_pending(&mut self) -> bool;

    /// All signals that have come by now will be told by the next calls of [`System::take_signal`]: before it is
    /// judged what somebody else did who may have got the same one.
    fn settle_signals(&mut self) {}

    /// Does something that takes its time, but ends: meanwhile the loop is not taken for one that hangs.
    fn during(&mut self, wait: &mut dyn FnMut()) {
        wait();
    }

    /// The run is about to be cut short: no regular file is opened any more. Returns whether what is being
    /// read may be read on, for it is none.
    fn leave_files(&mut self) -> bool {
        true
    }

    /// The last `bytes` bytes that were read are no part of the input: where others read from the same place
    /// behind us, they shall find them.
    fn put_back(&mut self, _bytes: usize) {}

    /// What the output has space for, if it matters up to `most` bytes.
    fn output_space(&mut self, _most: u64) -> Space {
        Space::UNKNOWN
    }

    /// Whether a write that accepted a part would accept more at once, since it was only too much for one
    /// call.
    fn takes_more(&mut self) -> bool {
        false
    }

    /// How many bytes that the output accepted its reader has not read yet; 0 where that cannot be
    /// known. Cheap enough for each report, not for each write.
    fn output_unread(&mut self) -> u64 {
        0
    }

    /// What the output accepted and its reader, which is gone, has not read; with the bytes themselves if
    /// these are `wanted`, where they can be had. Called once, before [`System::close_output`].
    fn take_unread(&mut self, wanted: bool) -> Leftover;

    /// Whether [`System::take_unread`] will give the bytes back where more than one may be unread.
    fn gives_unread_back(&self) -> bool {
        true
    }

    /// The same as [`System::output_unread`], exactly, where what was not read may have to be written again.
    fn unread_by_consumer(&mut self) -> u64 {
        self.output_unread()
    }

    /// Nobody reads the output, but somebody may: until [`System::start_consumer`] it takes nothing.
    fn part_with_consumer(&mut self) {}

    /// Starts a reader of the output, or begins to write to one that has come.
    ///
    /// # Errors
    ///
    /// The system's.
    fn start_consumer(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// What people call the output.
    fn output_name(&self) -> String {
        "stdout".to_owned()
    }

    /// Ends reading for good: the producer learns it at its next write.
    fn close_input(&mut self);

    /// Ends writing for good: the consumer sees end of file.
    ///
    /// # Errors
    ///
    /// The system's: some of what was accepted was not kept after all. Once, and not after a write
    /// failed.
    fn close_output(&mut self) -> io::Result<()>;

    /// The run is over, but for its last word: waits for who else decides how it ends, and returns what a shell shall
    /// see of all. After a signal that takes no longer than `drain_timeout` before it is told of that.
    fn finish(&mut self, exit: Exit, _drain_timeout: Duration) -> Exit {
        exit
    }

    /// Stops the process as SIGTSTP does by default; returns when it is continued. The time
    /// between does not count.
    fn suspend(&mut self);
}

/// The answer to [`System::read`], [`System::write`] and [`System::splice`]. Which of these each may give is
/// in brackets.
#[derive(Debug)]
pub enum Transfer {
    /// So many bytes (>= 1) came, went out, or moved (all).
    Moved(usize),
    /// Nothing now: nothing came, or there is no space; of a splice it cannot be told which (all).
    WouldBlock,
    /// So many bytes (>= 1) from the front are written by a thread: not accepted yet, and no longer to be
    /// taken back. A later call reports them as moved; until then calls answer `WouldBlock` (write).
    InFlight(usize),
    /// These two places do not go together, or a pipe cannot be made: read and write instead. From the input
    /// straight to the output, also when something is wrong with one of the two (splice).
    Unable,
    /// No more input, ever (read, splice).
    End,
    /// A source failed; the next read goes on with the next source, or ends (read, splice).
    SourceFailed(SourceError),
    /// The reader of the output is gone (write, splice).
    Gone,
    /// The output failed otherwise (write, splice).
    Failed(io::Error),
}

/// What went wrong with one source.
#[derive(Debug)]
pub struct SourceError {
    /// So many bytes were taken from it before, and can't be had: they are lost, and nothing that follows may
    /// be read as if it came next.
    pub taken: u64,
    /// `stdin` or the file's name, for people.
    pub name: String,
    /// What was tried: `open` or `read`, or another verb for people.
    pub verb: &'static str,
    /// The system's word.
    pub error: io::Error,
}

/// Where bytes come from or go to without coming into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What [`System::read`] reads.
    Input,
    /// A pipe of our own, by its number from 0; made when it is first named.
    Pipe(usize),
    /// What [`System::write`] writes.
    Output,
}

/// The answer to [`System::take_grant`].
#[derive(Debug)]
pub enum Granted {
    /// So much, by the line of that number, from 1.
    Grant(Grant, u64),
    /// Nothing now.
    WouldBlock,
    /// Nothing more will be asked for.
    End,
    /// What is wrong, and where, for people.
    Failed(String),
}

/// What a wait is for, beside signals and the output's death, which always end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// Something to read, or the end of input.
    pub input: bool,
    /// Space to write.
    pub output: bool,
    /// A grant.
    pub demand: bool,
}

/// What a wait found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// A read will not answer `WouldBlock`, or rarely.
    pub input: bool,
    /// A write will not answer `WouldBlock`, or rarely.
    pub output: bool,
    /// There may be a grant.
    pub demand: bool,
    /// The reader of the output is gone.
    pub output_gone: bool,
    /// The process has ended that was started to read the output.
    pub consumer_ended: Option<Exit>,
    /// Somebody opened the output to read it: for [`System::start_consumer`].
    pub consumer_came: bool,
}

/// A signal that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, SIGTERM or SIGHUP, by number.
    Terminate(i32),
    /// SIGUSR1: print one report now.
    Report,
    /// SIGTSTP: the user wants the process to stop for a while.
    Suspend,
}
