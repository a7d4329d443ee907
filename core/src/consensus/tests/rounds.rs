//! Skipping rounds: L55.

use super::*;

#[test]
fn l55_more_than_one_third_in_a_later_round_are_followed() {
    let mut m = Machine::of_four();
    m.start();
    m.prevotes(5, None, [0]);
    m.expect_at(0, Step::Propose);
    m.prevotes(5, None, [1]);
    m.expect_at(5, Step::Propose);
    m.expect_no_vote();
}

#[test]
fn l55_exactly_one_third_is_not_enough() {
    let mut m = Machine::new(&[1, 1, 1]).of_validator(2);
    m.start();
    m.prevotes(1, None, [0]);
    m.expect_at(0, Step::Propose);
    m.prevotes(1, None, [1]);
    m.expect_at(1, Step::Propose);
}

#[test]
fn l55_counts_prevotes_and_precommits_together() {
    let mut m = Machine::of_four();
    m.start();
    m.prevotes(3, Some(&m.block("a")), [0]);
    m.precommits(3, None, [1]);
    m.expect_at(3, Step::Propose);
}

#[test]
fn l55_counts_a_validator_once() {
    let mut m = Machine::of_four();
    m.start();
    m.prevotes(3, Some(&m.block("a")), [0]);
    m.precommits(3, Some(&m.block("a")), [0]);
    let conflicting = m.vote(Prevote, 3, None, 0);
    assert!(matches!(m.cast(&conflicting), Ok(Added::Conflict { .. })));
    m.expect_at(0, Step::Propose);
}

#[test]
fn l55_votes_of_different_rounds_do_not_add_up() {
    let mut m = Machine::of_four();
    m.start();
    m.prevotes(3, None, [0]);
    m.prevotes(4, None, [1]);
    m.expect_at(0, Step::Propose);
}

#[test]
fn l55_follows_to_the_highest_round() {
    let mut m = Machine::of_four();
    m.wait_for_height();
    m.prevotes(2, None, [0]);
    m.prevotes(4, None, [0]);
    m.prevotes(4, None, [1]);
    m.expect_at(4, Step::Propose);
    m.prevotes(2, None, [1]);
    m.expect_at(4, Step::Propose);
}

#[test]
fn l55_ends_the_wait_for_the_height() {
    let mut m = Machine::of_four();
    m.wait_for_height();
    m.prevotes(0, None, [0]);
    m.expect_at(0, Step::NewHeight);
    m.precommits(0, None, [1]);
    m.expect_at(0, Step::Propose);
    m.timeout(Step::NewHeight, 0);
    m.expect_at(0, Step::Propose);
}

#[test]
fn l55_ends_the_wait_for_the_height_in_a_later_round_too() {
    let mut m = Machine::of_four();
    m.wait_for_height();
    m.prevotes(2, None, [0, 1]);
    m.expect_at(2, Step::Propose);
}

#[test]
fn l55_the_proposer_of_the_round_skipped_to_proposes() {
    let mut m = Machine::of_four();
    m.start();
    m.prevotes(7, None, [0, 1]);
    m.expect_propose(7, None);
}

#[test]
fn l55_the_lock_survives() {
    let (mut m, a) = locked_on_a();
    m.prevotes(6, None, [0, 1]);
    m.expect_at(6, Step::Propose);
    m.expect_locked(Some((0, &a)));
    let b = m.block("b");
    m.proposed(6, &b, None);
    m.expect_vote(Prevote, 6, None);
}

#[test]
fn l55_a_round_skipped_to_uses_the_votes_that_led_there() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.prevotes(2, Some(&a), [0, 1, 2]);
    m.proposed(2, &a, None);
    m.expect_vote(Prevote, 2, Some(&a));
    m.expect_vote(Precommit, 2, Some(&a));
}

#[test]
fn equivocation_is_told_and_does_not_count_twice() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, None, [0]);
    let second = m.vote(Prevote, 0, Some(a.id), 0);
    assert!(matches!(
        m.cast(&second),
        Ok(Added::Conflict { counted: false, .. })
    ));
    let evidence = DuplicateVote {
        first: m.vote(Prevote, 0, None, 0),
        second,
    };
    m.expect_notice(&Notice::Evidence(Box::new(evidence)));
    m.prevotes(0, Some(&a), [1]);
    m.expect_locked(None);
}

/// The double-sign halt of 2016: honest nodes hold different halves of an equivocation. A claim
/// makes both count.
#[test]
fn a_claimed_majority_counts_the_second_half_of_an_equivocation() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, None, [0]);
    m.prevotes(0, Some(&a), [1]);
    let second = m.vote(Prevote, 0, Some(a.id), 0);
    let claim = |m: &mut Machine| {
        m.machine
            .on_majority_claim(Round(0), Prevote, PeerId(1), Some(a.id))
    };
    assert_eq!(claim(&mut m), Ok(true));
    assert_eq!(claim(&mut m), Ok(false), "nothing new");
    assert!(matches!(
        m.cast(&second),
        Ok(Added::Conflict { counted: true, .. })
    ));
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, Some(&a));
    assert_eq!(m.cast(&second), Ok(Added::Duplicate));
}
