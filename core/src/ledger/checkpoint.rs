//! Where the stored chain begins once old blocks are removed.
//!
//! The file `checkpoint` holds state and application after one height. What comes later can be
//! executed and judged from there as it could from genesis; earlier blocks are not needed. It moves
//! before blocks are removed, so a crash can leave blocks too many but none too few.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    Genesis, GenesisError, Ledger, LedgerError, State, heights, load, missing, remove, sealed,
};
use crate::{
    app::App,
    storage::{Storage, StorageError, write_atomic},
    types::{Block, Height},
};

/// The chain after the height from which on blocks are kept.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Checkpoint {
    /// The state; its height is the checkpoint's.
    pub state: State,
    /// The application.
    pub app: App,
    /// How many transactions all blocks so far held.
    pub transactions: u64,
}

impl Checkpoint {
    /// Before the first block.
    ///
    /// # Errors
    /// If no chain can begin like this.
    pub fn genesis(genesis: &Genesis) -> Result<Self, GenesisError> {
        Ok(Self {
            state: State::genesis(genesis)?,
            app: App::default(),
            transactions: 0,
        })
    }

    fn after(self, block: &Block) -> Self {
        let (state, app) = self.state.apply(&self.app, block.cut().0, block);
        Self {
            state,
            app,
            transactions: self.transactions.saturating_add(block.txs.len() as u64),
        }
    }
}

impl Ledger {
    /// The checkpoint, `None` if no blocks were ever to be removed.
    ///
    /// # Errors
    /// If the storage fails or the file is damaged.
    pub fn load_checkpoint(
        &self,
        storage: &mut dyn Storage,
    ) -> Result<Option<Checkpoint>, LedgerError> {
        load(storage, &self.path("checkpoint"))
    }

    /// Stores the checkpoint; durable on return.
    ///
    /// # Errors
    /// What the storage says.
    pub fn save_checkpoint(
        &self,
        storage: &mut dyn Storage,
        checkpoint: &Checkpoint,
    ) -> Result<(), StorageError> {
        write_atomic(storage, &self.dir, "checkpoint", &sealed(checkpoint))
    }

    /// Moves the checkpoint on to `to` and removes the blocks below.
    ///
    /// # Errors
    /// If the storage fails, or the checkpoint or a block on the way is missing or damaged.
    pub fn prune(&self, storage: &mut dyn Storage, to: Height) -> Result<(), LedgerError> {
        let checkpoint = self.load_checkpoint(storage)?;
        let mut checkpoint = checkpoint.ok_or_else(|| missing(self.path("checkpoint")))?;
        while checkpoint.state.height < to {
            let next = checkpoint.state.height.next();
            let stored = self.load_block(storage, next)?;
            let stored = stored.ok_or_else(|| missing(self.block_path(next)))?;
            checkpoint = checkpoint.after(&stored.block);
        }
        self.save_checkpoint(storage, &checkpoint)?;
        Ok(self.remove_below(storage, to)?)
    }

    /// Removes the blocks below `base` and the validators that only they needed. Need not be
    /// durable: what a crash brings back is removed at the next start.
    ///
    /// # Errors
    /// What the storage says.
    pub fn remove_below(
        &self,
        storage: &mut dyn Storage,
        base: Height,
    ) -> Result<(), StorageError> {
        let blocks = self.path("blocks");
        for height in heights(storage, &blocks)? {
            if height < base {
                remove(storage, &blocks, height)?;
            }
        }
        let validators = self.path("validators");
        let mut unneeded = heights(storage, &validators)?;
        unneeded.retain(|height| *height <= base);
        unneeded.pop(); // the validators of the first block that stays
        (unneeded.into_iter()).try_for_each(|height| remove(storage, &validators, height))
    }
}
