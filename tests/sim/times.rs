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

/// Bytes in and out, records in and out.
type Amounts = [u64; 4];

fn amounts(model: &Model) -> Amounts {
    let (input, output) = (model.input, model.output);
    [input.0, output.0, input.1, output.1]
}

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
    /// When the last interval was told, and what had come in and gone out then.
    interval: (Duration, Amounts),
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

    /// A turn begins. Where nothing is left of what was refused, what comes next was not.
    pub fn turn(&mut self, model: &Model) {
        self.blocked &= model.has_output();
    }

    /// Time passes, from `before` to `after`, while the model stands still.
    pub fn pass(&mut self, before: Duration, after: Duration, model: &Model) {
        let length = after - before;
        let blocked = self.blocked || !model.may_go();
        let waited = match (model.has_output(), blocked) {
            _ if model.tail_deadline().is_some() => &mut self.wait_output,
            (false, _) if model.reading_deadline().is_some() => &mut self.wait_output,
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
        self.interval = (now, amounts(model));
    }

    /// A picture taken between two intervals.
    pub fn compare(&self, snapshot: &Snapshot, now: Duration, model: &Model) {
        let (then, before) = self.interval;
        let rates = (now - then >= LEAST_SPAN).then(|| {
            let seconds = (now - then).as_secs_f64();
            let after = amounts(model);
            std::array::from_fn(|which| (after[which] - before[which]) as f64 / seconds)
        });
        self.compare_all(snapshot, rates, now, model);
    }

    /// The picture of the end, with the rates of the whole run.
    pub fn compare_summary(&self, snapshot: &Snapshot, now: Duration, model: &Model) {
        let seconds = now.as_secs_f64();
        let [input, _, input_records, _] = amounts(model);
        let (output, output_records) = model.taken();
        let amounts = [input, output, input_records, output_records];
        let rates = (seconds > 0.0).then(|| amounts.map(|amount| amount as f64 / seconds));
        self.compare_all(snapshot, rates, now, model);
    }

    fn compare_all(
        &self,
        snapshot: &Snapshot,
        rates: Option<[f64; 4]>,
        now: Duration,
        model: &Model,
    ) {
        assert_eq!(snapshot.elapsed, now, "times: elapsed");
        assert_eq!(snapshot.wait_input, self.wait_input, "times: input");
        assert_eq!(snapshot.wait_output, self.wait_output, "times: output");
        assert_eq!(snapshot.wait_rate, self.wait_rate, "times: rate");
        let waits = self.wait_input + self.wait_output + self.wait_rate;
        assert_eq!(waits, now, "times: nothing else takes any");
        assert_eq!(snapshot.busy, Duration::ZERO, "times: busy");
        assert_eq!(snapshot.pressured, self.pressured, "times: pressured");
        assert_eq!(snapshot.read_paused, self.read_paused, "times: paused");
        let open = model.open_since.map_or(Duration::ZERO, |since| now - since);
        assert_eq!(snapshot.open_for, model.opened_for + open, "times: open");
        assert_eq!(
            snapshot.longest_stall, self.longest_stall,
            "times: longest stall"
        );
        let told = [snapshot.in_rate, snapshot.out_rate];
        let bytes = [0, 1].map(|which| rates.map(|rates| rates[which]));
        assert_eq!(told, bytes, "times: rates");
        let told = [snapshot.in_record_rate, snapshot.out_record_rate];
        let rates_counted = rates.filter(|_| model.counts_records());
        let records = [2, 3].map(|which| rates_counted.map(|rates| rates[which]));
        assert_eq!(told, records, "times: record rates");
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
        let mut waits = [
            (self.wait_input, Bottleneck::Producer),
            (self.wait_output, Bottleneck::Consumer),
            (self.wait_rate, Bottleneck::RateLimit),
        ];
        waits.sort_by_key(|(wait, _)| *wait);
        let [_, (second, _), (longest, verdict)] = waits;
        let is_notable = longest.as_secs_f64() > NOTABLE * now.as_secs_f64();
        match longest > second && is_notable {
            true => verdict,
            false => Bottleneck::None,
        }
    }
}

fn to_full([input, output, ..]: [f64; 4], model: &Model) -> Option<f64> {
    let space = model.config.capacity - model.held() as u64;
    (input > output).then(|| space as f64 / (input - output))
}

fn share(model: &Model) -> Option<f64> {
    match model.overflow()? {
        Policy::Sample(Sample::Every(stride)) => Some(1.0 / stride as f64),
        Policy::Sample(Sample::Chance(chance)) => Some(chance),
        Policy::Sample(Sample::Adaptive) => Some(model.adaptive_chance()),
        _ => None,
    }
}
