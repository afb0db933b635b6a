//! The times and rates that the account must show, naively: in the simulator time passes in waits
//! only, so the length of each wait belongs to what it waited for.

use std::time::Duration;

use highwater::config::{Policy, Sample};
use highwater::core::snapshot::{Bottleneck, Snapshot};

use super::model::{Model, Phase};

/// Rates are not told over less than this.
const LEAST_SPAN: Duration = Duration::from_millis(5);

/// A wait of less than this share of the run makes no side the slow one.
const NOTABLE: f64 = 0.05;

#[derive(Default)]
pub struct Times {
    wait_input: Duration,
    wait_output: Duration,
    wait_rate: Duration,
    pressured: Duration,
    read_paused: Duration,
    longest_stall: Duration,
    /// The output took not all of what was offered, and poll has not said that it would.
    blocked: bool,
    /// When the last interval was told, and bytes in and out then.
    interval: (Duration, u64, u64),
}

impl Times {
    pub fn blocked(&mut self) {
        self.blocked = true;
    }

    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub fn unblocked(&mut self) {
        self.blocked = false;
    }

    /// Time passes, from `before` to `after`, while the model stands still.
    pub fn pass(&mut self, before: Duration, after: Duration, model: &Model) {
        let length = after - before;
        let blocked = self.blocked || !model.may_go();
        let waited = match (model.has_output(), blocked) {
            (true, true) => &mut self.wait_output,
            (true, false) => &mut self.wait_rate,
            (false, _) => &mut self.wait_input,
        };
        *waited += length;
        if model.pressured {
            self.pressured += length;
            let blocks = model.config.policy == Policy::Block && !model.sheds();
            if blocks && model.phase == Phase::Running {
                self.read_paused += length;
            }
        }
        if let Some(since) = model.stalled_since {
            self.longest_stall = self.longest_stall.max(after - since);
        }
    }

    pub fn end_interval(&mut self, now: Duration, model: &Model) {
        self.interval = (now, model.input.0, model.output.0);
    }

    /// A picture taken between two intervals.
    pub fn compare(&self, snapshot: &Snapshot, now: Duration, model: &Model) {
        let (then, input, output) = self.interval;
        let rates = (now - then >= LEAST_SPAN).then(|| {
            let seconds = (now - then).as_secs_f64();
            let rate = |after: u64, before: u64| (after - before) as f64 / seconds;
            (rate(model.input.0, input), rate(model.output.0, output))
        });
        self.compare_all(snapshot, rates, now, model);
    }

    /// The picture of the end, with the rates of the whole run.
    pub fn compare_summary(&self, snapshot: &Snapshot, now: Duration, model: &Model) {
        let seconds = now.as_secs_f64();
        let rates = (seconds > 0.0).then(|| {
            let rate = |bytes: u64| bytes as f64 / seconds;
            (rate(model.input.0), rate(model.output.0))
        });
        self.compare_all(snapshot, rates, now, model);
    }

    fn compare_all(
        &self,
        snapshot: &Snapshot,
        rates: Option<(f64, f64)>,
        now: Duration,
        model: &Model,
    ) {
        assert_eq!(snapshot.elapsed, now, "times: elapsed");
        assert_eq!(snapshot.wait_input, self.wait_input, "times: input");
        assert_eq!(snapshot.wait_output, self.wait_output, "times: output");
        assert_eq!(snapshot.wait_rate, self.wait_rate, "times: rate");
        let waits = self.wait_input + self.wait_output + self.wait_rate;
        assert_eq!(waits, now, "times: nothing else takes any");
        assert_eq!(snapshot.pressured, self.pressured, "times: pressured");
        assert_eq!(snapshot.read_paused, self.read_paused, "times: paused");
        let open = model.open_since.map_or(Duration::ZERO, |since| now - since);
        assert_eq!(snapshot.open_for, model.opened_for + open, "times: open");
        assert_eq!(
            snapshot.longest_stall, self.longest_stall,
            "times: longest stall"
        );
        let told = snapshot.in_rate.zip(snapshot.out_rate);
        assert_eq!(told, rates, "times: rates");
        assert_eq!(
            snapshot.seconds_to_full,
            rates
                .filter(|_| model.phase == Phase::Running)
                .and_then(|rates| to_full(rates, model)),
            "times: until full"
        );
        assert_eq!(snapshot.bottleneck, self.bottleneck(now), "times: verdict");
        assert_eq!(snapshot.sample_rate, share(model), "times: share");
    }

    fn bottleneck(&self, now: Duration) -> Bottleneck {
        let (input, output) = (self.wait_input, self.wait_output);
        let is_notable = |wait: Duration| wait.as_secs_f64() > NOTABLE * now.as_secs_f64();
        if output > input && is_notable(output) {
            Bottleneck::Consumer
        } else if input > output && is_notable(input) {
            Bottleneck::Producer
        } else {
            Bottleneck::None
        }
    }
}

fn to_full((input, output): (f64, f64), model: &Model) -> Option<f64> {
    let room = model.config.capacity - model.held() as u64;
    (input > output).then(|| room as f64 / (input - output))
}

fn share(model: &Model) -> Option<f64> {
    match model.overflow()? {
        Policy::Sample(Sample::Every(stride)) => Some(1.0 / stride as f64),
        Policy::Sample(Sample::Chance(chance)) => Some(chance),
        Policy::Sample(Sample::Adaptive) => Some(model.adaptive_chance()),
        _ => None,
    }
}
