//! What the account is made of: amounts, reasons, losses. That in = out + sum of lost by reason + held, in bytes
//! and in records, at every moment, is the relay's to keep: `meter` has in and out, `loss` what was lost, `buffer` what
//! is held, and `relay/snapshots` puts them together.

use std::ops::{AddAssign, Index, IndexMut};

/// An amount of data: bytes, and the records that were completed by them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes.
    pub bytes: u64,
    /// Records; a record counts when it is complete.
    pub records: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.bytes += other.bytes;
        self.records += other.records;
    }
}

/// Why a record that came in will never go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There was no space.
    QueueFull,
    /// `sample` did not choose it.
    Sampled,
    /// `priority` gave its place to a more valuable record.
    Priority,
    /// `red` shed it early.
    Early,
    /// It was older than `--max-age`.
    Expired,
    /// It was longer than the capacity.
    Oversize,
    /// The consumer went away.
    BrokenPipe,
    /// hwm ended before it could be written.
    Shutdown,
    /// It was written, and the consumer went away without having read it.
    Unread,
}

impl Reason {
    /// Every reason, in the order of the reports.
    pub const ALL: [Reason; 9] = [
        Reason::QueueFull,
        Reason::Sampled,
        Reason::Priority,
        Reason::Early,
        Reason::Expired,
        Reason::Oversize,
        Reason::BrokenPipe,
        Reason::Shutdown,
        Reason::Unread,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue_full",
            Reason::Sampled => "sampled",
            Reason::Priority => "priority",
            Reason::Early => "early",
            Reason::Expired => "expired",
            Reason::Oversize => "oversize",
            Reason::BrokenPipe => "broken_pipe",
            Reason::Shutdown => "shutdown",
            Reason::Unread => "unread",
        }
    }

    /// The same in the reader's words.
    pub fn words(self) -> &'static str {
        match self {
            Reason::QueueFull => "buffer full",
            Reason::Sampled => "sampled out",
            Reason::Priority => "low priority",
            Reason::Early => "shed early",
            Reason::Expired => "too old",
            Reason::Oversize => "too long",
            Reason::BrokenPipe => "reader gone",
            Reason::Shutdown => "stopped",
            Reason::Unread => "not read",
        }
    }

    /// Whether it comes with the end of a run, and tells no more than that the run ended.
    pub fn is_of_the_end(self) -> bool {
        matches!(self, Reason::BrokenPipe | Reason::Shutdown | Reason::Unread)
    }
}

/// What was lost, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses([Tally; Reason::ALL.len()]);

impl Losses {
    /// The sum over all reasons.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.0 {
            total += tally;
        }
        total
    }

    /// The sum over all reasons but these.
    pub fn total_but_for(&self, reasons: &[Reason]) -> Tally {
        let mut total = Tally::default();
        for reason in Reason::ALL {
            if !reasons.contains(&reason) {
                total += self[reason];
            }
        }
        total
    }

    /// The reasons that lost something, with how much.
    pub fn by_reason(&self) -> impl Iterator<Item = (Reason, Tally)> + '_ {
        Reason::ALL
            .into_iter()
            .map(|reason| (reason, self[reason]))
            .filter(|(_, tally)| *tally != Tally::default())
    }
}

impl Index<Reason> for Losses {
    type Output = Tally;
    fn index(&self, reason: Reason) -> &Tally {
        &self.0[reason as usize]
    }
}

impl IndexMut<Reason> for Losses {
    fn index_mut(&mut self, reason: Reason) -> &mut Tally {
        &mut self.0[reason as usize]
    }
}
