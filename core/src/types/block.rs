//! Blocks, their headers and their ids.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{
    Address, Bounded, BoundedBytes, ChainId, Commit, DuplicateVote, Hash, Height, MAX_EVIDENCE,
    PartSet, PartSetHeader, Time, merkle_root, vote::canonical,
};

/// The largest encoded block (Tendermint's `MaxBlockSize`, 21 MiB).
pub const MAX_BLOCK_BYTES: usize = 22_020_096;
/// The most transactions in a block.
pub const MAX_TXS: usize = 10_000;
/// The largest transaction.
pub const MAX_TX_BYTES: usize = 1_024;

/// A transaction: opaque to consensus, meaningful to the application.
pub type Tx = BoundedBytes<MAX_TX_BYTES>;

/// Names a block by the hash of its header and by the parts it travels in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct BlockId {
    /// Hash of the header.
    pub hash: Hash,
    /// The parts of the encoded block.
    pub parts: PartSetHeader,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.fmt(f)
    }
}

/// What a block says about itself and the chain before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// The chain.
    pub chain: ChainId,
    /// The height, from 1.
    pub height: Height,
    /// The proposer's clock, but later than the previous block's time.
    pub time: Time,
    /// The block before; `None` at height 1.
    pub last_block: Option<BlockId>,
    /// Digest of [`Block::last_commit`].
    pub last_commit_hash: Hash,
    /// Merkle root over the transactions.
    pub data_hash: Hash,
    /// Merkle root over the evidence.
    pub evidence_hash: Hash,
    /// Digest of the validator set of this height.
    pub validators_hash: Hash,
    /// Digest of the application's state after the previous block.
    pub app_hash: Hash,
    /// How many configuration changes were committed before this block.
    pub config_sequence: u64,
    /// Who built the block.
    pub proposer: Address,
}

impl Header {
    /// The hash that names the block.
    #[must_use]
    pub fn hash(&self) -> Hash {
        crate::types::sha256(&canonical(self))
    }
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions, in order of execution.
    pub txs: Bounded<Tx, MAX_TXS>,
    /// Proof of misbehaviour that is new to the chain.
    pub evidence: Bounded<DuplicateVote, MAX_EVIDENCE>,
    /// The precommits that decided the block before; `None` at height 1.
    pub last_commit: Option<Commit>,
}

/// Why bytes are not a block, or a block contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes are not the canonical encoding of a block.
    #[error("not a block: {0}")]
    Encoding(String),
    /// A digest in the header is not that of the content.
    #[error("{0} does not match the block's content")]
    Digest(&'static str),
    /// Larger than any block.
    #[error("a block of {0} bytes, at most {MAX_BLOCK_BYTES} are allowed")]
    TooLarge(usize),
}

impl Block {
    /// The parts this block travels in, and its id.
    #[must_use]
    pub fn cut(&self) -> (BlockId, PartSet) {
        let parts = PartSet::split(&canonical(self));
        (
            BlockId {
                hash: self.header.hash(),
                parts: parts.header(),
            },
            parts,
        )
    }

    /// The same of a block that came from somewhere, after checking its size and digests.
    ///
    /// # Errors
    /// If it is too large, or a digest does not match.
    pub fn cut_checked(&self) -> Result<(BlockId, PartSet), BlockError> {
        let bytes = canonical(self);
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLarge(bytes.len()));
        }
        self.check_digests()?;
        let parts = PartSet::split(&bytes);
        let (hash, header) = (self.header.hash(), parts.header());
        let id = BlockId {
            hash,
            parts: header,
        };
        Ok((id, parts))
    }

    /// Reads a block and checks the digests in its header against its content.
    ///
    /// # Errors
    /// If the bytes are not canonical, or a digest does not match.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        let block: Self =
            borsh::from_slice(bytes).map_err(|e| BlockError::Encoding(e.to_string()))?;
        block.check_digests()?;
        Ok(block)
    }

    fn check_digests(&self) -> Result<(), BlockError> {
        let header = &self.header;
        if header.data_hash != Self::data_hash(&self.txs) {
            return Err(BlockError::Digest("data_hash"));
        }
        if header.evidence_hash != Self::evidence_hash(&self.evidence) {
            return Err(BlockError::Digest("evidence_hash"));
        }
        if header.last_commit_hash != Self::commit_hash(self.last_commit.as_ref()) {
            return Err(BlockError::Digest("last_commit_hash"));
        }
        Ok(())
    }

    /// The digest of a block's transactions.
    #[must_use]
    pub fn data_hash(txs: &[Tx]) -> Hash {
        let leaves: Vec<&[u8]> = txs.iter().map(|tx| &**tx).collect();
        merkle_root(&leaves)
    }

    /// The digest of a block's evidence.
    #[must_use]
    pub fn evidence_hash(evidence: &[DuplicateVote]) -> Hash {
        let leaves: Vec<Vec<u8>> = evidence.iter().map(canonical).collect();
        merkle_root(&leaves)
    }

    /// The digest of the commit that a block carries; zero where it carries none.
    #[must_use]
    pub fn commit_hash(commit: Option<&Commit>) -> Hash {
        commit.map_or_else(Hash::default, Commit::hash)
    }
}
