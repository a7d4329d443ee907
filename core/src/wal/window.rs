//! The bytes of a segment, read piece by piece: memory holds one piece and at least one whole
//! record, however long the segment is.

use super::directory::{Segment, retry};
use super::frame::{SECTOR, length_word, record_len};
use crate::storage::{FileId, Storage, StorageError, read_full};

/// How much is read at once.
pub(super) const PIECE: u64 = 1 << 20;

/// A view of one piece of a file.
#[derive(Debug)]
pub(super) struct Window {
    file: FileId,
    name: String,
    /// The length of the file.
    len: u64,
    /// Where the piece begins; a multiple of the sector size.
    base: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(super) fn open(storage: &mut dyn Storage, segment: &Segment) -> Result<Self, StorageError> {
        let mut window = Self {
            file: segment.file,
            name: segment.file_name(),
            len: retry(|| storage.len(segment.file))?,
            base: 0,
            bytes: Vec::new(),
        };
        window.slide(storage, 0, PIECE)?;
        Ok(window)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The piece itself.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Where an offset of the file lies in the piece.
    pub(super) fn place(&self, offset: u64) -> usize {
        usize::try_from(offset - self.base).unwrap_or(usize::MAX)
    }

    /// Brings `from..to` into the piece, as far as the file reaches. What was changed in the piece
    /// may be read anew.
    pub(super) fn load(
        &mut self,
        storage: &mut dyn Storage,
        from: u64,
        to: u64,
    ) -> Result<(), StorageError> {
        let to = to.min(self.len);
        let end = self.base + self.bytes.len() as u64;
        if self.base <= from && to <= end {
            return Ok(());
        }
        let base = from.min(self.len) / SECTOR as u64 * SECTOR as u64;
        self.slide(storage, base, PIECE.max(to.saturating_sub(base)))
    }

    fn slide(
        &mut self,
        storage: &mut dyn Storage,
        base: u64,
        bytes: u64,
    ) -> Result<(), StorageError> {
        let too_long = || StorageError::Io {
            path: self.name.clone(),
            what: "a record does not fit into memory".to_owned(),
        };
        let wanted = usize::try_from(bytes.min(self.len - base)).map_err(|_| too_long())?;
        // Zeroed only where it grows: what is left of the last piece is overwritten.
        let more = wanted.saturating_sub(self.bytes.len());
        self.bytes.try_reserve_exact(more).map_err(|_| too_long())?;
        self.bytes.resize(wanted, 0);
        let read = read_full(storage, self.file, base, &mut self.bytes)?;
        self.bytes.truncate(read);
        self.base = base;
        if read < wanted {
            // Somebody cut the file meanwhile.
            self.len = base + read as u64;
        }
        Ok(())
    }

    /// Brings the frame at `offset` into the piece, if its length is believable.
    pub(super) fn load_frame(
        &mut self,
        storage: &mut dyn Storage,
        offset: u64,
    ) -> Result<(), StorageError> {
        let end = self.frame_end(storage, offset)?;
        match end {
            Some(end) => self.load(storage, offset, end),
            None => Ok(()),
        }
    }

    /// Where the frame at `offset` claims to end, if that is inside the file.
    pub(super) fn frame_end(
        &mut self,
        storage: &mut dyn Storage,
        offset: u64,
    ) -> Result<Option<u64>, StorageError> {
        self.load(storage, offset, offset.saturating_add(8))?;
        let place = self.place(offset);
        let end = length_word(&self.bytes, place).map(|word| {
            let frame = record_len(word) + 8 + u64::from(word[7] & 7);
            offset.saturating_add(frame)
        });
        Ok(end.filter(|end| *end <= self.len))
    }

    /// Behind the last byte from `offset` on that is not zero; `offset` if there is none.
    pub(super) fn written_until(
        &mut self,
        storage: &mut dyn Storage,
        offset: u64,
    ) -> Result<u64, StorageError> {
        let (mut at, mut written) = (offset, offset);
        while at < self.len {
            self.load(storage, at, at + 1)?;
            let rest = self.bytes.get(self.place(at)..).unwrap_or_default();
            if let Some(last) = last_written(rest) {
                written = at + last as u64 + 1;
            }
            at += rest.len().max(1) as u64;
        }
        Ok(written)
    }

    /// Whether some sector of `from..to` was never written, judging by zeros: the range is cut at
    /// sector boundaries, and a piece that is all zero was lost.
    pub(super) fn has_unwritten_sector(
        &mut self,
        storage: &mut dyn Storage,
        from: u64,
        to: u64,
    ) -> Result<bool, StorageError> {
        let sector = SECTOR as u64;
        let mut start = from;
        while start < to.min(self.len) {
            let end = to.min(self.len).min((start / sector + 1) * sector);
            self.load(storage, start, end)?;
            let (first, last) = (self.place(start), self.place(end));
            let piece = self.bytes.get(first..last).unwrap_or_default();
            if piece.iter().all(|byte| *byte == 0) {
                return Ok(true);
            }
            start = end;
        }
        Ok(false)
    }
}

/// The place of the last byte that is not zero. Preallocated zeros are many: they are passed over a
/// sector at a time.
fn last_written(bytes: &[u8]) -> Option<usize> {
    let mut end = bytes.len();
    while end > 0 {
        let start = end.saturating_sub(SECTOR);
        let sector = &bytes[start..end];
        if sector.iter().fold(0, |all, byte| all | byte) != 0 {
            let last = sector.iter().rposition(|byte| *byte != 0)?;
            return Some(start + last);
        }
        end = start;
    }
    None
}
