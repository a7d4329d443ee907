//! Traces: events, their digest, and how they are written.
mod event;
pub use event::{Event, What};
