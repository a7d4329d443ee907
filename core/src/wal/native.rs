//! Format 2: a record that can be judged on its own.
//!
//! ```text
//! length 8 | crc 4 | prev 4 | synced_upto and type 8 | payload, padding
//! ```
//! All numbers are little endian. Byte 7 of the length is `0xC0` plus the number of padding bytes.
//! `crc` is CRC-32C over everything else in the frame but `prev`, seeded with `prev`, which is the
//! `crc` of the record before. So nothing in a frame can change unseen, and a record found behind a
//! damaged one can still be verified.
//!
//! `synced_upto` (the low 56 bits of its field; the type is in the top byte) is the offset up to
//! which this file was known durable when the record was written. It is what tells damage from a
//! torn tail.
//!
//! Payload and padding are XORed with a mask made from `prev` and the file offset. A sector of
//! zeros within a frame therefore means "never written", whatever the payload, and nobody who
//! chooses payloads can place bytes that look like a record, because `prev` sums up what this node
//! alone has seen.

use super::frame::{
    Bad, Found, Place, Step, frame_end, length_word, padding, put_length, record_len,
};
use super::window::Window;
use crate::storage::{Storage, StorageError};

/// Byte 7 of a length, without the number of padding bytes. Never seen in format 1.
pub(super) const MARK: u8 = 0xc0;

/// Bytes before the payload.
pub(super) const HEADER: usize = 24;

/// The first byte of the metadata record, before the caller's metadata.
pub(super) const VERSION: u8 = 2;

const OFFSET_BITS: u32 = 56;

/// Mixes 64 bits thoroughly (the finalizer of SplitMix64).
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// XORs the mask; doing it twice restores the bytes. Their number is a multiple of 8.
///
/// One mixed word serves for 64 bytes: mixing one for each word takes several times as long as the
/// checksum, and eight different words in a sector are as good as 64.
fn whiten(bytes: &mut [u8], prev: u32, offset: u64) {
    let seed = mix(u64::from(prev) ^ 0x9e37_79b9_7f4a_7c15).wrapping_add(offset);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    assert!(rest.is_empty(), "frames are padded to 8 bytes");
    let (lines, rest) = words.as_chunks_mut::<8>();
    let mask = |line: u64| mix(seed.wrapping_add(line * 64));
    let xor = |word: &mut [u8; 8], mask: u64| {
        *word = (u64::from_le_bytes(*word) ^ mask).to_le_bytes();
    };
    let last = mask(lines.len() as u64);
    for (number, line) in (0_u64..).zip(lines) {
        let mask = mask(number);
        line.iter_mut().for_each(|word| xor(word, mask));
    }
    rest.iter_mut().for_each(|word| xor(word, last));
}

/// The checksum of a frame: the length, then everything behind `prev`.
fn checksum(frame: &[u8], prev: u32) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(prev, &frame[..8]), &frame[16..])
}

/// Appends a record and continues the checksum.
pub(super) fn encode(
    buffer: &mut Vec<u8>,
    place: Place,
    kind: u64,
    chain: &mut u32,
    put: impl FnOnce(&mut Vec<u8>),
) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    put(buffer);
    let len = buffer.len() - start - 8;
    buffer.resize(buffer.len() + padding(len), 0);
    assert!(
        place.synced >> OFFSET_BITS == 0 && kind < 256,
        "both fit into one field"
    );
    let frame = &mut buffer[start..];
    frame[..8].copy_from_slice(&put_length(len, MARK));
    frame[12..16].copy_from_slice(&chain.to_le_bytes());
    frame[16..24].copy_from_slice(&(place.synced | kind << OFFSET_BITS).to_le_bytes());
    let payload_at = place.base + (start + HEADER) as u64;
    whiten(&mut frame[HEADER..], *chain, payload_at);
    *chain = checksum(frame, *chain);
    frame[8..12].copy_from_slice(&chain.to_le_bytes());
}

/// A frame whose checksum is right for the `prev` it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verified {
    end: usize,
    pad: u8,
    crc: u32,
    prev: u32,
    kind: u64,
    synced: u64,
}

/// Verifies the frame at `offset` by itself, without knowing the record before it. The bytes begin
/// at `base` of the file.
fn verify(bytes: &[u8], base: u64, offset: usize) -> Result<Verified, Bad> {
    let word = length_word(bytes, offset).ok_or(Bad::PastEnd)?;
    let (mark, pad) = (word[7] & 0xf8, word[7] & 7);
    let len = record_len(word);
    if mark != MARK || len < (HEADER - 8) as u64 || !(len + u64::from(pad)).is_multiple_of(8) {
        return Err(Bad::Malformed);
    }
    let end = frame_end(bytes, offset, len, pad).ok_or(Bad::PastEnd)?;
    let frame = &bytes[offset..end];
    let field = |at: usize| {
        frame[at..]
            .first_chunk()
            .copied()
            .map_or(0, u32::from_le_bytes)
    };
    let (crc, prev) = (field(8), field(12));
    if checksum(frame, prev) != crc {
        return Err(Bad::Crc);
    }
    let mark = length_word(frame, 16).map_or(0, u64::from_le_bytes);
    let (kind, synced) = (mark >> OFFSET_BITS, mark & ((1 << OFFSET_BITS) - 1));
    // A record cannot know more of the file to be durable than was written before it.
    if synced > base + offset as u64 {
        return Err(Bad::Malformed);
    }
    Ok(Verified {
        end,
        pad,
        crc,
        prev,
        kind,
        synced,
    })
}

/// Whether the bytes start like a segment of this format.
pub(super) fn is_native(bytes: &[u8]) -> bool {
    length_word(bytes, 0).is_some_and(|word| word[7] & 0xf8 == MARK)
}

/// The `prev` of the first record: the checksum at the end of the segment before.
pub(super) fn first_prev(bytes: &[u8]) -> Option<u32> {
    verify(bytes, 0, 0).ok().map(|first| first.prev)
}

/// The record at `offset`, its payload restored in place, and the checksum continued.
///
/// The bytes begin at `base` of the file; the mask depends on the place in the file.
pub(super) fn decode(bytes: &mut [u8], base: u64, offset: usize, chain: &mut u32) -> Step {
    match length_word(bytes, offset) {
        None if offset >= bytes.len() => return Step::End,
        None => return Step::Bad(Bad::PastEnd),
        Some(word) if word == [0; 8] => return Step::End,
        Some(_) => {}
    }
    let frame = match verify(bytes, base, offset) {
        Ok(frame) if frame.prev == *chain => frame,
        Ok(_) => return Step::Bad(Bad::Crc),
        Err(bad) => return Step::Bad(bad),
    };
    *chain = frame.crc;
    let payload = offset + HEADER..frame.end - usize::from(frame.pad);
    whiten(
        &mut bytes[offset + HEADER..frame.end],
        frame.prev,
        base + (offset + HEADER) as u64,
    );
    Step::Record(Found {
        kind: frame.kind,
        payload,
        next: frame.end,
    })
}

/// Whether a record behind `bad` proves that the file was durable beyond `bad`.
///
/// Only complete frames with a right checksum count. Looks at every multiple of 8, since a damaged
/// length says nothing about where the next frame starts. Behind `written` there are only zeros.
pub(super) fn proves_synced_beyond(
    storage: &mut dyn Storage,
    window: &mut Window,
    bad: u64,
    written: u64,
) -> Result<bool, StorageError> {
    let mut offset = bad + 8;
    while offset < written && offset + 8 <= window.len() {
        window.load(storage, offset, offset + 8)?;
        let place = window.place(offset);
        // The mark first: it is cheap to look at.
        let marked = length_word(window.bytes(), place).is_some_and(|word| word[7] & 0xf8 == MARK);
        if !marked {
            offset += 8;
            continue;
        }
        window.load_frame(storage, offset)?;
        let (base, place) = (window.base(), window.place(offset));
        match verify(window.bytes(), base, place) {
            Ok(frame) if frame.synced > bad => return Ok(true),
            Ok(frame) => offset = base + frame.end as u64,
            Err(_) => offset += 8,
        }
    }
    Ok(false)
}
