//! Faults in words: their names in counts, whom they name, and what they do in one sentence. The
//! sentence tells every parameter, so that the digest can take it for the fault.

use std::fmt;

use crate::nemesis::{FaultKind, Unsynced};

/// The names of all kinds of fault, in plans and in counts.
pub const FAULTS: [&str; 19] = [
    "partition",
    "one_way",
    "partial",
    "isolate",
    "topology",
    "clog",
    "flap",
    "clock_step",
    "clock_drift",
    "clock_freeze",
    "pause",
    "crash",
    "crash_many",
    "crash_loop",
    "old_disk",
    "empty_disk",
    "foreign_disk",
    "second_instance",
    "disk",
];

impl FaultKind {
    /// The name, in plans and in counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::OneWay { .. } => "one_way",
            Self::Partial(_) => "partial",
            Self::Isolate(_) => "isolate",
            Self::Topology(_) => "topology",
            Self::Clog(_) => "clog",
            Self::Flap(_) => "flap",
            Self::ClockStep(_) => "clock_step",
            Self::ClockDrift(_) => "clock_drift",
            Self::ClockFreeze(_) => "clock_freeze",
            Self::Pause(_) => "pause",
            Self::Crash { .. } => "crash",
            Self::CrashMany(_) => "crash_many",
            Self::CrashLoop(_) => "crash_loop",
            Self::OldDisk(_) => "old_disk",
            Self::EmptyDisk(_) => "empty_disk",
            Self::ForeignDisk(_) => "foreign_disk",
            Self::SecondInstance(_) => "second_instance",
            Self::Disk { .. } => "disk",
        }
    }

    /// All nodes that it names.
    #[must_use]
    pub fn nodes(&self) -> Vec<u16> {
        match self {
            Self::Partition { groups, .. } => groups.concat(),
            Self::OneWay { from, to, .. } => [from.as_slice(), to].concat(),
            Self::Partial(f) => f.pairs.iter().flat_map(|(a, b)| [*a, *b]).collect(),
            Self::Isolate(f) => vec![f.node],
            Self::Topology(f) => f.order.clone(),
            Self::Clog(f) => [f.from.as_slice(), &f.to].concat(),
            Self::Flap(f) => [f.from.as_slice(), &f.to].concat(),
            Self::ClockStep(f) => vec![f.node],
            Self::ClockDrift(f) => vec![f.node],
            Self::ClockFreeze(f) => vec![f.node],
            Self::Pause(f) => vec![f.node],
            Self::Crash { node, .. } => node.iter().copied().collect(),
            Self::CrashMany(f) => f.nodes.clone(),
            Self::CrashLoop(f) => vec![f.node],
            Self::OldDisk(f) => vec![f.node],
            Self::EmptyDisk(f) => vec![f.node],
            Self::ForeignDisk(f) => vec![f.node, f.of],
            Self::SecondInstance(f) => vec![f.node, f.on],
            Self::Disk { node, .. } => vec![*node],
        }
    }

    /// Who keeps no longer what a correct validator promises, because it has lost its own disk or
    /// runs twice.
    #[must_use]
    pub fn makes_byzantine(&self) -> Vec<u16> {
        match self {
            Self::OldDisk(f) => vec![f.node],
            Self::EmptyDisk(f) => vec![f.node],
            Self::ForeignDisk(f) => vec![f.node],
            Self::SecondInstance(f) => vec![f.node, f.on],
            Self::Partition { .. }
            | Self::OneWay { .. }
            | Self::Partial(_)
            | Self::Isolate(_)
            | Self::Topology(_)
            | Self::Clog(_)
            | Self::Flap(_)
            | Self::ClockStep(_)
            | Self::ClockDrift(_)
            | Self::ClockFreeze(_)
            | Self::Pause(_)
            | Self::Crash { .. }
            | Self::CrashMany(_)
            | Self::CrashLoop(_)
            | Self::Disk { .. } => Vec::new(),
        }
    }
}

fn list(nodes: &[u16]) -> String {
    let names: Vec<_> = nodes.iter().map(|node| format!("n{node}")).collect();
    names.join(" ")
}

fn again(restart_after_ms: Option<u64>, disk: Unsynced) -> String {
    let unsynced = match disk {
        Unsynced::Torn => "torn",
        Unsynced::Lost => "lost",
        Unsynced::Kept => "kept",
    };
    match restart_after_ms {
        Some(ms) => format!("unsynced {unsynced}, restart after {ms}ms"),
        None => format!("unsynced {unsynced}, for the rest of the faults"),
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition { groups, for_ms } => {
                let groups: Vec<_> = groups.iter().map(|group| list(group)).collect();
                write!(f, "partition {} for {for_ms}ms", groups.join(" | "))
            }
            Self::OneWay { from, to, for_ms } => {
                let (from, to) = (list(from), list(to));
                write!(f, "nothing from {from} reaches {to} for {for_ms}ms")
            }
            Self::Partial(fault) => {
                let pairs = fault.pairs.iter().map(|(a, b)| format!("n{a}-n{b}"));
                let pairs: Vec<_> = pairs.collect();
                write!(f, "cut {} for {}ms", pairs.join(" "), fault.for_ms)
            }
            Self::Isolate(fault) => write!(f, "n{} alone for {}ms", fault.node, fault.for_ms),
            Self::Topology(fault) => {
                let (shape, order) = (fault.shape, list(&fault.order));
                write!(f, "{shape:?} of {order} for {}ms", fault.for_ms)
            }
            Self::Clog(fault) => {
                let (from, to) = (list(&fault.from), list(&fault.to));
                write!(f, "from {from} to {to} held for {}ms", fault.for_ms)
            }
            Self::Flap(fault) => {
                let (from, to) = (list(&fault.from), list(&fault.to));
                let (down, up, times) = (fault.down_ms, fault.up_ms, fault.times);
                write!(
                    f,
                    "{from} and {to} apart for {down}ms, together for {up}ms, {times} times"
                )
            }
            Self::ClockStep(fault) => write!(f, "clock of n{} by {}ms", fault.node, fault.by_ms),
            Self::ClockDrift(fault) => {
                let (node, ppm, ms) = (fault.node, fault.ppm, fault.for_ms);
                write!(f, "clock of n{node} drifts by {ppm}ppm for {ms}ms")
            }
            Self::ClockFreeze(fault) => {
                write!(f, "clock of n{} stands for {}ms", fault.node, fault.for_ms)
            }
            Self::Disk { .. } => f.write_str(&self.disk_words()),
            Self::Pause(fault) => write!(f, "pause of n{} for {}ms", fault.node, fault.for_ms),
            Self::Crash { .. }
            | Self::CrashMany(_)
            | Self::CrashLoop(_)
            | Self::OldDisk(_)
            | Self::EmptyDisk(_)
            | Self::ForeignDisk(_)
            | Self::SecondInstance(_) => f.write_str(&self.crash_words()),
        }
    }
}

impl FaultKind {
    /// The sentence of a fault that stops nodes; empty for others.
    fn crash_words(&self) -> String {
        match self {
            Self::Crash {
                node,
                restart_after_ms,
                disk,
            } => {
                let who = node.map_or("whoever is there".to_owned(), |node| format!("n{node}"));
                format!("crash of {who}, {}", again(*restart_after_ms, *disk))
            }
            Self::CrashMany(fault) => {
                let all = fault.nodes.is_empty();
                let who = if all {
                    "all".to_owned()
                } else {
                    list(&fault.nodes)
                };
                format!(
                    "crash of {who}, {}",
                    again(fault.restart_after_ms, fault.disk)
                )
            }
            Self::CrashLoop(fault) => {
                let (node, times, up) = (fault.node, fault.times, fault.up_ms);
                let again = again(Some(fault.down_ms), fault.disk);
                format!("crash of n{node}, {again}, {times} times every {up}ms")
            }
            Self::OldDisk(fault) => {
                let (node, crash) = (fault.node, fault.crash_after_ms);
                let restart = fault.restart_after_ms;
                let part = match fault.path.as_str() {
                    "" => "disk",
                    path => path,
                };
                let copy = format!("copy of n{node}'s {part}, crash after {crash}ms");
                format!("{copy}, restart from it after {restart}ms")
            }
            Self::EmptyDisk(fault) => {
                let (node, restart) = (fault.node, fault.restart_after_ms);
                format!("crash of n{node}, restart with an empty disk after {restart}ms")
            }
            Self::ForeignDisk(fault) => {
                let (node, of, restart) = (fault.node, fault.of, fault.restart_after_ms);
                format!("crash of n{node}, restart with the disk of n{of} after {restart}ms")
            }
            Self::SecondInstance(fault) => {
                format!("n{} runs a second time, on n{}", fault.node, fault.on)
            }
            Self::Partition { .. }
            | Self::OneWay { .. }
            | Self::Partial(_)
            | Self::Isolate(_)
            | Self::Topology(_)
            | Self::Clog(_)
            | Self::Flap(_)
            | Self::ClockStep(_)
            | Self::ClockDrift(_)
            | Self::ClockFreeze(_)
            | Self::Pause(_)
            | Self::Disk { .. } => String::new(),
        }
    }

    /// The sentence of a disk in trouble; empty for others.
    fn disk_words(&self) -> String {
        let Self::Disk {
            node,
            trouble,
            path,
            sector,
            calls,
            for_ms,
            extra_us,
            restart_after_ms,
        } = self
        else {
            return String::new();
        };
        let name = trouble.name();
        let place = if path.is_empty() { "all files" } else { path };
        let mut words = format!("disk of n{node}: {name} in {place}");
        let numbers = [
            (sector, " at sector ", ""),
            (calls, " for ", " calls"),
            (for_ms, " for ", "ms"),
            (extra_us, " by ", "us"),
            (restart_after_ms, ", restart after ", "ms"),
        ];
        for (number, before, after) in numbers {
            if let Some(number) = number {
                words += &format!("{before}{number}{after}");
            }
        }
        let without_end = calls.is_none() && for_ms.is_none() && !trouble.is_damage();
        words + if without_end { ", without end" } else { "" }
    }
}
