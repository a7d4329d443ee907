//! What became durable, in order: the disk's own record, for judges. Touches only the disk.

use engine::storage::FileId;

use crate::disk::{SimDisk, tree::Change};

impl SimDisk {
    /// From now on remembers what becomes durable.
    pub fn watch(&mut self) {
        self.effects = Some(Vec::new());
    }

    /// The paths of files and names that became durable since [`SimDisk::watch`], in order. Ends
    /// the watch.
    pub fn take_effects(&mut self) -> Vec<String> {
        self.effects.take().unwrap_or_default()
    }

    /// A sync is about to make the content of a file durable.
    pub(super) fn note_sync(&mut self, file: FileId) {
        let Some(effects) = &mut self.effects else {
            return;
        };
        let Some(handle) = self.handles.get(&file) else {
            return;
        };
        let data = self.tree.file(handle.node);
        if data.is_some_and(|data| data.unsynced_bytes() > 0) {
            effects.push(handle.path.clone());
        }
    }

    /// These changes of names are durable; the newest comes first. A name that went away is no
    /// effect: nothing new can be relied on.
    pub(super) fn note_names(&mut self, changes: &[Change]) {
        if let Some(effects) = &mut self.effects {
            let given = |change: &&Change| change.edits.iter().any(|edit| edit.new.is_some());
            let paths = changes.iter().rev().filter(given);
            effects.extend(paths.map(|change| change.path.clone()));
        }
    }
}
