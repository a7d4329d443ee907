//! What hostile bytes can make the decoders allocate, measured by a counting allocator.
//!
//! The limit is declared here, from what a frame may hold and how large it is in memory, and every
//! byte asked for counts, also those given back at once. All measurements are made by one test, so
//! that no other thread allocates meanwhile.

use std::{alloc::System, sync::Arc};

use engine::{
    codec::{
        DecodeError, Frame, MAX_FRAME_BYTES, MAX_SYNC_FRAME_BYTES, MAX_SYNC_FRAME_MESSAGES,
        WIRE_VERSION, decode,
    },
    node::Entry,
    types::{
        Address, BitArray, Block, BlockId, Bounded, BoundedBytes, Channel, Commit, CommitSig,
        DuplicateVote, Hash, Header, Height, MAX_BITS, MAX_FRAME_MESSAGES, MAX_GOSSIPED_TXS,
        MAX_PARTS, MAX_TXS, MAX_VALIDATORS, Message, PART_BYTES, Part, PartSet, PartSetHeader,
        Proof, Proposal, Round, Signature, Step, SyncMessage, Time, Tx, ValidatorIndex, Vote,
        VoteKind,
    },
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A frame whatever its length: the list of messages, which grows by doubling, a part or
/// transaction whose bytes never came, and the words of an error.
const PER_FRAME: usize =
    2 * MAX_FRAME_MESSAGES * size_of::<Message>() + PART_BYTES + 4 * size_of::<Block>() + 1_024;
/// For each byte of a frame of the consensus and pool channels: an empty transaction is four bytes
/// of length there, and a place in a growing list here.
const PER_BYTE: usize = 2 * size_of::<Tx>() / 4 + 1;
/// For each byte of a frame of block sync, of a stored block or of a log entry: an absent signature
/// is one byte there, and a place in a growing list here.
const PER_BLOCK_BYTE: usize = 2 * size_of::<CommitSig>();

/// Any frame: twice the longest.
const PER_LONGEST_FRAME: usize = 2 * MAX_SYNC_FRAME_BYTES + PER_FRAME;

fn limit(bytes: &[u8]) -> usize {
    let sync = bytes.get(1) == Some(&(Channel::BlockSync as u8));
    let per_byte = if sync { PER_BLOCK_BYTE } else { PER_BYTE };
    (PER_FRAME + per_byte * bytes.len()).min(PER_LONGEST_FRAME)
}

/// The bytes asked for while `run` runs, and its result.
fn asked<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let region = Region::new(ALLOCATOR);
    let result = run();
    (region.change().bytes_allocated, result)
}

fn check_frame(name: &str, bytes: &[u8]) -> Result<usize, DecodeError> {
    let (asked, result) = asked(|| decode(bytes).map(|contents| contents.messages.len()));
    let limit = limit(bytes);
    assert!(
        asked <= limit,
        "{name}: {asked} bytes for a frame of {}, at most {limit} are allowed",
        bytes.len()
    );
    result
}

fn id(byte: u8) -> BlockId {
    let hash = Hash([byte; 32]);
    let parts = PartSetHeader { total: 1, hash };
    BlockId { hash, parts }
}

fn vote(block: Option<BlockId>) -> Vote {
    Vote {
        kind: VoteKind::Prevote,
        height: Height(1),
        round: Round(0),
        block,
        index: ValidatorIndex(0),
        address: Address([1; 20]),
        signature: Signature([2; 64]),
    }
}

fn bounded<T, const N: usize>(items: Vec<T>) -> Bounded<T, N> {
    let len = items.len();
    Bounded::try_from(items).unwrap_or_else(|e| panic!("{len}: {e}"))
}

/// A block with much that costs few bytes.
fn cheap_block(txs: usize, signatures: usize) -> Block {
    let txs = vec![Tx::default(); txs];
    let commit = cheap_commit(signatures);
    Block {
        header: Header {
            chain: BoundedBytes::default(),
            height: Height(1),
            time: Time(1),
            last_block: Some(id(1)),
            last_commit_hash: Block::commit_hash(Some(&commit)),
            data_hash: Block::data_hash(&txs),
            evidence_hash: Block::evidence_hash(&[]),
            validators_hash: Hash::default(),
            app_hash: Hash::default(),
            config_sequence: 0,
            proposer: Address::default(),
        },
        txs: bounded(txs),
        evidence: Bounded::default(),
        last_commit: Some(commit),
    }
}

fn cheap_commit(signatures: usize) -> Commit {
    Commit {
        height: Height(1),
        round: Round(0),
        block: id(1),
        signatures: bounded(vec![CommitSig::Absent; signatures]),
    }
}

/// A part with the most bytes and the deepest proof.
fn large_part() -> Part {
    Part {
        bytes: bounded_bytes(vec![1; PART_BYTES]),
        proof: Proof {
            total: MAX_PARTS,
            index: 0,
            aunts: bounded(vec![Hash::default(); 32]),
        },
    }
}

/// A message of every kind, as large in memory for its bytes as it can be.
fn every_kind() -> Vec<Message> {
    let (height, round, kind) = (Height(1), Round(0), VoteKind::Prevote);
    let have = BitArray::new(MAX_BITS);
    let evidence = DuplicateVote::new(vote(None), vote(Some(id(1)))).expect("contradicting votes");
    vec![
        Message::NewRoundStep {
            height,
            round,
            step: Step::Propose,
            seconds_since_start: 0,
            last_commit_round: None,
        },
        Message::NewValidBlock {
            height,
            round,
            parts: PartSetHeader {
                total: MAX_PARTS,
                hash: Hash::default(),
            },
            have: BitArray::new(MAX_PARTS as usize),
            is_commit: true,
        },
        Message::Proposal(Proposal {
            height,
            round: Round(1),
            pol_round: Some(round),
            block: id(1),
            signature: Signature([3; 64]),
        }),
        Message::ProposalPol {
            height,
            pol_round: round,
            have: have.clone(),
        },
        Message::BlockPart {
            height,
            round,
            part: Arc::new(large_part()),
        },
        Message::Vote(vote(None)),
        Message::HasVote {
            height,
            round,
            kind,
            index: ValidatorIndex(0),
        },
        Message::VoteSetMaj23 {
            height,
            round,
            kind,
            block: Some(id(1)),
        },
        Message::VoteSetBits {
            height,
            round,
            kind,
            block: Some(id(1)),
            have,
        },
        Message::Txs(bounded(vec![Tx::default(); MAX_GOSSIPED_TXS])),
        Message::Evidence(Box::new(evidence)),
        Message::BlockSync(SyncMessage::StatusRequest),
        Message::BlockSync(SyncMessage::BlockResponse {
            block: Arc::new(cheap_block(MAX_TXS, MAX_VALIDATORS)),
            commit: Box::new(cheap_commit(MAX_VALIDATORS)),
        }),
    ]
}

fn bounded_bytes<const N: usize>(bytes: Vec<u8>) -> BoundedBytes<N> {
    BoundedBytes::try_from(bytes).expect("as long as allowed")
}

/// As many of each message as a frame holds.
fn full_frames() {
    for message in every_kind() {
        let channel = message.channel();
        let one = Frame::encode(channel, vec![message.clone()]).bytes().len();
        let sync = channel == Channel::BlockSync;
        let (most, messages) = if sync {
            (MAX_SYNC_FRAME_BYTES, MAX_SYNC_FRAME_MESSAGES)
        } else {
            (MAX_FRAME_BYTES, MAX_FRAME_MESSAGES)
        };
        let count = ((most - 16) / one).min(messages);
        let frame = Frame::encode(channel, vec![message.clone(); count]);
        assert_eq!(check_frame(message.name(), frame.bytes()), Ok(count));
    }
}

/// Lengths as hostile as they come at every place of every message, and the frame cut off behind.
fn claimed_lengths() {
    let lengths = [
        u32::MAX,
        1 << 31,
        65_537,
        65_536,
        10_000,
        1_024,
        256,
        50,
        32,
        16,
    ];
    for message in every_kind() {
        let bytes = Frame::encode(message.channel(), vec![message.clone()]);
        let bytes = &bytes.bytes()[..bytes.bytes().len().min(400)];
        for at in 2..bytes.len().saturating_sub(4) {
            for length in lengths {
                let mut hostile = bytes.to_vec();
                hostile[at..at + 4].copy_from_slice(&length.to_le_bytes());
                let _ = check_frame(message.name(), &hostile);
                hostile.truncate(at + 4);
                let _ = check_frame(message.name(), &hostile);
            }
        }
    }
}

/// Every tag of a message followed by nothing but ones, or zeros.
fn bare_tags() {
    for channel in 0..=u8::MAX {
        for tag in 0..=u8::MAX {
            for fill in [0, u8::MAX] {
                let mut bytes = vec![WIRE_VERSION, channel, 1, 0, 0, 0, tag];
                bytes.extend([fill; 64]);
                let _ = check_frame("a bare tag", &bytes);
            }
        }
    }
}

/// A frame that is too long is refused by its length, whatever it holds.
fn too_long() {
    let head = |channel| [WIRE_VERSION, channel, 255, 255, 255, 255];
    for (channel, most) in [
        (Channel::Vote, MAX_FRAME_BYTES),
        (Channel::BlockSync, MAX_SYNC_FRAME_BYTES),
    ] {
        let mut bytes = vec![0; most + 1];
        bytes[..6].copy_from_slice(&head(channel as u8));
        let (asked, result) = asked(|| decode(&bytes));
        let (got, limit) = (most + 1, most);
        assert_eq!(result, Err(DecodeError::TooLong { got, limit }));
        assert_eq!(asked, 0);
    }
}

/// What is read from the disk has checksums, but no decoder relies on them. A block's digests are
/// checked, too, which encodes every signature and transaction once more.
fn what_is_stored() {
    let block = cheap_block(100, 100);
    let bytes = block.cut().1.assemble().expect("a whole block");
    let lengths = [u32::MAX, 65_536, 10_000];
    for at in 0..bytes.len() - 4 {
        for length in lengths {
            let mut hostile = bytes.clone();
            hostile[at..at + 4].copy_from_slice(&length.to_le_bytes());
            let most = PER_FRAME + 2 * PER_BLOCK_BYTE * hostile.len();
            let (one, _) = asked(|| Block::decode(&hostile).is_ok());
            let (two, _) = asked(|| Entry::decode(&hostile).is_ok());
            let (three, _) = asked(|| borsh::from_slice::<(Block, Commit)>(&hostile).is_ok());
            assert!(one.max(two).max(three) <= most, "{length} at {at}");
        }
    }
}

/// A header makes room for its parts before they come; more than a block can have get none.
fn headers_of_parts() {
    let hash = Hash::default();
    for total in [0, 1, MAX_PARTS, MAX_PARTS + 1, 1 << 31, u32::MAX] {
        let (asked, set) = asked(|| PartSet::empty(PartSetHeader { total, hash }));
        let possible = (1..=MAX_PARTS).contains(&total);
        assert_eq!(set.is_some(), possible, "{total} parts");
        let places = if possible { total as usize } else { 0 };
        assert!(asked <= places * 16 + 64, "{asked} bytes for {total} parts");
    }
}

#[test]
fn no_bytes_make_a_decoder_allocate_more_than_its_limit() {
    full_frames();
    claimed_lengths();
    bare_tags();
    too_long();
    what_is_stored();
    headers_of_parts();
}
