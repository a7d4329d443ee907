//! A second network: the same validators as madsim nodes that talk over madsim's own endpoints.
//! Nothing of our queue, links and hosts takes part, so it shows whether they hide anything. A disk
//! outlives the kill of its node; everything else of it is gone.
//!
//! Disk jobs take no time here, there are no clients, and no faults but kills. The same oracles
//! judge everything that happens, and progress after the last kill.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use engine::{
    codec::Frame,
    node::{Input, Output, Timer},
    types::{Height, PeerId},
};
use madsim::{
    Config,
    net::Endpoint,
    runtime::{Handle, Runtime},
    task::{self, NodeId},
    time,
};

use super::stage::{Stage, peer};
use crate::{
    choice::Choices,
    nemesis::{Kill, Plan},
    outcome::Outcome,
    trace::What,
    world::Validator,
};

const PORT: u16 = 26_656;
/// How often the end of a run is looked for.
const POLL: Duration = Duration::from_millis(50);
/// What stands before a frame: the sender's incarnation and the packet's number.
const HEAD: usize = 12;

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
            self.connected(peer(other));
        }
    }

    fn connected(&self, peer: PeerId) {
        lock(&self.shared).emit(self.index, What::Connected { peer });
        self.input(Input::Connected(peer));
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
            self.connected(from);
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
        let mut stage = lock(&self.shared);
        if stage.machines[self.index].armed[place(timer)] == armed {
            stage.emit(self.index, What::fired(timer));
            drop(stage);
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
