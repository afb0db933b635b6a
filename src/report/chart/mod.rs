//! `--chart`: a run as a picture, drawn when it is over.
//!
//! Refuses to write it, and to know more of the run than accounts: these are pure.
//!
//! ```text
//! history    what a run was like over time, in a bounded number of points
//! columns    the same as the columns of a picture
//! axis       axes
//! draw       the picture
//! ```

mod axis;
mod columns;
mod draw;
mod history;

pub use draw::draw;
pub use history::History;

#[cfg(test)]
mod tests;
