//! pv's options for the transfer: where the output goes, what cannot be read, the process's number.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use common::{finish, hwm, log, wait_until};

#[test]
fn the_output_may_be_a_file_which_is_emptied_first() {
    let input = log(2000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    for options in [
        &[][..],
        &["-C"],
        &["-Y"],
        &["--when-full", "drop-oldest"],
        &["-Y", "-l"],
    ] {
        fs::write(&path, vec![b'x'; 10_000_000]).unwrap();
        let options = [options, &["-B", "64M", "-o", path.to_str().unwrap()]].concat();
        let done = finish(hwm(&options).spawn().unwrap(), &input).expect(0);
        assert!(done.stdout.is_empty());
        assert!(fs::read(&path).unwrap() == input, "{options:?}");
    }
    fs::remove_file(&path).unwrap();
    finish(hwm(&["-o", path.to_str().unwrap()]).spawn().unwrap(), b"x").expect(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn an_output_file_needs_no_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    for (options, expected) in [
        (["-o", path.to_str().unwrap()], &b"text"[..]),
        (["-X", "-q"], b""),
    ] {
        fs::write(&path, "").unwrap();
        let script = r#"exec "$HWM" "$@" >&-"#;
        let mut command = common::command(&["bash", "-c", script, "bash"]);
        let child = command.args(options).spawn().unwrap();
        finish(child, b"text").expect(0);
        assert_eq!(fs::read(&path).unwrap(), expected);
    }
}

#[test]
fn an_output_that_is_an_input_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    fs::write(&path, "text").unwrap();
    let name = path.to_str().unwrap();
    let done = finish(hwm(&["-o", name, name]).spawn().unwrap(), b"").expect(1);
    let expected =
        format!("hwm: {name}: input and output are the same file; write to another one\n");
    assert_eq!(done.stderr, expected);
    assert_eq!(fs::read_to_string(&path).unwrap(), "text");
}

#[test]
fn what_fails_names_the_output_file() {
    let done = finish(hwm(&["-q", "-o", "/dev/full"]).spawn().unwrap(), b"text").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: cannot write /dev/full: No space left on device (after 0 bytes of output)\n"
    );
    let done = finish(hwm(&["-o", "/nowhere/x"]).spawn().unwrap(), b"").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: cannot open /nowhere/x for writing (-o): No such file or directory\n"
    );
}

#[test]
fn discarded_data_is_counted() {
    let done = finish(
        hwm(&["-X", "--report", "json"]).spawn().unwrap(),
        &[b'x'; 100_000],
    );
    let done = done.expect(0);
    assert!(done.stdout.is_empty());
    assert_eq!(done.summary().count("out_bytes"), 100_000);
}

#[test]
fn what_cannot_be_read_becomes_null_bytes_and_a_failure() {
    // The first page of a process is never mapped.
    let options = ["-q", "-S", "-s", "4000", "-Z", "1000", "/proc/self/mem"];
    let done = finish(hwm(&options).spawn().unwrap(), b"").expect(1);
    assert!(done.stdout == [0; 4000]);
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "hwm: cannot read /proc/self/mem: 1000 bytes at 0, now null bytes: Input/output error \
         (after 0 bytes of input)"
    );
    assert!(lines.len() >= 4);
    let done = finish(hwm(&["-EE"]).args(options).spawn().unwrap(), b"").expect(1);
    assert!(done.stdout == [0; 4000]);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    let done = finish(hwm(&["-q", "/proc/self/mem"]).spawn().unwrap(), b"").expect(1);
    assert!(done.stdout.is_empty());
}

#[test]
fn the_process_number_is_in_its_file_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let mut child = hwm(&["-q", "-P", path.to_str().unwrap()]).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    // `env` becomes hwm, with the same number.
    let number = format!("{}\n", child.id());
    wait_until("the file", || {
        fs::read_to_string(&path).is_ok_and(|text| text == number)
    });
    finish(child, b"y").expect(0);
    assert!(!path.exists());
    let failed = hwm(&["-P", "/nowhere/pid"]).spawn().unwrap();
    let done = finish(failed, b"").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: cannot write /nowhere/pid (-P): No such file or directory\n"
    );
    // Also where it cannot begin.
    let options = ["-P", path.to_str().unwrap(), "-o", "/nowhere/x"];
    finish(hwm(&options).spawn().unwrap(), b"").expect(1);
    assert!(!path.exists());
}
