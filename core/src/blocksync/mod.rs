//! Block sync: whole decided blocks for a node that is new or far behind, asked from several peers
//! at a time.
//!
//! The machine knows which blocks each peer says it has, asks for the next ones, and keeps the
//! answers until their turn comes. It verifies nothing: a block can be judged only when the chain
//! before it is known, so the node takes them one by one ([`BlockSync::next_block`]) and says what
//! came of it ([`BlockSync::advance`], [`BlockSync::refuse`]). Whoever answers wrongly is banned
//! until it connects anew; whoever does not answer in time is passed over for a while, ever longer,
//! because a lost message is no lie.
//!
//! A node in consensus asks for one block only, as a probe, and only if somebody claims to be far
//! ahead. A node that syncs asks for a window of heights, each from another peer.

mod serve;

use std::{collections::BTreeMap, sync::Arc};

pub use serve::{Answer, MAX_QUESTIONS, MAX_WAITING, Server};

use crate::types::{Block, Commit, Height, PeerId, Span, SyncMessage, Time};

/// How many heights are asked for at a time, from the next one on.
pub const WINDOW: u64 = 16;
/// How many bytes of blocks wait here for their turn; the next block is taken whatever its size.
/// Each peer may have one more on its way.
pub const MAX_BYTES: usize = 64 << 20;
/// A silent peer is passed over for at most so many request timeouts.
const MAX_PAUSE: u64 = 32;

/// How patient a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// A node in consensus probes when a peer claims blocks at least so far above its own height.
    /// `None`: never.
    pub far: Option<u64>,
    /// How long a peer may take to answer.
    pub request_timeout: Span,
    /// How long a starting node waits to hear of any peer's blocks.
    pub patience: Span,
}

impl Default for Config {
    /// Tendermint's 15 seconds for a block; three heights, for gossip repairs one or two.
    fn default() -> Self {
        Self {
            far: Some(3),
            request_timeout: Span::millis(15_000),
            patience: Span::millis(5_000),
        }
    }
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Send a message to a peer.
    Send {
        /// The receiver.
        to: PeerId,
        /// The message.
        message: SyncMessage,
    },
    /// Wake the machine at this local time; replaces an earlier wish.
    Wake(Time),
    /// Report a peer.
    Report {
        /// The peer.
        peer: PeerId,
        /// What it did.
        fault: Fault,
    },
}

/// What a peer did wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A block that was not asked for. It is not stored.
    #[error("block {0} was not asked for")]
    Unsolicited(Height),
    /// It did not answer in time; passed over for a while.
    #[error("no answer about block {0}")]
    NoAnswer(Height),
    /// It does not have a block that it claimed to have; banned.
    #[error("banned: it has no block {0}, and had claimed it")]
    NotThere(Height),
    /// A block that does not follow from the chain, or is not proved; banned.
    #[error("banned: block {height} is wrong: {what}")]
    Wrong {
        /// The height asked for.
        height: Height,
        /// What is wrong.
        what: String,
    },
    /// More questions than a node that syncs has.
    #[error("too many questions")]
    TooMany,
}

/// A block that waits for its turn. Nothing about it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub from: PeerId,
    /// The block.
    pub block: Arc<Block>,
    /// The precommits that are said to decide it.
    pub commit: Commit,
    /// How many bytes it came in.
    pub bytes: usize,
}

/// What is known of a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Peer {
    /// It says it has the blocks from here. Never goes back: peers remove old blocks...
    base: Height,
    /// ... to here. Never goes back: a peer cannot lose blocks, and messages overtake each other.
    height: Height,
    banned: bool,
    /// Answers it left out since its last one.
    strikes: u32,
    /// Passed over until then.
    paused: Option<Time>,
    /// When it was asked last, counting questions.
    turn: u64,
}

impl Peer {
    fn is_usable(&self, now: Time) -> bool {
        !self.banned && self.paused.is_none_or(|until| until <= now)
    }

    fn has(&self, height: Height) -> bool {
        self.base <= height && height <= self.height
    }
}

/// A question that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Request {
    peer: PeerId,
    height: Height,
    by: Time,
    /// Its time has passed. Another peer is asked, but the answer is taken if it comes.
    late: bool,
}

/// The state of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSync {
    config: Config,
    /// The height that is needed next.
    next: Height,
    /// When the node began to sync; `None` while it is in consensus.
    since: Option<Time>,
    /// Whether any peer has said since then which blocks it has.
    heard: bool,
    peers: BTreeMap<PeerId, Peer>,
    /// The highest claim of a peer that is not banned.
    highest: Height,
    requests: Vec<Request>,
    blocks: BTreeMap<Height, Received>,
    bytes: usize,
    turns: u64,
    /// Something has changed since the machine looked last.
    changed: bool,
    due: Option<Time>,
    armed: Option<Time>,
}

impl BlockSync {
    /// A machine without peers, of a node in consensus that needs block `next`.
    #[must_use]
    pub fn new(config: Config, next: Height) -> Self {
        Self {
            config,
            next,
            since: None,
            heard: false,
            peers: BTreeMap::new(),
            highest: Height::ZERO,
            requests: Vec::new(),
            blocks: BTreeMap::new(),
            bytes: 0,
            turns: 0,
            changed: false,
            due: None,
            armed: None,
        }
    }

    /// Whether the node syncs: consensus stands still.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.since.is_some()
    }

    /// The node begins to sync: asks all peers what they have.
    pub fn begin(&mut self, now: Time, out: &mut Vec<Out>) {
        self.since = Some(now);
        self.heard = self.highest > Height::ZERO;
        self.changed = true;
        for (peer, state) in &self.peers {
            if !state.banned {
                out.push(ask_status(*peer));
            }
        }
    }

    /// The node is in consensus again.
    pub fn end(&mut self) {
        self.since = None;
        self.heard = false;
        self.blocks.clear();
        self.bytes = 0;
        self.changed = true;
    }

    /// A connection is up, perhaps again: nothing is known of the peer, bans included.
    pub fn add_peer(&mut self, peer: PeerId, out: &mut Vec<Out>) {
        self.remove_peer(peer);
        let base = Height::FIRST;
        let state = Peer {
            base,
            ..Peer::default()
        };
        self.peers.insert(peer, state);
        if self.is_syncing() {
            out.push(ask_status(peer));
        }
    }

    /// A connection is down.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.requests.retain(|request| request.peer != peer);
        self.recount();
    }

    /// A peer's message shows that it has the blocks up to `height`.
    pub fn on_claim(&mut self, peer: PeerId, height: Height) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        if height > state.height && !state.banned {
            state.height = height;
            self.highest = self.highest.max(height);
            self.changed = true;
        }
    }

    /// A peer says which blocks it has.
    pub fn on_status(&mut self, peer: PeerId, (base, height): (Height, Height)) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.base = base.max(state.base);
            self.heard = true;
            self.changed = true;
            self.on_claim(peer, height);
        }
    }

    /// A peer sends a block in a frame of so many bytes.
    ///
    /// # Errors
    /// If it was not asked for; it is forgotten.
    pub fn on_block(&mut self, received: Received) -> Result<(), Fault> {
        let (from, height) = (received.from, received.block.header.height);
        if !self.take_request(from, height) {
            return Err(Fault::Unsolicited(height));
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.strikes = 0;
        }
        // A node that has gone over to consensus since it asked still takes the next block: its
        // commit is stronger than what the round is doing.
        let wanted = height == self.next || (height > self.next && self.is_syncing());
        let fits = height == self.next || self.bytes + received.bytes <= MAX_BYTES;
        if wanted && fits && !self.blocks.contains_key(&height) {
            self.bytes += received.bytes;
            self.blocks.insert(height, received);
        }
        Ok(())
    }

    /// A peer says that it does not have a block. It may have removed the block since it claimed
    /// it; then its claim has come with this.
    pub fn on_no_block(&mut self, peer: PeerId, height: Height, out: &mut Vec<Out>) {
        let removed = |state: &Peer| height < state.base;
        if self.take_request(peer, height) && !self.peers.get(&peer).is_some_and(removed) {
            self.ban(peer, Fault::NotThere(height), out);
        }
    }

    /// The block whose turn it is, if it is here.
    #[must_use]
    pub fn next_block(&self) -> Option<&Received> {
        self.blocks.get(&self.next)
    }

    /// The node has what comes before `next`, from wherever.
    pub fn advance(&mut self, next: Height) {
        self.next = next;
        self.blocks = self.blocks.split_off(&next);
        self.bytes = self.blocks.values().map(|received| received.bytes).sum();
        self.changed = true;
    }

    /// The block whose turn it is was wrong: its sender is banned, and with it all it sent.
    pub fn refuse(&mut self, what: String, out: &mut Vec<Out>) {
        if let Some(from) = self.next_block().map(|received| received.from) {
            let height = self.next;
            self.ban(from, Fault::Wrong { height, what }, out);
        }
    }

    /// Looks after time and requests. Call it after every input; it is cheap if nothing changed.
    pub fn run(&mut self, now: Time, out: &mut Vec<Out>) {
        if !self.changed && self.due.is_none_or(|due| now < due) {
            return;
        }
        self.changed = false;
        self.expire(now, out);
        self.ask(now, out);
        self.due = self.next_due(now);
        if self.due != self.armed {
            self.armed = self.due;
            out.extend(self.due.map(Out::Wake));
        }
    }

    /// The timer that was asked for with [`Out::Wake`]. [`BlockSync::run`] does the work.
    pub fn on_wake(&mut self) {
        self.armed = None;
        self.changed = true;
    }

    /// Whether a node that syncs may go over to consensus: no block waits for its turn, and nobody
    /// who can be asked claims more than one block that is not here. The last block comes by
    /// gossip, so that a node never runs after a chain that is as fast as itself.
    #[must_use]
    pub fn is_caught_up(&self, now: Time) -> bool {
        let Some(since) = self.since else {
            return false;
        };
        let waited = now.since(since) >= self.config.patience;
        let ahead =
            |peer: &Peer| peer.is_usable(now) && peer.has(self.next) && peer.height > self.next;
        (self.heard || waited) && self.next_block().is_none() && !self.peers.values().any(ahead)
    }

    fn take_request(&mut self, peer: PeerId, height: Height) -> bool {
        let at = self
            .requests
            .iter()
            .position(|r| (r.peer, r.height) == (peer, height));
        self.changed |= at.is_some();
        at.map(|at| self.requests.swap_remove(at)).is_some()
    }

    fn ban(&mut self, peer: PeerId, fault: Fault, out: &mut Vec<Out>) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.banned = true;
        }
        self.requests.retain(|request| request.peer != peer);
        self.blocks.retain(|_, received| received.from != peer);
        self.bytes = self.blocks.values().map(|received| received.bytes).sum();
        self.recount();
        self.changed = true;
        out.push(Out::Report { peer, fault });
    }

    fn recount(&mut self) {
        let trusted = self.peers.values().filter(|peer| !peer.banned);
        self.highest = trusted.map(|peer| peer.height).max().unwrap_or_default();
    }

    /// Passes over the peers that did not answer in time.
    fn expire(&mut self, now: Time, out: &mut Vec<Out>) {
        for request in &mut self.requests {
            let Request { peer, height, .. } = *request;
            if request.late || request.by > now {
                continue;
            }
            request.late = true;
            if let Some(state) = self.peers.get_mut(&peer) {
                let times = (2 << state.strikes.min(8)).min(MAX_PAUSE);
                state.strikes = state.strikes.saturating_add(1);
                state.paused = Some(now.after(self.config.request_timeout.times(times)));
            }
            let fault = Fault::NoAnswer(height);
            out.push(Out::Report { peer, fault });
        }
    }

    /// Asks for what is missing, one question per peer at a time.
    fn ask(&mut self, now: Time, out: &mut Vec<Out>) {
        if self.is_caught_up(now) {
            return;
        }
        for ahead in 0..self.window() {
            let height = Height(self.next.0.saturating_add(ahead));
            let waits = |request: &Request| request.height == height && !request.late;
            let asked = self.requests.iter().any(waits);
            if asked || self.blocks.contains_key(&height) {
                continue;
            }
            if ahead > 0 && self.bytes >= MAX_BYTES {
                return;
            }
            let Some(peer) = self.pick(now, height) else {
                continue;
            };
            let by = now.after(self.config.request_timeout);
            self.requests.retain(|request| request.peer != peer);
            let late = false;
            self.requests.push(Request {
                peer,
                height,
                by,
                late,
            });
            let message = SyncMessage::BlockRequest { height };
            out.push(Out::Send { to: peer, message });
        }
    }

    /// How many heights are wanted.
    fn window(&self) -> u64 {
        match self.since {
            Some(_) => WINDOW,
            None => u64::from(self.far().is_some_and(|far| self.highest >= far)),
        }
    }

    /// Who claims this height is far ahead.
    fn far(&self) -> Option<Height> {
        let far = self.config.far?;
        Some(Height(self.next.0.saturating_add(far).saturating_sub(1)))
    }

    /// Of the peers that have the block and nothing to do, the most reliable; of these the one
    /// asked longest ago.
    fn pick(&mut self, now: Time, height: Height) -> Option<PeerId> {
        let least = if self.is_syncing() {
            height
        } else {
            self.far()?
        };
        let requests = &self.requests;
        let free = self.peers.iter_mut().filter(|(id, peer)| {
            let can = peer.is_usable(now) && peer.has(height) && peer.height >= least;
            let busy = |request: &Request| request.peer == **id && !request.late;
            can && !requests.iter().any(busy)
        });
        let (id, peer) = free.min_by_key(|(_, peer)| (peer.strikes, peer.turn))?;
        self.turns += 1;
        peer.turn = self.turns;
        Some(*id)
    }

    /// When to look again: an answer is late, a peer may be asked again, patience ends.
    fn next_due(&self, now: Time) -> Option<Time> {
        let waiting = self.requests.iter().filter(|request| !request.late);
        let answers = waiting.map(|request| request.by);
        let pauses = self.peers.values().filter_map(|peer| {
            let wanted = self.window() > 0 && peer.has(self.next) && !peer.banned;
            peer.paused.filter(|until| wanted && *until > now)
        });
        let patience = self.since.map(|since| since.after(self.config.patience));
        let patience = patience.filter(|end| !self.heard && *end > now);
        answers.chain(pauses).chain(patience).min()
    }
}

fn ask_status(to: PeerId) -> Out {
    let message = SyncMessage::StatusRequest;
    Out::Send { to, message }
}

#[cfg(test)]
mod tests;
