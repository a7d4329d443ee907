//! Every kept input of every fuzz target of the engine, and random ones, through the target; and
//! what decoders ask of memory meanwhile. One test, so that no other thread allocates.

use std::{alloc::System, fs, panic::catch_unwind, path::Path};

use engine::fuzz::{DECODERS, TARGETS};
use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config, TestRunner},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Random inputs per target, beside the kept ones.
const RANDOM: u32 = 60;

fn run(name: &str, target: fn(&[u8]), bytes: &[u8]) {
    for decoder in DECODERS.iter().filter(|decoder| decoder.target == name) {
        let region = Region::new(ALLOCATOR);
        (decoder.decode)(bytes);
        decoder.allows(bytes, region.change().bytes_allocated);
    }
    target(bytes);
}

/// Fewer cases than usual, for there are many targets; `PROPTEST_CASES` says otherwise.
fn config() -> Config {
    let config = Config::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { config.cases } else { RANDOM };
    Config { cases, ..config }
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
        let passed = TestRunner::new(config()).run(&vec(any::<u8>(), 0..400), |bytes| {
            run(name, *target, &bytes);
            Ok(())
        });
        assert_eq!(passed, Ok(()), "{name}");
    }
}
