//! Clients submit transactions, as the workload draws them.

use engine::{
    node::Input,
    types::{PeerId, Span, Tx, sha256},
};

use crate::{
    trace::What,
    world::{Pending, Phase, World},
};

impl World {
    /// Gives nodes the transactions of one time, and comes back for the next.
    pub(super) fn submit(&mut self, number: u64) {
        if self.phase == Phase::Over {
            return;
        }
        for (node, tx) in self.workload.batch(number) {
            self.submit_one(node, tx);
        }
        let next = self.now.after(Span::millis(self.plan.tx_every_ms));
        self.queue
            .push(next, Pending::Submit { number: number + 1 });
    }

    /// Gives a transaction to a node if it is up; after the healing clients turn to the core.
    fn submit_one(&mut self, node: PeerId, tx: Tx) {
        let place = usize::from(node.0) % self.core.len().max(1);
        let node = match self.core.get(place) {
            Some(working) if !self.core.contains(&node) => *working,
            Some(_) | None => node,
        };
        self.give(node, tx);
    }

    /// A client gives a transaction to a node; to one that is down or paused in vain.
    pub(super) fn give(&mut self, node: PeerId, tx: Tx) {
        let listens = self.host(node).up && !self.is_paused(node);
        if listens && self.violation.is_none() {
            let hash = sha256(&tx);
            self.emit(Some(node), What::Submitted { tx: hash });
            self.input(node, Input::Submit(tx));
        }
    }
}
