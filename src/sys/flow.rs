//! How long a dense stream may be left alone, so that one wake-up moves much.
//!
//! A producer that writes 64 KiB at a time wakes us for each of them, and a consumer that reads so much
//! from a full pipe does too; waking up costs more than moving that. The kernel's pipes hold far more. So
//! where a stream is dense, we sleep until, at the rate just seen, a part of a pipe has gathered, or
//! has been taken, and do not ask poll.
//!
//! ```text
//!             8 dense turns                 4 turns, as fast         1000 turns, or not dense
//!   Watched ------------------> Tried --------------------> LeftAlone ------------------> Watched
//!                                  |  slower                                                 ^
//!                                  +----------> Served -- 4000 turns, then 8000 .. ---------+
//! ```
//!
//! Sleeping must not cost the stream anything: who waits for an answer before he goes on (a request,
//! a reply) looks dense too, and is slowed down by each sleep. So the rate with sleeps is compared with
//! that without, and where it is less, the stream is served as poll tells. Refuses to delay what is not
//! dense: a line a millisecond, an idle stream, or a pipe that could not be grown.

use std::time::Duration;

/// The longest sleep. A stream is dense if [`WORTH`] bytes come in so long.
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

/// With sleeps, a stream must be at least so fast as without: noise may take the rest.
const AS_FAST: f64 = 0.8;

/// What is done with a stream, and what comes next; see the module's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Watched,
    Tried,
    LeftAlone,
    Served,
}

impl Stage {
    /// How many turns it lasts.
    fn turns(self, failures: u32) -> u32 {
        match self {
            Stage::Watched => 8,
            Stage::Tried => 4,
            Stage::LeftAlone => 1000,
            // Twice as many after each failure, up to so many times.
            Stage::Served => 4000 << failures.saturating_sub(1).min(8),
        }
    }
}

/// One side's stream.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// What the pipe holds; 0 for everything else.
    pipe: usize,
    /// Since the last turn.
    moved: u64,
    turned: Duration,
    /// Bytes and seconds of the last turns, each counted half as much as the one after it: one late
    /// wake-up is no pause, and a pause outweighs all that was before.
    recent: (f64, f64),
    stage: Stage,
    /// Of this stage, so far.
    turns: u32,
    bytes: u64,
    time: Duration,
    /// How often in a row it was slower with sleeps.
    failures: u32,
    /// The rate without sleeps, in bytes a second.
    rate_watched: f64,
}

impl Flow {
    /// The side is a pipe of that size, or with 0 something else.
    pub(super) fn is_through(&mut self, pipe: usize) {
        self.pipe = pipe;
    }

    /// So many bytes came, or were taken.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved += bytes;
    }

    /// A turn is over, and this side is waited for: how long it may be left alone.
    fn turn(&mut self, now: Duration) -> Option<Duration> {
        let time = now.saturating_sub(self.turned);
        let bytes = std::mem::take(&mut self.moved);
        self.turned = now;
        self.turns += 1;
        self.bytes += bytes;
        self.time += time;
        let (recent_bytes, recent_seconds) = self.recent;
        self.recent = (
            recent_bytes / 2.0 + bytes as f64,
            recent_seconds / 2.0 + time.as_secs_f64(),
        );
        let rate = self.recent.0 / self.recent.1.max(1e-9);
        let is_dense = bytes > 0 && rate * LONGEST.as_secs_f64() >= WORTH;
        if let Some(next) = self.next(is_dense) {
            (self.stage, self.turns, self.bytes, self.time) = (next, 0, 0, Duration::ZERO);
        }
        let is_left = matches!(self.stage, Stage::Tried | Stage::LeftAlone);
        self.sleep_at(rate).filter(|_| is_left && is_dense)
    }

    /// The next stage, if this one is over.
    fn next(&mut self, is_dense: bool) -> Option<Stage> {
        let is_over = self.turns >= self.stage.turns(self.failures);
        let rate = rate(self.bytes, self.time);
        match self.stage {
            Stage::Watched | Stage::LeftAlone if !is_dense => Some(Stage::Watched),
            Stage::Tried if !is_dense => Some(self.fail()),
            _ if !is_over => None,
            Stage::Watched => {
                self.rate_watched = rate;
                Some(Stage::Tried)
            }
            Stage::Tried if rate < AS_FAST * self.rate_watched => Some(self.fail()),
            Stage::Tried => {
                self.failures = 0;
                Some(Stage::LeftAlone)
            }
            Stage::LeftAlone | Stage::Served => Some(Stage::Watched),
        }
    }

    fn fail(&mut self) -> Stage {
        self.failures += 1;
        Stage::Served
    }

    /// How long it takes for a part of a pipe, if that can be timed.
    fn sleep_at(&self, rate: f64) -> Option<Duration> {
        let whole = Duration::from_secs_f64(self.pipe as f64 * PART / rate.max(1.0));
        let sleep = whole.saturating_sub(LATE);
        (sleep >= SHORTEST).then_some(sleep.min(LONGEST))
    }
}

fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-9)
}

/// Both sides' streams.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pub(super) input: Flow,
    pub(super) output: Flow,
}

impl Flows {
    /// It is `now`, and time to wait for what is wanted: how long to sleep before asking poll.
    pub(super) fn sleep(&mut self, now: Duration, input: bool, output: bool) -> Option<Duration> {
        let wanted = [(input, &mut self.input), (output, &mut self.output)];
        let turn = |(_, flow): (bool, &mut Flow)| flow.turn(now);
        let sleeps = wanted.into_iter().filter(|(wanted, _)| *wanted).map(turn);
        // Both sides must do without us for so long.
        sleeps.reduce(|one, other| Some(one?.min(other?))).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const KIB: u64 = 1 << 10;

    fn flow() -> Flow {
        Flow {
            pipe: 1 << 20,
            ..Flow::default()
        }
    }

    /// A stream for so many turns, of which each begins when a sleep is over, or `wake` after the
    /// last, and moves what `came` in that time. Returns the sleeps.
    fn run(
        flow: &mut Flow,
        turns: usize,
        wake: Duration,
        came: impl Fn(Duration) -> u64,
    ) -> Vec<Option<Duration>> {
        let mut last = wake;
        (0..turns)
            .map(|_| {
                flow.moved(came(last));
                let sleep = flow.turn(flow.turned + last);
                last = sleep.map_or(wake, |sleep| sleep + LATE);
                sleep
            })
            .collect()
    }

    /// 500 bytes a microsecond, whoever looks.
    fn free(time: Duration) -> u64 {
        500 * time.as_micros() as u64
    }

    #[test]
    fn a_dense_stream_is_left_alone_until_a_part_of_a_pipe_has_come() {
        let mut flow = flow();
        let sleeps = run(&mut flow, 50, Duration::from_micros(131), free);
        assert_eq!(sleeps[..7], [None; 7], "first it is watched");
        assert!(sleeps[7..].iter().all(Option::is_some), "{sleeps:?}");
        // Half a pipe of 1 MiB comes in 1048 us.
        let sleep = sleeps[40].map_or(0, |sleep| sleep.as_micros());
        assert!((980..1000).contains(&sleep), "{sleep}");
        assert_eq!(flow.stage, Stage::LeftAlone);
    }

    #[test]
    fn who_waits_for_an_answer_is_not_made_to_wait_again() {
        for message in [16 * KIB, 64 * KIB, 128 * KIB, 512 * KIB, 4 * MIB] {
            // It takes a microsecond for 2 KiB, and then one message is there, however long we slept.
            let wake = Duration::from_nanos(message / 2);
            let (mut flow, mut total, turns) = (flow(), Duration::ZERO, 10_000);
            let mut last = wake;
            for _ in 0..turns {
                flow.moved(message);
                total += last;
                let sleep = flow.turn(flow.turned + last);
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
        assert_eq!(run(&mut flow(), 100, wake, slow), [None; 100]);
        assert_eq!(run(&mut flow(), 100, wake, |_| 100), [None; 100]);
        let small = &mut Flow {
            pipe: 64 << 10,
            ..Flow::default()
        };
        assert_eq!(run(small, 100, wake, free), [None; 100], "a small pipe");
    }

    #[test]
    fn a_stream_that_pauses_is_watched_anew() {
        let mut flow = flow();
        let wake = Duration::from_micros(131);
        assert!(run(&mut flow, 50, wake, free)[49].is_some());
        assert_eq!(run(&mut flow, 2, wake, |_| 0), [None; 2]);
        assert_eq!(run(&mut flow, 7, wake, free), [None; 7]);
    }

    #[test]
    fn both_sides_must_be_dense_where_both_are_waited_for() {
        let mut flows = Flows::default();
        flows.input.is_through(1 << 20);
        flows.output.is_through(1 << 20);
        let mut now = Duration::ZERO;
        let mut turn = |input: u64, output: u64| {
            now += Duration::from_micros(200);
            flows.input.moved(input);
            flows.output.moved(output);
            flows.sleep(now, true, true)
        };
        for _ in 0..20 {
            assert_eq!(turn(200 * KIB, 10), None);
        }
        let sleeps: Vec<_> = (0..20).map(|_| turn(200 * KIB, 400 * KIB)).collect();
        // That of the faster side: half a pipe in 256 us.
        for sleep in &sleeps[10..] {
            let sleep = sleep.map_or(0, |sleep| sleep.as_micros());
            assert!((195..198).contains(&sleep), "{sleeps:?}");
        }
    }
}
