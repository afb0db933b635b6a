//! Windows: spans of the run's time that follow each other without a gap, from 0 on.

use std::time::Duration;

/// When the window that `now` is in ends; `length` is from 1 ns to a century.
pub(super) fn end(now: Duration, length: Duration) -> Duration {
    let gone = now.as_nanos() % length.as_nanos();
    let left = length - Duration::from_nanos(gone as u64);
    now.saturating_add(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_belongs_to_the_window_that_it_begins() {
        let milli = Duration::from_millis;
        for (now, expected) in [(0, 40), (39, 40), (40, 80), (79, 80), (4001, 4040)] {
            assert_eq!(end(milli(now), milli(40)), milli(expected), "{now}");
        }
    }
}
