//! The definition of the command line, and what it takes from pv's.

use clap::CommandFactory;

use super::{args, unbuilt};

/// The definition behind help, man page and completions.
pub fn command() -> clap::Command {
    args::Args::command()
}

/// All that is known to pv, too.
pub(super) fn pvs_command() -> clap::Command {
    unbuilt::teach(command())
}
