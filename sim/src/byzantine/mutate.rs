//! Changes one field of a message, every fourth time: of what it signs with and without a new
//! signature, of what it relays without, of hints, evidence and blocks.
//!
//! A change with a new signature is authentic and has to be judged by its content; the others have
//! to be refused. Values come from around the true ones, and from the ends of their types.

use std::sync::Arc;

use engine::{
    codec::Frame,
    types::{
        BlockId, Commit, CommitSig, DuplicateVote, Hash, Height, Message, Part, PeerId, Proposal,
        Round, SyncMessage, ValidatorIndex, Vote, VoteKind,
    },
};

use crate::{
    byzantine::{
        Filter, Leaving,
        hand::{Hand, instead},
        heard::Heard,
        lying_gossip::lie,
    },
    choice::Draw,
};

/// A validator that gets something wrong.
#[derive(Debug)]
pub(super) struct Mutate {
    hand: Hand,
    told: u64,
    changed: bool,
}

impl Mutate {
    pub(super) fn new(hand: Hand) -> Self {
        Self {
            hand,
            told: 0,
            changed: false,
        }
    }

    fn mutated(&self, draw: &mut Draw, message: &Message, heard: &Heard) -> Message {
        match message {
            Message::Proposal(proposal) => self.proposal(draw, proposal, heard),
            Message::BlockPart {
                height,
                round,
                part,
            } => part_message(draw, (*height, *round), part),
            Message::Vote(vote) => self.vote(draw, vote, heard),
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. } => lie(draw, message),
            Message::Txs(_) => message.clone(),
            Message::Evidence(evidence) => evidence_message(draw, evidence),
            Message::BlockSync(sync) => Message::BlockSync(sync_message(draw, sync)),
        }
    }

    /// Signed again if it is its own, and the coin says so.
    fn vote(&self, draw: &mut Draw, vote: &Vote, heard: &Heard) -> Message {
        let mut vote = vote.clone();
        let own = self.hand.own_vote(&Message::Vote(vote.clone())).is_some();
        match draw.below(8) {
            0 => turn_bit(draw, &mut vote.signature.0),
            1 => vote.index = ValidatorIndex(other_index(draw, vote.index.0)),
            2 => turn_bit(draw, &mut vote.address.0),
            3 => vote.kind = other_kind(vote.kind),
            4 => vote.round = other_round(draw, vote.round),
            5 => vote.height = other_height(draw, vote.height),
            _ => vote.block = other_block(draw, vote.block, (vote.height, vote.round), heard),
        }
        if own && draw.below(2) == 0 {
            self.hand.sign(vote)
        } else {
            Message::Vote(vote)
        }
    }

    fn proposal(&self, draw: &mut Draw, proposal: &Proposal, heard: &Heard) -> Message {
        let mut told = proposal.clone();
        let (height, round) = (told.height, told.round);
        match draw.below(6) {
            0 => turn_bit(draw, &mut told.signature.0),
            1 => told.round = other_round(draw, round),
            2 => told.height = other_height(draw, height),
            3 | 4 => {
                let before = Round(round.0.saturating_sub(1));
                let proofs = [None, Some(before), Some(Round(0)), Some(round)];
                told.pol_round = draw.pick(&proofs).copied().flatten();
            }
            _ => {
                let block = other_block(draw, Some(told.block), (height, round), heard);
                told.block = block.unwrap_or(told.block);
            }
        }
        let own = self.hand.at(&Message::Proposal(proposal.clone())).is_some();
        if own && draw.below(4) > 0 {
            self.hand.propose(told)
        } else {
            Message::Proposal(told)
        }
    }
}

fn turn_bit(draw: &mut Draw, bytes: &mut [u8]) {
    let bit = usize::try_from(draw.below(8 * bytes.len().max(1) as u64)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

fn other_kind(kind: VoteKind) -> VoteKind {
    match kind {
        VoteKind::Prevote => VoteKind::Precommit,
        VoteKind::Precommit => VoteKind::Prevote,
    }
}

fn other_index(draw: &mut Draw, index: u16) -> u16 {
    let near = [index ^ 1, index.wrapping_add(1), 0, u16::MAX];
    draw.pick(&near).copied().unwrap_or(index)
}

fn other_round(draw: &mut Draw, round: Round) -> Round {
    let near = [
        round.0.saturating_add(1),
        round.0.saturating_add(2),
        round.0.saturating_sub(1),
        0,
        u32::MAX,
    ];
    Round(draw.pick(&near).copied().unwrap_or(0))
}

fn other_height(draw: &mut Draw, height: Height) -> Height {
    let near = [
        height.0.saturating_add(1),
        height.0.saturating_sub(1),
        height.0.saturating_add(2),
        1,
        u64::MAX,
    ];
    Height(draw.pick(&near).copied().unwrap_or(1))
}

/// Nil, a block of this height, the block of the height before, one with a wrong part set, or one
/// that nobody has.
fn other_block(
    draw: &mut Draw,
    block: Option<BlockId>,
    (height, round): (Height, Round),
    heard: &Heard,
) -> Option<BlockId> {
    let blocks = |height: u64| heard.of_height(height, round.0).map(|known| known.block);
    let mut known: Vec<BlockId> = match draw.below(4) {
        0 => blocks(height.0).collect(),
        1 => blocks(height.0.saturating_sub(1)).collect(),
        2 => return None,
        _ => block.into_iter().collect(),
    };
    known.retain(|known| Some(*known) != block || draw.below(2) == 0);
    let chosen = draw.pick(&known).copied().or(block)?;
    let mut changed = chosen;
    match draw.below(4) {
        0 => changed.parts.hash = Hash([0xee; 32]),
        1 => changed.parts.total = changed.parts.total.saturating_add(1),
        2 => changed.hash = Hash([0xee; 32]),
        _ => {}
    }
    Some(changed)
}

fn part_message(draw: &mut Draw, (height, round): (Height, Round), part: &Arc<Part>) -> Message {
    let mut told = Part::clone(part);
    let (mut height, mut round) = (height, round);
    match draw.below(6) {
        0 => told.proof.index = told.proof.index.wrapping_add(1),
        1 => told.proof.total = told.proof.total.wrapping_add(1),
        2 => round = other_round(draw, round),
        3 => height = other_height(draw, height),
        4 => {
            let mut bytes = told.bytes.to_vec();
            turn_bit(draw, &mut bytes);
            told.bytes = bytes.try_into().unwrap_or_default();
        }
        _ => {
            let mut aunts = told.proof.aunts.to_vec();
            aunts.push(Hash([0xee; 32]));
            told.proof.aunts = aunts.try_into().unwrap_or_default();
        }
    }
    Message::BlockPart {
        height,
        round,
        part: Arc::new(told),
    }
}

/// Evidence against somebody else, of another height, the wrong way round, or with a bad signature.
fn evidence_message(draw: &mut Draw, evidence: &DuplicateVote) -> Message {
    let mut told = evidence.clone();
    match draw.below(4) {
        0 => std::mem::swap(&mut told.first, &mut told.second),
        1 => turn_bit(draw, &mut told.first.signature.0),
        2 => {
            let height = other_height(draw, told.first.height);
            (told.first.height, told.second.height) = (height, height);
        }
        _ => {
            let index = ValidatorIndex(other_index(draw, told.first.index.0));
            (told.first.index, told.second.index) = (index, index);
        }
    }
    Message::Evidence(Box::new(told))
}

fn sync_message(draw: &mut Draw, message: &SyncMessage) -> SyncMessage {
    match message {
        SyncMessage::StatusRequest => SyncMessage::StatusRequest,
        SyncMessage::StatusResponse { base, height } => SyncMessage::StatusResponse {
            base: *base,
            height: other_height(draw, *height).max(*base),
        },
        SyncMessage::BlockRequest { height } => SyncMessage::BlockRequest {
            height: other_height(draw, *height),
        },
        SyncMessage::NoBlockResponse { height } => SyncMessage::NoBlockResponse {
            height: other_height(draw, *height),
        },
        SyncMessage::BlockResponse { block, commit } => {
            let (mut block, mut commit) = (Arc::clone(block), commit.clone());
            match draw.below(4) {
                0 => {
                    let mut other = (*block).clone();
                    other.header.app_hash = Hash([0xee; 32]);
                    block = Arc::new(other);
                }
                1 => commit.round = other_round(draw, commit.round),
                2 => commit.block.hash = Hash([0xee; 32]),
                _ => change_signatures(draw, &mut commit),
            }
            SyncMessage::BlockResponse { block, commit }
        }
    }
}

/// One signature for the block becomes one for nil, or a bad one.
fn change_signatures(draw: &mut Draw, commit: &mut Commit) {
    let mut signatures = commit.signatures.to_vec();
    let chosen = usize::try_from(draw.below(signatures.len().max(1) as u64)).unwrap_or(0);
    if let Some(CommitSig::Block(signature)) = signatures.get(chosen).copied() {
        let mut bad = signature;
        turn_bit(draw, &mut bad.0);
        signatures[chosen] = if draw.below(2) == 0 {
            CommitSig::Nil(signature)
        } else {
            CommitSig::Block(bad)
        };
    }
    commit.signatures = signatures.try_into().unwrap_or_default();
}

impl Filter for Mutate {
    fn filter(&mut self, to: PeerId, frame: Frame, heard: &mut Heard) -> Vec<Leaving> {
        let mut told = self.told;
        let changed = instead(&frame, |message| {
            told += 1;
            let mut draw = self.hand.alone(to, told);
            if draw.below(4) > 0 {
                return None;
            }
            let other = self.mutated(&mut draw, message, heard);
            (other != *message).then(|| vec![other])
        });
        self.told = told;
        self.changed = changed.is_some();
        changed.unwrap_or_else(|| vec![frame.into()])
    }

    fn count(&mut self) -> Option<&'static str> {
        self.changed.then_some("mutate")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        byzantine::testing::{block, filtered, messages, other_frames, own_vote, proposal, stage},
        nemesis::Behaviour,
    };

    #[test]
    fn every_fourth_message_has_one_wrong_field_and_some_are_signed_again() {
        let (mut filters, hand) = stage(Behaviour::Mutate);
        filters.send(PeerId(3), PeerId(0), &proposal(&hand, 5, 1, block(2)));
        let frame = own_vote(&hand, VoteKind::Prevote, 5, 2, Some(block(1)));
        let truth = messages(std::slice::from_ref(&frame))[0].clone();
        let Message::Vote(truth) = truth else {
            unreachable!("a vote")
        };
        let (mut changed, mut signed) = (BTreeSet::new(), 0);
        for _ in 0..2_000 {
            let told = filtered(&mut filters, 1, &frame);
            let contents = told[0].contents();
            let messages = contents.iter().flat_map(|c| c.messages.iter());
            for message in messages {
                let Message::Vote(vote) = message else {
                    unreachable!("still a vote")
                };
                let differs = [
                    vote.index != truth.index,
                    vote.address != truth.address,
                    vote.kind != truth.kind,
                    vote.round != truth.round,
                    vote.height != truth.height,
                    vote.block != truth.block,
                ];
                assert!(differs.iter().filter(|d| **d).count() <= 1);
                changed.extend(differs.iter().position(|d| *d));
                let authentic = hand.sign(vote.clone()) == *message;
                signed += usize::from(authentic && *vote != truth);
            }
        }
        assert_eq!(changed.len(), 6, "each field at some time");
        assert!(signed > 50, "{signed}");
    }

    #[test]
    fn what_others_signed_is_never_signed_again() {
        let (mut filters, hand) = stage(Behaviour::Mutate);
        let foreign = other_frames(&hand).remove(2);
        let truth = messages(std::slice::from_ref(&foreign)).remove(0);
        let mut changed = 0;
        for _ in 0..400 {
            let told = filtered(&mut filters, 1, &foreign);
            let Ok(contents) = told[0].contents() else {
                changed += 1;
                continue;
            };
            let message = &contents.messages[0];
            changed += usize::from(*message != truth);
            let (Message::Vote(vote), Message::Vote(true_vote)) = (message, &truth) else {
                unreachable!("a vote")
            };
            let same = vote.signature == true_vote.signature;
            assert!(
                same || vote.block == true_vote.block,
                "a bit turned, no signature"
            );
        }
        assert!((60..140).contains(&changed), "{changed}");
    }
}
