//! One turn after the other: read the clock, read, write, report; wait when nothing moves.
//!
//! Holds no decision about data and no state of it: the relay decides, the system moves. A
//! direction that is not ready is not tried again before a wait has said it is, which keeps system
//! calls few; a wait always has an interest or a deadline.

use std::io::{self, IoSlice};
use std::time::Duration;

use super::output_observer::OutputObserver;
use super::tee_buffer::TeeBuffer;
use crate::config::display::Display;
use crate::config::{RelayConfig, ReportConfig, ReportMode};
use crate::core::allowance::demand::MixedUnits;
use crate::core::allowance::space::Space;
use crate::core::ending::Ending;
use crate::core::relay::{Change, Plan, ReadWish, Relay};
use crate::core::snapshot::Snapshot;
use crate::exit::{self, Exit};
use crate::reporter::{Event, Reporter};
use crate::system::{Granted, Interest, Ready, Signal, SourceError, System, Transfer};
use crate::units::{counted, reason};

/// Grants taken in one turn: who writes them without end does not keep data from moving.
const GRANTS: usize = 64;

/// Parts of one write: a mark and some chunks. More would not make a write cheaper.
pub(super) const PARTS: usize = 8;

/// Relays until the end, says the last word, and returns what a shell shall see.
pub fn run<S: System, R: Reporter>(
    relay: &RelayConfig,
    report: &ReportConfig,
    system: &mut S,
    reporter: &mut R,
) -> Exit {
    let relay = Relay::new(relay.clone());
    let mut engine = Engine::new(relay, report, system, reporter);
    loop {
        if let Some(ending) = engine.turn() {
            return engine.finish(ending);
        }
    }
}

/// The loop, one turn at a time: what [`run`] runs, and what a simulator steps through.
pub struct Engine<'a, S, R> {
    pub(super) relay: Relay,
    pub(super) system: &'a mut S,
    reporter: &'a mut R,
    ticker: Option<Ticker>,
    input_closed: bool,
    pub(super) input_ready: bool,
    demand_ready: bool,
    /// So much was handed to a helper thread: what is accepted next is of it, not of the offer.
    in_flight: Option<usize>,
    observer: OutputObserver,
    /// Bytes that were lost up to the turn before.
    lost: u64,
    /// What the system keeps a second time.
    pub(super) teed: Option<TeeBuffer>,
}

impl<'a, S: System, R: Reporter> Engine<'a, S, R> {
    /// Ready for the first turn.
    pub fn new(
        relay: Relay,
        report: &ReportConfig,
        system: &'a mut S,
        reporter: &'a mut R,
    ) -> Self {
        let tail = report.screen.display.as_ref().map(Display::output_tail);
        let mut relay = relay;
        if !relay.has_successors() && !system.gives_unread_back() {
            relay.keep_sent();
        }
        Self {
            observer: OutputObserver::new(tail.unwrap_or_default(), relay.config().delimiters),
            relay,
            system,
            reporter,
            ticker: Ticker::new(report),
            input_closed: false,
            input_ready: true,
            demand_ready: true,
            in_flight: None,
            lost: 0,
            teed: None,
        }
    }

    /// One turn: at most one read (in parts, where much is kept besides), one write and one wait.
    /// Returns how the run ended when it has.
    pub fn turn(&mut self) -> Option<Ending> {
        let now = self.system.now();
        self.relay.turn(now);
        let changes = [
            Event::Pressured,
            Event::Flowing,
            Event::Opened,
            Event::Closed,
            Event::Respawn,
        ];
        self.relay.want_snapshots(
            changes
                .into_iter()
                .any(|change| self.reporter.wants(change, now)),
            self.reporter.wants_each_loss(),
        );
        if self.relay.keeps_lost() {
            self.relay.may_keep_lost(self.reporter.space_for_lost());
        }
        if self.relay.awaits_reading() {
            let unread = self.system.unread_by_consumer();
            self.relay.read_all_but(unread, now);
        }
        self.take_signals(now);
        self.take_grants(now);
        if self.relay.deadline().is_some_and(|at| now >= at) {
            self.look(now);
        }
        let wrote = if self.pass(now) {
            true
        } else if self.relay.writes_first() {
            let wrote = self.write(now);
            self.read(now);
            wrote
        } else {
            self.read(now);
            self.write(now)
        };
        self.observer.note(self.relay.output_bytes(), now);
        self.drop_teed();
        self.forget_read();
        if self.relay.lacks_memory() && self.relay.takes_input() {
            self.stop_without_memory(now);
        }
        self.start_next_consumer(now);
        self.relay.expire(now);
        self.close_unwanted_input();
        self.hand_lost_over();
        self.report_changes(now);
        if self.relay.ended().is_some() {
            // One that came meanwhile decides.
            self.take_signals(now);
        }
        let ending = self.relay.ended();
        if ending.is_none() {
            self.report_losing(now);
            self.report_interval(now);
            self.sample(now);
            self.wait(wrote, now);
        }
        ending
    }

    /// The last word, after the last turn.
    pub fn finish(mut self, ending: Ending) -> Exit {
        // Who left in the last moment has read no more than who left before it.
        if self.relay.is_drained() && !self.relay.has_successors() && self.is_output_gone() {
            self.take_unread();
            self.hand_lost_over();
        }
        let unread = self.system.output_unread();
        let now = self.system.now();
        self.relay.turn(now);
        let snapshot = self.relay.summary_snapshot(now);
        let mut snapshot = self.observer.complete(snapshot, unread);
        let (input, lost) = (snapshot.input, snapshot.lost);
        let exit_of = |ending| exit::of(ending, input, &lost, self.relay.config());
        let mut exit = exit_of(ending);
        snapshot.exit = Some(exit.as_shell());
        snapshot.ending = Some(ending);
        self.reporter.retire(&snapshot);
        if let Err(error) = self.system.close_output() {
            exit = exit_of(ending.and(Ending::Failed));
            self.say_write_failed(&error);
        }
        // Not what the status will be: it may be that of a command.
        snapshot.lost_too_much = exit == Exit::Status(exit::LOST_TOO_MUCH);
        let exit = self.system.finish(exit, self.relay.config().drain_timeout);
        snapshot.exit = Some(exit.as_shell());
        let reporter = self.reporter;
        self.system.during(&mut || reporter.finish(&snapshot));
        exit
    }

    fn say_write_failed(&mut self, error: &io::Error) {
        let at = self.relay.output_bytes();
        let name = self.system.output_name();
        self.reporter.message(format!(
            "cannot write {name}: {} (after {} of output)",
            reason(error),
            counted(at, "byte")
        ));
    }

    /// The system, between two turns.
    pub fn system(&mut self) -> &mut S {
        self.system
    }

    /// Memory taken for what is held, in bytes.
    pub fn memory(&self) -> usize {
        self.relay.memory()
    }

    /// The reporter, between two turns.
    pub fn reporter(&mut self) -> &mut R {
        self.reporter
    }

    /// The account, between two turns.
    pub fn snapshot(&mut self) -> Snapshot {
        let now = self.system.now();
        self.relay.event_snapshot(now)
    }

    /// The producer shall learn at once that nothing more is taken.
    fn close_unwanted_input(&mut self) {
        if !self.relay.takes_input() && !self.input_closed {
            self.system.close_input();
            self.input_closed = true;
        }
    }

    fn take_signals(&mut self, now: Duration) {
        while let Some(signal) = self.system.take_signal() {
            match signal {
                Signal::Terminate(number) => {
                    let reads_on = self.system.leave_files();
                    self.relay.signalled(number, reads_on, now);
                }
                Signal::Report => self.report(Event::Asked, now),
                Signal::Suspend => {
                    self.reporter.suspend();
                    self.system.suspend();
                }
            }
        }
    }

    fn take_grants(&mut self, now: Duration) {
        for _ in 0..GRANTS {
            if !self.demand_ready || !self.relay.takes_grants() {
                return;
            }
            let why = match self.system.take_grant() {
                Granted::Grant(grant, line) => match self.relay.granted(grant) {
                    Ok(()) => continue,
                    Err(MixedUnits) => {
                        format!("line {line}: bytes and records in one run; ask for one of them")
                    }
                },
                Granted::WouldBlock => {
                    self.demand_ready = false;
                    return;
                }
                Granted::End => {
                    self.relay.demand_ended();
                    return;
                }
                Granted::Failed(why) => why,
            };
            self.reporter
                .message(format!("cannot read --demand: {why}"));
            self.relay.demand_failed(now);
        }
    }

    /// At most one read.
    fn read(&mut self, now: Duration) {
        if !self.input_ready {
            return;
        }
        match self.relay.read_wish() {
            ReadWish::Nothing => {}
            ReadWish::UpTo(most) => {
                if !self.fill_pipe(most, now) && !self.tee(now) {
                    self.read_up_to(most, now);
                }
            }
            ReadWish::Watch => self.watch_input(now),
        }
    }

    fn read_up_to(&mut self, most: usize, now: Duration) {
        let space = self.relay.space(most);
        let asked = space.len();
        if asked == 0 {
            return self.stop_without_memory(now);
        }
        match self.system.read(space) {
            Transfer::Moved(count) => {
                // Less than asked for: the pipe is empty now, and asking again would be in vain.
                self.input_ready = count == asked;
                let surplus = self.relay.received(count, now);
                if surplus > 0 {
                    self.system.put_back(surplus);
                }
            }
            other => self.read_nothing(other, now),
        }
    }

    /// What is held still goes out.
    pub(super) fn stop_without_memory(&mut self, now: Duration) {
        let after = self.relay.input_bytes();
        self.reporter.message(format!(
            "cannot get more memory for the buffer; a smaller -B needs less (after {} of input)",
            counted(after, "byte")
        ));
        self.relay.memory_ended(now);
    }

    /// Whether there is more, without accepting any of it: the end of input is no more.
    fn watch_input(&mut self, now: Duration) {
        if self.system.input_pending() {
            self.relay.more_came(now);
            return;
        }
        match self.system.read(&mut [0]) {
            // It came between the two calls. It was never accepted.
            Transfer::Moved(count) => {
                self.system.put_back(count);
                self.relay.more_came(now);
            }
            other => self.read_nothing(other, now),
        }
    }

    /// A read, or a splice out of the input, moved nothing.
    pub(super) fn read_nothing(&mut self, answer: Transfer, now: Duration) {
        if let Transfer::WouldBlock = answer {
            self.input_ready = false;
            self.relay.nothing_came();
        } else {
            self.moved_nothing(answer, now);
        }
    }

    /// A write, or a splice into the output, moved nothing.
    pub(super) fn write_nothing(&mut self, answer: Transfer, now: Duration) {
        if let Transfer::WouldBlock = answer {
            self.relay.output_blocked(now);
        } else {
            self.moved_nothing(answer, now);
        }
    }

    fn moved_nothing(&mut self, answer: Transfer, now: Duration) {
        match answer {
            Transfer::Moved(_) | Transfer::WouldBlock | Transfer::Unable => {}
            Transfer::InFlight(count) => {
                self.in_flight = Some(count);
                self.relay.in_flight(count, now);
                self.relay.output_blocked(now);
            }
            Transfer::End => self.relay.input_ended(now),
            Transfer::SourceFailed(problem) => self.source_failed(&problem, now),
            Transfer::Gone => self.output_gone(now),
            Transfer::Failed(error) => {
                self.say_write_failed(&error);
                self.relay.output_failed(now);
            }
        }
    }

    fn source_failed(&mut self, problem: &SourceError, now: Duration) {
        let (verb, name) = (problem.verb, &problem.name);
        let after = match verb {
            // None of its bytes could have been read.
            "open" => String::new(),
            _ => {
                let came = counted(self.relay.input_bytes(), "byte");
                format!(" (after {came} of input)")
            }
        };
        let why = reason(&problem.error);
        self.reporter
            .message(format!("cannot {verb} {name}: {why}{after}"));
        self.relay.source_failed();
        if problem.taken > 0 {
            self.relay.input_lost(problem.taken, now);
        }
    }

    /// At most one write, in as many pieces as the output takes at once. Returns whether anything was
    /// accepted.
    fn write(&mut self, now: Duration) -> bool {
        let mut left = None;
        let mut wrote = false;
        loop {
            let before = self.relay.output_bytes();
            let Some(rest) = self.write_piece(now) else {
                return wrote;
            };
            wrote = true;
            let written = self.relay.output_bytes() - before;
            // What came in the meantime is for the next turn.
            let more = left.map_or(rest, |left: u64| left.saturating_sub(written));
            if more == 0 || self.relay.is_blocked() {
                return true;
            }
            left = Some(more);
        }
    }

    /// Returns how much of what was offered the output did not take; None where nothing was accepted.
    fn write_piece(&mut self, now: Duration) -> Option<u64> {
        let is_over = self.relay.ended().is_some();
        if is_over || self.relay.is_blocked() || !self.relay.write_wish(now) {
            return None;
        }
        if let Some(wrote) = self.empty_pipe(now) {
            return wrote.then_some(0);
        }
        let space = match self.relay.wants_space() {
            Some(most) => self.system.output_space(most),
            None => Space::UNKNOWN,
        };
        let teed = self.teed_to_write(space);
        let mut parts = [IoSlice::new(&[]); PARTS];
        let used = match teed {
            Some(most) => self.relay.offer_teed(most, &mut parts),
            None => self.relay.offer_within(space, now, &mut parts),
        };
        if used == 0 {
            self.relay.waits_for_space(now);
            return None;
        }
        let parts = &parts[..used];
        let offered: usize = parts.iter().map(|part| part.len()).sum();
        let answer = match teed {
            Some(_) => self.system.write_teed(offered as u64),
            None => self.system.write(parts),
        };
        match answer {
            Transfer::InFlight(count) => {
                self.observer.wrote(parts, count);
                self.write_nothing(Transfer::InFlight(count), now);
            }
            Transfer::Moved(count) => {
                if self.in_flight.is_none() {
                    self.observer.wrote(parts, count);
                }
                let rest = self.in_flight.unwrap_or(offered) - count;
                self.in_flight = self.in_flight.map(|_| rest).filter(|rest| *rest > 0);
                self.relay.sent(count, now);
                if rest > 0 && !self.system.takes_more() {
                    self.relay.output_blocked(now);
                }
                return Some(rest as u64);
            }
            nothing => self.write_nothing(nothing, now),
        }
        None
    }

    /// Waits until something wanted can go on. While one direction goes on, only looks: at the
    /// other, and at whether the consumer is still there, which a write would have told.
    fn wait(&mut self, wrote: bool, now: Duration) {
        let mut plan = self.relay.plan(now);
        let interest = self.interest(&plan);
        let goes_on = self.goes_on(&plan);
        if !goes_on && self.relay.awaits_reading() {
            self.relay.await_reading(now);
            plan = self.relay.plan(now);
        }
        if self.reporter.traces() {
            self.trace(&plan, goes_on, now);
        }
        if goes_on && wrote && interest == Interest::default() {
            return;
        }
        let until = if goes_on {
            Some(now)
        } else {
            // Not what the turn took: a disk that is slow to take a write is no wait for input.
            self.relay.waits(self.system.now());
            let told = earliest(
                self.ticker.as_ref().map(|ticker| ticker.next),
                self.reporter.next_sample(),
            );
            earliest(plan.until.map(|(at, _)| at), told)
        };
        if !goes_on && self.linger(&plan, interest, until) {
            return;
        }
        self.wait_for(interest, until);
    }

    /// Leaves both sides alone for a while, if that is worth it; then there will be much of either. Returns
    /// whether it did.
    fn linger(&mut self, plan: &Plan, interest: Interest, until: Option<Duration>) -> bool {
        let now = self.system.now();
        let (system, relay) = (&mut *self.system, &mut self.relay);
        let awaits = (interest.input, interest.output);
        let pause = relay.pause(plan, awaits, interest.demand, now, || system.levels());
        let Some(pause) = pause else {
            return false;
        };
        let end = now.saturating_add(pause);
        let until = until.map_or(end, |until| until.min(end));
        let ready = self.system.pause(interest, until);
        self.take_ready(ready);
        true
    }

    fn trace(&mut self, plan: &Plan, goes_on: bool, now: Duration) {
        let (input, output) = (self.relay.input_bytes(), self.relay.output_bytes());
        let next = if goes_on { "goes on" } else { "waits" };
        self.reporter.message(format!(
            "{now:?}: in {input}, out {output}, {next}, {plan:?}"
        ));
    }

    /// Finds out what is ready, without waiting.
    fn look(&mut self, now: Duration) {
        let plan = self.relay.plan(now);
        self.wait_for(self.interest(&plan), Some(now));
    }

    /// What is wanted and was not ready when last tried.
    fn interest(&self, plan: &Plan) -> Interest {
        Interest {
            input: plan.read != ReadWish::Nothing && !self.input_ready,
            output: plan.write && plan.is_blocked,
            demand: plan.grants && !self.demand_ready,
        }
    }

    /// Whether the next turn can read or write without asking.
    fn goes_on(&self, plan: &Plan) -> bool {
        let reads = plan.read != ReadWish::Nothing && self.input_ready;
        let takes = plan.grants && self.demand_ready;
        reads || takes || (plan.write && !plan.is_blocked)
    }

    fn wait_for(&mut self, interest: Interest, until: Option<Duration>) {
        let ready = self.system.wait(interest, until);
        self.take_ready(ready);
    }

    fn take_ready(&mut self, ready: Ready) {
        self.input_ready |= ready.input;
        self.demand_ready |= ready.demand;
        if ready.output {
            self.relay.output_ready();
        }
        if ready.output_gone {
            let now = self.system.now();
            self.output_gone(now);
        }
        if let Some(exit) = ready.consumer_ended
            && self.relay.has_successors()
        {
            let now = self.system.now();
            self.consumer_ended(exit, now);
        }
        if ready.consumer_came {
            let now = self.system.now();
            self.consumer_came(now);
        }
    }

    /// Somebody opened the output to read it.
    fn consumer_came(&mut self, now: Duration) {
        match self.system.start_consumer() {
            Ok(()) => self.relay.consumer_came(now),
            Err(error) => {
                self.say_write_failed(&error);
                self.relay.output_failed(now);
            }
        }
    }

    /// The process ended that read the output. Who else may read it has it from that one.
    fn consumer_ended(&mut self, exit: Exit, now: Duration) {
        if !self.relay.is_left_alone() {
            self.part_with_consumer(now);
        }
        self.relay.consumer_ended(exit != Exit::Status(0), now);
        let name = self.system.output_name();
        let how = match exit {
            Exit::Status(status) => format!("{name} ended with status {status}"),
            Exit::Signal(number) => format!("{name} was killed by signal {number}"),
        };
        if let Some(at) = self.relay.next_consumer_at() {
            let pause = humantime::format_duration(at.saturating_sub(now));
            self.reporter
                .message(format!("{how}; it is started again in {pause}"));
        } else if self.relay.ended() == Some(Ending::NoConsumer) {
            self.reporter
                .message(format!("{how}; it failed too often in a row (--respawn)"));
        }
    }

    /// When it is time to.
    fn start_next_consumer(&mut self, now: Duration) {
        if self.relay.next_consumer_at().is_none_or(|at| now < at) {
            return;
        }
        self.relay.consumer_starts(now);
        match self.system.start_consumer() {
            Ok(()) => self.relay.consumer_came(now),
            Err(error) => {
                let name = self.system.output_name();
                self.reporter
                    .message(format!("cannot run {name} (-M): {}", reason(&error)));
                self.relay.consumer_ended(true, now);
            }
        }
    }

    /// Nobody reads the output. What was not read is held.
    fn part_with_consumer(&mut self, now: Duration) {
        // With the bytes, so that nobody else gets them.
        let unread = self.system.take_unread(true).bytes;
        self.system.settle_signals();
        self.take_signals(now);
        self.system.part_with_consumer();
        self.relay.consumer_left(unread, now);
    }

    pub(super) fn output_gone(&mut self, now: Duration) {
        if self.relay.has_successors() {
            return self.part_with_consumer(now);
        }
        // What a helper thread could still write has gone out.
        if self.in_flight.take().is_some()
            && let Transfer::Moved(count) = self.system.write(&[])
        {
            self.relay.sent(count, now);
        }
        self.take_unread();
        // Who pressed a key to end both of us shall not read that the consumer is to blame. Not before: what is
        // held may be given up now, and must not have gone out.
        self.system.settle_signals();
        self.take_signals(now);
        // Closed, so that no further wait is ended by it. What is not kept has no reader either.
        let _ = self.system.close_output();
        self.relay.output_gone(now);
    }

    fn take_unread(&mut self) {
        let wanted = self.relay.wants_unread_text();
        let leftover = self.system.take_unread(wanted);
        self.relay.left_unread(leftover);
    }

    fn is_output_gone(&mut self) -> bool {
        let now = self.system.now();
        self.system.wait(Interest::default(), Some(now)).output_gone
    }

    /// What was read need not be remembered.
    fn forget_read(&mut self) {
        if self.relay.remembers_much() {
            let unread = self.system.output_unread();
            self.relay.forget_read(unread);
        }
    }

    fn hand_lost_over(&mut self) {
        if self.relay.keeps_lost() {
            let batches = self.relay.take_lost();
            batches
                .into_iter()
                .for_each(|batch| self.reporter.take_lost(batch));
        }
    }

    fn report_changes(&mut self, now: Duration) {
        let changes = self.relay.take_changes();
        // One look at the output for all of them: there may be a thousand.
        let has_snapshots = changes.iter().any(|(_, snapshot)| snapshot.is_some());
        let unread = if has_snapshots {
            self.system.output_unread()
        } else {
            0
        };
        for (change, snapshot) in changes {
            let event = event_of(change);
            match snapshot {
                None => self.report(event, now),
                Some(snapshot) => {
                    let snapshot = self.observer.complete(*snapshot, unread);
                    self.reporter.report(event, &snapshot);
                }
            }
        }
        let forgotten = self.relay.take_forgotten();
        if forgotten > 0 {
            let snapshot = self.relay.event_snapshot(now);
            self.reporter.missed(forgotten, &snapshot);
        }
    }

    fn report(&mut self, event: Event, now: Duration) {
        if self.reporter.wants(event, now) {
            let snapshot = self.relay.event_snapshot(now);
            let snapshot = self.complete(snapshot);
            self.reporter.report(event, &snapshot);
        }
    }

    /// What is lost by the end is told with the end.
    fn report_losing(&mut self, now: Duration) {
        let lost = self.relay.lost_bytes();
        if lost > self.lost {
            self.lost = lost;
            self.report(Event::Losing, now);
        }
    }

    fn report_interval(&mut self, now: Duration) {
        if self
            .ticker
            .as_mut()
            .is_some_and(|ticker| ticker.is_due(now))
        {
            let snapshot = self.relay.interval_snapshot(now);
            let snapshot = self.complete(snapshot);
            self.reporter.report(Event::Interval, &snapshot);
        }
    }

    /// Ends no interval, and asks the system nothing.
    fn sample(&mut self, now: Duration) {
        if self.reporter.next_sample().is_some_and(|at| now >= at) {
            let snapshot = self.relay.event_snapshot(now);
            self.reporter.sample(&snapshot);
        }
    }

    fn complete(&mut self, snapshot: Snapshot) -> Snapshot {
        let unread = self.system.output_unread();
        self.observer.complete(snapshot, unread)
    }
}

/// The earlier of two moments that may never come.
fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// When the next periodic report is due.
struct Ticker {
    interval: Duration,
    next: Duration,
}

impl Ticker {
    /// None when nothing periodic is said: then no timer ticks either.
    fn new(report: &ReportConfig) -> Option<Self> {
        let ticks = report.mode.is_periodic() || report.statistics || report.metrics_file.is_some();
        ticks.then_some(Self {
            interval: report.interval,
            next: match report.mode {
                ReportMode::Bar | ReportMode::Pv => report.interval.max(report.screen.delay),
                _ => report.interval,
            },
        })
    }

    /// Whether an interval ended; beats that were missed are not made up for.
    fn is_due(&mut self, now: Duration) -> bool {
        let is_due = now >= self.next;
        if is_due {
            let following = self.next.saturating_add(self.interval);
            let from_now = now.saturating_add(self.interval);
            self.next = if following > now { following } else { from_now };
        }
        is_due
    }
}

fn event_of(change: Change) -> Event {
    match change {
        Change::Pressured => Event::Pressured,
        Change::Flowing => Event::Flowing,
        Change::Loss => Event::Loss,
        Change::Opened => Event::Opened,
        Change::Closed => Event::Closed,
        Change::Respawn => Event::Respawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Policy, ScreenConfig};
    use crate::core::loss::sent::Leftover;
    use crate::system::{Place, Ready, Transfer};

    const SECOND: Duration = Duration::from_secs(1);

    /// Two bytes of input, five seconds apart, and an output that takes three seconds for each, as a
    /// slow disk does.
    #[derive(Default)]
    struct SlowDisk {
        now: Duration,
        read: usize,
        comes: bool,
        /// How often something lasted that is no hang.
        lasted: usize,
    }

    impl System for SlowDisk {
        fn now(&mut self) -> Duration {
            self.now
        }
        fn read(&mut self, _room: &mut [u8]) -> Transfer {
            if !std::mem::take(&mut self.comes) {
                return Transfer::WouldBlock;
            }
            self.read += 1;
            match self.read {
                1 | 2 => Transfer::Moved(1),
                _ => Transfer::End,
            }
        }
        fn write(&mut self, _parts: &[IoSlice<'_>]) -> Transfer {
            self.now += 3 * SECOND;
            Transfer::Moved(1)
        }
        fn wait(&mut self, interest: Interest, until: Option<Duration>) -> Ready {
            let looks = until.is_some_and(|until| until <= self.now);
            if looks || !interest.input {
                return Ready::default();
            }
            self.now += 5 * SECOND;
            self.comes = true;
            Ready {
                input: true,
                ..Ready::default()
            }
        }
        fn splice(&mut self, _from: Place, _to: Place, _most: u64) -> Transfer {
            Transfer::Unable
        }
        fn take_grant(&mut self) -> Granted {
            Granted::End
        }
        fn tee(&mut self, _front: &[IoSlice<'_>], _most: u64) -> Transfer {
            Transfer::Unable
        }
        fn teed(&self) -> u64 {
            0
        }
        fn write_teed(&mut self, _most: u64) -> Transfer {
            Transfer::WouldBlock
        }
        fn drop_teed(&mut self) {}
        fn take_unread(&mut self, _wanted: bool) -> Leftover {
            Leftover::default()
        }
        fn take_signal(&mut self) -> Option<Signal> {
            None
        }
        fn input_pending(&mut self) -> bool {
            false
        }
        fn close_input(&mut self) {}
        fn close_output(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn suspend(&mut self) {}
        fn during(&mut self, wait: &mut dyn FnMut()) {
            wait();
            self.lasted += 1;
        }
    }

    /// Hears the last word.
    #[derive(Default)]
    struct Ear(Option<Snapshot>);

    impl Reporter for Ear {
        fn wants(&self, _event: Event, _now: Duration) -> bool {
            false
        }
        fn report(&mut self, _event: Event, _snapshot: &Snapshot) {}
        fn message(&mut self, line: String) {
            panic!("{line}");
        }
        fn finish(&mut self, snapshot: &Snapshot) {
            self.0 = Some(snapshot.clone());
        }
    }

    #[test]
    fn a_slow_write_is_work_and_no_wait_for_input() {
        let mut disk = SlowDisk::default();
        let mut ear = Ear::default();
        let relay = RelayConfig::new(Policy::Block, 100);
        let report = ReportConfig {
            // Without intervals, so that no tick ends a wait.
            mode: ReportMode::Summary,
            to: None,
            interval: SECOND,
            name: None,
            records: false,
            expected: None,
            statistics: false,
            screen: ScreenConfig::default(),
            metrics_file: None,
            chart: None,
        };
        run(&relay, &report, &mut disk, &mut ear);
        assert_eq!(disk.lasted, 1, "the last word");
        let summary = ear.0.unwrap();
        assert_eq!(summary.output.bytes, 2);
        assert_eq!(summary.elapsed, disk.now);
        assert_eq!(summary.busy, 6 * SECOND);
        assert_eq!(summary.wait_input, disk.now - 6 * SECOND);
    }

    #[test]
    fn a_late_beat_keeps_the_rhythm_and_missed_ones_are_not_made_up_for() {
        let second = Duration::from_secs;
        let mut ticker = Ticker {
            interval: second(10),
            next: second(10),
        };
        assert!(!ticker.is_due(second(9)));
        assert!(ticker.is_due(second(12)), "late");
        assert_eq!(ticker.next, second(20));
        assert!(ticker.is_due(second(30)), "one was missed");
        assert_eq!(ticker.next, second(40));
        assert!(ticker.is_due(second(57)));
        assert_eq!(ticker.next, second(67));
    }
}
