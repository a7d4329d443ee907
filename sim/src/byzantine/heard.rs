//! What the byzantine validators of a run have heard, all together: which blocks were proposed
//! when, and their parts.

use std::{collections::BTreeMap, sync::Arc};

use engine::{
    codec::Frame,
    types::{BlockId, Message, Part, PartSet, Proposal},
};

/// How many rounds back proposals are remembered, and how many blocks of which parts.
const REMEMBERED: usize = 64;
/// How many proposals are remembered of one round: equivocators make more than one.
const PROPOSALS: usize = 4;

/// A block that was proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proposed {
    pub(super) block: BlockId,
    pub(super) round: u32,
}

/// The common memory.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// By height and round, in the order in which they were heard.
    proposals: BTreeMap<(u64, u32), Vec<BlockId>>,
    /// By height and block.
    parts: BTreeMap<(u64, BlockId), PartSet>,
    /// Parts that came before their proposal, by height and round.
    early: BTreeMap<(u64, u32), Vec<Arc<Part>>>,
    /// The second block of an equivocating proposer, by height and round.
    second: BTreeMap<(u64, u32), BlockId>,
}

impl Heard {
    /// Learns from a frame that one of them sends or receives.
    pub(super) fn learn(&mut self, frame: &Frame) {
        let Ok(contents) = frame.contents() else {
            return;
        };
        for message in contents.messages.iter() {
            if let Message::Proposal(proposal) = message {
                self.learn_proposal(proposal);
            }
            if let Message::BlockPart {
                height,
                round,
                part,
            } = message
            {
                self.learn_part((height.0, round.0), part);
            }
        }
    }

    fn learn_proposal(&mut self, proposal: &Proposal) {
        let at = (proposal.height.0, proposal.round.0);
        let known = self.proposals.entry(at).or_default();
        if known.contains(&proposal.block) || known.len() == PROPOSALS {
            return;
        }
        known.push(proposal.block);
        let slot = (at.0, proposal.block);
        if !self.parts.contains_key(&slot)
            && let Some(set) = PartSet::empty(proposal.block.parts)
        {
            self.parts.insert(slot, set);
        }
        for part in self.early.remove(&at).unwrap_or_default() {
            self.learn_part(at, &part);
        }
        trim(&mut self.proposals);
        trim(&mut self.parts);
    }

    fn learn_part(&mut self, at: (u64, u32), part: &Arc<Part>) {
        let mut belongs = false;
        for ((height, _), set) in &mut self.parts {
            // A part of another block is refused.
            belongs |= *height == at.0 && set.add(part).is_ok();
        }
        let early = self.early.entry(at).or_default();
        if !belongs && early.len() < PROPOSALS {
            early.push(Arc::clone(part));
        }
        trim(&mut self.early);
    }

    /// Remembers the second block of a round.
    pub(super) fn note_second(&mut self, at: (u64, u32), block: BlockId) {
        self.second.insert(at, block);
        trim(&mut self.second);
    }

    /// The second block of a round.
    pub(super) fn second(&self, at: (u64, u32)) -> Option<BlockId> {
        self.second.get(&at).copied()
    }

    /// The blocks proposed in a round, first heard first.
    pub(super) fn proposed(&self, height: u64, round: u32) -> &[BlockId] {
        let known = self.proposals.get(&(height, round));
        known.map_or(&[], Vec::as_slice)
    }

    /// The blocks proposed at a height up to a round, oldest round first.
    pub(super) fn of_height(&self, height: u64, round: u32) -> impl Iterator<Item = Proposed> {
        let rounds = self.proposals.range((height, 0)..=(height, round));
        rounds.flat_map(|((_, round), blocks)| {
            let round = *round;
            blocks.iter().map(move |block| Proposed {
                block: *block,
                round,
            })
        })
    }

    /// The parts of a block that are known.
    pub(super) fn parts(&self, height: u64, block: BlockId) -> Vec<Arc<Part>> {
        let set = self.parts.get(&(height, block));
        let of = |set: &PartSet| -> Vec<Arc<Part>> {
            let ones = set.have().ones();
            ones.filter_map(|i| set.part(i).map(Arc::clone)).collect()
        };
        set.map(of).unwrap_or_default()
    }
}

fn trim<K: Ord, V>(map: &mut BTreeMap<K, V>) {
    while map.len() > REMEMBERED {
        map.pop_first();
    }
}
