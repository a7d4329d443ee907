//! Tendermint v0.10's Merkle tree: RIPEMD-160, the left half is the larger one.

use ripemd::{Digest, Ripemd160};

/// A digest; empty for a tree without leaves.
pub(crate) type Digest20 = Vec<u8>;

pub(crate) fn ripemd160(bytes: &[u8]) -> Digest20 {
    Ripemd160::digest(bytes).to_vec()
}

fn inner(left: &[u8], right: &[u8]) -> Digest20 {
    let mut bytes = Vec::new();
    super::wire::put_bytes(&mut bytes, left);
    super::wire::put_bytes(&mut bytes, right);
    ripemd160(&bytes)
}

/// The size of the left subtree.
pub(crate) fn left_size(n: usize) -> usize {
    n.div_ceil(2)
}

/// The root over leaves that are hashes already.
pub(crate) fn root(leaves: &[Digest20]) -> Digest20 {
    match leaves {
        [] => Vec::new(),
        [one] => one.clone(),
        _ => {
            let (left, right) = leaves.split_at(left_size(leaves.len()));
            inner(&root(left), &root(right))
        }
    }
}

/// The siblings from the leaf at `index` to the root.
pub(crate) fn aunts(leaves: &[Digest20], index: usize) -> Vec<Digest20> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let at = left_size(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut trail, aunt) = if index < at {
        (aunts(left, index), root(right))
    } else {
        (aunts(right, index - at), root(left))
    };
    trail.push(aunt);
    trail
}

/// The root that a leaf and its aunts give, `None` if their number does not fit.
pub(crate) fn root_from(
    leaf: &[u8],
    (index, total): (usize, usize),
    aunts: &[Digest20],
) -> Option<Digest20> {
    if index >= total {
        return None;
    }
    let Some((last, rest)) = aunts.split_last() else {
        return (total == 1).then(|| leaf.to_vec());
    };
    if total == 1 {
        return None;
    }
    let left = left_size(total);
    if index < left {
        Some(inner(&root_from(leaf, (index, left), rest)?, last))
    } else {
        let right = root_from(leaf, (index - left, total - left), rest)?;
        Some(inner(last, &right))
    }
}
