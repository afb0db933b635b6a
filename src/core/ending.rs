//! The ways a run can end, in the order in which the later ones decide.

/// Why a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The input ended and everything held was written.
    EndOfInput,
    /// `fail`: there was more input than room.
    Overflow,
    /// `block`: a stall lasted longer than `--block-timeout`.
    Stalled,
    /// No input for `--idle-timeout`.
    Idle,
    /// A terminating signal, by number.
    Signal(i32),
    /// The consumer went away.
    BrokenPipe,
    /// Reading or writing failed.
    Failed,
}

impl Ending {
    fn rank(self) -> u8 {
        match self {
            Ending::EndOfInput => 0,
            Ending::Overflow => 1,
            Ending::Stalled => 2,
            Ending::Idle => 3,
            Ending::Signal(_) => 4,
            Ending::BrokenPipe => 5,
            Ending::Failed => 6,
        }
    }

    /// The one of two endings that decides; of two signals the first.
    pub fn and(self, later: Ending) -> Ending {
        if later.rank() > self.rank() {
            later
        } else {
            self
        }
    }
}
