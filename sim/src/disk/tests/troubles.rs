//! Damage at rest, failing calls of some of the files, and their off-switches.

use super::*;

/// Two durable files of four sectors each, of ones and of twos.
fn two_files() -> SimDisk {
    let mut disk = disk();
    for (path, byte) in [("log/0", 1), ("state", 2)] {
        if path == "log/0" {
            disk.create_dir("log").unwrap();
        }
        let file = disk.create(path).unwrap();
        write_all(&mut disk, file, 0, &[byte; 4 * SECTOR]).unwrap();
        disk.sync(file).unwrap();
        disk.close(file).unwrap();
    }
    disk.sync_dir("log").unwrap();
    disk.sync_dir("").unwrap();
    disk
}

fn log(disk: &SimDisk) -> Vec<u8> {
    disk.read_durable("log/0").unwrap()
}

#[test]
fn damage_hits_what_is_durable_in_the_files_it_is_for_and_stays() {
    let whole = two_files();
    for trouble in [Trouble::FlipBit, Trouble::ZeroSector, Trouble::Truncate] {
        for number in 0..20 {
            let mut disk = whole.clone();
            let strike = disk.damage(number, (trouble, "log"), None).unwrap();
            assert_eq!((strike.trouble, &*strike.path), (trouble, "log/0"));
            assert_eq!(disk.read_durable("state"), whole.read_durable("state"));
            let damaged = log(&disk);
            assert_ne!(damaged, log(&whole));
            crash(&mut disk, 1);
            assert_eq!(disk.read_current("log/0"), Some(damaged));
        }
    }
}

#[test]
fn each_damage_does_what_its_name_says() {
    let damaged = |trouble, sector| {
        let mut disk = two_files();
        disk.damage(1, (trouble, "log"), Some(sector)).unwrap();
        disk
    };
    let flipped = log(&damaged(Trouble::FlipBit, 2));
    let bits = |bytes: &[u8]| bytes.iter().map(|b| (b ^ 1).count_ones()).sum::<u32>();
    assert_eq!(bits(&flipped), 1);
    assert_eq!(bits(&flipped[2 * SECTOR..3 * SECTOR]), 1);
    let zeroed = log(&damaged(Trouble::ZeroSector, 1));
    assert_eq!(zeroed[SECTOR..2 * SECTOR], [0; SECTOR]);
    assert_eq!(zeroed.iter().filter(|b| **b == 0).count(), SECTOR);
    assert_eq!(log(&damaged(Trouble::Truncate, 3)).len(), 3 * SECTOR);
    assert_eq!(damaged(Trouble::Remove, 0).durable_names(), ["state"]);
    let misdirected = |number| {
        let mut disk = two_files();
        disk.damage(number, (Trouble::Misdirect, "log"), Some(0))
            .unwrap();
        log(&disk)
    };
    assert!((0..20).any(|number| misdirected(number)[..SECTOR] == [2; SECTOR]));
}

#[test]
fn what_is_forged_has_a_right_checksum_and_another_last_byte() {
    let mut disk = two_files();
    let before = log(&disk);
    let strike = disk.damage(1, (Trouble::Forge, "log"), None).unwrap();
    assert_eq!((strike.trouble, &*strike.path), (Trouble::Forge, "log/0"));
    let after = log(&disk);
    let (crc, rest) = after.split_at(4);
    assert_eq!(crc, crc32c::crc32c(rest).to_le_bytes());
    let (last, others) = rest.split_last().unwrap();
    assert_eq!((*last, others), (0, &before[4..before.len() - 1]));
    crash(&mut disk, 1);
    assert_eq!(disk.read_current("log/0"), Some(after));
}

#[test]
fn a_part_of_an_older_disk_comes_back_and_the_rest_stays() {
    let mut disk = two_files();
    let old = disk.snapshot();
    for path in ["log/0", "state", "log/1"] {
        if path == "log/1" {
            disk.create(path).unwrap();
        }
        let file = disk.open(path, Access::Write).unwrap();
        write_all(&mut disk, file, 0, &[3; SECTOR]).unwrap();
        disk.sync(file).unwrap();
    }
    let newer = disk.read_current("state");
    disk.restore_part(&old, "log");
    assert_eq!(disk.durable_names(), ["log/0", "state"]);
    assert_eq!(disk.read_durable("log/0"), old.read_current("log/0"));
    assert_eq!(disk.read_durable("state"), newer);
    disk.remove("log/0").unwrap();
    disk.restore_part(&old, "log");
    assert_eq!(disk.read_durable("log/0"), old.read_current("log/0"));
}

#[test]
fn damage_leaves_alone_what_a_crash_could_still_take() {
    let mut disk = two_files();
    let file = disk.open("log/0", Access::Write).unwrap();
    write_all(&mut disk, file, 0, &[9; 4 * SECTOR]).unwrap();
    assert_eq!(disk.damage(1, (Trouble::FlipBit, "log"), None), None);
    assert_eq!(disk.damage(1, (Trouble::FlipBit, "nothing"), None), None);
}

#[test]
fn a_trouble_is_for_its_files_and_ends_after_its_calls_or_when_it_is_ended() {
    let mut disk = two_files();
    let file = disk.open("log/0", Access::Write).unwrap();
    let other = disk.open("state", Access::Write).unwrap();
    disk.begin_trouble(1, (Trouble::FailSyncs, "log"), Some(2), 0);
    assert_eq!(disk.sync(other), Ok(()));
    assert!(disk.sync(file).is_err() && disk.sync(file).is_err());
    assert_eq!(disk.sync(file), Ok(()));
    assert_eq!(disk.take_strikes().len(), 2);
    disk.begin_trouble(2, (Trouble::FailReads, "state"), None, 0);
    let mut buffer = [0; 8];
    assert!(disk.read_at(other, 0, &mut buffer).is_err());
    assert_eq!(disk.read_at(file, 0, &mut buffer), Ok(8));
    disk.end_trouble(2);
    assert_eq!(disk.read_at(other, 0, &mut buffer), Ok(8));
}

#[test]
fn what_a_failed_sync_should_have_written_is_never_written() {
    let mut disk = two_files();
    let file = disk.open("log/0", Access::Write).unwrap();
    write_all(&mut disk, file, 0, &[9; SECTOR]).unwrap();
    disk.begin_trouble(1, (Trouble::FailSyncs, "log"), Some(1), 0);
    assert!(disk.sync(file).is_err());
    assert_eq!(disk.sync(file), Ok(()));
    assert_eq!(log(&disk)[..SECTOR], [1; SECTOR]);
}

#[test]
fn a_full_disk_takes_what_fits_and_refuses_what_grows() {
    let mut disk = two_files();
    let file = disk.open("log/0", Access::Write).unwrap();
    disk.begin_trouble(1, (Trouble::NoSpace, ""), None, 0);
    let full = |error| matches!(error, Err(StorageError::NoSpace { .. }));
    assert_eq!(disk.write_at(file, 4 * SECTOR as u64 - 3, &[9; 8]), Ok(3));
    assert!(
        disk.take_strikes().is_empty(),
        "a short write is no failure"
    );
    assert!(full(
        disk.write_at(file, 4 * SECTOR as u64, &[9; 8]).map(|_| ())
    ));
    assert!(full(disk.create("new").map(|_| ())));
    assert!(full(disk.set_len(file, 1 << 20)));
    assert_eq!(disk.write_at(file, 0, &[9; 8]), Ok(8));
    assert_eq!(disk.take_strikes().len(), 3);
}

#[test]
fn a_lock_held_by_somebody_else_is_refused_and_a_slow_disk_says_how_slow_it_is() {
    let mut disk = two_files();
    let file = disk.open("log/0", Access::Write).unwrap();
    disk.begin_trouble(1, (Trouble::Locked, ""), Some(1), 0);
    assert!(matches!(disk.lock(file), Err(StorageError::Locked { .. })));
    assert_eq!(disk.lock(file), Ok(()));
    disk.begin_trouble(2, (Trouble::Slow, "log"), Some(1), 70);
    assert_eq!(disk.extra_us(&["state"]), 0);
    assert_eq!(disk.extra_us(&["log"]), 70);
    assert_eq!(disk.extra_us(&["log"]), 0, "it was slow for one job");
}
