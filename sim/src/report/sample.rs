//! Made-up outcomes for the tests of this crate's reports.

use std::collections::BTreeMap;

use engine::types::PeerId;

use crate::{
    markers::Reached,
    nemesis::{
        Behaviour, Byzantine, Clients, CryptoMode, EmptyBlocksMs, Fault, FaultKind, Link, Links,
        MinMax, NetworkMode, Plan, Script, TimeoutsMs, Unsynced, When,
    },
    oracle::Violation,
    outcome::{Outcome, Verdict},
};

fn plan() -> Plan {
    let crash = FaultKind::Crash {
        node: Some(1),
        restart_after_ms: Some(20),
        disk: Unsynced::Torn,
    };
    let partition = FaultKind::Partition {
        groups: vec![vec![0, 1], vec![2, 3]],
        for_ms: 200,
    };
    let fault = |ms, kind| Fault {
        at: When::Time { ms },
        kind,
        off: false,
    };
    Plan {
        seed: 42,
        powers: vec![1; 4],
        heights: 15,
        stable_heights: 5,
        crypto: CryptoMode::Ed25519,
        network: NetworkMode::Virtual,
        byzantine: vec![Byzantine {
            node: 3,
            behaviour: Behaviour::Equivocate,
        }],
        beyond_one_third: false,
        timeouts: TimeoutsMs {
            propose: 100,
            prevote: 50,
            precommit: 50,
            delta: 20,
            commit: 10,
            skip_commit: false,
            empty_blocks: EmptyBlocksMs::Always,
        },
        link: Link {
            latency_us: MinMax {
                min: 1_000,
                max: 5_000,
            },
            loss_ppm: 12_500,
            duplicate_ppm: 0,
            bytes_per_second: None,
        },
        links: Links::default(),
        sync_us: MinMax { min: 10, max: 100 },
        segment_bytes: None,
        clock_offsets_ms: vec![0, -80, 12, 5],
        starts_late_ms: Vec::new(),
        block_sync: false,
        retain_blocks: None,
        tx_every_ms: 10,
        clients: Clients::default(),
        faults_end_ms: 10_000,
        changes: Vec::new(),
        params: Vec::new(),
        faults: vec![fault(100, crash), fault(300, partition)],
        script: Script::default(),
        overrides: Vec::new(),
    }
}

/// A run that passed.
pub(crate) fn passed() -> Outcome {
    let counts = |of: &[(&str, u64)]| -> BTreeMap<String, u64> {
        of.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect()
    };
    Outcome {
        plan: plan(),
        verdict: Verdict::Pass,
        digest: "5b0c".repeat(16),
        heights: 20,
        virtual_ms: 61_207,
        events: 48_210,
        messages_delivered: 17_011,
        rounds: BTreeMap::from([(0, 16), (1, 3), (4, 1)]),
        faults: counts(&[("crash", 1), ("loss", 31), ("partition", 1), ("restart", 1)]),
        storage_calls: vec![60; 4],
        oracles: counts(&[("agreement", 80), ("vote_once", 1_320)]),
        violations: Vec::new(),
        panic: None,
        reached: Reached::default(),
        trace: Vec::new(),
        decisions: Vec::new(),
        idle_overrides: Vec::new(),
        disks: Vec::new(),
    }
}

/// A run in which agreement broke.
pub(crate) fn failed() -> Outcome {
    let violation = Violation {
        oracle: "agreement",
        what: "two correct nodes decided different blocks at height 12".to_owned(),
        height: Some(12),
        nodes: vec![PeerId(0), PeerId(2)],
        facts: vec![
            "1.202s  n2 decided 47be12aa in round 0 with precommits of n1 n2 n3".to_owned(),
            "1.284s  n0 decided 9f3c9a01 in round 1 with precommits of n0 n1 n3".to_owned(),
            "both quorums contain n1 and n3; n1 is correct".to_owned(),
        ],
        convicted: Vec::new(),
        rule: "Agreement: no two correct processes decide differently (arXiv 1807.04938, 2.3)",
        liveness: false,
    };
    Outcome {
        verdict: Verdict::Safety,
        heights: 12,
        virtual_ms: 1_284,
        violations: vec![violation],
        ..passed()
    }
}
