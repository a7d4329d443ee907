//! The plan that a seed draws: first which kinds of trouble a run has, then how much of each
//! (two-level swarm).
//!
//! Leaving kinds out matters as much as having them: some bugs need the absence of others.
//! Everything is drawn from the streams `swarm` and `schedule`, each decision with coordinates of
//! its own, so a new kind moves no other decision.

mod cluster;
mod disks;
mod faults;

use crate::{
    choice::{Choices, Draw, Stream},
    nemesis::{
        Behaviour, Byzantine, CryptoMode, EmptyBlocksMs, Links, NetworkMode, Plan, Script,
        byzantine,
        crashes::{draw_second, draw_swap},
        endpoints,
        links::draw_links,
        reconfigure,
    },
};

use cluster::{
    draw_clients, draw_clocks, draw_link, draw_powers, draw_sync, draw_timeouts, draw_tx_every,
};
use faults::draw_faults;
pub(super) use faults::{draw_disk, draw_length, draw_node};

/// What the command line sets instead of the seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Number of validators.
    pub validators: Option<u16>,
    /// Heights to decide, both phases together.
    pub heights: Option<u64>,
    /// Number of byzantine validators.
    pub byzantine: Option<u16>,
    /// Which signatures.
    pub crypto: Option<CryptoMode>,
    /// What carries the messages. Over madsim's endpoints only crashes at a time go wrong.
    pub network: NetworkMode,
    /// No faults at all: no byzantine validators, no loss, no crashes, perfect clocks.
    pub no_faults: bool,
    /// Every disk is in trouble, and as many break as the others can do without.
    pub disk_faults: bool,
    /// Allows byzantine power of one third or more.
    pub beyond_one_third: bool,
}

/// Heights per run unless said otherwise: 15 under faults, 5 in the stable phase.
const HEIGHTS: u64 = 20;
const STABLE_HEIGHTS: u64 = 5;

/// Coordinates in the stream `swarm`. A number is never used again for something else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Option_ {
    Validators = 0,
    Powers = 1,
    Latency = 2,
    Timeouts = 3,
    Disk = 4,
    Loss = 5,
    Duplicate = 6,
    Clocks = 7,
    Byzantine = 8,
    Partitions = 9,
    OneWay = 10,
    Crashes = 11,
    Workload = 12,
    SkipCommit = 13,
    Reconfigure = 14,
    EmptyBlocks = 20,
    Clients = 21,
    BlockSync = 30,
    LateStart = 31,
    LyingSync = 32,
    Bandwidth = 40,
    Disks = 50,
    DisksEverywhere = 51,
    RetainBlocks = 60,
    AlwaysLying = 70,
    Bulk = 71,
    Mix = 80,
    OneBehaviour = 81,
    Companions = 82,
    Calm = 83,
    Templates = 84,
    Grammar = 85,
    Spread = 90,
    Lopsided = 91,
    Reorder = 92,
    Corrupt = 93,
    Hangup = 94,
    Partial = 95,
    Isolate = 96,
    Topology = 97,
    Clog = 98,
    Flap = 99,
    ClockStep = 100,
    ClockDrift = 101,
    ClockFreeze = 102,
    Pause = 103,
    CrashMany = 104,
    CrashLoop = 105,
    SwapDisk = 106,
    SecondInstance = 107,
}

pub(super) fn swarm(choices: &Choices, option: Option_) -> Draw {
    choices.draw(Stream::Swarm, [option as u64, 0, 0, 0])
}

/// The plan of a seed.
///
/// # Errors
/// If the overrides contradict each other or what is possible; the text says what to do.
pub fn draw(seed: u64, overrides: &Overrides) -> Result<Plan, String> {
    let overrides = endpoints::possible(overrides)?;
    let mut plan = draw_all(seed, &overrides)?;
    if !plan.network.is_virtual() {
        plan.keep_what_endpoints_do();
    }
    Ok(plan)
}

fn draw_all(seed: u64, overrides: &Overrides) -> Result<Plan, String> {
    let choices = Choices::new(seed);
    let powers = draw_powers(&choices, overrides)?;
    let heights = overrides.heights.unwrap_or(HEIGHTS);
    if heights == 0 {
        return Err("a run decides at least one height: --heights 1 or more".to_owned());
    }
    let stable_heights = STABLE_HEIGHTS.min(heights.div_ceil(2));
    let mut link = draw_link(&choices, overrides.no_faults);
    let links = if overrides.no_faults {
        Links::default()
    } else {
        draw_links(&choices, &mut link)
    };
    let timeouts = draw_timeouts(&choices, link);
    let mut plan = Plan {
        seed,
        heights: heights - stable_heights,
        stable_heights,
        crypto: overrides.crypto.unwrap_or_default(),
        network: overrides.network,
        byzantine: draw_byzantine(&choices, &powers, overrides)?,
        block_sync: swarm(&choices, Option_::BlockSync).below(2) == 1,
        retain_blocks: None,
        starts_late_ms: Vec::new(),
        beyond_one_third: overrides.beyond_one_third,
        timeouts,
        link,
        links,
        sync_us: draw_sync(&choices),
        segment_bytes: None,
        clock_offsets_ms: draw_clocks(&choices, powers.len(), overrides.no_faults),
        tx_every_ms: draw_tx_every(&choices, link, timeouts.empty_blocks),
        clients: draw_clients(&choices),
        faults_end_ms: 0,
        changes: Vec::new(),
        params: Vec::new(),
        faults: Vec::new(),
        overrides: Vec::new(),
        script: Script::default(),
        powers,
    };
    // A height without faults takes about four link delays and the commit timeout.
    let wait_ms = match timeouts.empty_blocks {
        EmptyBlocksMs::Always => 0,
        EmptyBlocksMs::Never => plan.tx_every_ms,
        EmptyBlocksMs::EveryMs(ms) => ms,
    };
    let height_ms = 4 * link.latency_us.max.div_ceil(1_000) + timeouts.commit + 5 + wait_ms;
    plan.faults_end_ms = height_ms * heights * 4 + 1_000;
    if !overrides.no_faults {
        draw_trouble(&choices, &mut plan, overrides, height_ms);
    }
    plan.retain_blocks = draw_retain_blocks(&choices, &plan);
    Ok(plan)
}

/// All that goes wrong in a run, on purpose or not.
fn draw_trouble(choices: &Choices, plan: &mut Plan, overrides: &Overrides, height_ms: u64) {
    byzantine::draw_cast(choices, plan, overrides);
    if !overrides.beyond_one_third {
        reconfigure::draw(choices, plan, height_ms);
        if plan.powers.len() > 1 && plan.one_may_decide_alone() {
            // Its heights would take no longer than its disk: nobody could follow.
            let delay = plan.link.latency_us.max.div_ceil(1_000);
            plan.timeouts.skip_commit = false;
            plan.timeouts.commit = plan.timeouts.commit.max(2 * delay);
        }
    }
    plan.faults = draw_faults(choices, plan, height_ms);
    draw_swap(choices, plan, height_ms);
    disks::draw(choices, plan, height_ms);
    plan.starts_late_ms = draw_late_start(choices, plan, height_ms);
    draw_lies(choices, plan);
    byzantine::draw_script(choices, plan, height_ms);
    draw_second(choices, plan, overrides, height_ms);
    if overrides.disk_faults {
        disks::draw_everywhere(choices, plan, height_ms);
    }
}

/// In every sixth run nodes remove old blocks, unless somebody may be off for long: nobody could
/// help it.
fn draw_retain_blocks(choices: &Choices, plan: &Plan) -> Option<u64> {
    let mut draw = swarm(choices, Option_::RetainBlocks);
    let on = draw.below(6) == 0;
    let few = draw.between(10..=15);
    let is_twin = |b: &Byzantine| b.behaviour == Behaviour::Twin;
    let nobody_is_held = plan.script.is_empty() && !plan.byzantine.iter().any(is_twin);
    let nobody_is_off = plan.faults.is_empty() && plan.starts_late_ms.is_empty() && nobody_is_held;
    (on && nobody_is_off).then_some(few)
}

/// Byzantine validators: as many as asked for; otherwise one, in six runs of eight, if its power
/// is below one third.
fn draw_byzantine(
    choices: &Choices,
    powers: &[u64],
    overrides: &Overrides,
) -> Result<Vec<Byzantine>, String> {
    let total: u64 = powers.iter().sum();
    let mut draw = swarm(choices, Option_::Byzantine);
    let kind = draw.below(8);
    let mut nodes: Vec<u16> = (0..u16::try_from(powers.len()).unwrap_or(u16::MAX)).collect();
    draw.shuffle(&mut nodes);
    let wanted = overrides
        .byzantine
        .unwrap_or(u16::from(kind < 6 && !overrides.no_faults));
    if usize::from(wanted) > powers.len() {
        return Err(format!(
            "--byzantine {wanted}, but there are {} validators",
            powers.len()
        ));
    }
    let behaviour = match kind {
        0 => Behaviour::Silent,
        5 => draw_liar(choices),
        _ => Behaviour::Equivocate,
    };
    let chosen = nodes.into_iter().take(usize::from(wanted));
    let byzantine: Vec<_> = chosen.map(|node| Byzantine { node, behaviour }).collect();
    let power: u64 = byzantine.iter().map(|b| powers[usize::from(b.node)]).sum();
    if 3 * power < total || overrides.beyond_one_third {
        return Ok(byzantine);
    }
    if overrides.byzantine.is_none() {
        return Ok(Vec::new());
    }
    Err(format!(
        "--byzantine {wanted} has {power} of {total} power, one third or more, where nothing is \
         promised; take fewer, more --validators, or say --beyond-one-third"
    ))
}

/// Every second validator that lies in gossip always does.
fn draw_liar(choices: &Choices) -> Behaviour {
    if swarm(choices, Option_::AlwaysLying).below(2) == 0 {
        Behaviour::LyingGossip
    } else {
        Behaviour::AlwaysLyingGossip
    }
}

/// In every fourth run one node starts when the others have decided some heights.
fn draw_late_start(choices: &Choices, plan: &Plan, height_ms: u64) -> Vec<u64> {
    let mut draw = swarm(choices, Option_::LateStart);
    if draw.below(4) > 0 {
        return Vec::new();
    }
    let late = draw_node(&mut draw, plan);
    let ms = draw.between(1..=height_ms * plan.heights.max(1));
    (0..=late)
        .map(|node| if node == late { ms } else { 0 })
        .collect()
}

/// Where blocks are synced, every third byzantine validator lies about them instead.
fn draw_lies(choices: &Choices, plan: &mut Plan) {
    let lies = swarm(choices, Option_::LyingSync).below(3) == 0;
    if plan.block_sync && lies && byzantine::mix(choices) == byzantine::Mix::Noise {
        for byzantine in &mut plan.byzantine {
            byzantine.behaviour = Behaviour::LyingSync;
        }
    }
}

#[cfg(test)]
mod tests;
