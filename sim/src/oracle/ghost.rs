//! Ghost state: what the world saw so far, as far as the judges need it.
//!
//! Per correct node, over its whole life across restarts: what it signed, wrote, sent and decided,
//! and which authentic messages it has seen. A message counts as seen when it is delivered; an own
//! one when its record becomes durable or when it is sent, whichever is first, because a node
//! counts its own votes then (and after a crash, when it may have read them back from its disk).
//!
//! What byzantine nodes see is nobody's business and not kept. Heights that every correct node has
//! behind it are forgotten, so memory follows the spread of the nodes and not the run.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use engine::{
    codec::Frame,
    consensus::Decision,
    node::{Entry, Record},
    types::{
        Address, Block, BlockId, Commit, Hash, Height, Lsn, Message, PartSetHeader, PeerId,
        Proposal, PublicKey, Signature, SyncMessage, Time, Vote, VoteKind,
    },
};

use super::{
    Setup,
    own::{Act, Life, News, Slot, Value},
    quorum::{MAX_MEMBERS, Mask, Powers},
    rotation::Rotation,
    seen::{DecisionSeen, HeightSeen, ProposalSeen, votes_in},
};
use crate::trace::{Event, What};

/// Heights kept although every correct node has them behind it.
const KEPT: u64 = 3;
/// How far above the highest decision a message may be to be looked at. No correct node signs
/// anything there.
const AHEAD: u64 = 16;

/// What happened so far, as far as oracles need it.
#[derive(Debug)]
pub struct Ghost {
    setup: Setup,
    powers: Powers,
    addresses: Vec<Address>,
    rotation: Rotation,
    /// Heights from `base` on.
    heights: VecDeque<HeightSeen>,
    base: u64,
    /// The highest height that a correct node has behind it.
    tip: u64,
    lives: Vec<Life>,
    submitted: BTreeSet<Hash>,
    news: Vec<News>,
    /// The frame sent last: a broadcast is looked at once. Kept, so that its address stays its own.
    last_sent: Option<(usize, Frame)>,
}

impl Ghost {
    /// Before the first event.
    ///
    /// # Panics
    /// If there are more than 128 validators.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let count = setup.validators.len();
        assert!(
            count <= MAX_MEMBERS,
            "{count} validators, at most {MAX_MEMBERS} can be judged"
        );
        let powers: Vec<u64> = setup.validators.iter().map(|member| member.power).collect();
        Self {
            rotation: Rotation::new(&powers),
            powers: Powers::new(powers),
            addresses: setup
                .validators
                .iter()
                .map(|member| member.key.address())
                .collect(),
            lives: setup.validators.iter().map(|_| Life::default()).collect(),
            setup,
            heights: VecDeque::new(),
            base: 1,
            tip: 0,
            submitted: BTreeSet::new(),
            news: Vec::new(),
            last_sent: None,
        }
    }

    /// Takes in the next event.
    pub fn observe(&mut self, event: &Event) {
        self.news.clear();
        if let What::Submitted { tx } = &event.what {
            self.submitted.insert(*tx);
        }
        let Some(node) = self.correct(event.node) else {
            return;
        };
        match &event.what {
            What::Sent { frame, .. } => self.on_sent(event.time, node, frame),
            What::Delivered { frame, .. } => self.on_delivered(node, frame),
            What::Appended { lsn, entry } => self.on_appended(event.time, node, *lsn, entry),
            What::Synced { lsn, .. } => self.on_synced(node, *lsn),
            What::Crashed => self.on_crashed(node),
            What::Started { height, .. } => {
                self.on_crashed(node);
                self.on_behind(node, *height);
            }
            What::Decided {
                height,
                app_hash,
                decision,
            } => {
                self.on_decided(event.time, node, *height, (*app_hash, decision));
            }
            What::StartRefused { .. }
            | What::Halted { .. }
            | What::Dropped { .. }
            | What::Fired { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Healed { .. } => {}
        }
    }

    fn on_sent(&mut self, now: Time, node: usize, frame: &Frame) {
        let again = self
            .last_sent
            .as_ref()
            .is_some_and(|(by, last)| *by == node && std::ptr::eq(last.bytes(), frame.bytes()));
        if again {
            return;
        }
        self.last_sent = Some((node, frame.clone()));
        let Ok(contents) = frame.contents() else {
            return;
        };
        for message in contents.messages.iter() {
            let Some((slot, value)) = self.own_message(node, message) else {
                continue;
            };
            self.mark_own(node, slot, value);
            let told = self.lives[node].send(now, slot, value);
            self.news.extend(told.map(|told| told.news(node, slot)));
        }
    }

    fn on_delivered(&mut self, node: usize, frame: &Frame) {
        let Ok(contents) = frame.contents() else {
            return;
        };
        for message in contents.messages.iter() {
            match message {
                Message::Vote(vote) => self.see_vote(node, vote),
                Message::Proposal(proposal) => {
                    if self.learn_proposal(proposal)
                        && let Some(seen) = self.height_mut(proposal.height)
                    {
                        seen.mark_proposal(node, proposal);
                    }
                }
                Message::BlockPart { height, part, .. } => {
                    if let Some(seen) = self.height_mut(*height) {
                        seen.mark_part(node, part);
                    }
                }
                Message::NewRoundStep { .. }
                | Message::NewValidBlock { .. }
                | Message::ProposalPol { .. }
                | Message::HasVote { .. }
                | Message::VoteSetMaj23 { .. }
                | Message::VoteSetBits { .. }
                | Message::Txs(_)
                | Message::Evidence(_) => {}
                Message::BlockSync(message) => {
                    if let SyncMessage::BlockResponse { block, commit } = message {
                        self.on_block(node, block, commit);
                    }
                }
            }
        }
    }

    /// A whole block was delivered with its commit: all its parts, and the votes in the commit.
    fn on_block(&mut self, node: usize, block: &Block, commit: &Commit) {
        let height = block.header.height;
        if height.0 < self.base || height.0 > self.tip.saturating_add(AHEAD) {
            return;
        }
        let (_, parts) = block.cut();
        for part in parts.have().ones().filter_map(|i| parts.part(i)) {
            if let Some(seen) = self.height_mut(height) {
                seen.mark_part(node, part);
            }
        }
        for vote in votes_in(commit, &self.addresses) {
            self.see_vote(node, &vote);
        }
    }

    fn on_appended(&mut self, now: Time, node: usize, lsn: Lsn, entry: &Arc<Entry>) {
        let Record::Own { messages } = &entry.record else {
            return;
        };
        for message in messages {
            if let Message::BlockPart { height, part, .. } = message
                && let Some(seen) = self.height_mut(*height)
            {
                // The node has cut the block itself.
                seen.mark_part(node, part);
            }
            if let Some((slot, value)) = self.own_message(node, message) {
                let told = self.lives[node].write(now, lsn, slot, value);
                self.news.push(told.news(node, slot));
            }
        }
    }

    fn on_synced(&mut self, node: usize, lsn: Lsn) {
        for (slot, told) in self.lives[node].sync(lsn) {
            let news = told.news(node, slot);
            self.mark_own(node, slot, news.own.value);
            self.news.push(news);
        }
    }

    fn on_crashed(&mut self, node: usize) {
        for (slot, value) in self.lives[node].crash() {
            self.mark_own(node, slot, value);
        }
    }

    fn on_decided(
        &mut self,
        time: Time,
        node: usize,
        height: Height,
        (app_hash, decision): (Hash, &Decision),
    ) {
        let (round, id) = (decision.round.0, decision.id);
        if let Some(seen) = self.height_mut(height) {
            seen.add_decision(DecisionSeen {
                node,
                time,
                round,
                id,
                app_hash,
            });
        }
        self.on_behind(node, height);
    }

    /// A node has a height behind it.
    fn on_behind(&mut self, node: usize, height: Height) {
        let life = &mut self.lives[node];
        life.height = life.height.max(height.0);
        self.tip = self.tip.max(height.0);
        let correct = self
            .lives
            .iter()
            .zip(&self.setup.validators)
            .filter(|(_, m)| m.correct);
        let low = correct.map(|(life, _)| life.height).min().unwrap_or(0);
        let base = low.saturating_sub(KEPT).max(self.base);
        if base > self.base {
            while self.base < base {
                self.heights.pop_front();
                self.base += 1;
            }
            self.lives
                .iter_mut()
                .for_each(|life| life.forget_below(base));
        }
    }

    /// Recognises a message that this node signed, and makes it known. Forgotten heights are not
    /// looked at: what is said again there would look new.
    fn own_message(&mut self, node: usize, message: &Message) -> Option<(Slot, Value)> {
        match message {
            Message::Vote(vote) => {
                let (height, round) = (vote.height.0, vote.round.0);
                let slot = Slot {
                    height,
                    round,
                    act: vote.kind.into(),
                };
                let own = vote.index.get() == node && self.learn_vote(vote);
                own.then_some((slot, Value::Vote(vote.block)))
            }
            Message::Proposal(proposal) => {
                let (height, round) = (proposal.height.0, proposal.round.0);
                let slot = Slot {
                    height,
                    round,
                    act: Act::Propose,
                };
                let (block, pol_round) = (proposal.block, proposal.pol_round.map(|r| r.0));
                let own = height >= self.base && self.is_own_proposal(node, proposal);
                own.then_some((slot, Value::Proposal { block, pol_round }))
            }
            Message::BlockPart { .. }
            | Message::NewRoundStep { .. }
            | Message::NewValidBlock { .. }
            | Message::ProposalPol { .. }
            | Message::HasVote { .. }
            | Message::VoteSetMaj23 { .. }
            | Message::VoteSetBits { .. }
            | Message::Txs(_)
            | Message::Evidence(_)
            | Message::BlockSync(_) => None,
        }
    }

    fn is_own_proposal(&mut self, node: usize, proposal: &Proposal) -> bool {
        let known = self.learn_proposal(proposal);
        let (height, round) = (proposal.height.0, proposal.round.0);
        if known {
            return self.rotation.proposer(height, round) == Some(node);
        }
        let bytes = proposal.sign_bytes(&self.setup.chain);
        self.verify(node, &bytes, &proposal.signature)
    }

    fn mark_own(&mut self, node: usize, slot: Slot, value: Value) {
        let Some(seen) = self.height_mut(Height(slot.height)) else {
            return;
        };
        match value {
            Value::Proposal { block, .. } => seen.mark_own_proposal(node, slot.round, block),
            Value::Vote(block) => {
                let kind = match slot.act {
                    Act::Prevote => VoteKind::Prevote,
                    Act::Precommit => VoteKind::Precommit,
                    Act::Propose => return,
                };
                seen.mark_own_vote(node, (kind, slot.round), block);
            }
        }
    }

    fn see_vote(&mut self, node: usize, vote: &Vote) {
        let voter = vote.index.get();
        let known = |seen: &mut HeightSeen| seen.mark_known(node, voter, vote);
        if self.height_mut(vote.height).is_some_and(known) {
            return;
        }
        if self.learn_vote(vote)
            && let Some(seen) = self.height_mut(vote.height)
        {
            seen.mark_known(node, voter, vote);
        }
    }

    /// Whether a vote is authentic. Each is verified once.
    fn learn_vote(&mut self, vote: &Vote) -> bool {
        let (voter, slot) = (vote.index.get(), (vote.kind, vote.round.0));
        let Some(seen) = self.height_mut(vote.height) else {
            return false;
        };
        if seen.knows_vote(slot, voter, (vote.block, &vote.signature)) {
            return true;
        }
        if seen.is_forged(voter, vote) {
            return false;
        }
        let bytes = vote.sign_bytes(&self.setup.chain);
        let authentic = self.verify(voter, &bytes, &vote.signature);
        if let Some(seen) = self.height_mut(vote.height) {
            if authentic {
                seen.add_vote(voter, vote);
            } else {
                seen.add_forged(voter, vote);
            }
        }
        authentic
    }

    /// Whether a proposal is signed by the proposer of its round.
    fn learn_proposal(&mut self, proposal: &Proposal) -> bool {
        let known = |seen: &mut HeightSeen| seen.knows_proposal(proposal);
        let Some(known) = self.height_mut(proposal.height).map(known) else {
            return false;
        };
        if known {
            return true;
        }
        let (height, round) = (proposal.height.0, proposal.round.0);
        self.rotation.reach(height, round);
        let Some(proposer) = self.rotation.proposer(height, round) else {
            return false;
        };
        let bytes = proposal.sign_bytes(&self.setup.chain);
        let authentic = self.verify(proposer, &bytes, &proposal.signature);
        if authentic && let Some(seen) = self.height_mut(proposal.height) {
            seen.add_proposal(proposal);
        }
        authentic
    }

    fn height_mut(&mut self, height: Height) -> Option<&mut HeightSeen> {
        let at = usize::try_from(height.0.checked_sub(self.base)?).ok()?;
        if at >= self.heights.len() {
            if height.0 > self.tip.saturating_add(AHEAD) {
                return None;
            }
            let nodes = self.setup.validators.len();
            self.heights.resize_with(at + 1, || HeightSeen::new(nodes));
        }
        self.heights.get_mut(at)
    }
}

/// What oracles ask.
impl Ghost {
    /// The cluster.
    pub(super) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Everybody's power.
    pub(super) fn powers(&self) -> &Powers {
        &self.powers
    }

    /// Validator addresses, by index.
    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// What the last event told about own messages of correct nodes.
    pub(super) fn news(&self) -> &[News] {
        &self.news
    }

    /// A node, if it is a validator that follows the protocol.
    pub(super) fn correct(&self, node: Option<PeerId>) -> Option<usize> {
        let node = usize::from(node?.0);
        self.setup.validators.get(node)?.correct.then_some(node)
    }

    /// A height, if it is not forgotten.
    pub(super) fn height(&self, height: u64) -> Option<&HeightSeen> {
        self.heights
            .get(usize::try_from(height.checked_sub(self.base)?).ok()?)
    }

    /// A correct node's own messages.
    pub(super) fn life(&self, node: usize) -> &Life {
        &self.lives[node]
    }

    /// The highest round of a height still open in which a correct node has signed something.
    pub(super) fn highest_round(&self) -> u32 {
        let open = |life: &Life| life.top().filter(|slot| slot.height > life.height);
        self.lives
            .iter()
            .filter_map(open)
            .map(|slot| slot.round)
            .max()
            .unwrap_or(0)
    }

    /// Whose votes for a choice a node has seen.
    pub(super) fn voters(
        &self,
        node: usize,
        (height, round, kind): (u64, u32, VoteKind),
        block: Option<BlockId>,
    ) -> Mask {
        self.height(height)
            .map_or(0, |seen| seen.voters(node, (kind, round), block))
    }

    /// Whether a node has seen more than two thirds prevote a block.
    pub(super) fn polka(&self, node: usize, (height, round): (u64, u32), block: BlockId) -> bool {
        let at = (height, round, VoteKind::Prevote);
        self.powers.has_quorum(self.voters(node, at, Some(block)))
    }

    /// The proposals of a round's proposer.
    pub(super) fn proposals(&self, height: u64, round: u32) -> &[ProposalSeen] {
        self.height(height)
            .map_or(&[], |seen| seen.proposals(round))
    }

    /// The proposer of a round for which some proposal was looked at.
    pub(super) fn proposer(&self, height: u64, round: u32) -> Option<usize> {
        self.rotation.proposer(height, round)
    }

    /// The bytes of a block whose parts correct nodes have seen, whichever of them.
    pub(super) fn block_bytes(&self, height: u64, parts: PartSetHeader) -> Option<Vec<u8>> {
        self.height(height)?.bytes_of(Mask::MAX, parts)
    }

    /// Whether a client gave this transaction to some node.
    pub(super) fn was_submitted(&self, tx: &Hash) -> bool {
        self.submitted.contains(tx)
    }

    /// Whether a signature is the one of a validator.
    pub(super) fn verify(&self, validator: usize, bytes: &[u8], signature: &Signature) -> bool {
        let key = self.key(validator);
        key.is_some_and(|key| self.setup.verify.verify(key, bytes, signature))
    }

    fn key(&self, validator: usize) -> Option<&PublicKey> {
        self.setup
            .validators
            .get(validator)
            .map(|member| &member.key)
    }
}
