//! The parts of a decision become durable in an order in which a crash loses nothing.
//!
//! Statement: when a correct node makes a decision durable, then by the record of its disk first
//! the records that led to it are durable, then the block, then the end of the height in the log,
//! then the application, then the state.
//!
//! Source: the order of Tendermint's `finalizeCommit` (`SaveBlock`, `EndHeightMessage`,
//! `ApplyBlock`, `SaveState`; its fail points lie between them). Some other orders are harmless to
//! this engine's start, because it repairs more than it has to; a start that trusts one of these
//! files about another needs all of it.
//!
//! Cost: a look at a few paths per decision.

use engine::types::Height;

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
};
use crate::trace::{Event, Part, What};

const RULE: Rule = Rule {
    name: "commit_order",
    rule: "a decision becomes durable in the order log, block, end of height, application, state",
};

/// Judges the order in which decisions become durable.
#[derive(Debug, Default)]
pub(super) struct CommitOrder {
    checks: u64,
}

/// Whether the order is the right one. A log may take several steps: segments begin in between,
/// and old ones go at the end.
fn in_order(height: Height, log_ahead: bool, parts: &[Part]) -> bool {
    let right = [
        Part::Log,
        Part::Block(height),
        Part::Log,
        Part::App,
        Part::State,
    ];
    let mut parts = parts.to_vec();
    parts.dedup();
    if parts.last() == Some(&Part::Log) {
        parts.pop();
    }
    parts == right || (!log_ahead && parts == right[1..])
}

impl Oracle for CommitOrder {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        let What::Stored {
            height,
            log_ahead,
            parts,
        } = &event.what
        else {
            return Ok(());
        };
        self.checks += 1;
        if in_order(*height, *log_ahead, parts) {
            return Ok(());
        }
        let (name, time) = (facts::node(node), facts::at(event.time));
        let what =
            format!("{name} made height {height} durable in an order that a crash can break");
        let order: Vec<_> = parts.iter().map(|part| part.name()).collect();
        let facts = vec![
            format!("{time} {name} made durable: {}", order.join(", ")),
            "right is: log, block, log, application, state".to_owned(),
        ];
        Err(RULE.broken(what, (height.0, &[node]), facts))
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
