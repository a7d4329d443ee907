//! What others send fills no memory beyond what is declared.
//!
//! Statement: at no time does a correct node hold more rounds ahead of its own than two for each
//! other node; more votes of one kind in one round than one for each validator and each block that
//! somebody may claim a majority for; more than 16 messages of the next height from one peer; more
//! than 1,024 pieces of evidence; more than 5,000 transactions or 2 MiB of them; or more than four
//! decided blocks.
//!
//! Source: R1; `MAX_CATCHUP_ROUNDS` and its like in `docs/PROTOCOL.md`; the numbers are written
//! again here, so that nobody raises one unseen. The node's own counts are all that is taken from
//! the engine: the world asks for them every few events. That they do not lie is what a test with a
//! counting allocator is for (`core/tests/memory.rs`).
//!
//! Cost: a few comparisons per measurement, and the counting of votes by the node.

use engine::{
    node::Size,
    types::{PeerId, Time},
};

use super::{
    Ghost, Violation,
    facts::{self, Rule},
};

const RULE: Rule = Rule {
    name: "bounded_memory",
    rule: "R1: what a node keeps of what others send it is bounded for each of them",
};

/// Compares what nodes hold with what is declared.
#[derive(Debug, Default)]
pub(super) struct BoundedMemory {
    checks: u64,
}

impl BoundedMemory {
    pub(super) fn name(&self) -> &'static str {
        RULE.name
    }

    pub(super) fn checks(&self) -> u64 {
        self.checks
    }

    /// Compares what a node holds with what is declared.
    pub(super) fn measure(
        &mut self,
        ghost: &Ghost,
        now: Time,
        node: PeerId,
        size: &Size,
    ) -> Result<(), Box<Violation>> {
        let Some(index) = ghost.correct(Some(node)) else {
            return Ok(());
        };
        self.checks += 1;
        let nodes = ghost.setup().validators.len();
        let others = nodes - 1;
        for (held, most, what) in [
            (size.rounds_ahead, 2 * others, "rounds ahead of its own"),
            // Each other node may claim one majority for each set; the first votes count too.
            (size.votes, nodes * (others + 1), "votes in one set"),
            (size.stash, 16, "messages of the next height from one peer"),
            (size.evidence, 1_024, "pieces of evidence"),
            (size.txs, 5_000, "transactions"),
            (size.tx_bytes, 2 << 20, "bytes of transactions"),
            (size.blocks, 4, "decided blocks"),
        ] {
            if held > most {
                let name = facts::node(index);
                let broken = format!("{name} holds {held} {what}, at most {most} are declared");
                let fact = format!("{} {name} was measured: {size:?}", facts::at(now));
                let mut violation = RULE.broken(broken, (0, &[index]), vec![fact]);
                violation.height = None;
                return Err(violation);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::START,
        oracle::testing::{History, setup},
    };

    /// Every bound among four nodes.
    const FULL: Size = Size {
        rounds_ahead: 6,
        votes: 16,
        stash: 16,
        evidence: 1_024,
        txs: 5_000,
        tx_bytes: 2 << 20,
        blocks: 4,
    };

    fn measured(node: u16, size: &Size) -> &'static str {
        let mut history = History::new(setup(4, &[3]));
        history.verdict = history.judge.measure(START, PeerId(node), size);
        history.fired()
    }

    #[test]
    fn a_node_that_is_full_is_left_alone_and_one_that_lies_too() {
        assert_eq!(measured(0, &FULL), "none");
        let more = Size { txs: 5_001, ..FULL };
        assert_eq!(measured(3, &more), "none", "nobody can look into who lies");
    }

    #[test]
    fn one_more_of_anything_is_found() {
        for more in [
            Size {
                rounds_ahead: 7,
                ..FULL
            },
            Size { votes: 17, ..FULL },
            Size { stash: 17, ..FULL },
            Size {
                evidence: 1_025,
                ..FULL
            },
            Size { txs: 5_001, ..FULL },
            Size {
                tx_bytes: (2 << 20) + 1,
                ..FULL
            },
            Size { blocks: 5, ..FULL },
        ] {
            assert_eq!(measured(0, &more), "bounded_memory", "{more:?}");
        }
    }
}
