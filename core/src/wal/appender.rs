//! Writing: the only handle that may change a log.
//!
//! One write per call. After any failed write or sync the handle refuses everything, because nobody
//! can say what the disk holds: the pages of a failed sync may be gone although a second sync
//! succeeds.

use std::collections::VecDeque;

use super::create::encode_header;
use super::directory::{Mode, Segment, close_all, open_segment, path, retry, segment_names};
use super::frame::{ENTRY, Encoder, Place, SNAPSHOT, STATE};
use super::pipeline::Pipeline;
use super::segment::Tail;
use super::{Entry, Format, HardState, Options, SegmentName, Snapshot, WalError, payload};
use crate::storage::{FileId, Storage, StorageError, write_all};

/// A log open for writing. Holds the exclusive locks of its segments until they are released or it
/// is closed.
///
/// Made by [`create`](super::create) or, for an existing log, by
/// [`Reader::read_all`](super::Reader::read_all). Dropping it neither syncs nor closes anything:
/// call [`close`](Self::close). A clone is for checkpoints, together with a clone of the storage;
/// two that write to one storage would destroy the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a log that is dropped is not closed"]
pub struct Appender {
    dir: String,
    metadata: Vec<u8>,
    options: Options,
    /// Locked segments in order; the last one is written to.
    segments: VecDeque<Segment>,
    pipeline: Pipeline,
    encoder: Encoder,
    /// Where the next record goes.
    offset: u64,
    /// How far the file is known to be durable. Never above `offset`.
    synced: u64,
    state: Option<HardState>,
    last_index: Option<u64>,
    buffer: Vec<u8>,
    poisoned: bool,
}

/// Whether a save has to be durable before anything is said about it: entries, a new term or
/// another vote.
///
/// A commit index alone need not be, because it can be learned again.
#[must_use]
pub fn must_sync(before: Option<&HardState>, state: Option<&HardState>, entries: usize) -> bool {
    let before = before.copied().unwrap_or_default();
    let state = state.copied().unwrap_or(before);
    entries > 0 || (before.term, before.vote) != (state.term, state.vote)
}

impl Appender {
    /// Goes on behind the header of a new log.
    pub(super) fn begin(
        dir: &str,
        options: Options,
        file: FileId,
        metadata: &[u8],
        encoder: Encoder,
        header: u64,
    ) -> Self {
        Appender {
            dir: dir.to_owned(),
            metadata: metadata.to_vec(),
            options,
            segments: VecDeque::from([Segment {
                name: SegmentName {
                    sequence: 0,
                    index: 0,
                },
                file,
            }]),
            pipeline: Pipeline::default(),
            encoder,
            offset: header,
            synced: header,
            state: None,
            last_index: None,
            buffer: Vec::new(),
            poisoned: false,
        }
    }

    /// Goes on behind what was read. The tail must be clean and durable.
    pub(super) fn resume(
        dir: &str,
        options: Options,
        segments: Vec<Segment>,
        tail: Tail,
        state: Option<HardState>,
        last_index: Option<u64>,
    ) -> Self {
        Appender {
            dir: dir.to_owned(),
            metadata: tail.metadata,
            options: Options {
                format: tail.format,
                ..options
            },
            segments: segments.into(),
            pipeline: Pipeline::default(),
            encoder: Encoder::new(tail.format, tail.chain),
            offset: tail.end,
            synced: tail.end,
            state,
            last_index,
            buffer: Vec::new(),
            poisoned: false,
        }
    }

    /// Writes entries without syncing them.
    ///
    /// An index may be lower than the last one; it then replaces that entry and all behind it. When
    /// the segment has reached its size the next one is begun, which makes everything written so
    /// far durable.
    ///
    /// # Errors
    /// `EntryGap` if an entry does not continue the log (nothing is written), `Poisoned`, or what
    /// the storage says.
    pub fn append(&mut self, storage: &mut dyn Storage, entries: &[Entry]) -> Result<(), WalError> {
        self.write(storage, None, entries)?;
        self.cut_if_full(storage).map(|_| ())
    }

    /// Writes entries and then a state, and syncs them if [`must_sync`] says so.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn save(
        &mut self,
        storage: &mut dyn Storage,
        state: Option<&HardState>,
        entries: &[Entry],
    ) -> Result<(), WalError> {
        let needs_sync = must_sync(self.state.as_ref(), state, entries.len());
        self.write(storage, state, entries)?;
        let cut = self.cut_if_full(storage)?;
        if needs_sync && !cut {
            self.sync(storage)
        } else {
            Ok(())
        }
    }

    /// Records a snapshot (for consensus: the end of a height) and makes it durable with everything
    /// before it.
    ///
    /// # Errors
    /// `Poisoned`, or what the storage says.
    pub fn save_snapshot(
        &mut self,
        storage: &mut dyn Storage,
        snapshot: &Snapshot,
    ) -> Result<(), WalError> {
        self.check_usable()?;
        self.buffer.clear();
        let place = self.place();
        self.encoder
            .record(&mut self.buffer, place, SNAPSHOT, |buffer| {
                payload::put_snapshot(buffer, snapshot);
            });
        self.flush(storage)?;
        self.last_index = after_snapshot(self.last_index, snapshot.index);
        self.sync(storage)
    }

    /// Makes everything written durable: one sync of the last segment.
    ///
    /// # Errors
    /// `Poisoned`, or what the storage says.
    pub fn sync(&mut self, storage: &mut dyn Storage) -> Result<(), WalError> {
        self.check_usable()?;
        let file = self.tail().file;
        let synced = retry(|| storage.sync(file));
        self.poison_on_error(synced)?;
        self.synced = self.offset;
        Ok(())
    }

    /// Begins the next segment. Everything written before is durable afterwards.
    ///
    /// The new segment is written under a temporary name, synced and renamed, and the directory is
    /// synced: a segment with a proper name has a complete header.
    ///
    /// # Errors
    /// `Poisoned`, or what the storage says.
    pub fn cut(&mut self, storage: &mut dyn Storage) -> Result<(), WalError> {
        self.check_usable()?;
        let begun = self.begin_segment(storage);
        self.poison_on_error(begun)
    }

    /// Prepares the file of the next segment, so that the cut that needs it need not wait for a new
    /// file to be made and filled. Does nothing if one is prepared already. Call it when there is
    /// time; a log for which nobody does works as well.
    ///
    /// # Errors
    /// `Poisoned`, or what the storage says.
    pub fn prepare(&mut self, storage: &mut dyn Storage) -> Result<(), WalError> {
        self.check_usable()?;
        let (next, preallocate) = (self.next_sequence(), self.options.preallocate_bytes);
        let prepared =
            next.and_then(|next| self.pipeline.prepare(storage, &self.dir, next, preallocate));
        self.poison_on_error(prepared)
    }

    /// Gives up the locks of segments that are not needed to read from `index` on, so that they can
    /// be purged.
    ///
    /// Kept is the last segment before the first whose index is not below `index`, and everything
    /// from there on.
    ///
    /// # Errors
    /// `Poisoned`, or what the storage says.
    pub fn release_lock_to(
        &mut self,
        storage: &mut dyn Storage,
        index: u64,
    ) -> Result<(), WalError> {
        self.check_usable()?;
        let reached = self
            .segments
            .iter()
            .position(|segment| segment.name.index >= index);
        let keep_from = reached.unwrap_or(self.segments.len()).saturating_sub(1);
        for _ in 0..keep_from {
            if let Some(segment) = self.segments.pop_front() {
                retry(|| storage.close(segment.file))?;
            }
        }
        Ok(())
    }

    /// Removes the segments before the first locked one, oldest first, and says how many. Stops at
    /// one that somebody else has locked.
    ///
    /// # Errors
    /// `Poisoned`, or what the storage says.
    pub fn purge(&mut self, storage: &mut dyn Storage) -> Result<usize, WalError> {
        self.check_usable()?;
        let first = self
            .segments
            .front()
            .map_or(0, |segment| segment.name.sequence);
        let removed = remove_before(storage, &self.dir, first);
        self.poison_on_error(removed)
    }

    /// Makes everything durable and gives up all files and locks.
    ///
    /// # Errors
    /// `Poisoned`, or what the storage says. The files are closed in any case.
    pub fn close(mut self, storage: &mut dyn Storage) -> Result<(), WalError> {
        let synced = self.sync(storage);
        self.pipeline.close(storage);
        close_all(storage, self.segments.make_contiguous());
        synced
    }

    /// The last written index; `None` before the first entry. A snapshot ahead of the entries
    /// counts as written.
    #[must_use]
    pub fn last_index(&self) -> Option<u64> {
        self.last_index
    }

    /// The locked segments in order. The last one is written to.
    pub fn segments(&self) -> impl Iterator<Item = SegmentName> {
        self.segments.iter().map(|segment| segment.name)
    }

    fn check_usable(&self) -> Result<(), WalError> {
        if self.poisoned {
            Err(WalError::Poisoned)
        } else {
            Ok(())
        }
    }

    fn poison_on_error<T>(&mut self, result: Result<T, StorageError>) -> Result<T, WalError> {
        self.poisoned |= result.is_err();
        Ok(result?)
    }

    fn tail(&self) -> Segment {
        *self
            .segments
            .back()
            .expect("release_lock_to keeps the last segment")
    }

    fn place(&self) -> Place {
        Place {
            base: self.offset,
            synced: self.synced,
        }
    }

    fn write(
        &mut self,
        storage: &mut dyn Storage,
        state: Option<&HardState>,
        entries: &[Entry],
    ) -> Result<(), WalError> {
        self.check_usable()?;
        let last_index = self.check_entries(entries)?;
        if state.is_none() && entries.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        let place = self.place();
        for entry in entries {
            self.encoder
                .record(&mut self.buffer, place, ENTRY, |buffer| {
                    payload::put_entry(buffer, entry);
                });
        }
        if let Some(state) = state {
            self.encoder
                .record(&mut self.buffer, place, STATE, |buffer| {
                    payload::put_state(buffer, state);
                });
        }
        self.flush(storage)?;
        self.last_index = last_index;
        self.state = state.copied().or(self.state);
        Ok(())
    }

    /// The last index after the entries, or the first gap.
    fn check_entries(&self, entries: &[Entry]) -> Result<Option<u64>, WalError> {
        let mut last = self.last_index;
        for entry in entries {
            let expected = match (last, self.encoder.format) {
                (Some(last), Format::Etcd | Format::Native) => last.saturating_add(1),
                // The first entry has index 0; in etcd since 2015 index 0 belongs to the first
                // snapshot.
                (None, Format::Etcd) => 1,
                (None, Format::Native) => 0,
            };
            // The highest index has no successor, so a log that holds it could never go on.
            if entry.index > expected || entry.index == u64::MAX {
                return Err(WalError::EntryGap {
                    expected,
                    found: entry.index,
                });
            }
            last = Some(entry.index);
        }
        Ok(last)
    }

    fn flush(&mut self, storage: &mut dyn Storage) -> Result<(), WalError> {
        let written = write_all(storage, self.tail().file, self.offset, &self.buffer);
        self.poison_on_error(written)?;
        self.offset += self.buffer.len() as u64;
        Ok(())
    }

    fn cut_if_full(&mut self, storage: &mut dyn Storage) -> Result<bool, WalError> {
        let full = self.offset >= self.options.segment_bytes;
        if full {
            self.cut(storage)?;
        }
        Ok(full)
    }

    fn begin_segment(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        let old = self.tail();
        if retry(|| storage.len(old.file))? > self.offset {
            retry(|| storage.set_len(old.file, self.offset))?;
        }
        retry(|| storage.sync(old.file))?;
        let name = SegmentName {
            sequence: self.next_sequence()?,
            index: self.last_index.unwrap_or(0).saturating_add(1),
        };
        let header = encode_header(&mut self.encoder, &self.metadata, self.state.as_ref(), None);
        let preallocate = self.options.preallocate_bytes;
        let taken = self
            .pipeline
            .take(storage, &self.dir, name, &header, preallocate);
        self.segments.push_back(Segment { name, file: taken? });
        self.offset = header.len() as u64;
        self.synced = self.offset;
        retry(|| storage.sync_dir(&self.dir))
    }

    fn next_sequence(&self) -> Result<u64, StorageError> {
        let last = self.tail();
        let next = last.name.sequence.checked_add(1);
        next.ok_or_else(|| StorageError::Io {
            path: last.file_name(),
            what: "no sequence number is left".to_owned(),
        })
    }
}

/// A snapshot ahead of the entries moves the end of the log.
pub(super) fn after_snapshot(last: Option<u64>, snapshot: u64) -> Option<u64> {
    if snapshot > last.unwrap_or(0) {
        Some(snapshot)
    } else {
        last
    }
}

/// Removes segments in order. The directory is synced after each, so that a crash never leaves a
/// hole.
fn remove_before(
    storage: &mut dyn Storage,
    dir: &str,
    first_kept: u64,
) -> Result<usize, StorageError> {
    let mut removed = 0;
    for name in segment_names(storage, dir)? {
        if name.sequence >= first_kept {
            break;
        }
        let segment = match open_segment(storage, dir, name, Mode::Exclusive) {
            Err(StorageError::Locked { .. }) => break,
            segment => segment?,
        };
        let gone = retry(|| storage.remove(&path(dir, &segment.file_name())))
            .and_then(|()| retry(|| storage.sync_dir(dir)));
        close_all(storage, &[segment]);
        gone?;
        removed += 1;
    }
    Ok(removed)
}
