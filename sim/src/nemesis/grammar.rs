//! The vote grammar: what the byzantine validators say to whom in each round and slot, and what of
//! the correct ones is held back from whom until when.

use crate::{
    choice::{Choices, Draw, Ratio},
    nemesis::{
        Hold, Line, Plan, Say, Slot,
        byzantine::{correct, of_height},
        draw::{Option_, swarm},
    },
};

/// How many rounds of a height have lines.
const ROUNDS: u32 = 4;
/// How often something is held back in a slot, in percent; drawn once for a run.
const HOLD: [u32; 6] = [0, 5, 10, 20, 35, 50];
/// What votes are made of. A whole round of truth keeps heights going.
const VOTES: [Line; 7] = [
    Line::Truth,
    Line::Truth,
    Line::Nothing,
    Line::Nil,
    Line::Proposed,
    Line::First,
    Line::Other,
];
const PROPOSALS: [Line; 5] = [
    Line::Truth,
    Line::Truth,
    Line::Nothing,
    Line::First,
    Line::Other,
];

/// Writes lines and holds for three of four heights.
pub(super) fn draw(choices: &Choices, plan: &mut Plan, height_ms: u64) {
    let mut swarm = swarm(choices, Option_::Grammar);
    let hold = Ratio::percent(swarm.pick(&HOLD).copied().unwrap_or(0));
    let nodes = correct(plan);
    for height in 1..=plan.heights {
        let mut draw = of_height(choices, Option_::Grammar, height);
        if draw.below(4) == 0 {
            continue;
        }
        for round in 0..ROUNDS {
            for slot in [Slot::Proposal, Slot::Prevote, Slot::Precommit] {
                let says = lines(&mut draw, &nodes, (height, round, slot), height_ms);
                plan.script.says.extend(says);
                if draw.chance(hold) {
                    let at = (height, round, slot);
                    plan.script
                        .holds
                        .push(hold_of(&mut draw, &nodes, at, height_ms));
                }
            }
        }
    }
}

/// Some nodes hear one line, the rest another.
fn lines(
    draw: &mut Draw,
    nodes: &[u16],
    (height, round, slot): (u64, u32, Slot),
    height_ms: u64,
) -> Vec<Say> {
    let lines: &[Line] = match slot {
        Slot::Proposal | Slot::Part => &PROPOSALS,
        Slot::Prevote | Slot::Precommit => &VOTES,
    };
    let one = some(draw, nodes);
    let others = nodes.iter().copied().filter(|node| !one.contains(node));
    let groups = [one.clone(), others.collect()];
    let mut says = Vec::new();
    for to in groups {
        let line = draw.pick(lines).copied().unwrap_or(Line::Truth);
        let late = draw.below(4) == 0;
        let ms = draw.between(1..=2 * height_ms);
        let late_ms = if late { ms } else { 0 };
        if to.is_empty() || (line == Line::Truth && !late) {
            continue;
        }
        says.push(Say {
            height,
            round,
            slot,
            to,
            says: line,
            late_ms,
        });
    }
    says
}

fn hold_of(
    draw: &mut Draw,
    nodes: &[u16],
    (height, round, slot): (u64, u32, Slot),
    height_ms: u64,
) -> Hold {
    let later = u32::try_from(draw.between(1..=3)).unwrap_or(1);
    Hold {
        height,
        round,
        slot,
        of: some(draw, nodes),
        to: some(draw, nodes),
        until_round: Some(round + later),
        for_ms: draw.between(1..=4 * height_ms),
        off: false,
    }
}

/// At least one node, each other one as likely as not.
pub(super) fn some(draw: &mut Draw, nodes: &[u16]) -> Vec<u16> {
    let sure = draw.pick(nodes).copied();
    let in_it = |node: &u16| draw.below(2) == 0 || Some(*node) == sure;
    nodes.iter().copied().filter(in_it).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::nemesis::{Overrides, byzantine::Mix};

    #[test]
    fn a_grammar_has_every_line_and_names_correct_nodes_only() {
        let plans = (0..200).map(|seed| crate::nemesis::draw(seed, &Overrides::default()).unwrap());
        let grammar = |plan: &Plan| {
            let mix = crate::nemesis::byzantine::mix(&Choices::new(plan.seed));
            mix == Mix::Grammar
        };
        let mut lines = BTreeSet::new();
        let mut holds = 0;
        for plan in plans.filter(grammar) {
            let nodes = correct(&plan);
            for say in &plan.script.says {
                lines.insert(say.says);
                assert!(!say.to.is_empty() && say.to.iter().all(|to| nodes.contains(to)));
            }
            holds += plan.script.holds.len();
        }
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(holds > 100, "{holds}");
    }
}
