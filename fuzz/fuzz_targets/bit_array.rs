//! `bit_array` of `engine::fuzz`.
#![no_main]

use engine::fuzz::TARGETS;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run(TARGETS, "bit_array", bytes));
