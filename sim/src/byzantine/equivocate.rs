//! Tells two halves of the network two different things, both signed.
//!
//! As a proposer it proposes a second block (its own with a later time) to one half. It votes for
//! what it would vote for in one half; in the other for its second block, or nil, or whatever block
//! it has seen proposed. Which nodes form the halves is drawn for each round.

use std::{collections::BTreeMap, sync::Arc};

use engine::{
    codec::Frame,
    crypto::Sign,
    types::{
        Address, Block, BlockId, ChainId, Channel, Message, Part, PartSet, PeerId, Proposal, Time,
        Vote, VoteKind,
    },
};

use crate::{
    byzantine::{Filter, Leaving, heard::Heard},
    choice::{Choices, Stream},
};

/// How many rounds back second blocks are remembered.
const REMEMBERED: usize = 64;

/// An equivocating validator.
#[derive(Debug)]
pub(super) struct Equivocate {
    /// Whose halves these are: companions choose the same.
    story: PeerId,
    key: Arc<dyn Sign>,
    address: Address,
    choices: Choices,
    /// The parts of the own block of a round, until they are complete.
    own: BTreeMap<(u64, u32), PartSet>,
    /// The second block of a round: its id and parts.
    second: BTreeMap<(u64, u32), (BlockId, PartSet)>,
    /// What was sent in the place of an own message, so that both halves hear the same each time.
    changed: bool,
}

impl Equivocate {
    pub(super) fn new(story: PeerId, key: Arc<dyn Sign>, choices: Choices) -> Self {
        let (own, second) = (BTreeMap::new(), BTreeMap::new());
        Self {
            story,
            address: key.public_key().address(),
            key,
            choices,
            own,
            second,
            changed: false,
        }
    }

    /// Whether `to` belongs to the half that hears the second story in this round.
    fn hears_second(&self, to: PeerId, height: u64, round: u32) -> bool {
        let coords = [
            u64::from(self.story.0),
            height,
            u64::from(round),
            u64::from(to.0),
        ];
        self.choices.draw(Stream::Byzantine, coords).below(2) == 1
    }

    fn chain() -> ChainId {
        ChainId::try_from(b"gauntlet".to_vec()).unwrap_or_default()
    }

    /// Learns the own block of a round from its parts and makes the second one.
    fn learn(&mut self, at: (u64, u32), header: Option<BlockId>, part: Option<&Arc<Part>>) {
        if self.second.contains_key(&at) {
            return;
        }
        if let Some(set) = header.and_then(|id| PartSet::empty(id.parts)) {
            self.own.insert(at, set);
        }
        let Some(set) = self.own.get_mut(&at) else {
            return;
        };
        if let Some(part) = part {
            // A part of another block is none of ours.
            let _ = set.add(part);
        }
        if let Some(mut block) = set.assemble().and_then(|bytes| Block::decode(&bytes).ok()) {
            block.header.time = Time(block.header.time.0 + 1);
            self.second.insert(at, block.cut());
            while self.second.len() > REMEMBERED {
                self.second.pop_first();
            }
            self.own.clear();
        }
    }

    fn second_proposal(&self, proposal: &Proposal) -> Option<Proposal> {
        let at = (proposal.height.0, proposal.round.0);
        let (block, _) = self.second.get(&at)?;
        let mut second = Proposal {
            block: *block,
            pol_round: None,
            ..proposal.clone()
        };
        second.signature = self.key.sign(&second.sign_bytes(&Self::chain()));
        Some(second)
    }

    fn second_vote(&self, vote: &Vote, heard: &Heard) -> Vote {
        let at = (vote.height.0, vote.round.0);
        // Perhaps a companion made one up.
        let made_up = heard.second(at);
        let block = match (vote.block, made_up) {
            (Some(_), None) => None,
            (_, made_up) => made_up,
        };
        let mut second = Vote {
            block,
            ..vote.clone()
        };
        second.signature = self.key.sign(&second.sign_bytes(&Self::chain()));
        second
    }

    /// A proposal for the next round, out of turn, with its own signature.
    fn usurp(&self, message: &Message) -> Vec<Message> {
        let Message::Vote(vote) = message else {
            return Vec::new();
        };
        let own = vote.address == self.address && vote.kind == VoteKind::Precommit;
        let second = self.second.get(&(vote.height.0, vote.round.0));
        let Some((block, parts)) = second.filter(|_| own) else {
            return Vec::new();
        };
        let (height, round) = (vote.height, vote.round.next());
        let signature = vote.signature;
        let mut proposal = Proposal {
            height,
            round,
            pol_round: None,
            block: *block,
            signature,
        };
        proposal.signature = self.key.sign(&proposal.sign_bytes(&Self::chain()));
        let mut messages = vec![Message::Proposal(proposal)];
        for part in parts.have().ones().filter_map(|i| parts.part(i)) {
            messages.push(Message::BlockPart {
                height,
                round,
                part: Arc::clone(part),
            });
        }
        messages
    }

    /// What the second half hears instead of a message.
    fn instead(&mut self, message: &Message, to: PeerId, heard: &Heard) -> Vec<Message> {
        let hears = |height: u64, round: u32| self.hears_second(to, height, round);
        match message {
            Message::Proposal(p) if hears(p.height.0, p.round.0) => self
                .second_proposal(p)
                .map(Message::Proposal)
                .into_iter()
                .collect(),
            Message::BlockPart {
                height,
                round,
                part,
            } if hears(height.0, round.0) => {
                let second = self.second.get(&(height.0, round.0));
                let index = part.proof.index as usize;
                let part = second.and_then(|(_, parts)| parts.part(index));
                let (height, round) = (*height, *round);
                part.map(|part| Message::BlockPart {
                    height,
                    round,
                    part: Arc::clone(part),
                })
                .into_iter()
                .collect()
            }
            Message::Vote(v) if v.address == self.address && hears(v.height.0, v.round.0) => {
                vec![Message::Vote(self.second_vote(v, heard))]
            }
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::Proposal(_)
            | Message::ProposalPol { .. }
            | Message::BlockPart { .. }
            | Message::Vote(_)
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => vec![message.clone()],
        }
    }
}

impl Filter for Equivocate {
    fn filter(&mut self, to: PeerId, frame: Frame, heard: &mut Heard) -> Vec<Leaving> {
        self.changed = false;
        let Ok(contents) = frame.contents() else {
            return vec![frame.into()];
        };
        // The whole frame is learned first: a proposal's block is needed for its replacement.
        for message in contents.messages.iter() {
            match message {
                Message::Proposal(p) if p.pol_round.is_none() => {
                    self.learn((p.height.0, p.round.0), Some(p.block), None);
                }
                Message::BlockPart {
                    height,
                    round,
                    part,
                } => {
                    self.learn((height.0, round.0), None, Some(part));
                }
                Message::NewRoundStep { .. }
                | Message::NewValidBlock { .. }
                | Message::Proposal(_)
                | Message::ProposalPol { .. }
                | Message::Vote(_)
                | Message::HasVote { .. }
                | Message::VoteSetMaj23 { .. }
                | Message::VoteSetBits { .. }
                | Message::Txs(_)
                | Message::Evidence(_)
                | Message::BlockSync(_) => {}
            }
        }
        for (at, (block, _)) in &self.second {
            heard.note_second(*at, *block);
        }
        let (mut messages, mut out_of_turn) = (Vec::new(), Vec::new());
        for message in contents.messages.iter() {
            messages.extend(self.instead(message, to, heard));
            out_of_turn.extend(self.usurp(message));
        }
        self.changed = *messages != *contents.messages || !out_of_turn.is_empty();
        let frames = [(contents.channel, messages), (Channel::Data, out_of_turn)];
        let full = frames
            .into_iter()
            .filter(|(_, messages)| !messages.is_empty());
        full.map(|(channel, messages)| Frame::encode(channel, messages).into())
            .collect()
    }

    fn count(&mut self) -> Option<&'static str> {
        self.changed.then_some("equivocate")
    }
}
