//! Tests of the wire format: what encodes decodes, what decodes encodes to itself, and every bound
//! from both sides.

use proptest::prelude::*;

use super::*;
use crate::types::{
    BitArray, BlockId, Bounded, BoundedBytes, Hash, Height, MAX_PARTS, Part, PartSetHeader, Proof,
    Proposal, Round, Signature, Step, ValidatorIndex, Vote, VoteKind,
};

fn id(total: u32) -> BlockId {
    BlockId {
        hash: Hash([3; 32]),
        parts: PartSetHeader {
            total,
            hash: Hash([4; 32]),
        },
    }
}

fn vote(height: u64, block: Option<BlockId>) -> Message {
    Message::Vote(Vote {
        kind: VoteKind::Prevote,
        height: Height(height),
        round: Round(2),
        block,
        index: ValidatorIndex(1),
        address: crate::types::Address([5; 20]),
        signature: Signature([6; 64]),
    })
}

fn proposal(round: u32, pol_round: Option<u32>, total: u32) -> Message {
    Message::Proposal(Proposal {
        height: Height(1),
        round: Round(round),
        pol_round: pol_round.map(Round),
        block: id(total),
        signature: Signature([7; 64]),
    })
}

fn part(index: u32, total: u32, len: usize) -> Message {
    let bytes = BoundedBytes::try_from(vec![1; len]).unwrap();
    let proof = Proof {
        total,
        index,
        aunts: Bounded::default(),
    };
    let (height, round) = (Height(1), Round(0));
    Message::BlockPart {
        height,
        round,
        part: Arc::new(Part { bytes, proof }),
    }
}

fn step(height: u64, last_commit_round: Option<u32>) -> Message {
    let last_commit_round = last_commit_round.map(Round);
    let (height, round) = (Height(height), Round(0));
    Message::NewRoundStep {
        height,
        round,
        step: Step::Propose,
        seconds_since_start: 0,
        last_commit_round,
    }
}

fn valid_block(total: u32, bits: usize) -> Message {
    let (height, round, have) = (Height(1), Round(0), BitArray::new(bits));
    Message::NewValidBlock {
        height,
        round,
        parts: id(total).parts,
        have,
        is_commit: false,
    }
}

fn pol(bits: usize) -> Message {
    Message::ProposalPol {
        height: Height(1),
        pol_round: Round(0),
        have: BitArray::new(bits),
    }
}

fn has_vote(height: u64) -> Message {
    let (height, round, kind) = (Height(height), Round(0), VoteKind::Precommit);
    Message::HasVote {
        height,
        round,
        kind,
        index: ValidatorIndex(3),
    }
}

fn maj23(height: u64, block: Option<BlockId>) -> Message {
    let (height, round, kind) = (Height(height), Round(0), VoteKind::Prevote);
    Message::VoteSetMaj23 {
        height,
        round,
        kind,
        block,
    }
}

fn set_bits(height: u64, bits: usize) -> Message {
    let (height, round, kind) = (Height(height), Round(0), VoteKind::Prevote);
    Message::VoteSetBits {
        height,
        round,
        kind,
        block: None,
        have: BitArray::new(bits),
    }
}

/// One valid message of every kind.
fn every_kind() -> Vec<Message> {
    vec![
        step(2, Some(0)),
        valid_block(3, 3),
        proposal(1, Some(0), 1),
        pol(4),
        part(0, 1, 10),
        vote(1, None),
        has_vote(1),
        maj23(1, Some(id(1))),
        set_bits(1, 4),
    ]
}

#[test]
fn every_message_comes_back_as_it_was_sent() {
    for message in every_kind() {
        let frame = Frame::encode(message.channel(), vec![message.clone()]);
        assert_eq!(&*frame.contents().unwrap().messages, &[message]);
    }
}

#[test]
fn trailing_and_missing_bytes_are_rejected() {
    for message in every_kind() {
        let bytes = Frame::encode(message.channel(), vec![message])
            .bytes()
            .to_vec();
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(decode(&longer), Err(DecodeError::Malformed(_))));
        for len in 0..bytes.len() {
            assert!(
                decode(&bytes[..len]).is_err(),
                "a prefix of {len} bytes was accepted"
            );
        }
    }
}

#[test]
fn a_message_on_a_wrong_channel_is_rejected() {
    let mut bytes = Frame::encode(Channel::Vote, vec![vote(1, None)])
        .bytes()
        .to_vec();
    bytes[1] = Channel::Data as u8;
    let expected = DecodeError::WrongChannel {
        message: "Vote",
        channel: Channel::Data,
    };
    assert_eq!(decode(&bytes), Err(expected));
}

#[test]
fn empty_frames_and_other_versions_are_rejected() {
    assert_eq!(decode(&[]), Err(DecodeError::Empty));
    assert_eq!(decode(&[2, 0x20, 0, 0, 0, 0]), Err(DecodeError::Version(2)));
    let none = decode(&[WIRE_VERSION, 0x20, 0, 0, 0, 0]);
    assert_eq!(none, Err(DecodeError::Malformed("no messages".to_owned())));
    let long = vec![WIRE_VERSION; MAX_FRAME_BYTES + 1];
    assert_eq!(
        decode(&long),
        Err(DecodeError::TooLong {
            got: MAX_FRAME_BYTES + 1,
            limit: MAX_FRAME_BYTES
        })
    );
}

#[test]
fn a_claimed_number_of_messages_buys_no_memory() {
    let mut bytes = vec![WIRE_VERSION, 0x22];
    bytes.extend(u32::MAX.to_le_bytes());
    assert!(matches!(decode(&bytes), Err(DecodeError::Malformed(_))));
}

/// Each bound with a value just inside and just outside.
#[test]
fn every_bound_holds_from_both_sides() {
    let table = [
        ("vote height", vote(1, None), vote(0, None)),
        (
            "vote block parts",
            vote(1, Some(id(MAX_PARTS))),
            vote(1, Some(id(MAX_PARTS + 1))),
        ),
        (
            "vote block has parts",
            vote(1, Some(id(1))),
            vote(1, Some(id(0))),
        ),
        (
            "first height has no commit",
            step(1, None),
            step(1, Some(0)),
        ),
        ("later heights have one", step(2, Some(0)), step(2, None)),
        ("step height", step(1, None), step(0, None)),
        (
            "as many bits as parts",
            valid_block(3, 3),
            valid_block(3, 4),
        ),
        (
            "pol before round",
            proposal(1, Some(0), 1),
            proposal(1, Some(1), 1),
        ),
        (
            "no pol in round 0",
            proposal(0, None, 1),
            proposal(0, Some(0), 1),
        ),
        (
            "proposal parts",
            proposal(0, None, MAX_PARTS),
            proposal(0, None, MAX_PARTS + 1),
        ),
        ("pol bits", pol(1), pol(0)),
        ("part index", part(2, 3, 1), part(3, 3, 1)),
        (
            "part total",
            part(0, MAX_PARTS, 1),
            part(0, MAX_PARTS + 1, 1),
        ),
        ("part bytes", part(0, 1, 1), part(0, 1, 0)),
        ("has-vote height", has_vote(1), has_vote(0)),
        ("maj23 height", maj23(1, None), maj23(0, None)),
        ("maj23 block", maj23(1, Some(id(1))), maj23(1, Some(id(0)))),
        ("bits height", set_bits(1, 0), set_bits(0, 0)),
    ];
    for (bound, inside, outside) in table {
        assert_eq!(validate(&inside), Ok(()), "{bound}");
        assert!(validate(&outside).is_err(), "{bound}");
    }
}

proptest! {
    #[test]
    fn whatever_decodes_encodes_to_itself(
        pick in 0usize..9,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let message = every_kind().swap_remove(pick);
        let mut bytes = Frame::encode(message.channel(), vec![message]).bytes().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(contents) = decode(&bytes) {
            let messages = contents.messages.into_vec();
            let again = Frame::encode(contents.channel, messages);
            prop_assert_eq!(again.bytes(), &bytes[..]);
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = vec![WIRE_VERSION];
        framed.extend(&bytes);
        prop_assert_eq!(decode(&framed).is_ok(), Frame::from_bytes(framed).contents().is_ok());
    }
}
