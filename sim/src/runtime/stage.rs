//! What all nodes over madsim's endpoints share: their machines, the judges and the record of the
//! run. Its time is madsim's.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use engine::{
    node::{Input, Output},
    privval::{self, SignSlot},
    types::{Height, Lsn, PeerId, Span, Time},
};
use madsim::time;

use crate::{
    choice::Choices,
    clock::START,
    disk::{CrashFates, SimDisk},
    nemesis::{FaultKind, Kill, Plan, Unsynced},
    oracle::{Judge, Liveness, Violation},
    outcome::{Outcome, Verdict},
    trace::{Digest, Event, What},
    world::{Cast, DIR, EngineValidator, Validator, engine_validator, setup, time_to_decide},
};

/// One machine: what a kill leaves, and what it takes.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) validator: EngineValidator,
    pub(super) disk: SimDisk,
    pub(super) up: bool,
    pub(super) starts: u32,
    pub(super) crashes: u64,
    pub(super) known: Vec<u32>,
    pub(super) last_lsn: Option<Lsn>,
    pub(super) armed: [u64; 3],
    pub(super) height: Height,
}

/// What all nodes share: their machines, the judges and the record of the run.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) machines: Vec<Machine>,
    pub(super) judge: Judge,
    /// Set when the faults are over.
    pub(super) liveness: Option<Liveness>,
    pub(super) violation: Option<Box<Violation>>,
    pub(super) digest: Digest,
    pub(super) keeps_trace: bool,
    pub(super) trace: Vec<Event>,
    pub(super) seq: u64,
    pub(super) last: Time,
    pub(super) packets: u64,
    pub(super) delivered: u64,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) rounds: BTreeMap<u32, u64>,
    pub(super) decided: Height,
    /// The time of madsim at which the run began.
    pub(super) began: Duration,
}

/// The node with this number.
pub(super) fn peer(index: usize) -> PeerId {
    PeerId(u16::try_from(index).unwrap_or(u16::MAX))
}

impl Stage {
    pub(super) fn new(plan: &Plan, keeps_trace: bool) -> Self {
        let cast = Cast::new(plan.powers.len(), plan.crypto);
        let choices = Choices::new(plan.seed);
        let machine = |index: usize| Machine {
            validator: engine_validator(index, plan, &choices, &cast),
            disk: SimDisk::new(peer(index), choices.clone()),
            up: false,
            starts: 0,
            crashes: 0,
            known: vec![0; plan.powers.len()],
            last_lsn: None,
            armed: [0; 3],
            height: Height::ZERO,
        };
        Self {
            machines: (0..plan.powers.len()).map(machine).collect(),
            judge: Judge::new(setup(plan, &cast)),
            liveness: None,
            violation: None,
            digest: Digest::default(),
            keeps_trace,
            trace: Vec::new(),
            seq: 0,
            last: START,
            packets: 0,
            delivered: 0,
            counts: BTreeMap::new(),
            rounds: BTreeMap::new(),
            decided: Height::ZERO,
            began: Duration::ZERO,
        }
    }

    /// What the run found.
    pub(super) fn outcome(&mut self, plan: Plan, panic: Option<String>) -> Outcome {
        let violation = self.violation.take().map(|violation| *violation);
        let mut oracles = self.judge.checks();
        let progress = self.liveness.as_ref().map_or(0, Liveness::checks);
        oracles.insert("liveness".to_owned(), progress);
        let machines = std::mem::take(&mut self.machines);
        Outcome {
            verdict: Verdict::of(panic.as_deref(), violation.as_ref()),
            digest: std::mem::take(&mut self.digest).hex(),
            heights: self.decided.0,
            virtual_ms: self.last.since(START).0 / 1_000_000,
            events: self.seq,
            messages_delivered: self.delivered,
            rounds: std::mem::take(&mut self.rounds),
            faults: std::mem::take(&mut self.counts),
            oracles,
            violations: violation.into_iter().collect(),
            trace: std::mem::take(&mut self.trace),
            disks: machines.into_iter().map(|machine| machine.disk).collect(),
            ..Outcome::nothing(plan, panic)
        }
    }

    pub(super) fn now(&self) -> Time {
        let elapsed = time::TimeHandle::current().elapsed();
        let passed = elapsed.saturating_sub(self.began).as_nanos();
        START.after(Span(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    /// Something happened to a node.
    pub(super) fn emit(&mut self, index: usize, what: What) {
        self.happen(Some(peer(index)), what);
    }

    /// Something happened: it enters the digest and the trace, and the judges look at it. Nothing
    /// counts after the first violation.
    pub(super) fn happen(&mut self, node: Option<PeerId>, what: What) {
        if self.violation.is_some() {
            return;
        }
        let event = Event {
            seq: self.seq,
            time: self.now(),
            node,
            what,
        };
        self.seq += 1;
        self.last = event.time;
        self.digest.observe(&event);
        let judged = self.judge.observe(&event);
        let judged = judged.and_then(|()| match &mut self.liveness {
            Some(liveness) => liveness.observe(&event),
            None => Ok(()),
        });
        self.violation = judged.err();
        if self.keeps_trace {
            self.trace.push(event);
        }
    }

    pub(super) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn note_decision(&mut self, height: Height, round: u32) {
        if height > self.decided {
            self.decided = height;
            *self.rounds.entry(round).or_default() += 1;
        }
    }

    /// A fault of the plan begins.
    pub(super) fn begin(&mut self, kind: FaultKind) {
        self.count(kind.name());
        self.happen(None, What::FaultBegan(kind));
    }

    /// All nodes are up, or start right now: from here on the heights that are left are due.
    pub(super) fn expect_progress(&mut self, plan: &Plan, target: Height) {
        let heights = self.machines.iter().map(|machine| machine.height.0);
        let lowest = heights.min().unwrap_or(0);
        let mut plan = plan.clone();
        // The sleeps of an endpoint end with the next millisecond: one to send, one to arrive.
        plan.link.latency_us.max += 2_000;
        plan.stable_heights = target.0.saturating_sub(lowest);
        let core: Vec<PeerId> = (0..self.machines.len()).map(peer).collect();
        let round = self.judge.highest_round();
        let within = time_to_decide(&plan, &core, round, target.0.saturating_sub(lowest));
        let by = self.now().after(within);
        let core = core.into_iter().zip(&self.machines);
        let behind = core.filter(|(_, machine)| machine.height < target);
        let behind = behind.map(|(node, _)| node).collect();
        self.liveness = Some(Liveness::expect(behind, target, by));
    }

    /// Whether all have decided enough, or nothing more is to be hoped for.
    pub(super) fn is_done(&mut self, target: Height) -> bool {
        if let (None, Some(liveness)) = (&self.violation, &self.liveness) {
            self.violation = liveness.check(self.now()).err();
        }
        let all = self.machines.iter().all(|machine| machine.height >= target);
        all || self.violation.is_some()
    }

    /// A node loses its memory and what its disk had not synced. Whether it was up.
    pub(super) fn crash(&mut self, kill: Kill, choices: &Choices) -> bool {
        let index = usize::from(kill.node);
        let machine = &mut self.machines[index];
        if !machine.up {
            return false;
        }
        machine.up = false;
        machine.validator.stop();
        machine.crashes += 1;
        machine.armed.iter_mut().for_each(|armed| *armed += 1);
        let crashes = machine.crashes;
        let fates = match kill.disk {
            Unsynced::Torn => CrashFates::Draw,
            Unsynced::Lost => CrashFates::LoseAll,
            Unsynced::Kept => CrashFates::KeepAll,
        };
        machine.disk.crash(choices, peer(index), crashes, fates);
        self.emit(index, What::Crashed);
        true
    }

    pub(super) fn use_disk(&mut self, index: usize, output: &Output) -> Option<Input> {
        let machine = &mut self.machines[index];
        let done = machine.validator.carry_out(&mut machine.disk, output);
        let answer = match done {
            Ok(answer) => answer,
            Err(reason) => {
                self.emit(index, What::Halted { reason });
                return None;
            }
        };
        if let Output::Append { lsn, entry } = output {
            machine.last_lsn = Some(*lsn);
            let (lsn, entry) = (*lsn, Arc::from(entry.clone()));
            self.emit(index, What::Appended { lsn, entry });
            return answer;
        }
        let syncs = matches!(output, Output::Sync(_) | Output::Commit { .. });
        let asked = if let Output::Sync(lsn) = output {
            Some(*lsn)
        } else {
            None
        };
        if let Some(lsn) = machine
            .last_lsn
            .or(asked)
            .filter(|_| syncs && machine.is_synced())
        {
            let signed = machine.signed();
            self.emit(index, What::Synced { lsn, signed });
        }
        answer
    }
}

impl Machine {
    pub(super) fn signed(&self) -> Option<SignSlot> {
        let bytes = self.disk.read_current(&format!("{DIR}/sign_state"))?;
        privval::newest(&bytes)?.1.last()
    }

    pub(super) fn is_synced(&self) -> bool {
        let unsynced = |name: &str| self.disk.unsynced_bytes(&format!("{DIR}/{name}"));
        unsynced("wal") + unsynced("sign_state") == 0
    }
}
