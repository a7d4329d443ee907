//! `vote_set` of `engine::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("vote_set", bytes));
