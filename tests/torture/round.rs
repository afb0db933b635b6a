//! From a seed to a round: what hwm is told, what it runs between, and what is done to it.

use std::fmt::{Debug, Formatter};

use highwater::core::rng::Rng;
use highwater::delimiters::Delimiters;
use rustix::process::Signal;

/// What a stream of hwm's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Pipe,
    Fifo,
    Socket,
    Terminal,
    File,
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Hwm,
    Producer,
    Consumer,
}

/// Something done to a process, so many microseconds after what was done before.
#[derive(Clone, Copy)]
pub struct Act {
    pub pause: u64,
    pub who: Who,
    pub signal: Signal,
}

impl Debug for Act {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Act { pause, who, signal } = self;
        write!(f, "{pause} us later {signal:?} for {who:?}")
    }
}

/// See the module's header.
#[derive(Debug)]
pub struct Round {
    pub seed: u64,
    pub args: Vec<String>,
    pub policy: &'static str,
    /// Whether hwm counts records: a lossy policy, a unit of records, or records to keep.
    pub counts_records: bool,
    pub by_line: bool,
    pub delimiters: Delimiters,
    pub mark: bool,
    /// The lost records go to a file.
    pub keeps_lost: bool,
    /// Each change is told to a file.
    pub tells_events: bool,
    pub input: Stream,
    pub output: Stream,
    pub errors: Stream,
    /// Nobody reads the reports, which go to a full pipe: there is no account.
    pub deaf: bool,
    pub records: u64,
    pub largest_record: u64,
    pub largest_source: u64,
    pub largest_write: u64,
    pub largest_read: u64,
    /// One in so many writes or reads is followed by a pause.
    pub pauses: u64,
    /// The producer's last record lacks its end.
    pub half_record: bool,
    /// The consumer closes its side after so many bytes.
    pub leaves_after: Option<u64>,
    pub acts: Vec<Act>,
}

/// A generator that chooses.
pub struct Dice(Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Rng::new(seed))
    }

    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Those that lose records behind those that lose none.
const POLICIES: [&str; 9] = [
    "block",
    "fail",
    "drop-newest",
    "drop-oldest",
    "drop-buffer",
    "latest",
    "red",
    "sample",
    "priority",
];

const SAMPLES: [&str; 6] = [
    "1/3",
    "10%",
    "adaptive",
    "first=5,then=3,per=1ms",
    "reservoir=3/1ms",
    "reservoir=1000/100ms",
];

const STREAMS: [Stream; 6] = [
    Stream::Pipe,
    Stream::Pipe,
    Stream::Fifo,
    Stream::Socket,
    Stream::Terminal,
    Stream::File,
];

impl Round {
    /// Everything about the round of `seed`. The peers' processes ask for it again.
    pub fn of(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let policy = dice.of(&POLICIES);
        let times_out = policy == "block" && dice.one_in(4);
        let lossy = &POLICIES[2..];
        let then = (times_out && dice.one_in(2)).then(|| dice.of(lossy));
        let is_lossy = then.is_some() || !matches!(policy, "block" | "fail");
        let mut args = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(ToString::to_string));
        add(&["--when-full", policy, "--drain-timeout", "50ms"]);
        let capacity = dice.of(&["1", "100", "4k", "64k", "100000", "1M", "16M"]);
        add(&["-B", capacity]);
        let uses = |name| policy == name || then == Some(name);
        if uses("red") {
            add(&["--red-max", dice.of(&["0%", "10%", "100%"])]);
        }
        let mut marks_in_place = is_lossy;
        if uses("sample") {
            let sample = dice.of(&SAMPLES);
            // Its marks stand before a window's sample, not among it; the simulator looks at them.
            marks_in_place = !sample.starts_with("reservoir");
            add(&["--sample", sample]);
            add(&["--seed", &seed.to_string()]);
        }
        if uses("priority") {
            // By the number that a record begins with, and by what may be anywhere in it.
            add(&[
                "--priority",
                "^[0-9]{7}0 ",
                "--priority",
                dice.of(&["x", "^[0-9]{7}[1-5]"]),
            ]);
        }
        if dice.one_in(3) {
            add(&["--high-water", dice.of(&["1%", "50%", "100%"])]);
            add(&["--low-water", dice.of(&["0", "1%", "0%"])]);
        }
        let mark = marks_in_place && dice.one_in(2);
        if mark {
            add(&["--mark=#{records} {bytes}#"]);
        }
        let keeps_lost = dice.one_in(3);
        let (unit, delimiters) = dice.of(&[
            ("", Delimiters::NEWLINE),
            ("", Delimiters::NEWLINE),
            ("-l", Delimiters::NEWLINE),
            ("-0", Delimiters::One(0)),
            ("--delimiter=|", Delimiters::One(b'|')),
            ("--delimiter=\\r\\n", Delimiters::Two(b'\r', b'\n')),
            ("--delimiter=\\n\\0|", Delimiters::Three(b'\n', 0, b'|')),
        ]);
        let by_line = ["-l", "-0"].contains(&unit);
        if !unit.is_empty() {
            add(&[unit]);
        }
        if dice.one_in(3) {
            add(&["--no-splice"]);
        }
        let is_limited = dice.one_in(8);
        if is_limited {
            add(&["-L", dice.of(&["300k", "20M"])]);
        }
        if times_out {
            add(&["--block-timeout", dice.of(&["1ms", "20ms", "1h"])]);
        }
        if let Some(then) = then {
            add(&["--then", then]);
        }
        if is_lossy && then.is_none() && dice.one_in(5) {
            add(&["--max-age", dice.of(&["1ms", "30ms", "1h"])]);
        }
        if !uses("latest") && dice.one_in(6) {
            // Not above any of the high-water marks.
            add(&["--start-fill", dice.of(&["0.5%", "1%"])]);
            add(&["--start-timeout", dice.of(&["0", "20ms"])]);
        }
        let few = dice.one_in(8);
        if few {
            add(&["--buffer-records", dice.of(&["1", "10", "1000"])]);
        }
        for (chances, words) in [
            (8, ["--idle-timeout", dice.of(&["5ms", "50ms", "1h"])]),
            (4, ["--broken-pipe", dice.of(&["ok", "drain"])]),
            (2, ["-i", "0.01"]),
        ] {
            if dice.one_in(chances) {
                add(&words);
            }
        }
        let fails_on_loss = dice.one_in(4);
        if fails_on_loss {
            add(&["--fail-on-loss"]);
        }
        let (largest_write, largest_read) = (
            dice.of(&[1, 100, 5_000, 100_000, 1 << 20]),
            dice.of(&[10, 5_000, 65_536, 1 << 20]),
        );
        let input = dice.of(&STREAMS);
        // More would take too long with -L, byte by byte, and in the smallest pieces.
        let is_slow = is_limited || few || capacity == "1";
        let most = if is_slow { 100_000 } else { 4_000_000 };
        let largest_source = most.min(500 * largest_write.min(largest_read));
        let deaf = dice.one_in(20);
        Self {
            seed,
            args,
            policy,
            counts_records: is_lossy || !unit.is_empty() || few || keeps_lost || fails_on_loss,
            by_line,
            delimiters,
            mark,
            keeps_lost,
            tells_events: dice.one_in(3),
            input,
            output: dice.of(&STREAMS),
            errors: match deaf {
                true => Stream::Pipe,
                false => dice.of(&[Stream::File, Stream::Terminal]),
            },
            deaf,
            records: dice.of(&[10, 300, 3_000]),
            largest_record: dice.of(&[1, 100, 1_000, 20_000]).min(largest_source),
            largest_source,
            largest_write,
            largest_read,
            pauses: dice.of(&[3, 50, 1_000]),
            // -S, which ends what comes from a terminal, waits for whole records.
            half_record: dice.one_in(5) && input != Stream::Terminal,
            leaves_after: dice.one_in(8).then(|| dice.below(100_000)),
            acts: acts(dice),
        }
    }

    pub fn is_lossy(&self) -> bool {
        self.has("--then") || !matches!(self.policy, "block" | "fail")
    }

    pub fn has(&self, option: &str) -> bool {
        self.args.iter().any(|arg| arg == option)
    }

    /// Whether `signal` is sent to `who`.
    pub fn sends(&self, who: Who, signal: Signal) -> bool {
        self.acts
            .iter()
            .any(|act| act.who == who && act.signal == signal)
    }

    /// Whether the consumer may go before hwm has ended.
    pub fn loses_consumer(&self) -> bool {
        self.output != Stream::File
            && (self.leaves_after.is_some() || self.sends(Who::Consumer, Signal::KILL))
    }
}

/// Stops and continues for everybody, questions, and at most one end.
fn acts(dice: &mut Dice) -> Vec<Act> {
    let pause = dice.of(&[1_000, 5_000, 20_000]);
    let mut acts: Vec<Act> = (0..dice.of(&[0, 0, 4, 12]))
        .map(|_| {
            let who = dice.of(&[Who::Hwm, Who::Producer, Who::Consumer]);
            let signal = match who {
                Who::Hwm => dice.of(&[Signal::STOP, Signal::TSTP, Signal::CONT, Signal::CONT]),
                _ => dice.of(&[Signal::STOP, Signal::CONT]),
            };
            let pause = dice.below(pause);
            Act { pause, who, signal }
        })
        .collect();
    let end = match dice.below(16) {
        0 | 1 => Some((Who::Producer, Signal::KILL)),
        2 | 3 => Some((Who::Consumer, Signal::KILL)),
        4 | 5 => Some((Who::Hwm, Signal::KILL)),
        6 => Some((Who::Hwm, Signal::INT)),
        7 => Some((Who::Hwm, Signal::TERM)),
        8 => Some((Who::Hwm, Signal::HUP)),
        9 => Some((Who::Hwm, Signal::USR1)),
        _ => None,
    };
    if let Some((who, signal)) = end {
        let pause = dice.below(2 * pause);
        let at = dice.below(acts.len() as u64 + 1) as usize;
        acts.insert(at, Act { pause, who, signal });
        if dice.one_in(4) {
            acts.push(Act { pause, who, signal });
        }
    }
    acts
}
