//! Verification of a commit against the validator set of its height.

use crate::{
    crypto::Verify,
    types::{BlockId, ChainId, Commit, CommitSig, Hash, Height, ValidatorSet, is_quorum},
};

/// Why a commit does not prove that its block was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It speaks of another height.
    #[error("commit of height {got}, expected {expected}")]
    Height {
        /// The commit's height.
        got: Height,
        /// The height it should have.
        expected: Height,
    },
    /// It commits another block.
    #[error("commit of block {got}, expected {expected}")]
    Block {
        /// The commit's block.
        got: Hash,
        /// The block it should have.
        expected: Hash,
    },
    /// It has more or fewer entries than there are validators.
    #[error("{got} signatures for {expected} validators")]
    Size {
        /// Entries in the commit.
        got: usize,
        /// Validators in the set.
        expected: usize,
    },
    /// A signature does not verify. All are checked, also beyond 2/3, so that nodes cannot differ
    /// in what they accept.
    #[error("signature {0} is invalid")]
    Signature(usize),
    /// Not more than 2/3 of the power precommitted the block.
    #[error("{power} of {total} power is no quorum")]
    NoQuorum {
        /// The power that precommitted the block.
        power: u64,
        /// All power.
        total: u64,
    },
}

/// Checks that `commit` proves the decision of `block` at `height` by more than 2/3 of
/// `validators`.
///
/// # Errors
/// The first reason why it does not; see [`CommitError`].
pub fn verify_commit(
    verify: &dyn Verify,
    chain: &ChainId,
    validators: &ValidatorSet,
    (height, block): (Height, BlockId),
    commit: &Commit,
) -> Result<(), CommitError> {
    if commit.height != height {
        return Err(CommitError::Height {
            got: commit.height,
            expected: height,
        });
    }
    if commit.block != block {
        return Err(CommitError::Block {
            got: commit.block.hash,
            expected: block.hash,
        });
    }
    let (got, expected) = (commit.signatures.len(), validators.len());
    if got != expected {
        return Err(CommitError::Size { got, expected });
    }
    let for_block = commit.sign_bytes(chain, Some(block));
    let for_nil = commit.sign_bytes(chain, None);
    let mut power = 0;
    for (i, (entry, validator)) in commit
        .signatures
        .iter()
        .zip(validators.validators())
        .enumerate()
    {
        let (message, signature, counts) = match entry {
            CommitSig::Absent => continue,
            CommitSig::Nil(signature) => (&for_nil, signature, 0),
            CommitSig::Block(signature) => (&for_block, signature, validator.power),
        };
        if !verify.verify(&validator.key, message, signature) {
            return Err(CommitError::Signature(i));
        }
        power += counts;
    }
    let total = validators.total_power();
    if !is_quorum(power, total) {
        return Err(CommitError::NoQuorum { power, total });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{Ed25519, Ed25519Key, Sign},
        types::{Bounded, PartSetHeader, Round, ValidatorIndex, ValidatorUpdate},
    };

    fn block(byte: u8) -> BlockId {
        let hash = Hash([byte; 32]);
        BlockId {
            hash,
            parts: PartSetHeader { total: 1, hash },
        }
    }

    /// A commit in which validator `i` did what `entry(i)` says: vote for the block, for nil, or
    /// nothing.
    fn commit(powers: &[u64], entry: impl Fn(usize) -> Option<bool>) -> (ValidatorSet, Commit) {
        let chain = ChainId::default();
        let keys: Vec<_> = (0u8..)
            .zip(powers)
            .map(|(i, _)| Ed25519Key::from_seed(&[i; 32]))
            .collect();
        let member = |(k, p): (&Ed25519Key, &u64)| ValidatorUpdate {
            key: k.public_key(),
            power: *p,
        };
        let set = ValidatorSet::new(&keys.iter().zip(powers).map(member).collect::<Vec<_>>());
        let set = set.unwrap();
        let (height, round) = (Height(3), Round(1));
        let signatures = Bounded::default();
        let mut commit = Commit {
            height,
            round,
            block: block(1),
            signatures,
        };
        let entries: Vec<_> = (0..powers.len())
            .map(|i| {
                let address = set.get(ValidatorIndex::new(i)).unwrap().address;
                let key = keys
                    .iter()
                    .find(|k| k.public_key().address() == address)
                    .unwrap();
                let sign = |block| key.sign(&commit.sign_bytes(&chain, block));
                match entry(i) {
                    None => CommitSig::Absent,
                    Some(false) => CommitSig::Nil(sign(None)),
                    Some(true) => CommitSig::Block(sign(Some(block(1)))),
                }
            })
            .collect();
        commit.signatures = Bounded::try_from(entries).unwrap();
        (set, commit)
    }

    fn check(set: &ValidatorSet, commit: &Commit) -> Result<(), CommitError> {
        let at = (Height(3), block(1));
        verify_commit(&Ed25519, &ChainId::default(), set, at, commit)
    }

    #[test]
    fn more_than_two_thirds_for_the_block_prove_it() {
        let (set, three_of_four) = commit(&[1, 1, 1, 1], |i| (i != 2).then_some(true));
        assert_eq!(check(&set, &three_of_four), Ok(()));
    }

    #[test]
    fn two_thirds_exactly_prove_nothing() {
        let (set, two_of_three) = commit(&[1, 1, 1], |i| (i != 2).then_some(true));
        assert_eq!(
            check(&set, &two_of_three),
            Err(CommitError::NoQuorum { power: 2, total: 3 })
        );
    }

    #[test]
    fn votes_for_nil_do_not_count_for_the_block() {
        let (set, nil) = commit(&[1, 1, 1, 1], |i| Some(i < 2));
        assert_eq!(
            check(&set, &nil),
            Err(CommitError::NoQuorum { power: 2, total: 4 })
        );
    }

    /// "False witness" (Tendermint v0.33.6): checking stopped after 2/3, so a bad signature could
    /// hide behind them.
    #[test]
    fn a_bad_signature_after_the_quorum_is_found() {
        let (set, good) = commit(&[1, 1, 1, 1], |_| Some(true));
        let mut entries = good.signatures.to_vec();
        entries[3] = CommitSig::Block(crate::types::Signature([9; 64]));
        let bad = Commit {
            signatures: Bounded::try_from(entries).unwrap(),
            ..good
        };
        assert_eq!(check(&set, &bad), Err(CommitError::Signature(3)));
    }

    #[test]
    fn a_commit_of_something_else_is_refused() {
        let (set, good) = commit(&[1, 1, 1, 1], |_| Some(true));
        let other = Commit {
            block: block(2),
            ..good.clone()
        };
        assert!(matches!(
            check(&set, &other),
            Err(CommitError::Block { .. })
        ));
        let other = Commit {
            height: Height(4),
            ..good.clone()
        };
        assert!(matches!(
            check(&set, &other),
            Err(CommitError::Height { .. })
        ));
        let fewer = Bounded::try_from(good.signatures[..3].to_vec()).unwrap();
        let other = Commit {
            signatures: fewer,
            ..good
        };
        assert_eq!(
            check(&set, &other),
            Err(CommitError::Size {
                got: 3,
                expected: 4
            })
        );
    }
}
