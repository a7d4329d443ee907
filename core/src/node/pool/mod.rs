//! Transactions waiting to be proposed, in order of arrival.
//!
//! A transaction is taken if it may have an effect in the next block ([`Ground::check`]), is not
//! here, and was not committed lately. After each block the others are checked again. A full pool
//! refuses: throwing out older ones would let a flood push out what has been accepted. Refusals are
//! not remembered: to find them out again costs less than the hash that would look them up. Nothing
//! here is durable: a client repeats what it does not find on the chain.

mod check;
mod spread;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use check::{Ground, PoolError};
pub use spread::MAX_OFFER_BYTES;

use crate::{
    node::pool::spread::Spread,
    types::{Hash, MAX_TXS, Params, PeerId, Tx, sha256},
};

/// The most waiting transactions.
pub const MAX_WAITING: usize = 5_000;
/// The most bytes of waiting transactions.
pub const MAX_WAITING_BYTES: usize = 2 << 20;
/// How many committed transactions are remembered, so that they are not taken again.
pub const MAX_RECENT: usize = 10_000;
/// For how many blocks they are remembered: who has not heard of a block by then is far behind.
pub const MAX_RECENT_BLOCKS: usize = 256;
/// How many peers that sent a transaction are remembered with it. One more is only offered what it
/// has.
const MAX_SENDERS: usize = 8;

/// A transaction that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    tx: Tx,
    hash: Hash,
    /// Peers that sent it, and so have it.
    from: Vec<PeerId>,
}

/// The hashes of transactions committed last, by block, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Recent {
    blocks: VecDeque<Vec<Hash>>,
    known: BTreeSet<Hash>,
}

impl Recent {
    fn insert(&mut self, mut block: Vec<Hash>) {
        block.retain(|hash| self.known.insert(*hash));
        self.blocks.push_back(block);
        while (self.blocks.len() > MAX_RECENT_BLOCKS || self.known.len() > MAX_RECENT)
            && let Some(oldest) = self.blocks.pop_front()
        {
            oldest.iter().for_each(|hash| {
                self.known.remove(hash);
            });
        }
    }
}

/// The pool of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    /// By number; a number is given once, in order of arrival.
    waiting: BTreeMap<u64, Waiting>,
    numbers: BTreeMap<Hash, u64>,
    bytes: usize,
    next: u64,
    recent: Recent,
    spread: Spread,
}

impl Pool {
    /// Takes a transaction, from a peer or a client.
    ///
    /// # Errors
    /// If it is here, was committed lately, cannot have an effect, or the pool is full.
    pub fn add(
        &mut self,
        tx: Tx,
        from: Option<PeerId>,
        ground: &Ground<'_>,
    ) -> Result<(), PoolError> {
        ground.check(&tx)?;
        let hash = sha256(&tx);
        if let Some(waiting) = self
            .numbers
            .get(&hash)
            .and_then(|n| self.waiting.get_mut(n))
        {
            let new = from.filter(|peer| !waiting.from.contains(peer));
            if waiting.from.len() < MAX_SENDERS {
                waiting.from.extend(new);
            }
            return Err(PoolError::Known);
        }
        if self.recent.known.contains(&hash) {
            return Err(PoolError::Committed);
        }
        if self.waiting.len() >= MAX_WAITING || self.bytes + tx.len() > MAX_WAITING_BYTES {
            return Err(PoolError::Full);
        }
        self.bytes += tx.len();
        self.numbers.insert(hash, self.next);
        let from = from.into_iter().collect();
        self.waiting.insert(self.next, Waiting { tx, hash, from });
        self.next += 1;
        Ok(())
    }

    /// The transactions for the next block, oldest first, as many as it may hold. They stay here
    /// until they are committed.
    #[must_use]
    pub fn reap(&self, params: &Params) -> Vec<Tx> {
        let most = usize::try_from(params.max_block_txs).unwrap_or(usize::MAX);
        let mut room = usize::try_from(params.max_block_bytes).unwrap_or(usize::MAX);
        let fits = |tx: &&Tx| match room.checked_sub(tx.len()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        let txs = self.waiting.values().map(|waiting| &waiting.tx);
        txs.take(most.min(MAX_TXS))
            .take_while(fits)
            .cloned()
            .collect()
    }

    /// A block was committed. Forgets its transactions, checks the others against the chain after
    /// it, and returns those that are out, with the reason.
    pub fn update(&mut self, committed: &[Tx], ground: &Ground<'_>) -> Vec<(Hash, PoolError)> {
        self.remember(committed);
        let verdict = |(number, waiting): (&u64, &Waiting)| {
            let reason = ground.check(&waiting.tx).err()?;
            Some((*number, reason))
        };
        let out: Vec<_> = self.waiting.iter().filter_map(verdict).collect();
        out.into_iter()
            .filter_map(|(number, reason)| Some((self.remove(number)?, reason)))
            .collect()
    }

    /// These transactions of the next block are on the chain.
    pub fn remember(&mut self, committed: &[Tx]) {
        let hashes: Vec<_> = committed.iter().map(|tx| sha256(tx)).collect();
        for hash in &hashes {
            if let Some(number) = self.numbers.get(hash).copied() {
                self.remove(number);
            }
        }
        self.recent.insert(hashes);
    }

    /// How many transactions wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many bytes the waiting transactions have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The number that the next transaction will get.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next
    }

    fn remove(&mut self, number: u64) -> Option<Hash> {
        let Waiting { tx, hash, .. } = self.waiting.remove(&number)?;
        self.numbers.remove(&hash);
        self.bytes -= tx.len();
        Some(hash)
    }
}

#[cfg(test)]
mod tests;
