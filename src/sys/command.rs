//! The command of `-M`, put behind our stdout or before our stdin as a shell would put it there: from then on
//! descriptor 1 or 0 is our end of the pipe between the two. All else it has from us.
//!
//! It hears of a signal that ends us when that is of use to it: before our stdin at once, so that its last words
//! still come; behind our stdout when it has been given what was held, and has not ended by itself. A key at the
//! terminal reaches it without us.
//!
//! Refuses to end it by other means, and to go before it: whoever waits for us wants its status.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, kill_process};
use signal_hook::consts::{SIGINT, SIGPIPE};

use super::job;
use super::poll::PollSet;
use super::signals::{self, Signals};
use super::startup::StartError;
use super::watchdog::allow_signals;
use crate::config::{MonitoredCommand, Side};
use crate::exit::Exit;
use crate::system::Signal;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Command {
    child: Child,
    side: Side,
    /// How it ended. Its number may be another process's then.
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Status(ExitStatus),
    /// Somebody else reaped it.
    Unknown,
}

impl Command {
    /// Starts it. Before we read or write descriptors 0 and 1, and when signals are heard already.
    ///
    /// # Errors
    ///
    /// It cannot be started, or there is no pipe to it.
    pub(super) fn start(
        wanted: &MonitoredCommand,
        signals: &Signals,
    ) -> Result<Command, StartError> {
        let listens = signals.wake_by_children();
        listens.map_err(StartError::system("listen for signals"))?;
        let pipe = pipe_with(PipeFlags::CLOEXEC);
        let (reader, writer) = pipe.map_err(StartError::system("make a pipe"))?;
        let mut command = process::Command::new(&wanted.program);
        command.args(&wanted.arguments);
        let ours = match wanted.side {
            Side::In => {
                command.stdin(reader);
                writer
            }
            Side::Out => {
                command.stdout(writer);
                reader
            }
        };
        let child = spawn(command)
            .map_err(|error| StartError::Command(wanted.program.display().to_string(), error))?;
        let placed = match wanted.side {
            Side::In => rustix::stdio::dup2_stdout(ours),
            Side::Out => rustix::stdio::dup2_stdin(ours),
        };
        placed.map_err(StartError::system("reach the command of -M"))?;
        let side = wanted.side;
        Ok(Command {
            child,
            side,
            end: None,
        })
    }

    /// Whether it is what reads our stdout.
    pub(super) fn reads_stdout(&self) -> bool {
        self.side == Side::In
    }

    /// Looks whether it has ended, so that it is no zombie for as long as we go on.
    pub(super) fn reap(&mut self) {
        if self.end.is_none() {
            self.end = match self.child.try_wait() {
                Ok(status) => status.map(End::Status),
                Err(_) => Some(End::Unknown),
            };
        }
    }

    /// A signal came that ends us.
    pub(super) fn hear(&self, number: i32) {
        if self.side == Side::Out {
            self.pass_on(number);
        }
    }

    /// Waits for its end, when nothing comes from us or goes to us any more. Returns its status where `exit`, ours,
    /// tells of nothing; after a signal it may end by itself for `grace` before it is told. A signal that comes now
    /// is passed on, and a second one ends the wait.
    pub(super) fn finish(mut self, exit: Exit, grace: Duration, signals: &Signals) -> Exit {
        let mut exit = exit;
        let (mut was_signalled, mut owed) = match exit {
            Exit::Signal(number) if number != SIGPIPE => {
                let grace = if number == SIGINT {
                    Duration::ZERO
                } else {
                    grace
                };
                let owed = (Instant::now() + grace, number);
                (true, (self.side == Side::In).then_some(owed))
            }
            _ => (false, None),
        };
        loop {
            self.reap();
            match self.end {
                None => {}
                Some(End::Status(status)) => return self.joined(exit, status),
                Some(End::Unknown) => return exit,
            }
            while let Some(signal) = signals.take() {
                match signal {
                    Signal::Terminate(number) => {
                        self.pass_on(number);
                        exit = Exit::Signal(number);
                        if std::mem::replace(&mut was_signalled, true) {
                            return exit;
                        }
                        owed = None;
                    }
                    Signal::Suspend => signals::stop(),
                    Signal::Report => {}
                }
            }
            if let Some((at, number)) = owed
                && Instant::now() >= at
            {
                self.pass_on(number);
                owed = None;
            }
            let limit = owed.map(|(at, _)| at.saturating_duration_since(Instant::now()));
            let mut set = PollSet::new();
            set.add(signals.pipe(), PollFlags::IN);
            // Whatever woke us: all is looked at again.
            let _ = signals.wait(|| set.wait(limit));
            signals.drain();
        }
    }

    /// What a shell shall see of both. A consumer that failed is why it is gone.
    fn joined(&self, exit: Exit, status: ExitStatus) -> Exit {
        let its = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let its = Exit::Status(u8::try_from(its).unwrap_or(u8::MAX));
        let has_failed = its != Exit::Status(0);
        match exit {
            Exit::Status(0) => its,
            Exit::Signal(SIGPIPE) if self.side == Side::In && has_failed => its,
            ours => ours,
        }
    }

    /// Unless it got it from the terminal as we did.
    fn pass_on(&self, number: i32) {
        let is_a_key = number == SIGINT && File::open("/dev/tty").is_ok_and(job::is_foreground);
        if let Some(signal) = rustix::process::Signal::from_named_raw(number)
            && !is_a_key
            && self.end.is_none()
        {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }
}

/// A child has the signals blocked that the thread has which starts it, and under a watchdog ours has all.
fn spawn(mut command: process::Command) -> io::Result<Child> {
    thread::scope(|scope| {
        let starter = thread::Builder::new().spawn_scoped(scope, || {
            allow_signals();
            command.spawn()
        })?;
        let died = || Err(io::Error::other("the thread that starts it died"));
        starter.join().unwrap_or_else(|_| died())
    })
}
