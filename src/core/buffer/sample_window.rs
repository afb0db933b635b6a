//! Records set aside until their window ends, when they go into the queue together in the order in
//! which they came. They are held like those in the queue; the relay counts them.
//!
//! Which record takes whose place is the policy's; neither windows nor limits are known here.

use std::mem;
use std::time::Duration;

use crate::core::account::Tally;
use crate::memory::{self, Allowance};

struct Place {
    /// Of the record in it, in the order of arrival.
    number: u64,
    record: Box<[u8]>,
}

/// The record whose place another took.
pub type Former = Option<Box<[u8]>>;

/// See the module's header.
#[derive(Default)]
pub struct SampleWindow {
    places: Vec<Place>,
    bytes: u64,
    arrived: u64,
    until: Duration,
    allowance: Allowance,
}

/// What a record takes beside its bytes: its place, and the allocator's part.
const BESIDES: usize = size_of::<Place>() + 16;

impl SampleWindow {
    /// What is set aside.
    pub fn held(&self) -> Tally {
        Tally {
            bytes: self.bytes,
            records: self.places.len() as u64,
        }
    }

    /// When the window ends; None when nothing waits for it.
    pub fn until(&self) -> Option<Duration> {
        (!self.places.is_empty()).then_some(self.until)
    }

    /// Memory taken, in bytes.
    pub fn memory(&self) -> usize {
        self.places.capacity() * size_of::<Place>() + self.bytes as usize
    }

    /// Sets a record aside until a moment, in a place of its own or in one that is given up, by its
    /// number from 0; returns the record that left with that. Fails when there is no memory.
    pub fn put(
        &mut self,
        record: &[u8],
        instead_of: Option<usize>,
        until: Duration,
    ) -> Result<Former, NoMemory> {
        // Where memory was short a place that the policy counts on may be missing.
        let former = instead_of.filter(|index| *index < self.places.len());
        let has_place = former.is_some() || self.has_place();
        if !has_place || !self.allowance.take(record.len() + BESIDES) {
            return Err(NoMemory);
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(record.len()).map_err(|_| NoMemory)?;
        copy.extend_from_slice(record);
        let place = Place {
            number: self.arrived,
            record: copy.into_boxed_slice(),
        };
        let left = match former {
            Some(former) => Some(mem::replace(&mut self.places[former], place).record),
            None => {
                self.places.push(place);
                None
            }
        };
        self.arrived += 1;
        self.until = until;
        self.bytes += record.len() as u64;
        self.bytes -= left.as_ref().map_or(0, |record| record.len() as u64);
        Ok(left)
    }

    /// Whether there is memory for a place more; it grows by as many as there are.
    fn has_place(&mut self) -> bool {
        let (used, taken) = (self.places.len(), self.places.capacity());
        used < taken
            || (memory::may_be_taken(2 * taken * size_of::<Place>())
                && self.places.try_reserve(1).is_ok())
    }

    /// Takes all records out, in the order in which they came.
    pub fn take(&mut self) -> impl Iterator<Item = Box<[u8]>> + use<> {
        self.bytes = 0;
        let mut places = mem::take(&mut self.places);
        places.sort_unstable_by_key(|place| place.number);
        places.into_iter().map(|place| place.record)
    }
}

/// The system has no memory left.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMemory;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_in_the_order_of_arrival_whatever_their_places() {
        let mut reservoir = SampleWindow::default();
        let end = Duration::from_secs(1);
        assert_eq!(reservoir.until(), None);
        assert_eq!(reservoir.put(b"one\n", None, end), Ok(None));
        assert_eq!(reservoir.put(b"two\n", None, end), Ok(None));
        assert_eq!(
            reservoir.put(b"three\n", Some(0), end),
            Ok(Some(b"one\n"[..].into()))
        );
        assert_eq!(reservoir.until(), Some(end));
        let held = reservoir.held();
        assert_eq!((held.bytes, held.records), (10, 2));
        let out: Vec<u8> = reservoir.take().flatten().collect();
        assert_eq!(out, b"two\nthree\n");
        assert_eq!(reservoir.held(), Tally::default());
        assert_eq!(reservoir.until(), None);
    }

    #[test]
    fn a_place_that_is_missing_is_made() {
        let mut reservoir = SampleWindow::default();
        assert_eq!(reservoir.put(b"one\n", Some(3), Duration::ZERO), Ok(None));
        assert_eq!(reservoir.held().records, 1);
    }
}
