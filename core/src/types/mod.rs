//! The nouns: plain data with one canonical encoding each, and the arithmetic that belongs to it.
//!
//! Lowest room. It touches nothing but `borsh`, `serde` and `sha2`. A block id is a hash, so
//! hashing and the Merkle tree live here (`docs/adr/0002-hashes-are-types.md`); keys and signatures
//! live in `crypto`.

mod bit_array;
mod block;
mod bounded;
mod channel;
mod commit;
mod evidence;
mod hash;
mod ids;
mod merkle;
mod message;
mod params;
mod part_set;
mod proposal;
mod validators;
mod vote;

pub use bit_array::{BitArray, MAX_BITS};
pub use block::{Block, BlockError, BlockId, Header, MAX_BLOCK_BYTES, MAX_TX_BYTES, MAX_TXS, Tx};
pub use bounded::{Bounded, BoundedBytes, TooLong};
pub use channel::{ChannelDescriptor, MAX_FRAME_BYTES, MAX_SYNC_FRAME_BYTES};
pub use commit::{Commit, CommitSig};
pub use evidence::{DuplicateVote, MAX_EVIDENCE, Offence};
pub use hash::{Address, Hash, PublicKey, Signature, sha256};
pub use ids::{
    ChainId, Height, Hrs, Lsn, PeerId, Round, Span, Step, Time, ValidatorIndex, compare_hrs,
};
pub use merkle::{MAX_AUNTS, Proof, merkle_proofs, merkle_root};
pub use message::{Channel, MAX_FRAME_MESSAGES, MAX_GOSSIPED_TXS, Message, SyncMessage};
pub use params::{ConfigChange, MAX_DATA_BYTES, MAX_EVIDENCE_AGE, Params, ParamsError};
pub use part_set::{MAX_PARTS, PART_BYTES, Part, PartError, PartSet, PartSetHeader};
pub use proposal::Proposal;
pub use validators::{
    MAX_TOTAL_POWER, MAX_VALIDATORS, Validator, ValidatorError, ValidatorSet, ValidatorUpdate,
    is_more_than_one_third, is_quorum,
};
pub use vote::{Vote, VoteKind};
