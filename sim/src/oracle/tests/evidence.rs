//! Evidence in blocks: node 3 of four is byzantine.

use engine::types::{Block, DuplicateVote, Message, Signature, Vote, VoteKind};

use crate::oracle::testing::*;

fn plain(message: Message) -> Vote {
    let Message::Vote(vote) = message else {
        panic!("a vote");
    };
    vote
}

/// Two prevotes of a node in round 0.
fn against(by: usize, height: u64) -> DuplicateVote {
    DuplicateVote {
        first: plain(vote(by, VoteKind::Prevote, (height, 0), None)),
        second: plain(vote(by, VoteKind::Prevote, (height, 0), Some(id(1)))),
    }
}

/// A chain whose blocks carry these pieces of evidence, as node 0 decides it.
fn decided(blocks: Vec<Vec<DuplicateVote>>) -> History {
    let (mut history, mut chain) = (History::new(setup(4, &[3])), Chain::new(4));
    for evidence in blocks {
        let mut block = chain.block(&[]);
        block.evidence = evidence.try_into().unwrap();
        block.header.evidence_hash = Block::evidence_hash(&block.evidence);
        let decision = chain.decide(block);
        let hash = chain.apply(&decision);
        history.decide(0, &decision, hash);
    }
    history
}

#[test]
fn evidence_against_a_byzantine_validator_is_accepted_once_per_offence() {
    let other = DuplicateVote {
        first: plain(precommit(3, (1, 0), None)),
        second: plain(precommit(3, (1, 0), Some(id(1)))),
    };
    let history = decided(vec![
        vec![against(3, 1)],
        vec![other, against(3, 2)],
        vec![],
    ]);
    assert_eq!(history.verdict, Ok(()));
    assert_eq!(history.judge.checks()["evidence"], 3);
}

#[test]
fn evidence_that_does_not_hold_is_found() {
    let (good, mut swapped) = (against(3, 1), against(3, 1));
    std::mem::swap(&mut swapped.first, &mut swapped.second);
    let mut forged = good.clone();
    forged.second.signature = Signature([7; 64]);
    let mut elsewhere = good.clone();
    elsewhere.first.index.0 = 2;
    elsewhere.second.index.0 = 2;
    let mut rounds = good.clone();
    rounds.second = plain(prevote(3, (1, 1), Some(id(1))));
    let cases = [
        (against(1, 1), "n1 follows the protocol"),
        (swapped, "do not contradict each other"),
        (rounds, "do not contradict each other"),
        (forged, "n3 has not signed"),
        (elsewhere, "is not validator 2 of height 1"),
        (against(3, 3), "votes of heights 1 to 2"),
    ];
    for (evidence, expected) in cases {
        let history = decided(vec![vec![], vec![evidence]]);
        assert_eq!(history.fired(), "evidence", "{expected}");
        let what = &history.violation().what;
        assert!(what.contains(expected), "{expected}: {what}");
    }
}

#[test]
fn an_offence_that_is_proved_twice_is_found() {
    for blocks in [
        vec![vec![against(3, 1), against(3, 1)]],
        vec![vec![against(3, 1)], vec![], vec![against(3, 1)]],
    ] {
        assert_eq!(decided(blocks).fired(), "evidence");
    }
}

#[test]
fn evidence_may_be_as_old_as_the_parameters_say_and_not_older() {
    let mut blocks = vec![vec![]; 100];
    blocks.push(vec![against(3, 1)]);
    assert_eq!(decided(blocks.clone()).verdict, Ok(()));
    blocks[100].clear();
    blocks.push(vec![against(3, 1)]);
    assert_eq!(decided(blocks).fired(), "evidence");
}
