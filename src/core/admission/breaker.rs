//! The circuit breaker of `--block-timeout` with `--then`: closed it blocks, open it loses records.
//!
//! ```text
//!            a stall lasted too long
//!   closed --------------------------> open
//!          <--------------------------
//!            the state is flowing again, at a turn's end
//! ```
//!
//! Knows nothing of stalls and watermarks: the relay tells it when.

use std::time::Duration;

/// See the module's header. The default is closed, and was never open.
#[derive(Default)]
pub struct Breaker {
    open_since: Option<Duration>,
    /// Time of all finished openings.
    finished: Duration,
    /// That of the last of them.
    last: Option<Duration>,
}

impl Breaker {
    /// Whether records are lost rather than waited for.
    pub fn is_open(&self) -> bool {
        self.open_since.is_some()
    }

    /// From now on records are lost.
    pub fn open(&mut self, now: Duration) {
        self.open_since = Some(now);
    }

    /// From now on it blocks.
    pub fn close(&mut self, now: Duration) {
        self.finished = self.open_for(now);
        let since = self.open_since.take();
        self.last = since.map(|since| now.saturating_sub(since));
    }

    /// How long the last finished opening lasted; None before the first has ended.
    pub fn last_open(&self) -> Option<Duration> {
        self.last
    }

    /// Time open so far.
    pub fn open_for(&self, now: Duration) -> Duration {
        let since = self.open_since;
        self.finished + since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_how_long_it_was_open_in_all() {
        let second = Duration::from_secs;
        let mut breaker = Breaker::default();
        assert_eq!(breaker.open_for(second(5)), second(0));
        breaker.open(second(5));
        assert!(breaker.is_open());
        assert_eq!(breaker.last_open(), None);
        assert_eq!(breaker.open_for(second(7)), second(2));
        breaker.close(second(8));
        assert!(!breaker.is_open());
        breaker.open(second(10));
        assert_eq!(breaker.open_for(second(11)), second(4));
        assert_eq!(breaker.last_open(), Some(second(3)));
        breaker.close(second(11));
        assert_eq!(breaker.last_open(), Some(second(1)));
    }
}
