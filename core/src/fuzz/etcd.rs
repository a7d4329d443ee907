//! Format 1 against a second decoder, written from the description of etcd's frame alone:
//!
//! ```text
//! frame  := len(u64 LE) record pad     low 56 bits: bytes of the record; byte 7: 0x80 | pad, or 0
//! record := protobuf { 1: type varint, 2: crc u32 varint, 3: data bytes }
//! crc    := CRC-32C over all data so far; a record of type 4 hands it over and is not hashed
//! ```

use arbitrary::{Result, Unstructured};

use super::log::{DIR, log_of, plain, segment};
use crate::{
    storage::{MemoryStorage, read_file},
    wal::{self, Content, Entry, Format, HardState, Snapshot, WalError},
};

/// A record as the second decoder sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    offset: u64,
    kind: u64,
    data: Vec<u8>,
}

/// Why the second decoder stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// No bytes, or a length of zero.
    End,
    /// The frame does not fit into the file.
    Short,
    /// No such message, or a wrong checksum.
    Bad,
}

/// CRC-32C by its definition: reflected, polynomial 0x82F63B78, one bit at a time.
fn crc(seed: u32, data: &[u8]) -> u32 {
    let mut crc = !seed;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u128;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u128::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return u64::try_from(value).ok();
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(count).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// Type, checksum and data of a record.
fn fields(mut record: &[u8]) -> Option<(u64, u32, Vec<u8>)> {
    let (mut kind, mut sum, mut data) = (0, 0, Vec::new());
    while !record.is_empty() {
        let tag = varint(&mut record)?;
        if tag >> 3 == 0 {
            return None;
        }
        let (mut number, mut bytes) = (None, None);
        match tag & 7 {
            0 => number = Some(varint(&mut record)?),
            1 => drop(take(&mut record, 8)?),
            2 => {
                let count = varint(&mut record)?;
                bytes = Some(take(&mut record, count)?);
            }
            5 => drop(take(&mut record, 4)?),
            _ => return None,
        }
        match tag >> 3 {
            1 => kind = number?,
            2 => sum = u32::try_from(number?).ok()?,
            3 => data = bytes?.to_vec(),
            _ => {}
        }
    }
    Some((kind, sum, data))
}

fn second_decoder(file: &[u8]) -> (Vec<Record>, usize, Stop) {
    let (mut records, mut at, mut sum) = (Vec::new(), 0, 0);
    loop {
        let rest = &file[at..];
        let Some(word) = rest.first_chunk::<8>() else {
            let stop = if rest.is_empty() {
                Stop::End
            } else {
                Stop::Short
            };
            return (records, at, stop);
        };
        if *word == [0; 8] {
            return (records, at, Stop::End);
        }
        let length = u64::from_le_bytes(*word) << 8 >> 8;
        let pad = if word[7] >= 0x80 { word[7] % 8 } else { 0 };
        let whole = length + u64::from(pad);
        if whole > (rest.len() - 8) as u64 {
            return (records, at, Stop::Short);
        }
        let in_memory = |bytes: u64| usize::try_from(bytes).expect("it lies in the file");
        let (length, whole) = (in_memory(length), in_memory(whole));
        let Some((kind, stored, data)) = fields(&rest[8..8 + length]) else {
            return (records, at, Stop::Bad);
        };
        let good = match kind {
            4 => sum == 0 || stored == sum,
            _ => stored == crc(sum, &data),
        };
        if !good {
            return (records, at, Stop::Bad);
        }
        sum = stored;
        records.push(Record {
            offset: at as u64,
            kind,
            data,
        });
        at += 8 + whole;
    }
}

/// Bytes as a file of etcd, or as entries to write: both decoders must see the same.
pub(super) fn wal_etcd_frame(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0..=127, file)) => same_records(file),
        Some((128..=255, plan)) => drop(same_entries(&mut Unstructured::new(plan))),
        None => {}
    }
}

fn same_records(file: &[u8]) {
    if file.get(7).is_some_and(|mark| mark & 0xf8 == 0xc0) {
        return; // format 2
    }
    let (records, end, stop) = second_decoder(file);
    let mut disk = log_of(file);
    let mut seen = Vec::new();
    let walked = wal::inspect(&mut disk, DIR, &mut |record| {
        seen.push((record.offset, summary(&record.content)));
        Ok(())
    });
    let expected = records
        .iter()
        .map(|record| (record.offset, expected(record)));
    let expected: Vec<_> = expected.collect();
    // A payload without meaning ends the walk; up to there both must agree.
    let agreed = expected
        .iter()
        .take_while(|(_, meaning)| meaning.is_some())
        .count();
    let first: Vec<_> = seen
        .iter()
        .map(|(at, meaning)| (*at, Some(meaning.clone())))
        .collect();
    match &walked {
        Ok(log) => {
            assert_eq!(first, expected, "records");
            assert_eq!(log.offset, end as u64, "the end");
            let torn = log.torn.is_some();
            assert!(torn == (stop != Stop::End), "{stop:?}, but {:?}", log.torn);
        }
        Err(WalError::MetadataConflict { .. }) => assert_eq!(first[..], expected[..first.len()]),
        Err(error) => {
            assert_eq!(first[..], expected[..agreed], "records before: {error}");
            let place = records
                .get(agreed)
                .map_or(end as u64, |record| record.offset);
            assert_eq!(error.place().map(|(_, at)| at), Some(place), "{error}");
            assert!(
                stop != Stop::End || agreed < records.len() || end == 0,
                "{error}"
            );
        }
    }
}

/// What a record carries, in words that both decoders can say.
fn summary(content: &Content<'_>) -> String {
    match content {
        Content::Metadata(bytes) => format!("metadata {bytes:?}"),
        Content::Entry { index, term, data } => format!("entry {index} {term} {data:?}"),
        Content::State(state) => format!("state {state:?}"),
        Content::Checksum => "checksum".to_owned(),
        Content::Snapshot(snapshot) => format!("snapshot {snapshot:?}"),
    }
}

/// The same for a record of the second decoder; `None` if its payload means nothing.
fn expected(record: &Record) -> Option<String> {
    let data = &record.data;
    Some(match record.kind {
        1 => format!("metadata {data:?}"),
        2 => {
            let ([_, term, index, _], bytes) = message(data, 3, Some(4))?;
            format!("entry {index} {term} {bytes:?}")
        }
        3 => {
            let ([term, vote, commit, _], _) = message(data, 3, None)?;
            format!("state {:?}", HardState { term, vote, commit })
        }
        4 => "checksum".to_owned(),
        5 => {
            let ([index, term, ..], _) = message(data, 2, None)?;
            format!("snapshot {:?}", Snapshot { index, term })
        }
        _ => return None,
    })
}

/// The numbers in the first fields of a message, and the bytes of one field.
fn message(mut data: &[u8], numbers: u64, bytes: Option<u64>) -> Option<([u64; 4], Vec<u8>)> {
    let (mut found, mut held) = ([0; 4], Vec::new());
    while !data.is_empty() {
        let tag = varint(&mut data)?;
        let (mut number, mut slice) = (None, None);
        match tag & 7 {
            0 => number = Some(varint(&mut data)?),
            1 => drop(take(&mut data, 8)?),
            2 => {
                let count = varint(&mut data)?;
                slice = Some(take(&mut data, count)?);
            }
            5 => drop(take(&mut data, 4)?),
            _ => return None,
        }
        match tag >> 3 {
            0 => return None,
            field if field <= numbers => found[usize::try_from(field).ok()? - 1] = number?,
            field if bytes == Some(field) => held = slice?.to_vec(),
            _ => {}
        }
    }
    Some((found, held))
}

/// Entries written by the log in format 1: the second decoder finds them, whole frames only, each
/// padded to 8 bytes.
fn same_entries(u: &mut Unstructured<'_>) -> Result<()> {
    let mut disk = MemoryStorage::default();
    let created = wal::create(&mut disk, DIR, b"metadata", plain(Format::Etcd));
    let (mut log, mut expected) = (created.expect("a new log"), Vec::new());
    for index in 1..=u64::from(u.arbitrary::<u8>()? % 8) {
        let len = usize::from(u.arbitrary::<u8>()?);
        let data = u.bytes(len.min(u.len()))?.to_vec();
        let term = u.arbitrary()?;
        expected.push(Some(format!("entry {index} {term} {data:?}")));
        assert_eq!(
            log.append(&mut disk, &[Entry { index, term, data }]),
            Ok(())
        );
    }
    assert_eq!(log.close(&mut disk), Ok(()));
    let file = read_file(&mut disk, &segment(0, 0)).expect("the only segment");
    let (records, end, stop) = second_decoder(&file);
    assert_eq!((end, stop), (file.len(), Stop::End));
    assert!(records.iter().all(|record| record.offset % 8 == 0));
    let entries = records.iter().filter(|record| record.kind == 2);
    assert_eq!(entries.map(self::expected).collect::<Vec<_>>(), expected);
    let heads: Vec<u64> = records.iter().map(|record| record.kind).take(3).collect();
    assert_eq!(heads, [4, 1, 5], "checksum, metadata, snapshot");
    Ok(())
}
