//! What a data directory shows of earlier work, and must not have lost.

use crate::{
    ledger::Ledger,
    node::{
        Entry, Record, StartError,
        own::{sign_bytes_of_own, slot_of_own},
    },
    privval::{SignFile, SignFileError, SignState},
    storage::{Storage, StorageError},
    types::{ChainId, Height, Lsn},
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
        | Record::Synced { .. }
        | Record::Step(_) => false,
    };
    if entries.iter().any(holds) {
        Ok(())
    } else {
        Err(StartError::LogLost(last))
    }
}

/// Teaches the sign state what the log shows was signed; says whether it was behind. A crash or
/// damage may have taken its newest slot, and nobody may hear of a signature again before the sign
/// state remembers it.
pub(super) fn teach(sign: &mut SignState, chain: &ChainId, entries: &[(Lsn, Entry)]) -> bool {
    let mut news = false;
    for (_, entry) in entries {
        let Record::Own { messages } = &entry.record else {
            continue;
        };
        for message in messages.iter() {
            let signed = slot_of_own(message).zip(sign_bytes_of_own(message, chain));
            if let Some((slot, (bytes, signature))) = signed {
                news |= sign.adopt(slot, bytes, signature);
            }
        }
    }
    news
}

/// Whether a directory without a state shows traces of work. What is not there shows none; what
/// cannot be read may.
pub(crate) fn was_used(storage: &mut dyn Storage, dir: &str) -> Result<bool, StartError> {
    let signed = match SignFile::open(storage, dir) {
        Ok((file, state)) => {
            let lacks_a_slot = file.lacks_a_slot();
            file.close(storage)?;
            state.last().is_some() || lacks_a_slot
        }
        Err(SignFileError::Storage(StorageError::NotFound { .. })) => false,
        Err(error) => return Err(error.into()),
    };
    let stored = match Ledger::open(dir).height(storage) {
        Ok(height) => height > Height::ZERO,
        Err(StorageError::NotFound { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    Ok(signed || stored)
}
