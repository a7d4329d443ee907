//! A commit: the precommits that decided a block, as carried in the next block.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{
    BlockId, Bounded, ChainId, Hash, Height, MAX_VALIDATORS, Round, Signature, ValidatorIndex,
    ValidatorSet, Vote, VoteKind, merkle_root, vote::canonical,
};

/// What one validator contributed to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum CommitSig {
    /// No precommit, or one for another block.
    Absent,
    /// A precommit for nil in the commit's round.
    Nil(Signature),
    /// A precommit for the committed block.
    Block(Signature),
}

/// The precommits of one round with more than 2/3 of the power for one block, in validator order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Commit {
    /// Height of the committed block.
    pub height: Height,
    /// The round that decided.
    pub round: Round,
    /// The committed block.
    pub block: BlockId,
    /// One entry per validator of the height.
    pub signatures: Bounded<CommitSig, MAX_VALIDATORS>,
}

impl Commit {
    /// The digest that the next header carries.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let leaves: Vec<Vec<u8>> = self.signatures.iter().map(canonical).collect();
        let head = canonical(&(self.height, self.round, self.block));
        merkle_root(&[head, merkle_root(&leaves).0.to_vec()])
    }

    /// The precommit of the validator at `index` as a vote, `None` if it contributed none.
    #[must_use]
    pub fn vote(&self, index: ValidatorIndex, validators: &ValidatorSet) -> Option<Vote> {
        let address = validators.get(index)?.address;
        let (block, signature) = match *self.signatures.get(index.get())? {
            CommitSig::Absent => return None,
            CommitSig::Nil(signature) => (None, signature),
            CommitSig::Block(signature) => (Some(self.block), signature),
        };
        let (height, round) = (self.height, self.round);
        Some(Vote {
            kind: VoteKind::Precommit,
            height,
            round,
            block,
            index,
            address,
            signature,
        })
    }

    /// The bytes signed by the precommits for the block (`Some`) or for nil (`None`) in this
    /// commit.
    #[must_use]
    pub fn sign_bytes(&self, chain: &ChainId, block: Option<BlockId>) -> Vec<u8> {
        let kind = VoteKind::Precommit;
        crate::types::vote::vote_sign_bytes(chain, kind, self.height, self.round, block)
    }
}
