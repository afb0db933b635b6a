//! The reporter's thread: the only place that writes reports, and the only one that may get stuck.
//!
//! It ends when its inbox is closed and read to the end; the last word comes by a door of its
//! own, so that no flood of reports can keep it out.

use std::env;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Instant, SystemTime};

use super::bar::Bar;
use super::format::{Abilities, Format};
use super::guard::{Defect, guarded};
use super::live::Live;
use super::metrics::Metrics;
use super::output::{self, Descriptor, say};
use super::reports::Reports;
use super::{Closing, error_line, json, plain, summary};
use crate::config::{ReportConfig, ReportMode};
use crate::core::account::Reason;
use crate::core::snapshot::Snapshot;
use crate::engine::Event;
use crate::sys::Files;
use crate::units::reason;

/// The parts that may fail, each without the others.
const REPORT: &str = "report";
const METRICS: &str = "metrics file";
const ERRORS: &str = "report of errors";
pub const SUMMARY: &str = "summary";

/// What the thread is told while the run goes on.
pub enum Message {
    /// A report. Boxed, because a full inbox of whole snapshots would be a large one.
    Report(Event, Box<Snapshot>),
    /// A line for people, complete but for the newline.
    Error(String),
    /// Leave the terminal clean, then answer.
    Suspend(SyncSender<()>),
    /// The same for good, with the last live line if that is one that stays.
    Retire(Box<Snapshot>, SyncSender<()>),
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

/// The thread's life.
pub fn run(inbox: Receiver<Message>, last: Receiver<LastWord>, mut scribe: Scribe) {
    scribe.attempt(REPORT, Scribe::begin);
    let mut last_word = None;
    for message in &inbox {
        last_word = last_word.or_else(|| last.try_recv().ok());
        match message {
            // The summary says it all, and on a slow terminal it must not queue behind these.
            Message::Report(Event::Interval | Event::Asked, _) if hurries(&last_word) => {}
            Message::Report(event, snapshot) => {
                scribe.keep_metrics(event, &snapshot);
                if !scribe.is_broken {
                    scribe.attempt(REPORT, |scribe| scribe.report(event, &snapshot));
                }
            }
            Message::Error(line) => scribe.error_at_all_costs(line),
            Message::Suspend(answer) => {
                scribe.attempt(REPORT, Scribe::suspend);
                let _ = answer.try_send(());
            }
            Message::Retire(snapshot, answer) => {
                scribe.attempt(REPORT, |scribe| scribe.retire(&snapshot));
                let _ = answer.try_send(());
            }
        }
        scribe.attempt(ERRORS, Scribe::tell_trouble);
    }
    if let Some(last_word) = last_word.or_else(|| last.recv().ok()) {
        scribe.end(last_word);
    }
}

fn hurries(last_word: &Option<LastWord>) -> bool {
    last_word
        .as_ref()
        .is_some_and(|word| Instant::now() >= word.hurry)
}

/// Puts reports into words, and words where they belong.
pub struct Scribe {
    config: ReportConfig,
    reports: Reports,
    /// Where errors go if not to the same place as the reports.
    errors: Option<Box<dyn Write + Send>>,
    live: Option<(Live, Face)>,
    metrics: Option<Metrics>,
    /// What could not be written, and was told.
    told: Told,
    /// Whether the live line was drawn at least once.
    shown: bool,
    /// Whether it was drawn for the last time.
    is_retired: bool,
    /// A defect was told; from then on only errors and the summary are.
    is_broken: bool,
}

/// Of what could not be written it was told that it could not.
#[derive(Default)]
struct Told {
    reports: bool,
    metrics: bool,
}

/// What composes the live line.
enum Face {
    Bar(Bar),
    Pv(Format),
}

impl Face {
    /// The face that `config` asks for; None where there is no live line.
    fn of(config: &ReportConfig, abilities: Abilities) -> Option<Face> {
        match (config.mode, &config.screen.display) {
            (ReportMode::Bar, _) => Some(Face::Bar(Bar::new(abilities))),
            (ReportMode::Pv, Some(display)) => {
                Some(Face::Pv(Format::new(display.clone(), abilities)))
            }
            _ => None,
        }
    }

    fn line(&mut self, at: &Snapshot, config: &ReportConfig, width: usize, last: bool) -> String {
        match self {
            Face::Bar(bar) => bar.line(at, config, width),
            Face::Pv(format) => format.line(at, config, width, last, SystemTime::now()),
        }
    }
}

impl Scribe {
    /// A scribe that writes to `reports`. The rows that several share are none of `files`.
    pub fn new(
        config: ReportConfig,
        reports: Reports,
        metrics: Option<Metrics>,
        files: &Files,
    ) -> Scribe {
        let terminal = reports.terminal().cloned();
        // Unknown terminals are dumb, for indicatif as well.
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let shows_colour = terminal.is_some() && !dumb;
        let is_forced = config.screen.force && config.mode == ReportMode::Pv;
        let abilities = Abilities {
            utf8: is_utf8(),
            colour: (shows_colour || is_forced) && !is_set("NO_COLOR"),
        };
        let live = Face::of(&config, abilities).map(|face| {
            let live = Live::new(terminal, dumb, config.mode, &config.screen, files);
            (live, face)
        });
        let stderr = || Box::new(Descriptor::Stderr) as Box<dyn Write + Send>;
        Scribe {
            config,
            errors: reports.is_elsewhere().then(stderr),
            reports,
            live,
            metrics,
            told: Told::default(),
            shown: false,
            is_retired: false,
            is_broken: false,
        }
    }

    #[cfg(test)]
    pub fn onto(config: ReportConfig, reports: Box<dyn Write + Send>) -> Scribe {
        Scribe::drawing(config, reports, None, Abilities::default())
    }

    /// One that writes to anything, and draws on `terminal` if there is one.
    pub fn drawing(
        config: ReportConfig,
        reports: Box<dyn Write + Send>,
        terminal: Option<Descriptor>,
        abilities: Abilities,
    ) -> Scribe {
        let live = Face::of(&config, abilities).map(|face| {
            let files = Files::default();
            let live = Live::new(terminal, false, config.mode, &config.screen, &files);
            (live, face)
        });
        Scribe {
            config,
            reports: Reports::onto(reports),
            errors: None,
            live,
            metrics: None,
            told: Told::default(),
            shown: false,
            is_retired: false,
            is_broken: false,
        }
    }

    /// Does a piece of work. Where that panics, it is told once, the live line is left as it is, and
    /// reports end; whoever waits for the data never learns. Returns whether it is done.
    fn attempt(&mut self, name: &str, work: impl FnOnce(&mut Scribe)) -> bool {
        let Err(Defect(defect)) = guarded(name, || work(self)) else {
            return true;
        };
        let line = format!("a defect in the {name} ends it, and the data goes on: {defect}");
        if name == METRICS {
            self.metrics = None;
            output::say_now(error_line(line));
            return false;
        }
        // Not dropped: it may be what broke.
        let has_left_a_line = self.live.take().is_some_and(|live| {
            std::mem::forget(live);
            self.shown
        });
        if !std::mem::replace(&mut self.is_broken, true) {
            let begin = if has_left_a_line { "\n" } else { "" };
            output::say_now(format!("{begin}{}", error_line(line)));
        }
        false
    }

    /// What cannot be said among the reports is said without them.
    fn error_at_all_costs(&mut self, line: String) {
        if !self.attempt(ERRORS, |scribe| scribe.error(line.clone())) {
            output::say_now(error_line(line));
        }
    }

    pub fn begin(&mut self) {
        if let Some((live, _)) = &mut self.live {
            live.begin(&mut self.reports);
        }
    }

    fn keep_metrics(&mut self, event: Event, snapshot: &Snapshot) {
        if event == Event::Interval && self.metrics.is_some() {
            self.attempt(METRICS, |scribe| scribe.write_metrics(snapshot));
        }
    }

    pub fn report(&mut self, event: Event, snapshot: &Snapshot) {
        let config = &self.config;
        let line = match (config.mode, event) {
            // Who reads numbers reads no words.
            (ReportMode::Pv, Event::Asked) if is_numeric(config) => {
                self.draw(snapshot, false);
                return;
            }
            (ReportMode::Bar | ReportMode::Pv, Event::Interval) => {
                if self.shows(snapshot) {
                    self.draw(snapshot, false);
                }
                return;
            }
            (ReportMode::Json, event) => {
                let name = event_name(event).unwrap_or("interval");
                json::line(name, snapshot, config, None)
            }
            (ReportMode::Plain, event) => plain::line(event_name(event), snapshot, config),
            // It was for the metrics.
            (_, Event::Interval) => return,
            (_, Event::Loss) => summary::loss(snapshot, config),
            _ => summary::running(snapshot, config),
        };
        self.say(line);
    }

    /// Where that fails, it is told once: the next interval tries again.
    fn write_metrics(&mut self, snapshot: &Snapshot) {
        let Some(metrics) = &mut self.metrics else {
            return;
        };
        if let Err(error) = metrics.write(snapshot, &self.config)
            && !std::mem::replace(&mut self.told.metrics, true)
        {
            let name = metrics.name();
            let line = format!(
                "cannot write metrics to {name} (--metrics-file): {}",
                reason(&error)
            );
            self.error(line);
        }
    }

    /// Tells once of reports that could not be written to where they were to go.
    fn tell_trouble(&mut self) {
        if let Some(error) = self.reports.take_trouble()
            && !std::mem::replace(&mut self.told.reports, true)
            && let Some(path) = &self.config.to
        {
            let name = path.display();
            let line = format!("cannot report to {name} (--report-to): {}", reason(&error));
            self.error(line);
        }
    }

    /// As [`Reports::write_at_once`].
    pub fn says_at_once(&mut self, text: &[u8]) -> bool {
        self.reports.write_at_once(text)
    }

    /// Whether the live line is to be seen yet: `-W` and `-D`.
    fn shows(&self, snapshot: &Snapshot) -> bool {
        let screen = &self.config.screen;
        let awaits = screen.awaits_output && snapshot.seen.first_output.is_none();
        !awaits && (self.shown || snapshot.elapsed >= screen.delay)
    }

    fn draw(&mut self, snapshot: &Snapshot, last: bool) {
        if let Some((live, face)) = &mut self.live {
            let line = face.line(snapshot, &self.config, live.width(), last);
            live.draw(&line, &mut self.reports);
            self.shown = true;
        }
    }

    /// A line among the reports, above the live one if there is one.
    fn say(&mut self, line: String) {
        match &mut self.live {
            Some((live, _)) => live.around(&mut self.reports, |out| say(out, line)),
            None => say(&mut self.reports, line),
        }
    }

    /// Always on stderr.
    pub fn error(&mut self, line: String) {
        let line = error_line(line);
        match &mut self.errors {
            Some(errors) => say(&mut **errors, line),
            None => self.say(line),
        }
    }

    pub fn suspend(&mut self) {
        if let Some((live, _)) = &mut self.live {
            live.suspend(&mut self.reports);
        }
    }

    /// Draws the last live line, if it is one that stays, and leaves the screen to others.
    fn retire(&mut self, snapshot: &Snapshot) {
        if std::mem::replace(&mut self.is_retired, true) {
            return;
        }
        // As in pv: a run that is over before its display began has none.
        if self.config.mode == ReportMode::Pv && self.shows(snapshot) {
            self.draw(snapshot, true);
        }
        let stays = self.stays();
        if let Some((live, _)) = &mut self.live {
            live.retire(stays, &mut self.reports);
        }
    }

    /// Whether the live line stays on the screen.
    fn stays(&self) -> bool {
        self.shown && self.config.mode == ReportMode::Pv
    }

    pub fn end(&mut self, last_word: LastWord) {
        if let Some((snapshot, _)) = &last_word.summary {
            self.keep_metrics(Event::Interval, snapshot);
            self.attempt(REPORT, |scribe| scribe.retire(snapshot));
        }
        self.attempt(REPORT, |scribe| {
            if let Some((live, _)) = &mut scribe.live {
                live.clear(&mut scribe.reports);
            }
        });
        for line in last_word.errors {
            self.error_at_all_costs(line);
        }
        self.attempt(SUMMARY, |scribe| {
            let lines = last_word
                .summary
                .map(|(snapshot, closing)| scribe.summary(&snapshot, &closing));
            let lines = lines.unwrap_or_default();
            scribe.say_last(lines.clone());
            scribe.tell_trouble();
            if scribe.told.reports
                && let Some(errors) = &mut scribe.errors
            {
                // Or nobody would ever see it.
                lines.into_iter().for_each(|line| say(errors, line));
            }
        });
        // Here rather than later: nobody waits for what comes after the thread's last word.
        self.live = None;
    }

    fn say_last(&mut self, lines: Vec<String>) {
        let stays = self.stays();
        match &mut self.live {
            Some((live, _)) => live.end(lines, stays, &mut self.reports),
            None => lines.into_iter().for_each(|line| self.say(line)),
        }
    }

    /// The lines for the end, without newlines.
    pub fn summary(&self, snapshot: &Snapshot, closing: &Closing) -> Vec<String> {
        let config = &self.config;
        let line = match config.mode {
            ReportMode::Json => {
                return vec![json::line("summary", snapshot, config, Some(closing))];
            }
            ReportMode::None => None,
            ReportMode::Pv | ReportMode::Losses if !tells_of_losses(snapshot) => None,
            _ => Some(summary::line(snapshot, config, closing)),
        };
        let bits = config.screen.display.as_ref().is_some_and(|pv| pv.bits);
        let statistics = config.statistics.then(|| closing.statistics.line(bits));
        line.into_iter().chain(statistics).collect()
    }
}

/// Whether a display of pv's form has to be followed by words: it has none for what only hwm does.
/// What a consumer that left did not take, or not read, is no news in pv either.
fn tells_of_losses(snapshot: &Snapshot) -> bool {
    let mut reasons = snapshot.lost.by_reason();
    reasons.any(|(reason, _)| !matches!(reason, Reason::BrokenPipe | Reason::Unread))
}

/// Whether the display is a line of numbers at each interval (`-n`).
pub fn is_numeric(config: &ReportConfig) -> bool {
    config.screen.display.as_ref().is_some_and(|pv| pv.numeric)
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Whether the locale says that the terminal shows UTF-8.
fn is_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find(|variable| is_set(variable))
        .and_then(env::var_os);
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
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
