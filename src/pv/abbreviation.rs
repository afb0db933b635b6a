//! Long options cut short, as getopt_long takes them: `--prog` for `--progress`. Scripts written for
//! pv may have them.
//!
//! pv's options, which are those with a letter, come first: what is clear among them means what it
//! means to pv, whatever names hwm has beside them. Refuses to choose between several. clap's
//! `infer_long_args` knows no such order, and takes what could be several for unknown.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, Command, Id};

use crate::cli::hints;

/// Teaches the parser those that are typed and clear. That one may be the value of another option does
/// no harm: then the parser never looks it up.
pub(crate) fn teach(command: Command, args: &[OsString]) -> Command {
    let mut clear: BTreeMap<String, Id> = BTreeMap::new();
    for typed in args.iter().filter_map(|word| word.to_str()) {
        let Some(short) = name(typed) else { continue };
        let meanings = meanings(&command, short);
        if let Some(id) = only(&meanings)
            && meanings.iter().all(|(_, name)| name != short)
        {
            clear.insert(short.to_owned(), id);
        }
    }
    clear.into_iter().fold(command, |command, (short, id)| {
        // clap wants names that last. There are as many as were typed, once in a process.
        let short: &'static str = String::leak(short);
        command.mut_arg(id, |arg| arg.alias(short))
    })
}

/// The long options, dashes included, that `typed` could stand for, if it is not clear which.
pub(crate) fn several(command: &Command, typed: &str) -> Option<Vec<String>> {
    let meanings = meanings(command, name(typed)?);
    if meanings.is_empty() || only(&meanings).is_some() {
        return None;
    }
    let names = meanings.into_iter();
    Some(names.map(|(_, name)| format!("--{name}")).collect())
}

/// The name of a long option, without dashes and value.
fn name(typed: &str) -> Option<&str> {
    let name = typed.strip_prefix("--")?;
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    (!name.is_empty()).then_some(name)
}

/// Each name that begins so, with its option: of one of pv's options, if there is just one of those,
/// else of all.
fn meanings(command: &Command, short: &str) -> Vec<(Id, String)> {
    let of = |wanted: fn(&Arg) -> bool| {
        let args = command.get_arguments().filter(move |arg| wanted(arg));
        let named = args.flat_map(|arg| names(arg).map(|name| (arg.get_id().clone(), name)));
        named.filter(|(_, name)| name.starts_with(short)).collect()
    };
    let pvs: Vec<(Id, String)> = of(|arg| arg.get_short().is_some());
    match only(&pvs) {
        Some(_) => pvs,
        // `--fail` is not `--fail-on-loss`: who types it means what to do when the buffer is full.
        None if hints::is_policy(short) => Vec::new(),
        None => of(|_| true),
    }
}

fn names(arg: &Arg) -> impl Iterator<Item = String> {
    let aliases = arg.get_all_aliases().unwrap_or_default();
    arg.get_long()
        .into_iter()
        .chain(aliases)
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The one option that all these names are of.
fn only(meanings: &[(Id, String)]) -> Option<Id> {
    let (first, _) = meanings.first()?;
    let is_only = meanings.iter().all(|(id, _)| id == first);
    is_only.then(|| first.clone())
}
