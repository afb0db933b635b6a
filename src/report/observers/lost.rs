//! `--lost-to FILE`: the lost records themselves, appended as they are lost.
//!
//! What waits to be written is bounded: the relay asks how much space there is, and counts what finds
//! none. Refuses to go on behind a write that failed, for what follows could not be told from the
//! rest of a record.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::config::Config;
use crate::core::account::Tally;
use crate::core::loss::dead_letters::{Batch, DeadLetterCount};
use crate::delimiters::Delimiters;
use crate::report::end::End;
use crate::report::errors::StartError;
use crate::sys::error_channel::ErrorChannel;
use crate::sys::log::{Log, Way};
use crate::sys::{Files, Role};
use crate::units::reason;

/// The most bytes that wait to be written: enough for some hundred milliseconds of a flood while a
/// disk is busy, and little beside the capacity.
const SPACE: u64 = 4 << 20;

/// The relay's side.
pub struct Lost {
    /// None when there is no more to come.
    inbox: Option<Sender<Batch>>,
    end: Option<End>,
    tallies: Arc<Tallies>,
}

/// What both sides know.
#[derive(Default)]
struct Tallies {
    /// What the batches under way cost.
    waiting: AtomicU64,
    bytes: AtomicU64,
    records: AtomicU64,
    has_failed: AtomicBool,
}

impl Lost {
    /// Opens the FILE for appending, and starts the thread that writes to it; None without the option.
    ///
    /// # Errors
    ///
    /// The system's, as for `--report-to`; and where the FILE is another one of the run as well.
    pub fn start(
        config: &Config,
        files: &Files,
        error_channel: ErrorChannel,
    ) -> Result<Option<Lost>, StartError> {
        let Some(path) = &config.observers.lost_to else {
            return Ok(None);
        };
        let delimiters = config.relay.delimiters;
        let way = Way::Records(delimiters);
        let opened = Log::open(path, Role::Lost, way, files, error_channel.clone());
        let opened = opened.and_then(|file| {
            let name = format!("{} (--lost-to)", path.display());
            Lost::onto(file, name, delimiters, error_channel)
        });
        opened
            .map(Some)
            .map_err(StartError::path("append lost records", "--lost-to", path))
    }

    /// The same with anything to write to; `name` is what it is called when that fails.
    pub fn onto(
        out: impl Write + Send + 'static,
        name: String,
        delimiters: Delimiters,
        error_channel: ErrorChannel,
    ) -> io::Result<Lost> {
        let (inbox, batches) = channel();
        let tallies = Arc::new(Tallies::default());
        let mut writer = Writer {
            out,
            delimiters,
            tallies: Arc::clone(&tallies),
        };
        let work = move || {
            if let Err(error) = writer.run(batches) {
                let reason = reason(&error);
                error_channel.say(format!(
                    "cannot append lost records to {name}: {reason}; no more of them are kept"
                ));
            }
        };
        Ok(Lost {
            inbox: Some(inbox),
            end: Some(End::of("lost", work)?),
            tallies,
        })
    }

    /// How many bytes more may wait.
    pub fn space(&self) -> u64 {
        if self.tallies.has_failed.load(Ordering::Relaxed) {
            return 0;
        }
        SPACE.saturating_sub(self.tallies.waiting.load(Ordering::Relaxed))
    }

    /// Hands records over. Where nobody takes them any more they are not written, and count as such.
    pub fn take(&self, batch: Batch) {
        let cost = batch.cost();
        self.tallies.waiting.fetch_add(cost, Ordering::Relaxed);
        if let Some(inbox) = &self.inbox {
            let _ = inbox.send(batch);
        }
    }

    /// What became of all that was lost, of which so much was `handed` over: what is not written yet
    /// counts as unwritten.
    pub fn dead_letters(&self, handed: DeadLetterCount) -> DeadLetterCount {
        let load = |count: &AtomicU64| count.load(Ordering::Acquire);
        let written = Tally {
            bytes: load(&self.tallies.bytes),
            records: load(&self.tallies.records),
        };
        let left = |handed: u64, kept: u64, written| handed.saturating_sub(written) + kept;
        let unwritten = Tally {
            bytes: left(handed.written.bytes, handed.unwritten.bytes, written.bytes),
            records: left(
                handed.written.records,
                handed.unwritten.records,
                written.records,
            ),
        };
        DeadLetterCount { written, unwritten }
    }

    /// There is no more to come: what is under way is still written.
    pub fn close(&mut self) -> Option<End> {
        self.inbox = None;
        self.end.take()
    }
}

/// The thread's side.
struct Writer<W> {
    out: W,
    delimiters: Delimiters,
    tallies: Arc<Tallies>,
}

impl<W: Write> Writer<W> {
    fn run(&mut self, inbox: Receiver<Batch>) -> io::Result<()> {
        for batch in inbox {
            let written = self.write(&batch);
            if written.is_err() {
                self.tallies.has_failed.store(true, Ordering::Relaxed);
            }
            written?;
            let cost = batch.cost();
            self.tallies.waiting.fetch_sub(cost, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Counts each record when its last byte is written.
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let (mut counted, mut at) = (Tally::default(), 0);
        while at < batch.text.len() {
            let count = match self.out.write(&batch.text[at..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let piece = &batch.text[at..at + count];
            let mut now = counted;
            if let Some(last) = self.delimiters.rfind(piece) {
                now.bytes = (at + last + 1) as u64;
                now.records += self.delimiters.count(piece);
            }
            at += count;
            if at == batch.text.len() {
                // Its last delimiter may not have come in.
                now = batch.lost;
            }
            let Tallies { bytes, records, .. } = &*self.tallies;
            bytes.fetch_add(now.bytes - counted.bytes, Ordering::Release);
            records.fetch_add(now.records - counted.records, Ordering::Release);
            counted = now;
        }
        Ok(())
    }
}
