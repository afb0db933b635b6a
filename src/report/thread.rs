//! The reporter's thread: the only place that writes reports, and the only one that may get stuck.
//!
//! It ends when its inbox is closed and read to the end; the final report comes by a channel of its
//! own, so that no flood of reports can keep it out.

use std::env;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Instant, SystemTime};

use super::chart::{self, History};
use super::closing::Closing;
use super::display::{Abilities, DEFAULT_WIDTH, Renderer, taken};
use super::guard::{Defect, guarded};
use super::live::Live;
use super::reports::Reports;
use super::whole::Whole;
use super::{json, metrics, plain, summary};
use crate::config::{ReportConfig, ReportMode};
use crate::core::account::Tally;
use crate::core::snapshot::Snapshot;
use crate::reporter::Event;
use crate::sys::Files;
use crate::sys::report_output::{self as output, Descriptor, say};
use crate::units::error_line;
use crate::units::reason;

/// The parts that may fail, each without the others.
const REPORT: &str = "report";
const METRICS: &str = "metrics file";
pub const COLLECTION: &str = "collection";
pub const CHART: &str = "chart";
const ERRORS: &str = "report of errors";
pub const SUMMARY: &str = "summary";

/// What the thread is told while the run goes on.
pub enum Message {
    /// A report about something that happened so often since the last one about the same. Boxed, because a
    /// full inbox of whole snapshots would be a large one.
    Report(Event, u64, Box<Snapshot>),
    /// A line for people, complete but for the newline.
    Error(String),
    /// Leave the terminal clean, then answer.
    Suspend(SyncSender<()>),
    /// The same for good, with the last live line if that is one that stays.
    Retire(Box<Snapshot>, SyncSender<()>),
}

/// What the thread is told at the end.
pub struct FinalReport {
    /// Errors that found the inbox full.
    pub errors: Vec<String>,
    /// The summary, if one is wanted.
    pub summary: Option<(Box<Snapshot>, Closing)>,
    /// The run's course, if it is to be drawn.
    pub history: Option<History>,
    /// From then on, reports still in the inbox make way for the rest.
    pub hurry: Instant,
}

/// The thread's life.
pub fn run(inbox: Receiver<Message>, last: Receiver<FinalReport>, mut writer: ReportWriter) {
    writer.attempt(REPORT, ReportWriter::begin);
    let mut final_report = None;
    for message in &inbox {
        final_report = final_report.or_else(|| last.try_recv().ok());
        match message {
            // The summary says it all, and on a slow terminal it must not queue behind these.
            Message::Report(Event::Interval | Event::Asked, ..) if hurries(&final_report) => {}
            Message::Report(event, count, snapshot) => {
                writer.keep_metrics(event, &snapshot);
                if !writer.is_broken {
                    writer.attempt(REPORT, |writer| writer.report(event, count, &snapshot));
                }
            }
            Message::Error(line) => writer.error_at_all_costs(line),
            Message::Suspend(answer) => {
                writer.attempt(REPORT, ReportWriter::suspend);
                let _ = answer.try_send(());
            }
            Message::Retire(snapshot, answer) => {
                writer.attempt(REPORT, |writer| writer.retire(&snapshot));
                let _ = answer.try_send(());
            }
        }
        writer.attempt(ERRORS, ReportWriter::tell_trouble);
    }
    if let Some(final_report) = final_report.or_else(|| last.recv().ok()) {
        writer.end(final_report);
    }
}

fn hurries(final_report: &Option<FinalReport>) -> bool {
    final_report
        .as_ref()
        .is_some_and(|word| Instant::now() >= word.hurry)
}

/// Puts reports into words, and words where they belong.
pub struct ReportWriter {
    config: ReportConfig,
    reports: Reports,
    /// Where errors go if not to the same place as the reports.
    errors: Option<Box<dyn Write + Send>>,
    live: Option<(Live, Renderer)>,
    side_files: SideFiles,
    /// What could not be written, and was told.
    reported: Reported,
    /// Whether the live line was drawn at least once.
    shown: bool,
    /// Whether it was drawn for the last time.
    is_retired: bool,
    /// A defect was told; from then on only errors and the summary are.
    is_broken: bool,
}

/// What is written beside the reports.
#[derive(Default)]
pub struct SideFiles {
    /// `--metrics-file`.
    pub metrics: Option<Whole>,
    /// `--chart`.
    pub chart: Option<Whole>,
}

/// Of what could not be written it was told that it could not.
#[derive(Default)]
struct Reported {
    reports: bool,
    metrics: bool,
}

impl ReportWriter {
    /// A writer that writes to `reports`. The rows that several share are none of `files`.
    pub fn new(
        config: ReportConfig,
        reports: Reports,
        side_files: SideFiles,
        files: &Files,
    ) -> ReportWriter {
        let terminal = reports.terminal().cloned();
        // Unknown terminals are dumb, for indicatif as well.
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let shows_colour = terminal.is_some() && !dumb;
        let is_forced = config.screen.force && config.mode == ReportMode::Pv;
        let no_colour = is_set("NO_COLOR");
        let abilities = Abilities {
            utf8: is_utf8(),
            colour: (shows_colour || is_forced) && !no_colour,
            paint: shows_colour && !no_colour,
        };
        let live = Renderer::of(&config, abilities).map(|renderer| {
            let live = Live::new(terminal, dumb, config.mode, &config.screen, files);
            (live, renderer)
        });
        let stderr = || Box::new(Descriptor::Stderr) as Box<dyn Write + Send>;
        ReportWriter {
            config,
            errors: reports.is_elsewhere().then(stderr),
            reports,
            live,
            side_files,
            reported: Reported::default(),
            shown: false,
            is_retired: false,
            is_broken: false,
        }
    }

    #[cfg(test)]
    pub fn onto(config: ReportConfig, reports: Box<dyn Write + Send>) -> ReportWriter {
        ReportWriter::drawing(config, reports, None, Abilities::default())
    }

    /// One that writes to anything, and draws on `terminal` if there is one.
    pub fn drawing(
        config: ReportConfig,
        reports: Box<dyn Write + Send>,
        terminal: Option<Descriptor>,
        abilities: Abilities,
    ) -> ReportWriter {
        let live = Renderer::of(&config, abilities).map(|renderer| {
            let files = Files::default();
            let live = Live::new(terminal, false, config.mode, &config.screen, &files);
            (live, renderer)
        });
        ReportWriter {
            config,
            reports: Reports::onto(reports),
            errors: None,
            live,
            side_files: SideFiles::default(),
            reported: Reported::default(),
            shown: false,
            is_retired: false,
            is_broken: false,
        }
    }

    /// Does a piece of work. Where that panics, it is told once, the live line is left as it is, and
    /// reports end; whoever waits for the data never learns. Returns whether it is done.
    fn attempt(&mut self, name: &str, work: impl FnOnce(&mut ReportWriter)) -> bool {
        let Err(Defect(defect)) = guarded(name, || work(self)) else {
            return true;
        };
        let line = format!("a defect in the {name} ends it, and the data goes on: {defect}");
        // A side file ends alone.
        match name {
            METRICS => self.side_files.metrics = None,
            CHART => self.side_files.chart = None,
            _ => {
                self.break_off(line);
                return false;
            }
        }
        output::say_now(error_line(line));
        false
    }

    /// The reports have a defect, which is told unless one was before.
    fn break_off(&mut self, line: String) {
        // Not dropped: it may be what broke.
        let has_left_a_line = self.live.take().is_some_and(|live| {
            std::mem::forget(live);
            self.shown
        });
        if !std::mem::replace(&mut self.is_broken, true) {
            let begin = if has_left_a_line { "\n" } else { "" };
            output::say_now(format!("{begin}{}", error_line(line)));
        }
    }

    /// What cannot be said among the reports is said without them.
    fn error_at_all_costs(&mut self, line: String) {
        if !self.attempt(ERRORS, |writer| writer.error(line.clone())) {
            output::say_now(error_line(line));
        }
    }

    pub fn begin(&mut self) {
        if let Some((live, _)) = &mut self.live {
            live.begin(&mut self.reports);
        }
    }

    fn keep_metrics(&mut self, event: Event, snapshot: &Snapshot) {
        if event == Event::Interval && self.side_files.metrics.is_some() {
            self.attempt(METRICS, |writer| writer.write_metrics(snapshot));
        }
    }

    pub fn report(&mut self, event: Event, count: u64, snapshot: &Snapshot) {
        let (config, width) = (&self.config, self.width());
        let lines = match (config.mode, event) {
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
            (ReportMode::Json, event) => vec![match event_name(event) {
                Some(name) => json::line(name, Some(count), snapshot, config),
                None => json::line("interval", None, snapshot, config),
            }],
            (ReportMode::Plain, event) => {
                let event = event_name(event).map(|name| (name, Some(count)));
                vec![plain::line(event, snapshot, config)]
            }
            // It was for the metrics.
            (_, Event::Interval) => return,
            (_, Event::Losing) => Vec::from_iter(summary::loss(snapshot, config, width)),
            _ => summary::running(snapshot, config, width),
        };
        lines.into_iter().for_each(|line| self.say(line));
    }

    /// The columns that a line for people may have.
    fn width(&self) -> usize {
        let columns = self.reports.terminal().and_then(Descriptor::columns);
        columns.unwrap_or(DEFAULT_WIDTH)
    }

    /// Where that fails, it is told once: the next interval tries again.
    fn write_metrics(&mut self, snapshot: &Snapshot) {
        let Some(file) = &mut self.side_files.metrics else {
            return;
        };
        if let Err(error) = file.write(&metrics::text(snapshot, &self.config))
            && !std::mem::replace(&mut self.reported.metrics, true)
        {
            let name = file.name();
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
            && !std::mem::replace(&mut self.reported.reports, true)
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
    fn shows(&mut self, snapshot: &Snapshot) -> bool {
        let screen = &self.config.screen;
        if screen.awaits_output && !self.shown && taken(snapshot, false) == 0 {
            if let Some((_, renderer)) = &mut self.live {
                renderer.begins(snapshot.elapsed);
            }
            return false;
        }
        self.shown || snapshot.elapsed >= screen.delay
    }

    fn draw(&mut self, snapshot: &Snapshot, last: bool) {
        if let Some((live, renderer)) = &mut self.live {
            let now = SystemTime::now();
            let line = renderer.line(snapshot, &self.config, live.width(), last, now);
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

    pub fn end(&mut self, final_report: FinalReport) {
        if let Some((snapshot, _)) = &final_report.summary {
            self.keep_metrics(Event::Interval, snapshot);
            self.attempt(REPORT, |writer| writer.retire(snapshot));
        }
        if final_report.history.is_some() {
            self.attempt(CHART, |writer| writer.draw_chart(&final_report));
        }
        self.attempt(REPORT, |writer| {
            if let Some((live, _)) = &mut writer.live {
                live.clear(&mut writer.reports);
            }
        });
        for line in final_report.errors {
            self.error_at_all_costs(line);
        }
        self.attempt(SUMMARY, |writer| {
            let lines = final_report
                .summary
                .map(|(snapshot, closing)| writer.summary(&snapshot, &closing));
            let lines = lines.unwrap_or_default();
            writer.say_last(lines.clone());
            writer.tell_trouble();
            if writer.reported.reports
                && let Some(errors) = &mut writer.errors
            {
                // Or nobody would ever see it.
                lines.into_iter().for_each(|line| say(errors, line));
            }
        });
        // Here rather than later: nobody waits for what comes after the thread's last word.
        self.live = None;
    }

    /// Before the final reports, which may have to wait for whoever reads them.
    fn draw_chart(&mut self, final_report: &FinalReport) {
        let (Some(file), Some(history), Some((snapshot, _))) = (
            &mut self.side_files.chart,
            &final_report.history,
            &final_report.summary,
        ) else {
            return;
        };
        let drawn = chart::draw(history, snapshot, &self.config);
        if let Err(error) = drawn.and_then(|text| file.write(&text)) {
            let name = file.name();
            let line = format!(
                "cannot draw the run to {name} (--chart): {}",
                reason(&error)
            );
            self.error(line);
        }
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
        let (config, width) = (&self.config, self.width());
        let mut lines = match config.mode {
            ReportMode::Json => return vec![json::summary(snapshot, config, closing)],
            ReportMode::None => Vec::new(),
            ReportMode::Pv | ReportMode::Losses => {
                summary::of_losses(snapshot, config, closing, width)
            }
            ReportMode::Bar if self.is_no_news(snapshot, closing) => Vec::new(),
            _ => summary::lines(snapshot, config, closing, width),
        };
        if config.mode == ReportMode::Plain {
            lines.insert(0, plain::line(Some(("summary", None)), snapshot, config));
        }
        let bits = config.screen.display.as_ref().is_some_and(|pv| pv.bits);
        lines.extend(config.statistics.then(|| closing.statistics.line(bits)));
        lines
    }

    /// Whether who sat in front of the terminal knows it all: it was short, and as it should be.
    fn is_no_news(&self, snapshot: &Snapshot, closing: &Closing) -> bool {
        let config = &self.config;
        let is_short = snapshot.elapsed < config.interval && !config.statistics;
        let is_well = snapshot.exit == Some(0) && snapshot.lost.total() == Tally::default();
        let said_all = closing.dropped == 0 && closing.untold_events == 0;
        self.reports.terminal().is_some() && is_short && is_well && said_all
    }
}

/// Whether the display is a line of numbers at each interval (`-n`).
fn is_numeric(config: &ReportConfig) -> bool {
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
        Event::Interval | Event::Asked | Event::Losing => None,
        Event::Pressured => Some("pressured"),
        Event::Flowing => Some("flowing"),
        Event::Loss => Some("loss"),
        Event::Opened => Some("opened"),
        Event::Closed => Some("closed"),
        Event::Respawn => Some("respawn"),
    }
}
