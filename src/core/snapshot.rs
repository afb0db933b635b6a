//! A read-only snapshot of a run: everything a report may say. Holds no logic but what follows
//! from its own fields.

use std::time::Duration;

use super::account::{Losses, Tally};
use super::ending::Ending;
use crate::core::loss::dead_letters::DeadLetterCount;

/// The whole account at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Time since the start, without the time the process was stopped.
    pub elapsed: Duration,
    /// Whether records are counted; if not, every `records` here means nothing and is reported
    /// as unknown.
    pub counts_records: bool,
    /// What came in.
    pub input: Tally,
    /// What the system accepted on stdout, without marks.
    pub output: Tally,
    /// What will never go out.
    pub lost: Losses,
    /// What is held now.
    pub held: Tally,
    /// The marks written (`records`) and their bytes; in no other figure.
    pub marks: Tally,
    /// The most bytes held so far.
    pub peak_held: u64,
    /// The most bytes held since the last periodic report, so that no burst between two is missed.
    pub recent_peak_held: u64,
    /// C.
    pub capacity: u64,
    /// H.
    pub high_water: u64,
    /// L.
    pub low_water: u64,
    /// Flowing or pressured.
    pub state: State,
    /// The policy's name.
    pub policy: &'static str,
    /// Bytes a second over the interval since the last periodic report, or over the whole run in
    /// the summary. None when no time has passed.
    pub in_rate: Option<f64>,
    /// The same for the output.
    pub out_rate: Option<f64>,
    /// Records a second, else as `in_rate`; None also where records are not counted.
    pub in_record_rate: Option<f64>,
    /// The same for the output.
    pub out_record_rate: Option<f64>,
    /// Time spent with nothing to do but wait for input.
    pub wait_input: Duration,
    /// Time in which there was something to write and stdout took nothing.
    pub wait_output: Duration,
    /// Time in which the rate limit held output back.
    pub wait_rate: Duration,
    /// The rest of `elapsed`: time spent moving data.
    pub busy: Duration,
    /// Time in which the policy had stopped reading.
    pub read_paused: Duration,
    /// Time in the pressured state.
    pub pressured: Duration,
    /// Time in which a stall had given `block`'s place to the policy of `--then`.
    pub open_for: Duration,
    /// How much of it the last such time was that has ended; None before.
    pub last_open: Option<Duration>,
    /// How often the state became pressured.
    pub pressure_episodes: u64,
    /// How many unbroken runs of lost records there were.
    pub loss_episodes: u64,
    /// The longest unbroken time in which stdout took nothing of what was offered.
    pub longest_stall: Duration,
    /// At the current rates; None when it does not fill.
    pub seconds_to_full: Option<f64>,
    /// The share of records that `sample` admits while pressured; None without such a share.
    pub sample_rate: Option<f64>,
    /// What held the data up for longest, over the whole run so far.
    pub bottleneck: Bottleneck,
    /// How many consumers followed another.
    pub restarts: u64,
    /// How many records went out to one that another had not wholly read.
    pub redelivered: u64,
    /// What became of the lost records that `--lost-to` shall keep; None without it.
    pub dead_letters: Option<DeadLetterCount>,
    /// The exit status, in the summary (128 + N for an ending by signal N).
    pub exit: Option<i32>,
    /// `--fail-on-loss` says that too much was lost, and that is how it ended.
    pub lost_too_much: bool,
    /// How the run ended, in the summary.
    pub ending: Option<Ending>,
    /// What is known of the output beyond the account.
    pub seen: Seen,
}

/// What the loop saw of the output. Not part of the account: it is there for people to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes that stdout accepted and that still lie in the consumer's pipe, unread; 0 where that
    /// cannot be known.
    pub unread: u64,
    /// When the first byte was accepted.
    pub first_output: Option<Duration>,
    /// The bytes last accepted, as many as were asked to be remembered.
    pub last_written: Vec<u8>,
    /// The beginning of the last whole record accepted, if it was asked to be remembered.
    pub previous_line: Vec<u8>,
}

impl Snapshot {
    /// How long the verdict's wait was; none where there is no verdict.
    pub fn held_up(&self) -> Duration {
        match self.bottleneck {
            Bottleneck::Producer => self.wait_input,
            Bottleneck::Consumer => self.wait_output,
            Bottleneck::RateLimit => self.wait_rate,
            Bottleneck::None => Duration::ZERO,
        }
    }
}

/// The state between the watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Held fell to L, or never reached H.
    #[default]
    Flowing,
    /// Held reached H and has not fallen to L since.
    Pressured,
}

impl State {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            State::Flowing => "flowing",
            State::Pressured => "pressured",
        }
    }
}

/// What holds the data up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bottleneck {
    /// hwm mostly waited for input.
    Producer,
    /// hwm mostly waited for the output.
    Consumer,
    /// hwm mostly held the output back itself, as `-L` asks: no side is slow.
    RateLimit,
    /// No wait is worth naming.
    #[default]
    None,
}

impl Bottleneck {
    /// The name in reports for machines.
    pub fn name(self) -> &'static str {
        match self {
            Bottleneck::RateLimit => "rate_limit",
            side => side.side(),
        }
    }

    /// The name of the slow side, for readers that know of sides only.
    pub fn side(self) -> &'static str {
        match self {
            Bottleneck::Producer => "producer",
            Bottleneck::Consumer => "consumer",
            Bottleneck::RateLimit | Bottleneck::None => "none",
        }
    }
}
