//! Every text that reports are made of, without a run and without a terminal: for tests that draw any
//! account, at any width.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::closing::Closing;
use super::display::Abilities;
use super::observers::environment;
use super::statistics::Statistics;
use super::thread::{FinalReport, ReportWriter};
use super::{json, metrics};
use crate::config::ReportConfig;
use crate::core::snapshot::Snapshot;
use crate::reporter::Event;
use crate::sys::report_output::Descriptor;

const EVENTS: [Event; 8] = [
    Event::Interval,
    Event::Asked,
    Event::Pressured,
    Event::Flowing,
    Event::Loss,
    Event::Losing,
    Event::Opened,
    Event::Closed,
];

/// What was written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        page.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `config` says of these moments, of which the last is the end: where colours and UTF-8 can be
/// shown, or not.
pub fn report(config: &ReportConfig, moments: &[Snapshot], colourful: bool) -> String {
    let abilities = Abilities {
        utf8: colourful,
        colour: colourful,
        paint: colourful,
    };
    let page = Page::default();
    // What is drawn on a terminal, rather than written over, goes to nowhere.
    let null = Descriptor::open(std::path::Path::new("/dev/null")).ok();
    let null = null.map(|(null, _)| null);
    for terminal in [None, null] {
        let out = Box::new(page.clone());
        let mut writer = ReportWriter::drawing(config.clone(), out, terminal, abilities);
        writer.begin();
        for moment in moments {
            for event in EVENTS {
                writer.report(event, moment.input.records, moment);
            }
            writer.error("an error".to_owned());
            writer.suspend();
        }
        let mut closing = Closing {
            statistics: Statistics::new(config.records),
            dropped: 1,
            untold_events: 1,
        };
        for moment in moments {
            closing.statistics.add(moment.out_rate.unwrap_or(0.0));
        }
        let last = moments.last().cloned().map(Box::new);
        writer.end(FinalReport {
            history: None,
            errors: vec!["a late error".to_owned()],
            summary: last.map(|last| (last, closing)),
            hurry: Instant::now(),
        });
    }
    let page = page.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&page).into_owned()
}

/// What others are told of a moment: of events, a JSON object each; for Prometheus, a page.
pub fn observers(config: &ReportConfig, moment: &Snapshot) -> (String, String) {
    for event in EVENTS {
        let name = config.name.as_deref();
        environment(event, moment, name);
    }
    let lines = [
        json::line("loss", None, moment, config),
        json::line("missed", Some(moment.input.bytes), moment, config),
    ];
    (lines.join("\n"), metrics::text(moment, config))
}
