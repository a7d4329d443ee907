//! A second network: the same validators as madsim nodes that talk over madsim's own endpoints.
//! Nothing of our queue, links and hosts takes part, so it shows whether they hide anything. A disk
//! outlives the kill of its node; everything else of it is gone.
//!
//! Disk jobs take no time here, there are no clients, and no faults but kills. The same oracles
//! judge everything that happens, and progress after the last kill.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use engine::{
    codec::Frame,
    node::{Input, Output, Timer},
    privval::{self, SignSlot},
    types::{Height, Lsn, PeerId, Span, Time},
};
use madsim::{
    Config,
    net::Endpoint,
    runtime::{Handle, Runtime},
    task::{self, NodeId},
    time,
};

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

const PORT: u16 = 26_656;
/// How often the end of a run is looked for.
const POLL: Duration = Duration::from_millis(50);
/// What stands before a frame: the sender's incarnation and the packet's number.
const HEAD: usize = 12;

/// One machine: what a kill leaves, and what it takes.
#[derive(Debug)]
struct Machine {
    validator: EngineValidator,
    disk: SimDisk,
    up: bool,
    starts: u32,
    crashes: u64,
    known: Vec<u32>,
    last_lsn: Option<Lsn>,
    armed: [u64; 3],
    height: Height,
}

/// What all nodes share: their machines, the judges and the record of the run.
#[derive(Debug)]
struct Stage {
    machines: Vec<Machine>,
    judge: Judge,
    /// Set when the faults are over.
    liveness: Option<Liveness>,
    violation: Option<Box<Violation>>,
    digest: Digest,
    keeps_trace: bool,
    trace: Vec<Event>,
    seq: u64,
    last: Time,
    packets: u64,
    delivered: u64,
    counts: BTreeMap<String, u64>,
    rounds: BTreeMap<u32, u64>,
    decided: Height,
    /// The time of madsim at which the run began.
    began: Duration,
}

type Shared = Arc<Mutex<Stage>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Stage> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the validators of a plan over madsim's endpoints, with its kills, until all have decided
/// its heights or the bound of the stable phase has passed.
///
/// The runtime is the caller's: a thread that has had no other one.
pub(super) fn run(plan: Plan, keeps_trace: bool) -> Outcome {
    let mut config = Config::default();
    let latency = plan.link.latency_us;
    let micros = Duration::from_micros;
    config.net.send_latency = micros(latency.min)..micros(latency.max.max(latency.min + 1));
    let shared = Arc::new(Mutex::new(Stage::new(&plan, keeps_trace)));
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let runtime = Runtime::with_seed_and_config(plan.seed, config);
        runtime.block_on(direct(&plan, &shared));
    }));
    let panic = ran.err().map(|_| super::panic_message());
    let mut stage = lock(&shared);
    stage.outcome(plan, panic)
}

async fn direct(plan: &Plan, shared: &Shared) {
    lock(shared).began = time::TimeHandle::current().elapsed();
    let handle = Handle::current();
    let nodes: Vec<NodeId> = (0..plan.powers.len())
        .map(|index| {
            let shared = Arc::clone(shared);
            let live = move || live(Arc::clone(&shared), index);
            let node = handle.create_node().ip(address(index).ip()).init(live);
            node.build().id()
        })
        .collect();
    let choices = Choices::new(plan.seed);
    let mut over_ms = 0;
    for (index, at_ms, kills) in plan.kills() {
        let ends = kills
            .iter()
            .map(|kill| kill.after_ms.saturating_add(kill.for_ms));
        over_ms = ends
            .max()
            .map_or(over_ms, |end| over_ms.max(at_ms.saturating_add(end)));
        let kind = plan.faults[index].kind.clone();
        let (shared, nodes, choices) = (Arc::clone(shared), nodes.clone(), choices.clone());
        task::spawn_local(async move {
            time::sleep(Duration::from_millis(at_ms)).await;
            lock(&shared).begin(kind);
            for kill in kills {
                let (shared, id) = (Arc::clone(&shared), nodes[usize::from(kill.node)]);
                task::spawn_local(end_and_begin(shared, id, kill, choices.clone()));
            }
        });
    }
    let target = Height(plan.heights + plan.stable_heights);
    let mut over = Duration::from_millis(over_ms.saturating_add(1));
    loop {
        time::sleep(POLL.min(over.max(Duration::from_millis(1)))).await;
        let mut stage = lock(shared);
        over = over.saturating_sub(POLL);
        if over.is_zero() && stage.liveness.is_none() {
            stage.expect_progress(plan, target);
        }
        if stage.is_done(target) {
            return;
        }
    }
}

/// Kills a node, and starts it again later. Who is down already stays so until its time has come.
async fn end_and_begin(shared: Shared, id: NodeId, kill: Kill, choices: Choices) {
    let handle = Handle::current();
    time::sleep(Duration::from_millis(kill.after_ms)).await;
    if lock(&shared).crash(kill, &choices) {
        handle.kill(id);
    }
    time::sleep(Duration::from_millis(kill.for_ms)).await;
    if !lock(&shared).machines[usize::from(kill.node)].up {
        handle.restart(id);
    }
}

fn peer(index: usize) -> PeerId {
    PeerId(u16::try_from(index).unwrap_or(u16::MAX))
}

fn address(index: usize) -> SocketAddr {
    let [high, low] = u16::try_from(index + 1).unwrap_or(u16::MAX).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), PORT)
}

fn index_of(address: SocketAddr) -> usize {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [_, _, high, low] = ip.octets();
            usize::from(u16::from_be_bytes([high, low])).saturating_sub(1)
        }
        IpAddr::V6(_) => usize::MAX,
    }
}

/// One life of a node.
async fn live(shared: Shared, index: usize) {
    let Ok(endpoint) = Endpoint::bind(address(index)).await else {
        return;
    };
    let endpoint = Arc::new(endpoint);
    let node = Node {
        shared,
        index,
        endpoint,
    };
    node.start();
    while let Ok((data, from)) = node.endpoint.recv_from_raw(0).await {
        if let Ok(bytes) = data.downcast::<Vec<u8>>() {
            node.receive(index_of(from), &bytes);
        }
    }
}

/// A node while it lives.
#[derive(Clone)]
struct Node {
    shared: Shared,
    index: usize,
    endpoint: Arc<Endpoint>,
}

impl Node {
    fn start(&self) {
        let mut outputs = Vec::new();
        let peers = {
            let mut stage = lock(&self.shared);
            let now = stage.now();
            let machine = &mut stage.machines[self.index];
            let started = machine
                .validator
                .start(&mut machine.disk, now, &mut outputs);
            let Ok(height) = started else {
                let reason = started.err().unwrap_or_default();
                stage.emit(self.index, What::StartRefused { reason });
                return;
            };
            machine.up = true;
            machine.starts += 1;
            machine.height = machine.height.max(height);
            machine.last_lsn = None;
            let again = machine.starts > 1;
            let started = What::Started {
                incarnation: machine.starts - 1,
                height,
                signed: machine.signed(),
            };
            if again {
                stage.count("restart");
            }
            stage.emit(self.index, started);
            stage.machines.len()
        };
        self.carry_out(outputs);
        for other in (0..peers).filter(|other| *other != self.index) {
            {
                let mut stage = lock(&self.shared);
                let starts = stage.machines[other].starts;
                stage.machines[self.index].known[other] = starts;
            }
            self.input(Input::Connected(peer(other)));
        }
    }

    fn receive(&self, from: usize, bytes: &[u8]) {
        let Some((head, frame)) = bytes.split_at_checked(HEAD) else {
            return;
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b));
        let (incarnation, packet) = (number(&head[..4]), number(&head[4..]));
        let incarnation = u32::try_from(incarnation).unwrap_or(0);
        let frame = Frame::from_bytes(frame.to_vec());
        let is_new = {
            let mut stage = lock(&self.shared);
            let known = &mut stage.machines[self.index].known[from];
            if incarnation < *known {
                let reason = "stale";
                stage.count(reason);
                stage.emit(self.index, What::Dropped { packet, reason });
                return;
            }
            let is_new = incarnation > *known;
            *known = incarnation;
            is_new
        };
        let from = peer(from);
        if is_new {
            self.input(Input::Connected(from));
        }
        let delivered = What::Delivered {
            packet,
            from,
            frame: frame.clone(),
        };
        {
            let mut stage = lock(&self.shared);
            stage.delivered += 1;
            stage.emit(self.index, delivered);
        }
        self.input(Input::Receive { from, frame });
    }

    fn input(&self, input: Input) {
        let mut outputs = Vec::new();
        {
            let mut stage = lock(&self.shared);
            let now = stage.now();
            let machine = &mut stage.machines[self.index];
            machine.validator.step(now, input, &mut outputs);
        }
        self.carry_out(outputs);
    }

    /// Carries out outputs in order, and what follows from the answers of the disk.
    fn carry_out(&self, outputs: Vec<Output>) {
        let mut answers = VecDeque::new();
        for output in outputs {
            answers.extend(self.carry_out_one(output));
        }
        for answer in answers {
            self.input(answer);
        }
    }

    fn carry_out_one(&self, output: Output) -> Option<Input> {
        let mut stage = lock(&self.shared);
        match output {
            Output::Send { to, frame } => {
                stage.packets += 1;
                let packet = stage.packets;
                let incarnation = stage.machines[self.index].starts;
                let mut bytes = incarnation.to_be_bytes().to_vec();
                bytes.extend(packet.to_be_bytes());
                bytes.extend(frame.bytes());
                stage.emit(self.index, What::Sent { packet, to, frame });
                let endpoint = Arc::clone(&self.endpoint);
                // Each on its own: one sent after the other would wait for a millisecond each.
                task::spawn_local(async move {
                    let to = address(usize::from(to.0));
                    drop(endpoint.send_to_raw(to, 0, Box::new(bytes)).await);
                });
                None
            }
            Output::Arm { timer, at } => {
                let after = Duration::from_nanos(at.since(stage.now()).0);
                let place = place(timer);
                stage.machines[self.index].armed[place] += 1;
                let armed = stage.machines[self.index].armed[place];
                let node = self.clone();
                task::spawn_local(async move {
                    time::sleep(after).await;
                    node.fire(timer, armed);
                });
                None
            }
            output @ (Output::Append { .. }
            | Output::SaveSignState(_)
            | Output::Sync(_)
            | Output::Commit { .. }
            | Output::Load { .. }) => stage.use_disk(self.index, &output),
            Output::Decided {
                height,
                app_hash,
                decision,
            } => {
                stage.machines[self.index].height = height;
                stage.note_decision(height, decision.round.0);
                let decided = What::Decided {
                    height,
                    app_hash,
                    decision,
                };
                stage.emit(self.index, decided);
                None
            }
            Output::Rejected { peer, reason } => {
                let (blames, reason) = (reason.blames_peer(), reason.to_string());
                let rejected = What::Rejected {
                    peer,
                    reason,
                    blames,
                };
                stage.emit(self.index, rejected);
                None
            }
            Output::Halted { reason } => {
                stage.emit(self.index, What::Halted { reason });
                None
            }
            Output::Notice(notice) => {
                stage.emit(self.index, What::Notice(notice));
                None
            }
            Output::Refused { .. } => None,
        }
    }

    fn fire(&self, timer: Timer, armed: u64) {
        let due = lock(&self.shared).machines[self.index].armed[place(timer)] == armed;
        if due {
            self.input(Input::Fire(timer));
        }
    }
}

fn place(timer: Timer) -> usize {
    match timer {
        Timer::Consensus => 0,
        Timer::Gossip => 1,
        Timer::BlockSync => 2,
    }
}

impl Stage {
    fn new(plan: &Plan, keeps_trace: bool) -> Self {
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
    fn outcome(&mut self, plan: Plan, panic: Option<String>) -> Outcome {
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

    fn now(&self) -> Time {
        let elapsed = time::TimeHandle::current().elapsed();
        let passed = elapsed.saturating_sub(self.began).as_nanos();
        START.after(Span(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    /// Something happened to a node.
    fn emit(&mut self, index: usize, what: What) {
        self.happen(Some(peer(index)), what);
    }

    /// Something happened: it enters the digest and the trace, and the judges look at it. Nothing
    /// counts after the first violation.
    fn happen(&mut self, node: Option<PeerId>, what: What) {
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

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn note_decision(&mut self, height: Height, round: u32) {
        if height > self.decided {
            self.decided = height;
            *self.rounds.entry(round).or_default() += 1;
        }
    }

    /// A fault of the plan begins.
    fn begin(&mut self, kind: FaultKind) {
        self.count(kind.name());
        self.happen(None, What::FaultBegan(kind));
    }

    /// All nodes are up, or start right now: from here on the heights that are left are due.
    fn expect_progress(&mut self, plan: &Plan, target: Height) {
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
    fn is_done(&mut self, target: Height) -> bool {
        if let (None, Some(liveness)) = (&self.violation, &self.liveness) {
            self.violation = liveness.check(self.now()).err();
        }
        let all = self.machines.iter().all(|machine| machine.height >= target);
        all || self.violation.is_some()
    }

    /// A node loses its memory and what its disk had not synced. Whether it was up.
    fn crash(&mut self, kill: Kill, choices: &Choices) -> bool {
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

    fn use_disk(&mut self, index: usize, output: &Output) -> Option<Input> {
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
    fn signed(&self) -> Option<SignSlot> {
        let bytes = self.disk.read_current(&format!("{DIR}/sign_state"))?;
        privval::newest(&bytes)?.1.last()
    }

    fn is_synced(&self) -> bool {
        let unsynced = |name: &str| self.disk.unsynced_bytes(&format!("{DIR}/{name}"));
        unsynced("wal") + unsynced("sign_state") == 0
    }
}
