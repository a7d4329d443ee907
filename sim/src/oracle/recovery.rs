//! Recovery: whatever an honest crash leaves on a disk, a correct node starts from it again, and it
//! never stops for good.
//!
//! Source: D3 of the property list, and Tendermint's crash tests (`TestWALCrash`: after a crash at
//! any write the node goes on). An honest crash keeps what was synced and keeps or loses, sector by
//! sector, what was not; no world damages synced data in a run that this oracle judges. Costs
//! nothing but at starts and stops.

use crate::{
    oracle::{Ghost, Oracle, Violation},
    trace::{Event, What},
};

/// Watches starts and stops of correct nodes.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    checks: u64,
}

impl Oracle for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let (verb, reason) = match &event.what {
            What::Started { .. } => {
                self.checks += 1;
                return Ok(());
            }
            What::StartRefused { reason } => ("refuses to start", reason),
            What::Halted { reason } => ("has stopped for good", reason),
            What::Crashed
            | What::Sent { .. }
            | What::Dropped { .. }
            | What::Delivered { .. }
            | What::Fired { .. }
            | What::Appended { .. }
            | What::Synced { .. }
            | What::Decided { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Healed { .. } => return Ok(()),
        };
        self.checks += 1;
        let Some(node) = ghost.correct(event.node).and(event.node) else {
            return Ok(());
        };
        Err(Box::new(Violation {
            oracle: self.name(),
            what: format!("correct node {node} {verb}"),
            height: None,
            nodes: vec![node],
            facts: vec![format!("{node} says: {reason}")],
            rule: "a correct node goes on from whatever an honest crash left (D3; TestWALCrash)",
            liveness: false,
        }))
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
