//! Disks in trouble. Some nodes may break for good, as many as the others can do without; the
//! others get only what a correct engine survives, if it is started again.

use crate::{
    choice::{Choices, Draw, Stream},
    disk::Trouble,
    nemesis::{Fault, FaultKind, Plan, Unsynced, When},
};

use super::{
    Option_,
    faults::{draw_length, draw_node},
    swarm,
};

/// Which files are hit, with every file as often as some part.
const PATHS: [&str; 8] = [
    "",
    "",
    "data",
    "data/wal",
    "data/wal",
    "data/sign_state",
    "data/blocks",
    "data/state",
];
/// Damage, with that of single sectors more often.
const DAMAGE: [Trouble; 6] = [
    Trouble::FlipBit,
    Trouble::FlipBit,
    Trouble::ZeroSector,
    Trouble::Misdirect,
    Trouble::Truncate,
    Trouble::Remove,
];
const FAILING: [Trouble; 5] = [
    Trouble::NoSpace,
    Trouble::FailReads,
    Trouble::FailWrites,
    Trouble::FailSyncs,
    Trouble::Locked,
];
const HARMLESS: [Trouble; 3] = [Trouble::Short, Trouble::Interrupt, Trouble::Slow];

/// Adds disk faults to a plan, in every fourth run: nodes whose disks break, as long as the others
/// can do without them and the byzantine ones, and troubles that do not break a node, up to one for
/// each and one more.
pub(super) fn draw(choices: &Choices, plan: &mut Plan, height_ms: u64) {
    let mut draw = swarm(choices, Option_::Disks);
    if draw.below(4) > 0 {
        return;
    }
    let nodes = plan.powers.len() as u64;
    let broken = draw.between(0..=(nodes.max(1) - 1) / 3);
    let survived = draw.between(1..=nodes + 1);
    for number in 0..broken + survived {
        let coords = [Option_::Disks as u64, number, 0, 0];
        let mut draw = choices.draw(Stream::Schedule, coords);
        let node = draw_node(&mut draw, plan);
        add(&mut draw, plan, (node, number < broken), height_ms);
    }
}

/// Adds one trouble for each disk, after all else is drawn. As many as the others can do without
/// break; which come first is drawn.
pub(super) fn draw_everywhere(choices: &Choices, plan: &mut Plan, height_ms: u64) {
    let nodes = u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
    let mut draw = swarm(choices, Option_::DisksEverywhere);
    let (first, breaks) = (draw.below(nodes.into()), draw.below(2) == 0);
    for number in 0..nodes {
        let coords = [Option_::DisksEverywhere as u64, number.into(), 0, 0];
        let mut draw = choices.draw(Stream::Schedule, coords);
        let turned = (u64::from(number) + first) % u64::from(nodes);
        let node = u16::try_from(turned).unwrap_or(number);
        if !(breaks && add(&mut draw, plan, (node, true), height_ms)) {
            add(&mut draw, plan, (node, false), height_ms);
        }
    }
}

/// Adds a trouble of one node's disk, and says whether it could: nodes break only while the others
/// can do without them.
fn add(draw: &mut Draw, plan: &mut Plan, (node, breaks): (u16, bool), height_ms: u64) -> bool {
    let ms = draw.between(0..=height_ms * (plan.heights + 2));
    if !breaks {
        surviving(draw, plan, (node, ms), height_ms);
        return true;
    }
    let before = plan.faults.len();
    breaking(draw, plan, (node, ms), height_ms);
    let possible = plan.can_do_without_broken();
    if !possible {
        plan.faults.truncate(before);
    }
    possible
}

fn push(plan: &mut Plan, ms: u64, kind: FaultKind) {
    let at = When::Time { ms };
    let off = false;
    plan.faults.push(Fault { at, kind, off });
}

fn crash(draw: &mut Draw, node: u16, height_ms: u64) -> FaultKind {
    FaultKind::Crash {
        node: Some(node),
        restart_after_ms: Some(draw.between(1..=height_ms * 2)),
        disk: Unsynced::Torn,
    }
}

/// Damage while the node is down, or calls that fail for ever.
fn breaking(draw: &mut Draw, plan: &mut Plan, (node, ms): (u16, u64), height_ms: u64) {
    let damage = draw.below(4) > 0;
    let troubles: &[Trouble] = if damage { &DAMAGE } else { &FAILING };
    let trouble = *draw.pick(troubles).unwrap_or(&Trouble::FlipBit);
    let path = (*draw.pick(&PATHS).unwrap_or(&"")).to_owned();
    if damage {
        let crash = crash(draw, node, height_ms);
        push(plan, ms, crash);
    }
    push(
        plan,
        ms,
        FaultKind::Disk {
            node,
            trouble,
            path,
            sector: None,
            calls: None,
            for_ms: None,
            extra_us: None,
            restart_after_ms: None,
        },
    );
}

/// Calls that fail for a while, are late, or do less than asked.
fn surviving(draw: &mut Draw, plan: &mut Plan, (node, ms): (u16, u64), height_ms: u64) {
    let failing = draw.below(2) == 0;
    let troubles: &[Trouble] = if failing { &FAILING } else { &HARMLESS };
    let trouble = *draw.pick(troubles).unwrap_or(&Trouble::Short);
    let path = (*draw.pick(&PATHS).unwrap_or(&"")).to_owned();
    let length = draw_length(draw, height_ms);
    let calls = (draw.below(2) == 0).then(|| draw.between(1..=5));
    let extra_us = draw.between(1..=plan.sync_us.max * 20);
    let restart_after_ms = draw.between(1..=height_ms * 2);
    // A lock is asked for at a start, and a start reads and repairs with whatever else fails.
    let at_a_start = failing && draw.below(2) == 0;
    if trouble == Trouble::Locked || at_a_start {
        let crash = crash(draw, node, height_ms);
        push(plan, ms, crash);
    }
    push(
        plan,
        ms,
        FaultKind::Disk {
            node,
            trouble,
            path,
            sector: None,
            calls,
            for_ms: calls.is_none().then_some(length),
            extra_us: (trouble == Trouble::Slow).then_some(extra_us),
            restart_after_ms: failing.then_some(restart_after_ms),
        },
    );
}
