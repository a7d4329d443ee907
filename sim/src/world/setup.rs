//! What a plan says, in the words of those who play in it: judges, chain, network, disks.

use std::sync::Arc;

use engine::types::{ChainId, Params, PeerId, Span, ValidatorUpdate};

use crate::{
    choice::{Choices, Stream},
    clock::START,
    markers::Observer,
    nemesis::Plan,
    oracle::{Member, Setup, Work},
    outcome::RunOptions,
    world::Cast,
};

/// The decisions of the run: the seed's, but for those that the plan gives.
pub(super) fn choices(plan: &Plan, options: RunOptions) -> Choices {
    let given = plan.overrides.iter();
    let overrides = given.map(|d| ((d.stream, d.at), d.value)).collect();
    let choices = Choices::new(plan.seed).with_overrides(&overrides);
    if options.trace {
        choices.recorded()
    } else {
        choices
    }
}

/// Who notes which situations are reached.
pub(super) fn observer(plan: &Plan, cast: &Cast) -> Observer {
    let keys: Vec<_> = cast.signers.iter().map(|key| key.public_key()).collect();
    Observer::new(plan, &keys)
}

/// What the judges know before the run.
pub(crate) fn setup(plan: &Plan, cast: &Cast) -> Setup {
    let correct = |i: usize| plan.is_correct(u16::try_from(i).unwrap_or(u16::MAX));
    let member = |(i, signer): (usize, &Arc<dyn engine::crypto::Sign>)| Member {
        key: signer.public_key(),
        power: plan.powers[i],
        correct: correct(i),
    };
    Setup {
        chain: chain(),
        validators: cast.signers.iter().enumerate().map(member).collect(),
        params: Params::default(),
        verify: Arc::clone(&cast.verify),
        within_one_third: plan.is_within_one_third(),
        work: work(plan),
        without: Vec::new(),
    }
}

/// How many events a run may take. Seeds take up to 300 for each pair of nodes and height, and
/// where some nodes wait for others up to 170,000 in all.
fn work(plan: &Plan) -> Work {
    let nodes = plan.powers.len() as u64;
    let heights = plan.heights + plan.stable_heights;
    Work {
        at_least: 1_000_000 + 2_000 * nodes * nodes * heights,
        per_height: 600 * nodes * nodes,
    }
}

/// The name of every simulated chain.
pub(super) fn chain() -> ChainId {
    ChainId::try_from(b"gauntlet".to_vec()).unwrap_or_default()
}

/// The chain's beginning: every node with power is a validator.
pub(crate) fn genesis(plan: &Plan, cast: &Cast) -> engine::ledger::Genesis {
    let update = |(signer, power): (&Arc<dyn engine::crypto::Sign>, &u64)| ValidatorUpdate {
        key: signer.public_key(),
        power: *power,
    };
    let members = cast.signers.iter().zip(&plan.powers);
    let strong = members.filter(|(_, power)| **power > 0);
    let validators = strong.map(update).collect();
    engine::ledger::Genesis {
        chain: chain(),
        time: START,
        validators,
        params: Params::default(),
    }
}

/// A drawn time between the plan's bounds for one disk operation.
pub(super) fn sync_time(plan: &Plan, choices: &Choices, node: PeerId, number: u64) -> Span {
    let draw = choices.draw(Stream::DiskLatency, [u64::from(node.0), number, 0, 0]);
    let mut draw = draw;
    Span::micros(draw.between(plan.sync_us.min..=plan.sync_us.max.max(plan.sync_us.min)))
}
