//! Values of all types that have a form outside: on the wire, in the log, in other files.

use std::sync::Arc;

use engine::{
    app::{Call, Item},
    node::{Entry, Record},
    privval::{SignSlot, SignStep},
    types::{
        Address, BitArray, Block, BlockId, Bounded, BoundedBytes, ChainId, Commit, CommitSig,
        ConfigChange, DuplicateVote, Hash, Header, Height, Hrs, Lsn, MAX_PARTS, Message, Params,
        Part, PartSetHeader, PeerId, Proof, Proposal, PublicKey, Round, Signature, Step,
        SyncMessage, Time, Tx, ValidatorIndex, ValidatorSet, ValidatorUpdate, Vote, VoteKind,
    },
};

use crate::draw::Draw;

const STEPS: [Step; 8] = [
    Step::NewHeight,
    Step::NewRound,
    Step::Propose,
    Step::Prevote,
    Step::PrevoteWait,
    Step::Precommit,
    Step::PrecommitWait,
    Step::Commit,
];

pub(crate) fn hash(d: &mut Draw) -> Hash {
    Hash(d.bytes())
}

pub(crate) fn key(d: &mut Draw) -> PublicKey {
    PublicKey(d.bytes())
}

pub(crate) fn signature(d: &mut Draw) -> Signature {
    Signature(d.bytes())
}

/// Small ones, the largest, and any.
pub(crate) fn height(d: &mut Draw) -> Height {
    Height(match d.below(3) {
        0 => 1 + d.below(4),
        1 => u64::MAX,
        _ => d.u64().max(1),
    })
}

pub(crate) fn round(d: &mut Draw) -> Round {
    let any = d.u32();
    Round([any % 4, u32::MAX, any][d.size(3)])
}

fn kind(d: &mut Draw) -> VoteKind {
    [VoteKind::Prevote, VoteKind::Precommit][d.size(2)]
}

fn step(d: &mut Draw) -> Step {
    STEPS[d.size(STEPS.len())]
}

fn parts(d: &mut Draw) -> PartSetHeader {
    let total = 1 + d.u32() % MAX_PARTS;
    PartSetHeader {
        total,
        hash: hash(d),
    }
}

pub(crate) fn id(d: &mut Draw) -> BlockId {
    BlockId {
        hash: hash(d),
        parts: parts(d),
    }
}

fn bits(d: &mut Draw, len: usize) -> BitArray {
    (0..len).map(|_| d.yes()).collect()
}

fn index(d: &mut Draw) -> ValidatorIndex {
    ValidatorIndex(d.u16())
}

pub(crate) fn address(d: &mut Draw) -> Address {
    Address(d.bytes())
}

pub(crate) fn vote(d: &mut Draw) -> Vote {
    Vote {
        kind: kind(d),
        height: height(d),
        round: round(d),
        block: d.maybe(id),
        index: index(d),
        address: address(d),
        signature: signature(d),
    }
}

pub(crate) fn evidence(d: &mut Draw) -> DuplicateVote {
    let vote = vote(d);
    let other = Vote {
        block: Some(id(d)),
        signature: signature(d),
        ..vote.clone()
    };
    DuplicateVote::new(vote, other).expect("drawn ids differ")
}

pub(crate) fn proposal(d: &mut Draw) -> Proposal {
    let round = round(d);
    let below = d.u32() % round.0.max(1);
    Proposal {
        height: height(d),
        round,
        pol_round: (d.yes() && round.0 > 0).then_some(Round(below)),
        block: id(d),
        signature: signature(d),
    }
}

fn part(d: &mut Draw) -> Part {
    let total = 1 + d.u32() % MAX_PARTS;
    let proof = Proof {
        total,
        index: d.u32() % total,
        aunts: bounded(d.several(0, 9, hash)),
    };
    let bytes = BoundedBytes::try_from(d.some_bytes(1, 100)).expect("short");
    Part { bytes, proof }
}

fn bounded<T, const N: usize>(items: Vec<T>) -> Bounded<T, N> {
    Bounded::try_from(items).unwrap_or_else(|_| unreachable!("few items"))
}

fn tx(d: &mut Draw) -> Tx {
    Tx::try_from(d.some_bytes(0, 40)).expect("short")
}

pub(crate) fn commit(d: &mut Draw) -> Commit {
    let entry = |d: &mut Draw| match d.below(3) {
        0 => CommitSig::Absent,
        1 => CommitSig::Nil(signature(d)),
        _ => CommitSig::Block(signature(d)),
    };
    Commit {
        height: height(d),
        round: round(d),
        block: id(d),
        signatures: bounded(d.several(0, 6, entry)),
    }
}

pub(crate) fn chain(d: &mut Draw) -> ChainId {
    ChainId::try_from(d.some_bytes(0, 50)).expect("at most 50")
}

/// A block whose digests are right.
pub(crate) fn block(d: &mut Draw) -> Block {
    let txs = d.several(0, 4, tx);
    let evidence = d.several(0, 2, evidence);
    let last_commit = d.maybe(commit);
    Block {
        header: Header {
            chain: chain(d),
            height: height(d),
            time: Time(d.u64()),
            last_block: d.maybe(id),
            last_commit_hash: Block::commit_hash(last_commit.as_ref()),
            data_hash: Block::data_hash(&txs),
            evidence_hash: Block::evidence_hash(&evidence),
            validators_hash: hash(d),
            app_hash: hash(d),
            config_sequence: d.u64(),
            proposer: address(d),
        },
        txs: bounded(txs),
        evidence: bounded(evidence),
        last_commit,
    }
}

/// A message of each kind.
pub(crate) const MESSAGES: [fn(&mut Draw) -> Message; 16] = [
    |d| {
        let height = height(d);
        let last = round(d);
        Message::NewRoundStep {
            height,
            round: round(d),
            step: step(d),
            seconds_since_start: d.u64(),
            last_commit_round: (height > Height::FIRST).then_some(last),
        }
    },
    |d| {
        let parts = parts(d);
        Message::NewValidBlock {
            height: height(d),
            round: round(d),
            parts,
            have: bits(d, parts.total as usize),
            is_commit: d.yes(),
        }
    },
    |d| Message::Proposal(proposal(d)),
    |d| {
        let len = 1 + d.size(200);
        Message::ProposalPol {
            height: height(d),
            pol_round: round(d),
            have: bits(d, len),
        }
    },
    |d| Message::BlockPart {
        height: height(d),
        round: round(d),
        part: Arc::new(part(d)),
    },
    |d| Message::Vote(vote(d)),
    |d| Message::HasVote {
        height: height(d),
        round: round(d),
        kind: kind(d),
        index: index(d),
    },
    |d| Message::VoteSetMaj23 {
        height: height(d),
        round: round(d),
        kind: kind(d),
        block: d.maybe(id),
    },
    |d| {
        let len = d.size(200);
        Message::VoteSetBits {
            height: height(d),
            round: round(d),
            kind: kind(d),
            block: d.maybe(id),
            have: bits(d, len),
        }
    },
    |d| Message::Txs(bounded(d.several(1, 5, tx))),
    |d| Message::Evidence(Box::new(evidence(d))),
    |_| Message::BlockSync(SyncMessage::StatusRequest),
    |d| {
        let base = height(d);
        let height = Height(base.0.saturating_add(d.u64()));
        Message::BlockSync(SyncMessage::StatusResponse { base, height })
    },
    |d| Message::BlockSync(SyncMessage::BlockRequest { height: height(d) }),
    |d| {
        let (block, mut commit) = (Arc::new(block(d)), Box::new(commit(d)));
        commit.height = block.header.height;
        Message::BlockSync(SyncMessage::BlockResponse { block, commit })
    },
    |d| Message::BlockSync(SyncMessage::NoBlockResponse { height: height(d) }),
];

/// The place of a message in [`MESSAGES`]. A new kind needs a place, and so a row.
pub(crate) fn place(message: &Message) -> usize {
    match message {
        Message::NewRoundStep { .. } => 0,
        Message::NewValidBlock { .. } => 1,
        Message::Proposal(_) => 2,
        Message::ProposalPol { .. } => 3,
        Message::BlockPart { .. } => 4,
        Message::Vote(_) => 5,
        Message::HasVote { .. } => 6,
        Message::VoteSetMaj23 { .. } => 7,
        Message::VoteSetBits { .. } => 8,
        Message::Txs(_) => 9,
        Message::Evidence(_) => 10,
        Message::BlockSync(SyncMessage::StatusRequest) => 11,
        Message::BlockSync(SyncMessage::StatusResponse { .. }) => 12,
        Message::BlockSync(SyncMessage::BlockRequest { .. }) => 13,
        Message::BlockSync(SyncMessage::BlockResponse { .. }) => 14,
        Message::BlockSync(SyncMessage::NoBlockResponse { .. }) => 15,
    }
}

fn message(d: &mut Draw) -> Message {
    let kind = d.size(MESSAGES.len());
    MESSAGES[kind](d)
}

fn hrs(d: &mut Draw) -> Hrs {
    Hrs {
        height: height(d),
        round: round(d),
        step: step(d),
    }
}

type DrawRecord = fn(&mut Draw) -> Record;

/// A record of each kind, and its name.
pub(crate) const RECORDS: [(&str, DrawRecord); 8] = [
    ("Created", |d| Record::Created { chain: chain(d) }),
    ("Received", |d| Record::Received {
        from: PeerId(d.u16()),
        message: message(d),
    }),
    ("Timeout", |d| Record::Timeout(hrs(d))),
    ("Own", |d| Record::Own {
        messages: d.several(1, 4, message),
    }),
    ("Released", |d| Record::Released(Lsn(d.u64()))),
    ("TxsAvailable", |d| Record::TxsAvailable(height(d))),
    ("Synced", |d| Record::Synced {
        height: height(d),
        from: PeerId(d.u16()),
    }),
    ("Step", |d| Record::Step(hrs(d))),
];

/// The place of a record in [`RECORDS`]. A new kind needs a place, and so a row.
pub(crate) fn record_place(record: &Record) -> usize {
    match record {
        Record::Created { .. } => 0,
        Record::Received { .. } => 1,
        Record::Timeout(_) => 2,
        Record::Own { .. } => 3,
        Record::Released(_) => 4,
        Record::TxsAvailable(_) => 5,
        Record::Synced { .. } => 6,
        Record::Step(_) => 7,
    }
}

pub(crate) fn entry(d: &mut Draw, record: DrawRecord) -> Entry {
    Entry {
        time: Time(d.u64()),
        record: record(d),
    }
}

pub(crate) fn slot(d: &mut Draw, height: u64) -> SignSlot {
    let steps = [SignStep::Propose, SignStep::Prevote, SignStep::Precommit];
    SignSlot {
        height: Height(height),
        round: round(d),
        step: steps[d.size(3)],
    }
}

pub(crate) fn params(d: &mut Draw) -> Params {
    let number = |d: &mut Draw, most| u32::try_from(d.below(most)).expect("below 2^32");
    Params {
        max_block_txs: 1 + number(d, 10_000),
        max_block_bytes: 1_024 + number(d, 1 << 20),
        evidence_max_age: 1 + d.below(20),
    }
}

pub(crate) fn update(d: &mut Draw) -> ValidatorUpdate {
    ValidatorUpdate {
        key: key(d),
        power: 1 + d.below(1 << 40),
    }
}

pub(crate) fn validators(d: &mut Draw) -> ValidatorSet {
    let set = ValidatorSet::new(&d.several(1, 7, update)).expect("a possible set");
    (0..d.below(4)).fold(set, |set, _| set.next_turn())
}

/// A call of any kind; keys of few values, so that an application and its validators stay few.
pub(crate) fn call(d: &mut Draw) -> Call {
    let item = |bytes: Vec<u8>| Item::try_from(bytes).expect("short");
    let key = |d: &mut Draw| PublicKey([d.byte() % 16; 32]);
    match d.below(4) {
        0 => Call::Power {
            key: key(d),
            power: d.below(1 << 30),
        },
        1 => Call::Configure {
            sequence: d.below(8),
            change: ConfigChange::Power {
                key: key(d),
                power: d.below(1 << 30),
            },
        },
        2 => Call::Configure {
            sequence: d.below(8),
            change: ConfigChange::Params(params(d)),
        },
        _ => Call::Set {
            key: item(vec![d.byte() % 64]),
            value: item(d.some_bytes(0, 20)),
        },
    }
}
