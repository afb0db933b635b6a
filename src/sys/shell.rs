//! A command of the user's, run by a shell to its end.
//!
//! Refuses to read what it says: its stderr is ours, and it has no other.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

/// What a command is told, by name; None where it shall not be there, whatever our own environment has by that name.
pub type Environment = Vec<(String, Option<String>)>;

/// Runs `words`. Returns how the command failed, if it did.
///
/// # Errors
///
/// The system's: it could not be started.
pub fn run(words: &str, environment: Environment) -> io::Result<Option<String>> {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let status = command.spawn()?.wait();
    // Where somebody else has reaped it nobody knows.
    Ok(status.ok().and_then(failure))
}

fn failure(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (_, Some(signal)) => Some(format!("killed by signal {signal}")),
        _ => Some(status.to_string()),
    }
}
