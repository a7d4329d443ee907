//! The words of the events: as an object with readable fields, and as a sentence. Pure.

use engine::{
    codec::Frame,
    consensus::Notice,
    types::{BlockId, Message},
};
use serde::Serialize;

use super::{hex, write::since_start};
use crate::{
    nemesis::FaultKind,
    trace::{Event, What},
};

/// An event as it is written in NDJSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The event's number.
    pub seq: u64,
    /// Nanoseconds since the start of the run.
    pub time_ns: u64,
    /// The node, as "n0"; absent for the world itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub detail: Detail,
}

/// What happened, with readable fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
        to: String,
        bytes: usize,
        messages: Vec<String>,
    },
    Dropped {
        packet: u64,
        reason: &'static str,
    },
    Delivered {
        packet: u64,
        from: String,
        messages: Vec<String>,
    },
    Fired {
        timer: &'static str,
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
        parts: Vec<&'static str>,
    },
    Decided {
        height: u64,
        round: u32,
        block: String,
        app_hash: String,
        txs: usize,
    },
    Rejected {
        peer: String,
        reason: String,
    },
    Notice {
        notice: &'static str,
        text: String,
    },
    Submitted {
        tx: String,
    },
    Disk {
        trouble: &'static str,
        path: String,
    },
    FaultBegan {
        fault: FaultKind,
    },
    FaultEnded {
        fault: FaultKind,
    },
    Healed {
        core: Vec<String>,
    },
}

impl Line {
    /// The line of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self {
            seq: event.seq,
            time_ns: since_start(event.time),
            node: event.node.map(|node| node.to_string()),
            detail: Detail::of(&event.what),
        }
    }
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
                to: to.to_string(),
                bytes: frame.bytes().len(),
                messages: messages(frame),
            },
            What::Dropped { packet, reason } => Self::Dropped {
                packet: *packet,
                reason,
            },
            What::Delivered {
                packet,
                from,
                frame,
            } => Self::Delivered {
                packet: *packet,
                from: from.to_string(),
                messages: messages(frame),
            },
            What::Fired { timer } => Self::Fired { timer },
            What::Appended { lsn, entry } => Self::Appended {
                lsn: lsn.0,
                record: entry.record.to_string(),
            },
            What::Synced { lsn, .. } => Self::Synced { lsn: lsn.0 },
            What::Stored { height, parts, .. } => Self::Stored {
                height: height.0,
                parts: parts.iter().map(|part| part.name()).collect(),
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
            What::Rejected { peer, reason, .. } => Self::Rejected {
                peer: peer.to_string(),
                reason: reason.clone(),
            },
            What::Notice(notice) => {
                let (notice, text) = notice_words(notice);
                Self::Notice { notice, text }
            }
            What::Submitted { tx } => Self::Submitted { tx: hex(&tx.0) },
            What::Disk(strike) => Self::Disk {
                trouble: strike.trouble.name(),
                path: strike.path.clone(),
            },
            What::FaultBegan(fault) => Self::FaultBegan {
                fault: fault.clone(),
            },
            What::FaultEnded(fault) => Self::FaultEnded {
                fault: fault.clone(),
            },
            What::Healed { core } => Self::Healed {
                core: core.iter().map(ToString::to_string).collect(),
            },
        }
    }
}

/// The mark of an event in its node's column.
pub(super) fn glyph(what: &What) -> &'static str {
    match what {
        What::Started { .. } => "○",
        What::Crashed => "✗",
        What::StartRefused { .. } | What::Halted { .. } => "‼",
        What::Sent { .. } => "▸",
        What::Dropped { .. } => "×",
        What::Delivered { .. } => "◂",
        What::Fired { .. } => "t",
        What::Appended { .. } => "w",
        What::Synced { .. } | What::Stored { .. } => "W",
        What::Decided { .. } => "◆",
        What::Rejected { .. } => "?",
        What::Notice(_) => "●",
        What::Submitted { .. } => "+",
        What::Disk(_) => "!",
        What::FaultBegan(_) => "▼",
        What::FaultEnded(_) => "▲",
        What::Healed { .. } => "═",
    }
}

/// What happened, in words.
pub(super) fn sentence(what: &What) -> String {
    match what {
        What::Started {
            incarnation: 0,
            height,
            ..
        } => format!("start after height {height}"),
        What::Started {
            incarnation,
            height,
            ..
        } => format!("restart {incarnation} after height {height}"),
        What::Crashed => "crash".to_owned(),
        What::StartRefused { reason } => format!("refuses to start: {reason}"),
        What::Halted { reason } => format!("halts: {reason}"),
        What::Sent { packet, to, frame } => {
            format!("#{packet} to {to}: {}", messages(frame).join(", "))
        }
        What::Dropped { packet, reason } => format!("#{packet} lost ({reason})"),
        What::Delivered {
            packet,
            from,
            frame,
        } => format!("#{packet} from {from}: {}", messages(frame).join(", ")),
        What::Fired { timer } => format!("timer {timer}"),
        What::Appended { lsn, entry } => format!("log {}: {}", lsn.0, entry.record),
        What::Synced { lsn, .. } => format!("durable to {}", lsn.0),
        What::Stored { height, parts, .. } => {
            let parts: Vec<_> = parts.iter().map(|part| part.name()).collect();
            format!("height {height} durable: {}", parts.join(", "))
        }
        What::Decided {
            height, decision, ..
        } => {
            let (id, round) = (decision.id, decision.round);
            format!("decide {id} at height {height} in round {round}")
        }
        What::Rejected {
            peer,
            reason,
            blames,
        } => {
            let verb = if *blames {
                "blames"
            } else {
                "refuses a message of"
            };
            format!("{verb} {peer}: {reason}")
        }
        What::Notice(notice) => {
            let (name, text) = notice_words(notice);
            format!("{} {text}", name.replace('_', " "))
        }
        What::Submitted { tx } => format!("transaction {tx}"),
        What::Disk(strike) => format!("disk: {} in {}", strike.trouble.name(), strike.path),
        What::FaultBegan(fault) => format!("fault: {fault}"),
        What::FaultEnded(fault) => format!("ended: {fault}"),
        What::Healed { core } => {
            let core: Vec<_> = core.iter().map(ToString::to_string).collect();
            format!("healed; core {}", core.join(" "))
        }
    }
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
        Notice::NewRoundStep(at) => ("new_round_step", at.to_string()),
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
