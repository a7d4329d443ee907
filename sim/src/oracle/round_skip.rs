//! A node follows the others into the next round.
//!
//! Statement: once a correct node has signed in a round and then been given votes of the next round
//! from validators with more than one third of the power, it signs nothing in its old round any
//! more.
//!
//! Source: L55 of arXiv 1807.04938 (L7 of the property list); ByzzFuzz's check of Tendermint;
//! scenario NX04. Without the rule a node lags behind for ever as soon as the others need it. Votes
//! given while an input is still being handled do not count yet: one frame may hold several votes.
//! Only votes that travel as such count: the commit beside a whole block is no vote message, and
//! who refuses the block has not counted it.
//!
//! Cost: a few mask operations per vote delivered.

use engine::{codec::Frame, types::Message};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
    quorum::{Mask, only},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "round_skip",
    rule: "L55: a node that hears more than 1/3 of the power in a later round goes there",
};

/// Where a node last signed, and who was heard in the round after it since then.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at: Option<(u64, u32)>,
    /// Who had been heard before it signed; it may have refused those votes.
    before: Mask,
    /// Heard in the input that is being handled.
    now: Mask,
    /// Heard in earlier inputs.
    heard: Mask,
}

/// Watches nodes move on.
#[derive(Debug, Default)]
pub(super) struct RoundSkip {
    places: Vec<Place>,
    checks: u64,
}

impl RoundSkip {
    fn place(&mut self, node: usize) -> &mut Place {
        if self.places.len() <= node {
            self.places.resize(node + 1, Place::default());
        }
        &mut self.places[node]
    }
}

impl Oracle for RoundSkip {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        let place = self.place(node);
        match &event.what {
            What::Delivered { frame, .. } => {
                place.heard |= place.now;
                if let Some((height, round)) = place.at {
                    place.now |= voters(ghost, frame, (height, round + 1)) & !place.before;
                }
            }
            What::Fired { .. } | What::Synced { .. } => place.heard |= place.now,
            What::Crashed | What::Started { .. } => *place = Place::default(),
            What::Appended { .. } => return self.signed(ghost, event, node),
            What::StartRefused { .. }
            | What::Halted { .. }
            | What::Sent { .. }
            | What::Dropped { .. }
            | What::Decided { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Disk(_)
            | What::Stored { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => {}
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

/// Who voted in a round, by the authentic votes of a frame.
fn voters(ghost: &Ghost, frame: &Frame, (height, round): (u64, u32)) -> Mask {
    let (Some(seen), Ok(contents)) = (ghost.height(height), frame.contents()) else {
        return 0;
    };
    let mut voters = 0;
    for message in contents.messages.iter() {
        if let Message::Vote(vote) = message
            && (vote.height.0, vote.round.0) == (height, round)
            && let Some(voter) = ghost.voter(vote)
            && seen.knows_vote((vote.kind, round), voter, (vote.block, &vote.signature))
        {
            voters |= only(voter);
        }
    }
    voters
}

impl RoundSkip {
    fn signed(&mut self, ghost: &Ghost, event: &Event, node: usize) -> Result<(), Box<Violation>> {
        for news in ghost.news() {
            let (height, round) = (news.slot.height, news.slot.round);
            let place = *self.place(node);
            if place.at != Some((height, round)) {
                let next = ghost.height(height);
                let before = next.map_or(0, |seen| seen.voters_at_all(node, round + 1));
                let at = Some((height, round));
                *self.place(node) = Place {
                    at,
                    before,
                    ..Place::default()
                };
                continue;
            }
            self.checks += 1;
            let powers = ghost.powers(height);
            if !powers.is_more_than_one_third(place.heard) {
                continue;
            }
            let (power, total) = (powers.of(place.heard), powers.total());
            let (time, name) = (facts::at(event.time), facts::node(node));
            let act = news.slot.act;
            let what = format!(
                "{name} signed a {act} in round {round} of height {height} although the others \
                 had gone to round {}",
                round + 1
            );
            let heard = format!(
                "{name} had heard {} in round {}: {power} of {total} power",
                facts::names(place.heard),
                round + 1
            );
            let signed = format!("{time} {name} signed a {act} in round {round}");
            let mut broken = RULE.broken(what, (height, &[node]), vec![heard, signed]);
            broken.liveness = true;
            return Err(broken);
        }
        Ok(())
    }
}
