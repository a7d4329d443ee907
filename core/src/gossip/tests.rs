//! Tests of what is believed about a peer, and of who is told what, on a small hand-made view.

mod rules;

use super::*;
use crate::types::{
    Address, Commit, DuplicateVote, Hash, MAX_EVIDENCE, PartSet, PartSetHeader, Proposal,
    Signature, Step, Vote,
};

/// A node of four validators at some point, with the prevotes of its round.
struct Small {
    at: Hrs,
    majority: Option<Option<BlockId>>,
    have: BitArray,
    votes: Vec<Option<Vote>>,
    /// The parts of a committed block that is not here in full.
    wanted: Option<PartSet>,
}

fn vote(height: u64, round: u32, index: u16) -> Vote {
    Vote {
        kind: VoteKind::Prevote,
        height: Height(height),
        round: Round(round),
        block: None,
        index: ValidatorIndex(index),
        address: Address::default(),
        signature: Signature([0; 64]),
    }
}

impl Small {
    fn at(height: u64, round: u32, step: Step, votes: &[u16]) -> Self {
        let at = Hrs {
            height: Height(height),
            round: Round(round),
            step,
        };
        let voted = |i: u16| votes.contains(&i).then(|| vote(height, round, i));
        let votes: Vec<_> = (0..4).map(voted).collect();
        Self {
            at,
            majority: None,
            have: votes.iter().map(Option::is_some).collect(),
            votes,
            wanted: None,
        }
    }

    fn wanted_id(&self) -> Option<BlockId> {
        let parts = self.wanted.as_ref()?.header();
        let hash = Hash([1; 32]);
        Some(BlockId { hash, parts })
    }
}

impl View for Small {
    fn at(&self) -> Hrs {
        self.at
    }
    fn last_commit_round(&self) -> Option<Round> {
        self.at
            .height
            .prev()
            .filter(|h| *h > Height::ZERO)
            .map(|_| Round::ZERO)
    }
    fn validators(&self, height: Height) -> usize {
        if height > self.at.height { 0 } else { 4 }
    }
    fn own_index(&self) -> Option<ValidatorIndex> {
        Some(ValidatorIndex(0))
    }
    fn vote_bits(&self) -> Vec<((Round, VoteKind), &BitArray)> {
        vec![((self.at.round, VoteKind::Prevote), &self.have)]
    }
    fn have(&self, round: Round, kind: VoteKind) -> Option<&BitArray> {
        (round == self.at.round && kind == VoteKind::Prevote).then_some(&self.have)
    }
    fn have_for(
        &self,
        _: Height,
        round: Round,
        kind: VoteKind,
        block: Option<BlockId>,
    ) -> Option<&BitArray> {
        self.have(round, kind).filter(|_| block.is_none())
    }
    fn majority(&self, round: Round, kind: VoteKind) -> Option<Option<BlockId>> {
        self.have(round, kind).and(self.majority)
    }
    fn vote(&self, _: Round, _: VoteKind, index: usize) -> Option<&Vote> {
        self.votes.get(index)?.as_ref()
    }
    fn proposal(&self) -> Option<&Proposal> {
        None
    }
    fn parts(&self, block: BlockId) -> Option<&PartSet> {
        self.wanted
            .as_ref()
            .filter(|parts| parts.header() == block.parts)
    }
    fn block_of(&self, _: PartSetHeader) -> Option<(BlockId, &PartSet)> {
        None
    }
    fn wanted_block(&self) -> Option<(BlockId, bool)> {
        Some((self.wanted_id()?, true))
    }
    fn commit_round(&self) -> Option<Round> {
        None
    }
    fn stored(&self, _: Height) -> Option<(&PartSet, &Commit)> {
        None
    }
    fn stored_vote(&self, _: Height, _: usize) -> Option<Vote> {
        None
    }
}

const PEER: PeerId = PeerId(7);

fn stands(height: u64, round: u32, step: Step) -> Message {
    let last_commit_round = (height > 1).then_some(Round(0));
    Message::NewRoundStep {
        height: Height(height),
        round: Round(round),
        step,
        seconds_since_start: 0,
        last_commit_round,
    }
}

fn has(height: u64, round: u32, index: u16) -> Message {
    let (height, round, kind) = (Height(height), Round(round), VoteKind::Prevote);
    Message::HasVote {
        height,
        round,
        kind,
        index: ValidatorIndex(index),
    }
}

/// A machine that knows `PEER`, and what it sends when the peer says something.
struct Talk {
    gossip: Gossip,
    view: Small,
    now: Time,
}

impl Talk {
    fn new(view: Small) -> Self {
        let mut gossip = Gossip::new(Config::default());
        gossip.add_peer(Time::default(), PEER, &view, &mut Vec::new());
        Self {
            gossip,
            view,
            now: Time(1_000_000_000),
        }
    }

    fn hears(&mut self, messages: &[Message]) -> Vec<Message> {
        let mut out = Vec::new();
        let told = self
            .gossip
            .receive(self.now, PEER, messages, &self.view, &mut out);
        assert_eq!(told, Ok(()));
        messages_of(&out)
    }

    /// What the machine says against a frame.
    fn objects(&mut self, messages: &[Message]) -> Result<(), PeerError> {
        let out = &mut Vec::new();
        self.gossip
            .receive(self.now, PEER, messages, &self.view, out)
    }

    fn peer(&self) -> &PeerRoundState {
        self.gossip.peer(PEER).unwrap().round_state()
    }
}

fn messages_of(out: &[Out]) -> Vec<Message> {
    let frames = out.iter().filter_map(|o| match o {
        Out::Send { frame, .. } => Some(frame.contents().unwrap().messages.to_vec()),
        Out::Wake(_) | Out::Load(_) => None,
    });
    frames.flatten().collect()
}

#[test]
fn a_new_peer_is_told_where_this_node_stands() {
    let view = Small::at(3, 1, Step::Prevote, &[]);
    let mut out = Vec::new();
    Gossip::new(Config::default()).add_peer(Time::default(), PEER, &view, &mut out);
    assert_eq!(messages_of(&out), [stands(3, 1, Step::Prevote)]);
}

#[test]
fn a_new_peer_is_told_which_committed_block_is_missing_here() {
    let mut view = Small::at(3, 1, Step::Commit, &[]);
    let (total, hash) = (2, Hash([2; 32]));
    let parts = PartSetHeader { total, hash };
    view.wanted = PartSet::empty(parts);
    let mut out = Vec::new();
    Gossip::new(Config::default()).add_peer(Time::default(), PEER, &view, &mut out);
    let commit = Message::NewValidBlock {
        height: Height(3),
        round: Round(1),
        parts,
        have: BitArray::new(2),
        is_commit: true,
    };
    assert_eq!(messages_of(&out), [stands(3, 1, Step::Commit), commit]);
}

#[test]
fn an_own_vote_the_peer_lacks_is_sent_once_and_again_after_a_while() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[0]));
    let at = [stands(1, 0, Step::Prevote)];
    assert_eq!(talk.hears(&at), [Message::Vote(vote(1, 0, 0))]);
    assert_eq!(talk.hears(&at), [], "sent lately");
    talk.now = talk.now.after(Config::default().resend_after);
    assert_eq!(
        talk.hears(&at),
        [Message::Vote(vote(1, 0, 0))],
        "it may have been lost"
    );
}

#[test]
fn a_vote_the_peer_has_is_not_sent() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[0]));
    assert_eq!(talk.hears(&[stands(1, 0, Step::Prevote), has(1, 0, 0)]), []);
}

#[test]
fn fresh_votes_of_others_are_left_to_the_others() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[1, 2]));
    assert_eq!(talk.hears(&[stands(1, 0, Step::Prevote)]), []);
}

#[test]
fn a_peer_in_an_earlier_round_gets_the_votes_of_ours() {
    let mut talk = Talk::new(Small::at(1, 5, Step::Prevote, &[0]));
    let sent = talk.hears(&[stands(1, 2, Step::Prevote)]);
    assert_eq!(sent, [Message::Vote(vote(1, 5, 0))]);
}

#[test]
fn a_majority_query_is_answered_with_the_votes_for_that_block() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[1, 3]));
    let (height, round, kind) = (Height(1), Round(0), VoteKind::Prevote);
    let block = Some(BlockId {
        hash: Hash([1; 32]),
        parts: PartSetHeader {
            total: 1,
            hash: Hash([1; 32]),
        },
    });
    let asks = |block| Message::VoteSetMaj23 {
        height,
        round,
        kind,
        block,
    };
    let answer = |block, have| Message::VoteSetBits {
        height,
        round,
        kind,
        block,
        have,
    };
    let nil = talk.view.have.clone();
    assert_eq!(talk.hears(&[asks(None)])[0], answer(None, nil));
    assert_eq!(
        talk.hears(&[asks(block)])[0],
        answer(block, BitArray::new(4))
    );
}

#[test]
fn bits_that_do_not_fit_the_validators_are_refused() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
    talk.hears(&[stands(1, 0, Step::Prevote)]);
    let (height, round, kind) = (Height(1), Round(0), VoteKind::Prevote);
    let have = BitArray::new(9);
    let bits = [Message::VoteSetBits {
        height,
        round,
        kind,
        block: None,
        have,
    }];
    let told = talk.objects(&bits);
    assert_eq!(
        told,
        Err(PeerError::WrongSize {
            got: 9,
            expected: 4
        })
    );
}

#[test]
fn hints_are_gathered_into_one_frame() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[1, 2]));
    let mut out = Vec::new();
    talk.gossip.on_step(talk.now, talk.view.at, &mut out);
    for index in [1, 2] {
        let slot = (Round(0), VoteKind::Prevote, ValidatorIndex(index));
        talk.gossip.on_vote(talk.now, slot, 4, &mut out);
    }
    assert_eq!(messages_of(&out), [], "not yet");
    let later = talk.now.after(Config::default().interval);
    talk.gossip.on_wake(later, &talk.view, &mut out);
    let frames = out.iter().filter(|o| matches!(o, Out::Send { .. })).count();
    assert_eq!(frames, 1);
    assert_eq!(
        messages_of(&out),
        [stands(1, 0, Step::Prevote), has(1, 0, 1), has(1, 0, 2)]
    );
}

fn proof(height: u64, round: u32) -> DuplicateVote {
    let hash = Hash([1; 32]);
    let parts = PartSetHeader { total: 1, hash };
    let mut second = vote(height, round, 0);
    second.block = Some(BlockId { hash, parts });
    DuplicateVote::new(vote(height, round, 0), second).unwrap()
}

/// Who gets how many pieces of evidence.
fn evidence_sent(out: &[Out]) -> Vec<(PeerId, usize)> {
    let sent = |out: &Out| match out {
        Out::Send { to, frame } => {
            let contents = frame.contents().unwrap();
            let pieces = contents.messages.len();
            (contents.channel == Channel::Evidence).then_some((*to, pieces))
        }
        Out::Wake(_) | Out::Load(_) => None,
    };
    out.iter().filter_map(sent).collect()
}

#[test]
fn new_evidence_is_pushed_to_everybody_but_its_sender() {
    let (mut gossip, mut out) = (Gossip::new(Config::default()), Vec::new());
    let view = Small::at(1, 0, Step::Propose, &[]);
    for peer in [1, 2, 3] {
        gossip.add_peer(Time(0), PeerId(peer), &view, &mut out);
    }
    out.clear();
    gossip.push_evidence(Time(0), Some(PeerId(2)), &proof(1, 0), &mut out);
    assert_eq!(evidence_sent(&out), [(PeerId(1), 1), (PeerId(3), 1)]);
    out.clear();
    gossip.push_evidence(Time(0), None, &proof(1, 1), &mut out);
    assert_eq!(evidence_sent(&out).len(), 3);
}

#[test]
fn waiting_evidence_is_handed_over_in_full_frames() {
    let gossip = Gossip::new(Config::default());
    let waiting: Vec<_> = (0..257).map(|round| proof(1, round)).collect();
    let mut out = Vec::new();
    gossip.hand_over_evidence(PEER, &waiting, &mut out);
    assert_eq!(evidence_sent(&out), [(PEER, MAX_FRAME_MESSAGES), (PEER, 1)]);
    out.clear();
    gossip.hand_over_evidence(PEER, &[], &mut out);
    assert!(out.is_empty());
}

#[test]
fn evidence_is_repeated_rarely_and_only_to_who_has_reached_its_height() {
    let config = Config::default();
    let rarely = Time(0).after(config.interval_max);
    let (mut gossip, mut out) = (Gossip::new(config), Vec::new());
    let view = Small::at(5, 0, Step::Propose, &[]);
    for (peer, height) in [(1, 4), (2, 5), (3, 6)] {
        gossip.add_peer(Time(0), PeerId(peer), &view, &mut out);
        let stands = [stands(height, 0, Step::Propose)];
        let told = gossip.receive(Time(0), PeerId(peer), &stands, &view, &mut out);
        assert_eq!(told, Ok(()));
    }
    gossip.add_peer(Time(0), PeerId(4), &view, &mut out); // says nothing
    out.clear();
    let waiting = [proof(4, 0), proof(5, 0), proof(5, 1)];
    gossip.repeat_evidence(Time(rarely.0 - 1), &waiting, &mut out);
    assert!(out.is_empty(), "too early");
    gossip.repeat_evidence(rarely, &waiting, &mut out);
    let told = [(PeerId(1), 1), (PeerId(2), 3), (PeerId(3), 3)];
    assert_eq!(evidence_sent(&out), told);
    out.clear();
    gossip.repeat_evidence(rarely, &waiting, &mut out);
    assert!(out.is_empty(), "said just now");
    let many: Vec<_> = (0..40).map(|round| proof(5, round)).collect();
    let later = rarely.after(Span::millis(1_600));
    gossip.repeat_evidence(later, &many, &mut out);
    let told = [(PeerId(2), MAX_EVIDENCE), (PeerId(3), MAX_EVIDENCE)];
    assert_eq!(evidence_sent(&out), told, "one frame, as much as a block");
}

#[test]
fn a_peer_that_left_is_forgotten() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[0, 1, 2]));
    assert!(talk.gossip.peer(PEER).is_some());
    talk.gossip.remove_peer(PEER);
    assert!(talk.gossip.peer(PEER).is_none());
    let mut out = Vec::new();
    talk.gossip.push(talk.now, &[], &mut out);
    talk.gossip.on_step(talk.now, talk.view.at, &mut out);
    let later = talk.now.after(Config::default().interval);
    talk.gossip.on_wake(later, &talk.view, &mut out);
    assert_eq!(messages_of(&out), [], "nobody is there to be told");
}

#[test]
fn what_was_handed_to_the_link_is_not_believed_to_have_arrived() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[0]));
    let own = [Message::Vote(vote(1, 0, 0))];
    let mut out = Vec::new();
    talk.gossip.push(talk.now, &own, &mut out);
    assert_eq!(messages_of(&out), own, "perhaps into a full queue");
    let at = [stands(1, 0, Step::Prevote)];
    assert_eq!(talk.hears(&at), [], "sent lately");
    assert_eq!(
        talk.peer().prevotes,
        None,
        "only the peer tells what it has"
    );
    talk.now = talk.now.after(Config::default().resend_after);
    assert_eq!(talk.hears(&at), own, "it never said that it has the vote");
}

/// A peer that says nothing makes no list grow.
#[test]
fn what_was_sent_to_a_silent_peer_is_forgotten() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
    for round in 0..1_000 {
        let own = [Message::Vote(vote(1, round, 0))];
        talk.gossip.push(talk.now, &own, &mut Vec::new());
        talk.now = talk.now.after(Config::default().interval);
    }
    let resend = Config::default().resend_after.0 / Config::default().interval.0;
    let kept = talk.gossip.peer(PEER).map(|peer| peer.sent.votes.len());
    assert!(kept.is_some_and(|kept| kept as u64 <= resend), "{kept:?}");
}

#[test]
fn bits_that_nobody_asked_for_make_nothing_be_sent_again() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[0]));
    let at = stands(1, 0, Step::Prevote);
    assert_eq!(talk.hears(std::slice::from_ref(&at)).len(), 1);
    let none = Message::VoteSetBits {
        height: Height(1),
        round: Round(0),
        kind: VoteKind::Prevote,
        block: None,
        have: BitArray::new(4),
    };
    assert_eq!(talk.hears(std::slice::from_ref(&none)), [], "unasked");
    talk.view.majority = Some(None);
    let claim = Message::VoteSetMaj23 {
        height: Height(1),
        round: Round(0),
        kind: VoteKind::Prevote,
        block: None,
    };
    assert_eq!(talk.hears(&[at]), [claim]);
    let lost = [Message::Vote(vote(1, 0, 0))];
    assert_eq!(talk.hears(std::slice::from_ref(&none)), lost, "the answer");
    assert_eq!(talk.hears(&[none]), [], "the answer once more");
}

#[test]
fn a_peer_that_left_leaves_nothing_behind() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[0]));
    let empty = Gossip {
        peers: BTreeMap::new(),
        ..talk.gossip.clone()
    };
    talk.hears(&[stands(1, 0, Step::Prevote), has(1, 0, 2)]);
    talk.gossip.remove_peer(PEER);
    assert_eq!(talk.gossip.peers, empty.peers);
    talk.gossip.draws = empty.draws;
    assert_eq!(talk.gossip, empty);
    assert_eq!(talk.objects(&[has(1, 0, 2)]), Ok(()), "a late frame");
}
