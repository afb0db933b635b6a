//! A policy that is not among hwm's own: `drop-longest`, the example of CONTRIBUTING.md. When there is no space,
//! the oldest of the longest records leaves, where lengths are told apart by powers of two.
//!
//! Held to a naive list of records, whatever the lengths, the capacity and the writes between them.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use highwater::classes::Ranking;
use highwater::config::{Policy, RelayConfig};
use highwater::core::account::Reason;
use highwater::core::admission::{OnFull, Overflow};
use highwater::core::relay::Relay;
use highwater::core::rng::Rng;

/// Shorter is worth more.
struct ByLength;

/// Records of 2^31 bytes and more are in the lowest class.
const LOWEST: usize = 31;

impl Ranking for ByLength {
    fn of(&self, content: &[u8]) -> usize {
        (content.len().max(1).ilog2() as usize).min(LOWEST)
    }

    fn lowest(&self) -> usize {
        LOWEST
    }
}

struct DropLongest(ByLength);

impl Overflow for DropLongest {
    fn on_full(&self) -> OnFull {
        OnFull::EvictLowest
    }

    fn ranking(&self) -> Option<&dyn Ranking> {
        Some(&self.0)
    }
}

/// What is held, and what was lost, by a list.
#[derive(Default)]
struct Naive {
    held: VecDeque<Vec<u8>>,
    lost: u64,
}

impl Naive {
    fn bytes(&self) -> usize {
        self.held.iter().map(Vec::len).sum()
    }

    fn take(&mut self, record: &[u8], capacity: usize) {
        let class = |record: &[u8]| ByLength.of(&record[..record.len() - 1]);
        while self.bytes() + record.len() > capacity {
            let longest = self.held.iter().map(|record| class(record)).max();
            let longest = longest.filter(|longest| *longest >= class(record));
            let Some(longest) = longest else {
                self.lost += 1;
                return;
            };
            let at = self.held.iter().position(|held| class(held) == longest);
            self.held.remove(at.unwrap());
            self.lost += 1;
        }
        self.held.push_back(record.to_vec());
    }
}

#[test]
fn the_oldest_of_the_longest_records_leaves() {
    const CAPACITY: usize = 500;
    for seed in 0..300 {
        let mut random = Rng::new(seed);
        let config = RelayConfig::new(Policy::Priority, CAPACITY as u64);
        let mut relay = Relay::with_policy(config, Box::new(DropLongest(ByLength)));
        let mut naive = Naive::default();
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        let now = Duration::ZERO;
        for number in 0..100_u64 {
            // Whole, so that its length is known when it comes.
            let mut record = format!("{number} ").into_bytes();
            record.resize(record.len() + random.below(200) as usize, b'x');
            record.push(b'\n');
            relay.turn(now);
            relay.space(record.len())[..record.len()].copy_from_slice(&record);
            relay.received(record.len(), now);
            naive.take(&record, CAPACITY);
            if random.chance(0.3)
                && let Some(first) = naive.held.pop_front()
            {
                assert!(relay.write_wish(now));
                let mut parts = [IoSlice::new(&[]); 8];
                let used = relay.offer(now, &mut parts);
                let offered: Vec<u8> = parts[..used]
                    .iter()
                    .flat_map(|part| part.to_vec())
                    .collect();
                out.extend_from_slice(&offered[..first.len()]);
                expected.extend_from_slice(&first);
                relay.sent(first.len(), now);
            }
            let account = relay.event_snapshot(now);
            assert_eq!(
                account.lost[Reason::QueueFull].records,
                naive.lost,
                "seed {seed}"
            );
            assert_eq!(account.held.bytes, naive.bytes() as u64, "seed {seed}");
            assert_eq!(account.held.records, naive.held.len() as u64, "seed {seed}");
        }
        assert!(naive.lost > 0);
        assert_eq!(out, expected, "seed {seed}");
    }
}
