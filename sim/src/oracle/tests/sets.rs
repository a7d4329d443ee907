//! Oracles on chains whose validators change: five nodes, the last of which only follows at first.

use engine::{
    app::Call,
    consensus::Decision,
    types::{ConfigChange, Message, Params, SyncMessage, Tx, VoteKind},
};

use crate::oracle::{Setup, testing::*};

fn five() -> Setup {
    let mut setup = setup(5, &[]);
    setup.validators[4].power = 0;
    setup
}

fn power(node: usize, power: u64) -> Tx {
    let key = key(node);
    Call::Power { key, power }.to_tx()
}

fn configure(sequence: u64, change: ConfigChange) -> Tx {
    Call::Configure { sequence, change }.to_tx()
}

/// Four validators decide a first block with these transactions; nodes 0 and 1 announce it.
fn begun(txs: Vec<Tx>) -> (History, Chain) {
    let (mut history, mut chain) = (History::new(five()), Chain::new(4));
    decide_both(&mut history, &mut chain, txs);
    assert_eq!(history.verdict, Ok(()));
    (history, chain)
}

fn decide_both(history: &mut History, chain: &mut Chain, txs: Vec<Tx>) -> Decision {
    txs.iter().for_each(|tx| {
        history.submit(tx);
    });
    let decision = chain.decide(chain.block_of(txs));
    let hash = chain.apply(&decision);
    history
        .decide(0, &decision, hash)
        .decide(1, &decision, hash);
    decision
}

/// Node 4 has joined: height 2 has five validators.
fn joined() -> (History, Chain) {
    let (history, mut chain) = begun(vec![power(4, 1)]);
    chain.set = (0..5).map(|i| (i, 1)).collect();
    (history, chain)
}

#[test]
fn a_node_that_only_follows_must_not_sign_and_once_it_has_joined_it_may() {
    let (mut history, _) = begun(vec![]);
    history.sign(4, &prevote(4, (2, 0), None));
    assert_eq!(history.fired(), "validator_only");
    let facts = &history.violation().facts;
    assert_eq!(facts[0], "the validators of height 2 are n0 n1 n2 n3");

    let (mut history, _) = joined();
    history.sign(4, &prevote(4, (2, 0), None));
    assert_eq!(history.verdict, Ok(()));
    let (mut history, _) = joined();
    history.sign(4, &prevote(4, (1, 0), None));
    assert_eq!(
        history.fired(),
        "validator_only",
        "not for the height before"
    );
}

#[test]
fn a_removed_validator_must_not_sign_and_those_after_it_move_up() {
    let (mut history, mut chain) = begun(vec![power(0, 0)]);
    chain.set = (1..4).map(|i| (i, 1)).collect();
    decide_both(&mut history, &mut chain, vec![]);
    let vote = vote_at((1, 0), VoteKind::Prevote, (3, 0), None);
    history.sign(1, &vote);
    assert_eq!(history.verdict, Ok(()));
    history.sign(0, &prevote(0, (3, 0), None));
    assert_eq!(history.fired(), "validator_only");
}

#[test]
fn a_quorum_is_one_of_the_heights_own_validators() {
    let (mut history, chain) = joined();
    let decision = chain.decide(chain.block(&[]));
    history.see_parts(0, &decision);
    let at = (2, 0);
    let votes = [0, 1, 2].map(|by| precommit(by, at, Some(decision.id)));
    history.get_all(0, &votes);
    history.announce(0, &decision, chain.app.hash());
    assert_eq!(history.fired(), "decision_justified");
    assert!(history.violation().facts[0].contains("power 3 of 5, no quorum"));

    let (mut history, chain) = joined();
    history.see_parts(0, &decision).get_all(0, &votes);
    history.get(0, &precommit(4, at, Some(decision.id)));
    history.announce(0, &decision, chain.app.hash());
    assert_eq!(history.verdict, Ok(()));
}

#[test]
fn a_vote_that_names_anothers_place_does_not_count() {
    let (mut history, chain) = joined();
    let decision = chain.decide(chain.block(&[]));
    history.see_parts(0, &decision);
    for by in 0..5 {
        let place = if by == 4 { 3 } else { by };
        let there = by != 3;
        let vote = vote_at(
            (by, place),
            VoteKind::Precommit,
            (2, 0),
            there.then_some(decision.id),
        );
        history.get(0, &vote);
    }
    history.announce(0, &decision, chain.app.hash());
    assert_eq!(history.fired(), "decision_justified");
}

#[test]
fn a_header_with_the_validators_of_yesterday_is_found() {
    let (mut history, mut chain) = joined();
    let mut block = chain.block(&[]);
    chain.set.pop();
    block.header.validators_hash = chain.block(&[]).header.validators_hash;
    chain.set.push((4, 1));
    let decision = chain.decide(block);
    history.decide(0, &decision, chain.app.hash());
    assert_eq!(history.fired(), "validity");
    assert!(history.violation().what.contains("other validators"));
}

#[test]
fn power_of_a_key_that_is_no_nodes_counts_like_that_of_a_silent_node() {
    let (mut history, mut chain) = begun(vec![power(9, 2)]);
    chain.set.push((9, 2));
    let decision = chain.decide(chain.block(&[]));
    history.see_parts(0, &decision);
    for by in 0..4 {
        history.get(0, &precommit(by, (2, 0), Some(decision.id)));
    }
    history.announce(0, &decision, chain.app.hash());
    assert_eq!(
        history.fired(),
        "decision_justified",
        "4 of 6 are no quorum"
    );
    let (mut history, _) = begun(vec![power(9, 2)]);
    history.decide(0, &decision, chain.app.hash());
    assert_eq!(history.verdict, Ok(()));
}

#[test]
fn a_change_that_is_impossible_as_a_whole_changes_nothing() {
    let (mut history, mut chain) = begun(vec![power(4, 1), power(4, 2)]);
    decide_both(&mut history, &mut chain, vec![power(4, 0), power(0, 5)]);
    decide_both(&mut history, &mut chain, vec![]);
    assert_eq!(history.verdict, Ok(()));
}

#[test]
fn configuration_changes_count_if_they_were_built_on_the_present_one() {
    let join = ConfigChange::Power {
        key: key(4),
        power: 1,
    };
    let leave = ConfigChange::Power {
        key: key(4),
        power: 0,
    };
    // The second is stale, the fourth of the future. The third takes back what the first did.
    let txs = [(0, join), (0, leave), (1, leave), (3, join)];
    let txs = txs.map(|(sequence, change)| configure(sequence, change));
    let (mut history, mut chain) = begun(txs.to_vec());
    chain.config_sequence = 2;
    decide_both(&mut history, &mut chain, vec![configure(2, join)]);
    chain.config_sequence = 3;
    chain.set.push((4, 1));
    decide_both(&mut history, &mut chain, vec![]);
    assert_eq!(history.verdict, Ok(()));
    chain.config_sequence = 4;
    decide_both(&mut history, &mut chain, vec![]);
    assert_eq!(history.fired(), "validity");
    assert!(history.violation().what.contains("does not count"));
}

#[test]
fn blocks_hold_no_more_than_the_parameters_allow() {
    let params = |max_block_txs| {
        ConfigChange::Params(Params {
            max_block_txs,
            ..Params::default()
        })
    };
    // The second asks for what no chain can live with: it counts and changes nothing.
    let txs = vec![configure(0, params(1)), configure(1, params(0))];
    let (mut history, mut chain) = begun(txs);
    chain.config_sequence = 2;
    decide_both(&mut history, &mut chain, vec![tx(b"one")]);
    assert_eq!(history.verdict, Ok(()));
    decide_both(&mut history, &mut chain, vec![tx(b"two"), tx(b"three")]);
    assert_eq!(history.fired(), "validity");
    assert!(history.violation().what.contains("more transactions"));
}

#[test]
fn a_block_that_came_whole_with_its_commit_justifies_a_decision_and_one_without_does_not() {
    let block_of = |decision: &Decision, commit| {
        let block = std::sync::Arc::clone(&decision.block);
        Message::BlockSync(SyncMessage::BlockResponse {
            block,
            commit: Box::new(commit),
        })
    };
    let (mut history, chain) = joined();
    let decision = chain.decide(chain.block(&[]));
    history.get(0, &block_of(&decision, decision.commit.clone()));
    history.announce(0, &decision, chain.app.hash());
    assert_eq!(history.verdict, Ok(()));

    let (mut history, chain) = joined();
    let mut commit = decision.commit.clone();
    let mut entries = commit.signatures.to_vec();
    entries[..2].fill(engine::types::CommitSig::Absent);
    commit.signatures = entries.try_into().unwrap();
    history.get(0, &block_of(&decision, commit));
    history.announce(0, &decision, chain.app.hash());
    assert_eq!(history.fired(), "decision_justified");
}

#[test]
fn a_set_is_known_though_nobody_announced_the_block_that_made_it() {
    let (mut history, mut chain) = begun(vec![]);
    let join = power(4, 1);
    history.submit(&join);
    let second = chain.decide(chain.block_of(vec![join]));
    chain.apply(&second);
    history.see(0, &second);
    history.crash(0).start(0, 2);
    history.sign(4, &prevote(4, (3, 0), None));
    assert_eq!(history.verdict, Ok(()));
}
