//! A correct node blames no correct node.
//!
//! Statement: when a correct node says that a peer's message proves a broken protocol, that peer is
//! byzantine. Messages that are refused without such a claim are not judged.
//!
//! Source: accuracy of failure detectors ("no correct process is suspected by a correct one");
//! Tendermint stops a peer for an error, so a wrong verdict takes a correct node's links away.
//! Loss, repetition, delay and reordering are the network's doing and no proof. Only judged while
//! byzantine power is below one third: above it, two majorities may both be honest claims.
//!
//! Cost: one comparison per refused message.

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "peer_blame",
    rule: "accuracy: a node that follows the protocol is never blamed by one that does",
};

/// Watches who blames whom.
#[derive(Debug, Default)]
pub(super) struct PeerBlame {
    checks: u64,
}

impl Oracle for PeerBlame {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let What::Rejected {
            peer,
            reason,
            blames: true,
        } = &event.what
        else {
            return Ok(());
        };
        let Some(by) = ghost.correct(event.node) else {
            return Ok(());
        };
        self.checks += 1;
        let Some(accused) = ghost.correct(Some(*peer)) else {
            return Ok(());
        };
        let (by_name, name) = (facts::node(by), facts::node(accused));
        let what = format!("{by_name} blames {name}, which follows the protocol");
        let fact = format!(
            "{} {by_name} refused {name}: {reason}",
            facts::at(event.time)
        );
        let mut violation = RULE.broken(what, (0, &[by, accused]), vec![fact]);
        violation.height = None;
        Err(violation)
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}

#[cfg(test)]
mod tests {
    use engine::types::PeerId;

    use super::*;
    use crate::oracle::testing::{History, setup};

    fn refused(by: usize, peer: u16, blames: bool) -> &'static str {
        let mut history = History::new(setup(4, &[3]));
        let (peer, reason) = (PeerId(peer), "peer went back".to_owned());
        history.happens(
            by,
            What::Rejected {
                peer,
                reason,
                blames,
            },
        );
        history.fired()
    }

    #[test]
    fn a_correct_node_that_blames_a_correct_one_is_found() {
        assert_eq!(refused(0, 1, true), "peer_blame");
    }

    #[test]
    fn blaming_the_byzantine_and_refusing_without_blame_are_left_alone() {
        assert_eq!(refused(0, 3, true), "none");
        assert_eq!(refused(0, 1, false), "none");
        assert_eq!(refused(3, 1, true), "none", "who lies may say anything");
    }
}
