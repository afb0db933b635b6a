//! The whole relay under a deterministic simulator: the engine that ships, against a system that owns
//! time, both sides of the pipes and every fault, checked after every turn by a naive model.
//!
//! One number decides everything in a scenario. To repeat a seed that failed:
//!
//! ```text
//! HWM_SIM_SEED=123 cargo test --test sim one_seed -- --nocapture
//! ```
//!
//! It prints the scenario and every turn, and fails in the same place. Then add the seed to
//! `tests/sim/regressions.txt` with a word on what it found: it is run first from then on.
//! `HWM_SIM_SCENARIOS=N` sets how many scenarios the usual run takes, and a search for new
//! failures, from a seed that differs each time, lasts as long as it is told:
//!
//! ```text
//! HWM_SIM_SECONDS=600 cargo test --release --test sim search -- --nocapture
//! ```
//!
//! watchdog   for what never ends             bucket    the rate limit, naively
//! times      what the account must show of time
//! world      the simulated system        scenario   from a seed to a scenario
//! model      what must happen, naively   check      the one against the other
//!
//! The core alone, against the same model and with shrinking, is a target of tests/fuzz.

mod bucket;
mod check;
mod model;
mod pauses;
mod scenario;
mod times;
mod watchdog;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use scenario::Scenario;

/// Scenarios of the usual run.
const SCENARIOS: u64 = 100_000;

const REGRESSIONS: &str = include_str!("regressions.txt");

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a whole number"))
}

fn how_to_repeat(seed: u64) -> String {
    format!("HWM_SIM_SEED={seed} cargo test --test sim one_seed -- --nocapture")
}

/// Runs the scenario of `seed`; on failure says how to repeat it.
fn run(seed: u64, trace: bool) -> Result<check::Passed, String> {
    let scenario = Scenario::of(seed);
    let play = || catch_unwind(AssertUnwindSafe(|| check::run(&scenario, trace)));
    watchdog::watching(seed, play).map_err(|_| {
        let how = how_to_repeat(seed);
        format!("seed {seed} failed (see above); repeat it by\n  {how}")
    })
}

/// What a run of many scenarios saw.
#[derive(Default)]
struct Tally {
    turns: u64,
    lossy: u64,
    exits: BTreeMap<i32, u64>,
    roads: world::Roads,
}

/// Runs scenarios on all processors while `next` gives seeds; fails with the first that failed.
fn run_many(next: impl Fn() -> Option<u64> + Sync) -> Tally {
    let failed = AtomicBool::new(false);
    let work = || {
        let mut tally = Tally::default();
        while !failed.load(Ordering::Relaxed)
            && let Some(seed) = next()
        {
            match run(seed, false) {
                Ok(passed) => {
                    tally.turns += passed.turns;
                    tally.lossy += u64::from(passed.lost > 0);
                    tally.roads += passed.roads;
                    *tally.exits.entry(passed.exit).or_default() += 1;
                }
                Err(message) => {
                    failed.store(true, Ordering::Relaxed);
                    panic!("{message}");
                }
            }
        }
        tally
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let tallies: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut sum = Tally::default();
    for tally in tallies {
        let tally = tally.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        sum.turns += tally.turns;
        sum.lossy += tally.lossy;
        sum.roads += tally.roads;
        for (exit, count) in tally.exits {
            *sum.exits.entry(exit).or_default() += count;
        }
    }
    sum
}

#[test]
fn seeds_that_once_failed_pass() {
    for line in REGRESSIONS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let seed = line.split_whitespace().next().expect("a seed");
        run(seed.parse().expect("a whole number"), false)
            .unwrap_or_else(|message| panic!("{message}"));
    }
}

#[test]
fn many_scenarios_keep_every_invariant() {
    let scenarios = number("HWM_SIM_SCENARIOS").unwrap_or(SCENARIOS);
    let counter = AtomicU64::new(0);
    let started = Instant::now();
    let sum = run_many(|| {
        let seed = counter.fetch_add(1, Ordering::Relaxed);
        (seed < scenarios).then_some(seed)
    });
    println!(
        "{scenarios} scenarios in {:.1} s, {} turns, {} with losses, exits {:?}, {:?}",
        started.elapsed().as_secs_f64(),
        sum.turns,
        sum.lossy,
        sum.exits,
        sum.roads
    );
    // A simulator that never meets an ending, or takes a road, proves nothing about it.
    if scenarios >= SCENARIOS {
        for exit in [0, 1, 3, 4, 5, 6, 7, 129, 130, 141, 143] {
            assert!(
                sum.exits.contains_key(&exit),
                "no scenario ended with {exit}"
            );
        }
    }
    let roads = sum.roads;
    let all = roads.passed > 0 && roads.filled > 0 && roads.behind_pipes > 0;
    let all = all && roads.kept > 0 && roads.kept_written > 0;
    let all = all && roads.paused > 0 && roads.restarts > 0 && roads.readers > 0;
    let all = all && roads.redelivered > 0;
    let all = all && roads.left_unread > 0 && roads.given_back > 0 && roads.lost_ahead > 0;
    assert!(all || scenarios < 10_000, "a road was not taken: {roads:?}");
}

#[test]
fn one_seed() {
    if let Some(seed) = number("HWM_SIM_SEED") {
        println!("{:#?}", Scenario::of(seed));
        run(seed, true).unwrap_or_else(|message| panic!("{message}"));
    }
}

#[test]
fn search() {
    let Some(seconds) = number("HWM_SIM_SECONDS") else {
        return;
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let first = number("HWM_SIM_FROM").unwrap_or_else(|| {
        let since = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("a clock");
        since.as_nanos() as u64
    });
    let counter = AtomicU64::new(first);
    let sum = run_many(|| {
        let seed = counter.fetch_add(1, Ordering::Relaxed);
        (Instant::now() < end).then_some(seed)
    });
    let scenarios: u64 = sum.exits.values().sum();
    println!(
        "from seed {first}: {scenarios} scenarios, {} turns",
        sum.turns
    );
}
