//! Consumers one after the other: whether there is one, and when the next is started.
//!
//! The pause before a start doubles each time, up to `LONGEST`, and begins anew with a consumer that lived for
//! `LONG_LIFE`. A failure is an end with another status than 0; so many in a row, none of which lived that long,
//! are the end.
//!
//! Knows no clock: `now` comes in. Refuses to start anything.

use std::time::Duration;

use crate::config::NextConsumer;

/// No pause is longer, unless the first one is.
const LONGEST: Duration = Duration::from_secs(30);

/// Who lives for so long is well.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// See the module's header.
#[derive(Debug)]
pub struct Succession {
    /// None where nobody need be started: somebody comes.
    starter: Option<Starter>,
    is_absent: bool,
    /// There was one.
    had_one: bool,
    /// How many came after the first.
    pub restarts: u64,
    /// Records that went out to more than one.
    pub redelivered: u64,
}

#[derive(Debug)]
struct Starter {
    first_pause: Duration,
    most_failures: Option<u64>,
    pause: Duration,
    failures: u64,
    /// When the present, or last, one was started.
    began: Duration,
    /// When the next one is.
    at: Option<Duration>,
}

impl Succession {
    /// With a consumer that is there at the time zero, where it is started.
    pub fn new(next: NextConsumer) -> Self {
        let starter = match next {
            NextConsumer::Awaited => None,
            NextConsumer::Started {
                delay,
                most_failures,
            } => Some(Starter {
                first_pause: delay,
                most_failures,
                pause: delay,
                failures: 0,
                began: Duration::ZERO,
                at: None,
            }),
        };
        Self {
            is_absent: starter.is_none(),
            had_one: starter.is_some(),
            starter,
            restarts: 0,
            redelivered: 0,
        }
    }

    /// Whether nobody reads.
    pub fn is_absent(&self) -> bool {
        self.is_absent
    }

    /// Nobody reads any more; what did may still live.
    pub fn left(&mut self) {
        self.is_absent = true;
    }

    /// The consumer's process ended, or could not be started. Returns false where that was the last.
    pub fn ended(&mut self, failed: bool, now: Duration) -> bool {
        self.is_absent = true;
        let Some(starter) = &mut self.starter else {
            return true;
        };
        let was_well = now.saturating_sub(starter.began) >= LONG_LIFE;
        if was_well {
            starter.pause = starter.first_pause;
        }
        starter.failures = match failed && !was_well {
            true => starter.failures + 1,
            false => 0,
        };
        let most = starter.most_failures;
        if most.is_some_and(|most| starter.failures >= most) {
            return false;
        }
        starter.at = Some(now.saturating_add(starter.pause));
        starter.pause = (2 * starter.pause).min(LONGEST.max(starter.first_pause));
        true
    }

    /// When the next one is to be started.
    pub fn starts_at(&self) -> Option<Duration> {
        self.starter.as_ref().and_then(|starter| starter.at)
    }

    /// It is tried now.
    pub fn starting(&mut self, now: Duration) {
        if let Some(starter) = &mut self.starter {
            (starter.at, starter.began) = (None, now);
        }
    }

    /// Somebody reads again.
    pub fn came(&mut self) {
        self.is_absent = false;
        self.restarts += u64::from(self.had_one);
        self.had_one = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn started(delay: Duration, most_failures: Option<u64>) -> Succession {
        Succession::new(NextConsumer::Started {
            delay,
            most_failures,
        })
    }

    /// Lives so long from `now` on; returns the pause behind that.
    fn pause(succession: &mut Succession, now: &mut Duration, lives: Duration) -> Duration {
        *now += lives;
        assert!(succession.ended(true, *now));
        assert!(succession.is_absent());
        let at = succession.starts_at().unwrap();
        let pause = at - *now;
        *now = at;
        succession.starting(at);
        succession.came();
        assert!(!succession.is_absent());
        assert_eq!(succession.starts_at(), None);
        pause
    }

    #[test]
    fn the_pause_doubles_up_to_half_a_minute_and_starts_over_after_a_minute_of_life() {
        let mut succession = started(SECOND, None);
        let mut now = Duration::ZERO;
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(pause(&mut succession, &mut now, SECOND), expected * SECOND);
        }
        assert_eq!(pause(&mut succession, &mut now, 59 * SECOND), 30 * SECOND);
        assert_eq!(pause(&mut succession, &mut now, 60 * SECOND), SECOND);
        assert_eq!(pause(&mut succession, &mut now, SECOND), 2 * SECOND);
        assert_eq!(succession.restarts, 10);
        let mut patient = started(40 * SECOND, None);
        let mut now = Duration::ZERO;
        for _ in 0..2 {
            assert_eq!(pause(&mut patient, &mut now, SECOND), 40 * SECOND);
        }
    }

    #[test]
    fn so_many_failures_in_a_row_are_the_end() {
        let mut succession = started(SECOND, Some(2));
        assert!(succession.ended(true, SECOND));
        succession.starting(2 * SECOND);
        assert!(succession.ended(false, 3 * SECOND), "no failure");
        succession.starting(5 * SECOND);
        assert!(succession.ended(true, 6 * SECOND));
        succession.starting(10 * SECOND);
        assert!(succession.ended(true, 70 * SECOND), "it lived for a minute");
        succession.starting(71 * SECOND);
        assert!(succession.ended(true, 72 * SECOND), "it is the first again");
        succession.starting(73 * SECOND);
        assert!(!succession.ended(true, 74 * SECOND));
        assert!(!started(SECOND, Some(1)).ended(true, SECOND));
    }

    #[test]
    fn who_comes_without_being_started_is_awaited() {
        let mut succession = Succession::new(NextConsumer::Awaited);
        for restarts in [0, 1, 2] {
            assert!(succession.is_absent());
            succession.came();
            assert_eq!(succession.restarts, restarts);
            succession.left();
        }
        assert!(succession.ended(true, SECOND));
        assert_eq!(succession.starts_at(), None);
    }
}
