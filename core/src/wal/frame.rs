//! What the two record formats share: kinds of records, the shape of a decoding step, what can be
//! wrong with a frame.
//!
//! A frame is a length of 8 bytes (little endian; the low 56 bits count the bytes of the record,
//! byte 7 says how it is padded), the record, and padding to a multiple of 8, so that a length
//! never straddles a sector.

use std::ops::Range;

use super::{Format, etcd, native};

/// Record types, as numbered by etcd.
pub(super) const METADATA: u64 = 1;
pub(super) const ENTRY: u64 = 2;
pub(super) const STATE: u64 = 3;
pub(super) const CRC: u64 = 4;
pub(super) const SNAPSHOT: u64 = 5;

/// Disks write sectors of this many bytes whole or not at all.
pub(super) const SECTOR: usize = 512;

/// A record found in the bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The record type, not yet known to be one of ours.
    pub(super) kind: u64,
    /// Where the payload lies.
    pub(super) payload: Range<usize>,
    /// Where the next frame starts.
    pub(super) next: usize,
}

/// Why no record could be read at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// The bytes end inside the frame, or its length claims more than there is.
    PastEnd,
    /// The frame is complete, but its checksum is wrong.
    Crc,
    /// The frame is complete, but it is not a record.
    Malformed,
}

/// One step through a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Record(Found),
    /// The end of the bytes or a zero length: nothing was written here.
    End,
    Bad(Bad),
}

/// The length field at `offset`: `None` if fewer than 8 bytes are left.
pub(super) fn length_word(bytes: &[u8], offset: usize) -> Option<[u8; 8]> {
    bytes.get(offset..)?.first_chunk::<8>().copied()
}

/// The low 56 bits of a length field.
pub(super) fn record_len(word: [u8; 8]) -> u64 {
    u64::from_le_bytes(word) & 0x00ff_ffff_ffff_ffff
}

/// The bytes to add so that `len` becomes a multiple of 8.
pub(super) fn padding(len: usize) -> usize {
    len.wrapping_neg() % 8
}

/// The length field of a record: `mark` tells the format of the padding byte.
pub(super) fn put_length(len: usize, mark: u8) -> [u8; 8] {
    let mut word = (len as u64).to_le_bytes();
    assert_eq!(word[7], 0, "no memory holds a record of 2^56 bytes");
    let pad = padding(len).to_le_bytes()[0];
    word[7] = if mark == etcd::PADDED && pad == 0 {
        0
    } else {
        mark | pad
    };
    word
}

/// The end of a frame of `record` and `pad` bytes at `offset`, if the bytes reach that far.
pub(super) fn frame_end(bytes: &[u8], offset: usize, record: u64, pad: u8) -> Option<usize> {
    let record = usize::try_from(record).ok()?;
    let end = offset
        .checked_add(8)?
        .checked_add(record)?
        .checked_add(usize::from(pad))?;
    (end <= bytes.len()).then_some(end)
}

/// Appends records of one format to a buffer and carries the checksum from record to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Encoder {
    pub(super) format: Format,
    /// The checksum of everything so far; the seed of the next record.
    pub(super) chain: u32,
    /// Reused for payloads, which etcd's format needs whole before the record starts.
    scratch: Vec<u8>,
}

/// Where the buffer will be written, and how far that file is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The file offset of the buffer's first byte.
    pub(super) base: u64,
    pub(super) synced: u64,
}

impl Encoder {
    pub(super) fn new(format: Format, chain: u32) -> Self {
        Encoder {
            format,
            chain,
            scratch: Vec::new(),
        }
    }

    /// Appends one record whose payload `put` writes.
    pub(super) fn record(
        &mut self,
        buffer: &mut Vec<u8>,
        place: Place,
        kind: u64,
        put: impl FnOnce(&mut Vec<u8>),
    ) {
        match self.format {
            Format::Etcd => {
                self.scratch.clear();
                put(&mut self.scratch);
                etcd::encode(buffer, kind, &self.scratch, &mut self.chain);
            }
            Format::Native => native::encode(buffer, place, kind, &mut self.chain, put),
        }
    }

    /// The record that hands the checksum over to a new segment. Native records each carry it
    /// anyway.
    pub(super) fn handover(&mut self, buffer: &mut Vec<u8>) {
        match self.format {
            Format::Etcd => etcd::encode_crc(buffer, self.chain),
            Format::Native => {}
        }
    }
}
