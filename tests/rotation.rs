//! Rotation by `mv`: what is appended to is opened anew when its name leads elsewhere, at the end of a
//! line or record, without a signal.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin};

use common::{can, finish, hwm, summary_of, wait_until};

/// hwm that loses every record, and its standard input.
fn losing(lost: &Path) -> (Child, ChildStdin) {
    let args = ["-q", "-B", "1", "--when-full", "drop-newest", "--lost-to"];
    let mut child = hwm(&args).arg(lost).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

/// Waits until the file at `path` is this text.
#[track_caller]
fn expect(path: &Path, text: &str) {
    wait_until(&format!("{} is {text:?}", path.display()), || {
        fs::read_to_string(path).is_ok_and(|there| there == text)
    });
}

#[test]
fn lost_records_go_on_in_a_new_file_when_the_old_one_was_renamed_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (child, mut stdin) = losing(&at("lost"));
    stdin.write_all(b"one\ntwo\n").unwrap();
    expect(&at("lost"), "one\ntwo\n");
    fs::rename(at("lost"), at("lost.1")).unwrap();
    stdin.write_all(b"three\n").unwrap();
    expect(&at("lost"), "three\n");
    fs::remove_file(at("lost")).unwrap();
    stdin.write_all(b"four\n").unwrap();
    expect(&at("lost"), "four\n");
    // By another, as logrotate's `create` makes it, which has something in it already.
    fs::rename(at("lost"), at("lost.2")).unwrap();
    fs::write(at("lost"), "before\n").unwrap();
    stdin.write_all(b"five\n").unwrap();
    expect(&at("lost"), "before\nfive\n");
    // By a link that leads elsewhere.
    fs::rename(at("lost"), at("lost.3")).unwrap();
    symlink("lost.4", at("lost")).unwrap();
    stdin.write_all(b"six\n").unwrap();
    expect(&at("lost.4"), "six\n");
    // Emptied where it is, as logrotate's `copytruncate` does it.
    fs::write(at("lost"), "").unwrap();
    stdin.write_all(b"seven\n").unwrap();
    expect(&at("lost.4"), "seven\n");
    drop(stdin);
    assert_eq!(finish(child, b"").expect(0).stderr, "");
    expect(&at("lost.1"), "one\ntwo\n");
    expect(&at("lost.2"), "four\n");
    expect(&at("lost.3"), "before\nfive\n");
}

#[test]
fn no_record_is_lost_or_cut_by_rotation_at_full_speed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (child, stdin) = losing(&at("lost"));
    let writer = std::thread::spawn(move || {
        let mut stdin = std::io::BufWriter::new(stdin);
        for number in 0..200_000 {
            writeln!(stdin, "record {number}").unwrap();
            if number % 1000 == 0 {
                // Four MiB may wait to be written, and what is more is not kept.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    });
    let mut files = Vec::new();
    while !writer.is_finished() {
        wait_until("there is one", || {
            writer.is_finished() || at("lost").exists()
        });
        let name = at(&format!("lost.{}", files.len()));
        if fs::rename(at("lost"), &name).is_ok() {
            files.push(name);
        }
    }
    writer.join().unwrap();
    assert_eq!(finish(child, b"").expect(0).stderr, "");
    files.extend(Some(at("lost")).filter(|last| last.exists()));
    let mut next = 0;
    for file in &files {
        for line in fs::read_to_string(file).unwrap().split_inclusive('\n') {
            assert_eq!(line, format!("record {next}\n"), "{}", file.display());
            next += 1;
        }
    }
    assert_eq!(next, 200_000);
    assert!(files.len() > 2, "{}", files.len());
}

#[test]
fn events_and_reports_go_on_in_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut child = hwm(&["-B", "1", "--no-splice", "--report", "json", "-i", "0.01"])
        .arg("--events")
        .arg(at("events"))
        .arg("--report-to")
        .arg(at("report"))
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut push = || {
        stdin.write_all(b"x").unwrap();
        stdout.read_exact(&mut [0]).unwrap();
    };
    let has = |name: &str, text: &str| {
        fs::read_to_string(at(name)).is_ok_and(|there| there.contains(text))
    };
    push();
    wait_until("both", || {
        has("events", "flowing") && has("report", "interval")
    });
    for name in ["events", "report"] {
        fs::rename(at(name), at(&format!("{name}.1"))).unwrap();
    }
    push();
    wait_until("both again", || {
        has("events", "flowing") && has("report", "interval")
    });
    drop(stdin);
    assert_eq!(finish(child, b"").expect(0).stderr, "");
    summary_of(&fs::read_to_string(at("report")).unwrap());
    for name in ["events", "events.1", "report", "report.1"] {
        let text = fs::read_to_string(at(name)).unwrap();
        let is_object = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(
            text.ends_with('\n') && text.lines().all(is_object),
            "{name}"
        );
    }
}

#[test]
fn what_has_the_name_by_then_is_not_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("out"), "").unwrap();
    let args = ["-q", "-B", "4", "--when-full", "drop-newest", "--lost-to"];
    let mut child = hwm(&args)
        .arg(at("lost"))
        .arg("-o")
        .arg(at("out"))
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"too long\n").unwrap();
    expect(&at("lost"), "too long\n");
    fs::rename(at("lost"), at("lost.1")).unwrap();
    fs::hard_link(at("out"), at("lost")).unwrap();
    stdin.write_all(b"longer\nabc\n").unwrap();
    expect(&at("lost.1"), "too long\nlonger\n");
    stdin.write_all(b"longest\n").unwrap();
    drop(stdin);
    let done = finish(child, b"").expect(0);
    let line = format!(
        "hwm: cannot open {} again: it is also the output; writing on to the file that was there\n",
        at("lost").display()
    );
    assert_eq!(done.stderr, line, "once");
    expect(&at("out"), "abc\n");
    expect(&at("lost.1"), "too long\nlonger\nlongest\n");
}

#[test]
fn where_no_new_file_can_be_made_the_old_one_is_used_on() {
    // Root may write everywhere.
    if !can(&["unshare", "-U", "true"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let words = ["unshare", "-U", env!("CARGO_BIN_EXE_hwm"), "-q", "-B", "1"];
    let mut command = common::command(&words);
    command.args(["--when-full", "drop-newest", "--lost-to"]);
    fs::create_dir(at("log")).unwrap();
    let set_mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(at("log"), mode).unwrap();
    };
    let mut child = command.arg(at("log/lost")).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    expect(&at("log/lost"), "one\n");
    fs::rename(at("log/lost"), at("log/lost.1")).unwrap();
    set_mode(0o555);
    stdin.write_all(b"two\n").unwrap();
    expect(&at("log/lost.1"), "one\ntwo\n");
    set_mode(0o755);
    stdin.write_all(b"three\n").unwrap();
    expect(&at("log/lost"), "three\n");
    drop(stdin);
    let done = finish(child, b"").expect(0);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(
        done.stderr.contains("again: Permission denied;"),
        "{}",
        done.stderr
    );
}
