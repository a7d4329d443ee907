//! The application: a deterministic key-value store behind the chain.
//!
//! A transaction sets a key or changes a validator's power. The application hash is a digest of the
//! whole state that is kept up to date in constant time per change: the sum, modulo 2^256, of the
//! hashes of all entries. (A sum of hashes detects divergence between honest nodes, which is its
//! task; it is not meant to resist an adversary who chooses entries.) The application sees no clock
//! and no randomness.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{
    BoundedBytes, ConfigChange, Hash, Height, PublicKey, Tx, ValidatorUpdate, sha256,
};

/// The longest key or value in bytes.
pub const MAX_ITEM_BYTES: usize = 256;
/// The most entries; further keys are refused by execution.
pub const MAX_ENTRIES: usize = 65_536;

/// A key or a value.
pub type Item = BoundedBytes<MAX_ITEM_BYTES>;

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Call {
    /// Sets a key to a value.
    Set {
        /// The key.
        key: Item,
        /// Its new value.
        value: Item,
    } = 1,
    /// Changes a validator's power from the next height on; 0 removes it.
    Power {
        /// Whose.
        key: PublicKey,
        /// The new power.
        power: u64,
    } = 2,
    /// A configuration transaction: nothing to the application, carried out by the chain itself if
    /// it was built on the present configuration.
    Configure {
        /// How many configuration changes it was built on.
        sequence: u64,
        /// What it changes.
        change: ConfigChange,
    } = 3,
}

impl Call {
    /// The transaction that makes this call.
    ///
    /// # Panics
    /// Never: two items fit into a transaction.
    #[must_use]
    #[expect(clippy::expect_used, reason = "two items of 256 bytes fit into 1,024")]
    pub fn to_tx(&self) -> Tx {
        let bytes = borsh::to_vec(self).expect("encoding into memory");
        Tx::try_from(bytes).expect("a call fits into a transaction")
    }
}

/// Why a transaction is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a transaction: {0}")]
pub struct TxError(String);

/// The state of the application after some height.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct App {
    height: Height,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    sum: [u64; 4],
}

impl App {
    /// The height of the last executed block; 0 for a new application.
    #[must_use]
    pub fn height(&self) -> Height {
        self.height
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// The digest of the state.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.sum) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        sha256(&bytes)
    }

    /// Whether a transaction is well formed, which is all that makes it valid (`CheckTx`,
    /// `ProcessProposal`).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(tx: &Tx) -> Result<Call, TxError> {
        borsh::from_slice(tx).map_err(|e| TxError(e.to_string()))
    }

    /// Executes the block of the next height. A transaction that does not fit is skipped by
    /// everybody alike.
    ///
    /// # Panics
    /// If `height` is not the next one: blocks are executed once each, in order.
    pub fn execute(&mut self, height: Height, txs: &[Tx]) {
        assert_eq!(
            height,
            self.height.next(),
            "blocks are executed once each, in order"
        );
        for tx in txs {
            if let Ok(Call::Set { key, value }) = Self::check(tx) {
                self.set(&key, &value);
            }
        }
        self.height = height;
    }

    /// The changes to the validator set that these transactions ask for, effective at the next
    /// height.
    #[must_use]
    pub fn updates(txs: &[Tx]) -> Vec<ValidatorUpdate> {
        let update = |tx| match Self::check(tx) {
            Ok(Call::Power { key, power }) => Some(ValidatorUpdate { key, power }),
            Ok(Call::Set { .. } | Call::Configure { .. }) | Err(_) => None,
        };
        txs.iter().filter_map(update).collect()
    }

    /// The configuration transactions among these, in order: what each was built on, and what it
    /// changes.
    #[must_use]
    pub fn configurations(txs: &[Tx]) -> Vec<(u64, ConfigChange)> {
        let change = |tx| match Self::check(tx) {
            Ok(Call::Configure { sequence, change }) => Some((sequence, change)),
            Ok(Call::Set { .. } | Call::Power { .. }) | Err(_) => None,
        };
        txs.iter().filter_map(change).collect()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(key) {
            return;
        }
        if let Some(old) = self.entries.insert(key.to_vec(), value.to_vec()) {
            let gone = entry_limbs(key, &old);
            self.sum = carry(self.sum, gone, u64::overflowing_sub);
        }
        self.sum = carry(self.sum, entry_limbs(key, value), u64::overflowing_add);
    }
}

/// The hash of an entry as four limbs, least significant first. The key's length keeps entries
/// apart.
fn entry_limbs(key: &[u8], value: &[u8]) -> [u64; 4] {
    let mut bytes = Vec::with_capacity(8 + key.len() + value.len());
    bytes.extend((key.len() as u64).to_le_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    let digest = sha256(&bytes).0;
    std::array::from_fn(|i| {
        let mut limb = [0; 8];
        limb.copy_from_slice(&digest[8 * i..8 * i + 8]);
        u64::from_le_bytes(limb)
    })
}

/// Adds or subtracts with carry, modulo 2^256.
fn carry(a: [u64; 4], b: [u64; 4], op: impl Fn(u64, u64) -> (u64, bool)) -> [u64; 4] {
    let mut over = false;
    std::array::from_fn(|i| {
        let (first, over_first) = op(a[i], b[i]);
        let (second, over_second) = op(first, u64::from(over));
        over = over_first || over_second;
        second
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(key: &[u8], value: &[u8]) -> Tx {
        let item = |bytes: &[u8]| Item::try_from(bytes.to_vec()).unwrap();
        Call::Set {
            key: item(key),
            value: item(value),
        }
        .to_tx()
    }

    #[test]
    fn malformed_transactions_are_refused_and_change_nothing() {
        let junk = Tx::try_from(vec![9, 9]).unwrap();
        assert!(App::check(&junk).is_err());
        let mut app = App::default();
        let before = app.hash();
        app.execute(Height(1), &[junk]);
        assert_eq!(app.hash(), before);
    }

    #[test]
    fn a_power_change_is_handed_to_consensus() {
        let update = ValidatorUpdate {
            key: PublicKey([7; 32]),
            power: 3,
        };
        let tx = Call::Power {
            key: update.key,
            power: update.power,
        }
        .to_tx();
        assert_eq!(App::updates(&[tx]), [update]);
    }

    #[test]
    #[should_panic(expected = "executed once each, in order")]
    fn a_block_is_not_executed_twice() {
        let mut app = App::default();
        app.execute(Height(1), &[]);
        app.execute(Height(1), &[]);
    }

    proptest! {
        #[test]
        fn the_hash_depends_on_the_state_and_not_on_the_way_to_it(
            writes in prop::collection::vec((0u8..6, any::<u8>()), 1..30),
        ) {
            let txs: Vec<_> = writes.iter().map(|(k, v)| set(&[*k], &[*v])).collect();
            let mut long = App::default();
            long.execute(Height(1), &txs);
            let hash = long.hash();
            let last: BTreeMap<u8, u8> = writes.iter().copied().collect();
            let direct: Vec<_> = last.iter().map(|(k, v)| set(&[*k], &[*v])).collect();
            let mut short = App::default();
            short.execute(Height(1), &direct);
            prop_assert_eq!(short.hash(), hash);
            for (k, v) in &last {
                prop_assert_eq!(short.get(&[*k]), Some(&[*v][..]));
            }
            short.execute(Height(2), &[set(&[99], &[1])]);
            prop_assert_ne!(short.hash(), hash);
        }
    }
}
