//! Putting older files back: a part of a disk is that of an earlier day. Touches only the disk.

use crate::disk::{
    CrashFates, SimDisk,
    tree::{Change, Edit, Node},
};

impl SimDisk {
    /// Puts the files whose paths begin with `path` back as an earlier snapshot had them, all
    /// durable; those that it did not have are gone. The rest of the disk stays, all of it durable,
    /// as for [`SimDisk::restore`].
    pub fn restore_part(&mut self, snapshot: &Self, path: &str) {
        let names = self.file_names();
        for name in names.iter().filter(|name| name.starts_with(path)) {
            self.vanish(name);
        }
        for (name, id) in snapshot.tree.files() {
            if let Some(data) = snapshot.tree.file(id)
                && name.starts_with(path)
            {
                self.put(&name, Node::File(data.clone()));
            }
        }
        let (choices, node) = (self.choices.clone(), self.node);
        self.crash(&choices, node, 0, CrashFates::KeepAll);
    }

    /// Gives a node a name that is free, durably, if its directory is there.
    fn put(&mut self, path: &str, node: Node) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(dir) = self.tree.find(dir) else {
            return;
        };
        let new = self.tree.add(node);
        let edit = Edit {
            dir,
            name: name.to_owned(),
            old: None,
            new: Some(new),
        };
        self.tree.change(Change {
            path: path.to_owned(),
            edits: vec![edit],
        });
        self.tree.sync_dir(dir);
    }
}
