//! The same operations on the simulated disk, on plain memory, on real files and in a copy-on-write
//! view give the same answers, call by call.

use engine::{
    replay::Overlay,
    storage::{MemoryStorage, RealStorage},
};
use proptest::prelude::*;

use super::*;

const PATHS: [&str; 9] = [
    "x",
    "y",
    "a",
    "a/x",
    "a/y",
    "a/b",
    "a/b/x",
    "missing/x",
    "x/y",
];

#[derive(Debug, Clone, Copy)]
enum Op {
    CreateDir(usize),
    List(usize),
    Create(usize),
    Open(usize, bool),
    Lock(usize),
    Close(usize),
    Len(usize),
    SetLen(usize, u16),
    Read(usize, u16, u16),
    Write(usize, u16, u16, u8),
    Sync(usize),
    Rename(usize, usize),
    Remove(usize),
    RemoveDirAll(usize),
    SyncDir(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let path = || 0..PATHS.len();
    let file = || 0..6_usize;
    let op = prop_oneof![
        3 => path().prop_map(Op::CreateDir),
        2 => path().prop_map(Op::List),
        5 => path().prop_map(Op::Create),
        4 => (path(), any::<bool>()).prop_map(|(p, write)| Op::Open(p, write)),
        2 => file().prop_map(Op::Lock),
        2 => file().prop_map(Op::Close),
        1 => file().prop_map(Op::Len),
        2 => (file(), 0..3000_u16).prop_map(|(f, len)| Op::SetLen(f, len)),
        4 => (file(), 0..3000_u16, 0..2000_u16).prop_map(|(f, at, len)| Op::Read(f, at, len)),
        6 => (file(), 0..2500_u16, 0..1500_u16, 1..=255_u8)
            .prop_map(|(f, at, len, fill)| Op::Write(f, at, len, fill)),
        2 => file().prop_map(Op::Sync),
        3 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => path().prop_map(Op::Remove),
        1 => path().prop_map(Op::RemoveDirAll),
        1 => path().prop_map(Op::SyncDir),
    ];
    proptest::collection::vec(op, 1..60)
}

/// A storage, where the paths begin, and the files that were opened on it, in order.
struct Side<'a> {
    storage: &'a mut dyn Storage,
    root: &'static str,
    files: Vec<FileId>,
}

impl<'a> Side<'a> {
    fn new(storage: &'a mut dyn Storage, root: &'static str) -> Self {
        let files = Vec::new();
        Self {
            storage,
            root,
            files,
        }
    }

    fn path(&self, number: usize) -> String {
        format!("{}{}", self.root, PATHS[number])
    }

    /// All that is stored, in words.
    fn everything(&mut self) -> Vec<String> {
        let paths = 0..PATHS.len();
        let found = paths.map(|number| {
            let path = self.path(number);
            match self.storage.list(&path) {
                Ok(names) => format!("{path}: {names:?}"),
                Err(_) => format!("{path}: {:?}", read_file(self.storage, &path)),
            }
        });
        found.collect()
    }

    fn close_all(mut self) {
        for file in std::mem::take(&mut self.files) {
            self.storage.close(file).unwrap();
        }
    }

    /// An open file, if there is one: of two sides that answered alike, the same.
    fn file(&self, nth: usize) -> Option<FileId> {
        let last = self.files.len().checked_sub(1)?;
        Some(self.files[last.min(nth)])
    }

    /// What a call answers, in words. How a system words other errors is its own affair.
    fn answer(&mut self, op: Op) -> String {
        let answered = self.apply(op);
        answered.unwrap_or_else(|error| match error {
            StorageError::Io { .. } => "error".to_owned(),
            StorageError::NotFound { .. }
            | StorageError::AlreadyExists { .. }
            | StorageError::Locked { .. }
            | StorageError::Interrupted { .. }
            | StorageError::NoSpace { .. }
            | StorageError::Crashed => error.to_string(),
        })
    }

    fn apply(&mut self, op: Op) -> Result<String, StorageError> {
        let none = || Ok("no file is open".to_owned());
        let done = |()| "done".to_owned();
        match op {
            Op::CreateDir(path) => self.storage.create_dir(&self.path(path)).map(done),
            Op::List(path) => Ok(self.storage.list(&self.path(path))?.join(" ")),
            Op::Create(path) => {
                let file = self.storage.create(&self.path(path))?;
                self.files.push(file);
                Ok("created".to_owned())
            }
            Op::Open(path, write) => {
                let access = if write { Access::Write } else { Access::Read };
                let file = self.storage.open(&self.path(path), access)?;
                self.files.push(file);
                Ok("opened".to_owned())
            }
            Op::Rename(from, to) => self
                .storage
                .rename(&self.path(from), &self.path(to))
                .map(done),
            Op::Remove(path) => self.storage.remove(&self.path(path)).map(done),
            Op::RemoveDirAll(path) => self.storage.remove_dir_all(&self.path(path)).map(done),
            Op::SyncDir(path) => self.storage.sync_dir(&self.path(path)).map(done),
            Op::Lock(nth) => self
                .file(nth)
                .map_or_else(none, |f| self.storage.lock(f).map(done)),
            Op::Sync(nth) => self
                .file(nth)
                .map_or_else(none, |f| self.storage.sync(f).map(done)),
            Op::Close(nth) => {
                let Some(file) = self.file(nth) else {
                    return none();
                };
                self.files.retain(|other| *other != file);
                self.storage.close(file).map(done)
            }
            Op::Len(nth) => {
                let Some(file) = self.file(nth) else {
                    return none();
                };
                Ok(self.storage.len(file)?.to_string())
            }
            Op::SetLen(nth, len) => {
                let Some(file) = self.file(nth) else {
                    return none();
                };
                self.storage.set_len(file, u64::from(len)).map(done)
            }
            Op::Read(nth, at, len) => {
                let Some(file) = self.file(nth) else {
                    return none();
                };
                let mut bytes = vec![0; usize::from(len)];
                let read = read_full(self.storage, file, u64::from(at), &mut bytes)?;
                Ok(format!("{:?}", &bytes[..read]))
            }
            Op::Write(nth, at, len, fill) => {
                let Some(file) = self.file(nth) else {
                    return none();
                };
                let bytes = vec![fill; usize::from(len)];
                write_all(self.storage, file, u64::from(at), &bytes).map(done)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn simulated_plain_and_real_storage_answer_alike(ops in ops()) {
        let root = tempfile::tempdir().unwrap();
        let (mut simulated, mut plain) = (disk(), MemoryStorage::default());
        let mut real = RealStorage::new(root.path());
        let storages: [&mut dyn Storage; 3] = [&mut simulated, &mut plain, &mut real];
        let mut sides = storages.map(|storage| Side::new(storage, ""));
        for op in ops {
            let answers = sides.each_mut().map(|side| side.answer(op));
            prop_assert_eq!(&answers[0], &answers[1], "memory, at {:?}", op);
            prop_assert_eq!(&answers[0], &answers[2], "real files, at {:?}", op);
        }
    }
    #[test]
    fn a_view_answers_like_a_copy_and_leaves_the_original_alone(before in ops(), ops in ops()) {
        let (mut original, mut copy) = (MemoryStorage::default(), MemoryStorage::default());
        original.create_dir("old").unwrap();
        for (storage, root) in [(&mut original, "old/"), (&mut copy, "")] {
            let mut side = Side::new(storage, root);
            for op in &before {
                side.answer(*op);
            }
            side.close_all();
        }
        let untouched = Side::new(&mut original, "old/").everything();
        let mut overlay = Overlay::new(&mut original, "old", "new").unwrap();
        let (mut view, mut copy) = (Side::new(&mut overlay, "new/"), Side::new(&mut copy, ""));
        for op in ops {
            // A view has one user and takes no locks; it renames no directories.
            let from = if let Op::Rename(from, _) = op { Some(from) } else { None };
            let directory = from.is_some_and(|from| copy.storage.list(PATHS[from]).is_ok());
            if directory || matches!(op, Op::Lock(_)) {
                continue;
            }
            // The same error may name another path: that of the original, or of a part of it.
            let (seen, expected) = (view.answer(op), copy.answer(op));
            let seen = seen.rsplit(": ").next();
            prop_assert_eq!(seen, expected.rsplit(": ").next(), "at {:?}", op);
        }
        view.close_all();
        drop(overlay);
        prop_assert_eq!(Side::new(&mut original, "old/").everything(), untouched);
    }
}
