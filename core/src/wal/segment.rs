//! Reading segments record by record, and the verdict on where and why a log ends.
//!
//! Segments before the last were synced before their successor got its name, and the header of
//! every segment was synced before its own name appeared. Only the records of the last segment
//! behind its header can be torn.

use super::directory::Segment;
use super::frame::{
    Bad, CRC, ENTRY, Found, METADATA, SNAPSHOT, STATE, Step, length_word, record_len,
};
use super::window::Window;
use super::{Format, HardState, Snapshot, TornTail, WalError, etcd, native, payload};
use crate::storage::{Storage, StorageError};

/// A record as it lies in its segment; its checksum was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// The file name of the segment.
    pub segment: &'a str,
    /// Where the record's frame starts.
    pub offset: u64,
    /// How long the frame is, length field and padding included.
    pub bytes: u64,
    /// The checksum after this record.
    pub checksum: u32,
    /// What it carries.
    pub content: Content<'a>,
}

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// The bytes given to [`create`](super::create), repeated in every segment.
    Metadata(&'a [u8]),
    /// An entry.
    Entry {
        /// Its position in the log.
        index: u64,
        /// Its term.
        term: u64,
        /// Its data.
        data: &'a [u8],
    },
    /// A state.
    State(HardState),
    /// The checksum handed over from the segment before; only etcd's format has it.
    Checksum,
    /// A snapshot.
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
    /// What follows must be cut before the next record is written: something other than zeros, or
    /// so many that frames of format 1 would leave a rest that is too short for a length.
    pub(super) dirty: bool,
    pub(super) torn: Option<TornTail>,
}

/// What is done with each record.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&RawRecord<'_>) -> Result<(), WalError>;

/// Why no further record could be read, and whether it looks as if it had never been written whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stop {
    bad: Bad,
    unwritten: bool,
}

/// A segment while it is read.
struct Walk {
    name: String,
    window: Window,
    format: Format,
    chain: u32,
    offset: u64,
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
        let mut walk = Walk::start(storage, segment, before.as_ref())?;
        let stop = walk.run(storage, visit)?;
        if place + 1 == segments.len() {
            return walk.finish(storage, stop);
        }
        walk.must_be_complete(storage, stop)?;
        before = Some(walk);
    }
    unreachable!("a log is opened with at least one segment");
}

impl Walk {
    fn start(
        storage: &mut dyn Storage,
        segment: &Segment,
        before: Option<&Walk>,
    ) -> Result<Self, WalError> {
        let name = segment.file_name();
        let mut window = Window::open(storage, segment)?;
        window.load_frame(storage, 0)?;
        let bytes = window.bytes();
        let format = if native::is_native(bytes) {
            Format::Native
        } else {
            Format::Etcd
        };
        let chain = match (format, before) {
            (Format::Etcd, None) => 0,
            (Format::Etcd, Some(before)) => before.chain,
            (Format::Native, _) => {
                native::first_prev(bytes).ok_or_else(|| WalError::CorruptInterior {
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
            window,
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
            offset: self.offset,
        }
    }

    fn mismatch(&self) -> WalError {
        WalError::CrcMismatch {
            segment: self.name.clone(),
            offset: self.offset,
        }
    }

    fn malformed(&self) -> WalError {
        WalError::BadRecord {
            segment: self.name.clone(),
            offset: self.offset,
        }
    }

    /// Visits records until one cannot be read. What was wrong with it, or `None` at a clean end.
    fn run(
        &mut self,
        storage: &mut dyn Storage,
        visit: Visit<'_>,
    ) -> Result<Option<Stop>, WalError> {
        loop {
            self.window.load_frame(storage, self.offset)?;
            let (base, place) = (self.window.base(), self.window.place(self.offset));
            let (bytes, chain) = (self.window.bytes(), &mut self.chain);
            let step = match self.format {
                Format::Etcd => etcd::decode(bytes, place, chain),
                Format::Native => native::decode(bytes, base, place, chain),
            };
            match step {
                // A segment gets its name when its header is durable: it always has a first record.
                Step::End | Step::Bad(Bad::PastEnd | Bad::Malformed) if self.offset == 0 => {
                    return Err(self.corrupt());
                }
                Step::End => return Ok(None),
                Step::Bad(bad) => {
                    let unwritten = self.is_unwritten(storage, bad)?;
                    return Ok(Some(Stop { bad, unwritten }));
                }
                Step::Record(found) => {
                    let next = base + found.next as u64;
                    self.record(&found, next, visit)?;
                    self.offset = next;
                }
            }
        }
    }

    /// Whether a bad record counts as torn by etcd's rule: it runs past the end, or one of its
    /// sectors is all zero. The rule takes a damaged record with a sector of zeros in its data for
    /// a torn one.
    fn is_unwritten(&mut self, storage: &mut dyn Storage, bad: Bad) -> Result<bool, StorageError> {
        match bad {
            Bad::PastEnd => Ok(true),
            Bad::Crc | Bad::Malformed => {
                let place = self.window.place(self.offset);
                let len = length_word(self.window.bytes(), place).map_or(0, record_len);
                let start = self.offset + 8;
                let end = start.saturating_add(len);
                self.window.has_unwritten_sector(storage, start, end)
            }
        }
    }

    fn record(&mut self, found: &Found, next: u64, visit: Visit<'_>) -> Result<(), WalError> {
        if self.format == Format::Native && (self.offset == 0) != (found.kind == METADATA) {
            return Err(self.malformed());
        }
        // Taken out for the visit, so that nothing is copied.
        let piece = std::mem::take(self.window.bytes());
        let visited = self.visit(&piece[found.payload.clone()], found.kind, next, visit);
        *self.window.bytes() = piece;
        visited
    }

    fn visit(
        &mut self,
        payload: &[u8],
        kind: u64,
        next: u64,
        visit: Visit<'_>,
    ) -> Result<(), WalError> {
        let content = match kind {
            METADATA => Some(Content::Metadata(self.take_metadata(payload)?)),
            CRC if self.format == Format::Etcd => Some(Content::Checksum),
            ENTRY => payload::take_entry(payload).map(|(index, term, data)| Content::Entry {
                index,
                term,
                data,
            }),
            STATE => payload::take_state(payload).map(Content::State),
            SNAPSHOT => payload::take_snapshot(payload).map(Content::Snapshot),
            record_type => {
                let (segment, offset) = (self.name.clone(), self.offset);
                return Err(WalError::UnknownRecordType {
                    segment,
                    offset,
                    record_type,
                });
            }
        };
        visit(&RawRecord {
            segment: &self.name,
            offset: self.offset,
            bytes: next - self.offset,
            checksum: self.chain,
            content: content.ok_or_else(|| self.malformed())?,
        })
    }

    /// What the caller of `create` gave; the same in all segments.
    fn take_metadata<'a>(&mut self, mut payload: &'a [u8]) -> Result<&'a [u8], WalError> {
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
            Some(_) => Ok(payload),
            None => {
                self.metadata = Some(payload.to_vec());
                Ok(payload)
            }
        }
    }

    /// A segment with a successor was synced to its end.
    fn must_be_complete(
        &mut self,
        storage: &mut dyn Storage,
        stop: Option<Stop>,
    ) -> Result<(), WalError> {
        match (self.format, stop.map(|stop| stop.bad)) {
            (Format::Etcd, None) => Ok(()),
            (Format::Native, None)
                if self.window.written_until(storage, self.offset)? == self.offset =>
            {
                Ok(())
            }
            (Format::Etcd, Some(Bad::Crc)) => Err(self.mismatch()),
            (Format::Etcd, Some(Bad::Malformed)) => Err(self.malformed()),
            (Format::Etcd, Some(Bad::PastEnd)) | (Format::Native, _) => Err(self.corrupt()),
        }
    }

    /// The verdict on the end of the last segment.
    fn finish(mut self, storage: &mut dyn Storage, stop: Option<Stop>) -> Result<Tail, WalError> {
        let written = self.window.written_until(storage, self.offset)?;
        let torn = match self.format {
            Format::Etcd => match stop {
                None => false,
                Some(stop) if stop.unwritten => true,
                Some(Stop { bad: Bad::Crc, .. }) => return Err(self.mismatch()),
                Some(Stop {
                    bad: Bad::Malformed,
                    ..
                }) => return Err(self.malformed()),
                Some(Stop {
                    bad: Bad::PastEnd, ..
                }) => return Err(self.corrupt()),
            },
            Format::Native => {
                let synced = self.header > self.offset
                    || native::proves_synced_beyond(
                        storage,
                        &mut self.window,
                        self.offset,
                        written,
                    )?;
                if synced {
                    return Err(self.corrupt());
                }
                written > self.offset
            }
        };
        let torn_tail = TornTail {
            segment: self.name.clone(),
            offset: self.offset,
            bytes: written - self.offset,
            fully_written: stop.is_some_and(|stop| !stop.unwritten),
        };
        let zeros = self.window.len().saturating_sub(self.offset);
        let leaves_rest = self.format == Format::Etcd && !zeros.is_multiple_of(8);
        Ok(Tail {
            segment: self.name,
            format: self.format,
            metadata: self.metadata.unwrap_or_default(),
            chain: self.chain,
            end: self.offset,
            dirty: torn || written > self.offset || leaves_rest,
            torn: torn.then_some(torn_tail),
        })
    }
}
