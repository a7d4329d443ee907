//! What a transaction needs to be taken (`CheckTx`): not only a form, but a chance to have an
//! effect in the next block.

use crate::{
    app::{App, Call, TxError},
    ledger::State,
    node::pool::{MAX_WAITING, MAX_WAITING_BYTES},
    types::{ConfigChange, Params, ParamsError, Tx, ValidatorError},
};

/// Why a transaction was not taken, or is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is waiting already.
    #[error("the transaction is waiting already")]
    Known,
    /// The same bytes were committed lately.
    #[error("the transaction is in a recent block")]
    Committed,
    /// The pool is full.
    #[error(
        "the pool holds its {MAX_WAITING} transactions or {MAX_WAITING_BYTES} bytes; try again \
         later"
    )]
    Full,
    /// It is no transaction.
    #[error(transparent)]
    Malformed(#[from] TxError),
    /// No block has room for it.
    #[error("{got} bytes, a block holds at most {limit}")]
    TooLong {
        /// Its length.
        got: usize,
        /// The most bytes of transactions in a block.
        limit: usize,
    },
    /// A configuration transaction that was built on an older configuration.
    #[error("built on configuration {got}, the chain is at {present}")]
    Stale {
        /// What it was built on.
        got: u64,
        /// What the chain is at.
        present: u64,
    },
    /// A configuration transaction that was built on a configuration which does not exist yet.
    #[error("built on configuration {got}, the chain is only at {present}; try again later")]
    Early {
        /// What it was built on.
        got: u64,
        /// What the chain is at.
        present: u64,
    },
    /// The validator set cannot be changed like that.
    #[error(transparent)]
    Validators(#[from] ValidatorError),
    /// Parameters that no chain can have.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The application has no room for another key.
    #[error("the application holds as many keys as it can")]
    NoRoom,
}

/// What transactions are checked against: the chain and the application after the last block.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The application.
    pub app: &'a App,
    /// The chain.
    pub chain: &'a State,
    /// What the next block may hold.
    pub params: Params,
}

impl Ground<'_> {
    /// Whether a transaction may have an effect in the next block.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, tx: &Tx) -> Result<(), PoolError> {
        let limit = usize::try_from(self.params.max_block_bytes).unwrap_or(usize::MAX);
        if tx.len() > limit {
            let got = tx.len();
            return Err(PoolError::TooLong { got, limit });
        }
        match App::check(tx)? {
            Call::Set { key, .. } if !self.app.has_room_for(&key) => Err(PoolError::NoRoom),
            Call::Set { .. } => Ok(()),
            Call::Power { key, power } => self.check_power(key, power),
            Call::Configure { sequence, change } => {
                self.check_sequence(sequence)?;
                match change {
                    ConfigChange::Power { key, power } => self.check_power(key, power),
                    ConfigChange::Params(params) => Ok(params.check()?),
                }
            }
        }
    }

    fn check_power(&self, key: crate::types::PublicKey, power: u64) -> Result<(), PoolError> {
        let update = crate::types::ValidatorUpdate { key, power };
        self.chain.validators.with_updates(&[update])?;
        Ok(())
    }

    /// A configuration transaction counts on exactly one configuration.
    fn check_sequence(&self, got: u64) -> Result<(), PoolError> {
        let present = self.chain.config_sequence;
        match got.cmp(&present) {
            std::cmp::Ordering::Less => Err(PoolError::Stale { got, present }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(PoolError::Early { got, present }),
        }
    }
}
