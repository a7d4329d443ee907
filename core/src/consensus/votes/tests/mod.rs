//! Tests of vote counting, and the validators they share.

mod height;
mod malachite;
mod model;
mod set;
mod trace;

use std::sync::Arc;

use super::*;
use crate::{
    consensus::tests::{chain_of, signed_vote, sorted_keys, unseen},
    crypto::{Ed25519, Ed25519Key},
    ledger::State,
    types::{BlockId, Height, PeerId, Round, ValidatorIndex, Vote, VoteKind},
};

/// Validators whose keys the test holds; validator `i` has `powers[i]`.
#[derive(Debug)]
struct Voters {
    keys: Vec<Ed25519Key>,
    chain: State,
}

impl Voters {
    fn new(powers: &[u64]) -> Self {
        let keys = sorted_keys(powers.len());
        let chain = chain_of(&keys, powers);
        Self { keys, chain }
    }

    fn equal(count: usize) -> Self {
        Self::new(&vec![1; count])
    }

    /// An empty set for height 1, round 0.
    fn set(&self, kind: VoteKind) -> VoteSet {
        let validators = Arc::new(self.chain.validators.clone());
        VoteSet::new(Height(1), Round(0), kind, validators)
    }

    fn height(&self) -> HeightVoteSet {
        let validators = Arc::new(self.chain.validators.clone());
        HeightVoteSet::new(self.chain.chain.clone(), Height(1), validators)
    }

    fn vote(&self, kind: VoteKind, round: u32, block: Option<BlockId>, index: u16) -> Vote {
        let signer = (&self.chain.chain, &self.keys[usize::from(index)]);
        signed_vote(signer, (Height(1), round), kind, block, index)
    }

    fn prevote(&self, block: Option<BlockId>, index: u16) -> Vote {
        self.vote(VoteKind::Prevote, 0, block, index)
    }

    fn add(&self, set: &mut VoteSet, vote: &Vote) -> Result<Added, VoteError> {
        set.add(&Ed25519, &self.chain.chain, vote)
    }

    /// Prevotes or precommits of these validators, all accepted as new.
    fn add_all(&self, set: &mut VoteSet, block: Option<BlockId>, from: impl Iterator<Item = u16>) {
        for index in from {
            let vote = self.vote(set.kind(), 0, block, index);
            assert_eq!(self.add(set, &vote), Ok(Added::New), "{vote}");
        }
    }
}

/// Whether the vote was recognised as the second half of an equivocation, and whether it counts.
fn conflict(added: Result<Added, VoteError>) -> Option<bool> {
    match added {
        Ok(Added::Conflict { evidence, counted }) => {
            assert!(evidence.contradicts());
            Some(counted)
        }
        Ok(Added::New | Added::Duplicate) | Err(_) => None,
    }
}
