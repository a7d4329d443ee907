//! The application, modelled from its description: a map whose digest is the SHA-256 of the sum,
//! modulo 2^256, of the SHA-256 of every entry, all numbers little-endian.

use std::collections::BTreeMap;

use engine::types::{ConfigChange, Hash, Params, PublicKey};

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
    Power(PublicKey, u64),
    /// Changes the chain's configuration, if so many changes came before: nothing to the map.
    Configure(u64, ConfigChange),
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
        2 => power(body).map(|(key, power)| Op::Power(key, power)),
        3 => {
            let (sequence, rest) = body.split_first_chunk()?;
            let (change, rest) = rest.split_first()?;
            let change = match change {
                1 => power(rest).map(|(key, power)| ConfigChange::Power { key, power })?,
                2 => params(rest).map(ConfigChange::Params)?,
                _ => return None,
            };
            Some(Op::Configure(u64::from_le_bytes(*sequence), change))
        }
        _ => None,
    }
}

fn power(body: &[u8]) -> Option<(PublicKey, u64)> {
    let (key, power) = body.split_first_chunk()?;
    let power = u64::from_le_bytes(power.try_into().ok()?);
    Some((PublicKey(*key), power))
}

fn params(body: &[u8]) -> Option<Params> {
    let (txs, rest) = body.split_first_chunk()?;
    let (bytes, age) = rest.split_first_chunk()?;
    Some(Params {
        max_block_txs: u32::from_le_bytes(*txs),
        max_block_bytes: u32::from_le_bytes(*bytes),
        evidence_max_age: u64::from_le_bytes(age.try_into().ok()?),
    })
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
        types::Tx,
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
    fn changes_are_read_as_they_were_written_and_not_one_byte_longer() {
        let (key, power) = (PublicKey([1; 32]), 7);
        let params = Params {
            max_block_txs: 1,
            max_block_bytes: 2,
            evidence_max_age: 3,
        };
        let configure = |change| Call::Configure {
            sequence: 5,
            change,
        };
        let (one, two) = (
            ConfigChange::Power { key, power },
            ConfigChange::Params(params),
        );
        let calls = [
            (Call::Power { key, power }, Op::Power(key, power)),
            (configure(one), Op::Configure(5, one)),
            (configure(two), Op::Configure(5, two)),
        ];
        for (call, expected) in calls {
            let tx = call.to_tx();
            assert_eq!(parse(&tx), Some(expected));
            let longer: Vec<u8> = tx.iter().copied().chain([0]).collect();
            assert_eq!(parse(&longer), None);
            assert!((0..tx.len()).all(|len| parse(&tx[..len]).is_none()));
        }
    }
}
