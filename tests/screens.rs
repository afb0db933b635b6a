//! Whole screens with real processes on them, as a person sees them: at four widths against the text in
//! tests/screens.txt, with the figures masked, because no clock of ours reaches these processes; and
//! while the window changes. With HWM_REGENERATE=1 the text is written.

mod common;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::emulator::Emulator;
use common::session::{View, folder_with_fifo, session};
use common::{PATIENCE, can, command, wait, wait_until};
use regex::Regex;

const HEIGHT: usize = 30;

/// The widths of windows that are looked at.
const WIDTHS: [usize; 4] = [40, 80, 110, 160];

/// Both forms of the live line, and the switches that ask for it.
const FORMS: [(&str, &str); 2] = [("own", ""), ("pv's", "-pterb")];

/// Long enough for several intervals of a tenth of a second.
const SOME_BEATS: Duration = Duration::from_millis(500);

/// The lines of a screen with every figure masked, how full a bar is, and nothing of the sparkline, which
/// knows the time.
fn masked(screen: &Emulator) -> Vec<String> {
    // The shell's numbers, and those of last words, have no width of their own.
    let free = r"^\[[0-9]|^([$] )?(hwm|one|two): .*( in [0-9]|interrupted|LOST [0-9,]+ of)";
    static FREE: OnceLock<Regex> = OnceLock::new();
    let is_free = FREE.get_or_init(|| Regex::new(free).unwrap());
    static MASKS: OnceLock<[Mask; 2]> = OnceLock::new();
    let [fixed, loose] = MASKS.get_or_init(|| {
        // An amount has so many columns, whatever its decimals.
        let fixed: [(&str, &str); 7] = [
            ("[▁-█]", " "),
            ("[ 0-9.]{4}([KMG]i|  )B", "0000MiB"),
            ("[ 0-9.]{4}k ", "0000k "),
            ("[0-9]+s", "0s"),
            ("[0-9]", "0"),
            (r"\[[-#+:|]{8}\]", "[------:-]"),
            (" +$", ""),
        ];
        let loose = [("[KMG]iB| B", "MiB"), ("[0-9,]*[0-9](\\.[0-9]+)?", "0")];
        let mask =
            |(pattern, instead): &(&str, &'static str)| (Regex::new(pattern).unwrap(), *instead);
        [
            fixed.iter().map(mask).collect(),
            loose.iter().map(mask).collect(),
        ]
    });
    let mask = |line: String| {
        let masks = if is_free.is_match(&line) {
            loose
        } else {
            fixed
        };
        let line = masks.iter().fold(line, |line, (pattern, instead)| {
            pattern.replace_all(&line, *instead).into_owned()
        });
        without_bar(&line)
    };
    screen.lines().into_iter().map(mask).collect()
}

type Mask = Vec<(Regex, &'static str)>;

/// The line with a bar of the same width that is full.
fn without_bar(line: &str) -> String {
    static BAR: OnceLock<Regex> = OnceLock::new();
    let bar = BAR.get_or_init(|| Regex::new(r"\[[<=> ]+\]").unwrap());
    let full = |bar: &regex::Captures<'_>| format!("[{}]", "=".repeat(bar[0].len() - 2));
    bar.replace_all(line, full).into_owned()
}

/// What is compared with the text.
struct Story {
    text: String,
    before: String,
    view: View,
}

impl Story {
    fn new(width: usize, before: &str) -> Story {
        Story {
            text: String::new(),
            before: before.to_owned(),
            view: View::new(width, HEIGHT, true),
        }
    }

    /// Waits until the screen is as in the text, under this title.
    #[track_caller]
    fn compare(&mut self, title: &str) {
        let title = format!("== {title}\n");
        let expected = self.before.split_once(&title).map(|(_, text)| text);
        let expected = expected.and_then(|text| text.split("\n\n== ").next());
        let expected = expected.unwrap_or_default().trim_end().to_owned();
        let seen = if regenerates() {
            // Then nothing changes any more but figures.
            sleep(10 * SOME_BEATS);
            masked(self.view.look()).join("\n")
        } else {
            let advice = "changed; HWM_REGENERATE=1 writes tests/screens.txt";
            let what = format!("{title}{advice}\nexpected:\n{expected}\nseen:\n");
            settle(&mut self.view, &what, |screen| {
                masked(screen).join("\n") == expected
            });
            // Not a second look: it may see the next frame in parts.
            expected
        };
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

    /// Waits until some line has these words.
    fn waits_for_words(&mut self, words: &str) {
        wait_until(words, || {
            let lines = self.view.look().lines();
            lines.iter().any(|line| line.contains(words))
        });
    }

    /// Nothing wraps: what looks like a line is one.
    fn expect_no_wrap(&mut self) {
        let screen = self.view.look();
        assert_eq!(
            screen.lines().len(),
            screen.rows().len(),
            "{:#?}",
            screen.rows()
        );
    }
}

/// A display on a terminal of its own while a script goes on, and what Ctrl-C leaves of it.
struct Scene {
    title: &'static str,
    /// With `FORM` for the switches of the display, and the FIFOs `in`, and `hold` that never has anything.
    script: &'static str,
    /// So many bytes are written to `in`, in lines of a hundred.
    feed: usize,
    /// Words that are seen then, at any width.
    words: &'static str,
}

// Consumers that do not hear of Ctrl-C, or they would be gone first.
const SCENES: [Scene; 5] = [
    Scene {
        title: "a copy of known size",
        script: r#""$HWM" FORM -s 4000000 -i 0.1 <in >/dev/null"#,
        feed: 3_000_000,
        words: "2.86MiB",
    },
    Scene {
        title: "a copy of unknown size",
        script: r#""$HWM" FORM -i 0.1 <in >/dev/null"#,
        feed: 3_000_000,
        words: "2.86MiB",
    },
    Scene {
        title: "a rate limit",
        script: r#""$HWM" FORM -L 5M -s 9000M -i 0.1 </dev/zero >/dev/null"#,
        feed: 0,
        words: "MiB/s",
    },
    Scene {
        title: "a stalled consumer",
        script: r#""$HWM" FORM -s 9M -i 0.1 <in | (trap "" INT; head -c 1M >/dev/null; cat hold)"#,
        feed: 8_000_000,
        words: "1.00MiB",
    },
    Scene {
        title: "a running loss",
        script: r#""$HWM" FORM -B 64k --when-full drop-oldest -i 0.1 <in |
                (trap "" INT; head -c 1M >/dev/null; cat hold)"#,
        feed: 8_000_000,
        words: "LOST",
    },
];

fn scene(story: &mut Story, scene: &Scene, form: (&str, &str), width: usize) {
    let (folder, mut input) = folder_with_fifo();
    let hold = fifo(folder.path(), "hold");
    story.view = View::new(width, HEIGHT, true);
    let terminal = story.view.screen.terminal.try_clone().unwrap();
    let script = scene.script.replace("FORM", form.1);
    let script = format!("export LC_ALL=C.UTF-8; echo begin; {script}");
    let mut shell = session(&terminal, &script, folder.path());
    let line = format!("{:099}\n", 0);
    let feed = line.repeat(scene.feed / line.len());
    let (ended, end) = std::sync::mpsc::channel::<()>();
    // Not by this thread: where nobody reads it stands still.
    std::thread::spawn(move || {
        let _ = input.write_all(feed.as_bytes());
        let _ = end.recv();
    });
    story.waits_for_words(scene.words);
    let title = format!("{}, {} form, {width} columns", scene.title, form.0);
    story.compare(&title);
    story.expect_no_wrap();
    story.types("\u{3}");
    story.compare(&format!("{title}, after Ctrl-C"));
    story.expect_no_wrap();
    drop((hold, ended));
    wait(&mut shell);
    story.view.screen.expect_no_change();
}

/// One more FIFO, kept open.
fn fifo(folder: &Path, name: &str) -> File {
    let path = folder.join(name);
    assert!(can(&["mkfifo", path.to_str().unwrap()]));
    File::options().read(true).write(true).open(path).unwrap()
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
fn background(story: &mut Story, form: (&str, &str), width: usize) {
    let (form, switches) = form;
    let (folder, input) = folder_with_fifo();
    story.view = View::new(width, HEIGHT, true);
    let mut shell = shell(&story.view, folder.path());
    story.waits_for("$");
    story.types(&format!("hwm -i 0.1 {switches} <in >out &\n"));
    story.waits_for("$");
    // It has beats to be seen, if it were.
    sleep(SOME_BEATS);
    story.compare(&format!("in the background, {form} form, {width} columns"));
    story.types("fg\n");
    story.compare(&format!(
        "brought to the foreground, {form} form, {width} columns"
    ));
    story.types("\u{1a}");
    story.waits_for("$");
    story.types("bg\n");
    story.waits_for("$");
    sleep(SOME_BEATS);
    story.compare(&format!(
        "stopped, and in the background again, {form} form, {width} columns"
    ));
    drop(input);
    story.compare(&format!(
        "a background job's end, {form} form, {width} columns"
    ));
    story.types("exit\n");
    wait(&mut shell);
    story.view.screen.expect_no_change();
}

/// Two with `-c` in one pipeline. The second goes on when the first has ended.
fn pipeline(story: &mut Story, form: (&str, &str), width: usize) {
    let (form, switches) = form;
    let (folder, input) = folder_with_fifo();
    let gate = fifo(folder.path(), "gate");
    story.view = View::new(width, HEIGHT, true);
    let terminal = story.view.screen.terminal.try_clone().unwrap();
    let script = r#"export XDG_RUNTIME_DIR=$PWD LC_ALL=C.UTF-8; exec 3<gate; echo begin
        "$HWM" -cN one -i 0.1 FORM <in | (cat; cat <&3) | "$HWM" -cN two -i 0.1 FORM >out; echo end"#;
    let script = script.replace("FORM", switches);
    let mut shell = session(&terminal, &script, folder.path());
    let mut compare =
        |title: &str| story.compare(&format!("{title}, {form} form, {width} columns"));
    compare("two of a pipeline by -c");
    drop(input);
    compare("the first has ended");
    drop(gate);
    compare("both have ended");
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

/// The same, ended by Ctrl-C: rows and last words stay in their order.
fn interrupted_pipeline(story: &mut Story, form: (&str, &str), width: usize) {
    let (form, switches) = form;
    let (folder, mut input) = folder_with_fifo();
    story.view = View::new(width, HEIGHT, true);
    let terminal = story.view.screen.terminal.try_clone().unwrap();
    let script = r#"export XDG_RUNTIME_DIR=$PWD LC_ALL=C.UTF-8; echo begin
        "$HWM" -cN one -i 0.1 FORM <in | "$HWM" -cN two -i 0.1 FORM | (trap "" INT; sleep 2; cat >out)"#;
    let script = script.replace("FORM", switches);
    let mut shell = session(&terminal, &script, folder.path());
    input.write_all(b"some data\n").unwrap();
    story.waits_for_words("one: ");
    story.waits_for_words("two: ");
    sleep(2 * SOME_BEATS);
    story.types("\u{3}");
    wait(&mut shell);
    story.compare(&format!(
        "a pipeline by -c after Ctrl-C, {form} form, {width} columns"
    ));
    story.expect_no_wrap();
    let end = story.view.look().rows().len();
    assert_eq!(story.view.look().cursor(), (end, 0), "below all");
    assert_eq!(ledgers(folder.path()), 0);
}

#[test]
fn screens_of_real_processes_are_as_they_were_looked_at() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens.txt");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let story_of = |width: usize, form| {
        let mut story = Story::new(width, &before);
        for one in &SCENES {
            scene(&mut story, one, form, width);
        }
        background(&mut story, form, width);
        pipeline(&mut story, form, width);
        interrupted_pipeline(&mut story, form, width);
        story.text
    };
    // Most of it is waiting.
    let story_of = &story_of;
    let texts = std::thread::scope(|scope| {
        let both = |width| FORMS.map(|form| scope.spawn(move || story_of(width, form)));
        let stories = WIDTHS.map(both);
        stories.map(|both| both.map(|story| story.join().expect("a story")).concat())
    });
    let text = texts.concat();
    if regenerates() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        regenerates() || text == before,
        "tests/screens.txt has more"
    );
}

/// Displays, and the beginnings of their lines.
const DISPLAYS: [(&str, &[&str]); 4] = [
    (r#""$HWM" -i 0.1 <in >out"#, &[" "]),
    (r#""$HWM" -pterb -i 0.1 <in >out"#, &[""]),
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
            let (folder, mut input) = folder_with_fifo();
            // Nothing is drawn but what changes.
            let changes = Arc::new(AtomicBool::new(true));
            let goes_on = Arc::clone(&changes);
            let trickle = std::thread::spawn(move || {
                while goes_on.load(Ordering::Relaxed) {
                    input.write_all(b"x").unwrap();
                    sleep(Duration::from_millis(20));
                }
            });
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
                    let is_right = |(row, begin): (&String, &&str)| {
                        row.starts_with(begin) && row.contains(" 0:00:")
                    };
                    screen.cursor() == (1, 0)
                        && rows.len() == 1 + begins.len()
                        && rows[0] == "begin"
                        && rows[1..].iter().zip(begins).all(is_right)
                });
            }
            changes.store(false, Ordering::Relaxed);
            trickle.join().unwrap();
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
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}{rows:#?} {:#?}",
            masked(view.look())
        );
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_the_producer_says_at_its_end_stays() {
    for display in ["", "-p", "-c"] {
        let mut view = View::new(80, HEIGHT, true);
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            r#"export XDG_RUNTIME_DIR=$PWD
            (head -c 2M /dev/zero; sleep 0.5; echo "producer: these are my last words" >&2) |
            "$HWM" {display} -i 0.05 | cat >/dev/null; echo end"#
        );
        let mut child = session(&view.screen.terminal, &script, folder.path());
        assert!(wait(&mut child).success(), "{display}");
        settle(&mut view, display, |screen| {
            let lines = screen.lines();
            let is_said = |line: &String| line.starts_with("producer: these are my last words");
            lines.iter().any(is_said) && lines.last().is_some_and(|line| line == "end")
        });
    }
}

#[test]
fn with_wait_a_prompt_stays_whole_until_it_is_answered() {
    let (folder, mut input) = folder_with_fifo();
    let mut view = View::new(80, HEIGHT, true);
    let script = r#"exec 3<>/dev/tty; "$HWM" -W -i 0.05 <in |
        (printf "Password: " >&3; read -r word <&3; cat >/dev/null)"#;
    let mut child = session(&view.screen.terminal, script, folder.path());
    input.write_all(b"some data\n").unwrap();
    wait_until("a prompt", || {
        view.look().lines().iter().any(|line| line == "Password:")
    });
    // Beats in which it could be drawn over.
    sleep(2 * SOME_BEATS);
    assert_eq!(view.look().lines(), ["Password:"]);
    view.screen.keyboard.write_all(b"secret\n").unwrap();
    settle(&mut view, "a live line", |screen| {
        screen
            .lines()
            .iter()
            .any(|line| line.starts_with("   10 B "))
    });
    drop(input);
    wait(&mut child);
    assert!(view.look().lines()[0].starts_with("Password: secret"));
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
