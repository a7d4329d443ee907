//! The stored chain, executed from genesis on with a fresh application; every block is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    app::App,
    crypto::{Verify, verify_commit},
    ledger::{Genesis, InvalidBlock, Ledger, State, StoredBlock},
    node::Decided,
    replay::ReplayFailed,
    storage::Storage,
    types::{Height, ValidatorSet},
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
    /// The last stored block.
    pub height: Height,
    /// How many transactions all blocks hold.
    pub transactions: u64,
    points: BTreeMap<Height, Point>,
}

impl Chain {
    /// Executes all stored blocks in order and keeps what comes after the `wanted` heights and the
    /// last one. One block is in memory at a time.
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
        let mut point = Point {
            state: State::genesis(genesis)?,
            app: App::default(),
            last: None,
        };
        let mut chain = Self {
            height,
            transactions: 0,
            points: BTreeMap::new(),
        };
        loop {
            let at = point.state.height;
            if at == height || wanted.contains(&at) {
                chain.points.insert(at, point.clone());
            }
            if at == height {
                return Ok(chain);
            }
            let stored = ledger.load_block(storage, at.next())?;
            let stored = stored.ok_or(ReplayFailed::Block {
                height: at.next(),
                what: "it is missing".to_owned(),
            })?;
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

/// The chain after one more block, if it may follow and its commit proves it.
fn judge(point: &Point, stored: StoredBlock, verify: &dyn Verify) -> Result<Point, ReplayFailed> {
    let StoredBlock {
        block,
        seen_commit,
        validators,
    } = stored;
    let state = &point.state;
    let height = state.height.next();
    let wrong = |what: String| ReplayFailed::Block { height, what };
    match state.validate(verify, &block) {
        Err(InvalidBlock::Field("app_hash")) => {
            return Err(ReplayFailed::AppHash {
                height: state.height,
                expected: block.header.app_hash,
                got: state.app_hash,
            });
        }
        judged => judged.map_err(|error| wrong(error.to_string()))?,
    }
    if ValidatorSet::hash(&validators) != state.validators.hash() {
        return Err(wrong(
            "stored with other validators than decided it".to_owned(),
        ));
    }
    let (id, parts) = block.cut();
    let proved = verify_commit(
        verify,
        &state.chain,
        &state.validators,
        (height, id),
        &seen_commit,
    );
    proved.map_err(|error| wrong(error.to_string()))?;
    let (state, app) = state.apply(&point.app, id, &block);
    let last = Some(Decided {
        parts,
        commit: seen_commit,
        validators: Arc::new(validators),
    });
    Ok(Point { state, app, last })
}
