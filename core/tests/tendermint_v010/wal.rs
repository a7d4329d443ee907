//! The lines of Tendermint v0.10's consensus log, and the texts that its validators sign.
//!
//! A line is the end of a height, or a JSON object with a time and one of three things, told apart
//! by a number: a change of step, a message, a timeout. Unknown fields are errors.

use std::{fs, path::Path};

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::block::BlockId;

/// Bytes written as upper-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let upper = |b: &u8| b.is_ascii_digit() || (b'A'..=b'F').contains(b);
        if !text.len().is_multiple_of(2) || !text.as_bytes().iter().all(upper) {
            return Err(D::Error::custom("not upper-case hexadecimal"));
        }
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).map_err(D::Error::custom);
        let bytes: Result<_, _> = (0..text.len()).step_by(2).map(byte).collect();
        bytes.map(Self)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parts {
    pub(crate) total: u64,
    pub(crate) hash: Hex,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Id {
    pub(crate) hash: Hex,
    pub(crate) parts: Parts,
}

impl Id {
    pub(crate) fn id(&self) -> BlockId {
        BlockId {
            hash: self.hash.0.clone(),
            total: self.parts.total,
            parts_hash: self.parts.hash.0.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proposal {
    pub(crate) height: u64,
    pub(crate) round: u64,
    pub(crate) block_parts_header: Parts,
    pub(crate) pol_round: i64,
    pub(crate) pol_block_id: Id,
    pub(crate) signature: (u8, Hex),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aunts {
    pub(crate) aunts: Vec<Hex>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) index: usize,
    pub(crate) bytes: Hex,
    pub(crate) proof: Aunts,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct BlockPart {
    pub(crate) height: u64,
    pub(crate) round: u64,
    pub(crate) part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vote {
    pub(crate) validator_address: Hex,
    pub(crate) validator_index: u64,
    pub(crate) height: u64,
    pub(crate) round: u64,
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    pub(crate) block_id: Id,
    pub(crate) signature: (u8, Hex),
}

/// A change of step (`EventDataRoundState`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepChange {
    pub(crate) height: u64,
    pub(crate) round: u64,
    pub(crate) step: String,
}

/// A timeout that happened (`timeoutInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timeout {
    /// Nanoseconds.
    pub(crate) duration: u64,
    pub(crate) height: u64,
    pub(crate) round: u64,
    pub(crate) step: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timed {
    time: String,
    msg: (u8, Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FromPeer {
    msg: (u8, Value),
    peer_key: String,
}

/// A signed message under its name.
#[derive(Deserialize)]
enum Signed {
    Proposal(Proposal),
    Vote(Vote),
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    EndHeight(u64),
    Step(StepChange),
    Proposal(Proposal),
    Part(BlockPart),
    Vote(Vote),
    Timeout(Timeout),
}

fn parse<T: for<'de> Deserialize<'de>>(value: Value) -> T {
    T::deserialize(&value).unwrap_or_else(|e| panic!("{e}: {value}"))
}

fn message(value: Value) -> Line {
    let FromPeer { msg, peer_key } = parse(value);
    assert_eq!(peer_key, "", "one validator has no peers");
    let (number, value) = msg;
    if number == 19 {
        return Line::Part(parse(value));
    }
    match (number, parse(value)) {
        (17, Signed::Proposal(proposal)) => Line::Proposal(proposal),
        (20, Signed::Vote(vote)) => Line::Vote(vote),
        (other, Signed::Proposal(_) | Signed::Vote(_)) => panic!("message number {other}"),
    }
}

fn line(text: &str) -> Line {
    if let Some(height) = text.strip_prefix("#ENDHEIGHT: ") {
        return Line::EndHeight(height.parse().expect("a height"));
    }
    let Timed { time, msg } = serde_json::from_str(text).expect("a line of the log");
    assert!(time.ends_with('Z') && time.len() == 24, "{time}");
    match msg {
        (1, value) => Line::Step(parse(value)),
        (2, value) => message(value),
        (3, value) => Line::Timeout(parse(value)),
        (other, value) => panic!("entry {other}: {value}"),
    }
}

/// The names of the logs among the foreign fixtures, sorted.
pub(crate) fn names() -> Vec<String> {
    let dir = folder();
    let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{dir}: {e}"));
    let names = entries.map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("a plain name"))
        .filter(|name| Path::new(name).extension().is_some_and(|x| x == "cswal"))
        .collect();
    names.sort();
    names
}

/// All lines of a log.
pub(crate) fn lines(name: &str) -> Vec<Line> {
    let path = format!("{}/{name}", folder());
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.lines().map(line).collect()
}

fn folder() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!("{root}/../../shared/fixtures/tendermint-v0.10")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

/// A block id in canonical JSON: fields in the order of their names, zero fields left out.
fn canonical_id(id: &Id) -> String {
    if id.hash.0.is_empty() {
        return "{}".to_owned();
    }
    let (hash, parts) = (hex(&id.hash.0), canonical_parts(&id.parts));
    format!(r#"{{"hash":"{hash}","parts":{parts}}}"#)
}

fn canonical_parts(parts: &Parts) -> String {
    format!(
        r#"{{"hash":"{}","total":{}}}"#,
        hex(&parts.hash.0),
        parts.total
    )
}

impl Proposal {
    /// What the proposer signed.
    pub(crate) fn sign_text(&self, chain: &str) -> String {
        let parts = canonical_parts(&self.block_parts_header);
        let pol = canonical_id(&self.pol_block_id);
        let (height, pol_round, round) = (self.height, self.pol_round, self.round);
        format!(r#"{{"chain_id":"{chain}","proposal":{{"block_parts_header":{parts},"#,)
            + &format!(r#""height":{height},"pol_block_id":{pol},"pol_round":{pol_round},"#)
            + &format!(r#""round":{round}}}}}"#)
    }
}

impl Vote {
    /// What the voter signed.
    pub(crate) fn sign_text(&self, chain: &str) -> String {
        let id = canonical_id(&self.block_id);
        let (height, round, kind) = (self.height, self.round, self.kind);
        format!(r#"{{"chain_id":"{chain}","vote":{{"block_id":{id},"height":{height},"#)
            + &format!(r#""round":{round},"type":{kind}}}}}"#)
    }
}
