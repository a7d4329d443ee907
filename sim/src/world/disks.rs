//! Disks in trouble: what a plan does to them, and what becomes of a node whose disk fails.
//!
//! A node that stops because of its disk is a machine that somebody looks at: it is switched off,
//! loses what was not synced as in any crash, and is started again when the plan says so.

use engine::{
    node::Output,
    types::{Height, PeerId, Span},
};

use crate::{
    disk::{CrashFates, Strike},
    nemesis::{FaultKind, Unsynced},
    trace::{Part, What},
    world::{Pending, World},
};

impl World {
    /// A disk gets into trouble. `kind` is that of fault `index`.
    pub(super) fn begin_trouble(&mut self, index: usize, kind: &FaultKind) {
        let FaultKind::Disk {
            node,
            trouble,
            path,
            sector,
            calls,
            for_ms,
            extra_us,
            restart_after_ms,
        } = kind
        else {
            return;
        };
        let (node, number) = (PeerId(*node), index as u64);
        let host = self.host(node);
        if trouble.is_damage() {
            let hit = host.disk.damage(number, (*trouble, path), *sector);
            if let Some(strike) = hit {
                self.note_strike(node, strike);
            }
            return;
        }
        let extra_us = extra_us.unwrap_or(0);
        host.disk
            .begin_trouble(number, (*trouble, path), *calls, extra_us);
        host.restart_after_ms = restart_after_ms.or(host.restart_after_ms);
        self.count(&format!("disk_{}", trouble.name()));
        if let Some(ms) = for_ms {
            let end = self.now.after(Span::millis(*ms));
            self.queue.push(end, Pending::TroubleEnd { index, node });
        }
    }

    pub(super) fn end_trouble(&mut self, index: usize, node: PeerId) {
        self.host(node).disk.end_trouble(index as u64);
        let kind = self.plan.faults[index].kind.clone();
        self.emit(None, What::FaultEnded(kind));
    }

    /// Tells what the disk of a node has done to it since this was called last.
    pub(super) fn note_strikes(&mut self, node: PeerId) {
        for strike in self.host(node).disk.take_strikes() {
            self.note_strike(node, strike);
        }
    }

    fn note_strike(&mut self, node: PeerId, strike: Strike) {
        if strike.trouble.is_damage() {
            self.count(&format!("disk_{}", strike.trouble.name()));
        } else {
            self.count("disk_failed_call");
            self.host(node).disk_has_failed = true;
        }
        self.emit(Some(node), What::Disk(strike));
    }

    /// A disk could not do what it was told: the node stops.
    pub(super) fn disk_failed(&mut self, node: PeerId, error: String) {
        let excused = self.host(node).disk_has_failed;
        self.count("halted");
        self.emit(
            Some(node),
            What::Halted {
                reason: format!("disk: {error}"),
            },
        );
        self.crash(node, Unsynced::Torn);
        self.host(node).halted = !excused;
        self.start_again(node);
    }

    /// A node did not start. What the start had opened is closed again.
    pub(super) fn refused(&mut self, node: PeerId, reason: String) {
        self.count("start_refused");
        self.emit(Some(node), What::StartRefused { reason });
        let choices = self.choices.clone();
        let host = self.host(node);
        host.up = false;
        host.halted = !host.disk_has_failed;
        host.crashes += 1;
        let crashes = host.crashes;
        host.disk.crash(&choices, node, crashes, CrashFates::Draw);
        self.start_again(node);
    }

    /// Starts a node again that stopped because of its disk, if the plan says when.
    fn start_again(&mut self, node: PeerId) {
        let host = self.host(node);
        if let Some(ms) = host.restart_after_ms.filter(|_| !host.halted) {
            let at = self.now.after(Span::millis(ms.max(1)));
            self.queue.push(at, Pending::Start { node });
        }
    }

    /// The faults are over: disks work again, except those that are broken for good.
    pub(super) fn heal_disks(&mut self) {
        let broken = self.plan.broken();
        for node in self.nodes() {
            let host = self.host(node);
            if broken.contains(&node.0) {
                host.restart_after_ms = None;
            } else {
                host.disk.end_troubles();
            }
        }
    }

    /// Whether the plan may break this node's disk for good.
    pub(super) fn is_broken(&self, node: PeerId) -> bool {
        self.plan.broken().contains(&node.0)
    }

    /// How much of the work that disks of these nodes have been given is still before them.
    pub(super) fn disk_backlog(&self, nodes: &[PeerId]) -> Span {
        let free = nodes
            .iter()
            .map(|node| self.hosts[usize::from(node.0)].disk_free);
        let last = free.max().unwrap_or(self.now);
        last.max(self.now).since(self.now)
    }
}

/// The files that a job of the disk touches.
pub(super) fn files_of(output: &Output) -> [&'static str; 2] {
    match output {
        Output::Sync(_) => ["data/wal", "data/sign_state"],
        Output::Load { .. } => ["data/blocks", "data/blocks"],
        Output::Commit { .. }
        | Output::Send { .. }
        | Output::Arm { .. }
        | Output::Append { .. }
        | Output::SaveSignState(_)
        | Output::Decided { .. }
        | Output::Rejected { .. }
        | Output::Refused { .. }
        | Output::Halted { .. }
        | Output::Notice(_) => ["data", "data"],
    }
}

/// What a file of a node holds of a decision.
pub(super) fn part_of(path: &str) -> Option<Part> {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["data", "wal", _] => Some(Part::Log),
        ["data", "blocks", name] => {
            let height = u64::from_str_radix(name, 16).ok()?;
            Some(Part::Block(Height(height)))
        }
        ["data", "app"] => Some(Part::App),
        ["data", "state"] => Some(Part::State),
        _ => None,
    }
}
