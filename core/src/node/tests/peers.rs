//! Peers that come, go, and contradict themselves.

use super::*;
use crate::{
    consensus::VoteError,
    gossip::PeerError,
    types::{Address, BlockId, Channel, Hash, PartSetHeader, Signature, ValidatorIndex, Vote},
};

const PEER: PeerId = PeerId(1);

fn vote(height: u64, index: u16) -> Message {
    Message::Vote(Vote {
        kind: VoteKind::Prevote,
        height: Height(height),
        round: Round(0),
        block: None,
        index: ValidatorIndex(index),
        address: Address::default(),
        signature: Signature([0; 64]),
    })
}

fn claim(block: Option<BlockId>) -> Message {
    Message::VoteSetMaj23 {
        height: Height(1),
        round: Round(0),
        kind: VoteKind::Prevote,
        block,
    }
}

fn block() -> BlockId {
    let hash = Hash([1; 32]);
    BlockId {
        hash,
        parts: PartSetHeader { total: 1, hash },
    }
}

impl Net {
    /// Node 0 gets messages of [`PEER`]; what it refuses.
    fn hear(&mut self, messages: Vec<Message>) -> Vec<Rejection> {
        let frame = Frame::encode(messages[0].channel(), messages);
        let mut out = Vec::new();
        let input = Input::Receive { from: PEER, frame };
        self.hosts[0].node.step(self.now, input, &mut out);
        let refused = out.into_iter().filter_map(|output| match output {
            Output::Rejected { peer: PEER, reason } => Some(reason),
            Output::Rejected { .. }
            | Output::Send { .. }
            | Output::Arm { .. }
            | Output::Append { .. }
            | Output::SaveSignState(_)
            | Output::Sync(_)
            | Output::Commit { .. }
            | Output::Load { .. }
            | Output::Decided { .. }
            | Output::Refused { .. }
            | Output::Halted { .. }
            | Output::Notice(_) => None,
        });
        refused.collect()
    }

    fn tell(&mut self, input: Input) {
        self.hosts[0].node.step(self.now, input, &mut Vec::new());
    }
}

#[test]
fn what_a_peer_has_waiting_is_bounded_and_goes_with_it() {
    let mut net = Net::new(4);
    let waiting = |net: &Net| net.hosts[0].node.stash.get(&PEER).map(VecDeque::len);
    for index in 0..40 {
        assert_eq!(net.hear(vec![vote(2, index)]), []);
        let expected = usize::from(index + 1).min(STASH);
        assert_eq!(waiting(&net), Some(expected));
    }
    net.tell(Input::Disconnected(PEER));
    assert_eq!(waiting(&net), None);
    assert!(net.hosts[0].node.gossip.peer(PEER).is_none());
    assert_eq!(net.hear(vec![vote(2, 0)]), []);
    assert_eq!(waiting(&net), None, "a late frame leaves nothing behind");
    net.tell(Input::Connected(PEER));
    net.hear(vec![vote(2, 0)]);
    assert_eq!(waiting(&net), Some(1));
}

#[test]
fn a_second_different_claim_is_reported_also_after_a_reconnection() {
    let mut net = Net::new(4);
    assert_eq!(net.hear(vec![claim(None), claim(None)]), []);
    for _ in 0..2 {
        let refused = net.hear(vec![claim(Some(block()))]);
        let error = VoteError::ConflictingClaim {
            peer: PEER,
            round: Round(0),
            kind: VoteKind::Prevote,
        };
        let expected = Rejection::Consensus(Refusal::Vote(error));
        assert_eq!(refused, std::slice::from_ref(&expected));
        assert!(expected.blames_peer());
        net.tell(Input::Disconnected(PEER));
        net.tell(Input::Connected(PEER));
    }
}

/// Else a peer could fill the log by saying the same thing again and again.
#[test]
fn a_repeated_claim_is_not_logged_again() {
    let mut net = Net::new(4);
    let logged = |net: &mut Net| {
        let frame = Frame::encode(Channel::State, vec![claim(None)]);
        let mut out = Vec::new();
        let input = Input::Receive { from: PEER, frame };
        net.hosts[0].node.step(net.now, input, &mut out);
        out.iter().any(|o| matches!(o, Output::Append { .. }))
    };
    assert!(logged(&mut net));
    assert!(!logged(&mut net));
}

#[test]
fn only_what_no_correct_peer_sends_is_blamed_on_the_peer() {
    let mut net = Net::new(4);
    let refused = net.hear(vec![vote(1, 0), vote(1, 9)]);
    let blamed: Vec<bool> = refused.iter().map(Rejection::blames_peer).collect();
    assert_eq!(blamed, [true, true], "{refused:?}");
    let (peer, round) = (PEER, Round(9));
    let relayed = [
        Refusal::ProposalConflict,
        Refusal::Vote(VoteError::TooManyRounds { peer, round }),
        Refusal::Vote(VoteError::OtherSignature(ValidatorIndex(0))),
        Refusal::Vote(VoteError::WrongSlot),
    ];
    for refusal in relayed {
        assert!(!Rejection::Consensus(refusal).blames_peer(), "{refusal}");
    }
    let forged = Refusal::Vote(VoteError::InvalidSignature(ValidatorIndex(0)));
    assert!(Rejection::Consensus(forged).blames_peer());
    let seconds = u64::MAX;
    assert!(Rejection::Peer(PeerError::InvalidStartTime { seconds }).blames_peer());
}
