//! The plan that a seed draws: first which kinds of trouble a run has, then how much of each
//! (two-level swarm).
//!
//! Leaving kinds out matters as much as having them: some bugs need the absence of others.
//! Everything is drawn from the streams `swarm` and `schedule`, each decision with coordinates of
//! its own, so a new kind moves no other decision.

use crate::{
    choice::{Choices, Draw, Stream},
    nemesis::{
        Behaviour, Byzantine, Clients, CryptoMode, EmptyBlocksMs, Link, MinMax, Plan, TimeoutsMs,
        faults::{draw_faults, draw_node},
        reconfigure,
    },
    world::MAX_NODES,
};

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
    /// No faults at all: no byzantine validators, no loss, no crashes, perfect clocks.
    pub no_faults: bool,
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
    AlwaysLying = 70,
    Bulk = 71,
    Blackout = 72,
}

pub(super) fn swarm(choices: &Choices, option: Option_) -> Draw {
    choices.draw(Stream::Swarm, [option as u64, 0, 0, 0])
}

/// The plan of a seed.
///
/// # Errors
/// If the overrides contradict each other or what is possible; the text says what to do.
pub fn draw(seed: u64, overrides: &Overrides) -> Result<Plan, String> {
    let choices = Choices::new(seed);
    let powers = draw_powers(&choices, overrides)?;
    let heights = overrides.heights.unwrap_or(HEIGHTS);
    if heights == 0 {
        return Err("a run decides at least one height: --heights 1 or more".to_owned());
    }
    let stable_heights = STABLE_HEIGHTS.min(heights.div_ceil(2));
    let link = draw_link(&choices, overrides.no_faults);
    let timeouts = draw_timeouts(&choices, link);
    let mut plan = Plan {
        seed,
        heights: heights - stable_heights,
        stable_heights,
        crypto: overrides.crypto.unwrap_or_default(),
        byzantine: draw_byzantine(&choices, &powers, overrides)?,
        block_sync: swarm(&choices, Option_::BlockSync).below(2) == 1,
        starts_late_ms: Vec::new(),
        beyond_one_third: overrides.beyond_one_third,
        timeouts,
        link,
        sync_us: draw_sync(&choices),
        clock_offsets_ms: draw_clocks(&choices, powers.len(), overrides.no_faults),
        tx_every_ms: draw_tx_every(&choices, link, timeouts.empty_blocks),
        clients: draw_clients(&choices),
        faults_end_ms: 0,
        changes: Vec::new(),
        params: Vec::new(),
        faults: Vec::new(),
        overrides: Vec::new(),
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
        if !overrides.beyond_one_third {
            reconfigure::draw(&choices, &mut plan, height_ms);
        }
        plan.faults = draw_faults(&choices, &plan, height_ms);
        plan.starts_late_ms = draw_late_start(&choices, &plan, height_ms);
        draw_lies(&choices, &mut plan);
    }
    Ok(plan)
}

fn draw_powers(choices: &Choices, overrides: &Overrides) -> Result<Vec<u64>, String> {
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

fn draw_link(choices: &Choices, no_faults: bool) -> Link {
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

fn draw_timeouts(choices: &Choices, link: Link) -> TimeoutsMs {
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
fn draw_tx_every(choices: &Choices, link: Link, empty_blocks: EmptyBlocksMs) -> u64 {
    let drawn = swarm(choices, Option_::Workload).between(0..=3) * link.latency_us.max / 500;
    if empty_blocks == EmptyBlocksMs::Never && drawn == 0 {
        return link.latency_us.max.div_ceil(500);
    }
    drawn
}

/// What clients do beside submitting: nothing in three of four runs. In every 64th run they submit
/// so much that blocks travel in several parts.
fn draw_clients(choices: &Choices) -> Clients {
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

fn draw_sync(choices: &Choices) -> MinMax {
    let mut draw = swarm(choices, Option_::Disk);
    let max = [100, 1_000, 10_000][usize::try_from(draw.below(3)).unwrap_or(0)];
    MinMax { min: max / 10, max }
}

fn draw_clocks(choices: &Choices, nodes: usize, no_faults: bool) -> Vec<i64> {
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
    if plan.block_sync && lies {
        for byzantine in &mut plan.byzantine {
            byzantine.behaviour = Behaviour::LyingSync;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_plan_twice_and_seeds_differ() {
        let plan = |seed| draw(seed, &Overrides::default()).unwrap();
        assert_eq!(plan(7), plan(7));
        assert!((0..50).any(|seed| plan(seed).faults != plan(seed + 1).faults));
    }

    #[test]
    fn byzantine_power_stays_below_one_third_unless_allowed() {
        for seed in 0..500 {
            let plan = draw(seed, &Overrides::default()).unwrap();
            let power = |b: &Byzantine| plan.powers[usize::from(b.node)];
            let faulty: u64 = plan.byzantine.iter().map(power).sum();
            assert!(3 * faulty < plan.powers.iter().sum(), "seed {seed}");
            assert!(plan.is_within_one_third(), "seed {seed}");
        }
        let two = Overrides {
            validators: Some(4),
            byzantine: Some(2),
            ..Overrides::default()
        };
        let error = draw(1, &two).unwrap_err();
        assert!(error.contains("--beyond-one-third"), "{error}");
        let allowed = Overrides {
            beyond_one_third: true,
            ..two
        };
        assert_eq!(draw(1, &allowed).unwrap().byzantine.len(), 2);
    }

    #[test]
    fn no_faults_means_none() {
        let calm = Overrides {
            no_faults: true,
            ..Overrides::default()
        };
        for seed in 0..100 {
            let plan = draw(seed, &calm).unwrap();
            assert!(plan.faults.is_empty() && plan.byzantine.is_empty());
            assert!(plan.clock_offsets_ms.is_empty());
            assert_eq!((plan.link.loss_ppm, plan.link.duplicate_ppm), (0, 0));
        }
    }

    #[test]
    fn a_quarter_of_the_runs_waits_for_transactions_and_those_that_only_wait_have_some() {
        let plan = |seed| draw(seed, &Overrides::default()).unwrap();
        let plans: Vec<_> = (0..400).map(plan).collect();
        let of = |plan: &&Plan| plan.timeouts.empty_blocks;
        let waiting = plans.iter().filter(|p| of(p) != EmptyBlocksMs::Always);
        assert!((60..140).contains(&waiting.count()));
        let mut never = plans.iter().filter(|p| of(p) == EmptyBlocksMs::Never);
        assert!(never.all(|plan| plan.tx_every_ms > 0));
    }

    #[test]
    fn impossible_wishes_are_answered_with_a_remedy() {
        let none = Overrides {
            validators: Some(0),
            ..Overrides::default()
        };
        assert_eq!(
            draw(1, &none).unwrap_err(),
            "--validators takes 1 to 128, not 0"
        );
        let flat = Overrides {
            heights: Some(0),
            ..Overrides::default()
        };
        assert!(draw(1, &flat).unwrap_err().contains("--heights 1"));
    }

    #[test]
    fn a_plan_survives_being_written_down() {
        for seed in 0..200 {
            let plan = draw(seed, &Overrides::default()).unwrap();
            let text = toml::to_string(&plan).unwrap();
            assert_eq!(toml::from_str::<Plan>(&text).unwrap(), plan, "{text}");
        }
    }
}
