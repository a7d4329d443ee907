//! Data directories of nodes as real files: finding one, writing a simulated disk out as one, and
//! the file beside it that says which chain it belongs to.

mod export;
mod genesis;

use std::path::{Path, PathBuf};

use engine::{
    storage::{RealStorage, Storage},
    wal::parse_name,
};

pub use export::export;
pub use genesis::{GENESIS, GenesisFile};

/// A directory that is not what a command needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct NotFound {
    /// The path as it was given.
    pub path: PathBuf,
    /// What is missing.
    pub what: String,
}

/// A place below a storage.
#[derive(Debug)]
pub struct Place {
    /// Real files.
    pub storage: RealStorage,
    /// The directory below them; empty for their root.
    pub dir: String,
}

/// The log at `path`, which is a log itself or the data directory of a node.
///
/// # Errors
/// If there is no log.
pub fn find_log(path: &Path) -> Result<Place, NotFound> {
    let mut storage = RealStorage::new(path);
    for dir in ["", "wal"] {
        let names = storage.list(dir).unwrap_or_default();
        if names.iter().any(|name| parse_name(name).is_some()) {
            let dir = dir.to_owned();
            return Ok(Place { storage, dir });
        }
    }
    let what = if path.is_dir() {
        "holds no segments of a log, nor does wal/ in it"
    } else {
        "no such directory"
    };
    Err(NotFound {
        path: path.to_owned(),
        what: what.to_owned(),
    })
}

/// The data directory of a node at `path`: its parent is the root of the storage, since a store
/// makes its own directory durable.
///
/// # Errors
/// If there is no such directory.
pub fn find_node(path: &Path) -> Result<Place, NotFound> {
    let missing = |what: &str| NotFound {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    let full = std::fs::canonicalize(path).map_err(|error| missing(&error.to_string()))?;
    let name = full.file_name().and_then(|name| name.to_str());
    match (full.is_dir(), full.parent(), name) {
        (true, Some(parent), Some(name)) => Ok(Place {
            storage: RealStorage::new(parent),
            dir: name.to_owned(),
        }),
        (false, _, _) => Err(missing("not a directory")),
        (true, _, _) => Err(missing("the root of the file system is no data directory")),
    }
}
