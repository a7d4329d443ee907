//! The rules of a chain that its validators can change.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{MAX_BLOCK_BYTES, MAX_TX_BYTES, MAX_TXS, PublicKey};

/// What a block needs besides the bytes of its transactions, at most: their lengths, the evidence,
/// the last commit, the header.
const BESIDE_DATA_BYTES: usize = 1 << 20;
/// The most that [`Params::max_block_bytes`] may allow.
#[expect(clippy::cast_possible_truncation, reason = "21 MiB")]
pub const MAX_DATA_BYTES: u32 = (MAX_BLOCK_BYTES - BESIDE_DATA_BYTES) as u32;
/// The most that [`Params::evidence_max_age`] may allow. What a chain remembers to judge evidence
/// grows with it.
pub const MAX_EVIDENCE_AGE: u64 = 1_000;

/// What blocks of the chain may hold. Changed by configuration transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Params {
    /// The most transactions in a block, from 1 to [`MAX_TXS`].
    pub max_block_txs: u32,
    /// The most bytes of transactions in a block, from [`MAX_TX_BYTES`] to [`MAX_DATA_BYTES`].
    pub max_block_bytes: u32,
    /// For how many heights a pair of conflicting votes can be used as evidence, from 1 to
    /// [`MAX_EVIDENCE_AGE`]: the block's height less the votes' height is at most this.
    pub evidence_max_age: u64,
}

/// Why parameters are impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// [`Params::max_block_txs`] is out of its range.
    #[error("blocks of at most {0} transactions: from 1 to {MAX_TXS} are possible")]
    Txs(u32),
    /// [`Params::max_block_bytes`] is out of its range.
    #[error("blocks of at most {0} bytes: from {MAX_TX_BYTES} to {MAX_DATA_BYTES} are possible")]
    Bytes(u32),
    /// [`Params::evidence_max_age`] is out of its range.
    #[error("evidence for {0} heights: from 1 to {MAX_EVIDENCE_AGE} are possible")]
    EvidenceAge(u64),
}

impl Params {
    /// Whether a chain can live with these parameters: the largest transaction fits into a block,
    /// and the largest block fits into its parts.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn check(&self) -> Result<(), ParamsError> {
        let (txs, bytes) = (self.max_block_txs, self.max_block_bytes);
        if !(1..=MAX_TXS).contains(&(txs as usize)) {
            return Err(ParamsError::Txs(txs));
        }
        if (bytes as usize) < MAX_TX_BYTES || bytes > MAX_DATA_BYTES {
            return Err(ParamsError::Bytes(bytes));
        }
        if !(1..=MAX_EVIDENCE_AGE).contains(&self.evidence_max_age) {
            return Err(ParamsError::EvidenceAge(self.evidence_max_age));
        }
        Ok(())
    }
}

impl Default for Params {
    #[expect(clippy::cast_possible_truncation, reason = "10,000")]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{
        Address, BlockId, CommitSig, DuplicateVote, Hash, Height, MAX_EVIDENCE, MAX_VALIDATORS,
        PartSetHeader, Round, Signature, ValidatorIndex, Vote, VoteKind, vote::canonical,
    };

    #[test]
    fn parameters_are_possible_up_to_their_bounds_and_not_beyond() {
        let fine = Params::default();
        assert_eq!(fine.check(), Ok(()));
        for (txs, possible) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            let params = Params {
                max_block_txs: txs,
                ..fine
            };
            assert_eq!(params.check() == Ok(()), possible, "{txs} transactions");
            assert!(possible || params.check() == Err(ParamsError::Txs(txs)));
        }
        let most = MAX_DATA_BYTES;
        for (bytes, possible) in [
            (1_023, false),
            (1_024, true),
            (most, true),
            (most + 1, false),
        ] {
            let params = Params {
                max_block_bytes: bytes,
                ..fine
            };
            assert_eq!(params.check() == Ok(()), possible, "{bytes} bytes");
            assert!(possible || params.check() == Err(ParamsError::Bytes(bytes)));
        }
        for (age, possible) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
            let params = Params {
                evidence_max_age: age,
                ..fine
            };
            assert_eq!(params.check() == Ok(()), possible, "age {age}");
            assert!(possible || params.check() == Err(ParamsError::EvidenceAge(age)));
        }
    }

    /// Evidence larger than what a block leaves for it stopped Tendermint before v0.28.1.
    #[test]
    fn what_surrounds_the_transactions_of_the_largest_block_has_its_room() {
        let hash = Hash([1; 32]);
        let block = Some(BlockId {
            hash,
            parts: PartSetHeader { total: 1, hash },
        });
        let vote = Vote {
            kind: VoteKind::Prevote,
            height: Height(1),
            round: Round(0),
            block,
            index: ValidatorIndex(0),
            address: Address([1; 20]),
            signature: Signature([1; 64]),
        };
        let (first, second) = (vote.clone(), vote);
        let evidence = canonical(&DuplicateVote { first, second }).len() * MAX_EVIDENCE;
        let signature = canonical(&CommitSig::Block(Signature([1; 64]))).len();
        let lengths = size_of::<u32>() * MAX_TXS;
        let header_and_heads = 1_024;
        let beside = evidence + signature * MAX_VALIDATORS + lengths + header_and_heads;
        assert!(beside <= BESIDE_DATA_BYTES, "{beside} bytes");
    }
}
