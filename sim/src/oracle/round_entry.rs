//! A round is entered with the others, or when the round before it has come to nothing.
//!
//! Statement: a correct node signs in a round r > 0 only if it has seen votes of round r from more
//! than one third of the power, or if a timeout has reached it after it had seen precommits of
//! round r - 1 from more than two thirds.
//!
//! Source: L7; lines 55 and 65 of "The latest gossip on BFT consensus"; `TypeOK` with
//! `AllNoFutureMessagesSent` of `TendermintAccInv_004_draft.tla`. Nodes that leave a round when
//! they like run apart, and byzantine power below one third could lead them through rounds for
//! ever.
//!
//! Judged at the first sign of what was signed. Own votes count as soon as they bind the node, so
//! only its first act in a round is judged. Cost: two sums of powers per round of a node.

use engine::types::VoteKind;

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::News,
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "round_entry",
    rule: "L7: a node goes to a round that more than 1/3 of the power is in, or after more than \
           2/3 precommits of the round before and a timeout (arXiv 1807.04938: L55, L65)",
};

/// Judges where nodes go.
#[derive(Debug, Default)]
pub(super) struct RoundEntry {
    checks: u64,
}

impl Oracle for RoundEntry {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let (node, slot) = (news.node, news.slot);
            if news.made.is_none() || slot.round == 0 || !is_first(ghost, news) {
                continue;
            }
            self.checks += 1;
            let before = (slot.height, slot.round - 1, VoteKind::Precommit);
            let seen = ghost.height(slot.height);
            let there = seen.map_or(0, |seen| seen.voters_at_all(node, slot.round));
            let powers = ghost.powers(slot.height);
            if powers.is_more_than_one_third(there) || ghost.has_waited(node, before) {
                continue;
            }
            let what = format!(
                "{} signed in round {} of height {}, where not more than 1/3 of the power was, and \
                 without a timeout after more than 2/3 precommits of round {}",
                facts::node(node),
                slot.round,
                slot.height,
                slot.round - 1
            );
            let heard = format!(
                "{} {} had heard {} in round {}: power {} of {}",
                facts::at(event.time),
                facts::node(node),
                facts::names(there),
                slot.round,
                powers.of(there),
                powers.total()
            );
            let facts = vec![heard, facts::own(node, slot, &news.own)];
            return Err(RULE.broken(what, (slot.height, &[node]), facts));
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

/// Whether it is the first that a node has signed in its round.
fn is_first(ghost: &Ghost, news: &News) -> bool {
    let all = ghost.life(news.node).of_height(news.slot.height);
    let mut others = all.filter(|(slot, _)| slot.round == news.slot.round);
    others.all(|(slot, own)| slot == news.slot && own.value == news.own.value)
}
