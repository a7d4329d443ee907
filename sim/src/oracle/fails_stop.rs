//! A node whose disk has failed it does nothing more.
//!
//! Statement: after a storage call of a correct node was answered with an error that no repetition
//! cures (no space, input/output error, lock held), the node sends, writes, decides and starts
//! nothing before it has stopped.
//!
//! One lock may be held without harm: that of an old segment of the log when a running node would
//! remove it. It stays, as in etcd's purge. A segment that a running node begins is locked under
//! another name before it gets its own. A node removes segments at the end of making a decision
//! durable, so the next that is heard of it must be that it has done so.
//!
//! Source: D2 of the property list; what a failed fsync leaves is unknown, and asking again gives a
//! wrong answer ("fsyncgate", 2018); etcd treats every error of its log as fatal.
//!
//! Cost: a look at a flag per event.

use super::{
    Ghost, Oracle, Violation,
    facts::{self, Rule},
};
use crate::{
    disk::{Strike, Trouble},
    trace::{Event, What},
};

const RULE: Rule = Rule {
    name: "fails_stop",
    rule: "D2: after a failed write or sync nobody knows what the disk holds: the node stops",
};

/// Judges what nodes do after their disk has failed.
#[derive(Debug, Default)]
pub(super) struct FailsStop {
    /// What failed, of each node that has not stopped since.
    failed: Vec<Option<String>>,
    /// Which nodes run.
    up: Vec<bool>,
    /// The old segment that a node could not lock, until it is clear that this was all.
    held: Vec<Option<String>>,
    checks: u64,
}

/// Whether a lock on a segment of the log failed, under its own name.
fn is_segment_held(strike: &Strike) -> bool {
    let segment = strike.path.strip_prefix("data/wal/");
    strike.trouble == Trouble::Locked && segment.is_some_and(|name| name.ends_with(".wal"))
}

impl Oracle for FailsStop {
    fn name(&self) -> &'static str {
        RULE.name
    }

    fn observe(&mut self, ghost: &Ghost, event: &Event) -> Result<(), Box<Violation>> {
        let Some(node) = ghost.correct(event.node) else {
            return Ok(());
        };
        if self.failed.len() <= node {
            self.failed.resize(node + 1, None);
            self.up.resize(node + 1, false);
            self.held.resize(node + 1, None);
        }
        if let Some(held) = self.held[node].take()
            && !matches!(event.what, What::Stored { .. })
        {
            self.failed[node].get_or_insert(held);
        }
        if let What::Started { .. } | What::Crashed | What::Halted { .. } = &event.what {
            self.up[node] = matches!(event.what, What::Started { .. });
        }
        let done = match &event.what {
            What::Disk(strike) if strike.trouble.fails_calls() => {
                let (time, path) = (facts::at(event.time), &strike.path);
                let what = format!("{time} {path}: {}", strike.trouble.name());
                if self.up[node] && is_segment_held(strike) {
                    self.held[node] = Some(what);
                    return Ok(());
                }
                self.failed[node].get_or_insert(what);
                return Ok(());
            }
            What::Crashed | What::StartRefused { .. } | What::Halted { .. } => {
                self.checks += u64::from(self.failed[node].take().is_some());
                return Ok(());
            }
            What::Started { .. } => "started",
            What::Sent { .. } => "sent a message",
            What::Appended { .. } => "wrote to its log",
            What::Synced { .. } => "went on after a sync",
            What::Stored { .. } => "made a decision durable",
            What::Decided { .. } => "announced a decision",
            What::Disk(_)
            | What::Dropped { .. }
            | What::Delivered { .. }
            | What::Fired { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => return Ok(()),
        };
        let Some(failed) = self.failed[node].take() else {
            return Ok(());
        };
        let (name, time) = (facts::node(node), facts::at(event.time));
        let what = format!("{name} {done} although its disk had failed");
        let facts = vec![failed, format!("{time} {name} {done}")];
        Err(RULE.broken(what, (0, &[node]), facts))
    }

    fn checks(&self) -> u64 {
        self.checks
    }
}
