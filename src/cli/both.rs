//! `-M both`: one hwm on each side of the command. The one that was started stands before it, and runs the other one, with the
//! same options, behind it.
//!
//! What only one of them can do is left to that one: the first has the process's number, the second what becomes of the output.

use std::ffi::OsString;
use std::path::PathBuf;

use super::args::{Args, BrokenPipeName};
use super::names::SideName;

/// Whoever is run, it is what we are, wherever that was moved to.
const OURSELVES: &str = "/proc/self/exe";

/// Makes `args`, read from `words`, those of one of the two, where they are for two.
pub(super) fn split(args: &mut Args, words: &[OsString]) -> Result<(), String> {
    if args.is_behind {
        args.name = args.name.pop().into_iter().collect();
        args.transfer.pidfile = None;
    }
    if args.monitor != Some(SideName::Both) {
        return Ok(());
    }
    if let Some(option) = needs_one_side(args) {
        return Err(format!(
            "{option} is for one side, and -M both has two: write 'hwm | COMMAND | hwm', or watch one side, in or out"
        ));
    }
    let behind = behind(args, words)?;
    args.monitor = Some(SideName::In);
    args.files = behind.into_iter().map(PathBuf::from).collect();
    args.name.truncate(1);
    args.display.format.truncate(1);
    args.demand = None;
    (args.transfer.output, args.transfer.discard) = (None, false);
    if args.broken_pipe == BrokenPipeName::Wait {
        args.broken_pipe = BrokenPipeName::Signal;
    }
    args.is_before = true;
    Ok(())
}

/// What cannot be shared.
fn needs_one_side(args: &Args) -> Option<&'static str> {
    let options = [
        ("--respawn", args.respawn.is_some()),
        ("--lost-to", args.lost_to.is_some()),
        ("--events", args.events.is_some()),
        ("--metrics-file", args.metrics_file.is_some()),
        ("--chart", args.chart.is_some()),
    ];
    let mut used = options.into_iter().filter(|(_, is_used)| *is_used);
    used.next().map(|(name, _)| name)
}

/// The command line of the other one.
fn behind(args: &Args, words: &[OsString]) -> Result<Vec<OsString>, String> {
    let command: Vec<OsString> = args.files.iter().map(OsString::from).collect();
    if command.is_empty() {
        return Err("-M both needs a command, as in -M both -- gzip -9".into());
    }
    let options = words.strip_suffix(&command[..]);
    let Some([_, options @ ..]) = options else {
        return Err("-M both needs '--' before the command, behind all options".into());
    };
    let options = match options {
        [options @ .., last] if last == "--" => options,
        all => all,
    };
    let own = [OURSELVES].map(OsString::from).into_iter();
    let place = ["--monitor=out", "--behind", "--"].map(OsString::from);
    Ok(own
        .chain(options.to_vec())
        .chain(place)
        .chain(command)
        .collect())
}
