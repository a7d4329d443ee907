//! Bytes that etcd wrote are read as etcd reads them, and ours are the same bytes.

use super::*;
use crate::wal::frame::{Bad, CRC, ENTRY, METADATA, SNAPSHOT, Step};

fn fixture(name: &str) -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/../../shared/fixtures/etcd/{name}");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn etcd_options(preallocate_bytes: u64) -> Options {
    Options {
        preallocate_bytes,
        ..small(Format::Etcd)
    }
}

/// Kinds of the records and the offset and reason where reading stops.
fn records(bytes: &[u8]) -> (Vec<(u64, u32)>, usize, Option<Bad>) {
    let (mut found, mut offset, mut chain) = (Vec::new(), 0, 0);
    loop {
        match etcd::decode(bytes, offset, &mut chain) {
            Step::Record(record) => {
                found.push((record.kind, chain));
                offset = record.next;
            }
            Step::End => return (found, offset, None),
            Step::Bad(bad) => return (found, offset, Some(bad)),
        }
    }
}

#[test]
fn a_new_log_is_byte_for_byte_what_etcd_writes() {
    for preallocate in [0, 64_000] {
        let mut disk = MemoryStorage::default();
        let log = create(&mut disk, DIR, b"somedata", etcd_options(preallocate)).unwrap();
        log.close(&mut disk).unwrap();
        let bytes = read_file(&mut disk, &first()).unwrap();
        let expected = fixture("TestNew.wal");
        assert_eq!(bytes[..expected.len()], expected);
        assert!(bytes[expected.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(
            bytes.len(),
            expected.len().max(usize::try_from(preallocate).unwrap())
        );
    }
}

#[test]
fn a_log_that_etcd_began_is_read_and_written_on() {
    let mut disk = foreign_log(&fixture("TestNew.wal"));
    let (replayed, mut log) = reopen_behind(&mut disk, 0, 0).unwrap();
    assert_eq!(replayed.metadata, b"somedata");
    assert_eq!(
        (replayed.state, replayed.entries.len(), replayed.torn),
        (None, 0, None)
    );
    log.save(&mut disk, None, &entries(1..=3)).unwrap();
    log.close(&mut disk).unwrap();
    let (replayed, _) = reopen_behind(&mut disk, 0, 0).unwrap();
    assert_eq!(replayed.entries, entries(1..=3));
    let bytes = read_file(&mut disk, &first()).unwrap();
    let kinds: Vec<u64> = records(&bytes).0.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [CRC, METADATA, SNAPSHOT, ENTRY, ENTRY, ENTRY]);
}

#[test]
fn the_checksums_of_the_new_log_are_those_known_of_it() {
    let known = [(CRC, 0), (METADATA, 0x741f_6a05), (SNAPSHOT, 0x1820_6d80)];
    assert_eq!(records(&fixture("TestNew.wal")), (known.to_vec(), 72, None));
}

#[test]
fn a_length_beyond_the_end_of_the_file_is_a_torn_tail_at_136_and_repair_leaves_two_entries() {
    let bytes = fixture("last-record-length-exceeds-file.wal");
    let (found, offset, bad) = records(&bytes);
    let checksums: Vec<u32> = found[2..].iter().map(|(_, crc)| *crc).collect();
    assert_eq!(checksums, [0x81e6_d9a0, 0xf0b7_05ba, 0x239f_f421]);
    assert_eq!((offset, bad), (136, Some(Bad::PastEnd)));

    let mut disk = foreign_log(&bytes);
    let torn = WalError::UnexpectedEof {
        segment: segment_name(0, 0),
        offset: 136,
    };
    assert_eq!(reopen_behind(&mut disk, 0, 0).unwrap_err(), torn);
    let read_only = open_for_read(&mut disk, DIR, START)
        .unwrap()
        .read_all(&mut disk)
        .unwrap();
    assert_eq!(indices(&read_only), [1, 2]);

    assert!(matches!(
        repair(&mut disk, DIR),
        Ok(RepairOutcome::Cut { .. })
    ));
    assert_eq!(read_file(&mut disk, &first()).unwrap(), bytes[..136]);
    assert_eq!(
        read_file(&mut disk, &format!("{}.broken", first())).unwrap(),
        bytes
    );
    let (replayed, _) = reopen_behind(&mut disk, 0, 0).unwrap();
    let data: Vec<&[u8]> = replayed
        .entries
        .iter()
        .map(|entry| &entry.data[..])
        .collect();
    assert_eq!(data, [b"waldata1", b"waldata2"]);
}

#[test]
fn a_record_from_before_padding_is_read() {
    let bytes = fixture("unpadded-metadata-record.bin");
    assert_eq!(records(&bytes), (vec![(METADATA, 0x3a19_1a99)], 22, None));
}

#[test]
fn the_damaged_forms_of_that_record_are_told_apart() {
    let good = fixture("unpadded-metadata-record.bin");
    assert_eq!(records(&[]), (vec![], 0, None));
    for cut in [4, 8, good.len() - 8] {
        assert_eq!(records(&good[..cut]).2, Some(Bad::PastEnd), "{cut}");
    }
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() = b'a';
    assert_eq!(records(&flipped).2, Some(Bad::Crc));
}

#[test]
fn a_type_etcd_does_not_know_survives_the_frame_and_stops_the_reader() {
    let (mut bytes, mut chain) = (Vec::new(), 0);
    etcd::encode(&mut bytes, 0xABCD, b"Hello world!", &mut chain);
    assert_eq!(records(&bytes), (vec![(0xABCD, chain)], bytes.len(), None));
    let mut disk = foreign_log(&bytes);
    assert!(matches!(
        reopen_behind(&mut disk, 0, 0),
        Err(WalError::UnknownRecordType {
            record_type: 0xABCD,
            ..
        })
    ));
}

#[test]
fn the_checksum_is_castagnolis() {
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn format_1_does_not_see_a_changed_type_and_format_2_does() {
    // The reason for format 2. In etcd's frame the type is the second byte of the record.
    let mut disk = log_with(Format::Etcd, 2);
    edit(&mut disk, &first(), |bytes| {
        let last = bytes.len() - 40;
        assert_eq!(bytes[last + 8..last + 10], [0x08, 2]);
        bytes[last + 9] = 3;
    });
    let (replayed, _) = reopen(&mut disk).unwrap();
    assert_eq!(replayed.entries, [entry(0)]);
    assert!(
        replayed.state.is_some(),
        "an entry is taken for a state that nobody saved"
    );
    let mut disk = log_with(Format::Native, 2);
    let entry_at = read_file(&mut disk, &first()).unwrap().len() - 2 * 40;
    edit(&mut disk, &first(), |bytes| bytes[entry_at + 23] ^= 1);
    assert!(matches!(
        reopen(&mut disk),
        Err(WalError::CorruptInterior { .. })
    ));
}
