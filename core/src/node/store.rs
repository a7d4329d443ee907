//! Carries out a node's durable outputs on a storage, and finds everything again at start.
//!
//! One piece of code does the engine's I/O, and every host uses it: the simulator, the tools, a
//! real host. Below one directory lie `wal/` (the log), `sign_state`, `blocks/`, `validators/`,
//! `state`, `app` and, if old blocks are removed, `checkpoint`.
//!
//! At a commit the order is: log synced, block stored, end of height in the log, application
//! stored, state stored; each durable before the next. So after a crash the stored heights satisfy
//! `state <= app <= blocks <= state + 1`, and what is missing is executed again from the stored
//! block. Only then are blocks removed that nobody wants to keep.

use std::sync::Arc;

use crate::{
    app::App,
    ledger::{Checkpoint, Genesis, Ledger, LedgerError, State, StoredBlock},
    node::{
        Decided, Entry, Input, Output, Record, Recovered, StartError,
        handshake::{catch_up, save_app},
        traces,
    },
    privval::{SignFile, SignState},
    storage::{Storage, StorageError},
    types::{Commit, Height, Lsn, Time, ValidatorSet},
    wal::{self, Appender, Options, Snapshot, WalError},
};

/// At most so many blocks are removed at once; fewer if fewer are kept.
pub const MAX_PRUNED: u64 = 16;

/// How a store writes its log, and what it keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// Segments and format.
    pub wal: Options,
    /// How many of the newest blocks are kept at least, at least 1; `None` keeps all. At most
    /// half as many again are there, and at most [`MAX_PRUNED`] more.
    pub retain_blocks: Option<u64>,
}

/// Why a durable output could not be carried out. The node must stop: what is on the disk is
/// unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log failed.
    #[error("log: {0}")]
    Wal(#[from] WalError),
    /// The ledger failed.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
}

/// An open data directory.
#[derive(Debug)]
pub struct Store {
    dir: String,
    log: Appender,
    sign: SignFile,
    /// Waits for the log: the sign state must never know of a signature that the log has lost, or
    /// the validator would refuse its own slot for ever and the others could miss its vote.
    unwritten_sign: Option<SignState>,
    ledger: Ledger,
    /// The height of the checkpoint: blocks from here on are stored; 0 if all are.
    base: Height,
    retain_blocks: Option<u64>,
    /// Where the log of the last height but one ended: older segments are not needed.
    ended: Snapshot,
}

impl Store {
    /// Opens the data directory `dir`, making it if it is not there or was never finished, brings
    /// application and state up to the last stored block, and reads the log of the unfinished
    /// height.
    ///
    /// # Errors
    /// Why the node must not start; see [`StartError`].
    pub fn start(
        storage: &mut dyn Storage,
        dir: &str,
        genesis: &Genesis,
        config: StoreConfig,
    ) -> Result<(Self, Recovered), StartError> {
        let ledger = Ledger::open(dir);
        let state = match storage.list(dir) {
            Err(StorageError::NotFound { .. }) => None,
            Ok(_) => ledger.load_state(storage)?,
            Err(error) => return Err(error.into()),
        };
        // The state is written last: without it the directory was never complete and nobody has
        // seen anything signed.
        let state = match state {
            Some(state) => state,
            None if traces::was_used(storage, dir)? => return Err(StartError::StateLost),
            None => create(storage, dir, genesis, config)?,
        };
        if state.chain != genesis.chain {
            return Err(StartError::OtherChain);
        }
        let base = begin_retaining(storage, &ledger, genesis, config)?;
        let applied = state.height;
        let (state, app, caught_up) = catch_up(storage, dir, (&ledger, base), state)?;
        let (sign, mut sign_state) = SignFile::open(storage, dir)?;
        let (log, ended, replayed) = open_log(storage, dir, (applied, state.height), config)?;
        // In the order of a commit: whoever sees the state finds the end of its height.
        if caught_up > 0 {
            save_app(storage, dir, &app)?;
        }
        if state.height > applied {
            ledger.save_state(storage, &state)?;
        }
        let next_lsn = Lsn(log.last_index().map_or(0, |last| last + 1));
        let mut store = Self {
            dir: dir.to_owned(),
            log,
            sign,
            unwritten_sign: None,
            ledger,
            base,
            retain_blocks: config.retain_blocks,
            ended,
        };
        let last = match state.height {
            Height::ZERO => None,
            height => store.load(storage, height)?,
        };
        let mut entries = Vec::new();
        for entry in replayed {
            let decoded = Entry::decode(&entry.data);
            let decoded = decoded.map_err(|what| StartError::LogEntry {
                index: entry.index,
                what,
            })?;
            entries.push((Lsn(entry.index), decoded));
        }
        traces::check_signed(&sign_state, state.height, &entries)?;
        if traces::teach(&mut sign_state, &state.chain, &entries) {
            store.sign.write(storage, &sign_state)?;
            store.sign.sync(storage)?;
        } else if store.sign.lacks_a_slot() {
            return Err(StartError::SlotLost);
        }
        let state_height = state.height;
        let found = Recovered {
            state,
            app,
            sign: sign_state,
            last,
            base: base.max(state_height.min(Height::FIRST)),
            log: entries,
            next_lsn,
            replayed: caught_up,
        };
        Ok((store, found))
    }

    /// Carries out one output of the node if it is about the disk, and returns the input that
    /// answers it. Outputs about anything else are the host's own work: they change nothing here.
    ///
    /// # Errors
    /// Why the disk could not do it. The node must then stop, and this store not be used again.
    pub fn carry_out(
        &mut self,
        storage: &mut dyn Storage,
        output: &Output,
    ) -> Result<Option<Input>, StoreError> {
        match output {
            Output::Append { lsn, entry } => self.append(storage, *lsn, entry)?,
            Output::SaveSignState(state) => self.write_sign_state(state),
            Output::Sync(lsn) => {
                self.sync(storage)?;
                return Ok(Some(Input::Durable(*lsn)));
            }
            Output::Commit {
                decision,
                validators,
                state,
                app,
            } => {
                self.commit(storage, decision, validators, (state, app))?;
                let (height, base) = (state.height, self.base.max(Height::FIRST));
                return Ok(Some(Input::Committed { height, base }));
            }
            Output::Load { height } => {
                let (height, block) = (*height, self.load(storage, *height)?.map(Box::new));
                return Ok(Some(Input::Loaded { height, block }));
            }
            Output::Send { .. }
            | Output::Arm { .. }
            | Output::Decided { .. }
            | Output::Rejected { .. }
            | Output::Refused { .. }
            | Output::Halted { .. }
            | Output::Notice(_) => {}
        }
        Ok(None)
    }

    /// Writes a record to the log.
    ///
    /// # Errors
    /// What the log says; the store must not be used again.
    pub fn append(
        &mut self,
        storage: &mut dyn Storage,
        lsn: Lsn,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let entry = wal::Entry {
            index: lsn.0,
            term: 0,
            data: entry.encode(),
        };
        Ok(self.log.append(storage, &[entry])?)
    }

    /// Takes the sign state; it is written by the next [`Store::sync`], after the log.
    pub fn write_sign_state(&mut self, state: &SignState) {
        self.unwritten_sign = Some(state.clone());
    }

    /// Makes everything so far durable: first the log, then the sign state.
    ///
    /// # Errors
    /// What the storage says; the store must not be used again.
    pub fn sync(&mut self, storage: &mut dyn Storage) -> Result<(), StoreError> {
        self.log.sync(storage)?;
        if let Some(state) = self.unwritten_sign.take() {
            self.sign.write(storage, &state)?;
            self.sign.sync(storage)?;
        }
        Ok(())
    }

    /// Carries out a commit: log, block, end of height, application, state, each durable before the
    /// next; then removes what is not kept, and prepares the log's next segment. The log comes
    /// first, so that a stored block's height has a record of its own: an end of height is found by
    /// its last record.
    ///
    /// # Errors
    /// What the storage says; the store must not be used again.
    pub fn commit(
        &mut self,
        storage: &mut dyn Storage,
        decision: &crate::consensus::Decision,
        validators: &Arc<ValidatorSet>,
        (state, app): (&State, &App),
    ) -> Result<(), StoreError> {
        let stored = StoredBlock {
            block: crate::types::Block::clone(&decision.block),
            seen_commit: decision.commit.clone(),
            validators: ValidatorSet::clone(validators),
        };
        self.sync(storage)?;
        self.ledger.save_block(storage, &stored)?;
        let ended = end_height(storage, &mut self.log, state.height)?;
        save_app(storage, &self.dir, app)?;
        self.ledger.save_state(storage, state)?;
        // Two ends of height are kept: a crash before this line needs the older one.
        self.log.release_lock_to(storage, self.ended.index)?;
        self.log.purge(storage)?;
        self.ended = ended;
        self.prune(storage, state.height)?;
        // Now there is time: the next height begins after a pause.
        Ok(self.log.prepare(storage)?)
    }

    /// Removes old blocks after a commit, some at once: each time the checkpoint is written.
    fn prune(&mut self, storage: &mut dyn Storage, height: Height) -> Result<(), StoreError> {
        let Some(retain) = self.retain_blocks.map(|retain| retain.max(1)) else {
            return Ok(());
        };
        let to = Height(self.base.0 + (retain / 2).clamp(1, MAX_PRUNED));
        if to.0 + retain <= height.next().0 {
            self.ledger.prune(storage, to)?;
            self.base = to;
        }
        Ok(())
    }

    /// A decided block, `None` if it is not stored here.
    ///
    /// # Errors
    /// If the storage fails or the block is damaged.
    pub fn load(
        &mut self,
        storage: &mut dyn Storage,
        height: Height,
    ) -> Result<Option<Decided>, StoreError> {
        let stored = self.ledger.load_block(storage, height)?;
        Ok(stored.map(|stored| Decided {
            parts: stored.block.cut().1,
            commit: stored.seen_commit,
            validators: Arc::new(stored.validators),
        }))
    }

    /// The precommits that decided `height` (`LoadCommit`): for the last stored block those that
    /// were seen here, for an earlier one those that its successor carries. `None` if the block
    /// that holds them is not stored.
    ///
    /// # Errors
    /// If the storage fails or the block is damaged.
    pub fn load_commit(
        &mut self,
        storage: &mut dyn Storage,
        height: Height,
    ) -> Result<Option<Commit>, StoreError> {
        if height == self.ledger.height(storage)? {
            let stored = self.ledger.load_block(storage, height)?;
            return Ok(stored.map(|stored| stored.seen_commit));
        }
        let next = self.ledger.load_block(storage, height.next())?;
        Ok(next.and_then(|stored| stored.block.last_commit))
    }

    /// Makes everything durable and gives up all files and locks. What the node still waits for is
    /// in the log and will be found at the next start.
    ///
    /// # Errors
    /// What the storage says. Files and locks are given up in any case.
    pub fn close(mut self, storage: &mut dyn Storage) -> Result<(), StoreError> {
        let synced = self.sync(storage);
        let closed = self.log.close(storage);
        self.sign.close(storage)?;
        synced.and(closed.map_err(StoreError::from))
    }
}

/// The height of the checkpoint. A directory whose blocks are to be removed gets one, of the
/// genesis; whatever a crash has brought back below it is removed.
fn begin_retaining(
    storage: &mut dyn Storage,
    ledger: &Ledger,
    genesis: &Genesis,
    config: StoreConfig,
) -> Result<Height, StartError> {
    let checkpoint = ledger.load_checkpoint(storage)?;
    match (checkpoint, config.retain_blocks) {
        (Some(checkpoint), _) => {
            let base = checkpoint.state.height;
            ledger.remove_below(storage, base)?;
            Ok(base)
        }
        (None, Some(_)) => {
            ledger.save_checkpoint(storage, &Checkpoint::genesis(genesis)?)?;
            Ok(Height::ZERO)
        }
        (None, None) => Ok(Height::ZERO),
    }
}

/// Makes a data directory. The state is written last, so that a half-made directory is recognised
/// and made anew.
fn create(
    storage: &mut dyn Storage,
    dir: &str,
    genesis: &Genesis,
    config: StoreConfig,
) -> Result<State, StartError> {
    let state = State::genesis(genesis)?;
    match storage.remove_dir_all(dir) {
        Ok(()) | Err(StorageError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    storage.create_dir(dir)?;
    storage.sync_dir("")?;
    let ledger = Ledger::create(storage, dir)?;
    // Who wrote the log, and for which chain: read by people and tools, not by the engine.
    let metadata = [crate::VERSION.as_bytes(), b" ", &genesis.chain[..]].concat();
    let mut log = wal::create(storage, &format!("{dir}/wal"), &metadata, config.wal)?;
    let created = Record::Created {
        chain: genesis.chain.clone(),
    };
    let data = Entry {
        time: Time(0),
        record: created,
    }
    .encode();
    log.append(
        storage,
        &[wal::Entry {
            index: 0,
            term: 0,
            data,
        }],
    )?;
    log.close(storage)?;
    SignFile::create(storage, dir)?;
    save_app(storage, dir, &App::default())?;
    ledger.save_state(storage, &state)?;
    Ok(state)
}

/// Opens the log behind the end of `height`, writing that end if a crash came before it. The end of
/// `applied`, the height of the state as it was stored, must be there.
fn open_log(
    storage: &mut dyn Storage,
    dir: &str,
    (applied, height): (Height, Height),
    config: StoreConfig,
) -> Result<(Appender, Snapshot, Vec<wal::Entry>), StartError> {
    let dir = format!("{dir}/wal");
    let ends = wal::snapshots(storage, &dir)?;
    let newest = ends.iter().rev().find(|end| end.term <= height.0).copied();
    let behind = newest.unwrap_or_default();
    if behind.term < applied.0 {
        return Err(StartError::EndLost(applied));
    }
    let (replayed, mut log) = wal::open(storage, &dir, behind, config.wal)?.read_all(storage)?;
    if behind.term == height.0 {
        return Ok((log, behind, replayed.entries));
    }
    // The block was stored, but its end of height was not: what the log holds behind `behind` is
    // decided. Without any record there, durable ones are lost, and an end written here could not
    // be told from the one before it, which has the same last record.
    if replayed.entries.is_empty() {
        log.close(storage)?;
        return Err(StartError::EndLost(height));
    }
    let ended = end_height(storage, &mut log, height)?;
    Ok((log, ended, Vec::new()))
}

fn end_height(
    storage: &mut dyn Storage,
    log: &mut Appender,
    height: Height,
) -> Result<Snapshot, WalError> {
    let ended = Snapshot {
        index: log.last_index().unwrap_or(0),
        term: height.0,
    };
    log.save_snapshot(storage, &ended)?;
    Ok(ended)
}
