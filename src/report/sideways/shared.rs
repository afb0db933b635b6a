//! A file that is written to beside the data must be nothing else in the same run.
//!
//! Knows regular files by their identity, whatever their names. Lets pipes and devices be: several may
//! write to a terminal or to /dev/null.

use std::io;
use std::path::Path;

use rustix::fs::{FileType, Stat};

use crate::config::{Config, ReportMode, Sink, Source};
use crate::report::output::Descriptor;

/// An input that grows by what is told of it would never end, and an output is not to be mixed.
///
/// # Errors
///
/// It is an input or the output as well, or cannot be examined.
pub fn refuse(file: &Descriptor, config: &Config) -> io::Result<()> {
    let own = rustix::fs::fstat(file)?;
    let is_input = config.sources.iter().any(|source| match source {
        Source::Stdin => is_same(&own, rustix::fs::fstat(rustix::stdio::stdin())),
        Source::File(path) => is_same(&own, rustix::fs::stat(path)),
    });
    if is_input {
        return Err(io::Error::other("it is also the input"));
    }
    let is_output = match &config.transfer.sink {
        Sink::Stdout => is_same(&own, rustix::fs::fstat(rustix::stdio::stdout())),
        Sink::File(path) => is_same(&own, rustix::fs::stat(path)),
        Sink::Nowhere => false,
    };
    if is_output {
        return Err(io::Error::other("it is also the output"));
    }
    Ok(())
}

/// Lost records are bytes of the user's, which lines of hwm's own among them would spoil. To be called
/// when the others are open.
///
/// # Errors
///
/// The events or the report go there too, or it cannot be examined.
pub fn refuse_told(file: &Descriptor, config: &Config) -> io::Result<()> {
    let own = rustix::fs::fstat(file)?;
    let is_told =
        |path: Option<&Path>| path.is_some_and(|path| is_same(&own, rustix::fs::stat(path)));
    if is_told(config.sideways.events.as_deref()) {
        return Err(io::Error::other("the events go there too"));
    }
    let report = &config.report;
    if report.mode != ReportMode::None && is_told(report.to.as_deref()) {
        return Err(io::Error::other("the report goes there too"));
    }
    Ok(())
}

fn is_same(own: &Stat, other: rustix::io::Result<Stat>) -> bool {
    let is_file = FileType::from_raw_mode(own.st_mode).is_file();
    other.is_ok_and(|other| is_file && (other.st_dev, other.st_ino) == (own.st_dev, own.st_ino))
}
