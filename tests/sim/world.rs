//! The simulated system: two pipes with slots, a producer and a consumer with scripts, signals,
//! faults at any call, and time that stands still but in a wait, where it jumps to whatever
//! happens next. Everything follows from the scenario; nothing here knows what hwm should do.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use highwater::core::allowance::demand::Grant;
use highwater::core::allowance::space::Space;
use highwater::core::loss::sent::Leftover;
use highwater::core::moderation::Levels;
use highwater::core::rng::Rng;
use highwater::exit::Exit;
use highwater::system::{Granted, Interest, Place, Ready, Signal, SourceError, System, Transfer};

/// A pipe as Linux has it: a number of slots, each of at most a page. A write first fills the
/// last page.
pub struct Pipe {
    slots: usize,
    page: usize,
    segments: VecDeque<VecDeque<u8>>,
}

impl Pipe {
    pub fn new(slots: usize, page: usize) -> Self {
        Self {
            slots,
            page,
            segments: VecDeque::new(),
        }
    }

    fn space(&self) -> usize {
        let free = (self.slots - self.segments.len()) * self.page;
        free + self
            .segments
            .back()
            .map_or(0, |segment| self.page - segment.len())
    }

    /// What poll calls writable: a free slot.
    fn has_free_slot(&self) -> bool {
        self.segments.len() < self.slots
    }

    fn push(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.space());
        for &byte in &bytes[..count] {
            match self.segments.back_mut() {
                Some(last) if last.len() < self.page => last.push_back(byte),
                _ => self.segments.push_back(VecDeque::from([byte])),
            }
        }
        count
    }

    fn pop(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < most
            && let Some(first) = self.segments.front_mut()
        {
            let here = first.len().min(most - bytes.len());
            bytes.extend(first.drain(..here));
            if first.is_empty() {
                self.segments.pop_front();
            }
        }
        bytes
    }

    /// Moves whole slots and at most one part of a slot; none of them is filled up on the way.
    /// Returns what was moved.
    fn splice_to(&mut self, other: &mut Pipe, most: usize) -> Vec<u8> {
        let mut moved = Vec::new();
        while moved.len() < most
            && other.has_free_slot()
            && let Some(first) = self.segments.front()
        {
            let here = first.len().min(most - moved.len());
            let segment = VecDeque::from(self.pop(here));
            moved.extend(&segment);
            other.segments.push_back(segment);
        }
        moved
    }

    /// As tee(2): what [`Pipe::splice_to`] moves is in both then.
    fn tee_to(&self, other: &mut Pipe, most: usize) {
        let mut left = most;
        for segment in &self.segments {
            if left == 0 || !other.has_free_slot() {
                return;
            }
            let here: VecDeque<u8> = segment.iter().take(left).copied().collect();
            left -= here.len();
            other.segments.push_back(here);
        }
    }

    fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    fn len(&self) -> usize {
        self.segments.iter().map(VecDeque::len).sum()
    }
}

/// What the other sides do, in order.
#[derive(Debug, Clone)]
pub enum Step {
    /// The producer writes, the consumer reads so many of its bytes.
    Move(usize),
    /// Nothing for so long.
    Sleep(Duration),
    /// It ends there; the producer's end is the end of input.
    End,
}

/// What the consumer says where it pulls.
#[derive(Debug, Clone, Copy)]
pub enum Asks {
    For(Grant),
    /// For nothing more.
    End,
    /// For something that cannot be read.
    Junk,
}

/// How a consumer ends that may be followed by another.
#[derive(Debug, Clone)]
pub struct Life {
    pub script: Vec<Step>,
    /// How long its process goes on when it reads no more; or how long nobody comes before it, where it comes by itself.
    pub lag: Duration,
    pub exit: Exit,
    /// Somebody else still could read, when it has ended.
    pub is_survived: bool,
    /// It cannot be started.
    pub is_stillborn: bool,
}

impl Life {
    /// Reads everything, and does not end before that.
    fn endless() -> Life {
        Life {
            script: vec![Step::Move(usize::MAX / 2)],
            lag: Duration::ZERO,
            exit: Exit::Status(0),
            is_survived: false,
            is_stillborn: false,
        }
    }
}

/// A side with its script.
struct Actor {
    script: VecDeque<Step>,
    asleep_until: Duration,
    /// What is left of the step that waits for the pipe.
    left: usize,
    ended: bool,
}

impl Actor {
    fn new(script: Vec<Step>) -> Self {
        Self {
            script: script.into(),
            asleep_until: Duration::ZERO,
            left: 0,
            ended: false,
        }
    }

    /// How many bytes it wants to move now; 0 when it sleeps or has ended.
    fn wants(&mut self, now: Duration) -> usize {
        while !self.ended && self.asleep_until <= now && self.left == 0 {
            match self.script.pop_front() {
                Some(Step::Move(count)) => self.left = count,
                Some(Step::Sleep(time)) => self.asleep_until = now + time,
                Some(Step::End) | None => self.ended = true,
            }
        }
        if self.ended || self.asleep_until > now {
            0
        } else {
            self.left
        }
    }

    fn wakes_at(&self, now: Duration) -> Option<Duration> {
        (!self.ended && self.asleep_until > now).then_some(self.asleep_until)
    }
}

/// What can go wrong, and how often (a chance for each call).
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// A read or write moves fewer bytes than it could.
    pub short: f64,
    /// A read or write that could move something answers that it would block.
    pub would_block: f64,
    /// A wait returns early and empty, as after EINTR. (Reads and writes that were interrupted
    /// are repeated below the seam.)
    pub early: f64,
    /// The input can be read, but not spliced.
    pub unable: f64,
    /// The read that fails, counted from 0.
    pub failing_read: Option<u64>,
    /// Other sources follow the one whose read failed.
    pub more_sources: bool,
    /// The write that fails.
    pub failing_write: Option<u64>,
    /// The close of the output fails, if no write did.
    pub failing_close: bool,
    /// Writes are done by a thread that takes so long.
    pub ferry: Option<Duration>,
    /// The read of what was taken ahead that fails.
    pub failing_own_read: Option<u64>,
}

/// What the output still tells when the consumer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// What was not read, itself.
    Text,
    /// How much that is.
    Count,
    /// Whether there is something.
    Hint,
}

/// What hwm did or learnt, in order: all that the model hears.
#[derive(Debug)]
pub enum Heard {
    Time(Duration),
    Received(Vec<u8>),
    /// Straight from the input to the output.
    Passed(Vec<u8>),
    InputEnded,
    SourceFailed,
    Sent(Vec<u8>, usize),
    Blocked,
    /// What the output has space for, where hwm asked.
    Space(Space),
    InFlight(usize),
    /// So many bytes that were sent were not read, as far as hwm was told.
    Unread(usize),
    ConsumerGone,
    /// So many bytes that were sent have not been read yet.
    Reading(usize),
    /// The next consumer was started, or could not be.
    Started(bool),
    /// So much came in and cannot be read.
    InputLost(usize),
    WriteFailed,
    Signal(Signal),
    Granted(Grant),
    DemandEnded,
    DemandFailed,
    MoreInput,
    /// So many of the bytes that were read last are no part of the input.
    PutBack(usize),
    /// What a wait found.
    Found(Ready),
    Waits {
        interest: Interest,
        until: Option<Duration>,
    },
    /// Leaves both sides alone until then.
    Pauses {
        interest: Interest,
        until: Duration,
    },
}

/// See the module's header.
pub struct World {
    pub now: Duration,
    input: Pipe,
    output: Pipe,
    /// Those that hwm may make for itself.
    own: Vec<Pipe>,
    /// What was taken to be read next, and what is kept of it; None where hwm cannot have two pipes.
    ahead_and_kept: Option<(Pipe, Pipe)>,
    remains: Remains,
    /// What hwm took back of what the consumer had not read.
    taken_back: Vec<u8>,
    own_reads: u64,
    /// Whether hwm asked what is unread, and whether it closed the output of a consumer that had gone without
    /// that.
    was_asked: bool,
    pub was_not_asked: bool,
    producer: Actor,
    consumer: Actor,
    /// Where consumers follow one another: the present one and those to come, when the present one reads no more,
    /// and whether hwm was told of its end; nobody reads; and what each one read.
    life: Option<Life>,
    lives: VecDeque<Life>,
    stopped_at: Option<Duration>,
    end_is_told: bool,
    is_alone: bool,
    /// When the next one comes by itself, if they do, and whether hwm was told.
    comes_at: Option<Duration>,
    come_by_themselves: bool,
    pub reads_of_each: Vec<Vec<u8>>,
    /// What the producer is still to write.
    source: VecDeque<u8>,
    signals: VecDeque<(Duration, Signal)>,
    grants: VecDeque<(Duration, Asks)>,
    /// Nothing more is asked for.
    demand_over: bool,
    faults: Faults,
    reads: u64,
    writes: u64,
    in_flight: Option<(Vec<u8>, Duration)>,
    input_closed: bool,
    output_closed: bool,
    write_failed: bool,
    /// The close said that some of what was accepted was not kept.
    pub close_failed: bool,
    is_file: bool,
    tells_space: bool,
    /// The last that was asked of the input brought less than was asked for, and no wait has told of
    /// more.
    ran_dry: bool,
    rng: Rng,
    pub heard: Vec<Heard>,
    /// How often bytes went straight through, into a pipe of hwm's, and found all of these full; how often
    /// they were kept besides, and written from there.
    pub roads: Roads,
    /// What the consumer got.
    pub delivered: Vec<u8>,
}

/// See [`World::roads`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Roads {
    pub passed: u64,
    pub filled: u64,
    pub behind_pipes: u64,
    pub kept: u64,
    pub kept_written: u64,
    /// How often a consumer that went left something, and that was given back; how often what was taken
    /// ahead could not be read.
    pub left_unread: u64,
    pub given_back: u64,
    pub lost_ahead: u64,
    /// How often hwm left both sides alone.
    pub paused: u64,
    /// How often a consumer followed another; how many records went out again.
    pub restarts: u64,
    pub readers: u64,
    pub redelivered: u64,
}

impl std::ops::AddAssign for Roads {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.filled += other.filled;
        self.behind_pipes += other.behind_pipes;
        self.kept += other.kept;
        self.kept_written += other.kept_written;
        self.left_unread += other.left_unread;
        self.given_back += other.given_back;
        self.lost_ahead += other.lost_ahead;
        self.paused += other.paused;
        self.restarts += other.restarts;
        self.readers += other.readers;
        self.redelivered += other.redelivered;
    }
}

/// What a world is made from.
#[derive(Debug, Clone)]
pub struct Setting {
    pub source: Vec<u8>,
    pub producer: Vec<Step>,
    pub consumer: Vec<Step>,
    pub signals: Vec<(Duration, Signal)>,
    /// What the consumer asks for, and when.
    pub grants: Vec<(Duration, Asks)>,
    pub faults: Faults,
    pub slots: (usize, usize),
    pub page: usize,
    /// The slots of each pipe that hwm may make.
    pub own_pipes: Vec<usize>,
    pub remains: Remains,
    /// Consumers that follow one another, in the place of the one; and whether they come by themselves.
    pub lives: Vec<Life>,
    pub come_by_themselves: bool,
    /// The input is a regular file.
    pub is_file: bool,
    /// The output is known to take so many bytes.
    pub tells_space: bool,
    pub seed: u64,
}

impl World {
    pub fn new(setting: &Setting) -> Self {
        let pipe = |slots| Pipe::new(slots, setting.page);
        let mut world = Self {
            now: Duration::ZERO,
            input: pipe(setting.slots.0),
            output: pipe(setting.slots.1),
            own: setting.own_pipes.iter().map(|slots| pipe(*slots)).collect(),
            ahead_and_kept: match setting.own_pipes[..] {
                [ahead, kept, ..] => Some((pipe(ahead), pipe(kept))),
                _ => None,
            },
            remains: setting.remains,
            taken_back: Vec::new(),
            own_reads: 0,
            was_asked: false,
            was_not_asked: false,
            producer: Actor::new(setting.producer.clone()),
            consumer: Actor::new(match setting.lives.first() {
                Some(_) if setting.come_by_themselves => vec![Step::End],
                Some(life) => life.script.clone(),
                None => setting.consumer.clone(),
            }),
            life: setting.lives.first().cloned(),
            lives: match setting.come_by_themselves {
                true => setting.lives.clone().into(),
                false => setting.lives.iter().skip(1).cloned().collect(),
            },
            stopped_at: None,
            end_is_told: false,
            is_alone: setting.come_by_themselves,
            comes_at: setting.lives.first().map(|life| life.lag),
            come_by_themselves: setting.come_by_themselves,
            reads_of_each: setting
                .lives
                .first()
                .map(|_| Vec::new())
                .into_iter()
                .collect(),
            source: setting.source.clone().into(),
            signals: setting.signals.clone().into(),
            grants: setting.grants.clone().into(),
            demand_over: false,
            faults: setting.faults.clone(),
            reads: 0,
            writes: 0,
            in_flight: None,
            input_closed: false,
            ran_dry: false,
            output_closed: false,
            write_failed: false,
            close_failed: false,
            is_file: setting.is_file,
            tells_space: setting.tells_space && setting.faults.ferry.is_none(),
            rng: Rng::new(setting.seed),
            heard: Vec::new(),
            roads: Roads::default(),
            delivered: Vec::new(),
        };
        world.settle();
        world
    }

    /// What has come as far as the consumer's pipe, whether or not it is still there.
    pub fn arrived(&self) -> Vec<u8> {
        let waiting = self.output.segments.iter().flatten();
        let read = self.delivered.iter().chain(&self.taken_back);
        read.chain(waiting).copied().collect()
    }

    pub fn input_is_closed(&self) -> bool {
        self.input_closed
    }

    /// Bytes in pipes that hwm made.
    pub fn piped(&self) -> usize {
        self.own.iter().map(Pipe::len).sum()
    }

    /// Bytes that were taken and not read, and such that are kept: none between two turns.
    pub fn left_over(&self) -> usize {
        let pipes = self.ahead_and_kept.as_ref();
        pipes.map_or(0, |(ahead, kept)| ahead.len() + kept.len())
    }

    /// Both sides do what they can without time passing.
    fn settle(&mut self) {
        loop {
            let wanted = self.producer.wants(self.now).min(self.source.len());
            let moved = self.produce(wanted);
            let wanted = self.consumer.wants(self.now);
            let taken = self.output.pop(wanted);
            self.consumer.left -= taken.len();
            self.delivered.extend_from_slice(&taken);
            if let Some(read) = self.reads_of_each.last_mut() {
                read.extend_from_slice(&taken);
            }
            if self.life.is_some() && self.consumer.ended {
                self.stopped_at.get_or_insert(self.now);
            }
            if self.output_closed && self.output.is_empty() {
                self.consumer.ended = true;
            }
            if !moved && taken.is_empty() {
                return;
            }
        }
    }

    /// Returns whether the producer did anything.
    fn produce(&mut self, wanted: usize) -> bool {
        if self.input_closed {
            // EPIPE: it ends.
            self.producer.ended = true;
        }
        if self.producer.ended {
            return false;
        }
        if self.source.is_empty() && self.producer.left > 0 {
            self.producer.ended = true;
            return true;
        }
        let bytes: Vec<u8> = self.source.iter().take(wanted).copied().collect();
        let count = self.input.push(&bytes);
        self.source.drain(..count);
        self.producer.left -= count;
        count > 0
    }

    fn input_is_ready(&self) -> bool {
        !self.input.is_empty() || self.producer.ended
    }

    fn output_is_ready(&self) -> bool {
        match &self.in_flight {
            Some((_, done)) => {
                *done <= self.now && (self.consumer_is_gone() || self.output.space() > 0)
            }
            None => self.consumer_is_gone() || self.output.has_free_slot(),
        }
    }

    fn consumer_is_gone(&self) -> bool {
        let survives = self.life.as_ref().is_some_and(|life| life.is_survived);
        self.consumer.ended && !survives && !self.is_alone
    }

    /// When somebody comes to read, if hwm does not know.
    fn comes_at(&self) -> Option<Duration> {
        let awaits = self.come_by_themselves && self.is_alone && !self.end_is_told;
        self.comes_at.filter(|_| awaits)
    }

    /// When the process of the consumer ends, if hwm does not know.
    fn ends_at(&self) -> Option<Duration> {
        let is_known = self.end_is_told || self.come_by_themselves;
        let life = self.life.as_ref().filter(|_| !is_known)?;
        Some(self.stopped_at? + life.lag)
    }

    fn next_event(&self) -> Option<Duration> {
        let ferry = self.in_flight.as_ref().map(|(_, done)| *done);
        [
            self.producer.wakes_at(self.now),
            self.consumer.wakes_at(self.now),
            self.signals.front().map(|(at, _)| *at),
            self.grants
                .front()
                .map(|(at, _)| *at)
                .filter(|at| *at > self.now),
            ferry.filter(|done| *done > self.now),
            self.ends_at().filter(|at| *at > self.now),
            self.comes_at().filter(|at| *at > self.now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn grant_is_due(&self) -> bool {
        self.grants.front().is_some_and(|(at, _)| *at <= self.now)
    }

    fn signal_is_due(&self) -> bool {
        self.signals.front().is_some_and(|(at, _)| *at <= self.now)
    }

    fn ready(&self, interest: Interest) -> Ready {
        Ready {
            input: interest.input && self.input_is_ready(),
            output: interest.output && !self.is_alone && self.output_is_ready(),
            demand: interest.demand && self.grant_is_due(),
            output_gone: !self.output_closed && self.consumer_is_gone(),
            consumer_ended: match (self.ends_at(), &self.life) {
                (Some(at), Some(life)) if at <= self.now => Some(life.exit),
                _ => None,
            },
            consumer_came: self.comes_at().is_some_and(|at| at <= self.now),
        }
    }

    fn at_most(&mut self, count: usize) -> usize {
        if count > 1 && self.rng.chance(self.faults.short) {
            1 + (self.rng.next_u64() as usize) % (count - 1)
        } else {
            count
        }
    }

    fn accept(&mut self, bytes: &[u8], offered: usize) -> Transfer {
        let count = self.output.push(bytes);
        self.heard
            .push(Heard::Sent(bytes[..count].to_vec(), offered));
        self.settle();
        Transfer::Moved(count)
    }

    fn would_block(&mut self) -> Transfer {
        self.heard.push(Heard::Blocked);
        Transfer::WouldBlock
    }

    fn write_by_ferry(&mut self, bytes: Vec<u8>, takes: Duration) -> Transfer {
        if let Some((in_flight, done)) = self.in_flight.take() {
            let space = self.output.space();
            if done > self.now || space == 0 {
                self.in_flight = Some((in_flight, done.max(self.now)));
                return self.would_block();
            }
            let count = in_flight.len().min(space);
            let (out, rest) = in_flight.split_at(count);
            let answer = self.accept(out, in_flight.len());
            if !rest.is_empty() {
                self.in_flight = Some((rest.to_vec(), self.now));
            }
            return answer;
        }
        let count = bytes.len();
        self.in_flight = Some((bytes, self.now + takes));
        self.heard.push(Heard::InFlight(count));
        self.heard.push(Heard::Blocked);
        Transfer::InFlight(count)
    }
}

/// What each call meets, and the answers to [`System::splice`].
impl World {
    fn next_read_fails(&mut self) -> Option<SourceError> {
        self.reads += 1;
        if self.faults.failing_read != Some(self.reads - 1) {
            return None;
        }
        self.heard.push(Heard::SourceFailed);
        if !self.faults.more_sources {
            self.producer.ended = true;
            self.source.clear();
        }
        Some(SourceError {
            taken: 0,
            name: "stdin".into(),
            verb: "read",
            error: io::Error::other("simulated"),
        })
    }

    fn next_write_fails(&mut self) -> Option<io::Error> {
        self.writes += 1;
        (self.faults.failing_write == Some(self.writes - 1)).then(|| {
            self.write_failed = true;
            self.heard.push(Heard::WriteFailed);
            io::Error::other("simulated")
        })
    }

    /// Each call that asks the input for something, with how much came of how much.
    fn asked(&mut self, count: usize, most: usize) {
        assert!(
            !self.ran_dry,
            "spin: the input is asked before a wait told of it"
        );
        self.ran_dry = count < most;
    }

    fn pass(&mut self, most: usize) -> Transfer {
        let fails = self.faults.failing_read == Some(self.reads)
            || self.faults.failing_write == Some(self.writes);
        if fails {
            return Transfer::Unable;
        }
        if self.input.is_empty() && self.producer.ended {
            self.heard.push(Heard::InputEnded);
            return Transfer::End;
        }
        if self.consumer_is_gone() {
            return Transfer::Gone;
        }
        if self.rng.chance(self.faults.would_block) {
            return Transfer::WouldBlock;
        }
        let asked = most;
        let most = self.at_most(most.min(self.input.len()));
        let moved = self.input.splice_to(&mut self.output, most);
        if !moved.is_empty() {
            self.asked(moved.len(), asked);
        }
        self.roads.passed += u64::from(!moved.is_empty());
        self.moved(moved, Heard::Passed)
    }

    fn moved(&mut self, bytes: Vec<u8>, heard: impl Fn(Vec<u8>) -> Heard) -> Transfer {
        let count = bytes.len() as u64;
        if count == 0 {
            return Transfer::WouldBlock;
        }
        self.heard.push(heard(bytes));
        self.settle();
        Transfer::Moved(count as usize)
    }

    /// The answer where no input can be spliced now.
    fn nothing_to_splice(&mut self) -> Option<Transfer> {
        if let Some(error) = self.next_read_fails() {
            return Some(Transfer::SourceFailed(error));
        }
        if !self.input_is_ready() || self.rng.chance(self.faults.would_block) {
            return Some(Transfer::WouldBlock);
        }
        if self.input.is_empty() {
            self.heard.push(Heard::InputEnded);
            return Some(Transfer::End);
        }
        None
    }

    fn fill(&mut self, number: usize, most: usize) -> Transfer {
        if number >= self.own.len() {
            return Transfer::Unable;
        }
        if let Some(answer) = self.nothing_to_splice() {
            return answer;
        }
        let asked = most;
        let most = self.at_most(most.min(self.input.len()));
        let moved = self.input.splice_to(&mut self.own[number], most);
        if !moved.is_empty() {
            self.asked(moved.len(), asked);
        }
        self.roads.filled += u64::from(!moved.is_empty());
        self.moved(moved, Heard::Received)
    }

    fn empty(&mut self, number: usize, most: usize) -> Transfer {
        assert!(
            most <= self.own[number].len(),
            "order: not so much is in the pipe"
        );
        if let Some(error) = self.next_write_fails() {
            return Transfer::Failed(error);
        }
        if self.consumer_is_gone() {
            return Transfer::Gone;
        }
        if !self.output.has_free_slot() || self.rng.chance(self.faults.would_block) {
            self.heard.push(Heard::Blocked);
            return Transfer::WouldBlock;
        }
        let count = self.at_most(most);
        let moved = self.own[number].splice_to(&mut self.output, count);
        self.moved(moved, |bytes| Heard::Sent(bytes, most))
    }
}

/// The answers to [`System::tee`] and to what follows.
impl World {
    fn take(&mut self, front: &[u8], most: usize) -> Transfer {
        if let Some(answer) = self.nothing_to_splice() {
            return answer;
        }
        let here = self.at_most(most.min(self.input.len()));
        let Some((ahead, kept)) = &mut self.ahead_and_kept else {
            return Transfer::Unable;
        };
        assert!(
            ahead.is_empty() && kept.is_empty(),
            "order: it was not read"
        );
        let count = self.input.splice_to(ahead, here).len();
        if kept.push(front) == front.len() {
            ahead.tee_to(kept, count);
        }
        self.asked(count, most);
        self.roads.kept += 1;
        self.settle();
        Transfer::Moved(count)
    }

    fn read_ahead(&mut self, space: &mut [u8]) -> Option<Transfer> {
        let (ahead, _) = self.ahead_and_kept.as_mut()?;
        let taken = ahead.len();
        let bytes = ahead.pop(space.len());
        if bytes.is_empty() {
            return None;
        }
        self.own_reads += 1;
        if self.faults.failing_own_read == Some(self.own_reads - 1) {
            self.ahead_and_kept = None;
            self.roads.lost_ahead += 1;
            self.heard.push(Heard::InputLost(taken));
            return Some(Transfer::SourceFailed(SourceError {
                taken: taken as u64,
                name: "a pipe of its own".into(),
                verb: "read",
                error: io::Error::other("simulated"),
            }));
        }
        let count = bytes.len();
        space[..count].copy_from_slice(&bytes);
        self.heard.push(Heard::Received(bytes));
        Some(Transfer::Moved(count))
    }

    /// What a thread was writing when the consumer went: as much as there was space for had gone out.
    fn end_of_ferry(&mut self) -> Transfer {
        let (bytes, done) = self.in_flight.take().expect("something under way");
        let space = self.output.space();
        if done > self.now || space == 0 {
            return Transfer::Gone;
        }
        self.accept(&bytes[..bytes.len().min(space)], bytes.len())
    }
}

impl World {
    /// Time jumps from one thing that happens to the next, up to one that ends the wait.
    fn wait_until(&mut self, interest: Interest, until: Option<Duration>) -> Ready {
        loop {
            self.settle();
            let ready = self.ready(interest);
            let is_over = until.is_some_and(|until| until <= self.now);
            if ready != Ready::default() || self.signal_is_due() || is_over {
                self.end_is_told |= ready.consumer_ended.is_some() || ready.consumer_came;
                return ready;
            }
            let next = [self.next_event(), until].into_iter().flatten().min();
            let Some(next) = next else {
                panic!("wake: waits for ever, {interest:?}");
            };
            self.now = next.max(self.now);
        }
    }
}

impl System for World {
    fn now(&mut self) -> Duration {
        self.heard.push(Heard::Time(self.now));
        self.now
    }

    fn read(&mut self, space: &mut [u8]) -> Transfer {
        assert!(!self.input_closed, "hwm reads what it closed");
        assert!(!space.is_empty(), "hwm asks for nothing");
        if let Some(answer) = self.read_ahead(space) {
            return answer;
        }
        if let Some(error) = self.next_read_fails() {
            return Transfer::SourceFailed(error);
        }
        if !self.input_is_ready() || self.rng.chance(self.faults.would_block) {
            return Transfer::WouldBlock;
        }
        let most = self.at_most(space.len().min(self.input.len()));
        let bytes = self.input.pop(most);
        if bytes.is_empty() {
            self.heard.push(Heard::InputEnded);
            return Transfer::End;
        }
        self.asked(bytes.len(), space.len());
        space[..bytes.len()].copy_from_slice(&bytes);
        self.roads.behind_pipes += u64::from(self.own.iter().any(|pipe| !pipe.is_empty()));
        self.settle();
        let count = bytes.len();
        self.heard.push(Heard::Received(bytes));
        Transfer::Moved(count)
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> Transfer {
        assert!(!self.output_closed, "hwm writes what it closed");
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        if self.consumer_is_gone() && self.in_flight.is_some() && bytes.is_empty() {
            return self.end_of_ferry();
        }
        assert!(!bytes.is_empty(), "hwm offers nothing");
        if self.is_alone {
            return self.would_block();
        }
        if let Some(error) = self.next_write_fails() {
            return Transfer::Failed(error);
        }
        if self.consumer_is_gone() {
            return Transfer::Gone;
        }
        if let Some(takes) = self.faults.ferry {
            let most = self.at_most(bytes.len());
            return self.write_by_ferry(bytes[..most].to_vec(), takes);
        }
        let space = self.output.space();
        // A pipe takes a page whole or not at all.
        let is_whole = self.tells_space && bytes.len() <= self.output.page;
        let fits = if is_whole {
            space >= bytes.len()
        } else {
            space > 0
        };
        if !fits || self.rng.chance(self.faults.would_block) {
            return self.would_block();
        }
        let most = self.at_most(bytes.len().min(space));
        self.accept(&bytes[..most], bytes.len())
    }

    fn splice(&mut self, from: Place, to: Place, most: u64) -> Transfer {
        assert!(!self.output_closed, "hwm writes what it closed");
        assert!(most > 0, "hwm moves nothing");
        let most = most as usize;
        let from_input = from == Place::Input;
        assert!(
            !from_input || !self.input_closed,
            "hwm reads what it closed"
        );
        let unable = from_input && self.rng.chance(self.faults.unable);
        if unable || self.faults.ferry.is_some() {
            return Transfer::Unable;
        }
        match (from, to) {
            (Place::Input, Place::Output) => self.pass(most),
            (Place::Input, Place::Pipe(number)) => self.fill(number, most),
            (Place::Pipe(number), Place::Output) => self.empty(number, most),
            _ => panic!("hwm splices {from:?} to {to:?}"),
        }
    }

    fn take_grant(&mut self) -> Granted {
        assert!(!self.demand_over, "hwm waits for grants that will not come");
        if !self.grant_is_due() {
            return Granted::WouldBlock;
        }
        let asks = self.grants.pop_front().map(|(_, asks)| asks);
        self.demand_over = !matches!(asks, Some(Asks::For(_)));
        let (heard, answer) = match asks {
            Some(Asks::For(grant)) => (Heard::Granted(grant), Granted::Grant(grant, 1)),
            Some(Asks::End) | None => (Heard::DemandEnded, Granted::End),
            Some(Asks::Junk) => (Heard::DemandFailed, Granted::Failed("simulated".into())),
        };
        self.heard.push(heard);
        answer
    }

    fn tee(&mut self, front: &[IoSlice<'_>], most: u64) -> Transfer {
        assert!(!self.input_closed, "hwm reads what it closed");
        assert!(most > 0, "hwm takes nothing");
        let no_pipes = self.ahead_and_kept.is_none() || self.faults.ferry.is_some();
        if no_pipes || self.rng.chance(self.faults.unable) {
            return Transfer::Unable;
        }
        let front: Vec<u8> = front.iter().flat_map(|part| part.to_vec()).collect();
        self.take(&front, most as usize)
    }

    fn teed(&self) -> u64 {
        let pipes = self.ahead_and_kept.as_ref();
        pipes.map_or(0, |(_, kept)| kept.len() as u64)
    }

    fn write_teed(&mut self, most: u64) -> Transfer {
        assert!(!self.output_closed, "hwm writes what it closed");
        assert!(
            0 < most && most <= self.teed(),
            "order: not so much is kept"
        );
        if let Some(error) = self.next_write_fails() {
            return Transfer::Failed(error);
        }
        if self.consumer_is_gone() {
            return Transfer::Gone;
        }
        if !self.output.has_free_slot() || self.rng.chance(self.faults.would_block) {
            return self.would_block();
        }
        let count = self.at_most(most as usize);
        let Some((_, kept)) = &mut self.ahead_and_kept else {
            return self.would_block();
        };
        let bytes = kept.splice_to(&mut self.output, count);
        let count = bytes.len();
        self.roads.kept_written += 1;
        self.heard.push(Heard::Sent(bytes, most as usize));
        self.settle();
        Transfer::Moved(count)
    }

    fn drop_teed(&mut self) {
        if let Some((_, kept)) = &mut self.ahead_and_kept {
            kept.segments.clear();
        }
    }

    fn wait(&mut self, interest: Interest, until: Option<Duration>) -> Ready {
        self.heard.push(Heard::Waits { interest, until });
        if self.rng.chance(self.faults.early) {
            return Ready::default();
        }
        let ready = self.wait_until(interest, until);
        self.ran_dry &= !ready.input;
        self.heard.push(Heard::Time(self.now));
        self.heard.push(Heard::Found(ready));
        ready
    }

    fn levels(&mut self) -> Levels {
        Levels {
            input_size: (self.input.slots * self.input.page) as u64,
            unread: self.input.len() as u64,
            untaken: self.output.len() as u64,
        }
    }

    fn pause(&mut self, interest: Interest, until: Duration) -> Ready {
        self.roads.paused += 1;
        self.heard.push(Heard::Pauses { interest, until });
        let is_early = self.rng.chance(self.faults.early);
        let until = if is_early { self.now } else { until };
        let ready = Ready {
            input: interest.input,
            output: interest.output,
            ..self.wait_until(Interest::default(), Some(until))
        };
        self.ran_dry &= !ready.input;
        self.heard.push(Heard::Time(self.now));
        self.heard.push(Heard::Found(ready));
        ready
    }

    fn output_unread(&mut self) -> u64 {
        match self.remains {
            Remains::Hint if self.life.is_none() => 0,
            _ => self.output.len() as u64,
        }
    }

    fn take_unread(&mut self, wanted: bool) -> Leftover {
        assert!(self.consumer_is_gone() || self.life.is_some());
        assert!(!self.output_closed);
        if self.in_flight.is_some() {
            // It went out, whether or not anybody asked.
            self.end_of_ferry();
            self.heard.pop_if(|last| matches!(last, Heard::Sent(..)));
        }
        self.was_asked = true;
        let unread = match self.remains {
            Remains::Hint if self.life.is_none() => self.output.len().min(1),
            _ => self.output.len(),
        };
        self.heard.push(Heard::Unread(unread));
        self.roads.left_unread += u64::from(unread > 0);
        let gives_back = wanted && (self.remains == Remains::Text || self.life.is_some());
        if gives_back {
            self.roads.given_back += u64::from(unread > 0);
            self.taken_back = self.output.pop(unread);
        }
        if self.life.is_some() {
            // All that went out has arrived, in this order.
            self.delivered.append(&mut self.taken_back.clone());
            let bytes = unread as u64;
            self.taken_back.clear();
            return Leftover { bytes, text: None };
        }
        Leftover {
            bytes: unread as u64,
            text: gives_back.then(|| self.taken_back.clone()),
        }
    }

    fn unread_by_consumer(&mut self) -> u64 {
        let unread = self.output.len();
        self.heard.push(Heard::Reading(unread));
        unread as u64
    }

    fn part_with_consumer(&mut self) {
        assert!(self.output.is_empty() && !self.is_alone);
        self.is_alone = true;
        self.end_is_told &= !self.come_by_themselves;
        let lag = self.lives.front().map_or(Duration::ZERO, |life| life.lag);
        self.comes_at = Some(self.now + lag);
        self.heard.push(Heard::ConsumerGone);
    }

    fn start_consumer(&mut self) -> io::Result<()> {
        assert!(
            self.is_alone && self.end_is_told,
            "hwm starts a second consumer"
        );
        let life = self.lives.pop_front().unwrap_or_else(Life::endless);
        self.heard.push(Heard::Started(!life.is_stillborn));
        if life.is_stillborn {
            return Err(io::Error::other("simulated"));
        }
        if !self.come_by_themselves && !self.demand_over && self.grants.is_empty() {
            // What the one before asked for went with it.
            self.grants.push_back((self.now, Asks::For(Grant::All)));
        }
        self.roads.restarts += u64::from(!self.come_by_themselves);
        self.roads.readers += u64::from(self.come_by_themselves);
        self.consumer = Actor::new(life.script.clone());
        (self.life, self.is_alone) = (Some(life), false);
        (self.stopped_at, self.end_is_told) = (None, false);
        self.reads_of_each.push(Vec::new());
        self.settle();
        Ok(())
    }

    fn gives_unread_back(&self) -> bool {
        self.remains != Remains::Count
    }

    fn take_signal(&mut self) -> Option<Signal> {
        if !self.signal_is_due() {
            return None;
        }
        let (_, signal) = self.signals.pop_front()?;
        self.heard.push(Heard::Signal(signal));
        Some(signal)
    }

    fn leave_files(&mut self) -> bool {
        !self.is_file
    }

    fn put_back(&mut self, bytes: usize) {
        self.heard.push(Heard::PutBack(bytes));
    }

    fn output_space(&mut self, _most: u64) -> Space {
        let space = match self.tells_space {
            true => Space {
                free: self.output.space() as u64,
                atomic: self.output.page as u64,
                is_empty: self.output.is_empty(),
            },
            false => Space::UNKNOWN,
        };
        self.heard.push(Heard::Space(space));
        space
    }

    fn input_pending(&mut self) -> bool {
        let pending = !self.input.is_empty();
        if pending {
            self.heard.push(Heard::MoreInput);
        }
        pending
    }

    fn close_input(&mut self) {
        self.input_closed = true;
        self.settle();
    }

    fn close_output(&mut self) -> io::Result<()> {
        let has_gone = self.consumer_is_gone() && !self.output_closed && self.life.is_none();
        self.was_not_asked |= has_gone && !self.was_asked;
        if has_gone && self.was_asked {
            self.heard.push(Heard::ConsumerGone);
        }
        let is_first = !std::mem::replace(&mut self.output_closed, true);
        self.settle();
        if is_first && self.faults.failing_close && !self.write_failed && !self.consumer_is_gone() {
            self.close_failed = true;
            return Err(io::Error::other("simulated"));
        }
        Ok(())
    }

    fn suspend(&mut self) {}
}
