//! pv's switches for the display and the transfer, with pv's letters, names and meanings.
//!
//! Refuses to judge them, as `args` does.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::format::{self, Format};
use crate::cli::{duration, size};

/// What the display shows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Display, as in pv")]
pub(crate) struct DisplayArgs {
    /// Show a progress bar
    ///
    /// With any of -p -t -e -I -r -a -b -8 -T -A -F and -n the display has pv's form and these parts,
    /// on a terminal or with -f, with a loss behind them while it goes on, and without a summary.
    #[arg(short = 'p', long)]
    pub(crate) progress: bool,

    /// Show the time since the start
    #[arg(short = 't', long)]
    pub(crate) timer: bool,

    /// Show the time left
    #[arg(short = 'e', long)]
    pub(crate) eta: bool,

    /// Show the time of day at the end
    #[arg(short = 'I', long)]
    pub(crate) fineta: bool,

    /// Show the rate
    #[arg(short = 'r', long)]
    pub(crate) rate: bool,

    /// Show the average rate of the last while, see -m
    #[arg(short = 'a', long)]
    pub(crate) average_rate: bool,

    /// Show how much was transferred
    #[arg(short = 'b', long)]
    pub(crate) bytes: bool,

    /// Show how full the buffer is
    #[arg(short = 'T', long)]
    pub(crate) buffer_percent: bool,

    /// Show the last NUM bytes written
    ///
    /// All data is copied through memory then, as with -C. At most 1024 are shown.
    #[arg(short = 'A', long, value_name = "NUM", allow_hyphen_values = true,
          value_parser = parse_count)]
    pub(crate) last_written: Option<usize>,

    /// Show what FORMAT says
    ///
    /// See "DISPLAYS OF PV'S FORM" in hwm(1) for its sequences: pv's, and %{buffer} %{lost} %{bottleneck} %{rate-in}
    /// %{rate-out} %{state}.
    #[arg(short = 'F', long, value_name = "FORMAT", allow_hyphen_values = true,
          value_parser = format::parse)]
    pub(crate) format: Vec<Format>,

    /// Write plain numbers, a line each interval: percent, or what -t -b and -r ask for
    ///
    /// Also where standard error is no terminal.
    #[arg(short = 'n', long)]
    pub(crate) numeric: bool,

    /// Show bits instead of bytes
    #[arg(short = '8', long)]
    pub(crate) bits: bool,

    /// Count in 1000, also the suffixes of what is typed behind it
    ///
    /// It acts on the display of -p and the like and on the SIZE and RATE of options behind it.
    #[arg(short = 'k', long)]
    pub(crate) si: bool,

    /// Without a known size the bar of -p shows the rate as a share of the highest
    #[arg(short = 'g', long)]
    pub(crate) gauge: bool,

    /// How the bar of -p is drawn
    #[arg(
        short = 'u',
        long,
        value_name = "STYLE",
        value_enum,
        default_value = "plain"
    )]
    pub(crate) bar_style: BarStyleName,

    /// The average rate is that of the last SEC seconds
    #[arg(short = 'm', long, value_name = "SEC", default_value = "30", allow_hyphen_values = true,
          value_parser = parse_count)]
    pub(crate) average_rate_window: usize,

    /// Draw nothing before the consumer took its first byte
    #[arg(short = 'W', long)]
    pub(crate) wait: bool,

    /// Draw nothing before SEC seconds, or DUR, have passed
    #[arg(short = 'D', long, value_name = "SEC|DUR", default_value = "0",
          hide_default_value = true, allow_hyphen_values = true,
          value_parser = duration::parse_seconds)]
    pub(crate) delay_start: Duration,

    /// Take the terminal to be so many columns wide
    #[arg(short = 'w', long, value_name = "WIDTH", allow_hyphen_values = true,
          value_parser = parse_count)]
    pub(crate) width: Option<usize>,

    /// Take the terminal to be so many rows high; nothing here depends on it
    #[arg(short = 'H', long, value_name = "HEIGHT", allow_hyphen_values = true,
          value_parser = parse_count)]
    pub(crate) height: Option<usize>,

    /// Share the terminal with others: a row for each hwm of a pipeline
    #[arg(short = 'c', long)]
    pub(crate) cursor: bool,
}

/// How bytes are read and written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Transfer, as in pv")]
pub(crate) struct TransferArgs {
    /// Write to FILE instead of standard output
    ///
    /// It is made, for its owner alone, or emptied; - is standard output.
    #[arg(short = 'o', long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
          allow_hyphen_values = true)]
    pub(crate) output: Option<PathBuf>,

    /// Write to nowhere
    #[arg(short = 'X', long)]
    pub(crate) discard: bool,

    /// Go on behind what cannot be read, and write null bytes instead
    ///
    /// Each region that is skipped gives an error line, or with -EE only the first in each FILE. The
    /// exit status is 1 all the same. Only where one can go to any place, as in files and disks.
    #[arg(short = 'E', long, action = clap::ArgAction::Count)]
    pub(crate) skip_errors: u8,

    /// With -E: go on at the next multiple of SIZE; implies -E
    #[arg(short = 'Z', long, value_name = "SIZE", allow_hyphen_values = true,
          value_parser = size::parse)]
    pub(crate) error_skip_block: Option<u64>,

    /// Wait for the disk after every write
    #[arg(short = 'Y', long)]
    pub(crate) sync: bool,

    /// Write the process's number to FILE, and remove it at the end
    #[arg(short = 'P', long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
          allow_hyphen_values = true)]
    pub(crate) pidfile: Option<PathBuf>,
}

/// `-u STYLE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BarStyleName {
    /// ====>
    Plain,
    /// full blocks
    Block,
    /// full blocks, and eighths of one at the end
    Granular,
    /// full blocks on a shade
    Shaded,
}

/// A whole number, of which nobody needs more than a million.
fn parse_count(text: &str) -> Result<usize, String> {
    const MOST: usize = 1_000_000;
    // As in pv, blanks in front do no harm.
    let text = text.trim_start_matches([' ', '\t']);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected a whole number".into());
    }
    Ok(text.parse().map_or(MOST, |number: usize| number.min(MOST)))
}
