//! Packets on links with limited bandwidth: they wait at their sender until it is their turn, and
//! only then meet their fate on the way.

use engine::{
    codec::Frame,
    types::{Channel, PeerId},
};

use crate::{
    choice::{Choices, Ratio, Stream},
    nemesis::{MinMax, Plan, Spread},
    network::{Latency, LinkModel, Network, Offer, Uplinks, region::one_way_ns},
    world::{Pending, World},
};

/// A packet between a node's output and the network.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) packet: u64,
    pub(super) from: PeerId,
    pub(super) incarnation: u32,
    /// The number of the connection that it is sent over.
    pub(super) session: u32,
    pub(super) to: PeerId,
    pub(super) frame: Frame,
}

/// The links' queues, if the plan limits their bandwidth.
pub(super) fn uplinks(plan: &Plan) -> Option<Uplinks<Parcel>> {
    plan.link
        .bytes_per_second
        .map(|rate| Uplinks::new(rate.max(1)))
}

/// The links of the plan, with its faults.
pub(super) fn new_network(plan: &Plan, choices: &Choices) -> Network {
    let nodes = u16::try_from(plan.powers.len()).unwrap_or(u16::MAX);
    let mut network = Network::new(nodes, LinkModel::default());
    set_models(&mut network, plan, choices, true);
    network
}

/// Gives each link its model; without loss, damage and duplication once the faults are over.
fn set_models(network: &mut Network, plan: &Plan, choices: &Choices, faulty: bool) {
    let ppm = |parts: u32| {
        if faulty {
            Ratio::ppm(parts.min(MILLION))
        } else {
            Ratio::NEVER
        }
    };
    let model = |latency| LinkModel {
        latency,
        loss: ppm(plan.link.loss_ppm),
        duplicate: ppm(plan.link.duplicate_ppm),
        corrupt: ppm(plan.links.corrupt_ppm),
        reorder: plan
            .links
            .reorder_ppm
            .map(|parts| Ratio::ppm(parts.min(MILLION))),
    };
    let MinMax { min, max } = plan.link.latency_us;
    let bounds = (min.saturating_mul(1_000), max.saturating_mul(1_000));
    network.set_default_model(model(spread(plan.links.spread, bounds)));
    let wide = plan.links.spread == Spread::WideArea;
    if !wide && !plan.links.lopsided {
        return;
    }
    let nodes = 0..network.nodes();
    for (from, to) in nodes
        .clone()
        .flat_map(|a| nodes.clone().map(move |b| (a, b)))
    {
        let bounds = if wide {
            let way = one_way_ns(from, to).clamp(bounds.0, bounds.1);
            (way, (way + way / JITTER).min(bounds.1))
        } else {
            part_of(bounds, choices, from, to)
        };
        let latency = spread(plan.links.spread, bounds);
        network.set_model(PeerId(from), PeerId(to), model(latency));
    }
}

const MILLION: u32 = 1_000_000;
/// A packet between regions takes up to a 20th longer than half of a round trip.
const JITTER: u64 = 20;
/// A lopsided link has some of so many equal parts of the range to itself. Few, so that links
/// share models.
const PARTS: u64 = 8;

fn spread(spread: Spread, (min_ns, max_ns): (u64, u64)) -> Latency {
    match spread {
        Spread::Uniform | Spread::WideArea => Latency::Uniform { min_ns, max_ns },
        Spread::Constant => Latency::Constant { ns: max_ns },
        Spread::HeavyTail => Latency::HeavyTail {
            min_ns,
            scale_ns: max_ns.saturating_sub(min_ns) / 16,
            max_ns,
        },
    }
}

fn part_of((min, max): (u64, u64), choices: &Choices, from: u16, to: u16) -> (u64, u64) {
    let coords = [u64::from(from) << 16 | u64::from(to), 0, 0, 0];
    let mut draw = choices.draw(Stream::LinkShape, coords);
    let (low, high) = (draw.below(PARTS), draw.between(1..=PARTS));
    let (low, high) = (low.min(high - 1), high.max(low + 1));
    let part = max.saturating_sub(min) / PARTS;
    (min + part * low, min + part * high)
}

impl World {
    /// The faults of links are over. How long they take, and in which order, stays.
    pub(super) fn heal_links(&mut self) {
        set_models(&mut self.network, &self.plan, &self.choices, false);
    }

    /// A packet reaches its link: at once on its way, or in the queue of its channel.
    pub(super) fn hand_to_link(&mut self, parcel: Parcel) {
        let Some(uplinks) = &mut self.uplinks else {
            self.route(parcel);
            return;
        };
        let bytes = parcel.frame.bytes();
        // What is no frame at all waits with the hints.
        let channel = bytes.get(1).copied().and_then(Channel::of_byte);
        let channel = channel.unwrap_or(Channel::State);
        let (size, packet) = (bytes.len() as u64, parcel.packet);
        let (from, to) = (parcel.from, parcel.to);
        match uplinks.offer(self.now, (from, to), channel, size, parcel) {
            Offer::Leaves(at) => self.queue.push(at, Pending::Depart { from, to }),
            Offer::Waits => {}
            Offer::Full => {
                let reason = self.network.refuse();
                self.drop_packet(to, packet, reason.name());
            }
        }
    }

    /// A packet has left its sender.
    pub(super) fn depart(&mut self, from: PeerId, to: PeerId) {
        let now = self.now;
        let left = self
            .uplinks
            .as_mut()
            .and_then(|u| u.depart(now, (from, to)));
        let Some((parcel, next)) = left else {
            return; // the sender has crashed, or the limit was lifted
        };
        if let Some(at) = next {
            self.queue.push(at, Pending::Depart { from, to });
        }
        self.route(parcel);
    }

    /// A sender crashes: what had not left is lost.
    pub(super) fn stop_links(&mut self, sender: PeerId) {
        let lost = self.uplinks.as_mut().map(|u| u.stop(sender));
        for parcel in lost.into_iter().flatten() {
            self.drop_packet(parcel.to, parcel.packet, "unsent");
        }
    }

    /// The faults are over: links carry everything at once.
    pub(super) fn lift_bandwidth(&mut self) {
        for (_, parcel) in self.uplinks.take().into_iter().flat_map(Uplinks::lift) {
            self.route(parcel);
        }
    }
}
