//! What records carry: entries, states and snapshots as the protobuf messages etcd writes, in both
//! formats.
//!
//! Pure bytes. Decoding is total: unknown fields are skipped, anything malformed is `None`.
//! Borrowed slices, so that nothing is allocated before a record is believed.

use super::{Entry, HardState, Snapshot};

/// Bytes of a number as a protobuf varint.
pub(super) fn put_varint(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    buffer.push(value.to_le_bytes()[0]);
}

/// A number and what follows it. At most ten bytes, as everywhere in protobuf.
fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        let low = u64::from(byte & 0x7f);
        if place == 9 && *byte > 1 {
            return None;
        }
        value |= low << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A fixed-width value; none of our messages has one.
    Fixed,
}

/// The fields of a message, in order. Stops after an error.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    /// Bytes after the field taken last.
    pub(super) fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self) -> Option<(u64, Value<'a>)> {
        let (key, rest) = take_varint(self.rest)?;
        let field = key >> 3;
        if field == 0 {
            return None;
        }
        let (value, rest) = match key & 7 {
            0 => take_varint(rest).map(|(number, rest)| (Value::Number(number), rest))?,
            1 => (Value::Fixed, rest.get(8..)?),
            2 => {
                let (len, rest) = take_varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                (Value::Bytes(bytes), rest)
            }
            5 => (Value::Fixed, rest.get(4..)?),
            _ => return None,
        };
        self.rest = rest;
        Some((field, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = self.take();
        if taken.is_none() {
            self.rest = &[];
        }
        Some(taken)
    }
}

/// A message of numbers in fields `1..=N`; missing ones are 0, other fields are skipped.
fn numbers<const N: usize>(message: &[u8]) -> Option<[u64; N]> {
    let mut found = [0; N];
    for field in Fields::new(message) {
        let (field, value) = field?;
        let place = usize::try_from(field - 1).ok().filter(|place| *place < N);
        match (place, value) {
            (Some(place), Value::Number(number)) => found[place] = number,
            (Some(_), Value::Bytes(_) | Value::Fixed) => return None,
            (None, _) => {}
        }
    }
    Some(found)
}

fn put_numbers(buffer: &mut Vec<u8>, numbers: &[u64]) {
    for (tag, number) in (1_u8..).zip(numbers) {
        buffer.push(tag << 3);
        put_varint(buffer, *number);
    }
}

/// An entry: type (always 0), term, index, and data unless empty.
pub(super) fn put_entry(buffer: &mut Vec<u8>, entry: &Entry) {
    put_numbers(buffer, &[0, entry.term, entry.index]);
    if !entry.data.is_empty() {
        buffer.push(4 << 3 | 2);
        put_varint(buffer, entry.data.len() as u64);
        buffer.extend_from_slice(&entry.data);
    }
}

/// Index, term and data of an entry. Its type is etcd's business and is not looked at.
pub(super) fn take_entry(message: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (mut index, mut term, mut data) = (0, 0, &[][..]);
    for field in Fields::new(message) {
        match field? {
            (1, Value::Number(_)) => {}
            (2, Value::Number(number)) => term = number,
            (3, Value::Number(number)) => index = number,
            (4, Value::Bytes(bytes)) => data = bytes,
            (1..=4, _) => return None,
            (_, _) => {}
        }
    }
    Some((index, term, data))
}

pub(super) fn put_state(buffer: &mut Vec<u8>, state: &HardState) {
    put_numbers(buffer, &[state.term, state.vote, state.commit]);
}

pub(super) fn take_state(message: &[u8]) -> Option<HardState> {
    numbers(message).map(|[term, vote, commit]| HardState { term, vote, commit })
}

pub(super) fn put_snapshot(buffer: &mut Vec<u8>, snapshot: &Snapshot) {
    put_numbers(buffer, &[snapshot.index, snapshot.term]);
}

/// A snapshot. The membership etcd adds since 3.5 is skipped.
pub(super) fn take_snapshot(message: &[u8]) -> Option<Snapshot> {
    numbers(message).map(|[index, term]| Snapshot { index, term })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_put_is_taken(index: u64, term: u64, vote: u64, data: Vec<u8>) {
            let mut bytes = Vec::new();
            put_entry(&mut bytes, &Entry { index, term, data: data.clone() });
            prop_assert_eq!(take_entry(&bytes), Some((index, term, &data[..])));
            let state = HardState { term, vote, commit: index };
            bytes.clear();
            put_state(&mut bytes, &state);
            prop_assert_eq!(take_state(&bytes), Some(state));
            let snapshot = Snapshot { index, term };
            bytes.clear();
            put_snapshot(&mut bytes, &snapshot);
            prop_assert_eq!(take_snapshot(&bytes), Some(snapshot));
        }

        #[test]
        fn decoding_is_total(bytes: Vec<u8>) {
            let _ = (take_entry(&bytes), take_state(&bytes), take_snapshot(&bytes));
        }
    }

    #[test]
    fn a_snapshot_with_members_is_read_without_them() {
        let with_members = [0x08, 5, 0x10, 2, 0x1a, 2, 0x08, 1];
        assert_eq!(
            take_snapshot(&with_members),
            Some(Snapshot { index: 5, term: 2 })
        );
    }

    #[test]
    fn a_number_longer_than_64_bits_is_refused() {
        let mut bytes = vec![0x08];
        bytes.extend([0xff; 9]);
        bytes.push(0x02);
        assert_eq!(take_state(&bytes), None);
    }
}
