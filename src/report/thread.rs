//! The reporter's thread: the only place that writes reports, and the only one that may get stuck.
//!
//! It ends when its inbox is closed and read to the end; the last word comes by a door of its
//! own, so that no flood of reports can keep it out.

use std::env;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use super::live::Live;
use super::output::{Descriptor, say};
use super::{Closing, error_line, json, plain, summary};
use crate::config::{ReportConfig, ReportMode};
use crate::core::snapshot::Snapshot;
use crate::engine::Event;

/// What the thread is told while the run goes on.
pub enum Message {
    /// A report. Boxed, because a full inbox of whole snapshots would be a large one.
    Report(Event, Box<Snapshot>),
    /// A line for people, complete but for the newline.
    Error(String),
    /// Leave the terminal clean, then answer.
    Suspend(SyncSender<()>),
}

/// What the thread is told at the end.
pub struct LastWord {
    /// Errors that found the inbox full.
    pub errors: Vec<String>,
    /// The summary, if one is wanted.
    pub summary: Option<(Box<Snapshot>, Closing)>,
    /// From then on, reports still in the inbox make way for the rest.
    pub hurry: Instant,
}

/// The thread's life. Dropping `done` tells the other side that it is over, however it ended.
pub fn run(
    inbox: Receiver<Message>,
    last: Receiver<LastWord>,
    mut scribe: Scribe,
    done: SyncSender<()>,
) {
    let mut last_word = None;
    for message in &inbox {
        last_word = last_word.or_else(|| last.try_recv().ok());
        match message {
            // The summary says it all, and on a slow terminal it must not queue behind these.
            Message::Report(Event::Interval | Event::Asked, _) if hurries(&last_word) => {}
            Message::Report(event, snapshot) => scribe.report(event, &snapshot),
            Message::Error(line) => scribe.error(line),
            Message::Suspend(answer) => {
                scribe.clear();
                let _ = answer.try_send(());
            }
        }
    }
    if let Some(last_word) = last_word.or_else(|| last.recv().ok()) {
        scribe.end(last_word);
    }
    drop(done);
}

fn hurries(last_word: &Option<LastWord>) -> bool {
    last_word
        .as_ref()
        .is_some_and(|word| Instant::now() >= word.hurry)
}

/// Puts reports into words, and words where they belong.
pub struct Scribe {
    config: ReportConfig,
    reports: Box<dyn Write + Send>,
    /// Where errors go if not to the same place as the reports.
    errors: Option<Box<dyn Write + Send>>,
    live: Option<Live>,
}

impl Scribe {
    /// A scribe that writes to `reports`, which is stderr unless `elsewhere`.
    pub fn new(config: ReportConfig, reports: Descriptor, elsewhere: bool) -> Scribe {
        let terminal = reports.is_terminal().then(|| reports.clone());
        // Unknown terminals are dumb, for indicatif as well.
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let live = (config.mode == ReportMode::Bar).then(|| Live::new(terminal, dumb));
        let stderr = || Box::new(Descriptor::Stderr) as Box<dyn Write + Send>;
        Scribe {
            config,
            reports: Box::new(reports),
            errors: elsewhere.then(stderr),
            live,
        }
    }

    #[cfg(test)]
    pub fn onto(config: ReportConfig, reports: Box<dyn Write + Send>) -> Scribe {
        let live = (config.mode == ReportMode::Bar).then(|| Live::new(None, false));
        Scribe {
            config,
            reports,
            errors: None,
            live,
        }
    }

    fn report(&mut self, event: Event, snapshot: &Snapshot) {
        let config = &self.config;
        let line = match (config.mode, event) {
            (ReportMode::Bar, Event::Interval) => {
                if let Some(live) = &mut self.live {
                    live.draw(snapshot, config, &mut *self.reports);
                }
                return;
            }
            (ReportMode::Json, event) => {
                let name = event_name(event).unwrap_or("interval");
                json::line(name, snapshot, config, None)
            }
            (ReportMode::Plain, event) => plain::line(event_name(event), snapshot, config),
            (_, Event::Loss) => summary::loss(snapshot, config),
            _ => summary::running(snapshot, config),
        };
        self.say(line);
    }

    /// A line among the reports, above the live one if there is one.
    fn say(&mut self, line: String) {
        match &mut self.live {
            Some(live) => live.around(&mut *self.reports, |out| say(out, line)),
            None => say(&mut *self.reports, line),
        }
    }

    /// Always on stderr.
    fn error(&mut self, line: String) {
        let line = error_line(line);
        match &mut self.errors {
            Some(errors) => say(&mut **errors, line),
            None => self.say(line),
        }
    }

    fn clear(&mut self) {
        if let Some(live) = &mut self.live {
            live.clear(&mut *self.reports);
        }
    }

    fn end(&mut self, last_word: LastWord) {
        self.clear();
        for line in last_word.errors {
            self.error(line);
        }
        if let Some((snapshot, closing)) = last_word.summary {
            self.say(self.summary(&snapshot, &closing));
        }
    }

    /// The words for the end, without the last newline.
    pub fn summary(&self, snapshot: &Snapshot, closing: &Closing) -> String {
        let config = &self.config;
        if config.mode == ReportMode::Json {
            return json::line("summary", snapshot, config, Some(closing));
        }
        let lines = summary::line(snapshot, config, closing);
        if config.statistics {
            return lines + "\n" + &closing.statistics.line();
        }
        lines
    }
}

/// The name of an event in reports; none for what an interval does, whoever asked for it.
pub fn event_name(event: Event) -> Option<&'static str> {
    match event {
        Event::Interval | Event::Asked => None,
        Event::Pressured => Some("pressured"),
        Event::Flowing => Some("flowing"),
        Event::Loss => Some("loss"),
        Event::Opened => Some("opened"),
        Event::Closed => Some("closed"),
    }
}
