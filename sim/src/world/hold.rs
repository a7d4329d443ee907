//! Holds back what the plan's script says shall not reach somebody yet.

use std::collections::BTreeMap;

use engine::types::{Message, PeerId, Span, Time, VoteKind};

use crate::{
    nemesis::{Hold, Slot},
    world::{Phase, World, links::Parcel},
};

/// The holds of a run and how far they have come.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// Those in force, with the time of the first message that was held back.
    holds: Vec<(Hold, Option<Time>)>,
    /// The last height and round that each node announced.
    stands: BTreeMap<PeerId, (u64, u32)>,
}

impl Holds {
    pub(super) fn new(holds: &[Hold]) -> Self {
        let on = holds.iter().filter(|hold| !hold.off).cloned();
        Self {
            holds: on.map(|hold| (hold, None)).collect(),
            stands: BTreeMap::new(),
        }
    }

    /// The faults are over.
    pub(super) fn lift(&mut self) {
        self.holds.clear();
    }
}

/// Kind, height and round of what a script can name, and whose vote it is.
fn slot(message: &Message) -> Option<(Slot, u64, u32)> {
    match message {
        Message::Proposal(p) => Some((Slot::Proposal, p.height.0, p.round.0)),
        Message::BlockPart { height, round, .. } => Some((Slot::Part, height.0, round.0)),
        Message::Vote(vote) => {
            let slot = match vote.kind {
                VoteKind::Prevote => Slot::Prevote,
                VoteKind::Precommit => Slot::Precommit,
            };
            Some((slot, vote.height.0, vote.round.0))
        }
        Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => None,
    }
}

impl World {
    /// Notes where a node says it stands.
    pub(super) fn note_stand(&mut self, parcel: &Parcel) {
        if self.holds.holds.is_empty() {
            return;
        }
        let contents = parcel.frame.contents();
        for message in contents.iter().flat_map(|c| c.messages.iter()) {
            if let Message::NewRoundStep { height, round, .. } = message {
                let stands = (height.0, round.0);
                self.holds.stands.insert(parcel.from, stands);
            }
        }
    }

    /// Whether a packet carries something that its receiver shall not hear yet.
    pub(super) fn is_held(&mut self, parcel: &Parcel) -> bool {
        let nothing = self.holds.holds.is_empty() || self.phase != Phase::Faults;
        if nothing || !self.is_correct(parcel.to) {
            return false;
        }
        let Ok(contents) = parcel.frame.contents() else {
            return false;
        };
        let mut held = false;
        for message in contents.messages.iter() {
            let Some(at) = slot(message) else { continue };
            for i in 0..self.holds.holds.len() {
                if self.concerns(i, parcel.to, at, message) {
                    let since = self.holds.holds[i].1.get_or_insert(self.now);
                    let end = since.after(Span::millis(self.holds.holds[i].0.for_ms));
                    held |= self.now < end;
                }
            }
        }
        let now = self.now;
        let lasts = |(hold, since): &(Hold, Option<Time>)| {
            since.is_none_or(|since| now < since.after(Span::millis(hold.for_ms)))
        };
        self.holds.holds.retain(lasts);
        held
    }

    fn concerns(&self, i: usize, to: PeerId, at: (Slot, u64, u32), message: &Message) -> bool {
        let hold = &self.holds.holds[i].0;
        if at != (hold.slot, hold.height, hold.round) || !hold.to.contains(&to.0) {
            return false;
        }
        let stands = self.holds.stands.get(&to).copied().unwrap_or_default();
        let until = hold.until_round.map(|round| (hold.height, round));
        if until.is_some_and(|until| stands >= until) {
            return false;
        }
        let signed = |node: &u16| {
            usize::from(*node) < self.hosts.len() && self.is_own(message, PeerId(*node))
        };
        hold.of.is_empty() || hold.slot == Slot::Part || hold.of.iter().any(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        nemesis::{CryptoMode, Overrides, Plan, draw},
        outcome::RunOptions,
        trace::What,
    };

    fn plan() -> Plan {
        let calm = Overrides {
            validators: Some(4),
            heights: Some(6),
            crypto: Some(CryptoMode::Ideal),
            no_faults: true,
            ..Overrides::default()
        };
        let mut plan = draw(1, &calm).unwrap();
        plan.powers = vec![1; 4];
        plan.script.holds = vec![Hold {
            height: 2,
            round: 0,
            slot: Slot::Prevote,
            of: vec![0, 1],
            to: vec![2],
            until_round: Some(1),
            for_ms: 500,
            off: false,
        }];
        plan
    }

    /// When node 2 got the prevotes of height 2, round 0, by voter, and how often "held" counts.
    fn heard(plan: Plan) -> (BTreeMap<u16, Time>, u64) {
        let options = RunOptions {
            trace: true,
            ..RunOptions::default()
        };
        let mut world = World::new(plan, options);
        world.run(&mut |_| {});
        let outcome = world.outcome(None);
        assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
        let mut heard = BTreeMap::new();
        for event in &outcome.trace {
            let What::Delivered { frame, .. } = &event.what else {
                continue;
            };
            let contents = frame
                .contents()
                .ok()
                .filter(|_| event.node == Some(PeerId(2)));
            for message in contents.iter().flat_map(|c| c.messages.iter()) {
                if let Message::Vote(vote) = message
                    && slot(message) == Some((Slot::Prevote, 2, 0))
                {
                    heard.entry(vote.index.0).or_insert(event.time);
                }
            }
        }
        let held = outcome.faults.get("held").copied().unwrap_or(0);
        (heard, held)
    }

    #[test]
    fn what_is_held_comes_later_or_not_at_all_and_the_rest_comes_as_ever() {
        let (late, held) = heard(plan());
        let mut free = plan();
        free.script.holds[0].off = true;
        let (soon, none) = heard(free);
        assert!(held > 0 && none == 0, "{held} {none}");
        assert_eq!(late.get(&3), soon.get(&3), "another one's vote");
        for voter in [0, 1] {
            let later = late.get(&voter).is_none_or(|time| *time > soon[&voter]);
            assert!(later, "voter {voter}");
        }
    }
}
