//! What a byzantine validator needs to tell its story: its key, its choices, and its companions.

use std::sync::Arc;

use engine::{
    codec::{Frame, MAX_SYNC_FRAME_MESSAGES},
    crypto::Sign,
    types::{
        Address, BlockId, ChainId, Channel, MAX_FRAME_MESSAGES, Message, PeerId, Proposal, Vote,
        VoteKind,
    },
};

use crate::{
    byzantine::Leaving,
    choice::{Choices, Draw, Stream},
    nemesis::{Behaviour, Plan, Slot},
};

/// The place of a behaviour's draws, far from those of the older behaviours.
const FIRST_OPERATOR: u64 = 16;

/// One byzantine validator's hand.
#[derive(Debug)]
pub(super) struct Hand {
    node: u16,
    /// The first of the nodes that tell the same story.
    story: u16,
    /// The nodes that are not byzantine.
    pub(super) correct: Vec<u16>,
    operator: u64,
    key: Arc<dyn Sign>,
    address: Address,
    choices: Choices,
}

/// Where a signed message belongs: kind, height and round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) slot: Slot,
    pub(super) height: u64,
    pub(super) round: u32,
}

/// The slot of a kind of vote.
pub(super) fn slot_of(kind: VoteKind) -> Slot {
    match kind {
        VoteKind::Prevote => Slot::Prevote,
        VoteKind::Precommit => Slot::Precommit,
    }
}

/// The chain that all simulated nodes sign for.
pub(super) fn chain() -> ChainId {
    ChainId::try_from(b"gauntlet".to_vec()).unwrap_or_default()
}

impl Hand {
    pub(super) fn new(plan: &Plan, node: u16, key: Arc<dyn Sign>, choices: Choices) -> Self {
        let of = |node: u16| plan.byzantine.iter().find(|b| b.node == node);
        let behaviour = of(node).map_or(Behaviour::Silent, |b| b.behaviour);
        let companions = plan.byzantine.iter().filter(|b| b.behaviour == behaviour);
        let nodes = 0..u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
        Self {
            node,
            story: companions.map(|b| b.node).min().unwrap_or(node),
            correct: nodes.filter(|node| of(*node).is_none()).collect(),
            operator: (FIRST_OPERATOR + behaviour as u64) << 32,
            address: key.public_key().address(),
            key,
            choices,
        }
    }

    /// The node.
    pub(super) fn node(&self) -> u16 {
        self.node
    }

    /// The node whose coordinates all its companions use.
    pub(super) fn story(&self) -> PeerId {
        PeerId(self.story)
    }

    /// What all who tell this story decide alike.
    pub(super) fn together(&self, height: u64, round: u32, which: u64) -> Draw {
        let node = self.operator | u64::from(self.story);
        let coords = [node, height, u64::from(round), which];
        self.choices.draw(Stream::Byzantine, coords)
    }

    /// What this node decides about a receiver, the `number`th time.
    pub(super) fn alone(&self, to: PeerId, number: u64) -> Draw {
        let node = self.operator | u64::from(self.node);
        let coords = [node, u64::MAX, u64::from(to.0), number];
        self.choices.draw(Stream::Byzantine, coords)
    }

    /// The slot of a message that this validator signed itself, or of a part, which nobody signs.
    pub(super) fn at(&self, message: &Message) -> Option<At> {
        let at = |slot, height, round| At {
            slot,
            height,
            round,
        };
        match message {
            Message::Proposal(p) => self
                .is_own_proposal(p)
                .then(|| at(Slot::Proposal, p.height.0, p.round.0)),
            Message::BlockPart { height, round, .. } => Some(at(Slot::Part, height.0, round.0)),
            Message::Vote(v) => {
                (v.address == self.address).then(|| at(slot_of(v.kind), v.height.0, v.round.0))
            }
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

    /// The vote in a message, if it is this validator's own.
    pub(super) fn own_vote<'a>(&self, message: &'a Message) -> Option<&'a Vote> {
        let Message::Vote(vote) = message else {
            return None;
        };
        (vote.address == self.address).then_some(vote)
    }

    /// Whether it proposed this itself. A signature of the same bytes is the same.
    fn is_own_proposal(&self, proposal: &Proposal) -> bool {
        self.key.sign(&proposal.sign_bytes(&chain())) == proposal.signature
    }

    /// A vote with its own signature.
    pub(super) fn sign(&self, mut vote: Vote) -> Message {
        vote.signature = self.key.sign(&vote.sign_bytes(&chain()));
        Message::Vote(vote)
    }

    /// Its vote for something else.
    pub(super) fn revote(&self, vote: &Vote, block: Option<BlockId>) -> Message {
        let vote = vote.clone();
        self.sign(Vote { block, ..vote })
    }

    /// A proposal with its own signature.
    pub(super) fn propose(&self, mut proposal: Proposal) -> Message {
        proposal.signature = self.key.sign(&proposal.sign_bytes(&chain()));
        Message::Proposal(proposal)
    }
}

/// Frames for messages of any channel, in their order.
pub(super) fn frames(messages: Vec<Message>) -> Vec<Leaving> {
    let mut full: Vec<(Channel, Vec<Message>)> = Vec::new();
    for message in messages {
        let channel = message.channel();
        let most = match channel {
            Channel::BlockSync => MAX_SYNC_FRAME_MESSAGES,
            Channel::State
            | Channel::Data
            | Channel::Vote
            | Channel::VoteSetBits
            | Channel::Mempool
            | Channel::Evidence => MAX_FRAME_MESSAGES,
        };
        match full.last_mut() {
            Some((of, last)) if *of == channel && last.len() < most => last.push(message),
            _ => full.push((channel, vec![message])),
        }
    }
    full.into_iter()
        .map(|(channel, messages)| Frame::encode(channel, messages).into())
        .collect()
}

/// Puts other messages in the place of each. `None` if nothing changed.
pub(super) fn instead(
    frame: &Frame,
    mut other: impl FnMut(&Message) -> Option<Vec<Message>>,
) -> Option<Vec<Leaving>> {
    let contents = frame.contents().ok()?;
    let mut changed = false;
    let mut told = Vec::new();
    for message in contents.messages.iter() {
        match other(message) {
            Some(messages) => {
                changed = true;
                told.extend(messages);
            }
            None => told.push(message.clone()),
        }
    }
    changed.then(|| frames(told))
}
