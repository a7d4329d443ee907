//! Proof that a validator broke the protocol.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{Vote, VoteKind};

/// Two votes of one validator for one kind, height and round that name different blocks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct DuplicateVote {
    /// The vote seen first.
    pub first: Vote,
    /// The vote that contradicts it.
    pub second: Vote,
}

impl DuplicateVote {
    /// Whether the two votes contradict each other. Signatures are checked by who receives the
    /// evidence.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        let slot = |v: &Vote| -> (VoteKind, _, _, _, _) {
            (v.kind, v.height, v.round, v.index, v.address)
        };
        slot(&self.first) == slot(&self.second) && self.first.block != self.second.block
    }
}
