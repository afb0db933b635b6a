//! Where records end, in bytes.
//!
//! 1. An end depends on the bytes alone, not on how they are cut into pieces.
//! 2. Positions are those behind the end, so that a record is what lies between two of them.
//!
//! Refuses to hold bytes: whoever has a piece asks about that piece.

use crate::config::RelayConfig;
use crate::delimiters::Delimiters;

/// See the module's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    delimiters: Option<Delimiters>,
}

impl Framing {
    /// The records that a relay knows of.
    pub fn of(config: &RelayConfig) -> Self {
        let delimiters = config.needs_records().then_some(config.delimiters);
        Self { delimiters }
    }

    /// Records end with this byte, which is a part of them.
    pub fn delimited(delimiter: u8) -> Self {
        Self {
            delimiters: Some(Delimiters::One(delimiter)),
        }
    }

    /// Bytes without records.
    pub fn none() -> Self {
        Self { delimiters: None }
    }

    /// What a record of our own ends with; None where there are no records.
    pub fn terminator(self) -> Option<u8> {
        self.delimiters.map(Delimiters::terminator)
    }

    /// Whether there are records.
    pub fn has_records(self) -> bool {
        self.delimiters.is_some()
    }

    /// Whether a record ends with the last of these bytes.
    pub fn ends_at(self, bytes: &[u8]) -> bool {
        let (Some(delimiters), Some(last)) = (self.delimiters, bytes.last()) else {
            return false;
        };
        delimiters.contains(*last)
    }

    /// A record without its end.
    pub fn content(self, record: &[u8]) -> &[u8] {
        match self.ends_at(record) {
            true => &record[..record.len() - 1],
            false => record,
        }
    }

    /// Bytes up to the first end; None when there is none.
    pub fn first_end(self, bytes: &[u8]) -> Option<usize> {
        self.delimiters?.find(bytes).map(|at| at + 1)
    }

    /// Bytes up to the last end; None when there is none.
    pub fn last_end(self, bytes: &[u8]) -> Option<usize> {
        self.delimiters?.rfind(bytes).map(|at| at + 1)
    }

    /// Bytes up to each end.
    pub fn ends(self, bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
        let delimiters = self.delimiters.into_iter();
        delimiters.flat_map(|delimiters| delimiters.find_iter(bytes).map(|at| at + 1))
    }

    /// How many ends there are.
    pub fn count(self, bytes: &[u8]) -> u64 {
        self.delimiters
            .map_or(0, |delimiters| delimiters.count(bytes))
    }

    /// How many ends there are, and how many bytes up to the last of them.
    pub fn survey(self, bytes: &[u8]) -> (u64, u64) {
        let end = self.last_end(bytes).unwrap_or(0);
        (self.count(bytes), end as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_lie_between_ends() {
        let lines = Framing::delimited(b'\n');
        let text = b"one\n\ntwo\nopen";
        assert_eq!(lines.ends(text).collect::<Vec<_>>(), [4, 5, 9]);
        assert_eq!(lines.first_end(text), Some(4));
        assert_eq!(lines.last_end(text), Some(9));
        assert_eq!(lines.survey(text), (3, 9));
        assert_eq!(lines.content(&text[..4]), b"one");
        assert_eq!(lines.content(&text[9..]), b"open");
        assert!(lines.ends_at(&text[..9]) && !lines.ends_at(text) && !lines.ends_at(b""));
    }

    #[test]
    fn bytes_without_records_have_no_ends() {
        let bytes = Framing::none();
        assert_eq!(bytes.survey(b"one\n"), (0, 0));
        assert_eq!(bytes.first_end(b"one\n"), None);
        assert_eq!(bytes.ends(b"one\n").count(), 0);
        assert!(!bytes.has_records() && !bytes.ends_at(b"\n"));
    }
}
