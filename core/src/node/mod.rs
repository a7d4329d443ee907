//! A node: joins the rooms, routes between them, and owns the durability barrier.
//!
//! The host calls [`Node::step`] with one [`Input`] at a time and carries out the [`Output`]s in
//! order, those about the disk through a [`Store`]. What a node signs is written to the log, and to
//! the sign state, before anybody sees it: own messages wait in the node until the host reports
//! their record durable ([`Input::Durable`]), and only then are counted by the node itself and
//! sent. A decision is announced only after block, log, application and state are durable
//! ([`Input::Committed`]).

mod commit;
mod evidence;
mod handshake;
mod input;
mod inspect;
mod observe;
mod offer;
mod own;
pub mod pool;
mod record;
mod recover;
mod size;
mod store;
mod sync;
mod traces;
mod txs;
mod view;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub use evidence::{EvidencePool, EvidencePoolError, MAX_PENDING, MAX_PENDING_PER_VALIDATOR};
pub use handshake::StartError;
pub use input::{Input, Output, Rejection, Timer};
pub use offer::{MAX_WAITING_OWN, OfferError};
pub(crate) use own::slot_of_own;
pub use pool::{Pool, PoolError};
pub use record::{Entry, Record};
pub use recover::Recovered;
pub use size::Size;
pub use store::{MAX_PRUNED, Store, StoreConfig, StoreError};
pub(crate) use traces::was_used;

use crate::{
    app::App,
    blocksync::{self, BlockSync, Server},
    codec::Frame,
    consensus::{Action, Added, Consensus, Context, Decision, Notice, Refusal, Timeouts},
    crypto::Keys,
    gossip::{self, Gossip, Out},
    ledger::State,
    node::{own::Unreleased, view::NodeView},
    privval::{SignSlot, SignState},
    types::{
        Commit, Height, Hrs, Lsn, MAX_EVIDENCE, Message, PartSet, PeerId, Round, Step, Time,
        ValidatorSet, VoteKind,
    },
};

/// How a node behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// How long the steps of a round wait.
    pub timeouts: Timeouts,
    /// How often and how eagerly the node talks.
    pub gossip: gossip::Config,
    /// Whether the node starts by asking its peers for blocks (Tendermint's `fast_sync`), before it
    /// takes part in consensus.
    pub block_sync: bool,
    /// How patient it is then, and when it falls behind later.
    pub sync: blocksync::Config,
}

/// A decided block in memory, to help peers that are behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The block's parts.
    pub parts: PartSet,
    /// The precommits this node saw.
    pub commit: Commit,
    /// The validators that signed them.
    pub validators: Arc<ValidatorSet>,
}

/// A decision that is being made durable: what will be true afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Committing {
    decision: Arc<Decision>,
    state: State,
    app: App,
}

/// How many decided blocks are kept in memory.
const CACHE: usize = 4;
/// How many messages of the next height one peer may have waiting here.
const STASH: usize = 16;

/// The state of a node. A clone is a checkpoint; two nodes with the same past are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    keys: Keys,
    consensus: Consensus,
    gossip: Gossip,
    app: App,
    sign: SignState,
    pool: Pool,
    evidence: EvidencePool,
    next_lsn: Lsn,
    /// Own messages that wait for their record to become durable.
    unreleased: VecDeque<Unreleased>,
    /// What a replay wanted to sign and has not found signed in the log yet.
    unsigned: BTreeMap<SignSlot, Action>,
    committing: Option<Committing>,
    cache: BTreeMap<Height, Decided>,
    /// The first block that the host has stored.
    base: Height,
    /// Messages of the next height that came while this one was still being finished.
    stash: BTreeMap<PeerId, VecDeque<Message>>,
    blocksync: BlockSync,
    server: Server,
    replaying: bool,
    halted: Option<String>,
    actions: Vec<Action>,
    outs: Vec<Out>,
    sync_outs: Vec<blocksync::Out>,
}

impl Node {
    /// Consumes one input at local time `now`; appends what must happen to `out`, in order.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if self.halted.is_some() {
            return;
        }
        let told = out.len();
        let _step = observe::step(now, self.consensus.at(), &input).entered();
        self.handle(now, input, out);
        observe::outputs(&out[told..]);
    }

    fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Connected(peer) => self.on_connected(now, peer, out),
            Input::Disconnected(peer) => {
                self.gossip.remove_peer(peer);
                self.pool.disconnect(peer);
                self.consensus.set_connected(peer, false);
                self.stash.remove(&peer);
                self.blocksync.remove_peer(peer);
                self.server.forget(peer);
            }
            Input::Receive { from, frame } => self.on_frame(now, from, &frame, out),
            Input::Fire(Timer::Consensus) => self.on_consensus_timer(now, out),
            Input::Fire(Timer::Gossip) => self.on_gossip_timer(now, out),
            Input::Fire(Timer::BlockSync) => self.blocksync.on_wake(),
            Input::Durable(lsn) => self.on_durable(now, lsn, out),
            Input::Committed { height, base } => self.on_committed(now, (height, base), out),
            Input::Loaded { height, block } => self.on_loaded(now, height, block, out),
            Input::Submit(tx) => self.on_submit(now, tx, out),
        }
        self.run_sync(now, out);
    }

    /// Whether the node fetches blocks and takes no part in consensus.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.blocksync.is_syncing()
    }

    fn on_connected(&mut self, now: Time, peer: PeerId, out: &mut Vec<Output>) {
        self.consensus.set_connected(peer, true);
        let view = NodeView {
            consensus: &self.consensus,
            cache: &self.cache,
            base: self.base,
        };
        self.gossip.add_peer(now, peer, &view, &mut self.outs);
        let pending = self.evidence.pending(MAX_PENDING);
        self.gossip
            .hand_over_evidence(peer, &pending, &mut self.outs);
        self.hush();
        self.flush_gossip(out);
        txs::send_txs(self.pool.connect(peer), out);
        self.server.forget(peer);
        self.blocksync.add_peer(peer, &mut self.sync_outs);
    }

    fn on_frame(&mut self, now: Time, from: PeerId, frame: &Frame, out: &mut Vec<Output>) {
        let contents = match frame.contents() {
            Ok(contents) => contents,
            Err(error) => {
                let reason = Rejection::Decode(error.clone());
                out.push(Output::Rejected { peer: from, reason });
                return;
            }
        };
        if self.take_for_sync(now, from, (contents, frame.bytes().len()), out) {
            return;
        }
        let view = NodeView {
            consensus: &self.consensus,
            cache: &self.cache,
            base: self.base,
        };
        let told = self
            .gossip
            .receive(now, from, &contents.messages, &view, &mut self.outs);
        if let Err(error) = told {
            out.push(Output::Rejected {
                peer: from,
                reason: Rejection::Peer(error),
            });
        }
        self.flush_gossip(out);
        if self.is_syncing() {
            return;
        }
        for message in contents.messages.iter() {
            self.on_message(now, from, message, out);
        }
    }

    /// Gives a message to the consensus machine, or keeps it if it is of the next height.
    /// Transactions go to the pool.
    fn on_message(&mut self, now: Time, from: PeerId, message: &Message, out: &mut Vec<Output>) {
        let height = match message {
            Message::Proposal(proposal) => proposal.height,
            Message::BlockPart { height, .. } | Message::VoteSetMaj23 { height, .. } => *height,
            Message::Vote(vote) => vote.height,
            Message::Txs(txs) => return self.on_txs(now, from, txs, out),
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::HasVote { .. }
            | Message::VoteSetBits { .. }
            | Message::BlockSync(_) => return,
            Message::Evidence(evidence) => return self.on_evidence(now, from, evidence, out),
        };
        if height == self.consensus.at().height.next() {
            if self.gossip.peer(from).is_none() {
                return; // a late frame of a peer that is gone
            }
            let waiting = self.stash.entry(from).or_default();
            if waiting.len() < STASH && !waiting.contains(message) {
                waiting.push_back(message.clone());
            }
            return;
        }
        let at = self.consensus.at();
        let late = matches!(message, Message::Vote(v) if v.height.next() == at.height);
        if height == at.height || (late && at.step == Step::NewHeight) {
            self.deliver(now, Some(from), message, out);
        }
    }

    /// Gives a message to the consensus machine and logs it if it had an effect. The record comes
    /// before the records of everything it caused, so a replay sees inputs in the order in which
    /// they were handled.
    fn deliver(
        &mut self,
        now: Time,
        from: Option<PeerId>,
        message: &Message,
        out: &mut Vec<Output>,
    ) {
        let before = self.consensus.at();
        match self.hand_to_consensus(now, from, message) {
            Ok(true) => {
                if let Some(peer) = from {
                    let record = Record::Received {
                        from: peer,
                        message: message.clone(),
                    };
                    self.append(now, record, out);
                }
            }
            Ok(false) => {}
            Err(reason) => {
                if let Some(peer) = from {
                    let reason = Rejection::Consensus(reason);
                    out.push(Output::Rejected { peer, reason });
                }
            }
        }
        self.log_start(now, before, out);
        self.carry_out(now, out);
    }

    /// Logs that round 0 began without its timeout (all precommits were there). A replay may not
    /// see all of them.
    fn log_start(&mut self, now: Time, before: Hrs, out: &mut Vec<Output>) {
        let at = self.consensus.at();
        let began = at.step > Step::NewHeight && at.round == Round::ZERO;
        if before.step == Step::NewHeight && began {
            let timeout = Hrs {
                step: Step::NewHeight,
                ..at
            };
            self.append(now, Record::Timeout(timeout), out);
        }
    }

    /// Returns whether the message changed anything.
    fn hand_to_consensus(
        &mut self,
        now: Time,
        from: Option<PeerId>,
        message: &Message,
    ) -> Result<bool, Refusal> {
        let consensus = &mut self.consensus;
        let cx = &mut Context {
            now,
            verify: &*self.keys.verify,
            out: &mut self.actions,
        };
        match message {
            Message::Proposal(proposal) => {
                let known = consensus.proposal(proposal.round).is_some();
                consensus.on_proposal(cx, proposal)?;
                Ok(!known && consensus.proposal(proposal.round).is_some())
            }
            Message::BlockPart { height, part, .. } => consensus.on_block_part(cx, *height, part),
            Message::Vote(vote) => match consensus.on_vote(cx, vote, from)? {
                Added::New => Ok(true),
                // A find is logged, so that a replay makes it again.
                Added::Conflict { evidence, counted } => {
                    let (pool, chain) = (&self.evidence, self.consensus.chain());
                    let found = pool.check_offence(chain, &evidence.offence()).is_ok();
                    Ok(counted || found)
                }
                Added::Duplicate => {
                    self.say_again(now, vote);
                    Ok(false)
                }
            },
            Message::VoteSetMaj23 {
                round, kind, block, ..
            } => match from {
                Some(peer) => consensus.on_majority_claim(*round, *kind, peer, *block),
                None => Ok(false),
            },
            Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::HasVote { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => Ok(false),
        }
    }

    /// A peer sent a vote that is here: it does not know, so the hint is given once more.
    fn say_again(&mut self, now: Time, vote: &crate::types::Vote) {
        // In a replay nobody is told anything: a timer wished for then would be in the past, and
        // lost.
        if vote.height == self.consensus.at().height && !self.replaying {
            let slot = (vote.round, vote.kind, vote.index);
            let size = self.consensus.validators().len();
            self.gossip.on_vote(now, slot, size, &mut self.outs);
        }
    }

    fn on_consensus_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.is_syncing() {
            return;
        }
        let verify = &*self.keys.verify;
        let cx = &mut Context {
            now,
            verify,
            out: &mut self.actions,
        };
        if let Some(hrs) = self.consensus.on_wake(cx) {
            self.append(now, Record::Timeout(hrs), out);
        }
        self.carry_out(now, out);
    }

    fn on_gossip_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        let view = NodeView {
            consensus: &self.consensus,
            cache: &self.cache,
            base: self.base,
        };
        self.gossip.on_wake(now, &view, &mut self.outs);
        let pending = self.evidence.pending(MAX_EVIDENCE);
        self.gossip.repeat_evidence(now, &pending, &mut self.outs);
        self.hush();
        self.flush_gossip(out);
        let patience = self.gossip.config().interval_max;
        txs::send_txs(self.pool.offer_again(now, patience), out);
    }

    /// Carries out what the consensus machine wants, in order, until it wants nothing more.
    fn carry_out(&mut self, now: Time, out: &mut Vec<Output>) {
        let actions = std::mem::take(&mut self.actions);
        for action in actions {
            match action {
                Action::Propose { .. } | Action::Vote { .. } => self.sign(now, action, out),
                Action::Wake(at) => out.push(Output::Arm {
                    timer: Timer::Consensus,
                    at,
                }),
                Action::Decide(decision) => self.commit(Arc::new(*decision), out),
                Action::Notice(notice) => self.on_notice(now, notice, out),
                Action::Halt(reason) => {
                    self.halted = Some(reason.clone());
                    out.push(Output::Halted { reason });
                }
            }
        }
        assert!(
            self.actions.is_empty(),
            "signing and committing cause no consensus actions"
        );
        self.flush_gossip(out);
    }

    fn on_notice(&mut self, now: Time, notice: Notice, out: &mut Vec<Output>) {
        if !self.replaying {
            self.tell_gossip(now, &notice);
        }
        if let Notice::NewRoundStep(at) = &notice {
            self.append(now, Record::Step(*at), out);
        }
        if let Notice::Evidence(evidence) = &notice {
            // What is known, or too much, is not a find. There is nobody to blame.
            let _known = self.take_evidence(now, None, evidence);
        }
        out.push(Output::Notice(notice));
    }

    fn tell_gossip(&mut self, now: Time, notice: &Notice) {
        let outs = &mut self.outs;
        match notice {
            Notice::NewRoundStep(at) => self.gossip.on_step(now, *at, outs),
            Notice::Vote {
                height,
                round,
                kind,
                index,
            } => {
                if *height == self.consensus.at().height {
                    let size = self.consensus.validators().len();
                    self.gossip
                        .on_vote(now, (*round, *kind, *index), size, outs);
                }
            }
            Notice::ValidBlock { block, is_commit } => {
                self.gossip.on_valid_block(now, *block, *is_commit, outs);
            }
            Notice::TimeoutPropose(_)
            | Notice::TimeoutWait(_)
            | Notice::CompleteProposal(_)
            | Notice::Polka(..)
            | Notice::Lock(..)
            | Notice::Relock(..)
            | Notice::Evidence(_) => {}
        }
    }

    fn flush_gossip(&mut self, out: &mut Vec<Output>) {
        for wish in self.outs.drain(..) {
            match wish {
                Out::Send { to, frame } => out.push(Output::Send { to, frame }),
                Out::Wake(at) => out.push(Output::Arm {
                    timer: Timer::Gossip,
                    at,
                }),
                Out::Load(height) => out.push(Output::Load { height }),
            }
        }
    }

    /// Appends a record to the log. It is durable once the host says so.
    fn append(&mut self, time: Time, record: Record, out: &mut Vec<Output>) -> Lsn {
        let lsn = self.next_lsn;
        if self.replaying {
            return lsn;
        }
        self.next_lsn = Lsn(lsn.0 + 1);
        out.push(Output::Append {
            lsn,
            entry: Box::new(Entry { time, record }),
        });
        lsn
    }
}

/// Where in the order of signing a vote stands.
fn sign_step(kind: VoteKind) -> crate::privval::SignStep {
    match kind {
        VoteKind::Prevote => crate::privval::SignStep::Prevote,
        VoteKind::Precommit => crate::privval::SignStep::Precommit,
    }
}

#[cfg(test)]
mod tests;
