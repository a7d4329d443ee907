//! The gossip machine: what each peer has, what it lacks, and when to say so.
//!
//! A node's own messages go to every peer at once ([`Gossip::push`]). Everything else is repair: a
//! node that waits announces where it stands and which votes it has, and peers answer with what it
//! lacks. Announcements are hints about state, so they are gathered for one interval and sent as
//! one frame; while nothing changes the interval doubles up to a limit. An answer is repeated only
//! after a while, and of several peers that could answer only a few do at first
//! ([`Config::answers`]), so repair costs little and still reaches everybody.
//!
//! The machine reads the node through [`View`] and knows neither the consensus machine nor the
//! ledger.

mod evidence;
mod peer;
mod round_state;
mod serve;
mod show;

use std::collections::{BTreeMap, BTreeSet};

pub use peer::{PeerError, PeerState};
pub use round_state::PeerRoundState;
pub use serve::View;
use serve::frames_of;

use crate::{
    codec::Frame,
    types::{
        BitArray, BlockId, Channel, Height, Hrs, MAX_FRAME_MESSAGES, Message, PeerId, Round, Span,
        Time, ValidatorIndex, VoteKind,
    },
};

/// How often and how eagerly a node talks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long hints are gathered before they are announced.
    pub interval: Span,
    /// The longest time between two announcements of an unchanged state.
    pub interval_max: Span,
    /// How long an answer to a peer is not repeated.
    pub resend_after: Span,
    /// How many peers should answer a first announcement with votes that are not their own.
    pub answers: u32,
    /// Seeds the choice of who answers.
    pub seed: u64,
}

impl Default for Config {
    /// Tendermint's gossip sleep of 100 ms; limits that suit wide-area links.
    fn default() -> Self {
        Self {
            interval: Span::millis(100),
            interval_max: Span::millis(1_600),
            resend_after: Span::millis(500),
            answers: 2,
            seed: 0,
        }
    }
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Hand a frame to the link to a peer.
    Send {
        /// The receiver.
        to: PeerId,
        /// The frame.
        frame: Frame,
    },
    /// Wake the machine at this local time; replaces an earlier wish.
    Wake(Time),
    /// A peer needs this block: fetch it, so that [`View::stored`] knows it, and call
    /// [`Gossip::on_loaded`].
    Load(Height),
}

/// What is gathered for the next announcement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Hints {
    /// Votes of the current height that were counted since the last announcement.
    votes: BTreeMap<(Round, VoteKind), BitArray>,
    /// Whether to say which parts of the current block are here, and whether it is committed.
    block: Option<(BlockId, bool)>,
}

/// Votes this node has had for a while: worth forwarding, since who lacks them has not got them
/// otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settled {
    since: Time,
    newer: BTreeMap<(Round, VoteKind), BitArray>,
    older: BTreeMap<(Round, VoteKind), BitArray>,
}

/// The state of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gossip {
    config: Config,
    peers: BTreeMap<PeerId, PeerState>,
    hints: Hints,
    settled: Settled,
    at: Option<Hrs>,
    /// When the current height began here.
    began: Time,
    wake: Option<Time>,
    wait: Span,
    loading: BTreeSet<Height>,
    /// When evidence was last sent to everybody.
    evidence_said: Time,
    draws: u64,
}

impl Gossip {
    /// A machine without peers.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            wait: config.interval,
            draws: config.seed,
            config,
            peers: BTreeMap::new(),
            hints: Hints::default(),
            settled: Settled::default(),
            at: None,
            began: Time::default(),
            wake: None,
            loading: BTreeSet::new(),
            evidence_said: Time::default(),
        }
    }

    /// How the machine behaves.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is known of a peer.
    #[must_use]
    pub fn peer(&self, peer: PeerId) -> Option<&PeerState> {
        self.peers.get(&peer)
    }

    /// A connection is up, perhaps again: nothing is known of what the peer has. Tells it where
    /// this node stands, and which block it waits for, if for one.
    pub fn add_peer(&mut self, now: Time, peer: PeerId, view: &impl View, out: &mut Vec<Out>) {
        self.peers.insert(peer, PeerState::default());
        let mut messages = vec![self.step_message(now, view)];
        messages.extend(
            view.wanted_block()
                .and_then(|wanted| block_message(view, wanted)),
        );
        let frame = Frame::encode(Channel::State, messages);
        out.push(Out::Send { to: peer, frame });
    }

    /// Tells every peer at once where this node stands.
    pub fn announce(&self, now: Time, view: &impl View, out: &mut Vec<Out>) {
        let frame = frame_of(self.step_message(now, view));
        out.extend(self.peers.keys().map(|peer| Out::Send {
            to: *peer,
            frame: frame.clone(),
        }));
    }

    /// Whether a block was asked for with [`Out::Load`] and is not here yet.
    #[must_use]
    pub fn is_loading(&self, height: Height) -> bool {
        self.loading.contains(&height)
    }

    /// A connection is down: nothing of the peer is kept.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
    }

    /// Height, round or step changed. Whoever decides heights has nothing to ask for: a new height
    /// puts the next announcement off. New rounds do not, for they pass also where messages are
    /// missing.
    pub fn on_step(&mut self, now: Time, at: Hrs, out: &mut Vec<Out>) {
        let before = self.at.replace(at);
        if before.is_some_and(|b| b.height == at.height) {
            self.soon(now, out);
            return;
        }
        self.began = now;
        self.hints = Hints::default();
        self.settled = Settled {
            since: now,
            ..Settled::default()
        };
        self.wait = self.config.interval;
        self.wake_at(now.after(self.config.interval), out);
    }

    /// A vote of the current height was counted, or came once more: peers may stop sending it.
    pub fn on_vote(
        &mut self,
        now: Time,
        (round, kind, index): (Round, VoteKind, ValidatorIndex),
        validators: usize,
        out: &mut Vec<Out>,
    ) {
        let bits = self
            .hints
            .votes
            .entry((round, kind))
            .or_insert_with(|| BitArray::new(validators));
        bits.set(index.get(), true);
        self.soon(now, out);
    }

    /// More than 2/3 voted for a block: peers should know which of its parts are here.
    pub fn on_valid_block(
        &mut self,
        now: Time,
        block: BlockId,
        is_commit: bool,
        out: &mut Vec<Out>,
    ) {
        self.hints.block = Some((block, is_commit));
        self.soon(now, out);
    }

    /// Sends this node's own, durable messages to every peer that can use them.
    pub fn push(&mut self, now: Time, messages: &[Message], out: &mut Vec<Out>) {
        let mut by_channel: BTreeMap<Channel, Vec<Message>> = BTreeMap::new();
        for message in messages {
            by_channel
                .entry(message.channel())
                .or_default()
                .push(message.clone());
        }
        let frames = by_channel.iter();
        for frame in frames.flat_map(|(channel, messages)| frames_of(*channel, messages)) {
            for (peer, state) in &mut self.peers {
                // Also for a peer that never says anything, else its list would only grow.
                state.expire_sent(now, self.config.resend_after);
                if let Ok(contents) = frame.contents() {
                    contents
                        .messages
                        .iter()
                        .for_each(|m| state.note_sent(now, m));
                }
                out.push(Out::Send {
                    to: *peer,
                    frame: frame.clone(),
                });
            }
        }
    }

    /// A peer's frame: learns what it says about the peer, and answers what the peer asks or lacks.
    ///
    /// # Errors
    /// What in the frame no correct peer says; the rest of the frame has been taken.
    pub fn receive(
        &mut self,
        now: Time,
        from: PeerId,
        messages: &[Message],
        view: &impl View,
        out: &mut Vec<Out>,
    ) -> Result<(), PeerError> {
        let Some(peer) = self.peers.get_mut(&from) else {
            return Ok(());
        };
        let mut result = peer::goes_forward(messages);
        let mut asks = false;
        for message in messages {
            asks |= matches!(message.channel(), Channel::State | Channel::VoteSetBits);
            let applied = peer.apply(now, message, view);
            result = result.and(applied);
            if let Message::VoteSetMaj23 {
                height,
                round,
                kind,
                block,
            } = message
                && *height == view.at().height
            {
                let answer = view.bits_message(*round, *kind, *block);
                out.extend(answer.map(|m| Out::Send {
                    to: from,
                    frame: frame_of(m),
                }));
            }
        }
        if asks {
            self.serve(now, from, view, out);
        }
        result
    }

    /// A block that was asked for is here (or will never be): answers the peers that need it.
    pub fn on_loaded(&mut self, now: Time, height: Height, view: &impl View, out: &mut Vec<Out>) {
        self.loading.remove(&height);
        let waiting: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, p)| p.round_state().height == Some(height))
            .map(|(id, _)| *id)
            .collect();
        for peer in waiting {
            self.serve(now, peer, view, out);
        }
    }

    /// The timer that was asked for with [`Out::Wake`]: announces where this node stands.
    pub fn on_wake(&mut self, now: Time, view: &impl View, out: &mut Vec<Out>) {
        if self.wake.is_none_or(|at| now < at) {
            out.extend(self.wake.map(Out::Wake));
            return;
        }
        self.settle(now, view);
        for frame in self.announcement(now, view) {
            for peer in self.peers.keys() {
                out.push(Out::Send {
                    to: *peer,
                    frame: frame.clone(),
                });
            }
        }
        // Unchanged state is said again, but ever more rarely.
        let at = now.after(self.wait);
        self.wait = Span(
            self.wait
                .0
                .saturating_mul(2)
                .min(self.config.interval_max.0),
        );
        self.wake = Some(at);
        out.push(Out::Wake(at));
    }

    /// There is something to say: say it after one interval, and begin with short intervals again.
    fn soon(&mut self, now: Time, out: &mut Vec<Out>) {
        self.wait = self.config.interval;
        let at = now.after(self.config.interval);
        if self.wake.is_none_or(|wake| wake > at) {
            self.wake_at(at, out);
        }
    }

    fn wake_at(&mut self, at: Time, out: &mut Vec<Out>) {
        self.wake = Some(at);
        out.push(Out::Wake(at));
    }

    fn announcement(&mut self, now: Time, view: &impl View) -> Vec<Frame> {
        let hints = std::mem::take(&mut self.hints);
        let height = view.at().height;
        let mut messages = vec![self.step_message(now, view)];
        // What is missing is asked for with every announcement, also by a node that has forgotten
        // its hints in a crash.
        let block = view.wanted_block().or(hints.block);
        messages.extend(block.and_then(|block| block_message(view, block)));
        for ((round, kind), bits) in hints.votes {
            let has = |index| Message::HasVote {
                height,
                round,
                kind,
                index,
            };
            messages.extend(bits.ones().map(|i| has(ValidatorIndex::new(i))));
        }
        messages
            .chunks(MAX_FRAME_MESSAGES)
            .map(|chunk| Frame::encode(Channel::State, chunk.to_vec()))
            .collect()
    }

    fn step_message(&self, now: Time, view: &impl View) -> Message {
        let Hrs {
            height,
            round,
            step,
        } = view.at();
        Message::NewRoundStep {
            height,
            round,
            step,
            seconds_since_start: now.since(self.began).0 / Span::millis(1_000).0,
            last_commit_round: view.last_commit_round(),
        }
    }

    /// Votes that were here two intervals ago count as settled.
    fn settle(&mut self, now: Time, view: &impl View) {
        if now.since(self.settled.since) < self.config.interval.times(2) {
            return;
        }
        let current = view
            .vote_bits()
            .into_iter()
            .map(|(slot, bits)| (slot, bits.clone()));
        let newer = std::mem::replace(&mut self.settled.newer, current.collect());
        self.settled.older = newer;
        self.settled.since = now;
    }
}

/// Which parts of a block are here; tells peers of it, and asks for the others.
fn block_message(view: &impl View, (block, is_commit): (BlockId, bool)) -> Option<Message> {
    let Hrs { height, round, .. } = view.at();
    let parts = view.parts(block)?;
    Some(Message::NewValidBlock {
        height,
        round,
        parts: parts.header(),
        have: parts.have().clone(),
        is_commit,
    })
}

fn frame_of(message: Message) -> Frame {
    Frame::encode(message.channel(), vec![message])
}

#[cfg(test)]
mod tests;
