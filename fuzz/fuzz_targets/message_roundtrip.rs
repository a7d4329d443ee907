//! `message_roundtrip` of `engine::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("message_roundtrip", bytes));
