//! What goes wrong, and when: cuts and crashes.

use crate::{
    choice::{Choices, Draw, Stream},
    disk::Side,
    nemesis::{
        Fault, FaultKind, OwnMessage, Plan, Unsynced, When,
        clocks::{draw_drift, draw_freeze, draw_pause, draw_step},
        crashes::{draw_loop, draw_many},
        links::{draw_clog, draw_flap, draw_isolate, draw_partial, draw_topology},
    },
};

use super::{Option_, swarm};

/// A commit makes about so many storage calls, a start with its verification up to eight times as
/// many.
const STORAGE_CALLS: u64 = 40;

/// How a fault of one kind is drawn.
type DrawKind = fn(&mut Draw, &Plan, u64) -> FaultKind;

/// Each kind: in one of how many runs it exists, and how often it happens there at most.
const KINDS: [(Option_, u64, u64, DrawKind); 14] = [
    (Option_::Partitions, 2, 3, draw_partition),
    (Option_::OneWay, 2, 3, draw_one_way),
    (Option_::Crashes, 2, 6, draw_crash),
    (Option_::Partial, 4, 3, draw_partial),
    (Option_::Isolate, 4, 3, draw_isolate),
    (Option_::Topology, 6, 2, draw_topology),
    (Option_::Clog, 4, 3, draw_clog),
    (Option_::Flap, 6, 2, draw_flap),
    (Option_::ClockStep, 4, 4, draw_step),
    (Option_::ClockDrift, 4, 3, draw_drift),
    (Option_::ClockFreeze, 4, 2, draw_freeze),
    (Option_::Pause, 4, 3, draw_pause),
    (Option_::CrashMany, 6, 2, draw_many),
    (Option_::CrashLoop, 6, 2, draw_loop),
];

/// The faults of a run: of each kind that it has, how many, when and what.
pub(super) fn draw_faults(choices: &Choices, plan: &Plan, height_ms: u64) -> Vec<Fault> {
    let window = height_ms * (plan.heights + 2);
    let mut faults = Vec::new();
    for (option, one_in, most, kind) in KINDS {
        let mut draw = swarm(choices, option);
        let on = draw.below(one_in) == 1;
        let count = if on { draw.between(1..=most) } else { 0 };
        for number in 0..count {
            let coords = [option as u64, number, 0, 0];
            let mut draw = choices.draw(Stream::Schedule, coords);
            let at = draw_when(&mut draw, plan, window, matches!(option, Option_::Crashes));
            let kind = kind(&mut draw, plan, height_ms);
            let kind = aim(kind, at);
            faults.push(Fault {
                at,
                kind,
                off: false,
            });
        }
    }
    faults
}

/// A crash at a node's own message hits that node.
fn aim(kind: FaultKind, at: When) -> FaultKind {
    match (kind, at) {
        (
            FaultKind::Crash {
                restart_after_ms,
                disk,
                ..
            },
            When::Own { node, .. }
            | When::Append { node, .. }
            | When::Commit { node, .. }
            | When::Starting { node, .. }
            | When::Cut { node, .. },
        ) => FaultKind::Crash {
            node: Some(node),
            restart_after_ms,
            disk,
        },
        (kind, _) => kind,
    }
}

fn draw_when(draw: &mut Draw, plan: &Plan, window: u64, crash: bool) -> When {
    let node = draw_node(draw, plan);
    let ms = draw.between(0..=window);
    let height = draw.between(1..=plan.heights.max(1));
    let round = u32::try_from(draw.below(8).saturating_sub(5)).unwrap_or(0);
    let kinds = [
        OwnMessage::Proposal,
        OwnMessage::Prevote,
        OwnMessage::Precommit,
    ];
    let message = draw.pick(&kinds).copied().unwrap_or(OwnMessage::Precommit);
    let call = draw.below(STORAGE_CALLS);
    let side = *draw
        .pick(&[Side::Before, Side::After])
        .unwrap_or(&Side::Before);
    match draw.below(6) {
        4 if crash => When::Commit {
            node,
            commits: height,
            call,
            side,
        },
        5 if crash => When::Starting {
            node,
            starts: u32::try_from(height % 3).unwrap_or(0),
            call: call * 8,
            side,
        },
        0 if crash => When::Append {
            node,
            appends: message,
            height,
            round,
        },
        1 if crash => When::Own {
            node,
            sends: message,
            height,
            round,
        },
        1 => When::Proposed {
            proposal_height: height,
            proposal_round: round,
        },
        _ => When::Time { ms },
    }
}

pub(in crate::nemesis) fn draw_node(draw: &mut Draw, plan: &Plan) -> u16 {
    u16::try_from(draw.below(plan.powers.len() as u64)).unwrap_or(0)
}

/// How long a fault lasts: up to ten heights, short ones more often.
pub(in crate::nemesis) fn draw_length(draw: &mut Draw, height_ms: u64) -> u64 {
    let most = draw.between(1..=10);
    draw.between(1..=height_ms * most)
}

/// Two groups of any size, or everybody against one.
fn draw_partition(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let mut nodes: Vec<u16> = (0..u16::try_from(plan.powers.len()).unwrap_or(u16::MAX)).collect();
    draw.shuffle(&mut nodes);
    let cut = draw.between(1..=(nodes.len() as u64).saturating_sub(1).max(1));
    let rest = nodes.split_off(usize::try_from(cut).unwrap_or(1).min(nodes.len()));
    FaultKind::Partition {
        groups: vec![nodes, rest],
        for_ms: draw_length(draw, height_ms),
    }
}

fn draw_one_way(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let FaultKind::Partition { mut groups, for_ms } = draw_partition(draw, plan, height_ms) else {
        unreachable!("draw_partition draws partitions");
    };
    let to = groups.pop().unwrap_or_default();
    let from = groups.pop().unwrap_or_default();
    FaultKind::OneWay { from, to, for_ms }
}

fn draw_crash(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let node = Some(draw_node(draw, plan));
    let never = draw.below(8) == 0;
    let after = draw_length(draw, height_ms);
    FaultKind::Crash {
        node,
        restart_after_ms: (!never).then_some(after),
        disk: draw_disk(draw),
    }
}

/// What a crash does to what was not synced; half of them tear it.
pub(in crate::nemesis) fn draw_disk(draw: &mut Draw) -> Unsynced {
    let disks = [
        Unsynced::Torn,
        Unsynced::Torn,
        Unsynced::Lost,
        Unsynced::Kept,
    ];
    draw.pick(&disks).copied().unwrap_or_default()
}
