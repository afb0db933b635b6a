//! A defect in a report never ends the relay: each part of the reports is made to fail, and the data goes
//! through as if nothing was. What happened is said once.

mod common;

use std::time::Duration;

use common::{Finished, finish, hwm, lines, log, skipped};

/// What a debug build makes fail when it is asked to, and what goes on without it.
const PARTS: [&str; 10] = [
    "collection",
    "report",
    "metrics file",
    "chart",
    "report of errors",
    "summary",
    "reporter",
    "events",
    "commands",
    "lost",
];

fn can_fail() -> bool {
    // The binary is built as the tests are.
    if !cfg!(debug_assertions) {
        skipped("only a debug build fails when asked to");
    }
    cfg!(debug_assertions)
}

/// With everything on that tells anything, and one part that fails.
fn run(part: &str, mode: &[&str], input: &[u8]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (events, metrics, lost) = (at("events"), at("metrics"), at("lost"));
    let chart = at("chart.svg");
    let mut command = hwm(mode);
    command.args(["--events", &events, "--metrics-file", &metrics]);
    command.args([
        "--chart",
        &chart,
        "--lost-to",
        &lost,
        "--on-pressure",
        "true",
        "-i",
        "0.01",
    ]);
    // A record of the log is longer than the buffer: something is lost, and told.
    command.args(["--when-full", "drop-newest", "-B", "90k", "missing", "-"]);
    command.env("HWM_DEFECT", part);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            use std::io::Write;
            for record in lines(input) {
                // It reads as fast as it can, and so small pieces fit.
                stdin.write_all(record).unwrap();
            }
            std::thread::sleep(Duration::from_millis(60));
        });
        finish(child, b"")
    })
}

#[test]
fn whatever_fails_in_a_report_the_data_goes_on() {
    if !can_fail() {
        return;
    }
    let input: Vec<u8> = [
        b"first\n".to_vec(),
        vec![b'x'; 100_000],
        b"\nlast\n".to_vec(),
    ]
    .concat();
    for part in PARTS {
        for mode in [
            &["--report", "json"][..],
            &["--report", "plain"],
            &["-f"],
            &["-fpterb"],
            &["-q"],
        ] {
            let done = run(part, mode, &input);
            let said = &done.stderr;
            // A file is missing: 1.
            assert_eq!(done.code(), 1, "{part} {mode:?}: {said}");
            assert_eq!(done.stdout, b"first\nlast\n", "{part} {mode:?}");
            let defects = said.matches("a defect").count();
            let is_used = match part {
                "report" | "summary" => mode != ["-q"],
                _ => true,
            };
            let most = if is_used { 1 } else { 1.min(defects) };
            assert_eq!(defects, most, "{part} {mode:?}: {said}");
            if defects == 1 {
                let line = "and the data goes on: asked for (src/report/guard.rs:";
                assert!(said.contains(line), "{part} {mode:?}: {said}");
            }
            // What went wrong with the run is told in any case.
            assert!(
                part == "reporter" || said.contains("hwm: cannot open missing: "),
                "{part} {mode:?}: {said}"
            );
            // And so is the end, but by what failed.
            if mode == ["--report", "json"] && part != "summary" && part != "reporter" {
                let account = done.summary();
                account.assert_balanced();
                assert_eq!(account.lost("oversize").1, 1);
            }
        }
    }
}

#[test]
fn a_defect_where_the_summary_needs_no_thread_is_reported_by_one() {
    if !can_fail() {
        return;
    }
    let mut command = hwm(&[]);
    command.env("HWM_DEFECT", "summary");
    let done = finish(command.spawn().unwrap(), b"data\n").expect(0);
    assert_eq!(done.stdout, b"data\n");
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    let begin = "hwm: a defect in the summary ends it, and the data goes on: ";
    assert!(done.stderr.starts_with(begin), "{}", done.stderr);
}

#[test]
fn a_display_may_be_wider_than_any_terminal() {
    let input = log(300);
    for format in ["%L", "%p", "%1024A", "%{name}%L%p%{bar-block}", "%70000L"] {
        for width in ["1", "65535", "65536", "100000", "1000000"] {
            let args = ["-f", "-i", "0.01", "-F", format, "-w", width];
            let done = finish(hwm(&args).spawn().unwrap(), &input).expect(0);
            assert!(done.stdout == input, "{format} {width}");
            assert!(!done.stderr.contains("defect"), "{format} {width}");
        }
        // -w holds for hwm's own line, too.
        let done = finish(hwm(&["-f", "-w", "1000000"]).spawn().unwrap(), &input).expect(0);
        assert!(done.stdout == input);
    }
}

#[test]
fn the_plan_of_each_turn_is_reported_when_asked_for() {
    for (value, is_told) in [("1", true), ("0", false)] {
        let mut command = hwm(&["-q"]);
        command.env("HWM_TRACE", value);
        let run = finish(command.spawn().unwrap(), b"one\n");
        assert_eq!(run.stdout, b"one\n");
        let told = run.stderr.contains("in 4, out 4") && run.stderr.contains("Plan {");
        assert_eq!(told, is_told, "{}", run.stderr);
    }
}
