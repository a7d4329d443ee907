//! Writes the disks of a run out as real files: `genesis.toml`, and `n0`, `n1` and so on, each the
//! data directory of a node.

use std::{
    fs,
    io::{Error, ErrorKind, Result},
    path::Path,
};

use engine::storage::{Storage, StorageError, read_file};

use super::{GENESIS, GenesisFile};
use crate::{
    disk::{DiskFaults, SimDisk},
    outcome::Outcome,
    world::DIR,
};

/// Writes what a program would read from each node's disk at the end of a run below `into`, and
/// replaces what an earlier run left there. A node that never started has no directory.
///
/// # Errors
/// What the file system says.
pub fn export(outcome: &Outcome, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let genesis = toml::to_string(&GenesisFile::of(&outcome.plan)).map_err(Error::other)?;
    fs::write(into.join(GENESIS), genesis)?;
    for (node, disk) in outcome.disks.iter().enumerate() {
        let target = into.join(format!("n{node}"));
        match fs::remove_dir_all(&target) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut disk = readable(disk);
        if disk.list(DIR).is_ok() {
            copy(&mut disk, DIR, &target)?;
        }
    }
    Ok(())
}

/// A copy that answers, whatever was wrong with the disk in the run.
fn readable(disk: &SimDisk) -> SimDisk {
    let mut copy = disk.clone();
    copy.restore(disk);
    copy.set_faults(DiskFaults::default());
    copy
}

fn copy(disk: &mut SimDisk, from: &str, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in disk.list(from).map_err(Error::other)? {
        let (inner, outer) = (format!("{from}/{name}"), to.join(&name));
        match disk.list(&inner) {
            Ok(_) => copy(disk, &inner, &outer)?,
            Err(StorageError::Crashed) => return Err(Error::other("the disk has stopped")),
            Err(_) => {
                let bytes = read_file(disk, &inner).map_err(Error::other)?;
                fs::write(outer, bytes)?;
            }
        }
    }
    Ok(())
}
