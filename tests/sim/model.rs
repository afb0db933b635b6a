//! What hwm must do, written byte by byte and naively from the contract, without a look at the code
//! that does it: a list of records and gaps, a few times, and no speed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use highwater::config::{Amount, BrokenPipe, MarkPiece, Policy, RelayConfig, Sample};
use highwater::core::relay::Change;
use highwater::core::rng::Rng;
use regex::bytes::{Regex, RegexBuilder};

/// A consumer that has everything and closes may be followed by the end of input this long.
const FAREWELL: Duration = Duration::from_millis(200);

/// What waits: a record, or the place where records are missing.
enum Item {
    Record(Vec<u8>),
    Gap { records: u64, bytes: u64 },
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

fn regex(expression: &str) -> Regex {
    let mut builder = RegexBuilder::new(expression);
    builder.unicode(false).build().expect("an expression")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    Draining(Option<Duration>),
    Ended,
}

/// How it ended, in the order in which the later decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Input,
    Overflow,
    Stalled,
    Idle,
    Signal(i32),
    Consumer,
    Error,
}

/// See the module's header.
pub struct Model {
    pub config: RelayConfig,
    items: VecDeque<Item>,
    sent_of_first: usize,
    /// Bytes of records that a thread is writing.
    under_way: usize,
    mark_left: Vec<u8>,
    /// A mark has begun to go out, so the record behind it may not be lost.
    claimed: bool,
    arriving: Vec<u8>,
    doomed: Option<usize>,
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
    pub phase: Phase,
    pub end: End,
    was_signalled: bool,
    pub idle_since: Duration,
    pub stalled_since: Option<Duration>,
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
    pub fn new(config: RelayConfig) -> Self {
        let takes_nothing = matches!(
            config.stop_after,
            Some(Amount::Bytes(0) | Amount::Records(0))
        );
        Self {
            rng: Rng::new(config.seed),
            classes: config.classes.expressions().map(regex).collect(),
            config,
            items: VecDeque::new(),
            sent_of_first: 0,
            under_way: 0,
            mark_left: Vec::new(),
            claimed: false,
            arriving: Vec::new(),
            doomed: None,
            plain: VecDeque::new(),
            open: false,
            pressured: false,
            pressured_since: Duration::ZERO,
            changes: Vec::new(),
            peak: 0,
            seen: 0,
            rates: None,
            phase: if takes_nothing {
                Phase::Draining(None)
            } else {
                Phase::Running
            },
            end: End::Input,
            was_signalled: false,
            idle_since: Duration::ZERO,
            stalled_since: None,
            farewell: None,
            input: (0, 0),
            output: (0, 0),
            marks: (0, 0),
            marked: (0, 0),
            lost: BTreeMap::new(),
            episodes: 0,
            pressure_episodes: 0,
        }
    }

    fn is_lossy(&self) -> bool {
        !matches!(self.config.policy, Policy::Block | Policy::Fail)
    }

    /// Whether losses are marked.
    pub fn counts_losses(&self) -> bool {
        self.is_lossy()
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

    pub fn counts_records(&self) -> bool {
        self.is_lossy() || self.config.count_records
    }

    pub fn held(&self) -> usize {
        let records: usize = self
            .items
            .iter()
            .map(|item| match item {
                Item::Record(bytes) => bytes.len(),
                Item::Gap { .. } => 0,
            })
            .sum();
        records - self.sent_of_first + self.arriving.len() + self.plain.len()
    }

    /// Whole records held.
    pub fn held_records(&self) -> u64 {
        if !self.counts_records() {
            return 0;
        }
        if !self.is_lossy() {
            let lost: u64 = self.lost.values().map(|lost| lost.1).sum();
            return self.input.1 - self.output.1 - lost;
        }
        self.items
            .iter()
            .filter(|item| matches!(item, Item::Record(_)))
            .count() as u64
    }

    /// Bytes that could go out now, were there room: marks count.
    pub fn has_output(&self) -> bool {
        let whole = |item: &Item| matches!(item, Item::Record(_));
        !self.plain.is_empty()
            || !self.mark_left.is_empty()
            || self.items.iter().any(whole)
            || (self.phase != Phase::Running
                && self.config.mark.is_some()
                && !self.items.is_empty())
    }

    // ---- arrival ----------------------------------------------------------------------------

    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        self.idle_since = now;
        for &byte in bytes {
            if self.phase != Phase::Running {
                // Cut by -S: the rest is not part of the input.
                return;
            }
            self.input.0 += 1;
            self.receive_byte(byte, now);
            let reached = match self.config.stop_after {
                Some(Amount::Bytes(end)) => self.input.0 == end,
                Some(Amount::Records(end)) => self.input.1 == end,
                None => false,
            };
            if reached {
                self.end_input(now);
            }
        }
    }

    /// So much went through without being held.
    pub fn pass(&mut self, count: usize, now: Duration) {
        let is_free = self.held() == 0 && self.reads() && self.config.rate.is_none();
        assert!(is_free, "order: bytes overtook others");
        assert!(!self.counts_records(), "exactness: records are not counted");
        self.idle_since = now;
        self.input.0 += count as u64;
        self.output.0 += count as u64;
        match self.config.stop_after {
            Some(Amount::Bytes(end)) if self.input.0 >= end => {
                assert_eq!(self.input.0, end, "end: more than -S passed");
                self.end_input(now);
            }
            _ => {}
        }
    }

    fn receive_byte(&mut self, byte: u8, now: Duration) {
        let ends = byte == self.config.delimiter;
        self.open = !ends;
        if !self.is_lossy() {
            self.plain.push_back(byte);
            self.input.1 += u64::from(ends && self.counts_records());
            self.grew(now);
            return;
        }
        while self.doomed.is_none() && self.held() as u64 == self.config.capacity {
            self.make_room(now);
        }
        if let Some(length) = &mut self.doomed {
            *length += 1;
            if ends {
                self.close_doomed();
            }
            return;
        }
        self.arriving.push(byte);
        self.grew(now);
        if ends {
            self.complete(now);
        }
    }

    fn make_room(&mut self, now: Duration) {
        let mut begun = (self.sent_of_first + self.under_way).max(usize::from(self.claimed));
        let first_whole = self.items.iter().position(|item| match item {
            Item::Gap { .. } => false,
            Item::Record(bytes) => {
                let is_free = begun == 0;
                begun = begun.saturating_sub(bytes.len());
                is_free
            }
        });
        let lowest = self.oldest_of_lowest_class(first_whole);
        match (self.config.policy, first_whole, lowest) {
            (Policy::DropOldest, Some(at), _) => self.evict(at, "queue_full", now),
            (Policy::Priority, _, Some(at)) => self.evict(at, "priority", now),
            _ => {
                self.doomed = Some(self.arriving.len());
                if !self.arriving.is_empty() {
                    self.arriving.clear();
                    self.shrank(now);
                }
            }
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
            Some((last, content)) if *last == self.config.delimiter => content,
            _ => record,
        };
        let first = self.classes.iter().position(|one| one.is_match(content));
        first.unwrap_or(self.classes.len())
    }

    fn is_shed(&self, record: &[u8]) -> bool {
        let is_priority = self.config.policy == Policy::Priority;
        is_priority && self.pressured && self.class_of(record) == self.classes.len()
    }

    /// The record becomes a gap, and adjacent gaps become one.
    fn evict(&mut self, at: usize, reason: &'static str, now: Duration) {
        let Item::Record(record) = &self.items[at] else {
            unreachable!()
        };
        let length = record.len() as u64;
        self.lose(reason, length);
        let (mut records, mut bytes) = (1, length);
        let mut is_new = true;
        if let Some(Item::Gap {
            records: r,
            bytes: b,
        }) = self.items.get(at + 1)
        {
            (records, bytes) = (records + r, bytes + b);
            // From the head it is a new run of losses that will meet the other.
            is_new = self.config.policy == Policy::DropOldest;
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

    fn sampled_out(&mut self) -> bool {
        match self.config.policy {
            Policy::Sample(Sample::Every(stride)) if self.pressured => {
                self.seen += 1;
                !self.seen.is_multiple_of(stride)
            }
            Policy::Sample(Sample::Chance(chance)) if self.pressured => !self.rng.chance(chance),
            Policy::Sample(Sample::Adaptive) if self.pressured => {
                let chance = self.adaptive_chance();
                !self.rng.chance(chance)
            }
            _ => false,
        }
    }

    /// What the consumer takes of what comes, times the room over the room at the middle of the
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
        let room = (capacity - self.held() as u64) as f64;
        let pull = match capacity - middle {
            0 => 1.0,
            at_middle => room / at_middle as f64,
        };
        (ratio * pull).min(1.0)
    }

    /// A turn begins: the rates are averaged over about a second, and looked at each 10 ms at most.
    pub fn observe(&mut self, now: Duration) {
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
        let is_sampled_out = self.sampled_out();
        let record = std::mem::take(&mut self.arriving);
        if is_sampled_out || self.is_shed(&record) {
            let reason = if is_sampled_out {
                "sampled"
            } else {
                "priority"
            };
            self.lose_at_tail(reason, record.len() as u64);
            self.shrank(now);
        } else {
            self.items.push_back(Item::Record(record));
        }
    }

    fn close_doomed(&mut self) {
        let Some(length) = self.doomed.take() else {
            return;
        };
        self.input.1 += 1;
        let reason = if length as u64 > self.config.capacity {
            "oversize"
        } else if self.sampled_out() {
            "sampled"
        } else {
            "queue_full"
        };
        self.lose_at_tail(reason, length as u64);
    }

    // ---- departure --------------------------------------------------------------------------

    /// The bytes that go out next are as many as the relay wrote; the model says which ones.
    pub fn send(&mut self, count: usize, now: Duration) -> Vec<u8> {
        self.stalled_since = None;
        let mut out = Vec::new();
        for _ in 0..count {
            let held = self.held();
            out.push(self.send_byte());
            if self.held() < held {
                self.shrank(now);
            }
        }
        out
    }

    /// The next `count` bytes are handed to a thread.
    pub fn hand_over(&mut self, count: usize) {
        self.begin_mark();
        self.under_way = count.saturating_sub(self.mark_left.len());
    }

    /// A gap is passed when what follows it begins to go out: its mark, or the next record.
    fn begin_mark(&mut self) {
        if !self.mark_left.is_empty() {
            return;
        }
        let Some(Item::Gap { records, bytes }) = self.items.front() else {
            return;
        };
        if let Some(mark) = &self.config.mark {
            for piece in &mark.0 {
                let text = match piece {
                    MarkPiece::Text(text) => text.clone(),
                    MarkPiece::Records => records.to_string(),
                    MarkPiece::Bytes => bytes.to_string(),
                    MarkPiece::Size => panic!("the simulator uses exact marks"),
                };
                self.mark_left.extend_from_slice(text.as_bytes());
            }
            self.mark_left.push(self.config.delimiter);
            self.marked = (self.marked.0 + bytes, self.marked.1 + records);
            self.claimed = true;
        }
        self.items.pop_front();
    }

    fn send_byte(&mut self) -> u8 {
        if let Some(byte) = self.plain.pop_front() {
            self.output.0 += 1;
            let ends = byte == self.config.delimiter || (self.tail_is_next() && self.ended());
            self.output.1 += u64::from(ends && self.counts_records());
            return byte;
        }
        self.begin_mark();
        if !self.mark_left.is_empty() {
            self.marks.0 += 1;
            let byte = self.mark_left.remove(0);
            self.marks.1 += u64::from(self.mark_left.is_empty());
            return byte;
        }
        let Some(Item::Record(record)) = self.items.front() else {
            panic!("order: hwm wrote what it cannot hold");
        };
        self.claimed = false;
        let byte = record[self.sent_of_first];
        self.sent_of_first += 1;
        self.under_way = self.under_way.saturating_sub(1);
        self.output.0 += 1;
        if self.sent_of_first == record.len() {
            self.items.pop_front();
            self.sent_of_first = 0;
            self.output.1 += 1;
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
        self.peak = self.peak.max(self.held());
        if !self.pressured && self.held() as u64 >= self.config.high_water {
            self.pressured = true;
            self.pressure_episodes += 1;
            self.pressured_since = now;
            self.changes.push(Change::Pressured);
        }
    }

    fn shrank(&mut self, now: Duration) {
        if self.pressured && self.held() as u64 <= self.config.low_water {
            self.pressured = false;
            self.idle_since = now;
            self.changes.push(Change::Flowing);
        }
    }

    // ---- endings ----------------------------------------------------------------------------

    pub fn end_input(&mut self, now: Duration) {
        if self.phase != Phase::Running {
            return;
        }
        self.close_tail(now);
        self.phase = Phase::Draining(None);
        self.end_if_drained();
    }

    fn close_tail(&mut self, now: Duration) {
        self.close_doomed();
        if !self.arriving.is_empty() {
            self.complete(now);
        }
        if !self.is_lossy() && self.counts_records() && self.open {
            self.input.1 += 1;
            // With all its bytes out, the tail is out.
            self.output.1 += u64::from(self.plain.is_empty());
        }
    }

    pub fn end_if_drained(&mut self) {
        if matches!(self.phase, Phase::Draining(_)) && !self.has_output() {
            self.phase = Phase::Ended;
        }
    }

    fn decide(&mut self, end: End) {
        self.end = self.end.max(end);
    }

    pub fn signal(&mut self, number: i32, now: Duration) {
        if std::mem::replace(&mut self.was_signalled, true) {
            return self.abandon("shutdown", now);
        }
        self.decide(End::Signal(number));
        if self.phase == Phase::Running && self.is_lossy() {
            self.lose_arriving("shutdown", now);
        }
        self.end_input(now);
        if let Phase::Draining(until) = &mut self.phase {
            *until = Some(now + self.config.drain_timeout);
        }
    }

    fn lose_arriving(&mut self, reason: &'static str, now: Duration) {
        self.close_doomed();
        if !self.arriving.is_empty() {
            self.input.1 += 1;
            let length = std::mem::take(&mut self.arriving).len() as u64;
            self.lose_at_tail(reason, length);
            self.shrank(now);
        }
    }

    /// More came than there is room for, or than the consumer waited for.
    pub fn more_came(&mut self, now: Duration) {
        if self.farewell.is_some() {
            self.break_pipe(now);
        } else {
            self.decide(End::Overflow);
            self.end_input(now);
        }
    }

    pub fn consumer_gone(&mut self, now: Duration) {
        let owes_mark = self.config.mark.is_some() && !self.items.is_empty();
        let owes = self.held() > 0 || self.doomed.is_some() || owes_mark;
        if self.phase == Phase::Running && !owes {
            self.farewell.get_or_insert(now + FAREWELL);
        } else {
            self.break_pipe(now);
        }
    }

    fn break_pipe(&mut self, now: Duration) {
        self.decide(End::Consumer);
        self.abandon("broken_pipe", now);
    }

    pub fn write_failed(&mut self, now: Duration) {
        self.decide(End::Error);
        self.abandon("shutdown", now);
    }

    pub fn source_failed(&mut self) {
        self.decide(End::Error);
    }

    fn abandon(&mut self, reason: &'static str, now: Duration) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.phase == Phase::Running {
            if self.is_lossy() {
                self.lose_arriving(reason, now);
            }
            self.close_tail(now);
        }
        let (bytes, records) = (self.held() as u64, self.held_records());
        if bytes + records > 0 {
            let entry = self.lost.entry(reason).or_default();
            *entry = (entry.0 + bytes, entry.1 + records);
        }
        self.items.clear();
        self.sent_of_first = 0;
        self.plain.clear();
        self.shrank(now);
        self.phase = Phase::Ended;
    }

    // ---- deadlines --------------------------------------------------------------------------

    /// Whether input is wanted, so that its absence counts as idle.
    pub fn reads(&self) -> bool {
        self.phase == Phase::Running
            && self.farewell.is_none()
            && match self.config.policy {
                Policy::Block => !self.pressured,
                Policy::Fail => (self.held() as u64) < self.config.capacity,
                _ => true,
            }
    }

    pub fn stall_deadline(&self) -> Option<Duration> {
        let timeout = self.config.block_timeout?;
        let since = self.stalled_since?.max(self.pressured_since);
        self.pressured.then(|| since + timeout)
    }

    pub fn idle_deadline(&self) -> Option<Duration> {
        let timeout = self.config.idle_timeout?;
        self.reads().then(|| self.idle_since + timeout)
    }

    /// All deadlines that are set.
    pub fn deadlines(&self) -> Vec<Duration> {
        let drain = match self.phase {
            Phase::Draining(until) => until,
            _ => None,
        };
        let farewell = self.farewell.filter(|_| self.phase == Phase::Running);
        let all = [self.stall_deadline(), self.idle_deadline(), farewell, drain];
        all.into_iter().flatten().collect()
    }

    /// What is due happens.
    pub fn expire(&mut self, now: Duration) {
        let is_due = |deadline: Option<Duration>| deadline.is_some_and(|at| now >= at);
        if self.phase != Phase::Ended && is_due(self.stall_deadline()) {
            self.decide(End::Stalled);
            self.abandon("shutdown", now);
        }
        if self.phase == Phase::Running && is_due(self.idle_deadline()) {
            self.decide(End::Idle);
            self.end_input(now);
        }
        if self.phase == Phase::Running && is_due(self.farewell) {
            self.break_pipe(now);
        }
        if let Phase::Draining(until) = self.phase
            && is_due(until)
        {
            self.abandon("shutdown", now);
        }
        self.end_if_drained();
    }

    /// The exit status by the contract's table, as a shell shows it.
    pub fn exit(&self) -> i32 {
        let lost: (u64, u64) = self
            .lost
            .values()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let too_much = match self.config.fail_on_loss {
            None => false,
            Some(highwater::config::LossLimit::Records(n)) => lost.1 >= n,
            Some(highwater::config::LossLimit::Percent(p)) => {
                lost.1 > 0 && 100.0 * lost.1 as f64 >= p * self.input.1 as f64
            }
        };
        match self.end {
            End::Input if too_much => 3,
            End::Input => 0,
            End::Overflow => 4,
            End::Stalled => 5,
            End::Idle => 6,
            End::Signal(number) => 128 + number,
            End::Consumer if self.config.broken_pipe == BrokenPipe::Ok => 0,
            End::Consumer => 141,
            End::Error => 1,
        }
    }
}
