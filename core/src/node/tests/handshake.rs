//! Tests of the start from disks on which blocks, application and state are of different heights.

use super::*;
use crate::{
    storage::{Storage, read_file, write_atomic},
    types::Lsn,
};

/// A single validator's disk after `height` decisions, with nothing open.
fn disk_at(height: u64) -> MemoryStorage {
    let mut net = Net::new(1);
    net.run_to(height);
    let mut disk = net.hosts.remove(0).disk;
    disk.restart();
    disk
}

fn start(disk: &MemoryStorage) -> Result<Recovered, StartError> {
    let started = Store::start(
        &mut disk.clone(),
        "data",
        &genesis(1),
        StoreConfig::default(),
    );
    started.map(|(_, found)| found)
}

/// `disk` with one file of `other`.
fn with_file(disk: &MemoryStorage, other: &MemoryStorage, name: &str) -> MemoryStorage {
    let bytes = read_file(&mut other.clone(), &format!("data/{name}")).unwrap();
    let mut disk = disk.clone();
    write_atomic(&mut disk, "data", name, &bytes).unwrap();
    disk
}

#[test]
fn what_a_crash_left_out_is_executed_again() {
    let (three, four) = (disk_at(3), disk_at(4));
    let whole = start(&four).unwrap();
    assert_eq!((whole.state.height, whole.executed), (Height(4), 0));
    // Block 4 is stored, application and state are not.
    let neither = with_file(&with_file(&four, &three, "app"), &three, "state");
    // The application is stored, the state is not.
    let no_state = with_file(&four, &three, "state");
    // The application is gone altogether.
    let mut no_app = four.clone();
    no_app.remove("data/app").unwrap();
    for (disk, executed) in [(neither, 1), (no_state, 0), (no_app, 4)] {
        let found = start(&disk).unwrap();
        assert_eq!(found.executed, executed);
        assert_eq!(
            (found.state, found.app),
            (whole.state.clone(), whole.app.clone())
        );
    }
}

#[test]
fn heights_that_contradict_each_other_are_refused() {
    let (two, four) = (disk_at(2), disk_at(4));
    // The state is two blocks behind, or ahead of the blocks; the application is ahead of them.
    let far = with_file(&four, &two, "state");
    let ahead = with_file(&two, &four, "state");
    let app_ahead = with_file(&two, &four, "app");
    for disk in [far, ahead, app_ahead] {
        let refused = start(&disk).unwrap_err();
        assert!(matches!(refused, StartError::Heights { .. }), "{refused}");
    }
}

#[test]
fn an_application_of_another_history_is_refused() {
    let mut net = Net::new(1);
    net.input(0, Input::Submit(set(b"k", b"v")));
    net.run_to(3);
    let mut other = net.hosts.remove(0).disk;
    other.restart();
    let mixed = with_file(&disk_at(3), &other, "app");
    assert_eq!(start(&mixed).unwrap_err(), StartError::AppHash(Height(3)));
}

#[test]
fn a_log_entry_without_a_meaning_stops_the_start() {
    let mut net = Net::new(1);
    net.run_to(2);
    let Host { node, mut disk, .. } = net.hosts.remove(0);
    disk.restart();
    let (options, at) = (
        crate::wal::Options::default(),
        crate::wal::Snapshot::default(),
    );
    let log = crate::wal::open(&mut disk, "data/wal", at, options).unwrap();
    let (_, mut log) = log.read_all(&mut disk).unwrap();
    let Lsn(index) = node.next_lsn;
    let entry = crate::wal::Entry {
        index,
        term: 0,
        data: vec![0xff; 9],
    };
    log.append(&mut disk, &[entry]).unwrap();
    log.close(&mut disk).unwrap();
    let refused = start(&disk).unwrap_err();
    assert!(
        matches!(refused, StartError::LogEntry { index: i, .. } if i == index),
        "{refused}"
    );
}
