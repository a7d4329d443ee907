//! How a log begins, and how each of its segments begins.

use super::directory::{self, TEMPORARY, parent, path, retry, write_synced};
use super::frame::{Encoder, METADATA, Place, SNAPSHOT, STATE};
use super::{
    Appender, Format, HardState, Options, Snapshot, WalError, native, parse_name, payload,
    segment_name,
};
use crate::storage::{FileId, Storage, StorageError};

/// Begins a log in a new directory `dir`, whose parent exists. `metadata` comes back from every
/// read.
///
/// Atomic: the log is written to `dir.tmp`, which is then renamed. After a crash or an error there
/// is either a complete log or none.
///
/// # Errors
/// `AlreadyExists` if there is a log, `ForeignFile` if the directory holds anything else, or what
/// the storage says.
pub fn create(
    storage: &mut dyn Storage,
    dir: &str,
    metadata: &[u8],
    options: Options,
) -> Result<Appender, WalError> {
    let replaces = check_vacant(storage, dir)?;
    let mut encoder = Encoder::new(options.format, 0);
    let header = encode_header(&mut encoder, metadata, None, Some(Snapshot::default()));
    let file = place_directory(storage, dir, &header, &options, replaces)?;
    Ok(Appender::begin(
        dir,
        options,
        file,
        metadata,
        encoder,
        header.len() as u64,
    ))
}

/// Whether an empty directory is in the way.
fn check_vacant(storage: &mut dyn Storage, dir: &str) -> Result<bool, WalError> {
    let names = match retry(|| storage.list(dir)) {
        Err(StorageError::NotFound { .. }) => return Ok(false),
        names => names?,
    };
    let dir = dir.to_owned();
    if names.iter().any(|name| parse_name(name).is_some()) {
        return Err(WalError::AlreadyExists { dir });
    }
    // etcd deletes whatever is there. What we did not write is not ours to delete.
    names
        .into_iter()
        .next()
        .map_or(Ok(true), |name| Err(WalError::ForeignFile { dir, name }))
}

/// Makes the directory with its first segment, and returns that segment's file.
fn place_directory(
    storage: &mut dyn Storage,
    dir: &str,
    header: &[u8],
    options: &Options,
    replaces: bool,
) -> Result<FileId, StorageError> {
    let temporary = format!("{dir}{TEMPORARY}");
    match retry(|| storage.create_dir(&temporary)) {
        Err(StorageError::AlreadyExists { .. }) => {
            retry(|| storage.remove_dir_all(&temporary))?;
            retry(|| storage.create_dir(&temporary))?;
        }
        created => created?,
    }
    let first = path(&temporary, &segment_name(0, 0));
    let file = directory::create(storage, &first, options.preallocate_bytes)
        .and_then(|file| write_synced(storage, &first, file, header))
        .inspect_err(|_| drop(storage.remove_dir_all(&temporary)))?;
    let placed = retry(|| storage.sync_dir(&temporary))
        .and_then(|()| {
            if replaces {
                retry(|| storage.remove_dir_all(dir))
            } else {
                Ok(())
            }
        })
        .and_then(|()| retry(|| storage.rename(&temporary, dir)));
    let (placed, remains) = match placed {
        Ok(()) => (retry(|| storage.sync_dir(parent(dir))), dir),
        Err(error) => (Err(error), temporary.as_str()),
    };
    if let Err(error) = placed {
        // A failed create must not leave what looks like a log.
        let _ = retry(|| storage.close(file));
        let _ = retry(|| storage.remove_dir_all(remains));
        return Err(error);
    }
    Ok(file)
}

/// The records every segment starts with.
///
/// In format 2 the metadata record says how long the header is, since all of it is durable before
/// anyone can see it.
pub(super) fn encode_header(
    encoder: &mut Encoder,
    metadata: &[u8],
    state: Option<&HardState>,
    snapshot: Option<Snapshot>,
) -> Vec<u8> {
    let (place, chain) = (Place { base: 0, synced: 0 }, encoder.chain);
    let mut header = Vec::new();
    // The first pass learns the length, which the second one writes in a field of fixed width.
    for _ in 0..2 {
        let len = header.len() as u64;
        header.clear();
        encoder.chain = chain;
        encoder.handover(&mut header);
        let format = encoder.format;
        encoder.record(&mut header, place, METADATA, |buffer| {
            if format == Format::Native {
                buffer.push(native::VERSION);
                buffer.extend_from_slice(&len.to_le_bytes());
            }
            buffer.extend_from_slice(metadata);
        });
        if let Some(state) = state {
            encoder.record(&mut header, place, STATE, |buffer| {
                payload::put_state(buffer, state)
            });
        }
        if let Some(snapshot) = snapshot {
            encoder.record(&mut header, place, SNAPSHOT, |buffer| {
                payload::put_snapshot(buffer, &snapshot);
            });
        }
    }
    header
}
