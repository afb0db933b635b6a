//! Signals, as one more descriptor to poll and as flags to take.
//!
//! A handler sets the signal's flag, then the common one, then writes to a pipe: who wakes up from
//! the pipe finds the flag. Refuses to do anything else in a handler, and to hear what was ignored
//! when the process began (`nohup`).

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGUSR1, SIGXFSZ};
use signal_hook::low_level::emulate_default_handler;

use super::job;
use super::poll::pause;
use super::watchdog::Watchdog;
use crate::system::Signal;

/// What is heard, in the order in which it is told when several came.
const HEARD: [(i32, Signal); 5] = [
    (SIGINT, Signal::Terminate(SIGINT)),
    (SIGTERM, Signal::Terminate(SIGTERM)),
    (SIGHUP, Signal::Terminate(SIGHUP)),
    (SIGTSTP, Signal::Suspend),
    (SIGUSR1, Signal::Report),
];

/// So often, and after such a pause, it is looked whether a signal has reached its handler: a tenth of a second,
/// on a machine that is as busy as that.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1);

const OWN_STATUS: &str = "/proc/self/status";

/// The signals that came.
#[derive(Debug)]
pub(super) struct Signals {
    any: Arc<AtomicBool>,
    came: Vec<(Arc<AtomicBool>, Signal)>,
    pipe: Arc<OwnedFd>,
    their_end: OwnedFd,
    watchdog: Option<Arc<Watchdog>>,
}

impl Signals {
    /// Begins to listen, for the rest of the process, under a watchdog if there is one.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn listen(watchdog: Option<Arc<Watchdog>>) -> io::Result<Signals> {
        let (pipe, their_end) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let ignored = ignored_at_start();
        let mut signals = Signals {
            any: Arc::default(),
            came: Vec::with_capacity(HEARD.len()),
            pipe: Arc::new(pipe),
            their_end,
            watchdog,
        };
        for (number, meaning) in HEARD {
            // SIGUSR1 is always heard: its default is death, and ignoring it says nothing.
            if number == SIGUSR1 || !is_in(ignored, number) {
                signals.hear(number, meaning)?;
            }
        }
        signals.be_watched();
        Ok(signals)
    }

    fn hear(&mut self, number: i32, meaning: Signal) -> io::Result<()> {
        let flag = Arc::new(AtomicBool::new(false));
        // Actions run in the order of their registration, and this order is the header's promise.
        signal_hook::flag::register(number, Arc::clone(&flag))?;
        signal_hook::flag::register(number, Arc::clone(&self.any))?;
        signal_hook::low_level::pipe::register(number, self.their_end.try_clone()?)?;
        self.came.push((flag, meaning));
        Ok(())
    }

    /// The end of a child makes [`Signals::pipe`] readable from now on, as a signal does that is told; and it is known how
    /// it ended, as after [`hear_children`].
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn wake_by_children(&self) -> io::Result<()> {
        signal_hook::low_level::pipe::register(SIGCHLD, self.their_end.try_clone()?)?;
        Ok(())
    }

    /// Takes one signal that came. The same signal may have come more than once before it is
    /// taken; one that comes after is told again.
    pub(super) fn take(&self) -> Option<Signal> {
        self.beat();
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        // Cleared before the flags are looked at: a handler that runs meanwhile sets it again.
        self.any.store(false, Ordering::SeqCst);
        let (_, signal) = self
            .came
            .iter()
            .find(|(flag, _)| flag.swap(false, Ordering::SeqCst))?;
        // There may be more.
        self.any.store(true, Ordering::SeqCst);
        if let (Some(watchdog), Signal::Terminate(number)) = (&self.watchdog, signal) {
            watchdog.took(*number);
        }
        Some(*signal)
    }

    /// Waits until the handlers of all terminating signals that have come have run. With a watchdog they run in
    /// its thread, and what the same key did to somebody else may be seen before. Where none has come,
    /// which is asked of the system, this waits for nothing.
    pub(super) fn settle(&self) {
        let ends = self.came.iter().filter_map(|(_, signal)| match signal {
            Signal::Terminate(number) => Some(*number),
            _ => None,
        });
        let ends = ends.fold(0, |mask, number| mask | 1 << (number - 1));
        for _ in 0..LOOKS {
            let waits = mask_in_file(OWN_STATUS, "ShdPnd:");
            // A signal is blocked in the thread that runs its handler, and that is the only one where it is
            // not blocked otherwise.
            let runs = self.watchdog.as_ref().map_or(0, |_| blocked_everywhere());
            if (waits | runs) & ends == 0 {
                return;
            }
            pause(PAUSE);
        }
    }

    /// The process is to end by a signal also while the loop hangs in a call.
    fn be_watched(&self) {
        let Some(watchdog) = &self.watchdog else {
            return;
        };
        let ends = self.came.iter().filter_map(|(came, signal)| match signal {
            Signal::Terminate(number) => Some((*number, Arc::clone(came))),
            _ => None,
        });
        watchdog.hears(ends.collect(), Arc::clone(&self.pipe));
    }

    /// The loop came back from what may last.
    pub(super) fn beat(&self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.beat();
        }
    }

    /// Waits, which a signal ends by [`Signals::pipe`].
    pub(super) fn wait<T>(&self, wait: impl FnOnce() -> T) -> T {
        match &self.watchdog {
            Some(watchdog) => watchdog.during(wait),
            None => wait(),
        }
    }

    /// Becomes readable when a signal came, until [`Signals::drain`].
    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Empties the pipe. The flags stay.
    pub(super) fn drain(&self) {
        let mut bytes = [0; 64];
        while rustix::io::retry_on_intr(|| rustix::io::read(&*self.pipe, &mut bytes))
            == Ok(bytes.len())
        {}
    }
}

/// Stops the process as an unhandled SIGTSTP would; returns when it is continued. As the kernel
/// does, ignores it where no shell is left that could continue us.
pub(super) fn stop() {
    if job::is_orphaned() {
        return;
    }
    // Fails only for signals that it does not know.
    let _ = emulate_default_handler(SIGTSTP);
}

/// From now on a write beyond the limit on the size of a file (`ulimit -f`) fails, and does not end the
/// process: not every file is one without which the relay cannot go on. Children have the signal as
/// before, since what is handled is not inherited, and what was ignored stays so.
pub fn outlive_size_limit() {
    if !is_in(ignored_at_start(), SIGXFSZ) {
        handle_by_nothing(SIGXFSZ);
    }
}

/// From now on it is known how a child ended: where SIGCHLD was ignored when the process began, nobody
/// is told. Children have it as every program expects it.
pub fn hear_children() {
    if is_in(ignored_at_start(), SIGCHLD) {
        handle_by_nothing(SIGCHLD);
    }
}

/// Where that fails, things are as they were.
fn handle_by_nothing(signal: i32) {
    let _ = signal_hook::flag::register(signal, Arc::default());
}

/// The signals ignored when first asked, as a bit mask; none where it cannot be known.
fn ignored_at_start() -> u64 {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    *IGNORED.get_or_init(|| mask_in_file(OWN_STATUS, "SigIgn:"))
}

/// The signals that no thread would take now; none where that cannot be known.
fn blocked_everywhere() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    let statuses = threads.flatten().map(|thread| thread.path().join("status"));
    statuses
        .map(|status| mask_in_file(status, "SigBlk:"))
        .reduce(|all, mask| all & mask)
        .unwrap_or(0)
}

/// One of the masks of signals that the system tells of a process or thread; empty where it does not.
fn mask_in_file(status: impl AsRef<Path>, name: &str) -> u64 {
    // More than it has: it tells no size, and growing to meet it takes eight reads.
    let mut text = String::with_capacity(4096);
    let read = fs::File::open(status).and_then(|mut file| file.read_to_string(&mut text));
    read.ok().and_then(|_| mask_in(&text, name)).unwrap_or(0)
}

fn mask_in(status: &str, name: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn is_in(mask: u64, signal: i32) -> bool {
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::look;
    use rustix::event::PollFlags;
    use signal_hook::low_level::raise;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let mask = mask_in(
            "Name:\thwm\nSigIgn:\t0000000000001001\nSigCgt:\t0\n",
            "SigIgn:",
        )
        .unwrap();
        assert!(is_in(mask, SIGHUP));
        assert!(is_in(mask, 13));
        assert!(!is_in(mask, SIGINT));
        assert_eq!(mask_in("Name:\thwm\n", "SigIgn:"), None);
    }

    /// One test, for signals belong to the whole process.
    #[test]
    fn signals_are_reported_once_for_each_time_they_were_taken() {
        let signals = Signals::listen(None).unwrap();
        let is_rung = || !look(signals.pipe(), PollFlags::IN).is_empty();
        assert_eq!(signals.take(), None);
        assert!(!is_rung());

        raise(SIGTERM).unwrap();
        assert!(is_rung());
        assert_eq!(signals.take(), Some(Signal::Terminate(SIGTERM)));
        assert_eq!(signals.take(), None);
        assert!(is_rung(), "taking does not hide a wake-up");
        signals.drain();
        assert!(!is_rung());

        raise(SIGTERM).unwrap();
        signals.drain();
        assert_eq!(
            signals.take(),
            Some(Signal::Terminate(SIGTERM)),
            "draining loses no signal, and a second one is a new one"
        );

        for signal in [SIGUSR1, SIGHUP, SIGTSTP, SIGINT] {
            raise(signal).unwrap();
        }
        let all: Vec<_> = std::iter::from_fn(|| signals.take()).collect();
        // Those that the test was started to ignore, as under nohup, are not heard.
        let ignored = ignored_at_start();
        let expected: Vec<_> = [
            (SIGINT, Signal::Terminate(SIGINT)),
            (SIGHUP, Signal::Terminate(SIGHUP)),
            (SIGTSTP, Signal::Suspend),
            (SIGUSR1, Signal::Report),
        ]
        .into_iter()
        .filter(|(number, _)| *number == SIGUSR1 || !is_in(ignored, *number))
        .map(|(_, signal)| signal)
        .collect();
        assert_eq!(all, expected);
    }
}
