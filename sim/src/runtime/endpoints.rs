//! A second network: the same validators as madsim nodes that talk over madsim's own endpoints.
//! Nothing of our queue, links and hosts takes part, so it shows whether they hide anything. A disk
//! outlives the kill of its node; everything else of it is gone.
//!
//! Disk jobs take no time here, and there are no faults but kills. What happens is written down and
//! judged at the end by the same oracles.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
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
    runtime::{Handle, NodeHandle, Runtime},
    task, time,
};

use crate::{
    choice::Choices,
    clock::START,
    disk::{CrashFates, SimDisk},
    nemesis::Plan,
    oracle::{Judge, Violation},
    trace::{Event, What},
    world::{Cast, DIR, EngineValidator, Validator, engine_validator, setup},
};

const PORT: u16 = 26_656;
/// How long a run may take, in virtual time.
const LIMIT: Duration = Duration::from_secs(600);
/// What stands before a frame: the sender's incarnation and the packet's number.
const HEAD: usize = 12;

/// A node that is killed and started again.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// The node.
    pub node: u16,
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// How long it is down, in virtual milliseconds.
    pub for_ms: u64,
}

/// What came of a run over endpoints.
#[derive(Debug)]
pub struct Talk {
    /// Everything that happened, in order.
    pub trace: Vec<Event>,
    /// The first broken property.
    pub violation: Option<Box<Violation>>,
    /// The height that each node has decided.
    pub heights: Vec<u64>,
}

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

/// What all nodes share: their machines and the record of the run.
#[derive(Debug)]
struct Stage {
    machines: Vec<Machine>,
    trace: Vec<Event>,
    packets: u64,
    /// The time of madsim at which the run began.
    began: Duration,
}

type Shared = Arc<Mutex<Stage>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Stage> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the validators of a plan, without its faults, until all have decided its heights.
///
/// # Panics
/// If the engine broke one of its own assertions.
#[must_use]
pub fn talk(plan: &Plan, kills: &[Kill]) -> Talk {
    let (plan, kills) = (plan.clone(), kills.to_vec());
    let run = move || {
        let mut config = Config::default();
        let latency = plan.link.latency_us;
        let micros = Duration::from_micros;
        config.net.send_latency = micros(latency.min)..micros(latency.max.max(latency.min + 1));
        let runtime = Runtime::with_seed_and_config(plan.seed, config);
        runtime.block_on(direct(plan, kills))
    };
    // A fresh thread: nothing of an earlier run is left in it.
    let thread = std::thread::Builder::new().spawn(run);
    let joined = thread.map(std::thread::JoinHandle::join);
    match joined {
        Ok(Ok(talk)) => talk,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => panic!("no thread for a run: {error}"),
    }
}

async fn direct(plan: Plan, kills: Vec<Kill>) -> Talk {
    let cast = Cast::new(plan.powers.len(), plan.crypto);
    let choices = Choices::new(plan.seed);
    let machine = |index: usize| Machine {
        validator: engine_validator(index, &plan, &choices, &cast),
        disk: SimDisk::new(peer(index), choices.clone()),
        up: false,
        starts: 0,
        crashes: 0,
        known: vec![0; plan.powers.len()],
        last_lsn: None,
        armed: [0; 3],
        height: Height::ZERO,
    };
    let shared = Arc::new(Mutex::new(Stage {
        machines: (0..plan.powers.len()).map(machine).collect(),
        trace: Vec::new(),
        packets: 0,
        began: time::TimeHandle::current().elapsed(),
    }));
    let handle = Handle::current();
    let nodes: Vec<NodeHandle> = (0..plan.powers.len())
        .map(|index| {
            let shared = Arc::clone(&shared);
            let live = move || live(Arc::clone(&shared), index);
            handle
                .create_node()
                .ip(address(index).ip())
                .init(live)
                .build()
        })
        .collect();
    for kill in kills {
        let shared = Arc::clone(&shared);
        let id = nodes[usize::from(kill.node)].id();
        let (handle, choices) = (handle.clone(), choices.clone());
        task::spawn_local(async move {
            time::sleep(Duration::from_millis(kill.at_ms)).await;
            handle.kill(id);
            lock(&shared).crash(usize::from(kill.node), &choices);
            time::sleep(Duration::from_millis(kill.for_ms)).await;
            handle.restart(id);
        });
    }
    let target = Height(plan.heights + plan.stable_heights);
    while !lock(&shared).is_done(target) && time::TimeHandle::current().elapsed() < LIMIT {
        time::sleep(Duration::from_millis(50)).await;
    }
    let mut stage = lock(&shared);
    let trace = std::mem::take(&mut stage.trace);
    let heights = stage
        .machines
        .iter()
        .map(|machine| machine.height.0)
        .collect();
    let mut judge = Judge::new(setup(&plan, &cast));
    let violation = trace.iter().find_map(|event| judge.observe(event).err());
    Talk {
        trace,
        violation,
        heights,
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
            let started = What::Started {
                incarnation: machine.starts - 1,
                height,
                signed: machine.signed(),
            };
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
        lock(&self.shared).emit(self.index, delivered);
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
    fn now(&self) -> Time {
        let elapsed = time::TimeHandle::current().elapsed();
        let passed = elapsed.saturating_sub(self.began).as_nanos();
        START.after(Span(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    fn emit(&mut self, index: usize, what: What) {
        let event = Event {
            seq: self.trace.len() as u64,
            time: self.now(),
            node: Some(peer(index)),
            what,
        };
        self.trace.push(event);
    }

    fn is_done(&self, target: Height) -> bool {
        self.machines.iter().all(|machine| machine.height >= target)
    }

    fn crash(&mut self, index: usize, choices: &Choices) {
        let machine = &mut self.machines[index];
        if !machine.up {
            return;
        }
        machine.up = false;
        machine.validator.stop();
        machine.crashes += 1;
        machine.armed.iter_mut().for_each(|armed| *armed += 1);
        let crashes = machine.crashes;
        machine
            .disk
            .crash(choices, peer(index), crashes, CrashFates::Draw);
        self.emit(index, What::Crashed);
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

/// Who proposed what was decided, by height: what two networks can be compared by.
#[must_use]
pub fn decisions(trace: &[Event]) -> BTreeMap<u64, (u32, engine::types::Address)> {
    let mut found = BTreeMap::new();
    for event in trace {
        if let What::Decided {
            height, decision, ..
        } = &event.what
        {
            let by = (decision.round.0, decision.block.header.proposer);
            found.entry(height.0).or_insert(by);
        }
    }
    found
}
