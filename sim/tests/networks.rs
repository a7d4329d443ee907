//! Whole networks: every run repeats itself, however it is done; what is kept stays fixed. Drawn
//! clusters and troubles are in `properties`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engine::types::{Hash, Tx};
use sim::{
    nemesis::{CryptoMode, Overrides, Plan, draw},
    outcome::{Outcome, RunOptions, Verdict},
    runtime, scenario,
    trace::{self, What},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace")
        .to_owned()
}

fn plan(seed: u64, crypto: CryptoMode) -> Plan {
    let overrides = Overrides {
        crypto: Some(crypto),
        ..Overrides::default()
    };
    draw(seed, &overrides).expect("a seed always draws a plan")
}

fn run(plan: &Plan) -> Outcome {
    runtime::run(plan, RunOptions::default())
}

/// The run's faults, crashes, restarts and decisions, one line each.
fn transcript(plan: &Plan) -> String {
    let outcome = runtime::run(
        plan,
        RunOptions {
            trace: true,
            ..RunOptions::default()
        },
    );
    let mut text = Vec::new();
    let all = trace::Filter::default();
    let header = trace::Header::of(&outcome, &all);
    trace::write_text(&mut text, &header, trace::lines(&outcome), &all).expect("memory");
    let text = String::from_utf8(text).expect("text");
    let telling = |line: &&str| {
        ["◆", "✗", "○", "▼", "▲", "♥"]
            .iter()
            .any(|g| line.contains(g))
    };
    let lines: Vec<&str> = text.lines().filter(telling).map(str::trim_end).collect();
    format!("{}\nverdict {:?}", lines.join("\n"), outcome.verdict)
}

#[test]
fn a_run_has_one_digest_with_and_without_madsim_and_beside_other_runs() {
    let seeds = 0..24;
    let digests = |plain| {
        let one = move |seed| {
            let options = RunOptions {
                plain,
                ..RunOptions::default()
            };
            runtime::run(&plan(seed, CryptoMode::Ideal), options).digest
        };
        seeds.clone().map(one).collect::<Vec<_>>()
    };
    let contained = digests(false);
    assert_eq!(contained, digests(true), "madsim changes nothing");
    let beside: Vec<_> = seeds
        .clone()
        .map(|seed| plan(seed, CryptoMode::Ideal))
        .collect::<Vec<_>>()
        .chunks(2)
        .flat_map(|pair| {
            std::thread::scope(|scope| {
                let running: Vec<_> = pair
                    .iter()
                    .map(|plan| scope.spawn(|| run(plan).digest))
                    .collect();
                running
                    .into_iter()
                    .map(|run| run.join().expect("a run"))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    assert_eq!(
        contained, beside,
        "two runs at a time do not disturb each other"
    );
}

/// The digests must be the same in debug and release builds, today and after a refactoring. A
/// change of behaviour changes them: then this table is reviewed and accepted anew.
#[test]
fn the_digests_of_kept_seeds_are_known() {
    let digest = |seed| format!("{seed} {}", run(&plan(seed, CryptoMode::Ed25519)).digest);
    let table: Vec<String> = (1..=12).map(digest).collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn real_and_ideal_signatures_lead_to_the_same_decisions() {
    type Decided = (u64, u32, Hash, Vec<Tx>);
    let decisions = |seed, crypto| -> Vec<Decided> {
        let options = RunOptions {
            trace: true,
            ..RunOptions::default()
        };
        let outcome = runtime::run(&plan(seed, crypto), options);
        assert_eq!(outcome.verdict, Verdict::Pass, "seed {seed}");
        let decided = |event: &trace::Event| {
            let What::Decided {
                height,
                app_hash,
                decision,
            } = &event.what
            else {
                return None;
            };
            Some((
                height.0,
                decision.round.0,
                *app_hash,
                decision.block.txs.to_vec(),
            ))
        };
        outcome.trace.iter().filter_map(decided).collect()
    };
    for seed in 0..8 {
        let ideal = decisions(seed, CryptoMode::Ideal);
        assert_eq!(decisions(seed, CryptoMode::Ed25519), ideal, "seed {seed}");
        assert!(!ideal.is_empty());
    }
}

#[test]
fn a_seed_tells_the_same_story() {
    insta::assert_snapshot!("story_of_seed_5", transcript(&plan(5, CryptoMode::Ideal)));
    insta::assert_snapshot!("story_of_seed_15", transcript(&plan(15, CryptoMode::Ideal)));
}

#[test]
fn every_scenario_tells_the_same_story() {
    for path in scenario::files(&root().join("scenarios")).expect("scenarios") {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let scenario = scenario::load(&path).expect("a valid scenario");
        insta::assert_snapshot!(format!("story_of_{name}"), transcript(&scenario.plan));
    }
}

#[test]
fn every_scenario_names_a_bug_that_it_must_fail_with() {
    for path in scenario::files(&root().join("scenarios")).expect("scenarios") {
        let scenario = scenario::load(&path).expect("a valid scenario");
        assert!(!scenario.broken_by.is_empty(), "{}", path.display());
    }
}

#[test]
fn every_kept_schedule_is_listed() {
    let list = root().join(sim::corpus::SEEDS);
    let kept = sim::corpus::kept(&list).expect("a valid list");
    let listed: BTreeSet<_> = kept
        .iter()
        .filter_map(|run| run.schedule_path(&list))
        .collect();
    let files = std::fs::read_dir(sim::corpus::schedules(&list)).expect("kept schedules");
    let files: BTreeSet<_> = files.map(|entry| entry.expect("readable").path()).collect();
    assert_eq!(listed, files);
}
