//! Which transactions a peer is offered, and when.
//!
//! A transaction has a number, and for each peer the pool knows up to which number it has offered
//! everything. A client's transaction goes to every peer at once, a peer's is passed on to two
//! others in turn: where everybody hears everybody that is enough, and where not it still travels.
//! A peer that has just connected is offered what waits in chunks, one with each new height or
//! announcement. Links lose frames, so now and then, if transactions still wait, everything is
//! offered again. Nobody is offered what it sent itself.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use crate::{
    codec::Frame,
    node::pool::Pool,
    types::{Bounded, Channel, MAX_GOSSIPED_TXS, Message, PeerId, Span, Time},
};

/// The most bytes of transactions offered in one frame.
pub const MAX_OFFER_BYTES: usize = 65_536;
/// How many peers a peer's transaction is passed on to at once.
const RELAYS: usize = 2;

/// How far each peer is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// The first number that the peer has not been offered.
    peers: BTreeMap<PeerId, u64>,
    /// The last peer that something was passed on to.
    turn: Option<PeerId>,
    /// When waiting transactions may be offered again.
    again: Option<Time>,
}

impl Spread {
    /// The next peers in turn, without the one it came from.
    fn relays(&mut self, from: PeerId) -> Vec<PeerId> {
        let after = self.turn.map_or(Unbounded, Excluded);
        let later = self.peers.range((after, Unbounded));
        let circle = later.chain(&self.peers).map(|(peer, _)| *peer);
        let mut chosen: Vec<PeerId> = Vec::new();
        for peer in circle.filter(|peer| *peer != from) {
            if chosen.len() < RELAYS && !chosen.contains(&peer) {
                chosen.push(peer);
            }
        }
        self.turn = chosen.last().copied().or(self.turn);
        chosen
    }
}

impl Pool {
    /// A connection is up, perhaps again: the peer may have lost everything. It is offered a first
    /// chunk.
    pub(in crate::node) fn connect(&mut self, peer: PeerId) -> Vec<(PeerId, Frame)> {
        self.disconnect(peer);
        self.spread.peers.insert(peer, 0);
        self.offer(&[peer])
    }

    /// A connection is down.
    pub(in crate::node) fn disconnect(&mut self, peer: PeerId) {
        self.spread.peers.remove(&peer);
        let senders = self.waiting.values_mut().map(|waiting| &mut waiting.from);
        senders.for_each(|from| from.retain(|sender| *sender != peer));
    }

    /// Transactions from number `first` on have just been taken, from a client or a peer. Peers
    /// that wait for older ones get them in their turn.
    pub(in crate::node) fn offer_new(
        &mut self,
        first: u64,
        from: Option<PeerId>,
    ) -> Vec<(PeerId, Frame)> {
        if first == self.next {
            return Vec::new();
        }
        let level = |(_, at): &(&PeerId, &u64)| **at == first;
        let ready = self.spread.peers.iter().filter(level);
        let mut ready: Vec<PeerId> = ready.map(|(peer, _)| *peer).collect();
        if let Some(from) = from {
            let relays = self.spread.relays(from);
            for peer in ready.iter().filter(|peer| !relays.contains(peer)) {
                self.spread.peers.insert(*peer, self.next);
            }
            ready.retain(|peer| relays.contains(peer));
        }
        self.offer(&ready)
    }

    /// A new height or an announcement: who lacks older ones gets the next chunk.
    pub(in crate::node) fn offer_rest(&mut self) -> Vec<(PeerId, Frame)> {
        let behind = self.spread.peers.iter().filter(|(_, at)| **at < self.next);
        let behind: Vec<PeerId> = behind.map(|(peer, _)| *peer).collect();
        self.offer(&behind)
    }

    /// An announcement. If transactions still wait after `patience`, everything is offered again.
    pub(in crate::node) fn offer_again(
        &mut self,
        now: Time,
        patience: Span,
    ) -> Vec<(PeerId, Frame)> {
        let Some(at) = self.spread.again.filter(|_| !self.is_empty()) else {
            self.spread.again = (!self.is_empty()).then(|| now.after(patience));
            return self.offer_rest();
        };
        if now >= at {
            self.spread.again = Some(now.after(patience));
            let done = self.spread.peers.values_mut();
            done.filter(|at| **at == self.next).for_each(|at| *at = 0);
        }
        self.offer_rest()
    }

    /// The next chunk for each of these peers.
    fn offer(&mut self, peers: &[PeerId]) -> Vec<(PeerId, Frame)> {
        let mut frames: Vec<(PeerId, Frame)> = Vec::new();
        let mut last: Option<(Vec<u64>, Frame)> = None;
        for peer in peers {
            let Some(at) = self.spread.peers.get(peer).copied() else {
                continue;
            };
            let (numbers, next) = self.chunk(*peer, at);
            self.spread.peers.insert(*peer, next);
            let frame = match last.take() {
                Some((same, frame)) if same == numbers => Some(frame),
                Some(_) | None => self.frame_of(&numbers),
            };
            if let Some(frame) = frame {
                frames.push((*peer, frame.clone()));
                last = Some((numbers, frame));
            }
        }
        frames
    }

    /// The numbers of the next transactions to offer a peer, and where to go on.
    fn chunk(&self, peer: PeerId, at: u64) -> (Vec<u64>, u64) {
        let (mut numbers, mut bytes) = (Vec::new(), 0);
        for (number, waiting) in self.waiting.range(at..) {
            if waiting.from.contains(&peer) {
                continue;
            }
            bytes += waiting.tx.len();
            if numbers.len() == MAX_GOSSIPED_TXS || bytes > MAX_OFFER_BYTES {
                return (numbers, *number);
            }
            numbers.push(*number);
        }
        (numbers, self.next)
    }

    fn frame_of(&self, numbers: &[u64]) -> Option<Frame> {
        let waiting = numbers.iter().filter_map(|n| self.waiting.get(n));
        let txs: Vec<_> = waiting.map(|waiting| waiting.tx.clone()).collect();
        let txs = Bounded::try_from(txs).ok().filter(|txs| !txs.is_empty())?;
        Some(Frame::encode(Channel::Mempool, vec![Message::Txs(txs)]))
    }
}
