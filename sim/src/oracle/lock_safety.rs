//! A locked node prevotes another block only after a later polka for it.
//!
//! Statement: let (v, r) be the latest precommit for a block that binds a correct node at a height.
//! If it prevotes another block v' in a round r' > r, it has seen prevotes for v' from more than
//! two thirds of the power in some round vr with r <= vr < r'. Prevotes for nil are always free.
//!
//! Source: L5; lines 22 to 33 and lemma 3 of "The latest gossip on BFT consensus"; `locks` of
//! `ivy-proofs/classic_safety.ivy`, `PrecommitsLockValue` of `TendermintAccInv_004_draft.tla`.
//!
//! A precommit binds when it is durable or was sent; one that a crash took with it locks nothing.
//! `vr = r` can only be met by byzantine double votes, but the rule allows it, and so does this.
//!
//! Cost: a walk over the height's own messages and rounds per prevote for a block.

use engine::types::{BlockId, VoteKind};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    own::{Act, News, Own, Slot},
};
use crate::trace::Event;

const RULE: Rule = Rule {
    name: "lock_safety",
    rule: "L5: a node locked on one block prevotes another only after a polka for it in the round \
           of its lock or later (classic_safety.ivy: locks)",
};

/// Judges locks.
#[derive(Debug, Default)]
pub(super) struct LockSafety {
    checks: u64,
}

impl Oracle for LockSafety {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let (Act::Prevote, Some(_), Some(id)) =
                (news.slot.act, news.made, news.own.value.block())
            else {
                continue;
            };
            let life = ghost.life(news.node);
            let Some((lock, own)) = life.lock_before(news.slot.height, news.slot.round) else {
                continue;
            };
            self.checks += 1;
            if own.value.block() != Some(id) && !unlocked(ghost, news, (lock, id)) {
                return Err(broken(ghost, event, news, (lock, own)));
            }
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

fn unlocked(ghost: &Ghost, prevote: &News, (lock, id): (Slot, BlockId)) -> bool {
    let height = prevote.slot.height;
    let Some(seen) = ghost.height(height) else {
        return true;
    };
    let mut between = seen
        .rounds()
        .filter(|r| (lock.round..prevote.slot.round).contains(r));
    between.any(|round| ghost.polka(prevote.node, (height, round), id))
}

fn broken(
    ghost: &Ghost,
    event: &Event,
    news: &News,
    (lock, locked): (Slot, &Own),
) -> Box<Violation> {
    let (node, slot) = (news.node, news.slot);
    let height = slot.height;
    let what = format!(
        "{} prevoted {} at height {height}, round {}, although it was locked on {} since round {}",
        facts::node(node),
        facts::value(&news.own.value),
        slot.round,
        facts::value(&locked.value),
        lock.round
    );
    let mut facts = vec![facts::own(node, lock, locked)];
    for round in ghost
        .height(height)
        .into_iter()
        .flat_map(super::seen::HeightSeen::rounds)
    {
        if (lock.round..slot.round).contains(&round) {
            let at = (height, round, VoteKind::Prevote);
            facts.push(facts::seen(
                ghost,
                (event.time, node),
                at,
                news.own.value.block(),
            ));
        }
    }
    facts.push(facts::own(node, slot, &news.own));
    RULE.broken(what, (height, &[node]), facts)
}
