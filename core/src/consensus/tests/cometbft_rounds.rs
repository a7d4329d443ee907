//! The situations of CometBFT v1's tests of timeouts, round changes and commits
//! (`internal/consensus/state_test.go`).
//!
//! As there, the node under test is validator 0, the proposer of round 0, and its three peers have
//! equal power.

use super::*;

fn of_four() -> Machine {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(0);
    m.start();
    m
}

/// `TestStateBadProposal`.
#[test]
fn a_bad_proposal_gets_nil_even_if_the_peer_prevotes_it() {
    let mut m = Machine::new(&[1, 1]).of_validator(0);
    m.start();
    m.next_round(0);
    let bad = m.invalid_block("bad");
    m.proposed(1, &bad, None);
    m.expect_vote(Prevote, 1, None);
    m.prevotes(1, Some(&bad), [1]);
    m.timeout(Step::PrevoteWait, 1);
    m.expect_vote(Precommit, 1, None);
    m.precommits(1, Some(&bad), [1]);
    m.expect_at(1, Step::PrecommitWait);
    m.expect_undecided();
}

/// `TestWaitingTimeoutOnNilPolka`. Tendermint v0.10 went to the next round at once.
#[test]
fn two_thirds_of_nil_precommits_wait_for_the_timeout() {
    let mut m = of_four();
    m.precommits(0, None, [1, 2, 3]);
    assert_eq!(m.machine.at().round, Round(0));
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
    m.expect_at(1, Step::Propose);
}

/// `TestWaitingTimeoutProposeOnNewRound`.
#[test]
fn after_a_skip_the_proposal_is_waited_for() {
    let mut m = of_four();
    m.prevotes(1, None, [1, 2, 3]);
    m.expect_at(1, Step::Propose);
    m.expect_no_vote();
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::Propose));
    m.expect_vote(Prevote, 1, None);
}

/// `TestRoundSkipOnNilPolkaFromHigherRound`. Upstream jumps to the step of the precommit and
/// precommits nil; the paper has no rule for that: the node waits for the proposal, and its
/// precommit timeout runs already.
#[test]
fn nil_precommits_of_a_later_round_lead_there_and_beyond() {
    let mut m = of_four();
    m.precommits(1, None, [1, 2, 3]);
    m.expect_at(1, Step::Propose);
    m.expect_no_vote();
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
    m.expect_at(2, Step::Propose);
}

/// `TestWaitTimeoutProposeOnNilPolkaForTheCurrentRound`.
#[test]
fn a_nil_polka_of_this_round_does_not_hasten_the_prevote() {
    let mut m = of_four();
    m.next_round(0);
    m.prevotes(1, None, [1, 2, 3]);
    m.expect_no_vote();
    m.expect_at(1, Step::Propose);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::Propose));
    m.expect_vote(Prevote, 1, None);
    m.expect_vote(Precommit, 1, None);
}

/// `TestEmitNewValidBlockEventOnCommitWithoutBlock`.
#[test]
fn a_commit_of_an_unknown_block_is_announced_so_that_peers_send_it() {
    let mut m = of_four();
    m.next_round(0);
    let b = m.block("b");
    m.precommits(1, Some(&b), [1, 2, 3]);
    m.expect_notice(&Notice::ValidBlock {
        block: b.id,
        is_commit: true,
    });
    m.expect_at(1, Step::Commit);
    let wanted = m.machine.candidate(b.id).expect("the block is wanted");
    assert_eq!((wanted.id(), wanted.block()), (b.id, None));
    assert_eq!(wanted.parts().have().count(), 0);
}

/// `TestCommitFromPreviousRound`.
#[test]
fn a_commit_of_an_earlier_round_is_finished_when_the_block_comes() {
    let mut m = of_four();
    m.next_round(0);
    let b = m.block("b");
    m.precommits(0, Some(&b), [1, 2, 3]);
    m.expect_at(1, Step::Commit);
    assert_eq!(m.machine.commit_round(), Some(Round(0)));
    m.expect_undecided();
    m.parts(&b);
    m.expect_decided(0, &b);
}

/// `TestStartNextHeightCorrectlyAfterTimeout`.
#[test]
fn a_decision_after_the_precommit_timeout_leads_to_a_whole_next_height() {
    let mut m = of_four();
    let b = m.block("b");
    m.proposed(0, &b, None);
    m.prevotes(0, Some(&b), [1, 2, 3]);
    m.expect_vote(Prevote, 0, Some(&b));
    m.expect_vote(Precommit, 0, Some(&b));
    m.precommits(0, None, [1]);
    m.precommits(0, Some(&b), [2]);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
    m.expect_at(1, Step::Propose);
    m.precommits(0, Some(&b), [3]);
    m.expect_decided(0, &b);
    m.advance();
    m.expect_at(0, Step::NewHeight);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::NewHeight));
    m.expect_at(0, Step::Propose);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::Propose));
    m.expect_vote(Prevote, 0, None);
}

/// `TestResetTimeoutPrecommitUponNewHeight`.
#[test]
fn the_precommit_timeout_can_be_set_again_at_the_next_height() {
    let mut m = of_four();
    let b = m.block("b");
    m.proposed(0, &b, None);
    m.prevotes(0, Some(&b), [1, 2, 3]);
    m.precommits(0, None, [1]);
    m.precommits(0, Some(&b), [2]);
    m.expect_step(Step::PrecommitWait);
    m.precommits(0, Some(&b), [3]);
    m.expect_decided(0, &b);
    m.advance();
    m.timeout(Step::NewHeight, 0);
    m.precommits(0, None, [1, 2, 3]);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
    m.expect_at(1, Step::Propose);
}

/// `TestStateHalt1`.
#[test]
fn a_node_that_went_on_decides_with_the_last_precommit_of_the_old_round() {
    let mut m = of_four();
    let b = m.block("b");
    m.proposed(0, &b, None);
    m.prevotes(0, Some(&b), [1, 2, 3]);
    m.precommits(0, None, [1]);
    m.precommits(0, Some(&b), [2]);
    m.next_round(0);
    m.expect_vote(Prevote, 0, Some(&b));
    m.expect_vote(Precommit, 0, Some(&b));
    m.timeout(Step::Propose, 1);
    m.expect_vote(Prevote, 1, None);
    m.precommits(0, Some(&b), [3]);
    m.expect_decided(0, &b);
    m.advance();
    assert_eq!(m.machine.at().height, Height(2));
}
