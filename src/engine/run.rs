//! One turn after the other: read the clock, read, write, report; wait when nothing moves.
//!
//! Holds no decision about data and no state of it: the relay decides, the system moves. A
//! direction that is not ready is not tried again before a wait has said it is, which keeps system
//! calls few; a wait always has an interest or a deadline.

use std::io::IoSlice;
use std::time::Duration;

use super::{Event, Interest, Read, Reporter, Signal, System, Write};
use crate::config::{RelayConfig, ReportConfig};
use crate::core::ending::Ending;
use crate::core::relay::{Change, ReadWish, Relay};
use crate::exit::{self, Exit};

/// Parts of one write: a mark and some chunks. More would not make a write cheaper.
const PARTS: usize = 8;

/// Relays until the end, says the last word, and returns what a shell shall see.
pub fn run<S: System, R: Reporter>(
    relay: &RelayConfig,
    report: &ReportConfig,
    system: &mut S,
    reporter: &mut R,
) -> Exit {
    let mut engine = Engine {
        relay: Relay::new(relay.clone()),
        system,
        reporter,
        beat: Beat::new(report),
        input_closed: false,
        input_ready: true,
        output_ready: true,
    };
    let ending = engine.turn_until_ended();
    engine.close_unwanted_input();
    engine.system.close_output();
    let now = engine.system.now();
    engine.relay.turn(now);
    let mut snapshot = engine.relay.summary_snapshot(now);
    let exit = exit::of(ending, snapshot.input, snapshot.lost.total(), relay);
    snapshot.exit = Some(exit.as_shell());
    engine.reporter.finish(&snapshot);
    exit
}

struct Engine<'a, S, R> {
    relay: Relay,
    system: &'a mut S,
    reporter: &'a mut R,
    beat: Option<Beat>,
    input_closed: bool,
    input_ready: bool,
    output_ready: bool,
}

impl<S: System, R: Reporter> Engine<'_, S, R> {
    fn turn_until_ended(&mut self) -> Ending {
        loop {
            let now = self.system.now();
            self.relay.turn(now);
            self.take_signals(now);
            if let Some(ending) = self.relay.ended() {
                self.report_changes(now);
                return ending;
            }
            self.read(now);
            self.write(now);
            self.close_unwanted_input();
            self.report_changes(now);
            self.report_interval(now);
            if self.relay.ended().is_none() {
                self.wait(now);
            }
        }
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
                Signal::Terminate(number) => self.relay.signalled(number, now),
                Signal::Report => self.report(Event::Asked, now),
                Signal::Suspend => {
                    self.reporter.suspend();
                    self.system.suspend();
                }
            }
        }
    }

    /// At most one read.
    fn read(&mut self, now: Duration) {
        if !self.input_ready {
            return;
        }
        match self.relay.read_wish() {
            ReadWish::Nothing => {}
            ReadWish::UpTo(most) => self.read_up_to(most, now),
            ReadWish::Watch => self.watch_input(now),
        }
    }

    fn read_up_to(&mut self, most: usize, now: Duration) {
        let room = self.relay.room(most);
        let asked = room.len();
        match self.system.read(room) {
            Read::Bytes(count) => {
                // Less than asked for: the pipe is empty now, and asking again would be in vain.
                self.input_ready = count == asked;
                self.relay.received(count, now);
            }
            other => self.read_nothing(other, now),
        }
    }

    /// Whether there is more, without accepting any of it: the end of input is no more.
    fn watch_input(&mut self, now: Duration) {
        if self.system.input_pending() {
            self.relay.more_came(now);
            return;
        }
        match self.system.read(&mut [0]) {
            // It came between the two calls. It was never accepted.
            Read::Bytes(_) => self.relay.more_came(now),
            other => self.read_nothing(other, now),
        }
    }

    fn read_nothing(&mut self, answer: Read, now: Duration) {
        match answer {
            Read::Bytes(_) => {}
            Read::WouldBlock => self.input_ready = false,
            Read::End => self.relay.input_ended(now),
            Read::Failed(problem) => {
                let after = self.relay.input_bytes();
                self.reporter.message(format!(
                    "cannot {} {}: {} (after {after} bytes of input)",
                    problem.verb,
                    problem.name,
                    reason(&problem.error)
                ));
                self.relay.source_failed();
            }
        }
    }

    /// At most one write.
    fn write(&mut self, now: Duration) {
        if !self.output_ready || self.relay.ended().is_some() || !self.relay.write_wish(now) {
            return;
        }
        let mut parts = [IoSlice::new(&[]); PARTS];
        let used = self.relay.offer(now, &mut parts);
        let parts = &parts[..used];
        let offered: usize = parts.iter().map(|part| part.len()).sum();
        match self.system.write(parts) {
            Write::Accepted(count) => {
                self.relay.sent(count, now);
                if count < offered {
                    self.output_blocked(now);
                }
            }
            Write::WouldBlock => self.output_blocked(now),
            Write::UnderWay(count) => {
                self.relay.under_way(count);
                self.output_blocked(now);
            }
            Write::Gone => self.output_gone(now),
            Write::Failed(error) => {
                let at = self.relay.output_bytes();
                self.reporter.message(format!(
                    "cannot write stdout: {} (after {at} bytes of output)",
                    reason(&error)
                ));
                self.relay.output_failed(now);
            }
        }
    }

    fn output_blocked(&mut self, now: Duration) {
        self.output_ready = false;
        self.relay.output_blocked(now);
    }

    /// Waits until something wanted can go on. While one direction goes on, only looks at the
    /// other.
    fn wait(&mut self, now: Duration) {
        let wants_input = self.relay.read_wish() != ReadWish::Nothing;
        let wants_output = self.relay.write_wish(now);
        let interest = Interest {
            input: wants_input && !self.input_ready,
            output: wants_output && !self.output_ready,
        };
        let goes_on = (wants_input && self.input_ready) || (wants_output && self.output_ready);
        if goes_on && !interest.output {
            return;
        }
        let until = if goes_on {
            Some(now)
        } else {
            self.relay.waits(now);
            earliest(
                self.relay.wake_at(now),
                self.beat.as_ref().map(|beat| beat.next),
            )
        };
        let ready = self.system.wait(interest, until);
        self.input_ready |= ready.input;
        self.output_ready |= ready.output;
        if ready.output_gone {
            let now = self.system.now();
            self.output_gone(now);
        }
    }

    fn output_gone(&mut self, now: Duration) {
        // Closed, so that no further wait is ended by it.
        self.system.close_output();
        self.relay.output_gone(now);
    }

    fn report_changes(&mut self, now: Duration) {
        for change in self.relay.take_changes() {
            self.report(event_of(change), now);
        }
    }

    fn report(&mut self, event: Event, now: Duration) {
        if self.reporter.wants(event, now) {
            let snapshot = self.relay.event_snapshot(now);
            self.reporter.report(event, &snapshot);
        }
    }

    fn report_interval(&mut self, now: Duration) {
        if self.beat.as_mut().is_some_and(|beat| beat.is_due(now)) {
            let snapshot = self.relay.interval_snapshot(now);
            self.reporter.report(Event::Interval, &snapshot);
        }
    }
}

/// When the next periodic report is due.
struct Beat {
    interval: Duration,
    next: Duration,
}

impl Beat {
    /// None when nothing periodic is said: then no timer ticks either.
    fn new(report: &ReportConfig) -> Option<Self> {
        let ticks = report.mode.is_periodic() || report.statistics;
        ticks.then_some(Self {
            interval: report.interval,
            next: report.interval,
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
    }
}

fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The system's word without Rust's ` (os error N)` behind it.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}
