//! Whatever a user may type and whatever may come down a pipe, drawn at random and shrunk when it
//! fails. Nothing may panic, and what comes of it must be what a naive oracle says.
//!
//! The targets share three seconds. A longer search, as CI makes it:
//!
//! ```text
//! HWM_FUZZ_SECONDS=30 cargo test --test fuzz -- --nocapture
//! ```
//!
//! Every run begins at another seed. A failure prints the shrunk input and the command that repeats
//! it. Then the input becomes a test with a name, at the end of the target's file.
//!
//! values         one option's value        oracle     what it must come to, on paper
//! command_line   whole command lines       relay      framing and queue, by the simulator's model
//! rendering      reports of any account

mod command_line;
#[path = "../sim/model.rs"]
#[allow(dead_code, reason = "the simulator uses all of it")]
mod model;
mod oracle;
mod relay;
mod rendering;
mod values;

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

/// Seconds of the usual run, for all targets together.
const SECONDS: u64 = 3;

const TARGETS: u32 = 4;

/// Cases drawn from one seed: few enough that to repeat them takes no time.
const CASES: u32 = 64;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a whole number"))
}

/// Draws inputs and checks them until the target's time is up, or those of the one seed that was
/// given back. `check` panics where something is wrong.
fn fuzz<S: Strategy>(target: &str, inputs: S, check: impl Fn(S::Value))
where
    S::Value: Clone + Debug,
{
    let started = Instant::now();
    let repeated = number("HWM_FUZZ_SEED");
    let first = repeated.unwrap_or_else(|| {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
        since.as_nanos() as u64
    });
    let time = Duration::from_secs(number("HWM_FUZZ_SECONDS").unwrap_or(SECONDS)) / TARGETS;
    let mut seed = first;
    loop {
        run(target, seed, &inputs, &check);
        seed += 1;
        if repeated.is_some() || started.elapsed() >= time {
            break;
        }
    }
    println!(
        "{target}: {} cases from seed {first} in {:.1} s",
        (seed - first) * u64::from(CASES),
        started.elapsed().as_secs_f64()
    );
}

fn run<S: Strategy>(target: &str, seed: u64, inputs: &S, check: &impl Fn(S::Value))
where
    S::Value: Clone + Debug,
{
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 10_000,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(inputs, |input| {
        check(input);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
        Err(TestError::Fail(reason, input)) => {
            println!(
                "seed {seed} failed; repeat it by\n  \
                 HWM_FUZZ_SEED={seed} cargo test --test fuzz {target}\nshrunk to {input:#?}"
            );
            // Once more for the place in the code, which proptest keeps to itself.
            check(input);
            panic!("it failed only once: {reason}");
        }
    }
}
