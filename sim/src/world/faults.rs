//! Carries out the faults of a plan, and the healing at their end.

use engine::{
    codec::Frame,
    node::{Entry, Record},
    types::{Height, Message, PeerId, Span, VoteKind},
};

use crate::{
    choice::Stream,
    nemesis::{Fault, FaultKind, Isolate, OwnMessage, When},
    network::{Cut, CutId},
    oracle::Liveness,
    trace::What,
    world::{Pending, Phase, World, bound, chain},
};

/// Whether a fault waits for a point of the protocol.
pub(super) fn waits(fault: &Fault) -> bool {
    !fault.off && begins_at(fault).is_none()
}

/// When a fault begins, in milliseconds, if it begins at a time.
pub(super) fn begins_at(fault: &Fault) -> Option<u64> {
    match fault.at {
        When::Time { ms } => (!fault.off).then_some(ms),
        When::Own { .. }
        | When::Proposed { .. }
        | When::Append { .. }
        | When::Commit { .. }
        | When::Starting { .. }
        | When::Cut { .. }
        | When::Call { .. } => None,
    }
}

/// What a message says was signed: kind, height and round.
fn signed(message: &Message) -> Option<(OwnMessage, u64, u32)> {
    match message {
        Message::Proposal(p) => Some((OwnMessage::Proposal, p.height.0, p.round.0)),
        Message::Vote(v) => {
            let kind = match v.kind {
                VoteKind::Prevote => OwnMessage::Prevote,
                VoteKind::Precommit => OwnMessage::Precommit,
            };
            Some((kind, v.height.0, v.round.0))
        }
        Message::NewRoundStep { .. }
        | Message::NewValidBlock { .. }
        | Message::ProposalPol { .. }
        | Message::BlockPart { .. }
        | Message::HasVote { .. }
        | Message::VoteSetMaj23 { .. }
        | Message::VoteSetBits { .. }
        | Message::Txs(_)
        | Message::Evidence(_)
        | Message::BlockSync(_) => None,
    }
}

impl World {
    /// A node is about to send something: faults that wait for it begin before it leaves.
    pub(super) fn trigger_send(&mut self, node: PeerId, frame: &Frame) {
        if self.waiting.is_empty() {
            return;
        }
        let Ok(contents) = frame.contents() else {
            return;
        };
        let own = contents
            .messages
            .iter()
            .filter(|message| self.is_own(message, node));
        let points: Vec<_> = own.filter_map(signed).collect();
        for point in points {
            self.trigger(node, |at| match at {
                When::Own {
                    node: who,
                    sends,
                    height,
                    round,
                } => who == node.0 && (sends, height, round) == point,
                When::Proposed {
                    proposal_height,
                    proposal_round,
                } => (OwnMessage::Proposal, proposal_height, proposal_round) == point,
                When::Time { .. }
                | When::Append { .. }
                | When::Commit { .. }
                | When::Starting { .. }
                | When::Cut { .. }
                | When::Call { .. } => false,
            });
        }
    }

    /// A node has appended a record: faults that wait for it begin before it is synced.
    pub(super) fn trigger_append(&mut self, node: PeerId, entry: &Entry) {
        if self.waiting.is_empty() {
            return;
        }
        let Record::Own { messages } = &entry.record else {
            return;
        };
        for point in messages.iter().filter_map(signed) {
            self.trigger(node, |at| match at {
                When::Append {
                    node: who,
                    appends,
                    height,
                    round,
                } => who == node.0 && (appends, height, round) == point,
                When::Time { .. }
                | When::Own { .. }
                | When::Proposed { .. }
                | When::Commit { .. }
                | When::Starting { .. }
                | When::Cut { .. }
                | When::Call { .. } => false,
            });
        }
    }

    /// Whether a node has signed a message itself, and does not relay another's.
    pub(super) fn is_own(&self, message: &Message, node: PeerId) -> bool {
        match message {
            Message::Vote(vote) => vote.address == self.hosts[usize::from(node.0)].address,
            Message::Proposal(proposal) => {
                let host = &self.hosts[usize::from(node.0)];
                let bytes = proposal.sign_bytes(&chain());
                self.verify.verify(&host.key, &bytes, &proposal.signature)
            }
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::BlockPart { .. }
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => false,
        }
    }

    fn trigger(&mut self, node: PeerId, matches: impl Fn(When) -> bool) {
        if self.phase != Phase::Faults {
            return;
        }
        let due: Vec<usize> = self
            .waiting
            .iter()
            .copied()
            .filter(|i| matches(self.plan.faults[*i].at))
            .collect();
        self.waiting.retain(|i| !due.contains(i));
        for index in due {
            self.begin_fault(index, Some(node));
        }
    }

    /// Begins a fault. `by` is the node that triggered it.
    pub(super) fn begin_fault(&mut self, index: usize, by: Option<PeerId>) {
        if self.phase != Phase::Faults {
            return;
        }
        let kind = self.plan.faults[index].kind.clone();
        self.count(kind.name());
        self.observer.fault_began(&self.plan.faults[index]);
        self.emit(None, What::FaultBegan(kind.clone()));
        match kind {
            FaultKind::Partial(partial) => self.begin_partial(index, &partial),
            FaultKind::Topology(topology) => self.begin_topology(index, &topology),
            FaultKind::Isolate(Isolate { node, for_ms }) => {
                let node = PeerId(node);
                self.begin_cut(index, &Cut::Isolate { node }, for_ms);
            }
            FaultKind::Clog(clog) => self.clog(index, clog),
            FaultKind::Flap(flap) => self.flap(index, &flap, 0),
            FaultKind::ClockStep(step) => self.step_clock(&step),
            FaultKind::ClockDrift(drift) => self.drift_clock(index, &drift),
            FaultKind::ClockFreeze(freeze) => self.freeze_clock(index, &freeze),
            FaultKind::Pause(pause) => self.pause(index, &pause),
            FaultKind::CrashMany(crash) => self.crash_many(&crash),
            FaultKind::CrashLoop(crashes) => self.crash_again(index, &crashes, 0),
            FaultKind::OldDisk(old) => self.keep_image(index, &old),
            FaultKind::EmptyDisk(empty) => self.wipe(&empty),
            FaultKind::ForeignDisk(foreign) => self.mix_up(&foreign),
            FaultKind::SecondInstance(second) => self.run_twice(&second),
            FaultKind::Partition { groups, for_ms } => {
                let cut = Cut::Partition {
                    groups: with_rest(&groups, self.hosts.len()),
                };
                self.begin_cut(index, &cut, for_ms);
            }
            FaultKind::OneWay { from, to, for_ms } => {
                let peers = |nodes: &[u16]| nodes.iter().copied().map(PeerId).collect();
                let cut = Cut::OneWay {
                    from: peers(&from),
                    to: peers(&to),
                };
                self.begin_cut(index, &cut, for_ms);
            }
            FaultKind::Disk { .. } => self.begin_trouble(index, &kind),
            FaultKind::Crash {
                node,
                restart_after_ms,
                disk,
            } => {
                if let Some(node) = node.map(PeerId).or(by) {
                    self.crash(node, disk);
                    if let Some(ms) = restart_after_ms {
                        self.start_after(node, ms);
                    }
                }
            }
        }
    }

    pub(super) fn begin_cut(&mut self, index: usize, cut: &Cut, for_ms: u64) {
        let cut = self.network.start(cut);
        self.cuts.insert(index, cut);
        self.hang_up_cut(index, 0);
        let end = self.now.after(Span::millis(for_ms));
        self.queue.push(end, Pending::FaultEnd { index, cut });
    }

    pub(super) fn end_cut(&mut self, index: usize, cut: CutId) {
        if self.cuts.remove(&index).is_some() {
            self.network.end(cut);
            self.ended(index);
            self.reconnect();
        }
    }

    /// The faults are over: the core hears each other without loss and every node of it is up;
    /// nodes outside it keep whatever is broken about them.
    pub(super) fn heal(&mut self) {
        if self.phase != Phase::Faults {
            return;
        }
        self.phase = Phase::Stable;
        let core = self.draw_core();
        self.emit(None, What::Healed { core: core.clone() });
        self.network.heal_all();
        self.disarm_disks();
        self.heal_disks();
        let calls = self.hosts.iter().map(|host| host.disk.calls());
        self.storage_calls = calls.collect();
        self.cuts.clear();
        self.heal_links();
        self.heal_clocks();
        self.resume_all();
        self.unclog_all();
        self.holds.lift();
        self.lift_bandwidth();
        for node in self.nodes() {
            let outside = !core.contains(&node) && self.is_correct(node);
            if outside {
                self.network.isolate(node);
            }
            // A broken disk must be found out, whoever else is there.
            if !outside || self.is_broken(node) {
                self.queue.push(self.now, Pending::Start { node });
            }
        }
        self.reconnect();
        let lowest = core
            .iter()
            .map(|n| self.hosts[usize::from(n.0)].height)
            .min();
        let highest = self.hosts.iter().map(|host| host.height).max();
        let (lowest, highest) = (
            lowest.unwrap_or(Height::ZERO),
            highest.unwrap_or(Height::ZERO),
        );
        let round = self.judge.highest_round();
        let within = bound::time_to_decide(&self.plan, &core, round, highest.0 - lowest.0);
        let backlog = self.disk_backlog(&core);
        let by = self.now.after(within).after(backlog);
        let set_back = Span::millis(self.plan.most_set_back_ms());
        let from = self.now.after(backlog).after(set_back);
        self.judge.stabilise(bound::stable(&self.plan, &core, from));
        let target = Height(highest.0 + self.plan.stable_heights);
        self.core.clone_from(&core);
        self.liveness = Some(Liveness::expect(core, target, by));
        // The deadline is checked after everything that happens at its time.
        self.queue.push(by.after(Span(1)), Pending::Deadline);
    }

    /// Correct nodes with more than 2/3 of the power, in drawn order; half of the runs take all
    /// correct nodes, but for those whose disks may be broken for good. Changes of power may still
    /// be under way, so they must have it in every set that the plan can lead to.
    fn draw_core(&mut self) -> Vec<PeerId> {
        let can = |n: &PeerId| self.is_correct(*n) && !self.is_broken(*n);
        let mut nodes: Vec<PeerId> = self.nodes().filter(can).collect();
        let mut draw = self.choices.draw(Stream::Schedule, [u64::MAX, 0, 0, 0]);
        let all = draw.below(2) == 0;
        draw.shuffle(&mut nodes);
        let range = |node: PeerId| self.plan.power_range(node.0);
        let mut inside = 0;
        let mut outside: u64 = self.nodes().map(|node| range(node).max).sum();
        let mut core = Vec::new();
        for node in nodes {
            if !all && inside > 2 * outside {
                break;
            }
            let range = range(node);
            inside += range.min;
            outside -= range.max;
            core.push(node);
        }
        core.sort();
        core
    }
}

/// The groups, and each node that is in none as a group of its own.
fn with_rest(groups: &[Vec<u16>], nodes: usize) -> Vec<Vec<PeerId>> {
    let mut all: Vec<Vec<PeerId>> = groups
        .iter()
        .map(|group| group.iter().copied().map(PeerId).collect())
        .collect();
    let count = u16::try_from(nodes).unwrap_or(u16::MAX);
    let alone = (0..count).filter(|n| !groups.iter().flatten().any(|g| g == n));
    all.extend(alone.map(|n| vec![PeerId(n)]));
    all
}
