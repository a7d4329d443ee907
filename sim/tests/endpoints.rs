//! The same validators over our network and over madsim's endpoints: both decide the same heights,
//! and the oracles hold over both.

#![cfg(madsim)]

use std::{collections::BTreeMap, process::Command};

use engine::types::{Address, Hash};
use sim::{
    nemesis::{CryptoMode, NetworkMode, Overrides, Plan, draw},
    outcome::{Outcome, RunOptions, Verdict},
    runtime,
    trace::What,
};

const TRACED: RunOptions = RunOptions {
    trace: true,
    plain: false,
    without: &[],
};

/// What a seed draws for madsim's endpoints, with few heights.
fn drawn(seed: u64, heights: u64, no_faults: bool) -> Plan {
    let overrides = Overrides {
        validators: Some(4),
        heights: Some(heights),
        crypto: Some(CryptoMode::Ideal),
        network: NetworkMode::Madsim,
        no_faults,
        ..Overrides::default()
    };
    draw(seed, &overrides).expect("a plan for madsim's endpoints")
}

fn passes(plan: &Plan) -> Outcome {
    let outcome = runtime::run(plan, TRACED);
    let (seed, network) = (plan.seed, plan.network);
    let why = (&outcome.violations, &outcome.panic);
    assert_eq!(
        outcome.verdict,
        Verdict::Pass,
        "seed {seed}, {network:?}: {why:?}"
    );
    assert!(outcome.heights >= plan.heights + plan.stable_heights);
    outcome
}

/// By height: in which round something was decided, whose proposal it was, and the application's
/// hash.
fn decisions(outcome: &Outcome) -> BTreeMap<u64, (u32, Address, Hash)> {
    let mut found = BTreeMap::new();
    for event in &outcome.trace {
        if let What::Decided {
            height,
            app_hash,
            decision,
        } = &event.what
        {
            let what = (decision.round.0, decision.block.header.proposer, *app_hash);
            found.entry(height.0).or_insert(what);
        }
    }
    found
}

#[test]
fn two_hundred_seeds_decide_alike_over_both_networks() {
    let (mut same, mut compared) = (0, 0);
    for seed in 0..200 {
        let plan = drawn(seed, 3, true);
        let theirs = passes(&plan);
        let ours = passes(&Plan {
            network: NetworkMode::Virtual,
            ..plan.clone()
        });
        let (ours, theirs) = (decisions(&ours), decisions(&theirs));
        for height in 1..=plan.heights + plan.stable_heights {
            let (a, b) = (ours[&height], theirs[&height]);
            assert_eq!(a.2, b.2, "seed {seed}: another state after height {height}");
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
    let (mut kills, mut restarts) = (0, 0);
    for seed in 0..40 {
        let plan = drawn(seed, 12, false);
        let outcome = passes(&plan);
        let count = |what: fn(&What) -> bool| {
            let events = outcome.trace.iter();
            events.filter(|event| what(&event.what)).count()
        };
        kills += count(|what| matches!(what, What::Crashed));
        restarts += count(|what| {
            matches!(
                what,
                What::Started {
                    incarnation: 1..,
                    ..
                }
            )
        });
    }
    // A run may be over before the last one is back.
    assert!(kills > 40 && restarts * 2 > kills, "{restarts} of {kills}");
}

#[test]
fn a_run_over_endpoints_is_the_same_run_each_time() {
    for seed in 0..10 {
        let plan = drawn(seed, 6, false);
        let (one, two) = (passes(&plan), passes(&plan));
        assert_eq!(one.digest, two.digest, "seed {seed}");
        assert_eq!(one.oracles, two.oracles);
    }
}

/// What the binary says: exit code, result, complaint.
fn call(arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.args(arguments).current_dir(directory.path());
    let output = output.output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_network_is_a_flag_of_a_run_and_refuses_what_it_cannot_do() {
    let small = ["--heights", "4", "--crypto", "ideal", "--network", "madsim"];
    for first in [&["run", "--seed", "3"][..], &["--seed", "3", "--check"]] {
        let (code, said, complaint) = call(&[first, &small].concat());
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{said}");
        assert!(said.contains("madsim's endpoints") && said.contains("\nPASS   4 heights"));
    }
    for (more, remedy) in [
        (&["--byzantine", "1"][..], "leave out --byzantine"),
        (&["--beyond-one-third"], "leave out --byzantine"),
        (&["--crash-everywhere"], "not at a storage call"),
    ] {
        let (code, said, complaint) = call(&[&["run", "--seed", "3"], more, &small].concat());
        assert_eq!((code, said.as_str()), (Some(2), ""), "{complaint}");
        assert!(complaint.contains(remedy), "{complaint}");
    }
}
