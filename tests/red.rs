//! Random early detection against its paper, and what both ways to hold the fill between the
//! watermarks come to over time, by a fake clock and fixed seeds.

use std::io::IoSlice;
use std::time::Duration;

use highwater::config::{Policy, RelayConfig, Sample};
use highwater::core::account::Reason;
use highwater::core::relay::Relay;
use highwater::core::snapshot::Snapshot;

/// Bytes of every record.
const RECORD: usize = 40;

fn arrive(relay: &mut Relay, records: usize, now: Duration) {
    for _ in 0..records {
        let space = relay.space(RECORD);
        space.fill(b'x');
        space[RECORD - 1] = b'\n';
        relay.received(RECORD, now);
    }
}

/// The consumer takes so many bytes, if there are as many.
fn take(relay: &mut Relay, mut bytes: u64, now: Duration) {
    while bytes > 0 && relay.write_wish(now) {
        let mut parts = [IoSlice::new(&[]); 4];
        let used = relay.offer(now, &mut parts);
        let offered: usize = parts[..used].iter().map(|part| part.len()).sum();
        let count = (offered as u64).min(bytes);
        relay.sent(count as usize, now);
        bytes -= count;
    }
}

fn picture(relay: &mut Relay, now: Duration) -> Snapshot {
    relay.event_snapshot(now)
}

// ---- the chance -----------------------------------------------------------------------------

/// How many records came between two early losses, the second one counted, while the average fill is
/// `fill`.
fn gaps(fill: u64, config: RelayConfig, losses: usize) -> Vec<usize> {
    let now = Duration::ZERO;
    let mut relay = Relay::new(config);
    let mut gaps = Vec::new();
    let (mut gap, mut lost, mut arrivals) = (0, 0, 0);
    while gaps.len() < losses {
        arrive(&mut relay, 1, now);
        let picture = picture(&mut relay, now);
        take(&mut relay, picture.held.bytes.saturating_sub(fill), now);
        arrivals += 1;
        // Until then the average was on its way: 0.998^20000 is nothing.
        if arrivals < 20_000 {
            lost = picture.lost[Reason::Early].records;
            gap = 0;
            continue;
        }
        gap += 1;
        if picture.lost[Reason::Early].records > lost {
            lost += 1;
            gaps.push(std::mem::take(&mut gap));
        }
    }
    // The first one began before the average was there.
    gaps.split_off(1)
}

/// What chi-squared with so many degrees of freedom exceeds once in a million (Wilson and
/// Hilferty's approximation).
fn once_in_a_million(freedom: f64) -> f64 {
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 4.753 * part.sqrt()).powi(3)
}

#[test]
fn gaps_between_early_losses_are_uniform_as_in_the_paper() {
    for (fill, max_p) in [(3_000, 0.1), (3_600, 0.2), (2_400, 0.1), (3_960, 0.25)] {
        let config = RelayConfig {
            high_water: 4_000,
            low_water: 2_000,
            seed: 3,
            ..RelayConfig::new(Policy::Red { max_p }, 50_000)
        };
        let p_b = max_p * (fill as f64 - 2_000.0) / 2_000.0;
        let gaps = gaps(fill, config, 20_001);
        // 1 / p_b - 1 lengths, all equally likely; the last one may be cut.
        let longest = (1.0 / p_b) as usize;
        let most = *gaps.iter().max().expect("gaps");
        assert!(most <= longest, "{most} above {longest}");
        let whole = longest - 1;
        let expected = gaps.len() as f64 * p_b / (1.0 - p_b);
        let mut found = 0.0;
        for length in 1..whole {
            let seen = gaps.iter().filter(|gap| **gap == length).count() as f64;
            found += (seen - expected).powi(2) / expected;
        }
        let bound = once_in_a_million(whole as f64 - 1.0);
        assert!(found < bound, "{found:.1} above {bound:.1}: {fill} {max_p}");
    }
}

#[test]
fn at_the_low_mark_nothing_is_lost_and_at_the_high_mark_everything() {
    let config = RelayConfig {
        high_water: 4_000,
        low_water: 2_000,
        ..RelayConfig::new(Policy::Red { max_p: 1.0 }, 50_000)
    };
    let now = Duration::ZERO;
    let mut relay = Relay::new(config);
    for _ in 0..20_000 {
        arrive(&mut relay, 1, now);
        let held = picture(&mut relay, now).held.bytes;
        take(&mut relay, held.saturating_sub(1_960), now);
    }
    assert_eq!(picture(&mut relay, now).lost.total().records, 0);

    // Held jumps far above H before the average follows; then all is lost as long as it is there.
    arrive(&mut relay, 1_000, now);
    let before = picture(&mut relay, now);
    assert!(before.held.bytes > 4_000);
    arrive(&mut relay, 1_000, now);
    let after = picture(&mut relay, now);
    assert_eq!(
        after.lost[Reason::Early].records - before.lost[Reason::Early].records,
        1_000
    );
}

// ---- the fill over time ---------------------------------------------------------------------

const CAPACITY: u64 = 1 << 20;

/// Ten seconds of a producer that is `excess` times as fast as the consumer, which takes 1 MB/s:
/// the fill in percent of the capacity every half a second, and the mean over the last five seconds.
fn fill_over_time(policy: Policy, excess: f64) -> (Vec<f64>, f64) {
    const TICK: Duration = Duration::from_millis(1);
    const TAKEN: u64 = 1_000;
    let config = RelayConfig {
        high_water: CAPACITY * 80 / 100,
        low_water: CAPACITY * 60 / 100,
        seed: 7,
        ..RelayConfig::new(policy, CAPACITY)
    };
    let mut relay = Relay::new(config);
    let (mut row, mut sum, mut due) = (Vec::new(), 0.0, 0.0);
    for tick in 1..=30_000_u32 {
        let now = TICK * tick;
        relay.turn(now);
        due += TAKEN as f64 * excess / RECORD as f64;
        arrive(&mut relay, due as usize, now);
        due = due.fract();
        take(&mut relay, TAKEN, now);
        let held = picture(&mut relay, now).held.bytes;
        let percent = held as f64 * 100.0 / CAPACITY as f64;
        if tick % 2_500 == 0 {
            row.push(percent);
        }
        if tick > 15_000 {
            sum += percent / 15_000.0;
        }
    }
    let account = picture(&mut relay, TICK * 30_000);
    let queue_full = account.lost[Reason::QueueFull].records;
    assert_eq!(queue_full, 0, "the buffer was never full");
    (row, sum)
}

#[test]
fn red_and_adaptive_sampling_hold_the_fill_between_the_watermarks() {
    let red = Policy::Red { max_p: 0.1 };
    let adaptive = Policy::Sample(Sample::Adaptive);
    println!("fill in % of C each 2.5 s, and the mean from 15 s to 30 s; L is 60%, H is 80%");
    for (policy, excess) in [
        (red, 1.05),
        (red, 1.1),
        (red, 1.15),
        (red, 2.0),
        (adaptive, 1.1),
        (adaptive, 2.0),
        (adaptive, 8.0),
    ] {
        let (row, mean) = fill_over_time(policy, excess);
        let cells: Vec<String> = row.iter().map(|percent| format!("{percent:5.1}")).collect();
        let name = policy.name();
        println!(
            "{name:7} in/out {excess:4.2}: {}  mean {mean:.1}",
            cells.join(" ")
        );
        assert!((60.0..=80.0).contains(&mean), "{name} {excess}: {mean:.1}%");
    }
}
