//! Sampling is unbiased: fixed seeds, so these tests can't flake; the bounds are those that an
//! unbiased sampler misses once in a million seeds.

use std::io::IoSlice;
use std::time::Duration;

use highwater::config::{Policy, RelayConfig, Sample};
use highwater::core::account::Reason;
use highwater::core::relay::Relay;

/// Which of `records` records of 8 bytes a sampler lets pass that is always pressured and never
/// short of space.
fn passed(sample: Sample, seed: u64, records: u64) -> Vec<u64> {
    let config = RelayConfig {
        high_water: 1,
        low_water: 0,
        seed,
        ..RelayConfig::new(Policy::Sample(sample), 1 << 40)
    };
    // A small unit of memory, as some tests make thousands of relays.
    let mut relay = Relay::with_chunk_size(config, 4096);
    for number in 0..records {
        let record = format!("{number:07}\n");
        let space = relay.space(record.len());
        space[..8].copy_from_slice(record.as_bytes());
        relay.received(8, Duration::ZERO);
    }
    relay.input_ended(Duration::ZERO);
    let lost = relay.event_snapshot(Duration::ZERO).lost[Reason::Sampled];
    let mut numbers = Vec::new();
    let mut text = Vec::new();
    while relay.write_wish(Duration::ZERO) {
        let mut parts = [IoSlice::new(&[]); 4];
        let used = relay.offer(Duration::ZERO, &mut parts);
        let before = text.len();
        parts[..used]
            .iter()
            .for_each(|part| text.extend_from_slice(part));
        let count = text.len() - before;
        relay.sent(count, Duration::ZERO);
    }
    for line in text.chunks(8) {
        numbers.push(std::str::from_utf8(&line[..7]).unwrap().parse().unwrap());
    }
    assert_eq!(numbers.len() as u64 + lost.records, records);
    numbers
}

#[test]
fn a_chance_admits_its_share_within_the_binomial_bound() {
    const RECORDS: u64 = 100_000;
    for (seed, chance) in [(1, 0.5), (2, 0.1), (3, 0.01), (4, 0.9), (5, 0.333)] {
        let count = passed(Sample::Chance(chance), seed, RECORDS).len() as f64;
        let mean = RECORDS as f64 * chance;
        let deviation = (mean * (1.0 - chance)).sqrt();
        let off = (count - mean).abs() / deviation;
        // 4.9 standard deviations: two-sided, once in a million.
        assert!(
            off < 4.9,
            "{chance}: {count} of {RECORDS}, {off:.1} deviations off"
        );
    }
}

/// Chi-squared of how often each cell was hit, all equally likely.
fn chi_squared(cells: &[u64]) -> f64 {
    let expected = cells.iter().sum::<u64>() as f64 / cells.len() as f64;
    let square = |cell: &u64| (*cell as f64 - expected).powi(2) / expected;
    cells.iter().map(square).sum()
}

/// What chi-squared with so many degrees of freedom exceeds once in a million (Wilson and
/// Hilferty's approximation).
fn once_in_a_million(freedom: f64) -> f64 {
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 4.753 * part.sqrt()).powi(3)
}

#[test]
fn every_position_has_the_same_chance() {
    const CELLS: u64 = 100;
    const RECORDS: u64 = 100_000;
    for seed in 10..15 {
        let mut by_place = vec![0; CELLS as usize];
        let mut by_remainder = vec![0; CELLS as usize];
        for number in passed(Sample::Chance(0.2), seed, RECORDS) {
            by_place[(number * CELLS / RECORDS) as usize] += 1;
            by_remainder[(number % CELLS) as usize] += 1;
        }
        let bound = once_in_a_million(CELLS as f64 - 1.0);
        for cells in [by_place, by_remainder] {
            let found = chi_squared(&cells);
            assert!(found < bound, "seed {seed}: {found:.1} above {bound:.1}");
        }
    }
}

#[test]
fn gaps_between_chosen_records_are_geometric() {
    const CHANCE: f64 = 0.25;
    let numbers = passed(Sample::Chance(CHANCE), 21, 100_000);
    let gaps: Vec<u64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut found = 0.0;
    for length in 1..=20 {
        let share = CHANCE * (1.0 - CHANCE).powi(length as i32 - 1);
        let expected = gaps.len() as f64 * share;
        let seen = gaps.iter().filter(|gap| **gap == length).count() as f64;
        found += (seen - expected).powi(2) / expected;
    }
    let bound = once_in_a_million(20.0);
    assert!(found < bound, "{found:.1} above {bound:.1}");
}

#[test]
fn a_biased_sampler_would_be_caught() {
    // The same test on choices that prefer the first half by a quarter.
    let mut cells = vec![200_u64; 100];
    cells[..50].iter_mut().for_each(|cell| *cell += 50);
    assert!(chi_squared(&cells) > once_in_a_million(99.0));
}

/// How often each of `records` records was chosen in `windows` windows of a reservoir of `keep`.
fn chosen(keep: u64, records: u64, windows: u64) -> Vec<u64> {
    let per = Duration::from_secs(1);
    let mut cells = vec![0; records as usize];
    for seed in 0..windows {
        let numbers = passed(Sample::Reservoir { keep, per }, seed, records);
        assert_eq!(numbers.len() as u64, keep.min(records));
        assert!(numbers.is_sorted(), "the order of the input");
        numbers
            .iter()
            .for_each(|number| cells[*number as usize] += 1);
    }
    cells
}

#[test]
fn a_reservoir_chooses_each_record_with_the_same_chance() {
    for (keep, records, windows) in [
        (1, 50, 5_000),
        (10, 100, 3_000),
        (90, 100, 3_000),
        (7, 500, 4_000),
    ] {
        let cells = chosen(keep, records, windows);
        // Choices without putting back vary less than independent ones.
        let share = keep as f64 / records as f64;
        let scale = (records as f64 - 1.0) / records as f64 / (1.0 - share);
        let found = chi_squared(&cells) * scale;
        let bound = once_in_a_million(records as f64 - 1.0);
        assert!(
            found < bound,
            "{keep}/{records}: {found:.1} above {bound:.1}"
        );
    }
}

#[test]
fn two_records_are_chosen_together_as_often_as_by_an_even_choice() {
    // A reservoir that gave up neighbouring places, or always the same, would pass the test of
    // single records.
    const KEEP: u64 = 3;
    const RECORDS: u64 = 8;
    const WINDOWS: u64 = 20_000;
    let per = Duration::from_secs(1);
    let mut triples = std::collections::BTreeMap::new();
    for seed in 0..WINDOWS {
        let sample = Sample::Reservoir { keep: KEEP, per };
        *triples.entry(passed(sample, seed, RECORDS)).or_insert(0) += 1;
    }
    // 8 over 3.
    assert_eq!(triples.len(), 56);
    let found = chi_squared(&triples.into_values().collect::<Vec<_>>());
    let bound = once_in_a_million(55.0);
    assert!(found < bound, "{found:.1} above {bound:.1}");
}

#[test]
fn a_reservoir_takes_all_when_there_are_few() {
    assert!(chosen(10, 10, 3).iter().all(|count| *count == 3));
    assert!(chosen(1_000_000, 10, 3).iter().all(|count| *count == 3));
}

#[test]
fn every_nth_is_every_nth() {
    let numbers = passed(Sample::Every(7), 0, 1_000);
    let expected: Vec<u64> = (0..1_000).filter(|number| number % 7 == 6).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn the_seed_decides_everything() {
    let choose = |seed| passed(Sample::Chance(0.3), seed, 10_000);
    assert_eq!(choose(1), choose(1));
    assert_ne!(choose(1), choose(2));
    // The sequence is part of what --seed promises; these were computed by another program.
    assert_eq!(choose(1)[..8], [8, 15, 20, 21, 23, 24, 25, 28]);
}
