//! Crashes of more than one node or more than once, and restarts from a disk that is not the one
//! that was there: an older image, an empty disk, another node's.
//!
//! A node that comes back without its own memory may sign against what it signed before: it breaks
//! what a correct validator promises, as if it were byzantine. So it counts as byzantine, and is
//! not judged ([`Plan::is_correct`]).

use serde::{Deserialize, Serialize};

use crate::{
    choice::{Choices, Draw},
    nemesis::{
        Behaviour, Fault, FaultKind, Overrides, Plan, Unsynced, When,
        draw::{Option_, draw_disk, draw_length, draw_node, swarm},
    },
    world::MAX_NODES,
};

/// Several nodes stop at once, and start again together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrashMany {
    /// The nodes; none for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<u16>,
    /// Milliseconds until they start again; absent: when the faults end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_after_ms: Option<u64>,
    /// What happens to sectors that were not synced.
    #[serde(default)]
    pub disk: Unsynced,
}

/// A node stops again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrashLoop {
    /// The node.
    pub node: u16,
    /// How often it stops.
    pub times: u32,
    /// How long it is down each time, in milliseconds.
    pub down_ms: u64,
    /// How long it is up in between, in milliseconds.
    pub up_ms: u64,
    /// What happens to sectors that were not synced.
    #[serde(default)]
    pub disk: Unsynced,
}

/// A copy of a node's disk is taken; later the node stops, and starts from the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldDisk {
    /// The node.
    pub node: u16,
    /// Milliseconds from the copy to the stop.
    pub crash_after_ms: u64,
    /// Milliseconds from the stop to the start.
    pub restart_after_ms: u64,
    /// The files whose paths begin with this; the whole disk if it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// A node stops, and starts with nothing on its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyDisk {
    /// The node.
    pub node: u16,
    /// Milliseconds from the stop to the start.
    pub restart_after_ms: u64,
}

/// A node stops, and starts from a copy of what another's disk holds at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignDisk {
    /// The node.
    pub node: u16,
    /// Whose disk it gets.
    pub of: u16,
    /// Milliseconds from the stop to the start.
    pub restart_after_ms: u64,
}

/// A node's key and a copy of its disk are started a second time, while the node goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondInstance {
    /// The node.
    pub node: u16,
    /// The machine for the second instance: a node without power, off until then.
    pub on: u16,
}

impl Plan {
    /// Whose second instance runs on a machine, if one ever does.
    #[must_use]
    pub fn second_of(&self, on: u16) -> Option<u16> {
        let instances = self.second_instances();
        let mut here = instances.filter(|instance| instance.on == on);
        here.next().map(|instance| instance.node)
    }

    fn second_instances(&self) -> impl Iterator<Item = &SecondInstance> {
        let on = self.faults.iter().filter(|fault| !fault.off);
        on.filter_map(|fault| {
            if let FaultKind::SecondInstance(instance) = &fault.kind {
                Some(instance)
            } else {
                None
            }
        })
    }

    /// Whether each second instance has a machine of its own.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_instances(&self) -> Result<(), &'static str> {
        let mut machines = Vec::new();
        for SecondInstance { node, on } in self.second_instances() {
            let byzantine = self
                .byzantine
                .iter()
                .any(|b| b.node == *node || b.node == *on);
            let changed = self
                .changes
                .iter()
                .any(|c| c.node == *node || c.node == *on);
            if self.powers.get(usize::from(*on)) != Some(&0) || on == node || machines.contains(on)
            {
                return Err("a second instance runs on a node of its own with power 0");
            }
            if byzantine || changed {
                return Err(
                    "a node with a second instance, and its machine, are not byzantine \
                            otherwise, and their powers do not change",
                );
            }
            machines.push(*on);
        }
        Ok(())
    }

    /// Whether a node keeps what a correct validator promises: it is not byzantine, and no fault
    /// takes its own disk from it or runs it twice.
    #[must_use]
    pub fn is_correct(&self, node: u16) -> bool {
        let makes_it = |fault: &Fault| !fault.off && fault.kind.makes_byzantine().contains(&node);
        !self.byzantine.iter().any(|b| b.node == node) && !self.faults.iter().any(makes_it)
    }
}

pub(super) fn draw_many(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let all = draw.below(3) == 0;
    let mut nodes: Vec<u16> = (0..u16::try_from(plan.powers.len()).unwrap_or(u16::MAX)).collect();
    draw.shuffle(&mut nodes);
    let most = nodes.len().max(2) as u64;
    nodes.truncate(usize::try_from(draw.between(2..=most)).unwrap_or(2));
    let never = draw.below(8) == 0;
    let after = draw_length(draw, height_ms);
    FaultKind::CrashMany(CrashMany {
        nodes: if all { Vec::new() } else { nodes },
        restart_after_ms: (!never).then_some(after),
        disk: draw_disk(draw),
    })
}

pub(super) fn draw_loop(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    FaultKind::CrashLoop(CrashLoop {
        node: draw_node(draw, plan),
        times: u32::try_from(draw.between(2..=6)).unwrap_or(2),
        down_ms: draw.between(1..=height_ms),
        up_ms: draw.between(1..=2 * height_ms),
        disk: draw_disk(draw),
    })
}

/// In every fourth run one node loses its own disk, if byzantine power stays below one third with
/// it. Changes of power must not concern it.
pub(super) fn draw_swap(choices: &Choices, plan: &mut Plan, height_ms: u64) {
    let mut draw = swarm(choices, Option_::SwapDisk);
    if draw.below(4) != 0 || plan.beyond_one_third || plan.powers.len() < 2 {
        return;
    }
    let node = draw_node(&mut draw, plan);
    let other = (node + 1) % u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
    let restart_after_ms = draw.between(1..=2 * height_ms);
    let crash_after_ms = draw.between(1..=4 * height_ms);
    let kind = match draw.below(4) {
        0 => FaultKind::EmptyDisk(EmptyDisk {
            node,
            restart_after_ms,
        }),
        1 => FaultKind::ForeignDisk(ForeignDisk {
            node,
            of: other,
            restart_after_ms,
        }),
        _ => FaultKind::OldDisk(OldDisk {
            node,
            crash_after_ms,
            restart_after_ms,
            path: String::new(),
        }),
    };
    let ms = draw.between(0..=height_ms * plan.heights);
    let changed = plan.changes.iter().any(|change| change.node == node);
    plan.faults.push(Fault {
        at: When::Time { ms },
        kind,
        off: false,
    });
    if changed || !plan.is_within_one_third() {
        plan.faults.pop();
    }
}

/// In every sixth run one node runs twice from some time on, if byzantine power stays below one
/// third with it. The second instance gets a machine, which is one node more.
pub(super) fn draw_second(
    choices: &Choices,
    plan: &mut Plan,
    overrides: &Overrides,
    height_ms: u64,
) {
    let mut draw = swarm(choices, Option_::SecondInstance);
    let fixed = overrides.byzantine.is_some() || overrides.validators.is_some();
    let twins = plan
        .byzantine
        .iter()
        .any(|b| b.behaviour == Behaviour::Twin);
    let none = draw.below(6) != 0 || fixed || twins || plan.beyond_one_third;
    if none || plan.powers.len() < 2 || plan.powers.len() >= MAX_NODES {
        return;
    }
    let node = draw_node(&mut draw, plan);
    let ms = draw.between(0..=height_ms * plan.heights);
    let on = u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
    plan.powers.push(0);
    plan.faults.push(Fault {
        at: When::Time { ms },
        kind: FaultKind::SecondInstance(SecondInstance { node, on }),
        off: false,
    });
    if plan.check_instances().is_err() || !plan.can_do_without_broken() {
        plan.powers.pop();
        plan.faults.pop();
    }
}
