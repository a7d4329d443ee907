//! The keys of simulated validators, and how their signatures are made and checked.
//!
//! Keys depend on the number of nodes only, never on the seed or the kind of signatures, so
//! addresses, proposers and block contents are the same with real and with ideal signatures. Node i
//! is validator i: keys are sorted by address.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use engine::{
    crypto::{Ed25519, Ed25519Key, Sign, Verify},
    types::{Hash, PublicKey, Signature, sha256},
};
use sha2::{Digest as _, Sha256};

use crate::nemesis::CryptoMode;

/// The most nodes a run can have: voter sets are 128-bit masks.
pub const MAX_NODES: usize = 128;

/// The cast of a run: one signer per node, and the verifier they share.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Signer of node i.
    pub signers: Vec<Arc<dyn Sign>>,
    /// Verifies everybody's signatures.
    pub verify: Arc<dyn Verify>,
}

/// A process-wide pool: making a key takes longer than starting a run.
static POOL: [OnceLock<(Ed25519Key, PublicKey)>; MAX_NODES] =
    [const { OnceLock::new() }; MAX_NODES];

fn pooled(index: usize) -> &'static (Ed25519Key, PublicKey) {
    POOL[index].get_or_init(|| {
        let seed = sha256(format!("gauntlet validator {index}").as_bytes());
        let key = Ed25519Key::from_seed(&seed.0);
        let public = key.public_key();
        (key, public)
    })
}

impl Cast {
    /// The cast of `nodes` nodes.
    ///
    /// # Panics
    /// If there are more than [`MAX_NODES`].
    #[must_use]
    pub fn new(nodes: usize, mode: CryptoMode) -> Self {
        assert!(nodes <= MAX_NODES, "{nodes} nodes, at most {MAX_NODES}");
        let mut keys: Vec<_> = (0..nodes).map(pooled).collect();
        keys.sort_by_key(|(_, public)| public.address());
        match mode {
            CryptoMode::Ed25519 => {
                let signer = |(key, _): &&(Ed25519Key, PublicKey)| -> Arc<dyn Sign> {
                    Arc::new(key.clone())
                };
                let signers = keys.iter().map(signer).collect();
                Self {
                    signers,
                    verify: Arc::new(Remembered::default()),
                }
            }
            CryptoMode::Ideal => {
                let signer = |(_, public): &&(Ed25519Key, PublicKey)| -> Arc<dyn Sign> {
                    Arc::new(IdealSigner(*public))
                };
                let signers = keys.iter().map(signer).collect();
                Self {
                    signers,
                    verify: Arc::new(Ideal),
                }
            }
        }
    }
}

/// The one place where nodes of a run share something: verdicts that are pure functions of their
/// question. The lock is never contended, for a run has one thread.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ed25519 that verifies the same signature once per run.
#[derive(Debug, Default)]
struct Remembered(Mutex<BTreeMap<Hash, bool>>);

/// How many verdicts are kept. Dropping them all costs time, never correctness.
const VERDICTS: usize = 1 << 16;

impl Verify for Remembered {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let mut question = Vec::with_capacity(96 + message.len());
        question.extend(key.0);
        question.extend(signature.0);
        question.extend(message);
        let name = sha256(&question);
        if let Some(verdict) = locked(&self.0).get(&name) {
            return *verdict;
        }
        let verdict = Ed25519.verify(key, message, signature);
        let mut verdicts = locked(&self.0);
        if verdicts.len() >= VERDICTS {
            verdicts.clear();
        }
        verdicts.insert(name, verdict);
        verdict
    }
}

/// The ideal functionality: only who has the signer can sign, and what was signed is checked by
/// signing it again. A signature is a hash of key and message that nobody else in the simulation
/// works out, so nobody has one that was not given. It remembers nothing.
#[derive(Debug)]
pub struct Ideal;

impl Ideal {
    fn sign(key: &PublicKey, message: &[u8]) -> Signature {
        let mut hasher = Sha256::new();
        hasher.update(b"ideal signature");
        hasher.update(key.0);
        hasher.update(message);
        let digest: [u8; 32] = hasher.finalize().into();
        let mut bytes = [0xa5; 64];
        bytes[..32].copy_from_slice(&digest);
        Signature(bytes)
    }
}

impl Verify for Ideal {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        Self::sign(key, message) == *signature
    }
}

#[derive(Debug)]
struct IdealSigner(PublicKey);

impl Sign for IdealSigner {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Ideal::sign(&self.0, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_signatures_accept_what_was_signed_and_nothing_else() {
        for mode in [CryptoMode::Ed25519, CryptoMode::Ideal] {
            let cast = Cast::new(3, mode);
            let (a, b) = (&cast.signers[0], &cast.signers[1]);
            let signature = a.sign(b"yes");
            assert_eq!(
                a.sign(b"yes"),
                signature,
                "the same message, the same signature"
            );
            for _ in 0..2 {
                assert!(cast.verify.verify(&a.public_key(), b"yes", &signature));
                assert!(!cast.verify.verify(&a.public_key(), b"no", &signature));
                assert!(!cast.verify.verify(&b.public_key(), b"yes", &signature));
                assert!(
                    !cast
                        .verify
                        .verify(&a.public_key(), b"yes", &Signature([0; 64]))
                );
            }
        }
    }

    #[test]
    fn addresses_are_the_same_with_either_kind_and_sorted() {
        let address = |mode| {
            let keys = Cast::new(7, mode).signers;
            keys.iter()
                .map(|k| k.public_key().address())
                .collect::<Vec<_>>()
        };
        let real = address(CryptoMode::Ed25519);
        assert_eq!(real, address(CryptoMode::Ideal));
        assert!(real.is_sorted());
    }
}
