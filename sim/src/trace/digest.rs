//! The digest of a run: SHA-256 over a canonical encoding of every event, in order.
//!
//! Two runs with equal digests had the same events at the same times. The encoding is streamed and
//! needs no memory per event. The bytes of a frame enter once where it is sent (a broadcast repeats
//! the frame per receiver; repetitions enter as one byte), later events name the packet. Pure.

use engine::{
    codec::Frame,
    consensus::{Decision, Notice},
    node::{Entry, Record},
    privval::SignSlot,
    types::{BlockId, CommitSig, Hash, Hrs, Message, PeerId, SyncMessage, Vote},
};
use sha2::{Digest as _, Sha256};

use crate::{
    nemesis::FaultKind,
    trace::{Event, What},
};

/// A running digest. Starts empty by [`Default`].
#[derive(Debug, Clone, Default)]
pub struct Digest {
    sha: Sha256,
    /// The frame sent last, whose bytes need not be hashed again.
    last: Option<Frame>,
}

impl Digest {
    /// Takes in the next event.
    pub fn observe(&mut self, event: &Event) {
        // The number of an event is its place in the stream, so it needs no bytes of its own.
        self.u64(event.time.0);
        self.option(event.node.is_some());
        self.peer(event.node.unwrap_or(PeerId(u16::MAX)));
        self.u8(tag(&event.what));
        self.what(&event.what);
    }

    /// The digest of everything observed so far: 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        super::hex(&self.sha.clone().finalize())
    }

    fn what(&mut self, what: &What) {
        match what {
            What::Started {
                incarnation,
                height,
                signed,
            } => {
                self.u32(*incarnation);
                self.u64(height.0);
                self.signed(*signed);
            }
            What::Crashed => {}
            What::StartRefused { reason } | What::Halted { reason } => self.text(reason),
            What::Sent { packet, to, frame } => {
                self.u64(*packet);
                self.peer(*to);
                self.frame(frame);
            }
            What::Dropped { packet, reason } => {
                self.u64(*packet);
                self.text(reason);
            }
            What::Delivered { packet, from, .. } => {
                self.u64(*packet);
                self.peer(*from);
            }
            What::Fired { timer } => self.text(timer),
            What::Appended { lsn, entry } => {
                self.u64(lsn.0);
                self.entry(entry);
            }
            What::Synced { lsn, signed } => {
                self.u64(lsn.0);
                self.signed(*signed);
            }
            What::Stored {
                height,
                log_ahead,
                parts,
            } => {
                self.u64(height.0);
                self.option(*log_ahead);
                self.len(parts.len());
                parts.iter().for_each(|part| self.text(part.name()));
            }
            What::Decided {
                height,
                app_hash,
                decision,
            } => {
                self.u64(height.0);
                self.hash(app_hash);
                self.decision(decision);
            }
            What::Connected { peer } | What::Disconnected { peer } => self.peer(*peer),
            What::Rejected { peer, reason, .. } => {
                self.peer(*peer);
                self.text(reason);
            }
            What::Notice(notice) => self.notice(notice),
            What::Submitted { tx } => self.hash(tx),
            What::FaultBegan(fault) | What::FaultEnded(fault) => self.fault(fault),
            What::Disk(strike) => {
                self.text(strike.trouble.name());
                self.text(&strike.path);
            }
            What::Healed { core } => {
                self.len(core.len());
                core.iter().for_each(|node| self.peer(*node));
            }
        }
    }

    /// Equality of the bytes decides, so the digest does not depend on who shares memory with whom.
    fn frame(&mut self, frame: &Frame) {
        let repeated = self.last.as_ref().is_some_and(|last| {
            std::ptr::eq(last.bytes(), frame.bytes()) || last.bytes() == frame.bytes()
        });
        self.option(repeated);
        if !repeated {
            self.bytes(frame.bytes());
            self.last = Some(frame.clone());
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.u64(entry.time.0);
        match &entry.record {
            Record::Created { chain } => {
                self.u8(0);
                self.bytes(chain);
            }
            Record::Received { from, message } => {
                self.u8(1);
                self.peer(*from);
                self.message(message);
            }
            Record::Timeout(at) => {
                self.u8(2);
                self.hrs(*at);
            }
            Record::Own { messages } => {
                self.u8(3);
                self.len(messages.len());
                messages.iter().for_each(|message| self.message(message));
            }
            Record::Released(lsn) => {
                self.u8(4);
                self.u64(lsn.0);
            }
            Record::TxsAvailable(height) => {
                self.u8(5);
                self.u64(height.0);
            }
            Record::Synced { height, from } => {
                self.u8(6);
                self.u64(height.0);
                self.peer(*from);
            }
            Record::Step(at) => {
                self.u8(7);
                self.hrs(*at);
            }
        }
    }

    /// What tells a logged message from others; its bytes were hashed when it was sent.
    fn message(&mut self, message: &Message) {
        self.text(message.name());
        match message {
            Message::Proposal(proposal) => {
                self.u64(proposal.height.0);
                self.u32(proposal.round.0);
                self.option(proposal.pol_round.is_some());
                self.u32(proposal.pol_round.map_or(0, |round| round.0));
                self.block(proposal.block);
                self.sha.update(proposal.signature.0);
            }
            Message::BlockPart {
                height,
                round,
                part,
            } => {
                self.u64(height.0);
                self.u32(round.0);
                self.u32(part.proof.index);
                self.u32(part.proof.total);
            }
            Message::Vote(vote) => self.vote(vote),
            Message::NewRoundStep { height, round, .. }
            | Message::NewValidBlock { height, round, .. }
            | Message::HasVote { height, round, .. }
            | Message::VoteSetMaj23 { height, round, .. }
            | Message::VoteSetBits { height, round, .. }
            | Message::ProposalPol {
                height,
                pol_round: round,
                ..
            } => {
                self.u64(height.0);
                self.u32(round.0);
            }
            Message::Txs(txs) => txs.iter().for_each(|tx| self.sha.update(&**tx)),
            Message::Evidence(evidence) => {
                self.vote(&evidence.first);
                self.vote(&evidence.second);
            }
            Message::BlockSync(message) => self.sync_message(message),
        }
    }

    fn sync_message(&mut self, message: &SyncMessage) {
        match message {
            SyncMessage::StatusRequest => self.u8(1),
            SyncMessage::StatusResponse { base, height } => {
                self.u8(2);
                self.u64(base.0);
                self.u64(height.0);
            }
            SyncMessage::BlockRequest { height } => {
                self.u8(3);
                self.u64(height.0);
            }
            SyncMessage::BlockResponse { block, commit } => {
                self.u8(4);
                self.u64(block.header.height.0);
                self.block(commit.block);
                self.u32(commit.round.0);
            }
            SyncMessage::NoBlockResponse { height } => {
                self.u8(5);
                self.u64(height.0);
            }
        }
    }

    fn vote(&mut self, vote: &Vote) {
        self.u8(vote.kind as u8);
        self.u64(vote.height.0);
        self.u32(vote.round.0);
        self.sha.update(vote.index.0.to_le_bytes());
        self.choice(vote.block);
        self.sha.update(vote.signature.0);
    }

    fn decision(&mut self, decision: &Decision) {
        self.u32(decision.round.0);
        self.block(decision.id);
        // Which precommits a node happened to see; the signatures were hashed when they were sent.
        self.len(decision.commit.signatures.len());
        for signature in decision.commit.signatures.iter() {
            self.u8(match signature {
                CommitSig::Absent => 0,
                CommitSig::Nil(_) => 1,
                CommitSig::Block(_) => 2,
            });
        }
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::NewRoundStep(at) => self.point(0, *at),
            Notice::Vote {
                height,
                round,
                kind,
                index,
            } => {
                self.u8(1);
                self.u64(height.0);
                self.u32(round.0);
                self.u8(*kind as u8);
                self.sha.update(index.0.to_le_bytes());
            }
            Notice::TimeoutPropose(at) => self.point(2, *at),
            Notice::TimeoutWait(at) => self.point(3, *at),
            Notice::CompleteProposal(block) => {
                self.u8(4);
                self.block(*block);
            }
            Notice::Polka(round, block) => {
                self.u8(5);
                self.u32(round.0);
                self.choice(*block);
            }
            Notice::Lock(round, block) => {
                self.u8(6);
                self.u32(round.0);
                self.block(*block);
            }
            Notice::Relock(round, block) => {
                self.u8(7);
                self.u32(round.0);
                self.block(*block);
            }
            Notice::ValidBlock { block, is_commit } => {
                self.u8(8);
                self.block(*block);
                self.option(*is_commit);
            }
            Notice::Evidence(evidence) => {
                self.u8(9);
                self.vote(&evidence.first);
                self.vote(&evidence.second);
            }
        }
    }

    /// Its words tell every parameter.
    fn fault(&mut self, fault: &FaultKind) {
        self.text(&fault.to_string());
    }

    fn point(&mut self, tag: u8, at: Hrs) {
        self.u8(tag);
        self.hrs(at);
    }

    fn hrs(&mut self, at: Hrs) {
        self.u64(at.height.0);
        self.u32(at.round.0);
        self.u8(at.step as u8);
    }

    fn choice(&mut self, block: Option<BlockId>) {
        self.option(block.is_some());
        if let Some(block) = block {
            self.block(block);
        }
    }

    fn block(&mut self, block: BlockId) {
        self.hash(&block.hash);
        self.u32(block.parts.total);
        self.hash(&block.parts.hash);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.sha.update(bytes);
    }

    fn hash(&mut self, hash: &Hash) {
        self.sha.update(hash.0);
    }

    fn len(&mut self, len: usize) {
        self.u64(len as u64);
    }

    fn peer(&mut self, peer: PeerId) {
        self.sha.update(peer.0.to_le_bytes());
    }

    fn option(&mut self, is_some: bool) {
        self.u8(u8::from(is_some));
    }

    fn u8(&mut self, value: u8) {
        self.sha.update([value]);
    }

    fn signed(&mut self, slot: Option<SignSlot>) {
        match slot {
            None => self.u32(0),
            Some(slot) => {
                self.u32(slot.step as u32);
                self.u64(slot.height.0);
                self.u32(slot.round.0);
            }
        }
    }

    fn u32(&mut self, value: u32) {
        self.sha.update(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.sha.update(value.to_le_bytes());
    }
}

/// The number of a kind of event. Never used again for another.
fn tag(what: &What) -> u8 {
    match what {
        What::Started { .. } => 0,
        What::Crashed => 1,
        What::StartRefused { .. } => 2,
        What::Halted { .. } => 3,
        What::Sent { .. } => 4,
        What::Dropped { .. } => 5,
        What::Delivered { .. } => 6,
        What::Fired { .. } => 7,
        What::Appended { .. } => 8,
        What::Synced { .. } => 9,
        What::Decided { .. } => 10,
        What::Rejected { .. } => 11,
        What::Notice(_) => 12,
        What::Submitted { .. } => 13,
        What::FaultBegan(_) => 14,
        What::FaultEnded(_) => 15,
        What::Disk(_) => 17,
        What::Stored { .. } => 18,
        What::Healed { .. } => 16,
        What::Connected { .. } => 19,
        What::Disconnected { .. } => 20,
    }
}

/// The place of the first event in which two traces differ; `None` if they are the same.
#[must_use]
pub fn first_difference(a: &[Event], b: &[Event]) -> Option<usize> {
    let (mut left, mut right) = (Digest::default(), Digest::default());
    let both = a.iter().zip(b).position(|(x, y)| {
        left.observe(x);
        right.observe(y);
        left.hex() != right.hex()
    });
    both.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}
