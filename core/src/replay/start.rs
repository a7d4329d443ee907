//! Verified start: whether a node may start from what is stored, found out on a copy-on-write view
//! with a throw-away node.

use std::sync::Arc;

use crate::{
    app::App,
    codec::DecodeError,
    consensus::Candidate,
    crypto::{Keys, Verify},
    ledger::{self, Genesis, GenesisError, Ledger, LedgerError, State},
    node::{Config, Node, StartError, Store, StoreConfig, slot_of_own, was_used},
    privval::{SignFile, SignFileError, SignState},
    replay::{
        BlockInfo, Chain, Events, InitError, Mismatch, Overlay, Playback, RecordedSigner,
        Recording, StartupArgs,
        signer::{own_messages, signed},
    },
    storage::{Storage, StorageError},
    types::{BlockId, Hash, Height, Hrs, PublicKey, Time, sha256},
    wal::{self, Options, TornTail, WalError},
};

/// What is in a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HasData {
    /// Nothing that anybody could have seen: the node starts fresh, without ceremony.
    None,
    /// Some of what belongs together is missing.
    Partial(Vec<&'static str>),
    /// Everything a start needs.
    Exists,
}

/// Whose data it is, and how signatures are verified.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The node's own key; `None` for an observer.
    pub key: Option<PublicKey>,
    /// Verifies everybody's signatures.
    pub verify: Arc<dyn Verify>,
}

/// Why a node must not start from its data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayFailed {
    /// Files are missing.
    #[error("the data is incomplete: {} missing; restore the directory", .0.join(" and "))]
    Partial(Vec<&'static str>),
    /// The throw-away node could not be made.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log is damaged.
    #[error("log: {0}")]
    Wal(#[from] WalError),
    /// The log is readable but makes no sense.
    #[error("log: {0}")]
    Log(String),
    /// A stored file is damaged.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The sign state is damaged.
    #[error("sign state: {0}")]
    SignFile(#[from] SignFileError),
    /// The genesis is impossible.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// A stored block may not stand where it stands.
    #[error("block {height}: {what}")]
    Block {
        /// Its height.
        height: Height,
        /// What is wrong.
        what: String,
    },
    /// Executing the blocks again gives another application hash.
    #[error("application hash after height {height}: expected {expected}, executing gives {got}")]
    AppHash {
        /// The height.
        height: Height,
        /// What is stored.
        expected: Hash,
        /// What executing gives.
        got: Hash,
    },
    /// The stored state or application is not what the blocks come to.
    #[error("the stored {what} at height {height} is not what the blocks come to")]
    Stored {
        /// Which file.
        what: &'static str,
        /// Its height.
        height: Height,
    },
    /// The log is about heights whose blocks are not stored.
    #[error("the log ends height {log}, but blocks are stored up to {blocks} only")]
    BlocksLost {
        /// The height in the log.
        log: Height,
        /// The last stored block.
        blocks: Height,
    },
    /// The sign state knows of a signature that the log has lost, or of another one.
    #[error("the sign state is not that of the log: {0}")]
    Signed(String),
    /// The records give something else than was recorded.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The real start would refuse.
    #[error("start: {0}")]
    Start(#[from] StartError),
    /// The throw-away node halted.
    #[error("the node halts: {0}")]
    Halted(String),
    /// The last pending batch was not reached.
    #[error("the last pending block {expected} was not reached")]
    NotReached {
        /// The block.
        expected: BlockId,
    },
    /// A pending transaction does not decode.
    #[error("pending transaction {0}")]
    Pending(String),
}

impl ReplayFailed {
    /// Whether the data is intact but leads to something else than was recorded: the node is not
    /// deterministic, or not the one that wrote it.
    #[must_use]
    pub fn is_mismatch(&self) -> bool {
        matches!(
            self,
            Self::Mismatch(_) | Self::AppHash { .. } | Self::NotReached { .. }
        )
    }
}

impl From<DecodeError> for ReplayFailed {
    fn from(error: DecodeError) -> Self {
        Self::Log(error.to_string())
    }
}

/// What a verified start has found: everything is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySucceeded {
    /// The height after which the node goes on; 0 on a fresh node.
    pub height: Height,
    /// The application hash after it.
    pub app_hash: Hash,
    /// Where the node will stand.
    pub at: Option<Hrs>,
    /// How many records were played.
    pub records: u64,
    /// Ends of height that their records did not decide: the node crashed between the block and
    /// the records that led to it.
    pub undecided: Vec<Height>,
    /// What was written but not synced when the machine stopped.
    pub torn: Option<TornTail>,
    /// How many blocks the start executes again.
    pub replayed: u64,
    /// How many messages the node will sign at once because a crash lost its record of them.
    pub to_sign: usize,
    /// What the node starts with.
    pub args: StartupArgs,
}

/// What is in a data directory, by the rule of [`Store::start`].
///
/// # Errors
/// What the storage says, or that what could show earlier work cannot be read.
pub fn has_data(storage: &mut dyn Storage, dir: &str) -> Result<HasData, ReplayFailed> {
    let names = match storage.list(dir) {
        Err(StorageError::NotFound { .. }) => return Ok(HasData::None),
        names => names?,
    };
    let has = |name: &str| names.iter().any(|known| known == name);
    if !has("state") && !was_used(storage, dir)? {
        return Ok(HasData::None);
    }
    // The application can be made again from the blocks.
    let needed = ["state", "blocks", "sign_state", "wal"];
    let mut missing: Vec<_> = needed.into_iter().filter(|name| !has(name)).collect();
    if has("wal") && !wal::exist(storage, &format!("{dir}/wal"))? {
        missing.push("wal");
    }
    Ok(if missing.is_empty() {
        HasData::Exists
    } else {
        HasData::Partial(missing)
    })
}

/// A name that no file or directory beside the data has: `replay-` and a number.
///
/// # Errors
/// What the storage says.
pub fn temporary_node_id(storage: &mut dyn Storage, dir: &str) -> Result<String, StorageError> {
    let parent = dir.rsplit_once('/').map_or("", |(parent, _)| parent);
    let names = storage.list(parent)?;
    let path = |number: u64| match parent {
        "" => format!("replay-{number}"),
        parent => format!("{parent}/replay-{number}"),
    };
    let taken = |name: &str| names.iter().any(|known| name.ends_with(known.as_str()));
    Ok((0..)
        .map(path)
        .find(|name| !taken(name))
        .unwrap_or_default())
}

/// Whether the last pending batch was reached: that one, not just any. Without one there is nothing
/// to wait for; everything else has been verified.
///
/// # Errors
/// `NotReached`.
pub fn wait_for_confirm(
    reached: Option<BlockId>,
    last: Option<BlockId>,
) -> Result<(), ReplayFailed> {
    match last {
        Some(expected) if reached != last => Err(ReplayFailed::NotReached { expected }),
        Some(_) | None => Ok(()),
    }
}

/// A playback of the log of a data directory, standing before its first record. The chain is
/// executed and judged on the way.
///
/// # Errors
/// What is wrong with blocks or log.
pub fn load(
    storage: &mut dyn Storage,
    dir: &str,
    genesis: &Genesis,
    config: &Config,
    owner: &Owner,
) -> Result<(Playback, Chain), ReplayFailed> {
    let mut recording = Recording::read(storage, dir)?;
    let mut wanted = recording.begins_after();
    let state = Ledger::open(dir).load_state(storage)?;
    let app: Option<App> = ledger::load(storage, &format!("{dir}/app"))?;
    wanted.extend(state.map(|state| state.height));
    wanted.extend(app.map(|app| app.height()));
    let chain = Chain::execute(storage, dir, genesis, &*owner.verify, &wanted)?;
    recording.skip_to(chain.base);
    if recording.parts.is_empty() {
        let what = format!("it ends before the checkpoint at height {}", chain.base);
        return Err(ReplayFailed::Log(what));
    }
    let verify = Arc::clone(&owner.verify);
    let playback = Playback::new(config, verify, owner.key, chain.clone(), recording)?;
    Ok((playback, chain))
}

/// Verifies everything that a start would use, on a view that is never written through, and starts
/// a throw-away node from it. The original is the same afterwards, whatever happens.
///
/// # Errors
/// The first reason not to start.
pub fn replay_for(
    storage: &mut dyn Storage,
    dir: &str,
    genesis: &Genesis,
    config: &Config,
    owner: &Owner,
) -> Result<ReplaySucceeded, ReplayFailed> {
    let temporary = match storage.list(dir) {
        Err(StorageError::NotFound { .. }) => return fresh(genesis),
        listed => listed.and_then(|_| temporary_node_id(storage, dir))?,
    };
    let mut view = Overlay::new(storage, dir, &temporary)?;
    match has_data(&mut view, &temporary)? {
        HasData::None => fresh(genesis),
        HasData::Partial(missing) => Err(ReplayFailed::Partial(missing)),
        HasData::Exists => existing(&mut view, &temporary, genesis, config, owner),
    }
}

fn fresh(genesis: &Genesis) -> Result<ReplaySucceeded, ReplayFailed> {
    let state = State::genesis(genesis)?;
    let events = Events {
        round: 1,
        ..Events::default()
    };
    Ok(ReplaySucceeded {
        height: Height::ZERO,
        app_hash: state.app_hash,
        at: None,
        records: 0,
        undecided: Vec::new(),
        torn: None,
        replayed: 0,
        to_sign: 0,
        args: StartupArgs::new(events, BlockInfo::default()).unwrap_or_default(),
    })
}

fn existing(
    view: &mut Overlay<'_>,
    dir: &str,
    genesis: &Genesis,
    config: &Config,
    owner: &Owner,
) -> Result<ReplaySucceeded, ReplayFailed> {
    let (mut playback, chain) = load(view, dir, genesis, config, owner)?;
    let sign = stored(view, dir, &chain)?;
    let mut undecided = Vec::new();
    while let Some(played) = playback.step()? {
        if let Some(mismatch) = played.mismatches.into_iter().next() {
            return Err(mismatch.into());
        }
        if let (true, super::Item::End(height)) = (played.undecided, &played.item) {
            undecided.push(*height);
        }
        if let Some(reason) = playback.node().halted() {
            return Err(ReplayFailed::Halted(reason.to_owned()));
        }
    }
    let recording = playback.recording();
    check_sign_state(&sign, &chain, recording)?;
    let pending = pending(&playback)?;
    let blocks = BlockInfo {
        round: chain.height.0,
        height: chain.transactions,
    };
    let lost = || ReplayFailed::BlocksLost {
        log: Height(pending.round.saturating_sub(1)),
        blocks: chain.height,
    };
    let args = StartupArgs::new(pending.clone(), blocks).ok_or_else(lost)?;
    let (records, torn) = (recording.len(), recording.torn.clone());
    let started = start(view, dir, genesis, config, owner)?;
    if started.at.height == playback.node().consensus().at().height {
        agree(&started.node, playback.node())?;
        let last = playback.decided().map(|(block, _)| block);
        wait_for_confirm(started.node.committing().map(|(block, _)| block), last)?;
    }
    Ok(ReplaySucceeded {
        height: chain.height,
        app_hash: chain.last().state.app_hash,
        at: Some(started.at),
        records,
        undecided,
        torn,
        replayed: started.replayed,
        to_sign: started.to_sign,
        args,
    })
}

/// State and application must be what the blocks come to at their heights.
fn stored(view: &mut Overlay<'_>, dir: &str, chain: &Chain) -> Result<SignState, ReplayFailed> {
    if let Some(state) = Ledger::open(dir).load_state(view)? {
        let (what, height) = ("state", state.height);
        let made = chain.after(height);
        if made.is_none_or(|made| made.state != state) {
            return Err(ReplayFailed::Stored { what, height });
        }
    }
    let app: Option<App> = ledger::load(view, &format!("{dir}/app"))?;
    if let Some(app) = app {
        let (what, height) = ("application", app.height());
        if height < chain.base {
            let (app, oldest) = (height, chain.base);
            return Err(StartError::AppHeightTooLow { app, oldest }.into());
        }
        let made = chain.after(height);
        if made.is_none_or(|made| made.app != app) {
            return Err(ReplayFailed::Stored { what, height });
        }
    }
    Ok(SignFile::open(view, dir)?.1)
}

/// What the sign state says was signed last is of a height that is over, or stands in the log.
fn check_sign_state(
    sign: &SignState,
    chain: &Chain,
    recording: &Recording,
) -> Result<(), ReplayFailed> {
    let Some(last) = sign.last().filter(|last| last.height > chain.height) else {
        return Ok(());
    };
    let name = &chain.last().state.chain;
    let own = recording.unfinished().iter();
    let mut own = own.flat_map(|(_, entry)| own_messages(entry));
    let found = own.find(|message| slot_of_own(message) == Some(last));
    let Some((bytes, signature)) = found.and_then(|message| signed(name, message)) else {
        return Err(ReplayFailed::Signed(format!(
            "it has signed {last:?}, of which the log has no record"
        )));
    };
    // The sign state answers with what it has signed if the log says the same, or refuses.
    let recorded = RecordedSigner::new(PublicKey([0; 32]), name, recording.unfinished());
    match sign.clone().sign(&recorded, last, bytes) {
        Ok(same) if same == signature => Ok(()),
        Ok(_) => Err(ReplayFailed::Signed(format!(
            "another signature for {last:?}"
        ))),
        Err(refused) => Err(ReplayFailed::Signed(refused.to_string())),
    }
}

/// What the log of the unfinished height has decided.
fn pending(playback: &Playback) -> Result<Events, ReplayFailed> {
    let consensus = playback.node().consensus();
    let round = consensus.at().height.0;
    let decided = playback
        .decided()
        .and_then(|(id, _)| consensus.candidate(id));
    let Some(block) = decided.and_then(Candidate::block) else {
        let (transactions, consensus) = (Vec::new(), Vec::new());
        return Ok(Events {
            transactions,
            consensus,
            round,
        });
    };
    for tx in block.txs.iter() {
        App::check(tx).map_err(|error| ReplayFailed::Pending(error.to_string()))?;
    }
    let transactions: Vec<_> = block.txs.iter().map(|tx| sha256(tx)).collect();
    Ok(Events {
        consensus: vec![transactions.clone()],
        transactions,
        round,
    })
}

struct Started {
    node: Node,
    at: Hrs,
    replayed: u64,
    to_sign: usize,
}

/// The start itself, as the node would do it.
fn start(
    view: &mut Overlay<'_>,
    dir: &str,
    genesis: &Genesis,
    config: &Config,
    owner: &Owner,
) -> Result<Started, ReplayFailed> {
    let options = Options {
        preallocate_bytes: 0,
        ..Options::default()
    };
    let store = StoreConfig {
        wal: options,
        retain_blocks: None,
    };
    let (_, found) = Store::start(view, dir, genesis, store)?;
    let replayed = found.replayed;
    let signer =
        (owner.key).map(|key| Arc::new(RecordedSigner::new(key, &genesis.chain, &found.log)));
    let keys = Keys {
        verify: Arc::clone(&owner.verify),
        sign: signer.clone().map(|signer| signer as _),
    };
    let now = found.log.last().map_or(Time(0), |(_, entry)| entry.time);
    let node = Node::recover(config, keys, found, now, &mut Vec::new());
    if let Some(reason) = node.halted() {
        return Err(ReplayFailed::Halted(reason.to_owned()));
    }
    let at = node.consensus().at();
    Ok(Started {
        node,
        at,
        replayed,
        to_sign: signer.map_or(0, |signer| signer.new_signatures()),
    })
}

/// The started node stands where the playback ended.
fn agree(started: &Node, played: &Node) -> Result<(), ReplayFailed> {
    let of = |node: &Node| {
        let consensus = node.consensus();
        (consensus.at(), consensus.locked(), consensus.valid())
    };
    let (started, played) = (of(started), of(played));
    if started == played {
        return Ok(());
    }
    Err(ReplayFailed::Mismatch(Mismatch {
        height: played.0.height,
        record: None,
        what: "round state",
        expected: format!("{played:?}"),
        got: format!("{started:?}"),
    }))
}
