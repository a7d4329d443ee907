//! A stand-in for the runtime: an outcome made up from the plan.
use std::collections::BTreeMap;

use crate::{
    nemesis::Plan,
    outcome::{Outcome, RunOptions, Verdict},
};

/// A made-up outcome: the seed decides.
#[must_use]
pub fn run(plan: &Plan, _options: RunOptions) -> Outcome {
    let heights = plan.heights + plan.stable_heights;
    Outcome {
        verdict: if plan.seed == 666 {
            Verdict::Panic
        } else {
            Verdict::Pass
        },
        digest: format!("{:064x}", plan.seed),
        heights,
        virtual_ms: heights * 100,
        events: heights * 1_000,
        messages_delivered: heights * 400,
        rounds: BTreeMap::from([(0, heights)]),
        faults: BTreeMap::new(),
        oracles: BTreeMap::from([("agreement".to_owned(), heights * 4)]),
        violations: Vec::new(),
        panic: (plan.seed == 666).then(|| "made up".to_owned()),
        trace: Vec::new(),
        plan: plan.clone(),
    }
}
