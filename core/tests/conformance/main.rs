//! The bytes of every format, as a table: a row for each thing that has a form outside a node, with
//! a digest over the encodings of at least 1,000 drawn values. A byte that changes in any format
//! changes a row, which says its name; the table is then reviewed and accepted anew, and whoever
//! has old data or old peers is in trouble.

mod draw;
mod files;
mod values;

use std::{fs, path::Path};

use engine::{
    codec::Frame,
    consensus::{EmptyBlocks, Timeouts},
    types::{Block, Hash, Message, PartSet, Proposal, Span, Vote, merkle_proofs, sha256},
    wal::{self, Format},
};

use draw::Draw;

/// Values in a row, at least.
const VALUES: u64 = 1_000;

/// A row: what it is about, how many values, and their encodings.
struct Row {
    name: String,
    values: usize,
    encodings: Vec<Vec<u8>>,
}

impl Row {
    fn new(name: &str, encodings: Vec<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            values: encodings.len(),
            encodings,
        }
    }

    /// Encodings of drawn values.
    fn drawn(name: &str, one: impl Fn(&mut Draw) -> Vec<u8>) -> Self {
        let mut draw = Draw::new(name);
        Self::new(name, (0..VALUES).map(|_| one(&mut draw)).collect())
    }

    /// What the table says: how many values, how many bytes, and the digest over all encodings,
    /// each after its length.
    fn line(&self) -> String {
        let mut all = Vec::new();
        for encoding in &self.encodings {
            all.extend((encoding.len() as u64).to_le_bytes());
            all.extend(encoding);
        }
        let bytes: usize = self.encodings.iter().map(Vec::len).sum();
        let Hash(digest) = sha256(&all);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let (name, values) = (&self.name, self.values);
        format!("{name:<26} {values:>5} {bytes:>9} {digest}")
    }
}

/// One frame with one message of each kind, and frames of several.
fn wire() -> Vec<Row> {
    let frame = |messages: Vec<Message>| {
        let frame = Frame::encode(messages[0].channel(), messages);
        assert!(frame.contents().is_ok(), "{frame:?}");
        frame.bytes().to_vec()
    };
    let mut rows = Vec::new();
    for (place, message) in values::MESSAGES.into_iter().enumerate() {
        let first = message(&mut Draw::new("its name"));
        assert_eq!(values::place(&first), place, "{}", first.name());
        let name = format!("message {}", first.name());
        rows.push(Row::drawn(&name, |d| frame(vec![message(d)])));
    }
    rows.push(Row::drawn("frame of several", |d| {
        frame(d.several(2, 9, |d| Message::Vote(values::vote(d))))
    }));
    rows
}

/// What is signed or hashed: whoever builds other bytes finds no signature right.
fn digests() -> Vec<Row> {
    let id = |block: &Block| {
        let (id, parts) = block.cut();
        let parts = (0..id.parts.total as usize).filter_map(|index| parts.part(index));
        let parts: Vec<_> = parts.map(|part| borsh(part.as_ref())).collect();
        [borsh(&id), parts.concat()].concat()
    };
    let leaves = |d: &mut Draw| d.several(0, 20, |d| d.some_bytes(0, 40));
    vec![
        Row::drawn("signed vote", |d| {
            Vote::sign_bytes(&values::vote(d), &values::chain(d))
        }),
        Row::drawn("signed proposal", |d| {
            Proposal::sign_bytes(&values::proposal(d), &values::chain(d))
        }),
        Row::drawn("block", |d| borsh(&values::block(d))),
        Row::drawn("block id and parts", |d| id(&values::block(d))),
        Row::drawn("parts of many bytes", |d| {
            borsh(&PartSet::split(&d.some_bytes(1, 1_000)).header())
        }),
        Row::drawn("merkle proofs", |d| borsh(&merkle_proofs(&leaves(d)))),
        Row::drawn("validator update", |d| borsh(&values::update(d))),
        Row::drawn("hash of validators", |d| {
            values::validators(d).hash().0.to_vec()
        }),
        Row::drawn("hash of evidence", |d| {
            values::evidence(d).hash().0.to_vec()
        }),
        Row::drawn("hash of a commit", |d| values::commit(d).hash().0.to_vec()),
        Row::drawn("transaction", |d| values::call(d).to_tx().to_vec()),
    ]
}

/// The consensus log: its entries, and the files around them.
fn log() -> Vec<Row> {
    let mut rows = Vec::new();
    for (place, (name, record)) in values::RECORDS.into_iter().enumerate() {
        let first = record(&mut Draw::new("its name"));
        assert_eq!(values::record_place(&first), place, "{name}");
        let name = format!("entry {name}");
        rows.push(Row::drawn(&name, |d| values::entry(d, record).encode()));
    }
    for (name, format) in [("log", Format::Native), ("log of etcd", Format::Etcd)] {
        let files = files::log(&mut Draw::new(name), format);
        let values = usize::try_from(VALUES).expect("few");
        let encodings = vec![files];
        rows.push(Row {
            name: name.to_owned(),
            values,
            encodings,
        });
    }
    rows.push(Row::drawn("name of a segment", |d| {
        wal::segment_name(d.u64(), d.u64()).into_bytes()
    }));
    rows
}

/// All other files below a node's directory.
fn disk() -> Vec<Row> {
    let chain = files::chain(&mut Draw::new("chain"));
    vec![
        Row::drawn("new directory", files::directory),
        Row::new(
            "sign state",
            files::sign_state(&mut Draw::new("sign state")),
        ),
        Row::new("stored block", chain.blocks),
        Row::new("state", chain.states),
        Row::new("application", chain.apps),
        Row::new("checkpoint", chain.checkpoints),
        Row::drawn("timeouts", |d| borsh(&timeouts(d))),
    ]
}

fn timeouts(d: &mut Draw) -> Timeouts {
    let waits = [EmptyBlocks::Always, EmptyBlocks::Never];
    let every = EmptyBlocks::Every(Span(d.u64()));
    Timeouts {
        propose: Span(d.u64()),
        propose_delta: Span(d.u64()),
        prevote: Span(d.u64()),
        prevote_delta: Span(d.u64()),
        precommit: Span(d.u64()),
        precommit_delta: Span(d.u64()),
        commit: Span(d.u64()),
        skip_commit: d.yes(),
        empty_blocks: if d.yes() { every } else { waits[d.size(2)] },
    }
}

fn borsh<T: borsh::BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("encoding into memory")
}

fn table() -> Vec<Row> {
    [wire(), digests(), log(), disk()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn the_bytes_of_every_format_are_known() {
    let rows = table();
    for row in &rows {
        assert!(row.values >= 1_000, "{}", row.name);
    }
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// In which row the encoding of each type is seen; hashes, addresses, keys and signatures, which a
/// macro makes, are in most of them.
const TYPES: &[(&str, &str)] = &[
    ("App", "application"),
    ("BitArray", "message VoteSetBits"),
    ("Block", "block"),
    ("BlockId", "block id and parts"),
    ("Bounded", "message Txs"),
    ("BoundedBytes", "transaction"),
    ("Call", "transaction"),
    ("CanonicalProposal", "signed proposal"),
    ("CanonicalVote", "signed vote"),
    ("Channel", "frame of several"),
    ("Checkpoint", "checkpoint"),
    ("Commit", "message BlockResponse"),
    ("CommitSig", "message BlockResponse"),
    ("ConfigChange", "transaction"),
    ("Contents", "frame of several"),
    ("DuplicateVote", "message Evidence"),
    ("EmptyBlocks", "timeouts"),
    ("Entry", "entry Created"),
    ("Header", "block"),
    ("Height", "message HasVote"),
    ("Hrs", "entry Timeout"),
    ("Lsn", "entry Released"),
    ("Message", "message Vote"),
    ("Offence", "state"),
    ("Params", "transaction"),
    ("Part", "message BlockPart"),
    ("PartSetHeader", "message NewValidBlock"),
    ("PeerId", "entry Received"),
    ("Proof", "merkle proofs"),
    ("Proposal", "message Proposal"),
    ("Recent", "state"),
    ("Record", "entry Own"),
    ("Round", "message HasVote"),
    ("SignSlot", "sign state"),
    ("SignState", "sign state"),
    ("SignStep", "sign state"),
    ("Signed", "sign state"),
    ("Span", "timeouts"),
    ("State", "state"),
    ("Step", "message NewRoundStep"),
    ("SyncMessage", "message StatusResponse"),
    ("Time", "entry Created"),
    ("Timeouts", "timeouts"),
    ("Validator", "stored block"),
    ("ValidatorIndex", "message HasVote"),
    ("ValidatorSet", "stored block"),
    ("ValidatorUpdate", "validator update"),
    ("Vote", "message Vote"),
    ("VoteKind", "message HasVote"),
];

/// The types in a source file that have an encoding.
fn encoded_types(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices("BorshSerialize") {
        let rest = &text[place..];
        let by_hand = rest.strip_prefix("BorshSerialize for ");
        let derived = || {
            // A derive ends with its line or list; the item's head follows.
            let end = rest.find(")]")?;
            let head = rest[end..].lines().find(|line| {
                line.contains("struct ") || line.contains("enum ") || line.contains("use ")
            })?;
            let mut words = head.split_whitespace();
            words.find(|word| ["struct", "enum"].contains(word))?;
            words.next()
        };
        let is_use = text[..place]
            .lines()
            .last()
            .is_some_and(|l| l.contains("use "));
        let name = by_hand.or_else(|| (!is_use).then(derived).flatten());
        let letters = |name: &str| name.chars().take_while(|c| c.is_alphanumeric()).collect();
        let name: String = name.map(letters).unwrap_or_default();
        if !name.is_empty() && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn sources(directory: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, texts);
        } else {
            let text = fs::read_to_string(&path).expect("text");
            // Types of tests have no form outside.
            let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
            texts.push(text[..end].to_owned());
        }
    }
}

#[test]
fn every_type_with_an_encoding_is_in_the_table() {
    let mut texts = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&src, &mut texts);
    let mut found: Vec<String> = texts.iter().flat_map(|text| encoded_types(text)).collect();
    found.sort();
    found.dedup();
    let listed: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, listed, "TYPES, in order, says where each is seen");
    let rows: Vec<String> = table().into_iter().map(|row| row.name).collect();
    for (name, row) in TYPES {
        assert!(
            rows.iter().any(|known| known == row),
            "{name}: no row {row}"
        );
    }
}
