//! Crashes, also inside the work of a disk: the machine stops at a storage call, before or after
//! the call has taken effect.

use engine::types::{Height, PeerId};

use crate::{
    disk::{CrashFates, StopAt},
    nemesis::{FaultKind, Unsynced, When},
    trace::What,
    world::{Phase, World},
};

/// What a disk is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// All that a start reads and writes.
    Start,
    /// Making the decision of this height durable.
    Commit(Height),
    /// Anything else.
    Other,
}

impl World {
    /// A node loses its power, its memory, and of its disk what was not synced.
    pub(super) fn crash(&mut self, node: PeerId, disk: Unsynced) {
        let choices = self.choices.clone();
        let host = self.host(node);
        if !host.up {
            return;
        }
        host.stop();
        host.crashes += 1;
        let fates = match disk {
            Unsynced::Torn => CrashFates::Draw,
            Unsynced::Lost => CrashFates::LoseAll,
            Unsynced::Kept => CrashFates::KeepAll,
        };
        let unsynced = host.unsynced() > 0;
        host.disk.crash(&choices, node, host.crashes, fates);
        if unsynced {
            self.observer.unsynced(disk);
        }
        self.emit(Some(node), What::Crashed);
        self.stop_links(node);
        self.resume(node);
        self.hang_up_crashed(node);
    }

    /// Sets the disk of a node to stop at the first call of this job for which a crash waits.
    pub(super) fn arm_disk(&mut self, node: PeerId, job: Job) {
        if self.waiting.is_empty() || self.phase != Phase::Faults {
            return;
        }
        let host = &self.hosts[usize::from(node.0)];
        let (calls, starts) = (host.disk.calls(), host.starts);
        let stop = |index: &usize| {
            let fault = &self.plan.faults[*index];
            let (who, call, side) = match fault.at {
                When::Commit {
                    node,
                    commits,
                    call,
                    side,
                } if job == Job::Commit(Height(commits)) => (node, calls + call, side),
                When::Starting {
                    node,
                    starts: nth,
                    call,
                    side,
                } if job == Job::Start && nth == starts => (node, calls + call, side),
                When::Call { node, call, side } => (node, call, side),
                When::Commit { .. }
                | When::Starting { .. }
                | When::Time { .. }
                | When::Own { .. }
                | When::Proposed { .. }
                | When::Append { .. } => return None,
            };
            let is_crash = matches!(fault.kind, FaultKind::Crash { .. });
            let due = who == node.0 && call >= calls && is_crash;
            due.then_some((call, side, *index))
        };
        let first = self.waiting.iter().filter_map(stop).min();
        let host = self.host(node);
        host.disk
            .stop_at(first.map(|(call, side, _)| StopAt { call, side }));
        host.stops_for = first.map(|(_, _, index)| index);
    }

    /// Whether the disk has stopped in the middle of what it was told; then the machine has
    /// crashed.
    pub(super) fn has_stopped(&mut self, node: PeerId) -> bool {
        let host = self.host(node);
        if !host.disk.is_stopped() {
            return false;
        }
        if let Some(index) = host.stops_for.take() {
            self.waiting.retain(|waiting| *waiting != index);
            self.begin_fault(index, Some(node));
        }
        true
    }

    /// No disk stops any more.
    pub(super) fn disarm_disks(&mut self) {
        for host in &mut self.hosts {
            host.disk.stop_at(None);
            host.stops_for = None;
        }
    }
}
