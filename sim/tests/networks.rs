//! Whole networks: every run repeats itself, however it is done; what is kept stays fixed; whatever
//! the shape of the cluster and its troubles, all judges are content.

use std::path::{Path, PathBuf};

use engine::types::{Hash, Tx};
use proptest::prelude::*;
use sim::{
    nemesis::{
        Clients, CryptoMode, EmptyBlocksMs, Fault, FaultKind, Link, Links, MinMax, NetworkMode,
        Overrides, OwnMessage, Plan, Script, TimeoutsMs, Unsynced, When, draw,
    },
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
    trace::write_text(&mut text, &outcome, &trace::Filter::default()).expect("writing into memory");
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

/// Each was written down when it showed a bug that has been fixed since.
#[test]
fn kept_schedules_stay_fixed() {
    let mut files: Vec<_> = std::fs::read_dir(root().join("corpus/schedules"))
        .expect("kept schedules")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let plan = scenario::load_schedule(&path)
            .expect("a valid schedule")
            .plan;
        let outcome = run(&plan);
        let shown = path.display();
        assert_eq!(
            outcome.verdict,
            Verdict::Pass,
            "{shown}: {:?}",
            outcome.violations
        );
    }
}

fn a_fault(nodes: u16) -> impl Strategy<Value = Fault> {
    let node = 0..nodes;
    let kinds = prop_oneof![
        (1..nodes, 50u64..2_000).prop_map(move |(cut, for_ms)| FaultKind::Partition {
            groups: vec![(0..cut).collect(), (cut..nodes).collect()],
            for_ms,
        }),
        (node.clone(), node.clone(), 50u64..2_000).prop_map(|(from, to, for_ms)| {
            FaultKind::OneWay {
                from: vec![from],
                to: vec![to],
                for_ms,
            }
        }),
        (
            node.clone(),
            prop::option::of(1u64..1_500),
            prop_oneof![
                Just(Unsynced::Torn),
                Just(Unsynced::Lost),
                Just(Unsynced::Kept)
            ],
        )
            .prop_map(|(node, restart_after_ms, disk)| FaultKind::Crash {
                node: Some(node),
                restart_after_ms,
                disk,
            }),
    ];
    let messages = prop_oneof![
        Just(OwnMessage::Proposal),
        Just(OwnMessage::Prevote),
        Just(OwnMessage::Precommit)
    ];
    let at = prop_oneof![
        (0u64..4_000).prop_map(|ms| When::Time { ms }),
        (node.clone(), messages.clone(), 1u64..6, 0u32..2).prop_map(
            |(node, appends, height, round)| When::Append {
                node,
                appends,
                height,
                round
            }
        ),
        (node, messages, 1u64..6, 0u32..2).prop_map(|(node, sends, height, round)| When::Own {
            node,
            sends,
            height,
            round
        }),
    ];
    (at, kinds).prop_map(|(at, kind)| Fault {
        at,
        kind,
        off: false,
    })
}

#[expect(clippy::too_many_lines, reason = "a plan has as many fields")]
fn a_plan() -> impl Strategy<Value = Plan> {
    (1usize..8).prop_flat_map(|nodes| {
        let count = u16::try_from(nodes).expect("few nodes");
        (
            any::<u64>(),
            prop::collection::vec(1u64..20, nodes),
            prop::collection::vec(a_fault(count.max(2)), 0..if nodes == 1 { 1 } else { 6 }),
            (1u64..30_000, 0u64..60_000, 0u32..100_000, 0u32..100_000),
            (
                1u64..5,
                any::<bool>(),
                prop::collection::vec(-3_000i64..3_000, nodes),
                any::<bool>(),
                prop::collection::vec(0u64..2_000, 0..2),
            ),
        )
            .prop_map(
                |(seed, powers, faults, (min, more, loss_ppm, duplicate_ppm), rest)| {
                    let (slack, skip_commit, clock_offsets_ms, block_sync, starts_late_ms) = rest;
                    let max = min + more;
                    let wait = (max / 1_000 + 5) * slack;
                    let timeouts = TimeoutsMs {
                        propose: 2 * wait,
                        prevote: wait,
                        precommit: wait,
                        delta: wait,
                        commit: wait,
                        skip_commit,
                        empty_blocks: EmptyBlocksMs::Always,
                    };
                    let latency_us = MinMax { min, max };
                    let nodes = u16::try_from(powers.len()).expect("few nodes");
                    Plan {
                        seed,
                        heights: 5,
                        stable_heights: 3,
                        crypto: CryptoMode::Ideal,
                        network: NetworkMode::Virtual,
                        byzantine: Vec::new(),
                        beyond_one_third: false,
                        timeouts,
                        link: Link {
                            latency_us,
                            loss_ppm,
                            duplicate_ppm,
                            bytes_per_second: None,
                        },
                        segment_bytes: None,
                        links: Links::default(),
                        sync_us: MinMax {
                            min: 50,
                            max: 3_000,
                        },
                        clock_offsets_ms,
                        block_sync,
                        retain_blocks: None,
                        starts_late_ms,
                        tx_every_ms: 50,
                        clients: Clients::default(),
                        faults_end_ms: 8_000,
                        changes: Vec::new(),
                        params: Vec::new(),
                        overrides: Vec::new(),
                        faults: faults
                            .into_iter()
                            .filter(|f| names_nodes_below(f, nodes))
                            .collect(),
                        script: Script::default(),
                        powers,
                    }
                },
            )
    })
}

fn names_nodes_below(fault: &Fault, nodes: u16) -> bool {
    let named = fault.kind.nodes();
    named.iter().all(|node| *node < nodes)
}

/// Fewer cases than usual, for each is a whole network; `PROPTEST_CASES` says otherwise.
fn few_cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if usual.cases == 256 { 64 } else { usual.cases };
    ProptestConfig { cases, ..usual }
}

proptest! {
    #![proptest_config(few_cases())]

    #[test]
    fn any_cluster_survives_any_trouble(plan in a_plan()) {
        let outcome = run(&plan);
        prop_assert_eq!(
            outcome.verdict,
            Verdict::Pass,
            "{:?} {:?}\n{}",
            outcome.violations,
            outcome.panic,
            toml::to_string(&plan).unwrap_or_default()
        );
    }
}
