//! Ends the process by a signal that the loop cannot obey, since a call of it does not come back.
//!
//! A call on a file may last for ever: the server is gone, or the disk. The kernel gives such a call up
//! when the process dies of a signal, and for no handler; it does not even run one in a thread that
//! waits like that. So a thread of its own takes the signals that end the process, which are blocked in
//! all others, and tells the loop as always. Where the loop then shows no sign of life while there is
//! a signal to obey, it is obeyed here, as by a program without a handler.
//!
//! Refuses to be quick: the loop ends a run better, with what is held written and the account told.
//! Refuses to take memory, of which there may be none left when it is needed. Not used between pipes
//! and sockets, on which no call waits.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::completion::Completion;
use super::descriptor::{is_local, is_on_disk};
use super::end_by_signal::die_by;
use super::poll::pause;
use crate::memory;

/// So long without a sign of life is too long. A write that waits for a slow disk takes less.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looked at so often in that time: a process that was stopped meanwhile is not taken for a dead one.
const LOOKS: u32 = 4;

/// A thread that looks at signals and at nothing else needs little.
const STACK: usize = 128 * 1024;

/// Why there is no account of the run.
const HANGS: &[u8] =
    b"hwm: a call on a file does not return: ended by the signal, and what was held is lost\n";

/// What the watchdog takes in the place of the others.
const ENDS: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];

/// Those of them that it was asked to take.
static BLOCKED: OnceLock<SigSet> = OnceLock::new();

/// What the loop shows of its life, and of the signals that it hears.
#[derive(Debug)]
pub struct Watchdog {
    /// Odd while the loop waits in poll, from which a signal wakes it.
    beats: AtomicU64,
    /// The signal that the loop took and is to end by; 0 for none.
    taken: AtomicI32,
    /// Set when the loop begins to hear signals: before that they do what they do by default.
    heard: OnceLock<Heard>,
    /// Rung when one of the others changed.
    completion: Completion,
}

#[derive(Debug)]
struct Heard {
    /// The signals that end the process.
    signals: Vec<Came>,
    /// Readable when any signal came.
    pipe: Arc<OwnedFd>,
}

/// A signal that ends the process, and whether it came and was not taken yet.
pub(super) type Came = (i32, Arc<AtomicBool>);

/// Threads that are started from now on leave the signals that end the process to the watchdog, unless
/// [`allow_signals`] says otherwise, and so does this one. None where there is no thread, descriptor or
/// memory left: then only SIGKILL ends a process that hangs.
pub fn watch() -> Option<Arc<Watchdog>> {
    // Where memory is short, the data and the report need it more.
    if !memory::is_there(8 * memory::MARGIN) {
        return None;
    }
    let watchdog = Arc::new(Watchdog::new()?);
    let theirs = Arc::clone(&watchdog);
    let thread = thread::Builder::new().name("hwm-watchdog".to_owned());
    let watch = move || theirs.watch();
    thread.stack_size(STACK).spawn(watch).ok()?;
    let before = SigSet::thread_get_mask().ok()?;
    let mut blocked = SigSet::empty();
    for signal in ENDS.iter().filter(|signal| !before.contains(**signal)) {
        blocked.add(*signal);
    }
    blocked.thread_block().ok()?;
    let _ = BLOCKED.set(blocked);
    Some(watchdog)
}

/// Says it on stderr, unless that is something that has to be waited for.
fn say(line: &[u8]) {
    let stderr = rustix::stdio::stderr();
    if is_on_disk(stderr) && !is_local(stderr) {
        return;
    }
    let mut space = [PollFd::from_borrowed_fd(stderr, PollFlags::OUT)];
    if poll(&mut space, Some(&Timespec::default())) == Ok(1) {
        let _ = rustix::io::write(stderr, line);
    }
}

/// This thread, and the children that it starts, have signals as the process was given them.
pub fn allow_signals() {
    if let Some(blocked) = BLOCKED.get() {
        let _ = blocked.thread_unblock();
    }
}

impl Watchdog {
    fn new() -> Option<Watchdog> {
        Some(Watchdog {
            beats: AtomicU64::new(0),
            taken: AtomicI32::new(0),
            heard: OnceLock::new(),
            completion: Completion::new().ok()?,
        })
    }

    /// The loop hears signals from now on.
    pub(super) fn hears(&self, signals: Vec<Came>, pipe: Arc<OwnedFd>) {
        let _ = self.heard.set(Heard { signals, pipe });
        self.completion.notify();
    }

    /// The loop does something else now.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(2, Ordering::Relaxed);
    }

    /// The loop waits in poll for as long as `wait` takes.
    pub(super) fn during<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.beats.fetch_add(1, Ordering::Relaxed);
        let waited = wait();
        self.beats.fetch_add(1, Ordering::Relaxed);
        waited
    }

    /// The loop took a signal that it is to end by.
    pub(super) fn took(&self, signal: i32) {
        self.taken.store(signal, Ordering::Release);
        self.completion.notify();
    }

    /// As long as the process lives.
    fn watch(&self) {
        loop {
            self.wait();
            match self.unobeyed() {
                Some(signal) if self.stands_still() => {
                    say(HANGS);
                    die_by(signal);
                    std::process::exit(128 + signal);
                }
                Some(_) => {}
                // Another signal came. The pipe tells of it until the loop empties that, which hangs perhaps.
                None => pause(PATIENCE / LOOKS),
            }
        }
    }

    /// Waits for something to look at. Once the loop is to end by a signal, it is looked at all the time.
    fn wait(&self) {
        self.completion.clear();
        if self.taken.load(Ordering::Acquire) != 0 {
            return;
        }
        let completion = PollFd::from_borrowed_fd(self.completion.fd(), PollFlags::IN);
        let _ = match self.heard.get() {
            Some(heard) => {
                let pipe = PollFd::from_borrowed_fd(heard.pipe.as_fd(), PollFlags::IN);
                poll(&mut [completion, pipe], None)
            }
            None => poll(&mut [completion], None),
        };
    }

    /// The signal that the loop has yet to obey.
    fn unobeyed(&self) -> Option<i32> {
        let came = |(_, came): &&Came| came.load(Ordering::Relaxed);
        let untaken = self.heard.get()?.signals.iter().find(came);
        let taken = Some(self.taken.load(Ordering::Acquire)).filter(|signal| *signal != 0);
        untaken.map(|(signal, _)| *signal).or(taken)
    }

    /// Gives the loop time, and tells whether it did nothing with it. Takes its time in any case, so that
    /// this does not spin while a signal is not taken.
    fn stands_still(&self) -> bool {
        let last = self.beats.load(Ordering::Relaxed);
        for _ in 0..LOOKS {
            pause(PATIENCE / LOOKS);
        }
        let waits = last % 2 == 1;
        !waits && self.beats.load(Ordering::Relaxed) == last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watchdog(came: bool) -> Watchdog {
        let watchdog = Watchdog::new().unwrap();
        let pipe = Arc::new(rustix::pipe::pipe().unwrap().0);
        watchdog.hears(vec![(15, Arc::new(AtomicBool::new(came)))], pipe);
        watchdog
    }

    #[test]
    fn a_loop_that_waits_or_goes_on_is_alive() {
        let watchdog = watchdog(true);
        assert!(!watchdog.during(|| watchdog.stands_still()));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(PATIENCE / 2);
                watchdog.beat();
            });
            assert!(!watchdog.stands_still());
        });
        assert!(watchdog.stands_still());
    }

    #[test]
    fn a_signal_is_to_be_obeyed_from_its_coming_on() {
        assert_eq!(watchdog(true).unobeyed(), Some(15));
        let watchdog = watchdog(false);
        assert_eq!(watchdog.unobeyed(), None);
        watchdog.took(2);
        assert_eq!(watchdog.unobeyed(), Some(2));
    }
}
