//! `--metrics-file`: whole files at every moment, the account in the last of them, and promtool's word
//! for their form.

mod common;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use common::{can, finish, hwm, log, wait_until};

/// The value of a sample.
fn value(text: &str, sample: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} in {text}"))
        .parse()
        .unwrap()
}

#[test]
fn the_file_follows_the_run_and_is_whole_at_every_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hwm.prom");
    let mut child = hwm(&["-i", "0.01", "-q", "--metrics-file", path.to_str().unwrap()])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"some text\n").unwrap();
    let mut looks = 0;
    wait_until("the metrics", || {
        let Ok(text) = fs::read_to_string(&path) else {
            return false;
        };
        // Whoever looks, at whatever moment, finds the last line.
        assert!(text.ends_with("hwm_run_finished 0\n"), "{text}");
        looks += 1;
        looks > 50 && value(&text, "hwm_received_bytes_total") == 10
    });
    child.stdin = Some(stdin);
    let done = finish(child, b"more\n").expect(0);
    assert_eq!(done.stderr, "");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(value(&text, "hwm_received_bytes_total"), 15);
    assert_eq!(value(&text, "hwm_sent_bytes_total"), 15);
    assert_eq!(value(&text, "hwm_held_bytes"), 0);
    assert_eq!(value(&text, "hwm_run_finished"), 1);
    assert_eq!(value(&text, "hwm_exit_status"), 0);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "a draft is left"
    );
}

#[test]
fn a_place_where_no_file_can_be_is_reported_before_anything_is_read() {
    let child = hwm(&["--metrics-file", "/nowhere/hwm.prom"])
        .spawn()
        .unwrap();
    let done = finish(child, b"").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: cannot write metrics to /nowhere/hwm.prom (--metrics-file): No such file or directory\n"
    );
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    if !can(&["promtool", "--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hwm.prom");
    let path = path.to_str().unwrap();
    let lossy = [
        "--when-full",
        "drop-oldest",
        "-B",
        "10k",
        "--mark",
        "--lost-to",
        "/dev/null",
        "-N",
        "a \"b\" \\",
    ];
    for options in [&["-l"][..], &[], &lossy] {
        let options = [options, &["--metrics-file", path]].concat();
        let child = hwm(&options).spawn().unwrap();
        finish(child, &log(2000)).expect(0);
        let checked = std::process::Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::from(fs::File::open(path).unwrap()))
            .output()
            .unwrap();
        let said = [checked.stdout, checked.stderr].concat();
        assert!(
            checked.status.success() && said.is_empty(),
            "{options:?}: {}",
            String::from_utf8_lossy(&said)
        );
    }
}
