//! Looking at a log and repairing it, without going on to write it.

use super::directory::{
    Mode, Segment, close_all, copy_synced, open_segment, path, retry, segment_names,
};
use super::reader::open_all_shared;
use super::segment::{Content, RawRecord, Tail, walk};
use super::{Format, HardState, Snapshot, TornTail, WalError, open_for_read};
use crate::storage::{Storage, StorageError};

/// Whether a directory holds a log.
///
/// # Errors
/// What the storage says. A directory that cannot be read is not a directory without a log.
pub fn exist(storage: &mut dyn Storage, dir: &str) -> Result<bool, WalError> {
    Ok(!segment_names(storage, dir)?.is_empty())
}

/// Reads a log from a snapshot on without changing it, and returns the last state.
///
/// # Errors
/// What is wrong with the log. A torn tail is not wrong.
pub fn verify(
    storage: &mut dyn Storage,
    dir: &str,
    snapshot: Snapshot,
) -> Result<HardState, WalError> {
    let replayed = open_for_read(storage, dir, snapshot)?.read_all(storage)?;
    Ok(replayed.state.unwrap_or_default())
}

/// All snapshots in a log, in order of writing, whatever the state says.
///
/// # Errors
/// What is wrong with the log.
pub fn snapshots(storage: &mut dyn Storage, dir: &str) -> Result<Vec<Snapshot>, WalError> {
    scan(storage, dir).map(|(snapshots, _)| snapshots)
}

/// The snapshots a log can be opened at: those that the commit index of the last state covers.
///
/// # Errors
/// What is wrong with the log.
pub fn valid_snapshot_entries(
    storage: &mut dyn Storage,
    dir: &str,
) -> Result<Vec<Snapshot>, WalError> {
    let (mut snapshots, state) = scan(storage, dir)?;
    snapshots.retain(|snapshot| snapshot.index <= state.commit);
    Ok(snapshots)
}

fn scan(storage: &mut dyn Storage, dir: &str) -> Result<(Vec<Snapshot>, HardState), WalError> {
    let segments = open_all_shared(storage, dir)?;
    let (mut snapshots, mut last) = (Vec::new(), HardState::default());
    let walked = walk(storage, &segments, &mut |record| {
        match record.content {
            Content::Metadata(_) | Content::Entry { .. } | Content::Checksum => {}
            Content::State(state) => last = state,
            Content::Snapshot(snapshot) => snapshots.push(snapshot),
        }
        Ok(())
    });
    close_all(storage, &segments);
    walked.map(|_| (snapshots, last))
}

/// Where a log ends, and why there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    /// The last segment.
    pub segment: String,
    /// Where its last record ends.
    pub offset: u64,
    /// How its records are written.
    pub format: Format,
    /// What was written behind the last record but not synced; [`repair`] cuts it.
    pub torn: Option<TornTail>,
}

/// Reads a whole log without changing it and passes every record to `visit`, in order, also those
/// before damage. Memory holds one piece of a segment and at least one record.
///
/// # Errors
/// What is wrong with the log, or what `visit` answers. A torn tail is not wrong.
pub fn inspect(
    storage: &mut dyn Storage,
    dir: &str,
    visit: &mut dyn FnMut(&RawRecord<'_>) -> Result<(), WalError>,
) -> Result<LogEnd, WalError> {
    let segments = open_all_shared(storage, dir)?;
    let walked = walk(storage, &segments, visit);
    close_all(storage, &segments);
    walked.map(|tail: Tail| LogEnd {
        segment: tail.segment,
        offset: tail.end,
        format: tail.format,
        torn: tail.torn,
    })
}

/// What [`repair`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairOutcome {
    /// The log ends cleanly; nothing was changed.
    Clean,
    /// The torn tail was cut.
    Cut {
        /// What was cut.
        torn: TornTail,
        /// The copy of the segment as it was, unless the disk had no space for it.
        copy: Option<String>,
    },
}

/// Cuts a torn tail off the last segment, after copying the segment to `<name>.broken`. Memory
/// holds one piece of the segment and at least one record.
///
/// # Errors
/// `CorruptInterior`, `CrcMismatch` and the like if the log does not end in a torn tail: damage is
/// not repaired by forgetting it. `Locked` if the log is in use. Otherwise what the storage says.
pub fn repair(storage: &mut dyn Storage, dir: &str) -> Result<RepairOutcome, WalError> {
    let names = segment_names(storage, dir)?;
    let last = *names.last().ok_or_else(|| WalError::FileNotFound {
        dir: dir.to_owned(),
        index: 0,
    })?;
    let segment = open_segment(storage, dir, last, Mode::Exclusive)?;
    let repaired = repair_segment(storage, dir, segment);
    close_all(storage, &[segment]);
    repaired
}

fn repair_segment(
    storage: &mut dyn Storage,
    dir: &str,
    segment: Segment,
) -> Result<RepairOutcome, WalError> {
    let tail = walk(storage, &[segment], &mut |_| Ok(()))?;
    let Some(torn) = tail.torn else {
        return Ok(RepairOutcome::Clean);
    };
    let copy = match keep_copy(storage, dir, &segment) {
        // Without space there is no copy, but a full disk must not keep a node from starting.
        Err(StorageError::NoSpace { .. }) => None,
        copy => Some(copy?),
    };
    retry(|| storage.set_len(segment.file, tail.end))?;
    retry(|| storage.sync(segment.file))?;
    Ok(RepairOutcome::Cut { torn, copy })
}

/// Copies a segment and makes the copy durable, name and content, before the original is touched.
/// Memory holds one piece of it.
fn keep_copy(
    storage: &mut dyn Storage,
    dir: &str,
    segment: &Segment,
) -> Result<String, StorageError> {
    let copy = format!("{}.broken", path(dir, &segment.file_name()));
    copy_synced(storage, segment.file, &copy)?;
    retry(|| storage.sync_dir(dir))?;
    Ok(copy)
}
