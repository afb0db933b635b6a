//! The text of a mark, and how much of it went out.
//!
//! Refuses to decide when a mark is due: `outlet` does.

use std::time::Duration;

use crate::config::{Mark, MarkPiece};
use crate::core::account::Tally;
use crate::units;

/// The marks of a relay.
pub struct Marker {
    pub(crate) template: Mark,
    pub(crate) every: Option<Duration>,
    pub(crate) delimiter: u8,
    /// The mark that goes out next, from `written` on; empty when there is none.
    pub(crate) text: Vec<u8>,
    pub(crate) written: usize,
    /// A byte of `text` went out or is under way: it can't change any more, and its gap is gone.
    pub(crate) is_partial: bool,
    /// `text` tells of the gap at the head, too.
    pub(crate) is_of_gap: bool,
    /// What is missing at gaps that were passed without a mark.
    pub(crate) unmarked: Tally,
    /// No mark begins before that.
    pub(crate) rests_until: Option<Duration>,
}

/// The mark that comes next, as far as is known.
pub struct Due {
    pub(crate) lost: Tally,
    /// The gap at the head is part of it.
    pub(crate) is_of_gap: bool,
}

impl Marker {
    pub(crate) fn new(template: Mark, every: Option<Duration>, delimiter: u8) -> Self {
        Self {
            template,
            every,
            delimiter,
            text: Vec::new(),
            written: 0,
            is_partial: false,
            is_of_gap: false,
            unmarked: Tally::default(),
            rests_until: None,
        }
    }

    /// Whether a part of a mark went out.
    pub(crate) fn is_amid(&self) -> bool {
        self.written > 0
    }

    /// What is still to go out of the one that goes next.
    pub(crate) fn left(&self) -> &[u8] {
        &self.text[self.written..]
    }

    /// Writes the text for what is missing; behind a record without its delimiter it needs one.
    pub(crate) fn compose(&mut self, Due { lost, is_of_gap }: Due, behind_bare_tail: bool) {
        self.text.clear();
        self.written = 0;
        self.is_of_gap = is_of_gap;
        self.text.extend(behind_bare_tail.then_some(self.delimiter));
        for piece in &self.template.0 {
            match piece {
                MarkPiece::Text(text) => self.text.extend_from_slice(text.as_bytes()),
                MarkPiece::Records => self.text.extend(lost.records.to_string().bytes()),
                MarkPiece::Bytes => self.text.extend(lost.bytes.to_string().bytes()),
                MarkPiece::Plural if lost.records == 1 => {}
                MarkPiece::Plural => self.text.push(b's'),
                MarkPiece::Size => self.text.extend(units::size(lost.bytes).bytes()),
            }
        }
        self.text.push(self.delimiter);
    }

    /// So many bytes of the partly written mark went out.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count;
        if self.left().is_empty() {
            self.text.clear();
            self.written = 0;
            self.is_partial = false;
        }
    }
}
