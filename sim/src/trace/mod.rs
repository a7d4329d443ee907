//! Traces: events, their digest, and how they are written.
mod digest;
mod event;
pub use digest::Digest;
pub use event::{Event, What};
