//! The network: what happens to a packet on its way over a directed link.
//!
//! The network holds no packets ([`Uplinks`] does, where bandwidth is limited). It is asked for the
//! [`Fate`] of each one when it leaves; the world puts the arrival into its queue. So cutting a
//! link does not touch what is under way, and what is sent while a link is cut is gone. Unless a
//! link's model keeps their order, packets whose latencies differ overtake each other.
//!
//! All chance comes from `choice`, by the packet's name: who to whom, about which height and round,
//! of which kind, and how many such packets there were before.

mod count;
mod cut;
mod damage;
mod latency;
pub mod region;
#[cfg(test)]
mod tests;
mod uplink;

use std::collections::BTreeMap;

use engine::types::{PeerId, Time};
use serde::{Deserialize, Serialize};

use crate::choice::{Choices, Coords, Ratio, Stream};

use count::SentCounts;
pub use cut::{Cut, CutId};
pub use damage::damage;
pub use latency::Latency;
pub use uplink::{Offer, Uplinks};

/// How a link treats its packets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkModel {
    /// How long a packet takes.
    pub latency: Latency,
    /// How often a packet is lost.
    #[serde(default)]
    pub loss: Ratio,
    /// How often a packet that is not lost arrives twice.
    #[serde(default)]
    pub duplicate: Ratio,
    /// How often a packet that is not lost arrives damaged.
    #[serde(default)]
    pub corrupt: Ratio,
    /// Packets arrive in the order in which they were sent, but for this share, which neither waits
    /// for those before nor holds up those behind; absent: order is left to the latencies.
    #[serde(default)]
    pub reorder: Option<Ratio>,
}

/// The logical name of a packet. Two packets of one run never have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PacketName {
    /// The sender.
    pub from: PeerId,
    /// The receiver.
    pub to: PeerId,
    /// The height it is about.
    pub height: u64,
    /// The round it is about.
    pub round: u32,
    /// A small number for the kind of message.
    pub kind: u8,
    /// How many packets with all these in common were sent before.
    pub nth: u32,
}

impl PacketName {
    /// The coordinates of all decisions about this packet.
    #[must_use]
    pub fn coords(&self) -> Coords {
        [
            u64::from(self.from.0) << 16 | u64::from(self.to.0),
            self.height,
            u64::from(self.round),
            u64::from(self.kind) << 32 | u64::from(self.nth),
        ]
    }
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Deliver {
        /// When, in world time.
        at: Time,
    },
    /// It arrives twice. The two may be in any order.
    Twice {
        /// When the packet arrives, in world time.
        first: Time,
        /// When its copy arrives, in world time.
        second: Time,
    },
    /// It arrives, but not as it was sent.
    Corrupted {
        /// When, in world time.
        at: Time,
        /// Its name; the coordinates of what has happened to its bytes ([`damage`]).
        name: PacketName,
    },
    /// It never arrives.
    Dropped(DropReason),
}

/// Why a packet does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Lost by chance.
    Loss,
    /// The link was cut when it was sent.
    Cut,
    /// The queue of its channel was full at the sender.
    QueueFull,
}

impl DropReason {
    /// Its name in counts and traces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Cut => "cut",
            Self::QueueFull => "queue_full",
        }
    }
}

/// How many packets met which fate. `sent + duplicated == delivered + corrupted +
/// lost + cut + refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// Packets handed to the network.
    pub sent: u64,
    /// Arrivals, counting a packet that arrives twice as two.
    pub delivered: u64,
    /// Packets that arrive twice.
    pub duplicated: u64,
    /// Packets that arrive damaged.
    pub corrupted: u64,
    /// Packets dropped by chance.
    pub lost: u64,
    /// Packets dropped by a cut link.
    pub cut: u64,
    /// Packets that found their queue full.
    pub refused: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Link {
    /// Which of the network's models; 0 is the default one.
    model: usize,
    /// How many cuts are on it. It carries packets if there are none.
    cuts: u32,
    /// When the last packet that keeps the order arrives.
    last: Time,
    sent: SentCounts,
}

/// All directed links between `n` nodes, which are named `PeerId(0)` to `PeerId(n - 1)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    nodes: u16,
    /// Link from `a` to `b` at `a * nodes + b`.
    links: Vec<Link>,
    /// The default model, then each different model that some link was given.
    models: Vec<LinkModel>,
    /// Cuts that can still be ended, with the links each holds cut.
    active: BTreeMap<CutId, Vec<(PeerId, PeerId)>>,
    next_cut: CutId,
    counters: Counters,
}

impl Network {
    /// A network in which every link follows `model` and none is cut.
    #[must_use]
    pub fn new(nodes: u16, model: LinkModel) -> Self {
        let count = usize::from(nodes) * usize::from(nodes);
        Self {
            nodes,
            links: vec![Link::default(); count],
            models: vec![model],
            active: BTreeMap::new(),
            next_cut: CutId::default(),
            counters: Counters::default(),
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> u16 {
        self.nodes
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The model of the link between two nodes.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn model(&self, from: PeerId, to: PeerId) -> &LinkModel {
        &self.models[self.links[self.at(from, to)].model]
    }

    /// Changes the model of all links that were not given their own.
    pub fn set_default_model(&mut self, model: LinkModel) {
        self.models[0] = model;
    }

    /// Gives one link its own model.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn set_model(&mut self, from: PeerId, to: PeerId, model: LinkModel) {
        let at = self.at(from, to);
        let own = self.models.iter().skip(1).position(|known| *known == model);
        self.links[at].model = own.map_or_else(
            || {
                self.models.push(model);
                self.models.len() - 1
            },
            |place| place + 1,
        );
    }

    /// Gives all links the default model again.
    pub fn clear_models(&mut self) {
        self.models.truncate(1);
        for link in &mut self.links {
            link.model = 0;
        }
    }

    /// Decides what happens to a packet that is sent now. `kind` is a small number for the kind of
    /// message; `height` and `round` are those it is about.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn route(
        &mut self,
        choices: &Choices,
        now: Time,
        (from, to): (PeerId, PeerId),
        (height, round): (u64, u32),
        kind: u8,
    ) -> Fate {
        let at = self.at(from, to);
        let link = &mut self.links[at];
        let name = PacketName {
            from,
            to,
            height,
            round,
            kind,
            nth: link.sent.next((height, round, kind)),
        };
        let fate = if link.cuts > 0 {
            Fate::Dropped(DropReason::Cut)
        } else {
            fate(
                choices,
                now,
                &name,
                &self.models[link.model],
                &mut link.last,
            )
        };
        self.count(fate);
        fate
    }

    /// A packet found its queue full at the sender ([`Uplinks::offer`]): it is counted, and gone.
    pub fn refuse(&mut self) -> DropReason {
        self.count(Fate::Dropped(DropReason::QueueFull));
        DropReason::QueueFull
    }

    fn count(&mut self, fate: Fate) {
        let counters = &mut self.counters;
        counters.sent += 1;
        match fate {
            Fate::Deliver { .. } => counters.delivered += 1,
            Fate::Twice { .. } => {
                counters.delivered += 2;
                counters.duplicated += 1;
            }
            Fate::Corrupted { .. } => counters.corrupted += 1,
            Fate::Dropped(DropReason::Loss) => counters.lost += 1,
            Fate::Dropped(DropReason::Cut) => counters.cut += 1,
            Fate::Dropped(DropReason::QueueFull) => counters.refused += 1,
        }
    }

    fn at(&self, from: PeerId, to: PeerId) -> usize {
        assert!(
            from.0 < self.nodes && to.0 < self.nodes,
            "{from} to {to}: the network has {} nodes",
            self.nodes
        );
        usize::from(from.0) * usize::from(self.nodes) + usize::from(to.0)
    }
}

/// What chance does to a packet. Each decision has its own word of one draw, so that the answer to
/// one question does not depend on whether another was asked.
fn fate(
    choices: &Choices,
    now: Time,
    name: &PacketName,
    model: &LinkModel,
    last: &mut Time,
) -> Fate {
    let coords = name.coords();
    let mut draw = choices.draw(Stream::LinkPacket, coords);
    let [loss, duplicate, first, second, corrupt, reorder] =
        std::array::from_fn(|_| draw.next_u64());
    let given = |stream| choices.overridden(stream, coords);
    let yes = |stream, ratio: Ratio, word| {
        let given = given(stream);
        let decided = given.map_or(ratio.hit(word), |v| v != 0);
        if given.is_some() || !ratio.is_never() {
            choices.note(stream, coords, u64::from(decided));
        }
        decided
    };

    if yes(Stream::LinkLoss, model.loss, loss) {
        return Fate::Dropped(DropReason::Loss);
    }
    let first_ns = given(Stream::LinkLatency).unwrap_or_else(|| model.latency.at(first));
    choices.note(Stream::LinkLatency, coords, first_ns);
    let in_order = model
        .reorder
        .is_some_and(|share| !yes(Stream::LinkReorder, share, reorder));
    let mut arrival = |latency_ns| {
        let at = Time(now.0.saturating_add(latency_ns));
        if !in_order {
            return at;
        }
        *last = at.max(*last);
        *last
    };
    let first = arrival(first_ns);
    if yes(Stream::LinkCorrupt, model.corrupt, corrupt) {
        return Fate::Corrupted {
            at: first,
            name: *name,
        };
    }
    if yes(Stream::LinkDuplicate, model.duplicate, duplicate) {
        return Fate::Twice {
            first,
            second: arrival(model.latency.at(second)),
        };
    }
    Fate::Deliver { at: first }
}
