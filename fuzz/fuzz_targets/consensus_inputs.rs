//! `consensus_inputs` of `engine::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("consensus_inputs", bytes));
