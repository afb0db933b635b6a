//! The state machine of a relay: what it wants to read and write, when it must be woken, and what
//! follows from what happened.
//!
//! ```text
//!            end of input, overflow, idle,
//!            signal (with a deadline)              nothing left to write
//!   Running ------------------------------> Draining -----------------> Ended
//!      |                                       |   deadline, 2nd signal   ^
//!      |  consumer gone, write error, stalled  |   consumer gone, ...     |
//!      +---------------------------------------+--------------------------+
//! ```
//!
//! `intake` judges what came, `outlet` offers what may go, `passage` does both for bytes that nobody
//! needs to see; here are states and deadlines.

mod intake;
mod outlet;
mod passage;

use std::time::Duration;

use super::account::{Reason, Tally};
use super::ending::Ending;
use super::gaps::Gaps;
use super::meter::{Activity, Meter};
use super::pacer::Pacer;
use super::pipes::{PIPE, Pipes};
use super::policy::{self, Overflow, View};
use super::pressure::Pressure;
use super::queue::{CHUNK, Queue};
use super::snapshot::{Seen, Snapshot};
use crate::config::{Amount, Policy, RelayConfig};
use outlet::Marker;

/// See the module's header.
pub struct Relay {
    config: RelayConfig,
    counts_records: bool,
    /// What is held: in pipes, where bytes need not be seen, and behind that in memory.
    pipes: Option<Pipes>,
    queue: Queue,
    pressure: Pressure,
    overflow: Option<Box<dyn Overflow>>,
    pacer: Option<Pacer>,
    gaps: Gaps,
    marker: Option<Marker>,
    meter: Meter,
    /// The output took not all of what was last offered.
    is_blocked: bool,
    /// The bytes so far of a record that is lost and whose end has not come. They are in the account
    /// as `queue_full`, from a length above C on as `oversize`; the end decides.
    doomed: Option<u64>,
    phase: Phase,
    ending: Ending,
    was_signalled: bool,
    /// The consumer is gone and has everything; until then the input may still end well.
    farewell: Option<Duration>,
    /// Since when input could have come and did not.
    idle_since: Duration,
    /// How long reading had been paused when it ended for good.
    paused_in_all: Option<Duration>,
    changes: Vec<(Change, Option<Box<Snapshot>>)>,
    wants_pictures: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Draining { until: Option<Duration> },
    Ended,
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
}

/// Changes between two calls of [`Relay::take_changes`] beyond this many are not remembered: a
/// turn in which the state flaps more often is told by the account alone.
const MOST_CHANGES: usize = 16;

/// A consumer that knows where the data ends (`tar t`, `head -c`) closes its pipe a moment before
/// the producer exits. The run has ended well if nothing more comes; this is how long
/// a busy machine may take to let the producer exit, and still "at once" for a person.
const FAREWELL: Duration = Duration::from_millis(200);

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
        let counts_records = config.policy.is_lossy() || config.count_records;
        let takes_nothing = matches!(
            config.stop_after,
            Some(Amount::Bytes(0) | Amount::Records(0))
        );
        Self {
            counts_records,
            pipes: passage::pipes(&config, pipe_size),
            queue: Queue::new(counts_records.then_some(config.delimiter), chunk_size),
            pressure: Pressure::new(config.high_water, config.low_water),
            overflow: policy::decider(config.policy, config.seed),
            pacer: config.rate.map(Pacer::new),
            gaps: Gaps::default(),
            marker: config
                .mark
                .clone()
                .filter(|_| config.policy.is_lossy())
                .map(|mark| Marker::new(mark, config.delimiter)),
            meter: Meter::default(),
            is_blocked: false,
            doomed: None,
            phase: if takes_nothing {
                Phase::Draining { until: None }
            } else {
                Phase::Running
            },
            ending: Ending::EndOfInput,
            was_signalled: false,
            farewell: None,
            idle_since: Duration::ZERO,
            paused_in_all: None,
            changes: Vec::new(),
            wants_pictures: false,
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
        let room = self.config.capacity - self.held();
        let most = match self.config.policy {
            Policy::Block if self.pressure.is_pressured() => return ReadWish::Nothing,
            Policy::Fail if room == 0 => return ReadWish::Watch,
            Policy::Block | Policy::Fail => room,
            // While the consumer takes what it is offered, no more than fits, so that it gets its
            // turn before anything is lost.
            _ if room > 0 && !self.is_blocked && self.doomed.is_none() => room,
            // Never stops reading: what does not fit is judged where it lands. With a small buffer
            // the reads are small too.
            _ => self.config.capacity.max(4096),
        };
        let most = match self.config.stop_after {
            Some(Amount::Bytes(end)) => most.min(end - self.meter.input.bytes),
            _ => most,
        };
        ReadWish::UpTo(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// When the loop must turn at the latest, though nothing can be read or written.
    pub fn wake_at(&mut self, now: Duration) -> Option<Duration> {
        earliest(self.deadline(), self.credit_at(now))
    }

    /// When the run ends, or stops reading, unless something happens before.
    pub fn deadline(&self) -> Option<Duration> {
        let drained = match self.phase {
            Phase::Draining { until } => until,
            _ => None,
        };
        [
            drained,
            self.farewell,
            self.stall_deadline(),
            self.idle_deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    fn stall_deadline(&self) -> Option<Duration> {
        let timeout = self.config.block_timeout?;
        let stalled = self.meter.stalled_since()?;
        self.pressure
            .is_pressured()
            .then(|| stalled.max(self.pressure.since()).saturating_add(timeout))
    }

    fn idle_deadline(&self) -> Option<Duration> {
        let timeout = self.config.idle_timeout?;
        matches!(self.read_wish(), ReadWish::UpTo(_))
            .then(|| self.idle_since.saturating_add(timeout))
    }

    /// Whether not a byte more can be held.
    pub fn is_full(&self) -> bool {
        self.held() == self.config.capacity
    }

    /// What the relay was told.
    pub fn config(&self) -> &RelayConfig {
        &self.config
    }

    /// Whether input is still taken, now or later.
    pub fn takes_input(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Why the run ended; None while it goes on.
    pub fn ended(&self) -> Option<Ending> {
        (self.phase == Phase::Ended).then_some(self.ending)
    }

    // ---- what happened ----------------------------------------------------------------------

    /// A turn of the loop begins.
    pub fn turn(&mut self, now: Duration) {
        let activity = if self.is_blocked && self.has_output() {
            Activity::OutputBlocked
        } else {
            Activity::Busy
        };
        self.meter.enter(activity, now);
        if let Some(overflow) = &mut self.overflow {
            overflow.observe(now, self.meter.input.bytes, self.meter.output.bytes);
        }
    }

    /// Acts on deadlines that have passed. To be called when the turn has read and written what
    /// it could: after a pause of the process, what would have kept a deadline off may be
    /// waiting on either side.
    pub fn expire(&mut self, now: Duration) {
        let is_due = |deadline: Option<Duration>| deadline.is_some_and(|at| now >= at);
        if is_due(self.stall_deadline()) {
            self.ending = self.ending.and(Ending::Stalled);
            self.abandon(Reason::Shutdown, now);
        }
        if is_due(self.idle_deadline()) {
            self.ending = self.ending.and(Ending::Idle);
            self.input_ended(now);
        }
        if is_due(self.farewell) {
            self.break_pipe(now);
        }
        if let Phase::Draining { until } = self.phase
            && is_due(until)
        {
            self.abandon(Reason::Shutdown, now);
        }
        self.end_if_drained();
    }

    /// The loop is about to wait.
    pub fn waits(&mut self, now: Duration) {
        let activity = match self.has_output() {
            true if self.is_blocked => Activity::OutputBlocked,
            true => Activity::RateLimited,
            false => Activity::AwaitingInput,
        };
        self.meter.enter(activity, now);
    }

    /// The input ended: a tail without a delimiter is a record too.
    pub fn input_ended(&mut self, now: Duration) {
        if self.phase != Phase::Running {
            return;
        }
        self.complete_tail(now);
        self.paused_in_all = Some(self.read_paused(now));
        self.farewell = None;
        self.phase = Phase::Draining { until: None };
        self.end_if_drained();
    }

    /// [`ReadWish::Watch`] found that there is more input: than room, with `fail`, or than the
    /// consumer waited for.
    pub fn more_came(&mut self, now: Duration) {
        if self.farewell.is_some() {
            self.break_pipe(now);
        } else {
            self.ending = self.ending.and(Ending::Overflow);
            self.input_ended(now);
        }
    }

    /// A source could not be opened or read; others may follow.
    pub fn source_failed(&mut self) {
        self.ending = self.ending.and(Ending::Failed);
    }

    /// A terminating signal came: stop reading, and write for the drain timeout; a second one
    /// ends at once.
    pub fn signalled(&mut self, number: i32, now: Duration) {
        if self.was_signalled {
            self.abandon(Reason::Shutdown, now);
            return;
        }
        self.was_signalled = true;
        self.ending = self.ending.and(Ending::Signal(number));
        self.cut_input(Reason::Shutdown, now);
        self.input_ended(now);
        if let Phase::Draining { until } = &mut self.phase {
            *until = Some(now.saturating_add(self.config.drain_timeout));
        }
    }

    /// The consumer is gone. Nothing may be written any more.
    pub fn output_gone(&mut self, now: Duration) {
        let owes_mark = self.marker.is_some() && self.gaps.first().is_some();
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
        self.abandon(Reason::BrokenPipe, now);
    }

    /// The output failed otherwise.
    pub fn output_failed(&mut self, now: Duration) {
        self.ending = self.ending.and(Ending::Failed);
        self.abandon(Reason::Shutdown, now);
    }

    /// Memory taken for what is held, in bytes.
    pub fn memory(&self) -> usize {
        self.queue.memory()
    }

    /// Bytes that came in so far.
    pub fn input_bytes(&self) -> u64 {
        self.meter.input.bytes
    }

    /// Bytes that went out so far, marks included.
    pub fn output_bytes(&self) -> u64 {
        self.meter.output.bytes + self.meter.marks.bytes
    }

    /// What happened since the last call, oldest first; a change of state with the account at that
    /// moment where [`Relay::take_pictures`] asked for it.
    pub fn take_changes(&mut self) -> Vec<(Change, Option<Box<Snapshot>>)> {
        std::mem::take(&mut self.changes)
    }

    /// Whether a change of state shall come with the account at that moment. It costs, and
    /// most reports do not tell of such changes.
    pub fn take_pictures(&mut self, wanted: bool) {
        self.wants_pictures = wanted;
    }

    // ---- pictures ---------------------------------------------------------------------------

    /// The account now, with the rates since the last such picture.
    pub fn interval_snapshot(&mut self, now: Duration) -> Snapshot {
        let rates = self.meter.rates_of_interval(now);
        let snapshot = self.snapshot(rates, now);
        self.meter.end_interval(now);
        self.meter.recent_peak_held = self.held();
        snapshot
    }

    /// The account now, with the rates since the last interval's picture.
    pub fn event_snapshot(&mut self, now: Duration) -> Snapshot {
        let rates = self.meter.rates_of_interval(now);
        self.snapshot(rates, now)
    }

    /// The account now, with the rates of the whole run.
    pub fn summary_snapshot(&mut self, now: Duration) -> Snapshot {
        let rates = self.meter.rates_overall(now);
        self.snapshot(rates, now)
    }

    fn snapshot(&mut self, rates: (Option<f64>, Option<f64>), now: Duration) -> Snapshot {
        let (in_rate, out_rate) = rates;
        self.settle();
        Snapshot {
            elapsed: now,
            counts_records: self.counts_records,
            input: self.meter.input,
            output: self.meter.output,
            lost: self.meter.lost,
            held: Tally {
                bytes: self.held(),
                records: self.queue.records(),
            },
            marks: self.meter.marks,
            peak_held: self.meter.peak_held,
            recent_peak_held: self.meter.recent_peak_held,
            capacity: self.config.capacity,
            high_water: self.config.high_water,
            low_water: self.config.low_water,
            state: self.pressure.state(),
            policy: self.config.policy.name(),
            in_rate,
            out_rate,
            wait_input: self.meter.time(Activity::AwaitingInput),
            wait_output: self.meter.time(Activity::OutputBlocked),
            wait_rate: self.meter.time(Activity::RateLimited),
            read_paused: self.read_paused(now),
            pressured: self.pressure.total(now),
            pressure_episodes: self.pressure.episodes(),
            loss_episodes: self.meter.loss_episodes,
            longest_stall: self.meter.longest_stall(now),
            seconds_to_full: seconds_to_full(self.config.capacity - self.held(), in_rate, out_rate),
            sample_rate: self.overflow.as_ref().and_then(|o| o.share(&self.view())),
            bottleneck: self.meter.bottleneck(now),
            exit: None,
            seen: Seen::default(),
        }
    }

    fn read_paused(&self, now: Duration) -> Duration {
        match (self.paused_in_all, self.config.policy) {
            (Some(in_all), _) => in_all,
            (None, Policy::Block) => self.pressure.total(now),
            _ => Duration::ZERO,
        }
    }

    // ---- shared by intake and outlet --------------------------------------------------------

    /// Bytes held.
    fn held(&self) -> u64 {
        self.piped() + self.queue.len()
    }

    fn view(&self) -> View {
        View {
            now: Duration::ZERO,
            length: 0,
            state: self.pressure.state(),
            held: self.held(),
            capacity: self.config.capacity,
            high_water: self.config.high_water,
            low_water: self.config.low_water,
        }
    }

    fn grew(&mut self, held: u64, now: Duration) {
        self.meter.peak_held = self.meter.peak_held.max(held);
        self.meter.recent_peak_held = self.meter.recent_peak_held.max(held);
        if self.pressure.grew(held, now) {
            self.changed(Change::Pressured, now);
        }
    }

    fn shrank(&mut self, now: Duration) {
        if self.pressure.shrank(self.held(), now) {
            // Reading goes on from here: the producer was not idle before, it was held.
            self.idle_since = now;
            self.changed(Change::Flowing, now);
        }
    }

    fn changed(&mut self, change: Change, now: Duration) {
        if self.changes.len() < MOST_CHANGES {
            let picture = self.wants_pictures && change != Change::Loss;
            let picture = picture.then(|| Box::new(self.event_snapshot(now)));
            self.changes.push((change, picture));
        }
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
        let mut lost = self.queue.clear();
        lost.bytes += self.pipes.as_mut().map_or(0, Pipes::clear);
        self.meter.lost[reason] += lost;
        self.shrank(now);
        self.phase = Phase::Ended;
    }

    /// The input is cut before its end: of an arriving record only whole bytes can go out, and a
    /// lossy policy loses it.
    fn cut_input(&mut self, reason: Reason, now: Duration) {
        if self.phase == Phase::Running && self.config.policy.is_lossy() {
            self.lose_arriving(reason, now);
        }
    }

    fn end_if_drained(&mut self) {
        if matches!(self.phase, Phase::Draining { .. }) && !self.has_output() {
            self.phase = Phase::Ended;
        }
    }
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
}
