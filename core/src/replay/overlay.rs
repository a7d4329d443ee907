//! A copy-on-write view of one data directory: reads go through, writes stay in memory.
//!
//! The view shows the directory `from` of the storage below under the name `to`, and nothing else.
//! Of the storage below it calls only what reads. What was changed is gone with the view, and every
//! file it had open below is closed, on every path.

use std::collections::{BTreeMap, BTreeSet};

use crate::storage::{Access, FileId, Storage, StorageError, read_file, read_full};

/// What a changed name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upper {
    /// A directory made here: nothing of the storage below shows through it.
    Dir,
    /// A file whose bytes are here.
    File(u64),
    /// Removed here.
    Gone,
}

/// What a name stands for in the view.
enum Found {
    /// A directory made here.
    New,
    /// A directory below.
    Dir(String),
    /// A file whose bytes are here.
    Own(u64),
    /// A file below.
    Below(String),
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Own(u64),
    Below(FileId),
}

#[derive(Debug)]
struct Handle {
    path: String,
    access: Access,
    source: Source,
}

/// Why no view could be made (`init_tables_node`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// The name of the throw-away node is taken.
    #[error("{0}: a node of this name exists")]
    TargetNodeExisted(String),
    /// The data of the original cannot be read.
    #[error("the throw-away node cannot be made: {0}")]
    FailedToCreateReplayNode(StorageError),
}

/// The view. Dropping it forgets all changes and closes what it had open below.
pub struct Overlay<'a> {
    below: &'a mut dyn Storage,
    from: String,
    to: String,
    upper: BTreeMap<String, Upper>,
    files: BTreeMap<u64, Vec<u8>>,
    handles: BTreeMap<u32, Handle>,
    next_file: u64,
    next_handle: u32,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let changed: Vec<_> = self.upper.keys().collect();
        f.debug_struct("Overlay")
            .field("changed", &changed)
            .finish()
    }
}

impl Drop for Overlay<'_> {
    fn drop(&mut self) {
        for handle in std::mem::take(&mut self.handles).into_values() {
            if let Source::Below(file) = handle.source {
                // Nobody is there to hear of a failure.
                drop(self.below.close(file));
            }
        }
    }
}

fn not_found(path: &str) -> StorageError {
    StorageError::NotFound {
        path: path.to_owned(),
    }
}

fn failure(path: &str, what: &str) -> StorageError {
    StorageError::Io {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

impl<'a> Overlay<'a> {
    /// A view of everything in `from` under the name `to` (`init_tables_node`: no table is left
    /// out, and nothing is copied).
    ///
    /// # Errors
    /// If `to` exists, or `from` cannot be listed.
    pub fn new(below: &'a mut dyn Storage, from: &str, to: &str) -> Result<Self, InitError> {
        let made = below.list(from);
        made.map_err(InitError::FailedToCreateReplayNode)?;
        match below.list(to) {
            Err(StorageError::NotFound { .. }) => {}
            Ok(_) | Err(_) => return Err(InitError::TargetNodeExisted(to.to_owned())),
        }
        Ok(Self {
            below,
            from: from.to_owned(),
            to: to.to_owned(),
            upper: BTreeMap::new(),
            files: BTreeMap::new(),
            handles: BTreeMap::new(),
            next_file: 0,
            next_handle: 0,
        })
    }

    /// The name below, if the path is inside the view.
    fn path_below(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.to)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", self.from))
    }

    fn find(&mut self, path: &str) -> Result<Found, StorageError> {
        if path.is_empty() {
            return Ok(Found::New);
        }
        match self.upper.get(path) {
            Some(Upper::Dir) => return Ok(Found::New),
            Some(Upper::File(file)) => return Ok(Found::Own(*file)),
            Some(Upper::Gone) => return Err(not_found(path)),
            None => {}
        }
        let mut above = parent(path);
        while let Some(dir) = above {
            match self.upper.get(dir) {
                Some(Upper::File(_)) => return Err(failure(path, "not in a directory")),
                Some(Upper::Dir | Upper::Gone) => return Err(not_found(path)),
                None => above = parent(dir),
            }
        }
        let below = self.path_below(path).ok_or_else(|| not_found(path))?;
        match self.below.list(&below) {
            Ok(_) => return Ok(Found::Dir(below)),
            Err(error @ (StorageError::NotFound { .. } | StorageError::Crashed)) => {
                return Err(error);
            }
            Err(_) => {}
        }
        let file = self.below.open(&below, Access::Read)?;
        self.below.close(file)?;
        Ok(Found::Below(below))
    }

    fn check_free(&mut self, path: &str) -> Result<(), StorageError> {
        match self.find(path) {
            Err(StorageError::NotFound { .. }) => {}
            Ok(_) => {
                return Err(StorageError::AlreadyExists {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(error),
        }
        self.check_parent(path)
    }

    fn check_parent(&mut self, path: &str) -> Result<(), StorageError> {
        match parent(path).map(|dir| self.find(dir)).transpose()? {
            None | Some(Found::New | Found::Dir(_)) => Ok(()),
            Some(Found::Own(_) | Found::Below(_)) => Err(failure(path, "not in a directory")),
        }
    }

    fn add_file(&mut self, path: &str, bytes: Vec<u8>) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, bytes);
        self.upper.insert(path.to_owned(), Upper::File(file));
        file
    }

    fn add_handle(&mut self, path: &str, access: Access, source: Source) -> FileId {
        let id = self.next_handle;
        self.next_handle += 1;
        let handle = Handle {
            path: path.to_owned(),
            access,
            source,
        };
        self.handles.insert(id, handle);
        FileId(id)
    }

    fn source(&self, file: FileId) -> Result<Source, StorageError> {
        let handle = self.handles.get(&file.0);
        handle
            .map(|handle| handle.source)
            .ok_or_else(|| failure("", "the file is not open"))
    }

    /// The bytes of a copy.
    fn own(&mut self, copy: u64) -> Result<&mut Vec<u8>, StorageError> {
        let missing = || failure("", "the file is gone");
        self.files.get_mut(&copy).ok_or_else(missing)
    }

    /// The bytes of a file that is about to change, copied from below the first time.
    fn writable(&mut self, file: FileId) -> Result<&mut Vec<u8>, StorageError> {
        let source = self.source(file)?;
        let handle = self.handles.get(&file.0);
        let path = handle.map_or("", |handle| &handle.path).to_owned();
        if handle.is_some_and(|handle| handle.access == Access::Read) {
            return Err(failure(&path, "the file is open for reading only"));
        }
        match source {
            Source::Own(copy) => self.own(copy),
            Source::Below(_) => {
                let copy = self.copy_up(&path)?;
                self.own(copy)
            }
        }
    }

    /// Copies a file from below; all handles on it see the copy from now on.
    fn copy_up(&mut self, path: &str) -> Result<u64, StorageError> {
        let below = self.path_below(path).ok_or_else(|| not_found(path))?;
        let bytes = read_file(self.below, &below)?;
        let copy = self.add_file(path, bytes);
        let mut closed = Vec::new();
        for handle in self.handles.values_mut().filter(|h| h.path == path) {
            if let Source::Below(file) = handle.source {
                closed.push(file);
                handle.source = Source::Own(copy);
            }
        }
        for file in closed {
            self.below.close(file)?;
        }
        Ok(copy)
    }

    /// Before a name goes, or a directory with all below it: who has such a file open goes on with
    /// a copy of it, for the name will stand for something else.
    fn keep_for_handles(&mut self, path: &str) -> Result<(), StorageError> {
        let below = format!("{path}/");
        let goes = |name: &str| name == path || name.starts_with(&below);
        let open = (self.handles.values())
            .filter(|h| matches!(h.source, Source::Below(_)) && goes(&h.path));
        let open: BTreeSet<String> = open.map(|handle| handle.path.clone()).collect();
        for path in open {
            self.copy_up(&path)?;
        }
        Ok(())
    }

    /// Forgets what was changed below a directory that is removed.
    fn forget_below(&mut self, dir: &str) {
        let below = format!("{dir}/");
        self.upper.retain(|name, _| !name.starts_with(&below));
    }
}

impl Storage for Overlay<'_> {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        self.check_free(path)?;
        self.upper.insert(path.to_owned(), Upper::Dir);
        Ok(())
    }

    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        let mut names = match self.find(dir)? {
            Found::New => Vec::new(),
            Found::Dir(below) => self.below.list(&below)?,
            Found::Own(_) | Found::Below(_) => return Err(failure(dir, "not a directory")),
        };
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        for (path, upper) in &self.upper {
            let name = path
                .strip_prefix(&prefix)
                .filter(|name| !name.contains('/'));
            let Some(name) = name else { continue };
            names.retain(|known| known != name);
            if *upper != Upper::Gone {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        self.check_free(path)?;
        let file = self.add_file(path, Vec::new());
        Ok(self.add_handle(path, Access::Write, Source::Own(file)))
    }

    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError> {
        let source = match self.find(path)? {
            Found::New | Found::Dir(_) => return Err(failure(path, "is a directory")),
            Found::Own(file) => Source::Own(file),
            // For reading only, whatever it is wanted for: the first write makes a copy.
            Found::Below(below) => Source::Below(self.below.open(&below, Access::Read)?),
        };
        Ok(self.add_handle(path, access, source))
    }

    /// The view has one user, and takes no locks below.
    fn lock(&mut self, file: FileId) -> Result<(), StorageError> {
        self.source(file).map(|_| ())
    }

    fn close(&mut self, file: FileId) -> Result<(), StorageError> {
        let source = self.source(file)?;
        self.handles.remove(&file.0);
        match source {
            Source::Own(_) => Ok(()),
            Source::Below(file) => self.below.close(file),
        }
    }

    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        match self.source(file)? {
            Source::Own(copy) => Ok(self.own(copy)?.len() as u64),
            Source::Below(file) => self.below.len(file),
        }
    }

    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        let len = usize::try_from(len).map_err(|_| failure("", "does not fit into memory"))?;
        self.writable(file)?.resize(len, 0);
        Ok(())
    }

    fn read_at(&mut self, file: FileId, at: u64, to: &mut [u8]) -> Result<usize, StorageError> {
        match self.source(file)? {
            Source::Own(copy) => {
                let bytes = self.own(copy)?;
                let start = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let taken = to.len().min(bytes.len() - start);
                to[..taken].copy_from_slice(&bytes[start..start + taken]);
                Ok(taken)
            }
            Source::Below(file) => read_full(self.below, file, at, to),
        }
    }

    fn write_at(&mut self, file: FileId, at: u64, data: &[u8]) -> Result<usize, StorageError> {
        let start = usize::try_from(at).map_err(|_| failure("", "does not fit into memory"))?;
        let bytes = self.writable(file)?;
        let end = start.saturating_add(data.len());
        if !data.is_empty() {
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[start..end].copy_from_slice(data);
        }
        Ok(data.len())
    }

    fn sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.source(file).map(|_| ())
    }

    /// Renames files, and directories that were made in the view.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        let file = match self.find(from)? {
            Found::Own(file) => file,
            Found::Below(_) => self.copy_up(from)?,
            Found::Dir(_) => return Err(failure(from, "a view renames no directories below it")),
            Found::New => {
                self.check_free(to)?;
                let below = format!("{from}/");
                let moved = |name: &String| name == from || name.starts_with(&below);
                let names: Vec<_> = self.upper.keys().filter(|n| moved(n)).cloned().collect();
                for name in names {
                    if let Some(upper) = self.upper.insert(name.clone(), Upper::Gone) {
                        self.upper
                            .insert(format!("{to}{}", &name[from.len()..]), upper);
                    }
                }
                return Ok(());
            }
        };
        match self.find(to) {
            Ok(Found::New | Found::Dir(_)) => {
                return Err(StorageError::AlreadyExists {
                    path: to.to_owned(),
                });
            }
            Ok(Found::Own(_) | Found::Below(_)) => self.keep_for_handles(to)?,
            Err(StorageError::NotFound { .. }) => self.check_parent(to)?,
            Err(error) => return Err(error),
        }
        self.upper.insert(from.to_owned(), Upper::Gone);
        self.upper.insert(to.to_owned(), Upper::File(file));
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        match self.find(path)? {
            Found::New | Found::Dir(_) => Err(failure(path, "is a directory")),
            Found::Own(_) | Found::Below(_) => {
                self.keep_for_handles(path)?;
                self.upper.insert(path.to_owned(), Upper::Gone);
                Ok(())
            }
        }
    }

    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        match self.find(path)? {
            Found::Own(_) | Found::Below(_) => Err(failure(path, "not a directory")),
            Found::New | Found::Dir(_) => {
                self.keep_for_handles(path)?;
                self.forget_below(path);
                self.upper.insert(path.to_owned(), Upper::Gone);
                Ok(())
            }
        }
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        match self.find(dir)? {
            Found::New | Found::Dir(_) => Ok(()),
            Found::Own(_) | Found::Below(_) => Err(failure(dir, "not a directory")),
        }
    }
}
