//! Keys, signatures and the verification of commits.
//!
//! There is one acceptance rule for signatures in the whole engine: Ed25519 with `verify_strict`,
//! one at a time. Batch verification accepts other inputs than single verification, and nodes must
//! not disagree about validity. Hosts may put their own [`Verify`] in its place, for instance one
//! that remembers verdicts; it must be a pure function.

mod commit;
mod ed25519;

use std::{fmt, sync::Arc};

pub use commit::{CommitError, verify_commit};
pub use ed25519::{Ed25519, Ed25519Key};

use crate::types::{PublicKey, Signature};

/// Verifies signatures.
pub trait Verify: fmt::Debug + Send + Sync {
    /// Whether `signature` is one of `key` over `message`.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool;
}

/// Signs with one secret key. The same message must always get the same signature.
pub trait Sign: fmt::Debug + Send + Sync {
    /// The key that verifies what this one signs.
    fn public_key(&self) -> PublicKey;
    /// Signs `message`.
    fn sign(&self, message: &[u8]) -> Signature;
}

/// What a node needs of cryptography: how it verifies and, if it is a validator, how it signs.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Verifies everybody's signatures.
    pub verify: Arc<dyn Verify>,
    /// Signs this node's own messages; `None` for an observer.
    pub sign: Option<Arc<dyn Sign>>,
}

impl PartialEq for Keys {
    /// Two nodes have equal keys if they sign as the same validator.
    fn eq(&self, other: &Self) -> bool {
        let key = |keys: &Self| keys.sign.as_ref().map(|s| s.public_key());
        key(self) == key(other)
    }
}

impl Eq for Keys {}
