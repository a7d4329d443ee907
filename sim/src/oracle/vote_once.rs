//! A correct node never contradicts itself, and never goes back.
//!
//! Statement: over its whole life, restarts included, a correct node signs at most one proposal,
//! one prevote and one precommit for each height and round; and the (height, round, step) of what
//! it signs never decreases.
//!
//! Source: L1 and L2; `prevote_unique_per_round` of `ivy-proofs/classic_safety.ivy`,
//! `precommit_unique_per_round` of `accountable_safety_2.ivy`, `AllNoEquivocationByCorrect` of
//! `TendermintAccInv_004_draft.tla`; `CheckHRS` of Tendermint.
//!
//! What counts as signed: what was sent, and what was reported durable. A vote that a crash took
//! from the disk before anybody saw it does not bind. Saying an old message again is not signing.
//!
//! Cost: a few comparisons per new own message.

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::News,
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "vote_once",
    rule: "L1, L2: a correct node signs at most one value per height, round and step, and never \
           for an earlier step (classic_safety.ivy: prevote_unique_per_round)",
};

/// Judges single voting.
#[derive(Debug, Default)]
pub(super) struct VoteOnce {
    checks: u64,
}

impl Oracle for VoteOnce {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            self.checks += 1;
            if news.bound {
                once(ghost, news)?;
            }
            goes_on(ghost, event, news)?;
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

/// No other value of the slot binds the node.
fn once(ghost: &Ghost, news: &News) -> Result<(), Box<Violation>> {
    let (node, slot) = (news.node, news.slot);
    let all = ghost.life(node).at(slot);
    let Some(other) = all
        .iter()
        .find(|own| own.binds() && own.value != news.own.value)
    else {
        return Ok(());
    };
    let what = format!(
        "{} signed two values for its {} of height {}, round {}",
        facts::node(node),
        slot.act,
        slot.height,
        slot.round
    );
    let mut two = [other, &news.own];
    two.sort_by_key(|own| own.made);
    let facts = two.iter().map(|own| facts::own(node, slot, own)).collect();
    Err(RULE.broken(what, (slot.height, &[node]), facts))
}

/// A value that is new does not stand before what binds the node already.
fn goes_on(ghost: &Ghost, event: &Event, news: &News) -> Result<(), Box<Violation>> {
    let (Some(Some(top)), node, slot) = (news.made, news.node, news.slot) else {
        return Ok(());
    };
    if slot >= top {
        return Ok(());
    }
    let name = facts::node(node);
    let what = format!(
        "{name} signed a {} of height {}, round {} after a {} of height {}, round {}",
        slot.act, slot.height, slot.round, top.act, top.height, top.round
    );
    let mut facts: Vec<String> = ghost
        .life(node)
        .at(top)
        .iter()
        .map(|own| facts::own(node, top, own))
        .collect();
    let (time, own) = (facts::at(event.time), facts::own(node, slot, &news.own));
    facts.push(format!("{own} (height {}, seen at {time})", slot.height));
    Err(RULE.broken(what, (slot.height, &[node]), facts))
}
