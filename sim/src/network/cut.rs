//! Cutting and healing links. Touches only the network's own links.

use std::collections::BTreeMap;

use engine::types::PeerId;
use serde::{Deserialize, Serialize};

use crate::network::Network;

/// A cut that was started. Never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CutId(u32);

/// Which links are cut, as a fault that can be started and ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cut {
    /// One link in one direction.
    Link {
        /// The sender.
        from: PeerId,
        /// The receiver.
        to: PeerId,
    },
    /// Between nodes that share no group. A node in several groups is a bridge between them; a node
    /// in none keeps all its links.
    Partition {
        /// The groups.
        groups: Vec<Vec<PeerId>>,
    },
    /// Between the two nodes of each pair, both ways.
    Pairs {
        /// The pairs, in any order.
        pairs: Vec<(PeerId, PeerId)>,
    },
    /// Everything to and from one node.
    Isolate {
        /// The node.
        node: PeerId,
    },
    /// Everything to one node, which can still be heard.
    Deaf {
        /// The node.
        node: PeerId,
    },
    /// Everything from one node, which can still hear.
    Mute {
        /// The node.
        node: PeerId,
    },
    /// Everything from some nodes to others, but not back.
    OneWay {
        /// The senders.
        from: Vec<PeerId>,
        /// The receivers.
        to: Vec<PeerId>,
    },
}

impl Cut {
    /// Whether the link from `a` to `b` is one of those cut. The link to oneself never is.
    #[must_use]
    pub fn contains(&self, a: PeerId, b: PeerId) -> bool {
        if a == b {
            return false;
        }
        match self {
            Self::Link { from, to } => (*from, *to) == (a, b),
            Self::Partition { groups } => {
                let in_any = |node| groups.iter().any(|group| group.contains(&node));
                let share = groups
                    .iter()
                    .any(|group| group.contains(&a) && group.contains(&b));
                in_any(a) && in_any(b) && !share
            }
            Self::Pairs { pairs } => pairs.contains(&(a, b)) || pairs.contains(&(b, a)),
            Self::Isolate { node } => *node == a || *node == b,
            Self::Deaf { node } => *node == b,
            Self::Mute { node } => *node == a,
            Self::OneWay { from, to } => from.contains(&a) && to.contains(&b),
        }
    }
}

impl Network {
    /// Cuts one directed link. Cuts are counted: the link carries packets again when each is
    /// healed.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn cut(&mut self, from: PeerId, to: PeerId) {
        let at = self.at(from, to);
        self.links[at].cuts += 1;
    }

    /// Takes back one cut of a directed link; nothing happens if it has none.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn heal(&mut self, from: PeerId, to: PeerId) {
        let at = self.at(from, to);
        self.links[at].cuts = self.links[at].cuts.saturating_sub(1);
    }

    /// Whether the directed link is cut.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn is_cut(&self, from: PeerId, to: PeerId) -> bool {
        self.links[self.at(from, to)].cuts > 0
    }

    /// Cuts all links of `cut` once more, until [`Network::end`].
    pub fn start(&mut self, cut: &Cut) -> CutId {
        let nodes = 0..self.nodes;
        let pairs = nodes
            .clone()
            .flat_map(|a| nodes.clone().map(move |b| (PeerId(a), PeerId(b))));
        let links: Vec<_> = pairs.filter(|(a, b)| cut.contains(*a, *b)).collect();
        for (from, to) in &links {
            self.cut(*from, *to);
        }
        let id = self.next_cut;
        self.next_cut = CutId(id.0 + 1);
        self.active.insert(id, links);
        id
    }

    /// Ends a started cut. Nothing happens if it has ended, for instance by [`Network::heal_all`].
    pub fn end(&mut self, id: CutId) {
        for (from, to) in self.active.remove(&id).unwrap_or_default() {
            self.heal(from, to);
        }
    }

    /// Cuts the links between nodes that share no group.
    pub fn partition(&mut self, groups: &[&[PeerId]]) -> CutId {
        self.start(&Cut::Partition {
            groups: groups.iter().map(|group| group.to_vec()).collect(),
        })
    }

    /// Cuts all links to and from a node.
    pub fn isolate(&mut self, node: PeerId) -> CutId {
        self.start(&Cut::Isolate { node })
    }

    /// Ends every cut of every link.
    pub fn heal_all(&mut self) {
        self.active = BTreeMap::new();
        for link in &mut self.links {
            link.cuts = 0;
        }
    }

    /// Ends every cut of every link between two of `nodes`. Other links stay as they are.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn heal_between(&mut self, nodes: &[PeerId]) {
        for links in self.active.values_mut() {
            links.retain(|(from, to)| !(nodes.contains(from) && nodes.contains(to)));
        }
        for from in nodes {
            for to in nodes {
                let at = self.at(*from, *to);
                self.links[at].cuts = 0;
            }
        }
    }
}
