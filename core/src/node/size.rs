//! How much a node holds in memory of what others sent it: counts for hosts and judges, compared
//! with the declared bounds.

use crate::node::Node;

/// How much a node holds. Counts, not bytes, but where it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Rounds of the present height that somebody opened ahead of the node's own and the next one;
    /// at most [`crate::consensus::MAX_CATCHUP_ROUNDS`] for each peer.
    pub rounds_ahead: usize,
    /// The most votes of one kind in one round, conflicting ones included: one for each validator,
    /// and as many again for each block that a peer claimed a majority for.
    pub votes: usize,
    /// The most messages of the next height that wait here from one peer.
    pub stash: usize,
    /// Pieces of evidence that wait for a block; at most [`crate::node::MAX_PENDING`].
    pub evidence: usize,
    /// Transactions that wait for a block; at most [`crate::node::pool::MAX_WAITING`].
    pub txs: usize,
    /// Their bytes; at most [`crate::node::pool::MAX_WAITING_BYTES`].
    pub tx_bytes: usize,
    /// Decided blocks in memory.
    pub blocks: usize,
}

impl Node {
    /// How much this node holds of what others sent it.
    #[must_use]
    pub fn size(&self) -> Size {
        let votes = self.consensus.votes();
        let sets = votes.rounds().map(|(_, round)| {
            let (prevotes, precommits) = (round.prevotes.stored(), round.precommits.stored());
            prevotes.max(precommits)
        });
        Size {
            rounds_ahead: votes.rounds_ahead(),
            votes: sets.max().unwrap_or(0),
            stash: self.stash.values().map(|w| w.len()).max().unwrap_or(0),
            evidence: self.evidence.len(),
            txs: self.pool.len(),
            tx_bytes: self.pool.bytes(),
            blocks: self.cache.len(),
        }
    }
}
