//! Votes and the bytes that are signed for them.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::types::{Address, BlockId, ChainId, Height, Round, Signature, ValidatorIndex};

/// The two kinds of vote, with Tendermint's numbers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum VoteKind {
    /// First vote of a round.
    Prevote = 1,
    /// Second vote of a round.
    Precommit = 2,
}

impl fmt::Display for VoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prevote => "prevote",
            Self::Precommit => "precommit",
        })
    }
}

/// A signed vote of one validator.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The height voted on.
    pub height: Height,
    /// The round voted in.
    pub round: Round,
    /// The block voted for; `None` is a vote for nil.
    pub block: Option<BlockId>,
    /// The voter's place in the validator set of the height.
    pub index: ValidatorIndex,
    /// The voter's address; must be the one at `index`.
    pub address: Address,
    /// Signature over [`Vote::sign_bytes`].
    pub signature: Signature,
}

/// What a vote's signature covers. The domain tag keeps it apart from every other signed thing.
#[derive(BorshSerialize)]
struct CanonicalVote<'a> {
    domain: [u8; 4],
    chain: &'a ChainId,
    kind: VoteKind,
    height: Height,
    round: Round,
    block: Option<BlockId>,
}

impl Vote {
    /// The bytes that the voter signs: domain, chain, kind, height, round, block.
    #[must_use]
    pub fn sign_bytes(&self, chain: &ChainId) -> Vec<u8> {
        vote_sign_bytes(chain, self.kind, self.height, self.round, self.block)
    }
}

/// The bytes signed for a vote with these contents.
pub(crate) fn vote_sign_bytes(
    chain: &ChainId,
    kind: VoteKind,
    height: Height,
    round: Round,
    block: Option<BlockId>,
) -> Vec<u8> {
    canonical(&CanonicalVote {
        domain: *b"VOTE",
        chain,
        kind,
        height,
        round,
        block,
    })
}

/// The canonical bytes of a value whose encoding cannot fail.
#[expect(
    clippy::expect_used,
    reason = "writing to memory cannot fail and our types are bounded"
)]
pub(crate) fn canonical<T: BorshSerialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    value.serialize(&mut bytes).expect("encoding into memory");
    bytes
}

impl fmt::Display for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{} v{} ",
            self.kind, self.height, self.round, self.index.0
        )?;
        match self.block {
            Some(id) => write!(f, "{}", id.hash),
            None => f.write_str("nil"),
        }
    }
}
