//! The write-ahead log on bytes that nobody wrote, on names, and on logs that were damaged.

use arbitrary::{Result, Unstructured};

use crate::{
    storage::{Access, MemoryStorage, Storage, read_file, write_all},
    wal::{
        self, Content, Entry, Format, Options, RepairOutcome, Replayed, SegmentName, Snapshot,
        WalError,
    },
};

pub(super) const DIR: &str = "log";
const START: Snapshot = Snapshot { index: 0, term: 0 };

/// Nothing preallocated, and no new segment by itself.
pub(super) fn plain(format: Format) -> Options {
    Options {
        format,
        segment_bytes: u64::MAX,
        preallocate_bytes: 0,
    }
}

/// The path of a segment.
pub(super) fn segment(sequence: u64, index: u64) -> String {
    format!("{DIR}/{}", wal::segment_name(sequence, index))
}

/// Replaces what a file holds.
pub(super) fn overwrite(disk: &mut MemoryStorage, path: &str, bytes: &[u8]) {
    let file = disk
        .open(path, Access::Write)
        .or_else(|_| disk.create(path));
    let file = file.expect("a plain disk opens everything");
    let written = disk
        .set_len(file, 0)
        .and_then(|()| write_all(disk, file, 0, bytes))
        .and_then(|()| disk.close(file));
    assert_eq!(written, Ok(()), "a plain disk takes everything");
}

/// A log whose only segment holds these bytes.
pub(super) fn log_of(bytes: &[u8]) -> MemoryStorage {
    let mut disk = MemoryStorage::default();
    assert_eq!(disk.create_dir(DIR), Ok(()));
    overwrite(&mut disk, &segment(0, 0), bytes);
    disk
}

fn read(disk: &mut MemoryStorage) -> std::result::Result<Replayed, WalError> {
    disk.restart();
    wal::open_at_index(disk, DIR, 0, plain(Format::Native))?
        .read_all(disk)
        .and_then(|(replayed, log)| log.close(disk).map(|()| replayed))
}

/// Bytes as the only segment of a log: looking, verifying, repairing and reading never panic, what
/// was repaired is not repaired again, and what was opened is written on and read back.
pub(super) fn wal_decode(bytes: &[u8]) {
    let mut disk = log_of(bytes);
    let mut held = 0;
    let _ = wal::inspect(&mut disk, DIR, &mut |record| {
        held += match record.content {
            Content::Metadata(bytes) | Content::Entry { data: bytes, .. } => bytes.len(),
            Content::State(_) | Content::Checksum | Content::Snapshot(_) => 0,
        };
        Ok(())
    });
    assert!(held <= bytes.len(), "{held} bytes out of {}", bytes.len());
    let _ = wal::verify(&mut disk, DIR, START);
    let _ = wal::valid_snapshot_entries(&mut disk, DIR);
    if wal::repair(&mut disk, DIR).is_err() {
        return;
    }
    assert_eq!(
        wal::repair(&mut disk, DIR),
        Ok(RepairOutcome::Clean),
        "repaired twice"
    );
    let Ok(reader) = wal::open(&mut disk, DIR, START, plain(Format::Native)) else {
        return;
    };
    let Ok((before, mut log)) = reader.read_all(&mut disk) else {
        return;
    };
    assert_eq!(before.torn, None, "torn after a repair");
    let next = Entry {
        index: log.last_index().map_or(1, |last| last.saturating_add(1)),
        term: 1,
        data: b"next".to_vec(),
    };
    if log
        .save(&mut disk, None, std::slice::from_ref(&next))
        .is_err()
    {
        return; // the last index has no successor
    }
    assert_eq!(log.close(&mut disk), Ok(()));
    let mut expected = before;
    // What is written behind a snapshot that is ahead of the entries is read from there on.
    let last = expected.entries.last().map_or(0, |entry| entry.index);
    let is_ahead = |snapshot: &Snapshot| {
        snapshot.index > last && snapshot.index.checked_add(1) == Some(next.index)
    };
    let mut ahead: Vec<Snapshot> = expected
        .snapshots
        .iter()
        .copied()
        .filter(is_ahead)
        .collect();
    ahead.dedup();
    let start = match ahead[..] {
        [] => START,
        [snapshot] => {
            expected.entries.clear();
            snapshot
        }
        _ => return, // they contradict each other
    };
    let reader = wal::open(&mut disk, DIR, start, plain(Format::Native));
    let after = reader.and_then(|reader| reader.read_all(&mut disk));
    expected.last_index = Some(next.index);
    expected.entries.push(next);
    assert_eq!(
        after.map(|(after, _)| after),
        Ok(expected),
        "what was written is not read"
    );
}

/// Text as a name of a segment, and numbers as indexes: against a reading digit by digit, and
/// against a search from the end.
pub(super) fn wal_names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(
        wal::parse_name(&text),
        by_digits(text.as_bytes()),
        "{text:?}"
    );
    let mut numbers = bytes.chunks_exact(8).map(|chunk| {
        chunk
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    });
    let wanted = numbers.next().unwrap_or(0);
    let names: Vec<SegmentName> = (0..)
        .zip(numbers)
        .map(|(sequence, index)| SegmentName { sequence, index })
        .collect();
    let mut last = None;
    for (place, name) in names.iter().enumerate() {
        if name.index <= wanted {
            last = Some(place);
        }
        let text = wal::segment_name(name.sequence, name.index);
        assert_eq!(wal::parse_name(&text), Some(*name), "{text}");
    }
    assert_eq!(wal::search_index(&names, wanted), last);
}

fn by_digits(name: &[u8]) -> Option<SegmentName> {
    if name.len() != 37 || name[16] != b'-' || &name[33..] != b".wal" {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u64, |number, digit| {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some(number * 16 + u64::from(value))
        })
    };
    let (sequence, index) = (number(&name[..16])?, number(&name[17..33])?);
    Some(SegmentName { sequence, index })
}

/// A log, and what was known while it was written.
struct Written {
    entries: Vec<Entry>,
    /// Where the record of each entry ends.
    ends: Vec<usize>,
    /// How many entries the last sync covered.
    synced: usize,
    /// Where the last record begins, if its writer knew of that sync.
    proof: Option<usize>,
    bytes: Vec<u8>,
}

fn length(disk: &mut MemoryStorage) -> usize {
    let bytes = read_file(disk, &segment(0, 0));
    bytes.expect("the only segment").len()
}

fn write(u: &mut Unstructured<'_>, format: Format) -> Result<Written> {
    let mut disk = MemoryStorage::default();
    let created = wal::create(&mut disk, DIR, b"metadata", plain(format));
    let mut log = created.expect("a new log");
    let first = u64::from(format == Format::Etcd);
    let (mut entries, mut ends) = (Vec::new(), Vec::new());
    let (mut synced, mut proof) = (0, None);
    for _ in 0..u.arbitrary::<u8>()? % 8 {
        let given: u8 = u.arbitrary()?;
        let len = usize::from(given) * (1 + usize::from(given % 8));
        let entry = Entry {
            index: first + entries.len() as u64,
            term: 1,
            data: vec![if given.is_multiple_of(3) { 0 } else { given }; len],
        };
        // A record says how far the file was durable when it was written.
        proof = Some(length(&mut disk));
        assert_eq!(log.append(&mut disk, std::slice::from_ref(&entry)), Ok(()));
        entries.push(entry);
        ends.push(length(&mut disk));
        if u.arbitrary::<u8>()? % 2 == 0 {
            assert_eq!(log.sync(&mut disk), Ok(()));
            (synced, proof) = (entries.len(), None);
        }
    }
    let bytes = read_file(&mut disk, &segment(0, 0)).expect("the only segment");
    Ok(Written {
        entries,
        ends,
        synced,
        proof,
        bytes,
    })
}

/// Changes up to three places: cuts the end off, flips bits, or zeroes a sector or some bytes.
fn damage(u: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Result<()> {
    for _ in 0..1 + u.arbitrary::<u8>()? % 3 {
        let at = usize::from(u.arbitrary::<u16>()?) % bytes.len().max(1);
        let (kind, value): (u8, u8) = (u.arbitrary()?, u.arbitrary()?);
        match kind % 4 {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= value.max(1);
                }
            }
            kind => {
                let sector = (at / 512 * 512, 512);
                let (from, count) = if kind == 2 {
                    sector
                } else {
                    (at, usize::from(value))
                };
                let hit = bytes.iter_mut().skip(from).take(count);
                hit.for_each(|byte| *byte = 0);
            }
        }
    }
    Ok(())
}

/// A good log, then damage, then repair and reading. A repair leaves nothing to repair. In format
/// 2 what is read are the records before the first changed byte and no others, and if a later
/// record proves that the changed byte was durable, the log is refused.
pub(super) fn wal_repair(bytes: &[u8]) {
    let _ = damaged(&mut Unstructured::new(bytes));
}

fn damaged(u: &mut Unstructured<'_>) -> Result<()> {
    let native = u.arbitrary::<u8>()? % 4 != 0;
    let format = if native { Format::Native } else { Format::Etcd };
    let written = write(u, format)?;
    let mut bytes = written.bytes.clone();
    damage(u, &mut bytes)?;
    let mut disk = log_of(&bytes);
    let repaired = wal::repair(&mut disk, DIR);
    if repaired.is_ok() {
        let again = wal::repair(&mut disk, DIR);
        assert_eq!(again, Ok(RepairOutcome::Clean), "repaired twice");
    }
    let Ok(read) = read(&mut disk) else {
        return Ok(());
    };
    if !native {
        return Ok(()); // etcd's checksum does not cover everything
    }
    assert!(repaired.is_ok(), "opened, but not repaired: {repaired:?}");
    let same = |at: &usize| bytes.get(*at) == written.bytes.get(*at);
    let first = (0..written.bytes.len()).find(|at| !same(at));
    let first = first.unwrap_or(written.bytes.len());
    let last = (0..written.bytes.len()).rev().find(|at| !same(at));
    let whole = written.ends.iter().take_while(|end| **end <= first).count();
    assert_eq!(
        read.entries[..],
        written.entries[..whole],
        "damaged at {first}"
    );
    assert_eq!((read.state, &read.snapshots[..]), (None, &[START][..]));
    let proven = written
        .proof
        .is_some_and(|proof| last.is_none_or(|last| last < proof));
    assert!(
        whole >= written.synced || !proven,
        "{whole} of {} entries that a later record proves durable",
        written.synced
    );
    Ok(())
}
