//! The situations of Malachite's tests of its driver (`core-driver/tests/it`), of its full
//! proposals (`core-consensus/tests/full_proposal.rs`) and of its specification's heights
//! (`heightLogic`), and those of Tendermint v0.10's whole rounds, as far as no test beside has
//! them.
//!
//! `docs/PORTED_TESTS.md` says where each of the others is.

use super::*;

/// `driver_steps_proposer`; with two validators `TestFullRound2`.
#[test]
fn the_proposer_goes_through_a_whole_round() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m.expect_propose(0, None);
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.expect_vote(Prevote, 0, Some(&a));
    m.prevotes(0, Some(&a), [1]);
    m.expect_at(0, Step::Prevote);
    m.prevotes(0, Some(&a), [2]);
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_locked(Some((0, &a)));
    m.precommits(0, Some(&a), [1]);
    m.expect_undecided();
    m.precommits(0, Some(&a), [2]);
    m.expect_decided(0, &a);
}

/// `TestFullRound1`: one validator needs nobody.
#[test]
fn a_validator_that_is_alone_decides_with_its_own_votes() {
    let mut m = Machine::new(&[10]).of_validator(0);
    m.start();
    m.expect_propose(0, None);
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_decided(0, &a);
}

/// `TestFullRoundNil`. Upstream stays in the round; we go on after the precommit timeout.
#[test]
fn a_validator_that_is_alone_and_proposes_nothing_goes_on_with_nil() {
    let mut m = Machine::new(&[10]).of_validator(0);
    m.start();
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::Propose));
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, None);
    m.expect_at(0, Step::PrecommitWait);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
    m.expect_at(1, Step::Propose);
    m.expect_undecided();
}

/// `driver_steps_proposer_timeout_get_value`: the own proposal is not durable in time.
#[test]
fn a_proposer_whose_own_proposal_is_late_prevotes_nil_once() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m.expect_propose(0, None);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::Propose));
    m.expect_vote(Prevote, 0, None);
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.expect_no_vote();
    m.expect_at(0, Step::Prevote);
}

/// `driver_steps_not_proposer_timeout_multiple_rounds`, `TimeoutRunTest`.
#[test]
fn timeouts_alone_lead_from_round_to_round_and_grow() {
    let mut m = Machine::of_four();
    m.start();
    for round in 0..3 {
        let begun = m.now;
        assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::Propose));
        let waited = m.now.since(begun);
        assert_eq!(waited, Timeouts::default().propose(Round(round)));
        m.expect_vote(Prevote, round, None);
        m.prevotes(round, None, [0, 1]);
        m.expect_vote(Precommit, round, None);
        m.precommits(round, None, [0, 1]);
        assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
        m.expect_at(round + 1, Step::Propose);
    }
    m.expect_propose(3, None);
}

/// `driver_steps_polka_any_then_proposal_other`.
#[test]
fn more_than_two_thirds_of_any_prevotes_do_not_hasten_a_prevote() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.prevotes(0, None, [0]);
    m.votes(Prevote, 0, Some(unseen(1)), &[1]);
    m.votes(Prevote, 0, Some(unseen(2)), &[2]);
    m.expect_at(0, Step::Propose);
    m.expect_no_vote();
    m.proposed(0, &a, None);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_at(0, Step::PrevoteWait);
    m.expect_locked(None);
}

/// `driver_equivocating_proposer_others_vote_first`.
#[test]
fn an_equivocating_proposers_first_block_is_decided_if_the_others_vote_for_it() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposed(0, &a, None);
    let second = m.signed_proposal(0, &b, None);
    assert_eq!(m.offer(&second), Err(Refusal::ProposalConflict));
    m.expect_vote(Prevote, 0, Some(&a));
    m.prevotes(0, Some(&a), [1, 2]);
    m.expect_vote(Precommit, 0, Some(&a));
    m.precommits(0, Some(&a), [1, 2]);
    m.expect_decided(0, &a);
}

/// `driver_equivocating_proposer_others_vote_second`: we saw the other one first.
#[test]
fn an_equivocating_proposers_second_block_is_locked_if_the_others_vote_for_it() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposed(0, &a, None);
    m.expect_vote(Prevote, 0, Some(&a));
    let second = m.signed_proposal(0, &b, None);
    assert_eq!(m.offer(&second), Err(Refusal::ProposalConflict));
    m.prevotes(0, Some(&b), [0, 1, 2]);
    m.expect_no_vote();
    m.parts(&b);
    m.expect_vote(Precommit, 0, Some(&b));
    m.expect_locked(Some((0, &b)));
    m.precommits(0, Some(&b), [0, 1]);
    m.expect_decided(0, &b);
}

/// `driver_equivocating_proposer_valid_value`, `..._with_polka_cert`: the same value again, once
/// with the proof and once without, are two proposals.
#[test]
fn the_valid_value_with_another_proof_is_another_proposal() {
    let (mut m, a) = locked_on_a();
    m.proposed(1, &a, Some(0));
    m.expect_vote(Prevote, 1, Some(&a));
    let bare = m.signed_proposal(1, &a, None);
    assert_eq!(m.offer(&bare), Err(Refusal::ProposalConflict));
    let kept = m.machine.proposal(Round(1)).and_then(|p| p.pol_round);
    assert_eq!(kept, Some(Round(0)));
    m.prevotes(1, Some(&a), [1, 2]);
    m.expect_vote(Precommit, 1, Some(&a));
}

/// `driver_step_change_mux_with_proposal_and_polka`.
#[test]
fn a_proposal_and_a_polka_that_were_early_serve_when_their_round_begins() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(1, &a, None);
    m.expect_at(0, Step::Propose);
    m.prevotes(1, Some(&a), [0]);
    m.expect_no_vote();
    m.prevotes(1, Some(&a), [1]);
    m.expect_vote(Prevote, 1, Some(&a));
    m.expect_vote(Precommit, 1, Some(&a));
    m.expect_locked(Some((1, &a)));
}

/// `driver_step_change_mux_with_proposal_and_commit_quorum`.
#[test]
fn a_proposal_and_a_commit_of_the_next_round_decide_at_once() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(1, &a, None);
    m.precommits(1, Some(&a), [0, 1, 2]);
    m.expect_decided(1, &a);
}

/// `full_proposal.rs`: the pieces in every order. Parts that come before anything asks for them are
/// ignored, so what was ignored comes again, as gossip repeats it.
#[test]
fn a_proposal_and_its_parts_in_every_order_give_one_prevote() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut m = Machine::of_four();
        m.start();
        let big = m.big_block();
        for (sent, piece) in order.into_iter().chain(order).enumerate() {
            match piece {
                0 => m.proposal(0, &big, None),
                part => assert_eq!(m.part(big.part(part - 1)), Ok(()), "{order:?}"),
            }
            let at_once = order[0] == 0;
            if sent < 2 || (sent == 2 && !at_once) {
                m.expect_no_vote();
            }
        }
        m.expect_vote(Prevote, 0, Some(&big));
        m.expect_no_vote();
    }
}

/// `TestProposalBlockPartsHeightConsistency`.
#[test]
fn parts_of_other_heights_change_nothing() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposal(0, &a, None);
    for height in [0, 2, u64::MAX] {
        let part = Arc::clone(a.part(0));
        let taken = m.run(|machine, cx| machine.on_block_part(cx, Height(height), &part));
        assert_eq!(taken, Ok(false), "height {height}");
    }
    m.expect_no_vote();
    m.parts(&a);
    m.expect_vote(Prevote, 0, Some(&a));
}

/// `TestReactorInvalidPrecommit`, the others' side.
#[test]
fn a_precommit_for_a_block_nobody_has_does_not_stop_the_others() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [1, 2]);
    m.votes(Precommit, 0, Some(unseen(9)), &[0]);
    m.precommits(0, Some(&a), [1]);
    m.expect_at(0, Step::PrecommitWait);
    m.expect_undecided();
    m.precommits(0, Some(&a), [2]);
    m.expect_decided(0, &a);
}

/// `multiHeightRun`: every height begins with nothing of the one before.
#[test]
fn heights_follow_each_other_and_each_begins_afresh() {
    let mut m = Machine::of_four();
    m.start();
    for name in ["a", "b", "c"] {
        m.expect_locked(None);
        m.expect_valid(None);
        assert_eq!(m.machine.commit_round(), None);
        assert_eq!(m.machine.proposal(Round(0)), None);
        let block = m.block(name);
        m.proposed(0, &block, None);
        m.prevotes(0, Some(&block), [0, 1]);
        m.precommits(0, Some(&block), [0, 1]);
        m.expect_vote(Prevote, 0, Some(&block));
        m.expect_vote(Precommit, 0, Some(&block));
        m.expect_decided(0, &block);
        m.advance();
        m.timeout(Step::NewHeight, 0);
        m.expect_at(0, Step::Propose);
    }
    assert_eq!(m.machine.at().height, Height(4));
}

/// `catchUpToHigherRoundAfterHeightChange`.
#[test]
fn a_later_round_is_followed_at_the_next_height_too() {
    let (mut m, _) = decided_a();
    m.advance();
    m.prevotes(4, None, [0]);
    m.expect_at(0, Step::NewHeight);
    m.prevotes(4, None, [1]);
    m.expect_at(4, Step::Propose);
    assert_eq!(m.machine.at().height, Height(2));
}

/// `fastProcessesDecideAtHeight0SlowOneCatchesUp`, `slowProcessAtHeight1`: with the precommits and
/// the block alone, without any proposal, height after height.
#[test]
fn a_slow_process_decides_height_after_height_from_commits_and_blocks() {
    let mut m = Machine::of_four();
    m.wait_for_height();
    for name in ["a", "b"] {
        let block = m.block(name);
        m.precommits(2, Some(&block), [0, 1, 2]);
        m.expect_step(Step::Commit);
        m.expect_undecided();
        m.parts(&block);
        m.expect_no_vote();
        m.expect_decided(2, &block);
        m.advance();
    }
    assert_eq!(m.machine.at().height, Height(3));
}
