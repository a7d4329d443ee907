//! What all fuzz targets share: finding the body by its name, and a counting allocator that holds
//! decoders to their limits.

use std::{alloc::System, sync::OnceLock};

use engine::fuzz::{DECODERS, Decoder, Target};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The body of a target, and its decoder if its memory is measured.
type Found = (Target, Option<&'static Decoder>);

fn find(name: &str) -> Found {
    let mut targets = engine::fuzz::TARGETS.iter().chain(sim::fuzz::TARGETS);
    let found = targets.find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("no target is called {name}"));
    let decoder = DECODERS.iter().find(|decoder| decoder.target == name);
    (*target, decoder)
}

/// Runs the only target of this process.
///
/// # Panics
/// If the target finds something, or there is none of this name.
pub fn run(name: &str, bytes: &[u8]) {
    static FOUND: OnceLock<Found> = OnceLock::new();
    let (target, decoder) = *FOUND.get_or_init(|| find(name));
    if let Some(decoder) = decoder {
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
