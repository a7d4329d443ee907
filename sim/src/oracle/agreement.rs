//! Agreement and integrity of decisions.
//!
//! Statement: no two correct nodes decide differently at a height, neither the block nor the
//! application hash after it; a node announces each height once, heights grow by one, and a restart
//! takes nothing back.
//!
//! Source: S1 and S2; agreement of "The latest gossip on BFT consensus", section 2; `Agreement` of
//! `TendermintAcc_004_draft.tla`; `classic_safety` of `ivy-proofs/classic_safety.ivy`.
//!
//! Cost: one comparison per decision. Beyond one third of byzantine power agreement is not
//! promised; a fork is reported all the same, with those whom it convicts.

use engine::types::{Height, VoteKind};

use super::{
    Ghost, Oracle, Violation,
    conviction::convictions,
    facts::{self, Rule},
    quorum::Mask,
    seen::DecisionSeen,
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "agreement",
    rule: "S1, S2: correct nodes decide the same block at each height, each height once and in \
           order (TendermintAcc_004_draft.tla: Agreement)",
};

/// Judges agreement.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// By node: the last height it announced or started after.
    last: Vec<u64>,
    checks: u64,
}

impl Oracle for Agreement {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        if self.last.len() <= node {
            self.last.resize(node + 1, 0);
        }
        if let What::Started { height, .. } = &event.what {
            return self.starts(event, node, *height);
        }
        let What::Decided { height, .. } = &event.what else {
            return Ok(());
        };
        self.checks += 1;
        self.follows(event, node, *height)?;
        agrees(ghost, node, height.0)
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

impl Agreement {
    /// What was announced was durable: a node goes on after it. It may be one height further, if it
    /// crashed between making a decision durable and announcing it.
    fn starts(&mut self, event: &Event, node: usize, height: Height) -> Result<(), Box<Violation>> {
        let last = std::mem::replace(&mut self.last[node], height.0);
        if height.0 == last || height.0 == last + 1 {
            return Ok(());
        }
        let (time, name) = (facts::at(event.time), facts::node(node));
        let what =
            format!("{name} started after height {height}, but its last decision was {last}");
        let facts = vec![
            format!("{name} had announced every height up to {last}"),
            format!("{time} {name} started after height {height}"),
        ];
        Err(RULE.broken(what, (height.0, &[node]), facts))
    }

    fn follows(
        &mut self,
        event: &Event,
        node: usize,
        height: Height,
    ) -> Result<(), Box<Violation>> {
        let last = std::mem::replace(&mut self.last[node], height.0);
        if height.0 == last + 1 {
            return Ok(());
        }
        let (time, name) = (facts::at(event.time), facts::node(node));
        let what = format!("{name} decided height {height} after height {last}");
        let facts = vec![
            format!("{name} had heights up to {last} behind it"),
            format!("{time} {name} announced a decision of height {height}"),
        ];
        Err(RULE.broken(what, (height.0, &[node]), facts))
    }
}

fn agrees(ghost: &Ghost, node: usize, height: u64) -> Result<(), Box<Violation>> {
    let Some(seen) = ghost.height(height) else {
        return Ok(());
    };
    let all = seen.decisions();
    let (Some(first), Some(own)) = (all.first(), all.iter().rev().find(|d| d.node == node)) else {
        return Ok(());
    };
    let same = first.id == own.id && first.app_hash == own.app_hash;
    if same {
        return Ok(());
    }
    let (a, b) = (facts::node(first.node), facts::node(own.node));
    let mut facts = vec![decided(first), decided(own)];
    let what = if first.id == own.id {
        format!("{a} and {b} have different application hashes after height {height}")
    } else {
        facts.extend(quorums(ghost, height, (first, own)));
        let (x, y) = (facts::block(Some(first.id)), facts::block(Some(own.id)));
        format!("{a} decided {x} and {b} decided {y} at height {height}")
    };
    let mut convicted = Vec::new();
    if !ghost.setup().within_one_third {
        for conviction in convictions(ghost, height) {
            facts.push(conviction.words());
            convicted.push(facts::peer(conviction.member));
        }
    }
    let broken = RULE.broken(what, (height, &[first.node, own.node]), facts);
    Err(Box::new(Violation {
        convicted,
        ..*broken
    }))
}

fn decided(decision: &DecisionSeen) -> String {
    let (time, name) = (facts::at(decision.time), facts::node(decision.node));
    let (id, round, app) = (
        facts::block(Some(decision.id)),
        decision.round,
        decision.app_hash,
    );
    format!("{time} {name} decided {id} in round {round}, application hash {app}")
}

/// The two quorums of precommits, and who stands in both.
fn quorums(ghost: &Ghost, height: u64, two: (&DecisionSeen, &DecisionSeen)) -> Vec<String> {
    let voters = |d: &DecisionSeen| -> Mask {
        ghost.voters(d.node, (height, d.round, VoteKind::Precommit), Some(d.id))
    };
    let line = |d: &DecisionSeen| {
        let at = (height, d.round, VoteKind::Precommit);
        facts::seen(ghost, (d.time, d.node), at, Some(d.id))
    };
    let both = voters(two.0) & voters(two.1);
    let power = ghost.powers(height).of(both);
    let common = format!("in both quorums: {} (power {power})", facts::names(both));
    vec![line(two.0), line(two.1), common]
}
