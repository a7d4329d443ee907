//! What goes wrong on links: how latencies spread, order, damage, and the faults that cut, hold and
//! shape them. The faults' fields are in milliseconds and node numbers, as everywhere in a plan.

use serde::{Deserialize, Serialize};

use crate::{
    choice::{Choices, Draw},
    nemesis::{
        FaultKind, Link, MinMax, Plan,
        draw::{Option_, draw_length, draw_node, swarm},
    },
};

/// How links treat their packets beside [`Link`]. The default is nothing: latencies drawn uniformly
/// and each for itself, so that packets overtake each other, and no damage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// How latencies lie between the bounds of the link.
    pub spread: Spread,
    /// Each directed link has a part of the range to itself, so the two directions differ.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lopsided: bool,
    /// Packets of a link arrive in the order in which they were sent, but for so many per million;
    /// absent: order is left to the latencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder_ppm: Option<u32>,
    /// Packets per million that are damaged on the way, until the faults are over.
    pub corrupt_ppm: u32,
    /// How many per million of the connections over a cut link, or to a crashed node, are given up.
    pub hangup_ppm: u32,
    /// After how many milliseconds.
    pub hangup_after_ms: u64,
}

impl Links {
    /// Whether there is nothing but the links of [`Link`].
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// How latencies lie between the least and the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Each value is equally likely.
    #[default]
    Uniform,
    /// Always the most.
    Constant,
    /// Mostly near the least, seldom far off: a Pareto tail whose scale is a 16th of the range.
    HeavyTail,
    /// Half of a measured round trip between regions of the world: node n stands in region n mod 8
    /// (`network::region`). The bounds still hold.
    WideArea,
}

/// Nodes of each pair do not hear each other, while both may hear a third.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// The pairs.
    pub pairs: Vec<(u16, u16)>,
    /// How long, in milliseconds.
    pub for_ms: u64,
}

/// A node hears nobody, and nobody hears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isolate {
    /// The node.
    pub node: u16,
    /// How long, in milliseconds.
    pub for_ms: u64,
}

/// Only some links work: those of a ring or of a star. A node that is not named keeps its links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Which.
    pub shape: Shape,
    /// The nodes around the ring, or the centre of the star and then the others.
    pub order: Vec<u16>,
    /// How long, in milliseconds.
    pub for_ms: u64,
}

/// The shapes of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Each node hears its two neighbours.
    Ring,
    /// The first node hears all, the others only the first.
    Star,
}

impl Topology {
    /// Whether the link between the nodes at two places of `order` stays.
    #[must_use]
    pub fn keeps(&self, a: usize, b: usize) -> bool {
        let apart = a.abs_diff(b);
        match self.shape {
            Shape::Ring => apart <= 1 || apart + 1 == self.order.len(),
            Shape::Star => a == 0 || b == 0,
        }
    }

    /// The pairs that do not hear each other.
    #[must_use]
    pub fn cut_pairs(&self) -> Vec<(u16, u16)> {
        let mut pairs = Vec::new();
        for (a, from) in self.order.iter().enumerate() {
            for (b, to) in self.order.iter().enumerate().skip(a + 1) {
                if !self.keeps(a, b) {
                    pairs.push((*from, *to));
                }
            }
        }
        pairs
    }
}

/// What some nodes send to some others is held back, and let go at once at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clog {
    /// The senders.
    pub from: Vec<u16>,
    /// The receivers.
    pub to: Vec<u16>,
    /// How long, in milliseconds.
    pub for_ms: u64,
}

/// The links between two groups of nodes go down and come up again, in turns, both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// One group.
    pub from: Vec<u16>,
    /// The other.
    pub to: Vec<u16>,
    /// How long they are down each time, in milliseconds.
    pub down_ms: u64,
    /// How long they are up in between, in milliseconds.
    pub up_ms: u64,
    /// How often they go down.
    pub times: u32,
}

/// The bounds of a worldwide network: [`Spread::WideArea`] keeps within them.
const WORLD_US: MinMax = MinMax {
    min: 1_000,
    max: 215_000,
};

/// How a seed's links are: nothing special in half of the runs.
pub(super) fn draw_links(choices: &Choices, link: &mut Link) -> Links {
    let mut draw = swarm(choices, Option_::Spread);
    let spread = match draw.below(8) {
        0 => Spread::WideArea,
        1 => Spread::Constant,
        2 => Spread::HeavyTail,
        _ => Spread::Uniform,
    };
    if spread == Spread::WideArea {
        link.latency_us = WORLD_US;
    }
    let lopsided = swarm(choices, Option_::Lopsided).below(4) == 0;
    let mut draw = swarm(choices, Option_::Reorder);
    let reorder = [None, None, Some(0), Some(10_000), Some(200_000)];
    let reorder_ppm = draw.pick(&reorder).copied().flatten();
    let mut draw = swarm(choices, Option_::Corrupt);
    let corrupt = [0, 0, 0, 1_000, 30_000];
    let corrupt_ppm = draw.pick(&corrupt).copied().unwrap_or(0);
    let mut draw = swarm(choices, Option_::Hangup);
    let on = draw.below(2) == 1;
    let hangup_ppm = [200_000, 1_000_000][usize::try_from(draw.below(2)).unwrap_or(0)];
    let longest = link.latency_us.max.div_ceil(250);
    let hangup_after_ms = draw.between(0..=longest);
    Links {
        spread,
        lopsided,
        reorder_ppm,
        corrupt_ppm,
        hangup_ppm: if on { hangup_ppm } else { 0 },
        hangup_after_ms: if on { hangup_after_ms } else { 0 },
    }
}

fn shuffled(draw: &mut Draw, plan: &Plan) -> Vec<u16> {
    let mut nodes: Vec<u16> = (0..u16::try_from(plan.powers.len()).unwrap_or(u16::MAX)).collect();
    draw.shuffle(&mut nodes);
    nodes
}

/// Two disjoint groups, together everybody.
fn two_groups(draw: &mut Draw, plan: &Plan) -> (Vec<u16>, Vec<u16>) {
    let mut nodes = shuffled(draw, plan);
    let most = (nodes.len() as u64).saturating_sub(1).max(1);
    let cut = usize::try_from(draw.between(1..=most)).unwrap_or(1);
    let rest = nodes.split_off(cut.min(nodes.len()));
    (nodes, rest)
}

/// Up to as many pairs as there are nodes.
pub(super) fn draw_partial(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let nodes = plan.powers.len() as u64;
    let count = draw.between(1..=nodes);
    let pairs = (0..count).filter_map(|_| {
        let (a, b) = (draw_node(draw, plan), draw_node(draw, plan));
        (a != b).then_some((a.min(b), a.max(b)))
    });
    FaultKind::Partial(Partial {
        pairs: pairs.collect(),
        for_ms: draw_length(draw, height_ms),
    })
}

pub(super) fn draw_isolate(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    FaultKind::Isolate(Isolate {
        node: draw_node(draw, plan),
        for_ms: draw_length(draw, height_ms),
    })
}

pub(super) fn draw_topology(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let shapes = [Shape::Ring, Shape::Star];
    FaultKind::Topology(Topology {
        shape: draw.pick(&shapes).copied().unwrap_or(Shape::Ring),
        order: shuffled(draw, plan),
        for_ms: draw_length(draw, height_ms),
    })
}

pub(super) fn draw_clog(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let (from, to) = two_groups(draw, plan);
    FaultKind::Clog(Clog {
        from,
        to,
        for_ms: draw_length(draw, height_ms),
    })
}

/// As often as fits into the usual length of a fault.
pub(super) fn draw_flap(draw: &mut Draw, plan: &Plan, height_ms: u64) -> FaultKind {
    let (from, to) = two_groups(draw, plan);
    FaultKind::Flap(Flap {
        from,
        to,
        down_ms: draw.between(1..=height_ms),
        up_ms: draw.between(1..=height_ms),
        times: u32::try_from(draw.between(2..=6)).unwrap_or(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(shape: Shape, order: &[u16]) -> Vec<(u16, u16)> {
        let topology = Topology {
            shape,
            order: order.to_vec(),
            for_ms: 1,
        };
        topology.cut_pairs()
    }

    #[test]
    fn a_ring_keeps_neighbours_and_a_star_its_centre() {
        assert_eq!(pairs(Shape::Ring, &[0, 1, 2, 3]), [(0, 2), (1, 3)]);
        assert_eq!(pairs(Shape::Star, &[2, 0, 1]), [(0, 1)]);
        assert_eq!(pairs(Shape::Ring, &[0, 1, 2]), []);
        assert_eq!(pairs(Shape::Star, &[]), []);
    }

    #[test]
    fn seeds_draw_every_kind_of_link_and_some_draw_none() {
        let choices = (0..400).map(Choices::new);
        let mut link = Link {
            latency_us: MinMax { min: 1, max: 2 },
            loss_ppm: 0,
            duplicate_ppm: 0,
            bytes_per_second: None,
        };
        let all: Vec<Links> = choices.map(|c| draw_links(&c, &mut link)).collect();
        let some = |what: fn(&Links) -> bool| all.iter().filter(|l| what(l)).count();
        for count in [
            some(|l| l.spread == Spread::WideArea),
            some(|l| l.spread == Spread::Constant),
            some(|l| l.spread == Spread::HeavyTail),
            some(|l| l.lopsided),
            some(|l| l.reorder_ppm == Some(0)),
            some(|l| l.corrupt_ppm > 0),
            some(|l| l.hangup_ppm > 0),
        ] {
            assert!((20..300).contains(&count), "{count}");
        }
        assert!(some(Links::is_plain) > 5);
        assert_eq!(link.latency_us, WORLD_US, "worldwide links need their time");
    }
}
