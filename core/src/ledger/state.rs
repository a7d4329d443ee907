//! What a node knows after applying a block, and the rules that make the next block valid.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    app::App,
    crypto::{CommitError, Verify, verify_commit},
    ledger::{EvidenceError, Recent, change::changed},
    types::{
        Address, Block, BlockId, ChainId, Commit, DuplicateVote, Hash, Header, Height, Offence,
        Params, ParamsError, Time, Tx, ValidatorError, ValidatorSet, ValidatorUpdate,
    },
};

/// What all nodes of a chain agree on before the first block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The chain's name.
    pub chain: ChainId,
    /// When it starts; the first block is later.
    pub time: Time,
    /// Its first validators.
    pub validators: Vec<ValidatorUpdate>,
    /// Its first parameters.
    pub params: Params,
}

/// Why no chain can begin like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The validator set is impossible.
    #[error(transparent)]
    Validators(#[from] ValidatorError),
    /// The parameters are impossible.
    #[error(transparent)]
    Params(#[from] ParamsError),
}

/// The chain after its last applied block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct State {
    /// The chain's name.
    pub chain: ChainId,
    /// Height of the last applied block, 0 before the first.
    pub height: Height,
    /// The last applied block; `None` before the first.
    pub last_block: Option<BlockId>,
    /// Its time, or the genesis time.
    pub last_time: Time,
    /// Who decided it; `None` before the first.
    pub last_validators: Option<ValidatorSet>,
    /// Who decides the next block.
    pub validators: ValidatorSet,
    /// The application hash that the next header must carry.
    pub app_hash: Hash,
    /// How many configuration changes the next header must count.
    pub config_sequence: u64,
    /// What the next block may hold.
    pub params: Params,
    /// What is needed to judge the next block's evidence.
    pub recent: Recent,
}

/// Why a block may not follow the last one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// A header field has another value than the chain so far demands.
    #[error("header field {0} does not follow from the chain")]
    Field(&'static str),
    /// The time is not later than the previous block's.
    #[error("time {got:?} is not later than {last:?}")]
    Time {
        /// The block's time.
        got: Time,
        /// The previous block's.
        last: Time,
    },
    /// The commit for the previous block is missing, or there is one at the first height.
    #[error("a commit for the previous block is needed at every height but the first")]
    Commit,
    /// The commit does not prove the previous block.
    #[error("last commit: {0}")]
    LastCommit(#[from] CommitError),
    /// More transactions than the chain's parameters allow.
    #[error("{got} transactions, at most {max} are allowed")]
    TooManyTxs {
        /// How many there are.
        got: usize,
        /// How many there may be.
        max: u32,
    },
    /// More bytes of transactions than the chain's parameters allow.
    #[error("{got} bytes of transactions, at most {max} are allowed")]
    TooManyBytes {
        /// How many there are.
        got: usize,
        /// How many there may be.
        max: u32,
    },
    /// A transaction is malformed.
    #[error("transaction {0} is malformed")]
    Tx(usize),
    /// Two pieces of evidence about one offence.
    #[error("two pieces of evidence about one offence of {}", .0.address)]
    EvidenceTwice(Offence),
    /// A piece of evidence does not hold.
    #[error("evidence {index}: {reason}")]
    Evidence {
        /// Its place in the block.
        index: usize,
        /// What is wrong with it.
        reason: EvidenceError,
    },
}

impl State {
    /// The state before the first block.
    ///
    /// # Errors
    /// If the validator set or the parameters are impossible.
    pub fn genesis(genesis: &Genesis) -> Result<Self, GenesisError> {
        genesis.params.check()?;
        let validators = ValidatorSet::new(&genesis.validators)?;
        Ok(Self {
            chain: genesis.chain.clone(),
            height: Height::ZERO,
            last_block: None,
            last_time: genesis.time,
            last_validators: None,
            recent: Recent::new(&validators),
            validators,
            app_hash: App::default().hash(),
            config_sequence: 0,
            params: genesis.params,
        })
    }

    /// The next block with these transactions and this evidence, as `proposer` builds it at local
    /// time `now`.
    ///
    /// # Panics
    /// If there are more transactions or pieces of evidence than a block holds.
    #[must_use]
    #[expect(clippy::expect_used, reason = "documented panic")]
    pub fn next_block(
        &self,
        now: Time,
        proposer: Address,
        txs: Vec<Tx>,
        evidence: Vec<DuplicateVote>,
        last_commit: Option<Commit>,
    ) -> Block {
        let header = Header {
            chain: self.chain.clone(),
            height: self.height.next(),
            // A slow clock must not stop the chain: time always grows.
            time: now.max(Time(self.last_time.0.saturating_add(1))),
            last_block: self.last_block,
            last_commit_hash: Block::commit_hash(last_commit.as_ref()),
            data_hash: Block::data_hash(&txs),
            evidence_hash: Block::evidence_hash(&evidence),
            validators_hash: self.validators.hash(),
            app_hash: self.app_hash,
            config_sequence: self.config_sequence,
            proposer,
        };
        let txs = txs
            .try_into()
            .expect("a block holds a bounded number of transactions");
        let evidence = evidence
            .try_into()
            .expect("a block holds a bounded number of pieces of evidence");
        Block {
            header,
            txs,
            evidence,
            last_commit,
        }
    }

    /// `valid(v)` of the paper: whether `block` may follow the last one. Depends on nothing but
    /// this state, so all correct nodes agree.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, verify: &dyn Verify, block: &Block) -> Result<(), InvalidBlock> {
        let header = &block.header;
        let fields = [
            (header.chain == self.chain, "chain"),
            (header.height == self.height.next(), "height"),
            (header.last_block == self.last_block, "last_block"),
            (
                header.validators_hash == self.validators.hash(),
                "validators_hash",
            ),
            (header.app_hash == self.app_hash, "app_hash"),
            (
                header.config_sequence == self.config_sequence,
                "config_sequence",
            ),
            (
                self.validators.index_of(&header.proposer).is_some(),
                "proposer",
            ),
        ];
        if let Some((_, field)) = fields.into_iter().find(|(holds, _)| !holds) {
            return Err(InvalidBlock::Field(field));
        }
        if header.time <= self.last_time {
            return Err(InvalidBlock::Time {
                got: header.time,
                last: self.last_time,
            });
        }
        self.validate_last_commit(verify, block)?;
        self.validate_txs(&block.txs)?;
        self.validate_evidence(verify, &block.evidence)
    }

    /// Whether the next block may carry this piece of evidence.
    ///
    /// # Errors
    /// The first reason why it may not.
    pub fn check_evidence(
        &self,
        verify: &dyn Verify,
        evidence: &DuplicateVote,
    ) -> Result<(), EvidenceError> {
        self.recent
            .check(verify, &self.chain, self.height.next(), evidence)
    }

    fn validate_txs(&self, txs: &[Tx]) -> Result<(), InvalidBlock> {
        let (got, max) = (txs.len(), self.params.max_block_txs);
        if got > max as usize {
            return Err(InvalidBlock::TooManyTxs { got, max });
        }
        let got = txs.iter().map(|tx| tx.len()).sum();
        let max = self.params.max_block_bytes;
        if got > max as usize {
            return Err(InvalidBlock::TooManyBytes { got, max });
        }
        let bad = txs.iter().position(|tx| App::check(tx).is_err());
        bad.map_or(Ok(()), |i| Err(InvalidBlock::Tx(i)))
    }

    fn validate_evidence(
        &self,
        verify: &dyn Verify,
        evidence: &[DuplicateVote],
    ) -> Result<(), InvalidBlock> {
        let mut offences = BTreeSet::new();
        for (index, piece) in evidence.iter().enumerate() {
            let offence = piece.offence();
            if !offences.insert(offence) {
                return Err(InvalidBlock::EvidenceTwice(offence));
            }
            self.check_evidence(verify, piece)
                .map_err(|reason| InvalidBlock::Evidence { index, reason })?;
        }
        Ok(())
    }

    fn validate_last_commit(&self, verify: &dyn Verify, block: &Block) -> Result<(), InvalidBlock> {
        match (self.last_block, &self.last_validators, &block.last_commit) {
            (None, None, None) => Ok(()),
            (Some(last), Some(validators), Some(commit)) => {
                let at = (self.height, last);
                Ok(verify_commit(verify, &self.chain, validators, at, commit)?)
            }
            _ => Err(InvalidBlock::Commit),
        }
    }

    /// The state after `block`, and the application after executing it.
    ///
    /// # Panics
    /// If the block is not of the next height.
    #[must_use]
    pub fn apply(&self, app: &App, id: BlockId, block: &Block) -> (Self, App) {
        let mut app = app.clone();
        app.execute(block.header.height, &block.txs);
        (self.apply_executed(&app, id, block), app)
    }

    /// The state after `block`, which `app` has executed already. Changes of validators and
    /// parameters take effect at the next height; `change` says in which order, and what is
    /// ignored.
    ///
    /// # Panics
    /// If the block is not of the next height.
    #[must_use]
    pub fn apply_executed(&self, app: &App, id: BlockId, block: &Block) -> Self {
        let height = block.header.height;
        assert_eq!(height, self.height.next(), "blocks are applied in order");
        assert_eq!(
            height,
            app.height(),
            "the application has executed the block"
        );
        let changed = changed(self, &block.txs);
        let (validators, params) = (changed.validators.next_turn(), changed.params);
        let max_age = params.evidence_max_age;
        Self {
            chain: self.chain.clone(),
            height,
            last_block: Some(id),
            last_time: block.header.time,
            last_validators: Some(self.validators.clone()),
            recent: self
                .recent
                .after(height, &block.evidence, &validators, max_age),
            validators,
            app_hash: app.hash(),
            config_sequence: changed.config_sequence,
            params,
        }
    }
}
