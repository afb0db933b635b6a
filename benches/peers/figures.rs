//! The figures, and what many runs say about one.

use std::collections::BTreeMap;

/// What is measured of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// User and system time of the relay, in seconds per GiB of its input.
    CpuPerGib,
    /// The same in microseconds per record.
    CpuPerRecord,
    /// That of the producer, per GiB.
    ProducerCpu,
    /// That of producer, relay and consumer, per GiB.
    PipelineCpu,
    /// GiB a second.
    Wall,
    /// How old half of the records were at most, or how long half of the bursts took, in us.
    Median,
    /// The same for 99 of 100.
    Worst,
    /// From start to exit, in milliseconds.
    StartUp,
    /// CPU time from start to exit, in milliseconds.
    StartUpCpu,
    /// Peak resident memory in MiB.
    Peak,
}

impl Figure {
    pub fn title(self) -> &'static str {
        match self {
            Figure::CpuPerGib => "CPU s/GiB",
            Figure::CpuPerRecord => "CPU us/record",
            Figure::ProducerCpu => "producer's CPU s/GiB",
            Figure::PipelineCpu => "whole pipeline's CPU s/GiB",
            Figure::Wall => "GiB/s",
            Figure::Median => "p50 us",
            Figure::Worst => "p99 us",
            Figure::StartUp => "start to exit ms",
            Figure::StartUpCpu => "CPU ms",
            Figure::Peak => "peak MiB",
        }
    }

    /// Of everything else, less is better.
    pub fn more_is_better(self) -> bool {
        self == Figure::Wall
    }
}

/// The figures of one run.
pub type Figures = BTreeMap<Figure, f64>;

/// The runs of one cell.
#[derive(Default)]
pub struct Samples {
    valid: Vec<Figures>,
    /// Why runs were thrown away.
    pub invalid: Vec<String>,
    /// Too many in a row were.
    pub is_given_up: bool,
}

/// Many runs' figure.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Samples {
    pub fn add(&mut self, figures: Figures) {
        self.valid.push(figures);
    }

    /// None where no run gave the figure.
    pub fn spread(&self, figure: Figure) -> Option<Spread> {
        let values: Vec<f64> = self
            .valid
            .iter()
            .filter_map(|run| run.get(&figure).copied())
            .collect();
        (!values.is_empty()).then(|| Spread {
            median: quantile(&values, 0.5),
            min: quantile(&values, 0.0),
            max: quantile(&values, 1.0),
        })
    }

    pub fn median(&self, figure: Figure) -> Option<f64> {
        self.spread(figure).map(|spread| spread.median)
    }
}

/// The smallest value that so large a part of `values` (not empty) does not exceed; for the median
/// of an even number the mean of the middle two.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let count = sorted.len();
    if part == 0.5 && count.is_multiple_of(2) {
        return (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0;
    }
    let rank = (part * count as f64).ceil() as usize;
    sorted[rank.clamp(1, count) - 1]
}
