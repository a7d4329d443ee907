//! Every decided block carries the proof of the one before it.
//!
//! Statement: a block decided at height h + 1 names the block decided at h, and carries a commit of
//! it: one entry per validator of height h, every signature in it valid over the bytes of a
//! precommit of that height, round and choice, and those for the block from more than two thirds of
//! the power. The commit that a node announces with its decision is held to the same.
//!
//! Source: S5; `LastCommit` of Tendermint's blocks and "false witness" (Tendermint v0.33.6), where
//! signatures behind the quorum were not checked; `ProofOfChainOfTrustInv` of the light client
//! specification.
//!
//! Cost: a look-up per signature that was seen as a vote before, a verification for each other one;
//! once per block and once per announced commit.

use std::collections::BTreeMap;

use engine::types::{BlockId, Commit, CommitSig, Signature, VoteKind};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    quorum::{Mask, only},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "chain_integrity",
    rule: "S5: each block certifies the one before it with valid precommits of more than 2/3 of \
           the power",
};

/// Judges commits.
#[derive(Debug, Default)]
pub(super) struct ChainIntegrity {
    /// Blocks whose commit was judged.
    judged: BTreeMap<u64, BlockId>,
    checks: u64,
}

impl Oracle for ChainIntegrity {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let (
            Some(node),
            What::Decided {
                height, decision, ..
            },
        ) = (ghost.correct(event.node), &event.what)
        else {
            return Ok(());
        };
        self.checks += 1;
        self.judged
            .retain(|height, _| ghost.height(*height).is_some());
        let announced = certifies(ghost, (height.0, decision.id), &decision.commit)
            .map_err(|reason| format!("its own commit {reason}"));
        let carried = announced.and_then(|()| {
            let before = self.judged.insert(height.0, decision.id);
            if before == Some(decision.id) {
                return Ok(());
            }
            let header = &decision.block.header;
            carries(
                ghost,
                height.0,
                (header.last_block, decision.block.last_commit.as_ref()),
            )
        });
        carried.map_err(|reason| {
            let (time, name) = (facts::at(event.time), facts::node(node));
            let (id, round) = (facts::block(Some(decision.id)), decision.round);
            let what = format!("the block {id}, which {name} decided at height {height}: {reason}");
            let decided = format!("{time} {name} decided {id} in round {round}");
            RULE.broken(what, (height.0, &[node]), vec![reason, decided])
        })
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

/// The link to the block before, and its commit.
fn carries(
    ghost: &Ghost,
    height: u64,
    link: (Option<BlockId>, Option<&Commit>),
) -> Result<(), String> {
    let (last, commit) = match link {
        (None, None) if height == 1 => return Ok(()),
        (Some(last), Some(commit)) if height > 1 => (last, commit),
        (None | Some(_), None | Some(_)) => {
            return Err("every block but the first must name and certify one".to_owned());
        }
    };
    let before = ghost
        .height(height - 1)
        .and_then(|seen| seen.decisions().first());
    if let Some(before) = before
        && before.id != last
    {
        let (named, decided) = (facts::block(Some(last)), facts::block(Some(before.id)));
        let by = facts::node(before.node);
        return Err(format!(
            "it names {named} as the one before it, but {by} decided {decided}"
        ));
    }
    certifies(ghost, (height - 1, last), commit)
        .map_err(|reason| format!("its last commit {reason}"))
}

/// Whether a commit proves the decision of a block; otherwise what is wrong with it.
fn certifies(ghost: &Ghost, (height, id): (u64, BlockId), commit: &Commit) -> Result<(), String> {
    if commit.height.0 != height {
        return Err(format!("is of height {}, not {height}", commit.height));
    }
    if commit.block != id {
        let (got, wanted) = (facts::block(Some(commit.block)), facts::block(Some(id)));
        return Err(format!("is of {got}, not {wanted}"));
    }
    let order = ghost.rules(height).validators.order();
    let (entries, members) = (commit.signatures.len(), order.len());
    if entries != members {
        return Err(format!("has {entries} entries for {members} validators"));
    }
    let mut signed: Mask = 0;
    for (i, entry) in order.iter().copied().zip(commit.signatures.iter()) {
        let (choice, signature) = match entry {
            CommitSig::Absent => continue,
            CommitSig::Nil(signature) => (None, signature),
            CommitSig::Block(signature) => (Some(id), signature),
        };
        if !is_valid(ghost, commit, i, (choice, signature)) {
            let choice = facts::block(choice);
            return Err(format!(
                "has a signature of {} for {choice} that is invalid",
                facts::node(i)
            ));
        }
        if choice.is_some() {
            signed |= only(i);
        }
    }
    if ghost.powers(height).has_quorum(signed) {
        return Ok(());
    }
    Err(format!(
        "is signed by {}: {}",
        facts::names(signed),
        facts::power(ghost, height, signed)
    ))
}

fn is_valid(
    ghost: &Ghost,
    commit: &Commit,
    voter: usize,
    (choice, signature): (Option<BlockId>, &Signature),
) -> bool {
    let slot = (VoteKind::Precommit, commit.round.0);
    let seen = ghost.height(commit.height.0);
    if seen.is_some_and(|seen| seen.knows_vote(slot, voter, (choice, signature))) {
        return true;
    }
    let bytes = commit.sign_bytes(&ghost.setup().chain, choice);
    ghost.verify(voter, &bytes, signature)
}
