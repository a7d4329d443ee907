//! What is decided is valid.
//!
//! Statement: a decided block is the block its id names; it follows the block decided before it, at
//! a later time, with the digests of the chain so far, its validators and the count of
//! configuration changes in its header; a validator of its height built it; its transactions are
//! well formed, no more than the chain's parameters allow, and all submitted by clients if a
//! correct node built it; and the application hash announced with it is what an independent model
//! computes.
//!
//! Source: S3; `valid(v)` of "The latest gossip on BFT consensus", section 2; `Validity` of
//! `TendermintAcc_004_draft.tla`, `ConsensusValidValue` of `TendermintPBT.tla`; `AppHash` of
//! Tendermint.
//!
//! A height that every node made durable but none announced (all crashed in between) is filled in
//! from the block's parts on the network; if they are not known, application hashes are no longer
//! judged.
//!
//! Cost: one decoding and a few hashes per height; further decisions of the same block are
//! compared.

use std::{collections::BTreeMap, sync::Arc};

use engine::{
    consensus::Decision,
    types::{Block, BlockId, Hash, Height},
};

use super::{
    Ghost, Oracle, Violation, block,
    facts::{self, Rule},
    kv::{self, Model},
    merkle::{digest, root},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "validity",
    rule: "S3: a decided block follows from the chain before it, and its transactions from the \
           clients (TendermintAcc_004_draft.tla: Validity)",
};

/// A height as it was decided first.
#[derive(Debug)]
struct Known {
    id: BlockId,
    block: Arc<Block>,
    /// The application hash after it.
    app_hash: Option<Hash>,
}

/// Judges decided blocks.
#[derive(Debug)]
pub(super) struct Validity {
    known: BTreeMap<u64, Known>,
    /// The application after the last known height; `None` once a height was missed.
    model: Option<Model>,
    height: u64,
    checks: u64,
}

impl Default for Validity {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            model: Some(Model::default()),
            height: 0,
            checks: 0,
        }
    }
}

impl Oracle for Validity {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let (
            Some(node),
            What::Decided {
                height,
                app_hash,
                decision,
            },
        ) = (ghost.correct(event.node), &event.what)
        else {
            return Ok(());
        };
        self.checks += 1;
        let judged = self.judge(ghost, *height, (*app_hash, decision));
        self.known
            .retain(|height, _| ghost.height(*height).is_some());
        judged.map_err(|reason| {
            let (time, name) = (facts::at(event.time), facts::node(node));
            let id = facts::block(Some(decision.id));
            let what =
                format!("{name} decided {id} at height {height}, which is invalid: {reason}");
            let round = decision.round;
            let decided = format!("{time} {name} decided {id} in round {round}");
            let before = height.prev().and_then(|h| self.known.get(&h.0));
            let before = before.map(|known| {
                let (id, time) = (facts::block(Some(known.id)), known.block.header.time.0);
                format!("the block decided before is {id}, of time {time} ns")
            });
            let time = decision.block.header.time.0;
            let own = format!(
                "{id} names the time {time} ns, and is built by {}",
                decision.block.header.proposer
            );
            let facts = before.into_iter().chain([own, decided, reason]).collect();
            RULE.broken(what, (height.0, &[node]), facts)
        })
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl Validity {
    fn judge(
        &mut self,
        ghost: &Ghost,
        height: Height,
        (app_hash, decision): (Hash, &Decision),
    ) -> Result<(), String> {
        if let Some(known) = self.known.get(&height.0) {
            // Another id is for the agreement oracle to judge.
            let same = Arc::ptr_eq(&known.block, &decision.block)
                || *known.block == *decision.block
                || known.id != decision.id;
            if !same {
                return Err("the block in the decision is not the one its id names".to_owned());
            }
            let judged = known.id != decision.id || known.app_hash.is_none_or(|h| h == app_hash);
            return holds(judged, "the application hash is not that of the model");
        }
        if height.0 <= self.height {
            return Ok(()); // decided long ago by others, and forgotten
        }
        names_its_content(decision)?;
        self.fill(ghost, height, decision);
        self.follows(ghost, height, &decision.block)?;
        well_formed(ghost, &decision.block)?;
        if let Some(model) = &mut self.model {
            model.execute(decision.block.txs.iter().map(|tx| &**tx));
        }
        let computed = self.model.as_ref().map(Model::hash);
        self.height = height.0;
        let block = Arc::clone(&decision.block);
        self.known.insert(
            height.0,
            Known {
                id: decision.id,
                block,
                app_hash: computed,
            },
        );
        if let Some(computed) = computed
            && computed != app_hash
        {
            return Err(format!(
                "the application hash is {app_hash}, the model's is {computed}"
            ));
        }
        Ok(())
    }

    /// Executes heights that nobody announced, as far as their blocks can be found.
    fn fill(&mut self, ghost: &Ghost, height: Height, decision: &Decision) {
        let mut missed = Vec::new();
        let mut id = decision.block.header.last_block;
        for height in (self.height + 1..height.0).rev() {
            let bytes = id.and_then(|id| ghost.block_bytes(height, id.parts));
            let Some(read) = bytes.as_deref().and_then(block::read) else {
                self.model = None;
                return;
            };
            let named = std::mem::replace(&mut id, read.block.header.last_block);
            missed.push((height, named, read.block));
        }
        for (height, id, block) in missed.into_iter().rev() {
            if let (Some(id), Some(model)) = (id, &mut self.model) {
                model.execute(block.txs.iter().map(|tx| &**tx));
                let app_hash = Some(model.hash());
                self.known.insert(
                    height,
                    Known {
                        id,
                        block: Arc::new(block),
                        app_hash,
                    },
                );
            }
        }
    }

    fn follows(&self, ghost: &Ghost, height: Height, block: &Block) -> Result<(), String> {
        let (header, rules) = (&block.header, ghost.rules(height.0));
        holds(
            header.chain == ghost.setup().chain,
            "it is of another chain",
        )?;
        holds(header.height == height, "its header names another height")?;
        holds(
            header.validators_hash == rules.validators.hash(),
            "its header names other validators",
        )?;
        holds(
            header.config_sequence == rules.sequence,
            "its header does not count the configuration changes before it",
        )?;
        let builder = ghost.member(&header.proposer);
        let builder = builder.is_some_and(|member| rules.validators.contains(member));
        holds(builder, "its builder is no validator")?;
        let app = self
            .model
            .as_ref()
            .is_none_or(|model| model.hash() == header.app_hash);
        holds(
            app,
            "its header has another application hash than the chain before it",
        )?;
        if height == Height::FIRST {
            return holds(
                header.last_block.is_none(),
                "the first block names one before it",
            );
        }
        let Some(before) = self.known.get(&(height.0 - 1)) else {
            return Ok(());
        };
        holds(
            header.last_block == Some(before.id),
            "it does not follow the decided block",
        )?;
        let later = header.time > before.block.header.time;
        holds(later, "its time is not later than that of the block before")
    }
}

fn holds(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

/// The parts are those of the id, they make up the block, and the header's digests are its own.
fn names_its_content(decision: &Decision) -> Result<(), String> {
    let (id, parts) = (decision.id, &decision.parts);
    let total = usize::try_from(id.parts.total).unwrap_or(usize::MAX);
    let all = (0..total).map_while(|i| parts.part(i).map(|part| &*part.bytes));
    let leaves: Vec<&[u8]> = all.collect();
    holds(leaves.len() == total && total > 0, "it is not complete")?;
    holds(
        root(&leaves) == id.parts.hash,
        "its parts are not those its id names",
    )?;
    let bytes = leaves.concat();
    let Some(read) = block::read(&bytes) else {
        return Err("its bytes are not a block".to_owned());
    };
    holds(
        read.hash() == id.hash,
        "its header is not the one its id names",
    )?;
    let header = &read.block.header;
    holds(
        read.data_hash() == header.data_hash,
        "its data hash is wrong",
    )?;
    holds(
        read.evidence_hash() == header.evidence_hash,
        "its evidence hash is wrong",
    )?;
    holds(
        read.commit_hash() == header.last_commit_hash,
        "its commit hash is wrong",
    )?;
    let same = read.block == *decision.block;
    holds(
        same,
        "the block in the decision is not the one its id names",
    )
}

fn well_formed(ghost: &Ghost, block: &Block) -> Result<(), String> {
    let params = ghost.rules(block.header.height.0).params;
    let bytes: u64 = block.txs.iter().map(|tx| tx.len() as u64).sum();
    holds(
        block.txs.len() as u64 <= u64::from(params.max_block_txs),
        "it has more transactions than the chain allows",
    )?;
    holds(
        bytes <= u64::from(params.max_block_bytes),
        "it has more bytes of transactions than the chain allows",
    )?;
    let builder = ghost.member(&block.header.proposer);
    let builder = builder.and_then(|i| ghost.setup().validators.get(i));
    let correct = builder.is_some_and(|member| member.correct);
    for (i, tx) in block.txs.iter().enumerate() {
        if kv::parse(tx).is_none() {
            return Err(format!("transaction {i} is malformed"));
        }
        if correct && !ghost.was_submitted(&digest(tx)) {
            return Err(format!("transaction {i} was never submitted"));
        }
    }
    Ok(())
}
