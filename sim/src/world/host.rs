//! One machine of the world: a validator with its clock, disk and timers.

use engine::{
    crypto::Keys,
    node::{Config, Input, Output, StoreConfig, Timer},
    privval::{self, SignSlot},
    types::{Address, Height, Lsn, PeerId, PublicKey, Span, Time},
    wal,
};

use crate::{
    byzantine::key_holder,
    choice::{Choices, Stream},
    clock::{NodeClock, START},
    disk::SimDisk,
    markers::LogSizes,
    nemesis::Plan,
    trace::What,
    world::{
        Cast, DIR, EngineValidator, Pending, Validator, World,
        crash::Job,
        disks::{files_of, part_of},
        genesis, sync_time,
    },
};

/// Small segments unless the plan has its own size, so that logs are cut and old segments are
/// removed in every run of usual length.
const SEGMENT_BYTES: u64 = 16 * 1024;
/// A node that gets an input at an event whose number is a multiple of this is measured.
const MEASURED_EVERY: u64 = 4;

/// One machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) validator: Box<dyn Validator>,
    pub(super) key: PublicKey,
    pub(super) address: Address,
    pub(super) clock: NodeClock,
    pub(super) disk: SimDisk,
    pub(super) up: bool,
    /// Whether it may start again: a node that halted for good may not.
    pub(super) halted: bool,
    /// Whether a call of its disk has failed since it was started last.
    pub(super) disk_has_failed: bool,
    /// If its disk makes it stop, when it is started again.
    pub(super) restart_after_ms: Option<u64>,
    /// How many times it has started.
    pub(super) starts: u32,
    /// How many times it has crashed.
    pub(super) crashes: u64,
    /// The fault for which its disk will stop.
    pub(super) stops_for: Option<usize>,
    /// The fault for which it will stop when the log is cut.
    pub(super) cut_stops_for: Option<usize>,
    /// The last height it announced, or started after.
    pub(super) height: Height,
    /// Which start of each peer it is connected to.
    pub(super) known: Vec<u32>,
    /// The disk does one thing after the other.
    pub(super) disk_free: Time,
    disk_jobs: u64,
    last_lsn: Option<Lsn>,
    armed: [u64; 3],
    /// When each timer is due by the node's clock, if it is armed.
    wishes: [Option<Time>; 3],
}

/// The validator of a plan that has this number, before its first start.
#[must_use]
pub(crate) fn engine_validator(
    index: usize,
    plan: &Plan,
    choices: &Choices,
    cast: &Cast,
) -> EngineValidator {
    let timeouts = plan.timeouts.to_engine();
    let coords = [index as u64, 0, 0, 0];
    let seed = choices.draw(Stream::GossipPick, coords).next_u64();
    choices.note(Stream::GossipPick, coords, seed);
    let gossip = engine::gossip::Config {
        seed,
        ..plan.gossip()
    };
    let log = wal::Options {
        segment_bytes: plan.segment_bytes.unwrap_or(SEGMENT_BYTES),
        preallocate_bytes: 0,
        ..wal::Options::default()
    };
    let node = u16::try_from(index).unwrap_or(u16::MAX);
    let signer = &cast.signers[usize::from(key_holder(plan, node))];
    let keys = Keys {
        verify: std::sync::Arc::clone(&cast.verify),
        sign: Some(std::sync::Arc::clone(signer)),
    };
    let config = Config {
        timeouts,
        gossip,
        block_sync: plan.block_sync,
        sync: plan.block_sync_config(),
    };
    let store = StoreConfig {
        wal: log,
        retain_blocks: plan.retain_blocks,
    };
    EngineValidator::new(genesis(plan, cast), config, store, keys)
}

impl Host {
    pub(super) fn new(index: usize, plan: &Plan, choices: &Choices, cast: &Cast) -> Self {
        let node = PeerId(u16::try_from(index).unwrap_or(u16::MAX));
        let validator = engine_validator(index, plan, choices, cast);
        let signer = &cast.signers[usize::from(key_holder(plan, node.0))];
        let offset = plan.clock_offsets_ms.get(index).copied().unwrap_or(0);
        Self {
            validator: Box::new(validator),
            key: signer.public_key(),
            address: signer.public_key().address(),
            clock: NodeClock::new(offset.saturating_mul(1_000_000)),
            disk: SimDisk::new(node, choices.clone()),
            up: false,
            halted: false,
            disk_has_failed: false,
            restart_after_ms: None,
            starts: 0,
            crashes: 0,
            stops_for: None,
            cut_stops_for: None,
            height: Height::ZERO,
            known: vec![0; plan.powers.len()],
            disk_free: Time(0),
            disk_jobs: 0,
            last_lsn: None,
            armed: [0; 3],
            wishes: [None; 3],
        }
    }

    /// Gives the validator an input, unless it is down. What the engine logs meanwhile names node
    /// and time of the world.
    pub(super) fn step(
        &mut self,
        node: PeerId,
        now: Time,
        input: Input,
        outputs: &mut Vec<Output>,
    ) {
        if self.up {
            let local = self.clock.local(now);
            let _span = span(node, now).entered();
            self.validator.step(local, input, outputs);
        }
    }

    /// Arms a timer; earlier arming is void.
    pub(super) fn arm(&mut self, timer: Timer, local: Time) -> u64 {
        self.wishes[place(timer)] = Some(local);
        let armed = &mut self.armed[place(timer)];
        *armed += 1;
        *armed
    }

    /// When a timer is due by the node's clock, if it is armed.
    pub(super) fn wish(&self, timer: Timer) -> Option<Time> {
        self.wishes[place(timer)]
    }

    /// A timer has fired.
    pub(super) fn fired(&mut self, timer: Timer) {
        self.wishes[place(timer)] = None;
    }

    pub(super) fn is_armed(&self, timer: Timer, armed: u64) -> bool {
        self.up && self.armed[place(timer)] == armed
    }

    /// The power is cut: nothing in memory remains, no timer fires.
    pub(super) fn stop(&mut self) {
        self.up = false;
        self.validator.stop();
        self.armed.iter_mut().for_each(|armed| *armed += 1);
        self.wishes = [None; 3];
    }

    /// The last record that is durable after this output, if it is one that syncs. Since a restart
    /// there may be none newer than the one it names.
    fn written_by(&self, output: &Output) -> Option<Lsn> {
        match output {
            Output::Sync(lsn) => self.last_lsn.or(Some(*lsn)),
            Output::Commit { .. } => self.last_lsn,
            Output::Send { .. }
            | Output::Arm { .. }
            | Output::Append { .. }
            | Output::SaveSignState(_)
            | Output::Load { .. }
            | Output::Decided { .. }
            | Output::Rejected { .. }
            | Output::Refused { .. }
            | Output::Halted { .. }
            | Output::Notice(_) => None,
        }
    }

    /// What the sign state on the disk says was signed last. Asked only when it is durable.
    fn signed(&self) -> Option<SignSlot> {
        let bytes = self.disk.read_current(&format!("{DIR}/sign_state"))?;
        privval::newest(&bytes)?.1.last()
    }

    /// How many bytes of log and sign state a crash could still take.
    pub(super) fn unsynced(&self) -> u64 {
        self.disk.unsynced_bytes(&format!("{DIR}/wal"))
            + self.disk.unsynced_bytes(&format!("{DIR}/sign_state"))
    }
}

/// The span around everything a node does: whose it is, and microseconds of the world's time.
fn span(node: PeerId, now: Time) -> tracing::Span {
    let at_us = now.since(START).0 / 1_000;
    tracing::error_span!("node", %node, at_us)
}

fn place(timer: Timer) -> usize {
    match timer {
        Timer::Consensus => 0,
        Timer::Gossip => 1,
        Timer::BlockSync => 2,
    }
}

impl World {
    /// A node starts from its disk.
    pub(super) fn start(&mut self, node: PeerId) {
        let now = self.now;
        let host = self.host(node);
        if host.up || host.halted {
            return;
        }
        self.arm_disk(node, Job::Start);
        let mut outputs = Vec::new();
        let host = self.host(node);
        host.up = true;
        host.disk_has_failed = false;
        let log = (host.starts > 0).then(|| LogSizes::of(&host.disk));
        let local = host.clock.local(now);
        let started = {
            let _span = span(node, now).entered();
            host.validator.start(&mut host.disk, local, &mut outputs)
        };
        self.note_strikes(node);
        if self.has_stopped(node) {
            return;
        }
        let host = self.host(node);
        match started {
            Err(reason) => self.refused(node, reason),
            Ok(height) => {
                host.starts += 1;
                host.height = host.height.max(height);
                host.last_lsn = None;
                host.disk_free = now;
                let incarnation = host.starts - 1;
                if let Some(before) = log {
                    let after = LogSizes::of(&host.disk);
                    self.observer.log_after_start(&before, &after);
                    self.count("restart");
                }
                let signed = self.host(node).signed();
                let started = What::Started {
                    incarnation,
                    height,
                    signed,
                };
                self.emit(Some(node), started);
                self.carry_out(node, &mut outputs);
                self.connect_all(node);
            }
        }
    }

    fn connect_all(&mut self, node: PeerId) {
        for peer in self.nodes().filter(|peer| *peer != node) {
            if !self.sessions.are_apart(node, peer) {
                self.learn_connection(node, peer, true);
            }
        }
    }

    /// Writes that need no answer are made at once; they are durable only after a sync.
    pub(super) fn write(&mut self, node: PeerId, output: Output) {
        self.arm_disk(node, Job::Other);
        let host = self.host(node);
        let written = host.validator.carry_out(&mut host.disk, &output);
        let appended = match output {
            // A record whose writing was cut short or failed may be on the disk after all.
            Output::Append { lsn, entry } => {
                self.host(node).last_lsn = Some(lsn);
                let entry: std::sync::Arc<_> = std::sync::Arc::from(entry);
                let appended = What::Appended {
                    lsn,
                    entry: std::sync::Arc::clone(&entry),
                };
                self.emit(Some(node), appended);
                Some(entry)
            }
            Output::Send { .. }
            | Output::Arm { .. }
            | Output::SaveSignState(_)
            | Output::Sync(_)
            | Output::Commit { .. }
            | Output::Load { .. }
            | Output::Decided { .. }
            | Output::Rejected { .. }
            | Output::Refused { .. }
            | Output::Halted { .. }
            | Output::Notice(_) => None,
        };
        self.note_strikes(node);
        if self.has_stopped(node) {
            return;
        }
        match (written, appended) {
            (Err(error), _) => self.disk_failed(node, error),
            (Ok(_), Some(entry)) => self.trigger_append(node, &entry),
            (Ok(_), None) => {}
        }
    }

    /// Syncs, commits and reads take time; the disk does them one after the other.
    pub(super) fn start_disk(&mut self, node: PeerId, output: Output) {
        let (now, plan, choices) = (self.now, &self.plan, &self.choices);
        let host = &mut self.hosts[usize::from(node.0)];
        let took = sync_time(plan, choices, node, host.disk_jobs);
        let slow = host.disk.extra_us(&files_of(&output));
        let took = took.plus(Span::micros(slow));
        host.disk_jobs += 1;
        let done = host.disk_free.max(now).after(took);
        host.disk_free = done;
        let incarnation = host.starts;
        let output = Box::new(output);
        self.queue.push(
            done,
            Pending::Disk {
                node,
                incarnation,
                output,
            },
        );
    }

    pub(super) fn finish_disk(&mut self, node: PeerId, incarnation: u32, output: &Output) {
        let host = self.host(node);
        if !host.up || host.starts != incarnation {
            return;
        }
        let job = match output {
            Output::Commit { state, .. } => Job::Commit(state.height),
            Output::Send { .. }
            | Output::Arm { .. }
            | Output::Append { .. }
            | Output::SaveSignState(_)
            | Output::Sync(_)
            | Output::Load { .. }
            | Output::Decided { .. }
            | Output::Rejected { .. }
            | Output::Refused { .. }
            | Output::Halted { .. }
            | Output::Notice(_) => Job::Other,
        };
        self.arm_disk(node, job);
        let host = self.host(node);
        let log_ahead = host.disk.unsynced_bytes(&format!("{DIR}/wal")) > 0;
        if matches!(job, Job::Commit(_)) {
            host.disk.watch();
        }
        let carried_out = host.validator.carry_out(&mut host.disk, output);
        let effects = host.disk.take_effects();
        self.note_strikes(node);
        if self.has_stopped(node) {
            return;
        }
        let answer = match carried_out {
            Ok(answer) => answer,
            Err(error) => return self.disk_failed(node, error),
        };
        if let Job::Commit(height) = job {
            let stored = What::Stored {
                height,
                log_ahead,
                parts: effects.iter().filter_map(|path| part_of(path)).collect(),
            };
            self.emit(Some(node), stored);
        }
        // Durable is what the disk says is durable, whatever the engine believes.
        if self.host(node).unsynced() == 0
            && let Some(lsn) = self.host(node).written_by(output)
        {
            let signed = self.host(node).signed();
            self.emit(Some(node), What::Synced { lsn, signed });
        }
        if let Some(input) = answer {
            self.input(node, input);
        }
    }

    /// Every so often a node's memory is measured.
    pub(super) fn measure(&mut self, node: PeerId) {
        if !self.seq.is_multiple_of(MEASURED_EVERY) || !self.is_correct(node) {
            return;
        }
        if let Some(size) = self.host(node).validator.size() {
            let measured = self.judge.measure(self.now, node, &size);
            if self.violation.is_none() {
                self.violation = measured.err();
            }
        }
    }

    /// A node stops for good.
    pub(super) fn halt(&mut self, node: PeerId, reason: String) {
        let host = self.host(node);
        host.stop();
        host.halted = true;
        self.count("halted");
        self.emit(Some(node), What::Halted { reason });
    }
}
