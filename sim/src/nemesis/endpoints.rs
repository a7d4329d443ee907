//! What a run over madsim's endpoints has of a plan: nodes and links, timeouts, disks, and crashes
//! that begin at a time. All else belongs to the world's own network, hosts and clients.

use crate::{
    choice::Decision,
    nemesis::{
        Clients, CrashLoop, CrashMany, EmptyBlocksMs, Fault, FaultKind, Links, NetworkMode,
        Overrides, Plan, Script, Unsynced, When,
    },
};

/// A node that is killed and started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// The node.
    pub node: u16,
    /// When, in milliseconds since its fault began.
    pub after_ms: u64,
    /// How long it is down, in milliseconds.
    pub for_ms: u64,
    /// What happens to sectors that were not synced.
    pub disk: Unsynced,
}

impl Plan {
    /// The crashes of the plan that begin at a time before the faults end: the index of the fault,
    /// when it begins in milliseconds since the start, and what it kills.
    #[must_use]
    pub fn kills(&self) -> Vec<(usize, u64, Vec<Kill>)> {
        let faults = self.faults.iter().enumerate();
        faults
            .filter_map(|(index, fault)| {
                let When::Time { ms } = fault.at else {
                    return None;
                };
                let begins = !fault.off && ms < self.faults_end_ms;
                let kills = self.kills_of(&fault.kind, self.faults_end_ms.saturating_sub(ms));
                (begins && !kills.is_empty()).then_some((index, ms, kills))
            })
            .collect()
    }

    /// What a fault kills that begins so long before the faults end.
    fn kills_of(&self, fault: &FaultKind, left_ms: u64) -> Vec<Kill> {
        let one = |node: u16, restart_after_ms: Option<u64>, disk| Kill {
            node,
            after_ms: 0,
            for_ms: restart_after_ms.unwrap_or(left_ms),
            disk,
        };
        match fault {
            FaultKind::Crash {
                node,
                restart_after_ms,
                disk,
            } => node
                .iter()
                .map(|n| one(*n, *restart_after_ms, *disk))
                .collect(),
            FaultKind::CrashMany(CrashMany {
                nodes,
                restart_after_ms,
                disk,
            }) => {
                let all = 0..u16::try_from(self.powers.len()).unwrap_or(u16::MAX);
                all.filter(|node| nodes.is_empty() || nodes.contains(node))
                    .map(|node| one(node, *restart_after_ms, *disk))
                    .collect()
            }
            FaultKind::CrashLoop(CrashLoop {
                node,
                times,
                down_ms,
                up_ms,
                disk,
            }) => (0..u64::from(*times))
                .map(|time| Kill {
                    after_ms: time.saturating_mul(down_ms.saturating_add(*up_ms)),
                    ..one(*node, Some(*down_ms), *disk)
                })
                .take_while(|kill| kill.after_ms < left_ms)
                .collect(),
            FaultKind::Partition { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Partial(_)
            | FaultKind::Isolate(_)
            | FaultKind::Topology(_)
            | FaultKind::Clog(_)
            | FaultKind::Flap(_)
            | FaultKind::ClockStep(_)
            | FaultKind::ClockDrift(_)
            | FaultKind::ClockFreeze(_)
            | FaultKind::Pause(_)
            | FaultKind::OldDisk(_)
            | FaultKind::EmptyDisk(_)
            | FaultKind::ForeignDisk(_)
            | FaultKind::SecondInstance(_)
            | FaultKind::Disk { .. } => Vec::new(),
        }
    }

    /// Leaves only what happens over madsim's endpoints. Blocks are kept: a node that is down may
    /// be so for long.
    pub(super) fn keep_what_endpoints_do(&mut self) {
        let kills: Vec<usize> = self.kills().iter().map(|(index, ..)| *index).collect();
        let faults = std::mem::take(&mut self.faults).into_iter().enumerate();
        let is_kill = |(index, fault): &(usize, Fault)| fault.off || kills.contains(index);
        self.faults = faults.filter(is_kill).map(|(_, fault)| fault).collect();
        self.byzantine.clear();
        self.beyond_one_third = false;
        self.timeouts.empty_blocks = EmptyBlocksMs::Always;
        self.link.loss_ppm = 0;
        self.link.duplicate_ppm = 0;
        self.link.bytes_per_second = None;
        self.links = Links::default();
        self.clock_offsets_ms.clear();
        self.starts_late_ms.clear();
        self.retain_blocks = None;
        self.tx_every_ms = 0;
        self.clients = Clients::default();
        self.changes.clear();
        self.params.clear();
        self.script = Script::default();
        self.overrides = Vec::<Decision>::new();
    }

    /// Whether the plan's network can do all that the plan says.
    ///
    /// # Errors
    /// What it cannot do.
    pub fn check_network(&self) -> Result<(), &'static str> {
        match self.network {
            NetworkMode::Virtual => return Ok(()),
            NetworkMode::Madsim if !cfg!(madsim) => return Err(NOT_BUILT),
            NetworkMode::Madsim => {}
        }
        let mut kept = self.clone();
        kept.keep_what_endpoints_do();
        if kept == *self { Ok(()) } else { Err(TOO_MUCH) }
    }
}

/// What is drawn for the network that is asked for.
///
/// # Errors
/// If that network does not exist, or cannot do what else is asked for.
pub(super) fn possible(overrides: &Overrides) -> Result<Overrides, String> {
    match overrides.network {
        NetworkMode::Virtual => return Ok(overrides.clone()),
        NetworkMode::Madsim if !cfg!(madsim) => return Err(NOT_BUILT.to_owned()),
        NetworkMode::Madsim => {}
    }
    if overrides.byzantine.is_some_and(|count| count > 0) || overrides.beyond_one_third {
        let text = "over --network madsim nobody is byzantine: leave out --byzantine and \
                    --beyond-one-third";
        return Err(text.to_owned());
    }
    if overrides.disk_faults {
        return Err("over --network madsim no disk fails: leave out --disk-faults".to_owned());
    }
    Ok(Overrides {
        byzantine: Some(0),
        ..overrides.clone()
    })
}

const NOT_BUILT: &str = "the network madsim is not in this build: it needs --cfg madsim, which \
                         .cargo/config.toml sets and a RUSTFLAGS variable replaces";
const TOO_MUCH: &str = "over the network madsim there are crashes at a time, uniform latencies and \
                        empty blocks, and nothing else: say tx_every_ms = 0, and leave out other \
                        faults, byzantine validators, scripts, loss, clocks, changes and overrides";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::draw;

    fn over_madsim() -> Overrides {
        Overrides {
            network: NetworkMode::Madsim,
            ..Overrides::default()
        }
    }

    #[test]
    #[cfg(madsim)]
    fn a_plan_for_endpoints_has_only_what_they_do_and_some_have_kills() {
        let mut with_kills = 0;
        for seed in 0..200 {
            let plan = draw(seed, &over_madsim()).unwrap();
            assert_eq!(plan.check_network(), Ok(()));
            assert_eq!(plan.kills().len(), plan.faults.len(), "seed {seed}");
            with_kills += u32::from(!plan.faults.is_empty());
        }
        assert!((60..190).contains(&with_kills), "{with_kills}");
    }

    #[test]
    #[cfg(madsim)]
    fn what_endpoints_cannot_do_is_refused() {
        for wrong in [
            Overrides {
                byzantine: Some(1),
                ..over_madsim()
            },
            Overrides {
                beyond_one_third: true,
                ..over_madsim()
            },
        ] {
            assert!(draw(1, &wrong).unwrap_err().contains("byzantine"));
        }
        let disks = Overrides {
            disk_faults: true,
            ..over_madsim()
        };
        assert!(draw(1, &disks).unwrap_err().contains("--disk-faults"));
        let mut plan = draw(1, &over_madsim()).unwrap();
        plan.link.loss_ppm = 1;
        assert_eq!(plan.check_network(), Err(TOO_MUCH));
        plan.network = NetworkMode::Virtual;
        assert_eq!(
            plan.check_network(),
            Ok(()),
            "the world's own network loses packets"
        );
    }

    #[test]
    #[cfg(not(madsim))]
    fn without_madsim_there_is_no_such_network() {
        assert_eq!(draw(1, &over_madsim()), Err(NOT_BUILT.to_owned()));
    }

    #[test]
    fn a_loop_kills_again_and_again_until_the_faults_end() {
        let mut plan = draw(1, &Overrides::default()).unwrap();
        plan.faults_end_ms = 100;
        let crashes = CrashLoop {
            node: 2,
            times: 5,
            down_ms: 10,
            up_ms: 20,
            disk: Unsynced::Lost,
        };
        let fault = |ms, kind, off| Fault {
            at: When::Time { ms },
            kind,
            off,
        };
        let all = CrashMany {
            nodes: vec![1, 3],
            restart_after_ms: None,
            disk: Unsynced::Torn,
        };
        plan.faults = vec![
            fault(25, FaultKind::CrashLoop(crashes.clone()), false),
            fault(30, FaultKind::CrashMany(all.clone()), false),
            fault(30, FaultKind::CrashLoop(crashes.clone()), true),
            fault(100, FaultKind::CrashMany(all), false),
        ];
        let kills = plan.kills();
        assert_eq!(
            kills.len(),
            2,
            "one is off, one begins when the faults are over"
        );
        let times: Vec<_> = kills[0]
            .2
            .iter()
            .map(|kill| (kill.after_ms, kill.for_ms))
            .collect();
        assert_eq!(times, [(0, 10), (30, 10), (60, 10)]);
        let nodes: Vec<_> = kills[1]
            .2
            .iter()
            .map(|kill| (kill.node, kill.for_ms))
            .collect();
        assert_eq!(nodes, [(1, 70), (3, 70)], "down until the faults end");
    }
}
