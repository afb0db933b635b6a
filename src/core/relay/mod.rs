//! The state machine of a relay, over the core's parts: what it wants to read and write, when it must be
//! woken, and what follows from what happened.
//!
//! Four kinds of calls, in this order in each turn of the loop:
//!
//! 1. **Time and control**: [`Relay::turn`] first; then signals, grants and what else came from outside
//!    (`signalled`, `granted`, `output_gone`, `output_ready` ...).
//! 2. **Data**: what to read ([`Relay::read_wish`], [`Relay::space`]) and what came of it
//!    ([`Relay::received`], [`Relay::input_ended`]); what to write ([`Relay::write_wish`], [`Relay::offer`])
//!    and what came of that ([`Relay::sent`], [`Relay::output_blocked`]). In whichever order
//!    [`Relay::writes_first`] says.
//! 3. **Deadlines**: [`Relay::expire`], behind the data, since what would have kept a deadline off may have
//!    been waiting on either side.
//! 4. **Reports and the wait**: the snapshots, [`Relay::take_changes`]; then [`Relay::plan`], and
//!    [`Relay::waits`] where the plan has nothing to do now. (Where a deadline has passed the loop plans before the data as well: what
//!    would have kept it off may be there.)
//!
//! `reading` is what to read, `intake` admits or loses what came, `losing` takes out what is lost, `outlet`
//! offers what may go out, `passage` does both for bytes that nobody needs to see, `unread` is what went out in
//! vain, `timers` is what time decides, `ending` how a run ends, `sink` goes on without a consumer, `next_consumer`
//! until there is another, `snapshots` is what others see.

mod changes;
mod ending;
mod intake;
mod losing;
mod next_consumer;
mod outlet;
mod passage;
mod plan;
mod reading;
mod sink;
mod snapshots;
mod timers;
mod unread;

use std::time::Duration;

use super::admission::{Admission, Overflow, View};
use super::ages::Ages;
use super::allowance::Allowance;
use super::allowance::demand::{Demand, Grant, MixedUnits};
use super::allowance::space::Backoff;
use super::buffer::Buffer;
use super::buffer::own_pipes::PIPE;
use super::buffer::queue::CHUNK;
use super::ending::Ending;
use super::framing::Framing;
use super::lifecycle::{Lifecycle, Sink};
use super::loss::Loss;
use super::meter::{Activity, Meter};
use super::moderation::{Levels, Moderation};
use super::pressure::Pressure;
use super::succession::Succession;
use crate::config::RelayConfig;
pub use changes::Change;
use changes::Changes;
pub use plan::{Plan, ReadWish, Timer};

/// See the module's header.
pub struct Relay {
    config: RelayConfig,
    framing: Framing,
    /// The size of the queue's memory unit.
    chunk_size: u64,
    buffer: Buffer,
    pressure: Pressure,
    admission: Admission,
    loss: Loss,
    allowance: Allowance,
    moderation: Moderation,
    ages: Option<Ages>,
    lifecycle: Lifecycle,
    meter: Meter,
    /// The consumer is gone, and that ends nothing.
    sink: Option<Sink>,
    /// None where a consumer that goes is the last.
    succession: Option<Succession>,
    /// How long it is until it is asked what the consumer has read, where nothing else is to be done.
    reading_backoff: Backoff,
    /// Bytes that went out, those that went out again counted again.
    written: u64,
    /// Since when input could have come and did not.
    idle_since: Duration,
    /// Since the last plan nothing was to be read, so that nothing could come.
    is_input_held: bool,
    /// What came in between the last two waits, and since the last.
    came: (u64, u64),
    /// How long reading had been paused when it ended for good.
    paused_in_all: Option<Duration>,
    changes: Changes,
    /// A record found no memory to be set aside.
    lacks_memory: bool,
}

impl Relay {
    /// A relay at the time zero, with nothing held.
    pub fn new(config: RelayConfig) -> Self {
        Self::with_sizes(config, CHUNK, PIPE)
    }

    /// The same with a policy of the caller's own, in the place of a policy of `config` that loses records.
    pub fn with_policy(config: RelayConfig, policy: Box<dyn Overflow>) -> Self {
        let admission = Admission::with(policy, &config);
        Self {
            admission,
            ..Self::new(config)
        }
    }

    /// The same with a queue that takes memory `chunk_size` (>= 1) bytes at a time, and with pipes of
    /// that size, for tests.
    pub fn with_chunk_size(config: RelayConfig, chunk_size: usize) -> Self {
        Self::with_sizes(config, chunk_size, chunk_size as u64)
    }

    fn with_sizes(config: RelayConfig, chunk_size: usize, pipe_size: u64) -> Self {
        Self {
            framing: Framing::of(&config),
            chunk_size: chunk_size as u64,
            buffer: Buffer::new(&config, chunk_size, pipe_size),
            pressure: Pressure::new(config.high_water, config.low_water),
            admission: Admission::new(&config),
            loss: Loss::new(&config, chunk_size),
            allowance: Allowance::new(&config),
            moderation: Moderation::new(config.linger),
            ages: config.max_age.map(Ages::new),
            lifecycle: Lifecycle::new(&config),
            meter: Meter::default(),
            sink: None,
            succession: config.next_consumer.map(Succession::new),
            reading_backoff: Backoff::default(),
            written: 0,
            idle_since: Duration::ZERO,
            is_input_held: false,
            came: (0, 0),
            paused_in_all: None,
            changes: Changes::default(),
            lacks_memory: false,
            config,
        }
    }

    /// What is left to do, now that the turn has moved what it could.
    pub fn plan(&mut self, now: Duration) -> Plan {
        self.note_demand_stall(now);
        let read = self.read_wish();
        self.is_input_held = !matches!(read, ReadWish::UpTo(_));
        if self.is_input_held {
            self.idle_since = now;
        }
        Plan {
            read,
            write: self.write_wish(now),
            is_blocked: self.allowance.is_blocked,
            grants: self.takes_grants(),
            until: self.next_timer(now),
        }
    }

    /// How long to leave both sides alone rather than to ask whether what is planned can be done; None where that is
    /// to be asked, as it is of the consumer's demand.
    pub fn pause(
        &mut self,
        plan: &Plan,
        (input, output): (bool, bool),
        awaits_demand: bool,
        now: Duration,
        levels: impl FnOnce() -> Levels,
    ) -> Option<Duration> {
        let watches = input && !matches!(plan.read, ReadWish::UpTo(_));
        if watches || awaits_demand || !(input || output) {
            self.moderation.asks((input, output));
            return None;
        }
        let moved = (self.input_bytes(), self.output_bytes());
        self.moderation.pause((input, output), moved, now, levels)
    }

    /// What the relay was told.
    pub fn config(&self) -> &RelayConfig {
        &self.config
    }

    /// Whether the consumer may ask for more.
    pub fn takes_grants(&self) -> bool {
        let goes_on = self.allowance.demand.as_ref().is_some_and(Demand::goes_on);
        goes_on && !self.lifecycle.is_over()
    }

    /// Whether input is still taken, now or later.
    pub fn takes_input(&self) -> bool {
        self.lifecycle.is_running()
    }

    /// Why the run ended; None while it goes on.
    pub fn ended(&self) -> Option<Ending> {
        (self.lifecycle.is_over()).then_some(self.lifecycle.ending)
    }

    /// Whether all that was held went out before the run ended.
    pub fn is_drained(&self) -> bool {
        self.lifecycle.is_drained
    }

    /// A turn of the loop begins.
    pub fn turn(&mut self, now: Duration) {
        if self.is_input_held {
            self.idle_since = now;
        }
        self.note_demand_stall(now);
        let activity = if self.has_output() && (self.allowance.is_blocked || self.awaits_demand()) {
            Activity::OutputBlocked
        } else {
            Activity::Busy
        };
        self.meter.enter(activity, now);
        // Of what was refused nothing is left: what comes next was not, and may find the output ready.
        self.allowance.is_blocked &= self.has_output();
        self.allowance.backoff.wake(now);
        self.reading_backoff.wake(now);
        self.allowance.has_credit = self.credit_at(now).is_none();
        let (input, output) = (self.meter.input.bytes, self.meter.output.bytes);
        self.admission.observe(now, input, output);
        if self.buffer.window.until().is_some_and(|until| now >= until) {
            self.end_window(now);
        }
        self.wake_marker(now);
    }

    /// The loop is about to wait.
    pub fn waits(&mut self, now: Duration) {
        self.note_demand_stall(now);
        let activity = match self.has_output() {
            true if self.allowance.is_blocked || self.awaits_demand() => Activity::OutputBlocked,
            true => Activity::RateLimited,
            false if self.tail_deadline().is_some() => Activity::OutputBlocked,
            false if self.reading_deadline().is_some() => Activity::OutputBlocked,
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
        self.allowance
            .demand
            .as_mut()
            .map_or(Ok(()), |demand| demand.grant(grant))
    }

    /// The consumer will ask for no more.
    pub fn demand_ended(&mut self) {
        if let Some(demand) = &mut self.allowance.demand {
            demand.end();
        }
    }

    /// What the consumer asks for cannot be read: nothing more may go out.
    pub fn demand_failed(&mut self, now: Duration) {
        self.output_failed(now);
    }

    /// Whether memory ran out: what comes cannot be held as it should be.
    pub fn lacks_memory(&self) -> bool {
        self.lacks_memory
    }

    /// Memory taken for what is held, in bytes.
    pub fn memory(&self) -> usize {
        self.buffer.memory()
    }

    /// Bytes that came in so far.
    pub fn input_bytes(&self) -> u64 {
        self.meter.input.bytes
    }

    /// Bytes that went out so far, marks included, and what went out again.
    pub fn output_bytes(&self) -> u64 {
        self.written
    }

    /// Bytes that were lost so far, but for what a consumer that is gone left unread.
    pub fn lost_bytes(&self) -> u64 {
        self.loss.tally.total().bytes
    }

    // ---- shared by intake and outlet --------------------------------------------------------

    /// Bytes held.
    fn held(&self) -> u64 {
        self.buffer.held()
    }

    /// Whether a byte of the record that is arriving went out: while it blocked.
    fn arrival_is_partial(&self) -> bool {
        self.admission.blocks_first() && self.buffer.queue.incomplete_is_partial()
    }

    /// How many records more may be held, the arriving one not counted; None without a bound.
    fn records_left(&self) -> Option<u64> {
        let most = self.config.capacity_records?;
        Some(most.saturating_sub(self.whole_records()))
    }

    /// Whether no record more may be held, whatever space there is.
    fn is_full_of_records(&self) -> bool {
        self.records_left() == Some(0)
    }

    /// Whole records held. Up to date only with a bound for them: what goes out is counted at once then.
    fn whole_records(&self) -> u64 {
        let gone = self.meter.output.records + self.loss.tally.total().records;
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
        let is_full = self.is_full_of_records();
        self.allowance.prebuffer.grew(held, is_full, now);
        self.meter.peak_held = self.meter.peak_held.max(held);
        self.meter.recent_peak_held = self.meter.recent_peak_held.max(held);
        if self.pressure.grew(held, is_full, now) {
            self.changed(Change::Pressured, now);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Amount, Policy, Rate};
    use crate::core::rng::Rng;
    use std::io::IoSlice;

    /// A relay that holds something, and has met an output that takes nothing, or not.
    fn holding(is_blocked: bool) -> Relay {
        let mut relay = Relay::new(RelayConfig::new(Policy::Block, 100));
        relay.space(4).copy_from_slice(b"data");
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
    fn an_output_that_refused_what_has_expired_is_offered_what_comes_next() {
        let second = Duration::from_secs(1);
        let mut relay = Relay::new(RelayConfig {
            max_age: Some(second),
            ..RelayConfig::new(Policy::Priority, 100)
        });
        relay.space(4).copy_from_slice(b"old\n");
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
                            let count = relay.space(most.min(60)).len().min(60);
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
