//! A line of a trace: an event or a decision with readable fields, as it is written and read, and
//! as a sentence. Pure.

use std::{borrow::Cow, fmt};

use engine::{
    codec::Frame,
    consensus::Notice,
    types::{BlockId, Message, PeerId, Time},
};
use serde::{Deserialize, Serialize};

use super::hex;
use crate::{
    choice::Decision,
    clock::START,
    nemesis::FaultKind,
    trace::{Event, What},
};

/// A word of this program, or one that was read.
type Word = Cow<'static, str>;

/// The notice that says where a node stands.
const NEW_ROUND_STEP: &str = "new_round_step";

/// A node: "n0" and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Node(pub u16);

impl From<PeerId> for Node {
    fn from(node: PeerId) -> Self {
        Self(node.0)
    }
}

impl From<Node> for String {
    fn from(node: Node) -> Self {
        node.to_string()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl TryFrom<String> for Node {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let number = word.strip_prefix('n').and_then(|n| n.parse().ok());
        let node = number.map(Self).filter(|node| node.to_string() == word);
        node.ok_or_else(|| format!("\"{word}\" is no node; nodes are n0, n1 and so on"))
    }
}

/// An event or a decision as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The event's number; of a decision, that of the event that came of it.
    pub seq: u64,
    /// Nanoseconds since the start of the run.
    pub time_ns: u64,
    /// The node; absent for the world itself, and for a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
    /// What happened.
    #[serde(flatten)]
    pub detail: Detail,
}

/// What happened, with readable fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of `What`, in words")]
pub enum Detail {
    Started {
        incarnation: u32,
        height: u64,
    },
    Crashed,
    StartRefused {
        reason: String,
    },
    Halted {
        reason: String,
    },
    Sent {
        packet: u64,
        to: Node,
        bytes: usize,
        messages: Vec<String>,
    },
    Dropped {
        packet: u64,
        reason: Word,
    },
    Connected {
        peer: Node,
    },
    Disconnected {
        peer: Node,
    },
    Delivered {
        packet: u64,
        from: Node,
        messages: Vec<String>,
    },
    Fired {
        timer: Word,
    },
    Appended {
        lsn: u64,
        record: String,
    },
    Synced {
        lsn: u64,
    },
    Stored {
        height: u64,
        parts: Vec<Word>,
    },
    Decided {
        height: u64,
        round: u32,
        block: String,
        app_hash: String,
        txs: usize,
    },
    Rejected {
        peer: Node,
        reason: String,
        blames: bool,
    },
    Notice {
        notice: Word,
        text: String,
    },
    Submitted {
        tx: String,
    },
    Disk {
        trouble: Word,
        path: String,
    },
    FaultBegan {
        fault: FaultKind,
    },
    FaultEnded {
        fault: FaultKind,
    },
    Healed {
        core: Vec<Node>,
    },
    Chosen(Decision),
}

impl Line {
    /// The line of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self {
            seq: event.seq,
            time_ns: since_start(event.time),
            node: event.node.map(Node::from),
            detail: Detail::of(&event.what),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }

    /// Whether it is a decision, not an event.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        matches!(self.detail, Detail::Chosen(_))
    }

    /// The line of a decision.
    pub(super) fn chosen((seq, time, decision): &(u64, Time, Decision)) -> Self {
        Self {
            seq: *seq,
            time_ns: since_start(*time),
            node: None,
            detail: Detail::Chosen(*decision),
        }
    }
}

/// Nanoseconds since the start of the run.
pub(super) fn since_start(time: Time) -> u64 {
    time.since(START).0
}

impl Detail {
    #[expect(clippy::too_many_lines, reason = "one arm per kind of event")]
    fn of(what: &What) -> Self {
        match what {
            What::Started {
                incarnation,
                height,
                ..
            } => {
                let (incarnation, height) = (*incarnation, height.0);
                Self::Started {
                    incarnation,
                    height,
                }
            }
            What::Crashed => Self::Crashed,
            What::StartRefused { reason } => Self::StartRefused {
                reason: reason.clone(),
            },
            What::Halted { reason } => Self::Halted {
                reason: reason.clone(),
            },
            What::Sent { packet, to, frame } => Self::Sent {
                packet: *packet,
                to: (*to).into(),
                bytes: frame.bytes().len(),
                messages: messages(frame),
            },
            What::Dropped { packet, reason } => Self::Dropped {
                packet: *packet,
                reason: Word::Borrowed(reason),
            },
            What::Connected { peer } => Self::Connected {
                peer: (*peer).into(),
            },
            What::Disconnected { peer } => Self::Disconnected {
                peer: (*peer).into(),
            },
            What::Delivered {
                packet,
                from,
                frame,
            } => Self::Delivered {
                packet: *packet,
                from: (*from).into(),
                messages: messages(frame),
            },
            What::Fired { timer } => Self::Fired {
                timer: Word::Borrowed(timer),
            },
            What::Appended { lsn, entry } => Self::Appended {
                lsn: lsn.0,
                record: entry.record.to_string(),
            },
            What::Synced { lsn, .. } => Self::Synced { lsn: lsn.0 },
            What::Stored { height, parts, .. } => Self::Stored {
                height: height.0,
                parts: parts.iter().map(|part| part.name().into()).collect(),
            },
            What::Decided {
                height,
                app_hash,
                decision,
            } => Self::Decided {
                height: height.0,
                round: decision.round.0,
                block: hex(&decision.id.hash.0),
                app_hash: hex(&app_hash.0),
                txs: decision.block.txs.len(),
            },
            What::Rejected {
                peer,
                reason,
                blames,
            } => Self::Rejected {
                peer: (*peer).into(),
                reason: reason.clone(),
                blames: *blames,
            },
            What::Notice(notice) => {
                let (notice, text) = notice_words(notice);
                let notice = Word::Borrowed(notice);
                Self::Notice { notice, text }
            }
            What::Submitted { tx } => Self::Submitted { tx: hex(&tx.0) },
            What::Disk(strike) => Self::Disk {
                trouble: strike.trouble.name().into(),
                path: strike.path.clone(),
            },
            What::FaultBegan(fault) => Self::FaultBegan {
                fault: fault.clone(),
            },
            What::FaultEnded(fault) => Self::FaultEnded {
                fault: fault.clone(),
            },
            What::Healed { core } => Self::Healed {
                core: core.iter().copied().map(Node::from).collect(),
            },
        }
    }

    /// The mark in its node's column.
    pub(super) fn glyph(&self) -> &'static str {
        match self {
            Self::Started { .. } => "○",
            Self::Crashed => "✗",
            Self::StartRefused { .. } | Self::Halted { .. } => "‼",
            Self::Sent { .. } => "▸",
            Self::Dropped { .. } => "×",
            Self::Delivered { .. } => "◂",
            Self::Connected { .. } => "⊕",
            Self::Disconnected { .. } => "⊖",
            Self::Fired { .. } => "t",
            Self::Appended { .. } => "w",
            Self::Synced { .. } | Self::Stored { .. } => "W",
            Self::Decided { .. } => "◆",
            Self::Rejected { .. } => "?",
            Self::Notice { .. } => "●",
            Self::Submitted { .. } => "+",
            Self::Disk { .. } => "!",
            Self::FaultBegan { .. } => "▼",
            Self::FaultEnded { .. } => "▲",
            Self::Healed { .. } => "═",
            Self::Chosen(_) => "",
        }
    }

    /// Where the node stands from now on, if this says so.
    pub(super) fn place(&self) -> Option<&str> {
        if let Self::Notice { notice, text } = self {
            (notice == NEW_ROUND_STEP).then_some(text)
        } else {
            None
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started {
                incarnation: 0,
                height,
            } => write!(f, "start after height {height}"),
            Self::Started {
                incarnation,
                height,
            } => write!(f, "restart {incarnation} after height {height}"),
            Self::Crashed => f.write_str("crash"),
            Self::StartRefused { reason } => write!(f, "refuses to start: {reason}"),
            Self::Halted { reason } => write!(f, "halts: {reason}"),
            Self::Sent {
                packet,
                to,
                messages,
                ..
            } => write!(f, "#{packet} to {to}: {}", messages.join(", ")),
            Self::Dropped { packet, reason } => write!(f, "#{packet} lost ({reason})"),
            Self::Connected { peer } => write!(f, "connected to {peer}"),
            Self::Disconnected { peer } => write!(f, "gives {peer} up"),
            Self::Delivered {
                packet,
                from,
                messages,
            } => write!(f, "#{packet} from {from}: {}", messages.join(", ")),
            Self::Fired { timer } => write!(f, "timer {timer}"),
            Self::Appended { lsn, record } => write!(f, "log {lsn}: {record}"),
            Self::Synced { lsn } => write!(f, "durable to {lsn}"),
            Self::Stored { height, parts } => {
                write!(f, "height {height} durable: {}", parts.join(", "))
            }
            Self::Decided {
                height,
                round,
                block,
                ..
            } => {
                let block = short(block);
                write!(f, "decide {block} at height {height} in round {round}")
            }
            Self::Rejected {
                peer,
                reason,
                blames: true,
            } => write!(f, "blames {peer}: {reason}"),
            Self::Rejected { peer, reason, .. } => {
                write!(f, "refuses a message of {peer}: {reason}")
            }
            Self::Notice { notice, text } => write!(f, "{} {text}", notice.replace('_', " ")),
            Self::Submitted { tx } => write!(f, "transaction {}", short(tx)),
            Self::Disk { trouble, path } => write!(f, "disk: {trouble} in {path}"),
            Self::FaultBegan { fault } => write!(f, "fault: {fault}"),
            Self::FaultEnded { fault } => write!(f, "ended: {fault}"),
            Self::Healed { core } => {
                f.write_str("healed; core")?;
                core.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Chosen(made) => {
                let (stream, at, value) = (made.stream, made.at, made.value);
                write!(f, "choose {stream} at {at:?}: {value}")
            }
        }
    }
}

/// The beginning of a hash, as hashes are shown.
fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

fn messages(frame: &Frame) -> Vec<String> {
    match frame.contents() {
        Ok(contents) => contents.messages.iter().map(Message::to_string).collect(),
        Err(error) => vec![format!("{} bytes: {error}", frame.bytes().len())],
    }
}

fn notice_words(notice: &Notice) -> (&'static str, String) {
    let choice = |block: &Option<BlockId>| block.map_or("nil".to_owned(), |b| b.to_string());
    match notice {
        Notice::NewRoundStep(at) => (NEW_ROUND_STEP, at.to_string()),
        Notice::Vote {
            height,
            round,
            kind,
            index,
        } => ("vote", format!("{kind} {height}/{round} v{}", index.0)),
        Notice::TimeoutPropose(at) => ("timeout_propose", at.to_string()),
        Notice::TimeoutWait(at) => ("timeout_wait", at.to_string()),
        Notice::CompleteProposal(block) => ("complete_proposal", block.to_string()),
        Notice::Polka(round, block) => ("polka", format!("{} round {round}", choice(block))),
        Notice::Lock(round, block) => ("lock", format!("{block} round {round}")),
        Notice::Relock(round, block) => ("relock", format!("{block} round {round}")),
        Notice::ValidBlock { block, is_commit } => {
            let votes = if *is_commit { "precommits" } else { "prevotes" };
            ("valid_block", format!("{block} by {votes}"))
        }
        Notice::Evidence(evidence) => (
            "evidence",
            format!("{} and {}", evidence.first, evidence.second),
        ),
    }
}
