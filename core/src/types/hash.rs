//! Digests, addresses and the bytes of keys and signatures.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Prints the first four bytes: enough to tell values apart on a screen, short enough for a column.
fn short(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().take(4).try_for_each(|b| write!(f, "{b:02x}"))
}

macro_rules! bytes_type {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
        )]
        pub struct $name(pub [u8; $len]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                short(f, &self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                short(f, &self.0)
            }
        }
    };
}

bytes_type!(
    /// A SHA-256 digest.
    #[derive(Default, Serialize, Deserialize)]
    Hash,
    32
);
bytes_type!(
    /// A validator's address: the first 20 bytes of the SHA-256 of its public key.
    #[derive(Default)]
    Address,
    20
);
bytes_type!(
    /// An Ed25519 public key in its compressed form.
    PublicKey,
    32
);
bytes_type!(
    /// An Ed25519 signature.
    Signature,
    64
);

impl PublicKey {
    /// The address that belongs to this key.
    #[must_use]
    pub fn address(&self) -> Address {
        let digest = sha256(&self.0);
        let mut address = [0; 20];
        address.copy_from_slice(&digest.0[..20]);
        Address(address)
    }
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_abc_is_the_published_value() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hex: String = sha256(b"abc")
            .0
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, expected);
    }
}
