//! Bytes into the wire decoder: no panic, and whatever decodes encodes to itself.
#![no_main]

use engine::codec::{Frame, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(contents) = decode(bytes) {
        let again = Frame::encode(contents.channel, contents.messages.into_vec());
        assert_eq!(
            again.bytes(),
            bytes,
            "a second encoding of the same messages"
        );
    }
});
