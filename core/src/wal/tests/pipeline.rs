//! Files that are prepared for the next segment (etcd's file pipeline).

use super::*;

const ZEROS: usize = 4096;

fn filled() -> Options {
    Options {
        preallocate_bytes: ZEROS as u64,
        ..small(Format::Native)
    }
}

fn log() -> (MemoryStorage, Appender) {
    let mut disk = MemoryStorage::default();
    let mut log = create(&mut disk, DIR, b"metadata", filled()).unwrap();
    log.save(&mut disk, None, &entries(0..=3)).unwrap();
    (disk, log)
}

fn temporaries(disk: &mut MemoryStorage) -> Vec<String> {
    let names = disk.list(DIR).unwrap();
    names
        .into_iter()
        .filter(|name| parse_name(name).is_none())
        .collect()
}

#[test]
fn a_prepared_file_becomes_the_next_segment() {
    let (mut disk, mut log) = log();
    log.prepare(&mut disk).unwrap();
    let prepared = temporaries(&mut disk);
    assert_eq!(prepared.len(), 1);
    let bytes = read_file(&mut disk, &format!("{DIR}/{}", prepared[0])).unwrap();
    assert_eq!(bytes, [0; ZEROS], "filled, and no segment yet");
    log.prepare(&mut disk).unwrap();
    assert_eq!(temporaries(&mut disk), prepared, "one is enough");
    log.cut(&mut disk).unwrap();
    assert_eq!(temporaries(&mut disk), [""; 0]);
    log.save(&mut disk, None, &entries(4..=7)).unwrap();
    log.close(&mut disk).unwrap();
    assert_eq!(
        read_file(&mut disk, &segment_path(1, 4)).unwrap().len(),
        ZEROS
    );
    let reader = open_at_index(&mut disk, DIR, 0, filled()).unwrap();
    let (replayed, log) = reader.read_all(&mut disk).unwrap();
    assert_eq!(replayed.entries, entries(0..=7));
    log.close(&mut disk).unwrap();
}

#[test]
fn a_cut_gives_the_same_bytes_with_and_without_a_prepared_file() {
    let written = |prepares: bool| {
        let (mut disk, mut log) = log();
        if prepares {
            log.prepare(&mut disk).unwrap();
        }
        log.cut(&mut disk).unwrap();
        log.save(&mut disk, None, &entries(4..=7)).unwrap();
        log.close(&mut disk).unwrap();
        [(0, 0), (1, 4)]
            .map(|(sequence, index)| read_file(&mut disk, &segment_path(sequence, index)).unwrap())
    };
    assert_eq!(written(true), written(false));
}

#[test]
fn a_prepared_file_that_nobody_took_is_removed_at_the_end_or_by_the_next_start() {
    let (mut disk, mut log) = log();
    log.prepare(&mut disk).unwrap();
    log.close(&mut disk).unwrap();
    assert_eq!(temporaries(&mut disk), [""; 0]);

    let (mut disk, mut log) = self::log();
    log.prepare(&mut disk).unwrap();
    let mut disk = restarted(&mut disk);
    assert_eq!(temporaries(&mut disk).len(), 1, "the process died");
    let reader = open_at_index(&mut disk, DIR, 0, filled()).unwrap();
    let (replayed, mut log) = reader.read_all(&mut disk).unwrap();
    assert_eq!(temporaries(&mut disk), [""; 0]);
    assert_eq!(replayed.entries, entries(0..=3));
    log.prepare(&mut disk).unwrap();
    log.cut(&mut disk).unwrap();
    log.close(&mut disk).unwrap();
}
