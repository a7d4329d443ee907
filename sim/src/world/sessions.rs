//! Connections between nodes. Cutting a link does not end a connection by itself: both ends give it
//! up when they have heard nothing for a while, as the plan's `links` say, and make a new one when
//! the link works again. So do those who wait for a node that has crashed. What was sent over a
//! connection that is gone never arrives.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    node::Input,
    types::{PeerId, Span},
};

use crate::{
    choice::{Ratio, Stream},
    trace::What,
    world::{Pending, Phase, World},
};

/// Two nodes, the lower one first.
type Pair = (PeerId, PeerId);

/// Which connections there are.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// How many connections each pair has given up.
    given_up: BTreeMap<Pair, u32>,
    /// Who has no connection.
    apart: BTreeSet<Pair>,
    /// Who has given up whom after a crash: the peer first.
    gone: BTreeSet<(PeerId, PeerId)>,
}

fn pair(a: PeerId, b: PeerId) -> Pair {
    (a.min(b), a.max(b))
}

impl Sessions {
    /// The number of the connection between two nodes.
    pub(super) fn number(&self, a: PeerId, b: PeerId) -> u32 {
        self.given_up.get(&pair(a, b)).copied().unwrap_or(0)
    }

    /// Whether two nodes have given up their connection, and have no new one.
    pub(super) fn are_apart(&self, a: PeerId, b: PeerId) -> bool {
        self.apart.contains(&pair(a, b))
    }

    /// Whether a node has given up a peer that has crashed, and has not heard of it again.
    pub(super) fn is_gone(&self, peer: PeerId, node: PeerId) -> bool {
        self.gone.contains(&(peer, node))
    }

    /// A node has a connection to a peer again.
    pub(super) fn is_back(&mut self, peer: PeerId, node: PeerId) {
        self.gone.remove(&(peer, node));
    }
}

impl World {
    /// Links were cut by a fault, for the `step`-th time: some of the pairs that are cut off will
    /// give up.
    pub(super) fn hang_up_cut(&mut self, index: usize, step: u32) {
        if self.plan.links.hangup_ppm == 0 {
            return;
        }
        for a in self.nodes() {
            for b in self.nodes().filter(|b| a < *b) {
                if self.is_cut(a, b) && self.hangs_up(a, b, [0, index as u64, u64::from(step)]) {
                    let at = self.hang_up_time();
                    self.queue.push(at, Pending::HangUp { a, b });
                }
            }
        }
    }

    /// A node has crashed: some of its peers will give it up.
    pub(super) fn hang_up_crashed(&mut self, node: PeerId) {
        if self.plan.links.hangup_ppm == 0 {
            return;
        }
        let (crashes, incarnation) = (self.host(node).crashes, self.host(node).starts);
        for peer in self.nodes().filter(|peer| *peer != node) {
            if self.hangs_up(peer, node, [1, crashes, 0]) {
                let at = self.hang_up_time();
                let gone = Pending::Gone {
                    node: peer,
                    peer: node,
                    incarnation,
                };
                self.queue.push(at, gone);
            }
        }
    }

    fn hangs_up(&self, a: PeerId, b: PeerId, [what, number, step]: [u64; 3]) -> bool {
        let ratio = Ratio::ppm(self.plan.links.hangup_ppm.min(1_000_000));
        let nodes = u64::from(a.0) << 16 | u64::from(b.0);
        let coords = [nodes, what << 32 | number, step, 0];
        self.choices.chance(Stream::LinkHangup, coords, ratio)
    }

    fn hang_up_time(&self) -> engine::types::Time {
        let after = Span::millis(self.plan.links.hangup_after_ms);
        self.now.after(after)
    }

    fn is_cut(&self, a: PeerId, b: PeerId) -> bool {
        self.network.is_cut(a, b) || self.network.is_cut(b, a)
    }

    /// Two nodes that are cut off from each other give up their connection.
    pub(super) fn hang_up(&mut self, a: PeerId, b: PeerId) {
        let faulty = self.phase == Phase::Faults && self.is_cut(a, b);
        if faulty && self.sessions.apart.insert((a, b)) {
            *self.sessions.given_up.entry((a, b)).or_default() += 1;
            self.count("disconnect");
            self.tell(a, b, false);
            self.tell(b, a, false);
        }
    }

    /// A node has waited long enough for a peer that has crashed, unless it came back.
    pub(super) fn give_up(&mut self, node: PeerId, peer: PeerId, incarnation: u32) {
        let host = self.host(node);
        let waits = host.up && host.known[usize::from(peer.0)] <= incarnation;
        if waits && self.phase == Phase::Faults && !self.sessions.are_apart(node, peer) {
            self.sessions.gone.insert((peer, node));
            self.count("disconnect");
            self.tell(node, peer, false);
        }
    }

    /// Whoever is not cut off any more makes a new connection.
    pub(super) fn reconnect(&mut self) {
        let apart = self.sessions.apart.iter().copied();
        let back: Vec<Pair> = apart.filter(|(a, b)| !self.is_cut(*a, *b)).collect();
        for (a, b) in back {
            self.sessions.apart.remove(&(a, b));
            self.tell(a, b, true);
            self.tell(b, a, true);
        }
    }

    /// A node learns that a connection is up or down, as soon as it does anything.
    fn tell(&mut self, node: PeerId, peer: PeerId, up: bool) {
        let told = Pending::Connection { node, peer, up };
        self.queue.push(self.now, told);
    }

    /// A node has a connection to a peer, or none any more.
    pub(super) fn learn_connection(&mut self, node: PeerId, peer: PeerId, up: bool) {
        if !self.host(node).up {
            return; // whoever starts makes all its connections
        }
        if up {
            let starts = self.host(peer).starts;
            self.connected(node, peer, starts);
        } else if self.sessions.are_apart(node, peer) || self.sessions.is_gone(peer, node) {
            // Otherwise the peer came back before the node could do anything.
            self.emit(Some(node), What::Disconnected { peer });
            self.input(node, Input::Disconnected(peer));
        }
    }

    /// A node has a connection to this incarnation of a peer.
    pub(super) fn connected(&mut self, node: PeerId, peer: PeerId, incarnation: u32) {
        self.host(node).known[usize::from(peer.0)] = incarnation;
        self.sessions.is_back(peer, node);
        self.emit(Some(node), What::Connected { peer });
        self.input(node, Input::Connected(peer));
    }
}
