//! All who are told of a run, as one [`Reporter`]: the report, and beside it whoever else was asked
//! for. None of them knows of the others, and none can hold up the data: each has a thread of its
//! own, and the relay's thread only hands copies over.
//!
//! ```text
//! events     --events: a JSON line for each change
//! commands   --on-pressure, --on-flow: a shell command for each change of state
//! ```
//!
//! What goes wrong with one of them is one line on stderr, and no more than that.

mod commands;
mod events;
#[cfg(test)]
mod tests;

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::{Complaints, LAST_WORD, StartError, ThreadedReporter, start_report};
use crate::config::Config;
use crate::core::snapshot::Snapshot;
use crate::engine::{Event, Reporter};
use commands::Commands;
use events::Events;

/// Prepares whoever is told of a run: opens what is written to, creating it or appending to it, and
/// starts the threads.
///
/// # Errors
///
/// The first that cannot be opened, as a FIFO that nobody reads, or started.
pub fn start(config: &Config) -> Result<Reporters, StartError> {
    let mut report = start_report(&config.report)?;
    let asked = &config.sideways;
    let is_alone = *asked == Default::default();
    let complaints = match is_alone {
        true => Complaints::default(),
        false => Complaints::to(&mut report),
    };
    let start_events = |path| Events::start(path, &config.report, complaints.clone());
    Ok(Reporters {
        events: asked.events.as_deref().map(start_events).transpose()?,
        commands: Commands::start(asked, &config.report, complaints.clone())?,
        report,
        complaints,
    })
}

/// See the module's header.
pub struct Reporters {
    report: ThreadedReporter,
    events: Option<Events>,
    commands: Option<Commands>,
    complaints: Complaints,
}

impl Reporter for Reporters {
    fn wants(&self, event: Event, now: Duration) -> bool {
        self.report.wants(event, now)
            || (self.events.is_some() && Events::tells(event))
            || (self.commands.is_some() && Commands::tells(event))
    }

    fn wants_each_loss(&self) -> bool {
        self.events.is_some()
    }

    fn report(&mut self, event: Event, snapshot: &Snapshot) {
        self.report.report(event, snapshot);
        if let Some(commands) = &self.commands {
            commands.tell(event, snapshot);
        }
        if let Some(events) = &mut self.events {
            events.tell(event, snapshot);
        }
    }

    fn missed(&mut self, changes: u64) {
        if let Some(events) = &mut self.events {
            events.missed(changes);
        }
    }

    fn message(&mut self, line: String) {
        self.report.message(line);
    }

    fn suspend(&mut self) {
        self.report.suspend();
    }

    fn finish(&mut self, snapshot: &Snapshot) {
        // All at once are told that it is over; then each is waited for, within one bound.
        let events = self.events.take().map(|events| events.close(snapshot));
        let commands = self.commands.take().map(Commands::close);
        let deadline = Instant::now() + LAST_WORD;
        for end in [events, commands].into_iter().flatten() {
            end.wait(deadline);
        }
        self.complaints.close();
        self.report.finish(snapshot);
    }
}

impl Drop for Reporters {
    fn drop(&mut self) {
        // Or the report's thread would wait for complaints, and its end would be waited for in vain.
        self.complaints.close();
    }
}

/// The end of a thread that was told to end: disconnected when it has.
struct End(Receiver<()>);

impl End {
    fn wait(self, deadline: Instant) {
        let _ = self
            .0
            .recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}
