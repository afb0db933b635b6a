//! What hwm must do, written byte by byte and naively from the contract, without a look at the code
//! that does it: a list of records and gaps, a few times, and no speed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use highwater::config::{Amount, BrokenPipe, MarkPiece, NextConsumer, Policy, RelayConfig, Sample};
use highwater::core::account::Reason;
use highwater::core::allowance::demand::Grant;
use highwater::core::allowance::space::Space;
use highwater::core::relay::Change;
use highwater::core::rng::Rng;
use regex::bytes::{Regex, RegexBuilder};

/// After SIGINT nothing goes out for longer.
const INTERRUPTED: Duration = Duration::from_millis(100);

/// The same signal within this time is still the same one.
const TWICE: Duration = Duration::from_millis(20);

const SIGINT: i32 = 2;

/// A consumer that has everything and closes may be followed by the end of input this long.
const FAREWELL: Duration = Duration::from_millis(200);

/// What waits: a record, or the place where records are missing.
enum Item {
    Record(Vec<u8>),
    Gap { records: u64, bytes: u64 },
}

/// A byte that went out.
#[derive(Clone, Copy)]
struct Out {
    byte: u8,
    of_mark: bool,
    /// It was the last of its record, or mark.
    ends: bool,
}

/// Up to `position` records had come by `last`.
struct Stamp {
    position: u64,
    first: Duration,
    last: Duration,
}

/// Averaged bytes a second, in and out, and the totals when they were last looked at.
struct Rates {
    looked_at: Duration,
    totals: (u64, u64),
    input: f64,
    output: f64,
}

impl Rates {
    fn from(now: Duration, totals: (u64, u64)) -> Self {
        Self {
            looked_at: now,
            totals,
            input: 0.0,
            output: 0.0,
        }
    }
}

/// The average of random early detection and what it is made of.
struct Average {
    bytes: f64,
    /// Records since the last early loss, the one that is looked at included.
    count: Option<u32>,
    nothing_since: Duration,
    something_since: Option<Duration>,
    something_in_all: Duration,
    stayed: u32,
}

fn regex(expression: &str) -> Regex {
    let mut builder = RegexBuilder::new(expression);
    builder.unicode(false).build().expect("an expression")
}

/// The records that `reservoir` has chosen in a window, each in its place.
#[derive(Default)]
struct Chosen {
    places: Vec<(u64, Vec<u8>)>,
    /// How many records the window had.
    seen: u64,
    ends: Duration,
    /// Of Algorithm L: W, and the number of the record that is chosen next.
    w: f64,
    next: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// Reads no more.
    Draining,
    /// Only what has begun to go out still goes.
    Finishing,
    Ended,
}

/// How it ended: the rows of the contract's table, of which the one nearest the bottom decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Input,
    Overflow,
    Stalled,
    Idle,
    Consumer,
    NoConsumer,
    Error,
    Signal(i32),
    Interrupt,
}

/// Consumers that follow one another.
pub struct Succession {
    is_absent: bool,
    had_one: bool,
    /// When the next one is started, and the pause before the one after that.
    starts_at: Option<Duration>,
    pause: Duration,
    failures: u64,
    began: Duration,
    pub restarts: u64,
    pub redelivered: u64,
}

/// See the module's header.
pub struct Model {
    pub config: RelayConfig,
    items: VecDeque<Item>,
    sent_of_first: usize,
    /// Bytes of records that a thread is writing.
    in_flight: usize,
    mark_left: Vec<u8>,
    /// A mark has begun to go out, so the record behind it may not be lost.
    claimed: bool,
    /// What was lost, bytes and records, where no mark went out; no mark begins before that time; and
    /// the last byte of a record that went out did not end it.
    unmarked: (u64, u64),
    rests_until: Option<Duration>,
    within: bool,
    arriving: Vec<u8>,
    /// With a greatest age: where each waiting record ends, counted in bytes of records that were ever
    /// admitted whole; how many these are; and what had come when. Times closer than a part of
    /// the age are one, the last of them.
    ends: VecDeque<u64>,
    whole: u64,
    stamps: Vec<Stamp>,
    doomed: Option<usize>,
    /// Where the consumer pulls: what it asked for and has not got, and whether it may ask for more.
    asked_for: Option<Grant>,
    pub may_ask: bool,
    /// Nothing goes out before so much is held, or that time.
    pub fills: bool,
    pub fills_until: Option<Duration>,
    /// With a circuit breaker: whether it is open, for how long in all, and since when; and whether
    /// a byte of the arriving record went out while it was closed.
    pub open_since: Option<Duration>,
    pub opened_for: Duration,
    arrival_begun: bool,
    /// Everything held, with `block` and `fail`, when nothing can be lost.
    doomed_text: Vec<u8>,
    /// Every lost record, in that order, each whole.
    pub lost_records: Vec<Vec<u8>>,
    /// All that went out.
    out: Vec<Out>,
    /// What of that was not read, and what of the marks.
    unread: (u64, u64),
    unread_marks: (u64, u64),
    /// The record that went out in part is one that was not read.
    open_is_unread: bool,
    /// Where consumers follow one another: what went out and was not wholly read, and how much of that went to the
    /// present one.
    pub succession: Option<Succession>,
    outstanding: VecDeque<Out>,
    to_present: usize,
    /// The beginning of the first record there was given up, now or ever.
    is_cut: bool,
    pub was_cut: bool,
    reading_waits: Option<Duration>,
    reading_step: Duration,
    /// Bytes of marks, and ends of records and marks, that went out, each time that they did.
    pub mark_bytes_sent: u64,
    pub ends_sent: u64,
    /// Everything held, with `block` and `fail`.
    plain: VecDeque<u8>,
    /// The last byte that came in ended no record.
    open: bool,
    pub pressured: bool,
    pub pressured_since: Duration,
    pub changes: Vec<Change>,
    pub peak: usize,
    seen: u64,
    rng: Rng,
    /// What `--priority` was told, most valuable first.
    classes: Vec<Regex>,
    rates: Option<Rates>,
    average: Average,
    /// The window that `first` counts in, from 0, and how many records it had.
    window: (u128, u64),
    chosen: Chosen,
    pub phase: Phase,
    pub end: End,
    was_abandoned: bool,
    signal: Option<(i32, Duration)>,
    /// The input is no regular file, and so is read on after a signal.
    reads_on: bool,
    /// When it is too late for the present phase.
    pub ends_at: Option<Duration>,
    /// The input ends with the record that is arriving.
    completes: bool,
    /// The consumer is gone, and the input is read to its end.
    pub discards: bool,
    /// Of a record that is lost for that and whose end has not come, all that was lost; and what had gone
    /// out before that.
    discarded: Option<Vec<u8>>,
    discarded_behind: Vec<u8>,
    /// Something was lost because it was too late.
    pub gave_up: bool,
    /// The rest of a record was lost of which a part had gone out.
    pub tore: bool,
    pub idle_since: Duration,
    /// Nothing was to be read when the loop last waited.
    pub held_input: bool,
    pub stalled_since: Option<Duration>,
    /// The beginning of a record was not sent, for behind it was no space for its end: until when it is not
    /// tried again, and how long that was after the last time.
    tail_waits: Option<Duration>,
    tail_step: Duration,
    /// The input ended by itself.
    pub came_to_end: bool,
    pub farewell: Option<Duration>,
    /// Bytes and records.
    pub input: (u64, u64),
    pub output: (u64, u64),
    pub marks: (u64, u64),
    pub marked: (u64, u64),
    pub lost: BTreeMap<&'static str, (u64, u64)>,
    pub episodes: u64,
    pub pressure_episodes: u64,
}

impl Model {
    /// With an input that is read on after a signal, or not.
    pub fn of(config: RelayConfig, reads_on: bool) -> Self {
        let mut model = Self::new(config);
        model.reads_on = reads_on;
        model
    }

    pub fn new(config: RelayConfig) -> Self {
        let takes_nothing = matches!(
            config.stop_after,
            Some(Amount::Bytes(0) | Amount::Records(0))
        );
        Self {
            rng: Rng::new(config.seed),
            classes: config.classes.expressions().map(regex).collect(),
            items: VecDeque::new(),
            sent_of_first: 0,
            in_flight: 0,
            mark_left: Vec::new(),
            claimed: false,
            unmarked: (0, 0),
            rests_until: None,
            within: false,
            arriving: Vec::new(),
            ends: VecDeque::new(),
            whole: 0,
            stamps: Vec::new(),
            doomed: None,
            asked_for: None,
            may_ask: config.on_demand,
            fills: config.start.is_some(),
            fills_until: None,
            open_since: None,
            opened_for: Duration::ZERO,
            arrival_begun: false,
            doomed_text: Vec::new(),
            lost_records: Vec::new(),
            out: Vec::new(),
            unread: (0, 0),
            unread_marks: (0, 0),
            open_is_unread: false,
            succession: config.next_consumer.map(|next| Succession {
                is_absent: next == NextConsumer::Awaited,
                had_one: next != NextConsumer::Awaited,
                starts_at: None,
                pause: match next {
                    NextConsumer::Started { delay, .. } => delay,
                    NextConsumer::Awaited => Duration::ZERO,
                },
                failures: 0,
                began: Duration::ZERO,
                restarts: 0,
                redelivered: 0,
            }),
            outstanding: VecDeque::new(),
            to_present: 0,
            is_cut: false,
            was_cut: false,
            reading_waits: None,
            reading_step: Duration::ZERO,
            mark_bytes_sent: 0,
            ends_sent: 0,
            plain: VecDeque::new(),
            open: false,
            pressured: false,
            pressured_since: Duration::ZERO,
            changes: Vec::new(),
            peak: 0,
            seen: 0,
            rates: None,
            window: (0, 0),
            chosen: Chosen::default(),
            average: Average {
                bytes: 0.0,
                count: None,
                nothing_since: Duration::ZERO,
                something_since: None,
                something_in_all: Duration::ZERO,
                stayed: 0,
            },
            phase: if takes_nothing {
                Phase::Draining
            } else {
                Phase::Running
            },
            end: End::Input,
            was_abandoned: false,
            signal: None,
            reads_on: true,
            ends_at: None,
            completes: false,
            discards: false,
            discarded: None,
            discarded_behind: Vec::new(),
            gave_up: false,
            tore: false,
            idle_since: Duration::ZERO,
            held_input: false,
            stalled_since: None,
            tail_waits: None,
            tail_step: Duration::ZERO,
            came_to_end: false,
            farewell: None,
            input: (0, 0),
            output: (0, 0),
            marks: (0, 0),
            marked: (0, 0),
            lost: BTreeMap::new(),
            episodes: 0,
            pressure_episodes: 0,
            config,
        }
    }

    /// The policy by which records are lost, if any are.
    pub fn overflow(&self) -> Option<Policy> {
        match self.config.policy {
            Policy::Block => self.config.then,
            Policy::Fail => None,
            policy => Some(policy),
        }
    }

    /// Whether records may be lost, now or later.
    pub fn may_lose(&self) -> bool {
        self.overflow().is_some()
    }

    /// Whether they are lost now rather than waited for.
    pub fn sheds(&self) -> bool {
        self.may_lose() && (self.config.policy != Policy::Block || self.open_since.is_some())
    }

    /// Whether what does not fit is read all the same.
    pub fn reads_beyond_space(&self) -> bool {
        self.sheds() && !self.arrival_begun
    }

    /// The first bytes of a record may go out before its end has come.
    fn sends_arriving(&self) -> bool {
        (!self.sheds() && !self.holds_back()) || self.arrival_begun
    }

    /// Bytes held of the record whose end has not come, if they may go out before that.
    fn tail_to_send(&self) -> usize {
        if self.fills || self.discards {
            return 0;
        }
        match self.may_lose() {
            true if self.sends_arriving() => self.arriving.len(),
            false if !self.holds_back() || self.arrival_went() => self.unended(),
            _ => 0,
        }
    }

    /// The same, if there is something and it waits for more space: until when.
    pub fn tail_deadline(&self) -> Option<Duration> {
        let waits = self.tail_to_send() > 0 && !self.has_whole_output();
        self.tail_waits.filter(|_| waits)
    }

    fn sends_tail(&self) -> bool {
        self.tail_to_send() > 0 && self.tail_waits.is_none()
    }

    /// It was asked what the output has space for. The beginning of a record goes only where its end has space,
    /// too, or where there is nothing to wait for.
    pub fn asked_space(&mut self, space: Space, now: Duration) {
        let tail = self.tail_to_send();
        if tail == 0 || self.has_whole_output() || self.fits_tail(space, tail, tail) {
            return;
        }
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(128));
        self.tail_step = (2 * self.tail_step).max(least).min(most);
        self.tail_waits = Some(now + self.tail_step);
        self.stalled_since.get_or_insert(now);
    }

    /// Whether the next so many bytes may be offered at once.
    pub fn may_be_offered(&self, bytes: usize, space: Space) -> bool {
        let tail = bytes.saturating_sub(self.waiting() - self.tail_to_send());
        tail == 0 || (self.tail_waits.is_none() && self.fits_tail(space, bytes, tail))
    }

    /// Whether of so many bytes to be sent at once the last `tail` may be of a record whose end has not come.
    fn fits_tail(&self, space: Space, bytes: usize, tail: usize) -> bool {
        let leaves_some = bytes as u64 + space.atomic <= space.free;
        let is_alone = bytes == tail && space.is_empty;
        leaves_some || is_alone || self.tail_to_send() as u64 > space.atomic
    }

    /// After a signal no record is begun whose end may not come, if anything else can move.
    fn holds_back(&self) -> bool {
        let is_closing = self.phase == Phase::Running && self.signal.is_some();
        let is_stuck = self.pressured && self.whole_bytes() == 0;
        is_closing && self.counts_records() && !is_stuck
    }

    /// Bytes held of records whose end has come.
    fn whole_bytes(&self) -> usize {
        let chosen: usize = self.chosen.places.iter().map(|place| place.1.len()).sum();
        match self.may_lose() {
            true => self.queued() - self.arriving.len() - chosen,
            false => self.plain.len() - self.unended(),
        }
    }

    /// With `block` and `fail`: bytes held of a record whose end has not come.
    fn unended(&self) -> usize {
        if self.phase != Phase::Running {
            return 0;
        }
        let delimiters = self.config.delimiters;
        let behind = self.plain.iter().rev();
        behind
            .take_while(|byte| !delimiters.contains(**byte))
            .count()
    }

    /// With `block` and `fail`: the bytes held of records that have begun to go out.
    fn begun_plain(&self) -> usize {
        let begun = self.in_flight.max(usize::from(self.is_torn()));
        let delimiters = self.config.delimiters;
        let ends_at = |from: usize| {
            let mut bytes = self.plain.iter().skip(from);
            bytes.position(|byte| delimiters.contains(*byte))
        };
        match begun.checked_sub(1) {
            None => 0,
            Some(from) => ends_at(from).map_or(self.plain.len(), |end| from + end + 1),
        }
    }

    /// Whether a part of the record that is arriving has gone out, or is about to.
    fn arrival_went(&self) -> bool {
        if self.discards {
            return false;
        }
        if self.may_lose() {
            return self.arrival_begun;
        }
        let whole = self.plain.len() - self.unended();
        self.in_flight > whole || (whole == 0 && self.is_torn())
    }

    /// The last byte that went out, but for marks, ended no record.
    fn is_torn(&self) -> bool {
        let mut of_records = self.out.iter().rev().filter(|out| !out.of_mark);
        of_records.next().is_some_and(|out| !out.ends)
    }

    /// Bytes of a record that is lost because the consumer is gone, and whose end has not come.
    pub fn discarded_so_far(&self) -> u64 {
        self.discarded.as_ref().map_or(0, |lost| lost.len() as u64)
    }

    pub fn is_doomed(&self) -> bool {
        self.doomed.is_some()
    }

    /// Bytes of a lost record whose end has not come, if they count under `reason` so far.
    pub fn doomed_so_far(&self, reason: &str) -> u64 {
        let bytes = self.doomed.unwrap_or(0) as u64;
        let so_far = if bytes > self.config.capacity {
            "oversize"
        } else {
            "queue_full"
        };
        if reason == so_far { bytes } else { 0 }
    }

    /// What was lost for `reason` so far.
    pub fn lost_by(&self, reason: Reason) -> (u64, u64) {
        let lost = self.lost.get(reason.name()).copied().unwrap_or_default();
        match reason {
            Reason::Unread => self.unread,
            _ => (lost.0 + self.doomed_so_far(reason.name()), lost.1),
        }
    }

    /// What went out and was read, as far as is known.
    pub fn taken(&self) -> (u64, u64) {
        (self.output.0 - self.unread.0, self.output.1 - self.unread.1)
    }

    pub fn marks_taken(&self) -> (u64, u64) {
        (
            self.marks.0 - self.unread_marks.0,
            self.marks.1 - self.unread_marks.1,
        )
    }

    /// The consumer is gone and has not read the last `count` bytes.
    pub fn left_unread(&mut self, count: usize) {
        let read = self.out.len() - count;
        let counts = self.counts_records();
        for out in &self.out[read..] {
            let sum = match out.of_mark {
                true => &mut self.unread_marks,
                false => &mut self.unread,
            };
            sum.0 += 1;
            sum.1 += u64::from(out.ends && (counts || out.of_mark));
        }
        let mut record = Vec::new();
        let mut is_unread = false;
        for (at, out) in self.out.iter().enumerate().filter(|(_, out)| !out.of_mark) {
            record.push(out.byte);
            is_unread |= at >= read;
            if out.ends {
                if is_unread {
                    self.lost_records.push(std::mem::take(&mut record));
                }
                record.clear();
                is_unread = false;
            }
        }
        self.open_is_unread = is_unread && counts;
    }

    pub fn has_unread(&self) -> bool {
        self.unread.0 > 0
    }

    /// What went out of a record that has not ended.
    fn open_part(&self) -> Vec<u8> {
        let of_records = self.out.iter().rev().filter(|out| !out.of_mark);
        let open = of_records.take_while(|out| !out.ends);
        let mut part: Vec<u8> = open.map(|out| out.byte).collect();
        part.reverse();
        part
    }

    /// How many bytes of that are unread, while it is not known what becomes of the record.
    pub fn unread_of_open(&self) -> u64 {
        let open = self.open_part().len() as u64;
        let is_pending = self.open_is_unread && self.phase == Phase::Running;
        if is_pending {
            open.min(self.unread.0)
        } else {
            0
        }
    }

    /// All that came of a record went out, and it is one.
    fn end_open(&mut self) {
        if std::mem::take(&mut self.open_is_unread) {
            self.unread.1 += 1;
            self.lost_records.push(self.open_part());
        }
        if let Some(last) = self.out.iter_mut().rev().find(|out| !out.of_mark) {
            last.ends = true;
        }
    }

    fn went_out(&mut self, byte: u8, of_mark: bool, ends: bool) {
        let out = Out {
            byte,
            of_mark,
            ends,
        };
        self.out.push(out);
        self.went(out);
        if self.succession.is_some() {
            self.outstanding.push_back(out);
            self.to_present += 1;
        } else {
            self.count(out);
        }
    }

    /// It goes out, for the first time or again.
    fn went(&mut self, out: Out) {
        self.mark_bytes_sent += u64::from(out.of_mark);
        self.ends_sent += u64::from(out.ends && (out.of_mark || self.counts_records()));
    }

    /// It is output, for good.
    fn count(&mut self, out: Out) {
        let counts = out.of_mark || self.counts_records();
        let sum = match out.of_mark {
            true => &mut self.marks,
            false => &mut self.output,
        };
        sum.0 += 1;
        sum.1 += u64::from(out.ends && counts);
    }

    /// All that came of a record that has not ended went out, and it is one.
    fn end_sent_tail(&mut self) {
        let mut of_records = self.outstanding.iter_mut().rev().filter(|out| !out.of_mark);
        match of_records.next() {
            Some(last) => last.ends = true,
            None => self.output.1 += 1,
        }
        self.end_open();
    }

    // ---- consumers that follow one another ------------------------------------------------------

    /// The present consumer has not read the last `unread` bytes that it was sent.
    pub fn read(&mut self, unread: usize, now: Duration) {
        let read = self.to_present - unread.min(self.to_present);
        let has_records = self.counts_records();
        let is_end = |at: &usize| *at == 0 || !has_records || self.outstanding[*at - 1].ends;
        let mut goes = (0..=read).rev().find(is_end).unwrap_or(0);
        let most_kept = match self.config.policy.is_lossy() {
            _ if !has_records => 0,
            true => usize::MAX,
            false => {
                let below_high = self.config.high_water.saturating_sub(1);
                self.config.low_water.min(below_high) as usize
            }
        };
        let is_mark = self.outstanding.get(goes).is_some_and(|out| out.of_mark);
        if read - goes > most_kept && !is_mark {
            goes = read;
            (self.is_cut, self.was_cut) = (true, true);
        } else if goes > 0 {
            self.is_cut = false;
        }
        let held = self.held();
        for out in self.outstanding.drain(..goes).collect::<Vec<_>>() {
            self.count(out);
        }
        self.to_present -= goes;
        if goes > 0 {
            (self.reading_waits, self.reading_step) = (None, Duration::ZERO);
        }
        if self.held() < held {
            self.shrank(now);
        }
        self.end_if_drained(now);
    }

    /// All that went out, but for what went out again.
    pub fn all_sent(&self) -> Vec<u8> {
        self.out.iter().map(|out| out.byte).collect()
    }

    pub fn is_alone(&self) -> bool {
        self.succession.as_ref().is_some_and(|all| all.is_absent)
    }

    /// The present consumer is gone, and has not read so many bytes.
    pub fn consumer_left(&mut self, unread: usize, now: Duration) {
        if self.phase == Phase::Ended {
            return;
        }
        self.read(unread, now);
        // A mark is not changed any more, and not cut.
        let mark = std::mem::take(&mut self.mark_left);
        for (at, byte) in mark.iter().enumerate() {
            self.outstanding.push_back(Out {
                byte: *byte,
                of_mark: true,
                ends: at + 1 == mark.len(),
            });
        }
        let sent = self.outstanding.iter().take(self.to_present);
        let mut sent = sent.filter(|out| !out.of_mark);
        let ends = sent.clone().filter(|out| out.ends).count() as u64;
        let is_amid = sent.next_back().is_some_and(|last| !last.ends);
        let counts = self.counts_records();
        self.to_present = 0;
        if let Some(all) = &mut self.succession {
            all.is_absent = true;
            all.redelivered += if counts { ends + u64::from(is_amid) } else { 0 };
        }
        self.blocked(now);
        if self.end == End::Interrupt {
            self.abandon_output("shutdown", now);
        }
        self.end_if_drained(now);
    }

    /// Its process ended, or none could be started.
    pub fn consumer_ended(&mut self, failed: bool, now: Duration) {
        let Some(NextConsumer::Started {
            delay,
            most_failures,
        }) = self.config.next_consumer
        else {
            unreachable!()
        };
        let Some(all) = &mut self.succession else {
            unreachable!()
        };
        if now - all.began >= Duration::from_secs(60) {
            all.pause = delay;
        }
        let counts = failed && now - all.began < Duration::from_secs(60);
        all.failures = if counts { all.failures + 1 } else { 0 };
        if most_failures == Some(all.failures) {
            if self.phase != Phase::Ended {
                self.decide(End::NoConsumer);
                self.abandon_output("broken_pipe", now);
            }
            return;
        }
        all.starts_at = Some(now + all.pause);
        all.pause = (all.pause * 2).min(Duration::from_secs(30).max(delay));
    }

    /// The next one was started, or could not be.
    pub fn consumer_started(&mut self, is_there: bool, now: Duration) {
        let Some(all) = &mut self.succession else {
            unreachable!()
        };
        if self.config.next_consumer != Some(NextConsumer::Awaited) {
            let at = all.starts_at.take();
            assert_eq!(at, Some(now), "deadline: it starts at another time");
            if self.may_ask {
                self.asked_for = None;
            }
        }
        all.began = now;
        if is_there {
            all.is_absent = false;
            if std::mem::replace(&mut all.had_one, true) {
                all.restarts += 1;
                self.changes.push(Change::Respawn);
            }
        } else {
            self.consumer_ended(true, now);
        }
    }

    /// Bytes that are to be sent again.
    fn again(&self) -> usize {
        self.outstanding.len() - self.to_present
    }

    /// Bytes of records that wait to go out, for the first time or again.
    fn to_go(&self) -> usize {
        let again = self.outstanding.iter().skip(self.to_present);
        self.queued() + again.filter(|out| !out.of_mark).count()
    }

    fn awaits_only_reading(&self) -> bool {
        let matters = self.pressured || self.phase == Phase::Draining;
        self.to_present > 0 && matters && !self.has_output()
    }

    /// It is about to wait.
    pub fn await_reading(&mut self, now: Duration) {
        if self.awaits_only_reading() && self.reading_waits.is_none() {
            let (least, most) = (Duration::from_millis(1), Duration::from_millis(128));
            self.reading_step = (2 * self.reading_step).max(least).min(most);
            self.reading_waits = Some(now + self.reading_step);
        }
    }

    pub fn reading_deadline(&self) -> Option<Duration> {
        self.reading_waits.filter(|_| self.awaits_only_reading())
    }

    /// What a consumer that lives was sent is output; the records behind that are lost, each with what went out of
    /// it before. Returns what there is of a record whose end is not among them.
    fn settle(&mut self) -> Option<Vec<u8>> {
        self.succession.as_ref()?;
        let mut part = Vec::new();
        let is_cut = std::mem::take(&mut self.is_cut);
        let mut begins_late = is_cut;
        let sent = std::mem::take(&mut self.to_present);
        for (at, out) in std::mem::take(&mut self.outstanding)
            .into_iter()
            .enumerate()
        {
            if at < sent {
                self.count(out);
            }
            if out.of_mark {
                continue;
            }
            part.push(out.byte);
            if out.ends {
                let record = std::mem::take(&mut part);
                if at >= sent && !begins_late {
                    self.lost_records.push(record);
                }
                begins_late = false;
            }
        }
        self.is_cut = begins_late;
        Some(part)
    }

    pub fn counts_records(&self) -> bool {
        self.may_lose()
            || self.config.count_records
            || self.config.on_demand
            || self.config.capacity_records.is_some()
    }

    pub fn held(&self) -> usize {
        let outstanding = self.outstanding.iter();
        self.queued() + outstanding.filter(|out| !out.of_mark).count()
    }

    /// The same but for what went out.
    fn queued(&self) -> usize {
        let records: usize = self
            .items
            .iter()
            .map(|item| match item {
                Item::Record(bytes) => bytes.len(),
                Item::Gap { .. } => 0,
            })
            .sum();
        let chosen: usize = self.chosen.places.iter().map(|place| place.1.len()).sum();
        records - self.sent_of_first + self.arriving.len() + self.plain.len() + chosen
    }

    /// Whole records held.
    pub fn held_records(&self) -> u64 {
        if !self.counts_records() {
            return 0;
        }
        if !self.may_lose() {
            let lost: u64 = self.lost.values().map(|lost| lost.1).sum();
            return self.input.1 - self.output.1 - lost;
        }
        let outstanding = self.outstanding.iter();
        let outstanding = outstanding.filter(|out| out.ends && !out.of_mark);
        self.items
            .iter()
            .filter(|item| matches!(item, Item::Record(_)))
            .count() as u64
            + self.chosen.places.len() as u64
            + outstanding.count() as u64
    }

    /// Bytes that could go out now, were there space: marks count.
    pub fn has_output(&self) -> bool {
        self.has_whole_output() || self.sends_tail()
    }

    /// Whether whole records, or marks, may go out.
    fn has_whole_output(&self) -> bool {
        let whole = |item: &Item| matches!(item, Item::Record(_));
        if self.fills || self.discards {
            return false;
        }
        self.plain.len() > self.unended()
            || self.again() > 0
            || !self.mark_left.is_empty()
            || self.items.iter().any(whole)
            || (self.phase != Phase::Running
                && self.config.mark.is_some()
                && !self.items.is_empty())
            || self.next_mark().is_some()
    }

    /// Whether bytes are left that may go out, marks not counted.
    pub fn sends_more(&self) -> bool {
        self.has_output() && self.to_go() > 0 && self.mark_left.is_empty()
    }

    // ---- arrival ----------------------------------------------------------------------------

    /// Returns how many of the bytes lie behind the end of the input.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) -> usize {
        self.idle_since = now;
        let mut rest = bytes;
        while let Some((&byte, others)) = rest.split_first() {
            if self.phase != Phase::Running {
                // Cut: the rest is not part of the input.
                return rest.len();
            }
            if let Some(count) = self.receive_by_class(rest, now) {
                rest = &rest[count..];
            } else {
                rest = others;
                self.input.0 += 1;
                self.receive_byte(byte, now);
            }
            let reached = match self.config.stop_after {
                Some(Amount::Bytes(end)) => self.input.0 == end,
                Some(Amount::Records(end)) => self.input.1 == end,
                None => false,
            };
            if reached || (self.completes && self.config.delimiters.contains(byte)) {
                self.stamp(now);
                self.end_input(now);
            }
        }
        self.stamp(now);
        0
    }

    /// The records that are whole now had come by now.
    fn stamp(&mut self, now: Duration) {
        let Some(most) = self.config.max_age else {
            return;
        };
        let position = self.whole;
        if self.stamps.last().map_or(0, |last| last.position) == position {
            return;
        }
        match self.stamps.last_mut() {
            Some(last) if now - last.first < most / 1024 => {
                (last.position, last.last) = (position, now);
            }
            _ => self.stamps.push(Stamp {
                position,
                first: now,
                last: now,
            }),
        }
    }

    /// When the records that wait are too old, the oldest first.
    fn too_old_at(&self) -> impl Iterator<Item = Duration> + '_ {
        self.ends.iter().filter_map(|end| {
            let stamp = self.stamps.iter().find(|stamp| stamp.position >= *end)?;
            Some(stamp.last + self.config.max_age?)
        })
    }

    /// How many of the waiting records, from the first, have begun to go out.
    fn begun_records(&self) -> usize {
        let mut begun = (self.sent_of_first + self.in_flight).max(usize::from(self.claimed));
        let records = self.items.iter().filter_map(|item| match item {
            Item::Gap { .. } => None,
            Item::Record(bytes) => Some(bytes.len()),
        });
        let is_begun = |length: usize| {
            let is_begun = begun > 0;
            begun = begun.saturating_sub(length);
            is_begun
        };
        records.map(is_begun).take_while(|begun| *begun).count()
    }

    /// When the first record is too old that has not begun to go out.
    pub fn age_deadline(&self) -> Option<Duration> {
        self.too_old_at().nth(self.begun_records())
    }

    /// So much went through without being held.
    pub fn pass(&mut self, count: usize, now: Duration) {
        let is_free = self.held() == 0 && self.reads() && self.config.rate.is_none();
        assert!(!self.config.on_demand, "demand: bytes passed unasked for");
        assert!(!self.fills, "fill: bytes went out before");
        assert!(is_free, "order: bytes overtook others");
        assert!(!self.counts_records(), "exactness: records are not counted");
        self.idle_since = now;
        self.input.0 += count as u64;
        (0..count).for_each(|_| self.went_out(0, false, false));
        match self.config.stop_after {
            Some(Amount::Bytes(end)) if self.input.0 >= end => {
                assert_eq!(self.input.0, end, "end: more than -S passed");
                self.end_input(now);
            }
            _ => {}
        }
    }

    /// With `priority`: a record that is whole in `rest` and does not fit is of a known class. Returns how
    /// long it is, if there is one.
    fn receive_by_class(&mut self, rest: &[u8], now: Duration) -> Option<usize> {
        let begins = self.arriving.is_empty() && !self.arrival_begun && self.doomed.is_none();
        let sheds = self.sheds() && self.overflow() == Some(Policy::Priority);
        let most = match self.config.stop_after {
            Some(Amount::Bytes(end)) => (end - self.input.0) as usize,
            _ => rest.len(),
        };
        let rest = &rest[..most.min(rest.len())];
        let end = rest
            .iter()
            .position(|byte| self.config.delimiters.contains(*byte))?;
        let record = rest[..=end].to_vec();
        let length = record.len() as u64;
        let fits = |model: &Self| {
            let held = model.held() as u64 + length;
            held <= model.config.capacity && !model.is_full_of_records()
        };
        if !begins || !sheds || self.discards || fits(self) {
            return None;
        }
        self.open = false;
        self.input = (self.input.0 + length, self.input.1);
        if !self.is_full_of_records() {
            self.grew_to(self.config.capacity as usize, now);
        }
        let class = self.class_of(&record);
        let mut reason = None;
        if length > self.config.capacity {
            reason = Some("oversize");
        } else if class == self.classes.len() {
            reason = Some("priority");
        }
        while reason.is_none() && !fits(self) {
            match self.oldest_of_class_from(class) {
                Some(at) => self.evict(at, "priority", now),
                None => reason = Some("priority"),
            }
        }
        self.input.1 += 1;
        if let Some(reason) = reason {
            self.lose_at_tail(reason, length);
            self.lost_records.push(record);
            if (self.held() as u64) < self.config.capacity {
                self.shrank(now);
            }
        } else {
            self.whole += length;
            self.ends.push_back(self.whole);
            self.items.push_back(Item::Record(record));
            self.grew(now);
        }
        Some(end + 1)
    }

    /// The oldest whole record of the lowest class that waits, if that is `class` or below.
    fn oldest_of_class_from(&self, class: usize) -> Option<usize> {
        let mut found: Option<(usize, usize)> = None;
        for (at, item) in self.items.iter().enumerate().skip(self.first_free()?) {
            if let Item::Record(record) = item {
                let its = self.class_of(record);
                if its >= class && found.is_none_or(|(_, lowest)| its > lowest) {
                    found = Some((at, its));
                }
            }
        }
        found.map(|(at, _)| at)
    }

    fn receive_byte(&mut self, byte: u8, now: Duration) {
        let ends = self.config.delimiters.contains(byte);
        self.open = !ends;
        if self.discards && self.doomed.is_none() {
            return self.discard(byte);
        }
        if !self.may_lose() {
            self.plain.push_back(byte);
            self.input.1 += u64::from(ends && self.counts_records());
            let most = self.config.capacity_records.unwrap_or(u64::MAX);
            let held = self.held_records() + u64::from(self.open);
            assert!(held <= most, "cap: more records are read than fit");
            self.grew(now);
            return;
        }
        while self.doomed.is_none() && !self.has_space_for_byte() {
            assert!(self.reads_beyond_space(), "cap: more is read than fits");
            self.make_space(now);
        }
        if let Some(length) = &mut self.doomed {
            *length += 1;
            self.doomed_text.push(byte);
            if ends {
                self.close_doomed(now);
            }
            return;
        }
        self.arriving.push(byte);
        self.grew(now);
        if ends {
            self.complete(now);
        }
    }

    fn has_space_for_byte(&self) -> bool {
        let begins_record = self.arriving.is_empty() && !self.arrival_begun;
        let records_fit = !begins_record || !self.is_full_of_records();
        (self.held() as u64) < self.config.capacity && records_fit
    }

    /// How many whole records more may be held.
    pub fn records_left(&self) -> u64 {
        let most = self.config.capacity_records.unwrap_or(u64::MAX);
        most.saturating_sub(self.held_records())
    }

    fn is_full_of_records(&self) -> bool {
        self.records_left() == 0
    }

    fn make_space(&mut self, now: Duration) {
        let first = self.first_free();
        let lowest = self.oldest_of_lowest_class(first);
        match (self.overflow(), first) {
            (Some(Policy::Priority), _) if lowest.is_some() => {
                self.evict(lowest.unwrap_or(0), "priority", now);
            }
            (Some(Policy::DropOldest | Policy::Latest), Some(at)) => {
                self.evict(at, "queue_full", now);
            }
            (Some(Policy::DropBuffer), Some(_)) => {
                while let Some(at) = self.first_free() {
                    self.evict(at, "queue_full", now);
                }
            }
            _ => {
                self.doomed = Some(self.arriving.len());
                if !self.arriving.is_empty() {
                    self.doomed_text = std::mem::take(&mut self.arriving);
                    self.shrank(now);
                }
            }
        }
    }

    /// Where the first record is that has not begun to go out.
    fn first_free(&self) -> Option<usize> {
        let is_record = |(_, item): &(usize, &Item)| matches!(item, Item::Record(_));
        let mut records = self.items.iter().enumerate().filter(is_record);
        Some(records.nth(self.begun_records())?.0)
    }

    /// Of the records that a write left behind, and that are whole and not begun, one stays.
    fn leave_newest(&mut self, now: Duration) {
        let is_record = |item: &Item| matches!(item, Item::Record(_));
        while let Some(at) = self.first_free()
            && self.items.iter().skip(at + 1).any(is_record)
        {
            self.evict(at, "queue_full", now);
        }
    }

    /// Of the whole records from `first` on, if any of them is not of the most valuable class.
    fn oldest_of_lowest_class(&self, first: Option<usize>) -> Option<usize> {
        let mut found: Option<(usize, usize)> = None;
        for (at, item) in self.items.iter().enumerate().skip(first?) {
            if let Item::Record(record) = item {
                let class = self.class_of(record);
                if class > found.map_or(0, |(_, lowest)| lowest) {
                    found = Some((at, class));
                }
            }
        }
        found.map(|(at, _)| at)
    }

    /// The number of the first expression that matches, or of expressions.
    fn class_of(&self, record: &[u8]) -> usize {
        let content = match record.split_last() {
            Some((last, content)) if self.config.delimiters.contains(*last) => content,
            _ => record,
        };
        let first = self.classes.iter().position(|one| one.is_match(content));
        first.unwrap_or(self.classes.len())
    }

    fn is_shed(&self, record: &[u8]) -> bool {
        let is_priority = self.overflow() == Some(Policy::Priority);
        let judges = self.sheds() && !self.arrival_begun && self.pressured;
        is_priority && judges && self.class_of(record) == self.classes.len()
    }

    /// The record becomes a gap, and adjacent gaps become one.
    fn evict(&mut self, at: usize, reason: &'static str, now: Duration) {
        let Item::Record(record) = &self.items[at] else {
            unreachable!()
        };
        let length = record.len() as u64;
        self.lost_records.push(record.clone());
        self.lose(reason, length);
        let before = self.items.iter().take(at);
        let index = before
            .filter(|item| matches!(item, Item::Record(_)))
            .count();
        self.ends.remove(index);
        let (mut records, mut bytes) = (1, length);
        let mut is_new = true;
        if let Some(Item::Gap {
            records: r,
            bytes: b,
        }) = self.items.get(at + 1)
        {
            (records, bytes) = (records + r, bytes + b);
            // From the head it is a new run of losses that will meet the other.
            is_new = reason != "priority";
            self.items.remove(at + 1);
        }
        self.items.remove(at);
        let mut place = at;
        if at > 0
            && let Item::Gap {
                records: r,
                bytes: b,
            } = self.items[at - 1]
        {
            (records, bytes) = (records + r, bytes + b);
            is_new = false;
            self.items.remove(at - 1);
            place = at - 1;
        }
        self.items.insert(place, Item::Gap { records, bytes });
        if is_new {
            self.new_episode();
        }
        self.shrank(now);
    }

    fn lose(&mut self, reason: &'static str, bytes: u64) {
        let entry = self.lost.entry(reason).or_default();
        entry.0 += bytes;
        entry.1 += 1;
    }

    fn lose_at_tail(&mut self, reason: &'static str, length: u64) {
        self.lose(reason, length);
        if let Some(Item::Gap { records, bytes }) = self.items.back_mut() {
            *records += 1;
            *bytes += length;
        } else {
            self.items.push_back(Item::Gap {
                records: 1,
                bytes: length,
            });
            self.new_episode();
        }
    }

    fn new_episode(&mut self) {
        self.episodes += 1;
        self.changes.push(Change::Loss);
    }

    /// Why the policy loses a whole record. `found` is held but for the record; `fits` if it has a
    /// place.
    fn judged(&mut self, found: usize, fits: bool, now: Duration) -> Option<&'static str> {
        let judges = self.sheds() && !self.arrival_begun;
        let policy = self.overflow().filter(|_| judges)?;
        let is_red = matches!(policy, Policy::Red { .. });
        let early = is_red && self.is_early(found, fits, now);
        let sampled = !is_red && self.sampled_out(now);
        match (early, sampled) {
            (true, _) => Some("early"),
            (_, true) => Some("sampled"),
            _ => None,
        }
    }

    fn is_early(&mut self, found: usize, fits: bool, now: Duration) -> bool {
        let Some(Policy::Red { max_p }) = self.overflow() else {
            unreachable!()
        };
        let (low, high) = (self.config.low_water as f64, self.config.high_water as f64);
        let average = &mut self.average;
        if found > 0 {
            average.bytes = average.bytes * 0.998 + 0.002 * found as f64;
        } else {
            let idle = (now - average.nothing_since).as_secs_f64();
            let busy = average.something_in_all.as_secs_f64();
            let records = match (idle == 0.0, busy == 0.0) {
                (true, _) => 0.0,
                (false, true) => f64::INFINITY,
                (false, false) => idle * f64::from(average.stayed) / busy,
            };
            average.bytes *= 0.998_f64.powf(records);
            average.nothing_since = now;
        }
        let is_lost = if average.bytes >= high && average.bytes >= low {
            average.count = Some(0);
            true
        } else if average.bytes >= low {
            let count = average.count.map_or(0, |count| count + 1);
            let base = max_p * (average.bytes - low) / (high - low);
            let rest = 1.0 - f64::from(count) * base;
            let chance = if rest > 0.0 { base / rest } else { 1.0 };
            let is_lost = self.rng.chance(chance);
            average.count = Some(if is_lost { 0 } else { count });
            is_lost
        } else {
            average.count = None;
            false
        };
        if fits && !is_lost {
            average.stayed += 1;
            average.something_since.get_or_insert(now);
        }
        is_lost
    }

    /// Whether `reservoir` shall choose among the records.
    fn chooses(&self) -> bool {
        let judges = self.sheds() && !self.arrival_begun;
        let policy = self.overflow().filter(|_| judges);
        self.pressured && matches!(policy, Some(Policy::Sample(Sample::Reservoir { .. })))
    }

    /// Algorithm L, as in Li's paper.
    fn offer_to_reservoir(&mut self, record: Vec<u8>, now: Duration) {
        let Some(Policy::Sample(Sample::Reservoir { keep, per })) = self.overflow() else {
            unreachable!()
        };
        let (rng, chosen) = (&mut self.rng, &mut self.chosen);
        if chosen.seen == 0 {
            let windows = now.as_nanos() / per.as_nanos() + 1;
            chosen.ends = Duration::from_nanos((windows * per.as_nanos()) as u64);
            chosen.w = 1.0;
        }
        chosen.seen += 1;
        let place = (chosen.seen, record);
        let is_full = chosen.places.len() as u64 == keep;
        if is_full && chosen.seen as f64 != chosen.next {
            let length = place.1.len() as u64;
            self.lost_records.push(place.1);
            self.lose_at_tail("sampled", length);
            return self.shrank(now);
        }
        let mut left = None;
        if is_full {
            let index = rng.below(keep) as usize;
            left = Some(std::mem::replace(&mut chosen.places[index], place).1);
        } else {
            chosen.places.push(place);
        }
        if chosen.places.len() as u64 == keep {
            chosen.w *= (rng.unit().ln() / keep as f64).exp();
            let jump = (rng.unit().ln() / (-chosen.w).ln_1p()).floor();
            chosen.next = chosen.seen as f64 + jump + 1.0;
        }
        if let Some(left) = left {
            self.lose_at_tail("sampled", left.len() as u64);
            self.lost_records.push(left);
            self.shrank(now);
        }
    }

    /// All that was chosen goes to the others.
    fn end_window(&mut self, now: Duration) {
        let mut chosen = std::mem::take(&mut self.chosen);
        if chosen.places.is_empty() {
            return;
        }
        chosen.places.sort_by_key(|place| place.0);
        for (_, record) in chosen.places {
            self.whole += record.len() as u64;
            self.ends.push_back(self.whole);
            self.items.push_back(Item::Record(record));
        }
        self.stamp(now);
    }

    fn sampled_out(&mut self, now: Duration) -> bool {
        let is_judged = self.pressured && self.sheds() && !self.arrival_begun;
        let Some(policy) = self.overflow().filter(|_| is_judged) else {
            return false;
        };
        match policy {
            Policy::Sample(Sample::First { first, then, per }) => {
                let window = now.as_nanos() / per.as_nanos();
                let seen = if self.window.0 == window {
                    self.window.1
                } else {
                    0
                } + 1;
                self.window = (window, seen);
                seen > first && (then == 0 || !(seen - first).is_multiple_of(then))
            }
            Policy::Sample(Sample::Every(stride)) => {
                self.seen += 1;
                !self.seen.is_multiple_of(stride)
            }
            Policy::Sample(Sample::Chance(chance)) => !self.rng.chance(chance),
            Policy::Sample(Sample::Adaptive) => {
                let chance = self.adaptive_chance();
                !self.rng.chance(chance)
            }
            _ => false,
        }
    }

    /// What the consumer takes of what comes, times the space over the space at the middle of the
    /// watermarks.
    pub fn adaptive_chance(&self) -> f64 {
        let ratio = match &self.rates {
            Some(rates) if rates.input > 0.0 => rates.output / rates.input,
            _ => 1.0,
        };
        let RelayConfig {
            capacity,
            high_water,
            low_water,
            ..
        } = self.config;
        let middle = low_water + (high_water - low_water) / 2;
        let space = (capacity - self.held() as u64) as f64;
        let pull = match capacity - middle {
            0 => 1.0,
            at_middle => space / at_middle as f64,
        };
        (ratio * pull).min(1.0)
    }

    /// A turn begins.
    pub fn turn(&mut self, now: Duration) {
        self.observe(now);
        self.rests_until = self.rests_until.filter(|until| now < *until);
        self.tail_waits = self.tail_waits.filter(|until| now < *until);
        self.reading_waits = self.reading_waits.filter(|until| now < *until);
        if self.window_end().is_some_and(|end| now >= end) {
            self.end_window(now);
        }
    }

    fn window_end(&self) -> Option<Duration> {
        (!self.chosen.places.is_empty()).then_some(self.chosen.ends)
    }

    /// The rates are averaged over about a second, and looked at each 10 ms at most.
    fn observe(&mut self, now: Duration) {
        let totals = (self.input.0, self.output.0);
        let Some(rates) = &mut self.rates else {
            self.rates = Some(Rates::from(now, totals));
            return;
        };
        let span = now - rates.looked_at;
        if span < Duration::from_millis(10) {
            return;
        }
        let seconds = span.as_secs_f64();
        let averaged = |average: f64, after: u64, before: u64| {
            let rate = (after - before) as f64 / seconds;
            average + (1.0 - (-seconds).exp()) * (rate - average)
        };
        *rates = Rates {
            looked_at: now,
            totals,
            input: averaged(rates.input, totals.0, rates.totals.0),
            output: averaged(rates.output, totals.1, rates.totals.1),
        };
    }

    fn complete(&mut self, now: Duration) {
        self.input.1 += 1;
        if self.chooses() {
            let record = std::mem::take(&mut self.arriving);
            return self.offer_to_reservoir(record, now);
        }
        let judged = self.judged(self.held() - self.arriving.len(), true, now);
        let record = std::mem::take(&mut self.arriving);
        let judged = judged.or(self.is_shed(&record).then_some("priority"));
        if let Some(reason) = judged {
            self.lose_at_tail(reason, record.len() as u64);
            self.lost_records.push(record);
            self.shrank(now);
        } else {
            self.whole += record.len() as u64;
            self.ends.push_back(self.whole);
            // If it is the first that waits, it was claimed by its beginning, else by what is under way.
            let is_first = self.items.is_empty();
            self.items.push_back(Item::Record(record));
            self.claimed |= std::mem::take(&mut self.arrival_begun) && is_first;
            if self.is_full_of_records() {
                self.grew(now);
            }
        }
    }

    fn close_doomed(&mut self, now: Duration) {
        let Some(length) = self.doomed.take() else {
            return;
        };
        self.input.1 += 1;
        let reason = if length as u64 > self.config.capacity {
            "oversize"
        } else {
            let judged = self.judged(self.held(), false, now);
            judged.unwrap_or("queue_full")
        };
        let record = std::mem::take(&mut self.doomed_text);
        self.lost_records.push(record);
        self.lose_at_tail(reason, length as u64);
    }

    // ---- departure --------------------------------------------------------------------------

    /// The bytes that go out next are as many as the relay wrote; the model says which ones.
    pub fn send(&mut self, count: usize, now: Duration) -> Vec<u8> {
        self.stalled_since = None;
        (self.tail_waits, self.tail_step) = (None, Duration::ZERO);
        let mut out = Vec::new();
        for _ in 0..count {
            assert!(self.may_go(), "demand: more than was asked for (1.1)");
            let (held, records) = (self.held(), self.ends_sent);
            out.push(self.send_byte(now));
            self.give(self.ends_sent - records);
            if self.held() < held {
                self.shrank(now);
            }
        }
        if !self
            .items
            .iter()
            .any(|item| matches!(item, Item::Record(_)))
            && let Some(since) = self.average.something_since.take()
        {
            self.average.something_in_all += now - since;
            self.average.nothing_since = now;
        }
        if self.succession.is_some() {
            // At the end that makes output of what is unread.
            self.end_if_drained(now);
        }
        out
    }

    /// Whether the consumer has asked for what could go out.
    pub fn may_go(&self) -> bool {
        !self.config.on_demand || self.asked_for.is_some()
    }

    pub fn ask(&mut self, grant: Grant) {
        self.asked_for = Some(match (self.asked_for, grant) {
            (Some(Grant::All), _) | (_, Grant::All) => Grant::All,
            (Some(Grant::More(Amount::Bytes(a))), Grant::More(Amount::Bytes(b))) => {
                Grant::More(Amount::Bytes(a + b))
            }
            (Some(Grant::More(Amount::Records(a))), Grant::More(Amount::Records(b))) => {
                Grant::More(Amount::Records(a + b))
            }
            (_, grant) => grant,
        });
    }

    /// The consumer got a byte, and with it so many ends of records.
    fn give(&mut self, records: u64) {
        let left = match &mut self.asked_for {
            Some(Grant::More(Amount::Bytes(left))) => {
                *left -= 1;
                *left
            }
            Some(Grant::More(Amount::Records(left))) => {
                *left -= records;
                *left
            }
            _ => return,
        };
        if left == 0 {
            self.asked_for = None;
        }
    }

    /// What could go out was not asked for: the consumer stalls.
    pub fn await_demand(&mut self, now: Duration) {
        if self.has_output() && !self.may_go() {
            self.stalled_since.get_or_insert(now);
        }
    }

    pub fn demand_failed(&mut self, now: Duration) {
        self.decide(End::Error);
        self.abandon_output("shutdown", now);
    }

    /// The next `count` bytes are handed to a thread.
    pub fn hand_over(&mut self, count: usize, now: Duration) {
        self.begin_mark(now);
        self.in_flight = count.saturating_sub(self.mark_left.len());
        self.pass_gaps_under_way();
        let whole = self.queued() - self.arriving.len() - self.plain.len();
        self.arrival_begun |= self.may_lose() && self.in_flight > whole;
    }

    /// A gap is passed when what follows it begins to go out: its mark, or the next record.
    fn begin_mark(&mut self, now: Duration) {
        if let Some((mark, is_of_gap)) = self.next_mark() {
            self.mark_left = mark;
            self.rests_until = self.config.mark_every.map(|every| now + every);
            let (mut bytes, mut records) = std::mem::take(&mut self.unmarked);
            if let Some(Item::Gap {
                records: r,
                bytes: b,
            }) = self.items.front()
                && is_of_gap
            {
                (bytes, records) = (bytes + b, records + r);
                self.claimed = true;
                self.pass_first_gap();
            }
            self.marked = (self.marked.0 + bytes, self.marked.1 + records);
        } else if let Some(Item::Gap { records, bytes }) = self.items.front()
            && self.mark_left.is_empty()
        {
            if self.config.mark.is_some() {
                self.unmarked = (self.unmarked.0 + bytes, self.unmarked.1 + records);
            }
            self.pass_first_gap();
        }
    }

    fn pass_first_gap(&mut self) {
        self.items.pop_front();
        if self.items.is_empty() && !self.arriving.is_empty() {
            self.claimed = false;
            self.arrival_begun = true;
        }
    }

    /// With a time between marks there may be gaps among the bytes that a thread is writing.
    fn pass_gaps_under_way(&mut self) {
        if self.config.mark.is_none() {
            return;
        }
        let mut before = 0;
        let mut sent = self.sent_of_first;
        let mut at = 0;
        while before < self.in_flight && at < self.items.len() {
            match &self.items[at] {
                Item::Record(record) => {
                    before += record.len() - std::mem::take(&mut sent);
                    at += 1;
                }
                Item::Gap { records, bytes } => {
                    self.unmarked = (self.unmarked.0 + bytes, self.unmarked.1 + records);
                    self.items.remove(at);
                }
            }
        }
    }

    /// The mark that goes out before anything else, if one does, and whether it stands for the first gap,
    /// too.
    fn next_mark(&self) -> Option<(Vec<u8>, bool)> {
        let mark = self.config.mark.as_ref()?;
        let is_last = self.ended() && self.queued() == 0;
        let rests = self.rests_until.is_some() && !is_last;
        if rests || !self.mark_left.is_empty() || self.in_flight > 0 {
            return None;
        }
        let follows = self.items.len() > 1 || (self.sends_arriving() && !self.arriving.is_empty());
        let gap = match self.items.front() {
            Some(Item::Gap { records, bytes }) if follows || self.ended() => (*bytes, *records),
            _ => (0, 0),
        };
        let is_of_gap = gap != (0, 0);
        if !is_of_gap && (self.unmarked == (0, 0) || (self.within && !is_last)) {
            return None;
        }
        let (bytes, records) = (self.unmarked.0 + gap.0, self.unmarked.1 + gap.1);
        let text = mark.0.iter().map(|piece| match piece {
            MarkPiece::Text(text) => text.clone(),
            MarkPiece::Records => records.to_string(),
            MarkPiece::Bytes => bytes.to_string(),
            MarkPiece::Plural => if records == 1 { "" } else { "s" }.to_string(),
            MarkPiece::Size => panic!("the simulator uses exact marks"),
        });
        let text = text.collect::<String>().into_bytes();
        // A record that the input did not end.
        let before = (is_last && self.within).then_some(self.config.delimiters.terminator());
        let whole = before
            .into_iter()
            .chain(text)
            .chain([self.config.delimiters.terminator()]);
        Some((whole.collect(), is_of_gap))
    }

    /// Bytes that wait to go out, the next mark among them.
    pub fn waiting(&self) -> usize {
        let mark = match self.mark_left.len() {
            0 if self.has_output() => self.next_mark().map_or(0, |(mark, _)| mark.len()),
            left => left,
        };
        let marks = self.outstanding.iter().skip(self.to_present);
        self.to_go() + marks.filter(|out| out.of_mark).count() + mark
    }

    fn send_byte(&mut self, now: Duration) -> u8 {
        if let Some(out) = self.outstanding.get(self.to_present).copied() {
            self.to_present += 1;
            self.went(out);
            return out.byte;
        }
        let may_go = self.sends_tail() || self.plain.len() > self.unended();
        if may_go && let Some(byte) = self.plain.pop_front() {
            self.in_flight = self.in_flight.saturating_sub(1);
            let ends =
                self.config.delimiters.contains(byte) || (self.tail_is_next() && self.ended());
            self.went_out(byte, false, ends);
            return byte;
        }
        self.begin_mark(now);
        if !self.mark_left.is_empty() {
            let byte = self.mark_left.remove(0);
            self.went_out(byte, true, self.mark_left.is_empty());
            return byte;
        }
        if self.items.is_empty() && self.may_lose() && self.sends_tail() {
            self.arrival_begun = true;
            self.within = true;
            self.in_flight = self.in_flight.saturating_sub(1);
            let byte = self.arriving.remove(0);
            self.went_out(byte, false, false);
            return byte;
        }
        let Some(Item::Record(record)) = self.items.front() else {
            panic!("order: hwm wrote what it cannot hold");
        };
        self.claimed = false;
        let byte = record[self.sent_of_first];
        self.within = !self.config.delimiters.contains(byte);
        self.sent_of_first += 1;
        self.in_flight = self.in_flight.saturating_sub(1);
        let ends = self.sent_of_first == record.len();
        self.went_out(byte, false, ends);
        if ends {
            self.items.pop_front();
            self.ends.pop_front();
            self.sent_of_first = 0;
        }
        byte
    }

    fn tail_is_next(&self) -> bool {
        self.plain.is_empty() && self.open
    }

    fn ended(&self) -> bool {
        self.phase != Phase::Running
    }

    pub fn blocked(&mut self, now: Duration) {
        if self.has_output() {
            self.stalled_since.get_or_insert(now);
        }
    }

    // ---- watermarks -------------------------------------------------------------------------

    fn grew(&mut self, now: Duration) {
        self.grew_to(self.held(), now);
    }

    /// So much is held, or was for a moment.
    fn grew_to(&mut self, held: usize, now: Duration) {
        self.peak = self.peak.max(held);
        if let Some(start) = self.config.start.filter(|_| self.fills) {
            self.fills_until.get_or_insert(now + start.timeout);
            if held as u64 >= start.held || self.is_full_of_records() {
                self.begin();
            }
        }
        let is_high = held as u64 >= self.config.high_water;
        if !self.pressured && (is_high || self.is_full_of_records()) {
            self.pressured = true;
            self.pressure_episodes += 1;
            self.pressured_since = now;
            self.changes.push(Change::Pressured);
        }
    }

    /// From now on there may be output.
    fn begin(&mut self) {
        self.fills = false;
        self.fills_until = None;
    }

    fn shrank(&mut self, now: Duration) {
        let few = self.config.capacity_records.map(|most| most * 3 / 4);
        let is_low = self.held() as u64 <= self.config.low_water
            && few.is_none_or(|few| self.held_records() <= few);
        if self.pressured && is_low {
            self.pressured = false;
            self.idle_since = now;
            self.changes.push(Change::Flowing);
            self.end_window(now);
        }
    }

    // ---- endings ----------------------------------------------------------------------------

    pub fn end_input(&mut self, now: Duration) {
        if self.phase != Phase::Running {
            return;
        }
        self.close_tail(now);
        self.end_window(now);
        self.stamp(now);
        self.begin();
        self.completes = false;
        self.phase = Phase::Draining;
        self.end_if_drained(now);
    }

    fn close_tail(&mut self, now: Duration) {
        self.close_doomed(now);
        if self.discards {
            return self.close_discarded();
        }
        if !self.arriving.is_empty() {
            self.complete(now);
        } else if std::mem::take(&mut self.arrival_begun) {
            self.input.1 += 1;
            self.end_sent_tail();
            if self.succession.is_some() && self.is_full_of_records() {
                self.grew(now);
            }
        }
        if !self.may_lose() && self.counts_records() && self.open {
            self.input.1 += 1;
            // With all its bytes out, the tail is out.
            if self.plain.is_empty() {
                self.end_sent_tail();
            }
            if self.is_full_of_records() {
                self.grew(now);
            }
        }
    }

    pub fn end_if_drained(&mut self, now: Duration) {
        let is_read = self.outstanding.is_empty() || self.phase == Phase::Finishing;
        if matches!(self.phase, Phase::Draining | Phase::Finishing) && !self.has_output() && is_read
        {
            let held = self.held();
            self.settle();
            if self.held() < held {
                self.shrank(now);
            }
            self.phase = Phase::Ended;
        }
    }

    /// Whether all went out that was to.
    pub fn was_drained(&self) -> bool {
        self.phase == Phase::Ended && !self.was_abandoned
    }

    fn decide(&mut self, end: End) {
        self.end = self.end.max(end);
    }

    pub fn signal(&mut self, number: i32, now: Duration) {
        if let Some((before, at)) = self.signal
            && before == number
            && now - at < TWICE
        {
            return;
        }
        let is_second = self.signal.replace((number, now)).is_some();
        match (number, self.end) {
            (SIGINT, _) => self.decide(End::Interrupt),
            (_, End::Signal(_)) => {}
            _ => self.decide(End::Signal(number)),
        }
        if self.phase == Phase::Ended {
            return;
        }
        self.begin();
        self.end_window(now);
        let limit = match number {
            _ if is_second => Duration::ZERO,
            SIGINT => INTERRUPTED,
            _ => self.config.drain_timeout,
        };
        self.end_by(now + limit);
        if is_second {
            self.give_up(now);
        } else if number == SIGINT || !self.reads_on {
            if self.phase == Phase::Running && self.counts_records() && self.arrival_went() {
                self.completes = true;
            } else {
                self.cut(now);
            }
        }
    }

    fn end_by(&mut self, at: Duration) {
        self.ends_at = Some(self.ends_at.map_or(at, |before| before.min(at)));
    }

    /// No more input; a record whose end has not come is lost, if it has not begun to go out.
    fn cut(&mut self, now: Duration) {
        if self.phase == Phase::Running && self.counts_records() && !self.arrival_went() {
            self.lose_arriving("shutdown", now);
        }
        self.end_input(now);
    }

    /// It is too late: only records that have begun to go out may still be finished.
    fn give_up(&mut self, now: Duration) {
        if !self.counts_records() || self.phase == Phase::Finishing {
            return self.abandon("shutdown", now);
        }
        self.gave_up = true;
        self.end_window(now);
        let held = self.held();
        let unended = self.unended();
        let kept = self.begun_plain().min(self.plain.len() - unended);
        let lost: Vec<u8> = self.plain.drain(kept..self.plain.len() - unended).collect();
        let delimiters = self.config.delimiters;
        for record in lost.split_inclusive(|byte| delimiters.contains(*byte)) {
            self.lose("shutdown", record.len() as u64);
            self.lost_records.push(record.to_vec());
        }
        let ends_in_gap = matches!(self.items.back(), Some(Item::Gap { .. }));
        while let Some(at) = self.first_free() {
            let gone = self.items.remove(at);
            let before = self.items.iter().take(at);
            let index = before
                .filter(|item| matches!(item, Item::Record(_)))
                .count();
            self.ends.remove(index);
            if let Some(Item::Record(record)) = gone {
                self.lose("shutdown", record.len() as u64);
                self.lost_records.push(record);
            }
        }
        if !ends_in_gap {
            // What is missing elsewhere has nothing to do with what is lost at the tail.
            self.items.retain(|item| matches!(item, Item::Record(_)));
        }
        if self.held() < held {
            self.shrank(now);
        }
        self.cut(now);
        if self.phase != Phase::Ended {
            self.items.retain(|item| matches!(item, Item::Record(_)));
            self.unmarked = (0, 0);
            self.phase = Phase::Finishing;
            self.end_if_drained(now);
        }
    }

    fn lose_arriving(&mut self, reason: &'static str, now: Duration) {
        self.close_doomed(now);
        let unended = self.unended();
        if unended > 0 {
            // Where nothing is ever lost but at the end there is no loss episode.
            self.input.1 += 1;
            let record = self.plain.drain(self.plain.len() - unended..).collect();
            self.lose(reason, unended as u64);
            self.lost_records.push(record);
            self.open = false;
            self.shrank(now);
        }
        if !self.arriving.is_empty() {
            self.input.1 += 1;
            let record = std::mem::take(&mut self.arriving);
            self.lose_at_tail(reason, record.len() as u64);
            self.lost_records.push(record);
            self.shrank(now);
        }
    }

    /// More came than there is space for, or than the consumer waited for.
    pub fn more_came(&mut self, now: Duration) {
        if self.farewell.is_some() {
            self.break_pipe(now);
        } else {
            self.decide(End::Overflow);
            self.cut(now);
        }
    }

    pub fn consumer_gone(&mut self, now: Duration) {
        if self.config.broken_pipe == BrokenPipe::Drain {
            return self.discard_from_here(now);
        }
        let owes_mark = self.config.mark.is_some() && !self.items.is_empty();
        let owes_mark = owes_mark || self.unmarked != (0, 0) || !self.mark_left.is_empty();
        let owes = self.held() > 0 || self.doomed.is_some() || owes_mark;
        if self.phase == Phase::Running && !owes {
            self.farewell.get_or_insert(now + FAREWELL);
        } else {
            self.break_pipe(now);
        }
    }

    fn break_pipe(&mut self, now: Duration) {
        self.decide(End::Consumer);
        self.abandon_output(self.reason_of_leaving(), now);
    }

    /// Nothing more can be written. With `block` a record may have begun to go before its end came.
    fn abandon_output(&mut self, reason: &'static str, now: Duration) {
        self.abandon(reason, now);
        self.tore &= self.config.policy.is_lossy();
    }

    /// A key that ends hwm may have ended the consumer first.
    fn reason_of_leaving(&self) -> &'static str {
        match self.end {
            End::Interrupt => "shutdown",
            _ => "broken_pipe",
        }
    }

    /// The consumer is gone, and that ends nothing.
    fn discard_from_here(&mut self, now: Duration) {
        if self.phase == Phase::Ended || self.discards {
            return;
        }
        self.stalled_since = None;
        self.begin();
        self.end_window(now);
        let reason = self.reason_of_leaving();
        let (bytes, records) = (self.held() as u64, self.held_records());
        let is_amid = self.phase == Phase::Running && self.open && self.doomed.is_none();
        let unended = self.unended();
        let mut partial = std::mem::take(&mut self.arriving);
        if self.counts_records() {
            partial.extend(self.plain.drain(self.plain.len() - unended..));
        }
        let goes_on = partial.is_empty() && matches!(self.items.back(), Some(Item::Gap { .. }));
        if self.held() > 0 {
            self.lose_held_records();
            // With what went out of the first of them.
            self.open_is_lost();
        }
        if is_amid && self.counts_records() {
            self.discarded = Some(partial);
            self.discarded_behind = self.open_part();
        }
        self.mark_left.clear();
        self.unmarked = (0, 0);
        self.ends.clear();
        (self.claimed, self.arrival_begun, self.in_flight) = (false, false, 0);
        if bytes > 0 {
            let entry = self.lost.entry(reason).or_default();
            *entry = (entry.0 + bytes, entry.1 + records);
        }
        if bytes > 0 || goes_on {
            self.items.push_back(Item::Gap { records, bytes });
        }
        if bytes > 0 && !goes_on {
            self.new_episode();
        }
        self.shrank(now);
        self.discards = true;
        self.end_if_drained(now);
    }

    /// A byte comes that nobody will get.
    fn discard(&mut self, byte: u8) {
        self.lost.entry("broken_pipe").or_default().0 += 1;
        if self.items.is_empty() {
            self.items.push_back(Item::Gap {
                records: 0,
                bytes: 0,
            });
            self.new_episode();
        }
        if !self.counts_records() {
            return;
        }
        self.discarded.get_or_insert_default().push(byte);
        if self.config.delimiters.contains(byte) {
            self.end_discarded();
        }
    }

    fn end_discarded(&mut self) {
        self.input.1 += 1;
        self.lost.entry("broken_pipe").or_default().1 += 1;
        let record = self.discarded.take().unwrap_or_default();
        let sent = std::mem::take(&mut self.discarded_behind);
        if !sent.is_empty() {
            self.open_is_lost();
        }
        self.lost_records.push([sent, record].concat());
    }

    fn close_discarded(&mut self) {
        match &self.discarded {
            Some(lost) if lost.is_empty() => {
                // All that came of it had gone out.
                self.input.1 += 1;
                self.output.1 += 1;
                self.end_open();
            }
            Some(_) => self.end_discarded(),
            None => {}
        }
    }

    /// The record of which a part went out was lost with its rest.
    fn open_is_lost(&mut self) {
        self.open_is_unread = false;
        if let Some(last) = self.out.iter_mut().rev().find(|out| !out.of_mark) {
            last.ends = true;
        }
    }

    pub fn write_failed(&mut self, now: Duration) {
        self.decide(End::Error);
        self.abandon_output("shutdown", now);
    }

    pub fn source_failed(&mut self) {
        self.decide(End::Error);
    }

    /// So much came and cannot be had: nothing that follows may stand behind what came before.
    pub fn input_lost(&mut self, bytes: usize, now: Duration) {
        self.decide(End::Error);
        self.input.0 += bytes as u64;
        self.lost.entry("shutdown").or_default().0 += bytes as u64;
        if self.phase == Phase::Running && self.reads_beyond_space() {
            self.lose_arriving("shutdown", now);
        }
        self.end_input(now);
    }

    fn abandon(&mut self, reason: &'static str, now: Duration) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.phase == Phase::Running {
            if self.reads_beyond_space() {
                self.lose_arriving(reason, now);
            }
            self.close_tail(now);
        }
        self.was_abandoned = true;
        self.gave_up |= reason == "shutdown";
        // Who had the beginning is gone.
        self.tore |= self.holds_end_of_begun() && !self.is_alone();
        let begun = self.settle_and_lose(reason);
        let (bytes, records) = (self.held() as u64, self.held_records());
        if bytes + records > 0 {
            let entry = self.lost.entry(reason).or_default();
            *entry = (entry.0 + bytes, entry.1 + records);
        }
        self.end_window(now);
        self.lose_held_records_behind(begun);
        self.ends.clear();
        self.shrank(now);
        self.phase = Phase::Ended;
    }

    /// Nothing goes out again. Returns what went out of the record that is lost next.
    fn settle_and_lose(&mut self, reason: &'static str) -> Option<Vec<u8>> {
        let lost = self.outstanding.iter().skip(self.to_present);
        let lost = lost.filter(|out| !out.of_mark);
        let records = lost.clone().filter(|out| out.ends).count() as u64;
        let records = if self.counts_records() { records } else { 0 };
        let bytes = lost.count() as u64;
        let begun = self.settle();
        if bytes > 0 {
            let entry = self.lost.entry(reason).or_default();
            *entry = (entry.0 + bytes, entry.1 + records);
        }
        begun
    }

    /// Whether a part of a record went out, and its end came.
    fn holds_end_of_begun(&self) -> bool {
        let has_end = match self.items.front() {
            Some(Item::Record(record)) => {
                record
                    .last()
                    .is_some_and(|byte| self.config.delimiters.contains(*byte))
                    || self.came_to_end
            }
            _ => {
                self.plain
                    .iter()
                    .any(|byte| self.config.delimiters.contains(*byte))
                    || self.came_to_end
            }
        };
        self.counts_records() && self.held() > 0 && self.is_torn() && has_end
    }

    fn lose_held_records(&mut self) {
        let sent = self.open_part();
        self.lose_held_records_behind(Some(sent));
    }

    /// With what went out of the first of them, where that is known to be other than all that ever did.
    fn lose_held_records_behind(&mut self, sent: Option<Vec<u8>>) {
        let mut begun = std::mem::take(&mut self.sent_of_first);
        let mut sent = sent.unwrap_or_else(|| self.open_part());
        let records = self.lost_records.len();
        for item in std::mem::take(&mut self.items) {
            if let Item::Record(record) = item {
                let whole = [&std::mem::take(&mut sent)[..], &record[begun..]].concat();
                self.lost_records.push(whole);
                begun = 0;
            }
        }
        let plain: Vec<u8> = std::mem::take(&mut self.plain).into();
        for record in plain.split_inclusive(|byte| self.config.delimiters.contains(*byte)) {
            let whole = [&std::mem::take(&mut sent)[..], record].concat();
            self.lost_records.push(whole);
        }
        if self.succession.is_some() && !sent.is_empty() {
            self.lost_records.push(sent);
        }
        if std::mem::take(&mut self.is_cut) && self.lost_records.len() > records {
            // What is not known from its beginning cannot be kept.
            self.lost_records.remove(records);
        }
    }

    // ---- deadlines --------------------------------------------------------------------------

    /// Whether input is wanted, so that its absence counts as idle.
    pub fn reads(&self) -> bool {
        self.phase == Phase::Running
            && self.farewell.is_none()
            && match self.config.policy {
                _ if self.discards => true,
                _ if self.sheds() => {
                    self.reads_beyond_space() || (self.held() as u64) < self.config.capacity
                }
                Policy::Block => !self.pressured,
                Policy::Fail => {
                    (self.held() as u64) < self.config.capacity && !self.is_full_of_records()
                }
                _ => true,
            }
    }

    pub fn stall_deadline(&self) -> Option<Duration> {
        let timeout = self.config.block_timeout.filter(|_| !self.sheds())?;
        let since = self.stalled_since?.max(self.pressured_since);
        let counts = matches!(self.phase, Phase::Running | Phase::Draining);
        (self.pressured && counts).then(|| since + timeout)
    }

    pub fn idle_deadline(&self) -> Option<Duration> {
        let timeout = self.config.idle_timeout?;
        self.reads().then(|| self.idle_since + timeout)
    }

    /// The producer is not idle while nothing is read: it is held.
    pub fn hold_input(&mut self, now: Duration) {
        self.held_input = !self.reads();
        self.input_was_held(now);
    }

    /// The time until now was such a time, or not.
    pub fn input_was_held(&mut self, now: Duration) {
        if self.held_input {
            self.idle_since = now;
        }
    }

    /// All deadlines that are set.
    pub fn deadlines(&self) -> Vec<Duration> {
        let drain = self.ends_at.filter(|_| self.phase != Phase::Ended);
        let farewell = self.farewell.filter(|_| self.phase == Phase::Running);
        let stall = self.stall_deadline();
        let idle = self.idle_deadline();
        let age = self.age_deadline();
        let window = self.window_end();
        let is_owed = self.unmarked != (0, 0) && self.phase != Phase::Ended;
        let mark = self.rests_until.filter(|_| is_owed);
        let fills = self.fills_until;
        let tail = self.tail_deadline();
        let starts = self.succession.as_ref().and_then(|all| all.starts_at);
        let starts = starts.filter(|_| self.phase != Phase::Ended);
        let reading = self.reading_deadline();
        let all = [
            stall, idle, farewell, drain, age, window, fills, mark, tail, starts, reading,
        ];
        all.into_iter().flatten().collect()
    }

    /// A turn ends: what is due happens. `is_left` says that more could not be written.
    pub fn expire(&mut self, is_left: bool, now: Duration) {
        if is_left && self.sheds() && self.overflow() == Some(Policy::Latest) {
            self.leave_newest(now);
        }
        let is_due = |deadline: Option<Duration>| deadline.is_some_and(|at| now >= at);
        if is_due(self.stall_deadline()) {
            if self.may_lose() {
                self.open_since = Some(now);
                self.idle_since = now;
                self.changes.push(Change::Opened);
            } else {
                self.decide(End::Stalled);
                self.end_by(now + self.config.drain_timeout);
                self.give_up(now);
            }
        }
        if !self.pressured
            && let Some(since) = self.open_since.take()
        {
            self.opened_for += now - since;
            self.changes.push(Change::Closed);
        }
        if is_due(self.fills_until) {
            self.begin();
        }
        while is_due(self.age_deadline())
            && let Some(at) = self.first_free()
        {
            self.evict(at, "expired", now);
        }
        if self.phase == Phase::Running && is_due(self.idle_deadline()) {
            self.decide(End::Idle);
            self.cut(now);
        }
        if self.phase == Phase::Running && is_due(self.farewell) {
            self.break_pipe(now);
        }
        if is_due(self.ends_at) {
            match self.phase {
                Phase::Running => self.cut(now),
                Phase::Draining => self.give_up(now),
                Phase::Finishing => self.abandon("shutdown", now),
                Phase::Ended => {}
            }
        }
        let is_starved = self.has_output() && !self.may_go() && !self.may_ask;
        if self.phase == Phase::Draining && is_starved {
            self.abandon("shutdown", now);
        }
        self.end_if_drained(now);
    }

    /// Some of what was accepted was not kept: known only at the very end.
    pub fn close_failed(&mut self) {
        self.end = self.end.max(End::Error);
    }

    /// The exit status by the contract's table, as a shell shows it.
    pub fn exit(&self) -> i32 {
        let forgives = self.config.broken_pipe == BrokenPipe::Ok;
        let counted = self.lost.iter();
        let counted = counted.filter(|(reason, _)| !(forgives && **reason == "broken_pipe"));
        let lost: u64 = counted.map(|(_, lost)| lost.1).sum();
        let lost = lost + if forgives { 0 } else { self.unread.1 };
        let too_much = match self.config.fail_on_loss {
            None => false,
            Some(highwater::config::LossLimit::Records(n)) => lost >= n,
            Some(highwater::config::LossLimit::Percent(p)) => {
                lost > 0 && 100.0 * lost as f64 >= p * self.input.1 as f64
            }
        };
        let is_normal = match self.end {
            End::Input => true,
            End::Idle => self.config.idle_ok,
            End::Consumer => forgives,
            _ => false,
        };
        match self.end {
            _ if is_normal => 3 * i32::from(too_much),
            End::Input => 0,
            End::Overflow => 4,
            End::Stalled => 5,
            End::Idle => 6,
            End::Consumer => 141,
            End::NoConsumer => 7,
            End::Error => 1,
            End::Signal(number) => 128 + number,
            End::Interrupt => 130,
        }
    }
}
