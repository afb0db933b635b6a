//! `priority`: while pressured, arrivals of the lowest class are lost; at C the oldest record of the
//! lowest class present leaves. For the few records that must arrive when not all can.
//!
//! A record that came only in part has no class yet: it takes the place of any but the most valuable
//! class, and is judged when it is complete. So none of that class is lost while any other could go.

use super::overflow::{OnFull, Overflow, Verdict, View};
use crate::classes::{Classes, Ranking};
use crate::core::account::Reason;
use crate::core::snapshot::State;

/// See the module's header.
pub struct Priority {
    classes: Classes,
}

impl Priority {
    /// With these classes.
    pub fn new(classes: Classes) -> Self {
        Self { classes }
    }
}

impl Overflow for Priority {
    fn on_full(&self) -> OnFull {
        OnFull::EvictLowest
    }

    fn ranking(&self) -> Option<&dyn Ranking> {
        Some(&self.classes)
    }

    fn reason(&self) -> Reason {
        Reason::Priority
    }

    fn judges(&self, state: State) -> bool {
        state == State::Pressured
    }

    fn judge(&mut self, view: &View) -> Verdict {
        match view.is_lowest {
            true => Verdict::Lose(Reason::Priority),
            false => Verdict::Stay,
        }
    }
}
