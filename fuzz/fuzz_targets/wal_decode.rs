//! Bytes as the last segment of a log: reading, verifying and repairing never panic, and what was
//! repaired is read without complaint.
#![no_main]

use engine::{
    storage::{MemoryStorage, Storage, write_all},
    wal,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut disk = MemoryStorage::default();
    let file = disk
        .create_dir("log")
        .and_then(|()| disk.create(&format!("log/{}", wal::segment_name(0, 0))))
        .and_then(|file| write_all(&mut disk, file, 0, bytes).map(|()| file))
        .and_then(|file| disk.close(file));
    assert!(file.is_ok(), "a plain disk takes everything");
    let _ = wal::verify(&mut disk, "log", wal::Snapshot::default());
    if wal::repair(&mut disk, "log").is_ok()
        && let Ok(reader) = wal::open(
            &mut disk,
            "log",
            wal::Snapshot::default(),
            wal::Options::default(),
        )
    {
        let _ = reader.read_all(&mut disk);
    }
});
