//! The handshake at start: brings application and state up to the last stored block, or says why
//! that cannot be.

use crate::{
    app::App,
    ledger::{GenesisError, Ledger, LedgerError, State, load, sealed},
    node::StoreError,
    privval::{SignFileError, SignSlot},
    storage::{Storage, StorageError, write_atomic},
    types::Height,
    wal::WalError,
};

/// Why a node does not start. Nothing has been changed on the disk that was not a step of recovery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Reading or repairing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sign state cannot be read.
    #[error(transparent)]
    Sign(#[from] SignFileError),
    /// The genesis is impossible.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// Heights on the disk contradict the order in which they are written.
    #[error("blocks up to {blocks}, application at {app}, state at {state}: restore the directory")]
    Heights {
        /// The last stored block.
        blocks: Height,
        /// The application's height.
        app: Height,
        /// The state's height.
        state: Height,
    },
    /// The application must execute blocks that were removed (`ErrAppBlockHeightTooLow`).
    #[error("application at {app}, but blocks below {oldest} were removed: restore the directory")]
    AppHeightTooLow {
        /// The application's height.
        app: Height,
        /// The checkpoint's: the first block that is still stored.
        oldest: Height,
    },
    /// The state is gone, but blocks or signatures show that the node has been at work. Beginning
    /// anew would forget what was signed.
    #[error("the state is missing from a directory that was in use: restore it")]
    StateLost,
    /// The sign state knows of a signature for an open height that the log does not hold. Whoever
    /// forgets what led to it may break a lock.
    #[error("the log has lost what was signed last, at {}/{}: restore it", .0.height, .0.round)]
    LogLost(SignSlot),
    /// A slot of the sign state is unreadable, and the log knows nothing newer than the other one.
    /// A crash cannot do that, for the log is durable before a slot is written: the slot is
    /// damaged, and if it was the newer one, the log has lost its end.
    #[error(
        "a slot of the sign state is damaged, and the log does not tell what it said: restore it"
    )]
    SlotLost,
    /// The stored state was written after the end of this height was durable in the log, or its
    /// block after its records were, and the log does not hold them: it has lost its end.
    #[error("the log has lost the end of height {0}: restore it")]
    EndLost(Height),
    /// The disk belongs to another chain.
    #[error("the directory belongs to another chain")]
    OtherChain,
    /// Executing a stored block again gave another application hash than the chain has.
    #[error("the application hash after height {0} is not the chain's")]
    AppHash(Height),
    /// A log entry has a right checksum but no meaning.
    #[error("log entry {index}: {what}")]
    LogEntry {
        /// The entry.
        index: u64,
        /// What is wrong.
        what: String,
    },
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        Self::Store(error.into())
    }
}

impl From<WalError> for StartError {
    fn from(error: WalError) -> Self {
        Self::Store(error.into())
    }
}

impl From<LedgerError> for StartError {
    fn from(error: LedgerError) -> Self {
        Self::Store(error.into())
    }
}

/// The handshake (Tendermint's `ReplayBlocks`): executes stored blocks that application or state
/// have not seen, and says how many. Each header tells the application hash before its block.
/// Nothing is stored here.
pub(super) fn catch_up(
    storage: &mut dyn Storage,
    dir: &str,
    (ledger, base): (&Ledger, Height),
    state: State,
) -> Result<(State, App, u64), StartError> {
    let app: App = load(storage, &format!("{dir}/app"))?.unwrap_or_default();
    let blocks = ledger.height(storage)?;
    let heights = StartError::Heights {
        blocks,
        app: app.height(),
        state: state.height,
    };
    let in_order =
        state.height <= blocks && blocks <= state.height.next() && app.height() <= blocks;
    if !in_order || state.height < base {
        return Err(heights);
    }
    if app.height() < base {
        let (app, oldest) = (app.height(), base);
        return Err(StartError::AppHeightTooLow { app, oldest });
    }
    let (mut state, mut app, mut replayed) = (state, app, 0);
    while app.height() < state.height {
        let stored = ledger.load_block(storage, app.height().next())?;
        let stored = stored.ok_or_else(|| heights.clone())?;
        if stored.block.header.app_hash != app.hash() {
            return Err(StartError::AppHash(app.height()));
        }
        app.execute(stored.block.header.height, &stored.block.txs);
        replayed += 1;
    }
    if app.height() == state.height && app.hash() != state.app_hash {
        return Err(StartError::AppHash(app.height()));
    }
    if blocks > state.height {
        let stored = ledger.load_block(storage, blocks)?.ok_or(heights)?;
        let (id, _) = stored.block.cut();
        if app.height() == state.height {
            (state, app) = state.apply(&app, id, &stored.block);
        } else {
            // The application was stored, the state was not: only the state is computed.
            state = state.apply_executed(&app, id, &stored.block);
        }
        replayed += 1;
    }
    Ok((state, app, replayed))
}

pub(super) fn save_app(
    storage: &mut dyn Storage,
    dir: &str,
    app: &App,
) -> Result<(), StorageError> {
    write_atomic(storage, dir, "app", &sealed(app))
}
