//! Measures the memory of long runs whose nodes remove old blocks. Prints nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Bench, Ending, Row, bench::plan, clock};
use crate::{
    nemesis::CryptoMode,
    outcome::{RunOptions, Verdict},
    runtime,
};

/// How many blocks each node keeps.
const RETAINED: u64 = 100;
/// Budget of the shortest run, in KiB.
const FIRST: u64 = 32 << 10;

/// The runs get longer, because the system only tells the most memory ever used. The first has a
/// budget of its own; the others may need a twentieth more than it.
const LONG: [(&str, u64); 4] = [
    ("resident memory, 4 validators, 200 heights", 200),
    ("resident memory, 4 validators, 1,000 heights", 1_000),
    ("resident memory, 4 validators, 2,000 heights", 2_000),
    ("resident memory, 4 validators, 10,000 heights", 10_000),
];

/// Measures ever longer runs; `on` hears of each before it begins.
#[must_use]
pub fn bench_long(stop: &AtomicBool, mut on: impl FnMut(&'static str)) -> Bench {
    let mut bench = Bench {
        rows: Vec::new(),
        optimised: !cfg!(debug_assertions),
        interrupted: false,
        broken: Vec::new(),
    };
    for (what, heights) in LONG {
        if stop.load(Ordering::Relaxed) {
            bench.interrupted = true;
            break;
        }
        on(what);
        let mut plan = plan(4, heights, CryptoMode::Ideal);
        plan.retain_blocks = Some(RETAINED);
        // Twice, because the allocator keeps what the first thread used beside the second's.
        for _ in 0..2 {
            let outcome = runtime::run(&plan, RunOptions::default());
            if outcome.verdict != Verdict::Pass {
                bench.broken.push((what, Ending::of(outcome.verdict)));
            }
        }
        let first = bench.rows.first().and_then(|row| row.measured);
        bench.rows.push(Row {
            what,
            measured: clock::peak_rss_kib(),
            budget: Some(first.map_or(FIRST, |first| first + first / 20)),
            at_least: false,
            unit: "KiB",
        });
    }
    bench
}
