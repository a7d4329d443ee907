//! The blocks of a height that this node has a reason to know: proposed, locked, valid, or voted
//! for by more than 2/3.

use std::sync::Arc;

use crate::{
    crypto::Verify,
    ledger::State,
    types::{Block, BlockId, Part, PartError, PartSet, PartSetHeader},
};

/// A block as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    id: BlockId,
    parts: PartSet,
    /// The block once all parts are here; `Some(None)` if they are no block with this id.
    block: Option<Option<Arc<Block>>>,
    /// `valid(v)`, once it was asked for.
    verdict: Option<bool>,
}

impl Candidate {
    /// The block's id.
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> &PartSet {
        &self.parts
    }

    /// The block, once complete and really the one with this id.
    #[must_use]
    pub fn block(&self) -> Option<&Arc<Block>> {
        self.block.as_ref()?.as_ref()
    }

    fn complete(&mut self) {
        let bytes = self.parts.assemble();
        self.block = bytes.map(|bytes| {
            let block = Block::decode(&bytes).ok()?;
            (block.header.hash() == self.id.hash).then(|| Arc::new(block))
        });
    }
}

/// What a part did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PartAdded {
    /// Whether it was missing anywhere.
    pub(super) new: bool,
    /// The blocks of which it was the last part missing.
    pub(super) completed: Vec<BlockId>,
}

/// The known blocks of a height. Few at a time, so a list in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Candidates(Vec<Candidate>);

impl Candidates {
    pub(super) fn get(&self, id: BlockId) -> Option<&Candidate> {
        self.0.iter().find(|c| c.id == id)
    }

    /// Starts to collect the parts of a block. False if it was known, or its header is impossible.
    /// Parts that came for another block with the same parts count.
    pub(super) fn want(&mut self, id: BlockId) -> bool {
        if self.get(id).is_some() {
            return false;
        }
        let same = self.0.iter().find(|c| c.id.parts == id.parts);
        let parts = same.map(|c| c.parts.clone());
        let Some(parts) = parts.or_else(|| PartSet::empty(id.parts)) else {
            return false;
        };
        let mut candidate = Candidate {
            id,
            parts,
            block: None,
            verdict: None,
        };
        candidate.complete();
        self.0.push(candidate);
        true
    }

    /// Gives a part to every block that travels in it. A faulty proposer can name the parts of an
    /// honest block under a wrong hash, and peers send a part only once.
    pub(super) fn add_part(&mut self, part: &Arc<Part>) -> Result<PartAdded, PartError> {
        let (mut added, mut fits, mut refused) = (PartAdded::default(), false, None);
        for candidate in &mut self.0 {
            match candidate.parts.add(part) {
                Ok(new) => {
                    fits = true;
                    added.new |= new;
                    if new && candidate.parts.is_complete() {
                        candidate.complete();
                        added.completed.push(candidate.id);
                    }
                }
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if !fits => Err(error),
            Some(_) | None => Ok(added),
        }
    }

    /// The block that travels in these parts.
    pub(super) fn of_parts(&self, parts: PartSetHeader) -> Option<&Candidate> {
        self.0.iter().find(|c| c.id.parts == parts)
    }

    /// Whether the block is here in full, valid or not.
    pub(super) fn is_complete(&self, id: BlockId) -> bool {
        self.get(id).is_some_and(|c| c.block.is_some())
    }

    /// `valid(v)`: whether the complete block may follow the chain. Decided once per block.
    pub(super) fn is_valid(&mut self, id: BlockId, chain: &State, verify: &dyn Verify) -> bool {
        let Some(candidate) = self.0.iter_mut().find(|c| c.id == id) else {
            return false;
        };
        if let Some(verdict) = candidate.verdict {
            return verdict;
        }
        let block = candidate.block();
        let verdict = block.is_some_and(|block| chain.validate(verify, block).is_ok());
        candidate.verdict = Some(verdict);
        verdict
    }

    /// Forgets all blocks but those there is still a reason for.
    pub(super) fn keep(&mut self, wanted: &[BlockId]) {
        self.0.retain(|c| wanted.contains(&c.id));
    }
}
