//! Arbitrary damage: never a panic, never different data, never a silent loss of what is known to
//! be durable.

use proptest::prelude::*;

use super::*;

/// What was written, and what of it the log itself knows to be durable.
struct Written {
    disk: MemoryStorage,
    entries: Vec<Entry>,
    /// Per segment: its path and how far a later record or segment says it was synced.
    known_durable: Vec<(String, usize)>,
}

/// A log of several segments with entries, states and snapshots; the last writes follow a sync.
fn written(format: Format) -> Written {
    let (mut disk, mut log) = new_log(format);
    let mut known_durable = Vec::new();
    for index in 0..24 {
        let data = vec![u8::try_from(index).unwrap(); usize::try_from(index * 13).unwrap()];
        let state = HardState {
            term: index / 5,
            vote: 1,
            commit: index,
        };
        let saved = [Entry {
            index,
            term: index / 5,
            data,
        }];
        log.save(&mut disk, (index % 3 == 0).then_some(&state), &saved)
            .unwrap();
        if index % 10 == 9 {
            log.save_snapshot(
                &mut disk,
                &Snapshot {
                    index,
                    term: index / 10,
                },
            )
            .unwrap();
            let full = log.segments().last().unwrap();
            log.cut(&mut disk).unwrap();
            let path = segment_path(full.sequence, full.index);
            known_durable.push((path.clone(), read_file(&mut disk, &path).unwrap().len()));
        }
    }
    let tail = log.segments().last().unwrap();
    let tail = segment_path(tail.sequence, tail.index);
    let durable = read_file(&mut disk, &tail).unwrap().len();
    known_durable.push((tail, durable));
    log.append(
        &mut disk,
        &[Entry {
            index: 24,
            ..Entry::default()
        }],
    )
    .unwrap();
    log.close(&mut disk).unwrap();
    let (replayed, log) = reopen(&mut disk).unwrap();
    log.close(&mut disk).unwrap();
    assert_eq!(replayed.entries.len(), 25);
    Written {
        disk,
        entries: replayed.entries,
        known_durable,
    }
}

/// The indices of a snapshot scan and a read, both of which must survive anything.
fn read_everything(disk: &mut MemoryStorage) -> Result<Replayed, WalError> {
    let _ = snapshots(disk, DIR);
    let _ = verify(disk, DIR, START);
    let (replayed, log) = reopen(disk)?;
    log.close(disk).unwrap();
    Ok(replayed)
}

#[test]
fn every_prefix_of_a_log_opens_or_is_repaired_or_reports() {
    for format in [Format::Etcd, Format::Native] {
        let log = written(format);
        let (tail, durable) = log.known_durable.last().unwrap();
        let whole = read_file(&mut log.disk.clone(), tail).unwrap();
        for len in 0..whole.len() {
            let mut disk = log.disk.clone();
            edit(&mut disk, tail, |bytes| bytes.truncate(len));
            let repaired = repair(&mut disk, DIR);
            let header_lost = matches!(&repaired, Err(WalError::CorruptInterior { .. }));
            assert!(
                repaired.is_ok() || header_lost,
                "{format:?} {len}: {repaired:?}"
            );
            if repaired.is_ok() {
                let replayed = read_everything(&mut disk).unwrap();
                assert!(replayed.entries.len() >= 20);
                assert!(log.entries.starts_with(&replayed.entries));
                assert!(len < *durable || replayed.entries.len() == 24);
            }
        }
    }
}

#[test]
fn every_flipped_bit_in_known_durable_data_is_reported() {
    let log = written(Format::Native);
    for (path, durable) in &log.known_durable {
        for place in 0..*durable {
            let mut disk = log.disk.clone();
            edit(&mut disk, path, |bytes| bytes[place] ^= 1 << (place % 8));
            let before = disk.clone();
            let read = reopen(&mut disk).map(|(replayed, _)| replayed);
            assert!(read.is_err(), "{path} {place}: {read:?}");
            assert!(repair(&mut disk, DIR).is_err() || *path != log.known_durable[2].0);
            let after = read_file(&mut disk, path).unwrap();
            assert_eq!(
                after,
                read_file(&mut before.clone(), path).unwrap(),
                "left as it was"
            );
        }
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Truncate(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Zero(prop::sample::Index, usize),
    Overwrite(prop::sample::Index, Vec<u8>),
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Extend(Vec<u8>),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        place().prop_map(Damage::Truncate),
        (place(), 1..=255_u8).prop_map(|(place, bits)| Damage::Flip(place, bits)),
        (place(), 1..600_usize).prop_map(|(place, len)| Damage::Zero(place, len)),
        (place(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(place, bytes)| Damage::Overwrite(place, bytes)),
        (place(), place(), 1..600_usize).prop_map(|(from, to, len)| Damage::Copy(from, to, len)),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Damage::Extend),
    ]
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    let end = bytes.len().min(at + new.len());
    bytes[at..end].copy_from_slice(&new[..end - at]);
}

fn inflict(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Truncate(place) => bytes.truncate(place.index(bytes.len())),
        Damage::Flip(place, bits) => {
            let at = place.index(bytes.len());
            bytes[at] ^= bits;
        }
        Damage::Zero(place, len) => {
            let at = place.index(bytes.len());
            put(bytes, at, &vec![0; *len]);
        }
        Damage::Overwrite(place, new) => {
            let at = place.index(bytes.len());
            put(bytes, at, new);
        }
        Damage::Copy(from, to, len) => {
            // A misdirected write: old, valid bytes in the wrong place.
            let from = from.index(bytes.len());
            let piece = bytes[from..bytes.len().min(from + len)].to_vec();
            let to = to.index(bytes.len());
            put(bytes, to, &piece);
        }
        Damage::Extend(new) => bytes.extend_from_slice(new),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damage_never_panics_and_format_2_never_returns_anything_else(
        damages in prop::collection::vec((0..3_usize, any_damage()), 1..4)
    ) {
        for format in [Format::Etcd, Format::Native] {
            let log = written(format);
            let mut disk = log.disk.clone();
            for (segment, damage) in &damages {
                let path = &log.known_durable[*segment].0;
                edit(&mut disk, path, |bytes| inflict(bytes, damage));
            }
            let read = read_everything(&mut disk);
            let _ = repair(&mut disk, DIR);
            if format == Format::Native && let Ok(replayed) = read {
                prop_assert!(log.entries.starts_with(&replayed.entries));
                let again = read_everything(&mut disk).unwrap();
                prop_assert_eq!(Replayed { torn: None, ..replayed }, again);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, mark in 0..4_usize) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.get_mut(7) {
            *byte = [*byte, 0, 0x80, 0xc0][mark];
        }
        let mut disk = foreign_log(&bytes);
        let _ = repair(&mut disk, DIR);
        let _ = read_everything(&mut disk);
    }

    /// The disk keeps or loses each sector that was not synced, independently of the others.
    #[test]
    fn whatever_sectors_a_crash_keeps_the_synced_records_are_read_and_none_is_invented(
        sizes in prop::collection::vec(0..700_usize, 1..20),
        synced in any::<prop::sample::Index>(),
        kept: Vec<bool>,
        preallocated: bool,
    ) {
        let (mut disk, mut log) = new_log(Format::Native);
        let synced = synced.index(sizes.len());
        let mut all = Vec::new();
        let mut durable = read_file(&mut disk, &first()).unwrap();
        for (index, size) in (0_u64..).zip(&sizes) {
            let new = Entry { index, term: 1, data: vec![0; *size] };
            log.append(&mut disk, std::slice::from_ref(&new)).unwrap();
            all.push(new);
            if all.len() == synced {
                log.sync(&mut disk).unwrap();
                durable = read_file(&mut disk, &first()).unwrap();
            }
        }
        let mut crashed = read_file(&mut disk, &first()).unwrap();
        if preallocated {
            crashed.resize(crashed.len() + 2048, 0);
        }
        durable.resize(crashed.len(), 0);
        for (sector, keep) in (0..crashed.len().div_ceil(512)).zip(kept.iter().chain([&true])) {
            let range = sector * 512..crashed.len().min((sector + 1) * 512);
            if !keep {
                crashed[range.clone()].copy_from_slice(&durable[range]);
            }
        }
        overwrite(&mut disk, &first(), &crashed);
        let mut disk = restarted(&mut disk);
        match reopen(&mut disk) {
            Ok((replayed, _)) => {
                prop_assert!(replayed.entries.len() >= synced);
                prop_assert!(all.starts_with(&replayed.entries));
            }
            Err(error) => {
                prop_assert_eq!(error, WalError::IndexNotFound { index: 0, last: None });
                prop_assert_eq!(synced, 0);
            }
        }
    }
}
