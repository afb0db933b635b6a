//! Sessions on a terminal: what a shell, job control and the terminal's own keys do to hwm. Nothing
//! stops the relay that was not meant to, and the terminal's settings stay as they were.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use common::emulator::Emulator;
use common::session::{Screen, folder_with_fifo, session};
use common::{can, command, finish, hwm, log, terminal, wait, wait_until};
use rustix::termios::LocalModes;

/// Waits until `folder` has a file `name` with at least a line, and returns its text.
#[track_caller]
fn text_of(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    wait_until(name, || {
        std::fs::read(&path).is_ok_and(|text| text.ends_with(b"\n"))
    });
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn under_nohup_it_outlives_its_terminal() {
    let (folder, mut writer) = folder_with_fifo();
    let folder = folder.path();
    let (screen, terminal) = terminal();
    let script = r#"nohup "$HWM" -f --report json --report-to report <in >out & wait"#;
    let mut shell = session(&terminal, script, folder);
    writer.write_all(b"before\n").unwrap();
    assert_eq!(text_of(folder, "out"), "before\n");
    // It takes the shell along.
    drop((screen, terminal));
    wait(&mut shell);
    writer.write_all(b"after\n").unwrap();
    drop(writer);
    let account = common::Account(common::summary_of(&text_of(folder, "report")));
    assert_eq!(account.count("exit"), 0);
    assert_eq!(account.count("out_bytes"), 13);
    assert_eq!(text_of(folder, "out"), "before\nafter\n");
}

#[test]
fn a_terminal_that_refuses_the_output_of_a_job_without_a_parent_is_an_error_and_no_consumer_that_went()
 {
    let (folder, writer) = folder_with_fifo();
    let folder = folder.path();
    let screen = Screen::with(LocalModes::TOSTOP);
    // Who would stop there for ever, since no shell could continue it, is refused instead.
    let script = r#"bash -c 'set -m; { while [ ! -e go ]; do sleep 0.01; done; "$HWM" -q <in 2>err; echo $? >status; } &'
                    >go; while [ ! -s status ]; do sleep 0.01; done"#;
    let mut shell = session(&screen.terminal, script, folder);
    (&writer).write_all(b"data\n").unwrap();
    assert_eq!(text_of(folder, "status"), "1\n");
    let error = "hwm: cannot write stdout: Input/output error (after 0 bytes of output)\n";
    assert_eq!(text_of(folder, "err"), error);
    wait(&mut shell);
}

#[test]
fn in_the_background_a_tostop_terminal_neither_stops_it_nor_is_painted_on() {
    let (folder, mut writer) = folder_with_fifo();
    let folder = folder.path();
    let screen = Screen::with(LocalModes::TOSTOP);
    // With -m a job in the background is a group of its own, as in an interactive shell. A bar, an
    // error and a summary: each would stop it.
    let script = r#"set -m
                    "$HWM" -f -i 0.01 missing - <in >out & wait $!; echo $? >status"#;
    let mut shell = session(&screen.terminal, script, folder);
    writer.write_all(b"data\n").unwrap();
    assert_eq!(text_of(folder, "out"), "data\n");
    // Time for bars.
    std::thread::sleep(std::time::Duration::from_millis(100));
    drop(writer);
    assert_eq!(text_of(folder, "status"), "1\n");
    wait(&mut shell);
    // The shell has its say.
    let shown = screen.shown();
    assert!(
        !shown.contains('\x1b') && !shown.contains("hwm: "),
        "{shown}"
    );
    screen.expect_no_change();
}

#[test]
fn a_screen_stopped_by_ctrl_s_does_not_stop_the_relay() {
    let mut screen = Screen::with(LocalModes::empty());
    let input = log(20_000);
    for policy in ["block", "drop-oldest"] {
        let args = ["-f", "-i", "0.01", "-B", "64M", "--when-full", policy];
        let mut child = hwm(&args)
            .env("TERM", "xterm")
            .stderr(screen.terminal.try_clone().unwrap())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let shown = screen.shown().len();
        wait_until("a bar", || screen.shown().len() > shown);
        screen.keyboard.write_all(b"\x13").unwrap();
        let bytes = input.clone();
        let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
        let done = finish(child, b"").expect(0);
        feeder.join().unwrap().unwrap();
        assert!(done.stdout == input, "{policy}");
        screen.keyboard.write_all(b"\x11").unwrap();
    }
    screen.expect_no_change();
}

#[test]
fn in_a_pid_namespace_whose_session_began_outside_it_paints_stops_and_goes_on() {
    if !can(&["unshare", "-pf", "--mount-proc", "true"]) {
        return;
    }
    let (folder, mut writer) = folder_with_fifo();
    let folder = folder.path();
    let screen = Screen::with(LocalModes::empty());
    let inner = r#""$HWM" -f -i 0.01 <in >out & job=$!
                   until [ -s out ]; do sleep 0.01; done
                   kill -TSTP $job
                   until grep -q "^State:.T" /proc/$job/status; do sleep 0.01; done
                   echo stopped >stopped
                   until [ -e go-on ]; do sleep 0.01; done
                   kill -CONT $job; wait $job; echo $? >status"#;
    std::fs::write(folder.join("inner"), inner).unwrap();
    let script = "unshare -pf --mount-proc bash inner";
    let mut shell = session(&screen.terminal, script, folder);
    writer.write_all(b"before\n").unwrap();
    assert_eq!(text_of(folder, "stopped"), "stopped\n");
    writer.write_all(b"after\n").unwrap();
    assert_eq!(text_of(folder, "out"), "before\n");
    File::create(folder.join("go-on")).unwrap();
    wait_until("it goes on", || text_of(folder, "out") == "before\nafter\n");
    wait_until("a bar", || screen.shown().contains('\x1b'));
    drop(writer);
    assert_eq!(text_of(folder, "status"), "0\n");
    wait(&mut shell);
    wait_until("a summary", || screen.shown().contains("hwm: 13 B in"));
    screen.expect_no_change();
}

/// How many frames of the live line were drawn in `shown`, a person's view of hwm's own bar.
fn frames(shown: &str) -> usize {
    shown.matches("\u{1b}[J").count()
}

#[test]
fn while_the_consumer_stalls_the_display_is_updated_each_interval() {
    let screen = Screen::with(LocalModes::empty());
    let mut child = hwm(&["-i", "0.1"])
        .env("TERM", "xterm")
        .stderr(screen.terminal.try_clone().unwrap())
        .spawn()
        .unwrap();
    // More than the pipe and the buffer hold: hwm stands still until somebody reads.
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&vec![b'x'; 16 << 20]));
    let is_shown = |text: &str| screen.shown().contains(text);
    wait_until("a stall", || is_shown("consumer stalled 2s"));
    assert!(is_shown("buffer full"), "{}", screen.shown());
    let before = frames(&screen.shown());
    wait_until("a longer one", || is_shown("consumer stalled 6s"));
    // What changes is shown, and nothing is drawn that is there already.
    let drawn = frames(&screen.shown()) - before;
    assert!((2..=24).contains(&drawn), "{drawn} frames of 40 beats");
    let mut taken = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut taken)
        .unwrap();
    assert_eq!(taken.len(), 16 << 20);
    writer.join().unwrap().unwrap();
    assert!(wait(&mut child).success());
    screen.expect_no_change();
}

/// How long it takes `input` to go through with the display on `terminal`.
fn time_through(terminal: &OwnedFd, input: &std::path::Path) -> std::time::Duration {
    let begun = std::time::Instant::now();
    let mut child = hwm(&["-C", "-i", "0.01"])
        .env("TERM", "xterm")
        .stdin(File::open(input).unwrap())
        .stderr(terminal.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // Beside a wait that has a bound: where the display holds up the data, nothing ends.
    let reader = std::thread::spawn(move || {
        let mut space = vec![0; 1 << 16];
        while stdout.read(&mut space).unwrap() > 0 {}
        begun.elapsed()
    });
    assert!(wait(&mut child).success());
    reader.join().unwrap()
}

#[test]
fn with_the_terminal_stopped_by_ctrl_s_data_goes_on_at_full_speed() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    File::create(&input).unwrap().set_len(512 << 20).unwrap();
    let looked_at = Screen::with(LocalModes::empty());
    let stopped = Screen::with(LocalModes::empty());
    let mut keyboard = stopped.keyboard.try_clone().unwrap();
    keyboard.write_all(b"\x13").unwrap();
    // Interleaved, because the machine has slow and fast minutes.
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        open.push(time_through(&looked_at.terminal, &input));
        closed.push(time_through(&stopped.terminal, &input));
    }
    assert!(looked_at.shown().contains("MiB"));
    assert_eq!(stopped.shown(), "", "the terminal was not stopped");
    let (open, closed) = (open.iter().min().unwrap(), closed.iter().min().unwrap());
    // The end waits half a second for the last word, and no more is allowed.
    assert!(
        *closed < *open * 2 + std::time::Duration::from_millis(600),
        "{closed:?} with a stopped terminal, {open:?} with another"
    );
}

#[test]
fn two_of_a_pipeline_have_a_row_each() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::with(LocalModes::empty());
    let script = r#"head -c 1M /dev/zero | "$HWM" -fbcN one -i 0.02 | "$HWM" -fptbcN two -L 2M -i 0.02 -w 50 >/dev/null; echo end"#;
    let mut shell = command(&["setsid", "--ctty", "bash", "-c", script])
        .env("TERM", "xterm")
        .env("XDG_RUNTIME_DIR", folder.path())
        .stdin(screen.terminal.try_clone().unwrap())
        .stdout(screen.terminal.try_clone().unwrap())
        .stderr(screen.terminal.try_clone().unwrap())
        .spawn()
        .unwrap();
    assert!(wait(&mut shell).success());
    wait_until("the end", || screen.shown().contains("end\r\n"));
    let mut emulator = Emulator::new(200, 24, true);
    emulator.write(screen.shown().as_bytes());
    let lines = emulator.rows();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], "      one: 1.00MiB");
    assert!(
        lines[1].starts_with("      two: 1.00MiB 0:00:0"),
        "{lines:?}"
    );
    assert!(lines[1].ends_with(']'), "{lines:?}");
    assert_eq!(lines[2], "end");
    assert_eq!(emulator.cursor(), (3, 0));
    // Nothing is left of what they shared.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    screen.expect_no_change();
}

/// An interactive shell on a terminal of its own, in `folder`, which says `READY> ` when it is.
fn shell(screen: &Screen, words: &[&str], folder: &Path) -> std::process::Child {
    let stream = || screen.terminal.try_clone().unwrap();
    let shell = command(&[&["setsid", "--ctty"], words].concat())
        .current_dir(folder)
        .env("TERM", "dumb")
        .env("PS1", "READY> ")
        .env_remove("ENV")
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .unwrap();
    wait_until("a prompt", || screen.shown().contains("READY> "));
    shell
}

const SHELLS: [&[&str]; 3] = [
    &["bash", "--norc", "--noprofile", "--noediting", "-i"],
    &["zsh", "-f", "-i", "+Z"],
    &["dash", "-i"],
];

/// Types a loop of three turns, and the key in the first; returns what was shown from then on, up to the next
/// prompt, and how long that took.
fn interrupt_loop(screen: &mut Screen, body: &str, out: &Path) -> (String, std::time::Duration) {
    let line = format!("for i in 1 2 3; do echo turn-$i; {body}; done\n");
    let _ = std::fs::remove_file(out);
    screen.keyboard.write_all(line.as_bytes()).unwrap();
    wait_until("data", || {
        std::fs::metadata(out).is_ok_and(|file| file.len() > 0)
    });
    let shown = screen.shown().len();
    let begun = std::time::Instant::now();
    screen.keyboard.write_all(b"\x03").unwrap();
    wait_until("a prompt", || screen.shown()[shown..].contains("READY> "));
    let took = begun.elapsed();
    (screen.shown(), took)
}

#[test]
fn the_interrupt_key_stops_a_shells_loop_whichever_process_gets_it_first() {
    for words in SHELLS {
        if !can(&[words[0], "-c", "true"]) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        File::create(folder.join("big"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        std::fs::write(folder.join("lines"), log(100_000)).unwrap();
        let mut screen = Screen::with(LocalModes::empty());
        let mut shell = shell(&screen, words, folder);
        for body in [
            r#""$HWM" -q big | gzip >out"#,
            r#""$HWM" -q --drain-timeout 40s -L 100k lines | cat >out"#,
            r#""$HWM" -q --drain-timeout 40s --when-full drop-oldest -L 100k lines | cat >out"#,
            r#"cat big | "$HWM" -q -l | cat >out"#,
        ] {
            let before = screen.shown().len();
            let (shown, took) = interrupt_loop(&mut screen, body, &folder.join("out"));
            let shown = &shown[before..];
            assert!(shown.contains("turn-1"), "{words:?}: {shown}");
            assert!(!shown.contains("turn-2"), "{words:?} {body}: {shown}");
            // With -L it took the drain timeout.
            assert!(
                took < std::time::Duration::from_secs(20),
                "{body}: {took:?}"
            );
        }
        screen.keyboard.write_all(b"exit\n").unwrap();
        wait(&mut shell);
    }
}
