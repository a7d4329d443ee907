//! Tests of the simulated disk: what survives a crash, stopping at calls, faults.

mod model;
mod same;
mod troubles;

use std::collections::BTreeSet;

use engine::storage::{Storage, read_file, read_full, write_all, write_atomic};

use super::{file::SECTOR, *};

const NODE: PeerId = PeerId(2);

fn disk() -> SimDisk {
    SimDisk::new(NODE, Choices::new(1))
}

/// A durable file with this content.
fn with_file(path: &str, bytes: &[u8]) -> (SimDisk, FileId) {
    let mut disk = disk();
    let file = disk.create(path).unwrap();
    write_all(&mut disk, file, 0, bytes).unwrap();
    disk.sync(file).unwrap();
    disk.sync_dir("").unwrap();
    (disk, file)
}

fn crash(disk: &mut SimDisk, seed: u64) {
    disk.crash(&Choices::new(seed), NODE, 1, CrashFates::Draw);
}

/// What is left of a disk after each of many crashes.
fn crashes(disk: &SimDisk) -> impl Iterator<Item = SimDisk> {
    (0..200).map(|seed| {
        let mut crashed = disk.clone();
        crash(&mut crashed, seed);
        crashed
    })
}

#[test]
fn what_was_synced_survives_every_crash() {
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let (disk, _) = with_file("log", &bytes);
    assert_eq!(disk.unsynced_bytes(""), 0);
    assert_eq!(disk.read_durable("log"), Some(bytes.clone()));
    for mut crashed in crashes(&disk) {
        assert_eq!(read_file(&mut crashed, "log"), Ok(bytes.clone()));
    }
}

#[test]
fn each_unsynced_sector_is_new_or_old_and_both_happen() {
    let (mut disk, file) = with_file("log", &[1; 4 * SECTOR]);
    write_all(&mut disk, file, 100, &[2; 3 * SECTOR]).unwrap();
    assert_eq!(disk.unsynced_bytes("log"), 4 * SECTOR as u64);
    assert_eq!(disk.unsynced_sectors()["log"], [0, 1, 2, 3]);
    assert_eq!(disk.read_durable("log"), Some(vec![1; 4 * SECTOR]));
    let new = disk.read_current("log").unwrap();
    let mut seen = BTreeSet::new();
    for crashed in crashes(&disk) {
        let got = crashed.read_current("log").unwrap();
        assert_eq!(got.len(), new.len());
        for (sector, bytes) in got.chunks(SECTOR).enumerate() {
            let fate = [
                &new[sector * SECTOR..][..SECTOR],
                &[1; SECTOR],
                &[0; SECTOR],
            ]
            .iter()
            .position(|content| *content == bytes);
            seen.insert((sector, fate.expect("new, old or zero")));
        }
        assert_eq!(crashed.unsynced_bytes(""), 0);
        assert_eq!(crashed.read_durable("log"), Some(got));
    }
    assert_eq!(seen.len(), 8);
}

#[test]
fn an_unsynced_length_is_kept_or_lost() {
    let (mut disk, file) = with_file("log", &[1; 700]);
    write_all(&mut disk, file, 700, &[2; 900]).unwrap();
    let lengths: BTreeSet<usize> = crashes(&disk)
        .map(|crashed| crashed.read_current("log").unwrap().len())
        .collect();
    assert_eq!(lengths, BTreeSet::from([700, 1600]));
}

#[test]
fn a_cut_that_was_not_synced_may_come_back() {
    let (mut disk, file) = with_file("log", &[1; 1300]);
    disk.set_len(file, 100).unwrap();
    disk.set_len(file, 600).unwrap();
    let mut expected = vec![1; 100];
    expected.resize(600, 0);
    assert_eq!(disk.read_current("log"), Some(expected.clone()));
    assert_eq!(disk.read_durable("log"), Some(vec![1; 1300]));
    let contents: BTreeSet<Vec<u8>> = crashes(&disk)
        .map(|crashed| crashed.read_current("log").unwrap())
        .collect();
    assert!(contents.contains(&vec![1; 1300]));
    assert!(contents.contains(&expected));
    assert!(contents.iter().all(|c| c.len() == 1300 || c.len() == 600));
}

#[test]
fn a_preallocated_file_costs_nothing_to_sync_and_keeps_its_length() {
    let (mut disk, file) = with_file("log", b"");
    disk.set_len(file, 1 << 20).unwrap();
    assert!(disk.unsynced_sectors().is_empty());
    assert_eq!(disk.unsynced_bytes(""), 1 << 20);
    disk.sync(file).unwrap();
    crash(&mut disk, 1);
    assert_eq!(disk.read_current("log").unwrap().len(), 1 << 20);
}

#[test]
fn a_created_file_may_vanish_until_its_directory_is_synced() {
    let mut disk = disk();
    let file = disk.create("new").unwrap();
    write_all(&mut disk, file, 0, b"text").unwrap();
    disk.sync(file).unwrap();
    assert_eq!(disk.read_durable("new"), None);
    assert_eq!(disk.unsynced_names(), ["new"]);
    let there = crashes(&disk)
        .filter(|c| c.read_current("new").is_some())
        .count();
    assert!((60..140).contains(&there), "{there} of 200");
    for crashed in crashes(&disk).filter(|c| !c.file_names().is_empty()) {
        assert_eq!(crashed.read_durable("new").unwrap(), b"text");
    }
}

#[test]
fn a_directory_that_was_not_synced_takes_its_files_with_it() {
    let mut disk = disk();
    disk.create_dir("wal").unwrap();
    disk.create("wal/0").unwrap();
    disk.sync_dir("wal").unwrap();
    for crashed in crashes(&disk) {
        let names = crashed.tree.dir(tree::ROOT).unwrap().now.clone();
        let expected: &[&str] = if names.is_empty() { &[] } else { &["wal/0"] };
        assert_eq!(crashed.file_names(), expected);
    }
    disk.sync_dir(".").unwrap();
    assert!(crashes(&disk).all(|crashed| crashed.durable_names() == ["wal/0"]));
}

#[test]
fn a_rename_is_done_or_not_done() {
    let (mut disk, _) = with_file("./state", b"old");
    let file = disk.create("state.tmp").unwrap();
    write_all(&mut disk, file, 0, b"new").unwrap();
    disk.sync(file).unwrap();
    disk.rename("state.tmp", "state").unwrap();
    let mut seen = BTreeSet::new();
    for crashed in crashes(&disk) {
        let state = crashed
            .read_current("state")
            .expect("one of the two is always there");
        let rest = crashed.read_current("state.tmp");
        seen.insert((state, rest));
    }
    let (old, new) = (b"old".to_vec(), b"new".to_vec());
    let expected = [(new.clone(), None), (old.clone(), None), (old, Some(new))];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn a_rename_between_directories_is_durable_once_either_is_synced() {
    for synced in ["a", "b"] {
        let mut disk = disk();
        disk.create_dir("a").unwrap();
        disk.create_dir("b").unwrap();
        disk.sync_dir("").unwrap();
        disk.create("a/x").unwrap();
        disk.rename("a/x", "b/y").unwrap();
        disk.sync_dir(synced).unwrap();
        assert_eq!(disk.durable_names(), ["b/y"]);
        assert!(disk.unsynced_names().is_empty());
    }
}

#[test]
fn a_directory_is_removed_in_pieces() {
    let mut disk = disk();
    disk.create_dir("d").unwrap();
    for name in ["d/1", "d/2", "d/3"] {
        disk.create(name).unwrap();
    }
    disk.sync_dir("d").unwrap();
    disk.sync_dir("").unwrap();
    disk.remove_dir_all("d").unwrap();
    assert_eq!(
        disk.list("d"),
        Err(StorageError::NotFound { path: "d".into() })
    );
    let counts: BTreeSet<usize> = crashes(&disk).map(|c| c.file_names().len()).collect();
    assert_eq!(counts, BTreeSet::from([0, 1, 2, 3]));
    disk.sync_dir("").unwrap();
    assert!(disk.unsynced_names().is_empty());
    assert!(crashes(&disk).all(|crashed| crashed.file_names().is_empty()));
}

#[test]
fn removed_files_stay_readable_while_open() {
    let (mut disk, file) = with_file("log", b"text");
    disk.remove("log").unwrap();
    disk.sync_dir("").unwrap();
    for n in 0..200 {
        disk.create(&format!("f{n}")).unwrap();
        disk.sync_dir("").unwrap();
    }
    let mut buffer = [0; 4];
    assert_eq!(disk.read_at(file, 0, &mut buffer), Ok(4));
    assert_eq!(&buffer, b"text");
}

#[test]
fn a_file_that_is_replaced_again_and_again_takes_no_more_space() {
    let mut disk = disk();
    for n in 0..1000_u32 {
        write_atomic(&mut disk, ".", "state", &n.to_le_bytes()).unwrap();
    }
    assert!(disk.tree.node_count() < 100);
    assert_eq!(
        disk.read_durable("state"),
        Some(999_u32.to_le_bytes().to_vec())
    );
}

#[test]
fn a_removed_file_that_comes_back_lost_its_unsynced_bytes_like_any_other() {
    let mut disk = disk();
    let file = disk.create("log").unwrap();
    write_all(&mut disk, file, 0, b"text").unwrap();
    disk.remove("log").unwrap();
    let contents: BTreeSet<Option<Vec<u8>>> = crashes(&disk)
        .map(|crashed| crashed.read_current("log"))
        .collect();
    let possible = [None, Some(vec![]), Some(vec![0; 4]), Some(b"text".to_vec())];
    assert_eq!(contents, BTreeSet::from(possible));
}

#[test]
fn lose_all_and_keep_all_leave_nothing_to_chance() {
    let (mut disk, file) = with_file("log", &[1; 1000]);
    write_all(&mut disk, file, 500, &[2; 1000]).unwrap();
    disk.create("other").unwrap();
    let (mut lost, mut kept) = (disk.clone(), disk.clone());
    lost.crash(&Choices::new(1), NODE, 1, CrashFates::LoseAll);
    kept.crash(&Choices::new(1), NODE, 1, CrashFates::KeepAll);
    assert_eq!(lost.file_names(), ["log"]);
    assert_eq!(lost.read_current("log"), Some(vec![1; 1000]));
    assert_eq!(kept.file_names(), ["log", "other"]);
    assert_eq!(kept.read_durable("log"), disk.read_current("log"));
}

#[test]
fn a_crash_is_repeatable_and_depends_on_its_number() {
    let (mut disk, file) = with_file("log", &[1; 20 * SECTOR]);
    write_all(&mut disk, file, 0, &[2; 20 * SECTOR]).unwrap();
    let after = |crash_no| {
        let mut crashed = disk.clone();
        crashed.crash(&Choices::new(4), NODE, crash_no, CrashFates::Draw);
        crashed.read_current("log")
    };
    assert_eq!(after(1), after(1));
    assert_ne!(after(1), after(2));
}

#[test]
fn an_override_decides_about_one_sector() {
    let (mut disk, file) = with_file("log", &[1; SECTOR]);
    write_all(&mut disk, file, 0, &[2; SECTOR]).unwrap();
    for (fate, content) in [(0, 2), (1, 1)] {
        let coords = [u64::from(NODE.0), 1, name_coordinate("log"), 0];
        let given = [((Stream::DiskSector, coords), fate)].into();
        let mut crashed = disk.clone();
        crashed.crash(
            &Choices::new(1).with_overrides(&given),
            NODE,
            1,
            CrashFates::Draw,
        );
        assert_eq!(crashed.read_current("log"), Some(vec![content; SECTOR]));
    }
}

#[test]
fn the_machine_can_stop_before_and_after_any_call() {
    let run = |disk: &mut SimDisk| -> Result<(), StorageError> {
        let file = disk.create("log")?;
        disk.write_at(file, 0, b"text")?;
        disk.sync(file)?;
        disk.sync_dir("")
    };
    for call in 0..4 {
        for side in [Side::Before, Side::After] {
            let mut disk = disk();
            disk.stop_at(Some(StopAt { call, side }));
            assert_eq!(run(&mut disk), Err(StorageError::Crashed));
            assert_eq!(disk.calls(), call + 1);
            assert!(disk.is_stopped());
            assert_eq!(disk.list(""), Err(StorageError::Crashed));
            assert_eq!(disk.calls(), call + 1);
            disk.crash(&Choices::new(1), NODE, 1, CrashFates::LoseAll);
            let done = call == 3 && side == Side::After;
            assert_eq!(disk.read_current("log").is_some(), done);
            if !done {
                assert_eq!(run(&mut disk), Ok(()));
            }
        }
    }
    let mut whole = disk();
    assert_eq!(run(&mut whole), Ok(()));
    assert_eq!(whole.calls(), 4);
}

#[test]
fn handles_and_locks_do_not_outlive_a_crash() {
    let (mut disk, file) = with_file("log", b"");
    disk.lock(file).unwrap();
    disk.lock(file).unwrap();
    let other = disk.open("log", Access::Read).unwrap();
    assert_eq!(
        disk.lock(other),
        Err(StorageError::Locked { path: "log".into() })
    );
    crash(&mut disk, 1);
    assert!(matches!(disk.len(file), Err(StorageError::Io { .. })));
    let again = disk.open("log", Access::Write).unwrap();
    assert!(again > other);
    disk.lock(again).unwrap();
    disk.close(again).unwrap();
    let last = disk.open("log", Access::Write).unwrap();
    disk.lock(last).unwrap();
}

#[test]
fn short_calls_and_interruptions_do_not_stop_a_patient_program() {
    let mut disk = disk();
    disk.set_faults(DiskFaults {
        short_write: Ratio::percent(95),
        short_read: Ratio::percent(95),
        interrupt: Ratio::ALWAYS,
        ..DiskFaults::default()
    });
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let file = disk.create("log").unwrap();
    write_all(&mut disk, file, 0, &bytes).unwrap();
    assert_eq!(read_file(&mut disk, "log"), Ok(bytes));
    assert!(disk.calls() >= 15, "only {} calls", disk.calls());
}

#[test]
fn a_full_disk_refuses_what_needs_space_and_nothing_else() {
    let (mut disk, file) = with_file("log", &[1; 10]);
    disk.set_faults(DiskFaults {
        no_space: true,
        ..DiskFaults::default()
    });
    let full = |path: &str| StorageError::NoSpace { path: path.into() };
    assert_eq!(disk.write_at(file, 10, b"x"), Err(full("log")));
    assert_eq!(disk.write_at(file, 8, b"xyz"), Ok(2));
    assert_eq!(disk.set_len(file, 11), Err(full("log")));
    assert_eq!(disk.create("new"), Err(full("new")));
    assert_eq!(disk.create_dir("new"), Err(full("new")));
    assert_eq!(disk.set_len(file, 5), Ok(()));
    assert_eq!(disk.rename("log", "log2"), Ok(()));
    assert_eq!(disk.sync(file), Ok(()));
    assert_eq!(disk.remove("log2"), Ok(()));
    disk.set_faults(DiskFaults::default());
    assert_eq!(disk.set_len(file, u64::MAX), Err(full("log")));
    assert_eq!(disk.write_at(file, u64::MAX, b"x"), Err(full("log")));
}

#[test]
fn failing_reads_and_writes_have_no_effect() {
    let (mut disk, file) = with_file("log", b"text");
    let before = disk.read_current("log");
    disk.set_faults(DiskFaults {
        fail_reads: true,
        fail_writes: true,
        ..DiskFaults::default()
    });
    assert!(matches!(
        disk.write_at(file, 0, b"x"),
        Err(StorageError::Io { .. })
    ));
    assert!(matches!(
        disk.set_len(file, 0),
        Err(StorageError::Io { .. })
    ));
    assert!(matches!(
        disk.read_at(file, 0, &mut [0]),
        Err(StorageError::Io { .. })
    ));
    assert_eq!(disk.read_current("log"), before);
    assert_eq!(disk.unsynced_bytes(""), 0);
}

#[test]
fn after_a_failed_sync_a_successful_one_does_not_help() {
    let (mut disk, file) = with_file("log", &[1; SECTOR]);
    disk.write_at(file, 0, &[2; SECTOR]).unwrap();
    let failing = DiskFaults {
        fail_syncs: true,
        ..DiskFaults::default()
    };
    disk.set_faults(failing);
    assert!(matches!(disk.sync(file), Err(StorageError::Io { .. })));
    disk.set_faults(DiskFaults::default());
    disk.sync(file).unwrap();
    assert_eq!(disk.read_current("log"), Some(vec![2; SECTOR]));
    assert_eq!(disk.read_durable("log"), Some(vec![1; SECTOR]));
    assert_eq!(disk.unsynced_bytes(""), SECTOR as u64);

    let mut rewritten = disk.clone();
    rewritten.write_at(file, 0, &[3]).unwrap();
    rewritten.sync(file).unwrap();
    assert_eq!(rewritten.unsynced_bytes(""), 0);

    disk.crash(&Choices::new(1), NODE, 1, CrashFates::KeepAll);
    assert_eq!(disk.read_current("log"), Some(vec![1; SECTOR]));
}

#[test]
fn a_snapshot_brings_old_files_back() {
    let (mut disk, file) = with_file("log", b"old");
    let snapshot = disk.snapshot();
    write_all(&mut disk, file, 0, b"new and longer").unwrap();
    let calls = disk.calls();
    disk.restore(&snapshot);
    assert_eq!(disk.read_durable("log"), Some(b"old".to_vec()));
    assert_eq!(disk.calls(), calls);
    assert!(disk.len(file).is_err());
}

#[test]
fn wrong_calls_say_what_is_wrong() {
    let (mut disk, file) = with_file("f", b"");
    disk.create_dir("d").unwrap();
    let exists = |path: &str| StorageError::AlreadyExists { path: path.into() };
    let missing = |path: &str| StorageError::NotFound { path: path.into() };
    assert_eq!(disk.create("f"), Err(exists("f")));
    assert_eq!(disk.create_dir("d"), Err(exists("d")));
    assert_eq!(disk.create_dir("."), Err(exists(".")));
    assert_eq!(disk.create("x/y"), Err(missing("x/y")));
    assert_eq!(disk.open("x", Access::Read), Err(missing("x")));
    assert_eq!(disk.rename("x", "y"), Err(missing("x")));
    assert_eq!(disk.rename("f", "d"), Err(exists("d")));
    assert_eq!(disk.rename("d", "f"), Err(exists("f")));
    assert_eq!(disk.rename("f", "f"), Ok(()));
    let wrong = [
        disk.rename("d", "d/e"),
        disk.remove("d"),
        disk.remove_dir_all("f"),
        disk.remove_dir_all(""),
        disk.create("f/x").map(drop),
        disk.list("f").map(drop),
        disk.list("../d").map(drop),
        disk.open("d", Access::Read).map(drop),
        disk.sync(FileId(99)),
    ];
    for result in wrong {
        assert!(matches!(result, Err(StorageError::Io { .. })), "{result:?}");
    }
    let reader = disk.open("f", Access::Read).unwrap();
    assert!(matches!(
        disk.write_at(reader, 0, b"x"),
        Err(StorageError::Io { .. })
    ));
    disk.close(file).unwrap();
    assert!(disk.close(file).is_err());
}

#[test]
fn a_machine_stops_at_the_rename_that_it_waits_for_and_at_no_other() {
    for side in [Side::Before, Side::After] {
        let mut disk = disk();
        for name in ["a", "b"] {
            disk.create(name).unwrap();
        }
        disk.stop_at_rename(Some(("log-".to_owned(), side)));
        disk.rename("a", "other").unwrap();
        assert!(disk.waits_for_rename() && !disk.is_stopped());
        assert_eq!(disk.rename("b", "log-1"), Err(StorageError::Crashed));
        assert!(disk.is_stopped() && !disk.waits_for_rename());
        let renamed = disk.read_current("log-1").is_some();
        assert_eq!(renamed, side == Side::After);
        crash(&mut disk, 1);
        assert!(!disk.is_stopped());
    }
}
