//! A decision needs a quorum of precommits and the whole block.
//!
//! Statement: a correct node decides a block only if it has seen precommits for it from more than
//! two thirds of the power in one round, the round it names, and all parts of the block. A block
//! that came whole, with its commit, counts like its parts and those precommits.
//!
//! Source: S4; line 49 of "The latest gossip on BFT consensus"; `decision_is_quorum_precommit` of
//! `ivy-proofs/classic_safety.ivy`, `AllIfInDecidedThenReceivedTwoThirds` and
//! `AllIfInDecidedThenReceivedProposal` of `TendermintAccInv_004_draft.tla`.
//!
//! Cost: one sum of powers per decision.

use engine::{
    consensus::Decision,
    types::{Height, VoteKind},
};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "decision_justified",
    rule: "S4: a decision follows more than 2/3 precommits for the block in one round, and the \
           block is complete (classic_safety.ivy: decision_is_quorum_precommit)",
};

/// Judges what decisions stand on.
#[derive(Debug, Default)]
pub(super) struct DecisionJustified {
    checks: u64,
}

impl Oracle for DecisionJustified {
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
        justified(ghost, event, node, (*height, decision))
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

fn justified(
    ghost: &Ghost,
    event: &Event,
    node: usize,
    (height, decision): (Height, &Decision),
) -> Result<(), Box<Violation>> {
    let Some(seen) = ghost.height(height.0) else {
        return Ok(());
    };
    let (id, round) = (decision.id, decision.round.0);
    let at = (height.0, round, VoteKind::Precommit);
    let quorum = ghost
        .powers(height.0)
        .has_quorum(ghost.voters(node, at, Some(id)));
    let complete = seen.is_complete(node, id.parts);
    if quorum && complete {
        return Ok(());
    }
    let (time, name, block) = (
        facts::at(event.time),
        facts::node(node),
        facts::block(Some(id)),
    );
    let missing = if quorum {
        "all its parts"
    } else {
        "more than 2/3 precommits for it"
    };
    let what = format!("{name} decided {block} at height {height} without {missing}");
    let parts = if complete { "had" } else { "had not" };
    let facts = vec![
        facts::seen(ghost, (event.time, node), at, Some(id)),
        format!(
            "{time} {name} {parts} seen all {} parts of {block}",
            id.parts.total
        ),
        format!("{time} {name} decided {block} in round {round}"),
    ];
    Err(RULE.broken(what, (height.0, &[node]), facts))
}
