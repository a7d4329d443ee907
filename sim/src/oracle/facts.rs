//! How evidence is worded: one fact per line, with time and node.

use engine::types::{BlockId, PeerId, Time, VoteKind};

use super::{
    Violation,
    ghost::Ghost,
    own::{Own, Slot, Value},
    quorum::{Mask, peers},
};
use crate::clock::START;

/// A time in seconds since the start of the run, to the millisecond.
pub(super) fn at(time: Time) -> String {
    let ms = time.since(START).0 / 1_000_000;
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}

/// A node's name.
pub(super) fn node(index: usize) -> String {
    format!("n{index}")
}

/// A node as nodes are named in violations.
pub(super) fn peer(index: usize) -> PeerId {
    PeerId(u16::try_from(index).unwrap_or(u16::MAX))
}

/// A block by the start of its hash; nil by its name.
pub(super) fn block(block: Option<BlockId>) -> String {
    block.map_or_else(
        || "nil".to_owned(),
        |id| format!("{:.4}", id.hash.to_string()),
    )
}

/// The members of a set by name.
pub(super) fn names(set: Mask) -> String {
    let names: Vec<String> = peers(set).iter().map(ToString::to_string).collect();
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(" ")
    }
}

/// An own message: "1.118s n1 precommit 47be in round 0".
pub(super) fn own(by: usize, slot: Slot, own: &Own) -> String {
    let what = value(&own.value);
    format!(
        "{} {} {} {what} in round {}",
        at(own.made),
        node(by),
        slot.act,
        slot.round
    )
}

/// What is signed.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Proposal {
            block: id,
            pol_round: None,
        } => block(Some(*id)),
        Value::Proposal {
            block: id,
            pol_round: Some(pol),
        } => {
            format!("{} (proof of lock in round {pol})", block(Some(*id)))
        }
        Value::Vote(choice) => block(*choice),
    }
}

/// Whose votes a node has seen, and whether they suffice.
pub(super) fn seen(
    ghost: &Ghost,
    (time, by): (Time, usize),
    (height, round, kind): (u64, u32, VoteKind),
    choice: Option<BlockId>,
) -> String {
    let set = ghost.voters(by, (height, round, kind), choice);
    format!(
        "{} {} had seen {kind} {} in round {round} from {}: {}",
        at(time),
        node(by),
        block(choice),
        names(set),
        power(ghost, height, set)
    )
}

/// How much power a set has at a height: "2 of 4, more than 2/3 needed".
pub(super) fn power(ghost: &Ghost, height: u64, set: Mask) -> String {
    let powers = ghost.powers(height);
    let (power, total) = (powers.of(set), powers.total());
    let verdict = if powers.has_quorum(set) {
        "a quorum"
    } else {
        "no quorum"
    };
    format!("power {power} of {total}, {verdict}")
}

/// What an oracle says of itself in every violation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) rule: &'static str,
}

impl Rule {
    /// A violation of this rule.
    pub(super) fn broken(
        &self,
        what: String,
        (height, nodes): (u64, &[usize]),
        facts: Vec<String>,
    ) -> Box<Violation> {
        Box::new(Violation {
            oracle: self.name,
            what,
            height: Some(height),
            nodes: nodes.iter().map(|i| peer(*i)).collect(),
            facts,
            convicted: Vec::new(),
            rule: self.rule,
            liveness: false,
        })
    }
}
