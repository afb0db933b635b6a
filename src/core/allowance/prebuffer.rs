//! What the first write waits for (`--start-fill`): so much held, or a time since the first byte.
//!
//! ```text
//!                  the first byte             so much is held, or it took too long
//!   AwaitsInput ------------------> Filling --------------------------------------> Over
//! ```
//!
//! Refuses to begin anew: over is over, and so it is from the beginning where nothing is waited for.

use std::time::Duration;

use crate::config::StartFill;

/// See the module's header.
#[derive(Debug)]
pub enum Prebuffer {
    /// Nothing has come.
    AwaitsInput(StartFill),
    /// Something has.
    Filling {
        /// So many bytes end it.
        held: u64,
        /// Or this moment.
        until: Duration,
    },
    /// Nothing is waited for.
    Over,
}

impl Prebuffer {
    /// Waits for `wanted`, if for anything.
    pub fn new(wanted: Option<StartFill>) -> Self {
        wanted.map_or(Prebuffer::Over, Prebuffer::AwaitsInput)
    }

    /// Whether what is held may go out.
    pub fn is_over(&self) -> bool {
        matches!(self, Prebuffer::Over)
    }

    /// When it is over, however little is held.
    pub fn until(&self) -> Option<Duration> {
        match self {
            Prebuffer::Filling { until, .. } => Some(*until),
            Prebuffer::AwaitsInput(_) | Prebuffer::Over => None,
        }
    }

    /// More is held: `held` bytes. A buffer that can hold no more records is full, whatever its bytes.
    pub fn grew(&mut self, held: u64, is_full: bool, now: Duration) {
        if let Prebuffer::AwaitsInput(wanted) = self {
            *self = Prebuffer::Filling {
                held: wanted.held,
                until: now.saturating_add(wanted.timeout),
            };
        }
        if matches!(self, Prebuffer::Filling { held: wanted, .. } if is_full || held >= *wanted) {
            *self = Prebuffer::Over;
        }
    }
}
