//! One line for people, and for grep: what went through, what was lost and why, who was slow.
//!
//! `lost 0` stands in it exactly when nothing was lost: no other text begins so, because a size
//! or count that is not 0 never starts with `0`.

use super::{Closing, prefix};
use crate::config::ReportConfig;
use crate::core::account::Tally;
use crate::core::snapshot::{Bottleneck, Snapshot};
use crate::core::spill::Spilled;
use crate::units::{byte_rate, counted, percent, record_rate, size, span};

/// The last line of a run, without the newline.
pub fn line(snapshot: &Snapshot, config: &ReportConfig, closing: &Closing) -> String {
    let held = format!(
        "peak {} of {} held",
        size(snapshot.peak_held),
        size(snapshot.capacity)
    );
    let mut line = clauses(snapshot, config, &held);
    if snapshot.exit.is_some_and(was_cut_short) {
        // Else the consumer is about to take it, and it says nothing.
        line += &unread(snapshot).map_or_else(String::new, |unread| format!("; {unread}"));
    }
    if let Some(spilled) = snapshot.spilled.and_then(spilled) {
        line += &format!("; {spilled}");
    }
    if let Some(ending) = snapshot.exit.and_then(ending) {
        line += &format!("; {ending}");
    }
    if closing.dropped > 0 {
        line += &format!("; {} dropped", counted(closing.dropped, "report"));
    }
    if closing.untold_events > 0 {
        line += &format!("; {} missed", counted(closing.untold_events, "event"));
    }
    line
}

/// The same for a run that goes on: what is held now takes the place of the peak.
pub fn running(snapshot: &Snapshot, config: &ReportConfig) -> String {
    let held = format!("{}, {}", held_now(snapshot), snapshot.state.name());
    clauses(snapshot, config, &held)
}

/// Said when a loss episode begins.
pub fn loss(snapshot: &Snapshot, config: &ReportConfig) -> String {
    format!(
        "{}loss began at {}, so far {}; {}; {}",
        prefix(config),
        span(snapshot.elapsed),
        lost(snapshot),
        held_now(snapshot),
        slow_side(snapshot),
    )
}

fn clauses(snapshot: &Snapshot, config: &ReportConfig, held: &str) -> String {
    format!(
        "{}{}, {}; {held}; {}",
        prefix(config),
        throughput(snapshot, config),
        lost(snapshot),
        slow_side(snapshot),
    )
}

fn held_now(snapshot: &Snapshot) -> String {
    let (held, capacity) = (size(snapshot.held.bytes), size(snapshot.capacity));
    let unread = unread(snapshot).map_or_else(String::new, |unread| format!(", {unread}"));
    format!("held {held} of {capacity}{unread}")
}

/// What went out and the consumer has not taken; nothing where there is none.
fn unread(snapshot: &Snapshot) -> Option<String> {
    let unread = snapshot.seen.unread;
    (unread > 0).then(|| format!("{} unread by the consumer", size(unread)))
}

/// What came out of what came in, and how fast on the average of the whole run.
fn throughput(snapshot: &Snapshot, config: &ReportConfig) -> String {
    let (came, went) = (snapshot.input, snapshot.output);
    let mut text = String::new();
    if snapshot.counts_records {
        text += &format!("{} of {}, ", went.records, counted(came.records, "record"));
    }
    text += &size(went.bytes);
    if went.bytes != came.bytes {
        text += &format!(" of {}", size(came.bytes));
    }
    text += &format!(" in {}", span(snapshot.elapsed));
    let seconds = snapshot.elapsed.as_secs_f64();
    if seconds > 0.0 {
        let mut rate = byte_rate(Some(went.bytes as f64 / seconds));
        if config.records && snapshot.counts_records {
            let records = record_rate(Some(went.records as f64 / seconds));
            // Two rates in one place have to be told apart.
            rate = format!("{}, {rate}", records.replace("/s", " records/s"));
        }
        text += &format!(" ({rate})");
    }
    text
}

/// The losses and their reasons, in records where they are counted.
fn lost(snapshot: &Snapshot) -> String {
    let total = snapshot.lost.total();
    if total == Tally::default() {
        return "lost 0".to_owned();
    }
    // A record cut short at the end may count bytes without a record.
    let in_records = |tally: Tally| snapshot.counts_records && tally.records > 0;
    let reasons: Vec<String> = snapshot
        .lost
        .by_reason()
        .map(|(reason, tally)| match in_records(tally) {
            true => format!("{} {}", reason.name(), tally.records),
            false => format!("{} {}", reason.name(), size(tally.bytes)),
        })
        .collect();
    let amount = match in_records(total) {
        true => format!(
            "{} ({})",
            counted(total.records, "record"),
            size(total.bytes)
        ),
        false => size(total.bytes),
    };
    format!("lost {amount}: {}", reasons.join(", "))
}

/// What became of the lost records; nothing where none was lost.
fn spilled(spilled: Spilled) -> Option<String> {
    let Spilled { written, unwritten } = spilled;
    let mut lost = written;
    lost += unwritten;
    (lost != Tally::default()).then(|| {
        format!(
            "kept {} of {} ({} of {})",
            written.records,
            counted(lost.records, "lost record"),
            size(written.bytes),
            size(lost.bytes)
        )
    })
}

fn slow_side(snapshot: &Snapshot) -> String {
    let waited = snapshot.held_up().as_secs_f64();
    let share = percent(waited, snapshot.elapsed.as_secs_f64());
    let side = snapshot.bottleneck.side();
    match snapshot.bottleneck {
        Bottleneck::None => format!("slow side: {side}"),
        Bottleneck::RateLimit => {
            format!("slow side: {side}, the rate limit was slower ({share}% of the time)")
        }
        _ => format!("slow side: {side} ({share}% of the time)"),
    }
}

/// Whether it ended because the consumer took nothing, or was told to end.
fn was_cut_short(exit: i32) -> bool {
    exit == 5 || exit > 128
}

/// Why the run ended, where that is not simply the end of input (contract, section 6).
fn ending(exit: i32) -> Option<String> {
    Some(match exit {
        0 => return None,
        1 => "ended by an error".to_owned(),
        3 => "too much lost".to_owned(),
        4 => "ended because the buffer was full".to_owned(),
        5 => "ended by a stall".to_owned(),
        6 => "ended for want of input".to_owned(),
        129 => "ended by SIGHUP".to_owned(),
        130 => "ended by SIGINT".to_owned(),
        141 => "ended because the consumer is gone".to_owned(),
        143 => "ended by SIGTERM".to_owned(),
        signal if signal > 128 => format!("ended by signal {}", signal - 128),
        other => format!("ended with status {other}"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::account::Reason;
    use crate::report::testing::{config, lossy, quiet};

    fn last(snapshot: &Snapshot) -> String {
        line(snapshot, &config(), &Closing::default())
    }

    #[test]
    fn a_lossy_run_tells_everything_in_one_line() {
        assert_eq!(
            last(&lossy()),
            "hwm: 600 of 1000 records, 3.00MiB of 5.00MiB in 0:01:02 (49.3KiB/s), \
             lost 200 records (1.00MiB): queue_full 199, oversize 1; \
             peak 1.43MiB of 2.00MiB held; slow side: consumer (96% of the time)"
        );
    }

    #[test]
    fn without_loss_it_says_lost_0() {
        let mut snapshot = quiet();
        snapshot.exit = Some(0);
        snapshot.elapsed = Duration::from_secs(2);
        snapshot.input.bytes = 300 << 20;
        snapshot.output.bytes = 300 << 20;
        assert_eq!(
            last(&snapshot),
            "hwm: 300MiB in 2.00s (150MiB/s), lost 0; peak 0B of 4.00MiB held; slow side: none"
        );
    }

    #[test]
    fn with_l_the_rate_is_told_in_records_too() {
        let records = ReportConfig {
            records: true,
            ..config()
        };
        let text = line(&lossy(), &records, &Closing::default());
        let rates = " in 0:01:02 (9.64 records/s, 49.3KiB/s), lost ";
        assert!(text.contains(rates), "{text}");
    }

    #[test]
    fn a_rate_limit_is_no_slow_side_but_is_told() {
        let mut snapshot = lossy();
        snapshot.bottleneck = Bottleneck::RateLimit;
        snapshot.wait_rate = Duration::from_secs(61);
        let end = "; slow side: none, the rate limit was slower (97% of the time)";
        assert!(last(&snapshot).ends_with(end), "{}", last(&snapshot));
    }

    #[test]
    fn what_the_consumer_did_not_take_is_told_where_the_run_was_cut_short() {
        let mut snapshot = lossy();
        snapshot.seen.unread = 65_536;
        for exit in [0, 1, 3] {
            snapshot.exit = Some(exit);
            assert!(!last(&snapshot).contains("unread"), "{exit}");
        }
        snapshot.exit = Some(143);
        let end = "; 64.0KiB unread by the consumer; ended by SIGTERM";
        assert!(last(&snapshot).ends_with(end), "{}", last(&snapshot));
        for line in [running(&snapshot, &config()), loss(&snapshot, &config())] {
            let held = "; held 1.00MiB of 2.00MiB, 64.0KiB unread by the consumer";
            assert!(line.contains(held), "{line}");
        }
    }

    #[test]
    fn an_empty_run_has_no_rate() {
        assert_eq!(
            last(&quiet()),
            "hwm: 0B in 0.00s, lost 0; peak 0B of 4.00MiB held; slow side: none"
        );
    }

    #[test]
    fn losses_are_in_bytes_where_records_are_not_counted() {
        let mut snapshot = quiet();
        snapshot.input.bytes = 2048;
        snapshot.output.bytes = 1024;
        snapshot.lost[Reason::BrokenPipe].bytes = 1024;
        snapshot.exit = Some(141);
        assert_eq!(
            last(&snapshot),
            "hwm: 1.00KiB of 2.00KiB in 0.00s, lost 1.00KiB: broken_pipe 1.00KiB; \
             peak 0B of 4.00MiB held; slow side: none; ended because the consumer is gone"
        );
    }

    #[test]
    fn a_piece_of_a_record_is_not_called_zero_records() {
        let mut snapshot = quiet();
        snapshot.counts_records = true;
        snapshot.lost[Reason::Shutdown].bytes = 12;
        assert_eq!(lost(&snapshot), "lost 12B: shutdown 12B");
        snapshot.lost[Reason::Oversize] = Tally {
            bytes: 20,
            records: 1,
        };
        assert_eq!(
            lost(&snapshot),
            "lost 1 record (32B): oversize 1, shutdown 12B"
        );
    }

    #[test]
    fn a_running_line_names_what_is_held_now() {
        assert_eq!(
            running(&lossy(), &config()),
            "hwm: 600 of 1000 records, 3.00MiB of 5.00MiB in 0:01:02 (49.3KiB/s), \
             lost 200 records (1.00MiB): queue_full 199, oversize 1; \
             held 1.00MiB of 2.00MiB, pressured; slow side: consumer (96% of the time)"
        );
    }

    #[test]
    fn a_loss_line_says_when() {
        assert_eq!(
            loss(&lossy(), &config()),
            "hwm: loss began at 0:01:02, so far lost 200 records (1.00MiB): queue_full 199, \
             oversize 1; held 1.00MiB of 2.00MiB; slow side: consumer (96% of the time)"
        );
    }

    #[test]
    fn the_name_stands_in_front_and_keeps_to_the_line() {
        let mut config = config();
        config.name = Some("log\n\u{1b}[2Ja".to_owned());
        let line = line(&quiet(), &config, &Closing::default());
        assert!(line.starts_with("log??[2Ja: 0B in 0.00s, "), "{line}");
    }

    #[test]
    fn the_ending_is_named_where_it_was_not_the_end_of_input() {
        for (exit, text) in [
            (1, "ended by an error"),
            (4, "ended because the buffer was full"),
            (130, "ended by SIGINT"),
            (137, "ended by signal 9"),
            (99, "ended with status 99"),
        ] {
            assert_eq!(ending(exit).as_deref(), Some(text));
        }
        assert_eq!(ending(0), None);
    }

    #[test]
    fn what_became_of_lost_records_is_said_where_there_are_any() {
        let tally = |bytes, records| Tally { bytes, records };
        let mut snapshot = quiet();
        for (written, unwritten, end) in [
            (tally(0, 0), tally(0, 0), "slow side: none"),
            (
                tally(50, 1),
                tally(0, 0),
                "; kept 1 of 1 lost record (50B of 50B)",
            ),
            (
                tally(50, 3),
                tally(2048, 2),
                "; kept 3 of 5 lost records (50B of 2.05KiB)",
            ),
        ] {
            snapshot.spilled = Some(Spilled { written, unwritten });
            let line = line(&snapshot, &config(), &Closing::default());
            assert!(line.ends_with(end), "{line}");
        }
    }

    #[test]
    fn dropped_reports_are_owned_up_to() {
        let mut closing = Closing::default();
        for (dropped, end) in [(1, "; 1 report dropped"), (2, "; 2 reports dropped")] {
            closing.dropped = dropped;
            assert!(line(&quiet(), &config(), &closing).ends_with(end));
        }
    }
}
