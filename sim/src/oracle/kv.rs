//! The application, modelled from its description: a map whose digest is the SHA-256 of the sum,
//! modulo 2^256, of the SHA-256 of every entry, all numbers little-endian.

use std::collections::BTreeMap;

use engine::types::Hash;

use super::merkle::digest;

/// The longest key or value.
const MAX_ITEM: usize = 256;
/// The most entries; further keys are refused.
const MAX_ENTRIES: usize = 65_536;

/// What a transaction does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Op<'a> {
    /// Sets a key to a value.
    Set(&'a [u8], &'a [u8]),
    /// Changes a validator's power: nothing to the map.
    Power,
    /// Changes the chain's configuration: nothing to the map.
    Configure,
}

/// Reads a transaction; `None` if it is malformed.
pub(super) fn parse(tx: &[u8]) -> Option<Op<'_>> {
    let (kind, body) = tx.split_first()?;
    match kind {
        1 => {
            let (key, rest) = item(body)?;
            let (value, rest) = item(rest)?;
            rest.is_empty().then_some(Op::Set(key, value))
        }
        2 => (body.len() == 32 + 8).then_some(Op::Power),
        3 => {
            let (change, rest) = body.get(8..)?.split_first()?;
            let len = match change {
                1 => 32 + 8,
                2 => 4 + 4 + 8,
                _ => return None,
            };
            (rest.len() == len).then_some(Op::Configure)
        }
        _ => None,
    }
}

fn item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(4)?;
    let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
    if len > MAX_ITEM {
        return None;
    }
    rest.split_at_checked(len)
}

/// The state of the application.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    sum: [u8; 32],
}

impl Model {
    /// Executes the transactions of a block. Malformed ones do nothing.
    pub(super) fn execute<'a>(&mut self, txs: impl Iterator<Item = &'a [u8]>) {
        for tx in txs {
            if let Some(Op::Set(key, value)) = parse(tx) {
                self.set(key, value);
            }
        }
    }

    /// The digest of the state.
    pub(super) fn hash(&self) -> Hash {
        digest(&self.sum)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        let full = self.entries.len() >= MAX_ENTRIES;
        if full && !self.entries.contains_key(key) {
            return;
        }
        if let Some(old) = self.entries.insert(key.to_vec(), value.to_vec()) {
            // Minus x is plus the complement of x plus one.
            let complement = entry(key, &old).map(|byte| !byte);
            let mut one = [0; 32];
            one[0] = 1;
            self.add(complement);
            self.add(one);
        }
        self.add(entry(key, value));
    }

    fn add(&mut self, number: [u8; 32]) {
        let mut carry = 0;
        for (digit, other) in self.sum.iter_mut().zip(number) {
            let sum = u16::from(*digit) + u16::from(other) + carry;
            carry = sum >> 8;
            *digit = sum.to_le_bytes()[0];
        }
    }
}

fn entry(key: &[u8], value: &[u8]) -> [u8; 32] {
    let len = u64::try_from(key.len()).unwrap_or(u64::MAX).to_le_bytes();
    digest(&[&len[..], key, value].concat()).0
}

#[cfg(test)]
mod tests {
    use engine::{
        app::{App, Call, Item},
        types::{PublicKey, Tx},
    };
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

    proptest! {
        #[test]
        fn the_model_and_the_application_agree(
            writes in prop::collection::vec((0u8..5, any::<u8>()), 0..20),
        ) {
            let (mut app, mut model) = (App::default(), Model::default());
            prop_assert_eq!(model.hash(), app.hash());
            for (height, (key, value)) in (1..).zip(writes) {
                let txs = [set(&[key], &[value; 3]), set(&[], &[key])];
                app.execute(engine::types::Height(height), &txs);
                model.execute(txs.iter().map(|tx| &**tx));
                prop_assert_eq!(model.hash(), app.hash());
            }
        }

        #[test]
        fn both_call_the_same_bytes_a_transaction(
            bytes in prop::collection::vec(0u8..4, 0..60),
        ) {
            let tx = Tx::try_from(bytes.clone()).unwrap();
            prop_assert_eq!(parse(&bytes).is_some(), App::check(&tx).is_ok());
        }
    }

    #[test]
    fn a_change_of_power_is_well_formed_and_a_longer_one_is_not() {
        let tx = Call::Power {
            key: PublicKey([1; 32]),
            power: 7,
        }
        .to_tx();
        assert_eq!(parse(&tx), Some(Op::Power));
        let longer: Vec<u8> = tx.iter().copied().chain([0]).collect();
        assert_eq!(parse(&longer), None);
    }
}
