//! Measures what judging costs: runs are recorded, and their events judged again, by all oracles,
//! by none, and by each alone. Prints nothing.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{Bench, Ending, Row, Stopwatch};
use crate::{
    nemesis::{CryptoMode, Overrides, Plan, draw},
    oracle::{Judge, ORACLES},
    outcome::{Outcome, RunOptions, Verdict},
    runtime,
    world::{Cast, setup},
};

/// How many seeds are judged.
const SEEDS: u64 = 60;
/// What all oracles together may take of a run, in thousandths.
const BUDGET: u64 = 300;

/// Processor time of all seeds.
#[derive(Default)]
struct Spent {
    runs: Duration,
    all: Duration,
    none: Duration,
    /// By place in the table of oracles.
    alone: Vec<Duration>,
}

/// Judges the runs of the first seeds; `on` hears when it begins.
#[must_use]
pub fn bench_oracles(stop: &AtomicBool, mut on: impl FnMut(&'static str)) -> Bench {
    let mut bench = Bench {
        rows: Vec::new(),
        optimised: !cfg!(debug_assertions),
        interrupted: false,
        broken: Vec::new(),
    };
    on("what judging costs, 60 seeds");
    let mut spent = Spent {
        alone: vec![Duration::ZERO; ORACLES.len()],
        ..Spent::default()
    };
    let overrides = Overrides {
        crypto: Some(CryptoMode::Ideal),
        ..Overrides::default()
    };
    for seed in 0..SEEDS {
        if stop.load(Ordering::Relaxed) {
            bench.interrupted = true;
            break;
        }
        let Ok(plan) = draw(seed, &overrides) else {
            continue;
        };
        let verdict = spent.add(&plan);
        if verdict != Verdict::Pass {
            bench.broken.push(("a seed", Ending::of(verdict)));
        }
    }
    bench.rows = spent.rows();
    bench
}

impl Spent {
    /// Runs a plan, records it, and judges what was recorded.
    fn add(&mut self, plan: &Plan) -> Verdict {
        let watch = Stopwatch::start();
        let verdict = runtime::run(plan, RunOptions::default()).verdict;
        self.runs += watch.cpu();
        let traced = RunOptions {
            trace: true,
            ..RunOptions::default()
        };
        let recorded = runtime::run(plan, traced);
        let names: Vec<&'static str> = ORACLES.iter().map(|(name, ..)| *name).collect();
        self.all += judged(&recorded, Vec::new());
        self.none += judged(&recorded, names.clone());
        for (spent, only) in self.alone.iter_mut().zip(&names) {
            let others = names.iter().copied().filter(|name| name != only);
            *spent += judged(&recorded, others.collect());
        }
        verdict
    }

    fn rows(&self) -> Vec<Row> {
        let row = |what, spent: Duration, budget| Row {
            what,
            measured: Some(share(spent, self.runs)),
            budget,
            at_least: false,
            unit: "thousandths of a run",
        };
        let mut rows = vec![
            row("all oracles and what they know", self.all, Some(BUDGET)),
            row("what they know, alone", self.none, None),
        ];
        for ((name, ..), alone) in ORACLES.iter().zip(&self.alone) {
            rows.push(row(name, alone.saturating_sub(self.none), None));
        }
        rows
    }
}

/// How long judging what was recorded takes without some oracles.
fn judged(recorded: &Outcome, without: Vec<&'static str>) -> Duration {
    let plan = &recorded.plan;
    let mut setup = setup(plan, &Cast::new(plan.powers.len(), plan.crypto));
    setup.without = without;
    let mut judge = Judge::new(setup);
    let watch = Stopwatch::start();
    for event in &recorded.trace {
        // What a run passed once it passes again; what it did not pass is told with the run.
        let _ = judge.observe(event);
    }
    watch.cpu()
}

fn share(part: Duration, whole: Duration) -> u64 {
    let share = part.as_nanos() * 1_000 / whole.as_nanos().max(1);
    u64::try_from(share).unwrap_or(u64::MAX)
}
