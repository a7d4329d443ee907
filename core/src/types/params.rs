//! The rules of a chain that its validators can change.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{MAX_TXS, PublicKey};

/// What blocks of the chain may hold. Changed by configuration transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Params {
    /// The most transactions in a block, at most [`MAX_TXS`].
    pub max_block_txs: u32,
    /// The most bytes of transactions in a block.
    pub max_block_bytes: u32,
    /// For how many heights a pair of conflicting votes can be used as evidence.
    pub evidence_max_age: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            max_block_txs: MAX_TXS as u32,
            max_block_bytes: 1 << 20,
            evidence_max_age: 100,
        }
    }
}

/// One change of a chain's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum ConfigChange {
    /// Gives a validator this power from the next height on; 0 removes it.
    Power {
        /// Whose.
        key: PublicKey,
        /// The new power.
        power: u64,
    } = 1,
    /// Replaces the chain's parameters from the next height on.
    Params(Params) = 2,
}
