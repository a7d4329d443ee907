//! Reading segments record by record, and the verdict on where and why a log ends.
//!
//! Segments before the last were synced before their successor got its name, and the header of
//! every segment was synced before its own name appeared. Only the records of the last segment
//! behind its header can be torn.

use super::directory::{Segment, retry};
use super::frame::{Bad, CRC, ENTRY, Found, METADATA, SNAPSHOT, STATE, Step};
use super::{Format, HardState, Snapshot, TornTail, WalError, etcd, native, payload};
use crate::storage::{Storage, StorageError, read_full};

/// A decoded record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Entry {
        index: u64,
        term: u64,
        data: &'a [u8],
    },
    State(HardState),
    Snapshot(Snapshot),
}

/// Where a log ends and how to go on writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) segment: String,
    pub(super) format: Format,
    pub(super) metadata: Vec<u8>,
    /// The checksum of the last record.
    pub(super) chain: u32,
    /// Where the last record ends.
    pub(super) end: u64,
    /// Something other than zeros follows and must be cut before the next record is written.
    pub(super) dirty: bool,
    pub(super) torn: Option<TornTail>,
}

/// What is done with each record.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Item<'_>) -> Result<(), WalError>;

/// The bytes of a segment while it is read.
struct Walk {
    name: String,
    bytes: Vec<u8>,
    format: Format,
    chain: u32,
    offset: usize,
    /// The length of the header, which was synced before the segment got its name.
    header: u64,
    metadata: Option<Vec<u8>>,
}

/// Passes every record of the segments to `visit`, in order.
pub(super) fn walk(
    storage: &mut dyn Storage,
    segments: &[Segment],
    visit: Visit<'_>,
) -> Result<Tail, WalError> {
    let mut before: Option<Walk> = None;
    for (place, segment) in segments.iter().enumerate() {
        let bytes = read_bytes(storage, segment)?;
        let mut walk = Walk::start(segment, bytes, before.as_ref())?;
        let bad = walk.run(visit)?;
        if place + 1 == segments.len() {
            return walk.finish(bad);
        }
        walk.must_be_complete(bad)?;
        before = Some(walk);
    }
    unreachable!("a log is opened with at least one segment");
}

fn read_bytes(storage: &mut dyn Storage, segment: &Segment) -> Result<Vec<u8>, StorageError> {
    let too_long = |what: &str| StorageError::Io {
        path: segment.file_name(),
        what: what.into(),
    };
    let len = retry(|| storage.len(segment.file))?;
    let len = usize::try_from(len).map_err(|_| too_long("longer than memory can address"))?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| too_long("does not fit into memory"))?;
    bytes.resize(len, 0);
    let read = read_full(storage, segment.file, 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

impl Walk {
    fn start(segment: &Segment, bytes: Vec<u8>, before: Option<&Walk>) -> Result<Self, WalError> {
        let name = segment.file_name();
        let format = if native::is_native(&bytes) {
            Format::Native
        } else {
            Format::Etcd
        };
        let chain = match (format, before) {
            (Format::Etcd, None) => 0,
            (Format::Etcd, Some(before)) => before.chain,
            (Format::Native, _) => {
                native::first_prev(&bytes).ok_or_else(|| WalError::CorruptInterior {
                    segment: name.clone(),
                    offset: 0,
                })?
            }
        };
        if let Some(before) = before {
            if before.format != format {
                return Err(WalError::MetadataConflict { segment: name });
            }
            // This header is intact and was written behind the last record of the segment before.
            if before.chain != chain {
                return Err(before.corrupt());
            }
        }
        let metadata = before.and_then(|before| before.metadata.clone());
        Ok(Walk {
            name,
            bytes,
            format,
            chain,
            offset: 0,
            header: 0,
            metadata,
        })
    }

    fn corrupt(&self) -> WalError {
        WalError::CorruptInterior {
            segment: self.name.clone(),
            offset: self.offset as u64,
        }
    }

    fn mismatch(&self) -> WalError {
        WalError::CrcMismatch {
            segment: self.name.clone(),
            offset: self.offset as u64,
        }
    }

    fn malformed(&self) -> WalError {
        WalError::BadRecord {
            segment: self.name.clone(),
            offset: self.offset as u64,
        }
    }

    /// Visits records until one cannot be read. What was wrong with it, or `None` at a clean end.
    fn run(&mut self, visit: Visit<'_>) -> Result<Option<Bad>, WalError> {
        loop {
            let step = match self.format {
                Format::Etcd => etcd::decode(&self.bytes, self.offset, &mut self.chain),
                Format::Native => native::decode(&mut self.bytes, self.offset, &mut self.chain),
            };
            match step {
                // A segment gets its name when its header is durable: it always has a first record.
                Step::End | Step::Bad(Bad::PastEnd | Bad::Malformed) if self.offset == 0 => {
                    return Err(self.corrupt());
                }
                Step::End => return Ok(None),
                Step::Bad(bad) => return Ok(Some(bad)),
                Step::Record(found) => {
                    self.record(&found, visit)?;
                    self.offset = found.next;
                }
            }
        }
    }

    fn record(&mut self, found: &Found, visit: Visit<'_>) -> Result<(), WalError> {
        if self.format == Format::Native && (self.offset == 0) != (found.kind == METADATA) {
            return Err(self.malformed());
        }
        let payload = &self.bytes[found.payload.clone()];
        let item = match found.kind {
            METADATA => return self.take_metadata(found),
            CRC if self.format == Format::Etcd => return Ok(()),
            ENTRY => payload::take_entry(payload).map(|(index, term, data)| Item::Entry {
                index,
                term,
                data,
            }),
            STATE => payload::take_state(payload).map(Item::State),
            SNAPSHOT => payload::take_snapshot(payload).map(Item::Snapshot),
            record_type => {
                let (segment, offset) = (self.name.clone(), self.offset as u64);
                return Err(WalError::UnknownRecordType {
                    segment,
                    offset,
                    record_type,
                });
            }
        };
        visit(item.ok_or_else(|| self.malformed())?)
    }

    fn take_metadata(&mut self, found: &Found) -> Result<(), WalError> {
        let mut payload = &self.bytes[found.payload.clone()];
        if self.format == Format::Native {
            let (version, rest) = payload.split_first().ok_or_else(|| self.malformed())?;
            let (header, rest) = rest.split_first_chunk().ok_or_else(|| self.malformed())?;
            if *version != native::VERSION {
                return Err(self.malformed());
            }
            self.header = u64::from_le_bytes(*header);
            payload = rest;
        }
        match &self.metadata {
            Some(known) if known != payload => Err(WalError::MetadataConflict {
                segment: self.name.clone(),
            }),
            Some(_) => Ok(()),
            None => {
                self.metadata = Some(payload.to_vec());
                Ok(())
            }
        }
    }

    fn rest_is_zero(&self) -> bool {
        self.bytes[self.offset..].iter().all(|byte| *byte == 0)
    }

    /// A segment with a successor was synced to its end.
    fn must_be_complete(&self, bad: Option<Bad>) -> Result<(), WalError> {
        match (self.format, bad) {
            (Format::Etcd, None) => Ok(()),
            (Format::Native, None) if self.rest_is_zero() => Ok(()),
            (Format::Etcd, Some(Bad::Crc)) => Err(self.mismatch()),
            (Format::Etcd, Some(Bad::Malformed)) => Err(self.malformed()),
            (Format::Etcd, Some(Bad::PastEnd)) | (Format::Native, _) => Err(self.corrupt()),
        }
    }

    /// The verdict on the end of the last segment.
    fn finish(self, bad: Option<Bad>) -> Result<Tail, WalError> {
        let torn = match self.format {
            Format::Etcd => match bad {
                None => false,
                Some(bad) if etcd::is_torn(&self.bytes, self.offset, bad) => true,
                Some(Bad::Crc) => return Err(self.mismatch()),
                Some(Bad::Malformed) => return Err(self.malformed()),
                Some(Bad::PastEnd) => return Err(self.corrupt()),
            },
            Format::Native => {
                let synced = self.header > self.offset as u64
                    || native::proves_synced_beyond(&self.bytes, self.offset);
                if synced {
                    return Err(self.corrupt());
                }
                !self.rest_is_zero()
            }
        };
        let dirty = torn || !self.rest_is_zero();
        let torn = torn.then(|| self.torn_tail(bad));
        Ok(Tail {
            segment: self.name,
            format: self.format,
            metadata: self.metadata.unwrap_or_default(),
            chain: self.chain,
            end: self.offset as u64,
            dirty,
            torn,
        })
    }

    fn torn_tail(&self, bad: Option<Bad>) -> TornTail {
        let written = self
            .bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let fully_written = match bad {
            None | Some(Bad::PastEnd) => false,
            Some(bad @ (Bad::Crc | Bad::Malformed)) => {
                !etcd::is_torn(&self.bytes, self.offset, bad)
            }
        };
        TornTail {
            segment: self.name.clone(),
            offset: self.offset as u64,
            bytes: written.saturating_sub(self.offset) as u64,
            fully_written,
        }
    }
}
