//! The decision: L47 to L54 and L65, and what follows a decision.

use super::*;

#[test]
fn l47_two_thirds_of_any_precommits_start_the_precommit_timeout() {
    let mut m = Machine::of_four();
    m.start();
    m.timeout(Step::Propose, 0);
    m.timeout(Step::PrevoteWait, 0);
    m.precommits(0, Some(&m.block("a")), [0]);
    m.expect_step(Step::Precommit);
    m.precommits(0, Some(&m.block("b")), [1]);
    m.expect_step(Step::PrecommitWait);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
    m.expect_at(1, Step::Propose);
}

#[test]
fn l47_fires_once_per_round() {
    let mut m = Machine::of_four();
    m.start();
    for round in 0..3 {
        m.precommits(round, None, [0, 1]);
        m.expect_at(round, Step::Propose);
        m.record.wake = None;
        m.precommits(round, None, [2]);
        let due = m.record.wake.take();
        assert!(due.is_some(), "set once in round {round}");
        m.timeout(Step::Propose, round);
        m.timeout(Step::PrevoteWait, round);
        assert_eq!(m.record.wake, None, "not again in round {round}");
        m.next_round(round);
    }
}

#[test]
fn l47_does_not_count_precommits_of_other_rounds() {
    let mut m = Machine::of_four();
    m.start();
    m.next_round(0);
    m.record.wake = None;
    m.precommits(0, None, [0, 1, 2]);
    assert_eq!(m.record.wake, None);
    m.expect_at(1, Step::Propose);
}

#[test]
fn l47_a_nil_majority_waits_like_any_other() {
    let mut m = Machine::of_four();
    m.start();
    m.timeout(Step::Propose, 0);
    m.prevotes(0, None, [0, 1]);
    m.precommits(0, None, [0, 1]);
    m.expect_at(0, Step::PrecommitWait);
    m.expect_undecided();
    m.next_round(0);
}

#[test]
fn l49_two_thirds_of_precommits_for_a_known_block_decide_it() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0, 1]);
    m.precommits(0, Some(&a), [0]);
    m.expect_undecided();
    m.precommits(0, Some(&a), [1]);
    m.expect_decided(0, &a);
    m.expect_step(Step::Commit);
}

#[test]
fn l49_decides_whatever_step_the_node_is_in() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposal(0, &a, None);
    m.precommits(0, Some(&a), [0, 1, 2]);
    m.expect_step(Step::Commit);
    m.parts(&a);
    m.expect_decided(0, &a);
    m.expect_no_vote();
}

#[test]
fn l49_decides_before_round_zero_has_begun() {
    let mut m = Machine::of_four();
    m.wait_for_height();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.precommits(0, Some(&a), [0, 1, 2]);
    m.expect_decided(0, &a);
}

#[test]
fn l49_decides_for_a_past_round() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0, 1]);
    m.next_round(0);
    m.precommits(0, Some(&a), [0, 1]);
    m.expect_decided(0, &a);
    assert_eq!(m.machine.commit_round(), Some(Round(0)));
    assert_eq!(m.machine.at().round, Round(1));
}

#[test]
fn l49_decides_for_a_future_round() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.precommits(7, Some(&a), [0]);
    m.expect_at(0, Step::Prevote);
    m.precommits(7, Some(&a), [1]);
    m.expect_at(7, Step::Propose);
    m.precommits(7, Some(&a), [2]);
    m.expect_step(Step::Commit);
    m.parts(&a);
    m.expect_decided(7, &a);
}

/// The second deliberate difference from the paper's text: the node waits in step `Commit` and goes
/// on with no round.
#[test]
fn l49_a_decided_block_that_is_not_here_is_waited_for() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.precommits(0, Some(&a), [0, 1, 2]);
    m.expect_at(0, Step::Commit);
    m.expect_notice(&Notice::ValidBlock {
        block: a.id,
        is_commit: true,
    });
    for step in [Step::Propose, Step::PrevoteWait, Step::PrecommitWait] {
        m.timeout(step, 0);
    }
    m.precommits(4, None, [0, 1, 2]);
    m.expect_at(0, Step::Commit);
    m.expect_no_vote();
    m.parts(&a);
    m.expect_decided(0, &a);
}

/// Two rounds may commit the same block; the decision, its commit and the votes kept for the next
/// height are of one.
#[test]
fn l49_a_second_commit_does_not_change_the_round_that_decides() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.precommits(1, Some(&a), [0, 1, 2]);
    m.precommits(0, Some(&a), [0, 1, 2]);
    assert_eq!(m.machine.commit_round(), Some(Round(1)));
    m.parts(&a);
    m.expect_decided(1, &a);
    m.advance();
    let kept = m.machine.last_commit().map(VoteSet::round);
    assert_eq!(kept, Some(Round(1)));
}

/// With more than 1/3 faulty there can be two commits. The node follows the first it saw and does
/// not fall over.
#[test]
fn l49_a_commit_of_another_block_does_not_change_the_decision() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposed(0, &a, None);
    m.precommits(1, Some(&b), [0, 1, 2]);
    m.precommits(0, Some(&a), [0, 1, 2]);
    m.expect_undecided();
    m.parts(&b);
    m.expect_decided(1, &b);
    m.advance();
    assert_eq!(m.machine.at().height, Height(2));
}

#[test]
fn l49_an_invalid_block_with_two_thirds_of_precommits_halts_the_node() {
    let mut m = Machine::of_four();
    m.start();
    let bad = m.invalid_block("bad");
    m.proposed(0, &bad, None);
    m.precommits(0, Some(&bad), [0, 1, 2]);
    assert_eq!(m.record.decision, None);
    let reason = m.record.halt.take().expect("the node halts");
    assert!(reason.contains("invalid"), "{reason}");
    m.expect_vote(Prevote, 0, None);
    m.timeout(Step::PrecommitWait, 0);
    m.precommits(0, Some(&bad), [3]);
    m.expect_no_vote();
    assert_eq!(m.record.halt, None, "said once");
}

#[test]
fn l49_precommits_of_different_rounds_do_not_add_up() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.precommits(0, Some(&a), [0, 1]);
    m.precommits(1, Some(&a), [0, 2]);
    m.expect_undecided();
}

#[test]
fn l49_exactly_two_thirds_of_the_power_decide_nothing() {
    let mut m = Machine::new(&[2, 2, 1, 1]);
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.precommits(0, Some(&a), [0, 1]);
    m.expect_undecided();
    m.precommits(0, Some(&a), [2]);
    m.expect_decided(0, &a);
}

#[test]
fn l65_the_precommit_timeout_begins_the_next_round() {
    let mut m = Machine::of_four();
    m.start();
    m.precommits(0, None, [0, 1, 2]);
    m.timeout(Step::PrecommitWait, 0);
    m.expect_at(1, Step::Propose);
    m.timeout(Step::PrecommitWait, 0);
    m.expect_at(1, Step::Propose);
}

#[test]
fn l65_the_lock_and_the_valid_value_survive_the_round() {
    let (mut m, a) = locked_on_a();
    m.next_round(1);
    m.expect_locked(Some((0, &a)));
    m.expect_valid(Some((0, &a)));
    assert!(
        m.machine.candidate(a.id).is_some(),
        "the locked block is kept"
    );
}

#[test]
fn l65_of_the_blocks_of_past_rounds_the_locked_and_the_valid_one_are_kept() {
    let (mut m, a) = locked_on_a();
    let (b, c) = (m.block("b"), m.block("c"));
    m.proposed(1, &b, None);
    m.timeout(Step::PrevoteWait, 1);
    m.prevotes(1, Some(&b), [0, 1, 2]);
    m.expect_locked(Some((0, &a)));
    m.expect_valid(Some((1, &b)));
    m.next_round(1);
    m.proposed(2, &c, None);
    m.next_round(2);
    let kept = |block: &Made| m.machine.candidate(block.id).is_some();
    assert!(kept(&a) && kept(&b) && !kept(&c));
    m.expect_propose(3, Some((1, &b)));
}

#[test]
fn after_the_decision_nothing_more_is_voted() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.precommits(0, Some(&a), [0, 1, 2]);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_decided(0, &a);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.prevotes(1, None, [0, 1, 2]);
    for step in [Step::Propose, Step::PrevoteWait, Step::PrecommitWait] {
        m.timeout(step, 0);
    }
    m.proposal(1, &m.block("b"), None);
    assert_eq!(m.part(m.block("c").part(0)), Ok(()));
    m.expect_no_vote();
    m.expect_at(0, Step::Commit);
}

#[test]
fn the_next_height_waits_for_late_precommits_and_then_begins() {
    let (mut m, a) = decided_a();
    m.advance();
    assert_eq!(m.machine.at().height, Height(2));
    m.expect_at(0, Step::NewHeight);
    m.expect_locked(None);
    m.expect_valid(None);
    let late = m.vote_at(Height(1), Precommit, 0, Some(a.id), 2);
    assert_eq!(m.cast(&late), Ok(Added::New));
    assert_eq!(m.cast(&late), Ok(Added::Duplicate));
    assert!(m.machine.last_commit().is_some_and(VoteSet::has_all));
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::NewHeight));
    m.expect_at(0, Step::Propose);
    let later = m.vote_at(Height(1), Precommit, 0, Some(a.id), 2);
    assert_eq!(m.cast(&later), Err(Refusal::Vote(VoteError::WrongSlot)));
}

#[test]
fn with_skip_commit_the_last_precommit_begins_the_next_height_at_once() {
    let timeouts = Timeouts {
        skip_commit: true,
        ..Timeouts::default()
    };
    let mut m = Machine::of_four().with_timeouts(timeouts);
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.precommits(0, Some(&a), [0, 1, 2]);
    m.advance();
    m.expect_step(Step::NewHeight);
    let late = m.vote_at(Height(1), Precommit, 0, Some(a.id), 3);
    assert_eq!(m.cast(&late), Ok(Added::New));
    m.expect_at(0, Step::Propose);
}

#[test]
fn late_votes_of_the_last_height_other_than_precommits_are_refused() {
    let (mut m, a) = decided_a();
    m.advance();
    let wrong = Err(Refusal::Vote(VoteError::WrongSlot));
    let prevote = m.vote_at(Height(1), Prevote, 0, Some(a.id), 2);
    assert_eq!(m.cast(&prevote), wrong);
    let other_round = m.vote_at(Height(1), Precommit, 1, Some(a.id), 2);
    assert_eq!(m.cast(&other_round), wrong);
}

#[test]
fn votes_of_other_heights_are_refused() {
    let mut m = Machine::of_four();
    m.start();
    for height in [0, 2, u64::MAX] {
        let vote = m.vote_at(Height(height), Precommit, 0, None, 1);
        let refused = m.cast(&vote);
        assert_eq!(
            refused,
            Err(Refusal::Vote(VoteError::WrongSlot)),
            "height {height}"
        );
    }
}

#[test]
fn a_conflicting_late_precommit_is_evidence_as_well() {
    let (mut m, _a) = decided_a();
    m.advance();
    let other = m.vote_at(Height(1), Precommit, 0, None, 0);
    assert!(matches!(m.cast(&other), Ok(Added::Conflict { .. })));
    let told = m
        .record
        .notices
        .iter()
        .any(|n| matches!(n, Notice::Evidence(_)));
    assert!(told, "observers hear of the equivocation");
}
