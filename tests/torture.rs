//! The real binary on the real system, tortured: random policies, sizes, kinds of streams and write
//! sizes; producers and consumers that stall and die; hwm stopped, continued, terminated and
//! killed at random moments. Numbered, checksummed records tell what happened, and the summary
//! must agree with what this harness counted itself.
//!
//! A round follows from its seed but for the system's timing. It runs on request:
//!
//! ```text
//! HWM_TORTURE_SECONDS=600 cargo test --test torture -- --ignored --nocapture
//! HWM_TORTURE_SEED=123 cargo test --test torture -- --ignored --nocapture    # one round, again and again
//! ```

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Account, hwm, raw_terminal, summary_of, wait};
use highwater::core::rng::Rng;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

/// Seconds of the usual run.
const SECONDS: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Pipe,
    Fifo,
    Socket,
    Terminal,
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The producer closes, the consumer reads to the end.
    Normal,
    /// The producer dies in the middle of a record.
    HalfRecord,
    ConsumerDies,
    Terminated,
    Killed,
}

#[derive(Debug)]
struct Round {
    args: Vec<String>,
    lossy: bool,
    mark: bool,
    input: Stream,
    output: Stream,
    records: u64,
    largest_record: u64,
    largest_write: u64,
    largest_read: u64,
    /// One in so many writes or reads is followed by a pause.
    pauses: u64,
    stops: u64,
    end: End,
}

struct Dice(Rng);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

impl Round {
    fn of(seed: u64) -> Self {
        let dice = &mut Dice(Rng::new(seed));
        let policy = dice.of(&["block", "fail", "drop-newest", "drop-oldest", "sample"]);
        let lossy = !matches!(policy, "block" | "fail");
        let size = dice.of(&["1", "100", "4k", "64k", "100000", "1M", "16M"]);
        let mut args = vec![
            "--when-full".to_string(),
            policy.into(),
            "-B".into(),
            size.into(),
        ];
        let mut add = |words: &[&str]| args.extend(words.iter().map(ToString::to_string));
        if policy == "sample" {
            add(&["--sample", dice.of(&["1/3", "10%", "adaptive"])]);
        }
        if dice.below(3) == 0 {
            add(&["--high-water", dice.of(&["1%", "50%", "100%"])]);
            add(&["--low-water", dice.of(&["0", "1%", "0%"])]);
        }
        let mark = lossy && dice.below(2) == 0;
        if mark {
            add(&["--mark=#{records}#"]);
        }
        if dice.below(8) == 0 {
            add(&["-L", dice.of(&["1M", "20M"])]);
        }
        if dice.below(2) == 0 {
            add(&["-l"]);
        }
        let input = dice.of(&[
            Stream::Pipe,
            Stream::Pipe,
            Stream::Fifo,
            Stream::Socket,
            Stream::Terminal,
            Stream::File,
        ]);
        let output = dice.of(&[
            Stream::Pipe,
            Stream::Pipe,
            Stream::Fifo,
            Stream::Socket,
            Stream::Terminal,
            Stream::File,
        ]);
        let end = match dice.below(8) {
            0 => End::HalfRecord,
            1 => End::ConsumerDies,
            2 => End::Terminated,
            3 => End::Killed,
            _ => End::Normal,
        };
        Self {
            args,
            lossy,
            mark,
            input,
            output,
            records: dice.of(&[10, 300, 3_000]),
            largest_record: dice.of(&[1, 100, 1_000, 20_000]),
            largest_write: dice.of(&[1, 100, 5_000, 100_000, 1 << 20]),
            largest_read: dice.of(&[10, 5_000, 65_536, 1 << 20]),
            pauses: dice.of(&[3, 50, 1_000]),
            stops: dice.of(&[0, 0, 3]),
            end,
        }
    }

    /// Numbered records, each with a checksum of its filling.
    fn source(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..self.records {
            let length = dice.below(self.largest_record) as usize;
            let letter = b'a' + dice.below(26) as u8;
            bytes.extend(format!("{number:08} {length:05} ").as_bytes());
            bytes.extend(std::iter::repeat_n(letter, length));
            bytes.push(b'\n');
            // With the smallest pieces, and with -L, more would take too long.
            let piece = self.largest_write.min(self.largest_read);
            if bytes.len() as u64 > (piece * 1_000).min(2_000_000) {
                break;
            }
        }
        if self.end == End::HalfRecord {
            bytes.truncate(bytes.len() - 3);
        }
        bytes
    }
}

/// Checks a line and returns its number.
fn number_of(line: &[u8]) -> u64 {
    let text = std::str::from_utf8(line).expect("text");
    let mut words = text.splitn(3, ' ');
    let number = words.next().expect("a number").parse().expect("a number");
    let length: usize = words.next().expect("a length").parse().expect("a length");
    let filling = words
        .next()
        .expect("a filling")
        .trim_end_matches('\n')
        .as_bytes();
    assert_eq!(filling.len(), length, "torn: {text:?}");
    assert!(
        filling.windows(2).all(|pair| pair[0] == pair[1]),
        "mixed: {text:?}"
    );
    number
}

/// hwm's end, and ours. For a file, ours is the path's.
struct Pair {
    theirs: OwnedFd,
    ours: Option<OwnedFd>,
}

fn fifo(folder: &std::path::Path, name: &str) -> (OwnedFd, OwnedFd) {
    let path = folder.join(name);
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let open = |flags| rustix::fs::open(&path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let both = open(OFlags::RDWR);
    let ends = (open(OFlags::RDONLY), open(OFlags::WRONLY));
    drop(both);
    ends
}

impl Pair {
    fn for_input(stream: Stream, folder: &std::path::Path, source: &[u8]) -> Self {
        let (theirs, ours) = match stream {
            Stream::Pipe => pipe_with(PipeFlags::CLOEXEC).unwrap(),
            Stream::Fifo => fifo(folder, "in"),
            Stream::Socket => {
                let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
                (a.into(), b.into())
            }
            Stream::Terminal => {
                let (master, user) = raw_terminal();
                (user, master)
            }
            Stream::File => {
                std::fs::write(folder.join("in"), source).unwrap();
                let theirs = File::open(folder.join("in")).unwrap().into();
                return Self { theirs, ours: None };
            }
        };
        Self {
            theirs,
            ours: Some(ours),
        }
    }

    fn for_output(stream: Stream, folder: &std::path::Path) -> Self {
        let (ours, theirs) = match stream {
            Stream::Pipe => pipe_with(PipeFlags::CLOEXEC).unwrap(),
            Stream::Fifo => fifo(folder, "out"),
            Stream::Socket => {
                let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
                (a.into(), b.into())
            }
            Stream::Terminal => raw_terminal(),
            Stream::File => {
                let theirs = File::create(folder.join("out")).unwrap().into();
                return Self { theirs, ours: None };
            }
        };
        Self {
            theirs,
            ours: Some(ours),
        }
    }
}

/// Writes in random pieces with random pauses; returns how many bytes were taken.
fn produce(to: OwnedFd, source: &[u8], round: &Round, dice: &mut Dice, over: &AtomicBool) -> usize {
    let mut to = File::from(to);
    let mut done = 0;
    while done < source.len() && !over.load(Ordering::Relaxed) {
        let piece = (1 + dice.below(round.largest_write) as usize).min(source.len() - done);
        match to.write(&source[done..done + piece]) {
            Ok(count) => done += count,
            Err(_) => break,
        }
        pause(round, dice);
    }
    if round.input == Stream::Terminal {
        // Closing the master throws away what was typed and not read; -S ends the run instead.
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    done
}

fn pause(round: &Round, dice: &mut Dice) {
    if dice.below(round.pauses) == 0 {
        std::thread::sleep(Duration::from_micros(dice.below(3_000)));
    }
}

/// Reads in random pieces until the end, or until `most` bytes.
fn consume(from: OwnedFd, most: usize, round: &Round, dice: &mut Dice) -> Vec<u8> {
    let mut from = File::from(from);
    let mut all = Vec::new();
    while all.len() < most {
        let mut piece = vec![0; 1 + dice.below(round.largest_read) as usize];
        match from.read(&mut piece) {
            // A terminal whose other side is closed says EIO.
            Ok(0) | Err(_) => break,
            Ok(count) => all.extend_from_slice(&piece[..count]),
        }
        pause(round, dice);
    }
    all
}

fn signal(child: &Child, number: i32) {
    let pid = rustix::process::Pid::from_child(child);
    let signal = rustix::process::Signal::from_named_raw(number).expect("a named signal");
    let _ = rustix::process::kill_process(pid, signal);
}

/// What a round left behind.
struct Outcome {
    status: std::process::ExitStatus,
    written: usize,
    output: Vec<u8>,
    account: Option<Account>,
}

fn play(round: &Round, seed: u64) -> (Vec<u8>, Outcome) {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(Rng::new(seed ^ 0xabcd));
    let source = round.source(&mut dice);
    let input = Pair::for_input(round.input, folder.path(), &source);
    let output = Pair::for_output(round.output, folder.path());
    let report = folder.path().join("report");
    let mut command: Command = hwm(&[]);
    command
        .args(&round.args)
        .args(["--report", "json", "--drain-timeout", "50ms", "--report-to"])
        .arg(&report)
        .stdin(input.theirs.try_clone().unwrap())
        .stdout(output.theirs.try_clone().unwrap());
    if round.input == Stream::Terminal {
        let unit = if round.args.iter().any(|arg| arg == "-l") {
            source.iter().filter(|byte| **byte == b'\n').count()
        } else {
            source.len()
        };
        command.args(["-S", "-s", &unit.to_string()]);
    }
    let flags = |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd.as_fd()).unwrap();
    let before = (flags(&input.theirs), flags(&output.theirs));
    // The witness shares the descriptions, and must not keep the streams open while it runs.
    let mut child = command.spawn().unwrap();
    // It has its own copies of the child's streams, which must end with the child.
    drop(command);
    let witness = (input.theirs, output.theirs);
    let streams_stay_open = round.end == End::Killed;
    let witness = streams_stay_open.then_some(witness);
    let over = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let (mut for_producer, mut for_consumer) =
            (Dice(Rng::new(seed + 1)), Dice(Rng::new(seed + 2)));
        let most = match round.end {
            End::ConsumerDies => dice.below(source.len() as u64 + 1) as usize,
            _ => usize::MAX,
        };
        let (source, over) = (&source[..], &over);
        let producer = input
            .ours
            .map(|ours| scope.spawn(move || produce(ours, source, round, &mut for_producer, over)));
        let consumer = output
            .ours
            .map(|ours| scope.spawn(move || consume(ours, most, round, &mut for_consumer)));
        for _ in 0..round.stops {
            std::thread::sleep(Duration::from_micros(dice.below(5_000)));
            signal(&child, 19);
            std::thread::sleep(Duration::from_micros(dice.below(5_000)));
            signal(&child, 18);
        }
        if matches!(round.end, End::Terminated | End::Killed) {
            std::thread::sleep(Duration::from_micros(dice.below(20_000)));
            signal(&child, if round.end == End::Killed { 9 } else { 15 });
        }
        let status = wait(&mut child);
        over.store(true, Ordering::Relaxed);
        if let Some(witness) = witness {
            assert_eq!(
                before,
                (flags(&witness.0), flags(&witness.1)),
                "flags were changed"
            );
        }
        let written = producer.map_or(source.len(), |thread| thread.join().unwrap());
        let output = match consumer {
            Some(thread) => thread.join().unwrap(),
            None => std::fs::read(folder.path().join("out")).unwrap(),
        };
        let text = std::fs::read_to_string(&report).unwrap_or_default();
        let has_summary = text.contains("\"event\":\"summary\"");
        let account = has_summary.then(|| Account(summary_of(&text)));
        Outcome {
            status,
            written,
            output,
            account,
        }
    });
    (source, outcome)
}

fn check(round: &Round, source: &[u8], outcome: &Outcome) {
    let code = outcome.status.code();
    match round.end {
        End::Killed => {
            assert!(matches!(
                (outcome.status.signal(), code),
                (Some(9), _) | (_, Some(0 | 4))
            ));
            if round.lossy {
                check_records(round, source, &outcome.output, false);
            }
            return;
        }
        End::Terminated => assert!(matches!(
            (outcome.status.signal(), code),
            (Some(15), _) | (_, Some(0 | 4))
        )),
        End::ConsumerDies => assert!(matches!(
            (outcome.status.signal(), code),
            (Some(13), _) | (_, Some(0 | 4))
        )),
        End::Normal | End::HalfRecord => {
            assert!(matches!(code, Some(0 | 4)), "{:?}", outcome.status)
        }
    }
    if round.end == End::Terminated && outcome.account.is_none() {
        // The signal came before hwm could hear it.
        assert_eq!(outcome.status.signal(), Some(15));
        return;
    }
    let account = outcome.account.as_ref().expect("a summary");
    let counts_records = round.lossy || round.args.iter().any(|arg| arg == "-l");
    if counts_records {
        account.assert_balanced();
    }
    let (input, output) = (account.count("in_bytes"), account.count("out_bytes"));
    assert_eq!(
        input,
        output + account.lost_in_all("lost_bytes"),
        "{}",
        account.0
    );
    assert!(account.count("peak_held_bytes") <= account.count("capacity_bytes"));
    let sent = output + account.count("mark_bytes");
    if round.end == End::ConsumerDies {
        assert!(
            sent >= outcome.output.len() as u64,
            "{} of {sent}",
            outcome.output.len()
        );
    } else {
        assert_eq!(sent, outcome.output.len() as u64, "{}", account.0);
    }
    assert!(
        input <= outcome.written as u64,
        "more came in than was written"
    );
    let is_whole = matches!(round.end, End::Normal | End::HalfRecord) && code == Some(0);
    if is_whole && round.input != Stream::Terminal {
        assert_eq!(input, source.len() as u64);
    }
    if round.lossy {
        let whole = round.end != End::ConsumerDies;
        let marked = check_records(round, source, &outcome.output, whole);
        let lost = account.lost_in_all("lost_records");
        if whole {
            let out = account.count("out_records");
            assert_eq!(out, records(round, &outcome.output));
            if round.mark && is_whole {
                assert_eq!(marked, lost, "marks");
            }
        }
    } else {
        assert!(source.starts_with(&outcome.output), "other bytes came out");
        if is_whole && code == Some(0) {
            assert_eq!(input, output);
        }
    }
}

fn is_mark(line: &[u8]) -> bool {
    line.first() == Some(&b'#')
}

fn records(round: &Round, output: &[u8]) -> u64 {
    let is_record = |line: &&&[u8]| !(round.mark && is_mark(line));
    common::lines(output).iter().filter(is_record).count() as u64
}

/// Every line out is a line in, whole and in order. The last may be cut if the stream was, or the
/// source. Returns the sum of the marks.
fn check_records(round: &Round, source: &[u8], output: &[u8], whole: bool) -> u64 {
    let mut marked = 0;
    let mut last = None;
    let lines = common::lines(output);
    for (at, line) in lines.iter().enumerate() {
        let is_last = at + 1 == lines.len();
        if is_last && !line.ends_with(b"\n") && (!whole || source.ends_with(line)) {
            continue;
        }
        if round.mark && is_mark(line) {
            let text = std::str::from_utf8(line).unwrap().trim_matches(['#', '\n']);
            marked += text.parse::<u64>().expect("a mark's number");
            continue;
        }
        if is_last && round.end == End::Terminated && !line.ends_with(b"\n") {
            continue;
        }
        let number = number_of(line);
        assert!(last < Some(number), "{number} after {last:?}");
        last = Some(number);
    }
    marked
}

#[test]
#[ignore = "runs on request: see the head of this file"]
fn random_rounds_leave_nothing_unexplained() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seconds = number("HWM_TORTURE_SECONDS").unwrap_or(SECONDS);
    let only = number("HWM_TORTURE_SEED");
    let end = Instant::now() + Duration::from_secs(seconds);
    let since = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a clock");
    let first = since.as_micros() as u64;
    let mut rounds = 0;
    while Instant::now() < end {
        let seed = only.unwrap_or(first + rounds);
        let round = Round::of(seed);
        let result = std::panic::catch_unwind(|| {
            let (source, outcome) = play(&round, seed);
            check(&round, &source, &outcome);
        });
        assert!(
            result.is_ok(),
            "round {seed} failed (see above): {round:#?}\nrepeat it by\n  \
             HWM_TORTURE_SEED={seed} cargo test --test torture -- --ignored --nocapture"
        );
        rounds += 1;
    }
    println!("{rounds} rounds in {seconds} s, from seed {first}");
}
