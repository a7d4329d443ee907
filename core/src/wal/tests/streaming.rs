//! Reading a log takes a piece of it at a time, and every record is shown where it lies.

use super::*;

/// Passes everything on and remembers the longest read or write.
struct Measured {
    disk: MemoryStorage,
    longest: usize,
}

impl Storage for Measured {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        self.disk.create_dir(path)
    }
    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        self.disk.list(dir)
    }
    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        self.disk.create(path)
    }
    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError> {
        self.disk.open(path, access)
    }
    fn lock(&mut self, file: FileId) -> Result<(), StorageError> {
        self.disk.lock(file)
    }
    fn close(&mut self, file: FileId) -> Result<(), StorageError> {
        self.disk.close(file)
    }
    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        self.disk.len(file)
    }
    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        self.disk.set_len(file, len)
    }
    fn read_at(&mut self, file: FileId, at: u64, to: &mut [u8]) -> Result<usize, StorageError> {
        self.longest = self.longest.max(to.len());
        self.disk.read_at(file, at, to)
    }
    fn write_at(&mut self, file: FileId, at: u64, data: &[u8]) -> Result<usize, StorageError> {
        self.longest = self.longest.max(data.len());
        self.disk.write_at(file, at, data)
    }
    fn sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.disk.sync(file)
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.disk.rename(from, to)
    }
    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        self.disk.remove(path)
    }
    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        self.disk.remove_dir_all(path)
    }
    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        self.disk.sync_dir(dir)
    }
}

/// Ten entries of 300 KiB in one segment.
fn long_log(format: Format) -> MemoryStorage {
    let (mut disk, mut log) = new_log(format);
    for index in 1..=10_u64 {
        let data = vec![u8::try_from(index).unwrap(); 300 << 10];
        let first = Entry::default();
        if (format, index) == (Format::Native, 1) {
            log.save(&mut disk, None, &[first]).unwrap();
        }
        let entry = Entry {
            index,
            term: 0,
            data,
        };
        log.save(&mut disk, None, &[entry]).unwrap();
    }
    log.close(&mut disk).unwrap();
    disk
}

#[test]
fn a_long_segment_is_read_in_pieces_of_a_mebibyte() {
    for format in [Format::Etcd, Format::Native] {
        let mut measured = Measured {
            disk: long_log(format),
            longest: 0,
        };
        let mut bytes = 0;
        let end = inspect(&mut measured, DIR, &mut |record| {
            if let Content::Entry { index, data, .. } = record.content {
                assert!(data.iter().all(|byte| u64::from(*byte) == index));
                bytes += data.len();
            }
            Ok(())
        });
        assert_eq!((end.unwrap().torn, bytes), (None, 3_000 << 10));
        assert!(measured.longest <= 1 << 20, "{} bytes", measured.longest);
    }
}

#[test]
fn a_repair_copies_a_long_segment_in_pieces_of_a_mebibyte() {
    for format in [Format::Etcd, Format::Native] {
        let mut disk = long_log(format);
        edit(&mut disk, &first(), |bytes| bytes.truncate(bytes.len() - 4));
        let before = read_file(&mut disk, &first()).unwrap();
        let mut measured = Measured { disk, longest: 0 };
        let repaired = repair(&mut measured, DIR).unwrap();
        let RepairOutcome::Cut { copy, torn } = repaired else {
            panic!("nothing was cut: {repaired:?}");
        };
        assert_eq!(measured.longest, 1 << 20, "a whole piece and no more");
        let mut disk = measured.disk;
        assert_eq!(read_file(&mut disk, &copy.unwrap()).unwrap(), before);
        let after = read_file(&mut disk, &first()).unwrap();
        assert_eq!(after.len() as u64, torn.offset);
        assert!(before.starts_with(&after));
    }
}

#[test]
fn a_record_longer_than_a_piece_is_read_as_a_whole() {
    let (mut disk, mut log) = new_log(Format::Native);
    let long = Entry {
        data: vec![7; 3 << 20],
        ..Entry::default()
    };
    log.save(&mut disk, None, &[long.clone(), entry(1)])
        .unwrap();
    log.close(&mut disk).unwrap();
    let (replayed, log) = reopen(&mut disk).unwrap();
    assert_eq!(replayed.entries, [long, entry(1)]);
    log.close(&mut disk).unwrap();
}

#[test]
fn records_are_shown_where_they_lie_up_to_the_damage() {
    for format in [Format::Etcd, Format::Native] {
        let mut disk = long_log(format);
        let mut places = Vec::new();
        let mut next = 0;
        let end = inspect(&mut disk, DIR, &mut |record| {
            assert_eq!(record.offset, next, "records follow each other");
            next += record.bytes;
            places.push(record.offset);
            Ok(())
        });
        let end = end.unwrap();
        assert_eq!((end.offset, end.format), (next, format));
        let path = format!("{DIR}/{}", end.segment);
        let mut bytes = read_file(&mut disk, &path).unwrap();
        let hit = places[places.len() - 3];
        bytes[usize::try_from(hit).unwrap() + 100] ^= 1;
        overwrite(&mut disk, &path, &bytes);
        let mut seen = 0;
        let damage = inspect(&mut disk, DIR, &mut |_| {
            seen += 1;
            Ok(())
        });
        let damage = damage.unwrap_err();
        assert_eq!(damage.place(), Some((end.segment.as_str(), hit)));
        assert_eq!(seen, places.len() - 3);
    }
}

#[test]
fn a_length_that_claims_more_than_the_file_reserves_no_memory_for_it() {
    let claims = [1_u64 << 20, 1 << 40, (1 << 56) - 8];
    for format in [Format::Etcd, Format::Native] {
        for claim in claims {
            let mut disk = log_with(format, 3);
            let mark = match format {
                Format::Etcd => 0,
                Format::Native => native::MARK,
            };
            edit(&mut disk, &first(), |bytes| {
                let mut word = claim.to_le_bytes();
                word[7] = mark;
                bytes.extend_from_slice(&word);
                bytes.extend_from_slice(&[7; 100]);
            });
            let len = read_file(&mut disk, &first()).unwrap().len();
            let mut measured = Measured { disk, longest: 0 };
            let end = inspect(&mut measured, DIR, &mut |_| Ok(())).unwrap();
            assert_eq!(end.torn.unwrap().bytes, 108);
            assert!(measured.longest <= len, "{} of {len}", measured.longest);
        }
    }
}

#[test]
fn entries_of_ten_and_more_mebibytes_come_back() {
    for format in [Format::Etcd, Format::Native] {
        let (mut disk, mut log) = new_log(format);
        let base = u64::from(format == Format::Etcd);
        let big: Vec<Entry> = (0..3)
            .map(|place| Entry {
                index: base + place,
                term: 1,
                data: vec![
                    u8::try_from(place).unwrap();
                    usize::try_from(place + 1).unwrap() * (10 << 20)
                ],
            })
            .collect();
        log.save(&mut disk, None, &big).unwrap();
        log.close(&mut disk).unwrap();
        let reader = open_at_index(&mut disk, DIR, base, small(format)).unwrap();
        let (replayed, _) = reader.read_all(&mut disk).unwrap();
        assert!(replayed.entries == big, "{format:?}");
    }
}
