//! Ends the process by a signal that the loop cannot obey, since a call of it does not come back.
//!
//! A call on a file may last for ever: the server is gone, or the disk. The kernel gives such a call up
//! when the process dies of a signal, and for no handler; it does not even run one, in a thread that
//! waits like that. So the loop runs in a thread of its own, and the first thread of the process, to which
//! the kernel hands signals before any other, watches over it. Where the loop shows no sign of life
//! while there is a signal to obey, it is obeyed here, as by a program without a handler.
//!
//! Refuses to be quick: the loop ends a run better, with what is held written and the account told.
//! Refuses to watch over pipes and sockets, on which no call waits.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;

use super::bell::Bell;
use super::poll::PollSet;
use super::signals::die_by;
use crate::memory;

/// So long without a sign of life is too long. A write that waits for a slow disk takes less.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looked at so often in that time: a process that was stopped meanwhile is not taken for a dead one.
const LOOKS: u32 = 4;

/// The loop takes a few frames; address space may be limited.
const STACK: usize = 1024 * 1024;

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
    bell: Bell,
    is_over: AtomicBool,
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

/// Does `work` in a thread of its own, and watches over it from this one, which must be the first of the
/// process. Without a watch where no thread or descriptor is left, or little memory: then only SIGKILL ends
/// a process that hangs.
pub fn watched<T: Send>(work: impl FnOnce(Option<Arc<Watchdog>>) -> T + Send) -> T {
    if !memory::is_enough_for_a_thread() {
        return work(None);
    }
    let Ok(bell) = Bell::new() else {
        return work(None);
    };
    let watch = Arc::new(Watchdog {
        beats: AtomicU64::new(0),
        taken: AtomicI32::new(0),
        heard: OnceLock::new(),
        bell,
        is_over: AtomicBool::new(false),
    });
    // Where the thread cannot be had, its work is still here.
    let work = Mutex::new(Some(work));
    let take = || work.lock().unwrap_or_else(PoisonError::into_inner).take();
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("hwm-loop".to_owned());
        let spawned = thread.stack_size(STACK).spawn_scoped(scope, || {
            let _over = Over(&watch);
            take().map(|work| work(Some(Arc::clone(&watch))))
        });
        let done = match spawned {
            Ok(thread) => {
                watch.watch();
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            Err(_) => take().map(|work| work(None)),
        };
        done.expect("taken once")
    })
}

/// Dropped, the work is over.
struct Over<'a>(&'a Watchdog);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.bell.ring();
    }
}

impl Watchdog {
    /// The loop hears signals from now on.
    pub(super) fn hears(&self, signals: Vec<Came>, pipe: Arc<OwnedFd>) {
        let _ = self.heard.set(Heard { signals, pipe });
        self.bell.ring();
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
        self.bell.ring();
    }

    /// Until the work is over.
    fn watch(&self) {
        while !self.is_over.load(Ordering::Acquire) {
            self.wait();
            if let Some(signal) = self.untaken()
                && self.stands_still()
            {
                die_by(signal);
                std::process::exit(128 + signal);
            }
        }
    }

    /// Waits for something to look at. Once the loop is to end by a signal, it is looked at all the time.
    fn wait(&self) {
        self.bell.quiet();
        let mut set = PollSet::new();
        set.add(self.bell.fd(), PollFlags::IN);
        if let Some(heard) = self.heard.get() {
            set.add(heard.pipe.as_fd(), PollFlags::IN);
        }
        let is_ending = self.taken.load(Ordering::Acquire) != 0;
        if !is_ending && !self.is_over.load(Ordering::Acquire) {
            let _ = set.wait(None);
        }
    }

    /// The signal that the loop has yet to obey.
    fn untaken(&self) -> Option<i32> {
        let came = |(_, came): &&Came| came.load(Ordering::Relaxed);
        let untaken = self.heard.get()?.signals.iter().find(came);
        let taken = Some(self.taken.load(Ordering::Acquire)).filter(|signal| *signal != 0);
        untaken.map(|(signal, _)| *signal).or(taken)
    }

    /// Gives the loop time, and tells whether it did nothing with it. Takes its time in any case, so that
    /// this does not spin while a signal is not taken.
    fn stands_still(&self) -> bool {
        let last = self.beats.load(Ordering::Relaxed);
        let waits = last % 2 == 1;
        for _ in 0..LOOKS {
            self.pause(PATIENCE / LOOKS);
            if self.is_over.load(Ordering::Acquire) {
                return false;
            }
        }
        !waits && self.beats.load(Ordering::Relaxed) == last
    }

    /// Sleeps, but not when the work is over.
    fn pause(&self, time: Duration) {
        self.bell.quiet();
        let mut set = PollSet::new();
        set.add(self.bell.fd(), PollFlags::IN);
        if !self.is_over.load(Ordering::Acquire) {
            let _ = set.wait(Some(time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(came: bool) -> Watchdog {
        let watch = Watchdog {
            beats: AtomicU64::new(0),
            taken: AtomicI32::new(0),
            heard: OnceLock::new(),
            bell: Bell::new().unwrap(),
            is_over: AtomicBool::new(false),
        };
        let pipe = Arc::new(rustix::pipe::pipe().unwrap().0);
        watch.hears(vec![(15, Arc::new(AtomicBool::new(came)))], pipe);
        watch
    }

    #[test]
    fn a_loop_that_waits_or_goes_on_is_alive() {
        let watch = watch(true);
        assert!(!watch.during(|| watch.stands_still()));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(PATIENCE / 2);
                watch.beat();
            });
            assert!(!watch.stands_still());
        });
        assert!(watch.stands_still());
        watch.is_over.store(true, Ordering::Release);
        assert!(!watch.stands_still());
    }

    #[test]
    fn a_signal_is_to_be_obeyed_from_its_coming_on() {
        assert_eq!(watch(true).untaken(), Some(15));
        let watch = watch(false);
        assert_eq!(watch.untaken(), None);
        watch.took(2);
        assert_eq!(watch.untaken(), Some(2));
    }

    #[test]
    fn what_was_done_is_handed_back() {
        assert_eq!(watched(|watch| (watch.is_some(), 7)), (true, 7));
    }
}
