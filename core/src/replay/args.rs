//! What a node starts with, computed from what is stored (Anoma's `startup_arguments`). Pure.

use crate::types::Hash;

/// What the log says is pending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events {
    /// All pending transactions, in the order in which they came.
    pub transactions: Vec<Hash>,
    /// Decided batches of them that were not executed, oldest first.
    pub consensus: Vec<Vec<Hash>>,
    /// The height that is to be decided next; 1 on a fresh node.
    pub round: u64,
}

/// What the stored blocks say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockInfo {
    /// The last block's height; 0 if there is none.
    pub round: u64,
    /// How many transactions all blocks hold.
    pub height: u64,
}

/// What the mempool starts with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MempoolArgs {
    /// Pending transactions, oldest first.
    pub transactions: Vec<Hash>,
    /// The height that is to be decided next.
    pub round: u64,
    /// Decided batches to execute, oldest first.
    pub consensus: Vec<Vec<Hash>>,
}

/// What ordering starts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderingArgs {
    /// The number of the next transaction of the chain, from 1.
    pub next_height: u64,
}

/// What the storage starts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StorageArgs {
    /// The last height that is stored.
    pub uncommitted_height: u64,
}

/// What a node starts with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartupArgs {
    /// Of the mempool.
    pub mempool: MempoolArgs,
    /// Of ordering.
    pub ordering: OrderingArgs,
    /// Of the storage.
    pub storage: StorageArgs,
}

impl StartupArgs {
    /// What a node starts with. A crash can leave blocks whose batches are still in the log: the
    /// lag. They are executed, so they and their transactions are left out.
    ///
    /// `None` if the log is ahead: it is about heights whose blocks are lost.
    #[must_use]
    pub fn new(events: Events, blocks: BlockInfo) -> Option<Self> {
        if events.round > blocks.round.saturating_add(1) {
            return None;
        }
        let lag = blocks.round.saturating_add(1) - events.round;
        let executed = usize::try_from(lag)
            .unwrap_or(usize::MAX)
            .min(events.consensus.len());
        let Events {
            mut transactions,
            mut consensus,
            ..
        } = events;
        let gone: Vec<Hash> = consensus.drain(..executed).flatten().collect();
        transactions.retain(|tx| !gone.contains(tx));
        Some(Self {
            mempool: MempoolArgs {
                transactions,
                round: blocks.round.saturating_add(1),
                consensus,
            },
            ordering: OrderingArgs {
                next_height: blocks.height.saturating_add(1),
            },
            storage: StorageArgs {
                uncommitted_height: blocks.round,
            },
        })
    }
}
