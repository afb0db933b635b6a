//! `sample`: while pressured only chosen records are admitted; one that still does not fit is
//! lost as in drop-newest.
//!
//! `adaptive` admits with the chance
//!
//! ```text
//!            output rate     C - held
//!   chance = ----------- x  ----------   (at most 1),   M = (H + L) / 2
//!            input rate       C - M
//! ```
//!
//! The first factor is what the consumer can take of what comes. It alone would hold the fill
//! wherever it is; the second pulls it to M, so that it settles between the watermarks and
//! space is left for a burst. Rates are exponential averages over about a second.

use std::time::Duration;

use super::overflow::{OnFull, Overflow, Verdict, View};
use super::reservoir::Choice;
use super::window;
use crate::config::Sample;
use crate::core::account::Reason;
use crate::core::rng::Rng;
use crate::core::snapshot::State;

/// Time constant of the averaged rates, in seconds: long against scheduling noise, short against
/// what a person calls slow.
const AVERAGED_OVER_S: f64 = 1.0;

/// Rates are not measured over less than this: a single read would look like a flood.
const LEAST_SPAN: Duration = Duration::from_millis(10);

/// See the module's header.
pub struct Sampler {
    chooser: Chooser,
    rng: Rng,
}

enum Chooser {
    Every { stride: u64, seen: u64 },
    Chance(f64),
    Adaptive(Rates),
    First(First),
    Reservoir(Choice),
}

impl Sampler {
    /// A sampler whose choices follow from `rng`, and for `adaptive` from the rates too.
    pub fn new(spec: Sample, rng: Rng) -> Self {
        let chooser = match spec {
            Sample::Every(stride) => Chooser::Every { stride, seen: 0 },
            Sample::Chance(chance) => Chooser::Chance(chance),
            Sample::Adaptive => Chooser::Adaptive(Rates::default()),
            Sample::First { first, then, per } => Chooser::First(First::new(first, then, per)),
            Sample::Reservoir { keep, per } => Chooser::Reservoir(Choice::new(keep, per)),
        };
        Self { chooser, rng }
    }
}

impl Overflow for Sampler {
    fn on_full(&self) -> OnFull {
        OnFull::LoseArrival
    }

    fn judges(&self, state: State) -> bool {
        state == State::Pressured
    }

    fn judge(&mut self, view: &View) -> Verdict {
        let stays = match &mut self.chooser {
            Chooser::Every { stride, seen } => {
                *seen += 1;
                seen.is_multiple_of(*stride)
            }
            Chooser::Chance(chance) => self.rng.chance(*chance),
            Chooser::Adaptive(rates) => self.rng.chance(adaptive_chance(rates, view)),
            Chooser::First(first) => first.chooses(view.now),
            Chooser::Reservoir(choice) => return choice.judge(view, &mut self.rng),
        };
        if stays {
            Verdict::Stay
        } else {
            Verdict::Lose(Reason::Sampled)
        }
    }

    fn observe(&mut self, now: Duration, input: u64, output: u64) {
        if let Chooser::Adaptive(rates) = &mut self.chooser {
            rates.observe(now, input, output);
        }
    }

    fn share(&self, view: &View) -> Option<f64> {
        match &self.chooser {
            Chooser::Every { stride, .. } => Some(1.0 / *stride as f64),
            Chooser::Chance(chance) => Some(*chance),
            Chooser::Adaptive(rates) => Some(adaptive_chance(rates, view)),
            Chooser::First(_) | Chooser::Reservoir(_) => None,
        }
    }

    fn window_ended(&mut self) {
        if let Chooser::Reservoir(choice) = &mut self.chooser {
            choice.end();
        }
    }
}

/// The first ones of each window, then every Mth.
struct First {
    first: u64,
    then: u64,
    per: Duration,
    /// When the window ends.
    until: Duration,
    /// Records of the window.
    seen: u64,
}

impl First {
    fn new(first: u64, then: u64, per: Duration) -> Self {
        Self {
            first,
            then,
            per,
            until: Duration::ZERO,
            seen: 0,
        }
    }

    fn chooses(&mut self, now: Duration) -> bool {
        if now >= self.until {
            self.until = window::end(now, self.per);
            self.seen = 0;
        }
        self.seen += 1;
        match self.seen.checked_sub(self.first) {
            None | Some(0) => true,
            Some(after) => self.then > 0 && after.is_multiple_of(self.then),
        }
    }
}

fn adaptive_chance(rates: &Rates, view: &View) -> f64 {
    let middle = view.low_water + (view.high_water - view.low_water) / 2;
    let space = view.capacity.saturating_sub(view.held) as f64;
    let space_at_middle = (view.capacity - middle) as f64;
    let pull = if space_at_middle > 0.0 {
        space / space_at_middle
    } else {
        1.0
    };
    (rates.ratio() * pull).clamp(0.0, 1.0)
}

/// Output rate / input rate, averaged.
#[derive(Default)]
struct Rates {
    /// When the last span ended, and the totals then.
    last: Option<(Duration, u64, u64)>,
    input: f64,
    output: f64,
}

impl Rates {
    fn observe(&mut self, now: Duration, input: u64, output: u64) {
        let Some((then, input_then, output_then)) = self.last else {
            self.last = Some((now, input, output));
            return;
        };
        let span = now.saturating_sub(then);
        if span < LEAST_SPAN {
            return;
        }
        let seconds = span.as_secs_f64();
        let weight = 1.0 - (-seconds / AVERAGED_OVER_S).exp();
        self.input += weight * ((input - input_then) as f64 / seconds - self.input);
        self.output += weight * ((output - output_then) as f64 / seconds - self.output);
        self.last = Some((now, input, output));
    }

    /// 1 while nothing has come in that could be compared.
    fn ratio(&self) -> f64 {
        if self.input > 0.0 {
            self.output / self.input
        } else {
            1.0
        }
    }
}
