//! Collections whose length is bounded by their type and checked before anything is allocated.

use std::{
    fmt,
    io::{Error, ErrorKind, Read, Result, Write},
    ops::Deref,
};

use borsh::{BorshDeserialize, BorshSerialize};

/// A collection is longer than its type allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} items, at most {max} are allowed")]
pub struct TooLong {
    /// How many items there are.
    pub len: usize,
    /// How many there may be.
    pub max: usize,
}

/// At most `N` items.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bounded<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> TryFrom<Vec<T>> for Bounded<T, N> {
    type Error = TooLong;

    fn try_from(items: Vec<T>) -> std::result::Result<Self, TooLong> {
        if items.len() > N {
            return Err(TooLong {
                len: items.len(),
                max: N,
            });
        }
        Ok(Self(items))
    }
}

impl<T, const N: usize> Deref for Bounded<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const N: usize> Bounded<T, N> {
    /// The items as a plain vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T: BorshSerialize, const N: usize> BorshSerialize for Bounded<T, N> {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        self.0.serialize(writer)
    }
}

impl<T: BorshDeserialize, const N: usize> BorshDeserialize for Bounded<T, N> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let len = read_len(reader, N)?;
        // Grown as items really arrive: a claimed length alone buys no memory.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(T::deserialize_reader(reader)?);
        }
        Ok(Self(items))
    }
}

/// At most `N` bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoundedBytes<const N: usize>(Vec<u8>);

impl<const N: usize> TryFrom<Vec<u8>> for BoundedBytes<N> {
    type Error = TooLong;

    fn try_from(bytes: Vec<u8>) -> std::result::Result<Self, TooLong> {
        if bytes.len() > N {
            return Err(TooLong {
                len: bytes.len(),
                max: N,
            });
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> Deref for BoundedBytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for BoundedBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

impl<const N: usize> BorshSerialize for BoundedBytes<N> {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        self.0.serialize(writer)
    }
}

impl<const N: usize> BorshDeserialize for BoundedBytes<N> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let len = read_len(reader, N)?;
        let mut bytes = vec![0; len];
        reader.read_exact(&mut bytes)?;
        Ok(Self(bytes))
    }
}

fn read_len<R: Read>(reader: &mut R, max: usize) -> Result<usize> {
    let len = u32::deserialize_reader(reader)? as usize;
    if len > max {
        return Err(Error::new(ErrorKind::InvalidData, TooLong { len, max }));
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_above_the_bound_is_rejected_before_the_items_are_read() {
        let claimed = 5u32.to_le_bytes();
        let error = borsh::from_slice::<Bounded<u64, 4>>(&claimed).unwrap_err();
        assert_eq!(error.to_string(), "5 items, at most 4 are allowed");
        let error = borsh::from_slice::<BoundedBytes<4>>(&claimed).unwrap_err();
        assert_eq!(error.to_string(), "5 items, at most 4 are allowed");
    }

    #[test]
    fn a_length_at_the_bound_round_trips() {
        let items = Bounded::<u16, 3>::try_from(vec![1, 2, 3]).unwrap();
        let bytes = borsh::to_vec(&items).unwrap();
        assert_eq!(borsh::from_slice::<Bounded<u16, 3>>(&bytes).unwrap(), items);
    }
}
