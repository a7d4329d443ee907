//! Proposals and the bytes that are signed for them.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{BlockId, ChainId, Height, Round, Signature, vote::canonical};

/// A proposer's signed statement which block it proposes in a round (`PROPOSAL` of the paper).
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// `validRound` of the paper: the earlier round whose polka justifies this block again. Below
    /// `round`.
    pub pol_round: Option<Round>,
    /// The proposed block.
    pub block: BlockId,
    /// The proposer's signature over [`Proposal::sign_bytes`].
    pub signature: Signature,
}

#[derive(BorshSerialize)]
struct CanonicalProposal<'a> {
    domain: [u8; 4],
    chain: &'a ChainId,
    height: Height,
    round: Round,
    pol_round: Option<Round>,
    block: BlockId,
}

impl Proposal {
    /// The bytes that the proposer signs: domain, chain, height, round, proof-of-lock round, block.
    #[must_use]
    pub fn sign_bytes(&self, chain: &ChainId) -> Vec<u8> {
        canonical(&CanonicalProposal {
            domain: *b"PROP",
            chain,
            height: self.height,
            round: self.round,
            pol_round: self.pol_round,
            block: self.block,
        })
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "proposal {}/{} {}",
            self.height, self.round, self.block.hash
        )?;
        self.pol_round.map_or(Ok(()), |r| write!(f, " pol {r}"))
    }
}
