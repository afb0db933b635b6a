//! What the live line shows: a snapshot becomes parts, in hwm's own form or in that of pv's switches (`pv`), and
//! these are fitted to the width.
//!
//! Refuses to draw (`live` does) and to know the command line. What pv shows of its transfer buffer
//! is here what hwm holds.
//!
//! ```text
//! renderer       composes the line         view       all that a part may show
//! parts      parts of a line, fitted to a width
//! own        hwm's own line
//! progress   rates, averages, shares
//! amount     numbers
//! gauge, sparkline     the buffer, and the last minute
//! ```

pub(crate) mod amount;
pub(crate) mod gauge;
mod own;
#[cfg(test)]
mod own_tests;
pub(crate) mod parts;
mod progress;
mod renderer;
mod sparkline;
#[cfg(test)]
mod tests;
pub(crate) mod view;

pub use renderer::Renderer;
pub use view::{Abilities, DEFAULT_WIDTH, taken};
