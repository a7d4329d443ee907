//! What generates a run's schedule, and which byzantine validators it has: the mix whose shares
//! `docs/FAULTS.md` states.
//!
//! Templates and grammar write a script; twins add a node. The faults of `faults.rs` come on top,
//! in half of these runs.

use crate::{
    choice::{Choices, Draw, Stream},
    nemesis::{
        Behaviour, Byzantine, Overrides, Plan, attacks,
        draw::{Option_, swarm},
        grammar,
    },
    world::MAX_NODES,
};

/// What generates a run's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mix {
    /// Known attacks with drawn parameters.
    Templates,
    /// Who says what to whom, and what is held back until when.
    Grammar,
    /// Two nodes with one key.
    Twins,
    /// One of the behaviours that are no script.
    OneBehaviour,
    /// Loss, cuts, crashes, and an equivocator, a liar or a silent validator.
    Noise,
}

/// The behaviours of [`Mix::OneBehaviour`].
const BEHAVIOURS: [Behaviour; 9] = [
    Behaviour::Amnesia,
    Behaviour::HiddenLock,
    Behaviour::Withhold,
    Behaviour::Stale,
    Behaviour::Mutate,
    Behaviour::Replay,
    Behaviour::Garbage,
    Behaviour::Flood,
    Behaviour::Slow,
];

/// The generator of a seed, in twentieths: 4, 4, 2, 4 and 6.
pub(super) fn mix(choices: &Choices) -> Mix {
    match swarm(choices, Option_::Mix).below(20) {
        0..4 => Mix::Templates,
        4..8 => Mix::Grammar,
        8..10 => Mix::Twins,
        10..14 => Mix::OneBehaviour,
        _ => Mix::Noise,
    }
}

/// Gives the byzantine validator its behaviour and, in half of the runs, companions as far as the
/// power goes.
pub(super) fn draw_cast(choices: &Choices, plan: &mut Plan, overrides: &Overrides) {
    let chosen = match mix(choices) {
        Mix::Templates | Mix::Grammar => Some(Behaviour::Scripted),
        Mix::Twins => None,
        Mix::OneBehaviour => {
            let mut draw = swarm(choices, Option_::OneBehaviour);
            draw.pick(&BEHAVIOURS).copied()
        }
        Mix::Noise => None,
    };
    let Some(first) = plan.byzantine.first().copied() else {
        return;
    };
    let fixed = overrides.byzantine.is_some() || overrides.validators.is_some();
    if mix(choices) == Mix::Twins && !fixed && plan.powers.len() < MAX_NODES {
        let twin = u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
        plan.powers.push(0);
        let node = |node| Byzantine {
            node,
            behaviour: Behaviour::Twin,
        };
        plan.byzantine = vec![node(first.node), node(twin)];
        return;
    }
    if let Some(behaviour) = chosen {
        for byzantine in &mut plan.byzantine {
            byzantine.behaviour = behaviour;
        }
    }
    if overrides.byzantine.is_none() {
        let behaviour = chosen.unwrap_or(first.behaviour);
        draw_companions(choices, plan, behaviour);
    }
}

fn draw_companions(choices: &Choices, plan: &mut Plan, behaviour: Behaviour) {
    let mut draw = swarm(choices, Option_::Companions);
    if draw.below(2) == 0 {
        return;
    }
    let mut nodes: Vec<u16> = (0..u16::try_from(plan.powers.len()).unwrap_or(u16::MAX)).collect();
    draw.shuffle(&mut nodes);
    for node in nodes {
        if plan.byzantine.iter().any(|b| b.node == node) {
            continue;
        }
        plan.byzantine.push(Byzantine { node, behaviour });
        if !plan.is_within_one_third() {
            plan.byzantine.pop();
        }
    }
}

/// Writes the script of a run, and in half of the runs that have one takes the other faults away.
pub(super) fn draw_script(choices: &Choices, plan: &mut Plan, height_ms: u64) {
    match mix(choices) {
        Mix::Templates => attacks::draw(choices, plan, height_ms),
        Mix::Grammar => grammar::draw(choices, plan, height_ms),
        Mix::Twins => {}
        Mix::OneBehaviour | Mix::Noise => return,
    }
    if swarm(choices, Option_::Calm).below(2) == 0 {
        plan.faults.retain(attacks::is_part);
        plan.link.loss_ppm = 0;
        plan.link.duplicate_ppm = 0;
    }
}

/// The draw of one height of a script.
pub(super) fn of_height(choices: &Choices, option: Option_, height: u64) -> Draw {
    choices.draw(Stream::Schedule, [option as u64, height, 0, 0])
}

/// The nodes that are not byzantine.
pub(super) fn correct(plan: &Plan) -> Vec<u16> {
    let is_correct = |node: &u16| !plan.byzantine.iter().any(|b| b.node == *node);
    let nodes = 0..u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
    nodes.filter(is_correct).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::nemesis::draw;

    fn plans() -> impl Iterator<Item = Plan> {
        (0..1_000).map(|seed| draw(seed, &Overrides::default()).unwrap())
    }

    #[test]
    fn every_behaviour_is_drawn_and_each_generator_has_its_share() {
        let mut mixes: BTreeMap<Mix, u32> = BTreeMap::new();
        let mut behaviours: BTreeMap<Behaviour, u32> = BTreeMap::new();
        for plan in plans() {
            *mixes.entry(mix(&Choices::new(plan.seed))).or_default() += 1;
            for byzantine in &plan.byzantine {
                *behaviours.entry(byzantine.behaviour).or_default() += 1;
            }
        }
        let share = |mix| mixes[&mix];
        assert!((160..240).contains(&share(Mix::Templates)), "{mixes:?}");
        assert!((160..240).contains(&share(Mix::Grammar)), "{mixes:?}");
        assert!((70..130).contains(&share(Mix::Twins)), "{mixes:?}");
        assert!((160..240).contains(&share(Mix::OneBehaviour)), "{mixes:?}");
        for behaviour in BEHAVIOURS {
            assert!(behaviours.contains_key(&behaviour), "{behaviour:?}");
        }
        assert!(behaviours[&Behaviour::Scripted] > 200 && behaviours[&Behaviour::Twin] > 100);
    }

    #[test]
    fn some_runs_have_companions_and_all_of_a_run_behave_alike() {
        let mut companions = 0;
        for plan in plans() {
            companions += u32::from(plan.byzantine.len() > 1);
            let alike = plan.byzantine.windows(2);
            assert!(
                alike
                    .into_iter()
                    .all(|two| two[0].behaviour == two[1].behaviour)
            );
        }
        assert!(companions > 150, "{companions}");
    }

    #[test]
    fn a_twin_is_one_node_more_and_has_no_power_of_its_own() {
        let is_twin = |plan: &Plan| {
            let first = plan.byzantine.first();
            first.is_some_and(|b| b.behaviour == Behaviour::Twin)
        };
        let with: Vec<Plan> = plans().filter(is_twin).collect();
        assert!(with.len() > 50);
        for plan in with {
            let last = u16::try_from(plan.powers.len() - 1).unwrap();
            assert_eq!((plan.byzantine.len(), plan.byzantine[1].node), (2, last));
            assert_eq!(plan.powers.last(), Some(&0));
        }
    }
}
