//! How long records have waited: `--max-age`. Which bytes of the admitted stream came when, up to the end of
//! the last whole record, so that what is too old is found without looking at it.
//!
//! Bounded: what came within a part of the greatest age is one entry, with the time of the last of it. So
//! nothing is too old before its time, and everything is by that part after it.

use std::collections::VecDeque;
use std::time::Duration;

/// The part of the greatest age within which no two times are told apart: about so many entries of 40
/// bytes are the most.
const PARTS: u32 = 1024;

struct Entry {
    /// The end of the whole records that had come by then, in the admitted stream.
    position: u64,
    first: Duration,
    last: Duration,
}

/// See the module's header.
pub struct Ages {
    most: Duration,
    entries: VecDeque<Entry>,
    /// Of the last entry there was.
    position: u64,
}

impl Ages {
    /// Records may wait for `most` (> 0).
    pub fn new(most: Duration) -> Self {
        Self {
            most,
            entries: VecDeque::new(),
            position: 0,
        }
    }

    /// The whole records up to `position` have come.
    pub fn came(&mut self, position: u64, now: Duration) {
        if std::mem::replace(&mut self.position, position) == position {
            return;
        }
        match self.entries.back_mut() {
            Some(last) if now.saturating_sub(last.first) < self.most / PARTS => {
                last.position = position;
                last.last = now;
            }
            _ => self.entries.push_back(Entry {
                position,
                first: now,
                last: now,
            }),
        }
    }

    /// When the oldest is too old of what waits and is not `gone`, as is all before a position.
    pub fn due_at(&self, gone: impl Fn(u64) -> bool) -> Option<Duration> {
        let oldest = self.entries.partition_point(|e| gone(e.position));
        self.entries.get(oldest).map(|entry| self.due(entry))
    }

    fn due(&self, entry: &Entry) -> Duration {
        entry.last.saturating_add(self.most)
    }

    /// Up to where everything is too old now.
    pub fn take_due(&mut self, now: Duration) -> Option<u64> {
        let mut position = None;
        while self
            .entries
            .front()
            .is_some_and(|entry| now >= self.due(entry))
        {
            position = self.entries.pop_front().map(|entry| entry.position);
        }
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn what_came_is_due_after_its_time_and_not_before() {
        let mut ages = Ages::new(ms(100));
        ages.came(10, ms(0));
        ages.came(20, ms(50));
        ages.came(20, ms(60));
        let due_at = |ages: &Ages, from: u64| ages.due_at(|position| position <= from);
        assert_eq!(due_at(&ages, 0), Some(ms(100)));
        assert_eq!(due_at(&ages, 9), Some(ms(100)));
        assert_eq!(
            due_at(&ages, 10),
            Some(ms(150)),
            "what went is not waited for"
        );
        assert_eq!(ages.take_due(ms(99)), None);
        assert_eq!(ages.take_due(ms(100)), Some(10));
        assert_eq!(due_at(&ages, 0), Some(ms(150)), "nothing whole came later");
        assert_eq!(ages.take_due(ms(500)), Some(20));
        assert_eq!(due_at(&ages, 0), None);
    }

    #[test]
    fn a_stream_without_a_pause_takes_a_bounded_number_of_entries() {
        let most = ms(1024);
        let mut ages = Ages::new(most);
        let mut due = Vec::new();
        for us in (0..3_000_000).step_by(100) {
            let now = Duration::from_micros(us);
            ages.came(us + 1, now);
            assert!(ages.entries.len() <= 1026, "{}", ages.entries.len());
            due.extend(ages.take_due(now).map(|position| (position, now)));
        }
        for (position, at) in due {
            // Its last byte came at that time.
            let age = at - Duration::from_micros(position - 1);
            assert!(age >= most && age < most + ms(1), "{age:?}");
        }
    }
}
