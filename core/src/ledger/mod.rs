//! The chain as it is stored: decided blocks with the commits seen for them, and the state after
//! the last one.
//!
//! One file per block, `blocks/<height in 16 hex digits>`, and the file `state`; each is replaced
//! atomically and guarded by a CRC-32C. Block `h` is stored before it is applied; the state says
//! how far the chain has been applied.
//!
//! Validators change seldom, so they are stored only where they change: `validators/<height>` holds
//! those of that height and of all later ones up to the next such file. It is durable before the
//! first block that needs it, and removed after the last one.
//!
//! If old blocks are removed there is also the file `checkpoint`.

mod change;
mod checkpoint;
mod recent;
mod state;

use borsh::{BorshDeserialize, BorshSerialize};

pub use checkpoint::Checkpoint;
pub use recent::{EvidenceError, Recent};
pub use state::{Genesis, GenesisError, InvalidBlock, State};

use crate::{
    storage::{Storage, StorageError, read_file, write_atomic},
    types::{Block, Commit, Hash, Height, ValidatorSet},
};

/// A decided block and the precommits that this node saw for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block.
    pub block: Block,
    /// The commit this node saw; other nodes may have seen other precommits.
    pub seen_commit: Commit,
    /// Who decided it: needed to tell peers that are behind whose precommits these are. Read from
    /// the disk, whose turn it is may be that of an earlier height.
    pub validators: ValidatorSet,
}

/// Why something could not be read from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The content is not what was written.
    #[error("{path}: damaged ({what}); restore it from a peer or a backup")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

/// The ledger below one directory.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: String,
    /// The newest validators that are known to be stored: from which height on, and their hash.
    newest: Option<(Height, Hash)>,
}

impl Ledger {
    /// Makes the directories of an empty ledger below the existing directory `dir`.
    ///
    /// # Errors
    /// What the storage says.
    pub fn create(storage: &mut dyn Storage, dir: &str) -> Result<Self, StorageError> {
        storage.create_dir(&format!("{dir}/blocks"))?;
        storage.create_dir(&format!("{dir}/validators"))?;
        storage.sync_dir(dir)?;
        Ok(Self::open(dir))
    }

    /// The ledger below `dir`.
    #[must_use]
    pub fn open(dir: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            newest: None,
        }
    }

    /// Stores a block, and before it its validators if they are not those of the height before;
    /// durable on return.
    ///
    /// # Errors
    /// If the storage fails, or the stored validators are damaged.
    pub fn save_block(
        &mut self,
        storage: &mut dyn Storage,
        stored: &StoredBlock,
    ) -> Result<(), LedgerError> {
        let (block, height) = (&stored.block, stored.block.header.height);
        let hash = block.header.validators_hash;
        let known = match self.newest {
            Some((from, known)) if from <= height => Some(known),
            Some(_) | None => {
                let found = self.validators_at(storage, height)?;
                found.map(|(_, validators)| validators.hash())
            }
        };
        if known != Some(hash) {
            let bytes = sealed(&stored.validators);
            write_atomic(storage, &self.path("validators"), &name(height), &bytes)?;
            self.newest = Some((height, hash));
        }
        let bytes = sealed(&(block, &stored.seen_commit));
        Ok(write_atomic(
            storage,
            &self.path("blocks"),
            &name(height),
            &bytes,
        )?)
    }

    /// The block of a height, `None` if there is none.
    ///
    /// # Errors
    /// If the storage fails, or the file or that of its validators is damaged.
    pub fn load_block(
        &self,
        storage: &mut dyn Storage,
        height: Height,
    ) -> Result<Option<StoredBlock>, LedgerError> {
        let path = self.block_path(height);
        let Some((block, seen_commit)) = load::<(Block, Commit)>(storage, &path)? else {
            return Ok(None);
        };
        if block.header.height != height {
            let what = format!("it is block {}", block.header.height);
            return Err(LedgerError::Damaged { path, what });
        }
        let Some((from, validators)) = self.validators_at(storage, height)? else {
            let what = "its validators are missing".to_owned();
            return Err(LedgerError::Damaged { path, what });
        };
        if validators.hash() != block.header.validators_hash {
            let path = format!("{}/{}", self.path("validators"), name(from));
            let what = format!("these are not the validators of block {height}");
            return Err(LedgerError::Damaged { path, what });
        }
        Ok(Some(StoredBlock {
            block,
            seen_commit,
            validators,
        }))
    }

    /// The stored validators of a height, and since when they are.
    fn validators_at(
        &self,
        storage: &mut dyn Storage,
        height: Height,
    ) -> Result<Option<(Height, ValidatorSet)>, LedgerError> {
        let dir = self.path("validators");
        let stored = heights(storage, &dir)?;
        let Some(from) = stored.into_iter().rev().find(|from| *from <= height) else {
            return Ok(None);
        };
        let validators = load(storage, &format!("{dir}/{}", name(from)))?;
        Ok(validators.map(|validators| (from, validators)))
    }

    /// The height of the last stored block, 0 if there is none.
    ///
    /// # Errors
    /// What the storage says.
    pub fn height(&self, storage: &mut dyn Storage) -> Result<Height, StorageError> {
        let stored = heights(storage, &self.path("blocks"))?;
        Ok(stored.last().copied().unwrap_or_default())
    }

    /// Stores the state after the last applied block; durable on return.
    ///
    /// # Errors
    /// What the storage says.
    pub fn save_state(&self, storage: &mut dyn Storage, state: &State) -> Result<(), StorageError> {
        write_atomic(storage, &self.dir, "state", &sealed(state))
    }

    /// The state after the last applied block, `None` if none was ever stored.
    ///
    /// # Errors
    /// If the storage fails or the file is damaged.
    pub fn load_state(&self, storage: &mut dyn Storage) -> Result<Option<State>, LedgerError> {
        load(storage, &format!("{}/state", self.dir))
    }

    fn block_path(&self, height: Height) -> String {
        format!("{}/{}", self.path("blocks"), name(height))
    }

    fn path(&self, below: &str) -> String {
        format!("{}/{below}", self.dir)
    }
}

/// The name of a height's file.
fn name(height: Height) -> String {
    format!("{:016x}", height.0)
}

/// The heights that have a file in a directory, in order.
fn heights(storage: &mut dyn Storage, dir: &str) -> Result<Vec<Height>, StorageError> {
    let names = storage.list(dir)?;
    let height = |name: &String| u64::from_str_radix(name, 16).ok().map(Height);
    let mut found: Vec<Height> = names.iter().filter_map(height).collect();
    found.sort_unstable();
    Ok(found)
}

/// Removes a height's file if it is there.
fn remove(storage: &mut dyn Storage, dir: &str, height: Height) -> Result<(), StorageError> {
    match storage.remove(&format!("{dir}/{}", name(height))) {
        Err(StorageError::NotFound { .. }) => Ok(()),
        removed => removed,
    }
}

/// A file that must be there.
fn missing(path: String) -> LedgerError {
    let what = "it is missing".to_owned();
    LedgerError::Damaged { path, what }
}

/// A value with its checksum in front.
///
/// # Panics
/// Never: encoding into memory cannot fail.
#[expect(clippy::expect_used, reason = "encoding into memory cannot fail")]
pub fn sealed<T: BorshSerialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    value.serialize(&mut bytes).expect("encoding into memory");
    let crc = crc32c::crc32c(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads a value written with [`sealed`]; `None` if there is no such file.
///
/// # Errors
/// If the storage fails or the file is damaged.
pub fn load<T: BorshDeserialize>(
    storage: &mut dyn Storage,
    path: &str,
) -> Result<Option<T>, LedgerError> {
    let bytes = match read_file(storage, path) {
        Err(StorageError::NotFound { .. }) => return Ok(None),
        read => read?,
    };
    let damaged = |what: &str| LedgerError::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    let (crc, body) = bytes
        .split_at_checked(4)
        .ok_or_else(|| damaged("too short"))?;
    if crc32c::crc32c(body).to_le_bytes() != crc {
        return Err(damaged("checksum mismatch"));
    }
    borsh::from_slice(body)
        .map(Some)
        .map_err(|e| damaged(&e.to_string()))
}

#[cfg(test)]
mod tests;
