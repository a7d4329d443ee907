//! Tests of evidence in a node and between nodes: found, spread, judged, committed once.

use super::*;
use crate::{
    ledger::EvidenceError,
    types::{
        Block, BlockId, Channel, DuplicateVote, Hash, PartSetHeader, Signature, ValidatorIndex,
        Vote,
    },
};

/// A vote of `id` for a block that nobody has, or for nil.
fn vote(chain: &State, id: u8, (height, round): (u64, u32), nil: bool) -> Vote {
    let key = keys(id).sign.unwrap();
    let address = key.public_key().address();
    let hash = Hash([9; 32]);
    let parts = PartSetHeader { total: 1, hash };
    let mut vote = Vote {
        kind: VoteKind::Prevote,
        height: Height(height),
        round: Round(round),
        block: (!nil).then_some(BlockId { hash, parts }),
        index: chain
            .validators
            .index_of(&address)
            .unwrap_or(ValidatorIndex(0)),
        address,
        signature: Signature([0; 64]),
    };
    vote.signature = key.sign(&vote.sign_bytes(&chain.chain));
    vote
}

fn proof(chain: &State, id: u8, height: u64, round: u32) -> DuplicateVote {
    let vote = |nil| vote(chain, id, (height, round), nil);
    DuplicateVote::new(vote(true), vote(false)).unwrap()
}

fn frame(evidence: &DuplicateVote) -> Frame {
    let message = Message::Evidence(Box::new(evidence.clone()));
    Frame::encode(Channel::Evidence, vec![message])
}

/// What a node does with a piece of evidence from peer 1.
fn receive(node: &mut Node, evidence: &DuplicateVote) -> Vec<Output> {
    let (from, frame) = (PeerId(1), frame(evidence));
    let mut out = Vec::new();
    node.step(Time(0), Input::Receive { from, frame }, &mut out);
    out
}

/// Who is sent this frame.
fn sent_to(out: &[Output], wanted: &Frame) -> Vec<PeerId> {
    let mut receivers = Vec::new();
    for output in out {
        if let Output::Send { to, frame } = output
            && frame == wanted
        {
            receivers.push(*to);
        }
    }
    receivers
}

impl Net {
    /// The evidence in the blocks of a node, by height.
    fn committed(&mut self, id: usize) -> BTreeMap<Height, Vec<DuplicateVote>> {
        let host = &mut self.hosts[id];
        let mut found = BTreeMap::new();
        let mut height = Height::FIRST;
        while let Some(decided) = host.store.load(&mut host.disk, height).unwrap() {
            let block = Block::decode(&decided.parts.assemble().unwrap()).unwrap();
            if !block.evidence.is_empty() {
                found.insert(height, block.evidence.to_vec());
            }
            height = height.next();
        }
        found
    }

    fn chain(&self, id: usize) -> &State {
        self.hosts[id].node.consensus().chain()
    }
}

#[test]
fn an_equivocation_that_one_node_saw_ends_in_exactly_one_block() {
    let mut net = Net::new(4);
    net.run_to(2);
    let height = net.hosts[0].node.consensus().at().height;
    let double = vote(net.chain(0), 3, (height.0, 0), false);
    let frame = Frame::encode(Channel::Vote, vec![Message::Vote(double.clone())]);
    net.mail.push_front((PeerId(3), PeerId(0), frame));
    net.run_to(12);
    let (height, pieces) = net.committed(0).pop_first().expect("it is committed");
    assert_eq!(pieces.len(), 1);
    assert!(pieces[0].first == double || pieces[0].second == double);
    for id in 0..4 {
        let only = BTreeMap::from([(height, pieces.clone())]);
        assert_eq!(net.committed(id), only, "node {id}");
        assert!(net.hosts[id].node.evidence().is_empty());
        assert!(net.chain(id).recent.is_convicted(&pieces[0].offence()));
    }
}

#[test]
fn a_node_that_restarts_after_its_find_still_brings_it_before_the_others() {
    let mut net = Net::new(4);
    net.run_to(2);
    let height = net.hosts[0].node.consensus().at().height.0;
    for nil in [false, true] {
        let vote = vote(net.chain(0), 3, (height, 0), nil);
        let frame = Frame::encode(Channel::Vote, vec![Message::Vote(vote)]);
        let from = PeerId(3);
        net.input(0, Input::Receive { from, frame });
    }
    let found = net.hosts[0].node.evidence().clone();
    assert_eq!(found.len(), 1);
    let host = &mut net.hosts[0];
    host.store.sync(&mut host.disk).unwrap();
    let mut disk = host.disk.clone();
    disk.restart();
    let (host, mail) = net.boot(0, disk, 4);
    assert_eq!(host.node.evidence(), &found);
    // What the first life sent is lost.
    net.mail.clear();
    net.hosts[0] = host;
    net.mail.extend(mail);
    net.connect(0);
    for id in 1..4 {
        net.input(id, Input::Connected(PeerId(0)));
    }
    net.run_to(12);
    for id in 0..4 {
        let pieces: Vec<_> = net.committed(id).into_values().flatten().collect();
        assert_eq!(pieces, found.pending(2), "node {id}");
    }
}

#[test]
fn a_find_is_logged_once_however_often_it_is_made() {
    let mut net = Net::new(4);
    let chain = net.chain(0).clone();
    let mut logged = 0;
    for (peer, nil) in [(3, true), (3, false), (3, false), (2, false), (1, false)] {
        let vote = vote(&chain, 3, (1, 0), nil);
        let frame = Frame::encode(Channel::Vote, vec![Message::Vote(vote)]);
        let from = PeerId(peer);
        let (node, mut out) = (&mut net.hosts[0].node, Vec::new());
        node.step(Time(0), Input::Receive { from, frame }, &mut out);
        logged += out
            .iter()
            .filter(|o| matches!(o, Output::Append { .. }))
            .count();
    }
    assert_eq!(logged, 2, "the vote, and the one that contradicts it");
}

#[test]
fn what_is_new_goes_to_the_other_peers_once_and_later_to_who_connects() {
    let mut node = Net::new(4).hosts.remove(0).node;
    let evidence = proof(node.consensus().chain(), 3, 1, 0);
    let out = receive(&mut node, &evidence);
    assert_eq!(sent_to(&out, &frame(&evidence)), [PeerId(2), PeerId(3)]);
    assert_eq!(node.evidence().pending(9), std::slice::from_ref(&evidence));
    assert_eq!(receive(&mut node, &evidence), []);
    let mut out = Vec::new();
    node.step(Time(0), Input::Connected(PeerId(2)), &mut out);
    assert_eq!(sent_to(&out, &frame(&evidence)), [PeerId(2)]);
}

#[test]
fn a_lost_push_is_repeated_with_an_announcement() {
    let mut net = Net::new(4);
    let evidence = proof(net.chain(0), 3, 1, 0);
    let frame = frame(&evidence);
    let message = Message::NewRoundStep {
        height: Height(1),
        round: Round(0),
        step: Step::Propose,
        seconds_since_start: 0,
        last_commit_round: None,
    };
    let stands = Frame::encode(Channel::State, vec![message]);
    let node = &mut net.hosts[0].node;
    receive(node, &evidence);
    let (from, mut out) = (PeerId(2), Vec::new());
    node.step(
        Time(0),
        Input::Receive {
            from,
            frame: stands,
        },
        &mut out,
    );
    out.clear();
    let late = net.now.after(Span::millis(5_000));
    node.step(late, Input::Fire(Timer::Gossip), &mut out);
    assert_eq!(sent_to(&out, &frame), [PeerId(2)]);
    out.clear();
    let late = late.after(Span::millis(1_000));
    node.step(late, Input::Fire(Timer::Gossip), &mut out);
    assert!(sent_to(&out, &frame).is_empty());
}

#[test]
fn whoever_sends_evidence_that_cannot_hold_is_reported() {
    let mut node = Net::new(4).hosts.remove(0).node;
    let mut forged = proof(node.consensus().chain(), 2, 1, 0);
    forged.second.signature = forged.first.signature;
    let reason = Rejection::Evidence(EvidenceError::Signature(forged.first.address));
    let peer = PeerId(1);
    assert_eq!(
        receive(&mut node, &forged),
        [Output::Rejected { peer, reason }]
    );
    let stranger = proof(node.consensus().chain(), 77, 1, 0);
    let out = receive(&mut node, &stranger);
    let reported = matches!(
        out[..],
        [Output::Rejected {
            reason: Rejection::Evidence(EvidenceError::NotValidator { .. }),
            ..
        }]
    );
    assert!(reported, "{out:?}");
    assert!(node.evidence().is_empty());
}

#[test]
fn evidence_of_a_height_not_reached_or_long_past_is_ignored_without_blame() {
    let mut net = Net::new(1);
    net.run_to(101);
    let node = &mut net.hosts[0].node;
    let chain = node.consensus().chain().clone();
    assert_eq!(chain.recent.oldest(), Height(2));
    for height in [1, 103] {
        assert_eq!(receive(node, &proof(&chain, 0, height, 0)), []);
        assert!(node.evidence().is_empty(), "height {height}");
    }
    for height in [2, 102] {
        receive(node, &proof(&chain, 0, height, 0));
    }
    assert_eq!(node.evidence().len(), 2);
    net.run_to(102);
    assert!(net.hosts[0].node.evidence().is_empty(), "committed");
    assert_eq!(net.committed(0).len(), 1);
}

#[test]
fn the_pool_has_room_for_everybodys_cases_and_no_more() {
    let chain = State::genesis(&genesis(9)).unwrap();
    let mut pool = EvidencePool::default();
    let mut add = |id, round| pool.add(&chain, &Ed25519, &proof(&chain, id, 1, round));
    let each = u32::try_from(MAX_PENDING_PER_VALIDATOR).unwrap();
    for id in 0..8 {
        for round in 0..each {
            assert_eq!(add(id, round), Ok(()), "validator {id}, round {round}");
        }
        assert_eq!(add(id, 0), Err(EvidencePoolError::Known));
        assert_eq!(add(id, each), Err(EvidencePoolError::Full));
    }
    assert_eq!(add(8, 0), Err(EvidencePoolError::Full));
    assert_eq!(pool.len(), MAX_PENDING);
    let oldest = pool.pending(3);
    assert!(oldest.iter().all(|e| e.first.round == Round(0)));
    assert_eq!(oldest.len(), 3);
}

#[test]
fn committed_and_expired_evidence_leaves_the_pool() {
    let mut chain = State::genesis(&genesis(4)).unwrap();
    chain.params.evidence_max_age = 2;
    let (one, two) = (proof(&chain, 0, 1, 0), proof(&chain, 1, 1, 0));
    let mut pool = EvidencePool::default();
    for evidence in [&one, &two] {
        assert_eq!(pool.add(&chain, &Ed25519, evidence), Ok(()));
    }
    let mut app = App::default();
    let proposer = chain.validators.validators()[0].address;
    for left in [1, 1, 0] {
        let evidence = if left == 1 { vec![one.clone()] } else { vec![] };
        let block = chain.next_block(Time(0), proposer, Vec::new(), evidence, None);
        (chain, app) = chain.apply(&app, block.cut().0, &block);
        pool.update(&chain);
        assert_eq!(pool.len(), left, "after height {}", chain.height);
        let known = pool.add(&chain, &Ed25519, &one);
        assert!(matches!(known, Err(EvidencePoolError::Invalid(_))));
    }
}
