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
    if log.save(&mut disk, None, &[next.clone()]).is_err() {
        return; // the last index has no successor
    }
    assert_eq!(log.close(&mut disk), Ok(()));
    let reader = wal::open(&mut disk, DIR, START, plain(Format::Native));
    let after = reader.and_then(|reader| reader.read_all(&mut disk));
    let mut expected = before;
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

/// A log with what was synced of it.
struct Written {
    entries: Vec<Entry>,
    /// How many of them the last completed sync covered, and the length of the file then.
    synced: (usize, usize),
    /// Where a record begins whose writer knew `synced` to be durable; `None` without one.
    proof: Option<usize>,
    bytes: Vec<u8>,
}

fn length(disk: &mut MemoryStorage) -> usize {
    read_file(disk, &segment(0, 0))
        .expect("the only segment")
        .len()
}

fn write(u: &mut Unstructured<'_>, format: Format) -> Result<Written> {
    let mut disk = MemoryStorage::default();
    let created = wal::create(&mut disk, DIR, b"metadata", plain(format));
    let mut log = created.expect("a new log");
    let first = u64::from(format == Format::Etcd);
    let (mut entries, mut synced) = (Vec::new(), (0, length(&mut disk)));
    let (mut proof, mut knows) = (None, synced.1);
    for _ in 0..u.arbitrary::<u8>()? % 8 {
        let given: u8 = u.arbitrary()?;
        let len = usize::from(given) * (1 + usize::from(given % 8));
        let data = vec![if given % 3 == 0 { 0 } else { given }; len];
        let entry = Entry {
            index: first + entries.len() as u64,
            term: 1,
            data,
        };
        // A record says how far the file was durable when it was written.
        (proof, knows) = (Some(length(&mut disk)), synced.1);
        assert_eq!(log.append(&mut disk, std::slice::from_ref(&entry)), Ok(()));
        entries.push(entry);
        if u.arbitrary::<u8>()? % 2 == 0 {
            assert_eq!(log.sync(&mut disk), Ok(()));
            synced = (entries.len(), length(&mut disk));
        }
    }
    let bytes = read_file(&mut disk, &segment(0, 0)).expect("the only segment");
    Ok(Written {
        proof: proof.filter(|_| knows == synced.1 || format == Format::Etcd),
        entries,
        synced,
        bytes,
    })
}

/// A good log, then damage, then repair and reading. In format 2: entries are those written or
/// fewer, never others; what a later record proves to have been durable is there or the log is
/// refused. A repair leaves nothing to repair.
pub(super) fn wal_repair(bytes: &[u8]) {
    let _ = damaged(&mut Unstructured::new(bytes));
}

fn damaged(u: &mut Unstructured<'_>) -> Result<()> {
    let native = u.arbitrary::<u8>()? % 4 != 0;
    let format = if native { Format::Native } else { Format::Etcd };
    let written = write(u, format)?;
    let mut bytes = written.bytes.clone();
    // The first damaged byte, and the first after the damage.
    let (mut from, mut to) = (bytes.len(), 0);
    for _ in 0..1 + u.arbitrary::<u8>()? % 3 {
        let at = usize::from(u.arbitrary::<u16>()?) % bytes.len().max(1);
        let (kind, value): (u8, u8) = (u.arbitrary()?, u.arbitrary()?);
        let end = match kind % 4 {
            0 => {
                bytes.truncate(at);
                usize::MAX
            }
            1 => (at + 1).min(bytes.len()),
            2 => (at / 512 * 512 + 512).min(bytes.len()),
            _ => (at + usize::from(value)).min(bytes.len()),
        };
        let begin = if kind % 4 == 2 { at / 512 * 512 } else { at };
        for byte in bytes.get_mut(begin..end).unwrap_or_default() {
            *byte = if kind % 4 == 1 {
                *byte ^ value.max(1)
            } else {
                0
            };
        }
        (from, to) = (from.min(begin), to.max(end));
    }
    let mut disk = log_of(&bytes);
    let repaired = wal::repair(&mut disk, DIR);
    if repaired.is_ok() {
        assert_eq!(
            wal::repair(&mut disk, DIR),
            Ok(RepairOutcome::Clean),
            "repaired twice"
        );
    }
    let Ok(read) = read(&mut disk) else {
        return Ok(());
    };
    if !native {
        return Ok(()); // etcd's checksum does not cover everything
    }
    assert!(repaired.is_ok(), "opened, but not repaired: {repaired:?}");
    let kept = read.entries.len();
    assert_eq!(
        read.entries[..],
        written.entries[..kept],
        "other entries than were written"
    );
    let proven = written.proof.is_some_and(|proof| proof >= to);
    assert!(
        kept >= written.synced.0 || !proven,
        "{kept} entries of {} that a later record proves durable; damage {from}..{to}",
        written.synced.0
    );
    assert!(
        from < written.synced.1 || kept >= written.synced.0,
        "a torn tail cost synced entries"
    );
    Ok(())
}
