//! One relay put through one workload, once, and whether that was what should have been measured.
//!
//! Refuses to give figures of a run in which a byte or a record is not accounted for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::figures::{Figure, Figures, quantile};
use super::peers::myself;
use super::scenarios::{Cell, Check, Task};
use super::terminal::Terminal;
use super::work::{self, Consumed, Produced, Progress, Work};
use super::{hidden, work::CHUNK};

const GIB: f64 = (1_u64 << 30) as f64;

/// What the wrapper told of a relay.
struct Told(Value);

impl Told {
    fn number(&self, key: &str) -> f64 {
        self.0[key].as_f64().expect("a number of the wrapper's")
    }
}

/// Puts the cell's relay through its task.
pub fn run(cell: &Cell) -> Result<Figures, String> {
    match &cell.task {
        Task::StartUp(count) => start_up(cell, *count),
        Task::Files(bytes) => between_files(cell, *bytes),
        Task::Pipes(work) => between_pipes(cell, work),
        Task::NoRelay(work) => without_relay(work),
    }
}

/// A file of ours that nothing else uses.
fn scratch(name: &str) -> PathBuf {
    let directory = std::env::var_os("HWM_BENCH_DIR")
        .map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    directory.join(format!("peers-{}-{name}", std::process::id()))
}

/// A file that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let scratch = Self(scratch(name));
        let _ = std::fs::remove_file(&scratch.0);
        scratch
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn text(&self) -> String {
        let bytes = std::fs::read(&self.0).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

// ---- the wrapper ------------------------------------------------------------------------------

struct Wrapped {
    child: Child,
    stderr: Stderr,
}

enum Stderr {
    File(Scratch),
    Terminal(Terminal),
}

impl Stderr {
    fn new(on_terminal: bool) -> Self {
        match on_terminal {
            true => Stderr::Terminal(Terminal::open().expect("a terminal")),
            false => Stderr::File(Scratch::new("stderr")),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Stderr::File(file) => file.path(),
            Stderr::Terminal(terminal) => terminal.path(),
        }
    }
}

/// Starts `line` in the wrapper.
fn wrap(line: &[String], input: Stdio, output: Stdio, stderr: Stderr) -> Wrapped {
    let child = Command::new(myself())
        .args([hidden::MEASURE, path_text(stderr.path())])
        .args(line)
        .stdin(input)
        .stdout(output)
        .stderr(Stdio::piped())
        .env("TERM", "xterm")
        .spawn()
        .expect("start the wrapper");
    Wrapped { child, stderr }
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

impl Wrapped {
    /// What the wrapper told, if the relay ended well.
    fn finish(self) -> Result<Told, String> {
        let told = told(self.child)?;
        let status = &told.0["status"];
        match (told.0["ok"] == true, self.stderr) {
            (true, Stderr::File(_)) => Ok(told),
            (false, Stderr::File(file)) => Err(format!("{status}: {}", file.text().trim())),
            (is_ok, Stderr::Terminal(terminal)) => match (is_ok, terminal.finish()) {
                (false, _) => Err(status.to_string()),
                (true, 0) => Err("nothing was shown".to_owned()),
                (true, _) => Ok(told),
            },
        }
    }
}

fn told(child: Child) -> Result<Told, String> {
    let output = child.wait_with_output().expect("wait for the wrapper");
    let text = String::from_utf8_lossy(&output.stderr);
    let told = serde_json::from_str(text.trim());
    told.map(Told)
        .map_err(|_| format!("the wrapper failed: {text}"))
}

/// The peak memory, in MiB, below which a relay's own cannot be seen.
pub fn memory_floor() -> Option<f64> {
    let line = ["true".to_owned()];
    let told = wrap(&line, Stdio::null(), Stdio::null(), Stderr::new(false))
        .finish()
        .ok()?;
    Some(told.number("peak_kib") / 1024.0)
}

// ---- tasks ------------------------------------------------------------------------------------

fn start_up(cell: &Cell, count: usize) -> Result<Figures, String> {
    let child = Command::new(myself())
        .args([hidden::START_UP, &count.to_string()])
        .args(&cell.line)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the wrapper");
    let told = told(child)?;
    if told.0["ok"] != true {
        return Err(told.0["status"].to_string());
    }
    Ok(Figures::from([
        (Figure::StartUp, told.number("elapsed_s") * 1e3),
        (Figure::StartUpCpu, told.number("cpu_s") * 1e3),
        (Figure::Peak, told.number("peak_kib") / 1024.0),
    ]))
}

fn between_files(cell: &Cell, bytes: u64) -> Result<Figures, String> {
    let input = Scratch::new("input");
    let output = Scratch::new("output");
    let trouble = |error: std::io::Error| format!("{}: {error}", input.path().display());
    fill(input.path(), bytes).map_err(trouble)?;
    let from = File::open(input.path()).map_err(trouble)?;
    let to = File::create(output.path()).map_err(trouble)?;
    let stderr = Stderr::new(cell.on_terminal);
    let told = wrap(&cell.line, from.into(), to.into(), stderr).finish()?;
    let is_same = same_content(input.path(), output.path()).map_err(trouble)?;
    if !is_same {
        return Err("the output is not the input".to_owned());
    }
    let gib = bytes as f64 / GIB;
    Ok(Figures::from([
        (Figure::CpuPerGib, told.number("cpu_s") / gib),
        (Figure::Wall, gib / told.number("elapsed_s")),
        (Figure::Peak, told.number("peak_kib") / 1024.0),
    ]))
}

/// Numbers, so that no two blocks are the same.
fn fill(path: &Path, bytes: u64) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = File::create(path)?;
    for block in 0..bytes / CHUNK as u64 {
        let numbers = (0..CHUNK as u64 / 8).flat_map(|n| (block << 32 | n).to_ne_bytes());
        file.write_all(&numbers.collect::<Vec<u8>>())?;
    }
    Ok(())
}

fn same_content(one: &Path, other: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        one.by_ref().take(1 << 20).read_to_end(&mut left)?;
        other.by_ref().take(1 << 20).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

fn between_pipes(cell: &Cell, work: &Work) -> Result<Figures, String> {
    let account = Scratch::new("account");
    let mut line = cell.line.clone();
    if cell.check.needs_account() {
        let path = path_text(account.path());
        // No reports on the way: only the summary is looked at.
        line.extend(["--report", "json", "-i", "1h", "--report-to", path].map(str::to_owned));
    }
    let (relay_in, into_relay) = std::io::pipe().expect("a pipe");
    let (from_relay, relay_out) = std::io::pipe().expect("a pipe");
    let stderr = Stderr::new(cell.on_terminal);
    let wrapped = wrap(&line, relay_in.into(), relay_out.into(), stderr);
    let progress = Progress::default();
    let (produced, consumed) = std::thread::scope(|scope| {
        let producer = scope.spawn(|| work::produce(work, into_relay, &progress));
        let thread = producer.thread().clone();
        let consumed = work::consume(work, from_relay, &progress, &thread);
        (producer.join().expect("the producer"), consumed)
    });
    let (told, produced, consumed) = all_well(wrapped.finish(), produced, consumed)?;
    check(&cell.check, &produced, &consumed, &account.text())?;
    Ok(figures(work, &told, &produced, &consumed))
}

/// Producer and consumer on one pipe.
fn without_relay(work: &Work) -> Result<Figures, String> {
    let (from, into) = std::io::pipe().expect("a pipe");
    let progress = Progress::default();
    let (produced, consumed) = std::thread::scope(|scope| {
        let producer = scope.spawn(|| work::produce(work, into, &progress));
        let thread = producer.thread().clone();
        let consumed = work::consume(work, from, &progress, &thread);
        (producer.join().expect("the producer"), consumed)
    });
    let trouble = |error: std::io::Error| error.to_string();
    let (produced, consumed) = (produced.map_err(trouble)?, consumed.map_err(trouble)?);
    same("bytes out", consumed.bytes, produced.bytes)?;
    let wall = consumed.ended.duration_since(produced.started);
    let gib = produced.bytes as f64 / GIB;
    Ok(Figures::from([
        (Figure::Wall, gib / wall.as_secs_f64()),
        (Figure::ProducerCpu, produced.cpu / gib),
        (Figure::PipelineCpu, (produced.cpu + consumed.cpu) / gib),
    ]))
}

/// All three, or what is wrong with each: one that fails takes the others with it.
fn all_well(
    told: Result<Told, String>,
    produced: std::io::Result<Produced>,
    consumed: std::io::Result<Consumed>,
) -> Result<(Told, Produced, Consumed), String> {
    let troubles = [
        told.as_ref().err().map(|why| format!("relay: {why}")),
        produced
            .as_ref()
            .err()
            .map(|why| format!("producer: {why}")),
        consumed
            .as_ref()
            .err()
            .map(|why| format!("consumer: {why}")),
    ];
    match (told, produced, consumed) {
        (Ok(told), Ok(produced), Ok(consumed)) => Ok((told, produced, consumed)),
        _ => Err(troubles
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; ")),
    }
}

fn figures(work: &Work, told: &Told, produced: &Produced, consumed: &Consumed) -> Figures {
    let stopped = matches!(work.consumer, work::Consumer::Stopped);
    let ended: Instant = if stopped {
        produced.swallowed
    } else {
        consumed.ended
    };
    let wall = ended.duration_since(produced.started).as_secs_f64();
    let gib = produced.bytes as f64 / GIB;
    let cpu = told.number("cpu_s");
    let mut figures = Figures::from([
        (Figure::CpuPerGib, cpu / gib),
        (Figure::CpuPerRecord, cpu / produced.records as f64 * 1e6),
        (Figure::ProducerCpu, produced.cpu / gib),
        (
            Figure::PipelineCpu,
            (produced.cpu + cpu + consumed.cpu) / gib,
        ),
        (Figure::Wall, gib / wall),
        (Figure::Peak, told.number("peak_kib") / 1024.0),
    ]);
    let times = if consumed.ages.is_empty() {
        &produced.bursts
    } else {
        &consumed.ages
    };
    if !times.is_empty() {
        figures.insert(Figure::Median, quantile(times, 0.5) * 1e6);
        figures.insert(Figure::Worst, quantile(times, 0.99) * 1e6);
    }
    figures
}

// ---- whether it was what it should have been ----------------------------------------------------

fn check(
    check: &Check,
    produced: &Produced,
    consumed: &Consumed,
    account: &str,
) -> Result<(), String> {
    match check {
        Check::AllBytes => same("bytes out", consumed.bytes, produced.bytes),
        Check::LinesCounted => {
            let text = String::from_utf8_lossy(&consumed.first);
            let counted = text
                .trim()
                .parse()
                .map_err(|_| format!("no number: {text}"))?;
            same("lines counted", counted, produced.records)
        }
        Check::NothingLost => {
            same("bytes out", consumed.bytes, produced.bytes)?;
            let lost = check_account(produced, consumed, account)?;
            same("records lost", lost, 0)
        }
        Check::SomethingLost => match check_account(produced, consumed, account)? {
            0 => Err("no record was lost".to_owned()),
            _ => Ok(()),
        },
        Check::RecordsCounted => {
            same("bytes out", consumed.bytes, produced.bytes)?;
            check_account(produced, consumed, account).map(drop)
        }
    }
}

fn same(what: &str, is: u64, should: u64) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("{what}: {is}, and should be {should}"))
}

/// Holds hwm's account against what went in and came out. Returns how many records were lost.
fn check_account(produced: &Produced, consumed: &Consumed, text: &str) -> Result<u64, String> {
    let summary = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|object| object["event"] == "summary")
        .ok_or("no account")?;
    let count = |key: &str| {
        summary[key]
            .as_u64()
            .ok_or(format!("{key} is no number in {summary}"))
    };
    let lost = |key: &str| {
        let reasons = summary[key].as_object();
        reasons.map_or(0, |reasons| {
            reasons.values().filter_map(Value::as_u64).sum()
        })
    };
    same("bytes in", count("in_bytes")?, produced.bytes)?;
    same("records in", count("in_records")?, produced.records)?;
    same(
        "bytes out in the account",
        count("out_bytes")?,
        consumed.bytes,
    )?;
    for unit in ["bytes", "records"] {
        let out_and_held = count(&format!("out_{unit}"))? + count(&format!("held_{unit}"))?;
        let sum = out_and_held + lost(&format!("lost_{unit}"));
        same(
            &format!("out + lost + held {unit}"),
            sum,
            count(&format!("in_{unit}"))?,
        )?;
    }
    Ok(lost("lost_records"))
}
