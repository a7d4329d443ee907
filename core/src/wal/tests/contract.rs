//! What etcd promises and tests of its log, in both formats.

use super::*;

const FORMATS: [Format; 2] = [Format::Etcd, Format::Native];

#[test]
fn the_cut_example_of_the_documentation_of_etcd_gives_its_names() {
    let (mut disk, mut log) = new_log(Format::Native);
    log.save(&mut disk, None, &entries(0..=0x20)).unwrap();
    log.cut(&mut disk).unwrap();
    log.save(&mut disk, None, &entries(0x21..=0x30)).unwrap();
    log.cut(&mut disk).unwrap();
    let expected = [
        "0000000000000000-0000000000000000.wal",
        "0000000000000001-0000000000000021.wal",
        "0000000000000002-0000000000000031.wal",
    ];
    assert_eq!(disk.list(DIR).unwrap(), expected);
}

#[test]
fn everything_saved_comes_back_and_the_last_state_wins() {
    for format in FORMATS {
        let (mut disk, mut log) = new_log(format);
        for commit in 1..=3 {
            let state = HardState {
                term: 1,
                vote: 1,
                commit,
            };
            log.save(
                &mut disk,
                Some(&state),
                &entries(commit * 2 - 2..=commit * 2 - 1),
            )
            .unwrap();
        }
        log.close(&mut disk).unwrap();
        let (replayed, log) = reopen(&mut disk).unwrap();
        assert_eq!(replayed.metadata, b"metadata");
        assert_eq!(
            replayed.state,
            Some(HardState {
                term: 1,
                vote: 1,
                commit: 3
            })
        );
        assert_eq!(replayed.entries, entries(0..=5));
        assert_eq!((replayed.last_index, replayed.torn), (Some(5), None));
        assert_eq!(log.last_index(), Some(5));
    }
}

#[test]
fn the_last_state_is_in_every_later_segment() {
    for format in FORMATS {
        let (mut disk, mut log) = new_log(format);
        let state = HardState {
            term: 7,
            vote: 3,
            commit: 2,
        };
        log.save(&mut disk, Some(&state), &entries(0..=4)).unwrap();
        log.save_snapshot(&mut disk, &Snapshot { index: 4, term: 1 })
            .unwrap();
        log.cut(&mut disk).unwrap();
        log.append(&mut disk, &entries(5..=6)).unwrap();
        log.cut(&mut disk).unwrap();
        log.close(&mut disk).unwrap();
        let (replayed, log) = open_at_index(&mut disk, DIR, 5, small(format))
            .unwrap()
            .read_all(&mut disk)
            .unwrap();
        assert_eq!(replayed.state, Some(state));
        assert_eq!(indices(&replayed), [5, 6]);
        assert_eq!(log.segments().count(), 2);
    }
}

#[test]
fn a_log_that_exists_or_foreign_files_are_never_replaced() {
    let (mut disk, log) = new_log(Format::Native);
    log.close(&mut disk).unwrap();
    let before = disk.clone();
    let again = create(&mut disk, DIR, b"", Options::default());
    assert_eq!(
        again.unwrap_err(),
        WalError::AlreadyExists {
            dir: DIR.to_owned()
        }
    );
    assert_eq!(disk, before);
    disk.create_dir("other").unwrap();
    overwrite(&mut disk, "other/notes", b"mine");
    let foreign = create(&mut disk, "other", b"", Options::default()).unwrap_err();
    assert!(matches!(foreign, WalError::ForeignFile { .. }));
    assert_eq!(read_file(&mut disk, "other/notes").unwrap(), b"mine");
}

#[test]
fn an_empty_directory_and_the_rest_of_an_earlier_attempt_are_replaced() {
    let mut disk = MemoryStorage::default();
    disk.create_dir(DIR).unwrap();
    disk.create_dir("wal.tmp").unwrap();
    overwrite(
        &mut disk,
        "wal.tmp/0000000000000000-0000000000000000.wal",
        b"half",
    );
    assert!(!exist(&mut disk, DIR).unwrap());
    create(&mut disk, DIR, b"", small(Format::Native))
        .unwrap()
        .close(&mut disk)
        .unwrap();
    assert!(exist(&mut disk, DIR).unwrap());
    assert_eq!(disk.list("").unwrap(), [DIR]);
}

#[test]
fn files_that_are_not_segments_do_not_matter() {
    let mut disk = log_with(Format::Native, 3);
    disk.create_dir("wal/lost+found").unwrap();
    overwrite(&mut disk, "wal/0.wal", b"?");
    overwrite(&mut disk, "wal/zzz.wal.broken", b"?");
    let temporary = format!("{}.tmp", segment_path(1, 3));
    overwrite(&mut disk, &temporary, b"begun and never finished");
    assert_eq!(reopen(&mut disk).unwrap().0.entries, entries(0..=2));
    let left = disk.list(DIR).unwrap();
    assert_eq!(
        left,
        ["0.wal", &segment_name(0, 0), "lost+found", "zzz.wal.broken"]
    );
}

#[test]
fn an_index_selects_its_segment_and_no_log_is_said_to_be_missing() {
    let mut disk = MemoryStorage::default();
    let missing = WalError::FileNotFound {
        dir: DIR.to_owned(),
        index: 0,
    };
    assert_eq!(reopen(&mut disk).unwrap_err(), missing);
    assert_eq!(repair(&mut disk, DIR).unwrap_err(), missing);
    disk.create_dir(DIR).unwrap();
    assert_eq!(reopen(&mut disk).unwrap_err(), missing);
    overwrite(&mut disk, &segment_path(2, 10), b"");
    assert_eq!(reopen(&mut disk).unwrap_err(), missing);
    overwrite(&mut disk, &segment_path(3, 20), b"");
    let reader = open_at_index(&mut disk, DIR, 20, Options::default()).unwrap();
    reader.close(&mut disk);
}

#[test]
fn a_missing_segment_is_noticed_also_right_behind_the_first_one() {
    for removed in 1..=3 {
        let (mut disk, mut log) = new_log(Format::Native);
        for index in 0..5 {
            log.append(&mut disk, &[entry(index)]).unwrap();
            log.cut(&mut disk).unwrap();
        }
        log.close(&mut disk).unwrap();
        disk.remove(&segment_path(removed, removed)).unwrap();
        let gap = WalError::SequenceGap {
            expected: removed,
            found: removed + 1,
        };
        for start in 0..removed {
            let opened = open_at_index(&mut disk, DIR, start, Options::default());
            assert_eq!(opened.unwrap_err(), gap);
        }
        for start in removed + 1..5 {
            let reader = open_at_index(&mut disk, DIR, start, Options::default()).unwrap();
            let (replayed, log) = reader.read_all(&mut disk).unwrap();
            assert_eq!(replayed.entries, entries(start..=4));
            log.close(&mut disk).unwrap();
        }
    }
}

#[test]
fn an_index_that_was_never_written_is_not_found() {
    let mut disk = log_with(Format::Native, 0);
    let none = WalError::IndexNotFound {
        index: 0,
        last: None,
    };
    assert_eq!(reopen(&mut disk).unwrap_err(), none);
    let mut disk = log_with(Format::Native, 3);
    let reader = open_at_index(&mut disk, DIR, 3, Options::default()).unwrap();
    let beyond = WalError::IndexNotFound {
        index: 3,
        last: Some(2),
    };
    assert_eq!(reader.read_all(&mut disk).unwrap_err(), beyond);
    let _ = reopen(&mut disk).expect("the failed reader gave up its locks");
}

#[test]
fn at_an_index_includes_it_and_behind_a_snapshot_excludes_it() {
    let (mut disk, mut log) = new_log(Format::Native);
    log.append(&mut disk, &entries(0..=5)).unwrap();
    log.save_snapshot(&mut disk, &Snapshot { index: 2, term: 9 })
        .unwrap();
    log.close(&mut disk).unwrap();
    let reader = open_at_index(&mut disk, DIR, 2, Options::default()).unwrap();
    let (replayed, log) = reader.read_all(&mut disk).unwrap();
    assert_eq!(replayed.entries, entries(2..=5));
    assert_eq!(replayed.snapshots, [START, Snapshot { index: 2, term: 9 }]);
    log.close(&mut disk).unwrap();
    let (replayed, log) = reopen_behind(&mut disk, 2, 9).unwrap();
    assert_eq!(replayed.entries, entries(3..=5));
    log.close(&mut disk).unwrap();
    let wrong = WalError::SnapshotMismatch {
        index: 2,
        expected: 8,
        found: 9,
    };
    assert_eq!(reopen_behind(&mut disk, 2, 8).unwrap_err(), wrong);
    // etcd loses this error when the log is opened for writing.
    let absent = WalError::SnapshotNotFound { index: 3 };
    assert_eq!(reopen_behind(&mut disk, 3, 9).unwrap_err(), absent);
}

#[test]
fn the_first_entry_has_index_0_and_no_index_is_skipped() {
    let (mut disk, mut log) = new_log(Format::Native);
    let before = disk.clone();
    let gap = |expected, found| Err(WalError::EntryGap { expected, found });
    assert_eq!(log.append(&mut disk, &[entry(1)]), gap(0, 1));
    assert_eq!(log.append(&mut disk, &[entry(0), entry(2)]), gap(1, 2));
    assert_eq!(disk, before, "nothing was written");
    log.append(&mut disk, &entries(0..=1)).unwrap();
    log.save_snapshot(&mut disk, &Snapshot { index: 9, term: 1 })
        .unwrap();
    assert_eq!(log.last_index(), Some(9));
    assert_eq!(log.append(&mut disk, &[entry(11)]), gap(10, 11));
    log.append(&mut disk, &[entry(10)]).unwrap();
}

#[test]
fn an_index_from_the_end_of_the_number_range_is_an_error_and_no_panic() {
    for format in FORMATS {
        let (mut disk, mut log) = new_log(format);
        log.save_snapshot(
            &mut disk,
            &Snapshot {
                index: u64::MAX - 1,
                term: 0,
            },
        )
        .unwrap();
        let last = Entry {
            index: u64::MAX,
            ..Entry::default()
        };
        assert!(matches!(
            log.append(&mut disk, &[last]),
            Err(WalError::EntryGap { .. })
        ));
        log.append(&mut disk, &[entry(u64::MAX - 1)]).unwrap();
        log.close(&mut disk).unwrap();
        assert!(matches!(
            reopen(&mut disk),
            Err(WalError::EntryGap { expected: 0, .. })
        ));
    }
}

#[test]
fn a_lower_index_replaces_what_was_behind_it() {
    for format in FORMATS {
        let (mut disk, mut log) = new_log(format);
        log.append(&mut disk, &entries(0..=9)).unwrap();
        log.cut(&mut disk).unwrap();
        let other = Entry {
            index: 4,
            term: 99,
            data: b"other".to_vec(),
        };
        log.append(&mut disk, std::slice::from_ref(&other)).unwrap();
        log.close(&mut disk).unwrap();
        let (replayed, log) = reopen(&mut disk).unwrap();
        assert_eq!(replayed.entries[..4], entries(0..=3));
        assert_eq!(replayed.entries[4..], [other]);
        log.close(&mut disk).unwrap();
        let reader = open_at_index(&mut disk, DIR, 6, small(format)).unwrap();
        let gone = WalError::IndexNotFound {
            index: 6,
            last: Some(4),
        };
        assert_eq!(reader.read_all(&mut disk).unwrap_err(), gone);
    }
}

#[test]
fn saving_nothing_writes_nothing() {
    let (mut disk, mut log) = new_log(Format::Native);
    let before = disk.clone();
    log.save(&mut disk, None, &[]).unwrap();
    log.append(&mut disk, &[]).unwrap();
    assert_eq!(disk, before);
}

#[test]
fn a_full_segment_is_followed_by_the_next() {
    for format in FORMATS {
        let options = Options {
            format,
            segment_bytes: 400,
            preallocate_bytes: 400,
        };
        let mut disk = MemoryStorage::default();
        let mut log = create(&mut disk, DIR, b"m", options).unwrap();
        for index in 0..60 {
            let saved = [entry(index)];
            if index % 2 == 0 {
                log.save(&mut disk, None, &saved).unwrap();
            } else {
                log.append(&mut disk, &saved).unwrap();
            }
        }
        assert!(log.segments().count() > 3);
        log.close(&mut disk).unwrap();
        assert_eq!(reopen(&mut disk).unwrap().0.entries, entries(0..=59));
    }
}

#[test]
fn a_log_in_use_is_locked_but_readable() {
    let (mut disk, mut log) = new_log(Format::Native);
    log.save(&mut disk, None, &entries(0..=4)).unwrap();
    log.cut(&mut disk).unwrap();
    log.append(&mut disk, &[entry(5)]).unwrap();
    let locked = |result| matches!(result, Err(WalError::Storage(StorageError::Locked { .. })));
    assert!(locked(reopen(&mut disk).map(|_| ())));
    assert!(locked(repair(&mut disk, DIR).map(|_| ())));
    let read = open_for_read(&mut disk, DIR, START)
        .unwrap()
        .read_all(&mut disk)
        .unwrap();
    assert_eq!(read.entries, entries(1..=5));
    log.close(&mut disk).unwrap();
    let _ = reopen(&mut disk).unwrap();
}

/// Segments named 0, 1, 2 and so on, one entry each.
fn ten_segments() -> (MemoryStorage, Appender) {
    let (mut disk, mut log) = new_log(Format::Native);
    for index in 0..10 {
        log.append(&mut disk, &[entry(index)]).unwrap();
        log.save_snapshot(&mut disk, &Snapshot { index, term: 1 })
            .unwrap();
        log.cut(&mut disk).unwrap();
    }
    (disk, log)
}

#[test]
fn releasing_keeps_the_segment_before_the_index_and_any_index_keeps_the_last() {
    let (mut disk, mut log) = ten_segments();
    let held = |log: &Appender| log.segments().map(|name| name.index).collect::<Vec<_>>();
    assert_eq!(held(&log), (0..=10).collect::<Vec<_>>());
    log.release_lock_to(&mut disk, 0).unwrap();
    assert_eq!(held(&log).len(), 11);
    log.release_lock_to(&mut disk, 4).unwrap();
    assert_eq!(held(&log), (3..=10).collect::<Vec<_>>());
    log.release_lock_to(&mut disk, 1000).unwrap();
    assert_eq!(held(&log), [10]);
}

#[test]
fn a_purge_removes_what_was_released_and_the_snapshot_still_opens() {
    let (mut disk, mut log) = ten_segments();
    assert_eq!(log.purge(&mut disk).unwrap(), 0);
    log.release_lock_to(&mut disk, 6).unwrap();
    assert_eq!(log.purge(&mut disk).unwrap(), 5);
    assert_eq!(disk.list(DIR).unwrap().len(), 6);
    log.close(&mut disk).unwrap();
    assert_eq!(snapshots(&mut disk, DIR).unwrap().first().unwrap().index, 5);
    let (replayed, _) = reopen_behind(&mut disk, 6, 1).unwrap();
    assert_eq!(replayed.entries, entries(7..=9));
}

#[test]
fn a_purge_stops_at_a_segment_that_somebody_holds() {
    let (mut disk, mut log) = ten_segments();
    log.release_lock_to(&mut disk, 1000).unwrap();
    let held = disk.open(&segment_path(3, 3), Access::Write).unwrap();
    disk.lock(held).unwrap();
    assert_eq!(log.purge(&mut disk).unwrap(), 3);
    disk.close(held).unwrap();
    assert_eq!(log.purge(&mut disk).unwrap(), 7);
}

#[test]
fn writing_goes_on_in_a_segment_that_holds_only_its_header() {
    let (mut disk, log) = ten_segments();
    log.close(&mut disk).unwrap();
    let (_, mut log) = reopen_behind(&mut disk, 9, 1).unwrap();
    assert_eq!(log.last_index(), Some(9));
    let next = reopen_and_cut(&mut disk, &mut log);
    assert_eq!(
        next,
        Some(SegmentName {
            sequence: 11,
            index: 11
        })
    );
}

fn reopen_and_cut(disk: &mut MemoryStorage, log: &mut Appender) -> Option<SegmentName> {
    log.append(disk, &[entry(10)]).unwrap();
    log.cut(disk).unwrap();
    log.segments().last()
}

#[test]
fn valid_snapshots_are_those_the_commit_covers() {
    let (mut disk, mut log) = new_log(Format::Native);
    let marks = [1, 2, 3, 4].map(|index| Snapshot { index, term: 1 });
    log.append(&mut disk, &entries(0..=4)).unwrap();
    for mark in &marks[..3] {
        log.save_snapshot(&mut disk, mark).unwrap();
    }
    log.save(
        &mut disk,
        Some(&HardState {
            term: 1,
            vote: 0,
            commit: 3,
        }),
        &[],
    )
    .unwrap();
    log.cut(&mut disk).unwrap();
    log.save_snapshot(&mut disk, &marks[3]).unwrap();
    let expected = [START, marks[0], marks[1], marks[2]];
    assert_eq!(valid_snapshot_entries(&mut disk, DIR).unwrap(), expected);
    assert_eq!(snapshots(&mut disk, DIR).unwrap().len(), 5);
}

#[test]
fn verify_returns_the_state_and_sees_damage_in_an_earlier_segment() {
    for format in FORMATS {
        let (mut disk, mut log) = new_log(format);
        let state = HardState {
            term: 1,
            vote: 2,
            commit: 3,
        };
        log.save(&mut disk, Some(&state), &entries(0..=4)).unwrap();
        log.cut(&mut disk).unwrap();
        log.save(&mut disk, None, &entries(5..=9)).unwrap();
        log.close(&mut disk).unwrap();
        assert_eq!(verify(&mut disk, DIR, START), Ok(state));
        edit(&mut disk, &first(), |bytes| bytes.truncate(bytes.len() - 5));
        assert!(matches!(
            verify(&mut disk, DIR, START),
            Err(WalError::CorruptInterior { .. })
        ));
    }
}

#[test]
fn only_a_commit_may_stay_unsynced() {
    let state = |term, vote, commit| HardState { term, vote, commit };
    let before = state(1, 1, 1);
    assert!(!must_sync(Some(&before), Some(&state(1, 1, 2)), 0));
    assert!(!must_sync(Some(&before), None, 0));
    assert!(must_sync(Some(&before), Some(&state(2, 1, 1)), 0));
    assert!(must_sync(Some(&before), Some(&state(1, 2, 1)), 0));
    assert!(must_sync(Some(&before), Some(&before), 1));
    assert!(must_sync(None, Some(&before), 0));
}

#[test]
fn segments_of_different_logs_do_not_mix() {
    for format in FORMATS {
        let mut disk = log_with(format, 2);
        let mut other = MemoryStorage::default();
        let mut log = create(&mut other, DIR, b"another log", small(format)).unwrap();
        log.append(&mut other, &entries(0..=1)).unwrap();
        log.cut(&mut other).unwrap();
        let stranger = read_file(&mut other, &segment_path(1, 2)).unwrap();
        overwrite(&mut disk, &segment_path(1, 2), &stranger);
        assert!(reopen(&mut disk).is_err());
    }
}
