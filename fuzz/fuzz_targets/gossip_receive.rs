//! `gossip_receive` of `engine::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("gossip_receive", bytes));
