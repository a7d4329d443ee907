//! The attack templates: situations in which engines have been seen to fail, with drawn
//! parameters. Each is a piece of script for one height; byzantine lines, holds, and sometimes a
//! cut. With noise, some of it is left out.
//!
//! The words: lockers are correct nodes that, together with the byzantine ones, have more than 2/3
//! of the power; the rest are the other correct nodes; the victim is one of the lockers.

use crate::{
    choice::{Choices, Draw, Ratio},
    nemesis::{
        Fault, FaultKind, Hold, Line, OwnMessage, Plan, Say, Slot, When,
        byzantine::{correct, of_height},
        draw::{Option_, swarm},
        grammar::some,
    },
};

/// The templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Template {
    /// One node alone sees a polka and locks; the others go on without it.
    HiddenLock,
    /// The polka of a round is seen rounds later.
    LatePolka,
    /// One node decides, nobody hears of it, and then it is cut off.
    EarlyDecider,
    /// Precommits of a round are signed and told when everybody is rounds further.
    BackToThePast,
    /// Everybody locks, nobody decides, and the byzantine ones vote for whatever comes next.
    Amnesia,
    /// Half of the network hears the other half, which does not hear it.
    Diode,
    /// A block is proposed again with a polka that is older than the locks.
    OldProof,
    /// A round without a proposal between a lock and the next proposal.
    NilRound,
}

const TEMPLATES: [Template; 8] = [
    Template::HiddenLock,
    Template::LatePolka,
    Template::EarlyDecider,
    Template::BackToThePast,
    Template::Amnesia,
    Template::Diode,
    Template::OldProof,
    Template::NilRound,
];

/// How much of an attack is left out, in percent; drawn once for a run.
const NOISE: [u32; 4] = [0, 5, 15, 30];
/// How many rounds after its beginning an attack has lines.
const ROUNDS: u32 = 6;

/// Whether a fault is of a kind that attacks bring, and begins as theirs do.
pub(super) fn is_part(fault: &Fault) -> bool {
    matches!(
        (&fault.kind, fault.at),
        (FaultKind::OneWay { .. }, When::Own { .. })
    )
}

/// Writes attacks for half of the heights.
pub(super) fn draw(choices: &Choices, plan: &mut Plan, height_ms: u64) {
    let mut swarm = swarm(choices, Option_::Templates);
    let noise = Ratio::percent(swarm.pick(&NOISE).copied().unwrap_or(0));
    // Half of the runs know one template only.
    let only = swarm
        .pick(&TEMPLATES)
        .copied()
        .filter(|_| swarm.below(2) == 0);
    for height in 1..=plan.heights {
        let mut draw = of_height(choices, Option_::Templates, height);
        let any = draw.pick(&TEMPLATES).copied();
        let Some(template) = only.or(any).filter(|_| draw.below(2) == 0) else {
            continue;
        };
        let mut attack = Attack::new(&mut draw, plan, height, height_ms);
        attack.write(&mut draw, template);
        attack.says.retain(|_| !draw.chance(noise));
        attack.holds.retain(|_| !draw.chance(noise));
        plan.script.says.append(&mut attack.says);
        plan.script.holds.append(&mut attack.holds);
        plan.faults.append(&mut attack.faults);
    }
}

/// One attack in the making.
struct Attack {
    height: u64,
    /// The round in which it begins.
    round: u32,
    byzantine: Vec<u16>,
    /// The correct nodes.
    all: Vec<u16>,
    lockers: Vec<u16>,
    rest: Vec<u16>,
    victim: u16,
    for_ms: u64,
    /// About how long a round lasts that decides nothing.
    round_ms: u64,
    says: Vec<Say>,
    holds: Vec<Hold>,
    faults: Vec<Fault>,
}

impl Attack {
    fn new(draw: &mut Draw, plan: &Plan, height: u64, height_ms: u64) -> Self {
        let wait = plan.timeouts;
        let round_ms = wait.propose + wait.prevote + wait.precommit;
        let mut all = correct(plan);
        draw.shuffle(&mut all);
        let total: u64 = plan.powers.iter().sum();
        let power = |node: u16| plan.powers.get(usize::from(node)).copied().unwrap_or(0);
        let mut have: u64 = plan.byzantine.iter().map(|b| power(b.node)).sum();
        let (mut lockers, mut rest) = (Vec::new(), Vec::new());
        for node in &all {
            if 3 * have > 2 * total {
                rest.push(*node);
            } else {
                have += power(*node);
                lockers.push(*node);
            }
        }
        Self {
            height,
            round: u32::try_from(draw.below(5).saturating_sub(2)).unwrap_or(0),
            victim: lockers.first().copied().unwrap_or(0),
            byzantine: plan.byzantine.iter().map(|b| b.node).collect(),
            all,
            lockers,
            rest,
            for_ms: draw.between(1..=6) * (height_ms + round_ms),
            round_ms,
            says: Vec::new(),
            holds: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn others(&self) -> Vec<u16> {
        let others = self.all.iter().copied();
        others.filter(|node| *node != self.victim).collect()
    }

    fn say(&mut self, round: u32, slot: Slot, to: &[u16], says: Line) {
        self.say_late(round, slot, to, says, 0);
    }

    fn say_late(&mut self, round: u32, slot: Slot, to: &[u16], says: Line, late_ms: u64) {
        if !to.is_empty() {
            self.says.push(Say {
                height: self.height,
                round,
                slot,
                to: to.to_vec(),
                says,
                late_ms,
            });
        }
    }

    fn hold(&mut self, round: u32, slot: Slot, to: &[u16], until_round: Option<u32>) {
        if !to.is_empty() {
            self.holds.push(Hold {
                height: self.height,
                round,
                slot,
                of: Vec::new(),
                to: to.to_vec(),
                until_round,
                for_ms: self.for_ms,
                off: false,
            });
        }
    }

    /// The rest sees neither the proposal of a round nor its block, and votes nil.
    fn blind(&mut self, round: u32) {
        let rest = self.rest.clone();
        self.hold(round, Slot::Proposal, &rest, Some(round + 1));
        self.hold(round, Slot::Part, &rest, Some(round + 1));
    }

    /// The lockers lock and precommit, which is not enough for a decision.
    fn lock(&mut self, round: u32) {
        let all = self.all.clone();
        self.blind(round);
        self.say(round, Slot::Prevote, &all, Line::Proposed);
        self.say(round, Slot::Precommit, &all, Line::Nil);
    }

    /// Proposals of some nodes reach nobody: rounds in which it is their turn end with nil.
    fn mute(&mut self, from: u32, of: &[u16]) {
        let all = self.all.clone();
        for round in from..self.round + ROUNDS {
            self.hold_of(round, Slot::Proposal, of, &all, Some(round + 1));
        }
    }

    fn hold_of(&mut self, round: u32, slot: Slot, of: &[u16], to: &[u16], until: Option<u32>) {
        if !of.is_empty() {
            self.hold(round, slot, to, until);
            let hold = self.holds.last_mut();
            hold.into_iter().for_each(|hold| hold.of = of.to_vec());
        }
    }

    /// The byzantine ones vote for what is proposed, whatever they voted for before, and propose
    /// nothing that anybody locked on.
    fn forget(&mut self, from: u32) {
        let all = self.all.clone();
        for round in from..self.round + ROUNDS {
            self.say(round, Slot::Proposal, &all, Line::Nothing);
            self.say(round, Slot::Prevote, &all, Line::Proposed);
            self.say(round, Slot::Precommit, &all, Line::Proposed);
        }
    }

    fn write(&mut self, draw: &mut Draw, template: Template) {
        match template {
            Template::HiddenLock => self.hidden_lock(draw),
            Template::LatePolka => self.late_polka(draw),
            Template::EarlyDecider => self.early_decider(),
            Template::BackToThePast => self.back_to_the_past(draw),
            Template::Amnesia => self.amnesia(draw),
            Template::Diode => self.diode(draw),
            Template::OldProof => self.old_proof(draw),
            Template::NilRound => self.nil_round(draw),
        }
    }

    /// What is missing for a polka only the victim hears, and nobody passes it on.
    fn hidden_lock(&mut self, draw: &mut Draw) {
        let (round, victim, others) = (self.round, [self.victim], self.others());
        let byzantine = self.byzantine.clone();
        self.blind(round);
        self.say(round, Slot::Prevote, &victim, Line::Proposed);
        let lines = [Line::Nothing, Line::Nil];
        let line = draw.pick(&lines).copied().unwrap_or(Line::Nil);
        self.say(round, Slot::Prevote, &others, line);
        let until = Some(round + 2);
        self.hold_of(round, Slot::Prevote, &byzantine, &others, until);
        self.say(round, Slot::Precommit, &others, Line::Nil);
        self.mute(round + 1, &victim);
        self.forget(round + 1);
    }

    /// What is missing for a polka comes when the round is over.
    fn late_polka(&mut self, draw: &mut Draw) {
        let (round, all) = (self.round, self.all.clone());
        let late = some(draw, &all);
        self.blind(round);
        self.say_late(
            round,
            Slot::Prevote,
            &late,
            Line::Proposed,
            self.later(draw),
        );
        self.say(round, Slot::Prevote, &all, Line::Nothing);
        self.say(round, Slot::Precommit, &all, Line::Nil);
        self.forget(round + 1);
    }

    /// Between half a round and two rounds, in milliseconds.
    fn later(&self, draw: &mut Draw) -> u64 {
        draw.between(self.round_ms / 2..=2 * self.round_ms)
    }

    /// The lockers lock, the victim alone hears the last precommit.
    fn early_decider(&mut self) {
        let (round, others, lockers) = (self.round, self.others(), self.lockers.clone());
        let (node, victim) = (self.victim, [self.victim]);
        self.say(round, Slot::Precommit, &victim, Line::Proposed);
        self.lock(round);
        self.faults.push(Fault {
            at: When::Own {
                node,
                sends: OwnMessage::Precommit,
                height: self.height,
                round,
            },
            kind: FaultKind::OneWay {
                from: victim.to_vec(),
                to: others,
                for_ms: self.for_ms,
            },
            off: false,
        });
        self.mute(round + 1, &lockers);
        self.forget(round + 1);
    }

    /// The victim alone locks; the byzantine precommits come when a later round decides.
    fn back_to_the_past(&mut self, draw: &mut Draw) {
        let (round, all) = (self.round, self.all.clone());
        let late = self.later(draw) * 2;
        self.say_late(round, Slot::Precommit, &all, Line::Proposed, late);
        self.hidden_lock(draw);
    }

    fn amnesia(&mut self, draw: &mut Draw) {
        let (round, all, lockers) = (self.round, self.all.clone(), self.lockers.clone());
        self.lock(round);
        if draw.below(2) == 0 {
            // The first block of the height without a proof.
            for later in round + 1..round + ROUNDS {
                self.say(later, Slot::Proposal, &all, Line::Other);
            }
        } else {
            self.mute(round + 1, &lockers);
        }
        self.forget(round + 1);
    }

    fn diode(&mut self, draw: &mut Draw) {
        let (round, all, node) = (self.round, self.all.clone(), self.victim);
        let small = some(draw, &all);
        let large: Vec<u16> = all.iter().copied().filter(|n| !small.contains(n)).collect();
        self.say(round, Slot::Prevote, &large, Line::Proposed);
        self.say(round, Slot::Precommit, &small, Line::Proposed);
        self.say(round, Slot::Precommit, &large, Line::Nil);
        self.forget(round + 1);
        if !large.is_empty() {
            self.faults.push(Fault {
                at: When::Own {
                    node,
                    sends: OwnMessage::Prevote,
                    height: self.height,
                    round,
                },
                kind: FaultKind::OneWay {
                    from: small,
                    to: large,
                    for_ms: self.for_ms,
                },
                off: false,
            });
        }
    }

    /// Nobody sees the first polka in time; in the next round the lockers lock; then comes the
    /// first block with its polka, as soon as it is the turn of a byzantine one.
    fn old_proof(&mut self, draw: &mut Draw) {
        let (round, all) = (self.round, self.all.clone());
        self.blind(round);
        self.say_late(round, Slot::Prevote, &all, Line::Proposed, self.later(draw));
        self.say(round, Slot::Precommit, &all, Line::Nil);
        self.lock(round + 1);
        for later in round + 2..round + ROUNDS {
            self.say(later, Slot::Proposal, &all, Line::First);
            self.say(later, Slot::Prevote, &all, Line::First);
            self.say(later, Slot::Precommit, &all, Line::First);
        }
        self.mute(round + 2, &all);
    }

    /// The lockers lock, the rest does not learn of it; rounds in which nobody sees a proposal end
    /// with nil, until the rest proposes another block.
    fn nil_round(&mut self, draw: &mut Draw) {
        let (round, rest, lockers) = (self.round, self.rest.clone(), self.lockers.clone());
        self.lock(round);
        let until = u32::try_from(draw.between(2..=4)).unwrap_or(2);
        self.hold(round, Slot::Prevote, &rest, Some(round + until));
        self.mute(round + 1, &lockers);
        self.forget(round + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::Overrides;

    fn plan(seed: u64) -> Plan {
        crate::nemesis::draw(seed, &Overrides::default()).unwrap()
    }

    #[test]
    fn lockers_and_byzantine_validators_have_a_quorum_and_the_rest_is_not_needed() {
        for seed in 0..200 {
            let plan = plan(seed);
            let choices = Choices::new(seed);
            let mut draw = of_height(&choices, Option_::Templates, 1);
            let attack = Attack::new(&mut draw, &plan, 1, 100);
            let sum = |nodes: &[u16]| -> u64 {
                nodes
                    .iter()
                    .map(|node| plan.powers[usize::from(*node)])
                    .sum()
            };
            let bad: Vec<u16> = plan.byzantine.iter().map(|b| b.node).collect();
            let total: u64 = plan.powers.iter().sum();
            assert!(3 * (sum(&attack.lockers) + sum(&bad)) > 2 * total);
            assert!(attack.lockers.contains(&attack.victim));
            assert_eq!(
                attack.lockers.len() + attack.rest.len(),
                correct(&plan).len()
            );
        }
    }

    #[test]
    fn every_template_says_and_holds_something_at_its_height_only() {
        let plan = plan(3);
        for template in TEMPLATES {
            let mut draw = of_height(&Choices::new(3), Option_::Templates, 5);
            let mut attack = Attack::new(&mut draw, &plan, 5, 100);
            attack.write(&mut draw, template);
            assert!(!attack.says.is_empty(), "{template:?}");
            let quiet = attack.holds.is_empty() && attack.faults.is_empty();
            assert!(!quiet, "{template:?}");
            assert!(attack.says.iter().all(|say| say.height == 5));
            assert!(attack.holds.iter().all(|hold| hold.height == 5));
        }
    }
}
