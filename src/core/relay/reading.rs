//! What to read: never more than may be held, and where records may be lost no more than loses nothing while
//! the consumer keeps up.
//!
//! Refuses to change anything: a wish follows from the state.

use super::Relay;
use super::plan::ReadWish;
use crate::config::{Amount, Policy};
use crate::core::buffer::queue::CHUNK;

/// What may be lost is read at least so many bytes at a time.
const LEAST: u64 = 4096;

impl Relay {
    /// What to read.
    pub fn read_wish(&self) -> ReadWish {
        if !self.lifecycle.is_running() {
            return ReadWish::Nothing;
        }
        if self.lifecycle.eof_grace.is_some() {
            return ReadWish::Watch;
        }
        if self.sink.is_some() {
            return self.up_to(CHUNK as u64);
        }
        // Each byte may be a record.
        let records = self.records_left().unwrap_or(u64::MAX);
        let space = (self.config.capacity - self.held()).min(records);
        let most = match self.config.policy {
            _ if self.admission.sheds() => match self.shedding_wish(space) {
                0 => return ReadWish::Nothing,
                most => most,
            },
            Policy::Block if self.pressure.is_pressured() => return ReadWish::Nothing,
            Policy::Fail if space == 0 => return ReadWish::Watch,
            _ => space,
        };
        self.up_to(most)
    }

    /// So many bytes, and not beyond the end that was told.
    fn up_to(&self, most: u64) -> ReadWish {
        let most = match self.config.stop_after {
            Some(Amount::Bytes(end)) => most.min(end - self.meter.input.bytes),
            _ => most,
        };
        ReadWish::UpTo(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// How much to read where records may be lost.
    fn shedding_wish(&self, space: u64) -> u64 {
        // Whose beginning went out must go out whole: what of it finds no space can't be passed over.
        if self.arrival_is_partial() {
            return space;
        }
        // While the consumer takes what it is offered, no more than fits, so that it gets its turn
        // before anything is lost.
        if space > 0 && !self.allowance.is_blocked && self.loss.discarding.is_none() {
            return self.untroubled_wish(space);
        }
        // Behind the end of a lost record come others.
        if space >= LEAST && !self.allowance.is_blocked {
            return space;
        }
        // Never stops reading: what does not fit is judged where it lands. With a small buffer the
        // reads are small too.
        self.config.capacity.max(LEAST)
    }

    /// How much to read while the consumer takes all it is offered: no more than stays below the mark at which
    /// records are lost, so that a burst which would only pass through loses nothing. Where a record
    /// alone reaches that mark, it comes whole all the same.
    fn untroubled_wish(&self, space: u64) -> u64 {
        if !self.allowance.has_credit || !self.allowance.is_asked_for() {
            return space;
        }
        let below = |mark: u64| mark.saturating_sub(self.held() + 1);
        // A policy that judges while flowing goes by what was held of late, from L on.
        let below_low = match self.judges() {
            true => below(self.config.low_water),
            false => 0,
        };
        let mut spaces = [below_low, below(self.config.high_water)].into_iter();
        spaces
            .find(|below| *below > 0)
            .map_or(space, |below| space.min(below))
    }

    /// Whether what can leave has to make space before anything is read: not a byte more can be held, or
    /// what is read may be lost.
    pub fn writes_first(&self) -> bool {
        let is_full = self.held() == self.config.capacity || self.is_full_of_records();
        is_full || self.admission.sheds() && self.pressure.is_pressured()
    }
}
