//! Real files below a root directory, for tools, tests and real hosts.
//!
//! The only file in this library that calls the operating system's file functions. Files get mode
//! 0600 and directories 0700, because a consensus log and a sign state are nobody else's business.
//! `sync` is fdatasync, `sync_dir` is fsync of the directory, a lock is the system's exclusive
//! advisory lock of the open file.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::memory::{check_path, failure};
use super::{Access, FileId, Storage, StorageError};

#[derive(Debug)]
struct Handle {
    file: File,
    path: String,
}

impl Drop for Handle {
    /// A child process that is just being started shares the open file for a moment, and with it
    /// the lock, which closing alone would therefore leave held.
    fn drop(&mut self) {
        // Fails only where locks do not work at all, and then none is held.
        let _ = self.file.unlock();
    }
}

/// Files below one root directory. Dropping it closes every file.
#[derive(Debug)]
pub struct RealStorage {
    root: PathBuf,
    handles: BTreeMap<u32, Handle>,
    next_handle: u32,
}

impl RealStorage {
    /// A storage whose paths are relative to `root`, which must exist.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        RealStorage {
            root: root.to_owned(),
            handles: BTreeMap::new(),
            next_handle: 0,
        }
    }

    fn full(&self, path: &str) -> Result<PathBuf, StorageError> {
        Ok(self.root.join(check_path(path)?))
    }

    fn handle(&self, file: FileId) -> Result<&Handle, StorageError> {
        self.handles
            .get(&file.0)
            .ok_or_else(|| failure("", "the file is not open"))
    }

    fn with<T>(
        &self,
        file: FileId,
        call: impl FnOnce(&File) -> Result<T, Error>,
    ) -> Result<T, StorageError> {
        let handle = self.handle(file)?;
        call(&handle.file).map_err(|error| explain(&handle.path, &error))
    }

    fn add_handle(&mut self, file: File, path: &str) -> FileId {
        let id = FileId(self.next_handle);
        self.next_handle += 1;
        self.handles.insert(
            id.0,
            Handle {
                file,
                path: path.to_owned(),
            },
        );
        id
    }

    fn is_dir(&self, path: &str) -> Result<bool, StorageError> {
        let metadata = std::fs::symlink_metadata(self.full(path)?);
        metadata
            .map(|metadata| metadata.is_dir())
            .map_err(|error| explain(path, &error))
    }
}

fn explain(path: &str, error: &Error) -> StorageError {
    let path = path.to_owned();
    let kind = error.kind();
    if kind == ErrorKind::NotFound {
        StorageError::NotFound { path }
    } else if kind == ErrorKind::AlreadyExists {
        StorageError::AlreadyExists { path }
    } else if kind == ErrorKind::Interrupted {
        StorageError::Interrupted { path }
    } else if kind == ErrorKind::StorageFull || kind == ErrorKind::QuotaExceeded {
        StorageError::NoSpace { path }
    } else {
        StorageError::Io {
            path,
            what: error.to_string(),
        }
    }
}

impl Storage for RealStorage {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        let created = DirBuilder::new().mode(0o700).create(self.full(path)?);
        created.map_err(|error| explain(path, &error))
    }

    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        let entries = std::fs::read_dir(self.full(dir)?).map_err(|error| explain(dir, &error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| explain(dir, &error))?;
            // A name that is not UTF-8 cannot be one of ours, and no path of this trait could reach
            // it.
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        // The root has no name below itself; joined, its path would end in a slash and confuse the
        // system.
        if check_path(path)?.is_empty() {
            return Err(StorageError::AlreadyExists {
                path: path.to_owned(),
            });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options
            .open(self.full(path)?)
            .map_err(|error| explain(path, &error))?;
        Ok(self.add_handle(file, path))
    }

    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError> {
        if self.is_dir(path)? {
            return Err(failure(path, "is a directory"));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        let file = options
            .open(self.full(path)?)
            .map_err(|error| explain(path, &error))?;
        Ok(self.add_handle(file, path))
    }

    fn lock(&mut self, file: FileId) -> Result<(), StorageError> {
        let handle = self.handle(file)?;
        match handle.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(StorageError::Locked {
                path: handle.path.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(explain(&handle.path, &error)),
        }
    }

    fn close(&mut self, file: FileId) -> Result<(), StorageError> {
        self.handle(file)?;
        self.handles.remove(&file.0);
        Ok(())
    }

    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        self.with(file, |file| file.metadata().map(|metadata| metadata.len()))
    }

    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        self.with(file, |file| file.set_len(len))
    }

    fn read_at(
        &mut self,
        file: FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        self.with(file, |file| file.read_at(buffer, offset))
    }

    fn write_at(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<usize, StorageError> {
        self.with(file, |file| file.write_at(data, offset))
    }

    fn sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.with(file, File::sync_data)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        let source_is_dir = self.is_dir(from)?;
        match self.is_dir(to) {
            // The system would replace an empty directory; callers shall say so by removing it.
            Ok(target_is_dir) if target_is_dir || source_is_dir => {
                return Err(StorageError::AlreadyExists {
                    path: to.to_owned(),
                });
            }
            Ok(_) | Err(StorageError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let renamed = std::fs::rename(self.full(from)?, self.full(to)?);
        renamed.map_err(|error| explain(to, &error))
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        if self.is_dir(path)? {
            return Err(failure(path, "is a directory"));
        }
        std::fs::remove_file(self.full(path)?).map_err(|error| explain(path, &error))
    }

    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        if !self.is_dir(path)? || check_path(path)?.is_empty() {
            return Err(failure(path, "not a directory that can be removed"));
        }
        std::fs::remove_dir_all(self.full(path)?).map_err(|error| explain(path, &error))
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        if !self.is_dir(dir)? {
            return Err(failure(dir, "not a directory"));
        }
        let synced = File::open(self.full(dir)?).and_then(|handle| handle.sync_all());
        synced.map_err(|error| explain(dir, &error))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;
    use crate::storage::MemoryStorage;

    #[derive(Debug, Clone)]
    enum Operation {
        CreateDir(String),
        List(String),
        Create(String),
        Open(String, bool),
        Lock(u32),
        Close(u32),
        Len(u32),
        SetLen(u32, u64),
        Read(u32, u64, usize),
        Write(u32, u64, Vec<u8>),
        Sync(u32),
        Rename(String, String),
        Remove(String),
        RemoveDirAll(String),
        SyncDir(String),
    }

    fn any_path() -> impl Strategy<Value = String> {
        let names = [
            "", "a", "b", "c", "a/b", "a/c", "a/b/c", "b/a", "a.b", "/a", "a/../b", "a//b",
        ];
        prop::sample::select(names.to_vec()).prop_map(str::to_owned)
    }

    fn any_operation() -> impl Strategy<Value = Operation> {
        let file = 0..6_u32;
        prop_oneof![
            3 => any_path().prop_map(Operation::CreateDir),
            1 => any_path().prop_map(Operation::List),
            4 => any_path().prop_map(Operation::Create),
            4 => (any_path(), any::<bool>()).prop_map(|(path, write)| Operation::Open(path, write)),
            2 => file.clone().prop_map(Operation::Lock),
            2 => file.clone().prop_map(Operation::Close),
            1 => file.clone().prop_map(Operation::Len),
            1 => (file.clone(), 0..40_u64).prop_map(|(file, len)| Operation::SetLen(file, len)),
            3 => (file.clone(), 0..40_u64, 0..40_usize)
                .prop_map(|(file, offset, len)| Operation::Read(file, offset, len)),
            3 => (file.clone(), 0..40_u64, prop::collection::vec(any::<u8>(), 0..20))
                .prop_map(|(file, offset, data)| Operation::Write(file, offset, data)),
            1 => file.prop_map(Operation::Sync),
            3 => (any_path(), any_path()).prop_map(|(from, to)| Operation::Rename(from, to)),
            1 => any_path().prop_map(Operation::Remove),
            1 => any_path().prop_map(Operation::RemoveDirAll),
            1 => any_path().prop_map(Operation::SyncDir),
        ]
    }

    /// The result as text. An `Io` error counts by its kind alone: the system's words are its own.
    fn run(disk: &mut dyn Storage, operation: &Operation) -> String {
        fn text<T: std::fmt::Debug>(result: Result<T, StorageError>) -> String {
            match result {
                Ok(value) => format!("{value:?}"),
                Err(StorageError::Io { .. }) => "Io".to_owned(),
                Err(error) => {
                    let shown = format!("{error:?}");
                    shown.split(' ').next().unwrap_or_default().to_owned()
                }
            }
        }
        match operation {
            Operation::CreateDir(path) => text(disk.create_dir(path)),
            Operation::List(path) => text(disk.list(path)),
            Operation::Create(path) => text(disk.create(path)),
            Operation::Open(path, write) => {
                text(disk.open(path, if *write { Access::Write } else { Access::Read }))
            }
            Operation::Lock(file) => text(disk.lock(FileId(*file))),
            Operation::Close(file) => text(disk.close(FileId(*file))),
            Operation::Len(file) => text(disk.len(FileId(*file))),
            Operation::SetLen(file, len) => text(disk.set_len(FileId(*file), *len)),
            Operation::Read(file, offset, len) => {
                let mut buffer = vec![0; *len];
                let read = disk.read_at(FileId(*file), *offset, &mut buffer);
                format!("{} {buffer:?}", text(read))
            }
            Operation::Write(file, offset, data) => {
                text(disk.write_at(FileId(*file), *offset, data))
            }
            Operation::Sync(file) => text(disk.sync(FileId(*file))),
            Operation::Rename(from, to) => text(disk.rename(from, to)),
            Operation::Remove(path) => text(disk.remove(path)),
            Operation::RemoveDirAll(path) => text(disk.remove_dir_all(path)),
            Operation::SyncDir(path) => text(disk.sync_dir(path)),
        }
    }

    proptest! {
        #[test]
        fn memory_and_real_files_give_the_same_results(
            operations in prop::collection::vec(any_operation(), 1..60)
        ) {
            let root = tempfile::tempdir().unwrap();
            let mut real = RealStorage::new(root.path());
            let mut memory = MemoryStorage::default();
            for operation in &operations {
                prop_assert_eq!(
                    run(&mut memory, operation),
                    run(&mut real, operation),
                    "{:?}", operation
                );
            }
        }
    }

    #[test]
    fn files_and_directories_are_private() {
        let root = tempfile::tempdir().unwrap();
        let mut disk = RealStorage::new(root.path());
        disk.create_dir("d").unwrap();
        disk.create("d/f").unwrap();
        let mode = |path: &str| {
            std::fs::metadata(root.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode("d"), mode("d/f")), (0o700, 0o600));
    }

    #[test]
    fn a_lock_is_held_across_instances_until_the_file_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let mut first = RealStorage::new(root.path());
        let mut second = RealStorage::new(root.path());
        let held = first.create("f").unwrap();
        first.lock(held).unwrap();
        let wanted = second.open("f", Access::Write).unwrap();
        assert_eq!(
            second.lock(wanted),
            Err(StorageError::Locked {
                path: "f".to_owned()
            })
        );
        first.close(held).unwrap();
        second.lock(wanted).unwrap();
    }

    #[test]
    fn closing_a_file_gives_up_its_lock_even_if_a_child_process_shares_it() {
        let root = tempfile::tempdir().unwrap();
        let mut disk = RealStorage::new(root.path());
        let held = disk.create("f").unwrap();
        disk.lock(held).unwrap();
        let of_the_child = disk.handles[&held.0].file.try_clone().unwrap();
        disk.close(held).unwrap();
        let wanted = disk.open("f", Access::Write).unwrap();
        assert_eq!(disk.lock(wanted), Ok(()));
        drop(of_the_child);
    }
}
