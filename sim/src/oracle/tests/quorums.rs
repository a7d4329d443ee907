//! Hand-made histories that only all votes of the run together convict. Node 3 is byzantine. Local
//! rules would fire first; they stay away.

use crate::oracle::testing::{History, id, precommit, prevote, setup, without};

/// Four nodes, judged by what concerns all of them.
fn history() -> History {
    let local = [
        "vote_once",
        "lock_safety",
        "prevote_justified",
        "precommit_justified",
        "round_entry",
    ];
    History::new(without(setup(4, &[3]), &local))
}

#[test]
fn two_polkas_in_one_round_are_found_before_anybody_precommits() {
    let mut history = history();
    for node in 0..3 {
        history.sign(node, &prevote(node, (1, 0), Some(id(1))));
    }
    assert_eq!(history.fired(), "none");
    assert_eq!(history.judge.checks()["one_quorum"], 1);
    for node in 0..2 {
        history.sign(node, &prevote(node, (1, 0), Some(id(2))));
    }
    assert_eq!(history.fired(), "none", "two of four");
    history.get(0, &prevote(3, (1, 0), Some(id(2))));
    history.sign(2, &prevote(2, (1, 1), Some(id(3))));
    assert_eq!(
        history.fired(),
        "none",
        "nobody has told a third vote to 2 and 1 alone"
    );
    history.sign(1, &prevote(1, (1, 0), Some(id(2))));
    assert_eq!(history.fired(), "none", "the same again is no news");
    history.sign(2, &prevote(2, (1, 0), Some(id(2))));
    assert_eq!(history.fired(), "one_quorum");
    assert_eq!(
        history.violation().facts,
        [
            "prevote 0101 in round 0 from n0 n1 n2: power 3 of 4, a quorum",
            "prevote 0202 in round 0 from n0 n1 n2 n3: power 4 of 4, a quorum"
        ]
    );
}

#[test]
fn a_fork_that_nobody_has_put_together_yet_is_found() {
    let mut history = history();
    for node in 0..3 {
        history.sign(node, &precommit(node, (1, 0), Some(id(1))));
    }
    for node in 0..2 {
        history.sign(node, &precommit(node, (1, 2), Some(id(2))));
    }
    assert_eq!(history.fired(), "none", "two of four");
    history.get(0, &precommit(3, (1, 2), Some(id(2))));
    history.sign(2, &precommit(2, (1, 3), Some(id(1))));
    assert_eq!(
        history.fired(),
        "one_quorum",
        "no node has three votes for the second"
    );
}

#[test]
fn a_vote_that_a_crash_took_counts_for_no_quorum() {
    let mut history = history();
    for node in 0..2 {
        history.sign(node, &precommit(node, (1, 0), Some(id(1))));
    }
    history.append(2, &precommit(2, (1, 0), Some(id(1))));
    history.crash(2).start(2, 0);
    for node in 0..3 {
        history.sign(node, &precommit(node, (1, 1), Some(id(2))));
    }
    assert_eq!(history.fired(), "none");
    history.send(2, &precommit(2, (1, 0), Some(id(1))));
    assert_eq!(history.fired(), "one_quorum", "the disk had kept it");
}

#[test]
fn a_polka_against_a_third_of_correct_locks_is_found() {
    let locked = |locked: &[usize]| {
        let mut history = history();
        for node in locked {
            history.sign(*node, &precommit(*node, (1, 0), Some(id(1))));
        }
        history.get(0, &precommit(3, (1, 0), Some(id(1))));
        history.get(0, &prevote(3, (1, 1), Some(id(2))));
        for node in 1..3 {
            history.sign(node, &prevote(node, (1, 1), Some(id(2))));
        }
        history
    };
    assert_eq!(locked(&[0, 1]).fired(), "lock_holds");
    let fewer = locked(&[0]);
    assert_eq!(fewer.fired(), "none", "a byzantine lock counts for nothing");
    assert_eq!(fewer.judge.checks()["lock_holds"], 1);
}

#[test]
fn a_polka_for_what_is_locked_or_in_the_round_of_the_lock_is_no_news() {
    let mut history = history();
    history.sign(0, &precommit(0, (1, 1), Some(id(1))));
    history.sign(1, &precommit(1, (1, 1), Some(id(1))));
    for node in 0..3 {
        history.sign(node, &prevote(node, (1, 2), Some(id(1))));
    }
    assert_eq!(history.fired(), "none");
    assert_eq!(history.judge.checks()["lock_holds"], 1);
}
