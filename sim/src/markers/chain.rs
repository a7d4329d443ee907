//! Markers of what was decided: the content of blocks, and what they change of the chain.

use std::collections::BTreeMap;

use engine::{
    app::{App, Call},
    consensus::Decision,
    types::{Block, CommitSig, ConfigChange, Hash, Height, PublicKey},
};

use crate::{
    markers::{Marker, Reached},
    nemesis::Plan,
};

/// The chain as it grows.
#[derive(Debug)]
pub(super) struct Chain {
    height: Height,
    /// Whether anybody will ask for changes.
    changes: bool,
    powers: BTreeMap<PublicKey, u64>,
    /// The digest of the last block's validators, and what its transactions ask of them.
    validators: Option<Hash>,
    asked: Reached,
}

impl Chain {
    pub(super) fn new(plan: &Plan, keys: &[PublicKey]) -> Self {
        let powers = keys.iter().copied().zip(plan.powers.iter().copied());
        Self {
            height: Height::ZERO,
            changes: !plan.changes.is_empty() || !plan.params.is_empty(),
            powers: powers.collect(),
            validators: None,
            asked: Reached::default(),
        }
    }

    /// The highest height that was decided.
    pub(super) fn height(&self) -> Height {
        self.height
    }

    /// A node decided; only the first decision of a height says something new.
    pub(super) fn decided(&mut self, reached: &mut Reached, height: Height, decision: &Decision) {
        if height <= self.height {
            return;
        }
        self.height = height;
        let block = &*decision.block;
        let empty = block.txs.is_empty();
        reached.mark_if(empty, Marker::EmptyBlock);
        reached.mark_if(!empty, Marker::TxCommitted);
        reached.mark_if(decision.id.parts.total > 1, Marker::ManyParts);
        reached.mark_if(!block.evidence.is_empty(), Marker::EvidenceCommitted);
        for signature in block.last_commit.iter().flat_map(|c| c.signatures.iter()) {
            match signature {
                CommitSig::Absent => reached.mark(Marker::AbsentPrecommit),
                CommitSig::Nil(_) => reached.mark(Marker::NilInCommit),
                CommitSig::Block(_) => {}
            }
        }
        if self.changes {
            self.change(reached, block);
        }
    }

    /// What transactions ask of the validators counts when the next block's set is another one.
    fn change(&mut self, reached: &mut Reached, block: &Block) {
        let now = block.header.validators_hash;
        if self.validators.is_some_and(|before| before != now) {
            *reached = reached.or(self.asked);
        }
        self.validators = Some(now);
        self.asked = Reached::default();
        let mut sequence = block.header.config_sequence;
        for tx in block.txs.iter() {
            match App::check(tx) {
                Ok(Call::Power { key, power }) => self.ask(block, key, power),
                Ok(Call::Configure { sequence: on, .. }) if on != sequence => {
                    reached.mark(Marker::StaleChange);
                }
                Ok(Call::Configure { change, .. }) => {
                    sequence += 1;
                    match change {
                        ConfigChange::Power { key, power } => self.ask(block, key, power),
                        ConfigChange::Params(new) => {
                            reached.mark_if(new.check().is_ok(), Marker::ParamsChanged);
                        }
                    }
                }
                Ok(Call::Set { .. }) | Err(_) => {}
            }
        }
    }

    fn ask(&mut self, block: &Block, key: PublicKey, power: u64) {
        let before = self.powers.insert(key, power).unwrap_or(0);
        let asked = &mut self.asked;
        match (before, power) {
            (0, 0) => {}
            (0, _) => asked.mark(Marker::ValidatorAdded),
            (_, 0) => {
                asked.mark(Marker::ValidatorRemoved);
                let own = key.address() == block.header.proposer;
                asked.mark_if(own, Marker::ProposerRemoved);
            }
            (before, power) => asked.mark_if(before != power, Marker::ValidatorReweighted),
        }
    }
}
