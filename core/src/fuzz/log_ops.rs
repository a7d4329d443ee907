//! Any operations on a log, and crashes, against a vector of entries with a mark of what is
//! durable.
//!
//! A crash decides for each sector that was written since the last sync whether it was kept or
//! never written, and how long the file is. What was synced is read back, and nothing else than
//! what was written (WAL-1 to WAL-4).

use arbitrary::{Result, Unstructured};

use super::log::{DIR, overwrite};
use crate::{
    storage::{MemoryStorage, Storage, read_file},
    wal::{
        self, Appender, Entry, Format, HardState, Options, Replayed, SegmentName, Snapshot,
        parse_name,
    },
};

const SECTOR: usize = 512;

/// What a plain list knows of a log.
#[derive(Debug, Clone, Default)]
struct Model {
    entries: Vec<Entry>,
    state: Option<HardState>,
    snapshot: Snapshot,
}

struct Run {
    options: Options,
    disk: MemoryStorage,
    now: Model,
    /// All states of the list since the last sync, that one first: what a crash may leave.
    since: Vec<Model>,
    /// How long the last segment was when it was synced.
    synced: usize,
}

/// Operations and crashes.
pub(super) fn wal_ops_crash(bytes: &[u8]) {
    let _ = run(&mut Unstructured::new(bytes));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let given: u8 = u.arbitrary()?;
    let options = Options {
        format: if given.is_multiple_of(4) {
            Format::Etcd
        } else {
            Format::Native
        },
        segment_bytes: [64, 500, 3_000, u64::MAX][usize::from(given / 4 % 4)],
        preallocate_bytes: if (given / 16).is_multiple_of(4) {
            1_000
        } else {
            0
        },
    };
    let mut disk = MemoryStorage::default();
    let mut log = wal::create(&mut disk, DIR, b"metadata", options).expect("a new log");
    let now = Model::default();
    let mut run = Run {
        options,
        disk,
        since: vec![now.clone()],
        now,
        synced: 0,
    };
    run.mark(&log);
    for _ in 0..40 {
        if u.is_empty() {
            break;
        }
        log = run.operation(u, log)?;
    }
    assert_eq!(log.close(&mut run.disk), Ok(()));
    run.since = vec![run.now.clone()];
    drop(run.reopen());
    Ok(())
}

impl Run {
    /// Everything is durable.
    fn mark(&mut self, log: &Appender) {
        self.since = vec![self.now.clone()];
        self.synced = read_file(&mut self.disk, &last(log))
            .expect("a segment")
            .len();
    }

    fn operation(&mut self, u: &mut Unstructured<'_>, mut log: Appender) -> Result<Appender> {
        let before = log.segments().last();
        let mut syncs = false;
        let given: u8 = u.arbitrary()?;
        if given >= 240 {
            assert_eq!(log.prepare(&mut self.disk), Ok(()));
        }
        match given % 12 {
            0..=2 => {
                let batch = self.batch(u)?;
                assert_eq!(log.append(&mut self.disk, &batch), Ok(()));
                self.take(&batch);
            }
            3 | 4 => syncs = self.save(u, &mut log)?,
            5 => self.overwrite(u, &mut log)?,
            6 => {
                assert_eq!(log.sync(&mut self.disk), Ok(()));
                syncs = true;
            }
            7 => {
                assert_eq!(log.cut(&mut self.disk), Ok(()));
                syncs = true;
            }
            8 => syncs = self.snapshot(u, &mut log)?,
            9 => {
                let released = log.release_lock_to(&mut self.disk, self.now.snapshot.index);
                assert_eq!(released, Ok(()));
                assert!(log.purge(&mut self.disk).is_ok());
                let names = self.disk.list(DIR).expect("the log").into_iter();
                let (segments, others): (Vec<_>, Vec<_>) =
                    names.partition(|name| parse_name(name).is_some());
                assert_eq!(
                    segments.len(),
                    log.segments().count(),
                    "segments that nobody needs"
                );
                assert!(others.len() <= 1, "files that nobody needs: {others:?}");
            }
            10 => {
                assert_eq!(log.close(&mut self.disk), Ok(()));
                self.since = vec![self.now.clone()];
                return Ok(self.reopen());
            }
            _ => {
                self.crash(u, &last(&log))?;
                return Ok(self.reopen());
            }
        }
        // A new segment begins when everything before it is durable.
        if syncs || log.segments().last() != before {
            self.mark(&log);
        }
        Ok(log)
    }

    fn batch(&self, u: &mut Unstructured<'_>) -> Result<Vec<Entry>> {
        let first = u64::from(self.options.format == Format::Etcd);
        let mut batch = Vec::new();
        for place in 0..u.arbitrary::<u8>()? % 4 {
            let index = first + self.now.entries.len() as u64 + u64::from(place);
            batch.push(entry(u, index)?);
        }
        Ok(batch)
    }

    /// Each entry is a record of its own: a crash may keep some of a batch.
    fn take(&mut self, batch: &[Entry]) {
        for entry in batch {
            self.now.entries.push(entry.clone());
            self.since.push(self.now.clone());
        }
    }

    fn save(&mut self, u: &mut Unstructured<'_>, log: &mut Appender) -> Result<bool> {
        let batch = self.batch(u)?;
        let given: u8 = u.arbitrary()?;
        let state = (!given.is_multiple_of(3)).then_some(HardState {
            term: u64::from(given / 4 % 2),
            vote: u64::from(given / 8 % 2),
            commit: u64::from(given / 16),
        });
        assert_eq!(log.save(&mut self.disk, state.as_ref(), &batch), Ok(()));
        let old = self.now.state.unwrap_or_default();
        self.take(&batch);
        self.now.state = state.or(self.now.state);
        self.since.push(self.now.clone());
        let new = state.unwrap_or(old);
        Ok(!batch.is_empty() || (new.term, new.vote) != (old.term, old.vote))
    }

    /// Entries behind the snapshot are replaced by one, if there are any.
    fn overwrite(&mut self, u: &mut Unstructured<'_>, log: &mut Appender) -> Result<()> {
        let back = usize::from(u.arbitrary::<u8>()? % 4);
        let kept = self.now.entries.len().saturating_sub(back);
        let Some(first) = self.now.entries.get(kept).map(|entry| entry.index) else {
            return Ok(());
        };
        if first > self.now.snapshot.index {
            let new = entry(u, first)?;
            assert_eq!(
                log.append(&mut self.disk, std::slice::from_ref(&new)),
                Ok(())
            );
            self.now.entries.truncate(kept);
            self.take(&[new]);
        }
        Ok(())
    }

    fn snapshot(&mut self, u: &mut Unstructured<'_>, log: &mut Appender) -> Result<bool> {
        let back = usize::from(u.arbitrary::<u8>()? % 8);
        let last = self.now.entries.len().checked_sub(1 + back);
        let Some(index) = last.map(|place| self.now.entries[place].index) else {
            return Ok(false);
        };
        if index <= self.now.snapshot.index {
            return Ok(false);
        }
        let term = self.now.snapshot.term + 1;
        self.now.snapshot = Snapshot { index, term };
        assert_eq!(
            log.save_snapshot(&mut self.disk, &self.now.snapshot),
            Ok(())
        );
        Ok(true)
    }

    /// The machine stops. What etcd's checksum cannot tell is left out: its files stay whole.
    fn crash(&mut self, u: &mut Unstructured<'_>, path: &str) -> Result<()> {
        self.disk.restart();
        let mut bytes = read_file(&mut self.disk, path).expect("the last segment");
        let lossy = self.options.format == Format::Native && self.options.preallocate_bytes == 0;
        if !lossy || bytes.len() <= self.synced {
            self.since = vec![self.now.clone()];
            return Ok(());
        }
        let mut at = self.synced;
        while at < bytes.len() {
            let end = (at / SECTOR * SECTOR + SECTOR).min(bytes.len());
            if u.arbitrary::<u8>()? % 3 == 0 {
                bytes[at..end].fill(0);
            }
            at = end;
        }
        let unsynced = bytes.len() - self.synced;
        let given = usize::from(u.arbitrary::<u16>()?);
        if given % 2 == 1 {
            bytes.truncate(self.synced + given % (unsynced + 1));
        }
        overwrite(&mut self.disk, path, &bytes);
        Ok(())
    }

    /// What is read is one of the states since the last sync; from there it goes on.
    fn reopen(&mut self) -> Appender {
        let snapshot = self.now.snapshot;
        let reader = wal::open(&mut self.disk, DIR, snapshot, self.options);
        let read = reader.and_then(|reader| reader.read_all(&mut self.disk));
        let (read, log) = read.unwrap_or_else(|error| panic!("a crash stops the start: {error}"));
        let found = self.since.iter().rev().find(|model| model.is_read(&read));
        let found = found.unwrap_or_else(|| panic!("{read:?} is none of {:?}", self.since));
        self.now = found.clone();
        self.mark(&log);
        let names: Vec<SegmentName> = log.segments().collect();
        assert!(
            names
                .windows(2)
                .all(|pair| pair[1].sequence == pair[0].sequence + 1)
        );
        log
    }
}

impl Model {
    fn is_read(&self, read: &Replayed) -> bool {
        let mut behind = self
            .entries
            .iter()
            .filter(|e| e.index > self.snapshot.index);
        let same = read
            .entries
            .iter()
            .all(|entry| behind.next() == Some(entry));
        let last = self.entries.last().map(|entry| entry.index);
        let state = read.state == self.state || (read.state.is_none() && self.state.is_none());
        same && behind.next().is_none()
            && state
            && read.metadata == b"metadata"
            && (read.last_index == last || last.is_none())
            && read.snapshots.last() == Some(&self.snapshot)
    }
}

fn entry(u: &mut Unstructured<'_>, index: u64) -> Result<Entry> {
    let given: u8 = u.arbitrary()?;
    let data = vec![given; usize::from(given) * (1 + usize::from(given % 4))];
    Ok(Entry {
        index,
        term: 1,
        data,
    })
}

/// The path of the segment that is written.
fn last(log: &Appender) -> String {
    let name = log.segments().last().expect("a log has a segment");
    format!("{DIR}/{}", wal::segment_name(name.sequence, name.index))
}
