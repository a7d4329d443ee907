//! A binary Merkle tree over SHA-256 with separate domains for leaves and inner nodes (RFC 6962,
//! section 2.1).

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::types::{Bounded, Hash, sha256};

/// The deepest proof that is accepted. A tree of `u32::MAX` leaves is 32 deep.
pub const MAX_AUNTS: usize = 32;

/// Proves that a leaf stands at an index of a tree of a given size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// Number of leaves in the tree.
    pub total: u32,
    /// Place of the leaf, from 0.
    pub index: u32,
    /// Siblings from the leaf to the root.
    pub aunts: Bounded<Hash, MAX_AUNTS>,
}

impl Proof {
    /// The root that this proof gives for `leaf`, `None` if the proof does not fit its own tree
    /// size.
    #[must_use]
    pub fn root(&self, leaf: &[u8]) -> Option<Hash> {
        root_from(self.index, self.total, leaf_hash(leaf), &self.aunts)
    }
}

/// The root of the tree over `leaves`; the hash of nothing for an empty tree.
#[must_use]
pub fn merkle_root<L: AsRef<[u8]>>(leaves: &[L]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [one] => leaf_hash(one.as_ref()),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            inner_hash(merkle_root(left), merkle_root(right))
        }
    }
}

/// The root and a proof for each leaf, in order.
///
/// # Panics
/// If there are more than `u32::MAX` leaves.
#[must_use]
pub fn merkle_proofs<L: AsRef<[u8]>>(leaves: &[L]) -> (Hash, Vec<Proof>) {
    let mut trails: Vec<Vec<Hash>> = vec![Vec::new(); leaves.len()];
    let root = if leaves.is_empty() {
        sha256(&[])
    } else {
        climb(leaves, &mut trails)
    };
    let count = |n: usize| {
        #[expect(clippy::expect_used, reason = "documented panic")]
        u32::try_from(n).expect("a tree has at most u32::MAX leaves")
    };
    let total = count(leaves.len());
    let proofs = trails.into_iter().enumerate().map(|(index, aunts)| {
        #[expect(clippy::expect_used, reason = "32 levels hold u32::MAX leaves")]
        let aunts = Bounded::try_from(aunts).expect("a tree of u32 leaves is at most 32 deep");
        Proof {
            total,
            index: count(index),
            aunts,
        }
    });
    (root, proofs.collect())
}

fn climb<L: AsRef<[u8]>>(leaves: &[L], trails: &mut [Vec<Hash>]) -> Hash {
    if let [one] = leaves {
        return leaf_hash(one.as_ref());
    }
    let at = split(leaves.len());
    let (left_trails, right_trails) = trails.split_at_mut(at);
    let left = climb(&leaves[..at], left_trails);
    let right = climb(&leaves[at..], right_trails);
    left_trails.iter_mut().for_each(|t| t.push(right));
    right_trails.iter_mut().for_each(|t| t.push(left));
    inner_hash(left, right)
}

fn root_from(index: u32, total: u32, leaf: Hash, aunts: &[Hash]) -> Option<Hash> {
    if index >= total {
        return None;
    }
    if total == 1 {
        return aunts.is_empty().then_some(leaf);
    }
    let (last, rest) = aunts.split_last()?;
    let left_size = u32::try_from(split(total as usize)).ok()?;
    if index < left_size {
        Some(inner_hash(root_from(index, left_size, leaf, rest)?, *last))
    } else {
        let right = root_from(index - left_size, total - left_size, leaf, rest)?;
        Some(inner_hash(*last, right))
    }
}

/// The size of the left subtree: the largest power of two below `n`.
fn split(n: usize) -> usize {
    debug_assert!(n > 1, "a single leaf is not split");
    n.next_power_of_two() / 2
}

fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new_with_prefix([0]);
    hasher.update(leaf);
    Hash(hasher.finalize().into())
}

fn inner_hash(left: Hash, right: Hash) -> Hash {
    let mut hasher = Sha256::new_with_prefix([1]);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(hash: Hash) -> String {
        hash.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The eight leaves of the Certificate Transparency test vectors (RFC 6962 reference
    /// implementation).
    #[test]
    fn the_certificate_transparency_vectors_hold() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let empty: [&[u8]; 0] = [];
        assert_eq!(
            hex(merkle_root(&empty)),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex(merkle_root(&leaves[..1])),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            hex(merkle_root(&leaves)),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }

    proptest! {
        #[test]
        fn every_leaf_proves_itself_and_nothing_else(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 1..40),
            flip in any::<prop::sample::Index>(),
        ) {
            let (root, proofs) = merkle_proofs(&leaves);
            prop_assert_eq!(root, merkle_root(&leaves));
            for (leaf, proof) in leaves.iter().zip(&proofs) {
                prop_assert_eq!(proof.root(leaf), Some(root));
                let mut other = leaf.clone();
                other.push(1);
                prop_assert_ne!(proof.root(&other), Some(root));
            }
            let moved = flip.index(leaves.len());
            let mut wrong = proofs[moved].clone();
            wrong.index = (wrong.index + 1) % wrong.total;
            if wrong.total > 1 && leaves[moved] != leaves[wrong.index as usize] {
                prop_assert_ne!(wrong.root(&leaves[moved]), Some(root));
            }
        }
    }
}
