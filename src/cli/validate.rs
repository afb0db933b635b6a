//! From what the user typed to what the program does: defaults that depend on other options, and
//! the rules between options.
//!
//! Refuses whatever cannot be meant, naming the values; accepts what merely has no effect, such
//! as `--mark` with `block`, so that a script may swap the policy alone.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::args::{Args, BrokenPipeName, Expected};
use super::names::{PolicyName, ReportName, SideName};
use super::watermark::Watermark;
use super::{delimiter, hints, mark};
use crate::classes::Classes;
use crate::config::display::{Display, Part, Piece};
use crate::config::{
    Amount, BrokenPipe, Config, Mark, MonitoredCommand, NextConsumer, Observers, Policy, Rate,
    RelayConfig, ReportConfig, ReportMode, Sample, ScreenConfig, Side, Sink, SkipErrors, Source,
    StartFill, TransferConfig,
};
use crate::delimiters::Delimiters;
use crate::pv::switches;
use crate::sys::input_size;
use crate::units::reason;

/// Enough to smooth what both sides do in bursts.
const CAPACITY: u64 = 4 << 20;

/// Enough to ride out a stall of the consumer.
const LOSSY_CAPACITY: u64 = 16 << 20;

/// A buffer that is to be filled first must not hold back a slow stream for ever.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// `--respawn-delay`: short enough for a service, and it doubles.
const RESPAWN_DELAY: Duration = Duration::from_millis(100);

/// `--red-max`: what Floyd recommended for it in 1997.
const RED_MAX: f64 = 0.1;

/// Checks the rules between options and fills in the defaults. `terminal` says whether stderr
/// is one. An error is a message without prefix and hint.
pub(super) fn validate(args: Args, terminal: bool) -> Result<Config, String> {
    let policy = policy(&args)?;
    let command = command(&args)?;
    let sources = sources(args.inputs());
    let mode = report_mode(&args, terminal)?;
    // What a command will write is not what it reads.
    let is_known = command
        .as_ref()
        .is_none_or(|command| command.side == Side::In);
    let known = if is_known { &sources[..] } else { &[] };
    let size = size(&args, known)?;
    let expected = size.or_else(|| counted(&args, mode, known));
    let screen = screen(&args, mode, expected);
    let transfer = transfer(&args, command)?;
    let mut relay = relay(&args, policy, size)?;
    let tail = screen.display.as_ref().map(Display::output_tail);
    let looks = tail.unwrap_or_default().is_wanted() || transfer.skip_errors.is_some();
    relay.splice &= !looks;
    Ok(Config {
        observers: observers(&args),
        relay,
        transfer,
        demand: args.demand.clone(),
        size_of: match &args.size {
            Some(Expected::Of(path)) => Some(path.clone()),
            _ => None,
        },
        report: report(args, mode, screen, expected),
        sources,
    })
}

/// What `-M` runs: then there are no FILEs.
fn command(args: &Args) -> Result<Option<MonitoredCommand>, String> {
    let Some(side) = args.monitor else {
        return Ok(None);
    };
    let mut words = args.files.iter().map(|word| word.clone().into_os_string());
    let (name, side) = match side {
        SideName::In | SideName::Both => ("in", Side::In),
        SideName::Out => ("out", Side::Out),
    };
    let Some(program) = words.next().filter(|program| !program.is_empty()) else {
        return Err(format!(
            "-M {name} needs a command, as in -M {name} -- gzip -9"
        ));
    };
    let writes_elsewhere = args.transfer.output.is_some() || args.transfer.discard;
    if side == Side::In && writes_elsewhere {
        return Err(
            "with -M in all output goes to the command: drop -o and -X, or let the command write the file"
                .into(),
        );
    }
    let arguments = words.collect();
    Ok(Some(MonitoredCommand {
        side,
        program,
        arguments,
        respawns: args.respawn.is_some(),
    }))
}

/// What follows a consumer that goes.
fn next_consumer(args: &Args) -> Result<Option<NextConsumer>, String> {
    let waits = args.broken_pipe == BrokenPipeName::Wait;
    if waits && args.transfer.output.is_none() {
        return Err(
            "--broken-pipe wait needs -o FIFO, for only a FIFO can have another reader".into(),
        );
    }
    let Some(respawn) = args.respawn else {
        if args.respawn_delay.is_some() {
            return Err("--respawn-delay needs --respawn, as in --respawn -M in -- COMMAND".into());
        }
        return Ok(waits.then_some(NextConsumer::Awaited));
    };
    if args.monitor != Some(SideName::In) {
        return Err(
            "--respawn starts the command of -M in again: hwm --respawn -M in -- COMMAND".into(),
        );
    }
    if args.broken_pipe != BrokenPipeName::Signal {
        return Err(
            "with --respawn a command that ends is started again, so --broken-pipe has nothing to say: drop one of them"
                .into(),
        );
    }
    Ok(Some(NextConsumer::Started {
        delay: args.respawn_delay.unwrap_or(RESPAWN_DELAY),
        most_failures: respawn.most_failures,
    }))
}

fn policy(args: &Args) -> Result<Policy, String> {
    let uses = |name| args.when_full == name || args.then == Some(name);
    if args.sample.is_some() && !uses(PolicyName::Sample) {
        return Err("--sample needs --when-full sample".into());
    }
    if !args.priority.is_empty() && !uses(PolicyName::Priority) {
        return Err("--priority needs --when-full priority".into());
    }
    if args.red_max.is_some() && !uses(PolicyName::Red) {
        return Err("--red-max needs --when-full red".into());
    }
    if args.block_timeout.is_some() && args.when_full != PolicyName::Block {
        return Err("--block-timeout works only with --when-full block".into());
    }
    if uses(PolicyName::Priority) && args.priority.is_empty() {
        let example = "as in --priority ERROR --priority WARN";
        return Err(format!("--when-full priority needs --priority, {example}"));
    }
    let policy = policy_named(args.when_full, args);
    if args.max_age.is_some() && !policy.is_lossy() {
        return Err(format!(
            "--max-age needs a policy that loses records, and {} loses none",
            policy.name()
        ));
    }
    Ok(policy)
}

fn policy_named(name: PolicyName, args: &Args) -> Policy {
    match name {
        PolicyName::Block => Policy::Block,
        PolicyName::DropNewest => Policy::DropNewest,
        PolicyName::DropOldest => Policy::DropOldest,
        PolicyName::DropBuffer => Policy::DropBuffer,
        PolicyName::Latest => Policy::Latest,
        PolicyName::Red => Policy::Red {
            max_p: args.red_max.unwrap_or(RED_MAX),
        },
        PolicyName::Sample => Policy::Sample(args.sample.unwrap_or(Sample::Adaptive)),
        PolicyName::Priority => Policy::Priority,
        PolicyName::Fail => Policy::Fail,
    }
}

/// What takes over from `block`.
fn then(args: &Args) -> Result<Option<Policy>, String> {
    let Some(name) = args.then else {
        return Ok(None);
    };
    if args.block_timeout.is_none() {
        return Err("--then needs a --block-timeout, as in --block-timeout 5s".into());
    }
    let policy = policy_named(name, args);
    if !policy.is_lossy() {
        return Err(format!(
            "--then needs a policy that loses records, and {} loses none",
            policy.name()
        ));
    }
    Ok(Some(policy))
}

fn relay(args: &Args, policy: Policy, size: Option<Amount>) -> Result<RelayConfig, String> {
    let capacity = args.buffer_size.unwrap_or(if policy.is_lossy() {
        LOSSY_CAPACITY
    } else {
        CAPACITY
    });
    let (high_water, low_water) = watermarks(args, policy, capacity)?;
    let delimiters = delimiters(args)?;
    Ok(RelayConfig {
        on_demand: args.demand.is_some(),
        start: start(args, capacity, high_water)?,
        keeps_lost: args.lost_to.is_some(),
        splice: !args.no_splice,
        classes: Classes::new(&args.priority)?,
        capacity,
        capacity_records: args.buffer_records,
        high_water,
        low_water,
        delimiters,
        policy,
        count_records: counts_records(args) || looks_at_records(args),
        linger: args.linger,
        block_timeout: args.block_timeout,
        then: then(args)?,
        max_age: args.max_age,
        idle_timeout: args.idle_timeout,
        idle_ok: idle_ok(args)?,
        drain_timeout: args.drain_timeout,
        broken_pipe: match args.broken_pipe {
            BrokenPipeName::Signal | BrokenPipeName::Wait => BrokenPipe::Signal,
            BrokenPipeName::Ok => BrokenPipe::Ok,
            BrokenPipeName::Drain => BrokenPipe::Drain,
        },
        next_consumer: next_consumer(args)?,
        fail_on_loss: args.fail_on_loss,
        mark: mark(args, delimiters)?,
        mark_every: args.mark_every,
        rate: rate(args)?,
        stop_after: size.filter(|_| args.stop_at_size),
        seed: args.seed.unwrap_or_else(random_seed),
    })
}

/// H and L in bytes, with 0 <= L <= H <= C.
fn watermarks(args: &Args, policy: Policy, capacity: u64) -> Result<(u64, u64), String> {
    let high = match &args.high_water {
        Some(mark) => mark_in_bytes(mark, "--high-water", capacity)?,
        // Not 0, which would be pressured when nothing is held.
        None if matches!(
            policy,
            Policy::Sample(_) | Policy::Red { .. } | Policy::Priority
        ) =>
        {
            share(capacity, 80).max(1)
        }
        None => capacity,
    };
    let low = match &args.low_water {
        Some(mark) => mark_in_bytes(mark, "--low-water", capacity)?,
        None => share(high, 75),
    };
    if high > capacity {
        return Err(format!(
            "--high-water{} is {high} bytes, above the capacity of {capacity} bytes (-B)",
            typed(&args.high_water)
        ));
    }
    if low > high {
        return Err(format!(
            "--low-water{} is {low} bytes, above the high-water mark of {high} bytes (--high-water{})",
            typed(&args.low_water),
            typed(&args.high_water)
        ));
    }
    Ok((high, low))
}

/// As with no option, where nothing has to be held.
fn start(args: &Args, capacity: u64, high_water: u64) -> Result<Option<StartFill>, String> {
    let Some(fill) = &args.start_fill else {
        return match args.start_timeout {
            None => Ok(None),
            Some(_) => Err("--start-timeout needs --start-fill, as in --start-fill 50%".into()),
        };
    };
    for (option, name) in [("--when-full", Some(args.when_full)), ("--then", args.then)] {
        if name == Some(PolicyName::Latest) {
            return Err(format!(
                "--start-fill waits until much is held, and with {option} latest only one record is: \
                 drop --start-fill, or choose another policy"
            ));
        }
    }
    let held = mark_in_bytes(fill, "--start-fill", capacity)?;
    if held > high_water {
        return Err(format!(
            "--start-fill {} is {held} bytes, above the high-water mark of {high_water} bytes \
             (--high-water{})",
            fill.text(),
            typed(&args.high_water)
        ));
    }
    let timeout = args.start_timeout.unwrap_or(START_TIMEOUT);
    Ok((held > 0).then_some(StartFill { held, timeout }))
}

fn mark_in_bytes(mark: &Watermark, option: &str, capacity: u64) -> Result<u64, String> {
    mark.of(capacity)
        .map_err(|error| format!("invalid value '{}' for {option}: {error}", mark.text()))
}

fn typed(mark: &Option<Watermark>) -> String {
    mark.as_ref()
        .map_or_else(String::new, |mark| format!(" {}", mark.text()))
}

fn share(of: u64, percent: u128) -> u64 {
    // At most `of`, as `percent` is at most 100.
    (u128::from(of) * percent / 100) as u64
}

fn idle_ok(args: &Args) -> Result<bool, String> {
    if args.idle_ok && args.idle_timeout.is_none() {
        return Err("--idle-ok needs an --idle-timeout, as in --idle-timeout 5m".into());
    }
    Ok(args.idle_ok)
}

/// Options that are about records, whatever the display counts: who gives one does not want half a record
/// at the end.
fn looks_at_records(args: &Args) -> bool {
    let marks = args.mark.is_some() || args.mark_every.is_some();
    marks || args.lost_to.is_some() || args.fail_on_loss.is_some() || args.delimiter.is_some()
}

/// As in pv, `-0` implies `-l`.
fn counts_records(args: &Args) -> bool {
    args.line_mode || args.null
}

fn amount(args: &Args, number: u64) -> Amount {
    if counts_records(args) {
        Amount::Records(number)
    } else {
        Amount::Bytes(number)
    }
}

/// What ends a record.
fn delimiters(args: &Args) -> Result<Delimiters, String> {
    match args.delimiter {
        Some(_) if args.null => {
            Err("-0 and --delimiter both say what ends a record: drop one of them".into())
        }
        Some(delimiters) => Ok(delimiters),
        None if args.null => Ok(Delimiters::One(0)),
        None => Ok(Delimiters::NEWLINE),
    }
}

fn mark(args: &Args, delimiters: Delimiters) -> Result<Option<Mark>, String> {
    let mark = match &args.mark {
        None if args.mark_every.is_some() => Some(mark::parse(mark::DEFAULT)?),
        mark => mark.clone(),
    };
    mark.as_ref()
        .map_or(Ok(()), |mark| delimiter::check_mark(mark, delimiters))?;
    Ok(mark)
}

fn rate(args: &Args) -> Result<Option<Rate>, String> {
    let Some(number) = args.rate_limit.filter(|number| *number > 0) else {
        return match args.burst.filter(|_| args.rate_limit.is_none()) {
            None => Ok(None),
            Some(_) => Err("--burst needs a rate limit, as in -L 10M".into()),
        };
    };
    Ok(Some(Rate {
        per_second: amount(args, number),
        burst: args.burst.unwrap_or((number / 10).max(1)),
    }))
}

fn random_seed() -> u64 {
    // Its keys come from the operating system's randomness.
    RandomState::new().build_hasher().finish()
}

fn sources(files: &[PathBuf]) -> Vec<Source> {
    if files.is_empty() {
        return vec![Source::Stdin];
    }
    let source = |path: &PathBuf| {
        if path == Path::new("-") {
            Source::Stdin
        } else {
            Source::File(path.clone())
        }
    };
    files.iter().map(source).collect()
}

/// How much input there will be, as typed or, in bytes, as the file system says. As in pv, a size of 0 is
/// the same as none. Nothing here may depend on the report, for `-S` ends the input there.
fn size(args: &Args, sources: &[Source]) -> Result<Option<Amount>, String> {
    let given = match &args.size {
        None | Some(Expected::Size(0)) => None,
        Some(Expected::Size(size)) => Some(*size),
        Some(Expected::Of(path)) => Some(input_size::of_path(path).map_err(|error| {
            let path = path.display();
            let reason = reason(&error);
            format!("cannot learn the size of '{path}' for --size: {reason}")
        })?),
    };
    if counts_records(args) {
        return Ok(given.map(Amount::Records));
    }
    let known = given.or_else(|| input_size::of_sources(sources));
    Ok(known.map(Amount::Bytes))
}

/// The records of the inputs, for the display alone. pv counts in any case; only its display needs to
/// know.
fn counted(args: &Args, mode: ReportMode, sources: &[Source]) -> Option<Amount> {
    if !counts_records(args) || mode != ReportMode::Pv || !shows_share(args) {
        return None;
    }
    let delimiters = delimiters(args).ok()?;
    input_size::records_of_sources(sources, delimiters).map(Amount::Records)
}

fn observers(args: &Args) -> Observers {
    Observers {
        events: args.events.clone(),
        on_pressure: args.on_pressure.clone(),
        on_flow: args.on_flow.clone(),
        on_respawn: args.on_respawn.clone(),
        lost_to: args.lost_to.clone(),
    }
}

/// Whether the display tells how far the transfer is.
fn shows_share(args: &Args) -> bool {
    let display = &args.display;
    let tells = |piece: &Piece| {
        let part = match piece {
            Piece::Part { part, .. } => part,
            Piece::Text(_) => return false,
        };
        matches!(
            part,
            Part::Progress | Part::Bar(_) | Part::Amount | Part::Eta | Part::FinEta
        )
    };
    match display.format.last() {
        Some(format) => format.0.iter().any(tells),
        None => display.progress || display.eta || display.fineta || display.numeric,
    }
}

fn report(
    args: Args,
    mode: ReportMode,
    screen: ScreenConfig,
    expected: Option<Amount>,
) -> ReportConfig {
    ReportConfig {
        mode,
        records: counts_records(&args),
        name: name(&args),
        to: args.report_to,
        interval: args.interval,
        expected,
        statistics: args.stats,
        screen,
        metrics_file: args.metrics_file,
        chart: args.chart,
    }
}

/// What a report is called. Of two that have no name each is told apart, but for pv's display.
fn name(args: &Args) -> Option<String> {
    let own = match (args.is_before, args.is_behind) {
        _ if has_display_switch(args) => None,
        (true, _) => Some("in"),
        (_, true) => Some("out"),
        _ => None,
    };
    args.name.last().cloned().or(own.map(str::to_owned))
}

fn screen(args: &Args, mode: ReportMode, expected: Option<Amount>) -> ScreenConfig {
    let display = &args.display;
    let pv = (mode == ReportMode::Pv).then(|| Display {
        pieces: match display.format.last() {
            Some(format) => format.0.clone(),
            None => switches::of_switches(
                display,
                !args.name.is_empty(),
                expected.is_some(),
                args.is_behind,
            ),
        },
        numeric: display.numeric,
        decimal: display.si,
        bits: display.bits,
        gauge: display.gauge,
        style: switches::style(display.bar_style),
        window: display.average_rate_window.max(1) as u64,
    });
    ScreenConfig {
        display: pv,
        force: args.force,
        width: display.width.filter(|width| *width > 0),
        rows: display.cursor || args.is_before || args.is_behind,
        side_of_pair: match (args.is_before, args.is_behind) {
            (true, _) => Some(Side::In),
            (_, true) => Some(Side::Out),
            _ => None,
        },
        awaits_output: display.wait,
        delay: display.delay_start,
    }
}

fn transfer(args: &Args, command: Option<MonitoredCommand>) -> Result<TransferConfig, String> {
    let typed = &args.transfer;
    let file = typed.output.as_ref().filter(|path| *path != Path::new("-"));
    let sink = match (file, typed.discard) {
        (Some(_), true) => {
            return Err(
                "-o asks for the output in a file, and -X for none: drop -X to keep it, or -o to have none"
                    .into(),
            );
        }
        (Some(path), false) => Sink::File(path.clone()),
        (None, true) => Sink::Nowhere,
        (None, false) => Sink::Stdout,
    };
    if let Some(message) = typed.pidfile.as_deref().and_then(hints::pid_file) {
        return Err(message);
    }
    let block = typed.error_skip_block.filter(|block| *block > 0);
    let skips = typed.skip_errors > 0 || block.is_some();
    Ok(TransferConfig {
        sink,
        awaits_readers: args.broken_pipe == BrokenPipeName::Wait,
        sync: typed.sync,
        command,
        skip_errors: skips.then_some(SkipErrors {
            tells_once: typed.skip_errors > 1,
            block,
        }),
        pid_file: typed.pidfile.clone(),
    })
}

fn report_mode(args: &Args, terminal: bool) -> Result<ReportMode, String> {
    // What stderr is says nothing about the file that the report goes to.
    let seen = args.force || terminal && args.report_to.is_none();
    let asked = match args.report {
        Some(ReportName::Bar) => ReportMode::Bar,
        Some(ReportName::Plain) => ReportMode::Plain,
        Some(ReportName::Json) => ReportMode::Json,
        Some(ReportName::Summary) => ReportMode::Summary,
        Some(ReportName::None) => ReportMode::None,
        None if args.quiet => ReportMode::None,
        None if shows_nothing(args) => ReportMode::Losses,
        None if args.display.numeric => ReportMode::Pv,
        None if has_display_switch(args) && seen => ReportMode::Pv,
        None if has_display_switch(args) => ReportMode::Losses,
        None if seen => ReportMode::Bar,
        None => ReportMode::Summary,
    };
    match &args.report {
        Some(report) if args.quiet && asked != ReportMode::None => {
            let name = report.to_possible_value();
            let name = name.as_ref().map_or("MODE", PossibleValue::get_name);
            Err(format!(
                "--report {name} asks for a report, and -q for none: drop -q to have it, or --report \
                 {name} to have none"
            ))
        }
        _ => Ok(asked),
    }
}

/// Whether the display is to have pv's form.
fn has_display_switch(args: &Args) -> bool {
    let display = &args.display;
    display.progress
        || display.timer
        || display.eta
        || display.fineta
        || display.rate
        || display.average_rate
        || display.bytes
        || display.bits
        || display.buffer_percent
        || display.last_written.is_some()
        || !display.format.is_empty()
        || display.numeric
}

/// As in pv, an empty format is a display of nothing.
fn shows_nothing(args: &Args) -> bool {
    let format = args.display.format.last();
    format.is_some_and(|format| format.0.is_empty())
}
