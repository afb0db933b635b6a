//! What job control makes of this process: whether a shell could continue it, and whether a
//! terminal shows it.
//!
//! A leaf: every module may use it. Groups and sessions that began outside our PID
//! namespace have the number 0, which is why they are read from /proc: rustix's `Pid` can hold no
//! 0. Refuses to change anything: not the group, not the foreground, not a setting.

use std::fs;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::termios::tcgetpgrp;

/// Whether the parent is of another session: then nobody manages our process group as a job, and
/// a stop would be for ever. Not, where it cannot be known.
pub fn is_orphaned() -> bool {
    let Some(parent) = rustix::process::getppid() else {
        return true;
    };
    let session = |process: &str| Some(Job::of(process)?.session);
    let parents = session(&parent.as_raw_nonzero().to_string());
    parents.is_some() && parents != session("self")
}

/// Whether we may paint on this terminal: it shows our process group, or it is not the one that
/// controls us, so that job control does not apply.
pub fn is_foreground(terminal: impl AsFd) -> bool {
    match foreground_group(terminal) {
        Ok(group) => group == own_group(),
        Err(error) => error == Errno::NOTTY,
    }
}

/// Whether a key at the terminal that controls us, if there is one, reaches this process, too.
pub fn gets_keys(process: Pid) -> bool {
    let group = Job::of(&process.as_raw_nonzero().to_string()).map(|job| job.group);
    let foreground = fs::File::open("/dev/tty").ok();
    let foreground = foreground.and_then(|terminal| foreground_group(terminal).ok());
    group.is_some() && group == foreground
}

/// 0 is a group outside our PID namespace. Ours may be that group.
fn foreground_group(terminal: impl AsFd) -> Result<i32, Errno> {
    match tcgetpgrp(terminal) {
        Ok(group) => Ok(group.as_raw_nonzero().get()),
        Err(Errno::OPNOTSUPP) => Ok(0),
        Err(error) => Err(error),
    }
}

fn own_group() -> i32 {
    Job::of("self").map_or_else(
        || Pid::as_raw(Some(rustix::process::getpgrp())),
        |job| job.group,
    )
}

/// A process's place in job control.
#[derive(Debug, PartialEq, Eq)]
struct Job {
    group: i32,
    session: i32,
}

impl Job {
    /// That of `process`, a number or `self`; None without /proc.
    fn of(process: &str) -> Option<Job> {
        Job::in_stat(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// From the text of proc_pid_stat(5). The name in it may hold parentheses and spaces.
    fn in_stat(stat: &str) -> Option<Job> {
        let (_, behind_the_name) = stat.rsplit_once(')')?;
        let mut fields = behind_the_name.split_ascii_whitespace().skip(2);
        Some(Job {
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_and_session_are_read_behind_the_name() {
        let stat = "8 (a) S 1 2 (b) S 7 0 5 34816 9 4194304 1";
        assert_eq!(
            Job::in_stat(stat),
            Some(Job {
                group: 0,
                session: 5
            })
        );
        assert_eq!(Job::in_stat("8 (hwm) S 7"), None);
        assert_eq!(Job::in_stat(""), None);
    }

    #[test]
    fn a_terminal_that_does_not_control_us_may_be_painted_on() {
        let (_master, terminal) = crate::sys::testing::pty();
        assert!(is_foreground(&terminal));
    }
}
