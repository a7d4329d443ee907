//! Crashes, also inside the work of a disk: the machine stops at a storage call, before or after
//! the call has taken effect.

use engine::types::{Height, PeerId};

use crate::{
    disk::{CrashFates, StopAt},
    nemesis::{Fault, FaultKind, Unsynced, When},
    trace::What,
    world::{DIR, Phase, World},
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
                | When::Cut { .. }
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
        self.arm_cut(node);
    }

    /// Sets the disk of a node to stop when its log is cut, if a crash waits for that.
    fn arm_cut(&mut self, node: PeerId) {
        let stop = |index: &usize| {
            let Fault { at, kind, .. } = &self.plan.faults[*index];
            let is_crash = matches!(kind, FaultKind::Crash { .. });
            match *at {
                When::Cut {
                    node: who,
                    cuts,
                    side,
                } if who == node.0 && is_crash => Some((cuts, side, *index)),
                When::Cut { .. }
                | When::Commit { .. }
                | When::Starting { .. }
                | When::Call { .. }
                | When::Time { .. }
                | When::Own { .. }
                | When::Proposed { .. }
                | When::Append { .. } => None,
            }
        };
        let first = self.waiting.iter().filter_map(stop).min();
        let segment = |cuts: u64| format!("{DIR}/wal/{cuts:016x}-");
        let host = self.host(node);
        host.disk
            .stop_at_rename(first.map(|(cuts, side, _)| (segment(cuts), side)));
        host.cut_stops_for = first.map(|(_, _, index)| index);
    }

    /// Whether the disk has stopped in the middle of what it was told; then the machine has
    /// crashed.
    pub(super) fn has_stopped(&mut self, node: PeerId) -> bool {
        let host = self.host(node);
        if !host.disk.is_stopped() {
            return false;
        }
        let index = match host.cut_stops_for.take() {
            Some(cut) if !host.disk.waits_for_rename() => Some(cut),
            Some(_) | None => host.stops_for.take(),
        };
        if let Some(index) = index {
            self.waiting.retain(|waiting| *waiting != index);
            self.begin_fault(index, Some(node));
        }
        true
    }

    /// No disk stops any more.
    pub(super) fn disarm_disks(&mut self) {
        for host in &mut self.hosts {
            host.disk.stop_at(None);
            host.disk.stop_at_rename(None);
            host.stops_for = None;
            host.cut_stops_for = None;
        }
    }
}
