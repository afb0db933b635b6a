//! All who are told of a run, as one [`Reporter`]: the report, and beside it whoever else was asked
//! for. None of them knows of the others, and none can hold up the data: each has a thread of its
//! own, and the relay's thread only hands copies over.
//!
//! ```text
//! events     --events: a JSON line for each change
//! commands   --on-pressure, --on-flow, --on-respawn: a shell command for each change
//! lost       --lost-to: the lost records themselves
//! ```
//!
//! What goes wrong with one of them is one line on stderr, and no more than that.

mod commands;
mod events;
mod lost;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::end::LAST_WORD;
use super::errors::StartError;
use super::threaded::{ThreadedReporter, start_report};
use crate::config::Config;
use crate::core::loss::dead_letters::Batch;
use crate::core::snapshot::Snapshot;
use crate::reporter::{Event, Reporter};
use crate::sys::Files;
use crate::sys::error_channel::ErrorChannel;
pub use commands::environment;
use commands::{Commands, hooks};
use events::{Events, Untold};
use lost::Lost;

/// How long the end of the run waits for lost records to be written: what was held may be among them,
/// and is not said again.
const LOST_RECORDS: Duration = Duration::from_secs(1);

/// Set to 1, it makes hwm tell the plan of each turn on stderr, as CONTRIBUTING.md says. As all errors these lines
/// are dropped where nobody reads them in time.
const TRACE: &str = "HWM_TRACE";

/// Prepares whoever is told of a run: opens what is written to, creating it or appending to it, and
/// starts the threads.
///
/// # Errors
///
/// The first that cannot be opened, as a FIFO that nobody reads, or started.
pub fn start(config: &Config, files: &Files) -> Result<Reporters, StartError> {
    let mut report = start_report(&config.report, files)?;
    let asked = &config.observers;
    let is_alone = *asked == Default::default();
    let error_channel = match is_alone {
        true => ErrorChannel::default(),
        false => report.error_channel(),
    };
    let start_events = |path| Events::start(path, config, files, error_channel.clone());
    let start_commands = |hooks| Commands::start(hooks, &config.report, error_channel.clone());
    let commands: Result<Vec<_>, _> = hooks(asked).into_iter().map(start_commands).collect();
    let commands = commands?;
    Ok(Reporters {
        events: asked.events.as_deref().map(start_events).transpose()?,
        commands: commands.into_iter().flatten().collect(),
        lost: Lost::start(config, files, error_channel.clone())?,
        report,
        error_channel,
        traces: std::env::var_os(TRACE).is_some_and(|value| value == "1"),
    })
}

/// See the module's header.
pub struct Reporters {
    report: ThreadedReporter,
    events: Option<Events>,
    commands: Vec<Commands>,
    lost: Option<Lost>,
    error_channel: ErrorChannel,
    /// Each turn's plan is told.
    traces: bool,
}

impl Reporter for Reporters {
    fn wants(&self, event: Event, now: Duration) -> bool {
        self.report.wants(event, now)
            || (self.events.is_some() && Events::tells(event))
            || self.commands.iter().any(|commands| commands.tells(event))
    }

    fn wants_each_loss(&self) -> bool {
        self.events.is_some()
    }

    fn report(&mut self, event: Event, snapshot: &Snapshot) {
        let snapshot = &*self.with_spilled(snapshot);
        self.report.report(event, snapshot);
        for commands in &mut self.commands {
            commands.tell(event, snapshot);
        }
        if let Some(events) = &mut self.events {
            events.tell(event, snapshot);
        }
    }

    fn next_sample(&self) -> Option<Duration> {
        self.report.next_sample()
    }

    fn sample(&mut self, snapshot: &Snapshot) {
        self.report.sample(snapshot);
    }

    fn missed(&mut self, changes: u64, snapshot: &Snapshot) {
        for commands in &mut self.commands {
            commands.catch_up(snapshot);
        }
        if let Some(events) = &mut self.events {
            events.missed(changes);
        }
    }

    fn space_for_lost(&self) -> u64 {
        self.lost.as_ref().map_or(0, Lost::space)
    }

    fn take_lost(&mut self, batch: Batch) {
        if let Some(lost) = &self.lost {
            lost.take(batch);
        }
    }

    fn traces(&self) -> bool {
        self.traces
    }

    fn message(&mut self, line: String) {
        self.report.message(line);
    }

    fn suspend(&mut self) {
        self.report.suspend();
    }

    fn retire(&mut self, snapshot: &Snapshot) {
        self.report.retire(snapshot);
    }

    fn finish(&mut self, snapshot: &Snapshot) {
        // All at once are told that it is over; then each is waited for, within one bound.
        let (events, untold) = self
            .events
            .take()
            .map(|events| events.close(snapshot))
            .unzip();
        let commands: Vec<_> = self.commands.drain(..).map(Commands::close).collect();
        let lost = self.lost.as_mut().and_then(Lost::close);
        let begin = Instant::now();
        for end in events.into_iter().chain(commands) {
            end.wait(begin + LAST_WORD);
        }
        if let Some(end) = lost {
            end.wait(begin + LOST_RECORDS);
        }
        self.error_channel.close();
        self.report.untold_events = untold.as_ref().map_or(0, Untold::count);
        let snapshot = &*self.with_spilled(snapshot);
        self.report.finish(snapshot);
    }
}

impl Reporters {
    /// The account with what became of the lost records, which the relay cannot know.
    fn with_spilled<'a>(&self, snapshot: &'a Snapshot) -> Cow<'a, Snapshot> {
        let (Some(lost), Some(handed)) = (&self.lost, snapshot.dead_letters) else {
            return Cow::Borrowed(snapshot);
        };
        Cow::Owned(Snapshot {
            dead_letters: Some(lost.dead_letters(handed)),
            ..snapshot.clone()
        })
    }
}

impl Drop for Reporters {
    fn drop(&mut self) {
        // Or the report's thread would wait for the error channel, and its end would be waited for in vain.
        self.error_channel.close();
    }
}
