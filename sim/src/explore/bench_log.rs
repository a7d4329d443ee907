//! Measures the write-ahead log on real files: appending, reading against the checksum alone,
//! recovery by length, memory. Prints nothing.
//!
//! Appending waits for the disk, so it is measured in real time. Reading is measured in processor
//! time of this process, with the files in the system's cache.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use engine::{
    storage::RealStorage,
    wal::{self, Appender, Entry, Options, Snapshot, WalError},
};

use super::{Bench, Row, Stopwatch, clock};

/// Bytes of an entry when records per second are counted: about a vote with its log record.
const SMALL: usize = 256;
/// Bytes of an entry of a log that is read.
const LARGE: usize = 4_096;
/// Entries given to one call while a log is written.
const BATCH: u64 = 64;
/// Real time spent on appending, each way.
const APPENDING: Duration = Duration::from_millis(1_500);
/// What is read at once by the checksum alone, as the log does.
const PIECE: usize = 1 << 20;

const START: Snapshot = Snapshot { index: 0, term: 0 };

/// Appending with one sync for so many records.
const APPENDS: [(u64, &str); 3] = [
    (1, "records appended, each synced"),
    (16, "records appended, 16 for a sync"),
    (256, "records appended, 256 for a sync"),
];

/// Parts of the whole length, in the order of measuring.
const LENGTHS: [(u64, &str); 3] = [
    (16, "recovery, a sixteenth of the length"),
    (4, "recovery, a quarter of the length"),
    (1, "recovery, the whole length"),
];

/// Measures the log in `directory`, which is made anew and removed afterwards; logs of `bytes`
/// bytes are read. `on` hears of each row before it begins.
///
/// # Errors
/// What the file system says.
pub fn bench_log(
    stop: &AtomicBool,
    directory: &Path,
    bytes: u64,
    mut on: impl FnMut(&'static str),
) -> io::Result<Bench> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(directory)?,
    }
    let mut rows = Vec::new();
    let measured = measure(stop, directory, bytes, &mut on, &mut rows);
    fs::remove_dir_all(directory)?;
    Ok(Bench {
        interrupted: !measured?,
        rows,
        optimised: !cfg!(debug_assertions),
        broken: Vec::new(),
    })
}

/// `false` if it was stopped.
fn measure(
    stop: &AtomicBool,
    directory: &Path,
    bytes: u64,
    on: &mut impl FnMut(&'static str),
    rows: &mut Vec<Row>,
) -> io::Result<bool> {
    let mut disk = RealStorage::new(directory);
    for (batch, what) in APPENDS {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        on(what);
        let rate = append(&mut disk, batch).map_err(failed)?;
        rows.push(row(what, rate, None, "per second"));
        fs::remove_dir_all(directory.join("log"))?;
    }
    for (part, what) in LENGTHS {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        on(what);
        write(&mut disk, bytes / part).map_err(failed)?;
        if part == 1 {
            reading(&mut disk, directory, rows)?;
        }
        let watch = Stopwatch::start();
        let log = recover(&mut disk).map_err(failed)?;
        rows.push(row(what, clock::millis(watch.cpu()), None, "CPU ms"));
        log.close(&mut disk).map_err(failed)?;
        fs::remove_dir_all(directory.join("log"))?;
    }
    Ok(true)
}

/// Memory of a reader that keeps nothing, and the rates of three ways of reading the same bytes.
fn reading(disk: &mut RealStorage, directory: &Path, rows: &mut Vec<Row>) -> io::Result<()> {
    let (bytes, plain) = checksums(&directory.join("log"))?;
    let before = clock::peak_rss_kib();
    let watch = Stopwatch::start();
    wal::inspect(disk, "log", &mut |_| Ok(())).map_err(failed)?;
    let inspected = watch.cpu();
    let grown = clock::peak_rss_kib()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    let watch = Stopwatch::start();
    let log = recover(disk).map_err(failed)?;
    let all = watch.cpu();
    log.close(disk).map_err(failed)?;
    let rate = |time| clock::per_second(bytes >> 20, time);
    let percent = |time: Duration| {
        let percent = plain.as_micros() * 100 / time.as_micros().max(1);
        u64::try_from(percent).unwrap_or(u64::MAX)
    };
    let unit = "MiB per CPU second";
    rows.push(row("reading and checksum alone", rate(plain), None, unit));
    rows.push(row(
        "inspect, every record verified",
        rate(inspected),
        None,
        unit,
    ));
    rows.push(row("read_all, all entries kept", rate(all), None, unit));
    let what = "inspect against the checksum alone";
    rows.push(row(what, percent(inspected), Some(50), "percent"));
    let what = "read_all against the checksum alone";
    rows.push(row(what, percent(all), Some(50), "percent"));
    rows.push(Row {
        what: "memory added by inspect",
        measured: grown,
        budget: Some(8 << 10),
        at_least: false,
        unit: "KiB",
    });
    Ok(())
}

fn row(what: &'static str, measured: u64, budget: Option<u64>, unit: &'static str) -> Row {
    Row {
        what,
        measured: Some(measured),
        budget,
        at_least: true,
        unit,
    }
}

fn failed(error: WalError) -> io::Error {
    io::Error::other(error)
}

fn entry(index: u64, bytes: usize) -> Entry {
    let byte = index.to_le_bytes()[0];
    Entry {
        index,
        term: 0,
        data: vec![byte; bytes],
    }
}

/// Records per second of real time, with one sync after each `batch` of calls.
fn append(disk: &mut RealStorage, batch: u64) -> Result<u64, WalError> {
    let mut log = wal::create(disk, "log", b"bench", Options::default())?;
    let watch = Stopwatch::start();
    let mut next = 0;
    while watch.wall() < APPENDING {
        for index in next..next + batch {
            log.append(disk, &[entry(index, SMALL)])?;
        }
        log.sync(disk)?;
        next += batch;
    }
    let rate = clock::per_second(next, watch.wall());
    log.close(disk)?;
    Ok(rate)
}

/// A log of about so many bytes, closed.
fn write(disk: &mut RealStorage, bytes: u64) -> Result<(), WalError> {
    let mut log = wal::create(disk, "log", b"bench", Options::default())?;
    let entries = bytes / LARGE as u64;
    let mut next = 0;
    while next < entries {
        let upto = entries.min(next + BATCH);
        let batch: Vec<Entry> = (next..upto).map(|index| entry(index, LARGE)).collect();
        log.append(disk, &batch)?;
        next = upto;
    }
    log.close(disk)
}

fn recover(disk: &mut RealStorage) -> Result<Appender, WalError> {
    let reader = wal::open(disk, "log", START, Options::default())?;
    let (_, log) = reader.read_all(disk)?;
    Ok(log)
}

/// How many bytes the segments have, and the time to read them and compute one checksum. The first
/// pass brings them into the system's cache, the second is measured.
fn checksums(directory: &Path) -> io::Result<(u64, Duration)> {
    let mut measured = (0, Duration::ZERO);
    for _ in 0..2 {
        let watch = Stopwatch::start();
        let (mut bytes, mut sum) = (0, 0);
        let mut piece = vec![0; PIECE];
        for found in fs::read_dir(directory)? {
            let mut file = File::open(found?.path())?;
            loop {
                let read = file.read(&mut piece)?;
                if read == 0 {
                    break;
                }
                sum = crc32c::crc32c_append(sum, &piece[..read]);
                bytes += read as u64;
            }
        }
        std::hint::black_box(sum);
        measured = (bytes, watch.cpu());
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_log_is_measured_and_nothing_is_left_behind() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("bench");
        let mut heard = Vec::new();
        let stop = AtomicBool::new(false);
        let bench = bench_log(&stop, &directory, 1 << 20, |what| heard.push(what)).unwrap();
        assert_eq!(heard.len(), APPENDS.len() + LENGTHS.len());
        assert!(!bench.interrupted);
        assert_eq!(bench.rows.len(), heard.len() + 6);
        assert!(bench.rows[0].measured > Some(0), "records were appended");
        assert!(!directory.exists());
    }

    #[test]
    fn a_stopped_bench_says_so() {
        let root = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(true);
        let bench = bench_log(&stop, &root.path().join("bench"), 1 << 20, |_| {}).unwrap();
        assert!(bench.interrupted && bench.rows.is_empty());
    }
}
