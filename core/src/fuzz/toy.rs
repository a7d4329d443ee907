//! Signatures without curves: the signature of a message is a hash of key and message. Whoever
//! checks one works it out again, so nothing else is accepted; it keeps nobody from forging.

use crate::{
    crypto::{Keys, Sign, Verify},
    types::{PublicKey, Signature, ValidatorSet, ValidatorUpdate, sha256},
};
use std::sync::Arc;

/// The key of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Toy(pub(super) u8);

/// Checks what [`Toy`] keys sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks;

fn signature(key: &PublicKey, message: &[u8]) -> Signature {
    let hash = sha256(&[&key.0[..], message].concat()).0;
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&hash);
    bytes[32..].copy_from_slice(&key.0);
    Signature(bytes)
}

impl Sign for Toy {
    fn public_key(&self) -> PublicKey {
        PublicKey([self.0; 32])
    }

    fn sign(&self, message: &[u8]) -> Signature {
        signature(&self.public_key(), message)
    }
}

impl Verify for Checks {
    fn verify(&self, key: &PublicKey, message: &[u8], given: &Signature) -> bool {
        signature(key, message) == *given
    }
}

/// So many keys, in the order of their addresses, which is that of validators.
pub(super) fn toys(count: u8) -> Vec<Toy> {
    let mut keys: Vec<Toy> = (1..=count).map(Toy).collect();
    keys.sort_by_key(|key| key.public_key().address());
    keys
}

/// What a node with this key needs.
pub(super) fn keys_of(key: Toy) -> Keys {
    Keys {
        verify: Arc::new(Checks),
        sign: Some(Arc::new(key)),
    }
}

/// These keys as validators.
pub(super) fn members(keys: &[Toy], powers: &[u64]) -> Vec<ValidatorUpdate> {
    let member = |(key, power): (&Toy, &u64)| ValidatorUpdate {
        key: key.public_key(),
        power: *power,
    };
    keys.iter().zip(powers).map(member).collect()
}

/// The set of these validators.
pub(super) fn set_of(keys: &[Toy], powers: &[u64]) -> ValidatorSet {
    ValidatorSet::new(&members(keys, powers)).expect("a possible set")
}
