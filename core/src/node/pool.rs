//! Transactions waiting to be proposed.

use std::collections::BTreeSet;

use crate::{
    app::App,
    types::{Hash, Params, Tx, sha256},
};

/// The most waiting transactions.
const MAX_WAITING: usize = 5_000;

/// Why a transaction was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is waiting already.
    #[error("the transaction is waiting already")]
    Known,
    /// The pool is full.
    #[error("{MAX_WAITING} transactions are waiting; try again later")]
    Full,
    /// The application does not accept it.
    #[error(transparent)]
    Invalid(#[from] crate::app::TxError),
}

/// Waiting transactions in order of arrival. Not durable: a client repeats what it does not find on
/// the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    waiting: Vec<Tx>,
    known: BTreeSet<Hash>,
}

impl Pool {
    /// Takes a transaction.
    ///
    /// # Errors
    /// If it is malformed or known, or the pool is full.
    pub fn add(&mut self, tx: Tx) -> Result<(), PoolError> {
        App::check(&tx)?;
        if self.waiting.len() >= MAX_WAITING {
            return Err(PoolError::Full);
        }
        if !self.known.insert(sha256(&tx)) {
            return Err(PoolError::Known);
        }
        self.waiting.push(tx);
        Ok(())
    }

    /// The transactions for the next block, as many as the chain's parameters allow; they stay here
    /// until they are committed.
    #[must_use]
    pub fn reap(&self, params: &Params) -> Vec<Tx> {
        let mut bytes = 0;
        let fits = |tx: &&Tx| {
            bytes += tx.len();
            bytes <= params.max_block_bytes as usize
        };
        self.waiting
            .iter()
            .take_while(fits)
            .take(params.max_block_txs as usize)
            .cloned()
            .collect()
    }

    /// Forgets committed transactions.
    pub fn remove(&mut self, committed: &[Tx]) {
        let gone: BTreeSet<Hash> = committed.iter().map(|tx| sha256(tx)).collect();
        if gone.is_empty() {
            return;
        }
        self.waiting.retain(|tx| !gone.contains(&sha256(tx)));
        self.known.retain(|hash| !gone.contains(hash));
    }
}
