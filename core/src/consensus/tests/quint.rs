//! The runs of Malachite's Quint specification (`specs/consensus/quint/tests`), each from the side
//! of one process.

use super::*;

/// `line26Test`, and the negatives its rule implies.
#[test]
fn line_26_a_fresh_proposal_is_accepted_by_everybody_who_is_free() {
    for index in 0..4 {
        let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(index);
        m.start();
        let block = m.block("blue");
        m.proposed(0, &block, None);
        m.expect_vote(Prevote, 0, Some(&block));
    }
}

/// `line28Test` with four processes, and with seven.
#[test]
fn line_28_a_value_with_a_polka_is_accepted_again_in_the_next_round() {
    for count in [4u16, 7] {
        let last = usize::from(count) - 1;
        let mut m = Machine::new(&vec![1; usize::from(count)]).of_validator(last);
        m.start();
        let block = m.block("blue");
        m.proposed(0, &block, None);
        m.timeout(Step::PrevoteWait, 0);
        m.expect_vote(Prevote, 0, Some(&block));
        m.expect_vote(Precommit, 0, None);
        for index in 0..count - 1 {
            m.votes(Prevote, 0, Some(block.id), &[index]);
        }
        m.expect_locked(None);
        m.next_round(0);
        m.proposed(1, &block, Some(0));
        m.expect_vote(Prevote, 1, Some(&block));
    }
}

/// `line32InvalidTest`.
#[test]
fn line_32_an_invalid_value_is_rejected_although_it_has_a_polka() {
    let mut m = Machine::of_four();
    m.start();
    let bad = m.invalid_block("red");
    m.proposed(0, &bad, None);
    m.prevotes(0, Some(&bad), [0, 1, 2]);
    m.timeout(Step::PrevoteWait, 0);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, None);
    m.next_round(0);
    m.proposed(1, &bad, Some(0));
    m.expect_vote(Prevote, 1, None);
}

/// `line32LockedTest`.
#[test]
fn line_32_a_value_older_than_the_lock_is_rejected() {
    let mut m = Machine::of_four();
    m.start();
    let (blue, green) = (m.block("blue"), m.block("green"));
    m.proposed(0, &blue, None);
    m.timeout(Step::PrevoteWait, 0);
    m.next_round(0);
    m.prevotes(0, Some(&blue), [0, 1, 2]);
    m.proposed(1, &green, None);
    m.prevotes(1, Some(&green), [0, 1, 2]);
    m.expect_locked(Some((1, &green)));
    m.next_round(1);
    m.record.votes.clear();
    m.proposed(2, &blue, Some(0));
    m.expect_vote(Prevote, 2, None);
}

/// `line42Test`.
#[test]
fn line_42_a_polka_seen_after_the_precommit_is_valid_and_not_locked() {
    let mut m = Machine::of_four();
    m.start();
    let block = m.block("blue");
    m.proposed(0, &block, None);
    m.prevotes(0, None, [0]);
    m.prevotes(0, Some(&block), [1]);
    m.timeout(Step::PrevoteWait, 0);
    m.expect_vote(Prevote, 0, Some(&block));
    m.expect_vote(Precommit, 0, None);
    m.prevotes(0, Some(&block), [2]);
    m.expect_step(Step::Precommit);
    m.expect_valid(Some((0, &block)));
    m.expect_locked(None);
}

/// `hiddenLockTest`, who holds the lock: it blocks every other value until it may propose its own.
#[test]
fn a_hidden_lock_blocks_other_values_until_its_holder_proposes() {
    let (mut m, blue) = locked_on_a();
    let green = m.block("green");
    for round in [1, 2] {
        m.proposed(round, &green, None);
        m.prevotes(round, Some(&green), [1, 2]);
        m.timeout(Step::PrevoteWait, round);
        m.expect_vote(Prevote, round, None);
        m.expect_vote(Precommit, round, None);
        m.next_round(round);
    }
    m.expect_propose(3, Some((0, &blue)));
}

/// `hiddenLockTest`, the others: without the equivocator's prevote the proof stays incomplete and
/// they prevote nil. Once it reaches them, conflicting as it is, a peer's claim lets it count, and
/// the network lives again.
#[test]
fn a_hidden_lock_is_accepted_once_its_polka_is_shown() {
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(1);
    m.start();
    let blue = m.block("blue");
    m.proposed(0, &blue, None);
    m.prevotes(0, None, [0]);
    m.prevotes(0, Some(&blue), [3]);
    m.timeout(Step::PrevoteWait, 0);
    m.expect_vote(Prevote, 0, Some(&blue));
    m.expect_vote(Precommit, 0, None);
    m.prevotes(3, None, [0, 2]);
    m.expect_at(3, Step::Propose);
    m.proposed(3, &blue, Some(0));
    m.expect_no_vote();
    let hidden = m.vote(Prevote, 0, Some(blue.id), 0);
    assert!(matches!(
        m.cast(&hidden),
        Ok(Added::Conflict { counted: false, .. })
    ));
    m.expect_no_vote();
    let claimed = m
        .machine
        .on_majority_claim(Round(0), Prevote, PeerId(3), Some(blue.id));
    assert_eq!(claimed, Ok(true));
    assert!(m.cast(&hidden).is_ok());
    m.expect_vote(Prevote, 3, Some(&blue));
}

/// `decideForPastRoundTest`: the missing precommit of round 0 comes in round 1, before and after
/// the vote there.
#[test]
fn a_process_decides_for_a_past_round() {
    for voted in [false, true] {
        let mut m = Machine::of_four();
        m.start();
        let block = m.block("blue");
        m.proposed(0, &block, None);
        m.prevotes(0, Some(&block), [0, 1, 2]);
        m.precommits(0, Some(&block), [0]);
        m.precommits(0, None, [1]);
        m.next_round(0);
        if voted {
            m.timeout(Step::Propose, 1);
        }
        m.precommits(0, Some(&block), [2]);
        m.expect_decided(0, &block);
    }
}

/// `DecideForFutureRoundTest`: the proposal of round 1 first, its precommits then, while the
/// process is in round 0.
#[test]
fn a_process_decides_for_a_future_round() {
    let mut m = Machine::of_four();
    m.start();
    let block = m.block("blue");
    m.proposed(1, &block, None);
    m.expect_at(0, Step::Propose);
    m.precommits(1, Some(&block), [0, 1, 2]);
    m.expect_decided(1, &block);
}

/// `DecideForFutureRoundPrecommitFirstTest`. By the paper the proposal is needed; we need only the
/// block.
#[test]
fn a_process_decides_for_a_future_round_whose_precommits_come_first() {
    for with_proposal in [true, false] {
        let mut m = Machine::of_four();
        m.start();
        let block = m.block("blue");
        m.precommits(1, Some(&block), [0, 1, 2]);
        m.expect_undecided();
        if with_proposal {
            m.proposal(1, &block, None);
        }
        m.parts(&block);
        m.expect_decided(1, &block);
    }
}

/// `AllButOneDecideInRound1WhileSlowProcessInRound0Test`.
#[test]
fn a_slow_process_in_round_0_decides_with_the_others_messages_of_round_1() {
    let mut m = Machine::of_four();
    m.start();
    m.timeout(Step::Propose, 0);
    let block = m.block("blue");
    m.prevotes(0, None, [0]);
    m.precommits(0, None, [0, 1, 2]);
    m.proposed(1, &block, None);
    m.prevotes(1, Some(&block), [0, 1, 2]);
    m.precommits(1, Some(&block), [0, 1, 2]);
    m.expect_decided(1, &block);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Prevote, 1, Some(&block));
    m.expect_vote(Precommit, 1, Some(&block));
    m.expect_no_vote();
}

/// `RoundswitchTest`: f + 1 processes are in round 1, with whatever kind of vote.
#[test]
fn f_plus_one_processes_in_the_next_round_switch_it() {
    for precommits in [false, true] {
        let mut m = Machine::of_four();
        m.start();
        m.timeout(Step::Propose, 0);
        m.prevotes(1, None, [0]);
        m.expect_at(0, Step::Prevote);
        if precommits {
            m.precommits(1, None, [2]);
        } else {
            m.prevotes(1, None, [2]);
        }
        m.expect_at(1, Step::Propose);
    }
}
