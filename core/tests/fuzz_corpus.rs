//! Every kept input of every fuzz target of the engine, and some random ones, through the target;
//! and what decoders ask of memory meanwhile. One test, so that no other thread allocates.

use std::{alloc::System, fs, panic::catch_unwind, path::Path};

use engine::fuzz::{DECODERS, TARGETS};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Random inputs per target, beside the kept ones.
const RANDOM: u64 = 60;

fn run(name: &str, target: fn(&[u8]), bytes: &[u8]) {
    for decoder in DECODERS.iter().filter(|decoder| decoder.target == name) {
        let region = Region::new(ALLOCATOR);
        (decoder.decode)(bytes);
        let (asked, limit) = (region.change().bytes_allocated, (decoder.limit)(bytes));
        assert!(
            asked <= limit,
            "{asked} bytes asked for, {limit} are allowed"
        );
    }
    target(bytes);
}

/// Bytes of all lengths up to 400: a xorshift generator from a seed.
fn random(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let len = usize::from(next()) + usize::from(next()) / 2;
    (0..len).map(|_| next()).collect()
}

#[test]
fn every_kept_input_passes_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/fuzz");
    for (name, target) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("corpus/fuzz/{name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        for path in files {
            let bytes = fs::read(&path).unwrap();
            let passed = catch_unwind(|| run(name, *target, &bytes));
            assert!(passed.is_ok(), "{}", path.display());
        }
        for seed in 0..RANDOM {
            let passed = catch_unwind(|| run(name, *target, &random(seed)));
            assert!(passed.is_ok(), "{name}: random input {seed}");
        }
    }
}
