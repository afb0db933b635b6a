//! What an output has space for, as far as that is known, and the wait of a record's beginning for more of it.
//!
//! A record that is still arriving may go out before its end has come, so that a prompt is seen at once. Were
//! the run cut then, half a record would be left where its end found no space. So the beginning goes only where
//! [`Space::leaves_some`] behind it for an end of [`Space::atomic`] bytes, or where nothing is left to wait for.

use std::time::Duration;

/// What a pipe takes whole or not at all: POSIX asks for 512 bytes, Linux gives 4096.
pub const ATOMIC: u64 = 4096;

/// How much the next write may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// At least so many bytes are taken at once.
    pub free: u64,
    /// So many bytes are taken whole or not at all, however many are free.
    pub atomic: u64,
    /// The reader has read everything.
    pub is_empty: bool,
}

impl Space {
    /// Of an output that takes as much as comes, or of which nothing is known.
    pub const UNKNOWN: Space = Space {
        free: u64::MAX,
        atomic: ATOMIC,
        is_empty: true,
    };

    /// So many bytes are taken whole or not at all.
    pub fn whole(&self) -> u64 {
        self.free.max(self.atomic)
    }

    /// Whether behind so many bytes there is space for the end of a record.
    pub fn leaves_some(&self, behind: u64) -> bool {
        behind.saturating_add(self.atomic) <= self.free
    }
}

/// Nothing tells when a pipe has space for more than one byte, so it is looked at ever more rarely.
#[derive(Debug, Default)]
pub struct Backoff {
    until: Option<Duration>,
    step: Duration,
}

impl Backoff {
    /// A person does not see it.
    const FIRST: Duration = Duration::from_millis(1);

    /// Eight times a second costs nothing.
    const LAST: Duration = Duration::from_millis(128);

    /// It was tried in vain.
    pub fn begin(&mut self, now: Duration) {
        self.step = (2 * self.step).clamp(Self::FIRST, Self::LAST);
        self.until = Some(now.saturating_add(self.step));
    }

    /// Whether it is to be tried again is decided anew.
    pub fn wake(&mut self, now: Duration) {
        self.until = self.until.filter(|until| *until > now);
    }

    /// When it is tried again; None when it may be at once.
    pub fn until(&self) -> Option<Duration> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_ever_more_rarely_and_again_soon_after_a_success() {
        let mut backoff = Backoff::default();
        let mut now = Duration::ZERO;
        for step in [1, 2, 4, 8, 16, 32, 64, 128, 128] {
            backoff.begin(now);
            let until = now + Duration::from_millis(step);
            assert_eq!(backoff.until(), Some(until));
            backoff.wake(until - Duration::from_nanos(1));
            assert_eq!(backoff.until(), Some(until));
            backoff.wake(until);
            assert_eq!(backoff.until(), None);
            now = until;
        }
        backoff = Backoff::default();
        backoff.begin(now);
        assert_eq!(backoff.until(), Some(now + Duration::from_millis(1)));
    }

    #[test]
    fn an_output_of_which_nothing_is_known_takes_whatever_comes() {
        assert!(Space::UNKNOWN.leaves_some(u64::MAX));
        let space = Space {
            free: 8192,
            atomic: 4096,
            is_empty: false,
        };
        assert!(space.leaves_some(4096) && !space.leaves_some(4097));
    }
}
