//! Bytes as a trace file: refused with a place, or lines that survive being written and read, and
//! that can be shown.

use crate::trace::{Filter, Recording, write_ndjson, write_text};

pub(super) fn trace_reader(bytes: &[u8]) {
    let recording = match Recording::read(bytes) {
        Ok(recording) => recording,
        Err(unreadable) => {
            let (line, column) = unreadable.at;
            assert!(line >= 1 && column >= 1 && !unreadable.what.is_empty());
            return;
        }
    };
    let all = Filter {
        choices: true,
        ..Filter::default()
    };
    let Recording { header, lines } = &recording;
    let mut written = Vec::new();
    write_ndjson(&mut written, header, lines.iter().cloned(), &all).expect("memory");
    let again = Recording::read(&written);
    let again = again.unwrap_or_else(|error| panic!("what was written is refused: {error}"));
    assert_eq!(again, recording);
    // As many nodes as a header may name would make lines of a quarter of a megabyte.
    let some = Filter {
        nodes: vec![0, 1],
        ..all
    };
    let mut text = Vec::new();
    write_text(&mut text, header, lines.iter().cloned(), &some).expect("memory");
    assert!(String::from_utf8(text).expect("text").lines().count() >= 1);
}
