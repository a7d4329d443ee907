//! Reads scenario files. Keys are those of a [`Plan`]; those that are omitted have defaults.
//! Touches only the file that it is given.

use std::{collections::BTreeSet, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use toml::{Spanned, Table};

use super::{
    BrokenBy, Expect, Invalid, Recorded, Scenario, Schedule, invalid::Source, moment::when,
};
use crate::{
    choice::Decision,
    nemesis::{
        Byzantine, Change, Clients, CryptoMode, EmptyBlocksMs, Fault, FaultKind, Link, Links,
        MinMax, NetworkMode, ParamsChange, Plan, Script, TimeoutsMs, When,
    },
};

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    why: Option<String>,
    origin: Option<String>,
    #[serde(default)]
    broken_by: Vec<Spanned<String>>,
    seed: Option<u64>,
    powers: Option<Spanned<Vec<u64>>>,
    heights: Option<u64>,
    stable_heights: Option<u64>,
    #[serde(default)]
    crypto: CryptoMode,
    #[serde(default)]
    network: NetworkMode,
    #[serde(default)]
    byzantine: Vec<Spanned<Byzantine>>,
    #[serde(default)]
    beyond_one_third: bool,
    timeouts: Option<Spanned<Table>>,
    link: Option<Spanned<Table>>,
    #[serde(default)]
    links: Links,
    sync_us: Option<MinMax>,
    segment_bytes: Option<u64>,
    #[serde(default)]
    clock_offsets_ms: Vec<i64>,
    #[serde(default)]
    starts_late_ms: Vec<u64>,
    #[serde(default)]
    block_sync: bool,
    #[serde(default)]
    retain_blocks: Option<u64>,
    tx_every_ms: Option<u64>,
    #[serde(default)]
    clients: Clients,
    faults_end_ms: Option<u64>,
    #[serde(default)]
    change: Vec<Spanned<Change>>,
    #[serde(default)]
    params_change: Vec<ParamsChange>,
    #[serde(default)]
    fault: Vec<Spanned<Table>>,
    #[serde(default, rename = "override")]
    overrides: Vec<Spanned<Decision>>,
    recorded: Option<Recorded>,
    #[serde(default)]
    script: Script,
    #[serde(default)]
    expect: Expect,
}

const TIMEOUTS: TimeoutsMs = TimeoutsMs {
    propose: 300,
    prevote: 150,
    precommit: 150,
    delta: 100,
    commit: 20,
    skip_commit: false,
    empty_blocks: EmptyBlocksMs::Always,
};

const LINK: Link = Link {
    latency_us: MinMax {
        min: 5_000,
        max: 20_000,
    },
    loss_ppm: 0,
    duplicate_ppm: 0,
    bytes_per_second: None,
};

const SYNC_US: MinMax = MinMax {
    min: 100,
    max: 1_000,
};

/// The most nodes in a scenario.
const MAX_VALIDATORS: usize = 128;
/// The most power of a validator set.
const MOST_POWER: u64 = 1 << 60;

/// Reads a scenario.
///
/// # Errors
/// What is wrong with the file, and where.
pub fn load(path: &Path) -> Result<Scenario, Invalid> {
    let text = read(path)?;
    parse(path, &text)
}

/// Reads a schedule, such as that of a failed run, or the plan of a scenario.
///
/// # Errors
/// What is wrong with the file, and where.
pub fn load_schedule(path: &Path) -> Result<Schedule, Invalid> {
    let text = read(path)?;
    let source = Source { path, text: &text };
    let file = parse_file(&source)?;
    let given = file.overrides.iter();
    Ok(Schedule {
        path: path.to_owned(),
        plan: plan_of(&source, &file)?,
        places: given
            .map(|given| source.place(given.span().start))
            .collect(),
        recorded: file.recorded,
    })
}

fn read(path: &Path) -> Result<String, Invalid> {
    std::fs::read_to_string(path).map_err(|error| Invalid::whole(path, &error.to_string()))
}

/// Reads the text of a scenario.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(path: &Path, text: &str) -> Result<Scenario, Invalid> {
    let source = Source { path, text };
    let file = parse_file(&source)?;
    let plan = plan_of(&source, &file)?;
    let Some(why) = file.why else {
        return Err(source.invalid(0, "a scenario says why it exists: why = \"...\"".to_owned()));
    };
    let name = path.file_stem().unwrap_or_default();
    Ok(Scenario {
        name: name.to_string_lossy().into_owned(),
        path: path.to_owned(),
        why,
        origin: file.origin,
        broken_by: BrokenBy::all(&source, &file.broken_by),
        plan,
        expect: file.expect,
    })
}

fn parse_file(source: &Source<'_>) -> Result<File, Invalid> {
    toml::from_str(source.text).map_err(|error| source.explain(&error, 0))
}

fn plan_of(source: &Source<'_>, file: &File) -> Result<Plan, Invalid> {
    let powers = file.powers.as_ref().map(Spanned::get_ref).cloned();
    let mut faults = Vec::new();
    for table in &file.fault {
        let start = table.span().start;
        faults.push(fault(table.get_ref()).map_err(|error| error.at(source, start))?);
    }
    let plan = Plan {
        seed: file.seed.unwrap_or(1),
        powers: powers.unwrap_or_else(|| vec![1; 4]),
        heights: file.heights.unwrap_or(10),
        stable_heights: file.stable_heights.unwrap_or(3),
        crypto: file.crypto,
        network: file.network,
        byzantine: file.byzantine.iter().map(|b| *b.get_ref()).collect(),
        beyond_one_third: file.beyond_one_third,
        timeouts: overlay(source, &TIMEOUTS, file.timeouts.as_ref())?,
        link: overlay(source, &LINK, file.link.as_ref())?,
        links: file.links,
        sync_us: file.sync_us.unwrap_or(SYNC_US),
        segment_bytes: file.segment_bytes,
        clock_offsets_ms: file.clock_offsets_ms.clone(),
        starts_late_ms: file.starts_late_ms.clone(),
        block_sync: file.block_sync,
        retain_blocks: file.retain_blocks,
        tx_every_ms: file.tx_every_ms.unwrap_or(50),
        clients: file.clients,
        faults_end_ms: file.faults_end_ms.unwrap_or(60_000),
        changes: file.change.iter().map(|c| *c.get_ref()).collect(),
        params: file.params_change.clone(),
        overrides: file.overrides.iter().map(|d| *d.get_ref()).collect(),
        faults,
        script: file.script.clone(),
    };
    check(source, file, &plan)?;
    Ok(plan)
}

/// Why a table is no fault.
pub(super) enum Wrong {
    Serde(toml::de::Error),
    Other(String),
}

impl From<toml::de::Error> for Wrong {
    fn from(error: toml::de::Error) -> Self {
        Self::Serde(error)
    }
}

impl Wrong {
    fn at(self, source: &Source<'_>, start: usize) -> Invalid {
        match self {
            Self::Serde(error) => source.explain(&error, start),
            Self::Other(message) => source.invalid(start, message),
        }
    }
}

fn fault(table: &Table) -> Result<Fault, Wrong> {
    let mut table = table.clone();
    let at = when(table.remove("at"))?;
    let off = match table.remove("off") {
        Some(off) => off.try_into()?,
        None => false,
    };
    let kind: FaultKind = table.try_into()?;
    Ok(Fault { at, kind, off })
}

/// A table over its defaults.
fn overlay<T: Serialize + DeserializeOwned + Copy>(
    source: &Source<'_>,
    defaults: &T,
    table: Option<&Spanned<Table>>,
) -> Result<T, Invalid> {
    let Some(table) = table else {
        return Ok(*defaults);
    };
    let start = table.span().start;
    let all = Table::try_from(defaults);
    let mut all = all.map_err(|error| source.invalid(start, error.to_string()))?;
    all.extend(table.get_ref().clone());
    all.try_into()
        .map_err(|error| source.explain(&error, start))
}

/// What the types do not rule out.
fn check(source: &Source<'_>, file: &File, plan: &Plan) -> Result<(), Invalid> {
    let nodes = plan.powers.len();
    let powers = file.powers.as_ref().map_or(0, |powers| powers.span().start);
    let wrong = |byte, text: String| Err(source.invalid(byte, text));
    let total = plan
        .powers
        .iter()
        .fold(0, |sum: u64, power| sum.saturating_add(*power));
    if nodes == 0 || nodes > MAX_VALIDATORS || !(1..=MOST_POWER).contains(&total) {
        let text = format!(
            "powers are 1 to {MAX_VALIDATORS} numbers, one per node, together from 1 to 2^60"
        );
        return wrong(powers, text);
    }
    if plan.heights == 0 {
        return wrong(0, "heights is at least 1".to_owned());
    }
    if plan.clock_offsets_ms.len() > nodes {
        return wrong(0, format!("clock_offsets_ms has more than {nodes} numbers"));
    }
    if plan.starts_late_ms.len() > nodes {
        return wrong(0, format!("starts_late_ms has more than {nodes} numbers"));
    }
    for (name, range) in [
        ("latency_us", plan.link.latency_us),
        ("sync_us", plan.sync_us),
    ] {
        if range.min > range.max {
            return wrong(0, format!("{name}: min is above max"));
        }
    }
    if plan.timeouts.empty_blocks == EmptyBlocksMs::Never && plan.tx_every_ms == 0 {
        let text = "without empty blocks and transactions nothing is decided; say tx_every_ms";
        return wrong(0, text.to_owned());
    }
    if plan.segment_bytes == Some(0) {
        return wrong(0, "segment_bytes is at least 1".to_owned());
    }
    if plan.link.bytes_per_second == Some(0) {
        return wrong(
            0,
            "bytes_per_second is at least 1; leave it out for no limit".to_owned(),
        );
    }
    let fits = plan.check_network().and_then(|()| plan.check_instances());
    fits.or_else(|text| wrong(0, text.to_owned()))?;
    check_overrides(source, file)?;
    check_nodes(source, file, plan)?;
    check_power(source, file, plan)
}

/// Each decision is given once.
fn check_overrides(source: &Source<'_>, file: &File) -> Result<(), Invalid> {
    let mut known = BTreeSet::new();
    for given in &file.overrides {
        let Decision { stream, at, .. } = given.get_ref();
        if !known.insert((*stream, *at)) {
            let text = format!("{stream} at {at:?} is given twice");
            return Err(source.invalid(given.span().start, text));
        }
    }
    Ok(())
}

/// Who is named exists, and what happens to it can happen.
fn check_nodes(source: &Source<'_>, file: &File, plan: &Plan) -> Result<(), Invalid> {
    let nodes = plan.powers.len();
    let wrong = |byte, text: String| Err(source.invalid(byte, text));
    let exists = |node: u16| usize::from(node) < nodes;
    let missing = |node: u16| format!("there is no node {node}: {nodes} nodes count from 0");
    for byzantine in &file.byzantine {
        let node = byzantine.get_ref().node;
        if !exists(node) {
            return wrong(byzantine.span().start, missing(node));
        }
    }
    for change in &file.change {
        let node = change.get_ref().node;
        if !exists(node) {
            return wrong(change.span().start, missing(node));
        }
        if plan.beyond_one_third {
            let text = "beyond one third nodes may disagree about the chain, and so about who \
                        validates: powers cannot change there";
            return wrong(change.span().start, text.to_owned());
        }
    }
    for (table, fault) in file.fault.iter().zip(&plan.faults) {
        if let Some(node) = named(fault).into_iter().find(|node| !exists(*node)) {
            return wrong(table.span().start, missing(node));
        }
        let in_storage = matches!(
            fault.at,
            When::Commit { .. } | When::Starting { .. } | When::Cut { .. } | When::Call { .. }
        );
        if in_storage && !matches!(fault.kind, FaultKind::Crash { .. }) {
            let text = "only a crash can begin at a storage call";
            return wrong(table.span().start, text.to_owned());
        }
        let parameters = fault.kind.check_parameters();
        parameters.or_else(|text| wrong(table.span().start, text.to_owned()))?;
    }
    Ok(())
}

fn check_power(source: &Source<'_>, file: &File, plan: &Plan) -> Result<(), Invalid> {
    let (bad, total) = plan.worst_powers();
    if plan.beyond_one_third || plan.can_do_without_broken() {
        return Ok(());
    }
    if plan.is_within_one_third() {
        let broken = plan.faults.iter().position(|f| f.kind.breaks().is_some());
        let start = broken.map_or(0, |at| file.fault[at].span().start);
        let text = "nodes that are byzantine or whose disks are damaged or dead have one third or \
                    more of the power, and nothing is decided without them; take fewer, or give \
                    failing disks calls or for_ms";
        return Err(source.invalid(start, text.to_owned()));
    }
    let start = file.byzantine.first().map_or(0, |b| b.span().start);
    let text = if plan.changes.is_empty() {
        format!(
            "byzantine validators have {bad} of {total} power, one third or more; \
             say beyond_one_third = true if this is meant"
        )
    } else {
        format!(
            "byzantine validators may come to have {bad} of {total} power, one third or more: \
             a change may be committed after later ones, or never"
        )
    };
    Err(source.invalid(start, text))
}

/// All nodes that a fault names.
fn named(fault: &Fault) -> Vec<u16> {
    let mut nodes = fault.kind.nodes();
    match fault.at {
        When::Own { node, .. }
        | When::Append { node, .. }
        | When::Commit { node, .. }
        | When::Starting { node, .. }
        | When::Cut { node, .. }
        | When::Call { node, .. } => nodes.push(node),
        When::Time { .. } | When::Proposed { .. } => {}
    }
    nodes
}
