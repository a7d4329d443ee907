//! Reading a log to its end, which is the only way to go on writing it.

use super::directory::{
    Mode, Segment, check_sequence, close_all, open_segments, parent, remove_temporaries, retry,
    segment_names, select,
};
use super::segment::{Content, Tail, walk};
use super::{
    Appender, Entry, Format, HardState, Options, SegmentName, Snapshot, WalError, appender,
};
use crate::storage::{Storage, StorageError};

/// What a log holds from the asked index on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The bytes given to `create`.
    pub metadata: Vec<u8>,
    /// The last state, if one was saved.
    pub state: Option<HardState>,
    /// The entries asked for, in order and without holes. Overwritten ones are gone.
    pub entries: Vec<Entry>,
    /// All snapshots from the first opened segment on, in order of writing.
    pub snapshots: Vec<Snapshot>,
    /// The last written index, also if it is lower than what was asked for.
    pub last_index: Option<u64>,
    /// What was written but not synced when the machine stopped, and is now cut.
    pub torn: Option<TornTail>,
}

/// The unreadable end of a log, none of it known to have been synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The last segment.
    pub segment: String,
    /// Where the first unreadable record starts.
    pub offset: u64,
    /// How many bytes were written from there on.
    pub bytes: u64,
    /// No sector of that record is missing. An interrupted write rarely looks like this: it may be
    /// the very last synced record, damaged later, which no log can prove on its own.
    pub fully_written: bool,
}

/// From where a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Behind a snapshot, whose record must be in the log.
    Behind(Snapshot),
    /// At an index that must have been written.
    At(u64),
}

impl Start {
    fn index(self) -> u64 {
        match self {
            Start::Behind(snapshot) => snapshot.index,
            Start::At(index) => index,
        }
    }

    /// The first index that is returned; `None` if no index is that high.
    fn first(self) -> Option<u64> {
        match self {
            Start::Behind(snapshot) => snapshot.index.checked_add(1),
            Start::At(index) => Some(index),
        }
    }
}

/// A locked log that has not been read. Reading it gives what may write:
///
/// ```
/// use engine::{storage::Storage, wal::{Reader, WalError}};
/// fn read_and_write(reader: Reader, storage: &mut dyn Storage) -> Result<(), WalError> {
///     let (_replayed, mut log) = reader.read_all(storage)?;
///     log.append(storage, &[])
/// }
/// ```
///
/// Nothing can be written before everything is read; there is no such method:
///
/// ```compile_fail,E0599
/// use engine::{storage::Storage, wal::{Reader, WalError}};
/// fn write_unread(mut reader: Reader, storage: &mut dyn Storage) -> Result<(), WalError> {
///     reader.append(storage, &[])
/// }
/// ```
#[derive(Debug)]
#[must_use = "a reader that is dropped is not closed"]
pub struct Reader {
    dir: String,
    options: Options,
    start: Start,
    segments: Vec<Segment>,
}

/// An unlocked log for reading only. It may be in use by somebody else.
#[derive(Debug)]
#[must_use = "a reader that is dropped is not closed"]
pub struct ReadOnly {
    start: Start,
    segments: Vec<Segment>,
}

/// Opens a log to go on behind a snapshot: entries with a higher index are returned. The snapshot
/// with index 0 and term 0 is in every log.
///
/// # Errors
/// `FileNotFound` if no segment reaches back that far, `SequenceGap`, or what the storage says
/// (`Locked` if the log is in use).
pub fn open(
    storage: &mut dyn Storage,
    dir: &str,
    snapshot: Snapshot,
    options: Options,
) -> Result<Reader, WalError> {
    open_from(storage, dir, Start::Behind(snapshot), options)
}

/// Opens a log at an index that was written: entries from this index on are returned.
///
/// # Errors
/// As [`open`]; reading fails with `IndexNotFound` if the index was never written.
pub fn open_at_index(
    storage: &mut dyn Storage,
    dir: &str,
    index: u64,
    options: Options,
) -> Result<Reader, WalError> {
    open_from(storage, dir, Start::At(index), options)
}

fn open_from(
    storage: &mut dyn Storage,
    dir: &str,
    start: Start,
    options: Options,
) -> Result<Reader, WalError> {
    let names = segment_names(storage, dir)?;
    let names = select(dir, &names, start.index())?;
    let segments = open_segments(storage, dir, names, Mode::Exclusive)?;
    Ok(Reader {
        dir: dir.to_owned(),
        options,
        start,
        segments,
    })
}

/// Opens a log for reading, also while somebody else writes it. A torn tail is the end, not an
/// error.
///
/// # Errors
/// As [`open`], but locks do not matter.
pub fn open_for_read(
    storage: &mut dyn Storage,
    dir: &str,
    snapshot: Snapshot,
) -> Result<ReadOnly, WalError> {
    let start = Start::Behind(snapshot);
    let segments = open_shared(storage, dir, |names| {
        select(dir, names, start.index()).map(<[SegmentName]>::to_vec)
    })?;
    Ok(ReadOnly { start, segments })
}

/// Opens all segments of a log for reading.
pub(super) fn open_all_shared(
    storage: &mut dyn Storage,
    dir: &str,
) -> Result<Vec<Segment>, WalError> {
    open_shared(storage, dir, |names| {
        if names.is_empty() {
            return Err(WalError::FileNotFound {
                dir: dir.to_owned(),
                index: 0,
            });
        }
        check_sequence(names).map(|()| names.to_vec())
    })
}

/// Opens the chosen segments. A purge may remove one between listing and opening; then the list is
/// read again.
fn open_shared(
    storage: &mut dyn Storage,
    dir: &str,
    choose: impl Fn(&[SegmentName]) -> Result<Vec<SegmentName>, WalError>,
) -> Result<Vec<Segment>, WalError> {
    let mut attempts_left = 3;
    loop {
        let names = choose(&segment_names(storage, dir)?)?;
        attempts_left -= 1;
        match open_segments(storage, dir, &names, Mode::Shared) {
            Err(StorageError::NotFound { .. }) if attempts_left > 0 => {}
            opened => return Ok(opened?),
        }
    }
}

/// Collects what the records say.
struct Collector {
    start: Start,
    first: Option<u64>,
    snapshot_seen: bool,
    replayed: Replayed,
}

impl Collector {
    fn new(start: Start, oldest: SegmentName) -> Self {
        // A segment that was begun behind others names the index after the last one written before
        // it.
        let before = if oldest.sequence == 0 {
            None
        } else {
            oldest.index.checked_sub(1)
        };
        Collector {
            start,
            first: start.first(),
            snapshot_seen: false,
            replayed: Replayed {
                last_index: before,
                ..Replayed::default()
            },
        }
    }

    fn take(&mut self, content: Content<'_>) -> Result<(), WalError> {
        match content {
            Content::Metadata(_) | Content::Checksum => Ok(()),
            Content::Entry { index, term, data } => self.take_entry(index, term, data),
            Content::State(state) => {
                self.replayed.state = Some(state);
                Ok(())
            }
            Content::Snapshot(snapshot) => self.take_snapshot(snapshot),
        }
    }

    fn take_entry(&mut self, index: u64, term: u64, data: &[u8]) -> Result<(), WalError> {
        let entries = &mut self.replayed.entries;
        self.replayed.last_index = Some(index);
        let Some(place) = self.first.and_then(|first| index.checked_sub(first)) else {
            // Below what was asked for. If it replaces older entries, those behind it are gone as
            // well.
            entries.clear();
            return Ok(());
        };
        let kept = usize::try_from(place)
            .ok()
            .filter(|place| *place <= entries.len());
        let Some(kept) = kept else {
            let expected = index - place + entries.len() as u64;
            return Err(WalError::EntryGap {
                expected,
                found: index,
            });
        };
        entries.truncate(kept);
        entries.push(Entry {
            index,
            term,
            data: data.to_vec(),
        });
        Ok(())
    }

    fn take_snapshot(&mut self, snapshot: Snapshot) -> Result<(), WalError> {
        let last = self.replayed.last_index;
        self.replayed.last_index = appender::after_snapshot(last, snapshot.index);
        self.replayed.snapshots.push(snapshot);
        match self.start {
            Start::Behind(wanted) if wanted.index == snapshot.index => {
                self.snapshot_seen = true;
                if wanted.term == snapshot.term {
                    return Ok(());
                }
                Err(WalError::SnapshotMismatch {
                    index: wanted.index,
                    expected: wanted.term,
                    found: snapshot.term,
                })
            }
            Start::Behind(_) | Start::At(_) => Ok(()),
        }
    }

    fn finish(self, tail: &Tail) -> Result<Replayed, WalError> {
        let last = self.replayed.last_index;
        match self.start {
            Start::Behind(snapshot) if !self.snapshot_seen => {
                return Err(WalError::SnapshotNotFound {
                    index: snapshot.index,
                });
            }
            Start::At(index) if last.is_none_or(|last| last < index) => {
                return Err(WalError::IndexNotFound { index, last });
            }
            Start::Behind(_) | Start::At(_) => {}
        }
        let (metadata, torn) = (tail.metadata.clone(), tail.torn.clone());
        Ok(Replayed {
            metadata,
            torn,
            ..self.replayed
        })
    }
}

fn replay(
    storage: &mut dyn Storage,
    start: Start,
    segments: &[Segment],
) -> Result<(Replayed, Tail), WalError> {
    let mut collector = Collector::new(start, segments[0].name);
    let tail = walk(storage, segments, &mut |record| {
        collector.take(record.content)
    })?;
    Ok((collector.finish(&tail)?, tail))
}

impl Reader {
    /// Reads everything, cuts a torn tail, and returns what may go on writing.
    ///
    /// When it returns, everything returned is durable, whatever the process before managed to
    /// sync.
    ///
    /// # Errors
    /// What is wrong with the log; its files are then closed. In format 1 a torn tail is
    /// `UnexpectedEof`: call [`repair`](super::repair) and open it again. In format 2 it is cut
    /// here.
    pub fn read_all(self, storage: &mut dyn Storage) -> Result<(Replayed, Appender), WalError> {
        let prepared = replay(storage, self.start, &self.segments)
            .and_then(|(replayed, tail)| self.prepare(storage, &tail).map(|()| (replayed, tail)));
        match prepared {
            Err(error) => {
                close_all(storage, &self.segments);
                Err(error)
            }
            Ok((replayed, tail)) => {
                let (state, last) = (replayed.state, replayed.last_index);
                let Reader {
                    dir,
                    options,
                    start: _,
                    segments,
                } = self;
                let appender = Appender::resume(&dir, options, segments, tail, state, last);
                Ok((replayed, appender))
            }
        }
    }

    /// Makes the tail fit for writing. What was read may come from a cache and not yet be durable.
    fn prepare(&self, storage: &mut dyn Storage, tail: &Tail) -> Result<(), WalError> {
        if let (Format::Etcd, Some(torn)) = (tail.format, &tail.torn) {
            let (segment, offset) = (torn.segment.clone(), torn.offset);
            return Err(WalError::UnexpectedEof { segment, offset });
        }
        let file = self.segments[self.segments.len() - 1].file;
        if tail.dirty {
            retry(|| storage.set_len(file, tail.end))?;
        }
        retry(|| storage.sync(file))?;
        remove_temporaries(storage, &self.dir)?;
        retry(|| storage.sync_dir(&self.dir))?;
        retry(|| storage.sync_dir(parent(&self.dir)))?;
        Ok(())
    }

    /// Gives up the locks without reading.
    pub fn close(self, storage: &mut dyn Storage) {
        close_all(storage, &self.segments);
    }
}

impl ReadOnly {
    /// Reads everything and closes the files.
    ///
    /// # Errors
    /// What is wrong with the log.
    pub fn read_all(self, storage: &mut dyn Storage) -> Result<Replayed, WalError> {
        let replayed = replay(storage, self.start, &self.segments);
        close_all(storage, &self.segments);
        replayed.map(|(replayed, _)| replayed)
    }

    /// Closes the files without reading.
    pub fn close(self, storage: &mut dyn Storage) {
        close_all(storage, &self.segments);
    }
}
