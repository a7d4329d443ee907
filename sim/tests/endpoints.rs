//! The same validators over our network and over madsim's endpoints: both decide the same heights,
//! and the oracles hold over both.

#![cfg(madsim)]

use sim::{
    nemesis::{CryptoMode, Overrides, Plan, draw},
    outcome::{RunOptions, Verdict},
    runtime::{
        self,
        endpoints::{Kill, Talk, decisions, talk},
    },
    trace::What,
};

/// Four validators, three heights, no faults.
fn calm(seed: u64) -> Plan {
    let overrides = Overrides {
        validators: Some(4),
        heights: Some(3),
        crypto: Some(CryptoMode::Ideal),
        no_faults: true,
        ..Overrides::default()
    };
    let mut plan = draw(seed, &overrides).expect("a calm plan");
    // Who is killed may be off for longer than others would keep its blocks.
    plan.retain_blocks = None;
    plan
}

fn all_decided(plan: &Plan, talk: &Talk) {
    let seed = plan.seed;
    assert!(
        talk.violation.is_none(),
        "seed {seed}: {:?}",
        talk.violation
    );
    let target = plan.heights + plan.stable_heights;
    let decided = &talk.heights;
    assert!(
        decided.iter().all(|h| *h >= target),
        "seed {seed}: {decided:?}"
    );
}

#[test]
fn two_hundred_seeds_decide_alike_over_both_networks() {
    let mut same = 0;
    let mut compared = 0;
    for seed in 0..200 {
        let mut plan = calm(seed);
        // Clients are ours, and not part of the other network.
        plan.tx_every_ms = 0;
        plan.timeouts.empty_blocks = sim::nemesis::EmptyBlocksMs::Always;
        let options = RunOptions {
            trace: true,
            ..RunOptions::default()
        };
        let ours = runtime::run(&plan, options);
        assert_eq!(ours.verdict, Verdict::Pass, "seed {seed}");
        let theirs = talk(&plan, &[]);
        all_decided(&plan, &theirs);
        let (ours, theirs) = (decisions(&ours.trace), decisions(&theirs.trace));
        for height in 1..=plan.heights + plan.stable_heights {
            let (a, b) = (ours[&height], theirs[&height]);
            // Rounds depend on delays, whose chance differs; who proposes in a round does not.
            compared += 1;
            if a.0 == b.0 && ours.range(..height).all(|(h, a)| theirs[h].0 == a.0) {
                assert_eq!(a.1, b.1, "seed {seed}: another proposer at height {height}");
                same += 1;
            }
        }
    }
    assert!(same * 2 > compared, "{same} of {compared}");
}

#[test]
fn nodes_that_are_killed_come_back_over_endpoints() {
    let mut restarts = 0;
    for seed in 0..10 {
        let mut plan = calm(seed);
        plan.heights = 12;
        plan.tx_every_ms = 0;
        plan.timeouts.empty_blocks = sim::nemesis::EmptyBlocksMs::Always;
        let height_ms = plan.link.latency_us.max.div_ceil(200) + plan.timeouts.commit;
        let kill = |node, heights: u64| Kill {
            node,
            at_ms: heights * height_ms,
            for_ms: height_ms,
        };
        let talk = talk(&plan, &[kill(1, 1), kill(2, 4), kill(1, 6)]);
        all_decided(&plan, &talk);
        let again = |what: &What| {
            matches!(
                what,
                What::Started {
                    incarnation: 1..,
                    ..
                }
            )
        };
        restarts += talk.trace.iter().filter(|event| again(&event.what)).count();
    }
    // A run may be over before the last one.
    assert!(restarts >= 20, "{restarts} of 30");
}
