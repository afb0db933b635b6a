//! Words of other tools, of the field, and misspelt ones: each gets one line that says what to type
//! instead, and none is pointed to what loses more than it says.

use highwater::cli;

const EITHER: &str = "did you mean 'drop-newest' (lose the arriving record) or 'drop-oldest' (lose the longest waiting)?";
const EITHER_IN_FULL: &str = "did you mean '--when-full drop-newest' (lose the arriving record) or \
     '--when-full drop-oldest' (lose the longest waiting)?";
const TWO_THINGS: &str = "some tools lose the arriving record under this name, others one that \
     already waits; say drop-newest (lose the arrival) or drop-oldest (lose the longest waiting)";

/// The line for a command line that is refused, without what every one has.
#[track_caller]
fn refused(line: &str) -> String {
    let words = std::iter::once("hwm").chain(line.split_whitespace());
    let exit = cli::parse(words.map(Into::into), false).expect_err(line);
    assert_eq!((exit.status, exit.to_stdout), (2, false), "{line}");
    assert_eq!(exit.text.lines().count(), 1, "{line}: {}", exit.text);
    let text = exit.text.trim_end();
    let message = text.strip_suffix("; try 'hwm --help'").unwrap_or(text);
    assert_eq!(message == text, text.ends_with('?'), "{text}");
    message.strip_prefix("hwm: ").unwrap().to_owned()
}

#[test]
fn options_of_others_are_pointed_to_ours() {
    for (typed, hint) in [
        ("--drop-oldest", "did you mean '--when-full drop-oldest'?"),
        ("--drop-newest", "did you mean '--when-full drop-newest'?"),
        ("--drop-buffer", "did you mean '--when-full drop-buffer'?"),
        ("--drop_oldest", "did you mean '--when-full drop-oldest'?"),
        ("--drop-old", "did you mean '--when-full drop-oldest'?"),
        ("--drop-newst", "did you mean '--when-full drop-newest'?"),
        ("--drop-head", "did you mean '--when-full drop-oldest'?"),
        ("--block", "did you mean '--when-full block'?"),
        ("--fail", "did you mean '--when-full fail'?"),
        ("--red", "did you mean '--when-full red'?"),
        ("--conflate", "did you mean '--when-full latest'?"),
        ("--drop", EITHER_IN_FULL),
        ("--drop-tail", EITHER_IN_FULL),
        ("--drop-latest", EITHER_IN_FULL),
        ("--on-full", "did you mean '--when-full POLICY'?"),
        ("--ring-buffer", "did you mean '--when-full POLICY'?"),
        ("--non-blocking", "did you mean '--when-full POLICY'?"),
        ("--lossy", "did you mean '--when-full POLICY'?"),
        ("--capacity=1G", "did you mean '--buffer-size SIZE'?"),
        ("--memory 1G", "did you mean '--buffer-size SIZE'?"),
        ("--max-records", "did you mean '--buffer-records N'?"),
        ("--highWaterMark", "did you mean '--high-water SIZE'?"),
        ("--low-watermark", "did you mean '--low-water SIZE'?"),
        ("--prefill", "did you mean '--start-fill SIZE'?"),
        ("--throttle", "did you mean '--rate-limit RATE'?"),
        ("--bwlimit", "did you mean '--rate-limit RATE'?"),
        (
            "--timeout",
            "did you mean '--block-timeout DUR' (of the consumer) or '--idle-timeout DUR' (of the \
             producer)?",
        ),
        ("--watchdog", "did you mean '--idle-timeout DUR'?"),
        ("--ttl", "did you mean '--max-age DUR'?"),
        ("--dlq", "did you mean '--lost-to FILE'?"),
        ("--json", "did you mean '--report json'?"),
        ("--plain", "did you mean '--report plain'?"),
        ("--silent", "did you mean '--quiet'?"),
        ("--verbose", "did you mean '--stats'?"),
        ("--zero-terminated", "did you mean '--null'?"),
        ("--input", "did you mean an argument, as in 'hwm FILE'?"),
        ("--ignore-sigpipe", "did you mean '--broken-pipe ok'?"),
        ("--qiet", "did you mean '--quiet'?"),
        ("--discrad", "did you mean '--discard'?"),
    ] {
        let option = typed.split(['=', ' ']).next().unwrap();
        let expected = format!("unknown option '{option}'; {hint}");
        assert_eq!(refused(typed), expected, "{typed}");
    }
}

#[test]
fn policies_of_others_are_pointed_to_ours() {
    for (typed, hint) in [
        ("drop", EITHER),
        ("Drop", EITHER),
        ("discard", EITHER),
        ("lossy", EITHER),
        ("ring-buffer", EITHER),
        ("non-blocking", EITHER),
        ("overwrite", EITHER),
        ("drop-first", EITHER),
        ("drop-last", EITHER),
        ("drop-tail", TWO_THINGS),
        ("drop-latest", TWO_THINGS),
        ("keep-newest", "did you mean 'drop-oldest'?"),
        ("keep-oldest", "did you mean 'drop-newest'?"),
        ("DROP_OLDEST", "did you mean 'drop-oldest'?"),
        ("DropNewest", "did you mean 'drop-newest'?"),
        ("dropoldest", "did you mean 'drop-oldest'?"),
        ("drop-oldset", "did you mean 'drop-oldest'?"),
        ("drop-new-est", "did you mean 'drop-newest'?"),
        ("drop-n", "did you mean 'drop-newest'?"),
        ("drop-b", "did you mean 'drop-buffer'?"),
        ("drop-bufer", "did you mean 'drop-buffer'?"),
        ("latets", "did you mean 'latest'?"),
        ("blok", "did you mean 'block'?"),
        ("wait", "did you mean 'block'?"),
        ("lossless", "did you mean 'block'?"),
        ("abort", "did you mean 'fail'?"),
        ("throw", "did you mean 'fail'?"),
        ("adaptive", "did you mean 'sample'?"),
        (
            "circuit-breaker",
            "did you mean 'block' with --block-timeout and --then?",
        ),
    ] {
        for option in ["--when-full", "--overflow", "--policy"] {
            let expected = format!("invalid value '{typed}' for --when-full: {hint}");
            assert_eq!(refused(&format!("{option} {typed}")), expected);
        }
        let said = refused(&format!("--block-timeout 1s --then {typed}"));
        let is_lossless = hint.contains("'block'") || hint.contains("'fail'");
        match is_lossless {
            true => assert!(said.contains("expected one of drop-newest, "), "{said}"),
            false => assert_eq!(said, format!("invalid value '{typed}' for --then: {hint}")),
        }
    }
}

#[test]
fn a_policy_that_is_like_none_gets_all_their_names() {
    for typed in ["9", "drop-", "drop-most", "la", "x-buffer", "greatest"] {
        let said = refused(&format!("--when-full {typed}"));
        let expected = format!(
            "invalid value '{typed}' for --when-full: expected one of block, drop-newest, drop-oldest, \
             drop-buffer, latest, sample, red, priority, fail"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn values_of_others_at_a_letter_of_pvs_are_pointed_to_ours() {
    let window = "as in pv it is a time; mbuffer's -m is '-B SIZE'";
    let interval = "as in pv it is a time; a file to read is an argument, as in 'hwm FILE'";
    let pid = |n: &str, file: &str| {
        format!(
            "invalid value '{n}' for --pidfile: as in pv it is a file, which {file} would be; \
             mbuffer's -P is '--start-fill N%'"
        )
    };
    let letter = |letter: &str, value: &str, hint: &str| {
        format!("{letter} takes no value as in pv, and '{value}' is no file; {hint}")
    };
    let unbuilt = |name: &str| format!("pv's {name} is not built yet in hwm");
    for (line, expected) in [
        (
            "-m 1G",
            format!("invalid value '1G' for --average-rate-window: {window}"),
        ),
        (
            "-m 20%",
            format!("invalid value '20%' for --average-rate-window: {window}"),
        ),
        ("-P 80", pid("80", "./80")),
        ("-P 80%", pid("80%", "./80%")),
        ("-P80", pid("80", "./80")),
        (
            "-i disk.img",
            format!("invalid value 'disk.img' for --interval: {interval}"),
        ),
        (
            "-i /dev/sda",
            format!("invalid value '/dev/sda' for --interval: {interval}"),
        ),
        (
            "-u 100",
            "invalid value '100' for --bar-style: mbuffer's -u, a pause, is '-L RATE'".into(),
        ),
        (
            "-b 1024",
            letter("-b", "1024", "mbuffer's -b and -s are '-B SIZE'"),
        ),
        (
            "-s 64k -b 1024",
            letter("-b", "1024", "mbuffer's -b and -s are '-B SIZE'"),
        ),
        ("-r 10M", letter("-r", "10M", "mbuffer's -r is '-L RATE'")),
        ("-t 10m", letter("-t", "10m", "cstream's -t is '-L RATE'")),
        (
            "-W 60",
            letter("-W", "60", "mbuffer's -W is '--idle-timeout DUR'"),
        ),
        (
            "-p 75",
            letter(
                "-p",
                "75",
                "mbuffer's -p is '--low-water', buffer's is '--start-fill'",
            ),
        ),
        (
            "-R 10M",
            format!("{}; mbuffer's -R is '-L RATE'", unbuilt("-R (--remote)")),
        ),
        ("-R 4711", unbuilt("-R (--remote)")),
    ] {
        assert_eq!(refused(line), expected, "{line}");
    }
}

#[test]
fn what_pv_takes_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("1024");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    for line in [
        "-m 30",
        "-P ./80",
        "-P run/80.pid",
        "-i 0.5",
        &format!("-b {file}"),
        "-b does-not-exist",
        "-- -b 1024",
    ] {
        let words = std::iter::once("hwm").chain(line.split_whitespace());
        assert!(cli::parse(words.map(Into::into), false).is_ok(), "{line}");
    }
}

/// No wrong word near enough to be taken for one of them may throw data away or replace a file.
#[test]
fn no_other_word_is_pointed_to_what_does_harm() {
    for typed in [
        "--display",
        "--disk",
        "--outfit",
        "--outputs-to",
        "--skip-all",
        "--piped",
        "--pipefile",
    ] {
        let words = ["hwm", typed, "x"].map(Into::into);
        let said = cli::parse(words, false).expect_err(typed).text;
        let harmful = [
            "'--discard'",
            "'--output'",
            "'--pidfile'",
            "'--skip-errors'",
        ];
        let meant = harmful.iter().find(|option| said.contains(**option));
        assert!(meant.is_none(), "{typed}: {said}");
    }
}

#[test]
fn a_value_that_is_not_joined_to_its_option_is_no_file() {
    for (option, value) in [
        ("--fail-on-loss", "5"),
        ("--fail-on-loss", "1%"),
        ("--mark", "gap"),
    ] {
        let line = format!("--when-full drop-oldest {option} {value}");
        let expected = format!(
            "'{value}' is no file; {option} takes a value only behind '=': {option}={value}"
        );
        assert_eq!(refused(&line), expected);
        // A file that is there is read.
        let line = format!("--when-full drop-oldest {option} Cargo.toml");
        let words = std::iter::once("hwm").chain(line.split_whitespace());
        assert!(cli::parse(words.map(Into::into), false).is_ok(), "{line}");
    }
}
