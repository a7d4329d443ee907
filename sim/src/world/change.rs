//! Clients that change the chain's configuration: they give a transaction to every correct node
//! that is up. What comes of it is the chain's business: a transaction may come late, or change
//! nothing.

use engine::{
    app::Call,
    types::{ConfigChange, Span},
};

use crate::{
    clock::START,
    nemesis::Via,
    world::{Pending, Phase, World},
};

impl World {
    /// Changes of power first, then those of parameters.
    pub(super) fn schedule_changes(&mut self) {
        let powers = self.plan.changes.iter().map(|change| change.at_ms);
        let params = self.plan.params.iter().map(|change| change.at_ms);
        for (index, ms) in powers.chain(params).enumerate() {
            let at = START.after(Span::millis(ms));
            self.queue.push(at, Pending::Change { index });
        }
    }

    pub(super) fn ask_for_change(&mut self, index: usize) {
        if self.phase == Phase::Over {
            return;
        }
        // A client asks the chain how many changes there were. Somebody may be faster.
        let sequence = self.judge.config_sequence();
        let changes = &self.plan.changes;
        let call = if let Some(change) = changes.get(index) {
            let (key, power) = (self.hosts[usize::from(change.node)].key, change.power);
            match change.via {
                Via::App => Call::Power { key, power },
                Via::Config => Call::Configure {
                    sequence,
                    change: ConfigChange::Power { key, power },
                },
            }
        } else {
            let params = self.plan.params[index - changes.len()].to_engine();
            Call::Configure {
                sequence,
                change: ConfigChange::Params(params),
            }
        };
        self.count("reconfigure");
        let tx = call.to_tx();
        for node in self.nodes() {
            if self.is_correct(node) {
                self.give(node, tx.clone());
            }
        }
    }
}
