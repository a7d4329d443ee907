//! `scenario_toml` of `sim::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("scenario_toml", bytes));
