//! Hash trees (RFC 6962), written again from the RFC: roots by recursion, proofs by the iterative
//! algorithm of RFC 9162, section 2.1.3.2.

use engine::types::{Hash, Part};
use sha2::{Digest, Sha256};

/// SHA-256 of some bytes.
pub(super) fn digest(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The root over leaves.
pub(super) fn root(leaves: &[&[u8]]) -> Hash {
    let [first, rest @ ..] = leaves else {
        return digest(&[]);
    };
    if rest.is_empty() {
        return leaf(first);
    }
    let mut left = 1;
    while left * 2 < leaves.len() {
        left *= 2;
    }
    inner(root(&leaves[..left]), root(&leaves[left..]))
}

/// The root of the set that a block part belongs to; `None` if its proof does not fit its place.
pub(super) fn root_of_part(part: &Part) -> Option<Hash> {
    let mut place = part.proof.index;
    let mut last = part.proof.total.checked_sub(1)?;
    if place > last {
        return None;
    }
    let mut hash = leaf(&part.bytes);
    for sibling in part.proof.aunts.iter() {
        if last == 0 {
            return None;
        }
        if place % 2 == 1 || place == last {
            hash = inner(*sibling, hash);
            while place.is_multiple_of(2) && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            hash = inner(hash, *sibling);
        }
        place /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

fn leaf(bytes: &[u8]) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([0])
            .chain_update(bytes)
            .finalize()
            .into(),
    )
}

fn inner(left: Hash, right: Hash) -> Hash {
    let hasher = Sha256::new().chain_update([1]);
    Hash(
        hasher
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use engine::types::{PART_BYTES, PartSet};

    use super::*;

    #[test]
    fn parts_lead_to_the_root_of_their_set_and_nowhere_else() {
        for parts in 1..9 {
            let bytes: Vec<u8> = (0..parts * PART_BYTES)
                .map(|i| u8::try_from(i % 251).unwrap())
                .collect();
            let set = PartSet::split(&bytes);
            let chunks: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
            assert_eq!(root(&chunks), set.header().hash);
            for i in 0..parts {
                let mut part = Part::clone(set.part(i).unwrap());
                assert_eq!(root_of_part(&part), Some(set.header().hash));
                part.proof.index = (part.proof.index + 1) % part.proof.total;
                let moved = root_of_part(&part) != Some(set.header().hash);
                assert!(moved || parts == 1);
            }
        }
    }

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        assert_eq!(root(&[]).to_string(), "e3b0c442");
    }
}
