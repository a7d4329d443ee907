//! Two correct nodes with one key. Which correct nodes each of them talks with is drawn for each
//! round, so each signs what its own part of the network leads it to.
//!
//! A twin changes nothing of what it says. It is silent and deaf towards the nodes of the other
//! twin, in the rounds in which the two do not share everybody.

use engine::{
    codec::Frame,
    types::{Message, PeerId},
};

use crate::{
    byzantine::{Filter, Leaving, hand::Hand, heard::Heard},
    nemesis::{Behaviour, Plan},
};

/// One of the twins.
#[derive(Debug)]
pub(super) struct Twin {
    hand: Hand,
    /// Its place among the twins.
    place: u64,
    twins: u64,
    split: bool,
}

impl Twin {
    pub(super) fn new(hand: Hand, plan: &Plan) -> Self {
        let is_twin = |b: &&crate::nemesis::Byzantine| b.behaviour == Behaviour::Twin;
        let mut twins: Vec<u16> = plan
            .byzantine
            .iter()
            .filter(is_twin)
            .map(|b| b.node)
            .collect();
        twins.sort_unstable();
        let place = twins.iter().position(|node| *node == hand.node());
        Self {
            hand,
            place: place.unwrap_or(0) as u64,
            twins: twins.len().max(1) as u64,
            split: false,
        }
    }

    /// Whether it talks with a node about a round: in every fourth round both talk with everybody,
    /// else each with its own part.
    fn knows(&self, peer: PeerId, height: u64, round: u32) -> bool {
        if !self.hand.correct.contains(&peer.0) {
            return true;
        }
        if self.hand.together(height, round, 0).below(4) == 0 {
            return true;
        }
        let which = 1 + u64::from(peer.0);
        self.hand.together(height, round, which).below(self.twins) == self.place
    }

    /// Whether a frame is kept from or by a node.
    fn parts(&self, peer: PeerId, frame: &Frame) -> bool {
        let Ok(contents) = frame.contents() else {
            return false;
        };
        let mut about = contents.messages.iter().filter_map(about);
        about.any(|(height, round)| !self.knows(peer, height, round))
    }
}

/// The height and round of what leads a node to sign something.
fn about(message: &Message) -> Option<(u64, u32)> {
    match message {
        Message::Proposal(p) => Some((p.height.0, p.round.0)),
        Message::BlockPart { height, round, .. } => Some((height.0, round.0)),
        Message::Vote(v) => Some((v.height.0, v.round.0)),
        Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => None,
    }
}

impl Filter for Twin {
    fn filter(&mut self, to: PeerId, frame: Frame, _heard: &mut Heard) -> Vec<Leaving> {
        self.split = self.parts(to, &frame);
        if self.split {
            Vec::new()
        } else {
            vec![frame.into()]
        }
    }

    fn count(&mut self) -> Option<&'static str> {
        self.split.then_some("twin")
    }

    fn takes(&mut self, from: PeerId, frame: &Frame) -> bool {
        !self.parts(from, frame)
    }
}

#[cfg(test)]
mod tests {
    use engine::types::VoteKind;

    use super::*;
    use crate::byzantine::{
        key_holder,
        testing::{block, filtered_by, other_frames, own_vote, twins, untouched},
    };

    #[test]
    fn in_each_round_a_node_talks_with_one_twin_or_with_both() {
        let (mut filters, hand, plan) = twins();
        assert_eq!((key_holder(&plan, 4), key_holder(&plan, 3)), (3, 3));
        assert_eq!(key_holder(&plan, 2), 2);
        let (mut one, mut both) = (0, 0);
        for round in 0..60 {
            let frame = own_vote(&hand, VoteKind::Prevote, 1, round, Some(block(1)));
            for to in 0..3 {
                let hears =
                    [3, 4].map(|twin| !filtered_by(&mut filters, twin, to, &frame).is_empty());
                let takes = [3, 4].map(|twin| filters.receive(PeerId(to), PeerId(twin), &frame));
                assert_eq!(hears, takes, "both ways are cut");
                assert!(hears[0] || hears[1]);
                one += usize::from(hears[0] != hears[1]);
                both += usize::from(hears[0] && hears[1]);
            }
        }
        assert!(one > 60 && both > 20, "{one} {both}");
    }

    #[test]
    fn hints_pass_between_everybody() {
        let (mut filters, hand, _) = twins();
        let hints = other_frames(&hand);
        untouched(&mut filters, &hints[..1]);
    }
}
