//! `scenario_toml` of `sim::fuzz`.
#![no_main]

use sim::fuzz::TARGETS;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run(TARGETS, "scenario_toml", bytes));
