//! What goes wrong with a node's time: its clock steps, drifts or stands still, or the whole node
//! pauses.

use serde::{Deserialize, Serialize};

use crate::{
    choice::Draw,
    nemesis::{
        FaultKind, Plan,
        draw::{draw_length, draw_node},
    },
};

/// A clock jumps, and goes on from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// Whose clock.
    pub node: u16,
    /// How far, in milliseconds; back if negative.
    pub by_ms: i64,
}

/// A clock runs too fast or too slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockDrift {
    /// Whose clock.
    pub node: u16,
    /// By how many parts per million; too slow if negative, and never backwards.
    pub ppm: i64,
    /// How long, in milliseconds. What it has gained or lost by then stays.
    pub for_ms: u64,
}

/// A clock stands still, and then goes on from where it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockFreeze {
    /// Whose clock.
    pub node: u16,
    /// How long, in milliseconds.
    pub for_ms: u64,
}

/// A node does nothing (SIGSTOP): what its network, disk and timers have for it waits, and comes at
/// once when it goes on. Its clock does not stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// The node.
    pub node: u16,
    /// How long, in milliseconds.
    pub for_ms: u64,
}

impl FaultKind {
    fn clock_step(&self) -> Option<&ClockStep> {
        if let Self::ClockStep(step) = self {
            Some(step)
        } else {
            None
        }
    }
}

impl Plan {
    /// The most milliseconds that any clock can be set back, all steps together.
    #[must_use]
    pub fn most_set_back_ms(&self) -> u64 {
        let back = |node: u16| {
            let steps = self.faults.iter().filter(|fault| !fault.off);
            let by = steps.map(|fault| match fault.kind.clock_step() {
                Some(step) if step.node == node => step.by_ms.min(0).unsigned_abs(),
                Some(_) | None => 0,
            });
            by.fold(0, u64::saturating_add)
        };
        let nodes = 0..u16::try_from(self.powers.len()).unwrap_or(u16::MAX);
        nodes.map(back).max().unwrap_or(0)
    }
}

/// Up to ten heights, either way.
pub(super) fn draw_step(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let by = i64::try_from(draw_length(draw, height_ms)).unwrap_or(1);
    let back = draw.below(2) == 0;
    FaultKind::ClockStep(ClockStep {
        node: draw_node(draw, plan),
        by_ms: if back { -by } else { by },
    })
}

/// From what quartz does to what a broken virtual machine does.
pub(super) fn draw_drift(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let most = [100, 10_000, 500_000];
    let most: i64 = draw.pick(&most).copied().unwrap_or(100);
    let slow = draw.below(2) == 0;
    FaultKind::ClockDrift(ClockDrift {
        node: draw_node(draw, plan),
        ppm: if slow { -most } else { most },
        for_ms: 2 * draw_length(draw, height_ms),
    })
}

pub(super) fn draw_freeze(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    FaultKind::ClockFreeze(ClockFreeze {
        node: draw_node(draw, plan),
        for_ms: draw_length(draw, height_ms),
    })
}

pub(super) fn draw_pause(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    FaultKind::Pause(Pause {
        node: draw_node(draw, plan),
        for_ms: draw_length(draw, height_ms),
    })
}
