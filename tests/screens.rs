//! Whole screens with real processes on them, as a person sees them: at three widths against the text in
//! tests/screens.txt, with the figures masked, because no clock of ours reaches these processes; and
//! while the window changes. With HWM_REGENERATE=1 the text is written.

mod common;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::emulator::Emulator;
use common::session::{View, folder_with_fifo, session};
use common::{PATIENCE, can, command, wait, wait_until};

const HEIGHT: usize = 30;

/// Long enough for several intervals of a tenth of a second.
const SOME_BEATS: Duration = Duration::from_millis(500);

/// The lines of a screen with every figure masked, and nothing of the sparkline, which knows the time.
fn masked(screen: &Emulator) -> Vec<String> {
    let is_spark = |character| ('▁'..='█').contains(&character);
    let mask = |line: String| {
        let mut text = String::new();
        // The shell's numbers, and a summary's times, have no width of their own.
        let is_free = line.starts_with('[') || line.contains("lost 0");
        for character in line.chars().filter(|character| !is_spark(*character)) {
            let digit = character.is_ascii_digit();
            if !(digit && is_free && text.ends_with('0')) {
                text.push(if digit { '0' } else { character });
            }
        }
        text.trim_end().to_owned()
    };
    screen.lines().into_iter().map(mask).collect()
}

/// What is compared with the text.
struct Story {
    text: String,
    before: String,
    view: View,
}

impl Story {
    /// Waits until the screen is as in the text, under this title.
    #[track_caller]
    fn compare(&mut self, title: &str) {
        let title = format!("== {title}\n");
        let expected = self.before.split_once(&title).map(|(_, text)| text);
        let expected = expected.and_then(|text| text.split("\n\n== ").next());
        let expected = expected.unwrap_or_default().trim_end().to_owned();
        if regenerates() {
            sleep(2 * SOME_BEATS);
        } else {
            let advice = "changed; HWM_REGENERATE=1 writes tests/screens.txt";
            settle(&mut self.view, &format!("{title}{advice}"), |screen| {
                masked(screen).join("\n") == expected
            });
        }
        let seen = masked(self.view.look()).join("\n");
        let _ = write!(self.text, "{title}{seen}\n\n");
    }

    fn types(&mut self, keys: &str) {
        self.view
            .screen
            .keyboard
            .write_all(keys.as_bytes())
            .unwrap();
    }

    fn waits_for(&mut self, end: &str) {
        wait_until(end, || {
            let lines = self.view.look().lines();
            lines.last().is_some_and(|line| line.ends_with(end))
        });
    }
}

fn regenerates() -> bool {
    std::env::var_os("HWM_REGENERATE").is_some_and(|value| value == "1")
}

/// An interactive shell, as a person's but for what differs between machines.
fn shell(view: &View, folder: &Path) -> Child {
    let stream = || view.screen.terminal.try_clone().unwrap();
    let hwm = Path::new(env!("CARGO_BIN_EXE_hwm")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", hwm.display());
    command(&[
        "setsid",
        "--ctty",
        "bash",
        "--norc",
        "--noprofile",
        "--noediting",
        "-i",
    ])
    .current_dir(folder)
    .env("PATH", path)
    .env("TERM", "xterm")
    .env("LC_ALL", "C.UTF-8")
    .env("PS1", "$ ")
    .env("HISTFILE", "")
    .stdin(stream())
    .stdout(stream())
    .stderr(stream())
    .spawn()
    .unwrap()
}

/// A job that begins in the background, is looked at, stopped, and goes on in the background to its end.
fn background(story: &mut Story, width: usize) {
    let (folder, input) = folder_with_fifo();
    story.view = View::new(width, HEIGHT, true);
    let mut shell = shell(&story.view, folder.path());
    story.waits_for("$");
    story.types("hwm -i 0.1 <in >out &\n");
    story.waits_for("$");
    // It has beats to be seen, if it were.
    sleep(SOME_BEATS);
    story.compare(&format!("in the background, {width} columns"));
    story.types("fg\n");
    story.compare(&format!("brought to the foreground, {width} columns"));
    story.types("\u{1a}");
    story.waits_for("$");
    story.types("bg\n");
    story.waits_for("$");
    sleep(SOME_BEATS);
    story.compare(&format!(
        "stopped, and in the background again, {width} columns"
    ));
    drop(input);
    story.compare(&format!("a background job's end, {width} columns"));
    story.types("exit\n");
    wait(&mut shell);
    story.view.screen.expect_no_change();
}

/// Two with `-c` in one pipeline. The second goes on when the first has ended.
fn pipeline(story: &mut Story, width: usize) {
    let (folder, input) = folder_with_fifo();
    let gate = folder.path().join("gate");
    assert!(can(&["mkfifo", gate.to_str().unwrap()]));
    let gate = File::options().read(true).write(true).open(gate).unwrap();
    story.view = View::new(width, HEIGHT, true);
    let terminal = story.view.screen.terminal.try_clone().unwrap();
    let script = r#"export XDG_RUNTIME_DIR=$PWD LC_ALL=C.UTF-8; exec 3<gate; echo begin
        "$HWM" -cN one -i 0.1 <in | cat - /dev/fd/3 | "$HWM" -cN two -i 0.1 >out; echo end"#;
    let mut shell = session(&terminal, script, folder.path());
    story.compare(&format!("two of a pipeline by -c, {width} columns"));
    drop(input);
    story.compare(&format!("the first has ended, {width} columns"));
    drop(gate);
    story.compare(&format!("both have ended, {width} columns"));
    assert!(wait(&mut shell).success());
    let end = story.view.look().rows().len();
    assert_eq!(story.view.look().cursor(), (end, 0), "below all");
    assert_eq!(ledgers(folder.path()), 0);
    story.view.screen.expect_no_change();
}

/// How many ledgers of rows were left.
fn ledgers(folder: &Path) -> usize {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".rows")).count()
}

#[test]
fn screens_of_real_processes_are_as_they_were_looked_at() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens.txt");
    let mut story = Story {
        text: String::new(),
        before: fs::read_to_string(&path).unwrap_or_default(),
        view: View::new(80, HEIGHT, true),
    };
    for width in [40, 80, 120] {
        background(&mut story, width);
        pipeline(&mut story, width);
    }
    if regenerates() {
        fs::write(&path, &story.text).unwrap();
    }
    assert!(
        regenerates() || story.text == story.before,
        "tests/screens.txt has more"
    );
}

/// Displays, and the names or beginnings of their lines.
const DISPLAYS: [(&str, &[&str]); 4] = [
    (r#""$HWM" -i 0.1 <in >out"#, &["     0B"]),
    (r#""$HWM" -pterb -i 0.1 <in >out"#, &["0.00  B"]),
    (
        r#""$HWM" -cN one -i 0.1 <in | "$HWM" -cN two -i 0.1 >out"#,
        &["one: ", "two: "],
    ),
    (
        r#""$HWM" -cN one -pt -i 0.1 <in | "$HWM" -cN two -pt -i 0.1 >out"#,
        &["      one: ", "      two: "],
    ),
];

#[test]
fn a_window_that_gets_narrower_and_wider_has_one_clean_display_on_it() {
    for (display, begins) in DISPLAYS {
        for folds in [true, false] {
            let (folder, input) = folder_with_fifo();
            let mut view = View::new(100, 10, folds);
            let script = format!("export XDG_RUNTIME_DIR=$PWD; echo begin\n{display}; echo end");
            let terminal = view.screen.terminal.try_clone().unwrap();
            let mut shell = session(&terminal, &script, folder.path());
            for width in [100, 60, 33, 90, 45] {
                view.resize(width, 10);
                // Drawn for the new width, several times.
                for _ in 0..3 {
                    let drawn = view.screen.shown().len();
                    wait_until("a beat", || view.screen.shown().len() > drawn + 100);
                }
                let what = format!("{display}, folds: {folds}, {width} columns");
                settle(&mut view, &what, |screen| {
                    let rows = screen.rows();
                    let is_right = |(row, begin): (&String, &&str)| row.starts_with(begin);
                    screen.cursor() == (1, 0)
                        && rows.len() == 1 + begins.len()
                        && rows[0] == "begin"
                        && rows[1..].iter().zip(begins).all(is_right)
                });
            }
            drop(input);
            assert!(wait(&mut shell).success());
            settle(&mut view, &format!("{display}, the end"), |screen| {
                let lines = screen.lines();
                lines.len() == 2 + begins.len() && lines.last().unwrap() == "end"
            });
        }
    }
}

/// Waits until the screen is right: a frame may be seen in parts, and what should not be there stays.
#[track_caller]
fn settle(view: &mut View, what: &str, is_right: impl Fn(&Emulator) -> bool) {
    let begun = Instant::now();
    while !is_right(view.look()) {
        let rows = view.look().rows();
        assert!(begun.elapsed() < PATIENCE, "{what}: {rows:#?}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_the_consumer_says_at_its_end_has_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    fs::write(folder.path().join("lines"), lines).unwrap();
    for display in ["", "-C", "-p", "-c", "-c -p -N name"] {
        let mut view = View::new(80, HEIGHT, true);
        // Some beats, so that there is a line to be in the way.
        let script = format!("$HWM {display} -i 0.05 -L 1M lines | wc -l");
        let mut child = session(&view.screen.terminal, &script, folder.path());
        assert!(wait(&mut child).success(), "{display}");
        settle(
            &mut view,
            &format!("no line of its own: {display}"),
            |screen| screen.lines().iter().any(|line| line == "50000"),
        );
    }
}
