//! When a stream may be left alone, and for how long, naively: by the times of all waits.

use std::collections::VecDeque;
use std::time::Duration;

use highwater::core::moderation::{DENSE, TAKEN_DENSE};
use highwater::system::Interest;

use super::model::{Model, Phase};

/// So many waits in a row must be dense.
const WATCHED: usize = 32;

/// The shortest that can be, and the longest behind a full output.
const SHORTEST: Duration = Duration::from_micros(40);
const LONGEST: Duration = Duration::from_millis(2);

/// One side's waits since it was last left alone, the last [`WATCHED`] of them and the one before.
#[derive(Default)]
struct Waits {
    times: VecDeque<Duration>,
    paused: bool,
}

impl Waits {
    fn wakes(&mut self, now: Duration) {
        self.times.push_back(now);
        if self.times.len() > WATCHED + 1 {
            self.times.pop_front();
        }
    }

    /// Whether it woke us so often that it may be left alone, or just was.
    fn may_pause(&self, dense: u32, now: Duration) -> bool {
        // This one is the last of them.
        let before = self.times.len().checked_sub(WATCHED);
        let first = before.map_or(Duration::ZERO, |at| self.times[at]);
        let is_dense = now.saturating_sub(first) * dense <= Duration::from_secs(1) * WATCHED as u32;
        self.paused || (self.times.len() + 1 >= WATCHED && is_dense)
    }
}

#[derive(Default)]
pub struct Pauses {
    input: Waits,
    output: Waits,
}

impl Pauses {
    /// Poll is asked, and not only for what is there.
    pub fn wakes(&mut self, interest: Interest, now: Duration) {
        if interest.input {
            self.input.paused = false;
            self.input.wakes(now);
        }
        if interest.output {
            self.output.paused = false;
            self.output.wakes(now);
        }
    }

    /// Both sides are left alone.
    pub fn check(&mut self, interest: Interest, until: Duration, now: Duration, model: &Model) {
        let linger = model.config.linger;
        assert!(!linger.is_zero(), "linger: a pause, and none is wanted");
        let longest = match interest.output {
            true => linger.max(LONGEST),
            false => linger,
        };
        let length = until.saturating_sub(now);
        assert!(length <= longest.max(SHORTEST), "linger: {length:?}");
        assert!(!model.may_ask, "linger: grants are not waited for");
        let reads = model.phase == Phase::Running && model.reads();
        assert!(reads || !interest.input, "linger: a pause for no input");
        let input = interest.input && self.input.may_pause(DENSE, now);
        let output = interest.output && self.output.may_pause(TAKEN_DENSE, now);
        assert!(input || output, "linger: what is not dense is delayed");
        if interest.input {
            self.input.paused = input;
            self.input.wakes(now);
        }
        if interest.output {
            self.output.paused = output;
            self.output.wakes(now);
        }
    }
}
