//! The situations of CometBFT v1's lock tests (`internal/consensus/state_test.go`), written again
//! for this machine.
//!
//! As there, the node under test is validator 0, the proposer of round 0, and its three peers have
//! equal power.

use super::*;

/// Validator 0 of four, locked since round 0 on its own proposal, at the start of round 1.
fn locked_proposer() -> (Machine, Made) {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m.expect_propose(0, None);
    let b0 = m.block("b0");
    m.proposed(0, &b0, None);
    m.prevotes(0, Some(&b0), [1, 2, 3]);
    m.expect_vote(Prevote, 0, Some(&b0));
    m.expect_vote(Precommit, 0, Some(&b0));
    m.expect_locked(Some((0, &b0)));
    m.precommits(0, None, [1, 2, 3]);
    m.next_round(0);
    (m, b0)
}

/// `TestStateLock_NoPOL`. Upstream lets the peer vote for a block it made up; so do we.
#[test]
fn a_lock_outlives_rounds_without_a_polka() {
    let mut m = Machine::new(&[1, 1]).of_validator(0);
    m.start();
    let (b, other) = (m.block("b"), m.block("other"));
    m.proposed(0, &b, None);
    m.prevotes(0, Some(&b), [1]);
    m.precommits(0, Some(&other), [1]);
    m.expect_vote(Prevote, 0, Some(&b));
    m.expect_vote(Precommit, 0, Some(&b));
    m.next_round(0);

    m.timeout(Step::Propose, 1);
    m.prevotes(1, Some(&other), [1]);
    m.timeout(Step::PrevoteWait, 1);
    m.precommits(1, Some(&other), [1]);
    m.expect_vote(Prevote, 1, None);
    m.expect_vote(Precommit, 1, None);
    m.next_round(1);

    m.expect_propose(0, None);
    m.expect_propose(2, Some((0, &b)));
    m.proposed(2, &b, Some(0));
    m.prevotes(2, Some(&other), [1]);
    m.timeout(Step::PrevoteWait, 2);
    m.precommits(2, Some(&other), [1]);
    m.expect_vote(Prevote, 2, Some(&b));
    m.expect_vote(Precommit, 2, None);
    m.next_round(2);

    let b3 = m.block("b3");
    m.proposed(3, &b3, None);
    m.prevotes(3, Some(&b3), [1]);
    m.timeout(Step::PrevoteWait, 3);
    m.expect_vote(Prevote, 3, None);
    m.expect_vote(Precommit, 3, None);
    m.expect_locked(Some((0, &b)));
}

/// `TestStateLock_POLUpdateLock`.
#[test]
fn a_polka_for_another_block_moves_the_lock() {
    let (mut m, _b0) = locked_proposer();
    let b1 = m.block("b1");
    m.proposed(1, &b1, None);
    m.expect_vote(Prevote, 1, None);
    m.prevotes(1, Some(&b1), [1, 2, 3]);
    m.expect_vote(Precommit, 1, Some(&b1));
    m.expect_locked(Some((1, &b1)));
    m.expect_valid(Some((1, &b1)));
}

/// `TestStateLock_POLRelock`.
#[test]
fn a_polka_for_the_locked_block_renews_the_lock() {
    let (mut m, b0) = locked_proposer();
    m.proposed(1, &b0, Some(0));
    m.expect_vote(Prevote, 1, Some(&b0));
    m.prevotes(1, Some(&b0), [1, 2, 3]);
    m.expect_vote(Precommit, 1, Some(&b0));
    m.expect_locked(Some((1, &b0)));
    m.expect_notice(&Notice::Relock(Round(1), b0.id));
}

/// `TestStateLock_PrevoteNilWhenLockedAndMissProposal`.
#[test]
fn a_locked_node_that_misses_the_proposal_prevotes_nil() {
    let (mut m, b0) = locked_proposer();
    m.timeout(Step::Propose, 1);
    m.expect_vote(Prevote, 1, None);
    m.prevotes(1, None, [1, 2, 3]);
    m.expect_vote(Precommit, 1, None);
    m.expect_locked(Some((0, &b0)));
}

/// `TestStateLock_PrevoteNilWhenLockedAndDifferentProposal`.
#[test]
fn a_locked_node_prevotes_nil_for_a_different_proposal() {
    let (mut m, b0) = locked_proposer();
    let b1 = m.block("b1");
    m.proposed(1, &b1, None);
    m.expect_vote(Prevote, 1, None);
    m.prevotes(1, None, [1, 2, 3]);
    m.expect_vote(Precommit, 1, None);
    m.expect_locked(Some((0, &b0)));
}

/// `TestStateLock_POLDoesNotUnlock`. In v0.38 and before (`TestStateLockPOLUnlock`) the nil polka
/// unlocked.
#[test]
fn nil_polkas_never_unlock() {
    let (mut m, b0) = locked_proposer();
    for round in [1, 2] {
        let new = m.block(&format!("b{round}"));
        m.proposed(round, &new, None);
        m.prevotes(round, None, [1, 2, 3]);
        m.precommits(round, None, [1, 2, 3]);
        m.expect_vote(Prevote, round, None);
        m.expect_vote(Precommit, round, None);
        m.expect_locked(Some((0, &b0)));
        m.next_round(round);
    }
}

/// `TestStateLock_MissingProposalWhenPOLSeenDoesNotUpdateLock`. Upstream precommits nil as soon as
/// it sees the polka; the paper gives the block until the prevote timeout.
#[test]
fn a_polka_for_a_block_that_never_comes_does_not_move_the_lock() {
    let (mut m, b0) = locked_proposer();
    let b1 = m.block("b1");
    m.timeout(Step::Propose, 1);
    m.prevotes(1, Some(&b1), [1, 2, 3]);
    m.expect_vote(Prevote, 1, None);
    m.expect_no_vote();
    m.timeout(Step::PrevoteWait, 1);
    m.expect_vote(Precommit, 1, None);
    m.expect_locked(Some((0, &b0)));
    m.expect_valid(Some((0, &b0)));
}

/// `TestStateLock_MissingProposalWhenPOLForLockedBlock`. By the paper's text the proposal message
/// is needed as well; like upstream we take the polka's word for it (see the module's first
/// difference).
#[test]
fn a_polka_for_the_locked_block_renews_the_lock_even_without_the_proposal() {
    let (mut m, b0) = locked_proposer();
    m.timeout(Step::Propose, 1);
    m.expect_vote(Prevote, 1, None);
    m.prevotes(1, Some(&b0), [1, 2, 3]);
    m.expect_vote(Precommit, 1, Some(&b0));
    m.expect_locked(Some((1, &b0)));
    m.expect_valid(Some((1, &b0)));
}

/// `TestState_MissingProposalValidBlockReceivedTimeout`.
#[test]
fn a_block_known_only_from_a_polka_is_not_prevoted() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m.next_round(0);
    let b = m.block("b");
    m.prevotes(1, Some(&b), [1, 2, 3]);
    m.parts(&b);
    m.expect_no_vote();
    m.timeout(Step::Propose, 1);
    m.expect_vote(Prevote, 1, None);
}

/// `TestState_MissingProposalValidBlockReceivedPrecommit`.
#[test]
fn a_block_known_only_from_precommits_is_decided_without_a_vote() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m.next_round(0);
    let b = m.block("b");
    m.precommits(1, Some(&b), [1, 2, 3]);
    m.parts(&b);
    m.expect_no_vote();
    m.expect_decided(1, &b);
}

/// `TestStateLock_DoesNotLockOnOldProposal`. The block of round 0 is forgotten when round 1 begins,
/// since nobody locked it. Should a peer send it again in time, we would lock it, because the polka
/// names it (the first difference).
#[test]
fn a_proposal_of_an_earlier_round_is_not_locked() {
    for sent_again in [false, true] {
        let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
        m.start();
        let b0 = m.block("b0");
        m.proposed(0, &b0, None);
        m.prevotes(0, None, [1, 2, 3]);
        m.expect_vote(Prevote, 0, Some(&b0));
        m.expect_vote(Precommit, 0, None);
        m.next_round(0);
        m.timeout(Step::Propose, 1);
        m.prevotes(1, Some(&b0), [1, 2, 3]);
        m.expect_vote(Prevote, 1, None);
        m.expect_locked(None);
        if sent_again {
            m.parts(&b0);
            m.expect_locked(Some((1, &b0)));
        } else {
            m.timeout(Step::PrevoteWait, 1);
            m.expect_vote(Precommit, 1, None);
            m.expect_locked(None);
        }
    }
}

/// `TestStateLock_POLSafety1`.
#[test]
fn late_prevotes_of_an_earlier_round_do_not_change_a_newer_lock() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    let (b0, b1) = (m.block("b0"), m.block("b1"));
    m.proposed(0, &b0, None);
    m.timeout(Step::PrevoteWait, 0);
    m.expect_vote(Prevote, 0, Some(&b0));
    m.expect_vote(Precommit, 0, None);
    m.next_round(0);
    m.proposed(1, &b1, None);
    m.prevotes(1, Some(&b1), [1, 2, 3]);
    m.expect_vote(Prevote, 1, Some(&b1));
    m.expect_vote(Precommit, 1, Some(&b1));
    m.next_round(1);
    m.timeout(Step::Propose, 2);
    m.expect_vote(Prevote, 2, None);
    m.prevotes(0, Some(&b0), [1, 2, 3]);
    m.expect_no_vote();
    m.expect_at(2, Step::Prevote);
    m.expect_locked(Some((1, &b1)));
    m.expect_valid(Some((1, &b1)));
}

/// `TestStateLock_POLSafety2`.
#[test]
fn a_proof_older_than_the_lock_does_not_lift_it() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    let (b0, b1) = (m.block("b0"), m.block("b1"));
    m.next_round(0);
    m.proposed(1, &b1, None);
    m.prevotes(1, Some(&b1), [1, 2, 3]);
    m.expect_vote(Prevote, 1, Some(&b1));
    m.expect_vote(Precommit, 1, Some(&b1));
    m.next_round(1);
    m.proposed(2, &b0, Some(0));
    m.expect_no_vote();
    m.prevotes(0, Some(&b0), [1, 2, 3]);
    m.expect_vote(Prevote, 2, None);
    m.expect_locked(Some((1, &b1)));
}

/// `TestState_PrevotePOLFromPreviousRound`.
#[test]
fn a_proof_newer_than_the_lock_lets_a_locked_node_prevote_the_other_block() {
    let (mut m, b0) = locked_proposer();
    let b1 = m.block("b1");
    m.proposed(1, &b1, None);
    m.prevotes(1, Some(&b1), [1]);
    m.prevotes(1, None, [2]);
    m.timeout(Step::PrevoteWait, 1);
    m.expect_vote(Prevote, 1, None);
    m.expect_vote(Precommit, 1, None);
    m.next_round(1);
    m.prevotes(1, Some(&b1), [3]);
    m.proposed(2, &b1, Some(1));
    m.expect_no_vote();
    // The polka of round 1 had the prevote of validator 2, who equivocated; a peer's claim makes it
    // count.
    let claim = m
        .machine
        .on_majority_claim(Round(1), Prevote, PeerId(3), Some(b1.id));
    assert_eq!(claim, Ok(true));
    let second = m.vote(Prevote, 1, Some(b1.id), 2);
    assert!(m.cast(&second).is_ok());
    m.expect_vote(Prevote, 2, Some(&b1));
    m.expect_locked(Some((0, &b0)));
    m.prevotes(2, Some(&b1), [1, 2]);
    m.expect_vote(Precommit, 2, Some(&b1));
    m.expect_locked(Some((2, &b1)));
}

/// `TestProposeValidBlock`.
#[test]
fn a_proposer_takes_up_its_valid_block_with_the_round_of_its_polka() {
    let (mut m, b0) = locked_proposer();
    m.timeout(Step::Propose, 1);
    m.prevotes(1, None, [1, 2, 3]);
    m.precommits(1, None, [1, 2, 3]);
    m.next_round(1);
    m.precommits(4, None, [1, 2]);
    m.expect_at(4, Step::Propose);
    m.expect_propose(4, Some((0, &b0)));
}

/// `TestSetValidBlockOnDelayedPrevote`.
#[test]
fn a_polka_completed_after_the_timeout_makes_the_block_valid() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    let b = m.block("b");
    m.proposed(0, &b, None);
    m.prevotes(0, Some(&b), [1]);
    m.prevotes(0, None, [2]);
    m.expect_step(Step::PrevoteWait);
    m.timeout(Step::PrevoteWait, 0);
    m.expect_vote(Prevote, 0, Some(&b));
    m.expect_vote(Precommit, 0, None);
    m.expect_valid(None);
    m.prevotes(0, Some(&b), [3]);
    m.expect_valid(Some((0, &b)));
    m.expect_locked(None);
}

/// `TestSetValidBlockOnDelayedProposal`.
#[test]
fn a_proposal_that_comes_after_the_precommit_makes_the_block_valid() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m.next_round(0);
    let b = m.block("b");
    m.timeout(Step::Propose, 1);
    m.prevotes(1, Some(&b), [1, 2, 3]);
    m.timeout(Step::PrevoteWait, 1);
    m.expect_vote(Prevote, 1, None);
    m.expect_vote(Precommit, 1, None);
    m.expect_valid(None);
    m.proposed(1, &b, None);
    m.expect_valid(Some((1, &b)));
    m.expect_locked(None);
    m.expect_no_vote();
}
