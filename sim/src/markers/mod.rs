//! Markers: which situations a run reached. An observer reads them off the events and a few
//! inspections of the world. It decides nothing, enters no digest, and no oracle asks it.
//!
//! What a node is said to have done counts for correct nodes only.

mod chain;
mod faults;
mod messages;
mod node;
mod table;
#[cfg(test)]
mod tests;

use engine::types::{Height, PublicKey};

pub use faults::LogSizes;
pub use table::{Marker, Reached, document};

use crate::{
    markers::{chain::Chain, node::View},
    nemesis::{CryptoMode, EmptyBlocksMs, Plan},
    trace::{Event, What},
};

/// Watches one run.
#[derive(Debug)]
pub struct Observer {
    reached: Reached,
    /// What is known of each node; `None` for byzantine ones.
    nodes: Vec<Option<View>>,
    chain: Chain,
    /// One bit for each node that is up.
    up: u128,
    /// One bit for each node that has ever been up.
    begun: u128,
    /// Packets under way, unless some may arrive twice.
    under_way: Option<u64>,
    /// How many correct nodes there are.
    correct: usize,
}

impl Observer {
    /// Before the first event. `keys` are the nodes', in order.
    #[must_use]
    pub fn new(plan: &Plan, keys: &[PublicKey]) -> Self {
        let byzantine = |node: usize| plan.byzantine.iter().any(|b| usize::from(b.node) == node);
        let nodes: Vec<_> = (0..plan.powers.len())
            .map(|node| (!byzantine(node)).then(|| View::new(plan.powers[node])))
            .collect();
        let mut observer = Self {
            reached: Reached::default(),
            correct: nodes.iter().flatten().count(),
            nodes,
            chain: Chain::new(plan, keys),
            up: 0,
            begun: 0,
            under_way: (plan.link.duplicate_ppm == 0).then_some(0),
        };
        observer.plan(plan);
        observer
    }

    /// What was reached so far.
    #[must_use]
    pub fn reached(&self) -> Reached {
        self.reached
    }

    /// Takes in the next event.
    #[inline]
    pub fn observe(&mut self, event: &Event) {
        self.network(&event.what);
        let Some(node) = event.node else {
            return self.world_event(&event.what);
        };
        let place = usize::from(node.0);
        self.life(node, &event.what);
        let Some(Some(view)) = self.nodes.get_mut(place) else {
            return;
        };
        let reached = &mut self.reached;
        match &event.what {
            What::Delivered { frame, .. } => messages::heard(reached, view, frame),
            What::Notice(notice) => view.notice(reached, notice),
            What::Appended { entry, .. } => view.appended(reached, &entry.record),
            What::Started {
                incarnation,
                height,
                ..
            } => {
                let ahead = self.chain.height() > Height::ZERO;
                reached.mark_if(*incarnation == 0 && ahead, Marker::LateStart);
                view.started(reached, *incarnation, *height);
            }
            What::Decided {
                height, decision, ..
            } => {
                view.decided(reached, *height, decision.round, self.chain.height());
                self.chain.decided(reached, *height, decision);
            }
            What::Rejected { reason, blames, .. } => messages::rejected(reached, reason, *blames),
            What::Fired { timer } => reached.mark(match *timer {
                "consensus" => Marker::ConsensusFired,
                "gossip" => Marker::GossipFired,
                _ => Marker::BlockSyncFired,
            }),
            What::Disk(_) => reached.mark(Marker::DiskTrouble),
            What::Crashed
            | What::Stored { .. }
            | What::StartRefused { .. }
            | What::Halted { .. }
            | What::Sent { .. }
            | What::Dropped { .. }
            | What::Synced { .. }
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => {}
        }
    }

    /// What the plan alone brings about.
    fn plan(&mut self, plan: &Plan) {
        let reached = &mut self.reached;
        reached.mark(match plan.crypto {
            CryptoMode::Ed25519 => Marker::Ed25519,
            CryptoMode::Ideal => Marker::Ideal,
        });
        match plan.timeouts.empty_blocks {
            EmptyBlocksMs::Always => {}
            EmptyBlocksMs::Never => reached.mark(Marker::EmptyNever),
            EmptyBlocksMs::EveryMs(_) => reached.mark(Marker::EmptyTimed),
        }
        reached.mark_if(plan.timeouts.skip_commit, Marker::SkipCommit);
        let powers = plan.powers.iter().filter(|power| **power > 0);
        let unequal = powers.clone().min() != powers.max();
        reached.mark_if(unequal, Marker::UnequalPower);
        let clocks = &plan.clock_offsets_ms;
        let (first, last) = (clocks.iter().min(), clocks.iter().max());
        let apart = first.zip(last).map_or(0, |(a, b)| a.abs_diff(*b));
        reached.mark_if(apart > 1_000, Marker::ClocksApart);
    }
}
