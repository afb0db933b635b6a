//! What the loop sees of the output beside the account, for displays that ask for it.
//!
//! Refuses to cost anything where nobody asked: then it is one comparison a turn.

use std::io::IoSlice;
use std::time::Duration;

use super::output_tail::OutputTail;
use crate::config::display;
use crate::core::snapshot::{Seen, Snapshot};
use crate::delimiters::Delimiters;

/// See the module's header.
#[derive(Debug)]
pub(super) struct OutputObserver {
    first_output: Option<Duration>,
    tail: Option<OutputTail>,
}

impl OutputObserver {
    /// Remembers what `wanted` says; records end with `delimiters`.
    pub(super) fn new(wanted: display::TailNeeds, delimiters: Delimiters) -> OutputObserver {
        let delimiters = wanted.previous_line.then_some(delimiters);
        OutputObserver {
            first_output: None,
            tail: wanted
                .is_wanted()
                .then(|| OutputTail::new(wanted.last_written, delimiters)),
        }
    }

    /// So many bytes went out up to `now`.
    pub(super) fn note(&mut self, output_bytes: u64, now: Duration) {
        if self.first_output.is_none() && output_bytes > 0 {
            self.first_output = Some(now);
        }
    }

    /// The first `count` bytes of `parts` were taken by the output.
    pub(super) fn wrote(&mut self, parts: &[IoSlice<'_>], count: usize) {
        let Some(tail) = &mut self.tail else {
            return;
        };
        let mut rest = count;
        for part in parts {
            let taken = part.len().min(rest);
            tail.wrote(&part[..taken]);
            rest -= taken;
        }
    }

    /// Adds what was seen to `snapshot`, with what is `unread` in the consumer's pipe.
    pub(super) fn complete(&self, mut snapshot: Snapshot, unread: u64) -> Snapshot {
        let tail = self.tail.as_ref();
        snapshot.seen = Seen {
            unread,
            first_output: self.first_output,
            last_written: tail.map_or_else(Vec::new, |tail| tail.last().to_vec()),
            previous_line: tail.map_or_else(Vec::new, |tail| tail.previous_line().to_vec()),
        };
        snapshot
    }
}
