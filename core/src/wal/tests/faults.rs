//! A storage that fails, is interrupted, writes in small pieces, or stops at any call.

use super::*;
use crate::storage::FileId;

/// What the storage does from a certain call on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Every other call is interrupted, and writes and reads are short.
    Hiccups,
    /// The call fails once, and nothing happens.
    Once,
    /// No call does anything any more.
    Stopped,
    /// Before the call somebody else removes the first segment.
    Purged,
}

/// Counts the calls and spoils one of them.
struct Spoiled {
    inner: MemoryStorage,
    fault: Fault,
    calls: usize,
    at: usize,
}

impl Spoiled {
    fn new(inner: MemoryStorage, fault: Fault, at: usize) -> Self {
        Spoiled {
            inner,
            fault,
            calls: 0,
            at,
        }
    }

    fn call(&mut self) -> Result<(), StorageError> {
        self.calls += 1;
        match self.fault {
            Fault::Hiccups if self.calls % 2 == 1 => Err(StorageError::Interrupted {
                path: String::new(),
            }),
            Fault::Once if self.calls == self.at => Err(StorageError::NoSpace {
                path: String::new(),
            }),
            Fault::Stopped if self.calls >= self.at => Err(StorageError::Crashed),
            Fault::Purged if self.calls == self.at => self.inner.remove(&first()),
            Fault::Hiccups | Fault::Once | Fault::Stopped | Fault::Purged => Ok(()),
        }
    }

    fn piece(&self, len: usize) -> usize {
        if self.fault == Fault::Hiccups {
            len.min(7)
        } else {
            len
        }
    }
}

impl Storage for Spoiled {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.create_dir(path))
    }
    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        self.call().and_then(|()| self.inner.list(dir))
    }
    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        self.call().and_then(|()| self.inner.create(path))
    }
    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError> {
        self.call().and_then(|()| self.inner.open(path, access))
    }
    fn lock(&mut self, file: FileId) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.lock(file))
    }
    fn close(&mut self, file: FileId) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.close(file))
    }
    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        self.call().and_then(|()| self.inner.len(file))
    }
    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.set_len(file, len))
    }
    fn read_at(
        &mut self,
        file: FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let len = self.piece(buffer.len());
        self.call()
            .and_then(|()| self.inner.read_at(file, offset, &mut buffer[..len]))
    }
    fn write_at(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<usize, StorageError> {
        let len = self.piece(data.len());
        self.call()
            .and_then(|()| self.inner.write_at(file, offset, &data[..len]))
    }
    fn sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.sync(file))
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.rename(from, to))
    }
    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.remove(path))
    }
    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.remove_dir_all(path))
    }
    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        self.call().and_then(|()| self.inner.sync_dir(dir))
    }
}

/// A life of a log: the entries that were acknowledged as durable, until an error ends it.
fn live(disk: &mut dyn Storage, acknowledged: &mut u64) -> Result<(), WalError> {
    let options = Options {
        segment_bytes: 300,
        ..small(Format::Native)
    };
    let mut log = create(disk, DIR, b"metadata", options)?;
    for index in 0..8 {
        log.save(disk, None, &[entry(index)])?;
        *acknowledged = index + 1;
        if index % 3 == 0 {
            log.prepare(disk)?;
        }
    }
    log.save_snapshot(disk, &Snapshot { index: 5, term: 1 })?;
    log.release_lock_to(disk, 5)?;
    log.purge(disk)?;
    log.close(disk)
}

fn calls_of_a_life() -> usize {
    let mut disk = Spoiled::new(MemoryStorage::default(), Fault::Once, usize::MAX);
    live(&mut disk, &mut 0).unwrap();
    disk.calls
}

#[test]
fn interruptions_and_short_writes_change_nothing() {
    let mut disk = Spoiled::new(MemoryStorage::default(), Fault::Hiccups, 0);
    live(&mut disk, &mut 0).unwrap();
    let mut plain = MemoryStorage::default();
    live(&mut plain, &mut 0).unwrap();
    assert_eq!(restarted(&mut disk.inner), restarted(&mut plain));
    disk.inner = restarted(&mut disk.inner);
    let reader = open(
        &mut disk,
        DIR,
        Snapshot { index: 5, term: 1 },
        Options::default(),
    );
    let (replayed, log) = reader.unwrap().read_all(&mut disk).unwrap();
    assert_eq!(indices(&replayed), [6, 7]);
    log.close(&mut disk).unwrap();
}

/// What must hold of the disk that an interrupted life leaves.
fn check_remains(disk: &mut MemoryStorage, acknowledged: u64, at: usize) {
    let mut disk = restarted(disk);
    if !exist(&mut disk, DIR).unwrap() {
        assert_eq!(acknowledged, 0, "stopped at call {at}");
        create(&mut disk, DIR, b"", Options::default())
            .unwrap()
            .close(&mut disk)
            .unwrap();
        return;
    }
    let snapshot = snapshots(&mut disk, DIR).unwrap().last().copied().unwrap();
    let (replayed, log) = reopen_behind(&mut disk, snapshot.index, snapshot.term).unwrap();
    assert_eq!(replayed.metadata, b"metadata");
    let last = replayed.last_index.map_or(0, |last| last + 1);
    assert!(
        last >= acknowledged && last <= acknowledged + 1,
        "stopped at call {at}"
    );
    let complete = entries(snapshot.index + 1..=last.max(1) - 1);
    assert_eq!(replayed.entries, complete, "stopped at call {at}");
    let live = log.segments().last().unwrap();
    let names = disk.list(DIR).unwrap();
    assert!(
        names.iter().all(|name| parse_name(name).is_some()),
        "{names:?}"
    );
    assert_eq!(names.last(), Some(&segment_name(live.sequence, live.index)));
}

#[test]
fn a_process_that_stops_at_any_call_leaves_every_acknowledged_entry() {
    for at in 1..=calls_of_a_life() {
        let mut disk = Spoiled::new(MemoryStorage::default(), Fault::Stopped, at);
        let mut acknowledged = 0;
        let _ = live(&mut disk, &mut acknowledged);
        check_remains(&mut disk.inner, acknowledged, at);
    }
}

#[test]
fn one_failure_at_any_call_is_either_reported_or_without_consequence() {
    for at in 1..=calls_of_a_life() {
        let mut disk = Spoiled::new(MemoryStorage::default(), Fault::Once, at);
        let mut acknowledged = 0;
        let lived = live(&mut disk, &mut acknowledged);
        if lived.is_err() && acknowledged == 0 && !exist(&mut disk.inner, DIR).unwrap() {
            let left = restarted(&mut disk.inner).list("").unwrap();
            assert!(
                left.is_empty(),
                "a failed create left {left:?} at call {at}"
            );
        }
        check_remains(&mut disk.inner, acknowledged, at);
    }
}

#[test]
fn after_a_failed_write_or_sync_every_call_is_refused_until_the_log_is_reopened() {
    // Save is one write and one sync; fail each.
    for (at, written) in [(1, 1), (2, 2)] {
        let (disk, mut log) = new_log(Format::Native);
        let mut disk = Spoiled::new(disk, Fault::Once, usize::MAX);
        log.save(&mut disk, None, &[entry(0)]).unwrap();
        (disk.calls, disk.at) = (0, at);
        let failed = log.save(&mut disk, None, &[entry(1)]);
        assert!(matches!(
            failed,
            Err(WalError::Storage(StorageError::NoSpace { .. }))
        ));
        let calls = disk.calls;
        let poisoned = Err(WalError::Poisoned);
        assert_eq!(log.append(&mut disk, &[entry(1)]), poisoned);
        assert_eq!(log.save(&mut disk, None, &[entry(1)]), poisoned);
        assert_eq!(log.save_snapshot(&mut disk, &START), poisoned);
        assert_eq!(log.sync(&mut disk), poisoned);
        assert_eq!(log.cut(&mut disk), poisoned);
        assert_eq!(log.prepare(&mut disk), poisoned);
        assert_eq!(log.release_lock_to(&mut disk, 9), poisoned);
        assert_eq!(log.purge(&mut disk), Err(WalError::Poisoned));
        assert_eq!(disk.calls, calls, "a poisoned log does not touch the disk");
        assert_eq!(log.close(&mut disk), poisoned);
        let (replayed, _) = reopen(&mut disk.inner).expect("close gave up the locks");
        assert_eq!(replayed.entries.len(), written);
    }
}

#[test]
fn an_append_is_one_write_and_a_sync_is_one_sync() {
    let (disk, mut log) = new_log(Format::Native);
    let mut disk = Spoiled::new(disk, Fault::Once, usize::MAX);
    log.append(&mut disk, &entries(0..=99)).unwrap();
    assert_eq!(disk.calls, 1);
    log.sync(&mut disk).unwrap();
    assert_eq!(disk.calls, 2);
}

#[test]
fn a_full_disk_does_not_keep_a_torn_tail_from_being_repaired() {
    let mut disk = log_with(Format::Native, 3);
    edit(&mut disk, &first(), |bytes| bytes.truncate(bytes.len() - 3));
    let mut counted = Spoiled::new(disk.clone(), Fault::Once, usize::MAX);
    repair(&mut counted, DIR).unwrap();
    let mut without_copy = 0;
    for at in 1..=counted.calls {
        let mut full = Spoiled::new(disk.clone(), Fault::Once, at);
        if let Ok(RepairOutcome::Cut { copy: None, .. }) = repair(&mut full, DIR) {
            without_copy += 1;
            let mut remains = restarted(&mut full.inner);
            assert_eq!(reopen(&mut remains).unwrap().0.entries, entries(0..=1));
        }
    }
    assert!(without_copy > 0);
}

#[test]
fn every_failed_open_and_read_gives_its_locks_and_files_back() {
    let disk = log_with(Format::Native, 3);
    let mut counted = Spoiled::new(disk.clone(), Fault::Once, usize::MAX);
    let life = |disk: &mut Spoiled| -> Result<(), WalError> {
        let reader = open_at_index(disk, DIR, 0, Options::default())?;
        let (_, log) = reader.read_all(disk)?;
        log.close(disk)
    };
    life(&mut counted).unwrap();
    for at in 1..=counted.calls {
        let mut failing = Spoiled::new(disk.clone(), Fault::Once, at);
        // A failed close may keep the lock: that failure is the storage's, and the log cannot do
        // more.
        if life(&mut failing).is_err() {
            let _ = reopen(&mut failing.inner).expect("no lock is left");
        }
    }
}

#[test]
fn an_interrupted_preallocation_is_repeated_and_alters_no_data() {
    let options = Options {
        preallocate_bytes: 4096,
        ..small(Format::Native)
    };
    let mut disk = Spoiled::new(MemoryStorage::default(), Fault::Hiccups, 0);
    // At the creation, at a cut, and not again when a tail that was cut short is reopened.
    let mut log = create(&mut disk, DIR, b"metadata", options).unwrap();
    log.save(&mut disk, None, &entries(0..=3)).unwrap();
    log.cut(&mut disk).unwrap();
    log.save(&mut disk, None, &entries(4..=7)).unwrap();
    log.close(&mut disk).unwrap();
    let tail = segment_path(1, 4);
    assert_eq!(read_file(&mut disk.inner, &tail).unwrap().len(), 4096);
    let reader = open_at_index(&mut disk, DIR, 0, options).unwrap();
    let (replayed, log) = reader.read_all(&mut disk).unwrap();
    assert_eq!(replayed.entries, entries(0..=7));
    log.close(&mut disk).unwrap();
    assert_eq!(read_file(&mut disk.inner, &tail).unwrap().len(), 4096);
}

#[test]
fn a_scan_for_snapshots_tolerates_a_purge_at_any_call() {
    let (mut disk, mut log) = new_log(Format::Native);
    log.save(&mut disk, None, &entries(0..=3)).unwrap();
    log.cut(&mut disk).unwrap();
    let ended = Snapshot { index: 3, term: 1 };
    log.save_snapshot(&mut disk, &ended).unwrap();
    log.close(&mut disk).unwrap();
    let mut counted = Spoiled::new(disk.clone(), Fault::Once, usize::MAX);
    assert_eq!(snapshots(&mut counted, DIR).unwrap(), [START, ended]);
    for at in 1..=counted.calls {
        let mut purged = Spoiled::new(disk.clone(), Fault::Purged, at);
        let found = snapshots(&mut purged, DIR).unwrap();
        assert_eq!(found.last(), Some(&ended), "purged at call {at}");
    }
}
