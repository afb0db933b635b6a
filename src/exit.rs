//! How a run ended -> exit status: the table of EXIT STATUS in hwm(1), in one function.

use crate::config::{BrokenPipe, LossLimit, RelayConfig};
use crate::core::account::{Losses, Reason, Tally};
use crate::core::ending::Ending;

/// SIGPIPE's number, the same on every Unix.
const SIGPIPE: i32 = 13;

/// What a shell sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// An exit status.
    Status(u8),
    /// Death by a signal.
    Signal(i32),
}

impl Exit {
    /// The status as a shell shows it: 128 + N for a death by signal N.
    pub fn as_shell(self) -> i32 {
        match self {
            Exit::Status(status) => i32::from(status),
            Exit::Signal(number) => 128 + number,
        }
    }
}

/// Read or write error, a source that could not be opened.
pub const FAILED: u8 = 1;

/// So much was lost that `--fail-on-loss` says so.
pub const LOST_TOO_MUCH: u8 = 3;

/// The exit for an ending, given what came in and what of it was lost.
pub fn of(ending: Ending, input: Tally, lost: &Losses, config: &RelayConfig) -> Exit {
    match ending {
        Ending::EndOfInput => of_normal_ending(input, lost, config),
        Ending::Overflow => Exit::Status(4),
        Ending::Stalled => Exit::Status(5),
        Ending::Idle if config.idle_ok => of_normal_ending(input, lost, config),
        Ending::Idle => Exit::Status(6),
        Ending::BrokenPipe if config.broken_pipe == BrokenPipe::Signal => Exit::Signal(SIGPIPE),
        Ending::BrokenPipe => of_normal_ending(input, lost, config),
        Ending::NoConsumer => Exit::Status(7),
        Ending::Failed => Exit::Status(FAILED),
        Ending::Signal(number) => Exit::Signal(number),
    }
}

/// A consumer that may go costs nothing that counts; all else that was lost does.
fn of_normal_ending(input: Tally, lost: &Losses, config: &RelayConfig) -> Exit {
    let forgiven: &[Reason] = match config.broken_pipe {
        BrokenPipe::Ok => &[Reason::BrokenPipe, Reason::Unread],
        BrokenPipe::Signal | BrokenPipe::Drain => &[],
    };
    let lost = lost.total_but_for(forgiven);
    Exit::Status(match exceeds(config.fail_on_loss, input, lost) {
        true => LOST_TOO_MUCH,
        false => 0,
    })
}

fn exceeds(limit: Option<LossLimit>, input: Tally, lost: Tally) -> bool {
    match limit {
        None => false,
        Some(LossLimit::Records(least)) => lost.records >= least.max(1),
        Some(LossLimit::Percent(least)) => {
            lost.records > 0 && lost.records as f64 * 100.0 >= least * input.records as f64
        }
    }
}
