//! A block cut into parts, each with a Merkle proof, so that peers can fetch it piece by piece.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::{BitArray, BoundedBytes, Hash, MAX_BLOCK_BYTES, Proof, merkle_proofs};

/// Bytes in every part but the last.
pub const PART_BYTES: usize = 65_536;

/// The most parts a block can have.
pub const MAX_PARTS: u32 = {
    let parts = MAX_BLOCK_BYTES.div_ceil(PART_BYTES);
    assert!(parts < 10_000);
    #[expect(clippy::cast_possible_truncation, reason = "checked on the line above")]
    {
        parts as u32
    }
};

/// Names a set of parts: how many, and the root of their Merkle tree.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct PartSetHeader {
    /// Number of parts, at least 1.
    pub total: u32,
    /// Merkle root over the parts.
    pub hash: Hash,
}

/// One part of a block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Part {
    /// The bytes; exactly [`PART_BYTES`] in every part but the last.
    pub bytes: BoundedBytes<PART_BYTES>,
    /// Where the part stands in the block, and the proof of it. The index lives here and nowhere
    /// else, so that place and proof cannot disagree (ASA-2025-002).
    pub proof: Proof,
}

/// Why a part was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The proof speaks of a different number of parts.
    #[error("proof for a set of {theirs} parts, this set has {ours}")]
    WrongTotal {
        /// Parts according to the proof.
        theirs: u32,
        /// Parts of this set.
        ours: u32,
    },
    /// The proof does not lead to the root of the set.
    #[error("part {index} does not belong to this block")]
    WrongProof {
        /// The claimed index.
        index: u32,
    },
    /// Part of the wrong length: all but the last are full.
    #[error("part {index} has {len} bytes")]
    WrongLength {
        /// The part's index.
        index: u32,
        /// Its length.
        len: usize,
    },
}

/// The parts of one block, as far as they have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSet {
    header: PartSetHeader,
    parts: Vec<Option<Arc<Part>>>,
    have: BitArray,
}

impl PartSet {
    /// Cuts `bytes` into parts.
    ///
    /// # Panics
    /// If `bytes` is empty or longer than [`MAX_BLOCK_BYTES`].
    #[must_use]
    #[expect(clippy::expect_used, reason = "chunks have at most PART_BYTES bytes")]
    pub fn split(bytes: &[u8]) -> Self {
        assert!(
            !bytes.is_empty() && bytes.len() <= MAX_BLOCK_BYTES,
            "{} bytes",
            bytes.len()
        );
        let chunks: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
        let (hash, proofs) = merkle_proofs(&chunks);
        let total = proofs[0].total;
        let parts: Vec<_> = chunks
            .into_iter()
            .zip(proofs)
            .map(|(chunk, proof)| {
                let bytes = BoundedBytes::try_from(chunk.to_vec()).expect("a chunk fits a part");
                Some(Arc::new(Part { bytes, proof }))
            })
            .collect();
        let have = parts.iter().map(|_| true).collect();
        Self {
            header: PartSetHeader { total, hash },
            parts,
            have,
        }
    }

    /// An empty set waiting for the parts that `header` names. `None` if the header claims an
    /// impossible number.
    #[must_use]
    pub fn empty(header: PartSetHeader) -> Option<Self> {
        if header.total == 0 || header.total > MAX_PARTS {
            return None;
        }
        let total = header.total as usize;
        Some(Self {
            header,
            parts: vec![None; total],
            have: BitArray::new(total),
        })
    }

    /// What this set is waiting for.
    #[must_use]
    pub fn header(&self) -> PartSetHeader {
        self.header
    }

    /// Which parts have come.
    #[must_use]
    pub fn have(&self) -> &BitArray {
        &self.have
    }

    /// The part at `index`, if it has come.
    #[must_use]
    pub fn part(&self, index: usize) -> Option<&Arc<Part>> {
        self.parts.get(index)?.as_ref()
    }

    /// Whether all parts have come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// Takes a part. `Ok(false)` if it was there already.
    ///
    /// # Errors
    /// If the part does not belong to this set; the set is unchanged.
    pub fn add(&mut self, part: &Arc<Part>) -> Result<bool, PartError> {
        let (index, theirs, ours) = (part.proof.index, part.proof.total, self.header.total);
        if theirs != ours {
            return Err(PartError::WrongTotal { theirs, ours });
        }
        if self.have.get(index as usize) {
            return Ok(false);
        }
        let full = part.bytes.len() == PART_BYTES || index + 1 == ours;
        if !full || part.bytes.is_empty() {
            return Err(PartError::WrongLength {
                index,
                len: part.bytes.len(),
            });
        }
        if part.proof.root(&part.bytes) != Some(self.header.hash) {
            return Err(PartError::WrongProof { index });
        }
        self.parts[index as usize] = Some(Arc::clone(part));
        self.have.set(index as usize, true);
        Ok(true)
    }

    /// The bytes of the block, `None` until all parts have come.
    #[must_use]
    pub fn assemble(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            bytes.extend_from_slice(&part.as_ref()?.bytes);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn parts_in_any_order_give_the_block_back(
            len in 1usize..5 * PART_BYTES,
            order in Just((0usize..5).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let bytes = block(len);
            let whole = PartSet::split(&bytes);
            let mut set = PartSet::empty(whole.header()).unwrap();
            for index in order {
                prop_assert_eq!(set.is_complete(), set.assemble().is_some());
                if let Some(part) = whole.part(index) {
                    prop_assert_eq!(set.add(part), Ok(true));
                    prop_assert_eq!(set.add(part), Ok(false));
                }
            }
            prop_assert_eq!(set.assemble(), Some(bytes));
        }
    }

    #[test]
    fn a_part_of_another_block_is_refused() {
        let ours = PartSet::split(&block(2 * PART_BYTES));
        let theirs = PartSet::split(&block(2 * PART_BYTES + 1));
        let same_total = PartSet::split(&[7; 2 * PART_BYTES]);
        let mut set = PartSet::empty(ours.header()).unwrap();
        let refused = set.add(theirs.part(0).unwrap());
        assert_eq!(refused, Err(PartError::WrongTotal { theirs: 3, ours: 2 }));
        let refused = set.add(same_total.part(1).unwrap());
        assert_eq!(refused, Err(PartError::WrongProof { index: 1 }));
        assert_eq!(set.have().count(), 0);
    }

    /// ASA-2025-002: with the index outside the proof, a valid proof could fill the wrong place.
    #[test]
    fn a_part_cannot_be_moved_to_another_place() {
        let whole = PartSet::split(&block(3 * PART_BYTES));
        let mut set = PartSet::empty(whole.header()).unwrap();
        let mut moved = Part::clone(whole.part(0).unwrap());
        moved.proof.index = 1;
        assert_eq!(
            set.add(&Arc::new(moved)),
            Err(PartError::WrongProof { index: 1 })
        );
    }

    #[test]
    fn an_impossible_number_of_parts_is_refused_before_allocation() {
        let hash = Hash::default();
        assert!(PartSet::empty(PartSetHeader { total: 0, hash }).is_none());
        assert!(
            PartSet::empty(PartSetHeader {
                total: MAX_PARTS,
                hash
            })
            .is_some()
        );
        assert!(
            PartSet::empty(PartSetHeader {
                total: MAX_PARTS + 1,
                hash
            })
            .is_none()
        );
        assert!(
            PartSet::empty(PartSetHeader {
                total: u32::MAX,
                hash
            })
            .is_none()
        );
    }
}
