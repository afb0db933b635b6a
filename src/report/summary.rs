//! The last words of a run for people, and for grep: how much went through in which time, one line for what
//! was lost, and with `-v` more. Each line fits into 80 columns.
//!
//! `LOST` stands in them exactly where records are missing although the run went on. What a run that was
//! stopped had read and did not deliver is no such loss, and is told where it is told that it was stopped.

use super::closing::Closing;
use super::display::parts::{KEPT, Part, clipped, fit};
use super::words::{Unit, bytes, label, name};
use crate::config::ReportConfig;
use crate::core::account::{Reason, Tally};
use crate::core::ending::Ending;
use crate::core::loss::dead_letters::DeadLetterCount;
use crate::core::snapshot::{Bottleneck, Snapshot};
use crate::units::{byte_rate, counted, grouped, percent, record_rate, size, span};

/// No line is wider, however wide the terminal is.
pub const WIDEST: usize = 80;

/// A wait shorter than this share of the time, in percent, is not worth a word.
const NOTABLE: u8 = 10;

/// The last lines of a run, without newlines.
pub fn lines(
    snapshot: &Snapshot,
    config: &ReportConfig,
    closing: &Closing,
    width: usize,
) -> Vec<String> {
    let mut lines = vec![first(snapshot, config, closing)];
    lines.extend(lost(snapshot, config, ""));
    if config.statistics {
        lines.extend(details(snapshot, config));
    }
    lines.into_iter().map(|line| fitted(line, width)).collect()
}

/// The same where a display of pv's form has told the rest: it has no words for what only hwm does.
pub fn of_losses(
    snapshot: &Snapshot,
    config: &ReportConfig,
    closing: &Closing,
    width: usize,
) -> Vec<String> {
    // What a consumer that left did not take, or not read, is no news in pv either.
    let was_stopped =
        undelivered(snapshot).is_some() && snapshot.ending != Some(Ending::BrokenPipe);
    let stopped = was_stopped.then(|| first(snapshot, config, closing));
    let lines = stopped.into_iter().chain(lost(snapshot, config, ""));
    lines.map(|line| fitted(line, width)).collect()
}

/// The lines for a run that goes on.
pub fn running(snapshot: &Snapshot, config: &ReportConfig, width: usize) -> Vec<String> {
    let mut line = vec![prefix(config), amount(snapshot, config).apart(1)];
    line.push(Part::text(
        30,
        format!(" in {} so far", span(snapshot.elapsed)),
    ));
    line.extend(rate(snapshot, config));
    let held = Unit::Bytes.share(snapshot.held.bytes, snapshot.capacity);
    line.push(Part::text(20, format!("; holds {held}")));
    line.extend(verdict(snapshot));
    let lines = [line].into_iter().chain(lost(snapshot, config, " so far"));
    lines.map(|line| fitted(line, width)).collect()
}

/// Said while records are being lost.
pub fn loss(snapshot: &Snapshot, config: &ReportConfig, width: usize) -> Option<String> {
    let so_far = format!(" in {} so far", span(snapshot.elapsed));
    let mut line = lost(snapshot, config, &so_far)?;
    line.extend(verdict(snapshot));
    Some(fitted(line, width))
}

fn fitted(parts: Vec<Part<'_>>, width: usize) -> String {
    let width = width.min(WIDEST);
    let line = fit(parts, width, false).left;
    let cut = clipped(&line, width);
    let rest = line.strip_prefix(&cut);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
        return cut;
    }
    // Half a word, or half a number, would be taken for a whole one.
    let whole = cut.rsplit_once(' ').map_or("", |(whole, _)| whole);
    whole.trim_end_matches([' ', ',', ';', '(']).to_owned()
}

/// What stands in front.
fn prefix(config: &ReportConfig) -> Part<'static> {
    let name = name(config);
    Part::text(KEPT, label(name.as_deref().unwrap_or("hwm")))
}

fn first(snapshot: &Snapshot, config: &ReportConfig, closing: &Closing) -> Vec<Part<'static>> {
    let time = format!(" in {}", span(snapshot.elapsed));
    let mut parts = vec![prefix(config)];
    match snapshot.ending.and_then(cut_short) {
        // What failed was told, and all that could be read came through.
        Some(_) if is_complete(snapshot) => {
            parts.push(amount(snapshot, config).apart(1));
            parts.push(Part::text(30, time));
            parts.extend(rate(snapshot, config));
            parts.push(Part::text(60, "; with errors"));
        }
        Some(how) => {
            parts.push(Part::text(KEPT, how).apart(1));
            let unit = Unit::of(config.records && snapshot.counts_records);
            let went = unit.number(snapshot.output);
            let after = Part::text(38, format!(" after {}", unit.exact(went)));
            parts.push(after.or(35, format!(" after {}", unit.short(went))));
            parts.push(Part::text(40, time));
            parts.extend(undelivered(snapshot));
        }
        None => {
            parts.push(amount(snapshot, config).apart(1));
            parts.push(Part::text(30, time));
            parts.extend(rate(snapshot, config));
            parts.extend(verdict(snapshot));
            let unread = left_unread(snapshot);
            let told = unread.map(|unread| format!("; {} not read", bytes(unread.bytes)));
            parts.extend(told.map(|told| Part::text(45, told)));
        }
    }
    let restarts = (snapshot.restarts > 0).then(|| counted(snapshot.restarts, "restart"));
    parts.extend(restarts.map(|restarts| Part::text(28, format!("; {restarts}"))));
    for (number, thing, what) in [
        (closing.dropped, "report", "dropped"),
        (closing.untold_events, "event", "missed"),
    ] {
        let told = (number > 0).then(|| format!("; {} {what}", counted(number, thing)));
        parts.extend(told.map(|told| Part::text(25, told)));
    }
    parts
}

/// Whether something failed, and nothing that had come in was lost by that.
fn is_complete(snapshot: &Snapshot) -> bool {
    snapshot.ending == Some(Ending::Failed)
        && undelivered(snapshot).is_none()
        && snapshot.output.bytes > 0
}

/// How a run ended before its input did.
fn cut_short(ending: Ending) -> Option<&'static str> {
    Some(match ending {
        Ending::EndOfInput => return None,
        Ending::Overflow => "buffer full",
        Ending::Stalled => "stalled",
        Ending::Idle => "no more input",
        Ending::Signal(_) => "interrupted",
        Ending::BrokenPipe => "reader gone",
        Ending::NoConsumer => "reader failed",
        Ending::Failed => "failed",
    })
}

/// Whether what was lost for this reason was lost by the way in which the run ended.
fn is_of_the_end(snapshot: &Snapshot, reason: Reason) -> bool {
    reason.is_of_the_end() && snapshot.ending.and_then(cut_short).is_some()
}

/// What a consumer that was offered everything went away without: what it did not want, as a rule, such as
/// the padding of an archive.
fn left_unread(snapshot: &Snapshot) -> Option<Tally> {
    let is_all = snapshot.lost[Reason::BrokenPipe] == Tally::default();
    let unread = snapshot.lost[Reason::Unread];
    (unread != Tally::default() && is_all && snapshot.exit != Some(3)).then_some(unread)
}

/// What a run that was cut short left behind.
fn undelivered(snapshot: &Snapshot) -> Option<Part<'static>> {
    let mut left = Tally::default();
    let reasons = snapshot.lost.by_reason();
    let reasons = reasons.filter(|(reason, _)| is_of_the_end(snapshot, *reason));
    reasons.for_each(|(_, tally)| left += tally);
    if left == Tally::default() {
        return None;
    }
    let unit = Unit::of_losses(snapshot, left);
    let (exact, short) = (unit.exact(unit.number(left)), unit.short(unit.number(left)));
    let part = Part::text(60, format!("; {exact} read but not delivered"));
    let part = part.or(39, format!("; {exact} not delivered"));
    Some(part.or(20, format!("; {short} not delivered")))
}

/// What came out of what came in.
fn amount(snapshot: &Snapshot, config: &ReportConfig) -> Part<'static> {
    let (came, went) = (snapshot.input, snapshot.output);
    if !(config.records && snapshot.counts_records) {
        return Part::text(KEPT, Unit::Bytes.share(went.bytes, came.bytes));
    }
    let records = Unit::Records.share(went.records, came.records);
    let part = Part::text(45, format!("{records} ({})", bytes(went.bytes)));
    part.or(28, records)
        .or(KEPT, Unit::Records.short(went.records))
}

/// How fast that was on the average of the whole run.
fn rate(snapshot: &Snapshot, config: &ReportConfig) -> Option<Part<'static>> {
    let seconds = snapshot.elapsed.as_secs_f64();
    if seconds == 0.0 {
        return None;
    }
    let rate = match config.records && snapshot.counts_records {
        true => {
            let rate = record_rate(Some(snapshot.output.records as f64 / seconds));
            rate.replace("/s", " records/s")
        }
        false => byte_rate(Some(snapshot.output.bytes as f64 / seconds)),
    };
    Some(Part::text(40, format!(", {rate}")))
}

/// What held the data up for longest, where that is worth a word. Where records were lost it is never the
/// producer: nobody has to send more slowly than it likes.
fn verdict(snapshot: &Snapshot) -> Option<Part<'static>> {
    let (mut slow, mut waited) = (snapshot.bottleneck, snapshot.held_up());
    if slow == Bottleneck::Producer && snapshot.lost.total() != Tally::default() {
        (slow, waited) = (Bottleneck::Consumer, snapshot.wait_output);
    }
    let share = percent(waited.as_secs_f64(), snapshot.elapsed.as_secs_f64());
    let who = match slow {
        _ if share < NOTABLE => return None,
        Bottleneck::None => return None,
        Bottleneck::RateLimit => return Some(Part::text(50, " (held back by -L)")),
        side => side.side(),
    };
    let part = Part::text(60, format!(" (the {who} was slow {share}% of the time)"));
    let part = part.or(55, format!(" ({who} slow {share}% of the time)"));
    Some(part.or(50, format!(" ({who} slow)")))
}

/// The losses and their reasons, in records where they are counted.
fn lost(snapshot: &Snapshot, config: &ReportConfig, so_far: &str) -> Option<Vec<Part<'static>>> {
    let mut lost: Vec<(Reason, Tally)> = snapshot.lost.by_reason().collect();
    lost.retain(|(reason, _)| !is_of_the_end(snapshot, *reason));
    if left_unread(snapshot).is_some() {
        lost.retain(|(reason, _)| *reason != Reason::Unread);
    }
    if !so_far.is_empty() {
        // A run that is being stopped tells at its end what it did not deliver.
        lost.retain(|(reason, _)| !matches!(reason, Reason::Shutdown | Reason::Unread));
    }
    let mut total = Tally::default();
    lost.iter().for_each(|(_, tally)| total += *tally);
    if lost.is_empty() {
        return None;
    }
    let unit = Unit::of_losses(snapshot, total);
    lost.sort_by_key(|(_, tally)| std::cmp::Reverse(unit.number(*tally)));
    let (number, came) = (unit.number(total), unit.number(snapshot.input));
    let amount = match so_far.is_empty() {
        true => unit.share(number, came),
        false => unit.exact(number),
    };
    let amount = Part::text(40, format!("LOST {amount}")).apart(1);
    let amount = amount.or(15, format!("LOST {}", unit.exact(number)));
    let mut parts = vec![prefix(config)];
    parts.push(amount.or(KEPT, format!("LOST {}", unit.short(number))));
    if unit == Unit::Records {
        parts.push(Part::text(50, format!(" ({})", bytes(total.bytes))));
    }
    if !so_far.is_empty() {
        parts.push(Part::text(30, so_far.to_owned()));
    }
    parts.push(reasons(&lost));
    if snapshot.lost_too_much {
        parts.push(Part::text(65, "; more than allowed"));
    }
    Some(parts)
}

/// Why, the reason that cost most first, with numbers where there are several.
fn reasons(lost: &[(Reason, Tally)]) -> Part<'static> {
    let Some((main, _)) = lost.first() else {
        return Part::text(KEPT, "");
    };
    let main = main.words();
    if lost.len() == 1 {
        return Part::text(10, format!(": {main}"));
    }
    let each = lost.iter().map(|(reason, tally)| {
        // Of a record that was cut short there are only bytes.
        let number = match tally.records {
            0 => bytes(tally.bytes),
            records => grouped(records),
        };
        format!("{} {number}", reason.words())
    });
    let each: Vec<String> = each.collect();
    let others = |told: usize| counted((lost.len() - told) as u64, "other reason");
    let all = format!(": {}", each.join(", "));
    let part = match lost.len() {
        2 => Part::text(45, all),
        _ => Part::text(55, all).or(30, format!(": {} and {}", each[..2].join(", "), others(2))),
    };
    part.or(20, format!(": {main} and {}", others(1)))
        .or(10, format!(": {main}"))
}

/// With `-v`: each reason, where the line for all of them may have no space.
fn each_reason(snapshot: &Snapshot) -> Vec<String> {
    let lost: Vec<(Reason, Tally)> = snapshot.lost.by_reason().collect();
    if lost.len() < 2 {
        return Vec::new();
    }
    let line = |(reason, tally): &(Reason, Tally)| {
        let size = bytes(tally.bytes);
        match tally.records {
            0 => format!("lost: {}: {size}", reason.words()),
            records => format!(
                "lost: {}: {} ({size})",
                reason.words(),
                counted(records, "record")
            ),
        }
    };
    lost.iter().map(line).collect()
}

/// With `-v`.
fn details(snapshot: &Snapshot, config: &ReportConfig) -> Vec<Vec<Part<'static>>> {
    let share = |time: std::time::Duration| {
        let all = snapshot.elapsed.as_secs_f64();
        percent(time.as_secs_f64(), all)
    };
    let [peak, capacity, high, low] = [
        snapshot.peak_held,
        snapshot.capacity,
        snapshot.high_water,
        snapshot.low_water,
    ]
    .map(size);
    let mut texts = vec![
        format!("held at most {peak} of {capacity}; high water {high}, low water {low}"),
        format!(
            "waited {}% for input, {}% for the consumer, {}% for -L; worked {}%",
            share(snapshot.wait_input),
            share(snapshot.wait_output),
            share(snapshot.wait_rate),
            share(snapshot.busy)
        ),
        format!(
            "{} at high water, {} until low water; longest stall {}",
            counted(snapshot.pressure_episodes, "time"),
            span(snapshot.pressured),
            span(snapshot.longest_stall)
        ),
    ];
    if snapshot.loss_episodes > 0 {
        let marks = counted(snapshot.marks.records, "mark");
        let episodes = counted(snapshot.loss_episodes, "loss episode");
        texts.push(format!("{episodes}; {marks} written"));
    }
    texts.extend(each_reason(snapshot));
    texts.extend(snapshot.dead_letters.and_then(kept));
    let line = |text| vec![prefix(config), Part::text(KEPT, text).apart(1)];
    texts.into_iter().map(line).collect()
}

/// What became of the lost records; nothing where none was lost.
fn kept(dead_letters: DeadLetterCount) -> Option<String> {
    let DeadLetterCount { written, unwritten } = dead_letters;
    let mut lost = written;
    lost += unwritten;
    (lost != Tally::default()).then(|| {
        let records = counted(lost.records, "lost record");
        let share = Unit::Bytes.share(written.bytes, lost.bytes);
        format!("kept {} of {records} ({share})", grouped(written.records))
    })
}
