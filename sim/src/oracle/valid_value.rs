//! Who is locked proposes what it is locked on, or what had a polka later.
//!
//! Statement: if a correct node has precommitted a block at a height, its proposals of later rounds
//! there name a proof-of-lock round: that of its latest such precommit, with the same block, or a
//! later one.
//!
//! Source: L9; `ValidRoundNotSmallerThanLockedRound` of `TendermintAccInv_004_draft.tla`; line 16
//! of "The latest gossip on BFT consensus": the valid value is proposed again. Who proposed a new
//! block instead would break nothing at once, but could not prevote its own proposal, and if all
//! did so nothing would be decided. That the named round had a polka `proposer_only` judges.
//!
//! Cost: one look into the node's own votes per proposal.

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::{News, Value},
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "valid_value",
    rule: "L9: the round of the valid value is not before that of the lock \
           (TendermintAccInv_004_draft.tla: ValidRoundNotSmallerThanLockedRound)",
};

/// Judges what is proposed again.
#[derive(Debug, Default)]
pub(super) struct ValidValue {
    checks: u64,
}

impl Oracle for ValidValue {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, _: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            if news.made.is_some() {
                self.judge(ghost, news)?;
            }
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl ValidValue {
    fn judge(&mut self, ghost: &Ghost, news: &News) -> Result<(), Box<Violation>> {
        let (node, slot) = (news.node, news.slot);
        let Value::Proposal { block, pol_round } = news.own.value else {
            return Ok(());
        };
        let Some((lock, locked)) = ghost.life(node).lock_before(slot.height, slot.round) else {
            return Ok(());
        };
        self.checks += 1;
        let same = pol_round == Some(lock.round) && locked.value.block() == Some(block);
        if same || pol_round > Some(lock.round) {
            return Ok(());
        }
        let what = format!(
            "{} proposed {} at height {}, round {}, although it was locked on {} since round {}",
            facts::node(node),
            facts::value(&news.own.value),
            slot.height,
            slot.round,
            facts::value(&locked.value),
            lock.round
        );
        let facts = vec![
            facts::own(node, lock, locked),
            facts::own(node, slot, &news.own),
        ];
        Err(RULE.broken(what, (slot.height, &[node]), facts))
    }
}
