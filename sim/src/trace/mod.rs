//! Traces: events, their digest, and how they are written, read and compared.
mod digest;
mod event;
mod line;
mod read;
mod write;

pub use digest::{Digest, first_difference};
pub use event::{Event, Part, What};
pub use line::{Detail, Line, Node};
pub use read::{Recording, Unreadable, first_different_line};
pub(crate) use write::seconds;
pub use write::{Filter, Header, lines, write_ndjson, write_text};

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
