//! One scenario, step by step: the shipping engine against the simulated system, and after every
//! turn the model and the invariants. The names in the messages are those in core's header.

use std::time::Duration;

use highwater::config::{Policy, ReportConfig, ReportMode, Sample, ScreenConfig};
use highwater::core::account::{Reason, Tally};
use highwater::core::allowance::space::Space;
use highwater::core::loss::dead_letters::Batch;
use highwater::core::relay::{Change, Relay};
use highwater::core::snapshot::{Snapshot, State};
use highwater::engine::Engine;
use highwater::exit::Exit;
use highwater::reporter::{Event, Reporter};
use highwater::system::{Interest, Signal};
use highwater::units::counted;

use super::bucket::Bucket;
use super::model::{End, Model, Phase};
use super::pauses::Pauses;
use super::scenario::Scenario;
use super::times::Times;
use super::world::{Heard, Roads, World};

/// Turns without any progress that faults may explain; more is a busy loop.
const IDLE_TURNS: u32 = 60;

/// The longest scenario takes some ten thousand.
const MOST_TURNS: u64 = 1_000_000;

/// What changes a turn tells at most: as a rule, and where each loss is told.
const MOST_CHANGES: usize = 16;
const MOST_TOLD: usize = 1024;

#[derive(Default)]
struct Listener {
    events: Vec<Event>,
    interval: Option<Snapshot>,
    messages: Vec<String>,
    /// How much had been lost when that was told.
    losing: Vec<u64>,
    missed: u64,
    wants_each_loss: bool,
    space_for_lost: u64,
    lost: Vec<Batch>,
    summary: Option<Snapshot>,
    sampler: Option<Beat>,
    samples: Vec<Snapshot>,
}

impl Reporter for Listener {
    fn wants(&self, _event: Event, _now: Duration) -> bool {
        true
    }

    fn report(&mut self, event: Event, snapshot: &Snapshot) {
        if event == Event::Interval {
            self.interval = Some(snapshot.clone());
        }
        // The picture is that of the moment, not of the turn's end.
        let state = match event {
            Event::Pressured => State::Pressured,
            Event::Flowing => State::Flowing,
            _ => snapshot.state,
        };
        assert_eq!(snapshot.state, state, "watermarks: told too late");
        let account = snapshot.output.bytes + snapshot.lost.total().bytes + snapshot.held.bytes;
        assert_eq!(snapshot.input.bytes, account, "balance in a picture");
        if event == Event::Losing {
            self.losing
                .push(snapshot.lost.total().bytes - snapshot.lost[Reason::Unread].bytes);
        }
        self.events.push(event);
    }

    fn wants_each_loss(&self) -> bool {
        self.wants_each_loss
    }

    fn next_sample(&self) -> Option<Duration> {
        self.sampler.as_ref().map(|beat| beat.next)
    }

    fn sample(&mut self, snapshot: &Snapshot) {
        let is_due = self
            .sampler
            .as_mut()
            .map(|beat| beat.ticks(snapshot.elapsed));
        assert_eq!(is_due, Some(true), "deadline: a sample before its time");
        self.samples.push(snapshot.clone());
    }

    fn missed(&mut self, changes: u64, _snapshot: &Snapshot) {
        self.missed += changes;
    }

    fn space_for_lost(&self) -> u64 {
        self.space_for_lost
    }

    fn take_lost(&mut self, batch: Batch) {
        self.lost.push(batch);
    }

    fn message(&mut self, line: String) {
        self.messages.push(line);
    }

    fn finish(&mut self, snapshot: &Snapshot) {
        self.summary = Some(snapshot.clone());
    }
}

fn report(interval: Option<Duration>) -> ReportConfig {
    ReportConfig {
        mode: match interval {
            Some(_) => ReportMode::Plain,
            None => ReportMode::None,
        },
        to: None,
        interval: interval.unwrap_or(Duration::from_secs(1)),
        name: None,
        records: false,
        expected: None,
        statistics: false,
        screen: ScreenConfig::default(),
        metrics_file: None,
        chart: None,
    }
}

/// Runs a scenario to its end. Panics, naming the invariant, when one is broken.
/// `trace` prints all that the system heard.
pub fn run(scenario: &Scenario, trace: bool) -> Passed {
    let mut world = World::new(&scenario.setting);
    let mut listener = Listener {
        wants_each_loss: scenario.interval.is_some(),
        space_for_lost: scenario.space_for_lost,
        sampler: scenario.samples.map(Beat::new),
        ..Listener::default()
    };
    let report = report(scenario.interval);
    let relay = Relay::with_chunk_size(scenario.config.clone(), scenario.chunk);
    let mut engine = Engine::new(relay, &report, &mut world, &mut listener);
    let mut follower = Follower::new(scenario);
    let ending = loop {
        let ending = engine.turn();
        let heard = std::mem::take(&mut engine.system().heard);
        let snapshot = engine.snapshot();
        let messages = std::mem::take(&mut engine.reporter().messages);
        let (of_ends, messages): (Vec<_>, Vec<_>) = messages
            .into_iter()
            .partition(|message| is_of_an_end(message));
        assert_eq!(messages, follower.messages(&heard), "end: errors");
        follower.told = engine.reporter().interval.take();
        if trace {
            println!("{heard:?}");
        }
        follower.follow(&heard);
        follower.compare(&snapshot);
        assert_eq!(
            of_ends.len(),
            std::mem::take(&mut follower.ends_to_tell),
            "end: of consumers"
        );
        let held = snapshot.held.bytes as usize;
        // With classes: two chunks for each, and where survivors stood three bytes for a run of
        // them, in memory that is used by a quarter at least.
        let levels = scenario.config.classes.expressions().count();
        let sorting = if levels > 0 { 4 * 3 * held } else { 0 };
        let sorting = sorting + levels * (2 * scenario.chunk + 64);
        let most = 2 * held + 14 * scenario.chunk + sorting;
        // What went out is in one piece, as large as the pipe made it.
        let (slots, page) = (scenario.setting.slots.1, scenario.setting.page);
        let most = match scenario.config.next_consumer {
            Some(_) => most + 6 * held + 4 * slots * page + 2 * snapshot.capacity as usize + 200,
            None => most,
        };
        // What is set aside has an index.
        let most = match follower.model.overflow() {
            Some(Policy::Sample(Sample::Reservoir { .. })) => {
                most + 48 * (snapshot.held.records as usize + 2)
            }
            _ => most,
        };
        let memory = engine.memory();
        assert!(
            memory <= most,
            "memory: {memory} bytes for {}",
            snapshot.held.bytes
        );
        let piped = engine.system().piped();
        assert!(
            memory + piped >= snapshot.held.bytes as usize,
            "memory: {memory} bytes and {piped} in pipes"
        );
        assert_eq!(engine.system().left_over(), 0, "memory: kept twice");
        if follower.reads_no_more {
            assert!(engine.system().input_is_closed(), "end: stdin stays open");
        }
        assert!(follower.turns < MOST_TURNS, "spin: it does not end");
        let is_question = |one: &&Heard| matches!(one, Heard::Signal(Signal::Report));
        let asked = heard.iter().filter(is_question).count();
        let missed = std::mem::take(&mut engine.reporter().missed);
        let beyond = follower.changes.len().saturating_sub(follower.most_changes);
        assert_eq!(missed, beyond as u64, "watermarks: events missed");
        let samples = std::mem::take(&mut engine.reporter().samples);
        assert_eq!(
            samples.len(),
            usize::from(follower.samples),
            "deadline: samples"
        );
        samples.iter().for_each(|at| {
            let account = at.output.bytes + at.lost.total().bytes + at.held.bytes;
            assert_eq!(at.input.bytes, account, "balance in a sample");
        });
        let losing = engine
            .reporter()
            .events
            .extract_if(.., |event| *event == Event::Losing);
        let told = losing.count();
        let losses = std::mem::take(&mut engine.reporter().losing);
        assert_eq!(losses.len(), told);
        follower.follow_loss(&snapshot, &losses, ending.is_some());
        follower.compare_events(engine.reporter().events.drain(..), asked);
        engine.system().heard.clear();
        follower.take_lost(&mut engine.reporter().lost, &snapshot, ending.is_some());
        if let Some(ending) = ending {
            break ending;
        }
    };
    let exit = engine.finish(ending);
    assert!(
        follower.sent == world.arrived(),
        "order: other bytes arrived than went out"
    );
    let summary = listener.summary.expect("a summary");
    assert_eq!(
        listener.messages,
        follower.last_messages(world.close_failed),
        "end: errors of the close"
    );
    if world.close_failed {
        follower.model.close_failed();
    }
    // The consumer may be found gone at the very end, unless the look at it was interrupted, or what was held
    // was given up before.
    let looks = scenario.setting.faults.early == 0.0 && follower.model.was_drained();
    assert!(!(looks && world.was_not_asked), "unread: nobody asked");
    for one in &world.heard {
        if let Heard::Unread(count) = one {
            follower.model.left_unread(*count);
        }
    }
    follower.take_lost(&mut listener.lost, &summary, true);
    follower.compare(&summary);
    follower.compare_reads(&world.reads_of_each);
    world.roads.redelivered += summary.redelivered;
    let (now, model) = (follower.now, &follower.model);
    follower.times.compare_summary(&summary, now, model);
    follower.close(exit.as_shell(), &summary);
    follower.compare_lost(&summary);
    Passed {
        turns: follower.turns,
        exit: exit.as_shell(),
        lost: summary.lost.total().records,
        roads: world.roads,
    }
}

/// What a finished scenario was like, for the statistics.
pub struct Passed {
    pub turns: u64,
    pub exit: i32,
    pub lost: u64,
    pub roads: Roads,
}

/// The model, told what the system heard.
struct Follower {
    model: Model,
    /// Nothing in this scenario excuses half a record at the end.
    keeps_records_whole: bool,
    has_ferry: bool,
    /// All that was held was lost at once.
    lost_all: bool,
    /// What a consumer that has gone had not read; how one has ended, as hwm was told; and how many ends it shall tell.
    unread: usize,
    ended: Option<Exit>,
    ends_to_tell: usize,
    now: Duration,
    /// The input had ended when the turn waited.
    reads_no_more: bool,
    /// The turn has written something.
    wrote: bool,
    /// Whether this turn's read, which may come in parts, began where all that fits may be read.
    read_began_free: Option<bool>,
    /// All that went out.
    sent: Vec<u8>,
    turn_began: Duration,
    turns: u64,
    idle_turns: u32,
    bucket: Option<Bucket>,
    beat: Option<Beat>,
    sampler: Option<Beat>,
    /// Whether this turn shall look at the account.
    samples: bool,
    times: Times,
    pauses: Pauses,
    /// What was told of an interval that passed.
    told: Option<Snapshot>,
    /// Whether this turn shall tell that an interval passed.
    ticks: bool,
    /// Bytes that were told as lost, and since how many turns there are more.
    lost: u64,
    untold: u32,
    /// What this turn shall tell.
    changes: Vec<Change>,
    /// How many of them at most.
    most_changes: usize,
    /// How many bytes of lost records are taken in a turn.
    space_for_lost: u64,
    /// What the output had space for when hwm last asked.
    space: Space,
    /// The lost records that were taken, with what they count for.
    taken: Vec<u8>,
    taken_as: Tally,
}

impl Follower {
    fn new(scenario: &Scenario) -> Self {
        Self {
            model: Model::of(scenario.config.clone(), !scenario.setting.is_file),
            keeps_records_whole: scenario.keeps_records_whole(),
            has_ferry: scenario.setting.faults.ferry.is_some(),
            lost_all: false,
            unread: 0,
            ended: None,
            ends_to_tell: 0,
            now: Duration::ZERO,
            reads_no_more: false,
            wrote: false,
            read_began_free: None,
            sent: Vec::new(),
            turn_began: Duration::ZERO,
            turns: 0,
            idle_turns: 0,
            changes: Vec::new(),
            most_changes: match scenario.interval {
                Some(_) => MOST_TOLD,
                None => MOST_CHANGES,
            },
            space_for_lost: scenario.space_for_lost,
            taken: Vec::new(),
            taken_as: Tally::default(),
            space: Space::UNKNOWN,
            times: Times::default(),
            pauses: Pauses::default(),
            told: None,
            ticks: false,
            lost: 0,
            untold: 0,
            beat: scenario.interval.map(Beat::new),
            sampler: scenario.samples.map(Beat::new),
            samples: false,
            bucket: scenario.config.rate.map(Bucket::new),
        }
    }

    /// One turn of the loop.
    fn follow(&mut self, heard: &[Heard]) {
        self.turns += 1;
        self.wrote = false;
        self.read_began_free = None;
        let Some((Heard::Time(now), heard)) = heard.split_first() else {
            panic!("a turn begins with a look at the clock");
        };
        let moves = *now > self.turn_began || heard.iter().any(is_progress);
        self.turn_began = *now;
        self.idle_turns = if moves { 0 } else { self.idle_turns + 1 };
        assert!(self.idle_turns < IDLE_TURNS, "spin: turns without progress");
        self.time_passes(*now);
        self.model.await_demand(*now);
        self.model.input_was_held(*now);
        for deadline in self.model.deadlines() {
            assert!(
                *now <= deadline,
                "deadline: {deadline:?} passed, it is {now:?}"
            );
        }
        self.times.turn(&self.model);
        self.model.turn(*now);
        // Deadlines are judged when everything at hand was read and written: before the wait that
        // ends a turn, but after a look that a passed deadline gives rise to.
        // Whether there is such a look is decided when the signals are taken, before anything moves.
        let mut looks = None;
        let mut expired = false;
        for (at, one) in heard.iter().enumerate() {
            if !matches!(one, Heard::Signal(_) | Heard::Reading(_)) {
                let is_due = |at: &Duration| self.now >= *at;
                looks.get_or_insert_with(|| self.model.deadlines().iter().any(is_due));
            }
            if matches!(one, Heard::Waits { .. } | Heard::Pauses { .. }) {
                if looks.replace(false) == Some(true) {
                    continue;
                }
                self.expire();
                expired = true;
            }
            let surplus = self.hear(one);
            let put_back = match heard.get(at + 1) {
                Some(Heard::PutBack(bytes)) => *bytes,
                _ => 0,
            };
            assert_eq!(put_back, surplus, "end: bytes to be put back");
        }
        if !expired {
            self.expire();
        }
    }

    /// What is due happens, and the turn tells its changes; what the wait brings is told by
    /// the next turn.
    fn expire(&mut self) {
        let lacks_credit = |bucket: &Bucket| !bucket.lets_out(self.model.waiting(), self.now);
        let lacks_credit = self.bucket.as_ref().is_some_and(lacks_credit);
        let may_go = self.model.has_output() && self.model.may_go();
        let is_left = self.times.is_blocked() || lacks_credit || !may_go;
        self.model.expire(is_left, self.now);
        self.reads_no_more = self.model.phase != Phase::Running;
        let goes_on = self.model.phase != Phase::Ended;
        let beat = self.beat.as_mut().filter(|_| goes_on);
        self.ticks = beat.is_some_and(|beat| beat.ticks(self.now));
        let sampler = self.sampler.as_mut().filter(|_| goes_on);
        self.samples = sampler.is_some_and(|beat| beat.ticks(self.now));
        if let Some(told) = self.told.take() {
            self.times.compare(&told, self.now, &self.model);
            self.times.end_interval(self.now, &self.model);
        }
        self.changes = std::mem::take(&mut self.model.changes);
    }

    /// The errors that the turn shall tell, in order, with where they happened.
    fn messages(&self, heard: &[Heard]) -> Vec<String> {
        let (mut input, mut output) = (self.model.input.0, self.sent.len() as u64);
        let mut messages = Vec::new();
        let bytes = |count| counted(count, "byte");
        for one in heard {
            match one {
                Heard::Received(bytes) => input += bytes.len() as u64,
                Heard::Passed(bytes) => {
                    input += bytes.len() as u64;
                    output += bytes.len() as u64;
                }
                Heard::Sent(bytes, _) => output += bytes.len() as u64,
                Heard::SourceFailed => messages.push(format!(
                    "cannot read stdin: simulated (after {} of input)",
                    bytes(input)
                )),
                Heard::InputLost(_) => messages.push(format!(
                    "cannot read a pipe of its own: simulated (after {} of input)",
                    bytes(input)
                )),
                Heard::Started(false) => {
                    messages.push("cannot run stdout (-M): simulated".into());
                }
                Heard::DemandFailed => messages.push("cannot read --demand: simulated".into()),
                Heard::WriteFailed => messages.push(format!(
                    "cannot write stdout: simulated (after {} of output)",
                    bytes(output)
                )),
                _ => {}
            }
        }
        messages
    }

    /// What the close of the output has to say.
    fn last_messages(&self, has_failed: bool) -> Vec<String> {
        let output = counted(self.sent.len() as u64, "byte");
        let line = format!("cannot write stdout: simulated (after {output} of output)");
        if has_failed { vec![line] } else { vec![] }
    }

    fn time_passes(&mut self, now: Duration) {
        self.times.pass(self.now, now, &self.model);
        self.now = now;
    }

    /// Returns how many bytes were read that lie behind the end of the input.
    fn hear(&mut self, heard: &Heard) -> usize {
        let now = self.now;
        let model = &mut self.model;
        match heard {
            Heard::Time(later) => self.time_passes(*later),
            Heard::Found(ready) => {
                if ready.output {
                    self.times.unblocked();
                }
                self.ended = ready.consumer_ended;
                if model.is_alone() {
                    self.consumer_ended();
                }
            }
            Heard::Reading(unread) => model.read(*unread, now),
            Heard::Started(is_there) => {
                model.consumer_started(*is_there, now);
                if *is_there {
                    self.times.unblocked();
                }
            }
            Heard::Unread(count) if model.succession.is_some() => self.unread = *count,
            Heard::ConsumerGone if model.succession.is_some() => {
                model.consumer_left(self.unread, now);
                self.times.blocked();
                self.consumer_ended();
            }
            Heard::Received(bytes) => {
                self.check_read(bytes.len());
                return self.model.receive(bytes, now);
            }
            Heard::PutBack(_) => {}
            Heard::Passed(bytes) => {
                self.sent.extend_from_slice(bytes);
                model.pass(bytes.len(), now);
            }
            Heard::InputEnded => {
                model.came_to_end = true;
                model.end_input(now);
            }
            Heard::SourceFailed => model.source_failed(),
            Heard::MoreInput => model.more_came(now),
            Heard::Unread(count) => model.left_unread(*count),
            Heard::ConsumerGone => model.consumer_gone(now),
            Heard::InputLost(count) => model.input_lost(*count, now),
            Heard::WriteFailed => model.write_failed(now),
            Heard::Granted(grant) => model.ask(*grant),
            Heard::DemandEnded => model.may_ask = false,
            Heard::DemandFailed => model.demand_failed(now),
            Heard::Blocked => {
                self.times.blocked();
                model.blocked(now);
            }
            Heard::Space(space) => {
                self.space = *space;
                model.asked_space(*space, now);
            }
            Heard::InFlight(count) => model.hand_over(*count, now),
            Heard::Sent(bytes, offered) => self.sent(bytes, *offered),
            Heard::Signal(Signal::Terminate(number)) => model.signal(*number, now),
            Heard::Signal(_) => {}
            Heard::Pauses { interest, until } => {
                self.model.hold_input(now);
                self.model.await_reading(now);
                self.check_deadlines(Some(*until));
                self.model.await_demand(now);
                assert!(
                    !interest.output || self.times.is_blocked(),
                    "linger: for space"
                );
                self.pauses.check(*interest, *until, now, &self.model);
            }
            Heard::Waits { interest, until } => {
                self.model.hold_input(now);
                if until.is_none_or(|until| until > self.now) {
                    self.model.await_reading(now);
                    self.pauses.wakes(*interest, now);
                }
                if !interest.input && !interest.output && !interest.demand {
                    assert!(until.is_some(), "wake: waits for nothing");
                }
                self.check_deadlines(*until);
                if until.is_none_or(|until| until > self.now) {
                    self.model.await_demand(now);
                    self.check_wait(*interest, *until);
                }
            }
        }
        0
    }

    fn sent(&mut self, bytes: &[u8], offered: usize) {
        self.wrote = true;
        self.sent.extend_from_slice(bytes);
        let model = &mut self.model;
        assert!(
            model.may_be_offered(offered, self.space),
            "whole: a record is begun whose end has no space"
        );
        let records = model.ends_sent;
        let marks = model.mark_bytes_sent;
        // The rest of a record that must be whole is not limited.
        let is_limited = model.phase != Phase::Finishing;
        let expected = model.send(bytes.len(), self.now);
        assert_eq!(
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&expected),
            "order: other bytes than these went out"
        );
        let may_be_cut = bytes.len() < offered || self.has_ferry || !model.counts_records();
        let of_records = &bytes[(model.mark_bytes_sent - marks) as usize..];
        let delimiters = model.config.delimiters;
        let is_whole = of_records
            .last()
            .is_some_and(|last| delimiters.contains(*last))
            || delimiters.find(of_records).is_none();
        assert!(
            may_be_cut || is_whole || !model.sends_more(),
            "whole: a record is cut in two that need not be"
        );
        self.times.unblocked();
        if bytes.len() < offered {
            self.times.blocked();
            model.blocked(self.now);
        }
        if let Some(bucket) = self.bucket.as_mut().filter(|_| is_limited) {
            bucket.spend(bytes.len() as u64, self.model.ends_sent - records, self.now);
        }
    }

    /// The process of the consumer ended, if it did.
    fn consumer_ended(&mut self) {
        let Some(exit) = self.ended.take() else {
            return;
        };
        let was_over = self.model.phase == Phase::Ended;
        self.model.consumer_ended(exit != Exit::Status(0), self.now);
        let is_told = self.model.phase != Phase::Ended || self.model.end == End::NoConsumer;
        self.ends_to_tell += usize::from(!was_over && is_told);
    }

    /// What each consumer read to its end was read by no other, and nothing is missing between them.
    fn compare_reads(&self, reads: &[Vec<u8>]) {
        let model = &self.model;
        let is_plain = model.counts_records() && model.config.mark.is_none() && !model.was_cut;
        let Some((last, before)) = reads.split_last().filter(|_| is_plain) else {
            return;
        };
        let delimiters = model.config.delimiters;
        let whole = |read: &Vec<u8>| {
            let end = read.iter().rposition(|byte| delimiters.contains(*byte));
            read[..end.map_or(0, |end| end + 1)].to_vec()
        };
        let mut all: Vec<u8> = before.iter().flat_map(whole).collect();
        all.extend(last);
        let sent = model.all_sent();
        assert!(
            sent.starts_with(&all) || sent.starts_with(&whole(&all)),
            "order: what consumers read is not what went out"
        );
    }

    /// A wait must not last beyond anything that is due.
    fn check_deadlines(&self, until: Option<Duration>) {
        for deadline in self.model.deadlines() {
            let in_time = until.is_some_and(|until| until <= deadline);
            assert!(in_time, "deadline: {deadline:?}, but waits until {until:?}");
        }
        for beat in [&self.beat, &self.sampler].into_iter().flatten() {
            let in_time = until.is_some_and(|until| until <= beat.next);
            assert!(in_time, "deadline: report at {:?}, {until:?}", beat.next);
        }
        if let Some(bucket) = &self.bucket
            && self.model.has_output()
            && self.model.may_go()
            && self.model.stalled_since.is_none()
            && !matches!(self.model.phase, Phase::Finishing | Phase::Ended)
        {
            let enough = bucket.enough_at(self.now);
            let in_time = until.is_some_and(|until| until <= enough);
            assert!(
                in_time,
                "deadline: credit at {enough:?}, but waits until {until:?}"
            );
        }
    }

    /// A wait that is more than a look is for all that is wanted, and until what is due next.
    fn check_wait(&self, interest: Interest, until: Option<Duration>) {
        let model = &self.model;
        let is_watching = model.phase == Phase::Running && model.farewell.is_some();
        if model.reads() || is_watching {
            assert!(interest.input, "wake: input is wanted, but not waited for");
        }
        if model.may_ask {
            assert!(interest.demand, "wake: grants are not waited for");
        }
        let has_output = model.has_output() && model.may_go();
        if self.bucket.is_some() && has_output {
            return;
        }
        let refused = self.times.is_blocked();
        assert!(refused || !interest.output, "spin: space was not refused");
        assert_eq!(
            interest.output, has_output,
            "wake, spin: space is waited for where there is something to write, and only there"
        );
        let beats = [&self.beat, &self.sampler].into_iter().flatten();
        let beats = beats.map(|beat| beat.next);
        let due = model.deadlines().into_iter().chain(beats).min();
        assert_eq!(until, due, "spin: a wake-up for nothing");
    }

    /// While the consumer takes what it is offered, no more is read than fits, nor than stays below H, and
    /// what can leave makes space first: in a full buffer, and where what is read may be lost.
    fn check_read(&mut self, bytes: usize) {
        let is_first = self.read_began_free.is_none();
        let began_free = *self
            .read_began_free
            .get_or_insert(!self.model.reads_beyond_space());
        let (model, capacity) = (&self.model, self.model.config.capacity);
        if model.discards {
            return;
        }
        let held = model.held() as u64;
        let may_lose = model.reads_beyond_space() && (self.times.is_blocked() || model.is_doomed());
        let is_limited = self.bucket.is_some() || !model.may_go();
        // Each byte may be a record.
        let space = (capacity - held).min(model.records_left());
        if !may_lose && space > 0 {
            assert!(bytes as u64 <= space, "cap: more is read than fits");
            let below = model.config.high_water.saturating_sub(held + 1);
            let is_limited = is_limited || model.config.on_demand;
            let may_burst = is_limited || began_free || below == 0;
            assert!(
                may_burst || bytes as u64 <= below,
                "watermarks: a burst reaches H"
            );
        }
        // One write a turn: where that was a mark, or a part, more may be left. What comes in parts was taken
        // at once.
        let may_shed = model.sheds() && model.pressured && !self.times.is_blocked();
        if is_first && !may_lose && !is_limited && !self.wrote && (space == 0 || may_shed) {
            assert!(!model.has_output(), "cap: what could leave does not");
        }
    }

    fn compare(&self, snapshot: &Snapshot) {
        let model = &self.model;
        let pair = |tally: highwater::core::account::Tally| (tally.bytes, tally.records);
        let mut lost_records = 0;
        for reason in Reason::ALL {
            let expected = model.lost_by(reason);
            lost_records += expected.1;
            let lost = pair(snapshot.lost[reason]);
            assert_eq!(lost, expected, "exactness: {}", reason.name());
        }
        assert_eq!(pair(snapshot.input), model.input, "exactness: input");
        assert_eq!(pair(snapshot.output), model.taken(), "exactness: output");
        assert_eq!(snapshot.held.bytes, model.held() as u64, "exactness: held");
        assert_eq!(pair(snapshot.marks), model.marks_taken(), "marks");
        if let Some(all) = &model.succession {
            assert_eq!(snapshot.restarts, all.restarts, "exactness: restarts");
            assert_eq!(
                snapshot.redelivered, all.redelivered,
                "exactness: redelivered"
            );
        }
        assert_eq!(snapshot.peak_held, model.peak as u64, "exactness: peak");
        let is_pressured = snapshot.state == State::Pressured;
        assert_eq!(is_pressured, model.pressured, "watermarks: state");
        assert_eq!(
            snapshot.loss_episodes, model.episodes,
            "exactness: episodes"
        );
        assert_eq!(
            snapshot.pressure_episodes, model.pressure_episodes,
            "watermarks: episodes"
        );
        let lost = snapshot.lost.total();
        let Snapshot {
            input,
            output,
            held,
            ..
        } = snapshot;
        assert_eq!(
            input.bytes,
            output.bytes + lost.bytes + held.bytes,
            "balance"
        );
        if snapshot.counts_records {
            assert_eq!(
                held.records,
                model.held_records(),
                "exactness: records held"
            );
            assert_eq!(
                input.records,
                output.records + lost_records + held.records,
                "balance of records"
            );
        }
        assert!(held.bytes <= snapshot.capacity, "cap: {}", held.bytes);
        assert!(
            snapshot.held.bytes <= snapshot.recent_peak_held
                && snapshot.recent_peak_held <= snapshot.peak_held,
            "cap: {} held, {} of late, {} at most",
            snapshot.held.bytes,
            snapshot.recent_peak_held,
            snapshot.peak_held
        );
        assert!(
            snapshot.peak_held <= snapshot.capacity,
            "cap: {}",
            snapshot.peak_held
        );
    }

    /// That bytes are being lost is told at once, or where a wait found it in the next turn. What the end costs
    /// is told with the end.
    fn follow_loss(&mut self, snapshot: &Snapshot, told: &[u64], is_over: bool) {
        for lost in told {
            assert!(*lost > self.lost, "exactness: a loss is told twice");
            (self.lost, self.untold) = (*lost, 0);
        }
        // What a consumer that is gone left unread is told with the end.
        let lost = snapshot.lost.total().bytes - snapshot.lost[Reason::Unread].bytes;
        if lost > self.lost && !is_over {
            self.untold += 1;
        }
        assert!(self.untold <= 1, "exactness: a loss goes on untold");
    }

    fn compare_events(&mut self, events: impl Iterator<Item = Event>, asked: usize) {
        let (answers, mut told): (Vec<_>, Vec<_>) =
            events.partition(|event| *event == Event::Asked);
        assert_eq!(answers.len(), asked, "end: SIGUSR1 is answered");
        // The interval's report comes last in a turn.
        let ticked = told.pop_if(|event| *event == Event::Interval).is_some();
        assert_eq!(ticked, self.ticks, "deadline: a report");
        let mut expected = std::mem::take(&mut self.changes);
        expected.truncate(self.most_changes);
        let expected: Vec<Event> = expected
            .into_iter()
            .map(|change| match change {
                Change::Pressured => Event::Pressured,
                Change::Flowing => Event::Flowing,
                Change::Loss => Event::Loss,
                Change::Opened => Event::Opened,
                Change::Closed => Event::Closed,
                Change::Respawn => Event::Respawn,
            })
            .collect();
        assert_eq!(told, expected, "watermarks: events");
    }

    /// What a turn kept of what it lost: no more than may wait, but for what was held at the end, or unread.
    fn take_lost(&mut self, batches: &mut Vec<Batch>, snapshot: &Snapshot, is_over: bool) {
        let cost: u64 = batches.iter().map(Batch::cost).sum();
        let is_over = is_over || self.model.has_unread();
        // All that is held may be lost at once, when it is too late or the consumer is gone.
        let loses_all = self.model.gave_up || self.model.discards;
        if cost > self.space_for_lost && !is_over {
            let is_first = !std::mem::replace(&mut self.lost_all, true);
            assert!(loses_all && is_first, "spill: {cost} bytes");
        }
        for batch in batches.drain(..) {
            self.taken.extend(batch.text);
            self.taken_as += batch.lost;
        }
        let Some(dead_letters) = snapshot.dead_letters else {
            assert_eq!(cost, 0, "spill: nobody asked for it");
            return;
        };
        let mut all = dead_letters.written;
        all += dead_letters.unwritten;
        let mut lost = snapshot.lost.total();
        let model = &self.model;
        lost.bytes -= model.doomed_so_far("queue_full") + model.doomed_so_far("oversize");
        lost.bytes -= model.unread_of_open();
        lost.bytes -= model.discarded_so_far();
        assert_eq!(all, lost, "spill: sums to the loss");
    }

    /// The kept records are those that were lost, in that order, each whole; all of them where there
    /// is space.
    fn compare_lost(&self, summary: &Snapshot) {
        let Some(dead_letters) = summary.dead_letters else {
            return;
        };
        assert_eq!(dead_letters.written, self.taken_as, "spill: what was taken");
        let delimiters = self.model.config.delimiters;
        let ended =
            |record: &[u8]| match record.last().is_some_and(|last| delimiters.contains(*last)) {
                true => record.to_vec(),
                false => [record, &[delimiters.terminator()]].concat(),
            };
        let lost = &self.model.lost_records;
        let mut lost = lost.iter();
        let kept: Vec<_> = self
            .taken
            .split_inclusive(|byte| delimiters.contains(*byte))
            .collect();
        if self.space_for_lost == u64::MAX {
            let all: Vec<_> = lost.map(|record| ended(record)).collect();
            assert_eq!(kept, all, "spill: other records than were lost");
        } else {
            for record in kept {
                let found = lost.any(|lost| ended(lost) == record);
                assert!(
                    found,
                    "spill: not a lost record, or out of order: {:?} of {:?}",
                    String::from_utf8_lossy(record),
                    self.model
                        .lost_records
                        .iter()
                        .map(|r| String::from_utf8_lossy(r).into_owned())
                        .collect::<Vec<_>>()
                );
            }
        }
    }

    fn close(&self, exit: i32, summary: &Snapshot) {
        assert_eq!(self.model.phase, Phase::Ended, "end: too early");
        assert_eq!(summary.held.bytes, 0, "end: something is held");
        assert_eq!(summary.held.records, 0, "end: a record is held");
        assert_eq!(exit, self.model.exit(), "end: exit status");
        assert_eq!(summary.exit, Some(exit));
        let may_be_torn = self.model.end == End::Error || !self.keeps_records_whole;
        assert!(
            may_be_torn || !self.model.tore,
            "whole: half a record is left"
        );
        let drained = self.model.end < End::Consumer && !self.model.gave_up;
        let drained = drained && self.model.may_go() && !self.model.discards;
        let writes_marks = self.model.config.mark.is_some() && self.model.may_lose();
        if writes_marks && drained {
            let lost: u64 = self.model.lost.values().map(|lost| lost.1).sum();
            assert_eq!(self.model.marked.1, lost, "marks: sum to the loss");
        }
    }
}

/// Whether a message tells of the end of a consumer.
fn is_of_an_end(message: &str) -> bool {
    message.contains("; it is started again in ") || message.contains("; it failed too often")
}

fn is_progress(heard: &Heard) -> bool {
    !matches!(
        heard,
        Heard::Time(_)
            | Heard::Blocked
            | Heard::Space(_)
            | Heard::Found(_)
            | Heard::Reading(_)
            | Heard::Waits { .. }
    )
}

/// The next periodic report: one for all beats that were missed.
struct Beat {
    interval: Duration,
    next: Duration,
}

impl Beat {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            next: interval,
        }
    }

    fn ticks(&mut self, now: Duration) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next += self.interval;
            if self.next <= now {
                self.next = now + self.interval;
            }
        }
        is_due
    }
}
