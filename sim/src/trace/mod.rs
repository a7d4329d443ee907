//! Traces: events, their digest, and how they are written.
mod digest;
mod event;
mod line;
mod write;

pub use digest::{Digest, first_difference};
pub use event::{Event, Part, What};
pub use line::{Detail, Line};
pub use write::{Filter, write_ndjson, write_text};

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
