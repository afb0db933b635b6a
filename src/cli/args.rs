//! What the user types: the one definition behind the parser, the help, the man page and the
//! completions.
//!
//! Refuses to judge how options go together, and to fill in what depends on other options: both
//! are `validate`'s.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{EnumValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ContextKind;
use clap::{Arg, ArgAction, Command, Parser, ValueEnum};

use super::names::{PolicyName, ReportName, SideName};
use super::respawn::{self, Respawn};
use super::watermark::{self, Watermark};
use super::{delimiter, duration, hints, loss_limit, mark, number, percent, rate, sample, size};
use crate::classes::Classes;
use crate::config::{LossLimit, Mark, Sample};
use crate::delimiters::Delimiters;
use crate::pv::args::{DisplayArgs, TransferArgs};

/// relay standard input to standard output through a bounded buffer with watermarks
#[derive(Debug, Parser)]
#[command(
    name = "hwm",
    version,
    override_usage = "hwm [OPTION]... [FILE]...\n       hwm [OPTION]... -M SIDE -- COMMAND [ARG]...",
    // As with getopt the last one counts, so that a script or an alias can be overridden.
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = "SIZE takes k K m M g G t T and KiB MiB GiB TiB (1024), kB MB GB TB (1000). \
                  DUR is like 250ms, 5s, 1m 30s. Long options may be cut short, as in --prog.\n\
                  \n\
                  Examples:\n  \
                  hwm -pterb disk.img | gzip >disk.img.gz\n  \
                  server 2>&1 | hwm --when-full drop-oldest --mark | logger\n  \
                  build 2>&1 | hwm --when-full drop-newest --fail-on-loss | upload\n\
                  \n\
                  hwm(1) has more of them, and what is different from pv."
)]
pub(super) struct Args {
    /// Hold at most SIZE bytes [default: 4M, lossy 16M]
    ///
    /// By default 4M, and 16M with a policy that loses records. The capacity: hwm never holds more payload than this in its own memory and in pipes it
    /// made itself. Memory is taken as it is needed.
    #[arg(help_heading = "Buffer", short = 'B', long, value_name = "SIZE",
          allow_hyphen_values = true, value_parser = size::parse_positive)]
    pub(super) buffer_size: Option<u64>,

    /// Hold at most N records, too
    ///
    /// A second bound beside -B; the record that is arriving counts. The state is pressured when there
    /// are N, and flowing again when there are at most three quarters of that.
    #[arg(help_heading = "Buffer", long, value_name = "N",
          allow_hyphen_values = true, value_parser = number::parse_positive)]
    pub(super) buffer_records: Option<u64>,

    /// Become pressured when so much is held [default: 100%; 80% with sample, priority and red]
    ///
    /// The high-water mark, as a size or as a percentage of the capacity.
    #[arg(help_heading = "Buffer", long, value_name = "SIZE|%",
          allow_hyphen_values = true, value_parser = watermark::parse)]
    pub(super) high_water: Option<Watermark>,

    /// Flow again when no more is held [default: 75% of the high-water mark]
    ///
    /// The low-water mark, as a size or as a percentage of the capacity; not above the
    /// high-water mark.
    #[arg(help_heading = "Buffer", long, value_name = "SIZE|%",
          allow_hyphen_values = true, value_parser = watermark::parse)]
    pub(super) low_water: Option<Watermark>,

    /// Write nothing before so much is held
    ///
    /// It is a size, or a percentage of the capacity, and not above the high-water mark. See
    /// --start-timeout for how long that may take. The end of the input ends it too.
    #[arg(help_heading = "Buffer", long, value_name = "SIZE|%",
          allow_hyphen_values = true, value_parser = watermark::parse)]
    pub(super) start_fill: Option<Watermark>,

    /// With --start-fill: begin to write at the latest so long after the first byte came [default: 10s]
    #[arg(help_heading = "Buffer", long, value_name = "DUR",
          allow_hyphen_values = true, value_parser = duration::parse)]
    pub(super) start_timeout: Option<Duration>,

    /// The longest that a byte may wait for others to go with
    ///
    /// Only where input comes, or output is taken, in so many small pieces that waking up for each would cost more
    /// than moving it: some six thousand a second. What comes more rarely, or in answer to what went out, is never
    /// held back. 0: never.
    #[arg(help_heading = "Buffer", long, value_name = "DUR", default_value = "500us",
          allow_hyphen_values = true, value_parser = duration::parse)]
    pub(super) linger: Duration,

    /// Copy all data through memory
    ///
    /// Without it, block and fail move bytes that need not be looked at through the kernel by
    /// splice(2), which is cheaper, wherever both sides allow it; and between two pipes, what must be
    /// looked at is not copied out again while the consumer keeps up. What goes in and out is the
    /// same, but for a FILE that is changed while it is read: the consumer may see the change.
    #[arg(help_heading = "Buffer", short = 'C', long)]
    pub(super) no_splice: bool,

    /// What to do when the buffer is full [default: block]
    ///
    /// It decides who gives way when an arriving record does not fit. See POLICIES in hwm(1).
    #[arg(help_heading = "Overflow policy", long, visible_aliases = ["overflow", "policy"],
          value_name = "POLICY", default_value = "block", hide_default_value = true,
          allow_hyphen_values = true, value_parser = PolicyParser { only_lossy: false })]
    pub(super) when_full: PolicyName,

    /// With sample: which records pass, 1/N, P% and so on [default: adaptive]
    ///
    /// While pressured, 1/N lets every Nth record pass, P% each with the chance P; with adaptive
    /// the chance follows the measured output rate divided by the input rate.
    /// first=N,then=M,per=DUR lets the first N of each window of DUR pass and then every Mth (none
    /// if M is 0); reservoir=K/DUR sends K of each window, all with the same chance, at its end.
    #[arg(help_heading = "Overflow policy", long, value_name = "SPEC",
          allow_hyphen_values = true, value_parser = sample::parse)]
    pub(super) sample: Option<Sample>,

    /// With red: the chance to lose an arrival right below the high-water mark [default: 10%]
    ///
    /// It rises from 0 at the low-water mark. What counts is not how much is held, but its average
    /// over some 500 records.
    #[arg(help_heading = "Overflow policy", long, value_name = "P%",
          allow_hyphen_values = true, value_parser = parse_chance)]
    pub(super) red_max: Option<f64>,

    /// With priority: records that match are worth more than others; repeatable, best first
    ///
    /// The first REGEX that matches a record, without its delimiter, is its class; a record that
    /// matches none is in the lowest class. The syntax is that of Rust's regex crate, for bytes:
    /// ERROR, ^<[0-3]>, (?i)warn. See POLICIES in hwm(1).
    #[arg(help_heading = "Overflow policy", long, value_name = "REGEX",
          allow_hyphen_values = true, value_parser = parse_regex)]
    pub(super) priority: Vec<String>,

    /// Make random choices repeatable
    ///
    /// N is a whole number of 64 bits. Without it every run chooses differently.
    #[arg(help_heading = "Overflow policy", long, value_name = "N",
          allow_hyphen_values = true, value_parser = parse_seed)]
    pub(super) seed: Option<u64>,

    /// With a lossy policy: lose what waited for longer
    ///
    /// What is too old is lost with the reason expired as soon as it is, also while the consumer takes
    /// nothing, and at most a thousandth of DUR later.
    #[arg(help_heading = "Overflow policy", long, value_name = "DUR",
          allow_hyphen_values = true, value_parser = duration::parse_positive)]
    pub(super) max_age: Option<Duration>,

    /// Say in the output where records are missing
    ///
    /// One record stands for those that are missing at its place. In TEXT, {records}, {bytes} and {size} stand for what is missing there, {s} for the s of
    /// more than one, and {{ and }} for braces. See MARKS in hwm(1).
    #[arg(help_heading = "Overflow policy", long, value_name = "TEXT", num_args = 0..=1,
          require_equals = true, default_missing_value = mark::DEFAULT,
          value_parser = mark::parse)]
    pub(super) mark: Option<Mark>,

    /// Mark at most every DUR; implies --mark
    ///
    /// A mark stands for all that was lost since the last one. No record waits for it: those that go out
    /// meanwhile have no mark between them. At the end the rest is marked whatever the time.
    #[arg(help_heading = "Overflow policy", long, value_name = "DUR",
          allow_hyphen_values = true, value_parser = duration::parse_positive)]
    pub(super) mark_every: Option<Duration>,

    /// Append the lost records themselves to FILE
    ///
    /// In the order in which they are lost, each whole. Nothing waits for FILE: at most 4 MiB wait to
    /// be written, and what is more is only counted. See LOST RECORDS in hwm(1).
    #[arg(help_heading = "Overflow policy", long, value_name = "FILE",
          value_hint = clap::ValueHint::FilePath)]
    pub(super) lost_to: Option<PathBuf>,

    /// Exit 3 if N records [default: 1] or P% were lost
    ///
    /// At the end of input, and when at least N records were lost, or at least P percent of those
    /// that came in and at least one.
    #[arg(help_heading = "Overflow policy", long, value_name = "N|P%", num_args = 0..=1,
          require_equals = true, default_missing_value = "1",
          value_parser = loss_limit::parse)]
    pub(super) fail_on_loss: Option<LossLimit>,

    /// Write at most RATE bytes/s, or records/s with -l
    ///
    /// RATE is a SIZE, and may end in /s; 0 is no limit. Time in which nothing came earns no credit beyond
    /// --burst.
    #[arg(help_heading = "Output rate", short = 'L', long, value_name = "RATE",
          allow_hyphen_values = true, value_parser = rate::parse)]
    pub(super) rate_limit: Option<u64>,

    /// With -L: save up at most so much credit [default: a tenth of a second]
    ///
    /// It is the most that goes out at once after a pause, in the unit of -L; at least 1. Less than what comes
    /// in 10 ms counts as that: a timer cannot pace smaller portions. Over any time, at most what the rate
    /// gives for it and one burst goes out.
    #[arg(help_heading = "Output rate", long, value_name = "SIZE",
          allow_hyphen_values = true, value_parser = size::parse_positive)]
    pub(super) burst: Option<u64>,

    /// Write only what the consumer asks for by lines in PATH
    ///
    /// PATH is a FIFO, a file or /dev/fd/N. A line 10 asks for 10 records more, 64K or 100B for so many
    /// bytes, max for all there is. See TIME AND DEMAND in hwm(1).
    #[arg(help_heading = "Output rate", long, value_name = "PATH",
          value_hint = clap::ValueHint::FilePath)]
    pub(super) demand: Option<PathBuf>,

    /// Read these files instead of standard input; - is standard input
    ///
    /// They go out one after the other. A FILE that cannot be opened or read gives an error line,
    /// the others still go out, and the exit status is 1.
    #[arg(help_heading = "Input", value_name = "FILE", value_hint = clap::ValueHint::FilePath,
          value_parser = clap::builder::OsStringValueParser::new().map(PathBuf::from))]
    pub(super) files: Vec<PathBuf>,

    /// Run COMMAND, with hwm before its input or behind its output, or both
    ///
    /// What stands behind -- is COMMAND with its arguments. With in, hwm reads standard input and COMMAND reads from hwm; with
    /// out, COMMAND reads standard input and hwm relays what it writes; with both, there is one hwm before COMMAND and one
    /// behind it, and what is shown of the second has the ratio of the two. The exit status is that of COMMAND where hwm has none of
    /// its own to report. See COMMANDS in hwm(1).
    #[arg(
        help_heading = "Input",
        short = 'M',
        long,
        value_name = "SIDE",
        value_enum
    )]
    pub(super) monitor: Option<SideName>,

    /// Count records (lines) instead of bytes
    ///
    /// This holds for the display, and for the values of -s, -L and --burst.
    #[arg(help_heading = "Input", short = 'l', long)]
    pub(super) line_mode: bool,

    /// Records end with a null byte instead of a newline; implies -l
    #[arg(help_heading = "Input", short = '0', long)]
    pub(super) null: bool,

    /// Any one of these characters ends a record, rather than a newline
    ///
    /// At most three, with \n \r \t \0 \xHH and \\ for those that are hard to type: '\r\n' is both of them, for what rewrites its line.
    /// Records are then counted, as with --mark.
    #[arg(help_heading = "Input", long, value_name = "CHARS", allow_hyphen_values = true,
          value_parser = delimiter::parse)]
    pub(super) delimiter: Option<Delimiters>,

    /// Expect SIZE bytes, records with -l; or as @FILE has
    ///
    /// This is for the share done and the time left. With @FILE it is as much as FILE has. A directory as FILE stands for all files
    /// below it. Without -s, and without -l, it is the sum of the sizes of the inputs, if all are
    /// known. 0 stands for unknown.
    #[arg(help_heading = "Input", short = 's', long, value_name = "SIZE",
          allow_hyphen_values = true, value_parser = parse_expected)]
    pub(super) size: Option<Expected>,

    /// Stop after the size of -s, or that of the files
    ///
    /// The input is cut there, and hwm ends as at the end of input. As in pv this does nothing
    /// when the size is not known; with -l only -s tells it.
    #[arg(help_heading = "Input", short = 'S', long)]
    pub(super) stop_at_size: bool,

    /// With block: exit 5 if a stall lasts longer; --then
    ///
    /// With --then records are lost instead. A stall counts while reading is paused. See POLICIES in hwm(1).
    #[arg(help_heading = "Endings", long, value_name = "DUR",
          allow_hyphen_values = true, value_parser = duration::parse_positive)]
    pub(super) block_timeout: Option<Duration>,

    /// After --block-timeout: lose records by POLICY
    ///
    /// A circuit breaker: POLICY takes over from block until the state is flowing again. A record that
    /// has begun to go out by then goes out whole.
    #[arg(help_heading = "Endings", long, value_name = "POLICY",
          allow_hyphen_values = true, value_parser = PolicyParser { only_lossy: true })]
    pub(super) then: Option<PolicyName>,

    /// Exit 6 when no input came for so long
    ///
    /// What is held is written first; see --idle-ok.
    #[arg(help_heading = "Endings", long, value_name = "DUR",
          allow_hyphen_values = true, value_parser = duration::parse_positive)]
    pub(super) idle_timeout: Option<Duration>,

    /// With --idle-timeout: that is a normal ending, exit 0
    #[arg(help_heading = "Endings", long)]
    pub(super) idle_ok: bool,

    /// After SIGTERM or SIGHUP read on and write for at most so long
    ///
    /// hwm ends as soon as the input does. What is held after that time is lost, with the reason
    /// shutdown. See SIGNALS in hwm(1).
    #[arg(help_heading = "Endings", long, value_name = "DUR", default_value = "2s",
          allow_hyphen_values = true, value_parser = duration::parse)]
    pub(super) drain_timeout: Duration,

    /// What it means when the consumer is gone
    #[arg(
        help_heading = "Endings",
        long,
        value_name = "ENDING",
        default_value = "signal",
        value_enum
    )]
    pub(super) broken_pipe: BrokenPipeName,

    /// With -M in: start COMMAND again when it ends
    ///
    /// When it ends before the input does. The next one begins with the first record that the one before had not wholly read. Meanwhile the policy
    /// decides. After N failures in a row hwm ends with exit 7; without N it goes on. See COMMANDS in hwm(1).
    #[arg(help_heading = "Endings", long, value_name = "N", num_args = 0..=1,
          require_equals = true, default_missing_value = respawn::ALWAYS, value_parser = respawn::parse)]
    pub(super) respawn: Option<Respawn>,

    /// With --respawn: the pause before the first start, doubled each time [default: 100ms]
    ///
    /// Up to 30s. It begins anew when COMMAND has lived for a minute.
    #[arg(help_heading = "Endings", long, value_name = "DUR",
          allow_hyphen_values = true, value_parser = duration::parse_positive)]
    pub(super) respawn_delay: Option<Duration>,

    /// How to report
    ///
    /// The default is bar on a terminal, else summary. With -f the default is bar in any case; with --report-to and without -f it is summary.
    /// Switches such as -p give the display pv's form instead.
    #[arg(help_heading = "Report", long, value_name = "MODE", value_enum)]
    pub(super) report: Option<ReportName>,

    /// Append the report to PATH instead of writing it to standard error
    #[arg(help_heading = "Report", long, value_name = "PATH",
          value_hint = clap::ValueHint::FilePath)]
    pub(super) report_to: Option<PathBuf>,

    /// Append each change of state to PATH as JSON lines
    ///
    /// One line for each time the state becomes pressured or flowing and for each loss episode that
    /// begins, as it happens. The data never waits for it: who reads too slowly loses events, and
    /// is told how many. See EVENTS in hwm(1).
    #[arg(help_heading = "Report", long, value_name = "PATH",
          value_hint = clap::ValueHint::FilePath)]
    pub(super) events: Option<PathBuf>,

    /// Run CMD by sh -c each time the state becomes pressured
    ///
    /// One command runs at a time, beside the data. The account is in its environment. See EVENTS
    /// in hwm(1).
    #[arg(help_heading = "Report", long, value_name = "CMD", value_hint = clap::ValueHint::CommandString,
          allow_hyphen_values = true, value_parser = parse_command)]
    pub(super) on_pressure: Option<String>,

    /// Run CMD by sh -c each time the state is flowing again
    ///
    /// As --on-pressure does.
    #[arg(help_heading = "Report", long, value_name = "CMD", value_hint = clap::ValueHint::CommandString,
          allow_hyphen_values = true, value_parser = parse_command)]
    pub(super) on_flow: Option<String>,

    /// Run CMD by sh -c each time COMMAND was started again
    ///
    /// With --respawn, as --on-pressure does.
    #[arg(help_heading = "Report", long, value_name = "CMD", value_hint = clap::ValueHint::CommandString,
          allow_hyphen_values = true, value_parser = parse_command)]
    pub(super) on_respawn: Option<String>,

    /// Report every SEC seconds, as in 0.5, or DUR
    ///
    /// The shortest is 0.01, or 10ms.
    #[arg(help_heading = "Report", short = 'i', long, value_name = "SEC|DUR",
          default_value = "1", allow_hyphen_values = true,
          value_parser = duration::parse_interval)]
    pub(super) interval: Duration,

    /// Put NAME in front of the report
    #[arg(help_heading = "Report", short = 'N', long, value_name = "NAME",
          allow_hyphen_values = true, value_parser = parse_name)]
    pub(super) name: Vec<String>,

    /// Show the bar, or the display of -p and the like, also where standard error is no terminal
    ///
    /// A --report that asks for something else still decides.
    #[arg(help_heading = "Report", short = 'f', long)]
    pub(super) force: bool,

    /// Report nothing but errors, like --report none
    ///
    /// As in pv, -v adds its line all the same.
    #[arg(help_heading = "Report", short = 'q', long)]
    pub(super) quiet: bool,

    /// Add the minimum, mean, maximum and deviation of the rate at the end
    ///
    /// They are in bytes a second, or in records a second with -l, from one measurement each interval.
    #[arg(help_heading = "Report", short = 'v', long)]
    pub(super) stats: bool,

    /// Keep the account in PATH as a Prometheus text file
    ///
    /// It is replaced as a whole at each interval and at the end, for node_exporter's textfile
    /// collector. See METRICS in hwm(1).
    #[arg(help_heading = "Report", long, value_name = "PATH",
          value_hint = clap::ValueHint::FilePath)]
    pub(super) metrics_file: Option<PathBuf>,

    /// Draw the run as a picture, an SVG, when it is over
    ///
    /// It shows the rates, what was held and what was lost, and who waited for whom, over time. See A RUN
    /// AS A PICTURE in hwm(1).
    #[arg(help_heading = "Report", long, value_name = "FILE",
          value_hint = clap::ValueHint::FilePath)]
    pub(super) chart: Option<PathBuf>,

    /// The hwm behind the command of -M both
    #[arg(long = "behind", hide = true)]
    pub(super) is_behind: bool,

    /// The one before it
    #[arg(skip)]
    pub(super) is_before: bool,

    #[command(flatten)]
    pub(super) display: DisplayArgs,

    #[command(flatten)]
    pub(super) transfer: TransferArgs,

    /// Print help; --help says all
    #[arg(help_heading = "Other", short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,

    /// Print the version
    #[arg(help_heading = "Other", short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

impl Args {
    /// The FILEs. With -M there are none: what stands there is the command's.
    pub(super) fn inputs(&self) -> &[PathBuf] {
        match self.monitor {
            None => &self.files,
            Some(_) => &[],
        }
    }
}

/// `--broken-pipe ENDING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BrokenPipeName {
    /// die by SIGPIPE, like cat
    Signal,
    /// a normal ending, exit 0
    Ok,
    /// read on to the end of input, and lose it: the producer never notices
    Drain,
    /// with -o FIFO: wait for the next reader, which gets what the last one had not read
    Wait,
}

/// `-s SIZE`: how much is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// So much.
    Size(u64),
    /// As much as there is in this file, or below this directory.
    Of(PathBuf),
}

fn parse_expected(text: &str) -> Result<Expected, String> {
    match text.strip_prefix('@') {
        Some("") => Err("expected the name of a file after '@'".into()),
        Some(path) => Ok(Expected::Of(path.into())),
        None => size::parse(text).map(Expected::Size),
    }
}

/// A percentage, as a chance from 0.0 to 1.0.
fn parse_chance(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').ok_or("expected P%, as in 5%")?;
    Ok(percent::parse(number)? / 100.0)
}

/// A mistake is told together with the one expression that has it.
fn parse_regex(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty, and would match every record".into());
    }
    Classes::new(&[text]).map(|_| text.to_owned())
}

fn parse_seed(text: &str) -> Result<u64, String> {
    // Rust would let a '+' pass, which no other number of hwm's may have.
    let number = text.parse().ok().filter(|_| !text.starts_with('+'));
    number.ok_or_else(|| "expected a whole number from 0 to 18446744073709551615".into())
}

/// A name goes into every line of the report; it must not begin a new one, or steer a terminal.
fn parse_name(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("a name cannot have control characters in it".into());
    }
    Ok(text.to_owned())
}

fn parse_command(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("expected a command for sh");
    }
    Ok(text.to_owned())
}

/// Knows more names than it accepts: those that [`hints`] have something to say of. Where only policies
/// that lose records are offered, that the others do not is said where they are judged.
#[derive(Debug, Clone, Copy)]
struct PolicyParser {
    only_lossy: bool,
}

impl PolicyParser {
    fn names(self) -> impl Iterator<Item = PossibleValue> {
        let is_lossy = |name: &PolicyName| !matches!(name, PolicyName::Block | PolicyName::Fail);
        let names = PolicyName::value_variants().iter();
        names
            .filter(move |name| !self.only_lossy || is_lossy(name))
            .filter_map(ValueEnum::to_possible_value)
    }
}

impl TypedValueParser for PolicyParser {
    type Value = PolicyName;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<PolicyName, clap::Error> {
        let only_lossy = self.only_lossy;
        let refuse = move |name: &str| match hints::policy(name, only_lossy) {
            Some(message) => Err(message),
            None => Ok(()),
        };
        refuse.parse_ref(command, arg, value)?;
        EnumValueParser::new()
            .parse_ref(command, arg, value)
            .map_err(|error| {
                let names = PossibleValuesParser::new(self.names());
                let mut error = names.parse_ref(command, arg, value).err().unwrap_or(error);
                // What clap takes for similar may lose more.
                error.remove(ContextKind::SuggestedValue);
                error
            })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names()))
    }
}
