//! The real binary on the real system, tortured: random policies, sizes, delimiters, kinds of streams
//! and write sizes; producers and consumers, each a process, that stall, stop and die; hwm stopped,
//! continued, asked, terminated and killed at random moments. Numbered, checksummed records tell
//! what happened, and the summary must agree with what this harness counted itself.
//!
//! A round follows from its seed but for the system's timing. Every run takes other seeds, for ten
//! seconds. The long run, and one round again and again:
//!
//! ```text
//! HWM_TORTURE_SECONDS=600 cargo test --test torture -- --nocapture
//! HWM_TORTURE_SEED=123 cargo test --test torture -- --nocapture
//! ```
//!
//! round     from a seed to a round          records    what goes in
//! streams   what hwm inherits               peers      the producer's and the consumer's process
//! play      the round itself                check      what must be true of it

#[path = "../common/mod.rs"]
mod common;

mod check;
mod peers;
mod play;
mod records;
mod round;
mod streams;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use round::Round;

/// Seconds of the usual run.
const SECONDS: u64 = 10;

/// Rounds under way at a time: mostly they sleep, and a busy machine finds more.
const AT_A_TIME: usize = 2;

/// The seed of a round to repeat.
const SEED: &str = "HWM_TORTURE_SEED";

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a whole number"))
}

/// Past the capture of `cargo test`: what a passing run did should be known as well.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "torture: {line}");
}

/// Says how to repeat a round when that fails.
struct Blame<'a> {
    round: &'a Round,
    failed: &'a AtomicBool,
}

impl Drop for Blame<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failed.store(true, Ordering::Relaxed);
            let (round, seed) = (self.round, self.round.seed);
            eprintln!("in {round:#?}");
            say(&format!(
                "failed; repeat it by\n  {SEED}={seed} cargo test --test torture -- --nocapture"
            ));
        }
    }
}

#[test]
fn random_rounds_leave_nothing_unexplained() {
    let seconds = number("HWM_TORTURE_SECONDS").unwrap_or(SECONDS);
    let only = number(SEED);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
    let first = only.unwrap_or(now.as_micros() as u64);
    say(&format!("{seconds} s, from seed {first}"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let (rounds, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while Instant::now() < end && !failed.load(Ordering::Relaxed) {
                    let count = rounds.fetch_add(1, Ordering::Relaxed);
                    let round = &Round::of(only.unwrap_or(first + count));
                    let failed = &failed;
                    let _blame = Blame { round, failed };
                    let source = records::source(round);
                    check::check(round, &source, &play::play(round, &source));
                }
            });
        }
    });
    say(&format!("{} rounds", rounds.into_inner()));
}
