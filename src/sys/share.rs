//! The pages that all pipes of one user share (`pipe-user-pages-soft`, 64 MiB as a rule), and how few of them
//! this process takes.
//!
//! Past that limit the kernel makes every further pipe of the user tiny, whoever asks for it. So large pipes
//! are for streams that are worth them, and only for as long:
//!
//! ```text
//!              256 KiB have come within a second, and a quarter of the limit stays free
//!   Frugal ------------------------------------------------------------------------------> Generous
//!          <------------------------------------------------------------------------------
//!                     less than that has come in a second: give back
//! ```
//!
//! How much of the limit is left cannot be read, so it is tried out: when pipes have grown, as many pages as
//! shall be left are taken for a moment, in pipes that are closed at once, and where that fails, what has
//! grown is given back. In this order two processes that try at the same time cannot both take the last. The kernel refuses a pipe to grow past the limit, so
//! others can still make theirs meanwhile, unless the rest is less than one of them takes.
//!
//! Knows neither which pipes there are nor what is in them.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::pipe::{PipeFlags, fcntl_getpipe_size, fcntl_setpipe_size};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::descriptor::{LARGEST_PIPE, grow_pipe, shrink_pipe};
use super::pipes::spare_pipe;

/// So much in a [`WINDOW`] is worth large pipes.
const WORTH: u64 = 256 * 1024;

/// How long a stream is looked at before its pipes are given back. One timer while they are large.
const WINDOW: Duration = Duration::from_secs(1);

/// After so long the next try may find more; twice as long after each that did not.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// The kernel's default for the limit, in pages.
const USUAL_LIMIT: usize = 16_384;

/// What is tried out is no more than so many bytes: it takes some 6 us a MiB.
const MOST_LEFT: usize = 16 << 20;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Share {
    is_generous: bool,
    /// Some of what has grown is still larger than it was: it held something when it was to be given back.
    is_owing: bool,
    /// When the window began, and what had come and gone in all then.
    began: Duration,
    came: u64,
    went: u64,
    /// Nothing came or went in the window so far.
    is_quiet: bool,
    /// What could be given back was, behind a quiet window, and nothing has moved since.
    is_at_rest: bool,
    /// No more than there was before then, and how long the pause after that is.
    refused_until: Duration,
    pause: Duration,
    /// So many bytes shall be left to others, tried out in pipes of so many.
    left: Option<(usize, usize)>,
}

/// What to do with the pipes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    Grow,
    GiveBack,
}

impl Share {
    pub(super) fn new() -> Share {
        Share {
            is_generous: false,
            is_owing: false,
            began: Duration::ZERO,
            came: 0,
            went: 0,
            is_quiet: false,
            is_at_rest: false,
            refused_until: Duration::ZERO,
            pause: FIRST_PAUSE,
            left: None,
        }
    }

    /// So many bytes have come so far, and so many went.
    pub(super) fn turn(&mut self, came: u64, went: u64, now: impl Fn() -> Duration) -> Turn {
        let recent = came - self.came;
        self.is_quiet = recent == 0 && went == self.went;
        self.is_at_rest &= self.is_quiet;
        let is_worth_it = recent >= WORTH;
        if !self.takes() && !is_worth_it || self.is_at_rest {
            return Turn::Nothing;
        }
        let now = now();
        let is_over = now >= self.began.saturating_add(WINDOW);
        if is_over {
            (self.began, self.came, self.went) = (now, came, went);
        }
        match (self.is_generous, is_over) {
            // Where the window is over, what came may have taken an hour.
            (false, false) if is_worth_it && now >= self.refused_until => Turn::Grow,
            (_, true) if self.takes() && !is_worth_it => Turn::GiveBack,
            _ => Turn::Nothing,
        }
    }

    /// When the next [`Share::turn`] may say that there is something to give back.
    pub(super) fn due(&self) -> Option<Duration> {
        let is_due = self.takes() && !self.is_at_rest;
        is_due.then(|| self.began.saturating_add(WINDOW))
    }

    /// Whether there may be something to give back.
    fn takes(&self) -> bool {
        self.is_generous || self.is_owing
    }

    /// Pipes may be large from now on.
    pub(super) fn grew(&mut self) {
        (self.is_generous, self.is_owing) = (true, false);
        self.is_at_rest = false;
    }

    /// What could be given back was: all, or what did not hold anything. Where something moved lately, its
    /// reader may be about to empty the rest: then it is tried once more.
    pub(super) fn gave_back(&mut self, all: bool) {
        (self.is_generous, self.is_owing) = (false, !all);
        self.is_at_rest = self.is_quiet;
    }

    /// Whether more pipes may be large: [`Share::leaves_enough`] must be asked when they are.
    pub(super) fn may_try(&self, now: Duration) -> bool {
        self.is_generous && now >= self.refused_until
    }

    /// Whether enough is left to others with what has grown; else that must shrink again.
    pub(super) fn leaves_enough(&mut self, now: Duration) -> bool {
        let (left, each) = *self.left.get_or_insert_with(to_be_left);
        let is_enough = left == 0 || is_free(left, each);
        if is_enough {
            self.pause = FIRST_PAUSE;
        } else {
            self.refused_until = now.saturating_add(self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        is_enough
    }
}

/// A quarter of the limit, in bytes (0: there is none), and the size of the largest pipe.
fn to_be_left() -> (usize, usize) {
    let number = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/fs/{name}")).ok()?;
        text.trim().parse::<usize>().ok()
    };
    let pages = number("pipe-user-pages-soft").unwrap_or(USUAL_LIMIT);
    let quarter = pages.saturating_mul(rustix::param::page_size()) / 4;
    let each = number("pipe-max-size").unwrap_or(LARGEST_PIPE);
    (quarter.min(MOST_LEFT), each.clamp(1, LARGEST_PIPE))
}

/// Whether so many bytes can be had in pipes of at most `each`.
fn is_free(bytes: usize, each: usize) -> bool {
    let (mut taken, mut pipes) = (0, Vec::<OwnedFd>::new());
    while taken < bytes {
        // One of its ends keeps a pipe.
        let Some((_, end)) = spare_pipe(PipeFlags::CLOEXEC) else {
            return false;
        };
        if fcntl_setpipe_size(&end, each).is_err() {
            return false;
        }
        taken += each;
        pipes.push(end);
    }
    true
}

/// One timer for all waits until then: poll with a limit, which sets a timer each time, cost a dense stream a
/// twentieth more.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// None within the option: it cannot be had.
    timer: Option<Option<OwnedFd>>,
    at: Option<Duration>,
}

impl Alarm {
    /// To be readable from `at` on, or never. Returns the limit of a wait where that must do instead.
    pub(super) fn set(
        &mut self,
        at: Option<Duration>,
        now: impl Fn() -> Duration,
    ) -> Option<Duration> {
        if self.at == at && !matches!(self.timer, Some(None)) {
            return None;
        }
        self.at = at;
        let Some(at) = at else {
            self.timer = self.timer.take().filter(Option::is_none);
            return None;
        };
        let make = || timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).ok();
        let timer = self.timer.get_or_insert_with(make);
        // A time of zero would stop it.
        let left = at.saturating_sub(now()).max(Duration::from_nanos(1));
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(left).unwrap_or_default(),
        };
        let set = |timer: &OwnedFd| timerfd_settime(timer, TimerfdTimerFlags::empty(), &once);
        match timer.as_ref().map(set) {
            Some(Ok(_)) => None,
            _ => {
                self.timer = Some(None);
                Some(left)
            }
        }
    }

    /// It is readable until it is set anew: also where it was early, as after a stop of the process.
    pub(super) fn rang(&mut self) {
        self.at = None;
    }

    /// What to poll while it is set.
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        // One that has rung is readable, and would end every wait.
        self.at?;
        self.timer.as_ref()?.as_ref().map(AsFd::as_fd)
    }
}

/// A pipe that others share, and what it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lent {
    before: usize,
    now: usize,
}

impl Lent {
    /// A pipe as it is.
    pub(super) fn of(pipe: impl AsFd) -> Lent {
        let size = fcntl_getpipe_size(pipe).unwrap_or(0);
        Lent {
            before: size,
            now: size,
        }
    }

    /// What it holds at most.
    pub(super) fn size(self) -> usize {
        self.now
    }

    /// It may hold up to `bound` bytes.
    pub(super) fn grow(&mut self, pipe: impl AsFd, bound: u64) {
        self.now = grow_pipe(pipe, bound);
    }

    /// It is what it was, or what its content needs. Returns whether it is what it was.
    pub(super) fn give_back(&mut self, pipe: impl AsFd) -> bool {
        if self.now > self.before {
            self.now = shrink_pipe(pipe, self.before);
        }
        self.now <= self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::PollFlags;
    use rustix::io;
    use rustix::pipe::pipe;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_stream_is_worth_large_pipes_while_it_is_dense() {
        let mut share = Share::new();
        let at = |share: &mut Share, ms, came| share.turn(came, 0, || Duration::from_millis(ms));
        assert_eq!(at(&mut share, 5, WORTH - 1), Turn::Nothing);
        assert_eq!(share.due(), None, "no timer");
        assert_eq!(at(&mut share, 10, WORTH), Turn::Grow);
        share.grew();
        assert_eq!(at(&mut share, 900, WORTH), Turn::Nothing);
        assert_eq!(share.due(), Some(SECOND));
        assert_eq!(at(&mut share, 1000, WORTH), Turn::Nothing, "so much came");
        assert_eq!(share.due(), Some(2 * SECOND));
        assert_eq!(at(&mut share, 2000, 2 * WORTH - 1), Turn::GiveBack);
        share.gave_back(true);
        assert_eq!(share.due(), None);
        assert_eq!(at(&mut share, 2001, 3 * WORTH - 2), Turn::Nothing);
        assert_eq!(at(&mut share, 2002, 3 * WORTH - 1), Turn::Grow);
    }

    #[test]
    fn a_trickle_is_not_worth_them_however_long_it_lasts() {
        let mut share = Share::new();
        for hour in 1..100 {
            let now = hour * 3600 * SECOND;
            assert_eq!(
                share.turn(u64::from(hour) * WORTH, 0, || now),
                Turn::Nothing
            );
        }
        let now = 99 * 3600 * SECOND + SECOND / 2;
        assert_eq!(share.turn(100 * WORTH, 0, || now), Turn::Grow);
    }

    /// After two seconds, with pipes that could not be given back.
    fn stuck() -> Share {
        let mut share = Share::new();
        assert_eq!(share.turn(WORTH, 0, || Duration::ZERO), Turn::Grow);
        share.grew();
        assert_eq!(share.turn(WORTH, 0, || SECOND), Turn::Nothing);
        assert_eq!(share.turn(WORTH, 0, || 2 * SECOND), Turn::GiveBack);
        share.gave_back(false);
        share
    }

    #[test]
    fn what_could_not_be_given_back_is_tried_again_when_something_has_come() {
        let mut share = stuck();
        assert_eq!(share.due(), None, "an idle process sleeps");
        assert_eq!(share.turn(WORTH, 0, || 9 * SECOND), Turn::Nothing);
        assert_eq!(share.turn(WORTH + 1, 0, || 9 * SECOND), Turn::GiveBack);
    }

    #[test]
    fn what_could_not_be_given_back_is_tried_again_when_something_went() {
        let mut share = stuck();
        assert_eq!(share.due(), None);
        // A full pipe went on; what left us last is in it still.
        assert_eq!(share.turn(WORTH, WORTH, || 9 * SECOND), Turn::GiveBack);
        share.gave_back(false);
        assert_eq!(share.due(), Some(10 * SECOND));
        assert_eq!(share.turn(WORTH, WORTH, || 10 * SECOND), Turn::GiveBack);
        share.gave_back(false);
        assert_eq!(share.due(), None, "nothing moves: it sleeps");
    }

    #[test]
    fn pipes_grow_again_though_not_all_were_given_back() {
        let mut share = Share::new();
        assert_eq!(share.turn(WORTH, 0, || Duration::ZERO), Turn::Grow);
        share.grew();
        assert!(share.may_try(Duration::ZERO));
        assert_eq!(share.turn(WORTH, 1, || SECOND), Turn::Nothing);
        assert_eq!(share.turn(WORTH, 1, || 2 * SECOND), Turn::GiveBack);
        share.gave_back(false);
        assert!(!share.may_try(2 * SECOND), "nothing else grows meanwhile");
        let soon = 2 * SECOND + SECOND / 2;
        assert_eq!(share.turn(2 * WORTH - 1, 1, || soon), Turn::Nothing);
        assert_eq!(share.turn(2 * WORTH, 1, || soon), Turn::Grow);
        share.grew();
        assert_eq!(share.turn(2 * WORTH, 1, || soon), Turn::Nothing, "they are");
        assert_eq!(share.due(), Some(3 * SECOND));
    }

    #[test]
    fn a_refusal_stands_for_ever_longer() {
        let mut share = Share::new();
        // No pipe is so large, whoever asks.
        share.left = Some((1 << 20, 3 << 30));
        assert!(!share.leaves_enough(Duration::ZERO));
        assert_eq!(share.refused_until, SECOND);
        assert_eq!(share.turn(WORTH, 0, || SECOND / 2), Turn::Nothing);
        assert!(!share.leaves_enough(SECOND));
        assert_eq!(share.refused_until, 3 * SECOND);
        share.left = Some((0, LARGEST_PIPE));
        assert!(share.leaves_enough(3 * SECOND), "there is no limit");
        assert_eq!(share.pause, SECOND);
    }

    #[test]
    fn one_timer_serves_until_it_is_set_anew() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(None, || SECOND), None);
        assert!(alarm.watched().is_none(), "not made for nothing");
        assert_eq!(alarm.set(Some(SECOND), || SECOND - SECOND / 100), None);
        let unchanged = || panic!("it is set already");
        assert_eq!(alarm.set(Some(SECOND), unchanged), None);
        crate::sys::testing::readable(alarm.watched().unwrap());
        alarm.rang();
        assert_eq!(alarm.set(Some(SECOND), || SECOND - SECOND / 2), None);
        let found = crate::sys::poll::look(alarm.watched().unwrap(), PollFlags::IN);
        assert!(found.is_empty());
        assert_eq!(alarm.set(None, || SECOND), None);
        assert!(alarm.watched().is_none());
        alarm.timer = Some(None);
        assert_eq!(alarm.set(Some(3 * SECOND), || SECOND), Some(2 * SECOND));
        assert_eq!(alarm.set(Some(3 * SECOND), || SECOND), Some(2 * SECOND));
    }

    #[test]
    fn a_pipe_is_given_back_as_far_as_it_is_empty() {
        let (reader, writer) = pipe().unwrap();
        let mut lent = Lent::of(&writer);
        let usual = lent.size();
        lent.grow(&writer, 1 << 20);
        assert!(lent.size() > 4 * usual);
        io::write(&writer, &vec![0; usual + 1]).unwrap();
        assert!(!lent.give_back(&writer));
        assert_eq!(lent.size(), 2 * usual);
        io::read(&reader, &mut vec![0; usual + 1][..]).unwrap();
        assert!(lent.give_back(&writer));
        assert_eq!(fcntl_getpipe_size(&writer).unwrap(), usual);
    }

    #[test]
    fn an_alarm_that_rang_and_is_not_set_again_is_not_watched() {
        let mut alarm = Alarm::default();
        let at = Duration::from_nanos(1);
        assert_eq!(alarm.set(Some(at), || at), None);
        assert!(alarm.watched().is_some());
        alarm.rang();
        alarm.set(None, || at);
        assert!(alarm.watched().is_none());
        alarm.set(Some(2 * at), || at);
        assert!(alarm.watched().is_some());
    }
}
