//! How much may go out now.

pub mod demand;
pub mod pacer;
pub mod space;
