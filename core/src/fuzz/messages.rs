//! Messages of every kind: what keeps its bounds survives the way over the wire, what does not is
//! refused, and nothing else is accepted beside what was sent.

use std::sync::{Arc, OnceLock};

use arbitrary::{Result, Unstructured};

use super::{
    live::Live,
    toy::{set_of, toys},
};
use crate::{
    codec::{DecodeError, Frame, decode, validate},
    crypto::Sign,
    types::{
        Address, Block, BlockId, Bounded, ChainId, Commit, CommitSig, Hash, Header, Height,
        PartSet, Round, Signature, Time,
    },
};

/// Values at height 7 of a chain of four validators.
fn dictionary() -> &'static Live {
    static LIVE: OnceLock<Live> = OnceLock::new();
    LIVE.get_or_init(|| {
        let parts = PartSet::split(b"a block of one part");
        let id = BlockId {
            hash: Hash([7; 32]),
            parts: parts.header(),
        };
        let keys = toys(4);
        Live {
            height: Height(7),
            round: Round(2),
            blocks: vec![id],
            parts: vec![Arc::clone(parts.part(0).expect("the only part"))],
            addresses: keys.iter().map(|key| key.public_key().address()).collect(),
            decided: vec![(Arc::new(empty_block(id)), commit(id))],
        }
    })
}

fn commit(block: BlockId) -> Commit {
    let signature = CommitSig::Block(Signature([3; 64]));
    let entries = vec![
        signature,
        CommitSig::Absent,
        CommitSig::Nil(Signature([4; 64])),
    ];
    Commit {
        height: Height(7),
        round: Round(0),
        block,
        signatures: Bounded::try_from(entries).expect("three"),
    }
}

fn empty_block(last: BlockId) -> Block {
    let header = Header {
        chain: ChainId::default(),
        height: Height(7),
        time: Time(1),
        last_block: Some(last),
        last_commit_hash: Hash::default(),
        data_hash: Block::data_hash(&[]),
        evidence_hash: Block::evidence_hash(&[]),
        validators_hash: set_of(&toys(4), &[1; 4]).hash(),
        app_hash: Hash::default(),
        config_sequence: 0,
        proposer: Address::default(),
    };
    Block {
        header,
        txs: Bounded::default(),
        evidence: Bounded::default(),
        last_commit: None,
    }
}

/// Messages of every kind out and in again.
pub(super) fn message_roundtrip(bytes: &[u8]) {
    // Too few bytes say nothing.
    let _ = roundtrip(&mut Unstructured::new(bytes));
}

fn roundtrip(u: &mut Unstructured<'_>) -> Result<()> {
    let message = dictionary().message(u)?;
    let frame = Frame::encode(message.channel(), vec![message.clone()]);
    match (decode(frame.bytes()), validate(&message)) {
        (Ok(contents), Ok(())) => assert_eq!(contents.messages[..], [message]),
        (Err(DecodeError::Invalid(refused)), Err(invalid)) => assert_eq!(refused, invalid),
        (decoded, valid) => panic!("{message:?}: decoded {decoded:?}, judged {valid:?}"),
    }
    let mut other = frame.bytes().to_vec();
    match u.arbitrary::<u8>()? % 3 {
        0 => other.push(u.arbitrary()?),
        1 => other.truncate(usize::from(u.arbitrary::<u16>()?) % other.len()),
        _ => {
            let at = usize::from(u.arbitrary::<u16>()?) % other.len();
            other[at] ^= u.arbitrary::<u8>()?.max(1);
        }
    }
    if let Ok(contents) = decode(&other) {
        let again = Frame::encode(contents.channel, contents.messages.into_vec());
        assert_eq!(again.bytes(), &other[..], "two encodings of one message");
    }
    Ok(())
}
