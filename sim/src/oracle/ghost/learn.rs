//! How the ghost state learns: what is authentic, whose it is, and what blocks change.

use std::sync::Arc;

use engine::types::{
    Block, Commit, CommitSig, Height, Hrs, Message, Proposal, Time, ValidatorIndex, Vote, VoteKind,
};

use super::{AHEAD, Ghost};
use crate::oracle::{
    block,
    own::{Act, Slot, Value},
    quorum::Mask,
    seen::HeightSeen,
    stable::Place,
};

/// How many early proposals are kept. Only byzantine nodes make any.
const MAX_EARLY: usize = 4_096;

impl Ghost {
    /// Works out who validates heights up to this one, as far as the blocks before are known to be
    /// decided though nobody announced them.
    pub(super) fn reach(&mut self, height: u64) {
        while self.sets.newest() < height {
            let Some(block) = self.silently_decided(self.sets.newest()) else {
                return;
            };
            self.extend(Arc::new(block));
        }
    }

    /// The newest height's block is decided. What came early can now be judged.
    pub(super) fn extend(&mut self, block: Arc<Block>) {
        self.sets.extend(block.txs.iter().map(|tx| &**tx));
        self.chain.push_back(block);
        for (node, proposal) in std::mem::take(&mut self.early) {
            self.see_proposal(node, &proposal);
        }
    }

    /// A proposal came to a node. A byzantine node can be ahead of all others, and a node may keep
    /// what it gets from it until it comes to that height itself.
    pub(super) fn see_proposal(&mut self, node: usize, proposal: &Proposal) {
        if self.learn_proposal(proposal) {
            if let Some(seen) = self.height_mut(proposal.height) {
                seen.mark_proposal(node, proposal);
            }
            return;
        }
        let height = proposal.height.0;
        let early = height > self.sets.newest() && height <= self.tip.saturating_add(AHEAD);
        if early && self.early.len() < MAX_EARLY {
            self.early.push((node, proposal.clone()));
        }
    }

    /// The block that a quorum of all known precommits is for, if its bytes are known.
    fn silently_decided(&self, height: u64) -> Option<Block> {
        let seen = self.height(height)?;
        let id = seen.committed(self.powers(height))?;
        let bytes = seen.bytes_of(Mask::MAX, id.parts)?;
        let read = block::read(&bytes)?;
        (read.hash() == id.hash).then_some(read.block)
    }

    /// A whole block and its commit came to a node.
    pub(super) fn see_block(&mut self, node: usize, block: &Arc<Block>, commit: &Commit) {
        if let Some(seen) = self.height_mut(block.header.height) {
            seen.mark_whole(node, block);
        }
        self.reach(commit.height.0);
        if commit.height.0 > self.sets.newest() {
            return;
        }
        let validators = Arc::clone(&self.sets.at(commit.height.0).validators);
        for (place, (voter, entry)) in validators
            .order()
            .iter()
            .zip(commit.signatures.iter())
            .enumerate()
        {
            let (block, signature) = match entry {
                CommitSig::Absent => continue,
                CommitSig::Nil(signature) => (None, *signature),
                CommitSig::Block(signature) => (Some(commit.block), *signature),
            };
            let vote = Vote {
                kind: VoteKind::Precommit,
                height: commit.height,
                round: commit.round,
                block,
                index: ValidatorIndex::new(place),
                address: self.sets.members()[*voter].0,
                signature,
            };
            self.see_vote(node, &vote);
        }
    }

    /// Notes where a node says that it stands.
    pub(super) fn note_place(&mut self, now: Time, node: usize, message: &Message) {
        if let Message::NewRoundStep {
            height,
            round,
            step,
            ..
        } = *message
        {
            let at = Hrs {
                height,
                round,
                step,
            };
            self.places[node] = Some(Place::said(self.places[node], now, at));
            self.announced = true;
        }
    }

    /// Recognises a message that this node signed, and makes it known. Forgotten heights are not
    /// looked at: what is said again there would look new. A vote is the node's own by its address,
    /// whatever place in the set it names: a node that is no validator must not sign either.
    pub(super) fn own_message(&mut self, node: usize, message: &Message) -> Option<(Slot, Value)> {
        match message {
            Message::Vote(vote) => {
                let (height, round) = (vote.height.0, vote.round.0);
                let slot = Slot {
                    height,
                    round,
                    act: vote.kind.into(),
                };
                let own = self.sets.members()[node].0 == vote.address;
                let own = own && self.learn_vote(node, vote);
                own.then_some((slot, Value::Vote(vote.block)))
            }
            Message::Proposal(proposal) => {
                let (height, round) = (proposal.height.0, proposal.round.0);
                let slot = Slot {
                    height,
                    round,
                    act: Act::Propose,
                };
                let (block, pol_round) = (proposal.block, proposal.pol_round.map(|r| r.0));
                let own = height >= self.base && self.is_own_proposal(node, proposal);
                own.then_some((slot, Value::Proposal { block, pol_round }))
            }
            Message::BlockPart { .. }
            | Message::NewRoundStep { .. }
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

    fn is_own_proposal(&mut self, node: usize, proposal: &Proposal) -> bool {
        let known = self.learn_proposal(proposal);
        let (height, round) = (proposal.height.0, proposal.round.0);
        if known {
            return self.sets.proposer(height, round) == Some(node);
        }
        let bytes = proposal.sign_bytes(&self.setup.chain);
        self.verify(node, &bytes, &proposal.signature)
    }

    pub(super) fn mark_own(&mut self, node: usize, slot: Slot, value: Value) {
        let Some(seen) = self.height_mut(Height(slot.height)) else {
            return;
        };
        match value {
            Value::Proposal { block, .. } => seen.mark_own_proposal(node, slot.round, block),
            Value::Vote(block) => {
                let kind = match slot.act {
                    Act::Prevote => VoteKind::Prevote,
                    Act::Precommit => VoteKind::Precommit,
                    Act::Propose => return,
                };
                seen.mark_own_vote(node, (kind, slot.round), block);
            }
        }
    }

    pub(super) fn see_vote(&mut self, node: usize, vote: &Vote) {
        let Some(voter) = self.voter(vote) else {
            return;
        };
        let known = |seen: &mut HeightSeen| seen.mark_known(node, voter, vote);
        if self.height_mut(vote.height).is_some_and(known) {
            return;
        }
        if self.learn_vote(voter, vote)
            && let Some(seen) = self.height_mut(vote.height)
        {
            seen.mark_known(node, voter, vote);
        }
    }

    /// Who a vote says it is from; `None` if it names another's place in the height's set. As long
    /// as the set is not known, the address alone counts.
    pub(in crate::oracle) fn voter(&self, vote: &Vote) -> Option<usize> {
        let height = vote.height.0;
        if height > self.sets.newest() {
            return self.sets.member(&vote.address);
        }
        let order = self.sets.at(height).validators.order();
        let voter = *order.get(vote.index.get())?;
        (self.sets.members()[voter].0 == vote.address).then_some(voter)
    }

    /// Whether a vote is authentic. Each is verified once.
    fn learn_vote(&mut self, voter: usize, vote: &Vote) -> bool {
        let slot = (vote.kind, vote.round.0);
        let Some(seen) = self.height_mut(vote.height) else {
            return false;
        };
        if seen.knows_vote(slot, voter, (vote.block, &vote.signature)) {
            return true;
        }
        if seen.is_forged(voter, vote) {
            return false;
        }
        let bytes = vote.sign_bytes(&self.setup.chain);
        let authentic = self.verify(voter, &bytes, &vote.signature);
        if let Some(seen) = self.height_mut(vote.height) {
            if authentic {
                seen.add_vote(voter, vote);
            } else {
                seen.add_forged(voter, vote);
            }
        }
        authentic
    }

    /// Whether a proposal is signed by the proposer of its round.
    pub(super) fn learn_proposal(&mut self, proposal: &Proposal) -> bool {
        let known = |seen: &mut HeightSeen| seen.knows_proposal(proposal);
        let Some(known) = self.height_mut(proposal.height).map(known) else {
            return false;
        };
        if known {
            return true;
        }
        let (height, round) = (proposal.height.0, proposal.round.0);
        self.reach(height);
        self.sets.reach(height, round);
        let Some(proposer) = self.sets.proposer(height, round) else {
            return false;
        };
        let bytes = proposal.sign_bytes(&self.setup.chain);
        let authentic = self.verify(proposer, &bytes, &proposal.signature);
        if authentic && let Some(seen) = self.height_mut(proposal.height) {
            seen.add_proposal(proposal);
        }
        authentic
    }
}
