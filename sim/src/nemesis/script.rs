//! What is said to whom and what is held back, in the coordinates of the protocol: height, round
//! and kind of message. The data of the vote grammar and of the attack templates.
//!
//! A script is a list of exceptions. What it does not name is said and delivered as ever.

use serde::{Deserialize, Serialize};

/// A script of a plan: `[[script.say]]` and `[[script.hold]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// What byzantine validators with the behaviour `scripted` say. Of several that fit a message
    /// the first counts.
    #[serde(rename = "say", skip_serializing_if = "Vec::is_empty")]
    pub says: Vec<Say>,
    /// What does not reach whom.
    #[serde(rename = "hold", skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
}

impl Script {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.says.is_empty() && self.holds.is_empty()
    }
}

/// The kinds of signed message, and the parts of a proposed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// A proposal.
    Proposal,
    /// A part of a block.
    Part,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

/// What scripted validators tell some nodes in one slot, whenever they would tell them anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// The height.
    pub height: u64,
    /// The round.
    pub round: u32,
    /// The kind of message.
    pub slot: Slot,
    /// Who hears it.
    pub to: Vec<u16>,
    /// What they hear.
    pub says: Line,
    /// How much later it leaves, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late_ms: u64,
}

fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

/// What a scripted validator says. Blocks are those that any byzantine validator has heard of; a
/// line about a block that none has heard of is silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// What it would say anyway.
    Truth,
    /// Nothing.
    Nothing,
    /// A vote for nil. As a proposal: nothing.
    Nil,
    /// A vote for the first block that was proposed in this round. As a proposal: what it would
    /// propose anyway.
    Proposed,
    /// A vote for the first block that was proposed at this height. As a proposal: that block
    /// again, with the round of its first proposal as its proof-of-lock round.
    First,
    /// A vote for the last block that was proposed at this height up to this round and is not the
    /// first. As a proposal: the first block again, without a proof-of-lock round.
    Other,
    /// The first block of this round with a later time, proposed or voted for. Together with the
    /// first one it makes two stories.
    Second,
    /// The first block of this round with a wrong application hash: nobody may accept it.
    Invalid,
}

/// Messages that do not reach some nodes: a frame that carries one is lost, whoever relays it.
/// Ends with the faults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The height of the messages.
    pub height: u64,
    /// Their round.
    pub round: u32,
    /// Their kind.
    pub slot: Slot,
    /// Who signed them; empty for anybody. Parts are nobody's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<u16>,
    /// Whom they do not reach. Byzantine nodes hear everything.
    pub to: Vec<u16>,
    /// They reach a node that has come to this round of the height; absent: never before the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_round: Option<u32>,
    /// They reach everybody so many milliseconds after the first was held back.
    pub for_ms: u64,
    /// Switched off: kept in the file, not carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
}
