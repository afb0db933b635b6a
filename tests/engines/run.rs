//! A run of hwm before an engine's client: the producer, which writes on demand, and what hwm tells meanwhile.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use crate::common::{Finished, finish, hwm, wait_until};
use crate::records::text;
use crate::server::{children, kill};

/// More records than any client and its sockets hold, if that has a bound.
const WITHOUT_BOUND: u64 = 60_000;

pub struct Run {
    hwm: Child,
    folder: TempDir,
    /// What was allowed to the producer, and what it has written.
    allowed: u64,
    written: Arc<AtomicU64>,
    orders: Sender<u64>,
    /// Where the producer writes.
    pipe: OwnedFd,
}

impl Run {
    /// With `client`, a line of shell, behind it. `wrap` makes a text what the client wants as a line.
    pub fn start(options: &[&str], client: &str, wrap: fn(&str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events");
        let events = events.to_str().unwrap();
        let report = ["--report", "json", "--events", events];
        let command = ["-M", "in", "--", "sh", "-c", client];
        let mut hwm = hwm(&[&report, options, &command].concat()).spawn().unwrap();
        let mut stdin = hwm.stdin.take().unwrap();
        let pipe = stdin.as_fd().try_clone_to_owned().unwrap();
        let written = Arc::<AtomicU64>::default();
        let count = Arc::clone(&written);
        let (orders, ordered) = channel::<u64>();
        thread::spawn(move || {
            for _ in ordered.iter().flat_map(|count| 0..count) {
                let number = count.load(Ordering::Relaxed) + 1;
                let line = wrap(&text(number)) + "\n";
                // It ends with hwm; the test sees that by what is missing.
                if stdin.write_all(line.as_bytes()).is_err() {
                    return;
                }
                count.store(number, Ordering::Relaxed);
            }
        });
        Self {
            hwm,
            folder,
            allowed: 0,
            written,
            orders,
            pipe,
        }
    }

    /// Lets the producer write so many more records.
    #[track_caller]
    pub fn allow(&mut self, records: u64) {
        self.allowed += records;
        assert!(self.allowed < WITHOUT_BOUND, "the client takes everything");
        self.orders.send(records).unwrap();
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub fn has_written_all(&self) -> bool {
        self.written() == self.allowed
    }

    /// Lets the producer write until hwm tells of another `event`.
    #[track_caller]
    pub fn write_until(&mut self, event: &str) {
        let before = self.count(event);
        wait_until(event, || {
            if self.has_written_all() {
                self.allow(100);
            }
            self.count(event) > before
        });
    }

    /// Lets the producer write until hwm takes no more, and its write waits.
    #[track_caller]
    pub fn write_until_stalled(&mut self) {
        let mut still = 0;
        wait_until("the producer waits", || {
            if self.has_written_all() {
                self.allow(100);
            }
            // What the client or a socket still takes sets it free again, for a moment.
            let waits = self.is_pressured() && !self.has_written_all() && self.pipe_is_full();
            still = if waits { still + 1 } else { 0 };
            still == 20
        });
    }

    fn pipe_is_full(&self) -> bool {
        let mut pipe = [PollFd::new(&self.pipe, PollFlags::OUT)];
        poll(&mut pipe, Some(&Timespec::default())).unwrap() == 0
    }

    /// The events that hwm has told.
    fn events(&self) -> String {
        fs::read_to_string(self.folder.path().join("events")).unwrap()
    }

    pub fn count(&self, event: &str) -> usize {
        self.events().matches(&told(event)).count()
    }

    pub fn is_pressured(&self) -> bool {
        let events = self.events();
        events.rfind(&told("pressured")) > events.rfind(&told("flowing"))
    }

    /// Kills the client with all that it has started.
    pub fn kill_client(&self) {
        let client = children(self.hwm.id());
        kill(*client.first().expect("the client runs"));
    }

    /// Ends the input and waits for hwm; returns how many records went in as well.
    #[track_caller]
    pub fn finish(self) -> (Finished, u64) {
        drop((self.orders, self.pipe));
        (finish(self.hwm, b""), self.allowed)
    }
}

fn told(event: &str) -> String {
    format!("\"event\":\"{event}\"")
}
