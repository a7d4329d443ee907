//! A disk that forgets, at a crash, every byte and every name that was not synced: each sync of the
//! log must be there, in the right order.

use std::collections::BTreeMap;

use super::*;
use crate::storage::FileId;

#[derive(Debug, Clone)]
enum Node {
    Directory {
        names: BTreeMap<String, usize>,
        durable: BTreeMap<String, usize>,
    },
    File {
        bytes: Vec<u8>,
        durable: Vec<u8>,
    },
}

/// Node 0 is the root. A file id is the number of its node, since locks do not matter here.
struct Forgetful {
    nodes: Vec<Node>,
    calls: usize,
    stop_at: usize,
}

fn missing(path: &str) -> StorageError {
    StorageError::NotFound {
        path: path.to_owned(),
    }
}

fn empty_directory() -> Node {
    Node::Directory {
        names: BTreeMap::new(),
        durable: BTreeMap::new(),
    }
}

impl Forgetful {
    fn new(stop_at: usize) -> Self {
        Forgetful {
            nodes: vec![empty_directory()],
            calls: 0,
            stop_at,
        }
    }

    /// The machine stops and starts again.
    fn crash(&mut self) {
        self.stop_at = usize::MAX;
        for node in &mut self.nodes {
            match node {
                Node::Directory { names, durable } => names.clone_from(durable),
                Node::File { bytes, durable } => bytes.clone_from(durable),
            }
        }
    }

    fn call(&mut self) -> Result<(), StorageError> {
        self.calls += 1;
        if self.calls >= self.stop_at {
            Err(StorageError::Crashed)
        } else {
            Ok(())
        }
    }

    fn names(&mut self, dir: usize) -> &mut BTreeMap<String, usize> {
        match &mut self.nodes[dir] {
            Node::Directory { names, durable: _ } => names,
            Node::File { .. } => panic!("not a directory"),
        }
    }

    fn bytes(&mut self, file: FileId) -> &mut Vec<u8> {
        match &mut self.nodes[file.0 as usize] {
            Node::File { bytes, durable: _ } => bytes,
            Node::Directory { .. } => panic!("not a file"),
        }
    }

    fn find(&mut self, path: &str) -> Result<usize, StorageError> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.into_iter().try_fold(0, |dir, part| {
            self.names(dir)
                .get(part)
                .copied()
                .ok_or_else(|| missing(path))
        })
    }

    fn place(&mut self, path: &str) -> Result<(usize, String), StorageError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.find(parent)?, name.to_owned()))
    }

    fn add(&mut self, path: &str, node: Node) -> Result<usize, StorageError> {
        let (dir, name) = self.place(path)?;
        if self.names(dir).contains_key(&name) {
            return Err(StorageError::AlreadyExists {
                path: path.to_owned(),
            });
        }
        self.nodes.push(node);
        let number = self.nodes.len() - 1;
        self.names(dir).insert(name, number);
        Ok(number)
    }

    fn unlink(&mut self, path: &str) -> Result<usize, StorageError> {
        let (dir, name) = self.place(path)?;
        self.names(dir).remove(&name).ok_or_else(|| missing(path))
    }
}

fn file_id(number: usize) -> FileId {
    FileId(u32::try_from(number).unwrap())
}

impl Storage for Forgetful {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        self.call()?;
        self.add(path, empty_directory()).map(|_| ())
    }
    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        let dir = self.find(dir)?;
        Ok(self.names(dir).keys().cloned().collect())
    }
    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        self.call()?;
        self.add(
            path,
            Node::File {
                bytes: Vec::new(),
                durable: Vec::new(),
            },
        )
        .map(file_id)
    }
    fn open(&mut self, path: &str, _: Access) -> Result<FileId, StorageError> {
        self.find(path).map(file_id)
    }
    fn lock(&mut self, _: FileId) -> Result<(), StorageError> {
        Ok(())
    }
    fn close(&mut self, _: FileId) -> Result<(), StorageError> {
        Ok(())
    }
    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        Ok(self.bytes(file).len() as u64)
    }
    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        self.call()?;
        self.bytes(file).resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }
    fn read_at(
        &mut self,
        file: FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let bytes = self.bytes(file);
        let start = usize::try_from(offset).unwrap().min(bytes.len());
        let taken = buffer.len().min(bytes.len() - start);
        buffer[..taken].copy_from_slice(&bytes[start..start + taken]);
        Ok(taken)
    }
    fn write_at(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<usize, StorageError> {
        self.call()?;
        let (start, bytes) = (usize::try_from(offset).unwrap(), self.bytes(file));
        bytes.resize(bytes.len().max(start + data.len()), 0);
        bytes[start..start + data.len()].copy_from_slice(data);
        Ok(data.len())
    }
    fn sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.call()?;
        match &mut self.nodes[file.0 as usize] {
            Node::File { bytes, durable } => durable.clone_from(bytes),
            Node::Directory { .. } => panic!("not a file"),
        }
        Ok(())
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.call()?;
        let number = self.unlink(from)?;
        let (dir, name) = self.place(to)?;
        self.names(dir).insert(name, number);
        Ok(())
    }
    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        self.call()?;
        self.unlink(path).map(|_| ())
    }
    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        self.remove(path)
    }
    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        self.call()?;
        let dir = self.find(dir)?;
        match &mut self.nodes[dir] {
            Node::Directory { names, durable } => durable.clone_from(names),
            Node::File { .. } => panic!("not a directory"),
        }
        Ok(())
    }
}

fn options(format: Format) -> Options {
    Options {
        format,
        segment_bytes: 300,
        preallocate_bytes: 500,
    }
}

#[derive(Debug, Default)]
struct Acknowledged {
    created: bool,
    entries: u64,
    state: Option<HardState>,
    snapshot: Snapshot,
}

/// Creates, writes, reopens and purges until the machine stops.
fn live(disk: &mut Forgetful, format: Format, seen: &mut Acknowledged) -> Result<(), WalError> {
    let mut log = create(disk, DIR, b"metadata", options(format))?;
    seen.created = true;
    for index in 0..16 {
        log.append(disk, &[entry(index)])?;
        if index % 2 == 1 {
            log.sync(disk)?;
            seen.entries = index + 1;
        }
        if index % 4 == 0 {
            let state = HardState {
                term: index,
                vote: 1,
                commit: index,
            };
            log.save(disk, Some(&state), &[])?;
            (seen.entries, seen.state) = (index + 1, Some(state));
        }
        if index % 5 == 4 {
            let snapshot = Snapshot { index, term: 1 };
            log.save_snapshot(disk, &snapshot)?;
            (seen.entries, seen.snapshot) = (index + 1, snapshot);
            log.release_lock_to(disk, index)?;
            log.purge(disk)?;
            log.prepare(disk)?;
        }
        if index == 10 {
            // The process ends without closing the log; what it wrote is only in the cache.
            let (replayed, reopened) =
                open(disk, DIR, seen.snapshot, options(format))?.read_all(disk)?;
            seen.entries = replayed.last_index.map_or(0, |last| last + 1);
            log = reopened;
        }
    }
    log.close(disk)
}

#[test]
fn a_machine_that_stops_at_any_call_and_forgets_the_unsynced_keeps_every_acknowledged_entry() {
    for format in [Format::Etcd, Format::Native] {
        for stop_at in 1.. {
            let mut disk = Forgetful::new(stop_at);
            let mut seen = Acknowledged::default();
            let finished = live(&mut disk, format, &mut seen).is_ok();
            disk.crash();
            if !exist(&mut disk, DIR).unwrap() {
                assert!(!seen.created, "the log is gone after call {stop_at}");
                continue;
            }
            let last = snapshots(&mut disk, DIR).unwrap().last().copied().unwrap();
            assert!(last >= seen.snapshot, "{format:?}, call {stop_at}");
            for snapshot in [seen.snapshot, last] {
                let reader = open(&mut disk, DIR, snapshot, options(format)).unwrap();
                let (replayed, log) = reader.read_all(&mut disk).unwrap();
                log.close(&mut disk).unwrap();
                let end = replayed.last_index.map_or(0, |last| last + 1);
                assert!(
                    end >= seen.entries,
                    "{format:?}, call {stop_at}: {end} of {seen:?}"
                );
                assert_eq!(
                    replayed.entries,
                    entries(snapshot.index + 1..=end.max(1) - 1)
                );
                assert_eq!(replayed.torn, None);
                let term = |state: Option<HardState>| state.map(|state| state.term);
                assert!(
                    term(replayed.state) >= term(seen.state),
                    "{format:?}, call {stop_at}: an older vote came back"
                );
            }
            if finished {
                break;
            }
        }
    }
}

/// A log whose last record is torn, and that segment's bytes. Everything is durable.
fn torn(format: Format) -> (Forgetful, Vec<u8>) {
    let mut disk = Forgetful::new(usize::MAX);
    let mut log = create(&mut disk, DIR, b"metadata", options(format)).unwrap();
    log.save(&mut disk, None, &entries(0..=1)).unwrap();
    let before = log.last_index();
    log.append(&mut disk, &[entry(2)]).unwrap();
    log.close(&mut disk).unwrap();
    assert_eq!(before, Some(1));
    let file = disk.open(&first(), Access::Write).unwrap();
    let bytes = disk.bytes(file);
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes.truncate(written - 8);
    let bytes = bytes.clone();
    disk.sync(file).unwrap();
    (disk, bytes)
}

#[test]
fn a_repair_that_stops_at_any_call_leaves_the_original_or_a_durable_copy() {
    for format in [Format::Etcd, Format::Native] {
        for stop_at in 1.. {
            let (mut disk, original) = torn(format);
            (disk.calls, disk.stop_at) = (0, stop_at);
            let finished = repair(&mut disk, DIR).is_ok();
            disk.crash();
            let kept = read_file(&mut disk, &first()).unwrap() == original;
            let copy = read_file(&mut disk, &format!("{}.broken", first()));
            assert!(
                kept || copy == Ok(original),
                "{format:?}, call {stop_at}: cut without a copy"
            );
            repair(&mut disk, DIR).unwrap();
            let reader = open_at_index(&mut disk, DIR, 0, options(format)).unwrap();
            assert_eq!(
                reader.read_all(&mut disk).unwrap().0.entries,
                entries(0..=1)
            );
            if finished {
                break;
            }
        }
    }
}
