//! Recovery: whatever an honest crash leaves on a disk, a correct node starts from it again, and it
//! stops for good only if its disk has failed it.
//!
//! Source: D3 of the property list, and Tendermint's crash tests (`TestWALCrash`: after a crash at
//! any write the node goes on). An honest crash keeps what was synced and keeps or loses, sector by
//! sector, what was not. A disk has failed a node if it took away what a sync had promised to keep,
//! at any time before, or answered a call with an error since the node was started last. Costs
//! nothing but at starts and stops.

use crate::{
    oracle::{Ghost, Oracle, Violation},
    trace::{Event, What},
};

/// What a node's disk has done to it.
#[derive(Debug, Clone, Copy, Default)]
struct Excuse {
    /// Synced data were damaged.
    damaged: bool,
    /// A call has failed since the last stop.
    failed: bool,
}

/// Watches starts and stops of correct nodes.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    excuses: Vec<Excuse>,
    checks: u64,
}

impl Oracle for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(index) = ghost.correct(event.node) else {
            return Ok(());
        };
        if self.excuses.len() <= index {
            self.excuses.resize(index + 1, Excuse::default());
        }
        let excuse = &mut self.excuses[index];
        let (verb, reason) = match &event.what {
            What::Disk(strike) if strike.trouble.is_damage() => {
                excuse.damaged = true;
                return Ok(());
            }
            What::Disk(_) => {
                excuse.failed = true;
                return Ok(());
            }
            What::Started { .. } => {
                self.checks += 1;
                return Ok(());
            }
            What::Crashed => {
                excuse.failed = false;
                return Ok(());
            }
            What::StartRefused { reason } => ("refuses to start", reason),
            What::Halted { reason } => ("has stopped for good", reason),
            What::Sent { .. }
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
            | What::Stored { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => return Ok(()),
        };
        self.checks += 1;
        let excused = excuse.damaged || excuse.failed;
        excuse.failed = false;
        let Some(node) = event.node.filter(|_| !excused) else {
            return Ok(());
        };
        Err(Box::new(Violation {
            oracle: self.name(),
            what: format!("correct node {node} {verb}, and its disk has not failed it"),
            height: None,
            nodes: vec![node],
            facts: vec![format!("{node} says: {reason}")],
            convicted: Vec::new(),
            rule: "a correct node goes on from whatever an honest crash left (D3; TestWALCrash)",
            liveness: false,
        }))
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
