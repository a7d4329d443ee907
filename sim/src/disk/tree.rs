//! Directories of a simulated disk: names now, durable names, and the changes between them. Pure.
//!
//! Files and directories are numbered nodes, as on a real disk, so that a renamed file keeps its
//! bytes and open handles. Each change of names is one [`Change`], which a crash keeps or loses as
//! a whole: a rename is never half done.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::file::FileData;

/// A file or directory. Numbers are used again; nothing random depends on them.
pub(super) type NodeId = usize;

/// The directory that everything is in.
pub(super) const ROOT: NodeId = 0;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    File(FileData),
    Dir(Dir),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Dir {
    pub(super) now: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
}

/// One name in one directory gets a new meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) dir: NodeId,
    pub(super) name: String,
    /// What had the name before, and what has it after.
    pub(super) old: Option<NodeId>,
    pub(super) new: Option<NodeId>,
}

/// A change of names that is durable as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The path in whose name a crash decides.
    pub(super) path: String,
    pub(super) edits: Vec<Edit>,
}

impl Change {
    /// Whether this change cannot be durable without `earlier`: it is about the same name or the
    /// same node, or removes the directory in which `earlier` happened.
    fn needs(&self, earlier: &Self) -> bool {
        let gone = |id: NodeId| {
            self.edits.iter().any(|e| e.old == Some(id))
                && !self.edits.iter().any(|e| e.new == Some(id))
        };
        earlier.edits.iter().any(|b| {
            gone(b.dir)
                || self.edits.iter().any(|a| {
                    (a.dir == b.dir && a.name == b.name)
                        || [a.old, a.new]
                            .into_iter()
                            .flatten()
                            .any(|id| b.old == Some(id) || b.new == Some(id))
                })
        })
    }

    fn touches(&self, dir: NodeId) -> bool {
        self.edits.iter().any(|edit| edit.dir == dir)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    nodes: Vec<Option<Node>>,
    free: Vec<NodeId>,
    /// Changes that are not durable, oldest first.
    pending: Vec<Change>,
    /// Nodes that have lost their last name for good, but may still be open.
    nameless: Vec<NodeId>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Some(Node::Dir(Dir::default()))],
            free: Vec::new(),
            pending: Vec::new(),
            nameless: Vec::new(),
        }
    }

    pub(super) fn dir(&self, id: NodeId) -> Option<&Dir> {
        match self.nodes.get(id)? {
            Some(Node::Dir(dir)) => Some(dir),
            Some(Node::File(_)) | None => None,
        }
    }

    pub(super) fn file(&self, id: NodeId) -> Option<&FileData> {
        match self.nodes.get(id)? {
            Some(Node::File(file)) => Some(file),
            Some(Node::Dir(_)) | None => None,
        }
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> Option<&mut FileData> {
        match self.nodes.get_mut(id)? {
            Some(Node::File(file)) => Some(file),
            Some(Node::Dir(_)) | None => None,
        }
    }

    fn dir_mut(&mut self, id: NodeId) -> Option<&mut Dir> {
        match self.nodes.get_mut(id)? {
            Some(Node::Dir(dir)) => Some(dir),
            Some(Node::File(_)) | None => None,
        }
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.free.pop() {
            self.nodes[id] = Some(node);
            return id;
        }
        self.nodes.push(Some(node));
        self.nodes.len() - 1
    }

    /// Changes names now, and durably when the directory is synced.
    pub(super) fn change(&mut self, change: Change) {
        for edit in &change.edits {
            if let Some(dir) = self.dir_mut(edit.dir) {
                set(&mut dir.now, edit);
            }
        }
        self.pending.push(change);
    }

    /// The changes that are not durable, oldest first.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Change> {
        self.pending.iter()
    }

    /// Makes all changes of names in a directory durable, with those they need.
    pub(super) fn sync_dir(&mut self, dir: NodeId) -> Vec<Change> {
        let mut wanted: Vec<Change> = Vec::new();
        let mut others: Vec<Change> = Vec::new();
        // Backwards, because a change only needs earlier ones.
        while let Some(change) = self.pending.pop() {
            let needed = change.touches(dir) || wanted.iter().any(|later| later.needs(&change));
            if needed {
                wanted.push(change);
            } else {
                others.push(change);
            }
        }
        others.reverse();
        self.pending = others;
        for change in wanted.iter().rev() {
            self.make_durable(change);
        }
        wanted
    }

    /// Applies a crash: `keep` decides about each change by its path and how many changes of that
    /// path came before. What needs a lost change is lost, too.
    pub(super) fn crash(&mut self, mut keep: impl FnMut(&str, u64) -> bool) {
        let mut asked: BTreeMap<String, u64> = BTreeMap::new();
        let mut lost: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            let nth = asked.entry(change.path.clone()).or_insert(0);
            let kept = keep(&change.path, *nth);
            *nth += 1;
            if kept && !lost.iter().any(|earlier| change.needs(earlier)) {
                self.make_durable(&change);
            } else {
                lost.push(change);
            }
        }
        for node in self.nodes.iter_mut().flatten() {
            match node {
                Node::Dir(dir) => dir.now = dir.durable.clone(),
                Node::File(_) => {}
            }
        }
        self.collect();
    }

    fn make_durable(&mut self, change: &Change) {
        for edit in &change.edits {
            if let Some(dir) = self.dir_mut(edit.dir) {
                set(&mut dir.durable, edit);
            }
            // There is one name per node, so what loses it and gets no other never has one again.
            let renamed = change.edits.iter().any(|other| other.new == edit.old);
            self.nameless.extend(edit.old.filter(|_| !renamed));
        }
    }

    /// Frees the files that have no name any more and are not open.
    pub(super) fn tidy(&mut self, open: &[NodeId]) {
        let nameless = std::mem::take(&mut self.nameless);
        for id in nameless {
            if open.contains(&id) {
                self.nameless.push(id);
            } else if self.file(id).is_some() {
                self.nodes[id] = None;
                self.free.push(id);
            }
        }
    }

    /// Frees everything that no name leads to. After a crash nothing is open or pending.
    fn collect(&mut self) {
        self.nameless.clear();
        let mut reached = BTreeSet::new();
        let mut next = vec![ROOT];
        while let Some(id) = next.pop() {
            if !reached.insert(id) {
                continue;
            }
            if let Some(dir) = self.dir(id) {
                next.extend(dir.now.values().chain(dir.durable.values()));
            }
        }
        for (id, node) in self.nodes.iter_mut().enumerate() {
            if node.is_some() && !reached.contains(&id) {
                *node = None;
                self.free.push(id);
            }
        }
    }

    /// How many nodes take space.
    #[cfg(test)]
    pub(super) fn node_count(&self) -> usize {
        self.nodes.iter().flatten().count()
    }

    /// All files by path as they are named now, sorted.
    pub(super) fn files(&self) -> BTreeMap<String, NodeId> {
        self.walk(|dir| &dir.now)
    }

    /// All files by durable path, sorted.
    pub(super) fn durable_files(&self) -> BTreeMap<String, NodeId> {
        self.walk(|dir| &dir.durable)
    }

    /// What a crash calls each node: by its name now; if it has none, by its durable name; if it
    /// has neither, by a name that it had since the last sync and may get back.
    pub(super) fn nodes_by_name(&self) -> BTreeMap<NodeId, String> {
        let mut names = BTreeMap::new();
        for change in &self.pending {
            for id in change.edits.iter().flat_map(|e| [e.old, e.new]).flatten() {
                names.insert(id, change.path.clone());
            }
        }
        names.extend(
            self.durable_files()
                .into_iter()
                .map(|(path, id)| (id, path)),
        );
        names.extend(self.files().into_iter().map(|(path, id)| (id, path)));
        names
    }

    /// What has this path now.
    pub(super) fn find(&self, path: &str) -> Option<NodeId> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        parts.try_fold(ROOT, |id, part| self.dir(id)?.now.get(part).copied())
    }

    /// The sum of something over a file, or over all files below a directory.
    pub(super) fn sum_below(&self, id: NodeId, of: &dyn Fn(&FileData) -> u64) -> u64 {
        match self.nodes.get(id) {
            Some(Some(Node::File(file))) => of(file),
            Some(Some(Node::Dir(dir))) => dir
                .now
                .values()
                .map(|child| self.sum_below(*child, of))
                .sum(),
            Some(None) | None => 0,
        }
    }

    fn walk(&self, names: impl Fn(&Dir) -> &BTreeMap<String, NodeId>) -> BTreeMap<String, NodeId> {
        let mut files = BTreeMap::new();
        let mut next = vec![(String::new(), ROOT)];
        while let Some((path, id)) = next.pop() {
            let Some(dir) = self.dir(id) else {
                files.insert(path, id);
                continue;
            };
            for (name, child) in names(dir) {
                next.push((join(&path, name), *child));
            }
        }
        files
    }
}

/// The path of `name` in the directory at `dir`.
pub(super) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

fn set(names: &mut BTreeMap<String, NodeId>, edit: &Edit) {
    match edit.new {
        Some(id) => {
            names.insert(edit.name.clone(), id);
        }
        None => {
            names.remove(&edit.name);
        }
    }
}
