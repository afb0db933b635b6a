//! Pull instead of push: what the consumer has asked for and not got yet (`--demand`).
//!
//! The rules are those of Reactive Streams: never more goes out than was asked for (1.1), what was asked
//! for adds up (3.8), asking for nothing or less is an error (3.9; the reader of the grants finds that one),
//! and so much that 64 bits do not hold it is as good as no limit (3.17).
//!
//! Knows no lines and no descriptors: grants come in one by one.

use crate::config::Amount;

/// One thing that the consumer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// So much more; at least 1.
    More(Amount),
    /// All there is, and will be.
    All,
}

/// See the module's header. The default has been asked for nothing.
#[derive(Debug, Default)]
pub struct Demand {
    /// What is left of what was asked for; None before the first grant.
    left: Option<Left>,
    has_ended: bool,
}

#[derive(Debug, Clone, Copy)]
enum Left {
    Bytes(u64),
    Records(u64),
    All,
}

/// Bytes were asked for after records, or records after bytes: nobody knows what goes first.
#[derive(Debug, PartialEq, Eq)]
pub struct MixedUnits;

impl Demand {
    /// More was asked for.
    ///
    /// # Errors
    ///
    /// [`MixedUnits`].
    pub fn grant(&mut self, grant: Grant) -> Result<(), MixedUnits> {
        self.left = Some(match (self.left, grant) {
            (Some(Left::All), _) | (_, Grant::All) => Left::All,
            (None, Grant::More(Amount::Bytes(more))) => Left::Bytes(more),
            (None, Grant::More(Amount::Records(more))) => Left::Records(more),
            (Some(Left::Bytes(left)), Grant::More(Amount::Bytes(more))) => {
                Left::Bytes(left.saturating_add(more))
            }
            (Some(Left::Records(left)), Grant::More(Amount::Records(more))) => {
                Left::Records(left.saturating_add(more))
            }
            _ => return Err(MixedUnits),
        });
        Ok(())
    }

    /// Who asked is gone. What was asked for stays where nobody can ask anew.
    pub fn withdraw(&mut self) {
        if self.has_ended {
            return;
        }
        self.left = match self.left {
            Some(Left::Bytes(_)) => Some(Left::Bytes(0)),
            Some(Left::Records(_)) => Some(Left::Records(0)),
            Some(Left::All) | None => None,
        };
    }

    /// Nothing more will be asked for.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    /// Whether more may be asked for.
    pub fn goes_on(&self) -> bool {
        !self.has_ended
    }

    /// Whether anything may go out.
    pub fn is_open(&self) -> bool {
        !matches!(
            self.left,
            None | Some(Left::Bytes(0)) | Some(Left::Records(0))
        )
    }

    /// Whether nothing can ever go out again.
    pub fn is_over(&self) -> bool {
        self.has_ended && !self.is_open()
    }

    /// How many bytes may go out, as far as that is limited in bytes.
    pub fn bytes(&self) -> u64 {
        match self.left {
            Some(Left::Bytes(left)) => left,
            _ => u64::MAX,
        }
    }

    /// How many records may be completed, as far as that is limited in records.
    pub fn records(&self) -> Option<u64> {
        match self.left {
            Some(Left::Records(left)) => Some(left),
            _ => None,
        }
    }

    /// So many bytes went out, and with them the ends of so many records.
    pub fn spend(&mut self, bytes: u64, records: u64) {
        match &mut self.left {
            Some(Left::Bytes(left)) => *left -= bytes,
            Some(Left::Records(left)) => *left -= records,
            Some(Left::All) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn records(count: u64) -> Grant {
        Grant::More(Amount::Records(count))
    }

    const fn bytes(count: u64) -> Grant {
        Grant::More(Amount::Bytes(count))
    }

    #[test]
    fn nothing_goes_out_before_it_was_asked_for_rule_1_1() {
        let mut demand = Demand::default();
        assert!(!demand.is_open());
        demand.grant(records(2)).unwrap();
        assert!(demand.is_open());
        demand.spend(100, 1);
        assert_eq!(demand.records(), Some(1));
        demand.spend(100, 1);
        assert!(!demand.is_open());
    }

    #[test]
    fn what_is_asked_for_adds_up_rule_3_8() {
        let mut demand = Demand::default();
        demand.grant(bytes(10)).unwrap();
        demand.spend(4, 1);
        demand.grant(bytes(10)).unwrap();
        assert_eq!((demand.bytes(), demand.records()), (16, None));
    }

    #[test]
    fn more_than_64_bits_is_no_limit_rule_3_17() {
        let mut demand = Demand::default();
        demand.grant(records(u64::MAX)).unwrap();
        demand.grant(records(u64::MAX)).unwrap();
        assert_eq!(demand.records(), Some(u64::MAX));
        demand.grant(Grant::All).unwrap();
        demand.grant(bytes(1)).unwrap();
        assert_eq!((demand.bytes(), demand.records()), (u64::MAX, None));
    }

    #[test]
    fn one_run_counts_in_one_unit() {
        let mut demand = Demand::default();
        demand.grant(records(1)).unwrap();
        assert_eq!(demand.grant(bytes(1)), Err(MixedUnits));
        assert_eq!(demand.records(), Some(1), "nothing changed");
    }

    #[test]
    fn who_goes_takes_its_requests_along() {
        let mut demand = Demand::default();
        demand.grant(records(5)).unwrap();
        demand.withdraw();
        assert!(!demand.is_open());
        assert_eq!(
            demand.grant(bytes(1)),
            Err(MixedUnits),
            "it is still one run"
        );
        demand.grant(records(2)).unwrap();
        assert_eq!(demand.records(), Some(2));
        demand.grant(Grant::All).unwrap();
        demand.withdraw();
        assert!(!demand.is_open());
    }

    #[test]
    fn what_was_asked_for_last_stays_for_who_follows() {
        let mut demand = Demand::default();
        demand.grant(records(5)).unwrap();
        demand.end();
        demand.withdraw();
        assert_eq!(demand.records(), Some(5));
    }

    #[test]
    fn it_is_over_when_it_ended_and_all_was_given() {
        let mut demand = Demand::default();
        demand.grant(records(1)).unwrap();
        demand.end();
        assert!(!demand.goes_on() && !demand.is_over());
        demand.spend(5, 1);
        assert!(demand.is_over());
    }
}
