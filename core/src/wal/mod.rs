//! The write-ahead log: etcd's contract on a [`Storage`](crate::storage::Storage) that is passed to
//! every call.
//!
//! A log is a directory of segments `sequence-index.wal`. It is [`create`]d once; afterwards it is
//! [`open`]ed, read to its end, and only then written on ([`Reader::read_all`] returns the
//! [`Appender`]). Entries, states and snapshots are records in one sequence; each record carries a
//! checksum continued from the record before.
//!
//! This room owns no disk and no clock. It uses `storage` and knows nothing of consensus.
//!
//! # What is durable
//! [`Appender::append`] writes; [`Appender::sync`], [`Appender::save_snapshot`], [`Appender::cut`]
//! and [`Appender::close`] make everything before them durable; [`Appender::save`] does where
//! [`must_sync`] says so. After an error of any of them the appender answers only
//! [`WalError::Poisoned`].
//!
//! # Torn or damaged
//! Reading stops at the first offset `p` where no record follows: the bytes end, the length is zero
//! or impossible, or the checksum is wrong. In format 2 the verdict is, in this order:
//!
//! 1. `p` lies in a segment that has a successor, and the successor's first record does not
//!    continue at `p`, or anything but zeros follows `p`: **damaged**. The segment was synced
//!    before its successor got a name.
//! 2. `p` lies in the header of the segment: **damaged**. It was synced before the segment got its
//!    name.
//! 3. A complete record with a right checksum lies somewhere behind `p` and says `synced_upto > p`:
//!    **damaged**. Its writer knew `p` to be durable.
//! 4. Nothing but zeros follows `p`: a **clean** end.
//! 5. Otherwise the **torn** tail: [`Reader::read_all`] and [`repair`] cut it. A good record behind
//!    it proves nothing: sectors of one unsynced batch become durable in any order.
//!
//! Damaged means [`WalError::CorruptInterior`]: reported, never cut away. What no log can prove is
//! that its very last synced records were once there if nothing was written behind them;
//! [`TornTail::fully_written`] tells when a torn tail does not look like one. In format 1 the
//! verdict is etcd's: in the last segment a record is torn if it runs past the end or if one of its
//! sectors is all zero, and anything else is an error.

mod appender;
mod create;
mod directory;
mod error;
mod etcd;
mod frame;
mod name;
mod native;
mod payload;
mod pipeline;
mod reader;
mod segment;
mod tools;
mod window;

#[cfg(test)]
mod tests;

pub use appender::{Appender, must_sync};
pub use create::create;
pub use error::WalError;
pub use name::{SegmentName, parse_name, search_index, segment_name};
pub use reader::{ReadOnly, Reader, Replayed, TornTail, open, open_at_index, open_for_read};
pub use segment::{Content, RawRecord};
pub use tools::{
    LogEnd, RepairOutcome, exist, inspect, repair, snapshots, valid_snapshot_entries, verify,
};

/// One entry of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Position in the log, from 0 on without holes.
    pub index: u64,
    /// etcd's term; the consensus log does not use it.
    pub term: u64,
    /// Anything.
    pub data: Vec<u8>,
}

/// What must be known besides the entries. Opaque to the log but for [`must_sync`] and
/// [`valid_snapshot_entries`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HardState {
    /// The current term.
    pub term: u64,
    /// Whom this node voted for in the term.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
}

/// The mark that everything up to an index is kept elsewhere. The consensus log ends each height
/// with one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot {
    /// The last index covered.
    pub index: u64,
    /// The term of that entry; the consensus log writes the height here.
    pub term: u64,
}

/// How records are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Format 1: etcd's records, byte for byte.
    Etcd,
    /// Format 2: the checksum covers everything, and each record says how far the log was synced.
    #[default]
    Native,
}

/// How a log is written. An existing log keeps its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The format of a new log.
    pub format: Format,
    /// The next segment is begun when one has reached this many bytes.
    pub segment_bytes: u64,
    /// How long a new segment is made at once, filled with zeros, so that writing does not change
    /// its length. 0 for not at all.
    pub preallocate_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        let segment_bytes = 64 * 1000 * 1000;
        Options {
            format: Format::Native,
            segment_bytes,
            preallocate_bytes: segment_bytes,
        }
    }
}
