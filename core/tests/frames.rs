//! Generated messages of every kind: what encodes decodes to the same, and whatever decodes encodes
//! to itself, also after bytes were changed, cut out, doubled or put in.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use engine::{
    codec::{Frame, MAX_SYNC_FRAME_MESSAGES, decode, validate},
    node::{Entry, Record},
    types::{
        Address, BitArray, Block, BlockId, Bounded, BoundedBytes, Channel, Commit, CommitSig,
        DuplicateVote, Hash, Header, Height, Hrs, Lsn, MAX_PARTS, Message, Part, PartSetHeader,
        PeerId, Proof, Proposal, Round, Signature, Step, SyncMessage, Time, Tx, ValidatorIndex,
        Vote, VoteKind,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::Index};

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn signature() -> impl Strategy<Value = Signature> {
    any::<[u8; 32]>().prop_map(|half| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&half);
        bytes[32..].copy_from_slice(&half);
        Signature(bytes)
    })
}

fn height() -> impl Strategy<Value = Height> {
    prop_oneof![(1u64..4), Just(u64::MAX), 1u64..].prop_map(Height)
}

fn round() -> impl Strategy<Value = Round> {
    prop_oneof![(0u32..4), Just(u32::MAX), any::<u32>()].prop_map(Round)
}

fn kind() -> impl Strategy<Value = VoteKind> {
    prop_oneof![Just(VoteKind::Prevote), Just(VoteKind::Precommit)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::NewHeight),
        Just(Step::NewRound),
        Just(Step::Propose),
        Just(Step::Prevote),
        Just(Step::PrevoteWait),
        Just(Step::Precommit),
        Just(Step::PrecommitWait),
        Just(Step::Commit),
    ]
}

fn parts() -> impl Strategy<Value = PartSetHeader> {
    let total = prop_oneof![1u32..4, Just(MAX_PARTS), 1..=MAX_PARTS];
    (total, hash()).prop_map(|(total, hash)| PartSetHeader { total, hash })
}

fn id() -> impl Strategy<Value = BlockId> {
    (hash(), parts()).prop_map(|(hash, parts)| BlockId { hash, parts })
}

fn bits(least: usize) -> impl Strategy<Value = BitArray> {
    vec(any::<bool>(), least..200).prop_map(|bits| bits.into_iter().collect())
}

fn index() -> impl Strategy<Value = ValidatorIndex> {
    any::<u16>().prop_map(ValidatorIndex)
}

fn vote() -> impl Strategy<Value = Vote> {
    let slot = (kind(), height(), round(), option::of(id()));
    let voter = (index(), any::<[u8; 20]>().prop_map(Address), signature());
    (slot, voter).prop_map(
        |((kind, height, round, block), (index, address, signature))| Vote {
            kind,
            height,
            round,
            block,
            index,
            address,
            signature,
        },
    )
}

fn evidence() -> impl Strategy<Value = DuplicateVote> {
    (vote(), id(), signature()).prop_map(|(vote, block, signature)| {
        let other = Vote {
            block: Some(block),
            signature,
            ..vote.clone()
        };
        DuplicateVote::new(vote, other).expect("ids drawn at random differ")
    })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let slot = (height(), round(), any::<Index>(), any::<bool>());
    (slot, id(), signature()).prop_map(|((height, round, pol, has), block, signature)| {
        let below = round.0 as usize;
        let pol = (has && below > 0).then(|| pol.index(below));
        let pol_round = pol.map(|pol| Round(u32::try_from(pol).expect("below the round")));
        Proposal {
            height,
            round,
            pol_round,
            block,
            signature,
        }
    })
}

fn part() -> impl Strategy<Value = Part> {
    let bytes = vec(any::<u8>(), 1..300);
    let aunts = vec(hash(), 0..=32);
    (bytes, 1..=MAX_PARTS, any::<Index>(), aunts).prop_map(|(bytes, total, index, aunts)| {
        let index = u32::try_from(index.index(total as usize)).expect("below the total");
        let aunts = Bounded::try_from(aunts).expect("few");
        let proof = Proof {
            total,
            index,
            aunts,
        };
        let bytes = BoundedBytes::try_from(bytes).expect("few");
        Part { bytes, proof }
    })
}

fn tx() -> impl Strategy<Value = Tx> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| Tx::try_from(bytes).expect("short"))
}

fn commit() -> impl Strategy<Value = Commit> {
    let entry = prop_oneof![
        Just(CommitSig::Absent),
        signature().prop_map(CommitSig::Nil),
        signature().prop_map(CommitSig::Block),
    ];
    (height(), round(), id(), vec(entry, 0..8)).prop_map(|(height, round, block, entries)| Commit {
        height,
        round,
        block,
        signatures: Bounded::try_from(entries).expect("few"),
    })
}

/// A block whose digests are right; whether it follows any chain is not the codec's business.
fn block() -> impl Strategy<Value = Block> {
    let head = (
        vec(any::<u8>(), 0..=50),
        height(),
        any::<u64>(),
        option::of(id()),
    );
    let digests = (hash(), hash(), any::<u64>(), any::<[u8; 20]>());
    let body = (vec(tx(), 0..5), vec(evidence(), 0..3), option::of(commit()));
    (head, digests, body).prop_map(|(head, digests, (txs, evidence, last_commit))| {
        let (chain, height, time, last_block) = head;
        let (validators_hash, app_hash, config_sequence, proposer) = digests;
        Block {
            header: Header {
                chain: BoundedBytes::try_from(chain).expect("at most 50"),
                height,
                time: Time(time),
                last_block,
                last_commit_hash: Block::commit_hash(last_commit.as_ref()),
                data_hash: Block::data_hash(&txs),
                evidence_hash: Block::evidence_hash(&evidence),
                validators_hash,
                app_hash,
                config_sequence,
                proposer: Address(proposer),
            },
            txs: Bounded::try_from(txs).expect("few"),
            evidence: Bounded::try_from(evidence).expect("few"),
            last_commit,
        }
    })
}

fn hints() -> impl Strategy<Value = Message> {
    let place = || (height(), round());
    prop_oneof![
        (place(), step(), any::<u64>(), round()).prop_map(
            |((height, round), step, seconds_since_start, last)| Message::NewRoundStep {
                height,
                round,
                step,
                seconds_since_start,
                last_commit_round: (height > Height::FIRST).then_some(last),
            }
        ),
        (place(), vec(any::<bool>(), 1..336), hash(), any::<bool>()).prop_map(
            |((height, round), bits, hash, is_commit)| {
                let total = u32::try_from(bits.len()).expect("few");
                Message::NewValidBlock {
                    height,
                    round,
                    parts: PartSetHeader { total, hash },
                    have: bits.into_iter().collect(),
                    is_commit,
                }
            }
        ),
        (place(), kind(), index()).prop_map(|((height, round), kind, index)| Message::HasVote {
            height,
            round,
            kind,
            index,
        }),
        (place(), kind(), option::of(id())).prop_map(|((height, round), kind, block)| {
            Message::VoteSetMaj23 {
                height,
                round,
                kind,
                block,
            }
        }),
    ]
}

fn data() -> impl Strategy<Value = Message> {
    prop_oneof![
        proposal().prop_map(Message::Proposal),
        (height(), round(), bits(1)).prop_map(|(height, pol_round, have)| Message::ProposalPol {
            height,
            pol_round,
            have,
        }),
        (height(), round(), part()).prop_map(|(height, round, part)| Message::BlockPart {
            height,
            round,
            part: Arc::new(part),
        }),
    ]
}

fn set_bits() -> impl Strategy<Value = Message> {
    let slot = (height(), round(), kind(), option::of(id()));
    (slot, bits(0)).prop_map(
        |((height, round, kind, block), have)| Message::VoteSetBits {
            height,
            round,
            kind,
            block,
            have,
        },
    )
}

fn sync() -> impl Strategy<Value = Message> {
    let status = (height(), any::<u64>()).prop_map(|(base, more)| SyncMessage::StatusResponse {
        base,
        height: Height(base.0.saturating_add(more)),
    });
    let none = SyncMessage::StatusResponse {
        base: Height::ZERO,
        height: Height::ZERO,
    };
    let answer = (block(), commit()).prop_map(|(block, mut commit)| {
        commit.height = block.header.height;
        SyncMessage::BlockResponse {
            block: Arc::new(block),
            commit: Box::new(commit),
        }
    });
    let message = prop_oneof![
        Just(SyncMessage::StatusRequest),
        Just(none),
        status,
        height().prop_map(|height| SyncMessage::BlockRequest { height }),
        answer,
        height().prop_map(|height| SyncMessage::NoBlockResponse { height }),
    ];
    message.prop_map(Message::BlockSync)
}

/// Some messages of one channel.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let txs = vec(tx(), 1..5).prop_map(|txs| Message::Txs(Bounded::try_from(txs).expect("few")));
    let evidence = evidence().prop_map(|proof| Message::Evidence(Box::new(proof)));
    prop_oneof![
        4 => vec(hints(), 1..6),
        3 => vec(data(), 1..4),
        1 => vec(vote().prop_map(Message::Vote), 1..4),
        1 => vec(set_bits(), 1..4),
        1 => vec(txs, 1..3),
        1 => vec(evidence, 1..3),
        4 => vec(sync(), 1..MAX_SYNC_FRAME_MESSAGES),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let hrs = (height(), round(), step());
    prop_oneof![
        vec(any::<u8>(), 0..=50).prop_map(|chain| Record::Created {
            chain: BoundedBytes::try_from(chain).expect("at most 50"),
        }),
        (any::<u16>(), data()).prop_map(|(peer, message)| Record::Received {
            from: PeerId(peer),
            message,
        }),
        hrs.prop_map(|(height, round, step)| {
            Record::Timeout(Hrs {
                height,
                round,
                step,
            })
        }),
        vec(data(), 1..4).prop_map(|messages| Record::Own { messages }),
        any::<u64>().prop_map(|lsn| Record::Released(Lsn(lsn))),
    ]
}

/// A small change to some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Add(Index, u8),
    Remove(Index, usize),
    Double(Index, usize),
    Insert(Index, Vec<u8>),
    Length(Index, u32),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), prop_oneof![Just(1), Just(255)]).prop_map(|(at, by)| Change::Add(at, by)),
        (at(), 1usize..9).prop_map(|(at, len)| Change::Remove(at, len)),
        (at(), 1usize..70).prop_map(|(at, len)| Change::Double(at, len)),
        (at(), vec(any::<u8>(), 1..5)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), prop_oneof![0u32..4, any::<u32>()]).prop_map(|(at, n)| Change::Length(at, n)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let (Change::Set(at, _)
    | Change::Add(at, _)
    | Change::Remove(at, _)
    | Change::Double(at, _)
    | Change::Insert(at, _)
    | Change::Length(at, _)) = change;
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    let end = |len: usize| bytes.len().min(at + len);
    match change {
        Change::Set(_, byte) => bytes[at] = *byte,
        Change::Add(_, by) => bytes[at] = bytes[at].wrapping_add(*by),
        Change::Remove(_, len) => drop(bytes.drain(at..end(*len))),
        Change::Double(_, len) => {
            let doubled = bytes[at..end(*len)].to_vec();
            bytes.splice(at..at, doubled);
        }
        Change::Insert(_, new) => drop(bytes.splice(at..at, new.iter().copied())),
        Change::Length(_, n) => drop(bytes.splice(at..end(4), n.to_le_bytes())),
    }
}

/// If the bytes are a value, they are its only encoding.
fn is_canonical<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) -> bool {
    borsh::from_slice::<T>(bytes).is_ok_and(|value| {
        assert_eq!(borsh::to_vec(&value).expect("encoding into memory"), bytes);
        true
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn generated_messages_come_back_as_they_were_sent(messages in messages()) {
        for message in &messages {
            prop_assert_eq!(validate(message), Ok(()));
        }
        let channel = messages[0].channel();
        let frame = Frame::encode(channel, messages.clone());
        let contents = decode(frame.bytes()).map(|c| (c.channel, c.messages.into_vec()));
        prop_assert_eq!(contents, Ok((channel, messages)));
    }

    #[test]
    fn whatever_decodes_of_changed_frames_encodes_to_itself(
        messages in messages(),
        changes in vec(change(), 1..4),
    ) {
        let mut bytes = Frame::encode(messages[0].channel(), messages).bytes().to_vec();
        for change in &changes {
            apply(&mut bytes, change);
        }
        if let Ok(contents) = decode(&bytes) {
            let again = Frame::encode(contents.channel, contents.messages.into_vec());
            prop_assert_eq!(again.bytes(), &bytes[..]);
        }
    }

    #[test]
    fn log_entries_come_back_and_changed_ones_are_canonical_or_refused(
        time in any::<u64>(),
        record in record(),
        changes in vec(change(), 1..4),
    ) {
        let entry = Entry { time: Time(time), record };
        let mut bytes = entry.encode();
        prop_assert_eq!(Entry::decode(&bytes), Ok(entry));
        for change in &changes {
            apply(&mut bytes, change);
        }
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }

    #[test]
    fn blocks_come_back_and_changed_ones_are_canonical_or_refused(
        block in block(),
        changes in vec(change(), 1..3),
    ) {
        let bytes = block.cut().1.assemble().expect("a whole block");
        let again = Block::decode(&bytes);
        prop_assert_eq!(again.as_ref(), Ok(&block));
        let mut changed = bytes.clone();
        for change in &changes {
            apply(&mut changed, change);
        }
        is_canonical::<Block>(&changed);
        // The header's digests cover all the rest: another body does not pass under this header.
        if let Ok(other) = Block::decode(&changed) && other.header == block.header {
            prop_assert_eq!(other, block);
        }
    }
}

/// The generators above leave no kind out.
#[test]
fn every_channel_and_kind_is_generated() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut names = std::collections::BTreeSet::new();
    let mut channels = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let drawn = messages().new_tree(&mut runner).expect("a value").current();
        channels.extend(drawn.iter().map(Message::channel));
        names.extend(drawn.iter().map(Message::name));
    }
    assert_eq!((names.len(), channels.len()), (16, 7), "{names:?}");
    assert!(channels.contains(&Channel::BlockSync));
}
