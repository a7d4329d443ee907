//! Prepares the file of the next segment ahead of the cut that needs it, as etcd's file pipeline
//! does: made, locked and filled with zeros under a temporary name. Nothing here runs in the
//! background, so whoever owns the log says when there is time for it.

use super::directory::{TEMPORARY, create, path, retry, write_synced};
use super::{SegmentName, segment_name};
use crate::storage::{FileId, Storage, StorageError};

/// At most one file that waits for its segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pipeline {
    prepared: Option<(String, FileId)>,
}

impl Pipeline {
    /// Prepares a file for the segment with this number, unless one waits already. Its name says
    /// that it is no segment yet: the next start removes what a crash leaves of it.
    pub(super) fn prepare(
        &mut self,
        storage: &mut dyn Storage,
        dir: &str,
        sequence: u64,
        preallocate: u64,
    ) -> Result<(), StorageError> {
        if self.prepared.is_none() {
            let temporary = path(dir, &format!("{}{TEMPORARY}", segment_name(sequence, 0)));
            let file = create(storage, &temporary, preallocate)?;
            self.prepared = Some((temporary, file));
        }
        Ok(())
    }

    /// A file that begins with these bytes, durable under the name of the segment. The name is not
    /// durable yet.
    pub(super) fn take(
        &mut self,
        storage: &mut dyn Storage,
        dir: &str,
        name: SegmentName,
        header: &[u8],
        preallocate: u64,
    ) -> Result<FileId, StorageError> {
        self.prepare(storage, dir, name.sequence, preallocate)?;
        let (temporary, file) = self.prepared.take().expect("prepared");
        write_synced(storage, &temporary, file, header)?;
        let segment = path(dir, &segment_name(name.sequence, name.index));
        let named = retry(|| storage.rename(&temporary, &segment));
        if named.is_err() {
            let _ = retry(|| storage.close(file));
        }
        named.map(|()| file)
    }

    /// Gives the prepared file up. A failure leaves what the next start removes.
    pub(super) fn close(&mut self, storage: &mut dyn Storage) {
        if let Some((temporary, file)) = self.prepared.take() {
            let _ = retry(|| storage.close(file));
            let _ = retry(|| storage.remove(&temporary));
        }
    }
}
