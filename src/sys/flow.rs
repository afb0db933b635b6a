//! How long a dense stream may be left alone, so that one wake-up moves much.
//!
//! A producer that writes 64 KiB at a time wakes us for each of them, and a consumer that reads so much
//! from a full pipe does too; waking up costs more than moving that. The kernel's pipes hold far more. So
//! where a stream is dense, we sleep until, at the rate just seen, a part of a pipe has gathered, or
//! has been taken, and ask poll only when there was less than that.
//!
//! Refuses to delay what is not dense: a line a millisecond, an idle stream, or a pipe that could not be
//! grown is served as soon as poll tells of it. The rate is that of the last turn alone, so a stream that
//! pauses is back to poll at once.

use std::time::Duration;

/// The longest sleep. A stream is dense if [`WORTH`] bytes come in so long.
const LONGEST: Duration = Duration::from_millis(1);

/// Less than this in [`LONGEST`], 134 MB/s, is not worth a sleep.
const WORTH: f64 = 128.0 * 1024.0;

/// Shorter sleeps are not what a timer gives.
const SHORTEST: Duration = Duration::from_micros(40);

/// The part of a pipe to sleep for. When the rate rises meanwhile, a pipe takes so many times more
/// before anybody is held up; and when it was full, the next sleep is so much shorter.
const PART: f64 = 1.0 / 2.0;

/// Timers are late by about so much, with 50 us that Linux allows itself.
const LATE: Duration = Duration::from_micros(60);

/// One side's stream.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// What the pipe holds; 0 for everything else.
    pipe: usize,
    moved: u64,
    rate: f64,
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

    /// A turn of that length is over.
    fn turn(&mut self, length: Duration) {
        self.rate = std::mem::take(&mut self.moved) as f64 / length.as_secs_f64().max(1e-9);
    }

    /// How long it may be left alone; None if not at all.
    fn sleep(&self) -> Option<Duration> {
        let is_dense = self.rate * LONGEST.as_secs_f64() >= WORTH;
        let whole = Duration::from_secs_f64(self.pipe as f64 * PART / self.rate.max(1.0));
        let sleep = whole.saturating_sub(LATE);
        (is_dense && sleep >= SHORTEST).then_some(sleep.min(LONGEST))
    }
}

/// Both sides' streams.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pub(super) input: Flow,
    pub(super) output: Flow,
    waited: Duration,
}

impl Flows {
    /// It is `now`, and time to wait for what is wanted: how long to sleep before asking poll.
    pub(super) fn sleep(&mut self, now: Duration, input: bool, output: bool) -> Option<Duration> {
        let length = now.saturating_sub(self.waited);
        self.waited = now;
        self.input.turn(length);
        self.output.turn(length);
        match (input, output) {
            (true, true) => Some(self.input.sleep()?.min(self.output.sleep()?)),
            (true, false) => self.input.sleep(),
            (false, true) => self.output.sleep(),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn milliseconds(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Flows through large pipes, of which the input just moved so many bytes in a millisecond.
    fn after(bytes: u64) -> Flows {
        let mut flows = Flows::default();
        flows.input.is_through(MIB);
        flows.output.is_through(MIB);
        flows.sleep(milliseconds(1), true, false);
        flows.input.moved(bytes);
        flows
    }

    #[test]
    fn a_dense_stream_is_left_alone_until_a_part_of_a_pipe_has_come() {
        let sleep = |bytes| after(bytes).sleep(milliseconds(2), true, false);
        assert_eq!(sleep(512 << 10), Some(Duration::from_micros(940)));
        assert_eq!(sleep(1 << 20), Some(Duration::from_micros(440)));
        assert_eq!(sleep(200 << 10), Some(LONGEST));
    }

    #[test]
    fn what_is_not_dense_is_not_delayed() {
        let sleep = |bytes| after(bytes).sleep(milliseconds(2), true, false);
        assert_eq!(sleep(0), None);
        assert_eq!(sleep(100), None);
        assert_eq!(sleep(100 << 10), None);
        assert_eq!(sleep(100 << 20), None, "nor what no timer can time");
        let mut flows = after(1 << 20);
        assert_eq!(flows.sleep(milliseconds(50), true, false), None, "a pause");
    }

    #[test]
    fn both_sides_must_be_dense_where_both_are_waited_for() {
        assert_eq!(after(1 << 20).sleep(milliseconds(2), true, true), None);
        let mut flows = after(512 << 10);
        flows.output.moved(1 << 20);
        let sleep = flows.sleep(milliseconds(2), true, true);
        assert_eq!(sleep, Some(Duration::from_micros(440)), "the shorter one");
        let mut flows = after(512 << 10);
        assert_eq!(flows.sleep(milliseconds(2), false, true), None);
        let mut flows = after(512 << 10);
        assert_eq!(flows.sleep(milliseconds(2), false, false), None);
    }

    #[test]
    fn a_small_pipe_is_not_left_alone() {
        let mut flows = after(512 << 10);
        flows.input.is_through(64 << 10);
        assert_eq!(flows.sleep(milliseconds(2), true, false), None);
    }
}
