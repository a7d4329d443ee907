//! Why a log could not be written, opened or believed. Every message says where and what to do.

use crate::storage::StorageError;

/// Why a call on a write-ahead log failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// The directory already holds a log.
    #[error("{dir}: already holds a log; open it instead of creating it")]
    AlreadyExists {
        /// The directory of the log.
        dir: String,
    },
    /// The directory holds a file that is not ours, so `create` does not replace the directory.
    #[error("{dir}: holds the foreign file {name}; move it away before creating a log here")]
    ForeignFile {
        /// The directory.
        dir: String,
        /// The file.
        name: String,
    },
    /// No segment could hold the wanted index.
    #[error("{dir}: no segment holds index {index}")]
    FileNotFound {
        /// The directory of the log.
        dir: String,
        /// The wanted index.
        index: u64,
    },
    /// The index was never written.
    #[error("index {index} was never written; the last written index is {last:?}")]
    IndexNotFound {
        /// The wanted index.
        index: u64,
        /// The last written index, if any entry was written.
        last: Option<u64>,
    },
    /// Two segments belong to different logs.
    #[error("{segment}: its metadata or format differs from the earlier segments")]
    MetadataConflict {
        /// The first segment that differs.
        segment: String,
    },
    /// A complete record does not have the checksum it should have.
    #[error("{segment}: checksum mismatch at offset {offset}; the file is damaged")]
    CrcMismatch {
        /// The segment.
        segment: String,
        /// Where the record starts.
        offset: u64,
    },
    /// A record with a correct checksum does not decode.
    #[error("{segment}: the record at offset {offset} does not decode")]
    BadRecord {
        /// The segment.
        segment: String,
        /// Where the record starts.
        offset: u64,
    },
    /// A record of a type this version does not know.
    #[error("{segment}: unknown record type {record_type} at offset {offset}")]
    UnknownRecordType {
        /// The segment.
        segment: String,
        /// Where the record starts.
        offset: u64,
        /// The type found.
        record_type: u64,
    },
    /// The log ends inside a record: a torn tail. `repair` cuts it.
    #[error("{segment}: the log ends inside the record at offset {offset}; repair it")]
    UnexpectedEof {
        /// The last segment.
        segment: String,
        /// Where the incomplete record starts.
        offset: u64,
    },
    /// Something that is known to have been synced is damaged. Never cut away, only reported.
    #[error("{segment}: synced data is damaged at offset {offset}; restore it, do not repair it")]
    CorruptInterior {
        /// The segment.
        segment: String,
        /// Where the first damaged record starts.
        offset: u64,
    },
    /// A segment is missing between two others.
    #[error("segment {expected} is missing; the next one present is {found}")]
    SequenceGap {
        /// The missing sequence number.
        expected: u64,
        /// The next sequence number present.
        found: u64,
    },
    /// An entry does not continue the log.
    #[error("entry {found} does not continue the log; at most {expected} may come next")]
    EntryGap {
        /// The highest index that may come next.
        expected: u64,
        /// The index found.
        found: u64,
    },
    /// The log has a snapshot of this index, but of another term.
    #[error("the snapshot at index {index} has term {found}, not {expected}")]
    SnapshotMismatch {
        /// The index asked for.
        index: u64,
        /// The term asked for.
        expected: u64,
        /// The term in the log.
        found: u64,
    },
    /// The log has no record of the snapshot asked for.
    #[error("the log has no snapshot record for index {index}")]
    SnapshotNotFound {
        /// The index asked for.
        index: u64,
    },
    /// An earlier write or sync failed; nothing can be said about the file. Stop, reopen the log.
    #[error("an earlier write or sync failed; reopen the log before writing to it again")]
    Poisoned,
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl WalError {
    /// The segment and the offset in it that the error is about, if it is about a place.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u64)> {
        match self {
            Self::CrcMismatch { segment, offset }
            | Self::BadRecord { segment, offset }
            | Self::UnknownRecordType {
                segment, offset, ..
            }
            | Self::UnexpectedEof { segment, offset }
            | Self::CorruptInterior { segment, offset } => Some((segment, *offset)),
            Self::AlreadyExists { .. }
            | Self::ForeignFile { .. }
            | Self::FileNotFound { .. }
            | Self::IndexNotFound { .. }
            | Self::MetadataConflict { .. }
            | Self::SequenceGap { .. }
            | Self::EntryGap { .. }
            | Self::SnapshotMismatch { .. }
            | Self::SnapshotNotFound { .. }
            | Self::Poisoned
            | Self::Storage(_) => None,
        }
    }
}
