//! What a chain remembers to judge evidence: who validated recent heights, and who was convicted.
//!
//! All correct nodes must agree whether a block's evidence holds, so this is part of the state.
//! Validators are kept where their list changed, and forgotten when no evidence can reach back to
//! them. Priorities and powers do not matter here.

use std::{collections::BTreeSet, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    crypto::Verify,
    types::{
        Address, ChainId, DuplicateVote, Height, Offence, PublicKey, ValidatorIndex, ValidatorSet,
    },
};

/// Why two votes are no evidence that a block may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The votes do not contradict each other, or stand in the wrong order.
    #[error("the votes do not contradict each other in order")]
    NoContradiction,
    /// The votes are of a height that comes after the block's.
    #[error("votes of height {votes} in a block of height {block}")]
    Future {
        /// The votes' height.
        votes: Height,
        /// The block's height.
        block: Height,
    },
    /// The votes are too old.
    #[error("votes of height {votes}; evidence is accepted from height {oldest} on")]
    Expired {
        /// The votes' height.
        votes: Height,
        /// The first height that evidence may be about.
        oldest: Height,
    },
    /// The voter was convicted of this before.
    #[error("{} was convicted of this before", .0.address)]
    Convicted(Offence),
    /// The voter was not the validator at this index at the votes' height.
    #[error("{address} was not validator {} of height {height}", .index.0)]
    NotValidator {
        /// The votes' height.
        height: Height,
        /// The voter's place, as the votes say.
        index: ValidatorIndex,
        /// The voter.
        address: Address,
    },
    /// One of the votes is not signed by the voter.
    #[error("a vote is not signed by {0}")]
    Signature(Address),
}

impl EvidenceError {
    /// Whether no correct node can have handed such evidence on. A correct node may know of a
    /// height that others have not reached, or not know yet that its evidence is old or used.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match self {
            Self::NoContradiction | Self::NotValidator { .. } | Self::Signature(_) => true,
            Self::Future { .. } | Self::Expired { .. } | Self::Convicted(_) => false,
        }
    }
}

/// The memory of a chain for evidence. Bounded: at most [`crate::types::MAX_EVIDENCE`] convictions
/// and one list of validators for each height from the oldest on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Recent {
    /// The first height that evidence in the next block may be about. It never goes back: what was
    /// forgotten stays out of reach when the permitted age grows.
    oldest: Height,
    /// The validators' keys in the order of their indices, from which height on; oldest first.
    validators: Vec<(Height, Arc<Vec<PublicKey>>)>,
    /// The offences about heights from the oldest on that blocks have proved.
    convicted: Arc<BTreeSet<Offence>>,
}

impl Recent {
    /// The memory before the first block, which `validators` will decide.
    pub(super) fn new(validators: &ValidatorSet) -> Self {
        Self {
            oldest: Height::FIRST,
            validators: vec![(Height::FIRST, keys_of(validators))],
            convicted: Arc::default(),
        }
    }

    /// The first height that evidence in the next block may be about.
    #[must_use]
    pub fn oldest(&self) -> Height {
        self.oldest
    }

    /// Whether a block has proved this offence. Expired offences are forgotten.
    #[must_use]
    pub fn is_convicted(&self, offence: &Offence) -> bool {
        self.convicted.contains(offence)
    }

    /// Whether evidence about this offence could be new in the block of `height`. Looks at no
    /// votes.
    ///
    /// # Errors
    /// If it is too early or too late for it.
    pub fn check_offence(&self, height: Height, offence: &Offence) -> Result<(), EvidenceError> {
        let (votes, oldest) = (offence.height, self.oldest);
        if votes > height {
            let block = height;
            return Err(EvidenceError::Future { votes, block });
        }
        if votes < oldest {
            return Err(EvidenceError::Expired { votes, oldest });
        }
        if self.is_convicted(offence) {
            return Err(EvidenceError::Convicted(*offence));
        }
        Ok(())
    }

    /// Whether the next block, of `height`, may carry this evidence.
    ///
    /// # Errors
    /// The first reason why it may not.
    pub(super) fn check(
        &self,
        verify: &dyn Verify,
        chain: &ChainId,
        height: Height,
        evidence: &DuplicateVote,
    ) -> Result<(), EvidenceError> {
        if !evidence.contradicts() {
            return Err(EvidenceError::NoContradiction);
        }
        let offence = evidence.offence();
        self.check_offence(height, &offence)?;
        let (height, address) = (offence.height, offence.address);
        let index = evidence.first.index;
        let key = self.key(height, index).filter(|k| k.address() == address);
        let key = key.ok_or(EvidenceError::NotValidator {
            height,
            index,
            address,
        })?;
        for vote in [&evidence.first, &evidence.second] {
            if !verify.verify(key, &vote.sign_bytes(chain), &vote.signature) {
                return Err(EvidenceError::Signature(address));
            }
        }
        Ok(())
    }

    /// The memory after the block of `height` with this evidence. `validators` decide the next
    /// height, and evidence in its block may be `max_age` heights old.
    pub(super) fn after(
        &self,
        height: Height,
        evidence: &[DuplicateVote],
        validators: &ValidatorSet,
        max_age: u64,
    ) -> Self {
        let next = height.next();
        let oldest = self.oldest.max(Height(next.0.saturating_sub(max_age)));
        let mut lists = self.validators.clone();
        let keys = validators.validators().iter().map(|v| &v.key);
        if !lists.last().is_some_and(|(_, last)| last.iter().eq(keys)) {
            lists.push((next, keys_of(validators)));
        }
        let begun = lists.partition_point(|(from, _)| *from <= oldest);
        lists.drain(..begun.saturating_sub(1));
        let mut convicted = Arc::clone(&self.convicted);
        let expired = convicted.first().is_some_and(|o| o.height < oldest);
        if expired || !evidence.is_empty() {
            let convicted = Arc::make_mut(&mut convicted);
            convicted.extend(evidence.iter().map(DuplicateVote::offence));
            convicted.retain(|offence| offence.height >= oldest);
        }
        Self {
            oldest,
            validators: lists,
            convicted,
        }
    }

    /// The key of the validator at `index` of a height.
    fn key(&self, height: Height, index: ValidatorIndex) -> Option<&PublicKey> {
        let begun = self.validators.partition_point(|(from, _)| *from <= height);
        let (_, keys) = self.validators.get(begun.checked_sub(1)?)?;
        keys.get(index.get())
    }
}

fn keys_of(validators: &ValidatorSet) -> Arc<Vec<PublicKey>> {
    Arc::new(validators.validators().iter().map(|v| v.key).collect())
}
