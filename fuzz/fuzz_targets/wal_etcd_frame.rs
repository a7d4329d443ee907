//! `wal_etcd_frame` of `engine::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("wal_etcd_frame", bytes));
