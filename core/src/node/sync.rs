//! Block sync inside a node: questions of peers are answered, verified blocks are committed, and
//! consensus stands still meanwhile.
//!
//! A block is committed only with precommits of more than 2/3 of its height's validators for
//! exactly this block, all signatures checked. That is stronger than anything a round can hold:
//! locks of the height do not matter any more. Nothing is signed while the node syncs, and the sign
//! state stays as it is. `docs/adr/0008-block-sync.md` has the argument.

use std::sync::Arc;

use crate::{
    blocksync::{Answer, Fault, Out, Received},
    codec::{Contents, Frame},
    consensus::{Context, Decision},
    crypto::verify_commit,
    node::{Decided, Node, Output, Record, Rejection, Timer, view::NodeView},
    types::{Block, Channel, Height, Hrs, Message, PeerId, Round, Step, SyncMessage, Time},
};

impl Node {
    /// Takes from a frame what block sync needs: its own messages, and how far the peer is. Returns
    /// whether nobody else needs the frame.
    pub(super) fn take_for_sync(
        &mut self,
        now: Time,
        from: PeerId,
        (contents, bytes): (&Contents, usize),
        out: &mut Vec<Output>,
    ) -> bool {
        for message in contents.messages.iter() {
            if let Message::BlockSync(message) = message {
                self.on_sync_message(now, from, (message, bytes), out);
            }
        }
        // Nobody is at a height without having the blocks before it.
        let height = contents.messages.iter().filter_map(height_of).max();
        if let Some(done) = height.and_then(Height::prev) {
            self.blocksync.on_claim(from, done);
        }
        match contents.channel {
            Channel::BlockSync => true,
            Channel::Data | Channel::Vote | Channel::VoteSetBits => self.is_syncing(),
            Channel::State | Channel::Mempool | Channel::Evidence => false,
        }
    }

    fn on_sync_message(
        &mut self,
        now: Time,
        from: PeerId,
        (message, bytes): (&SyncMessage, usize),
        out: &mut Vec<Output>,
    ) {
        match message {
            SyncMessage::StatusRequest => {
                if self.admit(now, from, out) {
                    send(from, self.status(), out);
                }
            }
            SyncMessage::BlockRequest { height } => {
                if self.admit(now, from, out) {
                    self.on_block_request(from, *height, out);
                }
            }
            SyncMessage::StatusResponse { base, height } => {
                self.blocksync.on_status(from, (*base, *height));
            }
            SyncMessage::BlockResponse { block, commit } => {
                let received = Received {
                    from,
                    block: Arc::clone(block),
                    commit: (**commit).clone(),
                    bytes,
                };
                if let Err(fault) = self.blocksync.on_block(received) {
                    report(from, fault, out);
                }
            }
            SyncMessage::NoBlockResponse { height } => {
                self.blocksync
                    .on_no_block(from, *height, &mut self.sync_outs);
            }
        }
    }

    /// Which blocks are here.
    fn status(&self) -> SyncMessage {
        SyncMessage::StatusResponse {
            base: self.base,
            height: self.consensus.chain().height,
        }
    }

    /// The answer to a question for a block. If it was removed, what is here comes first, in the
    /// same frame: who heard of it before must not take that for a lie.
    fn frame_of_answer(&self, height: Height, decided: Option<&Decided>) -> Frame {
        let none = SyncMessage::NoBlockResponse { height };
        frame_of(match decided.and_then(response) {
            Some(response) => vec![response],
            None if height < self.base => vec![self.status(), none],
            None => vec![none],
        })
    }

    fn admit(&mut self, now: Time, peer: PeerId, out: &mut Vec<Output>) -> bool {
        let admitted = self.server.admit(now, peer);
        if !admitted {
            report(peer, Fault::TooMany, out);
        }
        admitted
    }

    fn on_block_request(&mut self, from: PeerId, height: Height, out: &mut Vec<Output>) {
        if height > self.consensus.chain().height || height < self.base {
            let frame = self.frame_of_answer(height, None);
            out.push(Output::Send { to: from, frame });
        } else if let Some(decided) = self.cache.get(&height) {
            let frame = self.frame_of_answer(height, Some(decided));
            out.push(Output::Send { to: from, frame });
        } else {
            match self.server.wait_for(from, height) {
                Answer::Load => out.push(Output::Load { height }),
                Answer::Wait => {}
                Answer::Refuse => report(from, Fault::TooMany, out),
            }
        }
    }

    /// A block was read from the disk: the peers that asked for it get it.
    pub(super) fn serve_loaded(
        &mut self,
        height: Height,
        block: Option<&Decided>,
        out: &mut Vec<Output>,
    ) {
        let peers = self.server.loaded(height);
        if peers.is_empty() {
            return;
        }
        let frame = self.frame_of_answer(height, block);
        for to in peers {
            let frame = frame.clone();
            out.push(Output::Send { to, frame });
        }
    }

    /// Commits the next block if it is here, asks for more, and goes over to consensus if there is
    /// nothing to ask for.
    pub(super) fn run_sync(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.halted.is_some() {
            return;
        }
        if self.committing.is_none() {
            self.commit_synced(now, out);
        }
        self.blocksync.run(now, &mut self.sync_outs);
        if self.committing.is_none() && self.blocksync.is_caught_up(now) {
            self.switch_to_consensus(now, out);
            self.blocksync.run(now, &mut self.sync_outs);
        }
        self.flush_sync(out);
    }

    fn commit_synced(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(received) = self.blocksync.next_block() else {
            return;
        };
        let from = received.from;
        match self.verify(received) {
            Err(what) => self.blocksync.refuse(what, &mut self.sync_outs),
            Ok(decision) => {
                if !self.is_syncing() {
                    self.blocksync.begin(now, &mut self.sync_outs);
                    // Consensus stands still from here on: the height is decided.
                    self.unreleased.clear();
                    self.stash.clear();
                }
                let height = self.consensus.at().height;
                self.append(now, Record::Synced { height, from }, out);
                self.commit(Arc::new(decision), out);
            }
        }
    }

    /// Whether a block follows the chain and was decided; as a decision, or why not.
    fn verify(&self, received: &Received) -> Result<Decision, String> {
        let (block, commit) = (&received.block, &received.commit);
        let (chain, keys) = (self.consensus.chain(), &self.keys);
        let (id, parts) = block.cut_checked().map_err(|error| error.to_string())?;
        let at = (chain.height.next(), id);
        verify_commit(&*keys.verify, &chain.chain, &chain.validators, at, commit)
            .map_err(|error| error.to_string())?;
        let valid = chain.validate(&*keys.verify, block);
        valid.map_err(|error| error.to_string())?;
        Ok(Decision {
            round: commit.round,
            id,
            block: Arc::clone(block),
            parts,
            commit: commit.clone(),
        })
    }

    /// Tendermint's `SwitchToConsensus`: the height begins, or goes on where the log ended if no
    /// block came; peers are told.
    fn switch_to_consensus(&mut self, now: Time, out: &mut Vec<Output>) {
        self.blocksync.end();
        if self.consensus.has_begun() {
            self.resume(now, Vec::new(), out);
            let at = self.consensus.at();
            self.gossip.on_step(now, at, &mut self.outs);
        } else {
            let before = Hrs {
                height: self.consensus.chain().height,
                round: Round::ZERO,
                step: Step::NewHeight,
            };
            let wait = self.consensus.timeouts().commit;
            let cx = &mut Context {
                now,
                verify: &*self.keys.verify,
                out: &mut self.actions,
            };
            self.consensus.start(cx, wait);
            self.log_start(now, before, out);
            self.carry_out(now, out);
            self.txs_available(now, out);
        }
        let view = NodeView {
            consensus: &self.consensus,
            cache: &self.cache,
            base: self.base,
        };
        self.gossip.announce(now, &view, &mut self.outs);
        self.flush_gossip(out);
    }

    /// A node that syncs does not say where it stands: gossip would send it what it ignores.
    pub(super) fn hush(&mut self) {
        if self.is_syncing() {
            self.outs
                .retain(|wish| !matches!(wish, crate::gossip::Out::Send { .. }));
        }
    }

    fn flush_sync(&mut self, out: &mut Vec<Output>) {
        for wish in self.sync_outs.drain(..) {
            match wish {
                Out::Send { to, message } => send(to, message, out),
                Out::Wake(at) => out.push(Output::Arm {
                    timer: Timer::BlockSync,
                    at,
                }),
                Out::Report { peer, fault } => report(peer, fault, out),
            }
        }
    }
}

/// The height that a consensus message is about: its sender is there or beyond.
fn height_of(message: &Message) -> Option<Height> {
    match message {
        Message::Proposal(proposal) => Some(proposal.height),
        Message::Vote(vote) => Some(vote.height),
        Message::NewRoundStep { height, .. }
        | Message::NewValidBlock { height, .. }
        | Message::ProposalPol { height, .. }
        | Message::BlockPart { height, .. }
        | Message::HasVote { height, .. }
        | Message::VoteSetMaj23 { height, .. }
        | Message::VoteSetBits { height, .. } => Some(*height),
        Message::Txs(_) | Message::Evidence(_) | Message::BlockSync(_) => None,
    }
}

fn response(decided: &Decided) -> Option<SyncMessage> {
    let block = Block::decode(&decided.parts.assemble()?).ok()?;
    Some(SyncMessage::BlockResponse {
        block: Arc::new(block),
        commit: Box::new(decided.commit.clone()),
    })
}

fn frame_of(messages: Vec<SyncMessage>) -> Frame {
    let messages = messages.into_iter().map(Message::BlockSync).collect();
    Frame::encode(Channel::BlockSync, messages)
}

fn send(to: PeerId, message: SyncMessage, out: &mut Vec<Output>) {
    let frame = frame_of(vec![message]);
    out.push(Output::Send { to, frame });
}

fn report(peer: PeerId, fault: Fault, out: &mut Vec<Output>) {
    let reason = Rejection::BlockSync(fault);
    out.push(Output::Rejected { peer, reason });
}
