//! The stored chain, executed from genesis or from the checkpoint on; every block is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    app::App,
    crypto::{Verify, verify_commit},
    ledger::{Checkpoint, Genesis, InvalidBlock, Ledger, State, StoredBlock},
    node::{Decided, StartError},
    replay::ReplayFailed,
    storage::Storage,
    types::{BlockId, Height, ValidatorSet},
};

/// The chain after some height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The state.
    pub state: State,
    /// The application.
    pub app: App,
    /// The block of that height; `None` before the first.
    pub last: Option<Decided>,
}

/// What the stored blocks come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Where it begins: the checkpoint's height, 0 if all blocks are stored.
    pub base: Height,
    /// The last stored block.
    pub height: Height,
    /// How many transactions all blocks held, also those that were removed.
    pub transactions: u64,
    points: BTreeMap<Height, Point>,
}

impl Chain {
    /// Executes all stored blocks in order and keeps what comes after the `wanted` heights and the
    /// last one. One block is in memory at a time. If old blocks were removed the checkpoint stands
    /// for them; it must fit the block of its height and all that follow.
    ///
    /// # Errors
    /// The first block that is missing, is not linked to the one before, is not proved by its
    /// commit, or whose application hash is another than this execution gives.
    pub fn execute(
        storage: &mut dyn Storage,
        dir: &str,
        genesis: &Genesis,
        verify: &dyn Verify,
        wanted: &BTreeSet<Height>,
    ) -> Result<Self, ReplayFailed> {
        let ledger = Ledger::open(dir);
        let height = ledger.height(storage)?;
        let (mut point, transactions) = begin(storage, &ledger, genesis, verify)?;
        let mut chain = Self {
            base: point.state.height,
            height,
            transactions,
            points: BTreeMap::new(),
        };
        if height < chain.base {
            return Err(lost(chain.base));
        }
        loop {
            let at = point.state.height;
            if at == height || wanted.contains(&at) {
                chain.points.insert(at, point.clone());
            }
            if at == height {
                return Ok(chain);
            }
            let stored = ledger.load_block(storage, at.next())?;
            let stored = stored.ok_or_else(|| lost(at.next()))?;
            chain.transactions += stored.block.txs.len() as u64;
            point = judge(&point, stored, verify)?;
        }
    }

    /// The chain after a height, if it was wanted.
    #[must_use]
    pub fn after(&self, height: Height) -> Option<&Point> {
        self.points.get(&height)
    }

    /// The chain after the last stored block.
    ///
    /// # Panics
    /// Never: it is always kept.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the last point is kept by execute")]
    pub fn last(&self) -> &Point {
        self.points.get(&self.height).expect("the last is kept")
    }
}

fn lost(height: Height) -> ReplayFailed {
    let what = "it is missing".to_owned();
    ReplayFailed::Block { height, what }
}

/// Where the chain begins, and how many transactions came before. A checkpoint must be that of the
/// block of its height, which is stored and proved by its commit.
fn begin(
    storage: &mut dyn Storage,
    ledger: &Ledger,
    genesis: &Genesis,
    verify: &dyn Verify,
) -> Result<(Point, u64), ReplayFailed> {
    let first = Checkpoint::genesis(genesis)?;
    let found = ledger.load_checkpoint(storage)?;
    let checkpoint = found.unwrap_or_else(|| first.clone());
    let Checkpoint {
        state,
        app,
        transactions,
    } = checkpoint.clone();
    let height = state.height;
    let what = "checkpoint";
    let other = ReplayFailed::Stored { what, height };
    if state.chain != genesis.chain {
        return Err(StartError::OtherChain.into());
    }
    let of_genesis = height > Height::ZERO || checkpoint == first;
    if !of_genesis || app.height() != height || app.hash() != state.app_hash {
        return Err(other);
    }
    let (Some(id), Some(validators)) = (state.last_block, &state.last_validators) else {
        return if height == Height::ZERO {
            let last = None;
            Ok((Point { state, app, last }, transactions))
        } else {
            Err(other)
        };
    };
    let stored = ledger.load_block(storage, height)?;
    let stored = stored.ok_or_else(|| lost(height))?;
    let time = stored.block.header.time;
    let (block, last) = decided(&state, validators, stored, verify)?;
    if (block, time) != (id, state.last_time) {
        return Err(other);
    }
    let last = Some(last);
    Ok((Point { state, app, last }, transactions))
}

/// The chain after one more block, if it may follow and its commit proves it.
fn judge(point: &Point, stored: StoredBlock, verify: &dyn Verify) -> Result<Point, ReplayFailed> {
    let state = &point.state;
    let height = state.height.next();
    let block = stored.block.clone();
    match state.validate(verify, &block) {
        Err(InvalidBlock::Field("app_hash")) => {
            return Err(ReplayFailed::AppHash {
                height: state.height,
                expected: block.header.app_hash,
                got: state.app_hash,
            });
        }
        judged => judged.map_err(|error| ReplayFailed::Block {
            height,
            what: error.to_string(),
        })?,
    }
    let (id, last) = decided(state, &state.validators, stored, verify)?;
    let (state, app) = state.apply(&point.app, id, &block);
    let last = Some(last);
    Ok(Point { state, app, last })
}

/// A stored block as decided by these validators of its height, if its commit proves it.
fn decided(
    state: &State,
    by: &ValidatorSet,
    stored: StoredBlock,
    verify: &dyn Verify,
) -> Result<(BlockId, Decided), ReplayFailed> {
    let height = stored.block.header.height;
    let wrong = |what: String| ReplayFailed::Block { height, what };
    if stored.validators.hash() != by.hash() {
        let what = "stored with other validators than decided it";
        return Err(wrong(what.to_owned()));
    }
    let (id, parts) = stored.block.cut();
    let commit = stored.seen_commit;
    verify_commit(verify, &state.chain, by, (height, id), &commit)
        .map_err(|error| wrong(error.to_string()))?;
    let validators = Arc::new(stored.validators);
    let decided = Decided {
        parts,
        commit,
        validators,
    };
    Ok((id, decided))
}
