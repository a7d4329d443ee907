//! Which changes of validators and parameters a seed draws: in every fourth run clients add, remove
//! and weigh correct nodes, and some nodes only follow at the beginning.
//!
//! A change may be committed late, after later ones, or never. So what is drawn keeps byzantine
//! power below one third whichever powers of each node's meet; then a quorum of correct nodes
//! exists as well. A set that nobody would be left in is refused by the chain.

use crate::{
    choice::{Choices, Draw, Stream},
    nemesis::{
        Change, ParamsChange, Plan, Via,
        draw::{Option_, swarm},
    },
};

/// Fewer nodes have too little to change.
const LEAST_NODES: usize = 4;

/// Draws changes into a plan that has none.
pub(super) fn draw(choices: &Choices, plan: &mut Plan, height_ms: u64) {
    let mut draw = swarm(choices, Option_::Reconfigure);
    if draw.below(4) != 0 || plan.powers.len() < LEAST_NODES {
        return;
    }
    let is_correct = |node: &u16| !plan.byzantine.iter().any(|b| b.node == *node);
    let nodes = 0..u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
    let mut correct: Vec<u16> = nodes.filter(is_correct).collect();
    draw.shuffle(&mut correct);
    let full = plan.powers.clone();
    let window = height_ms * (plan.heights + 2);
    for number in 0..draw.between(1..=6) {
        let coords = [Option_::Reconfigure as u64, number, 0, 0];
        let mut draw = choices.draw(Stream::Schedule, coords);
        let change = draw_change(&mut draw, &correct, &full, window);
        plan.changes.push(change);
    }
    plan.changes.sort_by_key(|change| change.at_ms);
    let followers = draw.below(3);
    for node in correct.iter().take(usize::try_from(followers).unwrap_or(0)) {
        plan.powers[usize::from(*node)] = 0;
    }
    if draw.below(2) == 0 {
        plan.params.push(draw_params(&mut draw, window));
    }
    // What would be too much is left out, the weakening of the first set last.
    while !plan.is_within_one_third() && plan.changes.pop().is_some() {}
    if !plan.is_within_one_third() {
        plan.powers = full;
    }
}

/// Half of the changes concern one node, so that it comes and goes.
fn draw_change(draw: &mut Draw, correct: &[u16], full: &[u64], window: u64) -> Change {
    let one = draw.below(2) == 0;
    let any = draw.pick(correct).copied();
    let node = if one { correct.first().copied() } else { any }.unwrap_or(0);
    let own = full[usize::from(node)];
    let power = draw.pick(&[0, 0, own, 2 * own, own + 1]).copied();
    let via = draw.pick(&[Via::App, Via::Config]).copied();
    Change {
        at_ms: draw.between(0..=window),
        node,
        power: power.unwrap_or(own),
        via: via.unwrap_or(Via::App),
    }
}

/// Small blocks and short memories; sometimes parameters that no chain can live with.
fn draw_params(draw: &mut Draw, window: u64) -> ParamsChange {
    let small = |draw: &mut Draw, all: [u64; 4]| draw.pick(&all).copied().unwrap_or(1);
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    ParamsChange {
        at_ms: draw.between(0..=window),
        max_block_txs: narrow(small(draw, [0, 1, 3, 10_000])),
        max_block_bytes: narrow(small(draw, [1_024, 2_048, 4_096, 1 << 20])),
        evidence_max_age: small(draw, [1, 3, 10, 100]),
    }
}

#[cfg(test)]
mod tests {
    use crate::nemesis::{Overrides, Plan, draw};

    fn plans() -> impl Iterator<Item = Plan> {
        (0..400).map(|seed| draw(seed, &Overrides::default()).unwrap())
    }

    #[test]
    fn about_every_fourth_run_reconfigures_and_some_have_nodes_that_only_follow() {
        let changing = plans().filter(|plan| !plan.changes.is_empty()).count();
        assert!((40..140).contains(&changing), "{changing} of 400");
        assert!(plans().any(|plan| plan.powers.contains(&0)));
        assert!(plans().any(|plan| !plan.params.is_empty()));
    }

    #[test]
    fn correct_validators_are_there_at_the_beginning_and_byzantine_ones_keep_their_power() {
        for plan in plans() {
            assert!(plan.powers.iter().any(|power| *power > 0));
            for change in &plan.changes {
                assert!(!plan.byzantine.iter().any(|b| b.node == change.node));
            }
        }
    }
}
