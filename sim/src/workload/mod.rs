//! Clients: transactions that set keys of a small key space, each given to one node.

use engine::{
    app::{Call, Item},
    types::{PeerId, Tx},
};

use crate::{
    choice::{Choices, Stream},
    nemesis::Plan,
};

/// How many different keys are written.
const KEYS: u64 = 64;

/// Draws transactions.
#[derive(Debug, Clone)]
pub struct Workload {
    choices: Choices,
    nodes: u64,
}

impl Workload {
    /// The clients of a plan.
    #[must_use]
    pub fn new(plan: &Plan, choices: &Choices) -> Self {
        Self {
            choices: choices.clone(),
            nodes: plan.powers.len() as u64,
        }
    }

    /// The transaction with this number, and the node it goes to. Its value is its number, so all
    /// are different.
    #[must_use]
    pub fn transaction(&self, number: u64) -> (PeerId, Tx) {
        let mut draw = self.choices.draw(Stream::Workload, [0, number, 0, 0]);
        let node = u16::try_from(draw.below(self.nodes)).unwrap_or(0);
        let key = draw.below(KEYS).to_le_bytes().to_vec();
        let value = number.to_le_bytes().to_vec();
        let item = |bytes| Item::try_from(bytes).unwrap_or_default();
        (
            PeerId(node),
            Call::Set {
                key: item(key),
                value: item(value),
            }
            .to_tx(),
        )
    }
}
