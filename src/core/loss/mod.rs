//! What is lost: how much and why, where it is missing, the marks that stand for it, and the records
//! themselves for those who want them.
//!
//! 1. Each lost byte is in the tally under one reason, from the moment at which it leaves.
//! 2. The sum of all gaps and marks is the loss, but for what is lost after the last chance to write a mark.
//! 3. Dead letters are whole records in the order of their loss; with those counted as not kept they are the
//!    loss, but for a record whose end has not come.
//! 4. What went out and was not read counts as lost when the consumer is gone, and never twice.
//!
//! Refuses to decide what is lost, and to take it out of the buffer.

pub mod dead_letters;
pub mod gaps;
pub(super) mod marker;
pub mod sent;

use super::account::{Losses, Reason, Tally};
use super::framing::Framing;
use crate::config::RelayConfig;
use dead_letters::DeadLetters;
use gaps::Gaps;
use marker::Marker;
use sent::{Sent, Unread};

/// Where a record stood that is lost, in positions of the admitted stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind all that is held, which ends there.
    Tail(u64),
    /// At the head: from there to the head that is now.
    Head(u64, u64),
    /// Between others: from there to the first held byte behind it.
    Between(u64, u64),
    /// Nowhere: it is the end of the run, and no episode.
    End,
}

/// See the module's header.
pub(super) struct Loss {
    /// What was lost, by reason.
    pub(super) tally: Losses,
    /// Unbroken runs of lost records.
    pub(super) episodes: u64,
    pub(super) gaps: Gaps,
    /// None without `--mark`.
    pub(super) marker: Option<Marker>,
    /// None without `--lost-to`.
    pub(super) dead_letters: Option<DeadLetters>,
    /// The bytes so far of a record that is lost and whose end has not come. They are in the tally
    /// as `queue_full`, from a length above C on as `oversize`; the end decides.
    pub(super) discarding: Option<u64>,
    /// What may still lie in the consumer's pipe.
    pub(super) sent: Sent,
    /// What the consumer left there.
    pub(super) unread: Unread,
    /// So many bytes of that belong to a record of which the rest did not go out.
    pub(super) unread_of_open: u64,
    /// Such a record has not ended, and all that came of it went out.
    pub(super) tail_is_unread: bool,
}

/// So many chunks of what was sent are kept before it is asked what was read of it: 256 KiB, so that
/// asking costs nothing beside the writes.
const SENT_CHUNKS: usize = 2;

impl Loss {
    /// Nothing is lost.
    pub(super) fn new(config: &RelayConfig, chunk_size: usize) -> Self {
        let framing = Framing::of(config);
        let mut sent = Sent::new(framing, SENT_CHUNKS * chunk_size);
        if config.keeps_lost {
            sent.keep_text();
        }
        let mark = config.mark.clone().filter(|_| config.may_lose());
        let marker =
            mark.map(|mark| Marker::new(mark, config.mark_every, config.delimiters.terminator()));
        let dead_letters = config.keeps_lost.then(|| DeadLetters::new(framing));
        Self {
            tally: Losses::default(),
            episodes: 0,
            gaps: Gaps::default(),
            marker,
            dead_letters,
            discarding: None,
            sent,
            unread: Unread::default(),
            unread_of_open: 0,
            tail_is_unread: false,
        }
    }

    /// So much was lost there. Returns whether an episode began with it.
    pub(super) fn record(&mut self, reason: Reason, lost: Tally, place: Place) -> bool {
        self.tally[reason] += lost;
        let is_new = match place {
            Place::Tail(at) => self.gaps.lost_at_tail(at, lost),
            Place::Head(from, to) => self.gaps.lost_at_head(from, to, lost),
            Place::Between(from, to) => self.gaps.lost_between(from, to, lost),
            Place::End => false,
        };
        self.episodes += u64::from(is_new);
        is_new
    }

    /// Of the record that is being discarded `count` bytes more came, so that its length is `length`: both
    /// are counted under the reason that the length has so far.
    pub(super) fn discard_more(&mut self, count: u64, capacity: u64) {
        let before = self.discarding.unwrap_or(0);
        let length = before + count;
        self.tally[reason_of_length(before, capacity)].bytes -= before;
        self.tally[reason_of_length(length, capacity)].bytes += length;
        self.discarding = Some(length);
    }

    /// What was lost, with what was not read.
    pub(super) fn total(&self) -> Losses {
        let mut lost = self.tally;
        lost[Reason::Unread] += self.unread.records;
        lost
    }
}

/// Why a record of so many bytes is lost that found no space, as far as is known before its end.
pub(super) fn reason_of_length(bytes: u64, capacity: u64) -> Reason {
    if bytes > capacity {
        Reason::Oversize
    } else {
        Reason::QueueFull
    }
}
