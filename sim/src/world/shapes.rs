//! Faults of links that are more than one cut: links that hold packets back, and links that go down
//! and up in turns.

use engine::types::{PeerId, Span};

use crate::{
    nemesis::{Clog, FaultKind, Flap, Partial, Topology},
    network::Cut,
    trace::What,
    world::{Pending, Phase, World, links::Parcel},
};

/// Links that hold packets back.
#[derive(Debug, Default)]
pub(super) struct Clogs {
    /// Which, by fault.
    active: Vec<(usize, Clog)>,
    /// What they hold, in the order of sending.
    held: Vec<Parcel>,
}

impl Clogs {
    fn hold(&self, from: PeerId, to: PeerId) -> bool {
        let holds =
            |(_, clog): &(usize, Clog)| clog.from.contains(&from.0) && clog.to.contains(&to.0);
        self.active.iter().any(holds)
    }
}

impl World {
    /// A fault that was begun goes on.
    pub(super) fn continue_fault(&mut self, index: usize, step: u32) {
        if self.phase != Phase::Faults {
            return; // all is healed
        }
        let kind = self.plan.faults[index].kind.clone();
        match kind {
            FaultKind::Clog(_) => self.unclog(index),
            FaultKind::Flap(flap) => self.flap(index, &flap, step),
            FaultKind::ClockDrift(drift) => self.end_drift(index, &drift),
            FaultKind::ClockFreeze(freeze) => self.thaw_clock(index, &freeze),
            FaultKind::Pause(pause) => self.end_pause(index, &pause),
            FaultKind::CrashLoop(crashes) => self.crash_again(index, &crashes, step),
            FaultKind::OldDisk(old) => self.go_back(index, &old),
            FaultKind::Partition { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Partial(_)
            | FaultKind::Isolate(_)
            | FaultKind::Topology(_)
            | FaultKind::ClockStep(_)
            | FaultKind::Crash { .. }
            | FaultKind::Disk { .. }
            | FaultKind::CrashMany(_)
            | FaultKind::EmptyDisk(_)
            | FaultKind::ForeignDisk(_)
            | FaultKind::SecondInstance(_) => {}
        }
    }

    /// A fault is over.
    pub(super) fn ended(&mut self, index: usize) {
        let kind = self.plan.faults[index].kind.clone();
        self.emit(None, What::FaultEnded(kind));
    }

    /// Links begin to hold packets back.
    pub(super) fn clog(&mut self, index: usize, clog: Clog) {
        self.later(index, 0, clog.for_ms);
        self.clogs.active.push((index, clog));
    }

    /// Keeps a packet that a clogged link holds back; gives back any other.
    pub(super) fn unless_clogged(&mut self, parcel: Parcel) -> Option<Parcel> {
        if self.clogs.active.is_empty() || !self.clogs.hold(parcel.from, parcel.to) {
            return Some(parcel);
        }
        self.count("clogged");
        self.clogs.held.push(parcel);
        None
    }

    fn unclog(&mut self, index: usize) {
        self.clogs.active.retain(|(of, _)| *of != index);
        self.ended(index);
        self.let_go();
    }

    /// What no link holds any more leaves at once.
    fn let_go(&mut self) {
        for parcel in std::mem::take(&mut self.clogs.held) {
            self.route(parcel);
        }
    }

    pub(super) fn unclog_all(&mut self) {
        self.clogs.active.clear();
        self.let_go();
    }

    /// Links go down, or come up again: even steps are down.
    pub(super) fn flap(&mut self, index: usize, flap: &Flap, step: u32) {
        if step.is_multiple_of(2) {
            let peers = |nodes: &[u16]| nodes.iter().copied().map(PeerId).collect();
            let groups = vec![peers(&flap.from), peers(&flap.to)];
            let cut = self.network.start(&Cut::Partition { groups });
            self.cuts.insert(index, cut);
            self.hang_up_cut(index, step);
            self.later(index, step + 1, flap.down_ms);
            return;
        }
        if let Some(cut) = self.cuts.remove(&index) {
            self.network.end(cut);
            self.reconnect();
        }
        if step + 1 < flap.times.saturating_mul(2) {
            self.later(index, step + 1, flap.up_ms);
        } else {
            self.ended(index);
        }
    }

    pub(super) fn begin_partial(&mut self, index: usize, partial: &Partial) {
        self.cut_pairs(index, &partial.pairs, partial.for_ms);
    }

    pub(super) fn begin_topology(&mut self, index: usize, topology: &Topology) {
        self.cut_pairs(index, &topology.cut_pairs(), topology.for_ms);
    }

    fn cut_pairs(&mut self, index: usize, pairs: &[(u16, u16)], for_ms: u64) {
        let pairs = pairs
            .iter()
            .map(|(a, b)| (PeerId(*a), PeerId(*b)))
            .collect();
        self.begin_cut(index, &Cut::Pairs { pairs }, for_ms);
    }

    /// A node starts after some time.
    pub(super) fn start_after(&mut self, node: PeerId, ms: u64) {
        let at = self.now.after(Span::millis(ms));
        self.queue.push(at, Pending::Start { node });
    }
}
