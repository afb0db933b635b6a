//! `--events PATH`: a line for each change, as it happens.
//!
//! Nobody waits for the reader. While it is too slow, and the inbox is full, events are missed; how
//! many is told by a line of its own before the next one that gets through. Refuses to go on behind a
//! write that failed: what came of that line is not known.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::config::{Config, ReportConfig};
use crate::core::snapshot::Snapshot;
use crate::memory::Allowance;
use crate::report::end::End;
use crate::report::errors::StartError;
use crate::report::json;
use crate::report::thread::event_name;
use crate::reporter::Event;
use crate::sys::error_channel::ErrorChannel;
use crate::sys::log::{Log, Way};
use crate::sys::{Files, Role};
use crate::units::reason;

/// Events under way to the thread: with their accounts about half a megabyte. Several turns' worth of
/// a state that flaps as fast as it can.
pub const INBOX: usize = 1024;

/// The relay's side.
pub struct Events {
    inbox: SyncSender<News>,
    last: SyncSender<News>,
    end: End,
    missed: u64,
    untold: Untold,
    allowance: Allowance,
}

/// How many events there were that no line has told yet, nor counted as missed.
#[derive(Default, Clone)]
pub struct Untold(Arc<AtomicU64>);

impl Untold {
    /// So many, now.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn add(&self, events: u64) {
        self.0.fetch_add(events, Ordering::Relaxed);
    }

    fn told(&self, events: u64) {
        self.0.fetch_sub(events, Ordering::Release);
    }
}

/// What the thread is told.
struct News {
    /// Events that could not be told before this one.
    missed: u64,
    /// None where there is no more to tell than what was missed.
    event: Option<&'static str>,
    snapshot: Box<Snapshot>,
}

impl Events {
    /// Opens `path` for appending, and starts the thread that writes to it.
    ///
    /// # Errors
    ///
    /// The system's: as for `--report-to`, a FIFO that nobody reads is one; and where it is another one
    /// of the run's files as well.
    pub fn start(
        path: &Path,
        config: &Config,
        files: &Files,
        error_channel: ErrorChannel,
    ) -> Result<Events, StartError> {
        let opened = Log::open(path, Role::Events, Way::Lines, files, error_channel.clone());
        let opened = opened.and_then(|out| {
            let name = format!("{} (--events)", path.display());
            Events::onto(out, name, config.report.clone(), error_channel)
        });
        opened.map_err(StartError::path("write events", "--events", path))
    }

    /// The same with anything to write to; `name` is what it is called when that fails.
    pub fn onto(
        out: impl Write + Send + 'static,
        name: String,
        config: ReportConfig,
        error_channel: ErrorChannel,
    ) -> io::Result<Events> {
        let (inbox, news) = sync_channel(INBOX);
        let (last, last_news) = sync_channel(1);
        let untold = Untold::default();
        let mut writer = Writer {
            out,
            config,
            untold: untold.clone(),
        };
        let work = move || {
            if let Err(error) = writer.run(&news, &last_news) {
                let reason = reason(&error);
                error_channel.say(format!(
                    "cannot write events to {name}: {reason}; no more of them are written"
                ));
            }
        };
        Ok(Events {
            end: End::of("events", work)?,
            inbox,
            last,
            missed: 0,
            untold,
            allowance: Allowance::default(),
        })
    }

    /// Whether an event is one of those that are told.
    pub fn tells(event: Event) -> bool {
        event_name(event).is_some()
    }

    /// Hands an event over, or counts it as missed.
    pub fn tell(&mut self, event: Event, snapshot: &Snapshot) {
        let Some(name) = event_name(event) else {
            return;
        };
        self.untold.add(1);
        if !self.allowance.take(size_of::<Snapshot>()) {
            self.missed += 1;
            return;
        }
        let news = News {
            missed: self.missed,
            event: Some(name),
            snapshot: Box::new(snapshot.clone()),
        };
        match self.inbox.try_send(news) {
            Ok(()) => self.missed = 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.missed += 1,
        }
    }

    /// So many events could not even be handed over.
    pub fn missed(&mut self, events: u64) {
        self.missed += events;
        self.untold.add(events);
    }

    /// There is no more to come: what is under way is still written. What of it could not be is known
    /// then.
    pub fn close(self, snapshot: &Snapshot) -> (End, Untold) {
        let _ = self.last.try_send(News {
            missed: self.missed,
            event: None,
            snapshot: Box::new(snapshot.clone()),
        });
        (self.end, self.untold)
    }
}

/// The thread's side.
struct Writer<W> {
    out: W,
    config: ReportConfig,
    untold: Untold,
}

impl<W: Write> Writer<W> {
    fn run(&mut self, inbox: &Receiver<News>, last: &Receiver<News>) -> io::Result<()> {
        for news in inbox {
            self.tell(&news)?;
        }
        match last.try_recv() {
            Ok(news) => self.tell(&news),
            Err(_) => Ok(()),
        }
    }

    fn tell(&mut self, news: &News) -> io::Result<()> {
        if news.missed > 0 {
            let missed = Some(news.missed);
            self.say(json::line("missed", missed, &news.snapshot, &self.config))?;
            self.untold.told(news.missed);
        }
        if let Some(event) = news.event {
            self.say(json::line(event, None, &news.snapshot, &self.config))?;
            self.untold.told(1);
        }
        Ok(())
    }

    /// A line at once, so that lines of several processes mix only as wholes.
    fn say(&mut self, line: String) -> io::Result<()> {
        self.out.write_all((line + "\n").as_bytes())
    }
}
