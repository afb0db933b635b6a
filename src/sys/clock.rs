//! The time of a run: monotonic, from its start, without the time the process was stopped.
//!
//! Refuses to know the time of day.

use std::time::{Duration, Instant};

/// A stopwatch that can be held.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    held: Duration,
}

impl Clock {
    /// Starts at zero.
    pub(super) fn start() -> Clock {
        Clock {
            start: Instant::now(),
            held: Duration::ZERO,
        }
    }

    /// Time since the start that counts. Never goes back.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed().saturating_sub(self.held)
    }

    /// Does something that does not count.
    pub(super) fn hold_during(&mut self, pause: impl FnOnce()) {
        let before = Instant::now();
        pause();
        self.held += before.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_clock_stands_still() {
        let pause = Duration::from_millis(30);
        let wall = Instant::now();
        let mut clock = Clock::start();
        clock.hold_during(|| std::thread::sleep(pause));
        assert!(clock.now() + pause <= wall.elapsed());
    }

    #[test]
    fn a_clock_that_is_not_held_runs() {
        let clock = Clock::start();
        let before = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() >= before + Duration::from_millis(2));
    }
}
