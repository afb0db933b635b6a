//! `--chart`: a picture of each run, however it ends, and never a byte of its output.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use common::{can, command, finish, hwm, log, signal, wait};

/// A picture's texts, in their order. Fails unless it is one.
#[track_caller]
fn texts(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let picture = roxmltree::Document::parse(&text).unwrap();
    let root = picture.root_element();
    assert_eq!(root.tag_name().name(), "svg");
    let size = (root.attribute("width"), root.attribute("height"));
    assert_eq!(size, (Some("960"), Some("540")));
    let texts = root.children().filter(|node| node.has_tag_name("text"));
    let texts = texts.filter_map(|node| node.text());
    texts.map(|text| text.trim().to_owned()).collect()
}

/// How many corners the finest line of a picture has.
fn corners(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    let points = text.split("points=\"").skip(1);
    let count = points.map(|line| line[..line.find('"').unwrap()].split_whitespace().count());
    count.max().unwrap_or(0)
}

/// hwm with `--chart c.svg` in `folder`.
fn charting(folder: &Path, args: &[&str]) -> Child {
    let args = [&["--chart", "c.svg"], args].concat();
    hwm(&args).current_dir(folder).spawn().unwrap()
}

#[test]
fn a_run_that_loses_is_drawn_with_what_it_lost() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is read before everything was written, however long that takes.
    let text = r#"(seq 2000000; touch over) |
        "$HWM" -N numbers -B 100k --when-full drop-oldest --mark --chart c.svg |
        (until [ -e over ]; do sleep 0.05; done; rm over; cat)"#;
    let mut script = command(&["bash", "-c", text]);
    let done = finish(script.current_dir(&folder).spawn().unwrap(), b"").expect(0);
    let output = String::from_utf8(done.stdout).unwrap();
    let lost = |line: &str| line.strip_prefix("hwm: ")?.split(' ').next()?.parse().ok();
    let lost: Vec<u64> = output.lines().filter_map(lost).collect();
    let went = output.lines().count() - lost.len();
    assert_eq!(lost.iter().sum::<u64>() + went as u64, 2_000_000);
    let path = folder.path().join("c.svg");
    let texts = texts(&path);
    assert!(texts[0].starts_with("numbers: "), "{texts:?}");
    let is = |text: &str| texts.iter().any(|there| there == text);
    assert!(is("when full: drop-oldest"), "{texts:?}");
    assert!(
        texts.iter().any(|text| text.ends_with("M records lost")),
        "{texts:?}"
    );
    let share = |text: &str| {
        text.strip_prefix("waiting for the consumer ")?
            .strip_suffix('%')?
            .parse()
            .ok()
    };
    let shares: Vec<u32> = texts.iter().filter_map(|text| share(text)).collect();
    assert!(shares[0] > 40, "{texts:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a draft is left");
}

#[test]
fn the_output_is_the_same_and_a_short_run_has_a_shape() {
    let input = log(3_000);
    for options in [&[][..], &["-q"], &["-C"], &["-l", "--report", "json"]] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = charting(folder.path(), options);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let parts = input.clone();
        let feeder = std::thread::spawn(move || {
            for part in parts.chunks(parts.len().div_ceil(30)) {
                stdin.write_all(part).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let mut taken = Vec::new();
        stdout.read_to_end(&mut taken).unwrap();
        feeder.join().unwrap();
        let done = finish(child, b"").expect(0);
        assert!(taken == input, "{options:?}");
        assert!(!done.stderr.contains("draw"), "{}", done.stderr);
        let path = folder.path().join("c.svg");
        texts(&path);
        assert!(corners(&path) > 20, "{options:?}: {}", corners(&path));
    }
}

#[test]
fn a_run_that_is_stopped_is_drawn_too() {
    for number in [1, 2, 15] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = charting(folder.path(), &["--drain-timeout", "100ms"]);
        let mut stdin = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || {
            // Until it is taken no more.
            while stdin.write_all(&[b'x'; 4096]).is_ok() {}
        });
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        signal(&child, number);
        wait(&mut child);
        feeder.join().unwrap();
        let texts = texts(&folder.path().join("c.svg"));
        assert!(texts.len() > 10, "{number}: {texts:?}");
    }
}

#[test]
fn a_consumer_that_leaves_is_no_reason_not_to_draw() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = charting(folder.path(), &[]);
    drop(child.stdout.take());
    let done = finish(child, &[b'x'; 1 << 20]).expect(141);
    assert!(!done.stderr.contains("draw"), "{}", done.stderr);
    assert!(texts(&folder.path().join("c.svg")).len() > 1);
}

#[test]
fn a_run_without_data_and_one_that_is_over_at_once_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let child = charting(folder.path(), &[]);
    finish(child, b"").expect(0);
    texts(&folder.path().join("c.svg"));
    let mut child = charting(folder.path(), &[]);
    std::thread::sleep(Duration::from_millis(50));
    drop(child.stdin.take());
    finish(child, b"").expect(0);
    let texts = texts(&folder.path().join("c.svg"));
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("waiting for input ")),
        "{texts:?}"
    );
}

#[test]
fn a_run_that_did_not_begin_leaves_no_chart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.svg");
    for there in [None, Some("mine")] {
        if let Some(text) = there {
            fs::write(&path, text).unwrap();
        }
        let child = charting(folder.path(), &["-B", "0"]);
        finish(child, b"").expect(2);
        let child = charting(folder.path(), &["-o", "nowhere/out"]);
        finish(child, b"").expect(1);
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), there);
    }
    let child = hwm(&["--chart", "/nowhere/c.svg"]).spawn().unwrap();
    let done = finish(child, b"").expect(1);
    assert_eq!(
        done.stderr,
        "hwm: cannot draw the run to /nowhere/c.svg (--chart): No such file or directory\n"
    );
}

#[test]
fn a_place_that_went_is_reported_once_and_changes_no_status() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    let mut child = charting(&below, &["-q"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    fs::remove_dir_all(&below).unwrap();
    drop(stdin);
    let done = finish(child, b"").expect(0);
    let line = "hwm: cannot draw the run to c.svg (--chart): No such file or directory\n";
    assert_eq!(done.stderr, line);
}

#[test]
fn a_full_disk_is_reported_once_and_keeps_the_chart_that_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    if !can(&["unshare", "-m", "mount", "-t", "tmpfs", "none", path]) {
        return;
    }
    let text = r#"mount -t tmpfs -o size=16k none "$0" && cd "$0" || exit 99
        echo old >c.svg
        dd bs=1k if=/dev/zero of=filler 2>/dev/null
        sleep 0.1 | "$HWM" -q --chart c.svg; status=$?
        cat c.svg; ls; exit $status"#;
    let child = command(&["unshare", "-m", "bash", "-c", text, path])
        .spawn()
        .unwrap();
    let done = finish(child, b"").expect(0);
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "old\nc.svg\nfiller\n"
    );
    let line = "hwm: cannot draw the run to c.svg (--chart): No space left on device\n";
    assert_eq!(done.stderr, line);
}

#[test]
fn a_descriptor_takes_it_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"printf 'data\n' | "$HWM" -q --chart /dev/fd/3 3>&1 >out"#;
    let mut script = command(&["bash", "-c", text]);
    let done = finish(script.current_dir(&folder).spawn().unwrap(), b"").expect(0);
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), b"data\n");
    assert!(done.stdout.starts_with(b"<svg ") && done.stdout.ends_with(b"</svg>\n"));
}

#[test]
fn a_chart_that_no_reader_takes_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    // Its reader is there and never reads: neither does the run wait, nor the exit for long.
    let text = r#"mkfifo full; sleep 60 <full & exec 3>full
        dd if=/dev/zero bs=64k count=1 oflag=nonblock of=/dev/fd/3 2>/dev/null
        dd if=/dev/zero bs=1k count=8 oflag=nonblock of=/dev/fd/3 2>/dev/null
        head -c 100000 /dev/zero | "$HWM" -q --chart /dev/fd/3 | wc -c; kill %1"#;
    let mut script = command(&["bash", "-c", text]);
    script.current_dir(&folder).stdin(Stdio::null());
    let done = finish(script.spawn().unwrap(), b"").expect(0);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "100000\n");
}

#[test]
fn readmes_first_chart_is_of_its_first_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, link) = readme.split_once("](").unwrap();
    let path = root.join(&link[..link.find(')').unwrap()]);
    assert!(fs::metadata(&path).unwrap().len() < 60_000);
    let texts = texts(&path);
    for line in &texts[..2] {
        assert!(readme.contains(line), "{line}");
    }
}
