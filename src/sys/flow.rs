//! How long a dense stream may be left alone, so that one wake-up moves much.
//!
//! A producer that writes 64 KiB at a time wakes us for each of them, and a consumer that reads so much
//! from a full pipe does too; waking up costs more than moving that. The kernel's pipes hold far more. So
//! where a stream is dense, we sleep until, at the rate just seen, a part of a pipe has gathered, or
//! has been taken, and do not ask poll. Sleeping must not cost the stream anything:
//!
//! - While the output is full, it has its backlog to live on. We sleep for a part of that, and see afterwards
//!   whether it lasted; a consumer that emptied it, or that stopped to take from it (it may wait for the
//!   producer, and he for us), is served as poll tells for some time ([`Backlog`]).
//! - Who waits for an answer before he goes on (a request, a reply, space for the next message) looks
//!   dense too, and is slowed down by each sleep. So the rate with sleeps is compared with that
//!   without, on either side, and where it is less, the stream is served as poll tells ([`Trial`]).
//!
//! Refuses to delay what is not dense: a line a millisecond, an idle stream, or a pipe that could not be
//! grown.

use std::time::Duration;

use crate::system::Interest;

/// The longest sleep. A stream is dense if [`WORTH`] bytes move in so long.
const LONGEST: Duration = Duration::from_millis(1);

/// Less than this in [`LONGEST`], 134 MB/s, is not worth a sleep.
const WORTH: f64 = 128.0 * 1024.0;

/// Shorter sleeps are not what a timer gives.
const SHORTEST: Duration = Duration::from_micros(40);

/// The part of a pipe to sleep for. When the rate rises meanwhile, a pipe takes twice as much before
/// anybody is held up; and when it was full, the next sleep is so much shorter.
const PART: f64 = 1.0 / 2.0;

/// Timers are late by about so much, with 50 us that Linux allows itself.
const LATE: Duration = Duration::from_micros(60);

/// How long it takes for so many bytes, if that can be timed.
fn time_for(bytes: f64, rate: f64) -> Option<Duration> {
    let whole = Duration::from_secs_f64(bytes / rate.max(1.0));
    let sleep = whole.saturating_sub(LATE);
    (sleep >= SHORTEST).then_some(sleep)
}

/// How long it takes until a part of a pipe of that size has come.
fn time_to_gather(pipe: u64, rate: f64) -> Option<Duration> {
    time_for(pipe as f64 * PART, rate).map(|sleep| sleep.min(LONGEST))
}

/// How fast one side's bytes move.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// In all.
    total: u64,
    /// Since the last turn.
    moved: u64,
    turned: Duration,
    /// Bytes and seconds of the last turns, each counted half as much as the one after it: one late
    /// wake-up is no pause, and a pause outweighs all that was before.
    recent: (f64, f64),
}

/// What moved between two waits for a side.
#[derive(Debug, Clone, Copy)]
struct Turn {
    bytes: u64,
    time: Duration,
    /// Of late, in bytes a second.
    rate: f64,
}

impl Stream {
    /// So many bytes came, or were taken.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved += bytes;
        self.total += bytes;
    }

    /// So many did in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// A turn is over, and this side is waited for.
    fn turn(&mut self, now: Duration) -> Turn {
        let time = now.saturating_sub(self.turned);
        let bytes = std::mem::take(&mut self.moved);
        self.turned = now;
        let (recent_bytes, recent_seconds) = self.recent;
        self.recent = (
            recent_bytes / 2.0 + bytes as f64,
            recent_seconds / 2.0 + time.as_secs_f64(),
        );
        let rate = self.recent.0 / self.recent.1.max(1e-9);
        Turn { bytes, time, rate }
    }
}

impl Turn {
    fn is_dense(&self) -> bool {
        self.rate * LONGEST.as_secs_f64() >= WORTH
    }
}

/// Sleeps while the output is full.
#[derive(Debug, Default)]
struct Backlog {
    /// What it had when the sleep began; 0 after a wait without one.
    slept_on: u64,
    /// The rate just seen then, in bytes a second.
    rate: f64,
    /// For so many waits to come, poll is asked.
    served: u32,
    /// How often the consumer emptied it, or stopped, less how often it did neither.
    failures: u32,
    trial: Trial,
}

impl Backlog {
    /// Waits without a sleep after a failure; twice as many after each further one. A busy machine lets
    /// a consumer stop now and then, one that waits stops each time.
    const SERVED: u32 = 8;

    /// More are not counted: 2048 waits.
    const FAILURES: u32 = 8;

    /// The part to sleep for: nobody is held up before the whole is taken.
    const PART: f64 = 3.0 / 4.0;

    /// The longest sleep.
    const LONGEST: Duration = Duration::from_millis(2);

    /// A sleep must leave this part: with less, the consumer may have waited.
    const LEFT: u64 = 16;

    /// So much of what was expected must be taken: with less, the consumer stopped, and may wait.
    const TAKEN: f64 = 1.0 / 2.0;

    /// The output has so many bytes that wait to be taken.
    fn sleep(&mut self, turn: Turn, bytes: u64) -> Option<Duration> {
        let may_sleep = self.trial.may_sleep(turn, turn.is_dense());
        if self.served > 0 {
            self.served -= 1;
            return None;
        }
        let sleep = time_for(bytes as f64 * Self::PART, turn.rate).filter(|_| may_sleep);
        let sleep = sleep.map(|sleep| sleep.min(Self::LONGEST));
        self.slept_on = if sleep.is_some() { bytes } else { 0 };
        self.rate = turn.rate;
        sleep
    }

    /// A sleep is over that was to last so long, and so many bytes are left.
    fn woke(&mut self, slept: Duration, bytes: u64) {
        let taken = self.slept_on.saturating_sub(bytes) as f64;
        let expected = self.rate * slept.as_secs_f64();
        if bytes < self.slept_on / Self::LEFT || taken < Self::TAKEN * expected {
            self.served = Self::SERVED << self.failures;
            self.failures = (self.failures + 1).min(Self::FAILURES);
        } else {
            self.failures = self.failures.saturating_sub(1);
        }
    }
}

/// Finds out whether sleeping costs a stream anything.
///
/// ```text
///             8 MiB, dense             8 MiB, as fast              64 MiB .., or not dense
///   Watched --------------> Tried --------------------> LeftAlone ----------------------> Watched
///                              |  slower                                                     ^
///                              +----------> Served -- 256 MiB .. ---------------------------+
/// ```
#[derive(Debug, Default)]
struct Trial {
    stage: Stage,
    /// Of this stage, so far.
    bytes: u64,
    time: Duration,
    /// How often in a row it was slower with sleeps, or was not, after the first time.
    again: u32,
    /// Whether it was slower, the last time.
    failed: Option<bool>,
    /// The rate without sleeps, in bytes a second.
    rate_watched: f64,
}

/// What is done with a stream, and what comes next; see [`Trial`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Watched,
    Tried,
    LeftAlone,
    Served,
}

impl Stage {
    /// How many bytes it lasts: the rates that are compared must be of many messages of whoever waits
    /// for an answer.
    fn bytes(self, again: u32) -> u64 {
        const MIB: u64 = 1 << 20;
        match self {
            Stage::Watched => 8 * MIB,
            Stage::Tried => 8 * MIB,
            // Twice as many each time the answer was the same, up to so many times: a busy machine may
            // have given a wrong one.
            Stage::LeftAlone => (64 * MIB) << again.min(6),
            Stage::Served => (256 * MIB) << again.min(8),
        }
    }
}

impl Trial {
    /// With sleeps, a stream must be at least so fast as without: noise may take the rest.
    const AS_FAST: f64 = 0.8;

    /// Whether a stream that is dense, or not, may be left alone now.
    fn may_sleep(&mut self, turn: Turn, is_dense: bool) -> bool {
        self.bytes += turn.bytes;
        self.time += turn.time;
        if let Some(next) = self.next(is_dense) {
            (self.stage, self.bytes, self.time) = (next, 0, Duration::ZERO);
        }
        is_dense && matches!(self.stage, Stage::Tried | Stage::LeftAlone)
    }

    /// The next stage, if this one is over.
    fn next(&mut self, is_dense: bool) -> Option<Stage> {
        let is_over = self.bytes >= self.stage.bytes(self.again);
        let rate = self.bytes as f64 / self.time.as_secs_f64().max(1e-9);
        match self.stage {
            Stage::Watched | Stage::LeftAlone if !is_dense => Some(Stage::Watched),
            Stage::Tried if !is_dense => Some(self.judge(true)),
            _ if !is_over => None,
            Stage::Watched => {
                self.rate_watched = rate;
                Some(Stage::Tried)
            }
            Stage::Tried => Some(self.judge(rate < Self::AS_FAST * self.rate_watched)),
            Stage::LeftAlone | Stage::Served => Some(Stage::Watched),
        }
    }

    fn judge(&mut self, failed: bool) -> Stage {
        let is_same = self.failed == Some(failed);
        self.again = if is_same { self.again + 1 } else { 0 };
        self.failed = Some(failed);
        if failed {
            Stage::Served
        } else {
            Stage::LeftAlone
        }
    }
}

/// Both sides' streams.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pub(super) input: Stream,
    pub(super) output: Stream,
    backlog: Backlog,
    trial: Trial,
}

impl Flows {
    /// It is `now`, and time to wait for what is of interest: how long to sleep before asking poll. The
    /// input's pipe takes `pipe` bytes, 0 if it is none, and has so many `unread`; the output's
    /// has so many `untaken`.
    pub(super) fn sleep(
        &mut self,
        now: Duration,
        interest: Interest,
        pipe: u64,
        unread: impl FnOnce() -> u64,
        untaken: impl FnOnce() -> u64,
    ) -> Option<Duration> {
        let input = interest.input.then(|| self.input.turn(now));
        if !interest.output {
            // What has come already, and found no space straight through, goes into the buffer at once.
            let turn = input?;
            let may_sleep = self
                .trial
                .may_sleep(turn, turn.bytes > 0 && turn.is_dense());
            let sleep = time_to_gather(pipe, turn.rate).filter(|_| may_sleep)?;
            return (unread() == 0).then_some(sleep);
        }
        let output = self.output.turn(now);
        let Some(input) = input else {
            return self.backlog.sleep(output, untaken());
        };
        // Both sides must do without us for so long.
        let space = pipe.saturating_sub(unread());
        let most = time_to_gather(space, input.rate).filter(|_| input.is_dense())?;
        Some(self.backlog.sleep(output, untaken())?.min(most))
    }

    /// A sleep is over that was to last so long, and the output was waited for; so many bytes are
    /// `untaken` now.
    pub(super) fn woke(&mut self, slept: Duration, untaken: u64) {
        self.backlog.woke(slept, untaken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const KIB: u64 = 1 << 10;
    const READS: Interest = Interest {
        input: true,
        output: false,
        demand: false,
    };
    const WRITES: Interest = Interest {
        input: false,
        output: true,
        demand: false,
    };
    const BOTH: Interest = Interest {
        input: true,
        output: true,
        demand: false,
    };

    /// An input that is waited for so many turns, of which each begins when a sleep is over, or `wake`
    /// after the last, and has what `came` in that time. Returns the sleeps.
    fn read(
        flows: &mut Flows,
        pipe: u64,
        turns: usize,
        wake: Duration,
        came: impl Fn(Duration) -> u64,
    ) -> Vec<Option<Duration>> {
        let mut last = wake;
        let nothing = || 0;
        (0..turns)
            .map(|_| {
                flows.input.moved(came(last));
                let now = flows.input.turned + last;
                let sleep = flows.sleep(now, READS, pipe, nothing, nothing);
                last = sleep.map_or(wake, |sleep| sleep + LATE);
                sleep
            })
            .collect()
    }

    /// 500 bytes a microsecond, whoever looks.
    fn free(time: Duration) -> u64 {
        500 * time.as_micros() as u64
    }

    const WAKE: Duration = Duration::from_micros(131);

    #[test]
    fn a_dense_input_is_left_alone_until_a_part_of_a_pipe_has_come() {
        let mut flows = Flows::default();
        let sleeps = read(&mut flows, MIB, 200, WAKE, free);
        let watched = 8 * MIB / free(WAKE);
        assert!(
            sleeps[..watched as usize].iter().all(Option::is_none),
            "first it is watched"
        );
        assert!(sleeps[watched as usize + 1..].iter().all(Option::is_some));
        // Half a pipe of 1 MiB comes in 1048 us.
        let sleep = sleeps[199].map_or(0, |sleep| sleep.as_micros());
        assert!((980..1000).contains(&sleep), "{sleep}");
        assert_eq!(flows.trial.stage, Stage::LeftAlone);
    }

    #[test]
    fn a_request_is_not_delayed_twice() {
        for message in [16 * KIB, 64 * KIB, 128 * KIB, 512 * KIB, 4 * MIB] {
            // It takes a microsecond for 2 KiB, and then one message is there, however long we slept.
            let wake = Duration::from_nanos(message / 2);
            let (mut flows, mut total) = (Flows::default(), Duration::ZERO);
            let turns = (8192 * MIB / message) as u32;
            let mut last = wake;
            for _ in 0..turns {
                flows.input.moved(message);
                total += last;
                let now = flows.input.turned + last;
                let sleep = flows.sleep(now, READS, MIB, || 0, || 0);
                last = sleep.map_or(wake, |sleep| (sleep + LATE).max(wake));
            }
            let lost = total.as_secs_f64() / (wake * turns).as_secs_f64();
            assert!(lost < 1.05, "{message}: {lost}");
        }
    }

    #[test]
    fn what_is_not_dense_is_not_delayed() {
        let slow = |time: Duration| free(time) / 4;
        let wake = Duration::from_micros(500);
        let new = &mut Flows::default();
        assert_eq!(read(new, MIB, 1000, wake, slow), [None; 1000]);
        let new = &mut Flows::default();
        assert_eq!(read(new, MIB, 1000, wake, |_| 100), [None; 1000]);
        let new = &mut Flows::default();
        assert_eq!(read(new, 64 * KIB, 1000, wake, free), [None; 1000]);
    }

    #[test]
    fn an_input_that_pauses_is_watched_anew() {
        let mut flows = Flows::default();
        assert!(read(&mut flows, MIB, 200, WAKE, free)[199].is_some());
        assert_eq!(read(&mut flows, MIB, 2, WAKE, |_| 0), [None; 2]);
        assert_eq!(read(&mut flows, MIB, 100, WAKE, free), [None; 100]);
    }

    #[test]
    fn what_has_come_is_not_left_lying_when_there_is_somebody_to_take_it() {
        let mut flows = Flows::default();
        assert!(read(&mut flows, MIB, 200, WAKE, free)[199].is_some());
        flows.input.moved(free(WAKE));
        let now = flows.input.turned + WAKE;
        assert_eq!(flows.sleep(now, READS, MIB, || 1, || 0), None);
    }

    /// An output with a backlog of `untaken` bytes, which after each sleep has `left` of them.
    fn write(flows: &mut Flows, turns: usize, untaken: u64, left: u64) -> Vec<Option<Duration>> {
        (0..turns)
            .map(|_| {
                flows.output.moved(free(WAKE));
                let now = flows.output.turned + WAKE;
                let sleep = flows.sleep(now, WRITES, 0, || 0, || untaken);
                if let Some(sleep) = sleep {
                    flows.woke(sleep, left);
                }
                sleep
            })
            .collect()
    }

    /// Turns until the first sleep, while the output is watched.
    const WATCHED: usize = (8 * MIB / (500 * 131)) as usize;

    #[test]
    fn a_consumer_lives_on_its_backlog_while_we_sleep() {
        let sleeps = write(&mut Flows::default(), 200, MIB, MIB / 4);
        assert!(sleeps[..WATCHED].iter().all(Option::is_none));
        // Three quarters of it last 1573 us.
        for sleep in &sleeps[WATCHED + 1..] {
            let sleep = sleep.map_or(0, |sleep| sleep.as_micros());
            assert!((1500..1520).contains(&sleep), "{sleep}");
        }
        let short = write(&mut Flows::default(), 200, 64 * KIB, 0);
        assert_eq!(short, [None; 200], "not worth it");
    }

    /// At which turns there was a sleep, counted from the first on.
    fn slept_at(sleeps: &[Option<Duration>]) -> Vec<usize> {
        let at = (0..sleeps.len()).filter(|turn| sleeps[*turn].is_some());
        let at: Vec<_> = at.collect();
        at.iter().map(|turn| turn - at[0]).collect()
    }

    #[test]
    fn a_consumer_that_stopped_is_served_at_once_for_it_may_wait_for_the_producer() {
        let sleeps = write(&mut Flows::default(), 300, MIB, MIB / 2 + MIB / 4);
        assert_eq!(slept_at(&sleeps)[..4], [0, 9, 26, 59]);
    }

    #[test]
    fn a_consumer_that_emptied_its_backlog_is_served_ever_longer_until_forgiven() {
        let mut flows = Flows::default();
        let sleeps = write(&mut flows, 200, MIB, MIB / 17);
        assert_eq!(slept_at(&sleeps)[..4], [0, 9, 26, 59]);
        // Each time it did neither takes one failure back.
        let sleeps = write(&mut flows, 200, MIB, MIB / 16);
        assert!(slept_at(&sleeps).len() > 8, "forgiven");
        assert!(write(&mut flows, 1, MIB, 0)[0].is_some());
        assert_eq!(write(&mut flows, 8, MIB, 0), [None; 8]);
        assert!(write(&mut flows, 1, MIB, 0)[0].is_some());
        assert_eq!(write(&mut flows, 16, MIB, 0), [None; 16]);
        assert!(write(&mut flows, 1, MIB, MIB / 16)[0].is_some());
        assert!(write(&mut flows, 1, MIB, 0)[0].is_some());
        assert_eq!(write(&mut flows, 16, MIB, 0), [None; 16]);
        assert!(write(&mut flows, 1, MIB, 0)[0].is_some());
    }

    #[test]
    fn a_sleep_cut_short_for_the_input_is_no_failure_of_the_consumer() {
        // 2000 bytes a microsecond come, and 500 are taken.
        let (mut flows, mut sleeps) = (Flows::default(), 0);
        let mut last = WAKE;
        for _ in 0..1000 {
            flows.input.moved(2000 * last.as_micros() as u64);
            flows.output.moved(free(last));
            let now = flows.input.turned + last;
            let sleep = flows.sleep(now, BOTH, MIB, || 0, || MIB);
            if let Some(sleep) = sleep {
                sleeps += 1;
                flows.woke(sleep, MIB - free(sleep));
            }
            last = sleep.map_or(WAKE, |sleep| sleep + LATE);
        }
        // But for the times when it is watched.
        assert!(sleeps > 600, "{sleeps}");
    }

    #[test]
    fn a_producer_that_waits_for_space_is_not_made_to_wait_again() {
        // Half a pipe is taken at once, and the next half when we have made space: however long we slept,
        // no more is taken than that.
        let (mut flows, mut total, turns) = (Flows::default(), Duration::ZERO, 20_000);
        let wake = Duration::from_micros(250);
        let mut last = wake;
        for _ in 0..turns {
            flows.output.moved(MIB / 2);
            total += last;
            let now = flows.output.turned + last;
            let sleep = flows.sleep(now, WRITES, 0, || 0, || MIB);
            if let Some(sleep) = sleep {
                flows.woke(sleep, MIB / 2);
            }
            last = sleep.map_or(wake, |sleep| (sleep + LATE).max(wake));
        }
        let lost = total.as_secs_f64() / (wake * turns).as_secs_f64();
        assert!(lost < 1.05, "{lost}");
    }

    #[test]
    fn both_sides_must_be_dense_where_both_are_waited_for() {
        let mut flows = Flows::default();
        let mut now = Duration::ZERO;
        let mut turn = |came: u64, taken: u64, unread: u64| {
            now += Duration::from_micros(200);
            flows.input.moved(came);
            flows.output.moved(taken);
            flows.sleep(now, BOTH, MIB, || unread, || MIB)
        };
        let mut last = |came, taken, unread| {
            let sleep = (0..60).map(|_| turn(came, taken, unread)).last().flatten();
            sleep.map_or(0, |sleep| sleep.as_micros())
        };
        assert_eq!(last(10, 200 * KIB, 0), 0);
        assert_eq!(last(200 * KIB, 10, 0), 0);
        // Half a pipe comes in 512 us, and in half a pipe that is left half of that.
        assert!((445..455).contains(&last(200 * KIB, 200 * KIB, 0)));
        assert!((190..200).contains(&last(200 * KIB, 200 * KIB, MIB / 2)));
        assert_eq!(last(200 * KIB, 200 * KIB, MIB), 0, "the producer waits");
        // Three quarters of a pipe are taken in 384 us.
        assert!((320..330).contains(&last(200 * KIB, 400 * KIB, 0)));
    }
}
