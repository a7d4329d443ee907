//! A disk in memory that forgets, at a crash, what was not synced.
//!
//! What the hardware promises: a 512-byte sector is written as a whole or not at all; what `sync`
//! or `sync_dir` covered stays. What it does not promise, a crash decides: each unsynced sector has
//! its new content, its old content, or zeros if it was never durable; an unsynced length is kept
//! or lost; each unsynced change of names is kept or lost as a whole, after those it builds on.
//! Chance comes from `choice`, by node, number of the crash, path and sector.
//!
//! A disk counts its calls and can stop at any of them, before or after it has taken effect. Faults
//! without a crash are in [`DiskFaults`], each with its off-switch; all are off at first. What a
//! plan gives to some of the files, and damage at rest, are [`Trouble`].

mod backup;
mod calls;
mod effects;
mod file;
#[cfg(test)]
mod tests;
mod tree;
mod trouble;

use std::collections::BTreeMap;

use engine::{
    storage::{Access, FileId, StorageError},
    types::PeerId,
};
use serde::{Deserialize, Serialize};

use crate::choice::{Choices, Ratio, Stream, name_coordinate};

use file::SectorFate;
use tree::{NodeId, Tree};
use trouble::Lasting;
pub use trouble::{Strike, Trouble};

/// What a crash does to everything that is not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashFates {
    /// Chance decides about each sector, length and name.
    #[default]
    Draw,
    /// All of it is lost.
    LoseAll,
    /// All of it is kept, as if it had just been synced. Sectors whose sync had failed are lost.
    KeepAll,
}

/// On which side of a call the machine stops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The call has no effect.
    #[default]
    Before,
    /// The call has its effect, but nobody learns of it.
    After,
}

/// The call at which the machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StopAt {
    /// The call's number, from 0: the next call has the number [`SimDisk::calls`].
    pub call: u64,
    /// Before or after its effect.
    pub side: Side,
}

/// What goes wrong without a crash. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskFaults {
    /// How often a write of two bytes or more takes only some of them.
    pub short_write: Ratio,
    /// How often a read of two bytes or more brings only some of them.
    pub short_read: Ratio,
    /// How often a read or write is interrupted (EINTR). Never twice in a row, so that repeating
    /// helps even if it is always.
    pub interrupt: Ratio,
    /// Nothing that needs space works (ENOSPC): new names, and bytes past the end of a file.
    pub no_space: bool,
    /// Reads fail (EIO).
    pub fail_reads: bool,
    /// Writes fail without effect (EIO).
    pub fail_writes: bool,
    /// Syncs of files fail (EIO), and what they should have written is never written, even if a
    /// later sync succeeds: only new writes are.
    pub fail_syncs: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Handle {
    node: NodeId,
    /// As given when it was opened; for messages.
    path: String,
    access: Access,
    locked: bool,
}

/// The disk of one node. A clone is a complete snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimDisk {
    node: PeerId,
    choices: Choices,
    faults: DiskFaults,
    tree: Tree,
    handles: BTreeMap<FileId, Handle>,
    /// Never used twice, so that a handle from before a crash is refused.
    next_handle: u32,
    calls: u64,
    stop_at: Option<StopAt>,
    /// The beginning of the new path at whose rename the machine stops, and the side.
    stop_at_rename: Option<(String, Side)>,
    stopped: bool,
    /// Whether the last read or write was interrupted.
    interrupted: bool,
    troubles: Vec<Lasting>,
    strikes: Vec<Strike>,
    /// What has become durable, while somebody wants to know.
    effects: Option<Vec<String>>,
}

impl SimDisk {
    /// An empty disk for `node`, which draws the chances of its faults from `choices`.
    #[must_use]
    pub fn new(node: PeerId, choices: Choices) -> Self {
        Self {
            node,
            choices,
            faults: DiskFaults::default(),
            tree: Tree::new(),
            handles: BTreeMap::new(),
            next_handle: 0,
            calls: 0,
            stop_at: None,
            stop_at_rename: None,
            stopped: false,
            interrupted: false,
            troubles: Vec::new(),
            strikes: Vec::new(),
            effects: None,
        }
    }

    /// How many calls were made so far, not counting those refused after a stop.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Stops the machine at a call: it fails with `StorageError::Crashed`, and so does every later
    /// one until [`SimDisk::crash`]. A call that has passed already is never reached.
    pub fn stop_at(&mut self, stop: Option<StopAt>) {
        self.stop_at = stop;
    }

    /// Stops the machine at the next rename to a path that begins with this one, as
    /// [`SimDisk::stop_at`] does at a number.
    pub fn stop_at_rename(&mut self, stop: Option<(String, Side)>) {
        self.stop_at_rename = stop;
    }

    /// Whether a rename is still waited for. One that has stopped the machine is not.
    #[must_use]
    pub fn waits_for_rename(&self) -> bool {
        self.stop_at_rename.is_some()
    }

    /// The next call is a rename to `path`.
    fn meet_rename(&mut self, path: &str) {
        let (call, met) = (self.calls, |(wanted, _): &mut (String, Side)| {
            path.starts_with(wanted.as_str())
        });
        if !self.stopped
            && let Some((_, side)) = self.stop_at_rename.take_if(met)
        {
            self.stop_at = Some(StopAt { call, side });
        }
    }

    /// Whether the machine has stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The faults that are on.
    #[must_use]
    pub fn faults(&self) -> DiskFaults {
        self.faults
    }

    /// Turns faults on and off.
    pub fn set_faults(&mut self, faults: DiskFaults) {
        self.faults = faults;
    }

    /// Draws the chances of later faults and interruptions from other choices.
    pub fn set_choices(&mut self, choices: Choices) {
        self.choices = choices;
    }

    /// The machine stops and starts again. What survives is durable; handles and locks are gone,
    /// and so is what [`SimDisk::stop_at`] was told. Faults stay on.
    ///
    /// `crash_no` counts the crashes of `node` in this run.
    pub fn crash(&mut self, choices: &Choices, node: PeerId, crash_no: u64, fates: CrashFates) {
        let coords = |path: &str, last| [u64::from(node.0), crash_no, name_coordinate(path), last];
        let draw = |stream, path: &str, last, outcomes| match fates {
            CrashFates::Draw => choices.draw(stream, coords(path, last)).below(outcomes),
            CrashFates::LoseAll => 1,
            CrashFates::KeepAll => 0,
        };
        for (id, path) in self.tree.nodes_by_name() {
            let Some(file) = self.tree.file_mut(id) else {
                continue;
            };
            let keep_len = file.len_is_unsynced() && draw(Stream::DiskLength, &path, 0, 2) == 0;
            file.crash(
                |sector| match draw(Stream::DiskSector, &path, sector, 3) {
                    0 => SectorFate::Kept,
                    1 => SectorFate::Lost,
                    _ => SectorFate::Zeroed,
                },
                keep_len,
            );
        }
        self.tree
            .crash(|path, nth| draw(Stream::DiskDirectory, path, nth, 2) == 0);
        self.handles.clear();
        self.stop_at = None;
        self.stop_at_rename = None;
        self.stopped = false;
        self.interrupted = false;
    }

    /// A copy of everything.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        self.clone()
    }

    /// Puts the files of an earlier snapshot back, as they were seen then, all durable: the machine
    /// is started from a backup. Handles are gone; faults, choices and the count of calls stay.
    pub fn restore(&mut self, snapshot: &Self) {
        self.tree = snapshot.tree.clone();
        let (choices, node) = (self.choices.clone(), self.node);
        self.crash(&choices, node, 0, CrashFates::KeepAll);
    }

    /// How many bytes a crash could take or change, in the file at `path` or the files below it; of
    /// the whole disk if `path` is empty.
    #[must_use]
    pub fn unsynced_bytes(&self, path: &str) -> u64 {
        let unsynced = |file: &file::FileData| file.unsynced_bytes();
        self.tree
            .find(path)
            .map_or(0, |node| self.tree.sum_below(node, &unsynced))
    }

    /// Which 512-byte sectors a crash could change, by path: for reports.
    #[must_use]
    pub fn unsynced_sectors(&self) -> BTreeMap<String, Vec<u64>> {
        let files = self.tree.files().into_iter();
        files
            .filter_map(|(path, id)| Some((path, self.tree.file(id)?.unsynced_sectors())))
            .filter(|(_, sectors)| !sectors.is_empty())
            .collect()
    }

    /// The paths of all changes of names that a crash could lose, oldest first.
    #[must_use]
    pub fn unsynced_names(&self) -> Vec<String> {
        self.tree
            .pending()
            .map(|change| change.path.clone())
            .collect()
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn file_names(&self) -> Vec<String> {
        self.tree.files().into_keys().collect()
    }

    /// The paths of all files whose names are certain to survive, sorted.
    #[must_use]
    pub fn durable_names(&self) -> Vec<String> {
        self.tree.durable_files().into_keys().collect()
    }

    /// What a program would read of the file that has this path now.
    #[must_use]
    pub fn read_current(&self, path: &str) -> Option<Vec<u8>> {
        let id = self.tree.find(path)?;
        self.tree.file(id).map(|file| file.bytes().to_vec())
    }

    /// What is certain to be under this path after a crash, `None` if the name is not durable.
    #[must_use]
    pub fn read_durable(&self, path: &str) -> Option<Vec<u8>> {
        let id = *self.tree.durable_files().get(path)?;
        self.tree.file(id).map(file::FileData::durable)
    }

    /// Counts a call and runs it, unless the machine has stopped or stops here.
    fn call<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.stopped {
            return Err(StorageError::Crashed);
        }
        let number = self.calls;
        self.calls += 1;
        match self.stop_at.filter(|stop| stop.call == number) {
            None => run(self),
            Some(stop) => {
                self.stopped = true;
                match stop.side {
                    Side::Before => {}
                    // Its answer is lost with the machine.
                    Side::After => drop(run(self)),
                }
                Err(StorageError::Crashed)
            }
        }
    }
}
