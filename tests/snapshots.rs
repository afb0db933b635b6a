//! A picture of the account costs the same however much is held: a turn may take a thousand of them.

use std::time::{Duration, Instant};

use highwater::config::{Policy, RelayConfig};
use highwater::core::relay::{ReadWish, Relay};

/// Small, so that little memory is many chunks: as with the usual ones in a buffer of gigabytes.
const CHUNK: usize = 16;

/// A relay that holds so many chunks of records, for a consumer that takes nothing.
fn holding(chunks: usize) -> Relay {
    let capacity = (chunks * CHUNK) as u64;
    let config = RelayConfig {
        count_records: true,
        splice: false,
        ..RelayConfig::new(Policy::Block, capacity)
    };
    let mut relay = Relay::with_chunk_size(config, CHUNK);
    relay.output_blocked(Duration::ZERO);
    while let ReadWish::UpTo(most) = relay.read_wish() {
        let space = relay.space(most);
        let count = space.len();
        space.fill(b'\n');
        relay.received(count, Duration::ZERO);
    }
    relay
}

/// The least of some times that a thousand pictures take.
fn cost(relay: &mut Relay) -> Duration {
    let time = || {
        let started = Instant::now();
        for _ in 0..1000 {
            std::hint::black_box(relay.event_snapshot(Duration::ZERO));
        }
        started.elapsed()
    };
    std::iter::repeat_with(time).take(5).min().expect("times")
}

#[test]
fn a_snapshot_costs_the_same_however_much_is_held() {
    let (mut little, mut much) = (holding(16), holding(1 << 16));
    assert_eq!(
        much.event_snapshot(Duration::ZERO).held.records,
        (CHUNK << 16) as u64
    );
    // A sum over what is held would be some hundred times as much.
    let (few, many) = (cost(&mut little), cost(&mut much));
    assert!(many < 10 * few, "{few:?} and {many:?}");
}
