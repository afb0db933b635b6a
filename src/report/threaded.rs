//! The reporter: the relay's end of the reports, which leaves all writing to a thread.
//!
//! Refuses to wait for that, but for a short, bounded time where a run stops or ends.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::chart::History;
use super::closing::Closing;
use super::end::{End, LAST_WORD};
use super::errors::StartError;
use super::guard::{self, guarded};
use super::reports::Reports;
use super::statistics::Statistics;
use super::thread::{self, FinalReport, Message, ReportWriter, SideFiles};
use super::throttle::{Losing, Throttle};
use super::whole::Whole;
use super::words::Unit;
use crate::config::{ReportConfig, ReportMode, Side};
use crate::core::snapshot::Snapshot;
use crate::reporter::{Event, Reporter};
use crate::sys::error_channel::ErrorChannel;
use crate::sys::log::{Log, Way};
use crate::sys::other_side::HandedOn;
use crate::sys::report_output as output;
use crate::sys::{Files, Role};
use crate::units::error_line;

/// Reports under way to the thread. Room for a burst of state changes while the thread waits for
/// its turn on a busy machine; what is more than that, nobody reads.
const INBOX: usize = 256;

/// Errors kept for the end when the inbox is full: more than a run has sides that can fail.
const UNSAID: usize = 16;

/// How long a stop, or the consumer's end of file, waits for a clean terminal: short, because a user's
/// Ctrl-Z is waiting, or a pipeline.
const CLEAN_TERMINAL: Duration = Duration::from_millis(100);

/// Prepares the reports that `config` asks for: opens `--report-to`, creating it or appending to
/// it. What is said regularly has its thread from the start; the others start it with the first
/// thing they have to say, and do without where that is the summary and nothing has to wait for it.
pub fn start_report(config: &ReportConfig, files: &Files) -> Result<ThreadedReporter, StartError> {
    let elsewhere = config
        .to
        .as_ref()
        .filter(|_| config.mode != ReportMode::None);
    let log =
        elsewhere.map(|path| {
            // They go straight to stderr, where no live line is.
            let error_channel = ErrorChannel::default();
            Log::open(path, Role::Report, Way::Lines, files, error_channel)
                .map_err(StartError::path("report", "--report-to", path))
        });
    let reports = match log.transpose()? {
        None => Reports::on_stderr(),
        Some(log) => Reports::to(log),
    };
    let metrics = config.metrics_file.as_ref().map(|path| {
        Whole::at(path).map_err(StartError::path("write metrics", "--metrics-file", path))
    });
    let metrics = metrics.transpose()?;
    let chart = config
        .chart
        .as_ref()
        .map(|path| Whole::at(path).map_err(StartError::path("draw the run", "--chart", path)));
    let chart = chart.transpose()?;
    let needs_thread = config.mode.is_periodic() || metrics.is_some() || chart.is_some();
    let side_files = SideFiles { metrics, chart };
    let writer = ReportWriter::new(config.clone(), reports, side_files, files);
    let mut reporter = ThreadedReporter::new(config, writer);
    if needs_thread {
        reporter.link();
    }
    Ok(reporter)
}

/// A [`Reporter`] that leaves all writing to a thread. Dropped without [`Reporter::finish`], it
/// still waits as long for errors to be written, and says no summary.
pub struct ThreadedReporter {
    mode: ReportMode,
    has_metrics: bool,
    has_statistics: bool,
    thread: Thread,
    /// Whether the statistics are of records.
    counts_records: bool,
    statistics: Statistics,
    interval: Duration,
    /// The run's course, for `--chart`. Here rather than in the thread, which may get stuck.
    history: Option<History>,
    /// Where the other side of `-M both` learns how much this one has handed on.
    handed_on: Option<HandedOn>,
    throttle: Throttle,
    losing: Losing,
    dropped: u64,
    /// As [`Closing::untold_events`].
    pub(super) untold_events: u64,
    unsaid: Vec<String>,
    /// There was a defect on the relay's thread: what it left behind is not touched any more.
    has_failed: bool,
    /// How long the end waits: [`LAST_WORD`], but for tests.
    timeout: Duration,
}

enum Thread {
    /// Nothing to say so far. Boxed: it is the largest state, and the first to go.
    NotStarted(Box<ReportWriter>),
    Running(Link),
    /// It said its last word, or could not be started.
    Gone,
}

/// The relay's ends of the channels to the thread.
struct Link {
    inbox: SyncSender<Message>,
    last: SyncSender<FinalReport>,
    end: End,
}

impl ThreadedReporter {
    fn new(config: &ReportConfig, writer: ReportWriter) -> ThreadedReporter {
        ThreadedReporter {
            mode: config.mode,
            has_metrics: config.metrics_file.is_some(),
            has_statistics: config.statistics,
            thread: Thread::NotStarted(Box::new(writer)),
            counts_records: config.records,
            statistics: Statistics::new(config.records),
            interval: config.interval,
            history: config.chart.is_some().then(History::new),
            handed_on: match config.screen.side_of_pair {
                Some(Side::In) => HandedOn::new(),
                _ => None,
            },
            throttle: Throttle::default(),
            losing: Losing::default(),
            dropped: 0,
            untold_events: 0,
            unsaid: Vec::new(),
            has_failed: false,
            timeout: LAST_WORD,
        }
    }

    /// The thread, started now if this is the first time; None if it cannot be had.
    fn link(&mut self) -> Option<&Link> {
        if let Thread::NotStarted(_) = self.thread
            && let Thread::NotStarted(writer) = std::mem::replace(&mut self.thread, Thread::Gone)
            && let Some(link) = spawn(*writer)
        {
            self.thread = Thread::Running(link);
        }
        match &self.thread {
            Thread::Running(link) => Some(link),
            _ => None,
        }
    }

    /// What is to be done on the relay's thread. A defect there costs the reports only.
    fn attempt(&mut self, work: impl FnOnce(&mut ThreadedReporter)) {
        if self.has_failed {
            return;
        }
        if let Err(guard::Defect(defect)) = guarded(thread::COLLECTION, || work(self)) {
            self.has_failed = true;
            self.message(format!(
                "a defect in the reports ends them, and the data goes on: {defect}"
            ));
        }
    }

    fn collect(&mut self, event: Event, snapshot: &Snapshot) {
        if event == Event::Interval {
            if let Some(rate) = self.output_rate(snapshot) {
                // Here rather than in the thread, so that dropped reports count as well.
                self.statistics.add(rate);
            }
            self.tell_pending(snapshot, false);
            self.tell_other_side(snapshot);
        }
        let now = snapshot.elapsed;
        if !self.wants(event, now) {
            return;
        }
        if event == Event::Losing {
            self.losing.note(now);
        }
        if let Some(count) = self.throttle.came(event, snapshot, self.interval) {
            self.tell(event, count, snapshot);
        }
    }

    fn collect_last(&mut self, snapshot: &Snapshot) {
        if self.statistics.is_empty()
            && let Some(rate) = self.output_rate(snapshot)
        {
            // A run shorter than an interval is its only measurement.
            self.statistics.add(rate);
        }
        self.tell_pending(snapshot, true);
    }

    /// Where the other threads say what went wrong: to the reports' thread, which is started for it.
    pub fn error_channel(&mut self) -> ErrorChannel {
        let Some(inbox) = self.link().map(|link| link.inbox.clone()) else {
            return ErrorChannel::default();
        };
        ErrorChannel::to(move |line| match inbox.try_send(Message::Error(line)) {
            Err(TrySendError::Full(Message::Error(line)))
            | Err(TrySendError::Disconnected(Message::Error(line))) => Err(line),
            _ => Ok(()),
        })
    }

    /// For the picture, on the relay's thread: it is cheap, and a defect there costs the picture only.
    fn remember(&mut self, note: impl FnOnce(&mut History)) {
        let Some(history) = &mut self.history else {
            return;
        };
        if let Err(guard::Defect(defect)) = guarded(thread::CHART, || note(history)) {
            self.history = None;
            self.message(format!(
                "a defect in the chart ends it, and the data goes on: {defect}"
            ));
        }
    }

    /// Hands a message over, or gives it back: the inbox is full, or there is no thread.
    fn post(&mut self, message: Message) -> Result<(), Message> {
        match self.link() {
            None => Err(message),
            Some(link) => link.inbox.try_send(message).map_err(|error| match error {
                TrySendError::Full(message) | TrySendError::Disconnected(message) => message,
            }),
        }
    }

    /// Says the summary here and now where nobody had anything to say before, and nobody has to be
    /// waited for. A thread would take longer to start than a short run takes.
    fn says_at_once(&mut self, snapshot: &Snapshot, closing: &Closing) -> bool {
        let Thread::NotStarted(writer) = &mut self.thread else {
            return false;
        };
        // Where it fails, the thread tries again, and says so.
        let Ok(lines) = guarded(thread::SUMMARY, || writer.summary(snapshot, closing)) else {
            return false;
        };
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        text.is_empty() || writer.says_at_once(text.as_bytes())
    }

    /// The rate that the statistics are made of.
    fn output_rate(&self, snapshot: &Snapshot) -> Option<f64> {
        match self.counts_records {
            true => snapshot.out_record_rate,
            false => snapshot.out_rate,
        }
    }

    fn tell_other_side(&self, snapshot: &Snapshot) {
        if let Some(handed_on) = &self.handed_on {
            handed_on.set(Unit::of(self.counts_records).number(snapshot.output));
        }
    }

    /// Hands one report over, about so many events of one kind.
    fn tell(&mut self, event: Event, count: u64, snapshot: &Snapshot) {
        let message = Message::Report(event, count, Box::new(snapshot.clone()));
        let count = match self.post(message) {
            Ok(()) => count,
            Err(_) => {
                self.dropped += 1;
                0
            }
        };
        self.throttle.note(event, count, snapshot.elapsed);
    }

    /// Tells of events that came too soon after others of their kind.
    fn tell_pending(&mut self, now: &Snapshot, is_end: bool) {
        if !matches!(self.mode, ReportMode::Json | ReportMode::Plain) {
            return;
        }
        for (event, count, picture) in self.throttle.due(now, self.interval, is_end) {
            self.tell(event, count, &picture);
        }
    }

    /// Asks for a clean terminal, and waits for the answer as long as one may.
    fn clean_terminal(&mut self, message: impl FnOnce(SyncSender<()>) -> Message) {
        // Only the live line leaves anything on a terminal, and only after its first report.
        let is_live = matches!(self.mode, ReportMode::Bar | ReportMode::Pv);
        if is_live && matches!(self.thread, Thread::Running(_)) {
            let (answer, cleaned) = sync_channel(1);
            if self.post(message(answer)).is_ok() {
                let _ = cleaned.recv_timeout(CLEAN_TERMINAL);
            }
        }
    }

    fn end(&mut self, summary: Option<(Box<Snapshot>, Closing)>) {
        if let Some((snapshot, closing)) = &summary
            && self.says_at_once(snapshot, closing)
        {
            self.thread = Thread::Gone;
            return;
        }
        let errors = std::mem::take(&mut self.unsaid);
        if summary.is_some() {
            self.link();
        }
        let Thread::Running(link) = std::mem::replace(&mut self.thread, Thread::Gone) else {
            // Where no thread could be had, as when memory ran out, that shall be told all the same.
            return errors.iter().map(error_line).for_each(output::say_now);
        };
        // The last word first: once the inbox is closed the thread looks for it.
        let _ = link.last.try_send(FinalReport {
            errors,
            summary,
            history: self.history.take(),
            // Half of the time for what is under way, half for the last word itself.
            hurry: Instant::now() + self.timeout / 2,
        });
        drop(link.inbox);
        link.end.wait(Instant::now() + self.timeout);
    }
}

fn spawn(writer: ReportWriter) -> Option<Link> {
    let (inbox, messages) = sync_channel(INBOX);
    let (last, final_report) = sync_channel(1);
    let end = End::of("reporter", move || {
        thread::run(messages, final_report, writer)
    });
    end.ok().map(|end| Link { inbox, last, end })
}

impl Reporter for ThreadedReporter {
    fn wants(&self, event: Event, now: Duration) -> bool {
        match (self.mode, event) {
            (_, Event::Interval) if self.has_metrics => true,
            (ReportMode::None, _) => false,
            (_, Event::Asked) => true,
            // The live line shows a loss while it goes on.
            (ReportMode::Bar | ReportMode::Pv, event) => event == Event::Interval,
            (ReportMode::Json | ReportMode::Plain, event) => match event {
                Event::Losing => false,
                // Its account tells how many there were.
                Event::Loss => self.throttle.is_due(event, now, self.interval),
                _ => true,
            },
            (ReportMode::Summary | ReportMode::Losses, event) => {
                event == Event::Losing && self.losing.is_due(now)
            }
        }
    }

    fn report(&mut self, event: Event, snapshot: &Snapshot) {
        self.attempt(|this| this.collect(event, snapshot));
    }

    fn next_sample(&self) -> Option<Duration> {
        self.history.as_ref().map(History::next)
    }

    fn sample(&mut self, snapshot: &Snapshot) {
        self.remember(|history| history.note(snapshot));
    }

    fn message(&mut self, line: String) {
        if let Err(Message::Error(line)) = self.post(Message::Error(line))
            && self.unsaid.len() < UNSAID
        {
            self.unsaid.push(line);
        }
    }

    fn suspend(&mut self) {
        self.clean_terminal(Message::Suspend);
    }

    fn retire(&mut self, snapshot: &Snapshot) {
        self.tell_other_side(snapshot);
        self.clean_terminal(|answer| Message::Retire(Box::new(snapshot.clone()), answer));
    }

    fn finish(&mut self, snapshot: &Snapshot) {
        self.attempt(|this| this.collect_last(snapshot));
        self.remember(|history| history.end(snapshot));
        let closing = Closing {
            statistics: self.statistics,
            dropped: self.dropped,
            untold_events: self.untold_events,
        };
        let wanted = self.mode != ReportMode::None
            || self.has_metrics
            || self.has_statistics
            || self.history.is_some();
        self.end(wanted.then(|| (Box::new(snapshot.clone()), closing)));
    }
}

impl Drop for ThreadedReporter {
    fn drop(&mut self) {
        self.end(None);
    }
}

#[cfg(test)]
#[path = "threaded_tests.rs"]
mod tests;
