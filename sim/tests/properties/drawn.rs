//! Plans drawn by proptest: the shape of a cluster, its workload, and a list of troubles.
//!
//! All parts are drawn apart from each other and put together at the end: troubles name nodes
//! modulo their number, and what a cluster could not survive is left out. So each part shrinks by
//! itself, and a case stays a case while validators and troubles are taken away. What stands first
//! in a list is simplest.

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
};
use sim::{
    disk::{Side, Trouble as Disk},
    nemesis::{
        Behaviour, Byzantine, Change, Clients, ClockDrift, ClockFreeze, ClockStep, Clog, CrashLoop,
        CrashMany, CryptoMode, EmptyBlocksMs, EmptyDisk, Fault, FaultKind, Flap, Isolate, Link,
        Links, MinMax, NetworkMode, OldDisk, OwnMessage, Pause, Plan, Script, Shape, TimeoutsMs,
        Topology, Unsynced, Via, When,
    },
};

use crate::spoken::spoken;

const MOST_NODES: usize = 7;
const MOST_TROUBLES: usize = 8;

/// What happens; whom it concerns and how long it lasts is said apart.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Crash(Unsynced),
    Isolate,
    Partition,
    OneWay,
    Clog,
    Flap,
    Ring,
    Pause,
    ClockStep,
    ClockDrift,
    ClockFreeze,
    CrashMany(Unsynced),
    CrashLoop(Unsynced),
    DiskFails(Disk),
    DiskDamage(Disk),
    OldDisk,
    EmptyDisk,
}

const KINDS: [Kind; 26] = [
    Kind::Crash(Unsynced::Kept),
    Kind::Crash(Unsynced::Lost),
    Kind::Crash(Unsynced::Torn),
    Kind::Isolate,
    Kind::Partition,
    Kind::OneWay,
    Kind::OneWay,
    Kind::Clog,
    Kind::Clog,
    Kind::Flap,
    Kind::Ring,
    Kind::Pause,
    Kind::ClockStep,
    Kind::ClockDrift,
    Kind::ClockFreeze,
    Kind::CrashMany(Unsynced::Lost),
    Kind::CrashMany(Unsynced::Torn),
    Kind::CrashLoop(Unsynced::Torn),
    Kind::DiskFails(Disk::NoSpace),
    Kind::DiskFails(Disk::FailWrites),
    Kind::DiskFails(Disk::FailSyncs),
    Kind::DiskFails(Disk::Short),
    Kind::DiskDamage(Disk::FlipBit),
    Kind::DiskDamage(Disk::Truncate),
    Kind::OldDisk,
    Kind::EmptyDisk,
];

/// When a trouble begins.
#[derive(Debug, Clone, Copy)]
enum Moment {
    At(u64),
    Sends(OwnMessage, u64, u32),
    Appends(OwnMessage, u64, u32),
    /// At a storage call, if it is a crash; otherwise at as many milliseconds.
    Call(u64, Side),
}

/// A trouble before the cluster is known. Numbers of nodes are taken modulo their number.
#[derive(Debug, Clone)]
struct Trouble {
    kind: Kind,
    moment: Moment,
    node: u16,
    /// Nodes whose bit is set stand on one side, the others on the other side.
    side: u8,
    for_ms: u64,
    /// The other length, where there are two.
    then_ms: u64,
    /// Whether a node that is down stays so until the faults end; for clocks: whether they lose.
    stays: bool,
}

impl Trouble {
    fn fault(&self, nodes: u16) -> Fault {
        let kind = self.kind_of(self.node % nodes, nodes);
        Fault {
            at: self.when(&kind, self.node % nodes),
            kind,
            off: false,
        }
    }

    fn when(&self, kind: &FaultKind, node: u16) -> When {
        let is_crash = matches!(kind, FaultKind::Crash { .. });
        match self.moment {
            Moment::Call(call, side) if is_crash => When::Call { node, call, side },
            Moment::At(ms) | Moment::Call(ms, _) => When::Time { ms },
            Moment::Sends(sends, height, round) => When::Own {
                node,
                sends,
                height,
                round,
            },
            Moment::Appends(appends, height, round) => When::Append {
                node,
                appends,
                height,
                round,
            },
        }
    }

    fn kind_of(&self, node: u16, nodes: u16) -> FaultKind {
        let (for_ms, then_ms) = (self.for_ms, self.then_ms);
        let is_here = |node: &u16| self.side >> node & 1 == 1;
        let (from, to): (Vec<u16>, Vec<u16>) = (0..nodes).partition(is_here);
        let restart_after_ms = (!self.stays).then_some(for_ms);
        match self.kind {
            Kind::Crash(disk) => FaultKind::Crash {
                node: Some(node),
                restart_after_ms,
                disk,
            },
            Kind::CrashMany(disk) => FaultKind::CrashMany(CrashMany {
                nodes: from,
                restart_after_ms,
                disk,
            }),
            Kind::CrashLoop(disk) => FaultKind::CrashLoop(CrashLoop {
                node,
                times: 3,
                down_ms: for_ms,
                up_ms: then_ms,
                disk,
            }),
            Kind::Isolate => FaultKind::Isolate(Isolate { node, for_ms }),
            Kind::Partition => FaultKind::Partition {
                groups: vec![from, to],
                for_ms,
            },
            Kind::OneWay => FaultKind::OneWay { from, to, for_ms },
            Kind::Clog => FaultKind::Clog(Clog { from, to, for_ms }),
            Kind::Flap => FaultKind::Flap(Flap {
                from,
                to,
                down_ms: for_ms,
                up_ms: then_ms,
                times: 3,
            }),
            Kind::Ring => FaultKind::Topology(Topology {
                shape: Shape::Ring,
                order: (0..nodes).collect(),
                for_ms,
            }),
            Kind::Pause => FaultKind::Pause(Pause { node, for_ms }),
            Kind::ClockStep => {
                let by = i64::try_from(for_ms).expect("seconds");
                let by_ms = if self.stays { -by } else { by };
                FaultKind::ClockStep(ClockStep { node, by_ms })
            }
            Kind::ClockDrift => FaultKind::ClockDrift(ClockDrift {
                node,
                ppm: if self.stays { -300_000 } else { 300_000 },
                for_ms,
            }),
            Kind::ClockFreeze => FaultKind::ClockFreeze(ClockFreeze { node, for_ms }),
            Kind::DiskFails(trouble) => self.of_disk(node, trouble, Some(for_ms)),
            Kind::DiskDamage(trouble) => self.of_disk(node, trouble, None),
            Kind::OldDisk => FaultKind::OldDisk(OldDisk {
                node,
                crash_after_ms: for_ms,
                restart_after_ms: then_ms,
                path: String::new(),
            }),
            Kind::EmptyDisk => FaultKind::EmptyDisk(EmptyDisk {
                node,
                restart_after_ms: then_ms,
            }),
        }
    }

    fn of_disk(&self, node: u16, trouble: Disk, for_ms: Option<u64>) -> FaultKind {
        let restarts = trouble.fails_calls();
        FaultKind::Disk {
            node,
            trouble,
            path: String::new(),
            sector: None,
            calls: None,
            for_ms,
            extra_us: None,
            restart_after_ms: restarts.then_some(self.then_ms.max(1)),
        }
    }
}

fn a_moment() -> impl Strategy<Value = Moment> {
    let message = || {
        select(vec![
            OwnMessage::Proposal,
            OwnMessage::Prevote,
            OwnMessage::Precommit,
        ])
    };
    prop_oneof![
        3 => (0u64..4_000).prop_map(Moment::At),
        2 => (message(), 1u64..6, 0u32..2).prop_map(|(m, h, r)| Moment::Sends(m, h, r)),
        2 => (message(), 1u64..6, 0u32..2).prop_map(|(m, h, r)| Moment::Appends(m, h, r)),
        1 => (0u64..600, select(vec![Side::Before, Side::After]))
            .prop_map(|(call, side)| Moment::Call(call, side)),
    ]
}

fn a_trouble() -> impl Strategy<Value = Trouble> {
    let lengths = (1u64..2_000, 1u64..1_000);
    let parts = (
        select(KINDS.to_vec()),
        a_moment(),
        0u16..7,
        any::<u8>(),
        lengths,
        any::<bool>(),
    );
    parts.prop_map(
        |(kind, moment, node, side, (for_ms, then_ms), stays)| Trouble {
            kind,
            moment,
            node,
            side,
            for_ms,
            then_ms,
            stays,
        },
    )
}

/// Who is there.
#[derive(Debug, Clone)]
struct Cluster {
    seed: u64,
    powers: Vec<u64>,
    byzantine: Vec<(u16, Behaviour)>,
    clocks_ms: Vec<i64>,
    late_ms: Vec<u64>,
    block_sync: bool,
}

fn a_cluster() -> impl Strategy<Value = Cluster> {
    // Twins come in pairs.
    let alone = |b: &Behaviour| *b != Behaviour::Twin;
    // A scripted one more often: it has most to say.
    let mut behaviours = vec![Behaviour::Silent, Behaviour::Scripted, Behaviour::Scripted];
    behaviours.extend(Behaviour::ALL.into_iter().filter(alone));
    let powers = prop_oneof![
        vec(Just(1u64), 1..=MOST_NODES),
        vec(1u64..20, 1..=MOST_NODES)
    ];
    let parts = (
        0..1u64 << 32,
        powers,
        vec((0u16..7, select(behaviours)), 0..3),
        vec(-3_000i64..3_000, 0..=MOST_NODES),
        vec(0u64..2_000, 0..2),
        any::<bool>(),
    );
    parts.prop_map(
        |(seed, powers, byzantine, clocks_ms, late_ms, block_sync)| Cluster {
            seed,
            powers,
            byzantine,
            clocks_ms,
            late_ms,
            block_sync,
        },
    )
}

/// How messages travel, and how long nodes wait for them.
fn a_network() -> impl Strategy<Value = (Link, Links, TimeoutsMs)> {
    let latency = (500u64..30_000, 0u64..60_000);
    let ppm = || prop_oneof![Just(0u32), 0u32..100_000];
    let damage = (ppm(), ppm(), ppm(), option::of(ppm()));
    let waits = (1u64..5, any::<bool>(), any::<bool>());
    (latency, damage, waits).prop_map(|((min, more), damage, (slack, tight, skip_commit))| {
        let (loss_ppm, duplicate_ppm, corrupt_ppm, reorder_ppm) = damage;
        let latency_us = MinMax {
            min,
            max: min + more,
        };
        let delay = latency_us.max / 1_000 + 5;
        // Where votes come late, validators lock in different rounds.
        let vote = (delay * slack).div_ceil(if tight { 8 } else { 1 });
        let timeouts = TimeoutsMs {
            propose: (2 * slack).max(3) * delay,
            prevote: vote,
            precommit: vote,
            delta: delay * slack,
            commit: delay * slack,
            skip_commit,
            empty_blocks: EmptyBlocksMs::Always,
        };
        let link = Link {
            latency_us,
            loss_ppm,
            duplicate_ppm,
            bytes_per_second: None,
        };
        let links = Links {
            corrupt_ppm,
            reorder_ppm,
            ..Links::default()
        };
        (link, links, timeouts)
    })
}

/// What is asked of the cluster.
#[derive(Debug, Clone)]
struct Workload {
    heights: u64,
    stable_heights: u64,
    tx_every_ms: u64,
    clients: Clients,
    empty_blocks: EmptyBlocksMs,
    changes: Vec<(u64, u16, u64, bool)>,
}

fn a_workload() -> impl Strategy<Value = Workload> {
    let clients = (0u64..6, 0u64..3, 0u32..500_000);
    let empty_blocks = prop_oneof![
        3 => Just(EmptyBlocksMs::Always),
        1 => (1u64..200).prop_map(EmptyBlocksMs::EveryMs),
        1 => Just(EmptyBlocksMs::Never),
    ];
    let changes = vec((0u64..4_000, 0u16..7, 0u64..20, any::<bool>()), 0..4);
    let parts = (1u64..9, 1u64..4, 0u64..100, clients, empty_blocks, changes);
    parts.prop_map(
        |(heights, stable_heights, tx_every_ms, clients, empty_blocks, changes)| Workload {
            heights,
            stable_heights,
            tx_every_ms,
            clients: Clients {
                burst: clients.0,
                copies: clients.1,
                malformed_ppm: clients.2,
                large_ppm: 0,
            },
            empty_blocks,
            changes,
        },
    )
}

/// Plans of all shapes that a correct engine survives.
pub(crate) fn a_plan() -> impl Strategy<Value = Plan> {
    let troubles = vec(a_trouble(), 0..MOST_TROUBLES);
    // They shrink in this order: what goes wrong first, then where it does.
    let parts = (
        any::<bool>(),
        spoken(),
        troubles,
        a_workload(),
        a_network(),
        a_cluster(),
    );
    parts.prop_map(|(scripted, spoken, troubles, workload, network, cluster)| {
        let mut plan = calm(&cluster, network, &workload);
        add_byzantine(&mut plan, &cluster);
        add_troubles(&mut plan, &troubles);
        add_changes(&mut plan, &workload);
        if scripted {
            plan.script = spoken.script(&plan);
        }
        if plan.powers.len() > 1 && plan.one_may_decide_alone() {
            // Its heights would take no longer than its disk: nobody could follow.
            let delay = plan.link.latency_us.max.div_ceil(1_000);
            plan.timeouts.skip_commit = false;
            plan.timeouts.commit = plan.timeouts.commit.max(2 * delay);
        }
        plan
    })
}

/// The plan in which nothing goes wrong but what links do.
fn calm(cluster: &Cluster, network: (Link, Links, TimeoutsMs), workload: &Workload) -> Plan {
    let (link, links, timeouts) = network;
    let nodes = cluster.powers.len();
    let Workload {
        heights,
        stable_heights,
        ..
    } = *workload;
    let needs_txs = workload.empty_blocks == EmptyBlocksMs::Never;
    let tx_every_ms = workload.tx_every_ms.max(u64::from(needs_txs) * 20);
    // A height takes about four delays and the commit timeout, and may wait for transactions.
    let height_ms = 4 * link.latency_us.max.div_ceil(1_000) + timeouts.commit + 200;
    Plan {
        seed: cluster.seed,
        heights,
        stable_heights,
        crypto: CryptoMode::Ideal,
        network: NetworkMode::Virtual,
        byzantine: Vec::new(),
        beyond_one_third: false,
        timeouts: TimeoutsMs {
            empty_blocks: workload.empty_blocks,
            ..timeouts
        },
        link,
        segment_bytes: None,
        links,
        sync_us: MinMax {
            min: 50,
            max: 3_000,
        },
        clock_offsets_ms: cluster.clocks_ms.iter().copied().take(nodes).collect(),
        block_sync: cluster.block_sync,
        retain_blocks: None,
        starts_late_ms: cluster.late_ms.iter().copied().take(nodes).collect(),
        tx_every_ms,
        clients: workload.clients,
        faults_end_ms: 4 * height_ms * (heights + stable_heights) + 1_000,
        changes: Vec::new(),
        params: Vec::new(),
        overrides: Vec::new(),
        faults: Vec::new(),
        script: Script::default(),
        powers: cluster.powers.clone(),
    }
}

fn nodes_of(plan: &Plan) -> u16 {
    u16::try_from(plan.powers.len()).expect("few nodes")
}

/// Whether the engine promises anything to this cluster.
fn is_survivable(plan: &Plan) -> bool {
    plan.is_within_one_third() && plan.can_do_without_broken()
}

fn add_byzantine(plan: &mut Plan, cluster: &Cluster) {
    for (node, behaviour) in cluster.byzantine.iter().copied() {
        let node = node % nodes_of(plan);
        if !plan.is_correct(node) {
            continue;
        }
        plan.byzantine.push(Byzantine { node, behaviour });
        if !is_survivable(plan) {
            plan.byzantine.pop();
        }
    }
}

fn add_troubles(plan: &mut Plan, troubles: &[Trouble]) {
    for trouble in troubles {
        plan.faults.push(trouble.fault(nodes_of(plan)));
        if !is_survivable(plan) {
            plan.faults.pop();
        }
    }
}

/// Correct nodes come, go and weigh more or less, as long as enough of the power stays correct
/// whichever changes are committed.
fn add_changes(plan: &mut Plan, workload: &Workload) {
    for (at_ms, node, power, config) in workload.changes.iter().copied() {
        let node = node % nodes_of(plan);
        if !plan.is_correct(node) || nodes_of(plan) < 4 {
            continue;
        }
        let via = if config { Via::Config } else { Via::App };
        plan.changes.push(Change {
            at_ms,
            node,
            power,
            via,
        });
        if !is_survivable(plan) {
            plan.changes.pop();
        }
    }
}
