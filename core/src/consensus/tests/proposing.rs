//! From the start of a round to the prevote: L11 to L33, and which proposals and parts are taken.

use super::*;

#[test]
fn l14_the_proposer_of_a_round_proposes_a_new_value() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m.expect_propose(0, None);
    m.expect_at(0, Step::Propose);
    m.expect_no_vote();
}

#[test]
fn l16_the_proposer_of_a_round_proposes_its_valid_value_again() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(1);
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0, 2]);
    m.next_round(0);
    m.expect_propose(1, Some((0, &a)));
}

#[test]
fn l21_who_is_not_the_proposer_waits_for_the_proposal() {
    for index in [1, 2, 3] {
        let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(index);
        m.start();
        m.expect_no_propose();
        m.expect_at(0, Step::Propose);
        let propose = Hrs {
            height: Height(1),
            round: Round(0),
            step: Step::Propose,
        };
        assert_eq!(m.wake(), Some(propose));
        m.expect_vote(Prevote, 0, None);
    }
}

#[test]
fn l11_the_turn_to_propose_follows_priority_and_then_address() {
    let mut m = Machine::new(&[1, 3, 1]).of_validator(1);
    m.start();
    let expected = [1, 0, 1, 2, 1];
    for (round, proposer) in (0..).zip(expected) {
        assert_eq!(
            m.machine.proposer(),
            ValidatorIndex(proposer),
            "round {round}"
        );
        m.next_round(round);
    }
    for round in [0, 2, 4, 5] {
        m.expect_propose(round, None);
    }
}

#[test]
fn an_observer_neither_proposes_nor_votes_but_decides() {
    let mut m = Machine::new(&[1, 1, 1, 1]);
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.precommits(0, Some(&a), [0, 1, 2]);
    m.expect_no_propose();
    m.expect_no_vote();
    m.expect_decided(0, &a);
}

#[test]
fn l22_an_unlocked_node_prevotes_a_valid_new_proposal() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposal(0, &a, None);
    m.expect_no_vote();
    m.parts(&a);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_at(0, Step::Prevote);
    m.expect_notice(&Notice::CompleteProposal(a.id));
}

/// How often the machine said that a block's proposal is complete.
fn complete(m: &mut Machine, block: &Made) -> usize {
    let notices = std::mem::take(&mut m.record.notices);
    let wanted = Notice::CompleteProposal(block.id);
    notices.iter().filter(|notice| **notice == wanted).count()
}

#[test]
fn a_proposal_is_told_to_be_complete_once_whatever_came_last() {
    // Its round.
    let mut m = Machine::of_four();
    m.wait_for_height();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposed(0, &a, None);
    m.proposed(1, &b, None);
    assert_eq!(complete(&mut m, &a), 0, "round 0 has not begun");
    m.timeout(Step::NewHeight, 0);
    assert_eq!(complete(&mut m, &a), 1);
    m.timeout(Step::PrecommitWait, 0);
    assert_eq!(complete(&mut m, &b), 1);

    // The proposal: its parts were asked for because of a polka.
    let mut m = Machine::of_four();
    m.start();
    m.timeout(Step::Propose, 0);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.parts(&a);
    assert_eq!(complete(&mut m, &a), 0, "there is no proposal");
    m.proposal(0, &a, None);
    assert_eq!(complete(&mut m, &a), 1);
    m.proposal(0, &a, None);
    m.parts(&a);
    assert_eq!(complete(&mut m, &a), 0, "nothing is new");
}

#[test]
fn l22_a_proposal_that_came_before_its_round_is_prevoted_when_the_round_begins() {
    let mut m = Machine::of_four();
    m.wait_for_height();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposed(0, &a, None);
    m.proposed(1, &b, None);
    m.expect_no_vote();
    m.timeout(Step::NewHeight, 0);
    m.expect_vote(Prevote, 0, Some(&a));
    m.timeout(Step::PrecommitWait, 0);
    m.expect_vote(Prevote, 1, Some(&b));
}

#[test]
fn l22_the_block_is_prevoted_when_its_last_part_comes_in_whatever_order() {
    let mut m = Machine::of_four();
    m.start();
    let big = m.big_block();
    m.proposal(0, &big, None);
    assert_eq!(m.part(big.part(1)), Ok(()));
    m.expect_no_vote();
    assert_eq!(m.part(big.part(0)), Ok(()));
    m.expect_vote(Prevote, 0, Some(&big));
}

#[test]
fn l26_a_node_locked_on_another_value_prevotes_nil() {
    let (mut m, _a) = locked_on_a();
    let b = m.block("b");
    m.proposed(1, &b, None);
    m.expect_vote(Prevote, 1, None);
}

#[test]
fn l22_a_node_locked_on_the_value_prevotes_it_when_it_is_proposed_as_new() {
    let (mut m, a) = locked_on_a();
    m.proposed(1, &a, None);
    m.expect_vote(Prevote, 1, Some(&a));
}

#[test]
fn l26_an_invalid_block_gets_a_prevote_for_nil() {
    let mut m = Machine::of_four();
    m.start();
    let bad = m.invalid_block("bad");
    m.proposed(0, &bad, None);
    m.expect_vote(Prevote, 0, None);
}

#[test]
fn l26_parts_that_are_not_the_block_the_proposal_names_get_a_prevote_for_nil() {
    let mut m = Machine::of_four();
    m.start();
    let mut misnamed = m.block("a");
    misnamed.id.hash = Hash([7; 32]);
    m.proposed(0, &misnamed, None);
    m.expect_vote(Prevote, 0, None);
}

#[test]
fn l26_parts_that_are_no_block_at_all_get_a_prevote_for_nil() {
    let mut m = Machine::of_four();
    m.start();
    let parts = PartSet::split(b"not a block");
    let id = BlockId {
        hash: Hash([7; 32]),
        parts: parts.header(),
    };
    m.proposed(0, &Made { id, parts }, None);
    m.expect_vote(Prevote, 0, None);
}

#[test]
fn a_proposal_that_its_proposer_did_not_sign_is_refused() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    for (signer, round) in [(1, 0), (3, 0), (0, 1)] {
        let forged = m.proposal_by(signer, round, &a, None);
        assert_eq!(m.offer(&forged), Err(Refusal::ProposalSignature));
    }
    let mut moved = m.signed_proposal(0, &a, None);
    moved.block = m.block("b").id;
    assert_eq!(m.offer(&moved), Err(Refusal::ProposalSignature));
    assert_eq!(m.machine.proposal(Round(0)), None);
    assert_eq!(
        m.part(a.part(0)),
        Ok(()),
        "a part of an unknown block is ignored"
    );
    m.expect_no_vote();
}

#[test]
fn a_second_proposal_of_a_round_is_refused_and_the_same_again_is_ignored() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposal(0, &a, None);
    m.proposal(0, &a, None);
    let other = m.signed_proposal(0, &b, None);
    assert_eq!(m.offer(&other), Err(Refusal::ProposalConflict));
    m.parts(&a);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_no_vote();
}

#[test]
fn proposals_of_other_heights_past_rounds_and_far_rounds_are_ignored() {
    let mut m = Machine::of_four();
    m.start();
    m.next_round(0);
    let a = m.block("a");
    m.proposal(0, &a, None);
    m.proposal(3, &a, None);
    let mut other_height = m.signed_proposal(1, &a, None);
    other_height.height = Height(2);
    assert_eq!(m.offer(&other_height), Ok(()));
    for round in 0..5 {
        assert_eq!(m.machine.proposal(Round(round)), None);
    }
    assert_eq!(m.machine.candidate(a.id), None);
}

#[test]
fn a_part_of_another_block_is_refused_and_a_part_twice_is_not() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposal(0, &a, None);
    assert!(matches!(m.part(b.part(0)), Err(Refusal::Part(_))));
    assert_eq!(m.part(a.part(0)), Ok(()));
    assert_eq!(m.part(a.part(0)), Ok(()));
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_no_vote();
}

/// The second block of a height must not turn repeated parts of the first into an offence.
#[test]
fn a_part_twice_is_not_refused_when_two_blocks_are_known() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposed(0, &a, None);
    m.proposal(1, &b, None);
    assert_eq!(m.part(a.part(0)), Ok(()));
    m.parts(&b);
    assert_eq!(m.part(a.part(0)), Ok(()));
    assert_eq!(m.part(b.part(0)), Ok(()));
}

/// A faulty proposer names the parts of an honest block under a wrong hash. Peers send a part once.
#[test]
fn a_part_goes_to_every_block_that_travels_in_these_parts() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    let mut misnamed = a.clone();
    misnamed.id.hash = Hash([7; 32]);
    m.proposal(0, &misnamed, None);
    m.proposal(1, &a, None);
    m.parts(&a);
    m.expect_vote(Prevote, 0, None);
    m.timeout(Step::PrecommitWait, 0);
    m.expect_vote(Prevote, 1, Some(&a));
}

#[test]
fn parts_that_came_under_a_wrong_name_serve_the_right_one() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    let mut misnamed = a.clone();
    misnamed.id.hash = Hash([7; 32]);
    m.proposed(0, &misnamed, None);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, Some(&a));
}

#[test]
fn l28_a_polka_of_the_proofs_round_lets_an_unlocked_node_prevote() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.next_round(0);
    m.proposed(1, &a, Some(0));
    m.expect_vote(Prevote, 1, Some(&a));
}

#[test]
fn l28_a_proposal_whose_polka_is_missing_waits_for_it() {
    let mut m = Machine::of_four();
    m.start();
    m.next_round(0);
    let a = m.block("a");
    m.proposed(1, &a, Some(0));
    m.expect_no_vote();
    m.prevotes(0, Some(&a), [0, 1]);
    m.expect_no_vote();
    m.prevotes(0, Some(&a), [2]);
    m.expect_vote(Prevote, 1, Some(&a));
}

#[test]
fn l28_a_polka_for_something_else_does_not_justify_a_proposal() {
    for other in [Some("b"), None] {
        let mut m = Machine::of_four();
        m.start();
        let a = m.block("a");
        let other = other.map(|name| m.block(name));
        m.prevotes(0, other.as_ref(), [0, 1, 2]);
        m.next_round(0);
        m.proposed(1, &a, Some(0));
        m.expect_no_vote();
        m.timeout(Step::Propose, 1);
        m.expect_vote(Prevote, 1, None);
    }
}

#[test]
fn l28_a_newer_polka_lifts_an_older_lock() {
    let (mut m, a) = locked_on_a();
    let b = m.block("b");
    m.prevotes(1, Some(&b), [0, 1, 2]);
    m.next_round(1);
    m.proposed(2, &b, Some(1));
    m.expect_vote(Prevote, 2, Some(&b));
    m.expect_locked(Some((0, &a)));
}

#[test]
fn l28_the_locked_value_is_prevoted_again_with_the_polka_that_locked_it() {
    let (mut m, a) = locked_on_a();
    m.proposed(1, &a, Some(0));
    m.expect_vote(Prevote, 1, Some(&a));
}

#[test]
fn l32_an_older_polka_does_not_lift_a_newer_lock() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.next_round(0);
    m.proposed(1, &b, None);
    m.prevotes(1, Some(&b), [0, 1]);
    m.expect_vote(Prevote, 1, Some(&b));
    m.expect_vote(Precommit, 1, Some(&b));
    m.next_round(1);
    m.proposed(2, &a, Some(0));
    m.expect_vote(Prevote, 2, None);
    m.expect_locked(Some((1, &b)));
}

#[test]
fn l32_an_invalid_block_gets_nil_even_with_a_polka() {
    let mut m = Machine::of_four();
    m.start();
    let bad = m.invalid_block("bad");
    m.prevotes(0, Some(&bad), [0, 1, 2]);
    m.next_round(0);
    m.proposed(1, &bad, Some(0));
    m.expect_vote(Prevote, 1, None);
}

#[test]
fn l57_without_a_complete_proposal_the_timeout_prevotes_nil() {
    for with_proposal in [false, true] {
        let mut m = Machine::of_four();
        m.start();
        let a = m.block("a");
        if with_proposal {
            m.proposal(0, &a, None);
        }
        m.timeout(Step::Propose, 0);
        m.expect_vote(Prevote, 0, None);
        m.expect_notice(&Notice::TimeoutPropose(Hrs {
            height: Height(1),
            round: Round(0),
            step: Step::Propose,
        }));
        m.expect_at(0, Step::Prevote);
        m.parts(&a);
        m.expect_no_vote();
    }
}

#[test]
fn l57_is_ignored_after_the_prevote() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.expect_vote(Prevote, 0, Some(&a));
    m.timeout(Step::Propose, 0);
    m.expect_no_vote();
    m.expect_step(Step::Prevote);
}
