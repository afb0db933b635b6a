//! What is held, in stream order.

mod class_levels;
mod extents;
mod fifo;
pub mod own_pipes;
pub mod queue;
pub mod sample_window;
