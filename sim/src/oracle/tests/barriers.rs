//! Hand-made histories of the sign state, of following the others, and of starting again.

use engine::types::{Bounded, CommitSig, Message, Round, SyncMessage};

use crate::{
    oracle::{
        Work,
        testing::{Chain, History, precommit, prevote, setup, tx},
    },
    trace::What,
};

#[test]
fn a_vote_that_the_sign_state_does_not_know_is_found() {
    let (first, second) = (prevote(1, (1, 0), None), precommit(1, (1, 0), None));
    let mut history = History::new(setup(4, &[]));
    history.append(1, &first);
    history.signed[1] = None;
    history.sync(1).send(1, &first);
    assert_eq!(history.fired(), "sign_state_durable");

    let mut history = History::new(setup(4, &[]));
    history.nil_polka(1, (1, 0));
    history.sign(1, &first).append(1, &second);
    let known = history.signed[1];
    history.sync(1).send(1, &second);
    assert!(known.is_some());
    assert_eq!(
        history.fired(),
        "none",
        "the sign state is durable with the log"
    );
}

/// Votes of two others for round 1, given to a node one by one.
fn ahead() -> [Message; 2] {
    [prevote(2, (1, 1), None), prevote(3, (1, 1), None)]
}

#[test]
fn a_node_that_stays_behind_the_others_is_found() {
    let mut history = History::new(setup(4, &[]));
    history
        .sign(1, &prevote(1, (1, 0), None))
        .get_all(1, &ahead());
    history.timeout(1);
    history.append(1, &precommit(1, (1, 0), None));
    assert_eq!(history.fired(), "round_skip");
}

#[test]
fn a_node_that_follows_or_has_heard_only_one_other_is_left_alone() {
    let mut history = History::new(setup(4, &[]));
    history
        .sign(1, &prevote(1, (1, 0), None))
        .get_all(1, &ahead());
    history.timeout(1);
    history.sign(1, &prevote(1, (1, 1), None));
    assert_eq!(history.fired(), "none", "it went to round 1");

    let mut history = History::new(setup(4, &[]));
    history
        .sign(1, &prevote(1, (1, 0), None))
        .nil_polka(1, (1, 0))
        .get(1, &ahead()[0]);
    history.timeout(1);
    history.append(1, &precommit(1, (1, 0), None));
    assert_eq!(
        history.fired(),
        "none",
        "one of four is not more than one third"
    );
}

/// A block whose commit is of round 1, sent whole, and the same precommits as votes.
fn decided_in_round_1() -> (Message, Vec<Message>) {
    let chain = Chain::new(4);
    let mut decision = chain.decide(chain.block(&[]));
    let precommits = [0, 2, 3].map(|by| precommit(by, (1, 1), Some(decision.id)));
    let mut signatures = vec![CommitSig::Absent; 4];
    for message in &precommits {
        if let Message::Vote(vote) = message {
            signatures[vote.index.get()] = CommitSig::Block(vote.signature);
        }
    }
    decision.commit.round = Round(1);
    decision.commit.signatures = Bounded::try_from(signatures).unwrap();
    let (block, commit) = (decision.block, Box::new(decision.commit));
    let whole = Message::BlockSync(SyncMessage::BlockResponse { block, commit });
    (whole, precommits.to_vec())
}

#[test]
fn the_commit_of_a_block_that_nobody_asked_for_moves_no_node_and_the_same_votes_do() {
    let (whole, votes) = decided_in_round_1();
    let mut history = History::new(setup(4, &[]));
    history.sign(1, &prevote(1, (1, 0), None)).get(1, &whole);
    history.nil_polka(1, (1, 0));
    history.timeout(1);
    history.append(1, &precommit(1, (1, 0), None));
    assert_eq!(history.fired(), "none");

    let mut history = History::new(setup(4, &[]));
    history.sign(1, &prevote(1, (1, 0), None)).get(1, &whole);
    history.nil_polka(1, (1, 0));
    history.get_all(1, &votes);
    history.timeout(1);
    history.append(1, &precommit(1, (1, 0), None));
    assert_eq!(history.fired(), "round_skip");
}

#[test]
fn a_correct_node_that_does_not_start_again_is_found_and_a_byzantine_one_is_not() {
    let refused = || What::StartRefused {
        reason: "no reason".to_owned(),
    };
    let mut history = History::new(setup(4, &[]));
    history.crash(1).happens(1, refused());
    assert_eq!(history.fired(), "recovery");

    let mut history = History::new(setup(4, &[1]));
    history.crash(1).happens(1, refused());
    assert_eq!(history.fired(), "none");

    let mut history = History::new(setup(4, &[]));
    history.crash(1).start(1, 0);
    assert_eq!(history.fired(), "none");
}

#[test]
fn a_run_without_end_is_found_and_the_last_event_that_is_allowed_is_left_alone() {
    let Work {
        at_least,
        per_height,
    } = setup(4, &[]).work;
    let work = |heights: u8, events: u64| {
        let mut history = History::new(setup(4, &[]));
        let mut chain = Chain::new(4);
        for key in 1..=heights {
            history.submit(&tx(&[key]));
            let decision = chain.next(&[&[key]]);
            history.decide(1, &decision, chain.app.hash());
        }
        for _ in history.seq..events {
            history.happens(1, What::Fired { timer: "gossip" });
        }
        history.fired()
    };
    assert_eq!(work(0, at_least - 1), "none");
    assert_eq!(work(0, at_least + 1), "bounded_work");
    // Who decides meanwhile has more to do.
    assert_eq!(work(2, at_least + 2 * per_height - 1), "none");
    assert_eq!(work(2, at_least + 2 * per_height + 1), "bounded_work");
}
