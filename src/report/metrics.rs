//! `--metrics-file`: the account as a Prometheus text file, for node_exporter's textfile collector.
//!
//! The file is replaced as a whole, so that whoever reads it sees one moment. Refuses to write it: this is
//! its text.

use super::fields::{FIELDS, Value};
use super::words::name;
use crate::config::ReportConfig;
use crate::core::snapshot::{Snapshot, State};
use crate::units::seconds;

/// The text of the file.
pub fn text(snapshot: &Snapshot, config: &ReportConfig) -> String {
    let mut page = Page::new(config);
    for field in &FIELDS {
        if let Some((name, help)) = field.metric {
            page.field(name, help, &(field.value)(snapshot));
        }
    }
    let over = u8::from(snapshot.exit.is_some());
    page.one(
        "hwm_run_finished",
        "1 once the run is over, 0 before.",
        over,
    );
    page.text
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

    fn field(&mut self, name: &str, help: &str, value: &Value) {
        match value {
            Value::Count(count) => self.one(name, help, count),
            Value::Time(time) => self.one(name, help, seconds(*time)),
            Value::Rate(number) | Value::Number(number) => self.one(name, help, number),
            Value::Status(status) => self.one(name, help, status),
            Value::State(state) => self.one(name, help, u8::from(*state == State::Pressured)),
            Value::Name(policy) => self.metric(name, help, &[(&[("policy", policy)], "1".into())]),
            Value::Lost(..) => self.lost(name, help, value),
            Value::Bottleneck(_) | Value::Unknown | Value::Absent => {}
        }
    }

    fn one(&mut self, name: &str, help: &str, value: impl ToString) {
        self.metric(name, help, &[(&[], value.to_string())]);
    }

    /// A sample for each reason, also for those that lost nothing: a rate needs a beginning.
    fn lost(&mut self, name: &str, help: &str, value: &Value) {
        let Some(amounts) = value.by_reason() else {
            return;
        };
        let labels = amounts.map(|(reason, _)| [("reason", reason.name())]);
        let values = amounts.map(|(_, amount)| amount.to_string());
        let samples: Vec<Sample<'_>> = labels.iter().map(<[_; 1]>::as_slice).zip(values).collect();
        self.metric(name, help, &samples);
    }

    fn metric(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) {
        let kind = match name.ends_with("_total") {
            true => "counter",
            false => "gauge",
        };
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
    use crate::core::loss::dead_letters::DeadLetterCount;
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
    fn records_are_reported_only_where_they_are_counted() {
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
