//! The account as others see it: now, and at the moments that are told.
//!
//! Refuses to count: all numbers are those of the parts.

use std::time::Duration;

use super::Relay;
use super::changes::{Change, MOST_CHANGES, MOST_TOLD, WithSnapshot};
use crate::config::Policy;
use crate::core::loss::dead_letters::DeadLetters;
use crate::core::meter::{Activity, Rates};
use crate::core::snapshot::{Seen, Snapshot};

impl Relay {
    /// What happened since the last call, oldest first; with the account at that moment where
    /// [`Relay::want_snapshots`] asked for it.
    pub fn take_changes(&mut self) -> Vec<(Change, Option<Box<Snapshot>>)> {
        std::mem::take(&mut self.changes.list)
    }

    /// How many changes beyond those there were.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.changes.forgotten)
    }

    /// Whether a change of state, or a loss, shall come with the account at that moment. It costs,
    /// and most reports do not tell of such changes.
    pub fn want_snapshots(&mut self, of_states: bool, of_losses: bool) {
        self.changes.with_snapshot = WithSnapshot {
            states: of_states,
            losses: of_losses,
        };
    }

    pub(super) fn changed(&mut self, change: Change, now: Duration) {
        let WithSnapshot { states, losses } = self.changes.with_snapshot;
        let most = if losses { MOST_TOLD } else { MOST_CHANGES };
        let is_wanted = match change {
            Change::Loss => losses,
            Change::Pressured
            | Change::Flowing
            | Change::Opened
            | Change::Closed
            | Change::Respawn => states,
        };
        if self.changes.list.len() >= most
            || (is_wanted && !self.changes.memory.take(size_of::<Snapshot>()))
        {
            self.changes.forgotten += 1;
            return;
        }
        let snapshot = is_wanted.then(|| Box::new(self.event_snapshot(now)));
        self.changes.list.push((change, snapshot));
    }

    /// The account now, with the rates since the last such snapshot.
    pub fn interval_snapshot(&mut self, now: Duration) -> Snapshot {
        let snapshot = self.event_snapshot(now);
        self.meter.end_interval(now);
        self.meter.recent_peak_held = self.held();
        snapshot
    }

    /// The account now, with the rates since the last interval's snapshot.
    pub fn event_snapshot(&mut self, now: Duration) -> Snapshot {
        self.sync_records();
        let rates = self.meter.rates_of_interval(now);
        self.snapshot(rates, now)
    }

    /// The account now, with the rates of the whole run.
    pub fn summary_snapshot(&mut self, now: Duration) -> Snapshot {
        self.sync_records();
        let rates = self.meter.rates_overall(self.taken_output().0, now);
        self.snapshot(rates, now)
    }

    fn snapshot(&self, rates: Rates, now: Duration) -> Snapshot {
        let (in_rate, out_rate) = (rates.input, rates.output);
        let of_records = |rate: Option<f64>| rate.filter(|_| self.framing.has_records());
        let time = |activity| self.meter.time(activity, now);
        let (output, marks) = self.taken_output();
        Snapshot {
            elapsed: now,
            counts_records: self.framing.has_records(),
            input: self.meter.input,
            output,
            lost: self.loss.total(),
            held: self.buffer.tally(),
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
            open_for: self.admission.breaker.open_for(now),
            last_open: self.admission.breaker.last_open(),
            pressure_episodes: self.pressure.episodes(),
            loss_episodes: self.loss.episodes,
            longest_stall: self.meter.longest_stall(now),
            seconds_to_full: (self.lifecycle.is_running())
                .then(|| seconds_to_full(self.config.capacity - self.held(), in_rate, out_rate))
                .flatten(),
            sample_rate: self.admission.share(&self.view()),
            bottleneck: self.meter.bottleneck(now),
            restarts: self.succession.as_ref().map_or(0, |all| all.restarts),
            redelivered: self.succession.as_ref().map_or(0, |all| all.redelivered),
            dead_letters: self
                .loss
                .dead_letters
                .as_ref()
                .map(DeadLetters::dead_letters),
            exit: None,
            lost_too_much: false,
            ending: None,
            seen: Seen::default(),
        }
    }

    pub(super) fn read_paused(&self, now: Duration) -> Duration {
        match (self.paused_in_all, self.config.policy) {
            (Some(in_all), _) => in_all,
            (None, Policy::Block) => {
                // It is open only while pressured, but for the turn's rest.
                let pressured = self.pressure.total(now);
                pressured.saturating_sub(self.admission.breaker.open_for(now))
            }
            _ => Duration::ZERO,
        }
    }
}

fn seconds_to_full(space: u64, in_rate: Option<f64>, out_rate: Option<f64>) -> Option<f64> {
    let growth = in_rate? - out_rate?;
    (growth > 0.0).then(|| space as f64 / growth)
}
