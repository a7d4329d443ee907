//! Bytes into decoders: no panic, no form but the canonical one, every bound kept, and no more
//! memory than the bytes and the bounds of the format can ask for.

use borsh::BorshDeserialize;

use crate::{
    codec::{Frame, decode},
    node::Entry,
    privval,
    types::{
        BitArray, Block, BlockId, Channel, CommitSig, DuplicateVote, MAX_FRAME_MESSAGES, Message,
        PART_BYTES, Part, Proposal, SyncMessage, Tx, Vote,
    },
};

/// A decoder, and the most memory it may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    /// The target that feeds it.
    pub target: &'static str,
    /// Decodes and forgets.
    pub decode: fn(&[u8]),
    /// The most bytes it may ask for in all, given back ones included.
    limit: fn(&[u8]) -> usize,
}

impl Decoder {
    /// Judges how many bytes of memory it has asked for.
    ///
    /// # Panics
    /// If these are more than the input allows.
    pub fn allows(&self, bytes: &[u8], asked: usize) {
        let limit = (self.limit)(bytes);
        assert!(
            asked <= limit,
            "{asked} bytes asked for, {limit} are allowed"
        );
    }
}

/// The decoders whose memory is measured.
pub const DECODERS: &[Decoder] = &[
    Decoder {
        target: "message_decode",
        decode: |bytes| drop(decode(bytes)),
        limit: frame_limit,
    },
    Decoder {
        target: "block_decode",
        decode: |bytes| drop(Block::try_from_slice(bytes)),
        limit: block_limit,
    },
    Decoder {
        target: "entry_decode",
        decode: |bytes| drop(Entry::decode(bytes)),
        limit: block_limit,
    },
    Decoder {
        target: "bit_array",
        decode: |bytes| drop(BitArray::try_from_slice(bytes)),
        limit: |bytes| 2 * bytes.len() + 1_024,
    },
    Decoder {
        target: "privval",
        decode: |bytes| drop(privval::newest(bytes)),
        limit: |_| 4_096,
    },
];

/// Whatever the length: the list of messages, which grows by doubling, a part whose bytes never
/// came, and the words of an error.
const HEAD: usize =
    2 * MAX_FRAME_MESSAGES * size_of::<Message>() + PART_BYTES + 4 * size_of::<Block>() + 1_024;

/// For each byte, the smallest item of a list in memory: an empty transaction is four bytes there.
fn frame_limit(bytes: &[u8]) -> usize {
    if bytes.get(1) == Some(&(Channel::BlockSync as u8)) {
        return block_limit(bytes);
    }
    HEAD + (2 * size_of::<Tx>() / 4 + 1) * bytes.len()
}

/// An absent signature of a commit is one byte.
fn block_limit(bytes: &[u8]) -> usize {
    HEAD + 2 * size_of::<CommitSig>() * bytes.len()
}

/// Bytes as a frame of a peer.
pub(super) fn message_decode(bytes: &[u8]) {
    let Ok(contents) = decode(bytes) else { return };
    for message in contents.messages.iter() {
        assert!(keeps_bounds(message), "beyond its bounds: {message:?}");
    }
    let again = Frame::encode(contents.channel, contents.messages.into_vec());
    assert_eq!(
        again.bytes(),
        bytes,
        "a second encoding of the same messages"
    );
}

/// Bytes as a block, as its parts give them.
pub(super) fn block_decode(bytes: &[u8]) {
    let Ok(block) = Block::decode(bytes) else {
        return;
    };
    assert_eq!(
        encoded(&block),
        bytes,
        "a second encoding of the same block"
    );
    let (id, parts) = block.cut();
    assert_eq!(parts.assemble().as_deref(), Some(bytes));
    assert_eq!(block.cut_checked().map(|(id, _)| id), Ok(id));
}

/// Bytes as an entry of the consensus log.
pub(super) fn entry_decode(bytes: &[u8]) {
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.encode(), bytes, "a second encoding of the same entry");
        let _words = entry.record.to_string();
    }
}

pub(super) fn encoded<T: borsh::BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("encoding into memory")
}

/// The most parts of the largest block: 22,020,096 bytes in parts of 65,536.
const PARTS: u32 = 336;

/// The bounds of every message, from the table of Tendermint's `ValidateBasic` and the numbers of
/// `docs/PROTOCOL.md`, without asking the codec.
fn keeps_bounds(message: &Message) -> bool {
    match message {
        Message::NewRoundStep {
            height,
            last_commit_round,
            ..
        } => height.0 >= 1 && (height.0 == 1) == last_commit_round.is_none(),
        Message::NewValidBlock {
            height,
            parts,
            have,
            ..
        } => {
            let total = parts.total;
            height.0 >= 1 && (1..=PARTS).contains(&total) && have.len() == total as usize
        }
        Message::Proposal(proposal) => proposal_keeps_bounds(proposal),
        Message::ProposalPol { height, have, .. } => {
            height.0 >= 1 && (1..=10_000).contains(&have.len())
        }
        Message::BlockPart { height, part, .. } => height.0 >= 1 && part_keeps_bounds(part),
        Message::Vote(vote) => vote_keeps_bounds(vote),
        Message::HasVote { height, .. } => height.0 >= 1,
        Message::VoteSetMaj23 { height, block, .. } => height.0 >= 1 && is_possible(block),
        Message::VoteSetBits {
            height,
            block,
            have,
            ..
        } => height.0 >= 1 && is_possible(block) && have.len() <= 10_000,
        Message::Txs(txs) => (1..=256).contains(&txs.len()) && txs.iter().all(|t| t.len() <= 1_024),
        Message::Evidence(evidence) => evidence_keeps_bounds(evidence),
        Message::BlockSync(message) => sync_keeps_bounds(message),
    }
}

fn is_possible(block: &Option<BlockId>) -> bool {
    block.is_none_or(|id| (1..=PARTS).contains(&id.parts.total))
}

fn proposal_keeps_bounds(proposal: &Proposal) -> bool {
    let before = proposal
        .pol_round
        .is_none_or(|pol| pol.0 < proposal.round.0);
    proposal.height.0 >= 1 && before && is_possible(&Some(proposal.block))
}

fn part_keeps_bounds(part: &Part) -> bool {
    let (total, index) = (part.proof.total, part.proof.index);
    let length = (1..=65_536).contains(&part.bytes.len());
    (1..=PARTS).contains(&total) && index < total && length && part.proof.aunts.len() <= 100
}

fn vote_keeps_bounds(vote: &Vote) -> bool {
    vote.height.0 >= 1 && is_possible(&vote.block)
}

fn evidence_keeps_bounds(evidence: &DuplicateVote) -> bool {
    let (a, b) = (&evidence.first, &evidence.second);
    let one_slot = (a.height, a.round, a.kind, a.index, a.address)
        == (b.height, b.round, b.kind, b.index, b.address);
    vote_keeps_bounds(a) && vote_keeps_bounds(b) && one_slot && a.block < b.block
}

fn sync_keeps_bounds(message: &SyncMessage) -> bool {
    match message {
        SyncMessage::StatusRequest => true,
        SyncMessage::StatusResponse { base, height } => {
            (base.0 == 0 && height.0 == 0) || (1..=height.0).contains(&base.0)
        }
        SyncMessage::BlockRequest { height } | SyncMessage::NoBlockResponse { height } => {
            height.0 >= 1
        }
        SyncMessage::BlockResponse { block, commit } => {
            block.header.height.0 >= 1 && commit.height == block.header.height
        }
    }
}
