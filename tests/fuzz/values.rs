//! The values of options: each becomes what the oracle says and changes nothing else of the
//! configuration, or is refused in one line that names its option. The parsers are private, so
//! they are driven by command lines, as users drive them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use highwater::classes::Classes;
use highwater::cli;
use highwater::config::{
    Amount, BrokenPipe, Config, NextConsumer, Policy, Rate, ReportMode, Sample, SkipErrors,
    StartFill,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::string::string_regex;

use super::command_line::expect_usage_error;
use super::{fuzz, oracle};

/// An option and what it does.
struct Kind {
    /// The option under test, behind what it depends on.
    words: &'static str,
    /// Values as users type them, and a little beyond.
    grammar: &'static str,
    /// The oracle: puts the value into a configuration, or refuses it.
    put: fn(&str, &mut Config) -> Option<()>,
}

const NUMBERS: &str = " ?([0-9]{0,3}|[0-9]{1,25})(\\.[0-9]{0,30})? ?\
                       (|%|k|K|m|M|g|G|t|T|KiB|MiB|GiB|TiB|kB|MB|GB|TB)(/s)?";
const SHARES: &str = "(1/)?([0-9]{1,3}|[0-9]{18,22})(\\.[0-9]{1,20})?%?|adaptive";
const WINDOWS: &str = "first=[0-9]{0,3},then=([0-9]|[0-9]{19,21}),per=[0-9]{1,3}(ms|s)?|\
                       reservoir=([0-9]{1,3}|100000[01])/[0-9]{1,3}(ms|s)";
const DURATIONS: &str = "([0-9]{0,3}|[0-9]{1,22})(\\.[0-9]{0,12})?( ?(|ns|us|µs|ms|s|sec|m|min|h|\
                         d|weeks|M|month|y) ?[0-9]{1,2})?( ?(|ns|us|ms|s|m|h|days|w|years))";
const NAMES: &str = "block|suspend|backpressure|drop-newest|drop-new|tail-drop|drop-oldest|\
                     drop-head|sample|fail|error|drop-latest|drop-tail|drop-buffer|latest|\
                     conflate|priority|red|signal|ok|drain|bar|plain|json|summary|none";
const TEXTS: &str = "([a-z]{0,3}(\\{\\{|\\}\\}|\\{(records|bytes|size)\\}|é|\u{2028}|\\n)){0,4}";

const REGEXES: &str =
    "(a|é|\\(|\\)|\\[a-c|\\]|\\*|\\{2|,3\\}|\\^|\\$|\\.|\\\\(d|x|n|p)|\\?|\n|-){0,6}";

const CHARS: &str = "([;| a]|é|\\\\[nrt0\\\\q]|\\\\x[0-9a-fA-Fg]{1,2}){0,4}";

const KINDS: [Kind; 38] = [
    kind("--buffer-size", NUMBERS, |text, config| {
        put_capacity(oracle::size(text)?, 100, config)
    }),
    kind(
        "--when-full sample --buffer-size",
        NUMBERS,
        |text, config| put_capacity(oracle::size(text)?, 80, config),
    ),
    kind("-B 1000 --high-water", NUMBERS, put_high_water),
    kind(
        "-B 18446744073709551615 --high-water",
        NUMBERS,
        put_high_water,
    ),
    kind("-B 9999999999 --low-water", NUMBERS, |text, config| {
        let relay = &mut config.relay;
        relay.low_water = oracle::watermark(text, relay.capacity)?;
        (relay.low_water <= relay.high_water).then_some(())
    }),
    kind("--when-full", NAMES, put_policy),
    kind("--when-full sample --sample", SHARES, |text, config| {
        config.relay.policy = Policy::Sample(oracle::sample(text)?);
        Some(())
    }),
    kind("--when-full sample --sample", WINDOWS, |text, config| {
        config.relay.policy = Policy::Sample(oracle::sample(text)?);
        Some(())
    }),
    kind("--when-full red --red-max", SHARES, |text, config| {
        config.relay.policy = Policy::Red {
            max_p: oracle::percent(text.strip_suffix('%')?)? / 100.0,
        };
        Some(())
    }),
    kind(
        "--priority a --when-full priority --priority",
        REGEXES,
        |text, config| {
            let mut regex = regex::bytes::RegexBuilder::new(text);
            let is_good = !text.is_empty() && regex.unicode(false).build().is_ok();
            let relay = &mut config.relay;
            relay.classes = Classes::new(&["a", text]).ok()?;
            relay.policy = Policy::Priority;
            is_good.then_some(())
        },
    ),
    kind("--seed", "[0-9]{1,22}", |text, config| {
        config.relay.seed = oracle::whole(text)?;
        Some(())
    }),
    kind("--mark", TEXTS, |text, config| {
        config.relay.mark = Some(oracle::mark(text, '\n')?);
        config.relay.count_records = true;
        Some(())
    }),
    kind("-0 --mark", TEXTS, |text, config| {
        config.relay.mark = Some(oracle::mark(text, '\0')?);
        Some(())
    }),
    kind("--delimiter", CHARS, |text, config| {
        config.relay.delimiters = oracle::delimiters(text)?;
        config.relay.count_records = true;
        Some(())
    }),
    kind("--fail-on-loss", SHARES, |text, config| {
        config.relay.fail_on_loss = Some(oracle::loss_limit(text)?);
        config.relay.count_records = true;
        Some(())
    }),
    kind("--rate-limit", NUMBERS, |text, config| {
        put_rate(oracle::rate(text)?, Amount::Bytes, config)
    }),
    kind("-l --rate-limit", NUMBERS, |text, config| {
        put_rate(oracle::rate(text)?, Amount::Records, config)
    }),
    kind("-L 10M --burst", NUMBERS, |text, config| {
        let rate = config.relay.rate.as_mut()?;
        rate.burst = oracle::size(text).filter(|burst| *burst > 0)?;
        Some(())
    }),
    kind("-S --size", NUMBERS, |text, config| {
        let size = oracle::size(text)?;
        let expected = (size > 0).then_some(Amount::Bytes(size));
        config.report.expected = expected;
        config.relay.stop_after = expected;
        Some(())
    }),
    kind("--block-timeout", DURATIONS, |text, config| {
        let timeout = oracle::duration(text).filter(|timeout| !timeout.is_zero());
        config.relay.block_timeout = Some(timeout?);
        Some(())
    }),
    kind(
        "--when-full drop-oldest --max-age",
        DURATIONS,
        |text, config| {
            let age = oracle::duration(text).filter(|age| !age.is_zero());
            config.relay.max_age = Some(age?);
            Some(())
        },
    ),
    kind("--buffer-records", NUMBERS, |text, config| {
        let records = oracle::size(text).filter(|records| *records > 0)?;
        config.relay.capacity_records = Some(records);
        Some(())
    }),
    kind("-B 1000 --start-fill", NUMBERS, |text, config| {
        let held = oracle::watermark(text, 1000)?;
        let timeout = Duration::from_secs(10);
        config.relay.start = (held > 0).then_some(StartFill { held, timeout });
        (held <= 1000).then_some(())
    }),
    kind(
        "-B 1000 --start-fill 9 --start-timeout",
        DURATIONS,
        |text, config| {
            let timeout = oracle::duration(text)?;
            config.relay.start = Some(StartFill { held: 9, timeout });
            Some(())
        },
    ),
    kind("--idle-timeout", DURATIONS, |text, config| {
        let timeout = oracle::duration(text).filter(|timeout| !timeout.is_zero());
        config.relay.idle_timeout = Some(timeout?);
        Some(())
    }),
    kind("--drain-timeout", DURATIONS, |text, config| {
        config.relay.drain_timeout = oracle::duration(text)?;
        Some(())
    }),
    kind("--interval", DURATIONS, |text, config| {
        config.report.interval = oracle::interval(text)?;
        Some(())
    }),
    kind("--delay-start", DURATIONS, |text, config| {
        config.report.screen.delay = oracle::seconds(text)?;
        Some(())
    }),
    kind("--width", NUMBERS, |text, config| {
        let text = text.trim_start_matches([' ', '\t']);
        let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let width = text.trim_start_matches('0');
        let width = if width.len() > 7 {
            1_000_000
        } else {
            width.parse().unwrap_or(0)
        };
        config.report.screen.width = (width > 0).then_some(width.min(1_000_000));
        is_whole.then_some(())
    }),
    kind("--error-skip-block", NUMBERS, |text, config| {
        let block = oracle::size(text)?;
        config.transfer.skip_errors = (block > 0).then_some(SkipErrors {
            tells_once: false,
            block: Some(block),
        });
        config.relay.splice &= block == 0;
        Some(())
    }),
    kind("--broken-pipe", NAMES, |text, config| {
        config.relay.broken_pipe = match text {
            "signal" => BrokenPipe::Signal,
            "ok" => BrokenPipe::Ok,
            "drain" => BrokenPipe::Drain,
            _ => return None,
        };
        Some(())
    }),
    kind("-M in --respawn", NUMBERS, |text, config| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let failures = text
            .parse()
            .ok()
            .filter(|failures| *failures > 0 && digits)?;
        put_respawn(DELAY, Some(failures), config);
        Some(())
    }),
    kind(
        "-M in --respawn --respawn-delay",
        DURATIONS,
        |text, config| {
            let delay = oracle::duration(text).filter(|delay| !delay.is_zero())?;
            put_respawn(delay, None, config);
            Some(())
        },
    ),
    kind("--report", NAMES, |text, config| {
        config.report.mode = match text {
            "bar" => ReportMode::Bar,
            "plain" => ReportMode::Plain,
            "json" => ReportMode::Json,
            "summary" => ReportMode::Summary,
            "none" => ReportMode::None,
            _ => return None,
        };
        Some(())
    }),
    kind("--on-pressure", TEXTS, |text, config| {
        config.observers.on_pressure = Some(text.into());
        text.chars().any(|c| !c.is_whitespace()).then_some(())
    }),
    kind("--on-flow", TEXTS, |text, config| {
        config.observers.on_flow = Some(text.into());
        text.chars().any(|c| !c.is_whitespace()).then_some(())
    }),
    kind("--on-respawn", TEXTS, |text, config| {
        config.observers.on_respawn = Some(text.into());
        text.chars().any(|c| !c.is_whitespace()).then_some(())
    }),
    kind("--name", TEXTS, |text, config| {
        config.report.name = Some(text.into());
        (!text.chars().any(char::is_control)).then_some(())
    }),
];

const fn kind(
    words: &'static str,
    grammar: &'static str,
    put: fn(&str, &mut Config) -> Option<()>,
) -> Kind {
    Kind {
        words,
        grammar,
        put,
    }
}

/// `percent` of `whole`, rounded down.
fn share(whole: u64, percent: u128) -> u64 {
    (u128::from(whole) * percent / 100) as u64
}

fn put_capacity(capacity: u64, high: u128, config: &mut Config) -> Option<()> {
    let relay = &mut config.relay;
    relay.capacity = capacity;
    // At least 1, or an empty relay would be pressured.
    relay.high_water = share(capacity, high).max(1);
    relay.low_water = share(relay.high_water, 75);
    (capacity > 0).then_some(())
}

fn put_high_water(text: &str, config: &mut Config) -> Option<()> {
    let relay = &mut config.relay;
    relay.high_water = oracle::watermark(text, relay.capacity)?;
    relay.low_water = share(relay.high_water, 75);
    (relay.high_water <= relay.capacity).then_some(())
}

fn put_policy(text: &str, config: &mut Config) -> Option<()> {
    let (policy, high) = match text {
        "block" | "suspend" | "backpressure" => (Policy::Block, 100),
        "drop-newest" | "drop-new" | "tail-drop" => (Policy::DropNewest, 100),
        "drop-oldest" | "drop-head" => (Policy::DropOldest, 100),
        "drop-buffer" => (Policy::DropBuffer, 100),
        "latest" | "conflate" => (Policy::Latest, 100),
        "red" => (Policy::Red { max_p: 0.1 }, 80),
        "sample" => (Policy::Sample(Sample::Adaptive), 80),
        "fail" | "error" => (Policy::Fail, 100),
        _ => return None,
    };
    config.relay.policy = policy;
    put_capacity(
        if policy.is_lossy() { 16 << 20 } else { 4 << 20 },
        high,
        config,
    )
}

fn put_rate(number: u64, unit: fn(u64) -> Amount, config: &mut Config) -> Option<()> {
    config.relay.rate = (number > 0).then(|| Rate {
        per_second: unit(number),
        burst: (number / 10).max(1),
    });
    Some(())
}

// ---- what is typed --------------------------------------------------------------------------

/// Where numbers, words and rules end; whole values of some options are wrong for others.
pub const TOKENS: [&str; 65] = [
    "",
    "0",
    "1",
    "9",
    "10",
    "100",
    "99.99",
    "1.5",
    "0.1",
    ".5",
    "1.",
    "00",
    "-1",
    "+1",
    "1e3",
    "0x1",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551.615kB",
    "16777215.9999999999999999T",
    "16777216T",
    "18014398509481984k",
    "340282366920938463463374607431768211456",
    "0.0000000001s",
    "3155760000s",
    "3155760001s",
    "36525days",
    "100years",
    "%",
    "/s",
    "1/",
    "/",
    ".",
    ",",
    "-",
    "--",
    "=",
    " ",
    "\t",
    "k",
    "m",
    "M",
    "T",
    "B",
    "KiB",
    "kB",
    "ms",
    "s",
    "adaptive",
    "inf",
    "nan",
    "first=1",
    ",then=2",
    ",per=",
    "reservoir=1",
    "{records}",
    "{size",
    "{",
    "}",
    "é",
    "µs",
    "٣",
    "\n",
    "\u{1b}[2J",
    "\u{feff}",
];

#[derive(Debug, Clone)]
enum Edit {
    Remove,
    Double,
    Insert(&'static str),
}

fn edits() -> impl Strategy<Value = Vec<(Index, Edit)>> {
    let edit = prop_oneof![
        Just(Edit::Remove),
        Just(Edit::Double),
        select(&TOKENS[..]).prop_map(Edit::Insert),
    ];
    prop_oneof![2 => Just(Vec::new()), 1 => vec((any::<Index>(), edit), 1..4)]
}

fn edited(text: &str, edits: &[(Index, Edit)]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for (index, edit) in edits {
        let at = index.index(letters.len() + 1);
        match edit {
            Edit::Insert(token) => drop(letters.splice(at..at, token.chars())),
            Edit::Remove if at < letters.len() => drop(letters.remove(at)),
            Edit::Double if at < letters.len() => letters.insert(at, letters[at]),
            Edit::Remove | Edit::Double => {}
        }
    }
    letters.into_iter().collect()
}

/// A value by `grammar`, or anything else, a little broken or not.
fn text(grammar: &'static str) -> impl Strategy<Value = OsString> {
    let by_grammar = string_regex(grammar).expect("a grammar");
    // Parsers of numbers differ in the signs, blanks and zeros that they let pass.
    let prefix = prop_oneof![16 => Just(""), 4 => select(&["+", "-", " ", "0"][..])];
    let base = prop_oneof![
        6 => (prefix, by_grammar).prop_map(|(prefix, text)| format!("{prefix}{text}")),
        2 => vec(select(&TOKENS[..]), 0..5).prop_map(|tokens| tokens.concat()),
        1 => vec(any::<char>(), 0..12).prop_map(String::from_iter),
    ];
    prop_oneof![
        12 => (base, edits()).prop_map(|(base, edits)| edited(&base, &edits).into()),
        1 => anything(),
    ]
}

/// Bytes that need not be text.
pub fn anything() -> impl Strategy<Value = OsString> {
    vec(any::<u8>(), 0..8).prop_map(OsString::from_vec)
}

const DELAY: Duration = Duration::from_millis(100);

fn put_respawn(delay: Duration, most_failures: Option<u64>, config: &mut Config) {
    config.relay.next_consumer = Some(NextConsumer::Started {
        delay,
        most_failures,
    });
    if let Some(command) = &mut config.transfer.command {
        command.respawns = true;
    }
}

fn typed() -> impl Strategy<Value = (&'static str, OsString)> {
    let kinds = KINDS.iter().map(|kind| {
        let words = kind.words;
        text(kind.grammar)
            .prop_map(move |text| (words, text))
            .boxed()
    });
    proptest::strategy::Union::new(kinds)
}

// ---- what comes of it -----------------------------------------------------------------------

fn parse(words: &str, more: Vec<OsString>) -> Result<Config, cli::Exit> {
    // A FILE without a size, whatever stdin is, and a fixed seed: every difference has a cause.
    let words = ["hwm", "/dev/null", "--seed=1"]
        .into_iter()
        .chain(words.split_whitespace());
    cli::parse(words.map(OsString::from).chain(more), false)
}

fn check((words, value): (&str, OsString)) {
    let kind = KINDS.iter().find(|kind| kind.words == words);
    let put = kind.expect("a kind").put;
    let (context, option) = words.rsplit_once(' ').unwrap_or(("", words));
    let mut expected = parse(context, Vec::new()).expect(context);
    let expected = value
        .to_str()
        .and_then(|text| put(text, &mut expected))
        .map(|()| expected);

    let mut word = OsString::from(option);
    word.push("=");
    word.push(&value);
    let found = parse(context, vec![word]);
    // Some take a value only behind '=', some none there that looks like an option.
    let is_attached = match option {
        "--mark" | "--fail-on-loss" | "--respawn" => true,
        "--broken-pipe" | "--report" => value.as_encoded_bytes().starts_with(b"-"),
        _ => false,
    };
    if !is_attached {
        assert_eq!(parse(words, vec![value.clone()]), found, "in two words");
    }
    match (found, expected) {
        (Ok(found), expected) => assert_eq!(Some(found), expected),
        (Err(exit), None) => {
            let message = expect_usage_error(&exit);
            let names = message.contains(option) || value.to_str().is_none();
            assert!(names, "{message} does not name {option}");
        }
        (Err(exit), Some(_)) => panic!("refused: {}", exit.text),
    }
}

#[test]
fn values() {
    fuzz("values", typed(), check);
}

#[test]
fn a_seed_has_no_sign() {
    check(("--seed", "+0".into()));
}
