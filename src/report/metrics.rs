//! `--metrics-file`: the account as a Prometheus text file, for node_exporter's textfile collector.
//!
//! The file is replaced as a whole, so that whoever reads it sees one moment. Refuses to write it: this is
//! its text.

use std::time::Duration;

use super::words::name;
use crate::config::ReportConfig;
use crate::core::account::{Reason, Tally};
use crate::core::loss::dead_letters::DeadLetterCount;
use crate::core::snapshot::{Snapshot, State};
use crate::units::seconds;

/// The text of the file.
pub fn text(snapshot: &Snapshot, config: &ReportConfig) -> String {
    let mut page = Page::new(config);
    amounts(&mut page, snapshot);
    bounds(&mut page, snapshot);
    times(&mut page, snapshot);
    events(&mut page, snapshot);
    page.text
}

fn amounts(page: &mut Page, at: &Snapshot) {
    page.counter(
        "hwm_received_bytes_total",
        "Bytes that came in.",
        at.input.bytes,
    );
    page.counter(
        "hwm_sent_bytes_total",
        "Bytes that the output accepted, without marks.",
        at.output.bytes,
    );
    page.lost(
        "hwm_lost_bytes_total",
        "Bytes that were lost.",
        at,
        |lost| lost.bytes,
    );
    page.gauge("hwm_held_bytes", "Bytes in the buffer.", at.held.bytes);
    page.gauge(
        "hwm_unread_bytes",
        "Bytes that the output accepted and its reader has not taken yet.",
        at.seen.unread,
    );
    if at.counts_records {
        page.counter(
            "hwm_received_records_total",
            "Records that came in.",
            at.input.records,
        );
        page.counter(
            "hwm_sent_records_total",
            "Records that the output accepted, without marks.",
            at.output.records,
        );
        page.lost(
            "hwm_lost_records_total",
            "Records that were lost.",
            at,
            |lost| lost.records,
        );
        page.gauge(
            "hwm_held_records",
            "Records in the buffer.",
            at.held.records,
        );
    }
    if let Some(DeadLetterCount { written, unwritten }) = at.dead_letters {
        page.counter(
            "hwm_spilled_records_total",
            "Lost records that were written to the file of --lost-to.",
            written.records,
        );
        page.counter(
            "hwm_spilled_bytes_total",
            "Bytes of lost records that were written to the file of --lost-to.",
            written.bytes,
        );
        page.counter(
            "hwm_unspilled_records_total",
            "Lost records that could not be written there.",
            unwritten.records,
        );
        page.counter(
            "hwm_unspilled_bytes_total",
            "Bytes of lost records that could not be written there.",
            unwritten.bytes,
        );
    }
    page.counter(
        "hwm_marks_total",
        "Marks that were written.",
        at.marks.records,
    );
    page.counter(
        "hwm_mark_bytes_total",
        "Bytes of marks that were written.",
        at.marks.bytes,
    );
}

fn bounds(page: &mut Page, at: &Snapshot) {
    page.gauge(
        "hwm_peak_held_bytes",
        "The most bytes in the buffer so far.",
        at.peak_held,
    );
    page.gauge(
        "hwm_recent_peak_held_bytes",
        "The most bytes in the buffer since the file was last replaced.",
        at.recent_peak_held,
    );
    page.gauge(
        "hwm_capacity_bytes",
        "The most bytes that the buffer may hold.",
        at.capacity,
    );
    page.gauge(
        "hwm_high_water_bytes",
        "The high-water mark.",
        at.high_water,
    );
    page.gauge("hwm_low_water_bytes", "The low-water mark.", at.low_water);
    let pressured = u8::from(at.state == State::Pressured);
    page.gauge(
        "hwm_pressured",
        "1 while the state is pressured, 0 while it is flowing.",
        pressured,
    );
}

fn times(page: &mut Page, at: &Snapshot) {
    for (name, help, time) in [
        (
            "hwm_elapsed_seconds_total",
            "Time since the start.",
            at.elapsed,
        ),
        (
            "hwm_input_wait_seconds_total",
            "Time with nothing to do but to wait for input.",
            at.wait_input,
        ),
        (
            "hwm_output_blocked_seconds_total",
            "Time in which there was something to write and the output took nothing.",
            at.wait_output,
        ),
        (
            "hwm_rate_limited_seconds_total",
            "Time in which the rate limit held the output back.",
            at.wait_rate,
        ),
        (
            "hwm_busy_seconds_total",
            "Time spent moving data: the rest of the elapsed time.",
            at.busy,
        ),
        (
            "hwm_read_paused_seconds_total",
            "Time in which the policy had stopped reading.",
            at.read_paused,
        ),
        (
            "hwm_open_seconds_total",
            "Time in which a stall had given the place of block to another policy.",
            at.open_for,
        ),
        (
            "hwm_pressured_seconds_total",
            "Time in the pressured state.",
            at.pressured,
        ),
    ] {
        page.counter(name, help, Seconds(time));
    }
    page.gauge(
        "hwm_longest_stall_seconds",
        "The longest time in which the output took nothing of what was offered.",
        Seconds(at.longest_stall),
    );
}

fn events(page: &mut Page, at: &Snapshot) {
    page.counter(
        "hwm_pressure_episodes_total",
        "How often the state became pressured.",
        at.pressure_episodes,
    );
    page.counter(
        "hwm_loss_episodes_total",
        "Unbroken runs of lost records.",
        at.loss_episodes,
    );
    page.metric(
        "hwm_run_info",
        "The run's policy.",
        "gauge",
        &[(&[("policy", at.policy)], "1".into())],
    );
    let over = u8::from(at.exit.is_some());
    page.gauge(
        "hwm_run_finished",
        "1 once the run is over, 0 before.",
        over,
    );
    if let Some(exit) = at.exit {
        page.gauge(
            "hwm_exit_status",
            "The exit status; 128 + N for an ending by signal N.",
            exit,
        );
    }
}

/// A time as a value.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&seconds(self.0))
    }
}

/// Labels and a value.
type Sample<'a> = (&'a [(&'a str, &'a str)], String);

/// The file as it grows.
struct Page {
    text: String,
    /// The label that every sample has: several runs on one machine must not have the same ones.
    name: Option<String>,
}

impl Page {
    fn new(config: &ReportConfig) -> Page {
        Page {
            text: String::new(),
            name: name(config),
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: impl ToString) {
        self.metric(name, help, "counter", &[(&[], value.to_string())]);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl ToString) {
        self.metric(name, help, "gauge", &[(&[], value.to_string())]);
    }

    /// A sample for each reason, also for those that lost nothing: a rate needs a beginning.
    fn lost(&mut self, name: &str, help: &str, at: &Snapshot, count: fn(Tally) -> u64) {
        let labels = Reason::ALL.map(|reason| [("reason", reason.name())]);
        let values = Reason::ALL.map(|reason| count(at.lost[reason]).to_string());
        let samples: Vec<Sample<'_>> = labels.iter().map(<[_; 1]>::as_slice).zip(values).collect();
        self.metric(name, help, "counter", &samples);
    }

    fn metric(&mut self, name: &str, help: &str, kind: &str, samples: &[Sample<'_>]) {
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            let own = self.name.as_deref().map(|own| ("name", own));
            let labels: Vec<String> = own
                .iter()
                .chain(*labels)
                .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
                .collect();
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{}}}", labels.join(",")),
            };
            self.text += &format!("{name}{labels} {value}\n");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{assert_listed, config, lossy, quiet, terms};

    #[test]
    fn every_metric_has_its_help_and_its_type() {
        let text = text(&lossy(), &config());
        for line in [
            "# TYPE hwm_received_bytes_total counter",
            "hwm_received_bytes_total 5242880",
            "hwm_sent_bytes_total 3145728",
            "hwm_lost_records_total{reason=\"queue_full\"} 199",
            "hwm_lost_records_total{reason=\"early\"} 0",
            "hwm_lost_bytes_total{reason=\"oversize\"} 576",
            "hwm_held_bytes 1048576",
            "hwm_capacity_bytes 2097152",
            "hwm_output_blocked_seconds_total 60.000001",
            "hwm_busy_seconds_total 0.249999",
            "hwm_pressured 1",
            "hwm_run_info{policy=\"drop-oldest\"} 1",
            "hwm_run_finished 1",
            "hwm_exit_status 0",
        ] {
            assert!(
                text.lines().any(|at| at == line),
                "{line} is not in:\n{text}"
            );
        }
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        for sample in samples {
            let name = sample.split([' ', '{']).next().unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }

    #[test]
    fn the_man_page_lists_every_metric_and_no_other() {
        let formats = include_str!("../../man/sections/formats.roff").to_owned() + "\n.SH";
        let listed = terms(&formats, ".SH METRICS", "\n.SH");
        let mut snapshot = lossy();
        snapshot.dead_letters = Some(DeadLetterCount::default());
        let text = text(&snapshot, &config());
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let there = types.filter_map(|line| line.split_once(' '));
        assert_listed(listed, there.map(|(name, _)| name.to_owned()).collect());
    }

    #[test]
    fn records_are_told_only_where_they_are_counted() {
        let text = text(&quiet(), &config());
        assert!(!text.contains("_records"), "{text}");
        assert!(text.contains("hwm_run_finished 0\n"), "{text}");
        assert!(!text.contains("hwm_exit_status"), "{text}");
    }

    #[test]
    fn the_name_is_a_label_of_every_sample() {
        let mut config = config();
        config.name = Some("a \"b\" \\".to_owned());
        let text = text(&lossy(), &config);
        for sample in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(sample.contains(r#"{name="a \"b\" \\""#), "{sample}");
        }
    }
}
