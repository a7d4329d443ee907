//! The bytes just inside and just outside of each bound, put together from the description of the
//! format.

use borsh::BorshSerialize;
use engine::{
    codec::{MAX_SYNC_FRAME_MESSAGES, WIRE_VERSION},
    types::{
        MAX_AUNTS, MAX_BITS, MAX_EVIDENCE, MAX_GOSSIPED_TXS, MAX_PARTS, MAX_TX_BYTES, MAX_TXS,
        MAX_VALIDATORS, PART_BYTES,
    },
};

pub(crate) const STATE: u8 = 0x20;
pub(crate) const DATA: u8 = 0x21;
pub(crate) const VOTE: u8 = 0x22;
pub(crate) const BITS: u8 = 0x23;
pub(crate) const MEMPOOL: u8 = 0x30;
pub(crate) const EVIDENCE: u8 = 0x38;
pub(crate) const SYNC: u8 = 0x40;

pub(crate) fn put<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("encoding into memory")
}

/// A frame of messages that are bytes already.
pub(crate) fn frame_of(channel: u8, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![WIRE_VERSION, channel];
    bytes.extend(put(&u32::try_from(messages.len()).expect("a few")));
    bytes.extend(messages.concat());
    bytes
}

/// A frame of one message: its tag and its fields.
pub(crate) fn frame(channel: u8, tag: u8, fields: &impl BorshSerialize) -> Vec<u8> {
    frame_of(channel, &[put(&(tag, fields))])
}

/// A block id whose block has `total` parts.
pub(crate) fn id(byte: u8, total: u32) -> ([u8; 32], u32, [u8; 32]) {
    ([byte; 32], total, [byte; 32])
}

/// `bits` zeros, as words, then as many bytes of words as the caller adds.
pub(crate) fn zeros(bits: u32) -> Vec<u8> {
    let mut bytes = put(&bits);
    bytes.extend(vec![0; bits.div_ceil(64) as usize * 8]);
    bytes
}

/// Appends bytes that have no length of their own.
fn raw(channel: u8, tag: u8, fields: &impl BorshSerialize, tail: &[u8]) -> Vec<u8> {
    let mut bytes = frame(channel, tag, fields);
    bytes.extend(tail);
    bytes
}

/// What is bounded, and bytes on both sides of the bound.
pub(crate) type Row = (&'static str, Vec<u8>, Vec<u8>);

fn steps() -> Vec<Row> {
    let step = |height: u64, step: u8, last: Option<u32>| {
        frame(STATE, 0x01, &(height, 0u32, step, 0u64, last))
    };
    vec![
        ("the first step", step(1, 1, None), step(1, 0, None)),
        ("the last step", step(1, 8, None), step(1, 9, None)),
        ("a height is there", step(1, 3, None), step(0, 3, None)),
        ("no commit before 1", step(1, 3, None), step(1, 3, Some(0))),
        ("a commit before 2", step(2, 3, Some(0)), step(2, 3, None)),
    ]
}

fn valid_blocks() -> Vec<Row> {
    let valid = |height: u64, total: u32, bits: u32| {
        let mut tail = zeros(bits);
        tail.push(0);
        raw(STATE, 0x02, &(height, 0u32, total, [7u8; 32]), &tail)
    };
    let most = MAX_PARTS;
    let mut stray = valid(1, 3, 3);
    let word = stray.len() - 9;
    stray[word] = 0b1000;
    let mut inside = stray.clone();
    inside[word] = 0b0100;
    vec![
        ("a height is there", valid(1, 1, 1), valid(0, 1, 1)),
        ("one part", valid(1, 1, 1), valid(1, 0, 0)),
        (
            "most parts",
            valid(1, most, most),
            valid(1, most + 1, most + 1),
        ),
        ("a bit for every part", valid(1, 3, 3), valid(1, 3, 2)),
        ("no more bits than parts", valid(1, 3, 3), valid(1, 3, 4)),
        ("no bit beyond the length", inside, stray),
    ]
}

fn proposals() -> Vec<Row> {
    let proposal = |height: u64, round: u32, pol: Option<u32>, total: u32| {
        frame(DATA, 0x11, &(height, round, pol, id(1, total), [0u8; 64]))
    };
    let pol = |height: u64, bits: u32| raw(DATA, 0x12, &(height, 0u32), &zeros(bits));
    let most = MAX_PARTS;
    let bits = u32::try_from(MAX_BITS).expect("few");
    vec![
        (
            "a height is there",
            proposal(1, 0, None, 1),
            proposal(0, 0, None, 1),
        ),
        (
            "an earlier proof",
            proposal(1, 5, Some(4), 1),
            proposal(1, 5, Some(5), 1),
        ),
        (
            "no proof in round 0",
            proposal(1, 0, None, 1),
            proposal(1, 0, Some(0), 1),
        ),
        ("one part", proposal(1, 0, None, 1), proposal(1, 0, None, 0)),
        (
            "most parts",
            proposal(1, 0, None, most),
            proposal(1, 0, None, most + 1),
        ),
        ("a height of the proof", pol(1, 4), pol(0, 4)),
        ("a bit of the proof", pol(1, 1), pol(1, 0)),
        ("most bits of the proof", pol(1, bits), pol(1, bits + 1)),
    ]
}

fn parts() -> Vec<Row> {
    let part = |height: u64, len: usize, (total, index): (u32, u32), aunts: usize| {
        let (bytes, aunts) = (vec![1u8; len], vec![[2u8; 32]; aunts]);
        frame(DATA, 0x13, &(height, 0u32, bytes, total, index, aunts))
    };
    let (full, most) = (PART_BYTES, MAX_PARTS);
    vec![
        (
            "a height is there",
            part(1, 1, (1, 0), 0),
            part(0, 1, (1, 0), 0),
        ),
        ("a byte", part(1, 1, (1, 0), 0), part(1, 0, (1, 0), 0)),
        (
            "a full part",
            part(1, full, (2, 0), 1),
            part(1, full + 1, (2, 0), 1),
        ),
        (
            "the last index",
            part(1, 1, (3, 2), 0),
            part(1, 1, (3, 3), 0),
        ),
        (
            "a part at all",
            part(1, 1, (1, 0), 0),
            part(1, 1, (0, 0), 0),
        ),
        (
            "most parts",
            part(1, 1, (most, 0), 0),
            part(1, 1, (most + 1, 0), 0),
        ),
        (
            "the deepest proof",
            part(1, 1, (1, 0), MAX_AUNTS),
            part(1, 1, (1, 0), MAX_AUNTS + 1),
        ),
    ]
}

/// The fields of a vote.
fn vote(kind: u8, height: u64, block: Option<u8>, total: u32) -> Vec<u8> {
    let block = block.map(|byte| id(byte, total));
    put(&(kind, height, 0u32, block, 3u16, [4u8; 20], [5u8; 64]))
}

fn votes() -> Vec<Row> {
    let cast = |kind, height, block, total| raw(VOTE, 0x14, &(), &vote(kind, height, block, total));
    let has = |kind: u8, height: u64| frame(STATE, 0x15, &(height, 0u32, kind, 1u16));
    let claim = |kind: u8, height: u64, total: Option<u32>| {
        let block = total.map(|total| id(1, total));
        frame(STATE, 0x16, &(height, 0u32, kind, block))
    };
    let bits = |kind: u8, height: u64, total: Option<u32>, bits: u32| {
        let block = total.map(|total| id(1, total));
        raw(BITS, 0x17, &(height, 0u32, kind, block), &zeros(bits))
    };
    let most = MAX_PARTS;
    let many = u32::try_from(MAX_BITS).expect("few");
    vec![
        ("a prevote", cast(1, 1, None, 0), cast(0, 1, None, 0)),
        ("a precommit", cast(2, 1, None, 0), cast(3, 1, None, 0)),
        ("a vote's height", cast(1, 1, None, 0), cast(1, 0, None, 0)),
        (
            "a whole block id",
            cast(1, 1, Some(1), 1),
            cast(1, 1, Some(1), 0),
        ),
        (
            "a block of most parts",
            cast(1, 1, Some(1), most),
            cast(1, 1, Some(1), most + 1),
        ),
        ("a hint's height", has(1, 1), has(1, 0)),
        ("a hint's kind", has(2, 1), has(3, 1)),
        ("a claim's height", claim(1, 1, None), claim(1, 0, None)),
        ("a claim's kind", claim(1, 1, None), claim(0, 1, None)),
        (
            "a claim's block",
            claim(1, 1, Some(1)),
            claim(1, 1, Some(0)),
        ),
        (
            "a claim's largest block",
            claim(1, 1, Some(most)),
            claim(1, 1, Some(most + 1)),
        ),
        (
            "the height of bits",
            bits(1, 1, None, 0),
            bits(1, 0, None, 0),
        ),
        ("the kind of bits", bits(2, 1, None, 4), bits(3, 1, None, 4)),
        (
            "the block of bits",
            bits(1, 1, Some(1), 4),
            bits(1, 1, Some(0), 4),
        ),
        (
            "most bits",
            bits(1, 1, None, many),
            bits(1, 1, None, many + 1),
        ),
    ]
}

fn pools() -> Vec<Row> {
    let txs = |count: usize, len: usize| frame(MEMPOOL, 0x30, &vec![vec![1u8; len]; count]);
    let evidence = |first: Vec<u8>, second: Vec<u8>| {
        frame_of(EVIDENCE, &[[vec![0x38], first, second].concat()])
    };
    let nil = |height| vote(1, height, None, 0);
    let block = |byte| vote(1, 1, Some(byte), 1);
    vec![
        ("a transaction", txs(1, 1), txs(0, 1)),
        (
            "most transactions",
            txs(MAX_GOSSIPED_TXS, 1),
            txs(MAX_GOSSIPED_TXS + 1, 1),
        ),
        (
            "the largest transaction",
            txs(1, MAX_TX_BYTES),
            txs(1, MAX_TX_BYTES + 1),
        ),
        (
            "nil comes first",
            evidence(nil(1), block(1)),
            evidence(block(1), nil(1)),
        ),
        (
            "blocks in order",
            evidence(block(1), block(2)),
            evidence(block(2), block(1)),
        ),
        (
            "two choices",
            evidence(block(1), block(2)),
            evidence(block(1), block(1)),
        ),
        (
            "one height",
            evidence(nil(1), block(1)),
            evidence(nil(2), block(1)),
        ),
        (
            "one kind",
            evidence(nil(1), block(1)),
            evidence(vote(2, 1, None, 0), block(1)),
        ),
        (
            "evidence of a height",
            evidence(nil(1), block(1)),
            evidence(nil(0), vote(1, 0, Some(1), 1)),
        ),
        (
            "evidence of whole blocks",
            evidence(nil(1), vote(1, 1, Some(1), MAX_PARTS)),
            evidence(nil(1), vote(1, 1, Some(1), MAX_PARTS + 1)),
        ),
    ]
}

/// A block's bytes: a chain id of some length, empty transactions, evidence, a last commit.
pub(crate) fn block(chain: usize, txs: usize, evidence: usize, signatures: usize) -> Vec<u8> {
    let proof = [vote(1, 1, None, 0), vote(1, 1, Some(1), 1)].concat();
    let mut bytes = put(&(vec![b'c'; chain], 2u64, 0u64, Some(id(1, 1))));
    bytes.extend(put(&([[0u8; 32]; 5], 0u64, [0u8; 20])));
    bytes.extend(put(&vec![Vec::<u8>::new(); txs]));
    bytes.extend(put(&u32::try_from(evidence).expect("few")));
    bytes.extend(proof.repeat(evidence));
    bytes.push(1);
    bytes.extend(commit(1, signatures));
    bytes
}

/// A commit's bytes; every signature is absent.
pub(crate) fn commit(height: u64, signatures: usize) -> Vec<u8> {
    put(&(height, 0u32, id(1, 1), vec![0u8; signatures]))
}

fn syncs() -> Vec<Row> {
    let ask = |tag: u8, height: u64| frame(SYNC, 0x40, &(tag, height));
    let status = |base: u64, height: u64| frame(SYNC, 0x40, &(2u8, base, height));
    let answer = |block: Vec<u8>, commit: Vec<u8>| {
        frame_of(SYNC, &[[vec![0x40, 4], block, commit].concat()])
    };
    let small = || commit(2, 4);
    let (most, more) = (MAX_VALIDATORS, MAX_VALIDATORS + 1);
    let requests = |count: usize| frame_of(SYNC, &vec![vec![0x40, 1]; count]);
    vec![
        ("no blocks", status(0, 0), status(0, 1)),
        ("one block", status(1, 1), status(2, 1)),
        ("a request's height", ask(3, 1), ask(3, 0)),
        ("a refusal's height", ask(5, 1), ask(5, 0)),
        ("the last kind", ask(5, 1), ask(6, 1)),
        (
            "one height",
            answer(block(1, 0, 0, 4), small()),
            answer(block(1, 0, 0, 4), commit(3, 4)),
        ),
        (
            "a chain's name",
            answer(block(50, 0, 0, 4), small()),
            answer(block(51, 0, 0, 4), small()),
        ),
        (
            "most transactions",
            answer(block(1, MAX_TXS, 0, 4), small()),
            answer(block(1, MAX_TXS + 1, 0, 4), small()),
        ),
        (
            "most evidence",
            answer(block(1, 0, MAX_EVIDENCE, 4), small()),
            answer(block(1, 0, MAX_EVIDENCE + 1, 4), small()),
        ),
        (
            "most signatures",
            answer(block(1, 0, 0, 4), commit(2, most)),
            answer(block(1, 0, 0, 4), commit(2, more)),
        ),
        (
            "most signatures in a last commit",
            answer(block(1, 0, 0, most), small()),
            answer(block(1, 0, 0, more), small()),
        ),
        (
            "most messages",
            requests(MAX_SYNC_FRAME_MESSAGES),
            requests(MAX_SYNC_FRAME_MESSAGES + 1),
        ),
    ]
}

/// All rows of all messages.
pub(crate) fn all() -> Vec<Row> {
    let tables = [
        steps(),
        valid_blocks(),
        proposals(),
        parts(),
        votes(),
        pools(),
        syncs(),
    ];
    tables.into_iter().flatten().collect()
}
