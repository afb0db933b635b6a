//! Random accounts: no line for people is ever wider than it may be, or two lines.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::closing::Closing;
use super::display::parts::{visible, without_codes};
use super::display::{Abilities, Renderer};
use super::testing::{config, quiet};
use super::{painter, summary};
use crate::config::{Amount, ReportConfig, ReportMode};
use crate::core::account::{Reason, Tally};
use crate::core::ending::Ending;
use crate::core::loss::dead_letters::DeadLetterCount;
use crate::core::snapshot::{Bottleneck, Snapshot, State};

/// Small, large and of any length.
fn number() -> impl Strategy<Value = u64> {
    // So many that no sum of them overflows.
    (0_u32..59, any::<u64>()).prop_map(|(bits, any)| any & ((1 << bits) - 1))
}

fn tally() -> impl Strategy<Value = Tally> {
    (number(), number()).prop_map(|(bytes, records)| Tally { bytes, records })
}

fn time() -> impl Strategy<Value = Duration> {
    number().prop_map(Duration::from_millis)
}

fn ending() -> impl Strategy<Value = (Option<i32>, Option<Ending>)> {
    prop::sample::select(vec![
        (None, None),
        (Some(0), Some(Ending::EndOfInput)),
        (Some(3), Some(Ending::EndOfInput)),
        (Some(4), Some(Ending::Overflow)),
        (Some(5), Some(Ending::Stalled)),
        (Some(6), Some(Ending::Idle)),
        (Some(143), Some(Ending::Signal(15))),
        (Some(141), Some(Ending::BrokenPipe)),
        (Some(1), Some(Ending::Failed)),
    ])
}

/// What need not make sense as a run.
fn account() -> impl Strategy<Value = Snapshot> {
    let amounts = (tally(), tally(), tally(), tally(), number(), any::<bool>());
    let lost = prop::collection::vec(
        prop_oneof![Just(Tally::default()), tally()],
        Reason::ALL.len(),
    );
    let times = [time(), time(), time(), time(), time(), time()];
    let others = (number(), number(), any::<bool>(), 0..4_usize, ending());
    (amounts, lost, times, others).prop_map(|(amounts, lost, times, others)| {
        let mut now = quiet();
        (
            now.input,
            now.output,
            now.held,
            now.marks,
            now.capacity,
            now.counts_records,
        ) = amounts;
        let [elapsed, input, output, rate, pressured, stall] = times;
        now.elapsed = elapsed;
        (now.wait_input, now.wait_output, now.wait_rate) = (input, output, rate);
        (now.pressured, now.longest_stall, now.busy) = (pressured, stall, stall);
        for (reason, tally) in Reason::ALL.into_iter().zip(lost) {
            now.lost[reason] = tally;
        }
        let (episodes, unread, is_pressured, side, (exit, ending)) = others;
        (now.pressure_episodes, now.loss_episodes) = (episodes, episodes);
        now.seen.unread = unread;
        (now.high_water, now.low_water) = (now.capacity / 2, now.capacity / 3);
        (now.peak_held, now.recent_peak_held) = (now.held.bytes, now.held.bytes);
        if is_pressured {
            now.state = State::Pressured;
            now.dead_letters = Some(DeadLetterCount {
                written: now.marks,
                unwritten: now.held,
            });
        }
        now.bottleneck = [
            Bottleneck::None,
            Bottleneck::Producer,
            Bottleneck::Consumer,
            Bottleneck::RateLimit,
        ][side];
        (now.exit, now.ending) = (exit, ending);
        now
    })
}

fn settings() -> impl Strategy<Value = ReportConfig> {
    let name = prop::option::of("\\PC{0,40}");
    (
        name,
        any::<bool>(),
        prop::option::of(number()),
        any::<bool>(),
    )
        .prop_map(|(name, records, expected, statistics)| ReportConfig {
            name,
            records,
            expected: expected.map(match records {
                true => Amount::Records,
                false => Amount::Bytes,
            }),
            statistics,
            ..config()
        })
}

fn assert_fits(line: &str, width: usize) {
    assert!(visible(line) <= width, "{width} columns: {line:?}");
    assert!(!without_codes(line).contains(char::is_control), "{line:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_summary_are_wider_than_80_columns_or_the_terminal(
        now in account(), config in settings(), dropped in number(), width in 0..200_usize,
    ) {
        let closing = Closing {
            dropped,
            untold_events: now.loss_episodes,
            ..Closing::default()
        };
        let lines = [
            summary::lines(&now, &config, &closing, width),
            summary::of_losses(&now, &config, &closing, width),
            summary::running(&now, &config, width),
            Vec::from_iter(summary::loss(&now, &config, width)),
        ];
        for line in lines.iter().flatten() {
            assert_fits(line, width.min(80));
        }
        let without_loss = Snapshot { lost: Default::default(), ..now };
        let brief = ReportConfig { statistics: false, ..config };
        prop_assert_eq!(summary::lines(&without_loss, &brief, &closing, width).len(), 1);
    }

    #[test]
    fn no_live_line_is_wider_than_its_terminal(
        run in prop::collection::vec(account(), 1..6), config in settings(),
        width in 0..200_usize, utf8 in any::<bool>(), paint in any::<bool>(),
    ) {
        let config = ReportConfig { mode: ReportMode::Bar, ..config };
        let mut renderer = Renderer::of(&config, Abilities { utf8, colour: paint, paint }).unwrap();
        let mut run = run;
        run.sort_by_key(|now| now.elapsed);
        for now in run {
            let line = renderer.line(&now, &config, width, false, SystemTime::UNIX_EPOCH);
            assert_fits(&painter::text(&line, width), width);
        }
    }
}
