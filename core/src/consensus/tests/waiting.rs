//! Tests of the wait for something to decide, and of who schedules which timeout (tables of
//! Tendermint's `ticker.go` and `config.go`).

use super::*;

fn with(empty_blocks: EmptyBlocks) -> Timeouts {
    Timeouts {
        empty_blocks,
        ..Timeouts::default()
    }
}

/// Validator 3 of four after it decided a block at height 1 and its commit timeout is over. If the
/// block is empty, nothing is left to prove.
fn after_height_1(empty_blocks: EmptyBlocks, empty: bool) -> Machine {
    let mut m = Machine::of_four().with_timeouts(with(empty_blocks));
    m.start();
    let txs = if empty {
        Vec::new()
    } else {
        vec![m.tx(Item::default(), Item::default())]
    };
    let block = Made::new(&m.block_of(txs));
    m.proposed(0, &block, None);
    m.prevotes(0, Some(&block), [0, 1]);
    m.precommits(0, Some(&block), [0, 1]);
    m.expect_vote(Prevote, 0, Some(&block));
    m.expect_vote(Precommit, 0, Some(&block));
    m.expect_decided(0, &block);
    m.advance();
    m.expect_at(0, Step::NewHeight);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::NewHeight));
    m
}

fn txs_available(m: &mut Machine) -> bool {
    m.run(Consensus::on_txs_available)
}

#[test]
fn the_first_height_begins_without_transactions() {
    let mut m = Machine::of_four().with_timeouts(with(EmptyBlocks::Never));
    m.start();
    m.expect_at(0, Step::Propose);
}

/// `TestMempoolNoProgressUntilTxsAvailable`.
#[test]
fn with_empty_blocks_off_round_0_waits_for_transactions_and_sets_no_timer() {
    let mut m = after_height_1(EmptyBlocks::Never, true);
    m.expect_at(0, Step::NewRound);
    assert_eq!(m.machine.ticker.due(), None);
    m.expect_no_vote();
    assert!(txs_available(&mut m));
    m.expect_at(0, Step::Propose);
    assert!(!txs_available(&mut m), "once per height");
}

#[test]
fn a_block_that_changed_the_application_is_followed_by_one_that_proves_its_hash() {
    after_height_1(EmptyBlocks::Never, false).expect_at(0, Step::Propose);
    after_height_1(EmptyBlocks::Never, true).expect_at(0, Step::NewRound);
}

/// `TestMempoolProgressAfterCreateEmptyBlocksInterval`.
#[test]
fn with_an_interval_the_wait_ends_after_it() {
    let mut m = after_height_1(EmptyBlocks::Every(Span::millis(700)), true);
    m.expect_at(0, Step::NewRound);
    let since = m.now;
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::NewRound));
    assert_eq!(m.now, since.after(Span::millis(700)));
    m.expect_at(0, Step::Propose);
}

/// `TestMempoolProgressInHigherRound`.
#[test]
fn only_round_0_waits() {
    let mut m = after_height_1(EmptyBlocks::Never, true);
    assert!(txs_available(&mut m));
    m.timeout(Step::Propose, 0);
    m.expect_vote(Prevote, 0, None);
    m.next_round(0);
    m.expect_at(1, Step::Propose);
}

#[test]
fn transactions_that_come_in_the_commit_wait_do_not_shorten_it() {
    let mut m = Machine::of_four().with_timeouts(with(EmptyBlocks::Never));
    m.run(|machine, cx| machine.start(cx, Span::millis(5)));
    assert!(txs_available(&mut m));
    m.expect_at(0, Step::NewHeight);
    assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::NewHeight));
    m.expect_at(0, Step::Propose);
}

#[test]
fn with_empty_blocks_on_transactions_are_no_news() {
    let mut m = Machine::of_four();
    assert!(!txs_available(&mut m));
}

/// Bug B24 (1b400b902): a block complete before the round had begun was never voted for.
#[test]
fn a_proposal_begins_the_round_of_a_node_that_waits() {
    let mut m = after_height_1(EmptyBlocks::Never, true);
    let b = m.block("b");
    m.proposal(0, &b, None);
    m.expect_at(0, Step::Propose);
    m.parts(&b);
    m.expect_vote(Prevote, 0, Some(&b));
}

#[test]
fn a_proposal_that_came_in_the_commit_wait_counts_after_it() {
    let mut m = Machine::of_four().with_timeouts(with(EmptyBlocks::Never));
    m.machine.proof_due = false;
    m.run(|machine, cx| machine.start(cx, Span::millis(5)));
    let b = m.block("b");
    m.proposal(0, &b, None);
    m.expect_at(0, Step::NewHeight);
    m.wake();
    m.expect_at(0, Step::Propose);
}

#[test]
fn more_than_one_third_of_the_power_ends_the_wait_and_one_third_does_not() {
    let mut m = after_height_1(EmptyBlocks::Never, true);
    m.prevotes(0, None, [0]);
    m.expect_at(0, Step::NewRound);
    m.prevotes(0, None, [1]);
    m.expect_at(0, Step::Propose);
    let mut m = after_height_1(EmptyBlocks::Never, true);
    m.prevotes(2, None, [0, 1]);
    m.expect_at(2, Step::Propose);
}

#[test]
fn a_node_that_waits_decides_what_the_others_decide() {
    let mut m = after_height_1(EmptyBlocks::Never, true);
    let b = m.block("b");
    m.precommits(0, Some(&b), [0, 1]);
    m.precommits(0, Some(&b), [2]);
    m.parts(&b);
    m.expect_decided(0, &b);
}

/// When the pending timer is due, counted from now.
fn due_in(m: &Machine) -> Option<Span> {
    Some(m.machine.ticker.due()?.since(m.now))
}

#[test]
fn each_step_schedules_the_timeout_of_its_round() {
    let defaults = Timeouts::default();
    let mut m = Machine::of_four();
    m.start();
    for round in 0..4 {
        let r = Round(round);
        m.expect_at(round, Step::Propose);
        assert_eq!(due_in(&m), Some(defaults.propose(r)));
        m.timeout(Step::Propose, round);
        // Nothing is scheduled in Prevote: the proposal's timer stays.
        assert_eq!(due_in(&m), Some(defaults.propose(r)));
        m.prevotes(round, None, [0]);
        m.prevotes(round, Some(&m.block("x")), [1]);
        m.expect_at(round, Step::PrevoteWait);
        assert_eq!(due_in(&m), Some(defaults.prevote(r)));
        m.timeout(Step::PrevoteWait, round);
        assert_eq!(due_in(&m), Some(defaults.prevote(r)));
        m.precommits(round, None, [0, 1]);
        m.expect_at(round, Step::PrecommitWait);
        assert_eq!(due_in(&m), Some(defaults.precommit(r)));
        assert_eq!(m.wake().map(|hrs| hrs.step), Some(Step::PrecommitWait));
        m.record.votes.clear();
    }
}

#[test]
fn the_commit_timeout_counts_from_the_decision_and_the_commit_step_has_none() {
    let (mut m, _) = decided_a();
    m.now = m.now.after(Span::millis(123));
    m.advance();
    assert_eq!(due_in(&m), Some(Timeouts::default().commit));
}
