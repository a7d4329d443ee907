//! A fixed number of bits, one per validator or block part.

use std::{
    fmt,
    io::{Error, ErrorKind, Read, Result, Write},
};

use borsh::{BorshDeserialize, BorshSerialize};

/// The longest bit array that is accepted from anywhere (CometBFT `MaxVotesCount`).
pub const MAX_BITS: usize = 10_000;

/// Bits with a fixed length. Bits beyond the length are always zero, so equal sets have equal
/// bytes.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct BitArray {
    len: usize,
    words: Vec<u64>,
}

impl BitArray {
    /// `len` bits, all zero.
    ///
    /// # Panics
    /// If `len` exceeds [`MAX_BITS`].
    #[must_use]
    pub fn new(len: usize) -> Self {
        assert!(
            len <= MAX_BITS,
            "{len} bits, at most {MAX_BITS} are allowed"
        );
        Self {
            len,
            words: vec![0; len.div_ceil(64)],
        }
    }

    /// Number of bits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bits at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bit at `index`; false beyond the end.
    #[must_use]
    pub fn get(&self, index: usize) -> bool {
        index < self.len && self.words[index / 64] >> (index % 64) & 1 == 1
    }

    /// Sets or clears a bit. Returns whether `index` lies inside; outside nothing happens.
    pub fn set(&mut self, index: usize, value: bool) -> bool {
        if index >= self.len {
            return false;
        }
        let bit = 1u64 << (index % 64);
        if value {
            self.words[index / 64] |= bit;
        } else {
            self.words[index / 64] &= !bit;
        }
        true
    }

    /// Number of ones.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether every bit is one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count() == self.len
    }

    /// The ones of `self` that `other` lacks. Bits beyond the end of `other` count as lacking.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (word, theirs) in result.words.iter_mut().zip(&other.words) {
            *word &= !theirs;
        }
        result
    }

    /// Adds the ones of `other` that lie inside `self`.
    pub fn add_all(&mut self, other: &Self) {
        for (word, theirs) in self.words.iter_mut().zip(&other.words) {
            *word |= theirs;
        }
        self.clear_tail();
    }

    /// Clears every bit.
    pub fn clear(&mut self) {
        self.words.iter_mut().for_each(|w| *w = 0);
    }

    /// The places of the ones, ascending.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| {
            std::iter::successors(Some(word), |w| Some(w & w.wrapping_sub(1)))
                .take_while(|&w| w != 0)
                .map(move |w| i * 64 + w.trailing_zeros() as usize)
        })
    }

    fn clear_tail(&mut self) {
        let used = self.len % 64;
        if used != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }
}

impl fmt::Debug for BitArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len).try_for_each(|i| f.write_str(if self.get(i) { "x" } else { "_" }))
    }
}

impl fmt::Display for BitArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromIterator<bool> for BitArray {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let bits: Vec<bool> = bits.into_iter().collect();
        let mut array = Self::new(bits.len());
        for (i, bit) in bits.into_iter().enumerate() {
            array.set(i, bit);
        }
        array
    }
}

impl BorshSerialize for BitArray {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        let len = u32::try_from(self.len).map_err(Error::other)?;
        len.serialize(writer)?;
        self.words.iter().try_for_each(|w| w.serialize(writer))
    }
}

impl BorshDeserialize for BitArray {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let len = u32::deserialize_reader(reader)? as usize;
        if len > MAX_BITS {
            let what = format!("{len} bits, at most {MAX_BITS} are allowed");
            return Err(Error::new(ErrorKind::InvalidData, what));
        }
        let mut array = Self {
            len,
            words: Vec::new(),
        };
        for _ in 0..len.div_ceil(64) {
            array.words.push(u64::deserialize_reader(reader)?);
        }
        let read = array.words.last().copied();
        array.clear_tail();
        if array.words.last().copied() != read {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "bits set beyond the length",
            ));
        }
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(max: usize) -> impl Strategy<Value = Vec<bool>> {
        prop::collection::vec(any::<bool>(), 0..max)
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_vector_of_bools(model in bits(200), other in bits(200)) {
            let array: BitArray = model.iter().copied().collect();
            let theirs: BitArray = other.iter().copied().collect();
            prop_assert_eq!(array.count(), model.iter().filter(|b| **b).count());
            let ones: Vec<usize> =
                model.iter().enumerate().filter(|(_, b)| **b).map(|(i, _)| i).collect();
            prop_assert_eq!(array.ones().collect::<Vec<_>>(), ones);
            let minus = array.minus(&theirs);
            let mut sum = array.clone();
            sum.add_all(&theirs);
            for (i, &bit) in model.iter().enumerate() {
                let their = other.get(i).copied().unwrap_or(false);
                prop_assert_eq!(array.get(i), bit);
                prop_assert_eq!(minus.get(i), bit && !their);
                prop_assert_eq!(sum.get(i), bit || their);
            }
            prop_assert!(!array.get(model.len()));
            let bytes = borsh::to_vec(&array).unwrap();
            prop_assert_eq!(borsh::from_slice::<BitArray>(&bytes).unwrap(), array);
        }

        #[test]
        fn whatever_decodes_encodes_to_itself(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(array) = borsh::from_slice::<BitArray>(&bytes) {
                prop_assert_eq!(borsh::to_vec(&array).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn bits_beyond_the_length_are_rejected() {
        let mut bytes = 3u32.to_le_bytes().to_vec();
        bytes.extend(8u64.to_le_bytes());
        let error = borsh::from_slice::<BitArray>(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "bits set beyond the length");
    }
}
