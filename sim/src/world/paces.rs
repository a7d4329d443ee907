//! Time that goes wrong for one node: its clock changes, or it does nothing for a while.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    node::Timer,
    types::{PeerId, Span},
};

use crate::{
    clock::NodeClock,
    nemesis::{ClockDrift, ClockFreeze, ClockStep, Pause},
    world::{Pending, World},
};

/// Nodes that do nothing, by node.
pub(super) type Paused = BTreeMap<PeerId, Rest>;

/// What waits for a node that does nothing.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// The faults that hold it.
    by: BTreeSet<usize>,
    waiting: Vec<Pending>,
}

impl Pending {
    /// The node that must be running for this to happen.
    fn needs(&self) -> Option<PeerId> {
        match self {
            Self::Deliver(parcel) => Some(parcel.to),
            Self::Late { from, .. } => Some(*from),
            Self::Fire { node, .. } | Self::Disk { node, .. } | Self::Connection { node, .. } => {
                Some(*node)
            }
            Self::Depart { .. }
            | Self::Start { .. }
            | Self::Fault { .. }
            | Self::FaultEnd { .. }
            | Self::TroubleEnd { .. }
            | Self::Later { .. }
            | Self::HangUp { .. }
            | Self::Gone { .. }
            | Self::Submit { .. }
            | Self::Change { .. }
            | Self::FaultsEnd
            | Self::Deadline => None,
        }
    }
}

impl World {
    /// A clock jumps.
    pub(super) fn step_clock(&mut self, fault: &ClockStep) {
        let by = fault.by_ms.saturating_mul(1_000_000);
        self.change_clock(fault.node, |clock, now| clock.step(now, by));
    }

    /// A clock begins to drift.
    pub(super) fn drift_clock(&mut self, index: usize, fault: &ClockDrift) {
        self.change_clock(fault.node, |clock, now| clock.drift(now, fault.ppm));
        self.later(index, 0, fault.for_ms);
    }

    pub(super) fn end_drift(&mut self, index: usize, fault: &ClockDrift) {
        self.change_clock(fault.node, |clock, now| clock.drift(now, -fault.ppm));
        self.ended(index);
    }

    /// A clock stands still.
    pub(super) fn freeze_clock(&mut self, index: usize, fault: &ClockFreeze) {
        self.change_clock(fault.node, NodeClock::hold);
        self.later(index, 0, fault.for_ms);
    }

    pub(super) fn thaw_clock(&mut self, index: usize, fault: &ClockFreeze) {
        self.change_clock(fault.node, NodeClock::release);
        self.ended(index);
    }

    /// All clocks run evenly from now on; what they show stays.
    pub(super) fn heal_clocks(&mut self) {
        for node in self.nodes() {
            self.change_clock(node.0, NodeClock::heal);
        }
    }

    /// Changes a clock, and with it when the node's timers are due.
    fn change_clock(
        &mut self,
        node: u16,
        change: impl FnOnce(&mut NodeClock, engine::types::Time),
    ) {
        let (node, now) = (PeerId(node), self.now);
        change(&mut self.host(node).clock, now);
        for timer in [Timer::Consensus, Timer::Gossip, Timer::BlockSync] {
            if let Some(local) = self.host(node).wish(timer) {
                self.arm(node, timer, local);
            }
        }
    }

    /// A node does nothing from now on.
    pub(super) fn pause(&mut self, index: usize, fault: &Pause) {
        let node = PeerId(fault.node);
        if self.host(node).up {
            self.paused.entry(node).or_default().by.insert(index);
            self.later(index, 0, fault.for_ms);
        }
    }

    /// A pause ends; the node goes on if no other holds it.
    pub(super) fn end_pause(&mut self, index: usize, fault: &Pause) {
        let node = PeerId(fault.node);
        let Some(rest) = self.paused.get_mut(&node) else {
            return;
        };
        if rest.by.remove(&index) {
            let free = rest.by.is_empty();
            self.ended(index);
            if free {
                self.resume(node);
            }
        }
    }

    /// A node goes on: everything that waited happens now, in its order.
    pub(super) fn resume(&mut self, node: PeerId) {
        let rest = self.paused.remove(&node).unwrap_or_default();
        for pending in rest.waiting {
            self.queue.push(self.now, pending);
        }
    }

    pub(super) fn resume_all(&mut self) {
        for node in self.nodes() {
            self.resume(node);
        }
    }

    /// Whether a node does nothing.
    pub(super) fn is_paused(&self, node: PeerId) -> bool {
        self.paused.contains_key(&node)
    }

    /// Keeps what a paused node cannot do now; gives back anything else.
    pub(super) fn unless_paused(&mut self, pending: Pending) -> Option<Pending> {
        if self.paused.is_empty() {
            return Some(pending);
        }
        match pending.needs().and_then(|node| self.paused.get_mut(&node)) {
            Some(rest) => {
                rest.waiting.push(pending);
                None
            }
            None => Some(pending),
        }
    }

    /// A fault goes on after some time.
    pub(super) fn later(&mut self, index: usize, step: u32, ms: u64) {
        let at = self.now.after(Span::millis(ms));
        self.queue.push(at, Pending::Later { index, step });
    }
}
