//! A precommit for a block needs a polka.
//!
//! Statement: a correct node precommits a block in a round only if it has seen prevotes for that
//! block in that round from more than two thirds of the power, its own included.
//!
//! Source: L6; line 36 of "The latest gossip on BFT consensus"; `precommitted_is_quorum_prevote` of
//! `ivy-proofs/classic_safety.ivy`, `IfSentPrecommitThenReceivedTwoThirds` of
//! `TendermintAccInv_004_draft.tla`.
//!
//! Judged when the precommit is written to the log, the first sign of it in the world. Cost: one
//! sum of powers per precommit.

use engine::types::VoteKind;

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::Act,
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "precommit_justified",
    rule: "L6: a precommit for a block follows more than 2/3 prevotes for it in the same round \
           (classic_safety.ivy: precommitted_is_quorum_prevote)",
};

/// Judges precommits.
#[derive(Debug, Default)]
pub(super) struct PrecommitJustified {
    checks: u64,
}

impl Oracle for PrecommitJustified {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let (node, slot) = (news.node, news.slot);
            let (Act::Precommit, Some(_), Some(id)) = (slot.act, news.made, news.own.value.block())
            else {
                continue;
            };
            self.checks += 1;
            if ghost.polka(node, (slot.height, slot.round), id) {
                continue;
            }
            let what = format!(
                "{} precommitted {} at height {}, round {} without more than 2/3 prevotes for it",
                facts::node(node),
                facts::block(Some(id)),
                slot.height,
                slot.round
            );
            let at = (slot.height, slot.round, VoteKind::Prevote);
            let seen = facts::seen(ghost, (event.time, node), at, Some(id));
            let facts = vec![seen, facts::own(node, slot, &news.own)];
            return Err(RULE.broken(what, (slot.height, &[node]), facts));
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
