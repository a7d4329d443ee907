//! What oracles ask the ghost state.

use std::sync::Arc;

use engine::types::{Address, Block, BlockId, Hash, PartSetHeader, PeerId, Signature, VoteKind};

use super::Ghost;
use crate::oracle::{
    Setup,
    own::{Life, News, Slot},
    quorum::{Mask, Powers, members, only},
    seen::{HeightSeen, ProposalSeen},
    sets::{Rules, Validators},
    stable::{Place, Stable},
};

impl Ghost {
    /// The cluster.
    pub(in crate::oracle) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What holds at a height: who validates it, and by which rules.
    pub(in crate::oracle) fn rules(&self, height: u64) -> &Rules {
        self.sets.at(height)
    }

    /// Everybody's power at a height.
    pub(in crate::oracle) fn powers(&self, height: u64) -> &Powers {
        self.sets.at(height).validators.powers()
    }

    /// Who validated a height, also one that is forgotten but for evidence.
    pub(in crate::oracle) fn validators(&self, height: u64) -> Option<&Validators> {
        self.sets.validators(height)
    }

    /// The address of a member.
    pub(in crate::oracle) fn address(&self, member: usize) -> Option<&Address> {
        self.sets.members().get(member).map(|(address, _)| address)
    }

    /// The member with an address.
    pub(in crate::oracle) fn member(&self, address: &Address) -> Option<usize> {
        self.sets.member(address)
    }

    /// The last height whose validators are known.
    pub(in crate::oracle) fn newest(&self) -> u64 {
        self.sets.newest()
    }

    /// The decided block of a height, if it is known and not forgotten.
    pub(in crate::oracle) fn block(&self, height: u64) -> Option<&Arc<Block>> {
        self.chain
            .get(usize::try_from(height.checked_sub(self.base)?).ok()?)
    }

    /// The stable phase, once it has begun.
    pub(in crate::oracle) fn stable(&self) -> Option<&Stable> {
        self.stable.as_ref()
    }

    /// Where a node says that it stands, if it has said so since it started or decided last.
    pub(in crate::oracle) fn place(&self, node: usize) -> Option<&Place> {
        self.places.get(node)?.as_ref()
    }

    /// Whether the last event was the first sending of a frame in which a node says where it
    /// stands.
    pub(in crate::oracle) fn announced(&self) -> bool {
        self.announced
    }

    /// The last height that every correct node has behind it.
    pub(in crate::oracle) fn lowest(&self) -> u64 {
        let correct = (0..self.lives.len()).filter(|node| self.is_correct(*node));
        correct
            .map(|node| self.lives[node].height)
            .min()
            .unwrap_or(0)
    }

    /// What the last event told about own messages of correct nodes.
    pub(in crate::oracle) fn news(&self) -> &[News] {
        &self.news
    }

    /// A node, if it is a validator that follows the protocol.
    pub(in crate::oracle) fn correct(&self, node: Option<PeerId>) -> Option<usize> {
        let node = usize::from(node?.0);
        self.setup.validators.get(node)?.correct.then_some(node)
    }

    /// A height, if it is not forgotten.
    pub(in crate::oracle) fn height(&self, height: u64) -> Option<&HeightSeen> {
        self.heights
            .get(usize::try_from(height.checked_sub(self.base)?).ok()?)
    }

    /// A correct node's own messages.
    pub(in crate::oracle) fn life(&self, node: usize) -> &Life {
        &self.lives[node]
    }

    /// The highest round of a height still open in which a correct node has signed something.
    pub(in crate::oracle) fn highest_round(&self) -> u32 {
        let open = |life: &Life| life.top().filter(|slot| slot.height > life.height);
        self.lives
            .iter()
            .filter_map(open)
            .map(|slot| slot.round)
            .max()
            .unwrap_or(0)
    }

    /// Whose votes for a choice a node has seen.
    pub(in crate::oracle) fn voters(
        &self,
        node: usize,
        (height, round, kind): (u64, u32, VoteKind),
        block: Option<BlockId>,
    ) -> Mask {
        self.height(height)
            .map_or(0, |seen| seen.voters(node, (kind, round), block))
    }

    /// Everything voted for in a round, and who stands to it, whoever has seen the votes: a correct
    /// node once its vote binds it, a byzantine one when a correct node has been given its vote.
    pub(in crate::oracle) fn standing(
        &self,
        (height, round, kind): (u64, u32, VoteKind),
    ) -> impl Iterator<Item = (Option<BlockId>, Mask)> {
        let slot = Slot {
            height,
            round,
            act: kind.into(),
        };
        let cast = self.height(height).into_iter();
        cast.flat_map(move |seen| seen.cast((kind, round)))
            .map(move |(block, voters)| (block, self.bound(slot, block, voters)))
    }

    /// Those of the voters whom their vote binds.
    fn bound(&self, slot: Slot, block: Option<BlockId>, voters: Mask) -> Mask {
        let binds = |voter: &usize| {
            let own = |life: &Life| {
                let all = life.at(slot).iter();
                all.filter(|own| own.binds())
                    .any(|own| own.value.block() == block)
            };
            !self.is_correct(*voter) || self.lives.get(*voter).is_some_and(own)
        };
        members(voters)
            .filter(binds)
            .fold(0, |all, voter| all | only(voter))
    }

    /// Whether a member follows the protocol. Keys of no node do not.
    pub(in crate::oracle) fn is_correct(&self, member: usize) -> bool {
        let member = self.setup.validators.get(member);
        member.is_some_and(|member| member.correct)
    }

    /// Whether a timeout has reached a node after it had seen a quorum of these votes, whatever
    /// they are for.
    pub(in crate::oracle) fn has_waited(
        &self,
        node: usize,
        (height, round, kind): (u64, u32, VoteKind),
    ) -> bool {
        self.height(height)
            .is_some_and(|seen| seen.has_waited(node, (kind, round)))
    }

    /// Whether a node has seen more than two thirds prevote a block.
    pub(in crate::oracle) fn polka(
        &self,
        node: usize,
        (height, round): (u64, u32),
        block: BlockId,
    ) -> bool {
        let at = (height, round, VoteKind::Prevote);
        self.powers(height)
            .has_quorum(self.voters(node, at, Some(block)))
    }

    /// The proposals of a round's proposer.
    pub(in crate::oracle) fn proposals(&self, height: u64, round: u32) -> &[ProposalSeen] {
        self.height(height)
            .map_or(&[], |seen| seen.proposals(round))
    }

    /// The proposer of a round for which some proposal was looked at.
    pub(in crate::oracle) fn proposer(&self, height: u64, round: u32) -> Option<usize> {
        self.sets.proposer(height, round)
    }

    /// The bytes of a block whose parts correct nodes have seen, whichever of them.
    pub(in crate::oracle) fn block_bytes(
        &self,
        height: u64,
        parts: PartSetHeader,
    ) -> Option<Vec<u8>> {
        self.height(height)?.bytes_of(Mask::MAX, parts)
    }

    /// Whether a client gave this transaction to some node.
    pub(in crate::oracle) fn was_submitted(&self, tx: &Hash) -> bool {
        self.submitted.contains(&start_of(tx))
    }

    /// Whether a signature is the one of a member.
    pub(in crate::oracle) fn verify(
        &self,
        member: usize,
        bytes: &[u8],
        signature: &Signature,
    ) -> bool {
        let member = self.sets.members().get(member);
        member.is_some_and(|(_, key)| self.setup.verify.verify(key, bytes, signature))
    }
}

/// The first 8 bytes of a hash.
pub(super) fn start_of(hash: &Hash) -> u64 {
    let mut start = [0; 8];
    start.copy_from_slice(&hash.0[..8]);
    u64::from_le_bytes(start)
}
