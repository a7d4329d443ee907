//! Markers of what went wrong: the network, crashes and disks, byzantine validators.

use std::collections::BTreeMap;

use engine::types::PeerId;

use crate::{
    disk::SimDisk,
    markers::{Marker, Observer},
    nemesis::{Behaviour, Fault, FaultKind, Plan, Unsynced, When},
    trace::What,
    world::DIR,
};

/// The segments of a node's log and how long they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSizes(pub(super) BTreeMap<String, usize>);

impl LogSizes {
    /// Those on a disk.
    #[must_use]
    pub fn of(disk: &SimDisk) -> Self {
        let log = format!("{DIR}/wal/");
        let names = disk.file_names().into_iter();
        let sizes = names.filter(|name| name.starts_with(&log)).map(|name| {
            let bytes = disk.read_current(&name).map_or(0, |bytes| bytes.len());
            (name, bytes)
        });
        Self(sizes.collect())
    }
}

impl Observer {
    /// The packets of an event.
    pub(super) fn network(&mut self, what: &What) {
        let reached = &mut self.reached;
        let under_way = self.under_way.as_mut();
        match what {
            What::Sent { .. } => {
                if let Some(packets) = under_way {
                    *packets += 1;
                }
            }
            What::Delivered { .. } => {
                if let Some(packets) = under_way {
                    *packets = packets.saturating_sub(1);
                }
            }
            What::Dropped { reason, .. } => {
                if let Some(packets) = under_way {
                    *packets = packets.saturating_sub(1);
                }
                reached.mark(match *reason {
                    "loss" => Marker::Lost,
                    "cut" => Marker::CutOff,
                    "queue_full" => Marker::QueueFull,
                    "unsent" => Marker::Unsent,
                    "down" => Marker::ToDown,
                    _ => Marker::Stale,
                });
            }
            What::Fired { .. } | What::Submitted { .. } => {
                let idle = under_way.is_some_and(|packets| *packets == 0);
                let running = self.chain.height().0 > 0 && self.up != 0;
                reached.mark_if(idle && running, Marker::Idle);
            }
            What::Started { .. }
            | What::Crashed
            | What::StartRefused { .. }
            | What::Halted { .. }
            | What::Appended { .. }
            | What::Synced { .. }
            | What::Decided { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Stored { .. }
            | What::Disk(_)
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => {}
        }
    }

    /// Who is up, whether correct or not.
    pub(super) fn life(&mut self, node: PeerId, what: &What) {
        let bit = 1 << node.0;
        match what {
            What::Started { .. } => {
                self.up |= bit;
                self.begun |= bit;
            }
            What::Crashed | What::Halted { .. } | What::StartRefused { .. } => {
                self.up &= !bit;
                let stopped = !matches!(what, What::Crashed);
                self.reached.mark_if(stopped, Marker::StoppedByDisk);
                let crashed = matches!(what, What::Crashed);
                self.reached.mark_if(crashed, Marker::Crashed);
                let count = self.nodes.len();
                let down = (self.begun & !self.up).count_ones() as usize;
                self.reached.mark_if(down * 3 >= count, Marker::ThirdDown);
                self.reached.mark_if(down == count, Marker::AllDown);
            }
            What::Sent { .. }
            | What::Dropped { .. }
            | What::Delivered { .. }
            | What::Fired { .. }
            | What::Appended { .. }
            | What::Synced { .. }
            | What::Decided { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::Stored { .. }
            | What::Disk(_)
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Healed { .. } => {}
        }
    }

    /// What happens to the world itself.
    pub(super) fn world_event(&mut self, what: &What) {
        match what {
            What::FaultBegan(kind) => match kind.name() {
                "partition" => self.reached.mark(Marker::Partitioned),
                "one_way" => self.reached.mark(Marker::OneWay),
                _ => {} // the summary counts faults by kind
            },
            What::FaultEnded(_) => self.reached.mark(Marker::CutEnded),
            What::Healed { core } => self.reached.mark(if core.len() == self.correct {
                Marker::HealedAll
            } else {
                Marker::HealedCore
            }),
            What::Stored { .. }
            | What::Disk(_)
            | What::Started { .. }
            | What::Crashed
            | What::StartRefused { .. }
            | What::Halted { .. }
            | What::Sent { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
            | What::Dropped { .. }
            | What::Delivered { .. }
            | What::Fired { .. }
            | What::Appended { .. }
            | What::Synced { .. }
            | What::Decided { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. } => {}
        }
    }

    /// A fault of the plan begins.
    pub fn fault_began(&mut self, fault: &Fault) {
        let crash = matches!(fault.kind, FaultKind::Crash { .. });
        match fault.at {
            When::Time { .. } => self.reached.mark(Marker::FaultAtTime),
            When::Proposed { .. } => self.reached.mark(Marker::FaultAtProposal),
            When::Own { .. } => self.reached.mark_if(crash, Marker::CrashAtOwn),
            When::Append { .. } => self.reached.mark_if(crash, Marker::CrashAfterAppend),
            When::Commit { .. } => self.reached.mark(Marker::CrashInCommit),
            When::Starting { .. } => self.reached.mark(Marker::CrashInStart),
            When::Cut { .. } | When::Call { .. } => {}
        }
    }

    /// A node crashes, and its log or sign state has bytes that were not synced.
    pub fn unsynced(&mut self, fate: Unsynced) {
        self.reached.mark(match fate {
            Unsynced::Lost => Marker::UnsyncedLost,
            Unsynced::Torn => Marker::UnsyncedTorn,
            Unsynced::Kept => Marker::UnsyncedKept,
        });
    }

    /// A node has started: what its log was before, and is now.
    pub fn log_after_start(&mut self, before: &LogSizes, after: &LogSizes) {
        let cut = |(name, size): (&String, &usize)| after.0.get(name).is_some_and(|now| now < size);
        self.reached
            .mark_if(before.0.iter().any(cut), Marker::TornTailCut);
    }

    /// The run is over: what the world has counted, and what is on the disks.
    pub fn finish(&mut self, plan: &Plan, counts: &BTreeMap<String, u64>, logs: &[LogSizes]) {
        let happened = |name: &str| counts.contains_key(name);
        let reached = &mut self.reached;
        reached.mark_if(happened("duplicate"), Marker::Duplicated);
        reached.mark_if(happened("tx_refused"), Marker::TxRefused);
        for byzantine in &plan.byzantine {
            let (name, marker) = match byzantine.behaviour {
                Behaviour::Equivocate => ("equivocate", Marker::Equivocates),
                Behaviour::Silent => ("silent", Marker::Silent),
                Behaviour::LyingGossip => ("lying_gossip", Marker::LiesInGossip),
                Behaviour::AlwaysLyingGossip => ("always_lying_gossip", Marker::AlwaysLies),
                Behaviour::LyingSync => ("lying_sync", Marker::LiesInSync),
                Behaviour::Scripted => ("scripted", Marker::FollowsScript),
                Behaviour::Twin => ("twin", Marker::Twins),
                Behaviour::Amnesia
                | Behaviour::HiddenLock
                | Behaviour::Withhold
                | Behaviour::Stale
                | Behaviour::Mutate
                | Behaviour::Replay
                | Behaviour::Garbage
                | Behaviour::Flood
                | Behaviour::Slow => (byzantine.behaviour.name(), Marker::OtherwiseByzantine),
            };
            reached.mark_if(happened(name), marker);
        }
        // Names of segments begin with their number.
        let first = format!("{DIR}/wal/{:016x}-", 0);
        let further = |name: &String| name.ends_with(".wal") && !name.starts_with(&first);
        let begun = logs.iter().any(|log| log.0.keys().any(further));
        reached.mark_if(begun, Marker::SegmentBegun);
    }
}
