//! The state machine of a relay: what it wants to read and write, when it must be woken, and what
//! follows from what happened.
//!
//! ```text
//!            end of input, overflow, idle,
//!            SIGINT, time after another signal     nothing left to write
//!   Running ------------------------------> Draining -----------------> Ended
//!      |                                       |                          ^
//!      |  consumer gone, write error           |   the same               |
//!      +---------------------------------------+--------------------------+
//! ```
//!
//! `intake` judges what came, `losing` carries out who goes, `outlet` offers what may go, `passage` does
//! both for bytes that nobody needs to see, `spilling` keeps what is lost for others, `unread` is what went
//! out in vain, `deadlines` is what time decides, `lifecycle` how it comes to an end, `discarding` goes on without
//! a consumer; here are the states.

mod dead_letters;
mod deadlines;
mod intake;
mod lifecycle;
mod losing;
mod outlet;
mod passage;
mod sink;
mod unread;

use std::time::Duration;

use super::account::{Reason, Tally};
use super::ages::Ages;
use super::ending::Ending;
use super::meter::{Activity, Meter, Rates};
use super::pressure::Pressure;
use super::snapshot::{Seen, Snapshot};
use crate::config::{Amount, BrokenPipe, Policy, RelayConfig};
use crate::core::admission::breaker::Breaker;
use crate::core::admission::{self, Overflow, View};
use crate::core::allowance::demand::{Demand, Grant, MixedUnits};
use crate::core::allowance::pacer::Pacer;
use crate::core::allowance::space::Backoff;
use crate::core::buffer::own_pipes::{OwnPipes, PIPE};
use crate::core::buffer::queue::{CHUNK, Queue};
use crate::core::buffer::sample_window::SampleWindow;
use crate::core::loss::dead_letters::DeadLetters;
use crate::core::loss::gaps::Gaps;
use crate::core::loss::marker::Marker;
use crate::core::loss::sent::{Sent, Unread};
use crate::memory::Allowance;

/// See the module's header.
pub struct Relay {
    config: RelayConfig,
    counts_records: bool,
    /// What is held: in pipes, where bytes need not be seen, and behind that in memory.
    pipes: Option<OwnPipes>,
    queue: Queue,
    /// Records that wait for the end of their window to come into the queue.
    aside: SampleWindow,
    pressure: Pressure,
    /// Who goes, for a policy that loses records.
    overflow: Option<Box<dyn Overflow>>,
    /// With `block`: whether that policy has taken over.
    breaker: Breaker,
    pacer: Option<Pacer>,
    demand: Option<Demand>,
    ages: Option<Ages>,
    gaps: Gaps,
    /// The size of the queue's memory unit.
    chunk: u64,
    marker: Option<Marker>,
    spill: Option<DeadLetters>,
    /// What may still lie in the consumer's pipe.
    sent: Sent,
    /// What the consumer left there.
    unread: Unread,
    /// So many bytes of that belong to a record of which the rest did not go out.
    unread_of_open: u64,
    /// Such a record has not ended, and all that came of it went out.
    tail_is_unread: bool,
    /// All that was held went out before the end.
    is_drained: bool,
    meter: Meter,
    /// Nothing is written before this is over.
    start: Start,
    /// The output took not all of what was last offered.
    is_blocked: bool,
    /// How long the beginning of a record waits that had no room for its end.
    backoff: Backoff,
    /// The rate limit let out what was held when the turn began.
    has_credit: bool,
    /// The bytes so far of a record that is lost and whose end has not come. They are in the account
    /// as `queue_full`, from a length above C on as `oversize`; the end decides.
    doomed: Option<u64>,
    phase: Phase,
    ending: Ending,
    /// After a signal or a stall: when it is too late for the present phase.
    ends_at: Option<Duration>,
    /// The last terminating signal, and when it came.
    signal: Option<(i32, Duration)>,
    /// The input ends with the record that is arriving.
    completes: bool,
    /// The consumer is gone, and that ends nothing.
    discarding: Option<Discarding>,
    /// The consumer is gone and has everything; until then the input may still end well.
    farewell: Option<Duration>,
    /// Since when input could have come and did not.
    idle_since: Duration,
    /// What came in between the last two waits, and since the last.
    came: (u64, u64),
    /// How long reading had been paused when it ended for good.
    paused_in_all: Option<Duration>,
    changes: Vec<(Change, Option<Box<Snapshot>>)>,
    /// Changes that were not remembered.
    forgotten: u64,
    /// Of changes of state, and of loss episodes.
    wants_pictures: (bool, bool),
    /// For those pictures.
    allowance: Allowance,
    /// A record found no memory to be set aside.
    lacks_memory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Draining,
    Finishing,
    Ended,
}

/// The consumer is gone, and the input is read on.
pub(super) struct Discarding {
    /// Of a record whose end has not come: how many bytes were lost, of those that came.
    amid_record: Option<u64>,
}

/// With [`RelayConfig::start`]: what the first write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The first byte.
    AwaitsInput,
    /// So much, or until then.
    Fills { until: Duration },
    /// Nothing any more.
    Over,
}

/// What the relay wants from its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadWish {
    /// Nothing; the input must not even be watched.
    Nothing,
    /// At most so many bytes (>= 1).
    UpTo(usize),
    /// Only to know whether there is more: [`Relay::more_came`] if so.
    Watch,
}

/// Something that happened and that reports may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The state became pressured.
    Pressured,
    /// The state became flowing.
    Flowing,
    /// A loss episode began.
    Loss,
    /// `--then` took over.
    Opened,
    /// It blocks again.
    Closed,
}

/// Changes between two calls of [`Relay::take_changes`] beyond this many are not remembered: a
/// turn in which the state flaps more often is told by the account, and by their number.
const MOST_CHANGES: usize = 16;

/// The same where each loss is told with its account: as many as a reporter may be handed at once.
const MOST_TOLD: usize = 1024;

/// What may be lost is read at least so many bytes at a time.
const LEAST: u64 = 4096;

/// A consumer that knows where the data ends (`tar t`, `head -c`) closes its pipe a moment before
/// the producer exits. The run has ended well if nothing more comes; this is how long
/// a busy machine may take to let the producer exit, and still "at once" for a person.
const FAREWELL: Duration = Duration::from_millis(200);

/// Where what was sent is kept, so many chunks are before it is asked what was read of it: 256 KiB, so that
/// asking costs nothing beside the writes.
const SENT_CHUNKS: usize = 2;

impl Relay {
    /// A relay at the time zero, with nothing held.
    pub fn new(config: RelayConfig) -> Self {
        Self::with_sizes(config, CHUNK, PIPE)
    }

    /// The same with a queue that takes memory `chunk_size` (>= 1) bytes at a time, and with pipes of
    /// that size, for tests.
    pub fn with_chunk_size(config: RelayConfig, chunk_size: usize) -> Self {
        Self::with_sizes(config, chunk_size, chunk_size as u64)
    }

    fn with_sizes(config: RelayConfig, chunk_size: usize, pipe_size: u64) -> Self {
        let counts_records = config.needs_records();
        let takes_nothing = matches!(
            config.stop_after,
            Some(Amount::Bytes(0) | Amount::Records(0))
        );
        let mut sent = Sent::new(config.delimiter, SENT_CHUNKS * chunk_size);
        if config.keeps_lost {
            sent.keep_text();
        }
        let mut queue = Queue::new(counts_records.then_some(config.delimiter), chunk_size);
        queue.leave_memory(config.classes.memory_to_come());
        Self {
            counts_records,
            pipes: pipes(&config, pipe_size),
            queue,
            allowance: Allowance::default(),
            lacks_memory: false,
            aside: SampleWindow::default(),
            pressure: Pressure::new(config.high_water, config.low_water),
            overflow: admission::decider(config.then.unwrap_or(config.policy), config.seed),
            breaker: Breaker::default(),
            pacer: config.rate.map(Pacer::new),
            demand: config.on_demand.then(Demand::default),
            ages: config.max_age.map(Ages::new),
            gaps: Gaps::default(),
            marker: config
                .mark
                .clone()
                .filter(|_| config.may_lose())
                .map(|mark| Marker::new(mark, config.mark_every, config.delimiter)),
            spill: config
                .keeps_lost
                .then(|| DeadLetters::new(config.delimiter)),
            sent,
            unread: Unread::default(),
            unread_of_open: 0,
            tail_is_unread: false,
            is_drained: false,
            meter: Meter::default(),
            start: config.start.map_or(Start::Over, |_| Start::AwaitsInput),
            is_blocked: false,
            backoff: Backoff::default(),
            has_credit: true,
            doomed: None,
            phase: if takes_nothing {
                Phase::Draining
            } else {
                Phase::Running
            },
            ending: Ending::EndOfInput,
            ends_at: None,
            signal: None,
            completes: false,
            discarding: None,
            farewell: None,
            idle_since: Duration::ZERO,
            came: (0, 0),
            chunk: chunk_size as u64,
            paused_in_all: None,
            changes: Vec::new(),
            forgotten: 0,
            wants_pictures: (false, false),
            config,
        }
    }

    // ---- what it wants ----------------------------------------------------------------------

    /// What to read.
    pub fn read_wish(&self) -> ReadWish {
        if self.phase != Phase::Running {
            return ReadWish::Nothing;
        }
        if self.farewell.is_some() {
            return ReadWish::Watch;
        }
        if self.discarding.is_some() {
            return self.up_to(CHUNK as u64);
        }
        // Each byte may be a record.
        let records = self.records_left().unwrap_or(u64::MAX);
        let room = (self.config.capacity - self.held()).min(records);
        let most = match self.config.policy {
            _ if self.sheds() => match self.shedding_wish(room) {
                0 => return ReadWish::Nothing,
                most => most,
            },
            Policy::Block if self.pressure.is_pressured() => return ReadWish::Nothing,
            Policy::Fail if room == 0 => return ReadWish::Watch,
            _ => room,
        };
        self.up_to(most)
    }

    /// So many bytes, and not beyond the end that was told.
    fn up_to(&self, most: u64) -> ReadWish {
        let most = match self.config.stop_after {
            Some(Amount::Bytes(end)) => most.min(end - self.meter.input.bytes),
            _ => most,
        };
        ReadWish::UpTo(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// How much to read where records may be lost.
    fn shedding_wish(&self, room: u64) -> u64 {
        // Whose beginning went out must go out whole: what of it finds no room can't be passed over.
        if self.arrival_is_begun() {
            return room;
        }
        // While the consumer takes what it is offered, no more than fits, so that it gets its turn
        // before anything is lost.
        if room > 0 && !self.is_blocked && self.doomed.is_none() {
            return self.untroubled_wish(room);
        }
        // Behind the end of a lost record come others.
        if room >= LEAST && !self.is_blocked {
            return room;
        }
        // Never stops reading: what does not fit is judged where it lands. With a small buffer the
        // reads are small too.
        self.config.capacity.max(LEAST)
    }

    /// How much to read while the consumer takes all it is offered: no more than stays below the mark at which
    /// records are lost, so that a burst which would only pass through makes nobody lose. Where a record
    /// alone reaches that mark, it comes whole all the same.
    fn untroubled_wish(&self, room: u64) -> u64 {
        if !self.has_credit || !self.may_go() {
            return room;
        }
        let below = |mark: u64| mark.saturating_sub(self.held() + 1);
        // Who judges while flowing goes by what was held of late, from L on.
        let below_low = match self.judges() {
            true => below(self.config.low_water),
            false => 0,
        };
        let mut rooms = [below_low, below(self.config.high_water)].into_iter();
        rooms
            .find(|below| *below > 0)
            .map_or(room, |below| room.min(below))
    }

    /// Whether what can leave has to make room before anything is read: not a byte more can be held, or
    /// what is read may be lost.
    pub fn writes_first(&self) -> bool {
        let is_full = self.held() == self.config.capacity || self.is_full_of_records();
        is_full || self.sheds() && self.pressure.is_pressured()
    }

    /// What the relay was told.
    pub fn config(&self) -> &RelayConfig {
        &self.config
    }

    /// Whether the consumer may ask for more.
    pub fn takes_grants(&self) -> bool {
        let goes_on = self.demand.as_ref().is_some_and(Demand::goes_on);
        goes_on && self.phase != Phase::Ended
    }

    /// Whether input is still taken, now or later.
    pub fn takes_input(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Why the run ended; None while it goes on.
    pub fn ended(&self) -> Option<Ending> {
        (self.phase == Phase::Ended).then_some(self.ending)
    }

    /// Whether all that was held went out before the run ended.
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    // ---- what happened ----------------------------------------------------------------------

    /// A turn of the loop begins.
    pub fn turn(&mut self, now: Duration) {
        let activity = if self.has_output() && (self.is_blocked || self.awaits_demand(now)) {
            Activity::OutputBlocked
        } else {
            Activity::Busy
        };
        self.meter.enter(activity, now);
        // Of what was refused nothing is left: what comes next was not, and may find the output ready.
        self.is_blocked &= self.has_output();
        self.backoff.wake(now);
        self.has_credit = self.credit_at(now).is_none();
        if let Some(overflow) = &mut self.overflow {
            overflow.observe(now, self.meter.input.bytes, self.meter.output.bytes);
        }
        if self.aside.until().is_some_and(|until| now >= until) {
            self.end_window(now);
        }
        self.wake_marker(now);
    }

    /// The loop is about to wait.
    pub fn waits(&mut self, now: Duration) {
        let activity = match self.has_output() {
            true if self.is_blocked || self.awaits_demand(now) => Activity::OutputBlocked,
            true => Activity::RateLimited,
            false if self.tail_deadline().is_some() => Activity::OutputBlocked,
            false => Activity::AwaitingInput,
        };
        self.meter.enter(activity, now);
        self.came = (self.came.1, 0);
    }

    /// The consumer asked for more.
    ///
    /// # Errors
    ///
    /// [`MixedUnits`].
    pub fn granted(&mut self, grant: Grant) -> Result<(), MixedUnits> {
        self.demand
            .as_mut()
            .map_or(Ok(()), |demand| demand.grant(grant))
    }

    /// The consumer will ask for no more.
    pub fn demand_ended(&mut self) {
        if let Some(demand) = &mut self.demand {
            demand.end();
        }
    }

    /// What the consumer asks for cannot be read: nothing more may go out.
    pub fn demand_failed(&mut self, now: Duration) {
        self.output_failed(now);
    }

    /// The input ended: a tail without a delimiter is a record too.
    pub fn input_ended(&mut self, now: Duration) {
        if self.phase != Phase::Running {
            return;
        }
        self.complete_tail(now);
        self.end_window(now);
        self.paused_in_all = Some(self.read_paused(now));
        self.farewell = None;
        self.start = Start::Over;
        self.completes = false;
        self.phase = Phase::Draining;
        self.end_if_drained();
    }

    /// [`ReadWish::Watch`] found that there is more input: than room, with `fail`, or than the
    /// consumer waited for.
    pub fn more_came(&mut self, now: Duration) {
        if self.farewell.is_some() {
            self.break_pipe(now);
        } else {
            self.ending = self.ending.and(Ending::Overflow);
            self.cut(now);
        }
    }

    /// There is no memory for more: what is held goes out, but for a record of which only the begin came,
    /// where records are lost whole.
    pub fn memory_ended(&mut self, now: Duration) {
        self.source_failed();
        self.cut_input(Reason::Shutdown, now);
        self.input_ended(now);
    }

    /// A source could not be opened or read; others may follow.
    pub fn source_failed(&mut self) {
        self.ending = self.ending.and(Ending::Failed);
    }

    /// So many bytes came in and can't be had any more. What would follow is not what comes next, so the input
    /// ends before them.
    pub fn input_lost(&mut self, bytes: u64, now: Duration) {
        self.meter.input.bytes += bytes;
        self.meter.lost[Reason::Shutdown].bytes += bytes;
        if let Some(spill) = &mut self.spill {
            spill.add_unseen(bytes);
        }
        self.cut_input(Reason::Shutdown, now);
        self.input_ended(now);
    }

    /// The consumer is gone. Nothing may be written any more.
    pub fn output_gone(&mut self, now: Duration) {
        if self.config.broken_pipe == BrokenPipe::Drain {
            return self.discard_from_here(now);
        }
        let owes_mark = self.owes_mark();
        let owes_nothing = self.held() == 0 && self.doomed.is_none() && !owes_mark;
        let owes_nothing = owes_nothing && !self.has_output();
        if self.phase == Phase::Running && owes_nothing {
            self.farewell.get_or_insert(now.saturating_add(FAREWELL));
        } else {
            self.break_pipe(now);
        }
    }

    fn break_pipe(&mut self, now: Duration) {
        self.ending = self.ending.and(Ending::BrokenPipe);
        self.abandon(self.reason_of_leaving(), now);
    }

    /// The output failed otherwise.
    pub fn output_failed(&mut self, now: Duration) {
        self.ending = self.ending.and(Ending::Failed);
        self.abandon(Reason::Shutdown, now);
    }

    /// Whether memory ran out: what comes cannot be held as it should be.
    pub fn lacks_memory(&self) -> bool {
        self.lacks_memory
    }

    /// Memory taken for what is held, in bytes.
    pub fn memory(&self) -> usize {
        self.queue.memory() + self.aside.memory()
    }

    /// Bytes that came in so far.
    pub fn input_bytes(&self) -> u64 {
        self.meter.input.bytes
    }

    /// Bytes that went out so far, marks included.
    pub fn output_bytes(&self) -> u64 {
        self.meter.output.bytes + self.meter.marks.bytes
    }

    /// What happened since the last call, oldest first; with the account at that moment where
    /// [`Relay::take_pictures`] asked for it.
    pub fn take_changes(&mut self) -> Vec<(Change, Option<Box<Snapshot>>)> {
        std::mem::take(&mut self.changes)
    }

    /// How many changes beyond those there were.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Whether a change of state, or a loss, shall come with the account at that moment. It costs,
    /// and most reports do not tell of such changes.
    pub fn take_pictures(&mut self, of_states: bool, of_losses: bool) {
        self.wants_pictures = (of_states, of_losses);
    }

    /// Bytes that were lost so far, but for what a consumer that is gone left unread.
    pub fn lost_bytes(&self) -> u64 {
        self.meter.lost.total().bytes
    }

    // ---- pictures ---------------------------------------------------------------------------

    /// The account now, with the rates since the last such picture.
    pub fn interval_snapshot(&mut self, now: Duration) -> Snapshot {
        let snapshot = self.event_snapshot(now);
        self.meter.end_interval(now);
        self.meter.recent_peak_held = self.held();
        snapshot
    }

    /// The account now, with the rates since the last interval's picture.
    pub fn event_snapshot(&mut self, now: Duration) -> Snapshot {
        self.settle();
        let rates = self.meter.rates_of_interval(now);
        self.snapshot(rates, now)
    }

    /// The account now, with the rates of the whole run.
    pub fn summary_snapshot(&mut self, now: Duration) -> Snapshot {
        self.settle();
        let rates = self.meter.rates_overall(self.taken_output().0, now);
        self.snapshot(rates, now)
    }

    fn snapshot(&self, rates: Rates, now: Duration) -> Snapshot {
        let (in_rate, out_rate) = (rates.input, rates.output);
        let of_records = |rate: Option<f64>| rate.filter(|_| self.counts_records);
        let time = |activity| self.meter.time(activity, now);
        let (output, marks) = self.taken_output();
        Snapshot {
            elapsed: now,
            counts_records: self.counts_records,
            input: self.meter.input,
            output,
            lost: self.lost_in_all(),
            held: Tally {
                bytes: self.held(),
                records: self.queue.records() + self.aside.held().records,
            },
            marks,
            peak_held: self.meter.peak_held,
            recent_peak_held: self.meter.recent_peak_held,
            capacity: self.config.capacity,
            high_water: self.config.high_water,
            low_water: self.config.low_water,
            state: self.pressure.state(),
            policy: self.config.policy.name(),
            in_rate,
            out_rate,
            in_record_rate: of_records(rates.input_records),
            out_record_rate: of_records(rates.output_records),
            wait_input: time(Activity::AwaitingInput),
            wait_output: time(Activity::OutputBlocked),
            wait_rate: time(Activity::RateLimited),
            busy: time(Activity::Busy),
            read_paused: self.read_paused(now),
            pressured: self.pressure.total(now),
            open_for: self.breaker.open_for(now),
            last_open: self.breaker.last_open(),
            pressure_episodes: self.pressure.episodes(),
            loss_episodes: self.meter.loss_episodes,
            longest_stall: self.meter.longest_stall(now),
            seconds_to_full: (self.phase == Phase::Running)
                .then(|| seconds_to_full(self.config.capacity - self.held(), in_rate, out_rate))
                .flatten(),
            sample_rate: self.overflow.as_ref().and_then(|o| o.share(&self.view())),
            bottleneck: self.meter.bottleneck(now),
            spilled: self.spill.as_ref().map(DeadLetters::spilled),
            exit: None,
            ending: None,
            seen: Seen::default(),
        }
    }

    fn read_paused(&self, now: Duration) -> Duration {
        match (self.paused_in_all, self.config.policy) {
            (Some(in_all), _) => in_all,
            (None, Policy::Block) => {
                // It is open only while pressured, but for the turn's rest.
                let pressured = self.pressure.total(now);
                pressured.saturating_sub(self.breaker.open_for(now))
            }
            _ => Duration::ZERO,
        }
    }

    // ---- shared by intake and outlet --------------------------------------------------------

    /// Bytes held.
    fn held(&self) -> u64 {
        self.piped() + self.queue.len() + self.aside.held().bytes
    }

    /// Whether a record that does not fit is lost.
    fn sheds(&self) -> bool {
        self.overflow.is_some() && (self.config.then.is_none() || self.breaker.is_open())
    }

    /// Whether a byte of the record that is arriving went out: while it blocked.
    fn arrival_is_begun(&self) -> bool {
        self.config.then.is_some() && self.queue.arriving_has_begun()
    }

    /// How many records more may be held, the arriving one not counted; None without a bound.
    fn records_left(&self) -> Option<u64> {
        let most = self.config.capacity_records?;
        Some(most.saturating_sub(self.whole_records()))
    }

    /// Whether no record more may be held, whatever room there is.
    fn is_full_of_records(&self) -> bool {
        self.records_left() == Some(0)
    }

    /// Whole records held. Up to date only with a bound for them: what goes out is settled at once then.
    fn whole_records(&self) -> u64 {
        let gone = self.meter.output.records + self.meter.lost.total().records;
        self.meter.input.records - gone
    }

    /// As bytes have a low-water mark at three quarters, so have records.
    fn are_few_records(&self) -> bool {
        let most = self.config.capacity_records;
        most.is_none_or(|most| self.whole_records() <= most - most.div_ceil(4))
    }

    fn view(&self) -> View {
        View {
            now: Duration::ZERO,
            length: 0,
            found: 0,
            has_place: true,
            is_lowest: false,
            state: self.pressure.state(),
            held: self.held(),
            capacity: self.config.capacity,
            high_water: self.config.high_water,
            low_water: self.config.low_water,
        }
    }

    fn grew(&mut self, held: u64, now: Duration) {
        self.fill(held, now);
        self.meter.peak_held = self.meter.peak_held.max(held);
        self.meter.recent_peak_held = self.meter.recent_peak_held.max(held);
        if self.pressure.grew(held, self.is_full_of_records(), now) {
            self.changed(Change::Pressured, now);
        }
    }

    /// With so much held, it may be time to begin to write. A buffer that may hold no more records is
    /// as full as it can get.
    fn fill(&mut self, held: u64, now: Duration) {
        let Some(wanted) = self.config.start.filter(|_| self.start != Start::Over) else {
            return;
        };
        if held >= wanted.held || self.is_full_of_records() {
            self.start = Start::Over;
        } else if self.start == Start::AwaitsInput {
            self.start = Start::Fills {
                until: now.saturating_add(wanted.timeout),
            };
        }
    }

    fn shrank(&mut self, now: Duration) {
        if self
            .pressure
            .shrank(self.held(), self.are_few_records(), now)
        {
            // Reading goes on from here: the producer was not idle before, it was held.
            self.idle_since = now;
            self.changed(Change::Flowing, now);
            self.end_window(now);
        }
    }

    fn changed(&mut self, change: Change, now: Duration) {
        let (of_states, of_losses) = self.wants_pictures;
        let most = if of_losses { MOST_TOLD } else { MOST_CHANGES };
        let is_wanted = match change {
            Change::Loss => of_losses,
            Change::Pressured | Change::Flowing | Change::Opened | Change::Closed => of_states,
        };
        if self.changes.len() >= most || (is_wanted && !self.allowance.take(size_of::<Snapshot>()))
        {
            self.forgotten += 1;
            return;
        }
        let picture = is_wanted.then(|| Box::new(self.event_snapshot(now)));
        self.changes.push((change, picture));
    }

    /// Everything held is lost, and the run is over.
    fn abandon(&mut self, reason: Reason, now: Duration) {
        if self.phase == Phase::Ended {
            return;
        }
        self.cut_input(reason, now);
        self.input_ended(now);
        self.settle();
        self.meter.unstalled(now);
        self.farewell = None;
        let mut lost = self.clear_queue();
        self.end_spilled();
        lost.bytes += self.pipes.as_mut().map_or(0, OwnPipes::clear);
        self.meter.lost[reason] += lost;
        self.shrank(now);
        self.phase = Phase::Ended;
    }

    /// The input is cut before its end: of an arriving record only whole bytes can go out, and a
    /// lossy policy loses it.
    fn cut_input(&mut self, reason: Reason, now: Duration) {
        if self.phase == Phase::Running && self.sheds() && !self.arrival_is_begun() {
            self.lose_arriving(reason, now);
        }
    }

    fn end_if_drained(&mut self) {
        if matches!(self.phase, Phase::Draining | Phase::Finishing) && !self.has_output() {
            self.is_drained = true;
            self.phase = Phase::Ended;
        }
    }
}

/// With a buffer of less than this part of a pipe, 64 KiB, bytes are copied: small pieces that are not
/// joined by that would take all the slots of the consumer's pipe.
const LEAST_PART: u64 = 16;

/// None where the bytes must be seen.
fn pipes(config: &RelayConfig, size: u64) -> Option<OwnPipes> {
    let is_worth_it = config.capacity >= size / LEAST_PART;
    (config.splice && is_worth_it && !config.needs_records())
        .then(|| OwnPipes::new(config.capacity, size))
}

/// The earlier of two moments that may never come.
pub(crate) fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn seconds_to_full(room: u64, in_rate: Option<f64>, out_rate: Option<f64>) -> Option<f64> {
    let growth = in_rate? - out_rate?;
    (growth > 0.0).then(|| room as f64 / growth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;
    use crate::core::rng::Rng;
    use std::io::IoSlice;

    /// A relay that holds something, and has met an output that takes nothing, or not.
    fn holding(is_blocked: bool) -> Relay {
        let mut relay = Relay::new(RelayConfig::new(Policy::Block, 100));
        relay.room(4).copy_from_slice(b"data");
        relay.received(4, Duration::ZERO);
        if is_blocked {
            relay.output_blocked(Duration::ZERO);
        }
        relay
    }

    #[test]
    fn a_turn_without_a_wait_is_busy_unless_the_output_is_blocked() {
        let second = Duration::from_secs(1);
        for (is_blocked, expected) in [(false, Duration::ZERO), (true, second)] {
            let mut relay = holding(is_blocked);
            relay.turn(Duration::ZERO);
            relay.turn(second);
            assert_eq!(relay.event_snapshot(second).wait_output, expected);
        }
        let mut empty = Relay::new(RelayConfig::new(Policy::Block, 100));
        empty.output_blocked(Duration::ZERO);
        empty.turn(Duration::ZERO);
        empty.turn(second);
        assert_eq!(empty.event_snapshot(second).wait_output, Duration::ZERO);
    }

    #[test]
    fn who_refused_what_is_gone_since_is_offered_what_comes_next() {
        let second = Duration::from_secs(1);
        let mut relay = Relay::new(RelayConfig {
            max_age: Some(second),
            ..RelayConfig::new(Policy::Priority, 100)
        });
        relay.room(4).copy_from_slice(b"old\n");
        relay.received(4, Duration::ZERO);
        relay.output_blocked(Duration::ZERO);
        assert_eq!(relay.read_wish(), ReadWish::UpTo(4096), "beyond what fits");
        relay.expire(second);
        assert!(!relay.has_output(), "it expired");
        relay.turn(second);
        assert!(!relay.is_blocked());
        assert_eq!(relay.read_wish(), ReadWish::UpTo(99), "below H");
    }

    #[test]
    fn the_four_times_are_the_elapsed_time_whatever_happens() {
        let mut longest = [Duration::ZERO; 4];
        for seed in 0..200 {
            let mut random = Rng::new(seed);
            let mut config = RelayConfig::new(Policy::Block, 100);
            config.rate = Some(Rate {
                per_second: Amount::Bytes(50),
                burst: 10,
            });
            let mut relay = Relay::new(config);
            let mut now = Duration::ZERO;
            for _ in 0..200 {
                if random.chance(0.8) {
                    now += Duration::from_nanos(random.below(1 << 30));
                }
                match random.below(5) {
                    0 => relay.turn(now),
                    1 => relay.waits(now),
                    2 => {
                        if let ReadWish::UpTo(most) = relay.read_wish() {
                            let count = relay.room(most.min(60)).len().min(60);
                            relay.received(count, now);
                        }
                    }
                    3 => {
                        let mut parts = [IoSlice::new(&[]); 4];
                        let used = relay.offer(now, &mut parts);
                        let offered: usize = parts[..used].iter().map(|part| part.len()).sum();
                        match random.chance(0.5) {
                            true if offered > 0 => relay.sent(offered, now),
                            _ => relay.output_blocked(now),
                        }
                    }
                    _ => relay.output_ready(),
                }
                // Also between two changes of what it does.
                let seen = relay.event_snapshot(now);
                let times = [seen.wait_input, seen.wait_output, seen.wait_rate, seen.busy];
                assert_eq!(
                    times.iter().sum::<Duration>(),
                    now,
                    "seed {seed}: {times:?}"
                );
                longest = std::array::from_fn(|which| longest[which].max(times[which]));
            }
        }
        // Each of them was among what was added up.
        assert!(longest.iter().all(|time| *time > Duration::ZERO));
    }
}
