//! Random operations on the simulated disk, compared with a model that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Directories are fixed, so that the model needs no tree.
const DIRS: [&str; 3] = ["", "a", "b"];
const PATHS: [&str; 6] = ["x", "y", "a/x", "a/y", "b/x", "b/y"];

#[derive(Debug, Clone)]
enum Op {
    Create(usize),
    Write(usize, u16, u16, u8),
    SetLen(usize, u16),
    Sync(usize),
    Rename(usize, usize),
    Remove(usize),
    SyncDir(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let path = || 0..PATHS.len();
    let op = prop_oneof![
        3 => path().prop_map(Op::Create),
        6 => (path(), 0..2500_u16, 1..1500_u16, 1..=255_u8)
            .prop_map(|(p, at, len, fill)| Op::Write(p, at, len, fill)),
        1 => (path(), 0..3000_u16).prop_map(|(p, len)| Op::SetLen(p, len)),
        3 => path().prop_map(Op::Sync),
        2 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
        1 => path().prop_map(Op::Remove),
        2 => (0..DIRS.len()).prop_map(Op::SyncDir),
    ];
    proptest::collection::vec(op, 1..80)
}

#[derive(Debug, Clone, Default)]
struct File {
    now: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default)]
struct Model {
    files: Vec<File>,
    names: BTreeMap<usize, usize>,
    /// For each path, the files it may lead to after a crash; `None` is no file.
    possible: BTreeMap<usize, BTreeSet<Option<usize>>>,
}

fn not_found(path: &str) -> StorageError {
    StorageError::NotFound { path: path.into() }
}

fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Model {
    fn set(&mut self, path: usize, file: Option<usize>) {
        match file {
            Some(id) => self.names.insert(path, id),
            None => self.names.remove(&path),
        };
        let possible = self.possible.entry(path);
        possible
            .or_insert_with(|| BTreeSet::from([None]))
            .insert(file);
    }

    fn file(&mut self, path: usize) -> Result<&mut File, StorageError> {
        let id = self
            .names
            .get(&path)
            .ok_or_else(|| not_found(PATHS[path]))?;
        Ok(&mut self.files[*id])
    }

    fn apply(&mut self, op: &Op) -> Result<(), StorageError> {
        match *op {
            Op::Create(path) => {
                if self.names.contains_key(&path) {
                    let path = PATHS[path].into();
                    return Err(StorageError::AlreadyExists { path });
                }
                self.files.push(File::default());
                self.set(path, Some(self.files.len() - 1));
            }
            Op::Write(path, at, len, fill) => {
                let bytes = &mut self.file(path)?.now;
                let (at, end) = (usize::from(at), usize::from(at) + usize::from(len));
                bytes.resize(bytes.len().max(end), 0);
                bytes[at..end].fill(fill);
            }
            Op::SetLen(path, len) => self.file(path)?.now.resize(usize::from(len), 0),
            Op::Sync(path) => {
                let file = self.file(path)?;
                file.synced.clone_from(&file.now);
            }
            Op::Rename(from, to) => {
                self.file(from)?;
                if from != to {
                    let id = self.names[&from];
                    self.set(from, None);
                    self.set(to, Some(id));
                }
            }
            Op::Remove(path) => {
                self.file(path)?;
                self.set(path, None);
            }
            Op::SyncDir(dir) => {
                for (path, name) in PATHS.iter().enumerate() {
                    if dir_of(name) == DIRS[dir] {
                        let now = self.names.get(&path).copied();
                        self.possible.insert(path, BTreeSet::from([now]));
                    }
                }
            }
        }
        Ok(())
    }
}

fn apply(disk: &mut SimDisk, op: &Op) -> Result<(), StorageError> {
    let open = |disk: &mut SimDisk, path: usize| disk.open(PATHS[path], Access::Write);
    match *op {
        Op::Create(path) => disk.create(PATHS[path]).map(drop),
        Op::Write(path, at, len, fill) => {
            let file = open(disk, path)?;
            write_all(disk, file, u64::from(at), &vec![fill; usize::from(len)])?;
            disk.close(file)
        }
        Op::SetLen(path, len) => {
            let file = open(disk, path)?;
            disk.set_len(file, u64::from(len))?;
            disk.close(file)
        }
        Op::Sync(path) => {
            let file = open(disk, path)?;
            disk.sync(file)?;
            disk.close(file)
        }
        Op::Rename(from, to) => disk.rename(PATHS[from], PATHS[to]),
        Op::Remove(path) => disk.remove(PATHS[path]),
        Op::SyncDir(dir) => disk.sync_dir(DIRS[dir]),
    }
}

/// Runs the operations on both; every answer must be the same.
fn run(ops: &[Op]) -> (Model, SimDisk) {
    let (mut model, mut disk) = (Model::default(), disk());
    disk.create_dir("a").unwrap();
    disk.create_dir("b").unwrap();
    disk.sync_dir("").unwrap();
    for op in ops {
        assert_eq!(apply(&mut disk, op), model.apply(op), "{op:?}");
    }
    (model, disk)
}

/// Whether a crash may turn `file` into `got`.
fn may_become(file: &File, got: &[u8]) -> bool {
    let longest = file.now.len().max(file.synced.len());
    let pad = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(longest, 0);
        bytes
    };
    let (now, synced) = (pad(&file.now), pad(&file.synced));
    let fits = |(index, sector): (usize, &[u8])| {
        let range = index * SECTOR..index * SECTOR + sector.len();
        let changed = now[range.clone()] != synced[range.clone()];
        sector == &now[range.clone()]
            || sector == &synced[range]
            || (changed && sector.iter().all(|b| *b == 0))
            || (sector.iter().all(|b| *b == 0) && file.now != file.synced)
    };
    (got.len() == file.now.len() || got.len() == file.synced.len())
        && got.chunks(SECTOR).enumerate().all(fits)
}

proptest! {
    #[test]
    fn a_faultless_disk_answers_like_the_model(ops in ops()) {
        let (model, mut disk) = run(&ops);
        for (path, name) in PATHS.iter().enumerate() {
            let expected = model.names.get(&path).map(|id| model.files[*id].now.clone());
            prop_assert_eq!(read_file(&mut disk, name).ok(), expected.clone());
            prop_assert_eq!(disk.read_current(name), expected);
        }
        let listed: Vec<String> = model.names.keys().map(|path| PATHS[*path].into()).collect();
        let names: BTreeSet<String> = disk.file_names().into_iter().collect();
        prop_assert_eq!(names, listed.into_iter().collect::<BTreeSet<_>>());
    }

    #[test]
    fn what_is_called_durable_is_what_remains_if_all_else_is_lost(ops in ops()) {
        let (model, disk) = run(&ops);
        let mut lost = disk.clone();
        lost.crash(&Choices::new(1), NODE, 1, CrashFates::LoseAll);
        for name in PATHS {
            prop_assert_eq!(disk.read_durable(name), lost.read_current(name));
        }
        // What any file on the disk has durably is what its last sync covered.
        for (path, id) in &model.names {
            if let Some(got) = lost.read_current(PATHS[*path])
                && model.possible[path] == BTreeSet::from([Some(*id)])
            {
                prop_assert_eq!(&got, &model.files[*id].synced);
            }
        }
    }

    #[test]
    fn a_crash_leaves_only_what_it_may_leave(ops in ops(), seed in 0..1000_u64) {
        let (model, mut disk) = run(&ops);
        crash(&mut disk, seed);
        for (path, name) in PATHS.iter().enumerate() {
            let got = disk.read_current(name);
            let nothing = BTreeSet::from([None]);
            let possible = model.possible.get(&path).unwrap_or(&nothing);
            let fits = possible.iter().any(|file| match (file, &got) {
                (None, None) => true,
                (Some(id), Some(bytes)) => may_become(&model.files[*id], bytes),
                (None, Some(_)) | (Some(_), None) => false,
            });
            prop_assert!(fits, "{}: {:?}", name, got.map(|bytes| bytes.len()));
        }
        let nodes: Vec<NodeId> = disk.tree.files().into_values().collect();
        let distinct: BTreeSet<NodeId> = nodes.iter().copied().collect();
        prop_assert_eq!(nodes.len(), distinct.len(), "a file has two names");
    }

    #[test]
    fn a_second_crash_changes_nothing(ops in ops(), seed in 0..1000_u64) {
        let (_, mut disk) = run(&ops);
        crash(&mut disk, seed);
        let once = disk.clone();
        crash(&mut disk, seed + 1);
        prop_assert_eq!(once, disk);
    }

    #[test]
    fn short_and_interrupted_calls_end_in_the_same_content(ops in ops(), seed in 0..1000_u64) {
        let (_, plain) = run(&ops);
        let mut disk = SimDisk::new(NODE, Choices::new(seed));
        disk.create_dir("a").unwrap();
        disk.create_dir("b").unwrap();
        disk.set_faults(DiskFaults {
            short_write: Ratio::percent(30),
            short_read: Ratio::percent(30),
            interrupt: Ratio::percent(30),
            ..DiskFaults::default()
        });
        for op in &ops {
            let _ = apply(&mut disk, op);
        }
        for name in PATHS {
            let Ok(file) = disk.open(name, Access::Read) else {
                prop_assert_eq!(plain.read_current(name), None);
                continue;
            };
            let mut bytes = vec![0; 5000];
            let len = read_full(&mut disk, file, 0, &mut bytes).unwrap();
            bytes.truncate(len);
            prop_assert_eq!(plain.read_current(name), Some(bytes));
        }
    }
}
