//! A whole network, its choices changed one by one, all oracles on.
//!
//! The first byte is a seed, which draws a short run of four validators. Three bytes each change
//! one decision of that run: which one, by its number in the run without changes, and what comes
//! out instead. Decisions have names and coordinates, so changing one moves no other, and any
//! bytes are the schedule of a run: `sim corpus import` writes it down.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    choice::{Decision, Stream},
    explore::run_one,
    nemesis::{CryptoMode, Overrides, Plan, draw},
    outcome::{Outcome, RunOptions, Verdict},
    scenario,
    trace::What,
};

use super::ways;

/// Changes beyond these are not made.
const MOST_CHANGES: usize = 64;

const HEIGHTS: u64 = 4;

fn base(seed: u8) -> Plan {
    let overrides = Overrides {
        validators: Some(4),
        heights: Some(HEIGHTS),
        crypto: Some(CryptoMode::Ideal),
        ..Overrides::default()
    };
    let drawn = draw(u64::from(seed), &overrides);
    drawn.unwrap_or_else(|error| panic!("seed {seed} draws no plan: {error}"))
}

fn run(plan: &Plan, trace: bool) -> Outcome {
    let options = RunOptions {
        trace,
        plain: true,
        ..RunOptions::default()
    };
    run_one(plan, options, false).outcome
}

/// The decisions of a run before everything was healed, each name once. What the network does in
/// the stable period is part of its promise.
fn decisions(outcome: &Outcome) -> Vec<Decision> {
    let healed = outcome
        .trace
        .iter()
        .find(|event| matches!(event.what, What::Healed { .. }));
    let healed = healed.map_or(u64::MAX, |event| event.seq);
    let before = outcome.decisions.iter().filter(|(seq, ..)| *seq < healed);
    let mut first = BTreeMap::new();
    for (_, _, decision) in before {
        first
            .entry((decision.stream, decision.at))
            .or_insert(*decision);
    }
    first.into_values().collect()
}

/// The decisions of the run of a seed without changes. Worked out once in a process.
fn known(seed: u8) -> Arc<Vec<Decision>> {
    static KNOWN: Mutex<BTreeMap<u8, Arc<Vec<Decision>>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known
        .entry(seed)
        .or_insert_with(|| Arc::new(decisions(&run(&base(seed), true))));
    Arc::clone(found)
}

/// What comes out instead.
fn changed(decision: &Decision, value: u8) -> Decision {
    let (stream, at, was) = (decision.stream, decision.at, decision.value);
    let given = u64::from(value);
    if stream == Stream::LinkLatency {
        // The packet has other decisions, which are not written down if they are never yes.
        return match value {
            0..=95 => {
                let ms = [0, 1, 5, 20, 60, 150, 400, 1_000][usize::from(value % 8)];
                Decision {
                    stream,
                    at,
                    value: ms * 1_000_000,
                }
            }
            96..=207 => Decision {
                stream: Stream::LinkLoss,
                at,
                value: 1,
            },
            208..=255 => Decision {
                stream: Stream::LinkDuplicate,
                at,
                value: 1,
            },
        };
    }
    let value = match (was, value % 4) {
        (0 | 1, 0..=2) => 1 - was,
        (_, 0) => given / 4,
        (_, 1) => was.saturating_add(given),
        (_, 2) => was.saturating_sub(given),
        (_, _) => was.wrapping_mul(2),
    };
    // A schedule is TOML, whose numbers end here.
    let value = value.min(i64::MAX.unsigned_abs());
    Decision { stream, at, value }
}

/// The plan that the bytes stand for; `None` for no bytes.
#[must_use]
pub fn plan_of(bytes: &[u8]) -> Option<Plan> {
    let (seed, changes) = bytes.split_first()?;
    let (mut plan, known) = (base(*seed), known(*seed));
    let mut overrides = BTreeMap::new();
    for change in changes.chunks_exact(3).take(MOST_CHANGES) {
        let number = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if let Some(decision) = known.get(number % known.len().max(1)) {
            let decision = changed(decision, change[2]);
            overrides.insert((decision.stream, decision.at), decision);
        }
    }
    plan.overrides = overrides.into_values().collect();
    Some(plan)
}

/// What the target runs for the bytes; `None` for no bytes.
#[must_use]
pub fn plan_of_input(bytes: &[u8]) -> Option<Plan> {
    plan_of(bytes).map(fair)
}

fn written(outcome: &Outcome) -> Option<String> {
    scenario::schedule("an input of the fuzz target schedule", outcome).ok()
}

/// The plan without changes of decisions that are made only after everything was healed.
fn fair(mut plan: Plan) -> Plan {
    let traced = run(&plan, true);
    let before = decisions(&traced);
    let made = |given: &Decision| {
        before
            .iter()
            .any(|d| (d.stream, d.at) == (given.stream, given.at))
    };
    plan.overrides.retain(made);
    plan
}

pub(super) fn schedule(bytes: &[u8]) {
    let Some(plan) = plan_of(bytes) else { return };
    let traced = run(&plan, true);
    ways::mark(&traced.trace);
    if traced.verdict == Verdict::Pass {
        return;
    }
    let outcome = run(&fair(plan), false);
    if outcome.verdict == Verdict::Pass {
        return;
    }
    let violations: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    let text = written(&outcome).unwrap_or_default();
    let (panic, broken) = (outcome.panic.unwrap_or_default(), violations.join("\n"));
    panic!("{broken}{panic}\n\nAs a schedule for `sim replay`:\n\n{text}");
}
