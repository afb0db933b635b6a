//! The endings that need no relay: help, version, wrong usage; and clap's errors on one line.
//!
//! Refuses to print, which is `main`'s, and to make a second line for wrong usage: logs and scripts take
//! one.

use std::error::Error as _;
use std::ffi::OsString;

use super::definition::pvs_command;
use super::{hints, unbuilt};
use crate::pv::abbreviation;
use crate::units::one_line;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The exit status of wrong usage.
const USAGE: i32 = 2;

/// Something to say, and the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// What to print, newline included.
    pub text: String,
    /// On stdout rather than on stderr.
    pub to_stdout: bool,
    /// 0 for help and version, 2 for wrong usage.
    pub status: i32,
}

impl Exit {
    /// Wrong usage: one line, whatever control characters the user typed.
    pub(super) fn usage(message: &str) -> Self {
        let message = one_line(message);
        // Who is told what to type need not look for it.
        let hint = match message.ends_with('?') {
            true => "",
            false => "; try 'hwm --help'",
        };
        let text = format!("hwm: {message}{hint}\n");
        Exit {
            text,
            to_stdout: false,
            status: USAGE,
        }
    }

    /// A value that is not valid UTF-8. Which one clap does not say; `read` reads the first words of
    /// them.
    pub(super) fn no_text(
        words: &[OsString],
        read: impl Fn(&[OsString]) -> Option<ErrorKind>,
    ) -> Self {
        let is_wrong = |count: &usize| read(&words[..*count]) == Some(ErrorKind::InvalidUtf8);
        let count = (1..words.len()).find(is_wrong).unwrap_or(words.len());
        let text = |at: usize| words[at].to_string_lossy();
        let (before, last) = (count.saturating_sub(1), text(count - 1));
        // Without its value, the word before is wrong as well.
        let what = match (read(&words[..before]), last.split_once('=')) {
            (Some(_), _) => format!("'{last}' for {}", text(before - 1)),
            (None, Some((option, value))) => format!("'{value}' for {option}"),
            (None, None) => format!("in '{last}'"),
        };
        Exit::usage(&format!(
            "invalid value {what}: it is not valid UTF-8; only file names may be so"
        ))
    }
}

impl From<clap::Error> for Exit {
    fn from(error: clap::Error) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit {
                text: error.render().to_string(),
                to_stdout: true,
                status: 0,
            },
            _ => Exit::usage(&fold(&error)),
        }
    }
}

/// What clap says in several lines, from its parts rather than from its layout, which the user's
/// own text could imitate.
fn fold(error: &clap::Error) -> String {
    let argument = option_name(text_of(error, ContextKind::InvalidArg));
    let value = text_of(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(argument, text_of(error, ContextKind::SuggestedArg)),
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} needs a value"),
        ErrorKind::InvalidValue => {
            let reason = match hints::value(argument, value) {
                Some(hint) => hint.to_owned(),
                None => possible_values(error),
            };
            format!("invalid value '{value}' for {argument}: {reason}")
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(ToString::to_string);
            let reason = reason.as_deref().unwrap_or("not understood");
            let reason = hints::value(argument, value).unwrap_or(reason);
            format!("invalid value '{value}' for {argument}: {reason}")
        }
        ErrorKind::TooManyValues => format!("{argument} takes no value, but got '{value}'"),
        kind => format!("{} {argument}", kind.as_str().unwrap_or("wrong usage")),
    }
}

/// `close` is what clap would suggest, or empty.
fn unknown(argument: &str, close: &str) -> String {
    if let Some(names) = abbreviation::several(&pvs_command(), argument) {
        return format!(
            "ambiguous option '{argument}': it could be {}",
            names.join(", ")
        );
    }
    let close = if unbuilt::has(close) { "" } else { close };
    match hints::option(argument, close) {
        Some(hint) => format!("unknown option '{argument}'; {hint}"),
        None => format!("unknown option '{argument}'"),
    }
}

fn possible_values(error: &clap::Error) -> String {
    let mut text = String::from("expected one of ");
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) {
        text.push_str(&values.join(", "));
    }
    match text_of(error, ContextKind::SuggestedValue) {
        "" => text,
        close => format!("{text}; did you mean '{close}'?"),
    }
}

fn text_of(error: &clap::Error, kind: ContextKind) -> &str {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text,
        Some(ContextValue::Strings(texts)) => texts.first().map_or("", String::as_str),
        _ => "",
    }
}

/// clap names an option with its values, `--mark[=<TEXT>]`; users think of `--mark`.
fn option_name(shown: &str) -> &str {
    let end = shown.find([' ', '[', '=', '<']).unwrap_or(shown.len());
    if shown.starts_with('-') {
        &shown[..end]
    } else {
        shown
    }
}
