//! The votes of one kind in one round.
//!
//! A validator's power counts once in the sum over anything, and once for a block. Of two
//! conflicting votes the first is kept; the second is stored and counted for its block only if a
//! peer claims that more than 2/3 voted for that block. Each peer may claim one block per set, so
//! memory stays bounded, and honest nodes that hold different halves of an equivocation can still
//! see the same majority (Tendermint v0.8.0, the "2016 double-sign halt").

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    crypto::Verify,
    types::{
        BitArray, BlockId, Bounded, ChainId, Commit, CommitSig, DuplicateVote, Height, PeerId,
        Round, ValidatorIndex, ValidatorSet, Vote, VoteKind, is_quorum,
    },
};

/// What became of a vote that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It is new and counted.
    New,
    /// The same vote was there already.
    Duplicate,
    /// It contradicts another vote of its validator. `counted` says whether it counts for its block
    /// (a peer claimed it).
    Conflict {
        /// The two votes.
        evidence: Box<DuplicateVote>,
        /// Whether the vote was stored.
        counted: bool,
    },
}

/// Why a vote was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoteError {
    /// Of another height, round or kind.
    #[error("vote of another height, round or kind")]
    WrongSlot,
    /// No validator has this index.
    #[error("validator index {index} of {validators}", index = index.0)]
    UnknownIndex {
        /// The claimed index.
        index: ValidatorIndex,
        /// Size of the set.
        validators: usize,
    },
    /// The address is not that of the validator at the index.
    #[error("address does not match validator index {}", .0.0)]
    WrongAddress(ValidatorIndex),
    /// The signature does not verify.
    #[error("invalid signature of validator {}", .0.0)]
    InvalidSignature(ValidatorIndex),
    /// A second signature for the same vote. Ed25519 signers are deterministic, so one of two is
    /// not honest work.
    #[error("another signature of validator {} for the same vote", .0.0)]
    OtherSignature(ValidatorIndex),
    /// A peer that already opened its share of rounds ahead of ours.
    #[error("{peer} votes in round {round}, a further round ahead of ours")]
    TooManyRounds {
        /// The peer.
        peer: PeerId,
        /// The round.
        round: Round,
    },
    /// A second, different majority claimed by one peer for one set of votes. No two exist.
    #[error("{peer} claims two majorities of {kind}s in round {round}")]
    ConflictingClaim {
        /// The peer.
        peer: PeerId,
        /// The set's round.
        round: Round,
        /// The set's kind.
        kind: VoteKind,
    },
}

/// The votes for one block (or nil).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockVotes {
    pub(super) block: Option<BlockId>,
    /// Whether a peer claimed a majority, so that conflicting votes are counted.
    pub(super) claimed: bool,
    pub(super) have: BitArray,
    pub(super) sum: u64,
    /// Votes that are not in the main list because their validator voted for something else first.
    pub(super) conflicting: Vec<Vote>,
}

/// The votes of one kind in one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteSet {
    height: Height,
    round: Round,
    kind: VoteKind,
    validators: Arc<ValidatorSet>,
    /// One vote per validator: its first, or its vote for the majority block.
    votes: Vec<Option<Vote>>,
    have: BitArray,
    pub(super) sum: u64,
    pub(super) by_block: Vec<BlockVotes>,
    majority: Option<Option<BlockId>>,
    pub(super) claims: BTreeMap<PeerId, Option<BlockId>>,
}

impl VoteSet {
    /// An empty set.
    #[must_use]
    pub fn new(
        height: Height,
        round: Round,
        kind: VoteKind,
        validators: Arc<ValidatorSet>,
    ) -> Self {
        let len = validators.len();
        Self {
            height,
            round,
            kind,
            validators,
            votes: vec![None; len],
            have: BitArray::new(len),
            sum: 0,
            by_block: Vec::new(),
            majority: None,
            claims: BTreeMap::new(),
        }
    }

    /// The set's round.
    #[must_use]
    pub fn round(&self) -> Round {
        self.round
    }

    /// The set's height.
    #[must_use]
    pub fn height(&self) -> Height {
        self.height
    }

    /// The set's kind.
    #[must_use]
    pub fn kind(&self) -> VoteKind {
        self.kind
    }

    /// Who may vote here.
    #[must_use]
    pub fn validators(&self) -> &Arc<ValidatorSet> {
        &self.validators
    }

    /// Whose votes are here.
    #[must_use]
    pub fn have(&self) -> &BitArray {
        &self.have
    }

    /// The vote of the validator at `index`: its first, or its vote for the majority block.
    #[must_use]
    pub fn vote(&self, index: usize) -> Option<&Vote> {
        self.votes.get(index)?.as_ref()
    }

    /// How many votes are stored, conflicting ones included.
    #[must_use]
    pub fn stored(&self) -> usize {
        let conflicting = self.by_block.iter().map(|b| b.conflicting.len());
        self.have.count() + conflicting.sum::<usize>()
    }

    /// The block, or nil, that more than 2/3 voted for.
    #[must_use]
    pub fn majority(&self) -> Option<Option<BlockId>> {
        self.majority
    }

    /// Whether more than 2/3 voted, for anything.
    #[must_use]
    pub fn has_two_thirds_any(&self) -> bool {
        is_quorum(self.sum, self.validators.total_power())
    }

    /// Whether everybody voted, for anything.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.sum == self.validators.total_power()
    }

    /// Who voted for `block`; `None` if nobody is known to.
    #[must_use]
    pub fn have_for(&self, block: Option<BlockId>) -> Option<&BitArray> {
        self.by_block
            .iter()
            .find(|b| b.block == block)
            .map(|b| &b.have)
    }

    /// The vote for `block` by the validator at `index`, also if that validator voted for something
    /// else first.
    #[must_use]
    pub fn vote_for(&self, block: Option<BlockId>, index: usize) -> Option<&Vote> {
        let tally = self.by_block.iter().find(|b| b.block == block)?;
        let main = self.vote(index).filter(|v| v.block == block);
        main.or_else(|| tally.conflicting.iter().find(|v| v.index.get() == index))
    }

    /// Verifies and counts a vote.
    ///
    /// # Errors
    /// Why the vote does not belong here or is not its validator's.
    pub fn add(
        &mut self,
        verify: &dyn Verify,
        chain: &ChainId,
        vote: &Vote,
    ) -> Result<Added, VoteError> {
        let slot = (vote.height, vote.round, vote.kind);
        if slot != (self.height, self.round, self.kind) {
            return Err(VoteError::WrongSlot);
        }
        let index = vote.index;
        let validator = self.validators.get(index);
        let unknown = VoteError::UnknownIndex {
            index,
            validators: self.validators.len(),
        };
        let validator = validator.ok_or(unknown)?;
        if validator.address != vote.address {
            return Err(VoteError::WrongAddress(index));
        }
        if let Some(known) = self.vote_for(vote.block, index.get()) {
            let same = known.signature == vote.signature;
            return if same {
                Ok(Added::Duplicate)
            } else {
                Err(VoteError::OtherSignature(index))
            };
        }
        if !verify.verify(&validator.key, &vote.sign_bytes(chain), &vote.signature) {
            return Err(VoteError::InvalidSignature(index));
        }
        let power = validator.power;
        Ok(self.count(vote, power))
    }

    fn count(&mut self, vote: &Vote, power: u64) -> Added {
        let at = vote.index.get();
        let conflict = self.votes[at].clone().and_then(|first| {
            let evidence = DuplicateVote::new(first, vote.clone());
            debug_assert!(evidence.is_some(), "same votes were told apart before");
            evidence.map(Box::new)
        });
        if conflict.is_none() {
            self.votes[at] = Some(vote.clone());
            self.have.set(at, true);
            self.sum += power;
        }
        let counted = self.count_for_block(vote, power, conflict.is_some());
        match conflict {
            None => Added::New,
            Some(evidence) => Added::Conflict { evidence, counted },
        }
    }

    fn count_for_block(&mut self, vote: &Vote, power: u64, conflicts: bool) -> bool {
        let len = self.validators.len();
        let known = self.by_block.iter().position(|b| b.block == vote.block);
        let at = match known {
            Some(at) if conflicts && !self.by_block[at].claimed => return false,
            None if conflicts => return false,
            Some(at) => at,
            None => {
                self.by_block.push(empty_tally(vote.block, false, len));
                self.by_block.len() - 1
            }
        };
        let tally = &mut self.by_block[at];
        assert!(
            tally.have.set(vote.index.get(), true),
            "indexes are checked before counting"
        );
        tally.sum += power;
        if conflicts {
            tally.conflicting.push(vote.clone());
        }
        if self.majority.is_none() && is_quorum(tally.sum, self.validators.total_power()) {
            self.majority = Some(vote.block);
        }
        if self.majority == Some(vote.block) {
            self.prefer(at);
        }
        true
    }

    /// Puts the majority's votes into the main list, where commits and gossip look.
    fn prefer(&mut self, at: usize) {
        for vote in std::mem::take(&mut self.by_block[at].conflicting) {
            let index = vote.index.get();
            let first = self.votes[index].replace(vote);
            let other = first.as_ref().map(|v| v.block);
            let tally = self.by_block.iter_mut().find(|b| Some(b.block) == other);
            if let (Some(first), Some(tally)) = (first, tally) {
                tally.conflicting.push(first);
            }
        }
    }

    /// Notes that `peer` claims to have seen more than 2/3 for `block`; returns whether the claim
    /// is new. One claim per peer, also if it connects again: what was counted because of a claim
    /// stays counted.
    ///
    /// # Errors
    /// [`VoteError::ConflictingClaim`] if the peer made another claim before; the first stays.
    pub fn set_peer_majority(
        &mut self,
        peer: PeerId,
        block: Option<BlockId>,
    ) -> Result<bool, VoteError> {
        match self.claims.get(&peer) {
            Some(earlier) if *earlier == block => return Ok(false),
            Some(_) => {
                let (round, kind) = (self.round, self.kind);
                return Err(VoteError::ConflictingClaim { peer, round, kind });
            }
            None => drop(self.claims.insert(peer, block)),
        }
        match self.by_block.iter_mut().find(|b| b.block == block) {
            Some(tally) => tally.claimed = true,
            None => self
                .by_block
                .push(empty_tally(block, true, self.validators.len())),
        }
        Ok(true)
    }

    /// The commit that these precommits prove, `None` unless more than 2/3 are for one block.
    ///
    /// # Panics
    /// If this is a set of prevotes.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "validator sets are bounded like commits"
    )]
    pub fn commit(&self) -> Option<Commit> {
        assert_eq!(self.kind, VoteKind::Precommit, "prevotes commit nothing");
        let block = self.majority??;
        let entry = |vote: &Option<Vote>| match vote {
            Some(vote) if vote.block == Some(block) => CommitSig::Block(vote.signature),
            Some(vote) if vote.block.is_none() => CommitSig::Nil(vote.signature),
            Some(_) | None => CommitSig::Absent,
        };
        let entries: Vec<_> = self.votes.iter().map(entry).collect();
        let signatures = Bounded::try_from(entries).expect("as many as validators");
        Some(Commit {
            height: self.height,
            round: self.round,
            block,
            signatures,
        })
    }
}

fn empty_tally(block: Option<BlockId>, claimed: bool, len: usize) -> BlockVotes {
    BlockVotes {
        block,
        claimed,
        have: BitArray::new(len),
        sum: 0,
        conflicting: Vec::new(),
    }
}
