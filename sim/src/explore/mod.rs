//! Runs plans: one, one twice, a range of seeds, or those that measure speed.
//!
//! The only room that owns threads and looks at real clocks. Neither reaches a run: what a run
//! finds depends on its plan alone, and what a sweep finds on its seeds alone.

mod bench;
mod bench_log;
mod bench_long;
mod bench_oracles;
mod clock;
mod counts;
mod crash_everywhere;
mod ending;
mod markers;
mod sweep;

pub use bench::{Bench, Row, bench};
pub use bench_log::bench_log;
pub use bench_long::bench_long;
pub use bench_oracles::bench_oracles;
pub use clock::Stopwatch;
pub use counts::Counts;
pub use crash_everywhere::{CrashPoint, CrashPoints};
pub use ending::Ending;
pub use markers::{Hits, Markers};
pub use sweep::{Failure, SeedRun, Snapshot, Summary, Sweep, SweepEvent, sweep};

use crate::{
    nemesis::{CryptoMode, Overrides, Plan, draw},
    outcome::{Outcome, RunOptions},
    runtime,
    trace::{Event, Line, first_difference},
};

/// A run and what it took.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What it found.
    pub outcome: Outcome,
    /// Real milliseconds.
    pub wall_ms: u64,
    /// Where a second run of the same plan went another way.
    pub difference: Option<Difference>,
}

/// Two runs of one plan that were not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The digests of both.
    pub digests: [String; 2],
    /// The number of the first event that differs; `None` if it did not come back.
    pub event: Option<u64>,
    /// That event in both runs.
    pub facts: Vec<String>,
}

impl Finished {
    /// How the run ended, both runs taken together if there were two.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let ending = Ending::of(self.outcome.verdict);
        match &self.difference {
            Some(_) => ending.worse(Ending::NotDeterministic),
            None => ending,
        }
    }
}

/// Runs a plan, and with `check` a second time without the containment to compare the digests.
#[must_use]
pub fn run_one(plan: &Plan, options: RunOptions, check: bool) -> Finished {
    let watch = Stopwatch::start();
    let outcome = runtime::run(plan, options);
    let wall_ms = watch.wall_ms();
    let difference = check.then(|| compare(plan, &outcome)).flatten();
    Finished {
        outcome,
        wall_ms,
        difference,
    }
}

/// The two ways in which a plan must run the same.
const CONTAINED: RunOptions = RunOptions {
    trace: false,
    plain: false,
    without: &[],
};
const PLAIN: RunOptions = RunOptions {
    trace: false,
    plain: true,
    without: &[],
};

fn compare(plan: &Plan, first: &Outcome) -> Option<Difference> {
    let second = runtime::run(plan, PLAIN);
    if first.digest == second.digest {
        return None;
    }
    let traced = |options: RunOptions| {
        let trace = true;
        runtime::run(plan, RunOptions { trace, ..options }).trace
    };
    let (a, b) = (traced(CONTAINED), traced(PLAIN));
    let place = first_difference(&a, &b);
    let facts = match place {
        Some(place) => vec![fact("contained", a.get(place)), fact("plain", b.get(place))],
        None => vec!["traced again, both runs were the same".to_owned()],
    };
    Some(Difference {
        digests: [first.digest.clone(), second.digest],
        event: place.map(|place| place as u64),
        facts,
    })
}

fn fact(run: &str, event: Option<&Event>) -> String {
    let text = event.map_or("nothing more".to_owned(), |event| Line::of(event).json());
    format!("{run}: {text}")
}

/// Every so many seeds a sweep runs one with real signatures too.
const REAL_CRYPTO_EVERY: u64 = 16;

/// How a sweep runs a seed: with ideal signatures unless the overrides say otherwise, and every
/// 16th seed with real ones too; the first that does not pass counts.
///
/// # Errors
/// Why the seed has no plan under these overrides.
pub fn run_seed(
    seed: u64,
    overrides: &Overrides,
    (options, check): (RunOptions, bool),
) -> Result<SeedRun, String> {
    let with = |crypto| Overrides {
        crypto: Some(crypto),
        ..overrides.clone()
    };
    let crypto = overrides.crypto.unwrap_or(CryptoMode::Ideal);
    let plan = draw(seed, &with(crypto))?;
    let mut run = SeedRun::new(seed, run_one(&plan, options, check));
    let both = overrides.crypto.is_none() && seed.is_multiple_of(REAL_CRYPTO_EVERY);
    if both && run.failure.is_none() {
        let plan = draw(seed, &with(CryptoMode::Ed25519))?;
        run.add(run_one(&plan, options, check));
    }
    Ok(run)
}
