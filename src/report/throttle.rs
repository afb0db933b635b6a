//! How often an event is told: programs hear of each kind once an interval, with how many there were, and people
//! ever more rarely of a loss that goes on.
//!
//! A consumer that takes a little all the time begins a loss episode, or flips the state, thousands of times a
//! second.

use std::time::Duration;

use crate::core::snapshot::{Snapshot, State};
use crate::reporter::Event;

/// Between two lines about a loss that goes on: at first, and at most.
const LOSSES_APART: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];

/// The kinds of events.
const EVENTS: [Event; 5] = [
    Event::Pressured,
    Event::Flowing,
    Event::Loss,
    Event::Opened,
    Event::Closed,
];

/// What programs were told of each kind.
#[derive(Default)]
pub struct Throttle([Kind; EVENTS.len()]);

#[derive(Default)]
struct Kind {
    /// When it was last told.
    at: Option<Duration>,
    /// How many were told, and how many came.
    told: u64,
    came: u64,
    /// The account with the last that was not told.
    pending: Option<Box<Snapshot>>,
}

impl Throttle {
    /// Whether an event would be told at once.
    pub fn is_due(&self, event: Event, now: Duration, interval: Duration) -> bool {
        let place = EVENTS.iter().position(|other| *other == event);
        place.is_none_or(|place| self.0[place].is_due(now, interval))
    }

    /// One came. Returns how many are to be told of now; None where it has to wait.
    pub fn came(&mut self, event: Event, now: &Snapshot, interval: Duration) -> Option<u64> {
        let Some(kind) = self.of(event) else {
            return Some(1);
        };
        kind.came += 1;
        if kind.is_due(now.elapsed, interval) {
            return Some(kind.untold(event, now));
        }
        kind.pending = Some(Box::new(now.clone()));
        None
    }

    /// So many were told of, or nobody had time to listen.
    pub fn note(&mut self, event: Event, count: u64, now: Duration) {
        if let Some(kind) = self.of(event) {
            kind.told += count;
            kind.at = Some(now);
            kind.pending = None;
        }
    }

    /// The events that had to wait, how many of each, and the account with the last: those that are due, or at
    /// the end all.
    pub fn due(
        &mut self,
        now: &Snapshot,
        interval: Duration,
        is_end: bool,
    ) -> Vec<(Event, u64, Box<Snapshot>)> {
        let mut due = Vec::new();
        for (event, kind) in EVENTS.into_iter().zip(&mut self.0) {
            let count = kind.untold(event, now);
            if count > 0 && (is_end || kind.is_due(now.elapsed, interval)) {
                // Nobody took a picture of each loss.
                let of_loss = (event == Event::Loss).then(|| Box::new(now.clone()));
                let picture = kind.pending.take().or(of_loss);
                due.extend(picture.map(|picture| (event, count, picture)));
            }
        }
        due.sort_by_key(|(_, _, picture)| picture.elapsed);
        due
    }

    fn of(&mut self, event: Event) -> Option<&mut Kind> {
        let place = EVENTS.iter().position(|other| *other == event)?;
        self.0.get_mut(place)
    }
}

impl Kind {
    fn is_due(&self, now: Duration, interval: Duration) -> bool {
        self.at.is_none_or(|at| now >= at.saturating_add(interval))
    }

    /// How many there were that nobody was told of. The account counts also those that nobody saw.
    fn untold(&self, event: Event, now: &Snapshot) -> u64 {
        let is_pressured = u64::from(now.state == State::Pressured);
        let total = match event {
            Event::Pressured => now.pressure_episodes,
            Event::Flowing => now.pressure_episodes.saturating_sub(is_pressured),
            Event::Loss => now.loss_episodes,
            _ => self.came,
        };
        total.saturating_sub(self.told)
    }
}

/// When people were last told that records are being lost, and how long they are left alone now: ever longer
/// while that goes on.
pub struct Losing {
    at: Option<Duration>,
    pause: Duration,
}

impl Default for Losing {
    fn default() -> Losing {
        Losing {
            at: None,
            pause: LOSSES_APART[0],
        }
    }
}

impl Losing {
    /// Whether they are to be told.
    pub fn is_due(&self, now: Duration) -> bool {
        self.at
            .is_none_or(|at| now >= at.saturating_add(self.pause))
    }

    /// They were told.
    pub fn note(&mut self, now: Duration) {
        let [first, most] = LOSSES_APART;
        let goes_on = self
            .at
            .is_some_and(|at| now < at.saturating_add(self.pause * 2));
        self.pause = if goes_on {
            (self.pause * 2).min(most)
        } else {
            first
        };
        self.at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::quiet;

    fn after(milliseconds: u64, episodes: u64, state: State) -> Snapshot {
        Snapshot {
            elapsed: Duration::from_millis(milliseconds),
            pressure_episodes: episodes,
            state,
            ..quiet()
        }
    }

    #[test]
    fn each_kind_is_reported_once_an_interval_and_all_are_counted() {
        let second = Duration::from_secs(1);
        let mut told = Throttle::default();
        let mut lines = Vec::new();
        let mut tell = |told: &mut Throttle, event, count, at: &Snapshot| {
            told.note(event, count, at.elapsed);
            lines.push((event, count, at.elapsed.as_millis(), at.state));
        };
        // Both a hundred times in five seconds.
        for turn in 0..100_u64 {
            for (event, state, at) in [
                (Event::Pressured, State::Pressured, 50 * turn + 10),
                (Event::Flowing, State::Flowing, 50 * turn + 30),
            ] {
                let now = after(at, turn + 1, state);
                if let Some(count) = told.came(event, &now, second) {
                    tell(&mut told, event, count, &now);
                }
            }
            if turn % 20 == 19 {
                let now = after(50 * turn + 50, turn + 1, State::Flowing);
                for (event, count, picture) in told.due(&now, second, turn == 99) {
                    tell(&mut told, event, count, &picture);
                }
            }
        }
        assert!(lines.len() <= 12, "{lines:?}");
        for (event, state) in [
            (Event::Pressured, State::Pressured),
            (Event::Flowing, State::Flowing),
        ] {
            let of_it = lines.iter().filter(|line| line.0 == event);
            assert_eq!(of_it.clone().map(|line| line.1).sum::<u64>(), 100);
            assert!(of_it.clone().all(|line| line.3 == state), "{lines:?}");
        }
        assert!(lines.is_sorted_by_key(|line| line.2), "{lines:?}");
    }

    #[test]
    fn a_loss_that_goes_on_is_reported_ever_more_rarely() {
        let mut losing = Losing::default();
        let mut told = Vec::new();
        for second in 0..86_400 {
            let now = Duration::from_secs(second);
            if losing.is_due(now) {
                losing.note(now);
                told.push(second);
            }
        }
        assert_eq!(told[..6], [0, 1, 3, 7, 15, 31]);
        assert!(told.len() < 40, "{told:?}");
        let apart = told.windows(2).map(|two| two[1] - two[0]);
        assert_eq!(apart.max(), Some(3600), "{told:?}");
    }

    #[test]
    fn a_new_loss_after_a_while_is_reported_at_once() {
        let mut losing = Losing::default();
        for second in [0, 1, 3, 7, 100, 101] {
            let now = Duration::from_secs(second);
            assert!(losing.is_due(now), "{second}");
            losing.note(now);
        }
        assert!(!losing.is_due(Duration::from_secs(102)));
    }
}
