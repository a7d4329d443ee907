//! The cluster without faults: who validates, links, timeouts, clients, clocks.

use crate::{
    choice::Choices,
    nemesis::{Clients, EmptyBlocksMs, Link, MinMax, TimeoutsMs},
    world::MAX_NODES,
};

use super::{Option_, Overrides, swarm};

pub(super) fn draw_powers(choices: &Choices, overrides: &Overrides) -> Result<Vec<u64>, String> {
    let mut draw = swarm(choices, Option_::Validators);
    let drawn = usize::try_from(draw.between(4..=7)).unwrap_or(4);
    let nodes = overrides.validators.map_or(drawn, usize::from);
    if nodes == 0 || nodes > MAX_NODES {
        return Err(format!("--validators takes 1 to {MAX_NODES}, not {nodes}"));
    }
    let mut draw = swarm(choices, Option_::Powers);
    let equal = draw.below(2) == 0;
    Ok((0..nodes)
        .map(|_| if equal { 1 } else { draw.between(5..=20) })
        .collect())
}

pub(super) fn draw_link(choices: &Choices, no_faults: bool) -> Link {
    let mut draw = swarm(choices, Option_::Latency);
    // Local, regional, continental, worldwide, and a network that reorders wildly.
    let (min, max) = match draw.below(5) {
        0 => (200, 1_000),
        1 => (2_000, 10_000),
        2 => (20_000, 40_000),
        3 => (70_000, 90_000),
        _ => (1_000, 150_000),
    };
    let ppm = |option, most: u64| {
        let mut draw = swarm(choices, option);
        let on = draw.below(2) == 1 && !no_faults;
        let parts = draw.between(1_000..=most);
        u32::try_from(if on { parts } else { 0 }).unwrap_or(0)
    };
    Link {
        latency_us: MinMax { min, max },
        loss_ppm: ppm(Option_::Loss, 100_000),
        duplicate_ppm: ppm(Option_::Duplicate, 100_000),
        bytes_per_second: draw_bandwidth(choices, max, no_faults),
    }
}

/// In every fourth run links are narrow: a kilobyte takes from a 32nd of the longest latency to
/// eight times as long as it.
fn draw_bandwidth(choices: &Choices, latency_us: u64, no_faults: bool) -> Option<u64> {
    let mut draw = swarm(choices, Option_::Bandwidth);
    let on = draw.below(4) == 0 && !no_faults;
    let times = 1_u64 << draw.between(0..=8);
    on.then(|| times * 125 * 1_000_000 / latency_us.max(1))
}

pub(super) fn draw_timeouts(choices: &Choices, link: Link) -> TimeoutsMs {
    let mut draw = swarm(choices, Option_::Timeouts);
    let delay = link.latency_us.max.div_ceil(1_000) + 5;
    let propose = delay * draw.between(3..=8);
    // In every third run votes often come too late for their round: polkas are seen by some and
    // missed by others, and validators lock in different rounds.
    let tight = if draw.below(3) == 0 { 8 } else { 1 };
    let prevote = (delay * draw.between(1..=4)).div_ceil(tight);
    let precommit = (delay * draw.between(1..=4)).div_ceil(tight);
    let delta = delay * draw.between(1..=3);
    let commit = delay * draw.between(0..=2) + 1;
    let skip_commit = swarm(choices, Option_::SkipCommit).below(2) == 1;
    TimeoutsMs {
        propose,
        prevote,
        precommit,
        delta,
        commit,
        skip_commit,
        empty_blocks: draw_empty_blocks(choices, delay),
    }
}

/// In every fourth run heights wait for transactions, in half of these not for ever.
fn draw_empty_blocks(choices: &Choices, delay: u64) -> EmptyBlocksMs {
    let mut draw = swarm(choices, Option_::EmptyBlocks);
    match draw.below(8) {
        0 => EmptyBlocksMs::Never,
        1 => EmptyBlocksMs::EveryMs(delay * draw.between(1..=6)),
        _ => EmptyBlocksMs::Always,
    }
}

/// The time between two transactions, perhaps 0 for none; where they alone bring heights there are
/// always some.
pub(super) fn draw_tx_every(choices: &Choices, link: Link, empty_blocks: EmptyBlocksMs) -> u64 {
    let drawn = swarm(choices, Option_::Workload).between(0..=3) * link.latency_us.max / 500;
    if empty_blocks == EmptyBlocksMs::Never && drawn == 0 {
        return link.latency_us.max.div_ceil(500);
    }
    drawn
}

/// What clients do beside submitting: nothing in three of four runs. In every 64th run they submit
/// so much that blocks travel in several parts.
pub(super) fn draw_clients(choices: &Choices) -> Clients {
    let mut draw = swarm(choices, Option_::Bulk);
    if draw.below(64) == 0 {
        return Clients {
            burst: draw.between(30..=60),
            large_ppm: 1_000_000,
            ..Clients::default()
        };
    }
    let mut draw = swarm(choices, Option_::Clients);
    if draw.below(4) != 0 {
        return Clients::default();
    }
    let mut upto = |most: u64| {
        let on = draw.below(2) == 1;
        let drawn = draw.between(1..=most);
        if on { drawn } else { 0 }
    };
    let (burst, copies) = (upto(5), upto(2));
    let mut ppm = || u32::try_from(upto(500_000)).unwrap_or(0);
    Clients {
        burst,
        copies,
        malformed_ppm: ppm(),
        large_ppm: ppm(),
    }
}

pub(super) fn draw_sync(choices: &Choices) -> MinMax {
    let mut draw = swarm(choices, Option_::Disk);
    let max = [100, 1_000, 10_000][usize::try_from(draw.below(3)).unwrap_or(0)];
    MinMax { min: max / 10, max }
}

pub(super) fn draw_clocks(choices: &Choices, nodes: usize, no_faults: bool) -> Vec<i64> {
    let mut draw = swarm(choices, Option_::Clocks);
    if no_faults || draw.below(2) == 0 {
        return Vec::new();
    }
    let most = draw.between(1..=5_000);
    let offset = |_| {
        let shift = draw.between(0..=2 * most);
        i64::try_from(shift).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
    };
    (0..nodes).map(offset).collect()
}
