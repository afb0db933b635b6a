//! Whole command lines: what they become, and the one line that each wrong one gets.

use std::time::Duration;

use super::*;
use crate::config::display::{BarStyle, Display, Part, Piece};
use crate::config::{
    Amount, BrokenPipe, LINGER, LossLimit, Mark, MarkPiece, NextConsumer, Observers, Policy, Rate,
    ReportMode, Sample, Sink, Source, StartFill, TransferConfig,
};
use crate::delimiters::Delimiters;

/// Words separated by blanks, without the program's name.
fn parse_line(line: &str, terminal: bool) -> Result<Config, Exit> {
    let words = std::iter::once("hwm").chain(line.split_whitespace());
    parse(words.map(OsString::from), terminal)
}

/// With stdin as a FILE of unknown size, whatever the tests' own stdin is.
fn config(line: &str) -> Config {
    match parse_line(&format!("{line} /dev/null"), false) {
        Ok(config) => config,
        Err(exit) => panic!("{line}: {}", exit.text),
    }
}

/// The line without prefix and hint, which every one has.
fn error(line: &str) -> String {
    let exit = parse_line(line, false).expect_err(line);
    assert_eq!((exit.status, exit.to_stdout), (2, false), "{line}");
    assert_eq!(exit.text.lines().count(), 1, "{line}: {}", exit.text);
    let text = exit.text.trim_end();
    let message = text.strip_suffix("; try 'hwm --help'").unwrap_or(text);
    assert_eq!(message == text, text.ends_with('?'), "{text}");
    let message = message.strip_prefix("hwm: ");
    message.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn the_definition_is_sound() {
    unbuilt::teach(command()).debug_assert();
}

#[test]
fn without_options_it_blocks_with_4_mebibytes() {
    let config = config("");
    assert_eq!(config.sources, [Source::File("/dev/null".into())]);
    let relay = &config.relay;
    assert_eq!(relay.capacity, 4 << 20);
    assert_eq!(relay.high_water, 4 << 20);
    assert_eq!(relay.low_water, 3 << 20);
    assert_eq!(relay.delimiters, Delimiters::NEWLINE);
    assert_eq!(relay.policy, Policy::Block);
    assert!(!relay.count_records && !relay.keeps_lost);
    assert_eq!(relay.block_timeout, None);
    assert_eq!(relay.linger, LINGER);
    assert_eq!(relay.capacity_records, None);
    assert_eq!(relay.then, None);
    assert_eq!(relay.max_age, None);
    assert_eq!(relay.start, None);
    assert!(!relay.on_demand);
    assert_eq!(relay.idle_timeout, None);
    assert_eq!(relay.drain_timeout, Duration::from_secs(2));
    assert_eq!(relay.broken_pipe, BrokenPipe::Signal);
    assert_eq!(relay.fail_on_loss, None);
    assert_eq!(relay.mark, None);
    assert_eq!(relay.rate, None);
    assert_eq!(relay.stop_after, None);
    let report = &config.report;
    assert_eq!(report.mode, ReportMode::Summary);
    assert_eq!(report.to, None);
    assert_eq!(report.interval, Duration::from_secs(1));
    assert_eq!(report.name, None);
    assert_eq!(report.expected, None);
    assert!(!report.records && !report.statistics);
    assert_eq!(config.observers, Observers::default());
}

#[test]
fn every_policy_has_its_names_and_its_defaults() {
    const MI: u64 = 1 << 20;
    for (names, policy, capacity, high) in [
        (
            &["block", "suspend", "backpressure"][..],
            Policy::Block,
            4 * MI,
            4 * MI,
        ),
        (
            &["drop-newest", "drop-new", "tail-drop"],
            Policy::DropNewest,
            16 * MI,
            16 * MI,
        ),
        (
            &["drop-oldest", "drop-head"],
            Policy::DropOldest,
            16 * MI,
            16 * MI,
        ),
        (&["drop-buffer"], Policy::DropBuffer, 16 * MI, 16 * MI),
        (&["latest", "conflate"], Policy::Latest, 16 * MI, 16 * MI),
        (
            &["sample"],
            Policy::Sample(Sample::Adaptive),
            16 * MI,
            16 * MI * 80 / 100,
        ),
        (
            &["red"],
            Policy::Red { max_p: 0.1 },
            16 * MI,
            16 * MI * 80 / 100,
        ),
        (&["priority"], Policy::Priority, 16 * MI, 16 * MI * 80 / 100),
        (&["fail", "error"], Policy::Fail, 4 * MI, 4 * MI),
    ] {
        for name in names {
            for option in ["--when-full", "--overflow", "--policy"] {
                let classes = match policy {
                    Policy::Priority => "--priority ERROR",
                    _ => "",
                };
                let relay = config(&format!("{option} {name} {classes}")).relay;
                assert_eq!(relay.policy, policy, "{name}");
                assert_eq!(relay.capacity, capacity, "{name}");
                assert_eq!(relay.high_water, high, "{name}");
                assert_eq!(relay.low_water, high * 75 / 100, "{name}");
            }
        }
    }
}

#[test]
fn watermarks_follow_the_capacity_and_each_other() {
    for (line, capacity, high, low) in [
        ("-B 1000", 1000, 1000, 750),
        ("-B 1000 --high-water 500", 1000, 500, 375),
        ("-B 1000 --high-water 50% --low-water 10%", 1000, 500, 100),
        ("-B 1000 --low-water 100%", 1000, 1000, 1000),
        ("-B 1000 --high-water 0", 1000, 0, 0),
        ("-B 1000 --low-water 0", 1000, 1000, 0),
        ("-B 1", 1, 1, 0),
        ("-B 1 --when-full sample", 1, 1, 0),
        ("-B 1 --when-full red", 1, 1, 0),
        (
            "-B 18446744073709551615",
            u64::MAX,
            u64::MAX,
            13_835_058_055_282_163_711,
        ),
    ] {
        let relay = config(line).relay;
        let found = (relay.capacity, relay.high_water, relay.low_water);
        assert_eq!(found, (capacity, high, low), "{line}");
    }
}

#[test]
fn each_option_arrives_in_the_configuration() {
    let relay = config(
        "--when-full sample --sample 1/10 --seed 7 --mark=x{bytes} --fail-on-loss=0.5% \
         --idle-timeout 1m --idle-ok --drain-timeout 0 --broken-pipe ok",
    )
    .relay;
    assert_eq!(relay.policy, Policy::Sample(Sample::Every(10)));
    assert_eq!(relay.seed, 7);
    let pieces = vec![MarkPiece::Text("x".into()), MarkPiece::Bytes];
    assert_eq!(relay.mark, Some(Mark(pieces)));
    assert_eq!(relay.fail_on_loss, Some(LossLimit::Percent(0.5)));
    assert_eq!(relay.idle_timeout, Some(Duration::from_secs(60)));
    assert_eq!(relay.drain_timeout, Duration::ZERO);
    assert_eq!(relay.broken_pipe, BrokenPipe::Ok);
    assert!(relay.idle_ok);
    let relay = config("--broken-pipe drain --idle-timeout 1s").relay;
    assert_eq!(relay.broken_pipe, BrokenPipe::Drain);
    assert!(!relay.idle_ok && !relay.count_records);
    for option in ["-l", "-0", "--mark", "--fail-on-loss", "--lost-to x"] {
        assert!(config(option).relay.count_records, "{option}");
    }
    assert_eq!(
        config("--when-full red --red-max 2.5%").relay.policy,
        Policy::Red { max_p: 0.025 }
    );
    assert_eq!(
        config("--block-timeout 5s").relay.block_timeout,
        Some(Duration::from_secs(5))
    );

    let relay =
        config("--block-timeout 5s --then sample --sample 5% --start-fill 50% --start-timeout 3s")
            .relay;
    assert_eq!(relay.then, Some(Policy::Sample(Sample::Chance(0.05))));
    let start = StartFill {
        held: 2 << 20,
        timeout: Duration::from_secs(3),
    };
    assert_eq!(relay.start, Some(start));
    assert_eq!(config("--start-fill 0").relay.start, None);
    let relay = config("--buffer-records 10k").relay;
    assert_eq!(relay.capacity_records, Some(10_240));
    let relay = config("--when-full drop-oldest --max-age 90s").relay;
    assert_eq!(relay.max_age, Some(Duration::from_secs(90)));
    let pulled = config("--demand /dev/fd/3");
    assert_eq!(pulled.demand, Some("/dev/fd/3".into()));
    assert!(pulled.relay.on_demand);

    let report = config("-i 0.5 -N log -v --report-to /tmp/x").report;
    assert_eq!(report.interval, Duration::from_millis(500));
    assert_eq!(report.name.as_deref(), Some("log"));
    assert_eq!(report.to, Some("/tmp/x".into()));
    assert!(report.statistics);

    let observers =
        config("--events e --on-pressure p --on-flow -f --on-respawn r --lost-to l").observers;
    let expected = Observers {
        events: Some("e".into()),
        on_pressure: Some("p".into()),
        on_flow: Some("-f".into()),
        on_respawn: Some("r".into()),
        lost_to: Some("l".into()),
    };
    assert_eq!(observers, expected);
    let config = config("--lost-to l");
    assert!(config.relay.keeps_lost && config.relay.count_records && !config.report.records);
}

#[test]
fn a_command_that_is_started_again_is_known_to_both_sides() {
    let parsed = config("--respawn=5 --respawn-delay 2s -M in -- cat");
    let next = NextConsumer::Started {
        delay: Duration::from_secs(2),
        most_failures: Some(5),
    };
    assert_eq!(parsed.relay.next_consumer, Some(next));
    assert!(parsed.transfer.command.unwrap().respawns);
    let bare = NextConsumer::Started {
        delay: Duration::from_millis(100),
        most_failures: None,
    };
    assert_eq!(
        config("--respawn -M in -- cat").relay.next_consumer,
        Some(bare)
    );
    let parsed = config("-M in -- cat");
    assert_eq!(parsed.relay.next_consumer, None);
    assert!(!parsed.transfer.command.unwrap().respawns);
}

#[test]
fn a_bare_mark_and_a_bare_loss_limit_have_defaults() {
    let relay = config("--mark --fail-on-loss").relay;
    assert_eq!(relay.mark, mark::parse(mark::DEFAULT).ok());
    assert_eq!(relay.fail_on_loss, Some(LossLimit::Records(1)));
}

#[test]
fn a_time_between_marks_implies_marks() {
    let every = |line: &str| {
        let relay = config(line).relay;
        (relay.mark, relay.mark_every)
    };
    let (ten, default) = (Some(Duration::from_secs(10)), mark::parse(mark::DEFAULT));
    assert_eq!(every("--mark-every 10s"), (default.ok(), ten));
    let own = (mark::parse("x").ok(), ten);
    assert_eq!(every("--mark-every 10s --mark=x"), own);
    assert_eq!(every("--mark").1, None);
    assert_eq!(
        error("--mark-every 0s"),
        "invalid value '0s' for --mark-every: it must be longer than 0"
    );
}

#[test]
fn options_of_lossy_policies_are_accepted_with_block_as_well() {
    for line in ["--mark", "--fail-on-loss=5%", "--seed 1", "-S"] {
        config(line);
    }
}

#[test]
fn a_mark_may_hold_a_newline_where_records_end_with_nul() {
    let args = |delimiter: &str| {
        let words = ["hwm", delimiter, "--mark=a\nb"];
        parse(words.map(OsString::from), false)
    };
    assert!(args("-0").is_ok());
    assert_eq!(
        args("-l").unwrap_err().text,
        "hwm: the text of --mark has a newline in it, but must be one record; try 'hwm --help'\n"
    );
}

#[test]
fn line_mode_turns_amounts_into_records() {
    for (line, delimiter) in [("-l", b'\n'), ("-0", 0), ("-l0", 0)] {
        let config = config(&format!("{line} -L 30 -s 2k -S"));
        assert_eq!(
            config.relay.delimiters,
            Delimiters::One(delimiter),
            "{line}"
        );
        assert!(config.relay.count_records && config.report.records);
        let rate = Rate {
            per_second: Amount::Records(30),
            burst: 3,
        };
        assert_eq!(config.relay.rate, Some(rate));
        assert_eq!(config.relay.stop_after, Some(Amount::Records(2048)));
        assert_eq!(config.report.expected, Some(Amount::Records(2048)));
    }
    // Files are read twice only for a display that needs to know.
    let expected = |line| parse_line(line, false).unwrap().report.expected;
    assert_eq!(expected("-l Cargo.toml"), None);
    assert_eq!(expected("-lfb Cargo.toml"), None);
    let lines = include_str!("../../Cargo.toml").lines().count() as u64;
    for line in ["-lfp Cargo.toml", "-ln Cargo.toml", "-lf -F %e Cargo.toml"] {
        assert_eq!(expected(line), Some(Amount::Records(lines)), "{line}");
        // What was counted for the display says nothing of where the input ends.
        let stops = format!("-S {line}");
        let relay = parse_line(&stops, false).unwrap().relay;
        assert_eq!(relay.stop_after, None, "{stops}");
    }
}

#[test]
fn the_burst_is_a_tenth_of_a_second_unless_given() {
    for (line, per_second, burst) in [
        ("-L 10M", 10 << 20, 1 << 20),
        ("-L 9", 9, 1),
        ("-L 10M/s --burst 7", 10 << 20, 7),
    ] {
        let rate = Rate {
            per_second: Amount::Bytes(per_second),
            burst,
        };
        assert_eq!(config(line).relay.rate, Some(rate), "{line}");
    }
}

#[test]
fn the_expected_size_is_given_or_that_of_the_files() {
    let size = std::fs::metadata("Cargo.toml").unwrap().len();
    for (line, bytes) in [
        ("-s 10 Cargo.toml", Some(10)),
        ("Cargo.toml", Some(size)),
        ("Cargo.toml Cargo.toml", Some(2 * size)),
        ("-s 0 Cargo.toml", Some(size)),
        ("-s @Cargo.toml /dev/null", Some(size)),
        ("Cargo.toml /dev/null", None),
        ("Cargo.toml does-not-exist", None),
    ] {
        for (flag, stops) in [("", false), ("-S ", true)] {
            let config = parse_line(&format!("{flag}{line}"), false).unwrap();
            let expected = bytes.map(Amount::Bytes);
            assert_eq!(config.report.expected, expected, "{line}");
            let stop_after = expected.filter(|_| stops);
            assert_eq!(config.relay.stop_after, stop_after, "{flag}{line}");
        }
    }
}

#[test]
fn a_dash_is_stdin_and_after_two_dashes_all_are_files() {
    let sources = |line| parse_line(line, false).unwrap().sources;
    assert_eq!(sources(""), [Source::Stdin]);
    assert_eq!(
        sources("a - b -l"),
        [
            Source::File("a".into()),
            Source::Stdin,
            Source::File("b".into())
        ]
    );
    assert_eq!(sources("-- -l"), [Source::File("-l".into())]);
}

#[test]
fn file_names_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let name = OsString::from_vec(b"a\xff".to_vec());
    let config = parse([OsString::from("hwm"), name.clone()], false).unwrap();
    assert_eq!(config.sources, [Source::File(name.into())]);
}

#[test]
fn the_last_of_several_counts() {
    let config =
        config("-B 1k -B 2k -l -l --when-full fail --overflow drop-oldest --mark=a --mark=b");
    assert_eq!(config.relay.capacity, 2048);
    assert_eq!(config.relay.policy, Policy::DropOldest);
    assert_eq!(config.relay.mark, mark::parse("b").ok());
}

#[test]
fn the_report_depends_on_the_terminal_unless_told() {
    for (line, on_terminal, elsewhere) in [
        ("", ReportMode::Bar, ReportMode::Summary),
        ("-f", ReportMode::Bar, ReportMode::Bar),
        ("-q", ReportMode::None, ReportMode::None),
        ("-fq", ReportMode::None, ReportMode::None),
        ("-q --report none", ReportMode::None, ReportMode::None),
        ("--report-to x", ReportMode::Summary, ReportMode::Summary),
        ("-f --report-to x", ReportMode::Bar, ReportMode::Bar),
        ("--report bar", ReportMode::Bar, ReportMode::Bar),
        ("--report plain", ReportMode::Plain, ReportMode::Plain),
        ("-f --report json", ReportMode::Json, ReportMode::Json),
        ("--report summary", ReportMode::Summary, ReportMode::Summary),
        ("--report none", ReportMode::None, ReportMode::None),
    ] {
        for (terminal, mode) in [(true, on_terminal), (false, elsewhere)] {
            let found = parse_line(line, terminal).unwrap().report.mode;
            assert_eq!(found, mode, "{line} {terminal}");
        }
    }
}

#[test]
fn priorities_are_all_kept_in_their_order() {
    let line = "--priority=a --when-full block --priority b|-x --when-full priority --priority -y";
    let relay = config(line).relay;
    assert_eq!(relay.policy, Policy::Priority);
    let expressions: Vec<&str> = relay.classes.expressions().collect();
    assert_eq!(expressions, ["a", "b|-x", "-y"]);
}

#[test]
fn without_a_seed_runs_differ() {
    assert_ne!(config("").relay.seed, config("").relay.seed);
}

#[test]
fn each_wrong_usage_gets_its_line() {
    let policies = "expected one of block, drop-newest, drop-oldest, drop-buffer, latest, sample, \
                    red, priority, fail";
    let ambiguous = "some tools lose the arriving record under this name, others one that \
         already waits; say drop-newest (lose the arrival) or drop-oldest (lose the longest \
         waiting)";
    for (line, expected) in [
        (
            "-B 0",
            "invalid value '0' for --buffer-size: it comes to 0, and must be at least 1".into(),
        ),
        (
            "-B -5",
            "invalid value '-5' for --buffer-size: a size cannot be negative".into(),
        ),
        (
            "--buffer-size=",
            "invalid value '' for --buffer-size: it is empty: expected a size such as 64k or 1.5M"
                .into(),
        ),
        ("-B", "--buffer-size needs a value".into()),
        (
            "--high-water 5M",
            "--high-water 5M is 5242880 bytes, above the capacity of 4194304 bytes (-B)".into(),
        ),
        (
            "-B 1k --high-water 101%",
            "--high-water 101% is 1034 bytes, above the capacity of 1024 bytes (-B)".into(),
        ),
        (
            "-B 1000 --high-water 50% --low-water 501",
            "--low-water 501 is 501 bytes, above the high-water mark of 500 bytes (--high-water 50%)"
                .into(),
        ),
        (
            "-B 1000 --low-water 1001",
            "--low-water 1001 is 1001 bytes, above the high-water mark of 1000 bytes (--high-water)"
                .into(),
        ),
        (
            "-B 16777215T --high-water 200%",
            "invalid value '200%' for --high-water: too large for 64 bits".into(),
        ),
        (
            "--low-water x",
            "invalid value 'x' for --low-water: expected a number first, as in 64k or 1.5M".into(),
        ),
        (
            "--when-full drop-latest",
            format!("invalid value 'drop-latest' for --when-full: {ambiguous}"),
        ),
        (
            "--overflow drop-tail",
            format!("invalid value 'drop-tail' for --when-full: {ambiguous}"),
        ),
        (
            "--when-full drop_oldest",
            "invalid value 'drop_oldest' for --when-full: did you mean 'drop-oldest'?".into(),
        ),
        (
            "--when-full 9",
            format!("invalid value '9' for --when-full: {policies}"),
        ),
        ("--red-max 5%", "--red-max needs --when-full red".into()),
        (
            "--when-full red --red-max 5",
            "invalid value '5' for --red-max: expected P%, as in 5%".into(),
        ),
        (
            "--when-full red --red-max 101%",
            "invalid value '101%' for --red-max: a percentage goes from 0% to 100%".into(),
        ),
        ("--sample 1/2", "--sample needs --when-full sample".into()),
        ("--priority a", "--priority needs --when-full priority".into()),
        (
            "--start-fill 9 --when-full latest",
            "--start-fill waits until much is held, and with --when-full latest only one record is: drop --start-fill, or choose another policy".into(),
        ),
        (
            "--start-fill 9 --block-timeout 1s --then conflate",
            "--start-fill waits until much is held, and with --then latest only one record is: drop --start-fill, or choose another policy".into(),
        ),
        (
            "--block-timeout 1s --then junk",
            "invalid value 'junk' for --then: expected one of drop-newest, drop-oldest, drop-buffer, \
             latest, sample, red, priority"
                .into(),
        ),
        (
            "--block-timeout 1s --then drop-tail",
            format!("invalid value 'drop-tail' for --then: {ambiguous}"),
        ),
        (
            "--buffer-records x",
            "invalid value 'x' for --buffer-records: expected a whole number of records, as in 1000 or \
             10k (10240)"
                .into(),
        ),
        (
            "--when-full sample --sample 0/2",
            "invalid value '0/2' for --sample: expected 1/N, P%, adaptive, first=N,then=M,per=DUR or \
             reservoir=K/DUR, as in 1/10 or 5%"
                .into(),
        ),
        (
            "--when-full priority",
            "--when-full priority needs --priority, as in --priority ERROR --priority WARN".into(),
        ),
        (
            "--when-full priority --priority ok --priority a(b",
            "invalid value 'a(b' for --priority: not a regular expression: unclosed group".into(),
        ),
        (
            "--priority *",
            "invalid value '*' for --priority: not a regular expression: \
             repetition operator missing expression"
                .into(),
        ),
        (
            "--priority=",
            "invalid value '' for --priority: it is empty, and would match every record".into(),
        ),
        ("--priority", "--priority needs a value".into()),
        (
            "--seed -1",
            "invalid value '-1' for --seed: expected a whole number from 0 to 18446744073709551615"
                .into(),
        ),
        (
            "--mark={lines}",
            "invalid value '{lines}' for --mark: unknown placeholder '{lines}'; there are {records}, {bytes}, {size} and {s}"
                .into(),
        ),
        (
            "--mark=",
            "invalid value '' for --mark: the mark is empty; a bare --mark stands for 'hwm: {records} record{s} ({size}) lost'"
                .into(),
        ),
        (
            "--fail-on-loss=0",
            "invalid value '0' for --fail-on-loss: 0 would fail every run; 1 fails at the first lost record"
                .into(),
        ),
        (
            "--fail-on-loss=200%",
            "invalid value '200%' for --fail-on-loss: a percentage goes from 0% to 100%".into(),
        ),
        (
            "--block-timeout 5",
            "invalid value '5' for --block-timeout: a duration needs a unit, such as 5s".into(),
        ),
        (
            "--then drop-oldest",
            "--then needs a --block-timeout, as in --block-timeout 5s".into(),
        ),
        (
            "--block-timeout 5s --then fail",
            "--then needs a policy that loses records, and fail loses none".into(),
        ),
        (
            "--block-timeout 5s --then drop-tail",
            format!("invalid value 'drop-tail' for --then: {ambiguous}"),
        ),
        (
            "--max-age 5s",
            "--max-age needs a policy that loses records, and block loses none".into(),
        ),
        (
            "--max-age 0s --when-full drop-oldest",
            "invalid value '0s' for --max-age: it must be longer than 0".into(),
        ),
        (
            "--start-timeout 5s",
            "--start-timeout needs --start-fill, as in --start-fill 50%".into(),
        ),
        (
            "-B 1M --high-water 50% --start-fill 600k",
            "--start-fill 600k is 614400 bytes, above the high-water mark of 524288 bytes (--high-water 50%)"
                .into(),
        ),
        (
            "--block-timeout 5s --when-full fail",
            "--block-timeout works only with --when-full block".into(),
        ),
        (
            "--idle-timeout 0s",
            "invalid value '0s' for --idle-timeout: it must be longer than 0".into(),
        ),
        (
            "--drain-timeout -1s",
            "invalid value '-1s' for --drain-timeout: a duration cannot be negative".into(),
        ),
        (
            "--broken-pipe ignore",
            "invalid value 'ignore' for --broken-pipe: expected one of signal, ok, drain, wait".into(),
        ),
        (
            "-L 0.5",
            "invalid value '0.5' for --rate-limit: at less than 1 a second nothing would go out; 0 stands for no limit"
                .into(),
        ),
        (
            "--idle-ok",
            "--idle-ok needs an --idle-timeout, as in --idle-timeout 5m".into(),
        ),
        (
            "--burst 1M",
            "--burst needs a rate limit, as in -L 10M".into(),
        ),
        (
            "-L 1M --burst 0",
            "invalid value '0' for --burst: it comes to 0, and must be at least 1".into(),
        ),
        (
            "--report jsn",
            "invalid value 'jsn' for --report: expected one of bar, plain, json, summary, none; did you mean 'json'?"
                .into(),
        ),
        (
            "-q --report json",
            "--report json asks for a report, and -q for none: drop -q to have it, or --report json to have none".into(),
        ),
        (
            "--on-pressure=",
            "invalid value '' for --on-pressure: expected a command for sh".into(),
        ),
        (
            "--on-flow=",
            "invalid value '' for --on-flow: expected a command for sh".into(),
        ),
        (
            "-i 0.001",
            "invalid value '0.001' for --interval: the shortest interval is 0.01 (10ms)".into(),
        ),
        (
            "-i 0",
            "invalid value '0' for --interval: the shortest interval is 0.01 (10ms)".into(),
        ),
        (
            "-i soon",
            "invalid value 'soon' for --interval: expected seconds such as 0.5, or a duration such as 250ms"
                .into(),
        ),
        (
            "-i 99999999999",
            "invalid value '99999999999' for --interval: longer than 100 years".into(),
        ),
        ("-N", "--name needs a value".into()),
        (
            "-s many",
            "invalid value 'many' for --size: expected a number first, as in 64k or 1.5M".into(),
        ),
        (
            "-s @",
            "invalid value '@' for --size: expected the name of a file after '@'".into(),
        ),
        (
            "-s @does-not-exist",
            "cannot learn the size of 'does-not-exist' for --size: No such file or directory"
                .into(),
        ),
        (
            "-s @/dev/null",
            "cannot learn the size of '/dev/null' for --size: it has no size; give a number, as in -s 10M".into(),
        ),
        (
            "--qiet",
            "unknown option '--qiet'; did you mean '--quiet'?".into(),
        ),
        ("--sparce", "unknown option '--sparce'".into()),
        ("--bogus", "unknown option '--bogus'".into()),
        ("-j", "unknown option '-j'".into()),
        ("--null=3", "--null takes no value, but got '3'".into()),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn control_characters_cannot_make_a_second_line() {
    let words = ["hwm", "-B", "1\nUsage: \x1b[2Jx"].map(OsString::from);
    let exit = parse(words, false).unwrap_err();
    assert_eq!(
        exit.text,
        "hwm: invalid value '1\\nUsage: \\u{1b}[2Jx' for --buffer-size: unknown suffix \
         '\\nUsage: \\u{1b}[2Jx'; the suffixes are k K m M g G t T KiB MiB GiB TiB (1024) and \
         kB MB GB TB (1000); try 'hwm --help'\n"
    );
    let words = ["hwm", "-N", "a\x1b[2J"].map(OsString::from);
    assert_eq!(
        parse(words, false).unwrap_err().text,
        "hwm: invalid value 'a\\u{1b}[2J' for --name: a name cannot have control characters in \
         it; try 'hwm --help'\n"
    );
}

#[test]
fn a_value_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let not_text = |before: &[u8]| OsString::from_vec([before, b"a\xff"].concat());
    for (words, what) in [
        (["-N".into(), not_text(b"")], "'a\u{fffd}' for -N"),
        (
            ["--when-full".into(), not_text(b"")],
            "'a\u{fffd}' for --when-full",
        ),
        (["-B".into(), not_text(b"-")], "'-a\u{fffd}' for -B"),
        (
            ["-q".into(), not_text(b"--name=")],
            "'a\u{fffd}' for --name",
        ),
        (["-q".into(), not_text(b"-fN")], "in '-fNa\u{fffd}'"),
    ] {
        // A FILE need not be text.
        let line = ["hwm".into(), not_text(b"")].into_iter().chain(words);
        let line = line.chain(["-x".into()]);
        let said = "it is not valid UTF-8; only file names may be so";
        assert_eq!(
            parse(line, false).unwrap_err().text,
            format!("hwm: invalid value {what}: {said}; try 'hwm --help'\n")
        );
    }
}

/// pv's options, by letter and long name.
const TO_COME: [(char, &str); 7] = [
    ('K', "direct-io"),
    ('O', "sparse"),
    ('U', "store-and-forward"),
    ('d', "watchfd"),
    ('R', "remote"),
    ('Q', "query"),
    ('x', "extra-display"),
];

const BUILT: [(char, &str); 42] = [
    ('M', "monitor"),
    ('p', "progress"),
    ('t', "timer"),
    ('e', "eta"),
    ('I', "fineta"),
    ('r', "rate"),
    ('a', "average-rate"),
    ('b', "bytes"),
    ('T', "buffer-percent"),
    ('A', "last-written"),
    ('F', "format"),
    ('n', "numeric"),
    ('q', "quiet"),
    ('8', "bits"),
    ('k', "si"),
    ('W', "wait"),
    ('D', "delay-start"),
    ('s', "size"),
    ('g', "gauge"),
    ('l', "line-mode"),
    ('0', "null"),
    ('i', "interval"),
    ('m', "average-rate-window"),
    ('w', "width"),
    ('H', "height"),
    ('N', "name"),
    ('u', "bar-style"),
    ('v', "stats"),
    ('f', "force"),
    ('c', "cursor"),
    ('o', "output"),
    ('L', "rate-limit"),
    ('B', "buffer-size"),
    ('C', "no-splice"),
    ('E', "skip-errors"),
    ('Z', "error-skip-block"),
    ('S', "stop-at-size"),
    ('Y', "sync"),
    ('X', "discard"),
    ('P', "pidfile"),
    ('h', "help"),
    ('V', "version"),
];

#[test]
fn every_letter_of_pv_is_built_or_refused_by_name() {
    for (letter, long) in TO_COME {
        let refused = format!("pv's -{letter} (--{long}) is not built yet in hwm");
        for line in [
            format!("-{letter}"),
            format!("-{letter} 9"),
            format!("-{letter} -l"),
            format!("--{long}"),
            format!("--{long} 9 file"),
            format!("file -l{letter}"),
        ] {
            assert_eq!(error(&line), refused, "{line}");
        }
    }
    for (letter, long) in BUILT {
        let command = command();
        let built = command
            .get_arguments()
            .find(|arg| arg.get_short() == Some(letter));
        assert_eq!(built.and_then(|arg| arg.get_long()), Some(long));
    }
}

#[test]
fn what_is_a_clear_abbreviation_to_pv_is_pvs_option() {
    let all: Vec<&str> = [&BUILT[..], &TO_COME]
        .concat()
        .iter()
        .map(|x| x.1)
        .collect();
    let mut tried = 0;
    for full in &all {
        let value = match *full {
            "size" | "buffer-size" | "rate-limit" | "last-written" | "width" | "height" => "=7",
            "interval" | "delay-start" | "average-rate-window" | "error-skip-block" => "=7",
            "format" | "name" | "output" | "pidfile" => "=x",
            "bar-style" => "=block",
            _ => "",
        };
        let outcome = |name: &str| {
            let words = [
                "hwm",
                "/dev/null",
                "--seed=1",
                "-f",
                &format!("--{name}{value}"),
            ];
            format!("{:?}", parse(words.map(OsString::from), false))
        };
        for short in (1..full.len()).map(|length| &full[..length]) {
            let meant = all.iter().filter(|name| name.starts_with(short)).count();
            if meant == 1 {
                assert_eq!(outcome(short), outcome(full), "--{short} for --{full}");
                tried += 1;
            } else if !all.contains(&short) {
                let said = error(&format!("--{short}{value}"));
                let begin = format!("ambiguous option '--{short}': it could be --");
                assert!(said.starts_with(&begin), "{said}");
                assert!(said.contains(&format!("--{full}")), "{said}");
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn no_name_of_hwms_own_is_an_abbreviation_to_pv() {
    for arg in command()
        .get_arguments()
        .filter(|arg| arg.get_short().is_none())
    {
        for name in arg.get_long_and_visible_aliases().unwrap_or_default() {
            let mut pvs = [&BUILT[..], &TO_COME].concat().into_iter();
            assert!(!pvs.any(|(_, long)| long.starts_with(name)), "--{name}");
        }
    }
}

#[test]
fn hwms_own_names_can_be_cut_short_where_pv_has_none() {
    let policy = |line: &str| config(line).relay.policy;
    assert_eq!(policy("--over drop-oldest"), Policy::DropOldest);
    assert_eq!(policy("--wh=latest"), Policy::Latest);
    let relay = config("-B 100 --hi 50% --low=10%").relay;
    assert_eq!((relay.high_water, relay.low_water), (50, 10));
    assert_eq!(config("-N --prog").report.name, Some("--prog".to_owned()));
    assert_eq!(parts("-f --by --tim --by"), [Part::Bytes, Part::Timer]);
    assert_eq!(
        error("--rep json"),
        "ambiguous option '--rep': it could be --report, --report-to"
    );
    assert_eq!(
        error("--bur 1k --buf 3"),
        "ambiguous option '--buf': it could be --buffer-size, --buffer-records, --buffer-percent"
    );
    assert_eq!(
        error("--spars"),
        "pv's -O (--sparse) is not built yet in hwm"
    );
    assert_eq!(error("--pri"), "--priority needs a value");
    assert_eq!(
        error("--rate-l x"),
        "invalid value 'x' for --rate-limit: expected a number first, as in 64k or 1.5M"
    );
    assert_eq!(error("--=x"), "unknown option '--'");
    let help = parse_line("--hel", false).unwrap_err();
    assert_eq!((help.status, help.to_stdout), (0, true));
}

#[test]
fn of_several_to_come_the_first_typed_is_named() {
    assert_eq!(
        error("-l --watchfd -KM"),
        "pv's -d (--watchfd) is not built yet in hwm"
    );
    assert_eq!(
        error("-pKb"),
        "pv's -K (--direct-io) is not built yet in hwm"
    );
    assert_eq!(
        error("--sparse-output"),
        "pv's -O (--sparse) is not built yet in hwm"
    );
}

/// The display of a command line that shows one.
fn display(line: &str) -> Display {
    let report = config(line).report;
    assert_eq!(report.mode, ReportMode::Pv, "{line}");
    report.screen.display.unwrap()
}

/// The parts of a display, without the text between them.
fn parts(line: &str) -> Vec<Part> {
    let pieces = display(line).pieces.into_iter();
    let part = |piece| match piece {
        Piece::Part { part, .. } => Some(part),
        Piece::Text(_) => None,
    };
    pieces.filter_map(part).collect()
}

#[test]
fn pvs_switches_come_to_its_format_in_its_order() {
    use Part::*;
    for (line, expected) in [
        (
            "-fIearptbT -s 9",
            vec![
                Bytes,
                BufferPercent,
                Timer,
                Rate,
                AverageRate,
                Progress,
                Eta,
                FinEta,
            ],
        ),
        ("-f8", vec![Bytes]),
        ("-fe", vec![]),
        ("-ft -N x", vec![Name, Timer]),
        ("-fA 5", vec![LastWritten]),
        ("-n", vec![Amount]),
        ("-nb", vec![Bytes]),
        ("-nbrt", vec![Timer, Bytes, Rate]),
        ("-nt", vec![Timer, Amount]),
        ("-nr", vec![Rate]),
        ("-fp -F %r%e", vec![Rate, Eta]),
    ] {
        assert_eq!(parts(line), expected, "{line}");
    }
    let last = Piece::Part {
        part: LastWritten,
        width: 5,
    };
    assert_eq!(display("-fA 5").pieces, [last]);
}

#[test]
fn a_display_of_pvs_form_is_shown_where_pv_shows_it() {
    let mode = |line: &str, terminal| {
        let parsed = parse_line(&format!("{line} /dev/null"), terminal);
        parsed.unwrap().report.mode
    };
    for (line, on_terminal, elsewhere) in [
        ("-p", ReportMode::Pv, ReportMode::Losses),
        ("-fp", ReportMode::Pv, ReportMode::Pv),
        ("-n", ReportMode::Pv, ReportMode::Pv),
        ("-qp", ReportMode::None, ReportMode::None),
        ("-qn", ReportMode::None, ReportMode::None),
        ("-p --report plain", ReportMode::Plain, ReportMode::Plain),
        ("-p --report-to x", ReportMode::Losses, ReportMode::Losses),
        ("-n --report-to x", ReportMode::Pv, ReportMode::Pv),
        (
            "-kgcW -D 1 -w 9 -H 9 -m 9 -u block",
            ReportMode::Bar,
            ReportMode::Summary,
        ),
        ("-f --format=", ReportMode::Losses, ReportMode::Losses),
    ] {
        assert_eq!(mode(line, true), on_terminal, "{line}");
        assert_eq!(mode(line, false), elsewhere, "{line}");
    }
}

#[test]
fn the_displays_modifiers_arrive() {
    let plain = display("-fp");
    assert_eq!(
        (
            plain.numeric,
            plain.decimal,
            plain.bits,
            plain.gauge,
            plain.style,
            plain.window
        ),
        (false, false, false, false, BarStyle::Plain, 30)
    );
    let all = display("-fpnk8g -u shaded -m 7");
    assert_eq!(
        (
            all.numeric,
            all.decimal,
            all.bits,
            all.gauge,
            all.style,
            all.window
        ),
        (true, true, true, true, BarStyle::Shaded, 7)
    );
    assert_eq!(display("-fp -m 0").window, 1);
    let screen = config("-fpWc -D 1.5 -w 20 -H 5").report.screen;
    assert!(screen.force && screen.rows && screen.awaits_output);
    assert_eq!(screen.delay, Duration::from_millis(1500));
    assert_eq!(screen.width, Some(20));
    assert_eq!(config("-w 0").report.screen.width, None);
    for line in ["-w x", "-A -1", "-m 1.5", "-H 1k", "-u round", "-D x"] {
        error(line);
    }
}

#[test]
fn transfer_options_arrive() {
    let transfer = |line: &str| config(line).transfer;
    assert_eq!(transfer(""), TransferConfig::default());
    assert_eq!(transfer("-o -"), TransferConfig::default());
    let all = transfer("-o x -YEE -Z 4k -P y");
    assert_eq!(all.sink, Sink::File("x".into()));
    assert!(all.sync);
    assert_eq!(all.pid_file, Some("y".into()));
    let skips = |line: &str| {
        transfer(line)
            .skip_errors
            .map(|how| (how.tells_once, how.block))
    };
    assert_eq!(
        all.skip_errors.map(|how| (how.tells_once, how.block)),
        Some((true, Some(4096)))
    );
    assert_eq!(skips("-E"), Some((false, None)));
    assert_eq!(skips("-Z 1"), Some((false, Some(1))));
    assert_eq!(skips("-Z 0"), None);
    assert_eq!(transfer("-X").sink, Sink::Nowhere);
    // As with getopt, the word behind is the value, whatever it looks like.
    let dashed = transfer("-o -x -P --sync");
    assert_eq!(dashed.sink, Sink::File("-x".into()));
    assert_eq!(dashed.pid_file, Some("--sync".into()));
    assert!(!dashed.sync);
    assert_eq!(error("-P"), "--pidfile needs a value");
    assert_eq!(
        error("-X -o x"),
        "-o asks for the output in a file, and -X for none: drop -X to keep it, or -o to have none"
    );
    assert_eq!(
        config("--metrics-file m").report.metrics_file,
        Some("m".into())
    );
}

#[test]
fn what_has_to_be_seen_is_copied() {
    for (line, splices) in [
        ("", true),
        ("-fp", true),
        ("-fT", true),
        ("-C", false),
        ("-fA 1", false),
        ("-f -F %9L", false),
        ("-E", false),
    ] {
        assert_eq!(config(line).relay.splice, splices, "{line}");
    }
}

#[test]
fn si_acts_on_what_is_typed_behind_it() {
    let size = |line: &str| config(line).report.expected;
    let bytes = |bytes| Some(Amount::Bytes(bytes));
    assert_eq!(size("-k -s 2k"), bytes(2000));
    assert_eq!(size("-s 2k -k"), bytes(2048));
    assert_eq!(size("-ks2k"), bytes(2000));
    assert_eq!(size("-k -s 2KiB"), bytes(2048));
    assert_eq!(size("-s 1k -k -s 2k"), bytes(2000));
    let relay = config("-k -B 1M -L 10k --burst 1k").relay;
    assert_eq!(relay.capacity, 1_000_000);
    let rate = Rate {
        per_second: Amount::Bytes(10_000),
        burst: 1000,
    };
    assert_eq!(relay.rate, Some(rate));
    let skips = config("--si -Z 4k").transfer.skip_errors;
    assert_eq!(skips.and_then(|how| how.block), Some(4000));
    assert_eq!(
        error("-k -L 0.0009k"),
        "invalid value '0.0009k' for --rate-limit: at less than 1 a second nothing would go out; 0 stands for no limit"
    );
}

#[test]
fn what_is_to_come_is_in_no_help() {
    for option in ["-h", "--help"] {
        let exit = parse_line(option, false).unwrap_err();
        assert_eq!((exit.status, exit.to_stdout), (0, true));
        assert!(exit.text.contains("--buffer-size"));
        assert!(!exit.text.contains("--watchfd"), "{}", exit.text);
    }
}

#[test]
fn the_version_goes_to_stdout() {
    for option in ["-V", "--version"] {
        let exit = parse_line(option, true).unwrap_err();
        let text = concat!("hwm ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
        assert_eq!(
            exit,
            Exit {
                text,
                to_stdout: true,
                status: 0
            }
        );
    }
}
