//! What a user types: the options, their values, and the errors for wrong ones.
//!
//! Everything is checked before a byte of input is read. Refuses to know how the relay works:
//! all that leaves this layer is a [`Config`], or an [`Exit`] with what to say instead.
//!
//! ```text
//! args, names      what may be typed         (clap)
//! unbuilt    pv's options to come      (clap)
//! definition all of them as one command
//! si         -k, and what it does to the options behind it
//! size, rate, duration, watermark, sample, mark, delimiter, loss_limit, grant      one kind of value each
//! decimal, percent     the numbers in them, exact
//! both       -M both                   -> the options of one side
//! validate   rules between options     -> config::Config
//! help       what -h chooses of all this       hints, unjoined      wrong words, and what to type instead
//! exit       help, version, and every error on one line
//! ```

pub(crate) mod args;
mod both;
mod decimal;
pub(crate) mod definition;
mod delimiter;
pub(crate) mod duration;
mod exit;
pub mod grant;
mod help;
pub(crate) mod hints;
mod loss_limit;
mod mark;
mod names;
mod number;
mod percent;
pub(crate) mod rate;
mod respawn;
mod sample;
mod si;
pub(crate) mod size;
mod unbuilt;
mod unjoined;
mod validate;
mod watermark;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use crate::config::Config;
use crate::pv::abbreviation;
pub use definition::command;
use definition::pvs_command;
pub use exit::Exit;

/// Reads the command line, the program's name first. `terminal` says whether stderr is one,
/// which decides the default form of the report.
///
/// # Errors
///
/// An [`Exit`] with status 0 for help and version, and with status 2 and one line for wrong
/// usage.
///
/// # Examples
///
/// ```
/// use highwater::cli;
/// use highwater::config::Policy;
///
/// let words = |line: &str| line.split(' ').map(Into::into).collect::<Vec<_>>();
///
/// let config = cli::parse(words("hwm -B 64K --when-full drop-oldest"), false).unwrap();
/// assert_eq!(config.relay.capacity, 64 * 1024);
/// assert_eq!(config.relay.policy, Policy::DropOldest);
///
/// let exit = cli::parse(words("hwm -B 0"), false).unwrap_err();
/// assert_eq!((exit.status, exit.to_stdout), (2, false));
/// assert!(exit.text.starts_with("hwm: ") && exit.text.ends_with('\n'));
/// ```
pub fn parse(args: impl IntoIterator<Item = OsString>, terminal: bool) -> Result<Config, Exit> {
    let words: &[OsString] = &args.into_iter().collect::<Vec<_>>();
    let matches = command()
        .try_get_matches_from(words)
        .or_else(|_| known_to_pv(words))?;
    let mut args = args::Args::from_arg_matches(&matches)?;
    let files = args.inputs();
    let hint = hints::value_of_a_letter(words, files).or_else(|| unjoined::hint(words, files));
    if let Some(message) = hint {
        return Err(Exit::usage(&message));
    }
    si::reinterpret(&mut args, &matches).map_err(|message| Exit::usage(&message))?;
    both::split(&mut args, words).map_err(|message| Exit::usage(&message))?;
    validate::validate(args, terminal).map_err(|message| Exit::usage(&message))
}

/// Reads the command line again, with all of pv's options, with abbreviations, and with what -h says: so
/// many definitions are not made for a command line that does without them.
fn known_to_pv(args: &[OsString]) -> Result<clap::ArgMatches, Exit> {
    let command = help::teach(abbreviation::teach(pvs_command(), args));
    let read = |args: &[OsString]| command.clone().try_get_matches_from(args);
    let matches = read(args).map_err(|error| match error.kind() {
        ErrorKind::InvalidUtf8 => Exit::no_text(args, |args| Some(read(args).err()?.kind())),
        _ => error.into(),
    })?;
    match unbuilt::first_used(&matches) {
        Some(message) => Err(Exit::usage(&message)),
        None => Ok(matches),
    }
}
