//! Framing and queue: any bytes, cut in any way into reads and writes, against the naive model that
//! is written byte by byte from the contract, without a look at the queue. Who is lost and why,
//! what goes out and where the marks stand must agree after every step, and under a lossy policy
//! be the same however the reads are cut and the memory is.

use std::fmt;
use std::io::IoSlice;
use std::time::Duration;

use highwater::classes::Classes;
use highwater::config::{Amount, Mark, MarkPiece, Policy, RelayConfig, Sample};
use highwater::core::account::{Reason, Tally};
use highwater::core::ending::Ending;
use highwater::core::loss::sent::Leftover;
use highwater::core::relay::{ReadWish, Relay};
use highwater::core::snapshot::{Snapshot, State};
use highwater::delimiters::Delimiters;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fuzz;
use super::model::{End, Model};

const NOW: Duration = Duration::ZERO;

/// No time passes, so it never ends.
const WINDOW: Duration = Duration::from_secs(1);

/// At most so many bytes go to a thread at once.
const HANDED_OVER: usize = 64;

/// Enough that no offer depends on how many chunks hold what is offered: with fewer, it ends with the last
/// whole record in them.
const SLOTS: usize = 4096;

#[derive(Debug, Clone)]
struct Case {
    config: RelayConfig,
    /// Memory unit of the queue: small, so that boundaries are met often.
    chunk: usize,
    /// The longest single read.
    cut: usize,
    input: Bytes,
    script: Vec<Step>,
    /// The consumer goes behind the script.
    leaves: Option<Leaves>,
}

/// What a consumer leaves unread, at most, and whether it is given back.
#[derive(Debug, Clone, Copy)]
struct Leaves {
    unread: usize,
    gives_back: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Read(usize),
    Write(usize),
    /// So many bytes go to a thread: they cannot be taken back, and are out after later writes.
    HandOver(usize),
}

/// Prints as the literal that a test would have.
#[derive(Clone, PartialEq)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

// ---- a run, step by step --------------------------------------------------------------------

struct Run<'a> {
    relay: Relay,
    model: Model,
    cut: usize,
    left: &'a [u8],
    /// What a thread has and has not written.
    in_flight: Vec<u8>,
    output: Vec<u8>,
    /// The account after each step.
    trace: Vec<Snapshot>,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, chunk: usize, cut: usize) -> Self {
        let mut relay = Relay::with_chunk_size(case.config.clone(), chunk);
        if case.leaves.is_some_and(|leaves| !leaves.gives_back) {
            relay.keep_sent();
        }
        Self {
            relay,
            model: Model::new(case.config.clone()),
            cut,
            left: &case.input.0,
            in_flight: Vec::new(),
            output: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Read(most) => self.read(most),
            Step::Write(most) => self.write(most),
            Step::HandOver(most) => self.hand_over(most),
        }
        self.end_turn();
        self.compare_changes();
        self.compare();
    }

    /// As at the end of a turn of the loop.
    fn end_turn(&mut self) {
        let is_blocked = self.relay.is_blocked();
        self.relay.expire(NOW);
        self.model.expire(is_blocked, NOW);
    }

    /// As much as the relay wants, up to `most`.
    fn read(&mut self, most: usize) {
        let mut quota = most.min(self.left.len());
        while quota > 0 {
            match self.relay.read_wish() {
                ReadWish::Nothing => return,
                ReadWish::Watch => {
                    self.relay.more_came(NOW);
                    self.model.more_came(NOW);
                    return;
                }
                ReadWish::UpTo(wish) => {
                    let space = self.relay.space(wish.min(quota).min(self.cut));
                    let (taken, left) = self.left.split_at(space.len());
                    space.copy_from_slice(taken);
                    self.relay.received(taken.len(), NOW);
                    self.model.receive(taken, NOW);
                    self.left = left;
                    quota -= taken.len();
                }
            }
        }
    }

    /// As much as there is, up to `most`; the output is blocked when there is more.
    fn write(&mut self, most: usize) {
        self.relay.output_ready();
        let mut quota = most;
        if !self.in_flight.is_empty() {
            let count = quota.min(self.in_flight.len());
            let out = self.in_flight.drain(..count).collect();
            self.sent(out);
            quota -= count;
            if !self.in_flight.is_empty() {
                return self.relay.output_blocked(NOW);
            }
        }
        loop {
            let mut out = self.offer();
            if out.is_empty() {
                return;
            }
            if quota == 0 {
                return self.relay.output_blocked(NOW);
            }
            out.truncate(quota);
            quota -= out.len();
            self.sent(out);
        }
    }

    fn offer(&mut self) -> Vec<u8> {
        if !self.relay.write_wish(NOW) {
            return Vec::new();
        }
        let mut parts = vec![IoSlice::new(&[]); SLOTS];
        let used = self.relay.offer(NOW, &mut parts);
        parts[..used]
            .iter()
            .flat_map(|part| part.to_vec())
            .collect()
    }

    fn sent(&mut self, out: Vec<u8>) {
        self.relay.sent(out.len(), NOW);
        assert_eq!(out, self.model.send(out.len(), NOW), "output");
        self.model.end_if_drained(NOW);
        self.output.extend(out);
    }

    fn hand_over(&mut self, most: usize) {
        if !self.in_flight.is_empty() {
            return;
        }
        self.relay.output_ready();
        self.in_flight = self.offer();
        self.in_flight.truncate(most);
        if !self.in_flight.is_empty() {
            self.relay.in_flight(self.in_flight.len(), NOW);
            self.model.hand_over(self.in_flight.len(), NOW);
            self.relay.output_blocked(NOW);
        }
    }

    /// The script is over: what is left comes in, goes out, and the input ends.
    fn finish(&mut self) {
        while !self.left.is_empty() && self.relay.takes_input() {
            let before = (self.left.len(), self.output.len());
            self.step(Step::Read(usize::MAX));
            self.step(Step::Write(13));
            // It may have ended: where records are known, what has come of one that is cut is not sent.
            let moved = before != (self.left.len(), self.output.len());
            assert!(moved || !self.relay.takes_input(), "stuck");
        }
        self.relay.input_ended(NOW);
        self.model.end_input(NOW);
        self.compare();
        // With -S 0 nothing else ever happens.
        self.end_turn();
        while self.relay.ended().is_none() {
            let before = self.output.len();
            self.step(Step::Write(7));
            assert!(before < self.output.len(), "stuck");
        }
        let ending = match self.model.end {
            End::Overflow => Ending::Overflow,
            _ => Ending::EndOfInput,
        };
        assert_eq!(self.relay.ended(), Some(ending));
        assert_eq!(self.model.held(), 0);
    }

    /// The consumer goes, and the input ends behind that.
    fn leave(&mut self, leaves: Leaves) {
        let unread = leaves.unread.min(self.output.len());
        let last = &self.output[self.output.len() - unread..];
        self.relay.left_unread(Leftover {
            bytes: unread as u64,
            text: leaves.gives_back.then(|| last.to_vec()),
        });
        self.model.left_unread(unread);
        self.relay.output_gone(NOW);
        self.model.consumer_gone(NOW);
        self.compare();
        self.relay.input_ended(NOW);
        self.model.end_input(NOW);
        self.end_turn();
        self.compare();
        assert!(self.relay.ended().is_some());
        assert_eq!(self.model.held(), 0);
    }

    /// Changes happen in the same order; the relay remembers the first 16 between two looks.
    fn compare_changes(&mut self) {
        let mut expected = std::mem::take(&mut self.model.changes);
        expected.truncate(16);
        let changes = self.relay.take_changes();
        let told: Vec<_> = changes.into_iter().map(|(change, _)| change).collect();
        assert_eq!(told, expected, "changes");
    }

    fn compare(&mut self) {
        let snapshot = self.relay.event_snapshot(NOW);
        let model = &self.model;
        let pair = |tally: Tally| (tally.bytes, tally.records);
        for reason in Reason::ALL {
            let expected = model.lost_by(reason);
            assert_eq!(pair(snapshot.lost[reason]), expected, "{}", reason.name());
        }
        let held = (model.held() as u64, model.held_records());
        assert_eq!(pair(snapshot.input), model.input, "input");
        assert_eq!(pair(snapshot.output), model.taken(), "output");
        assert_eq!(pair(snapshot.held), held, "held");
        assert_eq!(pair(snapshot.marks), model.marks_taken(), "marks");
        assert_eq!(snapshot.peak_held, model.peak as u64, "peak");
        assert_eq!(snapshot.state == State::Pressured, model.pressured, "state");
        assert_eq!(snapshot.loss_episodes, model.episodes, "episodes");
        let mut sum = snapshot.output;
        sum += snapshot.lost.total();
        sum += snapshot.held;
        assert_eq!(snapshot.input, sum, "balance");
        assert!(snapshot.held.bytes <= snapshot.capacity, "cap");
        self.trace.push(snapshot);
    }
}

fn check(case: Case) {
    let run = |chunk, cut| {
        let mut run = Run::new(&case, chunk, cut);
        case.script.iter().for_each(|step| run.step(*step));
        match case.leaves.filter(|_| run.relay.takes_input()) {
            Some(leaves) => run.leave(leaves),
            None => run.finish(),
        }
        (run.output, run.trace)
    };
    let (output, trace) = run(case.chunk, case.cut);
    if case.config.policy == Policy::Priority {
        // What landed whole is of a known class, and what came in part is not: here reads may be cut
        // differently only by what the model hears as well.
        return;
    }
    if case.config.policy.is_lossy() {
        for (chunk, cut) in [(case.chunk, 1), (4096, usize::MAX)] {
            let (other_output, other_trace) = run(chunk, cut);
            assert_eq!(Bytes(output.clone()), Bytes(other_output), "exactness");
            assert!(trace == other_trace, "exactness of the account");
        }
    } else {
        assert!(case.input.0.starts_with(&output), "order");
    }
}

// ---- random cases ---------------------------------------------------------------------------

fn policies() -> impl Strategy<Value = Policy> {
    let chances = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64];
    prop_oneof![
        1 => Just(Policy::Block),
        1 => Just(Policy::Fail),
        2 => Just(Policy::DropNewest),
        3 => Just(Policy::DropOldest),
        2 => Just(Policy::DropBuffer),
        2 => Just(Policy::Latest),
        1 => (1_u64..5).prop_map(|n| Policy::Sample(Sample::Every(n))),
        1 => (0_u64..4, 0_u64..4).prop_map(|(first, then)| {
            Policy::Sample(Sample::First { first, then, per: WINDOW })
        }),
        2 => (1_u64..5).prop_map(|keep| Policy::Sample(Sample::Reservoir { keep, per: WINDOW })),
        2 => chances.clone().prop_map(|max_p| Policy::Red { max_p }),
        1 => chances.prop_map(|p| Policy::Sample(Sample::Chance(p))),
        3 => Just(Policy::Priority),
    ]
}

/// By bytes and lengths that `inputs` has, and that match all or nothing.
fn classes() -> impl Strategy<Value = Classes> {
    const EXPRESSIONS: [&str; 7] = [
        r"[\x00-\x3f]",
        r"[\x80-\xff]",
        "^.{1,5}$",
        "^$",
        r"\r$",
        "",
        "never",
    ];
    vec(select(&EXPRESSIONS[..]), 1..4)
        .prop_map(|expressions| Classes::new(&expressions).expect("expressions"))
}

fn count_mark() -> Mark {
    let text = MarkPiece::Text("lost ".to_string());
    Mark(vec![text, MarkPiece::Records])
}

/// Mostly none, so that most inputs are taken whole.
fn cuts() -> impl Strategy<Value = Option<Amount>> {
    prop_oneof![
        6 => Just(None),
        1 => (0_u64..300).prop_map(|end| Some(Amount::Bytes(end))),
        1 => (0_u64..30).prop_map(|end| Some(Amount::Records(end))),
    ]
}

const DELIMITERS: [Delimiters; 5] = [
    Delimiters::NEWLINE,
    Delimiters::NEWLINE,
    Delimiters::One(0),
    Delimiters::Two(b'\r', b'\n'),
    Delimiters::Three(b'\n', 0, b'\r'),
];

fn configs() -> impl Strategy<Value = RelayConfig> {
    let capacities = prop_oneof![1_u64..8, 1_u64..80, 1_u64..600];
    let percents = || prop_oneof![Just(100_u64), 0_u64..=100];
    let flags = (any::<bool>(), any::<bool>());
    (
        (capacities, percents(), percents()),
        (policies(), classes()),
        select(&DELIMITERS[..]),
        flags,
        cuts(),
        any::<u64>(),
    )
        .prop_map(
            |(
                (capacity, high, low),
                (policy, classes),
                delimiters,
                (marks, counts),
                stop_after,
                seed,
            )| {
                let high_water = capacity * high / 100;
                RelayConfig {
                    high_water,
                    low_water: high_water * low / 100,
                    delimiters,
                    classes,
                    count_records: counts || matches!(stop_after, Some(Amount::Records(_))),
                    mark: marks.then(count_mark),
                    // No time passes: all but the first wait for the end.
                    mark_every: (seed % 3 == 0).then_some(WINDOW),
                    stop_after,
                    seed,
                    ..RelayConfig::new(policy, capacity)
                }
            },
        )
}

/// All delimiters in any density, CRLF, empty records, giants, a tail or none.
fn inputs() -> impl Strategy<Value = Bytes> {
    let ends = || select(&["\n", "\n", "\0", "\r\n", ""][..]);
    let record = |longest: usize| {
        (any::<u8>(), 0..longest, ends()).prop_map(|(byte, length, end)| {
            let mut record = vec![byte; length];
            record.extend(end.as_bytes());
            record
        })
    };
    let piece = prop_oneof![
        8 => record(40),
        1 => record(2_000),
        2 => (ends(), 1_usize..20).prop_map(|(end, count)| end.repeat(count).into_bytes()),
        2 => vec(any::<u8>(), 1..40),
    ];
    vec(piece, 0..40).prop_map(|pieces| Bytes(pieces.concat()))
}

fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let few = 1_usize..60;
    let step = prop_oneof![
        4 => few.clone().prop_map(Step::Read),
        1 => (1_usize..1_500).prop_map(Step::Read),
        3 => few.prop_map(Step::Write),
        1 => (1_usize..800).prop_map(Step::Write),
        1 => (1..HANDED_OVER).prop_map(Step::HandOver),
    ];
    vec(step, 0..60)
}

fn cases() -> impl Strategy<Value = Case> {
    let chunks = prop_oneof![1_usize..8, 1_usize..100, 1_usize..1_000];
    let cuts = prop_oneof![1_usize..8, 1_usize..100, Just(usize::MAX)];
    let unread = prop_oneof![0_usize..20, 0_usize..2_000];
    let leaves =
        (unread, any::<bool>()).prop_map(|(unread, gives_back)| Leaves { unread, gives_back });
    let leaves = proptest::option::weighted(0.3, leaves);
    (configs(), chunks, cuts, inputs(), scripts(), leaves).prop_map(
        |(config, chunk, cut, input, script, leaves)| Case {
            leaves,
            config,
            chunk,
            cut,
            input,
            script,
        },
    )
}

#[test]
fn relay() {
    fuzz("relay", cases(), check);
}
