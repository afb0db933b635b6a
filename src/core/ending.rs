//! The ways a run can end, in the order in which the later ones decide: that of the contract's table.

/// SIGINT's number, the same on every Unix.
pub const SIGINT: i32 = 2;

/// Why a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The input ended and everything held was written.
    EndOfInput,
    /// `fail`: there was more input than space.
    Overflow,
    /// `block`: a stall lasted longer than `--block-timeout`.
    Stalled,
    /// No input for `--idle-timeout`.
    Idle,
    /// The consumer went away.
    BrokenPipe,
    /// It went, and there is no other.
    NoConsumer,
    /// Reading or writing failed.
    Failed,
    /// A terminating signal, by number.
    Signal(i32),
}

impl Ending {
    fn rank(self) -> u8 {
        match self {
            Ending::EndOfInput => 0,
            Ending::Overflow => 1,
            Ending::Stalled => 2,
            Ending::Idle => 3,
            Ending::BrokenPipe => 4,
            Ending::NoConsumer => 5,
            Ending::Failed => 6,
            // Whoever waits for us must learn of the signal, and a shell stops its loop for SIGINT only.
            Ending::Signal(SIGINT) => 8,
            Ending::Signal(_) => 7,
        }
    }

    /// The one of two endings that decides; of two signals SIGINT, or else the first.
    pub fn and(self, later: Ending) -> Ending {
        if later.rank() > self.rank() {
            later
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_nearest_the_bottom_of_the_table_decides_whatever_came_first() {
        const SIGTERM: i32 = 15;
        let table = [
            Ending::EndOfInput,
            Ending::Overflow,
            Ending::Stalled,
            Ending::Idle,
            Ending::BrokenPipe,
            Ending::NoConsumer,
            Ending::Failed,
            Ending::Signal(SIGTERM),
            Ending::Signal(SIGINT),
        ];
        for (row, one) in table.into_iter().enumerate() {
            for other in &table[..=row] {
                assert_eq!((one.and(*other), other.and(one)), (one, one));
            }
        }
        let hangup = Ending::Signal(1);
        assert_eq!(hangup.and(Ending::Signal(SIGTERM)), hangup);
    }
}
