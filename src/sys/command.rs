//! The command of `-M`, put behind our stdout or before our stdin as a shell would put it there: from then on
//! descriptor 1 or 0 is our end of the pipe between the two. All else it has from us.
//!
//! It is told of a signal that ends us when that is of use to it: before our stdin at once, so that its last
//! words still come; behind our stdout when it has been given what was held, and has not ended by itself in the
//! time that a drain may take. A key at the terminal reaches it without us. A second signal is passed on at once.
//!
//! Refuses to end it by other means, and to go before it unless a second signal came: whoever waits for us wants
//! its status.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Child, ExitStatus};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, kill_process};
use signal_hook::consts::{SIGINT, SIGPIPE};

use super::clock::Clock;
use super::job;
use super::poll::PollSet;
use super::signals::{self, Signals};
use super::startup::StartError;
use super::watchdog::allow_signals;
use crate::config::{MonitoredCommand, Side};
use crate::core::signal_history::{Heard, SignalHistory};
use crate::exit::Exit;
use crate::system::Signal;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Command {
    wanted: MonitoredCommand,
    child: Child,
    /// How it ended. Its number may be another process's then.
    end: Option<End>,
    signals: SignalHistory,
    /// The first signal, which it was not told yet, and when it came.
    owed: Option<Owed>,
    /// A second signal came.
    leaves: bool,
}

#[derive(Debug, Clone, Copy)]
struct Owed {
    number: i32,
    came: Duration,
    /// It may have got it from the terminal.
    is_key: bool,
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
        let program = wanted.program.display().to_string();
        let child = connect(wanted).map_err(|error| StartError::Command(program, error));
        Ok(Command {
            wanted: wanted.clone(),
            child: child?,
            end: None,
            signals: SignalHistory::default(),
            owed: None,
            leaves: false,
        })
    }

    /// Starts another in its place, when it has ended.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.child = connect(&self.wanted)?;
        self.end = None;
        Ok(())
    }

    /// Whether our stdout is the pipe to it.
    pub(super) fn reads_stdout(&self) -> bool {
        self.wanted.side == Side::In
    }

    /// Whether another follows it.
    pub(super) fn respawns(&self) -> bool {
        self.wanted.respawns
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        self.wanted.program.display().to_string()
    }

    /// Looks whether it has ended, so that it is no zombie for as long as we go on. Returns how, when that is news.
    pub(super) fn reap(&mut self) -> Option<Exit> {
        if self.end.is_some() {
            return None;
        }
        self.end = match self.child.try_wait() {
            Ok(status) => status.map(End::Status),
            Err(_) => Some(End::Unknown),
        };
        self.end.map(|end| match end {
            End::Unknown => Exit::Status(0),
            End::Status(status) => match status.signal() {
                Some(number) => Exit::Signal(number),
                None => exit_of(status),
            },
        })
    }

    /// A signal came that ends us.
    pub(super) fn hear(&mut self, number: i32, now: Duration) {
        let Some(heard) = self.signals.note(number, now) else {
            return;
        };
        self.leaves |= heard == Heard::Again;
        self.owed = None;
        let is_key = number == SIGINT && job::gets_keys(Pid::from_child(&self.child));
        let waits = is_key || self.wanted.side == Side::In && !self.leaves;
        if !waits {
            self.pass_on(number);
        } else if !self.leaves {
            let came = now;
            self.owed = Some(Owed {
                number,
                came,
                is_key,
            });
        }
    }

    /// Waits for its end, when nothing comes from us or goes to us any more. Returns its status where `exit`, ours,
    /// tells of nothing. After a signal it has until `drain_timeout` after that to end by itself before it is told.
    pub(super) fn finish(
        mut self,
        exit: Exit,
        drain_timeout: Duration,
        signals: &Signals,
        clock: &mut Clock,
    ) -> Exit {
        let mut exit = exit;
        loop {
            while let Some(signal) = signals.take() {
                match signal {
                    Signal::Terminate(number) => {
                        self.hear(number, clock.now());
                        exit = by_signal(exit, number);
                    }
                    Signal::Suspend => clock.hold_during(signals::stop),
                    Signal::Report => {}
                }
            }
            self.reap();
            match self.end {
                None if self.leaves => return exit,
                None => {}
                Some(End::Status(status)) => return self.joined(exit, status),
                Some(End::Unknown) => return exit,
            }
            let limit = self.tell_what_is_owed(drain_timeout, clock.now());
            let mut set = PollSet::new();
            set.add(signals.pipe(), PollFlags::IN);
            // Whatever woke us: all is looked at again.
            let _ = signals.wait(|| set.wait(limit));
            signals.drain();
        }
    }

    /// Passes the first signal on when it is time to; returns how long it is until then.
    fn tell_what_is_owed(&mut self, drain_timeout: Duration, now: Duration) -> Option<Duration> {
        let owed = self.owed?;
        // Who interrupts waits for the prompt.
        let at_once = owed.number == SIGINT && !owed.is_key;
        let patience = if at_once {
            Duration::ZERO
        } else {
            drain_timeout
        };
        let left = owed.came.saturating_add(patience).saturating_sub(now);
        if left > Duration::ZERO {
            return Some(left);
        }
        self.owed = None;
        self.pass_on(owed.number);
        None
    }

    /// What a shell shall see of both. A consumer that failed is why it is gone.
    fn joined(&self, exit: Exit, status: ExitStatus) -> Exit {
        let its = exit_of(status);
        let has_failed = its != Exit::Status(0);
        match exit {
            Exit::Status(0) => its,
            Exit::Signal(SIGPIPE) if self.wanted.side == Side::In && has_failed => its,
            ours => ours,
        }
    }

    fn pass_on(&mut self, number: i32) {
        self.reap();
        if let Some(signal) = rustix::process::Signal::from_named_raw(number)
            && self.end.is_none()
        {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }
}

/// As a shell shows it.
fn exit_of(status: ExitStatus) -> Exit {
    let shown = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Exit::Status(u8::try_from(shown).unwrap_or(u8::MAX))
}

/// How we end when a signal comes late: of two, SIGINT decides, or else the first.
fn by_signal(exit: Exit, number: i32) -> Exit {
    match exit {
        Exit::Signal(before) if before != SIGPIPE && number != SIGINT => exit,
        _ => Exit::Signal(number),
    }
}

/// Starts a command, with our end of a pipe to it in the place of descriptor 1 or 0.
fn connect(wanted: &MonitoredCommand) -> io::Result<Child> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
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
    let child = spawn(command)?;
    match wanted.side {
        Side::In => rustix::stdio::dup2_stdout(ours)?,
        Side::Out => rustix::stdio::dup2_stdin(ours)?,
    }
    Ok(child)
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
