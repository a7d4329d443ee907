//! Proof that a validator broke the protocol.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{Address, Hash, Height, Round, Vote, VoteKind, sha256, vote::canonical};

/// The most pieces of evidence in one block.
pub const MAX_EVIDENCE: usize = 16;

/// Two votes of one validator for one kind, height and round that name different blocks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct DuplicateVote {
    /// The vote for the lesser choice; nil is less than any block.
    pub first: Vote,
    /// The vote that contradicts it.
    pub second: Vote,
}

/// What a piece of evidence is about. A validator is convicted once for each.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Offence {
    /// The height of the two votes.
    pub height: Height,
    /// Their round.
    pub round: Round,
    /// Their kind.
    pub kind: VoteKind,
    /// Who signed them.
    pub address: Address,
}

impl DuplicateVote {
    /// Evidence of two votes, in its canonical order; `None` if they do not contradict each other.
    /// Signatures are not looked at.
    #[must_use]
    pub fn new(a: Vote, b: Vote) -> Option<Self> {
        let (first, second) = if a.block <= b.block { (a, b) } else { (b, a) };
        let evidence = Self { first, second };
        evidence.contradicts().then_some(evidence)
    }

    /// Whether the two votes contradict each other and stand in canonical order. Signatures are
    /// checked by who receives the evidence.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        let slot = |v: &Vote| (v.kind, v.height, v.round, v.index, v.address);
        slot(&self.first) == slot(&self.second) && self.first.block < self.second.block
    }

    /// What it is about.
    #[must_use]
    pub fn offence(&self) -> Offence {
        let Vote {
            height,
            round,
            kind,
            address,
            ..
        } = self.first;
        Offence {
            height,
            round,
            kind,
            address,
        }
    }

    /// Its digest.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256(&canonical(self))
    }
}

impl fmt::Display for DuplicateVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evidence: {} against {}", self.first, self.second)
    }
}
