//! `--delimiter`: any one of up to three bytes ends a record, for every option that knows records.

mod common;

use std::fs;

use common::run;

#[test]
fn bytes_pass_unchanged_and_records_are_counted() {
    let input = b"one;two|three\nfour;;";
    for (chars, records) in [(";", 3), ("|", 2), (";|", 4), (";|\\n", 5), ("\\x3b\\0", 3)] {
        let args = ["--report", "json", "--delimiter", chars];
        let done = run(&args, input).expect(0);
        assert_eq!(done.stdout, input);
        let account = done.summary();
        assert_eq!(account.count("in_records"), records, "{chars}");
        assert_eq!(account.count("out_records"), records, "{chars}");
    }
}

#[test]
fn a_limit_in_records_and_the_size_are_of_such_records() {
    let input = b"1\r2\r3\n4\r5\n";
    let args = ["-q", "-l", "-S", "-s", "4", "--delimiter", "\\r\\n"];
    assert_eq!(run(&args, input).expect(0).stdout, b"1\r2\r3\n4\r");
}

#[test]
fn what_rewrites_its_line_is_shown_as_it_was_last() {
    // As what a copying program shows of its progress.
    let mut input = String::new();
    for percent in 0..=100 {
        input += &format!("\r  1.2G {percent:3}%  11.20MB/s");
    }
    let args = ["-q", "--when-full", "latest", "--delimiter", "\\r\\n"];
    let output = run(&args, input.as_bytes()).expect(0).stdout;
    let output = String::from_utf8(output).unwrap();
    let last = output.split_inclusive('\r').next_back().unwrap();
    assert_eq!(last, "  1.2G 100%  11.20MB/s");
    let whole = |part: &str| part == "\r" || part.starts_with("  1.2G ") && part.contains("MB/s");
    assert!(output.split_inclusive('\r').all(whole), "{output:?}");
}

#[test]
fn lost_records_are_kept_with_their_own_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost");
    let lost = path.to_str().unwrap();
    let args = [
        "-q",
        "-B",
        "4",
        "--when-full",
        "drop-newest",
        "--delimiter",
        ";|",
        "--lost-to",
        lost,
        "--mark=<{records}>",
    ];
    let done = run(&args, b"too long;ok|longer still|").expect(0);
    assert_eq!(fs::read(&path).unwrap(), b"too long;longer still|");
    assert_eq!(done.stdout, b"<1>;ok|<1>;");
}

#[test]
fn classes_see_a_record_without_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost");
    let args = [
        "-q",
        "-B",
        "6",
        "--when-full",
        "priority",
        "--priority",
        "^a$",
        "--delimiter",
        ";|",
        "--lost-to",
        path.to_str().unwrap(),
    ];
    let output = run(&args, b"a;a|b;a;b|").expect(0).stdout;
    let lost = fs::read(&path).unwrap();
    assert!(lost.iter().all(|byte| b"b;|".contains(byte)), "{lost:?}");
    let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'a').count();
    assert_eq!(count(&output), 3);
}

#[test]
fn wrong_usage_says_what_to_type() {
    for (args, expected) in [
        (
            &["--delimiter", "abcd"][..],
            "invalid value 'abcd' for --delimiter: expected one to three characters, and there are more",
        ),
        (
            &["-0", "--delimiter", ";"],
            "-0 and --delimiter both say what ends a record: drop one of them",
        ),
        (
            &["--mark", "--delimiter", " "],
            "the text of --mark has a delimiter in it, but must be one record: give another, as in --mark=TEXT",
        ),
        (
            &["--mark={records}", "--delimiter", "7"],
            "the text of --mark has a delimiter in it, but must be one record: give another, as in --mark=TEXT",
        ),
    ] {
        let done = run(args, b"").expect(2);
        assert_eq!(done.stderr, format!("hwm: {expected}; try 'hwm --help'\n"));
    }
}
