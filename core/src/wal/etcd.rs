//! Format 1: etcd's record, byte for byte.
//!
//! The record is a protobuf message: field 1 the type, field 2 the checksum, field 3 the data. The
//! checksum is CRC-32C over all data so far, continued from record to record and from segment to
//! segment. It covers neither the type nor the length; format 2 exists because of that.

use std::ops::Range;

use super::frame::{
    Bad, CRC, Found, Step, frame_end, length_word, padding, put_length, record_len,
};
use super::payload::{Fields, Value, put_varint};

/// Set in byte 7 of the length if padding follows. Files from before 2016 have neither.
pub(super) const PADDED: u8 = 0x80;

/// Appends a record and continues the checksum.
pub(super) fn encode(buffer: &mut Vec<u8>, kind: u64, data: &[u8], chain: &mut u32) {
    *chain = crc32c::crc32c_append(*chain, data);
    put_record(buffer, kind, *chain, Some(data));
}

/// Appends the record that opens a segment with the checksum of the one before. It has no data.
pub(super) fn encode_crc(buffer: &mut Vec<u8>, chain: u32) {
    put_record(buffer, CRC, chain, None);
}

fn put_record(buffer: &mut Vec<u8>, kind: u64, crc: u32, data: Option<&[u8]>) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    buffer.push(1 << 3);
    put_varint(buffer, kind);
    buffer.push(2 << 3);
    put_varint(buffer, u64::from(crc));
    if let Some(data) = data {
        buffer.push(3 << 3 | 2);
        put_varint(buffer, data.len() as u64);
        buffer.extend_from_slice(data);
    }
    let len = buffer.len() - start - 8;
    buffer[start..start + 8].copy_from_slice(&put_length(len, PADDED));
    buffer.resize(buffer.len() + padding(len), 0);
}

/// The record at `offset`, and the checksum continued. A checksum record is compared with the
/// running value unless that is 0, which etcd takes for "nothing read yet".
pub(super) fn decode(bytes: &[u8], offset: usize, chain: &mut u32) -> Step {
    let Some(word) = length_word(bytes, offset) else {
        return if offset >= bytes.len() {
            Step::End
        } else {
            Step::Bad(Bad::PastEnd)
        };
    };
    if word == [0; 8] {
        return Step::End;
    }
    let pad = if word[7] & PADDED == 0 {
        0
    } else {
        word[7] & 7
    };
    let Some(next) = frame_end(bytes, offset, record_len(word), pad) else {
        return Step::Bad(Bad::PastEnd);
    };
    let record = offset + 8..next - usize::from(pad);
    let start = record.start;
    let Some((kind, crc, data)) = take_record(&bytes[record]) else {
        return Step::Bad(Bad::Malformed);
    };
    let payload = start + data.start..start + data.end;
    if kind == CRC {
        if *chain != 0 && crc != *chain {
            return Step::Bad(Bad::Crc);
        }
        *chain = crc;
        return Step::Record(Found {
            kind,
            payload,
            next,
        });
    }
    let continued = crc32c::crc32c_append(*chain, &bytes[payload.clone()]);
    if crc != continued {
        return Step::Bad(Bad::Crc);
    }
    *chain = continued;
    Step::Record(Found {
        kind,
        payload,
        next,
    })
}

/// Type, checksum and the place of the data within the record.
fn take_record(record: &[u8]) -> Option<(u64, u32, Range<usize>)> {
    let (mut kind, mut crc, mut data) = (0, 0, 0..0);
    let mut fields = Fields::new(record);
    while let Some(field) = fields.next() {
        match field? {
            (1, Value::Number(number)) => kind = number,
            (2, Value::Number(number)) => crc = u32::try_from(number).ok()?,
            (3, Value::Bytes(bytes)) => {
                let end = record.len() - fields.bytes_left();
                data = end - bytes.len()..end;
            }
            (1..=3, _) => return None,
            (_, _) => {}
        }
    }
    Some((kind, crc, data))
}
