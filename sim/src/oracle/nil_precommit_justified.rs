//! A precommit for nil needs a majority for nil, or a timeout.
//!
//! Statement: a correct node precommits nil in a round only if it has seen prevotes for nil in that
//! round from more than two thirds of the power, or if a timeout has reached it after it had seen
//! prevotes for anything from more than two thirds.
//!
//! Source: L6; lines 44 and 61 of "The latest gossip on BFT consensus"; `l_44` and `l_61` of
//! `ivy-proofs/abstract_tendermint.ivy`. A node that gives up sooner breaks no safety, but it may
//! do so for ever: with it nothing is decided although all are connected.
//!
//! Which timeout it was is not seen from outside; any timeout of consensus counts. Judged when the
//! precommit is written to the log. Cost: one sum of powers per precommit, and one per round when a
//! timeout fires.

use engine::types::VoteKind;

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::{Act, Value},
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "nil_precommit_justified",
    rule: "L6: a precommit for nil follows more than 2/3 prevotes for nil, or more than 2/3 for \
           anything and a timeout (abstract_tendermint.ivy: l_44, l_61)",
};

/// Judges precommits for nil.
#[derive(Debug, Default)]
pub(super) struct NilPrecommitJustified {
    checks: u64,
}

impl Oracle for NilPrecommitJustified {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let (node, slot) = (news.node, news.slot);
            let (Act::Precommit, Some(_), Value::Vote(None)) =
                (slot.act, news.made, news.own.value)
            else {
                continue;
            };
            self.checks += 1;
            let at = (slot.height, slot.round, VoteKind::Prevote);
            let for_nil = ghost.voters(node, at, None);
            if ghost.powers(slot.height).has_quorum(for_nil) || ghost.has_waited(node, at) {
                continue;
            }
            let what = format!(
                "{} precommitted nil at height {}, round {} without more than 2/3 prevotes for \
                 nil, and without a timeout after more than 2/3 prevotes",
                facts::node(node),
                slot.height,
                slot.round
            );
            let seen = facts::seen(ghost, (event.time, node), at, None);
            let facts = vec![seen, facts::own(node, slot, &news.own)];
            return Err(RULE.broken(what, (slot.height, &[node]), facts));
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
