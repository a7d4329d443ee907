//! Sign state: why a validator never signs two different things for one height, round and step.
//!
//! [`SignState`] remembers the last thing signed. It is written to its own file, beside the log,
//! and both are durable before a signature leaves the node: two places must be lost before a
//! validator can equivocate. The file has two slots of one sector each, written in turn, so that a
//! torn write can only damage the slot being replaced.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    crypto::Sign,
    storage::{Access, FileId, Storage, StorageError, read_full, write_all, write_atomic},
    types::{BoundedBytes, Height, Round, Signature},
};

const FILE: &str = "sign_state";
const SLOT_BYTES: usize = 512;
const SLOT_HEAD: usize = 6;

/// What is signed in a round, in the order in which it is signed (Tendermint's `stepPropose` to
/// `stepPrecommit`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum SignStep {
    /// A proposal.
    Propose = 1,
    /// A prevote.
    Prevote = 2,
    /// A precommit.
    Precommit = 3,
}

/// Where a signature belongs, ordered by height, round, step.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct SignSlot {
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// What is signed.
    pub step: SignStep,
}

/// The last thing a validator signed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Signed {
    slot: SignSlot,
    bytes: BoundedBytes<256>,
    signature: Signature,
}

/// Why a signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something later was signed before.
    #[error("regression: asked to sign {asked:?} after {last:?}")]
    Regression {
        /// What was asked for.
        asked: SignSlot,
        /// What was signed last.
        last: SignSlot,
    },
    /// Something else was signed for the same height, round and step.
    #[error("conflict: something else was signed for {0:?}")]
    Conflict(SignSlot),
}

/// Remembers the last thing signed and refuses everything that could contradict it.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignState {
    last: Option<Signed>,
}

impl SignState {
    /// What was signed last.
    #[must_use]
    pub fn last(&self) -> Option<SignSlot> {
        self.last.as_ref().map(|s| s.slot)
    }

    /// Learns from the log that something was signed that this state does not know: a crash may
    /// keep a record and lose the state saved with it. Returns whether it was news.
    ///
    /// # Panics
    /// If `bytes` is longer than 256 bytes, which no sign bytes of ours are.
    #[expect(clippy::expect_used, reason = "documented panic")]
    pub fn adopt(&mut self, slot: SignSlot, bytes: Vec<u8>, signature: Signature) -> bool {
        if self.last() >= Some(slot) {
            return false;
        }
        let bytes = BoundedBytes::try_from(bytes).expect("sign bytes are short");
        self.last = Some(Signed {
            slot,
            bytes,
            signature,
        });
        true
    }

    /// Signs `bytes` for `slot`. The same bytes for the same slot get the same signature again, if
    /// it was made with the same key.
    ///
    /// The caller must make the new state durable before the signature is seen by anybody.
    ///
    /// # Errors
    /// If anything later, or anything else for this slot, was signed before.
    ///
    /// # Panics
    /// If `bytes` is longer than 256 bytes, which no sign bytes of ours are.
    #[expect(clippy::expect_used, reason = "documented panic")]
    pub fn sign(
        &mut self,
        key: &dyn Sign,
        slot: SignSlot,
        bytes: Vec<u8>,
    ) -> Result<Signature, Refused> {
        if let Some(last) = &self.last {
            if slot < last.slot {
                return Err(Refused::Regression {
                    asked: slot,
                    last: last.slot,
                });
            }
            if slot == last.slot {
                // Signing anew shows whether the signature is this key's.
                let same = *last.bytes == *bytes && key.sign(&bytes) == last.signature;
                return if same {
                    Ok(last.signature)
                } else {
                    Err(Refused::Conflict(slot))
                };
            }
        }
        let signature = key.sign(&bytes);
        let bytes = BoundedBytes::try_from(bytes).expect("sign bytes are short");
        self.last = Some(Signed {
            slot,
            bytes,
            signature,
        });
        Ok(signature)
    }
}

/// Why the sign state could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignFileError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No slot holds a valid state: the file is damaged. Signing on would risk a double signature.
    #[error("{0}: no slot is readable; restore the file or retire the key")]
    Damaged(String),
}

/// The file that holds a [`SignState`].
#[derive(Debug)]
pub struct SignFile {
    file: FileId,
    generation: u64,
    lacks_a_slot: bool,
}

impl SignFile {
    /// Makes the file with an empty state in both slots; durable on return.
    ///
    /// # Errors
    /// What the storage says.
    pub fn create(storage: &mut dyn Storage, dir: &str) -> Result<Self, StorageError> {
        let mut bytes = slot_bytes(0, &SignState::default());
        bytes.extend(slot_bytes(1, &SignState::default()));
        write_atomic(storage, dir, FILE, &bytes)?;
        let file = storage.open(&format!("{dir}/{FILE}"), Access::Write)?;
        Ok(Self {
            file,
            generation: 1,
            lacks_a_slot: false,
        })
    }

    /// Opens the file and reads the newest state that is readable. Whether one may be missing,
    /// [`SignFile::lacks_a_slot`] says.
    ///
    /// # Errors
    /// `Damaged` if neither slot is readable; otherwise what the storage says.
    pub fn open(storage: &mut dyn Storage, dir: &str) -> Result<(Self, SignState), SignFileError> {
        let path = format!("{dir}/{FILE}");
        let file = storage.open(&path, Access::Write)?;
        let mut bytes = [0; 2 * SLOT_BYTES];
        let read = read_full(storage, file, 0, &mut bytes)?;
        let bytes = &bytes[..read];
        let (generation, state) = newest(bytes).ok_or(SignFileError::Damaged(path))?;
        let file = Self {
            file,
            generation,
            lacks_a_slot: slots(bytes).count() < 2,
        };
        Ok((file, state))
    }

    /// Whether only one slot was readable when the file was opened. A crash during a write explains
    /// that, and then the log knows what was written; damage does, too.
    #[must_use]
    pub fn lacks_a_slot(&self) -> bool {
        self.lacks_a_slot
    }

    /// Writes a state into the older slot. Durable only after [`SignFile::sync`].
    ///
    /// # Errors
    /// What the storage says.
    pub fn write(
        &mut self,
        storage: &mut dyn Storage,
        state: &SignState,
    ) -> Result<(), StorageError> {
        let next = self.generation + 1;
        let offset = next % 2 * SLOT_BYTES as u64;
        write_all(storage, self.file, offset, &slot_bytes(next, state))?;
        self.generation = next;
        Ok(())
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the storage says; the file must then be opened anew before it is used again.
    pub fn sync(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        storage.sync(self.file)
    }

    /// Gives the file back.
    ///
    /// # Errors
    /// What the storage says.
    pub fn close(self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        storage.close(self.file)
    }
}

/// The newest state in the bytes of a sign state file, and its generation; `None` if no slot is
/// readable.
#[must_use]
pub fn newest(bytes: &[u8]) -> Option<(u64, SignState)> {
    slots(bytes).max_by_key(|(generation, _)| *generation)
}

/// What the readable slots say.
fn slots(bytes: &[u8]) -> impl Iterator<Item = (u64, SignState)> {
    let slots = bytes.chunks(SLOT_BYTES).take(2).zip(0u64..);
    slots.filter_map(|(slot, place)| {
        parse_slot(slot).filter(|(generation, _)| generation % 2 == place)
    })
}

/// One slot: CRC-32C of the rest, length, generation and state, zeros.
#[expect(
    clippy::expect_used,
    reason = "a sign state fits into a slot by its bounded fields"
)]
fn slot_bytes(generation: u64, state: &SignState) -> Vec<u8> {
    let body = borsh::to_vec(&(generation, state)).expect("encoding into memory");
    let len = u16::try_from(body.len()).expect("a sign state is short");
    assert!(SLOT_HEAD + body.len() <= SLOT_BYTES, "a slot is one sector");
    let mut bytes = vec![0; 4];
    bytes.extend(len.to_le_bytes());
    bytes.extend(body);
    bytes.resize(SLOT_BYTES, 0);
    let crc = crc32c::crc32c(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn parse_slot(bytes: &[u8]) -> Option<(u64, SignState)> {
    if bytes.len() != SLOT_BYTES {
        return None;
    }
    let stored = u32::from_le_bytes(bytes[..4].try_into().ok()?);
    if crc32c::crc32c(&bytes[4..]) != stored {
        return None;
    }
    let len = usize::from(u16::from_le_bytes(bytes[4..6].try_into().ok()?));
    borsh::from_slice(bytes.get(SLOT_HEAD..SLOT_HEAD + len)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::Ed25519Key,
        storage::MemoryStorage,
        types::{BlockId, ChainId, Hash, PartSetHeader, ValidatorIndex, Vote, VoteKind},
    };

    fn slot(height: u64, round: u32, step: SignStep) -> SignSlot {
        SignSlot {
            height: Height(height),
            round: Round(round),
            step,
        }
    }

    fn key() -> Ed25519Key {
        Ed25519Key::from_seed(&[1; 32])
    }

    #[test]
    fn the_same_bytes_get_the_same_signature() {
        let mut state = SignState::default();
        let at = slot(1, 0, SignStep::Prevote);
        let first = state.sign(&key(), at, b"a".to_vec()).unwrap();
        assert_eq!(state.sign(&key(), at, b"a".to_vec()), Ok(first));
    }

    #[test]
    fn other_bytes_for_the_same_slot_are_refused() {
        let mut state = SignState::default();
        let at = slot(1, 0, SignStep::Prevote);
        state.sign(&key(), at, b"a".to_vec()).unwrap();
        assert_eq!(
            state.sign(&key(), at, b"b".to_vec()),
            Err(Refused::Conflict(at))
        );
    }

    #[test]
    fn height_round_and_step_never_go_back() {
        let last = slot(5, 3, SignStep::Prevote);
        let earlier = [
            slot(4, 9, SignStep::Precommit),
            slot(5, 2, SignStep::Precommit),
            slot(5, 3, SignStep::Propose),
        ];
        for asked in earlier {
            let mut state = SignState::default();
            state.sign(&key(), last, b"a".to_vec()).unwrap();
            let refused = state.sign(&key(), asked, b"a".to_vec());
            assert_eq!(refused, Err(Refused::Regression { asked, last }));
        }
    }

    #[test]
    fn the_state_survives_reopening_and_one_damaged_slot() {
        let mut storage = MemoryStorage::default();
        storage.create_dir("v").unwrap();
        let mut file = SignFile::create(&mut storage, "v").unwrap();
        let mut state = SignState::default();
        let mut states = vec![state.clone()];
        for height in 1..=3 {
            let at = slot(height, 0, SignStep::Propose);
            state.sign(&key(), at, vec![1]).unwrap();
            file.write(&mut storage, &state).unwrap();
            file.sync(&mut storage).unwrap();
            states.push(state.clone());
        }
        assert_eq!(SignFile::open(&mut storage, "v").unwrap().1, states[3]);
        // Generation 4 lies in slot 0; tearing it leaves generation 3.
        write_all(&mut storage, file.file, 20, &[0xff; 4]).unwrap();
        assert_eq!(SignFile::open(&mut storage, "v").unwrap().1, states[2]);
        write_all(&mut storage, file.file, 512 + 20, &[0xff; 4]).unwrap();
        let damaged = SignFile::open(&mut storage, "v").unwrap_err();
        assert_eq!(damaged, SignFileError::Damaged("v/sign_state".to_owned()));
    }

    /// Sign bytes as a node makes them, and where they belong.
    fn vote(round: u32, kind: VoteKind, nil: bool) -> (SignSlot, Vec<u8>) {
        let hash = Hash([7; 32]);
        let parts = PartSetHeader { total: 1, hash };
        let vote = Vote {
            kind,
            height: Height(9),
            round: Round(round),
            block: (!nil).then_some(BlockId { hash, parts }),
            index: ValidatorIndex::new(0),
            address: key().public_key().address(),
            signature: Signature([0; 64]),
        };
        let step = match kind {
            VoteKind::Prevote => SignStep::Prevote,
            VoteKind::Precommit => SignStep::Precommit,
        };
        let chain = ChainId::try_from(b"chain".to_vec()).unwrap();
        (slot(9, round, step), vote.sign_bytes(&chain))
    }

    #[test]
    fn of_two_votes_of_a_round_only_the_first_is_signed_whatever_came_between() {
        use VoteKind::{Precommit, Prevote};
        let mut state = SignState::default();
        let (at, block) = vote(0, Prevote, false);
        let first = state.sign(&key(), at, block.clone()).unwrap();
        let nil = vote(0, Prevote, true).1;
        assert_ne!(block, nil);
        let refused = state.clone().sign(&key(), at, nil.clone());
        assert_eq!(refused, Err(Refused::Conflict(at)));
        assert_eq!(state.sign(&key(), at, block.clone()), Ok(first));
        // The vote kinds of a round are in order, and rounds are.
        for (round, kind) in [(0, Precommit), (1, Prevote), (3, Precommit)] {
            let (later, bytes) = vote(round, kind, true);
            state.sign(&key(), later, bytes).unwrap();
            for bytes in [&block, &nil] {
                let refused = state.clone().sign(&key(), at, bytes.clone());
                let last = later;
                assert_eq!(refused, Err(Refused::Regression { asked: at, last }));
            }
        }
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let mut state = SignState::default();
        let (at, block) = vote(1, VoteKind::Precommit, false);
        state.sign(&key(), at, block).unwrap();
        let before = state.clone();
        for (round, nil) in [(1, true), (0, false)] {
            let (asked, bytes) = vote(round, VoteKind::Precommit, nil);
            state.sign(&key(), asked, bytes).unwrap_err();
            assert_eq!(state, before);
        }
    }

    #[test]
    fn what_the_log_says_is_taken_over_if_it_is_later_and_then_signed_no_more() {
        let (at, block) = vote(2, VoteKind::Prevote, false);
        let mut signer = SignState::default();
        let signature = signer.sign(&key(), at, block.clone()).unwrap();
        let mut restored = SignState::default();
        let early = vote(1, VoteKind::Prevote, false);
        restored.sign(&key(), early.0, early.1).unwrap();
        assert!(restored.adopt(at, block.clone(), signature));
        assert_eq!(restored, signer);
        assert!(!restored.adopt(at, block.clone(), signature), "no news");
        let nil = vote(2, VoteKind::Prevote, true).1;
        assert!(
            !restored.adopt(at, nil.clone(), signature),
            "never replaced"
        );
        let refused = restored.sign(&key(), at, nil);
        assert_eq!(refused, Err(Refused::Conflict(at)));
        assert_eq!(restored.sign(&key(), at, block), Ok(signature));
    }

    #[test]
    fn sign_bytes_are_kept_up_to_256_bytes_and_fit_into_a_slot() {
        let mut state = SignState::default();
        let at = slot(u64::MAX, u32::MAX, SignStep::Precommit);
        state.sign(&key(), at, vec![0xff; 256]).unwrap();
        let (generation, read) = parse_slot(&slot_bytes(u64::MAX, &state)).unwrap();
        assert_eq!((generation, read), (u64::MAX, state));
    }

    #[test]
    #[should_panic(expected = "sign bytes are short")]
    fn longer_sign_bytes_are_a_bug_of_the_caller() {
        let at = slot(1, 0, SignStep::Propose);
        let _ = SignState::default().sign(&key(), at, vec![0; 257]);
    }
}
