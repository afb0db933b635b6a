//! The stages of a run, and what ends it.
//!
//! ```text
//!            end of input, -S, overflow, idle,      nothing is left,
//!            SIGINT, too late after a signal        or too late         nothing is left, or too late
//!   Running --------------------------> Draining ------------> Finishing -----------------> Ended
//!   reads and writes                    writes what is held    writes the rest of a record
//!      |                                   |                   that is partly written         ^
//!      +-- consumer gone, write error -----+--------------------------------------------------+
//! ```
//!
//! 1. A stage is never left for an earlier one.
//! 2. A stage ends at `ends_at` if it does not end by itself, and lasts for a turn at least, so that what the
//!    consumer takes without waiting still goes.
//! 3. Of several endings the later row of the contract's table decides ([`Ending::and`]).
//!
//! Refuses to touch data: what a change of stage means for what is held is the relay's.

use std::time::Duration;

use super::ending::{Ending, SIGINT};
use super::signal_history::{Heard, SignalHistory};
use crate::config::{Amount, RelayConfig};

/// A consumer that knows where the data ends (`tar t`, `head -c`) closes its pipe a moment before
/// the producer exits. The run has ended well if nothing more comes; this is how long
/// a busy machine may take to let the producer exit, and still "at once" for a person.
pub(super) const EOF_GRACE: Duration = Duration::from_millis(200);

/// After SIGINT: who pressed the key waits for the prompt.
const INTERRUPTED: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    Draining,
    Finishing,
    Ended,
}

/// See the module's header.
pub(super) struct Lifecycle {
    pub(super) phase: Phase,
    pub(super) ending: Ending,
    /// After a signal or a stall: when it is too late for the present stage.
    pub(super) ends_at: Option<Duration>,
    signals: SignalHistory,
    /// The input ends with the record that is incomplete.
    pub(super) ends_with_record: bool,
    /// The consumer is gone and has everything; until then the input may still end well.
    pub(super) eof_grace: Option<Duration>,
    /// All that was held went out before the end.
    pub(super) is_drained: bool,
}

/// The consumer is gone, and the input is read on.
pub(super) struct Sink {
    /// Of a record whose end has not come: how many bytes were lost, of those that came.
    pub(super) amid_record: Option<u64>,
}

/// What a terminating signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To end, when what is held and what still comes has gone out.
    Drain,
    /// To read no more.
    StopReading,
    /// To end at once.
    GiveUp,
}

impl Lifecycle {
    pub(super) fn new(config: &RelayConfig) -> Self {
        let takes_nothing = matches!(
            config.stop_after,
            Some(Amount::Bytes(0) | Amount::Records(0))
        );
        Self {
            phase: if takes_nothing {
                Phase::Draining
            } else {
                Phase::Running
            },
            ending: Ending::EndOfInput,
            ends_at: None,
            signals: SignalHistory::default(),
            ends_with_record: false,
            eof_grace: None,
            is_drained: false,
        }
    }

    /// Whether input is still taken, now or later.
    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether all goes out as fast as it can: the rest of a record that must be whole is too little to wait for.
    pub(super) fn is_finishing(&self) -> bool {
        self.phase == Phase::Finishing
    }

    /// The run ends so, unless it ends in a way that decides over that.
    pub(super) fn end_as(&mut self, ending: Ending) {
        self.ending = self.ending.and(ending);
    }

    /// The present stage ends then at the latest.
    pub(super) fn end_by(&mut self, at: Duration) {
        self.ends_at = Some(self.ends_at.map_or(at, |before| before.min(at)));
    }

    /// A terminating signal came; None if it came before. SIGINT stops reading; after another it goes on for
    /// `drain_timeout` where it `reads_on`, since the producer may have got the same signal, and have something
    /// to say. A second one ends at once.
    pub(super) fn signalled(
        &mut self,
        number: i32,
        reads_on: bool,
        drain_timeout: Duration,
        now: Duration,
    ) -> Option<Asked> {
        let heard = self.signals.note(number, now)?;
        self.end_as(Ending::Signal(number));
        if self.is_over() {
            return None;
        }
        let (limit, asked) = match number {
            _ if heard == Heard::Again => (Duration::ZERO, Asked::GiveUp),
            SIGINT => (INTERRUPTED, Asked::StopReading),
            _ if reads_on => (drain_timeout, Asked::Drain),
            _ => (drain_timeout, Asked::StopReading),
        };
        self.end_by(now.saturating_add(limit));
        Some(asked)
    }

    /// Whether a signal has come, and the input is still read.
    pub(super) fn is_closing(&self) -> bool {
        self.is_running() && !self.signals.is_empty()
    }

    /// Whether a person wants it to stop.
    pub(super) fn is_interrupted(&self) -> bool {
        self.ending == Ending::Signal(SIGINT)
    }
}
