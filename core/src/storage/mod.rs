//! Files and directories with explicit durability: the only door from the engine to a disk.
//!
//! Nothing is durable before `sync` (a file's bytes and length) or `sync_dir` (the names in a
//! directory) has returned `Ok`. Implementations: [`RealStorage`] (real files, for tools and
//! tests), [`MemoryStorage`] (plain, without faults) and the simulator's disk, which forgets, tears
//! and damages what was not synced.
//!
//! Paths are relative, with `/` between parts. Calls take `&mut self`, so a disk can count and
//! interrupt them.

mod memory;
mod real;

pub use memory::MemoryStorage;
pub use real::RealStorage;

/// An open file. Valid until closed or until the storage crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Why a storage call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No such file or directory.
    #[error("{path}: no such file or directory")]
    NotFound {
        /// What was looked for.
        path: String,
    },
    /// The name is taken.
    #[error("{path}: already exists")]
    AlreadyExists {
        /// The name.
        path: String,
    },
    /// Another handle holds the lock.
    #[error("{path}: locked by another process")]
    Locked {
        /// The locked file.
        path: String,
    },
    /// Interrupted before anything happened (EINTR): call again.
    #[error("{path}: interrupted")]
    Interrupted {
        /// The file.
        path: String,
    },
    /// No space is left (ENOSPC).
    #[error("{path}: no space left on the disk")]
    NoSpace {
        /// The file.
        path: String,
    },
    /// Any other failure of the device or the system (EIO and friends).
    #[error("{path}: {what}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        what: String,
    },
    /// The machine stopped: nothing answers any more. Only simulated disks say this.
    #[error("the machine stopped")]
    Crashed,
}

/// What an open file may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// A disk. Every method may fail with [`StorageError::Io`] or [`StorageError::Crashed`].
#[expect(clippy::missing_errors_doc, reason = "said once for all methods above")]
pub trait Storage {
    /// Makes a directory whose parent exists. `AlreadyExists` if the name is taken.
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError>;
    /// The names in a directory, sorted. `NotFound` if it does not exist.
    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError>;
    /// Makes and opens a new empty file for writing. `AlreadyExists` if the name is taken.
    fn create(&mut self, path: &str) -> Result<FileId, StorageError>;
    /// Opens an existing file. `NotFound` if it does not exist.
    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError>;
    /// Takes the exclusive lock of an open file until it is closed. `Locked` if another handle has
    /// it.
    fn lock(&mut self, file: FileId) -> Result<(), StorageError>;
    /// Closes a file and releases its lock. Nothing is synced by this.
    fn close(&mut self, file: FileId) -> Result<(), StorageError>;
    /// The length in bytes.
    fn len(&mut self, file: FileId) -> Result<u64, StorageError>;
    /// Cuts the file or extends it with zeros.
    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError>;
    /// Reads up to `buffer.len()` bytes; 0 at the end of the file. Fewer bytes than asked for may
    /// come at any time.
    fn read_at(
        &mut self,
        file: FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError>;
    /// Writes up to `data.len()` bytes, extending the file where needed, and says how many were
    /// taken.
    fn write_at(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<usize, StorageError>;
    /// Makes the file's bytes and length durable.
    fn sync(&mut self, file: FileId) -> Result<(), StorageError>;
    /// Gives a file or directory a new name, replacing a file of that name. Open handles stay
    /// valid.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError>;
    /// Removes a file.
    fn remove(&mut self, path: &str) -> Result<(), StorageError>;
    /// Removes a directory and everything in it.
    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError>;
    /// Makes the names in a directory durable: files created, renamed and removed in it.
    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError>;
}

/// Writes all of `data`, repeating after short writes and interruptions.
///
/// # Errors
/// What the storage says; after an error any part of the data may have been written.
///
/// # Panics
/// If the storage claims to have taken no bytes, or more than it was given.
pub fn write_all(
    storage: &mut dyn Storage,
    file: FileId,
    mut offset: u64,
    mut data: &[u8],
) -> Result<(), StorageError> {
    while !data.is_empty() {
        match storage.write_at(file, offset, data) {
            Ok(taken) => {
                assert!(
                    taken > 0 && taken <= data.len(),
                    "a write takes between 1 and all bytes"
                );
                offset += taken as u64;
                data = &data[taken..];
            }
            Err(StorageError::Interrupted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends, and says how many bytes came.
///
/// # Errors
/// What the storage says.
pub fn read_full(
    storage: &mut dyn Storage,
    file: FileId,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, StorageError> {
    let mut done = 0;
    while done < buffer.len() {
        match storage.read_at(file, offset + done as u64, &mut buffer[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(StorageError::Interrupted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The whole content of a file.
///
/// # Errors
/// What the storage says; `NotFound` if there is no such file.
pub fn read_file(storage: &mut dyn Storage, path: &str) -> Result<Vec<u8>, StorageError> {
    let file = storage.open(path, Access::Read)?;
    let result = storage.len(file).and_then(|len| {
        let len = usize::try_from(len).map_err(|_| StorageError::Io {
            path: path.to_owned(),
            what: format!("{len} bytes do not fit into memory"),
        })?;
        let mut bytes = vec![0; len];
        let read = read_full(storage, file, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    });
    storage.close(file)?;
    result
}

/// Replaces `dir/name` by `bytes` so that a crash leaves the old content or the new, never a
/// mixture: write a temporary file, sync it, rename it, sync the directory.
///
/// # Errors
/// What the storage says; the old content is then still in place or already replaced.
pub fn write_atomic(
    storage: &mut dyn Storage,
    dir: &str,
    name: &str,
    bytes: &[u8],
) -> Result<(), StorageError> {
    let (path, temporary) = (format!("{dir}/{name}"), format!("{dir}/{name}.tmp"));
    let file = match storage.create(&temporary) {
        Err(StorageError::AlreadyExists { .. }) => {
            // Left by a crash between create and rename.
            storage.remove(&temporary)?;
            storage.create(&temporary)?
        }
        created => created?,
    };
    let written = write_all(storage, file, 0, bytes).and_then(|()| storage.sync(file));
    storage.close(file)?;
    written?;
    storage.rename(&temporary, &path)?;
    storage.sync_dir(dir)
}
