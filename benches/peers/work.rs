//! The producer and the consumer that a relay is put between.
//!
//! They are threads of the bench that read and write the descriptors themselves, 64 KiB at a time unless
//! told otherwise. What is paced keeps to a schedule: one late step does not make the others late.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;

/// What one read takes at most, and one write unless told otherwise.
pub const CHUNK: usize = 64 * 1024;

/// Nothing that a relay does at all takes longer; it bounds hangs, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked for what cannot be waited for; the error it makes in a measured time.
const LOOK: Duration = Duration::from_micros(50);

/// What is written, how, and how it is read.
#[derive(Debug, Clone)]
pub struct Work {
    /// What is written in all, rounded down to whole records.
    pub bytes: u64,
    /// The length of a record, with its newline.
    pub record: usize,
    /// What one write writes.
    pub write: usize,
    pub producer: Producer,
    pub consumer: Consumer,
}

#[derive(Debug, Clone, Copy)]
pub enum Producer {
    /// As fast as it goes.
    Fast,
    /// So many bytes a second.
    Rate(f64),
    /// So many bytes at once, each time when so much time has passed. How long it takes to get rid
    /// of them is measured.
    Bursts(u64, Duration),
    /// A record each time when so much time has passed; the consumer measures how old it is.
    Stamped(Duration),
    /// As fast as it goes, but with no more than so many bytes under way to the consumer.
    Window(u64),
}

#[derive(Debug, Clone, Copy)]
pub enum Consumer {
    /// As fast as it goes.
    Fast,
    /// So many bytes a second.
    Rate(f64),
    /// Stops after a quarter, until so many bytes are under way to it; then as fast as it goes.
    Stalls(u64),
    /// Reads nothing until the relay has taken everything.
    Stopped,
}

/// What the two know of each other.
#[derive(Default)]
pub struct Progress {
    written: AtomicU64,
    read: AtomicU64,
    /// The relay has taken everything, or never will.
    swallowed: AtomicBool,
}

impl Progress {
    fn under_way(&self) -> u64 {
        let read = self.read.load(Ordering::Acquire);
        self.written.load(Ordering::Acquire).saturating_sub(read)
    }
}

/// What the producer did.
pub struct Produced {
    pub bytes: u64,
    pub records: u64,
    /// When the relay had read the first record.
    pub started: Instant,
    /// When the relay had taken the last byte; only where nobody reads.
    pub swallowed: Instant,
    /// How long each burst took, in seconds.
    pub bursts: Vec<f64>,
    /// CPU time in seconds.
    pub cpu: f64,
}

/// What the consumer saw.
pub struct Consumed {
    pub bytes: u64,
    pub ended: Instant,
    /// What the first read brought.
    pub first: Vec<u8>,
    /// How old each record was, in seconds.
    pub ages: Vec<f64>,
    /// CPU time in seconds.
    pub cpu: f64,
}

/// CPU time of this thread so far, in seconds.
fn own_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn trouble(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> io::Result<()> {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > PATIENCE {
            return Err(trouble(what));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn sleep_until(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

// ---- the producer ---------------------------------------------------------------------------

/// Records, over and over, to be taken in pieces of any size.
struct Pattern {
    bytes: Vec<u8>,
    /// After so many bytes it repeats.
    period: usize,
    at: usize,
}

impl Pattern {
    fn new(record: usize, write: usize) -> Self {
        let mut one: Vec<u8> = b"GET /index.html 200 "
            .iter()
            .copied()
            .cycle()
            .take(record)
            .collect();
        one[record - 1] = b'\n';
        let period = record * (1024 * 1024 / record).max(1);
        let bytes = one.iter().copied().cycle().take(period + write).collect();
        Self {
            bytes,
            period,
            at: 0,
        }
    }

    fn next(&mut self, count: usize) -> &[u8] {
        let from = self.at;
        self.at = (from + count) % self.period;
        &self.bytes[from..from + count]
    }
}

struct Writer<'a, P> {
    pipe: P,
    pattern: Pattern,
    left: u64,
    write: usize,
    progress: &'a Progress,
}

impl<P: Write + AsFd> Writer<'_, P> {
    /// Writes at most `most` bytes in one write, or less at the end.
    fn write(&mut self, most: u64) -> io::Result<()> {
        let count = most.min(self.left).min(self.write as u64);
        self.pipe.write_all(self.pattern.next(count as usize))?;
        self.left -= count;
        self.progress.written.fetch_add(count, Ordering::Release);
        Ok(())
    }

    /// Writes at most `most` bytes in as many writes as it takes.
    fn write_many(&mut self, most: u64) -> io::Result<()> {
        let end = self.left.saturating_sub(most);
        while self.left > end {
            self.write(self.left - end)?;
        }
        Ok(())
    }

    /// Waits until the relay has read everything written.
    fn wait_swallowed(&self) -> io::Result<()> {
        wait_until("the relay stopped reading", || {
            ioctl_fionread(&self.pipe).is_ok_and(|left| left == 0)
        })
    }
}

/// Writes all of `work` into `pipe` and closes it.
pub fn produce(work: &Work, pipe: impl Write + AsFd, progress: &Progress) -> io::Result<Produced> {
    let records = work.bytes / work.record as u64;
    let mut writer = Writer {
        pipe,
        pattern: Pattern::new(work.record, work.write.max(work.record)),
        left: records * work.record as u64,
        write: work.write,
        progress,
    };
    let bytes = writer.left;
    let result = produce_all(work, &mut writer);
    progress.swallowed.store(true, Ordering::Release);
    let (started, bursts) = result?;
    Ok(Produced {
        bytes,
        records,
        started,
        swallowed: Instant::now(),
        bursts,
        cpu: own_cpu(),
    })
}

fn produce_all<P: Write + AsFd>(
    work: &Work,
    writer: &mut Writer<'_, P>,
) -> io::Result<(Instant, Vec<f64>)> {
    if let Producer::Stamped(every) = work.producer {
        return produce_stamped(work, writer, every).map(|started| (started, Vec::new()));
    }
    // The first record shows when the relay is there.
    writer.write_many(work.record as u64)?;
    writer.wait_swallowed()?;
    let started = Instant::now();
    let mut bursts = Vec::new();
    match work.producer {
        Producer::Fast => writer.write_many(u64::MAX)?,
        Producer::Rate(rate) => produce_paced(writer, started, rate)?,
        Producer::Bursts(size, every) => bursts = produce_bursts(writer, started, size, every)?,
        Producer::Window(window) => produce_in_window(writer, window)?,
        Producer::Stamped(_) => unreachable!("see above"),
    }
    if matches!(work.consumer, Consumer::Stopped) {
        writer.wait_swallowed()?;
    }
    Ok((started, bursts))
}

fn produce_paced<P: Write + AsFd>(
    writer: &mut Writer<'_, P>,
    started: Instant,
    rate: f64,
) -> io::Result<()> {
    let all = writer.left;
    while writer.left > 0 {
        let done = all - writer.left;
        sleep_until(started + Duration::from_secs_f64(done as f64 / rate));
        writer.write(u64::MAX)?;
    }
    Ok(())
}

fn produce_bursts<P: Write + AsFd>(
    writer: &mut Writer<'_, P>,
    started: Instant,
    size: u64,
    every: Duration,
) -> io::Result<Vec<f64>> {
    let mut times = Vec::new();
    while writer.left > 0 {
        sleep_until(started + every * times.len() as u32);
        let begun = Instant::now();
        writer.write_many(size)?;
        times.push(begun.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn produce_in_window<P: Write + AsFd>(writer: &mut Writer<'_, P>, window: u64) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while writer.left > 0 {
        let space = window.saturating_sub(writer.progress.under_way());
        if space >= (writer.write as u64).min(writer.left) {
            writer.write(space)?;
        } else if Instant::now() > deadline {
            return Err(trouble("the relay kept back what it had"));
        } else {
            // The consumer unparks us after each read.
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Where a record's number and its time in nanoseconds are.
const NUMBER: usize = 10;
const STAMP: usize = 20;

fn produce_stamped<P: Write + AsFd>(
    work: &Work,
    writer: &mut Writer<'_, P>,
    every: Duration,
) -> io::Result<Instant> {
    let filler = "x".repeat(work.record - NUMBER - STAMP - 3);
    let count = writer.left / work.record as u64;
    let line = |number| {
        let stamp = nanoseconds();
        format!("{number:0NUMBER$} {stamp:0STAMP$} {filler}\n")
    };
    // The first shows when the relay is there; how old it is then says nothing.
    writer.pipe.write_all(line(0).as_bytes())?;
    writer.wait_swallowed()?;
    let started = Instant::now();
    for number in 1..count {
        sleep_until(started + every * number as u32);
        writer.pipe.write_all(line(number).as_bytes())?;
    }
    Ok(started)
}

/// Since the first call.
fn nanoseconds() -> u128 {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos()
}

// ---- the consumer ---------------------------------------------------------------------------

/// Reads from `pipe` until its end. `producer` is woken after each read if it waits for that.
pub fn consume(
    work: &Work,
    mut pipe: impl Read,
    progress: &Progress,
    producer: &Thread,
) -> io::Result<Consumed> {
    let wakes = matches!(work.producer, Producer::Window(_));
    let mut stamps = matches!(work.producer, Producer::Stamped(_)).then(Stamps::default);
    let mut buffer = vec![0; CHUNK];
    let mut seen = Consumed {
        bytes: 0,
        ended: Instant::now(),
        first: Vec::new(),
        ages: Vec::new(),
        cpu: 0.0,
    };
    let cpu_before = own_cpu();
    let mut first_read = None;
    let mut stall = match work.consumer {
        Consumer::Stalls(held) => Some(held),
        _ => None,
    };
    if matches!(work.consumer, Consumer::Stopped) {
        let swallowed = || progress.swallowed.load(Ordering::Acquire);
        wait_until("the relay never took everything", swallowed)?;
    }
    loop {
        let count = pipe.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        if let Some(stamps) = &mut stamps {
            stamps.look(nanoseconds(), &buffer[..count], work.record)?;
        }
        if seen.bytes == 0 {
            seen.first = buffer[..count].to_vec();
        }
        seen.bytes += count as u64;
        progress.read.store(seen.bytes, Ordering::Release);
        if wakes {
            producer.unpark();
        }
        if let Consumer::Rate(rate) = work.consumer {
            let first = *first_read.get_or_insert_with(Instant::now);
            sleep_until(first + Duration::from_secs_f64(seen.bytes as f64 / rate));
        }
        if let Some(held) = stall.take_if(|_| seen.bytes >= work.bytes / 4) {
            wait_until("the relay does not hold so much", || {
                progress.under_way() >= held
            })?;
        }
    }
    seen.ended = Instant::now();
    seen.cpu = own_cpu() - cpu_before;
    seen.ages = stamps.map(Stamps::ages).unwrap_or_default();
    Ok(seen)
}

/// The numbers and times in stamped records.
#[derive(Default)]
struct Stamps {
    /// The beginning of a record that has not come whole.
    part: Vec<u8>,
    ages: Vec<f64>,
}

impl Stamps {
    /// These bytes came at the time `now`.
    fn look(&mut self, now: u128, bytes: &[u8], record: usize) -> io::Result<()> {
        self.part.extend_from_slice(bytes);
        let whole = self.part.len() / record * record;
        for line in self.part[..whole].chunks_exact(record) {
            let text = str::from_utf8(line).map_err(io::Error::other)?;
            let number: usize = text[..NUMBER].parse().map_err(io::Error::other)?;
            let stamp = &text[NUMBER + 1..=NUMBER + STAMP];
            let stamp: u128 = stamp.parse().map_err(io::Error::other)?;
            if number != self.ages.len() {
                return Err(trouble("a line is missing or out of order"));
            }
            self.ages.push((now - stamp) as f64 / 1e9);
        }
        self.part.drain(..whole);
        Ok(())
    }

    fn ages(mut self) -> Vec<f64> {
        if !self.ages.is_empty() {
            self.ages.remove(0);
        }
        self.ages
    }
}
