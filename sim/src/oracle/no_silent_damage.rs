//! A log never comes up with less than was durable.
//!
//! Statement: a correct node never gives a record number again that was durable. If the disk has
//! damaged what it held, the node may have lost records of heights it has behind it, but none with
//! a message of its own for a height that is still open: then it must not start at all.
//!
//! Source: D1 of the property list; what a synced record says, a vote or a lock, must never be
//! forgotten in silence. etcd's `Repair` did: it took damaged records for torn ones.
//!
//! Cost: a comparison per record, and the numbers of own records of open heights.

use std::collections::BTreeMap;

use engine::{
    node::{Entry, Record},
    types::{Height, Lsn, Message},
};

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
};
use crate::trace::{Event, What};

const RULE: Rule = Rule {
    name: "no_silent_damage",
    rule: "D1: what was durable in the log is there at every later start, or the node refuses",
};

/// What a node's log must hold.
#[derive(Debug, Clone, Default)]
struct Log {
    durable: Option<Lsn>,
    /// Records with own messages, and their heights.
    own: BTreeMap<Lsn, Height>,
    /// The last height that the node has behind it.
    height: Height,
    damaged: bool,
}

/// Judges the numbers of records.
#[derive(Debug, Default)]
pub(super) struct NoSilentDamage {
    logs: Vec<Log>,
    checks: u64,
}

/// The highest height that a record of own messages speaks of.
fn own_height(entry: &Entry) -> Option<Height> {
    let Record::Own { messages } = &entry.record else {
        return None;
    };
    let height = |message: &Message| {
        if let Message::Vote(vote) = message {
            Some(vote.height)
        } else if let Message::Proposal(proposal) = message {
            Some(proposal.height)
        } else {
            None
        }
    };
    messages.iter().filter_map(height).max()
}

impl Log {
    /// A record is written; says which record it makes the log forget, if one may not be forgotten.
    fn append(&mut self, lsn: Lsn, entry: &Entry) -> Option<Lsn> {
        let durable = self.durable.filter(|durable| *durable >= lsn);
        let lost = durable.and_then(|durable| {
            if !self.damaged {
                return Some(durable);
            }
            let mut own = self.own.range(lsn..=durable);
            own.find(|(_, height)| **height > self.height)
                .map(|(lost, _)| *lost)
        });
        if durable.is_some() {
            self.durable = None;
        }
        drop(self.own.split_off(&lsn));
        if let Some(height) = own_height(entry) {
            self.own.insert(lsn, height);
        }
        lost
    }

    fn reach(&mut self, height: Height) {
        self.height = height;
        self.own.retain(|_, of| *of > height);
    }
}

impl Oracle for NoSilentDamage {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        if self.logs.len() <= node {
            self.logs.resize(node + 1, Log::default());
        }
        let log = &mut self.logs[node];
        match &event.what {
            What::Synced { lsn, .. } => log.durable = log.durable.max(Some(*lsn)),
            What::Started { height, .. } | What::Decided { height, .. } => log.reach(*height),
            What::Disk(strike) => log.damaged |= strike.trouble.is_damage(),
            What::Appended { lsn, entry } => {
                self.checks += 1;
                let Some(lost) = log.append(*lsn, entry) else {
                    return Ok(());
                };
                let (name, time) = (facts::node(node), facts::at(event.time));
                let what = format!("{name} has lost record {} in silence", lost.0);
                let facts = vec![
                    format!("record {} of {name} was durable", lost.0),
                    format!("{time} {name} wrote record {}", lsn.0),
                ];
                return Err(RULE.broken(what, (log.height.0 + 1, &[node]), facts));
            }
            What::Crashed
            | What::StartRefused { .. }
            | What::Halted { .. }
            | What::Sent { .. }
            | What::Dropped { .. }
            | What::Delivered { .. }
            | What::Fired { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Stored { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => {}
        }
        Ok(())
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
