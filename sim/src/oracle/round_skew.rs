//! Nobody stays two rounds behind.
//!
//! Statement: in the stable phase, a member of the core that stands in a round of a height while
//! another one has been two or more rounds further at that height leaves its round within the time
//! that is allowed for that round.
//!
//! Source: T3; lemma 7 of arXiv 1807.04938 (round synchronisation). Who is two rounds further has
//! seen more than 2/3 precommit in a round in between, or more than 1/3 vote in its own; gossip
//! brings either to who is behind, and L55 or the timeout of L65 take it on. The difference itself
//! has no bound that is worth a name: who was cut off may be any number of rounds behind when the
//! faults end, and goes one by one.
//!
//! Cost: a comparison per announcement.

use std::collections::BTreeMap;

use engine::types::Time;

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    quorum::only,
    stable::Stable,
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "round_skew",
    rule: "T3: after healing a node of the core that is two rounds behind another does not stay",
};

/// Watches how far members of the core are apart.
#[derive(Debug, Default)]
pub(super) struct RoundSkew {
    /// When a member of the core was first heard in a round of a height, and which.
    first: BTreeMap<(u64, u32), (Time, usize)>,
    checks: u64,
}

impl Oracle for RoundSkew {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let (Some(stable), Some(node)) = (ghost.stable(), ghost.correct(event.node)) else {
            return Ok(());
        };
        let said = matches!(event.what, What::Sent { .. }) && ghost.announced();
        if !said || stable.members() & only(node) == 0 {
            return Ok(());
        }
        self.judge(ghost, event.time, node, stable)
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl RoundSkew {
    fn judge(
        &mut self,
        ghost: &Ghost,
        now: Time,
        node: usize,
        stable: &Stable,
    ) -> Result<(), Box<Violation>> {
        let Some(place) = ghost.place(node) else {
            return Ok(());
        };
        let at = (place.height, place.round);
        self.first.entry(at).or_insert((now, node));
        self.first = self.first.split_off(&(ghost.lowest() + 1, 0));
        let mut ahead = self
            .first
            .range((place.height, place.round.saturating_add(2))..(place.height + 1, 0));
        let Some((&(height, round), &(since, other))) = ahead.next() else {
            return Ok(());
        };
        self.checks += 1;
        let allowed = stable
            .follow
            .plus(stable.follow_delta.times(u64::from(round)));
        let begun = since.max(place.round_since).max(stable.from);
        if begun.after(allowed) > now {
            return Ok(());
        }
        let (name, ahead) = (facts::node(node), facts::node(other));
        let what = format!(
            "{name} stays in round {} of height {height} although {ahead} was in round {round}",
            place.round
        );
        let facts = vec![
            format!(
                "{} {ahead} said that it is in round {round}",
                facts::at(since)
            ),
            format!(
                "{} {name} said that it is in round {}",
                facts::at(place.round_since),
                place.round
            ),
            format!(
                "{} {name} still says so; {} ms are allowed",
                facts::at(now),
                allowed.0 / 1_000_000
            ),
        ];
        let mut broken = RULE.broken(what, (height, &[node, other]), facts);
        broken.liveness = true;
        Err(broken)
    }
}
