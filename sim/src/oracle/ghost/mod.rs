//! Ghost state: what the world saw so far, as far as the judges need it.
//!
//! Per correct node, over its whole life across restarts: what it signed, wrote, sent and decided,
//! and which authentic messages it has seen. A message counts as seen when it is delivered; an own
//! one when its record becomes durable or when it is sent, whichever is first, because a node
//! counts its own votes then (and after a crash, when it may have read them back from its disk).
//!
//! What byzantine nodes see is nobody's business and not kept. Heights that every correct node has
//! behind it are forgotten, so memory follows the spread of the nodes and not the run.
//!
//! Who validates a height follows from the decided blocks before it ([`Sets`]). A block counts as
//! decided when a correct node announces it, or, because a crash may come before the announcement,
//! when a node acts at the next height and a quorum of precommits and the whole block are known.

mod ask;
mod learn;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use engine::{
    codec::Frame,
    consensus::Decision,
    node::{Entry, Record},
    types::{Block, Hash, Height, Lsn, Message, Proposal, SyncMessage, Time},
};

use crate::{
    oracle::{
        Setup,
        own::{Life, News},
        quorum::MAX_MEMBERS,
        seen::{DecisionSeen, HeightSeen},
        sets::Sets,
        stable::{Place, Stable},
    },
    trace::{Event, What},
};

/// Heights kept although every correct node has them behind it.
const KEPT: u64 = 3;
/// How far above the highest decision a message may be to be looked at. No correct node signs
/// anything there.
const AHEAD: u64 = 16;

/// What happened so far, as far as oracles need it.
#[derive(Debug)]
pub struct Ghost {
    setup: Setup,
    sets: Sets,
    /// The decided blocks of heights from `base` on.
    chain: VecDeque<Arc<Block>>,
    /// Heights from `base` on.
    heights: VecDeque<HeightSeen>,
    base: u64,
    /// The highest height that a correct node has behind it.
    tip: u64,
    lives: Vec<Life>,
    /// Proposals that came to a node before it was known whose turn it was.
    early: Vec<(usize, Proposal)>,
    /// What clients have submitted: the first 8 bytes of each hash. A block may hold it much later,
    /// even again, so none can be forgotten; that two of a run begin alike is out of the question.
    submitted: BTreeSet<u64>,
    news: Vec<News>,
    /// The frame sent last: a broadcast is looked at once. Kept, so that its address stays its own.
    last_sent: Option<(usize, Frame)>,
    /// Where each node says that it stands.
    places: Vec<Option<Place>>,
    /// Whether the last event was a node's saying so.
    announced: bool,
    /// The stable phase, once it has begun.
    stable: Option<Stable>,
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
        let keys = setup.validators.iter().map(|member| member.key);
        let powers = setup.validators.iter().map(|member| member.power).collect();
        Self {
            sets: Sets::new(keys, powers, setup.params),
            chain: VecDeque::new(),
            lives: setup.validators.iter().map(|_| Life::default()).collect(),
            setup,
            heights: VecDeque::new(),
            base: 1,
            tip: 0,
            early: Vec::new(),
            submitted: BTreeSet::new(),
            news: Vec::new(),
            last_sent: None,
            places: vec![None; count],
            announced: false,
            stable: None,
        }
    }

    /// The stable phase begins.
    pub(super) fn stabilise(&mut self, stable: Stable) {
        self.stable = Some(stable);
    }

    /// Takes in the next event.
    pub fn observe(&mut self, event: &Event) {
        self.news.clear();
        self.announced = false;
        if let What::Submitted { tx } = &event.what {
            self.submitted.insert(ask::start_of(tx));
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
            What::Halted { .. } => self.places[node] = None,
            What::Started { height, .. } => {
                self.on_crashed(node);
                self.reach(height.0 + 1);
                self.on_behind(node, *height);
            }
            What::Decided {
                height,
                app_hash,
                decision,
            } => {
                self.on_decided(event.time, node, *height, (*app_hash, decision));
            }
            What::Fired { timer: "consensus" } => self.on_timeout(node),
            What::StartRefused { .. }
            | What::Dropped { .. }
            | What::Fired { .. }
            | What::Rejected { .. }
            | What::Notice(_)
            | What::Submitted { .. }
            | What::FaultBegan(_)
            | What::FaultEnded(_)
            | What::Disk(_)
            | What::Stored { .. }
            | What::Connected { .. }
            | What::Disconnected { .. }
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
            self.note_place(now, node, message);
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
                Message::Proposal(proposal) => self.see_proposal(node, proposal),
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
                | Message::Evidence(_)
                | Message::BlockSync(
                    SyncMessage::StatusRequest
                    | SyncMessage::StatusResponse { .. }
                    | SyncMessage::BlockRequest { .. }
                    | SyncMessage::NoBlockResponse { .. },
                ) => {}
                Message::BlockSync(SyncMessage::BlockResponse { block, commit }) => {
                    self.see_block(node, block, commit);
                }
            }
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

    fn on_timeout(&mut self, node: usize) {
        let height = self.lives[node].height + 1;
        if height <= self.sets.newest()
            && let Some(at) = height.checked_sub(self.base)
            && let Some(seen) = usize::try_from(at)
                .ok()
                .and_then(|at| self.heights.get_mut(at))
        {
            seen.mark_waited(node, self.sets.at(height).validators.powers());
        }
    }

    fn on_crashed(&mut self, node: usize) {
        self.places[node] = None;
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
        self.reach(height.0);
        if self.sets.newest() == height.0 {
            self.extend(Arc::clone(&decision.block));
        }
        self.on_behind(node, height);
    }

    /// A node has a height behind it.
    fn on_behind(&mut self, node: usize, height: Height) {
        self.places[node] = None;
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
                self.chain.pop_front();
                self.base += 1;
            }
            self.sets.forget_below(base);
            self.lives
                .iter_mut()
                .for_each(|life| life.forget_below(base));
        }
    }

    fn height_mut(&mut self, height: Height) -> Option<&mut HeightSeen> {
        let at = usize::try_from(height.0.checked_sub(self.base)?).ok()?;
        if at >= self.heights.len() {
            if height.0 > self.tip.saturating_add(AHEAD) {
                return None;
            }
            let (nodes, members) = (self.setup.validators.len(), self.sets.members().len());
            self.heights
                .resize_with(at + 1, || HeightSeen::new(nodes, members));
        }
        self.heights.get_mut(at)
    }
}
