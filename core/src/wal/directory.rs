//! The directory of a log: which segments it holds, which of them to open, locking and closing
//! them.

use super::window::PIECE;
use super::{SegmentName, WalError, parse_name, search_index, segment_name};
use crate::storage::{Access, FileId, Storage, StorageError};

/// What a segment's name ends with until its header is durable.
pub(super) const TEMPORARY: &str = ".tmp";

/// An open segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: SegmentName,
    pub(super) file: FileId,
}

impl Segment {
    pub(super) fn file_name(&self) -> String {
        segment_name(self.name.sequence, self.name.index)
    }
}

/// Who else may use the segments that are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Opened for reading, without locks.
    Shared,
    /// Opened for writing, locked.
    Exclusive,
}

/// Repeats a call while it is interrupted before anything happened.
pub(super) fn retry<T>(
    mut call: impl FnMut() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    loop {
        match call() {
            Err(StorageError::Interrupted { .. }) => {}
            result => return result,
        }
    }
}

/// The directory above; the root is the empty path.
pub(super) fn parent(dir: &str) -> &str {
    dir.rsplit_once('/').map_or("", |(parent, _)| parent)
}

pub(super) fn path(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// The segments of a log in order. Other files are none of our business; without a directory there
/// are none.
pub(super) fn segment_names(
    storage: &mut dyn Storage,
    dir: &str,
) -> Result<Vec<SegmentName>, StorageError> {
    let files = match retry(|| storage.list(dir)) {
        Err(StorageError::NotFound { .. }) => Vec::new(),
        files => files?,
    };
    let mut names: Vec<_> = files.iter().filter_map(|name| parse_name(name)).collect();
    names.sort();
    Ok(names)
}

/// The segments from where `index` may be found to the end.
pub(super) fn select<'a>(
    dir: &str,
    names: &'a [SegmentName],
    index: u64,
) -> Result<&'a [SegmentName], WalError> {
    let first = search_index(names, index).ok_or_else(|| WalError::FileNotFound {
        dir: dir.to_owned(),
        index,
    })?;
    check_sequence(&names[first..])?;
    Ok(&names[first..])
}

/// Sequence numbers grow by one. Checked from the first pair on, whatever number it starts with.
pub(super) fn check_sequence(names: &[SegmentName]) -> Result<(), WalError> {
    for pair in names.windows(2) {
        let (expected, found) = (pair[0].sequence.wrapping_add(1), pair[1].sequence);
        if found != expected {
            return Err(WalError::SequenceGap { expected, found });
        }
    }
    Ok(())
}

/// Opens all segments or none.
pub(super) fn open_segments(
    storage: &mut dyn Storage,
    dir: &str,
    names: &[SegmentName],
    mode: Mode,
) -> Result<Vec<Segment>, StorageError> {
    let mut segments = Vec::with_capacity(names.len());
    for name in names {
        match open_segment(storage, dir, *name, mode) {
            Ok(segment) => segments.push(segment),
            Err(error) => {
                close_all(storage, &segments);
                return Err(error);
            }
        }
    }
    Ok(segments)
}

/// Opens one segment and takes its lock if asked to.
pub(super) fn open_segment(
    storage: &mut dyn Storage,
    dir: &str,
    name: SegmentName,
    mode: Mode,
) -> Result<Segment, StorageError> {
    let path = path(dir, &segment_name(name.sequence, name.index));
    let access = match mode {
        Mode::Shared => Access::Read,
        Mode::Exclusive => Access::Write,
    };
    let segment = Segment {
        name,
        file: retry(|| storage.open(&path, access))?,
    };
    let locked = match mode {
        Mode::Shared => Ok(()),
        Mode::Exclusive => retry(|| storage.lock(segment.file)),
    };
    locked
        .inspect_err(|_| close_all(storage, &[segment]))
        .map(|()| segment)
}

/// Closes segments after a failure. The failure is what the caller hears of, not a failed close
/// after it.
pub(super) fn close_all(storage: &mut dyn Storage, segments: &[Segment]) {
    for segment in segments {
        let _ = retry(|| storage.close(segment.file));
    }
}

/// Makes a new file, locked, open, and filled with so many zeros.
///
/// A file of that name can only be the rest of an attempt that a crash ended, so it is replaced.
pub(super) fn create(
    storage: &mut dyn Storage,
    path: &str,
    preallocate: u64,
) -> Result<FileId, StorageError> {
    let created = match retry(|| storage.create(path)) {
        Err(StorageError::AlreadyExists { .. }) => {
            retry(|| storage.remove(path))?;
            retry(|| storage.create(path))
        }
        created => created,
    };
    let file = created?;
    let mut filled = retry(|| storage.lock(file));
    if preallocate > 0 {
        filled = filled.and_then(|()| retry(|| storage.set_len(file, preallocate)));
    }
    or_remove(storage, path, file, filled)
}

/// Writes the beginning of a new file and makes it durable. Its name is not durable yet.
pub(super) fn write_synced(
    storage: &mut dyn Storage,
    path: &str,
    file: FileId,
    bytes: &[u8],
) -> Result<FileId, StorageError> {
    let written = crate::storage::write_all(storage, file, 0, bytes)
        .and_then(|()| retry(|| storage.sync(file)));
    or_remove(storage, path, file, written)
}

/// A new file that could not be completed is closed and removed.
fn or_remove(
    storage: &mut dyn Storage,
    path: &str,
    file: FileId,
    completed: Result<(), StorageError>,
) -> Result<FileId, StorageError> {
    if completed.is_err() {
        let _ = retry(|| storage.close(file));
        let _ = retry(|| storage.remove(path));
    }
    completed.map(|()| file)
}

/// Copies an open file to a new one, a piece at a time. The copy's content is durable before it is
/// closed; its name is not.
pub(super) fn copy_synced(
    storage: &mut dyn Storage,
    from: FileId,
    path: &str,
) -> Result<(), StorageError> {
    let to = create(storage, path, 0)?;
    let copied = copy(storage, from, to);
    or_remove(storage, path, to, copied)?;
    retry(|| storage.close(to))
}

fn copy(storage: &mut dyn Storage, from: FileId, to: FileId) -> Result<(), StorageError> {
    let len = retry(|| storage.len(from))?;
    let mut piece = vec![0; usize::try_from(len.min(PIECE)).unwrap_or(usize::MAX)];
    let mut offset = 0;
    loop {
        let read = crate::storage::read_full(storage, from, offset, &mut piece)?;
        if read == 0 {
            return retry(|| storage.sync(to));
        }
        crate::storage::write_all(storage, to, offset, &piece[..read])?;
        offset += read as u64;
    }
}

/// Removes segments whose creation a crash ended. Only for the one who holds the locks of the log.
pub(super) fn remove_temporaries(storage: &mut dyn Storage, dir: &str) -> Result<(), StorageError> {
    for name in retry(|| storage.list(dir))? {
        if name.strip_suffix(TEMPORARY).and_then(parse_name).is_some() {
            retry(|| storage.remove(&path(dir, &name)))?;
        }
    }
    Ok(())
}
