//! The storage calls of a simulated disk. Touches only the disk.

use engine::storage::{Access, FileId, Storage, StorageError};

use crate::{
    choice::{Ratio, Stream},
    disk::{
        Handle, SimDisk, Trouble,
        file::FileData,
        tree::{Change, Dir, Edit, Node, NodeId, ROOT, join},
    },
};

/// No file grows beyond this; a larger length is answered by `NoSpace`.
const MAX_FILE_BYTES: u64 = 1 << 32;

/// Where a path leads: the directory of its last part, and that part.
struct Place<'a> {
    dir: NodeId,
    name: &'a str,
    /// What has the name now.
    node: Option<NodeId>,
    /// As it was given.
    path: &'a str,
}

impl Place<'_> {
    /// The path without empty parts and dots.
    fn plain_path(&self) -> String {
        if self
            .path
            .split('/')
            .any(|part| part.is_empty() || part == ".")
        {
            parts(self.path).collect::<Vec<_>>().join("/")
        } else {
            self.path.to_owned()
        }
    }

    fn edit(&self, new: Option<NodeId>) -> Edit {
        Edit {
            dir: self.dir,
            name: self.name.to_owned(),
            old: self.node,
            new,
        }
    }
}

fn io(path: &str, what: &str) -> StorageError {
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

fn exists(path: &str) -> StorageError {
    StorageError::AlreadyExists {
        path: path.to_owned(),
    }
}

fn no_space(path: &str) -> StorageError {
    StorageError::NoSpace {
        path: path.to_owned(),
    }
}

/// The parts of a path; `.` and empty parts mean nothing.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

/// Whether the place `inner` is somewhere in the directory at `outer`.
fn is_below(inner: &Place<'_>, outer: &Place<'_>) -> bool {
    let mut rest = parts(inner.path);
    parts(outer.path).all(|part| rest.next() == Some(part)) && rest.next().is_some()
}

impl SimDisk {
    /// The directory that a path leads to.
    fn directory(&self, path: &str) -> Result<NodeId, StorageError> {
        self.follow(parts(path), path)
    }

    /// Where `parts` lead; `path` is for messages.
    fn follow<'a>(
        &self,
        parts: impl Iterator<Item = &'a str>,
        path: &str,
    ) -> Result<NodeId, StorageError> {
        let mut id = ROOT;
        for part in parts {
            if part == ".." {
                return Err(io(path, "a path may not leave its directory"));
            }
            let dir = self.as_dir(id, path)?;
            id = *dir.now.get(part).ok_or_else(|| not_found(path))?;
        }
        self.as_dir(id, path)?;
        Ok(id)
    }

    fn as_dir(&self, id: NodeId, path: &str) -> Result<&Dir, StorageError> {
        self.tree.dir(id).ok_or_else(|| io(path, "not a directory"))
    }

    /// Finds the place of a path whose directory exists. `None` for the root, which has no place.
    fn place<'a>(&self, path: &'a str) -> Result<Option<Place<'a>>, StorageError> {
        let mut above = parts(path);
        let Some(name) = above.next_back() else {
            return Ok(None);
        };
        if name == ".." {
            return Err(io(path, "a path may not leave its directory"));
        }
        let dir = self.follow(above, path)?;
        let node = self.as_dir(dir, path)?.now.get(name).copied();
        Ok(Some(Place {
            dir,
            name,
            node,
            path,
        }))
    }

    /// The place of an existing file.
    fn place_of_file<'a>(&self, path: &'a str) -> Result<(Place<'a>, NodeId), StorageError> {
        let place = self
            .place(path)?
            .ok_or_else(|| io(path, "is a directory"))?;
        let node = place.node.ok_or_else(|| not_found(path))?;
        if self.tree.file(node).is_none() {
            return Err(io(path, "is a directory"));
        }
        Ok((place, node))
    }

    /// Makes a new node with a name.
    fn make(&mut self, path: &str, node: Node) -> Result<NodeId, StorageError> {
        let place = self.place(path)?.ok_or_else(|| exists(path))?;
        if place.node.is_some() {
            return Err(exists(path));
        }
        if self.faults.no_space {
            return Err(no_space(path));
        }
        self.struck(&[Trouble::NoSpace], path)?;
        let id = self.tree.add(node);
        self.tree.change(Change {
            edits: vec![place.edit(Some(id))],
            path: place.plain_path(),
        });
        Ok(id)
    }

    fn hand_out(&mut self, node: NodeId, path: &str, access: Access) -> FileId {
        let id = FileId(self.next_handle);
        self.next_handle += 1;
        let handle = Handle {
            node,
            path: path.to_owned(),
            access,
            locked: false,
        };
        self.handles.insert(id, handle);
        id
    }

    fn handle(&self, file: FileId) -> Result<&Handle, StorageError> {
        self.handles
            .get(&file)
            .ok_or_else(|| io(&format!("file #{}", file.0), "not open"))
    }

    /// The path of an open file as it was given, empty for one that is not open. Costs nothing if
    /// the disk has no troubles.
    fn path_of(&self, file: FileId) -> String {
        if self.troubles.is_empty() {
            return String::new();
        }
        let handle = self.handles.get(&file);
        handle.map_or_else(String::new, |handle| handle.path.clone())
    }

    fn data(&self, file: FileId) -> Result<(&Handle, &FileData), StorageError> {
        let handle = self.handle(file)?;
        let data = self.tree.file(handle.node);
        Ok((handle, data.ok_or_else(|| io(&handle.path, "not a file"))?))
    }

    /// The bytes behind a handle, for writing.
    fn data_mut(&mut self, file: FileId) -> Result<&mut FileData, StorageError> {
        let handle = self.handles.get(&file).ok_or_else(|| io("", "not open"))?;
        let data = self.tree.file_mut(handle.node);
        data.ok_or_else(|| io(&handle.path, "not a file"))
    }

    /// The handle of a file that may be written.
    fn writable(&self, file: FileId) -> Result<&Handle, StorageError> {
        let handle = self.handle(file)?;
        match handle.access {
            Access::Write => Ok(handle),
            Access::Read => Err(io(&handle.path, "opened for reading only")),
        }
    }

    /// Whether this read or write is interrupted.
    fn interrupts(&mut self, file: FileId) -> bool {
        let coords = [u64::from(self.node.0), self.calls - 1, 0, 0];
        let path = self.path_of(file);
        let how_often = self.how_often(Trouble::Interrupt, &path, self.faults.interrupt);
        let drawn = self
            .choices
            .chance(Stream::DiskInterrupt, coords, how_often);
        self.interrupted = drawn && !self.interrupted;
        self.interrupted
    }

    /// How many of `wanted` bytes this call moves.
    fn shorten(&mut self, file: FileId, wanted: usize, how_often: Ratio) -> usize {
        let path = self.path_of(file);
        let how_often = self.how_often(Trouble::Short, &path, how_often);
        let at = |last| [u64::from(self.node.0), self.calls - 1, last, 0];
        if wanted < 2 || !self.choices.chance(Stream::DiskShort, at(0), how_often) {
            return wanted;
        }
        let mut draw = self.choices.draw(Stream::DiskShort, at(1));
        usize::try_from(draw.between(1..=wanted as u64 - 1)).unwrap_or(wanted)
    }

    fn do_read(
        &mut self,
        file: FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let interrupted = self.interrupts(file);
        self.struck(&[Trouble::FailReads], &self.path_of(file))?;
        let (handle, data) = self.data(file)?;
        if self.faults.fail_reads {
            return Err(io(&handle.path, "input/output error"));
        }
        if interrupted {
            let path = handle.path.clone();
            return Err(StorageError::Interrupted { path });
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let wanted = data.bytes().len().saturating_sub(start).min(buffer.len());
        let count = self.shorten(file, wanted, self.faults.short_read);
        let rest = self.data(file)?.1.bytes().get(start..).unwrap_or_default();
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn do_write(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<usize, StorageError> {
        let interrupted = self.interrupts(file);
        self.writable(file)?;
        self.struck(&[Trouble::FailWrites], &self.path_of(file))?;
        let handle = self.writable(file)?;
        if self.faults.fail_writes {
            return Err(io(&handle.path, "input/output error"));
        }
        if interrupted {
            let path = handle.path.clone();
            return Err(StorageError::Interrupted { path });
        }
        if data.is_empty() {
            return Ok(0);
        }
        let len = self.data(file)?.1.bytes().len() as u64;
        let path = handle.path.clone();
        let grows = offset.saturating_add(data.len() as u64) > len;
        let troubled = grows && self.meets(Trouble::NoSpace, &path);
        let full = self.faults.no_space || troubled;
        let limit = if full { len } else { MAX_FILE_BYTES };
        // What fits is written, as write(2) does on a full disk.
        let room = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        if room == 0 {
            if troubled {
                self.strike(Trouble::NoSpace, &path);
            }
            return Err(no_space(&path));
        }
        let count = self.shorten(file, data.len().min(room), self.faults.short_write);
        let start = usize::try_from(offset).map_err(|_| no_space(&path))?;
        self.data_mut(file)?.write(start, &data[..count]);
        Ok(count)
    }

    fn do_set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        let handle = self.writable(file)?;
        if self.faults.fail_writes {
            return Err(io(&handle.path, "input/output error"));
        }
        let now = self.data(file)?.1.bytes().len() as u64;
        let grows = len > now;
        let path = handle.path.clone();
        if len > MAX_FILE_BYTES || (grows && self.faults.no_space) {
            return Err(no_space(&path));
        }
        let troubles: &[Trouble] = match grows {
            true => &[Trouble::FailWrites, Trouble::NoSpace],
            false => &[Trouble::FailWrites],
        };
        self.struck(troubles, &path)?;
        let len = usize::try_from(len).map_err(|_| no_space(&path))?;
        self.data_mut(file)?.set_len(len);
        Ok(())
    }

    fn do_sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.handle(file)?;
        let path = self.path_of(file);
        let troubled = self.meets(Trouble::FailSyncs, &path);
        if troubled {
            self.strike(Trouble::FailSyncs, &path);
        }
        let failing = troubled || self.faults.fail_syncs;
        if !failing {
            self.note_sync(file);
        }
        let data = self.data_mut(file)?;
        if failing {
            data.fail_sync();
            return Err(io(&self.handle(file)?.path, "input/output error"));
        }
        data.sync();
        Ok(())
    }

    fn do_lock(&mut self, file: FileId) -> Result<(), StorageError> {
        let node = self.handle(file)?.node;
        self.struck(&[Trouble::Locked], &self.path_of(file))?;
        let mut others = self.handles.iter().filter(|(id, _)| **id != file);
        if others.any(|(_, other)| other.node == node && other.locked) {
            return Err(StorageError::Locked {
                path: self.handle(file)?.path.clone(),
            });
        }
        if let Some(handle) = self.handles.get_mut(&file) {
            handle.locked = true;
        }
        Ok(())
    }

    fn do_rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        let source = self.place(from)?.ok_or_else(|| io(from, "is the root"))?;
        let node = source.node.ok_or_else(|| not_found(from))?;
        let target = self.place(to)?.ok_or_else(|| exists(to))?;
        let is_dir = self.tree.dir(node).is_some();
        if target.node == Some(node) && !is_dir {
            return Ok(());
        }
        // Only files are replaced, and only by files.
        if target
            .node
            .is_some_and(|old| is_dir || self.tree.dir(old).is_some())
        {
            return Err(exists(to));
        }
        if is_dir && is_below(&target, &source) {
            return Err(io(to, "inside the directory that is renamed"));
        }
        self.tree.change(Change {
            edits: vec![source.edit(None), target.edit(Some(node))],
            path: target.plain_path(),
        });
        Ok(())
    }

    fn do_remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        let place = self.place(path)?.ok_or_else(|| io(path, "is the root"))?;
        let top = place.node.ok_or_else(|| not_found(path))?;
        self.as_dir(top, path)?;
        // One name after the other, contents first, as removing a directory is many calls in truth:
        // a crash may leave any of it.
        let mut changes = vec![Change {
            edits: vec![place.edit(None)],
            path: place.plain_path(),
        }];
        let mut next = vec![(top, place.plain_path())];
        while let Some((dir, dir_path)) = next.pop() {
            for (name, node) in &self.as_dir(dir, path)?.now {
                let path = join(&dir_path, name);
                changes.push(Change {
                    edits: vec![Edit {
                        dir,
                        name: name.clone(),
                        old: Some(*node),
                        new: None,
                    }],
                    path: path.clone(),
                });
                if self.tree.dir(*node).is_some() {
                    next.push((*node, path));
                }
            }
        }
        for change in changes.into_iter().rev() {
            self.tree.change(change);
        }
        Ok(())
    }

    fn do_sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        let id = self.directory(dir)?;
        self.struck(&[Trouble::FailSyncs], dir)?;
        let changes = self.tree.sync_dir(id);
        self.note_names(&changes);
        let open: Vec<NodeId> = self.handles.values().map(|handle| handle.node).collect();
        self.tree.tidy(&open);
        Ok(())
    }
}

impl Storage for SimDisk {
    fn create_dir(&mut self, path: &str) -> Result<(), StorageError> {
        self.call(|disk| disk.make(path, Node::Dir(Dir::default())).map(|_| ()))
    }

    fn list(&mut self, dir: &str) -> Result<Vec<String>, StorageError> {
        self.call(|disk| {
            let id = disk.directory(dir)?;
            Ok(disk.as_dir(id, dir)?.now.keys().cloned().collect())
        })
    }

    fn create(&mut self, path: &str) -> Result<FileId, StorageError> {
        self.call(|disk| {
            let node = disk.make(path, Node::File(FileData::default()))?;
            Ok(disk.hand_out(node, path, Access::Write))
        })
    }

    fn open(&mut self, path: &str, access: Access) -> Result<FileId, StorageError> {
        self.call(|disk| {
            let (_, node) = disk.place_of_file(path)?;
            Ok(disk.hand_out(node, path, access))
        })
    }

    fn lock(&mut self, file: FileId) -> Result<(), StorageError> {
        self.call(|disk| disk.do_lock(file))
    }

    fn close(&mut self, file: FileId) -> Result<(), StorageError> {
        self.call(|disk| {
            disk.handle(file)?;
            disk.handles.remove(&file);
            Ok(())
        })
    }

    fn len(&mut self, file: FileId) -> Result<u64, StorageError> {
        self.call(|disk| Ok(disk.data(file)?.1.bytes().len() as u64))
    }

    fn set_len(&mut self, file: FileId, len: u64) -> Result<(), StorageError> {
        self.call(|disk| disk.do_set_len(file, len))
    }

    fn read_at(
        &mut self,
        file: FileId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        self.call(|disk| disk.do_read(file, offset, buffer))
    }

    fn write_at(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<usize, StorageError> {
        self.call(|disk| disk.do_write(file, offset, data))
    }

    fn sync(&mut self, file: FileId) -> Result<(), StorageError> {
        self.call(|disk| disk.do_sync(file))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.meet_rename(to);
        self.call(|disk| disk.do_rename(from, to))
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        self.call(|disk| {
            let (place, _) = disk.place_of_file(path)?;
            disk.tree.change(Change {
                edits: vec![place.edit(None)],
                path: place.plain_path(),
            });
            Ok(())
        })
    }

    fn remove_dir_all(&mut self, path: &str) -> Result<(), StorageError> {
        self.call(|disk| disk.do_remove_dir_all(path))
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), StorageError> {
        self.call(|disk| disk.do_sync_dir(dir))
    }
}
