//! Oracles about what one correct node signs. Node 1 is the one in doubt; node 0 proposes round 0
//! of height 1, node 1 round 1, node 2 round 2.

use engine::types::Message;

use crate::oracle::testing::*;

/// Two votes of the others for a block: with one's own, a quorum of four.
fn two(
    kind: fn(usize, (u64, u32), Option<engine::types::BlockId>) -> Message,
    round: u32,
    byte: u8,
) -> [Message; 2] {
    [2, 3].map(|by| kind(by, (1, round), Some(id(byte))))
}

/// Node 1 has prevoted and precommitted block 1 in round 0, as it should.
fn locked() -> History {
    let mut history = History::new(setup(4, &[]));
    history.get(1, &proposal(0, (1, 0), id(1), None));
    history.sign(1, &prevote(1, (1, 0), Some(id(1))));
    history.get_all(1, &two(prevote, 0, 1));
    history.sign(1, &precommit(1, (1, 0), Some(id(1))));
    assert_eq!(history.fired(), "none");
    history
}

#[test]
fn a_node_that_follows_the_rules_is_left_alone() {
    let history = locked();
    let checks = history.judge.checks();
    for (oracle, times) in [
        ("no_send_before_durable", 2),
        ("prevote_justified", 1),
        ("precommit_justified", 1),
        ("lock_safety", 0),
        ("agreement", 0),
    ] {
        assert_eq!(checks[oracle], times, "{oracle}");
    }
}

#[test]
fn two_prevotes_in_one_round_are_found() {
    let mut history = locked();
    history.follow(1, (1, 1));
    history.sign(1, &prevote(1, (1, 1), None));
    history.sign(1, &prevote(1, (1, 1), None));
    assert_eq!(history.fired(), "none", "the same again is no second vote");
    history.get(1, &proposal(1, (1, 1), id(1), None));
    history.sign(1, &prevote(1, (1, 1), Some(id(1))));
    assert_eq!(history.fired(), "vote_once");
    assert_eq!(history.violation().facts.len(), 2);
}

#[test]
fn two_prevotes_with_a_crash_between_them_are_found() {
    let mut history = History::new(setup(4, &[]));
    history.get(1, &proposal(0, (1, 0), id(1), None));
    history.sign(1, &prevote(1, (1, 0), Some(id(1))));
    history.crash(1).start(1, 0);
    history.sign(1, &prevote(1, (1, 0), None));
    assert_eq!(history.fired(), "vote_once");
    assert_eq!(
        history.violation().facts,
        [
            "0.003s n1 prevote 0101 in round 0",
            "0.008s n1 prevote nil in round 0"
        ]
    );
}

#[test]
fn a_vote_that_a_crash_took_from_the_disk_does_not_bind() {
    let mut history = History::new(setup(4, &[]));
    history.get(1, &proposal(0, (1, 0), id(1), None));
    history.append(1, &prevote(1, (1, 0), Some(id(1))));
    history.crash(1).start(1, 0);
    history.sign(1, &prevote(1, (1, 0), None));
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_vote_for_an_earlier_step_is_found() {
    let mut history = History::new(setup(4, &[]));
    history.nil_polka(1, (1, 3)).follow(1, (1, 4));
    history.sign(1, &precommit(1, (1, 3), None));
    history.sign(1, &prevote(1, (1, 4), None));
    assert_eq!(history.fired(), "none");
    history.sign(1, &precommit(1, (1, 2), None));
    assert_eq!(history.fired(), "vote_once");
}

#[test]
fn saying_an_old_vote_again_is_not_signing() {
    let mut history = History::new(setup(4, &[]));
    let old = prevote(1, (1, 0), None);
    history.sign(1, &old).nil_polka(1, (1, 0));
    history.sign(1, &precommit(1, (1, 0), None));
    history.send(1, &old).send(2, &old);
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_forged_vote_accuses_nobody() {
    let mut history = History::new(setup(4, &[3]));
    history.sign(1, &prevote(1, (1, 0), None));
    let Message::Vote(mut forged) = prevote(3, (1, 0), Some(id(1))) else {
        panic!("a vote");
    };
    forged.index = engine::types::ValidatorIndex(1);
    let forged = Message::Vote(forged);
    history
        .send(3, &forged)
        .get(2, &forged)
        .send(2, &forged)
        .send(1, &forged);
    assert_eq!(history.fired(), "none");
}

#[test]
fn byzantine_nodes_may_do_what_they_like() {
    let mut history = History::new(setup(4, &[3]));
    history.send(3, &prevote(3, (1, 0), None));
    history.send(3, &prevote(3, (1, 0), Some(id(1))));
    history.send(3, &precommit(3, (1, 0), Some(id(2))));
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_precommit_without_a_polka_is_found() {
    let mut history = History::new(setup(4, &[]));
    history.get(1, &proposal(0, (1, 0), id(1), None));
    history.sign(1, &prevote(1, (1, 0), Some(id(1))));
    history.get(1, &prevote(2, (1, 0), Some(id(1))));
    history.get(1, &prevote(3, (1, 0), Some(id(2))));
    history.get(1, &prevote(3, (1, 1), Some(id(1))));
    history.append(1, &precommit(1, (1, 0), Some(id(1))));
    assert_eq!(history.fired(), "precommit_justified");
    let facts = &history.violation().facts;
    let seen = "had seen prevote 0101 in round 0 from n1 n2: power 2 of 4, no quorum";
    assert!(facts[0].contains(seen), "{facts:?}");
}

#[test]
fn a_node_counts_its_own_vote_after_a_crash_that_spared_the_disk() {
    let mut history = History::new(setup(4, &[]));
    history.get(1, &proposal(0, (1, 0), id(1), None));
    history.append(1, &prevote(1, (1, 0), Some(id(1))));
    history.get_all(1, &two(prevote, 0, 1));
    history.crash(1).start(1, 0);
    history.sign(1, &precommit(1, (1, 0), Some(id(1))));
    history.send(1, &prevote(1, (1, 0), Some(id(1))));
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_precommit_for_nil_needs_a_polka_for_nil_or_a_timeout_after_any_quorum() {
    let nil = precommit(1, (1, 0), None);
    let mixed = [prevote(0, (1, 0), Some(id(1))), prevote(2, (1, 0), None)];
    let prevoted = || {
        let mut history = History::new(setup(4, &[]));
        history.sign(1, &prevote(1, (1, 0), None));
        history
    };
    assert_eq!(
        prevoted().nil_polka(1, (1, 0)).append(1, &nil).fired(),
        "none"
    );
    let mut waited = prevoted();
    waited.get_all(1, &mixed).timeout(1).append(1, &nil);
    assert_eq!(waited.fired(), "none");

    let mut early = prevoted();
    early.get_all(1, &mixed).append(1, &nil);
    assert_eq!(early.fired(), "nil_precommit_justified", "no timeout");
    let mut early = prevoted();
    early.get(1, &mixed[0]).timeout(1).get(1, &mixed[1]);
    early.append(1, &nil);
    assert_eq!(
        early.fired(),
        "nil_precommit_justified",
        "a timeout before the quorum"
    );
    let mut early = prevoted();
    early.get_all(1, &[0, 2, 3].map(|by| prevote(by, (1, 2), None)));
    early.append(1, &nil);
    assert_eq!(early.fired(), "nil_precommit_justified", "another round");
}

#[test]
fn a_node_that_leaves_a_round_on_its_own_is_found() {
    let next = prevote(1, (1, 1), None);
    let others = [0, 2, 3].map(|by| precommit(by, (1, 0), None));
    let mut history = History::new(setup(4, &[]));
    history.get_all(1, &others).append(1, &next);
    assert_eq!(history.fired(), "round_entry", "no timeout");
    let mut history = History::new(setup(4, &[]));
    history.get_all(1, &others[1..]).timeout(1).append(1, &next);
    assert_eq!(history.fired(), "round_entry", "no quorum");
    let mut history = History::new(setup(4, &[]));
    history.get(1, &prevote(3, (1, 1), None)).append(1, &next);
    assert_eq!(history.fired(), "round_entry", "one of four");
}

#[test]
fn a_node_that_follows_the_others_or_has_waited_may_go() {
    let next = prevote(1, (1, 1), None);
    let others = [0, 2, 3].map(|by| precommit(by, (1, 0), None));
    let mut history = History::new(setup(4, &[]));
    history.get_all(1, &others).timeout(1).append(1, &next);
    assert_eq!(history.fired(), "none", "the round has come to nothing");
    let mut history = History::new(setup(4, &[]));
    history.follow(1, (1, 1)).sign(1, &next);
    history.append(1, &precommit(1, (1, 1), None));
    assert_ne!(
        history.fired(),
        "round_entry",
        "only the first act is judged"
    );
    assert_eq!(history.judge.checks()["round_entry"], 1);
}

#[test]
fn a_lock_left_without_a_polka_is_found() {
    let mut history = locked();
    history.get(1, &proposal(2, (1, 2), id(2), None));
    history.append(1, &prevote(1, (1, 2), Some(id(2))));
    assert_eq!(history.fired(), "lock_safety");
    assert!(
        history
            .violation()
            .what
            .contains("locked on 0101 since round 0")
    );
}

#[test]
fn a_lock_left_after_a_crash_is_found() {
    let mut history = locked();
    history.crash(1).start(1, 0);
    history.get(1, &proposal(2, (1, 2), id(2), None));
    history.append(1, &prevote(1, (1, 2), Some(id(2))));
    assert_eq!(history.fired(), "lock_safety");
}

#[test]
fn a_lock_gives_way_to_a_later_polka() {
    let mut history = locked();
    history.follow(1, (1, 2));
    history.get_all(1, &two(prevote, 1, 2));
    history.get(1, &prevote(0, (1, 1), Some(id(2))));
    history.get(1, &proposal(2, (1, 2), id(2), Some(1)));
    history.sign(1, &prevote(1, (1, 2), Some(id(2))));
    assert_eq!(history.fired(), "none");
    assert_eq!(history.judge.checks()["lock_safety"], 1);
}

#[test]
fn a_lock_does_not_give_way_to_an_earlier_polka() {
    let mut history = History::new(setup(4, &[]));
    for by in [0, 2, 3] {
        history.get(1, &prevote(by, (1, 0), Some(id(2))));
        history.get(1, &prevote(by, (1, 1), Some(id(1))));
    }
    history.sign(1, &precommit(1, (1, 1), Some(id(1))));
    history.get(1, &proposal(2, (1, 2), id(2), Some(0)));
    history.append(1, &prevote(1, (1, 2), Some(id(2))));
    assert_eq!(history.fired(), "lock_safety");
}

#[test]
fn a_lock_taken_with_the_disk_does_not_hold() {
    let mut history = History::new(setup(4, &[]));
    history.get_all(1, &two(prevote, 0, 1));
    history.get(1, &prevote(0, (1, 0), Some(id(1))));
    history.append(1, &precommit(1, (1, 0), Some(id(1))));
    history.crash(1).start(1, 0).follow(1, (1, 2));
    history.get(1, &proposal(2, (1, 2), id(2), None));
    history.sign(1, &prevote(1, (1, 2), Some(id(2))));
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_new_block_proposed_in_spite_of_a_lock_is_found() {
    for (block, pol_round, fired) in [
        (2, None, "valid_value"),
        (1, None, "valid_value"),
        (1, Some(0), "none"),
    ] {
        let mut history = locked();
        history.follow(1, (1, 1));
        history.append(1, &proposal(1, (1, 1), id(block), pol_round));
        assert_eq!(history.fired(), fired, "{block} {pol_round:?}");
        assert_eq!(history.judge.checks()["valid_value"], 1);
    }
}

#[test]
fn a_block_with_a_polka_after_the_lock_may_be_proposed() {
    let mut history = locked();
    history.get_all(1, &two(prevote, 2, 2));
    history
        .get(1, &prevote(0, (1, 2), Some(id(2))))
        .follow(1, (1, 5));
    history.append(1, &proposal(1, (1, 5), id(2), Some(2)));
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_prevote_without_a_proposal_is_found() {
    for seen in [
        proposal(0, (1, 0), id(2), None),
        proposal(3, (1, 0), id(1), None),
        proposal(1, (1, 1), id(1), None),
    ] {
        let mut history = History::new(setup(4, &[]));
        history.get(1, &seen);
        history.get(2, &proposal(0, (1, 0), id(1), None));
        history.append(1, &prevote(1, (1, 0), Some(id(1))));
        assert_eq!(history.fired(), "prevote_justified", "{seen}");
    }
}

#[test]
fn a_prevote_before_the_block_is_here_is_found() {
    let mut history = History::new(setup(4, &[]));
    history.get_alone(1, &proposal(0, (1, 0), id(1), None));
    history.sign(1, &prevote(1, (1, 0), Some(id(1))));
    assert_eq!(history.fired(), "prevote_justified");
    assert!(history.violation().facts[0].contains("had not seen all parts of 0101"));
}

#[test]
fn a_prevote_for_an_old_block_needs_the_polka_its_proposal_names() {
    let mut history = History::new(setup(4, &[]));
    history.get(1, &proposal(2, (1, 2), id(1), Some(0)));
    history.get_all(1, &two(prevote, 1, 1));
    history.get(1, &prevote(0, (1, 1), Some(id(1))));
    history.get_all(1, &two(prevote, 0, 1));
    history.append(1, &prevote(1, (1, 2), Some(id(1))));
    assert_eq!(history.fired(), "prevote_justified");

    let mut history = History::new(setup(4, &[]));
    history.get(1, &proposal(2, (1, 2), id(1), Some(0)));
    history.get_all(1, &two(prevote, 0, 1)).follow(1, (1, 2));
    history.get(1, &prevote(0, (1, 0), Some(id(1))));
    history.append(1, &prevote(1, (1, 2), Some(id(1))));
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_proposal_out_of_turn_is_found() {
    let mut history = History::new(setup(4, &[]));
    history.follow(1, (1, 1));
    history.sign(0, &proposal(0, (1, 0), id(1), None));
    history.sign(1, &proposal(1, (1, 1), id(1), None));
    assert_eq!(history.fired(), "none");
    history.append(1, &proposal(1, (1, 2), id(1), None));
    assert_eq!(history.fired(), "proposer_only");
    assert_eq!(history.violation().facts[0], "the turn is that of n2");
}

#[test]
fn passing_on_a_proposal_of_another_is_not_proposing() {
    let mut history = History::new(setup(4, &[]));
    let other = proposal(0, (1, 0), id(1), None);
    history.get(1, &other).send(1, &other);
    assert_eq!(history.fired(), "none");
    assert_eq!(history.judge.checks()["proposer_only"], 0);
}

#[test]
fn two_proposals_in_one_round_are_found() {
    let mut history = History::new(setup(4, &[]));
    history.follow(1, (1, 1));
    history.sign(1, &proposal(1, (1, 1), id(1), None));
    history.sign(1, &proposal(1, (1, 1), id(2), None));
    assert_eq!(history.fired(), "vote_once");
}

#[test]
fn a_proposal_with_a_proof_of_lock_nobody_saw_is_found() {
    let mut history = History::new(setup(4, &[]));
    history.get_all(1, &two(prevote, 0, 1));
    history.append(1, &proposal(1, (1, 1), id(1), Some(0)));
    assert_eq!(history.fired(), "proposer_only");
}

#[test]
fn a_vote_sent_before_it_is_durable_is_found() {
    let own = prevote(1, (1, 0), None);
    let mut history = History::new(setup(4, &[]));
    history.send(1, &own);
    assert_eq!(history.fired(), "no_send_before_durable");

    let mut history = History::new(setup(4, &[]));
    history.append(1, &own).send(1, &own);
    assert_eq!(history.fired(), "no_send_before_durable");

    let mut history = History::new(setup(4, &[]));
    history
        .append(1, &own)
        .sync(1)
        .nil_polka(1, (1, 0))
        .append(1, &precommit(1, (1, 0), None));
    history.send(1, &own);
    assert_eq!(history.fired(), "none");
    history.send(1, &precommit(1, (1, 0), None));
    assert_eq!(history.fired(), "no_send_before_durable");
}

#[test]
fn a_vote_read_back_from_the_disk_is_durable_and_one_written_again_is_not() {
    let own = prevote(1, (1, 0), None);
    let mut history = History::new(setup(4, &[]));
    history.append(1, &own).crash(1).start(1, 0).send(1, &own);
    assert_eq!(history.fired(), "none");

    let mut history = History::new(setup(4, &[]));
    history
        .append(1, &own)
        .crash(1)
        .start(1, 0)
        .append(1, &own)
        .send(1, &own);
    assert_eq!(history.fired(), "no_send_before_durable");
}

#[test]
fn a_broadcast_is_one_sending() {
    let own = prevote(1, (1, 0), None);
    let frame = engine::codec::Frame::encode(own.channel(), vec![own.clone()]);
    let mut history = History::new(setup(4, &[]));
    history.append(1, &own).sync(1);
    for to in [0, 2, 3] {
        let to = engine::types::PeerId(to);
        let frame = frame.clone();
        history.happens(
            1,
            crate::trace::What::Sent {
                packet: 0,
                to,
                frame,
            },
        );
    }
    assert_eq!(history.fired(), "none");
    assert_eq!(history.judge.checks()["no_send_before_durable"], 1);
}
