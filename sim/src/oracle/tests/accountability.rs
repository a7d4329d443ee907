//! Who is convicted after a fork: of two statements, of amnesia, and of neither because of a polka.

use engine::{
    consensus::Decision,
    types::{Block, BlockId, Message, PeerId, Round, Time},
};

use crate::oracle::testing::*;

/// Four nodes of which 2 and 3 are byzantine, and two blocks for height 1.
fn forked() -> (History, [Decision; 2]) {
    let chain = Chain::new(4);
    let other = |block: &mut Block| block.header.time = Time(77);
    let mut second = chain.block(&[]);
    other(&mut second);
    let decisions = [chain.decide(chain.block(&[])), chain.decide(second)];
    (History::new(setup(4, &[2, 3])), decisions)
}

/// A decision in this round, for which these three precommitted.
fn decide(history: &mut History, node: usize, decision: &Decision, round: u32, by: [usize; 3]) {
    let precommits = by.map(|by| precommit(by, (1, round), Some(decision.id)));
    let mut decided = decision.clone();
    decided.round = Round(round);
    let hash = Chain::new(4).app.hash();
    history
        .get_all(node, &precommits)
        .see_parts(node, &decided)
        .announce(node, &decided, hash);
}

fn prevotes(by: &[usize], round: u32, id: BlockId) -> Vec<Message> {
    by.iter()
        .map(|by| prevote(*by, (1, round), Some(id)))
        .collect()
}

fn convicted(history: &History) -> (&'static str, Vec<u16>) {
    let convicted = history.violation().convicted.iter();
    (
        history.fired(),
        convicted.map(|PeerId(node)| *node).collect(),
    )
}

#[test]
fn a_fork_in_one_round_convicts_those_in_both_quorums() {
    let (mut history, [a, b]) = forked();
    decide(&mut history, 0, &a, 0, [0, 2, 3]);
    decide(&mut history, 1, &b, 0, [1, 2, 3]);
    assert_eq!(convicted(&history), ("agreement", vec![2, 3]));
    let facts = history.violation().facts.join("\n");
    assert!(facts.contains("n2 sent precommits for"), "{facts}");
}

#[test]
fn a_fork_without_two_votes_in_one_slot_convicts_those_who_forgot() {
    let (mut history, [a, b]) = forked();
    decide(&mut history, 0, &a, 0, [0, 2, 3]);
    history.get_all(1, &prevotes(&[1, 2, 3], 2, b.id));
    decide(&mut history, 1, &b, 2, [1, 2, 3]);
    assert_eq!(convicted(&history), ("agreement", vec![2, 3]));
    let facts = history.violation().facts.join("\n");
    let gap = "nobody has heard of a polka for";
    assert!(
        facts.contains(gap) && facts.contains("in rounds 0 to 1"),
        "{facts}"
    );
}

#[test]
fn a_fork_that_convicts_too_few_breaks_accountability() {
    let (mut history, [a, b]) = forked();
    decide(&mut history, 0, &a, 0, [0, 2, 3]);
    // A polka in round 1 lets everybody go; that one of its voters forgot is not enough.
    history.get_all(1, &prevotes(&[1, 2], 1, b.id));
    decide(&mut history, 1, &b, 2, [1, 2, 3]);
    assert_eq!(convicted(&history), ("accountability", vec![]));
    let violation = history.violation();
    assert!(
        violation.what.contains("only power 1 of 4: n2"),
        "{}",
        violation.what
    );
    assert_eq!(violation.nodes, [PeerId(0), PeerId(1)]);
}

#[test]
fn a_precommit_and_a_later_prevote_for_another_block_alone_prove_nothing() {
    // Node 1 precommits a block in round 0, sees a polka for the other in round 1 and goes over.
    let chain = Chain::new(4);
    let mut second = chain.block(&[]);
    second.header.time = Time(77);
    let (a, b) = (chain.decide(chain.block(&[])), chain.decide(second));
    for gap in [false, true] {
        let mut history = History::new(setup(4, &[3]));
        history.get(0, &precommit(1, (1, 0), Some(a.id)));
        if !gap {
            history.get_all(1, &prevotes(&[0, 2, 3], 1, b.id));
        }
        history.get(2, &prevote(1, (1, 2), Some(b.id)));
        decide(&mut history, 0, &b, 2, [0, 2, 3]);
        let expected = if gap { "accountability" } else { "none" };
        assert_eq!(history.fired(), expected);
    }
}

#[test]
fn a_vote_that_a_crash_took_convicts_nobody() {
    let chain = Chain::new(4);
    let mut second = chain.block(&[]);
    second.header.time = Time(77);
    let (a, b) = (chain.decide(chain.block(&[])), chain.decide(second));
    let mut history = History::new(setup(4, &[]));
    history
        .append(1, &prevote(1, (1, 0), None))
        .crash(1)
        .get(0, &prevote(1, (1, 0), Some(a.id)));
    decide(&mut history, 0, &a, 0, [0, 2, 3]);
    assert_eq!(history.fired(), "none", "{:?}", history.verdict);
    // Once both have left the node it is a lie.
    let mut history = History::new(setup(4, &[3]));
    history
        .get(0, &prevote(1, (1, 0), Some(a.id)))
        .get(2, &prevote(1, (1, 0), Some(b.id)));
    decide(&mut history, 0, &a, 0, [0, 2, 3]);
    assert_eq!(history.fired(), "accountability");
}

#[test]
fn two_proposals_for_one_round_convict_their_proposer() {
    let (mut history, [a, b]) = forked();
    // Node 2 is the third in turn.
    history
        .get(0, &proposal(2, (1, 2), a.id, None))
        .get(1, &proposal(2, (1, 2), b.id, None));
    decide(&mut history, 0, &a, 0, [0, 1, 3]);
    decide(&mut history, 1, &b, 3, [0, 1, 3]);
    let violation = history.violation();
    assert_eq!(
        violation.oracle, "accountability",
        "one proposer is not enough"
    );
    assert!(
        violation.facts[0].starts_with("n2 proposed"),
        "{violation:?}"
    );
}
