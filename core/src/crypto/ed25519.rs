//! Ed25519 through `ed25519-dalek`.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::{
    crypto::{Sign, Verify},
    types::{PublicKey, Signature},
};

/// Verifies with `verify_strict`: no small-order keys, no malleable signatures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ed25519;

impl Verify for Ed25519 {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&key.0).is_ok_and(|k| k.verify_strict(message, &signature).is_ok())
    }
}

/// An Ed25519 secret key.
#[derive(Clone)]
pub struct Ed25519Key(SigningKey);

impl Ed25519Key {
    /// The key with this secret seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }
}

impl fmt::Debug for Ed25519Key {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Key({})", self.public_key())
    }
}

impl Sign for Ed25519Key {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let byte = |i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
        std::array::from_fn(byte)
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn the_vector_of_rfc_8032_holds() {
        let secret = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let key = Ed25519Key::from_seed(&bytes(secret));
        assert_eq!(key.public_key().0, bytes(public));
        let signature = key.sign(&[0x72]);
        assert_eq!(signature.0, bytes(expected));
        assert!(Ed25519.verify(&key.public_key(), &[0x72], &signature));
        assert!(!Ed25519.verify(&key.public_key(), &[0x73], &signature));
    }

    /// The neutral element verifies everything under plain Ed25519 verification.
    #[test]
    fn a_small_order_key_is_refused() {
        let mut weak = [0; 32];
        weak[0] = 1;
        let mut forged = [0; 64];
        forged[0] = 1;
        assert!(!Ed25519.verify(&PublicKey(weak), b"anything", &Signature(forged)));
    }
}
