//! Narrow links and lying peers, whole networks of them: the judges stay content, the network
//! goes on, and what is meant to happen does happen.

use std::collections::BTreeMap;

use sim::{
    nemesis::{Behaviour, CryptoMode, Overrides, Plan, draw},
    outcome::{Outcome, RunOptions, Verdict},
    runtime,
};

fn plan(seed: u64, liars: u16) -> Plan {
    let overrides = Overrides {
        crypto: Some(CryptoMode::Ideal),
        byzantine: Some(liars),
        validators: Some(4 + 3 * liars),
        ..Overrides::default()
    };
    let mut plan = draw(seed, &overrides).expect("few enough liars");
    for byzantine in &mut plan.byzantine {
        byzantine.behaviour = Behaviour::LyingGossip;
    }
    plan.powers = vec![1; plan.powers.len()];
    plan
}

fn passes(plan: &Plan) -> Outcome {
    let outcome = runtime::run(plan, RunOptions::default());
    let seed = plan.seed;
    assert_eq!(outcome.verdict, Verdict::Pass, "seed {seed}: {outcome:?}");
    outcome
}

fn faults(outcomes: impl Iterator<Item = Outcome>) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (kind, count) in outcomes.flat_map(|outcome| outcome.faults) {
        *all.entry(kind).or_default() += count;
    }
    all
}

#[test]
fn networks_with_liars_are_safe_and_live_and_blame_no_correct_node() {
    let outcomes: Vec<Outcome> = (0..24)
        .map(|seed| passes(&plan(seed, 1 + u16::from(seed % 2 == 0))))
        .collect();
    let blames = |outcome: &Outcome| outcome.oracles.get("peer_blame").copied().unwrap_or(0);
    assert!(
        outcomes.iter().map(blames).sum::<u64>() > 0,
        "liars are blamed"
    );
    assert!(faults(outcomes.into_iter())["lying_gossip"] > 1_000);
}

#[test]
fn networks_with_full_queues_lose_frames_and_go_on() {
    let narrow = |seed| {
        let mut plan = plan(seed, 0);
        // A hint of 100 bytes takes as long as the longest way.
        plan.link.bytes_per_second = Some(100_000_000 / plan.link.latency_us.max);
        plan
    };
    let counts = faults((0..12).map(|seed| passes(&narrow(seed))));
    assert!(counts["queue_full"] > 0, "{counts:?}");
}

#[test]
fn a_narrow_link_is_the_same_in_every_run() {
    let mut plan = plan(3, 1);
    plan.link.bytes_per_second = Some(20_000);
    let digest = |plan: &Plan| passes(plan).digest;
    assert_eq!(digest(&plan), digest(&plan));
    let narrow = digest(&plan);
    plan.link.bytes_per_second = None;
    assert_ne!(digest(&plan), narrow);
}
