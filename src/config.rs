//! What the program does: validated, plain values, free of clap's types.
//!
//! Refuses to parse and to check: `cli` builds a [`Config`] only from values that passed its
//! checks, so everything here may be relied on (bounds are given with each field).

pub mod display;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::classes::Classes;
use crate::delimiters::Delimiters;
use display::Display;

/// Everything a run is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the input comes from, in order; never empty.
    pub sources: Vec<Source>,
    /// `-s @FILE`: where it was learnt how much that will be.
    pub size_of: Option<PathBuf>,
    /// How the input is read and the output written.
    pub transfer: TransferConfig,
    /// Where the consumer's grants come from, if it pulls.
    pub demand: Option<PathBuf>,
    /// What one relay does with the bytes.
    pub relay: RelayConfig,
    /// What is said about it, where and how often.
    pub report: ReportConfig,
    /// Who else is told, and what is kept of what is lost.
    pub observers: Observers,
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input: no FILE arguments, or `-`.
    Stdin,
    /// A FILE argument.
    File(PathBuf),
}

/// `-M`: a command whose input or output the relay stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoredCommand {
    /// Where the relay stands.
    pub side: Side,
    /// What is run, by its path or as `PATH` finds it.
    pub program: OsString,
    /// What it is told.
    pub arguments: Vec<OsString>,
    /// When it ends, it is started again (`--respawn`).
    pub respawns: bool,
}

/// A side of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before its standard input: it is the consumer.
    In,
    /// Behind its standard output: it is the producer.
    Out,
}

/// How bytes come in and go out: what the system is told beside the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferConfig {
    /// Where the output goes.
    pub sink: Sink,
    /// It is a FIFO whose reader may go, and be followed by another.
    pub awaits_readers: bool,
    /// `-Y`: wait for the disk after every write.
    pub sync: bool,
    /// `-E`: go on behind what cannot be read.
    pub skip_errors: Option<SkipErrors>,
    /// `-M`: what is run beside the relay, with a pipe between the two.
    pub command: Option<MonitoredCommand>,
    /// `-P`: write the process's number here, and remove it at the end.
    pub pid_file: Option<PathBuf>,
}

/// Where the output goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sink {
    /// Standard output.
    #[default]
    Stdout,
    /// `-o FILE`: made, or emptied, at the start.
    File(PathBuf),
    /// `-X`: nowhere.
    Nowhere,
}

/// `-E`: what cannot be read becomes null bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipErrors {
    /// `-EE`: tell only of the first in each file.
    pub tells_once: bool,
    /// `-Z`: skip to the next multiple of so many bytes (>= 1); without it a little at first, then
    /// more.
    pub block: Option<u64>,
}

/// What `--linger` is by default: nobody sees it, and a pipe of 1 MiB takes twenty times as much of a dense
/// stream of lines.
pub const LINGER: Duration = Duration::from_micros(500);

/// The part of the configuration that the pure core obeys.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayConfig {
    /// C: the most bytes held, at least 1.
    pub capacity: u64,
    /// The most records held, the one that is arriving among them; at least 1.
    pub capacity_records: Option<u64>,
    /// H, with L <= H <= C.
    pub high_water: u64,
    /// L, with L <= H.
    pub low_water: u64,
    /// The bytes that end a record: `\n`, NUL with `-0`, or those of `--delimiter`.
    pub delimiters: Delimiters,
    /// What happens when an arriving record does not fit.
    pub policy: Policy,
    /// `--priority`: the classes of records; with the policy `priority` at least one expression.
    pub classes: Classes,
    /// Count records although the policy does not need them (`-l`).
    pub count_records: bool,
    /// Write only what the consumer has asked for.
    pub on_demand: bool,
    /// Write nothing before so much is held.
    pub start: Option<StartFill>,
    /// `--linger`: how long a byte may wait for others, where a stream wakes us very often; not at all if 0.
    pub linger: Duration,
    /// With `block`: the longest that one stall may last.
    pub block_timeout: Option<Duration>,
    /// With `block` and a timeout: the policy, one that loses records, that takes over when a stall
    /// lasts longer, until the state is flowing again.
    pub then: Option<Policy>,
    /// With a policy that loses records: the longest that one may wait; above 0.
    pub max_age: Option<Duration>,
    /// End when no input came for so long.
    pub idle_timeout: Option<Duration>,
    /// That is a normal ending.
    pub idle_ok: bool,
    /// After SIGTERM or SIGHUP, read and write for at most so long; after a stall, the longest that the rest
    /// of a record may take that has begun to go out.
    pub drain_timeout: Duration,
    /// `--broken-pipe`.
    pub broken_pipe: BrokenPipe,
    /// Whether, and how, a consumer that goes is followed by another, which gets what it has not read. Then nothing
    /// is spliced.
    pub next_consumer: Option<NextConsumer>,
    /// Exit 3 from so much loss on.
    pub fail_on_loss: Option<LossLimit>,
    /// Put a record into the output where records are missing.
    pub mark: Option<Mark>,
    /// At most one mark in so long, but for the last word at the end; above 0.
    pub mark_every: Option<Duration>,
    /// Limit of the output.
    pub rate: Option<Rate>,
    /// Take so much input, then act as at end of input (`-S` with a known size).
    pub stop_after: Option<Amount>,
    /// Lost records are kept for somebody to take (`--lost-to`); needs [`RelayConfig::count_records`]
    /// or a lossy policy.
    pub keeps_lost: bool,
    /// Bytes that nobody needs to see may pass without being copied; not with `-C`.
    pub splice: bool,
    /// Makes every random choice of the run repeatable.
    pub seed: u64,
}

impl RelayConfig {
    /// A relay with `policy` and `capacity` (>= 1), both watermarks at the capacity, the drain timeout
    /// of two seconds, the seed 0, and nothing else asked of it.
    pub fn new(policy: Policy, capacity: u64) -> Self {
        Self {
            capacity,
            capacity_records: None,
            high_water: capacity,
            low_water: capacity,
            delimiters: Delimiters::NEWLINE,
            policy,
            classes: Classes::none(),
            count_records: false,
            on_demand: false,
            start: None,
            linger: LINGER,
            block_timeout: None,
            then: None,
            max_age: None,
            idle_timeout: None,
            idle_ok: false,
            drain_timeout: Duration::from_secs(2),
            broken_pipe: BrokenPipe::Signal,
            next_consumer: None,
            fail_on_loss: None,
            mark: None,
            mark_every: None,
            rate: None,
            stop_after: None,
            keeps_lost: false,
            splice: true,
            seed: 0,
        }
    }

    /// Whether records may be lost for want of space, now or later: then they are counted, and the input
    /// is never left unread for long.
    pub fn may_lose(&self) -> bool {
        self.policy.is_lossy() || self.then.is_some()
    }

    /// Whether something needs to know where records end.
    pub fn needs_records(&self) -> bool {
        let counts = self.count_records || self.capacity_records.is_some() || self.on_demand;
        counts || self.may_lose()
    }
}

/// When to begin to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartFill {
    /// When so much is held; 1 to H.
    pub held: u64,
    /// At the latest so long after the first byte came.
    pub timeout: Duration,
}

/// What happens when the arriving record does not fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Stop reading at H, resume at L.
    Block,
    /// The arriving record is lost.
    DropNewest,
    /// Whole records leave from the head until the arrival fits.
    DropOldest,
    /// Every record not yet begun leaves, then the arrival is admitted.
    DropBuffer,
    /// At most one record waits; a newer one replaces it.
    Latest,
    /// While pressured only chosen records are admitted.
    Sample(Sample),
    /// Random early detection.
    Red {
        /// The chance to lose an arrival right below H, 0.0 to 1.0.
        max_p: f64,
    },
    /// While pressured arrivals of the lowest class are lost; at C the oldest of the lowest class
    /// leaves.
    Priority,
    /// Stop reading, write what was accepted, exit 4.
    Fail,
}

impl Policy {
    /// The policy's name in flags and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Policy::Block => "block",
            Policy::DropNewest => "drop-newest",
            Policy::DropOldest => "drop-oldest",
            Policy::DropBuffer => "drop-buffer",
            Policy::Latest => "latest",
            Policy::Sample(_) => "sample",
            Policy::Red { .. } => "red",
            Policy::Priority => "priority",
            Policy::Fail => "fail",
        }
    }

    /// Whether the policy may lose records; such a policy never stops reading and never
    /// delivers a part of a record.
    pub fn is_lossy(&self) -> bool {
        !matches!(self, Policy::Block | Policy::Fail)
    }
}

/// `--sample SPEC`: which records pass while pressured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Every Nth, N >= 1.
    Every(u64),
    /// Each with this chance, 0.0 to 1.0.
    Chance(f64),
    /// The chance follows measured output rate / input rate.
    Adaptive,
    /// The first ones of each window, then every Mth.
    First {
        /// So many pass in any case.
        first: u64,
        /// After these every Mth passes; none if it is 0.
        then: u64,
        /// The window, from 1 ns to a century.
        per: Duration,
    },
    /// A uniform choice from each window, sent at its end.
    Reservoir {
        /// How many records are chosen, 1 to a million.
        keep: u64,
        /// The window, from 1 ns to a century.
        per: Duration,
    },
}

/// What a vanished consumer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenPipe {
    /// Die by SIGPIPE, like cat.
    Signal,
    /// A normal ending.
    Ok,
    /// Nothing: the input is read to its end, and lost.
    Drain,
}

/// A consumer that follows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextConsumer {
    /// It is started (`--respawn`).
    Started {
        /// After this pause, doubled each time; above 0.
        delay: Duration,
        /// After so many failures in a row there is none; at least 1.
        most_failures: Option<u64>,
    },
    /// It comes by itself (`--broken-pipe wait`), as the first one does.
    Awaited,
}

/// `--fail-on-loss[=N or P%]`: from how much loss on a run has failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LossLimit {
    /// At least so many records lost; at least 1.
    Records(u64),
    /// At least so many percent of the input's records lost (and at least one), 0 to 100.
    Percent(f64),
}

/// The text of a mark, without its delimiter: pieces to be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(pub Vec<MarkPiece>);

/// A piece of a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkPiece {
    /// Literal text; never contains a delimiter.
    Text(String),
    /// `{records}`: how many records are missing here.
    Records,
    /// `{bytes}`: how many bytes are missing here.
    Bytes,
    /// `{size}`: the same as a size for people, such as `1.5MiB`.
    Size,
    /// `{s}`: an `s`, unless one record is missing here.
    Plural,
}

/// A limit of the output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// How much a second; at least 1 of the unit.
    pub per_second: Amount,
    /// The most credit that may be saved up, in the same unit; at least 1.
    pub burst: u64,
}

/// An amount in bytes or in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// So many records.
    Records(u64),
}

/// What is said about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportConfig {
    /// In which form.
    pub mode: ReportMode,
    /// Elsewhere than on stderr.
    pub to: Option<PathBuf>,
    /// Time between two periodic reports; at least 10 ms.
    pub interval: Duration,
    /// `-N`: a name in front.
    pub name: Option<String>,
    /// `-l`: the display counts records rather than bytes.
    pub records: bool,
    /// `-s`: how much is expected, for the share done and the time left.
    pub expected: Option<Amount>,
    /// `-v`: details at the end, and a line of rate statistics.
    pub statistics: bool,
    /// What the live line looks like, and when.
    pub screen: ScreenConfig,
    /// `--metrics-file`.
    pub metrics_file: Option<PathBuf>,
    /// `--chart`.
    pub chart: Option<PathBuf>,
}

/// What the live line looks like, and when it is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScreenConfig {
    /// What pv's display shows; always with [`ReportMode::Pv`], and only then.
    pub display: Option<Display>,
    /// `-f`: draw also where it is not looked at.
    pub force: bool,
    /// `-w`: so many columns (>= 1), whatever the terminal says.
    pub width: Option<usize>,
    /// `-c`: a row of its own for each hwm on the terminal.
    pub rows: bool,
    /// `-M both`: on which side of the command this one is, and the other on the other.
    pub side_of_pair: Option<Side>,
    /// `-W`: draw nothing before the consumer took its first byte.
    pub awaits_output: bool,
    /// `-D`: draw nothing before this time.
    pub delay: Duration,
}

/// What leaves a run beside the data and the report; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observers {
    /// Each change of state, each loss episode, as a JSON line.
    pub events: Option<PathBuf>,
    /// A shell command for each time the state becomes pressured.
    pub on_pressure: Option<String>,
    /// A shell command for each time the state becomes flowing again.
    pub on_flow: Option<String>,
    /// A shell command for each time a consumer follows another.
    pub on_respawn: Option<String>,
    /// The lost records themselves are appended to it; needs [`RelayConfig::keeps_lost`].
    pub lost_to: Option<PathBuf>,
}

/// The form of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportMode {
    /// A live line on a terminal, and a summary.
    Bar,
    /// A `key=value` line each interval, and a summary.
    Plain,
    /// A JSON object a line: each interval, each kind of event once an interval, a summary.
    Json,
    /// A line while records are being lost, and a summary: where stderr is no terminal.
    Summary,
    /// A live line of pv's form.
    Pv,
    /// A line while records are being lost, and one at the end if any were: pv's display where it
    /// is not to be seen.
    Losses,
    /// Nothing but errors.
    None,
}

impl ReportMode {
    /// Whether a report is due at each interval.
    pub fn is_periodic(self) -> bool {
        matches!(
            self,
            ReportMode::Bar | ReportMode::Plain | ReportMode::Json | ReportMode::Pv
        )
    }
}
