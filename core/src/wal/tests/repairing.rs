//! Repair and torn tails: what may be cut, what must be reported.

use super::*;

fn cut_bytes(disk: &mut MemoryStorage, path: &str, count: usize) {
    edit(disk, path, |bytes| bytes.truncate(bytes.len() - count));
}

#[test]
fn a_truncated_last_record_is_cut_and_writing_goes_on() {
    for format in [Format::Etcd, Format::Native] {
        let mut disk = log_with(format, 10);
        cut_bytes(&mut disk, &first(), 4);
        let repaired = repair(&mut disk, DIR).unwrap();
        assert!(matches!(repaired, RepairOutcome::Cut { copy: Some(_), .. }));
        assert_eq!(
            repair(&mut disk, DIR),
            Ok(RepairOutcome::Clean),
            "repairing twice is once"
        );
        let (replayed, mut log) = reopen(&mut disk).unwrap();
        assert_eq!(replayed.entries, entries(0..=8));
        log.save(&mut disk, None, &entries(9..=18)).unwrap();
        log.close(&mut disk).unwrap();
        assert_eq!(reopen(&mut disk).unwrap().0.entries, entries(0..=18));
    }
}

#[test]
fn format_2_cuts_a_torn_tail_when_it_is_opened_and_says_so() {
    let mut disk = log_with(Format::Native, 10);
    cut_bytes(&mut disk, &first(), 4);
    let (replayed, log) = reopen(&mut disk).unwrap();
    let torn = replayed.torn.unwrap();
    assert_eq!((torn.bytes, torn.fully_written), (36, false));
    let file = read_file(&mut disk, &first()).unwrap();
    assert_eq!(file.len() as u64, torn.offset);
    log.close(&mut disk).unwrap();
    assert_eq!(
        reopen(&mut disk).unwrap().0.torn,
        None,
        "opening twice is once"
    );
}

#[test]
fn a_tail_lost_in_a_preallocated_file_is_torn() {
    for format in [Format::Etcd, Format::Native] {
        let mut disk = log_with(format, 50);
        edit(&mut disk, &first(), |bytes| {
            let len = bytes.len();
            bytes.truncate(1024);
            bytes.resize(len, 0);
        });
        assert!(matches!(
            repair(&mut disk, DIR),
            Ok(RepairOutcome::Cut { .. })
        ));
        let (replayed, _) = reopen(&mut disk).unwrap();
        let kept = replayed.entries.len();
        assert!((15..40).contains(&kept), "{kept}");
        assert_eq!(replayed.entries, entries(0..=kept as u64 - 1));
    }
}

/// One record of several sectors, then four small ones; a sector of zeros in the middle of the
/// first.
fn big_record_with_a_zeroed_sector(format: Format, synced: bool) -> MemoryStorage {
    let (mut disk, mut log) = new_log(format);
    let big = Entry {
        index: 0,
        term: 0,
        data: vec![7; 4096],
    };
    log.append(&mut disk, &[big]).unwrap();
    for index in 1..5 {
        if synced {
            log.sync(&mut disk).unwrap();
        }
        log.append(&mut disk, &[entry(index)]).unwrap();
    }
    edit(&mut disk, &first(), |bytes| bytes[1024..1536].fill(0));
    restarted(&mut disk)
}

#[test]
fn a_zeroed_sector_in_synced_data_is_forgotten_by_format_1_and_reported_by_format_2() {
    let mut disk = big_record_with_a_zeroed_sector(Format::Etcd, true);
    assert!(matches!(
        repair(&mut disk, DIR),
        Ok(RepairOutcome::Cut { .. })
    ));
    assert_eq!(reopen_behind(&mut disk, 0, 0).unwrap().0.entries, []);

    let mut disk = big_record_with_a_zeroed_sector(Format::Native, true);
    let before = disk.clone();
    let repaired = repair(&mut disk, DIR);
    assert!(matches!(repaired, Err(WalError::CorruptInterior { .. })));
    assert!(matches!(
        reopen(&mut disk),
        Err(WalError::CorruptInterior { .. })
    ));
    assert_eq!(
        read_file(&mut disk, &first()),
        read_file(&mut before.clone(), &first())
    );
}

#[test]
fn good_records_behind_a_lost_sector_of_one_unsynced_batch_do_not_stop_the_node() {
    let mut disk = big_record_with_a_zeroed_sector(Format::Native, false);
    let (replayed, _) = reopen_behind(&mut disk, 0, 0).unwrap();
    assert_eq!(replayed.entries, []);
    assert!(replayed.torn.is_some());
}

#[test]
fn one_flipped_bit_in_a_large_payload_of_zeros_is_not_a_torn_write() {
    let (mut disk, mut log) = new_log(Format::Native);
    let zeros = Entry {
        index: 0,
        term: 0,
        data: vec![0; 8192],
    };
    log.save(&mut disk, None, &[zeros]).unwrap();
    log.save(&mut disk, None, &[entry(1)]).unwrap();
    log.close(&mut disk).unwrap();
    edit(&mut disk, &first(), |bytes| bytes[5000] ^= 0x10);
    assert!(matches!(
        repair(&mut disk, DIR),
        Err(WalError::CorruptInterior { .. })
    ));
}

#[test]
fn no_sector_of_a_payload_of_zeros_is_zero_on_the_disk() {
    let (mut disk, mut log) = new_log(Format::Native);
    let zeros = Entry {
        index: 0,
        term: 0,
        data: vec![0; 64 * 1024],
    };
    log.save(&mut disk, None, &[zeros]).unwrap();
    let bytes = read_file(&mut disk, &first()).unwrap();
    assert!(
        bytes
            .chunks(512)
            .all(|sector| sector.iter().any(|byte| *byte != 0))
    );
}

#[test]
fn a_damaged_last_record_that_was_fully_written_is_pointed_out() {
    let mut disk = log_with(Format::Native, 5);
    edit(&mut disk, &first(), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let (replayed, _) = reopen(&mut disk).unwrap();
    assert_eq!(replayed.entries, entries(0..=3));
    assert!(replayed.torn.unwrap().fully_written);
}

#[test]
fn records_behind_a_zeroed_one_are_never_resurrected() {
    // etcd's own case: 40 records, the one at 20 zeroed, then 5 more written over the rest.
    let (mut disk, mut log) = new_log(Format::Native);
    let mut offsets = Vec::new();
    for index in 0..40 {
        let held = read_file(&mut disk, &first()).unwrap();
        offsets.push(held.len());
        log.append(&mut disk, &[entry(index)]).unwrap();
    }
    edit(&mut disk, &first(), |bytes| {
        bytes[offsets[20]..offsets[21]].fill(0)
    });
    let mut disk = restarted(&mut disk);
    let (replayed, mut log) = reopen(&mut disk).unwrap();
    assert_eq!(replayed.entries, entries(0..=19));
    for index in 20..25 {
        log.append(&mut disk, &[entry(index)]).unwrap();
    }
    log.close(&mut disk).unwrap();
    let (replayed, _) = reopen(&mut disk).unwrap();
    assert_eq!(replayed.entries, entries(0..=24));
    assert_eq!(replayed.torn, None);
}

#[test]
fn format_1_reads_to_a_zero_length_and_clears_what_is_behind_it() {
    let mut disk = log_with(Format::Etcd, 30);
    edit(&mut disk, &first(), |bytes| {
        let at = bytes.len() - 10 * 40;
        bytes[at..at + 40].fill(0);
    });
    let (replayed, mut log) = reopen(&mut disk).unwrap();
    let kept = replayed.entries.len() as u64;
    assert_eq!(kept, 20);
    log.save(&mut disk, None, &[entry(kept)]).unwrap();
    log.close(&mut disk).unwrap();
    assert_eq!(reopen(&mut disk).unwrap().0.entries, entries(0..=kept));
}

#[test]
fn format_1_is_written_on_in_front_of_any_number_of_zeros() {
    // A rest of fewer than 8 bytes behind the last record would be read as a torn length.
    for zeros in 8..=80 {
        let mut disk = log_with(Format::Etcd, 3);
        edit(&mut disk, &first(), |bytes| {
            bytes.resize(bytes.len() + zeros, 0);
        });
        let (replayed, mut log) = reopen(&mut disk).unwrap();
        assert_eq!(replayed.entries, entries(0..=2));
        log.save(&mut disk, None, &[entry(3)]).unwrap();
        log.close(&mut disk).unwrap();
        let read = reopen(&mut disk).map(|(replayed, _)| replayed.entries);
        assert_eq!(read, Ok(entries(0..=3)), "{zeros} zeros");
    }
}

#[test]
fn a_segment_that_lost_its_header_is_damaged() {
    for format in [Format::Etcd, Format::Native] {
        let mut disk = log_with(format, 3);
        for change in [0_usize, 1] {
            edit(&mut disk, &first(), |bytes| {
                bytes.truncate(bytes.len() * change);
                bytes.iter_mut().take(64).for_each(|byte| *byte = 0);
            });
            let damaged = WalError::CorruptInterior {
                segment: segment_name(0, 0),
                offset: 0,
            };
            assert_eq!(repair(&mut disk, DIR).unwrap_err(), damaged);
        }
    }
}

#[test]
fn a_header_that_ends_early_is_damaged_because_it_was_synced_before_it_had_a_name() {
    let mut disk = log_with(Format::Native, 0);
    cut_bytes(&mut disk, &first(), 5);
    assert!(matches!(
        repair(&mut disk, DIR),
        Err(WalError::CorruptInterior { .. })
    ));
    // The whole snapshot record is gone: without the length of the header this would look clean.
    let mut disk = log_with(Format::Native, 0);
    cut_bytes(&mut disk, &first(), 32);
    assert!(matches!(
        repair(&mut disk, DIR),
        Err(WalError::CorruptInterior { .. })
    ));
}

#[test]
fn a_segment_that_ends_before_the_one_behind_it_continues_is_damaged() {
    for format in [Format::Etcd, Format::Native] {
        let (mut disk, mut log) = new_log(format);
        log.append(&mut disk, &entries(0..=4)).unwrap();
        log.cut(&mut disk).unwrap();
        log.close(&mut disk).unwrap();
        // Exactly the last record, so that what is left is a good segment by itself.
        cut_bytes(&mut disk, &first(), 40);
        let offset = read_file(&mut disk, &first()).unwrap().len() as u64;
        let opened = reopen(&mut disk).unwrap_err();
        let expected = match format {
            Format::Etcd => WalError::CrcMismatch {
                segment: segment_name(1, 5),
                offset: 0,
            },
            Format::Native => WalError::CorruptInterior {
                segment: segment_name(0, 0),
                offset,
            },
        };
        assert_eq!(opened, expected);
    }
}

#[test]
fn a_length_with_nothing_behind_it_is_a_torn_tail() {
    for format in [Format::Etcd, Format::Native] {
        let mut disk = log_with(format, 3);
        let mut whole = 0;
        edit(&mut disk, &first(), |bytes| {
            whole = bytes.len();
            bytes.extend_from_within(whole - 40..whole - 32);
        });
        match (format, reopen(&mut disk)) {
            (Format::Etcd, opened) => {
                let torn = WalError::UnexpectedEof {
                    segment: segment_name(0, 0),
                    offset: whole as u64,
                };
                assert_eq!(opened.unwrap_err(), torn);
                let repaired = repair(&mut disk, DIR).unwrap();
                assert!(matches!(repaired, RepairOutcome::Cut { .. }));
            }
            (Format::Native, opened) => {
                let (replayed, log) = opened.unwrap();
                assert_eq!(replayed.torn.unwrap().bytes, 8);
                log.close(&mut disk).unwrap();
            }
        }
        let (replayed, _) = reopen(&mut disk).unwrap();
        assert_eq!((replayed.entries, replayed.torn), (entries(0..=2), None));
    }
}

#[test]
fn a_tail_without_slack_is_written_on() {
    for format in [Format::Etcd, Format::Native] {
        let options = Options {
            preallocate_bytes: 4096,
            ..small(format)
        };
        let mut disk = MemoryStorage::default();
        let mut log = create(&mut disk, DIR, b"metadata", options).unwrap();
        log.save(&mut disk, None, &entries(0..=4)).unwrap();
        log.close(&mut disk).unwrap();
        // What was preallocated is gone; the file ends with its last record.
        edit(&mut disk, &first(), |bytes| {
            let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            bytes.truncate(written.next_multiple_of(8));
        });
        let (_, mut log) = reopen(&mut disk).unwrap();
        log.save(&mut disk, None, &entries(5..=9)).unwrap();
        log.close(&mut disk).unwrap();
        assert_eq!(reopen(&mut disk).unwrap().0.entries, entries(0..=9));
    }
}

#[test]
fn the_copy_of_a_repaired_segment_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let mut disk = crate::storage::RealStorage::new(root.path());
    let mut log = create(&mut disk, DIR, b"metadata", small(Format::Native)).unwrap();
    log.save(&mut disk, None, &entries(0..=2)).unwrap();
    log.close(&mut disk).unwrap();
    let file = disk.open(&first(), Access::Write).unwrap();
    let len = disk.len(file).unwrap();
    disk.set_len(file, len - 3).unwrap();
    disk.close(file).unwrap();
    let Ok(RepairOutcome::Cut {
        copy: Some(copy), ..
    }) = repair(&mut disk, DIR)
    else {
        panic!("nothing was cut");
    };
    let metadata = std::fs::metadata(root.path().join(copy)).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}
