//! From the prevotes to the precommit: L34 to L46 and L61.

use super::*;

fn is_lock(notice: &Notice) -> bool {
    matches!(notice, Notice::Lock(..) | Notice::Relock(..))
}

#[test]
fn l34_two_thirds_of_any_prevotes_start_the_prevote_timeout() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&b), [0]);
    m.expect_step(Step::Prevote);
    m.prevotes(0, None, [1]);
    m.expect_step(Step::PrevoteWait);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrevoteWait));
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, None);
}

#[test]
fn l34_fires_once() {
    let mut m = Machine::of_four();
    m.start();
    m.timeout(Step::Propose, 0);
    let (a, b) = (m.block("a"), m.block("b"));
    m.prevotes(0, Some(&a), [0]);
    m.prevotes(0, Some(&b), [1]);
    let first = m.record.wake.take();
    assert!(first.is_some());
    m.prevotes(0, Some(&a), [2]);
    assert_eq!(m.record.wake, None);
    m.expect_step(Step::PrevoteWait);
}

#[test]
fn l34_does_not_fire_before_the_node_has_prevoted() {
    let mut m = Machine::of_four();
    m.start();
    let (a, b) = (m.block("a"), m.block("b"));
    m.prevotes(0, Some(&a), [0, 1]);
    m.prevotes(0, Some(&b), [2]);
    m.expect_step(Step::Propose);
    m.timeout(Step::Propose, 0);
    m.expect_step(Step::PrevoteWait);
}

#[test]
fn l34_exactly_two_thirds_are_not_enough() {
    let mut m = Machine::new(&[1, 1, 1]).of_validator(2);
    m.start();
    m.timeout(Step::Propose, 0);
    m.prevotes(0, None, [0]);
    m.expect_step(Step::Prevote);
    m.prevotes(0, Some(&m.block("a")), [1]);
    m.expect_step(Step::PrevoteWait);
}

#[test]
fn l36_a_polka_in_time_locks_and_precommits() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0]);
    m.expect_locked(None);
    m.prevotes(0, Some(&a), [1]);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_no_vote();
    m.expect_locked(Some((0, &a)));
    m.expect_valid(Some((0, &a)));
    m.expect_notice(&Notice::Lock(Round(0), a.id));
}

#[test]
fn l36_a_polka_during_the_prevote_timeout_still_locks() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.prevotes(0, None, [0]);
    m.prevotes(0, Some(&a), [1]);
    m.expect_step(Step::PrevoteWait);
    m.prevotes(0, Some(&a), [2]);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_locked(Some((0, &a)));
}

#[test]
fn l36_a_node_that_prevoted_nil_locks_all_the_same() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.timeout(Step::Propose, 0);
    m.proposed(0, &a, None);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_locked(Some((0, &a)));
}

#[test]
fn l36_a_polka_before_the_prevote_waits_for_the_prevote() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.expect_no_vote();
    m.expect_valid(None);
    m.proposed(0, &a, None);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, Some(&a));
}

#[test]
fn l42_a_polka_after_the_precommit_changes_only_the_valid_value() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.proposed(0, &a, None);
    m.timeout(Step::PrevoteWait, 0);
    m.expect_vote(Prevote, 0, Some(&a));
    m.expect_vote(Precommit, 0, None);
    m.prevotes(0, Some(&a), [0, 1]);
    m.expect_no_vote();
    m.expect_locked(None);
    m.expect_valid(Some((0, &a)));
    m.expect_notice(&Notice::ValidBlock {
        block: a.id,
        is_commit: false,
    });
}

#[test]
fn l36_a_polka_for_an_unknown_block_asks_for_the_block() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.timeout(Step::Propose, 0);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.expect_notice(&Notice::ValidBlock {
        block: a.id,
        is_commit: false,
    });
    assert!(m.machine.candidate(a.id).is_some());
    m.expect_vote(Prevote, 0, None);
    m.expect_no_vote();
    m.expect_locked(None);
}

/// The first deliberate difference from the paper's text: the polka names the block, the proposal
/// message may be lost.
#[test]
fn l36_a_block_that_a_polka_asked_for_is_locked_when_it_comes_in_time() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.timeout(Step::Propose, 0);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.parts(&a);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, Some(&a));
    m.expect_locked(Some((0, &a)));
}

#[test]
fn l42_a_block_that_a_polka_asked_for_becomes_only_valid_when_it_comes_late() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.timeout(Step::Propose, 0);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.timeout(Step::PrevoteWait, 0);
    m.parts(&a);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, None);
    m.expect_locked(None);
    m.expect_valid(Some((0, &a)));
}

#[test]
fn l36_a_polka_for_an_invalid_block_neither_locks_nor_precommits_it() {
    let mut m = Machine::of_four();
    m.start();
    let bad = m.invalid_block("bad");
    m.proposed(0, &bad, None);
    m.prevotes(0, Some(&bad), [0, 1, 2]);
    m.expect_vote(Prevote, 0, None);
    m.expect_no_vote();
    m.timeout(Step::PrevoteWait, 0);
    m.expect_vote(Precommit, 0, None);
    m.expect_locked(None);
    m.expect_valid(None);
}

#[test]
fn l36_a_polka_in_a_later_round_locks_the_same_block_again() {
    let (mut m, a) = locked_on_a();
    m.expect_notice(&Notice::Lock(Round(0), a.id));
    m.proposed(1, &a, None);
    m.prevotes(1, Some(&a), [0, 1]);
    m.expect_vote(Prevote, 1, Some(&a));
    m.expect_vote(Precommit, 1, Some(&a));
    m.expect_locked(Some((1, &a)));
    m.expect_notice(&Notice::Relock(Round(1), a.id));
}

#[test]
fn l36_a_polka_of_another_round_does_not_lock() {
    let mut m = Machine::of_four();
    m.start();
    let a = m.block("a");
    m.next_round(0);
    m.proposed(1, &a, None);
    m.prevotes(0, Some(&a), [0, 1, 2]);
    m.expect_vote(Prevote, 1, Some(&a));
    m.expect_no_vote();
    m.expect_locked(None);
    m.expect_valid(None);
    m.expect_no_notice(is_lock);
}

#[test]
fn l44_a_nil_polka_precommits_nil() {
    let mut m = Machine::of_four();
    m.start();
    m.timeout(Step::Propose, 0);
    m.prevotes(0, None, [0]);
    m.expect_vote(Prevote, 0, None);
    m.expect_no_vote();
    m.prevotes(0, None, [1]);
    m.expect_vote(Precommit, 0, None);
    m.expect_step(Step::Precommit);
    m.expect_notice(&Notice::Polka(Round(0), None));
}

#[test]
fn l44_a_nil_polka_before_the_prevote_waits_for_the_prevote() {
    let mut m = Machine::of_four();
    m.start();
    m.prevotes(0, None, [0, 1, 2]);
    m.expect_no_vote();
    m.timeout(Step::Propose, 0);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, None);
}

#[test]
fn l44_a_nil_polka_does_not_unlock() {
    let (mut m, a) = locked_on_a();
    m.timeout(Step::Propose, 1);
    m.prevotes(1, None, [0, 1]);
    m.expect_vote(Prevote, 1, None);
    m.expect_vote(Precommit, 1, None);
    m.expect_locked(Some((0, &a)));
    m.expect_valid(Some((0, &a)));
}

#[test]
fn l61_the_prevote_timeout_precommits_nil_and_keeps_the_lock() {
    let (mut m, a) = locked_on_a();
    m.timeout(Step::Propose, 1);
    m.prevotes(1, Some(&m.block("b")), [0]);
    m.prevotes(1, None, [1]);
    m.expect_step(Step::PrevoteWait);
    m.timeout(Step::PrevoteWait, 1);
    m.expect_vote(Prevote, 1, None);
    m.expect_vote(Precommit, 1, None);
    m.expect_locked(Some((0, &a)));
    m.expect_notice(&Notice::TimeoutWait(Hrs {
        height: Height(1),
        round: Round(1),
        step: Step::PrevoteWait,
    }));
}

#[test]
fn l61_is_ignored_before_the_prevote_and_after_the_precommit() {
    let mut m = Machine::of_four();
    m.start();
    m.timeout(Step::PrevoteWait, 0);
    m.expect_no_vote();
    m.timeout(Step::Propose, 0);
    m.prevotes(0, None, [0, 1]);
    m.expect_vote(Prevote, 0, None);
    m.expect_vote(Precommit, 0, None);
    m.timeout(Step::PrevoteWait, 0);
    m.expect_no_vote();
}

#[test]
fn timeouts_of_other_heights_rounds_and_steps_are_ignored() {
    let mut m = Machine::of_four();
    m.start();
    m.next_round(0);
    let before = m.machine.clone();
    for step in [Step::Propose, Step::PrevoteWait, Step::PrecommitWait] {
        for (height, round) in [(1, 0), (1, 2), (0, 1), (2, 1)] {
            let (height, round) = (Height(height), Round(round));
            let hrs = Hrs {
                height,
                round,
                step,
            };
            m.run(|machine, cx| machine.on_timeout(cx, hrs));
        }
    }
    for step in [
        Step::NewHeight,
        Step::NewRound,
        Step::Prevote,
        Step::Precommit,
        Step::Commit,
    ] {
        m.timeout(step, 1);
    }
    assert_eq!(m.machine, before);
    m.expect_no_vote();
}

#[test]
fn a_timer_that_is_woken_early_asks_again() {
    let mut m = Machine::of_four();
    m.start();
    let due = m.record.wake.take();
    assert_eq!(m.run(Consensus::on_wake), None);
    assert_eq!(m.record.wake, due);
    m.expect_no_vote();
}
