//! The bytes of one simulated file: what programs see and what a crash may leave. Pure.

/// The unit in which a device writes: all of it, or none of it.
pub(super) const SECTOR: usize = 512;

/// What a crash does to one unsynced sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SectorFate {
    /// It has the new content.
    Kept,
    /// It has the content of the last sync.
    Lost,
    /// It was allocated but never written: all zeros. Only where nothing durable stood: a device
    /// writes a sector as a whole or not at all, so an honest crash never takes what a sync has
    /// covered.
    Zeroed,
}

/// A sector whose content differs, or may differ, from what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dirty {
    sector: u64,
    /// Where its durable content begins in `FileData::old`; `None` if that is all zeros.
    old_at: Option<usize>,
    /// A sync of it failed: later syncs pass over it, and only writing it again changes that.
    abandoned: bool,
}

/// A file's current bytes, and the durable content of all sectors that were changed since the last
/// sync. A sync therefore costs as much as was changed, whatever the size of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FileData {
    bytes: Vec<u8>,
    durable_len: usize,
    /// Sorted by sector.
    dirty: Vec<Dirty>,
    /// The durable content of dirty sectors, `SECTOR` bytes each.
    old: Vec<u8>,
}

impl FileData {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn write(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        self.mark(at, end);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(data);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        // Growing adds zeros where the durable content is zeros, too, or is set aside already.
        self.mark(len, self.bytes.len());
        self.bytes.resize(len, 0);
    }

    /// The length that is certain to survive.
    pub(super) fn durable_len(&self) -> usize {
        self.durable_len
    }

    /// Damages a sector that is durable; says whether it was.
    pub(super) fn alter(&mut self, sector: u64, change: impl FnOnce(&mut [u8])) -> bool {
        let dirty = self.dirty.iter().any(|dirty| dirty.sector == sector);
        let end = self.durable_len.min(self.bytes.len());
        match clip(sector, end).filter(|_| !dirty) {
            Some(range) => {
                change(&mut self.bytes[range]);
                true
            }
            None => false,
        }
    }

    /// Ends the file at `len` if more was durable, now and after a crash; says whether it was.
    pub(super) fn cut(&mut self, len: usize) -> bool {
        if len >= self.durable_len {
            return false;
        }
        self.bytes.resize(len, 0);
        self.durable_len = len;
        let behind = (len as u64).div_ceil(SECTOR as u64);
        self.dirty.retain(|dirty| dirty.sector < behind);
        true
    }

    /// Everything written becomes durable.
    pub(super) fn sync(&mut self) {
        self.durable_len = self.bytes.len();
        self.dirty.retain(|dirty| dirty.abandoned);
        if self.dirty.is_empty() {
            self.old.clear();
        }
    }

    /// The device refused to write: what is unsynced stays readable but is never written, although
    /// later syncs succeed. This is what Linux does after a failed fsync.
    pub(super) fn fail_sync(&mut self) {
        for dirty in &mut self.dirty {
            dirty.abandoned = true;
        }
    }

    /// How many bytes a crash can still take or change.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        let end = self.bytes.len().max(self.durable_len) as u64;
        let unit = SECTOR as u64;
        let in_sectors = |dirty: &Dirty| end.saturating_sub(dirty.sector * unit).min(unit);
        let bytes: u64 = self.dirty.iter().map(in_sectors).sum();
        bytes.max(self.bytes.len().abs_diff(self.durable_len) as u64)
    }

    /// Whether a crash could change the length.
    pub(super) fn len_is_unsynced(&self) -> bool {
        self.bytes.len() != self.durable_len
    }

    /// The sectors that a crash could change.
    pub(super) fn unsynced_sectors(&self) -> Vec<u64> {
        self.dirty.iter().map(|dirty| dirty.sector).collect()
    }

    /// The bytes that are certain to survive.
    pub(super) fn durable(&self) -> Vec<u8> {
        let mut copy = self.clone();
        copy.crash(|_| SectorFate::Lost, false);
        copy.bytes
    }

    /// Applies a crash: every unsynced sector meets its fate, and an unsynced length is kept or
    /// not.
    pub(super) fn crash(&mut self, mut fate: impl FnMut(u64) -> SectorFate, keep_len: bool) {
        let len = if keep_len {
            self.bytes.len()
        } else {
            self.durable_len
        };
        // Long enough for sectors that were cut off and may come back.
        let longest = self.bytes.len().max(self.durable_len);
        self.bytes.resize(longest, 0);
        for dirty in std::mem::take(&mut self.dirty) {
            let drawn = fate(dirty.sector);
            let fate = if dirty.abandoned {
                SectorFate::Lost
            } else {
                drawn
            };
            let Some(range) = clip(dirty.sector, longest) else {
                continue;
            };
            let place = &mut self.bytes[range];
            match (fate, dirty.old_at) {
                (SectorFate::Kept, _) => {}
                (SectorFate::Lost | SectorFate::Zeroed, Some(old_at)) => {
                    place.copy_from_slice(&self.old[old_at..old_at + place.len()]);
                }
                (SectorFate::Lost | SectorFate::Zeroed, None) => place.fill(0),
            }
        }
        self.bytes.truncate(len);
        self.durable_len = len;
        self.old.clear();
    }

    /// Sets the durable content of the sectors that overlap `from..to` aside, unless it is already.
    fn mark(&mut self, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let unit = SECTOR as u64;
        for sector in from as u64 / unit..=(to as u64 - 1) / unit {
            // Logs mostly append: look at the last one first.
            let known = match self.dirty.last() {
                Some(last) if last.sector < sector => Err(self.dirty.len()),
                Some(_) | None => self.dirty.binary_search_by_key(&sector, |d| d.sector),
            };
            match known {
                Ok(place) => self.dirty[place].abandoned = false,
                Err(place) => {
                    let old_at = self.set_aside(sector);
                    let dirty = Dirty {
                        sector,
                        old_at,
                        abandoned: false,
                    };
                    self.dirty.insert(place, dirty);
                }
            }
        }
    }

    /// Copies a clean sector's content into `old`. Past the current end there is nothing to copy.
    fn set_aside(&mut self, sector: u64) -> Option<usize> {
        let range = clip(sector, self.bytes.len())?;
        let old_at = self.old.len();
        self.old.extend_from_slice(&self.bytes[range]);
        self.old.resize(old_at + SECTOR, 0);
        Some(old_at)
    }
}

/// The bytes of a sector in a file of `len` bytes, `None` if there are none.
fn clip(sector: u64, len: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(sector).ok()?.checked_mul(SECTOR)?;
    (start < len).then(|| start..len.min(start + SECTOR))
}
