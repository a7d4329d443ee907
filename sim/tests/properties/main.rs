//! Properties of whole networks: whatever cluster, faults and workload are drawn, every judge is
//! content. What breaks one is made small by proptest and kept as a schedule for `sim replay`.

mod check;
mod drawn;
mod spoken;

use std::{path::Path, process::Command};

use proptest::{prop_assert_eq, proptest};
use sim::{
    outcome::{Outcome, Verdict},
    scenario,
};

use check::{check, root};
use drawn::a_plan;

/// Every oracle held to the end.
fn passes(outcome: &Outcome) -> Result<(), String> {
    if outcome.verdict == Verdict::Pass {
        return Ok(());
    }
    let violations = outcome.violations.iter().map(ToString::to_string);
    let said: Vec<String> = violations.chain(outcome.panic.clone()).collect();
    Err(format!("{:?}: {}", outcome.verdict, said.join("\n")))
}

#[test]
fn any_cluster_survives_any_trouble() {
    let checked = check("any_cluster_survives_any_trouble", a_plan(), passes);
    if let Err(broken) = checked {
        panic!("{broken}");
    }
}

proptest! {
    #[test]
    fn what_is_drawn_is_written_as_a_schedule_and_read_back(plan in a_plan()) {
        let text = scenario::schedule("a test", &Outcome::nothing(plan.clone(), None));
        let text = format!("why = \"a test\"\n{}", text.expect("a plan can be written"));
        let read = scenario::parse(Path::new("drawn.toml"), &text).expect("a valid file");
        prop_assert_eq!(read.plan, plan);
    }
}

/// Wrong on purpose, to see what is made of a property that fails.
fn nobody_crashes(outcome: &Outcome) -> Result<(), String> {
    match outcome.faults.get("crash") {
        Some(crashes) => Err(format!("{crashes} crashes")),
        None => Ok(()),
    }
}

#[test]
fn what_breaks_a_property_is_made_small_and_replays_to_the_same_digest() {
    let broken = check("nobody_crashes", a_plan(), nobody_crashes);
    let broken = broken.expect_err("some drawn plan crashes a node");
    assert_eq!(broken.reason, "1 crashes");
    let plan = &broken.plan;
    assert_eq!(plan.powers, [1], "one validator is enough");
    assert_eq!(plan.faults.len(), 1, "one crash is enough");
    assert!(plan.byzantine.is_empty() && plan.changes.is_empty() && plan.script.is_empty());
    assert_eq!((plan.seed, plan.heights, plan.stable_heights), (0, 1, 1));
    assert_eq!((plan.link.loss_ppm, plan.link.duplicate_ppm), (0, 0));

    let said = broken.to_string();
    let shown = "target/sim/properties/nobody_crashes.toml";
    assert!(
        said.contains(&format!("-p sim -- replay {shown}\n")),
        "{said}"
    );
    let schedule = scenario::load_schedule(&root().join(shown)).expect("a schedule");
    assert_eq!(schedule.plan, broken.plan);
    let finished = schedule.play();
    assert_eq!(finished.difference, None, "the same digest");
    assert!(nobody_crashes(&finished.outcome).is_err());
    let replayed = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["replay", shown])
        .current_dir(root())
        .output()
        .expect("sim runs");
    let out = String::from_utf8_lossy(&replayed.stdout);
    assert!(replayed.status.success(), "{out}");
    assert!(out.contains(&finished.outcome.digest[..8]), "{out}");
}
