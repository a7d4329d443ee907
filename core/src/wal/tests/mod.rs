//! The contract of the log, tested through its public doors. Helpers here, situations in the files
//! beside it.

mod conformance;
mod contract;
mod damage;
mod document;
mod faults;
mod forgetful;
mod model;
mod pipeline;
mod repairing;
mod streaming;

use super::*;
use crate::storage::{Access, FileId, MemoryStorage, Storage, StorageError, read_file, write_all};

const DIR: &str = "wal";
const START: Snapshot = Snapshot { index: 0, term: 0 };

fn small(format: Format) -> Options {
    Options {
        format,
        segment_bytes: u64::MAX,
        preallocate_bytes: 0,
    }
}

fn entry(index: u64) -> Entry {
    Entry {
        index,
        term: index / 10,
        data: format!("entry {index}").into_bytes(),
    }
}

fn entries(range: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    range.map(entry).collect()
}

fn new_log(format: Format) -> (MemoryStorage, Appender) {
    let mut disk = MemoryStorage::default();
    let log = create(&mut disk, DIR, b"metadata", small(format)).unwrap();
    (disk, log)
}

/// A log of synced entries `0..count`, closed.
fn log_with(format: Format, count: u64) -> MemoryStorage {
    let (mut disk, mut log) = new_log(format);
    for index in 0..count {
        log.save(&mut disk, None, &[entry(index)]).unwrap();
    }
    log.close(&mut disk).unwrap();
    disk
}

/// Reads from index 0 and stays open for writing.
fn reopen(disk: &mut MemoryStorage) -> Result<(Replayed, Appender), WalError> {
    open_at_index(disk, DIR, 0, small(Format::Native))?.read_all(disk)
}

fn reopen_behind(
    disk: &mut MemoryStorage,
    index: u64,
    term: u64,
) -> Result<(Replayed, Appender), WalError> {
    open(disk, DIR, Snapshot { index, term }, small(Format::Native))?.read_all(disk)
}

/// What a process finds that starts after this one is gone: content, but neither handles nor locks.
fn restarted(disk: &mut MemoryStorage) -> MemoryStorage {
    let mut fresh = MemoryStorage::default();
    for dir in disk.list("").unwrap() {
        fresh.create_dir(&dir).unwrap();
        for name in disk.list(&dir).unwrap() {
            let path = format!("{dir}/{name}");
            let bytes = read_file(disk, &path).unwrap();
            overwrite(&mut fresh, &path, &bytes);
        }
    }
    fresh
}

fn overwrite(disk: &mut MemoryStorage, path: &str, bytes: &[u8]) {
    let file = match disk.create(path) {
        Err(StorageError::AlreadyExists { .. }) => disk.open(path, Access::Write),
        created => created,
    };
    let file = file.unwrap();
    disk.set_len(file, 0).unwrap();
    write_all(disk, file, 0, bytes).unwrap();
    disk.close(file).unwrap();
}

fn edit(disk: &mut MemoryStorage, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = read_file(disk, path).unwrap();
    change(&mut bytes);
    overwrite(disk, path, &bytes);
}

fn segment_path(sequence: u64, index: u64) -> String {
    format!("{DIR}/{}", segment_name(sequence, index))
}

fn first() -> String {
    segment_path(0, 0)
}

/// A log in a file that somebody else wrote.
fn foreign_log(bytes: &[u8]) -> MemoryStorage {
    let mut disk = MemoryStorage::default();
    disk.create_dir(DIR).unwrap();
    overwrite(&mut disk, &first(), bytes);
    disk
}

fn indices(replayed: &Replayed) -> Vec<u64> {
    replayed.entries.iter().map(|entry| entry.index).collect()
}
