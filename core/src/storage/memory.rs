//! A disk in memory: plain, without faults, everything durable at once.
//!
//! For tests and for callers that want a [`Storage`] but no disk. Locks are honoured. It touches
//! nothing outside itself, and a clone is an independent copy. `check_path` is shared with
//! [`super::RealStorage`], so that both refuse the same paths.

use std::collections::BTreeMap;

use super::{Access, FileId, Storage, StorageError};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    /// The key of the content. Content is not stored under its name, so that open handles survive a
    /// rename.
    File(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    bytes: Vec<u8>,
    locked_by: Option<FileId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Handle {
    content: u64,
    access: Access,
    path: String,
}

/// Files and directories in memory, without faults.
///
/// Content that was removed while open stays readable through its handles, as on a real system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStorage {
    nodes: BTreeMap<String, Node>,
    contents: BTreeMap<u64, Content>,
    handles: BTreeMap<u32, Handle>,
    next_content: u64,
    next_handle: u32,
}

impl MemoryStorage {
    /// The machine stops and starts again: handles and locks are gone, content stays, for it was
    /// durable at once.
    pub fn restart(&mut self) {
        self.handles.clear();
        self.contents
            .values_mut()
            .for_each(|content| content.locked_by = None);
    }
}

/// Refuses paths that could lead outside the root, and gives the root one spelling: the empty path.
pub(super) fn check_path(path: &str) -> Result<&str, StorageError> {
    if path.is_empty() || path == "." {
        return Ok("");
    }
    let allowed = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if allowed {
        Ok(path)
    } else {
        Err(failure(
            path,
            "a path is relative, without empty parts, `.` and `..`",
        ))
    }
}

pub(super) fn failure(path: &str, what: &str) -> StorageError {
    StorageError::Io {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

fn not_found(path: &str) -> StorageError {
    StorageError::NotFound {
        path: path.to_owned(),
    }
}

fn already_exists(path: &str) -> StorageError {
    StorageError::AlreadyExists {
        path: path.to_owned(),
    }
}

impl MemoryStorage {
    /// What stands under a path, if all directories on the way there exist.
    fn find(&self, path: &str) -> Result<Node, StorageError> {
        let path = check_path(path)?;
        if path.is_empty() {
            return Ok(Node::Directory);
        }
        self.check_parent(path)?;
        self.nodes.get(path).copied().ok_or_else(|| not_found(path))
    }

    /// The parent must be a directory: `NotFound` if part of it is missing, `Io` if part of it is a
    /// file.
    fn check_parent(&self, path: &str) -> Result<(), StorageError> {
        for (at, _) in path.match_indices('/') {
            match self.nodes.get(&path[..at]) {
                Some(Node::Directory) => {}
                Some(Node::File(_)) => return Err(failure(path, "not a directory")),
                None => return Err(not_found(path)),
            }
        }
        Ok(())
    }

    /// A path for something new: its parent exists, its name is free.
    fn check_free<'a>(&self, path: &'a str) -> Result<&'a str, StorageError> {
        match self.find(path) {
            Ok(Node::Directory | Node::File(_)) => Err(already_exists(path)),
            Err(StorageError::NotFound { .. }) => {
                self.check_parent(path)?;
                Ok(path)
            }
            Err(error) => Err(error),
        }
    }

    fn handle(&self, file: FileId) -> Result<&Handle, StorageError> {
        self.handles
            .get(&file.0)
            .ok_or_else(|| failure("", "the file is not open"))
    }

    fn add_handle(&mut self, content: u64, access: Access, path: &str) -> FileId {
        let file = FileId(self.next_handle);
        self.next_handle += 1;
        self.handles.insert(
            file.0,
            Handle {
                content,
                access,
                path: path.to_owned(),
            },
        );
        file
    }

    fn content(&self, file: FileId) -> Result<&Content, StorageError> {
        let handle = self.handle(file)?;
        Ok(self
            .contents
            .get(&handle.content)
            .expect("a handle keeps its content alive"))
    }

    fn content_mut(&mut self, file: FileId, access: Access) -> Result<&mut Content, StorageError> {
        let handle = self.handle(file)?;
        if access == Access::Write && handle.access == Access::Read {
            return Err(failure(&handle.path, "the file is open for reading only"));
        }
        let key = handle.content;
        Ok(self
            .contents
            .get_mut(&key)
            .expect("a handle keeps its content alive"))
    }

    /// Drops content that has neither a name nor a handle any more.
    fn forget_unreachable(&mut self, content: u64) {
        let named = self.nodes.values().any(|node| *node == Node::File(content));
        let open = self
            .handles
            .values()
            .any(|handle| handle.content == content);
        if !named && !open {
            self.contents.remove(&content);
        }
    }

    /// The directory's own name and every name below it.
    fn tree(&self, dir: &str) -> Vec<String> {
        let below = format!("{dir}/");
        self.nodes
            .keys()
            .filter(|name| *name == dir || name.starts_with(&below))
            .cloned()
            .collect()
    }
}

/// Where a write or a length ends, as an index into memory.
fn end_index(path: &str, offset: u64, len: usize) -> Result<usize, StorageError> {
    usize::try_from(offset)
        .ok()
        .and_then(|offset| offset.checked_add(len))
        .filter(|end| isize::try_from(*end).is_ok())
        .ok_or_else(|| failure(path, "the offset does not fit into memory"))
}

impl Storage for MemoryStorage {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        let path = self.check_free(path)?;
        self.nodes.insert(path.to_owned(), Node::Directory);
        Ok(())
    }

    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        let Node::Directory = self.find(dir)? else {
            return Err(failure(dir, "not a directory"));
        };
        let dir = check_path(dir)?;
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let names = self
            .nodes
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix));
        Ok(names
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        let path = self.check_free(path)?;
        let content = self.next_content;
        self.next_content += 1;
        self.contents.insert(
            content,
            Content {
                bytes: Vec::new(),
                locked_by: None,
            },
        );
        self.nodes.insert(path.to_owned(), Node::File(content));
        Ok(self.add_handle(content, Access::Write, path))
    }

    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError> {
        match self.find(path)? {
            Node::Directory => Err(failure(path, "is a directory")),
            Node::File(content) => Ok(self.add_handle(content, access, path)),
        }
    }

    fn lock(&mut self, file: FileId) -> Result<(), StorageError> {
        let path = self.handle(file)?.path.clone();
        let content = self.content_mut(file, Access::Read)?;
        match content.locked_by {
            Some(holder) if holder != file => Err(StorageError::Locked { path }),
            Some(_) | None => {
                content.locked_by = Some(file);
                Ok(())
            }
        }
    }

    fn close(&mut self, file: FileId) -> Result<(), StorageError> {
        let content = self.content_mut(file, Access::Read)?;
        if content.locked_by == Some(file) {
            content.locked_by = None;
        }
        let key = self.handle(file)?.content;
        self.handles.remove(&file.0);
        self.forget_unreachable(key);
        Ok(())
    }

    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        Ok(self.content(file)?.bytes.len() as u64)
    }

    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        let end = end_index(&self.handle(file)?.path, len, 0)?;
        self.content_mut(file, Access::Write)?.bytes.resize(end, 0);
        Ok(())
    }

    fn read_at(
        &mut self,
        file: FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let bytes = &self.content(file)?.bytes;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let taken = buffer.len().min(bytes.len() - start);
        buffer[..taken].copy_from_slice(&bytes[start..start + taken]);
        Ok(taken)
    }

    fn write_at(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<usize, StorageError> {
        let end = end_index(&self.handle(file)?.path, offset, data.len())?;
        let bytes = &mut self.content_mut(file, Access::Write)?.bytes;
        if !data.is_empty() {
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[end - data.len()..end].copy_from_slice(data);
        }
        Ok(data.len())
    }

    fn sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.handle(file).map(|_| ())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        let source = self.find(from)?;
        let replaced = match self.find(to) {
            Ok(Node::Directory) => return Err(already_exists(to)),
            Ok(Node::File(_)) if source == Node::Directory => return Err(already_exists(to)),
            Ok(Node::File(content)) => Some(content),
            Err(StorageError::NotFound { .. }) => {
                self.check_parent(to)?;
                None
            }
            Err(error) => return Err(error),
        };
        if from.is_empty() || from == "." || to.starts_with(&format!("{from}/")) {
            return Err(failure(to, "a directory cannot move into itself"));
        }
        for name in self.tree(from) {
            let node = self
                .nodes
                .remove(&name)
                .expect("the name was listed just now");
            self.nodes
                .insert(format!("{to}{}", &name[from.len()..]), node);
        }
        if let Some(content) = replaced {
            self.forget_unreachable(content);
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        match self.find(path)? {
            Node::Directory => Err(failure(path, "is a directory")),
            Node::File(content) => {
                self.nodes.remove(path);
                self.forget_unreachable(content);
                Ok(())
            }
        }
    }

    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        if self.find(path)? != Node::Directory || check_path(path)?.is_empty() {
            return Err(failure(path, "not a directory that can be removed"));
        }
        for name in self.tree(path) {
            if let Some(Node::File(content)) = self.nodes.remove(&name) {
                self.forget_unreachable(content);
            }
        }
        Ok(())
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        match self.find(dir)? {
            Node::Directory => Ok(()),
            Node::File(_) => Err(failure(dir, "not a directory")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{read_file, write_all, write_atomic};

    #[test]
    fn a_handle_survives_the_rename_of_its_directory() {
        let mut disk = MemoryStorage::default();
        disk.create_dir("log.tmp").unwrap();
        let file = disk.create("log.tmp/a").unwrap();
        disk.lock(file).unwrap();
        disk.rename("log.tmp", "log").unwrap();
        write_all(&mut disk, file, 0, b"after").unwrap();
        assert_eq!(read_file(&mut disk, "log/a").unwrap(), b"after");
        let other = disk.open("log/a", Access::Write).unwrap();
        assert!(matches!(disk.lock(other), Err(StorageError::Locked { .. })));
    }

    #[test]
    fn removed_content_is_forgotten_with_its_last_handle() {
        let mut disk = MemoryStorage::default();
        let file = disk.create("a").unwrap();
        disk.remove("a").unwrap();
        assert_eq!(disk.len(file).unwrap(), 0);
        disk.close(file).unwrap();
        assert!(disk.contents.is_empty());
    }

    #[test]
    fn a_name_that_extends_a_directory_name_is_not_inside_it() {
        let mut disk = MemoryStorage::default();
        disk.create_dir("a").unwrap();
        disk.create_dir("a.tmp").unwrap();
        disk.remove_dir_all("a").unwrap();
        assert_eq!(disk.list("").unwrap(), ["a.tmp"]);
    }

    #[test]
    fn an_atomic_write_replaces_what_a_crash_left() {
        let mut disk = MemoryStorage::default();
        disk.create_dir("d").unwrap();
        let left = disk.create("d/state.tmp").unwrap();
        disk.close(left).unwrap();
        write_atomic(&mut disk, "d", "state", b"1").unwrap();
        write_atomic(&mut disk, "d", "state", b"22").unwrap();
        assert_eq!(read_file(&mut disk, "d/state").unwrap(), b"22");
        assert_eq!(disk.list("d").unwrap(), ["state"]);
    }
}
