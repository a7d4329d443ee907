//! What a data directory shows of earlier work, and must not have lost.

use crate::{
    ledger::Ledger,
    node::{Entry, Record, StartError, own::slot_of_own},
    privval::{SignFile, SignFileError, SignState},
    storage::{Storage, StorageError},
    types::{Height, Lsn},
};

/// The log is durable before the sign state is written, so what was signed last for an open height
/// is in the log. If it is not, the log has lost durable records, and with them perhaps a lock.
pub(super) fn check_signed(
    sign: &SignState,
    height: Height,
    entries: &[(Lsn, Entry)],
) -> Result<(), StartError> {
    let Some(last) = sign.last().filter(|last| last.height > height) else {
        return Ok(());
    };
    let holds = |(_, entry): &(Lsn, Entry)| match &entry.record {
        Record::Own { messages } => messages.iter().filter_map(slot_of_own).any(|s| s == last),
        Record::Created { .. }
        | Record::Received { .. }
        | Record::Timeout(_)
        | Record::TxsAvailable(_)
        | Record::Released(_)
        | Record::Synced { .. } => false,
    };
    if entries.iter().any(holds) {
        Ok(())
    } else {
        Err(StartError::LogLost(last))
    }
}

/// Whether a directory without a state shows traces of work. What is not there shows none; what
/// cannot be read may.
pub(super) fn was_used(
    storage: &mut dyn Storage,
    dir: &str,
    ledger: &Ledger,
) -> Result<bool, StartError> {
    let signed = match SignFile::open(storage, dir) {
        Ok((file, state)) => {
            file.close(storage)?;
            state.last().is_some()
        }
        Err(SignFileError::Storage(StorageError::NotFound { .. })) => false,
        Err(error) => return Err(error.into()),
    };
    let stored = match ledger.height(storage) {
        Ok(height) => height > Height::ZERO,
        Err(StorageError::NotFound { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    Ok(signed || stored)
}
