//! Whole command lines: any words in any order give a configuration within its bounds, or one
//! line and the status 2.

use std::ffi::OsString;
use std::time::Duration;

use highwater::cli;
use highwater::config::display::Piece;
use highwater::config::{
    Amount, Config, LossLimit, MarkPiece, Observers, Policy, ReportMode, Sample,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fuzz;
use super::values::{TOKENS, anything};

/// Values that some option takes, and names that may be a FILE.
const VALUES: [&str; 35] = [
    "%20{bar-plain}",
    "%{sgr:red,1}%5A%",
    "shaded",
    "3",
    "1",
    "64k",
    "1.5M",
    "50%",
    "0%",
    "10M/s",
    "1/10",
    "adaptive",
    "first=10,then=5,per=1s",
    "reservoir=10/1s",
    "5s",
    "250ms",
    "1m 30s",
    "0.5",
    "7",
    "ok",
    "json",
    "none",
    "bar",
    "sample",
    "drop-oldest",
    "drop-buffer",
    "latest",
    "red",
    "priority",
    "ERROR|^$",
    "block",
    "fail",
    "@Cargo.toml",
    "Cargo.toml",
    "-",
];

/// An option as it is defined, with or without a value that may be its own.
fn option() -> impl Strategy<Value = Vec<String>> {
    let names: Vec<String> = cli::command()
        .get_arguments()
        .flat_map(|arg| {
            let short = arg.get_short().map(|letter| format!("-{letter}"));
            let long = arg.get_long().map(|name| format!("--{name}"));
            short.into_iter().chain(long)
        })
        .collect();
    (select(names), select(&VALUES[..]), 0..4).prop_map(|(name, value, form)| match form {
        0 => vec![name],
        1 => vec![name, value.into()],
        2 => vec![format!("{name}={value}")],
        _ => vec![format!("{name}{value}")],
    })
}

fn words() -> impl Strategy<Value = Vec<OsString>> {
    let words = prop_oneof![
        8 => option().prop_map(|words| words.into_iter().map(OsString::from).collect()),
        1 => "-[a-zA-Z0-9]{1,4}|--[a-z]{1,3}(-[a-z]{1,8})?".prop_map(|word| vec![word.into()]),
        1 => select(&VALUES[..]).prop_map(|word| vec![word.into()]),
        1 => select(&TOKENS[..]).prop_map(|word| vec![word.into()]),
        1 => anything().prop_map(|word| vec![word]),
    ];
    vec(words, 0..6).prop_map(|words| words.concat())
}

/// The message without prefix and hint.
#[track_caller]
pub fn expect_usage_error(exit: &cli::Exit) -> &str {
    assert_eq!((exit.status, exit.to_stdout), (2, false), "{}", exit.text);
    let text = exit.text.strip_prefix("hwm: ").expect("a name");
    let text = text.strip_suffix('\n').expect("a line");
    let message = text.strip_suffix("; try 'hwm --help'").unwrap_or(text);
    assert!(message != text || text.ends_with('?'), "{text:?}");
    assert!(!message.contains(char::is_control), "{message:?}");
    message
}

/// What `config.rs` promises of each field.
fn expect_bounds(config: &Config) {
    let relay = &config.relay;
    assert!(!config.sources.is_empty());
    assert!(relay.capacity >= 1);
    assert!(relay.low_water <= relay.high_water && relay.high_water <= relay.capacity);
    match relay.policy {
        Policy::Sample(Sample::Every(every)) => assert!(every >= 1),
        Policy::Priority => assert!(relay.classes.expressions().count() >= 1),
        Policy::Sample(Sample::Chance(chance)) => assert!((0.0..=1.0).contains(&chance)),
        Policy::Sample(Sample::First { per, .. }) => assert!(!per.is_zero()),
        Policy::Sample(Sample::Reservoir { keep, per }) => {
            assert!((1..=1_000_000).contains(&keep) && !per.is_zero());
        }
        Policy::Red { max_p } => assert!((0.0..=1.0).contains(&max_p)),
        _ => {}
    }
    match relay.fail_on_loss {
        Some(LossLimit::Records(records)) => assert!(records >= 1),
        Some(LossLimit::Percent(percent)) => assert!((0.0..=100.0).contains(&percent)),
        None => {}
    }
    for piece in relay.mark.iter().flat_map(|mark| &mark.0) {
        if let MarkPiece::Text(text) = piece {
            let end = relay.delimiters.find(text.as_bytes());
            assert!(end.is_none() && !text.is_empty());
        }
    }
    if let Some(rate) = relay.rate {
        let (Amount::Bytes(most) | Amount::Records(most)) = rate.per_second;
        assert!(most >= 1 && rate.burst >= 1);
    }
    assert!(!relay.keeps_lost || relay.count_records);
    let Observers {
        on_pressure,
        on_flow,
        on_respawn,
        lost_to,
        ..
    } = &config.observers;
    assert_eq!(relay.keeps_lost, lost_to.is_some());
    assert!(
        [on_pressure, on_flow, on_respawn]
            .into_iter()
            .flatten()
            .all(|words| !words.trim().is_empty())
    );
    assert!(config.report.interval >= Duration::from_millis(10));
    let screen = &config.report.screen;
    assert!(screen.width.is_none_or(|width| width >= 1));
    assert_eq!(
        screen.display.is_some(),
        config.report.mode == ReportMode::Pv
    );
    if let Some(display) = &screen.display {
        assert!(display.window >= 1);
        for piece in &display.pieces {
            assert!(!matches!(piece, Piece::Part { width, .. } if *width > Piece::WIDEST));
        }
    }
    if let Some(skips) = config.transfer.skip_errors {
        assert!(skips.block.is_none_or(|block| block >= 1));
    }
    let name = config.report.name.as_deref().unwrap_or_default();
    assert!(!name.contains(char::is_control));
}

fn check((words, terminal): (Vec<OsString>, bool)) {
    let parse = |first: &[&str]| {
        let first = first.iter().map(OsString::from);
        cli::parse(first.chain(words.iter().cloned()), terminal)
    };
    match parse(&["hwm"]) {
        Ok(config) => {
            expect_bounds(&config);
            let refused = parse(&["hwm", "-K"]).expect_err("an option of pv's to come");
            assert!(expect_usage_error(&refused).contains("pv's -K (--direct-io)"));
        }
        Err(exit) if exit.status == 0 => assert!(exit.to_stdout && !exit.text.is_empty()),
        Err(exit) => drop(expect_usage_error(&exit)),
    }
}

#[test]
fn command_lines() {
    fuzz("command_lines", (words(), any::<bool>()), check);
}
