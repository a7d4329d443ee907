//! What the gossip machine sees of a node.

use std::collections::BTreeMap;

use crate::{
    consensus::{Candidate, Consensus, VoteSet},
    gossip::View,
    node::Decided,
    types::{
        BitArray, BlockId, Commit, Height, Hrs, PartSet, PartSetHeader, Proposal, Round,
        ValidatorIndex, Vote, VoteKind,
    },
};

/// Borrows the parts of a node that gossip reads.
pub(super) struct NodeView<'a> {
    pub(super) consensus: &'a Consensus,
    pub(super) cache: &'a BTreeMap<Height, Decided>,
    /// Blocks below are not stored.
    pub(super) base: Height,
}

impl NodeView<'_> {
    fn set(&self, round: Round, kind: VoteKind) -> Option<&VoteSet> {
        self.consensus
            .votes()
            .get(round)
            .map(|votes| votes.of(kind))
    }
}

impl View for NodeView<'_> {
    fn at(&self) -> Hrs {
        self.consensus.at()
    }

    fn last_commit_round(&self) -> Option<Round> {
        self.consensus.last_commit().map(VoteSet::round)
    }

    fn validators(&self, height: Height) -> usize {
        if height == self.at().height {
            self.consensus.validators().len()
        } else {
            self.cache
                .get(&height)
                .map_or(0, |decided| decided.validators.len())
        }
    }

    fn own_index(&self) -> Option<ValidatorIndex> {
        self.consensus.index()
    }

    fn vote_bits(&self) -> Vec<((Round, VoteKind), &BitArray)> {
        let kinds = [VoteKind::Prevote, VoteKind::Precommit];
        let rounds = self.consensus.votes().rounds();
        let slots = rounds.flat_map(|(round, _)| kinds.map(|kind| (round, kind)));
        slots
            .filter_map(|slot| Some((slot, self.have(slot.0, slot.1)?)))
            .collect()
    }

    fn have(&self, round: Round, kind: VoteKind) -> Option<&BitArray> {
        self.set(round, kind).map(VoteSet::have)
    }

    fn have_for(
        &self,
        height: Height,
        round: Round,
        kind: VoteKind,
        block: Option<BlockId>,
    ) -> Option<&BitArray> {
        if height != self.at().height {
            return None;
        }
        self.set(round, kind)?.have_for(block)
    }

    fn majority(&self, round: Round, kind: VoteKind) -> Option<Option<BlockId>> {
        self.set(round, kind)?.majority()
    }

    fn vote(&self, round: Round, kind: VoteKind, index: usize) -> Option<&Vote> {
        self.set(round, kind)?.vote(index)
    }

    fn proposal(&self) -> Option<&Proposal> {
        self.consensus.proposal(self.at().round)
    }

    fn parts(&self, block: BlockId) -> Option<&PartSet> {
        self.consensus.candidate(block).map(Candidate::parts)
    }

    fn block_of(&self, parts: PartSetHeader) -> Option<(BlockId, &PartSet)> {
        self.consensus
            .candidate_of(parts)
            .map(|c| (c.id(), c.parts()))
    }

    fn wanted_block(&self) -> Option<(BlockId, bool)> {
        let majority = |round, kind| self.majority(round, kind).flatten();
        let committed = self
            .commit_round()
            .and_then(|r| majority(r, VoteKind::Precommit));
        let polka = || majority(self.at().round, VoteKind::Prevote).map(|id| (id, false));
        let (id, is_commit) = committed.map(|id| (id, true)).or_else(polka)?;
        let missing = self.parts(id).is_some_and(|parts| !parts.is_complete());
        missing.then_some((id, is_commit))
    }

    fn commit_round(&self) -> Option<Round> {
        self.consensus.commit_round()
    }

    fn base(&self) -> Height {
        self.base
    }

    fn stored(&self, height: Height) -> Option<(&PartSet, &Commit)> {
        self.cache
            .get(&height)
            .map(|decided| (&decided.parts, &decided.commit))
    }

    fn stored_vote(&self, height: Height, index: usize) -> Option<Vote> {
        let decided = self.cache.get(&height)?;
        decided
            .commit
            .vote(ValidatorIndex::new(index), &decided.validators)
    }
}
