//! `--demand`: the consumer pulls. The rules named are those of Reactive Streams
//! (https://www.reactive-streams.org): 1.1, never more than was asked for; 3.8, what is asked for adds up;
//! 3.9, asking for nothing or less is an error; 3.17, more than can be counted is no limit.

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use common::{Account, can, hwm, lines, log, run, slurp, summary_of, wait};

/// A folder with a FIFO in it; gone when dropped.
struct Fifo {
    folder: tempfile::TempDir,
}

impl Fifo {
    /// None where there is no mkfifo.
    fn new() -> Option<Fifo> {
        let folder = tempfile::tempdir().unwrap();
        let fifo = Fifo { folder };
        can(&["mkfifo", fifo.path().to_str().unwrap()]).then_some(fifo)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("demand")
    }

    fn hwm(&self, args: &[&str]) -> Child {
        let mut hwm = hwm(args);
        hwm.arg("--demand").arg(self.path());
        hwm.args(["--report", "json", "--report-to"]);
        hwm.arg(self.reports()).spawn().unwrap()
    }

    /// A file, which nobody has to read in time.
    fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    fn account(&self) -> Account {
        let reports = std::fs::read_to_string(self.reports()).unwrap();
        Account(summary_of(&reports))
    }

    /// Waits for hwm to open the other end.
    fn open(&self) -> File {
        File::options().write(true).open(self.path()).unwrap()
    }
}

/// A file that asks for `text`.
fn asking(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn a_demand_for_10_gets_10_at_any_chunking_rule_1_1() {
    for chunk in [1, 7, 4096, 1 << 20] {
        let Some(fifo) = Fifo::new() else { return };
        let input = log(if chunk < 10 { 400 } else { 40_000 });
        let mut child = fifo.hwm(&["-B", "64k", "--when-full", "drop-newest"]);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut demand = fifo.open();
        std::thread::scope(|scope| {
            // As fast as hwm takes it.
            scope.spawn(|| {
                for piece in input.chunks(chunk) {
                    stdin.write_all(piece).unwrap();
                }
                drop(stdin);
            });
            let mut got = Vec::new();
            for asked in [10, 3] {
                writeln!(demand, "{asked}").unwrap();
                for _ in 0..asked {
                    assert!(stdout.read_until(b'\n', &mut got).unwrap() > 0);
                }
            }
            drop(demand);
            got.extend(slurp(stdout));
            assert_eq!(lines(&got).len(), 13, "{chunk}");
            assert!(input.starts_with(&got), "{chunk}");
        });
        assert_eq!(wait(&mut child).code(), Some(0));
        let account = fifo.account();
        account.assert_balanced();
        assert_eq!(account.count("out_records"), 13);
        assert!(account.lost("shutdown").1 > 0, "nobody asked for it");
    }
}

/// How long hwm takes to accept the `input`, of which it may put out what was asked for.
fn time_to_accept(input: &[u8], times: usize, demand: bool) -> Duration {
    let mut hwm = hwm(&["--when-full", "drop-newest", "-q"]);
    let fifo = Fifo::new().expect("there was one before");
    if demand {
        hwm.arg("--demand").arg(fifo.path());
    }
    let mut child = hwm.spawn().unwrap();
    let grants = demand.then(|| {
        let mut grants = fifo.open();
        writeln!(grants, "10").unwrap();
        grants
    });
    let mut stdin = child.stdin.take().unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut stdout = BufReader::with_capacity(1 << 20, stdout);
    let taken = std::thread::scope(|scope| {
        let out = scope.spawn(move || {
            let mut got = Vec::new();
            for _ in 0..10 {
                assert!(stdout.read_until(b'\n', &mut got).unwrap() > 0);
            }
            let rest = std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
            (lines(&got).len(), rest)
        });
        let begin = Instant::now();
        for _ in 0..times {
            stdin.write_all(input).unwrap();
        }
        let taken = begin.elapsed();
        drop((stdin, grants));
        let (records, rest) = out.join().unwrap();
        assert_eq!(records, 10);
        assert_eq!(rest == 0, demand);
        taken
    });
    assert_eq!(wait(&mut child).code(), Some(0));
    taken
}

#[test]
fn a_producer_is_not_held_by_a_consumer_that_asks_for_little() {
    const TIMES: usize = 256;
    if Fifo::new().is_none() {
        return;
    }
    let mut input = log(20_000).repeat(2);
    input.truncate(1 << 20);
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        with = with.min(time_to_accept(&input, TIMES, true));
        without = without.min(time_to_accept(&input, TIMES, false));
    }
    assert!(with <= 2 * without, "{with:?} instead of {without:?}");
}

#[test]
fn what_is_asked_for_adds_up_also_in_bytes_rule_3_8() {
    let file = asking("100B\n0.5K\n");
    let input = log(1000);
    let path = file.path().to_str().unwrap();
    let done = run(&["--demand", path, "-q"], &input).expect(0);
    assert!(done.stdout == input[..612]);
}

#[test]
fn all_there_is_may_be_asked_for_rule_3_17() {
    let input = log(20_000);
    for text in ["3\nmax\n", "18446744073709551615\n5\n"] {
        let file = asking(text);
        let path = file.path().to_str().unwrap();
        for policy in ["block", "drop-newest"] {
            let args = ["--demand", path, "-q", "-B", "64M", "--when-full", policy];
            assert!(run(&args, &input).expect(0).stdout == input, "{policy}");
        }
    }
}

#[test]
fn nothing_less_and_junk_end_with_1_and_name_the_line_rule_3_9() {
    for (text, shown) in [
        ("0\n", "line 1, '0': it comes to 0"),
        ("2\n-1\n", "line 2, '-1': expected a number of records"),
        ("2\n1\nten", "line 3, 'ten': expected a number of records"),
        (
            "2\n64K\n",
            "line 2: bytes and records in one run; ask for one of them",
        ),
        ("2\n\u{1b}[2J\n", "line 2, '"),
    ] {
        let file = asking(text);
        let path = file.path().to_str().unwrap();
        let done = run(&["--demand", path, "-q"], b"one\ntwo\nthree\n").expect(1);
        let line = format!("hwm: cannot read --demand: {shown}");
        assert!(done.stderr.starts_with(&line), "{}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
        assert!(!done.stderr.contains('\u{1b}'), "{:?}", done.stderr);
    }
}

#[test]
fn a_demand_that_cannot_be_opened_is_one_line() {
    let done = run(&["--demand", "/no/such/path"], b"x\n").expect(1);
    assert!(
        done.stderr
            .starts_with("hwm: cannot open --demand /no/such/path: No such file"),
        "{}",
        done.stderr
    );
    assert!(!done.stderr.contains("os error"), "{}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 1);
}

#[test]
fn the_data_is_no_demand() {
    for (path, whose) in [("/dev/fd/0", "input"), ("/dev/fd/1", "output")] {
        let done = run(&["--demand", path], b"max\n").expect(1);
        let line = format!("hwm: cannot open --demand {path}: it is also the {whose}\n");
        assert_eq!(done.stderr, line);
        assert!(done.stdout.is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "max\n").unwrap();
    let path = path.to_str().unwrap();
    for args in [&[path][..], &["-o", path][..]] {
        let done = run(&[args, &["--demand", path]].concat(), b"x\n").expect(1);
        assert!(done.stderr.contains(": it is also the "), "{}", done.stderr);
        assert_eq!(std::fs::read(path).unwrap(), b"max\n");
    }
    // Where stdin is not read, it may be.
    let file = asking("2\n");
    let records = asking("one\ntwo\nthree\n");
    let mut hwm = hwm(&[records.path().to_str().unwrap(), "-q"]);
    hwm.args(["--demand", "/dev/fd/0"]);
    let child = hwm.stdin(file.reopen().unwrap()).spawn().unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.stdout, b"one\ntwo\n");
}

#[test]
fn block_holds_the_producer_until_it_is_asked() {
    let Some(fifo) = Fifo::new() else { return };
    let input = log(20_000);
    let mut child = fifo.hwm(&["-B", "64k"]);
    let mut stdin = child.stdin.take().unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut demand = fifo.open();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stdin.write_all(&input).unwrap();
            drop(stdin);
        });
        writeln!(demand, "1").unwrap();
        let mut stdout = BufReader::new(stdout);
        let mut got = Vec::new();
        stdout.read_until(b'\n', &mut got).unwrap();
        writeln!(demand, "max").unwrap();
        got.extend(slurp(stdout));
        assert!(got == input);
    });
    assert_eq!(wait(&mut child).code(), Some(0));
    let account = fifo.account();
    account.assert_balanced();
    assert_eq!(account.lost_in_all("lost_records"), 0);
    assert!(account.count("peak_held_bytes") <= 64 << 10);
}

#[test]
fn a_record_that_nobody_asks_for_is_a_stall() {
    let Some(fifo) = Fifo::new() else { return };
    let mut child = fifo.hwm(&["-B", "4k", "--block-timeout", "50ms"]);
    let mut stdin = child.stdin.take().unwrap();
    let _demand = fifo.open();
    let _ = stdin.write_all(&log(2000));
    assert_eq!(wait(&mut child).code(), Some(5));
}
