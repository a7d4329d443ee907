//! Every bound of the wire format with a value just inside and one just outside.
//!
//! The bytes are put together in `rows` from the description of the format, field by field and
//! without the engine's own encoders, so that what lies outside can be said at all.

mod rows;

use engine::{
    app::{Item, MAX_ITEM_BYTES},
    codec::{DecodeError, MAX_FRAME_BYTES, MAX_SYNC_FRAME_BYTES, WIRE_VERSION, decode},
    types::{
        BitArray, Block, ChainId, Commit, MAX_BITS, MAX_BLOCK_BYTES, MAX_EVIDENCE,
        MAX_FRAME_MESSAGES, MAX_GOSSIPED_TXS, MAX_PARTS, MAX_TOTAL_POWER, MAX_TX_BYTES, MAX_TXS,
        MAX_VALIDATORS, PART_BYTES, PartSet, PublicKey, Tx, ValidatorError, ValidatorSet,
        ValidatorUpdate,
    },
};

use rows::{
    BITS, DATA, EVIDENCE, MEMPOOL, STATE, SYNC, VOTE, block, commit, frame, frame_of, id, put,
    zeros,
};

#[test]
fn every_bound_of_every_message_holds_from_both_sides() {
    for (bound, inside, outside) in rows::all() {
        assert_eq!(decode(&inside).map(drop), Ok(()), "{bound}: inside");
        let refused = decode(&outside);
        let by_bound = matches!(
            refused,
            Err(DecodeError::Malformed(_) | DecodeError::Invalid(_))
        );
        assert!(by_bound, "{bound}: outside gives {refused:?}");
    }
}

/// Transactions of the largest size, and one that fills the longest frame up, but for `more` bytes.
fn longest_frame(more: usize) -> Vec<u8> {
    let message = |lens: &[usize]| {
        let txs: Vec<_> = lens.iter().map(|len| vec![1u8; *len]).collect();
        put(&(0x30u8, txs))
    };
    let full = message(&[MAX_TX_BYTES; MAX_GOSSIPED_TXS]);
    let mut last = vec![MAX_TX_BYTES; 251];
    last.push(1_014 + more);
    let frame = frame_of(MEMPOOL, &[full.clone(), full.clone(), full, message(&last)]);
    assert_eq!(frame.len(), MAX_FRAME_BYTES + more);
    frame
}

#[test]
fn frames_have_a_longest_length_and_a_largest_number_of_messages() {
    assert_eq!(decode(&longest_frame(0)).map(drop), Ok(()));
    let limit = MAX_FRAME_BYTES;
    let too_long = DecodeError::TooLong {
        got: limit + 1,
        limit,
    };
    assert_eq!(decode(&longest_frame(1)), Err(too_long));
    let hint = put(&(0x15u8, 1u64, 0u32, 1u8, 1u16));
    let hints = |count: usize| frame_of(STATE, &vec![hint.clone(); count]);
    assert_eq!(decode(&hints(MAX_FRAME_MESSAGES)).map(drop), Ok(()));
    let many = decode(&hints(MAX_FRAME_MESSAGES + 1));
    assert!(matches!(many, Err(DecodeError::Malformed(_))), "{many:?}");
    assert!(matches!(decode(&hints(0)), Err(DecodeError::Malformed(_))));
}

#[test]
fn frames_of_block_sync_may_be_longer() {
    let mut bytes = put(&(vec![b'c'; 50], 2u64, 0u64, Some(id(1, 1))));
    bytes.extend(put(&([[0u8; 32]; 5], 0u64, [0u8; 20])));
    bytes.extend(put(&vec![vec![1u8; MAX_TX_BYTES]; 2_000]));
    bytes.extend(put(&(0u32, 0u8)));
    bytes.extend(commit(2, 4));
    let frame = frame_of(SYNC, &[[vec![0x40, 4], bytes].concat()]);
    assert!(frame.len() > MAX_FRAME_BYTES);
    assert_eq!(decode(&frame).map(drop), Ok(()));
    let mut padded = frame;
    padded.resize(MAX_SYNC_FRAME_BYTES, 0);
    let refused = decode(&padded);
    assert!(
        matches!(refused, Err(DecodeError::Malformed(_))),
        "{refused:?}"
    );
    padded.push(0);
    let refused = decode(&padded);
    assert!(
        matches!(refused, Err(DecodeError::TooLong { .. })),
        "{refused:?}"
    );
}

#[test]
fn tags_channels_and_versions_that_do_not_exist_are_refused() {
    let known = [
        0x01, 0x02, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x30, 0x38, 0x40,
    ];
    let channels = [STATE, DATA, VOTE, BITS, MEMPOOL, EVIDENCE, SYNC];
    let unknown = |byte: u8| format!("nexpected variant tag: {byte}");
    for byte in 0..=u8::MAX {
        let error = |channel, tag| decode(&frame(channel, tag, &[0u8; 200])).expect_err("zeros");
        let tag = error(STATE, byte).to_string();
        assert_eq!(
            tag.contains(&unknown(byte)),
            !known.contains(&byte),
            "{byte}: {tag}"
        );
        let channel = error(byte, 0x01).to_string();
        let exists = !channel.contains(&unknown(byte));
        assert_eq!(exists, channels.contains(&byte), "{byte}: {channel}");
        let mut other = frame(STATE, 0x15, &(1u64, 0u32, 1u8, 1u16));
        other[0] = byte;
        assert_eq!(decode(&other).is_ok(), byte == WIRE_VERSION);
    }
}

fn encodes<T: borsh::BorshDeserialize>(bytes: &[u8]) -> bool {
    borsh::from_slice::<T>(bytes).is_ok()
}

#[test]
fn every_bounded_type_holds_from_both_sides() {
    for (name, most, fits) in [
        ("item", MAX_ITEM_BYTES, encodes::<Item> as fn(&[u8]) -> bool),
        ("transaction", MAX_TX_BYTES, encodes::<Tx>),
        ("chain id", 50, encodes::<ChainId>),
    ] {
        assert!(fits(&put(&vec![0u8; most])), "{name}");
        assert!(!fits(&put(&vec![0u8; most + 1])), "{name}");
    }
    let most = u32::try_from(MAX_BITS).expect("few");
    assert!(encodes::<BitArray>(&zeros(most)));
    assert!(!encodes::<BitArray>(&zeros(most + 1)));
    assert!(encodes::<Block>(&block(
        50,
        MAX_TXS,
        MAX_EVIDENCE,
        MAX_VALIDATORS
    )));
    assert!(!encodes::<Block>(&block(51, 0, 0, 0)));
    assert!(encodes::<Commit>(&commit(1, MAX_VALIDATORS)));
    assert!(!encodes::<Commit>(&commit(1, MAX_VALIDATORS + 1)));
    assert!(ChainId::try_from(vec![0; 50]).is_ok() && ChainId::try_from(vec![0; 51]).is_err());
}

fn members(count: u16, power: u64) -> Vec<ValidatorUpdate> {
    let member = |n: u16| {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_le_bytes());
        let key = PublicKey(key);
        ValidatorUpdate { key, power }
    };
    (0..count).map(member).collect()
}

#[test]
fn a_validator_set_has_a_largest_size_and_a_largest_power() {
    let most = u16::try_from(MAX_VALIDATORS).expect("below 65,536");
    let full = ValidatorSet::new(&members(most, 1)).expect("the largest set");
    assert_eq!(full.len(), MAX_VALIDATORS);
    let [.., one_more] = members(most + 1, 1)[..] else {
        panic!("one more")
    };
    let refused = full.with_updates(&[one_more]);
    assert_eq!(refused, Err(ValidatorError::TooMany(MAX_VALIDATORS + 1)));
    let mut two = members(2, MAX_TOTAL_POWER / 2);
    assert!(ValidatorSet::new(&two).is_ok());
    two[0].power += 1;
    assert_eq!(ValidatorSet::new(&two), Err(ValidatorError::TooMuchPower));
    two[0].power = u64::MAX;
    assert_eq!(
        ValidatorSet::new(&two),
        Err(ValidatorError::TooMuchPower),
        "no overflow"
    );
}

#[test]
fn the_largest_block_has_the_most_parts() {
    let set = PartSet::split(&vec![0; MAX_BLOCK_BYTES]);
    assert_eq!(set.header().total, MAX_PARTS);
    assert_eq!(
        set.assemble().map(|bytes| bytes.len()),
        Some(MAX_BLOCK_BYTES)
    );
}

#[test]
#[should_panic(expected = "22020097 bytes")]
fn a_larger_block_is_never_cut() {
    let _ = PartSet::split(&vec![0; MAX_BLOCK_BYTES + 1]);
}

#[test]
#[should_panic(expected = "10001 bits, at most 10000 are allowed")]
fn a_longer_bit_array_is_never_made() {
    assert_eq!(BitArray::new(MAX_BITS).len(), MAX_BITS);
    let _ = BitArray::new(MAX_BITS + 1);
}

/// The numbers that are upstream's: `MaxVotesCount`, `MaxBlockSize`, `DefaultBlockPartSize`,
/// `maxConsensusMessageSize`. Changing one changes what other nodes are told.
#[test]
fn the_bounds_are_those_of_tendermint() {
    assert_eq!((MAX_BITS, MAX_VALIDATORS), (10_000, 10_000));
    assert_eq!(
        (MAX_BLOCK_BYTES, PART_BYTES, MAX_PARTS),
        (22_020_096, 65_536, 336)
    );
    assert_eq!((MAX_FRAME_BYTES, MAX_TXS), (1_048_576, 10_000));
}
