//! Oracles about decisions: agreement, validity, certificates, justification, progress.

use std::sync::Arc;

use engine::{
    consensus::Decision,
    types::{Block, Bounded, CommitSig, Hash, Height, PeerId, Signature, Time},
};

use crate::{
    oracle::{Ghost, Liveness, ORACLES, Oracle, testing::*, validity::Validity},
    trace::{Event, What},
};

/// Three heights, decided by nodes 0 and 1 in turn.
fn decided() -> (History, Chain) {
    let (mut history, mut chain) = (History::new(setup(4, &[])), Chain::new(4));
    for height in 1..=3u8 {
        history.submit(&tx(&[height]));
        let decision = chain.next(&[&[height]]);
        for node in [0, 1] {
            history.decide(node, &decision, chain.app.hash());
        }
    }
    assert_eq!(history.verdict, Ok(()));
    (history, chain)
}

/// The next block with something changed in it: digests in the header follow the content.
fn changed(chain: &Chain, change: impl FnOnce(&mut Block)) -> Decision {
    let mut block = chain.block(&[]);
    change(&mut block);
    block.header.data_hash = Block::data_hash(&block.txs);
    block.header.last_commit_hash = Block::commit_hash(block.last_commit.as_ref());
    chain.decide(block)
}

#[test]
fn a_good_chain_passes_every_judge() {
    let (history, _) = decided();
    let checks = history.judge.checks();
    for oracle in [
        "agreement",
        "validity",
        "chain_integrity",
        "decision_justified",
    ] {
        assert_eq!(checks[oracle], 6, "{oracle}");
    }
}

#[test]
fn two_decisions_at_one_height_are_found_with_both_quorums() {
    let (mut history, mut chain) = decided();
    let other = chain.decide(chain.block(&[]));
    let first = changed(&chain, |block| block.header.time = Time(9_999));
    let hash = chain.apply(&first);
    history.decide(0, &first, hash);
    assert_eq!(history.fired(), "none");
    history.see(1, &other).announce(1, &other, hash);
    assert_eq!(history.fired(), "agreement");
    let facts = &history.violation().facts;
    assert_eq!(facts.len(), 5, "{facts:?}");
    assert!(
        facts[4].contains("in both quorums: n0 n1 n2 n3"),
        "{facts:?}"
    );
}

#[test]
fn two_application_hashes_after_one_height_are_found() {
    let (mut history, mut chain) = decided();
    let decision = chain.next(&[]);
    history.decide(0, &decision, chain.app.hash());
    history.decide(1, &decision, Hash([7; 32]));
    assert_eq!(history.fired(), "agreement");
}

#[test]
fn a_height_decided_twice_or_left_out_is_found() {
    let (mut history, mut chain) = decided();
    let fourth = chain.next(&[]);
    history.decide(0, &fourth, chain.app.hash());
    history.announce(0, &fourth, chain.app.hash());
    assert_eq!(history.fired(), "agreement");

    let (mut history, mut chain) = decided();
    chain.next(&[]);
    let fifth = chain.next(&[]);
    history.decide(0, &fifth, chain.app.hash());
    assert_eq!(history.fired(), "agreement");
}

#[test]
fn a_crash_before_the_announcement_leaves_a_height_out_and_a_later_one_takes_nothing_back() {
    let (mut history, mut chain) = decided();
    let fourth = chain.next(&[]);
    history.decide(0, &fourth, chain.app.hash());
    history.crash(1).start(1, 4);
    let fifth = chain.next(&[]);
    history.decide(1, &fifth, chain.app.hash());
    assert_eq!(history.verdict, Ok(()));
    history.crash(1).start(1, 4);
    assert_eq!(history.fired(), "agreement");
}

#[test]
fn a_height_that_nobody_announced_is_filled_in_from_its_parts() {
    let (mut history, mut chain) = decided();
    history.submit(&tx(b"x"));
    let fourth = chain.next(&[b"x"]);
    history.see(0, &fourth);
    (0..4).for_each(|node| {
        history
            .crash(node)
            .start(node, if node < 2 { 4 } else { 1 });
    });
    let fifth = chain.next(&[]);
    history.decide(0, &fifth, chain.app.hash());
    assert_eq!(history.verdict, Ok(()));
    let sixth = changed(&chain, |block| block.header.app_hash = Hash([1; 32]));
    history.decide(0, &sixth, chain.apply(&sixth));
    assert_eq!(history.fired(), "validity");
}

#[test]
fn invalid_blocks_are_found() {
    type Change = fn(&mut Block);
    let changes: [(Change, &str); 8] = [
        (|b| b.header.time = Time(3_000), "time is not later"),
        (|b| b.header.height = Height(9), "another height"),
        (
            |b| b.header.app_hash = Hash([1; 32]),
            "another application hash",
        ),
        (
            |b| b.header.validators_hash = Hash([1; 32]),
            "other validators",
        ),
        (|b| b.header.proposer = key(9).address(), "no validator"),
        (|b| b.header.config_sequence = 1, "configuration changes"),
        (
            |b| b.txs = vec![vec![9, 9].try_into().unwrap()].try_into().unwrap(),
            "transaction 0 is malformed",
        ),
        (
            |b| b.txs = vec![tx(b"never")].try_into().unwrap(),
            "never submitted",
        ),
    ];
    for (change, expected) in changes {
        let (_, mut chain) = decided();
        let decision = changed(&chain, change);
        let hash = chain.apply(&decision);
        let reason = reason_of_validity(decision, hash);
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
}

/// What the validity oracle alone says about a decision of height 4.
fn reason_of_validity(decision: Decision, app_hash: Hash) -> String {
    let (mut ghost, mut oracle) = (Ghost::new(setup(4, &[])), Validity::default());
    let mut chain = Chain::new(4);
    let mut observe = |what| {
        let event = Event {
            seq: 0,
            time: Time(0),
            node: Some(PeerId(0)),
            what,
        };
        ghost.observe(&event);
        oracle.observe(&ghost, &event)
    };
    for key in 1..=3u8 {
        let tx = engine::types::sha256(&tx(&[key]));
        observe(What::Submitted { tx }).unwrap();
        let decision = Arc::new(chain.next(&[&[key]]));
        let (height, app_hash) = (Height(u64::from(key)), chain.app.hash());
        observe(What::Decided {
            height,
            app_hash,
            decision,
        })
        .unwrap();
    }
    let (height, decision) = (Height(4), Arc::new(decision));
    observe(What::Decided {
        height,
        app_hash,
        decision,
    })
    .unwrap_err()
    .what
}

#[test]
fn a_wrong_application_hash_is_found() {
    let (mut history, mut chain) = decided();
    let decision = chain.next(&[]);
    history.decide(0, &decision, Hash([3; 32]));
    assert_eq!(history.fired(), "validity");
    assert!(history.violation().what.contains("the model's is"));
}

#[test]
fn a_transaction_that_a_byzantine_node_made_up_is_its_own_business() {
    let (mut history, mut chain) = (History::new(setup(4, &[0])), Chain::new(4));
    let decision = chain.next(&[b"made up"]);
    history.decide(1, &decision, chain.app.hash());
    assert_eq!(history.verdict, Ok(()));
}

#[test]
fn a_block_that_does_not_certify_the_one_before_it_is_found() {
    type Change = fn(&mut Vec<CommitSig>);
    let changes: [(Change, &str); 4] = [
        (
            |s| s[1..].fill(CommitSig::Absent),
            "signed by n0: power 1 of 4, no quorum",
        ),
        (
            |s| s[3] = CommitSig::Block(Signature([9; 64])),
            "a signature of n3",
        ),
        (|s| s.swap(0, 1), "a signature of n0"),
        (|s| s.truncate(3), "3 entries for 4 validators"),
    ];
    for (change, expected) in changes {
        let (mut history, chain) = decided();
        let decision = changed(&chain, |block| {
            let commit = block.last_commit.as_mut().unwrap();
            let mut entries = commit.signatures.to_vec();
            change(&mut entries);
            commit.signatures = Bounded::try_from(entries).unwrap();
        });
        history.decide(0, &decision, chain.app.hash());
        assert_eq!(history.fired(), "chain_integrity");
        assert!(
            history.violation().what.contains(expected),
            "{}",
            history.violation()
        );
    }
}

#[test]
fn a_commit_with_one_vote_missing_still_certifies() {
    let (mut history, mut chain) = decided();
    let decision = changed(&chain, |block| {
        let commit = block.last_commit.as_mut().unwrap();
        let mut entries = commit.signatures.to_vec();
        entries[2] = CommitSig::Absent;
        commit.signatures = Bounded::try_from(entries).unwrap();
    });
    history.decide(0, &decision, chain.apply(&decision));
    assert_eq!(history.verdict, Ok(()));
}

#[test]
fn a_block_on_another_branch_is_found() {
    let (mut history, chain) = decided();
    let decision = changed(&chain, |block| {
        block.header.last_block = Some(id(7));
        block.last_commit.as_mut().unwrap().block = id(7);
    });
    history.decide(0, &decision, chain.app.hash());
    assert_eq!(history.fired(), "chain_integrity");
}

#[test]
fn a_decision_without_its_precommits_or_parts_is_found() {
    let mut chain = Chain::new(4);
    let decision = chain.next(&[]);
    let hash = chain.app.hash();
    let (at, block) = ((1, 0), Some(decision.id));

    let mut history = History::new(setup(4, &[]));
    history.see_parts(1, &decision);
    history.get_all(1, &[precommit(0, at, block), precommit(2, at, block)]);
    history.get_all(1, &[precommit(3, (1, 1), block), prevote(3, at, block)]);
    history.announce(1, &decision, hash);
    assert_eq!(history.fired(), "decision_justified");
    assert!(history.violation().facts[0].contains("from n0 n2: power 2 of 4, no quorum"));

    let mut history = History::new(setup(4, &[]));
    history.see(0, &decision);
    (0..4).for_each(|by| {
        history.get(1, &precommit(by, at, block));
    });
    history.announce(1, &decision, hash);
    assert_eq!(history.fired(), "decision_justified");
    assert!(history.violation().what.contains("without all its parts"));
}

fn decides(node: u16, height: u64, ms: u64) -> Event {
    let mut chain = Chain::new(1);
    let decision = Arc::new(chain.next(&[]));
    let height = Height(height);
    let what = What::Decided {
        height,
        app_hash: Hash([0; 32]),
        decision,
    };
    Event {
        seq: 0,
        time: Time(ms * 1_000_000),
        node: Some(PeerId(node)),
        what,
    }
}

#[test]
fn a_core_that_does_not_get_on_in_time_is_found() {
    let by = Time(1_000_000_000);
    let mut liveness = Liveness::expect([0, 1, 2].map(PeerId).to_vec(), Height(7), by);
    for event in [decides(0, 7, 500), decides(1, 6, 600), decides(3, 9, 700)] {
        assert_eq!(liveness.observe(&event), Ok(()));
    }
    assert!(!liveness.is_fulfilled());
    assert_eq!(liveness.check(Time(by.0 - 1)), Ok(()));
    let violation = liveness.check(by).unwrap_err();
    assert!(violation.liveness && violation.nodes == [PeerId(1), PeerId(2)]);
    assert!(violation.facts[1].ends_with("n1 came to height 6"));
    assert_eq!(
        violation.facts[2],
        "n2 has decided nothing since it was healed"
    );
    assert!(liveness.observe(&decides(3, 10, 1_001)).is_err(), "late");
}

#[test]
fn a_core_that_gets_on_is_left_alone() {
    let by = Time(1_000_000_000);
    let mut liveness = Liveness::expect([0, 1].map(PeerId).to_vec(), Height(7), by);
    for event in [decides(0, 7, 500), decides(1, 6, 600), decides(1, 7, 1_000)] {
        assert_eq!(liveness.observe(&event), Ok(()));
    }
    assert!(liveness.is_fulfilled());
    assert_eq!(liveness.check(Time(by.0 + 1)), Ok(()));
    assert_eq!(liveness.checks(), 3);
}

#[test]
fn the_table_names_every_judge() {
    let checks = History::new(setup(4, &[])).judge.checks();
    let mut names: Vec<&str> = ORACLES.iter().map(|(name, ..)| *name).collect();
    names.retain(|name| *name != "liveness");
    names.sort_unstable();
    assert_eq!(names, checks.keys().collect::<Vec<_>>());
}
