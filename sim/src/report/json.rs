//! The JSON objects. Their fields are a promise: nothing is renamed or removed without a new
//! schema.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    choice::Decision,
    explore::{Bench, Counts, Ending, Failure, Finished, Markers, Summary},
    scenario::{Recorded, SOURCE, Schedule},
};

#[derive(Serialize)]
pub(super) struct Run<'a> {
    schema: &'static str,
    seed: u64,
    verdict: &'static str,
    exit: u8,
    digest: &'a str,
    validators: usize,
    heights: u64,
    virtual_ms: u64,
    wall_ms: u64,
    messages_delivered: u64,
    faults: &'a BTreeMap<String, u64>,
    oracles: &'a BTreeMap<String, u64>,
    violations: Vec<Violation>,
}

#[derive(Serialize)]
struct Violation {
    oracle: &'static str,
    height: Option<u64>,
    nodes: Vec<String>,
    facts: Vec<String>,
    what: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    convicted: Vec<String>,
}

/// One run.
pub(super) fn run(finished: &Finished) -> Run<'_> {
    let outcome = &finished.outcome;
    let ending = finished.ending();
    Run {
        schema: "sim.run/1",
        seed: outcome.plan.seed,
        verdict: ending.name(),
        exit: ending.exit(),
        digest: &outcome.digest,
        validators: outcome.plan.powers.len(),
        heights: outcome.heights,
        virtual_ms: outcome.virtual_ms,
        wall_ms: finished.wall_ms,
        messages_delivered: outcome.messages_delivered,
        faults: &outcome.faults,
        oracles: &outcome.oracles,
        violations: violations(finished, ending),
    }
}

#[derive(Serialize)]
pub(super) struct Replayed<'a> {
    schema: &'static str,
    path: String,
    recorded: Option<&'a Recorded>,
    source: &'static str,
    same: Option<bool>,
    idle_overrides: &'a [Decision],
    run: Run<'a>,
    exit: u8,
}

/// A schedule that was run again.
pub(super) fn replayed<'a>(schedule: &'a Schedule, finished: &'a Finished) -> Replayed<'a> {
    let recorded = schedule.recorded.as_ref();
    Replayed {
        schema: "sim.schedule/1",
        path: schedule.path.display().to_string(),
        recorded,
        source: SOURCE,
        same: recorded.map(|_| finished.difference.is_none()),
        idle_overrides: &finished.outcome.idle_overrides,
        run: run(finished),
        exit: finished.ending().exit(),
    }
}

/// What the oracles found, and what broke without one.
fn violations(finished: &Finished, ending: Ending) -> Vec<Violation> {
    let outcome = &finished.outcome;
    let mut all: Vec<_> = (outcome.violations.iter())
        .map(|violation| Violation {
            oracle: violation.oracle,
            height: violation.height,
            nodes: violation.nodes.iter().map(ToString::to_string).collect(),
            facts: violation.facts.clone(),
            what: violation.what.clone(),
            convicted: violation
                .convicted
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
        .collect();
    let mut add = |oracle, what: &str, facts| {
        all.push(Violation {
            oracle,
            height: None,
            nodes: Vec::new(),
            facts,
            what: what.to_owned(),
            convicted: Vec::new(),
        });
    };
    if let Some(message) = &outcome.panic {
        add(ending.name(), message, Vec::new());
    }
    if let Some(difference) = &finished.difference {
        let what = "two runs of one plan were not the same";
        add("determinism", what, difference.facts.clone());
    }
    all
}

#[derive(Serialize)]
pub(super) struct Sweep<'a> {
    schema: &'static str,
    first: u64,
    seeds: u64,
    failed: u64,
    skipped: u64,
    kinds: BTreeMap<&'a str, Kind>,
    seeds_per_cpu_s: u64,
    cpu_ms: u64,
    wall_ms: u64,
    interrupted: bool,
    exit: u8,
    counts: &'a Counts,
    markers: &'a Markers,
    missed: Vec<&'static str>,
    never: Vec<String>,
}

#[derive(Serialize)]
struct Kind {
    verdict: &'static str,
    first: u64,
    seeds: u64,
}

/// The summary of a sweep.
pub(super) fn sweep(summary: &Summary, exit: u8) -> Sweep<'_> {
    let kind = |failure: &Failure| Kind {
        verdict: failure.ending.name(),
        first: failure.first,
        seeds: failure.seeds,
    };
    let kinds = summary.kinds.iter();
    Sweep {
        schema: "sim.sweep/2",
        first: summary.first,
        seeds: summary.seeds,
        failed: summary.failed,
        skipped: summary.skipped.0,
        kinds: kinds.map(|(name, f)| (name.as_str(), kind(f))).collect(),
        seeds_per_cpu_s: summary.seeds_per_cpu_s,
        cpu_ms: summary.cpu_ms,
        wall_ms: summary.wall_ms,
        interrupted: summary.interrupted,
        exit,
        counts: &summary.counts,
        markers: &summary.markers,
        missed: (summary.markers.missed().iter())
            .map(|marker| marker.name())
            .collect(),
        never: summary.counts.never(),
    }
}

#[derive(Serialize)]
pub(super) struct Scenario<'a> {
    pub(super) schema: &'static str,
    pub(super) name: &'a str,
    pub(super) path: String,
    pub(super) validators: usize,
    pub(super) expects: &'static str,
    pub(super) why: &'a str,
    /// The run, and the expectations it did not meet; absent in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<Run<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unmet: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exit: Option<u8>,
}

#[derive(Serialize)]
pub(super) struct Benchmarks<'a> {
    schema: &'static str,
    optimised: bool,
    interrupted: bool,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    what: &'a str,
    measured: Option<u64>,
    budget: Option<u64>,
    at_least: bool,
    unit: &'a str,
    met: Option<bool>,
}

/// What a bench measured.
pub(super) fn bench(bench: &Bench) -> Benchmarks<'_> {
    let rows = bench.rows.iter().map(|row| Row {
        what: row.what,
        measured: row.measured,
        budget: row.budget,
        at_least: row.at_least,
        unit: row.unit,
        met: row.met(),
    });
    Benchmarks {
        schema: "sim.bench/1",
        optimised: bench.optimised,
        interrupted: bench.interrupted,
        rows: rows.collect(),
    }
}
