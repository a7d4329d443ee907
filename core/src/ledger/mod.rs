//! The chain as it is stored: decided blocks with the commits seen for them, and the state after
//! the last one.
//!
//! One file per block, `blocks/<height in 16 hex digits>`, and the file `state`; each is replaced
//! atomically and guarded by a CRC-32C. Block `h` is stored before it is applied; the state says
//! how far the chain has been applied.

mod change;
mod recent;
mod state;

use borsh::{BorshDeserialize, BorshSerialize};

pub use recent::{EvidenceError, Recent};
pub use state::{Genesis, GenesisError, InvalidBlock, State};

use crate::{
    storage::{Storage, StorageError, read_file, write_atomic},
    types::{Block, Commit, Height, ValidatorSet},
};

/// A decided block and the precommits that this node saw for it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StoredBlock {
    /// The block.
    pub block: Block,
    /// The commit this node saw; other nodes may have seen other precommits.
    pub seen_commit: Commit,
    /// Who decided it: needed to tell peers that are behind whose precommits these are.
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
}

impl Ledger {
    /// Makes the directories of an empty ledger below the existing directory `dir`.
    ///
    /// # Errors
    /// What the storage says.
    pub fn create(storage: &mut dyn Storage, dir: &str) -> Result<Self, StorageError> {
        storage.create_dir(&format!("{dir}/blocks"))?;
        storage.sync_dir(dir)?;
        Ok(Self::open(dir))
    }

    /// The ledger below `dir`.
    #[must_use]
    pub fn open(dir: &str) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Stores a block; durable on return.
    ///
    /// # Errors
    /// What the storage says.
    pub fn save_block(
        &self,
        storage: &mut dyn Storage,
        stored: &StoredBlock,
    ) -> Result<(), StorageError> {
        let name = block_name(stored.block.header.height);
        write_atomic(
            storage,
            &format!("{}/blocks", self.dir),
            &name,
            &sealed(stored),
        )
    }

    /// The block of a height, `None` if there is none.
    ///
    /// # Errors
    /// If the storage fails or the file is damaged.
    pub fn load_block(
        &self,
        storage: &mut dyn Storage,
        height: Height,
    ) -> Result<Option<StoredBlock>, LedgerError> {
        load(
            storage,
            &format!("{}/blocks/{}", self.dir, block_name(height)),
        )
    }

    /// The height of the last stored block, 0 if there is none.
    ///
    /// # Errors
    /// What the storage says.
    pub fn height(&self, storage: &mut dyn Storage) -> Result<Height, StorageError> {
        let names = storage.list(&format!("{}/blocks", self.dir))?;
        let height = |name: &String| u64::from_str_radix(name, 16).ok();
        Ok(Height(names.iter().filter_map(height).max().unwrap_or(0)))
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
}

fn block_name(height: Height) -> String {
    format!("{:016x}", height.0)
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
