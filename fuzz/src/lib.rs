//! What all fuzz targets share: finding the body by its name, a counting allocator that holds
//! decoders to their limits, and the ways between states of the protocol as extra counters.

use std::{
    alloc::System,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use engine::fuzz::{DECODERS, Decoder, MARKS, Target, take_marks};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The targets with live validators.
const WALKERS: [&str; 3] = ["consensus_inputs", "gossip_receive", "schedule"];

/// libFuzzer reads this section after each input and wipes it before the next, like its own counters
/// of branches.
#[expect(
    unsafe_code,
    reason = "bytes of no other meaning, in a section that libFuzzer names"
)]
#[cfg_attr(
    target_os = "linux",
    unsafe(link_section = "__libfuzzer_extra_counters")
)]
#[used]
static WAYS: [AtomicU8; MARKS] = [const { AtomicU8::new(0) }; MARKS];

/// Shows libFuzzer which ways were taken, unless the environment has `WITHOUT_WAYS`, to measure
/// what they are good for.
fn show_ways() {
    static SHOWN: OnceLock<bool> = OnceLock::new();
    let shown = *SHOWN.get_or_init(|| std::env::var_os("WITHOUT_WAYS").is_none());
    take_marks(|at| WAYS[at].store(u8::from(shown), Ordering::Relaxed));
}

/// The body of a target, and its decoder if its memory is measured.
type Found = (Target, Option<&'static Decoder>);

fn find(targets: &[(&str, Target)], name: &str) -> Found {
    let found = targets.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("no target is called {name}"));
    let decoder = DECODERS.iter().find(|decoder| decoder.target == name);
    (*target, decoder)
}

/// Runs the only target of this process, one of the engine's or the simulator's. They are named by
/// the program, so that one without the simulator has no counters of its branches, which libFuzzer
/// would look through after each input.
///
/// # Panics
/// If the target finds something, or there is none of this name.
pub fn run(targets: &[(&str, Target)], name: &str, bytes: &[u8]) {
    static FOUND: OnceLock<Found> = OnceLock::new();
    let (target, decoder) = *FOUND.get_or_init(|| find(targets, name));
    if let Some(decoder) = decoder {
        let region = Region::new(ALLOCATOR);
        (decoder.decode)(bytes);
        decoder.allows(bytes, region.change().bytes_allocated);
    }
    target(bytes);
    if WALKERS.contains(&name) {
        show_ways();
    }
}
