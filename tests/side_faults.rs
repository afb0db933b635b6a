//! Side files that cannot be written any more: a full disk, a limit on the size of files, a folder that
//! went, a reader that left. It is said once, the data flows on, and what was written is whole.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use common::{can, command, finish, hwm, run, wait, wait_until};

/// Whether a full disk can be had at `folder`, in a mount namespace of its own.
fn can_mount(folder: &Path) -> bool {
    let folder = folder.to_str().unwrap();
    can(&["unshare", "-m", "mount", "-t", "tmpfs", "none", folder])
}

/// A script with a disk of 64 KiB at `$PWD`.
fn on_a_small_disk(text: &str, folder: &Path) -> std::process::Command {
    let script = format!(
        r#"mount -t tmpfs -o size=64k none "$0" && cd "$0" || exit 99
        {text}"#
    );
    let folder = folder.to_str().unwrap();
    command(&["unshare", "-m", "bash", "-c", &script, folder])
}

/// Records of ten bytes, numbered.
fn records(from: u32, to: u32) -> String {
    (from..to).map(|number| format!("{number:09}\n")).collect()
}

#[test]
fn lost_records_on_a_full_disk_are_whole_and_the_next_run_goes_on_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    if !can_mount(folder.path()) {
        return;
    }
    let text = r#"hwm() { "$HWM" -B 4 --when-full drop-newest --report json --lost-to lost; }
        head -c 20000 /dev/zero >filler
        hwm || exit
        rm filler
        printf '999999990\n999999991\n' | hwm || exit
        cat lost"#;
    let child = on_a_small_disk(text, folder.path()).spawn().unwrap();
    let done = finish(child, records(0, 20_000).as_bytes()).expect(0);
    let kept = String::from_utf8(done.stdout).unwrap();
    let first = kept
        .strip_suffix("999999990\n999999991\n")
        .expect("two more");
    let count = (first.len() / 10) as u32;
    assert!(count > 3_000 && first == records(0, count), "{count}");
    let told = "hwm: cannot append lost records to lost (--lost-to): No space left on device";
    assert_eq!(done.stderr.matches(told).count(), 1, "{}", done.stderr);
    let summaries: Vec<common::Account> = done
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok().map(common::Account))
        .filter(|account| account.0["event"] == "summary")
        .collect();
    assert_eq!(summaries[0].count("spilled_records"), u64::from(count));
    assert_eq!(summaries[0].count("spilled_bytes"), 10 * u64::from(count));
    assert_eq!(summaries[1].count("spilled_records"), 2);
}

#[test]
fn half_a_record_that_somebody_left_is_ended_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost");
    for (options, left, whole) in [
        (&[][..], "whole\nhalf", "whole\nhalf\nlong\n"),
        (&["-0"], "whole\0half\n", "whole\0half\n\0long\n\0"),
        (&[], "whole\n", "whole\nlong\n"),
        (&[], "", "long\n"),
    ] {
        fs::write(&path, left).unwrap();
        let args = ["-q", "-B", "1", "--when-full", "drop-newest", "--lost-to"];
        let mut command = hwm(&args);
        command.arg(&path).args(options);
        finish(command.spawn().unwrap(), b"long\n").expect(0);
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }
}

#[test]
fn a_report_on_a_full_disk_is_reported_once_and_its_summary_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    if !can_mount(folder.path()) {
        return;
    }
    let text = r#"dd bs=1k if=/dev/zero of=filler 2>/dev/null
        "$HWM" --report json -i 0.01 --report-to report --metrics-file metrics; status=$?
        wc -c <report >&2; exit $status"#;
    let mut child = on_a_small_disk(text, folder.path()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..10 {
        stdin.write_all(b"data\n").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(stdin);
    let done = finish(child, b"").expect(0);
    assert_eq!(done.stdout, b"data\n".repeat(10));
    for told in [
        "hwm: cannot report to report (--report-to): No space left on device\n",
        "hwm: cannot write metrics to metrics (--metrics-file): No space left on device\n",
    ] {
        assert_eq!(done.stderr.matches(told).count(), 1, "{}", done.stderr);
    }
    assert_eq!(done.summary().count("out_bytes"), 50);
    // Not one line found space, and of none a part was left.
    assert_eq!(done.stderr.lines().last(), Some("0"), "{}", done.stderr);
}

#[test]
fn a_report_that_cannot_be_written_at_all_is_reported_and_its_summary_is_seen() {
    for mode in ["plain", "json", "summary"] {
        let mode = match mode {
            "summary" => &[][..],
            mode => &["--report", mode],
        };
        let args = [mode, &["--report-to", "/dev/full"]].concat();
        let done = run(&args, b"data\n").expect(0);
        let (told, summary) = done.stderr.split_once('\n').unwrap();
        let line = "hwm: cannot report to /dev/full (--report-to): No space left on device";
        assert_eq!(told, line, "{mode:?}");
        let lines = if mode.contains(&"plain") { 2 } else { 1 };
        assert_eq!(summary.lines().count(), lines, "{mode:?}: {summary}");
        assert!(
            summary.contains("out_bytes") || summary.contains("5 B in "),
            "{summary}"
        );
        assert_eq!(done.stdout, b"data\n");
    }
}

#[test]
fn a_folder_that_went_is_reported_and_one_that_came_back_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    let options = |name: &str| below.join(name);
    for comes_back in [false, true] {
        fs::create_dir(&below).unwrap();
        let errors = folder.path().join("errors");
        let mut child = hwm(&["--report", "json", "-i", "0.01"])
            .arg("--report-to")
            .arg(options("report"))
            .arg("--metrics-file")
            .arg(options("metrics"))
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        wait_until("both", || {
            options("metrics").exists()
                && fs::read(options("report")).is_ok_and(|text| !text.is_empty())
        });
        // A draft may be made between the two.
        wait_until("the folder is gone", || {
            let _ = fs::remove_dir_all(&below);
            !below.exists()
        });
        let said = || fs::read_to_string(&errors).unwrap();
        for (what, option, name) in [
            ("report to", "--report-to", "report"),
            ("write metrics to", "--metrics-file", "metrics"),
        ] {
            let path = options(name);
            let path = path.display();
            let line = format!("hwm: cannot {what} {path} ({option}): No such file or directory\n");
            wait_until(&line, || said().contains(&line));
        }
        if comes_back {
            fs::create_dir(&below).unwrap();
            wait_until("both again", || {
                options("metrics").exists() && options("report").exists()
            });
        }
        drop(child.stdin.take());
        wait(&mut child);
        assert_eq!(said().lines().count(), 3, "and the summary: {}", said());
        common::summary_of(&said());
        if comes_back {
            common::summary_of(&fs::read_to_string(options("report")).unwrap());
            let metrics = fs::read_to_string(options("metrics")).unwrap();
            assert!(metrics.contains("hwm_run_finished 1\n"));
            fs::remove_dir_all(&below).unwrap();
        }
    }
}

// ---- the limit on the size of files ---------------------------------------------------------

#[test]
fn side_files_over_their_limit_are_reported_and_the_data_flows_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"ulimit -f 4
        exec "$HWM" -B 4 --when-full drop-newest --report json -i 0.01 "$@""#;
    for (options, what) in [
        (["--report-to", "side"], "report to side (--report-to)"),
        (["--events", "side"], "write events to side (--events)"),
        (
            ["--lost-to", "side"],
            "append lost records to side (--lost-to)",
        ),
        (
            ["--metrics-file", "side"],
            "write metrics to side (--metrics-file)",
        ),
    ] {
        let side = folder.path().join("side");
        let _ = fs::remove_file(&side);
        let mut command = command(&["bash", "-c", text, "bash"]);
        let mut child = command
            .args(options)
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for piece in records(0, 1_000).as_bytes().chunks(250) {
            stdin.write_all(piece).unwrap();
            stdin.write_all(b"ab\n").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        drop(stdin);
        let done = finish(child, b"").expect(0);
        // One that comes while another waits finds no space.
        let account = done.summary();
        account.assert_balanced();
        let came = account.count("out_records") as usize;
        assert!(
            came > 1 && done.stdout == b"ab\n".repeat(came),
            "{options:?}"
        );
        let told = format!("hwm: cannot {what}: File too large");
        // The metrics of one moment are smaller than that.
        let expected = usize::from(options[0] != "--metrics-file");
        assert!(done.stderr.matches(&told).count() <= 1, "{}", done.stderr);
        assert!(
            done.stderr.matches(&told).count() >= expected,
            "{}",
            done.stderr
        );
        let there = fs::read(&side).unwrap_or_default();
        assert!(
            there.is_empty() || there.ends_with(b"\n"),
            "{options:?}: cut"
        );
    }
}

#[test]
fn an_output_over_its_limit_is_one_line_the_report_and_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let input = common::log(2_000);
    for options in [
        &[][..],
        &["-C"],
        &["-Y"],
        &["-l"],
        &["-o", "out"],
        &["--when-full", "drop-oldest"],
        &["--when-full", "fail"],
    ] {
        let text = r#"ulimit -f 4; exec "$HWM" --report json "$@" >out"#;
        let _ = fs::remove_file(folder.path().join("out"));
        let mut command = command(&["bash", "-c", text, "bash"]);
        let child = command
            .args(options)
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let done = finish(child, &input).expect(1);
        let name = if options.contains(&"-o") {
            "out"
        } else {
            "stdout"
        };
        let line =
            format!("hwm: cannot write {name}: File too large (after 4,096 bytes of output)");
        let told: Vec<&str> = done
            .stderr
            .lines()
            .filter(|at| !at.starts_with('{'))
            .collect();
        assert_eq!(told, [line], "{options:?}");
        assert_eq!(done.summary().count("out_bytes"), 4096);
        assert!(fs::read(folder.path().join("out")).unwrap() == input[..4096]);
    }
}

#[test]
fn a_command_meets_the_limit_as_hwm_was_started_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for (ignored, how) in [("", "exit status 153"), ("trap '' XFSZ;", "exit status 1")] {
        let text = format!(
            r#"ulimit -f 4; {ignored} exec "$HWM" -q -B 1 --on-flow 'head -c 10000 /dev/zero >big 2>&1'"#
        );
        let mut command = command(&["bash", "-c", &text]);
        let done = finish(command.current_dir(folder.path()).spawn().unwrap(), b"x").expect(0);
        let expected = match how {
            // Some shells become the command, others wait for it.
            "exit status 153" => ["exit status 153", "killed by signal 25"],
            other => [other, other],
        };
        let told = |how: &&str| done.stderr.contains(&format!("failed: {how}\n"));
        assert!(expected.iter().any(told), "{}", done.stderr);
        assert_eq!(done.stdout, b"x");
    }
}

#[test]
fn a_command_that_fails_is_reported_also_where_nobody_waits_for_children() {
    let words = [
        "env",
        "--ignore-signal=CHLD",
        env!("CARGO_BIN_EXE_hwm"),
        "-q",
    ];
    let mut command = command(&words);
    command.args(["-B", "1", "--on-pressure", "exit 3"]);
    let done = finish(command.spawn().unwrap(), b"x").expect(0);
    let line = "hwm: --on-pressure 'exit 3' failed: exit status 3\n";
    assert_eq!((done.stdout, done.stderr.as_str()), (b"x".to_vec(), line));
}

#[test]
fn a_reader_of_reports_that_leaves_is_reported_and_the_summary_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    if !can(&["mkfifo", path.to_str().unwrap()]) {
        return;
    }
    let keeper = File::options().read(true).write(true).open(&path).unwrap();
    let reader = File::open(&path).unwrap();
    let errors = folder.path().join("errors");
    let mut child = hwm(&["--report", "plain", "-i", "0.01", "--report-to"])
        .arg(&path)
        .stderr(File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"x\n").unwrap();
    let mut lines = std::io::BufReader::new(reader);
    std::io::BufRead::read_line(&mut lines, &mut String::new()).unwrap();
    drop((lines, keeper));
    let said = || fs::read_to_string(&errors).unwrap();
    let name = path.display();
    let line = format!("hwm: cannot report to {name} (--report-to): Broken pipe\n");
    // While the run goes on.
    wait_until("it is told", || said() == line);
    drop(child.stdin.take());
    assert!(wait(&mut child).success());
    let said = said();
    assert!(
        said.contains("2 B in ") && said.lines().count() == 3,
        "{said}"
    );
}
