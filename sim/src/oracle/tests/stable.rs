//! Hand-made histories of the stable phase: gossip, rounds, catching up, evidence on its way.

use std::sync::Arc;

use engine::{
    node::{Entry, Record},
    types::{
        Block, Bounded, DuplicateVote, Height, Hrs, Lsn, Message, PeerId, Round, Span, Step, Time,
        Vote,
    },
};

use crate::{
    clock::START,
    oracle::{Stable, testing::*},
    trace::What,
};

/// What is allowed for anything, in events: one event happens each millisecond.
const ALLOWED: u64 = 10;

/// Four nodes, node 3 byzantine, and the faults are over.
fn healed() -> History {
    let mut history = History::new(setup(4, &[3]));
    let allowed = Span::millis(ALLOWED);
    history.judge.stabilise(Stable {
        core: [0, 1, 2].map(PeerId).to_vec(),
        from: START,
        gossip: allowed,
        catch_up: allowed,
        follow: allowed.times(2),
        follow_delta: Span::ZERO,
    });
    history
}

fn step((height, round): (u64, u32), step: Step) -> Message {
    Message::NewRoundStep {
        height: Height(height),
        round: Round(round),
        step,
        seconds_since_start: 0,
        last_commit_round: None,
    }
}

fn plain(message: &Message) -> Vote {
    let Message::Vote(vote) = message else {
        panic!("a vote");
    };
    vote.clone()
}

impl History {
    fn record(&mut self, node: usize, record: Record) -> &mut Self {
        let time = Time(0);
        let entry = Arc::new(Entry { time, record });
        self.happens(node, What::Appended { lsn: Lsn(0), entry })
    }

    /// A node gets a vote and logs it.
    fn take(&mut self, node: usize, message: &Message) -> &mut Self {
        let (from, message) = (PeerId(3), message.clone());
        self.get(node, &message);
        self.record(node, Record::Received { from, message })
    }

    /// A node says where it stands.
    fn stands(&mut self, node: usize, at: (u64, u32)) -> &mut Self {
        self.send(node, &step(at, Step::Prevote))
    }

    /// A node begins a round, by its log.
    fn begins(&mut self, node: usize, (height, round): (u64, u32)) -> &mut Self {
        let (height, round, step) = (Height(height), Round(round), Step::Propose);
        let at = Hrs {
            height,
            round,
            step,
        };
        self.record(node, Record::Step(at))
    }

    /// Nothing of interest happens for a while.
    fn wait(&mut self, events: u64) -> &mut Self {
        for _ in 0..events {
            self.happens(0, What::Fired { timer: "gossip" });
        }
        self
    }
}

/// Node 0 took in a vote of round 0 and stands in `other`; node 1 stands in round 0 and says so
/// again after `events` more.
fn lacking(other: (u64, u32), events: u64) -> History {
    let mut history = healed();
    history.take(0, &prevote(3, (1, 0), None));
    history.stands(0, other).stands(1, (1, 0));
    history.wait(events);
    history
}

#[test]
fn a_vote_that_never_comes_to_who_stands_still_is_found() {
    let mut history = lacking((1, 0), ALLOWED);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "gossip");
    assert!(
        history.violation().what.starts_with("n1 stands in round 0"),
        "{}",
        history.violation()
    );
    assert!(history.violation().liveness);
    let mut history = lacking((1, 1), ALLOWED);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "gossip", "also from who has gone on");
}

#[test]
fn a_vote_that_is_still_in_time_or_was_got_or_is_not_needed_is_left_alone() {
    let mut history = lacking((1, 0), ALLOWED - 2);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "none", "in time");

    let mut history = lacking((1, 0), ALLOWED);
    history.get(1, &prevote(3, (1, 0), None)).stands(1, (1, 0));
    assert_eq!(history.fired(), "none", "got at last");

    let mut history = lacking((1, 0), ALLOWED);
    history.send(1, &step((1, 0), Step::Precommit));
    assert_eq!(history.fired(), "none", "it has moved");

    let mut history = lacking((2, 0), ALLOWED);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "none", "the other is at another height");

    let mut history = lacking((1, 0), ALLOWED);
    history.crash(0).stands(1, (1, 0));
    assert_eq!(history.fired(), "none", "the other has lost it in a crash");

    let mut history = lacking((1, 0), ALLOWED);
    history
        .get(2, &prevote(3, (1, 0), Some(id(1))))
        .stands(1, (1, 0));
    assert_eq!(
        history.fired(),
        "none",
        "of an equivocation one half suffices"
    );
}

#[test]
fn a_vote_of_a_round_that_neither_stands_in_is_not_asked_for() {
    let mut history = healed();
    history.take(0, &prevote(3, (1, 1), None));
    history.stands(0, (1, 2)).stands(1, (1, 0)).wait(ALLOWED);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "none");
    assert_eq!(history.judge.checks()["gossip"], 0);
}

#[test]
fn a_node_that_stays_two_rounds_behind_is_found() {
    let mut history = healed();
    history
        .stands(0, (1, 2))
        .stands(1, (1, 0))
        .wait(2 * ALLOWED);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "round_skew");
    assert_eq!(history.violation().nodes, [PeerId(1), PeerId(0)]);
}

#[test]
fn a_node_that_is_one_round_behind_or_moves_on_is_left_alone() {
    let mut history = healed();
    history
        .stands(0, (1, 1))
        .stands(1, (1, 0))
        .wait(2 * ALLOWED);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "none", "one round");

    let mut history = healed();
    history
        .stands(0, (1, 3))
        .stands(1, (1, 0))
        .wait(2 * ALLOWED);
    history
        .stands(1, (1, 1))
        .wait(2 * ALLOWED - 2)
        .stands(1, (1, 1));
    assert_eq!(history.fired(), "none", "it moves");
    history.wait(1).stands(1, (1, 1));
    assert_eq!(history.fired(), "round_skew", "and stops");

    let mut history = healed();
    history
        .stands(3, (1, 2))
        .stands(1, (1, 0))
        .wait(2 * ALLOWED);
    history.stands(1, (1, 0));
    assert_eq!(history.fired(), "none", "who lies may be anywhere");
}

#[test]
fn a_node_that_does_not_come_nearer_is_found_though_the_others_go_on() {
    let (mut history, mut chain) = (healed(), Chain::new(4));
    for _ in 0..2 {
        let decision = chain.next(&[]);
        history.decide(0, &decision, chain.app.hash());
    }
    history.wait(ALLOWED + 1);
    assert_eq!(history.fired(), "catch_up");
    assert!(history.violation().what.contains("height 1"));
}

#[test]
fn a_node_that_comes_nearer_in_time_is_left_alone() {
    let (mut history, mut chain) = (healed(), Chain::new(4));
    let decisions = [chain.next(&[]), chain.next(&[])];
    for decision in &decisions {
        history.see(0, decision).see(1, decision).see(2, decision);
    }
    let hash = chain.app.hash();
    let mut first = Chain::new(4);
    first.next(&[]);
    history.announce(0, &decisions[0], first.app.hash());
    history.announce(0, &decisions[1], hash).wait(ALLOWED - 4);
    for node in [1, 2] {
        history.announce(node, &decisions[0], first.app.hash());
    }
    history.wait(ALLOWED - 4);
    for node in [1, 2] {
        history.announce(node, &decisions[1], hash);
    }
    history.wait(3 * ALLOWED);
    assert_eq!(history.verdict, Ok(()));
    assert!(history.judge.checks()["catch_up"] > 0);
}

#[test]
fn who_is_outside_the_core_may_stay_behind() {
    let mut history = History::new(setup(4, &[]));
    history.judge.stabilise(Stable {
        core: [0, 1, 2].map(PeerId).to_vec(),
        from: START,
        gossip: Span::ZERO,
        catch_up: Span::millis(ALLOWED),
        follow: Span::ZERO,
        follow_delta: Span::ZERO,
    });
    let mut chain = Chain::new(4);
    let decision = chain.next(&[]);
    for node in 0..3 {
        history.see(node, &decision);
    }
    for node in 0..3 {
        history.announce(node, &decision, chain.app.hash());
    }
    history.wait(3 * ALLOWED);
    assert_eq!(history.fired(), "none");
}

/// Node 1 takes part in height 1, logs one vote of node 3, and gets another.
fn told(first: &Message, second: &Message) -> History {
    let mut history = healed();
    history.begins(1, (1, 0)).take(1, first).get(1, second);
    history
}

fn two() -> [Message; 2] {
    [None, Some(id(1))].map(|block| prevote(3, (1, 0), block))
}

fn evidence([first, second]: &[Message; 2]) -> Message {
    let (first, second) = (plain(first), plain(second));
    Message::Evidence(Box::new(DuplicateVote { first, second }))
}

#[test]
fn an_offence_that_a_node_keeps_to_itself_is_found() {
    let votes = two();
    let mut history = told(&votes[0], &votes[1]);
    history.happens(1, What::Fired { timer: "gossip" });
    assert_eq!(history.fired(), "evidence_committed");

    let mut history = healed();
    history.begins(1, (1, 0)).get(1, &evidence(&votes));
    history.happens(1, What::Fired { timer: "gossip" });
    assert_eq!(history.fired(), "evidence_committed", "found by another");
}

#[test]
fn an_offence_that_is_told_or_known_or_none_is_left_alone() {
    let votes = two();
    let mut history = told(&votes[0], &votes[1]);
    history.send(1, &evidence(&votes)).wait(1).get(1, &votes[1]);
    history.happens(1, What::Fired { timer: "gossip" });
    assert_eq!(history.fired(), "none", "told, and only once");

    let other = prevote(3, (1, 1), Some(id(1)));
    for (why, first, second) in [
        ("twice the same", &votes[0], &votes[0]),
        ("another round", &votes[0], &other),
    ] {
        let mut history = told(first, second);
        history.happens(1, What::Fired { timer: "gossip" });
        assert_eq!(history.fired(), "none", "{why}");
    }

    let mut forged = plain(&votes[1]);
    forged.signature.0[0] ^= 1;
    let mut history = told(&votes[0], &Message::Vote(forged));
    history.happens(1, What::Fired { timer: "gossip" });
    assert_eq!(history.fired(), "none", "forged");

    let mut history = healed();
    history.get(1, &evidence(&votes));
    history.happens(1, What::Fired { timer: "gossip" });
    assert_eq!(history.fired(), "none", "it takes no part yet");
}

/// Node 1 logs votes of node 3, crashes, starts again, and is told that two prove an offence.
fn told_after_a_start(logged: &[Message]) -> History {
    let mut history = healed();
    history.begins(1, (1, 0));
    for vote in logged {
        history.take(1, vote);
    }
    history.send(1, &evidence(&two()));
    history.crash(1).start(1, 0).begins(1, (1, 0));
    history.get(1, &evidence(&two()));
    history.happens(1, What::Fired { timer: "gossip" });
    history
}

#[test]
fn what_the_log_proves_is_known_after_a_start() {
    let votes = two();
    assert_eq!(told_after_a_start(&votes).fired(), "none");
    let one = told_after_a_start(&votes[..1]);
    assert_eq!(one.fired(), "evidence_committed");
}

/// Node 0 says evidence; then it proposes a block at height 1 that holds `pieces` of it.
fn proposes(crashes: bool, pieces: usize) -> History {
    let votes = two();
    let mut history = healed();
    history.send(0, &evidence(&votes));
    if crashes {
        history.crash(0).start(0, 0);
    }
    let mut block = Chain::new(4).block(&[]);
    let Message::Evidence(piece) = evidence(&votes) else {
        panic!("evidence");
    };
    block.evidence = Bounded::try_from(vec![*piece; pieces]).unwrap();
    block.header.evidence_hash = Block::evidence_hash(&block.evidence);
    let (id, parts) = block.cut();
    let mut messages = vec![proposal(0, (1, 0), id, None)];
    for part in parts.have().ones().filter_map(|i| parts.part(i)) {
        messages.push(Message::BlockPart {
            height: Height(1),
            round: Round(0),
            part: Arc::clone(part),
        });
    }
    history.record(0, Record::Own { messages });
    history
}

#[test]
fn a_new_block_without_evidence_that_its_maker_has_is_found() {
    assert_eq!(proposes(false, 0).fired(), "evidence_committed");
    assert_eq!(proposes(false, 1).fired(), "none", "with it");
    assert_eq!(proposes(true, 0).fired(), "none", "lost in a crash");
}
