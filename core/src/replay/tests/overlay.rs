//! The copy-on-write view: what is written stays in it, what is below stays as it was.

use super::*;
use crate::storage::{Access, FileId, write_all};

/// Passes on what reads and refuses, loudly, what writes. After `left` calls it fails or panics.
pub(super) struct ReadOnlyDisk {
    disk: MemoryStorage,
    left: u64,
    panics: bool,
    open: u64,
}

impl ReadOnlyDisk {
    pub(super) fn new(disk: MemoryStorage) -> Self {
        Self {
            disk,
            left: u64::MAX,
            panics: false,
            open: 0,
        }
    }

    pub(super) fn failing_after(disk: MemoryStorage, left: u64, panics: bool) -> Self {
        Self {
            left,
            panics,
            ..Self::new(disk)
        }
    }

    pub(super) fn calls_left(&self) -> u64 {
        self.left
    }

    pub(super) fn open_files(&self) -> u64 {
        self.open
    }

    pub(super) fn disk(&self) -> &MemoryStorage {
        &self.disk
    }

    fn count(&mut self) -> Result<(), StorageError> {
        if self.left == 0 {
            assert!(!self.panics, "the storage gives up");
            return Err(StorageError::Io {
                path: "disk".to_owned(),
                what: "broken".to_owned(),
            });
        }
        self.left -= 1;
        Ok(())
    }
}

impl Storage for ReadOnlyDisk {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        panic!("create_dir {path}")
    }
    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        self.count()?;
        self.disk.list(dir)
    }
    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        panic!("create {path}")
    }
    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError> {
        assert_eq!(access, Access::Read, "{path}");
        self.count()?;
        let opened = self.disk.open(path, access);
        self.open += u64::from(opened.is_ok());
        opened
    }
    fn lock(&mut self, _: FileId) -> Result<(), StorageError> {
        panic!("lock")
    }
    /// Closing works on a broken disk, too.
    fn close(&mut self, file: FileId) -> Result<(), StorageError> {
        self.open -= 1;
        self.disk.close(file)
    }
    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        self.count()?;
        self.disk.len(file)
    }
    fn set_len(&mut self, _: FileId, _: u64) -> Result<(), StorageError> {
        panic!("set_len")
    }
    fn read_at(&mut self, file: FileId, at: u64, to: &mut [u8]) -> Result<usize, StorageError> {
        self.count()?;
        self.disk.read_at(file, at, to)
    }
    fn write_at(&mut self, _: FileId, _: u64, _: &[u8]) -> Result<usize, StorageError> {
        panic!("write_at")
    }
    fn sync(&mut self, _: FileId) -> Result<(), StorageError> {
        panic!("sync")
    }
    fn rename(&mut self, from: &str, _: &str) -> Result<(), StorageError> {
        panic!("rename {from}")
    }
    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        panic!("remove {path}")
    }
    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        panic!("remove_dir_all {path}")
    }
    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        panic!("sync_dir {dir}")
    }
}

/// A directory `a` with the files `x` and `d/y`.
fn below() -> ReadOnlyDisk {
    let mut disk = MemoryStorage::default();
    disk.create_dir("a").unwrap();
    disk.create_dir("a/d").unwrap();
    for (dir, name, bytes) in [("a", "x", b"old x"), ("a/d", "y", b"old y")] {
        write_atomic(&mut disk, dir, name, bytes).unwrap();
    }
    disk.restart();
    ReadOnlyDisk::new(disk)
}

#[test]
fn what_is_written_in_the_view_is_read_there_and_nowhere_else() {
    let mut below = below();
    let mut view = Overlay::new(&mut below, "a", "t").unwrap();
    assert_eq!(view.list("t").unwrap(), ["d", "x"]);
    assert_eq!(read_file(&mut view, "t/x").unwrap(), b"old x");
    let reader = view.open("t/x", Access::Read).unwrap();
    let writer = view.open("t/x", Access::Write).unwrap();
    view.lock(writer).unwrap();
    write_all(&mut view, writer, 0, b"new").unwrap();
    let mut seen = [0; 5];
    view.read_at(reader, 0, &mut seen).unwrap();
    assert_eq!(&seen, b"new x", "handles opened before see the copy");
    write_atomic(&mut view, "t/d", "y", b"newer").unwrap();
    write_atomic(&mut view, "t/d", "z", b"more").unwrap();
    assert_eq!(view.list("t/d").unwrap(), ["y", "z"]);
    assert_eq!(read_file(&mut view, "t/d/y").unwrap(), b"newer");
    view.remove("t/x").unwrap();
    assert_eq!(view.list("t").unwrap(), ["d"]);
    drop(view);
    assert_eq!(below.open_files(), 0);
    assert_eq!(read_file(&mut below, "a/x").unwrap(), b"old x");
    assert_eq!(read_file(&mut below, "a/d/y").unwrap(), b"old y");
}

#[test]
fn a_directory_removed_and_made_again_in_the_view_is_empty() {
    let mut below = below();
    let mut view = Overlay::new(&mut below, "a", "t").unwrap();
    view.remove_dir_all("t/d").unwrap();
    assert!(matches!(
        view.list("t/d"),
        Err(StorageError::NotFound { .. })
    ));
    assert!(matches!(
        view.open("t/d/y", Access::Read),
        Err(StorageError::NotFound { .. })
    ));
    view.create_dir("t/e").unwrap();
    write_atomic(&mut view, "t/e", "y", b"1").unwrap();
    view.rename("t/e", "t/f").unwrap();
    assert_eq!(view.list("t").unwrap(), ["f", "x"]);
    assert_eq!(read_file(&mut view, "t/f/y").unwrap(), b"1");
}

#[test]
fn nothing_outside_the_directory_is_seen() {
    let mut below = below();
    let mut view = Overlay::new(&mut below, "a", "t").unwrap();
    assert!(view.open("a/x", Access::Read).is_err());
    assert!(view.list("a").is_err());
    assert!(view.open("tt/x", Access::Read).is_err());
}

#[test]
fn a_view_needs_a_free_name_and_an_original() {
    let mut below = below();
    let taken = Overlay::new(&mut below, "a", "a").map(drop).unwrap_err();
    assert_eq!(taken, InitError::TargetNodeExisted("a".to_owned()));
    let missing = Overlay::new(&mut below, "b", "t").map(drop).unwrap_err();
    assert!(matches!(missing, InitError::FailedToCreateReplayNode(_)));
}

#[test]
fn a_temporary_name_is_free() {
    let mut disk = MemoryStorage::default();
    for name in ["n0", "replay-0", "replay-1"] {
        disk.create_dir(name).unwrap();
    }
    assert_eq!(temporary_node_id(&mut disk, "n0").unwrap(), "replay-2");
}
