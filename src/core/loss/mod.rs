//! What is lost.

pub mod dead_letters;
pub mod gaps;
pub mod marker;
pub mod sent;
