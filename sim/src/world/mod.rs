//! The world: one queue of pending things, the hosts they happen to, and the order in which
//! everything is judged.
//!
//! A run has two phases. In the first the plan's faults happen. Then everything is healed, a core
//! of more than 2/3 of the power must decide more heights within a computed bound, and the rest may
//! stay broken. After every event the judges look; the run stops at the first violation.

mod bound;
mod change;
mod clients;
mod crash;
mod disks;
mod faults;
mod hold;
mod host;
mod keys;
mod links;
mod paces;
mod packet;
mod queue;
mod restarts;
mod sessions;
mod setup;
mod shapes;
mod validator;

use std::{collections::BTreeMap, sync::Arc};

use engine::{
    codec::Frame,
    node::{Input, Output, Timer},
    types::{Height, PeerId, Span, Time},
};

#[cfg(madsim)]
pub(crate) use bound::time_to_decide;
#[cfg(madsim)]
pub(crate) use host::engine_validator;
pub use keys::{Cast, Ideal, MAX_NODES};
use setup::{chain, sync_time};
pub(crate) use setup::{genesis, setup};
pub use validator::{DIR, EngineValidator, Validator};

use crate::{
    byzantine::Filters,
    choice::{Choices, Decision},
    clock::START,
    disk::SimDisk,
    markers::{LogSizes, Observer},
    nemesis::Plan,
    network::{CutId, Network, Uplinks},
    oracle::{Judge, Liveness, Violation},
    outcome::{Outcome, RunOptions, Verdict},
    trace::{Digest, Event, What},
    workload::Workload,
    world::{
        hold::Holds,
        host::Host,
        links::{Parcel, new_network},
        paces::Paused,
        queue::Queue,
        sessions::Sessions,
        shapes::Clogs,
    },
};

/// Something that will happen.
#[derive(Debug)]
enum Pending {
    /// A packet arrives.
    Deliver(Parcel),
    /// A packet has left its sender, on a link with limited bandwidth.
    Depart { from: PeerId, to: PeerId },
    /// A byzantine node sends what it has held back.
    Late {
        from: PeerId,
        incarnation: u32,
        to: PeerId,
        frame: Frame,
    },
    /// A timer fires, unless it was armed again.
    Fire {
        node: PeerId,
        timer: Timer,
        armed: u64,
    },
    /// The disk has finished something, unless the node crashed meanwhile.
    Disk {
        node: PeerId,
        incarnation: u32,
        output: Box<Output>,
    },
    /// A node starts (again).
    Start { node: PeerId },
    /// A fault of the plan begins.
    Fault { index: usize },
    /// A fault of the plan ends.
    FaultEnd { index: usize, cut: CutId },
    /// A trouble of a node's disk ends.
    TroubleEnd { index: usize, node: PeerId },
    /// A fault of the plan goes on.
    Later { index: usize, step: u32 },
    /// Two nodes give up their connection, if they are still cut off.
    HangUp { a: PeerId, b: PeerId },
    /// A node gives up a peer that crashed in this life of its.
    Gone {
        node: PeerId,
        peer: PeerId,
        incarnation: u32,
    },
    /// A node learns that a connection is up or down.
    Connection {
        node: PeerId,
        peer: PeerId,
        up: bool,
    },
    /// A client submits a transaction.
    Submit { number: u64 },
    /// Clients ask for a change of the chain's configuration.
    Change { index: usize },
    /// The fault phase ends at the latest.
    FaultsEnd,
    /// The healed core must have decided enough.
    Deadline,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Faults,
    Stable,
    Over,
}

/// One run in progress.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    choices: Choices,
    now: Time,
    queue: Queue<Pending>,
    hosts: Vec<Host>,
    network: Network,
    /// Where links have limited bandwidth: what waits to leave.
    uplinks: Option<Uplinks<Parcel>>,
    verify: Arc<dyn engine::crypto::Verify>,
    filters: Filters,
    /// What the script holds back.
    holds: Holds,
    judge: Judge,
    observer: Observer,
    /// The healed core, once the faults are over.
    core: Vec<PeerId>,
    /// Set when the faults are over.
    liveness: Option<Liveness>,
    digest: Digest,
    workload: Workload,
    options: RunOptions,
    trace: Vec<Event>,
    /// The decisions between the events, if those are kept.
    decisions: Vec<(u64, Time, Decision)>,
    phase: Phase,
    seq: u64,
    packets: u64,
    delivered: u64,
    rounds: BTreeMap<u32, u64>,
    decided: Height,
    counts: BTreeMap<String, u64>,
    /// Faults that wait for a point of the protocol, by index.
    waiting: Vec<usize>,
    /// Which cuts of the fault phase are still in force.
    cuts: BTreeMap<usize, CutId>,
    sessions: Sessions,
    clogs: Clogs,
    paused: Paused,
    /// Copies of disks, by the fault that took them.
    images: BTreeMap<usize, SimDisk>,
    violation: Option<Box<Violation>>,
    storage_calls: Vec<u64>,
    outputs: Vec<Output>,
}

impl World {
    /// The world that a plan describes, before its first event.
    ///
    /// # Panics
    /// If the plan is impossible (no nodes, or more than [`MAX_NODES`]): plans are checked where
    /// they come in.
    #[must_use]
    pub fn new(plan: Plan, options: RunOptions) -> Self {
        let nodes = plan.powers.len();
        assert!(nodes > 0, "a plan has at least one node");
        let choices = setup::choices(&plan, options);
        let cast = Cast::new(nodes, plan.crypto);
        let mut setup = setup(&plan, &cast);
        setup.without.extend(options.without);
        let hosts = (0..nodes)
            .map(|i| Host::new(i, &plan, &choices, &cast))
            .collect();
        let network = new_network(&plan, &choices);
        let filters = Filters::new(&plan, &cast, &choices);
        let waiting = (0..plan.faults.len())
            .filter(|i| faults::waits(&plan.faults[*i]))
            .collect();
        let workload = Workload::new(&plan, &choices);
        let mut world = Self {
            choices,
            now: START,
            queue: Queue::default(),
            hosts,
            network,
            uplinks: links::uplinks(&plan),
            verify: Arc::clone(&cast.verify),
            filters,
            holds: Holds::new(&plan.script.holds),
            core: Vec::new(),
            liveness: None,
            observer: setup::observer(&plan, &cast),
            judge: Judge::new(setup),
            digest: Digest::default(),
            workload,
            options,
            trace: Vec::new(),
            decisions: Vec::new(),
            phase: Phase::Faults,
            seq: 0,
            packets: 0,
            delivered: 0,
            rounds: BTreeMap::new(),
            decided: Height::ZERO,
            counts: BTreeMap::new(),
            waiting,
            cuts: BTreeMap::new(),
            sessions: Sessions::default(),
            clogs: Clogs::default(),
            paused: Paused::new(),
            images: BTreeMap::new(),
            violation: None,
            storage_calls: Vec::new(),
            outputs: Vec::new(),
            plan,
        };
        world.schedule_plan();
        world
    }

    fn schedule_plan(&mut self) {
        for node in self.nodes() {
            self.schedule_start(node);
        }
        for (index, fault) in self.plan.faults.iter().enumerate() {
            if let Some(ms) = faults::begins_at(fault) {
                self.queue
                    .push(START.after(Span::millis(ms)), Pending::Fault { index });
            }
        }
        self.schedule_changes();
        if self.plan.tx_every_ms > 0 {
            self.queue.push(START, Pending::Submit { number: 0 });
        }
        let end = START.after(Span::millis(self.plan.faults_end_ms));
        self.queue.push(end, Pending::FaultsEnd);
    }

    /// Runs to the end. `at` is told every new time before anything happens at it.
    ///
    /// # Panics
    /// If time went back, or the engine broke one of its own assertions.
    pub fn run(&mut self, at: &mut dyn FnMut(Time)) {
        while self.phase != Phase::Over && self.violation.is_none() {
            let Some((time, pending)) = self.queue.pop() else {
                break;
            };
            assert!(time >= self.now, "time only goes forward");
            if time > self.now {
                at(time);
                self.now = time;
            }
            self.happen(pending);
        }
    }

    fn happen(&mut self, pending: Pending) {
        let Some(pending) = self.unless_paused(pending) else {
            return;
        };
        match pending {
            Pending::Deliver(parcel) => self.deliver(parcel),
            Pending::Depart { from, to } => self.depart(from, to),
            Pending::Late {
                from,
                incarnation,
                to,
                frame,
            } => self.send_late(from, incarnation, to, frame),
            Pending::Fire { node, timer, armed } => self.fire(node, timer, armed),
            Pending::Disk {
                node,
                incarnation,
                output,
            } => {
                self.finish_disk(node, incarnation, &output);
            }
            Pending::Start { node } => self.start(node),
            Pending::Fault { index } => self.begin_fault(index, None),
            Pending::FaultEnd { index, cut } => self.end_cut(index, cut),
            Pending::TroubleEnd { index, node } => self.end_trouble(index, node),
            Pending::Later { index, step } => self.continue_fault(index, step),
            Pending::HangUp { a, b } => self.hang_up(a, b),
            Pending::Gone {
                node,
                peer,
                incarnation,
            } => self.give_up(node, peer, incarnation),
            Pending::Connection { node, peer, up } => self.learn_connection(node, peer, up),
            Pending::Submit { number } => self.submit(number),
            Pending::Change { index } => self.ask_for_change(index),
            Pending::FaultsEnd => self.heal(),
            Pending::Deadline => self.check_deadline(),
        }
    }

    /// What the run found, after [`World::run`].
    #[must_use]
    pub fn outcome(mut self, panic: Option<String>) -> Outcome {
        let logs: Vec<_> = self.hosts.iter().map(|h| LogSizes::of(&h.disk)).collect();
        self.observer.finish(&self.plan, &self.counts, &logs);
        let violation = self.violation.map(|v| *v);
        let verdict = Verdict::of(panic.as_deref(), violation.as_ref());
        let mut oracles = self.judge.checks();
        let progress = self.liveness.as_ref().map_or(0, Liveness::checks);
        oracles.insert("liveness".to_owned(), progress);
        Outcome {
            plan: self.plan,
            verdict,
            digest: self.digest.hex(),
            heights: self.decided.0,
            virtual_ms: self.now.since(START).0 / 1_000_000,
            events: self.seq,
            messages_delivered: self.delivered,
            rounds: self.rounds,
            faults: self.counts,
            storage_calls: self.storage_calls,
            oracles,
            violations: violation.into_iter().collect(),
            panic,
            reached: self.observer.reached(),
            trace: self.trace,
            decisions: self.decisions,
            idle_overrides: self.choices.idle_overrides(),
            disks: self.hosts.into_iter().map(|host| host.disk).collect(),
        }
    }

    /// Something happened: it enters the digest and the trace, and the judges look at it.
    fn emit(&mut self, node: Option<PeerId>, what: What) {
        let event = Event {
            seq: self.seq,
            time: self.now,
            node,
            what,
        };
        self.seq += 1;
        self.digest.observe(&event);
        self.observer.observe(&event);
        let judged = self.judge.observe(&event);
        let judged = judged.and_then(|()| match &mut self.liveness {
            Some(liveness) => liveness.observe(&event),
            None => Ok(()),
        });
        if self.options.trace {
            let made = self.choices.take_decisions().into_iter();
            let (seq, time) = (event.seq, event.time);
            self.decisions.extend(made.map(|made| (seq, time, made)));
            self.trace.push(event);
        }
        if self.violation.is_none() {
            self.violation = judged.err();
        }
    }

    fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(what.to_owned(), 1)),
        }
    }

    fn nodes(&self) -> impl Iterator<Item = PeerId> + use<> {
        let nodes = u16::try_from(self.hosts.len()).unwrap_or(u16::MAX);
        (0..nodes).map(PeerId)
    }

    fn host(&mut self, node: PeerId) -> &mut Host {
        &mut self.hosts[usize::from(node.0)]
    }

    fn is_correct(&self, node: PeerId) -> bool {
        self.plan.is_correct(node.0)
    }

    /// Gives a node an input and carries out what it wants.
    fn input(&mut self, node: PeerId, input: Input) {
        let now = self.now;
        let mut outputs = std::mem::take(&mut self.outputs);
        self.host(node).step(node, now, input, &mut outputs);
        self.measure(node);
        self.carry_out(node, &mut outputs);
        self.outputs = outputs;
    }

    fn carry_out(&mut self, node: PeerId, outputs: &mut Vec<Output>) {
        for output in outputs.drain(..) {
            if self.violation.is_some() || !self.host(node).up {
                continue;
            }
            match output {
                Output::Send { to, frame } => self.send(node, to, frame),
                Output::Arm { timer, at } => self.arm(node, timer, at),
                Output::Append { .. } | Output::SaveSignState(_) => self.write(node, output),
                Output::Sync(_) | Output::Commit { .. } | Output::Load { .. } => {
                    self.start_disk(node, output);
                }
                Output::Decided {
                    height,
                    app_hash,
                    decision,
                } => {
                    self.note_decision(height, decision.round.0);
                    self.host(node).height = height;
                    self.emit(
                        Some(node),
                        What::Decided {
                            height,
                            app_hash,
                            decision,
                        },
                    );
                    self.check_progress();
                }
                Output::Rejected { peer, reason } => {
                    let (blames, reason) = (reason.blames_peer(), reason.to_string());
                    let rejected = What::Rejected {
                        peer,
                        reason,
                        blames,
                    };
                    self.emit(Some(node), rejected);
                }
                Output::Refused { .. } => self.count("tx_refused"),
                Output::Halted { reason } => self.halt(node, reason),
                Output::Notice(notice) => self.emit(Some(node), What::Notice(notice)),
            }
        }
    }

    fn note_decision(&mut self, height: Height, round: u32) {
        if height > self.decided {
            self.decided = height;
            *self.rounds.entry(round).or_default() += 1;
        }
    }

    /// Ends the fault phase as soon as every correct node, also one that is down, has decided
    /// enough. Nodes whose disks may be broken for good are not waited for.
    fn check_progress(&mut self) {
        match self.phase {
            Phase::Faults => {
                let enough = Height(self.plan.heights);
                let behind = |(i, host): (usize, &Host)| {
                    let node = PeerId(u16::try_from(i).unwrap_or(u16::MAX));
                    host.height < enough && self.is_correct(node) && !self.is_broken(node)
                };
                if !self.hosts.iter().enumerate().any(behind) {
                    self.heal();
                }
            }
            Phase::Stable => {
                if self.liveness.as_ref().is_some_and(Liveness::is_fulfilled) {
                    self.phase = Phase::Over;
                }
            }
            Phase::Over => {}
        }
    }

    fn check_deadline(&mut self) {
        if self.phase == Phase::Stable {
            let checked = self.liveness.as_ref().map_or(Ok(()), |l| l.check(self.now));
            self.violation = checked.err();
            self.phase = Phase::Over;
        }
    }

    fn arm(&mut self, node: PeerId, timer: Timer, local: Time) {
        let now = self.now;
        let host = self.host(node);
        let at = host.clock.world(local, now);
        let armed = host.arm(timer, local);
        // While a clock stands, nothing is due.
        if let Some(at) = at {
            self.queue.push(at, Pending::Fire { node, timer, armed });
        }
    }

    fn fire(&mut self, node: PeerId, timer: Timer, armed: u64) {
        if self.host(node).is_armed(timer, armed) {
            self.host(node).fired(timer);
            self.emit(Some(node), What::fired(timer));
            self.input(node, Input::Fire(timer));
        }
    }
}
